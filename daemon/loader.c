/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the loader process, its control socket. The child drops everything that the gate can do
 * before it executes storescan-worker: user, groups, capabilities, fds, environment. Must not trust
 * what the loader says (proto_check) nor its pids.
 */

#include "daemon/loader.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/autogroup.h"
#include "daemon/child.h"
#include "daemon/lasting.h"
#include "daemon/program.h"

#define WORKER_PROGRAM "storescan-worker"

struct loader {
        struct ring *ring;
        loader_message_fn on_message;
        loader_end_fn on_end;
        void *userdata;
        pid_t pid;
        int pidfd; /* the number may be somebody else's once the process was reaped */
        int sock;
        int autogroup; /* of its session, which the workers are in; or negative */
        struct ring_op receive_op;
        bool receiving, freed;
        union proto_message message;
};

/* ---- What is needed ---- */

static int prepare_tmpdir(const char *path, uid_t uid, gid_t gid, FILE *errors) {
        char parent[PATH_MAX], *slash;
        struct stat st;
        int r;

        /* One missing parent is made as well: /run/storescan when no unit made it. */
        snprintf(parent, sizeof(parent), "%s", path);
        slash = strrchr(parent, '/');
        if (slash && slash != parent) {
                *slash = '\0';
                (void)mkdir(parent, 0755);
        }
        if (mkdir(path, 0700) < 0 && errno != EEXIST) {
                r = -errno;
                fprintf(errors,
                        "[scanner] tmpdir: failed to make %s: %s; name a folder on a tmpfs.\n",
                        path, strerror(-r));
                return r;
        }
        if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
                fprintf(errors, "[scanner] tmpdir: %s is not a folder; name a folder on a tmpfs.\n",
                        path);
                return -ENOTDIR;
        }
        /* Private first: once it is given away, only its owner may change that. */
        if ((st.st_mode & 07777) != 0700 && chmod(path, 0700) < 0) {
                r = -errno;
                fprintf(errors, "[scanner] tmpdir: failed to make %s private: %s.\n", path,
                        strerror(-r));
                return r;
        }
        if ((st.st_uid != uid || st.st_gid != gid) && lchown(path, uid, gid) < 0) {
                r = -errno;
                fprintf(errors, "[scanner] tmpdir: failed to give %s to the worker's user: %s.\n",
                        path, strerror(-r));
                return r;
        }
        return 0;
}

int loader_settings_find(const struct config *config, FILE *errors, struct loader_settings *ret) {
        const struct passwd *pw;
        struct loader_settings settings = { .config = config, .own_user = !config->user };
        int r;

        if (settings.own_user) {
                settings.uid = geteuid();
                settings.gid = getegid();
                r = prepare_tmpdir(config->tmpdir, settings.uid, settings.gid, errors);
                if (r < 0)
                        return r;
                settings.program_fd =
                        program_open(WORKER_PROGRAM, "worker", "STORESCAN_WORKER", errors);
                if (settings.program_fd < 0)
                        return settings.program_fd;
                *ret = settings;
                return 0;
        }
        errno = 0;
        pw = getpwnam(config->user);
        if (!pw && errno != 0 && !is_lasting(-errno)) {
                r = -errno;
                fprintf(errors, "[scanner] user: '%s' can't be looked up: %s.\n", config->user,
                        error_text(-r));
                return r;
        }
        if (!pw) {
                fprintf(errors,
                        "[scanner] user: there is no user '%s'; create it (systemd-sysusers "
                        "does, from storescan's sysusers.d file) or name another "
                        "unprivileged one.\n",
                        config->user);
                return -ENOENT;
        }
        if (pw->pw_uid == 0) {
                fprintf(errors,
                        "[scanner] user: workers parse hostile mail and do not run as root; "
                        "name an unprivileged user.\n");
                return -EINVAL;
        }
        settings.uid = pw->pw_uid;
        settings.gid = pw->pw_gid;

        r = prepare_tmpdir(config->tmpdir, settings.uid, settings.gid, errors);
        if (r < 0)
                return r;
        settings.program_fd = program_open(WORKER_PROGRAM, "worker", "STORESCAN_WORKER", errors);
        if (settings.program_fd < 0)
                return settings.program_fd;
        *ret = settings;
        return 0;
}

/* ---- The process ---- */

static int drop_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[2] = {};

        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

/* The gate is kept from the kernel's memory killer; what parses mail bombs should be its first
 * choice. Done as ourselves: /proc files of a process that changed its user are root's. */
