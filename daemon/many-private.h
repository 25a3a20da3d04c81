/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Shared by many.c (the table, and who waits), many-changes.c (what is still true of a file),
 * many-job.c (having items judged), many-proof.c (what stores through mappings may have changed unseen),
 * many-stamps.c (stamps of hubs in them), many-cure.c (having a notice put in the place of infected ones)
 * and many-sweep.c (sweeps).
 */

#include <sys/queue.h>

#include "daemon/many.h"
#include "store/spans.h"

/* Of a process the ranges it was let at last: if it turns out to have written, it was there. More at
 * once than these takes a process with as many threads at the same mailbox. */
#define RECENT_MAX  32
#define CLIENTS_MAX 8
#define TOUCHED_MAX 16
#define NOTES_MAX   32
#define LATE_MAX    512

/* So many items with stamps that are refused may be told of in a job; with more the next one is done
 * without stamps, so that nobody keeps the gate busy with forged ones. */
#define REFUSALS_MAX PROTO_REFUSED_MAX
#define BELIEFS_MAX  16384 /* of all files, 96 bytes each */

/* Jobs for the same who waits, where a file changes all the time. */
#define TRIES_MAX 4

struct range {
        uint64_t offset, size;
};

struct client {
        pid_t pid;  /* 0: a free place */
        bool early; /* it may have files open from before the marks */
        uint64_t used;
        struct range recent[RECENT_MAX];
        size_t next;
};

/* What an item that is not clean was found to be. */
struct note {
        uint64_t offset, size;
        enum verdict verdict;
        enum reason reason;
        bool released; /* infected, but allowed */
        bool old;      /* found by other signatures, or with another list of what is allowed */
        bool has_digest;
        uint8_t digest[DIGEST_SIZE];
        char signature[PROTO_SIGNATURE_MAX];
        struct context context;
};

/* An item whose stamps were refused. */
struct refusal {
        bool used;
        bool told;  /* counted, and in the log */
        bool grows; /* it may not have been all there: once the file changes it is judged anew */
        enum hub_check check;
        uint64_t offset;
        uint8_t digest[DIGEST_SIZE];
        uint64_t size; /* of the file then */
        struct timespec mtime;
};

/* An item whose stamp was believed; store NULL: none. */
struct belief {
        const struct config_store *store;
        dev_t dev;
        ino_t ino;
        struct generation generation;
        uint8_t digest[DIGEST_SIZE];
};

TAILQ_HEAD(wait_list, wait);

struct wait {
        TAILQ_ENTRY(wait) link;    /* of all, by deadline; until answered */
        TAILQ_ENTRY(wait) sibling; /* of the file */
        struct many_file *file;
        struct gate_event event;
        unsigned tries; /* jobs that were made for it */
        uint64_t arrived_usec, due_usec;
        uint64_t retry_usec; /* 0: not waiting for another try */

        /* The stamp is being taken off for a writer: that has to end before the fd may be closed. */
        struct stamper_withdrawal withdrawal;
        bool withdrawing, answered;
        bool suspect; /* for an infected item to be replaced: nothing but what is clean is served */

        /* Of a sweep, that waits until all of the file was judged, bit by bit. */
        bool sweeps, fresh, asked;
        uint64_t from;      /* all before is through with */
        uint64_t asked_for; /* what a job was made for last, and of how large a file */
        uint64_t asked_size;
        uint64_t cure_from; /* what is infected before was tried to be replaced */
        enum verdict worst; /* UNKNOWN: of an item that could not be judged */
        bool failed;
};

