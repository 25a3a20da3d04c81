/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Puts one file's content into another of the same size, by ways that the kernel does not tell
 * everybody of. For TEST-31-hidden-changes.sh, as an unprivileged user of mail would. Must not own:
 * what storescand ought to make of it.
 *
 *     hidden-change swap VICTIM SOURCE   XFS_IOC_SWAPEXT, made for defragmenters: no change time
 *     hidden-change store VICTIM SOURCE  read through a shared mapping, then store through it: no
 *                                        change time on tmpfs
 *     hidden-change hold VICTIM SOURCE   likewise through a mapping of a closed file, which
 *                                        overlayfs hides from leases: waits for a line of standard
 *                                        input before the store and before the end
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store/util.h"

struct swap_extent {
        int64_t version, fd_target, fd_tmp, offset, length;
        char pad[16];
        struct {
                char ignored[40];
                struct {
                        int64_t sec;
                        int32_t nsec;
                } atime, mtime, ctime;
                char rest[48];
        } stat;
};

static int swap(int victim, int source, const struct stat *st) {
        struct swap_extent swap = {
                .fd_target = victim,
                .fd_tmp = source,
                .length = st->st_size,
                .stat.mtime = { st->st_mtim.tv_sec, (int32_t)st->st_mtim.tv_nsec },
                .stat.ctime = { st->st_ctim.tv_sec, (int32_t)st->st_ctim.tv_nsec },
        };

        return ioctl(victim, _IOWR('X', 109, struct swap_extent), &swap);
}

static void wait_for_line(const char *what) {
        char line[16];

        printf("%s\n", what);
        fflush(stdout);
        (void)!fgets(line, sizeof(line), stdin);
}

static int store(int victim, int source, const struct stat *st, bool hold) {
        size_t size = (size_t)st->st_size;
        _cleanup_free_ char *content = malloc(size);
        volatile char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, victim, 0);

        if (!content || p == MAP_FAILED || read(source, content, size) != (ssize_t)size)
                return -1;
        /* A page that was read is writable from then on, where nobody wants to know of stores. */
        for (size_t i = 0; i < size; i += 4096)
                (void)p[i];
        if (hold) {
                p[0] = p[0];
                close_fd(victim);
                wait_for_line("held");
        }
        for (size_t i = 0; i < size; i++)
                p[i] = content[i];
        if (hold)
                wait_for_line("stored");
        return 0;
}

int main(int argc, char *argv[]) {
        struct stat st;
        int victim, source, r;

        if (argc != 4)
                return 2;
        victim = open(argv[2], O_RDWR | O_CLOEXEC);
        source = open(argv[3], O_RDWR | O_CLOEXEC);
        if (victim < 0 || source < 0 || fstat(victim, &st) < 0) {
                perror("hidden-change");
                return 2;
        }
        r = streq(argv[1], "swap") ? swap(victim, source, &st)
                                   : store(victim, source, &st, streq(argv[1], "hold"));
        if (r < 0)
                perror("hidden-change");
        return r < 0;
}
