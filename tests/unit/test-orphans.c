/* SPDX-License-Identifier: Apache-2.0 */

/* The table of events without an answer: what is written is found by the next process; and whatever
 * else may lie in such memory is either refused or says nothing that could be believed. */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/clock.h"
#include "daemon/orphans.h"
#include "tests/unit/unit.h"

static struct orphans *table;

static struct orphans *make(void) {
        struct orphans *orphans = NULL;

        ck_assert_int_eq(orphans_new(&orphans), 0);
        return orphans;
}

/* As the next process would. */
static int take(struct orphans **ret) {
        int fd = fcntl(table->fd, F_DUPFD_CLOEXEC, 0), r;

        ck_assert_int_ge(fd, 0);
        r = orphans_take(fd, ret);
        if (r < 0) {
                /* It was left to us. */
                ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
                close(fd);
        }
        return r;
}

static void expect(const struct orphans *orphans, int number, enum orphan_state state) {
        struct orphan orphan;

        ck_assert_int_eq(orphans_look(orphans, number, &orphan), state);
}

/* An event about a file of ours. */
static struct gate_event event(void) {
        return (struct gate_event){
                .fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
                .pid = 1,
                .access = GATE_READ,
                .offset = 4096,
                .size = 8192,
                .has_range = true,
        };
}

START_TEST(test_life) {
        struct orphans *next = NULL;
        struct gate_event e = event();
        struct changes_key key;
        struct orphan orphan;
        uint64_t began = now_usec();

        table = make();
        ck_assert_uint_eq(orphans_end(table), 1);
        orphans_note(table, e.fd);
        ck_assert(orphans_waits(table, e.fd));
        ck_assert_ptr_null(orphans_key(table, e.fd));
        orphans_identify(table, &e, NULL);
        ck_assert(!orphans_waits(table, e.fd));
        orphans_note(table, 49);
        orphans_identify(table, &(struct gate_event){ .fd = 49 }, orphans_key(table, e.fd));
        orphans_note(table, 50);
        orphans_note(table, 51);
        orphans_set(table, 51, ORPHAN_ALLOW);
        orphans_note(table, 52);
        orphans_set(table, 52, ORPHAN_DENY);
        orphans_note(table, 53);
        orphans_set(table, 53, ORPHAN_NONE);

        ck_assert_int_eq(take(&next), 0);
        ck_assert_uint_eq(orphans_end(next), 54);
        ck_assert_int_eq(orphans_look(next, e.fd, &orphan), ORPHAN_KNOWN);
        changes_key(e.fd, &key);
        ck_assert(changes_key_equal(&orphan.key, &key));
        ck_assert_int_eq(orphan.pid, 1);
        ck_assert_int_eq(orphan.access, GATE_READ);
        ck_assert_uint_eq(orphan.offset, 4096);
        ck_assert_uint_eq(orphan.size, 8192);
        ck_assert(orphan.has_range);
        ck_assert_uint_ge(orphan.since_usec, began);
        ck_assert_uint_le(orphan.since_usec, now_usec());
        ck_assert_int_eq(orphans_look(next, 49, &orphan), ORPHAN_KNOWN);
        ck_assert(changes_key_equal(&orphan.key, &key));
        expect(next, 50, ORPHAN_TAKEN);
        expect(next, 51, ORPHAN_ALLOW);
        expect(next, 52, ORPHAN_DENY);
        expect(next, 53, ORPHAN_NONE);
        /* What one writes the other sees: it is one memory. */
        orphans_set(next, 50, ORPHAN_NONE);
        expect(table, 50, ORPHAN_NONE);
        orphans_free(next);
        orphans_free(table);
        close(e.fd);
}
END_TEST

/* However many processes an event waits for, it is told since when. */
START_TEST(test_since) {
        struct gate_event e = event();
        struct orphan orphan;

        table = make();
        e.since_usec = 12345;
        orphans_note(table, e.fd);
        orphans_identify(table, &e, NULL);
        ck_assert_int_eq(orphans_look(table, e.fd, &orphan), ORPHAN_KNOWN);
        ck_assert_uint_eq(orphan.since_usec, 12345);
        /* Nobody waits since a time that is to come. */
        table->table->files[e.fd].since_usec = UINT64_MAX;
        ck_assert_int_eq(orphans_look(table, e.fd, &orphan), ORPHAN_KNOWN);
        ck_assert_uint_le(orphan.since_usec, now_usec());
        orphans_free(table);
        close(e.fd);
}
END_TEST

