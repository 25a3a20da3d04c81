/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the locks of one file. fcntl locks are of the open file description (F_OFD_SETLK), so that no
 * other close of the file drops them; they exclude those of processes.
 */

#include "daemon/remedy/locks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include "daemon/io.h"

/* ---- fcntl ---- */

#define RANGES_MAX 16

/* Whether nobody but reader has a lock for writing between start and end (0: for ever). A look tells of
 * one lock; what is before and behind it is looked at again. */
static int only_reader_writes(int fd, off_t start, off_t end, pid_t reader, unsigned *budget) {
        struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = start };
        int r;

        if (end > 0)
                l.l_len = end - start;
        if (*budget == 0)
                return -EAGAIN;
        --*budget;
        if (fcntl(fd, F_OFD_GETLK, &l) < 0)
                return -errno;
        if (l.l_type == F_UNLCK)
                return 0;
        if (reader <= 0 || l.l_pid != reader)
                return -EAGAIN;
        if (l.l_start > start) {
                r = only_reader_writes(fd, start, l.l_start, reader, budget);
                if (r < 0)
                        return r;
        }
        if (l.l_len == 0 || (end > 0 && l.l_start + l.l_len >= end))
                return 0;
        return only_reader_writes(fd, l.l_start + l.l_len, end, reader, budget);
}

static int set_range(int fd, short type) {
        struct flock l = { .l_type = type, .l_whence = SEEK_SET };

        if (fcntl(fd, F_OFD_SETLK, &l) >= 0)
                return 0;
        return errno == EACCES ? -EAGAIN : -errno;
}

static int lock_range(struct store_lock *lock, pid_t reader) {
        unsigned budget = RANGES_MAX;
        int r = set_range(lock->fd, F_WRLCK);

        if (r == 0) {
                lock->ranged = lock->exclusive = true;
                return 0;
        }
        if (r != -EAGAIN)
                return r;
        /* Readers' locks keep writers out as well as ours would; one of our own that keeps these
         * company lasts when theirs go. */
        if (set_range(lock->fd, F_RDLCK) == 0) {
                lock->ranged = true;
                return 0;
        }
        return only_reader_writes(lock->fd, 0, 0, reader, &budget);
}

/* ---- Lock files ---- */

static bool is_of_reader(int folder, const char *name, pid_t reader) {
        _cleanup_close_ int fd =
                openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        char text[128], *end;
        struct utsname host;
        ssize_t n;
        long pid;

        if (fd < 0 || reader <= 0 || uname(&host) < 0)
                return false;
        n = read_full(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return false;
        text[n] = '\0';
        errno = 0;
        pid = strtol(text, &end, 10);
        if (errno != 0 || pid != reader)
                return false;
        text[strcspn(text, "\r\n")] = '\0';
        return *end != ':' || streq(end + 1, host.nodename);
}

/* The folder in which the file is by path, whoever moves folders about meanwhile. */
static int open_folder(int file, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        char folder[PATH_MAX], *slash;
        struct stat st, by_path;

        (void)snprintf(folder, sizeof(folder), "%s", path);
        slash = strrchr(folder, '/');
        if (!slash)
                return -EXDEV;
        slash[slash == folder] = '\0';
        fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(file, &st) < 0 ||
            fstatat(fd, strrchr(path, '/') + 1, &by_path, AT_SYMLINK_NOFOLLOW) < 0 ||
            by_path.st_dev != st.st_dev || by_path.st_ino != st.st_ino)
                return -EXDEV;
        return TAKE_FD(fd);
}

