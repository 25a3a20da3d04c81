/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The configuration where it is right: defaults, every type of value, files that override each
 * other, and printing that loads to the same values.
 */

#include <sched.h>

#include "tests/unit/config-fixture.h"
#include "tests/unit/unit.h"

static void assert_path(const char *path, const char *expected) {
        _cleanup_free_ char *full = expand(expected);

        ck_assert_str_eq(path, full);
}

START_TEST(defaults) {
        _cleanup_(config_freep) struct config *c = load_good(VALID);
        const struct config_store *s = c->stores;
        cpu_set_t cpus;

        assert_path(c->database, "@/db");
        ck_assert_str_eq(c->tmpdir, "/run/storescan/scan");
        ck_assert_str_eq(c->user, "storescan-worker");
        ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
        ck_assert_uint_eq(c->workers, MIN(2 * (unsigned)CPU_COUNT(&cpus) + 1, 64U));
        ck_assert_uint_eq(c->max_file_size, 100 << 20);
        ck_assert_uint_eq(c->max_scan_size, 400 << 20);
        ck_assert_uint_eq(c->max_files, 10000);
        ck_assert_uint_eq(c->max_recursion, 17);
        ck_assert_uint_eq(c->scan_timeout_usec, 30 * USEC_PER_SEC);
        ck_assert_uint_eq(c->worker_timeout_usec, 60 * USEC_PER_SEC);
        ck_assert_int_eq(c->limits, CONTENT_UNSCANNABLE);
        ck_assert_int_eq(c->encrypted, CONTENT_UNSCANNABLE);
        ck_assert_int_eq(c->broken, CONTENT_UNSCANNABLE);
        ck_assert(!c->pua);
        ck_assert(!c->phishing);
        ck_assert(c->concurrent_reload);
        ck_assert(c->stamps);
        ck_assert_uint_eq(c->max_pending, 0);
        ck_assert_uint_eq(c->hot_files, 4096);
        ck_assert_uint_eq(c->hot_time_usec, 300 * USEC_PER_SEC);
        ck_assert_uint_eq(c->spin_usec, 50);
        ck_assert_uint_eq(c->self_test_usec, 60 * USEC_PER_SEC);
        ck_assert_uint_eq(c->log_queue, 512);
        ck_assert_uint_eq(c->cache_size, 64 << 20);
        ck_assert_str_eq(c->cache_directory, "/var/lib/storescan");
        ck_assert_str_eq(c->quarantine_directory, "/var/lib/storescan/quarantine");
        ck_assert_uint_eq(c->quarantine_keep_usec, 90 * 24 * 3600 * USEC_PER_SEC);
        ck_assert_uint_eq(c->quarantine_max_size, 1 << 30);
        ck_assert(!c->quarantine_notify);
        ck_assert_str_eq(c->quarantine_sendmail, "/usr/sbin/sendmail");

        ck_assert_uint_eq(c->n_stores, 1);
        ck_assert_str_eq(s->name, "a");
        assert_path(s->path, "@/a");
        ck_assert_int_eq(s->kind, STORE_KIND_MAILBOX);
        ck_assert_int_eq(s->format, STORE_FORMAT_MAILDIR);
        ck_assert_int_eq(s->on_infected, ON_INFECTED_REPLACE);
        ck_assert_int_eq(s->on_error, ON_FAILURE_DENY);
        ck_assert_int_eq(s->on_unscannable, ON_FAILURE_ALLOW);
        ck_assert_int_eq(s->marks, MARKS_AUTO);
}
END_TEST

static void assert_sweep(const struct config_sweep *a, const struct config_sweep *b) {
        ck_assert_int_eq(a->schedule, b->schedule);
        ck_assert_uint_eq(a->window.from, b->window.from);
        ck_assert_uint_eq(a->window.to, b->window.to);
        ck_assert_uint_eq(a->received_within_usec, b->received_within_usec);
        ck_assert_int_eq(a->only_unstamped, b->only_unstamped);
        ck_assert_int_eq(a->attachments_only, b->attachments_only);
        ck_assert_int_eq(a->ignore_hub_stamps, b->ignore_hub_stamps);
        ck_assert_int_eq(a->after_update, b->after_update);
        ck_assert_uint_eq(a->rate, b->rate);
        ck_assert_uint_eq(a->max_pressure, b->max_pressure);
        ck_assert_uint_eq(a->max_load, b->max_load);
}

