/* SPDX-License-Identifier: Apache-2.0 */

/* The stamp's text and its judgement: every field, every boundary, every way to be malformed. */

#include <stdio.h>
#include <string.h>

#include "store/digest.h"
#include "store/stamp.h"
#include "store/util.h"
#include "tests/unit/unit.h"

#define T UINT64_C(1795470147232)

static const char text[] = "ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3g";

static struct stamp sample(void) {
        struct stamp s = {
                .verdict = VERDICT_CLEAN,
                .generation = { .id = "foobar" },
                .time_msec = T,
                .size = 0x4d2f,
                .has_digest = true,
        };

        ck_assert_int_eq(base64url_decode("mVQJ3yM6c3q1fZf1yM6c3g", s.digest, sizeof(s.digest)), 0);
        return s;
}

static void assert_equal(const struct stamp *a, const struct stamp *b) {
        ck_assert_int_eq(a->verdict, b->verdict);
        ck_assert_int_eq(a->reason, b->reason);
        ck_assert_mem_eq(&a->generation, &b->generation, sizeof(a->generation));
        ck_assert_uint_eq(a->time_msec, b->time_msec);
        ck_assert_uint_eq(a->size, b->size);
        ck_assert_int_eq(a->has_digest, b->has_digest);
        if (a->has_digest)
                ck_assert_mem_eq(a->digest, b->digest, sizeof(a->digest));
}

START_TEST(documented_example) {
        struct stamp s = sample(), parsed;
        char out[STAMP_SIZE_MAX];
        int n;

        n = stamp_format(&s, out);
        ck_assert_int_eq(n, (int)strlen(text));
        ck_assert_mem_eq(out, text, strlen(text));
        ck_assert_int_eq(stamp_parse(text, strlen(text), &parsed), 0);
        assert_equal(&s, &parsed);
}
END_TEST

START_TEST(origin) {
        static const char hub[] = "ss1 ch Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3g";
        struct stamp s = sample(), parsed;
        char out[STAMP_SIZE_MAX];

        s.by_hub = true;
        ck_assert_int_eq(stamp_format(&s, out), (int)strlen(hub));
        ck_assert_mem_eq(out, hub, strlen(hub));
        ck_assert_int_eq(stamp_parse(hub, strlen(hub), &parsed), 0);
        ck_assert(parsed.by_hub);
        ck_assert_int_eq(stamp_parse(text, strlen(text), &parsed), 0);
        ck_assert(!parsed.by_hub);
}
END_TEST

START_TEST(every_verdict_goes_there_and_back) {
        static const struct {
                enum verdict verdict;
                enum reason reason;
                char letter;
        } cases[] = {
                { VERDICT_CLEAN, REASON_NONE, 'c' },
                { VERDICT_INFECTED, REASON_NONE, 'i' },
                { VERDICT_UNSCANNABLE, REASON_LIMITS, 'l' },
                { VERDICT_UNSCANNABLE, REASON_ENCRYPTED, 'e' },
                { VERDICT_UNSCANNABLE, REASON_BROKEN, 'b' },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct stamp s = sample(), parsed;
                char out[STAMP_SIZE_MAX];
                int n;

                s.verdict = cases[i].verdict;
                s.reason = cases[i].reason;
                n = stamp_format(&s, out);
                ck_assert_int_gt(n, 0);
                ck_assert_int_eq(out[4], cases[i].letter);
                ck_assert_int_eq(stamp_parse(out, (size_t)n, &parsed), 0);
                assert_equal(&s, &parsed);
        }
}
END_TEST

/* Only a judgement that holds for the content may be written down: never "unknown", whatever the
 * reason, and never a reason that does not go with the verdict. */
