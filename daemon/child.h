/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the programs that storescand starts begin with: one socket to it, and no other fd. */

#include <stdbool.h>

#define CHILD_FD 3 /* of the socket */

/* Whether there is such a socket: nobody started the program by hand. */
bool child_was_started(void);

/* Makes stdin and stdout nothing, leaves stderr as it is if there is one, keeps the socket or not,
 * closes all else: nothing that somebody forgot to close gets any further. 0 or negative errno. */
int child_prepare_fds(bool keep_socket);
