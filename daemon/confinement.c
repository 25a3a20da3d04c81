/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing: no list of what a program may do. */

#include "daemon/confinement.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

int confinement_allow(scmp_filter_ctx ctx, const char *const *names, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                int call = seccomp_syscall_resolve_name(names[i]);

                /* Else not of this architecture, or unknown to this libseccomp. */
                if (call >= 0)
                        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
        }
        return r;
}

int confinement_allow_data(scmp_filter_ctx ctx) {
        static const int calls[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(calls) && r == 0; i++)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 1,
                                     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        return r;
}

int confinement_allow_fcntl(scmp_filter_ctx ctx, const unsigned *commands, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++)
                r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                                     SCMP_A1(SCMP_CMP_EQ, commands[i]));
        return r;
}

int confinement_begin(scmp_filter_ctx ctx, const char *const *names, size_t n) {
        int r = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS)
                    : -ENOMEM;

        if (r == 0)
                r = confinement_allow(ctx, names, n);
        return r == 0 ? confinement_allow_data(ctx) : r;
}

int confinement_load(scmp_filter_ctx ctx, int r, char *problem, size_t size) {
        if (r == 0)
                r = seccomp_load(ctx);
        if (ctx)
                seccomp_release(ctx);
        return r < 0 ? confinement_failed(problem, size, r,
                                          "seccomp refused a filter: %s; the kernel needs "
                                          "CONFIG_SECCOMP_FILTER",
                                          error_text(-r))
                     : 0;
}

int confinement_failed(char *problem, size_t size, int error, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(problem, size, format, ap);
        va_end(ap);
        return error;
}
