/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What stands around a message in a store file: mbox's From_ line, dbox's message header and
 * metadata. It is not digested with the message and not scanned, so it must be short and of the
 * kind that mail servers write.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/reader.h"

/* Whether there is nothing but that around the message of a WHOLE item. data: the item's bytes. */
bool frame_is_regular(enum reader_format format, const struct item *item, const uint8_t *data);
