/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the fds of writers until the stamps of their files are off. */

#include "daemon/pause.h"

#include <inttypes.h>

#include "daemon/clock.h"

struct let {
        struct stamper_withdrawal withdrawal;
        struct pause *pause;
        int fd;
};

int pause_begin(struct pause *p, uint64_t usec, const char *by) {
        bool was_on = pause_is_on(p);

        if (usec == 0 || usec > PAUSE_MAX_USEC)
                return -EINVAL;
        p->until_usec = now_usec() + usec;
        if (!was_on)
                p->let_before = p->stats->paused;
        scans_let_go(p->scans);
        many_let_go(p->many);
        journal_say(p->journal, EVENT_PAUSED, NULL,
                    "%s for %" PRIu64 " s by %s: every open is let through UNSCANNED until then.",
                    was_on ? "The pause is set anew," : "Paused", usec / USEC_PER_SEC, by);
        p->changed(p->userdata);
        return 0;
}

void pause_end(struct pause *p, const char *by) {
        if (!pause_is_on(p))
                return;
        p->until_usec = 0;
        journal_say(p->journal, EVENT_RESUMED, NULL,
                    "Resumed by %s: opens are judged again. %" PRIu64
                    " accesses were let through unscanned.",
                    by, p->stats->paused - p->let_before);
        p->changed(p->userdata);
}

uint64_t pause_run(struct pause *p, uint64_t now) {
        if (!pause_is_on(p))
                return USEC_INFINITY;
        if (now >= p->until_usec) {
                pause_end(p, "the end of its time");
                return USEC_INFINITY;
        }
        return p->until_usec;
}

/* Whether it came off or not: there is nobody to be kept out. */
static void withdrawn(struct stamper_withdrawal *withdrawal, int error) {
        struct let *let = container_of(withdrawal, struct let, withdrawal);
        struct pause *p = let->pause;

        if (error < 0 && error != -EROFS)
                p->stats->stamps_failed++;
        gate_close(p->gate, let->fd);
        p->n_withdrawing--;
        free(let);
}

static bool let_writer(struct pause *p, int fd) {
        struct let *let = malloc(sizeof(*let));

        if (!let)
                return false;
        *let = (struct let){ .withdrawal.done = withdrawn, .pause = p, .fd = fd };
        p->n_withdrawing++;
        gate_answer(p->gate, fd, true, true);
        gate_flush(p->gate);
        stamper_withdraw(scans_stamper(p->scans), fd, &let->withdrawal);
        return true;
}

bool pause_let(struct pause *p, int fd, bool stamped_writer) {
        if (stamped_writer && !let_writer(p, fd))
                return false;
        if (!stamped_writer)
                gate_answer(p->gate, fd, true, false);
        p->stats->paused++;
        return true;
}

bool pause_busy(const struct pause *p) {
        return p->n_withdrawing > 0;
}
