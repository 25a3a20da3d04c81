/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the names that are remembered; the log records that wait for one, each with its job and an fd
 * of the content. Must not own: any verdict. What was decided is logged as it was decided; a job
 * says how the message is called, if it found the very same content.
 */

#include "daemon/names.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "daemon/stores.h"

#define REMEMBERED_MAX 512 /* names, of 0.7 KiB */
#define JOBS_MAX       16  /* contents that wait for their turn: one is read at a time */
#define RECORDS_MAX    64  /* log records that wait, of 9 KiB */

/* The content, by the beginning of its digest; what has none, or is an item of many, by its place and
 * the time of the last change. */
struct key {
        uint8_t digest[STAMP_DIGEST_SIZE];
        uint64_t dev, ino, size, mtime, offset;
};

struct name {
        struct key key;
        bool used;
        bool has_digest;
        uint64_t item_size;
        uint8_t digest[DIGEST_SIZE];
        char signature[PROTO_SIGNATURE_MAX];
        struct context context;
};

/* A record that waits. */
struct late {
        STAILQ_ENTRY(late) link;
        struct log_record record;
};

struct naming {
        TAILQ_ENTRY(naming) link;
        struct names *names;
        struct pool_job job;
        int fd;
        bool found; /* what name holds */
        struct name name;
        STAILQ_HEAD(, late) records;
};

struct names {
        const struct config *config;
        struct pool *pool;
        struct stats *stats;
        struct journal *journal;
        struct generation generation; /* that the names were found under */
        struct name remembered[REMEMBERED_MAX];
        size_t next; /* round robin */
        TAILQ_HEAD(naming_list, naming) queue;
        unsigned n_queue, n_records;
        struct naming *running;
        bool stopped;
};

/* ---- What is remembered ---- */

static bool key_of(const struct report *report, struct key *ret) {
        const uint8_t *digest = report->digest ? report->digest : report->known;
        struct stat st;

        memset(ret, 0, sizeof(*ret)); /* compared by its bytes */
        if (digest && !report->has_item) {
                memcpy(ret->digest, digest, sizeof(ret->digest));
                return true;
        }
        if (fstat(report->fd, &st) < 0)
                return false;
        ret->dev = st.st_dev;
        ret->ino = st.st_ino;
        ret->size = (uint64_t)st.st_size;
        ret->mtime =
                (uint64_t)st.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)st.st_mtim.tv_nsec;
        ret->offset = report->item_offset;
        return true;
}

static struct name *find(struct names *names, const struct key *key) {
        for (size_t i = 0; i < REMEMBERED_MAX; i++)
                if (names->remembered[i].used &&
                    memcmp(&names->remembered[i].key, key, sizeof(*key)) == 0)
                        return &names->remembered[i];
        return NULL;
}

static void remember(struct names *names, const struct name *name) {
        struct name *place = find(names, &name->key);

        if (!place)
                place = &names->remembered[names->next++ % REMEMBERED_MAX];
        *place = *name;
        place->used = true;
}

/* What a scan has just told needs no job later. */
static void learn(struct names *names, const struct report *report, const struct key *key) {
        struct name name = { .key = *key, .item_size = report->item_size };

        if (report->digest) {
                name.has_digest = true;
                memcpy(name.digest, report->digest, sizeof(name.digest));
        }
        proto_text(name.signature, sizeof(name.signature), report->signature);
        if (report->context)
                name.context = *report->context;
        remember(names, &name);
}

/* Other signatures have other names. */
static void forget_others(struct names *names, const struct generation *generation) {
        if (memcmp(&names->generation, generation, sizeof(*generation)) == 0)
                return;
        names->generation = *generation;
        if (names->next > 0)
                memset(names->remembered, 0, sizeof(names->remembered));
        names->next = 0;
}

/* ---- Jobs ---- */

static void put_named(struct naming *n, struct late *late) {
        struct names *names = n->names;
        struct log_record *r = journal_get(names->journal, late->record.kind);

        if (r) {
                *r = late->record;
                if (n->found)
                        report_name(r, n->name.signature, &n->name.context,
                                    n->name.has_digest ? n->name.digest : NULL, n->name.item_size);
                journal_put(names->journal, r);
        }
        names->n_records--;
        names->stats->unnamed += !n->found;
        free(late);
}

static void put_all(struct naming *n) {
        struct late *late;

        while ((late = STAILQ_FIRST(&n->records))) {
                STAILQ_REMOVE_HEAD(&n->records, link);
                put_named(n, late);
        }
}

static void naming_end(struct naming *n) {
        struct names *names = n->names;

        put_all(n);
        TAILQ_REMOVE(&names->queue, n, link);
        names->n_queue--;
        close_fd(n->fd);
        free(n);
}

static void run_next(struct names *names) {
        struct naming *n = TAILQ_FIRST(&names->queue);

        if (names->running || !n)
                return;
        names->running = n;
        names->stats->named++;
        pool_submit(names->pool, &n->job);
}

static void take(struct naming *n, bool has_digest, const uint8_t *digest, const char *signature,
                 const struct context *context) {
        n->found = true;
        n->name.has_digest = has_digest;
        if (has_digest)
                memcpy(n->name.digest, digest, sizeof(n->name.digest));
        proto_text(n->name.signature, sizeof(n->name.signature), signature);
        n->name.context = *context;
}

static void items(struct pool_job *job, const struct proto_span *spans, size_t size,
                  const struct proto_item *item) {
        struct naming *n = container_of(job, struct naming, job);

        (void)spans;
        (void)size;
        if (!item || item->span.how != ITEM_SCANNED || item->span.offset != job->from)
                return;
        n->name.item_size = item->span.size;
        take(n, item->span.has_digest, item->span.digest, item->signature, &item->context);
}

