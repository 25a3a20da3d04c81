/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The judgement of one message, or of other content in one piece: is it known by its digest, and if
 * not, what do the scans say.
 *
 * The rule of digests: one digest stands for one content looked at in one way, whatever file it is
 * found in. A message as it is has the canonical digest; packed mail and what is no mail that of
 * its stored bytes (CANON_RAW, for what unpack.h says); what is looked at in still another way has
 * a digest of its own kind (parts.h).
 */

#include "daemon/worker/trust.h"
#include "store/cache.h"
#include "store/canon.h"
#include "store/context.h"
#include "store/hub-content.h"

/* What a worker judges with. */
struct judge {
        struct trust trust;
        const struct engine_options *options;
        const struct generation *generation;
        struct cache_view cache; /* slots NULL: there is none */
};

/* What may answer instead of a scan. */
struct question {
        const uint8_t *known; /* STAMP_DIGEST_SIZE bytes, or NULL */
        bool use_cache;
        bool cover;   /* what a stamp covers of what is clean */
        bool use_hub; /* stamps in the header of a message */
};

struct judgement {
        enum result_known known; /* if it is, nothing was scanned and scan is zero */
        bool has_digest;
        uint8_t digest[DIGEST_SIZE];
        bool covered; /* a question for it was answered by what follows */
        enum hub_check cover;
        uint8_t cover_body[DIGEST_SIZE], cover_header[DIGEST_SIZE]; /* if GOOD */
        struct hub_content hub; /* KNOWN_HUB: the stamps; else zero */
        struct scan scan;
        uint64_t scan_usec;     /* when the scan began; 0: there was none */
        struct context context; /* of what is not clean; else zero */
};

/* Judges size bytes. form: of the digest, unless they are packed mail. ret: zero. */
void judge_message(struct judge *judge, enum canon_form form, const uint8_t *data, size_t size,
                   const struct question *question, struct judgement *ret);

/* ---- The steps of it, for what is judged otherwise ---- */

/* Takes note of the digest in ret; true: it is known. */
bool judge_by_digest(const struct judge *judge, const struct question *question,
                     struct judgement *ret);

/* Scans size bytes as they are stored and, if they are packed mail, as unpacked; the worst
 * verdict of these and of *scan is left there, and the context of what was made of the bytes,
 * unless they are clean. unfinished: that they end too early is no fault. */
void judge_scan(struct judge *judge, const uint8_t *data, size_t size, bool unfinished,
                struct scan *scan, struct context *context);

/* UNSCANNABLE, for what is beyond a limit; or INFECTED, by the rules. */
void judge_limits(const struct judge *judge, const char *text, struct scan *ret);

/* UNKNOWN, for the errno that content could not be had with. */
void judge_unread(int error, struct scan *ret);
