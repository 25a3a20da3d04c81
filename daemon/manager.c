/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: every part of the daemon, the signals, the loop. Must not own: any decision about a file.
 *
 * Start: ring, group and workers first, so that every mark that is placed is answered from its
 * first event on; READY=1 when the marks are in place. Where a service manager keeps the group (keep.h),
 * marks and openers are there from the process before: its orphans are settled before all else, and
 * nobody but our own processes gets an answer until all is there that a start brings about.
 *
 * End, where the group is kept: sweeps end, reading ends, those who wait get their verdicts, for a
 * moment; all else is left to the next process. Otherwise in this order: 1. STOPPING is told, and sweeps
 * end; 2. all marks go and the marker stops, so that no new open waits; 3. hot files go, so that no writer
 * waits; the opens that wait, since the process before, too, get their verdicts, for a while, then on_error;
 * 4. reading ends, and what the group still holds is answered by on_error; 5. the workers; 6. the group
 * closes; 7. the verdict cache is saved; 8. the log.
 */

#include "daemon/manager.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "daemon/admission.h"
#include "daemon/allow-list.h"
#include "daemon/breaker.h"
#include "daemon/bus.h"
#include "daemon/clock.h"
#include "daemon/cures.h"
#include "daemon/detach.h"
#include "daemon/gate.h"
#include "daemon/history.h"
#include "daemon/hold.h"
#include "daemon/hot.h"
#include "daemon/journal.h"
#include "daemon/judge.h"
#include "daemon/keep.h"
#include "daemon/keys.h"
#include "daemon/lasting.h"
#include "daemon/late-close.h"
#include "daemon/legacy.h"
#include "daemon/marker.h"
#include "daemon/names.h"
#include "daemon/notify.h"
#include "daemon/orphans.h"
#include "daemon/pause.h"
#include "daemon/poisons.h"
#include "daemon/policy.h"
#include "daemon/pool.h"
#include "daemon/reconfigure.h"
#include "daemon/reload.h"
#include "daemon/remedies.h"
#include "daemon/ring.h"
#include "daemon/selftest.h"
#include "daemon/settle.h"
#include "daemon/stats.h"
#include "daemon/store-states.h"
#include "daemon/stores.h"
#include "daemon/sweeps.h"
#include "daemon/today.h"
#include "daemon/verdicts.h"

#define FDS_RESERVED     256    /* for everything that is not an event fd */
#define HELD_MAX         32768U /* event fds at once, if RLIMIT_NOFILE bears them */
#define HELD_MIN         256U   /* fewer are not worth a start */
#define MANY_MAX         512U   /* files of many items in use */
#define SIGNALS_MAX      16     /* signals a read */
#define END_USEC         (5 * USEC_PER_SEC)
#define HANDOVER_USEC    USEC_PER_SEC /* the next process judges what takes longer */
#define STALL_SLACK_USEC (5 * USEC_PER_SEC)
#define REQUEST_USEC     (20 * USEC_PER_MSEC) /* until what root waits for is looked at again */
#define MENDING_USEC     (5 * USEC_PER_SEC)   /* for what a crash interrupted, before the start */

struct manager {
        struct config live;          /* its content is exchanged when it is read again */
        const struct config *config; /* &live */
        struct config *loaded;       /* live's content, until reconfigure owns it */
        const char *config_path;
        FILE *errors;
        struct stats stats;
        struct today today;
        struct notify notify;
        struct keep keep;
        struct orphans *orphans;
        struct legacy *legacy; /* NULL: there is no memory for it */
        struct settle *settle; /* what the process before has left */
        struct hold hold;
        struct journal *journal;
        struct ring *ring;
        struct verdicts *verdicts;     /* NULL: no cache */
        struct allow_list *allow_list; /* NULL: nothing is allowed */
        struct poisons *poisons;
        struct pool *pool;
        struct keys *keys;
        struct names *names;
        struct remedies *remedies; /* NULL: nothing is replaced */
        struct cures *cures;
        struct scans *scans;
        struct sweeps *sweeps; /* NULL: there are none */
        struct judge judge;
        struct gate *gate;
        struct hot *hot;
        struct changes *changes;
        struct many *many;
        struct history *history;
        struct breaker breaker;
        struct pause pause;
        struct selftest *selftest;
        struct store_states states;
        struct detach detach;
        int news; /* group N */
        struct marker *marker;
        struct reload *reload;
        struct reconfigure *reconfigure;
        struct bus *bus; /* NULL: nobody can ask us */

        int signal_fd;
        struct ring_op signal_op;
        struct signalfd_siginfo signal_info[SIGNALS_MAX];

        int error;       /* why it can't go on */
        bool taken_over; /* there are marks and openers of the process before */
        bool workers_ready, guarding, ending;
        struct config *former;            /* of the process before, if it was another one */
        const char *refused;              /* the configuration on disk, and why; NULL: it was not */
        struct generation noted;          /* in legacy */
        bool without_engine, engine_told; /* as it was told */
        uint64_t pinged_usec, pressure_told_usec;
        uint64_t pressure_told; /* of stats.pressure */
};

/* ---- Signals ---- */

/* Counters that others keep. */
static void gather_stats(struct manager *m) {
        m->stats.log_dropped = journal_dropped(m->journal);
        m->stats.cache_entries = verdicts_count(m->verdicts);
}

static void print_stats(struct manager *m) {
        char text[LOG_DETAIL_MAX];

        gather_stats(m);
        stats_format(&m->stats, text, sizeof(text));
        journal_say(m->journal, EVENT_STATS, NULL, "%s", text);
}

void manager_reload(struct manager *m) {
        char state[64];

        if (!m->reload || m->ending)
                return;
        snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_usec());
        if (m->guarding)
                (void)notify_send(&m->notify, state);
        reload_ask(m->reload);
}

static void read_signal(struct manager *m) {
        struct io_uring_sqe *sqe = ring_entry(m->ring);

        io_uring_prep_read(sqe, m->signal_fd, m->signal_info, sizeof(m->signal_info), 0);
        ring_bind(sqe, &m->signal_op);
}

