/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the engine, the canary, the control socket, the table of children. Makes the engine out of
 * what LOAD names, or says in REFUSED why there is none; then forks a worker a SPAWN, reaps them,
 * and removes their folders. Must never touch an item: only its children parse mail.
 */

#include "daemon/worker/loader.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/proto.h"
#include "daemon/worker/canary.h"
#include "daemon/worker/engine.h"
#include "daemon/worker/generation.h"
#include "daemon/worker/sandbox.h"
#include "daemon/worker/serve.h"
#include "daemon/worker/spool.h"
#include "store/util.h"

#define CHILDREN_MAX  (4 * WORKERS_MAX) /* those that the gate gave up may still be dying */
#define LOAD_ATTEMPTS 3

DEFINE_CLEANUP(struct engine *, engine_free);
DEFINE_CLEANUP(struct canary *, canary_free);

struct child {
        pid_t pid; /* 0: a free place */
        char folder[SPOOL_NAME_MAX];
};

struct loader {
        int control, signals;
        struct engine *engine;
        struct canary *canary;
        struct engine_options options;
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

struct loading {
        struct loader *loader;
        const struct proto_load *load;
        int database;
        struct spool spool;
        struct proto_loaded *loaded;
        char refusal[PROTO_TEXT_MAX];
};

/* Paths are cut, so that what is wrong and the fix always fit. */
#define PATH_FORMAT "%.120s"

_printf_(2, 3) static int refuse(struct loading *l, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(l->refusal, sizeof(l->refusal), format, ap);
        va_end(ap);
        return -EINVAL;
}

static int refuse_database(struct loading *l, const char *what, const char *fix) {
        return refuse(l, "[scanner] database " PATH_FORMAT ": %s; %s.", l->load->database, what,
                      fix);
}

static int prepare_tmpdir(struct loading *l) {
        const char *tmpdir = l->loader->tmpdir;
        char name[SPOOL_NAME_MAX];
        int r;

        r = spool_check_tmpdir(tmpdir);
        if (r == -EMEDIUMTYPE)
                return refuse(l,
                              "[scanner] tmpdir " PATH_FORMAT ": it is not on a file system in "
                              "memory; mount a tmpfs there, or name a folder on one.",
                              tmpdir);
        if (r == 0) {
                spool_remove_stale(tmpdir);
                spool_name(name, "l", 0, getpid());
                r = spool_open(&l->spool, tmpdir, name);
        }
        if (r == 0)
                r = spool_check(&l->spool);
        if (r < 0)
                return refuse(l,
                              "[scanner] tmpdir " PATH_FORMAT ": temporary files can't be made "
                              "there: %s; make it a folder of the worker's user, with space.",
                              tmpdir, strerror(-r));
        return 0;
}

static int enter_sandbox(struct loading *l) {
        char problem[SANDBOX_PROBLEM_MAX];

        if (sandbox_landlock_abi() <= 0)
                fprintf(stderr,
                        "storescan-worker: the kernel has no landlock: workers are kept from other "
                        "files by their user alone; lsm=landlock,... on the kernel command line "
                        "may "
                        "enable it.\n");
        if (sandbox_files(l->database, l->loader->tmpdir, problem) < 0 ||
            sandbox_calls_loader(problem) < 0)
                return refuse(l, "storescan-worker can't be confined: %s.", problem);
        return 0;
}

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* What libclamav is told to load: the fd by its name in /proc. It tells types of files by their
 * names, so that a single file needs one. */
static int database_path(struct loading *l, char ret[static PATH_MAX]) {
        char target[64];
        struct stat st;

        (void)snprintf(target, sizeof(target), "/proc/self/fd/%d", l->database);
        if (fstat(l->database, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode)) {
                (void)snprintf(ret, PATH_MAX, "%s", target);
                return 0;
        }
        if (snprintf(ret, PATH_MAX, "%s/%s", l->spool.path, base_name(l->load->database)) >=
            PATH_MAX)
                return -ENAMETOOLONG;
        return symlink(target, ret) < 0 && errno != EEXIST ? -errno : 0;
}

static int load_signatures(struct loading *l, struct engine *engine) {
        char path[PATH_MAX], problem[ENGINE_PROBLEM_MAX];
        unsigned n;
        int r;

        r = database_path(l, path);
        if (r < 0)
                return refuse_database(l, strerror(-r), "name it by a shorter path");
        if (engine_load(engine, path, &n, problem) < 0)
                return refuse_database(l, problem, "repair or remove what it names");
        if (n == 0)
                return refuse_database(l, "there is not one signature in it",
                                       "get signatures, for example by freshclam");
        l->loaded->signatures = n;
        return 0;
}

static int load_canary(struct loading *l, struct engine *engine, const struct canary *canary) {
        char path[PATH_MAX + 16], problem[ENGINE_PROBLEM_MAX];
        unsigned n;
        int r;

        (void)snprintf(path, sizeof(path), "%s/canary.ndb", l->spool.path);
        r = canary_write_signature(canary, path);
        if (r < 0)
                return refuse(l, "[scanner] tmpdir " PATH_FORMAT ": %s; make space in it.",
                              l->loader->tmpdir, strerror(-r));
        if (engine_load(engine, path, &n, problem) < 0 || n != 1)
                return refuse(l, "libclamav does not take the canary's signature: %s.", problem);
        (void)unlink(path);
        return 0;
}

static int identify(struct loading *l, struct generation *ret) {
        const char *name = base_name(l->load->database);
        char problem[ENGINE_PROBLEM_MAX];
        struct stat st;
        int files;

        if (fstat(l->database, &st) == 0 && !S_ISDIR(st.st_mode) &&
            !generation_is_signature_file(name))
                return refuse_database(l, "libclamav loads no file of such a name",
                                       "name a folder, or a file like main.cvd or own.ndb");
        files = generation_compute(l->database, name, &l->loader->options, ret, problem);
        if (files < 0)
                return refuse_database(l, problem,
                                       "make all of it readable for the worker's user, in the "
                                       "folder itself and not by symbolic links out of it");
        if (files == 0)
                return refuse_database(l, "there is no signature file in it",
                                       "get signatures, for example by freshclam, or name the "
                                       "folder that they are in");
        return 0;
}

/* One engine out of the files as they are now. */
static int make_engine(struct loading *l, struct engine **ret_engine, struct canary **ret_canary) {
        _cleanup_(engine_freep) struct engine *engine = NULL;
        _cleanup_(canary_freep) struct canary *canary = NULL;
        char problem[ENGINE_PROBLEM_MAX];
        int r;

        if (canary_new(&canary) < 0)
                return refuse(l, "there is not enough memory for an engine.");
        if (engine_new(&l->loader->options, l->spool.path, &engine, problem) < 0)
                return refuse(l, "[scanner]: %s; change the limits.", problem);
        r = load_signatures(l, engine);
        if (r == 0)
                r = load_canary(l, engine, canary);
        if (r < 0)
                return r;
        if (engine_compile(engine, problem) < 0)
                return refuse_database(l, problem, "repair or remove what it names");
        *ret_engine = TAKE_PTR(engine);
        *ret_canary = TAKE_PTR(canary);
        return 0;
}

/* Signatures may be replaced while they are read: what is loaded must be what was identified. */
static int make_identified_engine(struct loading *l) {
        struct loader *loader = l->loader;
        char problem[ENGINE_PROBLEM_MAX];

        for (unsigned i = 0; i < LOAD_ATTEMPTS; i++) {
                struct generation before, after;
                int r;

                loader->engine = engine_free(loader->engine);
                loader->canary = canary_free(loader->canary);
                r = identify(l, &before);
                if (r == 0)
                        r = make_engine(l, &loader->engine, &loader->canary);
                if (r == 0)
                        r = identify(l, &after);
                if (r < 0)
                        return r;
                if (memcmp(&before, &after, sizeof(before)) != 0)
                        continue;
                if (canary_check(loader->canary, loader->engine, problem) < 0)
                        return refuse(l, "the engine failed its test: %s.", problem);
                l->loaded->generation = after;
                return 0;
        }
        return refuse_database(l, "it changes all the time",
                               "try again when the update of signatures is over");
}

static int load_all(struct loading *l) {
        char problem[ENGINE_PROBLEM_MAX];
        int r;

        if (sandbox_unprivileged(problem) < 0)
                return refuse(l,
                              "storescan-worker parses hostile mail and does not do so with "
                              "privileges, but %s; start it as an unprivileged user.",
                              problem);
        if (l->database < 0)
                return refuse_database(l, "its fd is missing", "this is a bug of storescand");
        r = prepare_tmpdir(l);
        if (r < 0)
                return r;
        if (engine_init(problem) < 0)
                return refuse(l, "%s.", problem);
        r = enter_sandbox(l);
        if (r == 0)
                r = make_identified_engine(l);
        return r;
}

static int answer_load(struct loader *loader, const struct proto_load *load, int database) {
        struct loading l = { .loader = loader, .load = load, .database = database };
        union proto_message reply;
        uint64_t started = now_usec();
        int r;

        memcpy(loader->tmpdir, load->tmpdir, sizeof(loader->tmpdir));
        loader->options = (struct engine_options){
                .max_file_size = load->max_file_size,
                .max_scan_size = load->max_scan_size,
                .max_files = load->max_files,
                .max_recursion = load->max_recursion,
                .max_scan_msec = load->max_scan_msec,
                .rules = { .limits = (enum content_rule)load->limits,
                           .encrypted = (enum content_rule)load->encrypted,
                           .broken = (enum content_rule)load->broken },
                .pua = load->pua,
                .phishing = load->phishing,
        };
        proto_init(&reply, PROTO_LOADED);
        l.loaded = &reply.loaded;

        r = load_all(&l);
        if (l.spool.dir) {
                char name[SPOOL_NAME_MAX];

                spool_close(&l.spool);
                spool_name(name, "l", 0, getpid());
                (void)spool_remove(loader->tmpdir, name);
        }
        if (r < 0) {
                proto_init(&reply, PROTO_REFUSED);
                proto_text(reply.refused.text, sizeof(reply.refused.text), l.refusal);
        } else {
                loader->address_space = sandbox_address_space();
                reply.loaded.database_version = engine_database_version(loader->engine);
                reply.loaded.load_usec = now_usec() - started;
                proto_text(reply.loaded.engine, sizeof(reply.loaded.engine), engine_name());
        }
        return MIN(proto_send(loader->control, &reply, -EBADF, -EBADF), r);
}

/* ---- Children ---- */

static void spawn(struct loader *loader, unsigned worker, int channel, int slot) {
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
        pid = fork();
        if (pid < 0) {
                fprintf(stderr, "storescan-worker: failed to make a worker: %m.\n");
                return;
        }
        spool_name(child->folder, "w", worker, pid > 0 ? pid : getpid());
        if (pid == 0) {
                const struct serve_setup setup = {
                        .engine = loader->engine,
                        .canary = loader->canary,
                        .options = &loader->options,
                        .tmpdir = loader->tmpdir,
                        .folder = child->folder,
                        .address_space = loader->address_space,
                        .loader = self,
                };

                serve(&setup, channel, slot);
        }
        child->pid = pid;
}

static void bury(struct loader *loader, pid_t pid, int status) {
        for (size_t i = 0; i < ELEMENTSOF(loader->children); i++) {
                struct child *child = &loader->children[i];
                int r;

                if (child->pid != pid)
                        continue;
                if (WIFSIGNALED(status))
                        fprintf(stderr, "storescan-worker %s: it was ended by SIG%s%s.\n",
                                child->folder, sigabbrev_np(WTERMSIG(status)),
                                WTERMSIG(status) == SIGSYS ? ", a system call that it may not use"
                                                           : "");
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
        _cleanup_close_ int channel = -EBADF, slot = -EBADF;
        union proto_message message;
        int fds[2] = { -EBADF, -EBADF }, r;

        r = proto_receive(loader->control, &message, fds);
        if (r == -ECONNRESET)
                return 0;
        if (r <= 0)
                return r;
        channel = fds[0];
        slot = fds[1];
        if (r != PROTO_SPAWN || channel < 0 || slot < 0)
                return -EBADMSG;
        spawn(loader, message.spawn.worker, channel, slot);
        return 1;
}

static int serve_until_closed(struct loader *loader) {
        struct pollfd fds[] = {
                { .fd = loader->control, .events = POLLIN },
                { .fd = loader->signals, .events = POLLIN },
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
                if (fds[0].revents) {
                        r = serve_gate(loader);
                        if (r <= 0)
                                return r;
                }
        }
}

static int receive_load(struct loader *loader, union proto_message *ret, int *ret_database) {
        int fds[2] = { -EBADF, -EBADF }, r;

        r = proto_receive(loader->control, ret, fds);
        if (r > 0 && r != PROTO_LOAD) {
                close_fd(fds[0]);
                close_fd(fds[1]);
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
                if (r < 0)
                        return EXIT_FAILURE; /* said already, unless the gate is gone */
                database = close_fd(database);

                (void)sigemptyset(&signals);
                (void)sigaddset(&signals, SIGCHLD);
                (void)sigprocmask(SIG_BLOCK, &signals, NULL);
                loader.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
                r = loader.signals < 0 ? -errno : serve_until_closed(&loader);
        }
        if (r < 0)
                fprintf(stderr, "storescan-worker: the talk with storescand failed: %s.\n",
                        strerror(-r));

        for (size_t i = 0; i < ELEMENTSOF(loader.children); i++)
                if (loader.children[i].pid > 0)
                        (void)kill(loader.children[i].pid, SIGKILL);
        reap(&loader, 0);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
