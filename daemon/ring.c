/* SPDX-License-Identifier: Apache-2.0 */

/*
 * liburing set-up, submission and dispatch. Owns the rings; must not own any file, buffer or
 * operation.
 *
 * Flags by kernel: DEFER_TASKRUN (6.1) and SINGLE_ISSUER (6.0) keep completions on the gate thread
 * and spare interrupts of it; where one is refused the ring is set up without.
 */

#include "daemon/ring.h"

#include <sys/syscall.h>

#define RING_ENTRIES 512
/* The kernel's, for what may wait in a file system; by default four a CPU, which one that is frozen has soon
 * used up, for the others too. They are made when they are needed. */
#define WORKERS_MAX 256
/* What is wanted together is not waited for longer than this. */
#define PATIENCE_USEC (3 * USEC_PER_MSEC)

struct ring {
        struct io_uring uring;
};

/* What the gate asks of the ring: restrictions and the admission check are both made from it. */
static const struct {
        uint8_t op;
        const char *name;
} ops[] = {
        { IORING_OP_READ, "READ" },
        { IORING_OP_RECV, "RECV" },
        { IORING_OP_RECVMSG, "RECVMSG" },
        { IORING_OP_SENDMSG, "SENDMSG" },
        { IORING_OP_FSETXATTR, "FSETXATTR" },
        { IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL" },
        { IORING_OP_CLOSE, "CLOSE" },
        { IORING_OP_POLL_ADD, "POLL_ADD" },
        { IORING_OP_SYNC_FILE_RANGE, "SYNC_FILE_RANGE" },
};

static void explain_setup(FILE *errors, int error) {
        _cleanup_(freep) char *line = NULL;
        FILE *f = fopen("/proc/sys/kernel/io_uring_disabled", "re");
        size_t size = 0;
        int disabled = 0;

        if (f) {
                if (getline(&line, &size, f) > 0)
                        disabled = line[0] - '0';
                fclose(f);
        }
        if (error == -EPERM && disabled > 0)
                fprintf(errors,
                        "io_uring is switched off by the sysctl kernel.io_uring_disabled = %d; set "
                        "it "
                        "to %s (sysctl -w, and in /etc/sysctl.d).\n",
                        disabled, disabled == 2 ? "0, or 1 with kernel.io_uring_group" : "0");
        else if (error == -EPERM || error == -EACCES)
                fprintf(errors,
                        "io_uring_setup(2) is refused, most likely by a seccomp filter; allow it "
                        "(in a "
                        "unit: SystemCallFilter=@io-event or @aio; in a container: its seccomp "
                        "profile).\n");
        else if (error == -ENOSYS)
                fprintf(errors, "This kernel has no io_uring (or a seccomp filter hides it); "
                                "storescand needs "
                                "Linux 6.1 with CONFIG_IO_URING=y.\n");
        else if (error == -ENOMEM)
                fprintf(errors, "No memory for io_uring; raise LimitMEMLOCK= (RLIMIT_MEMLOCK).\n");
        else
                fprintf(errors, "Failed to set up io_uring: %s.\n", strerror(-error));
}

static int check_ops(struct io_uring *uring, FILE *errors) {
        struct io_uring_probe *probe = io_uring_get_probe_ring(uring);
        int r = 0;

        if (!probe) {
                fprintf(errors,
                        "Failed to ask io_uring for its operations; storescand needs Linux 6.1.\n");
                return -EOPNOTSUPP;
        }
        for (size_t i = 0; i < ELEMENTSOF(ops); i++)
                if (!io_uring_opcode_supported(probe, ops[i].op)) {
                        fprintf(errors,
                                "This kernel's io_uring has no %s; storescand needs Linux 6.1.\n",
                                ops[i].name);
                        r = -EOPNOTSUPP;
                }
        io_uring_free_probe(probe);
        return r;
}

/* liburing 2.3's shared library does not export io_uring_register_restrictions() nor
 * io_uring_enable_rings(), although its header declares them. */
static int ring_register(struct io_uring *uring, unsigned opcode, const void *arg, unsigned n) {
        return syscall(SYS_io_uring_register, uring->ring_fd, opcode, arg, n) < 0 ? -errno : 0;
}

static int restrict_ops(struct io_uring *uring) {
        struct io_uring_restriction restrictions[ELEMENTSOF(ops) + 1] = {
                [ELEMENTSOF(ops)] = {
                        .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
                        .sqe_flags = IOSQE_ASYNC,
                },
        };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(ops); i++) {
                restrictions[i].opcode = IORING_RESTRICTION_SQE_OP;
                restrictions[i].sqe_op = ops[i].op;
        }
        r = ring_register(uring, IORING_REGISTER_RESTRICTIONS, restrictions,
                          ELEMENTSOF(restrictions));
        return r < 0 ? r : ring_register(uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

int ring_new(FILE *errors, struct ring **ret) {
        static const unsigned flags[] = {
                IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                IORING_SETUP_COOP_TASKRUN,
                0,
        };
        _cleanup_free_ struct ring *ring = calloc(1, sizeof(*ring));
        int r = -EINVAL;

        if (!ring)
                return -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(flags) && r == -EINVAL; i++)
                r = io_uring_queue_init(RING_ENTRIES, &ring->uring,
                                        flags[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP);
        if (r < 0) {
                explain_setup(errors, r);
                return r;
        }

        /* Where there is no room for so many, there are fewer. */
        (void)io_uring_register_iowq_max_workers(&ring->uring, (unsigned[]){ WORKERS_MAX, 0 });
        r = check_ops(&ring->uring, errors);
        if (r >= 0) {
                r = restrict_ops(&ring->uring);
                if (r < 0)
                        fprintf(errors, "Failed to restrict io_uring: %s.\n", strerror(-r));
        }
        if (r < 0) {
                io_uring_queue_exit(&ring->uring);
                return r;
        }
        *ret = TAKE_PTR(ring);
        return 0;
}

struct ring *ring_free(struct ring *ring) {
        if (!ring)
                return NULL;
        io_uring_queue_exit(&ring->uring);
        free(ring);
        return NULL;
}

struct io_uring_sqe *ring_entry(struct ring *ring) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

        /* The queue is full of entries that nobody submitted yet: do so now. The kernel may be short
         * of memory for a moment; an end of the gate would be worse than a pause. */
        while (!sqe) {
                (void)io_uring_submit(&ring->uring);
                sqe = io_uring_get_sqe(&ring->uring);
        }
        return sqe;
}

void ring_bind(struct io_uring_sqe *sqe, struct ring_op *op) {
        io_uring_sqe_set_data(sqe, op);
}

/* Submits and sleeps for n completions, at most so long. */
static int wait_for(struct ring *ring, unsigned n, uint64_t timeout_usec) {
        struct __kernel_timespec ts, *tsp = NULL;
        struct io_uring_cqe *cqe;
        int r;

        if (timeout_usec != USEC_INFINITY) {
                ts.tv_sec = (int64_t)(timeout_usec / USEC_PER_SEC);
                ts.tv_nsec = (long long)(timeout_usec % USEC_PER_SEC * NSEC_PER_USEC);
                tsp = &ts;
        }
        r = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, n, tsp, NULL);
        return r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY || r == -ENOMEM
                       ? 0
                       : MIN(r, 0);
}

int ring_wait(struct ring *ring, uint64_t timeout_usec, unsigned wanted) {
        struct io_uring_cqe *cqe;
        int r = 0;

        if (wanted > 1)
                r = wait_for(ring, wanted, MIN(timeout_usec, PATIENCE_USEC));
        if (r == 0 && (wanted <= 1 || io_uring_cq_ready(&ring->uring) == 0))
                r = wait_for(ring, 1, timeout_usec);
        if (r < 0)
                return r;

        while (io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
                struct ring_op *op = io_uring_cqe_get_data(cqe);
                int res = cqe->res;

                io_uring_cqe_seen(&ring->uring, cqe);
                if (op)
                        op->done(op, res);
        }
        return 0;
}