struct many_file {
        LIST_ENTRY(many_file) bucket, key_bucket;
        TAILQ_ENTRY(many_file) used; /* in used or resting, the most recent first */
        struct many *many;
        dev_t dev;
        ino_t ino;
        struct changes_key key;
        const struct config_store *store;
        struct generation generation; /* that the verdicts are of */
        bool ranges;                  /* accesses tell which bytes they are about */
        int fd;                       /* an own description of the file; -EBADF while it rests */
        bool aloud;                   /* of one that was opened anew (struct gate_event) */
        uint64_t used_usec;
        bool stamped; /* has a stamp of what is known */
        bool older;   /* what is known is by that stamp, of an older generation */
        /* There is a stamp of an older generation that holds: it has to go when something is found. */
        bool old_stamp;
        struct stamper_withdrawal distrust;
        /* Items that are infected but allowed count as clean here: no stamp may say so, and they are judged
         * again when the list of what is allowed changes. */
        bool released;
        uint64_t allow_version;

        /* As it was when it was last looked at. */
        uint64_t size;
        struct timespec mtime, ctime;
        struct spans spans;

        /* Who was where, and who wrote since the last look. */
        struct client *clients; /* CLIENTS_MAX at most: nearly always it is one, and 536 bytes */
        size_t n_clients;       /* at least 1 */
        uint64_t uses;
        bool modified;
        bool strangers; /* among the writers: processes that were let at nothing here */
        bool early;     /* among them: processes that may be somewhere else, too */
        pid_t writer;   /* of the events since the last look; 0: none, -1: several */

        /* Who alone wrote what is behind tail_from, unjudged still. */
        pid_t tail_writer; /* 0: nobody; -1: several */
        bool tail_shared;  /* others have changed something since */
        bool tail_clean;   /* so was what lies before it on its first page */
        uint64_t tail_from;
        unsigned tail_touches;

        /* Who alone wrote since all between these was known to be clean. */
        pid_t mover; /* 0: nobody */
        uint64_t moved_from, moved_to;

        /* The job under way. */
        bool judging, cache_failed;
        bool hub_failed;    /* too many stamps were refused */
        bool by_hub;        /* some of it was taken on the word of a hub */
        bool verifying;     /* all of it, under a lease on fd, for a stamp */
        bool verified;      /* tried already since the last use */
        bool strict;        /* no hub's word counts where nobody waits, but a sweep at most */
        uint64_t anew_msec; /* when a sweep last had everything judged anew, by the wall clock */
        uint64_t judged_to; /* it has told of the items up to there */
        struct pool_job job;
        struct range touched[TOUCHED_MAX]; /* since it began */
        size_t n_touched;
        bool touched_all;
        bool job_proven; /* nothing can have been stored unseen since it began */
        bool proof_job;  /* it is for a proof */

        /* Judged while somebody could store unseen; since when. */
        TAILQ_ENTRY(many_file) proof_link; /* in unproven */
        bool proof_listed;
        uint64_t prove_usec; /* when that is to be proved */
        struct range unproven, proving;
        uint64_t unproven_usec, proving_usec;
        bool writing_out;
        struct ring_op proof_op;
        bool written_out; /* since it was as in out, and as long as it is so */
        struct stat out;

        bool writable;         /* somebody had it open for writing since */
        uint64_t since_usec;   /* nothing that is known is older */
        uint64_t changed_usec; /* when it was last seen to have changed */
        bool expired;          /* what is STALE is so for its age alone */

        /* Round robin. */
        struct refusal *refusals;       /* REFUSALS_MAX; or NULL: there was none yet */
        size_t next_refusal, n_refused; /* n_refused: by this job */
        uint64_t distrusted[REFUSALS_MAX];

        /* The item that is being replaced. */
        bool curing;
        struct range cured;
        bool doubted; /* it was infected and is not known to be clean since */

        struct note *notes; /* NOTES_MAX, round robin; or NULL: there was none yet */
        size_t next_note;
        struct wait_list waits;
        unsigned n_withdrawing;
};

TAILQ_HEAD(used_list, many_file);

#define MANY_BUCKETS 1024

