/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the thread, which makes one round over all stores and ends, and the results. The file has no
 * name at any time: nobody meets it, and it is gone with its last close. A file system that is frozen
 * or stuck keeps the thread, and nothing else; results then grow old.
 */

#include "daemon/selftest.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/clock.h"
#include "daemon/proc-fd.h"

#define AGAIN_USEC   (20 * USEC_PER_MSEC) /* until a round that is under way is looked at again */
#define CONFIRM_USEC USEC_PER_SEC         /* until what passed by is looked at once more */
#define END_USEC     (3 * USEC_PER_SEC)

struct check {
        char *store, *path;
        enum hook hook;
        int error;
        uint64_t checked_usec;
};

struct selftest {
        const struct config *config;
        const struct store_states *states;
        struct stats *stats;
        struct journal *journal;
        uint64_t next_usec, begun_usec;
        unsigned failures; /* rounds in a row in which something passed by */
        struct selftest_result *results;
        size_t n_results;
        unsigned changes; /* rounds that brought anything new */

        /* The round. */
        pthread_t thread;
        bool started;
        struct check *checks;
        size_t n_checks;

        /* The file that is being opened; shared. */
        _Atomic(bool) armed;
        _Atomic(uint64_t) dev, ino;
};

const char *hook_name(enum hook hook) {
        static const char *const names[] = {
                [HOOK_UNKNOWN] = "unknown",
                [HOOK_YES] = "yes",
                [HOOK_NO] = "no",
        };

        static_assert(ELEMENTSOF(names) == _HOOK_MAX, "a name for each");
        return (unsigned)hook < _HOOK_MAX ? names[hook] : "invalid";
}

/* ---- The thread ---- */

/* Folders of mail may be written to by their owners alone. Of this thread only (capset(2)). */
static void set_override(bool on) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};

        if (syscall(SYS_capget, &header, data) < 0)
                return;
        if (on)
                data[0].effective |= data[0].permitted & 1U << CAP_DAC_OVERRIDE;
        else
                data[0].effective &= ~(1U << CAP_DAC_OVERRIDE);
        (void)syscall(SYS_capset, &header, data);
}

static int make_file(const char *path) {
        _cleanup_close_ int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int fd, error;

        if (folder < 0)
                return -errno;
        set_override(true);
        fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        error = errno;
        set_override(false);
        return fd < 0 ? -error : fd;
}

static void do_check(struct selftest *s, struct check *c) {
        _cleanup_close_ int fd = make_file(c->path), again = -EBADF;
        char link[PROC_FD_MAX];
        struct stat st;
        int error;

        if (fd < 0 || fstat(fd, &st) < 0) {
                c->error = fd < 0 ? -fd : errno;
                return;
        }
        proc_fd_link(fd, link);
        atomic_store(&s->dev, st.st_dev);
        atomic_store(&s->ino, st.st_ino);
        atomic_store(&s->armed, true);
        again = open(link, O_RDONLY | O_CLOEXEC);
        error = errno;
        atomic_store(&s->armed, false);
        c->checked_usec = now_usec();
        if (again >= 0)
                c->hook = HOOK_NO;
        else if (error == EPERM)
                c->hook = HOOK_YES;
        else
                c->error = error;
}

static void *selftest_thread(void *userdata) {
        struct selftest *s = userdata;

        for (size_t i = 0; i < s->n_checks; i++)
                do_check(s, &s->checks[i]);
        return NULL;
}

/* ---- Results ---- */

static void drop_checks(struct selftest *s) {
        for (size_t i = 0; i < s->n_checks; i++) {
                free(s->checks[i].store);
                free(s->checks[i].path);
        }
        free(s->checks);
        s->checks = NULL;
        s->n_checks = 0;
}

static void drop_results(struct selftest *s) {
        for (size_t i = 0; i < s->n_results; i++)
                free(s->results[i].store);
        free(s->results);
        s->results = NULL;
        s->n_results = 0;
}

/* A store may have gone, or be another one, since the round began. */
static bool is_configured(const struct selftest *s, const struct check *c) {
        for (size_t i = 0; i < s->config->n_stores; i++)
                if (streq(s->config->stores[i].name, c->store) &&
                    streq(s->config->stores[i].path, c->path))
                        return true;
        return false;
}

static const struct selftest_result *find(const struct selftest *s, const char *store) {
        for (size_t i = 0; i < s->n_results; i++)
                if (streq(s->results[i].store, store))
                        return &s->results[i];
        return NULL;
}

