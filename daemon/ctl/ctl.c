/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescanctl's command line: options, the table of verbs, help, completion. What a verb does is in
 * setup.c, status.c, doctor.c, sweep-verbs.c, store-verbs.c, pending-verb.c, top.c, log.c, explain.c, scan.c,
 * stamp-verbs.c, quarantine-verbs.c, release.c, notify.c, allow-verbs.c, poison-verbs.c and key-verbs.c.
 * Must not touch a store itself.
 */

#include "daemon/ctl/ctl.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/ctl/complete.h"
#include "daemon/ctl/escape.h"
#include "daemon/ctl/output.h"
#include "store/util.h"

static verb_func verb_check_config, verb_version, verb_help;

/* Options that a verb takes. */
enum {
        TAKES_JSON = 1 << 0,
        TAKES_FOREVER = 1 << 1,
        TAKES_CONFIG = 1 << 2,
        TAKES_TYPE = 1 << 3,
        TAKES_KEYS = 1 << 4,
        TAKES_WATCH = 1 << 5,
        TAKES_WRITE = 1 << 6,
        TAKES_SINCE = 1 << 7,
        TAKES_STORE = 1 << 8,
        TAKES_PATH = 1 << 9,
        TAKES_LOG = TAKES_SINCE | TAKES_STORE | TAKES_PATH,
};

