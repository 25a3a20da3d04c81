/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns nothing but the order of questions about an open. Every path through judge_event() ends in
 * exactly one of: gate_answer(), pause_let(), scans_settle(), scans_refuse(), scans_join(), scans_begin(), many_opened(),
 * many_accessed(), many_learn(). Must not block, and must not open or parse anything. judge_last() asks the
 * same of who comes too late for all of them.
 */

#include "daemon/judge.h"

#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "daemon/policy.h"
#include "daemon/remedies.h"
#include "daemon/selftest.h"
#include "daemon/silent.h"
#include "daemon/stores.h"

/* Reads the stamp of fd, of whatever generation. False, and verdict UNKNOWN: there is none. */
static bool find_stamp(const struct judge *judge, int fd, struct stamp *ret) {
        char text[STAMP_SIZE_MAX + 1];
        ssize_t n = -1;

        ret->verdict = VERDICT_UNKNOWN;
        if (pool_generation(judge->pool) && judge->config->stamps)
                n = fgetxattr(fd, STAMP_XATTR, text, sizeof(text));
        return n > 0 && stamp_parse(text, (size_t)n, ret) >= 0;
}

/* What a stamp is worth under the running generation. */
static enum stamp_check check_running(const struct judge *judge, const struct stamp *stamp,
                                      const struct stat *st) {
        return stamp->verdict == VERDICT_UNKNOWN
                       ? STAMP_OUTDATED
                       : stamp_check(stamp, st, pool_generation(judge->pool));
}

/* What a stamp says of the content, whether or not its generation is the running one. */
static enum stamp_check check_content(const struct stamp *stamp, const struct stat *st) {
        return stamp->verdict == VERDICT_UNKNOWN ? STAMP_OUTDATED
                                                 : stamp_check(stamp, st, &stamp->generation);
}

/* Whether a stamp of an older generation, whose content holds, is as good as one of the running. Nothing
 * is built on it: no newer stamp, and no hot file, which a sweep would not see. */
static bool accepts_older(const struct judge *judge, int fd, const struct stat *st,
                          const struct stamp *stamp) {
        struct stores_answer found;
        char path[PATH_MAX];
        struct statvfs fs;

        /* Where no stamp can be written, what newer signatures find would leave it there. */
        if (!history_may_accept(judge->history, stamp) || fstatvfs(fd, &fs) < 0 ||
            fs.f_flag & ST_RDONLY)
                return false;
        stores_ask(judge->config, fd, st, path, &found);
        return found.rooted && found.place == PLACE_ITEM &&
               history_accepts(judge->history, found.store, stamp);
}

/* A read lease, where one says all there is to know about writers. 0 or negative errno: -EAGAIN when
 * somebody has the file open for writing, the open that waits for its answer included. */
static int take_lease(int fd) {
        return scans_can_know_writers(fd, NULL) ? lease_take(fd) : -EOPNOTSUPP;
}

/* The same, with a look at the file behind it: whatever happened to it before there was a lease shows in
 * its times. ret_st as fstat(2); ret_lease as take_lease(). */
static int take_lease_and_look(int fd, struct stat *ret_st, int *ret_lease) {
        int lease = lease_take(fd);

        if (fstat(fd, ret_st) < 0)
                return -errno;
        if (!scans_can_know_writers(fd, ret_st)) {
                if (lease >= 0)
                        lease_drop(fd);
                lease = -EOPNOTSUPP;
        }
        *ret_lease = lease;
        return 0;
}

/* What is to be said of the stamp on a file. */
struct stamped {
        struct stamp stamp;     /* verdict UNKNOWN: there is none */
        enum stamp_check check; /* under the running generation */
        bool holds;             /* the content is as it was stamped, under whatever generation */
        bool older;             /* OUTDATED, and accepted all the same: it holds, and is clean */
};

/* Mail that came before the store's limit, and that no signatures are known to have found anything in. */
static bool left_to_sweep(const struct judge *judge, const struct stores_answer *found,
                          const struct stat *st, const struct stamped *stamped) {
        enum verdict verdict = stamped->stamp.verdict;

        return found->rooted && stamped->check == STAMP_OUTDATED && !stamped->older &&
               (verdict == VERDICT_UNKNOWN || verdict == VERDICT_CLEAN) &&
               history_leaves(judge->history, found->store, st,
                              stamped->holds && verdict == VERDICT_CLEAN);
}

/* The stamp was found before. */
static void weigh_stamp(const struct judge *judge, int fd, const struct stat *st,
                        struct stamped *ret) {
        ret->check = check_running(judge, &ret->stamp, st);
        ret->holds = ret->check == STAMP_VALID || (ret->check == STAMP_OUTDATED &&
                                                   check_content(&ret->stamp, st) == STAMP_VALID);
        ret->older = ret->holds && ret->check == STAMP_OUTDATED &&
                     accepts_older(judge, fd, st, &ret->stamp);
}

