/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the steps from a LOAD message to an engine that is proven, and the words in which each of
 * them is refused. The sandbox is entered on the way: before the first signature is read.
 */

#include "daemon/worker/load.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/signature-names.h"
#include "daemon/worker/generation.h"
#include "daemon/worker/sandbox.h"
#include "daemon/worker/spool.h"
#include "store/util.h"

#define LOAD_ATTEMPTS 3

DEFINE_CLEANUP(struct engine *, engine_free);
DEFINE_CLEANUP(struct canary *, canary_free);

struct loading {
        const struct proto_load *load;
        int database;
        struct spool spool;
        struct loaded *loaded;
        struct proto_loaded *reply;
        char *refusal; /* PROTO_TEXT_MAX */
        bool same;     /* as what runs */
        bool bare;     /* no signatures are loaded: clamd has them */
};

/* Paths are cut, so that what is wrong and the fix always fit. */
#define PATH_FORMAT "%.120s"

_printf_(2, 3) static int refuse(struct loading *l, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(l->refusal, PROTO_TEXT_MAX, format, ap);
        va_end(ap);
        return -EINVAL;
}

static int refuse_database(struct loading *l, const char *what, const char *fix) {
        return refuse(l, "[scanner] database " PATH_FORMAT ": %s; %s.", l->load->database, what,
                      fix);
}

static int prepare_tmpdir(struct loading *l) {
        const char *tmpdir = l->load->tmpdir;
        char name[SPOOL_NAME_MAX];
        int r;

        r = spool_check_tmpdir(tmpdir);
        if (r == -EMEDIUMTYPE)
                return refuse(l,
                              "[scanner] tmpdir " PATH_FORMAT ": it is not on a file system in "
                              "memory; mount a tmpfs there, or name a folder on one.",
                              tmpdir);
        if (r == 0) {
                spool_remove_stale(tmpdir);
                spool_name(name, "l", 0, getpid());
                r = spool_open(&l->spool, tmpdir, name);
        }
        if (r == 0)
                r = spool_check(&l->spool);
        if (r < 0)
                return refuse(l,
                              "[scanner] tmpdir " PATH_FORMAT ": temporary files can't be made "
                              "there: %s; make it a folder of the worker's user, with space.",
                              tmpdir, strerror(-r));
        return 0;
}

/* Without a server there is nothing that would be better than the engine that runs; where none runs, the
 * stores are guarded all the same, and a server may come. */
static int find_servers(struct loading *l) {
        struct servers *servers = &l->loaded->servers;

        l->bare = l->load->fallback == FALLBACK_NONE;
        if (servers_start(l->load, servers) < 0)
                return refuse(l, "[scanner] clamd: what talks to the servers failed: %.300s.",
                              servers->problem);
        if (servers->usable == 0 && l->bare && l->load->background)
                return refuse(l,
                              "[scanner] clamd: no server can be used: %.300s; start one, or "
                              "correct the addresses.",
                              servers->problem);
        return 0;
}

static int enter_sandbox(struct loading *l) {
        char problem[SANDBOX_PROBLEM_MAX];

        if (sandbox_landlock_abi() <= 0)
                fprintf(stderr,
                        "storescan-worker: the kernel has no landlock: workers are kept from other "
                        "files by their user alone; lsm=landlock,... on the kernel command line "
                        "may "
                        "enable it.\n");
        if (sandbox_files(l->bare ? -EBADF : l->database, l->load->tmpdir, problem) < 0 ||
            sandbox_calls_loader(l->loaded->servers.sock >= 0, problem) < 0)
                return refuse(l, "storescan-worker can't be confined: %s.", problem);
        return 0;
}

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* What libclamav is told to load: the fd by its name in /proc. It tells types of files by their
 * names, so that a single file needs one. */
static int database_path(struct loading *l, char ret[static PATH_MAX]) {
        char target[64];
        struct stat st;

        (void)snprintf(target, sizeof(target), "/proc/self/fd/%d", l->database);
        if (fstat(l->database, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode)) {
                (void)snprintf(ret, PATH_MAX, "%s", target);
                return 0;
        }
        if (snprintf(ret, PATH_MAX, "%s/%s", l->spool.path, base_name(l->load->database)) >=
            PATH_MAX)
                return -ENAMETOOLONG;
        return symlink(target, ret) < 0 && errno != EEXIST ? -errno : 0;
}