/* What a store does not say itself, or says to be as in [sweep], is; each key apart from the others. */
START_TEST(sweep_inherits) {
        static const char *const keys[] = {
                "schedule = boot",       "window = 01:00-02:00",
                "received_within = 7d",  "only_unstamped = yes",
                "attachments_only = no", "ignore_hub_stamps = no",
                "after_update = no",     "rate = 7",
                "max_pressure = 7",      "max_load = 7",
        };
        const struct config_sweep all = {
                .schedule = SWEEP_SCHEDULE_DAILY,
                .window = { 22 * 60, 6 * 60 + 30 },
                .received_within_usec = 48 * 3600 * USEC_PER_SEC,
                .attachments_only = true,
                .ignore_hub_stamps = true,
                .after_update = true,
                .rate = 100,
                .max_pressure = 20,
                .max_load = 2,
        };
        struct config_sweep expected[ELEMENTSOF(keys)];

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                expected[i] = all;
        expected[0].schedule = SWEEP_SCHEDULE_BOOT;
        expected[1].window = (struct day_window){ 60, 120 };
        expected[2].received_within_usec = 7 * 24 * 3600 * USEC_PER_SEC;
        expected[3].only_unstamped = true;
        expected[4].attachments_only = false;
        expected[5].ignore_hub_stamps = false;
        expected[6].after_update = false;
        expected[7].rate = expected[8].max_pressure = expected[9].max_load = 7;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                _cleanup_(config_freep) struct config *c = NULL;
                _cleanup_free_ char *text = NULL;
                struct config_sweep got;

                ck_assert_int_gt(asprintf(&text,
                                          VALID
                                          "sweep_%s\n"
                                          "[sweep]\nschedule = daily\nwindow = 22:00-06:30\n"
                                          "received_within = 2d\nonly_unstamped = no\n"
                                          "attachments_only = yes\nignore_hub_stamps = yes\n"
                                          "after_update = yes\nrate = 100\nmax_pressure = 20\n"
                                          "max_load = 2\n",
                                          keys[i]),
                                 0);
                c = load_good(text);
                got = config_sweep_of(c, &c->stores[0]);
                assert_sweep(&got, &expected[i]);
        }
}
END_TEST

static const char every_key_text[] =
        "[scanner]\ndatabase = @/db\ntmpdir = @/scan\nuser = _scan.d-1\nworkers = 64\n"
        "max_file_size = 2047M\nmax_scan_size = 64G\nmax_files = 1000000\nmax_recursion = 100\n"
        "scan_timeout = 1500ms\nworker_timeout = 24h\nlimits = infected\nencrypted = ignore\n"
        "broken = infected\npua = yes\nphishing = yes\nconcurrent_reload = no\nlow_queue = 128\n"
        "rescan = never-older-than 30d\noutbreak_until = 2026-11-26T18:00Z\n"
        "on_access_age = since-update\nbreaker = allow\nbreaker_failures = 0\n"
        "breaker_time = 1d\n"
        "[stamp]\nenabled = no\n"
        "[gate]\nmax_pending = 4096\nhot_files = 0\nhot_time = 24h\nspin = 0\nself_test = "
        "0s\nlog_queue = "
        "65536\n"
        "[cache]\nsize = 16G\ndirectory = @/verdicts\n"
        "[quarantine]\ndirectory = @/originals\nkeep = 36h\nmax_size = 0\nnotify = yes\n"
        "sendmail = @/sendmail\n"
        "[sweep]\nschedule = daily\nwindow = 22:00-06:30\nreceived_within = 2d\n"
        "only_unstamped = no\nattachments_only = yes\nignore_hub_stamps = yes\n"
        "after_update = yes\nrate = 100\nmax_pressure = 20\nmax_load = 2\n"
        "[hub]\nsocket = unix:@/milter\ntmpdir = @/hub\nspool_size = 1M\n"
        "trusted_networks = 10.0.0.0/8 2001:db8::/32\nstrip_outgoing = yes\nkey = hub-1\n"
        "on_infected = tag\non_error = accept\non_unscannable = quarantine\n"
        "attachment_names = *.exe *.js\nattachment_types = CL_TYPE_MSEXE\n"
        "on_attachment = discard\n"
        "[store B_1.x-]\npath = @/b\nkind = public-folder\nformat = maildir\n"
        "on_infected = detect\non_error = allow\non_unscannable = deny\nmarks = directories\n"
        "scan_timeout = 1h\nproactive = no\nrescan = sweep\noutbreak_until = none\n"
        "on_access_age = off\nbreaker = deny\n"
        "sweep_rate = inherit\n"
        "[store a]\npath = @//a/\nmarks = filesystem\nformat = sis\n"
        "sweep_schedule = boot\nsweep_window = always\nsweep_received_within = 0s\n"
        "sweep_only_unstamped = yes\nsweep_attachments_only = no\nsweep_ignore_hub_stamps = no\n"
        "sweep_after_update = no\nsweep_rate = 0\nsweep_max_pressure = 0\nsweep_max_load = 0\n";

