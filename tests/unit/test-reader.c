/* SPDX-License-Identifier: Apache-2.0 */

/* What holds for readers of every format: bounded work, any start, sources that fail or end. */

#include "tests/unit/reader-text.h"

/* Hostile files that invite to read the same bytes again and again. */
static void assert_linear(enum reader_format format, const char *begin, const char *again) {
        _cleanup_free_ char *data = NULL;
        struct memory memory = {};
        struct item *items;
        size_t size = 0, n, more = strlen(again), most = (size_t)1 << 18;

        data = malloc(most);
        ck_assert_ptr_nonnull(data);
        size = strlen(begin);
        memcpy(data, begin, size);
        for (; size + more < most; size += more)
                memcpy(data + size, again, more);
        memory = (struct memory){ .data = (const uint8_t *)data, .size = size };
        items = walk_items(format, 0, &memory, 0, &n);
        free(items);
        ck_assert_uint_ge(n, 1);
        /* Of each some bytes are looked at ahead, one window at most. */
        ck_assert_msg(memory.n_bytes < (uint64_t)size * 100, "%" PRIu64 " bytes read of %zu",
                      memory.n_bytes, size);
}

START_TEST(hostile_repetitions) {
        assert_linear(READER_DBOX, H, M("0"));
        assert_linear(READER_DBOX, H, M("0") POST);
        assert_linear(READER_DBOX, H, M("0") POST "G");
        assert_linear(READER_DBOX, H, M("0") "x" POST "G");
        assert_linear(READER_DBOX, H, "\1\2N          000000000000c000\n");
        assert_linear(READER_DBOX, H, "\1\2N          0000000000000022\n" POST "G");
        assert_linear(READER_DBOX, H, "\1\2N          0000000000010000\n\1\3\n");
        assert_linear(READER_DBOX, H, "\1\2");
        assert_linear(READER_DBOX, H, "\1");
        assert_linear(READER_MBOX, F, F "Content-Length: 500000\n\n");
        assert_linear(READER_MBOX, F, F "Content-Length: 1\nContent-Length: 99\n\n");
        assert_linear(READER_MBOX, F, "From \n");
        assert_linear(READER_MBOX, F, "From ");
        assert_linear(READER_MBOX, F, "From x\n\n");
        assert_linear(READER_MBOX, F, "\n" F);
        assert_linear(READER_MBOX, "", "From x\n");
        assert_linear(READER_MBOX, F, "Content-Length: \n ");
        assert_linear(READER_MBOX, F, "\n");
}
END_TEST

/* Ten thousand headers, the body of each of which ends where long metadata without an end begins. */
START_TEST(hostile_metadata) {
        enum { N = 10000, METADATA = 300000 };
        size_t post = 16 + 30 * (size_t)N, size = post + 4 + METADATA, n;
        _cleanup_free_ char *data = malloc(size);
        struct memory memory = { .data = (const uint8_t *)data, .size = size };
        _cleanup_free_ struct item *items = NULL;

        ck_assert_ptr_nonnull(data);
        memset(data, 'G', size);
        memcpy(data, H, 16);
        for (size_t i = 0; i < N; i++) {
                char header[31];

                snprintf(header, sizeof(header), "\1\2N          %016zx\n",
                         post - (16 + 30 * (i + 1)));
                memcpy(data + 16 + 30 * i, header, 30);
        }
        memcpy(data + post, POST, 4);
        for (size_t i = post + 100; i < size; i += 100)
                data[i] = '\n';
        items = walk_items(READER_DBOX, 0, &memory, 0, &n);
        ck_assert_uint_eq(n, N + 1);
        ck_assert_int_eq(items[N - 1].state, ITEM_DAMAGED);
        ck_assert_uint_lt(memory.n_bytes, 10 * size);
}
END_TEST

