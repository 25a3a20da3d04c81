/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One notification (sd_notify(3)) as storescand sends it: what is done about it here, and what of it is passed
 * on to the service manager. It is read as hostile: what is not known is left out, and what says who the
 * service is, as MAINPID=, is not known.
 */

#include <stdbool.h>
#include <stddef.h>

#define MESSAGE_MAX      4096U /* as much as the service manager takes */
#define MESSAGE_FDS_MAX  8U
#define MESSAGE_NAME_MAX 64U /* of what is kept, with the NUL */

struct message {
        bool ready;                  /* READY=1 */
        bool store;                  /* FDSTORE=1: the fds that came with it are to be kept */
        bool remove;                 /* FDSTOREREMOVE=1: those of that name are not, any more */
        bool barrier;                /* BARRIER=1: its fd is closed when all before it was taken */
        char name[MESSAGE_NAME_MAX]; /* FDNAME=, or what stands for none */
        size_t size;
        char text[MESSAGE_MAX + 1]; /* what is passed on; empty: nothing */
};

/* STOPPING=1 counts only when ends: else it is storescand alone that ends. 0; -EBADMSG: it is no such
 * message. */
int message_parse(const char *data, size_t size, bool ends, struct message *ret);

/* Of a name in an fd store (systemd.service(5)), if we have room for it. */
bool message_name_is_valid(const char *name);
