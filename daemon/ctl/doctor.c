/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verb "doctor": looks at the kernel and at the installation, piece by piece, and says of each what
 * is wrong and what to do. Changes nothing. Its exit status is that of monitoring plugins: 0 all is
 * well, 1 something should be looked at, 2 mail is not guarded, or not as it should be.
 */

#include "daemon/ctl/doctor.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "daemon/admission.h"
#include "daemon/clamd/address.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/escape.h"
#include "daemon/ctl/health.h"
#include "daemon/ctl/output.h"
#include "daemon/keys.h"

#define DAY_SECONDS (24 * 3600)
#define OPEN_MSEC   10000

static const char *const finding_names[] = {
        [FINDING_OK] = "ok",
        [FINDING_WARNING] = "warning",
        [FINDING_CRITICAL] = "critical",
};

static_assert(ELEMENTSOF(finding_names) == _FINDING_MAX, "a name for each");

static const enum output_color finding_colors[] = {
        [FINDING_OK] = OUTPUT_GOOD,
        [FINDING_WARNING] = OUTPUT_WARNING,
        [FINDING_CRITICAL] = OUTPUT_BAD,
};

static_assert(ELEMENTSOF(finding_colors) == _FINDING_MAX, "a colour for each");

void doctor_say(struct doctor *doctor, enum finding finding, const char *check, const char *advice,
                const char *format, ...) {
        _cleanup_free_ char *shown = NULL;
        char text[1024];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        doctor->worst = MAX(doctor->worst, finding);
        if (doctor->json) {
                putchar('{');
                output_json("check", check, strlen(check));
                putchar(',');
                output_json("result", finding_names[finding], strlen(finding_names[finding]));
                putchar(',');
                output_json("text", text, strlen(text));
                putchar(',');
                output_json("advice", advice, strlen(advice));
                puts("}");
                return;
        }
        shown = escape_terminal(text, strlen(text));
        printf("%s%-9s%s %-12s %s\n", output_color(finding_colors[finding]), finding_names[finding],
               output_color(OUTPUT_PLAIN), check, shown ?: "?");
        if (advice[0])
                printf("%-9s %-12s -> %s\n", "", "", advice);
}

/* ---- The kernel ---- */

static void look_at_kernel(struct doctor *doctor) {
        struct admission_result results[ADMISSION_MAX];
        int n = admission_run(results);

        if (n < 0)
                doctor_say(
                        doctor, FINDING_WARNING, "kernel",
                        n == -EPERM
                                ? "Run it by sudo."
                                : "See the requirements in the README; storescand needs fanotify.",
                        "It could not be tried: %s", error_text(-n));
        for (int i = 0; i < n; i++)
                doctor_say(doctor, results[i].good ? FINDING_OK : FINDING_CRITICAL, "kernel",
                           results[i].good
                                   ? ""
                                   : "Boot another kernel; storescand does not start on this one.",
                           "%s: %s%s%s", results[i].name, results[i].what,
                           results[i].good ? "" : "; but ", results[i].detail);
}

/* ---- Configuration and keys ---- */

static struct config *look_at_config(struct doctor *doctor, const char *path) {
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_free_ char *errors = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&errors, &size);
        int r = f ? config_load(path, f, &config) : -ENOMEM;

        if (r >= 0)
                r = config_find_formats(config, f, f);
        if (f)
                (void)fclose(f);
        if (r < 0) {
                doctor_say(doctor, FINDING_CRITICAL, "config",
                           "Mend it; 'storescanctl check-config' names all mistakes.", "%.*s",
                           (int)(errors ? strcspn(errors, "\n") : 0), errors ?: "");
                return NULL;
        }
        doctor_say(doctor, FINDING_OK, "config", "", "it is valid and has %zu store%s",
                   config->n_stores, config->n_stores == 1 ? "" : "s");
        return TAKE_PTR(config);
}

static void look_at_keys(struct doctor *doctor, const struct config *config) {
        _cleanup_(keys_freep) struct keys *keys = NULL;
        _cleanup_free_ char *errors = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&errors, &size);
        int r = f ? keys_load(config->keys, NULL, f, &keys) : -ENOMEM;

        if (f)
                (void)fclose(f);
        if (r < 0)
                doctor_say(doctor, r == -EACCES ? FINDING_WARNING : FINDING_CRITICAL, "keys",
                           r == -EACCES ? "Run it by sudo."
                                        : "Mend it; storescand does not start with such a key.",
                           "%.*s", (int)(errors ? strcspn(errors, "\n") : 0), errors ?: "");
        else
                doctor_say(doctor, FINDING_OK, "keys", "", "%zu key%s in %s, for stamps of hubs",
                           keys_count(keys), keys_count(keys) == 1 ? "" : "s", config->keys);
}

/* ---- Signatures ---- */

