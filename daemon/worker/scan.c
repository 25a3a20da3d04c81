/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns, while a scan runs, what libclamav's callbacks report. The traps that this file knows of,
 * each met in practice:
 *
 *  - CL_CLEAN is returned when there is no temporary folder or no inode, and only the message
 *    callback tells; it is also returned when a read fails, so that all content comes in memory.
 *  - Limits are silent unless HEURISTIC_EXCEEDS_MAX is set, and some then still: what is unpacked
 *    from a zip or cabinet file is cut at MaxFileSize or at what is left of MaxScanSize, scanned,
 *    and called clean. Such a piece is told by its size (inspected()).
 *  - A message is only parsed as mail when libclamav recognises its first lines. "GIF89a: x" or
 *    "ARC-Seal: ..." before them is enough to hide an attachment, and so is "ustar" somewhere in its header,
 *    so that content which was not taken for mail is looked at again behind what is (mail-prefix.h).
 *  - At the first match it stops, also at one that does not count ([allow]).
 *  - Without its unrar module RAR archives are passed over as if they were empty.
 *  - Of several things that can't be looked into, only one is reported (findings_want_all()).
 *  - Content of up to 5 bytes is not looked at. It is clean by definition: no signature is so short.
 *
 * Must not know of jobs, slots or the gate.
 */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "daemon/worker/engine-private.h"
#include "daemon/worker/mail-prefix.h"
#include "daemon/worker/no-folders.h"
#include "store/util.h"

#define SIZE_MIN_SCANNED 6

/* libclamav unpacks in pieces of stdio's BUFSIZ, so that what was cut is short of the limit by less
 * than one. */
#define UNPACK_STEP 8192

/* What is scanned; with the prefix before it, or as it is. */
struct source {
        const uint8_t *data;
        uint64_t size;
        bool prefixed;
};

/* The scan that runs, for callbacks: some messages come without the context that scans are given,
 * and there is one scan at a time. */
static struct {
        struct findings *findings;
        const struct engine *engine;
        bool mail;             /* the content itself was taken for mail */
        bool only_type;        /* that is all that is wanted */
        uint64_t layers_size;  /* sum of all layers, as MaxScanSize counts */
        uint64_t started_msec; /* of the first pass */
} current;

/* ---- Callbacks ---- */

bool scan_message(const char *text) {
        if (!current.findings)
                return false;
        findings_remark(current.findings, text);
        return true;
}

static cl_error_t pre_cache(int fd, const char *type, void *context) {
        if (!current.findings)
                return CL_CLEAN;
        if (current.findings->layers++ == 0)
                current.mail = streq(type, "CL_TYPE_MAIL") || streq(type, "CL_TYPE_MHTML");
        if (current.only_type)
                return CL_BREAK; /* passes over it */
        if (startswith(type, "CL_TYPE_RAR") && !engine_opens_rar())
                current.findings->unsupported = true;
        return CL_CLEAN;
}

static cl_error_t inspected(int fd, const char *type, const char **ancestors, size_t parent_size,
                            const char *name, size_t size, const char *buffer, uint32_t level,
                            uint32_t attributes, void *context) {
        const struct engine_options *options;

        if (!current.findings || attributes & LAYER_ATTRIBUTES_NORMALIZED)
                return CL_CLEAN;
        options = &current.engine->options;
        if (current.engine->attachments && level > 0) {
                attachments_type(current.engine->attachments, type);
                if (name)
                        attachments_name(current.engine->attachments, name, strlen(name));
        }
        current.layers_size += size;
        if (level > 0 && (size + UNPACK_STEP > options->max_file_size ||
                          current.layers_size + UNPACK_STEP > options->max_scan_size))
                current.findings->truncated = true;
        return CL_CLEAN;
}

/* Of every member of an archive, also of those that are not unpacked. */
static cl_error_t listed(const char *container, unsigned long container_size, const char *name,
                         unsigned long size, int encrypted, unsigned position, void *context) {
        if (current.findings && current.engine->attachments && name)
                attachments_name(current.engine->attachments, name, strlen(name));
        return CL_CLEAN;
}

static void virus_found(int fd, const char *name, void *context) {
        if (current.findings && name)
                findings_match(current.findings, current.engine->options.allowed, name);
}

void scan_install(struct cl_engine *cl) {
        cl_engine_set_clcb_pre_cache(cl, pre_cache);
        cl_engine_set_clcb_file_inspection(cl, inspected);
        cl_engine_set_clcb_meta(cl, listed);
        cl_engine_set_clcb_virus_found(cl, virus_found);
}

/* ---- Scans ---- */

/* The content behind the prefix, for libclamav. */
static off_t read_prefixed(void *handle, void *buffer, size_t size, off_t offset) {
        const struct source *source = handle;
        uint64_t at = (uint64_t)offset;
        size_t done = 0;

        if (offset < 0 || at > MAIL_PREFIX_SIZE + source->size)
                return -1;
        size = (size_t)MIN((uint64_t)size, MAIL_PREFIX_SIZE + source->size - at);
        if (at < MAIL_PREFIX_SIZE) {
                done = (size_t)MIN((uint64_t)size, MAIL_PREFIX_SIZE - at);
                memcpy(buffer, mail_prefix + at, done);
        }
        if (done < size)
                memcpy((uint8_t *)buffer + done, source->data + (at + done - MAIL_PREFIX_SIZE),
                       size - done);
        return (off_t)size;
}

