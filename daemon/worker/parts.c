/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the list of what is looked at of an odd item, and its digest. Must not read files, nor scan
 * by itself.
 */

#include "daemon/worker/parts.h"

#include <endian.h>
#include <string.h>

#include "daemon/worker/frame.h"
#include "store/util.h"

/* More pieces than that are beyond the limits: each costs a scan. */
#define PIECES_MAX 1000

DEFINE_CLEANUP(struct reader *, reader_free);

/* ---- Bytes in memory, for a reader ---- */

struct memory {
        const uint8_t *data;
        size_t size;
};

static int read_items(enum reader_format format, const struct memory *memory, unsigned flags,
                      struct reader **ret) {
        const struct reader_source source = { .memory = memory->data ?: (const uint8_t *)"",
                                              .size = memory->size };

        return reader_new(format, &source, 0, flags, ret);
}

/* ---- Digests ---- */

enum parts_kind {
        PARTS_MBOX_ITEM = 1,
        PARTS_DBOX_ITEM,
        PARTS_DBOX_FILE,
};

/* What is digested, big endian; the sizes where no byte of the content says them. */
struct parts_source {
        char tag[16];
        uint64_t kind, state, regular, message_at, message_size;
        uint8_t raw[DIGEST_SIZE];
};

static int parts_digest(enum parts_kind kind, const struct item *item, bool regular,
                        const struct memory *memory, uint8_t ret_digest[static DIGEST_SIZE]) {
        struct parts_source source = { .tag = "storescan parts" };
        int r;

        source.tag[sizeof(source.tag) - 1] = CANON_VERSION;
        source.kind = htobe64(kind);
        if (item) {
                source.state = htobe64(item->state);
                source.regular = htobe64(regular);
                source.message_at = htobe64(item->message_offset - item->offset);
                source.message_size = htobe64(item->message_size);
        }
        r = canon_buffer(CANON_RAW, memory->data, memory->size, source.raw);
        return r < 0 ? r : digest_buffer(&source, sizeof(source), ret_digest);
}

/* Digest and what is known by it; false: it is to be scanned. */
static bool answer_by_digest(const struct judge *judge, const struct question *question, int r,
                             struct judgement *ret) {
        if (r < 0) {
                judge_unread(r, &ret->scan);
                return true;
        }
        return judge_by_digest(judge, question, ret);
}

/* ---- Items ---- */

/* The pieces that the most lenient reader of an mbox makes of an item; one that is as large as the
 * message, or as the item, was scanned already. */
static void scan_pieces(struct judge *judge, const struct item *item, struct memory *memory,
                        struct judgement *ret) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        struct scan failed = {};
        struct item piece;
        unsigned n = 0;
        int r;

        r = read_items(READER_MBOX, memory, READER_LENIENT, &reader);
        while (r == 0 && ret->scan.verdict != VERDICT_INFECTED) {
                r = reader_next(reader, &piece);
                if (r <= 0)
                        return;
                r = 0;
                if (piece.message_size == item->message_size || piece.message_size == item->size ||
                    piece.message_size == 0)
                        continue;
                if (++n > PIECES_MAX) {
                        judge_limits(judge, "too many lines in it begin like another message",
                                     &failed);
                        scan_merge(&ret->scan, &failed);
                        return;
                }
                judge_scan(judge, memory->data + piece.message_offset, (size_t)piece.message_size,
                           false, &ret->scan, &ret->context);
        }
        if (r < 0) {
                judge_unread(r, &failed);
                scan_merge(&ret->scan, &failed);
        }
}

static void scan_item(struct judge *judge, enum reader_format format, const struct item *item,
                      bool regular, struct memory *memory, struct judgement *ret) {
        bool unfinished = item->state == ITEM_IN_PROGRESS;
        bool whole = item->state != ITEM_WHOLE || !regular;

        if (whole)
                judge_scan(judge, memory->data, memory->size, unfinished, &ret->scan,
                           &ret->context);
        if (item->message_size > 0 && (!whole || item->message_size < item->size))
                judge_scan(judge, memory->data + (item->message_offset - item->offset),
                           (size_t)item->message_size, unfinished, &ret->scan, &ret->context);
        if (format == READER_MBOX && (item->state == ITEM_DAMAGED || item->has_from_lines))
                scan_pieces(judge, item, memory, ret);
}

static bool is_odd(enum reader_format format, const struct item *item, const uint8_t *data) {
        return item->state != ITEM_WHOLE || item->has_from_lines ||
               !frame_is_regular(format, item, data);
}

