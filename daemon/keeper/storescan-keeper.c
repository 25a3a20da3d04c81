/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescan-keeper: runs storescand as its child, and runs it again, at once, should it die: with the marks and
 * the openers that it had, which relay.h keeps, and in the sandbox that there is. So a crash costs openers the
 * start of a process, not that of a service, and where there is no service manager it opens no store.
 *
 * Owns: the child, what it has left behind when it is no more, the signals. Must not own: the group (it never
 * reads it, and two readers would answer each other's events), any decision about a file, the sandbox.
 *
 * With --manager, a storescand that can not be run ends the keeper in the same way, so that the service
 * manager, which keeps the same fds, sees it and begins anew. Where there is none, or one that keeps nothing,
 * nobody else would: it is tried on, once a second. Without anything that is kept there is nothing to be careful of, and no reason to try again.
 *
 * Told to end while there is none, or one that ends without letting go of the group, where nobody else keeps
 * anything: another is started to end, since a storescand alone can answer those who wait. One that can't be run is
 * not waited for. The same holds where the service manager can't be given what it is to keep. How the one before
 * ended says nothing: whom somebody else told to end, as who tells all processes does, leaves those who wait to the
 * next one.
 *
 * The end of the last that holds the group lets all who wait through, so that it is what relay_close() does
 * last, behind all that could still need it.
 */

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <syslog.h>

#include "daemon/clock.h"
#include "daemon/keep.h"
#include "daemon/keeper/relay.h"
#include "store/util.h"

#define FAILURES_MAX 3U           /* starts in a row of which none came to be ready */
#define AGAIN_USEC   USEC_PER_SEC /* between such starts, where nobody else would begin anew */
#define PAUSE_USEC   (100 * USEC_PER_MSEC) /* behind one: what it lacked may be there then */
#define END_USEC     (30 * USEC_PER_SEC) /* for storescand to end, where nobody else would end it */
#define LEFT_USEC    (5 * USEC_PER_SEC)  /* for what was left behind, to be gone */
#define ABORT_USEC   (5 * USEC_PER_SEC)  /* for storescand to abort */
#define NOT_RUN      203                 /* of a program that can't be executed; systemd.exec(5) */

struct keeper {
        char **command; /* of storescand */
        struct relay relay;
        int signal_fd;
        pid_t child;          /* 0: there is none */
        int status;           /* of the one before, as of waitpid(2) */
        unsigned failures;    /* starts in a row that came to nothing */
        bool managed;         /* there is a service manager that keeps the same fds */
        bool started;         /* one, at least: children are not those of whoever became us */
        bool stopped;         /* while there was no child */
        bool last;            /* one is started, or was, to answer who waits and to end */
        bool reaped;          /* somebody, who may have had children */
        bool aborts;          /* the service manager has given it up */
        bool over;            /* status is ours, too */
        bool told_of_losses;  /* of messages */
        uint64_t start_usec;  /* when the next one is due; USEC_INFINITY: there is one */
        uint64_t wait_until;  /* for what the one before has left behind */
        uint64_t abort_until; /* for the child; USEC_INFINITY: nothing ends it but itself */
};

/* ---- The log ---- */

/* To stderr, as long as that does not make us wait: the journal may wait for an open, too. */
static void say(int level, const char *format, ...) _printf_(2, 3);

static void say(int level, const char *format, ...) {
        struct pollfd to = { .fd = STDERR_FILENO, .events = POLLOUT };
        char text[512], line[600];
        struct stat st;
        bool socket;
        va_list ap;
        int n;

        va_start(ap, format);
        (void)vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        /* Of the journal, which reads the level from it (sd-daemon(3)). */
        socket = fstat(STDERR_FILENO, &st) == 0 && S_ISSOCK(st.st_mode);
        n = socket ? snprintf(line, sizeof(line), "<%d>storescan-keeper: %s\n", level, text)
                   : snprintf(line, sizeof(line), "storescan-keeper: %s\n", text);
        if (n < 0)
                return;
        if (socket)
                (void)send(STDERR_FILENO, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
        else if (poll(&to, 1, 0) > 0 && (to.revents & POLLOUT))
                (void)!write(STDERR_FILENO, line, (size_t)n);
}

static const char *how(int status, char ret[static 64]) {
        if (WIFSIGNALED(status))
                (void)snprintf(ret, 64, "was ended by SIG%s",
                               sigabbrev_np(WTERMSIG(status)) ?: "?");
        else
                (void)snprintf(ret, 64, "ended with status %d", WEXITSTATUS(status));
        return ret;
}

static void tell_losses(struct keeper *k) {
        if (k->told_of_losses || k->relay.refused + k->relay.not_passed == 0)
                return;
        k->told_of_losses = true;
        say(LOG_WARNING, "%u messages were not taken, and %u not passed on to the service manager.",
            k->relay.refused, k->relay.not_passed);
}

/* ---- Capabilities ---- */

/* Those in effect: of what we may, these. What we may is what a child gets. */
static void have_in_effect(uint32_t capabilities) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};

        if (syscall(SYS_capget, &header, data) < 0)
                return;
        data[0].effective = data[0].permitted & capabilities;
        data[1].effective = data[1].permitted & (capabilities == UINT32_MAX ? UINT32_MAX : 0);
        (void)syscall(SYS_capset, &header, data);
}

