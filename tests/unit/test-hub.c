/* SPDX-License-Identifier: Apache-2.0 */

/* The hub's parts that need no mail server: names of stamps, the bytes of a message, what is decided
 * of it, and the way to the pool and back, with a pool of the test's own. */

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "daemon/hub/decide.h"
#include "daemon/hub/handover.h"
#include "daemon/hub/mail.h"
#include "tests/unit/unit.h"

/* ---- Names ---- */

START_TEST(test_names) {
        static const char *const same[] = {
                "X-Storescan-Stamp",         "x-storescan-stamp",     "X-STORESCAN-STAMP ",
                "X-Storescan-Stamp\t",       " X-Storescan-Stamp",    "X_Storescan_Stamp",
                "X-Store\xc2\xadscan-Stamp", "X-Storescan\x01-Stamp",
        };
        static const char *const others[] = {
                "X-Storescan-Stamps", "X-Storescan-Stam", "", "Y-Storescan-Stamp", "X-Other",
        };

        for (size_t i = 0; i < ELEMENTSOF(same); i++)
                ck_assert_msg(mail_is_stamp_name(same[i]), "%s", same[i]);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                ck_assert_msg(!mail_is_stamp_name(others[i]), "%s", others[i]);
}
END_TEST

/* As the mail server counts them: each name by itself, in either case. */
START_TEST(test_numbers) {
        struct mail mail;

        mail_begin(&mail, 1 << 20);
        mail_header(&mail, "X-Storescan-Stamp", "a", false);
        mail_header(&mail, "Subject", "s", false);
        mail_header(&mail, "X_Storescan_Stamp", "b", false);
        mail_header(&mail, "x-storescan-stamp", "c", false);
        ck_assert_uint_eq(mail.n_stamps, 3);
        ck_assert_uint_eq(mail.stamps[0].number, 1);
        ck_assert_uint_eq(mail.stamps[1].number, 1);
        ck_assert_uint_eq(mail.stamps[2].number, 2);
        ck_assert_str_eq(mail.stamps[2].name, "x-storescan-stamp");
        ck_assert(!mail.too_many_stamps);
        for (size_t i = 0; i < MAIL_STAMPS_MAX; i++)
                mail_header(&mail, "X-Storescan-Stamp", "", false);
        ck_assert(mail.too_many_stamps);
        mail_done(&mail);
}
END_TEST

/* ---- Bytes ---- */

static void expect_bytes(int fd, const char *expected) {
        size_t size = strlen(expected);
        _cleanup_free_ char *bytes = malloc(size + 1);

        ck_assert_ptr_nonnull(bytes);
        ck_assert_int_eq(pread(fd, bytes, size + 1, 0), (ssize_t)size);
        ck_assert_mem_eq(bytes, expected, size);
}

START_TEST(test_bytes) {
        _cleanup_close_ int fd = -EBADF;
        struct mail mail;

        mail_begin(&mail, 1 << 20);
        mail_header(&mail, "Subject", " a\n\tb", true);
        mail_header(&mail, "To", "x\ry\r\n z", false);
        mail_header(&mail, "Empty", "", true);
        mail_end_of_header(&mail);
        mail_body(&mail, "te", 2);
        mail_body(&mail, "xt\r\n", 4);
        fd = mail_take(&mail);
        ck_assert_int_ge(fd, 0);
        expect_bytes(fd, "Subject: a\r\n\tb\r\nTo: x\ry\r\n z\r\nEmpty:\r\n\r\ntext\r\n");
        /* Nobody changes it any more, not even who gets the same description. */
        ck_assert_int_lt(pwrite(fd, "x", 1, 0), 0);
        ck_assert_int_lt(ftruncate(fd, 0), 0);
        mail_done(&mail);
}
END_TEST

START_TEST(test_limits) {
        static char block[100000];
        struct mail mail, other;

        mail_begin(&mail, 250000);
        for (size_t i = 0; i < 3; i++)
                mail_body(&mail, block, sizeof(block));
        ck_assert_int_eq(mail_take(&mail), -EFBIG);
        mail_done(&mail);

        mail_set_budget(250000);
        mail_begin(&mail, 1 << 20);
        mail_begin(&other, 1 << 20);
        mail_body(&mail, block, sizeof(block));
        mail_body(&other, block, sizeof(block));
        mail_body(&other, block, sizeof(block));
        ck_assert_int_eq(mail_take(&other), -ENOSPC);
        mail_done(&other);
        /* What was given back is there for others. */
        mail_body(&mail, block, sizeof(block));
        ck_assert_int_ge(mail_take(&mail), 0);
        mail_done(&mail);
}
END_TEST

