/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by server.c (the connection), server-send.c (what is asked) and server-answers.c. */

#include "daemon/clamd/server.h"
#include "store/util.h"

/* ---- server.c ---- */

/* Ends the session, for this reason; the next one begins after a while. */
void server_fail(struct server *s, uint64_t now, const char *format, ...) _printf_(3, 4);

/* Ends the session and begins another one at once. */
void server_begin(struct server *s, uint64_t now);

/* ---- server-send.c ---- */

/* Puts a command in; NULL: never, there is room for all scans, and one of the others each. */
struct command *server_ask(struct server *s, enum command_purpose purpose, int fd, uint64_t size);
void server_ask_probe(struct server *s, enum command_purpose purpose, const struct probe *probe);

/* What was asked and has no answer yet, by its id or its purpose; NULL: there is none. */
struct command *server_find(struct server *s, uint32_t id);
const struct command *server_asked(const struct server *s, enum command_purpose purpose);

/* Takes one out; or all, for which there will be no answers. */
void server_take_out(struct command *c);
void server_drop_all(struct server *s);

bool server_has_to_send(const struct server *s);
void server_send(struct server *s, uint64_t now);

/* ---- server-answers.c ---- */

/* Asks for the canary behind what is held, if it is time to; returns when it will be, if nothing else happens. */
uint64_t server_prove_held(struct server *s, uint64_t now);

void server_receive(struct server *s, uint64_t now);