START_TEST(every_key) {
        _cleanup_(config_freep) struct config *c = load_good(every_key_text);
        const struct config_store *s = c->stores;

        assert_path(c->tmpdir, "@/scan");
        ck_assert_str_eq(c->user, "_scan.d-1");
        ck_assert_uint_eq(c->workers, 64);
        ck_assert_uint_eq(c->max_file_size, UINT64_C(2047) << 20);
        ck_assert_uint_eq(c->max_scan_size, UINT64_C(64) << 30);
        ck_assert_uint_eq(c->max_files, 1000000);
        ck_assert_uint_eq(c->max_recursion, 100);
        ck_assert_uint_eq(c->scan_timeout_usec, 1500 * USEC_PER_MSEC);
        ck_assert_uint_eq(c->worker_timeout_usec, 24 * 3600 * USEC_PER_SEC);
        ck_assert_int_eq(c->limits, CONTENT_INFECTED);
        ck_assert_int_eq(c->encrypted, CONTENT_IGNORE);
        ck_assert_int_eq(c->broken, CONTENT_INFECTED);
        ck_assert(c->pua);
        ck_assert(c->phishing);
        ck_assert(!c->concurrent_reload);
        ck_assert_uint_eq(c->low_queue, 128);
        ck_assert_int_eq(c->rescan.mode, RESCAN_NEVER_OLDER);
        ck_assert_uint_eq(c->rescan.max_age_usec, 30 * 24 * 3600 * USEC_PER_SEC);
        ck_assert_uint_eq(c->outbreak_until_sec, 1795716000);
        ck_assert_int_eq(c->on_access_age, RESCAN_AGE_UPDATE);
        ck_assert_int_eq(c->breaker, ON_FAILURE_ALLOW);
        ck_assert_uint_eq(c->breaker_failures, 0);
        ck_assert_uint_eq(c->breaker_time_usec, 24 * 3600 * USEC_PER_SEC);
        ck_assert_int_eq(s[0].breaker, ON_FAILURE_DENY);
        ck_assert_int_eq(s[1].breaker, _ON_FAILURE_MAX);
        ck_assert(!c->stamps);
        ck_assert_uint_eq(c->max_pending, 4096);
        ck_assert_uint_eq(c->hot_files, 0);
        ck_assert_uint_eq(c->hot_time_usec, 24 * 3600 * USEC_PER_SEC);
        ck_assert_uint_eq(c->spin_usec, 0);
        ck_assert_uint_eq(c->self_test_usec, 0);
        ck_assert_uint_eq(c->log_queue, 65536);
        ck_assert_uint_eq(c->cache_size, UINT64_C(16) << 30);
        assert_path(c->cache_directory, "@/verdicts");
        assert_path(c->quarantine_directory, "@/originals");
        ck_assert_uint_eq(c->quarantine_keep_usec, 36 * 3600 * USEC_PER_SEC);
        ck_assert_uint_eq(c->quarantine_max_size, 0);
        ck_assert(c->quarantine_notify);
        assert_path(c->quarantine_sendmail, "@/sendmail");
        assert_path(c->hub.socket, "unix:@/milter");
        assert_path(c->hub.tmpdir, "@/hub");
        ck_assert_uint_eq(c->hub.spool_size, UINT64_C(1) << 20);
        ck_assert_str_eq(c->hub.trusted_networks, "10.0.0.0/8 2001:db8::/32");
        ck_assert(c->hub.strip_outgoing);
        ck_assert_str_eq(c->hub.key, "hub-1");
        ck_assert_int_eq(c->hub.on_infected, HUB_TAG);
        ck_assert_int_eq(c->hub.on_error, HUB_ERROR_ACCEPT);
        ck_assert_int_eq(c->hub.on_unscannable, HUB_QUARANTINE);
        ck_assert_str_eq(c->hub.attachment_names, "*.exe *.js");
        ck_assert_str_eq(c->hub.attachment_types, "CL_TYPE_MSEXE");
        ck_assert_int_eq(c->hub.on_attachment, HUB_DISCARD);

        ck_assert_uint_eq(c->sweep.window.to, 6 * 60 + 30);
        ck_assert(!c->sweep.only_unstamped);
        ck_assert_int_eq(config_sweep_of(c, &s[1]).schedule, SWEEP_SCHEDULE_BOOT);
        ck_assert_uint_eq(config_sweep_of(c, &s[0]).rate, 100);
        ck_assert_uint_eq(config_sweep_of(c, &s[1]).rate, 0);

        ck_assert_uint_eq(c->n_stores, 2);
        ck_assert_str_eq(s[0].name, "B_1.x-");
        assert_path(s[0].path, "@/b");
        ck_assert_int_eq(s[0].kind, STORE_KIND_PUBLIC_FOLDER);
        ck_assert_int_eq(s[0].on_infected, ON_INFECTED_DETECT);
        ck_assert_int_eq(s[0].on_error, ON_FAILURE_ALLOW);
        ck_assert_int_eq(s[0].on_unscannable, ON_FAILURE_DENY);
        ck_assert_int_eq(s[0].marks, MARKS_DIRECTORIES);
        ck_assert_uint_eq(config_scan_timeout(c, &s[0]), 3600 * USEC_PER_SEC);
        ck_assert_uint_eq(config_scan_timeout(c, &s[1]), 1500 * USEC_PER_MSEC);
        ck_assert(!config_proactive(c, &s[0]) || config_outbreak(c, &s[0]));
        ck_assert_int_eq(config_rescan_policy(c, &s[0]).mode, RESCAN_SWEEP);
        ck_assert_uint_eq(config_rescan_policy(c, &s[0]).outbreak_until_sec, 0);
        ck_assert_int_eq(config_rescan_policy(c, &s[0]).age, RESCAN_AGE_OFF);
        ck_assert_int_eq(config_rescan_policy(c, &s[1]).mode, RESCAN_NEVER_OLDER);
        ck_assert_uint_eq(config_rescan_policy(c, &s[1]).max_age_sec, 30 * 24 * 3600);
        ck_assert_uint_eq(config_rescan_policy(c, &s[1]).outbreak_until_sec, 1795716000);
        ck_assert_int_eq(config_rescan_policy(c, &s[1]).age, RESCAN_AGE_UPDATE);
        assert_path(s[1].path, "@/a");
        ck_assert_int_eq(s[1].marks, MARKS_FILESYSTEM);
        ck_assert_int_eq(s[1].format, STORE_FORMAT_SIS);
        ck_assert_int_eq(s[1].on_error, ON_FAILURE_DENY);
}
END_TEST

