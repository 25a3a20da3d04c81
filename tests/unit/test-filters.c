/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What sweep, loader and the process that talks to clamd can't do, should somebody take one over; that the
 * attempts tell something; and all filters, each as it goes to the kernel, against tests/data/filters, so
 * that no system call slips in unnoticed. UPDATE=yes writes those files.
 */

#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/clamd/confine.h"
#include "daemon/remedy/confine.h"
#include "daemon/sweep/confine.h"
#include "daemon/worker/sandbox.h"
#include "store/util.h"
#include "tests/unit/attempts.h"
#include "tests/unit/unit.h"

#define CHANNEL_FD 3
#define POOL_FD    4

/* ---- Processes ---- */

static int no_new_privileges(void) {
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
static int confine_nothing(void) {
        return 0;
}
static int confine_sweep(void) {
        char problem[CONFINE_PROBLEM_MAX];

        return no_new_privileges() < 0 ? -1 : confine_calls(problem);
}
static int confine_loader(void) {
        char problem[SANDBOX_PROBLEM_MAX];

        return no_new_privileges() < 0 ? -1 : sandbox_calls_loader(false, problem);
}
static int confine_loader_with_pool(void) {
        char problem[SANDBOX_PROBLEM_MAX];

        return no_new_privileges() < 0 ? -1 : sandbox_calls_loader(true, problem);
}
static int confine_worker(void) {
        char problem[SANDBOX_PROBLEM_MAX];

        return no_new_privileges() < 0 ? -1 : sandbox_calls_worker(CHANNEL_FD, -EBADF, problem);
}
static int confine_worker_with_pool(void) {
        char problem[SANDBOX_PROBLEM_MAX];

        return no_new_privileges() < 0 ? -1 : sandbox_calls_worker(CHANNEL_FD, POOL_FD, problem);
}
static int confine_remedy(void) {
        char problem[CONFINE_PROBLEM_MAX];

        return confine(problem);
}

/* Of a port that the kernel chose; another one is not allowed. */
static struct clamd_address server = { .host = "127.0.0.1" };

static int confine_clamd(void) {
        char problem[CONFINE_PROBLEM_MAX];

        return no_new_privileges() < 0 ? -1 : clamd_confine(&server, 1, problem);
}

struct case_of {
        const char *name;
        attempt_fn call;
        int end;
};

static void assert_ends(int (*process)(void), const struct case_of *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int r = attempt_behind(process, cases[i].call);

                ck_assert_msg(r == cases[i].end, "%s: %d instead of %d", cases[i].name, r,
                              cases[i].end);
        }
}

/* ---- Attempts ---- */

static int run_bytes(void) {
        return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                               MAP_FAILED
                       ? -1
                       : 0;
}
static int make_bytes_run(void) {
        return mprotect(NULL, 0, PROT_READ | PROT_EXEC);
}
static int open_to_read(void) {
        return openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
}
static int open_to_write(void) {
        return openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC);
}
static int open_to_read_and_write(void) {
        return openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
}
static int open_to_empty(void) {
        return openat(AT_FDCWD, "/dev/null", O_RDONLY | O_TRUNC | O_CLOEXEC);
}
static int open_to_make(void) {
        return openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
}
static int open_otherwise(void) {
        return (int)syscall(SYS_openat2, -1, "file", NULL, 0);
}
static int make_folder(void) {
        return mkdirat(-1, "folder", 0700);
}
static int remove_file(void) {
        return unlinkat(-1, "file", 0);
}
static int move_file(void) {
        return renameat(-1, "file", -1, "other");
}
static int shorten(void) {
        return (int)syscall(SYS_ftruncate, -1, 0);
}
static int change_mode(void) {
        return fchmod(-1, 0600);
}
static int take_lease(void) {
        return fcntl(-1, F_SETLEASE, F_RDLCK);
}
static int have_signals_sent(void) {
        return fcntl(-1, F_SETOWN, 1);
}
static int send_descriptors(void) {
        return (int)sendmsg(-1, NULL, 0);
}
static int receive_descriptors(void) {
        return (int)recvmsg(-1, NULL, 0);
}
static int make_memory_file(void) {
        return memfd_create("file", MFD_CLOEXEC);
}
static int make_pair(void) {
        int pair[2];

        return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}
