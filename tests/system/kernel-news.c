/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What daemon/marker.c and walk.c rely on: who tells of new folders, of roots that go and come, of
 * mounts and unmounts. Must not own: what marks reach (kernel-marks.c).
 */

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "daemon/fan-event.h"
#include "tests/system/kernel.h"

/* ---- News of folders ---- */

#define NEWS_MASK (FAN_CREATE | FAN_MOVED_TO | FAN_ONDIR)

static int news_open(void) {
        return (int)expect_ok(fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_CLOEXEC |
                                                    FAN_NONBLOCK | FAN_UNLIMITED_QUEUE |
                                                    FAN_UNLIMITED_MARKS,
                                            O_RDONLY | O_CLOEXEC));
}

struct news {
        uint64_t mask;
        __kernel_fsid_t fsid;
        char name[256];
        int parent; /* opened by the handle */
};

static struct news parse_news(const struct fanotify_event_metadata *e, int mount) {
        const struct fanotify_event_info_fid *info = (const void *)(e + 1);
        struct file_handle *handle = (struct file_handle *)(uintptr_t)info->handle;
        struct news news = { .mask = e->mask, .fsid = info->fsid };

        expect_equal(e->fd, FAN_NOFD);
        expect_equal(info->hdr.info_type, FAN_EVENT_INFO_TYPE_DFID_NAME);
        snprintf(news.name, sizeof(news.name), "%s",
                 (const char *)handle->f_handle + handle->handle_bytes);
        news.parent = open_by_handle_at(mount, handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        expect_ok(news.parent);
        return news;
}

/* The news of the one folder that is among what is queued. */
static struct news next_news(int group, int mount) {
        struct pollfd poll_fd = { .fd = group, .events = POLLIN };
        struct news news = {};
        union fan_event event;
        char buffer[4096];
        const char *at = buffer;
        size_t left;
        ssize_t n;

