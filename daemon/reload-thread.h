/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The thread that looks at the disk for what may be reloaded: it watches the signatures, and opens them
 * and reads the configuration when they have changed or it is asked to. What becomes of it is
 * reload.c's business.
 */

#include "daemon/config.h"
#include "daemon/ring.h"

struct reload_thread;

enum reload_kind { RELOAD_SIGNATURES, RELOAD_CONFIG, _RELOAD_MAX };

struct reload_news {
        enum reload_kind kind;
        int error;             /* 0 or negative errno */
        int database;          /* SIGNATURES: O_PATH; the receiver's */
        struct config *config; /* CONFIG: likewise; NULL: it has mistakes */
        char *text;            /* likewise: the mistakes, or what is worth a word; may be NULL */
};

/* Called on the gate thread. */
typedef void (*reload_news_fn)(void *userdata, const struct reload_news *news);

/* Starts the thread. config_path: as of config_load(). 0 or negative errno. */
int reload_thread_new(struct ring *ring, const char *config_path, reload_news_fn on_news,
                      void *userdata, struct reload_thread **ret);

/* Ends it, for a limited time. NULL; or thread, when it hangs in a file system: the process must then
 * leave by _exit(2). */
struct reload_thread *reload_thread_free(struct reload_thread *thread);

/* Watches this database from now on. */
void reload_thread_aim(struct reload_thread *thread, const char *database);

/* Looks now, changed or not. */
void reload_thread_ask(struct reload_thread *thread, enum reload_kind kind);