static void look_at_database(struct doctor *doctor, const struct config *config) {
        static const char *const daily[] = { "daily.cvd", "daily.cld" };
        _cleanup_close_ int folder = open(config->database, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        time_t newest = 0, now = time(NULL);
        struct stat st;

        if (folder < 0) {
                doctor_say(doctor, FINDING_CRITICAL, "database",
                           "Install signatures (freshclam), or name their folder as [scanner] "
                           "database.",
                           "%s: %s", config->database, error_text(errno));
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(daily); i++)
                if (fstatat(folder, daily[i], &st, 0) == 0)
                        newest = MAX(newest, st.st_mtime);
        if (newest == 0)
                doctor_say(doctor, FINDING_WARNING, "database",
                           "If these are not signatures of your own, run freshclam.",
                           "%s has no daily.cvd or daily.cld", config->database);
        else if (now - newest > (time_t)SIGNATURES_DAYS_MAX * DAY_SECONDS)
                doctor_say(doctor, FINDING_WARNING, "database",
                           "See why: systemctl status clamav-freshclam",
                           "the signatures in %s are %lld days old", config->database,
                           (long long)((now - newest) / DAY_SECONDS));
        else
                doctor_say(doctor, FINDING_OK, "database", "",
                           "the signatures in %s are %lld hours old", config->database,
                           (long long)(MAX(now - newest, 0) / 3600));
}

/* ---- Servers ---- */

/* clamd obeys whoever can connect. */
static void look_at_servers(struct doctor *doctor, const struct config *config) {
        struct clamd_address addresses[CLAMD_SERVERS_MAX];
        const char *bad;
        size_t n_bad;
        int n = clamd_addresses_parse(config->clamd, addresses, &bad, &n_bad), n_far = 0;

        for (int i = 0; i < n; i++) {
                if (clamd_address_is_here(&addresses[i]))
                        continue;
                n_far++;
                doctor_say(
                        doctor, FINDING_WARNING, "clamd",
                        "Let clamd listen on a socket or 127.0.0.1 only, and go there by stunnel; "
                        "see CLAMD SERVERS in storescan.conf(5).",
                        "%s is reached without encryption, and obeys whoever connects",
                        addresses[i].text);
        }
        if (n_far == 0)
                doctor_say(doctor, FINDING_OK, "clamd", "", "%d server%s, on this machine", n,
                           n == 1 ? "" : "s");
}

/* ---- Stores ---- */

/* On a file without a name, which is gone with its fd. */
static int try_stamp(const char *path) {
        static const char name[] = "trusted.storescan-doctor";
        _cleanup_close_ int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int fd = -EBADF;

        if (folder < 0)
                return -errno;
        fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        return fsetxattr(fd, name, "1", 1, 0) < 0 ? -errno : 0;
}

/* The same in a process of its own: where opens get no answer, that one waits. -ETIMEDOUT: it did. */
static int try_stamp_apart(const char *path) {
        _cleanup_close_ int pidfd = -EBADF;
        pid_t pid = fork();
        struct pollfd p;
        int status;

        if (pid < 0)
                return -errno;
        if (pid == 0)
                _exit(-try_stamp(path));
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
        if (pidfd < 0 || poll(&p, 1, OPEN_MSEC) <= 0) {
                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, &status, 0);
                return -ETIMEDOUT;
        }
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static void look_at_store(struct doctor *doctor, const struct config_store *store) {
        int r = try_stamp_apart(store->path);

        if (r >= 0)
                doctor_say(doctor, FINDING_OK, "store", "", "'%s': %s, %s; stamps can be kept",
                           store->name, store->path, store_format_name(store->format));
        else if (r == -ETIMEDOUT)
                doctor_say(doctor, FINDING_CRITICAL, "store",
                           "See 'systemctl status storescand', and restart it if nothing helps.",
                           "'%s': an open in %s gets no answer", store->name, store->path);
        else if (r == -ENOENT || r == -ENOTDIR)
                doctor_say(doctor, FINDING_CRITICAL, "store",
                           "Correct its path, or mount what belongs there.", "'%s': %s: %s",
                           store->name, store->path, error_text(-r));
        else if (r == -EACCES || r == -EPERM)
                doctor_say(doctor, FINDING_WARNING, "store", "Run it by sudo.",
                           "'%s': %s can't be looked at: %s", store->name, store->path,
                           error_text(-r));
        else
                doctor_say(doctor, FINDING_WARNING, "store",
                           "Verdicts are kept in memory only; a file system such as ext4, xfs or "
                           "btrfs keeps them.",
                           "'%s': no stamps can be tried in %s: %s", store->name, store->path,
                           error_text(-r));
}

int verb_doctor(const struct ctl *ctl, char **args, int n) {
        _cleanup_(config_freep) struct config *config = NULL;
        struct doctor doctor = { .json = ctl->json };

        look_at_kernel(&doctor);
        config = look_at_config(&doctor, ctl->config);
        if (config) {
                if (config_loads_signatures(config))
                        look_at_database(&doctor, config);
                if (config->engine == ENGINE_CLAMD)
                        look_at_servers(&doctor, config);
                doctor_look_at_ports(&doctor, config);
                look_at_keys(&doctor, config);
                for (size_t i = 0; i < config->n_stores; i++)
                        look_at_store(&doctor, &config->stores[i]);
        }
        doctor_look_at_daemon(&doctor);
        doctor_look_at_units(&doctor);
        doctor_look_at_others(&doctor);
        return doctor.worst == FINDING_OK        ? STATUS_OK
               : doctor.worst == FINDING_WARNING ? STATUS_FOUND
                                                 : STATUS_ERROR;
}
