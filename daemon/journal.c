/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the queue of records and the thread that drains it. Must not be waited for by anybody: a
 * blocked journald (its own rotation may wait for an open of ours) fills the queue, and records are
 * dropped and counted.
 *
 * The queue is D. Vyukov's bounded multi-producer queue: a cell's sequence number says whose turn
 * it is, so that neither side ever takes a lock. The semaphore only wakes the thread.
 */

#include "daemon/journal.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <time.h>

#include "daemon/clock.h"

#define REPEAT_USEC  (10 * USEC_PER_SEC)
#define REPEAT_SLOTS 256

struct journal {
        /* A cell is sequences[i] and records[i]; apart, so that a record that is never used costs
         * no memory. */
        _Atomic(size_t) *sequences;
        struct log_record *records;
        size_t mask;
        _Atomic(size_t) tail;
        size_t head; /* the thread's own */
        _Atomic(uint64_t) dropped;
        uint64_t dropped_told;
        _Atomic(bool) stop;
        sem_t wake;
        pthread_t thread;
        const char *name;
        bool native; /* stderr is the journal: speak its protocol */

        /* Kinds that a reader can repeat at will are told once in a while for each file. */
        struct {
                uint64_t hash, since_usec;
                unsigned hidden;
        } repeats[REPEAT_SLOTS];
        const char *crypted[64]; /* names of stores that were told of as such */
};

static const struct {
        const char *word, *message_id;
        int priority;
} kinds[] = {
#define X(id, word, message_id, priority, meaning) { word, message_id, priority },
        EVENT_TABLE(X)
#undef X
};

static const char *const action_names[] = {
        [LOG_ACTION_NONE] = "none",
        [LOG_ACTION_ALLOWED] = "allowed",
        [LOG_ACTION_DENIED] = "denied",
};

static const char *const tier_names[] = {
        [LOG_TIER_NONE] = "none",   [LOG_TIER_STAMP] = "stamp", [LOG_TIER_DIGEST] = "digest",
        [LOG_TIER_CACHE] = "cache", [LOG_TIER_HUB] = "hub",     [LOG_TIER_SCAN] = "scan",
};

/* ---- The sentence ---- */

struct text {
        char *out;
        size_t size, n;
};

static void text_add(struct text *t, const char *format, ...) _printf_(2, 3);

static void text_add(struct text *t, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(t->out + t->n, t->size - t->n, format, ap);
        va_end(ap);
        if (n > 0)
                t->n = MIN(t->n + (size_t)n, t->size - 1);
}

/* Length of the UTF-8 character that s begins with (RFC 3629), or 0. */
static size_t utf8_length(const char *s) {
        const unsigned char *c = (const unsigned char *)s;
        size_t n = c[0] < 0x80                   ? 1
                   : c[0] >= 0xc2 && c[0] < 0xe0 ? 2
                   : (c[0] & 0xf0) == 0xe0       ? 3
                   : c[0] >= 0xf0 && c[0] < 0xf5 ? 4
                                                 : 0;

        for (size_t i = 1; i < n; i++)
                if ((c[i] & 0xc0) != 0x80)
                        return 0;
        /* Overlong forms, surrogates, and what is beyond Unicode. */
        if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) ||
            (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90))
                return 0;
        return n;
}

/* Paths and process names are hostile text: control characters, quotes, backslashes and what is not
 * UTF-8 (journalctl would hide all of the message) become \xNN. C1 controls are two bytes. */
static void text_add_escaped(struct text *t, const char *s) {
        while (*s) {
                unsigned char c = (unsigned char)*s;
                size_t n = utf8_length(s);
                bool c1 = n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0;

                if (n == 0 || c1 || c < ' ' || c == 0x7f || c == '\\' || c == '\'') {
                        text_add(t, "\\x%02x", c);
                        s++;
                        if (c1)
                                text_add(t, "\\x%02x", (unsigned char)*s++);
                        continue;
                }
                text_add(t, "%.*s", (int)n, s);
                s += n;
        }
}

