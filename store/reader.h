/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Readers of store files: the items of an mbox or dbox file, in order, in bounded memory (some
 * 128 KiB, whatever the sizes of file, message and line). Content is reached through a callback
 * only, so a caller decides what it reads from and what it keeps.
 *
 * The invariant: items tile the file. The first begins at the start offset, each begins where the
 * one before it ends, the last one ends at the end of the file. What is no valid item is one with
 * state DAMAGED. All numbers of the file are hostile; none is believed beyond what was read, and
 * the work is linear in the size of the file.
 *
 * One reader belongs to one thread. The file is read as it was between two changes: who reads a
 * file that grows calls again from the last item that he trusts.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum reader_format {
        READER_MBOX, /* by Dovecot's rules; mail may begin at any valid From_ line */
        READER_DBOX, /* sdbox u.N and mdbox m.N, versions 1 and 2 */
        _READER_FORMAT_MAX
};

/* Where the bytes come from. read is like pread(2): the number of bytes it gave (fewer than asked
 * for is fine), 0 at the end, or a negative errno. A source that ends before size is a file of the
 * smaller size. With memory nothing is read nor copied: there lie the file's bytes from memory_at, which
 * is 0 for a dbox file, to size. */
struct reader_source {
        ssize_t (*read)(void *userdata, void *buf, size_t size, uint64_t offset);
        void *userdata;
        const uint8_t *memory;
        uint64_t memory_at;
        uint64_t size;
};

enum item_state {
        ITEM_WHOLE,       /* complete, as far as a file can tell: see last */
        ITEM_IN_PROGRESS, /* being written: the message's size, or the end of the From_ line, is
                             not there yet. All is message, but for the dbox message header. */
        ITEM_DAMAGED,     /* no valid item: all is message, save an intact dbox message header */
        ITEM_HEADER,      /* the line that begins a dbox file: no message */
        _ITEM_STATE_MAX
};

#define ITEM_GUID_MAX    128
#define ITEM_MAILBOX_MAX 255

/*
 * One item. Offsets are of the file, all sizes in bytes; the message lies within the item. Behind
 * the message lie the line end before the next From_ line (mbox) or the metadata (dbox).
 */
struct item {
        uint64_t offset, size;
        uint64_t message_offset, message_size;
        enum item_state state;

        /* The item ends at the end of the file. The last message of an mbox may still grow: nothing
         * in the file tells. */
        bool last;

        /* mbox: the message holds lines that other mail readers take for the start of a message,
         * as Dovecot does not (it believes a fitting Content-Length, they do not). Walk the range
         * [offset, offset + size) with READER_LENIENT to have the pieces that they see. */
        bool has_from_lines;

        /* mbox: the size of message that other readers see who believe its Content-Length where
         * Dovecot does not; it reaches beyond the item, not beyond the file. 0: no such claim. The
         * claims of many messages may overlap; a caller who scans them sets himself a limit. */
        uint64_t claimed_size;

        /* dbox metadata, of WHOLE items only. Texts have no NUL and no LF but otherwise any
         * bytes; "" is none, or one too long. */
        char guid[ITEM_GUID_MAX + 1];       /* G */
        char mailbox[ITEM_MAILBOX_MAX + 1]; /* B: where the message was first saved to */
        uint64_t received;                  /* R: seconds since 1970; 0: unknown */
        uint64_t plain_size; /* Z: size once decompressed, decrypted, and with its external
                                attachments; message_size where the file does not say */
        bool external;       /* X: parts of the message are files of the attachment store */
};

/* Flags of reader_new. */
enum reader_flags {
        /* mbox: a message at each line that any mail reader could take for a From_ line, and
         * Content-Length is ignored. */
        READER_LENIENT = 1 << 0,
};

struct reader;

/* A reader of the items from offset start on, which must be the start of an item (0, or one that a
 * reader gave for the same content). The source is copied, its userdata must outlive the reader.
 * -EINVAL: start is beyond the end, or before memory_at; -ENOMEM; what read returned. */
int reader_new(enum reader_format format, const struct reader_source *source, uint64_t start,
               unsigned flags, struct reader **ret_reader);
struct reader *reader_free(struct reader *reader);

/* The next item: 1, 0 at the end, or the negative errno that read returned; the same item is tried
 * again by the next call then. */
int reader_next(struct reader *reader, struct item *ret_item);

/* "whole", "in-progress", "damaged", "header"; "invalid" when out of range. */
const char *item_state_name(enum item_state state);
