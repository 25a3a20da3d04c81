/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns every part of storescan-hub, the signals and the loop of the ring thread. Must not own any
 * decision about a message.
 *
 * Start: the socket first, so that a mistake there is told at once; mail servers are served when the
 * first worker is ready, and wait in the socket's queue until then.
 *
 * End: 1. the messages that wait get their judgement, for a while; 2. the others are deferred; 3. the
 * workers; 4. the log; 5. the process, and with it all connections: a mail server whose connection
 * breaks defers, too. (smfi_stop() would wait for a lock that libmilter holds for seconds.)
 */

#include "daemon/hub/hub.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "daemon/clock.h"
#include "daemon/hub/handover.h"
#include "daemon/hub/milter.h"
#include "daemon/journal.h"
#include "daemon/notify.h"
#include "daemon/pool.h"
#include "daemon/ring.h"

#define END_USEC (5 * USEC_PER_SEC)

struct hub {
        const struct config *config;
        FILE *errors;
        struct stats stats;
        struct hub_counters counters;
        struct stamping stamping;
        struct milter_settings milter;
        struct notify notify;
        struct journal *journal;
        struct ring *ring;
        struct pool *pool;
        struct handover *handover;

        int signal_fd;
        struct ring_op signal_op;
        struct signalfd_siginfo signal_info[8];

        int error; /* why it can't go on */
        bool ready, serving, ending;
        uint64_t pinged_usec;
};

/* ---- Signals ---- */

static void print_counters(struct hub *hub) {
        const struct {
                const char *name;
                uint64_t value;
        } all[] = {
#define X(name, meaning) { #name, atomic_load(&hub->counters.name) },
                HUB_COUNTERS(X)
#undef X
                        { "workers_started", hub->stats.workers_started },
                { "workers_died", hub->stats.workers_died },
                { "workers_hung", hub->stats.workers_hung },
                { "log_dropped", journal_dropped(hub->journal) },
        };
        char text[LOG_DETAIL_MAX] = "";
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(all) && n < sizeof(text); i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s=%" PRIu64, i > 0 ? " " : "",
                                      all[i].name, all[i].value);
        journal_say(hub->journal, EVENT_STATS, NULL, "%s", text);
}

static void read_signal(struct hub *hub) {
        struct io_uring_sqe *sqe = ring_entry(hub->ring);

        io_uring_prep_read(sqe, hub->signal_fd, hub->signal_info, sizeof(hub->signal_info), 0);
        ring_bind(sqe, &hub->signal_op);
}

static void on_signal(struct ring_op *op, int res) {
        struct hub *hub = container_of(op, struct hub, signal_op);
        size_t n = (size_t)MAX(res, 0) / sizeof(hub->signal_info[0]);

        for (size_t i = 0; i < n; i++)
                switch (hub->signal_info[i].ssi_signo) {
                case SIGUSR1: print_counters(hub); break;
                case SIGCHLD:
                        while (waitpid(-1, NULL, WNOHANG) > 0)
                                ;
                        break;
                default: hub->ending = true;
                }
        read_signal(hub);
}

/* libmilter waits for SIGTERM, SIGINT and SIGHUP as well, on a thread of its own, and ends by each.
 * Its thread is the one to get the first two, and takes up to 5 seconds to tell; SIGUSR2 ends us at
 * once. SIGHUP is thrown away by the kernel, since this thread ignores it without blocking it. */
static int open_signals(struct hub *hub) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGUSR1);
        (void)sigaddset(&set, SIGUSR2);
        (void)sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        hub->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
        hub->signal_op.done = on_signal;
        return hub->signal_fd < 0 ? -errno : 0;
}

/* ---- The milter's thread ---- */

static void *serve(void *userdata) {
        int r = milter_run();

        /* The ring thread learns of it as of a signal, whatever the reason. */
        if (r < 0)
                journal_say(((struct hub *)userdata)->journal, EVENT_HUB_FAILED, NULL,
                            "libmilter ended with an error; its messages in the mail log say why.");
        (void)kill(getpid(), SIGTERM);
        return NULL;
}

static int start_milter(struct hub *hub) {
        pthread_t thread;
        int r = pthread_create(&thread, NULL, serve, hub);

        if (r != 0)
                return -r;
        (void)pthread_detach(thread);
        hub->serving = true;
        return 0;
}

/* ---- The loop ---- */