static void reap(struct manager *m) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                if (m->sweeps)
                        (void)sweeps_reaped(m->sweeps, pid, status);
}

static void take_signal(struct manager *m, const struct signalfd_siginfo *info) {
        switch (info->ssi_signo) {
        case SIGTERM:
        case SIGINT:
                m->ending = true;
                /* Of several that come before it is taken the kernel keeps the first alone, which
                 * need not be the keeper's: keep_let_go(). */
                if (m->keep.alone && (pid_t)info->ssi_pid == getppid())
                        m->keep.last = true;
                break;
        case SIGHUP: manager_reload(m); break;
        case SIGUSR1: print_stats(m); break;
        case SIGCHLD: reap(m); break;
        default:
                if (m->hot)
                        hot_signal(m->hot, info->ssi_signo, info->ssi_fd);
        }
}

static void on_signal(struct ring_op *op, int res) {
        struct manager *m = container_of(op, struct manager, signal_op);
        size_t n = (size_t)MAX(res, 0) / sizeof(m->signal_info[0]);

        for (size_t i = 0; i < n; i++)
                take_signal(m, &m->signal_info[i]);
        read_signal(m);
}

static int open_signals(struct manager *m) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, SIGUSR1);
        (void)sigaddset(&set, SIGCHLD);
        /* A broken lease raises SIGIO (fcntl(2)), or what was asked for instead; the default of both
         * would end us. Threads and the ring's workers inherit that it is blocked. */
        (void)sigaddset(&set, SIGIO);
        (void)sigaddset(&set, HOT_SIGNAL);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        (void)signal(SIGPIPE, SIG_IGN);
        m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
        m->signal_op.done = on_signal;
        return m->signal_fd < 0 ? -errno : 0;
}

/* ---- The loop ---- */

/* How many fds files may have; the limit on fds is raised as far as it may be. */
static rlim_t file_fds(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 0;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur > FDS_RESERVED ? limit.rlim_cur - FDS_RESERVED : 0;
}

/* Hot files get a part of them that opens can't be short of. */
static unsigned max_hot(const struct config *config) {
        rlim_t fds = file_fds(), spared = fds > HELD_MIN ? fds - HELD_MIN : 0;

        return (unsigned)MIN(MIN(fds / 4, spared), (rlim_t)config->hot_files);
}

/* So do files of many items that are in use. Stores of them may come later; they take what is left. */
static unsigned max_many(const struct config *config) {
        rlim_t fds = file_fds(), most = MIN(MAX(fds / 8, (rlim_t)16), (rlim_t)MANY_MAX);
        rlim_t taken = max_hot(config) + HELD_MIN;

        for (size_t i = 0; i < config->n_stores; i++)
                if (format_items(config->stores[i].format) == ITEMS_MANY)
                        return (unsigned)most;
        return (unsigned)MIN(most, fds > taken ? fds - taken : 0);
}

static unsigned max_held(const struct config *config) {
        rlim_t fds = file_fds(), spared = max_hot(config) + max_many(config);
        rlim_t room = fds > spared ? fds - spared : 0;

        return (unsigned)MIN(room, (rlim_t)(config->max_pending ? config->max_pending : HELD_MAX));
}

/* Since when anybody waits; 0: nobody does. */
static uint64_t oldest_wait(const struct manager *m) {
        uint64_t one = scans_oldest(m->scans), many = many_oldest(m->many);

        return one == 0 || (many != 0 && many < one) ? many : one;
}

/* The watchdog is fed while every open is answered in its time, not merely while the loop turns; and
 * while opens are seen. */
static uint64_t feed_watchdog(struct manager *m, uint64_t now) {
        uint64_t waits_until = MIN(scans_due(m->scans), many_due(m->many));
        uint64_t period = m->notify.watchdog_usec / 3;

        if (period == 0)
                return USEC_INFINITY;
        if (now - m->pinged_usec >= period &&
            (waits_until == USEC_INFINITY || now < waits_until + STALL_SLACK_USEC) &&
            !(m->selftest && selftest_failed(m->selftest))) {
                m->pinged_usec = now;
                (void)notify_send(&m->notify, "WATCHDOG=1");
        }
        return MAX(m->pinged_usec + period, now + USEC_PER_SEC / 10);
}

/* That opens wait for want of fds is told once a minute while it happens. */
static void tell_pressure(struct manager *m, uint64_t now) {
        if (m->stats.pressure == m->pressure_told ||
            (m->pressure_told > 0 && now - m->pressure_told_usec < 60 * USEC_PER_SEC))
                return;
        m->pressure_told = m->stats.pressure;
        m->pressure_told_usec = now;
        journal_say(m->journal, EVENT_PRESSURE, NULL,
                    "More opens wait than may be held at once (%u); the others wait in the kernel "
                    "for their turn.",
                    max_held(m->config));
}

static uint64_t run_cures(struct manager *m, uint64_t now) {
        uint64_t due;

        if (!m->cures)
                return USEC_INFINITY;
        due = cures_run(m->cures, now); /* what is tried again is sent by the next line */
        due = MIN(due, remedies_run(m->remedies, now));
        return MIN(due, cures_run(m->cures, now));
}

static bool is_config_refused(const struct manager *m) {
        return m->refused || reload_refused_config(m->reload) ||
               reconfigure_refused(m->reconfigure);
}

static bool are_signatures_refused(const struct manager *m) {
        return reload_refused_signatures(m->reload) || pool_is_without_engine(m->pool);
}

/* By what is judged from now on; before an answer that it brings about is out. */
static void note_engine(struct manager *m) {
        const struct generation *own = pool_own_generation(m->pool);

        if (!own || memcmp(own, &m->noted, sizeof(*own)) == 0)
                return;
        m->noted = *own;
        legacy_note_engine(m->legacy, &(struct legacy_engine){
                                              .generation = *own,
                                              .database_version = pool_database_version(m->pool),
                                              .database_usec = pool_database_usec(m->pool),
                                      });
}

