/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is known of an item in quarantine, as text of one "key: value" a line:
 *
 *     storescan-quarantine: 1
 *     state: replaced
 *     store: mail
 *     ...
 *
 * All keys stand there, once, in the order of the table in quarantine.c; exactly one text per record is
 * accepted. Bytes of texts that are not printable ASCII, and backslashes, stand as \xNN.
 *
 * Pure: who keeps it where is the vault (daemon/remedy/vault.h).
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/context.h"
#include "store/digest.h"
#include "store/stamp.h"

#define QUARANTINE_TEXT_MAX       ((size_t)32 * 1024)
#define QUARANTINE_STORE_SIZE     65
#define QUARANTINE_FORMAT_SIZE    16
#define QUARANTINE_SIGNATURE_SIZE 128

/* An id is the time in microseconds and a random number, in hexadecimal: safe as the name of a file,
 * in the order of time, and not to be guessed. With the NUL. */
#define QUARANTINE_ID_SIZE 34

enum quarantine_state {
        QUARANTINE_REPLACING, /* somebody is, or was, at it: the file has old bytes, new ones, or both */
        QUARANTINE_REPLACED,
        QUARANTINE_LEFT,     /* the file was not touched, or its bytes are neither */
        QUARANTINE_RELEASED, /* the original is back in its place */
        _QUARANTINE_STATE_MAX
};

struct quarantine {
        enum quarantine_state state;
        char store[QUARANTINE_STORE_SIZE];
        char format[QUARANTINE_FORMAT_SIZE];
        char path[PATH_MAX]; /* any bytes; "" if unknown */
        uint64_t dev, ino;
        uint64_t offset, size;         /* of the item in the file */
        bool opaque;                   /* no text whose ends of lines would have to stay */
        uint8_t original[DIGEST_SIZE]; /* SHA-256 of the item's bytes */
        uint8_t replaced[DIGEST_SIZE]; /* of those that stand in their place */
        uint8_t content[DIGEST_SIZE];  /* digest that the verdict cache knows it by; zero: none */
        char signature[QUARANTINE_SIGNATURE_SIZE];
        struct generation generation;
        uint32_t uid, gid, mode; /* of the file */
        uint64_t mtime_sec;
        uint64_t time_usec; /* when it came here, since 1970 */
        struct context context;
};

/* "replacing", "replaced", "left", "released"; "invalid" when out of range. */
const char *quarantine_state_name(enum quarantine_state state);

/* Writes the text, and returns its length; -EINVAL for what can't be expressed (no such state, a text
 * that is too long). */
int quarantine_format(const struct quarantine *record, char ret_text[static QUARANTINE_TEXT_MAX]);

/* Reads a text. -EINVAL, with the line that is wrong (from 1) in *ret_line. */
int quarantine_parse(const char *text, size_t size, struct quarantine *ret, unsigned *ret_line);

/* Writes an id of this time and random number. */
void quarantine_id(uint64_t time_usec, uint64_t random, char ret_id[static QUARANTINE_ID_SIZE]);
/* Whether it is one, and nothing else, such as a path. */
bool quarantine_id_valid(const char *id);
