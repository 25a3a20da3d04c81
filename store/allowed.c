/* SPDX-License-Identifier: Apache-2.0 */

/* A sorted array of allowed digests, and its text. Owns nothing beyond the arrays of its callers. */

#include "store/allowed.h"

#include <stdio.h>

#include "store/util.h"

#define FOREVER "forever"

static int digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int allowed_digest(const char *text, uint8_t ret_digest[static DIGEST_SIZE]) {
        uint8_t out[DIGEST_SIZE];

        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);

                if (low < 0)
                        return -EINVAL;
                out[i] = (uint8_t)(high << 4 | low);
        }
        memcpy(ret_digest, out, sizeof(out));
        return 0;
}

/* Where a digest stands or would have to; whether it does. */
static size_t place(const struct allowed *allowed, const uint8_t digest[static DIGEST_SIZE],
                    bool *ret_found) {
        size_t low = 0, high = allowed->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = memcmp(allowed->entries[middle].digest, digest, DIGEST_SIZE);

                if (c == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (c < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_found = false;
        return low;
}

int allowed_add(struct allowed *allowed, const struct allowed_entry *entry) {
        bool found;
        size_t at = place(allowed, entry->digest, &found);

        if (!found || !allowed->entries) {
                struct allowed_entry *more;

                if (allowed->n >= ALLOWED_MAX)
                        return -E2BIG;
                /* Doubled at powers of two. */
                if ((allowed->n & (allowed->n - 1)) == 0) {
                        more = realloc(allowed->entries,
                                       MAX(allowed->n * 2, (size_t)1) * sizeof(*more));
                        if (!more)
                                return -ENOMEM;
                        allowed->entries = more;
                }
                memmove(allowed->entries + at + 1, allowed->entries + at,
                        (allowed->n - at) * sizeof(*entry));
                allowed->n++;
        }
        allowed->entries[at] = *entry;
        return 0;
}

bool allowed_remove(struct allowed *allowed, const uint8_t digest[static DIGEST_SIZE]) {
        bool found;
        size_t at = place(allowed, digest, &found);

        if (!found)
                return false;
        allowed->n--;
        memmove(allowed->entries + at, allowed->entries + at + 1,
                (allowed->n - at) * sizeof(*allowed->entries));
        /* Its room must stay what allowed_add() takes it for. */
        if ((allowed->n & (allowed->n - 1)) == 0) {
                struct allowed_entry *less = NULL;

                if (allowed->n > 0)
                        less = realloc(allowed->entries, allowed->n * sizeof(*less));
                else
                        free(allowed->entries);
                if (less || allowed->n == 0)
                        allowed->entries = less;
        }
        return true;
}

void allowed_done(struct allowed *allowed) {
        free(allowed->entries);
        *allowed = (struct allowed){};
}

size_t allowed_format(const struct allowed_entry *entry,
                      char ret_line[static ALLOWED_LINE_MAX + 1]) {
        char word[GENERATION_LENGTH + 1] = FOREVER;
        size_t n = 0;

        for (size_t i = 0; i < DIGEST_SIZE; i++)
                n += (size_t)snprintf(ret_line + n, ALLOWED_LINE_MAX + 1 - n, "%02x",
                                      entry->digest[i]);
        if (!entry->forever)
                generation_format(&entry->generation, word);
        return n + (size_t)snprintf(ret_line + n, ALLOWED_LINE_MAX + 1 - n, " %s\n", word);
}

static int parse_line(const char *line, size_t size, struct allowed_entry *ret) {
        const char *word = line + 2 * DIGEST_SIZE + 1;
        size_t n;

        if (size <= 2 * DIGEST_SIZE + 1 || line[2 * DIGEST_SIZE] != ' ' ||
            allowed_digest(line, ret->digest) < 0)
                return -EINVAL;
        n = size - 2 * DIGEST_SIZE - 1;
        ret->forever = n == strlen(FOREVER) && memcmp(word, FOREVER, n) == 0;
        ret->generation = (struct generation){};
        if (ret->forever)
                return 0;
        return n == GENERATION_LENGTH ? base64url_decode(word, ret->generation.id, GENERATION_SIZE)
                                      : -EINVAL;
}

int allowed_parse(const char *text, size_t size, struct allowed *ret, unsigned *ret_line) {
        struct allowed allowed = {};
        const char *p = text, *end = text + size;
        int r = 0;

        *ret_line = 0;
        while (p < end && r == 0) {
                const char *eol = memchr(p, '\n', (size_t)(end - p));
                struct allowed_entry entry;

                ++*ret_line;
                r = eol ? parse_line(p, (size_t)(eol - p), &entry) : -EINVAL;
                if (r == 0 && allowed.n > 0 &&
                    memcmp(allowed.entries[allowed.n - 1].digest, entry.digest, DIGEST_SIZE) >= 0)
                        r = -EINVAL;
                if (r == 0)
                        r = allowed_add(&allowed, &entry);
                p = eol ? eol + 1 : end;
        }
        if (r < 0) {
                allowed_done(&allowed);
                return r;
        }
        *ret = allowed;
        return 0;
}

const struct allowed_entry *allowed_find(const struct allowed *allowed,
                                         const uint8_t digest[static DIGEST_SIZE]) {
        bool found;
        size_t at = place(allowed, digest, &found);

        return found ? &allowed->entries[at] : NULL;
}

bool allowed_holds(const struct allowed *allowed, const uint8_t *digest, size_t size,
                   const struct generation *running) {
        uint8_t first[DIGEST_SIZE] = {};
        bool found;

        memcpy(first, digest, MIN(size, sizeof(first)));
        for (size_t i = place(allowed, first, &found); i < allowed->n; i++) {
                const struct allowed_entry *entry = &allowed->entries[i];

                if (memcmp(entry->digest, digest, MIN(size, sizeof(first))) != 0)
                        return false;
                if (entry->forever || memcmp(&entry->generation, running, sizeof(*running)) == 0)
                        return true;
        }
        return false;
}