static int load_signatures(struct loading *l, struct engine *engine) {
        char path[PATH_MAX], problem[ENGINE_PROBLEM_MAX];
        unsigned n;
        int r;

        r = database_path(l, path);
        if (r < 0)
                return refuse_database(l, strerror(-r), "name it by a shorter path");
        if (engine_load(engine, path, &n, problem) < 0)
                return refuse_database(l, problem, "repair or remove what it names");
        if (n == 0)
                return refuse_database(l, "there is not one signature in it",
                                       "get signatures, for example by freshclam");
        l->reply->signatures = n;
        return 0;
}

static int load_canary(struct loading *l, struct engine *engine, const struct canary *canary) {
        char path[PATH_MAX + 16], problem[ENGINE_PROBLEM_MAX];
        unsigned n;
        int r;

        (void)snprintf(path, sizeof(path), "%s/canary.ndb", l->spool.path);
        r = canary_write_signature(canary, path);
        if (r < 0)
                return refuse(l, "[scanner] tmpdir " PATH_FORMAT ": %s; make space in it.",
                              l->load->tmpdir, strerror(-r));
        if (engine_load(engine, path, &n, problem) < 0 || n != 1)
                return refuse(l, "libclamav does not take the canary's signature: %s.", problem);
        (void)unlink(path);
        return 0;
}

struct identity {
        struct generation generation;
        struct generation_source source;
};

static int identify(struct loading *l, struct identity *ret) {
        const char *name = base_name(l->load->database);
        char problem[ENGINE_PROBLEM_MAX];
        struct stat st;
        int files;

        if (!l->bare && fstat(l->database, &st) == 0 && !S_ISDIR(st.st_mode) &&
            !is_signature_name(name))
                return refuse_database(l, "libclamav loads no file of such a name",
                                       "name a folder, or a file like main.cvd or own.ndb");
        memset(ret, 0, sizeof(*ret)); /* they are compared as a whole */
        files = generation_compute(l->bare ? -EBADF : l->database, name, l->loaded->servers.text,
                                   &l->loaded->options, &ret->generation, &ret->source, problem);
        if (files < 0)
                return refuse_database(l, problem,
                                       "make all of it readable for the worker's user, in the "
                                       "folder itself and not by symbolic links out of it");
        if (files == 0)
                return refuse_database(l, "there is no signature file in it",
                                       "get signatures, for example by freshclam, or name the "
                                       "folder that they are in");
        return 0;
}

/* One engine out of the files as they are now. */
static int make_engine(struct loading *l, struct engine **ret_engine, struct canary **ret_canary) {
        _cleanup_(engine_freep) struct engine *engine = NULL;
        _cleanup_(canary_freep) struct canary *canary = NULL;
        char problem[ENGINE_PROBLEM_MAX];
        int r;

        if (!l->bare && canary_new(&canary) < 0)
                return refuse(l, "there is not enough memory for an engine.");
        if (engine_new(&l->loaded->options, l->spool.path, &engine, problem) < 0)
                return refuse(l, "[scanner]: %s; change the limits.", problem);
        r = l->bare ? 0 : load_signatures(l, engine);
        if (r == 0 && !l->bare)
                r = load_canary(l, engine, canary);
        if (r < 0)
                return r;
        if (engine_compile(engine, problem) < 0)
                return refuse_database(l, problem, "repair or remove what it names");
        *ret_engine = TAKE_PTR(engine);
        *ret_canary = TAKE_PTR(canary);
        return 0;
}

