/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the walk: where parts begin and end. One line after the other is held against the boundaries
 * of all multiparts that the walk is in. Must not know what headers mean (mime-header.c), nor look
 * into bodies (mime-uu.c).
 */

#include "store/mime.h"

#include "store/mime-private.h"
#include "store/util.h"

#define HEADER_MAX ((size_t)64 * 1024) /* of a part, not of the message: a longer one is doubtful */
#define JUNK_MAX   100                 /* behind a boundary, on its line: more makes it text */

/* Outcomes beside 0 and negative errno. */
#define TOO_MANY 1

/* Where a part ends. */
struct stop {
        size_t line, next; /* the boundary's line; both the message's size at its end */
        size_t level;      /* of the boundary; MIME_NONE: the message's end */
        bool closing;      /* it is the last one of its multipart */
};

struct boundary {
        char data[MIME_BOUNDARY_MAX];
        size_t size;
};

struct walker {
        struct mime *mime;
        struct boundary boundaries[MIME_DEPTH_MAX];
        size_t n_boundaries, allocated;
};

enum entity { ENTITY_MESSAGE, ENTITY_PART, ENTITY_DIGEST_PART };

DEFINE_CLEANUP(struct mime *, mime_free);

struct mime *mime_free(struct mime *mime) {
        if (!mime)
                return NULL;
        free(mime->parts);
        free(mime);
        return NULL;
}

/* ---- Lines ---- */

size_t mime_next_line(const uint8_t *data, size_t size, size_t at) {
        const uint8_t *lf = at < size ? memchr(data + at, '\n', size - at) : NULL;

        return lf ? (size_t)(lf - data) + 1 : size;
}

size_t mime_line_size(const uint8_t *data, size_t at, size_t next) {
        if (next > at && data[next - 1] == '\n') {
                next--;
                if (next > at && data[next - 1] == '\r')
                        next--;
        }
        return next - at;
}

/* The end of the body that begins at from and is followed by stop. */
static size_t end_before(const struct walker *w, const struct stop *stop, size_t from) {
        const uint8_t *data = w->mime->data;
        size_t end = stop->line;

        if (stop->level != MIME_NONE && end > from && data[end - 1] == '\n') {
                end--;
                if (end > from && data[end - 1] == '\r')
                        end--;
        }
        return end;
}

/* ---- Boundaries ---- */

/* Which boundary the line [at, next) is. */
static bool match(const struct walker *w, size_t at, size_t next, struct stop *ret) {
        const uint8_t *line = w->mime->data + at;
        size_t size = mime_line_size(w->mime->data, at, next), best = MIME_NONE, best_size = 0;
        bool closing;

        if (size < 2 || line[0] != '-' || line[1] != '-')
                return false;
        for (size_t i = w->n_boundaries; i-- > 0;) {
                const struct boundary *b = &w->boundaries[i];

                if (b->size > best_size && b->size <= size - 2 &&
                    memcmp(line + 2, b->data, b->size) == 0) {
                        best = i;
                        best_size = b->size;
                }
        }
        if (best == MIME_NONE)
                return false;
        line += 2 + best_size;
        size -= 2 + best_size;
        closing = size >= 2 && line[0] == '-' && line[1] == '-';
        if (size > JUNK_MAX)
                return false;
        *ret = (struct stop){ .line = at, .next = next, .level = best, .closing = closing };
        return true;
}

/* The next boundary from the line at on; but_level's are passed over. */
static void find_boundary(const struct walker *w, size_t at, size_t but_level, struct stop *ret) {
        const struct mime *mime = w->mime;

        while (at < mime->size) {
                size_t next = mime_next_line(mime->data, mime->size, at);

                if (match(w, at, next, ret) && ret->level != but_level)
                        return;
                at = next;
        }
        *ret = (struct stop){ .line = mime->size, .next = mime->size, .level = MIME_NONE };
}

/* ---- Parts ---- */

struct mime_part *mime_add(struct mime *mime, size_t parent) {
        struct mime_part *p = mime->parts;

        /* At each power of two there is room for as many again: one by one, a thousand parts could
         * be copied a thousand times. */
        if ((mime->n & (mime->n - 1)) == 0) {
                p = reallocarray(p, MAX(2 * mime->n, (size_t)1), sizeof(*p));
                if (!p)
                        return NULL;
                mime->parts = p;
        }
        p += mime->n++;
        *p = (struct mime_part){ .parent = parent };
        if (parent != MIME_NONE)
                p->depth = mime->parts[parent].depth + 1;
        return p;
}

