/* SPDX-License-Identifier: Apache-2.0 */

/* The gate's half of the protocol, blocking and one step at a time. */

#include "tests/system/worker-gate.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/child.h"
#include "daemon/config.h"
#include "store/util.h"

uid_t gate_user(void) {
        return geteuid() == 0 ? 65534 : geteuid();
}

/* ---- The loader ---- */

static int hide_landlock(void) {
        scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
        int r = -ENOMEM;

        if (ctx)
                r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset),
                                     0);
        if (r == 0)
                r = seccomp_load(ctx);
        seccomp_release(ctx);
        return r;
}

static int drop_root(const struct gate_start *how) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct caps[2] = {};
        const unsigned one = 1U << CAP_NET_BIND_SERVICE;

        if (geteuid() != 0 || how->keep_root)
                return 0;
        if (how->keep_capabilities && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return -errno;
        if (syscall(SYS_setgroups, 0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
            setresuid(65534, 65534, 65534) < 0)
                return -errno;
        if (!how->keep_capabilities)
                return 0;
        caps[0] = (struct __user_cap_data_struct){ one, one, one };
        if (syscall(SYS_capset, &header, caps) < 0 ||
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) < 0)
                return -errno;
        return 0;
}

static _Noreturn void child(const struct gate_start *how, int program, int sock, int errors) {
        static char name[] = "storescan-worker";
        char *argv[] = { name, NULL }, *envp[] = { NULL };

        sock = fcntl(sock, F_DUPFD_CLOEXEC, 10);
        program = fcntl(program, F_DUPFD_CLOEXEC, 10);
        if (sock < 0 || program < 0 || dup2(errors, STDERR_FILENO) < 0 ||
            dup2(sock, CHILD_FD) < 0 || drop_root(how) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || (how->no_landlock && hide_landlock() < 0))
                _exit(126);
        (void)syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
        _exit(127);
}

int gate_start(struct gate *gate, const struct gate_start *how) {
        _cleanup_close_ int errors = -EBADF, program = -EBADF;
        int pair[2];
        pid_t pid;

        program = open(how->program, O_PATH | O_CLOEXEC);
        if (program < 0)
                return -errno;
        errors = memfd_create("errors", MFD_CLOEXEC);
        if (errors < 0 || fcntl(errors, F_SETFL, O_APPEND) < 0)
                return -errno;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        pid = fork();
        if (pid == 0)
                child(how, program, pair[1], errors);
        close_fd(pair[1]);
        if (pid < 0) {
                close_fd(pair[0]);
                return -errno;
        }
        *gate = (struct gate){ .loader = pid, .control = pair[0], .errors = TAKE_FD(errors) };
        return 0;
}

static int wait_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r = poll(&p, 1, GATE_WAIT_MSEC);

        return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

void gate_load_init(union proto_message *load, const char *database, const char *tmpdir) {
        proto_init(load, PROTO_LOAD);
        (void)snprintf(load->load.database, sizeof(load->load.database), "%s", database);
        (void)snprintf(load->load.tmpdir, sizeof(load->load.tmpdir), "%s", tmpdir);
        load->load.max_file_size = UINT64_C(100) << 20;
        load->load.max_scan_size = UINT64_C(400) << 20;
        load->load.max_files = 10000;
        load->load.max_recursion = 17;
        load->load.max_scan_msec = 54000;
        load->load.limits = CONTENT_UNSCANNABLE;
        load->load.encrypted = CONTENT_UNSCANNABLE;
        load->load.broken = CONTENT_UNSCANNABLE;
        (void)snprintf(load->load.notice, sizeof(load->load.notice), "%s", GATE_NOTICE);
        (void)snprintf(load->load.host, sizeof(load->load.host), "mail.example.org");
}

int gate_load(struct gate *gate, const union proto_message *load, union proto_message *ret) {
        _cleanup_close_ int database = open(load->load.database, O_PATH | O_CLOEXEC);
        int fds[PROTO_FDS_MAX], r;

        if (database < 0)
                return -errno;
        r = proto_send(gate->control, load, &database, 1);
        if (r == 0)
                r = wait_readable(gate->control);
        if (r == 0) {
                r = proto_receive(gate->control, ret, fds);
                if (r == 0)
                        r = -EPIPE;
        }
        return r;
}

