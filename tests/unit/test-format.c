/* SPDX-License-Identifier: Apache-2.0 */

/* Which files of a store hold mail, and which format a store has. */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/format.h"
#include "store/util.h"
#include "tests/unit/unit.h"

struct example {
        const char *path;
        enum place rooted, unrooted;
};

#define ITEM     PLACE_ITEM, PLACE_ITEM
#define PROGRESS PLACE_IN_PROGRESS, PLACE_ITEM
#define CONTROL  PLACE_CONTROL, PLACE_CONTROL
#define OTHER    PLACE_CONTROL, PLACE_ITEM /* mail, unless the store is known */

static const struct example maildir[] = {
        /* Messages, whatever they are called: the names are chosen by delivery agents. */
        { "cur/1795470147.M1P2.vm:2,S", ITEM },
        { "new/1795470147.M1P2.vm", ITEM },
        { "user/Maildir/cur/1795470147.M1P2.vm,S=20,W=21:2,", ITEM },
        { "user/Maildir/.Archive.2026/cur/x", ITEM },
        { "a/b/c/d/e/f/g/new/x", ITEM },
        { "cur/dovecot.index.log", ITEM },
        { "cur/dovecot-uidlist", ITEM },
        { "new/subscriptions", ITEM },
        { "new/tmp", ITEM },
        { "tmp/new/x", ITEM },
        { "cur//x", OTHER }, /* the kernel gives no empty names */

        /* LAYOUT=fs */
        { "mail/user/Maildir/Archive/2026/cur/x", ITEM },
        { "mail/user/Maildir/Archive/tmp/x", PROGRESS },
        { "mail/user/Maildir/Archive/dovecot.index.log", CONTROL },

        /* Being delivered. */
        { "tmp/1795470147.M1P2.vm", PROGRESS },
        { "user/Maildir/tmp/x", PROGRESS },
        { "cur/tmp/x", PROGRESS },
        { "new/tmp/dovecot.index", PROGRESS },

        /* Control files. */
        { "dovecot.index.log", CONTROL },
        { "user/Maildir/dovecot-uidlist", CONTROL },
        { "user/Maildir/dovecot-uidlist.lock", CONTROL },
        { "user/Maildir/maildirfolder", CONTROL },
        { "user/Maildir/maildirsize", CONTROL },
        { "user/Maildir/subscriptions", CONTROL },
        { "user/Maildir/courierimapuiddb", CONTROL },

        /* In a known store nothing else is mail; where the root is unknown, all of it may be. */
        { "user/Maildir/other", OTHER },
        { "cur", OTHER },
        { "new", OTHER },
        { "xcur/file", OTHER },
        { "curx/file", OTHER },
        { "CUR/file", OTHER },
        { "cur/sub/file", OTHER },
        { "", OTHER },
};

static const struct example sdbox[] = {
        { "mail/user/mailboxes/INBOX/dbox-Mails/u.1", ITEM },
        { "mail/user/mailboxes/INBOX/dbox-Mails/u.4294967295", ITEM },
        { "mail/user/mailboxes/INBOX/dbox-Mails/u.7.broken", ITEM },
        { "dbox-Mails/u.1", ITEM },
        { "alt/user/mailboxes/INBOX/dbox-Mails/u.1", ITEM },
        /* DIRNAME= gives the folder another name. */
        { "mail/user/mailboxes/INBOX/messages/u.12", ITEM },
        { "u.1", ITEM },
        /* Whatever else somebody may have put there. */
        { "mail/user/mailboxes/INBOX/dbox-Mails/u.x", ITEM },
        { "mail/user/mailboxes/INBOX/dbox-Mails/saved", ITEM },
        { "mail/user/mailboxes/dbox-Mails/dbox-Mails/u.1", ITEM },

        { "mail/user/mailboxes/INBOX/dbox-Mails/.temp.1795470147.P408Q2M0.vm", PROGRESS },
        { "mail/user/mailboxes/INBOX/.temp.x", PROGRESS },

        { "mail/user/mailboxes/INBOX/dbox-Mails/dovecot.index", CONTROL },
        { "mail/user/mailboxes/INBOX/dbox-Mails/dovecot.index.cache", CONTROL },
        { "mail/user/mailboxes/INBOX/dbox-Mails/dovecot.index.log.2", CONTROL },
        { "mail/user/mailboxes/INBOX/dbox-Mails/dovecot.index.log.newlock", CONTROL },
        { "mail/user/dovecot.list.index", CONTROL },
        { "mail/user/subscriptions", CONTROL },
        { "mail/user/subscriptions.lock", CONTROL },
        { "mail/user/mailboxes/INBOX/other", OTHER },
        { "mail/user/.dovecot.sieve", OTHER },
        { "mail/user/mailboxes/INBOX/u.", OTHER },
        { "mail/user/mailboxes/INBOX/u.1x", OTHER },
        { "mail/user/mailboxes/INBOX/xu.1", OTHER },
        { "mail/user/storage/m.1", OTHER },
        { "dbox-Mails", OTHER },
        { "", OTHER },
};

