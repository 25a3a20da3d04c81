/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between storescand and the service manager: takes what storescand tells (sd_notify(3)), keeps the fds that it
 * wants kept, and passes all of it on, in its order. With no manager the keeping is all.
 *
 * Nothing here waits for the manager, which may itself wait for an open that storescand is to answer. While too
 * much waits to be passed on, storescand is not listened to, as if it spoke to a manager that does not read.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/keeper/message.h"
#include "daemon/notify.h"

#define RELAY_KEPT_MAX   8U  /* as FileDescriptorStoreMax= of the unit */
#define RELAY_QUEUED_MAX 32U /* messages; more only of a storescand that is no more */

struct relay_kept {
        char name[MESSAGE_NAME_MAX];
        int fd;
};

struct relay_queued;

struct relay {
        int sock;              /* where storescand tells */
        char folder[128];      /* in which it is; empty: not ours to remove */
        char path[160];        /* of the socket, $NOTIFY_SOCKET of storescand */
        struct notify manager; /* .sock < 0: there is none */
        struct relay_kept kept[RELAY_KEPT_MAX];
        size_t n_kept;
        struct relay_queued *first, **last;
        size_t n_queued;
        bool ends;           /* storescand was told to end, and the service does */
        bool ready;          /* the storescand of now has said that it is */
        unsigned refused;    /* messages and fds that were not taken */
        unsigned not_passed; /* that the manager could not be given */
        bool lost;           /* some of them with what it was to keep */
};

/* Takes what the manager has kept, and makes the socket; of the environment only what is storescand's is left.
 * 0, or negative errno: nothing of it is left to be closed. */
int relay_open(struct relay *relay);

/* Closes what is kept, too: the last step, and relay_deliver() before: nobody is left whom that could keep waiting,
 * but those who are let through else. */
void relay_close(struct relay *relay);

/* Whether it is time to listen. */
static inline bool relay_listens(const struct relay *relay) {
        return relay->n_queued < RELAY_QUEUED_MAX;
}

/* Takes all that this process has told; at its end, what it left too, however much waits. Others have no say. */
void relay_receive(struct relay *relay, pid_t pid, bool ended);

/* Whether something of that name is kept. */
bool relay_keeps(const struct relay *relay, const char *name);

/* Passes on as much as the manager takes now. */
void relay_pass(struct relay *relay);

/* The same, and waits a little for a manager that has not been given yet all that it is to keep. Whether it has been:
 * else our end lets through who waits. */
bool relay_deliver(struct relay *relay);

/* Passes on words of our own. */
void relay_tell(struct relay *relay, const char *text);

/* In a new process: the kept fds become 3 and so on, and the environment says so. 0 or negative errno. */
int relay_hand_over(const struct relay *relay);
