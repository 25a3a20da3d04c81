/* SPDX-License-Identifier: Apache-2.0 */

/* Runs a program where the kernel seems not to do what guards mail, since a seccomp filter answers in its
 * place: wrong-kernel WHAT PROGRAM [ARGUMENT...]. */

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

static const struct {
        const char *what;
        int call, error; /* no error: it is said to be done */
        struct scmp_arg_cmp args[2];
        unsigned n_args;
} answers[] = {
        { "lease-granted",
          SCMP_SYS(fcntl),
          0,
          { { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETLEASE },
            { 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, F_RDLCK } },
          2 },
        { "lease-refused",
          SCMP_SYS(fcntl),
          EAGAIN,
          { { 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETLEASE },
            { 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, F_RDLCK } },
          2 },
        { "changes-untold", SCMP_SYS(fanotify_mark), 0, { { 2, SCMP_CMP_EQ, FAN_MODIFY, 0 } }, 1 },
};

static int answer(scmp_filter_ctx filter, const char *what) {
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
                if (strcmp(answers[i].what, what) == 0)
                        return seccomp_rule_add_array(
                                filter, SCMP_ACT_ERRNO((unsigned)answers[i].error), answers[i].call,
                                answers[i].n_args, answers[i].args);
        return -EINVAL;
}

int main(int argc, char *argv[]) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

        if (argc < 3 || !filter || answer(filter, argv[1]) < 0 || seccomp_load(filter) < 0) {
                fprintf(stderr, "wrong-kernel: the filter can't be set\n");
                return EXIT_FAILURE;
        }
        execv(argv[2], argv + 2);
        perror(argv[2]);
        return EXIT_FAILURE;
}
