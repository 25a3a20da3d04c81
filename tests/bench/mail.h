/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Generated mail, the same bytes for the same arguments on any machine, as clients send it: a text in
 * two forms (plain, and HTML in quoted-printable) and an attachment of incompressible bytes in
 * base64. No two messages are alike, so that nothing that knows one knows another.
 */

#include <stddef.h>
#include <stdio.h>

#define MAIL_ATTACHMENT 12088 /* bytes before base64, of a message of about 20 KB */

/* Writes message i, which depends on i and the size of its attachment alone; its lines end in CRLF. */
void mail_put(FILE *f, unsigned i, size_t attachment);