static void note_config(struct manager *m) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        if (m->legacy && config_text(m->config, &text, &size) >= 0)
                legacy_note_config(m->legacy, text, size);
}

static bool tell_bus(const struct manager *m) {
        if (m->ending)
                return false;
        return bus_tell(m->bus, &(struct bus_state){
                                        .guarding = m->guarding,
                                        .paused = pause_is_on(&m->pause),
                                        .refused_signatures = are_signatures_refused(m),
                                        .refused_config = is_config_refused(m),
                                        .breaker = m->breaker.state,
                                        .generation = pool_generation(m->pool),
                                        .database_version = pool_database_version(m->pool),
                                        .hook_changes = selftest_changes(m->selftest),
                                });
}

static void tell_engine(struct manager *m);

/* One turn: sleep, dispatch, answer, and then everything that comes after the answers. */
static int turn(struct manager *m, uint64_t *due) {
        uint64_t now = now_usec();
        int r = ring_wait(m->ring,
                          *due == USEC_INFINITY ? USEC_INFINITY
                          : *due > now          ? *due - now
                                                : 0,
                          m->pool ? pool_patience(m->pool) : 0);

        if (r < 0)
                return r;
        now = now_usec();
        bus_run(m->bus);
        *due = run_cures(m, now);
        gate_flush(m->gate);
        *due = MIN(*due, scans_run(m->scans, now));
        if (!m->ending)
                reload_run(m->reload, m->guarding);
        if (m->guarding && !m->ending)
                reconfigure_run(m->reconfigure);
        *due = MIN(*due, pool_run(m->pool, now));
        note_engine(m);
        /* A job that ended in pool_run() has its answers in the batch. */
        gate_flush(m->gate);
        *due = MIN(*due, many_run(m->many, now));
        /* Infections that turned up since. */
        *due = MIN(*due, run_cures(m, now));
        gate_flush(m->gate);
        /* Behind it: a file that came to rest has a stamp in the making. */
        *due = MIN(*due, scans_run(m->scans, now));
        *due = MIN(*due, hot_run(m->hot, now));
        if (m->guarding && hot_is_current(m->hot) && reload_tell_generation(m->reload) && m->sweeps)
                sweeps_generation_changed(m->sweeps);
        if (m->sweeps)
                *due = MIN(*due, sweeps_run(m->sweeps, now));
        *due = MIN(*due, pause_run(&m->pause, now));
        *due = MIN(*due,
                   history_run(m->history, m->pool ? pool_own_generation(m->pool) : NULL, now));
        *due = MIN(*due,
                   poisons_run(m->poisons, m->pool ? pool_own_generation(m->pool) : NULL, now));
        if (m->guarding && !m->ending)
                *due = MIN(*due, selftest_run(m->selftest, now));
        *due = MIN(*due, today_run(&m->today, &m->stats, now));
        *due = MIN(*due, feed_watchdog(m, now));
        if (m->guarding && !m->ending)
                tell_engine(m);
        gate_resume(m->gate);
        tell_pressure(m, now);
        if (tell_bus(m))
                *due = now;
        if (bus_waits(m->bus))
                *due = MIN(*due, now + REQUEST_USEC);
        if (gate_linger(m->gate))
                *due = now;
        return 0;
}

/* Turns until done says so, an error comes, or we are told to end. */
static int turn_until(struct manager *m, const bool *done) {
        uint64_t due = 0;

        while (!*done && !m->ending && m->error >= 0) {
                int r = turn(m, &due);

                if (r < 0)
                        return r;
        }
        return m->error;
}

/* ---- Parts ---- */

static void on_pool_ready(void *userdata, int error) {
        struct manager *m = userdata;

        m->error = error;
        m->workers_ready = error >= 0;
}

static void on_placed(void *userdata, int error) {
        struct manager *m = userdata;

        m->error = error;
        m->guarding = error >= 0;
        if (!m->guarding)
                return;
        if (settle_retire(m->settle))
                keep_drop(&m->keep, &m->notify, KEEP_BEFORE);
        many_guards(m->many);
        note_config(m);
        legacy_note_failed(m->legacy, false);
        if (m->sweeps)
                sweeps_guarding(m->sweeps);
}

static void on_found(void *userdata, int fd, bool aloud, enum places_news news) {
        struct manager *m = userdata;

        judge_found(&m->judge, fd, aloud, news);
}

static void on_overflowed(void *userdata, unsigned n) {
        struct manager *m = userdata;

        m->stats.overflowed += n;
}

static void on_changed(void *userdata, int error, const char *text) {
        struct manager *m = userdata;

        reconfigure_changed(m->reconfigure, error, text);
}

static void on_let_go(void *userdata) {
        struct manager *m = userdata;

        reconfigure_let_go(m->reconfigure);
}

static void on_state(void *userdata, const char *store, enum store_state state, bool mounted) {
        struct manager *m = userdata;

        detach_state(&m->detach, store, state, mounted);
}

static void on_looked(void *userdata, unsigned ticket) {
        struct manager *m = userdata;

        detach_looked(&m->detach, ticket);
}

/* No file of a detached store stays open. */
static bool may_be_hot(void *userdata, int fd, const struct stat *st) {
        struct manager *m = userdata;
        const struct config_store *store;
        char path[PATH_MAX];
        enum place place;

        if (m->states.n_detached == 0)
                return true;
        store = stores_find(m->config, fd, st, path, &place);
        return !store || !store_states_is_detached(&m->states, store->name);
}

static void on_config(void *userdata, struct config *config) {
        struct manager *m = userdata;

        reconfigure_take(m->reconfigure, config);
}

/* storescan-remedy is there for those who replace; without it they would block. */
static bool wants_remedies(const struct config *config) {
        for (size_t i = 0; i < config->n_stores; i++)
                if (policy_deed(&config->stores[i]) == DEED_REPLACE)
                        return true;
        return false;
}

