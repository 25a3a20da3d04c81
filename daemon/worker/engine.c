/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the libclamav engine and, while a scan runs, what its callbacks report. The traps that this
 * file knows of, each met in practice:
 *
 *  - CL_CLEAN is returned when there is no temporary folder, no inode, or a read fails; only the
 *    message callback tells, and a read only the one who does it (so we do it: read_source()).
 *  - Limits are silent unless HEURISTIC_EXCEEDS_MAX is set, and some then still: what is unpacked
 *    from a zip or cabinet file is cut at MaxFileSize or at what is left of MaxScanSize, scanned,
 *    and called clean. Such a piece is told by its size (inspected()).
 *  - A message is only parsed as mail when libclamav recognises its first lines. "GIF89a: x" or
 *    "ARC-Seal: ..." before them is enough to hide an attachment, so that content which was not
 *    taken for mail is looked at again behind a line that is (mail_prefix).
 *  - Without its unrar module RAR archives are passed over as if they were empty.
 *  - Of several things that can't be looked into, only one is reported (findings_want_all()).
 *  - Content of up to 5 bytes is not looked at. It is clean by definition: no signature is so short.
 *
 * Must not know of jobs, slots or the gate.
 */

#include "daemon/worker/engine.h"

#include <clamav.h>
#include <iconv.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/util.h"

/* What libclamav looks at at all, and its own bound of a file (it counts in int). */
#define SIZE_MIN_SCANNED 6
#define SIZE_MAX_SCANNED ((uint64_t)INT_MAX - 64)

/* libclamav unpacks in pieces of stdio's BUFSIZ, so that what was cut is short of the limit by less
 * than one. */
#define UNPACK_STEP 8192

#define RECURSION_MAX   100
#define LOAD_ERRORS_MAX 2

static const char mail_prefix[] = "Received: by storescan\r\n";

struct engine {
        struct cl_engine *cl;
        struct engine_options options;
        struct cl_scan_options scan_options;
};

/* What is scanned: memory or a file, behind a prefix or not. */
struct source {
        const uint8_t *data; /* or NULL: fd */
        int fd;
        uint64_t size;
        bool prefixed;
        struct findings *findings;
};

/* The scan that runs, for callbacks: some messages come without the context that scans are given,
 * and there is one scan at a time. While signatures are loaded: their first error. */
static struct {
        struct findings *findings;
        const struct engine *engine;
        bool mail;             /* the content itself was taken for mail */
        uint64_t layers_size;  /* sum of all layers, as MaxScanSize counts */
        uint64_t started_msec; /* of the first pass */
        char load_error[ENGINE_PROBLEM_MAX];
        unsigned load_errors;
} current;

_printf_(2, 3) static int problem_set(char problem[static ENGINE_PROBLEM_MAX], const char *format,
                                      ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(problem, ENGINE_PROBLEM_MAX, format, ap);
        va_end(ap);
        return -EINVAL;
}

/* ---- Callbacks ---- */

/* The first says what is wrong, the second in which file, by the name that was given to cl_load(). */
static void remember_load_error(const char *line) {
        static const char can_not_load[] = "Can't load ";
        const char *file = startswith(line, can_not_load),
                   *slash = file ? strrchr(file, '/') : NULL;
        size_t n = strlen(current.load_error);

        (void)snprintf(current.load_error + n, sizeof(current.load_error) - n, "%s%s%s",
                       n > 0 ? ": " : "", slash ? can_not_load : "", slash ? slash + 1 : line);
        current.load_errors++;
}

static void message(enum cl_msg severity, const char *full, const char *text, void *context) {
        char line[ENGINE_PROBLEM_MAX];

        if (severity < CL_MSG_WARN)
                return;
        (void)snprintf(line, sizeof(line), "%s", text);
        line[strcspn(line, "\n")] = '\0';
        if (current.findings)
                findings_remark(current.findings, line);
        else if (severity >= CL_MSG_ERROR && current.load_errors < LOAD_ERRORS_MAX)
                remember_load_error(line);
        else
                fprintf(stderr, "storescan-worker: libclamav: %s\n", line);
}

