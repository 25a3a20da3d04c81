/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: when sweeps start, and what is known of each; sweeps-process.c has the processes. The state of a
 * store's sweep is in a file that its process writes and that is read here at the start only: from then
 * on it tells.
 */

#include "daemon/sweeps.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/cpus.h"
#include "daemon/io.h"
#include "daemon/program.h"
#include "daemon/sweeps-private.h"

#define SCHEDULE_USEC    (20 * USEC_PER_SEC) /* how often the clock on the wall is looked at */
#define TELL_USEC        (600 * USEC_PER_SEC)
#define BACKOFF_USEC     USEC_PER_SEC
#define BACKOFF_MAX_USEC (60 * USEC_PER_SEC)

/* ---- Start and end of one ---- */

static bool can_sweep(const struct sweep *sweep) {
        return !sweep->options.attachments_only || sweep->store->format == STORE_FORMAT_SIS;
}

/* When to try again: in a while, and in a longer one each time. */
static uint64_t backed_off(struct sweep *sweep) {
        sweep->backoff_usec = sweep->backoff_usec == 0
                                      ? BACKOFF_USEC
                                      : MIN(sweep->backoff_usec * 2, BACKOFF_MAX_USEC);
        return now_usec() + sweep->backoff_usec;
}

static void back_off(struct sweep *sweep) {
        sweep->start_usec = backed_off(sweep);
}

static int start(struct sweep *sweep) {
        struct sweeps *sweeps = sweep->sweeps;
        bool goes_on =
                !sweep->anew && (sweep->status == SWEEP_RUNNING || sweep->status == SWEEP_STOPPED);
        int r = sweep_process_start(sweep, sweep->anew);

        sweep->start_usec = sweep->note_usec = 0;
        sweep->stopping = sweep->noting = sweep->killed = sweep->failed = false;
        if (r < 0) {
                journal_say(sweeps->journal, EVENT_SWEEP_FAILED, sweep->store->name,
                            "Failed to start the sweep of store '%s': %s.", sweep->store->name,
                            error_text(-r));
                return r;
        }
        sweep->begins_anew = sweep->anew;
        sweep->anew = false;
        sweep->status = SWEEP_RUNNING;
        sweep->activity = SWEEP_WORKS;
        sweep->eta = UINT64_MAX;
        journal_say(sweeps->journal, EVENT_SWEEP_STARTED, sweep->store->name,
                    "The sweep of store '%s' %s.", sweep->store->name,
                    goes_on ? "goes on" : "begins");
        return 0;
}

static void log_end(const struct sweep *sweep, enum event_kind event, const char *what) {
        const struct sweep_counters *c = &sweep->counters;

        journal_say(sweep->sweeps->journal, event, sweep->store->name,
                    "The sweep of store '%s' %s: %" PRIu64 " items, %" PRIu64
                    " of them judged, %" PRIu64 " known by their stamps, %" PRIu64
                    " unchanged since the last; %" PRIu64 " infected, %" PRIu64
                    " that can't be judged, %" PRIu64 " undecided, %" PRIu64
                    " could not be opened.",
                    sweep->store->name, what, c->done, c->judged, c->known, c->current, c->infected,
                    c->unscannable, c->undecided, c->failed);
}

static void died(struct sweep *sweep) {
        if (sweep->sweeps->ending)
                return;
        back_off(sweep);
        journal_say(sweep->sweeps->journal, EVENT_SWEEP_FAILED, sweep->store->name,
                    sweep->shut_out
                            ? "The sweep of store '%s' can't open the folder of the store, or "
                              "its own state; it is tried again."
                            : "The process that swept store '%s' died; it is started anew, "
                              "and goes on where it was.",
                    sweep->store->name);
}

