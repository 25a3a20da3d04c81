/* SPDX-License-Identifier: Apache-2.0 */

/* Small mappings that are kept for the next who asks: to who asks they are as the kernel's. */

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/worker/small-maps.h"
#include "tests/unit/unit.h"

#define KIB 1024U

static unsigned char *map(size_t size, int protection, int flags) {
        unsigned char *memory = mmap(NULL, size, protection, flags, -1, 0);

        ck_assert_ptr_ne(memory, MAP_FAILED);
        return memory;
}

static unsigned char *small(size_t size) {
        return map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

static bool is_zero(const unsigned char *memory, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (memory[i] != 0)
                        return false;
        return true;
}

static bool is_mapped(unsigned char *memory) {
        unsigned char in_core;

        return mincore(memory, 4 * KIB, &in_core) == 0;
}

START_TEST(test_kept) {
        unsigned char *first, *second;

        small_maps_keep();
        first = small(12 * KIB);
        memset(first, 'x', 12 * KIB);
        ck_assert_int_eq(munmap(first, 12 * KIB), 0);
        ck_assert(is_mapped(first));
        second = small(8 * KIB);
        ck_assert_ptr_eq(first, second);
        ck_assert(is_zero(second, 8 * KIB));
        /* What this one did not ask for is still as the first one left it. */
        ck_assert_int_eq(munmap(second, 8 * KIB), 0);
        second = small(64 * KIB);
        ck_assert_ptr_eq(first, second);
        ck_assert(is_zero(second, 64 * KIB));
}
END_TEST

/* A mapping is of whole pages, whatever was asked for. */
START_TEST(test_odd_sizes) {
        unsigned char *memory;

        small_maps_keep();
        memory = small(5000);
        memset(memory, 'x', 8 * KIB);
        ck_assert_int_eq(munmap(memory, 8 * KIB), 0);
        ck_assert_ptr_eq(small(5001), memory);
        ck_assert(is_zero(memory, 8 * KIB));
}
END_TEST

START_TEST(test_each_its_own) {
        unsigned char *all[100];

        small_maps_keep();
        for (unsigned round = 0; round < 3; round++) {
                for (unsigned i = 0; i < 100; i++) {
                        all[i] = small(4 * KIB);
                        ck_assert(is_zero(all[i], 4 * KIB));
                        memset(all[i], (int)i + 1, 4 * KIB);
                }
                for (unsigned i = 0; i < 100; i++) {
                        ck_assert_uint_eq(all[i][0], i + 1);
                        ck_assert_uint_eq(all[i][4 * KIB - 1], i + 1);
                        ck_assert_int_eq(munmap(all[i], 4 * KIB), 0);
                }
        }
}
END_TEST

START_TEST(test_left_to_the_kernel) {
        unsigned char *memory;

        small_maps_keep();
        memory = small(128 * KIB);
        ck_assert_int_eq(munmap(memory, 128 * KIB), 0);
        ck_assert(!is_mapped(memory));
        memory = map(4 * KIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
        ck_assert_int_eq(munmap(memory, 4 * KIB), 0);
        ck_assert(!is_mapped(memory));
        memory = map(4 * KIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
        ck_assert_int_eq(munmap(memory, 4 * KIB), 0);
        ck_assert(!is_mapped(memory));
}
END_TEST

/* A part is unmapped: the rest is never given to another. */
START_TEST(test_in_parts) {
        unsigned char *memory, *next;

        small_maps_keep();
        memory = small(16 * KIB);
        memset(memory, 'x', 16 * KIB);
        ck_assert_int_eq(munmap(memory + 8 * KIB, 8 * KIB), 0);
        ck_assert(!is_mapped(memory + 8 * KIB));
        ck_assert_uint_eq(memory[0], 'x');
        next = small(16 * KIB);
        ck_assert(next + 16 * KIB <= memory || next >= memory + 8 * KIB);
        ck_assert_int_eq(munmap(memory, 8 * KIB), 0);
        ck_assert(!is_mapped(memory));
}
END_TEST

UNIT_MAIN("small-maps", test_kept, test_odd_sizes, test_each_its_own, test_left_to_the_kernel,
          test_in_parts);
