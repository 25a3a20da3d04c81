/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reading the list of allowed contents (store/allowed.h) from its folder, for storescand and
 * storescanctl. May wait for the disk.
 */

#include "store/allowed.h"
#include "store/util.h"

#define ALLOW_FILE_NAME "allowed"

/* No file is an empty list. -EINVAL with the line that is wrong; -EMEDIUMTYPE: it is no regular file;
 * -E2BIG; -ENOMEM; as of openat(2) and read(2). ret is allowed_done()'s. */
int allow_read(int folder, struct allowed *ret, unsigned *ret_line);