static void text_add_opener(struct text *t, const struct log_record *r) {
        if (!r->has_opener)
                return;
        text_add(t, " by ");
        if (r->comm[0] != '\0')
                text_add_escaped(t, r->comm);
        else
                text_add(t, "process");
        text_add(t, "[%d]", (int)r->pid);
        if (r->uid != (uid_t)-1)
                text_add(t, " (uid %u)", (unsigned)r->uid);
}

static void text_add_verdict(struct text *t, const struct log_record *r) {
        switch (r->verdict) {
        case VERDICT_INFECTED:
                if (r->signature[0] != '\0')
                        text_add(t, "infected with %s", r->signature);
                else
                        text_add(t, "infected");
                break;
        case VERDICT_UNSCANNABLE:
        case VERDICT_UNKNOWN:
                text_add(t, "%s (%s%s%s)",
                         r->verdict == VERDICT_UNKNOWN ? "could not be scanned" : "not scannable",
                         reason_name(r->reason), r->signature[0] ? ": " : "", r->signature);
                break;
        case VERDICT_CLEAN:
        case _VERDICT_MAX:
        default: text_add(t, "%s", verdict_name(r->verdict));
        }
        if (r->tier == LOG_TIER_STAMP || r->tier == LOG_TIER_DIGEST)
                text_add(t, ", known by its %s", tier_names[r->tier]);
        if (r->tier == LOG_TIER_CACHE)
                text_add(t, ", known from another copy");
        if (r->tier == LOG_TIER_HUB)
                text_add(t, ", known by a hub's stamp");
}

/* Who finds the message by these words is an admin; they are the sender's. */
static void text_add_context(struct text *t, const struct context *context) {
        static const struct {
                const char *what;
                size_t offset;
        } parts[] = {
                { "message", offsetof(struct context, message_id) },
                { "from", offsetof(struct context, from) },
                { "subject", offsetof(struct context, subject) },
        };
        const char *separator = " (";

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                const char *value = (const char *)context + parts[i].offset;

                if (value[0] == '\0')
                        continue;
                text_add(t, "%s%s '", separator, parts[i].what);
                text_add_escaped(t, value);
                text_add(t, "'");
                separator = ", ";
        }
        if (separator[0] == ',')
                text_add(t, ")");
}

static void text_add_place(struct text *t, const struct log_record *r) {
        if (r->has_item)
                text_add(t, "the message at byte %llu of ", (unsigned long long)r->item_offset);
        text_add(t, "'");
        text_add_escaped(t, r->path[0] ? r->path : "(unknown path)");
        text_add(t, "'");
}

static void text_add_remedy(struct text *t, const struct log_record *r) {
        text_add(t, "%s what is infected in ",
                 r->kind == EVENT_REPLACED ? "Replaced" : "Could not replace");
        text_add_place(t, r);
        text_add(t, " with a notice: %s", r->signature[0] ? r->signature : "unknown signature");
        if (r->quarantine_id[0] != '\0')
                text_add(t, "; original in quarantine as %s", r->quarantine_id);
        text_add_context(t, &r->context);
        text_add(t, ".%s%s", r->detail[0] ? " " : "", r->detail);
}

size_t journal_message(const struct log_record *r, char *out, size_t size) {
        struct text t = { .out = out, .size = size };

        out[0] = '\0';
        if (!r->has_verdict) {
                text_add(&t, "%s", r->detail);
                return t.n;
        }
        if (r->in_transit) {
                text_add(&t, "Mail ");
                text_add_escaped(&t, r->detail);
                text_add(&t, ": ");
                text_add_verdict(&t, r);
                text_add_context(&t, &r->context);
                text_add(&t, ".");
                return t.n;
        }
        if (r->kind == EVENT_REPLACED || r->kind == EVENT_REMEDY_FAILED) {
                text_add_remedy(&t, r);
                return t.n;
        }
        text_add(&t, "%s ",
                 r->action == LOG_ACTION_DENIED ? r->is_read ? "Denied access to" : "Denied open of"
                 : r->action == LOG_ACTION_ALLOWED
                         ? r->is_read ? "Allowed access to" : "Allowed open of"
                         : "Found");
        text_add_place(&t, r);
        text_add_opener(&t, r);
        text_add(&t, ": ");
        text_add_verdict(&t, r);
        text_add_context(&t, &r->context);
        text_add(&t, ".");
        if (r->detail[0] != '\0')
                text_add(&t, " %s", r->detail);
        return t.n;
}