int gate_wait_exit(struct gate *gate) {
        struct pollfd p = { .events = POLLIN };
        int status = 0;

        p.fd = (int)syscall(SYS_pidfd_open, gate->loader, 0);
        if (p.fd >= 0) {
                (void)poll(&p, 1, GATE_WAIT_MSEC);
                close_fd(p.fd);
        }
        if (waitpid(gate->loader, &status, WNOHANG) <= 0) {
                (void)kill(gate->loader, SIGKILL);
                (void)waitpid(gate->loader, NULL, 0);
                return -ETIMEDOUT;
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int gate_stop(struct gate *gate) {
        gate->control = close_fd(gate->control);
        return gate_wait_exit(gate);
}

char *gate_errors(struct gate *gate) {
        struct stat st;
        char *text;
        ssize_t n;

        if (fstat(gate->errors, &st) < 0)
                return NULL;
        text = calloc(1, (size_t)st.st_size + 1);
        if (!text)
                return NULL;
        n = pread(gate->errors, text, (size_t)st.st_size, 0);
        text[MAX(n, 0)] = '\0';
        return text;
}

/* ---- Workers ---- */

/* The HELLO, and who sent it by the kernel's word. */
static int receive_hello(int channel, pid_t *ret) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(struct ucred))];
        } control = {};
        union proto_message message;
        struct iovec iov = { .iov_base = &message, .iov_len = sizeof(message) };
        struct msghdr mh = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.buf,
                .msg_controllen = sizeof(control.buf),
        };
        struct ucred *who;
        ssize_t n;
        int r;

        r = wait_readable(channel);
        if (r < 0)
                return r;
        n = recvmsg(channel, &mh, 0);
        if (n <= 0)
                return n < 0 ? -errno : -EPIPE;
        if (proto_check(&message, (size_t)n) != PROTO_HELLO || !CMSG_FIRSTHDR(&mh) ||
            CMSG_FIRSTHDR(&mh)->cmsg_type != SCM_CREDENTIALS)
                return -EBADMSG;
        who = (struct ucred *)(void *)CMSG_DATA(CMSG_FIRSTHDR(&mh));
        *ret = who->pid;
        return 0;
}