struct many {
        struct many_parts p;
        LIST_HEAD(, many_file) buckets[MANY_BUCKETS];
        LIST_HEAD(, many_file) key_buckets[MANY_BUCKETS];
        struct used_list used, resting, unproven; /* unproven: by prove_usec */
        unsigned n_used, n_resting, n_judging, n_withdrawing, n_curing, n_writing_out;
        struct ring_op poll_op;
        bool polling;
        uint64_t poll_usec; /* not before */
        uint64_t
                guarding_ticks; /* when the marks were in place, as processes' start times are told; 0:
                                  * they are not */
        struct wait_list waiting;
        struct belief *beliefs; /* BELIEFS_MAX */
        /* Numbers of processes that began behind the marks: whoever has one later has begun later. */
        pid_t late[LATE_MAX];
        struct note spare_note; /* where there is no memory for notes */
};

/* ---- many-changes.c ---- */

/* Brings a file's spans in line with what was written since the last look. st is of now. */
void many_look(struct many_file *file, const struct stat *st);

/* Items were judged: a tail that is clean is nobody's any more. */
void many_settle_tail(struct many_file *file);

/* Before multigrain times (6.13) two changes within one tick have the same: whether another one would have
 * another time. */
bool many_time_is_settled(const struct many_file *file, const struct stat *st);

/* Notes what was written to any file. */
void many_drain(struct many *many);

/* Nothing was judged. */
void many_forget_verdicts(struct many_file *file);

/* The same as many_look(), with the kernel asked. */
void many_look_now(struct many_file *file);

/* A stamp of ours was just taken off, which moves the change time: whoever changes content with that
 * time alone to show for it is told of (FAN_MODIFY), or moves the other one, too. */
void many_look_withdrawn(struct many_file *file);

/* The item at offset, of size bytes, may be another one by now: a notice was put there by us, or it was
 * seen otherwise. */
void many_look_cured(struct many_file *file, uint64_t offset, uint64_t size);

/* Notes that a process is let at a range. */
void many_note_access(struct many_file *file, const struct gate_event *event);

/* Whether the access is one with which a process goes on writing what it alone is writing: at the end
 * of the file, or a touch to what it just wrote. */
bool many_goes_on_writing(struct many_file *file, const struct gate_event *event);

/* Whether an access without bytes is no more than a cut: FICLONE, which takes all bytes, is told in
 * the same way as ftruncate(2), and read(2) of nothing. */
bool many_only_cuts(const struct many_file *file, const struct gate_event *event);

struct many_file *many_find_key(struct many *many, const struct changes_key *key);
size_t many_key_bucket(const struct changes_key *key);

/* ---- many-job.c ---- */

/* Begins to have the items judged that a waiter needs to know of, if no other job is under way. */
void many_judge(struct many_file *file, struct wait *wait, uint64_t missing);

/* Whether a small file that is opened is to be judged before its first read, and from where on; and the same as
 * many_judge() for who was let open it: his first read finds a worker at it. */
bool many_wants_early(const struct many_file *file, uint64_t *ret_missing);
void many_judge_early(struct many_file *file, const struct gate_event *event, uint64_t missing);

/* Whether something may have been written there since the job began. */
bool many_was_touched(const struct many_file *file, uint64_t offset, uint64_t size);

/* Has all of the file looked at again, at low priority; many_verify_end() tells how it went. */
void many_verify(struct many_file *file);

/* Has a part of what begins there judged again, with nobody waiting; many_proof_judged() tells how it went. */
void many_judge_again(struct many_file *file, const struct range *range);

/* Whether something that an access is about was infected when it was last judged, and is not allowed: what
 * can't be judged now is no less so. ret is where it begins. */
bool many_was_infected(const struct many_file *file, const struct gate_event *event, uint64_t *ret);

/* The note of the item that a span begins with; or NULL. */
const struct note *many_find_note(const struct many_file *file, uint64_t offset);

/* ---- many-proof.c ---- */

/* Whether somebody has it open for writing, as far as can be told. */
bool many_may_be_written(const struct many_file *file);

