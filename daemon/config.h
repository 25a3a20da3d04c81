/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The configuration: read once by libinih into one immutable object, every key from one static
 * table (name, type, default, range, help), every mistake of all files reported in one go.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "store/format.h"
#include "store/rescan.h"
#include "store/sweep-pace.h"
#include "store/util.h"
#include "store/verdict.h"

/* What is meant; what it comes to in the store's format is policy.h's. */
enum on_infected { ON_INFECTED_REPLACE, ON_INFECTED_BLOCK, ON_INFECTED_DETECT, _ON_INFECTED_MAX };
enum on_failure { ON_FAILURE_DENY, ON_FAILURE_ALLOW, _ON_FAILURE_MAX };

/* How a class of content that libclamav recognises but can't look into is taken. */
enum content_rule {
        CONTENT_UNSCANNABLE, /* verdict unscannable: the store's on_unscannable decides */
        CONTENT_INFECTED,    /* verdict infected */
        CONTENT_IGNORE, /* not looked for (not available for limits: unscanned is never clean) */
        _CONTENT_RULE_MAX
};

/* Who scans, and who does when no clamd server can. */
enum engine_kind { ENGINE_EMBEDDED, ENGINE_CLAMD, _ENGINE_KIND_MAX };
enum clamd_fallback { FALLBACK_NONE, FALLBACK_EMBEDDED, _CLAMD_FALLBACK_MAX };

/* When a hub's stamp in a message's header counts. */
enum stamps_mode { STAMPS_HONOUR, STAMPS_IGNORE, STAMPS_ON_ACCESS, _STAMPS_MODE_MAX };

/* What a hub does about mail; ACCEPT is not among the words for infected mail. */
enum hub_action {
        HUB_REJECT,
        HUB_DISCARD,
        HUB_QUARANTINE,
        HUB_TAG,
        HUB_ACCEPT, /* without a stamp */
        _HUB_ACTION_MAX
};
enum hub_on_error { HUB_ERROR_TEMPFAIL, HUB_ERROR_ACCEPT, _HUB_ON_ERROR_MAX };

/* Whether new mail is scanned before anybody asks. AUTO: in public folders. */
enum proactive { PROACTIVE_AUTO, PROACTIVE_YES, PROACTIVE_NO, _PROACTIVE_MAX };

enum marks_mode { MARKS_AUTO, MARKS_FILESYSTEM, MARKS_DIRECTORIES, _MARKS_MODE_MAX };

/* When a sweep starts by itself. */
enum sweep_schedule {
        SWEEP_SCHEDULE_NEVER,
        SWEEP_SCHEDULE_BOOT,
        SWEEP_SCHEDULE_DAILY,
        _SWEEP_SCHEDULE_MAX
};

/* [sweep]; and what a store says of its own. */
struct config_sweep {
        enum sweep_schedule schedule;
        struct day_window window;
        uint64_t received_within_usec; /* 0: whenever */
        bool only_unstamped, attachments_only, ignore_hub_stamps, after_update;
        unsigned rate;         /* messages a second; 0: no limit */
        unsigned max_pressure; /* percent; 0: not looked at */
        unsigned max_load;     /* a CPU; 0: not looked at */
};

#define WORKERS_MAX   64
#define LOW_QUEUE_MAX 128                           /* each is an fd */
#define FORMAT_AUTO   ((unsigned)_STORE_FORMAT_MAX) /* found by a look into the store */

/* What a stamp of older signatures is worth; mode _RESCAN_MODE_MAX: as in [scanner]. */
struct config_rescan {
        enum rescan_mode mode;
        uint64_t max_age_usec; /* of NEVER_OLDER */
};

struct config_store {
        const char *name; /* the NAME of [store NAME]; never freed, so that the log may keep it */
        char *path;       /* absolute, symbolic links resolved, no trailing slash */
        unsigned *holds;  /* the configuration's */
        enum store_kind kind;
        unsigned format_choice; /* as configured: an enum store_format, or FORMAT_AUTO */
        enum store_format format;
        char *format_by; /* which path told, as /srv/mail/a/storage/m.1; NULL unless found */
        enum on_infected on_infected;
        enum on_failure on_error;
        enum on_failure on_unscannable;
        enum marks_mode marks;
        enum stamps_mode stamps;
        uint64_t stamp_max_age_usec;
        unsigned stamp_max_lag;     /* versions of the signatures */
        uint64_t scan_timeout_usec; /* 0: that of [scanner] */
        enum proactive proactive;
        struct config_rescan rescan;
        uint64_t outbreak_until_sec;   /* UINT64_MAX: that of [scanner] */
        enum rescan_age on_access_age; /* _RESCAN_AGE_MAX: that of [scanner] */
        enum on_failure breaker;       /* _ON_FAILURE_MAX: that of [scanner] */
        struct config_sweep sweep;     /* as far as sweep_own says; see config_sweep_of() */
        unsigned sweep_own;            /* a bit for each key that does not inherit */
};

