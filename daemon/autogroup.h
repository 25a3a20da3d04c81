/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The weight of a whole session among all others (sched(7), autogroup). Policies and nice values of its
 * threads only count among themselves: a session of nothing but SCHED_IDLE threads gets as much as
 * any other. Needs no capability for nice values from 0 on; without CAP_SYS_ADMIN it may be
 * changed ten times a second on the whole machine.
 */

#include <stdbool.h>
#include <sys/types.h>

/* Of the session that pid is in, or will be in by then; 0: our own. The fd, or negative errno: there is no
 * such thing in this kernel, or pid is another user's by now. Between fork and exec as well. */
int autogroup_open(pid_t pid);

/* The least weight that there is, or the usual one. fd may be negative. */
void autogroup_step_back(int fd, bool back);
