/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One function a check; the order is the one in which storescand decides. Must not do I/O.
 */

#include "daemon/ctl/check.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "store/util.h"

static const char *const state_names[] = {
        [CHECK_OK] = "ok",
        [CHECK_NOTE] = "note",
        [CHECK_BAD] = "bad",
};
static_assert(ELEMENTSOF(state_names) == _CHECK_STATE_MAX, "a name for every state");

static const struct {
        const char *name, *text;
} results[] = {
        [RESULT_VALID] = { "valid", "the file is as it was scanned" },
        [RESULT_TOUCHED] = { "touched",
                             "something happened to the file since it was scanned; "
                             "storescand compares the content before it trusts the stamp" },
        [RESULT_CHANGED] = { "changed",
                             "not the content that was scanned; the next open scans it" },
        [RESULT_NO_STAMP] = { "no-stamp", "nobody vouches for this file; the next open scans it" },
        [RESULT_MALFORMED] = { "malformed",
                               "storescan did not write this; the next open scans it" },
        [RESULT_UNKNOWN_FORMAT] = { "unknown-format",
                                    "written by another version of storescan; the "
                                    "next open scans it" },
};
static_assert(ELEMENTSOF(results) == _CHECK_RESULT_MAX, "a line for every result");

const char *check_state_name(enum check_state state) {
        return (unsigned)state < _CHECK_STATE_MAX ? state_names[state] : "invalid";
}

const char *check_result_name(enum check_result result) {
        return (unsigned)result < _CHECK_RESULT_MAX ? results[result].name : "invalid";
}

const char *check_result_text(enum check_result result) {
        return (unsigned)result < _CHECK_RESULT_MAX ? results[result].text : "invalid";
}

const char *check_verdict_text(const struct stamp *stamp) {
        switch (stamp->verdict) {
        case VERDICT_CLEAN: return "scanned to the end, nothing found";
        case VERDICT_INFECTED: return "a signature matched; on_infected decides at each open";
        case VERDICT_UNSCANNABLE: break;
        case VERDICT_UNKNOWN:
        case _VERDICT_MAX:
        default: return "invalid";
        }
        switch (stamp->reason) {
        case REASON_LIMITS: return "larger, deeper or more numerous than the limits allow";
        case REASON_ENCRYPTED: return "holds an encrypted archive or document";
        case REASON_BROKEN: return "holds a damaged program, document or media file";
        default: return "invalid";
        }
}

void check_format_time(uint64_t msec, char *buf, size_t size) {
        time_t seconds = (time_t)(msec / 1000);
        char day[32] = "?", zone[8] = "";
        struct tm tm;

        if (localtime_r(&seconds, &tm)) {
                (void)strftime(day, sizeof(day), "%F %T", &tm);
                (void)strftime(zone, sizeof(zone), "%z", &tm);
        }
        (void)snprintf(buf, size, "%s.%03u %s", day, (unsigned)(msec % 1000), zone);
}

_printf_(4, 5) static void add(struct checks *checks, const char *name, enum check_state state,
                               const char *format, ...) {
        struct check *c = &checks->list[checks->n++];
        va_list ap;

        assert(checks->n <= CHECKS_MAX);
        c->name = name;
        c->state = state;
        va_start(ap, format);
        (void)vsnprintf(c->text, sizeof(c->text), format, ap);
        va_end(ap);
}

enum check_result check_form(const struct subject *subject) {
        if (subject->text_error == -ENODATA)
                return RESULT_NO_STAMP;
        if (subject->text_error < 0)
                return RESULT_MALFORMED;
        if (subject->parse_error == -EPROTONOSUPPORT)
                return RESULT_UNKNOWN_FORMAT;
        return subject->parse_error < 0 ? RESULT_MALFORMED : RESULT_VALID;
}

static void check_time(const struct stamp *stamp, uint64_t now_msec, struct checks *checks) {
        char text[64];

        check_format_time(stamp->time_msec, text, sizeof(text));
        if (stamp->time_msec > now_msec)
                add(checks, "time", CHECK_NOTE,
                    "%s, which is in the future: the clock was set back", text);
        else
                add(checks, "time", CHECK_OK, "%s", text);
}

static void check_size(const struct subject *s, struct checks *checks) {
        if (s->st.st_size < 0 || s->stamp.size != (uint64_t)s->st.st_size)
                add(checks, "size", CHECK_BAD, "%jd bytes, but %" PRIu64 " were scanned",
                    (intmax_t)s->st.st_size, s->stamp.size);
        else
                add(checks, "size", CHECK_OK, "%" PRIu64 " bytes", s->stamp.size);
}

