/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns no state. Knows as little of mail as the rules need: where a header ends, and where Dovecot keeps
 * metadata around a message.
 */

#include "daemon/remedy/verify.h"

#include "store/util.h"

/* ---- Messages ---- */

/* Behind the first empty line; size if there is none. */
static size_t header_end(const uint8_t *data, size_t size) {
        for (size_t line = 0; line < size;) {
                const uint8_t *lf = memchr(data + line, '\n', size - line);
                size_t end;

                if (!lf)
                        break;
                end = (size_t)(lf - data);
                if (end == line || (end == line + 1 && data[line] == '\r'))
                        return end + 1;
                line = end + 1;
        }
        return size;
}

static bool is_eol(uint8_t c) {
        return c == '\n' || c == '\r';
}

/* Whether a line of an mbox would begin another message, which it did not. */
static bool begins_message(const uint8_t *original, const uint8_t *planned, size_t at,
                           size_t size) {
        static const char from[] = { 'F', 'r', 'o', 'm', ' ' };

        return size - at >= sizeof(from) && memcmp(planned + at, from, sizeof(from)) == 0 &&
               memcmp(original + at, from, sizeof(from)) != 0;
}

static const char *verify_message(enum store_format format, const uint8_t *original,
                                  const uint8_t *planned, size_t size) {
        size_t header = header_end(original, size);

        if (memcmp(original, planned, header) != 0)
                return "it changes the header";
        for (size_t i = header; i < size; i++) {
                if (original[i] == planned[i])
                        continue;
                if (is_eol(original[i]) || is_eol(planned[i]))
                        return "it changes an end of line";
                if (planned[i] == '\0' || planned[i] == '\001')
                        return "it brings in a control character";
        }
        if (format == STORE_FORMAT_MBOX)
                for (size_t i = header; i < size; i++)
                        if ((i == 0 || original[i - 1] == '\n') &&
                            begins_message(original, planned, i, size))
                                return "it brings in a line that begins a message";
        return NULL;
}

/* ---- dbox ---- */

#define FILE_HEADER_MAX 4096
#define MESSAGE_HEADER  30
#define SIZE_AT         13
#define SIZE_DIGITS     16

static bool take_hex(const uint8_t *text, size_t n, uint64_t *ret) {
        uint64_t value = 0;

        for (size_t i = 0; i < n; i++) {
                uint8_t c = text[i] | 0x20;
                unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                                 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                        : 16;

                if (digit > 15 || text[i] < '0')
                        return false;
                value = value << 4 | digit;
        }
        *ret = value;
        return n > 0;
}

/* The line that a file begins with: its length, and that of message headers. 0: there is none. */
static size_t file_header(const uint8_t *data, size_t size, size_t *ret_message_header) {
        const uint8_t *lf;
        size_t end;

        *ret_message_header = MESSAGE_HEADER;
        if (size < 2 || (data[0] != '1' && data[0] != '2') || data[1] != ' ')
                return 0;
        lf = memchr(data, '\n', MIN(size, (size_t)FILE_HEADER_MAX));
        if (!lf)
                return 0;
        end = (size_t)(lf - data);
        for (size_t i = 1; i + 1 < end; i++)
                if (data[i] == ' ' && data[i + 1] == 'M') {
                        size_t first = i + 2, n = 0;
                        uint64_t value;

                        while (first + n < end && data[first + n] != ' ')
                                n++;
                        if (n <= SIZE_DIGITS && take_hex(data + first, n, &value) &&
                            value >= MESSAGE_HEADER && value < size)
                                *ret_message_header = (size_t)value;
                }
        return end + 1;
}

/* The message in an item of a dbox file, [*ret_begin, *ret_end). */
static bool dbox_message(const uint8_t *data, size_t size, size_t *ret_begin, size_t *ret_end) {
        static const uint8_t magic[] = { '\001', '\002' },
                             end_magic[] = { '\n', '\001', '\003', '\n' };
        size_t message_header, at = file_header(data, size, &message_header), begin;
        uint64_t body;

        if (size - at < message_header || memcmp(data + at, magic, sizeof(magic)) != 0 ||
            data[at + message_header - 1] != '\n' ||
            !take_hex(data + at + SIZE_AT, SIZE_DIGITS, &body))
                return false;
        begin = at + message_header;
        if (body > size - begin || size - begin - body < sizeof(end_magic) ||
            memcmp(data + begin + body, end_magic, sizeof(end_magic)) != 0)
                return false;
        *ret_begin = begin;
        *ret_end = begin + (size_t)body;
        return true;
}

const char *verify_plan(enum store_format format, bool opaque, const uint8_t *original,
                        const uint8_t *planned, size_t size) {
        size_t begin = 0, end = size;

        if (memcmp(original, planned, size) == 0)
                return "it changes nothing";
        if (format == STORE_FORMAT_SDBOX || format == STORE_FORMAT_MDBOX) {
                if (!dbox_message(original, size, &begin, &end))
                        return "the item is no whole message of a dbox file";
                if (memcmp(original, planned, begin) != 0 ||
                    memcmp(original + end, planned + end, size - end) != 0)
                        return "it changes Dovecot's metadata";
        }
        /* Mailboxes of plain text are never compressed in part. */
        if (opaque)
                return format == STORE_FORMAT_MBOX ? "an mbox is text" : NULL;
        return verify_message(format, original + begin, planned + begin, end - begin);
}