/* The state is its process's: one that is told to stop before it begins does nothing but write that down. */
static uint64_t note_stop(struct sweep *sweep, uint64_t now) {
        if (sweep->note_usec == 0 || sweep->process || sweep->detached)
                return USEC_INFINITY;
        if (sweep->note_usec > now)
                return sweep->note_usec;
        if (sweep_process_start(sweep, sweep->anew) < 0) {
                sweep->note_usec = backed_off(sweep);
                return sweep->note_usec;
        }
        sweep->begins_anew = sweep->anew;
        sweep->anew = false;
        sweep->note_usec = 0;
        sweep->activity = SWEEP_WORKS;
        sweep->stopping = sweep->noting = true;
        sweep_process_say(sweep, SWEEP_STOP, NULL);
        return USEC_INFINITY;
}

static void stopped(struct sweep *sweep) {
        if (!sweep->noting) {
                sweep->status = SWEEP_STOPPED;
                log_end(sweep, EVENT_SWEEP_STOPPED, "was stopped");
        }
        if (!sweep->noted && sweep->start_usec == 0)
                sweep->note_usec = backed_off(sweep);
        sweep->stopping = sweep->noting = false;
}

void sweep_process_ended(struct sweep *sweep) {
        /* What is written down is the pass before: a successor would go on with that. */
        bool lost = sweep->begins_anew, starts = sweep->anew && !sweep->stopping;

        sweep->begins_anew = false;
        if (sweep->activity == SWEEP_ENDED) {
                sweep->status = SWEEP_FINISHED;
                log_end(sweep, EVENT_SWEEP_FINISHED, "is through");
        } else if (sweep->activity == SWEEP_BROKE) {
                sweep->failed = true;
                journal_say(sweep->sweeps->journal, EVENT_SWEEP_FAILED, sweep->store->name,
                            "The sweep of store '%s' gave up: %s.", sweep->store->name,
                            error_text((int)sweep->error));
        } else if (sweep->stopping)
                stopped(sweep);
        else if (sweep->killed)
                sweep->start_usec = now_usec();
        else if (!sweep->anew)
                died(sweep);
        /* Signatures came while it was at its end, maybe. */
        if (starts)
                sweep->start_usec = now_usec();
        sweep->anew = sweep->anew || lost;
}

static void log_pause(struct sweep *sweep) {
        bool window = sweep->activity == SWEEP_AWAITS_WINDOW;
        uint64_t now = now_usec();

        if ((!window && sweep->activity != SWEEP_AWAITS_LOAD) ||
            (sweep->paused_told_usec > 0 && now < sweep->paused_told_usec + TELL_USEC))
                return;
        sweep->paused_told_usec = now;
        journal_say(sweep->sweeps->journal, EVENT_SWEEP_PAUSED, sweep->store->name,
                    "The sweep of store '%s' waits for %s.", sweep->store->name,
                    window ? "its hours" : "the machine to be less busy");
}

void sweep_process_told(struct sweep *sweep, const struct sweep_message *m) {
        sweep->activity = (enum sweep_activity)m->progress.activity;
        sweep->error = MIN(m->progress.error, (uint32_t)INT_MAX);
        /* It tells nothing before it has written down what it begins. */
        sweep->begins_anew = sweep->begins_anew && sweep->error != 0;
        sweep->started_msec = m->progress.started_msec;
        sweep->total = m->progress.total;
        sweep->rate_milli = m->progress.rate_milli;
        sweep->eta = m->progress.eta;
        /* It does something: the next death is a first one. */
        if (m->progress.counters.done > sweep->counters.done)
                sweep->backoff_usec = 0;
        sweep->counters = m->progress.counters;
        log_pause(sweep);
}

/* ---- When ---- */

/* When the window opened last, in seconds since 1970. The clock may have been set forward or back an
 * hour in between, for summer. */
static uint64_t opened_last(const struct day_window *window, time_t now) {
        time_t t = now;
        struct tm tm;

        for (unsigned i = 0; i < 2 && localtime_r(&t, &tm); i++) {
                unsigned second = (unsigned)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
                unsigned age = day_window_age(window, second);

                /* The second time round it should be 0, or an hour off to either side. */
                if (i > 0 && age > 12 * 3600)
                        t += (time_t)(24 * 3600 - age);
                else
                        t -= (time_t)age;
        }
        return (uint64_t)MAX(MIN(t, now), 0);
}