/* 0, TOO_MANY or -ENOMEM. */
static int add(struct walker *w, size_t parent) {
        if (w->mime->n >= MIME_PARTS_MAX)
                return TOO_MANY;
        return mime_add(w->mime, parent) ? 0 : -ENOMEM;
}

static int add_outside(struct walker *w, size_t parent, size_t start, const struct stop *stop) {
        size_t end = end_before(w, stop, start);
        struct mime_part *part;
        int r;

        if (end == start)
                return 0;
        r = add(w, parent);
        if (r != 0)
                return r;
        part = &w->mime->parts[w->mime->n - 1];
        part->kind = MIME_OUTSIDE;
        part->start = part->body = start;
        part->end = end;
        memcpy(part->type, "text/plain", sizeof("text/plain"));
        return 0;
}

/* What a line by line look at a header finds. */
struct header {
        size_t end;   /* behind the empty line, or where it stops without one */
        bool stopped; /* by a boundary or the message's end: stop is set */
        bool doubtful;
        struct stop stop;
};

static bool is_from_line(const uint8_t *line, size_t size) {
        size_t quote = size > 0 && line[0] == '>';

        return size >= quote + 5 && memcmp(line + quote, "From ", 5) == 0;
}

static void read_header(const struct walker *w, size_t start, enum entity entity, bool is_part,
                        struct header *ret) {
        const struct mime *mime = w->mime;
        bool first = true;
        struct stop stop;
        size_t next;

        for (size_t at = start; at < mime->size; at = next) {
                const uint8_t *line = mime->data + at;
                size_t size;

                next = mime_next_line(mime->data, mime->size, at);
                size = mime_line_size(mime->data, at, next);
                if (size == 0) {
                        *ret = (struct header){ .end = next };
                        return;
                }
                if (match(w, at, next, &stop)) {
                        *ret = (struct header){ .end = end_before(w, &stop, start),
                                                .stopped = true,
                                                .stop = stop };
                        return;
                }
                if (!is_part || (first && entity == ENTITY_MESSAGE && is_from_line(line, size)))
                        continue;
                if (!mime_is_header_line(line, size, first) || next - start > HEADER_MAX) {
                        *ret = (struct header){ .end = at, .doubtful = true };
                        return;
                }
                first = false;
        }
        stop = (struct stop){ .line = mime->size, .next = mime->size, .level = MIME_NONE };
        *ret = (struct header){ .end = mime->size, .stopped = true, .stop = stop };
}

static int walk_entity(struct walker *w, size_t start, size_t parent, enum entity entity,
                       struct stop *ret);

/* The parts behind *stop, which is the first boundary of level. */
static int walk_parts(struct walker *w, size_t index, size_t level, bool digest,
                      struct stop *stop) {
        int r;

        r = add_outside(w, index, w->mime->parts[index].body, stop);
        while (r == 0 && stop->level == level && !stop->closing)
                r = walk_entity(w, stop->next, index, digest ? ENTITY_DIGEST_PART : ENTITY_PART,
                                stop);
        if (r == 0 && stop->level == level) {
                size_t behind = stop->next;

                find_boundary(w, behind, level, stop);
                r = add_outside(w, index, behind, stop);
        }
        return r;
}

static int walk_multipart(struct walker *w, size_t index, const struct mime_fields *f,
                          struct stop *stop) {
        struct boundary *b = &w->boundaries[w->n_boundaries];
        size_t level = w->n_boundaries, n = w->mime->n, body = w->mime->parts[index].body;
        int r = 0;

        memcpy(b->data, f->boundary, f->boundary_size);
        b->size = f->boundary_size;
        w->n_boundaries++;
        find_boundary(w, body, MIME_NONE, stop);
        if (stop->level == level) {
                w->mime->parts[index].kind = MIME_MULTIPART;
                r = walk_parts(w, index, level, streq(f->type, "multipart/digest"), stop);
                if (r == TOO_MANY) {
                        w->mime->n = n;
                        w->mime->parts[index].kind = MIME_LEAF;
                        find_boundary(w, body, level, stop);
                        r = 0;
                }
        }
        w->n_boundaries--;
        return r;
}

