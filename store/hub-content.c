/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Finds stamps and digests what they cover. Owns no state. Must not be lenient: what is not known to
 * be read by everybody in one way has no digest, which costs a scan.
 */

#include "store/hub-content.h"

#include <assert.h>

#include "store/canon-header.h"
#include "store/canon-look.h"
#include "store/util.h"

#define OUT_SIZE 8192

static_assert(sizeof(struct hub_content) ==
                      8 + 2 * DIGEST_SIZE + HUB_STAMPS_MAX * sizeof(struct hub_found),
              "no padding");

DEFINE_CLEANUP(struct digest_ctx *, digest_free);

/* Bytes on their way to a digest. */
struct sink {
        struct digest_ctx *digest;
        size_t used;
        uint8_t out[OUT_SIZE];
};

static int sink_flush(struct sink *sink) {
        size_t n = sink->used;

        sink->used = 0;
        return n > 0 ? digest_update(sink->digest, sink->out, n) : 0;
}

static int put(void *userdata, const void *data, size_t size) {
        struct sink *sink = userdata;

        if (size > OUT_SIZE - sink->used) {
                int r = sink_flush(sink);

                if (r < 0)
                        return r;
                if (size > OUT_SIZE / 2)
                        return digest_update(sink->digest, data, size);
        }
        memcpy(sink->out + sink->used, data, size);
        sink->used += size;
        return 0;
}

/* ---- Lines ---- */

static bool is_blank(uint8_t c) {
        return c == ' ' || c == '\t';
}

/* All ends of lines are of one kind, and everything else is text. ends: NONE, or that kind. */
static bool is_plain(const uint8_t *data, size_t size, enum line_end *ends) {
        struct canon_look look;
        bool crlf = false;

        if (size == 0)
                return true;
        canon_look(data, size, &look);
        if (look.binary || look.lone_cr || data[size - 1] == '\r')
                return false;
        if (look.lone_lf)
                crlf = memmem(data, size, "\r\n", 2);
        else if (memchr(data, '\n', size))
                crlf = true;
        if (look.lone_lf ? crlf || *ends == LINE_END_CRLF : crlf && *ends == LINE_END_LF)
                return false;
        if (look.lone_lf || crlf)
                *ends = crlf ? LINE_END_CRLF : LINE_END_LF;
        return true;
}

/* Plain lines, with CRLF each. A last one without an end gets none. */
static int put_lines(struct sink *sink, const uint8_t *data, size_t size, enum line_end ends) {
        int r = 0;

        if (ends != LINE_END_LF)
                return put(sink, data, size);
        while (size > 0 && r == 0) {
                const uint8_t *lf = memchr(data, '\n', size);
                size_t n = lf ? (size_t)(lf - data) : size;

                r = put(sink, data, n);
                if (lf && r == 0)
                        r = put(sink, "\r\n", 2);
                n += lf ? 1 : 0;
                data += n;
                size -= n;
        }
        return r;
}

/* ---- Body ---- */

static int put_body(struct sink *sink, const uint8_t *data, size_t size, enum line_end ends) {
        size_t end = ends == LINE_END_CRLF ? 2 : 1;
        int r;

        while (size >= end && data[size - 1] == '\n')
                size -= end;
        r = put_lines(sink, data, size, ends);
        return r == 0 ? put(sink, "\r\n", 2) : r;
}

/* Where the body ends when empty lines at its end are dropped: what a true Content-Length may say
 * at least. */
static size_t used_size(const uint8_t *data, size_t size) {
        while (size > 0 && (data[size - 1] == '\n' || data[size - 1] == '\r'))
                size--;
        return size;
}

/* ---- Header ---- */

/* Fields that many readers show, or threads and dates hang on. */
static const char *const relaxed[] = { "Date", "From", "Message-ID", "Subject" };

static bool is_stamp(const struct canon_field *field) {
        static const char *const names[] = { HUB_STAMP_NAME };

        return canon_field_is_one_of(field, names, ELEMENTSOF(names));
}

/* Whether a continuation line looks like a field about the content. */
static bool hides_content(const struct canon_field *field) {
        const uint8_t *p = field->data, *end = field->data + field->size;

        if (!field->hidden)
                return false;
        while ((p = memchr(p, '\n', (size_t)(end - p)))) {
                const uint8_t *name;

                while (p < end && *p <= ' ')
                        p++;
                for (name = p; p<end && * p> ' ' && *p != ':';)
                        p++;
                if (canon_name_is_about_content(name, (size_t)(p - name)))
                        return true;
        }
        return false;
}

