/* SPDX-License-Identifier: Apache-2.0 */

/* The parts of storescan-worker: what libclamav's words mean, folders, the sandbox, the engine. */

#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/signature-names.h"
#include "daemon/worker/canary.h"
#include "daemon/worker/content.h"
#include "daemon/worker/engine-private.h"
#include "daemon/worker/findings.h"
#include "daemon/worker/frame.h"
#include "daemon/worker/generation.h"
#include "daemon/worker/sandbox.h"
#include "daemon/worker/spool.h"
#include "store/util.h"
#include "tests/unit/attempts.h"
#include "tests/unit/unit.h"

/* ---- Findings ---- */

static const struct content_rules all_unscannable = { CONTENT_UNSCANNABLE, CONTENT_UNSCANNABLE,
                                                      CONTENT_UNSCANNABLE };
static const struct content_rules all_infected = { CONTENT_INFECTED, CONTENT_INFECTED,
                                                   CONTENT_INFECTED };
static const struct content_rules all_ignored = { CONTENT_UNSCANNABLE, CONTENT_IGNORE,
                                                  CONTENT_IGNORE };

/* Character sets are opened once and kept to the end, by design (engine.c). */
const char *__lsan_default_suppressions(void);

__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void) {
        return "leak:load_charsets\nleak:iconv_open\n";
}

