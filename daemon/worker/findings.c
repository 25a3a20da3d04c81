/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the tables of libclamav's words. Every name and message here was met on libclamav 1.4 with
 * real or mutated content; what is not known is taken as the worse: an unknown name is a match.
 */

#include "daemon/worker/findings.h"

#include <string.h>

#include "store/util.h"

static const struct {
        const char *prefix;
        enum alert alert;
} alerts[] = {
        /* The first that fits. */
        { "Heuristics.Limits.Exceeded.MaxScanTime", ALERT_TIMEOUT },
        { "Heuristics.Limits.Exceeded", ALERT_LIMITS },
        { "Heuristics.XZ.DicSizeLimit", ALERT_LIMITS },
        { "Heuristics.Encrypted", ALERT_ENCRYPTED },
        { "Heuristics.Broken", ALERT_BROKEN },
};

enum alert alert_from_name(const char *name) {
        static const char unofficial[] = ".UNOFFICIAL";
        size_t n = strlen(name);

        /* libclamav marks every signature that ClamAV did not sign, so that nobody's signature
         * named like a heuristic is taken for one. */
        if (n >= sizeof(unofficial) - 1 && streq(name + n - (sizeof(unofficial) - 1), unofficial))
                return ALERT_MATCH;
        for (size_t i = 0; i < ELEMENTSOF(alerts); i++)
                if (startswith(name, alerts[i].prefix))
                        return alerts[i].alert;
        return ALERT_MATCH;
}

static const struct {
        const char *part;
        enum remark remark;
} remarks[] = {
        /* The first that fits. */
        { "For your safety", REMARK_TOO_LARGE },
        { "exceeds limits", REMARK_TOO_LARGE },
        { "timed out", REMARK_TIMEOUT },
        { "timeout", REMARK_TIMEOUT },
        /* Where temporary files, memory or system calls failed. */
        { "temporary", REMARK_ENGINE },
        { "temp file", REMARK_ENGINE },
        { "tempfile", REMARK_ENGINE },
        { "tmp", REMARK_ENGINE },
        { "creat", REMARK_ENGINE },
        { "writ", REMARK_ENGINE },
        { "open", REMARK_ENGINE },
        { "alloc", REMARK_ENGINE },
        { "memory", REMARK_ENGINE },
        { "no space", REMARK_ENGINE },
        { "I/O", REMARK_ENGINE },
        { "unlink", REMARK_ENGINE },
        { "remove", REMARK_ENGINE },
        { "mkdir", REMARK_ENGINE },
        { "folder", REMARK_ENGINE },
        { "directory", REMARK_ENGINE },
        { "permission", REMARK_ENGINE },
        { "map", REMARK_ENGINE }, /* fmap, mmap, map file */
        { "stat", REMARK_ENGINE },
        { "seek", REMARK_ENGINE },
        { "dup", REMARK_ENGINE },
        { "init", REMARK_ENGINE },
        { "bytecode", REMARK_ENGINE },
        { "mutex", REMARK_ENGINE },
        { "null", REMARK_ENGINE },
        { "descriptor", REMARK_ENGINE },
};

/* Messages of parsers that name content, though a word of the table above is in them. */
static const char *const content_prefixes[] = {
        "GIF: ",
        "JPEG: ",
        "PNG: ",
        "TIFF: ",
        "cli_parsetiff: ",
        "cli_parsejpeg: ",
        "Unsupported message format", /* the text goes on with what the sender wrote */
};

enum remark remark_from_text(const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(content_prefixes); i++)
                if (startswith(text, content_prefixes[i]))
                        return REMARK_CONTENT;
        for (size_t i = 0; i < ELEMENTSOF(remarks); i++)
                if (strcasestr(text, remarks[i].part))
                        return remarks[i].remark;
        return REMARK_CONTENT;
}

void findings_alert(struct findings *f, const char *name) {
        char *slot = f->alerts[alert_from_name(name)];

        if (slot[0] == '\0')
                proto_text(slot, PROTO_SIGNATURE_MAX, name[0] ? name : "(no name)");
}

static bool is_in(const char *list, const char *name) {
        size_t n = strlen(name);

        for (const char *p = list; n > 0 && (p = strstr(p, name)); p += n)
                if ((p == list || p[-1] == ' ' || p[-1] == '\t') &&
                    (p[n] == '\0' || p[n] == ' ' || p[n] == '\t'))
                        return true;
        return false;
}

void findings_match(struct findings *f, const char *allowed, const char *name) {
        if (alert_from_name(name) == ALERT_MATCH && is_in(allowed, name))
                f->allowed = true;
        else
                findings_alert(f, name);
}

bool findings_alerted(const struct findings *f) {
        for (size_t i = 0; i < _ALERT_MAX; i++)
                if (f->alerts[i][0])
                        return true;
        return false;
}

void findings_remark(struct findings *f, const char *text) {
        enum remark remark = remark_from_text(text);
        char *slot;

        /* An allocation that libclamav refused as too large echoes as one that failed. */
        if (remark == REMARK_ENGINE && f->remarks[REMARK_TOO_LARGE][0] && strcasestr(text, "alloc"))
                return;
        slot = f->remarks[remark];
        if (slot[0] == '\0')
                proto_text(slot, PROTO_SIGNATURE_MAX, text[0] ? text : "(no text)");
}

