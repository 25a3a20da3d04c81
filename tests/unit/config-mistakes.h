/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Every mistake that one file can hold, and the lines it is reported by, for
 * test-config-errors.c. In texts "@" stands for the test's folder.
 */

/* clang-format off */

#define CONF "@/storescan.conf: "
#define LINE(n) "@/storescan.conf:" #n ": "
#define S "[scanner] "
#define C "[cache] "
#define H "[hub] "
#define A "[store a] "
#define B "[store b] "

#define NOT_UNDERSTOOD(n, text) \
        LINE(n) "'" text "' is not understood; write KEY = VALUE, or # in front of a comment.\n"
#define NUL(n) LINE(n) "contains a NUL byte; save the file as plain text (UTF-8).\n"
#define TOO_LONG(n, size) \
        LINE(n) "line of " #size " characters; shorten it to 198 (a long path by a symbolic " \
        "link).\n"
#define NO_SECTION \
        "unknown section; there are [scanner], [stamp], [gate], [cache], [quarantine], [remedy], " \
        "[allow], [sweep], [hub] and " \
        "[store NAME].\n"
#define STORE_NAME(n, name) \
        LINE(n) "[store " name "]: a store can't be named '" name "'; use A-Z a-z 0-9 _ . - only.\n"
#define TWICE(n, key, first) \
        LINE(n) key ": set already in line " #first "; remove one of the two.\n"
#define NO_KEY(n, key, section) \
        LINE(n) key ": unknown key; storescan.conf(5) lists the keys of [" section "].\n"
#define NO_VALUE(n, key, type, default) \
        LINE(n) key ": has no value; write one (" type "), or remove the line for the default, " \
        default ".\n"
#define NOT_A_WORD(n, key, value, words) \
        LINE(n) key ": '" value "' is not among its words; write " words ".\n"
#define NOT_YES_NO(n, key, value) \
        LINE(n) key ": '" value "' is neither yes nor no; write yes or no.\n"
#define NOT_WHOLE(n, key, value, range) \
        LINE(n) key ": '" value "' is not a whole number; write " range ".\n"
#define OUT_OF_RANGE(n, key, value, range) \
        LINE(n) key ": '" value "' is out of range; write " range ".\n"
#define NOT_A_SIZE(n, key, value, range) \
        LINE(n) key ": '" value "' is not a size; write bytes, or a number with K, M or G behind " \
        "it, from " range ".\n"
#define NOT_A_DURATION(n, key, value, range) \
        LINE(n) key ": '" value "' is not a duration; write a number with ms, s, min, h or d behind " \
        "it, from " range ".\n"
#define NOT_A_USER(n, value) \
        LINE(n) S "user: '" value "' can't be a user's name; write at most 31 of A-Z a-z 0-9 _ - " \
        ". that begin with a letter or _.\n"
#define RELATIVE(n, key, value) \
        LINE(n) key ": '" value "' is a relative path; write it from / on.\n"
#define QUOTED(n, key, value) LINE(n) key ": " value " is quoted; write the path without quotes.\n"
#define DOTS(n, key, value) \
        LINE(n) key ": '" value "' has a '..' part; write the path without it.\n"
#define NO_PATH(n, store) LINE(n) store "path: is missing; write path = /FOLDER below this line.\n"
#define NO_SIGNATURES(n, value) \
        LINE(n) S "database: '" value "' does not exist; install signatures there (freshclam " \
        "fetches them) or correct the path.\n"
#define NO_STORE CONF "no store to guard; add [store NAME] with path = /FOLDER, or try storescanctl setup.\n"
#define NO_FILE CONF "no configuration: neither it nor @/conf.d/*.conf exists; create it with a " \
        "[store NAME].\n"
#define REMOVE_ONE " (@/storescan.conf:4); remove one of the two.\n"
#define WAITS "; storescand would wait for itself: move it out.\n"
#define HINT " (a comment behind a value begins with ;).\n"

#define RULES   "unscannable | infected"
#define FORMATS "maildir | sdbox | mdbox | mbox | cyrus | mh | sis | files | auto"

/* 64 and 65 characters. */
#define NAME_64 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
#define NAME_65 NAME_64 "x"

