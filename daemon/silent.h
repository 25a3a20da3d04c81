/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Opens files of stores on threads of ours such that reading them raises no events. Else a worker that reads
 * one waits until the gate gets to its event, behind all who wait already: for ever, while as many wait as may be
 * held, for that worker.
 *
 * The kernel makes such fds for events alone (FMODE_NONOTIFY). But our open raises one itself: the gate leaves
 * a copy of its fd to who opens.
 */

#include "daemon/gate.h"

/* As proc_fd_read(). ret_aloud: no event came of it, as where there is no mark: reading it may raise some, once
 * there is one. Waits for the gate: not for its thread. */
int silent_read(int path, bool *ret_aloud);

/* The gate's thread, before it lets an open of our own through. */
void silent_offer(const struct gate_event *event);
