/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Has what was judged while somebody could write unseen proved. Owns the write-outs under way.
 *
 * A store through a shared mapping moves the times of a file only where it faults: the first to a page
 * since that was written out (folio_mkclean() in the kernel, kernel-ctime.c). Of a page that was dirty when
 * it was judged nothing tells what is stored to it next. So soon behind the job the file is written out; from
 * then on every store moves its times for as long as these stand still, and what was judged before is looked
 * at again, by digests, with nobody waiting. What is unproven for too long, since the machine is busy or there
 * is nowhere to write to (tmpfs), is judged again for whoever asks.
 *
 * Where nobody has the file open for writing when a job begins nothing can be stored unseen: who
 * comes later maps it anew, and faults.
 *
 * That is all of mappings. There is more that moves no time (extents that are exchanged on xfs, direct writes
 * and reads that were under way), all of which needs the file open for writing. So where it is nothing is
 * relied on for long.
 */

#include "daemon/many-private.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "daemon/clock.h"

#ifndef XFS_SUPER_MAGIC
#        define XFS_SUPER_MAGIC 0x58465342
#endif

/* What several jobs judged is proved at once. */
#define PROVE_USEC (100 * USEC_PER_MSEC)
/* Unproven for longer it is not relied on. */
#define UNPROVEN_MAX_USEC (2 * USEC_PER_SEC)
/* Judged so long ago it is not relied on where somebody can write; twice that while somebody does: he may be
 * moving messages, and what he reads then is torn. */
#define EXPIRE_USEC (30 * USEC_PER_SEC)
#define BUSY_USEC   (5 * USEC_PER_SEC)
/* Write-outs under way: a disk that hangs must leave the ring's workers to others. */
#define WRITING_MAX 16U
/* Of change times that are whole seconds. */
#define COARSE_USEC (1100 * USEC_PER_MSEC)

/* ---- What there is to prove ---- */

static void list(struct many_file *file) {
        if (file->proof_listed)
                return;
        file->proof_listed = true;
        file->prove_usec = now_usec() + PROVE_USEC;
        TAILQ_INSERT_TAIL(&file->many->unproven, file, proof_link);
}

static void unlist(struct many_file *file) {
        if (file->proof_listed)
                TAILQ_REMOVE(&file->many->unproven, file, proof_link);
        file->proof_listed = false;
}

static void extend(struct range *range, uint64_t offset, uint64_t end) {
        if (range->size > 0) {
                end = MAX(range->offset + range->size, end);
                offset = MIN(range->offset, offset);
        }
        *range = (struct range){ offset, end - offset };
}

void many_proof_lacks(struct many_file *file, uint64_t offset, uint64_t end) {
        if (file->unproven.size == 0)
                file->unproven_usec = now_usec();
        extend(&file->unproven, offset, end);
        list(file);
}

/* What was to be proved is no less unproven than before. */
static void put_back(struct many_file *file) {
        if (file->proving.size == 0)
                return;
        extend(&file->unproven, file->proving.offset, file->proving.offset + file->proving.size);
        file->unproven_usec = file->proving_usec;
        file->proving.size = 0;
}

void many_proof_void(struct many_file *file) {
        unlist(file);
        file->unproven.size = file->proving.size = 0;
        file->job_proven = false;
}

void many_proof_give_up(struct many_file *file) {
        put_back(file);
        file->expired = file->expired || many_all_clean(file);
        if (file->unproven.size > 0)
                spans_touch(&file->spans, file->unproven.offset, file->unproven.size);
        unlist(file);
        file->unproven.size = 0;
}

static void expire(struct many_file *file, uint64_t now) {
        many_proof_give_up(file);
        spans_touch_all(&file->spans);
        file->writable = false; /* the next job, or open, tells */
        file->since_usec = now;
}

void many_proof_look(struct many_file *file) {
        uint64_t now = now_usec(), limit;
        uint64_t since = file->proving.size > 0    ? file->proving_usec
                         : file->unproven.size > 0 ? file->unproven_usec
                                                   : 0;

        if (since > 0 && since + UNPROVEN_MAX_USEC < now)
                many_proof_give_up(file);
        limit = file->changed_usec + BUSY_USEC > now ? 2 * EXPIRE_USEC : EXPIRE_USEC;
        if (file->writable && file->since_usec + limit < now)
                expire(file, now);
}

