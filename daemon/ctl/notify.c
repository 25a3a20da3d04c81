/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verb "quarantine notify": one mail a day at most to each owner of replaced mail, by sendmail. What
 * it may cost is a mail too few, never one too many: that an owner was told is noted, durably, before
 * sendmail runs, and taken back if it fails.
 */

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/ctl/letter.h"
#include "daemon/ctl/notices.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/quarantine-verbs.h"
#include "daemon/io.h"
#include "daemon/new-file.h"

#define FILE_NAME "notices"
#define TEXT_MAX  ((size_t)16 * 1024 * 1024)

/* ---- Who was told ---- */

static int read_notices(int folder, struct notices *ret, unsigned *ret_line) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        ssize_t size;
        struct stat st;

        *ret_line = 0;
        fd = openat(folder, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                *ret = (struct notices){};
                return 0;
        }
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > TEXT_MAX)
                return -EMEDIUMTYPE;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        size = read_full(fd, text, (size_t)st.st_size);
        if (size < 0)
                return (int)size;
        return notices_parse(text, (size_t)size, ret, ret_line);
}

static int save_notices(int folder, const struct notices *notices) {
        _cleanup_free_ char *text = NULL;
        size_t size;

        text = notices_format(notices, &size);
        if (!text)
                return -ENOMEM;
        return own_file_save(folder, FILE_NAME, text, size);
}

/* ---- The mail ---- */

/* Hands a mail to the local user name to sendmail. STATUS_*. */
static int send_letter(const char *sendmail, const char *user, const char *text, size_t size) {
        char *argv[] = { (char *)sendmail, (char *)"-i", (char *)"--", (char *)user, NULL };
        _cleanup_close_ int from = -EBADF, to = -EBADF;
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t pipe_signal;
        int fds[2], status, r;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return output_error(sendmail, "%s", error_text(errno));
        from = fds[0];
        to = fds[1];
        /* What we ignore, sendmail need not. None of these fails in glibc but for memory. */
        (void)sigemptyset(&pipe_signal);
        (void)sigaddset(&pipe_signal, SIGPIPE);
        r = posix_spawnattr_init(&attributes);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawn_file_actions_init(&actions);
        if (r == 0) {
                r = posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
                if (r == 0)
                        r = posix_spawn(&pid, sendmail, &actions, &attributes, argv, environ);
                (void)posix_spawn_file_actions_destroy(&actions);
        }
        (void)posix_spawnattr_destroy(&attributes);
        if (r != 0)
                return output_error(sendmail, "%s; no mail was sent", error_text(r));
        from = close_fd(from);
        r = write_full(to, text, size);
        to = close_fd(to);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return output_error(sendmail, "%s", error_text(errno));
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return output_error(sendmail, "ended with %s %d; no mail to %s",
                                    WIFEXITED(status) ? "status" : "signal",
                                    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                                    user);
        return r < 0 ? output_error(sendmail, "%s", error_text(-r)) : STATUS_OK;
}

/* ---- Whom to tell what ---- */

struct told {
        struct quarantine *records; /* of new items; those of all owners */
        const char **ids;
        size_t n;
};

static void told_done(struct told *told) {
        free(told->records);
        free(told->ids);
        *told = (struct told){};
}
DEFINE_CLEANUP(struct told *, told_done);

/* Reads what was replaced. What is damaged is told by list and clean. */
static int read_items(const struct shelf *shelf, struct told *ret) {
        *ret = (struct told){
                .records = calloc(shelf->n_ids + 1, sizeof(*ret->records)),
                .ids = calloc(shelf->n_ids + 1, sizeof(*ret->ids)),
        };
        if (!ret->records || !ret->ids) {
                told_done(ret);
                return -ENOMEM;
        }
        for (size_t i = 0; i < shelf->n_ids; i++) {
                struct quarantine *q = &ret->records[ret->n];
                unsigned line;

                if (shelf_read(shelf, shelf->ids[i], q, &line) >= 0 &&
                    q->state == QUARANTINE_REPLACED)
                        ret->ids[ret->n++] = shelf->ids[i];
        }
        return 0;
}

