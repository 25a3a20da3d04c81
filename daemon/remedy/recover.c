/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns nothing beyond a call. Must not write where a byte is neither the old one nor the new one: somebody
 * else has written there since, and knows better.
 */

#include "daemon/remedy/recover.h"

#include <stdio.h>

#include "daemon/ctl/shelf.h"
#include "daemon/remedy/locks.h"
#include "daemon/remedy/target.h"
#include "daemon/remedy/vault.h"

struct recovery {
        struct vault *vault;
        const char *id;
        struct quarantine *q;
        uint8_t *original, *planned;
        const char *text; /* why it is left */
        dev_t dev;        /* where it was found now, or was when it began */
        ino_t ino;
};

static bool old_or_new(const struct recovery *r, const uint8_t *data) {
        for (size_t i = 0; i < r->q->size; i++)
                if (data[i] != r->original[i] && data[i] != r->planned[i])
                        return false;
        return true;
}

/* A file of one message has had its time since it was delivered; that of a mailbox moves. */
static void restore_times(struct target *target, const struct quarantine *q,
                          enum store_format format) {
        if (format_items(format) == ITEMS_ONE)
                target->st.st_mtim = (struct timespec){ .tv_sec = (time_t)q->mtime_sec };
}

/* 1: it is completed; 0: it is to be left, for the reason in text; -EAGAIN: it has to wait. */
static int complete(struct recovery *r, enum store_format format) {
        struct target opened = { .fd = -EBADF };
        _cleanup_(target_closep) struct target *target = &opened;
        struct store_lock held = { .fd = -EBADF, .folder = -EBADF };
        _cleanup_(store_unlockp) struct store_lock *lock = &held;
        _cleanup_free_ uint8_t *data = NULL;
        int k = target_find(format, r->q->path, target);

        if (k == -ENOENT || k == -EBADF) {
                r->text = "its file is gone";
                return 0;
        }
        if (k < 0)
                return -EAGAIN;
        r->dev = target->st.st_dev;
        r->ino = target->st.st_ino;
        k = store_lock(lock, target->fd, format, r->q->path, 0, r->vault);
        if (k < 0)
                return -EAGAIN;
        if (fstat(target->fd, &target->st) < 0)
                return -EAGAIN;
        k = target_read(target, r->q->offset, (size_t)r->q->size, &data);
        if (k == -ENODATA) {
                r->text = "it is not in its file any more";
                return 0;
        }
        if (k < 0)
                return -EAGAIN;
        if (!old_or_new(r, data)) {
                r->text = "other bytes stand in its place";
                return 0;
        }
        restore_times(target, r->q, format);
        /* What reads as new may never have got to the disk: pages that a sync failed for are clean. */
        return target_write(target, r->q->offset, r->original, r->planned, (size_t)r->q->size,
                            false) < 0
                       ? -EAGAIN
                       : 1;
}

static int decide(struct recovery *r) {
        int format = store_format_from_name(r->q->format), k;

        if (format < 0) {
                r->text = "the format of its store is not known";
                return 0;
        }
        k = vault_read(r->vault, r->id, SHELF_ITEM, r->q->size, r->q->original, &r->original);
        if (k >= 0)
                k = vault_read(r->vault, r->id, SHELF_PLAN, r->q->size, r->q->replaced,
                               &r->planned);
        if (k == -EBADMSG || k == -ENOENT) {
                r->text = "its files in quarantine are damaged";
                return 0;
        }
        return k < 0 ? -EAGAIN : complete(r, (enum store_format)format);
}

struct listener {
        recover_note_fn note;
        recover_waiting_fn waiting;
        void *userdata;
};

/* Whether it has to wait. */
static bool recover(struct vault *vault, const char *id, struct quarantine *q,
                    const struct listener *listener) {
        struct recovery r = {
                .vault = vault, .id = id, .q = q, .dev = (dev_t)q->dev, .ino = (ino_t)q->ino
        };
        int k = decide(&r);
        bool decided = k >= 0;

        free(r.original);
        free(r.planned);
        if (decided) {
                q->state = k > 0 ? QUARANTINE_REPLACED : QUARANTINE_LEFT;
                if (vault_record(vault, id, q) < 0)
                        k = -EAGAIN;
        }
        if (k < 0) {
                /* What only can't be recorded is no reason to keep readers from it. */
                if (!decided)
                        listener->waiting(listener->userdata, r.dev, r.ino, q);
                return true;
        }
        vault_drop_plan(vault, id);
        listener->note(listener->userdata, id, q, k > 0 ? "" : r.text);
        return false;
}

int recover_all(const char *directory, recover_note_fn note, recover_waiting_fn waiting_fn,
                void *userdata) {
        const struct listener listener = { note, waiting_fn, userdata };
        struct vault opened = { .folder = -EBADF };
        _cleanup_(vault_closep) struct vault *vault = &opened;
        struct shelf listed = { .folder = -EBADF };
        _cleanup_(shelf_closep) struct shelf *shelf = &listed;
        _cleanup_free_ struct quarantine *q = malloc(sizeof(*q));
        bool locked;
        int waiting = 0, r;

        if (!q)
                return -ENOMEM;
        r = vault_open(directory, false, vault);
        if (r < 0)
                return r;
        r = vault_lock(vault);
        if (r < 0 && r != -EAGAIN)
                return r;
        locked = r == 0;
        r = shelf_open(directory, shelf);
        if (r < 0)
                return r;
        for (size_t i = 0; i < shelf->n_ids; i++) {
                unsigned line;

                if (shelf_read(shelf, shelf->ids[i], q, &line) < 0)
                        continue;
                /* Another process is at one of them. */
                if (!locked && q->state == QUARANTINE_REPLACING)
                        waiting_fn(userdata, (dev_t)q->dev, (ino_t)q->ino, q);
                else if (!locked)
                        continue;
                else if (q->state == QUARANTINE_REPLACING)
                        waiting += recover(vault, shelf->ids[i], q, &listener);
                else /* the very last step was interrupted */
                        vault_drop_plan(vault, shelf->ids[i]);
        }
        /* Whatever it leaves behind is looked at then. */
        return locked ? waiting : -EAGAIN;
}
