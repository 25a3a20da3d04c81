/* SPDX-License-Identifier: Apache-2.0 */

/* proto.c: what is accepted from the other side, and above all what is not. */

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "daemon/config.h"
#include "daemon/proto.h"
#include "store/util.h"
#include "unit.h"

static union proto_message m;

static int check(void) {
        return proto_check(&m, m.header.size);
}

static void good_result(void) {
        proto_init(&m, PROTO_RESULT);
        m.result.verdict = VERDICT_CLEAN;
}

START_TEST(test_sizes) {
        for (int kind = 1; kind < _PROTO_KIND_MAX; kind++) {
                ck_assert_uint_ge(proto_size(kind), sizeof(struct proto_header));
                ck_assert_uint_le(proto_size(kind), sizeof(m));
                ck_assert_uint_le(proto_size(kind), UINT16_MAX);
        }
        ck_assert_uint_eq(proto_size(0), 0);
        ck_assert_uint_eq(proto_size(_PROTO_KIND_MAX), 0);
}
END_TEST

START_TEST(test_header) {
        good_result();
        ck_assert_int_eq(check(), PROTO_RESULT);
        ck_assert_int_eq(proto_check(&m, m.header.size - 1), -EBADMSG);
        ck_assert_int_eq(proto_check(&m, m.header.size + 1), -EBADMSG);
        ck_assert_int_eq(proto_check(&m, 0), -EBADMSG);
        ck_assert_int_eq(proto_check(&m, sizeof(m.header) - 1), -EBADMSG);
        m.header.magic++;
        ck_assert_int_eq(check(), -EBADMSG);
        good_result();
        m.header.kind = 0;
        ck_assert_int_eq(check(), -EBADMSG);
        m.header.kind = _PROTO_KIND_MAX;
        ck_assert_int_eq(check(), -EBADMSG);
        m.header.kind = PROTO_JOB; /* a kind of another size */
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_result_verdicts) {
        good_result();
        m.result.verdict = _VERDICT_MAX;
        ck_assert_int_eq(check(), -EBADMSG);

        /* Every pair of verdict and reason that does not belong together. */
        for (unsigned v = 0; v <= 255; v++)
                for (unsigned r = 0; r <= 255; r++) {
                        good_result();
                        m.result.verdict = (uint8_t)v;
                        m.result.reason = (uint8_t)r;
                        proto_text(m.result.signature, sizeof(m.result.signature), "x");
                        ck_assert_int_eq(check() == PROTO_RESULT,
                                         v < _VERDICT_MAX && r < _REASON_MAX &&
                                                 verdict_reason_fits(v, r));
                }

        good_result();
        m.result.verdict = VERDICT_INFECTED; /* with what? */
        ck_assert_int_eq(check(), -EBADMSG);
        proto_text(m.result.signature, sizeof(m.result.signature), "Some.Virus");
        ck_assert_int_eq(check(), PROTO_RESULT);
}
END_TEST

