/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the queue of jobs, the engine that runs (team.c). A job belongs to its owner
 * all the time; the pool only links it. Must not own: event fds, answers.
 */

#include "daemon/pool-private.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/clock.h"
#include "daemon/cpus.h"

#define RESTART_USEC    (5 * USEC_PER_SEC)   /* pause between failing loaders */
#define FIRST_LOAD_USEC (180 * USEC_PER_SEC) /* as TimeoutStartSec= of the unit */

/* ---- Jobs ---- */

void pool_job_fail(struct pool_job *job, enum reason reason, const char *text) {
        struct pool_result result = {
                .verdict = VERDICT_UNKNOWN,
                .reason = reason,
        };

        proto_text(result.signature, sizeof(result.signature), text);
        job->done(job, &result);
}

uint64_t pool_job_at(const struct pool_job *job) {
        return job->many ? MIN(proto_bay_at(job->form, job->from), job->size) : 0;
}

bool pool_job_by_fd(const struct pool_job *job) {
        /* A dbox file in a bay had deliveries to it refused (TEST-52), why is not known. */
        if (job->many && job->form != JOB_MBOX)
                return true;
        return job->plan || job->aloud || job->size - pool_job_at(job) >= PROTO_BAY_SIZE;
}

/* Whose opens take turns. Not asked of a job that is given to a worker at once. */
static uid_t user_of(pid_t pid) {
        char path[sizeof("/proc/") + 3 * sizeof(int)];
        struct stat st;

        snprintf(path, sizeof(path), "/proc/%d", (int)pid);
        return pid > 0 && stat(path, &st) == 0 ? st.st_uid : (uid_t)-1;
}

void pool_enqueue(struct pool *pool, struct pool_job *job, bool first) {
        if (job->low)
                queue_put_low(&pool->queue, &job->turn, first);
        else {
                queue_put(&pool->queue, &job->turn, user_of(job->pid), first);
                /* What keeps a worker from it is not to do so any longer than it must. */
                if (pool->running)
                        team_hurry(pool->running, now_usec());
        }
        job->queued = true;
}

static void leave_queue(struct pool *pool, struct pool_job *job) {
        queue_remove(&pool->queue, &job->turn);
        job->queued = false;
}

static struct pool_job *dequeue(struct pool *pool) {
        bool passed;
        struct queue_item *item = queue_take(&pool->queue, &passed);
        struct pool_job *job;

        if (!item)
                return NULL;
        pool->stats->turns += passed;
        job = container_of(item, struct pool_job, turn);
        job->queued = false;
        return job;
}

/* Whether what nobody waits for has all the workers that it may have: one less than there are, for whoever comes,
 * and one a CPU. More would keep a CPU no busier, since each has its next job already, and cost each other
 * its cache: with two a CPU a message took 7.2 ms of it instead of 5.1. clamd's CPUs are not known. */
static bool is_low_full(const struct pool *pool) {
        const struct team *team = pool->running;
        unsigned n = 0, most = MAX(team->n_workers, 2U) - 1;

        if (pool->config->engine == ENGINE_EMBEDDED)
                most = MIN(most, pool->cpus);
        for (unsigned i = 0; i < team->n_workers; i++)
                n += worker_is_low(&team->workers[i]);
        return n >= most;
}

/* For a job, low or not. */
static struct worker *idle_worker(struct pool *pool, bool low) {
        struct team *team = pool->running;

        if (low && is_low_full(pool))
                return NULL;
        for (unsigned i = 0; i < team->n_workers; i++)
                if (worker_idle(&team->workers[i]))
                        return &team->workers[i];
        return NULL;
}

/* Of the workers that have room for a job to go on with, the one that will soonest be at it. What nobody
 * waits for goes behind its like only. */
static struct worker *worker_with_room(struct pool *pool, bool low, uint64_t now) {
        struct team *team = pool->running;
        struct worker *best = NULL;

        for (unsigned i = 0; i < team->n_workers; i++) {
                struct worker *w = &team->workers[i];

                if ((!low || worker_is_low(w)) && worker_has_room(w, now) &&
                    (!best || w->since_usec < best->since_usec))
                        best = w;
        }
        return best;
}

/* Who could take the job whose turn it is; NULL: nobody. */
static struct worker *worker_for(struct pool *pool, const struct pool_job *next) {
        struct worker *w = idle_worker(pool, next->low);

        /* Content that goes by its fd is large: nothing to wait behind something else. */
        return w || pool_job_by_fd(next) ? w : worker_with_room(pool, next->low, now_usec());
}

void pool_dispatch(struct pool *pool) {
        const struct queue_item *next;
        struct worker *w;

        while ((next = queue_next(&pool->queue)) &&
               (w = worker_for(pool, container_of(next, struct pool_job, turn))))
                worker_take(w, dequeue(pool), false);
}

