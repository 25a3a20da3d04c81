/* SPDX-License-Identifier: Apache-2.0 */

/* Hours, rate, load and progress of a sweep, by a clock of its own. */

#include "store/sweep-pace.h"

#include "store/util.h"
#include "tests/unit/unit.h"

#define AT(h, m) ((h)*3600U + (m)*60U)

static struct day_window window(const char *text) {
        char again[DAY_WINDOW_TEXT_MAX];
        struct day_window w;

        ck_assert_int_eq(day_window_parse(text, &w), 0);
        day_window_format(&w, again);
        ck_assert_str_eq(again, text);
        return w;
}

START_TEST(test_window) {
        struct day_window day = window("08:30-17:00"), night = window("22:00-06:00"),
                          always = window("always"), early = window("00:00-00:01");

        ck_assert_uint_eq(day_window_wait(&day, AT(8, 29)), 60);
        ck_assert_uint_eq(day_window_wait(&day, AT(8, 30)), 0);
        ck_assert_uint_eq(day_window_wait(&day, AT(17, 0) - 1), 0);
        ck_assert_uint_eq(day_window_wait(&day, AT(17, 0)), AT(15, 30));
        ck_assert_uint_eq(day_window_wait(&night, AT(21, 0)), 3600);
        ck_assert_uint_eq(day_window_wait(&night, AT(23, 59)), 0);
        ck_assert_uint_eq(day_window_wait(&night, AT(0, 0)), 0);
        ck_assert_uint_eq(day_window_wait(&night, AT(5, 59)), 0);
        ck_assert_uint_eq(day_window_wait(&night, AT(6, 0)), AT(16, 0));
        ck_assert_uint_eq(day_window_wait(&early, AT(0, 0)), 0);
        ck_assert_uint_eq(day_window_wait(&early, AT(0, 1)), AT(23, 59));
        for (unsigned t = 0; t < 86400; t += 60)
                ck_assert_uint_eq(day_window_wait(&always, t), 0);

        ck_assert_uint_eq(day_window_age(&night, AT(22, 0)), 0);
        ck_assert_uint_eq(day_window_age(&night, AT(1, 0)), AT(3, 0));
        ck_assert_uint_eq(day_window_age(&night, AT(21, 59)), AT(23, 59));
        ck_assert_uint_eq(day_window_age(&always, AT(1, 0)), AT(1, 0));
}
END_TEST

START_TEST(test_window_mistakes) {
        static const char *const bad[] = {
                "",
                "never",
                "8:30-17:00",
                "08:30",
                "08:30-",
                "24:00-06:00",
                "08:60-17:00",
                "08:30-17:00 ",
                "08:30-24:00",
                "08:30-08:30",
                "08-17",
                "-8:30-17:00",
                "08:30 - 17:00",
                "08.30-17.00",
        };
        struct day_window w = { 1, 2 };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(day_window_parse(bad[i], &w) == -EINVAL, "'%s'", bad[i]);
        ck_assert_uint_eq(w.from, 1);
}
END_TEST

/* Ten seconds of somebody who asks as often as it is allowed. */
static unsigned taken(struct sweep_rate *rate, uint64_t from, uint64_t late) {
        unsigned n = 0;

        for (uint64_t now = from, wait = 0; now < from + 10 * USEC_PER_SEC;)
                if (sweep_rate_take(rate, now, &wait))
                        n++;
                else
                        now += wait + late;
        return n;
}

START_TEST(test_rate) {
        struct sweep_rate rate = { .per_second = 100 }, none = {};
        uint64_t wait = 7, start = USEC_PER_SEC;
        unsigned n = taken(&rate, start, 0);

        ck_assert_uint_ge(n, 1000);
        ck_assert_uint_le(n, 1011); /* a tenth of a second is owed at the beginning */
        /* Those who wake up late do not fall behind. */
        rate = (struct sweep_rate){ .per_second = 1000 };
        n = taken(&rate, start, 5000);
        ck_assert_uint_ge(n, 9990);
        ck_assert_uint_le(n, 10101);
        /* What was not used in an hour is lost. */
        n = taken(&rate, start + 3600 * USEC_PER_SEC, 0);
        ck_assert_uint_le(n, 10101);
        for (unsigned i = 0; i < 1000; i++)
                ck_assert(sweep_rate_take(&none, 0, &wait));
        ck_assert_uint_eq(wait, 7);
}
END_TEST

