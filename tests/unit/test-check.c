/* SPDX-License-Identifier: Apache-2.0 */

/* What storescanctl says a stamp is worth. */

#include <string.h>

#include "daemon/ctl/check.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define T UINT64_C(1795470147232)

static struct subject sample(void) {
        struct subject s = {
                .path = "cur/x",
                .fd = -EBADF,
                .st = { .st_size = 3,
                        .st_ctim = { .tv_sec = T / 1000, .tv_nsec = T % 1000 * 1000000 } },
                .stamp = { .verdict = VERDICT_CLEAN,
                           .generation = { .id = "foobar" },
                           .time_msec = T,
                           .size = 3,
                           .has_digest = true },
                .has_digest = true,
        };
        int n;

        ck_assert_int_eq(digest_buffer("abc", 3, s.digest), 0);
        memcpy(s.stamp.digest, s.digest, sizeof(s.stamp.digest));
        n = stamp_format(&s.stamp, s.text);
        ck_assert_int_gt(n, 0);
        s.text_size = (size_t)n;
        return s;
}

static const struct check *find(const struct checks *checks, const char *name) {
        for (size_t i = 0; i < checks->n; i++)
                if (streq(checks->list[i].name, name))
                        return &checks->list[i];
        ck_abort_msg("no check named %s", name);
        return NULL;
}

static void expect(const struct subject *s, int read_error, enum check_result result,
                   const char *bad) {
        struct checks checks;

        check_subject(s, read_error, T + 1000, &checks);
        ck_assert_msg(checks.result == result, "result is %s, not %s",
                      check_result_name(checks.result), check_result_name(result));
        ck_assert_uint_le(checks.n, CHECKS_MAX);
        for (size_t i = 0; i < checks.n; i++) {
                bool is_bad = checks.list[i].state == CHECK_BAD;

                ck_assert_msg(is_bad == (bad && streq(bad, checks.list[i].name)), "%s is %s",
                              checks.list[i].name, check_state_name(checks.list[i].state));
                ck_assert_uint_gt(strlen(checks.list[i].text), 0);
        }
        if (bad)
                (void)find(&checks, bad);
}

START_TEST(valid) {
        struct subject s = sample();

        expect(&s, 0, RESULT_VALID, NULL);
}
END_TEST

START_TEST(infected_is_valid_and_bad_news) {
        struct subject s = sample();

        s.stamp.verdict = VERDICT_INFECTED;
        expect(&s, 0, RESULT_VALID, "verdict");
        s.stamp.verdict = VERDICT_UNSCANNABLE;
        s.stamp.reason = REASON_ENCRYPTED;
        expect(&s, 0, RESULT_VALID, "verdict");
}
END_TEST

START_TEST(window) {
        static const struct {
                int msec;
                enum check_result result;
        } cases[] = {
                { -STAMP_BEFORE_MSEC - 1, RESULT_TOUCHED },
                { -STAMP_BEFORE_MSEC, RESULT_VALID },
                { STAMP_AFTER_MSEC, RESULT_VALID },
                { STAMP_AFTER_MSEC + 1, RESULT_TOUCHED },
                { 3600000, RESULT_TOUCHED },
                { -3600000, RESULT_TOUCHED },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct subject s = sample();
                uint64_t t = T + (uint64_t)(int64_t)cases[i].msec;

                s.st.st_ctim.tv_sec = (time_t)(t / 1000);
                s.st.st_ctim.tv_nsec = (long)(t % 1000) * 1000000;
                expect(&s, 0, cases[i].result,
                       cases[i].result == RESULT_TOUCHED ? "change-time" : NULL);
        }
}
END_TEST

START_TEST(other_content) {
        struct subject s = sample();

        s.digest[3] ^= 1;
        expect(&s, 0, RESULT_CHANGED, "digest");
        s = sample();
        s.st.st_size = 4;
        s.has_digest = false;
        s.stamp.has_digest = false;
        expect(&s, 0, RESULT_CHANGED, "size");
}
END_TEST

/* A wrong size must not hide what the change time tells, and the other way round. */
START_TEST(checks_are_independent) {
        struct subject s = sample();
        struct checks checks;

        s.st.st_size = 4;
        s.st.st_ctim.tv_sec += 60;
        s.digest[0] ^= 1;
        check_subject(&s, 0, T + 1000, &checks);
        ck_assert_int_eq(checks.result, RESULT_CHANGED);
        ck_assert_int_eq(find(&checks, "size")->state, CHECK_BAD);
        ck_assert_int_eq(find(&checks, "change-time")->state, CHECK_BAD);
        ck_assert_int_eq(find(&checks, "digest")->state, CHECK_BAD);
        ck_assert_int_eq(find(&checks, "time")->state, CHECK_OK);
}
END_TEST

START_TEST(unread_content) {
        struct subject s = sample();
        struct checks checks;

        s.has_digest = false;
        check_subject(&s, -EPERM, T + 1000, &checks);
        ck_assert_int_eq(checks.result, RESULT_VALID);
        ck_assert_int_eq(find(&checks, "digest")->state, CHECK_NOTE);
        ck_assert_ptr_nonnull(strstr(find(&checks, "digest")->text, "storescand blocks"));

        s.stamp.has_digest = false;
        check_subject(&s, 0, T + 1000, &checks);
        ck_assert_int_eq(find(&checks, "digest")->state, CHECK_NOTE);
}
END_TEST

START_TEST(future) {
        struct subject s = sample();
        struct checks checks;

        check_subject(&s, 0, T - 1, &checks);
        ck_assert_int_eq(checks.result, RESULT_VALID);
        ck_assert_int_eq(find(&checks, "time")->state, CHECK_NOTE);
}
END_TEST

START_TEST(no_usable_stamp) {
        static const struct {
                int text_error, parse_error;
                enum check_result result;
        } cases[] = {
                { -ENODATA, 0, RESULT_NO_STAMP },
                { -ERANGE, 0, RESULT_MALFORMED },
                { 0, -EINVAL, RESULT_MALFORMED },
                { 0, -EPROTONOSUPPORT, RESULT_UNKNOWN_FORMAT },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct subject s = sample();

                s.text_error = cases[i].text_error;
                s.parse_error = cases[i].parse_error;
                ck_assert_int_eq(check_form(&s), cases[i].result);
                expect(&s, 0, cases[i].result, "format");
        }
}
END_TEST

START_TEST(names) {
        ck_assert_str_eq(check_state_name(_CHECK_STATE_MAX), "invalid");
        ck_assert_str_eq(check_result_name(_CHECK_RESULT_MAX), "invalid");
        ck_assert_str_eq(check_result_text(_CHECK_RESULT_MAX), "invalid");
        for (int i = 0; i < _CHECK_RESULT_MAX; i++) {
                ck_assert_str_ne(check_result_name((enum check_result)i), "invalid");
                ck_assert_str_ne(check_result_text((enum check_result)i), "invalid");
        }
}
END_TEST

UNIT_MAIN("check", valid, infected_is_valid_and_bad_news, window, other_content,
          checks_are_independent, unread_content, future, no_usable_stamp, names);
