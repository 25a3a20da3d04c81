/* SPDX-License-Identifier: Apache-2.0 */

/* Spans against a model that keeps a state for every byte. */

#include "store/spans.h"

#include "store/util.h"
#include "tests/unit/unit.h"

#define FILE_SIZE 3000

static struct spans spans;

static void set(uint64_t offset, uint64_t size, enum verdict verdict) {
        ck_assert_int_eq(spans_set(&spans, offset, size, SPAN_FRESH, verdict, REASON_NONE), 0);
}

static struct spans_answer ask(uint64_t offset, uint64_t size) {
        struct spans_answer answer;

        spans_ask(&spans, offset, size, &answer);
        return answer;
}

static void release(void) {
        spans_done(&spans);
}

START_TEST(test_nothing_known) {
        struct spans_answer a = ask(0, 1);

        ck_assert(!a.complete);
        ck_assert_uint_eq(a.missing, 0);
        a = ask(100, 5);
        ck_assert(!a.complete);
        ck_assert_uint_eq(a.missing, 0);
        spans_touch(&spans, 0, 10);
        spans_resize(&spans, 10);
        ck_assert(spans_was_clean(&spans, 0, 0));
        ck_assert(!spans_was_clean(&spans, 0, 1));
}
END_TEST

START_TEST(test_gap) {
        set(0, 10, VERDICT_CLEAN);
        ck_assert_int_eq(spans_set(&spans, 11, 5, SPAN_FRESH, VERDICT_CLEAN, REASON_NONE), -EINVAL);
        ck_assert_int_eq(spans_set(&spans, 10, 0, SPAN_FRESH, VERDICT_CLEAN, REASON_NONE), -EINVAL);
        ck_assert_int_eq(spans_set(&spans, 10, UINT64_MAX, SPAN_FRESH, VERDICT_CLEAN, REASON_NONE),
                         -EINVAL);
}
END_TEST

START_TEST(test_verdicts) {
        struct spans_answer a;

        set(0, 100, VERDICT_CLEAN);
        set(100, 50, VERDICT_INFECTED);
        set(150, 50, VERDICT_UNSCANNABLE);
        set(200, 50, VERDICT_CLEAN);
        a = ask(0, 100);
        ck_assert(a.complete && a.verdict == VERDICT_CLEAN);
        a = ask(0, 101);
        ck_assert(a.complete && a.verdict == VERDICT_INFECTED && a.worst == 100);
        a = ask(150, 100);
        ck_assert(a.complete && a.verdict == VERDICT_UNSCANNABLE && a.worst == 150);
        a = ask(200, 51);
        ck_assert(!a.complete && a.missing == 250 && a.verdict == VERDICT_CLEAN);
        /* An infection that is known is told even where something is missing. */
        a = ask(120, 200);
        ck_assert(!a.complete && a.verdict == VERDICT_INFECTED);
        ck_assert(spans_was_clean(&spans, 0, 100));
        ck_assert(!spans_was_clean(&spans, 99, 2));
}
END_TEST

START_TEST(test_touch_takes_the_one_before) {
        struct spans_answer a;

        set(0, 100000, VERDICT_CLEAN);
        set(100000, 100000, VERDICT_CLEAN);
        set(200000, 100000, VERDICT_CLEAN);
        ck_assert_uint_eq(spans.n, 3);
        spans_touch(&spans, 200000, 1);
        a = ask(0, 100000);
        ck_assert(a.complete);
        a = ask(100000, 1);
        ck_assert(!a.complete && a.missing == 100000);
        ck_assert(spans_was_clean(&spans, 0, 300000));
}
END_TEST

START_TEST(test_growth) {
        struct spans_answer a;

        set(0, 100000, VERDICT_CLEAN);
        set(100000, 100000, VERDICT_CLEAN);
        spans_resize(&spans, 200000);
        ck_assert(ask(0, 200000).complete);
        spans_resize(&spans, 250000); /* the last item may have grown */
        ck_assert(ask(0, 100000).complete);
        a = ask(220000, 10);
        ck_assert(!a.complete && a.missing == 100000);
        set(100000, 150000, VERDICT_CLEAN);
        ck_assert(ask(0, 250000).complete);
        spans_resize(&spans, 120000);
        a = ask(110000, 10);
        ck_assert(!a.complete && a.missing == 100000);
        ck_assert_uint_eq(spans.end, 120000);
        spans_resize(&spans, 0);
        ck_assert_uint_eq(spans.n, 0);
}
END_TEST

START_TEST(test_passed) {
        struct spans_answer a;

        ck_assert_int_eq(spans_set(&spans, 0, 500, SPAN_PASSED, VERDICT_UNKNOWN, REASON_NONE), 0);
        set(500, 100, VERDICT_CLEAN);
        a = ask(500, 100);
        ck_assert(a.complete);
        a = ask(499, 2);
        ck_assert(!a.complete && a.missing == 0);
        ck_assert(!spans_was_clean(&spans, 0, 600));
        ck_assert_int_eq(spans_set(&spans, 0, 300, SPAN_PASSED, VERDICT_UNKNOWN, REASON_NONE), 0);
        set(300, 200, VERDICT_CLEAN);
        a = ask(400, 200);
        ck_assert(a.complete);
}
END_TEST

