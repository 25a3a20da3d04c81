/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the search: ways to overwrite parts of the message (store/replace.h) are tried in a copy in
 * memory until one of them makes an item that is judged clean. All scans together have the time of
 * one item. Must not call anything clean that was not judged as a whole.
 */

#include "daemon/worker/plan.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/io.h"
#include "daemon/worker/gzip-exact.h"
#include "daemon/worker/plan-item.h"
#include "daemon/worker/unpack.h"
#include "store/notice.h"
#include "store/replace.h"
#include "store/util.h"

#define ITEM_NAME_DIGITS 16 /* of its digest: enough to find it by, and it fits a line */

DEFINE_CLEANUP(struct mime *, mime_free);
DEFINE_CLEANUP(struct replace_plan *, replace_plan_free);

struct search {
        struct judge *judge;
        const struct plan_item *it;
        const char *notice;
        uint8_t *copy;    /* of it->content: what is tried */
        struct scan scan; /* of the last one */
        struct proto_plan *plan;
};

/* ---- The notice ---- */

static void hexify(const uint8_t *bytes, size_t n, char *ret) {
        for (size_t i = 0; i < n; i++)
                (void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* In UTC: the reader's zone is not known, and the server's is no business of his. */
static void format_date(char *ret, size_t size) {
        time_t now = time(NULL);
        struct tm tm;

        if (!gmtime_r(&now, &tm) || strftime(ret, size, "%Y-%m-%d %H:%M UTC", &tm) == 0)
                ret[0] = '\0';
}

static int make_notice(const struct plan_words *words, const struct proto_plan *plan, char **ret) {
        char item[ITEM_NAME_DIGITS + 1], date[32];
        const struct notice_values values = {
                .signature = plan->signature,
                .item = item,
                .sender = plan->context.from,
                .date = date,
                .host = words->host,
        };
        struct notice_error error;

        hexify(plan->has_digest ? plan->digest : plan->original, ITEM_NAME_DIGITS / 2, item);
        format_date(date, sizeof(date));
        return notice_new(words->notice, strlen(words->notice), &values, ret, &error);
}

/* ---- Trying ---- */

/* 1: what is in the copy may stand there; 0: no; -ETIME: it can't be told, nor could others be. */
static int try(struct search *s) {
        struct judgement j = {};
        int r;

        r = plan_item_fits(s->it, s->copy);
        if (r <= 0)
                return r;
        if (memcmp(s->copy, s->it->content.data, (size_t)s->it->size) == 0)
                return 0;
        plan_item_judge(s->judge, s->it, s->copy, &j);
        s->scan = j.scan;
        if (j.scan.verdict == VERDICT_UNKNOWN)
                return -ETIME;
        return j.scan.verdict == VERDICT_CLEAN;
}

/* An attachment without its message: first with the notice, then without. */
static int search_detached(struct search *s) {
        size_t size = (size_t)s->it->size;
        int r;

        s->plan->opaque = s->plan->whole = 1;
        s->plan->part = PROTO_PART_NONE;
        s->plan->noticed = replace_detached(s->notice, s->copy, size);
        r = try(s);
        if (r == 0 && s->plan->noticed) {
                s->plan->noticed = 0;
                memset(s->copy, ' ', size);
                r = try(s);
        }
        return r;
}

static void take_note(struct search *s, const struct replace_plan *plan) {
        s->plan->whole = plan->whole;
        s->plan->noticed = plan->noticed;
        s->plan->part = plan->part == MIME_NONE ? PROTO_PART_NONE
                                                : (uint32_t)MIN(plan->part, PROTO_PART_NONE - 1);
}

/* The ways for a message, each applied in copy. That is part of what is tried, or, packed, becomes so by
 * being packed again to what the message was in size. */
static int search_ways(struct search *s, const uint8_t *message, size_t size, uint8_t *copy,
                       bool packed) {
        _cleanup_(mime_freep) struct mime *mime = NULL;
        struct replace_search ways = { .notice = s->notice };
        int r;

        r = mime_new(message, size, &mime);
        ways.mime = mime;
        while (r == 0) {
                _cleanup_(replace_plan_freep) struct replace_plan *plan = NULL;

                r = replace_next(&ways, &plan);
                if (r <= 0)
                        break;
                memcpy(copy, message, size);
                replace_plan_apply(plan, copy, size);
                take_note(s, plan);
                r = packed ? gzip_exact(copy, size, s->copy + s->it->message_at,
                                        s->it->message_size)
                           : 0;
                if (r == -ENOSPC || r == -EFBIG) {
                        r = 0;
                        continue;
                }
                if (r == 0)
                        r = try(s);
        }
        return r;
}

static int search_packed(struct search *s, const struct unpacked *u) {
        _cleanup_free_ uint8_t *copy = malloc(MAX((size_t)u->size, (size_t)1));

        if (!copy)
                return -ENOMEM;
        s->plan->opaque = 1;
        return search_ways(s, u->data, (size_t)u->size, copy, true);
}

/* Of the ways in which mail is packed only gzip pads. */
static int search_gzip(struct search *s) {
        struct unpacked u = {};
        int r;

        r = unpack(s->it->content.data + s->it->message_at, s->it->message_size,
                   s->judge->options->max_file_size, &u);
        if (r < 0)
                return r;
        r = r == UNPACK_DONE && streq(u.method, "gzip") && !mail_is_crypted(u.data, (size_t)u.size)
                    ? search_packed(s, &u)
                    : 0;
        unpack_release(&u);
        return r;
}

/* 1: the copy is clean; 0: nothing helps; -ETIME; -ENOMEM. */
static int search(struct search *s) {
        const uint8_t *message = s->it->content.data + s->it->message_at;
        size_t size = s->it->message_size;

        if (size == 0)
                return 0;
        if (s->it->job->detached)
                return search_detached(s);
        if (mail_is_crypted(message, size))
                return 0;
        if (!unpack_method(message, size))
                return search_ways(s, message, size, s->copy + s->it->message_at, false);
        /* What is packed has no lines, of which an mbox is made. */
        return s->it->job->form == JOB_MBOX ? 0 : search_gzip(s);
}

/* ---- The result ---- */

static int write_planned(int fd, const uint8_t *data, uint64_t size) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
                return -EMEDIUMTYPE;
        return write_at(fd, data, (size_t)size, 0);
}

static void forget_plan(struct proto_plan *plan) {
        plan->outcome = PLAN_NONE;
        plan->opaque = plan->whole = plan->noticed = 0;
        plan->part = 0;
        memset(plan->planned, 0, sizeof(plan->planned));
}

/* Of an item that is infected. 1: there is a plan; 0: there is none; or negative errno, as search(). */
static int make_plan(struct search *s, const struct plan_words *words, int planned_fd) {
        _cleanup_free_ char *notice = NULL;
        _cleanup_free_ uint8_t *copy = NULL;
        int r;

        r = make_notice(words, s->plan, &notice);
        if (r < 0)
                return r;
        copy = malloc(s->it->content.size);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, s->it->content.data, s->it->content.size);
        s->notice = notice;
        s->copy = copy;
        r = search(s);
        if (r <= 0)
                return r;
        r = digest_buffer(copy, (size_t)s->it->size, s->plan->planned);
        if (r == 0)
                r = write_planned(planned_fd, copy, s->it->size);
        return r < 0 ? r : 1;
}

