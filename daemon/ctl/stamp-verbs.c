/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verbs "stamp show", "stamp verify" and "stamp clear": one file after the other, for people
 * or as JSON Lines. What is true of a file is found in subject.c and judged in check.c.
 */

#include <inttypes.h>
#include <stdio.h>

#include "daemon/ctl/check.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/escape.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/subject.h"
#include "store/util.h"

DEFINE_CLEANUP(struct subject *, subject_close);

/* What open(2) and friends said, where a mail admin needs more than errno's text. */
static const char *file_error_text(int error) {
        switch (error) {
        case -EISDIR: return "a folder has no stamp; name its files, for example by find(1)";
        case -EMEDIUMTYPE: return "not a regular file: storescan neither scans nor stamps it";
        case -EROFS: return "the file system is mounted read-only here";
        default: return error_text(-error);
        }
}

/* Prints a file's error; in JSON also on standard output, so that each path has its line. */
static int file_error(const struct ctl *ctl, const char *path, int error) {
        _cleanup_free_ char *shown = escape_terminal(path, strlen(path));
        _cleanup_free_ char *json = escape_json(path, strlen(path));

        fprintf(stderr, "storescanctl: %s: %s\n", shown ?: "?", file_error_text(error));
        if (ctl->json)
                printf("{\"path\":\"%s\",\"error\":\"%s\"}\n", json ?: "", file_error_text(error));
        return STATUS_ERROR;
}

static int may_see_stamps(void) {
        int r = subject_may_see_stamps();

        if (r == 0)
                return 0;
        if (r == -EPERM)
                fprintf(stderr,
                        "storescanctl: stamps are kept in " STAMP_XATTR ", which the kernel "
                        "hides from all but root (CAP_SYS_ADMIN outside of containers); run "
                        "it by sudo.\n");
        else
                fprintf(stderr, "storescanctl: own capabilities: %s\n", strerror(-r));
        return STATUS_ERROR;
}

static int status_of(const struct subject *s, enum check_result result) {
        return result == RESULT_VALID && s->stamp.verdict == VERDICT_CLEAN ? STATUS_OK
                                                                           : STATUS_FOUND;
}

/* ---- JSON: keys are documented in storescanctl(1) ---- */

static void json_subject(const struct subject *s) {
        char text[BASE64URL_LENGTH(STAMP_DIGEST_SIZE) + 1];

        printf("{");
        output_json_path("path", s->path);
        printf(",");
        if (s->text_error < 0)
                printf("\"stamp\":null");
        else
                output_json("stamp", s->text, s->text_size);
        if (check_form(s) != RESULT_VALID)
                return;

        printf(",\"verdict\":\"%s\",\"reason\":\"%s\"", verdict_name(s->stamp.verdict),
               reason_name(s->stamp.reason));
        generation_format(&s->stamp.generation, text);
        printf(",\"generation\":\"%s\",\"time_usec\":%" PRIu64 ",\"size\":%" PRIu64, text,
               s->stamp.time_msec * USEC_PER_MSEC, s->stamp.size);
        if (s->stamp.has_digest) {
                base64url_encode(s->stamp.digest, STAMP_DIGEST_SIZE, text);
                printf(",\"digest\":\"%s\"", text);
        } else
                printf(",\"digest\":null");
}

static void json_show(const struct subject *s, const struct checks *checks) {
        json_subject(s);
        printf(",\"result\":\"%s\"}\n", check_result_name(checks->result));
}

static void json_verify(const struct subject *s, const struct checks *checks) {
        json_subject(s);
        printf(",");
        output_checks(checks);
        printf("}\n");
}

/* ---- for people ---- */

static void text_path(const struct subject *s) {
        _cleanup_free_ char *shown = escape_terminal(s->path, strlen(s->path));

        printf("%s\n", shown ?: "?");
}

