/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The stamp: the record, in the extended attribute trusted.avstamp, that a file was scanned. Text
 * of at most 64 bytes, so that it stays inside an ext4 inode; described for getfattr users in
 * storescan-stamp(7), which changes together with this file.
 *
 *     ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3g
 *     |   || |        |              |    content: first 128 bits of SHA-256, base64url, or -
 *     |   || |        |              size of the file, hexadecimal
 *     |   || |        time of the stamp, seconds since 1970 and milliseconds
 *     |   || generation of the scanner, 8 base64url characters
 *     |   |origin: l scanned here, h vouched for by a hub (hub-stamp.h)
 *     |   verdict: c clean, i infected; not scannable: l limits, e encrypted, b broken
 *     format and vendor
 *
 * Pure: nothing here touches a file; callers bring the attribute's bytes and stat(2)'s data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "store/verdict.h"

#define STAMP_XATTR       "trusted.avstamp"
#define STAMP_SIZE_MAX    64
#define STAMP_DIGEST_SIZE 16
#define GENERATION_SIZE   6
#define GENERATION_LENGTH 8 /* base64url characters of GENERATION_SIZE bytes */

/* Setting the attribute moves the file's change time to the kernel's clock of that moment, which
 * lags the wall clock by at most a timer tick. A change time inside of
 * [time - STAMP_BEFORE_MSEC, time + STAMP_AFTER_MSEC] is therefore the stamp's own; any other says
 * that something happened to the file since. Measured lag: -7.7 to +0.05 ms (HZ=250). Whoever
 * writes a stamp must keep writers out until the clock is past the window. */
#define STAMP_BEFORE_MSEC 20
#define STAMP_AFTER_MSEC  10

struct generation {
        uint8_t id[GENERATION_SIZE];
};

struct stamp {
        enum verdict verdict; /* CLEAN, INFECTED or UNSCANNABLE */
        enum reason reason;   /* of UNSCANNABLE, else REASON_NONE */
        struct generation generation;
        uint64_t time_msec; /* CLOCK_REALTIME when it was written */
        uint64_t size;
        bool by_hub;     /* a hub scanned it, and its stamp was believed here */
        bool has_digest; /* false: content too large to have been read */
        uint8_t digest[STAMP_DIGEST_SIZE];
};

/* Writes the text (no NUL) and returns its length, at most STAMP_SIZE_MAX; -EINVAL for a stamp
 * that can't be expressed (verdict UNKNOWN, year 2286, 1 TiB). */
int stamp_format(const struct stamp *stamp, char ret_text[static STAMP_SIZE_MAX]);

/* Reads the attribute's bytes. -EINVAL: not a stamp (exactly one text per stamp is accepted);
 * -EPROTONOSUPPORT: a stamp of a format this version does not know. */
int stamp_parse(const char *text, size_t size, struct stamp *ret);

enum stamp_check {
        STAMP_VALID,   /* the content is as it was scanned, by an acceptable generation */
        STAMP_TOUCHED, /* same generation and size, but something happened since: compare digests */
        STAMP_OUTDATED, /* another generation */
        STAMP_CHANGED,  /* another size: another content */
        _STAMP_CHECK_MAX
};

/* Compares a stamp with the file's stat and the running generation. VALID also needs that nobody
 * has the file open for writing, which the caller must ask of the kernel (F_SETLEASE). */
enum stamp_check stamp_check(const struct stamp *stamp, const struct stat *st,
                             const struct generation *running);

/* One stable lower-case word each, "invalid" when out of range. */
const char *stamp_check_name(enum stamp_check check);

/* The 8 characters of a generation and a NUL. */
void generation_format(const struct generation *generation,
                       char ret_text[static GENERATION_LENGTH + 1]);

/* Reads the 8 characters of a generation; what is behind them is not looked at. 0 or -EINVAL. */
int generation_parse(const char text[static GENERATION_LENGTH], struct generation *ret);
