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
 *     gate ◀─COMPARED─ loader        the set is, or is not, the one that runs; the loader then exits
 *     gate ──SPAWN───▶ loader        with 2 fds: the worker's end of its channel, its slot's memfd;
 *                                    and the verdict cache's memory, read-only, if there is one
 *     gate ◀─ENDED──── loader        a worker did not end by itself in peace
 *     gate ◀─SERVERS── loader        of clamd: one came or went, or the signatures of all are other ones
 *     gate ◀─HELLO──── worker        on its channel; the kernel's SCM_CREDENTIALS tell its pid
 *     gate ──JOB─────▶ worker        scan a bay of the slot, or the fd that comes along
 *     gate ◀─ITEMS──── worker        of a file of many items: what was found, in order, as it goes; the
 *                                    last may stand for the RESULT, too
 *     gate ◀─ITEM───── worker        one of them that is worth a word in the log
 *     gate ◀─ATTACHMENT worker       before the result of a job that asks: what is not wanted in mail
 *     gate ◀─COVER──── worker        likewise: the digests that a hub's stamp of the message covers
 *     gate ◀─CONTENT── worker        of a job that asks: what it is going to take apart now
 *     gate ◀─PLAN───── worker        before the result of a job for a plan, always: what the item
 *                                    would be replaced by is in the memfd that came with the job
 *     gate ◀─RESULT─── worker        the verdict; the bay is the gate's again
 *
 * Jobs are done in the order in which they come; one more may be sent before the result of the first.
 *
 * A worker that exits closes its channel; the loader reaps it and removes its folder.
 */

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/clamd/address.h"
#include "store/context.h"
#include "store/digest.h"
#include "store/hub-content.h"
#include "store/notice.h"
#include "store/poison.h"
#include "store/stamp.h"
#include "store/verdict.h"

#define PROTO_MAGIC \
        UINT32_C(0x53734331) /* "SsC1": raise the digit when a release changes what is below */
#define PROTO_BAYS     2     /* jobs that a worker's slot has room for */
#define PROTO_BAY_SIZE (UINT32_C(1) << 20)
/* Behind the bays: what is not to be scanned. */
#define PROTO_POISON_AT (PROTO_BAYS * PROTO_BAY_SIZE)
#define PROTO_SLOT_SIZE (PROTO_POISON_AT + (UINT32_C(4) << 10))
/* At its end: what the gate has taken back. */
#define PROTO_TAKEN_AT      (PROTO_SLOT_SIZE - 64)
#define PROTO_SIGNATURE_MAX 128
#define PROTO_TEXT_MAX      512
#define PROTO_SPANS_MAX     32
#define PROTO_REFUSED_MAX   16
#define PROTO_PATTERNS_MAX  256
/* How the text of UNSCANNABLE begins for mail that Dovecot's mail_crypt plugin has encrypted. */
/* How the name of an engine begins that is clamd servers. */
#define PROTO_CLAMD       "clamd "
#define PROTO_MAIL_CRYPT  "encrypted by Dovecot's mail_crypt"
#define PROTO_FDS_MAX     3
#define PROTO_NOTICE_MAX  (NOTICE_TEMPLATE_MAX + 8)
#define PROTO_ALLOWED_MAX 2048
#define PROTO_HOST_MAX    72 /* HOST_NAME_MAX, and room */

enum proto_kind {
        PROTO_LOAD = 1,
        PROTO_LOADED,
        PROTO_REFUSED,
        PROTO_SPAWN,
        PROTO_HELLO,
        PROTO_JOB,
        PROTO_ITEMS,
        PROTO_ITEM,
        PROTO_RESULT,
        PROTO_ATTACHMENT,
        PROTO_COVER,
        PROTO_PLAN,
        PROTO_COMPARED,
        PROTO_CONTENT,
        PROTO_ENDED,
        PROTO_SERVERS,
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
        uint8_t has_running;       /* an engine of this generation runs: none like it is loaded */
        uint8_t only_compare;      /* nor is any other */
        uint8_t background;        /* loads at low priority, since others scan meanwhile */
        struct generation running; /* 0 without */
        uint8_t engine;            /* enum engine_kind */
        uint8_t fallback;          /* CLAMD: enum clamd_fallback */
        char attachment_names[PROTO_PATTERNS_MAX]; /* that patterns_find() takes; "": none */
        char attachment_types[PROTO_PATTERNS_MAX];
        char notice[PROTO_NOTICE_MAX];   /* of plans: a template that notice_check() takes */
        char host[PROTO_HOST_MAX];       /* our name, for it. Printable ASCII */
        char allowed[PROTO_ALLOWED_MAX]; /* names of signatures that do not count, with blanks
                                          * between. Printable ASCII */
        char clamd[CLAMD_TEXT_MAX];      /* CLAMD: the servers. Printable ASCII */
};