/* As it stands, but for the case of its name's letters and the blanks behind the colon, which
 * milters do not see. */
static int put_exact(struct sink *sink, const struct canon_field *field, enum line_end ends) {
        const uint8_t *p = field->data + field->name + 1, *end = field->data + field->size;
        int r = 0;

        for (size_t i = 0; i < field->name && r == 0; i++) {
                uint8_t c = field->data[i];

                c = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
                r = put(sink, &c, 1);
        }
        if (r == 0)
                r = put(sink, ":", 1);
        while (p < end && is_blank(*p))
                p++;
        return r == 0 ? put_lines(sink, p, (size_t)(end - p), ends) : r;
}

static int put_field(struct sink *sink, const struct canon_field *field, enum line_end ends) {
        if (field->treatment == CANON_LENGTH)
                return 0;
        if (canon_name_is_about_content(field->data, field->name) || hides_content(field))
                return put_exact(sink, field, ends);
        if (canon_field_is_one_of(field, relaxed, ELEMENTSOF(relaxed)))
                return canon_field_write_relaxed(field, put, sink);
        return 0;
}

static void note_stamp(struct hub_content *content, const struct canon_field *field) {
        const size_t skip = field->name + 1;
        struct hub_found *found;
        size_t size = field->size - skip;

        if (content->n_found == HUB_STAMPS_MAX) {
                content->check = HUB_MANY;
                return;
        }
        /* The end of its line. */
        while (size > 0 &&
               (field->data[skip + size - 1] == '\n' || field->data[skip + size - 1] == '\r'))
                size--;
        found = &content->found[content->n_found++];
        found->check =
                (uint8_t)hub_stamp_parse((const char *)field->data + skip, size, &found->stamp);
}

/* The field at the beginning, unless the header ends there or it is irregular. */
static bool next(const uint8_t *data, size_t size, enum line_end ends, struct canon_field *ret) {
        return size > 0 && canon_field_read(data, size, ends, ret);
}

static void find_stamps(const uint8_t *data, size_t size, bool regular, enum line_end ends,
                        struct hub_content *content) {
        struct canon_field field;

        content->check = HUB_GOOD;
        for (; next(data, size, ends, &field); data += field.size, size -= field.size)
                if (is_stamp(&field))
                        note_stamp(content, &field);
                else if (!regular && field.treatment != CANON_LEFT_OUT)
                        break;
        if (content->n_found == 0)
                content->check = HUB_ABSENT;
        for (size_t i = 0; i < content->n_found; i++)
                for (size_t k = i + 1; k < content->n_found; k++)
                        if (content->found[i].stamp.key[0] &&
                            memcmp(&content->found[i].stamp, &content->found[k].stamp,
                                   sizeof(struct hub_stamp)) == 0)
                                content->found[i].check = content->found[k].check = HUB_DUPLICATE;
        for (size_t i = 0; i < content->n_found; i++)
                if (content->found[i].check != HUB_GOOD)
                        content->found[i].stamp = (struct hub_stamp){};
}

static int put_header(struct sink *sink, const uint8_t *data, size_t size, bool regular,
                      enum line_end ends) {
        struct canon_field field;
        int r = put(sink, regular ? "R" : "I", 1);

        for (; r == 0 && next(data, size, ends, &field); data += field.size, size -= field.size)
                if (is_stamp(&field))
                        continue;
                else if (regular)
                        r = put_field(sink, &field, ends);
                else if (field.treatment != CANON_LEFT_OUT)
                        break;
        return r == 0 && !regular ? put_lines(sink, data, size, ends) : r;
}

/* ---- The message ---- */

struct parts {
        size_t header; /* its size, with the empty line */
        bool regular;
        enum line_end ends;
        struct canon_header about;
};

/* False: the header is too large. */
static bool take_apart(const uint8_t *data, size_t size, struct parts *ret) {
        size_t at = 0, n = canon_header_find_end(data, MIN(size, (size_t)HUB_HEADER_MAX), &at);
        struct parts parts = { .header = n > 0 ? n : size };
        const uint8_t *lf;

        if (parts.header > HUB_HEADER_MAX)
                return false;
        parts.regular = canon_header_check(data, parts.header, &parts.about);
        lf = memchr(data, '\n', parts.header);
        if (lf)
                parts.ends = lf > data && lf[-1] == '\r' ? LINE_END_CRLF : LINE_END_LF;
        *ret = parts;
        return true;
}

