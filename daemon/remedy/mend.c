/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the order of steps, which is what keeps mail from being lost: nothing in the store is touched
 * before the original is in quarantine, durably, with the plan from which it can be completed; what fails
 * until then leaves no trace.
 */

#include "daemon/remedy/mend.h"

#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/io.h"
#include "daemon/remedy/crash.h"
#include "daemon/remedy/locks.h"
#include "daemon/remedy/target.h"
#include "daemon/remedy/vault.h"
#include "daemon/remedy/verify.h"

/* Who appends to an mbox does not pause for longer. */
#define APPEND_SEC 2

struct mending {
        const struct remedy_order *order;
        struct remedy_done *done;
        struct vault vault;
        struct target target;
        struct store_lock lock;
        uint8_t *planned, *original; /* private copies: nobody can change them any more */
};

_printf_(3, 4) static int says(struct mending *m, enum remedy_outcome outcome, const char *format,
                               ...) {
        char text[REMEDY_TEXT_MAX];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        m->done->outcome = (uint8_t)outcome;
        proto_text(m->done->text, sizeof(m->done->text), text);
        return -ECANCELED;
}

/* ---- What is to be written ---- */

/* A memfd, and nothing that could keep us waiting: it was made by a process that parsed hostile mail. */
static int copy_plan(struct mending *m, int fd) {
        size_t size = (size_t)m->order->size;
        uint8_t digest[DIGEST_SIZE];
        struct statfs fs;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0 || !S_ISREG(st.st_mode) ||
            fs.f_type != TMPFS_MAGIC)
                return says(m, REMEDY_REFUSED, "the plan is no memory");
        if ((uint64_t)st.st_size != m->order->size)
                return says(m, REMEDY_REFUSED, "the plan has another size than the item");
        m->planned = malloc(size);
        if (!m->planned)
                return says(m, REMEDY_FAILED, "there is no memory for it");
        r = read_at(fd, m->planned, size, 0);
        if (r < 0)
                return says(m, REMEDY_REFUSED, "the plan can't be read: %s", error_text(-r));
        r = digest_buffer(m->planned, size, digest);
        if (r < 0)
                return says(m, REMEDY_FAILED, "the plan's digest can't be made: %s",
                            error_text(-r));
        /* Whoever made it may have written to it since, or to another one's. */
        return memcmp(digest, m->order->planned, DIGEST_SIZE) == 0
                       ? 0
                       : says(m, REMEDY_REFUSED, "the plan is not the one that was scanned");
}

/* ---- The file ---- */

static int open_target(struct mending *m, int fd) {
        int r = target_open(fd, m->order->path, &m->target);

        switch (r) {
        case 0: return 0;
        case -EAGAIN: return says(m, REMEDY_BUSY, "somebody else uses the file");
        case -EBADF: return says(m, REMEDY_REFUSED, "it is no regular file");
        case -EROFS: return says(m, REMEDY_REFUSED, "its file system is read-only");
        case -EACCES:
        case -EPERM:
                return says(m, REMEDY_REFUSED, "it can't be opened for writing: %s",
                            error_text(-r));
        default:
                return says(m, REMEDY_FAILED, "it can't be opened for writing: %s", error_text(-r));
        }
}

static int lock_target(struct mending *m) {
        int r = store_lock(&m->lock, m->target.fd, (enum store_format)m->order->format,
                           m->order->path, (pid_t)m->order->pid, &m->vault);

        switch (r) {
        case 0: return 0;
        case -EAGAIN: return says(m, REMEDY_BUSY, "somebody else has it locked");
        case -EXDEV:
                return says(m, REMEDY_REFUSED,
                            "its path is not known, so that no lock file can be made");
        case -EROFS:
                return says(m, REMEDY_REFUSED,
                            "no lock file can be made beside it; let storescand write there "
                            "(ReadWritePaths=)");
        default: return says(m, REMEDY_FAILED, "it can't be locked: %s", error_text(-r));
        }
}

/* The reader has its lock, and ours is not to be had: it may have been appending when it stopped. */
static bool may_grow(const struct mending *m) {
        return m->order->format == STORE_FORMAT_MBOX && !m->lock.exclusive &&
               m->order->offset + m->order->size == (uint64_t)m->target.st.st_size &&
               m->target.st.st_mtim.tv_sec + APPEND_SEC >= time(NULL);
}

static int read_original(struct mending *m) {
        const struct remedy_order *o = m->order;
        uint8_t digest[DIGEST_SIZE];
        const char *broken;
        int r;

        /* What it is now, under the lock. */
        if (fstat(m->target.fd, &m->target.st) < 0)
                return says(m, REMEDY_FAILED, "it can't be looked at: %s", error_text(errno));
        if (may_grow(m))
                return says(m, REMEDY_BUSY, "somebody may be appending to it");
        r = target_read(&m->target, o->offset, (size_t)o->size, &m->original);
        if (r == -ENODATA)
                return says(m, REMEDY_CHANGED, "it is not in the file any more");
        if (r < 0)
                return says(m, REMEDY_FAILED, "it can't be read: %s", error_text(-r));
        r = digest_buffer(m->original, (size_t)o->size, digest);
        if (r < 0)
                return says(m, REMEDY_FAILED, "its digest can't be made: %s", error_text(-r));
        if (memcmp(digest, o->original, DIGEST_SIZE) != 0)
                return says(m, REMEDY_CHANGED, "other bytes stand there now");
        broken = verify_plan((enum store_format)o->format, o->opaque, m->original, m->planned,
                             (size_t)o->size);
        return broken ? says(m, REMEDY_REFUSED, "the plan is not kept to: %s", broken) : 0;
}