static bool is_due(const struct sweep *sweep) {
        return sweep->options.schedule == SWEEP_SCHEDULE_DAILY && can_sweep(sweep) &&
               sweep->started_msec / 1000 < opened_last(&sweep->options.window, time(NULL));
}

uint64_t sweeps_run(struct sweeps *sweeps, uint64_t now) {
        uint64_t next = USEC_INFINITY;
        bool look = now >= sweeps->look_usec;

        if (!sweeps->guarding || sweeps->ending)
                return next;
        for (size_t i = 0; i < sweeps->n; i++)
                next = MIN(next, note_stop(&sweeps->all[i], now));
        if (sweeps->held)
                return next;
        if (look)
                sweeps->look_usec = now + SCHEDULE_USEC;
        for (size_t i = 0; i < sweeps->n; i++) {
                struct sweep *sweep = &sweeps->all[i];

                if (sweep->process || sweep->detached)
                        continue;
                if (sweep->start_usec == 0 && look && !sweep->failed && is_due(sweep))
                        sweep->start_usec = now;
                if (sweep->start_usec > 0 && sweep->start_usec <= now && start(sweep) < 0)
                        back_off(sweep);
                if (sweep->start_usec > 0)
                        next = MIN(next, sweep->start_usec);
        }
        return MIN(next, sweeps->daily ? sweeps->look_usec : USEC_INFINITY);
}

/* By itself, as soon as sweeps work. */
static void start_soon(struct sweep *sweep, bool anew) {
        if (!can_sweep(sweep))
                return;
        sweep->anew = sweep->anew || anew;
        sweep->start_usec = now_usec();
}

static bool same(const struct generation *a, const struct generation *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}

void sweeps_guarding(struct sweeps *sweeps) {
        const struct generation *generation = pool_generation(sweeps->pool);

        sweeps->guarding = true;
        for (size_t i = 0; i < sweeps->n && generation; i++) {
                struct sweep *sweep = &sweeps->all[i];
                /* Signatures may have come while nobody was there to see them. */
                bool anew = sweep->options.after_update && sweep->status != SWEEP_NEVER &&
                            !same(&sweep->generation, generation);

                if (anew || sweep->status == SWEEP_RUNNING ||
                    sweep->options.schedule == SWEEP_SCHEDULE_BOOT)
                        start_soon(sweep, anew);
        }
}

void sweeps_generation_changed(struct sweeps *sweeps) {
        const struct generation *generation = pool_generation(sweeps->pool);

        for (size_t i = 0; i < sweeps->n && generation && sweeps->guarding; i++) {
                struct sweep *sweep = &sweeps->all[i];

                if (!sweep->options.after_update)
                        sweep_process_say(sweep, SWEEP_GENERATION, generation);
                else {
                        start_soon(sweep, true);
                        sweep_process_end(sweep);
                }
        }
}

/* ---- Control ---- */

static struct sweep *find(const struct sweeps *sweeps, const char *store) {
        for (size_t i = 0; i < sweeps->n; i++)
                if (streq(sweeps->all[i].store->name, store))
                        return &sweeps->all[i];
        return NULL;
}

int sweeps_start(struct sweeps *sweeps, const char *store) {
        struct sweep *sweep = find(sweeps, store);

        if (!sweep)
                return -ENOENT;
        if (!sweeps->guarding || sweeps->ending)
                return -ECANCELED;
        if (sweeps->held)
                return -EBUSY;
        if (sweep->detached)
                return -ENOTCONN;
        if (sweep->process && (!sweep->noting || sweep->start_usec > 0))
                return -EALREADY;
        if (!can_sweep(sweep))
                return -EOPNOTSUPP;
        sweep->backoff_usec = 0;
        if (!sweep->process)
                return start(sweep);
        sweep->start_usec = now_usec(); /* when that it was stopped is written down */
        return 0;
}

