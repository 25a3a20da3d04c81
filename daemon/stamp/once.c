/* SPDX-License-Identifier: Apache-2.0 */

/* Owns ring, journal and pool for as long as the one job takes. */

#include "daemon/stamp/once.h"

#include <fcntl.h>
#include <signal.h>

#include "daemon/clock.h"
#include "daemon/pool.h"
#include "daemon/stamper.h"

struct run {
        struct ring *ring;
        struct pool *pool;
        struct pool_job job;
        struct once *result;
        bool ready, done;
        int error;
};

static void on_ready(void *userdata, int error) {
        struct run *run = userdata;

        run->ready = true;
        run->error = error;
}

static void on_done(struct pool_job *job, const struct pool_result *result) {
        struct run *run = container_of(job, struct run, job);
        struct once *once = run->result;
        const struct generation *generation = pool_generation(run->pool);

        *once = (struct once){
                .verdict = result->verdict,
                .reason = result->reason,
                .database_version = pool_database_version(run->pool),
                .has_digest = result->has_digest,
        };
        /* Its engine went while it judged: which one did is not known. */
        if (generation)
                once->generation = *generation;
        else {
                once->verdict = VERDICT_UNKNOWN;
                once->reason = REASON_ENGINE;
        }
        memcpy(once->digest, result->digest, sizeof(once->digest));
        memcpy(once->signature, result->signature, sizeof(once->signature));
        run->done = true;
}

static int turn_until(struct run *run, const bool *done) {
        uint64_t due = 0;

        while (!*done && run->error >= 0) {
                uint64_t now = now_usec();
                int r = ring_wait(run->ring,
                                  due == USEC_INFINITY ? USEC_INFINITY : due - MIN(due, now), 0);

                if (r < 0)
                        return r;
                due = pool_run(run->pool, now_usec());
        }
        return run->error;
}

static void on_close(void *userdata, int fd, enum fd_kind kind) {
        close_fd(fd);
}

static bool on_keep(void *userdata, int fd, const struct stamp *stamp) {
        return false;
}

/* As storescand does it: writers are kept out until the stamp's window is over. */
static int write_stamp(struct run *run, const struct once_request *request, struct journal *journal,
                       struct stats *stats) {
        struct once *once = run->result;
        struct stamper *stamper = NULL;
        struct stamp stamp = {
                .verdict = once->verdict,
                .reason = once->reason,
                .generation = once->generation,
                .size = request->size,
                .has_digest = once->has_digest,
        };
        int r, fd;

        memcpy(stamp.digest, once->digest, sizeof(stamp.digest));
        /* The lease is the open file's, whatever fd it has: it ends with the last of them. */
        fd = fcntl(request->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        r = stamper_new(run->ring, stats, journal, on_close, on_keep, NULL, &stamper);
        if (r < 0) {
                close_fd(fd);
                return r;
        }
        stamper_write(stamper, fd, FD_OWN, false, request->store->name, &stamp);
        for (;;) {
                uint64_t now = now_usec(), due = stamper_run(stamper, now);

                if (stamper_pending(stamper) == 0)
                        break;
                r = ring_wait(run->ring, due == USEC_INFINITY ? USEC_INFINITY : due - MIN(due, now),
                              0);
                if (r < 0)
                        return r; /* the process ends with what it has */
        }
        stamper_free(stamper);
        once->stamped = stats->stamps_written > 0;
        return 0;
}

int once_judge(const struct once_request *request, FILE *errors, struct once *ret) {
        _cleanup_(journal_freep) struct journal *journal = NULL;
        _cleanup_(ring_freep) struct ring *ring = NULL;
        _cleanup_(pool_freep) struct pool *pool = NULL;
        struct once once = {};
        struct stats stats = {};
        struct run run = { .result = &once };
        int r;

        (void)signal(SIGPIPE, SIG_IGN);
        r = journal_new(64, &journal);
        if (r < 0)
                return r;
        journal_set_name(journal, "storescan-stamp");
        r = ring_new(errors, &ring);
        if (r < 0)
                return r;
        run.ring = ring;
        r = pool_new(ring, request->config, &stats, journal, -EBADF, on_ready, &run, errors, &pool);
        if (r < 0)
                return r;
        run.pool = pool;
        r = turn_until(&run, &run.ready);
        if (r < 0)
                return r;
        run.job = (struct pool_job){
                .fd = request->fd,
                .size = request->size,
                .exact = true,
                .form = request->form,
                .done = on_done,
        };
        pool_submit(pool, &run.job);
        r = turn_until(&run, &run.done);
        if (r < 0)
                return r;
        if (request->store && once.verdict != VERDICT_UNKNOWN)
                r = write_stamp(&run, request, journal, &stats);
        if (r < 0)
                return r;
        *ret = once;
        return 0;
}
