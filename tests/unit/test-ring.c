/* SPDX-License-Identifier: Apache-2.0 */

/* What the gate's ring refuses, should somebody take the gate over: it is restricted to what the gate does. */

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/ring.h"
#include "tests/unit/unit.h"

struct asked {
        struct ring_op op;
        bool done;
        int res;
};

static void note(struct ring_op *op, int res) {
        struct asked *asked = (struct asked *)(void *)op;

        asked->done = true;
        asked->res = res;
}

static struct ring *new_ring(void) {
        struct ring *ring = NULL;

        ck_assert_int_eq(ring_new(stderr, &ring), 0);
        return ring;
}

/* What an operation of one opcode comes to; with all of it zero but fd, that does no harm to be let through. */
static int result_of(struct ring *ring, unsigned opcode, unsigned flags, int fd) {
        struct asked asked = { .op = { note } };
        struct io_uring_sqe *sqe = ring_entry(ring);

        memset(sqe, 0, sizeof(*sqe));
        sqe->opcode = (uint8_t)opcode;
        sqe->flags = (uint8_t)flags;
        sqe->fd = fd;
        ring_bind(sqe, &asked.op);
        while (!asked.done)
                ck_assert_int_eq(ring_wait(ring, USEC_PER_SEC, 1), 0);
        return asked.res;
}

START_TEST(test_operations) {
        static const unsigned used[] = {
                IORING_OP_READ,         IORING_OP_RECV,      IORING_OP_RECVMSG,
                IORING_OP_SENDMSG,      IORING_OP_FSETXATTR, IORING_OP_SYNC_FILE_RANGE,
                IORING_OP_ASYNC_CANCEL, IORING_OP_CLOSE,     IORING_OP_POLL_ADD,
        };
        _cleanup_(ring_freep) struct ring *ring = new_ring();

        /* Those of kernels to come as well. */
        for (unsigned opcode = 0; opcode < 256; opcode++) {
                bool is_used = false;
                int r;

                for (size_t i = 0; i < ELEMENTSOF(used); i++)
                        is_used = is_used || opcode == used[i];
                r = result_of(ring, opcode, 0, -1);
                if (is_used)
                        ck_assert_msg(r != -EACCES, "operation %u is refused", opcode);
                else
                        ck_assert_msg(r == -EACCES || (opcode >= IORING_OP_LAST && r == -EINVAL),
                                      "operation %u is let through: %d", opcode, r);
        }
}
END_TEST

/* That what is allowed does something. */
START_TEST(test_works) {
        _cleanup_(ring_freep) struct ring *ring = new_ring();
        _cleanup_close_ int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        struct asked asked = { .op = { note } };
        struct io_uring_sqe *sqe = ring_entry(ring);
        char bytes[4] = "mail";

        io_uring_prep_read(sqe, fd, bytes, sizeof(bytes), 0);
        ring_bind(sqe, &asked.op);
        while (!asked.done)
                ck_assert_int_eq(ring_wait(ring, USEC_PER_SEC, 1), 0);
        ck_assert_int_eq(asked.res, sizeof(bytes));
        ck_assert_int_eq(bytes[0], 0);
}
END_TEST

START_TEST(test_flags) {
        static const unsigned flags[] = { IOSQE_FIXED_FILE,    IOSQE_IO_LINK,
                                          IOSQE_IO_HARDLINK,   IOSQE_IO_DRAIN,
                                          IOSQE_BUFFER_SELECT, IOSQE_CQE_SKIP_SUCCESS };
        _cleanup_(ring_freep) struct ring *ring = new_ring();

        ck_assert_int_eq(result_of(ring, IORING_OP_READ, IOSQE_ASYNC, -1), -EBADF);
        for (size_t i = 0; i < ELEMENTSOF(flags); i++)
                ck_assert_int_eq(result_of(ring, IORING_OP_READ, flags[i], -1), -EACCES);
}
END_TEST

static int descriptor_of_ring(void) {
        char path[32], target[64];

        for (int fd = 0; fd < 64; fd++) {
                ssize_t n;

                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                n = readlink(path, target, sizeof(target) - 1);
                if (n > 0 && memmem(target, (size_t)n, "io_uring", 8))
                        return fd;
        }
        return -1;
}

/* Files, buffers, other people's credentials, other restrictions. */
START_TEST(test_registrations) {
        _cleanup_(ring_freep) struct ring *ring = new_ring();
        int fd = descriptor_of_ring();

        ck_assert_int_ge(fd, 0);
        for (unsigned opcode = 0; opcode < IORING_REGISTER_LAST; opcode++) {
                long r = syscall(SYS_io_uring_register, fd, opcode, NULL, 0);

                ck_assert_msg(r < 0 && errno == EACCES, "registration %u: %ld, %s", opcode, r,
                              strerror(errno));
        }
}
END_TEST

UNIT_MAIN("ring", test_operations, test_works, test_flags, test_registrations);