START_TEST(names_of_alerts) {
        static const struct {
                const char *name;
                enum alert alert;
        } cases[] = {
                { "Heuristics.Limits.Exceeded.MaxScanTime", ALERT_TIMEOUT },
                { "Heuristics.Limits.Exceeded.MaxFileSize", ALERT_LIMITS },
                { "Heuristics.Limits.Exceeded.EmailMIMEArguments", ALERT_LIMITS },
                { "Heuristics.XZ.DicSizeLimit", ALERT_LIMITS },
                { "Heuristics.Encrypted.Zip", ALERT_ENCRYPTED },
                { "Heuristics.Broken.Executable", ALERT_BROKEN },
                { "Heuristics.Broken.Media.JPEG.NoImages", ALERT_BROKEN },
                { "Heuristics.OLE2.ContainsMacros.VBA", ALERT_MATCH },
                { "Heuristics.Zip.OverlappingFiles", ALERT_MATCH },
                { "Eicar-Test-Signature", ALERT_MATCH },
                { "PUA.Win.Tool", ALERT_MATCH },
                { "", ALERT_MATCH },
                /* A signature of one's own, whatever its name. */
                { "Heuristics.Encrypted.Mine.UNOFFICIAL", ALERT_MATCH },
                { "Heuristics.Limits.Exceeded.MaxScanTime.UNOFFICIAL", ALERT_MATCH },
                { ".UNOFFICIAL", ALERT_MATCH },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ck_assert_msg(alert_from_name(cases[i].name) == cases[i].alert, "%s",
                              cases[i].name);
}
END_TEST

START_TEST(texts_of_messages) {
        static const struct {
                const char *text;
                enum remark remark;
        } cases[] = {
                /* Met with a missing folder, without inodes, without space. */
                { "Can't create temporary directory for scan: /x.", REMARK_ENGINE },
                { "cli_gentempfd_with_prefix: Can't create temporary file /x: No space left on "
                  "device",
                  REMARK_ENGINE },
                { "Can't write to file", REMARK_ENGINE },
                { "cli_max_malloc(): Can't allocate memory (100 bytes).", REMARK_ENGINE },
                { "fmap: map allocation failed", REMARK_ENGINE },
                /* Met with mutated content on sound ground. */
                { "messageToText: Unexpected attempt to handle uuencoded file", REMARK_CONTENT },
                { "Corrupt TNEF header detected - length -12", REMARK_CONTENT },
                { "TNEF - unknown level 109 tag 0x8020", REMARK_CONTENT },
                { "cli_tnef: file truncated, returning CLEAN", REMARK_CONTENT },
                { "GIF: Can't read logical screen description, file truncated?", REMARK_CONTENT },
                { "JPEG: Failed to read the segment size, file corrupted?", REMARK_CONTENT },
                { "cli_parsetiff: Invalid offset for first IFD", REMARK_CONTENT },
                { "Unsupported message format `temporary' - if you believe this file contains a "
                  "virus, submit it to www.clamav.net",
                  REMARK_CONTENT },
                { "cli_max_malloc(): File or section is too large to scan (9 bytes). For your "
                  "safety, ClamAV limits how much memory an operation can allocate to 2 bytes",
                  REMARK_TOO_LARGE },
                { "cli_scanxz: decompress file size exceeds limits - only scanning 9 bytes",
                  REMARK_TOO_LARGE },
                { "Bytecode run timed out in interpreter after 7 opcodes", REMARK_TIMEOUT },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ck_assert_msg(remark_from_text(cases[i].text) == cases[i].remark, "%s",
                              cases[i].text);
}
END_TEST

static void assert_judged(const struct findings *f, const struct content_rules *rules,
                          enum verdict verdict, enum reason reason) {
        struct scan scan;

        findings_judge(f, rules, &scan);
        ck_assert_msg(scan.verdict == verdict && scan.reason == reason, "%s, %s instead of %s, %s",
                      verdict_name(scan.verdict), reason_name(scan.reason), verdict_name(verdict),
                      reason_name(reason));
        ck_assert(verdict_reason_fits(scan.verdict, scan.reason));
        ck_assert(scan.verdict == VERDICT_CLEAN || scan.text[0] != '\0');
}

START_TEST(only_silence_is_clean) {
        struct findings f = { .layers = 1 };

        assert_judged(&f, &all_unscannable, VERDICT_CLEAN, REASON_NONE);
        assert_judged(&(struct findings){}, &all_unscannable, VERDICT_UNKNOWN, REASON_ENGINE);
        for (enum alert a = 0; a < _ALERT_MAX; a++) {
                struct scan scan;

                f = (struct findings){ .layers = 1 };
                strcpy(f.alerts[a], "x");
                findings_judge(&f, &all_unscannable, &scan);
                ck_assert_int_ne(scan.verdict, VERDICT_CLEAN);
                findings_judge(&f, &all_ignored, &scan);
                ck_assert_int_ne(scan.verdict, VERDICT_CLEAN);
                ck_assert(findings_alerted(&f));
        }
        for (enum remark r = 0; r < _REMARK_MAX; r++) {
                struct scan scan;

                f = (struct findings){ .layers = 1 };
                strcpy(f.remarks[r], "x");
                findings_judge(&f, &all_ignored, &scan);
                ck_assert_int_ne(scan.verdict, VERDICT_CLEAN);
                ck_assert(!findings_alerted(&f));
        }
        assert_judged(&(struct findings){ .layers = 1, .error = "x" }, &all_ignored,
                      VERDICT_UNKNOWN, REASON_ENGINE);
        assert_judged(&(struct findings){ .layers = 1, .error = "x", .timed_out = true },
                      &all_ignored, VERDICT_UNKNOWN, REASON_TIMEOUT);
        assert_judged(&(struct findings){ .layers = 1, .nameless = true }, &all_ignored,
                      VERDICT_UNKNOWN, REASON_ENGINE);
        assert_judged(&(struct findings){ .layers = 1, .truncated = true }, &all_ignored,
                      VERDICT_UNSCANNABLE, REASON_LIMITS);
        assert_judged(&(struct findings){ .layers = 1, .truncated = true }, &all_infected,
                      VERDICT_INFECTED, REASON_NONE);
}
END_TEST

START_TEST(the_worst_wins) {
        struct findings f = { .layers = 3, .error = "x", .truncated = true };

        findings_alert(&f, "Heuristics.Encrypted.Zip");
        findings_remark(&f, "TNEF - unknown level 1");
        assert_judged(&f, &all_unscannable, VERDICT_UNKNOWN, REASON_ENGINE);
        /* A rule that makes it infected holds whatever else failed. */
        assert_judged(&f, &all_infected, VERDICT_INFECTED, REASON_NONE);
        f.error[0] = '\0';
        assert_judged(&f, &all_unscannable, VERDICT_UNSCANNABLE, REASON_LIMITS);
        f.truncated = false;
        assert_judged(&f, &all_unscannable, VERDICT_UNSCANNABLE, REASON_ENCRYPTED);
        ck_assert(findings_want_all(&f));
        findings_remark(&f, "Can't create temporary file");
        assert_judged(&f, &all_unscannable, VERDICT_UNKNOWN, REASON_ENGINE);
        findings_alert(&f, "Eicar");
        assert_judged(&f, &all_unscannable, VERDICT_INFECTED, REASON_NONE);
        ck_assert(!findings_want_all(&f));
}
END_TEST

/* A name of the list and no other; what says that not all was looked at counts in any case. */
START_TEST(allowed) {
        static const char list[] = "Some.Eicar Two.UNOFFICIAL\tThree Heuristics.Encrypted.Zip";
        static const struct {
                const char *name;
                bool allowed;
        } cases[] = {
                { "Two.UNOFFICIAL", true },
                { "Some.Eicar", true },
                { "Three", true },
                { "Eicar", false },
                { "Two", false },
                { "Some.Eica", false },
                { "", false },
                { "Four", false },
                { "Heuristics.Encrypted.Zip", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct findings f = { .layers = 1 };

                findings_match(&f, list, cases[i].name);
                ck_assert_int_eq(f.allowed, cases[i].allowed);
                ck_assert_int_eq(findings_alerted(&f), !cases[i].allowed);
                if (!cases[i].allowed)
                        continue;
                /* libclamav may have stopped there. */
                ck_assert(findings_want_all(&f));
                assert_judged(&f, &all_unscannable, VERDICT_CLEAN, REASON_NONE);
                findings_match(&f, list, "Other");
                assert_judged(&f, &all_unscannable, VERDICT_INFECTED, REASON_NONE);
                ck_assert(!findings_want_all(&f));
        }
}
END_TEST

/* An allocation that libclamav refused on purpose is of the content, one that failed is not. */
START_TEST(refused_allocations) {
        struct findings f = { .layers = 1 };
        struct scan scan;

        findings_remark(&f, "cli_max_malloc(): File or section is too large to scan. For your "
                            "safety, ...");
        findings_remark(&f, "tnef_attachment: Unable to allocate memory for string");
        findings_judge(&f, &all_unscannable, &scan);
        ck_assert_int_eq(scan.verdict, VERDICT_UNSCANNABLE);
        ck_assert(scan.doubtful);
        f = (struct findings){ .layers = 1 };
        findings_remark(&f, "tnef_attachment: Unable to allocate memory for string");
        assert_judged(&f, &all_unscannable, VERDICT_UNKNOWN, REASON_ENGINE);
}
END_TEST

START_TEST(merging_keeps_the_worse) {
        static const enum verdict order[] = { VERDICT_CLEAN, VERDICT_UNSCANNABLE, VERDICT_UNKNOWN,
                                              VERDICT_INFECTED };

        for (size_t a = 0; a < ELEMENTSOF(order); a++)
                for (size_t b = 0; b < ELEMENTSOF(order); b++) {
                        struct scan x = { .verdict = order[a] }, y = { .verdict = order[b] };

                        scan_merge(&x, &y);
                        ck_assert_int_eq(x.verdict, order[MAX(a, b)]);
                }
}
END_TEST

START_TEST(texts_are_made_printable) {
        struct findings f = { .layers = 1 };
        struct scan scan;
        char name[500];

        memset(name, 'x', sizeof(name));
        name[0] = '\n';
        name[1] = (char)0xff;
        name[sizeof(name) - 1] = '\0';
        findings_alert(&f, name);
        findings_judge(&f, &all_unscannable, &scan);
        ck_assert_int_eq(scan.verdict, VERDICT_INFECTED);
        ck_assert_uint_eq(strlen(scan.text), PROTO_SIGNATURE_MAX - 1);
        ck_assert_int_eq(memcmp(scan.text, "??x", 3), 0);
        f = (struct findings){ .layers = 1 };
        findings_alert(&f, "");
        findings_judge(&f, &all_unscannable, &scan);
        ck_assert_str_eq(scan.text, "(no name)");
}
END_TEST

/* ---- Folders ---- */

static char place[] = "/dev/shm/storescan-unit-XXXXXX";

static void make_place(void) {
        strcpy(place + strlen(place) - 6, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(place));
}

static void make_file(const char *name) {
        char path[PATH_MAX];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/%s", place, name);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, "x", 1), 1);
        close_fd(fd);
}

static void make_child_folder(const char *name, mode_t mode) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", place, name);
        ck_assert_int_eq(mkdir(path, mode), 0);
}

static bool there(const char *name) {
        char path[PATH_MAX];
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/%s", place, name);
        return lstat(path, &st) == 0;
}

START_TEST(trees_are_removed) {
        struct spool spool;
        char path[PATH_MAX];

        make_place();
        make_child_folder("outside", 0700);
        make_file("outside/kept");
        ck_assert_int_eq(spool_open(&spool, place, "w1-1"), 0);
        ck_assert_int_eq(spool_check(&spool), 0);
        ck_assert_int_eq(spool_tidy(&spool), 0);
        for (unsigned i = 0; i < 300; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "w1-1/f%u", i);
                make_file(name);
        }
        make_child_folder("w1-1/a", 0700);
        make_child_folder("w1-1/a/b", 0700);
        make_file("w1-1/a/b/c");
        (void)snprintf(path, sizeof(path), "%s/w1-1/a/b", place);
        ck_assert_int_eq(chmod(path, 0), 0);
        (void)snprintf(path, sizeof(path), "%s/w1-1/link", place);
        ck_assert_int_eq(symlink("../outside", path), 0);
        ck_assert_int_eq(spool_tidy(&spool), 0);
        ck_assert(!there("w1-1/a"));
        ck_assert(!there("w1-1/link"));
        ck_assert(there("outside/kept"));
        make_file("w1-1/late");
        spool_close(&spool);
        ck_assert_int_eq(spool_remove(place, "w1-1"), 0);
        ck_assert(!there("w1-1"));
        ck_assert_int_eq(spool_remove(place, "w1-1"), 0); /* is none */
        ck_assert_int_eq(spool_remove(place, "outside"), 0);
        ck_assert_int_eq(rmdir(place), 0);
}
END_TEST

START_TEST(a_lost_folder_is_noticed) {
        struct spool spool;
        char path[PATH_MAX], other[PATH_MAX];

        make_place();
        ck_assert_int_eq(spool_open(&spool, place, "w1-1"), 0);
        (void)snprintf(path, sizeof(path), "%s/w1-1", place);
        (void)snprintf(other, sizeof(other), "%s/other", place);
        ck_assert_int_eq(rename(path, other), 0);
        ck_assert_int_eq(spool_check(&spool), -ENOENT);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        ck_assert_int_eq(spool_check(&spool), -ENOENT);
        ck_assert_int_eq(rmdir(path), 0);
        ck_assert_int_eq(rename(other, path), 0);
        ck_assert_int_eq(spool_check(&spool), 0);
        spool_close(&spool);
        ck_assert_int_eq(spool_remove(place, "w1-1"), 0);
        ck_assert_int_eq(rmdir(place), 0);
}
END_TEST

START_TEST(folders_of_the_dead_are_removed) {
        char name[SPOOL_NAME_MAX];
        pid_t dead;

        make_place();
        dead = fork();
        if (dead == 0)
                _exit(0);
        ck_assert_int_eq(waitpid(dead, NULL, 0), dead);
        spool_name(name, "w", 3, dead);
        make_child_folder(name, 0700);
        make_child_folder("w3-x", 0700);
        make_child_folder("mail", 0700);
        spool_name(name, "w", 3, getpid());
        make_child_folder(name, 0700);
        spool_remove_stale(place);
        ck_assert(there(name));
        ck_assert(there("w3-x"));
        ck_assert(there("mail"));
        spool_name(name, "w", 3, dead);
        ck_assert(!there(name));
        spool_name(name, "w", 3, getpid());
        ck_assert_int_eq(spool_remove(place, name), 0);
        ck_assert_int_eq(spool_remove(place, "w3-x"), 0);
        ck_assert_int_eq(spool_remove(place, "mail"), 0);
        ck_assert_int_eq(rmdir(place), 0);
}
END_TEST

START_TEST(only_memory_will_do) {
        ck_assert_int_eq(spool_check_tmpdir("/dev/shm"), 0);
        ck_assert_int_eq(spool_check_tmpdir("/proc"), -EMEDIUMTYPE);
        ck_assert_int_eq(spool_check_tmpdir("/dev/shm/none/there"), -ENOENT);
}
END_TEST

START_TEST(signature_files) {
        static const char *const yes[] = { "main.cvd",     "daily.cld", "own.ndb",
                                           "A.HDB",        "x.yara",    "local.ign2",
                                           "bytecode.cvd", "x.ldb",     "daily.cfg" };
        static const char *const no[] = { "freshclam.dat", "README", ".ndb",   "x.ndb.tmp",
                                          "mirrors.dat",   "x.ndbx", "x.lock", "" };

        for (size_t i = 0; i < ELEMENTSOF(yes); i++)
                ck_assert_msg(is_signature_name(yes[i]), "%s", yes[i]);
        for (size_t i = 0; i < ELEMENTSOF(no); i++)
                ck_assert_msg(!is_signature_name(no[i]), "%s", no[i]);
}
END_TEST

/* ---- Sandbox: each attempt in a process of its own ---- */

static int receive_elsewhere(void) {
        return (int)recv(7, NULL, 0, 0);
}

static int confine_worker(void) {
        char problem[SANDBOX_PROBLEM_MAX];

        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        return sandbox_calls_worker(3, -EBADF, problem);
}

static int do_nothing(void) {
        return 0;
}

START_TEST(calls_a_worker_may_not_make) {
        ck_assert_int_eq(attempt_behind(confine_worker, do_nothing), 0);
        assert_all_refused(confine_worker, 0, -SIGSYS);
        ck_assert_int_eq(attempt_behind(confine_worker, receive_elsewhere), -SIGSYS);
}
END_TEST

static _Noreturn void try_memory(void) {
        char problem[SANDBOX_PROBLEM_MAX];
        void *p;

        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (sandbox_calls_worker(3, -EBADF, problem) < 0)
                _exit(100);
        p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
                _exit(1);
        if (mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0 || errno != EPERM)
                _exit(2);
        if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                    MAP_FAILED ||
            errno != EPERM)
                _exit(3);
        if (fcntl(0, F_SETOWN, 1) == 0)
                _exit(4);
        _exit(0);
}

