/* SPDX-License-Identifier: Apache-2.0 */

/* Jobs for plans: what an infected item would be replaced by has its size, its lines, its header and
 * its other parts, reads as a notice, and is scanned clean; what can't be mended is told to be so. */

#include <zlib.h>

#include "tests/system/worker-store.h"

#define FIRST_LINE "Removed: " EICAR_NAME

struct planned {
        struct proto_plan plan;
        struct proto_result result;
        uint8_t *data; /* what the item would be */
        size_t size;
};

static void planned_free(struct planned *p) {
        free(p->data);
}
#define _cleanup_planned_ __attribute__((cleanup(planned_free)))

/* ---- Jobs ---- */

static int make_memory(size_t size) {
        int fd = memfd_create("planned", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
        return fd;
}

/* A plan for the item of size bytes at offset; job: form, and many or detached. */
static struct planned plan_range(struct world *w, const struct blob *file, struct gate_job job,
                                 size_t offset, size_t size) {
        _cleanup_close_ int fd = blob_fd(file), memory = make_memory(size);
        struct planned p = { .size = size, .data = calloc(size + 1, 1) };

        job.plan = true;
        job.fd = fd;
        job.planned_fd = memory;
        job.size = file->size;
        if (job.many) {
                job.from = job.wanted = offset;
                job.to = offset + size;
        }
        ck_assert_int_eq(gate_plan(&w->worker, &job, &p.plan, &p.result), 0);
        ck_assert_uint_eq(p.plan.offset, offset);
        ck_assert_uint_eq(p.plan.size, size);
        ck_assert_ptr_nonnull(p.data);
        ck_assert_int_eq(pread(memory, p.data, size, 0), size);
        return p;
}

static struct planned plan_message(struct world *w, const struct blob *mail) {
        return plan_range(w, mail, (struct gate_job){ .form = JOB_MESSAGE }, 0, mail->size);
}

/* ---- What is seen of it ---- */

static void assert_digest(const uint8_t digest[static DIGEST_SIZE], const void *data, size_t size) {
        uint8_t right[DIGEST_SIZE];

        ck_assert_int_eq(digest_buffer(data, size, right), 0);
        ck_assert_mem_eq(digest, right, DIGEST_SIZE);
}

/* The outcome, and that nothing was written unless a plan was made. */
static void assert_outcome(const struct planned *p, enum plan_outcome outcome,
                           enum verdict verdict) {
        ck_assert_int_eq(p->plan.outcome, outcome);
        ck_assert_int_eq(p->result.verdict, verdict);
        for (size_t i = 0; i < p->size && outcome != PLAN_MADE; i++)
                ck_assert_uint_eq(p->data[i], 0);
}

/* A plan was made, of the item whose bytes are at before; the virus is gone. */
static void assert_made(const struct planned *p, const uint8_t *before) {
        assert_outcome(p, PLAN_MADE, VERDICT_INFECTED);
        ck_assert_str_eq(p->plan.signature, EICAR_NAME);
        ck_assert_str_eq(p->result.signature, EICAR_NAME);
        assert_digest(p->plan.original, before, p->size);
        assert_digest(p->plan.planned, p->data, p->size);
        ck_assert_ptr_null(memmem(p->data, p->size, eicar(), EICAR_SIZE));
}

/* Every end of line is where it was, and what is before the text holds, as well as what is behind it:
 * headers and boundaries. */
static void assert_lines(const struct planned *p, const uint8_t *before) {
        for (size_t i = 0; i < p->size; i++)
                ck_assert_msg((p->data[i] == '\n') == (before[i] == '\n') &&
                                      (p->data[i] == '\r') == (before[i] == '\r'),
                              "at %zu", i);
}

static void assert_kept(const struct planned *p, const uint8_t *before, const char *text) {
        const uint8_t *at = memmem(before, p->size, text, strlen(text));

        ck_assert_msg(at, "%s", text);
        ck_assert_mem_eq(p->data + (at - before), text, strlen(text));
}

static void assert_has(const void *data, size_t size, const char *text) {
        ck_assert_msg(memmem(data, size, text, strlen(text)), "no '%s' in:\n%.*s", text, (int)size,
                      (const char *)data);
}

/* The decoded form of the base64 that begins at the line behind this text. */
static void assert_base64_has(const struct planned *p, const char *behind, const char *text) {
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const uint8_t *at = memmem(p->data, p->size, behind, strlen(behind));
        _cleanup_free_ char *out = calloc(p->size + 1, 1);
        uint32_t bits = 0;
        size_t n = 0;

        ck_assert(at && out);
        at = memmem(at, p->size - (size_t)(at - p->data), "\r\n\r\n", 4);
        ck_assert_ptr_nonnull(at);
        for (unsigned k = 0; at < p->data + p->size && *at != '-' && *at != '='; at++) {
                const char *digit = *at ? strchr(digits, *at) : NULL;

                if (!digit)
                        continue;
                bits = bits << 6 | (uint32_t)(digit - digits);
                if (++k % 4 == 0)
                        for (unsigned i = 0; i < 3; i++)
                                out[n++] = (char)(bits >> (16 - 8 * i));
        }
        assert_has(out, n, text);
}

static void assert_clean(struct world *w, const void *data, size_t size) {
        struct blob mail = { .data = (uint8_t *)(uintptr_t)data, .size = size };
        struct proto_result r = scan(w, &mail);

        assert_result(&r, VERDICT_CLEAN, REASON_NONE, "");
}

/* ---- Messages ---- */

START_TEST(encodings) {
        static const enum encoding all[] = { BASE64, QUOTED_PRINTABLE, UUENCODE, SEVEN_BIT };
        struct world w;

        world_start(&w);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                _cleanup_blob_ struct blob mail = {}, data = {};
                _cleanup_planned_ struct planned p = {};
                uint8_t canonical[DIGEST_SIZE];

                blob_put(&data, eicar(), EICAR_SIZE);
                blob_put_text(&data, 300, 1);
                mail_with(&mail, "e.com", data.data, data.size, all[i]);
                p = plan_message(&w, &mail);
                assert_made(&p, mail.data);
                assert_lines(&p, mail.data);
                assert_clean(&w, p.data, p.size);
                assert_kept(&p, mail.data, "Subject: test\r\n");
                assert_kept(&p, mail.data, "--one--\r\n");
                ck_assert_uint_eq(p.plan.opaque, 0);
                ck_assert_uint_eq(p.plan.whole, 0);
                ck_assert_uint_eq(p.plan.noticed, 1);
                ck_assert_uint_ne(p.plan.part, PROTO_PART_NONE);
                ck_assert_str_eq(p.plan.context.subject, "test");
                ck_assert_uint_eq(p.plan.has_digest, 1);
                ck_assert_int_eq(canon_buffer(CANON_MESSAGE, mail.data, mail.size, canonical), 0);
                ck_assert_mem_eq(p.plan.digest, canonical, DIGEST_SIZE);
                if (all[i] == BASE64) {
                        assert_base64_has(&p, "e.com", FIRST_LINE "\r\n");
                        assert_base64_has(&p, "e.com",
                                          " of Sender <sender@example.org> on mail.example.org.");
                } else if (all[i] == SEVEN_BIT)
                        assert_has(p.data, p.size, FIRST_LINE);
        }
        world_stop(&w);
}
END_TEST

