/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verbs "quarantine list", "show", "export", "delete" and "clean": what is in quarantine, for people
 * or as JSON Lines, and how it gets out of it. Must not touch a store.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/ctl/check.h"
#include "daemon/ctl/escape.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/quarantine-verbs.h"
#include "daemon/ctl/retention.h"
#include "daemon/io.h"
#include "store/digest.h"

#define BUFFER_SIZE ((size_t)64 * 1024)
#define HEX_SIZE    (2 * DIGEST_SIZE + 1)

/* ---- What is known of an item ---- */

int quarantine_open(const struct ctl *ctl, struct config **ret_config, struct shelf *ret) {
        _cleanup_(config_freep) struct config *config = NULL;
        int r;

        r = ctl_config(ctl, &config);
        if (r != STATUS_OK)
                return r;
        r = shelf_open(config->quarantine_directory, ret);
        if (r == -ENOENT) /* before the first item */
                *ret = (struct shelf){ .folder = -EBADF };
        else if (r < 0)
                return output_error(config->quarantine_directory, "%s%s", error_text(-r),
                                    r == -EACCES ? "; run it by sudo" : "");
        *ret_config = TAKE_PTR(config);
        return STATUS_OK;
}

int quarantine_read(const struct shelf *shelf, const char *id, struct quarantine *ret) {
        unsigned line = 0;
        int r;

        r = shelf->folder < 0 ? -ENOENT : shelf_read(shelf, id, ret, &line);
        if (r >= 0)
                return STATUS_OK;
        if (r == -ENOENT)
                return output_error(id, "not in quarantine; see 'storescanctl quarantine list'");
        if (r == -EINVAL)
                return output_error(id,
                                    "line %u of what is noted of it is damaged; the original "
                                    "bytes are beside it, as %s" SHELF_ITEM,
                                    line, quarantine_id_valid(id) ? id : "ID");
        return output_error(id, "%s", error_text(-r));
}

