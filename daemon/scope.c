/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rule of DESIGN: a mark on the file system where the store's root is the root of one that
 * holds nothing the system needs to live, else recursive marks on folders. Never a mount mark: that
 * misses every other mount of the same files. A kept group without a reader on a file system with
 * /usr would block PID 1 itself.
 */

#include "daemon/scope.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

/* ---- The mount table ---- */

void scope_mounts_done(struct scope_mounts *mounts) {
        for (size_t i = 0; i < mounts->n; i++) {
                free(mounts->mounts[i].path);
                free(mounts->mounts[i].root);
                free(mounts->mounts[i].type);
        }
        free(mounts->mounts);
        *mounts = (struct scope_mounts){};
}

/* Undoes the octal escapes of blanks and backslashes, in place. */
static void unescape(char *s) {
        char *out = s;

        for (; *s; s++)
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
                    s[3] >= '0' && s[3] <= '7') {
                        *out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        s += 3;
                } else
                        *out++ = *s;
        *out = '\0';
}

/* 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw */
static int parse_line(const char *line, struct scope_mounts *mounts) {
        _cleanup_free_ char *root = NULL, *path = NULL, *type = NULL;
        struct scope_mount *grown;
        unsigned id, parent, major, minor;
        const char *dash;

        if (sscanf(line, "%u %u %u:%u %ms %ms", &id, &parent, &major, &minor, &root, &path) != 6)
                return -EINVAL;
        dash = strstr(line, " - ");
        if (!dash || sscanf(dash, " - %ms", &type) != 1)
                return -EINVAL;
        grown = reallocarray(mounts->mounts, mounts->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        unescape(root);
        unescape(path);
        mounts->mounts = grown;
        mounts->mounts[mounts->n++] = (struct scope_mount){
                .path = TAKE_PTR(path),
                .root = TAKE_PTR(root),
                .type = TAKE_PTR(type),
                .id = id,
                .parent = parent,
                .dev = (uint64_t)major << 32 | minor,
        };
        return 0;
}

int scope_mounts_read(const char *text, struct scope_mounts *ret) {
        struct scope_mounts mounts = {};
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int r = 0;
        FILE *f = text ? fmemopen((void *)(uintptr_t)text, strlen(text), "re")
                       : fopen("/proc/self/mountinfo", "re");

        if (!f)
                return -errno;
        while (r >= 0 && getline(&line, &size, f) > 0)
                r = parse_line(line, &mounts);
        fclose(f);
        if (r < 0) {
                scope_mounts_done(&mounts);
                return r;
        }
        *ret = mounts;
        return 0;
}

bool scope_is_below(const char *path, const char *root) {
        const char *rest = startswith(path, root);

        return rest && (*rest == '\0' || *rest == '/' || streq(root, "/"));
}

static bool has_parent(const struct scope_mounts *mounts, const struct scope_mount *m) {
        for (size_t i = 0; i < mounts->n; i++)
                if (mounts->mounts[i].id == m->parent && &mounts->mounts[i] != m)
                        return true;
        return false;
}

/* The mount on m that a walk to path crosses first. */
static const struct scope_mount *mount_on(const struct scope_mounts *mounts,
                                          const struct scope_mount *m, const char *path) {
        const struct scope_mount *next = NULL;

        for (size_t i = 0; i < mounts->n; i++) {
                const struct scope_mount *c = &mounts->mounts[i];

                if (c != m && c->parent == m->id && scope_is_below(c->path, m->path) &&
                    scope_is_below(path, c->path) &&
                    (!next || strlen(c->path) <= strlen(next->path)))
                        next = c;
        }
        return next;
}

const struct scope_mount *scope_mount_of(const struct scope_mounts *mounts, const char *path) {
        const struct scope_mount *m = NULL, *next = NULL;

        for (size_t i = 0; i < mounts->n; i++) {
                const struct scope_mount *c = &mounts->mounts[i];

                if (scope_is_below(path, c->path) && !has_parent(mounts, c) &&
                    (!next || strlen(c->path) >= strlen(next->path)))
                        next = c;
        }
        /* A table that was read while it changed could lead in a circle. */
        for (size_t n = 0; next && n <= mounts->n; n++) {
                m = next;
                next = mount_on(mounts, m, path);
        }
        return m;
}

/* ---- The rule ---- */

/* A path of ours may not exist (yet): then the folder that it would be made in counts. */
static bool holds(const struct scope_mounts *mounts, uint64_t dev, const char *path) {
        _cleanup_free_ char *real = NULL, *copy = strdup(path);
        const struct scope_mount *m;

        while (copy && !(real = realpath(copy, NULL))) {
                char *slash = strrchr(copy, '/');

                if (!slash || slash == copy)
                        break;
                *slash = '\0';
        }
        m = scope_mount_of(mounts, real ? real : "/");
        return m && m->dev == dev;
}

static bool holds_system(const struct scope_mounts *mounts, uint64_t dev, const char *const *own,
                         size_t n_own, const char **ret_which) {
        static const char *const system[] = { "/",        "/usr", "/etc",          "/var",
                                              "/var/log", "/run", "/bin",          "/lib",
                                              "/dev",     "/tmp", "/proc/self/exe" };

        for (size_t i = 0; i < ELEMENTSOF(system) + n_own; i++) {
                const char *path = i < n_own ? own[i] : system[i - n_own];

                if (path && holds(mounts, dev, path)) {
                        *ret_which = path;
                        return true;
                }
        }
        return false;
}

static bool is_remote(const char *type) {
        static const char *const types[] = { "nfs",   "nfs4", "cifs",      "smb3", "9p",
                                             "fuse",  "ceph", "glusterfs", "gfs2", "fuseblk",
                                             "ocfs2", "afs",  "virtiofs" };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (streq(type, types[i]) || startswith(type, "fuse."))
                        return true;
        return false;
}

static int add_place(struct scope *scope, const char *path, const struct scope_mount *m,
                     bool filesystem) {
        struct scope_place *grown = reallocarray(scope->places, scope->n + 1, sizeof(*grown));
        char *copy = strdup(path);

        if (grown)
                scope->places = grown;
        if (!grown || !copy) {
                free(copy);
                return -ENOMEM;
        }
        scope->places[scope->n++] = (struct scope_place){
                .path = copy,
                .point = streq(m->path, path),
                .mount = m->id,
                .filesystem = filesystem,
        };
        return 0;
}

void scope_done(struct scope *scope) {
        for (size_t i = 0; i < scope->n; i++)
                free(scope->places[i].path);
        free(scope->places);
        *scope = (struct scope){};
}

static int place_of_mount(const struct config_store *store, const struct scope_mounts *mounts,
                          const struct scope_mount *m, const char *path, const char *const *own,
                          size_t n_own, FILE *errors, struct scope *scope) {
        bool whole = streq(m->root, "/") && streq(m->path, path), filesystem = false;
        const char *which = NULL;

        if (is_remote(m->type)) {
                fprintf(errors,
                        "[store %s] path: %s is on %s, where a dead server would stop all mail; "
                        "guard it on the host that serves it.\n",
                        store->name, path, m->type);
                return streq(path, store->path) ? -EPERM : 0;
        }
        if (store->marks == MARKS_AUTO)
                filesystem = whole && !holds_system(mounts, m->dev, own, n_own, &which);
        else if (store->marks == MARKS_FILESYSTEM) {
                if (!whole) {
                        fprintf(errors,
                                "[store %s] marks: %s is not the root of its file system, and what "
                                "lies beside it would be taken for mail; use marks = "
                                "directories.\n",
                                store->name, path);
                        return -EPERM;
                }
                if (holds_system(mounts, m->dev, own, n_own, &which)) {
                        fprintf(errors,
                                "[store %s] marks: the file system of %s also holds %s, so a mark "
                                "on "
                                "all of it could hang the system; use marks = directories.\n",
                                store->name, path, which);
                        return -EPERM;
                }
                filesystem = true;
        }
        return add_place(scope, path, m, filesystem);
}

int scope_find(const struct config_store *store, const struct scope_mounts *mounts,
               const char *const *own, size_t n_own, FILE *errors, struct scope *ret) {
        const struct scope_mount *m = scope_mount_of(mounts, store->path);
        struct scope scope = {};
        struct stat st;
        int r;

        /* The mount's type is asked before anything that could wait for its server. */
        if (!m) {
                fprintf(errors,
                        "[store %s] path: no mount of the mount table holds %s (a chroot?); run "
                        "storescand where its mounts can be seen.\n",
                        store->name, store->path);
                return -EPERM;
        }
        if (!is_remote(m->type) && (lstat(store->path, &st) < 0 || !S_ISDIR(st.st_mode)))
                return -ENOENT;

        r = place_of_mount(store, mounts, m, store->path, own, n_own, errors, &scope);
        for (size_t i = 0; i < mounts->n && r >= 0; i++) {
                const struct scope_mount *b = &mounts->mounts[i];

                if (scope_is_below(b->path, store->path) && !streq(b->path, store->path) &&
                    scope_mount_of(mounts, b->path) == b)
                        r = place_of_mount(store, mounts, b, b->path, own, n_own, errors, &scope);
        }
        if (r < 0) {
                scope_done(&scope);
                return r;
        }
        *ret = scope;
        return 0;
}