static const struct {
        const char *text, *errors;
} mistakes[] = {
        /* ---- Syntax ---- */
        { VALID "marks\n", NOT_UNDERSTOOD(5, "marks") },
        { VALID "marks ; = auto\nkind // x",
          NOT_UNDERSTOOD(5, "marks ; = auto") NOT_UNDERSTOOD(6, "kind // x") },
        { VALID "marks = auto\n  and more\n", NOT_UNDERSTOOD(6, "and more") },
        { VALID "a\x1b[2Jb\n", NOT_UNDERSTOOD(5, "a\\x1b[2Jb") },
        { VALID NAME_65 "\n",
          NOT_UNDERSTOOD(5, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX") },
        { VALID " = auto\n", LINE(5) "no key in front of the '='; write KEY = VALUE.\n" },
        { VALID "[gate\nlog_queue = nonsense\n",
          LINE(5) "'[gate' has no closing bracket; write [SECTION].\n" },
        { VALID "[gate] log_queue = 64\n",
          LINE(5) "[gate]: text behind the bracket; write 'log_queue = 64' on its own line.\n" },
        { "database = @/db\n" VALID,
          LINE(1) "database: key before the first section; put it below its [SECTION].\n" },

        /* ---- Sections ---- */
        { VALID "[scaner]\nwokers = nonsense\n",
          LINE(5) "[scaner]: unknown section; perhaps [scanner] is meant.\n" },
        { VALID "[stores b]\n",
          LINE(5) "[stores b]: unknown section; perhaps [store NAME] is meant.\n" },
        { VALID "[database]\n[]\n", LINE(5) "[database]: " NO_SECTION LINE(6) "[]: " NO_SECTION },
        { VALID "[gate x]\n", LINE(5) "[gate x]: takes no name; write [gate].\n" },
        { VALID "[store]\n[ store\t]\n",
          LINE(5) "[store]: store without a name; write [store NAME].\n"
          LINE(6) "[store]: store without a name; write [store NAME].\n" },
        { VALID "[store b/c]\npath = nonsense\n[store 'b']\n[store b c]\n[store \xc3\xa4]\n",
          STORE_NAME(5, "b/c") STORE_NAME(7, "'b'") STORE_NAME(8, "b c")
          STORE_NAME(9, "\xc3\xa4") },
        { VALID "[store " NAME_64 "]\npath = @/b\n[store " NAME_65 "]\n",
          LINE(7) "[store " NAME_65 "]: name of 65 characters; shorten it to 64.\n" },

        /* ---- Keys ---- */
        { VALID "[scanner]\nworker = 3\n",
          LINE(6) S "worker: unknown key; perhaps workers is meant.\n" },
        { VALID "on-error = deny\nonerror = deny\n",
          LINE(5) A "on-error: unknown key; perhaps on_error is meant.\n"
          LINE(6) A "onerror: unknown key; perhaps on_error is meant.\n" },
        { VALID "Marks = auto\n", LINE(5) A "Marks: unknown key; perhaps marks is meant.\n" },
        { VALID "colour = blue\n[stamp]\nx = 1\n",
          NO_KEY(5, A "colour", "store") NO_KEY(7, "[stamp] x", "stamp") },
        { VALID "workers = 3\n[gate]\non_error = deny\n",
          LINE(5) A "workers: unknown key here; it belongs into [scanner].\n"
          LINE(7) "[gate] on_error: unknown key here; it belongs into [store NAME].\n" },
        { VALID "marks = auto\nmarks = auto\n[gate]\n[store a]\nmarks = auto\n",
          TWICE(6, A "marks", 5) TWICE(9, A "marks", 5) },
        { VALID "[scanner]\nworkers =\nmax_files = ; many\nuser:\n[store b]\npath =\n",
          NO_VALUE(6, S "workers", "auto | 1 to 64", "auto")
          NO_VALUE(7, S "max_files", "1 to 1000000", "10000")
          NO_VALUE(8, S "user", "user name", "storescan-worker")
          LINE(10) B "path: has no value; write one (path).\n" },

        /* ---- Words ---- */
        { VALID "kind = mailboxes\nformat = Maildir\non_infected = Block\n",
          NOT_A_WORD(5, A "kind", "mailboxes", "mailbox | public-folder")
          NOT_A_WORD(6, A "format", "Maildir", FORMATS)
          NOT_A_WORD(7, A "on_infected", "Block", "replace | block | detect") },
        { VALID "on_error = no\non_unscannable = yes\nmarks = mount\n",
          NOT_A_WORD(5, A "on_error", "no", "deny | allow")
          NOT_A_WORD(6, A "on_unscannable", "yes", "deny | allow")
          NOT_A_WORD(7, A "marks", "mount", "auto | filesystem | directories") },
        { VALID "[scanner]\nengine = both\nclamd = unix:/a, tcp:b:3310\nclamd_fallback = yes\n",
          NOT_A_WORD(6, S "engine", "both", "embedded | clamd")
          LINE(7) S "clamd: 'unix:/a,' is no address of a server; write unix:/PATH or tcp:HOST:PORT, with *N "
          "behind it for N times the work.\n"
          NOT_A_WORD(8, S "clamd_fallback", "yes", "none | embedded") },
        { VALID "[scanner]\nlimits = ignore\nencrypted = clean\nbroken = 0\n",
          NOT_A_WORD(6, S "limits", "ignore", RULES)
          NOT_A_WORD(7, S "encrypted", "clean", RULES " | ignore")
          NOT_A_WORD(8, S "broken", "0", RULES " | ignore") },
        { VALID "[scanner]\npua = true\nphishing = 1\n[stamp]\nenabled = Yes\n",
          NOT_YES_NO(6, S "pua", "true") NOT_YES_NO(7, S "phishing", "1")
          NOT_YES_NO(9, "[stamp] enabled", "Yes") },

        /* ---- Numbers ---- */
        { VALID "[scanner]\nworkers = 65\nmax_files = 0\nmax_recursion = -1\n",
          OUT_OF_RANGE(6, S "workers", "65", "1 to 64, or auto")
          OUT_OF_RANGE(7, S "max_files", "0", "1 to 1000000")
          NOT_WHOLE(8, S "max_recursion", "-1", "1 to 100") },
        { VALID "[scanner]\nworkers = 0\nmax_files = auto\nmax_recursion = 4.5\n",
          OUT_OF_RANGE(6, S "workers", "0", "1 to 64, or auto")
          NOT_WHOLE(7, S "max_files", "auto", "1 to 1000000")
          NOT_WHOLE(8, S "max_recursion", "4.5", "1 to 100") },
        { VALID "[gate]\nmax_pending = 0\nlog_queue = 63\n",
          OUT_OF_RANGE(6, "[gate] max_pending", "0", "1 to 1000000, or auto")
          OUT_OF_RANGE(7, "[gate] log_queue", "63", "64 to 65536") },
        /* 2^64 and more; 2^32 + 512, which would be cut to 512. */
        { VALID "[gate]\nmax_pending = 99999999999999999999\nlog_queue = 4294967808\n",
          OUT_OF_RANGE(6, "[gate] max_pending", "99999999999999999999", "1 to 1000000, or auto")
          OUT_OF_RANGE(7, "[gate] log_queue", "4294967808", "64 to 65536") },
        { VALID "[scanner]\nmax_file_size = 100MB\nmax_scan_size = M\n",
          NOT_A_SIZE(6, S "max_file_size", "100MB", "1 to 2047M")
          NOT_A_SIZE(7, S "max_scan_size", "M", "1 to 64G") },
        { VALID "[scanner]\nmax_file_size = 0\nmax_scan_size = 6.5G\n",
          OUT_OF_RANGE(6, S "max_file_size", "0", "1 to 2047M")
          NOT_A_SIZE(7, S "max_scan_size", "6.5G", "1 to 64G") },
        /* One more than the range; 2^64 bytes, which would wrap to 0; 2^64 and more as digits. */
        { VALID "[scanner]\nmax_file_size = 2048M\nmax_scan_size = 17179869184G\n",
          OUT_OF_RANGE(6, S "max_file_size", "2048M", "1 to 2047M")
          OUT_OF_RANGE(7, S "max_scan_size", "17179869184G", "1 to 64G") },
        { VALID "[scanner]\nmax_file_size = 18446744073709551616\n"
                "max_scan_size = 18446744073709551617K\n",
          OUT_OF_RANGE(6, S "max_file_size", "18446744073709551616", "1 to 2047M")
          OUT_OF_RANGE(7, S "max_scan_size", "18446744073709551617K", "1 to 64G") },
        { VALID "[scanner]\nscan_timeout = 30\nworker_timeout = 1 min\n",
          NOT_A_DURATION(6, S "scan_timeout", "30", "10ms to 1h")
          NOT_A_DURATION(7, S "worker_timeout", "1 min", "10ms to 1d") },
        { VALID "[scanner]\nscan_timeout = 9ms\nworker_timeout = 25h\n",
          OUT_OF_RANGE(6, S "scan_timeout", "9ms", "10ms to 1h")
          OUT_OF_RANGE(7, S "worker_timeout", "25h", "10ms to 1d") },
        /* A little more than 2^64 microseconds. */
        { VALID "[scanner]\nscan_timeout = 18446744073709552ms\nworker_timeout = 5124095577h\n",
          OUT_OF_RANGE(6, S "scan_timeout", "18446744073709552ms", "10ms to 1h")
          OUT_OF_RANGE(7, S "worker_timeout", "5124095577h", "10ms to 1d") },

        /* ---- Texts ---- */
        { VALID "[scanner]\nuser = -scan\n", NOT_A_USER(6, "-scan") },
        { VALID "[scanner]\nuser = 0\n", NOT_A_USER(6, "0") },
        { VALID "[scanner]\nuser = a:b\n", NOT_A_USER(6, "a:b") },
        { VALID "[scanner]\nuser = " NAME_64 "\n", NOT_A_USER(6, NAME_64) },
        { VALID "[scanner]\nworkers = 3 # three\n[store b]\npath = @/c # b\n",
          LINE(6) S "workers: '3 # three' is not a whole number; write 1 to 64, or auto" HINT
          LINE(8) B "path: '@/c # b' does not exist; mount or create it, or correct the path"
          HINT },
        { "[scanner]\ndatabase = db\ntmpdir = ./t\n[store a]\npath = ~/mail\n",
          RELATIVE(2, S "database", "db") RELATIVE(3, S "tmpdir", "./t")
          RELATIVE(5, A "path", "~/mail") },
        { DATABASE "[store a]\npath = \"@/a\"\n[store b]\npath = '@/b'\n",
          QUOTED(4, A "path", "\"@/a\"") QUOTED(6, B "path", "'@/b'") },
        { DATABASE "tmpdir = @/x/../a/t\n[store a]\npath = @/b/..\n",
          DOTS(3, S "tmpdir", "@/x/../a/t") DOTS(5, A "path", "@/b/..") },
        { DATABASE "[store a]\npath = @/\x01\x7f\n",
          LINE(4) A "path: '@/\\x01\\x7f' has control characters; rename the folder.\n" },

        /* ---- Folders ---- */
        { DATABASE "[store a]\npath = @/c\n[store b]\npath = @/file\n[store c]\npath = @/file/x\n",
          LINE(4) A "path: '@/c' does not exist; mount or create it, or correct the path.\n"
          LINE(6) B "path: '@/file' is not a folder; correct the path.\n"
          LINE(8) "[store c] path: '@/file/x' can't be looked at: Not a directory; correct it.\n" },
        { VALID "[store b]\nkind = mailbox\n[store c]\n[store b]\n",
          NO_PATH(5, B) NO_PATH(7, "[store c] ") },
        { "[scanner]\ndatabase = @/signatures\ntmpdir = @/file\n" STORE,
          NO_SIGNATURES(2, "@/signatures")
          LINE(3) S "tmpdir: '@/file' is not a folder; remove it or correct the path.\n" },
        { VALID "[cache]\nsize = 17G\ndirectory = @/file\n",
          OUT_OF_RANGE(6, C "size", "17G", "0 to 16G")
          LINE(7) C "directory: '@/file' is not a folder; remove it or correct the path.\n" },
        { "[scanner]\ndatabase = @/file/x\n" STORE, NO_SIGNATURES(2, "@/file/x") },
        { "[scanner]\ndatabase = /dev/null\n" STORE,
          LINE(2) S "database: '/dev/null' is neither a folder nor a file; correct the path.\n" },
        { DATABASE, NO_STORE },
        /* The store that was meant is the one refused: none is missed. */
        { DATABASE "[store b/c]\npath = @/a\n", STORE_NAME(3, "b/c") },

        /* ---- What lies within what; @/link leads to @/a/sub ---- */
        { VALID "[store b]\npath = @/a/\n",
          LINE(6) B "path: '@/a' is the same folder as [store a]" REMOVE_ONE },
        { DATABASE "[store b]\npath = @/link\n[store a]\npath = @/a/sub\n",
          LINE(6) A "path: '@/a/sub' is the same folder as [store b]" REMOVE_ONE },
        { "[scanner]\ndatabase = @/a/sub\n" STORE,
          LINE(2) S "database: '@/a/sub' lies in [store a] ('@/a', @/storescan.conf:4)" WAITS },
        { "[scanner]\ndatabase = @/link\n" STORE,
          LINE(2) S "database: '@/a/sub' lies in [store a] ('@/a', @/storescan.conf:4)" WAITS },
        { DATABASE "tmpdir = @/a\n" STORE,
          LINE(3) S "tmpdir: '@/a' lies in [store a] ('@/a', @/storescan.conf:5)" WAITS },
        /* Neither does tmpdir exist, nor its parent; the link leads into the store. */
        { DATABASE "tmpdir = @/link//not/yet\n" STORE,
          LINE(3) S "tmpdir: '@/a/sub/not/yet' lies in [store a] ('@/a', @/storescan.conf:5)"
          WAITS },
        { DATABASE "tmpdir = @/a\n[store b]\npath = @/a/sub\n",
          LINE(5) B "path: '@/a/sub' lies in the tmpdir ('@/a', @/storescan.conf:3); move one of "
          "the two.\n" },
        { "[scanner]\ndatabase = @/a\n[store b]\npath = @/a/sub\n",
          LINE(4) B "path: '@/a/sub' lies in the database ('@/a', @/storescan.conf:2); move one of "
          "the two.\n" },
        { VALID "[hub]\nsocket = localhost\ntrusted_networks = 10.0.0.0/8 10.0.0.1/8\n"
                "on_infected = accept\nattachment_names = *.exe, *.js\nkey = a/b\n",
          LINE(6) H "socket: 'localhost' is no socket; write inet:ADDRESS:PORT (as "
          "inet:127.0.0.1:8893 or inet:[::1]:8893) or unix:/PATH.\n"
          LINE(7) H "trusted_networks: '10.0.0.1/8' is no network; write ADDRESS or ADDRESS/BITS "
          "(as 192.0.2.0/24), with no bit set behind the first BITS.\n"
          NOT_A_WORD(8, H "on_infected", "accept", "reject | discard | quarantine | tag")
          LINE(9) H "attachment_names: '*.exe, *.js' is no list of patterns; write them with "
          "blanks between and without quotes (as *.exe *.js).\n"
          LINE(10) H "key: 'a/b' can't be a key's id; write at most 32 of A-Z a-z 0-9 _ - . that "
          "begin with a letter or digit.\n" },
        { VALID "[cache]\ndirectory = @/a/sub\n",
          LINE(6) C "directory: '@/a/sub' lies in [store a] ('@/a', @/storescan.conf:4)" WAITS },
        { VALID "[cache]\ndirectory = @/b\n[store b]\npath = @/b\n",
          LINE(6) C "directory: '@/b' lies in [store b] ('@/b', @/storescan.conf:8)" WAITS },
        { DATABASE "[store b]\npath = @/a/sub\n[cache]\ndirectory = @/a\n",
          LINE(4) B "path: '@/a/sub' lies in the cache directory ('@/a', @/storescan.conf:6); move "
          "one of the two.\n" },
        /* A default is not what to change. */
        { DATABASE "[store a]\npath = /run\n",
          LINE(4) A "path: '/run' contains the tmpdir ('/run/storescan/scan', default)" WAITS },
        /* "/" contains everything; its slash is no separator. */
        { DATABASE "[store a]\npath = /\n[store b]\npath = @/b\n",
          LINE(2) S "database: '@/db' lies in [store a] ('/', @/storescan.conf:4)" WAITS
          LINE(4) A "path: '/' contains the tmpdir ('/run/storescan/scan', default)" WAITS
          LINE(4) A "path: '/' contains the cache directory ('/var/lib/storescan', default)" WAITS
          LINE(4) A "path: '/' contains the quarantine ('/var/lib/storescan/quarantine', default)"
          WAITS },
        { VALID "[sweep]\nwindow = 24:00-06:00\n",
          LINE(6) "[sweep] window: '24:00-06:00' is no time of the day; write always, or "
                  "HH:MM-HH:MM (as 22:00-06:00).\n" },
        { VALID "sweep_schedule = weekly\nsweep_window = 6-7\n",
          LINE(5) "[store a] sweep_schedule: 'weekly' is not among its words; write never | boot | "
                  "daily | inherit.\n"
          LINE(6) "[store a] sweep_window: '6-7' is no time of the day; write always, or "
                  "HH:MM-HH:MM (as 22:00-06:00).\n" },
        { VALID "[quarantine]\ndirectory = @/a/sub\n",
          LINE(6) "[quarantine] directory: '@/a/sub' lies in [store a] ('@/a', @/storescan.conf:4)"
          WAITS },

        /* ---- Signatures that do not count ---- */
        { VALID "[allow]\nsignature = Good, Bad\nsignature = Heuristics.Encrypted.Zip\n",
          LINE(6) "[allow] signature: 'Good,' is no signature's name; write it as the log has it, "
                  "several with blanks between.\n"
          LINE(7) "[allow] signature: 'Heuristics.Encrypted.Zip' says that not all could be scanned; "
                  "see limits, encrypted and broken of [scanner].\n" },

        /* ---- Keys that depend on each other; not on what was refused ---- */
        { VALID "[scanner]\nscan_timeout = 90s\nworker_timeout = 25h\n",
          OUT_OF_RANGE(7, S "worker_timeout", "25h", "10ms to 1d") },
        { VALID "[scanner]\nworker_timeout = 20s\nscan_timeout = 10\n",
          NOT_A_DURATION(7, S "scan_timeout", "10", "10ms to 1h") },
        { DATABASE "tmpdir =\n[store a]\npath = /run\n",
          NO_VALUE(3, S "tmpdir", "path", "/run/storescan/scan") },
        { VALID "[scanner]\nscan_timeout = 90s\n",
          LINE(6) S "scan_timeout: 90s is not shorter than worker_timeout (1min, default); raise "
          "that, too.\n" },
        { VALID "[scanner]\nworker_timeout = 30s\n",
          LINE(6) S "worker_timeout: 30s is not longer than scan_timeout (30s, default); raise "
          "it.\n" },
        { VALID "[scanner]\nscan_timeout = 2s\nworker_timeout = 1s\n",
          LINE(7) S "worker_timeout: 1s is not longer than scan_timeout (2s, @/storescan.conf:6); "
          "raise it.\n" },
        { VALID "[store a]\nscan_timeout = 2min\n",
          LINE(6) "[store a] scan_timeout: 2min is not shorter than worker_timeout (1min, default); "
          "raise that, too.\n" },
        { VALID "[scanner]\nrescan = outbreak\n",
          LINE(6) S "rescan: outbreak has no end; write outbreak_until = 2026-11-26T18:00Z or so below "
          "it.\n" },
        { VALID "[scanner]\nrescan = never-older-than\noutbreak_until = 2026-11-26 18:00\n",
          LINE(6) S "rescan: 'never-older-than' is not among its words; write on-access | sweep | "
          "outbreak | never-older-than duration.\n"
          LINE(7) S "outbreak_until: '2026-11-26 18:00' is not a time; write it like "
          "2026-11-26T18:00Z (UTC), or none.\n" },
        { VALID "[store a]\nrescan = never-older-than 900ms\n",
          LINE(6) "[store a] rescan: '900ms' is out of range; write 1s to 36500d.\n" },
};

/* clang-format on */
