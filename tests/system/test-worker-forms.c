/* SPDX-License-Identifier: Apache-2.0 */

/* What content is taken for: messages and raw bytes, packed and encrypted mail, sdbox files; and
 * the traps of formats, where one reader sees another message than the next one. */

#include "tests/system/worker-store.h"

static struct proto_result judge(struct world *w, enum job_form form, const struct blob *content) {
        _cleanup_close_ int fd = blob_fd(content);
        struct gate_job job = { .data = content->data, .size = content->size, .form = form };
        struct proto_result by_slot, by_fd;

        ck_assert_int_eq(gate_scan(&w->worker, &job, &by_slot), 0);
        job.data = NULL;
        job.fd = fd;
        ck_assert_int_eq(gate_scan(&w->worker, &job, &by_fd), 0);
        ck_assert_int_eq(by_slot.verdict, by_fd.verdict);
        ck_assert_int_eq(by_slot.has_digest, by_fd.has_digest);
        ck_assert_mem_eq(by_slot.digest, by_fd.digest, DIGEST_SIZE);
        ck_assert_mem_eq(&by_slot.context, &by_fd.context, sizeof(by_slot.context));
        return by_slot;
}

static bool is_digest(const struct proto_result *r, enum canon_form form, const void *data,
                      size_t size) {
        uint8_t digest[DIGEST_SIZE];

        ck_assert_int_eq(canon_buffer(form, data, size, digest), 0);
        return r->has_digest && memcmp(r->digest, digest, sizeof(digest)) == 0;
}

static void infected_mail(struct blob *mail) {
        mail_with(mail, "e.com", eicar(), EICAR_SIZE, BASE64);
}

/* ---- Digests and what is known by them ---- */

START_TEST(digests_by_form) {
        _cleanup_blob_ struct blob mail = {}, copy = {};
        struct proto_result r, other;
        struct world w;

        world_start(&w);
        mail_plain(&mail, 5000, 1);
        blob_printf(&copy, "Delivered-To: somebody@example.org\r\n");
        blob_put(&copy, mail.data, mail.size);
        r = judge(&w, JOB_MESSAGE, &mail);
        other = judge(&w, JOB_MESSAGE, &copy);
        assert_result(&r, VERDICT_CLEAN, REASON_NONE, "");
        ck_assert(is_digest(&r, CANON_MESSAGE, mail.data, mail.size));
        ck_assert_mem_eq(r.digest, other.digest, DIGEST_SIZE);

        r = judge(&w, JOB_RAW, &mail);
        other = judge(&w, JOB_RAW, &copy);
        ck_assert(is_digest(&r, CANON_RAW, mail.data, mail.size));
        ck_assert_mem_ne(r.digest, other.digest, DIGEST_SIZE);
        world_stop(&w);
}
END_TEST

START_TEST(context_of_what_is_not_clean) {
        static const struct context none;
        _cleanup_blob_ struct blob clean = {}, infected = {};
        struct proto_result r;
        struct world w;

        world_start(&w);
        blob_printf(&infected, "Message-ID: <1@example.org>\r\n");
        infected_mail(&infected);
        mail_plain(&clean, 5000, 1);
        r = judge(&w, JOB_MESSAGE, &infected);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        ck_assert_str_eq(r.context.message_id, "<1@example.org>");
        ck_assert_str_eq(r.context.subject, "test");
        r = judge(&w, JOB_MESSAGE, &clean);
        ck_assert_mem_eq(&r.context, &none, sizeof(none));
        world_stop(&w);
}
END_TEST