void pool_submit(struct pool *pool, struct pool_job *job) {
        bool first = job->low ? queue_empty(&pool->queue) : !queue_urgent(&pool->queue);
        struct worker *w = first ? idle_worker(pool, job->low) : NULL;

        job->attempts = 0;
        job->submitted_usec = now_usec();
        if (w) {
                worker_take(w, job, true);
                return;
        }
        pool_enqueue(pool, job, false);
        pool_dispatch(pool);
}

void pool_raise(struct pool *pool, struct pool_job *job, pid_t pid) {
        bool waits = job->queued;

        if (!job->low) {
                if (waits)
                        queue_share(&pool->queue, &job->turn, user_of(pid));
                return;
        }
        if (waits)
                leave_queue(pool, job);
        else
                team_hurry(pool->running, now_usec());
        job->low = false;
        job->pid = pid;
        pool->stats->raised += waits;
        if (waits)
                pool_enqueue(pool, job, false);
}

void pool_lower(struct pool *pool, struct pool_job *job) {
        bool waits = job->queued;

        if (job->low)
                return;
        if (waits)
                leave_queue(pool, job);
        job->low = true;
        job->pid = 0;
        if (waits)
                pool_enqueue(pool, job, false);
}

void pool_withdraw(struct pool *pool, struct pool_job *job, enum reason reason) {
        if (!job->queued)
                return;
        leave_queue(pool, job);
        pool_job_fail(job, reason, "");
}

void pool_fail_queued(struct pool *pool, enum reason reason) {
        struct pool_job *job;

        while ((job = dequeue(pool)))
                pool_job_fail(job, reason, "");
}

/* ---- The loader ---- */

void pool_set_ready(struct pool *pool, int error) {
        if (pool->ready)
                return;
        pool->ready = true;
        pool->on_ready(pool->userdata, error);
        pool->errors = NULL;
}

void pool_loader_failed(struct pool *pool, int error, const char *text) {
        pool->failures++;
        pool->restart_usec = now_usec() + (pool->failures > 1 ? RESTART_USEC : 0);
        if (!pool->ready) {
                fprintf(pool->errors, "%s\n", text);
                pool->restart_usec = 0;
                pool_set_ready(pool, error);
                return;
        }
        journal_say(pool->journal, EVENT_ENGINE_FAILED, NULL, "%s", text);
        pool_reload_settled(pool, POOL_FAILED, text);
}

static void no_loader(struct pool *pool, int error) {
        char text[PATH_MAX + 128];

        if (error == -ENOENT)
                snprintf(text, sizeof(text),
                         "[scanner] database: '%s' does not exist; install signatures there "
                         "(freshclam fetches them) or correct the path.",
                         config_signatures(pool->config));
        else
                snprintf(text, sizeof(text), "Failed to start the loader process: %s.",
                         error_text(-error));
        pool_loader_failed(pool, error, text);
}

void pool_take_generation(struct pool *pool, const struct team *team) {
        pool->generation = team->generation;
        pool->database_version = team->database_version;
        pool->database_usec = team->database_usec;
        pool->has_generation = true;
        pool->borrowed = false;
        pool->stale = team->stale;
        pool->stats->clamd_usable = team->servers.usable;
}

uint64_t pool_run(struct pool *pool, uint64_t now) {
        uint64_t next;
        int r;

        if (pool->ending)
                return USEC_INFINITY;
        next = pool_run_reload(pool, now);
        if (!pool->running->loader && pool->restart_usec != 0) {
                if (now < pool->restart_usec)
                        return MIN(next, pool->restart_usec);
                pool->restart_usec = 0;
                r = team_load(pool->running, NULL);
                if (r < 0)
                        no_loader(pool, r);
                return pool->restart_usec ? MIN(next, pool->restart_usec) : next;
        }
        next = MIN(next, team_run(pool->running, now));
        pool_dispatch(pool);
        return next;
}

/* ---- The object ---- */

int pool_new(struct ring *ring, const struct config *config, struct stats *stats,
             struct journal *journal, int cache_fd, pool_ready_fn on_ready, void *userdata,
             FILE *errors, struct pool **ret) {
        _cleanup_free_ struct pool *pool = calloc(1, sizeof(*pool));
        int r;

        if (!pool)
                return -ENOMEM;
        pool->ring = ring;
        pool->config = config;
        pool->stats = stats;
        pool->journal = journal;
        pool->cache_fd = cache_fd;
        pool->on_ready = on_ready;
        pool->userdata = userdata;
        pool->errors = errors;
        queue_init(&pool->queue);
        pool->cpus = cpus_usable();
        LIST_INIT(&pool->retired);
        pool->reload.database = -EBADF;
        r = loader_settings_find(config, errors, &pool->settings);
        if (r < 0)
                return r;
        pool->running = team_new(pool);
        if (!pool->running) {
                close_fd(pool->settings.program_fd);
                return -ENOMEM;
        }
        /* What fails is tried once more, and told, when somebody may have lent a generation. */
        if (team_load(pool->running, NULL) < 0)
                pool->restart_usec = now_usec();
        *ret = TAKE_PTR(pool);
        return 0;
}