void scan_set(struct scan *scan, enum verdict verdict, enum reason reason, const char *text) {
        scan->verdict = verdict;
        scan->reason = reason;
        scan->doubtful = false;
        proto_text(scan->text, sizeof(scan->text), text);
}

static bool judge_match(const struct findings *f, const struct content_rules *rules,
                        struct scan *ret) {
        const struct {
                enum alert alert;
                enum content_rule rule;
        } infected[] = {
                { ALERT_MATCH, CONTENT_INFECTED },
                { ALERT_LIMITS, rules->limits },
                { ALERT_ENCRYPTED, rules->encrypted },
                { ALERT_BROKEN, rules->broken },
        };

        for (size_t i = 0; i < ELEMENTSOF(infected); i++)
                if (infected[i].rule == CONTENT_INFECTED && f->alerts[infected[i].alert][0]) {
                        scan_set(ret, VERDICT_INFECTED, REASON_NONE, f->alerts[infected[i].alert]);
                        return true;
                }
        if (f->truncated && rules->limits == CONTENT_INFECTED) {
                scan_set(ret, VERDICT_INFECTED, REASON_NONE,
                         "Heuristics.Limits.Exceeded.Truncated");
                return true;
        }
        return false;
}

static bool judge_failure(const struct findings *f, struct scan *ret) {
        if (f->remarks[REMARK_ENGINE][0])
                scan_set(ret, VERDICT_UNKNOWN, REASON_ENGINE, f->remarks[REMARK_ENGINE]);
        else if (f->timed_out)
                scan_set(ret, VERDICT_UNKNOWN, REASON_TIMEOUT, f->error);
        else if (f->error[0])
                scan_set(ret, VERDICT_UNKNOWN, REASON_ENGINE, f->error);
        else if (f->alerts[ALERT_TIMEOUT][0])
                scan_set(ret, VERDICT_UNKNOWN, REASON_TIMEOUT, f->alerts[ALERT_TIMEOUT]);
        else if (f->remarks[REMARK_TIMEOUT][0])
                scan_set(ret, VERDICT_UNKNOWN, REASON_TIMEOUT, f->remarks[REMARK_TIMEOUT]);
        else if (f->nameless)
                scan_set(ret, VERDICT_UNKNOWN, REASON_ENGINE,
                         "libclamav found something and did not name it");
        else
                return false;
        return true;
}

static bool judge_unscannable(const struct findings *f, struct scan *ret) {
        if (f->alerts[ALERT_LIMITS][0])
                scan_set(ret, VERDICT_UNSCANNABLE, REASON_LIMITS, f->alerts[ALERT_LIMITS]);
        else if (f->truncated)
                scan_set(ret, VERDICT_UNSCANNABLE, REASON_LIMITS,
                         "a part is as large as the limits allow, so it was cut there");
        else if (f->alerts[ALERT_ENCRYPTED][0])
                scan_set(ret, VERDICT_UNSCANNABLE, REASON_ENCRYPTED, f->alerts[ALERT_ENCRYPTED]);
        else if (f->alerts[ALERT_BROKEN][0])
                scan_set(ret, VERDICT_UNSCANNABLE, REASON_BROKEN, f->alerts[ALERT_BROKEN]);
        else if (f->unsupported)
                scan_set(ret, VERDICT_UNSCANNABLE, REASON_BROKEN,
                         "a RAR archive, and libclamav's unrar module is not installed");
        else if (f->remarks[REMARK_TOO_LARGE][0]) {
                scan_set(ret, VERDICT_UNSCANNABLE, REASON_LIMITS, f->remarks[REMARK_TOO_LARGE]);
                ret->doubtful = true;
        } else if (f->remarks[REMARK_CONTENT][0]) {
                scan_set(ret, VERDICT_UNSCANNABLE, REASON_BROKEN, f->remarks[REMARK_CONTENT]);
                ret->doubtful = true;
        } else
                return false;
        return true;
}

void findings_judge(const struct findings *f, const struct content_rules *rules, struct scan *ret) {
        if (judge_match(f, rules, ret) || judge_failure(f, ret) || judge_unscannable(f, ret))
                return;
        if (f->layers == 0)
                scan_set(ret, VERDICT_UNKNOWN, REASON_ENGINE,
                         "libclamav did not look at the content");
        else
                scan_set(ret, VERDICT_CLEAN, REASON_NONE, "");
}

bool findings_want_all(const struct findings *f) {
        return !f->alerts[ALERT_MATCH][0] && !f->alerts[ALERT_TIMEOUT][0] && !f->timed_out &&
               (f->allowed || f->alerts[ALERT_LIMITS][0] || f->alerts[ALERT_ENCRYPTED][0] ||
                f->alerts[ALERT_BROKEN][0]);
}

static unsigned rank(const struct scan *scan) {
        static const unsigned ranks[_VERDICT_MAX] = {
                [VERDICT_CLEAN] = 0,
                [VERDICT_UNSCANNABLE] = 1,
                [VERDICT_UNKNOWN] = 2,
                [VERDICT_INFECTED] = 3,
        };

        return ranks[scan->verdict];
}

void scan_merge(struct scan *scan, const struct scan *other) {
        bool doubtful = scan->doubtful || other->doubtful;

        if (rank(other) > rank(scan))
                *scan = *other;
        scan->doubtful = doubtful && scan->verdict == VERDICT_UNSCANNABLE;
}