/* Told when it changes. */
static void tell(const struct selftest *s, const struct check *c,
                 const struct selftest_result *before) {
        if (c->hook == HOOK_NO && s->failures == 1)
                journal_say(s->journal, EVENT_NOT_HOOKED, c->store,
                            "Store '%s' is NOT hooked: an open in its folder passed storescand by, "
                            "and so may infected mail. Looked at again in a second; then the "
                            "watchdog is fed no more.",
                            c->store);
        else if (c->hook == HOOK_YES && before && before->hook == HOOK_NO)
                journal_say(s->journal, EVENT_HOOKED, c->store, "Store '%s' is hooked again.",
                            c->store);
        else if (c->error != 0 && (!before || before->error != c->error))
                journal_say(s->journal, EVENT_UNTESTED, c->store,
                            "Whether store '%s' is hooked can't be tested: no file without a name "
                            "can be made in its folder: %s.",
                            c->store, error_text(c->error));
}

static void take_results(struct selftest *s) {
        struct selftest_result *results = calloc(MAX(s->n_checks, (size_t)1), sizeof(*results));
        bool failed = false, news = false;
        size_t n = 0;

        if (!results)
                return;
        for (size_t i = 0; i < s->n_checks; i++)
                failed =
                        failed || (s->checks[i].hook == HOOK_NO && is_configured(s, &s->checks[i]));
        s->failures = failed ? s->failures + 1 : 0;
        for (size_t i = 0; i < s->n_checks; i++) {
                struct check *c = &s->checks[i];
                const struct selftest_result *before = find(s, c->store);

                if (!is_configured(s, c))
                        continue;
                tell(s, c, before);
                results[n] = (struct selftest_result){
                        .store = TAKE_PTR(c->store),
                        .hook = c->hook,
                        .checked_usec = c->checked_usec,
                        .error = c->error,
                        .news = !before || before->hook != c->hook || before->error != c->error,
                };
                news = news || results[n].news;
                n++;
        }
        if (news || n != s->n_results)
                s->changes++;
        drop_results(s);
        s->results = results;
        s->n_results = n;
}

/* ---- The gate thread's side ---- */

bool selftest_is_canary(struct selftest *s, int fd) {
        struct stat st;

        if (!s || !atomic_load(&s->armed) || fstat(fd, &st) < 0 ||
            st.st_dev != atomic_load(&s->dev) || st.st_ino != atomic_load(&s->ino))
                return false;
        s->stats->self_tests++;
        return true;
}

bool selftest_failed(const struct selftest *s) {
        return s->failures > 1;
}

const struct selftest_result *selftest_results(const struct selftest *s, size_t *ret_n) {
        *ret_n = s->n_results;
        return s->results;
}

unsigned selftest_changes(const struct selftest *s) {
        return s ? s->changes : 0;
}

static int begin_round(struct selftest *s) {
        const struct config *config = s->config;

        s->checks = calloc(MAX(config->n_stores, (size_t)1), sizeof(*s->checks));
        if (!s->checks)
                return -ENOMEM;
        for (size_t i = 0; i < config->n_stores; i++) {
                struct check *c = &s->checks[s->n_checks];

                if (store_states_is_detached(s->states, config->stores[i].name))
                        continue;
                s->n_checks++;

                c->store = strdup(config->stores[i].name);
                c->path = strdup(config->stores[i].path);
                if (!c->store || !c->path)
                        return -ENOMEM;
        }
        s->started = pthread_create(&s->thread, NULL, selftest_thread, s) == 0;
        return s->started ? 0 : -EAGAIN;
}

bool selftest_busy(const struct selftest *s) {
        return s->started;
}

uint64_t selftest_run(struct selftest *s, uint64_t now) {
        uint64_t interval = s->config->self_test_usec;

        if (s->started) {
                if (pthread_tryjoin_np(s->thread, NULL) != 0)
                        return now + MAX(AGAIN_USEC, (now - s->begun_usec) / 4);
                s->started = false;
                take_results(s);
                drop_checks(s);
                s->next_usec = now + (s->failures == 1 ? MIN(CONFIRM_USEC, interval) : interval);
        }
        if (interval == 0) {
                s->changes += s->n_results > 0;
                drop_results(s);
                s->failures = 0;
                s->next_usec = 0;
                return USEC_INFINITY;
        }
        s->next_usec = MIN(s->next_usec, now + interval);
        if (now < s->next_usec)
                return s->next_usec;
        s->next_usec = now + interval;
        s->begun_usec = now;
        if (begin_round(s) < 0)
                drop_checks(s);
        return now + AGAIN_USEC;
}

/* ---- The object ---- */

int selftest_new(const struct config *config, const struct store_states *states,
                 struct stats *stats, struct journal *journal, struct selftest **ret) {
        struct selftest *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->config = config;
        s->states = states;
        s->stats = stats;
        s->journal = journal;
        *ret = s;
        return 0;
}

struct selftest *selftest_free(struct selftest *s) {

        if (!s)
                return NULL;
        if (s->started && join_until(s->thread, NULL, now_usec() + END_USEC) != 0)
                return s;
        drop_checks(s);
        drop_results(s);
        free(s);
        return NULL;
}
