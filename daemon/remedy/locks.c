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

static bool is_of_reader(const char *path, pid_t reader) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
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

static int lock_by_file(struct store_lock *lock, const char *path, pid_t reader) {
        _cleanup_close_ int fd = -EBADF;
        char text[sizeof(struct utsname) + 32];
        struct stat st, by_path;
        struct utsname host;
        int n, r;

        if (fstat(lock->fd, &st) < 0 || uname(&host) < 0)
                return -errno;
        if (path[0] != '/' || lstat(path, &by_path) < 0 || by_path.st_dev != st.st_dev ||
            by_path.st_ino != st.st_ino)
                return -EXDEV;
        n = snprintf(lock->dotlock, sizeof(lock->dotlock), "%s.lock", path);
        if (n < 0 || n >= (int)sizeof(lock->dotlock)) {
                lock->dotlock[0] = '\0';
                return -ENAMETOOLONG;
        }
        n = snprintf(text, sizeof(text), "%d:%s", (int)getpid(), host.nodename);
        /* Should we die, the next one takes it away. */
        r = vault_note_dotlock(lock->vault, lock->dotlock, text);
        if (r < 0) {
                lock->dotlock[0] = '\0';
                return r;
        }
        fd = open(lock->dotlock, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0) {
                r = -errno;
                if (r == -EEXIST)
                        r = is_of_reader(lock->dotlock, reader) ? 0 : -EAGAIN;
                lock->exclusive = false;
                lock->dotlock[0] = '\0';
                vault_forget_dotlock(lock->vault);
                return r;
        }
        /* Mail servers read in it whether its owner is alive. */
        if (fchmod(fd, 0644) < 0)
                return -errno;
        return write_full(fd, text, (size_t)n);
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

        *lock = (struct store_lock){ .fd = fd, .vault = vault };
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
                (void)unlink(lock->dotlock);
                vault_forget_dotlock(lock->vault);
        }
        if (lock->ranged)
                (void)set_range(lock->fd, F_UNLCK);
        if (lock->whole)
                (void)flock(lock->fd, LOCK_UN);
        *lock = (struct store_lock){ .fd = -EBADF };
}
