/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Logging that can't stall the gate: records go into a bounded lock-free queue; a thread of its own
 * writes them to the journal (structured fields, see systemd.journal-fields(7)) or, when stderr is
 * not the journal, as text to stderr. A full queue drops the record and counts it. Records may be
 * made on any thread.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/events.h"
#include "daemon/proto.h"
#include "store/quarantine.h"
#include "store/util.h"
#include "store/verdict.h"

enum log_action { LOG_ACTION_NONE, LOG_ACTION_ALLOWED, LOG_ACTION_DENIED };
enum log_tier {
        LOG_TIER_NONE,
        LOG_TIER_STAMP,
        LOG_TIER_DIGEST,
        LOG_TIER_CACHE,
        LOG_TIER_HUB,
        LOG_TIER_SCAN
};

#define LOG_COMM_MAX   16
#define LOG_DETAIL_MAX 2048

struct log_record {
        enum event_kind kind;
        enum log_action action;
        enum log_tier tier;
        enum verdict verdict;
        enum reason reason;
        bool has_verdict, has_opener, has_times, has_item, has_digest;
        bool in_transit;   /* not of a file: detail says which message, and what became of it */
        bool is_read;      /* the opener had it open already */
        const char *store; /* name, of the immutable configuration; or NULL */
        pid_t pid;
        uid_t uid;
        uint64_t size;
        uint64_t item_offset, item_size;
        struct context context; /* of the message; texts may be "" */
        uint64_t queue_usec, read_usec, scan_usec, answer_usec;
        uint8_t digest[DIGEST_SIZE]; /* of the content, as 'storescanctl allow' takes it */
        char comm[LOG_COMM_MAX + 1];
        char generation[GENERATION_LENGTH + 1];
        char signature[PROTO_SIGNATURE_MAX];
        char quarantine_id[QUARANTINE_ID_SIZE]; /* of the original of what was replaced; or "" */
        char detail[LOG_DETAIL_MAX]; /* a sentence, for kinds that are not about a file */
        char path[PATH_MAX];         /* raw bytes; "" when there is none */
};

struct journal;

/* Starts the thread. capacity is rounded up to a power of two. 0 or negative errno. */
int journal_new(unsigned capacity, struct journal **ret);

/* Who speaks, if not storescand; before the first record. */
void journal_set_name(struct journal *journal, const char *name);

/* Writes out what is queued (for at most a second: a stuck journal must not keep us), ends. */
struct journal *journal_free(struct journal *journal);
DEFINE_CLEANUP(struct journal *, journal_free);

/* A record to fill in, zeroed but for its kind; NULL when the queue is full (counted). To be
 * published by journal_put() in any order. */
struct log_record *journal_get(struct journal *journal, enum event_kind kind);
void journal_put(struct journal *journal, struct log_record *record);

/* A record that is only a sentence; store may be NULL. */
void journal_say(struct journal *journal, enum event_kind kind, const char *store,
                 const char *format, ...) _printf_(4, 5);

/* How many records were dropped so far. */
uint64_t journal_dropped(const struct journal *journal);

/* The sentence of a record, as MESSAGE= has it, with hostile bytes of paths escaped. Returns its
 * length, cut to size - 1. (For tests.) */
size_t journal_message(const struct log_record *record, char *out, size_t size);
