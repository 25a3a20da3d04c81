/* SPDX-License-Identifier: Apache-2.0 */

/*
 * "setup": shows the configuration that mail servers on this machine ask for, and with --write puts it into
 * conf.d, in a file of its own that nobody has changed. Must not change any other file.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/config.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/setup-look.h"
#include "daemon/io.h"
#include "daemon/new-file.h"

#define FOLDER    STORESCAN_CONFDIR "/conf.d"
#define FILE_NAME "10-setup.conf"
#define FILE_MAX  ((size_t)1 << 20)

/* ---- What is configured ---- */

/* The address of the hub, as configured or by default. NULL: no memory. */
static char *hub_address(FILE *quiet) {
        _cleanup_(config_freep) struct config *config = NULL;
        struct config_key_info key;

        if (config_load_without_stores(NULL, quiet, &config) >= 0)
                return strdup(config->hub.socket);
        for (size_t i = 0; config_key(i, &key); i++)
                if (streq(key.section, "hub") && streq(key.key, "socket"))
                        return strdup(key.default_text);
        return NULL;
}

/* Proposes, with what other files configure in mind. 0 or -ENOMEM. */
static int propose(struct setup *setup) {
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_free_ char *hub = NULL;
        FILE *quiet = fopen("/dev/null", "we");
        int r = -ENOMEM;

        if (quiet)
                hub = hub_address(quiet);
        if (hub)
                r = setup_look(setup, hub);
        /* Mistakes are told once the proposal is among the files. */
        if (r >= 0 && config_load_with(FILE_NAME, NULL, quiet, &config) >= 0)
                setup_compare(setup, config->stores, config->n_stores);
        if (quiet)
                (void)fclose(quiet);
        return r;
}

/* ---- The file ---- */

/* 0; or a STATUS_*, after telling: it is not ours to replace. */
static int may_replace(void) {
        _cleanup_free_ char *text = malloc(FILE_MAX);
        ssize_t n;

        if (!text)
                return output_error(FILE_NAME, "%s", error_text(ENOMEM));
        n = own_file_load(FOLDER, FILE_NAME, text, FILE_MAX);
        if (n == -ENOENT)
                return STATUS_OK;
        if (n < 0)
                return output_error(FOLDER "/" FILE_NAME, "%s", error_text((int)-n));
        if (!setup_is_sealed(text, (size_t)n))
                return output_error(FOLDER "/" FILE_NAME,
                                    "was changed by hand, and is left as it is: take over what "
                                    "you want of the above, or remove it and try again");
        return STATUS_OK;
}

static int write_file(const char *text) {
        _cleanup_(new_file_done) struct new_file file = { .fd = -EBADF };
        _cleanup_close_ int folder = -EBADF;
        int r;

        if (mkdir(FOLDER, 0755) < 0 && errno != EEXIST)
                return output_error(FOLDER, "%s", error_text(errno));
        r = may_replace();
        if (r != STATUS_OK)
                return r;
        folder = open(FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = folder < 0 ? -errno : new_file_open(&file, folder, FILE_NAME);
        if (r >= 0)
                r = write_full(file.fd, text, strlen(text));
        if (r >= 0 && fchmod(file.fd, 0644) < 0)
                r = -errno;
        if (r >= 0)
                r = new_file_publish(&file, FILE_NAME);
        if (r < 0)
                return output_error(FOLDER "/" FILE_NAME, "%s", error_text(-r));
        return STATUS_OK;
}

/* ---- For programs ---- */

static const char *state_of(const struct setup_store *store) {
        return store->known_as ? "configured" : store->problem ? "not-ready" : "proposed";
}

static void print_text(const char *key, const char *text) {
        putchar(',');
        output_json(key, text, strlen(text));
}

static void print_json(const struct setup *setup) {
        for (size_t i = 0; i < setup->n_stores; i++) {
                const struct setup_store *store = &setup->stores[i];

                putchar('{');
                output_json_path("path", store->path);
                print_text("state", state_of(store));
                print_text("store", store->known_as ?: store->name);
                print_text("kind", store_kind_name(store->kind));
                print_text("format", setup_format_word(store));
                print_text("from", store->from);
                if (store->problem)
                        print_text("problem", store->problem);
                printf(",\"filesystem\":%s}\n", store->has_filesystem ? "true" : "false");
        }
        for (size_t i = 0; i < setup->n_remarks; i++) {
                putchar('{');
                output_json("remark", setup->remarks[i], strlen(setup->remarks[i]));
                printf("}\n");
        }
}

/* ---- The verb ---- */

static int nothing_found(void) {
        fputs("No Dovecot, Cyrus, Postfix, Zimbra or Kopano was found on this machine. Name the "
              "folder of the\nmail yourself, in " FOLDER "/50-mail.conf:\n\n"
              "    [store mail]\n"
              "    path = /FOLDER\n"
              "    format = maildir\n"
              "    on_infected = detect\n"
              "    on_error = allow\n\n"
              "storescan.conf(5) has the other formats; storescanctl check-config finds "
              "mistakes.\n",
              stderr);
        return STATUS_FOUND;
}

static int nothing_to_write(const struct setup *setup) {
        for (size_t i = 0; i < setup->n_stores; i++)
                if (setup->stores[i].known_as) {
                        fputs("\nAll that can be guarded is configured already.\n", stderr);
                        return STATUS_OK;
                }
        fputs("\nNothing can be guarded yet, for the reasons above.\n", stderr);
        return STATUS_FOUND;
}

static int finish(const struct ctl *ctl, const struct setup *setup, const char *text) {
        _cleanup_(config_freep) struct config *config = NULL;
        int r;

        if (ctl->json)
                print_json(setup);
        else
                printf("%s", text);
        if (fflush(stdout) != 0)
                return STATUS_ERROR; /* main() tells */
        if (setup_count(setup) == 0)
                return nothing_to_write(setup);
        r = config_load_with(FILE_NAME, text, stderr, &config);
        if (r == -EINVAL) {
                fputs("storescanctl: with this the configuration has the mistakes named above, so "
                      "it is not written.\n",
                      stderr);
                return STATUS_FOUND;
        }
        if (r < 0)
                return output_error("setup", "%s", error_text(-r));
        if (!ctl->write) {
                fputs("\nThis is a proposal, nothing was written. To have it in " FOLDER
                      "/" FILE_NAME ":\n    storescanctl setup --write\n",
                      stderr);
                return STATUS_OK;
        }
        r = write_file(text);
        if (r == STATUS_OK)
                fputs("\nWritten to " FOLDER "/" FILE_NAME ". Next:\n"
                      "    systemctl enable --now storescand     where it runs already: systemctl "
                      "reload storescand\n"
                      "    storescanctl doctor\n",
                      stderr);
        return r;
}

int verb_setup(const struct ctl *ctl, char **args, int n) {
        _cleanup_(setup_done) struct setup setup = {};
        _cleanup_free_ char *text = NULL, *sealed = NULL;
        int r = propose(&setup);

        if (r >= 0 && !setup.found)
                return nothing_found();
        if (r >= 0)
                text = setup_format(&setup);
        if (text)
                sealed = setup_seal(text);
        if (!sealed)
                return output_error("setup", "%s", error_text(r < 0 ? -r : ENOMEM));
        return finish(ctl, &setup, sealed);
}