/* Sends the mail of one owner, if he has new items and may have one. */
static int tell_owner(const struct config *config, int folder, struct notices *notices, uid_t uid,
                      const struct told *items) {
        _cleanup_free_ struct letter_item *lines = calloc(items->n, sizeof(*lines));
        _cleanup_free_ char *text = NULL;
        struct notices_owner *owner = notices_owner(notices, uid), before;
        char host[256] = "";
        struct passwd *user;
        size_t n = 0, size;
        uint64_t now = output_now();
        int r;

        if (!lines || !owner)
                return output_error("notify", "%s", error_text(ENOMEM));
        before = *owner;
        if (!notices_may_send(owner, now))
                return STATUS_OK;
        for (size_t i = 0; i < items->n; i++) {
                const struct quarantine *q = &items->records[i];

                if (q->uid != uid || !notices_is_new(&before, items->ids[i]))
                        continue;
                lines[n++] =
                        (struct letter_item){ q->time_usec, q->context.from, q->context.subject,
                                              q->signature, items->ids[i] };
                (void)snprintf(owner->id, sizeof(owner->id), "%s", items->ids[i]);
        }
        if (n == 0)
                return STATUS_OK;
        user = getpwuid(uid);
        if (!user) {
                *owner = before;
                fprintf(stderr, "storescanctl: no user has uid %u; nobody is told of %zu items.\n",
                        (unsigned)uid, n);
                return STATUS_FOUND;
        }
        (void)gethostname(host, sizeof(host) - 1);
        text = letter_write(user->pw_name, host, lines, n, &size);
        if (!text)
                return output_error("notify", "%s", error_text(ENOMEM));
        owner->time_usec = now;
        r = save_notices(folder, notices);
        if (r < 0)
                return output_error(config->quarantine_directory,
                                    FILE_NAME ": %s; no mail was sent", error_text(-r));
        if (send_letter(config->quarantine_sendmail, user->pw_name, text, size) == STATUS_OK) {
                printf("%s: told of %zu %s\n", user->pw_name, n, n == 1 ? "item" : "items");
                return STATUS_OK;
        }
        *owner = before;
        (void)save_notices(folder, notices);
        return STATUS_ERROR;
}

int verb_quarantine_notify(const struct ctl *ctl, char **args, int n) {
        struct shelf opened = { .folder = -EBADF };
        _cleanup_(shelf_closep) struct shelf *shelf = &opened;
        _cleanup_(config_freep) struct config *config = NULL;
        struct notices read = {};
        _cleanup_(notices_donep) struct notices *notices = &read;
        struct told found = {};
        _cleanup_(told_donep) struct told *items = &found;
        unsigned line;
        int worst = quarantine_open(ctl, &config, shelf), r;

        if (!config || !config->quarantine_notify || shelf->folder < 0)
                return worst;
        /* It may have been given us to read the configuration, and is nothing for sendmail. */
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        /* sendmail that ends early is told by its status. */
        (void)signal(SIGPIPE, SIG_IGN);
        if (flock(shelf->folder, LOCK_EX) < 0)
                return output_error(config->quarantine_directory, "%s", error_text(errno));
        r = read_notices(shelf->folder, notices, &line);
        if (r == -EINVAL)
                return output_error(config->quarantine_directory,
                                    "line %u of " FILE_NAME " is damaged; delete the file, and "
                                    "owners are told again of what is in quarantine",
                                    line);
        if (r >= 0)
                r = read_items(shelf, items);
        if (r < 0)
                return output_error(config->quarantine_directory, FILE_NAME ": %s", error_text(-r));
        for (size_t i = 0; i < items->n; i++) {
                bool done = false;

                for (size_t j = 0; j < i && !done; j++)
                        done = items->records[j].uid == items->records[i].uid;
                if (done)
                        continue;
                r = tell_owner(config, shelf->folder, notices, items->records[i].uid, items);
                worst = MAX(worst, r);
        }
        return worst;
}