int sweeps_stop(struct sweeps *sweeps, const char *store) {
        struct sweep *sweep = find(sweeps, store);

        if (!sweep)
                return -ENOENT;
        if ((!sweep->process || sweep->noting) && sweep->start_usec == 0)
                return -ESRCH;
        sweep->start_usec = 0; /* one that was to begin anew will when it is started */
        if (sweep->noting)
                return 0;
        if (!sweep->process) {
                /* Between two processes, as in a pause. */
                if (sweep->status == SWEEP_RUNNING) {
                        sweep->status = SWEEP_STOPPED;
                        sweep->note_usec = now_usec();
                }
                log_end(sweep, EVENT_SWEEP_STOPPED, "was stopped");
                return 0;
        }
        sweep->stopping = true;
        sweep_process_say(sweep, SWEEP_STOP, NULL);
        return 0;
}

static const char *state_word(const struct sweep *sweep) {
        if (sweep->failed)
                return "failed";
        if (sweep->status == SWEEP_RUNNING && (sweep->sweeps->held || sweep->detached))
                return "paused";
        if (!sweep->process || sweep->status != SWEEP_RUNNING)
                return sweep_status_name(sweep->status);
        return sweep->activity == SWEEP_AWAITS_WINDOW ? "waiting"
               : sweep->activity == SWEEP_AWAITS_LOAD ? "paused"
                                                      : "running";
}

bool sweeps_status(const struct sweeps *sweeps, size_t index, struct sweeps_status *ret) {
        const struct sweep *sweep;

        if (index >= sweeps->n)
                return false;
        sweep = &sweeps->all[index];
        *ret = (struct sweeps_status){
                .store = sweep->store->name,
                .state = state_word(sweep),
                .started_msec = sweep->started_msec,
                .done = sweep->counters.done,
                .total = sweep->total,
                .rate_milli = sweep->process ? sweep->rate_milli : 0,
                .eta = sweep->process ? sweep->eta : UINT64_MAX,
                .counters = sweep->counters,
        };
        return true;
}

/* ---- Events ---- */

static struct sweep *find_pid(const struct sweeps *sweeps, pid_t pid) {
        for (size_t i = 0; i < sweeps->n && sweeps->n_processes > 0; i++)
                if (sweeps->all[i].pid == pid)
                        return &sweeps->all[i];
        return NULL;
}

bool sweeps_knows(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino,
                  struct sweep_manner *ret) {
        const struct sweep *sweep;

        if (!sweeps || (sweeps->n_processes == 0 && sweeps->n_guests == 0) || pid <= 0)
                return false;
        sweep = find_pid(sweeps, pid);
        if (!sweep) {
                if (!sweep_guest_opens(sweeps, pid, dev, ino))
                        return false;
                *ret = (struct sweep_manner){};
                return true;
        }
        *ret = (struct sweep_manner){
                .strict = sweep->strict,
                /* Until it told when it began, nothing counts. */
                .since_msec = sweep->options.only_unstamped ? 0
                              : sweep->begun                ? sweep->started_msec
                                                            : UINT64_MAX,
        };
        return true;
}

void sweeps_tell(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino, bool known,
                 enum verdict verdict) {
        struct sweep *sweep = pid > 0 ? find_pid(sweeps, pid) : NULL;
        const struct sweep_told told = { .known = known, .verdict = verdict };

        if (!sweep_guest_told(sweeps, pid, dev, ino, &told) && sweep)
                sweep_process_note(sweep, dev, ino,
                                   (uint32_t)verdict +
                                           (known ? SWEEP_OUTCOME_KNOWN : SWEEP_OUTCOME_JUDGED));
}

bool sweeps_reaped(struct sweeps *sweeps, pid_t pid, int status) {
        struct sweep *sweep = find_pid(sweeps, pid);

        if (sweep)
                sweep_process_reaped(sweep, status);
        return sweep;
}

