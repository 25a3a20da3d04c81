/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Watches what [scanner] database names, a folder or a file, for changes of signatures, and says when
 * they have come to rest: updaters change several files one after the other. Follows a folder that is
 * replaced, vanishes and comes back, links included. Looks up paths: not for the gate thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/util.h"

struct database_watch;

/* 0 or negative errno (inotify's limits). */
int database_watch_new(struct database_watch **ret);
struct database_watch *database_watch_free(struct database_watch *watch);
DEFINE_CLEANUP(struct database_watch *, database_watch_free);

/* Watches this path and no other. What is wrong with it is not told: it may come. */
void database_watch_aim(struct database_watch *watch, const char *path);

/* To poll for POLLIN. */
int database_watch_fd(const struct database_watch *watch);

/* Takes the events that are there. */
void database_watch_take(struct database_watch *watch, uint64_t now);

/* When a change will have come to rest (monotonic); USEC_INFINITY: there was none. */
uint64_t database_watch_due(const struct database_watch *watch);

/* Whether a change has come to rest by now; told once. */
bool database_watch_settled(struct database_watch *watch, uint64_t now);
