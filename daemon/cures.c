/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: every cure from its begin to its done(), with the memory that its plan is made in; the memory of
 * what could not be replaced lately. A cure is in one state at a time:
 *
 *     QUEUED     too many are under way
 *     PLANNING   a worker has it
 *     WRITING    storescan-remedy has it
 *     WAITING    somebody has it locked: it is tried again
 *     FOLLOWING  another cure of the same item is under way
 *     ENDED      done() is due, from cures_run()
 *
 * Must not own: the file's fd, leases, answers, the log.
 */

#include "daemon/cures.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/clock.h"
#include "daemon/policy.h"
#include "daemon/stores.h"

/* At once, and bytes of memory for their plans; one larger item may go alone. */
#define ACTIVE_MAX       4U
#define ACTIVE_BYTES_MAX (UINT64_C(256) << 20)
/* Before it is tried again. */
#define PAUSE_MIN_USEC (50 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC USEC_PER_SEC
/* What could not be replaced is not tried again so soon: a plan takes as many scans as there are ways
 * to make one. */
#define FAILURES_MAX 64
#define FAILURE_USEC (30 * USEC_PER_SEC)

enum state {
        STATE_QUEUED,
        STATE_PLANNING,
        STATE_WRITING,
        STATE_WAITING,
        STATE_FOLLOWING,
        STATE_ENDED
};

struct failure {
        dev_t dev;
        ino_t ino;
        uint64_t offset, size;
        uint64_t until_usec;
};

struct cures {
        const struct config *config;
        struct pool *pool;
        struct remedies *remedies;
        TAILQ_HEAD(, cure) all; /* in the order in which they came */
        unsigned n_active;
        uint64_t active_bytes;
        bool stopping;
        struct failure failures[FAILURES_MAX]; /* round robin */
        size_t next_failure;
};

/* ---- What could not be replaced ---- */

bool cures_hopeless(const struct cures *cures, dev_t dev, ino_t ino, uint64_t offset,
                    uint64_t size) {
        uint64_t now = now_usec();

        if (cures->stopping)
                return true;
        for (size_t i = 0; i < FAILURES_MAX; i++) {
                const struct failure *f = &cures->failures[i];

                if (f->until_usec > now && f->ino == ino && f->dev == dev && f->offset == offset &&
                    f->size == size)
                        return true;
        }
        return false;
}

static void remember_failure(const struct cure *cure) {
        struct cures *cures = cure->cures;

        cures->failures[cures->next_failure++ % FAILURES_MAX] = (struct failure){
                .dev = cure->dev,
                .ino = cure->ino,
                .offset = cure->subject.offset,
                .size = cure->subject.size,
                .until_usec = now_usec() + FAILURE_USEC,
        };
}

/* ---- States ---- */

static bool same_item(const struct cure *a, const struct cure *b) {
        return a->dev == b->dev && a->ino == b->ino && a->subject.offset == b->subject.offset;
}

static bool is_active(const struct cure *cure) {
        return cure->state == STATE_PLANNING || cure->state == STATE_WRITING ||
               cure->state == STATE_WAITING;
}

static void finish(struct cure *cure, enum cure_outcome outcome) {
        if (is_active(cure)) {
                cure->cures->n_active--;
                cure->cures->active_bytes -= cure->subject.size;
        }
        cure->planned_fd = close_fd(cure->planned_fd);
        cure->state = STATE_ENDED;
        cure->outcome = outcome;
}

static void fail(struct cure *cure, const char *text) {
        (void)snprintf(cure->text, sizeof(cure->text), "%s", text);
        remember_failure(cure);
        finish(cure, CURE_FAILED);
}