/* ---- What a storescand leaves behind ---- */

/* A worker can touch nothing but memory that goes with it, and its folder, which the next loader removes. */
static bool is_worker(pid_t pid) {
        char path[64], name[32] = "";
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd >= 0 ? read(fd, name, sizeof(name) - 1) : -1;
        return n > 0 && startswith(name, "storescan-worke");
}

/* Its children become ours. Nobody but it had anything for them to do. Whether some are there whom the next
 * one should not meet. */
static bool end_leftovers(const struct keeper *k) {
        char path[64];
        bool left = false;
        FILE *file;
        int pid;

        if (!k->started)
                return false;
        (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
        file = fopen(path, "re");
        if (!file)
                return false; /* they end by themselves, when they notice */
        while (fscanf(file, "%d", &pid) == 1)
                if (pid != k->child && kill(pid, SIGKILL) == 0 && !is_worker(pid))
                        left = true;
        (void)fclose(file);
        return left;
}

/* ---- The child ---- */

/* Signals to us that are for storescand. It takes them when it can: who comes before does not end it. */
static const int passed[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

static _Noreturn void become(const struct keeper *k, pid_t parent) {
        sigset_t set;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
                _exit(NOT_RUN);
        if (relay_hand_over(&k->relay) < 0)
                _exit(NOT_RUN);
        /* What a terminal sends to a whole group reaches us alone, so that it knows who ends it. */
        (void)setpgid(0, 0);
        (void)unsetenv(KEEPER_ALONE);
        if (setenv(KEEPER, "yes", 1) < 0 ||
            ((!k->managed || k->last) &&
             setenv(KEEPER_ALONE, k->last ? KEEPER_LAST : "yes", 1) < 0))
                _exit(NOT_RUN);
        have_in_effect(UINT32_MAX);
        (void)sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(passed); i++)
                (void)sigaddset(&set, passed[i]);
        (void)sigprocmask(SIG_SETMASK, &set, NULL);
        (void)execv(k->command[0], k->command);
        say(LOG_ERR, "Failed to run %s: %s.", k->command[0], error_text(errno));
        _exit(NOT_RUN);
}

static void start(struct keeper *k) {
        pid_t parent = getpid(), pid = fork();

        if (pid == 0)
                become(k, parent);
        if (pid < 0 && k->last) {
                k->over = true;
                return;
        }
        if (pid < 0) {
                say(LOG_ERR, "Failed to make a process: %s.", error_text(errno));
                k->start_usec = now_usec() + AGAIN_USEC;
                return;
        }
        k->child = pid;
        k->started = true;
        k->relay.ready = false;
        k->start_usec = k->abort_until = USEC_INFINITY;
        if (k->last) {
                (void)kill(pid, SIGTERM); /* it is blocked until it can be taken */
                k->abort_until = now_usec() + END_USEC;
        }
        /* It has as much time as one that the manager starts. */
        if (k->failures == 0 && k->relay.manager.watchdog_usec > 0)
                relay_tell(&k->relay, "WATCHDOG=1");
}

/* Somebody may wait, whom the end of the last that holds the group would let through. */
static bool has_openers(const struct relay *relay) {
        return relay_keeps(relay, KEEP_GATE_NAME) || relay_keeps(relay, KEEP_BEFORE_NAME);
}

/* Whether there is still to be one, behind which the stores are open. */
static bool start_last(struct keeper *k, uint64_t now) {
        if (k->aborts || k->last || !has_openers(&k->relay) ||
            (k->managed && relay_deliver(&k->relay)))
                return false;
        k->last = k->stopped = true;
        k->start_usec = now;
        return true;
}

/* What comes of it that there is no child any more. */
static void decide(struct keeper *k, uint64_t now) {
        bool wait = false;
        char text[64];

        if (k->relay.ends && start_last(k, now)) {
                k->wait_until = now + LEFT_USEC;
                say(LOG_WARNING, "storescand %s; it is started again, to answer who waits.",
                    how(k->status, text));
                return;
        }
        k->failures = k->relay.ready ? 0 : k->failures + 1;
        k->over = k->relay.ends || k->aborts || k->relay.n_kept == 0 ||
                  (WIFEXITED(k->status) && WEXITSTATUS(k->status) == EX_CONFIG);
        if (k->over)
                return;
        if (k->failures >= FAILURES_MAX) {
                /* Not before the manager has all that it is to keep. */
                k->over = k->managed && !k->relay.first;
                wait = true;
        }
        k->start_usec = wait ? now + AGAIN_USEC : k->failures > 0 ? now + PAUSE_USEC : now;
        k->wait_until = now + LEFT_USEC;
        relay_tell(&k->relay, "STATUS=storescand is started again.");
        say(LOG_WARNING, "storescand %s%s", how(k->status, text),
            k->over ? " again before it was ready; the service is to begin anew."
            : wait  ? " again before it was ready; it is started once a second."
                    : "; it is started again, with its marks and who waits.");
}

static void reap(struct keeper *k) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                k->reaped = true;
                if (pid != k->child)
                        continue;
                relay_receive(&k->relay, k->child, true);
                k->child = 0;
                k->status = status;
                decide(k, now_usec());
        }
}

