/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the order in which a message is looked at: digest, what is known, the stored bytes, what
 * they are unpacked to. Must not know where the bytes come from, nor what they were a part of.
 */

#include "daemon/worker/message.h"

#include <stdio.h>
#include <string.h>

#include "daemon/worker/unpack.h"
#include "store/util.h"

/* ---- Verdicts of our own ---- */

/* As findings_judge() would have it, had libclamav said so; but never less than UNSCANNABLE. */
static void judge_by_rule(enum content_rule rule, enum reason reason, const char *name,
                          const char *text, struct scan *ret) {
        if (rule == CONTENT_INFECTED)
                scan_set(ret, VERDICT_INFECTED, REASON_NONE, name);
        else
                scan_set(ret, VERDICT_UNSCANNABLE, reason, text);
}

void judge_limits(const struct judge *judge, const char *text, struct scan *ret) {
        judge_by_rule(judge->options->rules.limits, REASON_LIMITS,
                      "Heuristics.Limits.Exceeded.Item", text, ret);
}

static void judge_crypted(const struct judge *judge, struct scan *ret) {
        judge_by_rule(judge->options->rules.encrypted, REASON_ENCRYPTED,
                      "Heuristics.Encrypted.MailCrypt",
                      PROTO_MAIL_CRYPT ": scan such mail before it is stored", ret);
}

static void judge_broken(const struct judge *judge, const char *method, struct scan *ret) {
        char text[PROTO_SIGNATURE_MAX];

        (void)snprintf(text, sizeof(text), "compressed by %s, but damaged or followed by more",
                       method);
        judge_by_rule(judge->options->rules.broken, REASON_BROKEN, "Heuristics.Broken.Compressed",
                      text, ret);
}

void judge_unread(int error, struct scan *ret) {
        if (error == -ENOMEM)
                scan_set(ret, VERDICT_UNKNOWN, REASON_OVERLOAD, "there is not enough memory");
        else if (error == -ENODATA)
                scan_set(ret, VERDICT_UNKNOWN, REASON_READ, "it became shorter while it was read");
        else if (error == -ESTALE)
                scan_set(ret, VERDICT_UNKNOWN, REASON_READ, "it was changed while it was read");
        else if (error == -EMEDIUMTYPE)
                scan_set(ret, VERDICT_UNKNOWN, REASON_READ, "it is not a regular file");
        else
                scan_set(ret, VERDICT_UNKNOWN, REASON_READ, error_text(-error));
}

/* ---- Scans ---- */

static void scan_more(struct judge *judge, const void *data, size_t size, struct scan *scan) {
        struct scan more = {};

        if (scan->verdict == VERDICT_INFECTED)
                return;
        trust_scan(&judge->trust, data, size, &more);
        scan_merge(scan, &more);
}

static void scan_unpacked(struct judge *judge, const struct unpacked *u, struct scan *scan) {
        struct scan crypted;

        scan_more(judge, u->data, u->size, scan);
        /* Who reads no more than the first member may see another message. */
        if (u->members > 1 && u->first_size < u->size)
                scan_more(judge, u->data, u->first_size, scan);
        if (mail_is_crypted(u->data, u->size)) {
                judge_crypted(judge, &crypted);
                scan_merge(scan, &crypted);
        }
}

/* Returns whether there was anything to unpack. before: the verdict without these bytes. */
static bool scan_packed(struct judge *judge, const uint8_t *data, size_t size, bool unfinished,
                        enum verdict before, struct scan *scan, struct context *context) {
        struct unpacked u = {};
        struct scan failed = {};
        int r;

        r = unpack(data, size, judge->options->max_file_size, &u);
        if (r == UNPACK_PLAIN)
                return false;
        if (r < 0)
                judge_unread(r, &failed);
        else if (r == UNPACK_TOO_LARGE)
                judge_limits(judge, "it is unpacked to more than the limits allow", &failed);
        else if (r == UNPACK_BROKEN && !unfinished)
                judge_broken(judge, u.method, &failed);
        else
                scan_set(&failed, VERDICT_CLEAN, REASON_NONE, "");
        if (u.size > 0)
                scan_unpacked(judge, &u, scan);
        scan_merge(scan, &failed);
        if (scan->verdict != before)
                context_read(u.data, u.size, context);
        unpack_release(&u);
        return true;
}

void judge_scan(struct judge *judge, const uint8_t *data, size_t size, bool unfinished,
                struct scan *scan, struct context *context) {
        enum verdict before = scan->verdict;
        struct scan crypted;

        scan_more(judge, data, size, scan);
        if (mail_is_crypted(data, size)) {
                judge_crypted(judge, &crypted);
                scan_merge(scan, &crypted);
        }
        /* Of several pieces the one that made it worse has the word. */
        if (!scan_packed(judge, data, size, unfinished, before, scan, context) &&
            scan->verdict != before)
                context_read(data, size, context);
}

/* ---- Judgement ---- */

bool judge_by_digest(const struct judge *judge, const struct question *question,
                     struct judgement *ret) {
        ret->has_digest = true;
        if (question->known && memcmp(ret->digest, question->known, STAMP_DIGEST_SIZE) == 0)
                ret->known = KNOWN_DIGEST;
        else if (question->use_cache && judge->cache.slots &&
                 cache_hint(&judge->cache, ret->digest, judge->generation))
                ret->known = KNOWN_CACHE;
        return ret->known != KNOWN_NOT;
}

/* Whether a hub vouches for the message, perhaps: the gate has the keys. */
static bool judge_by_hub(const uint8_t *data, size_t size, struct judgement *ret) {
        struct hub_content hub;

        /* What has no digests for want of memory is scanned like what has no stamp. */
        if (hub_content_read(data, size, &hub) < 0 || hub.n_found == 0)
                return false;
        ret->hub = hub;
        ret->known = KNOWN_HUB;
        return true;
}

void judge_message(struct judge *judge, enum canon_form form, const uint8_t *data, size_t size,
                   const struct question *question, struct judgement *ret) {
        int r;

        if (unpack_method(data, size))
                form = CANON_RAW;
        r = canon_buffer(form, data, size, ret->digest);
        if (r < 0) {
                judge_unread(r, &ret->scan);
                return;
        }
        if (judge_by_digest(judge, question, ret))
                return;
        if (question->use_hub && form == CANON_MESSAGE && judge_by_hub(data, size, ret))
                return;
        ret->scan_usec = trust_now_usec();
        scan_set(&ret->scan, VERDICT_CLEAN, REASON_NONE, "");
        judge_scan(judge, data, size, false, &ret->scan, &ret->context);
        if (question->cover && ret->scan.verdict == VERDICT_CLEAN) {
                r = form == CANON_MESSAGE
                            ? hub_content_digest(data, size, ret->cover_body, ret->cover_header)
                            : HUB_IRREGULAR;
                ret->covered = r >= 0;
                ret->cover = r == HUB_GOOD ? HUB_GOOD : HUB_IRREGULAR;
        }
}