START_TEST(no_executable_memory) {
        pid_t pid = fork();
        int status;

        if (pid == 0)
                try_memory();
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        /* The last attempt of it is one too many. */
        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

static _Noreturn void try_files(const char *database) {
        char problem[SANDBOX_PROBLEM_MAX], path[PATH_MAX];
        int fd = open(database, O_PATH | O_CLOEXEC);

        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (sandbox_files(fd, place, problem) < 0)
                _exit(100);
        if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
                _exit(1);
        if (open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0 || errno != EACCES)
                _exit(2);
        if (open(database, O_RDONLY | O_CLOEXEC) < 0)
                _exit(3);
        (void)snprintf(path, sizeof(path), "%s/new", place);
        if (mkdir(path, 0700) < 0)
                _exit(4);
        (void)snprintf(path, sizeof(path), "%s/new/file", place);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) < 0 || unlink(path) < 0)
                _exit(5);
        (void)snprintf(path, sizeof(path), "%s/new", place);
        if (rmdir(path) < 0)
                _exit(6);
        if (mkdir("/dev/shm/storescan-unit-outside", 0700) == 0 || errno != EACCES)
                _exit(7);
        (void)snprintf(path, sizeof(path), "%s/fifo", place);
        if (mkfifo(path, 0600) == 0 || errno != EACCES)
                _exit(8);
        _exit(0);
}

