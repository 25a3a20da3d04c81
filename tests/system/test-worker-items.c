/* SPDX-License-Identifier: Apache-2.0 */

/* Walks over files of many items: that each has its own verdict and its place, what is not
 * looked at, and files that change. */

#include "tests/system/worker-store.h"

enum { N = 5, INFECTED_AT = 2 };

/* Five messages, the third infected. */
struct five {
        struct blob messages[N], file;
        uint64_t offsets[N], sizes[N];
};

static void five_messages(struct five *five) {
        for (unsigned i = 0; i < N; i++)
                if (i == INFECTED_AT)
                        mail_with(&five->messages[i], "e.com", eicar(), EICAR_SIZE, BASE64);
                else
                        mail_plain(&five->messages[i], 2000 + 1000 * i, i);
}

static void five_in_mbox(struct five *five) {
        five_messages(five);
        for (unsigned i = 0; i < N; i++) {
                five->offsets[i] = five->file.size;
                five->sizes[i] =
                        mbox_add(&five->file, five->messages[i].data, five->messages[i].size);
        }
}

static void five_in_dbox(struct five *five) {
        five_messages(five);
        dbox_begin(&five->file);
        for (unsigned i = 0; i < N; i++) {
                five->offsets[i] = five->file.size;
                five->sizes[i] = dbox_add(&five->file, five->messages[i].data,
                                          five->messages[i].size, DBOX_METADATA);
        }
}

static void five_free(struct five *five) {
        for (unsigned i = 0; i < N; i++)
                blob_free(&five->messages[i]);
        blob_free(&five->file);
}

/* The items from first on in the walk are those from i on of the file. */
static void assert_five(const struct five *five, const struct gate_walk *walk, size_t first,
                        size_t i, size_t n) {
        for (; i < n; i++, first++) {
                bool infected = i == INFECTED_AT;

                assert_item(walk, first, five->offsets[i], five->sizes[i],
                            infected ? VERDICT_INFECTED : VERDICT_CLEAN, REASON_NONE,
                            infected ? EICAR_NAME : "");
                assert_how(walk, first, ITEM_SCANNED);
                ck_assert(
                        has_canonical(walk, first, five->messages[i].data, five->messages[i].size));
        }
}

START_TEST(one_of_five) {
        struct five mbox = {}, dbox = {};
        struct gate_walk walk;
        struct world w;

        world_start(&w);
        five_in_mbox(&mbox);
        walk = walk_file(&w, &mbox.file, JOB_MBOX);
        assert_through(&walk, N);
        assert_five(&mbox, &walk, 0, 0, N);
        ck_assert_str_eq(walk.items[INFECTED_AT].context.subject, "test");
        ck_assert_str_eq(walk.items[INFECTED_AT].context.from, "Sender <sender@example.org>");
        gate_walk_free(&walk);

        five_in_dbox(&dbox);
        walk = walk_file(&w, &dbox.file, JOB_DBOX);
        assert_through(&walk, N + 1);
        assert_item(&walk, 0, 0, strlen(DBOX_HEADER), VERDICT_CLEAN, REASON_NONE, "");
        assert_five(&dbox, &walk, 1, 0, N);
        gate_walk_free(&walk);
        /* The same messages have the same digests, wherever they are. */
        ck_assert_uint_eq(mbox.messages[0].size, dbox.messages[0].size);

        five_free(&mbox);
        five_free(&dbox);
        world_stop(&w);
}
END_TEST

