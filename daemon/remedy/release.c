/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns nothing beyond a call. Run by storescanctl while storescand guards the store, so that each access
 * here may wait for a verdict: what is read is the replacement, which is clean; the original, which its
 * content's digest lets through once it stands there whole, is written in one call and not read again.
 */

#include "daemon/remedy/release.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/ctl/shelf.h"
#include "daemon/remedy/locks.h"
#include "daemon/remedy/target.h"
#include "daemon/remedy/vault.h"

/* For locks that mail servers hold, which nothing tells the end of. */
#define PATIENCE_USEC (10 * USEC_PER_SEC)
#define PAUSE_NSEC    (50 * USEC_PER_MSEC * NSEC_PER_USEC)

struct release {
        const char *directory, *id;
        uint64_t until_usec;
        struct vault vault;
        struct target target;
        struct store_lock lock;
        enum store_format format;
        struct quarantine q;
        uint8_t *original, *planned;
};

_printf_(3, 4) static int says(const struct release *r, int status, const char *format, ...) {
        va_list ap;

        fprintf(stderr, "storescan-remedy: %s: ", r->id);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputs(".\n", stderr);
        return status;
}

static bool may_try_again(const struct release *r, int error) {
        if (error != -EAGAIN || now_usec() >= r->until_usec)
                return false;
        (void)nanosleep(&(struct timespec){ .tv_nsec = (long)PAUSE_NSEC }, NULL);
        return true;
}

static int open_vault(struct release *r) {
        int k = vault_open(r->directory, false, &r->vault);

        if (k < 0)
                return says(r, RELEASE_ERROR, "%s can't be opened: %s", r->directory,
                            error_text(-k));
        do
                k = vault_lock(&r->vault);
        while (may_try_again(r, k));
        if (k == -EAGAIN)
                return says(r, RELEASE_ERROR, "storescand is replacing messages; try again");
        return k < 0 ? says(r, RELEASE_ERROR, "%s can't be locked: %s", r->directory,
                            error_text(-k))
                     : RELEASE_DONE;
}

static int read_item(struct release *r) {
        struct shelf listed = { .folder = -EBADF };
        _cleanup_(shelf_closep) struct shelf *shelf = &listed;
        unsigned line;
        int k;

        k = shelf_open(r->directory, shelf);
        if (k >= 0)
                k = shelf_read(shelf, r->id, &r->q, &line);
        if (k == -ENOENT)
                return says(r, RELEASE_ERROR,
                            "not in quarantine; see 'storescanctl quarantine list'");
        if (k < 0)
                return says(r, RELEASE_ERROR, "its metadata can't be read: %s",
                            k == -EINVAL ? "it is damaged" : error_text(-k));
        if (r->q.state != QUARANTINE_REPLACED)
                return says(r, RELEASE_ERROR, "it is %s, nothing stands in its place",
                            quarantine_state_name(r->q.state));
        k = store_format_from_name(r->q.format);
        if (k < 0)
                return says(r, RELEASE_ERROR, "this version knows no format '%s'", r->q.format);
        r->format = (enum store_format)k;
        k = vault_read(&r->vault, r->id, SHELF_ITEM, r->q.size, r->q.original, &r->original);
        if (k < 0)
                return says(r, RELEASE_ERROR, "its bytes in quarantine can't be used: %s",
                            k == -EBADMSG ? "they are damaged" : error_text(-k));
        return RELEASE_DONE;
}

static int open_file(struct release *r) {
        int k;

        do
                k = target_find(r->format, r->q.path, &r->target);
        while (may_try_again(r, k));
        if (k == -ENOENT || k == -ENOTDIR || k == -EBADF)
                return says(r, RELEASE_ELSE, "its file is gone: %s", r->q.path);
        if (k < 0)
                return says(r, RELEASE_ERROR, "%s can't be opened for writing: %s", r->q.path,
                            k == -EAGAIN ? "somebody else uses it; try again" : error_text(-k));
        do
                k = store_lock(&r->lock, r->target.fd, r->format, r->q.path, 0, &r->vault);
        while (may_try_again(r, k));
        if (k == -EAGAIN)
                return says(r, RELEASE_ERROR, "a mail server has %s locked; try again", r->q.path);
        if (k < 0 || fstat(r->target.fd, &r->target.st) < 0)
                return says(r, RELEASE_ERROR, "%s can't be locked: %s", r->q.path,
                            error_text(k < 0 ? -k : errno));
        return RELEASE_DONE;
}

