/* SPDX-License-Identifier: Apache-2.0 */

/* What workers find, and what they can't look into: every verdict and rule, limits, files. */

#include <glob.h>

#include "store/canon.h"
#include "tests/system/worker-world.h"

/* ---- What is found ---- */

START_TEST(finds_in_every_encoding) {
        struct world w;

        world_start(&w);
        ck_assert_int_eq(w.reply.loaded.signatures, 2);
        for (enum encoding e = BASE64; e <= SEVEN_BIT; e++) {
                _cleanup_blob_ struct blob mail = {}, outer = {};
                struct proto_result r;

                mail_with(&mail, "eicar.com", eicar(), EICAR_SIZE, e);
                r = scan(&w, &mail);
                assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);

                mail_nested(&outer, &mail);
                r = scan(&w, &outer);
                assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        }
        world_stop(&w);
}
END_TEST

START_TEST(finds_in_zips) {
        _cleanup_blob_ struct blob zip = {}, mail = {}, outer = {}, deep = {}, deep_mail = {};
        struct proto_result r;
        struct world w;

        world_start(&w);
        zip_stored(&zip, "eicar.com", eicar(), EICAR_SIZE, false);
        mail_with(&mail, "eicar.zip", zip.data, zip.size, BASE64);
        mail_nested(&outer, &mail);
        r = scan(&w, &outer);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        zip_deep(&deep, 6);
        mail_with(&deep_mail, "deep.zip", deep.data, deep.size, BASE64);
        r = scan(&w, &deep_mail);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        world_stop(&w);
}
END_TEST

/* libclamav takes none of these for mail by their first lines. */
START_TEST(finds_behind_odd_first_lines) {
        static const char *const firsts[] = {
                "ARC-Seal: i=1\r\n",
                "GIF89a: x\r\n",
                "PK\3\4: x\r\n",
                "%PDF-1.4: x\r\n",
                "MZ: x\r\n",
                "{\\rtf1: x\r\n",
                "\r\n",
                "\xef\xbb\xbf",
                "X-Spam: no\r\n",
                "garbage\r\n",
                "begin 644: x\r\n",
                "\x1f\x8b\x08: x\r\n",
        };
        struct world w;

        world_start(&w);
        for (size_t i = 0; i < ELEMENTSOF(firsts); i++) {
                _cleanup_blob_ struct blob inner = {}, mail = {};
                _cleanup_close_ int fd = -EBADF;
                struct proto_result r;

                blob_printf(&mail, "%s", firsts[i]);
                blob_printf(&mail, "Content-Type: application/octet-stream; name=e.com\r\n"
                                   "Content-Transfer-Encoding: base64\r\n\r\n");
                mail_with(&inner, "e", eicar(), EICAR_SIZE, BASE64);
                /* Only the encoded text of inner, behind its last header. */
                for (size_t at = inner.size; at > 3; at--)
                        if (memcmp(inner.data + at - 4, "\r\n\r\n", 4) == 0) {
                                blob_put(&mail, inner.data + at, inner.size - at);
                                break;
                        }
                r = scan(&w, &mail);
                assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
                fd = blob_fd(&mail);
                r = scan_fd(&w, fd);
                assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        }
        world_stop(&w);
}
END_TEST

/* What makes a tar archive of a message: at its place in the content, and at where one behind any prefix that is
 * shorter than that would look for it. */
START_TEST(finds_behind_marks_of_other_kinds) {
        struct world w;

        world_start(&w);
        for (size_t first = 257 - 64; first <= 257; first++) {
                _cleanup_blob_ struct blob inner = {}, mail = {};
                struct proto_result r;

                blob_printf(&mail, "Return-Path: <a@example.org>\r\nX-Marks: ");
                while (mail.size < first)
                        blob_printf(&mail, "a");
                while (mail.size < 257 - 5)
                        blob_printf(&mail, "ustar");
                while (mail.size < 257)
                        blob_printf(&mail, "a");
                blob_printf(&mail, "ustar  \r\n");
                mail_with(&inner, "e", eicar(), EICAR_SIZE, BASE64);
                blob_put(&mail, inner.data, inner.size);
                r = scan(&w, &mail);
                assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        }
        world_stop(&w);
}
END_TEST

