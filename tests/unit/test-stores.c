/* SPDX-License-Identifier: Apache-2.0 */

/* stores.c: which store an open file belongs to, and whether it is mail there. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/stores.h"
#include "unit.h"

static char base[] = "/tmp/storescan-stores.XXXXXX";
static struct config_store stores[4];
static struct config config = { .stores = stores, .n_stores = 2 };
static char path[PATH_MAX];
static enum place place;

static void make(const char *folder) {
        char p[PATH_MAX];

        snprintf(p, sizeof(p), "%s%s", base, folder);
        ck_assert_int_eq(mkdir(p, 0755), 0);
}

static void setup(void) {
        static const char *const folders[] = { "/a",         "/a/cur",       "/a/tmp",
                                               "/b",         "/b/new",       "/a/in",
                                               "/a/in/x",    "/a/inn",       "/c",
                                               "/c/.imap",   "/c/.imap/x",   "/other",
                                               "/other/cur", "/other/.imap", "/other/.imap/x",
                                               "/aa",        "/aa/cur" };

        ck_assert_ptr_nonnull(mkdtemp(base));
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                make(folders[i]);
        for (size_t i = 0; i < ELEMENTSOF(stores); i++) {
                static const char *const names[] = { "a", "b", "a/in", "c" };

                ck_assert_int_ge(asprintf(&stores[i].path, "%s/%s", base, names[i]), 0);
                stores[i].name = stores[i].path;
        }
        /* b lets less through. */
        stores[0].on_infected = ON_INFECTED_DETECT;
        stores[0].on_error = ON_FAILURE_ALLOW;
        stores[0].on_unscannable = ON_FAILURE_ALLOW;
        stores[1].on_infected = ON_INFECTED_BLOCK;
        stores[1].on_error = ON_FAILURE_DENY;
        stores[1].on_unscannable = ON_FAILURE_ALLOW;
        stores[2] = (struct config_store){ stores[2].name, stores[2].path };
        stores[2].format = STORE_FORMAT_SIS;
        stores[2].on_infected = ON_INFECTED_DETECT;
        stores[3] = (struct config_store){ stores[3].name, stores[3].path };
        stores[3].format = STORE_FORMAT_MBOX;
        stores[3].on_infected = ON_INFECTED_DETECT;
}