static int read_file(struct release *r) {
        uint8_t digest[DIGEST_SIZE];
        int k = target_read(&r->target, r->q.offset, (size_t)r->q.size, &r->planned);

        if (k < 0 && k != -ENODATA)
                return says(r, RELEASE_ERROR, "%s can't be read: %s", r->q.path, error_text(-k));
        if (k < 0 || digest_buffer(r->planned, (size_t)r->q.size, digest) < 0 ||
            memcmp(digest, r->q.replaced, DIGEST_SIZE) != 0)
                return says(r, RELEASE_ELSE, "its notice does not stand in %s any more", r->q.path);
        return RELEASE_DONE;
}

/* The notice stands there. What can't be recorded is completed, so that its plan stays. */
static int record_replaced(struct release *r) {
        int k;

        r->q.state = QUARANTINE_REPLACED;
        k = vault_record(&r->vault, r->id, &r->q);
        if (k >= 0)
                vault_drop_plan(&r->vault, r->id);
        return k;
}

/* As a replacement is: noted first, so that whatever happens one of both stands there in the end. */
static int write_file(struct release *r) {
        size_t size = (size_t)r->q.size;
        int k = vault_plan(&r->vault, r->id, r->planned, size);

        if (k < 0)
                return says(r, RELEASE_ERROR, "%s: %s", r->directory, error_text(-k));
        r->q.state = QUARANTINE_REPLACING;
        k = vault_record(&r->vault, r->id, &r->q);
        if (k < 0) {
                /* It may be recorded all the same, if only not known to be on the disk. */
                (void)record_replaced(r);
                return says(r, RELEASE_ERROR, "%s: %s", r->directory, error_text(-k));
        }
        k = target_write(&r->target, r->q.offset, r->planned, r->original, size, true);
        if (k < 0) {
                int error = k;

                k = target_write(&r->target, r->q.offset, r->original, r->planned, size, true);
                if (k >= 0)
                        k = record_replaced(r);
                if (k < 0)
                        return says(r, RELEASE_ERROR,
                                    "%s can't be written: %s; some of the original may stand "
                                    "there, and the notice is put back when storescand starts "
                                    "again: systemctl restart storescand",
                                    r->q.path, error_text(-error));
                return says(r, RELEASE_ERROR, "%s can't be written: %s", r->q.path,
                            error_text(-error));
        }
        r->q.state = QUARANTINE_RELEASED;
        k = vault_record(&r->vault, r->id, &r->q);
        if (k < 0)
                return says(r, RELEASE_ERROR, "%s: %s", r->directory, error_text(-k));
        vault_drop_plan(&r->vault, r->id);
        return RELEASE_DONE;
}

int release(const char *directory, const char *id) {
        static int (*const steps[])(struct release * r) = {
                open_vault, read_item, open_file, read_file, write_file,
        };
        struct release *r = calloc(1, sizeof(*r));
        int status = RELEASE_DONE;

        if (!r) {
                fprintf(stderr, "storescan-remedy: %s: no memory.\n", id);
                return RELEASE_ERROR;
        }
        *r = (struct release){
                .directory = directory,
                .id = id,
                .until_usec = now_usec() + PATIENCE_USEC,
                .vault.folder = -EBADF,
                .target.fd = -EBADF,
                .lock = { .fd = -EBADF, .folder = -EBADF },
        };
        for (size_t i = 0; i < ELEMENTSOF(steps) && status == RELEASE_DONE; i++)
                status = steps[i](r);
        store_unlock(&r->lock);
        target_close(&r->target);
        vault_close(&r->vault);
        free(r->original);
        free(r->planned);
        free(r);
        return status;
}
