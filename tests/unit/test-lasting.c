/* SPDX-License-Identifier: Apache-2.0 */

/* Which errors give a start up: none that may pass, and none that nobody has thought of. */

#include "daemon/lasting.h"
#include "store/util.h"
#include "tests/unit/unit.h"

START_TEST(test_lasting) {
        static const int lasting[] = { ENOEXEC, EINVAL, ENOENT, EPERM, EACCES, ENOSYS };

        for (size_t i = 0; i < ELEMENTSOF(lasting); i++)
                ck_assert_msg(is_lasting(-lasting[i]), "%d", lasting[i]);
}
END_TEST

START_TEST(test_passing) {
        static const int passing[] = { EAGAIN, EMFILE, ENFILE, EIO,       EINTR,   ENOSPC,
                                       EBUSY,  ENOMEM, EPIPE,  ETIMEDOUT, ENOBUFS, EDQUOT,
                                       ESTALE, ENOLCK, 0,      100000 };

        for (size_t i = 0; i < ELEMENTSOF(passing); i++)
                ck_assert_msg(!is_lasting(-passing[i]), "%d", passing[i]);
}
END_TEST

UNIT_MAIN("lasting", test_lasting, test_passing);
