/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs a fuzz target without libFuzzer: over files, then over inputs that are made of them, the same
 * ones each time. Each is copied into a buffer of its very size, so that a sanitizer sees reading
 * beyond its end. An input that brings the target down is named, and written to a file if it is none
 * yet: the target run with that file does the same again. What leaks is told at the end; fewer runs
 * find the input.
 */

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/util.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

#define LIMIT_SECONDS 20 /* for one input: some take tenths of one, with sanitizers */

static const char usage[] =
        "Usage: fuzz-NAME [OPTION...] FILE-OR-FOLDER...\n"
        "  --runs N         inputs to make of those in the files; 0\n"
        "  --seed S         of what is made; 1\n"
        "  --limit SECONDS  for one input; 20, times $STORESCAN_PATIENCE\n"
        "What brings the target down goes to $STORESCAN_FUZZ_OUT/crash-NAME-SEED-RUN.\n";

static struct options {
        uint64_t runs, seed, limit;
} options = { .seed = 1, .limit = LIMIT_SECONDS };

/* What the target is at, for signal handlers. */
static struct current {
        bool busy;
        char path[PATH_MAX];
        const uint8_t *unsaved; /* NULL: it lies at path */
        size_t size;
} current;

static struct input *corpus;
static size_t n_corpus;

/* ---- Sanitizers: any finding ends the program, whoever runs it ---- */

__attribute__((visibility("default"))) const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__ubsan_default_options(void);

/* Readers free a window of 128 KiB each; 256 MiB of them kept from reuse cost more than all else. */
const char *__asan_default_options(void) {
        return "abort_on_error=1:detect_stack_use_after_return=1:quarantine_size_mb=16";
}

const char *__ubsan_default_options(void) {
        return "abort_on_error=1:halt_on_error=1:print_stacktrace=1";
}

/* ---- An input that brings the target down ---- */

static void say(const char *text) {
        (void)!write(STDERR_FILENO, text, strlen(text));
}

static bool save(void) {
        int fd = open(current.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        size_t done = 0;

        while (fd >= 0 && done < current.size) {
                ssize_t n = write(fd, current.unsaved + done, current.size - done);

                if (n <= 0)
                        return false;
                done += (size_t)n;
        }
        return fd >= 0;
}

/* Also from signal handlers: nothing but system calls. */
static void blame(const char *what) {
        say(what);
        say(current.busy ? " on " : " behind the last input");
        if (current.busy)
                say(current.path);
        say("\n");
        if (current.busy && current.unsaved && !save())
                say("which can't be written: it is made again by its seed\n");
        current.busy = false;
}

static void on_signal(int sig) {
        blame(sig == SIGALRM ? "hung" : "crashed");
        /* The handler is gone: when we return this ends the program. */
        (void)raise(sig);
}

static void on_exit_early(void) {
        if (!current.busy)
                return;
        blame("ended the program");
        _exit(EXIT_FAILURE);
}

/* A sanitizer's own handlers stay: they tell more, and abort at last. */
static void watch(void) {
        static const int signals[] = { SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP };
        static _Alignas(16) uint8_t stack[65536]; /* the usual one may be what is used up */
        const struct sigaction action = { .sa_handler = on_signal,
                                          .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK) };
        struct sigaction old;
        stack_t old_stack;

        if (sigaltstack(NULL, &old_stack) == 0 && old_stack.ss_flags & SS_DISABLE)
                (void)sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
                        (void)sigaction(signals[i], &action, NULL);
        (void)atexit(on_exit_early);
}

/* current.path and .unsaved are set. */
static void run_input(const uint8_t *data, size_t size) {
        current.size = size;
        current.busy = true;
        (void)alarm((unsigned)options.limit);
        (void)LLVMFuzzerTestOneInput(data, size);
        (void)alarm(0);
        current.busy = false;
}

/* ---- Files ---- */

