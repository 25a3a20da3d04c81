/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the questions to a pool of clamd servers, and what their answers mean. The traps are those of
 * scan.c: what clamd does not take for mail is asked for again behind lines that make it mail. What
 * its callbacks would tell besides is out of reach: clamd.conf has to say it (AlertExceedsMax,
 * AlertEncrypted...), and a signature that does not count hides what is behind it.
 *
 * Must not know of servers, jobs or the gate.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/clamd/link.h"
#include "daemon/clamd/probes.h"
#include "daemon/worker/engine-private.h"
#include "daemon/worker/mail-prefix.h"
#include "store/util.h"

static void failed(struct scan *ret, enum reason reason, const char *text) {
        scan_set(ret, VERDICT_UNKNOWN, reason, text);
}

/* An answer to this question; what is left of another one that was given up is passed over. */
static int receive_answer(struct engine *engine, struct link_answered *ret) {
        union link_message m;
        int fd, r;

        do {
                r = link_receive(engine->pool, &m, &fd);
                if (r <= 0)
                        return r < 0 ? r : -ECONNRESET;
                close_fd(fd);
                if (r != LINK_ANSWER)
                        return -EBADMSG;
        } while (m.answered.id != engine->asked);
        *ret = m.answered;
        return 0;
}

static int ask(struct engine *engine, bool prefixed, const void *data, size_t size, uint32_t msec,
               struct link_answered *ret) {
        size_t prefix = prefixed ? MAIL_PREFIX_SIZE : 0;
        _cleanup_close_ int fd = probes_seal(mail_prefix, prefix, data, size);
        union link_message m;
        int r;

        if (fd < 0)
                return fd;
        link_init(&m, LINK_SCAN);
        m.scan.id = ++engine->asked;
        m.scan.size = prefix + size;
        m.scan.msec = msec;
        r = link_send(engine->pool, &m, fd);
        if (r == 0)
                r = receive_answer(engine, ret);
        engine->pool_lost = r < 0 && r != -EAGAIN;
        return r;
}

static void judge_found(const struct engine *engine, const char *name, struct scan *ret) {
        struct findings findings = { .layers = 1 };

        findings_match(&findings, engine->options.allowed, name);
        if (findings.allowed)
                scan_set(ret, VERDICT_UNSCANNABLE, REASON_LIMITS,
                         "clamd stops at a signature that is allowed here: name it in an .ign2 "
                         "file of its signatures as well");
        else
                findings_judge(&findings, &engine->options.rules, ret);
}

/* False: there is no server. */
static bool judge(const struct engine *engine, const struct link_answered *answer,
                  struct scan *ret) {
        char text[PROTO_SIGNATURE_MAX];

        switch ((enum link_answer)answer->answer) {
        case LINK_OK: scan_set(ret, VERDICT_CLEAN, REASON_NONE, ""); return true;
        case LINK_FOUND: judge_found(engine, answer->text, ret); return true;
        case LINK_TOO_LARGE: engine_judge_too_large(engine, ret); return true;
        case LINK_TIMEOUT: failed(ret, REASON_TIMEOUT, answer->text); return true;
        case LINK_NONE: failed(ret, REASON_ENGINE, answer->text); return !engine->fallback;
        case LINK_ERROR:
        case _LINK_ANSWER_MAX:
        default:
                (void)snprintf(text, sizeof(text), "clamd: %.100s", answer->text);
                failed(ret, REASON_ENGINE, text);
                return true;
        }
}

/* False: there is no server. */
static bool scan_once(struct engine *engine, bool prefixed, const void *data, size_t size,
                      uint64_t started_msec, struct scan *ret) {
        uint64_t limit = engine->options.max_scan_msec, elapsed = scan_now_msec() - started_msec;
        struct link_answered answer;
        int r;

        if (limit > 0 && elapsed >= limit) {
                failed(ret, REASON_TIMEOUT, "no time was left to look at all of it");
                return true;
        }
        r = ask(engine, prefixed, data, size, limit > 0 ? (uint32_t)(limit - elapsed) : 0, &answer);
        if (r == 0)
                return judge(engine, &answer, ret);
        failed(ret, r == -EAGAIN ? REASON_TIMEOUT : REASON_ENGINE,
               r == -EAGAIN ? "what talks to clamd did not answer" : error_text(-r));
        return true;
}

bool scan_by_pool(struct engine *engine, const void *data, size_t size, struct scan *ret) {
        uint64_t started = scan_now_msec();
        struct scan scan;

        if (!scan_once(engine, false, data, size, started, ret))
                return false;
        if (ret->verdict == VERDICT_INFECTED ||
            (ret->verdict == VERDICT_UNKNOWN && ret->reason == REASON_TIMEOUT))
                return true;
        if (!scan_is_mail(engine, data, size)) {
                if (!scan_once(engine, true, data, size, started, &scan))
                        return false;
                scan_merge(ret, &scan);
        }
        /* What is in archives only libclamav tells. */
        if (engine->attachments && ret->verdict != VERDICT_INFECTED) {
                engine_scan_here(engine, data, size, &scan);
                scan_merge(ret, &scan);
        }
        return true;
}
