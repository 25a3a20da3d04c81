/* SPDX-License-Identifier: Apache-2.0 */

/* Decides only; who deletes is quarantine-verbs.c. Must not do I/O. */

#include "daemon/ctl/retention.h"

/* The oldest that may go; NULL: none may. Linear: a quarantine that is cleaned daily has few to lose. */
static struct retained *oldest(struct retained *items, size_t n) {
        struct retained *found = NULL;

        for (size_t i = 0; i < n; i++)
                if (!items[i].needed && !items[i].gone &&
                    (!found || items[i].time_usec < found->time_usec))
                        found = &items[i];
        return found;
}

size_t retention_choose(struct retained *items, size_t n, uint64_t now_usec, uint64_t keep_usec,
                        uint64_t max_size) {
        uint64_t left = 0;
        size_t gone = 0;

        for (size_t i = 0; i < n; i++) {
                struct retained *item = &items[i];

                item->gone = keep_usec > 0 && !item->needed && item->time_usec < now_usec &&
                             now_usec - item->time_usec > keep_usec;
                if (item->gone)
                        gone++;
                else if (__builtin_add_overflow(left, item->size, &left))
                        left = UINT64_MAX;
        }
        while (max_size > 0 && left > max_size) {
                struct retained *item = oldest(items, n);

                if (!item)
                        break;
                item->gone = true;
                left -= item->size;
                gone++;
        }
        return gone;
}