START_TEST(no_other_verdict_can_be_written) {
        for (int v = -1; v <= _VERDICT_MAX; v++)
                for (int r = -1; r <= _REASON_MAX; r++) {
                        struct stamp s = sample();
                        char out[STAMP_SIZE_MAX] = "untouched";
                        bool good = (v == VERDICT_CLEAN && r == REASON_NONE) ||
                                    (v == VERDICT_INFECTED && r == REASON_NONE) ||
                                    (v == VERDICT_UNSCANNABLE &&
                                     (r == REASON_LIMITS || r == REASON_ENCRYPTED ||
                                      r == REASON_BROKEN));

                        s.verdict = (enum verdict)v;
                        s.reason = (enum reason)r;
                        if (good)
                                ck_assert_int_gt(stamp_format(&s, out), 0);
                        else {
                                ck_assert_int_eq(stamp_format(&s, out), -EINVAL);
                                ck_assert_str_eq(out, "untouched");
                        }
                }
}
END_TEST

START_TEST(longest_stamp_is_64_bytes) {
        struct stamp s = sample(), parsed;
        char out[STAMP_SIZE_MAX + 1];
        int n;

        out[STAMP_SIZE_MAX] = '#';
        s.time_msec = UINT64_C(9999999999999);
        s.size = UINT64_C(0xffffffffff); /* 1 TiB - 1 */
        n = stamp_format(&s, out);
        ck_assert_int_eq(n, 64);
        ck_assert_int_eq(n, STAMP_SIZE_MAX);
        ck_assert_int_eq(out[STAMP_SIZE_MAX], '#');
        ck_assert_int_eq(stamp_parse(out, (size_t)n, &parsed), 0);
        assert_equal(&s, &parsed);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
        struct stamp s = sample();
        char out[STAMP_SIZE_MAX] = "untouched";

        s.size = UINT64_C(0x10000000000); /* with a digest: 65 characters */
        ck_assert_int_eq(stamp_format(&s, out), -EINVAL);
        s.size = UINT64_MAX;
        ck_assert_int_eq(stamp_format(&s, out), -EINVAL);
        s = sample();
        s.time_msec = UINT64_C(10000000000000);
        ck_assert_int_eq(stamp_format(&s, out), -EINVAL);
        s.time_msec = UINT64_MAX;
        ck_assert_int_eq(stamp_format(&s, out), -EINVAL);
        ck_assert_str_eq(out, "untouched");
}
END_TEST

START_TEST(zero_fields) {
        static const char zero[] = "ss1 cl AAAAAAAA 0000000000.000 0 -";
        struct stamp s = { .verdict = VERDICT_CLEAN }, parsed;
        char out[STAMP_SIZE_MAX];
        int n;

        n = stamp_format(&s, out);
        ck_assert_int_eq(n, (int)strlen(zero));
        ck_assert_mem_eq(out, zero, strlen(zero));
        ck_assert_int_eq(stamp_parse(out, (size_t)n, &parsed), 0);
        assert_equal(&s, &parsed);
}
END_TEST

START_TEST(without_digest) {
        struct stamp s = sample(), parsed;
        char out[STAMP_SIZE_MAX];
        int n;

        s.has_digest = false;
        n = stamp_format(&s, out);
        ck_assert_int_gt(n, 0);
        ck_assert_int_eq(out[n - 1], '-');
        ck_assert_int_eq(out[n - 2], ' ');
        ck_assert_int_eq(stamp_parse(out, (size_t)n, &parsed), 0);
        ck_assert(!parsed.has_digest);
        assert_equal(&s, &parsed);
}
END_TEST

static void refuse(const char *bytes, size_t size, int error) {
        struct stamp untouched, s;

        memset(&untouched, 0xa5, sizeof(untouched));
        s = untouched;
        ck_assert_msg(stamp_parse(bytes, size, &s) == error, "'%.*s' was not refused with %d",
                      (int)size, bytes, error);
        ck_assert_mem_eq(&s, &untouched, sizeof(s));
}

