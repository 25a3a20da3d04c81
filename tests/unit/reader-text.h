/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the unit tests of the readers share: pieces of store files, and items as text to compare:
 * "offset+size message_offset+message_size state", then what else is to be said of them. Header only.
 */

#include <stdarg.h>

#include "store/util.h"
#include "tests/unit/unit.h"

#define WALK_ASSERT ck_assert
#include "tests/unit/reader-walk.h"

#define F "From a@b.c Mon Nov 23 10:00:00 2026\n" /* 36 bytes */

/* A body of 40 bytes with a From_ line in it, and a message behind that. */
#define BODY "x\n" F "b\n" /* 40 bytes */
#define NEXT "\n" F "\nend\n"

#define H        "2 M1e C6b04b343\n"                         /* 16 bytes */
#define M(digit) "\1\2N          000000000000000" digit "\n" /* 30 */
#define POST     "\n\1\3\n"
#define GOOD     M("2") "a\n" POST "\n" /* 37 */

_printf_(2, 3) static inline void append(char **text, const char *format, ...) {
        char *more = NULL, *joined = NULL;
        va_list ap;

        va_start(ap, format);
        ck_assert_int_ge(vasprintf(&more, format, ap), 0);
        va_end(ap);
        ck_assert_int_ge(asprintf(&joined, "%s%s", *text ? *text : "", more), 0);
        free(more);
        free(*text);
        *text = joined;
}

static inline char *items_text(const struct item *items, size_t n) {
        char *text = NULL;

        append(&text, "%s", "");
        for (size_t i = 0; i < n; i++) {
                const struct item *item = items + i;

                append(&text, "%s%" PRIu64 "+%" PRIu64 " %" PRIu64 "+%" PRIu64 " %s",
                       i > 0 ? "; " : "", item->offset, item->size, item->message_offset,
                       item->message_size, item_state_name(item->state));
                if (item->last)
                        append(&text, " last");
                if (item->has_from_lines)
                        append(&text, " from");
                if (item->claimed_size > 0)
                        append(&text, " claimed=%" PRIu64, item->claimed_size);
                if (*item->guid)
                        append(&text, " guid=%s", item->guid);
                if (*item->mailbox)
                        append(&text, " mailbox=%s", item->mailbox);
                if (item->received > 0)
                        append(&text, " received=%" PRIu64, item->received);
                if (item->plain_size != item->message_size)
                        append(&text, " plain=%" PRIu64, item->plain_size);
                if (item->external)
                        append(&text, " external");
        }
        return text;
}

/* By big reads, by reads of one byte, and in memory. */
static inline void assert_items(enum reader_format format, unsigned flags, const void *data,
                                size_t size, const char *expected) {
        static const struct {
                size_t chunk;
                bool at_once;
        } ways[] = { { 0, false }, { 1, false }, { 0, true } };

        for (size_t i = 0; i < ELEMENTSOF(ways); i++) {
                struct memory memory = { .data = data,
                                         .size = size,
                                         .at_once = ways[i].at_once,
                                         .chunk = ways[i].chunk };
                _cleanup_free_ struct item *items = NULL;
                _cleanup_free_ char *text = NULL;
                size_t n;

                items = walk_items(format, flags, &memory, 0, &n);
                text = items_text(items, n);
                ck_assert_str_eq(text, expected);
        }
}

/* A text constant, which may hold NULs, without the NUL at its end. */
#define ASSERT_MBOX(text, expected) assert_items(READER_MBOX, 0, text, sizeof(text) - 1, expected)
#define ASSERT_LENIENT(text, expected) \
        assert_items(READER_MBOX, READER_LENIENT, text, sizeof(text) - 1, expected)
#define ASSERT_DBOX(text, expected) assert_items(READER_DBOX, 0, text, sizeof(text) - 1, expected)
