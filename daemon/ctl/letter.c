/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Nothing of the items gets into the header, and into the body only in clean lines of their own, none
 * of which is longer than mail allows. Must not do I/O.
 */

#include "daemon/ctl/letter.h"

#include <stdio.h>

#include "daemon/ctl/check.h"
#include "store/text.h"
#include "store/util.h"

#define VALUE_SIZE 200 /* in bytes, with the NUL */

static void put(FILE *f, const char *name, const char *value) {
        char clean[VALUE_SIZE];

        text_clean(value, strlen(value), clean, sizeof(clean));
        fprintf(f, "  %-9s %s\n", name, clean[0] != '\0' ? clean : "-");
}

static void put_header(FILE *f, const char *name, const char *value) {
        char clean[VALUE_SIZE];

        text_clean(value, strlen(value), clean, sizeof(clean));
        for (char *c = clean; *c != '\0'; c++)
                if ((unsigned char)*c > '~')
                        *c = '?';
        fprintf(f, "%s: %s\n", name, clean);
}

char *letter_write(const char *user, const char *host, const struct letter_item *items, size_t n,
                   size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        char clean[VALUE_SIZE];
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        put_header(f, "To", user);
        fprintf(f, "Subject: Infected content was removed from %zu %s\n", n,
                n == 1 ? "message" : "messages");
        fputs("Auto-Submitted: auto-generated\n"
              "Precedence: bulk\n"
              "MIME-Version: 1.0\n"
              "Content-Type: text/plain; charset=utf-8\n"
              "Content-Transfer-Encoding: 8bit\n"
              "\n",
              f);
        fprintf(f,
                "The mail server found malware in %s of yours and put a notice in its place.\n"
                "The originals are kept in quarantine for some time. If you need one of them, ask\n"
                "your postmaster and name its id.\n",
                n == 1 ? "a message" : "messages");
        for (size_t i = 0; i < n && i < LETTER_ITEMS_MAX; i++) {
                char when[64];

                check_format_time(items[i].time_usec / USEC_PER_MSEC, when, sizeof(when));
                fputc('\n', f);
                put(f, "Removed", when);
                put(f, "From", items[i].from);
                put(f, "Subject", items[i].subject);
                put(f, "Malware", items[i].signature);
                put(f, "Id", items[i].id);
        }
        if (n > LETTER_ITEMS_MAX)
                fprintf(f, "\nAnd %zu more.\n", n - LETTER_ITEMS_MAX);
        text_clean(host, strlen(host), clean, sizeof(clean));
        fprintf(f, "\n-- \nstorescan on %s\n", clean);
        if (fclose(f) != 0)
                return NULL;
        *ret_size = size;
        return TAKE_PTR(text);
}
