/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The key table and the types of values: text to value and back. Owns no state; knows neither
 * files nor lines, and judges one value at a time.
 */

#include "daemon/config-private.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <limits.h>

#include "store/cache.h"

/* Words of all enumerations are stored alike, so that one parser serves them. */
static_assert(sizeof(enum store_kind) == sizeof(unsigned) &&
                      sizeof(enum on_infected) == sizeof(unsigned) &&
                      sizeof(enum on_failure) == sizeof(unsigned) &&
                      sizeof(enum content_rule) == sizeof(unsigned) &&
                      sizeof(enum proactive) == sizeof(unsigned) &&
                      sizeof(enum rescan_age) == sizeof(unsigned) &&
                      sizeof(enum engine_kind) == sizeof(unsigned) &&
                      sizeof(enum clamd_fallback) == sizeof(unsigned) &&
                      sizeof(enum marks_mode) == sizeof(unsigned),
              "enumerations have the size of unsigned");
static_assert(sizeof(enum hub_action) == sizeof(unsigned) &&
                      sizeof(enum hub_on_error) == sizeof(unsigned) &&
                      sizeof(enum sweep_schedule) == sizeof(unsigned),
              "enumerations have the size of unsigned");

#define USER_NAME_MAX 31 /* of useradd(8) */

int config_problem(char text[static CONFIG_PROBLEM_MAX], const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(text, CONFIG_PROBLEM_MAX, format, ap);
        va_end(ap);
        return -EINVAL;
}

/* ---- Numbers, with or without a unit ---- */

struct unit {
        const char *name;
        uint64_t factor;
};

/* Largest first: a value is written in the first unit that divides it. */
static const struct unit size_units[] = {
        { "G", UINT64_C(1) << 30 },
        { "M", UINT64_C(1) << 20 },
        { "K", UINT64_C(1) << 10 },
        { "", 1 },
        {},
};

static const struct unit duration_units[] = {
        { "d", 24 * 3600 * USEC_PER_SEC }, { "h", 3600 * USEC_PER_SEC },
        { "min", 60 * USEC_PER_SEC },      { "s", USEC_PER_SEC },
        { "ms", USEC_PER_MSEC },           {},
};

/* Reads digits and nothing else: no sign, no blank, no other base. Returns what is behind them;
 * NULL: there are none. A value beyond 64 bits becomes UINT64_MAX, which no range includes. */
static const char *parse_digits(const char *text, uint64_t *ret) {
        bool overflow = false;
        const char *p = text;
        uint64_t v = 0;

        for (; *p >= '0' && *p <= '9'; p++)
                overflow = overflow || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
                           __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v);
        if (p == text)
                return NULL;
        *ret = overflow ? UINT64_MAX : v;
        return p;
}

static int parse_with_unit(const struct unit *units, const char *text, uint64_t *ret) {
        uint64_t v = 0;
        const char *unit = parse_digits(text, &v);

        if (!unit)
                return -EINVAL;
        for (const struct unit *u = units; u->name; u++)
                if (strcasecmp(u->name, unit) == 0) {
                        if (__builtin_mul_overflow(v, u->factor, &v))
                                v = UINT64_MAX;
                        *ret = v;
                        return 0;
                }
        return -EINVAL;
}

static const char *text_with_unit(const struct unit *units, uint64_t v,
                                  char buffer[static CONFIG_TEXT_MAX]) {
        const struct unit *u = units;

        while (u[1].name && (v < u->factor || v % u->factor != 0))
                u++;
        (void)snprintf(buffer, CONFIG_TEXT_MAX, "%" PRIu64 "%s", v / u->factor, u->name);
        return buffer;
}

static int parse_scaled(const struct config_key *key, const struct unit *units, const char *what,
                        const char *text, uint64_t *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]) {
        char min[CONFIG_TEXT_MAX], max[CONFIG_TEXT_MAX];
        uint64_t v;

        (void)text_with_unit(units, key->min, min);
        (void)text_with_unit(units, key->max, max);
        if (parse_with_unit(units, text, &v) < 0)
                return config_problem(ret_problem, "'%s' is not a %s, from %s to %s", text, what,
                                      min, max);
        if (v < key->min || v > key->max)
                return config_problem(ret_problem, "'%s' is out of range; write %s to %s", text,
                                      min, max);
        *field = v;
        return 0;
}

