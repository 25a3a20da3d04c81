/* SPDX-License-Identifier: Apache-2.0 */

/* proto.c: what is accepted from the other side, and above all what is not. */

#include <fcntl.h>
#include <sys/socket.h>

#include "daemon/config.h"
#include "daemon/proto.h"
#include "store/util.h"
#include "unit.h"

static union proto_message m;

static int check(void) {
        return proto_check(&m, m.header.size);
}

static void good_result(void) {
        proto_init(&m, PROTO_RESULT);
        m.result.verdict = VERDICT_CLEAN;
}

START_TEST(test_sizes) {
        for (int kind = 1; kind < _PROTO_KIND_MAX; kind++) {
                ck_assert_uint_ge(proto_size(kind), sizeof(struct proto_header));
                ck_assert_uint_le(proto_size(kind), sizeof(m));
                ck_assert_uint_le(proto_size(kind), UINT16_MAX);
        }
        ck_assert_uint_eq(proto_size(0), 0);
        ck_assert_uint_eq(proto_size(_PROTO_KIND_MAX), 0);
}
END_TEST

START_TEST(test_header) {
        good_result();
        ck_assert_int_eq(check(), PROTO_RESULT);
        ck_assert_int_eq(proto_check(&m, m.header.size - 1), -EBADMSG);
        ck_assert_int_eq(proto_check(&m, m.header.size + 1), -EBADMSG);
        ck_assert_int_eq(proto_check(&m, 0), -EBADMSG);
        ck_assert_int_eq(proto_check(&m, sizeof(m.header) - 1), -EBADMSG);
        m.header.magic++;
        ck_assert_int_eq(check(), -EBADMSG);
        good_result();
        m.header.kind = 0;
        ck_assert_int_eq(check(), -EBADMSG);
        m.header.kind = _PROTO_KIND_MAX;
        ck_assert_int_eq(check(), -EBADMSG);
        m.header.kind = PROTO_JOB; /* a kind of another size */
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_result_verdicts) {
        good_result();
        m.result.verdict = _VERDICT_MAX;
        ck_assert_int_eq(check(), -EBADMSG);

        /* Every pair of verdict and reason that does not belong together. */
        for (unsigned v = 0; v <= 255; v++)
                for (unsigned r = 0; r <= 255; r++) {
                        good_result();
                        m.result.verdict = (uint8_t)v;
                        m.result.reason = (uint8_t)r;
                        proto_text(m.result.signature, sizeof(m.result.signature), "x");
                        ck_assert_int_eq(check() == PROTO_RESULT,
                                         v < _VERDICT_MAX && r < _REASON_MAX &&
                                                 verdict_reason_fits(v, r));
                }

        good_result();
        m.result.verdict = VERDICT_INFECTED; /* with what? */
        ck_assert_int_eq(check(), -EBADMSG);
        proto_text(m.result.signature, sizeof(m.result.signature), "Some.Virus");
        ck_assert_int_eq(check(), PROTO_RESULT);
}
END_TEST

START_TEST(test_result_known) {
        good_result();
        m.result.known = 1; /* and clean at once */
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.verdict = VERDICT_UNKNOWN;
        ck_assert_int_eq(check(), PROTO_RESULT);
        m.result.reason = REASON_ENGINE;
        ck_assert_int_eq(check(), -EBADMSG);
        good_result();
        m.result.known = 2;
        m.result.verdict = VERDICT_UNKNOWN;
        ck_assert_int_eq(check(), -EBADMSG);
        good_result();
        m.result.has_digest = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        good_result();
        m.result.reserved = 1;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_texts) {
        good_result();
        m.result.verdict = VERDICT_INFECTED;
        memset(m.result.signature, 'x', sizeof(m.result.signature)); /* no end */
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.signature[sizeof(m.result.signature) - 1] = '\0';
        ck_assert_int_eq(check(), PROTO_RESULT);
        m.result.signature[3] = '\n'; /* a second log line */
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.signature[3] = '\x1b';
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.signature[3] = (char)0xe4;
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.signature[3] = '\0'; /* something hides behind the end */
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_text_cut) {
        char field[6];

        memset(field, 'z', sizeof(field));
        proto_text(field, sizeof(field), "ab\ncdefg");
        ck_assert_str_eq(field, "ab?cd");
        proto_text(field, sizeof(field), "");
        ck_assert_mem_eq(field, "\0\0\0\0\0\0", 6);
}
END_TEST