/* ---- Decisions ---- */

START_TEST(test_decisions) {
        const struct config_hub policy = {
                .on_infected = HUB_QUARANTINE,
                .on_attachment = HUB_TAG,
                .on_unscannable = HUB_ACCEPT,
                .on_error = HUB_ERROR_TEMPFAIL,
        };
        struct judgement j = { .result.verdict = VERDICT_CLEAN };

        ck_assert_int_eq(decide(&policy, &j).deed, DEED_STAMP);
        j.unwanted = true;
        ck_assert_int_eq(decide(&policy, &j).deed, DEED_TAG);
        j.result.verdict = VERDICT_INFECTED;
        ck_assert_int_eq(decide(&policy, &j).deed, DEED_QUARANTINE);
        ck_assert_int_eq(decide(&policy, &j).cause, CAUSE_INFECTED);
        j = (struct judgement){ .result.verdict = VERDICT_UNSCANNABLE };
        ck_assert_int_eq(decide(&policy, &j).deed, DEED_ACCEPT);
        j = (struct judgement){ .result.known = KNOWN_HUB, .honoured = true };
        ck_assert_int_eq(decide(&policy, &j).deed, DEED_HONOUR);
        j.honoured = false; /* nobody vouches for it */
        ck_assert_int_eq(decide(&policy, &j).deed, DEED_DEFER);
        j = (struct judgement){ .result.verdict = VERDICT_UNKNOWN };
        ck_assert_int_eq(decide(&policy, &j).deed, DEED_DEFER);
        ck_assert_int_eq(decide(&(struct config_hub){ .on_error = HUB_ERROR_ACCEPT }, &j).deed,
                         DEED_ACCEPT);
}
END_TEST

/* Under no policy is anything stamped but what was scanned and is clean. */
START_TEST(test_only_clean_is_stamped) {
        for (unsigned v = 0; v <= _VERDICT_MAX; v++)
                for (unsigned known = 0; known < _RESULT_KNOWN_MAX; known++)
                        for (unsigned action = 0; action <= _HUB_ACTION_MAX; action++)
                                for (unsigned error = 0; error <= _HUB_ON_ERROR_MAX; error++)
                                        for (unsigned unwanted = 0; unwanted < 2; unwanted++) {
                                                const struct config_hub policy = {
                                                        .on_infected = action,
                                                        .on_attachment = action,
                                                        .on_unscannable = action,
                                                        .on_error = error,
                                                };
                                                const struct judgement j = {
                                                        .result = { .verdict = v, .known = known },
                                                        .unwanted = unwanted,
                                                };

                                                ck_assert_int_eq(
                                                        decide(&policy, &j).deed == DEED_STAMP,
                                                        v == VERDICT_CLEAN && known == KNOWN_NOT &&
                                                                !unwanted);
                                        }
}
END_TEST

/* ---- Hand-over, with stand-ins for the pool ---- */

static struct pool_job *submitted;
static unsigned withdrawn;

void pool_submit(struct pool *pool, struct pool_job *job) {
        job->queued = true;
        submitted = job;
}

void pool_withdraw(struct pool *pool, struct pool_job *job, enum reason reason) {
        const struct pool_result result = { .reason = reason };

        withdrawn++;
        job->queued = false;
        job->done(job, &result);
}

uint32_t pool_database_version(const struct pool *pool) {
        return 7;
}

static struct ring *ring;
static struct handover *handover;
static const struct stamping no_stamping;

static void no_tick(void *userdata) {
}

struct caller {
        pthread_t thread;
        uint64_t timeout_usec;
        bool trusted;
        struct judgement judgement;
};

static void *call(void *userdata) {
        struct caller *c = userdata;
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        handover_judge(handover, fd, 1, c->trusted, c->timeout_usec, no_tick, NULL, &c->judgement);
        return NULL;
}

static void begin_call(struct caller *c, uint64_t timeout_usec) {
        *c = (struct caller){ .timeout_usec = timeout_usec };
        ck_assert_int_eq(pthread_create(&c->thread, NULL, call, c), 0);
}

static void begin_trusted_call(struct caller *c, uint64_t timeout_usec) {
        *c = (struct caller){ .timeout_usec = timeout_usec, .trusted = true };
        ck_assert_int_eq(pthread_create(&c->thread, NULL, call, c), 0);
}

static void begin_handover(void) {
        submitted = NULL;
        withdrawn = 0;
        ck_assert_int_eq(ring_new(stderr, &ring), 0);
        ck_assert_int_eq(handover_new(ring, &handover), 0);
}

