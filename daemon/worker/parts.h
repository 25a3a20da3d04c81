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

/* Judges an item of many whose bytes are at data: by its message alone if that is all that anybody
 * could see. With a claimed_size there is no digest, and what lies beyond the item is for the caller
 * to scan. ret: zero. */
void parts_judge_item(struct judge *judge, enum reader_format format, const struct item *item,
                      const uint8_t *data, const struct question *question, struct judgement *ret);

/* Whether b is taken for the same piece of an mbox as a: no message begins where none did. 1, 0, or
 * -ENOMEM. */
int parts_same_mbox(const uint8_t *a, const uint8_t *b, size_t size);

/* Where the message is in an sdbox file as Dovecot writes it: 1; 0: it is no such file; -ENOMEM. */
int parts_find_message(const uint8_t *data, size_t size, size_t *ret_at, size_t *ret_size);

/* Judges a dbox file: by the message alone if it is an sdbox file as Dovecot writes it. ret:
 * zero. */
void parts_judge_dbox(struct judge *judge, const uint8_t *data, size_t size,
                      const struct question *question, struct judgement *ret);
