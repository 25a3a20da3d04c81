/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the files in the folder while it is locked. Files are found below the folder's descriptor, made
 * anew (O_EXCL) and on the disk, with the folder, before anybody relies on them.
 */

#include "daemon/remedy/vault.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/ctl/shelf.h"
#include "daemon/io.h"
#include "daemon/remedy/crash.h"

#define META_NEW     SHELF_META ".new"
#define DOTLOCK_NAME "dotlock"
#define IDS_TRIED    8

/* ---- The folder ---- */

int vault_open(const char *path, bool make, struct vault *ret) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        /* Whoever owns it can look into what is kept there. */
        if (st.st_uid != geteuid() && st.st_uid != 0 && geteuid() != 0)
                return -EPERM;
        if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
                return -errno;
        ret->folder = TAKE_FD(fd);
        return 0;
}

void vault_close(struct vault *vault) {
        vault->folder = close_fd(vault->folder);
}

static int sync_folder(const struct vault *vault) {
        return fsync(vault->folder) < 0 ? -errno : 0;
}

/* ---- One process at a time ---- */

int vault_note_dotlock(struct vault *vault, const char *path, const char *text) {
        _cleanup_close_ int fd =
                openat(vault->folder, DOTLOCK_NAME,
                       O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        char note[PATH_MAX + 256];
        int n;

        if (fd < 0)
                return -errno;
        n = snprintf(note, sizeof(note), "%s\n%s", text, path);
        if (n < 0 || n >= (int)sizeof(note))
                return -ENAMETOOLONG;
        return write_full(fd, note, (size_t)n);
}

void vault_forget_dotlock(struct vault *vault) {
        (void)unlinkat(vault->folder, DOTLOCK_NAME, 0);
}

/* Takes away a lock file in its folder, if it says what its maker would have written, and was made by our
 * user and not before it was noted. */
static void take_away(const char *path, const char *text, const struct stat *noted) {
        _cleanup_close_ int folder = -EBADF, fd = -EBADF;
        char above[PATH_MAX], actual[256], *slash;
        struct stat st;
        ssize_t n;

        (void)snprintf(above, sizeof(above), "%s", path);
        slash = strrchr(above, '/');
        if (!slash)
                return;
        slash[slash == above] = '\0';
        path = strrchr(path, '/') + 1;
        folder = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
                return;
        fd = openat(folder, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
            st.st_mtim.tv_sec < noted->st_mtim.tv_sec)
                return;
        n = read_full(fd, actual, sizeof(actual) - 1);
        if (n < 0)
                return;
        actual[n] = '\0';
        /* Nothing is in it yet, if its maker died early. */
        if (n == 0 || streq(actual, text))
                (void)unlinkat(folder, path, 0);
}

/* What the process noted that had the vault before and died. */
static void take_dotlock_away(struct vault *vault) {
        _cleanup_close_ int fd =
                openat(vault->folder, DOTLOCK_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        char note[PATH_MAX + 256], *path;
        struct stat noted;
        ssize_t n;

        if (fd < 0 || fstat(fd, &noted) < 0)
                return;
        n = read_full(fd, note, sizeof(note) - 1);
        note[MAX(n, 0)] = '\0';
        path = strchr(note, '\n');
        if (path) {
                *path++ = '\0';
                take_away(path, note, &noted);
        }
        vault_forget_dotlock(vault);
}

static void take_halves_away(struct vault *vault) {
        int fd = openat(vault->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!dir) {
                close_fd(fd);
                return;
        }
        for (entry = readdir(dir); entry; entry = readdir(dir)) {
                size_t n = strlen(entry->d_name), suffix = strlen(META_NEW);

                if (n == QUARANTINE_ID_SIZE - 1 + suffix &&
                    streq(entry->d_name + n - suffix, META_NEW))
                        (void)unlinkat(vault->folder, entry->d_name, 0);
        }
        (void)closedir(dir);
}

int vault_lock(struct vault *vault) {
        if (flock(vault->folder, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EAGAIN : -errno;
        take_dotlock_away(vault);
        take_halves_away(vault);
        return 0;
}

void vault_unlock(struct vault *vault) {
        (void)flock(vault->folder, LOCK_UN);
}

/* ---- Items ---- */

static void file_name(const char *id, const char *suffix, char ret[static NAME_MAX + 1]) {
        (void)snprintf(ret, NAME_MAX + 1, "%s%s", id, suffix);
}

/* Makes a file and gets it to the disk. -EEXIST; after another failure nothing is left. */
static int write_file(const struct vault *vault, const char *id, const char *suffix,
                      const void *data, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        char name[NAME_MAX + 1];
        int r;

        file_name(id, suffix, name);
        fd = openat(vault->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
        if (fd < 0)
                return -errno;
        r = write_full(fd, data, size);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(vault->folder, name, 0);
        return r;
}

static void remove_file(const struct vault *vault, const char *id, const char *suffix) {
        char name[NAME_MAX + 1];

        file_name(id, suffix, name);
        (void)unlinkat(vault->folder, name, 0);
}

int vault_record(struct vault *vault, const char *id, const struct quarantine *record) {
        _cleanup_free_ char *text = malloc(QUARANTINE_TEXT_MAX);
        char fresh[NAME_MAX + 1], name[NAME_MAX + 1];
        int r;

        if (!text)
                return -ENOMEM;
        r = quarantine_format(record, text);
        if (r < 0)
                return r;
        remove_file(vault, id, META_NEW);
        r = write_file(vault, id, META_NEW, text, (size_t)r);
        if (r < 0)
                return r;
        file_name(id, META_NEW, fresh);
        file_name(id, SHELF_META, name);
        if (renameat(vault->folder, fresh, vault->folder, name) < 0) {
                r = -errno;
                remove_file(vault, id, META_NEW);
                return r;
        }
        return sync_folder(vault);
}

int vault_plan(struct vault *vault, const char *id, const void *planned, size_t size) {
        remove_file(vault, id, SHELF_PLAN);
        return write_file(vault, id, SHELF_PLAN, planned, size);
}

void vault_drop_plan(struct vault *vault, const char *id) {
        remove_file(vault, id, SHELF_PLAN);
}

void vault_remove(struct vault *vault, const char *id) {
        /* First what makes it an item: the rest is then left over, if this is interrupted. */
        remove_file(vault, id, SHELF_META);
        remove_file(vault, id, SHELF_ITEM);
        remove_file(vault, id, SHELF_PLAN);
        (void)sync_folder(vault);
}

int vault_put(struct vault *vault, const struct quarantine *record, const void *original,
              const void *planned, char ret_id[static QUARANTINE_ID_SIZE]) {
        char id[QUARANTINE_ID_SIZE];
        uint64_t random;
        int r = -EEXIST;

        for (unsigned i = 0; i < IDS_TRIED && r == -EEXIST; i++) {
                if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
                        return -EIO;
                quarantine_id(record->time_usec, random, id);
                r = write_file(vault, id, SHELF_ITEM, original, (size_t)record->size);
        }
        if (r < 0)
                return r;
        crash_point(CRASH_ITEM_KEPT);
        r = vault_plan(vault, id, planned, (size_t)record->size);
        if (r >= 0) {
                crash_point(CRASH_PLAN_KEPT);
                r = vault_record(vault, id, record);
        }
        if (r < 0) {
                vault_remove(vault, id);
                return r;
        }
        memcpy(ret_id, id, sizeof(id));
        return 0;
}

int vault_read(struct vault *vault, const char *id, const char *suffix, uint64_t size,
               const uint8_t digest[static DIGEST_SIZE], uint8_t **ret) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ uint8_t *data = NULL;
        uint8_t actual[DIGEST_SIZE];
        char name[NAME_MAX + 1];
        struct stat st;
        ssize_t n;
        int r;

        file_name(id, suffix, name);
        fd = openat(vault->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
                return -EBADMSG;
        data = malloc(MAX((size_t)size, (size_t)1));
        if (!data)
                return -ENOMEM;
        n = read_full(fd, data, (size_t)size);
        if (n < 0)
                return (int)n;
        r = digest_buffer(data, (size_t)size, actual);
        if (r < 0)
                return r;
        if ((uint64_t)n != size || memcmp(actual, digest, DIGEST_SIZE) != 0)
                return -EBADMSG;
        *ret = TAKE_PTR(data);
        return 0;
}