START_TEST(hints_of_the_cache) {
        _cleanup_blob_ struct blob mail = {}, sdbox = {};
        struct cached cached = {};
        struct proto_result r;
        struct gate_job job;
        struct world w;

        cached_start(&w, &cached, 1 << 16);
        infected_mail(&mail);
        cached_add(&w, &cached, mail.data, mail.size);
        job = (struct gate_job){
                .data = mail.data, .size = mail.size, .form = JOB_MESSAGE, .use_cache = true
        };
        ck_assert_int_eq(gate_scan(&w.worker, &job, &r), 0);
        ck_assert_int_eq(r.known, KNOWN_CACHE);
        ck_assert_int_eq(r.verdict, VERDICT_UNKNOWN);
        ck_assert(is_digest(&r, CANON_MESSAGE, mail.data, mail.size));
        /* The digest that is asked for comes first. */
        job.known = r.digest;
        ck_assert_int_eq(gate_scan(&w.worker, &job, &r), 0);
        ck_assert_int_eq(r.known, KNOWN_DIGEST);
        job.known = NULL;
        job.use_cache = false;
        ck_assert_int_eq(gate_scan(&w.worker, &job, &r), 0);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        /* As raw bytes it is something else, */
        job.use_cache = true;
        job.form = JOB_RAW;
        ck_assert_int_eq(gate_scan(&w.worker, &job, &r), 0);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        /* in an sdbox file the same. */
        dbox_begin(&sdbox);
        (void)dbox_add(&sdbox, mail.data, mail.size, DBOX_METADATA);
        job.data = sdbox.data;
        job.size = sdbox.size;
        job.form = JOB_DBOX;
        ck_assert_int_eq(gate_scan(&w.worker, &job, &r), 0);
        ck_assert_int_eq(r.known, KNOWN_CACHE);
        world_stop(&w);
        cached_stop(&cached);
}
END_TEST

/* ---- Packed and encrypted ---- */

typedef void (*pack_fn)(struct blob *out, const void *data, size_t size);

START_TEST(packed_mail) {
        static const pack_fn packers[] = { pack_gzip, pack_zstd };
        struct world w;

        world_start(&w);
        for (size_t i = 0; i < ELEMENTSOF(packers); i++)
                for (enum job_form form = JOB_RAW; form <= JOB_MESSAGE; form++) {
                        _cleanup_blob_ struct blob clean = {}, infected = {}, packed = {};
                        struct proto_result r;

                        mail_plain(&clean, 5000, 1);
                        packers[i](&packed, clean.data, clean.size);
                        r = judge(&w, form, &packed);
                        assert_result(&r, VERDICT_CLEAN, REASON_NONE, "");
                        ck_assert(is_digest(&r, CANON_RAW, packed.data, packed.size));

                        infected_mail(&infected);
                        packed.size = 0;
                        packers[i](&packed, infected.data, infected.size);
                        r = judge(&w, form, &packed);
                        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
                        ck_assert(is_digest(&r, CANON_RAW, packed.data, packed.size));
                        if (i == 1) /* libclamav itself unpacks no zstd */
                                ck_assert_str_eq(r.context.subject, "test");

                        /* A second member counts, and so does what a raw reader would see. */
                        packed.size = 0;
                        packers[i](&packed, clean.data, clean.size);
                        packers[i](&packed, infected.data, infected.size);
                        r = judge(&w, form, &packed);
                        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
                }
        world_stop(&w);
}
END_TEST