static void hex(const uint8_t digest[static DIGEST_SIZE], char ret[static HEX_SIZE]) {
        for (size_t i = 0; i < DIGEST_SIZE; i++)
                (void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

static bool has_content_digest(const struct quarantine *q) {
        static const uint8_t none[DIGEST_SIZE];

        return memcmp(q->content, none, sizeof(none)) != 0;
}

static void print_json(const char *id, const struct quarantine *q, uint64_t space) {
        char text[HEX_SIZE];

        printf("{\"id\":\"%s\",\"state\":\"%s\",\"time_usec\":%" PRIu64 ",", id,
               quarantine_state_name(q->state), q->time_usec);
        output_json("store", q->store, strlen(q->store));
        printf(",");
        output_json("format", q->format, strlen(q->format));
        printf(",");
        output_json_path("path", q->path);
        printf(",\"offset\":%" PRIu64 ",\"size\":%" PRIu64 ",", q->offset, q->size);
        output_json("signature", q->signature, strlen(q->signature));
        generation_format(&q->generation, text);
        printf(",\"generation\":\"%s\"", text);
        hex(q->original, text);
        printf(",\"original\":\"%s\"", text);
        hex(q->content, text);
        if (has_content_digest(q))
                printf(",\"digest\":\"%s\"", text);
        else
                printf(",\"digest\":null");
        printf(",\"uid\":%" PRIu32 ",\"gid\":%" PRIu32 ",\"mode\":\"%04o\",\"mtime_usec\":%" PRIu64
               ",",
               q->uid, q->gid, q->mode & 07777, q->mtime_sec * USEC_PER_SEC);
        output_json("message_id", q->context.message_id, strlen(q->context.message_id));
        printf(",");
        output_json("from", q->context.from, strlen(q->context.from));
        printf(",");
        output_json("subject", q->context.subject, strlen(q->context.subject));
        printf(",\"space\":%" PRIu64 "}\n", space);
}

static void print_text(const char *id, const struct quarantine *q, uint64_t space) {
        static const char *const states[] = {
                [QUARANTINE_REPLACING] = "a replacement that has not ended",
                [QUARANTINE_REPLACED] = "a notice stands in its place",
                [QUARANTINE_LEFT] = "the store was left as it was",
                [QUARANTINE_RELEASED] = "the original is back in its place",
        };
        char text[256];

        printf("%s\n", id);
        (void)snprintf(text, sizeof(text), "%s: %s", quarantine_state_name(q->state),
                       states[q->state]);
        output_line("State", text);
        check_format_time(q->time_usec / USEC_PER_MSEC, text, sizeof(text));
        output_line("Since", text);
        output_line("Signature", q->signature);
        generation_format(&q->generation, text);
        output_line("Generation", text);
        (void)snprintf(text, sizeof(text), "%s (%s)", q->store, q->format);
        output_line("Store", text);
        output_line("Path", q->path[0] != '\0' ? q->path : "unknown");
        (void)snprintf(text, sizeof(text), "%" PRIu64 " bytes from %" PRIu64 " on", q->size,
                       q->offset);
        output_line("Place", text);
        (void)snprintf(text, sizeof(text), "uid %" PRIu32 ", gid %" PRIu32 ", mode %04o", q->uid,
                       q->gid, q->mode & 07777);
        output_line("Owner", text);
        output_line("From", q->context.from);
        output_line("Subject", q->context.subject);
        output_line("Message-ID", q->context.message_id);
        hex(q->content, text);
        output_line("Digest", has_content_digest(q) ? text : "none");
        (void)snprintf(text, sizeof(text), "%" PRIu64 " bytes", space);
        output_line("Space", text);
}

static void print_row(const char *id, const struct quarantine *q, uint64_t space) {
        _cleanup_free_ char *from = escape_terminal(q->context.from, strlen(q->context.from));
        _cleanup_free_ char *subject =
                escape_terminal(q->context.subject, strlen(q->context.subject));
        _cleanup_free_ char *store = escape_terminal(q->store, strlen(q->store));
        _cleanup_free_ char *signature = escape_terminal(q->signature, strlen(q->signature));
        char when[64];

        check_format_time(q->time_usec / USEC_PER_MSEC, when, sizeof(when));
        printf("%-*s %.19s %-9s %-10s %s  %s  %s\n", QUARANTINE_ID_SIZE - 1, id, when,
               quarantine_state_name(q->state), store ?: "?", signature ?: "?", from ?: "?",
               subject ?: "?");
}

/* ---- list, show ---- */

int verb_quarantine_list(const struct ctl *ctl, char **args, int n) {
        struct shelf opened = { .folder = -EBADF };
        _cleanup_(shelf_closep) struct shelf *shelf = &opened;
        _cleanup_(config_freep) struct config *config = NULL;
        int worst = quarantine_open(ctl, &config, shelf);

        for (size_t i = 0; i < shelf->n_ids; i++) {
                struct quarantine q;
                int r = quarantine_read(shelf, shelf->ids[i], &q);

                worst = MAX(worst, r);
                if (r == STATUS_OK)
                        (ctl->json ? print_json : print_row)(shelf->ids[i], &q,
                                                             shelf_space(shelf, shelf->ids[i]));
        }
        return worst;
}

int verb_quarantine_show(const struct ctl *ctl, char **args, int n) {
        struct shelf opened = { .folder = -EBADF };
        _cleanup_(shelf_closep) struct shelf *shelf = &opened;
        _cleanup_(config_freep) struct config *config = NULL;
        int worst = quarantine_open(ctl, &config, shelf);

        for (int i = 0; config && i < n; i++) {
                struct quarantine q;
                int r = quarantine_read(shelf, args[i], &q);

                worst = MAX(worst, r);
                if (r == STATUS_OK)
                        (ctl->json ? print_json : print_text)(args[i], &q,
                                                              shelf_space(shelf, args[i]));
        }
        return worst;
}

/* ---- export ---- */

/* Copies item to fd. -EBADMSG: not the bytes that were quarantined. */
static int copy_item(int item, int fd, const struct quarantine *q) {
        _cleanup_free_ char *buf = malloc(BUFFER_SIZE);
        struct digest_ctx *ctx = digest_new();
        uint8_t digest[DIGEST_SIZE];
        int r = buf && ctx ? 0 : -ENOMEM;

        while (r >= 0) {
                ssize_t n = read(item, buf, BUFFER_SIZE);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n == 0)
                        break;
                r = n < 0 ? -errno : digest_update(ctx, buf, (size_t)n);
                if (r >= 0)
                        r = write_full(fd, buf, (size_t)n);
        }
        if (r >= 0)
                r = digest_final(ctx, digest);
        (void)digest_free(ctx);
        if (r >= 0 && memcmp(digest, q->original, DIGEST_SIZE) != 0)
                r = -EBADMSG;
        return MIN(r, 0);
}

int quarantine_export(const struct shelf *shelf, const char *id, const struct quarantine *q,
                      const char *path) {
        _cleanup_close_ int item = shelf_open_item(shelf, id), made = -EBADF;
        int r;

        if (item < 0)
                return output_error(id, "its bytes are gone from quarantine: %s",
                                    error_text(-item));
        if (path) {
                /* For root alone: it is malware, or private mail. */
                made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (made < 0)
                        return output_error(path, "%s%s", error_text(errno),
                                            errno == EEXIST ? "; name one that does not exist"
                                                            : "");
        }
        r = copy_item(item, path ? made : STDOUT_FILENO, q);
        if (r >= 0 && path && fsync(made) < 0)
                r = -errno;
        if (r == -EBADMSG)
                return output_error(id,
                                    "exported, but not the bytes that were quarantined: damaged");
        if (r < 0) {
                if (path)
                        (void)unlink(path);
                return output_error(path ?: "standard output", "%s", error_text(-r));
        }
        return STATUS_OK;
}

int verb_quarantine_export(const struct ctl *ctl, char **args, int n) {
        struct shelf opened = { .folder = -EBADF };
        _cleanup_(shelf_closep) struct shelf *shelf = &opened;
        _cleanup_(config_freep) struct config *config = NULL;
        struct quarantine q;
        int r;

        if (n == 1 && isatty(STDOUT_FILENO))
                return output_error(args[0],
                                    "malware is not for terminals; name a file to write to");
        r = quarantine_open(ctl, &config, shelf);
        if (r == STATUS_OK)
                r = quarantine_read(shelf, args[0], &q);
        return r == STATUS_OK ? quarantine_export(shelf, args[0], &q, n > 1 ? args[1] : NULL) : r;
}

/* ---- delete, clean ---- */

static int synced(const struct config *config, const struct shelf *shelf, int worst) {
        int r = shelf_sync(shelf);

        return r < 0 ? output_error(config->quarantine_directory, "%s", error_text(-r)) : worst;
}

static int delete_one(const struct ctl *ctl, const struct shelf *shelf, const char *id,
                      const char *why) {
        int r = shelf_delete(shelf, id);

        if (r < 0)
                return output_error(id, "%s", error_text(-r));
        output_result(ctl->json, "id", id, "deleted", why);
        return STATUS_OK;
}

int verb_quarantine_delete(const struct ctl *ctl, char **args, int n) {
        struct shelf opened = { .folder = -EBADF };
        _cleanup_(shelf_closep) struct shelf *shelf = &opened;
        _cleanup_(config_freep) struct config *config = NULL;
        int worst = quarantine_open(ctl, &config, shelf);

        if (!config)
                return worst;
        for (int i = 0; i < n; i++) {
                struct quarantine q;
                unsigned line;
                /* What is damaged can be deleted, too. */
                int r = shelf->folder < 0 ? -ENOENT : shelf_read(shelf, args[i], &q, &line);

                if (r == -ENOENT)
                        r = quarantine_read(shelf, args[i], &q);
                else if (r >= 0 && q.state == QUARANTINE_REPLACING)
                        r = output_error(args[i], "its replacement has not ended, and needs it; "
                                                  "storescand ends it when it runs");
                else
                        r = delete_one(ctl, shelf, args[i], "deleted");
                worst = MAX(worst, r);
        }
        return shelf->folder < 0 ? worst : synced(config, shelf, worst);
}

int verb_quarantine_clean(const struct ctl *ctl, char **args, int n) {
        struct shelf opened = { .folder = -EBADF };
        _cleanup_(shelf_closep) struct shelf *shelf = &opened;
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_free_ struct retained *items = NULL;
        uint64_t now = output_now();
        size_t gone;
        int worst = quarantine_open(ctl, &config, shelf), r;

        if (!config || shelf->folder < 0)
                return worst;
        items = calloc(shelf->n_ids + 1, sizeof(*items));
        if (!items)
                return output_error("clean", "%s", error_text(ENOMEM));
        for (size_t i = 0; i < shelf->n_ids; i++) {
                struct quarantine q;

                items[i].size = shelf_space(shelf, shelf->ids[i]);
                r = quarantine_read(shelf, shelf->ids[i], &q);
                worst = MAX(worst, r);
                /* What can't be read stays, for the admin to look at. */
                items[i].needed = r != STATUS_OK || q.state == QUARANTINE_REPLACING;
                if (r == STATUS_OK)
                        items[i].time_usec = q.time_usec;
        }
        gone = retention_choose(items, shelf->n_ids, now, config->quarantine_keep_usec,
                                config->quarantine_max_size);
        for (size_t i = 0; i < shelf->n_ids; i++)
                if (items[i].gone) {
                        bool old = config->quarantine_keep_usec > 0 && items[i].time_usec < now &&
                                   now - items[i].time_usec > config->quarantine_keep_usec;

                        r = delete_one(ctl, shelf, shelf->ids[i],
                                       old ? "deleted, older than keep"
                                           : "deleted, beyond max_size");
                        worst = MAX(worst, r);
                }
        r = shelf_delete_leftovers(shelf, now);
        if (r < 0)
                worst = output_error(config->quarantine_directory, "%s", error_text(-r));
        else if (r > 0 && ctl->json)
                printf("{\"files\":%d,\"result\":\"deleted\"}\n", r);
        else if (r > 0)
                printf("%d %s of no item deleted\n", r, r == 1 ? "file" : "files");
        return gone > 0 || r > 0 ? synced(config, shelf, worst) : worst;
}