START_TEST(test_job) {
        proto_init(&m, PROTO_JOB);
        m.job.size = PROTO_BAY_SIZE;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.size++; /* beyond the slot, without an fd */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.has_fd = 1;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.has_fd = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.has_fd = 1;
        m.job.bay = PROTO_BAYS - 1;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.bay = PROTO_BAYS;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.bay = 0;
        m.job.reserved[4] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_load) {
        proto_init(&m, PROTO_LOAD);
        ck_assert_int_eq(check(), -EBADMSG); /* no paths */
        strcpy(m.load.database, "/db");
        strcpy(m.load.tmpdir, "relative");
        ck_assert_int_eq(check(), -EBADMSG);
        strcpy(m.load.tmpdir, "/tmp");
        ck_assert_int_eq(check(), PROTO_LOAD);
        m.load.limits = CONTENT_IGNORE; /* what was not scanned is never clean */
        ck_assert_int_eq(check(), -EBADMSG);
        m.load.limits = CONTENT_INFECTED;
        ck_assert_int_eq(check(), PROTO_LOAD);
        m.load.broken = _CONTENT_RULE_MAX;
        ck_assert_int_eq(check(), -EBADMSG);
        m.load.broken = CONTENT_IGNORE;
        memset(m.load.database, '/', sizeof(m.load.database));
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_loaded) {
        proto_init(&m, PROTO_LOADED);
        ck_assert_int_eq(check(), -EBADMSG); /* scanning with nothing is not scanning */
        m.loaded.signatures = 1;
        ck_assert_int_eq(check(), PROTO_LOADED);
}
END_TEST

static int pair[2];

static void connect_pair(void) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

START_TEST(test_round_trip) {
        int fds[2] = { -1, -1 };

        connect_pair();
        proto_init(&m, PROTO_SPAWN);
        m.spawn.worker = 7;
        ck_assert_int_eq(proto_send(pair[0], &m, pair[0], pair[1]), 0);
        memset(&m, 0xff, sizeof(m));
        ck_assert_int_eq(proto_receive(pair[1], &m, fds), PROTO_SPAWN);
        ck_assert_uint_eq(m.spawn.worker, 7);
        for (int i = 0; i < 2; i++)
                ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);

        close(pair[0]);
        close(fds[0]);
        ck_assert_int_eq(proto_receive(pair[1], &m, fds), 0);
}
END_TEST

START_TEST(test_surplus_fds) {
        int fds[2] = { -1, -1 }, before = dup(0), after;

        close(before);
        connect_pair();
        proto_init(&m, PROTO_HELLO);
        ck_assert_int_eq(proto_send(pair[0], &m, pair[0], -EBADF), 0);
        ck_assert_int_eq(proto_receive(pair[1], &m, fds), -EBADMSG);
        ck_assert_int_eq(fds[0], -1);
        close(pair[0]);
        close(pair[1]);
        after = dup(0); /* the refused fd was closed */
        ck_assert_int_eq(after, before);
        close(after);
}
END_TEST

START_TEST(test_never_sleeps) {
        int r;

        connect_pair();
        good_result();
        do
                r = proto_send(pair[0], &m, -EBADF, -EBADF);
        while (r == 0);
        ck_assert_int_eq(r, -EAGAIN);
        /* The peer dies with unread messages: an error, not a signal. */
        close(pair[1]);
        ck_assert_int_eq(proto_send(pair[0], &m, -EBADF, -EBADF), -ECONNRESET);
        ck_assert_int_eq(proto_send(pair[0], &m, -EBADF, -EBADF), -EPIPE);
}
END_TEST

UNIT_MAIN("proto", test_sizes, test_header, test_result_verdicts, test_result_known, test_texts,
          test_text_cut, test_job, test_load, test_loaded, test_round_trip, test_surplus_fds,
          test_never_sleeps);