START_TEST(packed_in_items) {
        _cleanup_blob_ struct blob clean = {}, infected = {}, file = {};
        struct blob packed[2] = {};
        struct gate_walk walk;
        uint64_t sizes[2];
        struct world w;

        world_start(&w);
        mail_plain(&clean, 5000, 1);
        infected_mail(&infected);
        pack_zstd(&packed[0], clean.data, clean.size);
        pack_zstd(&packed[1], infected.data, infected.size);
        dbox_begin(&file);
        for (unsigned i = 0; i < 2; i++)
                sizes[i] = dbox_add(&file, packed[i].data, packed[i].size, DBOX_METADATA);
        walk = walk_file(&w, &file, JOB_DBOX);
        assert_through(&walk, 3);
        assert_item(&walk, 1, 16, sizes[0], VERDICT_CLEAN, REASON_NONE, "");
        assert_item(&walk, 2, 16 + sizes[0], sizes[1], VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        ck_assert_str_eq(walk.items[2].context.subject, "test");
        gate_walk_free(&walk);
        blob_free(&packed[0]);
        blob_free(&packed[1]);
        world_stop(&w);
}
END_TEST

START_TEST(packed_and_not_complete) {
        _cleanup_blob_ struct blob clean = {}, infected = {}, packed = {}, bomb = {};
        struct proto_result r;
        struct world w;

        world_prepare(&w);
        w.load.load.max_file_size = 300000;
        w.load.load.broken = CONTENT_IGNORE;
        world_load(&w);
        world_spawn(&w);
        mail_plain(&clean, 5000, 1);
        infected_mail(&infected);

        pack_zstd(&packed, clean.data, clean.size);
        packed.size -= 3;
        r = judge(&w, JOB_MESSAGE, &packed);
        assert_result(&r, VERDICT_UNSCANNABLE, REASON_BROKEN, "zstd");
        packed.size += 3;
        blob_printf(&packed, "something else");
        r = judge(&w, JOB_MESSAGE, &packed);
        assert_result(&r, VERDICT_UNSCANNABLE, REASON_BROKEN, "zstd");
        blob_put(&packed, infected.data, infected.size); /* behind the clean mail */
        r = judge(&w, JOB_MESSAGE, &packed);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);

        mail_plain(&bomb, 400000, 1);
        packed.size = 0;
        pack_zstd(&packed, bomb.data, bomb.size);
        ck_assert_uint_lt(packed.size, 300000);
        r = judge(&w, JOB_MESSAGE, &packed);
        assert_result(&r, VERDICT_UNSCANNABLE, REASON_LIMITS, NULL);
        packed.size = 0;
        bomb.size = 0;
        infected_mail(&bomb);
        mail_plain(&bomb, 400000, 1);
        pack_zstd(&packed, bomb.data, bomb.size);
        r = judge(&w, JOB_MESSAGE, &packed);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        world_stop(&w);
}
END_TEST

START_TEST(encrypted_mail) {
        static const char magic[] = "CRYPTED\003\007";
        _cleanup_blob_ struct blob mail = {}, file = {}, packed = {};
        struct proto_result r;
        struct gate_walk walk;
        struct world w;

        world_start(&w);
        blob_put(&mail, magic, sizeof(magic) - 1);
        blob_put_text(&mail, 3000, 1);
        for (enum job_form form = JOB_RAW; form <= JOB_MESSAGE; form++) {
                r = judge(&w, form, &mail);
                assert_result(&r, VERDICT_UNSCANNABLE, REASON_ENCRYPTED, "mail_crypt");
        }
        dbox_begin(&file);
        (void)dbox_add(&file, mail.data, mail.size, DBOX_METADATA);
        r = judge(&w, JOB_DBOX, &file);
        assert_result(&r, VERDICT_UNSCANNABLE, REASON_ENCRYPTED, "mail_crypt");
        walk = walk_file(&w, &file, JOB_DBOX);
        assert_through(&walk, 2);
        assert_item(&walk, 1, 16, file.size - 16, VERDICT_UNSCANNABLE, REASON_ENCRYPTED,
                    "mail_crypt");
        gate_walk_free(&walk);

        pack_zstd(&packed, mail.data, mail.size);
        r = judge(&w, JOB_MESSAGE, &packed);
        assert_result(&r, VERDICT_UNSCANNABLE, REASON_ENCRYPTED, "mail_crypt");
        /* It is no charm against scans. */
        mail.size = sizeof(magic) - 1;
        blob_printf(&mail, "\r\n");
        infected_mail(&mail);
        r = judge(&w, JOB_MESSAGE, &mail);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        world_stop(&w);
}
END_TEST

START_TEST(encrypted_as_infected) {
        static const char crypted[] = "CRYPTED\003\007 and so on and so on";
        struct proto_result r;
        struct world w;

        world_prepare(&w);
        w.load.load.encrypted = CONTENT_INFECTED;
        world_load(&w);
        world_spawn(&w);
        r = judge(&w, JOB_MESSAGE,
                  &(struct blob){ .data = (uint8_t *)(uintptr_t)crypted, .size = sizeof(crypted) });
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, "Heuristics.Encrypted.MailCrypt");
        world_stop(&w);
}
END_TEST