static cl_error_t pre_cache(int fd, const char *type, void *context) {
        if (!current.findings)
                return CL_CLEAN;
        if (current.findings->layers++ == 0)
                current.mail = streq(type, "CL_TYPE_MAIL") || streq(type, "CL_TYPE_MHTML");
        if (startswith(type, "CL_TYPE_RAR") && !engine_opens_rar())
                current.findings->unsupported = true;
        return CL_CLEAN;
}

static cl_error_t inspected(int fd, const char *type, const char **ancestors, size_t parent_size,
                            const char *name, size_t size, const char *buffer, uint32_t level,
                            uint32_t attributes, void *context) {
        const struct engine_options *options;

        if (!current.findings || attributes & LAYER_ATTRIBUTES_NORMALIZED)
                return CL_CLEAN;
        options = &current.engine->options;
        current.layers_size += size;
        if (level > 0 && (size + UNPACK_STEP > options->max_file_size ||
                          current.layers_size + UNPACK_STEP > options->max_scan_size))
                current.findings->truncated = true;
        return CL_CLEAN;
}

static void virus_found(int fd, const char *name, void *context) {
        if (current.findings && name)
                findings_alert(current.findings, name);
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
        uint64_t file_size = o->max_file_size + sizeof(mail_prefix) - 1;
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
        engine->options.max_file_size = MIN(options->max_file_size, SIZE_MAX_SCANNED);
        r = set_options(engine, problem);
        if (r < 0)
                return r;
        r = engine_set_tmpdir(engine, tmpdir);
        if (r < 0) {
                (void)problem_set(problem, "libclamav does not take a folder for temporary files");
                return r;
        }
        cl_engine_set_clcb_pre_cache(engine->cl, pre_cache);
        cl_engine_set_clcb_file_inspection(engine->cl, inspected);
        cl_engine_set_clcb_virus_found(engine->cl, virus_found);

        *ret = TAKE_PTR(engine);
        return 0;
}

int engine_set_tmpdir(struct engine *engine, const char *path) {
        return cl_engine_set_str(engine->cl, CL_ENGINE_TMPDIR, path) == CL_SUCCESS ? 0 : -ENOMEM;
}

uint32_t engine_database_version(const struct engine *engine) {
        long long version = cl_engine_get_num(engine->cl, CL_ENGINE_DB_VERSION, NULL);

        return version > 0 ? (uint32_t)MIN(version, (long long)UINT32_MAX) : 0;
}

static void forget_load_errors(void) {
        current.load_error[0] = '\0';
        current.load_errors = 0;
}

static int load_failed(char problem[static ENGINE_PROBLEM_MAX], const char *what, cl_error_t e) {
        return problem_set(problem, "libclamav %s: %s", what,
                           current.load_errors > 0 ? current.load_error : cl_strerror(e));
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

/* ---- Scans ---- */

/* The content for libclamav, which believes a failed or short read to be the end of something. */
static off_t read_source(void *handle, void *buffer, size_t size, off_t offset) {
        struct source *source = handle;
        uint64_t prefix = source->prefixed ? sizeof(mail_prefix) - 1 : 0, at = (uint64_t)offset;
        size_t done = 0;

        if (offset < 0 || at > prefix + source->size)
                return -1;
        size = (size_t)MIN((uint64_t)size, prefix + source->size - at);
        if (at < prefix) {
                done = (size_t)MIN((uint64_t)size, prefix - at);
                memcpy(buffer, mail_prefix + at, done);
        }
        if (source->data) {
                if (done < size)
                        memcpy((uint8_t *)buffer + done, source->data + (at + done - prefix),
                               size - done);
                return (off_t)size;
        }
        while (done < size) {
                ssize_t n = pread(source->fd, (uint8_t *)buffer + done, size - done,
                                  (off_t)(at + done - prefix));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        source->findings->read_failed = true;
                        return -1;
                }
                done += (size_t)n;
        }
        return (off_t)size;
}