/* Whoever keeps a store beyond the turn of the loop holds it: a reload may put another one in its
 * place. On the gate thread. Stores that no config_load() made, and NULL, are not counted. */
const struct config_store *config_store_hold(const struct config_store *store);
void config_store_release(const struct config_store *store);

struct config_hub {
        char *socket;           /* as Postfix writes it: "inet:ADDRESS:PORT", "unix:PATH" */
        char *tmpdir;           /* as that of [scanner], owned by the hub's user */
        char *trusted_networks; /* that networks_parse() takes */
        bool strip_outgoing;
        enum hub_action on_infected, on_unscannable, on_attachment;
        enum hub_on_error on_error;
        char *attachment_names, *attachment_types; /* that patterns_find() takes */
        char *key;                                 /* id of the key to stamp with; "none" */
        uint64_t spool_size;                       /* bytes of messages at once */
};

struct config {
        bool former; /* config_load_former() */
        /* [scanner] */
        char *database; /* signature folder or file, absolute */
        enum engine_kind engine;
        char *clamd; /* addresses of servers, with blanks between */
        enum clamd_fallback clamd_fallback;
        char *tmpdir;           /* on tmpfs; made at start, owned by the worker's user */
        char *user;             /* the unprivileged user of workers; NULL: our own, which is one */
        unsigned workers;       /* resolved: never 0 */
        uint64_t max_file_size; /* bytes; also libclamav's MaxFileSize */
        uint64_t max_scan_size;
        unsigned max_files;
        unsigned max_recursion;
        uint64_t scan_timeout_usec;   /* an opener waits no longer */
        uint64_t worker_timeout_usec; /* a worker that takes longer is killed; > scan_timeout */
        unsigned low_queue;           /* files that nobody waits for, at once */
        struct config_rescan rescan;
        uint64_t outbreak_until_sec; /* 0: none */
        enum rescan_age on_access_age;
        enum on_failure breaker;
        unsigned breaker_failures; /* 0: it never opens */
        uint64_t breaker_time_usec;
        enum content_rule limits, encrypted, broken;
        bool pua, phishing;
        bool concurrent_reload; /* two engines in memory for a while */
        /* [stamp] */
        bool stamps; /* read and write trusted.avstamp */
        char *keys;  /* folder of the keys of stamps in headers */
        /* [gate] */
        unsigned max_pending; /* 0: as many as RLIMIT_NOFILE bears */
        unsigned hot_files;   /* 0: none */
        uint64_t hot_time_usec;
        unsigned spin_usec;      /* 0: not at all */
        uint64_t self_test_usec; /* 0: none */
        unsigned log_queue;      /* records that wait for the journal before dropping */
        /* [cache] */
        uint64_t cache_size;   /* bytes of memory; 0: no verdict cache */
        char *cache_directory; /* made at start; where it is saved */
        /* [quarantine] */
        char *quarantine_directory;    /* made when the first item comes */
        uint64_t quarantine_keep_usec; /* 0: for ever */
        uint64_t quarantine_max_size;  /* bytes, after a clean-up; 0: no limit */
        bool quarantine_notify;        /* owners get mail */
        char *quarantine_sendmail;     /* by this program */
        /* [remedy] */
        char *notice, *notice_text; /* the template's file, and what was in it or is built in */
        /* [allow] */
        char *allowed_signatures; /* names with blanks between, or "none" */
        /* [sweep] */
        struct config_sweep sweep;
        /* [hub] */
        struct config_hub hub;
        /* [store NAME] */
        struct config_store *stores;
        size_t n_stores;

        unsigned *holds; /* of its stores; see config_store_hold() */
        /* While stores come or go: the configuration that has those which are not in this one. */
        const struct config *other;

        struct config_origin *origins; /* private to config.c: which file and line set each key */
        size_t n_origins;
};