static const struct config_store *find(const char *file, bool unlinked) {
        const struct config_store *store;
        char p[PATH_MAX];
        struct stat st;
        int fd;

        snprintf(p, sizeof(p), "%s%s", base, file);
        fd = open(p, O_RDWR | O_CREAT, 0600);
        ck_assert_int_ge(fd, 0);
        if (unlinked)
                ck_assert_int_eq(unlink(p), 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        store = stores_find(&config, fd, &st, path, &place);
        close(fd);
        ck_assert_str_eq(path, p);
        return store;
}

START_TEST(test_in_a_store) {
        setup();
        ck_assert_ptr_eq(find("/a/cur/1", false), &stores[0]);
        ck_assert_int_eq(place, PLACE_ITEM);
        ck_assert_ptr_eq(find("/b/new/1", false), &stores[1]);
        ck_assert_int_eq(place, PLACE_ITEM);
        ck_assert_ptr_eq(find("/a/tmp/1", false), &stores[0]);
        ck_assert_int_eq(place, PLACE_IN_PROGRESS);
        ck_assert_ptr_eq(find("/a/dovecot.index", false), &stores[0]);
        ck_assert_int_eq(place, PLACE_CONTROL);
        ck_assert_ptr_eq(find("/a/strange", false), &stores[0]);
        ck_assert_int_eq(place, PLACE_CONTROL);
}
END_TEST

/* The kernel puts " (deleted)" behind the name; a file may also really be called that. */
START_TEST(test_deleted) {
        setup();
        ck_assert_ptr_eq(find("/a/cur/gone", true), &stores[0]);
        ck_assert_int_eq(place, PLACE_ITEM);
        ck_assert_ptr_eq(find("/a/cur/x (deleted)", false), &stores[0]);
        ck_assert_int_eq(place, PLACE_ITEM);
        ck_assert_ptr_eq(find("/a/cur/x (deleted)", true), &stores[0]);
}
END_TEST

/* Seen through another mount the path says nothing: the strictest policy, and mail unless sure. */
START_TEST(test_elsewhere) {
        setup();
        ck_assert_ptr_eq(find("/other/cur/1", false), &stores[1]);
        ck_assert_int_eq(place, PLACE_ITEM);
        ck_assert_ptr_eq(find("/other/strange", false), &stores[1]);
        ck_assert_int_eq(place, PLACE_ITEM);
        ck_assert_ptr_eq(find("/other/dovecot.index.log", false), &stores[1]);
        ck_assert_int_eq(place, PLACE_CONTROL);
        /* A name that only begins like a store's. */
        ck_assert_ptr_eq(find("/aa/cur/1", false), &stores[1]);
}
END_TEST

/* The innermost store has the say, whichever was configured first. */
START_TEST(test_in_each_other) {
        setup();
        config.n_stores = ELEMENTSOF(stores);
        for (size_t i = 0; i < 2; i++) {
                const struct config_store *in = &stores[2 - 2 * i], *out = &stores[2 * i];
                struct config_store first = stores[0];

                ck_assert_ptr_eq(find("/a/in/x/attachment", false), in);
                ck_assert_int_eq(place, PLACE_ITEM);
                ck_assert_ptr_eq(find("/a/in/attachment", false), in);
                ck_assert_int_eq(place, PLACE_ITEM);
                ck_assert_ptr_eq(find("/a/cur/1", false), out);
                ck_assert_ptr_eq(find("/a/other", false), out);
                ck_assert_int_eq(place, PLACE_CONTROL);
                ck_assert_ptr_eq(find("/a/inn/attachment", false), out);
                ck_assert_int_eq(place, PLACE_CONTROL);

                stores[0] = stores[2];
                stores[2] = first;
        }
}
END_TEST

static void fill(const char *file, size_t size) {
        char p[PATH_MAX];

        snprintf(p, sizeof(p), "%s%s", base, file);
        (void)find(file, false);
        ck_assert_int_eq(truncate(p, (off_t)size), 0);
}

/* A mailbox may have a lock's name, and an index file's name. */
START_TEST(test_mbox) {
        setup();
        config.n_stores = ELEMENTSOF(stores);
        fill("/c/alice.lock", 12);
        ck_assert_ptr_eq(find("/c/alice.lock", false), &stores[3]);
        ck_assert_int_eq(place, PLACE_CONTROL);
        fill("/c/alice.lock", 1000);
        ck_assert_ptr_eq(find("/c/alice.lock", false), &stores[3]);
        ck_assert_int_eq(place, PLACE_ITEM);
        ck_assert_ptr_eq(find("/c/dovecot.index.cache", false), &stores[3]);
        ck_assert_int_eq(place, PLACE_ITEM);
        ck_assert_ptr_eq(find("/c/.imap/x/dovecot.index.cache", false), &stores[3]);
        ck_assert_int_eq(place, PLACE_CONTROL);
}
END_TEST

/* A name that means an index in one format may be a mailbox in another: only what all agree on is
 * let through where the store is unknown. */
START_TEST(test_elsewhere_with_formats) {
        setup();
        config.n_stores = ELEMENTSOF(stores);
        ck_assert_ptr_eq(find("/other/dovecot.index.cache", false), &stores[1]);
        ck_assert_int_eq(place, PLACE_ITEM);
        stores[2].format = STORE_FORMAT_MDBOX;
        (void)find("/other/dovecot.index.cache", false);
        ck_assert_int_eq(place, PLACE_ITEM);
        (void)find("/other/.imap/x/dovecot.index.cache", false);
        ck_assert_int_eq(place, PLACE_CONTROL);
        stores[3].format = STORE_FORMAT_SDBOX;
        (void)find("/other/dovecot.index.cache", false);
        ck_assert_int_eq(place, PLACE_CONTROL);
}
END_TEST

UNIT_MAIN("stores", test_in_a_store, test_deleted, test_elsewhere, test_in_each_other, test_mbox,
          test_elsewhere_with_formats);
