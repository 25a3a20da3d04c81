/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Text form and judgement of stamps. Parsing is strict: what stamp_format() would not write is
 * not a stamp, so that a stamp can be compared as text and nothing can hide in it.
 */

#include "store/stamp.h"

#include <assert.h>
#include <stdio.h>

#include "store/digest.h"
#include "store/util.h"

#define STAMP_FORMAT  "ss1"
#define TIME_MSEC_MAX UINT64_C(9999999999999) /* ten digits of seconds: until the year 2286 */
#define SIZE_HEX_MAX  10                      /* 1 TiB: the text then has 64 characters */
#define DIGEST_LENGTH BASE64URL_LENGTH(STAMP_DIGEST_SIZE)

static_assert(BASE64URL_LENGTH(GENERATION_SIZE) == GENERATION_LENGTH, "generation fits its text");
static_assert(sizeof(STAMP_FORMAT) + sizeof("cl") + GENERATION_LENGTH + 1 +
                              sizeof("1234567890.123") + SIZE_HEX_MAX + 1 + DIGEST_LENGTH <=
                      STAMP_SIZE_MAX,
              "the longest stamp fits");

static const struct {
        char letter;
        enum verdict verdict;
        enum reason reason;
} verdict_letters[] = {
        { 'c', VERDICT_CLEAN, REASON_NONE },         { 'i', VERDICT_INFECTED, REASON_NONE },
        { 'l', VERDICT_UNSCANNABLE, REASON_LIMITS }, { 'e', VERDICT_UNSCANNABLE, REASON_ENCRYPTED },
        { 'b', VERDICT_UNSCANNABLE, REASON_BROKEN },
};

static char verdict_letter(enum verdict verdict, enum reason reason) {
        for (size_t i = 0; i < ELEMENTSOF(verdict_letters); i++)
                if (verdict_letters[i].verdict == verdict && verdict_letters[i].reason == reason)
                        return verdict_letters[i].letter;
        return '\0';
}

void generation_format(const struct generation *generation,
                       char ret_text[static GENERATION_LENGTH + 1]) {
        base64url_encode(generation->id, sizeof(generation->id), ret_text);
}

int generation_parse(const char text[static GENERATION_LENGTH], struct generation *ret) {
        struct generation generation;

        if (base64url_decode(text, generation.id, sizeof(generation.id)) < 0)
                return -EINVAL;
        *ret = generation;
        return 0;
}

int stamp_format(const struct stamp *stamp, char ret_text[static STAMP_SIZE_MAX]) {
        char generation[GENERATION_LENGTH + 1], digest[DIGEST_LENGTH + 1] = "-";
        char text[STAMP_SIZE_MAX + 1], letter = verdict_letter(stamp->verdict, stamp->reason);
        int n;

        if (!letter || stamp->time_msec > TIME_MSEC_MAX || stamp->size >> (4 * SIZE_HEX_MAX))
                return -EINVAL;

        generation_format(&stamp->generation, generation);
        if (stamp->has_digest)
                base64url_encode(stamp->digest, sizeof(stamp->digest), digest);

        n = snprintf(text, sizeof(text), STAMP_FORMAT " %c%c %s %010llu.%03u %llx %s", letter,
                     stamp->by_hub ? 'h' : 'l', generation,
                     (unsigned long long)(stamp->time_msec / 1000),
                     (unsigned)(stamp->time_msec % 1000), (unsigned long long)stamp->size, digest);
        if (n < 0 || n > STAMP_SIZE_MAX)
                return -EINVAL;

        memcpy(ret_text, text, (size_t)n);
        return n;
}

/* Cuts the next blank-separated word of at most max characters from *p; 0 when there is none. */
static size_t next_word(const char **p, const char *end, const char **ret_word, size_t max) {
        const char *start = *p, *space = memchr(start, ' ', (size_t)(end - start));
        size_t n = (size_t)((space ? space : end) - start);

        if (n == 0 || n > max)
                return 0;
        *ret_word = start;
        *p = space ? space + 1 : end;
        return n;
}

static int parse_digits(const char *s, size_t n, unsigned base, uint64_t *ret) {
        uint64_t v = 0;

        for (size_t i = 0; i < n; i++) {
                unsigned d;

                if (s[i] >= '0' && s[i] <= '9')
                        d = (unsigned)(s[i] - '0');
                else if (base == 16 && s[i] >= 'a' && s[i] <= 'f')
                        d = (unsigned)(s[i] - 'a') + 10;
                else
                        return -EINVAL;
                v = v * base + d;
        }
        *ret = v;
        return 0;
}