int gate_spawn(struct gate *gate, unsigned number, struct gate_worker *ret) {
        struct gate_worker worker = { .channel = -EBADF, .slot_fd = -EBADF };
        union proto_message spawn;
        int pair[2], r, one = 1;
        void *p;

        worker.slot_fd = memfd_create("slot", MFD_CLOEXEC);
        if (worker.slot_fd < 0 || ftruncate(worker.slot_fd, PROTO_SLOT_SIZE) < 0)
                return -errno;
        p = mmap(NULL, PROTO_SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, worker.slot_fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        worker.slot = p;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        worker.channel = pair[0];
        if (setsockopt(worker.channel, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
                return -errno;
        proto_init(&spawn, PROTO_SPAWN);
        spawn.spawn.worker = number;
        r = proto_send(gate->control, &spawn, (int[]){ pair[1], worker.slot_fd, gate->cache },
                       gate->cache > 0 ? 3 : 2);
        close_fd(pair[1]);
        if (r == 0)
                r = receive_hello(worker.channel, &worker.pid);
        if (r < 0) {
                gate_worker_free(&worker);
                return r;
        }
        one = 0;
        (void)setsockopt(worker.channel, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
        *ret = worker;
        return 0;
}

void gate_worker_free(struct gate_worker *worker) {
        if (worker->slot)
                (void)munmap(worker->slot, PROTO_SLOT_SIZE);
        worker->slot = NULL;
        worker->channel = close_fd(worker->channel);
        worker->slot_fd = close_fd(worker->slot_fd);
}

int gate_submit(struct gate_worker *worker, const struct gate_job *job) {
        union proto_message message;

        if (job->data && job->size > PROTO_BAY_SIZE)
                return -EFBIG;
        proto_init(&message, PROTO_JOB);
        message.job.id = ++worker->last_id;
        message.job.size = job->size;
        message.job.form = (uint8_t)job->form;
        message.job.use_cache = job->use_cache;
        message.job.use_hub = job->use_hub;
        message.job.many = job->many;
        message.job.from = job->from;
        message.job.wanted = job->wanted;
        message.job.to = job->to;
        message.job.n_distrusted = job->distrusted > 0;
        message.job.distrusted[0] = job->distrusted;
        if (job->known) {
                message.job.has_known = 1;
                memcpy(message.job.known, job->known, sizeof(message.job.known));
        }
        if (job->data)
                memcpy(worker->slot, job->data, job->size);
        else
                message.job.has_fd = 1;
        message.job.plan = job->plan;
        message.job.detached = job->detached;
        return proto_send(worker->channel, &message, (int[]){ job->fd, job->planned_fd },
                          job->data   ? 0
                          : job->plan ? 2
                                      : 1);
}

int gate_wait(struct gate_worker *worker, union proto_message *ret) {
        int fds[PROTO_FDS_MAX], r;

        r = wait_readable(worker->channel);
        if (r < 0)
                return r;
        r = proto_receive(worker->channel, ret, fds);
        if (r == 0)
                return -EPIPE;
        return r < 0 ? r : r == PROTO_RESULT && ret->result.id == worker->last_id ? 0 : -EBADMSG;
}

int gate_scan(struct gate_worker *worker, const struct gate_job *job, struct proto_result *ret) {
        union proto_message message;
        int r;

        r = gate_submit(worker, job);
        if (r == 0)
                r = gate_wait(worker, &message);
        if (r == 0)
                *ret = message.result;
        return r;
}

int gate_plan(struct gate_worker *worker, const struct gate_job *job, struct proto_plan *ret_plan,
              struct proto_result *ret) {
        union proto_message message;
        int fds[PROTO_FDS_MAX], r;

        r = gate_submit(worker, job);
        if (r == 0)
                r = wait_readable(worker->channel);
        if (r < 0)
                return r;
        r = proto_receive(worker->channel, &message, fds);
        if (r <= 0)
                return r < 0 ? r : -EPIPE;
        if (r != PROTO_PLAN || message.plan.id != worker->last_id)
                return -EBADMSG;
        *ret_plan = message.plan;
        r = gate_wait(worker, &message);
        if (r == 0)
                *ret = message.result;
        return r;
}

static int walk_add(struct gate_walk *walk, const struct proto_span *span, uint64_t *at) {
        struct gate_item *items = reallocarray(walk->items, walk->n + 1, sizeof(*items));

        if (!items)
                return -ENOMEM;
        walk->items = items;
        items[walk->n++] = (struct gate_item){ .span = *span, .message = walk->n_messages };
        if (span->offset != *at)
                return -EBADMSG;
        *at += span->size;
        return 0;
}

static int walk_step(struct gate_walk *walk, const union proto_message *m, int kind, uint64_t *at) {
        int r = 0;

        if (kind == PROTO_ITEMS)
                for (size_t i = 0; i < m->items.n && r == 0; i++)
                        r = walk_add(walk, &m->items.spans[i], at);
        else if (kind == PROTO_ITEM) {
                struct gate_item *last;

                r = walk_add(walk, &m->item.span, at);
                if (r == -ENOMEM)
                        return r;
                last = &walk->items[walk->n - 1];
                memcpy(last->signature, m->item.signature, sizeof(last->signature));
                last->context = m->item.context;
                last->hub = m->item.hub;
        } else
                r = -EBADMSG;
        walk->n_messages++;
        return r;
}

int gate_walk(struct gate_worker *worker, const struct gate_job *job,
              void (*step)(void *userdata, const struct gate_walk *walk), void *userdata,
              struct gate_walk *ret) {
        uint64_t at = job->from;
        int r;

        *ret = (struct gate_walk){};
        r = gate_submit(worker, job);
        while (r == 0) {
                union proto_message message;
                int fds[PROTO_FDS_MAX], kind;

                r = wait_readable(worker->channel);
                if (r < 0)
                        break;
                kind = proto_receive(worker->channel, &message, fds);
                if (kind <= 0)
                        return kind < 0 ? kind : -EPIPE;
                if (message.items.id != worker->last_id)
                        return -EBADMSG;
                if (kind == PROTO_RESULT) {
                        ret->result = message.result;
                        break;
                }
                r = walk_step(ret, &message, kind, &at);
                if (step)
                        step(userdata, ret);
                if (kind == PROTO_ITEMS && message.items.through) {
                        ret->result.verdict = VERDICT_CLEAN;
                        break;
                }
        }
        return r;
}

void gate_walk_free(struct gate_walk *walk) {
        free(walk->items);
        *walk = (struct gate_walk){};
}

int gate_wait_end(struct gate_worker *worker) {
        union proto_message message;
        int fds[PROTO_FDS_MAX], r;

        for (;;) {
                r = wait_readable(worker->channel);
                if (r < 0)
                        return r;
                r = proto_receive(worker->channel, &message, fds);
                if (r == 0 || r == -ECONNRESET)
                        return 0;
                if (r < 0)
                        return r;
        }
}

int gate_until(bool (*condition)(void *userdata), void *userdata) {
        for (unsigned i = 0; i < GATE_WAIT_MSEC; i++) {
                if (condition(userdata))
                        return 0;
                (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        return -ETIMEDOUT;
}