static int digest_into(struct sink *sink, uint8_t ret[static DIGEST_SIZE]) {
        int r = sink_flush(sink);

        return r == 0 ? digest_final(sink->digest, ret) : r;
}

static int digest_parts(const uint8_t *data, size_t size, const struct parts *parts,
                        uint8_t ret_body[static DIGEST_SIZE],
                        uint8_t ret_header[static DIGEST_SIZE]) {
        const uint8_t *body = data + parts->header;
        size_t body_size = size - parts->header;
        enum line_end ends = parts->ends;
        _cleanup_(digest_freep) struct digest_ctx *of_body = digest_new(),
                                                  *of_header = digest_new();
        struct sink sink = { .digest = of_body };
        int r;

        if (!of_body || !of_header)
                return -ENOMEM;
        if (!is_plain(data, parts->header, &ends) || !is_plain(body, body_size, &ends))
                return HUB_IRREGULAR;
        if (parts->about.has_length && (parts->about.content_length > body_size ||
                                        parts->about.content_length < used_size(body, body_size)))
                return HUB_IRREGULAR;
        r = put_body(&sink, body, body_size, ends);
        if (r == 0)
                r = digest_into(&sink, ret_body);
        sink.digest = of_header;
        if (r == 0)
                r = put_header(&sink, data, parts->header, parts->regular, ends);
        if (r == 0)
                r = digest_into(&sink, ret_header);
        return r;
}

int hub_content_digest(const uint8_t *data, size_t size, uint8_t ret_body[static DIGEST_SIZE],
                       uint8_t ret_header[static DIGEST_SIZE]) {
        struct parts parts;

        return take_apart(data, size, &parts)
                       ? digest_parts(data, size, &parts, ret_body, ret_header)
                       : HUB_IRREGULAR;
}

int hub_content_read(const uint8_t *data, size_t size, struct hub_content *ret) {
        struct hub_content content = { .check = HUB_ABSENT };
        struct parts parts;
        int r;

        if (take_apart(data, size, &parts))
                find_stamps(data, parts.header, parts.regular, parts.ends, &content);
        if (content.check == HUB_GOOD) {
                r = digest_parts(data, size, &parts, content.body, content.header);
                if (r < 0)
                        return r;
                content.check = (uint8_t)r;
        }
        *ret = content;
        return 0;
}

static bool found_ok(const struct hub_found *found) {
        if (!is_zero(found->reserved, sizeof(found->reserved)))
                return false;
        switch ((enum hub_check)found->check) {
        case HUB_GOOD: return hub_stamp_ok(&found->stamp);
        case HUB_OVERSIZE:
        case HUB_MALFORMED:
        case HUB_VERSION:
        case HUB_DUPLICATE: return is_zero(&found->stamp, sizeof(found->stamp));
        default: return false;
        }
}

bool hub_content_ok(const struct hub_content *content) {
        if (content->n_found > HUB_STAMPS_MAX ||
            !is_zero(content->reserved, sizeof(content->reserved)))
                return false;
        switch ((enum hub_check)content->check) {
        case HUB_GOOD:
        case HUB_MANY:
        case HUB_IRREGULAR:
                if (content->n_found == 0)
                        return false;
                break;
        case HUB_ABSENT:
                if (content->n_found > 0)
                        return false;
                break;
        default: return false;
        }
        if (content->check != HUB_GOOD && !is_zero(content->body, 2 * DIGEST_SIZE))
                return false;
        for (size_t i = 0; i < content->n_found; i++)
                if (!found_ok(&content->found[i]))
                        return false;
        return is_zero(&content->found[content->n_found],
                       (HUB_STAMPS_MAX - content->n_found) * sizeof(struct hub_found));
}

enum hub_check hub_content_check(const struct hub_content *content, const struct hub_stamp *stamp) {
        if (memcmp(content->header, stamp->header, DIGEST_SIZE) != 0)
                return HUB_HEADER;
        return memcmp(content->body, stamp->body, DIGEST_SIZE) != 0 ? HUB_BODY : HUB_GOOD;
}
