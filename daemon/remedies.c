/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the process, its socket, the queue of jobs. The child gives up all but two capabilities before it
 * executes storescan-remedy. Must not trust what the process says (remedy_check), nor wait for it: a job
 * that takes too long costs the process.
 */

#include "daemon/remedies.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/child.h"
#include "daemon/clock.h"
#include "daemon/program.h"
#include "daemon/unfinished.h"

#define REMEDY_PROGRAM "storescan-remedy"
/* Longer than any healthy disk takes; a file system that hangs keeps the others waiting until then. */
#define JOB_USEC         (20 * USEC_PER_SEC)
#define PATIENCE_USEC    USEC_PER_SEC
#define BACKOFF_USEC     (USEC_PER_SEC / 10)
#define BACKOFF_MAX_USEC (60 * USEC_PER_SEC)

struct remedies {
        struct ring *ring;
        const struct config *config;
        struct stats *stats;
        struct journal *journal;
        int program_fd;

        pid_t pid; /* 0: it does not run */
        int pidfd;
        int sock;
        struct ring_op receive_op;
        bool receiving, freed, ready;
        bool wanted; /* else it is not started */
        union remedy_message message;

        struct remedy_job *first, **last; /* those that wait; the first may be under way */
        bool under_way;
        uint64_t id;         /* of the job that was sent last */
        uint64_t sent_usec;  /* when, or when the process was started */
        uint64_t start_usec; /* not before */
        uint64_t backoff_usec;
        struct unfinished unfinished; /* nobody is to be let at it */
        uint32_t waiting;             /* as the process told last */
};

static void receive(struct remedies *r);

/* ---- The process ---- */

/* Between fork and exec. The gate has threads (journal, marker), so only system calls here. As root
 * the program has to drop the rest by itself. */
static _Noreturn void child(int sock, int program) {
        static char name[] = REMEDY_PROGRAM;
        char *argv[] = { name, NULL }, *envp[] = { NULL };
        const struct rlimit no_core = {};
        sigset_t none;

        sock = fcntl(sock, F_DUPFD_CLOEXEC, 10);
        program = fcntl(program, F_DUPFD_CLOEXEC, 10);
        if (sock < 0 || program < 0 || dup2(sock, CHILD_FD) < 0 ||
            dup3(program, CHILD_FD + 1, O_CLOEXEC) < 0 || close_range(CHILD_FD + 2, ~0U, 0) < 0)
                _exit(124);
        for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
                if (cap != CAP_DAC_OVERRIDE && cap != CAP_FOWNER)
                        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, cap, 0, 0);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                _exit(126);
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)setsid();
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGIO, SIG_DFL);
        (void)syscall(SYS_execveat, CHILD_FD + 1, "", argv, envp, AT_EMPTY_PATH);
        _exit(127);
}

static int start(struct remedies *r, uint64_t now) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        _cleanup_free_ union remedy_message *m = calloc(1, sizeof(*m));
        int pair[2], error;

        if (!m)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        remedy_init(m, REMEDY_SETTINGS);
        memccpy(m->settings.directory, r->config->quarantine_directory, '\0',
                sizeof(m->settings.directory) - 1);
        error = remedy_send(ours, m, NULL, 0, false);
        if (error < 0)
                return error;

        r->pid = fork();
        if (r->pid == 0)
                child(theirs, r->program_fd);
        if (r->pid < 0) {
                error = -errno;
                r->pid = 0;
                return error;
        }
        r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
        r->sock = TAKE_FD(ours);
        r->ready = false;
        r->sent_usec = now;
        receive(r);
        return 0;
}

static void log_died(struct remedies *r, const char *why) {
        journal_say(r->journal, EVENT_REMEDY_FAILED, NULL,
                    "storescan-remedy %s%s; it is started anew.", why,
                    r->under_way ? " during a replacement, which it completes then" : "");
}

/* Takes the job under way, or the first that waits. */
static void finish(struct remedies *r, enum remedy_outcome outcome, const char *id,
                   const char *text) {
        struct remedy_job *job = r->first;

        r->first = job->next;
        if (!r->first)
                r->last = &r->first;
        r->under_way = false;
        job->next = NULL;
        job->done(job, outcome, id, text);
}