struct proto_loaded {
        struct proto_header header;
        struct generation generation;
        uint8_t reserved[2];
        uint32_t signatures;       /* 0: those of clamd servers, who do not tell */
        uint32_t database_version; /* of daily.cvd; 0 for own files */
        uint64_t database_usec;    /* when that was made, since 1970; 0 likewise */
        uint64_t load_usec;
        char engine[32]; /* "ClamAV 1.4.6"; of servers, "clamd 1.4.6" */
};

struct proto_refused {
        struct proto_header header;
        char text[PROTO_TEXT_MAX]; /* one sentence: what is wrong and the fix */
};

struct proto_compared {
        struct proto_header header;
        uint8_t same;
        uint8_t reserved[7];
};

struct proto_spawn {
        struct proto_header header;
        uint32_t worker; /* number of the worker: names its folder in tmpdir */
        uint32_t serial; /* another one for each */
};

struct proto_ended {
        struct proto_header header;
        uint32_t serial; /* of its SPAWN */
        uint8_t killed;  /* by a signal that a fault in it does not raise */
        uint8_t reserved[3];
};

enum servers_change {
        SERVERS_SAME,
        SERVERS_LEFT_OUT,
        SERVERS_BACK,
        SERVERS_NONE, /* not one is left */
        _SERVERS_CHANGE_MAX
};

struct proto_servers {
        struct proto_header header;
        uint32_t servers, usable;
        uint64_t left_out; /* times that one could not be used any more */
        uint64_t again;    /* scans that a second server was asked for */
        uint64_t none;     /* scans that no server was there for */
        uint8_t change;    /* enum servers_change */
        uint8_t stale;     /* LOADED's generation is no longer theirs */
        uint8_t reserved[6];
        char text[PROTO_TEXT_MAX]; /* of a change: a sentence, with the reason. Printable ASCII */
};

struct proto_hello {
        struct proto_header header;
};

/* What the content is. */
enum job_form {
        JOB_RAW,     /* any content: judged as it is, digest of its bytes */
        JOB_MESSAGE, /* one message, compressed perhaps: canonical digest */
        JOB_DBOX,    /* Dovecot's sdbox or mdbox file: items */
        JOB_MBOX,
        _JOB_FORM_MAX
};

/* By bay, the job that the gate has given to another worker since it was sent: it need not be begun any
 * more, whatever its RESULT says. */
struct proto_taken {
        _Atomic uint64_t ids[PROTO_BAYS];
};

static_assert(sizeof(struct poison_view) <= PROTO_TAKEN_AT - PROTO_POISON_AT &&
                      sizeof(struct proto_taken) <= PROTO_SLOT_SIZE - PROTO_TAKEN_AT,
              "a slot has room for all of it");

/* What a job asks for. A file of one item is judged as a whole and answered by a RESULT alone. Of a
 * file of many items (many) those are judged which reach into [wanted, to), beginning with the item at
 * from: ITEMS and ITEM tell of all of them in order, so that they tile [from, end of the last one told),
 * which is at least to, or the end of the file; RESULT then tells no more than that the job is through
 * (CLEAN, which says nothing of the items; ITEMS can tell that, too), or why it could not go on (UNKNOWN).
 * In a bay is all that proto_bay_at() tells, to the file's end. An mbox is always a file of many. */
struct proto_job {
        struct proto_header header;
        uint64_t id;
        uint64_t size;  /* bytes in the bay; for an fd the size by fstat, a hint */
        uint8_t has_fd; /* the content is the fd that comes along */
        uint8_t has_known;
        uint8_t bay;  /* where in the slot the content is, in units of PROTO_BAY_SIZE */
        uint8_t form; /* enum job_form */
        uint8_t many;
        uint8_t use_cache;   /* content that the verdict cache seems to know need not be scanned */
        uint8_t use_hub;     /* a message with a hub's stamp need not be scanned before the gate has
                            * judged the stamp */
        uint8_t attachments; /* tell of those that LOAD's patterns do not want */
        uint8_t cover;       /* tell what a hub's stamp covers, if it is clean */
        uint8_t n_distrusted;
        uint8_t plan;     /* nothing but a PLAN is wanted, and none of the above: see there */
        uint8_t detached; /* of a plan: RAW content is an attachment that Dovecot keeps by itself */
        uint8_t spare;    /* content that is in the slot's list of poison is UNKNOWN, POISON */
        uint8_t announce; /* tell of content before anything else is done with it */
        uint8_t reserved[2];
        uint8_t known[STAMP_DIGEST_SIZE]; /* with has_known: if the content has this digest, say so
                                           * instead of scanning it */
        uint64_t from, wanted, to;        /* with many: offsets, from <= wanted < to; else 0 */
        /* With many and use_hub: where items begin whose stamps were refused. Those beyond
         * n_distrusted are 0. */
        uint64_t distrusted[PROTO_REFUSED_MAX];
};

