/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the talk with the mail server: one session a connection, one message at a time in each. What
 * can't be done is never passed over: whatever fails ends in a temporary failure, and the sender keeps
 * the message. Must not look into a message: it is kept as bytes (mail.c) and judged elsewhere.
 */

#include "daemon/hub/milter.h"

#include <arpa/inet.h>
#include <libmilter/mfapi.h>
#include <netinet/in.h>

#include "daemon/hub/decide.h"
#include "daemon/hub/mail.h"
#include "store/network.h"

#define NAME         "storescan-hub"
#define FOUND_HEADER "X-Storescan-Found"
#define OUTGOING     "smtp" /* Postfix's transport to other hosts */

static const struct milter_settings *settings;
static struct networks trusted_networks;

struct session {
        bool trusted;
        bool leading_space;       /* values of header lines come with the blank before them */
        bool silent;              /* header lines are not answered: it was agreed on */
        bool in_message;          /* mail is begun */
        unsigned local, outgoing; /* recipients */
        char client[INET6_ADDRSTRLEN];
        struct mail mail;
};

#define count(name) ((void)atomic_fetch_add(&settings->counters->name, 1))

/* ---- Words ---- */

static const char *queue_id(SMFICTX *ctx) {
        const char *id = smfi_getsymval(ctx, (char *)(uintptr_t) "i");

        return id ? id : "(unknown)";
}

/* libmilter takes a percent sign for the beginning of something. */
static void without_percent(char *text) {
        for (; *text; text++)
                if (*text == '%')
                        *text = '?';
}

static void log_verdict(SMFICTX *ctx, const struct session *s, const struct decision *d,
                        const struct judgement *j) {
        struct log_record *r = journal_get(settings->journal,
                                           d->cause == CAUSE_INFECTED      ? EVENT_HUB_INFECTED
                                           : d->cause == CAUSE_UNSCANNABLE ? EVENT_HUB_UNSCANNABLE
                                                                           : EVENT_HUB_UNDECIDED);

        if (!r)
                return;
        r->has_verdict = r->in_transit = true;
        r->verdict = j->result.verdict;
        r->reason = j->result.reason;
        r->tier = LOG_TIER_SCAN;
        r->size = s->mail.size;
        r->context = j->result.context;
        memcpy(r->signature, j->result.signature, sizeof(r->signature));
        (void)snprintf(r->detail, sizeof(r->detail), "%s from %s was %s", queue_id(ctx), s->client,
                       deed_name(d->deed));
        journal_put(settings->journal, r);
}

static void log_decision(SMFICTX *ctx, const struct session *s, const struct decision *d,
                         const struct judgement *j) {
        if (d->cause == CAUSE_ATTACHMENT)
                journal_say(settings->journal, EVENT_HUB_ATTACHMENT, NULL,
                            "Mail %s from %s was %s: the %s of an attachment, '%s', fits '%s'.",
                            queue_id(ctx), s->client, deed_name(d->deed),
                            j->attachment.by_type ? "type" : "name", j->attachment.name,
                            j->attachment.pattern);
        else if (d->cause != CAUSE_NONE)
                log_verdict(ctx, s, d, j);
}

static void count_judgement(const struct session *s, const struct decision *d) {
        count(messages);
        (void)atomic_fetch_add(&settings->counters->bytes, s->mail.size);
        switch (d->cause) {
        case CAUSE_NONE:
                if (d->deed == DEED_HONOUR)
                        count(honoured);
                else
                        count(clean);
                break;
        case CAUSE_INFECTED: count(infected); break;
        case CAUSE_ATTACHMENT: count(attachments); break;
        case CAUSE_UNSCANNABLE: count(unscannable); break;
        case CAUSE_ERROR:
        default: count(undecided);
        }
}

/* ---- Deeds ---- */

static sfsistat defer(SMFICTX *ctx) {
        count(deferred);
        (void)smfi_setreply(
                ctx, (char *)(uintptr_t) "451", (char *)(uintptr_t) "4.7.1",
                (char *)(uintptr_t) "The message could not be scanned, try again later");
        return SMFIS_TEMPFAIL;
}

/* What was found, for the sender and for header lines. */
static void describe(const struct decision *d, const struct judgement *j, char *text, size_t size) {
        if (d->cause == CAUSE_INFECTED)
                (void)snprintf(text, size, "infected with %s", j->result.signature);
        else if (d->cause == CAUSE_ATTACHMENT)
                (void)snprintf(text, size, "attachment %s, which is not accepted here",
                               j->attachment.name);
        else
                (void)snprintf(text, size, "not scannable (%s)", reason_name(j->result.reason));
        without_percent(text);
}

static sfsistat reject(SMFICTX *ctx, const char *what) {
        char text[256];

        count(rejected);
        (void)snprintf(text, sizeof(text), "Message rejected: %s", what);
        (void)smfi_setreply(ctx, (char *)(uintptr_t) "550", (char *)(uintptr_t) "5.7.1", text);
        return SMFIS_REJECT;
}

