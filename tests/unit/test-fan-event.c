/* SPDX-License-Identifier: Apache-2.0 */

/* Events of any length one behind the other; and buffers that do not hold what they say. */

#include "daemon/fan-event.h"

#include <stdint.h>

#include "tests/unit/unit.h"

static char buf[4096];

/* One of pid that takes len bytes, as it says. */
static size_t put(size_t at, uint32_t len, int32_t pid) {
        struct fanotify_event_metadata event = { .event_len = len, .pid = pid };

        ck_assert_uint_le(at + len, sizeof(buf));
        memset(buf + at, 'x', len);
        memcpy(buf + at, &event, len < sizeof(event) ? len : sizeof(event));
        return at + len;
}

START_TEST(test_of_any_length) {
        static const uint32_t lens[] = { 52, 24, 28, 60, 44 };
        const char *at = buf;
        size_t n = 0, left;
        union fan_event event;

        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
                n = put(n, lens[i], (int32_t)i);
        left = n;
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
                ck_assert(fan_event_next(&at, &left, &event));
                ck_assert_uint_eq(event.metadata.event_len, lens[i]);
                ck_assert_int_eq(event.metadata.pid, (int)i);
                ck_assert_mem_eq(event.bytes, at - lens[i], lens[i]);
        }
        ck_assert(!fan_event_next(&at, &left, &event));
        ck_assert_uint_eq(left, 0);
        ck_assert_ptr_eq(at, buf + n);
}
END_TEST

START_TEST(test_no_more_than_there_is) {
        const char *at = buf;
        union fan_event event;
        size_t left;

        (void)put(0, 64, 1);
        for (left = 0; left < 64;) {
                size_t had = left;

                ck_assert(!fan_event_next(&at, &left, &event));
                ck_assert_uint_eq(left, had);
                left++;
        }
        (void)put(0, sizeof(event) + 4, 1);
        left = sizeof(buf);
        ck_assert(!fan_event_next(&at, &left, &event));
        (void)put(0, 20, 1);
        ck_assert(!fan_event_next(&at, &left, &event));
        ck_assert_ptr_eq(at, buf);
}
END_TEST

UNIT_MAIN("fan-event", test_of_any_length, test_no_more_than_there_is);
