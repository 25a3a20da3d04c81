/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The judgement of what mail readers could take apart in more than one way: damaged items, items
 * being written, messages of an mbox with lines in them that some take for the start of another
 * one, dbox files that do not hold one message. All that anybody could see is scanned; the worst
 * verdict wins. Their digests are of a kind of their own, of all bytes and of how they were taken
 * apart.
 */

#include "daemon/worker/message.h"
#include "store/reader.h"

/* Whether an item is to be judged here, and not by its message alone. data: its bytes. */
bool parts_item_is_odd(enum reader_format format, const struct item *item, const uint8_t *data);

/* Judges an item whose bytes are at data. question NULL: with no digest, always by scans. ret:
 * zero. Of a claimed_size nothing is known here. */
void parts_judge_item(struct judge *judge, enum reader_format format, const struct item *item,
                      const uint8_t *data, const struct question *question, struct judgement *ret);

/* Judges a dbox file: by the message alone if it is an sdbox file as Dovecot writes it. ret:
 * zero. */
void parts_judge_dbox(struct judge *judge, const uint8_t *data, size_t size,
                      const struct question *question, struct judgement *ret);
