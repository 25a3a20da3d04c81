/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the idea of what mail servers write around messages. Stricter than store/reader.h, which
 * says what they read: whatever is not regular here is scanned.
 */

#include "daemon/worker/frame.h"

#include <string.h>

#include "store/util.h"

#define FROM_LINE_REGULAR_MAX      512
#define MESSAGE_HEADER_REGULAR_MAX 64
#define METADATA_LINE_MAX          512
#define METADATA_MAX               2048

/* lib-storage/index/dbox-common/dbox-file.h */
static const char metadata_keys[] = "BEFGKOPRSVXZ";
static const char metadata_begin[] = "\n\001\003\n";

/* No control characters. */
static bool is_text(const uint8_t *data, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (data[i] < ' ' || data[i] == 0x7f)
                        return false;
        return true;
}

/* ---- mbox ---- */

static bool from_line_is_regular(const uint8_t *line, size_t size) {
        if (size == 0 || size > FROM_LINE_REGULAR_MAX || line[size - 1] != '\n')
                return false;
        size--;
        if (size > 0 && line[size - 1] == '\r')
                size--;
        return is_text(line, size);
}

static bool line_end_is_regular(const uint8_t *data, size_t size) {
        return size == 0 || (size == 1 && data[0] == '\n') ||
               (size == 2 && data[0] == '\r' && data[1] == '\n');
}

/* ---- dbox ---- */

/* Magic, letters, digits and blanks; the reader has looked at the size among them. */
static bool message_header_is_regular(const uint8_t *data, size_t size) {
        if (size < 4 || size > MESSAGE_HEADER_REGULAR_MAX || memcmp(data, "\001\002N ", 4) != 0 ||
            data[size - 1] != '\n')
                return false;
        for (size_t i = 4; i < size - 1; i++)
                if (!memchr("0123456789abcdefABCDEF ", data[i], 23))
                        return false;
        return true;
}

/* Lines of known keys, each key once, and an empty line. */
static bool metadata_is_regular(const uint8_t *data, size_t size) {
        const size_t n_begin = sizeof(metadata_begin) - 1;
        bool seen[UINT8_MAX + 1] = {};

        if (size > METADATA_MAX || size < n_begin || memcmp(data, metadata_begin, n_begin) != 0)
                return false;
        for (size_t at = n_begin; at < size;) {
                const uint8_t *line = data + at, *lf = memchr(line, '\n', size - at);
                size_t n = lf ? (size_t)(lf - line) : METADATA_LINE_MAX + 1;

                if (n == 0)
                        return at + 1 == size;
                if (n > METADATA_LINE_MAX ||
                    !memchr(metadata_keys, line[0], sizeof(metadata_keys) - 1) || seen[line[0]] ||
                    !is_text(line, n))
                        return false;
                seen[line[0]] = true;
                at += n + 1;
        }
        return false;
}

bool frame_is_regular(enum reader_format format, const struct item *item, const uint8_t *data) {
        size_t before = (size_t)(item->message_offset - item->offset);
        size_t after = (size_t)(item->size - before - item->message_size);
        const uint8_t *end = data + (item->size - after);

        if (format == READER_MBOX)
                return from_line_is_regular(data, before) && line_end_is_regular(end, after);
        return message_header_is_regular(data, before) && metadata_is_regular(end, after);
}