static uint64_t feed_watchdog(struct hub *hub, uint64_t now) {
        uint64_t period = hub->notify.watchdog_usec / 3;

        if (period == 0)
                return USEC_INFINITY;
        if (now - hub->pinged_usec >= period) {
                hub->pinged_usec = now;
                (void)notify_send(&hub->notify, "WATCHDOG=1");
        }
        return hub->pinged_usec + period;
}

static int turn(struct hub *hub, uint64_t *due) {
        uint64_t now = now_usec();
        int r = ring_wait(hub->ring,
                          *due == USEC_INFINITY ? USEC_INFINITY
                          : *due > now          ? *due - now
                                                : 0,
                          1);

        if (r < 0)
                return r;
        now = now_usec();
        *due = MIN(pool_run(hub->pool, now), feed_watchdog(hub, now));
        return 0;
}

static int turn_until(struct hub *hub, const bool *done) {
        uint64_t due = 0;

        while (!*done && !hub->ending && hub->error >= 0) {
                int r = turn(hub, &due);

                if (r < 0)
                        return r;
        }
        return hub->error;
}

/* ---- Parts ---- */

static void on_pool_ready(void *userdata, int error) {
        struct hub *hub = userdata;

        hub->error = error;
        hub->ready = error >= 0;
}

static int start(struct hub *hub) {
        const struct config_hub *c = &hub->config->hub;
        int r;

        r = open_signals(hub);
        if (r < 0)
                return r;
        r = journal_new(hub->config->log_queue, &hub->journal);
        if (r < 0)
                return r;
        journal_set_name(hub->journal, "storescan-hub");
        r = stamping_open(hub->config, hub->errors, &hub->stamping);
        if (r < 0)
                return r;
        r = ring_new(hub->errors, &hub->ring);
        if (r < 0)
                return r;
        read_signal(hub);
        r = handover_new(hub->ring, &hub->handover);
        if (r < 0)
                return r;
        hub->milter = (struct milter_settings){
                .config = hub->config,
                .handover = hub->handover,
                .journal = hub->journal,
                .counters = &hub->counters,
        };
        r = milter_open(&hub->milter, hub->errors);
        if (r < 0)
                return r;
        r = pool_new(hub->ring, hub->config, &hub->stats, hub->journal, -EBADF, on_pool_ready, hub,
                     hub->errors, &hub->pool);
        if (r < 0)
                return r;
        (void)notify_send(&hub->notify, "STATUS=Loading signatures.");
        r = turn_until(hub, &hub->ready);
        if (r < 0 || hub->ending)
                return r;
        handover_start(hub->handover, hub->pool,
                       !streq(c->attachment_names, "none") || !streq(c->attachment_types, "none"),
                       &hub->stamping);
        r = start_milter(hub);
        if (r < 0)
                return r;
        journal_say(hub->journal, EVENT_HUB_STARTED, NULL, "Mail is taken at %s.", c->socket);
        (void)notify_send(&hub->notify, "READY=1\nSTATUS=Scanning mail.");
        return 0;
}

static void end(struct hub *hub) {
        uint64_t until = now_usec() + END_USEC, due = 0;

        (void)notify_send(&hub->notify, "STOPPING=1\nSTATUS=Ending.");
        while (hub->pool && hub->serving && handover_waiting(hub->handover) > 0 &&
               now_usec() < until) {
                due = MIN(due, now_usec() + 100 * USEC_PER_MSEC);
                if (turn(hub, &due) < 0)
                        break;
        }
        if (hub->handover)
                handover_end(hub->handover);
        hub->pool = pool_free(hub->pool);
        stamping_close(&hub->stamping);
}

_Noreturn void hub_run(const struct config *config, FILE *errors) {
        struct hub hub = { .config = config, .errors = errors, .signal_fd = -EBADF };
        const bool never = false;
        int r;

        notify_open(&hub.notify);
        r = start(&hub);
        if (r >= 0 && !hub.ending)
                r = turn_until(&hub, &never);
        if (r < 0 && !hub.serving && r != -EPIPE && r != -ENOMEM)
                r = -ENOEXEC;
        end(&hub);
        if (hub.journal) {
                print_counters(&hub);
                if (hub.serving)
                        journal_say(hub.journal, EVENT_HUB_STOPPED, NULL,
                                    "Mail waits at its senders from here on%s%s.",
                                    r < 0 ? ", after an error: " : "", r < 0 ? error_text(-r) : "");
        }
        hub.journal = journal_free(hub.journal);
        notify_close(&hub.notify);
        /* Threads of the milter may still use what is ours; libmilter lets nobody wait for them. */
        _exit(r == -ENOEXEC ? EX_CONFIG : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
