/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a stamp is worth, check by check and in words. Pure: judges what subject.c brought.
 */

#include <stddef.h>

#include "daemon/ctl/subject.h"

enum check_state {
        CHECK_OK,
        CHECK_NOTE, /* can't be decided here, or decides nothing */
        CHECK_BAD,
        _CHECK_STATE_MAX
};

enum check_result {
        RESULT_VALID,   /* as it was scanned */
        RESULT_TOUCHED, /* something happened since, the content is the same or unknown */
        RESULT_CHANGED, /* another content */
        RESULT_NO_STAMP,
        RESULT_MALFORMED,      /* not a stamp that storescan writes */
        RESULT_UNKNOWN_FORMAT, /* of a newer storescan */
        _CHECK_RESULT_MAX
};

struct check {
        const char *name; /* stable, lower case */
        enum check_state state;
        char text[200];
};

#define CHECKS_MAX 8

struct checks {
        enum check_result result;
        struct check list[CHECKS_MAX];
        size_t n;
};

/* Judges subject at the time now_msec. With read_error, the content could not be read (negative
 * errno of subject_digest()). */
void check_subject(const struct subject *subject, int read_error, uint64_t now_msec,
                   struct checks *ret);

/* Only what the missing or unreadable stamp itself tells: NO_STAMP, MALFORMED, UNKNOWN_FORMAT, or
 * VALID for a stamp that could be read, whatever became of the file. */
enum check_result check_form(const struct subject *subject);

const char *check_state_name(enum check_state state);
const char *check_result_name(enum check_result result);
const char *check_result_text(enum check_result result);

/* The verdict letter's meaning in words. */
const char *check_verdict_text(const struct stamp *stamp);

/* Local time with milliseconds and zone: "2026-11-23 20:12:11.232 +0100". */
void check_format_time(uint64_t msec, char *buf, size_t size);