static const struct {
        const char *key, *text;
        uint64_t value;
        const char *printed;
} values[] = {
        { "max_scan_size", "1", 1, "1" },
        { "max_scan_size", "1000", 1000, "1000" },
        { "max_scan_size", "1024", 1024, "1K" },
        { "max_scan_size", "007k", 7 << 10, "7K" },
        { "max_scan_size", "1536K", 1536 << 10, "1536K" },
        { "max_scan_size", "2048K", 2 << 20, "2M" },
        { "max_scan_size", "1g", 1 << 30, "1G" },
        { "scan_timeout", "10ms", 10 * USEC_PER_MSEC, "10ms" },
        { "scan_timeout", "2000MS", 2 * USEC_PER_SEC, "2s" },
        { "worker_timeout", "90s", 90 * USEC_PER_SEC, "90s" },
        { "worker_timeout", "2min", 120 * USEC_PER_SEC, "2min" },
        { "worker_timeout", "120min", 7200 * USEC_PER_SEC, "2h" },
};

START_TEST(sizes_and_durations) {
        const struct config_key *key = config_key_find(SECTION_SCANNER, values[_i].key);
        _cleanup_(config_freep) struct config *c = NULL;
        char text[256], buffer[CONFIG_TEXT_MAX];
        void *field;

        (void)snprintf(text, sizeof(text), VALID "[scanner]\n%s = %s\n", values[_i].key,
                       values[_i].text);
        c = load_good(text);
        field = config_key_field(c, key, 0);
        ck_assert_uint_eq(*(uint64_t *)field, values[_i].value);
        ck_assert_str_eq(key->text(key, field, buffer), values[_i].printed);
}
END_TEST

/* Defaults say what they become; types list the words that are taken, in the table's own order. */
START_TEST(table) {
        for (size_t i = 0; i < config_n_global_keys + config_n_store_keys; i++) {
                const struct config_key *key =
                        i < config_n_global_keys ? &config_global_keys[i]
                                                 : &config_store_keys[i - config_n_global_keys];
                char words[128] = "", problem[CONFIG_PROBLEM_MAX], buffer[CONFIG_TEXT_MAX];
                union {
                        char *text;
                        uint64_t number;
                        unsigned count;
                        struct config_rescan rescan;
                } own = {};
                struct config_store store = {}; /* what inherits is more than its field */
                void *field = key->inherits_of ? (char *)&store + key->offset : (void *)&own;
                struct config_key_info info;

                ck_assert(config_key(i, &info));
                ck_assert_str_eq(info.section, config_section_word(key->section));
                ck_assert_str_eq(info.key, key->name);
                ck_assert(*info.help && info.help[strlen(info.help) - 1] == '.');
                ck_assert_ptr_eq(config_key_find(key->section, key->name), key);

                for (unsigned v = 0; key->word && key->word(v); v++) {
                        (void)strcat(words, v > 0 ? " | " : "");
                        (void)strcat(words, key->word(v));
                }
                if (key->word)
                        ck_assert_str_eq(info.type, words);

                if (!key->default_text) {
                        ck_assert_str_eq(info.default_text, "");
                        continue;
                }
                ck_assert_str_eq(info.default_text, key->default_text);
                ck_assert_int_eq(key->parse(key, key->default_text, field, problem), 0);
                if (!key->has_auto && !streq(info.type, "duration")) /* 60s is also 1min */
                        ck_assert_str_eq(key->text(key, field, buffer), key->default_text);
                if (key->text(key, field, buffer) == own.text)
                        free(own.text);
        }
}
END_TEST

START_TEST(end_of_table) {
        struct config_key_info info = {};

        ck_assert(!config_key(config_n_global_keys + config_n_store_keys, &info));
        ck_assert(!config_key(SIZE_MAX, &info));
        ck_assert_ptr_null(info.key);
}
END_TEST

/* A byte order mark, CRLF, blanks, both comments, a section twice, no newline at the end, values
 * with ';' and '#' that begin no comment, lines of any length that are comments. */
START_TEST(layout) {
        _cleanup_(config_freep) struct config *c = NULL;
        char text[1024];

        make_folder("@/a;b");
        make_folder("@/a #b");
        (void)snprintf(text, sizeof(text),
                       "\xef\xbb\xbf  [ store \t a ]\r\n\tpath=@/a;b\t; not ;this\r\n\r\n"
                       "# workers = 1\n ;workers = 2\n[gate] ; comment\nlog_queue:64\n"
                       "[scanner]#comment\n  database   =   @/db   ; x\n#%0300d\n[store a]\n"
                       "marks = directories\n[store c]\npath = @/a #b\n[gate]\nmax_pending = 7",
                       0);
        c = load_good(text);
        ck_assert_uint_eq(c->n_stores, 2);
        assert_path(c->stores[0].path, "@/a;b");
        assert_path(c->stores[1].path, "@/a #b");
        ck_assert_int_eq(c->stores[0].marks, MARKS_DIRECTORIES);
        ck_assert_uint_eq(c->log_queue, 64);
        ck_assert_uint_eq(c->max_pending, 7);
        ck_assert_ptr_null(
                config_origin_of(c, config_key_find(SECTION_SCANNER, "workers"), 0)->file);
}
END_TEST

START_TEST(links_are_resolved) {
        _cleanup_(config_freep) struct config *c = NULL;

        make_link("@/b", "@/link");
        c = load_good(DATABASE "[store a]\npath = @/link/\n");
        assert_path(c->stores[0].path, "@/b");
}
END_TEST

/* ---- Several files ---- */

