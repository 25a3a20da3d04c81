/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where tests have the process killed, or stopped: a build of its own, with REMEDY_CRASH_POINTS, kills itself
 * at the point whose number STORESCAN_REMEDY_CRASH says, and stops at the one that the file PROGRAM.stop
 * says. In the installed program nothing is left of it.
 */

enum crash_point {
        CRASH_LOCKED = 1,
        CRASH_ITEM_KEPT,   /* in quarantine, without metadata */
        CRASH_PLAN_KEPT,   /* the plan, too */
        CRASH_QUARANTINED, /* durably; the file is as it was */
        CRASH_WRITING,     /* one range is written, others are not */
        CRASH_WRITTEN,     /* all are, but not yet on the disk */
        CRASH_SYNCED,
        CRASH_RECORDED, /* the metadata says that it is done */
        CRASH_PLAN_DROPPED,
        _CRASH_POINT_MAX
};

#ifdef REMEDY_CRASH_POINTS
void crash_point(enum crash_point point);
#else
static inline void crash_point(enum crash_point point) {
}
#endif
