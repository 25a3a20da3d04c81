/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the control socket, the engine once it is made (load.c), the table of children. Forks a
 * worker a SPAWN, reaps them, and removes their folders. Must never touch an item: only its children parse mail.
 */

#include "daemon/worker/loader.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/proto.h"
#include "daemon/worker/load.h"
#include "daemon/worker/sandbox.h"
#include "daemon/worker/serve.h"
#include "daemon/worker/spool.h"
#include "store/util.h"

#define BACKGROUND_NICE 10

#define CHILDREN_MAX (4 * WORKERS_MAX) /* those that the gate gave up may still be dying */

struct child {
        pid_t pid; /* 0: a free place */
        uint32_t serial;
        char folder[SPOOL_NAME_MAX];
};

struct loader {
        int control, signals;
        bool ending;
        struct loaded loaded;
        struct generation generation;
        uint64_t address_space;
        char tmpdir[PATH_MAX];
        struct child children[CHILDREN_MAX];
};

static uint64_t now_usec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}

/* ---- Loading ---- */

/* Others scan meanwhile. Only if there is a way back: workers inherit what we are at their fork. */
static bool step_back(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NICE, &limit) < 0 || limit.rlim_cur < 20 ||
            getpriority(PRIO_PROCESS, 0) != 0)
                return false;
        return setpriority(PRIO_PROCESS, 0, BACKGROUND_NICE) == 0;
}

/* 0: there is an engine. 1: none was wanted. */
static int answer_load(struct loader *loader, const struct proto_load *load, int database) {
        bool behind = load->background && step_back(), same = false;
        char refusal[PROTO_TEXT_MAX];
        union proto_message reply;
        uint64_t started = now_usec();
        int r, k;

        memcpy(loader->tmpdir, load->tmpdir, sizeof(loader->tmpdir));
        proto_init(&reply, PROTO_LOADED);
        r = load_engine(load, database, &loader->loaded, &reply.loaded, &same, refusal);
        if (behind && setpriority(PRIO_PROCESS, 0, 0) < 0)
                fprintf(stderr, "storescan-worker: its priority stays low: %m.\n");
        if (r > 0) {
                proto_init(&reply, PROTO_COMPARED);
                reply.compared.same = same;
        } else if (r < 0) {
                proto_init(&reply, PROTO_REFUSED);
                proto_text(reply.refused.text, sizeof(reply.refused.text), refusal);
                fprintf(stderr, "storescan-worker: %s\n", reply.refused.text);
        } else {
                loader->address_space = sandbox_address_space();
                loader->generation = reply.loaded.generation;
                reply.loaded.load_usec = now_usec() - started;
        }
        k = proto_send(loader->control, &reply, NULL, 0);
        return k < 0 ? k : r;
}

/* ---- Children ---- */

static void spawn(struct loader *loader, const struct proto_spawn *message, int channel, int slot,
                  int cache) {
        _cleanup_close_ int pool = -EBADF;
        struct child *child = NULL;
        pid_t self = getpid(), pid;

        for (size_t i = 0; i < ELEMENTSOF(loader->children) && !child; i++)
                if (loader->children[i].pid == 0)
                        child = &loader->children[i];
        /* The gate learns from the channel's end. */
        if (!child) {
                fprintf(stderr, "storescan-worker: there are too many workers already.\n");
                return;
        }
        if (loader->loaded.servers.sock >= 0) {
                pool = servers_add(&loader->loaded.servers, loader->loaded.options.max_scan_msec);
                if (pool < 0) {
                        fprintf(stderr, "storescan-worker: no way to clamd: %s.\n",
                                error_text(-pool));
                        return;
                }
        }
        pid = fork();
        if (pid < 0) {
                fprintf(stderr, "storescan-worker: failed to make a worker: %m.\n");
                return;
        }
        spool_name(child->folder, "w", message->worker, pid > 0 ? pid : getpid());
        if (pid == 0) {
                const struct serve_setup setup = {
                        .engine = loader->loaded.engine,
                        .canary = loader->loaded.canary,
                        .options = &loader->loaded.options,
                        .attachments = &loader->loaded.attachments,
                        .generation = &loader->generation,
                        .notice = loader->loaded.notice,
                        .host = loader->loaded.host,
                        .tmpdir = loader->tmpdir,
                        .folder = child->folder,
                        .address_space = loader->address_space,
                        .loader = self,
                        .pool = pool,
                        .fallback = loader->loaded.servers.fallback,
                };

                serve(&setup, channel, slot, cache);
        }
        child->pid = pid;
        child->serial = message->serial;
}

