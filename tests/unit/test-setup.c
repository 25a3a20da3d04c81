/* SPDX-License-Identifier: Apache-2.0 */

/* What "storescanctl setup" makes of the words of mail servers. */

#include <stdio.h>

#include "daemon/ctl/setup-read.h"
#include "tests/unit/unit.h"

/* ---- Helpers ---- */

/* As "NAME FORMAT KIND PATH" lines; then "! REMARK" lines. */
static char *outline(const struct setup *setup) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        for (size_t i = 0; i < setup->n_stores; i++) {
                const struct setup_store *s = &setup->stores[i];

                (void)fprintf(out, "%s %s %s %s\n", s->name, setup_format_word(s),
                              store_kind_name(s->kind), s->path);
        }
        for (size_t i = 0; i < setup->n_remarks; i++)
                (void)fprintf(out, "! %.40s\n", setup->remarks[i]);
        (void)fclose(out);
        return text;
}

static void expect_outline(struct setup *setup, const char *expected) {
        _cleanup_free_ char *text = outline(setup);

        ck_assert(!setup->no_memory);
        ck_assert_str_eq(text, expected);
        setup_done(setup);
}

static char *homes_of_two[] = { (char *)"/home/bob", (char *)"/home/eve" };
static const struct setup_homes two_homes = { (char *)"/home", homes_of_two, 2 };
static const struct setup_homes no_homes = {};

static void expect_dovecot(const char *doveconf, const struct setup_homes *homes,
                           const char *expected) {
        struct dovecot dovecot;
        struct setup setup = {};

        ck_assert_int_eq(setup_read_dovecot(doveconf, &dovecot), 0);
        setup_propose_dovecot(&setup, &dovecot, homes);
        dovecot_done(&dovecot);
        expect_outline(&setup, expected);
}

/* ---- Dovecot ---- */

/* "doveconf -n" of Debian 12's dovecot-imapd as it is installed. */
static const char debian[] = "# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf\n"
                             "# Pigeonhole version 0.5.19 (4eae2f79)\n"
                             "# OS: Linux 6.18.44 x86_64 Debian 12.11 \n"
                             "# Hostname: vm\n"
                             "mail_location = mbox:~/mail:INBOX=/var/mail/%u\n"
                             "mail_privileged_group = mail\n"
                             "namespace inbox {\n"
                             "  inbox = yes\n"
                             "  location = \n"
                             "  mailbox Drafts {\n"
                             "    special_use = \\Drafts\n"
                             "  }\n"
                             "  mailbox \"Sent Messages\" {\n"
                             "    special_use = \\Sent\n"
                             "  }\n"
                             "  prefix = \n"
                             "}\n"
                             "passdb {\n"
                             "  driver = pam\n"
                             "}\n"
                             "protocols = \" imap lmtp pop3\"\n"
                             "ssl_key = # hidden, use -P to show it\n"
                             "userdb {\n"
                             "  driver = passwd\n"
                             "}\n";

START_TEST(dovecot_of_debian) {
        struct dovecot dovecot;

        ck_assert_int_eq(setup_read_dovecot(debian, &dovecot), 0);
        ck_assert(setup_dovecot_wants_homes(&dovecot));
        ck_assert(setup_dovecot_wants_each(&dovecot));
        ck_assert_ptr_null(dovecot.home);
        ck_assert_str_eq(dovecot.userdb, "passwd");
        dovecot_done(&dovecot);
        expect_dovecot(debian, &two_homes,
                       "mail mbox mailbox /home/bob/mail\n"
                       "mail-2 mbox mailbox /home/eve/mail\n"
                       "inbox mbox mailbox /var/mail\n");
}
END_TEST

/* "doveconf -n" of virtual users, with a public namespace and detached attachments. */
static const char virtual_users[] =
        "# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf\n"
        "mail_attachment_dir = /var/vmail-attachments\n"
        "mail_location = mdbox:~/mdbox:ALT=/var/cold/%d/%n:INDEX=/var/index/%u\n"
        "mail_plugins = acl zlib\n"
        "namespace {\n"
        "  list = children\n"
        "  location = maildir:/var/public:INDEXPVT=~/public\n"
        "  prefix = Public/\n"
        "  separator = /\n"
        "  type = public\n"
        "}\n"
        "namespace {\n"
        "  location = mdbox:%%h/mdbox\n"
        "  prefix = shared/%%u/\n"
        "  type = shared\n"
        "}\n"
        "namespace inbox {\n"
        "  inbox = yes\n"
        "  location = \n"
        "  prefix = \n"
        "}\n"
        "userdb {\n"
        "  args = uid=vmail gid=vmail home=/var/vmail/%d/%n\n"
        "  driver = static\n"
        "}\n";

