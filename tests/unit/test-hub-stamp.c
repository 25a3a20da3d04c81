/* SPDX-License-Identifier: Apache-2.0 */

/* Stamps in headers: their text, what they cover, who signed them, what is refused. */

#include <stdio.h>

#include "store/hub-content.h"
#include "store/hub-key.h"
#include "tests/unit/unit.h"

#define T UINT64_C(1795470147)

#define HEADER                    \
        "Received: from a\r\n"    \
        "From: a@example.org\r\n" \
        "Subject: one\r\n"        \
        "MIME-Version: 1.0\r\n"   \
        "Content-Type: text/plain;\r\n\tcharset=utf-8\r\n"
#define BODY "Hello\r\n.\r\n"

static struct hub_stamp sample(void) {
        struct hub_stamp s = { .time = T, .database = 27512, .verdict = VERDICT_CLEAN };

        return s;
}

static struct hub_key *a_key(const char *id, enum hub_key_kind kind) {
        struct hub_key *key = NULL;

        ck_assert_int_eq(hub_key_generate(id, kind, &key), 0);
        return key;
}

/* The message with a stamp in front that key has signed. */
static char *stamped(struct hub_key *key, const char *message) {
        struct hub_stamp s = sample();
        char text[HUB_TEXT_MAX], *out = NULL;

        ck_assert_int_eq(
                hub_content_digest((const uint8_t *)message, strlen(message), s.body, s.header),
                HUB_GOOD);
        ck_assert_int_eq(hub_key_sign(key, &s), 0);
        ck_assert_int_gt(hub_stamp_format(&s, text), 0);
        /* Folds as the rest of the message has them. */
        if (strstr(message, "\r\n")) {
                char folded[2 * HUB_TEXT_MAX];
                size_t n = 0;

                for (const char *p = text; *p; p++) {
                        if (*p == '\n')
                                folded[n++] = '\r';
                        folded[n++] = *p;
                }
                folded[n] = '\0';
                ck_assert_int_gt(asprintf(&out, "%s: %s\r\n%s", HUB_STAMP_NAME, folded, message),
                                 0);
        } else
                ck_assert_int_gt(asprintf(&out, "%s: %s\n%s", HUB_STAMP_NAME, text, message), 0);
        return out;
}

static struct hub_content content_of(const char *message) {
        struct hub_content c;

        ck_assert_int_eq(hub_content_read((const uint8_t *)message, strlen(message), &c), 0);
        ck_assert(hub_content_ok(&c));
        return c;
}

/* What becomes of the first stamp in message, by this key. */
static enum hub_check judge(struct hub_key *key, const char *message) {
        struct hub_content c = content_of(message);
        enum hub_check check;

        if (c.check != HUB_GOOD)
                return c.check;
        if (c.found[0].check != HUB_GOOD)
                return c.found[0].check;
        check = hub_key_verify(key, &c.found[0].stamp);
        return check == HUB_GOOD ? hub_content_check(&c, &c.found[0].stamp) : check;
}

/* message with the first old replaced by new. */
static char *with(const char *message, const char *old, const char *new) {
        const char *at = strstr(message, old);
        char *out = NULL;

        ck_assert_ptr_nonnull(at);
        ck_assert_int_gt(
                asprintf(&out, "%.*s%s%s", (int)(at - message), message, new, at + strlen(old)), 0);
        return out;
}

static void assert_body(const char *a, const char *b, bool same) {
        char *m = NULL, *n = NULL;
        uint8_t bodies[2][DIGEST_SIZE], header[DIGEST_SIZE];

        ck_assert_int_gt(asprintf(&m, "A: b\r\n\r\n%s", a), 0);
        ck_assert_int_gt(asprintf(&n, "A: b\r\n\r\n%s", b), 0);
        ck_assert_int_eq(hub_content_digest((uint8_t *)m, strlen(m), bodies[0], header), 0);
        ck_assert_int_eq(hub_content_digest((uint8_t *)n, strlen(n), bodies[1], header), 0);
        ck_assert_int_eq(memcmp(bodies[0], bodies[1], DIGEST_SIZE) == 0, same);
        free(m);
        free(n);
}