static int bind_socket(void) {
        return bind(-1, NULL, 0);
}
static int wait_for_clients(void) {
        return listen(-1, 1);
}
static int take_client(void) {
        return accept4(-1, NULL, NULL, 0);
}
static int make_user_namespace(void) {
        return (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
}
static int make_thread(void) {
        return (int)syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_SIGHAND, NULL, NULL, NULL, NULL);
}
static int make_process_otherwise(void) {
        return (int)syscall(SYS_clone3, NULL, 0);
}
static int push_others_aside(void) {
        return setpriority(PRIO_PROCESS, 0, -1);
}
static int slow_down_parent(void) {
        return setpriority(PRIO_PROCESS, (id_t)getppid(), 0);
}

/* Beside filters: each would have another end without. As root, since of others the kernel refuses more. */
START_TEST(attempts_tell) {
        if (geteuid() != 0) {
                printf("left out: needs root\n");
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++) {
                int r = attempt_behind(confine_nothing, attempts[i].call);

                ck_assert_msg(r >= 0 && r != EPERM && r != ATTEMPT_UNCONFINED, "%s: %d",
                              attempts[i].name, r);
        }
}
END_TEST

/* ---- Other architectures: their numbers mean other calls ---- */

#ifdef __x86_64__
static int call_as_i386(void) {
        int r;

        __asm__ volatile("int $0x80" : "=a"(r) : "0"(20) : "memory"); /* getpid */
        return r < 0 ? -1 : 0;
}
static int call_as_x32(void) {
        return (int)syscall(0x40000000 | SYS_getpid);
}
#else
static int call_as_i386(void) {
        return 0;
}
static int call_as_x32(void) {
        return 0;
}
#endif

START_TEST(other_architectures) {
        static int (*const processes[])(void) = { confine_sweep, confine_loader, confine_worker,
                                                  confine_remedy, confine_clamd };
        bool i386 = attempt_behind(confine_nothing, call_as_i386) == 0;

#ifndef __x86_64__
        printf("left out: not on this architecture\n");
        return;
#endif
        for (size_t i = 0; i < ELEMENTSOF(processes); i++) {
                ck_assert_int_eq(attempt_behind(processes[i], call_as_x32), -SIGSYS);
                if (i386)
                        ck_assert_int_eq(attempt_behind(processes[i], call_as_i386), -SIGSYS);
        }
}
END_TEST

/* ---- Sweep ---- */

START_TEST(sweep_refused) {
        static const struct case_of cases[] = {
                { "opening to read", open_to_read, 0 },
                { "opening to write", open_to_write, EPERM },
                { "opening for both", open_to_read_and_write, EPERM },
                { "emptying a file", open_to_empty, EPERM },
                { "making a file", open_to_make, EPERM },
                { "opening otherwise", open_otherwise, EPERM },
                { "making a folder", make_folder, EPERM },
                { "removing a file", remove_file, EPERM },
                { "moving a file", move_file, EPERM },
                { "a length", shorten, EPERM },
                { "a mode", change_mode, EPERM },
                { "a lease", take_lease, EPERM },
                { "signals", have_signals_sent, EPERM },
                { "sending descriptors", send_descriptors, EPERM },
                { "receiving descriptors", receive_descriptors, EPERM },
                { "a file in memory", make_memory_file, EPERM },
                { "executable memory", run_bytes, EPERM },
                { "memory made executable", make_bytes_run, EPERM },
        };

        assert_all_refused(confine_sweep, 0, EPERM);
        assert_ends(confine_sweep, cases, ELEMENTSOF(cases));
}
END_TEST

static pthread_barrier_t confined;
static int error_of_thread;