static int read_file(int fd, size_t size, struct input *ret) {
        _cleanup_free_ uint8_t *data = malloc(MAX(size, (size_t)1));
        size_t have = 0;

        if (!data)
                return -ENOMEM;
        while (have < size) {
                ssize_t n = read(fd, data + have, size - have);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -ENODATA;
                have += (size_t)n;
        }
        *ret = (struct input){ .data = TAKE_PTR(data), .size = size };
        return 0;
}

static int run_file(int fd, size_t size) {
        struct input *more = reallocarray(corpus, n_corpus + 1, sizeof(*corpus));
        int r;

        if (!more)
                return -ENOMEM;
        corpus = more;
        r = read_file(fd, size, &corpus[n_corpus]);
        if (r < 0)
                return r;
        run_input(corpus[n_corpus].data, size);
        n_corpus++;
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
                (void)snprintf(current.path, sizeof(current.path), "%s", path);
                r = run_file(fd, (size_t)st.st_size);
        }
        if (r < 0)
                fprintf(stderr, "%s: %s\n", path, strerror(-r));
        return r;
}

/* ---- What is made of them ---- */

static int run_made(const char *name) {
        static uint8_t made[MUTATE_SIZE_MAX]; /* the target may do to its copy what it likes */
        const char *folder = getenv("STORESCAN_FUZZ_OUT");
        int prefix = snprintf(current.path, sizeof(current.path), "%s/crash-%s-%" PRIu64 "-",
                              folder && *folder ? folder : ".", name, options.seed);

        if (prefix > (int)sizeof(current.path) - 24)
                return -ENAMETOOLONG;
        current.unsaved = made;
        for (uint64_t i = 0; i < options.runs; i++) {
                size_t size = mutate(mutate_spread(options.seed) + i, corpus, n_corpus, made);
                uint8_t *copy = malloc(MAX(size, (size_t)1));

                if (!copy)
                        return -ENOMEM;
                memcpy(copy, made, size);
                (void)snprintf(current.path + prefix, sizeof(current.path) - (size_t)prefix,
                               "%" PRIu64, i);
                run_input(copy, size);
                free(copy);
        }
        return 0;
}

/* ---- Options ---- */

static bool parse_number(const char *text, uint64_t max, uint64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoull(text, &end, 10);
        return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *ret <= max;
}

static bool parse_options(int argc, char **argv) {
        static const struct option known[] = {
                { "runs", required_argument, NULL, 'r' },
                { "seed", required_argument, NULL, 's' },
                { "limit", required_argument, NULL, 'l' },
                {},
        };
        const char *patience = getenv("STORESCAN_PATIENCE");
        uint64_t times = 1;
        bool good = !patience || parse_number(patience, 1000, &times);
        int c;

        while (good && (c = getopt_long(argc, argv, "", known, NULL)) != -1)
                switch (c) {
                case 'r': good = parse_number(optarg, UINT64_MAX, &options.runs); break;
                case 's': good = parse_number(optarg, UINT64_MAX, &options.seed); break;
                case 'l': good = parse_number(optarg, 86400, &options.limit); break;
                default: good = false;
                }
        options.limit *= times;
        return good && optind < argc;
}

int main(int argc, char **argv) {
        const char *name = basename(argv[0]), *rest = startswith(name, "fuzz-");
        int r;

        if (!parse_options(argc, argv)) {
                fputs(usage, stderr);
                return 2;
        }
        watch();
        for (int i = optind; i < argc; i++)
                if (run_path(argv[i]) < 0)
                        return EXIT_FAILURE;
        if (n_corpus == 0) {
                fprintf(stderr, "no inputs: name files or folders that hold some\n");
                return EXIT_FAILURE;
        }
        r = run_made(rest ? rest : name);
        if (r < 0) {
                fprintf(stderr, "%s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        printf("%zu inputs, %" PRIu64 " made of them by seed %" PRIu64 "\n", n_corpus, options.runs,
               options.seed);
        while (n_corpus > 0)
                free((void *)corpus[--n_corpus].data);
        free(corpus);
        return EXIT_SUCCESS;
}