/* ---- Signals ---- */

static void pass_signal(struct keeper *k, int number) {
        if (number == SIGTERM || number == SIGINT)
                k->relay.ends = true;
        if (k->child > 0) {
                (void)kill(k->child, number);
                if (k->relay.ends && !k->managed && k->abort_until == USEC_INFINITY)
                        k->abort_until = now_usec() + END_USEC;
        } else if (k->relay.ends && !k->last && !start_last(k, now_usec()))
                k->over = k->stopped = true;
}

/* By a service manager's watchdog: storescand goes, whatever state it is in, and so do we. Of anybody else it is
 * no reason to open the stores. */
static void abort_child(struct keeper *k) {
        k->aborts = k->relay.manager.sock >= 0;
        k->over = k->over || (k->aborts && k->child == 0);
        if (k->child == 0)
                return;
        (void)kill(k->child, SIGABRT);
        (void)kill(k->child, SIGCONT);
        k->abort_until = now_usec() + ABORT_USEC;
}

static void take_signals(struct keeper *k) {
        struct signalfd_siginfo info;

        while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info))
                switch (info.ssi_signo) {
                case SIGCHLD: break;
                case SIGABRT: abort_child(k); break;
                default: pass_signal(k, (int)info.ssi_signo);
                }
        reap(k);
}