START_TEST(malformed) {
        static const char *const bad[] = {
                "",
                " ",
                "-",
                "ss",
                "ss ",
                "s1 cl Zm9vYmFy 1795470147.232 4d2f -",
                "SS1 cl Zm9vYmFy 1795470147.232 4d2f -",
                "avx cl Zm9vYmFy 1795470147.232 4d2f -",
                " ss1 cl Zm9vYmFy 1795470147.232 4d2f -",
                "ss1",
                "ss1 ",
                "ss1 cl",
                "ss1 cl ",
                "ss1  cl Zm9vYmFy 1795470147.232 4d2f -",
                "ss1 cl\tZm9vYmFy 1795470147.232 4d2f -",
                /* verdict and origin */
                "ss1 c Zm9vYmFy 1795470147.232 4d2f -",
                "ss1 cll Zm9vYmFy 1795470147.232 4d2f -",
                "ss1 Cl Zm9vYmFy 1795470147.232 4d2f -",
                "ss1 cx Zm9vYmFy 1795470147.232 4d2f -",
                "ss1 lc Zm9vYmFy 1795470147.232 4d2f -",
                "ss1 ul Zm9vYmFy 1795470147.232 4d2f -",
                "ss1 -l Zm9vYmFy 1795470147.232 4d2f -",
                /* generation */
                "ss1 cl Zm9vYmF 1795470147.232 4d2f -",
                "ss1 cl Zm9vYmFyY 1795470147.232 4d2f -",
                "ss1 cl Zm9vYm+y 1795470147.232 4d2f -",
                "ss1 cl Zm9vYm/y 1795470147.232 4d2f -",
                "ss1 cl Zm9vYmF= 1795470147.232 4d2f -",
                "ss1 cl Zm9vYmFy  1795470147.232 4d2f -",
                /* time */
                "ss1 cl Zm9vYmFy 795470147.232 4d2f -",
                "ss1 cl Zm9vYmFy 11795470147.232 4d2f -",
                "ss1 cl Zm9vYmFy 1795470147,232 4d2f -",
                "ss1 cl Zm9vYmFy 1795470147.23 4d2f -",
                "ss1 cl Zm9vYmFy 1795470147.2323 4d2f -",
                "ss1 cl Zm9vYmFy 179547014.7232 4d2f -",
                "ss1 cl Zm9vYmFy -795470147.232 4d2f -",
                "ss1 cl Zm9vYmFy +795470147.232 4d2f -",
                "ss1 cl Zm9vYmFy 17954701a7.232 4d2f -",
                "ss1 cl Zm9vYmFy 1795470147.2e2 4d2f -",
                "ss1 cl Zm9vYmFy 1795470147.-32 4d2f -",
                "ss1 cl Zm9vYmFy 1795470147.232",
                "ss1 cl Zm9vYmFy 1795470147.232 ",
                /* size */
                "ss1 cl Zm9vYmFy 1795470147.232 4D2F -",
                "ss1 cl Zm9vYmFy 1795470147.232 04d2f -",
                "ss1 cl Zm9vYmFy 1795470147.232 00 -",
                "ss1 cl Zm9vYmFy 1795470147.232 0x4d -",
                "ss1 cl Zm9vYmFy 1795470147.232 -1 -",
                "ss1 cl Zm9vYmFy 1795470147.232 +1 -",
                "ss1 cl Zm9vYmFy 1795470147.232 4g2f -",
                "ss1 cl Zm9vYmFy 1795470147.232  -",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f ",
                "ss1 cl Zm9vYmFy 1795470147.232 11111111111111111 -",
                /* digest */
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f --",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f +",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f  -",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f - ",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f - x",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f -\n",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3gg",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3g ",
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3=",
                /* 22 characters are 132 bits: the last four must be zero */
                "ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3h",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                refuse(bad[i], strlen(bad[i]), -EINVAL);
}
END_TEST

START_TEST(other_bytes) {
        char bytes[256];

        for (size_t n = 0; n <= sizeof(bytes); n++) {
                memset(bytes, 0, sizeof(bytes));
                refuse(bytes, n, -EINVAL);
                memset(bytes, ' ', sizeof(bytes));
                refuse(bytes, n, -EINVAL);
                memset(bytes, 0xff, sizeof(bytes));
                refuse(bytes, n, -EINVAL);
        }

        /* A NUL ends no text: setfattr users like to add one. */
        refuse(text, sizeof(text), -EINVAL);
        /* Longer than any stamp, whatever it begins with. */
        memset(bytes, 'x', sizeof(bytes));
        memcpy(bytes, text, strlen(text));
        for (size_t n = STAMP_SIZE_MAX + 1; n <= sizeof(bytes); n++)
                refuse(bytes, n, -EINVAL);
}
END_TEST

START_TEST(every_prefix_is_refused) {
        for (size_t n = 0; n < strlen(text); n++) {
                /* A copy of exactly n bytes, so that a sanitizer sees any reading beyond. */
                _cleanup_free_ char *copy = malloc(MAX(n, 1u));

                ck_assert_ptr_nonnull(copy);
                memcpy(copy, text, n);
                refuse(copy, n, -EINVAL);
        }
}
END_TEST

/* One value, one text: any one changed byte gives either no stamp or that very text again. */
START_TEST(one_text_per_stamp) {
        for (size_t i = 0; i < strlen(text); i++)
                for (unsigned c = 0; c < 256; c++) {
                        char changed[sizeof(text)], out[STAMP_SIZE_MAX];
                        struct stamp s;
                        int n;

                        memcpy(changed, text, sizeof(text));
                        changed[i] = (char)c;
                        if (stamp_parse(changed, strlen(text), &s) < 0)
                                continue;
                        n = stamp_format(&s, out);
                        ck_assert_int_eq(n, (int)strlen(text));
                        ck_assert_mem_eq(out, changed, strlen(text));
                }
}
END_TEST

START_TEST(newer_formats_are_told_apart) {
        static const char *const newer[] = {
                "ss2 cl Zm9vYmFy 1795470147.232 4d2f -",
                "ss2",
                "ss2 ",
                "ss10 anything at all",
                "ssX",
        };

        for (size_t i = 0; i < ELEMENTSOF(newer); i++)
                refuse(newer[i], strlen(newer[i]), -EPROTONOSUPPORT);
}
END_TEST

static struct stat stat_at(uint64_t size, int64_t sec, long nsec) {
        return (struct stat){
                .st_size = (off_t)size,
                .st_ctim = { .tv_sec = sec, .tv_nsec = nsec },
                .st_mtim = { .tv_sec = -1 },
        };
}

/* ctime at T + msec, plus nsec. */
static enum stamp_check check_at(int msec, long nsec) {
        struct stamp s = sample();
        uint64_t t = T + (uint64_t)(int64_t)msec;
        struct stat st = stat_at(s.size, (int64_t)(t / 1000), (long)(t % 1000) * 1000000 + nsec);

        return stamp_check(&s, &st, &s.generation);
}

START_TEST(window) {
        for (int msec = -STAMP_BEFORE_MSEC; msec <= STAMP_AFTER_MSEC; msec++) {
                ck_assert_int_eq(check_at(msec, 0), STAMP_VALID);
                ck_assert_int_eq(check_at(msec, 999999), STAMP_VALID);
        }
        ck_assert_int_eq(check_at(-STAMP_BEFORE_MSEC - 1, 999999), STAMP_TOUCHED);
        ck_assert_int_eq(check_at(-STAMP_BEFORE_MSEC - 1, 0), STAMP_TOUCHED);
        ck_assert_int_eq(check_at(STAMP_AFTER_MSEC + 1, 0), STAMP_TOUCHED);
        ck_assert_int_eq(check_at(STAMP_AFTER_MSEC + 1, 999999), STAMP_TOUCHED);
        ck_assert_int_eq(check_at(1000, 0), STAMP_TOUCHED);
        ck_assert_int_eq(check_at(-1000, 0), STAMP_TOUCHED);
        ck_assert_int_eq(check_at(1000000000, 0), STAMP_TOUCHED);
        ck_assert_int_eq(check_at(-1000000000, 0), STAMP_TOUCHED);
}
END_TEST

/* A stamp is put on content that was still before it: a later change dates after the stamp. */
START_TEST(window_of_the_last_change) {
        struct stamp s = sample();
        struct stat st = stat_at(s.size, (int64_t)(T / 1000), (long)(T % 1000) * 1000000);

        for (int msec = -2000; msec <= 2000; msec++) {
                uint64_t t = T + (uint64_t)(int64_t)msec;

                st.st_mtim.tv_sec = (time_t)(t / 1000);
                st.st_mtim.tv_nsec = (long)(t % 1000) * 1000000;
                ck_assert_int_eq(stamp_check(&s, &st, &s.generation),
                                 msec <= -STAMP_BEFORE_MSEC ? STAMP_VALID : STAMP_TOUCHED);
        }
}
END_TEST

/* A file system that keeps whole seconds can't show what happened in the second of the stamp. */
START_TEST(window_of_whole_seconds) {
        struct stamp s = sample();
        struct stat st = stat_at(s.size, 1795470147, 0);

        s.time_msec = UINT64_C(1795470147000);
        ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_TOUCHED);
        st.st_ctim.tv_nsec = 1;
        ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_VALID);
}
END_TEST