/* ---- sdbox ---- */

START_TEST(sdbox_is_its_message) {
        _cleanup_blob_ struct blob clean = {}, infected = {}, file = {};
        struct proto_result r;
        struct world w;

        world_start(&w);
        mail_plain(&clean, 5000, 1);
        infected_mail(&infected);
        dbox_begin(&file);
        (void)dbox_add(&file, clean.data, clean.size, DBOX_METADATA);
        r = judge(&w, JOB_DBOX, &file);
        assert_result(&r, VERDICT_CLEAN, REASON_NONE, "");
        ck_assert(is_digest(&r, CANON_MESSAGE, clean.data, clean.size));

        file.size = 0;
        dbox_begin(&file);
        (void)dbox_add(&file, infected.data, infected.size, DBOX_METADATA);
        r = judge(&w, JOB_DBOX, &file);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        ck_assert(is_digest(&r, CANON_MESSAGE, infected.data, infected.size));
        ck_assert_str_eq(r.context.subject, "test");
        world_stop(&w);
}
END_TEST

/* Whatever else is in such a file is looked at, and is not vouched for by the message's digest. */
START_TEST(sdbox_and_more) {
        struct world w;

        world_start(&w);
        for (unsigned i = 0; i < 8; i++) {
                _cleanup_blob_ struct blob clean = {}, infected = {}, file = {};
                struct proto_result r;

                mail_plain(&clean, 3000, 1);
                infected_mail(&infected);
                if (i == 6) /* in the file's first line */
                        blob_printf(&file, "2 M1e X%s\n", eicar());
                else if (i != 7)
                        dbox_begin(&file);
                switch (i) {
                case 0: /* a second message */
                        (void)dbox_add(&file, clean.data, clean.size, DBOX_METADATA);
                        (void)dbox_add(&file, infected.data, infected.size, DBOX_METADATA);
                        break;
                case 1: /* behind the metadata */
                        (void)dbox_add(&file, clean.data, clean.size, DBOX_METADATA);
                        blob_put(&file, infected.data, infected.size);
                        break;
                case 2: /* in place of the metadata */
                        (void)dbox_add(&file, clean.data, clean.size, "\n");
                        blob_put(&file, infected.data, infected.size);
                        break;
                case 3: /* in metadata that nobody writes */
                        (void)dbox_add(&file, clean.data, clean.size, "\n\001\003\nQ");
                        blob_put(&file, infected.data, infected.size);
                        blob_printf(&file, "\n\n");
                        break;
                case 4: /* a message that is being written */
                        (void)dbox_add(&file, NULL, 0, "");
                        blob_put(&file, infected.data, infected.size);
                        break;
                case 5: /* a size that is not true */
                        (void)dbox_add(&file, "x", 1, "");
                        blob_put(&file, infected.data, infected.size);
                        blob_printf(&file, DBOX_METADATA);
                        break;
                case 6: (void)dbox_add(&file, clean.data, clean.size, DBOX_METADATA); break;
                default: /* no dbox file at all */ blob_put(&file, infected.data, infected.size);
                }
                r = judge(&w, JOB_DBOX, &file);
                ck_assert_msg(r.verdict == VERDICT_INFECTED, "case %u: %s", i,
                              verdict_name(r.verdict));
                ck_assert_int_eq(r.has_digest, 1);
                ck_assert(!is_digest(&r, CANON_MESSAGE, clean.data, clean.size));
        }
        world_stop(&w);
}
END_TEST

