/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Mail for tests of the worker: made anew each time, so that no file of the project holds what a
 * virus scanner would object to.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Growing bytes; released with blob_free(). No memory ends the program. */
struct blob {
        uint8_t *data;
        size_t size, room;
};

void blob_free(struct blob *blob);
#define _cleanup_blob_ __attribute__((cleanup(blob_free)))

void blob_put(struct blob *blob, const void *data, size_t size);
__attribute__((format(printf, 2, 3))) void blob_printf(struct blob *blob, const char *format, ...);
/* size bytes of text that differ with seed. */
void blob_put_text(struct blob *blob, size_t size, unsigned seed);

/* The EICAR test file, and its 68 bytes. */
const char *eicar(void);
#define EICAR_SIZE 68

enum encoding { BASE64, QUOTED_PRINTABLE, UUENCODE, SEVEN_BIT };

/* A message: text, and data attached under name in this encoding. */
void mail_with(struct blob *mail, const char *name, const void *data, size_t size,
               enum encoding encoding);
/* A message with two attachments, in base64. */
void mail_with_two(struct blob *mail, const struct blob *first, const struct blob *second);
/* A message with inner attached as a message. */
void mail_nested(struct blob *mail, const struct blob *inner);
/* A message of about size bytes of text. */
void mail_plain(struct blob *mail, size_t size, unsigned seed);

/* A zip of one file, its data as it is; encrypted: the zip says so. All others hide the data. */
void zip_stored(struct blob *zip, const char *name, const void *data, size_t size, bool encrypted);
/* A zip of n files of text, the last of them EICAR. */
void zip_many(struct blob *zip, unsigned n);
/* A zip of one file, n times the letter A and then EICAR; well compressed. */
void zip_bomb(struct blob *zip, size_t n);
/* EICAR in depth zips around each other. */
void zip_deep(struct blob *zip, unsigned depth);