static const struct example mdbox[] = {
        { "mail/user/storage/m.1", ITEM },
        { "mail/user/storage/m.1.broken", ITEM },
        { "storage/m.20", ITEM },
        { "alt/user/storage/m.3", ITEM },
        { "mail/user/elsewhere/m.1", ITEM },
        { "mail/user/storage/m.x", ITEM },
        { "mail/user/storage/copy of m.1", ITEM },

        { "mail/user/storage/.temp.1795470147.P408Q2M0.vm", PROGRESS },

        { "mail/user/storage/dovecot.map.index", CONTROL },
        { "mail/user/storage/dovecot.map.index.log", CONTROL },
        { "mail/user/mailboxes/INBOX/dbox-Mails/dovecot.index.cache", CONTROL },
        { "mail/user/mailboxes/storage/dbox-Mails/dovecot.index.log", CONTROL },
        { "mail/user/subscriptions", CONTROL },
        { "mail/user/mailboxes/INBOX/dbox-Mails/u.1", OTHER },
        { "mail/user/other", OTHER },
        { "", OTHER },
};

/* All of a size at which nothing is a lock. */
static const struct example mbox[] = {
        { "mail/alice", ITEM }, /* /var/mail */
        { "mail/user/mail/Archive/2026", ITEM },
        /* Names that a mail user gave to mailboxes. */
        { "mail/user/dovecot.index.cache", ITEM },
        { "mail/user/dovecot.index.log", ITEM },
        { "mail/user/dovecot-uidlist", ITEM },
        { "mail/user/subscriptions", ITEM },
        { "mail/user/.subscriptions", ITEM },
        { "mail/user/cyrus.index", ITEM },
        { "mail/user/x.imap/y", ITEM },
        { "mail/user/.imapx/y", ITEM },
        { "mail/user/.IMAP/y", ITEM },
        { "mail/user/x.lock", ITEM },
        { "mail/user/.temp.x", ITEM },
        { "mail/user/tmp/x", ITEM },
        { "mail/user/.imap", ITEM },
        { ".imap", ITEM },
        { ".imap/x", ITEM }, /* the root itself: it would hold nothing else */
        { "", ITEM },

        { "mail/user/.imap/INBOX/dovecot.index.log", CONTROL },
        { "mail/user/Archive/.imap/2026/dovecot.index.cache", CONTROL },
        { "mail/user/.imap/dovecot.list.index.log", CONTROL },
        { "mail/.imap/a/b/c/dovecot.index", CONTROL },
        { "mail/user/.imap/INBOX/other", OTHER },
        { ".imap/.imap/x", OTHER },
};

static const struct example cyrus[] = {
        { "mail/u/user/alice/1.", ITEM },
        { "mail/uuid/t/c/tcx2/4294967295.", ITEM },
        { "spool/mail/shared/public/12.", ITEM },
        { "mail/stage./12.", ITEM },
        { "1.", ITEM },

        { "mail/stage./408-1795470147-0", PROGRESS },
        { "mail/sync./408/6b04b343", PROGRESS },

        { "mail/u/user/alice/cyrus.header", CONTROL },
        { "mail/u/user/alice/cyrus.index", CONTROL },
        { "mail/u/user/alice/cyrus.cache", CONTROL },
        { "mail/u/user/alice/cyrus.annotations", CONTROL },
        { "mail/u/user/alice/cyrus.index.NEW", CONTROL },
        { "mail/u/user/alice/1", OTHER },
        { "mail/u/user/alice/.", OTHER },
        { "mail/u/user/alice/1.x", OTHER },
        { "mail/u/user/alice/x1.", OTHER },
        { "sync./x", OTHER },
        { "mail/mailboxes.db", OTHER },
        { "", OTHER },
};

