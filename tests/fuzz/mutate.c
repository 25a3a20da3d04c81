/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A table of ways to change an input, some of which are applied one upon the other. Owns no state:
 * all that is drawn comes from the number.
 */

#include "tests/fuzz/mutate.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "store/util.h"

#define STEPS_MAX 8 /* one upon the other */

struct mutant {
        uint64_t state;
        uint8_t *data; /* MUTATE_SIZE_MAX bytes */
        size_t size;
        const struct input *other;
};

/* ---- Chance: SplitMix64, https://prng.di.unimi.it/splitmix64.c ---- */

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

uint64_t mutate_spread(uint64_t number) {
        number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
        return number ^ (number >> 31);
}

static uint64_t draw(struct mutant *m) {
        m->state += GOLDEN;
        return mutate_spread(m->state);
}

/* 0 where there is nothing below n. */
static size_t below(struct mutant *m, size_t n) {
        uint64_t drawn = draw(m);

        return n > 0 ? (size_t)(drawn % n) : 0;
}

static bool toss(struct mutant *m) {
        return below(m, 2) == 0;
}

/* Of a block: mostly short, at most max. */
static size_t length(struct mutant *m, size_t max) {
        return MIN(max, 1 + below(m, (size_t)1 << below(m, 11)));
}

/* ---- Blocks ---- */

/* Makes room at a place, as far as there is any. Returns how much. */
static size_t part(struct mutant *m, size_t at, size_t n) {
        n = MIN(n, MUTATE_SIZE_MAX - m->size);
        memmove(m->data + at + n, m->data + at, m->size - at);
        m->size += n;
        return n;
}

static void insert(struct mutant *m, size_t at, const uint8_t *data, size_t size) {
        size = part(m, at, size);
        memcpy(m->data + at, data, size);
}

static void cut(struct mutant *m, size_t at, size_t n) {
        memmove(m->data + at, m->data + at + n, m->size - at - n);
        m->size -= n;
}

/* ---- Ways to change an input ---- */

static void flip_bit(struct mutant *m) {
        m->data[below(m, m->size)] ^= (uint8_t)(1U << below(m, 8));
}

static void set_byte(struct mutant *m) {
        static const uint8_t telling[] = "\0\1\t\n\r \"%-./0:9<=@F\\\x7f\x80\xc3\xfe\xff";
        uint8_t *byte = &m->data[below(m, m->size)];

        if (toss(m))
                *byte = telling[below(m, sizeof(telling) - 1)];
        else
                *byte = (uint8_t)(*byte + below(m, 33) - 16);
}

/* What lengths and offsets trip over; one off, too. */
static uint64_t number(struct mutant *m) {
        const uint64_t telling[] = {
                0,         INT8_MAX,    UINT8_MAX,      1024,    4096,       INT16_MAX,
                INT32_MAX, UINT32_MAX,  INT64_MAX,      65536,   UINT64_MAX, UINT16_MAX,
                m->size,   m->size / 2, m->other->size, draw(m),
        };
        uint64_t n = telling[below(m, ELEMENTSOF(telling))];

        return n + below(m, 3) - 1;
}

static void set_number(struct mutant *m) {
        size_t width = MIN((size_t)1 << below(m, 4), m->size), at = below(m, m->size - width + 1);
        uint64_t n = number(m);
        bool little = toss(m);

        if (toss(m))
                at -= at % width;
        for (size_t i = 0; i < width; i++)
                m->data[at + (little ? i : width - 1 - i)] = (uint8_t)(n >> (8 * i));
}

static void set_digits(struct mutant *m) {
        size_t at = below(m, m->size), n = 0;
        char text[24];

        for (size_t i = 0; i < m->size && !isdigit(m->data[at]); i++)
                at = (at + 1) % m->size;
        while (at > 0 && isdigit(m->data[at - 1]))
                at--;
        while (at + n < m->size && isdigit(m->data[at + n]))
                n++;
        cut(m, at, n);
        n = (size_t)snprintf(text, sizeof(text), "%" PRIu64, number(m));
        if (toss(m)) /* one that is still as long as others may be */
                n = MIN(n, 1 + below(m, 4));
        insert(m, at, (const uint8_t *)text, n);
}