/* Makes the file name in folder, of which the vault knows already. */
static int make_dotlock(struct store_lock *lock, const char *name, const char *text, pid_t reader) {
        _cleanup_close_ int fd = openat(lock->folder, name,
                                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

        if (fd < 0) {
                if (errno != EEXIST)
                        return -errno;
                /* The reader may be writing. */
                lock->exclusive = false;
                return is_of_reader(lock->folder, name, reader) ? 0 : -EAGAIN;
        }
        (void)snprintf(lock->dotlock, sizeof(lock->dotlock), "%s", name);
        /* Mail servers read in it whether its owner is alive. */
        if (fchmod(fd, 0644) < 0)
                return -errno;
        return write_full(fd, text, strlen(text));
}

static int lock_by_file(struct store_lock *lock, const char *path, pid_t reader) {
        char text[sizeof(struct utsname) + 32], file[PATH_MAX];
        struct utsname host;
        const char *name;
        int n, r;

        if (uname(&host) < 0)
                return -errno;
        lock->folder = open_folder(lock->fd, path);
        if (lock->folder < 0)
                return lock->folder;
        n = snprintf(file, sizeof(file), "%s.lock", path);
        name = strrchr(file, '/') + 1;
        if (n >= (int)sizeof(file) || strlen(name) >= sizeof(lock->dotlock))
                return -ENAMETOOLONG;
        (void)snprintf(text, sizeof(text), "%d:%s", (int)getpid(), host.nodename);
        /* Should we die, the next one takes it away. */
        r = vault_note_dotlock(lock->vault, file, text);
        if (r >= 0)
                r = make_dotlock(lock, name, text, reader);
        if (lock->dotlock[0] == '\0')
                vault_forget_dotlock(lock->vault);
        return r;
}

/* ---- flock ---- */

/* Whether all locks by flock(2) on the file are the reader's, or for reading. -ENOENT: there are none any
 * more. */
static int only_reader_has_flock(int fd, pid_t reader) {
        FILE *f = fopen("/proc/locks", "re");
        bool found = false, others = false;
        struct stat st;
        char line[256];

        if (!f)
                return -errno;
        if (fstat(fd, &st) < 0) {
                int r = -errno;

                (void)fclose(f);
                return r;
        }
        while (fgets(line, sizeof(line), f)) {
                unsigned major_no, minor_no;
                uint64_t ino;
                char type[16];
                long pid;

                if (sscanf(line, "%*u: FLOCK %*s %15s %ld %x:%x:%" SCNu64, type, &pid, &major_no,
                           &minor_no, &ino) != 5 ||
                    ino != (uint64_t)st.st_ino)
                        continue;
                /* Subvolumes have numbers of their own, which are not told here. */
                if (makedev(major_no, minor_no) != st.st_dev &&
                    (major_no != 0 || major(st.st_dev) != 0))
                        continue;
                found = true;
                others = others || (!streq(type, "READ") && (reader <= 0 || pid != reader));
        }
        (void)fclose(f);
        return others ? -EAGAIN : found ? 0 : -ENOENT;
}

static int lock_whole(struct store_lock *lock, pid_t reader) {
        int r;

        for (unsigned i = 0; i < 3; i++) {
                if (flock(lock->fd, LOCK_EX | LOCK_NB) >= 0) {
                        lock->whole = lock->exclusive = true;
                        return 0;
                }
                if (errno != EWOULDBLOCK)
                        return -errno;
                r = only_reader_has_flock(lock->fd, reader);
                if (r != -ENOENT)
                        return r;
        }
        return -EAGAIN;
}

/* ---- All ---- */

int store_lock(struct store_lock *lock, int fd, enum store_format format, const char *path,
               pid_t reader, struct vault *vault) {
        int r = 0;

        *lock = (struct store_lock){ .fd = fd, .folder = -EBADF, .vault = vault };
        switch (format) {
        case STORE_FORMAT_MBOX:
                r = lock_range(lock, reader);
                if (r == 0)
                        r = lock_by_file(lock, path, reader);
                break;
        case STORE_FORMAT_MDBOX: r = lock_whole(lock, reader); break;
        case STORE_FORMAT_MAILDIR:
        case STORE_FORMAT_SDBOX:
        case STORE_FORMAT_CYRUS:
        case STORE_FORMAT_MH:
        case STORE_FORMAT_SIS:
        case STORE_FORMAT_FILES: break;
        case _STORE_FORMAT_MAX:
        default: r = -EINVAL;
        }
        if (r < 0)
                store_unlock(lock);
        return r;
}

void store_unlock(struct store_lock *lock) {
        if (lock->dotlock[0] != '\0') {
                (void)unlinkat(lock->folder, lock->dotlock, 0);
                vault_forget_dotlock(lock->vault);
        }
        if (lock->ranged)
                (void)set_range(lock->fd, F_UNLCK);
        if (lock->whole)
                (void)flock(lock->fd, LOCK_UN);
        close_fd(lock->folder);
        *lock = (struct store_lock){ .fd = -EBADF, .folder = -EBADF };
}
