/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing. Asks the kernel for paths and names, so it must run behind the answers. */

#include "daemon/report.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/stores.h"

static enum event_kind event_of(const struct report *report, bool denied) {
        if (report->hub_refused != HUB_GOOD)
                return EVENT_HUB_REFUSED;
        switch (report->verdict) {
        case VERDICT_INFECTED:
                if (report->released)
                        return EVENT_RELEASED;
                return denied ? EVENT_BLOCKED : EVENT_DETECTED;
        case VERDICT_UNSCANNABLE:
                return report->signature && startswith(report->signature, PROTO_MAIL_CRYPT)
                               ? EVENT_MAIL_CRYPT
                               : EVENT_UNSCANNABLE;
        case VERDICT_CLEAN:
        case VERDICT_UNKNOWN:
        case _VERDICT_MAX:
        default: return EVENT_UNDECIDED;
        }
}

/* Name and user of an opener, if it still runs: it was answered already, and may be gone. */
static void describe_opener(struct log_record *r, pid_t pid) {
        char path[sizeof("/proc//comm") + 3 * sizeof(int)];
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        ssize_t n;

        r->has_opener = true;
        r->pid = pid;
        snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        if (fstat(fd, &st) == 0)
                r->uid = st.st_uid;
        n = read(fd, r->comm, sizeof(r->comm) - 1);
        while (n > 0 && r->comm[n - 1] == '\n')
                n--;
        r->comm[MAX(n, 0)] = '\0';
}

void report_fill(const struct config *config, const struct report *report, struct log_record *r) {
        bool denied = report->has_opener && !report->allowed;
        enum place place;
        struct stat st;

        r->kind = event_of(report, denied);
        r->has_verdict = r->has_times = true;
        r->verdict = report->verdict;
        r->reason = report->reason;
        r->tier = report->tier;
        r->store = report->store->name;
        r->size = report->size;
        r->queue_usec = report->queue_usec;
        r->read_usec = report->read_usec;
        r->scan_usec = report->scan_usec;
        proto_text(r->signature, sizeof(r->signature), report->signature ? report->signature : "");
        r->has_digest = report->digest;
        if (report->digest)
                memcpy(r->digest, report->digest, sizeof(r->digest));
        if (report->context)
                r->context = *report->context;
        r->has_item = report->has_item;
        r->item_offset = report->item_offset;
        r->item_size = report->item_size;
        if (report->hub_refused != HUB_GOOD)
                (void)snprintf(r->detail, sizeof(r->detail),
                               "A stamp in its header was refused: %s.",
                               hub_check_text(report->hub_refused));
        generation_format(report->generation, r->generation);
        if (report->has_opener) {
                r->action = denied ? LOG_ACTION_DENIED : LOG_ACTION_ALLOWED;
                r->is_read = report->is_read;
                r->answer_usec = report->answer_usec;
                describe_opener(r, report->pid);
        }
        if (fstat(report->fd, &st) == 0)
                (void)stores_find(config, report->fd, &st, r->path, &place);
}

void report_name(struct log_record *r, const char *signature, const struct context *context,
                 const uint8_t *digest, uint64_t item_size) {
        proto_text(r->signature, sizeof(r->signature), signature);
        if (r->kind == EVENT_UNSCANNABLE && startswith(signature, PROTO_MAIL_CRYPT))
                r->kind = EVENT_MAIL_CRYPT;
        r->context = *context;
        r->has_digest = digest;
        if (digest)
                memcpy(r->digest, digest, sizeof(r->digest));
        r->item_size = item_size;
}

void report_verdict(struct journal *journal, const struct config *config,
                    const struct report *report) {
        struct log_record *r = journal_get(journal, EVENT_UNDECIDED);

        if (!r)
                return;
        report_fill(config, report, r);
        journal_put(journal, r);
}

void report_cure(struct journal *journal, const struct cure *cure) {
        const struct cure_subject *s = &cure->subject;
        struct log_record *r;

        if (cure->told || (cure->outcome != CURE_BUSY && cure->outcome != CURE_FAILED))
                return;
        r = journal_get(journal, EVENT_REMEDY_FAILED);
        if (!r)
                return;
        r->has_verdict = true;
        r->verdict = VERDICT_INFECTED;
        r->store = s->store->name;
        r->size = s->size;
        r->has_item = s->many;
        r->item_offset = s->offset;
        r->item_size = s->size;
        r->has_digest = cure->has_digest;
        memcpy(r->digest, cure->digest, sizeof(r->digest));
        r->context = cure->context;
        memcpy(r->signature, cure->signature, sizeof(r->signature));
        memcpy(r->path, cure->path, sizeof(r->path));
        (void)snprintf(r->detail, sizeof(r->detail), "%s", cure->text);
        generation_format(&cure->generation, r->generation);
        journal_put(journal, r);
}