START_TEST(ranges) {
        struct five five = {};
        struct gate_walk walk;
        struct world w;

        world_start(&w);
        five_in_mbox(&five);

        /* From the second item on; the third is wanted by its last byte, the fourth by its
         * first. */
        walk = walk_range(&w, &five.file,
                          (struct gate_job){ .form = JOB_MBOX,
                                             .from = five.offsets[1],
                                             .wanted = five.offsets[3] - 1,
                                             .to = five.offsets[3] + 1 });
        ck_assert_int_eq(walk.result.verdict, VERDICT_CLEAN);
        ck_assert_uint_eq(walk.n, 3);
        assert_item(&walk, 0, five.offsets[1], five.sizes[1], VERDICT_UNKNOWN, REASON_NONE, "");
        assert_how(&walk, 0, ITEM_PASSED);
        ck_assert_int_eq(walk.items[0].span.has_digest, 0);
        assert_five(&five, &walk, 1, 2, 4);
        ck_assert_int_eq(walk.items[2].span.last, 0);
        gate_walk_free(&walk);

        /* A row of items is passed over as one; to is where the next item begins. */
        walk = walk_range(&w, &five.file,
                          (struct gate_job){ .form = JOB_MBOX,
                                             .wanted = five.offsets[3],
                                             .to = five.offsets[4] });
        ck_assert_uint_eq(walk.n, 2);
        assert_item(&walk, 0, 0, five.offsets[3], VERDICT_UNKNOWN, REASON_NONE, "");
        assert_how(&walk, 0, ITEM_PASSED);
        assert_five(&five, &walk, 1, 3, 4);
        gate_walk_free(&walk);

        /* Behind the end of the file there is nothing. */
        walk = walk_range(&w, &five.file,
                          (struct gate_job){ .form = JOB_MBOX,
                                             .wanted = five.file.size,
                                             .to = five.file.size + 100 });
        assert_through(&walk, 1);
        assert_how(&walk, 0, ITEM_PASSED);
        gate_walk_free(&walk);
        walk = walk_range(&w, &five.file,
                          (struct gate_job){ .form = JOB_MBOX,
                                             .from = five.file.size,
                                             .wanted = five.file.size,
                                             .to = five.file.size + 100 });
        assert_through(&walk, 0);
        gate_walk_free(&walk);
        walk = walk_range(&w, &five.file,
                          (struct gate_job){ .form = JOB_MBOX,
                                             .from = five.file.size + 1,
                                             .wanted = five.file.size + 1,
                                             .to = five.file.size + 100 });
        assert_result(&walk.result, VERDICT_UNKNOWN, REASON_READ, "shorter");
        gate_walk_free(&walk);

        five_free(&five);
        world_stop(&w);
}
END_TEST

START_TEST(hints_of_the_cache) {
        struct cached cached = {};
        struct five five = {};
        struct gate_walk walk;
        struct world w;

        cached_start(&w, &cached, 1 << 16);
        five_in_mbox(&five);
        /* What the infected one would be told as shows that it was not scanned. */
        for (unsigned i = 1; i <= INFECTED_AT; i++)
                cached_add(&w, &cached, five.messages[i].data, five.messages[i].size);
        walk = walk_range(
                &w, &five.file,
                (struct gate_job){ .form = JOB_MBOX, .to = UINT64_MAX, .use_cache = true });
        assert_through(&walk, N);
        for (unsigned i = 0; i < N; i++) {
                bool known = i == 1 || i == INFECTED_AT;

                assert_how(&walk, i, known ? ITEM_CACHED : ITEM_SCANNED);
                ck_assert(has_canonical(&walk, i, five.messages[i].data, five.messages[i].size));
                assert_item(&walk, i, five.offsets[i], five.sizes[i],
                            known ? VERDICT_UNKNOWN : VERDICT_CLEAN, REASON_NONE, "");
        }
        gate_walk_free(&walk);

        walk = walk_file(&w, &five.file, JOB_MBOX); /* without use_cache */
        assert_through(&walk, N);
        assert_five(&five, &walk, 0, 0, N);
        gate_walk_free(&walk);

        five_free(&five);
        world_stop(&w);
        cached_stop(&cached);
}
END_TEST

static const char STAMP_LINE[] = "X-Storescan-Stamp: v=1; whatever the gate makes of it\r\n";
/* Not the start of a message to Dovecot, but to others. */
static const char LENIENT_LINE[] = "\nFrom now on at 10:30\n";

/* Stamps are told of, not judged; and not without the gate's asking for them, nor where others could
 * see another message. */