START_TEST(clean_is_clean) {
        struct world w;

        world_start(&w);
        for (size_t size = 0; size < 9; size++) {
                struct blob mail = { .data = (uint8_t *)(uintptr_t) "abcdefghi", .size = size };
                struct proto_result r = scan(&w, &mail);

                assert_result(&r, VERDICT_CLEAN, REASON_NONE, "");
        }
        for (unsigned i = 0; i < 50; i++) {
                _cleanup_blob_ struct blob mail = {};
                uint8_t digest[DIGEST_SIZE];
                struct proto_result r;

                mail_plain(&mail, 1000 * i, i);
                r = scan(&w, &mail);
                assert_result(&r, VERDICT_CLEAN, REASON_NONE, NULL);
                ck_assert_str_eq(r.signature, "");
                ck_assert_int_eq(canon_buffer(CANON_MESSAGE, mail.data, mail.size, digest), 0);
                ck_assert_int_eq(r.has_digest, 1);
                ck_assert_mem_eq(r.digest, digest, DIGEST_SIZE);
        }
        world_stop(&w);
}
END_TEST

START_TEST(a_full_slot) {
        _cleanup_blob_ struct blob mail = {}, infected = {};
        struct proto_result r;
        struct world w;

        world_start(&w);
        mail_plain(&mail, PROTO_BAY_SIZE - 300, 1);
        while (mail.size < PROTO_BAY_SIZE)
                blob_put(&mail, "x", 1);
        r = scan(&w, &mail);
        assert_result(&r, VERDICT_CLEAN, REASON_NONE, NULL);
        mail_with(&infected, "e.com", eicar(), EICAR_SIZE, BASE64);
        memcpy(mail.data, infected.data, infected.size);
        r = scan(&w, &mail);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        world_stop(&w);
}
END_TEST

START_TEST(known_is_not_scanned) {
        _cleanup_blob_ struct blob mail = {};
        uint8_t digest[DIGEST_SIZE];
        struct proto_result r;
        struct world w;
        struct gate_job job;

        world_start(&w);
        mail_with(&mail, "e.com", eicar(), EICAR_SIZE, BASE64);
        ck_assert_int_eq(canon_buffer(CANON_MESSAGE, mail.data, mail.size, digest), 0);
        job = (struct gate_job){
                .data = mail.data, .size = mail.size, .known = digest, .form = JOB_MESSAGE
        };
        ck_assert_int_eq(gate_scan(&w.worker, &job, &r), 0);
        ck_assert_int_eq(r.known, 1);
        ck_assert_int_eq(r.verdict, VERDICT_UNKNOWN);
        ck_assert_int_eq(r.has_digest, 1);
        ck_assert_mem_eq(r.digest, digest, DIGEST_SIZE);
        ck_assert_int_eq(r.scan_usec, 0);

        digest[STAMP_DIGEST_SIZE - 1] ^= 1;
        ck_assert_int_eq(gate_scan(&w.worker, &job, &r), 0);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        world_stop(&w);
}
END_TEST

START_TEST(clamav_test_file) {
        static const char path[] = "/usr/share/clamav-testfiles/clam.exe";
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct proto_result r;
        struct world w;

        if (fd < 0) {
                printf("left out: %s is not there (package clamav-testfiles)\n", path);
                return;
        }
        world_start(&w);
        r = scan_fd(&w, fd);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, "Clamav-Test-File");
        world_stop(&w);
}
END_TEST

/* ---- What can't be looked into ---- */

static void world_with_rules(struct world *w, enum content_rule limits, enum content_rule encrypted,
                             enum content_rule broken) {
        world_prepare(w);
        w->load.load.limits = (uint8_t)limits;
        w->load.load.encrypted = (uint8_t)encrypted;
        w->load.load.broken = (uint8_t)broken;
        world_load(w);
        world_spawn(w);
}

static void encrypted_mail(struct blob *mail) {
        _cleanup_blob_ struct blob text = {}, zip = {};

        blob_put_text(&text, 2000, 1);
        zip_stored(&zip, "secret.txt", text.data, text.size, true);
        mail_with(mail, "secret.zip", zip.data, zip.size, BASE64);
}

static void broken_mail(struct blob *mail) {
        static const uint8_t png[] = { 0x89, 'P',  'N',  'G',  '\r', '\n', 0x1a, '\n', 0,  0, 0,
                                       13,   'I',  'H',  'D',  'R',  0,    0,    0,    1,  0, 0,
                                       0,    1,    8,    2,    0,    0,    0,    1,    2,  3, 4,
                                       0x7f, 0xff, 0xff, 0xff, 'I',  'D',  'A',  'T',  'z' };

        mail_with(mail, "broken.png", png, sizeof(png), BASE64);
}