static void assert_origin(const struct config *c, enum config_section section, const char *key,
                          size_t store, const char *file, unsigned line) {
        const struct config_origin *o = config_origin_of(c, config_key_find(section, key), store);

        if (file)
                assert_path(o->file, file);
        else
                ck_assert_ptr_null(o->file);
        ck_assert_uint_eq(o->line, line);
}

START_TEST(overriding) {
        _cleanup_(config_freep) struct config *c = NULL;

        write_file("@/storescan.conf", VALID "on_error = allow\n[gate]\nlog_queue = 64\n");
        write_file("@/conf.d/9.conf", "[gate]\nlog_queue = 90\n");
        write_file("@/conf.d/10.conf", "[gate]\n\nlog_queue = 100\n[store a]\nmarks = auto\n");
        write_file("@/conf.d/B.conf", "[store b]\npath = @/b\n");
        write_file("@/conf.d/a.conf", "[store a]\non_error = deny\non_infected = detect\n");
        /* None of these is read. */
        write_file("@/conf.d/z.conf.example", "nonsense\n");
        write_file("@/conf.d/z.conf~", "nonsense\n");
        write_file("@/conf.d/.z.conf", "nonsense\n");
        write_file("@/conf.d/.conf", "nonsense\n");
        write_file("@/conf.d/zconf", "nonsense\n");

        c = load(NULL, "");
        ck_assert_uint_eq(c->n_stores, 2);
        ck_assert_str_eq(c->stores[0].name, "a");
        ck_assert_str_eq(c->stores[1].name, "b");
        ck_assert_uint_eq(c->log_queue, 90); /* "10" sorts before "9" */
        ck_assert_int_eq(c->stores[0].on_error, ON_FAILURE_DENY);
        ck_assert_int_eq(c->stores[0].on_infected, ON_INFECTED_DETECT);

        assert_origin(c, SECTION_SCANNER, "database", 0, "@/storescan.conf", 2);
        assert_origin(c, SECTION_SCANNER, "workers", 0, NULL, 0);
        assert_origin(c, SECTION_GATE, "log_queue", 0, "@/conf.d/9.conf", 2);
        assert_origin(c, SECTION_STORE, "path", 0, "@/storescan.conf", 4);
        assert_origin(c, SECTION_STORE, "on_error", 0, "@/conf.d/a.conf", 2);
        assert_origin(c, SECTION_STORE, "marks", 0, "@/conf.d/10.conf", 5);
        assert_origin(c, SECTION_STORE, "marks", 1, NULL, 0);
        assert_origin(c, SECTION_STORE, "path", 1, "@/conf.d/B.conf", 2);
}
END_TEST

START_TEST(dropins_alone) {
        _cleanup_(config_freep) struct config *c = NULL;

        write_file("@/conf.d/only.conf", VALID);
        c = load(NULL, "");
        ck_assert_uint_eq(c->n_stores, 1);
}
END_TEST

/* A file that is named is read alone. */
START_TEST(one_file) {
        _cleanup_(config_freep) struct config *c = NULL;

        write_file("@/storescan.conf", "nonsense\n");
        write_file("@/conf.d/x.conf", "nonsense\n");
        write_file("@/other", VALID);
        c = load("@/other", "");
        ck_assert_uint_eq(c->n_stores, 1);
}
END_TEST

/* ---- Printing ---- */

static char *print(const struct config *config) {
        size_t size = 0;
        char *out;

        ck_assert_int_eq(config_text(config, &out, &size), 0);
        ck_assert_uint_eq(size, strlen(out));
        return out;
}

/* Each line adds to the list, in whatever file; none empties it. */
START_TEST(lists) {
        static const char text[] =
                VALID "[allow]\nsignature = One.UNOFFICIAL Two\nsignature = Three\n";
        _cleanup_free_ char *printed = NULL;
        struct config *c;

        c = load_good(VALID);
        ck_assert_str_eq(c->allowed_signatures, "none");
        config_free(c);
        write_file("@/conf.d/1.conf", "[allow]\nsignature = Four\n");
        c = load_good(text);
        ck_assert_str_eq(c->allowed_signatures, "One.UNOFFICIAL Two Three Four");
        printed = print(c);
        ck_assert_ptr_nonnull(strstr(printed, "\nsignature = One.UNOFFICIAL ; "));
        ck_assert_ptr_nonnull(strstr(printed, "\nsignature = Four ; "));
        config_free(c);

        write_file("@/conf.d/2.conf", "[allow]\nsignature = none\nsignature = Five\n");
        c = load_good(text);
        ck_assert_str_eq(c->allowed_signatures, "Five");
        config_free(c);
        write_file("@/conf.d/1.conf", "");
        write_file("@/conf.d/2.conf", "");
        c = load_good(printed);
        ck_assert_str_eq(c->allowed_signatures, "One.UNOFFICIAL Two Three Four");
        config_free(c);
}
END_TEST