static void on_reconfigured(void *userdata, bool engine) {
        struct manager *m = userdata;

        if (m->remedies && wants_remedies(m->config))
                remedies_want(m->remedies);
        breaker_limit(&m->breaker, m->config->breaker_failures, m->config->breaker_time_usec);
        store_states_follow(&m->states, m->config);
        if (m->sweeps)
                sweeps_follow_config(m->sweeps);
        if (!reconfigure_refused(m->reconfigure))
                m->refused = NULL;
        note_config(m);
        reload_config_done(m->reload, engine);
}

static void on_found_done(void *userdata) {
        struct manager *m = userdata;

        if (m->marker)
                marker_found_done(m->marker);
}

/* Tells the service manager how things are; ready: for the first time. */
static void tell_status(const struct manager *m, bool ready) {
        char status[512];

        snprintf(status, sizeof(status), "%sSTATUS=%sGuarding %zu store%s.%s%s%s",
                 ready ? "READY=1\n" : "",
                 pause_is_on(&m->pause) ? "PAUSED, every open passes unscanned. " : "",
                 m->config->n_stores, m->config->n_stores == 1 ? "" : "s",
                 is_config_refused(m)
                         ? " The configuration on disk has mistakes: the one before is in force."
                         : "",
                 pool_is_without_engine(m->pool) ? " There is no engine: what needs a scan waits."
                 : pool_own_generation(m->pool)
                         ? ""
                         : " Signatures are being loaded: what needs a scan waits.",
                 m->breaker.state != BREAKER_CLOSED
                         ? " The engine fails again and again: opens that need a scan are answered "
                           "at once."
                         : "");
        (void)notify_send(&m->notify, status);
}

/* That the first engine is there, or can't be had. */
static void tell_engine(struct manager *m) {
        bool own = pool_own_generation(m->pool), without = pool_is_without_engine(m->pool);

        if (own == m->engine_told && without == m->without_engine)
                return;
        m->engine_told = own;
        m->without_engine = without;
        tell_status(m, false);
}

static void warn_of_policies(struct manager *m);

/* What was asked for by manager_reload() is through. */
static void on_settled(void *userdata) {
        struct manager *m = userdata;

        warn_of_policies(m);
        tell_status(m, true);
}

static void on_breaker(void *userdata, bool open) {
        struct manager *m = userdata;

        if (open)
                journal_say(
                        m->journal, EVENT_BREAKER_OPEN, NULL,
                        "%u scans in a row failed: opens that need one are answered at once, by "
                        "on_error and breaker; one scan is tried now and then.",
                        m->breaker.failures);
        else
                journal_say(m->journal, EVENT_BREAKER_CLOSED, NULL,
                            "%s: opens are judged by scans again.",
                            m->breaker.failures_max == 0 ? "breaker_failures is 0"
                                                         : "A scan succeeded");
        if (m->guarding)
                tell_status(m, false);
}

static void on_pause(void *userdata) {
        struct manager *m = userdata;

        if (m->sweeps)
                sweeps_hold(m->sweeps, pause_is_on(&m->pause));
        if (m->guarding)
                tell_status(m, false);
}

static const char *yes_no(bool b) {
        return b ? "yes" : "no";
}

static void log_kernel(struct manager *m) {
        const struct gate_kernel *k = gate_kernel(m->gate);
        const char *ranges = k->pre_access && !k->ranges ? "not relied on" : yes_no(k->pre_access);

        journal_say(m->journal, EVENT_KERNEL, NULL,
                    "Kernel: pre-content events %s, event fd errors told %s, range events %s, "
                    "opens through an overlayfs above a store seen %s; up to %u opens at once, and "
                    "%u hot files.",
                    yes_no(k->pre_content), yes_no(k->fd_error), ranges, yes_no(k->overlay),
                    max_held(m->config), max_hot(m->config));
}

/* Without it what the admin allows is blocked: no reason not to guard. */
static void open_allow_list(struct manager *m) {
        int r = allow_list_new(m->config->cache_directory, m->journal, &m->allow_list);

        if (r < 0)
                journal_say(m->journal, EVENT_ALLOW_LIST_FAILED, NULL,
                            "Failed to watch %s for the list of allowed contents: %s; nothing is "
                            "allowed that is infected. Make the folder, or name another one as "
                            "[cache] directory, and restart.",
                            m->config->cache_directory, error_text(-r));
}

static int bus_pause(void *userdata, uint64_t usec) {
        struct manager *m = userdata;

        return pause_begin(&m->pause, usec, "root");
}

static void bus_resume(void *userdata) {
        struct manager *m = userdata;

        pause_end(&m->pause, "root");
}

static int bus_sweep_start(void *userdata, const char *store) {
        struct manager *m = userdata;

        return m->sweeps ? sweeps_start(m->sweeps, store) : -ECANCELED;
}

static int bus_sweep_stop(void *userdata, const char *store) {
        struct manager *m = userdata;

        return m->sweeps ? sweeps_stop(m->sweeps, store) : -ECANCELED;
}

static int bus_detach(void *userdata, const struct config_store *store) {
        struct manager *m = userdata;

        return m->guarding && !m->ending ? detach_begin(&m->detach, store) : -ECANCELED;
}

static int bus_attach(void *userdata, const struct config_store *store) {
        struct manager *m = userdata;

        return m->guarding && !m->ending ? detach_end(&m->detach, store) : -ECANCELED;
}

static void bus_reload(void *userdata) {
        manager_reload(userdata);
}

static void bus_clear_poison(void *userdata) {
        struct manager *m = userdata;

        poisons_clear(m->poisons);
}

static void look(void *userdata, struct bus_view *ret) {
        struct manager *m = userdata;
        unsigned queued, background;

        gather_stats(m);
        pool_count(m->pool, &queued, &background);
        *ret = (struct bus_view){
                .config = m->config,
                .stats = &m->stats,
                .generation = pool_generation(m->pool),
                .database_version = pool_database_version(m->pool),
                .database_usec = pool_database_usec(m->pool),
                .guarding = m->guarding && !m->ending,
                .paused = pause_is_on(&m->pause),
                .refused_signatures = are_signatures_refused(m),
                .refused_config = is_config_refused(m),
                .breaker = m->breaker.state,
                .today = &m->today,
                .waiting = scans_waiting(m->scans) + many_waiting(m->many),
                .sweeps = m->sweeps,
                .states = &m->states,
                .queued = queued,
                .background = background,
                .oldest_usec = oldest_wait(m),
        };
        ret->hooks = selftest_results(m->selftest, &ret->n_hooks);
}