/* Whether nothing can be stored unseen to what is judged from now on; notes if somebody could write. */
bool many_proof_holds(struct many_file *file);

/* The items there were judged, though it did not hold. */
void many_proof_lacks(struct many_file *file, uint64_t offset, uint64_t end);

/* It was written to: what was known is judged again anyway; or all of it is proved. */
void many_proof_void(struct many_file *file);

/* What is unproven is to be judged again by whoever asks. */
void many_proof_give_up(struct many_file *file);

/* The same for what is so for too long; and for what is known for long of a file that may be written to. */
void many_proof_look(struct many_file *file);

/* A job for a proof has ended; and: whatever comes next, if it may begin. */
void many_proof_judged(struct many_file *file, bool failed);
void many_proof_go_on(struct many_file *file, uint64_t now);

/* Proves what is due; returns when it wants to be called next. */
uint64_t many_proof_run(struct many *many, uint64_t now);

/* ---- many-stamps.c ---- */

/* For a job that begins: which items it is to scan whatever stamps they have. */
void many_stamps_begin(struct many_file *file, struct pool_job *job);

/* Judges the stamps of an item, unless that was done. False: it has to be scanned, by another job. */
bool many_stamps_believed(struct many_file *file, const struct proto_item *item);

/* Whether an item that was scanned had no stamp where one would have counted. */
bool many_stamps_absent(struct many_file *file, const struct proto_span *span);

/* To be called of each item that was told. Why its stamps were refused, if the log is to tell of it
 * now; else GOOD. */
enum hub_check many_stamps_refused(struct many_file *file, const struct proto_span *span);

/* The next part of a file for a sweep, if no other job is under way. */
void many_judge_part(struct many_file *file, const struct wait *wait, uint64_t missing);

/* ---- many-cure.c ---- */

/* Whether the item that answer tells of, the worst of what somebody asks for, is to be replaced. */
bool many_wants_cure(const struct many_file *file, const struct spans_answer *answer);

/* Whether an item there was being replaced when that was interrupted. */
bool many_is_half_replaced(const struct many_file *file, uint64_t offset, uint64_t size);

/* Whether somebody is at an item that overlaps this range. */
bool many_is_curing(const struct many_file *file, uint64_t offset, uint64_t size);

/* Whether the item that was to be replaced overlaps this range, and may be infected still. */
bool many_is_doubted(const struct many_file *file, uint64_t offset, uint64_t size);

/* Has it replaced, for somebody who waits, or waits for the one that is under way; then everybody is
 * looked at again. False: it can't be. */
bool many_cure(struct many_file *file, struct wait *wait, const struct spans_answer *answer);

/* ---- many-sweep.c ---- */

/* An open by a sweep: takes the event's fd. */
void many_sweep_opened(struct many_file *file, const struct many_open *open);

/* More is known: goes on, or answers. */
void many_sweep_again(struct wait *wait);

/* Somebody keeps the file locked: it is not waited for again. */
void many_sweep_locked(struct many_file *file);

/* Answers, and notes nothing: the end. */
void many_sweep_give_up(struct wait *wait);

/* ---- many.c ---- */

struct wait *many_wait_new(struct many_file *file, const struct gate_event *event,
                           uint64_t due_usec);
void many_wait_end(struct wait *wait);

/* All of it is known to be clean. */
bool many_all_clean(const struct many_file *file);

/* Begins to prove that a file that nobody uses is clean, for a stamp. */
void many_stamp_soon(struct many_file *file);

/* A file was looked at again, or somebody came meanwhile: proved if all of it is still as it was. */
void many_verify_end(struct many_file *file, bool proved);

/* Something is not clean: takes an older stamp off, by which all of it would be. */
void many_distrust_stamp(struct many_file *file);

/* Looks at everybody who waits at this file again: something is known that was not. reason is not
 * NONE: by a job that came to nothing, so that those whose items are still not known are answered by
 * on_error. */
void many_decide_all(struct many_file *file, enum reason reason);
