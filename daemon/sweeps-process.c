/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the process that sweeps a store, its socket, its board. The child gives up everything but the
 * right to read before it executes storescan-sweep. Must not trust what it says (sweep_message_check).
 */

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/autogroup.h"
#include "daemon/sweeps-private.h"

#define STATUS_SHUT_OUT 123 /* of the child before it is storescan-sweep */

struct sweep_process {
        struct ring *ring;
        struct sweep *sweep; /* NULL: nobody wants to hear of it any more */
        int sock;
        struct sweep_board *board;
        bool reaped, silent; /* it ended when both are so */
        struct ring_op receive_op;
        bool receiving;
        struct sweep_message message;
};

/* ---- The process ---- */

/* Nothing but CAP_DAC_READ_SEARCH, if it is there; over a change of user and an exec. */
static int keep_one_capability(const struct sweeps *sweeps) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {}, one[2] = {};

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        one[0].permitted = data[0].permitted & 1U << CAP_DAC_READ_SEARCH;
        one[0].effective = one[0].inheritable = one[0].permitted;
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
            (!sweeps->own_user &&
             (syscall(SYS_setgroups, 0, NULL) < 0 ||
              syscall(SYS_setresgid, sweeps->gid, sweeps->gid, sweeps->gid) < 0 ||
              syscall(SYS_setresuid, sweeps->uid, sweeps->uid, sweeps->uid) < 0)) ||
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
            syscall(SYS_capset, &header, one) < 0)
                return -errno;
        if (one[0].permitted &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) < 0)
                return -errno;
        return 0;
}

/* Between fork and exec. The gate has threads (journal, marker), so only system calls here. */
static _Noreturn void child(const struct sweep *sweep, int sock, int board) {
        static char name[] = "storescan-sweep";
        char *argv[] = { name, NULL }, *envp[] = { NULL };
        int fds[] = {
                sock,
                open(sweep->store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                open(sweep->state_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600),
                board,
                sweep->sweeps->program_fd,
        };
        const struct rlimit no_core = {}, files = { 1024, 1024 };
        sigset_t none;
        int autogroup;

        /* Signals to our process group (Ctrl-C) are for the gate. */
        (void)setsid();
        /* Behind everybody: with the gate's privileges still, which may do so as often as it likes. */
        autogroup = autogroup_open(0);
        autogroup_step_back(autogroup, true);
        close_fd(autogroup);
        /* Out of the way of the numbers that they go to. */
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
                if (fds[i] < 0)
                        _exit(STATUS_SHUT_OUT);
        }
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                if (dup3(fds[i], SWEEP_SOCK_FD + (int)i,
                         SWEEP_SOCK_FD + (int)i == SWEEP_PROGRAM_FD ? O_CLOEXEC : 0) < 0)
                        _exit(124);
        if (close_range(SWEEP_PROGRAM_FD + 1, ~0U, 0) < 0)
                _exit(124);
        if (keep_one_capability(sweep->sweeps) < 0)
                _exit(125);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                _exit(126);
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)setrlimit(RLIMIT_NOFILE, &files);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGPIPE, SIG_DFL);
        (void)signal(SIGIO, SIG_DFL);
        (void)syscall(SYS_execveat, SWEEP_PROGRAM_FD, "", argv, envp, AT_EMPTY_PATH);
        _exit(127);
}

static void process_free(struct sweep_process *process) {
        if (process->board)
                (void)munmap(process->board, sizeof(*process->board));
        close_fd(process->sock);
        free(process);
}

/* ---- What it says ---- */

static void ended_if_both(struct sweep_process *process) {
        struct sweep *sweep = process->sweep;

        if (!process->reaped || !process->silent)
                return;
        process_free(process);
        sweep->process = NULL;
        sweep_process_ended(sweep);
}

static void receive(struct sweep_process *process) {
        struct io_uring_sqe *sqe = ring_entry(process->ring);

        io_uring_prep_recv(sqe, process->sock, &process->message, sizeof(process->message), 0);
        ring_bind(sqe, &process->receive_op);
        process->receiving = true;
}

static void received(struct ring_op *op, int res) {
        struct sweep_process *process = container_of(op, struct sweep_process, receive_op);

        process->receiving = false;
        if (!process->sweep) {
                process_free(process);
                return;
        }
        if (res > 0 && sweep_message_check(&process->message, (size_t)res, false)) {
                process->sweep->begun = true;
                sweep_process_told(process->sweep, &process->message);
                receive(process);
                return;
        }
        if (res == -EINTR || res == -EAGAIN) {
                receive(process);
                return;
        }
        /* Its end, or nonsense. */
        process->silent = true;
        sweep_process_kill(process->sweep);
        ended_if_both(process);
}

void sweep_process_reaped(struct sweep *sweep, int status) {
        sweep->shut_out = WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SHUT_OUT;
        sweep->noted = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
        sweep->pid = 0;
        sweep->pidfd = close_fd(sweep->pidfd);
        sweep->sweeps->n_processes--;
        if (!sweep->process)
                return;
        sweep->process->reaped = true;
        ended_if_both(sweep->process);
}

/* ---- What is said to it ---- */