/* What was in force loads again though what it names is not there, or is something else now; not any text. */
START_TEST(former) {
        _cleanup_(config_freep) struct config *c = NULL, *again = NULL, *none = NULL;
        _cleanup_free_ char *text = NULL, *path = NULL, *said = NULL;
        size_t size = 0;
        FILE *errors;

        write_file("@/notice", "Something was here.\n");
        c = load_good(VALID "on_infected = block\n[remedy]\nnotice = @/notice\n");
        text = print(c);
        for (const char *const *gone =
                     (const char *const[]){ "@/db", "@/a/sub", "@/a", "@/notice", NULL };
             *gone; gone++) {
                free(path);
                path = expand(*gone);
                ck_assert_int_eq(remove(path), 0);
        }
        errors = open_memstream(&said, &size);
        ck_assert_ptr_nonnull(errors);
        ck_assert_int_eq(config_load_text("former", text, strlen(text), errors, &none), -EINVAL);
        ck_assert_int_eq(config_load_former("former", text, strlen(text), errors, &again), 0);
        ck_assert_str_eq(again->database, c->database);
        ck_assert_uint_eq(again->n_stores, 1);
        ck_assert_str_eq(again->stores[0].path, c->stores[0].path);
        ck_assert_int_eq(again->stores[0].on_infected, ON_INFECTED_BLOCK);
        ck_assert_str_ne(again->notice_text, "");

        write_file("@/a", "no folder\n");
        again = config_free(again);
        ck_assert_int_eq(config_load_former("former", text, strlen(text), errors, &again), 0);
        ck_assert_str_eq(again->stores[0].path, c->stores[0].path);
        ck_assert_int_eq(config_load_former("former", "\n", 1, errors, &none), -EINVAL);
        ck_assert_ptr_null(none);
        ck_assert_int_eq(fclose(errors), 0);
}
END_TEST

/* A store that is a link to another one now, as whoever owns the folder that it lies in can have it. */
START_TEST(former_link) {
        _cleanup_(config_freep) struct config *c = NULL, *again = NULL, *none = NULL;
        _cleanup_free_ char *text = NULL, *inner = expand("@/a/sub"), *said = NULL;
        size_t size = 0;
        FILE *errors;

        c = load_good(VALID "[store b]\npath = @/a/sub\n");
        text = print(c);
        ck_assert_int_eq(remove(inner), 0);
        make_link("@/a", "@/a/sub");
        errors = open_memstream(&said, &size);
        ck_assert_ptr_nonnull(errors);
        ck_assert_int_eq(config_load_text("former", text, strlen(text), errors, &none), -EINVAL);
        ck_assert_int_eq(config_load_former("former", text, strlen(text), errors, &again), 0);
        ck_assert_str_eq(again->stores[1].path, inner);
        ck_assert_int_eq(fclose(errors), 0);
}
END_TEST

/* A path that can't be written resolved was written as the link that it is. */
START_TEST(former_unwritable) {
        _cleanup_(config_freep) struct config *c = NULL, *again = NULL;
        _cleanup_free_ char *text = NULL, *real = expand("@/x\ny");

        ck_assert_int_eq(mkdir(real, 0755), 0);
        make_link("@/x\ny", "@/link");
        c = load_good(DATABASE "[store a]\npath = @/link\n");
        ck_assert_str_eq(c->stores[0].path, real);
        text = print(c);
        ck_assert_int_eq(config_load_former("former", text, strlen(text), stderr, &again), 0);
        ck_assert_str_eq(again->stores[0].path, real);
}
END_TEST

/* Those that only wait for servers are more than those that scan. */
START_TEST(workers) {
        static const struct {
                const char *lines;
                unsigned n; /* 0: by the CPUs */
        } cases[] = {
                { "", 0 },
                { "workers = 7\n", 7 },
                { "clamd = unix:/a unix:/b\n", 0 },
                { "engine = clamd\nclamd_fallback = embedded\n", 0 },
                { "engine = clamd\nworkers = 7\n", 7 },
                { "engine = clamd\nworkers = auto\nclamd = unix:/a unix:/b\n", 48 },
                { "engine = clamd\nclamd = unix:/a unix:/b tcp:c:1\n", 64 },
        };
        unsigned by_cpus = 0;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(config_freep) struct config *c = NULL;
                _cleanup_free_ char *text = NULL;

                ck_assert_int_ge(asprintf(&text, DATABASE "%s" STORE, cases[i].lines), 0);
                write_file("@/storescan.conf", text);
                c = load(NULL, "");
                if (i == 0)
                        by_cpus = c->workers;
                ck_assert_uint_ge(c->workers, 3);
                ck_assert_uint_le(c->workers, 64);
                ck_assert_uint_eq(c->workers, cases[i].n == 48 ? MAX(by_cpus, cases[i].n)
                                              : cases[i].n > 0 ? cases[i].n
                                                               : by_cpus);
        }
}
END_TEST