static void *open_confined(void *unused) {
        (void)pthread_barrier_wait(&confined);
        error_of_thread = open_to_write() < 0 ? errno : 0;
        (void)pthread_barrier_wait(&confined);
        return NULL;
}

static int open_by_older_thread(void) {
        pthread_t thread;

        if (pthread_barrier_init(&confined, NULL, 2) != 0 ||
            pthread_create(&thread, NULL, open_confined, NULL) != 0 || confine_sweep() < 0) {
                errno = ATTEMPT_UNCONFINED;
                return -1;
        }
        (void)pthread_barrier_wait(&confined);
        (void)pthread_barrier_wait(&confined);
        errno = error_of_thread;
        return errno ? -1 : 0;
}

/* Its threads are there before. */
START_TEST(sweep_threads) {
        ck_assert_int_eq(attempt_behind(confine_nothing, open_by_older_thread), EPERM);
}
END_TEST

static int confine_to_dev(void) {
        char problem[CONFINE_PROBLEM_MAX];
        int root = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);

        return no_new_privileges() < 0 ? -1 : confine_files(root, problem);
}
static int open_outside(void) {
        return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

START_TEST(sweep_files) {
        if (sandbox_landlock_abi() <= 0) {
                printf("left out: this kernel has no landlock\n");
                return;
        }
        ck_assert_int_eq(attempt_behind(confine_nothing, open_outside), 0);
        ck_assert_int_eq(attempt_behind(confine_to_dev, open_outside), EACCES);
        ck_assert_int_eq(attempt_behind(confine_to_dev, open_to_read), 0);
        ck_assert_int_eq(attempt_behind(confine_to_dev, open_to_write), EACCES);
}
END_TEST

/* ---- Loader ---- */

START_TEST(loader_refused) {
        static const struct case_of cases[] = {
                { "a process", make_process, 0 }, /* a worker */
                { "a process otherwise", make_process_otherwise, ENOSYS },
                { "a namespace", make_user_namespace, EPERM },
                { "a thread", make_thread, EPERM },
                { "a priority", push_others_aside, EPERM },
                { "the priority of another", slow_down_parent, EPERM },
                { "signals", have_signals_sent, EPERM },
                { "a lease", take_lease, EPERM },
                { "opening otherwise", open_otherwise, EPERM },
                { "executable memory", run_bytes, EPERM },
                { "memory made executable", make_bytes_run, EPERM },
                { "clients", wait_for_clients, EPERM },
        };
        static const struct case_of alone[] = {
                { "a file in memory", make_memory_file, EPERM },
                { "a pair of sockets", make_pair, EPERM },
        };
        static const struct case_of with_pool[] = {
                { "a file in memory", make_memory_file, 0 },
                { "a pair of sockets", make_pair, 0 },
        };

        assert_all_refused(confine_loader, MAY_LOADER, EPERM);
        assert_all_refused(confine_loader_with_pool, MAY_LOADER, EPERM);
        assert_ends(confine_loader, cases, ELEMENTSOF(cases));
        assert_ends(confine_loader_with_pool, cases, ELEMENTSOF(cases));
        assert_ends(confine_loader, alone, ELEMENTSOF(alone));
        assert_ends(confine_loader_with_pool, with_pool, ELEMENTSOF(with_pool));
}
END_TEST

/* ---- The process that talks to clamd ---- */

static struct sockaddr_in listener(int *ret) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr = { htonl(INADDR_LOOPBACK) } };
        socklen_t size = sizeof(address);

        *ret = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(*ret, 0);
        ck_assert_int_eq(bind(*ret, (struct sockaddr *)&address, size), 0);
        ck_assert_int_eq(listen(*ret, 8), 0);
        ck_assert_int_eq(getsockname(*ret, (struct sockaddr *)&address, &size), 0);
        return address;
}

static struct sockaddr_in its, another;

static int connect_to(const struct sockaddr_in *address) {
        return connect(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)address,
                       sizeof(*address));
}
static int connect_to_its_server(void) {
        return connect_to(&its);
}
static int connect_elsewhere(void) {
        return connect_to(&another);
}