int config_duration(const char *text, uint64_t min, uint64_t max, uint64_t *ret,
                    char ret_problem[static CONFIG_PROBLEM_MAX]) {
        const struct config_key key = { .min = min, .max = max };

        return config_parse_duration(&key, text, ret, ret_problem);
}

static int parse_size(const struct config_key *key, const char *text, void *field,
                      char ret_problem[static CONFIG_PROBLEM_MAX]) {
        return parse_scaled(key, size_units,
                            "size; write bytes, or a number with K, M or G behind it", text, field,
                            ret_problem);
}

static const char *text_size(const struct config_key *key, const void *field,
                             char buffer[static CONFIG_TEXT_MAX]) {
        return text_with_unit(size_units, *(const uint64_t *)field, buffer);
}

int config_parse_duration(const struct config_key *key, const char *text, void *field,
                          char ret_problem[static CONFIG_PROBLEM_MAX]) {
        if (key->inherits && streq(text, "inherit")) {
                *(uint64_t *)field = 0;
                return 0;
        }
        return parse_scaled(key, duration_units,
                            "duration; write a number with ms, s, min, h or d behind it", text,
                            field, ret_problem);
}

const char *config_text_duration(const struct config_key *key, const void *field,
                                 char buffer[static CONFIG_TEXT_MAX]) {
        if (key->inherits && *(const uint64_t *)field == 0)
                return "inherit";
        return text_with_unit(duration_units, *(const uint64_t *)field, buffer);
}

static int parse_count(const struct config_key *key, const char *text, void *field,
                       char ret_problem[static CONFIG_PROBLEM_MAX]) {
        const char *or_auto = key->has_auto ? ", or auto" : "", *end;
        unsigned *value = field;
        uint64_t v;

        if (key->has_auto && streq(text, "auto")) {
                *value = 0;
                return 0;
        }
        end = parse_digits(text, &v);
        if (!end || *end)
                return config_problem(ret_problem,
                                      "'%s' is not a whole number; write %" PRIu64 " to %" PRIu64
                                      "%s",
                                      text, key->min, key->max, or_auto);
        if (v < key->min || v > key->max)
                return config_problem(ret_problem,
                                      "'%s' is out of range; write %" PRIu64 " to %" PRIu64 "%s",
                                      text, key->min, key->max, or_auto);
        *value = (unsigned)v;
        return 0;
}

static const char *text_count(const struct config_key *key, const void *field,
                              char buffer[static CONFIG_TEXT_MAX]) {
        unsigned v = *(const unsigned *)field;

        if (v == 0 && key->has_auto)
                return "auto";
        (void)snprintf(buffer, CONFIG_TEXT_MAX, "%u", v);
        return buffer;
}

/* ---- Words ---- */

#define DEFINE_WORDS(func, max, ...)                                                 \
        static const char *func(unsigned value) {                                    \
                static const char *const words[] = { __VA_ARGS__ };                  \
                static_assert(ELEMENTSOF(words) == (max), "a word for every value"); \
                return value < (max) ? words[value] : NULL;                          \
        }                                                                            \
        struct _words_semicolon_

DEFINE_WORDS(word_infected, _ON_INFECTED_MAX, [ON_INFECTED_REPLACE] = "replace",
             [ON_INFECTED_BLOCK] = "block", [ON_INFECTED_DETECT] = "detect");
DEFINE_WORDS(word_failure,
             _ON_FAILURE_MAX, [ON_FAILURE_DENY] = "deny", [ON_FAILURE_ALLOW] = "allow");
DEFINE_WORDS(word_engine,
             _ENGINE_KIND_MAX, [ENGINE_EMBEDDED] = "embedded", [ENGINE_CLAMD] = "clamd");
DEFINE_WORDS(word_fallback,
             _CLAMD_FALLBACK_MAX, [FALLBACK_NONE] = "none", [FALLBACK_EMBEDDED] = "embedded");
DEFINE_WORDS(word_rule, _CONTENT_RULE_MAX, [CONTENT_UNSCANNABLE] = "unscannable",
             [CONTENT_INFECTED] = "infected", [CONTENT_IGNORE] = "ignore");