START_TEST(printed_text) {
        _cleanup_(config_freep) struct config *c = NULL;
        _cleanup_free_ char *printed = NULL, *expected = NULL;

        write_file("@/storescan.conf", DATABASE "workers = 3\nmax_scan_size = 1024M\n" STORE);
        write_file("@/conf.d/x.conf", "[store a]\n\nmarks = directories\n");
        c = load(NULL, "");
        printed = print(c);
        expected = expand("[scanner]\n"
                          "database = @/db ; @/storescan.conf:2\n"
                          "engine = embedded ; default\n"
                          "clamd = unix:/run/clamav/clamd.ctl ; default\n"
                          "clamd_fallback = none ; default\n"
                          "tmpdir = /run/storescan/scan ; default\n"
                          "user = storescan-worker ; default\n"
                          "workers = 3 ; @/storescan.conf:3\n"
                          "max_file_size = 100M ; default\n"
                          "max_scan_size = 1G ; @/storescan.conf:4\n"
                          "max_files = 10000 ; default\n"
                          "max_recursion = 17 ; default\n"
                          "scan_timeout = 30s ; default\n"
                          "worker_timeout = 1min ; default\n"
                          "low_queue = 30 ; default\n"
                          "rescan = on-access ; default\n"
                          "outbreak_until = none ; default\n"
                          "on_access_age = off ; default\n"
                          "breaker = deny ; default\n"
                          "breaker_failures = 10 ; default\n"
                          "breaker_time = 5min ; default\n"
                          "limits = unscannable ; default\n"
                          "encrypted = unscannable ; default\n"
                          "broken = unscannable ; default\n"
                          "pua = no ; default\n"
                          "phishing = no ; default\n"
                          "concurrent_reload = yes ; default\n"
                          "\n"
                          "[stamp]\n"
                          "enabled = yes ; default\n"
                          "keys = " STORESCAN_CONFDIR "/keys ; default\n"
                          "\n"
                          "[gate]\n"
                          "max_pending = auto ; default\n"
                          "hot_files = 4096 ; default\n"
                          "hot_time = 5min ; default\n"
                          "spin = 50 ; default\n"
                          "self_test = 1min ; default\n"
                          "log_queue = 512 ; default\n"
                          "\n"
                          "[cache]\n"
                          "size = 64M ; default\n"
                          "directory = /var/lib/storescan ; default\n"
                          "\n"
                          "[quarantine]\n"
                          "directory = /var/lib/storescan/quarantine ; default\n"
                          "keep = 90d ; default\n"
                          "max_size = 1G ; default\n"
                          "notify = no ; default\n"
                          "sendmail = /usr/sbin/sendmail ; default\n"
                          "\n"
                          "[remedy]\n"
                          "notice = " STORESCAN_CONFDIR "/notice.txt ; default\n"
                          "\n"
                          "[allow]\n"
                          "signature = none ; default\n"
                          "\n"
                          "[sweep]\n"
                          "schedule = never ; default\n"
                          "window = always ; default\n"
                          "received_within = 0ms ; default\n"
                          "only_unstamped = yes ; default\n"
                          "attachments_only = no ; default\n"
                          "ignore_hub_stamps = no ; default\n"
                          "after_update = no ; default\n"
                          "rate = 0 ; default\n"
                          "max_pressure = 60 ; default\n"
                          "max_load = 4 ; default\n"
                          "\n"
                          "[hub]\n"
                          "socket = inet:127.0.0.1:8893 ; default\n"
                          "tmpdir = /run/storescan-hub/tmp/scan ; default\n"
                          "spool_size = 512M ; default\n"
                          "trusted_networks = 127.0.0.0/8 ::1 ; default\n"
                          "strip_outgoing = no ; default\n"
                          "key = none ; default\n"
                          "on_infected = reject ; default\n"
                          "on_error = tempfail ; default\n"
                          "on_unscannable = accept ; default\n"
                          "attachment_names = none ; default\n"
                          "attachment_types = none ; default\n"
                          "on_attachment = reject ; default\n"
                          "\n"
                          "[store a]\n"
                          "path = @/a ; @/storescan.conf:6\n"
                          "kind = mailbox ; default\n"
                          "format = maildir ; default\n"
                          "on_infected = replace ; default\n"
                          "on_error = deny ; default\n"
                          "on_unscannable = allow ; default\n"
                          "marks = directories ; @/conf.d/x.conf:3\n"
                          "stamps = honour ; default\n"
                          "stamp_max_age = 1d ; default\n"
                          "stamp_max_lag = 0 ; default\n"
                          "scan_timeout = inherit ; default\n"
                          "proactive = auto ; default\n"
                          "rescan = inherit ; default\n"
                          "outbreak_until = inherit ; default\n"
                          "on_access_age = inherit ; default\n"
                          "breaker = inherit ; default\n"
                          "sweep_schedule = inherit ; default\n"
                          "sweep_window = inherit ; default\n"
                          "sweep_received_within = inherit ; default\n"
                          "sweep_only_unstamped = inherit ; default\n"
                          "sweep_attachments_only = inherit ; default\n"
                          "sweep_ignore_hub_stamps = inherit ; default\n"
                          "sweep_after_update = inherit ; default\n"
                          "sweep_rate = inherit ; default\n"
                          "sweep_max_pressure = inherit ; default\n"
                          "sweep_max_load = inherit ; default\n");
        ck_assert_str_eq(printed, expected);
}
END_TEST

/* Loads what is printed of c, and compares every value. */
static void assert_round_trip(const struct config *c) {
        _cleanup_(config_freep) struct config *again = NULL;
        _cleanup_free_ char *printed = print(c);

        write_bytes("@/printed", printed, strlen(printed));
        again = load("@/printed", "");
        ck_assert_uint_eq(again->n_stores, c->n_stores);
        for (size_t i = 0; i < config_n_global_keys; i++) {
                const struct config_key *key = &config_global_keys[i];
                char a[CONFIG_TEXT_MAX], b[CONFIG_TEXT_MAX];

                ck_assert_str_eq(key->text(key, config_key_field(again, key, 0), b),
                                 key->text(key, config_key_field(c, key, 0), a));
        }
        for (size_t s = 0; s < c->n_stores; s++) {
                ck_assert_str_eq(again->stores[s].name, c->stores[s].name);
                for (size_t i = 0; i < config_n_store_keys; i++) {
                        const struct config_key *key = &config_store_keys[i];
                        char a[CONFIG_TEXT_MAX], b[CONFIG_TEXT_MAX];

                        ck_assert_str_eq(key->text(key, config_key_field(again, key, s), b),
                                         key->text(key, config_key_field(c, key, s), a));
                }
        }
}

