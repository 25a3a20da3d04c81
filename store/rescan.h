/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the past is worth: whether a stamp of an older generation is still accepted, and whether mail
 * that came long ago is left to a sweep. Pure: callers bring the time.
 */

#include "store/generations.h"

enum rescan_mode {
        RESCAN_ON_ACCESS,   /* nothing: the next access scans */
        RESCAN_SWEEP,       /* as much as ever, until a sweep gets there */
        RESCAN_OUTBREAK,    /* nothing, and everything is scanned; until outbreak_until */
        RESCAN_NEVER_OLDER, /* as much as ever while the stamp is not older than max_age */
        _RESCAN_MODE_MAX
};

/* From when on the limit for old mail grows, from a day at first, by a day a day. */
enum rescan_age { RESCAN_AGE_OFF, RESCAN_AGE_INSTALL, RESCAN_AGE_UPDATE, _RESCAN_AGE_MAX };

struct rescan_policy {
        enum rescan_mode mode;
        uint64_t max_age_sec;        /* of NEVER_OLDER */
        uint64_t outbreak_until_sec; /* 0: there is none */
        enum rescan_age age;
};

/* Whether everything is to be scanned now, whatever else is configured. */
bool rescan_outbreak(const struct rescan_policy *policy, uint64_t now_sec);

/* Whether a stamp of another generation than the running one counts as if it were of this. Only ever
 * one of clean content, made here, with the options of now. A sweep does not ask. */
bool rescan_accepts(const struct rescan_policy *policy, const struct generations *generations,
                    const struct generation *running, const struct stamp *stamp, uint64_t now_msec);

/* Whether mail that has not changed since then is left to a sweep: it came before the limit. clean: by a
 * stamp of older signatures that is still true of the content. */
bool rescan_leaves(const struct rescan_policy *policy, const struct generations *generations,
                   const struct generation *running, const struct stat *st, bool clean,
                   uint64_t now_sec);