static int walk_message(struct walker *w, size_t index, struct stop *stop) {
        size_t n = w->mime->n, body = w->mime->parts[index].body;
        int r;

        w->mime->parts[index].kind = MIME_MESSAGE;
        r = walk_entity(w, body, index, ENTITY_MESSAGE, stop);
        if (r == TOO_MANY) {
                w->mime->n = n;
                w->mime->parts[index].kind = MIME_LEAF;
                find_boundary(w, body, MIME_NONE, stop);
                r = 0;
        }
        return r;
}

static bool is_message(const struct mime_fields *f) {
        return f->encoding == MIME_IDENTITY &&
               (streq(f->type, "message/rfc822") || streq(f->type, "message/global") ||
                streq(f->type, "message/news"));
}

static void take_fields(struct mime_part *part, const struct mime_fields *f) {
        part->encoding = f->encoding;
        part->charset = f->charset;
        part->attachment = f->attachment;
        part->html = f->html;
        memcpy(part->type, f->type, sizeof(part->type));
        memcpy(part->filename, f->filename, sizeof(part->filename));
}

/* Calls itself, MIME_DEPTH_MAX levels deep at most. 0, TOO_MANY (the parts that were added are the
 * caller's to remove) or -ENOMEM. */
static int walk_entity(struct walker *w, size_t start, size_t parent, enum entity entity,
                       struct stop *ret) {
        size_t index = w->mime->n;
        struct mime_part *part;
        struct mime_fields f;
        struct header header;
        struct stop stop;
        int r;

        r = add(w, parent);
        if (r != 0)
                return r;
        part = &w->mime->parts[index];
        read_header(w, start, entity, parent != MIME_NONE, &header);
        part->doubtful = header.doubtful;
        part->start = start;
        part->body = header.doubtful ? start : header.end;
        mime_read_fields(w->mime->data + start, header.doubtful ? 0 : header.end - start,
                         entity == ENTITY_DIGEST_PART ? "message/rfc822" : "text/plain", &f);
        take_fields(part, &f);

        if (header.stopped)
                stop = header.stop;
        else if (part->depth < MIME_DEPTH_MAX && f.boundary_size > 0 && !header.doubtful &&
                 w->n_boundaries < MIME_DEPTH_MAX && startswith(f.type, "multipart/"))
                r = walk_multipart(w, index, &f, &stop);
        else if (part->depth < MIME_DEPTH_MAX && !header.doubtful && is_message(&f))
                r = walk_message(w, index, &stop);
        else
                find_boundary(w, part->body, MIME_NONE, &stop);
        if (r != 0)
                return r;
        /* It may have moved. */
        part = &w->mime->parts[index];
        part->end = end_before(w, &stop, part->body);
        /* The end of line before the boundary may be that of the boundary before it. */
        if (w->mime->n > index + 1)
                part->end = MAX(part->end, w->mime->parts[w->mime->n - 1].end);
        *ret = stop;
        return 0;
}

int mime_new(const void *data, size_t size, struct mime **ret) {
        _cleanup_(mime_freep) struct mime *mime = calloc(1, sizeof(*mime));
        _cleanup_free_ struct walker *w = calloc(1, sizeof(*w));
        struct stop stop;
        int r;

        if (!mime || !w)
                return -ENOMEM;
        mime->data = data;
        mime->size = size;
        w->mime = mime;
        r = walk_entity(w, 0, MIME_NONE, ENTITY_MESSAGE, &stop);
        if (r == 0)
                r = mime_find_uu(mime);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(mime);
        return 0;
}

/* ---- Comparison ---- */

static size_t count(const struct mime *mime, bool uu) {
        size_t n = mime->n;

        while (!uu && n > 0 && mime->parts[n - 1].kind == MIME_UU)
                n--;
        return n;
}

bool mime_same(const struct mime *a, const struct mime *b, bool uu) {
        size_t n = count(a, uu);

        if (n != count(b, uu))
                return false;
        for (size_t i = 0; i < n; i++) {
                const struct mime_part *p = &a->parts[i], *q = &b->parts[i];

                if (p->kind != q->kind || p->encoding != q->encoding || p->parent != q->parent ||
                    p->start != q->start || p->body != q->body || p->end != q->end ||
                    p->doubtful != q->doubtful || strcmp(p->type, q->type) != 0)
                        return false;
        }
        return true;
}