/* clang-format off */
static const struct verb verbs[] = {
        { "setup",  NULL,    "",        "Propose a configuration for the mail servers here",    0, 0,       TAKES_JSON | TAKES_WRITE, verb_setup },
        { "status", NULL,    "",        "Show whether stores are guarded, and how it goes",     0, 0,       TAKES_JSON, verb_status },
        { "stats",  NULL,    "",        "Show all counters of the running storescand",          0, 0,       TAKES_JSON, verb_stats },
        { "doctor", NULL,    "",        "Check kernel and installation, say what to do",        0, 0,       TAKES_JSON | TAKES_CONFIG, verb_doctor },
        { "metrics", NULL,   "[FILE]",  "Print all numbers for monitoring, or keep a file",     0, 1,       0,          verb_metrics },
        { "reload", NULL,    "",        "Load new signatures, check the configuration",         0, 0,       TAKES_JSON, verb_reload },
        { "pause",  NULL,    "TIME",    "Let every open through unscanned for so long",         1, 1,       TAKES_JSON, verb_pause },
        { "resume", NULL,    "",        "End the pause",                                        0, 0,       TAKES_JSON, verb_resume },
        { "sweep", "start",  "STORE...", "Start the sweep of each store, where it stopped",     1, INT_MAX, TAKES_JSON, verb_sweep_start },
        { "sweep", "stop",   "STORE...", "Stop it, until it is started again",                  1, INT_MAX, TAKES_JSON, verb_sweep_stop },
        { "sweep", "status", "",         "Show how far the sweeps are",                         0, 0,       TAKES_JSON | TAKES_WATCH, verb_sweep_status },
        { "pending", NULL,   "",        "Show who waits for an answer, for what, how long",     0, 0,       TAKES_JSON, verb_pending },
        { "top",    NULL,    "",        "Show how much happens a second",                       0, 0,       TAKES_JSON, verb_top },
        { "log",    NULL,    "[EVENT...]", "Show what was logged, the newest last",             0, INT_MAX, TAKES_JSON | TAKES_WATCH | TAKES_LOG, verb_log },
        { "store", "list",   "",        "Show the stores, their policies and counters",         0, 0,       TAKES_JSON, verb_store_list },
        { "store", "detach", "STORE...", "Keep nothing open there, to unmount it",             1, INT_MAX, TAKES_JSON, verb_store_detach },
        { "store", "attach", "STORE...", "End that, wait until it is guarded",                 1, INT_MAX, TAKES_JSON, verb_store_attach },
        { "explain", NULL,   "PATH...", "Show how an open of each file is answered, why",       1, INT_MAX, TAKES_JSON, verb_explain },
        { "scan",   NULL,    "PATH...", "Have each file scanned, say what was found",           1, INT_MAX, TAKES_JSON, verb_scan },
        { "stamp", "show",   "PATH...", "Show the stamp of each file, decoded",                 1, INT_MAX, TAKES_JSON, verb_stamp_show },
        { "stamp", "verify", "PATH...", "Compare each file with its stamp, check by check",     1, INT_MAX, TAKES_JSON, verb_stamp_verify },
        { "stamp", "clear",  "PATH...", "Remove the stamp: the next open scans the file",       1, INT_MAX, TAKES_JSON, verb_stamp_clear },
        { "quarantine", "list",    "",          "List what is in quarantine, oldest first",     0, 0,       TAKES_JSON | TAKES_CONFIG, verb_quarantine_list },
        { "quarantine", "show",    "ID...",     "Show all that is known of each item",          1, INT_MAX, TAKES_JSON | TAKES_CONFIG, verb_quarantine_show },
        { "quarantine", "export",  "ID [FILE]", "Write the original bytes to a new file",       1, 2,       TAKES_CONFIG,              verb_quarantine_export },
        { "quarantine", "release", "ID...",     "Allow each item, put it back into its store",  1, INT_MAX, TAKES_JSON | TAKES_FOREVER | TAKES_CONFIG, verb_quarantine_release },
        { "quarantine", "delete",  "ID...",     "Delete each item for good",                    1, INT_MAX, TAKES_JSON | TAKES_CONFIG, verb_quarantine_delete },
        { "quarantine", "clean",   "",          "Delete what is too old or too much",           0, 0,       TAKES_JSON | TAKES_CONFIG, verb_quarantine_clean },
        { "quarantine", "notify",  "",          "Mail owners what was replaced, if configured", 0, 0,       TAKES_CONFIG,              verb_quarantine_notify },
        { "allow", "list",   "",          "List content that is allowed though infected",       0, 0,       TAKES_JSON | TAKES_CONFIG, verb_allow_list },
        { "allow", "add",    "DIGEST...", "Allow content, whatever signatures say",             1, INT_MAX, TAKES_JSON | TAKES_CONFIG, verb_allow_add },
        { "allow", "remove", "DIGEST...", "Allow content no more",                              1, INT_MAX, TAKES_JSON | TAKES_CONFIG, verb_allow_remove },
        { "poison", "list",  "",          "List content that cost workers: it is not scanned",  0, 0,       TAKES_JSON | TAKES_CONFIG, verb_poison_list },
        { "poison", "clear", "",          "Forget that: scan it again when it is opened",       0, 0,       TAKES_JSON, verb_poison_clear },
        { "key", "generate", "ID",  "Make a key for stamps in headers",                         1, 1,       TAKES_TYPE | TAKES_KEYS,   verb_key_generate },
        { "key", "list",     "",    "Show the keys, and what is wrong with any of them",        0, 0,       TAKES_JSON | TAKES_KEYS, verb_key_list },
        { "key", "public",   "ID",  "Print the public half of a key, for stores",               1, 1,       TAKES_KEYS, verb_key_public },
        { "check-config", NULL, "[FILE]", "Check the configuration, name every mistake in it",  0, 1,       TAKES_JSON, verb_check_config },
        { "version", NULL,   "",          "Show the version",                                   0, 0,       TAKES_JSON, verb_version },
        { "help",    NULL,   "",          "Show this help",                                     0, 0,       0,          verb_help },
};

