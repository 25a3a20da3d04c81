/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What daemon/scope.c and marker.c rely on: what a mark on a file system or on a folder reaches, and
 * what it does not. Must not own: answers, news of folders and mounts (kernel-news.c).
 */

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/system/kernel.h"

/* ---- Marks on file systems ---- */

static int read_in_new_namespace(const char *path) {
        expect_ok(unshare(CLONE_NEWNS));
        return read_one(path);
}

static int read_by_bind_mount(const char *path) {
        expect_ok(unshare(CLONE_NEWNS));
        expect_ok(mount(".", "mount", NULL, MS_BIND, NULL));
        return read_one("mount/file");
}

static int read_by_detached_mount(const char *path) {
        _cleanup_close_ int tree =
                (int)syscall(SYS_open_tree, AT_FDCWD, ".", 1 /* OPEN_TREE_CLONE */);
        _cleanup_close_ int fd = -EBADF;

        expect_ok(tree);
        fd = openat(tree, path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : 0;
}

static int read_by_handle(const char *path) {
        union {
                struct file_handle handle;
                char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
        } h = { .handle.handle_bytes = MAX_HANDLE_SZ };
        _cleanup_close_ int root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -EBADF;
        int mount_id;

        expect_ok(name_to_handle_at(AT_FDCWD, path, &h.handle, &mount_id, 0));
        fd = open_by_handle_at(root, &h.handle, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : 0;
}

static int list_folder(const char *path) {
        DIR *dir = opendir(path);

        if (!dir)
                return -errno;
        while (readdir(dir))
                ;
        (void)closedir(dir);
        return 0;
}

static int reopen(const char *path) {
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        char link[] = "/proc/self/fd/1234567890";

        expect_ok(fd);
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        return read_one(link);
}

static int touch_without_opening(const char *path) {
        struct stat st;

        expect_ok(stat(path, &st));
        expect_ok(access(path, R_OK));
        expect_ok(rename(path, "away"));
        return value_of(rename("away", path));
}

static void file_system_mark_sees_all(void) {
        int group;

        make_file("file", 10);
        expect_ok(mkdir("mount", 0755));
        expect_ok(mkdir("folder", 0755));
        expect_ok(link("file", "folder/link"));
        group = group_on_fs();
        expect_equal(events_of(group, read_one, "file"), 1);
        expect_equal(events_of(group, read_one, "folder/link"), 1);
        expect_equal(events_of(group, read_in_new_namespace, "file"), 1);
        expect_equal(events_of(group, read_by_bind_mount, "file"), 1);
        expect_equal(events_of(group, read_by_detached_mount, "file"), 1);
        expect_equal(events_of(group, read_by_handle, "file"), 1);
        expect_equal(events_of(group, reopen, "file"), 1);
        expect_equal(events_of(group, list_folder, "folder"), 0);
        expect_equal(events_of(group, touch_without_opening, "file"), 0);
}

static int mount_overlay_and_read(const char *path) {
        expect_ok(unshare(CLONE_NEWNS));
        if (mount("none", "mount", "overlay", 0, "lowerdir=folder,upperdir=upper,workdir=work") < 0)
                return -errno;
        client_tell(0);
        return read_one(path);
}

static void overlay_above_a_mark(void) {
        struct client client;
        unsigned n;
        int group;

        expect_ok(mkdir("mount", 0755));
        expect_ok(mkdir("folder", 0755));
        expect_ok(mkdir("upper", 0755));
        expect_ok(mkdir("work", 0755));
        make_file("folder/file", 10);
        client = client_start(mount_overlay_and_read, "mount/file");
        if (client_result(&client) < 0)
                skip("no overlayfs on this file system");
        group = group_on_fs();
        client_go(&client);
        expect(serve(group, &client, &n) >= 0);
        note("opening through an overlayfs above raises %u events", n);
}

/* ---- Marks on folders ---- */

#define FOLDER_MASK (FAN_OPEN_PERM | FAN_EVENT_ON_CHILD)

static void folder_mark_sees_children_only(void) {
        int group, folder;

        expect_ok(mkdir("marked", 0755));
        expect_ok(mkdir("marked/below", 0755));
        expect_ok(mkdir("beside", 0755));
        make_file("marked/file", 10);
        make_file("marked/below/file", 10);
        make_file("beside/file", 10);
        expect_ok(link("marked/file", "beside/link"));
        group = group_open();
        /* By the fd, as daemon/marker.c does. */
        folder = (int)expect_ok(open("marked", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        expect_ok(fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FOLDER_MASK, folder, NULL));

        expect_equal(events_of(group, read_one, "marked/file"), 1);
        expect_equal(events_of(group, read_one, "marked/below/file"), 0);
        expect_equal(events_of(group, list_folder, "marked"), 0);
        expect_equal(events_of(group, list_folder, "marked/below"), 0);
        /* Not seen: the same file by another folder's name. */
        expect_equal(events_of(group, read_one, "beside/link"), 0);
        /* The mark goes with the folder, and is for whatever lies in it. */
        expect_ok(rename("marked", "renamed"));
        expect_equal(events_of(group, read_one, "renamed/file"), 1);
        expect_ok(rename("beside/file", "renamed/moved"));
        expect_equal(events_of(group, read_one, "renamed/moved"), 1);
        expect_ok(rename("renamed/moved", "beside/file"));
        expect_equal(events_of(group, read_one, "beside/file"), 0);
}

static void folder_mark_in_other_mounts(void) {
        int group;

        make_file("file", 10);
        expect_ok(mkdir("mount", 0755));
        group = group_open();
        add_mark(group, FAN_MARK_ONLYDIR, FOLDER_MASK, ".");
        expect_equal(events_of(group, read_in_new_namespace, "file"), 1);
        expect_equal(events_of(group, read_by_bind_mount, "file"), 1);
        expect_equal(events_of(group, read_by_detached_mount, "file"), 1);
}

static void flush_takes_all_marks(void) {
        int group;

        expect_ok(mkdir("folder", 0755));
        make_file("folder/file", 10);
        group = group_on_fs();
        add_mark(group, FAN_MARK_ONLYDIR, FOLDER_MASK, "folder");
        expect_ok(fanotify_mark(group, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, "/"));
        expect_equal(events_of(group, read_one, "folder/file"), 1);
        expect_ok(fanotify_mark(group, FAN_MARK_FLUSH, 0, AT_FDCWD, "/"));
        expect_equal(events_of(group, read_one, "folder/file"), 0);
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "file system mark sees every way to a file, and files only",
                  file_system_mark_sees_all },
                { "opens through an overlayfs above", overlay_above_a_mark },
                { "folder mark sees its children only", folder_mark_sees_children_only },
                { "folder mark sees other mounts and namespaces", folder_mark_in_other_mounts },
                { "flush takes all marks of its kind, whatever the path", flush_takes_all_marks },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