static const struct example mh[] = {
        { "Mail/inbox/1", ITEM },
        { "Mail/inbox/007", ITEM },
        { "Mail/inbox/,1", ITEM },
        { "Mail/inbox/#1", ITEM },
        { "Mail/12/34", ITEM },
        { "1", ITEM },

        { "Mail/inbox/.mh_sequences", CONTROL },
        { "Mail/inbox/.mh_sequences.lock", CONTROL },
        { "Mail/inbox/.xmhcache", CONTROL },
        { "Mail/context", OTHER },
        { "Mail/inbox/1x", OTHER },
        { "Mail/inbox/1.", OTHER },
        { "Mail/inbox/-1", OTHER },
        { "Mail/inbox/,", OTHER },
        { "Mail/inbox/", OTHER },
        { "", OTHER },
};

static const struct example sis[] = {
        { "attachments/ab/cd/da39a3ee5e6b4b0d3255bfef95601890afd80709-0123", ITEM },
        { "attachments/ab/cd/hashes/da39a3ee5e6b4b0d3255bfef95601890afd80709", ITEM },
        { "attachments/x", ITEM },
        { "attachments/dovecot.index", ITEM },
        { "attachments/x.lock", ITEM },
        { "attachments/x.temp.y", ITEM },
        { "", ITEM },

        { "attachments/ab/cd/.temp.dovecot.vm.408.6b04b343", PROGRESS },
        { "attachments/ab/cd/hashes/.temp.x", PROGRESS },
};

static const struct example files[] = {
        { "store/0/7/msg/0/257-3.msg", ITEM },
        { "attachments/5/12/84031.gz", ITEM },
        { "attachments/5/12/84031", ITEM },
        { "store/incoming/1795470147-1.msg", ITEM },
        { "store/dovecot.index", ITEM },
        { "store/.temp.x", ITEM },
        { "store/x.lock", ITEM },
        { "", ITEM },
};

#undef CONTROL
#undef OTHER

static const struct {
        const struct example *examples;
        size_t n;
} formats[] = {
        [STORE_FORMAT_MAILDIR] = { maildir, ELEMENTSOF(maildir) },
        [STORE_FORMAT_SDBOX] = { sdbox, ELEMENTSOF(sdbox) },
        [STORE_FORMAT_MDBOX] = { mdbox, ELEMENTSOF(mdbox) },
        [STORE_FORMAT_MBOX] = { mbox, ELEMENTSOF(mbox) },
        [STORE_FORMAT_CYRUS] = { cyrus, ELEMENTSOF(cyrus) },
        [STORE_FORMAT_MH] = { mh, ELEMENTSOF(mh) },
        [STORE_FORMAT_SIS] = { sis, ELEMENTSOF(sis) },
        [STORE_FORMAT_FILES] = { files, ELEMENTSOF(files) },
};
static_assert(ELEMENTSOF(formats) == _STORE_FORMAT_MAX, "examples of every format");

#define BIG 4096

START_TEST(places) {
        enum store_format f = (enum store_format)_i;

        for (size_t i = 0; i < formats[f].n; i++) {
                const struct example *e = &formats[f].examples[i];

                ck_assert_msg(format_place(f, e->path, BIG) == e->rooted,
                              "%s: '%s' has the wrong place", store_format_name(f), e->path);
                ck_assert_msg(format_place_unrooted(f, e->path, BIG) == e->unrooted,
                              "%s: '%s' has the wrong place without a root", store_format_name(f),
                              e->path);
        }
}
END_TEST