/* Times for which a careless subtraction would wrap around. */
START_TEST(window_at_the_ends_of_time) {
        struct stamp s = sample();
        struct stat st;

        for (uint64_t t = 0; t <= STAMP_BEFORE_MSEC; t++) {
                s.time_msec = t;
                st = stat_at(s.size, 0, 1);
                ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_VALID);
                st = stat_at(s.size, -1, 999999999);
                ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_TOUCHED);
        }
        s.time_msec = STAMP_BEFORE_MSEC + 1;
        st = stat_at(s.size, 0, 1);
        ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_TOUCHED);

        s.time_msec = UINT64_C(9999999999999);
        st = stat_at(s.size, INT64_C(9999999999), 999000000);
        ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_VALID);
        st = stat_at(s.size, INT64_MIN, 0);
        ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_TOUCHED);
}
END_TEST

START_TEST(size_and_generation) {
        struct stamp s = sample();
        struct generation other = s.generation;
        struct stat st = stat_at(s.size, T / 1000, T % 1000 * 1000000);

        ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_VALID);
        for (int step = -1; step <= 1; step += 2) {
                struct stat other_size =
                        stat_at(s.size + (uint64_t)(int64_t)step, T / 1000, 232000000);

                ck_assert_int_eq(stamp_check(&s, &other_size, &s.generation), STAMP_CHANGED);
        }
        st.st_size = -1;
        ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_CHANGED);
        st.st_size = 0;
        ck_assert_int_eq(stamp_check(&s, &st, &s.generation), STAMP_CHANGED);

        /* Any bit of the generation counts, and counts before all else. */
        for (size_t bit = 0; bit < 8 * sizeof(other.id); bit++) {
                other = s.generation;
                other.id[bit / 8] ^= (uint8_t)(1u << bit % 8);
                st = stat_at(s.size, T / 1000, 232000000);
                ck_assert_int_eq(stamp_check(&s, &st, &other), STAMP_OUTDATED);
                st.st_size = 1;
                ck_assert_int_eq(stamp_check(&s, &st, &other), STAMP_OUTDATED);
        }
}
END_TEST