struct pool *pool_free(struct pool *pool) {
        struct team *team;

        if (!pool)
                return NULL;
        pool->ending = true;
        close_fd(pool->reload.database);
        team_end(pool->running, REASON_SHUTDOWN);
        if (pool->next)
                team_end(pool->next, REASON_SHUTDOWN);
        LIST_FOREACH(team, &pool->retired, link)
                team_end(team, REASON_SHUTDOWN);
        pool_fail_queued(pool, REASON_SHUTDOWN);

        /* The channels are shut down and the loader is dead: what is in the ring ends at once. A
         * read from a stuck disk may not; then the memory stays until the process ends. */
        for (unsigned i = 0; i < 10 && pool->busy_ops > 0; i++)
                (void)ring_wait(pool->ring, 100 * USEC_PER_MSEC, 1);
        close_fd(pool->settings.program_fd);
        if (pool->busy_ops > 0)
                return NULL;
        while ((team = LIST_FIRST(&pool->retired))) {
                LIST_REMOVE(team, link);
                team_free(team);
        }
        team_free(pool->next);
        team_free(pool->running);
        free(pool);
        return NULL;
}

void pool_set_poisons(struct pool *pool, struct poisons *poisons) {
        pool->poisons = poisons;
}

void pool_borrow(struct pool *pool, const struct generation *generation, uint32_t database_version,
                 uint64_t database_usec) {
        if (pool->ready)
                return;
        pool->generation = *generation;
        pool->database_version = database_version;
        pool->database_usec = database_usec;
        pool->has_generation = pool->borrowed = true;
        pool_set_ready(pool, 0);
}

const struct generation *pool_generation(const struct pool *pool) {
        return pool->has_generation ? &pool->generation : NULL;
}

const struct generation *pool_own_generation(const struct pool *pool) {
        return pool->borrowed ? NULL : pool_generation(pool);
}

bool pool_is_without_engine(const struct pool *pool) {
        return pool->borrowed && pool->failures > 0;
}

uint64_t pool_due(const struct pool *pool, const struct config_store *store, uint64_t since_usec) {
        uint64_t usec = config_scan_timeout(pool->config, store);

        if (since_usec > 0)
                return since_usec + usec;
        return now_usec() +
               (pool->borrowed && pool->failures == 0 ? MAX(usec, FIRST_LOAD_USEC) : usec);
}

bool pool_take_stale(struct pool *pool) {
        bool stale = pool->stale;

        pool->stale = false;
        return stale;
}

uint32_t pool_database_version(const struct pool *pool) {
        return pool->has_generation ? pool->database_version : 0;
}

uint64_t pool_database_usec(const struct pool *pool) {
        return pool->has_generation ? pool->database_usec : 0;
}

const char *pool_stage(const struct pool_job *job) {
        if (job->queued || job->dispatched_usec < job->submitted_usec)
                return "queue";
        return job->sent_usec < job->dispatched_usec ? "read" : "scan";
}

void pool_count(const struct pool *pool, unsigned *ret_urgent, unsigned *ret_low) {
        queue_count(&pool->queue, ret_urgent, ret_low);
}

/* As pool_patience(); false: 0. */
static bool count_waiting(const struct team *team, unsigned *waiting) {
        for (unsigned i = 0; i < team->n_workers; i++) {
                const struct worker *w = &team->workers[i];
                unsigned sent = 0;

                for (size_t k = 0; k < PROTO_BAYS; k++) {
                        if (w->bays[k].reading || w->bays[k].sending)
                                return false;
                        sent += w->bays[k].state == BAY_SENT;
                }
                /* Who opens what has its stamp is answered by the gate meanwhile, and is alone then. */
                if (worker_is_low(w))
                        continue;
                if (sent > 1)
                        *waiting += sent - 1;
        }
        return true;
}

unsigned pool_patience(const struct pool *pool) {
        const struct team *team;
        unsigned waiting = 0;

        if (!count_waiting(pool->running, &waiting))
                return 0;
        LIST_FOREACH(team, &pool->retired, link)
                if (!count_waiting(team, &waiting))
                        return 0;
        return waiting;
}

/* A number may be somebody else's once its process was reaped, which the pidfd tells. */
static bool is_there(int pidfd) {
        return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 || errno == EPERM;
}

static bool is_of_team(const struct team *team, pid_t pid) {
        if (team->loader && loader_pid(team->loader) == pid)
                return true;
        for (unsigned i = 0; i < team->n_workers; i++)
                if (team->pids[i] == pid)
                        return is_there(team->workers[i].pidfd);
        return false;
}

bool pool_is_own(const struct pool *pool, pid_t pid) {
        const struct team *team;

        if (pid <= 0) /* of another pid namespace */
                return false;
        if (is_of_team(pool->running, pid) || (pool->next && is_of_team(pool->next, pid)))
                return true;
        LIST_FOREACH(team, &pool->retired, link)
                if (is_of_team(team, pid))
                        return true;
        return false;
}