/* A sweep looks for what access lets through: nothing older counts, nor what it is told to distrust. */
static void look_as_sweep(struct stamped *stamped, const struct sweep_manner *manner) {
        stamped->older = false;
        if (stamped->stamp.verdict != VERDICT_UNKNOWN &&
            ((manner->strict && stamped->stamp.by_hub) ||
             stamped->stamp.time_msec < manner->since_msec))
                stamped->check = STAMP_OUTDATED;
}

/* Whether a stamp still says something of the content, if only its digest. */
static bool stamp_helps(enum stamp_check check) {
        return check == STAMP_VALID || check == STAMP_TOUCHED;
}

/* Clean, by a stamp that was checked under the lease on fd: is it asked for so often that its readers
 * shall raise no event any more? fd is taken then. */
static bool becomes_hot(struct judge *judge, int fd, const struct stat *st,
                        const struct stamp *stamp) {
        return hot_seen(judge->hot, st) &&
               hot_keep(judge->hot, &(struct hot_file){
                                            .fd = fd,
                                            .st = st,
                                            .generation = &stamp->generation,
                                            .mask = gate_mask_of(judge->gate, st->st_dev),
                                            .stamped = true,
                                    });
}

/* Who would write is not let in whatever on_error says where a stamp would outlive him. */
static void overloaded(struct judge *judge, int fd, const struct config_store *store,
                       bool stamped_writer) {
        bool allow = policy_allows(store, VERDICT_UNKNOWN) && !stamped_writer;

        judge->stats->undecided++;
        gate_answer(judge->gate, fd, allow, false);
        journal_say(judge->journal, EVENT_UNDECIDED, store->name,
                    "No memory to scan with: an open in store '%s' was %s.", store->name,
                    allow ? "allowed" : "denied");
}

static void allow_other(struct judge *judge, int fd, enum place place) {
        if (place == PLACE_CONTROL)
                judge->stats->control++;
        else
                judge->stats->in_progress++;
        gate_answer(judge->gate, fd, true, false);
}

/* No clean stamp decided: is it mail at all, what else is known of it, who scans it already? A
 * lease is asked for only now, on mail: index and lock files are never touched, not even so. */
static void judge_mail(struct judge *judge, const struct gate_event *event,
                       struct scan_subject *subject, const struct stamped *stamped) {
        struct stores_answer found;
        char path[PATH_MAX];
        int r;

        stores_ask(judge->config, subject->fd, subject->st, path, &found);
        if (found.place != PLACE_ITEM) {
                allow_other(judge, subject->fd, found.place);
                return;
        }
        gate_waits(judge->gate, event);
        subject->store = found.store;
        if (!subject->withdraw && !subject->sweep &&
            left_to_sweep(judge, &found, subject->st, stamped)) {
                judge->stats->left_to_sweep++;
                gate_answer(judge->gate, subject->fd, true, false);
                return;
        }
        if (found.rooted ? format_items(found.store->format) == ITEMS_MANY
                         : many_knows(judge->many, subject->st)) {
                bool valid = stamped->check == STAMP_VALID || stamped->older;

                many_opened(judge->many,
                            &(struct many_open){
                                    .event = event,
                                    .st = subject->st,
                                    .store = found.store,
                                    .rooted = found.rooted,
                                    .stamped = valid && stamped->stamp.verdict == VERDICT_CLEAN,
                                    .older = stamped->holds && stamped->check == STAMP_OUTDATED,
                                    .writer = subject->withdraw,
                                    .leased = subject->leased,
                                    .sweep = subject->sweep,
                            });
                return;
        }
        if (stamped->check == STAMP_VALID && subject->leased) {
                judge->stats->stamp_hits++;
                r = scans_settle(judge->scans, subject);
        } else {
                if (!subject->leased && !subject->withdraw)
                        subject->leased = take_lease(subject->fd) >= 0;
                if (!scans_try(judge->scans))
                        r = scans_refuse(judge->scans, subject,
                                         stamped->stamp.verdict == VERDICT_INFECTED);
                else if (scans_join(judge->scans, subject))
                        return;
                else
                        r = scans_begin(judge->scans, subject);
        }
        if (r < 0)
                overloaded(judge, subject->fd, subject->store, subject->withdraw);
}

