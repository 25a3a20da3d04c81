/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the list of what belongs to a generation. Files are identified by name, size and content, so
 * that copying or touching a signature set changes nothing.
 */

#include "daemon/worker/generation.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/signature-names.h"
#include "store/digest.h"
#include "store/util.h"

#define CHUNK_SIZE ((size_t)256 << 10)

DEFINE_CLEANUP(struct digest_ctx *, digest_free);

_printf_(3, 4) static int failed(char problem[static ENGINE_PROBLEM_MAX], int error,
                                 const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(problem, ENGINE_PROBLEM_MAX, format, ap);
        va_end(ap);
        return error;
}

static int digest_file(int fd, uint64_t *ret_size, uint8_t ret_digest[static DIGEST_SIZE]) {
        _cleanup_(digest_freep) struct digest_ctx *ctx = digest_new();
        _cleanup_free_ uint8_t *chunk = malloc(CHUNK_SIZE);
        uint64_t size = 0;

        if (!ctx || !chunk)
                return -ENOMEM;
        for (;;) {
                ssize_t n = read(fd, chunk, CHUNK_SIZE);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (uint64_t)n;
                r = digest_update(ctx, chunk, (size_t)n);
                if (r < 0)
                        return r;
        }
        *ret_size = size;
        return digest_final(ctx, ret_digest);
}

static int add_source(struct digest_ctx *ctx, const struct stat *st) {
        char line[128];
        int n = snprintf(line, sizeof(line), "%llx %llx %lld.%09ld\n",
                         (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
                         (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);

        return digest_update(ctx, line, (size_t)n);
}

struct sums {
        struct digest_ctx *generation, *source;
};

/* Adds one file, if it is one. 1: added. */
static int add_file(const struct sums *sums, int fd, const char *name,
                    char problem[static ENGINE_PROBLEM_MAX]) {
        uint8_t digest[DIGEST_SIZE];
        char line[NAME_MAX + 64];
        struct stat st;
        uint64_t size = 0;
        int n, r;

        if (fd < 0)
                return failed(problem, -errno, "%s can't be opened: %m", name);
        if (fstat(fd, &st) < 0)
                return failed(problem, -errno, "%s can't be looked at: %m", name);
        if (!S_ISREG(st.st_mode))
                return 0;
        r = digest_file(fd, &size, digest);
        if (r < 0)
                return failed(problem, r, "%s can't be read: %s", name, strerror(-r));
        n = snprintf(line, sizeof(line), "file %s %llu ", name, (unsigned long long)size);
        r = digest_update(sums->generation, line, (size_t)n);
        if (r == 0)
                r = digest_update(sums->generation, digest, sizeof(digest));
        if (r == 0)
                r = add_source(sums->source, &st);
        return r < 0 ? failed(problem, r, "libcrypto failed") : 1;
}

static int is_signature_entry(const struct dirent *de) {
        return is_signature_name(de->d_name);
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder(const struct sums *sums, int database,
                      char problem[static ENGINE_PROBLEM_MAX]) {
        struct dirent **names = NULL;
        int n, r = 0, files = 0;

        n = scandirat(database, ".", &names, is_signature_entry, by_bytes);
        if (n < 0)
                return failed(problem, -errno, "it can't be listed: %m");
        for (int i = 0; i < n; i++) {
                if (r >= 0) {
                        _cleanup_close_ int fd =
                                openat(database, names[i]->d_name,
                                       O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

                        r = add_file(sums, fd, names[i]->d_name, problem);
                        files += r > 0;
                }
                free(names[i]);
        }
        free(names);
        return r < 0 ? r : files;
}

static int add_options(struct digest_ctx *ctx, const struct engine_options *o) {
        char text[256];
        int n, r;

        n = snprintf(text, sizeof(text),
                     "storescan %d; %s; level %u; limits %llu %llu %u %u; rules %d %d %d; "
                     "pua %d; phishing %d; rar %d\n",
                     ENGINE_ADAPTER_VERSION, engine_name(), engine_level(),
                     (unsigned long long)o->max_file_size, (unsigned long long)o->max_scan_size,
                     o->max_files, o->max_recursion, o->rules.limits, o->rules.encrypted,
                     o->rules.broken, o->pua, o->phishing, engine_opens_rar());
        r = digest_update(ctx, text, (size_t)n);
        if (r == 0 && o->allowed[0])
                r = digest_update(ctx, o->allowed, sizeof(o->allowed));
        return r;
}

int generation_compute(int database, const char *name, const char *elsewhere,
                       const struct engine_options *options, struct generation *ret,
                       struct generation_source *ret_source,
                       char problem[static ENGINE_PROBLEM_MAX]) {
        _cleanup_(digest_freep) struct digest_ctx *ctx = digest_new(), *source = digest_new();
        const struct sums sums = { .generation = ctx, .source = source };
        uint8_t digest[DIGEST_SIZE];
        struct stat st;
        int files, r;

        if (!ctx || !source)
                return failed(problem, -ENOMEM, "there is not enough memory");
        r = add_options(ctx, options);
        if (r == 0 && elsewhere[0])
                r = digest_update(ctx, elsewhere, strlen(elsewhere));
        if (r < 0)
                return failed(problem, r, "libcrypto failed");
        if (database >= 0 && fstat(database, &st) < 0)
                return failed(problem, -errno, "it can't be looked at: %m");

        if (database < 0)
                files = 1;
        else if (S_ISDIR(st.st_mode))
                files = add_folder(&sums, database, problem);
        else {
                _cleanup_close_ int fd = -EBADF;
                char path[64];

                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", database);
                fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
                files = add_file(&sums, fd, name, problem);
        }
        if (files <= 0)
                return files;
        r = digest_final(ctx, digest);
        if (r == 0)
                r = digest_final(source, ret_source->digest);
        if (r < 0)
                return failed(problem, r, "libcrypto failed");
        memcpy(ret->id, digest, sizeof(ret->id));
        return files;
}
