/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rules behind format_place(), one a format; for format.c, and for format-guess.c, which looks
 * for the same names.
 */

#include "store/format.h"

/* The rule for a path in a store. */
typedef enum place (*place_fn)(const char *path, uint64_t size);

/* Of what the rule above calls control: whether the name says so even where nothing is known of
 * the folders above. NULL: never. */
typedef bool (*control_fn)(const char *path);

enum place maildir_place(const char *path, uint64_t size);
enum place sdbox_place(const char *path, uint64_t size);
enum place mdbox_place(const char *path, uint64_t size);
enum place mbox_place(const char *path, uint64_t size);
enum place cyrus_place(const char *path, uint64_t size);
enum place mh_place(const char *path, uint64_t size);
enum place sis_place(const char *path, uint64_t size);
enum place files_place(const char *path, uint64_t size);

bool maildir_is_control_name(const char *path);
bool dbox_is_control_name(const char *path);
bool mbox_is_control_name(const char *path);
bool cyrus_is_control_name(const char *path);
bool mh_is_control_name(const char *path);

/* ---- Paths ---- */

/* Name of the file itself. */
const char *path_name(const char *path);

/* Whether the folder that is level folders above the file (1: the one it lies in) has that name. */
bool path_folder_is(const char *path, unsigned level, const char *name);

/* Name of that folder with its length; NULL when there is none. */
const char *path_folder(const char *path, unsigned level, size_t *ret_length);

/* "7" and the like; what is behind the digits, or NULL if there are none. */
const char *name_after_digits(const char *name);

/* "u.7", "u.7.broken": a dbox file. */
bool name_is_dbox(const char *name, char letter);
