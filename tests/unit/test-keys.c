/* SPDX-License-Identifier: Apache-2.0 */

/* Keys as files: what is read, what is refused and how it is told; stamps judged by them. */

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/keys.h"
#include "tests/unit/unit.h"

static char folder[] = "/tmp/test-keys.XXXXXX", keys[64], credentials[64];

static void make_folders(void) {
        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void)snprintf(keys, sizeof(keys), "%s/keys", folder);
        (void)snprintf(credentials, sizeof(credentials), "%s/credentials", folder);
        ck_assert_int_eq(mkdir(credentials, 0700), 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

static void remove_folders(void) {
        ck_assert_int_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void put(const char *in, const char *name, const char *text, mode_t mode) {
        char path[200];
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/%s", in, name);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(chmod(path, mode), 0);
}

/* What keys_load() returns, and says. */
static int load(struct keys **ret, char **ret_errors) {
        size_t size;
        FILE *errors = open_memstream(ret_errors, &size);
        int r = keys_load(keys, credentials, errors, ret);

        ck_assert_int_eq(fclose(errors), 0);
        return r;
}

static void assert_refused(const char *words) {
        struct keys *loaded = NULL;
        char *errors = NULL;

        ck_assert_int_eq(load(&loaded, &errors), -EINVAL);
        ck_assert_ptr_null(loaded);
        ck_assert_msg(strstr(errors, words) != NULL, "'%s' in: %s", words, errors);
        ck_assert_ptr_eq(strchr(errors, '\n'), errors + strlen(errors) - 1);
        free(errors);
}

static struct hub_key *a_key(const char *id, enum hub_key_kind kind) {
        struct hub_key *key = NULL;

        ck_assert_int_eq(hub_key_generate(id, kind, &key), 0);
        return key;
}

START_TEST(there_and_back) {
        struct hub_key *hmac = a_key("a", HUB_KEY_HMAC), *ed = a_key("b", HUB_KEY_ED25519_PRIVATE);
        struct keys *loaded = NULL;
        char *errors = NULL, text[HUB_KEY_TEXT_MAX], path[200];
        struct stat st;

        make_folders();
        ck_assert_int_eq(load(&loaded, &errors), 0); /* no folder: no keys */
        ck_assert_uint_eq(keys_count(loaded), 0);
        ck_assert_str_eq(errors, "");
        keys_free(loaded);
        free(errors);

        ck_assert_int_eq(keys_save(keys, hmac, stderr), 0);
        ck_assert_int_eq(keys_save(keys, ed, stderr), 0);
        (void)snprintf(path, sizeof(path), "%s/a", keys);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
        ck_assert_uint_eq(st.st_nlink, 1);
        ck_assert_int_gt(hub_key_write(ed, true, text), 0);
        put(keys, "public", text, 0644);
        ck_assert_int_gt(hub_key_write(hmac, false, text), 0);
        put(credentials, KEYS_CREDENTIAL "c", text, 0400);
        put(credentials, "other", "of somebody else", 0400);

        ck_assert_int_eq(load(&loaded, &errors), 0);
        ck_assert_uint_eq(keys_count(loaded), 4);
        ck_assert_int_eq(hub_key_kind(keys_find(loaded, "a")), HUB_KEY_HMAC);
        ck_assert_int_eq(hub_key_kind(keys_find(loaded, "b")), HUB_KEY_ED25519_PRIVATE);
        ck_assert_int_eq(hub_key_kind(keys_find(loaded, "public")), HUB_KEY_ED25519_PUBLIC);
        ck_assert_ptr_nonnull(keys_find(loaded, "c"));
        ck_assert_ptr_null(keys_find(loaded, "d"));
        keys_free(loaded);
        free(errors);

        /* A key is never replaced. */
        errors = NULL;
        {
                size_t size;
                FILE *f = open_memstream(&errors, &size);

                ck_assert_int_eq(keys_save(keys, hmac, f), -EEXIST);
                ck_assert_int_eq(fclose(f), 0);
        }
        ck_assert_ptr_nonnull(strstr(errors, "/keys/a: there is a key of this id"));
        free(errors);
        hub_key_free(hmac);
        hub_key_free(ed);
        remove_folders();
}
END_TEST

START_TEST(refused_files) {
        struct hub_key *key = a_key("a", HUB_KEY_HMAC);
        char text[HUB_KEY_TEXT_MAX], path[200];

        ck_assert_int_gt(hub_key_write(key, false, text), 0);
        make_folders();
        ck_assert_int_eq(mkdir(keys, 0700), 0);
        put(keys, "a", text, 0640);
        assert_refused("/keys/a: others may read the secret key");
        put(keys, "a", text, 0620);
        assert_refused("/keys/a: others may write the file");
        put(keys, "a", "storescan-key hmac-sha256 short\n", 0600);
        assert_refused("/keys/a: not a key");
        put(keys, "a", "", 0600);
        assert_refused("/keys/a: not a key");
        put(keys, "a", text, 0600);
        put(credentials, KEYS_CREDENTIAL "a", text, 0400);
        assert_refused("storescan-key.a: there is another key of this id");
        put(keys, "a b", text, 0600);
        (void)snprintf(path, sizeof(path), "%s/a", keys);
        ck_assert_int_eq(unlink(path), 0);
        assert_refused("/keys/a b: the name can't be the id of a key");
        (void)snprintf(path, sizeof(path), "%s/a b", keys);
        ck_assert_int_eq(unlink(path), 0);
        (void)snprintf(path, sizeof(path), "%s/folder", keys);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        assert_refused("/keys/folder: not a regular file");
        if (geteuid() == 0) {
                ck_assert_int_eq(rmdir(path), 0);
                put(keys, "theirs", text, 0600);
                (void)snprintf(path, sizeof(path), "%s/theirs", keys);
                ck_assert_int_eq(chown(path, 12345, 12345), 0);
                assert_refused("/keys/theirs: the file belongs to another user");
        }
        remove_folders();
        hub_key_free(key);
}
END_TEST

/* Each stamp for itself: one good is enough, and of bad ones the first is named. */
START_TEST(judgement) {
        static const char message[] = "From: a\n\nb\n";
        const struct hub_policy policy = { .max_age = 100 };
        struct hub_key *key = a_key("a", HUB_KEY_HMAC);
        struct hub_content c = { .n_found = 2 };
        struct hub_stamp *one = &c.found[0].stamp, *two = &c.found[1].stamp;
        struct keys *loaded = NULL;
        char *errors = NULL;
        size_t index = 9;

        make_folders();
        ck_assert_int_eq(keys_save(keys, key, stderr), 0);
        ck_assert_int_eq(load(&loaded, &errors), 0);
        ck_assert_int_eq(
                hub_content_digest((const uint8_t *)message, strlen(message), c.body, c.header), 0);
        *one = (struct hub_stamp){ .time = 1000, .verdict = VERDICT_CLEAN };
        memcpy(one->body, c.body, DIGEST_SIZE);
        memcpy(one->header, c.header, DIGEST_SIZE);
        ck_assert_int_eq(hub_key_sign(key, one), 0);
        *two = *one;
        one->key[0] = 'b';
        ck_assert_int_eq(keys_judge(loaded, &c, &policy, 1000, &index), HUB_GOOD);
        ck_assert_uint_eq(index, 1);
        ck_assert_int_eq(keys_judge_one(loaded, &c, 0, &policy, 1000), HUB_KEY);
        ck_assert_int_eq(keys_judge(loaded, &c, &policy, 1101, &index), HUB_KEY);
        ck_assert_int_eq(keys_judge_one(loaded, &c, 1, &policy, 1101), HUB_EXPIRED);
        c.body[0] ^= 1;
        ck_assert_int_eq(keys_judge_one(loaded, &c, 1, &policy, 1000), HUB_BODY);
        c.body[0] ^= 1;
        two->signature[0] ^= 1;
        ck_assert_int_eq(keys_judge_one(loaded, &c, 1, &policy, 1000), HUB_SIGNATURE);
        c.found[1].check = HUB_OVERSIZE;
        ck_assert_int_eq(keys_judge_one(loaded, &c, 1, &policy, 1000), HUB_OVERSIZE);
        c.check = HUB_IRREGULAR;
        ck_assert_int_eq(keys_judge(loaded, &c, &policy, 1000, &index), HUB_IRREGULAR);
        keys_free(loaded);
        free(errors);
        hub_key_free(key);
        remove_folders();
}
END_TEST

UNIT_MAIN("keys", there_and_back, refused_files, judgement);
