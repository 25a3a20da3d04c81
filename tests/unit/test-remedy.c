/* SPDX-License-Identifier: Apache-2.0 */

/* What storescan-remedy takes from whom: messages of its protocol, and plans. */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "daemon/remedy-proto.h"
#include "daemon/remedy/verify.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define ID "0005f5e1000abcde-0123456789abcdef"

/* ---- Messages ---- */

static union remedy_message message;

static void fill_settings(void) {
        remedy_init(&message, REMEDY_SETTINGS);
        strcpy(message.settings.directory, "/var/lib/storescan/quarantine");
}

static void fill_note(void) {
        remedy_init(&message, REMEDY_NOTE);
        strcpy(message.note.id, ID);
        strcpy(message.note.text, "its file is gone");
        message.note.size = 1;
}

static void fill_job(void) {
        remedy_init(&message, REMEDY_JOB);
        message.job.id = 7;
        message.job.offset = 100;
        message.job.size = 200;
        message.job.pid = 4711;
        message.job.format = STORE_FORMAT_MBOX;
        strcpy(message.job.store, "mail");
        strcpy(message.job.signature, "Eicar-Test");
        strcpy(message.job.context.subject, "\xc3\xa9");
        strcpy(message.job.path, "/srv/mail/a\nb\xff");
}

static void fill_done(void) {
        remedy_init(&message, REMEDY_DONE);
        message.done.outcome = REMEDY_REPLACED;
        strcpy(message.done.item, ID);
}

/* CHANGE breaks what FILL made. */
#define REFUSED(fill, change)                                                            \
        do {                                                                             \
                fill();                                                                  \
                ck_assert_int_gt(remedy_check(&message, message.header.size), 0);        \
                change;                                                                  \
                ck_assert_int_eq(remedy_check(&message, message.header.size), -EBADMSG); \
        } while (0)

START_TEST(test_headers) {
        ck_assert_uint_eq(remedy_size(0), 0);
        ck_assert_uint_eq(remedy_size(_REMEDY_KIND_MAX), 0);
        REFUSED(fill_settings, message.header.magic ^= 1);
        REFUSED(fill_settings, message.header.kind = 0);
        REFUSED(fill_settings, message.header.kind = _REMEDY_KIND_MAX);
        REFUSED(fill_settings, message.header.kind = REMEDY_READY);
        REFUSED(fill_settings, message.header.size--);
        fill_settings();
        ck_assert_int_eq(remedy_check(&message, sizeof(struct proto_header) - 1), -EBADMSG);
        ck_assert_str_eq(remedy_outcome_name(REMEDY_NOT_QUARANTINED), "not-quarantined");
        ck_assert_str_eq(remedy_outcome_name(_REMEDY_OUTCOME_MAX), "invalid");
}
END_TEST

START_TEST(test_settings_and_ready) {
        REFUSED(fill_settings, message.settings.directory[0] = 'x');
        REFUSED(fill_settings, message.settings.directory[0] = '\0');
        REFUSED(fill_settings, memset(message.settings.directory, '/', PATH_MAX));
        REFUSED(fill_settings, message.settings.directory[PATH_MAX - 1] = 1);
        remedy_init(&message, REMEDY_READY);
        message.ready.waiting = 3;
        ck_assert_int_eq(remedy_check(&message, sizeof(message.ready)), REMEDY_READY);
        message.ready.looked = 2;
        ck_assert_int_eq(remedy_check(&message, sizeof(message.ready)), -EBADMSG);
        message.ready.looked = 1;
        message.ready.reserved[0] = 1;
        ck_assert_int_eq(remedy_check(&message, sizeof(message.ready)), -EBADMSG);
}
END_TEST

START_TEST(test_waiting) {
        remedy_init(&message, REMEDY_WAITING);
        ck_assert_int_eq(remedy_check(&message, sizeof(message.waiting)), -EBADMSG);
        message.waiting.size = 1;
        ck_assert_int_eq(remedy_check(&message, sizeof(message.waiting)), REMEDY_WAITING);
}
END_TEST

START_TEST(test_note) {
        REFUSED(fill_note, message.note.completed = 1);  /* and a reason why not */
        REFUSED(fill_note, message.note.text[0] = '\0'); /* nor anything behind the end */
        REFUSED(fill_note, message.note.text[0] = '\n');
        REFUSED(fill_note, memset(message.note.text, 0, sizeof(message.note.text)));
        REFUSED(fill_note, message.note.id[0] = '/');
        REFUSED(fill_note, message.note.id[0] = '\0');
        REFUSED(fill_note, memset(message.note.id, 'a', sizeof(message.note.id)));
        REFUSED(fill_note, message.note.size = 0);
        REFUSED(fill_note, message.note.offset = UINT64_MAX);
        REFUSED(fill_note, message.note.reserved[1] = 1);
        REFUSED(fill_note, message.note.path[0] = 'x');
}
END_TEST

