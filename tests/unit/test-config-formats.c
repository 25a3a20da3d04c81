/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The format of a store: every word, and format = auto on real folders: what is found, what is
 * said of it, how much is looked at.
 */

#include "tests/unit/config-fixture.h"
#include "tests/unit/unit.h"

#define AUTO   STORE "format = auto\n" /* behind DATABASE: the format in line 5 */
#define LINE_5 "@/storescan.conf:5: [store a] format: "
#define KNOWN  "write which it is: maildir, sdbox, mdbox, mbox, cyrus, mh, sis or files.\n"

/* What auto says of a configuration; "@" stands for the folder. The configuration, if all is well. */
static struct config *find(const char *text, const char *expected_errors,
                           const char *expected_notes) {
        _cleanup_free_ char *errors = NULL, *notes = NULL, *e = expand(expected_errors),
                            *n = expand(expected_notes);
        struct config *c = load_good(text);
        size_t size;
        FILE *ef = open_memstream(&errors, &size), *nf = open_memstream(&notes, &size);
        int r;

        ck_assert(ef && nf);
        r = config_find_formats(c, ef, nf);
        (void)fclose(ef);
        (void)fclose(nf);
        ck_assert_str_eq(errors, e);
        ck_assert_str_eq(notes, n);
        ck_assert_int_eq(r, *expected_errors ? -EINVAL : 0);
        return r < 0 ? config_free(c) : c;
}

/* A file, with the folders that it needs; a folder, with a slash behind. */
static void make(const char *path) {
        _cleanup_free_ char *full = expand(path);

        for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                ck_assert(mkdir(full, 0755) == 0 || errno == EEXIST);
                *p = '/';
        }
        if (path[strlen(path) - 1] != '/')
                write_bytes(path, "", 0);
}

START_TEST(every_word) {
        _cleanup_(config_freep) struct config *c = NULL;
        char text[256];

        (void)snprintf(text, sizeof(text), VALID "format = %s\n",
                       store_format_name((enum store_format)_i));
        c = find(text, "", "");
        ck_assert_int_eq(c->stores[0].format, _i);
        ck_assert_ptr_null(c->stores[0].format_by);
}
END_TEST

/* A spool of mboxes is a folder like any other. */
START_TEST(mbox_spool) {
        _cleanup_(config_freep) struct config *c = NULL;

        make("@/var/mail/alice");
        c = find(DATABASE "[store inbox]\npath = @/var/mail\nformat = mbox\n", "", "");
        ck_assert_int_eq(c->stores[0].format, STORE_FORMAT_MBOX);
}
END_TEST

static const struct {
        enum store_format format;
        const char *path, *other; /* what tells, and what does not */
} layouts[] = {
        { STORE_FORMAT_MAILDIR, "@/a/u/Maildir/cur/1795470147.M1P2.vm:2,S", "@/a/u/x/1" },
        { STORE_FORMAT_SDBOX, "@/a/u/mailboxes/INBOX/dbox-Mails/u.1", "@/a/u/dovecot.index" },
        { STORE_FORMAT_MDBOX, "@/a/example.org/u/mdbox/storage/m.1",
          "@/a/example.org/u/mdbox/mailboxes/INBOX/dbox-Mails/dovecot.index" },
        { STORE_FORMAT_MBOX, "@/a/u/.imap/INBOX/dovecot.index", "@/a/u/Archive" },
        { STORE_FORMAT_CYRUS, "@/a/u/user/alice/cyrus.header", "@/a/stage./408-1-0" },
        { STORE_FORMAT_MH, "@/a/inbox/.mh_sequences", "@/a/inbox/1" },
        { STORE_FORMAT_SIS, "@/a/ab/cd/hashes/da39a3ee5e6b4b0d3255bfef95601890afd80709",
          "@/a/ab/x" },
        { STORE_FORMAT_FILES, "@/a/0/7/msg/0/257-3.msg", "@/a/0/8/msg/" },
};

START_TEST(found) {
        _cleanup_(config_freep) struct config *c = NULL;
        _cleanup_free_ char *by = expand(layouts[_i].path), *printed = NULL, *line = NULL;
        const char *word = store_format_name(layouts[_i].format);
        char notes[512];
        size_t size;
        FILE *f;

        make(layouts[_i].other);
        make(layouts[_i].path);
        (void)snprintf(notes, sizeof(notes), "[store a] format = auto: found %s, by '%s'.\n", word,
                       layouts[_i].path);
        c = find(DATABASE AUTO, "", notes);
        ck_assert_int_eq(c->stores[0].format, layouts[_i].format);
        ck_assert_str_eq(c->stores[0].format_by, by);

        /* Printed, it is as it was configured, and loads again. */
        f = open_memstream(&printed, &size);
        ck_assert_ptr_nonnull(f);
        config_print(c, f);
        ck_assert_int_eq(fclose(f), 0);
        (void)snprintf(notes, sizeof(notes),
                       "\nformat = auto ; @/storescan.conf:5: found %s, by '%s'\n", word,
                       layouts[_i].path);
        line = expand(notes);
        ck_assert_msg(strstr(printed, line), "no '%s' in: %s", line, printed);
        write_bytes("@/printed", printed, strlen(printed));
        config_free(load("@/printed", ""));
}
END_TEST

/* What is left to the next process has what was found, and loads without a look. */
START_TEST(kept) {
        _cleanup_(config_freep) struct config *c = NULL, *again = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;

        make("@/a/storage/m.1");
        c = find(DATABASE AUTO, "",
                 "[store a] format = auto: found mdbox, by '@/a/storage/m.1'.\n");
        ck_assert_int_eq(config_text(c, &text, &size), 0);
        ck_assert_ptr_null(strstr(text, "found"));
        make("@/a/u/Maildir/cur/1795470147.M1P2.vm:2,S");
        ck_assert_int_eq(config_load_former("kept", text, size, stderr, &again), 0);
        ck_assert_int_eq(config_find_formats(again, stderr, stderr), 0);
        ck_assert_int_eq(again->stores[0].format, STORE_FORMAT_MDBOX);
}
END_TEST