/* By what an item's verdict is known. */
enum item_how {
        ITEM_SCANNED,
        ITEM_CACHED, /* the cache hints that its digest is known: verdict and reason are 0, the gate
                      * asks the cache itself */
        ITEM_PASSED, /* before what is wanted: not looked at, verdict and reason are 0. Several items
                      * in a row may be told as one */
        ITEM_HUB, /* it has stamps in its header: verdict and reason are 0, the gate judges them */
        _ITEM_HOW_MAX
};

struct proto_span {
        uint64_t offset, size; /* of the item, more than 0; or of a row of items */
        uint8_t how;           /* enum item_how */
        uint8_t verdict;       /* enum verdict */
        uint8_t reason;        /* enum reason */
        uint8_t has_digest;
        uint8_t last; /* it ends at the end of the file, and may still grow */
        uint8_t reserved[3];
        uint8_t digest[DIGEST_SIZE];
};

/* Items of which the log says nothing: clean, cached or passed. */
struct proto_items {
        struct proto_header header;
        uint64_t id;
        uint32_t n;      /* 1 to PROTO_SPANS_MAX */
        uint8_t through; /* and so is the job: as a RESULT that is CLEAN, which does not come then */
        uint8_t reserved[3];
        struct proto_span spans[PROTO_SPANS_MAX]; /* those beyond n are zero */
};

/* An item that is not clean, or has stamps. */
struct proto_item {
        struct proto_header header;
        uint64_t id;
        struct proto_span span;
        char signature[PROTO_SIGNATURE_MAX]; /* as in proto_result; ITEM_HUB: "" */
        struct context context; /* sanitised texts, terminated, rest zero; ITEM_HUB: zero */
        struct hub_content hub; /* ITEM_HUB: what was found; else zero */
};

struct proto_result {
        struct proto_header header;
        uint64_t id;     /* of the job */
        uint8_t verdict; /* enum verdict */
        uint8_t reason;  /* enum reason */
        uint8_t known;   /* enum result_known */
        uint8_t has_digest;
        uint32_t digest_usec, scan_usec;
        uint32_t reserved;
        uint8_t digest[DIGEST_SIZE];
        char signature[PROTO_SIGNATURE_MAX]; /* INFECTED: its name; else "" or, for UNSCANNABLE and
                                              * UNKNOWN, what libclamav said. Printable ASCII. */
        struct context context;              /* of what is not clean; else zero */
        struct hub_content hub;              /* KNOWN_HUB: what was found; else zero */
};

/* The first attachment that is not wanted; at most one a job. */
struct proto_attachment {
        struct proto_header header;
        uint64_t id;
        uint8_t by_type; /* not by its name */
        uint8_t reserved[7];
        char pattern[PROTO_PATTERNS_MAX]; /* the one of LOAD that fits. Printable ASCII */
        char name[PROTO_SIGNATURE_MAX];   /* the name or the type. Printable ASCII */
};

/* Of a clean message. */
struct proto_cover {
        struct proto_header header;
        uint64_t id;
        uint8_t check; /* enum hub_check: GOOD, or IRREGULAR: no stamp can cover it */
        uint8_t reserved[7];
        uint8_t body[DIGEST_SIZE], header_digest[DIGEST_SIZE]; /* if GOOD, else zero */
};

/* What a worker that ends now ended by. Of a file of many items: what was told before reaches to its
 * offset. */
struct proto_content {
        struct proto_header header;
        uint64_t id;
        uint64_t offset, size;       /* in the file; size is not 0 */
        uint8_t digest[DIGEST_SIZE]; /* SHA-256 of the bytes as they are stored */
};

/* How an infected item can be replaced by one of the same size that is clean. The job for it brings a
 * second fd: a memfd of exactly the item's size, which is written to if the plan is MADE. Of a file of
 * many items (many) the item is the one that is [from, to), with from = wanted, and no ITEMS are told;
 * else it is the file, whose size must be the job's. */
enum plan_outcome {
        PLAN_MADE, /* what is in the memfd was scanned as a whole and is clean. RESULT: INFECTED */
        PLAN_NONE, /* no way was found (INFECTED), or there was no time for it (UNKNOWN) */
        PLAN_NOT_INFECTED, /* CLEAN or UNSCANNABLE */
        PLAN_CHANGED,      /* there is no such item (UNKNOWN) */
        _PLAN_OUTCOME_MAX
};

#define PROTO_PART_NONE UINT32_MAX