/* At the top. With HDR_LEADSPC the mail server leaves the blank behind the colon to us. */
static bool add_header(SMFICTX *ctx, const struct session *s, const char *name, const char *value) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "%s%s", s->leading_space ? " " : "", value) < 0) {
                text = NULL;
                return false;
        }
        return smfi_insheader(ctx, 0, (char *)(uintptr_t)name, text) == MI_SUCCESS;
}

static sfsistat carry_out(SMFICTX *ctx, const struct session *s, const struct decision *d,
                          const struct judgement *j) {
        char what[224];

        describe(d, j, what, sizeof(what));
        switch (d->deed) {
        case DEED_REJECT: return reject(ctx, what);
        case DEED_DISCARD: count(discarded); return SMFIS_DISCARD;
        case DEED_QUARANTINE:
                if (smfi_quarantine(ctx, what) != MI_SUCCESS)
                        return defer(ctx);
                count(held);
                return SMFIS_CONTINUE;
        case DEED_TAG:
                if (!add_header(ctx, s, FOUND_HEADER, what))
                        return defer(ctx);
                count(tagged);
                return SMFIS_CONTINUE;
        case DEED_ACCEPT:
        case DEED_HONOUR:
        case DEED_STAMP: return SMFIS_CONTINUE;
        case DEED_DEFER:
        case _DEED_MAX:
        default: return defer(ctx);
        }
}

/* Takes every line off that could be read as a stamp; false: that failed. The last first, so that
 * the numbers of those before stay true. */
static bool strip(SMFICTX *ctx, struct session *s) {
        for (size_t i = s->mail.n_stamps; i > 0; i--) {
                struct mail_stamp *stamp = &s->mail.stamps[i - 1];

                if (smfi_chgheader(ctx, stamp->name, (int)stamp->number, NULL) != MI_SUCCESS)
                        return false;
        }
        if (s->mail.n_stamps > 0) {
                (void)atomic_fetch_add(&settings->counters->stripped, s->mail.n_stamps);
                journal_say(settings->journal, EVENT_HUB_STRIPPED, NULL,
                            "Mail %s from %s came with %zu stamps, which were taken off.",
                            queue_id(ctx), s->client, s->mail.n_stamps);
        }
        return true;
}

/* ---- Callbacks ---- */

static void tick(void *userdata) {
        (void)smfi_progress(userdata);
}

static void judge(SMFICTX *ctx, struct session *s, struct judgement *ret) {
        int fd = mail_take(&s->mail);

        *ret = (struct judgement){};
        if (fd == -EFBIG) {
                ret->result.verdict = VERDICT_UNSCANNABLE;
                ret->result.reason = REASON_LIMITS;
                (void)snprintf(ret->result.signature, sizeof(ret->result.signature),
                               "larger than max_file_size");
        } else if (fd < 0) {
                ret->result.reason = fd == -ENOSPC || fd == -ENOMEM ? REASON_OVERLOAD : REASON_READ;
                (void)snprintf(ret->result.signature, sizeof(ret->result.signature), "%s",
                               fd == -ENOSPC ? "more bytes at once than spool_size"
                                             : error_text(-fd));
        } else
                handover_judge(settings->handover, fd, s->mail.size, s->trusted,
                               settings->config->scan_timeout_usec, tick, ctx, ret);
}

static sfsistat end_of_message(SMFICTX *ctx, struct session *s) {
        bool leaving = settings->config->hub.strip_outgoing && s->outgoing > 0 && s->local == 0;
        struct judgement j;
        struct decision d;
        sfsistat result;

        if (s->mail.too_many_stamps)
                return reject(ctx, "more stamps than there can be");
        judge(ctx, s, &j);
        d = decide(&settings->config->hub, &j);
        count_judgement(s, &d);
        log_decision(ctx, s, &d, &j);
        result = carry_out(ctx, s, &d, &j);
        if (result == SMFIS_CONTINUE && (!s->trusted || leaving) && !strip(ctx, s))
                return defer(ctx);
        if (result == SMFIS_CONTINUE && d.deed == DEED_STAMP && !leaving && j.stamp[0]) {
                if (!add_header(ctx, s, HUB_STAMP_NAME, j.stamp))
                        return defer(ctx);
                count(stamped);
        }
        return result;
}