/* ---- Quarantine ---- */

static void make_record(struct mending *m, struct quarantine *ret) {
        const struct remedy_order *o = m->order;
        const struct stat *st = &m->target.st;
        struct quarantine q = {
                .state = QUARANTINE_REPLACING,
                .dev = st->st_dev,
                .ino = st->st_ino,
                .offset = o->offset,
                .size = o->size,
                .opaque = o->opaque,
                .generation = o->generation,
                .uid = st->st_uid,
                .gid = st->st_gid,
                .mode = st->st_mode & 07777,
                .mtime_sec = (uint64_t)MAX(st->st_mtim.tv_sec, (time_t)0),
                .time_usec = clock_usec(CLOCK_REALTIME),
                .context = o->context,
        };

        (void)snprintf(q.store, sizeof(q.store), "%s", o->store);
        (void)snprintf(q.format, sizeof(q.format), "%s",
                       store_format_name((enum store_format)o->format));
        (void)snprintf(q.path, sizeof(q.path), "%s", o->path);
        (void)snprintf(q.signature, sizeof(q.signature), "%s", o->signature);
        memcpy(q.original, o->original, DIGEST_SIZE);
        memcpy(q.content, o->content, DIGEST_SIZE);
        memcpy(q.replaced, o->planned, DIGEST_SIZE);
        *ret = q;
}

/* ---- All ---- */

static int prepare(struct mending *m, const char *directory, int fd, int planned_fd) {
        int r;

        r = copy_plan(m, planned_fd);
        if (r < 0)
                return r;
        r = vault_open(directory, true, &m->vault);
        if (r < 0)
                return says(m, REMEDY_NOT_QUARANTINED, "the quarantine %s can't be opened: %s",
                            directory, error_text(-r));
        r = vault_lock(&m->vault);
        if (r == -EAGAIN)
                return says(m, REMEDY_BUSY, "another process writes to the quarantine");
        if (r < 0)
                return says(m, REMEDY_NOT_QUARANTINED, "the quarantine %s can't be locked: %s",
                            directory, error_text(-r));
        r = open_target(m, fd);
        if (r < 0)
                return r;
        r = lock_target(m);
        if (r < 0)
                return r;
        crash_point(CRASH_LOCKED);
        return read_original(m);
}

/* The reader's own lock lasts as long as it waits, which nobody promises: it may have been given up, and the
 * file be somebody else's by now. */
static int lock_again(struct mending *m) {
        if (m->lock.exclusive)
                return 0;
        store_unlock(&m->lock);
        return lock_target(m);
}

/* Behind the point from where on the store is changed. Returns whether it has to be completed later. */
static bool replace(struct mending *m, const char *id, struct quarantine *q) {
        const struct remedy_order *o = m->order;
        int r = target_write(&m->target, o->offset, m->original, m->planned, (size_t)o->size,
                             false);

        if (r < 0) {
                (void)says(m, REMEDY_FAILED, "it can't be written: %s", error_text(-r));
                /* Back to what it was, or else it is completed when that is possible. */
                if (target_write(&m->target, o->offset, m->planned, m->original, (size_t)o->size,
                                 false) < 0)
                        return true;
                vault_remove(&m->vault, id);
                return false;
        }
        m->done->outcome = REMEDY_REPLACED;
        memcpy(m->done->item, id, QUARANTINE_ID_SIZE);
        q->state = QUARANTINE_REPLACED;
        if (vault_record(&m->vault, id, q) < 0)
                return true;
        crash_point(CRASH_RECORDED);
        vault_drop_plan(&m->vault, id);
        crash_point(CRASH_PLAN_DROPPED);
        return false;
}

static bool run(struct mending *m, const char *directory, int fd, int planned_fd) {
        _cleanup_free_ struct quarantine *q = malloc(sizeof(*q));
        char id[QUARANTINE_ID_SIZE];
        int r;

        if (!q) {
                (void)says(m, REMEDY_FAILED, "there is no memory for it");
                return false;
        }
        if (prepare(m, directory, fd, planned_fd) < 0)
                return false;
        make_record(m, q);
        r = vault_put(&m->vault, q, m->original, m->planned, id);
        if (r < 0) {
                (void)says(m, REMEDY_NOT_QUARANTINED, "the quarantine %s: %s", directory,
                           error_text(-r));
                return false;
        }
        crash_point(CRASH_QUARANTINED);
        /* Writing to the disk took its time, and not every format has locks. */
        if (lock_again(m) < 0) {
                vault_remove(&m->vault, id);
                return false;
        }
        if (target_touched(&m->target)) {
                vault_remove(&m->vault, id);
                (void)says(m, REMEDY_BUSY, "somebody has written to it meanwhile");
                return false;
        }
        return replace(m, id, q);
}

bool mend(const char *directory, const struct remedy_order *order, int fd, int planned_fd,
          struct remedy_done *ret) {
        struct mending m = {
                .order = order,
                .done = ret,
                .vault.folder = -EBADF,
                .target.fd = -EBADF,
                .lock = { .fd = -EBADF, .folder = -EBADF },
        };
        bool later = run(&m, directory, fd, planned_fd);

        store_unlock(&m.lock);
        target_close(&m.target);
        vault_close(&m.vault);
        free(m.planned);
        free(m.original);
        return later;
}