/* What a worker says of a hub's stamp is in range, or nothing of it is looked at. */
START_TEST(test_result_hub) {
        struct hub_found *found = &m.result.hub.found[0];

        good_result();
        m.result.known = KNOWN_HUB;
        m.result.has_digest = 1;
        m.result.verdict = VERDICT_UNKNOWN;
        ck_assert_int_eq(check(), -EBADMSG); /* no stamp */
        m.result.hub.n_found = 1;
        ck_assert_int_eq(check(), -EBADMSG); /* a stamp of no key */
        found->stamp.verdict = VERDICT_CLEAN;
        found->stamp.key[0] = 'k';
        ck_assert_int_eq(check(), PROTO_RESULT);
        found->stamp.key[sizeof(found->stamp.key) - 1] = 'k'; /* behind its end */
        ck_assert_int_eq(check(), -EBADMSG);
        memset(found->stamp.key, 'k', sizeof(found->stamp.key)); /* no end */
        ck_assert_int_eq(check(), -EBADMSG);
        memset(found->stamp.key, 0, sizeof(found->stamp.key));
        found->stamp.key[0] = '/';
        ck_assert_int_eq(check(), -EBADMSG);
        found->stamp.key[0] = 'k';
        found->stamp.algorithm = _HUB_ALGORITHM_MAX;
        ck_assert_int_eq(check(), -EBADMSG);
        found->stamp.algorithm = HUB_HMAC_SHA256;
        found->stamp.signature[32] = 1; /* longer than a MAC */
        ck_assert_int_eq(check(), -EBADMSG);
        found->stamp.algorithm = HUB_ED25519;
        ck_assert_int_eq(check(), PROTO_RESULT);
        found->check = HUB_BODY; /* the gate's to say */
        ck_assert_int_eq(check(), -EBADMSG);
        found->check = HUB_MALFORMED; /* and yet a stamp */
        ck_assert_int_eq(check(), -EBADMSG);
        found->stamp = (struct hub_stamp){};
        ck_assert_int_eq(check(), PROTO_RESULT);
        m.result.hub.n_found = HUB_STAMPS_MAX + 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.hub.n_found = 1;
        m.result.hub.found[1].reserved[0] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.hub.found[1].reserved[0] = 0;
        m.result.hub.check = HUB_IRREGULAR;
        ck_assert_int_eq(check(), PROTO_RESULT);
        m.result.hub.body[0] = 1; /* which it can't have */
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.hub.body[0] = 0;
        m.result.known = KNOWN_CACHE;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_result_known) {
        good_result();
        m.result.known = KNOWN_DIGEST; /* and clean at once */
        m.result.has_digest = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.verdict = VERDICT_UNKNOWN;
        ck_assert_int_eq(check(), PROTO_RESULT);
        m.result.known = KNOWN_CACHE;
        ck_assert_int_eq(check(), PROTO_RESULT);
        m.result.has_digest = 0; /* what is known? */
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.has_digest = 1;
        m.result.reason = REASON_ENGINE;
        ck_assert_int_eq(check(), -EBADMSG);
        good_result();
        m.result.known = _RESULT_KNOWN_MAX;
        m.result.has_digest = 1;
        m.result.verdict = VERDICT_UNKNOWN;
        ck_assert_int_eq(check(), -EBADMSG);
        good_result();
        m.result.has_digest = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        good_result();
        m.result.reserved = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        good_result();
        m.result.context.subject[0] = 'x'; /* of something clean */
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.verdict = VERDICT_UNSCANNABLE;
        m.result.reason = REASON_BROKEN;
        ck_assert_int_eq(check(), PROTO_RESULT);
        m.result.context.subject[0] = '\n';
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_texts) {
        good_result();
        m.result.verdict = VERDICT_INFECTED;
        memset(m.result.signature, 'x', sizeof(m.result.signature)); /* no end */
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.signature[sizeof(m.result.signature) - 1] = '\0';
        ck_assert_int_eq(check(), PROTO_RESULT);
        m.result.signature[3] = '\n'; /* a second log line */
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.signature[3] = '\x1b';
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.signature[3] = (char)0xe4;
        ck_assert_int_eq(check(), -EBADMSG);
        m.result.signature[3] = '\0'; /* something hides behind the end */
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_text_cut) {
        char field[6];

        memset(field, 'z', sizeof(field));
        proto_text(field, sizeof(field), "ab\ncdefg");
        ck_assert_str_eq(field, "ab?cd");
        proto_text(field, sizeof(field), "");
        ck_assert_mem_eq(field, "\0\0\0\0\0\0", 6);
}
END_TEST

