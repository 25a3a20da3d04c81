/* SPDX-License-Identifier: Apache-2.0 */

/* What a process leaves to the next one: what is noted is found, a value is the old or the new one while it
 * is written, and whatever else may lie in such memory is refused or says nothing. */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/legacy.h"
#include "tests/unit/unit.h"

static struct legacy *legacy;
static int fd = -EBADF;

static void make(void) {
        ck_assert_int_eq(legacy_new(&legacy, &fd), 0);
}

static void done(void) {
        legacy = legacy_free(legacy);
        fd = close_fd(fd);
}

/* As the next process would. */
static struct legacy *take(void) {
        struct legacy *next = NULL;

        ck_assert_int_eq(legacy_take(fd, &next), 0);
        return next;
}

static void expect_config(const char *text) {
        struct legacy *next = take();
        size_t size = 0;
        char *found;

        if (!text)
                ck_assert_int_eq(legacy_config(next, &found, &size), -ENOENT);
        else {
                ck_assert_int_eq(legacy_config(next, &found, &size), 0);
                ck_assert_uint_eq(size, strlen(text));
                ck_assert_str_eq(found, text);
                free(found);
        }
        legacy_free(next);
}

START_TEST(test_empty) {
        struct legacy_engine engine;
        struct legacy *next;

        make();
        next = take();
        ck_assert(!legacy_engine(next, &engine));
        ck_assert(!legacy_has_failed(next));
        ck_assert(!legacy_is_detached(next, "mail"));
        ck_assert(!legacy_is_detached(next, ""));
        for (size_t i = 0; i < GATE_DEVICES; i++)
                ck_assert_uint_eq(legacy_devices(next)[i], 0);
        legacy_free(next);
        expect_config(NULL);
        done();
}
END_TEST

START_TEST(test_nobody) {
        struct legacy_engine engine = {};
        size_t size;
        char *text;

        legacy_note_engine(NULL, &engine);
        legacy_note_config(NULL, "x", 1);
        legacy_note_detached(NULL, "mail", true);
        legacy_note_failed(NULL, true);
        ck_assert(!legacy_engine(NULL, &engine));
        ck_assert_int_eq(legacy_config(NULL, &text, &size), -ENOENT);
        ck_assert(!legacy_is_detached(NULL, "mail"));
        ck_assert(!legacy_has_failed(NULL));
        ck_assert_ptr_null(legacy_devices(NULL));
}
END_TEST

START_TEST(test_engine) {
        struct legacy_engine engine = { .database_version = 27000, .database_usec = 5 }, found;

        make();
        for (uint8_t i = 1; i < 5; i++) {
                struct legacy *next;

                engine.generation.id[0] = i;
                engine.database_version++;
                legacy_note_engine(legacy, &engine);
                next = take();
                ck_assert(legacy_engine(next, &found));
                ck_assert_mem_eq(&found, &engine, sizeof(found));
                legacy_free(next);
        }
        done();
}
END_TEST

START_TEST(test_config) {
        static const char first[] = "[store a]\npath = /srv/a\n", second[] = "[store b]\n";
        size_t much = (1U << 20) + 1;
        char *large = calloc(1, much);

        make();
        legacy_note_config(legacy, first, strlen(first));
        expect_config(first);
        legacy_note_config(legacy, second, strlen(second));
        expect_config(second);
        legacy_note_config(legacy, first, strlen(first));
        expect_config(first);
        /* Rather none than the one before, which is not in force. */
        legacy_note_config(legacy, large, much);
        expect_config(NULL);
        legacy_note_config(legacy, second, strlen(second));
        expect_config(second);
        free(large);
        done();
}
END_TEST

START_TEST(test_detached) {
        char name[128], longest[66];
        struct legacy *next;

        make();
        memset(longest, 'a', 64);
        longest[64] = '\0';
        legacy_note_detached(legacy, "mail", false);
        legacy_note_detached(legacy, "mail", true);
        legacy_note_detached(legacy, "mail", true);
        legacy_note_detached(legacy, longest, true);
        next = take();
        ck_assert(legacy_is_detached(next, "mail"));
        ck_assert(legacy_is_detached(next, longest));
        ck_assert(!legacy_is_detached(next, "mai"));
        ck_assert(!legacy_is_detached(next, "mail2"));
        legacy_note_detached(next, "mail", false);
        ck_assert(!legacy_is_detached(legacy, "mail"));
        ck_assert(legacy_is_detached(legacy, longest));
        legacy_free(next);

        /* More than there is room for are not remembered; nothing else is harmed. */
        for (int i = 0; i < 2000; i++) {
                snprintf(name, sizeof(name), "store-%d", i);
                legacy_note_detached(legacy, name, true);
        }
        ck_assert(legacy_is_detached(legacy, "store-0"));
        ck_assert(!legacy_is_detached(legacy, "store-1999"));
        ck_assert(legacy_is_detached(legacy, longest));
        memset(name, 'b', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        legacy_note_detached(legacy, name, true);
        ck_assert(!legacy_is_detached(legacy, name));
        done();
}
END_TEST

START_TEST(test_failed) {
        struct legacy *next;

        make();
        legacy_note_failed(legacy, true);
        next = take();
        ck_assert(legacy_has_failed(next));
        legacy_note_failed(next, false);
        ck_assert(!legacy_has_failed(legacy));
        legacy_free(next);
        done();
}
END_TEST

/* Each word of it, turned over: nothing of it may be followed out of the memory. */
START_TEST(test_anything) {
        struct stat st;
        uint8_t *bytes;

        make();
        legacy_note_config(legacy, "[gate]\n", strlen("[gate]\n"));
        ck_assert_int_eq(fstat(fd, &st), 0);
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        ck_assert_ptr_ne(bytes, MAP_FAILED);
        for (size_t i = 0; i < 4096; i += 4) {
                uint32_t word = 0xffffffff, before;
                struct legacy_engine engine;
                struct legacy *next;
                size_t size;
                char *text;

                memcpy(&before, bytes + i, 4);
                memcpy(bytes + i, &word, 4);
                if (legacy_take(fd, &next) >= 0) {
                        (void)legacy_engine(next, &engine);
                        if (legacy_config(next, &text, &size) >= 0)
                                free(text);
                        (void)legacy_is_detached(next, "mail");
                        legacy_free(next);
                } else
                        ck_assert_uint_lt(i, 20); /* magic and version */
                memcpy(bytes + i, &before, 4);
        }
        munmap(bytes, (size_t)st.st_size);
        done();
}
END_TEST

START_TEST(test_other_memory) {
        struct legacy *next;
        int other;

        make();
        other = open("/dev/null", O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(legacy_take(other, &next), -EBADMSG);
        close(other);
        /* Of the size, but whoever made it could cut it. */
        other = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        ck_assert_int_ge(other, 0);
        ck_assert_int_eq(ftruncate(other, lseek(fd, 0, SEEK_END)), 0);
        ck_assert_int_eq(legacy_take(other, &next), -EBADMSG);
        close(other);
        done();
}
END_TEST

UNIT_MAIN("legacy", test_empty, test_nobody, test_engine, test_config, test_detached, test_failed,
          test_anything, test_other_memory);