/* Of the job under way. */
static int keep_unfinished(struct remedies *r) {
        const struct remedy_job *job = r->first;
        struct stat st;

        if (fstat(job->fd, &st) < 0)
                return -errno;
        return unfinished_add(
                &r->unfinished,
                &(struct unfinished_place){ st.st_dev, st.st_ino, job->offset, job->size }, false);
}

/* The process is gone, or as good as gone. */
static void ended(struct remedies *r) {
        if (r->pidfd >= 0)
                (void)syscall(SYS_pidfd_send_signal, r->pidfd, SIGKILL, NULL, 0);
        r->pidfd = close_fd(r->pidfd);
        r->sock = close_fd(r->sock);
        r->pid = 0;
        r->ready = false;
        r->start_usec = now_usec() + r->backoff_usec;
        r->backoff_usec = MIN(r->backoff_usec * 2, BACKOFF_MAX_USEC);
        if (r->under_way) {
                r->stats->remedies_failed++;
                (void)keep_unfinished(r);
                finish(r, REMEDY_FAILED, "", "storescan-remedy died");
        }
}

/* ---- What it says ---- */

static void log_outcome(struct remedies *r, const struct remedy_job *job,
                        const struct remedy_done *done) {
        bool replaced = done->outcome == REMEDY_REPLACED;
        struct log_record *record =
                journal_get(r->journal, replaced ? EVENT_REPLACED : EVENT_REMEDY_FAILED);

        if (!record)
                return;
        record->has_verdict = true;
        record->has_item = format_items(job->store->format) == ITEMS_MANY;
        record->verdict = VERDICT_INFECTED;
        record->store = job->store->name;
        record->size = job->size;
        record->item_offset = job->offset;
        record->item_size = job->size;
        record->context = job->context;
        record->has_digest = job->has_content;
        memcpy(record->digest, job->content, sizeof(record->digest));
        proto_text(record->signature, sizeof(record->signature), job->signature);
        generation_format(&job->generation, record->generation);
        proto_text(record->quarantine_id, sizeof(record->quarantine_id), done->item);
        if (!replaced)
                (void)snprintf(record->detail, sizeof(record->detail), "%s.", done->text);
        (void)snprintf(record->path, sizeof(record->path), "%s", job->path);
        journal_put(r->journal, record);
}

static void take_done(struct remedies *r, const struct remedy_done *done) {
        struct store_stats *of = stats_of(r->stats, r->first->store->name);

        if (done->item[0] != '\0') {
                r->stats->quarantined++;
                of->quarantined++;
        }
        switch ((enum remedy_outcome)done->outcome) {
        case REMEDY_REPLACED:
                r->stats->replaced++;
                of->replaced++;
                break;
        case REMEDY_BUSY:
        case REMEDY_CHANGED: r->stats->remedies_busy++; break;
        case REMEDY_REFUSED:
        case REMEDY_NOT_QUARANTINED:
        case REMEDY_FAILED: r->stats->remedies_failed++; break;
        case _REMEDY_OUTCOME_MAX:
        default: break;
        }
        if (done->outcome != REMEDY_BUSY && done->outcome != REMEDY_CHANGED)
                log_outcome(r, r->first, done);
        if (done->half)
                (void)keep_unfinished(r);
        r->backoff_usec = BACKOFF_USEC;
        finish(r, done->outcome, done->item, done->text);
}

/* A replacement that a crash interrupted. */
static void take_note(struct remedies *r, const struct remedy_note *note) {
        struct log_record *record =
                journal_get(r->journal, note->completed ? EVENT_REPLACED : EVENT_REMEDY_FAILED);

        if (note->completed)
                r->stats->replaced++;
        else
                r->stats->remedies_failed++;
        if (!record)
                return;
        record->has_verdict = true;
        record->verdict = VERDICT_INFECTED;
        for (size_t i = 0; i < r->config->n_stores; i++)
                if (streq(r->config->stores[i].name, note->store)) {
                        record->store = r->config->stores[i].name;
                        record->has_item = format_items(r->config->stores[i].format) == ITEMS_MANY;
                }
        record->size = note->size;
        record->item_offset = note->offset;
        record->item_size = note->size;
        proto_text(record->signature, sizeof(record->signature), note->signature);
        proto_text(record->quarantine_id, sizeof(record->quarantine_id), note->id);
        (void)snprintf(record->detail, sizeof(record->detail),
                       "It had been interrupted before%s%s.", note->completed ? "" : ": ",
                       note->text);
        memcpy(record->path, note->path, sizeof(record->path));
        journal_put(r->journal, record);
}