/* Until somebody has looked, everything is mail. */
START_TEST(not_looked_into) {
        _cleanup_(config_freep) struct config *c = load_good(DATABASE AUTO);

        ck_assert_int_eq(c->stores[0].format, STORE_FORMAT_FILES);
        ck_assert_ptr_null(c->stores[0].format_by);
}
END_TEST

START_TEST(nothing) {
        static const char error[] =
                LINE_5 "auto finds nothing in '@/a' that tells the format; " KNOWN;

        (void)find(DATABASE AUTO, error, "");
        make("@/a/alice");
        make("@/a/u/Maildir/tmp/1795470147.M1P2.vm");
        (void)find(DATABASE AUTO, error, "");
        /* Links may lead anywhere. */
        make("@/b/storage/m.1");
        make_link("@/b/storage", "@/a/storage");
        make_link("@/b/storage/m.1", "@/a/m.1");
        (void)find(DATABASE AUTO, error, "");
}
END_TEST

START_TEST(two) {
        make("@/a/1/storage/m.1");
        make("@/a/1/attachments/ab/cd/hashes/da39a3ee5e6b4b0d3255bfef95601890afd80709");
        {
                /* Which is seen first is up to the file system. */
                _cleanup_(config_freep) struct config *c = load_good(DATABASE AUTO);
                _cleanup_free_ char *errors = NULL;
                size_t size;
                FILE *f = open_memstream(&errors, &size);

                ck_assert_ptr_nonnull(f);
                ck_assert_int_eq(config_find_formats(c, f, stderr), -EINVAL);
                ck_assert_int_eq(fclose(f), 0);
                ck_assert_msg(strstr(errors, ":5: [store a] format: auto finds ") &&
                                      strstr(errors, "/a/1/storage/m.1')") &&
                                      strstr(errors, "; write which it is, and make what is of "
                                                     "the other a store of its own.\n"),
                              "%s", errors);
        }
        /* What is a store of its own is not looked at, and a choice is a choice. */
        config_free(find(DATABASE AUTO "[store b]\npath = @/a/1/attachments\nformat = auto\n", "",
                         "[store a] format = auto: found mdbox, by '@/a/1/storage/m.1'.\n"
                         "[store b] format = auto: found sis, by "
                         "'@/a/1/attachments/ab/cd/hashes/"
                         "da39a3ee5e6b4b0d3255bfef95601890afd80709'.\n"));
        config_free(find(VALID "format = mdbox\n", "", ""));
}
END_TEST

/* Names are anybody's text. */
START_TEST(hostile_names) {
        make("@/a/x\n\x1b[2J/storage/m.1");
        config_free(find(DATABASE AUTO, "",
                         "[store a] format = auto: found mdbox, by "
                         "'@/a/x\\x0a\\x1b[2J/storage/m.1'.\n"));
}
END_TEST

/* A folder with more names than are looked at hides nothing that lies beside it or above it. */
START_TEST(large_folders) {
        char path[64];

        for (int i = 0; i < 800; i++) {
                (void)snprintf(path, sizeof(path), "@/a/u/big/%d/x", i);
                make(path);
        }
        make("@/a/u/storage/m.1");
        config_free(find(DATABASE AUTO, "",
                         "[store a] format = auto: found mdbox, by '@/a/u/storage/m.1'.\n"));
}
END_TEST

/* Depth is bounded. */
START_TEST(deep_folders) {
        make("@/a/1/2/3/4/5/6/7/8/9/10/storage/m.1");
        config_free(find(DATABASE AUTO, "",
                         "[store a] format = auto: found mdbox, by "
                         "'@/a/1/2/3/4/5/6/7/8/9/10/storage/m.1'.\n"));
        make("@/b/1/2/3/4/5/6/7/8/9/10/11/12/storage/m.1");
        (void)find(DATABASE "[store b]\npath = @/b\nformat = auto\n",
                   "@/storescan.conf:5: [store b] format: auto finds nothing in '@/b' that tells "
                   "the format; " KNOWN,
                   "");
}
END_TEST

START_TEST(gone) {
        _cleanup_(config_freep) struct config *c = load_good(DATABASE AUTO);
        _cleanup_free_ char *errors = NULL, *folder = expand("@/a"), *sub = expand("@/a/sub"),
                            *expected = expand(LINE_5 "auto can't look into '@/a': No such file or "
                                                      "directory; write which format it is: "
                                                      "maildir, sdbox, mdbox, mbox, cyrus, mh, sis "
                                                      "or files.\n");
        size_t size;
        FILE *f = open_memstream(&errors, &size);

        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(rmdir(sub), 0);
        ck_assert_int_eq(rmdir(folder), 0);
        ck_assert_int_eq(config_find_formats(c, f, stderr), -EINVAL);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_str_eq(errors, expected);
}
END_TEST

int main(void) {
        const TTest *const tests[] = { mbox_spool,    not_looked_into, nothing, two, hostile_names,
                                       large_folders, deep_folders,    gone,    kept };
        Suite *suite = suite_create("config-formats");
        TCase *tcase = tcase_create("config-formats");

        tcase_add_checked_fixture(tcase, make_root, remove_root);
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        tcase_add_loop_test(tcase, every_word, 0, _STORE_FORMAT_MAX);
        tcase_add_loop_test(tcase, found, 0, ELEMENTSOF(layouts));
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