START_TEST(dovecot_of_virtual_users) {
        struct setup_homes homes = { .root = (char *)"/var/vmail" };
        struct dovecot dovecot;

        ck_assert_int_eq(setup_read_dovecot(virtual_users, &dovecot), 0);
        ck_assert(setup_dovecot_wants_homes(&dovecot));
        ck_assert(!setup_dovecot_wants_each(&dovecot));
        ck_assert_str_eq(dovecot.home, "/var/vmail/%d/%n");
        dovecot_done(&dovecot);
        expect_dovecot(virtual_users, &homes,
                       "mail mdbox mailbox /var/vmail\n"
                       "alt mdbox mailbox /var/cold\n"
                       "public maildir public-folder /var/public\n"
                       "attachments sis mailbox /var/vmail-attachments\n");
        expect_dovecot(virtual_users, &no_homes,
                       "alt mdbox mailbox /var/cold\n"
                       "public maildir public-folder /var/public\n"
                       "attachments sis mailbox /var/vmail-attachments\n"
                       "! Dovecot's mail_location is in the homes \n");
}
END_TEST

START_TEST(dovecot_24) {
        static const char text[] = "# 2.4.1-4 (7d8c0e5759): /etc/dovecot/dovecot.conf\n"
                                   "dovecot_config_version = 2.4.0\n"
                                   "mail_driver = sdbox\n"
                                   "mail_path = /srv/mail/%{user | domain}/%{user | username}\n"
                                   "mail_ext_attachment_path = /srv/files\n"
                                   "namespace public {\n"
                                   "  mail_driver = maildir\n"
                                   "  mail_path = /srv/public\n"
                                   "  type = public\n"
                                   "}\n"
                                   "namespace inbox {\n"
                                   "  inbox = yes\n"
                                   "  mailbox Trash {\n"
                                   "    auto = no\n"
                                   "  }\n"
                                   "}\n"
                                   "userdb static {\n"
                                   "  fields {\n"
                                   "    uid = vmail\n"
                                   "    home = /srv/homes/%{user}\n"
                                   "  }\n"
                                   "}\n";
        struct dovecot dovecot;

        ck_assert_int_eq(setup_read_dovecot(text, &dovecot), 0);
        ck_assert_str_eq(dovecot.userdb, "static");
        ck_assert_str_eq(dovecot.home, "/srv/homes/%{user}");
        ck_assert(!setup_dovecot_wants_homes(&dovecot));
        dovecot_done(&dovecot);
        expect_dovecot(text, &no_homes,
                       "mail sdbox mailbox /srv/mail\n"
                       "public maildir public-folder /srv/public\n"
                       "attachments sis mailbox /srv/files\n");
}
END_TEST