struct proto_plan {
        struct proto_header header;
        uint64_t id;
        uint64_t offset, size; /* of the item in the file, as asked for */
        uint8_t outcome;       /* enum plan_outcome */
        uint8_t has_digest;
        /* MADE; else 0. */
        uint8_t opaque;  /* the stored bytes are no text whose ends of lines stay */
        uint8_t whole;   /* of all bodies of the message */
        uint8_t noticed; /* there was room for the notice, or its first line */
        uint8_t reserved[7];
        uint32_t
                part; /* the message's part that was replaced, from 0, if it is one alone; or NONE */
        uint8_t original[DIGEST_SIZE]; /* SHA-256 of the item's bytes in the file; CHANGED: 0 */
        uint8_t planned[DIGEST_SIZE];  /* of those in the memfd if MADE; else 0 */
        uint8_t digest[DIGEST_SIZE]; /* by which the infected content is known and can be allowed */
        char signature[PROTO_SIGNATURE_MAX]; /* what it is infected with, else "" */
        struct context context;              /* of what is infected; else zero */
};

enum result_known {
        KNOWN_NOT,
        KNOWN_DIGEST, /* the digest asked for matched: verdict and reason are 0 */
        KNOWN_CACHE, /* the cache hints at the digest: likewise, and the gate asks the cache itself */
        KNOWN_HUB,   /* it has stamps in its header: likewise, and the gate judges them */
        _RESULT_KNOWN_MAX
};

union proto_message {
        struct proto_header header;
        struct proto_load load;
        struct proto_loaded loaded;
        struct proto_refused refused;
        struct proto_compared compared;
        struct proto_spawn spawn;
        struct proto_hello hello;
        struct proto_job job;
        struct proto_items items;
        struct proto_item item;
        struct proto_result result;
        struct proto_attachment attachment;
        struct proto_cover cover;
        struct proto_plan plan;
        struct proto_content content;
        struct proto_ended ended;
        struct proto_servers servers;
};

/* Fills in the header of a message of this kind. */
void proto_init(union proto_message *message, enum proto_kind kind);

/* Whether the item that begins there is to be scanned whatever stamps it has. */
bool proto_is_distrusted(const struct proto_job *job, uint64_t offset);

/* Of a file of many items: which of its bytes is the first in a bay, for a job from that offset on. Items of
 * an mbox can be told from any of them on; how those of a dbox file look, it says where it begins. */
uint64_t proto_bay_at(enum job_form form, uint64_t from);

/* Size of a message of this kind; 0 for kinds that do not exist. */
size_t proto_size(enum proto_kind kind);

/* Checks size bytes received in message: magic, kind, exact size, every enumeration in range,
 * texts terminated and printable, reserved bytes zero, verdict and reason fitting each other.
 * Returns the kind, or -EBADMSG. */
int proto_check(const union proto_message *message, size_t size);

/* Copies text into a message's text field: cut to size, always terminated, anything but printable
 * ASCII becomes '?'. */
void proto_text(char *field, size_t size, const char *text);

/* Whether a text field is as proto_text() makes it; of context, valid and visible UTF-8. */
bool proto_text_ok(const char *field, size_t size);
bool proto_context_ok(const struct context *context);

/* Whether what is said of clamd servers, but for the header, is as it must be. */
bool proto_servers_ok(const struct proto_servers *m);

/* Sends a message with n fds, never sleeping: -EAGAIN when the peer does not take its messages. 0 or
 * negative errno. */
int proto_send(int sock, const union proto_message *message, const int *fds, size_t n);

/* The same, but sleeps until the peer takes the message: for workers, which tell more than a socket
 * holds. */
int proto_send_patiently(int sock, const union proto_message *message);

/* Receives one message and checks it; with its fds, O_CLOEXEC, -EBADF where none came. fds that
 * do not fit the kind are refused (-EBADMSG). Returns the kind, 0 at end of file, or negative
 * errno. */
int proto_receive(int sock, union proto_message *ret, int ret_fds[static PROTO_FDS_MAX]);

/* ---- For other protocols with the same header ---- */

/* Zeroes a message of this size and fills in its header. */
void proto_begin(void *message, uint32_t magic, unsigned kind, size_t size);

/* Sends, with the flags of sendmsg(2). 0 or negative errno. */
int proto_send_bytes(int sock, const void *data, size_t size, const int *fds, size_t n, int flags);

/* Checks what was received: the kind, or -EBADMSG. n_fds came along, of which no more than
 * PROTO_FDS_MAX were kept. */
typedef int (*proto_check_fn)(const void *message, size_t size, size_t n_fds);

/* As proto_receive(), for a message of size bytes at most. */
int proto_receive_checked(int sock, void *message, size_t size, proto_check_fn check,
                          int ret_fds[static PROTO_FDS_MAX]);