static void take_waiting(struct remedies *r, const struct remedy_waiting *waiting) {
        (void)unfinished_add(&r->unfinished,
                             &(struct unfinished_place){ (dev_t)waiting->dev, (ino_t)waiting->ino,
                                                         waiting->offset, waiting->size },
                             true);
}

static void take_ready(struct remedies *r, const struct remedy_ready *ready) {
        r->ready = true;
        unfinished_looked(&r->unfinished, ready->looked);
        if (ready->waiting > r->waiting)
                journal_say(r->journal, EVENT_REMEDY_FAILED, NULL,
                            "%" PRIu32 " interrupted replacement%s can't be completed yet; "
                            "storescan-remedy keeps trying.",
                            ready->waiting, ready->waiting == 1 ? "" : "s");
        r->waiting = ready->waiting;
}

static void received(struct ring_op *op, int res) {
        struct remedies *r = container_of(op, struct remedies, receive_op);
        int kind;

        r->receiving = false;
        if (r->freed) {
                free(r);
                return;
        }
        if (res == -EINTR || res == -EAGAIN) {
                receive(r);
                return;
        }
        kind = res > 0 ? remedy_check(&r->message, (size_t)res) : -EBADMSG;
        if (kind == REMEDY_DONE && (!r->under_way || r->message.done.id != r->id))
                kind = -EBADMSG;
        switch (kind) {
        case REMEDY_NOTE: take_note(r, &r->message.note); break;
        case REMEDY_WAITING: take_waiting(r, &r->message.waiting); break;
        case REMEDY_READY: take_ready(r, &r->message.ready); break;
        case REMEDY_DONE: take_done(r, &r->message.done); break;
        default:
                log_died(r, res > 0 ? "said what makes no sense" : "ended");
                ended(r);
                return;
        }
        receive(r);
}

static void receive(struct remedies *r) {
        struct io_uring_sqe *sqe = ring_entry(r->ring);

        io_uring_prep_recv(sqe, r->sock, &r->message, sizeof(r->message), 0);
        ring_bind(sqe, &r->receive_op);
        r->receiving = true;
}

/* ---- Jobs ---- */

static void send_next(struct remedies *r, uint64_t now) {
        struct remedy_job *job = r->first;
        const int fds[REMEDY_FDS] = { job->fd, job->planned_fd };
        union remedy_message m;
        int error;

        remedy_init(&m, REMEDY_JOB);
        m.job.id = ++r->id;
        m.job.offset = job->offset;
        m.job.size = job->size;
        m.job.pid = (uint32_t)job->pid;
        m.job.format = (uint8_t)job->store->format;
        m.job.opaque = job->opaque;
        m.job.has_content = job->has_content;
        memcpy(m.job.original, job->original, DIGEST_SIZE);
        memcpy(m.job.planned, job->planned, DIGEST_SIZE);
        if (job->has_content)
                memcpy(m.job.content, job->content, DIGEST_SIZE);
        m.job.generation = job->generation;
        proto_text(m.job.store, sizeof(m.job.store), job->store->name);
        proto_text(m.job.signature, sizeof(m.job.signature), job->signature);
        m.job.context = job->context;
        memccpy(m.job.path, job->path, '\0', sizeof(m.job.path) - 1);
        error = remedy_check(&m, sizeof(m.job));
        if (error > 0)
                error = remedy_send(r->sock, &m, fds, REMEDY_FDS, false);
        if (error < 0) {
                r->stats->remedies_failed++;
                finish(r, REMEDY_FAILED, "",
                       error == -EBADMSG ? "the job makes no sense" : error_text(-error));
                return;
        }
        r->under_way = true;
        r->sent_usec = now;
}