/* ---- Writing ---- */

#define FIELDS_MAX 40

struct fields {
        struct iovec iov[FIELDS_MAX];
        size_t n;
        char buf[4096];
        size_t used;
};

static void field(struct fields *f, const char *format, ...) _printf_(2, 3);

static void field(struct fields *f, const char *format, ...) {
        size_t room = sizeof(f->buf) - f->used;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(f->buf + f->used, room, format, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= room || f->n == FIELDS_MAX)
                return;
        f->iov[f->n++] = (struct iovec){ .iov_base = f->buf + f->used, .iov_len = (size_t)n };
        f->used += (size_t)n + 1;
}

static void fields_of_file(struct fields *f, const struct log_record *r) {
        field(f, "STORESCAN_VERDICT=%s", verdict_name(r->verdict));
        field(f, "STORESCAN_REASON=%s", reason_name(r->reason));
        field(f, "STORESCAN_ACTION=%s", action_names[r->action]);
        field(f, "STORESCAN_TIER=%s", tier_names[r->tier]);
        field(f, "STORESCAN_SIZE=%llu", (unsigned long long)r->size);
        if (r->signature[0] != '\0')
                field(f, "STORESCAN_SIGNATURE=%s", r->signature);
        if (r->has_digest) {
                char text[2 * DIGEST_SIZE + 1];

                for (size_t i = 0; i < DIGEST_SIZE; i++)
                        (void)snprintf(text + 2 * i, 3, "%02x", r->digest[i]);
                field(f, "STORESCAN_DIGEST=%s", text);
        }
        if (r->quarantine_id[0] != '\0')
                field(f, "STORESCAN_QUARANTINE_ID=%s", r->quarantine_id);
        if (r->has_item) {
                field(f, "STORESCAN_ITEM_OFFSET=%llu", (unsigned long long)r->item_offset);
                if (r->item_size > 0)
                        field(f, "STORESCAN_ITEM_SIZE=%llu", (unsigned long long)r->item_size);
        }
        if (r->context.message_id[0] != '\0')
                field(f, "STORESCAN_MESSAGE_ID=%s", r->context.message_id);
        if (r->context.from[0] != '\0')
                field(f, "STORESCAN_FROM=%s", r->context.from);
        if (r->context.subject[0] != '\0')
                field(f, "STORESCAN_SUBJECT=%s", r->context.subject);
        if (r->has_opener) {
                field(f, "STORESCAN_PID=%d", (int)r->pid);
                if (r->uid != (uid_t)-1)
                        field(f, "STORESCAN_UID=%u", (unsigned)r->uid);
                if (r->comm[0] != '\0')
                        field(f, "STORESCAN_COMM=%s", r->comm);
        }
        if (r->has_times) {
                field(f, "STORESCAN_QUEUE_USEC=%llu", (unsigned long long)r->queue_usec);
                field(f, "STORESCAN_READ_USEC=%llu", (unsigned long long)r->read_usec);
                field(f, "STORESCAN_SCAN_USEC=%llu", (unsigned long long)r->scan_usec);
                field(f, "STORESCAN_ANSWER_USEC=%llu", (unsigned long long)r->answer_usec);
        }
}

