/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The loader: one engine, made once, and the workers that are forked from it.
 */

/* Talks to the gate on control (a SOCK_SEQPACKET socket, see proto.h) until that closes; then ends
 * all workers. Returns the exit status of the process: 0, or 1 after a refusal or nonsense from the
 * gate, which is then said on stderr. */
int loader_run(int control);