/* Paths of the stores that lie in this one, as far as there is room; what is left out is swept twice. */
static void list_nested(const struct sweep *sweep, char ret[static SWEEP_NESTED_MAX]) {
        const struct config *config = sweep->sweeps->config;
        size_t n = 0;

        for (size_t i = 0; i < config->n_stores; i++) {
                const char *rest = startswith(config->stores[i].path, sweep->store->path);

                if (!rest || *rest != '/' || n + strlen(rest) + 1 > SWEEP_NESTED_MAX)
                        continue;
                (void)strcpy(ret + n, rest + 1);
                n += strlen(rest);
        }
}

static int say_begin(const struct sweep *sweep, int sock, bool anew) {
        const struct generation *generation = pool_generation(sweep->sweeps->pool);
        _cleanup_free_ struct sweep_message *m = calloc(1, sizeof(*m));
        const struct config_sweep *o = &sweep->options;

        if (!m)
                return -ENOMEM;
        if (!generation)
                return -EAGAIN;
        m->kind = SWEEP_BEGIN;
        m->begin.generation = *generation;
        m->begin.anew = anew;
        m->begin.all = !o->only_unstamped;
        m->begin.strict = sweep->strict;
        m->begin.format = sweep->store->format;
        m->begin.openers = sweep->sweeps->openers;
        m->begin.rate = o->rate;
        m->begin.max_pressure = o->max_pressure;
        m->begin.max_load = o->max_load;
        m->begin.window = o->window;
        m->begin.received_within_usec = o->received_within_usec;
        memccpy(m->begin.name, strrchr(sweep->store->path, '/') + 1, '\0',
                sizeof(m->begin.name) - 1);
        list_nested(sweep, m->begin.nested);
        return send(sock, m, sizeof(*m), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

void sweep_process_say(struct sweep *sweep, enum sweep_message_kind kind,
                       const struct generation *generation) {
        struct sweep_message m = { .kind = kind };

        if (!sweep->process)
                return;
        if (generation)
                m.generation = *generation;
        /* One that hears nothing any more is of no use. */
        if (send(sweep->process->sock, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                sweep_process_kill(sweep);
}

void sweep_process_note(struct sweep *sweep, dev_t dev, ino_t ino, uint32_t outcome) {
        struct sweep_board *board = sweep->process ? sweep->process->board : NULL;

        for (size_t i = 0; board && i < SWEEP_OPENERS_MAX; i++) {
                struct sweep_slot *slot = &board->slots[i];
                uint32_t awaited = SWEEP_OUTCOME_AWAITED;

                if (atomic_load(&slot->ino) == ino && atomic_load(&slot->dev) == dev)
                        (void)atomic_compare_exchange_strong(&slot->outcome, &awaited, outcome);
        }
}

/* ---- Start and end ---- */

int sweep_process_start(struct sweep *sweep, bool anew) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF, board = -EBADF;
        struct sweep_process *process;
        int pair[2], r;

        if (sweep->pid != 0)
                return -EALREADY; /* the one before is not through yet */
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        r = say_begin(sweep, ours, anew);
        if (r < 0)
                return r;
        process = calloc(1, sizeof(*process));
        if (!process)
                return -ENOMEM;
        *process = (struct sweep_process){
                .ring = sweep->sweeps->ring,
                .sweep = sweep,
                .sock = TAKE_FD(ours),
                .receive_op.done = received,
        };
        /* Sealed: memory that is cut off is a SIGBUS to whoever maps it. */
        board = memfd_create("storescan-sweep", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (board < 0 || ftruncate(board, sizeof(*process->board)) < 0 ||
            fcntl(board, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
                r = -errno;
                process_free(process);
                return r;
        }
        process->board =
                mmap(NULL, sizeof(*process->board), PROT_READ | PROT_WRITE, MAP_SHARED, board, 0);
        if (process->board == MAP_FAILED) {
                r = -errno;
                process->board = NULL;
                process_free(process);
                return r;
        }
        sweep->pid = fork();
        if (sweep->pid == 0)
                child(sweep, theirs, board);
        if (sweep->pid < 0) {
                r = -errno;
                sweep->pid = 0;
                process_free(process);
                return r;
        }
        sweep->pidfd = (int)syscall(SYS_pidfd_open, sweep->pid, 0);
        sweep->sweeps->n_processes++;
        sweep->process = process;
        sweep->begun = false;
        receive(process);
        return 0;
}

void sweep_process_end(struct sweep *sweep) {
        if (sweep->process)
                (void)shutdown(sweep->process->sock, SHUT_WR);
}

void sweep_process_kill(struct sweep *sweep) {
        if (sweep->pidfd >= 0)
                (void)syscall(SYS_pidfd_send_signal, sweep->pidfd, SIGKILL, NULL, 0);
}

void sweep_process_abandon(struct sweep *sweep) {
        struct sweep_process *process = TAKE_PTR(sweep->process);

        if (!sweep->stopping)
                sweep_process_kill(sweep);
        sweep->pidfd = close_fd(sweep->pidfd);
        if (sweep->pid > 0)
                sweep->sweeps->n_processes--;
        sweep->pid = 0;
        if (!process)
                return;
        process->sweep = NULL;
        (void)shutdown(process->sock, SHUT_RDWR);
        if (!process->receiving)
                process_free(process);
}
