/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Items of a file of many that are infected, in a store where such are replaced: one of them at a time is
 * cured, while those who want it, or another infected one, wait. Afterwards it is judged like any item
 * that was written to.
 */

#include "daemon/clock.h"
#include "daemon/many-private.h"
#include "daemon/policy.h"
#include "daemon/report.h"
#include "daemon/stores.h"

bool many_wants_cure(const struct many_file *file, const struct spans_answer *answer) {
        const struct cures *cures = file->many->p.cures;

        return cures && answer->verdict == VERDICT_INFECTED &&
               policy_deed(file->store) == DEED_REPLACE &&
               !cures_hopeless(cures, file->dev, file->ino, answer->worst,
                               answer->worst_end - answer->worst);
}

bool many_is_half_replaced(const struct many_file *file, uint64_t offset, uint64_t size) {
        const struct cures *cures = file->many->p.cures;

        return cures && policy_deed(file->store) != DEED_ALLOW &&
               cures_unfinished(cures, file->dev, file->ino, offset, size);
}

static bool is_there(const struct many_file *file, uint64_t offset, uint64_t size) {
        return offset < file->cured.offset + file->cured.size &&
               (size > UINT64_MAX - offset || file->cured.offset < offset + size);
}

bool many_is_curing(const struct many_file *file, uint64_t offset, uint64_t size) {
        return file->curing && is_there(file, offset, size);
}

bool many_is_doubted(const struct many_file *file, uint64_t offset, uint64_t size) {
        return file->doubted && is_there(file, offset, size);
}

static void cured(struct cure *cure, void *userdata) {
        struct many_file *file = userdata;
        const struct many_parts *p = &file->many->p;

        file->curing = false;
        file->doubted = cure->outcome == CURE_AGAIN; /* else its span says what it is */
        file->many->n_curing--;
        if (cure->outcome == CURE_AGAIN)
                file->cache_failed = true; /* the engine said otherwise */
        if (cure->outcome == CURE_BUSY)
                many_sweep_locked(file);
        if (cure->outcome == CURE_AGAIN || cure->outcome == CURE_REPLACED)
                many_look_cured(file, file->cured.offset, file->cured.size);
        many_decide_all(file, REASON_NONE);
        gate_flush(p->gate);
        report_cure(p->journal, cure);
        cure_free(cure);
}

bool many_cure(struct many_file *file, struct wait *wait, const struct spans_answer *answer) {
        struct many *many = file->many;
        int r;

        wait->suspect = true;
        if (file->curing) {
                if (!wait->sweeps)
                        cures_awaited(many->p.cures, file->dev, file->ino, file->cured.offset,
                                      wait->event.pid);
                return true;
        }
        if (file->verifying)
                many_verify_end(file, false); /* its lease would keep the remedy out */
        file->cured = (struct range){ answer->worst, answer->worst_end - answer->worst };
        r = cures_begin(
                many->p.cures,
                &(struct cure_subject){
                        .fd = file->fd,
                        .awaited = !wait->sweeps,
                        .pid = wait->event.pid,
                        .store = file->store,
                        .form = stores_form(file->store->format),
                        .many = true,
                        .offset = file->cured.offset,
                        .size = file->cured.size,
                        .due_usec = now_usec() + config_scan_timeout(many->p.config, file->store),
                        .generation = &file->generation,
                        .done = cured,
                        .userdata = file,
                });
        if (r < 0)
                return false;
        file->curing = true;
        file->doubted = false;
        many->n_curing++;
        return true;
}