static uint64_t now_msec(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* libclamav's limit is for one pass, ours for all of them. False: nothing is left. */
static bool grant_time(struct engine *engine) {
        uint64_t limit = engine->options.max_scan_msec, elapsed = now_msec() - current.started_msec;

        if (limit == 0)
                return true;
        if (elapsed >= limit)
                return false;
        return cl_engine_set_num(engine->cl, CL_ENGINE_MAX_SCANTIME,
                                 (long long)(limit - elapsed)) == CL_SUCCESS;
}

/* One pass of libclamav over the source. */
static void look(struct engine *engine, struct source *source, bool all, struct findings *ret) {
        struct cl_scan_options options = engine->scan_options;
        unsigned long scanned = 0;
        const char *name = NULL;
        cl_fmap_t *map;
        cl_error_t e;

        memset(ret, 0, sizeof(*ret));
        source->findings = ret;
        current.findings = ret;
        current.engine = engine;
        current.mail = false;
        current.layers_size = 0;
        if (all)
                options.general |= CL_SCAN_GENERAL_ALLMATCHES;
        if (!grant_time(engine)) {
                ret->timed_out = true;
                proto_text(ret->error, sizeof(ret->error), "no time was left to look at all of it");
                current.findings = NULL;
                return;
        }

        if (source->data && !source->prefixed)
                map = cl_fmap_open_memory(source->data, source->size);
        else
                map = cl_fmap_open_handle(
                        source, 0, source->size + (source->prefixed ? sizeof(mail_prefix) - 1 : 0),
                        read_source, 1);
        if (map) {
                e = cl_scanmap_callback(map, NULL, &name, &scanned, engine->cl, &options, NULL);
                cl_fmap_close(map);
        } else
                e = CL_EMAP;
        current.findings = NULL;

        if (e == CL_VIRUS) {
                if (name)
                        findings_alert(ret, name);
                ret->nameless = !findings_alerted(ret);
        } else if (e != CL_CLEAN) {
                ret->timed_out = e == CL_ETIMEOUT;
                proto_text(ret->error, sizeof(ret->error), cl_strerror(e));
        }
}

static void scan_source(struct engine *engine, struct source *source, struct scan *ret) {
        struct findings findings;
        struct scan scan;
        bool mail;

        look(engine, source, false, &findings);
        mail = current.mail;
        findings_judge(&findings, &engine->options.rules, &scan);
        *ret = scan;
        if (findings_want_all(&findings) && scan.verdict != VERDICT_INFECTED) {
                look(engine, source, true, &findings);
                findings_judge(&findings, &engine->options.rules, &scan);
                scan_merge(ret, &scan);
        }
        if (!mail && !source->prefixed && ret->verdict != VERDICT_INFECTED &&
            !(ret->verdict == VERDICT_UNKNOWN && ret->reason == REASON_TIMEOUT)) {
                source->prefixed = true;
                scan_source(engine, source, &scan);
                scan_merge(ret, &scan);
        }
}

static void scan_any(struct engine *engine, struct source *source, struct scan *ret) {
        current.started_msec = now_msec();
        if (source->size < SIZE_MIN_SCANNED)
                scan_set(ret, VERDICT_CLEAN, REASON_NONE, "");
        else if (engine_too_large(engine, source->size))
                engine_judge_too_large(engine, ret);
        else
                scan_source(engine, source, ret);
}

void engine_scan_memory(struct engine *engine, const void *data, size_t size, struct scan *ret) {
        struct source source = { .data = data, .fd = -EBADF, .size = size };

        scan_any(engine, &source, ret);
}

void engine_scan_fd(struct engine *engine, int fd, uint64_t size, struct scan *ret) {
        struct source source = { .fd = fd, .size = size };

        scan_any(engine, &source, ret);
}

bool engine_too_large(const struct engine *engine, uint64_t size) {
        return size > engine->options.max_file_size;
}

void engine_judge_too_large(const struct engine *engine, struct scan *ret) {
        struct findings findings = {};

        findings_alert(&findings, "Heuristics.Limits.Exceeded.MaxFileSize");
        findings_judge(&findings, &engine->options.rules, ret);
}