/* What becomes of an item that was read. */
static int plan_read(struct search *s, const struct plan_words *words, int planned_fd,
                     struct judgement *j) {
        struct proto_plan *plan = s->plan;
        int r;

        if (!s->it->too_large) {
                r = digest_buffer(s->it->content.data, (size_t)s->it->size, plan->original);
                if (r < 0)
                        return r;
        }
        trust_begin(&s->judge->trust);
        plan_item_judge(s->judge, s->it, s->it->content.data, j);
        plan->has_digest = j->has_digest;
        if (j->has_digest)
                memcpy(plan->digest, j->digest, sizeof(plan->digest));
        if (j->scan.verdict == VERDICT_INFECTED) {
                memcpy(plan->signature, j->scan.text, sizeof(plan->signature));
                plan->context = j->context;
        } else {
                plan->outcome = j->scan.verdict == VERDICT_UNKNOWN ? PLAN_NONE : PLAN_NOT_INFECTED;
                return 0;
        }
        r = s->it->too_large ? 0 : make_plan(s, words, planned_fd);
        plan->outcome = PLAN_MADE;
        if (r <= 0)
                forget_plan(plan);
        if (r == -ETIME)
                j->scan = s->scan;
        return r == -ETIME ? 0 : MIN(r, 0);
}

void plan_make(struct judge *judge, const struct plan_words *words, const struct proto_job *job,
               int fd, int planned_fd, struct proto_plan *ret, struct judgement *ret_judgement) {
        struct plan_item it = {};
        struct search s = { .judge = judge, .it = &it, .plan = ret };
        int r;

        ret->offset = job->from;
        ret->size = job->many ? job->to - job->from : job->size;
        ret->outcome = PLAN_NONE;
        r = plan_item_read(judge, job, fd, &it);
        if (r == 0) {
                ret->outcome = PLAN_CHANGED;
                judge_unread(-ESTALE, &ret_judgement->scan);
                return;
        }
        if (r > 0)
                r = plan_read(&s, words, planned_fd, ret_judgement);
        if (r < 0)
                judge_unread(r, &ret_judgement->scan);
        plan_item_release(&it);
}