static void offer_to_oom_killer(void) {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd >= 0)
                (void)!write(fd, "500", 3);
        close_fd(fd);
}

/* Between fork and exec. The gate has threads (journal, marker), so only system calls here. */
static _Noreturn void child(const struct loader_settings *settings, int sock, int program) {
        static char name[] = WORKER_PROGRAM;
        char *argv[] = { name, NULL }, *envp[] = { NULL };
        const struct rlimit no_core = {}, usual_nice = { 20, 20 };
        sigset_t none;
        char byte;

        /* Signals to our process group (Ctrl-C) are for the gate, which ends the workers in order. */
        (void)setsid();
        /* Both fds out of the way of the numbers they go to; the child's end of the socket first. */
        sock = fcntl(sock, F_DUPFD_CLOEXEC, 10);
        program = fcntl(program, F_DUPFD_CLOEXEC, 10);
        if (sock < 0 || program < 0 || dup2(sock, CHILD_FD) < 0 ||
            dup3(program, CHILD_FD + 1, O_CLOEXEC) < 0 || close_range(CHILD_FD + 2, ~0U, 0) < 0)
                _exit(124);

        /* The first message: the gate has opened by then what it can't open of another user's process. */
        (void)recv(CHILD_FD, &byte, sizeof(byte), MSG_PEEK);
        offer_to_oom_killer();
        /* A loader that works in the background is to come back to the usual priority. */
        (void)setrlimit(RLIMIT_NICE, &usual_nice);

        /* Without privileges nobody can become another user: the sandbox alone confines workers. */
        if (!settings->own_user &&
            (syscall(SYS_setgroups, 0, NULL) < 0 ||
             syscall(SYS_setresgid, settings->gid, settings->gid, settings->gid) < 0 ||
             syscall(SYS_setresuid, settings->uid, settings->uid, settings->uid) < 0))
                _exit(125);
        if (drop_capabilities() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                _exit(126);
        (void)setrlimit(RLIMIT_CORE, &no_core);
        /* A worker that wakes up does not push aside the gate, which has other openers to answer. */
        (void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 });
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGPIPE, SIG_DFL);
        (void)signal(SIGIO, SIG_DFL);
        (void)syscall(SYS_execveat, CHILD_FD + 1, "", argv, envp, AT_EMPTY_PATH);
        _exit(127);
}

static void put_notice(struct proto_load *load, const struct config *config) {
        char host[PROTO_HOST_MAX] = "";

        memccpy(load->notice, config->notice_text, '\0', sizeof(load->notice) - 1);
        if (gethostname(host, sizeof(host) - 1) == 0)
                proto_text(load->host, sizeof(load->host), host);
}

static int send_load(struct loader *loader, const struct config *config,
                     const struct loader_request *request) {
        _cleanup_close_ int opened = -EBADF;
        int database = request ? request->database : -EBADF;
        _cleanup_free_ union proto_message *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        if (database < 0)
                database = opened = open(config_signatures(config), O_PATH | O_CLOEXEC);
        if (database < 0)
                return -errno;

        proto_init(m, PROTO_LOAD);
        memccpy(m->load.database, config_signatures(config), '\0', sizeof(m->load.database) - 1);
        m->load.engine = (uint8_t)config->engine;
        m->load.fallback = (uint8_t)config->clamd_fallback;
        proto_text(m->load.clamd, sizeof(m->load.clamd), config->clamd);
        memccpy(m->load.tmpdir, config->tmpdir, '\0', sizeof(m->load.tmpdir) - 1);
        m->load.max_file_size = config->max_file_size;
        m->load.max_scan_size = config->max_scan_size;
        m->load.max_files = config->max_files;
        m->load.max_recursion = config->max_recursion;
        /* libclamav polls its own limit, so give it the chance to say so before it is killed. */
        m->load.max_scan_msec =
                (uint32_t)MIN(config->worker_timeout_usec / 1000 * 9 / 10, (uint64_t)UINT32_MAX);
        m->load.limits = (uint8_t)config->limits;
        m->load.encrypted = (uint8_t)config->encrypted;
        m->load.broken = (uint8_t)config->broken;
        if (!streq(config->hub.attachment_names, "none"))
                proto_text(m->load.attachment_names, sizeof(m->load.attachment_names),
                           config->hub.attachment_names);
        if (!streq(config->hub.attachment_types, "none"))
                proto_text(m->load.attachment_types, sizeof(m->load.attachment_types),
                           config->hub.attachment_types);
        m->load.pua = config->pua;
        m->load.phishing = config->phishing;
        put_notice(&m->load, config);
        if (!streq(config->allowed_signatures, "none"))
                proto_text(m->load.allowed, sizeof(m->load.allowed), config->allowed_signatures);
        if (request) {
                m->load.background = 1;
                m->load.only_compare = request->only_compare;
        }
        if (request && request->running) {
                m->load.has_running = 1;
                m->load.running = *request->running;
        }
        return proto_send(loader->sock, m, &database, 1);
}

