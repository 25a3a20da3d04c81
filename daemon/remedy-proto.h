/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the gate and storescan-remedy say to each other: fixed-size messages on a SOCK_SEQPACKET
 * socket pair, checked by who receives them.
 *
 *     gate ──SETTINGS─▶ remedy       once: the quarantine's folder
 *     gate ◀─NOTE────── remedy       what became of a replacement that was interrupted, any time
 *     gate ◀─WAITING─── remedy       likewise, one that can't be completed now
 *     gate ◀─READY───── remedy       behind each look at what was interrupted: all is told
 *     gate ──JOB──────▶ remedy       with 2 fds: the store's file, a memfd of the whole new item
 *     gate ◀─DONE────── remedy       what became of it
 *
 * One job at a time. The process ends when the socket is closed, once its job is done.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/proto.h"
#include "store/context.h"
#include "store/digest.h"
#include "store/quarantine.h"
#include "store/stamp.h"

#define REMEDY_MAGIC    UINT32_C(0x53735232) /* "SsR2" */
#define REMEDY_FDS      2
#define REMEDY_TEXT_MAX 512
#define REMEDY_ITEM_MAX (UINT64_C(1) << 30) /* it is held in memory, twice */

enum remedy_outcome {
        REMEDY_REPLACED,
        REMEDY_BUSY,    /* a lock is held, or somebody has written since: try again */
        REMEDY_CHANGED, /* the bytes are not those that the plan is for */
        REMEDY_REFUSED, /* the plan breaks a rule; a read-only file system; no remedy there */
        REMEDY_NOT_QUARANTINED, /* the original could not be kept, so nothing was changed */
        REMEDY_FAILED,          /* the process died, or an input/output error */
        _REMEDY_OUTCOME_MAX
};

enum remedy_kind {
        REMEDY_SETTINGS = 1,
        REMEDY_NOTE,
        REMEDY_WAITING,
        REMEDY_READY,
        REMEDY_JOB,
        REMEDY_DONE,
        _REMEDY_KIND_MAX
};

struct remedy_settings {
        struct proto_header header;
        char directory[PATH_MAX]; /* absolute */
};

struct remedy_note {
        struct proto_header header;
        uint8_t completed; /* the new bytes are in the store; else it was left as it is */
        uint8_t reserved[3];
        char id[QUARANTINE_ID_SIZE];
        char store[QUARANTINE_STORE_SIZE];
        char signature[QUARANTINE_SIGNATURE_SIZE];
        char text[REMEDY_TEXT_MAX]; /* why it was left; else "" */
        uint64_t offset, size;
        char path[PATH_MAX]; /* any bytes; "": unknown */
};

/* Half of it may be the old item, half the new one. */
struct remedy_waiting {
        struct proto_header header;
        uint64_t dev, ino, offset, size; /* of the file as it was found, or was when it began */
};

struct remedy_ready {
        struct proto_header header;
        uint32_t waiting; /* that could not be completed yet */
        uint8_t looked; /* each of them was told of; else nobody could look, and it is tried again */
        uint8_t reserved[3];
};

struct remedy_order {
        struct proto_header header;
        uint64_t id;           /* of the job */
        uint64_t offset, size; /* of the item in the file; size is that of the memfd, too */
        uint32_t pid;          /* of the reader that waits; 0: nobody does */
        uint8_t format;        /* enum store_format */
        uint8_t opaque;        /* no text: its lines need not stay */
        uint8_t has_content;
        uint8_t reserved;
        uint8_t original[DIGEST_SIZE]; /* SHA-256 of the item's bytes in the file */
        uint8_t planned[DIGEST_SIZE];  /* and of those in the memfd: the ones that were scanned */
        uint8_t content[DIGEST_SIZE];  /* as in struct quarantine */
        struct generation generation;
        char store[QUARANTINE_STORE_SIZE];
        char signature[QUARANTINE_SIGNATURE_SIZE];
        struct context context;
        char path[PATH_MAX]; /* any bytes; "": unknown */
};

struct remedy_done {
        struct proto_header header;
        uint64_t id;
        uint8_t outcome; /* enum remedy_outcome */
        uint8_t half; /* and half of it may be new: it is completed, or undone, when that can be */
        uint8_t reserved[6];
        char item[QUARANTINE_ID_SIZE]; /* in quarantine; "": it is not */
        char text[REMEDY_TEXT_MAX];    /* one sentence: what went wrong; else "" */
};

union remedy_message {
        struct proto_header header;
        struct remedy_settings settings;
        struct remedy_note note;
        struct remedy_waiting waiting;
        struct remedy_ready ready;
        struct remedy_order job;
        struct remedy_done done;
};

/* Fills in the header of a message of this kind. */
void remedy_init(union remedy_message *message, enum remedy_kind kind);

/* Size of a message of this kind; 0 for kinds that do not exist. */
size_t remedy_size(enum remedy_kind kind);

/* Checks size bytes received in message. Returns the kind, or -EBADMSG. */
int remedy_check(const union remedy_message *message, size_t size);

/* Sends a message with n fds; sleeps until the peer takes it, or with patient false never: -EAGAIN
 * then. 0 or negative errno. */
int remedy_send(int sock, const union remedy_message *message, const int *fds, size_t n,
                bool patient);

/* Receives a message and checks it, its fds too: a JOB has both. Returns the kind, 0 at the end of the
 * talk, or negative errno. */
int remedy_receive(int sock, union remedy_message *ret, int ret_fds[static REMEDY_FDS]);

/* One stable lower-case word each; "invalid" when out of range. */
const char *remedy_outcome_name(enum remedy_outcome outcome);
