/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * libclamav makes a folder for the temporary files of each scan and takes it away again, also where it is only to
 * tell what content is: that was four fifths of such a call. For processes with one thread.
 */

#include <stdbool.h>

/* From now on mkdir(3) of this process only says that it made one, chmod(3) that it changed the mode, and
 * opendir(3) finds no folder; or they do what they should again. */
void no_folders(bool pretend);