START_TEST(test_outdated) {
        struct spans_answer a;
        uint64_t at = 0;

        set(0, 100, VERDICT_CLEAN);
        set(100, 50, VERDICT_INFECTED);
        set(150, 50, VERDICT_CLEAN);
        spans_outdate(&spans);
        a = ask(0, 200);
        ck_assert(!a.complete && a.verdict == VERDICT_CLEAN);
        ck_assert(!spans_was_clean(&spans, 0, 100));
        ck_assert(spans_find_infected(&spans, &at, 200));
        ck_assert_uint_eq(at, 100);
        at = 120;
        ck_assert(spans_find_infected(&spans, &at, UINT64_MAX));
        ck_assert_uint_eq(at, 120);
        at = 0;
        ck_assert(!spans_find_infected(&spans, &at, 100));
        at = 150;
        ck_assert(!spans_find_infected(&spans, &at, 200));
        /* Not looked at is not the same as harmless, nor are its neighbours infected. */
        ck_assert_int_eq(spans_set(&spans, 0, 100, SPAN_PASSED, VERDICT_UNKNOWN, REASON_NONE), 0);
        ck_assert_int_eq(spans_set(&spans, 100, 50, SPAN_PASSED, VERDICT_INFECTED, REASON_NONE), 0);
        ck_assert_int_eq(spans_set(&spans, 150, 50, SPAN_PASSED, VERDICT_UNKNOWN, REASON_NONE), 0);
        at = 0;
        ck_assert(spans_find_infected(&spans, &at, 200));
        ck_assert_uint_eq(at, 100);
        at = 150;
        ck_assert(!spans_find_infected(&spans, &at, 200));
        set(100, 50, VERDICT_CLEAN);
        at = 0;
        ck_assert(!spans_find_infected(&spans, &at, 200));
}
END_TEST

START_TEST(test_bounded) {
        for (uint64_t i = 0; i < 100000; i++)
                set(i * 70000, 70000, VERDICT_CLEAN);
        ck_assert_uint_le(spans.n, SPANS_MAX);
        ck_assert(ask(0, UINT64_C(100000) * 70000).complete);
        spans_done(&spans);
        for (uint64_t i = 0; i < 20000; i++) {
                set(i * 10, 10, i % 2 ? VERDICT_CLEAN : VERDICT_INFECTED);
                ck_assert_uint_le(spans.n, SPANS_MAX);
        }
        /* The verdict of what can't be kept apart is the worst; nothing is forgotten. */
        ck_assert(ask(0, 200000).complete);
        for (uint64_t i = 0; i < 20000; i += 2)
                ck_assert(ask(i * 10, 10).verdict == VERDICT_INFECTED);
}
END_TEST

/* ---- The model ---- */

static uint8_t model_state[FILE_SIZE], model_verdict[FILE_SIZE];
static uint64_t model_end;

static uint32_t dice(uint32_t *seed, uint32_t n) {
        *seed = *seed * 1664525 + 1013904223;
        return (*seed >> 8) % n;
}

/* FRESH only where the model is, and with its verdict; missing begins a span that is not FRESH. */
static void compare(void) {
        for (size_t i = 0; i < spans.n; i++) {
                const struct span *s = &spans.spans[i];
                uint64_t end = i + 1 < spans.n ? spans.spans[i + 1].start : spans.end;

                ck_assert_uint_lt(s->start, end);
                if (s->state == SPAN_FRESH)
                        for (uint64_t k = s->start; k < end; k++)
                                if (model_state[k] != SPAN_FRESH || model_verdict[k] != s->verdict)
                                        ck_abort_msg("byte %u is not as the span says",
                                                     (unsigned)k);
        }
        ck_assert(spans.n == 0 || spans.spans[0].start == 0);
        ck_assert_uint_eq(spans.end, model_end);
}

START_TEST(test_random) {
        uint32_t seed = (uint32_t)_i + 1;

        memset(model_state, SPAN_STALE, sizeof(model_state));
        model_end = 0;
        for (int step = 0; step < 3000; step++) {
                uint64_t offset = dice(&seed, FILE_SIZE), size = 1 + dice(&seed, 400);

                switch (dice(&seed, 4)) {
                case 0:
                        spans_touch(&spans, offset, size);
                        for (uint64_t k = offset; k < MIN(offset + size, (uint64_t)FILE_SIZE); k++)
                                model_state[k] = SPAN_STALE;
                        break;
                case 1:
                        if (dice(&seed, 8) != 0)
                                break;
                        spans_resize(&spans, offset);
                        if (offset < model_end)
                                model_end = offset;
                        memset(model_state + model_end, SPAN_STALE, FILE_SIZE - model_end);
                        break;
                default: {
                        enum verdict verdict = 1 + dice(&seed, 3);

                        offset = MIN(offset, model_end);
                        size = MIN(size, FILE_SIZE - offset);
                        if (size == 0)
                                break;
                        set(offset, size, verdict);
                        memset(model_state + offset, SPAN_FRESH, size);
                        memset(model_verdict + offset, (int)verdict, size);
                        model_end = MAX(model_end, offset + size);
                }
                }
                compare();
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("spans");
        TCase *tcase = tcase_create("spans");

        tcase_add_checked_fixture(tcase, NULL, release);
        tcase_add_test(tcase, test_nothing_known);
        tcase_add_test(tcase, test_gap);
        tcase_add_test(tcase, test_verdicts);
        tcase_add_test(tcase, test_touch_takes_the_one_before);
        tcase_add_test(tcase, test_growth);
        tcase_add_test(tcase, test_passed);
        tcase_add_test(tcase, test_outdated);
        tcase_add_test(tcase, test_bounded);
        tcase_add_loop_test(tcase, test_random, 0, 20);
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
