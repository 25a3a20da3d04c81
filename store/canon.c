/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the digest in the making: the header is collected, judged by canon-header.c as a whole, and
 * then decides the form of everything; the body runs through. Must not take a message apart any
 * further: what MIME makes of it is the business of scanners and readers, who disagree.
 *
 * What SHA-256 gets, so that it can be read back in one way only:
 *   tag of the form (16 bytes, with CANON_VERSION)
 *   message, regular: per field "R" name:value CRLF or "E" lines, each with CRLF (a continuation
 *     line begins with a blank, so that no letter follows its CRLF); "B" for the empty line, or "N"
 *     if there is none; the body; struct trailer
 *   message, irregular, and raw: the bytes
 */

#include "store/canon.h"

#include <endian.h>

#include "store/canon-header.h"
#include "store/canon-look.h"
#include "store/util.h"

#define HEADER_MAX   (64 * 1024)
#define COLLECT_SIZE ((size_t)4096) /* most headers are no longer */
#define OUT_SIZE     (32 * 1024)
#define BLOCK_SIZE   ((size_t)16 * 1024) /* is looked at, then hashed, while in the nearest cache */

#define TAG_SIZE 16

enum state { STATE_HEADER, STATE_BODY, STATE_AS_IS };

enum trailer_flag {
        TRAILER_ENDS = 1 << 0,   /* its ends of lines matter, and .ends says what they are */
        TRAILER_LENGTH = 1 << 1, /* .content_length is not true */
        TRAILER_MAGIC = 1 << 2,  /* struct canon_header's hides_magic */
};

/* Big endian. */
struct trailer {
        uint64_t size; /* of the canonical body */
        uint64_t flags;
        uint64_t ends; /* enum line_end of the message's first line */
        uint64_t content_length;
        uint64_t n_switches;
        uint8_t switches[DIGEST_SIZE]; /* of the places in the canonical body, uint64_t each */
};

struct body {
        enum line_end ends;          /* of the last line */
        bool cr;                     /* the last byte was CR: half an end of line? */
        bool binary;                 /* control characters or a bare CR */
        uint64_t pending;            /* ends of lines that are not yet known not to be the last */
        uint64_t size;               /* of the canonical form, without the pending ones */
        uint64_t raw_size, raw_used; /* as it stands; without the empty lines at the end */
        uint64_t n_switches;
        struct digest_ctx *switches; /* made when first needed */
};

struct canon {
        enum state state;
        bool regular;
        struct digest_ctx *digest;
        struct canon_header header;
        struct body body;
        size_t header_size, header_searched, out_used;
        uint8_t header_data[HEADER_MAX], out[OUT_SIZE];
};

/* Zeros follow, and the version. */
static const char tag_regular[TAG_SIZE] = "storescan mail",
                  tag_irregular[TAG_SIZE] = "storescan odd", tag_raw[TAG_SIZE] = "storescan raw";

DEFINE_CLEANUP(struct canon *, canon_free);

struct canon *canon_free(struct canon *canon) {
        if (!canon)
                return NULL;
        digest_free(canon->digest);
        digest_free(canon->body.switches);
        free(canon);
        return NULL;
}

static int put_tag(struct canon *canon, const char tag[static TAG_SIZE]) {
        char bytes[TAG_SIZE];

        memcpy(bytes, tag, sizeof(bytes));
        bytes[TAG_SIZE - 1] = CANON_VERSION;
        return digest_update(canon->digest, bytes, sizeof(bytes));
}

struct canon *canon_new(enum canon_form form) {
        _cleanup_(canon_freep) struct canon *canon = malloc(sizeof(*canon));

        if (!canon)
                return NULL;
        /* The buffers stay as they are: zeroing them would take longer than most headers. */
        memset(canon, 0, offsetof(struct canon, header_data));
        canon->digest = digest_new();
        if (!canon->digest)
                return NULL;
        if (form == CANON_RAW) {
                canon->state = STATE_AS_IS;
                if (put_tag(canon, tag_raw) < 0)
                        return NULL;
        }
        return TAKE_PTR(canon);
}

/* ---- Output: small pieces are collected ---- */

static int flush(struct canon *canon) {
        size_t n = canon->out_used;

        canon->out_used = 0;
        return n > 0 ? digest_update(canon->digest, canon->out, n) : 0;
}