/* The others who wait for it. What was replaced they judge again; what could not be, neither can they. */
static void release_followers(struct cure *leader) {
        struct cure *cure;

        TAILQ_FOREACH(cure, &leader->cures->all, link) {
                if (cure->state != STATE_FOLLOWING || !same_item(cure, leader))
                        continue;
                cure->told = true;
                memcpy(cure->signature, leader->signature, sizeof(cure->signature));
                finish(cure, leader->outcome == CURE_REPLACED ? CURE_AGAIN : leader->outcome);
        }
}

/* ---- Writing ---- */

static void write_down(struct cure *cure);

static void pause_cure(struct cure *cure) {
        uint64_t now = now_usec();

        if (cure->cures->stopping || now >= cure->subject.due_usec) {
                (void)snprintf(cure->text, sizeof(cure->text),
                               "Somebody else had it locked all the time.");
                finish(cure, CURE_BUSY);
                return;
        }
        cure->state = STATE_WAITING;
        cure->retry_usec = MIN(now + cure->pause_usec, cure->subject.due_usec);
        cure->pause_usec = MIN(cure->pause_usec * 2, PAUSE_MAX_USEC);
}

static void written(struct remedy_job *job, enum remedy_outcome outcome, const char *id,
                    const char *text) {
        struct cure *cure = container_of(job, struct cure, remedy);

        (void)id;
        switch (outcome) {
        case REMEDY_REPLACED: finish(cure, CURE_REPLACED); break;
        case REMEDY_BUSY: pause_cure(cure); break;
        case REMEDY_CHANGED: finish(cure, CURE_AGAIN); break;
        case REMEDY_REFUSED:
        case REMEDY_NOT_QUARANTINED:
        case REMEDY_FAILED:
        case _REMEDY_OUTCOME_MAX:
        default: cure->told = true; fail(cure, text);
        }
}

static void write_down(struct cure *cure) {
        const struct cure_subject *s = &cure->subject;

        cure->state = STATE_WRITING;
        cure->remedy = (struct remedy_job){
                .fd = s->fd,
                .planned_fd = cure->planned_fd,
                .offset = cure->plan.offset,
                .size = cure->plan.size,
                .opaque = cure->plan.opaque,
                .has_content = cure->plan.has_digest,
                .store = s->store,
                .path = cure->path,
                .context = cure->context,
                .generation = cure->generation,
                .pid = s->pid,
                .done = written,
        };
        memcpy(cure->remedy.signature, cure->signature, sizeof(cure->remedy.signature));
        memcpy(cure->remedy.original, cure->plan.original, sizeof(cure->remedy.original));
        memcpy(cure->remedy.planned, cure->plan.planned, sizeof(cure->remedy.planned));
        memcpy(cure->remedy.content, cure->plan.digest, sizeof(cure->remedy.content));
        remedies_submit(cure->cures->remedies, &cure->remedy);
}

/* ---- Planning ---- */

static void planned(struct pool_job *job, const struct proto_plan *plan) {
        struct cure *cure = container_of(job, struct cure, job);

        cure->planned = true;
        cure->plan = *plan;
}

static void plan_done(struct pool_job *job, const struct pool_result *result) {
        struct cure *cure = container_of(job, struct cure, job);
        const struct proto_plan *plan = &cure->plan;
        char text[REMEDY_TEXT_MAX];

        if (!cure->planned || (plan->outcome == PLAN_NONE && result->verdict == VERDICT_UNKNOWN)) {
                (void)snprintf(text, sizeof(text), "No plan could be made: %s.",
                               reason_name(result->reason));
                fail(cure, text);
                return;
        }
        memcpy(cure->signature, plan->signature, sizeof(cure->signature));
        cure->context = plan->context;
        cure->has_digest = plan->has_digest;
        memcpy(cure->digest, plan->digest, sizeof(cure->digest));
        switch ((enum plan_outcome)plan->outcome) {
        case PLAN_MADE:
                if (cure->cures->stopping)
                        fail(cure, "Storescand ends.");
                else
                        write_down(cure);
                break;
        case PLAN_NOT_INFECTED:
        case PLAN_CHANGED: finish(cure, CURE_AGAIN); break;
        case PLAN_NONE:
        case _PLAN_OUTCOME_MAX:
        default:
                fail(cure, "There is no way to make it clean that keeps its length and its lines.");
        }
}

