/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What gate, loader and workers say to each other: fixed-size messages on SOCK_SEQPACKET socket
 * pairs. Each side validates what it receives as hostile; the gate because a worker parses hostile
 * mail, the others because it costs nothing.
 *
 *     gate ──LOAD────▶ loader        once: settings, with the signature folder's O_PATH fd
 *     gate ◀─LOADED─── loader        the engine is compiled and found its canary
 *     gate ◀─REFUSED── loader        why there is no engine; the loader then exits
 *     gate ──SPAWN───▶ loader        with 2 fds: the worker's end of its channel, its slot's memfd
 *     gate ◀─HELLO──── worker        on its channel; the kernel's SCM_CREDENTIALS tell its pid
 *     gate ──JOB─────▶ worker        scan a bay of the slot, or the fd that comes along
 *     gate ◀─RESULT─── worker        the verdict; the bay is the gate's again
 *
 * Jobs are done in the order in which they come; one more may be sent before the result of the first.
 *
 * A worker that exits closes its channel; the loader reaps it and removes its folder.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/digest.h"
#include "store/stamp.h"
#include "store/verdict.h"

#define PROTO_MAGIC \
        UINT32_C(0x53734331)  /* "SsC1": raise the digit when a release changes what is below */
#define PROTO_BAYS          2 /* jobs that a worker's slot has room for */
#define PROTO_BAY_SIZE      (UINT32_C(1) << 20)
#define PROTO_SLOT_SIZE     (PROTO_BAYS * PROTO_BAY_SIZE)
#define PROTO_SIGNATURE_MAX 128
#define PROTO_TEXT_MAX      512

/* Fds that a loader is started with; everything else is closed. */
#define PROTO_LOADER_FD 3

enum proto_kind {
        PROTO_LOAD = 1,
        PROTO_LOADED,
        PROTO_REFUSED,
        PROTO_SPAWN,
        PROTO_HELLO,
        PROTO_JOB,
        PROTO_RESULT,
        _PROTO_KIND_MAX
};

struct proto_header {
        uint32_t magic;
        uint16_t kind;
        uint16_t size; /* of the whole message */
};

struct proto_load {
        struct proto_header header;
        char database[PATH_MAX]; /* as configured, for messages only: the fd is what is read */
        char tmpdir[PATH_MAX];   /* an own folder of the worker user on tmpfs */
        uint64_t max_file_size;
        uint64_t max_scan_size;
        uint32_t max_files;
        uint32_t max_recursion;
        uint32_t max_scan_msec; /* libclamav's own limit; 0: none */
        uint8_t limits;         /* enum content_rule */
        uint8_t encrypted;
        uint8_t broken;
        uint8_t pua;
        uint8_t phishing;
        uint8_t reserved[3];
};

struct proto_loaded {
        struct proto_header header;
        struct generation generation;
        uint8_t reserved[2];
        uint32_t signatures;
        uint32_t database_version; /* of daily.cvd; 0 for own files */
        uint64_t load_usec;
        char engine[32]; /* "ClamAV 1.4.6" */
};

struct proto_refused {
        struct proto_header header;
        char text[PROTO_TEXT_MAX]; /* one sentence: what is wrong and the fix */
};

struct proto_spawn {
        struct proto_header header;
        uint32_t worker; /* number of the worker: names its folder in tmpdir */
        uint32_t reserved;
};

struct proto_hello {
        struct proto_header header;
};

/* What a job asks for. */
struct proto_job {
        struct proto_header header;
        uint64_t id;
        uint64_t size;  /* bytes in the bay; for an fd the size by fstat, a hint */
        uint8_t has_fd; /* the content is the fd that comes along */
        uint8_t has_known;
        uint8_t bay; /* where in the slot the content is, in units of PROTO_BAY_SIZE */
        uint8_t reserved[5];
        uint8_t known[STAMP_DIGEST_SIZE]; /* with has_known: if the content has this digest, say so
                                           * instead of scanning it */
};

struct proto_result {
        struct proto_header header;
        uint64_t id;     /* of the job */
        uint8_t verdict; /* enum verdict */
        uint8_t reason;  /* enum reason */
        uint8_t known;   /* the digest asked for matched: verdict and reason are then 0 */
        uint8_t has_digest;
        uint32_t digest_usec, scan_usec;
        uint32_t reserved;
        uint8_t digest[DIGEST_SIZE];
        char signature[PROTO_SIGNATURE_MAX]; /* INFECTED: its name; else "" or, for UNSCANNABLE and
                                              * UNKNOWN, what libclamav said. Printable ASCII. */
};

union proto_message {
        struct proto_header header;
        struct proto_load load;
        struct proto_loaded loaded;
        struct proto_refused refused;
        struct proto_spawn spawn;
        struct proto_hello hello;
        struct proto_job job;
        struct proto_result result;
};

/* Fills in the header of a message of this kind. */
void proto_init(union proto_message *message, enum proto_kind kind);

/* Size of a message of this kind; 0 for kinds that do not exist. */
size_t proto_size(enum proto_kind kind);

/* Checks size bytes received in message: magic, kind, exact size, every enumeration in range,
 * texts terminated and printable, reserved bytes zero, verdict and reason fitting each other.
 * Returns the kind, or -EBADMSG. */
int proto_check(const union proto_message *message, size_t size);

/* Copies text into a message's text field: cut to size, always terminated, anything but printable
 * ASCII becomes '?'. */
void proto_text(char *field, size_t size, const char *text);

/* Sends a message with up to two fds (-EBADF: none), never sleeping: -EAGAIN when the peer does not
 * take its messages. 0 or negative errno. */
int proto_send(int sock, const union proto_message *message, int fd0, int fd1);

/* Receives one message and checks it; up to two fds, O_CLOEXEC, -EBADF where none came. fds that
 * do not fit the kind are refused (-EBADMSG). Returns the kind, 0 at end of file, or negative
 * errno. */
int proto_receive(int sock, union proto_message *ret, int ret_fds[static 2]);
