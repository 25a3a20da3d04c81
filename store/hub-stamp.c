/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Text form and policy of the stamps in headers. Parsing is strict: once unfolded, what
 * hub_stamp_format() would not write is not a stamp, so that nothing can hide in it.
 */

#include "store/hub-stamp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "store/util.h"

#define VERSION    "1"
#define DIGITS_MAX 10 /* of a time: until the year 2286 */
#define TIME_MAX   UINT64_C(9999999999)
#define N_TAGS     ELEMENTSOF(tags)
#define BASE64_MAX BASE64URL_LENGTH(HUB_SIGNATURE_MAX)

static_assert(sizeof(struct hub_stamp) ==
                      16 + HUB_KEY_ID_MAX + 8 + 2 * DIGEST_SIZE + HUB_SIGNATURE_MAX,
              "no padding");

/* In the order in which they stand. */
static const char *const tags[] = { "v", "a", "d", "k", "g", "r", "t", "bh", "hh", "s" };

enum tag { TAG_V, TAG_A, TAG_D, TAG_K, TAG_G, TAG_R, TAG_T, TAG_BH, TAG_HH, TAG_S };

static const struct {
        const char *name;
        size_t signature_size;
} algorithms[] = {
        [HUB_HMAC_SHA256] = { "hmac-sha256", 32 },
        [HUB_ED25519] = { "ed25519", 64 },
};
static_assert(ELEMENTSOF(algorithms) == _HUB_ALGORITHM_MAX, "a line for every algorithm");

static const struct {
        enum verdict verdict;
        enum reason reason;
} verdicts[] = {
        { VERDICT_CLEAN, REASON_NONE },         { VERDICT_INFECTED, REASON_NONE },
        { VERDICT_UNSCANNABLE, REASON_LIMITS }, { VERDICT_UNSCANNABLE, REASON_ENCRYPTED },
        { VERDICT_UNSCANNABLE, REASON_BROKEN },
};

static const struct {
        const char *name, *text;
} checks[] = {
        [HUB_GOOD] = { "good", "the stamp is good" },
        [HUB_ABSENT] = { "absent", "the message has no stamp" },
        [HUB_MANY] = { "many", "the message has too many stamps" },
        [HUB_DUPLICATE] = { "duplicate", "the message has the same stamp twice" },
        [HUB_OVERSIZE] = { "oversize", "the field is too long for a stamp" },
        [HUB_MALFORMED] = { "malformed", "the field is not the text of a stamp" },
        [HUB_VERSION] = { "version", "the stamp has another version, vendor or algorithm" },
        [HUB_IRREGULAR] = { "irregular",
                            "the message is not regular enough for a stamp to cover it" },
        [HUB_KEY] = { "key", "the stamp names a key that is not here" },
        [HUB_SIGNATURE] = { "signature", "the signature is not by the key that the stamp names" },
        [HUB_HEADER] = { "header", "the stamp is for a message with another header" },
        [HUB_BODY] = { "body", "the stamp is for a message with another body" },
        [HUB_VERDICT] = { "verdict", "the stamp does not say that the message is clean" },
        [HUB_FUTURE] = { "future", "the stamp's time is still to come" },
        [HUB_EXPIRED] = { "expired", "the stamp is too old" },
        [HUB_DATABASE] = { "database", "the signatures that the hub scanned with are too old" },
};
static_assert(ELEMENTSOF(checks) == _HUB_CHECK_MAX, "a line for every check");

const char *hub_check_name(enum hub_check check) {
        return (unsigned)check < _HUB_CHECK_MAX ? checks[check].name : "invalid";
}

const char *hub_check_text(enum hub_check check) {
        return (unsigned)check < _HUB_CHECK_MAX ? checks[check].text : "invalid";
}

const char *hub_algorithm_name(enum hub_algorithm algorithm) {
        return (unsigned)algorithm < _HUB_ALGORITHM_MAX ? algorithms[algorithm].name : NULL;
}

size_t hub_signature_size(enum hub_algorithm algorithm) {
        return (unsigned)algorithm < _HUB_ALGORITHM_MAX ? algorithms[algorithm].signature_size : 0;
}

bool hub_key_id_ok(const char *text, size_t size) {
        if (size == 0 || size > HUB_KEY_ID_MAX || text[0] == '.')
                return false;
        for (size_t i = 0; i < size; i++) {
                char c = text[i];

                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-'))
                        return false;
        }
        return true;
}