START_TEST(odd_sdbox_files) {
        _cleanup_blob_ struct blob clean = {}, file = {};
        struct proto_result r;
        struct world w;

        world_start(&w);
        r = judge(&w, JOB_DBOX, &(struct blob){ .data = (uint8_t *)(uintptr_t) "" });
        assert_result(&r, VERDICT_CLEAN, REASON_NONE, "");
        mail_plain(&clean, 3000, 1);
        dbox_begin(&file);
        (void)dbox_add(&file, clean.data, clean.size, "\n\001\003\nG01\nG02\n\n");
        r = judge(&w, JOB_DBOX, &file);
        assert_result(&r, VERDICT_CLEAN, REASON_NONE, "");
        ck_assert(!is_digest(&r, CANON_MESSAGE, clean.data, clean.size));
        ck_assert(!is_digest(&r, CANON_RAW, file.data, file.size));
        world_stop(&w);
}
END_TEST

START_TEST(a_dbox_item_in_progress) {
        _cleanup_blob_ struct blob clean = {}, infected = {}, packed = {}, file = {};
        const struct {
                const struct blob *content;
                enum verdict verdict;
        } cases[] = {
                { &clean, VERDICT_CLEAN },
                { &infected, VERDICT_INFECTED },
                { &packed, VERDICT_CLEAN }, /* as far as it got */
        };
        struct gate_walk walk;
        struct world w;

        world_start(&w);
        mail_plain(&clean, 3000, 1);
        infected_mail(&infected);
        pack_zstd(&packed, clean.data, clean.size);
        packed.size /= 2;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t first;

                file.size = 0;
                dbox_begin(&file);
                first = dbox_add(&file, clean.data, clean.size, DBOX_METADATA);
                (void)dbox_add(&file, NULL, 0, "");
                blob_put(&file, cases[i].content->data, cases[i].content->size);
                walk = walk_file(&w, &file, JOB_DBOX);
                assert_through(&walk, 3);
                assert_item(&walk, 1, 16, first, VERDICT_CLEAN, REASON_NONE, "");
                assert_item(&walk, 2, 16 + first, file.size - 16 - first, cases[i].verdict,
                            REASON_NONE, "");
                ck_assert(!has_canonical(&walk, 2, cases[i].content->data, cases[i].content->size));
                gate_walk_free(&walk);
        }
        world_stop(&w);
}
END_TEST

/* ---- Traps of mbox ---- */

/* The header of a message whose body is an attachment, and that body. */
static void bare_attachment(struct blob *out) {
        _cleanup_blob_ struct blob mail = {};

        infected_mail(&mail);
        blob_printf(out, "Content-Type: application/octet-stream; name=e.com\n"
                         "Content-Transfer-Encoding: base64\n\n");
        for (size_t at = mail.size; at > 3; at--)
                if (memcmp(mail.data + at - 4, "\r\n\r\n", 4) == 0) {
                        blob_put(out, mail.data + at, mail.size - at);
                        break;
                }
}

/* A message with a line in its body that others take for the beginning of the next one. What is
 * known of it as one message says nothing of what they see. */
START_TEST(lines_that_begin_like_a_message) {
        static const char *const lines[] = { "From x 10:00\n", FROM_LINE };
        struct cached cached = {};
        struct world w;

        cached_start(&w, &cached, 1 << 16);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_blob_ struct blob body = {}, mail = {}, file = {}, clean = {};
                struct gate_walk walk;
                size_t n;

                blob_printf(&body, "quote:\n\n%s", lines[i]);
                bare_attachment(&body);
                blob_printf(&mail, "From: a@example.org\nSubject: trap\nContent-Length: %zu\n\n",
                            body.size);
                blob_put(&mail, body.data, body.size);
                cached_add(&w, &cached, mail.data, mail.size);

                n = mbox_add(&file, mail.data, mail.size);
                mail_plain(&clean, 1000, 1);
                (void)mbox_add(&file, clean.data, clean.size);
                walk = walk_range(
                        &w, &file,
                        (struct gate_job){ .form = JOB_MBOX, .to = UINT64_MAX, .use_cache = true });
                assert_through(&walk, 2);
                assert_item(&walk, 0, 0, n, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
                assert_how(&walk, 0, ITEM_SCANNED);
                ck_assert_int_eq(walk.items[0].span.has_digest, 1);
                ck_assert(!has_canonical(&walk, 0, mail.data, mail.size));
                ck_assert(has_canonical(&walk, 1, clean.data, clean.size));
                gate_walk_free(&walk);
        }
        world_stop(&w);
        cached_stop(&cached);
}
END_TEST

