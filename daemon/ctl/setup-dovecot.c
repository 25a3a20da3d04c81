/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Dovecot's settings, of 2.3 (mail_location) and 2.4 (mail_driver, mail_path), and the stores that they
 * come to. Paths have variables, %u or %{user}: a store is the folder above the first one. Must not look
 * at the system.
 */

#include <ctype.h>
#include <stdio.h>

#include "daemon/ctl/setup-read.h"

#define DEPTH_MAX 8

/* ---- Reading ---- */

static void scope_done(struct dovecot_scope *scope) {
        free(scope->type);
        free(scope->location);
        free(scope->driver);
        free(scope->path);
        free(scope->inbox);
        free(scope->alt);
}

void dovecot_done(struct dovecot *dovecot) {
        scope_done(&dovecot->global);
        for (size_t i = 0; i < dovecot->n_namespaces; i++)
                scope_done(&dovecot->namespaces[i]);
        free(dovecot->namespaces);
        free(dovecot->home);
        free(dovecot->userdb);
        free(dovecot->attachments);
        *dovecot = (struct dovecot){};
}

static int set(char **field, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

/* "home=PATH" among the words of a userdb's args. */
static int read_home(struct dovecot *dovecot, const char *args) {
        const char *word = args;
        size_t n;

        for (;; word += n) {
                word += strspn(word, " ");
                n = strcspn(word, " ");
                if (n == 0)
                        return 0;
                if (startswith(word, "home=/"))
                        break;
        }
        word += strlen("home=");
        free(dovecot->home);
        dovecot->home = strndup(word, n - strlen("home="));
        return dovecot->home ? 0 : -ENOMEM;
}

static int read_scope(struct dovecot_scope *scope, const char *key, const char *value) {
        const struct {
                const char *key;
                char **field;
        } fields[] = {
                { "type", &scope->type },
                { "location", &scope->location },
                { "mail_location", &scope->location },
                { "mail_driver", &scope->driver },
                { "mail_path", &scope->path },
                { "mail_inbox_path", &scope->inbox },
                { "mail_alt_path", &scope->alt },
        };

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (streq(fields[i].key, key))
                        return *value ? set(fields[i].field, value) : 0;
        return 0;
}

static int read_global(struct dovecot *dovecot, const char *key, const char *value) {
        if (streq(key, "mail_home") && *value)
                return set(&dovecot->home, value);
        if ((streq(key, "mail_attachment_dir") || streq(key, "mail_ext_attachment_path")) && *value)
                return set(&dovecot->attachments, value);
        return read_scope(&dovecot->global, key, value);
}

/* A section's first words, of all that the line is in. */
struct sections {
        char words[DEPTH_MAX][32];
        unsigned depth;
};

static int enter_section(struct dovecot *dovecot, struct sections *sections, char *heading) {
        char *name = heading + strcspn(heading, " ");
        struct dovecot_scope *namespaces;

        if (*name)
                *name++ = '\0';
        if (sections->depth < DEPTH_MAX)
                (void)snprintf(sections->words[sections->depth], sizeof(sections->words[0]), "%s",
                               heading);
        sections->depth++;
        if (sections->depth > 1)
                return 0;
        /* From 2.4 on its name is the driver. */
        if (streq(heading, "userdb") && isalpha((unsigned char)*name) && !dovecot->userdb) {
                name[strcspn(name, " {")] = '\0';
                return set(&dovecot->userdb, name);
        }
        if (!streq(heading, "namespace"))
                return 0;
        namespaces =
                reallocarray(dovecot->namespaces, dovecot->n_namespaces + 1, sizeof(*namespaces));
        if (!namespaces)
                return -ENOMEM;
        dovecot->namespaces = namespaces;
        namespaces[dovecot->n_namespaces++] = (struct dovecot_scope){};
        return 0;
}

static int read_setting(struct dovecot *dovecot, const struct sections *sections, const char *key,
                        const char *value) {
        if (strstr(key, "mail_plugins") && strstr(value, "mail_crypt"))
                dovecot->encrypted = true;
        if (sections->depth == 0)
                return read_global(dovecot, key, value);
        if (streq(sections->words[0], "userdb")) {
                if (sections->depth == 1 && streq(key, "driver") && !dovecot->userdb)
                        return set(&dovecot->userdb, value);
                if (streq(key, "args") || streq(key, "default_fields") ||
                    streq(key, "override_fields"))
                        return read_home(dovecot, value);
                if (sections->depth == 2 && streq(sections->words[1], "fields") &&
                    streq(key, "home"))
                        return set(&dovecot->home, value);
                return 0;
        }
        if (sections->depth == 1 && streq(sections->words[0], "namespace"))
                return read_scope(&dovecot->namespaces[dovecot->n_namespaces - 1], key, value);
        return 0;
}

static int read_line(struct dovecot *dovecot, struct sections *sections, char *line) {
        char *value;
        size_t n;

        line += strspn(line, " \t");
        for (n = strlen(line); n > 0 && isspace((unsigned char)line[n - 1]); n--)
                line[n - 1] = '\0';
        if (n == 0 || *line == '#')
                return 0;
        if (line[n - 1] == '{')
                return enter_section(dovecot, sections, line);
        if (*line == '}') {
                sections->depth -= sections->depth > 0;
                return 0;
        }
        value = strchr(line, '=');
        if (!value)
                return 0;
        for (char *end = value; end > line && (*end == '=' || isspace((unsigned char)*end)); end--)
                *end = '\0';
        value++;
        return read_setting(dovecot, sections, line, value + strspn(value, " \t"));
}

int setup_read_dovecot(const char *text, struct dovecot *ret) {
        _cleanup_free_ char *copy = strdup(text);
        struct sections sections = {};
        struct dovecot dovecot = {};
        int r = copy ? 0 : -ENOMEM;

        for (char *line, *next = copy; r >= 0 && (line = strsep(&next, "\n"));)
                r = read_line(&dovecot, &sections, line);
        if (r < 0) {
                dovecot_done(&dovecot);
                return r;
        }
        *ret = dovecot;
        return 0;
}

/* ---- Locations ---- */

/* Both spellings taken apart. */
struct mail_place {
        char *text; /* owned: what the others may point into */
        const char *driver, *path, *inbox, *alt;
};

static void place_done(struct mail_place *place) {
        free(place->text);
}

/* 0 or -ENOMEM. What is not said is NULL. */
static int take_apart(const struct dovecot_scope *scope, struct mail_place *ret) {
        struct mail_place place = { .driver = scope->driver,
                                    .path = scope->path,
                                    .inbox = scope->inbox,
                                    .alt = scope->alt };
        char *next;

        if (scope->location) {
                place.text = strdup(scope->location);
                if (!place.text)
                        return -ENOMEM;
                next = place.text;
                place.driver = strsep(&next, ":");
                place.path = strsep(&next, ":");
                for (char *option; (option = strsep(&next, ":"));) {
                        place.inbox = startswith(option, "INBOX=") ?: place.inbox;
                        place.alt = startswith(option, "ALT=") ?: place.alt;
                }
        }
        *ret = place;
        return 0;
}

/* What of a path is below the home of a user; NULL: it is not in homes. */
static const char *below_home(const char *path) {
        static const char *const homes[] = { "~", "%h", "%{home}" };

        for (size_t i = 0; i < ELEMENTSOF(homes); i++) {
                const char *rest = startswith(path, homes[i]);

                if (rest && (*rest == '\0' || *rest == '/'))
                        return rest + strspn(rest, "/");
        }
        return *path == '/' || *path == '%' ? NULL : path;
}

static bool is_mbox(const char *driver) {
        return driver && streq(driver, "mbox");
}

static bool scope_wants_homes(const struct dovecot_scope *scope, bool each) {
        struct mail_place place = {};
        bool wants;

        if (take_apart(scope, &place) < 0)
                return false;
        wants = (!each || is_mbox(place.driver)) &&
                ((place.path && below_home(place.path)) ||
                 (!each && ((place.inbox && below_home(place.inbox)) ||
                            (place.alt && below_home(place.alt)))));
        place_done(&place);
        return wants;
}

static bool wants_homes(const struct dovecot *dovecot, bool each) {
        bool wants = scope_wants_homes(&dovecot->global, each);

        for (size_t i = 0; i < dovecot->n_namespaces; i++)
                wants |= scope_wants_homes(&dovecot->namespaces[i], each);
        return wants;
}

bool setup_dovecot_wants_homes(const struct dovecot *dovecot) {
        return wants_homes(dovecot, false) ||
               (dovecot->attachments && below_home(dovecot->attachments));
}

bool setup_dovecot_wants_each(const struct dovecot *dovecot) {
        return wants_homes(dovecot, true);
}

/* ---- Proposals ---- */

struct proposing {
        struct setup *setup;
        const struct dovecot *dovecot;
        const struct setup_homes *homes;
        enum store_kind kind;
        const char *from; /* "Dovecot's mail_location" */
};

static void add_each_home(const struct proposing *p, const char *name, unsigned format,
                          const char *below) {
        for (size_t i = 0; i < p->homes->n && i < SETUP_HOMES_MAX; i++) {
                _cleanup_free_ char *path = NULL, *from = NULL;

                if (asprintf(&path, "%s/%s", p->homes->paths[i], below) < 0 ||
                    asprintf(&from, "%s: %s of each home; another one needs a store, too.", p->from,
                             below) < 0)
                        p->setup->no_memory = true;
                else
                        setup_add(p->setup, name, path, format, p->kind, from);
        }
        if (p->homes->n > SETUP_HOMES_MAX)
                setup_remark(p->setup,
                             "%s is %s of each home, and there are %zu homes: only those of %d are "
                             "proposed. Another format than mbox needs one store for all.",
                             p->from, below, p->homes->n, SETUP_HOMES_MAX);
}

static void add_in_homes(const struct proposing *p, const char *name, unsigned format,
                         const char *below) {
        const char *root = p->homes->root;
        _cleanup_free_ char *from = NULL;

        if (!root || !*root)
                setup_remark(p->setup,
                             "%s is in the homes of users, and of those Dovecot's userdb (%s) does "
                             "not tell the folder that all are in: write a [store NAME] for it, "
                             "format = %s. 'doveadm user USER' shows a home.",
                             p->from, p->dovecot->userdb ?: "none", store_format_name(format));
        else if (format == STORE_FORMAT_MBOX || format == STORE_FORMAT_SIS) {
                if (*below)
                        add_each_home(p, name, format, below);
                else
                        setup_remark(p->setup, "%s is a home as a whole, which is no mbox.",
                                     p->from);
        } else if (asprintf(&from, "%s: %s%sof the homes in %s.", p->from, below, *below ? " " : "",
                            root) < 0) {
                from = NULL;
                p->setup->no_memory = true;
        } else
                setup_add(p->setup, name, root, format, p->kind, from);
}

static void add_place(const struct proposing *p, const char *name, unsigned format,
                      const char *path) {
        const char *below = below_home(path);
        _cleanup_free_ char *fixed = NULL, *from = NULL;

        if (below) {
                add_in_homes(p, name, format, below);
                return;
        }
        /* Homes of others: they are in their owners' stores. */
        if (startswith(path, "%%") || startswith(path, "%{owner_home}"))
                return;
        fixed = setup_fixed_part(path);
        if (!fixed || asprintf(&from, "%s: %s.", p->from, path) < 0) {
                from = NULL;
                p->setup->no_memory = true;
        } else if (!*fixed)
                setup_remark(p->setup,
                             "%s, '%s', has no folder in front of its variables: write a "
                             "[store NAME] for each that there is.",
                             p->from, path);
        else
                setup_add(p->setup, name, fixed, format, p->kind, from);
}

/* INBOX of mbox is a file. */
static void add_inbox_file(const struct proposing *p, const char *path) {
        _cleanup_free_ char *folder = NULL;
        char *slash;

        if (below_home(path)) {
                setup_remark(p->setup,
                             "%s has INBOX=%s, a file in each home: only a folder can be a store. "
                             "Have it in a folder of mail alone, as INBOX=/var/mail/%%u.",
                             p->from, path);
                return;
        }
        folder = strdup(path);
        if (!folder) {
                p->setup->no_memory = true;
                return;
        }
        slash = strrchr(folder, '/');
        if (slash && slash > folder) {
                *slash = '\0';
                add_place(p, "inbox", STORE_FORMAT_MBOX, folder);
        }
}

/* SETUP_FORMAT_FIND: none that is known. */
static unsigned format_of_driver(const char *driver) {
        int format = store_format_from_name(streq(driver, "dbox") ? "sdbox" : driver);

        return format == STORE_FORMAT_MAILDIR || format == STORE_FORMAT_SDBOX ||
                               format == STORE_FORMAT_MDBOX || format == STORE_FORMAT_MBOX
                       ? (unsigned)format
                       : SETUP_FORMAT_FIND;
}

static void propose_place(const struct proposing *p, const char *name,
                          const struct mail_place *place) {
        unsigned format = place->driver ? format_of_driver(place->driver) : SETUP_FORMAT_FIND;

        /* Views of other folders have no mail of their own. */
        if (place->driver && streq(place->driver, "virtual"))
                return;
        if (format == SETUP_FORMAT_FIND || !place->path || !*place->path) {
                setup_remark(p->setup,
                             "%s is '%s%s%s', which tells no format and folder that can be "
                             "guarded here.",
                             p->from, place->driver ?: "", place->path ? ":" : "",
                             place->path ?: "");
                return;
        }
        add_place(p, name, format, place->path);
        if (place->inbox && *place->inbox) {
                if (format == STORE_FORMAT_MBOX)
                        add_inbox_file(p, place->inbox);
                else
                        add_place(p, "inbox", format, place->inbox);
        }
        if (place->alt && *place->alt)
                add_place(p, "alt", format, place->alt);
}

static void propose_scope(struct proposing *p, const char *name,
                          const struct dovecot_scope *scope) {
        struct mail_place place = {};

        if (take_apart(scope, &place) < 0) {
                p->setup->no_memory = true;
                return;
        }
        propose_place(p, name, &place);
        place_done(&place);
}

void setup_propose_dovecot(struct setup *setup, const struct dovecot *dovecot,
                           const struct setup_homes *homes) {
        struct proposing p = { setup, dovecot, homes, STORE_KIND_MAILBOX, NULL };
        const struct dovecot_scope *global = &dovecot->global;

        setup_found(setup, "Dovecot");
        p.from = global->location ? "Dovecot's mail_location" : "Dovecot's mail_path";
        if (global->location || global->driver)
                propose_scope(&p, "mail", global);
        else
                setup_remark(setup,
                             "Dovecot's mail_location is not set, so that it looks for the mail of "
                             "each user by itself: write a [store NAME] for what it finds. "
                             "'doveadm mailbox path -u USER INBOX' shows where that is.");
        for (size_t i = 0; i < dovecot->n_namespaces; i++) {
                const struct dovecot_scope *scope = &dovecot->namespaces[i];
                bool is_public = scope->type && streq(scope->type, "public");
                struct dovecot_scope own = *scope;

                if (!scope->location && !scope->path)
                        continue;
                own.driver = scope->driver ?: global->driver;
                p.kind = is_public ? STORE_KIND_PUBLIC_FOLDER : STORE_KIND_MAILBOX;
                p.from = is_public ? "Dovecot's public namespace" : "A namespace of Dovecot";
                propose_scope(&p, is_public ? "public" : "namespace", &own);
        }
        p.kind = STORE_KIND_MAILBOX;
        p.from = "Dovecot's mail_attachment_dir";
        if (dovecot->attachments)
                add_place(&p, "attachments", STORE_FORMAT_SIS, dovecot->attachments);
        if (dovecot->encrypted)
                setup_remark(setup,
                             "Dovecot encrypts mail (mail_crypt): what is encrypted can't be "
                             "scanned in the store. Scan it in transit, by storescan-hub(8).");
}
