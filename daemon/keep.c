/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The fd store's protocol. Owns the fds until somebody takes them. Must not know what they are for.
 *
 * FDPOLL=0 (systemd 246): else the manager polls what it keeps, and drops it on an error or a hang-up.
 */

#include "daemon/keep.h"

#include <fcntl.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#define BARRIER_USEC (5 * USEC_PER_SEC)

static const char *const names[] = {
        [KEEP_GATE] = KEEP_GATE_NAME, [KEEP_CHANGES] = "changes", [KEEP_NEWS] = "news",
        [KEEP_ORPHANS] = "orphans",   [KEEP_LEGACY] = "legacy",   [KEEP_BEFORE] = KEEP_BEFORE_NAME,
};

void keep_take(struct keep *keep) {
        const char *alone = getenv(KEEPER_ALONE);
        char **given = NULL;
        int n = sd_listen_fds_with_names(1, &given);

        *keep = (struct keep){ .kept = getenv("NOTIFY_SOCKET") != NULL,
                               .keeper = getenv(KEEPER) != NULL,
                               .alone = alone != NULL,
                               .last = alone && streq(alone, KEEPER_LAST) };
        for (int i = 0; i < _KEEP_MAX; i++)
                keep->fds[i] = -EBADF;
        for (int i = 0; i < n; i++) {
                int *place = NULL;

                for (int k = 0; k < _KEEP_MAX; k++)
                        if (strcmp(given[i], names[k]) == 0)
                                place = &keep->fds[k];
                if (place && *place < 0)
                        *place = SD_LISTEN_FDS_START + i;
                else
                        close_fd(SD_LISTEN_FDS_START + i);
                free(given[i]);
        }
        free(given);
}

void keep_move(struct keep *keep, unsigned from) {
        for (int i = 0; i < _KEEP_MAX; i++) {
                int moved = keep->fds[i] >= 0 ? fcntl(keep->fds[i], F_DUPFD_CLOEXEC, from) : -1;

                if (moved < 0)
                        continue;
                close_fd(keep->fds[i]);
                keep->fds[i] = moved;
        }
}

void keep_put(struct keep *keep, enum keep_what what, int fd) {
        char state[128];

        if (!keep->kept)
                return;
        keep->put = true;
        snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", names[what]);
        (void)sd_notify(0, state);
        snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", names[what]);
        keep->kept = sd_pid_notify_with_fds(0, 0, state, &fd, 1) > 0;
}

static void tell_drop(const struct notify *notify, enum keep_what what) {
        char state[128];

        snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", names[what]);
        (void)notify_send(notify, state);
}

void keep_drop(const struct keep *keep, const struct notify *notify, enum keep_what what) {
        if (keep->kept)
                tell_drop(notify, what);
}

void keep_let_go(const struct keep *keep, const struct notify *notify) {
        if (!keep->alone)
                return;
        tell_drop(notify, KEEP_BEFORE);
        tell_drop(notify, KEEP_GATE);
}

void keep_finish(struct keep *keep) {
        if (keep->kept && keep->put && !keep->keeper)
                keep->kept = sd_notify_barrier(0, BARRIER_USEC) > 0;
        keep->put = false;
}

void keep_done(struct keep *keep) {
        for (int i = 0; i < _KEEP_MAX; i++)
                keep->fds[i] = close_fd(keep->fds[i]);
}