/* The word of r=; NULL: no stamp can say so. */
static const char *verdict_word(unsigned verdict, unsigned reason) {
        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++)
                if (verdicts[i].verdict == verdict && verdicts[i].reason == reason)
                        return reason == REASON_NONE ? verdict_name(verdicts[i].verdict)
                                                     : reason_name(verdicts[i].reason);
        return NULL;
}

bool hub_stamp_ok(const struct hub_stamp *stamp) {
        size_t n = strnlen(stamp->key, sizeof(stamp->key));
        size_t signature = hub_signature_size(stamp->algorithm);

        return signature > 0 && stamp->time <= TIME_MAX && stamp->reserved == 0 &&
               verdict_word(stamp->verdict, stamp->reason) && hub_key_id_ok(stamp->key, n) &&
               is_zero(stamp->key + n, sizeof(stamp->key) - n) &&
               is_zero(stamp->signature + signature, sizeof(stamp->signature) - signature);
}

bool hub_stamp_is_name(const char *name, size_t size) {
        const char *known = HUB_STAMP_NAME;

        /* Anything that is not a visible character may be skipped by somebody. */
        for (size_t i = 0; i < size; i++) {
                if (name[i] <= ' ' || name[i] >= 0x7f)
                        continue;
                if (!*known || strncasecmp(&name[i], known, 1) != 0)
                        return false;
                known++;
        }
        return !*known;
}

/* ---- Writing ---- */

static int format(const struct hub_stamp *stamp, const char *fold, bool sign,
                  char ret_text[static HUB_TEXT_MAX]) {
        char body[BASE64_MAX + 1], header[BASE64_MAX + 1], signature[BASE64_MAX + 1] = "";
        int n;

        if (!hub_stamp_ok(stamp))
                return -EINVAL;
        base64url_encode(stamp->body, sizeof(stamp->body), body);
        base64url_encode(stamp->header, sizeof(stamp->header), header);
        if (sign)
                base64url_encode(stamp->signature, hub_signature_size(stamp->algorithm), signature);
        n = snprintf(ret_text, HUB_TEXT_MAX,
                     "%sv=" VERSION "; a=%s; d=" HUB_STAMP_VENDOR "; k=%s;%sg=%" PRIu32
                     "; r=%s; t=%" PRIu64 ";%sbh=%s;%shh=%s;%ss=%s",
                     sign ? "" : HUB_STAMP_NAME ": ", algorithms[stamp->algorithm].name, stamp->key,
                     fold, stamp->database, verdict_word(stamp->verdict, stamp->reason),
                     stamp->time, fold, body, fold, header, fold, signature);
        return n < 0 || n >= HUB_TEXT_MAX ? -EINVAL : n;
}

int hub_stamp_format(const struct hub_stamp *stamp, char ret_text[static HUB_TEXT_MAX]) {
        return format(stamp, "\n\t", true, ret_text);
}

int hub_stamp_signed_text(const struct hub_stamp *stamp, char ret_text[static HUB_TEXT_MAX]) {
        return format(stamp, " ", false, ret_text);
}

/* ---- Reading ---- */

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

/* Length of the fold (RFC 5322 2.2.3) or blank that s begins with; 0: none. */
static size_t blank_size(const char *s, size_t size) {
        if (size > 0 && is_blank(*s))
                return 1;
        if (size > 1 && s[0] == '\n' && is_blank(s[1]))
                return 2;
        return size > 2 && s[0] == '\r' && s[1] == '\n' && is_blank(s[2]) ? 3 : 0;
}

/* One line, one blank for each run; none at its ends. False: longer than any stamp. */
static bool unfold(const char *text, size_t size, char ret_line[static HUB_TEXT_MAX]) {
        bool blank = false;
        size_t n = 0;

        while (size > 0) {
                size_t k = blank_size(text, size);

                if (k == 0) {
                        if (blank && n > 0)
                                ret_line[n++] = ' ';
                        if (n + 2 >= HUB_TEXT_MAX)
                                return false;
                        ret_line[n++] = *text;
                }
                blank = k > 0;
                k = MAX(k, (size_t)1);
                text += k;
                size -= k;
        }
        ret_line[n] = '\0';
        return strlen(ret_line) == n;
}

