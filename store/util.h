/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The small idioms everything here is written in: scope-bound ownership (_cleanup_), handing it
 * on (TAKE_PTR, TAKE_FD), and a few macros. Header only; owns no state.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define _cleanup_(f)                    __attribute__((cleanup(f)))
#define _printf_(a, b)                  __attribute__((format(printf, a, b)))
#define ELEMENTSOF(x)                   (sizeof(x) / sizeof((x)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Each side is evaluated once, whatever it does. */
#define MIN(a, b) UTIL_PICK(a, <, b, __COUNTER__)
#define MAX(a, b) UTIL_PICK(a, >, b, __COUNTER__)

#define UTIL_PICK(a, op, b, n) UTIL_PICK_(a, op, b, n)
#define UTIL_PICK_(a, op, b, n)                 \
        ({                                      \
                __typeof__(a) _a##n = (a);      \
                __typeof__(b) _b##n = (b);      \
                _a##n op _b##n ? _a##n : _b##n; \
        })

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define NSEC_PER_USEC UINT64_C(1000)
#define USEC_INFINITY UINT64_MAX

static inline bool same_time(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

#define TAKE_PTR(p)                        \
        ({                                 \
                __typeof__(p) *_pp = &(p); \
                __typeof__(p) _v = *_pp;   \
                *_pp = NULL;               \
                _v;                        \
        })

#define TAKE_FD(fd)                \
        ({                         \
                int *_pfd = &(fd); \
                int _vfd = *_pfd;  \
                *_pfd = -EBADF;    \
                _vfd;              \
        })

/* Closes fd unless it is "none" (negative); errno is kept. Returns -EBADF, the "none" value, so
 * that callers write fd = close_fd(fd). */
static inline int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void)close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void close_fdp(int *fd) {
        *fd = close_fd(*fd);
}

static inline void freep(void *p) {
        free(*(void **)p);
}

#define _cleanup_close_ _cleanup_(close_fdp)
#define _cleanup_free_  _cleanup_(freep)

/* A destructor usable with _cleanup_: DEFINE_CLEANUP(struct config *, config_free). */
#define DEFINE_CLEANUP(type, func)            \
        static inline void func##p(type *p) { \
                if (*p)                       \
                        func(*p);             \
        }                                     \
        struct _cleanup_semicolon_

/* What errno error means; never NULL, unlike strerrordesc_np(3): file systems may return numbers that
 * the C library does not know. */
static inline const char *error_text(int error) {
        const char *text = strerrordesc_np(error);

        return text ? text : "unknown error";
}

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

static inline bool is_zero(const void *data, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (((const uint8_t *)data)[i])
                        return false;
        return true;
}

/* The part of s behind prefix, or NULL when s does not begin with it. */
static inline const char *startswith(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}