static void write_native(const struct journal *j, const struct log_record *r, const char *message) {
        char path[sizeof("STORESCAN_PATH=") + PATH_MAX], text[sizeof("MESSAGE=") + 8192];
        struct fields f = {};
        int n;

        n = snprintf(text, sizeof(text), "MESSAGE=%s", message);
        f.iov[f.n++] = (struct iovec){ text, MIN((size_t)MAX(n, 0), sizeof(text) - 1) };
        if (r->path[0] != '\0') {
                n = snprintf(path, sizeof(path), "STORESCAN_PATH=%s", r->path);
                f.iov[f.n++] = (struct iovec){ path, MIN((size_t)MAX(n, 0), sizeof(path) - 1) };
        }
        field(&f, "PRIORITY=%d", kinds[r->kind].priority);
        field(&f, "MESSAGE_ID=%s", kinds[r->kind].message_id);
        field(&f, "SYSLOG_IDENTIFIER=%s", j->name);
        field(&f, "STORESCAN_EVENT=%s", kinds[r->kind].word);
        if (r->store)
                field(&f, "STORESCAN_STORE=%s", r->store);
        if (r->generation[0] != '\0')
                field(&f, "STORESCAN_GENERATION=%s", r->generation);
        if (r->detail[0] != '\0')
                field(&f, "STORESCAN_DETAIL=%s", r->detail);
        if (r->has_verdict)
                fields_of_file(&f, r);
        (void)sd_journal_sendv(f.iov, (int)f.n);
}

/* By write(2) alone: exit(3) waits for the locks of stdio, and a stuck stderr would hold one. */
static void write_stderr(const struct journal *j, const char *word, const char *message) {
        char line[8192 + 64];
        int n = snprintf(line, sizeof(line), "%s: %s: %s\n", j->name, word, message);

        if (n > 0)
                (void)!write(STDERR_FILENO, line, MIN((size_t)n, sizeof(line) - 1));
}

/* FNV-1a over what makes two records "the same again". */
static uint64_t repeat_hash(const struct log_record *r) {
        uint64_t h = UINT64_C(14695981039346656037) ^ (uint64_t)r->kind;

        for (const char *p = r->path; *p; p++)
                h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
        h = (h ^ r->item_offset) * UINT64_C(1099511628211);
        return (h ^ (uint64_t)r->uid) * UINT64_C(1099511628211);
}

/* All mail of a store is encrypted, or will be: that is one message, not one for each mail. */
static bool once_allows(struct journal *j, const struct log_record *r) {
        if (r->kind != EVENT_MAIL_CRYPT || !r->store)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(j->crypted); i++) {
                if (j->crypted[i] == r->store)
                        return false;
                if (!j->crypted[i]) {
                        j->crypted[i] = r->store;
                        return true;
                }
        }
        return false;
}

/* Whether the record may be told now; ret_hidden is how many alike were not. */
static bool repeat_allows(struct journal *j, const struct log_record *r, unsigned *ret_hidden) {
        uint64_t hash = repeat_hash(r), now = now_usec();
        typeof(j->repeats[0]) *slot = &j->repeats[hash % REPEAT_SLOTS];

        *ret_hidden = 0;
        if (!r->has_verdict || !r->has_opener)
                return true;
        if (slot->hash == hash && now - slot->since_usec < REPEAT_USEC) {
                slot->hidden++;
                return false;
        }
        if (slot->hash == hash)
                *ret_hidden = slot->hidden;
        slot->hash = hash;
        slot->since_usec = now;
        slot->hidden = 0;
        return true;
}

static void write_record(struct journal *j, struct log_record *r) {
        char message[8192];
        unsigned hidden;

        if (!once_allows(j, r) || !repeat_allows(j, r, &hidden))
                return;
        if (hidden > 0 && r->detail[0] == '\0')
                snprintf(r->detail, sizeof(r->detail), "%u more like this since the last message.",
                         hidden);
        (void)journal_message(r, message, sizeof(message));
        if (j->native)
                write_native(j, r, message);
        else
                write_stderr(j, kinds[r->kind].word, message);
}

static void tell_dropped(struct journal *j) {
        uint64_t dropped = atomic_load_explicit(&j->dropped, memory_order_relaxed);
        _cleanup_free_ struct log_record *r = NULL;

        if (dropped == j->dropped_told)
                return;
        r = calloc(1, sizeof(*r));
        if (!r)
                return;
        r->kind = EVENT_LOG_DROPPED;
        snprintf(r->detail, sizeof(r->detail),
                 "%llu log records were dropped, since the journal was slower than events came.",
                 (unsigned long long)(dropped - j->dropped_told));
        j->dropped_told = dropped;
        write_record(j, r);
}

/* ---- The queue ---- */