START_TEST(test_job) {
        proto_init(&m, PROTO_JOB);
        m.job.size = PROTO_BAY_SIZE;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.size++; /* beyond the slot, without an fd */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.has_fd = 1;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.has_fd = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.has_fd = 1;
        m.job.bay = PROTO_BAYS - 1;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.bay = PROTO_BAYS;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.bay = 0;
        m.job.reserved[0] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.reserved[0] = 0;
        m.job.use_hub = 1;
        m.job.form = JOB_RAW; /* no message */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.form = JOB_MESSAGE;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.use_hub = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.use_hub = 0;
        m.job.use_cache = 1;
        m.job.form = JOB_DBOX;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.use_cache = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.use_cache = 0;
        m.job.form = JOB_MBOX; /* an mbox as one item */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.form = _JOB_FORM_MAX;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

static void good_many(void) {
        proto_init(&m, PROTO_JOB);
        m.job.has_fd = m.job.many = 1;
        m.job.form = JOB_MBOX;
        m.job.from = 10;
        m.job.wanted = 20;
        m.job.to = 21;
}

START_TEST(test_job_many) {
        good_many();
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.form = JOB_DBOX;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.form = JOB_MESSAGE; /* of which there is one */
        ck_assert_int_eq(check(), -EBADMSG);
        good_many();
        m.job.many = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        good_many();
        ck_assert_uint_eq(proto_bay_at(JOB_MBOX, m.job.from), 10);
        ck_assert_uint_eq(proto_bay_at(JOB_DBOX, m.job.from), 0);
        m.job.has_fd = 0;
        m.job.size = PROTO_BAY_SIZE;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.size++;
        ck_assert_int_eq(check(), -EBADMSG);
        good_many();
        m.job.has_known = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        good_many();
        m.job.use_hub = 1;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.form = JOB_DBOX;
        ck_assert_int_eq(check(), PROTO_JOB);
        good_many();
        m.job.n_distrusted = 1; /* where no stamps are asked for */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.use_hub = 1;
        m.job.distrusted[0] = 15;
        ck_assert_int_eq(check(), PROTO_JOB);
        ck_assert(proto_is_distrusted(&m.job, 15) && !proto_is_distrusted(&m.job, 0));
        m.job.distrusted[1] = 16; /* beyond their number */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.n_distrusted = PROTO_REFUSED_MAX;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.n_distrusted++;
        ck_assert_int_eq(check(), -EBADMSG);
        good_many();
        m.job.from = 21; /* behind what is wanted */
        ck_assert_int_eq(check(), -EBADMSG);
        good_many();
        m.job.to = 20; /* nothing is wanted */
        ck_assert_int_eq(check(), -EBADMSG);
        proto_init(&m, PROTO_JOB);
        m.job.to = 1; /* a range of one message */
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

/* Three that follow each other, of every kind. */
static void good_items(void) {
        proto_init(&m, PROTO_ITEMS);
        m.items.n = 3;
        m.items.spans[0] = (struct proto_span){ .offset = 5, .size = 10, .how = ITEM_PASSED };
        m.items.spans[1] = (struct proto_span){
                .offset = 15, .size = 1, .how = ITEM_CACHED, .has_digest = 1, .digest = "d"
        };
        m.items.spans[2] = (struct proto_span){
                .offset = 16, .size = 4, .how = ITEM_SCANNED, .verdict = VERDICT_CLEAN, .last = 1
        };
}

START_TEST(test_items) {
        good_items();
        ck_assert_int_eq(check(), PROTO_ITEMS);
        m.items.n = 0;
        ck_assert_int_eq(check(), -EBADMSG);
        m.items.n = 2; /* something hides behind the end */
        ck_assert_int_eq(check(), -EBADMSG);
        m.items.n = 4; /* an empty one */
        ck_assert_int_eq(check(), -EBADMSG);
        m.items.n = PROTO_SPANS_MAX + 1;
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.through = 1;
        ck_assert_int_eq(check(), PROTO_ITEMS);
        m.items.through = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.reserved[2] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[1].size = 0;
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[1].offset = 14; /* one more time */
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[2].offset = 17; /* a gap that nobody looked at */
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[1].last = 1; /* and then another */
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[2].size = UINT64_MAX - 15; /* the end wraps around */
        ck_assert_int_eq(check(), -EBADMSG);
        m.items.spans[2].size--;
        ck_assert_int_eq(check(), PROTO_ITEMS);

        proto_init(&m, PROTO_ITEMS);
        m.items.n = PROTO_SPANS_MAX;
        for (unsigned i = 0; i < PROTO_SPANS_MAX; i++)
                m.items.spans[i] = (struct proto_span){
                        .offset = i, .size = 1, .how = ITEM_SCANNED, .verdict = VERDICT_CLEAN
                };
        ck_assert_int_eq(check(), PROTO_ITEMS);
}
END_TEST

START_TEST(test_items_are_dull) {
        good_items();
        m.items.spans[0].has_digest = 1; /* of what was not looked at */
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[0].verdict = VERDICT_CLEAN;
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[1].has_digest = 0; /* which digest is known? */
        memset(m.items.spans[1].digest, 0, DIGEST_SIZE);
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[1].reason = REASON_READ;
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[2].digest[0] = 1; /* one that is not there */
        ck_assert_int_eq(check(), -EBADMSG);
        m.items.spans[2].has_digest = 1;
        ck_assert_int_eq(check(), PROTO_ITEMS);
        m.items.spans[2].has_digest = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[2].how = _ITEM_HOW_MAX;
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[2].reserved[2] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[2].last = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        for (unsigned v = 0; v <= 255; v++) /* those that the log is told of come by themselves */
                for (unsigned r = 0; r <= 255; r++) {
                        good_items();
                        m.items.spans[2].verdict = (uint8_t)v;
                        m.items.spans[2].reason = (uint8_t)r;
                        ck_assert_int_eq(check() == PROTO_ITEMS,
                                         v == VERDICT_CLEAN && r == REASON_NONE);
                }
}
END_TEST

static void good_item(void) {
        proto_init(&m, PROTO_ITEM);
        m.item.span = (struct proto_span){
                .offset = 7, .size = 9, .how = ITEM_SCANNED, .verdict = VERDICT_INFECTED
        };
        strcpy(m.item.signature, "Some.Virus");
        strcpy(m.item.context.message_id, "<1@example.org>");
}

START_TEST(test_item) {
        good_item();
        ck_assert_int_eq(check(), PROTO_ITEM);
        m.item.signature[0] = '\0';
        ck_assert_int_eq(check(), -EBADMSG);
        good_item();
        m.item.span.verdict = VERDICT_CLEAN;
        ck_assert_int_eq(check(), -EBADMSG);
        good_item();
        m.item.span.verdict = VERDICT_UNSCANNABLE;
        ck_assert_int_eq(check(), -EBADMSG);
        m.item.span.reason = REASON_LIMITS;
        ck_assert_int_eq(check(), PROTO_ITEM);
        m.item.signature[0] = '\0';
        m.item.signature[1] = '\0';
        ck_assert_int_eq(check(), -EBADMSG);
        memset(m.item.signature, 0, sizeof(m.item.signature));
        ck_assert_int_eq(check(), PROTO_ITEM);
        m.item.span.how = ITEM_CACHED;
        ck_assert_int_eq(check(), -EBADMSG);
        good_item();
        m.item.span.size = 0;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

/* What a worker says of stamps in one of many messages comes by itself, and is in range. */
START_TEST(test_item_hub) {
        struct hub_found *found = &m.item.hub.found[0];
        struct proto_span span = { .offset = 7, .size = 9, .how = ITEM_HUB, .has_digest = 1 };

        proto_init(&m, PROTO_ITEM);
        m.item.span = span;
        ck_assert_int_eq(check(), -EBADMSG); /* no stamp */
        m.item.hub.n_found = 1;
        ck_assert_int_eq(check(), -EBADMSG); /* a stamp of no key */
        found->stamp.verdict = VERDICT_CLEAN;
        found->stamp.key[0] = 'k';
        ck_assert_int_eq(check(), PROTO_ITEM);
        found->stamp.algorithm = _HUB_ALGORITHM_MAX;
        ck_assert_int_eq(check(), -EBADMSG);
        found->stamp.algorithm = HUB_HMAC_SHA256;
        m.item.hub.n_found = HUB_STAMPS_MAX + 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.item.hub.n_found = 1;
        m.item.span.verdict = VERDICT_CLEAN; /* the gate's to say */
        ck_assert_int_eq(check(), -EBADMSG);
        m.item.span.verdict = VERDICT_UNKNOWN;
        m.item.span.has_digest = 0;
        ck_assert_int_eq(check(), -EBADMSG);
        m.item.span.has_digest = 1;
        m.item.signature[0] = 'x';
        ck_assert_int_eq(check(), -EBADMSG);
        m.item.signature[0] = '\0';
        m.item.context.subject[0] = 'x';
        ck_assert_int_eq(check(), -EBADMSG);
        m.item.context.subject[0] = '\0';
        ck_assert_int_eq(check(), PROTO_ITEM);

        good_item();
        m.item.hub.n_found = 1; /* and yet it was scanned */
        found->stamp.verdict = VERDICT_CLEAN;
        found->stamp.key[0] = 'k';
        ck_assert_int_eq(check(), -EBADMSG);
        good_items();
        m.items.spans[1].how = ITEM_HUB; /* without its stamps */
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_context) {
        static const struct {
                const char *text;
                bool good;
        } cases[] = {
                { "plain", true },
                { "Gr\xc3\xbc\xc3\x9f"
                  "e",
                  true },
                { "\xe2\x82\xac \xf0\x9f\x93\xa7 \xef\xbf\xbd", true },
                { "\xf4\x8f\xbf\xbd", true },
                { "two\nlines", false },
                { "\x1b[2J", false },
                { "\x7f", false },
                { "\xc2\x9b"
                  "2J",
                  false }, /* a control character of two bytes */
                { "\xc2\xa0", true },
                { "\xe4hm", false },
                { "\x80", false },
                { "\xc0\xaf", false }, /* '/', too long */
                { "\xc1\xbf", false },
                { "\xe0\x80\xaf", false },
                { "\xf0\x80\x80\xaf", false },
                { "\xed\xa0\x80", false }, /* half of a pair */
                { "\xed\x9f\xbf", true },
                { "\xee\x80\x80", true },
                { "\xf4\x90\x80\x80", false }, /* beyond the last one */
                { "\xf5\x80\x80\x80", false },
                { "\xff", false },
                { "cut \xe2\x82", false },
                { "cut \xe2\x82z", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (unsigned field = 0; field < 3; field++) {
                        char *texts[] = { m.item.context.message_id, m.item.context.from,
                                          m.item.context.subject };

                        good_item();
                        strcpy(texts[field], cases[i].text);
                        /* What was there before is longer. */
                        memset(texts[field] + strlen(cases[i].text), 0,
                               CONTEXT_FROM_SIZE - strlen(cases[i].text));
                        ck_assert_msg((check() == PROTO_ITEM) == cases[i].good, "case %zu", i);
                }

        good_item();
        m.item.context.subject[5] = 'x'; /* behind the end */
        ck_assert_int_eq(check(), -EBADMSG);
        good_item();
        memset(m.item.context.subject, 'x', sizeof(m.item.context.subject));
        ck_assert_int_eq(check(), -EBADMSG);
        m.item.context.subject[sizeof(m.item.context.subject) - 1] = '\0';
        ck_assert_int_eq(check(), PROTO_ITEM);
        /* A character that the field's end cuts. */
        m.item.context.subject[sizeof(m.item.context.subject) - 2] = '\xc3';
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_content) {
        proto_init(&m, PROTO_CONTENT);
        ck_assert_int_eq(check(), -EBADMSG); /* nothing costs no worker */
        m.content.size = 5;
        ck_assert_int_eq(check(), PROTO_CONTENT);
        m.content.offset = UINT64_MAX - 4;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_servers) {
        proto_init(&m, PROTO_SERVERS);
        ck_assert_int_eq(check(), PROTO_SERVERS);
        m.servers.servers = CLAMD_SERVERS_MAX;
        m.servers.usable = CLAMD_SERVERS_MAX;
        m.servers.change = SERVERS_NONE;
        m.servers.stale = 1;
        strcpy(m.servers.text, "unix:/a is left out.");
        ck_assert_int_eq(check(), PROTO_SERVERS);
        m.servers.servers--;
        ck_assert_int_eq(check(), -EBADMSG);
        m.servers.servers += 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.servers.servers--;
        m.servers.change++;
        ck_assert_int_eq(check(), -EBADMSG);
        m.servers.change--;
        m.servers.stale++;
        ck_assert_int_eq(check(), -EBADMSG);
        m.servers.stale--;
        m.servers.text[3] = '\n';
        ck_assert_int_eq(check(), -EBADMSG);
        m.servers.text[3] = 'x';
        m.servers.reserved[5] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_ended) {
        proto_init(&m, PROTO_ENDED);
        ck_assert_int_eq(check(), PROTO_ENDED);
        m.ended.killed = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.ended.killed = 1;
        ck_assert_int_eq(check(), PROTO_ENDED);
        m.ended.reserved[0] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_cover) {
        proto_init(&m, PROTO_COVER);
        m.cover.body[0] = 1;
        ck_assert_int_eq(check(), PROTO_COVER);
        m.cover.check = HUB_IRREGULAR; /* and yet it has a digest */
        ck_assert_int_eq(check(), -EBADMSG);
        m.cover.body[0] = 0;
        ck_assert_int_eq(check(), PROTO_COVER);
        m.cover.check = HUB_BODY;
        ck_assert_int_eq(check(), -EBADMSG);
        m.cover.check = HUB_GOOD;
        m.cover.reserved[0] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_job_plan) {
        proto_init(&m, PROTO_JOB);
        m.job.plan = 1; /* of what lies in the bay */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.has_fd = 1;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.detached = 1;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.detached = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.detached = 1;
        m.job.plan = 0;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.plan = 1;
        m.job.form = JOB_MESSAGE; /* which is no attachment */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.detached = 0;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.use_cache = 1; /* what is known is not planned */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.use_cache = 0;
        m.job.use_hub = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.use_hub = 0;
        m.job.cover = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.cover = 0;
        m.job.attachments = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.attachments = 0;
        m.job.has_known = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.has_known = 0;
        m.job.plan = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        good_many();
        m.job.plan = 1; /* of all that lies between */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.from = m.job.wanted;
        ck_assert_int_eq(check(), PROTO_JOB);
}
END_TEST

static void good_plan(void) {
        proto_init(&m, PROTO_PLAN);
        m.plan.offset = 7;
        m.plan.size = 9;
        m.plan.original[0] = 1;
        m.plan.planned[0] = 2;
        m.plan.part = PROTO_PART_NONE;
        strcpy(m.plan.signature, "Some.Virus");
        strcpy(m.plan.context.subject, "Hello");
}

START_TEST(test_plan_made) {
        good_plan();
        ck_assert_int_eq(check(), PROTO_PLAN);
        m.plan.opaque = m.plan.whole = m.plan.noticed = 1;
        ck_assert_int_eq(check(), PROTO_PLAN);
        for (size_t i = 0; i < 3; i++) {
                uint8_t *flags[] = { &m.plan.opaque, &m.plan.whole, &m.plan.noticed };

                *flags[i] = 2;
                ck_assert_int_eq(check(), -EBADMSG);
                *flags[i] = 1;
        }
        m.plan.digest[5] = 1; /* that it has not */
        ck_assert_int_eq(check(), -EBADMSG);
        m.plan.has_digest = 1;
        ck_assert_int_eq(check(), PROTO_PLAN);
        m.plan.has_digest = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        good_plan();
        m.plan.size = UINT64_MAX - 6; /* the end wraps around */
        ck_assert_int_eq(check(), -EBADMSG);
        m.plan.size = 0;
        ck_assert_int_eq(check(), -EBADMSG);
        good_plan();
        m.plan.planned[0] = 1; /* the infected item again */
        ck_assert_int_eq(check(), -EBADMSG);
        good_plan();
        memset(m.plan.signature, 0, sizeof(m.plan.signature)); /* infected with what? */
        ck_assert_int_eq(check(), -EBADMSG);
        good_plan();
        m.plan.signature[3] = '\n';
        ck_assert_int_eq(check(), -EBADMSG);
        good_plan();
        m.plan.context.subject[2] = '\n';
        ck_assert_int_eq(check(), -EBADMSG);
        good_plan();
        m.plan.reserved[6] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        good_plan();
        m.plan.outcome = _PLAN_OUTCOME_MAX;
        m.plan.part = 0;
        m.plan.planned[0] = 0;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

/* What was not planned says nothing of a plan. */
START_TEST(test_plan_not_made) {
        good_plan();
        m.plan.outcome = PLAN_NONE;
        ck_assert_int_eq(check(), -EBADMSG);
        m.plan.part = 0;
        ck_assert_int_eq(check(), -EBADMSG);
        m.plan.planned[0] = 0;
        ck_assert_int_eq(check(), PROTO_PLAN);
        m.plan.noticed = 1;
        ck_assert_int_eq(check(), -EBADMSG);
        m.plan.noticed = 0;
        m.plan.has_digest = 1;
        ck_assert_int_eq(check(), PROTO_PLAN);

        m.plan.outcome = PLAN_NOT_INFECTED; /* with Some.Virus */
        ck_assert_int_eq(check(), -EBADMSG);
        memset(m.plan.signature, 0, sizeof(m.plan.signature));
        ck_assert_int_eq(check(), -EBADMSG);
        memset(&m.plan.context, 0, sizeof(m.plan.context));
        ck_assert_int_eq(check(), PROTO_PLAN);
        m.plan.outcome = PLAN_NONE; /* there was no time to look */
        ck_assert_int_eq(check(), PROTO_PLAN);
        m.plan.outcome = PLAN_CHANGED; /* the digest of what? */
        ck_assert_int_eq(check(), -EBADMSG);
        m.plan.has_digest = 0;
        ck_assert_int_eq(check(), -EBADMSG);
        m.plan.original[0] = 0;
        ck_assert_int_eq(check(), PROTO_PLAN);
}
END_TEST

START_TEST(test_attachment) {
        proto_init(&m, PROTO_ATTACHMENT);
        ck_assert_int_eq(check(), -EBADMSG); /* by no rule */
        strcpy(m.attachment.pattern, "*.exe");
        ck_assert_int_eq(check(), PROTO_ATTACHMENT);
        m.attachment.by_type = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.attachment.by_type = 1;
        strcpy(m.attachment.name, "a\nb");
        ck_assert_int_eq(check(), -EBADMSG);
        strcpy(m.attachment.name, "a b");
        ck_assert_int_eq(check(), PROTO_ATTACHMENT);
        m.attachment.reserved[6] = 1;
        ck_assert_int_eq(check(), -EBADMSG);

        proto_init(&m, PROTO_JOB);
        m.job.attachments = 1; /* of what is no message */
        ck_assert_int_eq(check(), -EBADMSG);
        m.job.form = JOB_MESSAGE;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.cover = 1;
        ck_assert_int_eq(check(), PROTO_JOB);
        m.job.attachments = 2;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_load) {
        proto_init(&m, PROTO_LOAD);
        ck_assert_int_eq(check(), -EBADMSG); /* no paths */
        strcpy(m.load.database, "/db");
        strcpy(m.load.tmpdir, "relative");
        ck_assert_int_eq(check(), -EBADMSG);
        strcpy(m.load.tmpdir, "/tmp");
        ck_assert_int_eq(check(), -EBADMSG); /* no notice */
        strcpy(m.load.notice, "Removed: %{virus}");
        ck_assert_int_eq(check(), -EBADMSG);
        strcpy(m.load.notice, "Removed: %{signature}");
        ck_assert_int_eq(check(), PROTO_LOAD);
        m.load.host[0] = m.load.allowed[0] = '\n';
        ck_assert_int_eq(check(), -EBADMSG);
        m.load.host[0] = '\0';
        ck_assert_int_eq(check(), -EBADMSG);
        m.load.allowed[0] = '\0';
        m.load.limits = CONTENT_IGNORE; /* what was not scanned is never clean */
        ck_assert_int_eq(check(), -EBADMSG);
        m.load.limits = CONTENT_INFECTED;
        ck_assert_int_eq(check(), PROTO_LOAD);
        m.load.broken = _CONTENT_RULE_MAX;
        ck_assert_int_eq(check(), -EBADMSG);
        m.load.broken = CONTENT_IGNORE;
        memset(m.load.attachment_names, 'x', sizeof(m.load.attachment_names)); /* no end */
        ck_assert_int_eq(check(), -EBADMSG);
        m.load.attachment_names[0] = '\0';
        ck_assert_int_eq(check(), PROTO_LOAD);
        m.load.running.id[0] = 1; /* of nothing that runs */
        ck_assert_int_eq(check(), -EBADMSG);
        m.load.has_running = 1;
        ck_assert_int_eq(check(), PROTO_LOAD);
        m.load.only_compare = m.load.background = 1;
        ck_assert_int_eq(check(), PROTO_LOAD);
        m.load.has_running = 0;
        memset(&m.load.running, 0, sizeof(m.load.running));
        ck_assert_int_eq(check(), -EBADMSG); /* with what? */
        m.load.only_compare = 0;
        m.load.background = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.load.background = 0;
        memset(m.load.database, '/', sizeof(m.load.database));
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

START_TEST(test_loaded) {
        proto_init(&m, PROTO_LOADED);
        ck_assert_int_eq(check(), -EBADMSG); /* scanning with nothing is not scanning */
        strcpy(m.loaded.engine, "ClamAV 1.4.6");
        ck_assert_int_eq(check(), -EBADMSG);
        strcpy(m.loaded.engine, "clamd 1.4.6"); /* who scans elsewhere */
        ck_assert_int_eq(check(), PROTO_LOADED);
        m.loaded.signatures = 1;
        ck_assert_int_eq(check(), PROTO_LOADED);

        proto_init(&m, PROTO_COMPARED);
        ck_assert_int_eq(check(), PROTO_COMPARED);
        m.compared.same = 1;
        ck_assert_int_eq(check(), PROTO_COMPARED);
        m.compared.same = 2;
        ck_assert_int_eq(check(), -EBADMSG);
        m.compared.same = 0;
        m.compared.reserved[6] = 1;
        ck_assert_int_eq(check(), -EBADMSG);
}
END_TEST

static int pair[2];

static void connect_pair(void) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

START_TEST(test_round_trip) {
        int fds[PROTO_FDS_MAX] = { -1, -1, -1 };

        connect_pair();
        proto_init(&m, PROTO_SPAWN);
        m.spawn.worker = 7;
        ck_assert_int_eq(proto_send(pair[0], &m, (int[]){ pair[0], pair[1], pair[1] }, 3), 0);
        memset(&m, 0xff, sizeof(m));
        ck_assert_int_eq(proto_receive(pair[1], &m, fds), PROTO_SPAWN);
        ck_assert_uint_eq(m.spawn.worker, 7);
        for (int i = 0; i < PROTO_FDS_MAX; i++)
                ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);

        close(pair[0]);
        close(fds[0]);
        ck_assert_int_eq(proto_receive(pair[1], &m, fds), 0);
}
END_TEST

START_TEST(test_surplus_fds) {
        int fds[PROTO_FDS_MAX] = { -1, -1, -1 }, before = dup(0), after;

        close(before);
        connect_pair();
        proto_init(&m, PROTO_HELLO);
        ck_assert_int_eq(proto_send(pair[0], &m, pair, 1), 0);
        ck_assert_int_eq(proto_receive(pair[1], &m, fds), -EBADMSG);
        ck_assert_int_eq(fds[0], -1);
        close(pair[0]);
        close(pair[1]);
        after = dup(0); /* the refused fd was closed */
        ck_assert_int_eq(after, before);
        close(after);
}
END_TEST

START_TEST(test_never_sleeps) {
        int r;

        connect_pair();
        good_result();
        do
                r = proto_send(pair[0], &m, NULL, 0);
        while (r == 0);
        ck_assert_int_eq(r, -EAGAIN);
        /* The peer dies with unread messages: an error, not a signal. */
        close(pair[1]);
        ck_assert_int_eq(proto_send(pair[0], &m, NULL, 0), -ECONNRESET);
        ck_assert_int_eq(proto_send(pair[0], &m, NULL, 0), -EPIPE);
}
END_TEST

static unsigned received;

static void *receive_all(void *userdata) {
        static union proto_message own;
        int fds[PROTO_FDS_MAX];

        while (proto_receive(pair[1], &own, fds) == PROTO_RESULT)
                received++;
        return NULL;
}

/* Who sends patiently waits until there is room, and learns of the end. */
START_TEST(test_patience) {
        pthread_t thread;
        unsigned n = 0;

        connect_pair();
        good_result();
        while (proto_send(pair[0], &m, NULL, 0) == 0)
                n++;
        ck_assert_int_eq(pthread_create(&thread, NULL, receive_all, NULL), 0);
        for (unsigned i = 0; i < 3 * n; i++)
                ck_assert_int_eq(proto_send_patiently(pair[0], &m), 0);
        close(pair[0]);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_uint_eq(received, 4 * n);

        connect_pair();
        close(pair[1]);
        ck_assert_int_eq(proto_send_patiently(pair[0], &m), -EPIPE);
}
END_TEST

UNIT_MAIN("proto", test_sizes, test_header, test_result_verdicts, test_result_hub,
          test_result_known, test_texts, test_text_cut, test_job, test_job_many, test_items,
          test_items_are_dull, test_item, test_item_hub, test_context, test_attachment,
          test_content, test_ended, test_servers, test_cover, test_job_plan, test_plan_made,
          test_plan_not_made, test_load, test_loaded, test_round_trip, test_surplus_fds,
          test_never_sleeps, test_patience);