/* Whether a plan can be made: 0 or negative errno. A worker may write to it, but not change its size,
 * on which the remedy relies. */
static int make_memory(struct cure *cure) {
        int fd = memfd_create("storescan-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        cure->planned_fd = fd;
        if (ftruncate(fd, (off_t)cure->subject.size) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        return 0;
}

static void plan(struct cure *cure) {
        const struct cure_subject *s = &cure->subject;
        struct cures *cures = cure->cures;
        char text[REMEDY_TEXT_MAX];
        int r = make_memory(cure);

        if (r < 0) {
                (void)snprintf(text, sizeof(text), "No memory for a plan: %s.", error_text(-r));
                fail(cure, text);
                return;
        }
        cures->n_active++;
        cures->active_bytes += s->size;
        cure->state = STATE_PLANNING;
        cure->job = (struct pool_job){
                .fd = s->fd,
                .size = cure->file_size,
                .form = s->form,
                .many = s->many,
                .from = s->many ? s->offset : 0,
                .wanted = s->many ? s->offset : 0,
                .to = s->many ? s->offset + s->size : 0,
                .low = !s->awaited,
                .pid = s->pid,
                .planned_fd = cure->planned_fd,
                .detached = s->store->format == STORE_FORMAT_SIS,
                .plan = planned,
                .done = plan_done,
        };
        pool_submit(cures->pool, &cure->job);
}

/* ---- Begin, turn, end ---- */

/* The leader of those who are at the same item; or NULL. */
static struct cure *find_leader(const struct cures *cures, dev_t dev, ino_t ino, uint64_t offset) {
        struct cure *cure;

        TAILQ_FOREACH(cure, &cures->all, link)
        if (cure->state != STATE_FOLLOWING && cure->state != STATE_ENDED && cure->dev == dev &&
            cure->ino == ino && cure->subject.offset == offset)
                return cure;
        return NULL;
}

bool cures_has(const struct cures *cures, dev_t dev, ino_t ino, uint64_t offset) {
        return find_leader(cures, dev, ino, offset);
}

bool cures_unfinished(const struct cures *cures, dev_t dev, ino_t ino, uint64_t offset,
                      uint64_t size) {
        return remedies_unfinished(cures->remedies, dev, ino, offset, size);
}

void cures_awaited(struct cures *cures, dev_t dev, ino_t ino, uint64_t offset, pid_t pid) {
        struct cure *leader = find_leader(cures, dev, ino, offset);

        if (!leader)
                return;
        leader->subject.awaited = true;
        if (leader->state == STATE_PLANNING)
                pool_raise(cures->pool, &leader->job, pid);
        if (pid <= 0 || leader->subject.pid == pid)
                return;
        leader->subject.pid = pid;
        leader->retry_usec = 0;
}

/* A file that was not found by its place in a store can be of any format, so that what seems to be a
 * message may be a mailbox; what was renamed meanwhile likewise. */
static bool has_its_place(struct cure *cure, const struct stat *st) {
        const struct cure_subject *s = &cure->subject;
        struct stores_answer found;

        stores_ask(cure->cures->config, s->fd, st, cure->path, &found);
        return found.rooted && found.place == PLACE_ITEM &&
               found.store->format == s->store->format && policy_deed(found.store) == DEED_REPLACE;
}

int cures_begin(struct cures *cures, const struct cure_subject *subject) {
        _cleanup_(cure_freep) struct cure *cure = calloc(1, sizeof(*cure));
        struct stat st;

        if (!cure)
                return -ENOMEM;
        if (fstat(subject->fd, &st) < 0)
                return -errno;
        cure->subject = *subject;
        (void)config_store_hold(subject->store);
        cure->generation = *subject->generation;
        cure->cures = cures;
        cure->dev = st.st_dev;
        cure->ino = st.st_ino;
        cure->file_size = (uint64_t)st.st_size;
        cure->planned_fd = -EBADF;
        cure->pause_usec = PAUSE_MIN_USEC;
        cure->state = find_leader(cures, st.st_dev, st.st_ino, subject->offset) ? STATE_FOLLOWING
                                                                                : STATE_QUEUED;
        if (cure->state == STATE_FOLLOWING && subject->awaited)
                cures_awaited(cures, st.st_dev, st.st_ino, subject->offset, subject->pid);
        if (subject->size == 0 || subject->offset > cure->file_size ||
            subject->size > cure->file_size - subject->offset ||
            (!subject->many && subject->size != cure->file_size))
                finish(cure, CURE_AGAIN);
        else if (!has_its_place(cure, &st))
                fail(cure, "By the path that the kernel tells it does not lie in the store.");
        TAILQ_INSERT_TAIL(&cures->all, cure, link);
        (void)TAKE_PTR(cure);
        return 0;
}

/* Of those that somebody waits for, or of the others. Whether all were started. */
static bool start_some(struct cures *cures, bool awaited) {
        struct cure *cure;
        bool all = true;

        TAILQ_FOREACH(cure, &cures->all, link) {
                if (cure->state != STATE_QUEUED || cure->subject.awaited != awaited)
                        continue;
                if (cures->stopping)
                        fail(cure, "Storescand ends.");
                else if (cures->n_active == 0 ||
                         (cures->n_active < ACTIVE_MAX &&
                          cures->active_bytes + cure->subject.size <= ACTIVE_BYTES_MAX))
                        plan(cure);
                else
                        all = false;
        }
        return all;
}

static void start_queued(struct cures *cures) {
        if (start_some(cures, true))
                (void)start_some(cures, false);
}

/* done() may begin other cures, so that each time the list is looked at from its beginning. */
static bool end_one(struct cures *cures) {
        struct cure *cure;

        TAILQ_FOREACH(cure, &cures->all, link) {
                if (cure->state != STATE_ENDED)
                        continue;
                release_followers(cure);
                TAILQ_REMOVE(&cures->all, cure, link);
                cure->subject.done(cure, cure->subject.userdata);
                return true;
        }
        return false;
}

uint64_t cures_run(struct cures *cures, uint64_t now) {
        uint64_t next = USEC_INFINITY;
        struct cure *cure;

        TAILQ_FOREACH(cure, &cures->all, link) {
                if (cure->state == STATE_WAITING && cure->retry_usec <= now)
                        write_down(cure);
                if (cure->state == STATE_WAITING)
                        next = MIN(next, cure->retry_usec);
        }
        do
                start_queued(cures);
        while (end_one(cures));
        return next;
}

void cures_stop(struct cures *cures) {
        struct cure *cure;

        cures->stopping = true;
        TAILQ_FOREACH(cure, &cures->all, link)
        if (cure->state == STATE_WAITING)
                pause_cure(cure);
}

/* ---- The object ---- */

struct cure *cure_free(struct cure *cure) {
        if (!cure)
                return NULL;
        close_fd(cure->planned_fd);
        config_store_release(cure->subject.store);
        free(cure);
        return NULL;
}

int cures_new(const struct config *config, struct pool *pool, struct remedies *remedies,
              struct cures **ret) {
        struct cures *cures = calloc(1, sizeof(*cures));

        if (!cures)
                return -ENOMEM;
        cures->config = config;
        cures->pool = pool;
        cures->remedies = remedies;
        TAILQ_INIT(&cures->all);
        *ret = cures;
        return 0;
}

struct cures *cures_free(struct cures *cures) {
        if (!cures)
                return NULL;
        assert(TAILQ_EMPTY(&cures->all));
        free(cures);
        return NULL;
}