START_TEST(stamps_of_hubs) {
        enum { STAMPED, INFECTED, PLAIN, ODD, MESSAGES };
        _cleanup_blob_ struct blob plain = {}, infected = {};
        struct world w;

        world_start(&w);
        mail_plain(&plain, 2000, 1);
        mail_with(&infected, "e.com", eicar(), EICAR_SIZE, BASE64);
        for (unsigned form = JOB_DBOX; form <= JOB_MBOX; form++) {
                size_t first = form == JOB_DBOX;
                uint64_t distrusted;
                struct blob messages[MESSAGES] = {}, file = {};
                struct gate_walk walk;

                for (unsigned i = 0; i < MESSAGES; i++) {
                        const struct blob *mail = i == INFECTED ? &infected : &plain;

                        if (i != PLAIN)
                                blob_put(&messages[i], STAMP_LINE, strlen(STAMP_LINE));
                        blob_put(&messages[i], mail->data, mail->size);
                        if (i == ODD)
                                blob_put(&messages[i], LENIENT_LINE, strlen(LENIENT_LINE));
                }
                if (form == JOB_DBOX)
                        dbox_begin(&file);
                for (unsigned i = 0; i < MESSAGES; i++) {
                        if (form == JOB_DBOX)
                                dbox_add(&file, messages[i].data, messages[i].size, DBOX_METADATA);
                        else
                                mbox_add(&file, messages[i].data, messages[i].size);
                }

                walk = walk_file(&w, &file, (enum job_form)form);
                assert_through(&walk, first + MESSAGES);
                for (unsigned i = 0; i < MESSAGES; i++) {
                        assert_how(&walk, first + i, ITEM_SCANNED);
                        ck_assert_int_eq(walk.items[first + i].span.verdict,
                                         i == INFECTED ? VERDICT_INFECTED : VERDICT_CLEAN);
                }
                gate_walk_free(&walk);

                walk = walk_range(&w, &file,
                                  (struct gate_job){ .form = (enum job_form)form,
                                                     .to = UINT64_MAX,
                                                     .use_hub = true });
                assert_through(&walk, first + MESSAGES);
                for (unsigned i = 0; i < MESSAGES; i++) {
                        bool told = i == STAMPED || i == INFECTED || (i == ODD && first);
                        const struct gate_item *item = &walk.items[first + i];

                        assert_how(&walk, first + i, told ? ITEM_HUB : ITEM_SCANNED);
                        ck_assert_int_eq(item->span.verdict,
                                         told ? VERDICT_UNKNOWN : VERDICT_CLEAN);
                        ck_assert_int_eq(item->hub.n_found, told);
                        if (told)
                                ck_assert_int_eq(item->hub.found[0].check, HUB_MALFORMED);
                        if (i != ODD || first)
                                ck_assert(has_canonical(&walk, first + i, messages[i].data,
                                                        messages[i].size));
                }
                distrusted = walk.items[first + INFECTED].span.offset;
                gate_walk_free(&walk);

                /* The stamps of one were refused, those of the others still count. */
                walk = walk_range(&w, &file,
                                  (struct gate_job){ .form = (enum job_form)form,
                                                     .to = UINT64_MAX,
                                                     .use_hub = true,
                                                     .distrusted = distrusted });
                assert_through(&walk, first + MESSAGES);
                assert_how(&walk, first + STAMPED, ITEM_HUB);
                assert_how(&walk, first + INFECTED, ITEM_SCANNED);
                ck_assert_int_eq(walk.items[first + INFECTED].span.verdict, VERDICT_INFECTED);
                gate_walk_free(&walk);

                for (unsigned i = 0; i < MESSAGES; i++)
                        blob_free(&messages[i]);
                blob_free(&file);
        }
        world_stop(&w);
}
END_TEST

/* What is given as the cache need not be one; and a large one does not count as a worker's
 * memory. */