static void check_change_time(const struct subject *s, bool inside, struct checks *checks) {
        int64_t msec = (int64_t)s->st.st_ctim.tv_sec * 1000 + s->st.st_ctim.tv_nsec / 1000000;
        int64_t after = msec - (int64_t)s->stamp.time_msec;
        char text[64];

        if (inside) {
                add(checks, "change-time", CHECK_OK,
                    "%" PRId64 " ms %s the stamp (-%d to +%d are the stamp's own writing)",
                    after < 0 ? -after : after, after < 0 ? "before" : "after", STAMP_BEFORE_MSEC,
                    STAMP_AFTER_MSEC);
                return;
        }
        check_format_time((uint64_t)MAX(msec, 0), text, sizeof(text));
        add(checks, "change-time", CHECK_BAD, "%s, %" PRId64 ".%03d s %s the stamp: %s", text,
            (after < 0 ? -after : after) / 1000, (int)((after < 0 ? -after : after) % 1000),
            after < 0 ? "before" : "after",
            after < 0 ? "copied from elsewhere, or the clock was set back"
                      : "written, renamed, linked or its attributes changed");
}

static void check_digest(const struct subject *s, int read_error, struct checks *checks) {
        char stamped[BASE64URL_LENGTH(STAMP_DIGEST_SIZE) + 1];
        char found[BASE64URL_LENGTH(STAMP_DIGEST_SIZE) + 1];

        if (!s->stamp.has_digest) {
                add(checks, "digest", CHECK_NOTE,
                    "none in the stamp: too large to be read by the gate");
                return;
        }
        if (!s->has_digest) {
                add(checks, "digest", CHECK_NOTE, "not compared, the content can't be read: %s%s",
                    strerror(-read_error),
                    read_error == -EPERM ? " (storescand blocks infected mail)" : "");
                return;
        }
        base64url_encode(s->stamp.digest, STAMP_DIGEST_SIZE, stamped);
        base64url_encode(s->digest, STAMP_DIGEST_SIZE, found);
        if (memcmp(s->digest, s->stamp.digest, STAMP_DIGEST_SIZE) == 0)
                add(checks, "digest", CHECK_OK, "%s, as scanned", found);
        else
                add(checks, "digest", CHECK_BAD, "%s, but %s was scanned", found, stamped);
}

void check_subject(const struct subject *s, int read_error, uint64_t now_msec, struct checks *ret) {
        struct checks checks = { .result = check_form(s) };
        char generation[GENERATION_LENGTH + 1];
        struct stat same_size = s->st;
        enum stamp_check sc, window;

        if (checks.result != RESULT_VALID) {
                add(&checks, "format", CHECK_BAD, "%s",
                    checks.result == RESULT_NO_STAMP ? "no attribute " STAMP_XATTR
                    : checks.result == RESULT_UNKNOWN_FORMAT
                            ? "a format that this version can't read"
                    : s->text_error < 0 ? "longer than any stamp"
                                        : "not a stamp");
                *ret = checks;
                return;
        }

        /* No daemon to ask for its generation: the stamp's own takes part, and always fits. */
        sc = stamp_check(&s->stamp, &s->st, &s->stamp.generation);
        same_size.st_size = (off_t)s->stamp.size;
        window = stamp_check(&s->stamp, &same_size, &s->stamp.generation);
        generation_format(&s->stamp.generation, generation);

        add(&checks, "format", CHECK_OK, "ss1, written by storescan on this machine%s",
            s->stamp.by_hub ? " on the word of a hub" : "");
        add(&checks, "verdict", s->stamp.verdict == VERDICT_CLEAN ? CHECK_OK : CHECK_BAD, "%s: %s",
            verdict_name(s->stamp.verdict), check_verdict_text(&s->stamp));
        add(&checks, "generation", CHECK_NOTE,
            "%s; storescand accepts only its own, see STORESCAN_GENERATION in its journal",
            generation);
        check_time(&s->stamp, now_msec, &checks);
        check_size(s, &checks);
        check_change_time(s, window == STAMP_VALID, &checks);
        check_digest(s, read_error, &checks);

        if (sc == STAMP_CHANGED || (s->stamp.has_digest && s->has_digest &&
                                    memcmp(s->digest, s->stamp.digest, STAMP_DIGEST_SIZE) != 0))
                checks.result = RESULT_CHANGED;
        else if (sc == STAMP_TOUCHED)
                checks.result = RESULT_TOUCHED;
        *ret = checks;
}