        expect_equal(poll(&poll_fd, 1, PATIENCE_MSEC), 1);
        n = read(group, buffer, sizeof(buffer));
        expect(n > 0);
        for (left = (size_t)n; fan_event_next(&at, &left, &event);)
                if (event.metadata.mask & FAN_ONDIR) {
                        expect_equal(news.mask, 0);
                        news = parse_news(&event.metadata, mount);
                }
        expect(news.mask != 0);
        return news;
}

static void expect_same(int fd, const char *path) {
        struct stat a, b;

        expect_ok(fstat(fd, &a));
        expect_ok(stat(path, &b));
        expect(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static void new_folders_are_told(void) {
        int group = news_open(), mount;
        struct statfs sfs;
        struct news news;

        expect_ok(mkdir("marked", 0755));
        expect_ok(mkdir("beside", 0755));
        mount = (int)expect_ok(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        expect_ok(statfs(".", &sfs));
        if (fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_ONLYDIR, NEWS_MASK, AT_FDCWD, "marked") <
            0)
                skip("no news of folders on this file system: %s", strerror(errno));

        make_file("marked/file", 10);
        expect_ok(mkdir("marked/new", 0755));
        news = next_news(group, mount);
        expect_equal(news.mask, FAN_CREATE | FAN_ONDIR);
        expect(streq(news.name, "new"));
        expect(memcmp(&news.fsid, &sfs.f_fsid, sizeof(news.fsid)) == 0);
        expect_same(news.parent, "marked");

        expect_ok(rename("beside", "marked/moved"));
        news = next_news(group, mount);
        expect_equal(news.mask, FAN_MOVED_TO | FAN_ONDIR);
        expect(streq(news.name, "moved"));
        expect_same(news.parent, "marked");

        expect_ok(mkdir("marked/new/deeper", 0755));
        expect_ok(rename("marked/new", "marked/again"));
        news = next_news(group, mount);
        expect(streq(news.name, "again"));
        expect(no_event(group));
}

/* Subvolumes have file system ids and device numbers of their own, but are no mounts. A group of the
 * kind that tells news takes them from 6.8 on, one for itself alone. */
static void news_of_subvolumes(void) {
        struct btrfs_ioctl_vol_args args = { .name = "volume" };
        int group = news_open(), folder, alone, together;
        struct statx above, below;
        struct statfs sfs;
        struct news news;

        if (test_fs() != BTRFS_SUPER_MAGIC)
                skip("is about btrfs");
        folder = (int)expect_ok(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        expect_ok(ioctl(folder, BTRFS_IOC_SUBVOL_CREATE, &args));
        expect_ok(statx(AT_FDCWD, ".", 0, STATX_MNT_ID, &above));
        expect_ok(statx(AT_FDCWD, "volume", 0, STATX_MNT_ID, &below));
        expect_equal(above.stx_mnt_id, below.stx_mnt_id);
        expect(above.stx_dev_minor != below.stx_dev_minor);

        alone = value_of(fanotify_mark(group, FAN_MARK_ADD, NEWS_MASK, AT_FDCWD, "volume"));
        together = value_of(fanotify_mark(group, FAN_MARK_ADD, NEWS_MASK, AT_FDCWD, "."));
        note("mark for news of folders in a subvolume: %d, in another one as well: %d", alone,
             together);
        if (alone < 0) {
                expect_equal(alone, -EXDEV);
                expect_equal(together, 0);
        } else {
                expect_equal(together, -EXDEV);
                expect_ok(mkdir("volume/new", 0755));
                news = next_news(group, folder);
                expect_same(news.parent, "volume");
                expect_ok(statfs("volume", &sfs));
                expect(memcmp(&news.fsid, &sfs.f_fsid, sizeof(news.fsid)) == 0);
        }
        /* Marks for permission events and inotify watches know no such limits. */
        group = group_open();
        add_mark(group, FAN_MARK_ONLYDIR, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, ".");
        add_mark(group, FAN_MARK_ONLYDIR, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, "volume");
        folder = (int)expect_ok(inotify_init1(IN_CLOEXEC));
        expect_ok(inotify_add_watch(folder, "volume", IN_CREATE | IN_MOVED_TO));
}

/* ---- Mounts ---- */

static uint32_t inotify_next(int inotify) {
        char buffer[512] __attribute__((aligned(__alignof__(struct inotify_event))));
        struct pollfd poll_fd = { .fd = inotify, .events = POLLIN };
        const struct inotify_event *e = (const void *)buffer;
        uint32_t mask = 0;
        ssize_t n;

        expect_equal(poll(&poll_fd, 1, PATIENCE_MSEC), 1);
        n = read(inotify, buffer, sizeof(buffer));
        expect(n > 0);
        for (const char *p = buffer; p < buffer + n; p += sizeof(*e) + e->len) {
                e = (const void *)p;
                mask |= e->mask;
        }
        return mask & ~IN_ISDIR;
}

/* With watches of the kinds that daemon/marker.c sets. */
static int inotify_on(const char *path) {
        int inotify = (int)expect_ok(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));

        expect_ok(inotify_add_watch(inotify, path, IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR));
        return inotify;
}

static void unmount_takes_marks(void) {
        int group, inotify;

        expect_ok(mkdir("mount", 0755));
        expect_ok(mount("none", "mount", "tmpfs", 0, NULL));
        make_file("mount/file", 10);
        group = group_open();
        add_mark(group, FAN_MARK_FILESYSTEM, FAN_OPEN_PERM, "mount");
        add_mark(group, FAN_MARK_ONLYDIR, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, "mount");
        inotify = inotify_on("mount");
        expect_equal(events_of(group, read_one, "mount/file"), 1);

        /* Not while it is mounted elsewhere as well. */
        expect_ok(mkdir("other", 0755));
        expect_ok(mount("mount", "other", NULL, MS_BIND, NULL));
        expect_ok(umount2("mount", 0));
        expect_equal(events_of(group, read_one, "other/file"), 1);
        expect(no_event(inotify));
        expect_ok(umount2("other", 0));
        expect_equal(inotify_next(inotify), IN_UNMOUNT | IN_IGNORED);

        expect_ok(mount("none", "mount", "tmpfs", 0, NULL));
        make_file("mount/file", 10);
        expect_equal(events_of(group, read_one, "mount/file"), 0);
        /* Nothing is left to be removed. */
        expect_equal(value_of(fanotify_mark(group, FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM,
                                            FAN_OPEN_PERM, AT_FDCWD, "mount")),
                     -ENOENT);
}

static void event_fd_holds_the_mount(void) {
        struct client client;
        int group, fd;

        expect_ok(mkdir("mount", 0755));
        expect_ok(mount("none", "mount", "tmpfs", 0, NULL));
        make_file("mount/file", 10);
        group = group_open();
        add_mark(group, FAN_MARK_FILESYSTEM, FAN_OPEN_PERM, "mount");
        client = client_open("mount/file", O_RDONLY);
        fd = next_event(group).fd;
        expect_equal(answer(group, fd, FAN_ALLOW), 0);
        expect(client_result(&client) >= 0);
        client_end(&client);
        expect_equal(value_of(umount2("mount", 0)), -EBUSY);
        close_fd(fd);
        expect_ok(umount2("mount", 0));
}

static void roots_that_go_are_told(void) {
        int inotify;

        expect_ok(mkdir("root", 0755));
        inotify = inotify_on("root");
        expect_ok(rename("root", "renamed"));
        expect_equal(inotify_next(inotify), IN_MOVE_SELF);
        expect_ok(rmdir("renamed"));
        expect_equal(inotify_next(inotify), IN_DELETE_SELF | IN_IGNORED);

        expect_ok(inotify_add_watch(inotify, ".",
                                    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                            IN_DELETE_SELF | IN_ONLYDIR | IN_MASK_ADD));
        expect_ok(mkdir("root", 0755));
        expect_equal(inotify_next(inotify), IN_CREATE);
}

static void mounts_are_told(void) {
        struct pollfd poll_fd = { .events = POLLPRI };
        struct statx a, b;

        expect_ok(mkdir("mount", 0755));
        poll_fd.fd = (int)expect_ok(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
        expect_equal(poll(&poll_fd, 1, 0), 0);
        expect_ok(mount(".", "mount", NULL, MS_BIND, NULL));
        expect_equal(poll(&poll_fd, 1, PATIENCE_MSEC), 1);
        expect(poll_fd.revents & POLLPRI);
        expect_equal(poll(&poll_fd, 1, 0), 0);
        /* How a walk knows where the store's mount ends. */
        expect_ok(statx(AT_FDCWD, ".", 0, STATX_MNT_ID, &a));
        expect_ok(statx(AT_FDCWD, "mount", 0, STATX_MNT_ID, &b));
        expect(a.stx_mnt_id != b.stx_mnt_id && a.stx_ino == b.stx_ino);
        expect_ok(umount2("mount", 0));
        expect_equal(poll(&poll_fd, 1, PATIENCE_MSEC), 1);
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "new and renamed-in folders are told with their parent", new_folders_are_told },
                { "news of folders in btrfs subvolumes", news_of_subvolumes },
                { "last unmount takes marks away and is told", unmount_takes_marks },
                { "event fd holds the mount", event_fd_holds_the_mount },
                { "roots that go and come are told", roots_that_go_are_told },
                { "mounts are told, and told apart", mounts_are_told },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