/* ---- The object ---- */

static void load_state(struct sweep *sweep) {
        const size_t size = (size_t)SWEEP_SLOTS * SWEEP_SLOT_SIZE;
        _cleanup_free_ struct sweep_state *state = calloc(1, sizeof(*state));
        _cleanup_free_ char *data = malloc(size);
        _cleanup_close_ int fd = open(sweep->state_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n;

        if (!state || !data || fd < 0)
                return;
        n = read_full(fd, data, size);
        if (n < 0 || sweep_state_choose(data, (size_t)n, state) < 0)
                return;
        sweep->status = state->status;
        sweep->started_msec = state->started_msec;
        sweep->total = state->total;
        sweep->counters = state->counters;
        sweep->generation = state->generation;
}

static int sweep_init(struct sweeps *sweeps, const struct config_store *store, struct sweep *ret) {
        *ret = (struct sweep){
                .sweeps = sweeps,
                .store = config_store_hold(store),
                .options = config_sweep_of(sweeps->config, store),
                .pidfd = -EBADF,
                .eta = UINT64_MAX,
        };
        ret->strict = ret->options.ignore_hub_stamps || store->stamps != STAMPS_HONOUR;
        sweeps->daily = sweeps->daily || ret->options.schedule == SWEEP_SCHEDULE_DAILY;
        if (asprintf(&ret->state_path, "%s/sweep/%s.state", sweeps->config->cache_directory,
                     store->name) < 0) {
                ret->state_path = NULL;
                config_store_release(store);
                return -ENOMEM;
        }
        return 0;
}

/* Its process, if any, is left to end by itself: nobody hears of it any more. */
static void sweep_done(struct sweep *sweep) {
        sweep_process_abandon(sweep);
        free(sweep->state_path);
        config_store_release(sweep->store);
}

/* One for each store of the configuration. */
static int init_all(struct sweeps *sweeps, struct sweep **ret, size_t *ret_n) {
        const struct config *config = sweeps->config;
        struct sweep *all = calloc(config->n_stores + 1, sizeof(*all));

        if (!all)
                return -ENOMEM;
        sweeps->daily = false;
        for (size_t n = 0; n < config->n_stores; n++) {
                int r = sweep_init(sweeps, &config->stores[n], &all[n]);

                if (r < 0) {
                        while (n > 0)
                                sweep_done(&all[--n]);
                        free(all);
                        return r;
                }
        }
        *ret = all;
        *ret_n = config->n_stores;
        return 0;
}

/* As many opens at once as keep the CPUs busy: of two files each that a worker has, and one that is on its way
 * to the next. The pool leaves a worker to those who wait. */
static unsigned count_openers(const struct config *config) {
        return MIN(3 * MIN(cpus_usable(), MAX(config->workers, 2U) - 1),
                   (unsigned)SWEEP_OPENERS_MAX);
}

static int find_user(struct sweeps *sweeps, FILE *errors) {
        const struct passwd *pw;

        sweeps->uid = geteuid();
        sweeps->gid = getegid();
        sweeps->own_user = !sweeps->config->user;
        if (sweeps->own_user)
                return 0;
        pw = getpwnam(sweeps->config->user);
        if (!pw) {
                fprintf(errors, "[scanner] user: there is no user '%s'.\n", sweeps->config->user);
                return -ENOENT;
        }
        sweeps->uid = pw->pw_uid;
        sweeps->gid = pw->pw_gid;
        return 0;
}

int sweeps_new(struct ring *ring, const struct config *config, const struct pool *pool,
               struct journal *journal, FILE *errors, struct sweeps **ret) {
        _cleanup_(sweeps_freep) struct sweeps *sweeps = calloc(1, sizeof(*sweeps));
        _cleanup_free_ char *folder = NULL;
        int r;

        if (!sweeps)
                return -ENOMEM;
        *sweeps = (struct sweeps){
                .ring = ring,
                .config = config,
                .pool = pool,
                .journal = journal,
                .openers = count_openers(config),
                .program_fd = -EBADF,
        };
        tzset(); /* localtime_r(3) looks for the zone's file the first time only */
        r = find_user(sweeps, errors);
        if (r < 0)
                return r;
        sweeps->program_fd = program_open("storescan-sweep", "sweep", "STORESCAN_SWEEP", errors);
        if (sweeps->program_fd < 0)
                return sweeps->program_fd;
        if (asprintf(&folder, "%s/sweep", config->cache_directory) < 0) {
                folder = NULL;
                return -ENOMEM;
        }
        /* Without it each start of a sweep fails, and says so. */
        (void)mkdir(config->cache_directory, 0700);
        (void)mkdir(folder, 0700);
        r = init_all(sweeps, &sweeps->all, &sweeps->n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sweeps->n; i++)
                load_state(&sweeps->all[i]);
        *ret = TAKE_PTR(sweeps);
        return 0;
}

/* ---- What changes while it runs ---- */

void sweeps_hold(struct sweeps *sweeps, bool held) {
        if (held == sweeps->held)
                return;
        sweeps->held = held;
        for (size_t i = 0; i < sweeps->n; i++) {
                struct sweep *sweep = &sweeps->all[i];

                /* Killed: what it opens from now on says nothing. */
                if (held && sweep->process) {
                        sweep->killed = true;
                        sweep_process_kill(sweep);
                }
        }
}

void sweeps_detach(struct sweeps *sweeps, const char *store, bool detached) {
        struct sweep *sweep = find(sweeps, store);

        if (!sweep || sweep->detached == detached)
                return;
        sweep->detached = detached;
        if (detached && sweep->process) {
                sweep->killed = true;
                sweep_process_kill(sweep);
        }
}

bool sweeps_works_in(const struct sweeps *sweeps, const char *store) {
        const struct sweep *sweep = find(sweeps, store);

        return sweep && sweep->process;
}

/* What is known of the sweep of this store is known of that of its successor. */
static void inherit(struct sweep *sweep, const struct sweep *from) {
        bool runs = from->process && !from->stopping;

        sweep->status = from->stopping ? SWEEP_STOPPED : from->status;
        sweep->failed = from->failed;
        sweep->detached = from->detached;
        sweep->started_msec = from->started_msec;
        sweep->total = from->total;
        sweep->counters = from->counters;
        sweep->backoff_usec = from->backoff_usec;
        sweep->note_usec = from->note_usec;
        sweep->anew = from->anew || from->begins_anew; /* whenever it is started next */
        if (runs || from->start_usec > 0)
                start_soon(sweep, false);
}

void sweeps_follow_config(struct sweeps *sweeps) {
        struct sweep *all, *former = sweeps->all;
        size_t n, n_former = sweeps->n;

        /* Without memory the former ones, whose stores are held, go on. */
        if (init_all(sweeps, &all, &n) < 0)
                return;
        sweeps->openers = count_openers(sweeps->config);
        for (size_t i = 0; i < n; i++) {
                const struct sweep *from = find(sweeps, all[i].store->name);

                if (from && streq(from->store->path, all[i].store->path))
                        inherit(&all[i], from);
        }
        sweeps->all = all;
        sweeps->n = n;
        for (size_t i = 0; i < n_former; i++)
                sweep_done(&former[i]);
        free(former);
        sweeps->look_usec = 0;
}

void sweeps_end(struct sweeps *sweeps) {
        sweeps->ending = true;
        for (size_t i = 0; i < sweeps->n; i++)
                if (!sweeps->all[i].stopping) /* it writes that down */
                        sweep_process_kill(&sweeps->all[i]);
}

struct sweeps *sweeps_free(struct sweeps *sweeps) {
        if (!sweeps)
                return NULL;
        for (size_t i = 0; i < sweeps->n; i++)
                sweep_done(&sweeps->all[i]);
        free(sweeps->all);
        close_fd(sweeps->program_fd);
        free(sweeps);
        return NULL;
}