/* Each such line costs a scan, so there is a limit. */
START_TEST(thousands_of_such_lines) {
        _cleanup_blob_ struct blob mail = {}, file = {};
        struct gate_walk walk;
        struct world w;

        world_start(&w);
        blob_printf(&mail, "From: a@example.org\nSubject: trap\n\n");
        for (unsigned i = 0; i < 3000; i++)
                blob_printf(&mail, "From x 10:00\nSubject: %u\n\nbody of %u\n", i, i);
        (void)mbox_add(&file, mail.data, mail.size);
        walk = walk_file(&w, &file, JOB_MBOX);
        assert_through(&walk, 1);
        assert_item(&walk, 0, 0, file.size, VERDICT_UNSCANNABLE, REASON_LIMITS, "too many");
        gate_walk_free(&walk);
        world_stop(&w);
}
END_TEST

/* A message whose Content-Length reaches into the next ones, where only some readers believe it. */
START_TEST(claims_on_the_next_message) {
        _cleanup_blob_ struct blob first = {}, second = {}, file = {}, body = {};
        static const char head[] = "From: a@example.org\nSubject: claim\n"
                                   "Content-Type: multipart/mixed; boundary=b\n";
        struct gate_walk walk;
        struct world w;
        size_t sizes[2];

        world_start(&w);
        blob_printf(&second, "Subject: second\n\n--b\n");
        bare_attachment(&second);
        blob_printf(&second, "--b--\n");
        /* To the end of the file, without the line end that Dovecot asks for. */
        blob_printf(&body, "--b\n\ntext\n\n" FROM_LINE);
        blob_put(&body, second.data, second.size);
        blob_printf(&first, "%sContent-Length: %zu\n\n--b\n\ntext\n", head, body.size + 1);
        sizes[0] = mbox_add(&file, first.data, first.size);
        sizes[1] = mbox_add(&file, second.data, second.size);

        walk = walk_file(&w, &file, JOB_MBOX);
        assert_through(&walk, 2);
        assert_item(&walk, 0, 0, sizes[0], VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        ck_assert_int_eq(walk.items[0].span.has_digest, 0);
        ck_assert_uint_eq(walk.items[1].span.size, sizes[1]);
        gate_walk_free(&walk);
        world_stop(&w);
}
END_TEST

/* They are looked at up to a limit for all of them. */
START_TEST(claims_beyond_the_limits) {
        static const char format[] =
                "From: a@example.org\nSubject: claim\nContent-Length: %08zu\n\n";
        const size_t n = 8, head = strlen(FROM_LINE) + sizeof(format) - 1 - strlen("%08zu") + 8;
        _cleanup_blob_ struct blob mail = {}, file = {}, text = {};
        static const char *const expected[] = { NULL, NULL, "claims", "claims", "" };
        struct gate_walk walk;
        struct world w;

        world_prepare(&w);
        w.load.load.max_scan_size = 1000000;
        world_load(&w);
        world_spawn(&w);
        blob_put_text(&text, 50000, 1);
        /* Each claims all that follows it, to the end of the file: 400 KB, 350, 300, 250, 200... */
        for (size_t i = 0; i < n; i++) {
                size_t each = head + text.size + 1;

                mail.size = 0;
                blob_printf(&mail, format, (n - i) * each - head);
                blob_put(&mail, text.data, text.size);
                ck_assert_uint_eq(mbox_add(&file, mail.data, mail.size), each);
        }
        walk = walk_file(&w, &file, JOB_MBOX);
        assert_through(&walk, n);
        for (size_t i = 2; i < ELEMENTSOF(expected); i++) {
                bool beyond = expected[i][0] != '\0';

                ck_assert_int_eq(walk.items[i].span.verdict,
                                 beyond ? VERDICT_UNSCANNABLE : VERDICT_CLEAN);
                ck_assert_ptr_nonnull(strstr(walk.items[i].signature, expected[i]));
                ck_assert_int_eq(walk.items[i].span.has_digest, 0);
        }
        ck_assert_int_eq(walk.items[n - 1].span.verdict, VERDICT_CLEAN);
        ck_assert_int_eq(walk.items[n - 1].span.has_digest, 1);
        gate_walk_free(&walk);
        world_stop(&w);
}
END_TEST

/* What stands around a message and is of no usual kind is scanned as well, and digested. */
START_TEST(odd_frames) {
        static const char *const from_lines[] = {
                "From a\tb Mon Nov 23 10:00:00 2026\n", "From a\033[2Jb Mon Nov 23 10:00:00 2026\n",
                NULL, /* of 600 bytes */
        };
        struct world w;

        world_start(&w);
        for (size_t i = 0; i < ELEMENTSOF(from_lines); i++) {
                _cleanup_blob_ struct blob mail = {}, file = {}, sender = {};
                struct gate_walk walk;

                mail_plain(&mail, 3000, 1);
                if (from_lines[i])
                        blob_printf(&file, "%s", from_lines[i]);
                else {
                        for (unsigned k = 0; k < 600; k++)
                                blob_put(&sender, "x", 1);
                        blob_printf(&file, "From %.600s Mon Nov 23 10:00:00 2026\n",
                                    (const char *)sender.data);
                }
                blob_put(&file, mail.data, mail.size);
                blob_printf(&file, "\n");
                walk = walk_file(&w, &file, JOB_MBOX);
                assert_through(&walk, 1);
                assert_item(&walk, 0, 0, file.size, VERDICT_CLEAN, REASON_NONE, "");
                ck_assert_int_eq(walk.items[0].span.has_digest, 1);
                ck_assert(!has_canonical(&walk, 0, mail.data, mail.size));
                gate_walk_free(&walk);
        }
        world_stop(&w);
}
END_TEST

START_TEST(no_mbox_at_all) {
        _cleanup_blob_ struct blob file = {}, mail = {};
        struct gate_walk walk;
        struct world w;
        size_t garbage;

        world_start(&w);
        infected_mail(&mail);
        blob_put(&file, mail.data, mail.size);
        blob_printf(&file, "\n");
        garbage = file.size;
        (void)mbox_add(&file, mail.data, mail.size);
        walk = walk_file(&w, &file, JOB_MBOX);
        assert_through(&walk, 2);
        assert_item(&walk, 0, 0, garbage, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        assert_item(&walk, 1, garbage, file.size - garbage, VERDICT_INFECTED, REASON_NONE,
                    EICAR_NAME);
        gate_walk_free(&walk);
        walk = walk_file(&w, &(struct blob){ .data = (uint8_t *)(uintptr_t) "" }, JOB_MBOX);
        assert_through(&walk, 0);
        gate_walk_free(&walk);
        walk = walk_file(&w, &(struct blob){ .data = (uint8_t *)(uintptr_t) "F", .size = 1 },
                         JOB_DBOX);
        assert_through(&walk, 1);
        gate_walk_free(&walk);
        world_stop(&w);
}
END_TEST

int main(int argc, char **argv) {
        const TTest *const tests[] = { digests_by_form,
                                       context_of_what_is_not_clean,
                                       hints_of_the_cache,
                                       packed_mail,
                                       packed_in_items,
                                       packed_and_not_complete,
                                       encrypted_mail,
                                       encrypted_as_infected,
                                       sdbox_is_its_message,
                                       sdbox_and_more,
                                       odd_sdbox_files,
                                       a_dbox_item_in_progress,
                                       lines_that_begin_like_a_message,
                                       thousands_of_such_lines,
                                       claims_on_the_next_message,
                                       claims_beyond_the_limits,
                                       odd_frames,
                                       no_mbox_at_all };

        return world_main(argc, argv, tests, ELEMENTSOF(tests), NULL, 0);
}