/* RFC 6376 3.4.3, and digests as other programs have them. */
START_TEST(simple_body) {
        static const struct {
                const char *body, *digest;
        } known[] = {
                { "", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN_XKdLCPjaYaY" },
                { "\r\n\r\n", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN_XKdLCPjaYaY" },
                /* The example of RFC 6376 3.4.5 */
                { " C \r\nD \t E\r\n\r\n\r\n", "NOeivbQlDH9TmNKJUw7D53wZfsk8YMZ_hTuVVwTgi8s" },
        };

        for (size_t i = 0; i < ELEMENTSOF(known); i++) {
                char text[BASE64URL_LENGTH(DIGEST_SIZE) + 1], message[100];
                uint8_t body[DIGEST_SIZE], header[DIGEST_SIZE];

                (void)snprintf(message, sizeof(message), "A: X\r\n\r\n%s", known[i].body);
                ck_assert_int_eq(
                        hub_content_digest((uint8_t *)message, strlen(message), body, header), 0);
                base64url_encode(body, sizeof(body), text);
                ck_assert_str_eq(text, known[i].digest);
        }
        assert_body(known[2].body, " C \r\nD \t E\r\n", true);
        assert_body("a", "a\r\n", true);
        assert_body("a\r\n\r\n\r\n", "a\r\n", true);
        assert_body("a \r\n", "a\r\n", false);
        assert_body("a\r\n \r\n", "a\r\n", false);
        assert_body("\r\na\r\n", "a\r\n", false);
        assert_body("a\r\n\r\nb", "a\r\nb", false);
}
END_TEST

static void assert_header(const char *a, const char *b, bool same) {
        uint8_t headers[2][DIGEST_SIZE], body[DIGEST_SIZE];

        ck_assert_int_eq(hub_content_digest((const uint8_t *)a, strlen(a), body, headers[0]), 0);
        ck_assert_int_eq(hub_content_digest((const uint8_t *)b, strlen(b), body, headers[1]), 0);
        ck_assert_msg((memcmp(headers[0], headers[1], DIGEST_SIZE) == 0) == same, "'%s' '%s'", a,
                      b);
}

/* RFC 6376 3.4.2, and our own rules. */
START_TEST(relaxed_header) {
        assert_header("From: a b\r\n\r\n", "FROM:a \t b  \r\n\r\n", true);
        assert_header("Subject: a b\r\n\r\n", "Subject: a\r\n\tb\r\n\r\n", true);
        assert_header("Subject: a b\r\n\r\n", "Subject: ab\r\n\r\n", false);
        assert_header("Subject: a\r\n\r\n", "Subject: a\n\n", true);
        /* Left out: what others add. */
        assert_header("Subject: a\r\n\r\n", "Received: x\r\nX-Spam: no\r\nSubject: a\r\n\r\n",
                      true);
        /* Doubled, moved, removed. */
        assert_header("From: a\r\n\r\n", "From: a\r\nFrom: a\r\n\r\n", false);
        assert_header("From: a\r\nDate: b\r\n\r\n", "Date: b\r\nFrom: a\r\n\r\n", false);
        assert_header("Message-ID: a\r\nX: b\r\n\r\n", "X: b\r\n\r\n", false);
        /* About the content: case of the name, blanks behind the colon; nothing else is the same. */
        assert_header("Content-Type: a\r\n\r\n", "content-type:\t a\r\n\r\n", true);
        assert_header("Content-Type: a;  b\r\n\r\n", "Content-Type: a; b\r\n\r\n", false);
        assert_header("Content-Type: a; b\r\n\r\n", "Content-Type: a;\r\n b\r\n\r\n", false);
        assert_header("X: a\r\n\r\n", "X: a\r\nX-Mime-Thing: a\r\n\r\n", false);
        assert_header("X: a\r\n\r\n", "X: a\r\nCon.tent-Type: a\r\n\r\n", false);
        assert_header("X: a\r\n\r\n", "X: a\r\nY: b\r\n Content-Type : a\r\n\r\n", false);
        assert_header("X: a\r\n\r\n", "X: a\r\nY: b\r\n d=x; h=From:To\r\n\r\n", true);
        /* Irregular: nothing but delivery's fields at the top is left out. */
        assert_header("Content-Type : a\r\n\r\n", "Received: b\r\nContent-Type : a\r\n\r\n", true);
        assert_header("Content-Type : a\r\n\r\n", "X-Spam: b\r\nContent-Type : a\r\n\r\n", false);
        assert_header("Content-Type : a\r\n\r\n", "Content-Type: a\r\n\r\n", false);
        assert_header("Content-Type : a\r\n\r\n", "Content-Type : a\n\n", true);
        assert_header("Content-Type : a\r\n\r\n", "Content-Type : a\r\nReceived: b\r\n\r\n", false);
        /* A length that is true says nothing. */
        assert_header("X: a\n\nbc\n", "X: a\nContent-Length: 3\n\nbc\n", true);
}
END_TEST

START_TEST(what_has_no_digest) {
        static const char *const messages[] = {
                "A: b\r\n\r\nc\nd\r\n",           "A: b\n\nc\r\n",
                "A: b\r\n\r\nc\rd\r\n",           "A: b\n\n\001\n",
                "A: b\r\nC: d\n\r\ne\n",          "A: b\n\nc\r",
                "A: b\nContent-Length: 9\n\nc\n",
        };
        uint8_t body[DIGEST_SIZE], header[DIGEST_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                ck_assert_msg(hub_content_digest((const uint8_t *)messages[i], strlen(messages[i]),
                                                 body, header) == HUB_IRREGULAR,
                              "'%s'", messages[i]);
}
END_TEST

START_TEST(goes_there_and_back) {
        static const enum hub_key_kind kinds[] = { HUB_KEY_HMAC, HUB_KEY_ED25519_PRIVATE };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                struct hub_key *key = a_key("hub1", kinds[i]);
                char *m = stamped(key, HEADER "\r\n" BODY), *lf = stamped(key, "From: a\n\nb\n");
                struct hub_content c = content_of(m);

                ck_assert_int_eq(c.n_found, 1);
                ck_assert_uint_eq(c.found[0].stamp.time, T);
                ck_assert_uint_eq(c.found[0].stamp.database, 27512);
                ck_assert_str_eq(c.found[0].stamp.key, "hub1");
                ck_assert_int_eq(judge(key, m), HUB_GOOD);
                ck_assert_int_eq(judge(key, lf), HUB_GOOD);
                hub_key_free(key);
                free(m);
                free(lf);
        }
}
END_TEST

START_TEST(what_hops_do) {
        struct hub_key *key = a_key("hub1", HUB_KEY_HMAC);
        char *m = stamped(key, HEADER "\r\n" BODY), *n = NULL, *lf = strdup(m);
        size_t k = 0;

        for (const char *p = m; *p; p++)
                if (*p != '\r')
                        lf[k++] = *p;
        lf[k] = '\0';
        ck_assert_int_eq(judge(key, lf), HUB_GOOD);
        ck_assert_int_gt(asprintf(&n, "Return-Path: <a>\nReceived: from b\n\tby c\n%s\n\n", lf), 0);
        ck_assert_int_eq(judge(key, n), HUB_GOOD);
        /* Another fold of the stamp itself. */
        free(n);
        n = with(m, ";\r\n\tg=", ";\r\n   \r\n g=");
        ck_assert_int_ne(judge(key, n), HUB_GOOD);
        free(n);
        n = with(m, ";\r\n\tg=", "; g=");
        ck_assert_int_eq(judge(key, n), HUB_GOOD);
        free(n);
        n = with(m, "v=1; a", "v=1;\r\n   a");
        ck_assert_int_eq(judge(key, n), HUB_GOOD);
        free(n);
        free(m);
        free(lf);
        hub_key_free(key);
}
END_TEST

START_TEST(forgeries) {
        static const struct {
                const char *old, *new;
                enum hub_check check;
        } cases[] = {
                { "Hello", "Virus", HUB_BODY },
                { "text/plain", "text/html!", HUB_HEADER },
                { "MIME-Version: 1.0\r\n", "", HUB_HEADER },
                { "MIME-Version", "Content-Type: a/b\r\nMIME-Version", HUB_HEADER },
                { "MIME-Version", "content-TYPE : a/b\r\nMIME-Version", HUB_HEADER },
                { "Subject: one", "Subject: two", HUB_HEADER },
                { "k=hub1", "k=hub2", HUB_KEY },
                { "a=hmac-sha256", "a=ed25519", HUB_MALFORMED },
                { "t=1795470147", "t=1795470148", HUB_SIGNATURE },
                { "g=27512", "g=27513", HUB_SIGNATURE },
                { "g=27512", "g=027512", HUB_MALFORMED },
                { "r=clean", "r=infected", HUB_SIGNATURE },
                { "r=clean", "r=Clean", HUB_MALFORMED },
                { "r=clean", "r=none", HUB_MALFORMED },
                { "v=1;", "v=2;", HUB_VERSION },
                { "v=1;", "v=1 ;", HUB_VERSION },
                { "d=storescan", "d=other", HUB_VERSION },
                { "r=clean; ", "r=clean; r=clean; ", HUB_MALFORMED },
                { "k=hub1;\r\n\tg", "g", HUB_MALFORMED },
                { "k=hub1", "k=../hub1", HUB_MALFORMED },
                { "k=hub1", "k=", HUB_MALFORMED },
                { "\ts=", "\ts=A", HUB_MALFORMED },
                { HUB_STAMP_NAME ":", "X-Storescan-Stam:", HUB_ABSENT },
                { HUB_STAMP_NAME ":", "A: b\r\n\r\n" HUB_STAMP_NAME ":", HUB_ABSENT },
                { HUB_STAMP_NAME ":", HUB_STAMP_NAME " :", HUB_ABSENT },
        };
        struct hub_key *key = a_key("hub1", HUB_KEY_HMAC), *other = a_key("hub1", HUB_KEY_HMAC);
        char *m = stamped(key, HEADER "\r\n" BODY);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *n = with(m, cases[i].old, cases[i].new);
                enum hub_check check = judge(key, n);

                ck_assert_msg(check == cases[i].check, "'%s' for '%s': %s", cases[i].new,
                              cases[i].old, hub_check_name(check));
                free(n);
        }
        ck_assert_int_eq(judge(other, m), HUB_SIGNATURE);
        free(m);
        hub_key_free(key);
        hub_key_free(other);
}
END_TEST

START_TEST(several) {
        struct hub_key *one = a_key("one", HUB_KEY_HMAC), *two = a_key("two", HUB_KEY_HMAC);
        char *first = stamped(one, HEADER "\r\n" BODY), *both = stamped(two, first), *n = NULL;
        char long_field[HUB_FIELD_MAX + 2];
        struct hub_content c = content_of(both);

        ck_assert_int_eq(c.n_found, 2);
        ck_assert_int_eq(hub_key_verify(two, &c.found[0].stamp), HUB_GOOD);
        ck_assert_int_eq(hub_key_verify(one, &c.found[1].stamp), HUB_GOOD);
        ck_assert_int_eq(hub_content_check(&c, &c.found[0].stamp), HUB_GOOD);
        ck_assert_int_eq(hub_content_check(&c, &c.found[1].stamp), HUB_GOOD);

        /* One that is no stamp does not spoil the others. */
        memset(long_field, 'a', sizeof(long_field) - 1);
        long_field[sizeof(long_field) - 1] = '\0';
        ck_assert_int_gt(asprintf(&n, HUB_STAMP_NAME ": %s\r\n%s", long_field, first), 0);
        c = content_of(n);
        ck_assert_int_eq(c.n_found, 2);
        ck_assert_int_eq(c.found[0].check, HUB_OVERSIZE);
        ck_assert_int_eq(c.found[1].check, HUB_GOOD);
        free(n);

        ck_assert_int_gt(
                asprintf(&n, "%.*s%s", (int)(strstr(first, "Received") - first), first, both), 0);
        c = content_of(n);
        ck_assert_int_eq(c.n_found, 3);
        ck_assert_int_eq(c.found[0].check, HUB_DUPLICATE);
        ck_assert_int_eq(c.found[1].check, HUB_GOOD);
        ck_assert_int_eq(c.found[2].check, HUB_DUPLICATE);
        free(n);

        ck_assert_int_gt(asprintf(&n, "%s: a\r\n%s: b\r\n%s: c\r\n%s", HUB_STAMP_NAME,
                                  HUB_STAMP_NAME, HUB_STAMP_NAME, both),
                         0);
        ck_assert_int_eq(content_of(n).check, HUB_MANY);
        free(n);
        free(first);
        free(both);
        hub_key_free(one);
        hub_key_free(two);
}
END_TEST

START_TEST(policy) {
        const struct hub_policy p = { .max_age = 100, .min_database = 27000 };
        struct hub_stamp s = sample();

        ck_assert_int_eq(hub_stamp_check(&s, &p, T), HUB_GOOD);
        ck_assert_int_eq(hub_stamp_check(&s, &p, T + 100), HUB_GOOD);
        ck_assert_int_eq(hub_stamp_check(&s, &p, T + 101), HUB_EXPIRED);
        ck_assert_int_eq(hub_stamp_check(&s, &p, T - HUB_CLOCK_SKEW), HUB_GOOD);
        ck_assert_int_eq(hub_stamp_check(&s, &p, T - HUB_CLOCK_SKEW - 1), HUB_FUTURE);
        s.database = 26999;
        ck_assert_int_eq(hub_stamp_check(&s, &p, T), HUB_DATABASE);
        s.verdict = VERDICT_INFECTED;
        ck_assert_int_eq(hub_stamp_check(&s, &p, T), HUB_VERDICT);
}
END_TEST

START_TEST(keys_as_text) {
        for (enum hub_key_kind kind = 0; kind < HUB_KEY_ED25519_PUBLIC; kind++) {
                struct hub_key *key = a_key("a", kind), *again = NULL, *public = NULL;
                struct hub_stamp s = sample();
                char text[HUB_KEY_TEXT_MAX];
                int n = hub_key_write(key, false, text);

                ck_assert_int_gt(n, 0);
                ck_assert_int_eq(hub_key_read("a", text, (size_t)n, &again), 0);
                ck_assert_int_eq(hub_key_kind(again), kind);
                ck_assert_int_eq(hub_key_sign(key, &s), 0);
                ck_assert_int_eq(hub_key_verify(again, &s), HUB_GOOD);
                for (int i = 0; i < n; i++)
                        ck_assert_int_eq(hub_key_read("a", text, (size_t)i, &again), -EINVAL);
                text[n - 1] = ' ';
                ck_assert_int_eq(hub_key_read("a", text, (size_t)n, &again), -EINVAL);
                ck_assert_int_eq(hub_key_read("/a", text, (size_t)n, &again), -EINVAL);

                n = hub_key_write(key, true, text);
                if (kind == HUB_KEY_HMAC)
                        ck_assert_int_eq(n, -EINVAL);
                else {
                        ck_assert_int_eq(hub_key_read("a", text, (size_t)n, &public), 0);
                        ck_assert_int_eq(hub_key_verify(public, &s), HUB_GOOD);
                        ck_assert_int_eq(hub_key_sign(public, &s), -EINVAL);
                        s.signature[5] ^= 1;
                        ck_assert_int_eq(hub_key_verify(public, &s), HUB_SIGNATURE);
                        hub_key_free(public);
                }
                hub_key_free(key);
                hub_key_free(again);
        }
}
END_TEST

START_TEST(names) {
        static const char *const stamps[] = { "X-Storescan-Stamp", "x-storescan-STAMP ",
                                              "X-Storescan-Stamp\t", "X-Store\001scan-Stamp" };

        for (size_t i = 0; i < ELEMENTSOF(stamps); i++)
                ck_assert(hub_stamp_is_name(stamps[i], strlen(stamps[i])));
        ck_assert(!hub_stamp_is_name("X-Storescan-Stamps", 18));
        ck_assert(!hub_stamp_is_name("X-Storescan-Stam", 16));
        ck_assert(hub_key_id_ok("a.b-c_9", 7));
        ck_assert(!hub_key_id_ok(".a", 2));
        ck_assert(!hub_key_id_ok("", 0));
        ck_assert(!hub_key_id_ok("a/b", 3));
        for (enum hub_check c = 0; c < _HUB_CHECK_MAX; c++) {
                ck_assert_ptr_nonnull(hub_check_name(c));
                ck_assert_ptr_nonnull(hub_check_text(c));
                for (enum hub_check d = 0; d < c; d++)
                        ck_assert_str_ne(hub_check_name(c), hub_check_name(d));
        }
        ck_assert_str_eq(hub_check_name(_HUB_CHECK_MAX), "invalid");
}
END_TEST

UNIT_MAIN("hub-stamp", simple_body, relaxed_header, what_has_no_digest, goes_there_and_back,
          what_hops_do, forgeries, several, policy, keys_as_text, names);
