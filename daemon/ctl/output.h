/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What verbs print in the same way: values of any bytes, for people and in JSON, and errors.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/util.h"

/* "key":"text" in JSON. */
void output_json(const char *key, const char *text, size_t size);

/* The same of a path, with the exact bytes as key_base64url as well if they are no UTF-8. */
void output_json_path(const char *key, const char *path);

struct checks;

/* "result":"...","checks":[...] in JSON. */
void output_checks(const struct checks *checks);

enum output_color { OUTPUT_GOOD, OUTPUT_WARNING, OUTPUT_BAD, OUTPUT_PLAIN, _OUTPUT_COLOR_MAX };

/* What turns a colour on, and OUTPUT_PLAIN off: nothing unless standard output is a terminal and NO_COLOR
 * is not set. */
const char *output_color(enum output_color color);

/* A line "  Name        text" for people. */
void output_line(const char *name, const char *text);

/* What became of something, key being what it is: {"id":"...","result":"deleted"}, or for people
 * "...: text". subject is of any bytes; result is stable. */
void output_result(bool json, const char *key, const char *subject, const char *result,
                   const char *text);

/* Of a command that is about nothing in particular: {"result":"..."}, or for people text as it is, if it
 * succeeded. Returns status. */
int output_done(bool json, int status, const char *result, const char *text);

/* Likewise of one that is about each of some: {"key":"...","result":"..."}, and for people nothing. */
int output_done_of(bool json, int status, const char *key, const char *subject, const char *result);

/* "storescanctl: subject: what is wrong", escaped; subject is of any bytes. Returns STATUS_ERROR. */
_printf_(2, 3) int output_error(const char *subject, const char *format, ...);

/* Microseconds since 1970. */
uint64_t output_now(void);