START_TEST(encrypted_by_rule) {
        static const struct {
                enum content_rule rule;
                enum verdict verdict;
                enum reason reason;
        } cases[] = {
                { CONTENT_UNSCANNABLE, VERDICT_UNSCANNABLE, REASON_ENCRYPTED },
                { CONTENT_INFECTED, VERDICT_INFECTED, REASON_NONE },
                { CONTENT_IGNORE, VERDICT_CLEAN, REASON_NONE },
        };
        _cleanup_blob_ struct blob mail = {};

        encrypted_mail(&mail);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct proto_result r;
                struct world w;

                world_with_rules(&w, CONTENT_UNSCANNABLE, cases[i].rule, CONTENT_UNSCANNABLE);
                r = scan(&w, &mail);
                assert_result(&r, cases[i].verdict, cases[i].reason,
                              cases[i].rule == CONTENT_IGNORE ? "" : "Heuristics.Encrypted.Zip");
                world_stop(&w);
                ck_assert_int_eq(rmdir(w.tmpdir), 0);
        }
}
END_TEST

START_TEST(broken_by_rule) {
        static const struct {
                enum content_rule rule;
                enum verdict verdict;
                enum reason reason;
        } cases[] = {
                { CONTENT_UNSCANNABLE, VERDICT_UNSCANNABLE, REASON_BROKEN },
                { CONTENT_INFECTED, VERDICT_INFECTED, REASON_NONE },
                { CONTENT_IGNORE, VERDICT_CLEAN, REASON_NONE },
        };
        _cleanup_blob_ struct blob mail = {};

        broken_mail(&mail);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct proto_result r;
                struct world w;

                world_with_rules(&w, CONTENT_UNSCANNABLE, CONTENT_UNSCANNABLE, cases[i].rule);
                r = scan(&w, &mail);
                assert_result(&r, cases[i].verdict, cases[i].reason,
                              cases[i].rule == CONTENT_IGNORE ? "" : "Heuristics.Broken.Media.PNG");
                world_stop(&w);
                ck_assert_int_eq(rmdir(w.tmpdir), 0);
        }
}
END_TEST

/* What libclamav only complains of in a message was not looked at, whatever the rules; and the
 * engine goes on working. */
START_TEST(malformed_parts_are_not_clean) {
        _cleanup_blob_ struct blob tnef = {}, mail = {}, clean = {};
        struct proto_result r;
        struct world w;

        world_with_rules(&w, CONTENT_UNSCANNABLE, CONTENT_IGNORE, CONTENT_IGNORE);
        blob_put(&tnef, "\x78\x9f\x3e\x22\x01\x00", 6); /* a signature, a key */
        blob_put(&tnef, "\x6d\x06\x90\x08\x00\x04\x00\x00\x00\x00\x00\x01\x00\x01\x00", 15);
        blob_put(&tnef, "\x6d\x20\x80\x00\x00\x10\x00\x00\x00", 9); /* an unknown level */
        blob_put_text(&tnef, 500, 1);
        mail_with(&mail, "winmail.dat", tnef.data, tnef.size, BASE64);
        r = scan(&w, &mail);
        assert_result(&r, VERDICT_UNSCANNABLE, REASON_BROKEN, "TNEF");
        mail_plain(&clean, 3000, 1);
        r = scan(&w, &clean);
        assert_result(&r, VERDICT_CLEAN, REASON_NONE, NULL);
        world_stop(&w);
}
END_TEST

/* libclamav knows the type, and without its unrar module passes it over. */
START_TEST(rar_without_a_module) {
        static const char rar[] = "Rar!\x1a\x07\x00\xcf\x90\x73\x00\x00\x0d\x00\x00\x00\x00\x00\x00"
                                  "\x00 and some more than that";
        _cleanup_blob_ struct blob mail = {};
        struct proto_result r;
        struct world w;
        glob_t found;

        if (glob("/usr/lib*/{,*/}libclamunrar*", GLOB_BRACE, NULL, &found) == 0) {
                printf("left out: %s is installed\n", found.gl_pathv[0]);
                return;
        }
        world_start(&w);
        mail_with(&mail, "a.rar", rar, sizeof(rar), BASE64);
        r = scan(&w, &mail);
        assert_result(&r, VERDICT_UNSCANNABLE, REASON_BROKEN, "unrar");
        world_stop(&w);
}
END_TEST

