/* SPDX-License-Identifier: Apache-2.0 */

/* The text and the table of contents that cost two workers. */

#include "store/poison.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "store/util.h"

#define HEADER   "storescan-poison 1 "
#define WORDS    6
#define TIME_MAX 999999999999 /* as generations.c */

/* "GENERATION DIGEST SIZE TIME crash yes\n" */
static_assert(128 + POISON_MAX * (GENERATION_LENGTH + 1 + POISON_DIGEST_TEXT + 1 + 21 + 21 + 6 +
                                  4) <=
                      POISON_TEXT_MAX,
              "the longest text fits");

/* ---- Text ---- */

void poison_digest_format(const uint8_t digest[static DIGEST_SIZE],
                          char ret_text[static POISON_DIGEST_TEXT + 1]) {
        static const char hex[] = "0123456789abcdef";

        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                ret_text[2 * i] = hex[digest[i] >> 4];
                ret_text[2 * i + 1] = hex[digest[i] & 15];
        }
        ret_text[POISON_DIGEST_TEXT] = '\0';
}

struct word {
        const char *text;
        size_t size;
};

/* Takes a line of exactly WORDS words with one blank between. */
static bool take_words(const char **p, const char *end, struct word ret[static WORDS]) {
        const char *s = *p;

        for (size_t i = 0; i < WORDS; i++) {
                const char behind = i + 1 < WORDS ? ' ' : '\n';
                const char *start = s;

                while (s < end && *s != ' ' && *s != '\n')
                        s++;
                if (s == end || *s != behind)
                        return false;
                ret[i] = (struct word){ start, (size_t)(s - start) };
                s++;
        }
        *p = s;
        return true;
}

static bool is_word(const struct word *word, const char *text) {
        return word->size == strlen(text) && memcmp(word->text, text, word->size) == 0;
}

static int digit_of(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_digest(const struct word *word, uint8_t ret[static DIGEST_SIZE]) {
        if (word->size != POISON_DIGEST_TEXT)
                return false;
        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                int high = digit_of(word->text[2 * i]), low = digit_of(word->text[2 * i + 1]);

                if (high < 0 || low < 0)
                        return false;
                ret[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}

static bool take_number(const struct word *word, uint64_t max, uint64_t *ret) {
        uint64_t v = 0;

        if (word->size == 0 || word->size > 19)
                return false;
        for (size_t i = 0; i < word->size; i++) {
                int d = digit_of(word->text[i]);

                if (d < 0 || d > 9)
                        return false;
                v = v * 10 + (uint64_t)d;
        }
        *ret = v;
        return v <= max;
}

static bool take_line(const char **p, const char *end, struct poison *ret) {
        struct word words[WORDS];

        if (!take_words(p, end, words) || words[0].size != GENERATION_LENGTH ||
            base64url_decode(words[0].text, ret->generation.id, GENERATION_SIZE) < 0 ||
            !take_digest(&words[1], ret->digest) ||
            !take_number(&words[2], INT64_MAX, &ret->size) ||
            !take_number(&words[3], TIME_MAX, &ret->time_sec))
                return false;
        if (!is_word(&words[4], "crash") && !is_word(&words[4], "hang"))
                return false;
        ret->reason = is_word(&words[4], "crash") ? REASON_CRASH : REASON_HANG;
        ret->copied = is_word(&words[5], "yes");
        return ret->size > 0 && (ret->copied || is_word(&words[5], "no"));
}

int poison_parse(const char *text, size_t size, const char *version, struct poison_list *ret) {
        const char *p = text, *end = text + size, *line;
        struct poison_list list = {};

        line = memchr(text, '\n', size);
        if (size < strlen(HEADER) || memcmp(text, HEADER, strlen(HEADER)) != 0 || !line)
                return -EINVAL;
        p += strlen(HEADER);
        if ((size_t)(line - p) != strlen(version) || memcmp(p, version, strlen(version)) != 0)
                return -EPROTONOSUPPORT;
        for (p = line + 1; p < end; list.n++)
                if (list.n == POISON_MAX || !take_line(&p, end, &list.all[list.n]))
                        return -EINVAL;
        *ret = list;
        return 0;
}

size_t poison_format(const struct poison_list *list, const char *version,
                     char ret_text[static POISON_TEXT_MAX]) {
        int n = snprintf(ret_text, POISON_TEXT_MAX, HEADER "%.64s\n", version);

        for (size_t i = 0; i < list->n; i++) {
                const struct poison *poison = &list->all[i];
                char generation[GENERATION_LENGTH + 1], digest[POISON_DIGEST_TEXT + 1];

                generation_format(&poison->generation, generation);
                poison_digest_format(poison->digest, digest);
                n += snprintf(ret_text + n, POISON_TEXT_MAX - (size_t)n,
                              "%s %s %" PRIu64 " %" PRIu64 " %s %s\n", generation, digest,
                              poison->size, poison->time_sec, reason_name(poison->reason),
                              poison->copied ? "yes" : "no");
        }
        return (size_t)n;
}

/* ---- Table ---- */

static void drop(struct poison_list *list, size_t i) {
        memmove(&list->all[i], &list->all[i + 1], (list->n - i - 1) * sizeof(list->all[0]));
        list->n--;
}

void poison_add(struct poison_list *list, const struct poison *poison) {
        for (size_t i = 0; i < list->n; i++)
                if (memcmp(&list->all[i].generation, &poison->generation,
                           sizeof(poison->generation)) == 0 &&
                    memcmp(list->all[i].digest, poison->digest, DIGEST_SIZE) == 0) {
                        drop(list, i);
                        break;
                }
        if (list->n == POISON_MAX)
                drop(list, 0);
        list->all[list->n++] = *poison;
}

bool poison_forget_others(struct poison_list *list, const struct generation *running) {
        size_t before = list->n;

        for (size_t i = list->n; i-- > 0;)
                if (memcmp(&list->all[i].generation, running, sizeof(*running)) != 0)
                        drop(list, i);
        return list->n != before;
}

/* ---- What workers get ---- */

void poison_make_view(const struct poison_list *list, const struct generation *generation,
                      struct poison_view *ret) {
        struct poison_view view = {};

        for (size_t i = 0; i < list->n; i++) {
                if (memcmp(&list->all[i].generation, generation, sizeof(*generation)) != 0)
                        continue;
                view.all[view.n].size = list->all[i].size;
                memcpy(view.all[view.n].digest, list->all[i].digest, DIGEST_SIZE);
                view.n++;
        }
        memcpy(ret, &view, sizeof(view));
}

int poison_matches(const struct poison_view *view, const void *data, size_t size) {
        size_t n = MIN(view->n, (uint32_t)POISON_MAX);
        uint8_t digest[DIGEST_SIZE];
        bool digested = false;

        for (size_t i = 0; i < n; i++) {
                if (view->all[i].size != size)
                        continue;
                if (!digested && digest_buffer(data, size, digest) < 0)
                        return -EIO;
                digested = true;
                if (memcmp(view->all[i].digest, digest, DIGEST_SIZE) == 0)
                        return 1;
        }
        return 0;
}