START_TEST(test_job) {
        REFUSED(fill_job, message.job.size = 0);
        REFUSED(fill_job, message.job.size = REMEDY_ITEM_MAX + 1);
        REFUSED(fill_job, message.job.offset = INT64_MAX - 199);
        REFUSED(fill_job, message.job.offset = UINT64_MAX);
        REFUSED(fill_job, message.job.pid = UINT32_MAX);
        REFUSED(fill_job, message.job.format = _STORE_FORMAT_MAX);
        REFUSED(fill_job, message.job.opaque = 2);
        REFUSED(fill_job, message.job.has_content = 2);
        REFUSED(fill_job, message.job.content[31] = 1);
        REFUSED(fill_job, message.job.reserved = 1);
        REFUSED(fill_job, message.job.store[0] = '\n');
        REFUSED(fill_job, memset(message.job.signature, 'x', sizeof(message.job.signature)));
        REFUSED(fill_job, message.job.context.subject[0] = 'x');
        REFUSED(fill_job, message.job.path[0] = '.');
        fill_job();
        memset(message.job.path, 0, PATH_MAX);
        message.job.offset = INT64_MAX - 200;
        ck_assert_int_eq(remedy_check(&message, sizeof(message.job)), REMEDY_JOB);
}
END_TEST

START_TEST(test_done) {
        REFUSED(fill_done, message.done.outcome = _REMEDY_OUTCOME_MAX);
        REFUSED(fill_done, message.done.outcome = REMEDY_FAILED); /* and not why */
        REFUSED(fill_done, strcpy(message.done.text, "why"));
        REFUSED(fill_done, memset(message.done.item, 0, sizeof(message.done.item)));
        REFUSED(fill_done, message.done.item[3] = 'X');
        REFUSED(fill_done, message.done.reserved[0] = 1);
}
END_TEST

static int send_and_receive(const int *fds, size_t n, int ret_fds[static REMEDY_FDS]) {
        static union remedy_message received;
        int pair[2], r;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert_int_eq(remedy_send(pair[0], &message, fds, n, false), 0);
        r = remedy_receive(pair[1], &received, ret_fds);
        if (r > 0)
                ck_assert_mem_eq(&received, &message, message.header.size);
        close_fd(pair[0]);
        if (r > 0)
                ck_assert_int_eq(remedy_receive(pair[1], &received, ret_fds), 0);
        close_fd(pair[1]);
        return r;
}

START_TEST(test_fds_fit_the_kind) {
        int memory = memfd_create("plan", MFD_CLOEXEC);
        const int fds[] = { memory, memory, memory, memory };
        int got[REMEDY_FDS] = { -EBADF, -EBADF };

        fill_job();
        for (size_t n = 0; n <= 3; n++)
                ck_assert_int_eq(send_and_receive(fds, n, got), n == 2 ? REMEDY_JOB : -EBADMSG);
        ck_assert_int_eq(remedy_send(memory, &message, fds, 4, false), -EINVAL);
        fill_done();
        ck_assert_int_eq(send_and_receive(NULL, 0, got), REMEDY_DONE);
        ck_assert_int_eq(send_and_receive(fds, 1, got), -EBADMSG);
}
END_TEST

/* ---- Plans ---- */

/* What the rules say of two texts of one size. */
static const char *verify(enum store_format format, bool opaque, const char *a, const char *b) {
        ck_assert_uint_eq(strlen(a), strlen(b));
        return verify_plan(format, opaque, (const uint8_t *)a, (const uint8_t *)b, strlen(a));
}

