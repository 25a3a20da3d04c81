/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What content is scanned behind, so that libclamav takes it for mail whatever it begins with. The kind of a
 * file is told by bytes at fixed places ("ustar" at 257 makes a tar archive of a message with an attachment,
 * partition tables have theirs at 510, 512 and 1024): all of these places are in the prefix, so that it alone
 * decides.
 */

#define MAIL_PREFIX_SIZE 2236

extern const char mail_prefix[MAIL_PREFIX_SIZE + 1];
