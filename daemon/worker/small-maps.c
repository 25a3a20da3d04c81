/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the small mappings that libclamav asks for with each piece of a message (fmap.c: anonymous, a few pages,
 * given back at once) and keeps them for the next piece: to have the kernel map, fault in and unmap them anew cost
 * a tenth of a scan (tests/bench/open, row unscanned). tcmalloc's hooks stand in front of mmap(2) and munmap(2) for
 * all callers in the process; they must not allocate.
 */

#include "daemon/worker/small-maps.h"

#include <gperftools/malloc_hook_c.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCKS     16
#define BLOCK_SIZE (64 * 1024)
#define PAGE       ((size_t)4096) /* or a part of one */

/* Of BLOCK_SIZE, or none yet; sizes are of whole pages. Nobody here protects or moves such a mapping. */
static struct block {
        unsigned char *memory;
        size_t used; /* 0: free */
        size_t dirty;
} blocks[BLOCKS];

static atomic_flag busy = ATOMIC_FLAG_INIT;

static void begin(void) {
        while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
                ;
}

static void end(void) {
        atomic_flag_clear_explicit(&busy, memory_order_release);
}

static struct block *find_free(void) {
        struct block *empty = NULL;

        for (struct block *b = blocks; b < blocks + BLOCKS; b++) {
                if (b->memory && b->used == 0)
                        return b;
                if (!b->memory && !empty)
                        empty = b;
        }
        return empty;
}

static size_t of_pages(size_t size) {
        return (size + PAGE - 1) / PAGE * PAGE;
}

static void *take(size_t size) {
        struct block *b = find_free();

        if (!b)
                return NULL;
        if (!b->memory) {
                long memory = syscall(SYS_mmap, NULL, (size_t)BLOCK_SIZE, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, (off_t)0);

                if (memory == -1)
                        return NULL;
                *b = (struct block){ .memory = (unsigned char *)memory };
        }
        /* As the kernel gives it. */
        memset(b->memory, 0, size < b->dirty ? size : b->dirty);
        b->used = size;
        return b->memory;
}

/* What is not for here goes on to the kernel. */
static int map(const void *start, size_t size, int protection, int flags, int fd, off_t offset,
               void **ret) {
        void *memory;

        (void)fd, (void)offset;
        if (start || size == 0 || size > BLOCK_SIZE || protection != (PROT_READ | PROT_WRITE) ||
            flags != (MAP_PRIVATE | MAP_ANONYMOUS))
                return 0;
        begin();
        memory = take(of_pages(size));
        end();
        if (!memory)
                return 0;
        *ret = memory;
        return 1;
}

/* Whoever unmaps a part, or more, has the kernel do it: such a block is none any more. */
static int unmap(const void *start, size_t size, int *ret) {
        const unsigned char *from = start;
        int ours = 0;

        begin();
        for (struct block *b = blocks; b < blocks + BLOCKS; b++) {
                if (!b->memory || from + size <= b->memory || from >= b->memory + BLOCK_SIZE)
                        continue;
                if (from == b->memory && size <= BLOCK_SIZE && of_pages(size) == b->used) {
                        b->dirty = b->used > b->dirty ? b->used : b->dirty;
                        b->used = 0;
                        *ret = 0;
                        ours = 1;
                } else
                        *b = (struct block){ 0 };
        }
        end();
        return ours;
}

void small_maps_keep(void) {
        (void)MallocHook_SetMmapReplacement(map);
        (void)MallocHook_SetMunmapReplacement(unmap);
}
