/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One message on its way in: its bytes, as they will be stored but for CRLF, in memory of its own
 * (memfd) that all messages have a common bound for; and the names of its header lines that can be
 * read as stamps. Of the content nothing else is looked at. One thread a message.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAIL_STAMPS_MAX 64
#define MAIL_NAME_MAX   80

/* The bound: set before the first message. */
void mail_set_budget(uint64_t bytes);

struct mail_stamp {
        char name[MAIL_NAME_MAX]; /* as it is written */
        unsigned number;          /* the how many-th line of this name, from 1 */
};

struct mail {
        int fd;
        uint64_t size, limit; /* of bytes; what is beyond is not kept */
        int error;            /* the first negative errno: bytes are missing */
        bool too_large;       /* likewise */
        struct mail_stamp stamps[MAIL_STAMPS_MAX];
        size_t n_stamps;
        bool too_many_stamps;
        char *buffer; /* not yet written */
        size_t n_buffered;
};

/* Whether a header line of this name could be taken for a stamp by anybody, however lenient: case,
 * blanks, control characters and what is no ASCII do not count. */
bool mail_is_stamp_name(const char *name);

void mail_begin(struct mail *mail, uint64_t limit);
void mail_header(struct mail *mail, const char *name, const char *value, bool leading_space);
void mail_end_of_header(struct mail *mail);
void mail_body(struct mail *mail, const void *data, size_t size);

/* Nothing is added any more: gives away the fd of the content, sealed, at offset 0. Negative errno,
 * also of anything before; -EFBIG: too large. */
int mail_take(struct mail *mail);

/* Before the next mail_begin(), and at the end; an fd that was given away is not touched. */
void mail_done(struct mail *mail);