/* Numbers without a place are nobody's, and do no harm. */
START_TEST(test_numbers) {
        const int numbers[] = { -1, ORPHANS_NUMBERS, INT32_MAX, INT32_MIN };

        table = make();
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                orphans_note(table, numbers[i]);
                orphans_set(table, numbers[i], ORPHAN_ALLOW);
                ck_assert(!orphans_waits(table, numbers[i]));
                orphans_identify(table, &(struct gate_event){ .fd = numbers[i] }, NULL);
                expect(table, numbers[i], ORPHAN_NONE);
        }
        ck_assert_uint_eq(orphans_end(table), 1);
        orphans_note(table, ORPHANS_NUMBERS - 1);
        expect(table, ORPHANS_NUMBERS - 1, ORPHAN_TAKEN);
        ck_assert_uint_eq(orphans_end(table), ORPHANS_NUMBERS);
        orphans_free(table);
}
END_TEST

static void expect_refused(void) {
        struct orphans *next = NULL;

        ck_assert_int_eq(take(&next), -EBADMSG);
        ck_assert_ptr_null(next);
}

/* Another version's, or half of one. */
START_TEST(test_refused) {
        struct orphans *next = NULL;
        uint32_t version;
        int fd;

        table = make();
        version = table->table->version;
        table->table->version++;
        expect_refused();
        table->table->version = 0;
        expect_refused();
        table->table->version = version;
        table->table->numbers--;
        expect_refused();
        table->table->numbers = ORPHANS_NUMBERS;
        table->table->magic[3] ^= 1;
        expect_refused();
        table->table->magic[3] ^= 1;
        atomic_store(&table->table->top, ORPHANS_NUMBERS);
        expect_refused();
        atomic_store(&table->table->top, 0);
        ck_assert_int_eq(take(&next), 0);
        orphans_free(next);
        orphans_free(table);

        /* Memory that somebody could cut while it is read; a file; nothing. */
        fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        ck_assert_int_eq(ftruncate(fd, sizeof(struct orphans_table)), 0);
        ck_assert_int_eq(orphans_take(fd, &next), -EBADMSG);
        ck_assert_int_eq(ftruncate(fd, 100), 0);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
        ck_assert_int_eq(orphans_take(fd, &next), -EBADMSG);
        close(fd);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(orphans_take(fd, &next), -EBADMSG);
        close(fd);
}
END_TEST

/* A table that is torn, or worse: what can't be believed is unknown, never allowed. */
START_TEST(test_hostile) {
        struct gate_event e = event();
        struct orphan *file;
        struct orphan orphan;

        table = make();
        orphans_note(table, e.fd);
        orphans_identify(table, &e, NULL);
        file = &table->table->files[e.fd];
        expect(table, e.fd, ORPHAN_KNOWN);
        file->key.size = CHANGES_HANDLE_MAX + 1;
        expect(table, e.fd, ORPHAN_TAKEN);
        file->key.size = 0;
        expect(table, e.fd, ORPHAN_TAKEN);
        file->key.size = 8;
        file->access = 77;
        expect(table, e.fd, ORPHAN_TAKEN);
        file->access = GATE_OPEN;
        /* Our own pid would be let through. */
        file->pid = getpid();
        ck_assert_int_eq(orphans_look(table, e.fd, &orphan), ORPHAN_KNOWN);
        ck_assert_int_eq(orphan.pid, 0);

        for (uint32_t state = _ORPHAN_STATE_MAX; state < 100; state++) {
                atomic_store(&table->table->states[e.fd], state);
                expect(table, e.fd, ORPHAN_TAKEN);
        }
        atomic_store(&table->table->states[e.fd], UINT32_MAX);
        expect(table, e.fd, ORPHAN_TAKEN);
        /* Standard streams are never an event's. */
        table->table->files[1] = *file;
        atomic_store(&table->table->states[1], ORPHAN_KNOWN);
        expect(table, 1, ORPHAN_TAKEN);
        /* The highest number is wrong: what lies above it is not looked at, what may be is bounded. */
        atomic_store(&table->table->top, UINT32_MAX);
        ck_assert_uint_eq(orphans_end(table), ORPHANS_NUMBERS);
        expect(table, ORPHANS_NUMBERS - 1, ORPHAN_NONE);
        orphans_free(table);
        close(e.fd);
}
END_TEST

UNIT_MAIN("orphans", test_life, test_since, test_numbers, test_refused, test_hostile);