START_TEST(names) {
        ck_assert_str_eq(stamp_check_name(STAMP_VALID), "valid");
        ck_assert_str_eq(stamp_check_name(STAMP_TOUCHED), "touched");
        ck_assert_str_eq(stamp_check_name(STAMP_OUTDATED), "outdated");
        ck_assert_str_eq(stamp_check_name(STAMP_CHANGED), "changed");
        ck_assert_str_eq(stamp_check_name(_STAMP_CHECK_MAX), "invalid");
        ck_assert_str_eq(stamp_check_name((enum stamp_check) - 1), "invalid");
}
END_TEST

START_TEST(generation_text) {
        struct generation g = { .id = { 0, 0xff, 0xfe, 0x10, 0x80, 0x01 } };
        char out[GENERATION_LENGTH + 1];

        generation_format(&g, out);
        ck_assert_str_eq(out, "AP_-EIAB");
}
END_TEST

UNIT_MAIN("stamp", origin, documented_example, every_verdict_goes_there_and_back,
          no_other_verdict_can_be_written, longest_stamp_is_64_bytes, what_does_not_fit_is_refused,
          zero_fields, without_digest, malformed, other_bytes, every_prefix_is_refused,
          one_text_per_stamp, newer_formats_are_told_apart, window, window_at_the_ends_of_time,
          window_of_whole_seconds, window_of_the_last_change, size_and_generation, names,
          generation_text);
