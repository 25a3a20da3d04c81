/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the keys that were read. Must not be used to read files once the gate answers events.
 */

#include "daemon/keys.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include "daemon/config.h"

struct keys {
        struct hub_key *list[KEYS_MAX];
        size_t n;
};

struct reading {
        struct keys *keys;
        FILE *errors;
        const char *folder;
        size_t n_errors;
};

static void dir_close(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

struct keys *keys_free(struct keys *keys) {
        if (!keys)
                return NULL;
        for (size_t i = 0; i < keys->n; i++)
                hub_key_free(keys->list[i]);
        free(keys);
        return NULL;
}

size_t keys_count(const struct keys *keys) {
        return keys ? keys->n : 0;
}

struct hub_key *keys_get(const struct keys *keys, size_t index) {
        return keys->list[index];
}

struct hub_key *keys_find(const struct keys *keys, const char *id) {
        for (size_t i = 0; i < keys_count(keys); i++)
                if (streq(hub_key_id(keys->list[i]), id))
                        return keys->list[i];
        return NULL;
}

/* ---- Reading ---- */

/* Names are anybody's text: nothing of them may look like a line of its own. */
static void put_name(FILE *out, const char *name) {
        for (; *name; name++)
                fputc((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name, out);
}

static void told(struct reading *r, const char *name, const char *what) {
        put_name(r->errors, r->folder);
        fputc('/', r->errors);
        put_name(r->errors, name);
        fprintf(r->errors, ": %s.\n", what);
        r->n_errors++;
}

/* What is wrong with the file itself; NULL: nothing. */
static const char *problem_of(const struct stat *st, bool secret) {
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return "the file belongs to another user, who could change the key; chown it to "
                       "root";
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return "others may write the file; chmod it to 0600";
        if (secret && (st->st_mode & (S_IRGRP | S_IROTH)))
                return "others may read the secret key; chmod the file to 0600 and replace the "
                       "key, which may be known";
        return NULL;
}

static void read_key(struct reading *r, int folder, const char *name, const char *id) {
        _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        _cleanup_(hub_key_freep) struct hub_key *key = NULL;
        char text[HUB_KEY_TEXT_MAX];
        const char *problem;
        struct stat st;
        ssize_t n;
        int error;

        if (fd < 0 || fstat(fd, &st) < 0) {
                told(r, name, error_text(errno));
                return;
        }
        if (!S_ISREG(st.st_mode)) {
                told(r, name, "not a regular file; keep nothing but keys in this folder");
                return;
        }
        n = read(fd, text, sizeof(text));
        if (n < 0) {
                told(r, name, error_text(errno));
                return;
        }
        if (!hub_key_id_ok(id, strlen(id))) {
                told(r, name,
                     "the name can't be the id of a key; use at most 32 of A-Z a-z 0-9 . _ -");
                return;
        }
        error = hub_key_read(id, text, (size_t)n, &key);
        OPENSSL_cleanse(text, sizeof(text));
        if (error < 0)
                told(r, name,
                     error == -EINVAL
                             ? "not a key; make one with 'storescanctl key generate', or move the "
                               "file away"
                             : error_text(-error));
        else if ((problem = problem_of(&st, hub_key_kind(key) != HUB_KEY_ED25519_PUBLIC)))
                told(r, name, problem);
        else if (keys_find(r->keys, id))
                told(r, name, "there is another key of this id; remove one of them");
        else if (r->keys->n == KEYS_MAX)
                told(r, name, "there are more than 64 keys; remove those no longer used");
        else
                r->keys->list[r->keys->n++] = TAKE_PTR(key);
}

static int read_folder(struct reading *r, const char *folder, const char *prefix) {
        _cleanup_(dir_close) DIR *dir = opendir(folder);
        struct dirent *entry;

        r->folder = folder;
        if (!dir && errno == ENOENT)
                return 0;
        if (!dir) {
                int error = -errno;

                put_name(r->errors, folder);
                fprintf(r->errors, ": the folder of keys can't be read: %s.\n", error_text(-error));
                return error;
        }
        while ((entry = readdir(dir))) {
                const char *id = startswith(entry->d_name, prefix);

                /* Of editors and of keys_save(). */
                if (entry->d_name[0] != '.' && id)
                        read_key(r, dirfd(dir), entry->d_name, id);
        }
        return 0;
}

int keys_load(const char *folder, const char *credentials, FILE *errors, struct keys **ret) {
        _cleanup_(keys_freep) struct keys *keys = calloc(1, sizeof(*keys));
        struct reading r = { .keys = keys, .errors = errors };
        int error;

        if (!keys)
                return -ENOMEM;
        error = read_folder(&r, folder, "");
        if (error == 0 && credentials)
                error = read_folder(&r, credentials, KEYS_CREDENTIAL);
        if (error < 0)
                return error;
        if (r.n_errors > 0)
                return -EINVAL;
        *ret = TAKE_PTR(keys);
        return 0;
}

/* ---- Judgement ---- */

enum hub_check keys_judge_one(const struct keys *keys, const struct hub_content *content,
                              size_t index, const struct hub_policy *policy, uint64_t now) {
        const struct hub_found *found = &content->found[index];
        struct hub_key *key;
        enum hub_check check;

        if (content->check != HUB_GOOD)
                return (enum hub_check)content->check;
        if (found->check != HUB_GOOD)
                return (enum hub_check)found->check;
        key = keys_find(keys, found->stamp.key);
        if (!key)
                return HUB_KEY;
        /* What costs least comes first; a digest that differs tells more than a signature, but is
         * worth nothing without one. */
        check = hub_key_verify(key, &found->stamp);
        if (check == HUB_GOOD)
                check = hub_content_check(content, &found->stamp);
        return check == HUB_GOOD ? hub_stamp_check(&found->stamp, policy, now) : check;
}

enum hub_check keys_judge(const struct keys *keys, const struct hub_content *content,
                          const struct hub_policy *policy, uint64_t now, size_t *ret_index) {
        enum hub_check first = HUB_ABSENT;

        for (size_t i = 0; i < content->n_found; i++) {
                enum hub_check check = keys_judge_one(keys, content, i, policy, now);

                if (check == HUB_GOOD) {
                        *ret_index = i;
                        return HUB_GOOD;
                }
                if (i == 0)
                        first = check;
        }
        return first;
}

/* ---- Writing ---- */

static int save(int folder, const char *temporary, const char *id, const char *text, size_t size) {
        _cleanup_close_ int fd = openat(folder, temporary,
                                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, text, size);
        if (n < 0 || fsync(fd) < 0)
                return -errno;
        if ((size_t)n != size)
                return -ENOSPC;
        /* Unlike rename(2), this never replaces a key. */
        if (linkat(folder, temporary, folder, id, 0) < 0)
                return -errno;
        return 0;
}

int keys_save(const char *folder, const struct hub_key *key, FILE *errors) {
        char text[HUB_KEY_TEXT_MAX], temporary[HUB_KEY_ID_MAX + 8];
        _cleanup_close_ int fd = -EBADF;
        int r, n;

        n = hub_key_write(key, false, text);
        if (n < 0)
                return n;
        (void)snprintf(temporary, sizeof(temporary), ".%s.new", hub_key_id(key));
        if (mkdir(folder, 0700) < 0 && errno != EEXIST)
                r = -errno;
        else {
                fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = fd < 0 ? -errno : 0;
        }
        if (r == 0) {
                /* Of a run that was cut short. */
                (void)unlinkat(fd, temporary, 0);
                r = save(fd, temporary, hub_key_id(key), text, (size_t)n);
                (void)unlinkat(fd, temporary, 0);
        }
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        OPENSSL_cleanse(text, sizeof(text));
        if (r == -EEXIST)
                fprintf(errors, "%s/%s: there is a key of this id; take another, or remove it.\n",
                        folder, hub_key_id(key));
        else if (r < 0)
                fprintf(errors, "%s/%s: the key can't be kept: %s.\n", folder, hub_key_id(key),
                        error_text(-r));
        return r;
}
