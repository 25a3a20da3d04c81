/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the making of an engine: its options, its signatures, and what libclamav says of them. Must
 * not know what a scan is (scan.c), nor of jobs, slots or the gate.
 */

#include "daemon/worker/engine-private.h"

#include <iconv.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/worker/mail-prefix.h"
#include "store/util.h"

/* libclamav's own bound of a file: it counts in int. */
#define SIZE_MAX_SCANNED ((uint64_t)INT_MAX - MAIL_PREFIX_SIZE - 64)

#define RECURSION_MAX   100
#define LOAD_ERRORS_MAX 2

_printf_(2, 3) static int problem_set(char problem[static ENGINE_PROBLEM_MAX], const char *format,
                                      ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(problem, ENGINE_PROBLEM_MAX, format, ap);
        va_end(ap);
        return -EINVAL;
}

/* ---- What libclamav says ---- */

/* While signatures are loaded: the first errors. */
static struct {
        char text[ENGINE_PROBLEM_MAX];
        unsigned n;
        bool named; /* the file with the mistake */
} load_errors;

/* The first says what is wrong, the second or a later one in which file, by the name that was given to
 * cl_load(). Whether it is one of them. */
static bool remember_load_error(const char *line) {
        static const char can_not_load[] = "Can't load ";
        const char *file = startswith(line, can_not_load),
                   *slash = file ? strrchr(file, '/') : NULL;
        size_t n = strlen(load_errors.text);

        if (load_errors.n >= LOAD_ERRORS_MAX && (!slash || load_errors.named))
                return false;
        load_errors.named = load_errors.named || slash;
        (void)snprintf(load_errors.text + n, sizeof(load_errors.text) - n, "%s%s%s",
                       n > 0 ? ": " : "", slash ? can_not_load : "", slash ? slash + 1 : line);
        load_errors.n++;
        return true;
}

static void message(enum cl_msg severity, const char *full, const char *text, void *context) {
        char line[ENGINE_PROBLEM_MAX];

        if (severity < CL_MSG_WARN)
                return;
        (void)snprintf(line, sizeof(line), "%s", text);
        line[strcspn(line, "\n")] = '\0';
        if (scan_message(line))
                return;
        if (severity < CL_MSG_ERROR || !remember_load_error(line))
                fprintf(stderr, "storescan-worker: libclamav: %s\n", line);
}

/* ---- The engine ---- */

/* Character sets of code pages that libclamav converts from. The C library loads a module for most
 * of them, which a worker may not: they are opened once and never closed. */
static void load_charsets(void) {
        static const char *const charsets[] = {
                "UTF-7",         "UTF-16",       "UTF-16LE",     "UTF-16BE",     "UTF-32",
                "UTF-32LE",      "UTF-32BE",     "UCS-4",        "UCS-4LE",      "UCS-4BE",
                "ISO-10646",     "MACINTOSH",    "KOI8-R",       "KOI8-U",       "SHIFT_JIS",
                "BIG5",          "GB2312",       "GB18030",      "HZ",           "JOHAB",
                "EUC-JP",        "EUC-KR",       "EUC-CN",       "ISO-2022-JP",  "ISO-2022-JP-2",
                "ISO-2022-JP-3", "ISO-2022-KR",  "ASMO-708",     "CP866",        "CP874",
                "CP875",         "CP949",        "CP1025",       "WINDOWS-874",  "WINDOWS-1250",
                "WINDOWS-1251",  "WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255",
                "WINDOWS-1256",  "WINDOWS-1257", "WINDOWS-1258", "ISO-8859-1",   "ISO-8859-2",
                "ISO-8859-3",    "ISO-8859-4",   "ISO-8859-5",   "ISO-8859-6",   "ISO-8859-7",
                "ISO-8859-8",    "ISO-8859-9",   "ISO-8859-13",  "ISO-8859-15",  "IBM037",
                "IBM273",        "IBM277",       "IBM278",       "IBM280",       "IBM284",
                "IBM285",        "IBM290",       "IBM297",       "IBM420",       "IBM423",
                "IBM424",        "IBM437",       "IBM500",       "IBM775",       "IBM850",
                "IBM852",        "IBM855",       "IBM857",       "IBM860",       "IBM861",
                "IBM863",        "IBM864",       "IBM865",       "IBM869",       "IBM870",
                "IBM871",        "IBM880",       "IBM905",       "IBM1026",
        };

        /* One that this C library does not know can't be converted from anyway. */
        for (size_t i = 0; i < ELEMENTSOF(charsets); i++)
                (void)iconv_open("UTF-8", charsets[i]);
}