static void receive(struct loader *loader) {
        struct io_uring_sqe *sqe = ring_entry(loader->ring);

        io_uring_prep_recv(sqe, loader->sock, &loader->message, sizeof(loader->message), 0);
        ring_bind(sqe, &loader->receive_op);
        loader->receiving = true;
}

static void received(struct ring_op *op, int res) {
        struct loader *loader = container_of(op, struct loader, receive_op);
        int kind;

        loader->receiving = false;
        if (loader->freed) {
                close_fd(loader->sock);
                free(loader);
                return;
        }
        if (res == -EINTR || res == -EAGAIN) {
                receive(loader);
                return;
        }
        kind = res > 0 ? proto_check(&loader->message, (size_t)res) : -EBADMSG;
        if (kind != PROTO_LOADED && kind != PROTO_REFUSED && kind != PROTO_COMPARED &&
            kind != PROTO_ENDED && kind != PROTO_SERVERS) {
                /* Its end, or nonsense: either way the engine can't be relied on. */
                loader->on_end(loader->userdata);
                return;
        }
        receive(loader);
        loader->on_message(loader->userdata, &loader->message);
}

int loader_new(struct ring *ring, const struct loader_settings *settings,
               const struct loader_request *request, loader_message_fn on_message,
               loader_end_fn on_end, void *userdata, struct loader **ret) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        struct loader *loader;
        int pair[2], r;

        loader = calloc(1, sizeof(*loader));
        if (!loader)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                free(loader);
                return -errno;
        }
        ours = pair[0];
        theirs = pair[1];
        *loader = (struct loader){
                .ring = ring,
                .on_message = on_message,
                .on_end = on_end,
                .userdata = userdata,
                .autogroup = -EBADF,
                .receive_op.done = received,
        };

        loader->pid = fork();
        if (loader->pid == 0)
                child(settings, theirs, settings->program_fd);
        if (loader->pid < 0) {
                r = -errno;
                free(loader);
                return r;
        }
        loader->sock = TAKE_FD(ours);
        loader->pidfd = (int)syscall(SYS_pidfd_open, loader->pid, 0);
        loader->autogroup = autogroup_open(loader->pid);
        r = loader->pidfd < 0 ? -errno : send_load(loader, settings->config, request);
        if (r < 0) {
                loader_free(loader);
                return r;
        }
        receive(loader);
        *ret = loader;
        return 0;
}

struct loader *loader_let_go(struct loader *loader) {
        if (!loader)
                return NULL;
        loader->pidfd = close_fd(loader->pidfd);
        loader->autogroup = close_fd(loader->autogroup);
        /* The receive under way, if any, ends by the shutdown and frees the object; it may not have been
         * submitted yet, and the number of its fd must not be another's then. */
        (void)shutdown(loader->sock, SHUT_RDWR);
        if (loader->receiving)
                loader->freed = true;
        else {
                close_fd(loader->sock);
                free(loader);
        }
        return NULL;
}

struct loader *loader_free(struct loader *loader) {
        /* Never waits: it is reaped at SIGCHLD. */
        if (loader)
                (void)syscall(SYS_pidfd_send_signal, loader->pidfd, SIGKILL, NULL, 0);
        return loader_let_go(loader);
}

pid_t loader_pid(const struct loader *loader) {
        return loader->pid;
}

void loader_step_back(struct loader *loader, bool back) {
        autogroup_step_back(loader->autogroup, back);
}

int loader_spawn(struct loader *loader, unsigned worker, uint32_t serial, int channel, int slot,
                 int cache) {
        const int fds[] = { channel, slot, cache };
        union proto_message m;

        proto_init(&m, PROTO_SPAWN);
        m.spawn.worker = worker;
        m.spawn.serial = serial;
        return proto_send(loader->sock, &m, fds, cache < 0 ? 2 : 3);
}
