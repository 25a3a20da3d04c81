/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What mail servers say of where their mail is, in their own words: "doveconf -n", Cyrus' imapd.conf and
 * "postconf -x". Pure; texts in, proposals out.
 */

#include <stdbool.h>
#include <stddef.h>

#include "daemon/ctl/setup-proposal.h"

/* ---- Dovecot ---- */

/* Where mail is: of Dovecot as a whole, or of a namespace. */
struct dovecot_scope {
        char *type;                        /* of a namespace; NULL: private */
        char *location;                    /* until 2.3: DRIVER:PATH:KEY=VALUE... */
        char *driver, *path, *inbox, *alt; /* from 2.4 on */
};

struct dovecot {
        struct dovecot_scope global, *namespaces;
        size_t n_namespaces;
        char *home;        /* "/var/vmail/%d/%n"; NULL: only the userdb knows */
        char *userdb;      /* its driver, of the first one */
        char *attachments; /* mail_attachment_dir */
        bool encrypted;    /* by mail_crypt */
};

/* The homes of users, as far as they were found out. */
struct setup_homes {
        char *root;   /* what all of them are in; NULL or "": not known */
        char **paths; /* those that exist; as far as setup_dovecot_wants_each() says */
        size_t n;
};

/* 0 or -ENOMEM. */
int setup_read_dovecot(const char *text, struct dovecot *ret);
void dovecot_done(struct dovecot *dovecot);

/* Whether any mail is in homes; and whether each home is needed, not just what they are in: a whole home
 * is no mbox. */
bool setup_dovecot_wants_homes(const struct dovecot *dovecot);
bool setup_dovecot_wants_each(const struct dovecot *dovecot);

void setup_propose_dovecot(struct setup *setup, const struct dovecot *dovecot,
                           const struct setup_homes *homes);

/* ---- Cyrus, Postfix ---- */

/* A text of lines "partition-NAME: PATH". */
void setup_propose_cyrus(struct setup *setup, const char *text);

/* The names to ask postconf for, NULL behind the last. */
extern const char *const setup_postfix_names[];

struct postfix {
        const char *values[16]; /* in the order of the names; "" for what is not told */
        char *text;             /* owned: what they point into */
};

/* From "postconf -x NAME...". 0 or -ENOMEM. */
int setup_read_postfix(const char *text, struct postfix *ret);
void postfix_done(struct postfix *postfix);

/* Whether its own local(8) delivers into homes. */
bool setup_postfix_wants_homes(const struct postfix *postfix);

/* hub: the address of storescan-hub, as in smtpd_milters. */
void setup_propose_postfix(struct setup *setup, const struct postfix *postfix,
                           const struct setup_homes *homes, const char *hub);