/* Only on mbox does the size say anything: a lock is too small to be a mailbox. */
START_TEST(locks) {
        static const char *const names[] = { "mail/alice.lock", "mail/user/.lock" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                for (uint64_t size = 0; size < 200; size++) {
                        enum place expected = size <= 80 ? PLACE_CONTROL : PLACE_ITEM;

                        ck_assert_int_eq(format_place(STORE_FORMAT_MBOX, names[i], size), expected);
                        ck_assert_int_eq(format_place_unrooted(STORE_FORMAT_MBOX, names[i], size),
                                         expected);
                        ck_assert_int_eq(format_place(STORE_FORMAT_FILES, names[i], size),
                                         PLACE_ITEM);
                }
        ck_assert_int_eq(format_place(STORE_FORMAT_MBOX, "mail/alice.lock", UINT64_MAX),
                         PLACE_ITEM);
        ck_assert_int_eq(format_place(STORE_FORMAT_MBOX, "mail/alice", 0), PLACE_ITEM);
        ck_assert_int_eq(format_place(STORE_FORMAT_MBOX, "mail/a.lock/alice", 0), PLACE_ITEM);
        ck_assert_int_eq(format_place(STORE_FORMAT_MBOX, "mail/alice.lockx", 0), PLACE_ITEM);
        ck_assert_int_eq(format_place(STORE_FORMAT_MBOX, "mail/lock", 0), PLACE_ITEM);
        ck_assert_int_eq(format_place(STORE_FORMAT_MBOX, "mail/user/.temp.x", 0), PLACE_ITEM);
}
END_TEST

/* What the kernel gives for files opened by handle, or through other mounts. */
START_TEST(unrooted_texts) {
        static const char *const items[] = { "/",
                                             "//deleted",
                                             "/x",
                                             "/cur/x",
                                             "/storage/m.1",
                                             "/tmp/x",
                                             "/stage./x",
                                             "/.temp.x/y",
                                             "/1234 (deleted)",
                                             "/anything/at/all",
                                             "(unreachable)/cur/x" };
        enum store_format f = (enum store_format)_i;

        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                ck_assert_msg(format_place_unrooted(f, items[i], BIG) == PLACE_ITEM,
                              "%s: '%s' was let through", store_format_name(f), items[i]);
}
END_TEST

START_TEST(unrooted_control) {
        static const struct {
                enum store_format format;
                const char *path;
        } control[] = {
                { STORE_FORMAT_MAILDIR, "/dovecot-uidlist" },
                { STORE_FORMAT_SDBOX, "/mail/INBOX/dbox-Mails/dovecot.index.log" },
                { STORE_FORMAT_MDBOX, "/storage/dovecot.map.index" },
                { STORE_FORMAT_MBOX, "/.imap/INBOX/dovecot.index.log" },
                { STORE_FORMAT_CYRUS, "/cyrus.index" },
                { STORE_FORMAT_MH, "/.mh_sequences" },
        };

        for (size_t i = 0; i < ELEMENTSOF(control); i++)
                ck_assert_msg(format_place_unrooted(control[i].format, control[i].path, BIG) ==
                                      PLACE_CONTROL,
                              "'%s' was held up", control[i].path);
}
END_TEST

/* Whatever a rooted path is judged as mail, it is mail without its root too: an opener must not
 * escape by coming through another mount. For each format, the paths of all. */
START_TEST(losing_the_root_never_loses_an_item) {
        enum store_format f = (enum store_format)_i;

        for (size_t k = 0; k < ELEMENTSOF(formats); k++)
                for (size_t i = 0; i < formats[k].n; i++) {
                        const char *path = formats[k].examples[i].path;

                        if (format_place(f, path, BIG) == PLACE_ITEM)
                                ck_assert_int_eq(format_place_unrooted(f, path, BIG), PLACE_ITEM);
                }
}
END_TEST

START_TEST(properties) {
        for (int i = 0; i < _STORE_FORMAT_MAX; i++) {
                enum store_format f = (enum store_format)i;
                bool many = f == STORE_FORMAT_MDBOX || f == STORE_FORMAT_MBOX;
                bool raw = f == STORE_FORMAT_SIS || f == STORE_FORMAT_FILES;

                ck_assert_int_eq(format_items(f), many ? ITEMS_MANY : ITEMS_ONE);
                ck_assert_int_eq(format_is_mail(f), !raw);
        }
}
END_TEST

/* ---- Recognising a format ---- */

#define SHA1 "da39a3ee5e6b4b0d3255bfef95601890afd80709"

/* Which format each path alone speaks for. */
static const struct {
        int format; /* -1: none */
        const char *path;
} telling[] = {
        { STORE_FORMAT_MAILDIR, "mail/user/Maildir/cur/1795470147.M1P2.vm:2,S" },
        { STORE_FORMAT_MAILDIR, "new/1795470147.M1P2.vm" },
        { STORE_FORMAT_SDBOX, "mail/user/mailboxes/INBOX/dbox-Mails/u.1" },
        { STORE_FORMAT_MDBOX, "mail/user/storage/m.1" },
        { STORE_FORMAT_MDBOX, "storage/dovecot.map.index.log" },
        { STORE_FORMAT_MBOX, "mail/user/.imap/INBOX/dovecot.index.log" },
        { STORE_FORMAT_CYRUS, "mail/u/user/alice/cyrus.header" },
        { STORE_FORMAT_CYRUS, "mail/u/user/alice/1." },
        { STORE_FORMAT_CYRUS, "mail/cur/1." },
        { STORE_FORMAT_MH, "Mail/inbox/.mh_sequences" },
        { STORE_FORMAT_SIS, "attachments/ab/cd/" SHA1 "-0123" },
        { STORE_FORMAT_SIS, "attachments/ab/cd/hashes/" SHA1 },
        { STORE_FORMAT_FILES, "store/0/7/msg/0/257-3.msg" },

        { -1, "" },
        { -1, "/" },
        { -1, "mail/" },
        { -1, "mail/user/Maildir/cur/" },
        { -1, "mail/user/Maildir/tmp/1795470147.M1P2.vm" },
        { -1, "Mail/cur/1" },
        { -1, "cur" },
        { -1, "mail/alice" },
        { -1, "mail/user/mailboxes/INBOX/dbox-Mails/dovecot.index" },
        { -1, "mail/user/other/u.1" },
        { -1, "mail/user/other/m.1" },
        { -1, "mail/user/storage/m.x" },
        { -1, "mail/user/storage/dovecot.index" },
        { -1, "mail/user/storage/m.1/" },
        /* A mailbox "imap" in a Maildir++, and ".imap" in a dbox. */
        { -1, "mail/user/.imap/dovecot.index.log" },
        { -1, "mail/user/.imap/cur/dovecot.index.log" },
        { -1, "mail/user/mailboxes/.imap/dbox-Mails/dovecot.index.log" },
        { -1, "Mail/inbox/1" },
        { -1, "attachments/ab/cd/" SHA1 },
        { -1, "attachments/ab/" SHA1 "-0123" },
        { -1, "attachments/hashes/" SHA1 },
        { -1, "attachments/5/12/84031.gz" },
        { -1, "store/0/7/msg/257-3.msg" },
};

START_TEST(guess_by_one_path) {
        struct format_guess guess[2];
        int r = format_guess(&telling[_i].path, 1, guess);

        ck_assert_int_eq(r, telling[_i].format < 0 ? -ENOENT : 0);
        if (r < 0)
                return;
        ck_assert_int_eq(guess[0].format, telling[_i].format);
        ck_assert_uint_eq(guess[0].by, 0);
}
END_TEST

static const struct {
        const char *paths[8];
        int result;
        struct format_guess guess[2];
} guesses[] = {
        { { NULL }, -ENOENT, {} },
        { { "m/", "m/x" }, -ENOENT, {} },
        /* A Maildir without mail, in any order. */
        { { "m/a/", "m/a/tmp/", "m/a/cur/", "m/a/new/" }, 0, { { STORE_FORMAT_MAILDIR, 2 } } },
        { { "cur/", "new/", "tmp/" }, 0, { { STORE_FORMAT_MAILDIR, 0 } } },
        { { "m/a/cur/", "m/a/new/", "m/b/tmp/" }, -ENOENT, {} },
        { { "m/a/cur/", "m/b/new/", "m/b/tmp/" }, -ENOENT, {} },
        { { "m/a/cur/", "m/a/new", "m/a/tmp" }, -ENOENT, {} },
        { { "m/a/xcur/", "m/a/xnew/", "m/a/xtmp/" }, -ENOENT, {} },
        /* More of the same adds nothing; what tells nothing does no harm. */
        { { "m/a/x", "m/a/storage/m.1", "m/b/storage/m.2" }, 0, { { STORE_FORMAT_MDBOX, 1 } } },
        /* Two formats: what an mbox user made up, and attachments within a store. */
        { { "m/a/.imap/INBOX/dovecot.index", "m/a/storage/m.1" },
          -ENOTUNIQ,
          { { STORE_FORMAT_MBOX, 0 }, { STORE_FORMAT_MDBOX, 1 } } },
        { { "m/a/storage/m.1", "m/a/storage/m.2", "m/at/ab/cd/hashes/" SHA1, "m/cur/1.x" },
          -ENOTUNIQ,
          { { STORE_FORMAT_MDBOX, 0 }, { STORE_FORMAT_SIS, 2 } } },
        { { "m/a/1.", "m/a/cur/", "m/a/new/", "m/a/tmp/" },
          -ENOTUNIQ,
          { { STORE_FORMAT_CYRUS, 0 }, { STORE_FORMAT_MAILDIR, 1 } } },
};

START_TEST(guess_by_many_paths) {
        struct format_guess guess[2] = { { _STORE_FORMAT_MAX, 99 }, { _STORE_FORMAT_MAX, 99 } };
        size_t n = 0, n_guesses;

        while (guesses[_i].paths[n])
                n++;
        ck_assert_int_eq(format_guess(guesses[_i].paths, n, guess), guesses[_i].result);
        n_guesses = guesses[_i].result == 0 ? 1 : guesses[_i].result == -ENOTUNIQ ? 2 : 0;
        for (size_t i = 0; i < 2; i++) {
                ck_assert_int_eq(guess[i].format,
                                 i < n_guesses ? guesses[_i].guess[i].format : _STORE_FORMAT_MAX);
                ck_assert_uint_eq(guess[i].by, i < n_guesses ? guesses[_i].guess[i].by : 99);
        }
}
END_TEST

/* ---- Words ---- */

START_TEST(words) {
        for (int i = 0; i < _STORE_KIND_MAX; i++)
                ck_assert_int_eq(store_kind_from_name(store_kind_name((enum store_kind)i)), i);
        for (int i = 0; i < _STORE_FORMAT_MAX; i++)
                ck_assert_int_eq(store_format_from_name(store_format_name((enum store_format)i)),
                                 i);

        ck_assert_str_eq(store_kind_name(STORE_KIND_MAILBOX), "mailbox");
        ck_assert_str_eq(store_kind_name(STORE_KIND_PUBLIC_FOLDER), "public-folder");
        ck_assert_str_eq(store_format_name(STORE_FORMAT_MAILDIR), "maildir");
        ck_assert_str_eq(store_format_name(STORE_FORMAT_FILES), "files");
        ck_assert_str_eq(store_kind_name(_STORE_KIND_MAX), "invalid");
        ck_assert_str_eq(store_format_name((enum store_format) - 1), "invalid");

        for (const char *const *word = (const char *const[]){ "", "Mailbox", "mailbox ", "invalid",
                                                              "Mbox", "auto", NULL };
             *word; word++) {
                ck_assert_int_eq(store_kind_from_name(*word), -EINVAL);
                ck_assert_int_eq(store_format_from_name(*word), -EINVAL);
        }
}
END_TEST

int main(void) {
        const TTest *const tests[] = { locks, unrooted_control, properties, words };
        const TTest *const of_every_format[] = { places, unrooted_texts,
                                                 losing_the_root_never_loses_an_item };
        Suite *suite = suite_create("format");
        TCase *tcase = tcase_create("format");

        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        for (size_t i = 0; i < ELEMENTSOF(of_every_format); i++)
                tcase_add_loop_test(tcase, of_every_format[i], 0, _STORE_FORMAT_MAX);
        tcase_add_loop_test(tcase, guess_by_one_path, 0, ELEMENTSOF(telling));
        tcase_add_loop_test(tcase, guess_by_many_paths, 0, ELEMENTSOF(guesses));
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
