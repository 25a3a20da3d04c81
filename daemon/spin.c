/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing beyond the object of its caller; must not spin itself. */

#include "daemon/spin.h"

#include "store/util.h"

#define FAITH_MAX 8U
/* Waits between two tries while none succeeds: twice as many after each. In vain, the last ones cost a
 * wait some hundredth of a microsecond. */
#define TRY_FIRST 16U
#define TRY_LAST  4096U

uint64_t spin_begin(struct spin *spin) {
        if (spin->most_usec == 0)
                return 0;
        if (spin->faith > 0)
                return spin->most_usec;
        spin->next_try = MAX(spin->next_try, TRY_FIRST);
        if (++spin->waits < spin->next_try)
                return 0;
        spin->waits = 0;
        spin->next_try = MIN(spin->next_try * 2, TRY_LAST);
        return spin->most_usec;
}

void spin_end(struct spin *spin, bool came) {
        if (came) {
                spin->faith = MIN(spin->faith + 2, FAITH_MAX);
                spin->next_try = TRY_FIRST;
        } else
                spin->faith /= 2;
}