static const struct verb_option options[] = {
        { { "json",    no_argument,       NULL, 'j' }, NULL,     TAKES_JSON,    "Print one JSON object a line" },
        { { "watch",   no_argument,       NULL, 'w' }, NULL,     TAKES_WATCH,   "Go on until no sweep runs; with a log, for ever" },
        { { "since",   required_argument, NULL, 's' }, "TIME",   TAKES_SINCE,   "Log from then on: '2h' ago, '2026-11-26 20:00'" },
        { { "store",   required_argument, NULL, 'S' }, "STORE",  TAKES_STORE,   "Log of this store alone" },
        { { "path",    required_argument, NULL, 'p' }, "PATH",   TAKES_PATH,    "Log of this file, or of all below this folder" },
        { { "forever", no_argument,       NULL, 'f' }, NULL,     TAKES_FOREVER, "Release for good, whatever signatures come" },
        { { "write",   no_argument,       NULL, 'W' }, NULL,     TAKES_WRITE,   "Write what is proposed into conf.d" },
        { { "type",    required_argument, NULL, 't' }, "TYPE",   TAKES_TYPE,    "Kind of key: hmac (default) or ed25519" },
        { { "keys",    required_argument, NULL, 'k' }, "FOLDER", TAKES_KEYS,    "Folder of keys" },
        { { "config",  required_argument, NULL, 'c' }, "FILE",   TAKES_CONFIG,  "Read this configuration file alone" },
        { { "help",    no_argument,       NULL, 'h' }, NULL,     0,             "Show this help" },
        { { "version", no_argument,       NULL, 'V' }, NULL,     0,             "Show the version" },
};
/* clang-format on */

static int verb_help(const struct ctl *ctl, char **args, int n) {
        printf("storescanctl [OPTION...] COMMAND [ARGUMENT...]\n\n"
               "Look after the stamps, quarantine, keys and configuration of the mail store\n"
               "scanner.\n\n"
               "Commands:\n");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                const struct verb *v = &verbs[i];
                char left[64];

                (void)snprintf(left, sizeof(left), "%s%s%s%s%s", v->name, v->sub ? " " : "",
                               v->sub ? v->sub : "", v->args[0] ? " " : "", v->args);
                printf("  %-28s %s\n", left, v->help);
        }
        printf("\nOptions:\n");
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%s%s%s", options[i].option.name,
                               options[i].argument ? " " : "", options[i].argument ?: "");
                printf("  -%c --%-23s %s\n", options[i].option.val, name, options[i].help);
        }
        printf("\nSee the storescanctl(1) man page for exit statuses and examples.\n");
        return STATUS_OK;
}

static int verb_version(const struct ctl *ctl, char **args, int n) {
        printf(ctl->json ? "{\"version\":\"%s\"}\n" : "storescanctl %s\n", STORESCAN_VERSION);
        return STATUS_OK;
}

int ctl_config(const struct ctl *ctl, struct config **ret) {
        int r = config_load(ctl->config, stderr, ret);

        if (r >= 0)
                return STATUS_OK;
        if (r == -EINVAL)
                fputs("storescanctl: the configuration has mistakes; mend what is named above.\n",
                      stderr);
        else
                fprintf(stderr, "storescanctl: the configuration could not be read: %s\n",
                        strerror(-r));
        return STATUS_ERROR;
}

/* Every mistake is one line. */
static void print_mistakes_json(char *text) {
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                printf("{");
                output_json("mistake", line, strlen(line));
                printf("}\n");
        }
}

static int verb_check_config(const struct ctl *ctl, char **args, int n) {
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_free_ char *text = NULL;
        FILE *errors = stderr;
        size_t size = 0;
        int r;

        if (ctl->json)
                errors = open_memstream(&text, &size) ?: stderr;
        r = config_load(n > 0 ? args[0] : NULL, errors, &config);
        if (r >= 0)
                r = config_find_formats(config, errors, stderr);
        if (errors != stderr) {
                (void)fclose(errors);
                if (text)
                        print_mistakes_json(text);
        }
        if (r == -EINVAL)
                return STATUS_FOUND;
        if (r < 0) {
                fprintf(stderr, "storescanctl: the configuration could not be read: %s\n",
                        strerror(-r));
                return STATUS_ERROR;
        }
        if (ctl->json)
                printf("{\"valid\":true,\"stores\":%zu}\n", config->n_stores);
        else
                printf("The configuration is valid and has %zu %s.\n", config->n_stores,
                       config->n_stores == 1 ? "store" : "stores");
        return STATUS_OK;
}