START_TEST(a_match_beats_all_else) {
        struct blob hidden[3] = {};
        struct world w;

        world_prepare(&w);
        w.load.load.max_recursion = 8;
        world_load(&w);
        world_spawn(&w);
        {
                _cleanup_blob_ struct blob text = {};

                blob_put_text(&text, 2000, 1);
                zip_stored(&hidden[0], "secret.txt", text.data, text.size, true);
                zip_deep(&hidden[1], 12);
                blob_put(&hidden[2], "\x89PNG\r\n\x1a\n\0\0\0\x7f", 12);
        }
        for (size_t i = 0; i < ELEMENTSOF(hidden); i++) {
                const struct blob test = { .data = (uint8_t *)(uintptr_t)eicar(),
                                           .size = EICAR_SIZE };

                for (unsigned order = 0; order < 2; order++) {
                        _cleanup_blob_ struct blob mail = {};
                        struct proto_result r;

                        if (order == 0)
                                mail_with_two(&mail, &hidden[i], &test);
                        else
                                mail_with_two(&mail, &test, &hidden[i]);
                        r = scan(&w, &mail);
                        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
                }
                blob_free(&hidden[i]);
        }
        world_stop(&w);
}
END_TEST

/* Two things that can't be looked into, one of which counts as infected: libclamav names one. */
START_TEST(the_worse_of_two_rules) {
        struct blob parts[2] = {};
        struct world w;

        world_prepare(&w);
        w.load.load.max_recursion = 8;
        w.load.load.encrypted = CONTENT_INFECTED;
        world_load(&w);
        world_spawn(&w);
        {
                _cleanup_blob_ struct blob text = {};

                blob_put_text(&text, 2000, 1);
                zip_stored(&parts[0], "secret.txt", text.data, text.size, true);
                zip_deep(&parts[1], 12);
        }
        for (unsigned order = 0; order < 2; order++) {
                _cleanup_blob_ struct blob mail = {};
                struct proto_result r;

                mail_with_two(&mail, &parts[order], &parts[!order]);
                r = scan(&w, &mail);
                assert_result(&r, VERDICT_INFECTED, REASON_NONE, "Heuristics.Encrypted.Zip");
        }
        blob_free(&parts[0]);
        blob_free(&parts[1]);
        world_stop(&w);
}
END_TEST

/* ---- Limits ---- */

struct limit_case {
        const char *what;
        uint64_t file_size, scan_size;
        uint32_t files, recursion;
        const char *text;
};

static void limit_mail(struct blob *mail, const char *what) {
        _cleanup_blob_ struct blob data = {};

        if (streq(what, "large")) {
                mail_plain(mail, 300000, 1);
                return;
        }
        if (streq(what, "bomb"))
                zip_bomb(&data, 3000000);
        else if (streq(what, "many"))
                zip_many(&data, 200);
        else
                zip_deep(&data, 12);
        mail_with(mail, "it.zip", data.data, data.size, BASE64);
}

START_TEST(limits_are_never_clean) {
        static const struct limit_case cases[] = {
                { "large", 200000, 0, 0, 0, "MaxFileSize" },
                /* libclamav cuts the file in the zip and calls what it has of it clean. */
                { "bomb", 1000000, 0, 0, 0, "cut" },
                { "bomb", 0, 1000000, 0, 0, "MaxScanSize" },
                { "many", 0, 0, 50, 0, "MaxFiles" },
                { "deep", 0, 0, 0, 8, "MaxRecursion" },
        };

        for (unsigned rule = CONTENT_UNSCANNABLE; rule <= CONTENT_INFECTED; rule++)
                for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                        const struct limit_case *c = &cases[i];
                        _cleanup_blob_ struct blob mail = {};
                        _cleanup_close_ int fd = -EBADF;
                        struct proto_result r;
                        struct world w;

                        world_prepare(&w);
                        if (c->file_size)
                                w.load.load.max_file_size = c->file_size;
                        if (c->scan_size)
                                w.load.load.max_scan_size = c->scan_size;
                        if (c->files)
                                w.load.load.max_files = c->files;
                        if (c->recursion)
                                w.load.load.max_recursion = c->recursion;
                        w.load.load.limits = (uint8_t)rule;
                        world_load(&w);
                        world_spawn(&w);
                        limit_mail(&mail, c->what);
                        r = scan(&w, &mail);
                        if (rule == CONTENT_INFECTED)
                                assert_result(&r, VERDICT_INFECTED, REASON_NONE,
                                              "Heuristics.Limits.Exceeded");
                        else
                                assert_result(&r, VERDICT_UNSCANNABLE, REASON_LIMITS, c->text);
                        ck_assert_int_eq(r.has_digest, !streq(c->what, "large"));
                        fd = blob_fd(&mail);
                        r = scan_fd(&w, fd);
                        ck_assert_int_eq(r.verdict, rule == CONTENT_INFECTED ? VERDICT_INFECTED
                                                                             : VERDICT_UNSCANNABLE);
                        world_stop(&w);
                        ck_assert_int_eq(rmdir(w.tmpdir), 0);
                }
}
END_TEST

