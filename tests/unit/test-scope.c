/* SPDX-License-Identifier: Apache-2.0 */

/* scope.c: the mount table's text, and the rule for a store's marks. */

#include <stdio.h>
#include <sys/stat.h>

#include "daemon/scope.h"
#include "unit.h"

static struct scope_mounts mounts;
static struct scope scope;
static char *messages;
static size_t messages_size;
static char folder[] = "/tmp/storescan-scope.XXXXXX";

static void read_mounts(const char *text) {
        scope_mounts_done(&mounts);
        ck_assert_int_eq(scope_mounts_read(text, &mounts), 0);
}

/* The rule for a store at path (which exists) under the mount table text. */
static int find(const char *text, const char *path, enum marks_mode marks, const char *own) {
        struct config_store store = {
                .name = (char *)(uintptr_t) "s",
                .path = (char *)(uintptr_t)path,
                .marks = marks,
        };
        FILE *errors;
        int r;

        free(messages);
        messages = NULL;
        scope_done(&scope);
        errors = open_memstream(&messages, &messages_size);
        read_mounts(text);
        r = scope_find(&store, &mounts, &own, own ? 1 : 0, errors, &scope);
        fclose(errors);
        return r;
}

#define ROOT "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"

START_TEST(test_table) {
        read_mounts(
                ROOT
                "36 1 98:0 /sub /mnt/with\\040blank\\011tab\\134 rw,noatime shared:1 master:2 - "
                "fuse.sshfs host:/x rw\n");
        ck_assert_uint_eq(mounts.n, 2);
        ck_assert_str_eq(mounts.mounts[1].path, "/mnt/with blank\ttab\\");
        ck_assert_str_eq(mounts.mounts[1].root, "/sub");
        ck_assert_str_eq(mounts.mounts[1].type, "fuse.sshfs");
        ck_assert_uint_eq(mounts.mounts[1].dev, UINT64_C(98) << 32);
}
END_TEST

START_TEST(test_table_broken) {
        struct scope_mounts untouched = { .n = 77 };

        ck_assert_int_eq(scope_mounts_read("nonsense\n", &untouched), -EINVAL);
        ck_assert_int_eq(scope_mounts_read(ROOT "2 1 8:2 / /x rw no dash\n", &untouched), -EINVAL);
        ck_assert_uint_eq(untouched.n, 77);
}
END_TEST

START_TEST(test_table_own) {
        read_mounts(NULL);
        ck_assert_uint_ge(mounts.n, 1);
}
END_TEST

/* Makes the folder; @ in text becomes its name. */
static char *table(const char *text) {
        static char *out; /* one a test */
        size_t size;
        FILE *f = open_memstream(&out, &size);

        ck_assert_ptr_nonnull(mkdtemp(folder));
        for (; *text; text++)
                if (*text == '@')
                        fputs(folder, f);
                else
                        fputc(*text, f);
        fclose(f);
        return out;
}

static void check_one(bool filesystem) {
        ck_assert_uint_eq(scope.n, 1);
        ck_assert_str_eq(scope.places[0].path, folder);
        ck_assert_int_eq(scope.places[0].filesystem, filesystem);
}

START_TEST(test_own_file_system) {
        char *t = table(ROOT "2 1 8:2 / @ rw - ext4 /dev/sdb rw\n");

        ck_assert_int_eq(find(t, folder, MARKS_AUTO, NULL), 0);
        check_one(true);
        ck_assert_int_eq(find(t, folder, MARKS_DIRECTORIES, NULL), 0);
        check_one(false);
}
END_TEST

START_TEST(test_sub_folder) {
        char *t = table(ROOT "2 1 8:2 / /tmp rw - ext4 /dev/sdb rw\n");

        ck_assert_int_eq(find(t, folder, MARKS_AUTO, NULL), 0);
        check_one(false);
}
END_TEST

/* A bind mount of a folder is a mount point, but not all of its file system. */
START_TEST(test_bind_mount) {
        char *t = table(ROOT "2 1 8:2 /mail @ rw - ext4 /dev/sdb rw\n");

        ck_assert_int_eq(find(t, folder, MARKS_AUTO, NULL), 0);
        check_one(false);
}
END_TEST

/* btrfs subvolumes share a super block: the device in the table says so, st_dev would not. */
START_TEST(test_system_subvolume) {
        char *t = table("1 0 0:30 /ROOT / rw - btrfs /dev/sda1 rw\n"
                        "2 1 0:30 / @ rw - btrfs /dev/sda1 rw\n");

        ck_assert_int_eq(find(t, folder, MARKS_AUTO, NULL), 0);
        check_one(false);
        ck_assert_int_eq(find(t, folder, MARKS_FILESYSTEM, NULL), -EPERM);
        ck_assert_ptr_nonnull(strstr(messages, "[store s] marks: "));
        ck_assert_ptr_nonnull(strstr(messages, "use marks = directories"));
}
END_TEST

START_TEST(test_own_files_there) {
        char *t = table(ROOT "2 1 8:2 / @ rw - ext4 /dev/sdb rw\n"
                             "3 1 8:2 /db /opt rw - ext4 /dev/sdb rw\n");

        /* The signature folder lies on the store's file system, by way of another mount. */
        ck_assert_int_eq(find(t, folder, MARKS_AUTO, "/opt/none-such/signatures"), 0);
        check_one(false);
        ck_assert_int_eq(find(t, folder, MARKS_FILESYSTEM, "/opt/none-such/signatures"), -EPERM);
}
END_TEST