START_TEST(clamd_refused) {
        static const struct case_of cases[] = {
                { "opening to read", open_to_read, -SIGSYS },
                { "opening to write", open_to_write, -SIGSYS },
                { "opening otherwise", open_otherwise, -SIGSYS },
                { "making a folder", make_folder, -SIGSYS },
                { "removing a file", remove_file, -SIGSYS },
                { "a length", shorten, -SIGSYS },
                { "signals", have_signals_sent, -SIGSYS },
                { "a file in memory", make_memory_file, -SIGSYS },
                { "a pair of sockets", make_pair, -SIGSYS },
                { "an address", bind_socket, -SIGSYS },
                { "clients", wait_for_clients, -SIGSYS },
                { "a client", take_client, -SIGSYS },
                { "executable memory", run_bytes, -SIGSYS },
                { "memory made executable", make_bytes_run, -SIGSYS },
                { "a local socket", make_unix_socket, 0 },
        };

        assert_all_refused(confine_clamd, MAY_CLAMD, -SIGSYS);
        assert_ends(confine_clamd, cases, ELEMENTSOF(cases));
}
END_TEST

START_TEST(clamd_ports) {
        _cleanup_close_ int fd = -EBADF, other = -EBADF;

        its = listener(&fd);
        another = listener(&other);
        (void)snprintf(server.port, sizeof(server.port), "%u", ntohs(its.sin_port));
        ck_assert_int_eq(attempt_behind(confine_nothing, connect_elsewhere), 0);
        ck_assert_int_eq(attempt_behind(confine_clamd, connect_to_its_server), 0);
        if (sandbox_landlock_abi() < 4) {
                printf("left out: this kernel's landlock knows no ports\n");
                return;
        }
        ck_assert_int_eq(attempt_behind(confine_clamd, connect_elsewhere), EACCES);
}
END_TEST

/* ---- Filters as they go to the kernel ---- */

static int exported_to = -EBADF;

/* A symbol of the program comes before that of a library. */
int seccomp_load(const scmp_filter_ctx ctx) {
        int (*real)(const scmp_filter_ctx) =
                (int (*)(const scmp_filter_ctx))dlsym(RTLD_NEXT, "seccomp_load");

        return exported_to >= 0 ? seccomp_export_pfc(ctx, exported_to) : real(ctx);
}

#define CALLS_MAX 512

struct text {
        FILE *out;
        char *call; /* that is written: its name, and lines of conditions */
        size_t call_size;
        FILE *call_out;
        size_t call_indent;
        char *calls[CALLS_MAX];
        size_t n_calls;
};

static void end_call(struct text *t) {
        if (!t->call_out)
                return;
        ck_assert_int_eq(fclose(t->call_out), 0);
        t->call_out = NULL;
        ck_assert_uint_lt(t->n_calls, CALLS_MAX);
        t->calls[t->n_calls++] = t->call;
}

