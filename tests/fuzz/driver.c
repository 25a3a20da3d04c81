/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs a fuzz target over files, without libFuzzer: "fuzz-NAME FILE-OR-FOLDER...". Each input is
 * copied into a buffer of its very size, so that a sanitizer sees reading beyond its end, and an
 * input that brings the target down is named.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/util.h"
#include "tests/fuzz/fuzz.h"

static char current[PATH_MAX];
static size_t n_inputs;

/* Names the input that brought the target down, then lets the signal end us. */
static void on_abort(int sig) {
        static const char text[] = "crashed on ";

        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
        (void)!write(STDERR_FILENO, current, strlen(current));
        (void)!write(STDERR_FILENO, "\n", 1);
}

static int run_file(int fd, size_t size) {
        _cleanup_free_ uint8_t *data = malloc(MAX(size, (size_t)1));
        size_t have = 0;

        if (!data)
                return -ENOMEM;
        while (have < size) {
                ssize_t n = read(fd, data + have, size - have);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                have += (size_t)n;
        }
        n_inputs++;
        (void)LLVMFuzzerTestOneInput(data, have);
        return 0;
}

static int run_path(const char *path);

static int run_folder(const char *path) {
        struct dirent **names = NULL;
        int n, r = 0;

        n = scandir(path, &names, NULL, alphasort);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                char child[PATH_MAX];

                if (r == 0 && names[i]->d_name[0] != '.') {
                        if (snprintf(child, sizeof(child), "%s/%s", path, names[i]->d_name) >=
                            (int)sizeof(child))
                                r = -ENAMETOOLONG;
                        else
                                r = run_path(child);
                }
                free(names[i]);
        }
        free(names);
        return r;
}

static int run_path(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                r = -errno;
        else if (S_ISDIR(st.st_mode))
                return run_folder(path);
        else {
                (void)snprintf(current, sizeof(current), "%s", path);
                r = run_file(fd, (size_t)st.st_size);
        }
        if (r < 0)
                fprintf(stderr, "%s: %s\n", path, strerror(-r));
        return r;
}

int main(int argc, char **argv) {
        (void)sigaction(
                SIGABRT,
                &(struct sigaction){ .sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND }, NULL);
        for (int i = 1; i < argc; i++)
                if (run_path(argv[i]) < 0)
                        return EXIT_FAILURE;
        if (n_inputs == 0) {
                fprintf(stderr, "no inputs: name files or folders\n");
                return EXIT_FAILURE;
        }
        printf("%zu inputs\n", n_inputs);
        return EXIT_SUCCESS;
}