/* The same, with limits that let everything through: so it was the limits. */
START_TEST(within_limits_is_found) {
        static const char *const whats[] = { "bomb", "many", "deep" };
        struct world w;

        world_start(&w);
        for (size_t i = 0; i < ELEMENTSOF(whats); i++) {
                _cleanup_blob_ struct blob mail = {};
                struct proto_result r;

                limit_mail(&mail, whats[i]);
                r = scan(&w, &mail);
                assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        }
        world_stop(&w);
}
END_TEST

START_TEST(too_slow_is_unknown) {
        _cleanup_blob_ struct blob zip = {}, mail = {};
        _cleanup_close_ int fd = -EBADF;
        struct proto_result r;
        struct world w;

        world_prepare(&w);
        w.load.load.max_scan_msec = 20;
        w.load.load.max_files = 100000;
        world_load(&w);
        world_spawn(&w);
        zip_many(&zip, 5000);
        mail_with(&mail, "many.zip", zip.data, zip.size, BASE64);
        fd = blob_fd(&mail);
        r = scan_fd(&w, fd);
        assert_result(&r, VERDICT_UNKNOWN, REASON_TIMEOUT, "MaxScanTime");
        world_stop(&w);
}
END_TEST

/* ---- Files ---- */

START_TEST(files_as_fds) {
        _cleanup_blob_ struct blob text = {}, mail = {}, clean = {};
        _cleanup_close_ int fd = -EBADF;
        uint8_t digest[DIGEST_SIZE];
        struct proto_result r;
        struct world w;

        world_start(&w);
        /* EICAR as the last attachment of 4 MB. */
        blob_put_text(&text, 3000000, 1);
        mail_with_two(&mail, &text,
                      &(struct blob){ .data = (uint8_t *)(uintptr_t)eicar(), .size = EICAR_SIZE });
        fd = blob_fd(&mail);
        r = scan_fd(&w, fd);
        assert_result(&r, VERDICT_INFECTED, REASON_NONE, EICAR_NAME);
        ck_assert_int_eq(canon_buffer(CANON_MESSAGE, mail.data, mail.size, digest), 0);
        ck_assert_mem_eq(r.digest, digest, DIGEST_SIZE);
        fd = close_fd(fd);

        ck_assert_int_eq(gate_scan(&w.worker,
                                   &(struct gate_job){ .fd = fd = blob_fd(&mail),
                                                       .size = mail.size,
                                                       .known = digest,
                                                       .form = JOB_MESSAGE },
                                   &r),
                         0);
        ck_assert_int_eq(r.known, 1);
        fd = close_fd(fd);

        mail_plain(&clean, 5000000, 1);
        fd = blob_fd(&clean);
        r = scan_fd(&w, fd);
        assert_result(&r, VERDICT_CLEAN, REASON_NONE, NULL);
        world_stop(&w);
}
END_TEST

START_TEST(a_sparse_terabyte) {
        _cleanup_close_ int fd = memfd_create("sparse", MFD_CLOEXEC);
        struct proto_result r;
        struct world w;

        world_start(&w);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t)1 << 40), 0);
        r = scan_fd(&w, fd);
        assert_result(&r, VERDICT_UNSCANNABLE, REASON_LIMITS, "MaxFileSize");
        ck_assert_int_eq(r.has_digest, 0);
        ck_assert_uint_lt(r.digest_usec + r.scan_usec, 100000);
        world_stop(&w);
}
END_TEST