static void text_show(const struct subject *s, const struct checks *checks) {
        char text[64];

        text_path(s);
        if (s->text_error == 0) {
                _cleanup_free_ char *shown = escape_terminal(s->text, s->text_size);

                printf("  Stamp       %s\n", shown ?: "?");
        }
        if (checks->result != RESULT_VALID) {
                printf("  %-11s %s\n",
                       checks->result == RESULT_NO_STAMP ? "No stamp" : "Not usable",
                       check_result_text(checks->result));
                return;
        }
        printf("  Verdict     %s: %s\n", verdict_name(s->stamp.verdict),
               check_verdict_text(&s->stamp));
        generation_format(&s->stamp.generation, text);
        printf("  Generation  %s\n", text);
        check_format_time(s->stamp.time_msec, text, sizeof(text));
        printf("  Stamped     %s\n", text);
        printf("  Size        %" PRIu64 " bytes\n", s->stamp.size);
        if (s->stamp.has_digest)
                base64url_encode(s->stamp.digest, STAMP_DIGEST_SIZE, text);
        printf("  Digest      %s\n", s->stamp.has_digest ? text : "none");
}

static void text_verify(const struct subject *s, const struct checks *checks) {
        text_path(s);
        for (size_t i = 0; i < checks->n; i++) {
                const struct check *c = &checks->list[i];

                printf("  %-4s  %-11s  %s\n", check_state_name(c->state), c->name, c->text);
        }
        printf("  => %s: %s\n", check_result_name(checks->result),
               check_result_text(checks->result));
}

/* ---- verbs ---- */

static int show_one(const struct ctl *ctl, const char *path) {
        struct subject subject = { .fd = -EBADF };
        _cleanup_(subject_closep) struct subject *s = &subject;
        struct checks checks = {};
        int r;

        r = subject_open(path, s);
        if (r < 0)
                return file_error(ctl, path, r);
        checks.result = check_form(s);
        (ctl->json ? json_show : text_show)(s, &checks);
        return status_of(s, checks.result);
}

static int verify_one(const struct ctl *ctl, const char *path) {
        struct subject subject = { .fd = -EBADF };
        _cleanup_(subject_closep) struct subject *s = &subject;
        struct checks checks;
        int r, read_error = 0;

        r = subject_open(path, s);
        if (r < 0)
                return file_error(ctl, path, r);
        if (check_form(s) == RESULT_VALID && s->stamp.has_digest) {
                read_error = subject_digest(s);
                /* What storescand denies to everyone it denies to us; the rest still tells. */
                if (read_error < 0 && read_error != -EPERM)
                        return file_error(ctl, path, read_error);
        }
        check_subject(s, read_error, output_now() / USEC_PER_MSEC, &checks);
        (ctl->json ? json_verify : text_verify)(s, &checks);
        return status_of(s, checks.result);
}

static int clear_one(const struct ctl *ctl, const char *path) {
        struct subject subject = { .fd = -EBADF };
        _cleanup_(subject_closep) struct subject *s = &subject;
        int r;

        r = subject_open(path, s);
        if (r >= 0)
                r = subject_clear(s);
        if (r < 0 && r != -ENODATA)
                return file_error(ctl, path, r);
        output_result(ctl->json, "path", path, r < 0 ? "no-stamp" : "removed",
                      r < 0 ? "had no stamp" : "stamp removed");
        return STATUS_OK;
}

static int for_each(const struct ctl *ctl, char **paths, int n,
                    int (*one)(const struct ctl *ctl, const char *path)) {
        int worst = STATUS_OK;

        if (may_see_stamps() != 0)
                return STATUS_ERROR;
        for (int i = 0; i < n; i++) {
                int r = one(ctl, paths[i]);

                worst = MAX(worst, r);
        }
        return worst;
}

int verb_stamp_show(const struct ctl *ctl, char **args, int n) {
        return for_each(ctl, args, n, show_one);
}

int verb_stamp_verify(const struct ctl *ctl, char **args, int n) {
        return for_each(ctl, args, n, verify_one);
}

int verb_stamp_clear(const struct ctl *ctl, char **args, int n) {
        return for_each(ctl, args, n, clear_one);
}