/* Whoever kills a worker by these finds no fault with what it is at. */
static bool is_from_outside(int signal) {
        return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

/* The gate looks for what content costs workers. That it does not hear of one does no harm. */
static void tell_ended(const struct loader *loader, const struct child *child, int status) {
        union proto_message message;

        if (loader->ending || (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS))
                return;
        proto_init(&message, PROTO_ENDED);
        message.ended.serial = child->serial;
        message.ended.killed = WIFSIGNALED(status) && is_from_outside(WTERMSIG(status));
        (void)proto_send(loader->control, &message, NULL, 0);
}

static void bury(struct loader *loader, pid_t pid, int status) {
        for (size_t i = 0; i < ELEMENTSOF(loader->children); i++) {
                struct child *child = &loader->children[i];
                int r;

                if (child->pid != pid)
                        continue;
                if (WIFSIGNALED(status) && !loader->ending)
                        fprintf(stderr, "storescan-worker %s: it was ended by SIG%s%s.\n",
                                child->folder, sigabbrev_np(WTERMSIG(status)),
                                WTERMSIG(status) == SIGSYS ? ", a system call that it may not use"
                                                           : "");
                tell_ended(loader, child, status);
                child->pid = 0;
                r = spool_remove(loader->tmpdir, child->folder);
                if (r < 0)
                        fprintf(stderr, "storescan-worker %s: its folder can't be removed: %s.\n",
                                child->folder, strerror(-r));
                return;
        }
}

static void reap(struct loader *loader, int flags) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, flags)) > 0)
                bury(loader, pid, status);
}

/* ---- The life of a loader ---- */

/* 1: go on. 0: the gate closed the socket. */
static int serve_gate(struct loader *loader) {
        _cleanup_close_ int channel = -EBADF, slot = -EBADF, cache = -EBADF;
        union proto_message message;
        int fds[PROTO_FDS_MAX], r;

        r = proto_receive(loader->control, &message, fds);
        if (r == -ECONNRESET)
                return 0;
        if (r <= 0)
                return r;
        channel = fds[0];
        slot = fds[1];
        cache = fds[2];
        if (r != PROTO_SPAWN || channel < 0 || slot < 0)
                return -EBADMSG;
        spawn(loader, &message.spawn, channel, slot, cache);
        return 1;
}

static int serve_until_closed(struct loader *loader) {
        struct pollfd fds[] = {
                { .fd = loader->control, .events = POLLIN },
                { .fd = loader->signals, .events = POLLIN },
                { .fd = loader->loaded.servers.sock, .events = POLLIN },
        };

        for (;;) {
                int r;

                if (poll(fds, ELEMENTSOF(fds), -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (fds[1].revents) {
                        struct signalfd_siginfo info;

                        (void)!read(loader->signals, &info, sizeof(info));
                        reap(loader, WNOHANG);
                }
                if (fds[2].revents && servers_hear(&loader->loaded.servers, loader->control) < 0) {
                        fprintf(stderr, "storescan-worker: what talks to clamd ended.\n");
                        return -EOWNERDEAD;
                }
                if (fds[0].revents) {
                        r = serve_gate(loader);
                        if (r <= 0)
                                return r;
                }
        }
}

static int receive_load(struct loader *loader, union proto_message *ret, int *ret_database) {
        int fds[PROTO_FDS_MAX], r;

        r = proto_receive(loader->control, ret, fds);
        if (r > 0 && r != PROTO_LOAD) {
                for (size_t i = 0; i < PROTO_FDS_MAX; i++)
                        close_fd(fds[i]);
                return -EBADMSG;
        }
        *ret_database = fds[0];
        return r;
}

int loader_run(int control) {
        static struct loader loader; /* large, and workers need it until the process ends */
        static union proto_message message;
        _cleanup_close_ int database = -EBADF;
        sigset_t signals;
        int r;

        loader.control = control;
        r = receive_load(&loader, &message, &database);
        if (r > 0) {
                r = answer_load(&loader, &message.load, database);
                if (r != 0) /* said already, unless the gate is gone */
                        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
                database = close_fd(database);

                (void)sigemptyset(&signals);
                (void)sigaddset(&signals, SIGCHLD);
                (void)sigprocmask(SIG_BLOCK, &signals, NULL);
                loader.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
                r = loader.signals < 0 ? -errno : serve_until_closed(&loader);
        }
        if (r < 0 && r != -EOWNERDEAD) /* said already */
                fprintf(stderr, "storescan-worker: the talk with storescand failed: %s.\n",
                        strerror(-r));

        loader.ending = true;
        for (size_t i = 0; i < ELEMENTSOF(loader.children); i++)
                if (loader.children[i].pid > 0)
                        (void)kill(loader.children[i].pid, SIGKILL);
        reap(&loader, 0);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