START_TEST(files_out_of_reach) {
        const char *databases[] = { "/usr/share", "/etc/hostname" };

        if (sandbox_landlock_abi() <= 0) {
                printf("left out: this kernel has no landlock\n");
                return;
        }
        make_place();
        for (size_t i = 0; i < ELEMENTSOF(databases); i++) {
                pid_t pid = fork();
                int status;

                if (pid == 0)
                        try_files(databases[i]);
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                ck_assert(WIFEXITED(status));
                ck_assert_int_eq(WEXITSTATUS(status), 0);
        }
        ck_assert_int_eq(rmdir(place), 0);
}
END_TEST

/* ---- Engine ---- */

static const struct engine_options options = {
        .max_file_size = UINT64_C(100) << 20,
        .max_scan_size = UINT64_C(400) << 20,
        .max_files = 10000,
        .max_recursion = 17,
};

static struct engine *make_engine(struct canary **canary) {
        char problem[ENGINE_PROBLEM_MAX], path[PATH_MAX];
        struct engine *engine;
        unsigned n = 0;

        make_place();
        (void)snprintf(path, sizeof(path), "%s/canary.ndb", place);
        ck_assert_int_eq(canary_new(canary), 0);
        ck_assert_int_eq(canary_write_signature(*canary, path), 0);
        ck_assert_int_eq(engine_init(problem), 0);
        ck_assert_int_eq(engine_new(&options, place, &engine, problem), 0);
        ck_assert_int_eq(engine_load(engine, path, &n, problem), 0);
        ck_assert_uint_eq(n, 1);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(engine_compile(engine, problem), 0);
        return engine;
}