int engine_init(char problem[static ENGINE_PROBLEM_MAX]) {
        cl_error_t e;

        tzset();
        load_charsets();
        cl_set_clcb_msg(message);
        e = cl_init(CL_INIT_DEFAULT);
        if (e != CL_SUCCESS)
                return problem_set(problem, "libclamav can't be initialised: %s", cl_strerror(e));
        return 0;
}

const char *engine_name(void) {
        static char name[32];

        (void)snprintf(name, sizeof(name), "ClamAV %s", cl_retver());
        return name;
}

static int find_unrar(struct dl_phdr_info *info, size_t size, void *userdata) {
        return strstr(info->dlpi_name, "libclamunrar") != NULL;
}

bool engine_opens_rar(void) {
        static int found = -1;

        if (found < 0)
                found = dl_iterate_phdr(find_unrar, NULL);
        return found > 0;
}

unsigned engine_level(void) {
        return cl_retflevel();
}

/* Sets an option and looks whether libclamav took it as it is: it replaces what it does not like
 * with a default of its own. */
static int set_number(struct engine *engine, enum cl_engine_field field, uint64_t value,
                      const char *what, char problem[static ENGINE_PROBLEM_MAX]) {
        cl_error_t e = cl_engine_set_num(engine->cl, field, (long long)value);

        if (e != CL_SUCCESS || (uint64_t)cl_engine_get_num(engine->cl, field, NULL) != value)
                return problem_set(problem, "libclamav does not take %s %llu", what,
                                   (unsigned long long)value);
        return 0;
}

static int set_options(struct engine *engine, char problem[static ENGINE_PROBLEM_MAX]) {
        const struct engine_options *o = &engine->options;
        /* The content may come behind the prefix; only parts must stay below the limit itself. */
        uint64_t file_size = o->max_file_size + MAIL_PREFIX_SIZE;
        const struct {
                enum cl_engine_field field;
                uint64_t value;
                const char *what;
        } numbers[] = {
                { CL_ENGINE_MAX_FILESIZE, file_size, "max_file_size" },
                { CL_ENGINE_MAX_SCANSIZE, o->max_scan_size, "max_scan_size" },
                { CL_ENGINE_MAX_FILES, o->max_files, "max_files" },
                { CL_ENGINE_MAX_RECURSION, o->max_recursion, "max_recursion" },
                { CL_ENGINE_MAX_SCANTIME, o->max_scan_msec, "a time limit of" },
                /* Its key, MD5 and size, can be forged: a clean twin would vouch for an evil one. */
                { CL_ENGINE_DISABLE_CACHE, 1, "DISABLE_CACHE" },
                /* No code is made at run time, so that the process can do without such memory. */
                { CL_ENGINE_BYTECODE_MODE, CL_BYTECODE_MODE_INTERPRETER, "BYTECODE_MODE" },
                /* Beyond these, contents would silently be matched less thoroughly. */
                { CL_ENGINE_MAX_EMBEDDEDPE, file_size, "MAX_EMBEDDEDPE" },
                { CL_ENGINE_MAX_HTMLNORMALIZE, file_size, "MAX_HTMLNORMALIZE" },
                { CL_ENGINE_MAX_HTMLNOTAGS, file_size, "MAX_HTMLNOTAGS" },
                { CL_ENGINE_MAX_SCRIPTNORMALIZE, file_size, "MAX_SCRIPTNORMALIZE" },
                { CL_ENGINE_PCRE_MAX_FILESIZE, file_size, "PCRE_MAX_FILESIZE" },
        };

        if (o->max_file_size == 0 || o->max_scan_size == 0 || o->max_files == 0 ||
            o->max_recursion == 0)
                return problem_set(problem, "a limit of 0 is no limit to libclamav");
        /* Each layer takes stack. */
        if (o->max_recursion > RECURSION_MAX)
                return problem_set(problem, "max_recursion %u is more than %d", o->max_recursion,
                                   RECURSION_MAX);
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                int r = set_number(engine, numbers[i].field, numbers[i].value, numbers[i].what,
                                   problem);

                if (r < 0)
                        return r;
        }

        engine->scan_options.parse = ~0U;
        engine->scan_options.general = CL_SCAN_GENERAL_HEURISTICS | CL_SCAN_GENERAL_UNPRIVILEGED;
        engine->scan_options.heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX;
        if (o->rules.encrypted != CONTENT_IGNORE)
                engine->scan_options.heuristic |=
                        CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE | CL_SCAN_HEURISTIC_ENCRYPTED_DOC;
        if (o->rules.broken != CONTENT_IGNORE)
                engine->scan_options.heuristic |=
                        CL_SCAN_HEURISTIC_BROKEN | CL_SCAN_HEURISTIC_BROKEN_MEDIA;
        return 0;
}