static void bus_ask(void *userdata, const struct explain_question *question,
                    struct explanation *ret) {
        struct manager *m = userdata;

        explain(&m->judge, m->guarding && !m->ending, question, ret);
}

static int bus_expect_scan(void *userdata, const struct bus_scan *scan) {
        struct manager *m = userdata;

        if (!m->sweeps || m->ending)
                return -ECANCELED;
        sweeps_invite(m->sweeps, scan->pid, scan->dev, scan->ino);
        return 0;
}

static bool bus_tell_scan(void *userdata, const struct bus_scan *scan, struct sweep_told *ret) {
        struct manager *m = userdata;

        return m->sweeps && sweeps_dismiss(m->sweeps, scan->pid, scan->dev, scan->ino, ret);
}

static void bus_pending(void *userdata, pending_fn *each, void *each_userdata) {
        struct manager *m = userdata;

        scans_list(m->scans, each, each_userdata);
        many_list(m->many, each, each_userdata);
}

/* The process comes when a store wants it, maybe after a reload: its program is opened now. */
static int start_remedies(struct manager *m) {
        bool wanted = wants_remedies(m->config);
        int r = remedies_new(m->ring, m->config, &m->stats, m->journal, wanted, m->errors,
                             &m->remedies);

        if (r < 0)
                return wanted ? r : 0;
        return cures_new(m->config, m->pool, m->remedies, &m->cures);
}

/* What a crash interrupted is completed before anybody is let at it, unless it is locked. */
static int finish_interrupted(struct manager *m) {
        uint64_t until = now_usec() + MENDING_USEC, due = 0;

        while (m->remedies && !remedies_ready(m->remedies) && !m->ending && m->error >= 0 &&
               now_usec() < until) {
                int r;

                due = MIN(due, until);
                r = turn(m, &due);
                if (r < 0)
                        return r;
        }
        return m->error;
}

/* What can't be tried is told by the gate when it needs it. */
static int admit_kernel(struct manager *m) {
        struct admission_result results[ADMISSION_MAX];
        int n = admission_run(results), n_bad = 0;

        for (int i = 0; i < n; i++) {
                if (results[i].good)
                        continue;
                n_bad++;
                fprintf(m->errors,
                        "This kernel does not do what guards mail: %s; but %s. ('%s'; see "
                        "storescanctl doctor.)\n",
                        results[i].what, results[i].detail, results[i].name);
        }
        if (n_bad == 0)
                return 0;
        fputs("Infected mail could be served, so storescand does not start. Boot another kernel.\n",
              m->errors);
        return -ENOEXEC;
}

/* Openers may come, those of the process before first. */
static int start_gate(struct manager *m) {
        gate_start(m->gate);
        return settle_start(m->settle, &(struct settle_parts){
                                               .config = m->config,
                                               .ring = m->ring,
                                               .gate = m->gate,
                                               .judge = hold_event,
                                               .judge_userdata = &m->hold,
                                               .stats = &m->stats,
                                               .journal = m->journal,
                                       });
}

/* One that can't be read any more says nothing. */
static void parse_former(struct manager *m, const char *text, size_t size) {
        _cleanup_free_ char *mistakes = NULL;
        size_t n = 0;
        FILE *errors = open_memstream(&mistakes, &n);

        if (!errors)
                return;
        (void)config_load_former("former", text, size, errors, &m->former);
        (void)fclose(errors);
}

/* What the process before left beside its group counts for a group that is gone on with; where accesses are
 * told, if that has stayed as the configuration was. */
static void take_legacy(struct manager *m) {
        _cleanup_free_ char *before = NULL, *now = NULL;
        _Atomic uint64_t *devices = legacy_devices(m->legacy);
        size_t size_before = 0, size = 0;
        struct legacy_engine engine;

        if (gate_is_kept(m->gate) && legacy_engine(m->legacy, &engine))
                pool_borrow(m->pool, &engine.generation, engine.database_version,
                            engine.database_usec);
        if (gate_is_kept(m->gate) && legacy_config(m->legacy, &before, &size_before) >= 0 &&
            config_text(m->config, &now, &size) >= 0 && size == size_before &&
            memcmp(before, now, size) == 0)
                return;
        if (before)
                parse_former(m, before, size_before);
        for (size_t i = 0; devices && i < GATE_DEVICES; i++)
                atomic_store(&devices[i], 0);
}

/* Those of the process before serve on, with their marks, if they are as they would be made now: P only
 * with M, or changes would go unnoticed until M has its marks. */