/* By the signature, which is "Name:0:*:" and hexadecimal digits. */
static void assert_drawn_of_letters(const struct canary *canary) {
        char path[PATH_MAX], text[256] = "";
        const char *digits;
        int fd;

        (void)snprintf(path, sizeof(path), "%s/drawn.ndb", place);
        ck_assert_int_eq(canary_write_signature(canary, path), 0);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
        close_fd(fd);
        ck_assert_int_eq(unlink(path), 0);
        digits = strrchr(text, ':');
        ck_assert_ptr_nonnull(digits);
        for (digits++; *digits != '\n'; digits += 2)
                ck_assert(*digits == '6' || (digits[0] == '7' && digits[1] == '0'));
}

START_TEST(the_canary) {
        char problem[ENGINE_PROBLEM_MAX];
        struct canary *canary, *other;
        struct engine *engine = make_engine(&canary);

        ck_assert_int_eq(canary_check(canary, engine, problem), 0);
        /* Each engine has a canary of its own. */
        ck_assert_int_eq(canary_new(&other), 0);
        ck_assert_int_eq(canary_check(other, engine, problem), -EIO);
        ck_assert_ptr_nonnull(strstr(problem, "did not find the canary"));
        canary_free(other);
        /* None of them is by chance what a program or an archive begins with. */
        for (unsigned i = 0; i < 100; i++) {
                ck_assert_int_eq(canary_new(&other), 0);
                assert_drawn_of_letters(other);
                canary_free(other);
        }
        /* Without a folder libclamav finds nothing, and says so only in a message. */
        ck_assert_int_eq(rmdir(place), 0);
        ck_assert_int_eq(canary_check(canary, engine, problem), -EIO);
        ck_assert_ptr_nonnull(strstr(problem, "unknown"));
        canary_free(canary);
        engine_free(engine);
}
END_TEST