static bool is_same(const struct naming *n, const struct pool_result *result) {
        static const uint8_t none[STAMP_DIGEST_SIZE];

        if (memcmp(n->name.key.digest, none, sizeof(none)) == 0)
                return true;
        return result->has_digest &&
               memcmp(n->name.key.digest, result->digest, STAMP_DIGEST_SIZE) == 0;
}

static void done(struct pool_job *job, const struct pool_result *result) {
        struct naming *n = container_of(job, struct naming, job);
        struct names *names = n->names;
        bool failed = result->verdict == VERDICT_UNKNOWN;

        if (!job->many && !failed && result->verdict != VERDICT_CLEAN && is_same(n, result))
                take(n, result->has_digest, result->digest, result->signature, &result->context);
        /* What can't be read is not tried again and again. */
        if (n->found || (failed && !names->stopped))
                remember(names, &n->name);
        names->running = NULL;
        naming_end(n);
        run_next(names);
}

static struct naming *naming_new(struct names *names, const struct report *report,
                                 const struct key *key) {
        struct naming *n;
        int flags;

        if (names->stopped || names->n_queue >= JOBS_MAX)
                return NULL;
        n = calloc(1, sizeof(*n));
        if (!n)
                return NULL;
        n->fd = fcntl(report->fd, F_DUPFD_CLOEXEC, 3);
        flags = n->fd < 0 ? -1 : fcntl(n->fd, F_GETFL);
        /* The ring would fail reads of an O_NONBLOCK file instead of waiting for its pages. */
        if (flags < 0 || fcntl(n->fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
                close_fd(n->fd);
                free(n);
                return NULL;
        }
        n->names = names;
        n->name.key = *key;
        n->job = (struct pool_job){
                .fd = n->fd,
                .size = report->size,
                .aloud = true, /* it may have been opened anew */
                .low = true,
                .form = stores_form(report->store->format),
                .many = report->has_item,
                .done = done,
        };
        if (report->has_item) {
                n->job.items = items;
                n->job.from = n->job.wanted = report->item_offset;
                n->job.to = report->item_offset + 1;
        }
        STAILQ_INIT(&n->records);
        TAILQ_INSERT_TAIL(&names->queue, n, link);
        names->n_queue++;
        return n;
}

static struct naming *find_naming(struct names *names, const struct key *key) {
        struct naming *n;

        TAILQ_FOREACH(n, &names->queue, link)
        if (memcmp(&n->name.key, key, sizeof(*key)) == 0)
                return n;
        return NULL;
}

/* False: it has to be logged as it is. */
static bool put_off(struct names *names, const struct report *report, const struct key *key) {
        struct naming *n;
        struct late *late;

        if (names->n_records >= RECORDS_MAX)
                return false;
        late = calloc(1, sizeof(*late));
        if (!late)
                return false;
        n = find_naming(names, key);
        if (!n)
                n = naming_new(names, report, key);
        if (!n) {
                free(late);
                return false;
        }
        /* Path and opener are asked for now: they may be gone later. */
        late->record.uid = (uid_t)-1;
        report_fill(names->config, report, &late->record);
        STAILQ_INSERT_TAIL(&n->records, late, link);
        names->n_records++;
        run_next(names);
        return true;
}

/* ---- Reports ---- */

static bool has_name(const struct report *report) {
        return report->tier == LOG_TIER_SCAN || (report->signature && *report->signature);
}

static void report_named(struct names *names, struct report report, const struct name *name) {
        report.signature = name->signature;
        report.context = &name->context;
        report.digest = name->has_digest ? name->digest : NULL;
        report.item_size = name->item_size;
        report_verdict(names->journal, names->config, &report);
}

void names_report(struct names *names, const struct report *report) {
        const struct name *name;
        struct key key;

        if ((report->verdict != VERDICT_INFECTED && report->verdict != VERDICT_UNSCANNABLE) ||
            report->hub_refused != HUB_GOOD || !key_of(report, &key)) {
                report_verdict(names->journal, names->config, report);
                return;
        }
        forget_others(names, report->generation);
        if (has_name(report)) {
                learn(names, report, &key);
                report_verdict(names->journal, names->config, report);
                return;
        }
        name = find(names, &key);
        if (name)
                report_named(names, *report, name);
        else if (!put_off(names, report, &key)) {
                names->stats->unnamed++;
                report_verdict(names->journal, names->config, report);
        }
}

/* ---- The object ---- */

void names_stop(struct names *names) {
        struct naming *n, *next;

        names->stopped = true;
        for (n = TAILQ_FIRST(&names->queue); n; n = next) {
                next = TAILQ_NEXT(n, link);
                if (n == names->running)
                        put_all(n); /* a worker has it, perhaps for long */
                else
                        naming_end(n);
        }
        if (names->running)
                pool_withdraw(names->pool, &names->running->job, REASON_SHUTDOWN);
}

bool names_busy(const struct names *names) {
        return names->running;
}

int names_new(const struct config *config, struct pool *pool, struct stats *stats,
              struct journal *journal, struct names **ret) {
        struct names *names = calloc(1, sizeof(*names));

        if (!names)
                return -ENOMEM;
        names->config = config;
        names->pool = pool;
        names->stats = stats;
        names->journal = journal;
        TAILQ_INIT(&names->queue);
        *ret = names;
        return 0;
}

struct names *names_free(struct names *names) {
        if (!names)
                return NULL;
        assert(names->n_queue == 0);
        free(names);
        return NULL;
}