/* Large files are read in large pieces, small messages not one by one. */
START_TEST(few_reads) {
        enum { SIZE = 1 << 20 };
        static const char message[] = F "S: a\n\nb\n\n";
        _cleanup_free_ char *data = malloc(SIZE);
        struct memory memory = { .data = (const uint8_t *)data };
        _cleanup_free_ struct item *items = NULL;
        size_t n;

        ck_assert_ptr_nonnull(data);
        for (; memory.size + 45 <= SIZE; memory.size += 45)
                memcpy(data + memory.size, message, 45);
        items = walk_items(READER_MBOX, 0, &memory, 0, &n);
        ck_assert_uint_eq(n, SIZE / 45);
        ck_assert_uint_le(memory.n_reads, 20);
        ck_assert_uint_lt(memory.n_bytes, SIZE + 4096);
}
END_TEST

/* From every item on, the same items follow. */
START_TEST(any_start) {
        static const char mbox[] =
                "x\n" F "S: a\n" F F "\nb\n\n" F "Content-Length: 40\n\n" BODY NEXT;
        static const char dbox[] = H GOOD GOOD "x" GOOD M("0") "Sub";
        static const struct {
                enum reader_format format;
                const char *data;
                size_t size;
        } cases[] = {
                { READER_MBOX, mbox, sizeof(mbox) - 1 },
                { READER_DBOX, dbox, sizeof(dbox) - 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct memory memory = { .data = (const uint8_t *)cases[i].data,
                                         .size = cases[i].size };
                _cleanup_free_ struct item *items = NULL;
                size_t n;

                items = walk_items(cases[i].format, 0, &memory, 0, &n);
                ck_assert_uint_ge(n, 5);
                for (size_t k = 0; k < n; k++) {
                        _cleanup_free_ struct item *rest = NULL;
                        size_t n_rest;

                        rest = walk_items(cases[i].format, 0, &memory, items[k].offset, &n_rest);
                        ck_assert(same_items(items + k, n - k, rest, n_rest));
                        memory.at_once = !memory.at_once;
                }
        }
}
END_TEST

START_TEST(failing_source) {
        static const char text[] = F "S: a\n\nb\n\n" F "S: b\n\nb\n";
        struct memory memory = { .data = (const uint8_t *)text, .size = sizeof(text) - 1 };
        struct reader_source source = { .read = memory_read,
                                        .userdata = &memory,
                                        .size = sizeof(text) - 1 };
        struct reader *reader = NULL;
        struct item item;

        memory.fail_at = 60;
        memory.chunk = 10;
        ck_assert_int_eq(reader_new(READER_MBOX, &source, 0, 0, &reader), 0);
        ck_assert_int_eq(reader_next(reader, &item), -EIO);
        ck_assert_int_eq(reader_next(reader, &item), -EIO);
        /* It is well again: nothing was lost. */
        memory.fail_at = 0;
        ck_assert_int_eq(reader_next(reader, &item), 1);
        ck_assert_uint_eq(item.offset, 0);
        ck_assert_uint_eq(item.size, 45);
        ck_assert_int_eq(reader_next(reader, &item), 1);
        ck_assert_uint_eq(item.offset, 45);
        ck_assert_int_eq(reader_next(reader, &item), 0);
        ck_assert_ptr_null(reader_free(reader));

        memory.fail_at = 1;
        reader = NULL;
        ck_assert_int_eq(reader_new(READER_DBOX, &source, 0, 0, &reader), -EIO);
        ck_assert_ptr_null(reader);
        memory.fail_at = 0;
        ck_assert_int_eq(reader_new(READER_MBOX, &source, source.size + 1, 0, &reader), -EINVAL);
        ck_assert_int_eq(reader_new(_READER_FORMAT_MAX, &source, 0, 0, &reader), -EINVAL);
        source.memory = (const uint8_t *)text;
        source.memory_at = 45;
        ck_assert_int_eq(reader_new(READER_MBOX, &source, 44, 0, &reader), -EINVAL);
        source.memory = NULL;
        source.size = UINT64_MAX;
        ck_assert_int_eq(reader_new(READER_MBOX, &source, 0, 0, &reader), -EINVAL);
        ck_assert_ptr_null(reader);
        ck_assert_ptr_null(reader_free(NULL));
}
END_TEST

/* The file was cut off since its size was asked for. */
static void assert_shrunk(bool is_mbox) {
        static const char mbox[] = F "Content-Length: 3\n\nb\n\n" F "Content-Length: 99\n\nb\n";
        static const char dbox[] = H GOOD "\1\2N          0000000000001000\na\n" GOOD M("0");
        const char *text = is_mbox ? mbox : dbox;

        for (size_t size = 0; size < (is_mbox ? sizeof(mbox) : sizeof(dbox)); size++) {
                struct memory memory = { .data = (const uint8_t *)text, .size = size };
                struct reader_source source = { .read = memory_read,
                                                .userdata = &memory,
                                                .size = 100000 };
                _cleanup_(reader_freep) struct reader *reader = NULL;
                uint64_t offset = 0;
                struct item item;
                int r;

                ck_assert_int_eq(
                        reader_new(is_mbox ? READER_MBOX : READER_DBOX, &source, 0, 0, &reader), 0);
                while ((r = reader_next(reader, &item)) > 0) {
                        check_item(&item, offset, size);
                        offset += item.size;
                }
                ck_assert_int_eq(r, 0);
                ck_assert_uint_eq(offset, size);
        }
}

START_TEST(shrunk_source) {
        assert_shrunk(true);
        assert_shrunk(false);
}
END_TEST

/* A file larger than any memory: text at both ends and zeros between. */
static const char far_begin[] = F "Content-Length: 10000000000\n\nx\n" F;
static const char far_end[] = "\n" F "\nend\n";
#define FAR_END (UINT64_C(10000000000) + 36 + 29)

static ssize_t far_read(void *userdata, void *buf, size_t size, uint64_t offset) {
        uint8_t *p = buf;

        for (size_t i = 0; i < size; i++, offset++)
                p[i] = offset < sizeof(far_begin) - 1           ? (uint8_t)far_begin[offset]
                       : offset < FAR_END                       ? 'x'
                       : offset < FAR_END + sizeof(far_end) - 1 ? (uint8_t)far_end[offset - FAR_END]
                                                                : 0;
        *(uint64_t *)userdata += size;
        return (ssize_t)size;
}

START_TEST(large_file) {
        uint64_t n_bytes = 0;
        struct reader_source source = { .read = far_read,
                                        .userdata = &n_bytes,
                                        .size = FAR_END + sizeof(far_end) - 1 };
        _cleanup_(reader_freep) struct reader *reader = NULL;
        struct item item;

        ck_assert_int_eq(reader_new(READER_MBOX, &source, 0, 0, &reader), 0);
        ck_assert_int_eq(reader_next(reader, &item), 1);
        ck_assert_uint_eq(item.message_size, UINT64_C(10000000000) + 29);
        ck_assert(item.has_from_lines);
        ck_assert_int_eq(reader_next(reader, &item), 1);
        ck_assert_uint_eq(item.offset, FAR_END + 1);
        ck_assert_uint_eq(item.message_size, 4);
        ck_assert(item.last);
        ck_assert_int_eq(reader_next(reader, &item), 0);
        ck_assert_uint_lt(n_bytes, 1000000);
}
END_TEST

START_TEST(state_names) {
        ck_assert_str_eq(item_state_name(ITEM_WHOLE), "whole");
        ck_assert_str_eq(item_state_name(ITEM_HEADER), "header");
        ck_assert_str_eq(item_state_name(_ITEM_STATE_MAX), "invalid");
        ck_assert_str_eq(item_state_name((enum item_state) - 1), "invalid");
}
END_TEST

UNIT_MAIN("reader", hostile_repetitions, hostile_metadata, few_reads, any_start, failing_source,
          shrunk_source, large_file, state_names);