static void wait_submitted(void) {
        while (!submitted)
                ck_assert_int_eq(ring_wait(ring, USEC_PER_SEC, 1), 0);
}

START_TEST(test_handover) {
        const struct pool_result result = { .verdict = VERDICT_CLEAN };
        const struct proto_attachment attachment = { .pattern = "*.exe" };
        struct caller c;

        begin_handover();
        begin_call(&c, 60 * USEC_PER_SEC);
        handover_start(handover, (struct pool *)handover, true, &no_stamping);
        wait_submitted();
        ck_assert_uint_eq(handover_waiting(handover), 1);
        ck_assert_int_eq(submitted->form, JOB_MESSAGE);
        submitted->attachment(submitted, &attachment);
        submitted->queued = false;
        submitted->done(submitted, &result);
        ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
        ck_assert_int_eq(c.judgement.result.verdict, VERDICT_CLEAN);
        ck_assert(c.judgement.unwanted);
        ck_assert_str_eq(c.judgement.attachment.pattern, "*.exe");
        ck_assert_uint_eq(handover_waiting(handover), 0);
        handover_end(handover);
        ring_free(ring);
        handover_free(handover);
}
END_TEST

/* What came before the pool is there is asked of as what comes later. */
START_TEST(test_early) {
        const struct pool_result result = { .verdict = VERDICT_CLEAN };
        const struct proto_attachment attachment = { .pattern = "*.exe" };
        struct caller c;

        begin_handover();
        begin_call(&c, 60 * USEC_PER_SEC);
        while (handover_waiting(handover) == 0)
                (void)sched_yield();
        ck_assert_ptr_null(submitted);
        handover_start(handover, (struct pool *)handover, true, &no_stamping);
        ck_assert_ptr_nonnull(submitted);
        ck_assert_ptr_nonnull(submitted->attachment);
        submitted->attachment(submitted, &attachment);
        submitted->queued = false;
        submitted->done(submitted, &result);
        ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
        ck_assert(c.judgement.unwanted);
        handover_end(handover);
        ring_free(ring);
        handover_free(handover);
}
END_TEST

/* A key, and a stamping with it. */
static struct stamping make_stamping(const char *id) {
        char folder[] = "/tmp/test-hub-XXXXXX";
        _cleanup_free_ char *file = NULL;
        struct hub_key *key;
        struct stamping s;
        const struct config config = { .keys = folder, .hub.key = (char *)(uintptr_t)id };

        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(hub_key_generate("hub1", HUB_KEY_HMAC, &key), 0);
        ck_assert_int_eq(keys_save(folder, key, stderr), 0);
        hub_key_free(key);
        ck_assert_int_eq(stamping_open(&config, stderr, &s), 0);
        ck_assert_int_gt(asprintf(&file, "%s/hub1", folder), 0);
        ck_assert_int_eq(unlink(file), 0);
        ck_assert_int_eq(rmdir(folder), 0);
        return s;
}

/* What it stamps it believes, until a byte is another; a message with a stamp that is not good is
 * scanned. */
START_TEST(test_stamps) {
        const struct pool_result clean = { .verdict = VERDICT_CLEAN };
        const struct proto_cover cover = { .check = HUB_GOOD,
                                           .body = { 1 },
                                           .header_digest = { 2 } },
                                 irregular = { .check = HUB_IRREGULAR };
        struct stamping s = make_stamping("hub1");
        struct hub_content content = { .check = HUB_GOOD, .n_found = 1 };
        struct pool_result found = { .known = KNOWN_HUB, .hub = &content };
        struct pool_job *last;
        struct caller c;

        begin_handover();
        handover_start(handover, (struct pool *)handover, false, &s);
        begin_call(&c, 60 * USEC_PER_SEC);
        wait_submitted();
        ck_assert(!submitted->use_hub); /* not of a client that is not trusted */
        submitted->cover(submitted, &irregular);
        submitted->cover(submitted, &cover);
        submitted->queued = false;
        submitted->done(submitted, &clean);
        ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
        ck_assert_int_eq(hub_stamp_parse(c.judgement.stamp, strlen(c.judgement.stamp),
                                         &content.found[0].stamp),
                         HUB_GOOD);
        memcpy(content.body, cover.body, sizeof(content.body));
        memcpy(content.header, cover.header_digest, sizeof(content.header));

        submitted = NULL;
        begin_trusted_call(&c, 60 * USEC_PER_SEC);
        wait_submitted();
        ck_assert(submitted->use_hub);
        submitted->queued = false;
        submitted->done(submitted, &found);
        ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
        ck_assert(c.judgement.honoured);
        ck_assert_int_eq(c.judgement.result.known, KNOWN_HUB);

        submitted = NULL;
        begin_trusted_call(&c, 60 * USEC_PER_SEC);
        wait_submitted();
        content.body[5] ^= 1;
        submitted->queued = false;
        submitted->done(submitted, &found); /* not the end: it is submitted again */
        ck_assert(submitted->queued);
        ck_assert(!submitted->use_hub);
        submitted->queued = false;
        submitted->done(submitted, &clean);
        ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
        ck_assert(!c.judgement.honoured);
        ck_assert_int_eq(c.judgement.result.verdict, VERDICT_CLEAN);

        submitted = NULL;
        begin_trusted_call(&c, 200 * USEC_PER_MSEC);
        wait_submitted();
        submitted->queued = false;
        ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
        ck_assert_int_eq(c.judgement.result.reason, REASON_TIMEOUT);
        last = submitted;
        submitted = NULL;
        last->done(last, &found); /* nobody waits: no scan */
        ck_assert_ptr_null(submitted);
        handover_end(handover);
        stamping_close(&s);
        ring_free(ring);
        handover_free(handover);
}
END_TEST