START_TEST(test_covered_mount) {
        char *t = table(ROOT "2 1 8:2 / @ rw - ext4 /dev/sdb rw\n"
                             "3 2 8:1 /tmp/x @ rw - ext4 /dev/sda1 rw\n");

        /* What is mounted last on a point is what is seen there. */
        ck_assert_int_eq(find(t, folder, MARKS_AUTO, NULL), 0);
        check_one(false);
}
END_TEST

START_TEST(test_mounts_below) {
        char *t = table(ROOT "2 1 8:2 / @ rw - ext4 /dev/sdb rw\n"
                             "3 2 8:3 / @/archive rw - xfs /dev/sdc rw\n"
                             "4 2 0:50 / @/remote rw - nfs4 host:/x rw\n"
                             "5 1 8:9 / /elsewhere rw - xfs /dev/sdd rw\n");

        ck_assert_int_eq(find(t, folder, MARKS_AUTO, NULL), 0);
        /* A server that does not answer would stop the gate: what others serve is left out, aloud. */
        ck_assert_uint_eq(scope.n, 2);
        ck_assert(scope.places[0].filesystem && scope.places[1].filesystem);
        ck_assert_ptr_nonnull(strstr(messages, "/remote is on nfs4"));
}
END_TEST

START_TEST(test_remote) {
        static const char *const types[] = { "nfs", "cifs", "fuse", "fuse.sshfs", "fuseblk", "9p" };

        ck_assert_ptr_nonnull(mkdtemp(folder));
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                char *t;

                ck_assert_int_ge(
                        asprintf(&t, ROOT "2 1 0:50 / %s rw - %s host:/x rw\n", folder, types[i]),
                        0);
                ck_assert_int_eq(find(t, folder, MARKS_AUTO, NULL), -EPERM);
                ck_assert_ptr_nonnull(strstr(messages, "dead server"));
                free(t);
        }
}
END_TEST

static const char *mount_of(const char *text, const char *path) {
        const struct scope_mount *m;

        read_mounts(text);
        m = scope_mount_of(&mounts, path);
        return m ? m->type : "";
}

/* What lies below a folder that something was mounted over is in the table as before. */
START_TEST(test_hidden_mount) {
        const char *t = ROOT "2 1 8:2 / /srv/mail rw - ext4 /dev/sdb rw\n"
                             "3 2 8:3 / /srv/mail/archive rw - xfs /dev/sdc rw\n"
                             "4 1 0:50 / /srv rw - tmpfs none rw\n"
                             "5 3 8:4 / /srv/mail/archive rw - btrfs /dev/sdd rw\n";

        ck_assert_str_eq(mount_of(t, "/srv/mail"), "tmpfs");
        ck_assert_str_eq(mount_of(t, "/srv/mail/archive"), "tmpfs");
        ck_assert_str_eq(mount_of(t, "/srv2"), "ext4");
        t = ROOT "2 1 8:2 / /srv/mail rw - ext4 /dev/sdb rw\n"
                 "3 2 8:3 / /srv/mail/archive rw - xfs /dev/sdc rw\n"
                 "5 3 8:4 / /srv/mail/archive rw - btrfs /dev/sdd rw\n";
        ck_assert_str_eq(mount_of(t, "/srv/mail/a"), "ext4");
        ck_assert_str_eq(mount_of(t, "/srv/mail/archive/a"), "btrfs");
}
END_TEST

/* In a chroot the table begins in the middle; and it may be torn. */
START_TEST(test_odd_tables) {
        ck_assert_str_eq(
                mount_of("7 6 8:2 / /a rw - ext4 x rw\n8 7 8:3 / /a/b rw - xfs y rw\n", "/a/b/c"),
                "xfs");
        ck_assert_str_eq(mount_of("7 7 8:2 / / rw - ext4 x rw\n", "/a"), "ext4");
        ck_assert_str_eq(mount_of("7 8 8:2 / / rw - ext4 x rw\n8 7 8:3 / / rw - xfs y rw\n", "/a"),
                         "");
        (void)mount_of("1 0 8:1 / / rw - ext4 x rw\n7 1 8:2 / /a rw - ext4 x rw\n"
                       "8 7 8:3 / /a rw - xfs y rw\n7 8 8:3 / /a rw - xfs y rw\n",
                       "/a");
}
END_TEST

/* The mark would take what lies beside the store for mail. */
START_TEST(test_file_system_of_others) {
        char *t = table(ROOT "2 1 8:2 / /tmp rw - ext4 /dev/sdb rw\n");

        ck_assert_int_eq(find(t, folder, MARKS_FILESYSTEM, NULL), -EPERM);
        ck_assert_ptr_nonnull(strstr(messages, "not the root of its file system"));
}
END_TEST

START_TEST(test_no_mount) {
        ck_assert_int_eq(
                find("2 1 8:2 / /elsewhere rw - ext4 /dev/sdb rw\n", "/etc", MARKS_AUTO, NULL),
                -EPERM);
        ck_assert_ptr_nonnull(strstr(messages, "no mount"));
}
END_TEST

START_TEST(test_missing) {
        ck_assert_int_eq(find(ROOT, "/none-such/store", MARKS_AUTO, NULL), -ENOENT);
        ck_assert_int_eq(find(ROOT, "/etc/passwd", MARKS_AUTO, NULL), -ENOENT);
}
END_TEST

UNIT_MAIN("scope", test_table, test_table_broken, test_table_own, test_own_file_system,
          test_sub_folder, test_bind_mount, test_system_subvolume, test_own_files_there,
          test_covered_mount, test_hidden_mount, test_odd_tables, test_mounts_below, test_remote,
          test_file_system_of_others, test_no_mount, test_missing);