/* Signatures may be replaced while they are read: what is loaded must be what was identified. */
static int make_identified_engine(struct loading *l) {
        struct loaded *loaded = l->loaded;
        char problem[ENGINE_PROBLEM_MAX];

        for (unsigned i = 0; i < LOAD_ATTEMPTS; i++) {
                struct identity before, after;
                int r;

                loaded->engine = engine_free(loaded->engine);
                loaded->canary = canary_free(loaded->canary);
                r = identify(l, &before);
                if (r == 0)
                        r = make_engine(l, &loaded->engine, &loaded->canary);
                if (r == 0)
                        r = identify(l, &after);
                if (r < 0)
                        return r;
                if (memcmp(&before, &after, sizeof(before)) != 0)
                        continue;
                if (!l->bare && canary_check(loaded->canary, loaded->engine, problem) < 0)
                        return refuse(l, "the engine failed its test: %s.", problem);
                l->reply->generation = after.generation;
                return 0;
        }
        return refuse_database(l, "it changes all the time",
                               "try again when the update of signatures is over");
}

/* Whether what is there now is what runs already. */
static int compare(struct loading *l) {
        struct identity now;
        int r = identify(l, &now);

        if (r < 0)
                return r;
        l->same = memcmp(&now.generation, &l->load->running, sizeof(now.generation)) == 0;
        return l->same || l->load->only_compare;
}

static int load_all(struct loading *l) {
        char problem[ENGINE_PROBLEM_MAX];
        int r;

        if (sandbox_unprivileged(problem) < 0)
                return refuse(l,
                              "storescan-worker parses hostile mail and does not do so with "
                              "privileges, but %s; start it as an unprivileged user.",
                              problem);
        if (l->database < 0)
                return refuse_database(l, "its fd is missing", "this is a bug of storescand");
        r = prepare_tmpdir(l);
        if (r < 0)
                return r;
        if (engine_init(problem) < 0)
                return refuse(l, "%s.", problem);
        r = l->load->engine == ENGINE_CLAMD ? find_servers(l) : 0;
        if (r == 0)
                r = enter_sandbox(l);
        if (r == 0 && l->load->has_running)
                r = compare(l);
        if (r == 0)
                r = make_identified_engine(l);
        return r;
}

int load_engine(const struct proto_load *load, int database, struct loaded *ret,
                struct proto_loaded *reply, bool *ret_same, char refusal[static PROTO_TEXT_MAX]) {
        struct loading l = {
                .load = load,
                .database = database,
                .loaded = ret,
                .reply = reply,
                .refusal = refusal,
        };
        char name[SPOOL_NAME_MAX];
        int r;

        *ret = (struct loaded){
                .servers = { .sock = -EBADF },
                .attachments = attachments_make(load->attachment_names, load->attachment_types),
                .options = { .max_file_size = load->max_file_size,
                             .max_scan_size = load->max_scan_size,
                             .max_files = load->max_files,
                             .max_recursion = load->max_recursion,
                             .max_scan_msec = load->max_scan_msec,
                             .rules = { .limits = (enum content_rule)load->limits,
                                        .encrypted = (enum content_rule)load->encrypted,
                                        .broken = (enum content_rule)load->broken },
                             .pua = load->pua,
                             .phishing = load->phishing },
        };
        memcpy(ret->options.allowed, load->allowed, sizeof(ret->options.allowed));
        memcpy(ret->notice, load->notice, sizeof(ret->notice));
        memcpy(ret->host, load->host, sizeof(ret->host));
        r = load_all(&l);
        if (l.spool.dir) {
                spool_close(&l.spool);
                spool_name(name, "l", 0, getpid());
                (void)spool_remove(load->tmpdir, name);
                /* Workers of a storescand that was killed may only have been going before. */
                spool_remove_stale(load->tmpdir);
        }
        if (r != 0) {
                ret->engine = engine_free(ret->engine);
                ret->canary = canary_free(ret->canary);
                *ret_same = l.same;
                return r;
        }
        reply->database_version = engine_database_version(ret->engine);
        reply->database_usec = engine_database_usec(ret->engine);
        proto_text(reply->engine, sizeof(reply->engine), engine_name());
        if (ret->servers.sock >= 0) {
                reply->database_version =
                        l.bare ? ret->servers.database
                               : MIN(reply->database_version, ret->servers.database);
                proto_text(reply->engine, sizeof(reply->engine), ret->servers.engine);
        }
        return 0;
}