static void add_bytes(struct mutant *m) {
        size_t at = below(m, m->size + 1), n = part(m, at, length(m, MUTATE_SIZE_MAX));
        uint8_t byte = m->size > n && toss(m) ? m->data[below(m, m->size)] : (uint8_t)draw(m);
        bool same = toss(m);

        for (size_t i = at; i < at + n; i++)
                m->data[i] = same ? byte : (uint8_t)draw(m);
}

static void cut_block(struct mutant *m) {
        size_t at = below(m, m->size);

        cut(m, at, length(m, m->size - at));
}

static void double_block(struct mutant *m) {
        uint8_t block[1024];
        size_t at = below(m, m->size), n = length(m, MIN(m->size - at, sizeof(block)));

        memcpy(block, m->data + at, n);
        if (toss(m))
                at = below(m, m->size + 1);
        insert(m, at, block, n);
}

static void copy_block(struct mutant *m) {
        size_t from = below(m, m->size), to = below(m, m->size);

        memmove(m->data + to, m->data + from, length(m, m->size - MAX(from, to)));
}

/* Its head, and the other's tail: from the same place, or from any. */
static void splice(struct mutant *m) {
        const struct input *other = m->other;
        size_t at = below(m, m->size + 1), from = toss(m) ? at : below(m, other->size + 1);

        m->size = at;
        if (from < other->size)
                insert(m, at, other->data + from, other->size - from);
}

static void borrow_block(struct mutant *m) {
        size_t from = below(m, m->other->size);

        if (m->other->size > 0)
                insert(m, below(m, m->size + 1), m->other->data + from,
                       length(m, m->other->size - from));
}

/* To a size at which buffers end; mostly one that is not far. */
static void resize(struct mutant *m) {
        static const size_t edges[] = { 0, 1, 2, 16, 64, 256, 512, 1024, 4096, 8192, 65536 };
        size_t size = edges[below(m, ELEMENTSOF(edges))], old = m->size;

        if (size > 2 * old && below(m, 16) > 0)
                size = 2 * old;
        size = MIN(size + below(m, 3) - (size > 0), MUTATE_SIZE_MAX);
        for (size_t i = old; i < size; i++)
                m->data[i] = old > 0 ? m->data[i - old] : 0;
        m->size = size;
}

/* One line each; of_nothing: it works on an empty input, too. */
static const struct way {
        void (*change)(struct mutant *m);
        bool of_nothing;
} ways[] = {
        { flip_bit },     { set_byte },     { set_number },         { set_digits },
        { cut_block },    { copy_block },   { double_block },       { add_bytes, true },
        { splice, true }, { resize, true }, { borrow_block, true },
};

/* The smaller one of two: more of them fit into the same time. */
static const struct input *choose(struct mutant *m, const struct input *inputs, size_t n) {
        const struct input *a = &inputs[below(m, n)], *b = &inputs[below(m, n)];

        return a->size <= b->size ? a : b;
}

size_t mutate(uint64_t number, const struct input *inputs, size_t n,
              uint8_t ret_data[static MUTATE_SIZE_MAX]) {
        struct mutant m = { .state = number, .data = ret_data };
        const struct input *first = choose(&m, inputs, n);
        size_t steps = 1 + below(&m, 1 + below(&m, STEPS_MAX));

        m.size = MIN(first->size, MUTATE_SIZE_MAX);
        memcpy(m.data, first->data, m.size);
        while (steps > 0) {
                const struct way *way = &ways[below(&m, ELEMENTSOF(ways))];

                if (m.size == 0 && !way->of_nothing)
                        continue;
                m.other = &inputs[below(&m, n)];
                way->change(&m);
                steps--;
        }
        return m.size;
}
