/* SPDX-License-Identifier: Apache-2.0 */

/* mbox and dbox as Dovecot writes them; the asserting half of a walk. */

#include "tests/system/worker-store.h"

#include <zlib.h>
#include <zstd.h>

/* ---- Files ---- */

size_t mbox_add(struct blob *file, const void *message, size_t size) {
        size_t before = file->size;

        blob_printf(file, FROM_LINE);
        blob_put(file, message, size);
        blob_put(file, "\n", 1);
        return file->size - before;
}

void dbox_begin(struct blob *file) {
        blob_printf(file, DBOX_HEADER);
}

size_t dbox_add(struct blob *file, const void *message, size_t size, const char *metadata) {
        size_t before = file->size;

        blob_printf(file, "\001\002N          %016zx\n", size);
        blob_put(file, message, size);
        blob_put(file, metadata, strlen(metadata));
        return file->size - before;
}

void pack_gzip(struct blob *out, const void *data, size_t size) {
        z_stream z = {};
        uint8_t *packed = malloc(size + 4096);

        ck_assert_ptr_nonnull(packed);
        ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY),
                         Z_OK);
        z.next_in = (uint8_t *)(uintptr_t)data;
        z.avail_in = (unsigned)size;
        z.next_out = packed;
        z.avail_out = (unsigned)size + 4096;
        ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        blob_put(out, packed, z.total_out);
        (void)deflateEnd(&z);
        free(packed);
}

void pack_zstd(struct blob *out, const void *data, size_t size) {
        size_t room = ZSTD_compressBound(size), n;
        uint8_t *packed = malloc(room);

        ck_assert_ptr_nonnull(packed);
        n = ZSTD_compress(packed, room, data, size, 3);
        ck_assert(!ZSTD_isError(n));
        blob_put(out, packed, n);
        free(packed);
}

/* ---- The cache ---- */

void cached_start(struct world *w, struct cached *cached, uint64_t size) {
        static const uint8_t secret[CACHE_KEY_SIZE] = "secret";

        world_prepare(w);
        world_load(w);
        cached->size = cache_region_size(size);
        w->gate.cache = memfd_create("cache", MFD_CLOEXEC);
        ck_assert_int_ge(w->gate.cache, 0);
        ck_assert_int_eq(ftruncate(w->gate.cache, (off_t)cached->size), 0);
        cached->base =
                mmap(NULL, cached->size, PROT_READ | PROT_WRITE, MAP_SHARED, w->gate.cache, 0);
        ck_assert_ptr_ne(cached->base, MAP_FAILED);
        cache_format(cached->base, cached->size);
        cached->key = cache_key_new(secret);
        ck_assert_int_eq(cache_open(cached->base, cached->size, cached->key, &cached->cache), 0);
        world_spawn(w);
}

void cached_stop(struct cached *cached) {
        cache_key_free(cached->key);
        (void)munmap(cached->base, cached->size);
}

void cached_add(const struct world *w, struct cached *cached, const void *message, size_t size) {
        const struct cache_verdict verdict = {
                .verdict = VERDICT_CLEAN,
                .generation = w->reply.loaded.generation,
                .time_msec = 1,
        };
        uint8_t digest[DIGEST_SIZE];

        ck_assert_int_eq(canon_buffer(CANON_MESSAGE, message, size, digest), 0);
        ck_assert_int_eq(cache_store(&cached->cache, digest, &verdict), CACHE_ADDED);
}

/* ---- Walks ---- */

/* The same in the slot: nothing else is told. A worker that could not go on may have ended. */
static void assert_same_in_slot(struct world *w, const struct blob *file, struct gate_job job,
                                const struct gate_walk *by_fd) {
        uint64_t at = proto_bay_at(job.form, job.from);
        struct gate_walk walk;

        job.data = file->data + at;
        job.size = file->size - at;
        if (job.size > PROTO_BAY_SIZE || by_fd->result.verdict != VERDICT_CLEAN)
                return;
        ck_assert_int_eq(gate_walk(&w->worker, &job, NULL, NULL, &walk), 0);
        ck_assert_int_eq(walk.result.verdict, by_fd->result.verdict);
        ck_assert_uint_eq(walk.n, by_fd->n);
        for (size_t i = 0; i < walk.n; i++) {
                ck_assert_mem_eq(&walk.items[i].span, &by_fd->items[i].span,
                                 sizeof(walk.items[i].span));
                ck_assert_str_eq(walk.items[i].signature, by_fd->items[i].signature);
        }
        gate_walk_free(&walk);
}

struct gate_walk walk_range(struct world *w, const struct blob *file, struct gate_job job) {
        _cleanup_close_ int fd = blob_fd(file);
        struct gate_walk walk;

        job.fd = fd;
        job.size = file->size;
        job.many = true;
        ck_assert_int_eq(gate_walk(&w->worker, &job, NULL, NULL, &walk), 0);
        assert_same_in_slot(w, file, job, &walk);
        return walk;
}

struct gate_walk walk_file(struct world *w, const struct blob *file, enum job_form form) {
        return walk_range(w, file, (struct gate_job){ .form = form, .to = UINT64_MAX });
}

void assert_item(const struct gate_walk *walk, size_t i, uint64_t offset, uint64_t size,
                 enum verdict verdict, enum reason reason, const char *signature) {
        const struct gate_item *item = &walk->items[i];

        ck_assert_uint_lt(i, walk->n);
        ck_assert_msg(item->span.verdict == verdict && item->span.reason == reason &&
                              strstr(item->signature, signature),
                      "item %zu: %s, %s, '%s' instead of %s, %s, '%s'", i,
                      verdict_name(item->span.verdict), reason_name(item->span.reason),
                      item->signature, verdict_name(verdict), reason_name(reason), signature);
        ck_assert_uint_eq(item->span.offset, offset);
        ck_assert_uint_eq(item->span.size, size);
}

void assert_how(const struct gate_walk *walk, size_t i, enum item_how how) {
        ck_assert_uint_lt(i, walk->n);
        ck_assert_int_eq(walk->items[i].span.how, how);
}

bool has_canonical(const struct gate_walk *walk, size_t i, const void *message, size_t size) {
        uint8_t digest[DIGEST_SIZE];

        ck_assert_uint_lt(i, walk->n);
        ck_assert_int_eq(canon_buffer(CANON_MESSAGE, message, size, digest), 0);
        return walk->items[i].span.has_digest &&
               memcmp(walk->items[i].span.digest, digest, sizeof(digest)) == 0;
}

void assert_through(const struct gate_walk *walk, size_t n) {
        ck_assert_msg(walk->result.verdict == VERDICT_CLEAN, "%s: %s",
                      reason_name(walk->result.reason), walk->result.signature);
        ck_assert_uint_eq(walk->n, n);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(walk->items[i].span.last, i == n - 1);
}
