/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as items of an mbox or dbox file ('m' or 'd' before them), judged without an engine:
 * every byte is scanned, but for the short frame around a message that is whole.
 */

#include <string.h>

#include "daemon/worker/frame.h"
#include "daemon/worker/parts.h"
#include "store/util.h"
#include "tests/fuzz/fuzz.h"

#define WALK_ASSERT FUZZ_ASSERT
#include "tests/unit/reader-walk.h"

/* A header line, From_ lines and metadata are not longer. */
#define FRAME_MAX 2200

/* After as many scans, the limits of parts.c may be met. */
#define SCANS_MAX 1000

static const uint8_t *begin;
static size_t total;
static bool *scanned; /* total bytes */
static unsigned n_scans;

/* ---- In place of trust.c ---- */

uint64_t trust_now_usec(void) {
        return 1;
}

void trust_begin(struct trust *trust) {
        FUZZ_ASSERT(trust);
}

void trust_scan(struct trust *trust, const void *data, size_t size, struct scan *ret) {
        const uint8_t *p = data;
        unsigned sum = 0;

        for (size_t i = 0; i < size; i++)
                sum += p[i];
        n_scans++;
        if (p >= begin && p < begin + total) {
                FUZZ_ASSERT(size <= (size_t)(begin + total - p));
                memset(scanned + (p - begin), 1, size);
        }
        scan_set(ret, VERDICT_CLEAN, REASON_NONE, sum == UINT32_MAX ? "?" : "");
}

/* ---- The test ---- */

/* Verdicts of our own are never UNKNOWN here, and digests are the same each time. */
static void check_judgement(const struct judgement *j, const struct judgement *again) {
        FUZZ_ASSERT(j->scan.verdict == VERDICT_CLEAN || j->scan.verdict == VERDICT_UNSCANNABLE);
        FUZZ_ASSERT(verdict_reason_fits(j->scan.verdict, j->scan.reason));
        FUZZ_ASSERT(j->has_digest && again->has_digest);
        FUZZ_ASSERT(memcmp(j->digest, again->digest, DIGEST_SIZE) == 0);
        FUZZ_ASSERT(again->known == KNOWN_DIGEST && again->scan.verdict == VERDICT_UNKNOWN);
}

/* What of an item was not scanned is its frame. Beyond a limit there may be more, though another
 * reason may be told. */
static void check_scanned(const struct item *item, const struct judgement *j) {
        uint64_t end = item->message_offset + item->message_size, left_out = 0;

        if (j->scan.verdict == VERDICT_UNSCANNABLE &&
            (j->scan.reason == REASON_LIMITS || n_scans >= SCANS_MAX))
                return;
        for (uint64_t i = item->offset; i < item->offset + item->size; i++)
                if (!scanned[i]) {
                        FUZZ_ASSERT(i < item->message_offset || i >= end);
                        left_out++;
                }
        FUZZ_ASSERT(left_out == 0 || item->state == ITEM_WHOLE || item->state == ITEM_HEADER);
        FUZZ_ASSERT(left_out <= FRAME_MAX);
}

static void judge_file(struct judge *judge, const struct item *items, size_t n) {
        struct judgement j = {}, again = {};

        n_scans = 0;
        parts_judge_dbox(judge, begin, total, &(struct question){}, &j);
        for (size_t i = 0; i < n; i++)
                check_scanned(&items[i], &j);
        n_scans = 0;
        parts_judge_dbox(judge, begin, total, &(struct question){ .known = j.digest }, &again);
        FUZZ_ASSERT(n_scans == 0);
        check_judgement(&j, &again);
}

static void judge_item(struct judge *judge, enum reader_format format, const struct item *item) {
        const uint8_t *data = begin + item->offset;
        struct judgement j = {}, again = {};
        struct question known = { .known = j.digest };
        struct item own = *item;

        if (item->state == ITEM_HEADER)
                return;
        /* What lies beyond the item is for others to scan. */
        own.claimed_size = 0;
        n_scans = 0;
        parts_judge_item(judge, format, &own, data, &(struct question){}, &j);
        parts_judge_item(judge, format, &own, data, &known, &again);
        check_judgement(&j, &again);
        check_scanned(item, &j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct engine_options options = { .max_file_size = UINT64_C(1) << 20 };
        struct judge judge = { .options = &options };
        _cleanup_free_ struct item *items = NULL;
        _cleanup_free_ bool *marks = NULL;
        enum reader_format format;
        struct memory memory;
        size_t n;

        if (size == 0)
                return 0;
        format = data[0] == 'm' ? READER_MBOX : READER_DBOX;
        begin = data + 1;
        total = size - 1;
        scanned = marks = calloc(MAX(total, (size_t)1), sizeof(*marks));
        FUZZ_ASSERT(marks);
        memory = (struct memory){ .data = begin, .size = total };
        items = walk_items(format, 0, &memory, 0, &n);
        for (size_t i = 0; i < n; i++)
                judge_item(&judge, format, &items[i]);
        if (format == READER_DBOX) {
                memset(marks, 0, total);
                judge_file(&judge, items, n);
        }
        return 0;
}