static int open_signals(struct keeper *k) {
        static const int own[] = { SIGCHLD, SIGABRT, SIGUSR2 };
        sigset_t set;

        (void)sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(passed); i++)
                (void)sigaddset(&set, passed[i]);
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                (void)sigaddset(&set, own[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(
                SIGCHLD,
                SIG_DFL); /* whoever became us may have ignored it: nobody could be waited for */
        k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return k->signal_fd < 0 ? -errno : 0;
}

/* ---- The loop ---- */

/* Starts one if it is time to; returns when to look again. */
static uint64_t run_child(struct keeper *k) {
        uint64_t now = now_usec();
        bool left = (k->child == 0 || k->reaped) && end_leftovers(k);

        k->reaped = false;
        if (k->child > 0 && now >= k->abort_until) {
                (void)kill(k->child, SIGKILL);
                k->abort_until = USEC_INFINITY;
        }
        if (k->child > 0 || k->over)
                return k->abort_until;
        if (left && now < k->wait_until)
                return k->wait_until; /* or when they end */
        if (now >= k->start_usec)
                start(k);
        return k->start_usec;
}

static int run(struct keeper *k) {
        while (!k->over) {
                uint64_t due = run_child(k), now = now_usec();
                struct pollfd fds[] = {
                        { .fd = k->signal_fd, .events = POLLIN },
                        { .fd = relay_listens(&k->relay) ? k->relay.sock : -1, .events = POLLIN },
                        { .fd = k->relay.first ? k->relay.manager.sock : -1, .events = POLLOUT },
                };
                struct timespec wait = {};

                if (due > now && due != USEC_INFINITY)
                        wait = (struct timespec){ .tv_sec = (time_t)((due - now) / USEC_PER_SEC),
                                                  .tv_nsec = (long)((due - now) % USEC_PER_SEC *
                                                                    1000) };
                if (ppoll(fds, ELEMENTSOF(fds), due == USEC_INFINITY ? NULL : &wait, NULL) < 0 &&
                    errno != EINTR)
                        return -errno;
                relay_receive(&k->relay, k->child, false);
                relay_pass(&k->relay);
                take_signals(k);
                tell_losses(k);
        }
        return 0;
}

/* Whoever keeps nothing for a next one opens the stores by ending. storescand tells of that, if it still can. */
static void tell_end(const struct keeper *k) {
        char text[64];

        if (k->relay.n_kept == 0)
                return;
        if (!k->managed || k->last)
                say(k->relay.ends ? LOG_NOTICE : LOG_ERR,
                    "storescand %s: the stores are OPEN from here on.", how(k->status, text));
        else if (WIFEXITED(k->status) && WEXITSTATUS(k->status) == EX_CONFIG)
                say(LOG_ERR, "storescand can't start, and is not started again: the stores are "
                             "OPEN from here on.");
        else if (k->relay.ends && (k->stopped || k->status != 0))
                say(LOG_NOTICE,
                    "storescand %s. After systemctl stop the stores are OPEN from here on.",
                    how(k->status, text));
}

/* Ends as storescand did, so that who looks at us sees it. */
static int end(struct keeper *k) {
        static const struct rlimit no_core = {};
        int number = k->aborts ? SIGABRT : WIFSIGNALED(k->status) ? WTERMSIG(k->status) : 0;
        sigset_t set;

        (void)end_leftovers(k);
        tell_end(k);
        relay_close(&k->relay);
        if (k->stopped)
                return EXIT_SUCCESS;
        if (number == 0)
                return WEXITSTATUS(k->status);
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(number, SIG_DFL);
        (void)sigemptyset(&set);
        (void)sigaddset(&set, number);
        (void)raise(number);
        (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
        return EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        bool managed = argc > 1 && streq(argv[1], "--manager");
        struct keeper k = {
                .command = argv + 1 + managed,
                .signal_fd = -EBADF,
                .abort_until = USEC_INFINITY,
        };
        int r;

        if (!k.command[0] || k.command[0][0] != '/') {
                bool asked = argc == 2 && streq(argv[1], "--help");

                fprintf(asked ? stdout : stderr,
                        "storescan-keeper [--manager] /PATH/TO/storescand [OPTIONS...]\n\n"
                        "Runs storescand, and runs it again should it crash, with the stores "
                        "closed meanwhile.\n\n"
                        "  --manager  a service manager keeps the same marks "
                        "(FileDescriptorStoreMax=)\n\n"
                        "See the storescand(8) man page.\n");
                return asked ? EXIT_SUCCESS : EX_USAGE;
        }
        r = open_signals(&k);
        if (r >= 0)
                r = relay_open(&k.relay);
        if (r < 0) {
                say(LOG_ERR, "It can't be set up: %s.", error_text(-r));
                return EXIT_FAILURE;
        }
        k.managed = managed && k.relay.manager.sock >= 0;
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        have_in_effect(1U << CAP_KILL);
        r = run(&k);
        if (r < 0) {
                say(LOG_ERR, "It can't go on: %s.", error_text(-r));
                return EXIT_FAILURE;
        }
        return end(&k);
}
