/* SPDX-License-Identifier: Apache-2.0 */

/* Settings of Cyrus and Postfix, and the stores that they come to. Must not look at the system. */

#include "daemon/ctl/setup-read.h"

#include <ctype.h>
#include <stdio.h>

/* The key in front of a separator and the value behind it, trimmed, or NULL: none. Cuts the line. */
static char *split(char *line, char separator, char **ret_value) {
        char *value = strchr(line, separator), *end;

        line += strspn(line, " \t");
        if (!value || *line == '#' || value == line)
                return NULL;
        for (end = value; end > line && isspace((unsigned char)end[-1]); end--)
                ;
        *end = '\0';
        value++;
        value += strspn(value, " \t");
        for (end = value + strlen(value); end > value && isspace((unsigned char)end[-1]); end--)
                ;
        *end = '\0';
        *ret_value = value;
        return line;
}

/* ---- Cyrus ---- */

void setup_propose_cyrus(struct setup *setup, const char *text) {
        _cleanup_free_ char *copy = strdup(text);
        char *next = copy;
        bool any = false;

        if (!copy)
                setup->no_memory = true;
        setup_found(setup, "Cyrus");
        for (char *line; copy && (line = strsep(&next, "\n"));) {
                _cleanup_free_ char *from = NULL, *fixed = NULL;
                char *value = NULL, *key = split(line, ':', &value);

                if (!key || *value != '/' ||
                    !(startswith(key, "partition-") || startswith(key, "archivepartition-")))
                        continue;
                any = true;
                fixed = setup_fixed_part(value);
                if (!fixed || asprintf(&from, "Cyrus' %s.", key) < 0) {
                        from = NULL;
                        setup->no_memory = true;
                } else if (*fixed)
                        setup_add(setup, "cyrus", fixed, STORE_FORMAT_CYRUS, STORE_KIND_MAILBOX,
                                  from);
        }
        if (!any)
                setup_remark(setup, "Cyrus' imapd.conf names no partition: write a [store NAME] "
                                    "for each, format = cyrus.");
}

/* ---- Postfix ---- */

enum {
        MYDESTINATION,
        MAILBOX_TRANSPORT,
        MAILBOX_COMMAND,
        HOME_MAILBOX,
        MAIL_SPOOL_DIRECTORY,
        VIRTUAL_TRANSPORT,
        VIRTUAL_MAILBOX_MAPS,
        VIRTUAL_MAILBOX_BASE,
        SMTPD_MILTERS,
        _POSTFIX_MAX
};

const char *const setup_postfix_names[] = {
        [MYDESTINATION] = "mydestination",
        [MAILBOX_TRANSPORT] = "mailbox_transport",
        [MAILBOX_COMMAND] = "mailbox_command",
        [HOME_MAILBOX] = "home_mailbox",
        [MAIL_SPOOL_DIRECTORY] = "mail_spool_directory",
        [VIRTUAL_TRANSPORT] = "virtual_transport",
        [VIRTUAL_MAILBOX_MAPS] = "virtual_mailbox_maps",
        [VIRTUAL_MAILBOX_BASE] = "virtual_mailbox_base",
        [SMTPD_MILTERS] = "smtpd_milters",
        [_POSTFIX_MAX] = NULL,
};
_Static_assert(_POSTFIX_MAX <= ELEMENTSOF(((struct postfix *)NULL)->values), "room for all values");

int setup_read_postfix(const char *text, struct postfix *ret) {
        struct postfix postfix = { .text = strdup(text) };
        char *next = postfix.text;

        if (!postfix.text)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(postfix.values); i++)
                postfix.values[i] = "";
        for (char *line; (line = strsep(&next, "\n"));) {
                char *value = NULL, *key = split(line, '=', &value);

                for (size_t i = 0; key && i < _POSTFIX_MAX; i++)
                        if (streq(key, setup_postfix_names[i]))
                                postfix.values[i] = value;
        }
        *ret = postfix;
        return 0;
}