uint64_t scan_now_msec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* libclamav's limit is for one pass, ours for all of them. False: nothing is left. */
static bool grant_time(struct engine *engine) {
        uint64_t limit = engine->options.max_scan_msec,
                 elapsed = scan_now_msec() - current.started_msec;

        if (limit > 0 && elapsed >= limit)
                return false;
        /* 0 is no limit to libclamav as well. */
        return cl_engine_set_num(engine->cl, CL_ENGINE_MAX_SCANTIME,
                                 limit > 0 ? (long long)(limit - elapsed) : 0) == CL_SUCCESS;
}

/* One pass of libclamav over the source. */
static void look(struct engine *engine, struct source *source, bool all, struct findings *ret) {
        struct cl_scan_options options = engine->scan_options;
        unsigned long scanned = 0;
        const char *name = NULL;
        cl_error_t e = CL_EMAP;
        cl_fmap_t *map;

        memset(ret, 0, sizeof(*ret));
        current.mail = false;
        current.layers_size = 0;
        if (!grant_time(engine)) {
                ret->timed_out = true;
                proto_text(ret->error, sizeof(ret->error), "no time was left to look at all of it");
                return;
        }
        if (all)
                options.general |= CL_SCAN_GENERAL_ALLMATCHES;

        current.findings = ret;
        current.engine = engine;
        map = source->prefixed ? cl_fmap_open_handle(source, 0, MAIL_PREFIX_SIZE + source->size,
                                                     read_prefixed, 1)
                               : cl_fmap_open_memory(source->data, source->size);
        if (map) {
                e = cl_scanmap_callback(map, NULL, &name, &scanned, engine->cl, &options, NULL);
                cl_fmap_close(map);
        }
        current.findings = NULL;

        if (e == CL_VIRUS) {
                if (name)
                        findings_match(ret, engine->options.allowed, name);
                ret->nameless = !findings_alerted(ret) && !ret->allowed;
        } else if (e != CL_CLEAN) {
                ret->timed_out = e == CL_ETIMEOUT;
                proto_text(ret->error, sizeof(ret->error), cl_strerror(e));
        }
}

static void scan_source(struct engine *engine, struct source *source, struct scan *ret) {
        struct findings findings;
        struct scan scan;
        bool mail;

        look(engine, source, false, &findings);
        mail = current.mail;
        findings_judge(&findings, &engine->options.rules, &scan);
        *ret = scan;
        if (findings_want_all(&findings) && scan.verdict != VERDICT_INFECTED) {
                look(engine, source, true, &findings);
                findings_judge(&findings, &engine->options.rules, &scan);
                scan_merge(ret, &scan);
        }
        if (mail || ret->verdict == VERDICT_INFECTED ||
            (ret->verdict == VERDICT_UNKNOWN && ret->reason == REASON_TIMEOUT))
                return;
        if (!source->prefixed) {
                source->prefixed = true;
                scan_source(engine, source, &scan);
                scan_merge(ret, &scan);
        } else if (ret->verdict == VERDICT_CLEAN)
                scan_set(ret, VERDICT_UNKNOWN, REASON_ENGINE,
                         "libclamav does not take mail for mail");
}

bool scan_is_mail(struct engine *engine, const void *data, size_t size) {
        struct source source = { .data = data, .size = size };
        struct findings findings;

        current.started_msec = scan_now_msec();
        current.only_type = true;
        no_folders(true);
        look(engine, &source, false, &findings);
        no_folders(false);
        current.only_type = false;
        return current.mail;
}

/* What needs no scan. */
static bool judge_by_size(struct engine *engine, size_t size, struct scan *ret) {
        if (size < SIZE_MIN_SCANNED)
                scan_set(ret, VERDICT_CLEAN, REASON_NONE, "");
        else if (engine_too_large(engine, size))
                engine_judge_too_large(engine, ret);
        else
                return false;
        return true;
}

void engine_scan_here(struct engine *engine, const void *data, size_t size, struct scan *ret) {
        struct source source = { .data = data, .size = size };

        engine->scanned_here = true;
        current.started_msec = scan_now_msec();
        if (!judge_by_size(engine, size, ret))
                scan_source(engine, &source, ret);
}

void engine_scan(struct engine *engine, const void *data, size_t size, struct scan *ret) {
        engine->scanned_here = false;
        if (engine->pool < 0)
                engine_scan_here(engine, data, size, ret);
        else if (!judge_by_size(engine, size, ret) && !scan_by_pool(engine, data, size, ret))
                engine_scan_here(engine, data, size, ret);
}

bool engine_too_large(const struct engine *engine, uint64_t size) {
        return size > engine->options.max_file_size;
}

void engine_judge_too_large(const struct engine *engine, struct scan *ret) {
        struct findings findings = {};

        findings_alert(&findings, "Heuristics.Limits.Exceeded.MaxFileSize");
        findings_judge(&findings, &engine->options.rules, ret);
}