START_TEST(test_load) {
        static const char *const mistakes[] = {
                "",
                "full avg10=12.34 avg60=0.00 avg300=0.00 total=5",
                "some avg10=",
                "some avg10=12 avg60=0.00 avg300=0.00 total=5",
                "some avg10=12.34 avg60=0.00",
                "some avg10=12.34 avg60=0.00\nfull total=5",
                "some avg10=12.34 total=x",
        };
        struct sweep_pressure p;
        unsigned v;

        ck_assert_int_eq(sweep_pressure_parse("some avg10=12.34 avg60=99.00 avg300=0.00 total=56\n"
                                              "full avg10=77.00 avg60=0.00 avg300=0.00 total=7\n",
                                              &p),
                         0);
        for (size_t i = 0; i < ELEMENTSOF(mistakes); i++)
                ck_assert_int_eq(sweep_pressure_parse(mistakes[i], &p), -EINVAL);
        ck_assert_uint_eq(p.recent, 1234);
        ck_assert_uint_eq(p.total_usec, 56);
        ck_assert_int_eq(sweep_load_parse("0.05 0.10 0.15 1/234 5678\n", &v), 0);
        ck_assert_uint_eq(v, 5);
        ck_assert_int_eq(sweep_load_parse("17.00 ", &v), 0);
        ck_assert_uint_eq(v, 1700);
        ck_assert_int_eq(sweep_load_parse("", &v), -EINVAL);
        ck_assert_uint_eq(v, 1700);

        ck_assert(!sweep_load_pauses(5000, 5000, false));
        ck_assert(sweep_load_pauses(5001, 5000, false));
        ck_assert(sweep_load_pauses(4001, 5000, true));
        ck_assert(!sweep_load_pauses(4000, 5000, true));
        ck_assert(!sweep_load_pauses(10000, 0, true));
}
END_TEST

/* A second later on the clock of judge(); others waited so long, and avg10 says so much. */
static enum sweep_load judge(struct sweep_rest *rest, uint64_t *now, unsigned recent,
                             uint64_t *total, unsigned waited_msec) {
        struct sweep_pressure p[SWEEP_PRESSURES_MAX] = {};

        *now += USEC_PER_SEC;
        *total += waited_msec * USEC_PER_MSEC;
        p[1] = (struct sweep_pressure){ .recent = recent, .total_usec = *total };
        return sweep_pressure_judge(rest, p, 6000, *now);
}

START_TEST(test_own_load) {
        uint64_t now = 12345678, total = 99;
        struct sweep_rest rest = {};

        ck_assert_int_eq(judge(&rest, &now, 6000, &total, 600), SWEEP_LOAD_LOW);
        ck_assert_int_eq(judge(&rest, &now, 9900, &total, 1000), SWEEP_LOAD_UNKNOWN);
        ck_assert_int_eq(judge(&rest, &now, 9800, &total, 700), SWEEP_LOAD_UNKNOWN);
        /* avg10 remembers the sweep; nobody waits while it rests. */
        ck_assert_int_eq(judge(&rest, &now, 9000, &total, 600), SWEEP_LOAD_LOW);
        for (unsigned i = 1; i < 60; i++)
                ck_assert_int_eq(judge(&rest, &now, 9900, &total, 1000), SWEEP_LOAD_LOW);
        ck_assert_int_eq(judge(&rest, &now, 9900, &total, 1000), SWEEP_LOAD_UNKNOWN);
}
END_TEST

START_TEST(test_load_of_others) {
        uint64_t now = 12345678, total = 99;
        struct sweep_rest rest = {};

        ck_assert_int_eq(judge(&rest, &now, 6001, &total, 600), SWEEP_LOAD_UNKNOWN);
        ck_assert_int_eq(judge(&rest, &now, 6001, &total, 0), SWEEP_LOAD_UNKNOWN);
        ck_assert_int_eq(judge(&rest, &now, 0, &total, 601), SWEEP_LOAD_HIGH);
        ck_assert_int_eq(judge(&rest, &now, 0, &total, 481), SWEEP_LOAD_HIGH);
        ck_assert_int_eq(judge(&rest, &now, 9900, &total, 480), SWEEP_LOAD_LOW);
        /* What the kernel counts may be set back, and may be more than the time. */
        now += 60 * USEC_PER_SEC;
        ck_assert_int_eq(judge(&rest, &now, 9900, &total, 0), SWEEP_LOAD_UNKNOWN);
        ck_assert_int_eq(judge(&rest, &now, 9900, &total, 0), SWEEP_LOAD_UNKNOWN);
        ck_assert_int_eq(judge(&rest, &now, 9900, &total, 5000), SWEEP_LOAD_HIGH);
        total = 0;
        ck_assert_int_eq(judge(&rest, &now, 9900, &total, 0), SWEEP_LOAD_LOW);
}
END_TEST

START_TEST(test_progress) {
        struct sweep_progress p = {};
        uint64_t now = USEC_PER_SEC;

        ck_assert_uint_eq(sweep_progress_eta(&p, 0, 1000), UINT64_MAX);
        for (uint64_t done = 0; done <= 500; done += 50, now += USEC_PER_SEC)
                sweep_progress_note(&p, done, now);
        ck_assert(p.rate > 49.9 && p.rate < 50.1);
        ck_assert_uint_eq(sweep_progress_eta(&p, 500, 1000), 11);
        ck_assert_uint_eq(sweep_progress_eta(&p, 1000, 1000), 0);
        ck_assert_uint_eq(sweep_progress_eta(&p, 1001, 1000), 0);
        ck_assert_uint_eq(sweep_progress_eta(&p, 500, 0), UINT64_MAX);
        /* A standstill is noticed, if slowly. */
        for (unsigned i = 0; i < 100; i++, now += USEC_PER_SEC)
                sweep_progress_note(&p, 500, now);
        ck_assert_uint_eq(sweep_progress_eta(&p, 500, 1000), UINT64_MAX);
}
END_TEST

UNIT_MAIN("sweep-pace", test_window, test_window_mistakes, test_rate, test_load, test_own_load,
          test_load_of_others, test_progress);