START_TEST(nested) {
        _cleanup_blob_ struct blob inner = {}, mail = {}, zip = {};
        _cleanup_planned_ struct planned p = {};
        struct world w;

        world_start(&w);
        zip_many(&zip, 20);
        mail_with(&inner, "e.zip", zip.data, zip.size, BASE64);
        mail_nested(&mail, &inner);
        p = plan_message(&w, &mail);
        assert_made(&p, mail.data);
        assert_lines(&p, mail.data);
        assert_clean(&w, p.data, p.size);
        assert_base64_has(&p, "e.zip", FIRST_LINE "\r\n");
        assert_kept(&p, mail.data, "Content-Type: message/rfc822\r\n\r\n");
        world_stop(&w);
}
END_TEST

/* Neither of two attachments makes it clean alone; what is not infected stays. */
START_TEST(several) {
        _cleanup_blob_ struct blob mail = {}, virus = {}, text = {};
        _cleanup_planned_ struct planned both = {}, one = {};
        struct world w;

        world_start(&w);
        blob_put(&virus, eicar(), EICAR_SIZE);
        blob_put_text(&text, 3000, 1);
        mail_with_two(&mail, &virus, &virus);
        both = plan_message(&w, &mail);
        assert_made(&both, mail.data);
        assert_lines(&both, mail.data);
        assert_clean(&w, both.data, both.size);
        ck_assert_uint_eq(both.plan.part, PROTO_PART_NONE);
        assert_base64_has(&both, "first.bin", FIRST_LINE);
        assert_base64_has(&both, "second.bin", FIRST_LINE);

        blob_free(&mail);
        mail_with_two(&mail, &text, &virus);
        one = plan_message(&w, &mail);
        assert_made(&one, mail.data);
        ck_assert_uint_ne(one.plan.part, PROTO_PART_NONE);
        assert_base64_has(&one, "first.bin", "\n");
        ck_assert_mem_eq(
                one.data, mail.data,
                (size_t)((uint8_t *)memmem(mail.data, mail.size, "second.bin", 10) - mail.data));
        world_stop(&w);
}
END_TEST

