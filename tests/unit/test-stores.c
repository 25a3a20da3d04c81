/* SPDX-License-Identifier: Apache-2.0 */

/* stores.c: which store an open file belongs to, and whether it is mail there. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/stores.h"
#include "unit.h"

static char base[] = "/tmp/storescan-stores.XXXXXX";
static struct config_store stores[2];
static struct config config = { .stores = stores, .n_stores = 2 };
static char path[PATH_MAX];
static enum place place;

static void make(const char *folder) {
        char p[PATH_MAX];

        snprintf(p, sizeof(p), "%s%s", base, folder);
        ck_assert_int_eq(mkdir(p, 0755), 0);
}

static void setup(void) {
        static const char *const folders[] = { "/a",     "/a/cur",     "/a/tmp", "/b",     "/b/new",
                                               "/other", "/other/cur", "/aa",    "/aa/cur" };

        ck_assert_ptr_nonnull(mkdtemp(base));
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                make(folders[i]);
        for (size_t i = 0; i < 2; i++) {
                ck_assert_int_ge(asprintf(&stores[i].path, "%s/%c", base, "ab"[i]), 0);
                stores[i].name = stores[i].path;
        }
        /* b lets less through. */
        stores[0].on_infected = ON_INFECTED_DETECT;
        stores[0].on_error = ON_FAILURE_ALLOW;
        stores[0].on_unscannable = ON_FAILURE_ALLOW;
        stores[1].on_infected = ON_INFECTED_BLOCK;
        stores[1].on_error = ON_FAILURE_DENY;
        stores[1].on_unscannable = ON_FAILURE_ALLOW;
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

UNIT_MAIN("stores", test_in_a_store, test_deleted, test_elsewhere);