static int put(struct canon *canon, const void *data, size_t size) {
        if (size > OUT_SIZE - canon->out_used) {
                int r = flush(canon);

                if (r < 0)
                        return r;
                if (size > OUT_SIZE / 2)
                        return digest_update(canon->digest, data, size);
        }
        memcpy(canon->out + canon->out_used, data, size);
        canon->out_used += size;
        return 0;
}

static int put_header(void *userdata, const void *data, size_t size) {
        return put(userdata, data, size);
}

/* ---- Body ---- */

static int put_content(struct canon *canon, const uint8_t *data, size_t size) {
        struct body *body = &canon->body;
        int r = 0;

        if (size == 0)
                return 0;
        for (; body->pending > 0 && r == 0; body->pending--) {
                r = put(canon, "\r\n", 2);
                body->size += 2;
        }
        body->size += size;
        return r == 0 ? put(canon, data, size) : r;
}

static int end_line(struct canon *canon, enum line_end end) {
        struct body *body = &canon->body;
        uint64_t at;

        body->pending++;
        if (end == body->ends)
                return 0;
        body->ends = end;
        body->n_switches++;
        if (!body->switches)
                body->switches = digest_new();
        if (!body->switches)
                return -ENOMEM;
        at = htobe64(body->size + 2 * body->pending);
        return digest_update(body->switches, &at, sizeof(at));
}

/* Raw_size is that before these bytes. */
static int update_lines(struct canon *canon, const uint8_t *data, size_t size) {
        struct body *body = &canon->body;

        for (const uint8_t *p = data, *end = data + size; p < end;) {
                const uint8_t *lf, *stop;
                int r;

                if (body->cr) {
                        body->cr = false;
                        if (*p == '\n') {
                                r = end_line(canon, LINE_END_CRLF);
                                if (r < 0)
                                        return r;
                                p++;
                                continue;
                        }
                        body->binary = true;
                        r = put_content(canon, (const uint8_t *)"\r", 1);
                        if (r < 0)
                                return r;
                        body->raw_used = body->raw_size + (uint64_t)(p - data);
                }
                lf = memchr(p, '\n', (size_t)(end - p));
                stop = lf ? lf : end;
                body->cr = stop > p && stop[-1] == '\r';
                if (body->cr)
                        stop--;
                r = put_content(canon, p, (size_t)(stop - p));
                if (r < 0)
                        return r;
                if (stop > p)
                        body->raw_used = body->raw_size + (uint64_t)(stop - data);
                if (!lf)
                        return 0;
                r = end_line(canon, body->cr ? LINE_END_CRLF : LINE_END_LF);
                if (r < 0)
                        return r;
                body->cr = false;
                p = lf + 1;
        }
        return 0;
}

/* Whole CRLF lines after others: hashed where they are. */
static int update_crlf(struct canon *canon, const uint8_t *data, size_t size) {
        struct body *body = &canon->body;
        uint64_t pending = 0;
        int r;

        /* Each LF has its CR, so that the bytes before them are in the block too. */
        while (size > 0 && data[size - 1] == '\n') {
                size -= 2;
                pending++;
        }
        if (size > 0) {
                r = put_content(canon, data, 1);
                if (r == 0)
                        r = flush(canon);
                if (r == 0)
                        r = digest_update(canon->digest, data + 1, size - 1);
                if (r < 0)
                        return r;
                body->size += size - 1;
                body->raw_used = body->raw_size + size;
        }
        body->pending += pending;
        return 0;
}

static int update_body(struct canon *canon, const uint8_t *data, size_t size) {
        struct body *body = &canon->body;

        while (size > 0) {
                struct canon_look look;
                size_t n = MIN(size, BLOCK_SIZE);
                int r;

                /* Not between CR and LF, where it can be helped. */
                if (n > 1 && data[n - 1] == '\r')
                        n--;
                canon_look(data, n, &look);
                body->binary |= look.binary || look.lone_cr;
                if (!look.lone_lf && !look.lone_cr && data[n - 1] != '\r' && !body->cr &&
                    body->ends == LINE_END_CRLF)
                        r = update_crlf(canon, data, n);
                else
                        r = update_lines(canon, data, n);
                if (r < 0)
                        return r;
                body->raw_size += n;
                data += n;
                size -= n;
        }
        return 0;
}