/* As it is for who asks clamd: nothing is made that could find no room. */
START_TEST(a_kind_takes_no_folder) {
        static const char mail[] = "Received: by here\r\nSubject: a\r\n\r\ntext\r\n",
                          other[] = "GIF89a: a\r\nSubject: a\r\n\r\ntext\r\n";
        struct canary *canary;
        struct engine *engine = make_engine(&canary);
        struct stat st;

        ck_assert_int_eq(rmdir(place), 0);
        ck_assert(scan_is_mail(engine, mail, sizeof(mail) - 1));
        ck_assert(!scan_is_mail(engine, other, sizeof(other) - 1));
        ck_assert_int_lt(stat(place, &st), 0);
        /* Behind that there are folders again. */
        ck_assert_int_eq(mkdir(place, 0700), 0);
        ck_assert_int_eq(stat(place, &st), 0);
        ck_assert(scan_is_mail(engine, mail, sizeof(mail) - 1));
        ck_assert_int_eq(rmdir(place), 0);
        canary_free(canary);
        engine_free(engine);
}
END_TEST

/* ---- Content ---- */

START_TEST(content_is_whole_or_none) {
        static uint8_t text[600000];
        struct content content = {};
        const uint8_t *memory;
        int fd;

        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (uint8_t)(i * 7 + i / 300);
        fd = memfd_create("item", MFD_CLOEXEC);
        ck_assert_int_eq(write(fd, text, sizeof(text)), sizeof(text));

        ck_assert_int_eq(content_read(fd, 0, sizeof(text), &content), 0);
        ck_assert_uint_eq(content.size, sizeof(text));
        /* Whatever becomes of the file, the copy stays. */
        ck_assert_int_eq(pwrite(fd, "other", 5, 0), 5);
        ck_assert_mem_eq(content.data, text, sizeof(text));

        /* A part of it, to the same memory. */
        memory = content.data;
        ck_assert_int_eq(content_read(fd, 1000, 70000, &content), 0);
        ck_assert_uint_eq(content.size, 70000);
        ck_assert_mem_eq(content.data, text + 1000, 70000);
        ck_assert_ptr_eq(content.data, memory);
        content_release(&content);
        ck_assert_ptr_null(content.data);
        content_release(&content);

        /* It has shrunk: by a byte, by most of it, by all. */
        ck_assert_int_eq(content_read(fd, 0, sizeof(text) + 1, &content), -ENODATA);
        ck_assert_int_eq(content_read(fd, 1, sizeof(text), &content), -ENODATA);
        ck_assert_int_eq(ftruncate(fd, 8192), 0);
        ck_assert_int_eq(content_read(fd, 0, sizeof(text), &content), -ENODATA);
        ck_assert_uint_eq(content.size, 0);
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(content_read(fd, 0, sizeof(text), &content), -ENODATA);
        ck_assert_int_eq(content_read(fd, 0, 0, &content), 0);
        ck_assert_ptr_nonnull(content.data);
        close_fd(fd);

        /* EIO: nothing is mapped at the beginning of a process. */
        fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(content_read(fd, 0, sizeof(text), &content), -EIO);
        close_fd(fd);
        ck_assert_int_eq(content_read(0, 0, UINT64_C(1) << 60, &content), -ENOMEM);
        content_release(&content);
}
END_TEST