START_TEST(what_is_no_readable_file) {
        _cleanup_blob_ struct blob mail = {};
        struct proto_result r;
        char path[PATH_MAX];
        struct world w;
        int fds[5], pair[2];

        world_start(&w);
        mail_plain(&mail, 5000, 1);
        in_place(path, "item");
        write_file(path, mail.data, mail.size);
        ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
        fds[0] = pair[0];
        fds[1] = open(place, O_RDONLY | O_CLOEXEC);
        fds[2] = open(path, O_WRONLY | O_CLOEXEC);
        fds[3] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        fds[4] = open(path, O_PATH | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                ck_assert_int_ge(fds[i], 0);
                r = scan_fd(&w, fds[i]);
                assert_result(&r, VERDICT_UNKNOWN, REASON_READ, NULL);
                close_fd(fds[i]);
        }
        close_fd(pair[1]);
        world_stop(&w);
}
END_TEST

/* A message of two texts, as attachments; or of both in one. */
static void two_texts(struct blob *mail, const char *first, const char *second, bool together) {
        _cleanup_blob_ struct blob a = {}, b = {};

        blob_printf(&a, "%s\n%s", first, together ? second : "");
        blob_printf(&b, "%s", together ? "" : second);
        mail_with_two(mail, &a, &b);
}

/* What is allowed is clean; all else is found as before, wherever it stands. */
START_TEST(allowed_names) {
        static const char other[] = "Another-Thing-To-Be-Found";
        struct generation before;
        char folder[PATH_MAX];
        struct world w;

        world_start(&w);
        before = w.reply.loaded.generation;
        world_stop(&w);
        ck_assert_int_eq(rmdir(w.tmpdir), 0);

        world_prepare(&w);
        make_folder(folder, "two");
        write_text(
                folder, "one.ndb",
                "Eicar-Test-Signature:0:*:"
                "58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e444152"
                "442d414e544956495255532d544553542d46494c452124482b482a\n"
                "Other-Test:0:*:416e6f746865722d5468696e672d546f2d42652d466f756e64\n");
        (void)snprintf(w.load.load.database, sizeof(w.load.load.database), "%s", folder);
        proto_text(w.load.load.allowed, sizeof(w.load.load.allowed), "None.Such " EICAR_NAME);
        world_load(&w);
        world_spawn(&w);
        ck_assert_mem_ne(before.id, w.reply.loaded.generation.id, sizeof(before.id));
        for (unsigned i = 0; i < 8; i++) {
                _cleanup_blob_ struct blob mail = {};
                bool found = i & 4;
                struct proto_result r;

                two_texts(&mail, i & 1 ? "Hello" : eicar(), found ? other : "Bye", i & 2);
                r = scan(&w, &mail);
                assert_result(&r, found ? VERDICT_INFECTED : VERDICT_CLEAN, REASON_NONE,
                              found ? "Other-Test" : "");
        }
        for (enum encoding e = BASE64; e <= SEVEN_BIT; e++) {
                _cleanup_blob_ struct blob mail = {}, outer = {}, both = {}, zip = {};
                struct proto_result r;

                mail_with(&mail, "e.com", eicar(), EICAR_SIZE, e);
                mail_nested(&outer, &mail);
                r = scan(&w, &outer);
                assert_result(&r, VERDICT_CLEAN, REASON_NONE, "");
                zip_stored(&zip, "other.txt", other, strlen(other), false);
                blob_put(&mail, "\r\n", 2);
                mail_with_two(&both, &mail, &zip);
                r = scan(&w, &both);
                assert_result(&r, VERDICT_INFECTED, REASON_NONE, "Other-Test");
        }
        world_stop(&w);
}
END_TEST

int main(int argc, char **argv) {
        const TTest *const tests[] = { finds_in_every_encoding,
                                       finds_in_zips,
                                       finds_behind_odd_first_lines,
                                       finds_behind_marks_of_other_kinds,
                                       clean_is_clean,
                                       a_full_slot,
                                       known_is_not_scanned,
                                       clamav_test_file,
                                       allowed_names,
                                       encrypted_by_rule,
                                       broken_by_rule,
                                       malformed_parts_are_not_clean,
                                       rar_without_a_module,
                                       a_match_beats_all_else,
                                       the_worse_of_two_rules,
                                       limits_are_never_clean,
                                       within_limits_is_found,
                                       too_slow_is_unknown,
                                       files_as_fds,
                                       a_sparse_terabyte,
                                       what_is_no_readable_file };

        return world_main(argc, argv, tests, ELEMENTSOF(tests), NULL, 0);
}
