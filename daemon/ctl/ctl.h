/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * storescanctl: what its verbs share. Each verb is one function that returns a STATUS_*, named by the table
 * in ctl.c, from which help and completion are made and the man page is checked.
 */

#include <stdbool.h>

#include "daemon/ctl/verbs.h"

/* Exit statuses, documented in storescanctl(1). The worst of all arguments is returned. */
enum {
        STATUS_OK = 0,
        STATUS_FOUND =
                1, /* the answer is not a good one: no stamp, not valid, not clean, mistakes */
        STATUS_ERROR = 2, /* no answer: usage, permission, I/O */
};

struct ctl {
        bool json;                        /* one object a line, stable keys */
        bool watch;                       /* until it ends, or is interrupted */
        bool forever;                     /* whatever signatures come */
        bool write;                       /* what is proposed */
        const char *config;               /* another configuration file; NULL: the installed ones */
        const char *since, *store, *path; /* of the log; NULL: any */
        const char *type, *keys;          /* of a key; folder of keys. NULL: not given */
};

/* The configuration, whose mistakes are told on standard error. Returns a STATUS_*. */
struct config;
int ctl_config(const struct ctl *ctl, struct config **ret);

/* As complete.h has it. */
struct complete;
void complete_values(const struct complete *complete, const struct verb *verb, const char *kind);

verb_func verb_setup;
verb_func verb_status;
verb_func verb_stats;
verb_func verb_doctor;
verb_func verb_metrics;
verb_func verb_reload;
verb_func verb_pause;
verb_func verb_resume;

verb_func verb_sweep_start;
verb_func verb_sweep_stop;
verb_func verb_sweep_status;
verb_func verb_pending;
verb_func verb_top;
verb_func verb_log;
verb_func verb_store_list;
verb_func verb_explain;
verb_func verb_scan;

verb_func verb_store_detach;
verb_func verb_store_attach;

verb_func verb_stamp_show;
verb_func verb_stamp_verify;
verb_func verb_stamp_clear;
verb_func verb_key_generate;
verb_func verb_key_list;
verb_func verb_key_public;

verb_func verb_quarantine_list;
verb_func verb_quarantine_show;
verb_func verb_quarantine_export;
verb_func verb_quarantine_release;
verb_func verb_quarantine_delete;
verb_func verb_quarantine_clean;
verb_func verb_quarantine_notify;

verb_func verb_poison_list;
verb_func verb_poison_clear;

verb_func verb_allow_list;
verb_func verb_allow_add;
verb_func verb_allow_remove;
