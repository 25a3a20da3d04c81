/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a message: its parts lie within each other, and each plan for it stays within bodies,
 * keeps size, ends of lines, headers, boundaries and the tree of parts, and leaves nothing of a body.
 * The beginning of the input is also the notice's template, if it is a valid one.
 */

#include <string.h>

#include "store/notice.h"
#include "store/replace.h"
#include "store/util.h"
#include "tests/fuzz/fuzz.h"

static void check_parts(const struct mime *mime) {
        FUZZ_ASSERT(mime->n > 0 && mime->n <= MIME_PARTS_MAX + MIME_UU_MAX);
        for (size_t i = 0; i < mime->n; i++) {
                const struct mime_part *p = &mime->parts[i], *parent;

                FUZZ_ASSERT(p->start <= p->body && p->body <= p->end && p->end <= mime->size);
                FUZZ_ASSERT(memchr(p->type, '\0', sizeof(p->type)));
                FUZZ_ASSERT(memchr(p->filename, '\0', sizeof(p->filename)));
                FUZZ_ASSERT((i == 0) == (p->parent == MIME_NONE));
                if (i == 0)
                        continue;
                FUZZ_ASSERT(p->parent < i);
                parent = &mime->parts[p->parent];
                FUZZ_ASSERT(p->start >= parent->body && p->end <= parent->end);
                FUZZ_ASSERT(p->depth == parent->depth + 1 && p->depth <= MIME_DEPTH_MAX + 1);
        }
}

/* Leaves and what stands outside of parts: the bytes that may change. */
static uint8_t *map_bodies(const struct mime *mime) {
        uint8_t *map = calloc(1, MAX(mime->size, (size_t)1));

        FUZZ_ASSERT(map);
        for (size_t i = 0; i < mime->n; i++) {
                const struct mime_part *p = &mime->parts[i];

                if (p->kind != MIME_LEAF && p->kind != MIME_OUTSIDE)
                        continue;
                for (size_t k = p->body; k < p->end; k++)
                        FUZZ_ASSERT(map[k]++ == 0);
        }
        return map;
}

static bool is_line_end(const uint8_t *data, size_t size, size_t at) {
        return data[at] == '\n' || (data[at] == '\r' && at + 1 < size && data[at + 1] == '\n');
}

static void check_plan(const struct mime *mime, const struct replace_plan *plan,
                       const uint8_t *map) {
        uint8_t *copy = malloc(MAX(mime->size, (size_t)1));
        struct mime *after;
        size_t at = 0;
        bool uu = false;

        FUZZ_ASSERT(copy);
        memcpy(copy, mime->data, mime->size);
        replace_plan_apply(plan, copy, mime->size);
        FUZZ_ASSERT(plan->n_patches > 0);
        for (size_t i = 0; i < plan->n_patches; i++) {
                const struct replace_patch *p = &plan->patches[i];

                FUZZ_ASSERT(p->offset >= at && p->size > 0 && p->offset + p->size <= mime->size);
                FUZZ_ASSERT(memcmp(mime->data + at, copy + at, p->offset - at) == 0);
                for (at = p->offset; at < p->offset + p->size; at++) {
                        FUZZ_ASSERT(map[at] == 1);
                        FUZZ_ASSERT(is_line_end(copy, mime->size, at) ==
                                    is_line_end(mime->data, mime->size, at));
                        if (is_line_end(copy, mime->size, at))
                                FUZZ_ASSERT(copy[at] == mime->data[at]);
                        else
                                FUZZ_ASSERT(copy[at] >= ' ' && copy[at] != 0x7f);
                }
        }
        FUZZ_ASSERT(memcmp(mime->data + at, copy + at, mime->size - at) == 0);
        FUZZ_ASSERT(mime_new(copy, mime->size, &after) == 0);
        uu = plan->part != MIME_NONE && mime->parts[plan->part].kind == MIME_UU;
        FUZZ_ASSERT(mime_same(mime, after, uu));
        mime_free(after);
        free(copy);
}

/* Nothing of a body is left: without a notice, all of it encodes blanks. */
static void check_blank(const struct mime *mime, const struct mime_part *part,
                        const uint8_t *copy) {
        const char *code = " ";
        bool first = true; /* of a line */

        if (part->kind == MIME_LEAF && part->encoding == MIME_BASE64)
                code = "ICAg= ";
        else if (part->kind == MIME_UU)
                code = "(\"`@ ";
        for (size_t i = part->body; i < part->end; i++) {
                bool end = is_line_end(copy, mime->size, i);
                /* Length and checksum. */
                bool count = part->kind == MIME_UU &&
                             (first || i + 1 == part->end || is_line_end(copy, mime->size, i + 1));

                FUZZ_ASSERT(end || strchr(code, copy[i]) ||
                            (count && copy[i] >= ' ' && copy[i] <= '`'));
                first = end;
        }
}

static void check_blanks(const struct mime *mime, const uint8_t *map) {
        struct replace_search search = { .mime = mime };
        struct replace_plan *plan;
        unsigned n = 0;

        while (replace_next(&search, &plan) > 0) {
                FUZZ_ASSERT(!plan->noticed);
                check_plan(mime, plan, map);
                if (plan->part != MIME_NONE)
                        check_blank(mime, &mime->parts[plan->part], plan->copy);
                for (size_t i = 0; plan->whole && i < mime->n; i++)
                        if (mime->parts[i].kind == MIME_LEAF || mime->parts[i].kind == MIME_OUTSIDE)
                                check_blank(mime, &mime->parts[i], plan->copy);
                n++;
                replace_plan_free(plan);
        }
        FUZZ_ASSERT(n <= REPLACE_ALONE_MAX + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char usual[] =
                "Removed: %{signature}\n\nFrom %{host} & <more>\n--x\nbegin 644 x\n";
        const struct notice_values values = { "S", "I", "--b From \xc3\xa4", "D", "h" };
        struct notice_error error = {};
        struct replace_search search = {};
        struct replace_plan *plan;
        struct mime *mime;
        char *notice = NULL;
        uint8_t *map;
        int r;

        r = notice_new((const char *)data, MIN(size, (size_t)300), &values, &notice, &error);
        FUZZ_ASSERT(r == notice_check((const char *)data, MIN(size, (size_t)300), &error));
        FUZZ_ASSERT(r == 0 || (r == -EINVAL && error.text));
        if (r < 0)
                FUZZ_ASSERT(notice_new(usual, sizeof(usual) - 1, &values, &notice, &error) == 0);
        FUZZ_ASSERT(mime_new(data, size, &mime) == 0);
        check_parts(mime);
        map = map_bodies(mime);
        search.mime = mime;
        search.notice = notice;
        while ((r = replace_next(&search, &plan)) > 0) {
                check_plan(mime, plan, map);
                replace_plan_free(plan);
        }
        FUZZ_ASSERT(r == 0);
        check_blanks(mime, map);
        free(map);
        free(notice);
        mime_free(mime);
        return 0;
}