static int by_name(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Its own number is another one each time. */
static void write_condition(FILE *f, const char *line, pid_t pid) {
        char own[32];
        const char *at;

        (void)snprintf(own, sizeof(own), "== %d)", pid);
        at = strstr(line, own);
        if (at)
                fprintf(f, "%.*s== itself)%s", (int)(at - line), line, at + strlen(own));
        else
                fputs(line, f);
}

/* libseccomp's text, by names, without numbers and priorities: "read" alone is allowed in any case. */
static void write_line(struct text *t, const char *line, pid_t pid) {
        const char *text = line + strspn(line, " "), *end;

        if (startswith(text, "# filter for syscall \"")) {
                end_call(t);
                text += strlen("# filter for syscall \"");
                end = strchr(text, '"');
                ck_assert_ptr_nonnull(end);
                t->call_indent = strspn(line, " ");
                t->call_out = open_memstream(&t->call, &t->call_size);
                ck_assert_ptr_nonnull(t->call_out);
                fprintf(t->call_out, "%.*s\n", (int)(end - text), text);
        } else if (startswith(text, "# default action")) {
                end_call(t);
                fputs("others: ", t->out);
        } else if (startswith(text, "# invalid architecture action")) {
                end_call(t);
                fputs("other architectures: ", t->out);
        } else if (startswith(text, "#") || startswith(text, "if ($syscall") ||
                   startswith(text, "else # ($syscall") || startswith(text, "if ($arch")) {
                return;
        } else if (!t->call_out) {
                fputs(text, t->out);
        } else if (strspn(line, " ") > t->call_indent + 2 || !streq(text, "action ALLOW;\n")) {
                write_condition(t->call_out, line + t->call_indent, pid);
        }
}

static char *normalised(int fd, pid_t pid) {
        _cleanup_(freep) char *line = NULL;
        struct text t = {};
        char *text = NULL;
        size_t size = 0, n = 0;
        FILE *f;

        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        f = fdopen(fd, "re");
        t.out = open_memstream(&text, &size);
        ck_assert(f && t.out);
        while (getline(&line, &n, f) > 0)
                write_line(&t, line, pid);
        qsort(t.calls, t.n_calls, sizeof(t.calls[0]), by_name);
        for (size_t i = 0; i < t.n_calls; i++) {
                fputs(t.calls[i], t.out);
                free(t.calls[i]);
        }
        ck_assert_uint_gt(t.n_calls, 10);
        fclose(f);
        ck_assert_int_eq(fclose(t.out), 0);
        return text;
}

/* The filter that process would be under. */
static char *filter_of(int (*process)(void)) {
        int fd = memfd_create("filter", 0);
        int status;
        pid_t pid;

        ck_assert_int_ge(fd, 0);
        pid = fork();
        if (pid == 0) {
                exported_to = fd;
                _exit(process() < 0 || lseek(fd, 0, SEEK_CUR) == 0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return normalised(fd, pid);
}

static char *read_whole(const char *path) {
        char *text = calloc(1, 1 << 16);
        FILE *f = fopen(path, "re");

        ck_assert_ptr_nonnull(text);
        if (f) {
                (void)!fread(text, 1, (1 << 16) - 1, f);
                fclose(f);
        }
        return text;
}

static void write_whole(const char *path, const char *text) {
        FILE *f = fopen(path, "we");

        ck_assert_msg(f, "%s: %m", path);
        fputs(text, f);
        ck_assert_int_eq(fclose(f), 0);
}

START_TEST(as_written_down) {
        static const struct {
                const char *name;
                int (*process)(void);
        } filters[] = {
                { "clamd", confine_clamd },
                { "loader", confine_loader },
                { "loader-with-clamd", confine_loader_with_pool },
                { "remedy", confine_remedy },
                { "sweep", confine_sweep },
                { "worker", confine_worker },
                { "worker-with-clamd", confine_worker_with_pool },
        };
        const char *root = getenv("SOURCE_ROOT");

        ck_assert_ptr_nonnull(root);
#ifndef __x86_64__
        printf("left out: written down for another architecture\n");
        return;
#endif
        for (size_t i = 0; i < ELEMENTSOF(filters); i++) {
                _cleanup_(freep) char *is = filter_of(filters[i].process), *was = NULL;
                char path[PATH_MAX];

                (void)snprintf(path, sizeof(path), "%s/tests/data/filters/%s", root,
                               filters[i].name);
                if (getenv("UPDATE"))
                        write_whole(path, is);
                was = read_whole(path);
                if (!streq(is, was)) {
                        fputs(is, stdout);
                        ck_abort_msg(
                                "the filter is not that of %s: what it allows is printed; if it is "
                                "meant, UPDATE=yes writes it",
                                path);
                }
        }
}
END_TEST

UNIT_MAIN("filters", attempts_tell, other_architectures, sweep_refused, sweep_threads, sweep_files,
          loader_refused, clamd_refused, clamd_ports, as_written_down);