/* A message of one text; and a header that is infected itself, which can't be helped. */
START_TEST(body) {
        _cleanup_blob_ struct blob mail = {}, header = {};
        _cleanup_planned_ struct planned p = {}, none = {};
        struct world w;

        world_start(&w);
        blob_printf(&mail, "From: a@example.org\r\nSubject: test\r\n\r\n%s\r\n%0*d\r\nBye.\r\n",
                    eicar(), 200, 0);
        p = plan_message(&w, &mail);
        assert_made(&p, mail.data);
        assert_lines(&p, mail.data);
        assert_clean(&w, p.data, p.size);
        ck_assert_uint_eq(p.plan.whole, 1);
        assert_has(p.data, p.size, "\r\n\r\n" FIRST_LINE);

        blob_printf(&header, "From: a@example.org\r\nX: %s\r\nSubject: test\r\n\r\nHello.\r\n",
                    eicar());
        none = plan_message(&w, &header);
        assert_outcome(&none, PLAN_NONE, VERDICT_INFECTED);
        ck_assert_str_eq(none.plan.signature, EICAR_NAME);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

START_TEST(not_infected) {
        _cleanup_blob_ struct blob mail = {}, zip = {}, closed = {};
        _cleanup_planned_ struct planned p = {}, u = {};
        struct world w;

        world_start(&w);
        mail_plain(&mail, 2000, 1);
        p = plan_message(&w, &mail);
        assert_outcome(&p, PLAN_NOT_INFECTED, VERDICT_CLEAN);
        ck_assert_uint_eq(p.plan.has_digest, 1);
        zip_stored(&zip, "a.txt", "secret text", 11, true);
        mail_with(&closed, "a.zip", zip.data, zip.size, BASE64);
        u = plan_message(&w, &closed);
        assert_outcome(&u, PLAN_NOT_INFECTED, VERDICT_UNSCANNABLE);
        world_stop(&w);
}
END_TEST

/* ---- Compressed, detached, of other kinds ---- */

START_TEST(gzip) {
        _cleanup_blob_ struct blob mail = {}, packed = {}, zstd = {};
        _cleanup_planned_ struct planned p = {}, none = {};
        uint8_t text[8192];
        struct world w;
        z_stream z = {};

        world_start(&w);
        mail_with(&mail, "e.com", eicar(), EICAR_SIZE, BASE64);
        blob_put_text(&mail, 2000, 1);
        pack_gzip(&packed, mail.data, mail.size);
        p = plan_message(&w, &packed);
        assert_made(&p, packed.data);
        ck_assert_uint_eq(p.plan.opaque, 1);
        assert_clean(&w, p.data, p.size);
        ck_assert_int_eq(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
        z.next_in = p.data;
        z.avail_in = (unsigned)p.size;
        z.next_out = text;
        z.avail_out = sizeof(text);
        ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
        ck_assert_uint_eq(z.avail_in, 0);
        ck_assert_uint_eq(z.total_out, mail.size);
        assert_has(text, z.total_out, "Subject: test\r\n");
        (void)inflateEnd(&z);

        pack_zstd(&zstd, mail.data, mail.size);
        none = plan_message(&w, &zstd);
        assert_outcome(&none, PLAN_NONE, VERDICT_INFECTED);
        world_stop(&w);
}
END_TEST

START_TEST(detached) {
        _cleanup_blob_ struct blob file = {};
        _cleanup_planned_ struct planned p = {}, none = {}, tiny = {};
        struct world w;

        world_start(&w);
        blob_put(&file, eicar(), EICAR_SIZE);
        tiny = plan_range(&w, &file, (struct gate_job){ .detached = true }, 0, file.size);
        assert_made(&tiny, file.data);
        blob_put_text(&file, 500, 1);
        none = plan_range(&w, &file, (struct gate_job){}, 0, file.size);
        assert_outcome(&none, PLAN_NONE, VERDICT_INFECTED);
        p = plan_range(&w, &file, (struct gate_job){ .detached = true }, 0, file.size);
        assert_made(&p, file.data);
        ck_assert_uint_eq(p.plan.opaque, 1);
        ck_assert_uint_eq(p.plan.noticed, 1);
        assert_has(p.data, p.size, FIRST_LINE "\r\n");
        world_stop(&w);
}
END_TEST

/* ---- Store files ---- */

static void put_infected(struct blob *mail) {
        _cleanup_blob_ struct blob data = {};

        blob_put(&data, eicar(), EICAR_SIZE);
        blob_put_text(&data, 300, 1);
        mail_with(mail, "e.com", data.data, data.size, SEVEN_BIT);
}

START_TEST(sdbox) {
        _cleanup_blob_ struct blob mail = {}, file = {};
        _cleanup_planned_ struct planned p = {};
        size_t tail = strlen(DBOX_METADATA);
        struct world w;

        world_start(&w);
        put_infected(&mail);
        dbox_begin(&file);
        dbox_add(&file, mail.data, mail.size, DBOX_METADATA);
        p = plan_range(&w, &file, (struct gate_job){ .form = JOB_DBOX }, 0, file.size);
        assert_made(&p, file.data);
        assert_lines(&p, file.data);
        assert_has(p.data, p.size, FIRST_LINE);
        ck_assert_mem_eq(p.data, file.data, file.size - mail.size - tail);
        ck_assert_mem_eq(p.data + p.size - tail, file.data + file.size - tail, tail);
        assert_clean(&w, p.data + file.size - mail.size - tail, mail.size);
        world_stop(&w);
}
END_TEST

/* The second of three. Where it ends elsewhere, there is no such item. */
static void plan_second(struct world *w, enum job_form form) {
        const struct gate_job job = { .form = form, .many = true };
        _cleanup_blob_ struct blob mail = {}, other = {}, file = {};
        _cleanup_planned_ struct planned p = {}, moved = {}, shorter = {}, beyond = {};
        size_t offset = 0, size = 0;

        put_infected(&mail);
        mail_plain(&other, 1000, 1);
        if (form == JOB_DBOX)
                dbox_begin(&file);
        for (unsigned i = 0; i < 3; i++) {
                const struct blob *m = i == 1 ? &mail : &other;
                size_t before = file.size, n;

                n = form == JOB_DBOX ? dbox_add(&file, m->data, m->size, DBOX_METADATA)
                                     : mbox_add(&file, m->data, m->size);
                if (i == 1) {
                        offset = before;
                        size = n;
                }
        }
        p = plan_range(w, &file, job, offset, size);
        assert_made(&p, file.data + offset);
        assert_lines(&p, file.data + offset);
        assert_has(p.data, p.size, FIRST_LINE);
        ck_assert_uint_eq(p.plan.has_digest, 1);

        /* What is no whole item can't be mended. */
        moved = plan_range(w, &file, job, offset + 1, size - 1);
        assert_outcome(&moved, PLAN_NONE, VERDICT_INFECTED);
        shorter = plan_range(w, &file, job, offset, size - 1);
        assert_outcome(&shorter, PLAN_CHANGED, VERDICT_UNKNOWN);
        beyond = plan_range(w, &file, job, file.size + 10, 10);
        assert_outcome(&beyond, PLAN_CHANGED, VERDICT_UNKNOWN);

        /* The file with it has the same items, and they are clean. */
        memcpy(file.data + offset, p.data, size);
        {
                struct gate_walk walk = walk_file(w, &file, form);
                size_t i = 1 + (form == JOB_DBOX);

                assert_through(&walk, 3 + (form == JOB_DBOX));
                assert_item(&walk, i, offset, size, VERDICT_CLEAN, REASON_NONE, "");
                gate_walk_free(&walk);
        }
}

START_TEST(one_of_many) {
        struct world w;

        world_start(&w);
        plan_second(&w, JOB_DBOX);
        plan_second(&w, JOB_MBOX);
        world_stop(&w);
}
END_TEST

/* A first message whose Content-Length claims the second one, to the end of the file; some readers
 * believe it. Returns the first item's size. */
static size_t put_claims(struct blob *file, const struct blob *second) {
        static const char head[] = "From: a@example.org\nContent-Length: %06zu\n\n";
        _cleanup_blob_ struct blob mail = {};
        const size_t text = EICAR_SIZE + 1 + 200 + 1;

        blob_printf(&mail, head, text + 1 + strlen(FROM_LINE) + second->size + 1);
        blob_printf(&mail, "%s\n%0*d\n", eicar(), 200, 0);
        (void)mbox_add(file, mail.data, mail.size);
        (void)mbox_add(file, second->data, second->size);
        return strlen(FROM_LINE) + mail.size + 1;
}

START_TEST(claims) {
        const struct gate_job job = { .form = JOB_MBOX, .many = true };
        _cleanup_blob_ struct blob clean = {}, infected = {}, file = {}, hopeless = {};
        _cleanup_planned_ struct planned p = {}, none = {};
        struct world w;
        size_t size;

        world_start(&w);
        mail_plain(&clean, 1000, 1);
        size = put_claims(&file, &clean);
        p = plan_range(&w, &file, job, 0, size);
        assert_made(&p, file.data);
        assert_lines(&p, file.data);
        ck_assert_uint_eq(p.plan.has_digest, 0);

        /* The virus is in what it claims, too. */
        put_infected(&infected);
        size = put_claims(&hopeless, &infected);
        none = plan_range(&w, &hopeless, job, 0, size);
        assert_outcome(&none, PLAN_NONE, VERDICT_INFECTED);
        world_stop(&w);
}
END_TEST

/* A notice can't begin a message of its own. */
START_TEST(notice_from) {
        const struct gate_job job = { .form = JOB_MBOX, .many = true };
        _cleanup_blob_ struct blob mail = {}, file = {};
        _cleanup_planned_ struct planned p = {};
        struct gate_walk walk;
        struct world w;
        size_t size;

        world_prepare(&w);
        (void)snprintf(w.load.load.notice, sizeof(w.load.load.notice), "%s", FROM_LINE);
        world_load(&w);
        world_spawn(&w);
        blob_printf(&mail, "From: a@example.org\n\n%s\n%0*d\n", eicar(), 200, 0);
        size = mbox_add(&file, mail.data, mail.size);
        p = plan_range(&w, &file, job, 0, size);
        if (p.plan.outcome == PLAN_MADE) {
                memcpy(file.data, p.data, size);
                walk = walk_file(&w, &file, JOB_MBOX);
                assert_through(&walk, 1);
                gate_walk_free(&walk);
        } else
                assert_outcome(&p, PLAN_NONE, VERDICT_INFECTED);
        world_stop(&w);
}
END_TEST

/* ---- What was asked for is not there, or there is no time ---- */

START_TEST(changed) {
        _cleanup_blob_ struct blob mail = {};
        struct gate_job job = { .form = JOB_MESSAGE, .plan = true };
        _cleanup_close_ int fd = -EBADF, memory = -EBADF;
        struct proto_result result;
        struct proto_plan plan;
        struct world w;

        world_start(&w);
        put_infected(&mail);
        job.fd = fd = blob_fd(&mail);
        job.planned_fd = memory = make_memory(mail.size - 1);
        job.size = mail.size - 1;
        ck_assert_int_eq(gate_plan(&w.worker, &job, &plan, &result), 0);
        ck_assert_int_eq(plan.outcome, PLAN_CHANGED);
        ck_assert_int_eq(result.verdict, VERDICT_UNKNOWN);
        ck_assert_int_eq(result.reason, REASON_READ);
        /* No place for it. */
        job.size = mail.size;
        ck_assert_int_eq(gate_plan(&w.worker, &job, &plan, &result), 0);
        ck_assert_int_eq(plan.outcome, PLAN_NONE);
        ck_assert_int_eq(result.verdict, VERDICT_UNKNOWN);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

int main(int argc, char **argv) {
        const TTest *const tests[] = {
                encodings, nested, several,     body,   not_infected, gzip,
                detached,  sdbox,  one_of_many, claims, notice_from,  changed
        };

        return world_main(argc, argv, tests, ELEMENTSOF(tests), NULL, 0);
}