/* An access to a file that is open already. */
static void judge_access(struct judge *judge, const struct gate_event *event,
                         const struct stat *st) {
        struct stores_answer found;
        struct stamped stamped;
        char path[PATH_MAX];
        bool leased;

        if (many_accessed(judge->many, event, st))
                return;
        stores_ask(judge->config, event->fd, st, path, &found);
        if (found.place == PLACE_ITEM && format_items(found.store->format) == ITEMS_MANY) {
                (void)find_stamp(judge, event->fd, &stamped.stamp);
                weigh_stamp(judge, event->fd, st, &stamped);
                if (left_to_sweep(judge, &found, st, &stamped)) {
                        judge->stats->left_to_sweep++;
                        gate_answer(judge->gate, event->fd, true, false);
                        return;
                }
                leased = (stamped.check == STAMP_VALID || stamped.older) &&
                         take_lease(event->fd) >= 0;
                many_learn(judge->many,
                           &(struct many_open){
                                   .event = event,
                                   .st = st,
                                   .store = found.store,
                                   .rooted = found.rooted,
                                   .stamped = leased && stamped.stamp.verdict == VERDICT_CLEAN,
                                   .older = stamped.holds && stamped.check == STAMP_OUTDATED,
                           });
                return;
        }
        /* Its accesses are nobody's business: files of one item are judged at their open. Only where
         * the path tells for sure, and for every size, or a local user could have others' ignored. */
        if (found.rooted && found.fixed && found.place != PLACE_IN_PROGRESS && st->st_nlink == 1)
                many_ignore(judge->many, event->fd, st);
        allow_other(judge, event->fd, found.place == PLACE_ITEM ? PLACE_CONTROL : found.place);
}

/* Nothing is judged in a pause, but no stamp may outlive a writer. False: it must be judged. */
static bool let_by_pause(const struct judge *judge, const struct gate_event *event) {
        bool stamped_writer = false;
        struct stamp stamp;
        struct stat st;

        if (!pause_is_on(judge->pause))
                return false;
        if (event->access == GATE_OPEN && find_stamp(judge, event->fd, &stamp))
                stamped_writer = fstat(event->fd, &st) >= 0 &&
                                 check_content(&stamp, &st) == STAMP_VALID &&
                                 take_lease(event->fd) == -EAGAIN;
        return pause_let(judge->pause, event->fd, stamped_writer);
}

bool judge_is_own(const struct judge *judge, pid_t pid) {
        return pid == judge->own_pid || pool_is_own(judge->pool, pid) ||
               remedies_is_own(judge->remedies, pid);
}

/* A clean stamp, and nobody writes: as judge_event() would find. */
static bool stamp_decides(const struct judge *judge, int fd) {
        int lease = -ENOLCK;
        struct stamp stamp;
        struct stat st;

        if (!find_stamp(judge, fd, &stamp) || stamp.verdict != VERDICT_CLEAN)
                return false;
        if (take_lease_and_look(fd, &st, &lease) >= 0 && lease >= 0 &&
            check_running(judge, &stamp, &st) == STAMP_VALID)
                return true;
        if (lease >= 0)
                lease_drop(fd); /* no writer is to wait for who is put off */
        return false;
}

enum judge_need judge_needs(const struct judge *judge, const struct gate_event *event) {
        struct stores_answer found;
        char path[PATH_MAX];
        struct stat st;