/* Only what took much memory is given back between two items. */
START_TEST(content_keeps_a_little) {
        struct content content = {};
        int fd = memfd_create("item", MFD_CLOEXEC);

        ck_assert_int_eq(ftruncate(fd, 8 << 20), 0);
        ck_assert_int_eq(content_read(fd, 0, 100, &content), 0);
        content_trim(&content);
        ck_assert_ptr_nonnull(content.data);
        ck_assert_int_eq(content_read(fd, 0, 8 << 20, &content), 0);
        content_trim(&content);
        ck_assert_ptr_null(content.data);
        close_fd(fd);
}
END_TEST

/* ---- Frames ---- */

static bool mbox_frame(const char *before, const char *after) {
        char text[8192];
        struct item item = { .state = ITEM_WHOLE, .message_size = 4 };

        item.message_offset = strlen(before);
        item.size = (uint64_t)snprintf(text, sizeof(text), "%smail%s", before, after);
        return frame_is_regular(READER_MBOX, &item, (const uint8_t *)text);
}

START_TEST(frames_of_mbox) {
        char line[700];

        ck_assert(mbox_frame("From a@b Mon Nov 23 10:00:00 2026\n", ""));
        ck_assert(mbox_frame("From a@b Mon Nov 23 10:00:00 2026\r\n", "\r\n"));
        ck_assert(mbox_frame("From j\xc3\xbcrg Mon Nov 23 10:00:00 2026\n", "\n"));
        ck_assert(!mbox_frame("From a@b\tx Mon Nov 23 10:00:00 2026\n", "\n"));
        ck_assert(!mbox_frame("From a@b Mon Nov 23 10:00:00 2026\n", "\n\n"));
        ck_assert(!mbox_frame("From a@b Mon Nov 23 10:00:00 2026\n", "x\n"));
        ck_assert(!mbox_frame("From a@b Mon Nov 23 10:00:00 2026\n", "\r"));
        ck_assert(!mbox_frame("", "\n"));
        memset(line, 'x', sizeof(line));
        line[512] = '\0';
        line[511] = '\n';
        ck_assert(mbox_frame(line, "\n"));
        line[513] = '\0';
        line[512] = '\n';
        line[511] = 'x';
        ck_assert(!mbox_frame(line, "\n"));
}
END_TEST