START_TEST(round_trip) {
        _cleanup_(config_freep) struct config *c = load_good(VALID);

        assert_round_trip(c);
        config_free(c);
        c = load_good(every_key_text);
        assert_round_trip(c);
}
END_TEST

/* Paths that resolve to what can't be written in a file; lines that get too long with the origin
 * behind them, or fit only without blanks around the '='. */
START_TEST(round_trip_of_paths) {
        static const char *const hostile[] = { "@/x ;y", "@/x\ny", "@/x ", "@/x\t;", "@/x\x1b[2J" };
        _cleanup_(config_freep) struct config *c = NULL;
        char name[PATH_MAX], text[4 * PATH_MAX] = DATABASE;
        size_t n = strlen(root);

        for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
                char link[32];

                (void)snprintf(link, sizeof(link), "@/link%zu", i);
                make_folder(hostile[i]);
                make_link(hostile[i], link);
                (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                               "[store %zu]\npath = %s\n", i, link);
        }

        /* "path=" and 193 characters: the longest line there is. */
        (void)snprintf(name, sizeof(name), "@/%0*d", (int)(193 - n - 1), 0);
        make_folder(name);
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "[store l]\npath=%s\n",
                       name);
        /* Longer than any line. */
        (void)snprintf(name, sizeof(name), "@/%0200d", 1);
        make_folder(name);
        make_link(name, "@/longer");
        (void)strcat(text, "[store m]\npath = @/longer\n");

        c = load_good(text);
        assert_path(c->stores[0].path, hostile[0]);
        assert_path(c->stores[ELEMENTSOF(hostile) + 1].path, name);
        assert_round_trip(c);
}
END_TEST

/* The origin's file may have a long or hostile name as well. */
START_TEST(round_trip_of_origins) {
        char name[300] = "@/x ;y\n[store z]\n.conf";

        for (size_t i = 0; i < 2; i++) {
                _cleanup_(config_freep) struct config *c = NULL;

                write_file(name, every_key_text);
                c = load(name, "");
                assert_round_trip(c);
                (void)snprintf(name, sizeof(name), "@/%0240d", 0);
        }
}
END_TEST

/* A hub needs no store and does not look for any; its workers are its own. */
START_TEST(for_a_hub) {
        _cleanup_(config_freep) struct config *c = NULL;
        _cleanup_free_ char *path = expand("@/storescan.conf");

        write_file("@/storescan.conf", DATABASE "[store a]\npath = /nowhere\n"
                                                "[hub]\ntmpdir = @/hub\n");
        ck_assert_int_eq(config_load_hub(path, stderr, &c), 0);
        ck_assert_ptr_null(c->user);
        assert_path(c->tmpdir, "@/hub");
        c = config_free(c);

        write_file("@/storescan.conf", DATABASE);
        ck_assert_int_eq(config_load_hub(path, stderr, &c), 0);
        ck_assert_str_eq(c->tmpdir, "/run/storescan-hub/tmp/scan");
}
END_TEST

static const struct {
        const char *text, *milter; /* NULL: refused */
} sockets[] = {
        { "inet:127.0.0.1:8893", "inet:8893@127.0.0.1" },
        { "inet:[::1]:1", "inet6:1@::1" },
        { "unix:/run/x", "unix:/run/x" },
        { "unix:run/x", NULL },
        { "inet:localhost:8893", NULL },
        { "inet:127.0.0.1:0", NULL },
        { "inet:127.0.0.1:65536", NULL },
        { "inet:127.0.0.1:8893x", NULL },
        { "inet:127.0.0.1:", NULL },
        { "inet:127.0.0.1", NULL },
        { "inet:[127.0.0.1]:1", NULL },
        { "inet:::1:1", NULL },
        { "inet:[::1]1", NULL },
        { "8893", NULL },
        { "", NULL },
};

START_TEST(sockets_of_milters) {
        char ready[CONFIG_SOCKET_MAX];
        int r = config_hub_socket(sockets[_i].text, ready);

        ck_assert_int_eq(r, sockets[_i].milter ? 0 : -EINVAL);
        if (sockets[_i].milter)
                ck_assert_str_eq(ready, sockets[_i].milter);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                defaults,
                for_a_hub,
                every_key,
                sweep_inherits,
                table,
                end_of_table,
                layout,
                overriding,
                dropins_alone,
                one_file,
                former,
                former_link,
                former_unwritable,
                workers,
                printed_text,
                lists,
                round_trip,
                round_trip_of_paths,
                round_trip_of_origins,
                links_are_resolved,
        };
        Suite *suite = suite_create("config");
        TCase *tcase = tcase_create("config");

        tcase_add_checked_fixture(tcase, make_root, remove_root);
        for (size_t i = 0; i < ELEMENTSOF(tests); i++)
                tcase_add_test(tcase, tests[i]);
        tcase_add_loop_test(tcase, sockets_of_milters, 0, ELEMENTSOF(sockets));
        tcase_add_loop_test(tcase, sizes_and_durations, 0, ELEMENTSOF(values));
        suite_add_tcase(suite, tcase);
        return unit_run(suite);
}