/* question NULL: with no digest, always by scans. */
static void judge_odd(struct judge *judge, enum reader_format format, const struct item *item,
                      const uint8_t *data, const struct question *question, struct judgement *ret) {
        struct memory memory = { data, (size_t)item->size };
        bool regular = item->state == ITEM_WHOLE && frame_is_regular(format, item, data);

        if (question) {
                int r = parts_digest(format == READER_MBOX ? PARTS_MBOX_ITEM : PARTS_DBOX_ITEM,
                                     item, regular, &memory, ret->digest);

                if (answer_by_digest(judge, question, r, ret))
                        return;
        }
        ret->scan_usec = trust_now_usec();
        scan_set(&ret->scan, VERDICT_CLEAN, REASON_NONE, "");
        scan_item(judge, format, item, regular, &memory, ret);
}

void parts_judge_item(struct judge *judge, enum reader_format format, const struct item *item,
                      const uint8_t *data, const struct question *question, struct judgement *ret) {
        /* What others are claimed to be a part of it is no part of its digest. */
        bool claims = item->claimed_size > 0;

        if (claims || is_odd(format, item, data))
                judge_odd(judge, format, item, data, claims ? NULL : question, ret);
        else
                judge_message(judge, CANON_MESSAGE, data + (item->message_offset - item->offset),
                              (size_t)item->message_size, question, ret);
}

int parts_same_mbox(const uint8_t *a, const uint8_t *b, size_t size) {
        _cleanup_(reader_freep) struct reader *reader_a = NULL, *reader_b = NULL;
        struct memory memory_a = { a, size }, memory_b = { b, size };
        struct item item_a, item_b;
        int r;

        r = read_items(READER_MBOX, &memory_a, 0, &reader_a);
        if (r == 0)
                r = read_items(READER_MBOX, &memory_b, 0, &reader_b);
        while (r == 0) {
                r = reader_next(reader_a, &item_a);
                if (r >= 0 && reader_next(reader_b, &item_b) != r)
                        return 0;
                if (r <= 0)
                        return r < 0 ? r : 1;
                if (item_a.offset != item_b.offset || item_a.size != item_b.size ||
                    item_a.message_offset != item_b.message_offset ||
                    item_a.message_size != item_b.message_size || item_a.state != item_b.state ||
                    (item_b.has_from_lines && !item_a.has_from_lines))
                        return 0;
                r = 0;
        }
        return r;
}

/* ---- dbox files ---- */

static void scan_dbox(struct judge *judge, struct memory *memory, struct judgement *ret) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        struct scan failed = {};
        struct item item;
        unsigned n = 0;
        int r;

        r = read_items(READER_DBOX, memory, 0, &reader);
        while (r == 0 && ret->scan.verdict != VERDICT_INFECTED) {
                struct memory part;

                r = reader_next(reader, &item);
                if (r <= 0)
                        break;
                r = 0;
                if (item.state == ITEM_HEADER)
                        continue;
                if (++n > PIECES_MAX) {
                        judge_limits(judge, "too many messages for an sdbox file", &failed);
                        scan_merge(&ret->scan, &failed);
                        return;
                }
                part = (struct memory){ memory->data + item.offset, (size_t)item.size };
                scan_item(judge, READER_DBOX, &item,
                          item.state == ITEM_WHOLE &&
                                  frame_is_regular(READER_DBOX, &item, part.data),
                          &part, ret);
        }
        if (r < 0) {
                judge_unread(r, &failed);
                scan_merge(&ret->scan, &failed);
        }
}

/* Header line, one whole message, and nothing else: 1, and which. */
static int find_only_message(struct memory *memory, struct item *ret) {
        _cleanup_(reader_freep) struct reader *reader = NULL;
        struct item header = {}, item = {};
        int r;

        r = read_items(READER_DBOX, memory, 0, &reader);
        if (r == 0)
                r = reader_next(reader, &header);
        if (r > 0)
                r = header.state == ITEM_HEADER ? reader_next(reader, &item) : 0;
        if (r <= 0)
                return r;
        if (!item.last || is_odd(READER_DBOX, &item, memory->data + item.offset))
                return 0;
        *ret = item;
        return 1;
}

int parts_find_message(const uint8_t *data, size_t size, size_t *ret_at, size_t *ret_size) {
        struct memory memory = { data, size };
        struct item item;
        int r = find_only_message(&memory, &item);

        if (r > 0) {
                *ret_at = (size_t)item.message_offset;
                *ret_size = (size_t)item.message_size;
        }
        return r;
}

void parts_judge_dbox(struct judge *judge, const uint8_t *data, size_t size,
                      const struct question *question, struct judgement *ret) {
        struct memory memory = { data, size };
        struct item item;
        int r;

        r = find_only_message(&memory, &item);
        if (r > 0) {
                judge_message(judge, CANON_MESSAGE, data + item.message_offset,
                              (size_t)item.message_size, question, ret);
                return;
        }
        if (r == 0)
                r = parts_digest(PARTS_DBOX_FILE, NULL, false, &memory, ret->digest);
        if (answer_by_digest(judge, question, r, ret))
                return;
        ret->scan_usec = trust_now_usec();
        scan_set(&ret->scan, VERDICT_CLEAN, REASON_NONE, "");
        scan_dbox(judge, &memory, ret);
}