START_TEST(test_no_key) {
        char folder[] = "/nonexistent/keys", id[] = "hub1";
        const struct config config = { .keys = folder, .hub.key = id };
        _cleanup_free_ char *said = NULL;
        struct stamping s;
        size_t size;
        FILE *errors = open_memstream(&said, &size);

        ck_assert_ptr_nonnull(errors);
        ck_assert_int_eq(stamping_open(&config, errors, &s), -ENOKEY);
        (void)fclose(errors);
        ck_assert_str_eq(said,
                         "[hub] key: there is no key 'hub1' in /nonexistent/keys nor among the "
                         "credentials; make one by storescanctl key generate, or correct the "
                         "id.\n");
}
END_TEST

/* Who waited long enough is told so; what the pool has not begun with, it is spared. */
START_TEST(test_timeout) {
        const struct pool_result result = { .verdict = VERDICT_CLEAN };
        struct caller c;

        begin_handover();
        begin_call(&c, USEC_PER_MSEC); /* nobody takes it */
        ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
        ck_assert_int_eq(c.judgement.result.verdict, VERDICT_UNKNOWN);
        ck_assert_int_eq(c.judgement.result.reason, REASON_TIMEOUT);
        handover_start(handover, (struct pool *)handover, false, &no_stamping);

        begin_call(&c, 200 * USEC_PER_MSEC);
        wait_submitted();
        ck_assert_ptr_null(submitted->attachment);
        ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
        ck_assert_int_eq(c.judgement.result.reason, REASON_TIMEOUT);
        while (withdrawn == 0)
                ck_assert_int_eq(ring_wait(ring, USEC_PER_SEC, 1), 0);

        /* A job that a worker has goes on, and its result is nobody's. */
        submitted = NULL;
        begin_call(&c, 200 * USEC_PER_MSEC);
        wait_submitted();
        submitted->queued = false;
        ck_assert_int_eq(pthread_join(c.thread, NULL), 0);
        ck_assert_int_eq(c.judgement.result.reason, REASON_TIMEOUT);
        submitted->done(submitted, &result);
        ck_assert_uint_eq(withdrawn, 1);
        handover_end(handover);
        ring_free(ring);
        handover_free(handover);
}
END_TEST

START_TEST(test_end) {
        struct caller early, late;

        begin_handover();
        begin_call(&early, 60 * USEC_PER_SEC);
        while (handover_waiting(handover) == 0)
                (void)sched_yield();
        handover_end(handover);
        begin_call(&late, 60 * USEC_PER_SEC);
        ck_assert_int_eq(pthread_join(early.thread, NULL), 0);
        ck_assert_int_eq(pthread_join(late.thread, NULL), 0);
        ck_assert_int_eq(early.judgement.result.reason, REASON_SHUTDOWN);
        ck_assert_int_eq(late.judgement.result.reason, REASON_SHUTDOWN);
        ck_assert_int_eq(late.judgement.result.verdict, VERDICT_UNKNOWN);
        ring_free(ring);
        handover_free(handover);
}
END_TEST

UNIT_MAIN("hub", test_names, test_numbers, test_bytes, test_limits, test_decisions,
          test_only_clean_is_stamped, test_handover, test_early, test_stamps, test_no_key,
          test_timeout, test_end);
