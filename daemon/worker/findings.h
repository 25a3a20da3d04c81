/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What libclamav says in the course of a scan (names of alerts, messages, return codes) and what
 * that means. Pure: knows libclamav's words, not its functions, so that the rule "could not scan
 * is never clean" can be tested without it.
 */

#include <stdbool.h>

#include "daemon/config.h"
#include "daemon/proto.h"
#include "store/verdict.h"

/* What an alert's name says. libclamav reports what it could not look into in the same way as a
 * virus: by a name. */
enum alert {
        ALERT_MATCH,     /* a signature, or a heuristic that found something bad */
        ALERT_LIMITS,    /* Heuristics.Limits.Exceeded.* and the like: not all was looked at */
        ALERT_ENCRYPTED, /* Heuristics.Encrypted.* */
        ALERT_BROKEN,    /* Heuristics.Broken.* */
        ALERT_TIMEOUT,   /* Heuristics.Limits.Exceeded.MaxScanTime */
        _ALERT_MAX
};

/* What a message of severity warning or error says. */
enum remark {
        REMARK_CONTENT, /* of the content: a part is malformed or of a kind that is not looked at */
        REMARK_TOO_LARGE, /* of the content: more memory than libclamav grants to one operation */
        REMARK_TIMEOUT,   /* a time limit ended something */
        REMARK_ENGINE,    /* of the machine: no temporary file, no memory, no space... */
        _REMARK_MAX
};

enum alert alert_from_name(const char *name);
enum remark remark_from_text(const char *text);

/* Everything that was said of one item; texts are "" where nothing was. The first of a kind is
 * kept. Zero-initialised: nothing was said, which is not yet clean (layers). */
struct findings {
        char alerts[_ALERT_MAX][PROTO_SIGNATURE_MAX];
        char remarks[_REMARK_MAX][PROTO_SIGNATURE_MAX];
        char error[PROTO_SIGNATURE_MAX]; /* libclamav's return code, unless clean or virus */
        unsigned layers;                 /* the content and all that was found inside of it */
        bool timed_out;                  /* the return code says so */
        bool allowed;                    /* a signature that does not count: see findings_match() */
        bool nameless;                   /* virus, but no name came with it */
        bool truncated;   /* something inside was cut at a limit before it was scanned, silently */
        bool unsupported; /* something inside is of a type that this libclamav was not built for */
};

void findings_alert(struct findings *f, const char *name);
/* The same for what a scan found, but for a match whose name is in a list of those that do not count: of
 * that no more is kept than that it was there, and that libclamav may have stopped at it. */
void findings_match(struct findings *f, const char *allowed, const char *name);
void findings_remark(struct findings *f, const char *text);
bool findings_alerted(const struct findings *f);

struct content_rules {
        enum content_rule limits, encrypted, broken;
};

struct scan {
        enum verdict verdict;
        enum reason reason;
        /* What made it unscannable was only read from a message: prove that the engine is sound
         * before believing that the content is to blame. */
        bool doubtful;
        char text[PROTO_SIGNATURE_MAX]; /* as proto_result.signature */
};

/* The verdict: INFECTED where anything matched, else UNKNOWN where anything failed, else
 * UNSCANNABLE where anything could not be looked into, else CLEAN. */
void findings_judge(const struct findings *f, const struct content_rules *rules, struct scan *ret);

/* Whether a look that collects all alerts could say something worse than f did: libclamav stops
 * at the first match but reports only one of several things that it could not look into. */
bool findings_want_all(const struct findings *f);

/* Keeps the worse of two scans of the same content, by the order above. */
void scan_merge(struct scan *scan, const struct scan *other);

/* Fills in a scan; text is made printable. */
void scan_set(struct scan *scan, enum verdict verdict, enum reason reason, const char *text);
