/* SPDX-License-Identifier: Apache-2.0 */

/* Which files of a store hold mail. */

#include <string.h>

#include "store/format.h"
#include "store/util.h"
#include "tests/unit/unit.h"

static const struct {
        const char *path;
        enum place rooted, unrooted;
} maildir[] = {
        /* Messages, whatever they are called: the names are chosen by delivery agents. */
        { "cur/1795470147.M1P2.vm:2,S", PLACE_ITEM, PLACE_ITEM },
        { "new/1795470147.M1P2.vm", PLACE_ITEM, PLACE_ITEM },
        { "user/Maildir/cur/1795470147.M1P2.vm,S=20,W=21:2,", PLACE_ITEM, PLACE_ITEM },
        { "user/Maildir/.Archive.2026/cur/x", PLACE_ITEM, PLACE_ITEM },
        { "a/b/c/d/e/f/g/new/x", PLACE_ITEM, PLACE_ITEM },
        { "cur/dovecot.index.log", PLACE_ITEM, PLACE_ITEM },
        { "cur/dovecot-uidlist", PLACE_ITEM, PLACE_ITEM },
        { "new/subscriptions", PLACE_ITEM, PLACE_ITEM },
        { "new/tmp", PLACE_ITEM, PLACE_ITEM },
        { "tmp/new/x", PLACE_ITEM, PLACE_ITEM },
        { "cur//x", PLACE_CONTROL, PLACE_ITEM }, /* the kernel gives no empty names */

        /* Being delivered. */
        { "tmp/1795470147.M1P2.vm", PLACE_IN_PROGRESS, PLACE_ITEM },
        { "user/Maildir/tmp/x", PLACE_IN_PROGRESS, PLACE_ITEM },
        { "cur/tmp/x", PLACE_IN_PROGRESS, PLACE_ITEM },
        { "new/tmp/dovecot.index", PLACE_IN_PROGRESS, PLACE_ITEM },

        /* Control files. */
        { "dovecot.index.log", PLACE_CONTROL, PLACE_CONTROL },
        { "user/Maildir/dovecot-uidlist", PLACE_CONTROL, PLACE_CONTROL },
        { "user/Maildir/dovecot-uidlist.lock", PLACE_CONTROL, PLACE_CONTROL },
        { "user/Maildir/maildirfolder", PLACE_CONTROL, PLACE_CONTROL },
        { "user/Maildir/maildirsize", PLACE_CONTROL, PLACE_CONTROL },
        { "user/Maildir/subscriptions", PLACE_CONTROL, PLACE_CONTROL },
        { "user/Maildir/courierimapuiddb", PLACE_CONTROL, PLACE_CONTROL },

        /* In a known store nothing else is mail; where the root is unknown, all of it may be. */
        { "user/Maildir/other", PLACE_CONTROL, PLACE_ITEM },
        { "cur", PLACE_CONTROL, PLACE_ITEM },
        { "new", PLACE_CONTROL, PLACE_ITEM },
        { "xcur/file", PLACE_CONTROL, PLACE_ITEM },
        { "curx/file", PLACE_CONTROL, PLACE_ITEM },
        { "CUR/file", PLACE_CONTROL, PLACE_ITEM },
        { "cur/sub/file", PLACE_CONTROL, PLACE_ITEM },
        { "", PLACE_CONTROL, PLACE_ITEM },
};

START_TEST(maildir_places) {
        for (size_t i = 0; i < ELEMENTSOF(maildir); i++) {
                ck_assert_msg(format_place(STORE_FORMAT_MAILDIR, maildir[i].path) ==
                                      maildir[i].rooted,
                              "'%s' has the wrong place", maildir[i].path);
                ck_assert_msg(format_place_unrooted(STORE_FORMAT_MAILDIR, maildir[i].path) ==
                                      maildir[i].unrooted,
                              "'%s' has the wrong place without a root", maildir[i].path);
        }
}
END_TEST

/* What the kernel gives for files opened by handle, or through other mounts. */
START_TEST(unrooted_texts) {
        static const char *const items[] = { "/",
                                             "//deleted",
                                             "/x",
                                             "/cur/x",
                                             "/1234 (deleted)",
                                             "/anything/at/all",
                                             "(unreachable)/cur/x" };

        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                ck_assert_msg(format_place_unrooted(STORE_FORMAT_MAILDIR, items[i]) == PLACE_ITEM,
                              "'%s' was let through", items[i]);
        ck_assert_int_eq(format_place_unrooted(STORE_FORMAT_MAILDIR, "/tmp/x"), PLACE_ITEM);
        ck_assert_int_eq(format_place_unrooted(STORE_FORMAT_MAILDIR, "/dovecot-uidlist"),
                         PLACE_CONTROL);
}
END_TEST

/* Whatever a rooted path is judged as mail, it is mail without its root too: an opener must not
 * escape by coming through another mount. */
START_TEST(losing_the_root_never_loses_an_item) {
        for (size_t i = 0; i < ELEMENTSOF(maildir); i++)
                if (maildir[i].rooted == PLACE_ITEM)
                        ck_assert_int_eq(maildir[i].unrooted, PLACE_ITEM);
}
END_TEST

START_TEST(words) {
        for (int i = 0; i < _STORE_KIND_MAX; i++)
                ck_assert_int_eq(store_kind_from_name(store_kind_name((enum store_kind)i)), i);
        for (int i = 0; i < _STORE_FORMAT_MAX; i++)
                ck_assert_int_eq(store_format_from_name(store_format_name((enum store_format)i)),
                                 i);

        ck_assert_str_eq(store_kind_name(STORE_KIND_MAILBOX), "mailbox");
        ck_assert_str_eq(store_kind_name(STORE_KIND_PUBLIC_FOLDER), "public-folder");
        ck_assert_str_eq(store_format_name(STORE_FORMAT_MAILDIR), "maildir");
        ck_assert_str_eq(store_kind_name(_STORE_KIND_MAX), "invalid");
        ck_assert_str_eq(store_format_name((enum store_format) - 1), "invalid");

        for (const char *const *word =
                     (const char *const[]){ "", "Mailbox", "mailbox ", "invalid", "mbox", NULL };
             *word; word++) {
                ck_assert_int_eq(store_kind_from_name(*word), -EINVAL);
                ck_assert_int_eq(store_format_from_name(*word), -EINVAL);
        }
}
END_TEST

UNIT_MAIN("format", maildir_places, unrooted_texts, losing_the_root_never_loses_an_item, words);