/* Cuts the line into the values of its tags, which must be all, in order. */
static bool cut(char *line, const char *values[static ELEMENTSOF(tags)]) {
        char *p = line;

        for (size_t i = 0; i < N_TAGS; i++) {
                size_t n = strlen(tags[i]);
                char *end;

                if (strncmp(p, tags[i], n) != 0 || p[n] != '=')
                        return false;
                values[i] = p + n + 1;
                end = strchr(p, ';');
                if (i == N_TAGS - 1)
                        return !end;
                if (!end || end[1] != ' ')
                        return false;
                *end = '\0';
                p = end + 2;
        }
        return false;
}

static int read_number(const char *text, uint64_t max, uint64_t *ret) {
        uint64_t v = 0;
        size_t n = strlen(text);

        if (n == 0 || n > DIGITS_MAX || (n > 1 && text[0] == '0'))
                return -EINVAL;
        for (; *text; text++) {
                if (*text < '0' || *text > '9')
                        return -EINVAL;
                v = v * 10 + (uint64_t)(*text - '0');
        }
        if (v > max)
                return -EINVAL;
        *ret = v;
        return 0;
}

static int read_bytes(const char *text, uint8_t *ret, size_t size) {
        return strlen(text) == BASE64URL_LENGTH(size) ? base64url_decode(text, ret, size) : -EINVAL;
}

static int read_verdict(const char *text, struct hub_stamp *stamp) {
        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++)
                if (streq(text, verdict_word(verdicts[i].verdict, verdicts[i].reason))) {
                        stamp->verdict = (uint8_t)verdicts[i].verdict;
                        stamp->reason = (uint8_t)verdicts[i].reason;
                        return 0;
                }
        return -EINVAL;
}

static int read_algorithm(const char *text, struct hub_stamp *stamp) {
        for (unsigned i = 0; i < ELEMENTSOF(algorithms); i++)
                if (streq(text, algorithms[i].name)) {
                        stamp->algorithm = (uint8_t)i;
                        return 0;
                }
        return -EINVAL;
}

enum hub_check hub_stamp_parse(const char *text, size_t size, struct hub_stamp *ret) {
        const char *values[ELEMENTSOF(tags)];
        char line[HUB_TEXT_MAX] = {};
        struct hub_stamp stamp = {};
        uint64_t database;

        if (size > HUB_FIELD_MAX)
                return HUB_OVERSIZE;
        if (!unfold(text, size, line))
                return HUB_MALFORMED;
        /* What another version has behind its number is not ours to judge. */
        if (startswith(line, "v=") && !startswith(line, "v=" VERSION ";"))
                return HUB_VERSION;
        if (!cut(line, values))
                return HUB_MALFORMED;
        if (read_algorithm(values[TAG_A], &stamp) < 0 || !streq(values[TAG_D], HUB_STAMP_VENDOR))
                return HUB_VERSION;
        if (!hub_key_id_ok(values[TAG_K], strlen(values[TAG_K])) ||
            read_number(values[TAG_G], UINT32_MAX, &database) < 0 ||
            read_verdict(values[TAG_R], &stamp) < 0 ||
            read_number(values[TAG_T], TIME_MAX, &stamp.time) < 0 ||
            read_bytes(values[TAG_BH], stamp.body, sizeof(stamp.body)) < 0 ||
            read_bytes(values[TAG_HH], stamp.header, sizeof(stamp.header)) < 0 ||
            read_bytes(values[TAG_S], stamp.signature, hub_signature_size(stamp.algorithm)) < 0)
                return HUB_MALFORMED;
        memcpy(stamp.key, values[TAG_K], strlen(values[TAG_K]));
        stamp.database = (uint32_t)database;
        *ret = stamp;
        return HUB_GOOD;
}

/* ---- Policy ---- */

enum hub_check hub_stamp_check(const struct hub_stamp *stamp, const struct hub_policy *policy,
                               uint64_t now) {
        if (stamp->verdict != VERDICT_CLEAN)
                return HUB_VERDICT;
        if (stamp->time > now + HUB_CLOCK_SKEW)
                return HUB_FUTURE;
        if (stamp->time < now && now - stamp->time > policy->max_age)
                return HUB_EXPIRED;
        return stamp->database < policy->min_database ? HUB_DATABASE : HUB_GOOD;
}
