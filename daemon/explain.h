/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How judge_event() would answer an open of a file, and why, without any of it: for admins who ask.
 * Nothing is opened, read, counted or changed, no system call is made on the file: whoever asks says
 * what it is like.
 */

#include <sys/stat.h>

#include "daemon/judge.h"
#include "daemon/stores.h"

struct explain_question {
        const char *path; /* as the kernel names it */
        struct stat st;   /* device, inode, type, links, size, times */
        bool bound,
                read_only; /* the name is a mount of this file; its file system can't be written to */
        struct stamp stamp; /* verdict UNKNOWN: there is none that can be read */
};

enum explain_tier {
        EXPLAIN_UNGUARDED, /* no marks yet, or no more */
        EXPLAIN_PAUSED,
        EXPLAIN_OUTSIDE,     /* no store has this path */
        EXPLAIN_EMPTY,       /* or no regular file */
        EXPLAIN_CONTROL,     /* by the format's rule no mail */
        EXPLAIN_IN_PROGRESS, /* being delivered */
        EXPLAIN_HOT,
        EXPLAIN_STAMP,
        EXPLAIN_OLDER, /* a stamp of older signatures, which is accepted */
        EXPLAIN_LEFT,  /* too old to be scanned on access */
        EXPLAIN_ITEMS, /* at each access, by what is known of its items */
        EXPLAIN_JOINS, /* a scan of it is under way */
        EXPLAIN_READ,  /* its content is read: known by digest, cache or hub, or scanned */
        _EXPLAIN_TIER_MAX,
};

enum explain_answer {
        EXPLAIN_ALLOW,
        EXPLAIN_DENY,
        EXPLAIN_REPLACE, /* a notice takes its place before it is read */
        EXPLAIN_DEPENDS, /* on the content */
        _EXPLAIN_ANSWER_MAX,
};

struct explanation {
        enum explain_tier tier;
        enum explain_answer answer;
        const struct config_store *store; /* NULL: none */
        enum stamp_check check;           /* of the stamp, under the running generation */
        bool holds; /* the file is as it was stamped, under whatever generation */
        bool older; /* the generation is not the running one, and accepted */
        bool hot, scanning;
};

/* On the gate thread. guarding: marks are in place. */
void explain(const struct judge *judge, bool guarding, const struct explain_question *question,
             struct explanation *ret);

/* Words that are kept for good. */
const char *explain_tier_name(enum explain_tier tier);
const char *explain_answer_name(enum explain_answer answer);