static void forget_message(struct session *s) {
        if (s->in_message)
                mail_done(&s->mail);
        s->in_message = false;
        s->local = s->outgoing = 0;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long offered_actions,
                             unsigned long offered_steps, unsigned long unused2,
                             unsigned long unused3, unsigned long *ret_actions,
                             unsigned long *ret_steps, unsigned long *ret2, unsigned long *ret3) {
        const unsigned long needed = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE;
        struct session *s;

        if ((offered_actions & needed) != needed)
                return SMFIS_REJECT;
        s = calloc(1, sizeof(*s));
        if (!s)
                return SMFIS_REJECT;
        s->mail.fd = -EBADF;
        s->leading_space = offered_steps & SMFIP_HDR_LEADSPC;
        (void)smfi_setpriv(ctx, s);
        *ret_actions = needed;
        /* Nothing of these is asked for, and nothing is answered before the end. */
        *ret_steps = offered_steps & (SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NODATA |
                                      SMFIP_HDR_LEADSPC | SMFIP_NR_HDR);
        s->silent = *ret_steps & SMFIP_NR_HDR;
        *ret2 = *ret3 = 0;
        return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *hostname, _SOCK_ADDR *address) {
        struct session *s = smfi_getpriv(ctx);
        const struct sockaddr *sa = (const struct sockaddr *)address;

        if (!s)
                return SMFIS_TEMPFAIL;
        s->trusted = networks_have(&trusted_networks, sa);
        (void)snprintf(s->client, sizeof(s->client), "unknown");
        if (sa && sa->sa_family == AF_INET)
                (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr,
                                s->client, sizeof(s->client));
        else if (sa && sa->sa_family == AF_INET6)
                (void)inet_ntop(AF_INET6,
                                &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
                                s->client, sizeof(s->client));
        return SMFIS_CONTINUE;
}

static sfsistat on_sender(SMFICTX *ctx, char **arguments) {
        struct session *s = smfi_getpriv(ctx);

        if (!s)
                return SMFIS_TEMPFAIL;
        forget_message(s);
        mail_begin(&s->mail, settings->config->max_file_size);
        s->in_message = true;
        return SMFIS_CONTINUE;
}

static sfsistat on_recipient(SMFICTX *ctx, char **arguments) {
        struct session *s = smfi_getpriv(ctx);
        const char *transport = smfi_getsymval(ctx, (char *)(uintptr_t) "{rcpt_mailer}");

        if (!s)
                return SMFIS_TEMPFAIL;
        if (transport && streq(transport, OUTGOING))
                s->outgoing++;
        else
                s->local++;
        return SMFIS_CONTINUE;
}

/* The session of a message under way. */
static struct session *at_message(SMFICTX *ctx) {
        struct session *s = smfi_getpriv(ctx);

        return s && s->in_message ? s : NULL;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value) {
        struct session *s = at_message(ctx);

        if (!s)
                return SMFIS_TEMPFAIL;
        mail_header(&s->mail, name, value, s->leading_space);
        return s->silent ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_end_of_header(SMFICTX *ctx) {
        struct session *s = at_message(ctx);

        if (!s)
                return SMFIS_TEMPFAIL;
        mail_end_of_header(&s->mail);
        return SMFIS_CONTINUE;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t size) {
        struct session *s = at_message(ctx);

        if (!s)
                return SMFIS_TEMPFAIL;
        mail_body(&s->mail, data, size);
        return SMFIS_CONTINUE;
}

static sfsistat on_end_of_message(SMFICTX *ctx) {
        struct session *s = at_message(ctx);
        sfsistat result;

        if (!s)
                return SMFIS_TEMPFAIL;
        result = end_of_message(ctx, s);
        forget_message(s);
        return result;
}

static sfsistat on_abort(SMFICTX *ctx) {
        struct session *s = smfi_getpriv(ctx);

        if (s)
                forget_message(s);
        return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx) {
        struct session *s = smfi_getpriv(ctx);

        if (s) {
                forget_message(s);
                (void)smfi_setpriv(ctx, NULL);
                free(s);
        }
        return SMFIS_CONTINUE;
}

/* ---- The whole ---- */

int milter_open(const struct milter_settings *s, FILE *errors) {
        static char name[] = NAME;
        struct smfiDesc description = {
                .xxfi_name = name,
                .xxfi_version = SMFI_VERSION,
                .xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE,
                .xxfi_negotiate = on_negotiate,
                .xxfi_connect = on_connect,
                .xxfi_envfrom = on_sender,
                .xxfi_envrcpt = on_recipient,
                .xxfi_header = on_header,
                .xxfi_eoh = on_end_of_header,
                .xxfi_body = on_body,
                .xxfi_eom = on_end_of_message,
                .xxfi_abort = on_abort,
                .xxfi_close = on_close,
        };
        char socket[CONFIG_SOCKET_MAX];
        const char *bad;
        size_t n;

        settings = s;
        if (networks_parse(s->config->hub.trusted_networks, &trusted_networks, &bad, &n) < 0 ||
            config_hub_socket(s->config->hub.socket, socket) < 0)
                return -EINVAL; /* the configuration was checked */
        mail_set_budget(s->config->hub.spool_size);
        errno = 0;
        if (smfi_register(description) != MI_SUCCESS || smfi_setconn(socket) != MI_SUCCESS) {
                fprintf(errors, "libmilter can't be set up.\n");
                return -ENOMEM;
        }
        if (smfi_opensocket(true) != MI_SUCCESS) {
                int r = errno > 0 ? -errno : -EADDRINUSE;

                fprintf(errors,
                        "[hub] socket: %s can't be listened on: %s; stop what else is there, or "
                        "name another one.\n",
                        s->config->hub.socket, error_text(-r));
                return r;
        }
        return 0;
}

int milter_run(void) {
        return smfi_main() == MI_SUCCESS ? 0 : -EIO;
}
