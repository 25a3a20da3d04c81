/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Counters, one line each: identifier and what it counts. Only the gate thread writes them. They
 * are logged as "key=value" words on SIGUSR1 and at the end.
 */

#include <stddef.h>
#include <stdint.h>

#include "daemon/latency.h"
#include "daemon/store-stats.h"
#include "store/hub-stamp.h"
#include "store/verdict.h"

/* clang-format off */
#define STATS_TABLE(X) \
        X(events,          "permission events read") \
        X(allowed,         "events answered with allow") \
        X(denied,          "events answered with deny") \
        X(lost,            "events that the kernel itself denied because it could not hand them over") \
        X(orphans,         "opens that a storescand before left without an answer, settled at the start") \
        X(orphans_refused, "of them answered by on_error: of which files was not known") \
        X(own,             "opens by storescand itself") \
        X(self_tests,      "opens by the self-test, which are denied") \
        X(control,         "opens of files that are not mail, or not regular, or empty") \
        X(in_progress,     "opens of messages that are being delivered") \
        X(stamp_hits,      "opens answered by a valid stamp") \
        X(older_hits,      "opens answered by a stamp of older signatures that is accepted still") \
        X(left_to_sweep,   "accesses to mail too old to be scanned on access, let through unscanned") \
        X(digest_hits,     "contents known by the digest in their stamp") \
        X(joined,          "opens that joined a scan under way") \
        X(raised,          "scans that a reader came for before they began") \
        X(turns,           "scans that had their turn before older ones of other users") \
        X(swept,           "opens by sweeps, and by storescanctl scan") \
        X(found,           "files judged with nobody waiting that came before their folder was marked") \
        X(delivered,       "new messages judged before anybody asked") \
        X(overflowed,      "new messages left to their first reader: too many at once") \
        X(scans,           "contents scanned") \
        X(bytes,           "bytes scanned") \
        X(clean,           "contents found clean") \
        X(infected,        "contents found infected") \
        X(released,        "accesses to infected content that the admin allows") \
        X(replaced,        "messages replaced by a notice") \
        X(quarantined,     "originals put into quarantine") \
        X(remedies_busy,   "replacements put off: somebody used the file, or had changed it") \
        X(remedies_failed, "replacements that were refused or failed") \
        X(unscannable,     "contents that can't be judged") \
        X(undecided,       "scans that failed") \
        X(poisoned,        "contents that cost two workers and are not scanned again") \
        X(poison_hits,     "accesses to such contents, answered by on_error at once") \
        X(paused,          "accesses let through unscanned in a pause") \
        X(refused,         "accesses answered at once because the engine failed again and again") \
        X(timeouts,        "openers answered by on_error at their deadline") \
        X(stamps_written,  "stamps written and kept") \
        X(stamps_withdrawn,"stamps removed because a writer came") \
        X(stamps_skipped,  "stamps not written: writer, read-only mount, or too many under way") \
        X(stamps_failed,   "stamps refused by the file system") \
        X(hot,             "files made hot: their readers raise no events") \
        X(hot_breaks,      "hot files that a writer came for") \
        X(hot_dropped,     "hot files dropped for age, room, new signatures or another change") \
        X(cache_hits,      "contents known by the verdict cache") \
        X(cache_misses,    "look-ups in the verdict cache that found nothing to go by") \
        X(cache_stored,    "verdicts put into the verdict cache") \
        X(cache_entries,   "verdicts in the verdict cache at this moment") \
        X(named,           "messages read again for the log: they were known by stamp or digest alone") \
        X(unnamed,         "log records of such messages without a name: too many, or not readable") \
        X(hub_accepted,    "contents known by a stamp of a hub in their header") \
        X(hub_absent,      "contents without such a stamp where it would count") \
        X(hub_many,        "contents refused for having too many stamps") \
        X(hub_duplicate,   "stamps refused: there twice") \
        X(hub_oversize,    "stamps refused: too long") \
        X(hub_malformed,   "stamps refused: not the text of a stamp") \
        X(hub_version,     "stamps refused: other version, vendor or algorithm") \
        X(hub_irregular,   "contents refused because no stamp can cover them") \
        X(hub_key,         "stamps refused: unknown key") \
        X(hub_signature,   "stamps refused: not signed by that key") \
        X(hub_header,      "stamps refused: of another header") \
        X(hub_body,        "stamps refused: of another body") \
        X(hub_verdict,     "stamps refused: not of a clean message") \
        X(hub_future,      "stamps refused: time still to come") \
        X(hub_expired,     "stamps refused: too old") \
        X(hub_database,    "stamps refused: signatures too old") \
        X(workers_started, "workers that said hello") \
        X(workers_died,    "workers that ended by themselves") \
        X(workers_hung,    "workers killed for taking too long") \
        X(reloads,         "signature sets that took the place of another") \
        X(reloads_failed,  "signature sets that could not be loaded") \
        X(retries,         "jobs given to a second worker") \
        X(clamd_usable,    "clamd servers that can be used at this moment") \
        X(clamd_left_out,  "times that a clamd server could not be used any more") \
        X(clamd_again,     "scans that a second clamd server was asked for") \
        X(clamd_none,      "scans that no clamd server was there for") \
        X(taken_back,      "jobs taken back from behind a long one") \
        X(pressure,        "times that reading of events paused for want of fds") \
        X(log_dropped,     "log records dropped")
/* clang-format on */

struct stats {
#define X(name, meaning) uint64_t name;
        STATS_TABLE(X)
#undef X
        struct latency latency[_LATENCY_STAGE_MAX];
        struct store_stats *stores; /* that were counted for; those of former configurations, too */
        size_t n_stores;
        struct store_stats nowhere; /* without memory for more */
};

/* Frees what the stores' counters take. */
void stats_done(struct stats *stats);

/* The counters of a store, by its configuration's name; valid until the next call. */
struct store_stats *stats_of(struct stats *stats, const char *store);

/* Counts a content of a store that was judged by a scan, or is not scanned for what it has cost before. */
void stats_count_scan(struct stats *stats, const char *store, uint64_t bytes, enum verdict verdict,
                      enum reason reason);

/* How long the stages of a scan took that came to a verdict. */
void stats_count_times(struct stats *stats, uint64_t queue_usec, uint64_t read_usec,
                       uint64_t scan_usec);

/* Counts a stamp in a header, or a content without. */
void stats_count_hub(struct stats *stats, const char *store, enum hub_check check);

/* "accepted", "absent", or the reason of a refusal. */
const char *stats_hub_name(enum hub_check check);

/* Writes "key=value key=value ..." for every counter, cut to size. */
void stats_format(const struct stats *stats, char *out, size_t size);