#define KEPT(format, a, b) ck_assert_ptr_null(verify(STORE_FORMAT_##format, false, a, b))
#define BROKEN(format, a, b, words) \
        ck_assert_str_eq(verify(STORE_FORMAT_##format, false, a, b), words)

START_TEST(test_texts) {
        KEPT(MAILDIR, "A: b\n\nbad\n", "A: b\n\nfoo\n");
        KEPT(CYRUS, "A: b\r\n\r\nbad\r\n", "A: b\r\n\r\nfoo\r\n");
        KEPT(MAILDIR, "\nbad", "\nfoo");
        KEPT(MAILDIR, "\n\001bad", "\n\001foo");
        BROKEN(MAILDIR, "A: b\n\nbad\n", "A: b\n\nbad\n", "it changes nothing");
        BROKEN(MAILDIR, "A: b\n\nbad\n", "A: c\n\nfoo\n", "it changes the header");
        BROKEN(MAILDIR, "A: b\n\nbad\n", "A: b\n \nfo\n", "it changes the header");
        BROKEN(MAILDIR, "no header\n", "no Header\n", "it changes the header");
        BROKEN(MAILDIR, "A: b\n\nbad\n", "A: b\n\nf\no\n", "it changes an end of line");
        BROKEN(MAILDIR, "A: b\n\nbad\n", "A: b\n\nbadx", "it changes an end of line");
        BROKEN(MAILDIR, "A: b\n\nbad\n", "A: b\n\nba\r\n", "it changes an end of line");
        BROKEN(MAILDIR, "A: b\n\nba\r\n", "A: b\n\nbad\n", "it changes an end of line");
        BROKEN(MAILDIR, "A: b\n\nbad\n", "A: b\n\nba\001\n", "it brings in a control character");
        ck_assert_str_eq(verify_plan(STORE_FORMAT_MAILDIR, false, (const uint8_t *)"\nx",
                                     (const uint8_t *)"\n\0", 2),
                         "it brings in a control character");
        ck_assert_ptr_null(verify(STORE_FORMAT_MAILDIR, true, "A: b\n\n", "any\r\nx"));
}
END_TEST

START_TEST(test_mbox) {
        KEPT(MBOX, "From a b\nA: b\n\nbad x\n", "From a b\nA: b\n\nfoo x\n");
        KEPT(MBOX, "\nFrom a\n", "\nFrom b\n");
        KEPT(MBOX, "\n From a\n", "\n.From b\n");
        BROKEN(MBOX, "\nbad xy\n", "\nFrom a\n", "it brings in a line that begins a message");
        BROKEN(MBOX, "\nab\nbad xy", "\nab\nFrom a", "it brings in a line that begins a message");
        KEPT(MAILDIR, "\nbad xy\n", "\nFrom a\n");
        ck_assert_str_eq(verify(STORE_FORMAT_MBOX, true, "\nbad", "\nfoo"), "an mbox is text");
}
END_TEST

#define FILE_HEADER "2 M1e C6b04b343\n"
#define HEADER(hex) "\001\002N          00000000000000" hex "\n"
#define TRAILER     "\n\001\003\nR5f5e100\n\n"

START_TEST(test_dbox) {
        static const char lost[] = "it changes Dovecot's metadata",
                          none[] = "the item is no whole message of a dbox file";
        const char *good = HEADER("09") "A: b\n\nbad" TRAILER;

        KEPT(MDBOX, good, HEADER("09") "A: b\n\nfoo" TRAILER);
        KEPT(SDBOX, FILE_HEADER HEADER("09") "A: b\n\nbad" TRAILER,
             FILE_HEADER HEADER("09") "A: b\n\nfoo" TRAILER);
        BROKEN(MDBOX, good, HEADER("0a") "A: b\n\nfoo" TRAILER, lost);
        BROKEN(MDBOX, good, HEADER("09") "A: b\n\nfoo\n\001\003\nR5f5e101\n\n", lost);
        BROKEN(MDBOX, good, HEADER("09") "A: b\n\nfoo\n\001\002\nR5f5e100\n\n", lost);
        BROKEN(SDBOX, FILE_HEADER HEADER("09") "A: b\n\nbad" TRAILER,
               "2 M1e C6b04b344\n" HEADER("09") "A: b\n\nfoo" TRAILER, lost);
        BROKEN(MDBOX, good, HEADER("09") "A: c\n\nfoo" TRAILER, "it changes the header");
        ck_assert_str_eq(verify(STORE_FORMAT_MDBOX, true, good, HEADER("0a") "A: b\n\nfoo" TRAILER),
                         lost);
        ck_assert_ptr_null(
                verify(STORE_FORMAT_MDBOX, true, good, HEADER("09") "any\nthing" TRAILER));
        /* What is not understood is not written to. */
        BROKEN(MDBOX, HEADER("08") "A: b\n\nbad" TRAILER, HEADER("08") "A: b\n\nfoo" TRAILER, none);
        BROKEN(MDBOX, HEADER("ff") "A: b\n\nbad" TRAILER, HEADER("ff") "A: b\n\nfoo" TRAILER, none);
        BROKEN(MDBOX, HEADER("0x") "A: b\n\nbad" TRAILER, HEADER("0x") "A: b\n\nfoo" TRAILER, none);
        BROKEN(MDBOX, "A: b\n\nbad\n", "A: b\n\nfoo\n", none);
        BROKEN(SDBOX, FILE_HEADER, "2 M1e C6b04b344\n", none);
        BROKEN(SDBOX, "2 M1e", "2 M1f", none);
        BROKEN(SDBOX, "2", "1", none);
        BROKEN(SDBOX, "2 Mffffffffffffffff C\n" HEADER("09") "A: b\n\nbad",
               "2 Mffffffffffffffff C\n" HEADER("09") "A: b\n\nfoo", none);
}
END_TEST

UNIT_MAIN("remedy", test_headers, test_settings_and_ready, test_waiting, test_note, test_job,
          test_done, test_fds_fit_the_kind, test_texts, test_mbox, test_dbox);