static int finish_body(struct canon *canon) {
        struct body *body = &canon->body;
        struct trailer trailer = {};
        uint64_t flags = 0, length = canon->header.content_length;
        int r = 0;

        if (body->cr) {
                body->cr = false;
                body->binary = true;
                body->raw_used = body->raw_size;
                r = put_content(canon, (const uint8_t *)"\r", 1);
        }
        if (r == 0 && body->size > 0) {
                r = put(canon, "\r\n", 2);
                body->size += 2;
        }
        if (r < 0)
                return r;

        if (body->binary || body->n_switches > 0) {
                flags |= TRAILER_ENDS;
                trailer.ends = htobe64(canon->header.ends);
        }
        if (canon->header.has_length && (length < body->raw_used || length > body->raw_size)) {
                flags |= TRAILER_LENGTH;
                trailer.content_length = htobe64(length);
        }
        if (canon->header.hides_magic)
                flags |= TRAILER_MAGIC;
        if (body->n_switches > 0)
                r = digest_final(body->switches, trailer.switches);
        trailer.n_switches = htobe64(body->n_switches);
        trailer.flags = htobe64(flags);
        trailer.size = htobe64(body->size);
        return r == 0 ? put(canon, &trailer, sizeof(trailer)) : r;
}

/* ---- Header ---- */

static int give_up_header(struct canon *canon) {
        int r = put_tag(canon, tag_irregular);

        canon->state = STATE_AS_IS;
        return r == 0 ? digest_update(canon->digest, canon->header_data, canon->header_size) : r;
}

/* The form of the message is decided: size bytes of what was collected are its header. */
static int begin(struct canon *canon, size_t size) {
        int r;

        canon->regular = canon_header_check(canon->header_data, size, &canon->header);
        if (!canon->regular)
                return give_up_header(canon);
        canon->state = STATE_BODY;
        canon->body.ends = canon->header.ends;
        r = put_tag(canon, tag_regular);
        if (r == 0)
                r = canon_header_write(canon->header_data, size, put_header, canon);
        if (r == 0)
                r = put(canon, canon->header.complete ? "B" : "N", 1);
        if (r < 0 || size == canon->header_size)
                return r;
        return update_body(canon, canon->header_data + size, canon->header_size - size);
}

/* Takes what belongs to the header, and what of the body came with it. */
static int collect(struct canon *canon, const uint8_t **data, size_t *size) {
        while (canon->state == STATE_HEADER && *size > 0) {
                size_t n = MIN(MIN(*size, COLLECT_SIZE), HEADER_MAX - canon->header_size);
                int r = 0;

                memcpy(canon->header_data + canon->header_size, *data, n);
                canon->header_size += n;
                *data += n;
                *size -= n;
                n = canon_header_find_end(canon->header_data, canon->header_size,
                                          &canon->header_searched);
                if (n > 0)
                        r = begin(canon, n);
                else if (canon->header_size == HEADER_MAX)
                        r = give_up_header(canon);
                if (r < 0)
                        return r;
        }
        return 0;
}

int canon_update(struct canon *canon, const void *data, size_t size) {
        const uint8_t *p = data;

        int r = collect(canon, &p, &size);

        if (r < 0 || size == 0)
                return r;
        return canon->state == STATE_AS_IS ? digest_update(canon->digest, p, size)
                                           : update_body(canon, p, size);
}

int canon_final(struct canon *canon, uint8_t ret_digest[static DIGEST_SIZE]) {
        int r = 0;

        if (canon->state == STATE_HEADER)
                r = begin(canon, canon->header_size);
        if (r == 0 && canon->state == STATE_BODY)
                r = finish_body(canon);
        if (r == 0)
                r = flush(canon);
        return r == 0 ? digest_final(canon->digest, ret_digest) : r;
}

bool canon_is_regular(const struct canon *canon) {
        return canon->regular;
}

int canon_buffer(enum canon_form form, const void *data, size_t size,
                 uint8_t ret_digest[static DIGEST_SIZE]) {
        _cleanup_(canon_freep) struct canon *canon = canon_new(form);
        int r;

        if (!canon)
                return -ENOMEM;
        r = canon_update(canon, data, size);
        return r == 0 ? canon_final(canon, ret_digest) : r;
}
