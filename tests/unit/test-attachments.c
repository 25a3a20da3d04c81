/* SPDX-License-Identifier: Apache-2.0 */

/* Attachments that are not wanted, in messages: by name and by type, the first that fits. */

#include "daemon/worker/attachments.h"

#include "store/util.h"
#include "tests/unit/unit.h"

#define PART(header) "--b\r\n" header "\r\n\r\ntext\r\n"
#define MAIL(parts)                                                \
        "From: a@example.org\r\nSubject: filename=subject.exe\r\n" \
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n" parts "--b--\r\n"

static const struct {
        const char *mail, *pattern, *name; /* pattern NULL: nothing is found */
} mails[] = {
        { MAIL(PART("Content-Type: text/plain")), NULL, NULL },
        { MAIL(PART("Content-Disposition: attachment; filename=\"a.exe\"")), "*.exe", "a.exe" },
        { MAIL(PART("Content-Type: text/plain; name=A.EXE")), "*.exe", "A.EXE" },
        { MAIL(PART("Content-Type: text/plain; name=a.exe.txt")), NULL, NULL },
        { MAIL(PART("Content-Type: APPLICATION/X-Bad")), "application/x-bad*",
          "application/x-bad" },
        { MAIL(PART("X: y") PART("Content-Disposition: x; filename*0=a.; filename*1=e;\r\n"
                                 "\tfilename*2=xe")),
          "*.exe", "a.exe" },
        { MAIL(PART("Content-Type: message/rfc822\r\n\r\nSubject: s\r\n"
                    "Content-Type: text/plain; name=inner.exe")),
          "*.exe", "inner.exe" },
        { MAIL(PART("X: y\r\n\r\nfilename=body.exe")), NULL, NULL },
        { "Content-Type: application/octet-stream; name=only.exe\r\n\r\n", "*.exe", "only.exe" },
        { "", NULL, NULL },
};

START_TEST(test_mail) {
        struct attachments a = attachments_make("*.exe *.js", "application/x-bad*");

        ck_assert(attachments_wanted(&a));
        attachments_begin(&a);
        ck_assert_int_eq(attachments_mail(&a, mails[_i].mail, strlen(mails[_i].mail)), 0);
        ck_assert_int_eq(a.found, mails[_i].pattern != NULL);
        if (a.found) {
                ck_assert_str_eq(a.pattern, mails[_i].pattern);
                ck_assert_str_eq(a.name, mails[_i].name);
        }
}
END_TEST

START_TEST(test_first) {
        struct attachments a = attachments_make("*.js", "");

        attachments_name(&a, "a.exe", 5);
        ck_assert(!a.found);
        attachments_name(&a, "\x1b.js", 4);
        ck_assert(a.found && !a.by_type);
        ck_assert_str_eq(a.name, "?.js");
        attachments_name(&a, "b.js", 4);
        ck_assert_str_eq(a.name, "?.js");
        attachments_begin(&a);
        ck_assert(!a.found);
        attachments_type(&a, "*.js"); /* no type is wanted less than another */
        ck_assert(!a.found);

        a = attachments_make("", "");
        ck_assert(!attachments_wanted(&a));
}
END_TEST

int main(void) {
        const TTest *const tests[] = { test_first };
        Suite *suite = suite_create("attachments");
        TCase *tcase = tcase_create("attachments");

        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        tcase_add_loop_test(tcase, test_mail, 0, ELEMENTSOF(mails));
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