static bool take(struct journal *j) {
        size_t i = j->head & j->mask;

        if (atomic_load_explicit(&j->sequences[i], memory_order_acquire) != j->head + 1)
                return false;
        write_record(j, &j->records[i]);
        atomic_store_explicit(&j->sequences[i], j->head + j->mask + 1, memory_order_release);
        j->head++;
        return true;
}

static void *drain(void *userdata) {
        struct journal *j = userdata;

        for (;;) {
                while (sem_wait(&j->wake) < 0)
                        ;
                while (take(j))
                        ;
                tell_dropped(j);
                if (atomic_load(&j->stop))
                        return NULL;
        }
}

struct log_record *journal_get(struct journal *j, enum event_kind kind) {
        size_t tail = atomic_load_explicit(&j->tail, memory_order_relaxed);

        for (;;) {
                struct log_record *record = &j->records[tail & j->mask];
                size_t sequence =
                        atomic_load_explicit(&j->sequences[tail & j->mask], memory_order_acquire);

                if (sequence == tail) {
                        if (!atomic_compare_exchange_weak_explicit(&j->tail, &tail, tail + 1,
                                                                   memory_order_relaxed,
                                                                   memory_order_relaxed))
                                continue;
                        /* The texts are terminated, not zeroed: 4 KiB of path a record are dear. */
                        memset(record, 0, offsetof(struct log_record, detail));
                        record->detail[0] = '\0';
                        record->path[0] = '\0';
                        record->kind = kind;
                        record->uid = (uid_t)-1;
                        return record;
                }
                if (sequence < tail) {
                        atomic_fetch_add_explicit(&j->dropped, 1, memory_order_relaxed);
                        return NULL;
                }
                tail = atomic_load_explicit(&j->tail, memory_order_relaxed);
        }
}

void journal_put(struct journal *j, struct log_record *record) {
        size_t i = (size_t)(record - j->records);

        (void)atomic_fetch_add_explicit(&j->sequences[i], 1, memory_order_release);
        (void)sem_post(&j->wake);
}

void journal_say(struct journal *j, enum event_kind kind, const char *store, const char *format,
                 ...) {
        struct log_record *r = journal_get(j, kind);
        va_list ap;

        if (!r)
                return;
        r->store = store;
        va_start(ap, format);
        (void)vsnprintf(r->detail, sizeof(r->detail), format, ap);
        va_end(ap);
        journal_put(j, r);
}

uint64_t journal_dropped(const struct journal *j) {
        return atomic_load_explicit(&j->dropped, memory_order_relaxed);
}

/* $JOURNAL_STREAM names the device and inode of the stream to the journal (systemd.exec(5)). */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

int journal_new(unsigned capacity, struct journal **ret) {
        _cleanup_free_ struct journal *j = calloc(1, sizeof(*j));
        size_t n = 16;
        int r;

        if (!j)
                return -ENOMEM;
        while (n < capacity)
                n *= 2;
        j->mask = n - 1;
        j->name = "storescand";
        j->native = stderr_is_journal();
        j->sequences = calloc(n, sizeof(*j->sequences));
        j->records = calloc(n, sizeof(*j->records));
        if (!j->sequences || !j->records) {
                r = ENOMEM;
                goto fail;
        }
        for (size_t i = 0; i < n; i++)
                atomic_init(&j->sequences[i], i);
        (void)sem_init(&j->wake, 0, 0);
        r = pthread_create(&j->thread, NULL, drain, j);
        if (r != 0)
                goto fail;
        *ret = TAKE_PTR(j);
        return 0;

fail:
        free(j->sequences);
        free(j->records);
        return -r;
}

void journal_set_name(struct journal *j, const char *name) {
        j->name = name;
}

struct journal *journal_free(struct journal *j) {

        if (!j)
                return NULL;
        atomic_store(&j->stop, true);
        (void)sem_post(&j->wake);
        /* A thread that hangs in a blocked journal keeps its memory until the process ends. */
        if (join_until(j->thread, NULL, now_usec() + USEC_PER_SEC) != 0)
                return NULL;
        (void)sem_destroy(&j->wake);
        free(j->sequences);
        free(j->records);
        free(j);
        return NULL;
}