void remedies_want(struct remedies *r) {
        r->wanted = true;
}

void remedies_submit(struct remedies *r, struct remedy_job *job) {
        r->wanted = true;
        job->next = NULL;
        *r->last = job;
        r->last = &job->next;
}

bool remedies_is_own(const struct remedies *r, pid_t pid) {
        return r && r->pid != 0 && pid == r->pid;
}

bool remedies_unfinished(const struct remedies *r, dev_t dev, ino_t ino, uint64_t offset,
                         uint64_t size) {
        return r && unfinished_overlaps(&r->unfinished, dev, ino, offset, size);
}

bool remedies_ready(const struct remedies *r) {
        return r->ready || !r->wanted;
}

uint64_t remedies_run(struct remedies *r, uint64_t now) {
        if (!r->wanted)
                return USEC_INFINITY;
        if (r->pid == 0 && !r->receiving && now >= r->start_usec) {
                int error = start(r, now);

                if (error < 0) {
                        journal_say(r->journal, EVENT_REMEDY_FAILED, NULL,
                                    "Failed to start storescan-remedy: %s.", error_text(-error));
                        ended(r);
                }
        }
        if ((r->under_way || (r->pid != 0 && !r->ready)) && now - r->sent_usec >= JOB_USEC &&
            r->pid != 0) {
                /* Ends in received(), even if the process can't die. */
                log_died(r, "does not answer");
                (void)shutdown(r->sock, SHUT_RDWR);
                r->sent_usec = now;
        }
        /* Readers wait for jobs, so these do not wait for a process that died again and again. */
        while (r->first && r->pid == 0 && r->start_usec > now + PATIENCE_USEC) {
                r->stats->remedies_failed++;
                finish(r, REMEDY_FAILED, "", "storescan-remedy does not run");
        }
        while (r->first && r->ready && !r->under_way)
                send_next(r, now);

        if (r->pid == 0)
                return r->start_usec;
        return r->under_way || !r->ready ? r->sent_usec + JOB_USEC : USEC_INFINITY;
}

/* ---- Beginning and end ---- */

void remedies_reserve_privileges(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};

        if (syscall(SYS_capget, &header, data) < 0)
                return;
        data[0].effective &= ~(1U << CAP_DAC_OVERRIDE | 1U << CAP_FOWNER);
        (void)syscall(SYS_capset, &header, data);
}

int remedies_new(struct ring *ring, const struct config *config, struct stats *stats,
                 struct journal *journal, bool wanted, FILE *errors, struct remedies **ret) {
        struct remedies *r;
        int error = 0;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        *r = (struct remedies){
                .ring = ring,
                .config = config,
                .stats = stats,
                .journal = journal,
                .pidfd = -EBADF,
                .sock = -EBADF,
                .receive_op.done = received,
                .backoff_usec = BACKOFF_USEC,
                .wanted = wanted,
        };
        r->last = &r->first;
        r->program_fd = program_open(REMEDY_PROGRAM, "remedy", "STORESCAN_REMEDY", errors);
        if (r->program_fd < 0) {
                error = r->program_fd;
                free(r);
                return error;
        }
        if (wanted)
                error = start(r, now_usec());
        if (error < 0) {
                fprintf(errors, "Failed to start storescan-remedy: %s.\n", error_text(-error));
                close_fd(r->program_fd);
                free(r);
                return error;
        }
        *ret = r;
        return 0;
}

struct remedies *remedies_free(struct remedies *r) {
        if (!r)
                return NULL;
        while (r->first)
                finish(r, REMEDY_FAILED, "", "storescand ends");
        /* The receive under way, if any, ends by the shutdown and frees the object. */
        if (r->sock >= 0)
                (void)shutdown(r->sock, SHUT_RDWR);
        r->sock = close_fd(r->sock);
        r->pidfd = close_fd(r->pidfd);
        r->program_fd = close_fd(r->program_fd);
        unfinished_done(&r->unfinished);
        if (r->receiving)
                r->freed = true;
        else
                free(r);
        return NULL;
}