static bool dbox_frame(const char *before, const char *after) {
        char text[8192];
        struct item item = { .state = ITEM_WHOLE, .message_size = 4 };

        item.message_offset = strlen(before);
        item.size = (uint64_t)snprintf(text, sizeof(text), "%smail%s", before, after);
        return frame_is_regular(READER_DBOX, &item, (const uint8_t *)text);
}

START_TEST(frames_of_dbox) {
        static const char head[] = "\001\002N          0000000000000004\n";
        static const char tail[] = "\n\001\003\nR5f\nG0123\nBINBOX\n\n";
        char text[4096] = "\n\001\003\n";
        size_t n = strlen(text);

        ck_assert(dbox_frame(head, tail));
        ck_assert(dbox_frame(head, "\n\001\003\n\n"));
        ck_assert(!dbox_frame("\001\002X          0000000000000004\n", tail));
        ck_assert(!dbox_frame("\001\002N  <html>  0000000000000004\n", tail));
        ck_assert(!dbox_frame(head, "\n\001\003\nR5f\n"));        /* no end */
        ck_assert(!dbox_frame(head, "\n\001\003\nR5f\n\nx"));     /* more than that */
        ck_assert(!dbox_frame(head, "\n\001\003\nR5f\nR5f\n\n")); /* a key again */
        ck_assert(!dbox_frame(head, "\n\001\003\nQ5f\n\n"));      /* one that nobody knows */
        ck_assert(!dbox_frame(head, "\n\001\003\nR5f\r\n\r\n"));
        ck_assert(!dbox_frame(head, "\n\001\003\n 5f\n"));
        ck_assert(!dbox_frame(head, "\n\001\004\nR5f\n\n"));

        memset(text + n, 'B', 512);
        memcpy(text + n + 512, "\n\n", 3);
        ck_assert(dbox_frame(head, text));
        memset(text + n, 'B', 513);
        memcpy(text + n + 513, "\n\n", 3);
        ck_assert(!dbox_frame(head, text));

        /* Many short lines are as good as a long one. */
        n = strlen("\n\001\003\n");
        for (const char *key = "BEFGKOPR"; *key; key++) {
                text[n] = *key;
                memset(text + n + 1, 'x', 299);
                text[n + 300] = '\n';
                n += 301;
        }
        memcpy(text + n, "\n", 2);
        ck_assert(!dbox_frame(head, text));
}
END_TEST

UNIT_MAIN("worker", names_of_alerts, texts_of_messages, only_silence_is_clean, the_worst_wins,
          allowed, refused_allocations, merging_keeps_the_worse, texts_are_made_printable,
          trees_are_removed, a_lost_folder_is_noticed, folders_of_the_dead_are_removed,
          only_memory_will_do, signature_files, calls_a_worker_may_not_make, no_executable_memory,
          files_out_of_reach, the_canary, a_kind_takes_no_folder, content_is_whole_or_none,
          content_keeps_a_little, frames_of_mbox, frames_of_dbox);
