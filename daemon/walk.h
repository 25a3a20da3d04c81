/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Walks a tree of folders, calling back at each, without ever leaving its mount or following a
 * symbolic link, at any depth, on paths of any length.
 */

/* Called with each folder before it is listed. 0 goes on; negative leaves out what is below (the
 * walk goes on beside it); path is for messages only, cut in the middle if very long. */
typedef int (*walk_folder_fn)(void *userdata, int fd, const char *path);
/* Called with each regular file by name; parent is its folder. May be NULL. */
typedef void (*walk_file_fn)(void *userdata, int parent, const char *name, const char *path);
/* A folder that could not be opened or listed. */
typedef void (*walk_error_fn)(void *userdata, const char *path, int error);

struct walk {
        walk_folder_fn folder;
        walk_file_fn file;
        walk_error_fn error;
        void *userdata;
};

/* Walks from the folder name below parent (AT_FDCWD: any path) down. 0; -ENOENT and the like if
 * the first folder itself can't be opened. */
int walk_tree(const struct walk *walk, int parent, const char *name, const char *path);