static bool same_state(const struct stat *a, const struct stat *b) {
        return a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim) &&
               same_time(&a->st_ctim, &b->st_ctim);
}

bool many_may_be_written(const struct many_file *file) {
        if (lease_holds(file->fd))
                return false; /* somebody's who has the same description, and needs it */
        /* That of a stamped file may be hot.c's, about to be broken: not ours to drop. */
        if (file->stamped || !scans_can_know_writers(file->fd, NULL) || lease_take(file->fd) < 0)
                return true;
        lease_drop(file->fd);
        return false;
}

bool many_proof_holds(struct many_file *file) {
        struct stat st;

        if (!many_may_be_written(file))
                return true;
        file->writable = true;
        return file->written_out && fstat(file->fd, &st) >= 0 && same_state(&file->out, &st);
}

/* ---- Writing out ---- */

/* Where stores behind a write-out are known to move the times. */
static bool can_write_out(const struct many_file *file) {
        struct statfs fs;

        if (fstatfs(file->fd, &fs) < 0)
                return false;
        switch ((unsigned long)fs.f_type) {
        case EXT4_SUPER_MAGIC:
        case XFS_SUPER_MAGIC:
        case BTRFS_SUPER_MAGIC: return true;
        default: return false;
        }
}

/* Whether a change would have moved the times that it has now. */
static bool times_tell(const struct many_file *file, const struct stat *st) {
        uint64_t changed = (uint64_t)st->st_ctim.tv_sec * USEC_PER_SEC;

        return many_time_is_settled(file, st) &&
               (st->st_ctim.tv_nsec != 0 ||
                changed + COARSE_USEC < clock_usec(CLOCK_REALTIME_COARSE));
}

static void written_out(struct ring_op *op, int res) {
        struct many_file *file = container_of(op, struct many_file, proof_op);
        struct stat st;

        file->writing_out = false;
        file->many->n_writing_out--;
        file->written_out = res >= 0 && fstat(file->fd, &st) >= 0 && same_state(&file->out, &st) &&
                            times_tell(file, &st);
        if (file->written_out)
                return;
        /* Again in a while: where it was written to the next look voids it. */
        unlist(file);
        put_back(file);
        if (file->unproven.size > 0)
                list(file);
}

static void write_out(struct many_file *file) {
        struct io_uring_sqe *sqe;

        if (!can_write_out(file) || fstat(file->fd, &file->out) < 0) {
                unlist(file); /* for whoever asks */
                return;
        }
        file->proving = file->unproven;
        file->proving_usec = file->unproven_usec;
        file->unproven.size = 0;
        file->written_out = false;
        file->writing_out = true;
        file->many->n_writing_out++;
        sqe = ring_entry(file->many->p.ring);
        io_uring_prep_sync_file_range(sqe, file->fd, 0, 0,
                                      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                              SYNC_FILE_RANGE_WAIT_AFTER);
        file->proof_op.done = written_out;
        ring_bind(sqe, &file->proof_op);
}

/* ---- Looking again ---- */

void many_proof_judged(struct many_file *file, bool failed) {
        uint64_t from = file->proving.offset, end = from + file->proving.size;

        if (file->proving.size == 0)
                return; /* it was written to */
        if (!failed && file->job_proven && file->judged_to > from)
                file->proving = (struct range){ file->judged_to, end - MIN(file->judged_to, end) };
        else {
                put_back(file);
                unlist(file); /* for whoever asks */
        }
}

void many_proof_go_on(struct many_file *file, uint64_t now) {
        if (!file->proof_listed || file->prove_usec > now || file->writing_out || file->judging ||
            file->curing)
                return;
        if (file->proving.size > 0)
                many_judge_again(file, &file->proving);
        else if (file->unproven.size == 0)
                unlist(file);
        else if (file->many->n_writing_out < WRITING_MAX)
                write_out(file);
}

uint64_t many_proof_run(struct many *many, uint64_t now) {
        struct many_file *file, *next;

        for (file = TAILQ_FIRST(&many->unproven); file; file = next) {
                next = TAILQ_NEXT(file, proof_link);
                if (file->prove_usec > now)
                        return file->prove_usec;
                many_proof_go_on(file, now);
        }
        return USEC_INFINITY;
}