/* Reads path, or with NULL STORESCAN_CONFDIR/storescan.conf and then
 * STORESCAN_CONFDIR/conf.d/?*.conf in the order of their names (each optional, not all of them).
 * Checks everything that can be checked without privileges: keys, values, that folders exist, that
 * no two stores are the same folder and none overlaps the database or tmpdir. Every mistake is
 * written to errors as one line "FILE:LINE: [SECTION] KEY: what is wrong; the fix.". Returns 0;
 * -EINVAL after mistakes; -ENOMEM. */
int config_load(const char *path, FILE *errors, struct config **ret);

/* The same of config_text() of a configuration that was in force: signatures, stores and the notice need not
 * be there now, and paths of stores are taken as they are. name stands for a file in messages. */
int config_load_former(const char *name, const char *data, size_t size, FILE *errors,
                       struct config **ret);

/* config_load(NULL), as if conf.d/NAME had this text, or with NULL as if it were not there; whatever is
 * there. */
int config_load_with(const char *name, const char *text, FILE *errors, struct config **ret);

/* config_load(), where stores are neither needed nor looked for. */
int config_load_without_stores(const char *path, FILE *errors, struct config **ret);

/* Likewise for storescan-hub: workers are of the user and in the folder of the hub. */
int config_load_hub(const char *path, FILE *errors, struct config **ret);

/* A [hub] socket in libmilter's words. 0; -EINVAL; -ENAMETOOLONG. */
#define CONFIG_SOCKET_MAX 160
int config_hub_socket(const char *text, char ret[static CONFIG_SOCKET_MAX]);

/* How long an opener waits in this store. */
static inline uint64_t config_scan_timeout(const struct config *config,
                                           const struct config_store *store) {
        return store->scan_timeout_usec > 0 ? store->scan_timeout_usec : config->scan_timeout_usec;
}

/* What is older than the engine is worth this in a store; and whether an outbreak is declared there. */
struct rescan_policy config_rescan_policy(const struct config *config,
                                          const struct config_store *store);
bool config_outbreak(const struct config *config, const struct config_store *store);

/* Whether new mail of a store is scanned at once. */
bool config_proactive(const struct config *config, const struct config_store *store);

/* Whether signatures are loaded here; what is watched for other ones and given to the loader: their folder or
 * file, or one that has none and is always there. */
bool config_loads_signatures(const struct config *config);
const char *config_signatures(const struct config *config);

struct config *config_free(struct config *config);
DEFINE_CLEANUP(struct config *, config_free);

/* What running has and can't be changed but by a restart is put into config, and named in notes,
 * "[SECTION] KEY", with ", " between. *ret_engine: another engine is needed for it. 0 or -ENOMEM. */
int config_carry_over(struct config *config, const struct config *running, FILE *notes,
                      bool *ret_engine);

/* The store at the same place, kept and marked in the same way; or NULL. */
const struct config_store *config_find_alike(const struct config *config,
                                             const struct config_store *store);

/* How a store is swept: what it does not say itself is as in [sweep]. */
struct config_sweep config_sweep_of(const struct config *config, const struct config_store *store);

/* Looks into stores of format = auto (FILES until then, so that all is mail) and sets their format.
 * Lists folders: only before the gate answers events. What was found is written to notes, mistakes
 * to errors, in lines like those above. Returns 0; -EINVAL after mistakes; -ENOMEM. */
int config_find_formats(struct config *config, FILE *errors, FILE *notes);

/* The effective values as a valid configuration file, each with its origin ("default" or
 * "FILE:LINE") as a comment behind it. */
void config_print(const struct config *config, FILE *out);

/* The same as text, the caller's, with the formats that auto has found in its place: what a store looks like
 * later is not what ran. 0 or -ENOMEM. */
int config_text(const struct config *config, char **ret, size_t *ret_size);

#define CONFIG_PROBLEM_MAX 640 /* "what is wrong; the fix" of one value */

/* Reads a duration as it stands in the configuration, in microseconds. -EINVAL: what is wrong is in
 * ret_problem. */
int config_duration(const char *text, uint64_t min, uint64_t max, uint64_t *ret,
                    char ret_problem[static CONFIG_PROBLEM_MAX]);

/* For tests and documentation: walks the key table. section is "store" for [store NAME].
 * Returns false behind the last key. */
struct config_key_info {
        const char *section, *key, *type, *default_text, *help;
};
bool config_key(size_t index, struct config_key_info *ret);