static int open_groups(struct manager *m, unsigned held) {
        bool new_table = !m->orphans, goes_on;
        int *kept = m->keep.fds, legacy = -EBADF, given_up, changes, r;

        if (new_table)
                (void)orphans_new(&m->orphans);
        if (!m->legacy)
                (void)legacy_new(&m->legacy, &legacy);
        changes = changes_new(kept[KEEP_CHANGES], &m->changes);
        goes_on = changes >= 0 && changes_is_kept(m->changes);
        if (goes_on)
                kept[KEEP_CHANGES] = -EBADF;
        m->hold.judge = &m->judge;
        r = gate_new(
                &(struct gate_parts){
                        .ring = m->ring,
                        .max_held = held,
                        .on_event = hold_event,
                        .userdata = &m->hold,
                        .on_last = judge_last,
                        .last_userdata = &m->judge,
                        .stats = &m->stats,
                        .spin_usec = m->config->spin_usec,
                        .kept = goes_on ? kept[KEEP_GATE] : -EBADF,
                        .orphans = m->orphans,
                        .devices = legacy_devices(m->legacy),
                },
                m->errors, &m->gate);
        if (r < 0) {
                close_fd(legacy);
                return r;
        }
        take_legacy(m);
        if (legacy >= 0)
                keep_put(&m->keep, KEEP_LEGACY, legacy);
        close_fd(legacy);
        /* Behind it, which knows more to say of a kernel that refuses both. */
        if (changes < 0) {
                fprintf(m->errors, "Failed to open a fanotify group for changes: %s.\n",
                        error_text(-changes));
                return changes;
        }
        if (gate_is_kept(m->gate))
                kept[KEEP_GATE] = -EBADF;
        else if ((given_up = TAKE_FD(kept[KEEP_GATE])) >= 0 && settle_give_up(m->settle, given_up))
                keep_put(&m->keep, KEEP_BEFORE, given_up);
        m->news = places_open_news(kept[KEEP_NEWS], m->errors);
        if (m->news < 0)
                return m->news;

        if (!gate_is_kept(m->gate))
                keep_put(&m->keep, KEEP_GATE, gate_group(m->gate));
        if (!changes_is_kept(m->changes))
                keep_put(&m->keep, KEEP_CHANGES, changes_fd(m->changes));
        if (m->news == kept[KEEP_NEWS])
                kept[KEEP_NEWS] = -EBADF;
        else
                keep_put(&m->keep, KEEP_NEWS, m->news);
        if (new_table && m->orphans)
                keep_put(&m->keep, KEEP_ORPHANS, m->orphans->fd);
        keep_done(&m->keep);
        keep_finish(&m->keep);
        if (!m->keep.kept)
                journal_say(m->journal, EVENT_NOT_KEPT, NULL,
                            "No service manager keeps the marks: should storescand crash, its "
                            "stores are open until it is up again.");
        return 0;
}

static int start(struct manager *m) {
        const struct marker_events events = {
                .placed = on_placed,
                .found = on_found,
                .overflowed = on_overflowed,
                .changed = on_changed,
                .let_go = on_let_go,
                .state = on_state,
                .looked = on_looked,
                .userdata = m,
        };
        unsigned held = max_held(m->config);
        int r;

        if (held < HELD_MIN) {
                fprintf(m->errors,
                        "RLIMIT_NOFILE is too small: %d fds are needed to begin with; raise "
                        "LimitNOFILE= (ulimit -n).\n",
                        HELD_MIN + FDS_RESERVED);
                return -EMFILE;
        }
        r = open_signals(m);
        /* It takes its time, and who waits since the process before waits for that: this is its kernel. */
        if (r >= 0 && !m->taken_over)
                r = admit_kernel(m);
        if (r < 0)
                return r;
        r = journal_new(m->config->log_queue, &m->journal);
        if (r < 0)
                return r;
        r = keys_load(m->config->keys, getenv("CREDENTIALS_DIRECTORY"), m->errors, &m->keys);
        if (r < 0)
                return r;
        r = history_new(m->config, m->journal, &m->history);
        if (r < 0)
                return r;
        r = poisons_new(m->config->cache_directory, &m->stats, m->journal, &m->poisons);
        if (r < 0)
                return r;
        r = ring_new(m->errors, &m->ring);
        if (r < 0)
                return r;
        read_signal(m);
        m->verdicts = verdicts_new(
                &(struct verdicts_settings){
                        .size = m->config->cache_size,
                        .directory = m->config->cache_directory,
                },
                &m->stats, m->journal);
        r = reload_new(
                &(struct reload_parts){
                        .ring = m->ring,
                        .stats = &m->stats,
                        .journal = m->journal,
                        .config = m->config,
                        .config_path = m->config_path,
                        .take_config = on_config,
                        .settled = on_settled,
                        .userdata = m,
                },
                &m->reload);
        if (r < 0)
                return r;
        r = pool_new(m->ring, m->config, &m->stats, m->journal, verdicts_fd(m->verdicts),
                     on_pool_ready, m, m->errors, &m->pool);
        if (r < 0)
                return r;
        pool_set_poisons(m->pool, m->poisons);
        reload_set_pool(m->reload, m->pool);
        r = scans_new(m->config, m->pool, m->ring, m->verdicts, &m->stats, m->journal,
                      on_found_done, m, &m->scans);
        if (r < 0)
                return r;
        r = open_groups(m, held);
        if (r < 0)
                return r;
        r = start_remedies(m);
        if (r < 0)
                return r;
        scans_set_gate(m->scans, m->gate);
        r = names_new(m->config, m->pool, &m->stats, m->journal, &m->names);
        if (r < 0)
                return r;
        scans_set_names(m->scans, m->names);
        scans_set_cures(m->scans, m->cures);
        open_allow_list(m);
        scans_set_allow_list(m->scans, m->allow_list);
        scans_set_keys(m->scans, m->keys);
        m->breaker = (struct breaker){
                .failures_max = m->config->breaker_failures,
                .window_usec = m->config->breaker_time_usec,
                .changed = on_breaker,
                .userdata = m,
        };
        scans_set_breaker(m->scans, &m->breaker);
        r = sweeps_new(m->ring, m->config, m->pool, m->journal, m->errors, &m->sweeps);
        if (r < 0)
                return r;
        scans_set_sweeps(m->scans, m->sweeps);
        r = hot_new(m->ring, m->gate, m->pool, scans_stamper(m->scans), &m->stats,
                    max_hot(m->config), m->config->hot_time_usec, &m->hot);
        if (r < 0)
                return r;
        scans_set_hot(m->scans, m->hot);
        r = many_new(
                &(struct many_parts){
                        .ring = m->ring,
                        .config = m->config,
                        .max_files = max_many(m->config),
                        .pool = m->pool,
                        .gate = m->gate,
                        .scans = m->scans,
                        .hot = m->hot,
                        .cures = m->cures,
                        .remedies = m->remedies,
                        .changes = m->changes,
                        .verdicts = m->verdicts,
                        .allow_list = m->allow_list,
                        .sweeps = m->sweeps,
                        .stats = &m->stats,
                        .journal = m->journal,
                        .names = m->names,
                },
                &m->many);
        if (r < 0)
                return r;
        m->pause = (struct pause){
                .gate = m->gate,
                .scans = m->scans,
                .many = m->many,
                .stats = &m->stats,
                .journal = m->journal,
                .changed = on_pause,
                .userdata = m,
        };
        r = selftest_new(m->config, &m->states, &m->stats, m->journal, &m->selftest);
        if (r < 0)
                return r;
        m->detach = (struct detach){
                .states = &m->states,
                .hot = m->hot,
                .many = m->many,
                .scans = m->scans,
                .sweeps = m->sweeps,
                .selftest = m->selftest,
                .journal = m->journal,
                .legacy = m->legacy,
        };
        detach_again(&m->detach, m->config);
        hot_ask(m->hot, may_be_hot, m);
        m->judge = (struct judge){
                .config = m->config,
                .pool = m->pool,
                .scans = m->scans,
                .hot = m->hot,
                .many = m->many,
                .sweeps = m->sweeps,
                .history = m->history,
                .remedies = m->remedies,
                .pause = &m->pause,
                .selftest = m->selftest,
                .gate = m->gate,
                .stats = &m->stats,
                .journal = m->journal,
                .own_pid = getpid(),
        };
        settle_ask_last(m->settle, judge_last, &m->judge);
        log_kernel(m);
        if (m->refused)
                journal_say(m->journal, EVENT_CONFIG_REFUSED, NULL,
                            "The configuration on disk has mistakes, the one that ran before this "
                            "restart goes on: %s Correct it, and: systemctl reload storescand.",
                            m->refused);
        (void)bus_new(m->ring, m->journal,
                      &(struct bus_calls){
                              .look = look,
                              .pause = bus_pause,
                              .resume = bus_resume,
                              .reload = bus_reload,
                              .clear_poison = bus_clear_poison,
                              .sweep_start = bus_sweep_start,
                              .sweep_stop = bus_sweep_stop,
                              .explain = bus_ask,
                              .list_pending = bus_pending,
                              .scan_begin = bus_expect_scan,
                              .scan_result = bus_tell_scan,
                              .detach = bus_detach,
                              .attach = bus_attach,
                              .userdata = m,
                      },
                      &m->bus);

        (void)notify_send(&m->notify, "STATUS=Loading signatures.");
        r = turn_until(m, &m->workers_ready);
        if (r < 0 || m->ending)
                return r;
        /* Where marks are there already, openers are: who can be is answered. */
        m->hold.on = gate_is_kept(m->gate);
        if (!m->hold.on)
                r = finish_interrupted(m);
        if (r >= 0 && !m->ending)
                r = start_gate(m);
        if (r < 0 || m->ending)
                return r;
        (void)notify_send(&m->notify, "STATUS=Marking stores.");
        r = marker_new(
                &(struct marker_parts){
                        .ring = m->ring,
                        .config = m->loaded,
                        .former = m->former,
                        .gate = m->gate,
                        .changes = m->changes,
                        .news = m->news,
                        .journal = m->journal,
                        .events = events,
                },
                m->errors, &m->marker);
        if (r < 0)
                return r;
        m->detach.marker = m->marker;
        r = reconfigure_new(
                &(struct reconfigure_parts){
                        .live = &m->live,
                        .loaded = m->loaded,
                        .pool = m->pool,
                        .gate = m->gate,
                        .hot = m->hot,
                        .many = m->many,
                        .marker = m->marker,
                        .journal = m->journal,
                        .done = on_reconfigured,
                        .userdata = m,
                },
                &m->reconfigure);
        if (r < 0)
                return r;
        m->loaded = NULL;
        if (m->hold.on) {
                r = finish_interrupted(m);
                if (r < 0 || m->ending)
                        return r;
                hold_meet(&m->hold, JUDGE_NEEDS_REMEDY);
                gate_flush(m->gate);
        }
        r = turn_until(m, &m->guarding);
        if (r >= 0 && !m->ending)
                hold_let_go(&m->hold);
        return r;
}