        if (judge_is_own(judge, event->pid) || fstat(event->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
            (event->access == GATE_OPEN && st.st_size == 0))
                return JUDGE_NEEDS_NOTHING;
        stores_ask(judge->config, event->fd, &st, path, &found);
        if (!found.rooted)
                return JUDGE_NEEDS_MARKS; /* it may be a file of many items */
        if (found.place != PLACE_ITEM)
                return JUDGE_NEEDS_NOTHING;
        if (event->access == GATE_OPEN && stamp_decides(judge, event->fd))
                return JUDGE_NEEDS_NOTHING;
        if (format_items(found.store->format) == ITEMS_MANY)
                return gate_mask_of(judge->gate, st.st_dev) == FAN_OPEN_PERM ? JUDGE_NEEDS_MARKS
                                                                             : JUDGE_NEEDS_REMEDY;
        return event->access == GATE_OPEN ? JUDGE_NEEDS_REMEDY : JUDGE_NEEDS_NOTHING;
}

void judge_event(void *userdata, const struct gate_event *event) {
        struct judge *judge = userdata;
        struct scan_subject subject = {
                .fd = event->fd,
                .is_event = true,
                .pid = event->pid,
                .since_usec = event->since_usec,
                .aloud = event->aloud,
        };
        struct sweep_manner manner;
        struct stamped stamped = { .stamp.verdict = VERDICT_UNKNOWN };
        struct stat st;
        int fd = event->fd, lease = -ENOLCK, r;

        if (judge_is_own(judge, event->pid)) {
                if (event->pid == judge->own_pid && selftest_is_canary(judge->selftest, fd)) {
                        gate_answer(judge->gate, fd, false, false);
                        return;
                }
                judge->stats->own++;
                if (event->pid == judge->own_pid)
                        silent_offer(event);
                gate_answer(judge->gate, fd, true, false);
                return;
        }
        if (let_by_pause(judge, event))
                return;
        if (event->access == GATE_OPEN && find_stamp(judge, fd, &stamped.stamp))
                r = take_lease_and_look(fd, &st, &lease);
        else
                r = fstat(fd, &st);
        if (r >= 0)
                hot_heed(judge->hot, &st);
        if (r >= 0 && event->access == GATE_OPEN)
                many_heed(judge->many, fd, &st);
        if (r < 0 || !S_ISREG(st.st_mode) || (st.st_size == 0 && event->access == GATE_OPEN)) {
                /* An fstat that fails on an open file leaves nothing that could be read either. */
                judge->stats->control++;
                gate_answer(judge->gate, fd, true, false);
                return;
        }
        if (event->access == GATE_READ) {
                judge_access(judge, event, &st);
                return;
        }
        weigh_stamp(judge, fd, &st, &stamped);
        if (sweeps_knows(judge->sweeps, event->pid, st.st_dev, st.st_ino, &manner)) {
                judge->stats->swept++;
                subject.sweep = &manner;
                look_as_sweep(&stamped, &manner);
        }
        if (lease >= 0 && stamped.check == STAMP_VALID && stamped.stamp.verdict == VERDICT_CLEAN) {
                judge->stats->stamp_hits++;
                if (subject.sweep)
                        sweeps_tell(judge->sweeps, event->pid, st.st_dev, st.st_ino, true,
                                    VERDICT_CLEAN);
                gate_answer(judge->gate, fd, true,
                            !subject.sweep && becomes_hot(judge, fd, &st, &stamped.stamp));
                return;
        }
        if (lease >= 0 && stamped.older) {
                judge->stats->older_hits++;
                gate_answer(judge->gate, fd, true, false);
                return;
        }
        subject.leased = lease >= 0;
        /* Not every change moves the change time: extents can be swapped, pages of tmpfs stored to.
         * Whoever does so has to open the file for writing first. */
        subject.withdraw = stamped.holds && lease == -EAGAIN;
        subject.st = &st;
        subject.old_stamp = stamped.holds && stamped.check == STAMP_OUTDATED;
        subject.stamp = stamp_helps(stamped.check) ? &stamped.stamp : NULL;
        judge_mail(judge, event, &subject, &stamped);
}

/* What its stamp, of whatever generation, says of a file that has no clean one which decides. */
static enum verdict last_known(const struct judge *judge, int fd, const struct stat *st) {
        struct stamp stamp;

        return find_stamp(judge, fd, &stamp) && stamp.verdict != VERDICT_CLEAN &&
                               check_content(&stamp, st) == STAMP_VALID
                       ? stamp.verdict
                       : VERDICT_UNKNOWN;
}

bool judge_last(void *userdata, const struct gate_event *event) {
        const struct judge *judge = userdata;
        struct stores_answer found;
        char path[PATH_MAX];
        struct stat st;

        if (judge_is_own(judge, event->pid) || pause_is_on(judge->pause) ||
            fstat(event->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
            (event->access == GATE_OPEN && st.st_size == 0))
                return true;
        stores_ask(judge->config, event->fd, &st, path, &found);
        if (found.place != PLACE_ITEM)
                return true;
        /* Files of one item were judged at their open. */
        if (event->access == GATE_READ && found.rooted &&
            format_items(found.store->format) != ITEMS_MANY)
                return true;
        if (event->access == GATE_OPEN && stamp_decides(judge, event->fd))
                return true;
        return policy_allows(found.store, last_known(judge, event->fd, &st));
}

void judge_found(struct judge *judge, int fd, bool aloud, enum places_news news) {
        struct scan_subject subject = { .fd = fd, .aloud = aloud };
        enum stamp_check check;
        char path[PATH_MAX];
        struct stamp stamp;
        enum place place;
        struct stat st;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0 || st.st_nlink == 0 ||
            pause_is_on(judge->pause)) {
                scans_release(judge->scans, fd, false);
                return;
        }
        (void)find_stamp(judge, fd, &stamp);
        check = check_running(judge, &stamp, &st);
        subject.store = stores_find(judge->config, fd, &st, path, &place);
        subject.leased = place == PLACE_ITEM && take_lease(fd) >= 0;
        subject.st = &st;
        subject.stamp = stamp_helps(check) ? &stamp : NULL;
        /* Files of many items are judged when somebody reads in them. What was made just now and is
         * written to is told of again at its close. */
        if (place != PLACE_ITEM || (news == PLACES_CREATED && !subject.leased) ||
            format_items(subject.store->format) == ITEMS_MANY ||
            (check == STAMP_VALID && subject.leased) || scans_has(judge->scans, &st) ||
            !scans_try(judge->scans) || scans_begin(judge->scans, &subject) < 0) {
                scans_release(judge->scans, fd, false);
                return;
        }
        if (news == PLACES_FOUND)
                judge->stats->found++;
        else
                judge->stats->delivered++;
}
