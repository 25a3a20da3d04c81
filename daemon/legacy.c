/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the memory, and what its content means. Must not own: what is done about it.
 *
 * A value of more than a word is written to the slot that is not in use, and then that is put to use.
 * VERSION changes with every field and every meaning.
 */

#include "daemon/legacy.h"

#include <assert.h>
#include <sys/mman.h>

#include "daemon/kept-memory.h"

#define MAGIC        "storescan-legacy"
#define VERSION      1U
#define CONFIG_MAX   (1U << 20) /* what a file of the configuration may be */
#define DETACHED_MAX 1024       /* stores; those beyond are attached again */
#define NAME_SIZE    72

struct slots {
        _Atomic uint32_t used; /* 0: none; else the slot's number and 1 */
};

struct table {
        char magic[16];
        uint32_t version;
        _Atomic uint32_t failed;
        struct slots engine, config;
        struct legacy_engine engines[2];
        uint32_t config_sizes[2];
        _Atomic uint64_t devices[GATE_DEVICES];
        struct {
                _Atomic uint32_t used;
                char name[NAME_SIZE];
        } detached[DETACHED_MAX];
        char configs[2][CONFIG_MAX];
};

struct legacy {
        struct table *table;
};

static_assert(sizeof(MAGIC) - 1 == sizeof(((struct table *)NULL)->magic), "fits exactly");

/* ---- The memory ---- */

static int wrap(void *memory, struct legacy **ret) {
        struct legacy *legacy = malloc(sizeof(*legacy));

        if (!legacy) {
                (void)munmap(memory, sizeof(struct table));
                return -ENOMEM;
        }
        legacy->table = memory;
        *ret = legacy;
        return 0;
}

int legacy_new(struct legacy **ret, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        struct table *table;
        void *memory;
        int r;

        r = kept_memory_new("storescan-legacy", sizeof(*table), &fd, &memory);
        if (r < 0)
                return r;
        table = memory;
        memcpy(table->magic, MAGIC, sizeof(table->magic));
        table->version = VERSION;
        r = wrap(memory, ret);
        if (r >= 0)
                *ret_fd = TAKE_FD(fd);
        return r;
}

int legacy_take(int fd, struct legacy **ret) {
        const struct table *table;
        void *memory;
        int r;

        r = kept_memory_take(fd, sizeof(*table), &memory);
        if (r < 0)
                return r;
        table = memory;
        if (memcmp(table->magic, MAGIC, sizeof(table->magic)) != 0 || table->version != VERSION) {
                (void)munmap(memory, sizeof(*table));
                return -EBADMSG;
        }
        return wrap(memory, ret);
}

struct legacy *legacy_free(struct legacy *legacy) {
        if (!legacy)
                return NULL;
        (void)munmap(legacy->table, sizeof(*legacy->table));
        free(legacy);
        return NULL;
}

/* ---- Slots ---- */

static unsigned next_slot(const struct slots *slots) {
        return atomic_load(&slots->used) == 1 ? 1 : 0;
}

static void use_slot(struct slots *slots, unsigned slot) {
        atomic_store_explicit(&slots->used, slot + 1, memory_order_release);
}

/* Negative: none. */
static int used_slot(const struct slots *slots) {
        uint32_t used = atomic_load_explicit(&slots->used, memory_order_acquire);

        return used == 1 || used == 2 ? (int)used - 1 : -ENOENT;
}

/* ---- Values ---- */

void legacy_note_engine(struct legacy *legacy, const struct legacy_engine *engine) {
        unsigned slot;

        if (!legacy)
                return;
        slot = next_slot(&legacy->table->engine);
        legacy->table->engines[slot] = *engine;
        use_slot(&legacy->table->engine, slot);
}

bool legacy_engine(const struct legacy *legacy, struct legacy_engine *ret) {
        int slot = legacy ? used_slot(&legacy->table->engine) : -ENOENT;

        if (slot < 0)
                return false;
        *ret = legacy->table->engines[slot];
        return true;
}

void legacy_note_config(struct legacy *legacy, const char *text, size_t size) {
        struct table *table;
        unsigned slot;

        if (!legacy)
                return;
        table = legacy->table;
        if (size > CONFIG_MAX) {
                atomic_store(&table->config.used, 0);
                return;
        }
        slot = next_slot(&table->config);
        memcpy(table->configs[slot], text, size);
        table->config_sizes[slot] = (uint32_t)size;
        use_slot(&table->config, slot);
}

int legacy_config(const struct legacy *legacy, char **ret, size_t *ret_size) {
        int slot = legacy ? used_slot(&legacy->table->config) : -ENOENT;
        size_t size;
        char *copy;

        if (slot < 0)
                return -ENOENT;
        size = legacy->table->config_sizes[slot];
        if (size == 0 || size > CONFIG_MAX)
                return -ENOENT;
        copy = malloc(size + 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, legacy->table->configs[slot], size);
        copy[size] = '\0';
        *ret = copy;
        *ret_size = size;
        return 0;
}

void legacy_note_failed(struct legacy *legacy, bool failed) {
        if (legacy)
                atomic_store(&legacy->table->failed, failed);
}

bool legacy_has_failed(const struct legacy *legacy) {
        return legacy && atomic_load(&legacy->table->failed) != 0;
}

void legacy_note_detached(struct legacy *legacy, const char *store, bool detached) {
        size_t n = strlen(store), room = DETACHED_MAX;
        struct table *table;

        if (!legacy || n >= NAME_SIZE)
                return;
        table = legacy->table;
        for (size_t i = 0; i < DETACHED_MAX; i++) {
                if (atomic_load(&table->detached[i].used) == 0)
                        room = MIN(room, i);
                else if (strncmp(table->detached[i].name, store, NAME_SIZE) == 0) {
                        atomic_store(&table->detached[i].used, detached);
                        return;
                }
        }
        if (!detached || room == DETACHED_MAX)
                return;
        memcpy(table->detached[room].name, store, n + 1);
        atomic_store_explicit(&table->detached[room].used, 1, memory_order_release);
}

bool legacy_is_detached(const struct legacy *legacy, const char *store) {
        for (size_t i = 0; legacy && i < DETACHED_MAX; i++)
                if (atomic_load_explicit(&legacy->table->detached[i].used, memory_order_acquire) !=
                            0 &&
                    strncmp(legacy->table->detached[i].name, store, NAME_SIZE) == 0)
                        return true;
        return false;
}

_Atomic uint64_t *legacy_devices(struct legacy *legacy) {
        return legacy ? legacy->table->devices : NULL;
}
