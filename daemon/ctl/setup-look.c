/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the children while they run. Asks by fixed names and paths, in the C locale, and no longer than
 * some seconds. Must not interpret what they say: setup-dovecot.c and setup-read.c do.
 */

#include "daemon/ctl/setup-look.h"

#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/ctl/output.h"
#include "daemon/detect.h"
#include "daemon/io.h"

#define PROGRAM_PATH    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define IMAPD_CONF      "/etc/imapd.conf"
#define ASK_SECONDS     20
#define ANSWER_MAX      ((size_t)1 << 20)
#define FIRST_USER_UID  1000
#define LAST_USER_UID   59999
#define ASKED_USERS_MAX 200

/* ---- Programs ---- */

static void run(const char *const *argv, int out, bool quiet) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
            (quiet && dup2(null, STDERR_FILENO) < 0) || setenv("PATH", PROGRAM_PATH, 1) < 0 ||
            setenv("LC_ALL", "C", 1) < 0)
                _exit(126);
        (void)alarm(ASK_SECONDS);
        (void)execvp(argv[0], (char *const *)argv);
        _exit(errno == ENOENT ? 127 : 126);
}

/* What a program prints. 0; -ENOENT: there is none of that name; -EIO: it failed; others. */
static int ask(const char *const *argv, bool quiet, char **ret) {
        _cleanup_close_ int from = -EBADF;
        _cleanup_free_ char *text = malloc(ANSWER_MAX + 1);
        int pipe_fds[2], status;
        ssize_t n;
        pid_t pid;

        if (!text)
                return -ENOMEM;
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        from = pipe_fds[0];
        pid = fork();
        if (pid == 0)
                run(argv, pipe_fds[1], quiet);
        (void)close_fd(pipe_fds[1]);
        if (pid < 0)
                return -errno;
        n = read_full(from, text, ANSWER_MAX);
        from = close_fd(from);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                return -ENOENT;
        if (n < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return -EIO;
        text[n] = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}

/* The same of one that tells its mistakes itself. */
static int ask_aloud(const char *const *argv, char **ret) {
        int r = ask(argv, false, ret);

        if (r < 0 && r != -ENOENT && r != -ENOMEM)
                (void)output_error(argv[0], "%s; what it would tell is not in the proposal",
                                   r == -EIO ? "failed, see above" : error_text(-r));
        return r;
}

/* ---- Homes ---- */

static void homes_done(struct setup_homes *homes) {
        for (size_t i = 0; i < homes->n; i++)
                free(homes->paths[i]);
        free(homes->paths);
        free(homes->root);
        *homes = (struct setup_homes){};
}
DEFINE_CLEANUP(struct setup_homes *, homes_done);

static bool is_folder(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* 0, also for one that is left out; -ENOMEM. */
static int add_home(struct setup_homes *homes, const char *path) {
        char **paths;

        if (path[0] != '/' || path[1] == '\0' || !is_folder(path))
                return 0;
        for (size_t i = 0; i < homes->n; i++)
                if (streq(homes->paths[i], path))
                        return 0;
        paths = reallocarray(homes->paths, homes->n + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        homes->paths = paths;
        paths[homes->n] = strdup(path);
        if (!paths[homes->n])
                return -ENOMEM;
        homes->n++;
        return 0;
}

static int find_root(struct setup_homes *homes) {
        homes->root = setup_common_folder(homes->paths, homes->n);
        return homes->root ? 0 : -ENOMEM;
}

static int homes_of_system(struct setup_homes *homes) {
        int r = 0;

        setpwent();
        for (struct passwd *user; r >= 0 && (user = getpwent());)
                if (user->pw_uid >= FIRST_USER_UID && user->pw_uid <= LAST_USER_UID)
                        r = add_home(homes, user->pw_dir);
        endpwent();
        return r < 0 ? r : find_root(homes);
}

/* template: "/var/vmail/%d/%n"; each: those that exist are needed. */
static int homes_of_template(struct setup_homes *homes, const char *template, bool each) {
        _cleanup_free_ char *pattern = NULL;
        glob_t found = {};
        char *to;
        int r = 0;

        homes->root = setup_fixed_part(template);
        pattern = strdup(template);
        if (!homes->root || !pattern)
                return -ENOMEM;
        if (!each || !*homes->root)
                return 0;
        /* Each part with a variable in it becomes a star. */
        to = pattern;
        for (const char *part = template; *part;) {
                size_t n = strcspn(part, "/");

                if (memchr(part, '%', n))
                        *to++ = '*';
                else {
                        memmove(to, part, n);
                        to += n;
                }
                part += n;
                if (*part)
                        *to++ = *part++;
        }
        *to = '\0';
        if (glob(pattern, GLOB_ONLYDIR, NULL, &found) == 0)
                for (size_t i = 0; r >= 0 && i < found.gl_pathc; i++)
                        r = add_home(homes, found.gl_pathv[i]);
        globfree(&found);
        return r;
}

/* By asking the running Dovecot for its users, and some of them for their homes. */
static int homes_of_doveadm(struct setup_homes *homes) {
        static const char *const list[] = { "doveadm", "user", "*", NULL };
        _cleanup_free_ char *users = NULL;
        unsigned asked = 0;
        char *next;
        int r = ask(list, true, &users);

        if (r < 0)
                return r == -ENOMEM ? r : find_root(homes);
        next = users;
        for (char *user; r >= 0 && asked < ASKED_USERS_MAX && (user = strsep(&next, "\n"));) {
                const char *const argv[] = { "doveadm", "user", "-f", "home", user, NULL };
                _cleanup_free_ char *home = NULL;

                if (!*user || *user == '-')
                        continue;
                asked++;
                r = ask(argv, true, &home);
                if (r == -ENOMEM)
                        break;
                if (home) {
                        home[strcspn(home, "\n")] = '\0';
                        r = add_home(homes, home);
                } else
                        r = 0;
        }
        return r < 0 ? r : find_root(homes);
}

static int homes_of_dovecot(struct setup_homes *homes, const struct dovecot *dovecot) {
        if (!setup_dovecot_wants_homes(dovecot))
                return 0;
        if (dovecot->home)
                return homes_of_template(homes, dovecot->home, setup_dovecot_wants_each(dovecot));
        if (!dovecot->userdb || streq(dovecot->userdb, "passwd"))
                return homes_of_system(homes);
        return homes_of_doveadm(homes);
}

/* ---- Mail servers ---- */

static int look_at_dovecot(struct setup *setup) {
        static const char *const argv[] = { "doveconf", "-n", NULL };
        struct setup_homes found = {};
        _cleanup_(homes_donep) struct setup_homes *homes = &found;
        _cleanup_free_ char *text = NULL;
        struct dovecot dovecot;
        int r = ask_aloud(argv, &text);

        if (r < 0)
                return r == -ENOMEM ? r : 0;
        r = setup_read_dovecot(text, &dovecot);
        if (r < 0)
                return r;
        r = homes_of_dovecot(homes, &dovecot);
        if (r >= 0)
                setup_propose_dovecot(setup, &dovecot, homes);
        dovecot_done(&dovecot);
        return r;
}

static int look_at_cyrus(struct setup *setup) {
        _cleanup_free_ char *text = malloc(ANSWER_MAX + 1);
        _cleanup_close_ int fd = open(IMAPD_CONF, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t n;

        if (!text)
                return -ENOMEM;
        if (fd < 0 && errno == ENOENT)
                return 0;
        n = fd < 0 ? -errno : read_full(fd, text, ANSWER_MAX);
        if (n < 0) {
                (void)output_error(IMAPD_CONF, "%s; what it would tell is not in the proposal",
                                   error_text((int)-n));
                return 0;
        }
        text[n] = '\0';
        setup_propose_cyrus(setup, text);
        return 0;
}

static int look_at_postfix(struct setup *setup, const char *hub) {
        const char *argv[24] = { "postconf", "-x" };
        struct setup_homes found = {};
        _cleanup_(homes_donep) struct setup_homes *homes = &found;
        _cleanup_free_ char *text = NULL;
        struct postfix postfix;
        size_t n = 2;
        int r;

        for (const char *const *name = setup_postfix_names; *name; name++)
                argv[n++] = *name;
        r = ask_aloud(argv, &text);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        r = setup_read_postfix(text, &postfix);
        if (r < 0)
                return r;
        if (setup_postfix_wants_homes(&postfix))
                r = homes_of_system(homes);
        if (r >= 0)
                setup_propose_postfix(setup, &postfix, homes, hub);
        postfix_done(&postfix);
        return r;
}

/* What needs nobody to be asked. */
static void look_at_others(struct setup *setup) {
        static const struct {
                const char *server, *name, *path;
                unsigned format;
        } others[] = {
                { "Zimbra", "zimbra", "/opt/zimbra/store", STORE_FORMAT_FILES },
                { "Kopano", "kopano", "/var/lib/kopano/attachments", STORE_FORMAT_FILES },
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                if (!is_folder(others[i].path))
                        continue;
                setup_found(setup, others[i].server);
                setup_add(setup, others[i].name, others[i].path, others[i].format,
                          STORE_KIND_MAILBOX, "Its usual folder.");
        }
}

/* ---- Folders ---- */

static bool has_filesystem(const char *path, const struct stat *st) {
        _cleanup_free_ char *parent = NULL;
        struct stat above;

        return asprintf(&parent, "%s/..", path) >= 0 && stat(parent, &above) == 0 &&
               above.st_dev != st->st_dev;
}

/* Finds a format that no setting tells. */
static void find_format(struct setup *setup, struct setup_store *store) {
        struct detected found[2] = {};
        int r = detect_format(store->path, NULL, 0, found);

        free(found[0].by);
        free(found[1].by);
        if (r == 0) {
                store->format = found[0].format;
                return;
        }
        store->problem = strdup("What is in it does not tell one format: write which it is, as "
                                "maildir or mbox, and uncomment this.");
        if (!store->problem)
                setup->no_memory = true;
}

static void look_at_folder(struct setup *setup, struct setup_store *store) {
        _cleanup_free_ char *real = realpath(store->path, NULL);
        struct stat st;
        int error = 0;

        if (!real || stat(real, &st) < 0)
                error = errno;
        else if (!S_ISDIR(st.st_mode))
                error = ENOTDIR;
        if (error > 0) {
                if (asprintf(&store->problem,
                             "It is not there (%s): make it, or mount what it is on; then "
                             "uncomment this, or run setup again.",
                             error_text(error)) < 0) {
                        store->problem = NULL;
                        setup->no_memory = true;
                }
                return;
        }
        free(store->path);
        store->path = TAKE_PTR(real);
        store->has_filesystem = has_filesystem(store->path, &st);
        if (store->format == SETUP_FORMAT_FIND)
                find_format(setup, store);
}

/* Two settings may name one folder, one of them by a link. */
static void compare_with_earlier(struct setup *setup, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (streq(setup->stores[k].path, setup->stores[i].path))
                        setup->stores[i].known_as = setup->stores[k].name;
}

int setup_look(struct setup *setup, const char *hub) {
        int r = look_at_dovecot(setup);

        if (r >= 0)
                r = look_at_cyrus(setup);
        if (r >= 0)
                r = look_at_postfix(setup, hub);
        if (r < 0)
                return r;
        look_at_others(setup);
        for (size_t i = 0; i < setup->n_stores; i++) {
                look_at_folder(setup, &setup->stores[i]);
                compare_with_earlier(setup, i);
        }
        return setup->no_memory ? -ENOMEM : 0;
}