DEFINE_WORDS(word_stamps, _STAMPS_MODE_MAX, [STAMPS_HONOUR] = "honour", [STAMPS_IGNORE] = "ignore",
             [STAMPS_ON_ACCESS] = "honour-on-access-only");
DEFINE_WORDS(
        word_proactive,
        _PROACTIVE_MAX, [PROACTIVE_AUTO] = "auto", [PROACTIVE_YES] = "yes", [PROACTIVE_NO] = "no");
DEFINE_WORDS(word_age, _RESCAN_AGE_MAX, [RESCAN_AGE_OFF] = "off",
             [RESCAN_AGE_INSTALL] = "since-install", [RESCAN_AGE_UPDATE] = "since-update");
DEFINE_WORDS(word_marks, _MARKS_MODE_MAX, [MARKS_AUTO] = "auto", [MARKS_FILESYSTEM] = "filesystem",
             [MARKS_DIRECTORIES] = "directories");

DEFINE_WORDS(word_schedule, _SWEEP_SCHEDULE_MAX, [SWEEP_SCHEDULE_NEVER] = "never",
             [SWEEP_SCHEDULE_BOOT] = "boot", [SWEEP_SCHEDULE_DAILY] = "daily");

DEFINE_WORDS(word_hub, _HUB_ACTION_MAX, [HUB_REJECT] = "reject", [HUB_DISCARD] = "discard",
             [HUB_QUARANTINE] = "quarantine", [HUB_TAG] = "tag", [HUB_ACCEPT] = "accept");
DEFINE_WORDS(word_hub_error,
             _HUB_ON_ERROR_MAX, [HUB_ERROR_TEMPFAIL] = "tempfail", [HUB_ERROR_ACCEPT] = "accept");

/* Infected mail is never just accepted. */
static const char *word_hub_infected(unsigned value) {
        static_assert(HUB_ACCEPT == _HUB_ACTION_MAX - 1, "accept is the last word");
        return value != HUB_ACCEPT ? word_hub(value) : NULL;
}

/* What exceeds a limit was not looked at: it can't be ignored, since unscanned is never clean. */
static const char *word_limits(unsigned value) {
        static_assert(CONTENT_IGNORE == _CONTENT_RULE_MAX - 1, "ignore is the last word");
        return value != CONTENT_IGNORE ? word_rule(value) : NULL;
}

static const char *word_failure_or_inherit(unsigned value) {
        return value == _ON_FAILURE_MAX ? "inherit" : word_failure(value);
}

static const char *word_age_or_inherit(unsigned value) {
        return value == _RESCAN_AGE_MAX ? "inherit" : word_age(value);
}

static const char *word_kind(unsigned value) {
        return value < _STORE_KIND_MAX ? store_kind_name(value) : NULL;
}

static const char *word_format(unsigned value) {
        return value < _STORE_FORMAT_MAX ? store_format_name(value)
               : value == FORMAT_AUTO    ? "auto"
                                         : NULL;
}

static int parse_word(const struct config_key *key, const char *text, void *field,
                      char ret_problem[static CONFIG_PROBLEM_MAX]) {
        for (unsigned v = 0; key->word(v); v++)
                if (streq(key->word(v), text)) {
                        memcpy(field, &v, sizeof(v));
                        return 0;
                }
        return config_problem(ret_problem, "'%s' is not among its words; write %s", text,
                              key->type);
}

static const char *text_word(const struct config_key *key, const void *field,
                             char buffer[static CONFIG_TEXT_MAX]) {
        unsigned v;

        memcpy(&v, field, sizeof(v));
        return key->word(v);
}

static int parse_yes_no(const struct config_key *key, const char *text, void *field,
                        char ret_problem[static CONFIG_PROBLEM_MAX]) {
        bool *value = field;

        if (!streq(text, "yes") && !streq(text, "no"))
                return config_problem(ret_problem, "'%s' is neither yes nor no; write yes or no",
                                      text);
        *value = streq(text, "yes");
        return 0;
}

static const char *text_yes_no(const struct config_key *key, const void *field,
                               char buffer[static CONFIG_TEXT_MAX]) {
        return *(const bool *)field ? "yes" : "no";
}

