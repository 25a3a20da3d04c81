/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every test of the worker begins with: an own folder in memory, a loader, a worker, and
 * assertions. Tests are run as TEST PROGRAM SIGNATURES; as root all of them, in a mount namespace of
 * their own, else those that need neither mounts nor a look at other users' processes.
 */

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/config.h"
#include "store/digest.h"
#include "store/util.h"
#include "tests/system/worker-gate.h"
#include "tests/system/worker-mail.h"

#define EICAR_NAME "Eicar-Test-Signature.UNOFFICIAL"

extern const char *program, *signatures;
extern char place[PATH_MAX]; /* the folder in memory */

/* ---- Files there, which belong to the worker's user ---- */

void in_place(char ret[static PATH_MAX], const char *name);
void give(const char *path);
void make_folder(char ret[static PATH_MAX], const char *name);
void write_file(const char *path, const void *data, size_t size);
void write_text(const char *folder, const char *name, const char *text);
/* Makes the place a file system of its own. Root only. */
void mount_place(const char *options);

/* ---- A loader with a worker ---- */

struct world {
        struct gate gate;
        struct gate_worker worker;
        union proto_message load, reply;
        char tmpdir[PATH_MAX];
};

/* Step by step, so that a test can change load in between; or all at once. */
void world_prepare(struct world *w);
void world_load(struct world *w);
void world_spawn(struct world *w);
void world_start(struct world *w);
/* Ends it as storescand does, and nothing may be left in tmpdir. */
void world_stop(struct world *w);
void assert_empty(const char *folder);
/* The worker's folder. */
void folder_of(const struct world *w, char ret[static PATH_MAX]);

/* ---- Scans ---- */

struct proto_result scan(struct world *w, const struct blob *mail);
struct proto_result scan_fd(struct world *w, int fd);
int blob_fd(const struct blob *blob);

/* text: a part of what the result says; NULL for any. */
void assert_result(const struct proto_result *r, enum verdict verdict, enum reason reason,
                   const char *text);
void assert_not_clean(const struct proto_result *r);
/* A clean mail is clean, an infected one infected. */
void assert_works(struct world *w);

/* What the worker has of its own, beside the engine, is little. */
void assert_private_memory(const struct world *w);

int world_main(int argc, char **argv, const TTest *const *tests, size_t n,
               const TTest *const *root_tests, size_t n_root);
