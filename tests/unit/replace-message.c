/* SPDX-License-Identifier: Apache-2.0 */

/*
 * replace-message TEMPLATE: reads a message from standard input, and writes what each plan of the
 * search makes of it: "SIZE WHOLE NOTICED OFFSET+SIZE...\n" and the message. For replace-decoded.
 */

#include <stdio.h>

#include "store/notice.h"
#include "store/replace.h"
#include "store/util.h"

#define INPUT_MAX ((size_t)16 << 20)

DEFINE_CLEANUP(struct mime *, mime_free);

static void fail(const char *what) {
        fprintf(stderr, "replace-message: %s\n", what);
        exit(EXIT_FAILURE);
}

static void write_plan(const struct replace_plan *plan, const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *copy = malloc(MAX(size, (size_t)1));

        if (!copy)
                fail("no memory");
        memcpy(copy, data, size);
        replace_plan_apply(plan, copy, size);
        printf("%zu %d %d", size, plan->whole, plan->noticed);
        for (size_t i = 0; i < plan->n_patches; i++)
                printf(" %zu+%zu", plan->patches[i].offset, plan->patches[i].size);
        printf("\n");
        (void)fwrite(copy, 1, size, stdout);
}

int main(int argc, char **argv) {
        static const struct notice_values values = {
                .signature = "Win.Test.EICAR_HDB-1",
                .item = "Maildir/cur/1795427001.M1P1.example:2,S",
                .sender = "M\xc3\xa4rta <marta@example.org>",
                .date = "2026-11-23 10:00:00 UTC",
                .host = "mail.example.org",
        };
        _cleanup_(mime_freep) struct mime *mime = NULL;
        _cleanup_free_ uint8_t *data = malloc(INPUT_MAX);
        _cleanup_free_ char *notice = NULL;
        struct notice_error error;
        struct replace_search search = {};
        struct replace_plan *plan;
        size_t size;
        int r;

        if (argc != 2 || !data)
                fail("usage: replace-message TEMPLATE");
        size = fread(data, 1, INPUT_MAX, stdin);
        if (notice_new(argv[1], strlen(argv[1]), &values, &notice, &error) < 0)
                fail(error.text);
        if (mime_new(data, size, &mime) < 0)
                fail("no memory");
        search.mime = mime;
        search.notice = notice;
        while ((r = replace_next(&search, &plan)) > 0) {
                write_plan(plan, data, size);
                replace_plan_free(plan);
        }
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
