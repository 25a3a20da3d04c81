/* SPDX-License-Identifier: Apache-2.0 */

/* The text and the table of generations. */

#include "store/generations.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "store/digest.h"
#include "store/util.h"

#define HEADER "storescan-generations 1\n"
/* "GENERATION FIRST LAST OPTIONS\n" */
#define LINE_MAX_SIZE \
        (GENERATION_LENGTH + 1 + 2 * (sizeof("1795470147") + 10) + sizeof("5f3a21c0\n"))

static_assert(sizeof(HEADER) + 64 + GENERATIONS_MAX * LINE_MAX_SIZE <= GENERATIONS_TEXT_MAX,
              "the longest text fits");

/* Reads a number and the character behind it, which is no part of it. */
static bool take_number(const char **p, const char *end, unsigned base, size_t max, char behind,
                        uint64_t *ret) {
        const char *s = *p;
        uint64_t v = 0;

        for (; s < end && *s != behind; s++) {
                unsigned d = *s >= '0' && *s <= '9'   ? (unsigned)(*s - '0')
                             : *s >= 'a' && *s <= 'f' ? (unsigned)(*s - 'a') + 10
                                                      : base;

                if (d >= base || (size_t)(s - *p) == max)
                        return false;
                v = v * base + d;
        }
        if (s == end || s == *p)
                return false;
        *p = s + 1;
        *ret = v;
        return true;
}

static bool take_word(const char **p, const char *end, const char *word) {
        size_t n = strlen(word);

        if ((size_t)(end - *p) < n || memcmp(*p, word, n) != 0)
                return false;
        *p += n;
        return true;
}

static bool take_line(const char **p, const char *end, struct generation_past *ret) {
        uint64_t options;

        if (end - *p < GENERATION_LENGTH + 1 || (*p)[GENERATION_LENGTH] != ' ' ||
            base64url_decode(*p, ret->generation.id, GENERATION_SIZE) < 0)
                return false;
        *p += GENERATION_LENGTH + 1;
        if (!take_number(p, end, 10, 12, ' ', &ret->first_sec) ||
            !take_number(p, end, 10, 12, ' ', &ret->last_sec) ||
            !take_number(p, end, 16, 8, '\n', &options))
                return false;
        ret->options = (uint32_t)options;
        return ret->first_sec <= ret->last_sec;
}

int generations_parse(const char *text, size_t size, struct generations *ret) {
        const char *p = text, *end = text + size;
        struct generations g = {};

        if (!take_word(&p, end, HEADER) || !take_word(&p, end, "installed ") ||
            !take_number(&p, end, 10, 12, '\n', &g.installed_sec))
                return -EINVAL;
        for (; p < end; g.n++)
                if (g.n == GENERATIONS_MAX || !take_line(&p, end, &g.past[g.n]) ||
                    (g.n > 0 && g.past[g.n].first_sec < g.past[g.n - 1].first_sec))
                        return -EINVAL;
        *ret = g;
        return 0;
}

size_t generations_format(const struct generations *g, char ret_text[static GENERATIONS_TEXT_MAX]) {
        int n = snprintf(ret_text, GENERATIONS_TEXT_MAX, HEADER "installed %" PRIu64 "\n",
                         g->installed_sec);

        for (size_t i = 0; i < g->n; i++) {
                const struct generation_past *past = &g->past[i];
                char name[GENERATION_LENGTH + 1];

                generation_format(&past->generation, name);
                n += snprintf(ret_text + n, GENERATIONS_TEXT_MAX - (size_t)n,
                              "%s %" PRIu64 " %" PRIu64 " %08" PRIx32 "\n", name, past->first_sec,
                              past->last_sec, past->options);
        }
        return (size_t)n;
}

const struct generation_past *generations_find(const struct generations *g,
                                               const struct generation *generation) {
        for (size_t i = 0; i < g->n; i++)
                if (memcmp(&g->past[i].generation, generation, sizeof(*generation)) == 0)
                        return &g->past[i];
        return NULL;
}

static void drop(struct generations *g, size_t i) {
        memmove(&g->past[i], &g->past[i + 1], (g->n - i - 1) * sizeof(g->past[0]));
        g->n--;
}

static void drop_oldest(struct generations *g) {
        size_t oldest = 0;

        for (size_t i = 1; i < g->n; i++)
                if (g->past[i].last_sec < g->past[oldest].last_sec)
                        oldest = i;
        drop(g, oldest);
}

void generations_note(struct generations *g, const struct generation *generation, uint32_t options,
                      uint64_t now_sec) {
        struct generation_past *past =
                (struct generation_past *)(uintptr_t)generations_find(g, generation);

        if (g->installed_sec == 0)
                g->installed_sec = now_sec;
        if (past) {
                past->last_sec = MAX(past->last_sec, now_sec);
                return;
        }
        if (g->n == GENERATIONS_MAX)
                drop_oldest(g);
        /* A clock that was set back does not put the table out of order. */
        if (g->n > 0)
                now_sec = MAX(now_sec, g->past[g->n - 1].first_sec);
        g->past[g->n++] = (struct generation_past){
                .generation = *generation,
                .options = options,
                .first_sec = now_sec,
                .last_sec = now_sec,
        };
}
