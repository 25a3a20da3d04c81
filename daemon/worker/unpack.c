/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the memory that is unpacked into, and the rule of when unpacking is complete: every byte of
 * the input belongs to a member that ended well. Must not know how any method works.
 */

#include "daemon/worker/unpack.h"

#include <sys/mman.h>

#include "daemon/worker/unpack-private.h"
#include "store/util.h"

#define CAPACITY_MIN (UINT64_C(256) << 10)
#define MEMBERS_MAX  1000 /* each costs its decoder's memory anew */

struct unpacking {
        const struct unpack_method *method;
        const uint8_t *in;
        size_t left;
        uint64_t max_size;
        struct unpacked out;
};

static const struct unpack_method *find_method(const uint8_t *data, size_t size) {
        for (const struct unpack_method *m = unpack_methods; m->name; m++)
                if (m->recognises(data, size))
                        return m;
        return NULL;
}

const char *unpack_method(const uint8_t *data, size_t size) {
        const struct unpack_method *method = find_method(data, size);

        return method ? method->name : NULL;
}

bool mail_is_crypted(const uint8_t *data, size_t size) {
        static const char magic[] = "CRYPTED\003\007";

        return size >= sizeof(magic) - 1 && memcmp(data, magic, sizeof(magic) - 1) == 0;
}

void unpack_release(struct unpacked *unpacked) {
        if (unpacked->data)
                (void)munmap(unpacked->data, unpacked->capacity);
        *unpacked = (struct unpacked){};
}

/* One byte more than max_size, by which "too large" is told from "just as large". */
static int make_room(struct unpacking *u) {
        struct unpacked *out = &u->out;
        uint64_t capacity;
        void *p;

        if (out->size < out->capacity)
                return 0;
        capacity = MIN(MAX(2 * out->capacity, CAPACITY_MIN), u->max_size + 1);
        p = out->data ? mremap(out->data, out->capacity, capacity, MREMAP_MAYMOVE)
                      : mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                             -1, 0);
        if (p == MAP_FAILED)
                return -ENOMEM;
        out->data = p;
        out->capacity = capacity;
        return 0;
}

/* UNPACK_STEP_END, or why it did not get there. */
static int run_member(struct unpacking *u, union unpack_state *state) {
        for (;;) {
                struct unpack_io io;
                int r = make_room(u);

                if (r < 0)
                        return r;
                io = (struct unpack_io){ .in = u->in,
                                         .n_in = u->left,
                                         .out = u->out.data + u->out.size,
                                         .n_out = u->out.capacity - u->out.size };
                r = u->method->step(state, &io);
                u->in += io.taken;
                u->left -= io.taken;
                u->out.size += io.made;
                if (u->out.size > u->max_size) {
                        u->out.size = u->max_size;
                        return r < 0 ? r : UNPACK_TOO_LARGE;
                }
                if (r != UNPACK_STEP_MORE)
                        return r;
                if (io.taken == 0 && io.made == 0)
                        return UNPACK_BROKEN; /* truncated */
        }
}

static int run(struct unpacking *u) {
        static const uint8_t padding[4] = {};

        while (u->left > 0) {
                union unpack_state state = {};
                int r;

                if (!u->method->recognises(u->in, u->left))
                        return UNPACK_BROKEN;
                if (u->out.members == MEMBERS_MAX)
                        return UNPACK_TOO_LARGE;
                r = u->method->start(&state);
                if (r < 0)
                        return r;
                u->out.members++;
                r = run_member(u, &state);
                u->method->stop(&state);
                if (u->out.members == 1)
                        u->out.first_size = u->out.size;
                if (r != UNPACK_STEP_END)
                        return r;
                while (u->method->pads && u->left >= sizeof(padding) &&
                       memcmp(u->in, padding, sizeof(padding)) == 0) {
                        u->in += sizeof(padding);
                        u->left -= sizeof(padding);
                }
        }
        return UNPACK_DONE;
}

int unpack(const uint8_t *data, size_t size, uint64_t max_size, struct unpacked *ret) {
        struct unpacking u = {
                .method = find_method(data, size),
                .in = data,
                .left = size,
                .max_size = MIN(max_size, (uint64_t)SIZE_MAX / 4),
        };
        int r;

        if (!u.method) {
                *ret = (struct unpacked){};
                return UNPACK_PLAIN;
        }
        u.out.method = u.method->name;
        r = run(&u);
        if (r < 0) {
                unpack_release(&u.out);
                return r;
        }
        *ret = u.out;
        return r;
}