START_TEST(dovecot_locations) {
        static const struct {
                const char *location, *expected;
        } cases[] = {
                { "maildir:/var/vmail/%d/%n/Maildir:LAYOUT=fs",
                  "mail maildir mailbox /var/vmail\n" },
                { "maildir:/var/vmail/%Ld/%1n/%n/", "mail maildir mailbox /var/vmail\n" },
                { "maildir:~/Maildir", "mail maildir mailbox /home\n" },
                { "maildir:%h/Maildir", "mail maildir mailbox /home\n" },
                { "maildir:Maildir", "mail maildir mailbox /home\n" },
                { "sdbox:~", "mail sdbox mailbox /home\n" },
                { "dbox:/srv/mail/%u", "mail sdbox mailbox /srv/mail\n" },
                { "maildir:/one", "mail maildir mailbox /one\n" },
                { "mbox:/srv/mail/%u/folders:INBOX=/srv/inbox/%u",
                  "mail mbox mailbox /srv/mail\ninbox mbox mailbox /srv/inbox\n" },
                { "mbox:/srv/mail/%u:INBOX=~/inbox",
                  "mail mbox mailbox /srv/mail\n! Dovecot's mail_location has INBOX=~/inbo\n" },
                { "maildir:/%u/mail", "! Dovecot's mail_location, '/%u/mail', has\n" },
                { "imapc:", "! Dovecot's mail_location is 'imapc:', whi\n" },
                { "mbox:~", "! Dovecot's mail_location is a home as a w\n" },
                { "auto", "! Dovecot's mail_location is 'auto', which\n" },
                { "", "! Dovecot's mail_location is not set, so t\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[128];

                (void)snprintf(text, sizeof(text), "mail_location = %s\n", cases[i].location);
                expect_dovecot(text, &two_homes, cases[i].expected);
        }
}
END_TEST

START_TEST(dovecot_nested_and_encrypted) {
        expect_dovecot("mail_location = maildir:/srv/mail/%u\n"
                       "protocol lmtp {\n  mail_plugins = sieve mail_crypt\n}\n"
                       "namespace {\n  location = maildir:/srv/mail/archive/%u\n}\n"
                       "namespace {\n  location = mbox:/srv/mail/old\n}\n"
                       "namespace {\n  location = maildir:/srv/mail/public\n  type = public\n}\n"
                       "namespace {\n  location = virtual:/etc/dovecot/virtual\n}\n",
                       &no_homes,
                       "mail maildir mailbox /srv/mail\n"
                       "namespace mbox mailbox /srv/mail/old\n"
                       "public maildir public-folder /srv/mail/public\n"
                       "! Dovecot encrypts mail (mail_crypt): what\n");
}
END_TEST

START_TEST(dovecot_damaged) {
        /* Whatever it says. */
        static const char *const texts[] = { "",
                                             "}\n}\n",
                                             "namespace {\n",
                                             "{\n",
                                             " = \n",
                                             "=",
                                             "userdb {\n args = home=\n}\n",
                                             "a {\nb {\nc {\nd {\ne {\nf {\ng {\nh {\ni {\nj {\n" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                expect_dovecot(texts[i], &no_homes, "! Dovecot's mail_location is not set, so t\n");
}
END_TEST

/* ---- Cyrus ---- */

START_TEST(cyrus_partitions) {
        struct setup setup = {};

        setup_propose_cyrus(&setup, "# Debian's\n"
                                    "configdirectory: /var/lib/cyrus\n"
                                    "proc_path: /run/cyrus/proc\n"
                                    "defaultpartition: default\n"
                                    "partition-default: /var/spool/cyrus/mail\n"
                                    "partition-news:\t/var/spool/cyrus/news/ \n"
                                    "archivepartition-default: /cold\n"
                                    "metapartition-default: /var/meta\n"
                                    "#partition-old: /old\n"
                                    "partition-relative: spool\n");
        expect_outline(&setup, "cyrus cyrus mailbox /var/spool/cyrus/mail\n"
                               "cyrus-2 cyrus mailbox /var/spool/cyrus/news\n"
                               "cyrus-3 cyrus mailbox /cold\n");
        setup_propose_cyrus(&setup, "configdirectory: /var/lib/cyrus\n");
        expect_outline(&setup, "! Cyrus' imapd.conf names no partition: wr\n");
}
END_TEST

/* ---- Postfix ---- */

static void expect_postfix(const char *postconf, const char *expected, const char *hub) {
        struct postfix postfix;
        struct setup setup = {};

        ck_assert_int_eq(setup_read_postfix(postconf, &postfix), 0);
        setup_propose_postfix(&setup, &postfix, &two_homes, "inet:127.0.0.1:8893");
        postfix_done(&postfix);
        if (hub) {
                ck_assert_ptr_nonnull(setup.hub);
                ck_assert_ptr_nonnull(strstr(setup.hub, hub));
        } else
                ck_assert_ptr_null(setup.hub);
        expect_outline(&setup, expected);
}

START_TEST(postfix_stores) {
        /* "postconf -x" of Debian 12's as it is installed. */
        expect_postfix("mydestination = vm, localhost.localdomain, , localhost\n"
                       "mailbox_transport =\n"
                       "mailbox_command =\n"
                       "home_mailbox =\n"
                       "mail_spool_directory = /var/mail\n"
                       "virtual_transport = virtual\n"
                       "virtual_mailbox_maps =\n"
                       "virtual_mailbox_base =\n"
                       "smtpd_milters =\n",
                       "spool mbox mailbox /var/mail\n",
                       "postconf -e 'smtpd_milters = inet:127.0.0.1:8893' \\\n");
        expect_postfix("mydestination =\n"
                       "mail_spool_directory = /var/mail\n"
                       "virtual_transport = virtual\n"
                       "virtual_mailbox_maps = hash:/etc/postfix/vmailbox\n"
                       "virtual_mailbox_base = /var/mail/vhosts\n"
                       "smtpd_milters = inet:127.0.0.1:11332\n",
                       "virtual auto mailbox /var/mail/vhosts\n",
                       "'smtpd_milters = inet:127.0.0.1:11332 inet:127.0.0.1:8893' \\\n");
        expect_postfix("mydestination = localhost\n"
                       "home_mailbox = Maildir/\n"
                       "mail_spool_directory = /var/mail\n"
                       "smtpd_milters = inet:127.0.0.1:8893\n",
                       "homes maildir mailbox /home\n", NULL);
        expect_postfix("mydestination = localhost\n"
                       "home_mailbox = mbox\n"
                       "smtpd_milters = inet:127.0.0.1:11332, { inet:localhost:8893, "
                       "connect_timeout=9s }\n",
                       "! Postfix delivers to 'mbox' in homes (hom\n", NULL);
        /* Dovecot delivers, and tells where to. */
        expect_postfix("mydestination = localhost\n"
                       "mailbox_transport = lmtp:unix:private/dovecot-lmtp\n"
                       "virtual_transport = lmtp:unix:private/dovecot-lmtp\n"
                       "virtual_mailbox_maps = static:x\n"
                       "virtual_mailbox_base = /var/mail\n"
                       "mail_spool_directory = /var/mail\n"
                       "smtpd_milters = inet:127.0.0.1:8893\n",
                       "", NULL);
}
END_TEST

/* ---- Paths ---- */

START_TEST(paths) {
        static const struct {
                const char *path, *fixed;
        } cases[] = {
                { "/var/vmail/%d/%n", "/var/vmail" },
                { "/var/vmail/x%n/Maildir", "/var/vmail" },
                { "/%u", "" },
                { "/var/mail///", "/var/mail" },
                { "/", "" },
                { "/a/%{user | x}/b", "/a" },
        };
        char *three[] = { (char *)"/home/ab/x", (char *)"/home/abc/y", (char *)"/home/z" };
        char *apart[] = { (char *)"/home/x", (char *)"/srv/y" };
        char *common;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *fixed = setup_fixed_part(cases[i].path);

                ck_assert_str_eq(fixed, cases[i].fixed);
        }
        common = setup_common_folder(three, 3);
        ck_assert_str_eq(common, "/home");
        free(common);
        common = setup_common_folder(three, 1);
        ck_assert_str_eq(common, "/home/ab");
        free(common);
        common = setup_common_folder(three, 0);
        ck_assert_str_eq(common, "");
        free(common);
        common = setup_common_folder(apart, 2);
        ck_assert_str_eq(common, "");
        free(common);
}
END_TEST

/* ---- The text ---- */

START_TEST(text) {
        static const struct config_store configured[] = {
                { .name = "old", .path = (char *)"/srv/a" },
                { .name = "mail", .path = (char *)"/srv/elsewhere" },
        };
        struct setup setup = {};
        char *formatted;

        setup_found(&setup, "Dovecot");
        setup_found(&setup, "Postfix");
        setup_add(&setup, "mail", "/srv/a", STORE_FORMAT_MAILDIR, STORE_KIND_MAILBOX, "A setting.");
        setup_add(&setup, "mail", "/srv/b", STORE_FORMAT_MBOX, STORE_KIND_PUBLIC_FOLDER,
                  "Another.");
        setup_add(&setup, "mail", "/srv/c", STORE_FORMAT_MBOX, STORE_KIND_MAILBOX, "A third.");
        setup.stores[2].problem = strdup("It is not there.");
        setup_remark(&setup, "Something.");
        setup_compare(&setup, configured, 2);
        ck_assert_str_eq(setup.stores[0].known_as, "old");
        ck_assert_ptr_null(setup.stores[1].known_as);
        ck_assert_uint_eq(setup_count(&setup), 1);
        formatted = setup_format(&setup);
        ck_assert_ptr_nonnull(formatted);
        ck_assert_ptr_nonnull(strstr(formatted, "# Found: Dovecot, Postfix.\n"));
        ck_assert_ptr_nonnull(strstr(formatted, "\n[store mail-2]\npath = /srv/b\n"
                                                "kind = public-folder\nformat = mbox\n"
                                                "on_infected = detect\non_error = allow\n"));
        ck_assert_ptr_nonnull(strstr(formatted, "# It is not there.\n#[store mail-3]\n#path"));
        ck_assert_ptr_nonnull(strstr(formatted, "# /srv/a is [store old] already.\n"));
        ck_assert_ptr_null(strstr(formatted, "path = /srv/a"));
        ck_assert_ptr_nonnull(strstr(formatted, "# Not covered:\n#\n# Something.\n"));
        free(formatted);
        setup_done(&setup);
}
END_TEST

START_TEST(seal) {
        _cleanup_free_ char *sealed = setup_seal("[store mail]\npath = /srv\n");
        size_t size;

        ck_assert_ptr_nonnull(sealed);
        size = strlen(sealed);
        ck_assert(setup_is_sealed(sealed, size));
        for (size_t i = 0; i < size; i++) {
                sealed[i] ^= 1;
                ck_assert(!setup_is_sealed(sealed, size));
                sealed[i] ^= 1;
                ck_assert(!setup_is_sealed(sealed, i));
        }
}
END_TEST

UNIT_MAIN("setup", dovecot_of_debian, dovecot_of_virtual_users, dovecot_24, dovecot_locations,
          dovecot_nested_and_encrypted, dovecot_damaged, cyrus_partitions, postfix_stores, paths,
          text, seal);
