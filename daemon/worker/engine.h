/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A thin adapter over libclamav 1.4: one engine, loaded and compiled in the loader, shared by the
 * workers that are forked afterwards, and scans that say everything that libclamav lets one know.
 * For processes with one thread: libclamav's messages come without an owner.
 *
 * Functions that fail return negative errno and say why in problem, a sentence without the name of
 * what was configured and without a full stop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/worker/attachments.h"
#include "daemon/worker/findings.h"

/* Part of the generation: raise it with every change here that can change a verdict. */
#define ENGINE_ADAPTER_VERSION 3

#define ENGINE_PROBLEM_MAX 320

struct engine;

struct engine_options {
        uint64_t max_file_size, max_scan_size;
        uint32_t max_files, max_recursion;
        uint32_t max_scan_msec; /* 0: none. Not part of the generation: it ends in UNKNOWN */
        struct content_rules rules;
        bool pua, phishing;
        char allowed[PROTO_ALLOWED_MAX]; /* names of signatures that do not count, as in LOAD */
};

/* Once per process, before anything that restricts it: libclamav, libcrypto and the C library's
 * character sets open files now which they will not be able to open later. */
int engine_init(char problem[static ENGINE_PROBLEM_MAX]);

/* "ClamAV 1.4.6", and the number that tells which signatures this version understands. */
const char *engine_name(void);
unsigned engine_level(void);
/* Whether libclamav found its unrar module, which is packaged apart for its licence. */
bool engine_opens_rar(void);

int engine_new(const struct engine_options *options, const char *tmpdir, struct engine **ret,
               char problem[static ENGINE_PROBLEM_MAX]);
struct engine *engine_free(struct engine *engine);

/* Adds the signatures of a folder or file; ret_signatures is their number. */
int engine_load(struct engine *engine, const char *path, unsigned *ret_signatures,
                char problem[static ENGINE_PROBLEM_MAX]);

/* After this the engine can scan. */
int engine_compile(struct engine *engine, char problem[static ENGINE_PROBLEM_MAX]);

/* Version of daily.cvd; 0 for signatures of one's own. */
uint32_t engine_database_version(const struct engine *engine);
/* When they were made, in microseconds since 1970; 0 likewise. */
uint64_t engine_database_usec(const struct engine *engine);

/* Temporary files go there from now on. Every forked process needs a folder of its own: copies of
 * one engine make the same names, and a collision is not noticed by libclamav. */
int engine_set_tmpdir(struct engine *engine, const char *path);

/* How long scans may take from now on, instead of max_scan_msec; returns what it was. */
uint32_t engine_set_time_limit(struct engine *engine, uint32_t msec);

/* From now on clamd servers are asked, over the socket of a pool of them (daemon/clamd/pool.h), and this
 * engine, which may be one without signatures, only tells what content is; with fallback it scans when
 * there is no server. */
void engine_set_pool(struct engine *engine, int pool, bool fallback);
/* Whether the way to it was cut off, so that there will be no answers. */
bool engine_lost_pool(const struct engine *engine);

/* What scans meet is told to attachments from now on; NULL: to nobody. */
void engine_set_attachments(struct engine *engine, struct attachments *attachments);

/* Scans a message. It is looked at twice where libclamav does not recognise it as one by its first
 * lines. */
void engine_scan(struct engine *engine, const void *data, size_t size, struct scan *ret);
/* The same by this engine itself, whoever is asked otherwise. */
void engine_scan_here(struct engine *engine, const void *data, size_t size, struct scan *ret);
/* Whether the last scan was, or a part of it, so that it needed temporary files. */
bool engine_scanned_here(const struct engine *engine);

/* Whether so much content is beyond the limits, so that there is no use in reading it. */
bool engine_too_large(const struct engine *engine, uint64_t size);
/* The verdict then. */
void engine_judge_too_large(const struct engine *engine, struct scan *ret);