/* Turns until nothing is left to do, for a limited time. */
static bool turn_until_idle(struct manager *m, bool (*idle)(struct manager *m), uint64_t usec) {
        uint64_t until = now_usec() + usec, due = 0;

        while (!idle(m) && now_usec() < until) {
                due = MIN(due, until);
                if (turn(m, &due) < 0)
                        return false;
        }
        return idle(m);
}

static bool marker_is_idle(struct manager *m) {
        return marker_ended(m->marker);
}

static bool files_are_idle(struct manager *m) {
        return !scans_busy(m->scans) && !many_busy(m->many) && !hot_busy(m->hot) &&
               !pause_busy(&m->pause) && !names_busy(m->names);
}

static bool all_is_idle(struct manager *m) {
        return files_are_idle(m) && !settle_busy(m->settle);
}

static bool gate_is_idle(struct manager *m) {
        return gate_stopped(m->gate);
}

/* Parts that others still use, because a file system holds them, are left to the end of the
 * process. Returns whether all went. */
static bool end_gate(struct manager *m) {
        bool clean = true, kept = m->keep.kept;

        /* Before the marks go: what they open from then on would be taken for swept. */
        if (m->sweeps)
                sweeps_end(m->sweeps);
        if (!kept) {
                hold_let_go(&m->hold);
                gate_unmark_all(m->gate);
        }
        if (m->marker) {
                marker_stop(m->marker);
                clean = turn_until_idle(m, marker_is_idle, END_USEC);
                if (!kept)
                        gate_unmark_all(m->gate); /* what the marker was placing meanwhile */
        }
        hot_stop(m->hot);
        names_stop(m->names);
        if (m->cures)
                cures_stop(m->cures);
        if (kept) {
                gate_stop_to_next(m->gate);
                clean = turn_until_idle(m, gate_is_idle, END_USEC) && clean;
                return turn_until_idle(m, files_are_idle, HANDOVER_USEC) && clean;
        }
        gate_drain(m->gate);
        clean = turn_until_idle(m, all_is_idle, END_USEC) && clean;
        settle_end(m->settle, gate_group(m->gate));
        scans_give_up(m->scans, REASON_SHUTDOWN);
        many_give_up(m->many);
        gate_stop(m->gate);
        clean = turn_until_idle(m, gate_is_idle, END_USEC) && clean;
        gate_drain(m->gate);
        gate_flush(m->gate);
        keep_let_go(&m->keep, &m->notify);
        return clean;
}

