/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Of the build for tests only, whose linker puts this between the program and the system calls that write
 * (--wrap): they fail where the file PROGRAM.fault says, one line
 *
 *     ID CALL NUMBER ERRNO HOW
 *
 * CALL is write, pwrite, sync, rename or create; NUMBER counts from 1, anew with each ID. HOW is once; on:
 * each one from there on; short: half of it is written, and the next one fails; or torn: each one behind it.
 * What was called is appended to PROGRAM.trace, if there is one:
 *
 *     start
 *     CALL DEVICE:INODE OFFSET SIZE RESULT NAME
 *     fault
 *
 * Of what is created OFFSET is the folder. Owns the count; must keep to the calls that the program is confined
 * to, and to symbols that are not wrapped.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/util.h"

/* The linker's names, and the C library's of files that may be large. */
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __real_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_renameat(int from, const char *old, int to, const char *name);
int __wrap_renameat(int from, const char *old, int to, const char *name);
int __real_openat64(int folder, const char *name, int flags, ...);
int __wrap_openat64(int folder, const char *name, int flags, ...);

enum how { HOW_WELL, HOW_SHORT, HOW_FAILED };

static char fault_path[PATH_MAX + sizeof(".fault")], trace_path[PATH_MAX + sizeof(".trace")];
static unsigned long fault_id, count;

_printf_(1, 2) static void trace(const char *format, ...) {
        int fd = open(trace_path, O_WRONLY | O_APPEND | O_CLOEXEC), saved = errno;
        va_list ap;

        if (fd < 0)
                return;
        va_start(ap, format);
        (void)vdprintf(fd, format, ap);
        va_end(ap);
        close_fd(fd);
        errno = saved;
}

/* Storescand gives its child no environment, and nothing tells where the program is once it is confined. */
__attribute__((constructor)) static void find_files(void) {
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

        if (n <= 0)
                return;
        path[n] = '\0';
        (void)snprintf(fault_path, sizeof(fault_path), "%s.fault", path);
        (void)snprintf(trace_path, sizeof(trace_path), "%s.trace", path);
        trace("start\n");
}

/* How this call is to end, and with which errno. */
static enum how ask(const char *call, int *ret_errno) {
        unsigned long id, number;
        char which[16], how[16];
        FILE *f = fopen(fault_path, "re");
        bool read;

        if (!f)
                return HOW_WELL;
        read = fscanf(f, "%lu %15s %lu %d %15s", &id, which, &number, ret_errno, how) == 5;
        (void)fclose(f);
        if (!read || !streq(which, call))
                return HOW_WELL;
        if (id != fault_id)
                count = 0;
        fault_id = id;
        count++;
        if (streq(how, "short") || streq(how, "torn")) {
                if (count == number)
                        return HOW_SHORT;
                number++;
        }
        if (count != number && (count < number || (!streq(how, "on") && !streq(how, "torn"))))
                return HOW_WELL;
        trace("fault\n");
        return HOW_FAILED;
}

static void tell(const char *call, int fd, off_t offset, size_t size, ssize_t result,
                 const char *name) {
        int saved = errno;
        struct stat st = {};

        (void)fstat(fd, &st);
        trace("%s %lu:%lu %ld %zu %zd %s\n", call, (unsigned long)st.st_dev,
              (unsigned long)st.st_ino, (long)offset, size, result, name);
        errno = saved;
}

ssize_t __wrap_write(int fd, const void *data, size_t size) {
        int error = 0;
        enum how how = ask("write", &error);
        ssize_t n = -1;

        errno = error;
        if (how != HOW_FAILED)
                n = __real_write(fd, data, how == HOW_SHORT ? size / 2 : size);
        tell("write", fd, 0, size, n, "");
        return n;
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset) {
        int error = 0;
        enum how how = ask("pwrite", &error);
        ssize_t n = -1;

        errno = error;
        if (how != HOW_FAILED)
                n = __real_pwrite64(fd, data, how == HOW_SHORT ? size / 2 : size, offset);
        tell("pwrite", fd, offset, size, n, "");
        return n;
}

static int sync_file(int fd, int (*real)(int fd)) {
        int error = 0, r = -1;

        if (ask("sync", &error) == HOW_WELL)
                r = real(fd);
        else
                errno = error;
        tell("sync", fd, 0, 0, r, "");
        return r;
}

int __wrap_fsync(int fd) {
        return sync_file(fd, __real_fsync);
}

int __wrap_fdatasync(int fd) {
        return sync_file(fd, __real_fdatasync);
}

int __wrap_renameat(int from, const char *old, int to, const char *name) {
        int error = 0, r = -1;

        if (ask("rename", &error) == HOW_WELL)
                r = __real_renameat(from, old, to, name);
        else
                errno = error;
        tell("rename", to, 0, 0, r, name);
        return r;
}

static int create(int folder, const char *name, int flags, mode_t mode) {
        int error = 0, fd = -1;
        struct stat st = {};

        if (ask("create", &error) == HOW_WELL)
                fd = __real_openat64(folder, name, flags, mode);
        else
                errno = error;
        error = errno;
        (void)fstat(folder, &st);
        errno = error;
        tell("create", fd, (off_t)st.st_ino, 0, fd < 0 ? -1 : 0, name);
        return fd;
}

int __wrap_openat64(int folder, const char *name, int flags, ...) {
        mode_t mode;
        va_list ap;

        if (!(flags & O_CREAT))
                return __real_openat64(folder, name, flags);
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
        return create(folder, name, flags, mode);
}