struct engine *engine_free(struct engine *engine) {
        if (!engine)
                return NULL;
        if (engine->cl)
                (void)cl_engine_free(engine->cl);
        free(engine);
        return NULL;
}

DEFINE_CLEANUP(struct engine *, engine_free);

int engine_new(const struct engine_options *options, const char *tmpdir, struct engine **ret,
               char problem[static ENGINE_PROBLEM_MAX]) {
        _cleanup_(engine_freep) struct engine *engine = calloc(1, sizeof(*engine));
        int r;

        if (engine)
                engine->cl = cl_engine_new();
        if (!engine || !engine->cl) {
                (void)problem_set(problem, "there is not enough memory for an engine");
                return -ENOMEM;
        }
        engine->options = *options;
        engine->pool = -EBADF;
        engine->options.max_file_size = MIN(options->max_file_size, SIZE_MAX_SCANNED);
        r = set_options(engine, problem);
        if (r < 0)
                return r;
        r = engine_set_tmpdir(engine, tmpdir);
        if (r < 0) {
                (void)problem_set(problem, "libclamav does not take a folder for temporary files");
                return r;
        }
        scan_install(engine->cl);

        *ret = TAKE_PTR(engine);
        return 0;
}

int engine_set_tmpdir(struct engine *engine, const char *path) {
        return cl_engine_set_str(engine->cl, CL_ENGINE_TMPDIR, path) == CL_SUCCESS ? 0 : -ENOMEM;
}

void engine_set_pool(struct engine *engine, int pool, bool fallback) {
        engine->pool = pool;
        engine->fallback = fallback;
}

bool engine_lost_pool(const struct engine *engine) {
        return engine->pool_lost;
}

bool engine_scanned_here(const struct engine *engine) {
        return engine->scanned_here;
}

void engine_set_attachments(struct engine *engine, struct attachments *attachments) {
        engine->attachments = attachments;
}

uint32_t engine_set_time_limit(struct engine *engine, uint32_t msec) {
        uint32_t before = engine->options.max_scan_msec;

        engine->options.max_scan_msec = msec;
        return before;
}

uint32_t engine_database_version(const struct engine *engine) {
        long long version = cl_engine_get_num(engine->cl, CL_ENGINE_DB_VERSION, NULL);

        return version > 0 ? (uint32_t)MIN(version, (long long)UINT32_MAX) : 0;
}

uint64_t engine_database_usec(const struct engine *engine) {
        long long seconds = cl_engine_get_num(engine->cl, CL_ENGINE_DB_TIME, NULL);

        return seconds > 0 ? (uint64_t)MIN(seconds, (long long)UINT32_MAX) * USEC_PER_SEC : 0;
}

static void forget_load_errors(void) {
        load_errors.text[0] = '\0';
        load_errors.n = 0;
        load_errors.named = false;
}

static int load_failed(char problem[static ENGINE_PROBLEM_MAX], const char *what, cl_error_t e) {
        return problem_set(problem, "libclamav %s: %s", what,
                           load_errors.n > 0 ? load_errors.text : cl_strerror(e));
}

int engine_load(struct engine *engine, const char *path, unsigned *ret_signatures,
                char problem[static ENGINE_PROBLEM_MAX]) {
        unsigned options = CL_DB_BYTECODE, n = 0;
        cl_error_t e;

        if (engine->options.pua)
                options |= CL_DB_PUA;
        if (engine->options.phishing)
                options |= CL_DB_PHISHING | CL_DB_PHISHING_URLS;

        forget_load_errors();
        e = cl_load(path, engine->cl, &n, options);
        if (e != CL_SUCCESS)
                return load_failed(problem, "refused the signatures", e);
        *ret_signatures = n;
        return 0;
}

int engine_compile(struct engine *engine, char problem[static ENGINE_PROBLEM_MAX]) {
        cl_error_t e;

        forget_load_errors();
        e = cl_engine_compile(engine->cl);
        if (e != CL_SUCCESS)
                return load_failed(problem, "failed to prepare the signatures", e);
        return 0;
}