static void end(struct manager *m) {
        bool clean = true;

        /* Nobody is started in our place: what waits has to get its answer from us. Who tells us later, when we
         * leave that to the next one, finds it kept, and starts one for that. */
        if (m->keep.last)
                m->keep.kept = false;
        (void)notify_send(&m->notify, m->keep.kept ? "STOPPING=1\nSTATUS=Ending."
                                                   : "STOPPING=1\nSTATUS=Opening the stores.");
        m->ending = true;
        m->bus = bus_free(m->bus);
        if (m->judge.gate)
                clean = end_gate(m);
        else if (m->settle && !m->keep.kept)
                settle_end(m->settle, m->gate ? gate_group(m->gate) : m->keep.fds[KEEP_GATE]);
        if (!clean)
                return;
        m->marker = marker_free(m->marker);
        m->reload = reload_free(m->reload);
        m->sweeps = sweeps_free(m->sweeps);
        m->pool = pool_free(m->pool);
        m->many = many_free(m->many);
        m->changes = changes_free(m->changes);
        m->hot = hot_free(m->hot);
        m->scans = scans_free(m->scans);
        m->names = names_free(m->names);
        m->cures = cures_free(m->cures);
        m->remedies = remedies_free(m->remedies);
        m->keys = keys_free(m->keys);
        m->gate = gate_free(m->gate);
        m->orphans = orphans_free(m->orphans);
        m->legacy = legacy_free(m->legacy);
}

static void tell_end(struct manager *m, int error) {
        if (m->keep.kept)
                journal_say(m->journal, EVENT_STOPPED, NULL,
                            "Ended%s%s. Marks and waiting opens are kept for a storescand that is "
                            "started at once, as by systemctl restart. After systemctl stop the "
                            "stores are open from here on: nothing is scanned.",
                            error < 0 ? " after an error: " : "",
                            error < 0 ? error_text(-error) : "");
        else
                journal_say(m->journal, EVENT_STOPPED, NULL, "Stores are open from here on%s%s.",
                            error < 0 ? ", after an error: " : "",
                            error < 0 ? error_text(-error) : "");
}

static void warn_of_policies(struct manager *m) {
        for (size_t i = 0; i < m->config->n_stores; i++) {
                const struct config_store *s = &m->config->stores[i];

                if (policy_hazard(s))
                        journal_say(m->journal, EVENT_POLICY_HAZARD, s->name,
                                    "Store '%s' is %s with on_infected = %s: %s.", s->name,
                                    store_format_name(s->format),
                                    s->on_infected == ON_INFECTED_BLOCK ? "block" : "replace",
                                    policy_hazard(s));
        }
}

/* Whether the next process, that the service manager starts at once, is to go by the configuration that ran
 * before: openers wait for it, and not to be started again would open the stores. */
static bool may_fall_back(struct manager *m) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        if (!m->taken_over || m->refused || legacy_config(m->legacy, &text, &size) < 0)
                return false;
        legacy_note_failed(m->legacy, true);
        return true;
}

int manager_run(const struct manager_start *begin, FILE *errors) {
        struct manager m = {
                .live = *begin->config,
                .loaded = begin->config,
                .config_path = begin->config_path,
                .errors = errors,
                .keep = *begin->keep,
                .legacy = begin->legacy,
                .refused = begin->refused,
                .signal_fd = -EBADF,
                .news = -EBADF,
        };
        int r;

        m.config = &m.live;
        m.taken_over = m.keep.fds[KEEP_GATE] >= 0;
        (void)file_fds();
        r = settle_begin(&m.keep, m.config, &m.orphans, &m.settle);
        late_close_begin();
        notify_open(&m.notify);
        if (r >= 0)
                r = start(&m);
        if (r >= 0 && m.guarding) {
                static const bool never = false;

                journal_say(m.journal, EVENT_STARTED, NULL, "Guarding %zu store%s.",
                            m.live.n_stores, m.live.n_stores == 1 ? "" : "s");
                tell_status(&m, true);
                warn_of_policies(&m);
                r = turn_until(&m, &never);
        }
        /* What may pass is tried again by whoever keeps the marks, and who waits does so until then. */
        if (r < 0 && !m.guarding && (m.taken_over ? is_lasting(r) : r != -EPIPE && r != -ENOMEM))
                r = may_fall_back(&m) ? -EAGAIN : -ENOEXEC;
        end(&m);
        if (m.journal) {
                print_stats(&m);
                if (m.guarding || (m.taken_over))
                        tell_end(&m, r);
                /* Nothing is judged any more: what is saved is all. */
                m.verdicts = verdicts_free(m.verdicts);
                m.allow_list = allow_list_free(m.allow_list);
                m.history = history_free(m.history);
                m.selftest = selftest_free(m.selftest);
                m.poisons = poisons_free(m.poisons);
        }
        m.journal = journal_free(m.journal);
        stats_done(&m.stats);
        store_states_done(&m.states);
        m.settle = settle_free(m.settle);
        if (m.pool || m.marker || m.reload || m.verdicts || m.allow_list || m.history ||
            m.poisons || m.selftest || m.settle)
                _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS); /* threads still use what is ours */
        m.ring = ring_free(m.ring);
        m.reconfigure = reconfigure_free(m.reconfigure);
        config_free(m.former);
        config_free(m.loaded);
        close_fd(m.news);
        keep_done(&m.keep);
        free(m.hold.events);
        close_fd(m.signal_fd);
        notify_close(&m.notify);
        return r;
}