/* Says what is wrong with the command line, and where the right one is written. */
_printf_(1, 2) static int usage(const char *format, ...) {
        va_list ap;

        fputs("storescanctl: ", stderr);
        va_start(ap, format);
        (void)vfprintf(stderr, format, ap);
        va_end(ap);
        fputs("; see 'storescanctl help'.\n", stderr);
        return STATUS_ERROR;
}

/* The verb that words begin with; NULL after telling what is wrong with them. */
static const struct verb *find_verb(char **words, int n) {
        _cleanup_free_ char *word = NULL;
        bool group = false;

        if (n == 0) {
                (void)usage("no command given");
                return NULL;
        }
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                if (!streq(verbs[i].name, words[0]))
                        continue;
                if (!verbs[i].sub || (n > 1 && streq(verbs[i].sub, words[1])))
                        return &verbs[i];
                group = true;
        }
        if (group && n == 1) {
                (void)usage("'%s' needs a second word", words[0]);
                return NULL;
        }
        word = escape_terminal(words[group], strlen(words[group]));
        if (group)
                (void)usage("'%s' has no command '%s'", words[0], word ?: "?");
        else
                (void)usage("no command '%s'", word ?: "?");
        return NULL;
}

static int run(const struct ctl *ctl, unsigned given, char **words, int n) {
        const struct verb *verb = find_verb(words, n);
        int used;

        if (!verb)
                return STATUS_ERROR;

        used = verb->sub ? 2 : 1;
        if (n - used < verb->min_args || n - used > verb->max_args)
                return usage("usage: storescanctl %s%s%s %s", verb->name, verb->sub ? " " : "",
                             verb->sub ?: "", verb->args[0] ? verb->args : "(no argument)");
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (options[i].takes & given & ~verb->takes)
                        return usage("this command has no --%s", options[i].option.name);
        return verb->run(ctl, words + used, n - used);
}

int main(int argc, char **argv) {
        struct option longopts[ELEMENTSOF(options) + 1] = {};
        struct ctl ctl = {};
        unsigned given = 0;
        int c, r;

        if (argc > 1 && streq(argv[1], COMPLETE_OPTION)) {
                complete_run(
                        &(struct complete){
                                .verbs = verbs,
                                .n_verbs = ELEMENTSOF(verbs),
                                .options = options,
                                .n_options = ELEMENTSOF(options),
                                .values = complete_values,
                        },
                        argv + 2, argc - 2);
                return STATUS_OK;
        }
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                longopts[i] = options[i].option;

        while ((c = getopt_long(argc, argv, "jwfWt:k:c:s:S:p:hV", longopts, NULL)) >= 0)
                switch (c) {
                case 'j':
                        ctl.json = true;
                        given |= TAKES_JSON;
                        break;
                case 'w':
                        ctl.watch = true;
                        given |= TAKES_WATCH;
                        break;
                case 'f':
                        ctl.forever = true;
                        given |= TAKES_FOREVER;
                        break;
                case 'W':
                        ctl.write = true;
                        given |= TAKES_WRITE;
                        break;
                case 't':
                        ctl.type = optarg;
                        given |= TAKES_TYPE;
                        break;
                case 'k':
                        ctl.keys = optarg;
                        given |= TAKES_KEYS;
                        break;
                case 'c':
                        ctl.config = optarg;
                        given |= TAKES_CONFIG;
                        break;
                case 's':
                        ctl.since = optarg;
                        given |= TAKES_SINCE;
                        break;
                case 'S':
                        ctl.store = optarg;
                        given |= TAKES_STORE;
                        break;
                case 'p':
                        ctl.path = optarg;
                        given |= TAKES_PATH;
                        break;
                case 'h': return verb_help(&ctl, NULL, 0);
                case 'V': return verb_version(&ctl, NULL, 0);
                default: return STATUS_ERROR; /* getopt named it */
                }

        r = run(&ctl, given, argv + optind, argc - optind);
        if (fflush(stdout) != 0 || ferror(stdout)) {
                fprintf(stderr, "storescanctl: standard output: %m\n");
                return STATUS_ERROR;
        }
        return r;
}