/* ---- Texts ---- */

int config_set_text(char **field, const char *text) {
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

static bool has_control(const char *text) {
        for (; *text; text++)
                if (iscntrl((unsigned char)*text))
                        return true;
        return false;
}

static bool has_dotdot(const char *path) {
        for (const char *p = strstr(path, "/.."); p; p = strstr(p + 1, "/.."))
                if (p[3] == '\0' || p[3] == '/')
                        return true;
        return false;
}

static int parse_path(const struct config_key *key, const char *text, void *field,
                      char ret_problem[static CONFIG_PROBLEM_MAX]) {
        if (text[0] == '"' || text[0] == '\'')
                return config_problem(ret_problem, "%s is quoted; write the path without quotes",
                                      text);
        if (text[0] != '/')
                return config_problem(ret_problem, "'%s' is a relative path; write it from / on",
                                      text);
        if (has_control(text))
                return config_problem(ret_problem, "'%s' has control characters; rename the folder",
                                      text);
        /* A path that doesn't exist yet is compared as text, where ".." would hide a place. */
        if (has_dotdot(text))
                return config_problem(ret_problem,
                                      "'%s' has a '..' part; write the path without it", text);
        if (strlen(text) >= PATH_MAX)
                return config_problem(ret_problem, "path is too long; %d characters are the most",
                                      PATH_MAX - 1);
        return config_set_text(field, text);
}

static int parse_user(const struct config_key *key, const char *text, void *field,
                      char ret_problem[static CONFIG_PROBLEM_MAX]) {
        size_t n = 0;

        while (text[n] && (isalnum((unsigned char)text[n]) || strchr("_-.", text[n])))
                n++;
        if (text[n] || n > USER_NAME_MAX || !(isalpha((unsigned char)text[0]) || text[0] == '_'))
                return config_problem(
                        ret_problem,
                        "'%s' can't be a user's name; write at most %d of A-Z a-z 0-9 _ - "
                        ". that begin with a letter or _",
                        text, USER_NAME_MAX);
        return config_set_text(field, text);
}

static const char *text_text(const struct config_key *key, const void *field,
                             char buffer[static CONFIG_TEXT_MAX]) {
        return *(char *const *)field;
}

const char *config_hash_hint(const char *text) {
        return strstr(text, " #") ? " (a comment behind a value begins with ;)" : "";
}

/* ---- The table ---- */

#define PATH         .parse = parse_path, .text = text_text
#define USER         .parse = parse_user, .text = text_text
#define SOCKET       .parse = config_parse_socket, .text = text_text
#define NETWORKS     .parse = config_parse_networks, .text = text_text
#define PATTERNS     .parse = config_parse_patterns, .text = text_text
#define WINDOW       .parse = config_parse_window, .text = config_text_window
#define KEY_ID       .parse = config_parse_key_id, .text = text_text
#define YES_NO       .parse = parse_yes_no, .text = text_yes_no
#define SIZE(lo, hi) .parse = parse_size, .text = text_size, .min = lo, .max = hi
#define DURATION(lo, hi) \
        .parse = config_parse_duration, .text = config_text_duration, .min = lo, .max = hi
#define COUNT(lo, hi) .parse = parse_count, .text = text_count, .min = lo, .max = hi
#define RESCAN                                                                         \
        .parse = config_parse_rescan, .text = config_text_rescan, .min = USEC_PER_SEC, \
        .max = 36500 * DAY
#define SIGNATURES .parse = config_parse_signatures, .text = text_text, .list = true
#define CLAMD      .parse = config_parse_clamd, .text = text_text
#define UNTIL      .parse = config_parse_until, .text = config_text_until
#define WORD(func) .parse = parse_word, .text = text_word, .word = func

#define KEY(section, name, member, type, default_text, help, ...) \
        { section, name, type, default_text, help, .offset = offsetof(OBJECT, member), __VA_ARGS__ }

#define SCANNER(...)    KEY(SECTION_SCANNER, __VA_ARGS__)
#define STAMP(...)      KEY(SECTION_STAMP, __VA_ARGS__)
#define GATE(...)       KEY(SECTION_GATE, __VA_ARGS__)
#define CACHE(...)      KEY(SECTION_CACHE, __VA_ARGS__)
#define QUARANTINE(...) KEY(SECTION_QUARANTINE, __VA_ARGS__)
#define REMEDY(...)     KEY(SECTION_REMEDY, __VA_ARGS__)
#define ALLOW(...)      KEY(SECTION_ALLOW, __VA_ARGS__)
#define SWEEP(...)      KEY(SECTION_SWEEP, __VA_ARGS__)
#define HUB(...)        KEY(SECTION_HUB, __VA_ARGS__)
#define STORE(...)      KEY(SECTION_STORE, __VA_ARGS__)

/* What a change takes while storescand runs. */
#define RESTART .restart = true
#define ENGINE  .engine = true

/* A key of a store that is as in [sweep] unless it says otherwise. */
#define INHERIT(key, member, type, help)                                        \
        STORE("sweep_" key, sweep.member, type " | inherit", "inherit", help,   \
              .parse = config_parse_inheriting, .text = config_text_inheriting, \
              .inherits_of = key)

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define DAY (24 * 3600 * USEC_PER_SEC)

/* clang-format off */
#define OBJECT struct config
const struct config_key config_global_keys[] = {
        SCANNER("database", database, "path", STORESCAN_DATABASE,
                "Folder, or single file, of ClamAV signatures.", PATH, ENGINE),
        SCANNER("engine", engine, "embedded | clamd", "embedded",
                "Who scans: libclamav in the workers, or clamd servers.", WORD(word_engine),
                ENGINE),
        SCANNER("clamd", clamd, "unix:path | tcp:host:port ...", "unix:/run/clamav/clamd.ctl",
                "With engine = clamd: the servers; *N behind one gives it N times the work.",
                CLAMD, ENGINE),
        SCANNER("clamd_fallback", clamd_fallback, "none | embedded", "none",
                "Who scans while no clamd server can; none leaves it to on_error.",
                WORD(word_fallback), ENGINE),
        SCANNER("tmpdir", tmpdir, "path", "/run/storescan/scan",
                "Folder on tmpfs where workers unpack; made at start.", PATH, RESTART),
        SCANNER("user", user, "user name", "storescan-worker",
                "Unprivileged user that workers run as.", USER, RESTART),
        SCANNER("workers", workers, "auto | 1 to 64", "auto",
                "Worker processes; auto is twice the CPUs plus one, or 24 for each server.",
                COUNT(1, WORKERS_MAX), .has_auto = true, ENGINE),
        /* libclamav maps nothing beyond 2 GiB. */
        SCANNER("max_file_size", max_file_size, "size", "100M",
                "Largest file, and part of a file, that is scanned.", SIZE(1, 2047 * MIB), ENGINE),
        SCANNER("max_scan_size", max_scan_size, "size", "400M",
                "Most bytes that are scanned for one file, unpacked parts included.",
                SIZE(1, 64 * GIB), ENGINE),
        SCANNER("max_files", max_files, "1 to 1000000", "10000",
                "Most parts of one file that are scanned.", COUNT(1, 1000000), ENGINE),
        SCANNER("max_recursion", max_recursion, "1 to 100", "17",
                "How deep parts within parts are scanned.", COUNT(1, 100), ENGINE),
        SCANNER("scan_timeout", scan_timeout_usec, "duration", "30s",
                "How long an opener waits for a verdict before on_error decides.",
                DURATION(10 * USEC_PER_MSEC, 3600 * USEC_PER_SEC)),
        SCANNER("worker_timeout", worker_timeout_usec, "duration", "60s",
                "How long a worker may take for one file before it is killed.",
                DURATION(10 * USEC_PER_MSEC, 24 * 3600 * USEC_PER_SEC), ENGINE),
        SCANNER("low_queue", low_queue, "1 to 128", "30",
                "Most delivered messages that wait for their scan; others wait for a reader.",
                COUNT(1, LOW_QUEUE_MAX)),
        SCANNER("rescan", rescan, "on-access | sweep | outbreak | never-older-than duration",
                "on-access",
                "When mail that older signatures found clean is scanned again.", RESCAN),
        SCANNER("outbreak_until", outbreak_until_sec, "YYYY-MM-DDTHH:MMZ | none", "none",
                "Until when everything is scanned at its next access, whatever else is set.",
                UNTIL),
        SCANNER("on_access_age", on_access_age, "off | since-install | since-update", "off",
                "Whether mail from before that is let through unscanned and left to a sweep.",
                WORD(word_age)),
        SCANNER("breaker", breaker, "deny | allow", "deny",
                "What an open meets at once while the engine fails again and again.",
                WORD(word_failure)),
        SCANNER("breaker_failures", breaker_failures, "0 to 1000", "10",
                "So many failed scans in a row make it so; 0 is never.", COUNT(0, 1000)),
        SCANNER("breaker_time", breaker_time_usec, "duration", "5min",
                "Within this time.", DURATION(USEC_PER_SEC, DAY)),
        SCANNER("limits", limits, "unscannable | infected", "unscannable",
                "What content is that exceeds a limit.", WORD(word_limits), ENGINE),
        SCANNER("encrypted", encrypted, "unscannable | infected | ignore", "unscannable",
                "What encrypted archives and documents are.", WORD(word_rule), ENGINE),
        SCANNER("broken", broken, "unscannable | infected | ignore", "unscannable",
                "What damaged executables, documents and media files are.", WORD(word_rule), ENGINE),
        SCANNER("pua", pua, "yes | no", "no",
                "Whether signatures of possibly unwanted applications count.", YES_NO, ENGINE),
        SCANNER("phishing", phishing, "yes | no", "no",
                "Whether heuristics look for phishing links.", YES_NO, ENGINE),
        SCANNER("concurrent_reload", concurrent_reload, "yes | no", "yes",
                "Whether new signatures are loaded beside those in use; no takes half the memory.",
                YES_NO),
        STAMP("enabled", stamps, "yes | no", "yes",
                "Whether verdicts are kept in trusted.avstamp and believed when found there.",
                YES_NO),
        STAMP("keys", keys, "path", STORESCAN_CONFDIR "/keys",
                "Folder of the keys by which stamps of hubs are believed.", PATH, RESTART),
        GATE("max_pending", max_pending, "auto | 1 to 1000000", "auto",
                "Most opens held at once; auto is as many as the open file limit bears.",
                COUNT(1, 1000000), .has_auto = true, RESTART),
        GATE("hot_files", hot_files, "0 to 65536", "4096",
                "Most clean files kept open so that their readers need no answer; 0 is none.",
                COUNT(0, 65536), RESTART),
        GATE("hot_time", hot_time_usec, "duration", "5min",
                "How long a file is kept so.",
                DURATION(USEC_PER_SEC, 24 * 3600 * USEC_PER_SEC), RESTART),
        GATE("spin", spin_usec, "0 to 1000", "50",
                "Microseconds for which the next open is looked for before going to sleep, where that "
                "pays.",
                COUNT(0, 1000), RESTART),
        GATE("self_test", self_test_usec, "duration", "1min",
                "How often it is tested that opens in each store are seen; 0s is never.",
                DURATION(0, 24 * 3600 * USEC_PER_SEC)),
        GATE("log_queue", log_queue, "64 to 65536", "512",
                "Most log records that wait for the journal before some are dropped.",
                COUNT(64, 65536), RESTART),
        CACHE("size", cache_size, "size", "64M",
                "Memory of the verdict cache, 64 bytes a verdict; 0 is no cache.",
                SIZE(0, CACHE_SIZE_MAX), RESTART),
        CACHE("directory", cache_directory, "path", "/var/lib/storescan",
                "Folder where the verdict cache is saved; made at start.", PATH, RESTART),
        QUARANTINE("directory", quarantine_directory, "path", "/var/lib/storescan/quarantine",
                "Folder where originals of what was replaced are kept; made when needed.", PATH, RESTART),
        QUARANTINE("keep", quarantine_keep_usec, "duration", "90d",
                "How long they are kept; 0s is for ever.",
                DURATION(0, 36500 * DAY)),
        QUARANTINE("max_size", quarantine_max_size, "size", "1G",
                "Most space that they take once a day; 0 is without limit.",
                SIZE(0, 1024 * 1024 * GIB)),
        QUARANTINE("notify", quarantine_notify, "yes | no", "no",
                "Whether owners are told of replaced mail, once a day at most.", YES_NO),
        QUARANTINE("sendmail", quarantine_sendmail, "path", "/usr/sbin/sendmail",
                "Program that sends those notices.", PATH),
        REMEDY("notice", notice, "path", STORESCAN_CONFDIR "/notice.txt",
                "Text that stands where something infected was; without the file a built-in one.",
                PATH),
        ALLOW("signature", allowed_signatures, "NAME ... | none", "none",
                "Signatures that do not count; may be set more than once.", SIGNATURES, ENGINE),
        SWEEP("schedule", sweep.schedule, "never | boot | daily", "never",
                "When a sweep starts by itself.", WORD(word_schedule)),
        SWEEP("window", sweep.window, "always | HH:MM-HH:MM", "always",
                "Hours of the day when sweeps work; they pause outside.", WINDOW),
        SWEEP("received_within", sweep.received_within_usec, "duration", "0s",
                "Only mail that was received so lately is looked at; 0s is all.",
                DURATION(0, 36500 * DAY)),
        SWEEP("only_unstamped", sweep.only_unstamped, "yes | no", "yes",
                "Whether stamps are believed; else everything is scanned anew.", YES_NO),
        SWEEP("attachments_only", sweep.attachments_only, "yes | no", "no",
                "Whether only stores of detached attachments (sis) are swept.", YES_NO),
        SWEEP("ignore_hub_stamps", sweep.ignore_hub_stamps, "yes | no", "no",
                "Whether what a hub vouched for is scanned all the same.", YES_NO),
        SWEEP("after_update", sweep.after_update, "yes | no", "no",
                "Whether new signatures start a sweep, or start one under way anew.", YES_NO),
        SWEEP("rate", sweep.rate, "0 to 1000000", "0",
                "Most messages a second; 0 is without limit.", COUNT(0, 1000000)),
        SWEEP("max_pressure", sweep.max_pressure, "0 to 100", "60",
                "Percent of the time that others wait for CPU, memory or disk above which sweeps "
                "pause; 0 is never.", COUNT(0, 100)),
        SWEEP("max_load", sweep.max_load, "0 to 1000", "4",
                "The same by the load average a CPU, of kernels without pressure information.",
                COUNT(0, 1000)),
        HUB("socket", hub.socket, "inet:ADDRESS:PORT | unix:/PATH", "inet:127.0.0.1:8893",
                "Where Postfix reaches storescan-hub.", SOCKET),
        HUB("tmpdir", hub.tmpdir, "path", "/run/storescan-hub/tmp/scan",
                "Folder on tmpfs where the hub's workers unpack; made at start.", PATH),
        HUB("spool_size", hub.spool_size, "size", "512M",
                "Most bytes of messages that are held at once; others are deferred.",
                SIZE(MIB, 64 * GIB)),
        HUB("trusted_networks", hub.trusted_networks, "ADDRESS[/BITS] ... | none",
                "127.0.0.0/8 ::1", "Clients whose stamps are kept and honoured.", NETWORKS),
        HUB("strip_outgoing", hub.strip_outgoing, "yes | no", "no",
                "Whether mail that leaves by the transport smtp leaves without stamps.", YES_NO),
        HUB("key", hub.key, "key id | none", "none",
                "Key to stamp with; with none nothing is stamped.", KEY_ID),
        HUB("on_infected", hub.on_infected, "reject | discard | quarantine | tag", "reject",
                "What becomes of infected mail.", WORD(word_hub_infected)),
        HUB("on_error", hub.on_error, "tempfail | accept", "tempfail",
                "What becomes of mail whose scan failed or took too long.", WORD(word_hub_error)),
        HUB("on_unscannable", hub.on_unscannable,
                "reject | discard | quarantine | tag | accept", "accept",
                "What becomes of mail that can't be judged; it is never stamped.", WORD(word_hub)),
        HUB("attachment_names", hub.attachment_names, "PATTERN ... | none", "none",
                "File names, in archives too, that mail may not have.", PATTERNS),
        HUB("attachment_types", hub.attachment_types, "PATTERN ... | none", "none",
                "Types, told by the sender or found, that mail may not have.", PATTERNS),
        HUB("on_attachment", hub.on_attachment, "reject | discard | quarantine | tag", "reject",
                "What becomes of mail with such an attachment.", WORD(word_hub_infected)),
};
#undef OBJECT

#define OBJECT struct config_store
const struct config_key config_store_keys[] = {
        STORE("path", path, "path", NULL,
                "Folder of the store.", PATH),
        STORE("kind", kind, "mailbox | public-folder", "mailbox",
                "Whose mail it is.", WORD(word_kind)),
        STORE("format", format_choice,
                "maildir | sdbox | mdbox | mbox | cyrus | mh | sis | files | auto", "maildir",
                "How mail is kept.", WORD(word_format)),
        STORE("on_infected", on_infected, "replace | block | detect", "replace",
                "What is done about infected mail.", WORD(word_infected)),
        STORE("on_error", on_error, "deny | allow", "deny",
                "What an open meets when the scan failed or took too long.", WORD(word_failure)),
        STORE("on_unscannable", on_unscannable, "deny | allow", "allow",
                "What an open meets of content that can't be judged.", WORD(word_failure)),
        STORE("marks", marks, "auto | filesystem | directories", "auto",
                "How the kernel is told to report opens.", WORD(word_marks)),
        STORE("stamps", stamps, "honour | ignore | honour-on-access-only", "honour",
                "Whether a hub's stamp in a message's header takes the place of a scan.",
                WORD(word_stamps)),
        STORE("stamp_max_age", stamp_max_age_usec, "duration", "24h",
                "How old such a stamp may be.",
                DURATION(USEC_PER_SEC, 100000 * 3600 * USEC_PER_SEC)),
        STORE("stamp_max_lag", stamp_max_lag, "0 to 1000000", "0",
                "By how many versions its signatures may be older than those here.",
                COUNT(0, 1000000)),
        STORE("scan_timeout", scan_timeout_usec, "duration | inherit", "inherit",
                "How long an opener waits here; inherit is as long as [scanner] says.",
                DURATION(10 * USEC_PER_MSEC, 3600 * USEC_PER_SEC), .inherits = true),
        STORE("proactive", proactive, "auto | yes | no", "auto",
                "Whether new mail is scanned before anybody asks; auto is in public folders.",
                WORD(word_proactive)),
        STORE("rescan", rescan,
                "on-access | sweep | outbreak | never-older-than duration | inherit", "inherit",
                "When mail that older signatures found clean is scanned again.", RESCAN,
                .inherits = true),
        STORE("outbreak_until", outbreak_until_sec, "YYYY-MM-DDTHH:MMZ | none | inherit", "inherit",
                "Until when everything is scanned at its next access.", UNTIL, .inherits = true),
        STORE("on_access_age", on_access_age, "off | since-install | since-update | inherit",
                "inherit", "Whether mail from before that is let through unscanned.",
                WORD(word_age_or_inherit)),
        STORE("breaker", breaker, "deny | allow | inherit", "inherit",
                "What an open meets at once while the engine fails again and again.",
                WORD(word_failure_or_inherit)),
        INHERIT("schedule", schedule, "never | boot | daily", "See [sweep]; likewise below."),
        INHERIT("window", window, "always | HH:MM-HH:MM", "Hours of its sweep."),
        INHERIT("received_within", received_within_usec, "duration", "What its sweep looks at."),
        INHERIT("only_unstamped", only_unstamped, "yes | no", "Whether it believes stamps."),
        INHERIT("attachments_only", attachments_only, "yes | no", "Whether only attachments."),
        INHERIT("ignore_hub_stamps", ignore_hub_stamps, "yes | no", "Whether it believes hubs."),
        INHERIT("after_update", after_update, "yes | no", "Whether new signatures start it."),
        INHERIT("rate", rate, "0 to 1000000", "Its rate."),
        INHERIT("max_pressure", max_pressure, "0 to 100", "When it pauses."),
        INHERIT("max_load", max_load, "0 to 1000", "When it pauses."),
};
#undef OBJECT
/* clang-format on */

const size_t config_n_global_keys = ELEMENTSOF(config_global_keys);
const size_t config_n_store_keys = ELEMENTSOF(config_store_keys);