static int parse_verdict(const char *word, size_t n, struct stamp *stamp) {
        if (n != 2 || (word[1] != 'l' && word[1] != 'h'))
                return -EINVAL;
        stamp->by_hub = word[1] == 'h';
        for (size_t i = 0; i < ELEMENTSOF(verdict_letters); i++)
                if (verdict_letters[i].letter == word[0]) {
                        stamp->verdict = verdict_letters[i].verdict;
                        stamp->reason = verdict_letters[i].reason;
                        return 0;
                }
        return -EINVAL;
}

int stamp_parse(const char *text, size_t size, struct stamp *ret) {
        const char *p = text, *end = text + size, *word = NULL;
        uint64_t seconds, msec;
        struct stamp stamp = {};
        size_t n;
        int r;

        if (size > STAMP_SIZE_MAX)
                return -EINVAL;

        n = next_word(&p, end, &word, 8);
        if (n < 3 || memcmp(word, STAMP_FORMAT, 2) != 0)
                return -EINVAL;
        if (n != strlen(STAMP_FORMAT) || memcmp(word, STAMP_FORMAT, n) != 0)
                return -EPROTONOSUPPORT;

        n = next_word(&p, end, &word, 2);
        r = parse_verdict(word, n, &stamp);
        if (r < 0)
                return r;

        n = next_word(&p, end, &word, GENERATION_LENGTH);
        if (n != GENERATION_LENGTH ||
            base64url_decode(word, stamp.generation.id, GENERATION_SIZE) < 0)
                return -EINVAL;

        n = next_word(&p, end, &word, 14);
        if (n != 14 || word[10] != '.' || parse_digits(word, 10, 10, &seconds) < 0 ||
            parse_digits(word + 11, 3, 10, &msec) < 0)
                return -EINVAL;
        stamp.time_msec = seconds * 1000 + msec;

        n = next_word(&p, end, &word, SIZE_HEX_MAX);
        if (n == 0 || (n > 1 && word[0] == '0') || parse_digits(word, n, 16, &stamp.size) < 0)
                return -EINVAL;
        if (p == end || p[-1] != ' ')
                return -EINVAL;

        n = next_word(&p, end, &word, DIGEST_LENGTH);
        if (n == DIGEST_LENGTH) {
                if (base64url_decode(word, stamp.digest, STAMP_DIGEST_SIZE) < 0)
                        return -EINVAL;
                stamp.has_digest = true;
        } else if (n != 1 || word[0] != '-')
                return -EINVAL;
        if (p != end || end[-1] == ' ')
                return -EINVAL;

        *ret = stamp;
        return 0;
}

enum stamp_check stamp_check(const struct stamp *stamp, const struct stat *st,
                             const struct generation *running) {
        uint64_t ctime_msec;

        if (memcmp(&stamp->generation, running, sizeof(*running)) != 0)
                return STAMP_OUTDATED;
        if (st->st_size < 0 || stamp->size != (uint64_t)st->st_size)
                return STAMP_CHANGED;
        /* Whole seconds: a file system that keeps no more (ext4 with inodes of 128 bytes) shows no
         * difference between the stamp and a change in the same second. */
        if (st->st_ctim.tv_sec < 0 || st->st_ctim.tv_nsec == 0)
                return STAMP_TOUCHED;

        ctime_msec = (uint64_t)st->st_ctim.tv_sec * 1000 + (uint64_t)st->st_ctim.tv_nsec / 1000000;
        if (ctime_msec + STAMP_BEFORE_MSEC < stamp->time_msec ||
            ctime_msec > stamp->time_msec + STAMP_AFTER_MSEC)
                return STAMP_TOUCHED;
        /* Stamps are put on content that has been still for a while: a change within the window of
         * its stamp came after it, if only because we died before we could take the stamp back. */
        if (st->st_mtim.tv_sec >= 0 && (uint64_t)st->st_mtim.tv_sec * 1000 +
                                                       (uint64_t)st->st_mtim.tv_nsec / 1000000 +
                                                       STAMP_BEFORE_MSEC >
                                               stamp->time_msec)
                return STAMP_TOUCHED;
        return STAMP_VALID;
}

const char *stamp_check_name(enum stamp_check check) {
        static const char *const names[] = {
                [STAMP_VALID] = "valid",
                [STAMP_TOUCHED] = "touched",
                [STAMP_OUTDATED] = "outdated",
                [STAMP_CHANGED] = "changed",
        };
        static_assert(ELEMENTSOF(names) == _STAMP_CHECK_MAX, "a name for every check");

        return (unsigned)check < _STAMP_CHECK_MAX ? names[check] : "invalid";
}