START_TEST(odd_caches) {
        struct cached cached = {};
        char zeros[64] = {};
        struct world w;

        cached_start(&w, &cached, UINT64_C(3) << 30);
        assert_works(&w);
        gate_worker_free(&w.worker);

        ck_assert_int_eq(pwrite(w.gate.cache, zeros, sizeof(zeros), 0), sizeof(zeros));
        world_spawn(&w);
        assert_works(&w);
        gate_worker_free(&w.worker);

        cached_stop(&cached);
        ck_assert_int_eq(ftruncate(w.gate.cache, 100), 0);
        world_spawn(&w);
        assert_works(&w);
        gate_worker_free(&w.worker);
        ck_assert_int_eq(ftruncate(w.gate.cache, 0), 0);
        world_spawn(&w);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

START_TEST(ten_thousand) {
        _cleanup_blob_ struct blob file = {};
        struct gate_walk walk;
        struct world w;
        size_t last = 0;

        world_start(&w);
        for (unsigned i = 0; i < 10000; i++) {
                _cleanup_blob_ struct blob mail = {};

                if (i == 7777)
                        mail_with(&mail, "e.com", eicar(), EICAR_SIZE, BASE64);
                else
                        mail_plain(&mail, 200, i);
                last = mbox_add(&file, mail.data, mail.size);
        }
        walk = walk_file(&w, &file, JOB_MBOX);
        assert_through(&walk, 10000);
        for (size_t i = 0; i < walk.n; i++)
                ck_assert_int_eq(walk.items[i].span.verdict,
                                 i == 7777 ? VERDICT_INFECTED : VERDICT_CLEAN);
        ck_assert_uint_eq(walk.items[9999].span.size, last);
        /* By the dozen, where they are quick. */
        ck_assert_uint_lt(walk.n_messages, 5000);
        ck_assert_uint_ge(walk.n_messages, 10000 / PROTO_SPANS_MAX);
        gate_walk_free(&walk);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

/* Nobody who wants the first of many large messages waits for the last. */
START_TEST(told_while_it_goes_on) {
        _cleanup_blob_ struct blob file = {};
        struct gate_walk walk;
        struct world w;

        world_start(&w);
        for (unsigned i = 0; i < 20; i++) {
                _cleanup_blob_ struct blob mail = {};

                mail_plain(&mail, 1200000, i);
                (void)mbox_add(&file, mail.data, mail.size);
        }
        walk = walk_file(&w, &file, JOB_MBOX);
        assert_through(&walk, 20);
        ck_assert_uint_eq(walk.items[0].message, 0);
        ck_assert_uint_ge(walk.items[1].message, 1);
        ck_assert_uint_ge(walk.n_messages, 10);
        gate_walk_free(&walk);
        if (geteuid() == 0) /* who may look at another user's process */
                assert_private_memory(&w);
        world_stop(&w);
}
END_TEST

START_TEST(beyond_the_limits) {
        _cleanup_blob_ struct blob file = {}, small = {}, large = {}, infected = {};
        uint64_t offsets[3], sizes[3];
        struct gate_walk walk;
        struct world w;

        world_prepare(&w);
        w.load.load.max_file_size = 100000;
        world_load(&w);
        world_spawn(&w);
        mail_plain(&small, 5000, 1);
        mail_plain(&large, 200000, 2);
        mail_with(&infected, "e.com", eicar(), EICAR_SIZE, BASE64);
        for (unsigned form = JOB_DBOX; form <= JOB_MBOX; form++) {
                const struct blob *messages[] = { &small, &large, &infected };
                size_t first = form == JOB_DBOX;

                file.size = 0;
                if (form == JOB_DBOX)
                        dbox_begin(&file);
                for (unsigned i = 0; i < 3; i++) {
                        offsets[i] = file.size;
                        sizes[i] = form == JOB_DBOX
                                           ? dbox_add(&file, messages[i]->data, messages[i]->size,
                                                      DBOX_METADATA)
                                           : mbox_add(&file, messages[i]->data, messages[i]->size);
                }
                walk = walk_file(&w, &file, (enum job_form)form);
                assert_through(&walk, 3 + first);
                assert_item(&walk, first, offsets[0], sizes[0], VERDICT_CLEAN, REASON_NONE, "");
                assert_item(&walk, first + 1, offsets[1], sizes[1], VERDICT_UNSCANNABLE,
                            REASON_LIMITS, "MaxFileSize");
                ck_assert_int_eq(walk.items[first + 1].span.has_digest, 0);
                ck_assert_str_eq(walk.items[first + 1].context.subject, "test");
                assert_item(&walk, first + 2, offsets[2], sizes[2], VERDICT_INFECTED, REASON_NONE,
                            EICAR_NAME);
                gate_walk_free(&walk);
        }
        world_stop(&w);
}
END_TEST

/* Wherever the file ends, the items are told up to there, and what is infected is not clean. */
START_TEST(cut_anywhere) {
        struct five files[2] = {};
        struct world w;

        world_start(&w);
        five_in_mbox(&files[0]);
        five_in_dbox(&files[1]);
        for (unsigned k = 0; k < 2; k++) {
                const struct five *five = &files[k];

                for (size_t size = 0; size < five->file.size; size += 97) {
                        struct blob cut = { .data = five->file.data, .size = size };
                        struct gate_walk walk;
                        size_t n;

                        walk = walk_file(&w, &cut, k == 0 ? JOB_MBOX : JOB_DBOX);
                        n = walk.n;
                        assert_through(&walk, n);
                        if (size > 0) {
                                ck_assert_uint_ge(n, 1);
                                ck_assert_uint_eq(walk.items[n - 1].span.offset +
                                                          walk.items[n - 1].span.size,
                                                  size);
                        }
                        if (size >= five->offsets[3])
                                assert_item(&walk, INFECTED_AT + k, five->offsets[INFECTED_AT],
                                            five->sizes[INFECTED_AT], VERDICT_INFECTED, REASON_NONE,
                                            EICAR_NAME);
                        gate_walk_free(&walk);
                }
                five_free(&files[k]);
        }
        world_stop(&w);
}
END_TEST

/* ---- Files that change ---- */

struct changing {
        int fd;
        void (*change)(int fd);
        bool changed;
};

static void change_once(void *userdata, const struct gate_walk *walk) {
        struct changing *c = userdata;

        if (!c->changed)
                c->change(c->fd);
        c->changed = true;
}

static void shrink(int fd) {
        ck_assert_int_eq(ftruncate(fd, 1000000), 0);
}

static void vanish(int fd) {
        ck_assert_int_eq(ftruncate(fd, 0), 0);
}

static void overwrite(int fd) {
        ck_assert_int_eq(pwrite(fd, "O", 1, 5000000), 1);
}

static void grow(int fd) {
        struct stat st;

        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(pwrite(fd, "grown", 5, st.st_size), 5);
}

START_TEST(changed_meanwhile) {
        static const struct {
                void (*change)(int fd);
                const char *text; /* NULL: the walk goes on */
        } cases[] = {
                { shrink, "shorter" },
                { vanish, "shorter" },
                { overwrite, "changed" },
                { grow, NULL },
        };
        _cleanup_blob_ struct blob file = {}, infected = {};
        struct world w;
        size_t first;

        world_start(&w);
        /* The first item is told at once, and the others take their time. */
        mail_with(&infected, "e.com", eicar(), EICAR_SIZE, BASE64);
        first = mbox_add(&file, infected.data, infected.size);
        for (unsigned i = 0; i < 60; i++) {
                _cleanup_blob_ struct blob mail = {};

                mail_plain(&mail, 200000, i);
                (void)mbox_add(&file, mail.data, mail.size);
        }
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_close_ int fd = blob_fd(&file);
                struct changing changing = { fd, cases[i].change, false };
                struct gate_walk walk;

                ck_assert_int_eq(gate_walk(&w.worker,
                                           &(struct gate_job){ .fd = fd,
                                                               .form = JOB_MBOX,
                                                               .many = true,
                                                               .to = file.size },
                                           change_once, &changing, &walk),
                                 0);
                assert_item(&walk, 0, 0, first, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
                if (cases[i].text) {
                        assert_result(&walk.result, VERDICT_UNKNOWN, REASON_READ, cases[i].text);
                        ck_assert_uint_lt(walk.n, 61);
                } else {
                        assert_result(&walk.result, VERDICT_CLEAN, REASON_NONE, "");
                        ck_assert_uint_eq(walk.n, 61);
                }
                gate_walk_free(&walk);
                assert_works(&w);
        }
        world_stop(&w);
}
END_TEST

START_TEST(no_readable_file) {
        struct gate_walk walk;
        struct world w;
        int fds[3], pair[2];

        world_start(&w);
        ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        fds[0] = pair[0];
        fds[1] = open(place, O_RDONLY | O_CLOEXEC);
        fds[2] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                ck_assert_int_eq(
                        gate_walk(&w.worker,
                                  &(struct gate_job){
                                          .fd = fds[i], .form = JOB_MBOX, .many = true, .to = 1 },
                                  NULL, NULL, &walk),
                        0);
                assert_result(&walk.result, VERDICT_UNKNOWN, REASON_READ, "regular");
                ck_assert_uint_eq(walk.n, 0);
                gate_walk_free(&walk);
                close_fd(fds[i]);
        }
        close_fd(pair[1]);
        assert_works(&w);
        world_stop(&w);
}
END_TEST

/* ---- Broken ground ---- */

START_TEST(a_lost_folder) {
        struct five five = {};
        struct gate_walk walk;
        char folder[PATH_MAX];
        struct world w;

        world_start(&w);
        five_in_mbox(&five);
        folder_of(&w, folder);
        ck_assert_int_eq(rmdir(folder), 0);
        walk = walk_file(&w, &five.file, JOB_MBOX);
        assert_result(&walk.result, VERDICT_UNKNOWN, REASON_ENGINE, NULL);
        /* Of what was told nothing is clean, and the rest is for another worker. */
        ck_assert_uint_eq(walk.n, 1);
        assert_item(&walk, 0, 0, five.sizes[0], VERDICT_UNKNOWN, REASON_ENGINE, "");
        gate_walk_free(&walk);
        ck_assert_int_eq(gate_wait_end(&w.worker), 0);
        gate_worker_free(&w.worker);
        world_spawn(&w);
        assert_works(&w);
        five_free(&five);
        world_stop(&w);
}
END_TEST

int main(int argc, char **argv) {
        const TTest *const tests[] = { one_of_five,
                                       ranges,
                                       hints_of_the_cache,
                                       stamps_of_hubs,
                                       odd_caches,
                                       ten_thousand,
                                       told_while_it_goes_on,
                                       beyond_the_limits,
                                       cut_anywhere,
                                       changed_meanwhile,
                                       no_readable_file,
                                       a_lost_folder };

        return world_main(argc, argv, tests, ELEMENTSOF(tests), NULL, 0);
}