void postfix_done(struct postfix *postfix) {
        free(postfix->text);
        *postfix = (struct postfix){};
}

/* Whether local(8) writes mailboxes itself. */
static bool is_local(const struct postfix *postfix) {
        return *postfix->values[MYDESTINATION] && !*postfix->values[MAILBOX_TRANSPORT] &&
               !*postfix->values[MAILBOX_COMMAND];
}

static bool is_folder(const char *path) {
        size_t n = strlen(path);

        return n > 0 && path[n - 1] == '/';
}

bool setup_postfix_wants_homes(const struct postfix *postfix) {
        return is_local(postfix) && is_folder(postfix->values[HOME_MAILBOX]);
}

static void propose_local(struct setup *setup, const struct postfix *postfix,
                          const struct setup_homes *homes) {
        const char *home_mailbox = postfix->values[HOME_MAILBOX],
                   *spool = postfix->values[MAIL_SPOOL_DIRECTORY];
        _cleanup_free_ char *fixed = setup_fixed_part(spool);

        if (!fixed)
                setup->no_memory = true;
        else if (is_folder(home_mailbox) && homes->root && *homes->root)
                setup_add(setup, "homes", homes->root, STORE_FORMAT_MAILDIR, STORE_KIND_MAILBOX,
                          "Postfix' home_mailbox: Maildirs in homes.");
        else if (*home_mailbox)
                setup_remark(setup,
                             "Postfix delivers to '%s' in homes (home_mailbox): write a [store "
                             "NAME] for the folder that it is in.",
                             home_mailbox);
        else if (*fixed)
                setup_add(setup, "spool", fixed,
                          is_folder(spool) ? STORE_FORMAT_MAILDIR : STORE_FORMAT_MBOX,
                          STORE_KIND_MAILBOX, "Postfix' mail_spool_directory.");
}

/* Whether the hub is among the milters; the host may be written in several ways. */
static bool has_hub(const char *milters, const char *hub) {
        const char *port = strrchr(hub, ':');

        return strstr(milters, startswith(hub, "inet:") && port ? port : hub);
}

/* Commands by which mail is scanned in transit, as comments. */
static void advise_hub(struct setup *setup, const char *milters, const char *hub) {
        if (has_hub(milters, hub))
                return;
        if (asprintf(&setup->hub,
                     "\n# Postfix does not ask storescan-hub(8) yet, so mail is not scanned before "
                     "it is\n# accepted. To have that, the hub being the last of all milters:\n"
                     "#\n"
                     "#   systemctl enable --now storescan-hub\n"
                     "#   postconf -e 'smtpd_milters = %s%s%s' \\\n"
                     "#       'non_smtpd_milters = $smtpd_milters' \\\n"
                     "#       'milter_default_action = tempfail' 'lmtp_line_length_limit = 0'\n"
                     "#   systemctl reload postfix\n",
                     milters, *milters ? " " : "", hub) < 0) {
                setup->hub = NULL;
                setup->no_memory = true;
        }
}

void setup_propose_postfix(struct setup *setup, const struct postfix *postfix,
                           const struct setup_homes *homes, const char *hub) {
        const char *transport = postfix->values[VIRTUAL_TRANSPORT],
                   *base = postfix->values[VIRTUAL_MAILBOX_BASE];

        setup_found(setup, "Postfix");
        if (is_local(postfix))
                propose_local(setup, postfix, homes);
        if ((streq(transport, "virtual") || startswith(transport, "virtual:")) &&
            *postfix->values[VIRTUAL_MAILBOX_MAPS] && *base == '/') {
                _cleanup_free_ char *fixed = setup_fixed_part(base);

                if (!fixed)
                        setup->no_memory = true;
                else if (*fixed)
                        setup_add(setup, "virtual", fixed, SETUP_FORMAT_FIND, STORE_KIND_MAILBOX,
                                  "Postfix' virtual_mailbox_base.");
        }
        advise_hub(setup, postfix->values[SMTPD_MILTERS], hub);
}
