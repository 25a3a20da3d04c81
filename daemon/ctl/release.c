/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The verb "quarantine release". First the content is allowed, durably: were it put back first, the next
 * open would have it replaced again. Only storescan-remedy writes to stores; it is run for that.
 */

#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "daemon/ctl/allow.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/quarantine-verbs.h"

#define PROGRAM "storescan-remedy"

/* ---- Putting back ---- */

/* The program beside ours when we run from the build folder, else the installed one. */
static void find_program(char ret[static PATH_MAX]) {
        const char *set = secure_getenv("STORESCAN_REMEDY");
        char path[PATH_MAX];
        ssize_t n;

        if (set && strlen(set) < PATH_MAX) {
                strcpy(ret, set);
                return;
        }
        n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("../remedy/" PROGRAM));
        if (n > 0) {
                char *slash;

                path[n] = '\0';
                slash = strrchr(path, '/');
                strcpy(slash + 1, "../remedy/" PROGRAM);
                if (access(path, X_OK) >= 0) {
                        strcpy(ret, path);
                        return;
                }
        }
        strcpy(ret, STORESCAN_LIBEXECDIR "/" PROGRAM);
}

enum {
        PUT_BACK = 0,
        NOT_PUT_BACK = 1, /* what is in the store is not what was put there; it says so */
};

/* Runs storescan-remedy for one item; its exit status, or negative errno. */
static int put_back(const char *program, const char *folder, const char *id) {
        char *argv[] = { (char *)program, (char *)"--release", (char *)folder, (char *)id, NULL };
        int status, r;
        pid_t pid;

        r = posix_spawn(&pid, program, NULL, NULL, argv, environ);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

/* ---- Allowing ---- */

static int allow(const struct ctl *ctl, const struct config *config, const char *id,
                 const struct quarantine *q) {
        struct allow_file opened = { .folder = -EBADF };
        _cleanup_(allow_file_closep) struct allow_file *file = &opened;
        static const uint8_t none[DIGEST_SIZE];
        struct allowed_entry entry = { .forever = ctl->forever, .generation = q->generation };
        int r;

        if (memcmp(q->content, none, DIGEST_SIZE) == 0)
                return output_error(id, "its content has no digest by which it could be allowed; "
                                        "export it");
        memcpy(entry.digest, q->content, DIGEST_SIZE);
        r = allow_open(config, true, file);
        if (r != STATUS_OK)
                return r;
        r = allowed_add(&file->allowed, &entry);
        if (r < 0)
                return output_error(id, "%s",
                                    r == -E2BIG ? "the list of allowed contents is full; see "
                                                  "'storescanctl allow list'"
                                                : error_text(-r));
        return allow_save(config, file);
}

static int release_one(const struct ctl *ctl, const struct config *config,
                       const struct shelf *shelf, const char *id) {
        char program[PATH_MAX], file[QUARANTINE_ID_SIZE + sizeof(".eml")];
        char text[sizeof(file) + 64];
        struct quarantine q;
        int r;

        r = quarantine_read(shelf, id, &q);
        if (r != STATUS_OK)
                return r;
        if (q.state == QUARANTINE_REPLACING)
                return output_error(id, "its replacement has not ended; storescand ends it when it "
                                        "runs");
        r = allow(ctl, config, id, &q);
        if (r != STATUS_OK)
                return r;
        if (q.state != QUARANTINE_REPLACED) {
                output_result(ctl->json, "id", id, "in-store",
                              "allowed; the original is in the store");
                return STATUS_OK;
        }
        find_program(program);
        r = put_back(program, config->quarantine_directory, id);
        if (r == PUT_BACK) {
                output_result(ctl->json, "id", id, "put-back", "allowed, and put back");
                return STATUS_OK;
        }
        if (r < 0)
                (void)output_error(program, "%s", r == -ECHILD ? "crashed" : error_text(-r));
        (void)snprintf(file, sizeof(file), "%s.eml", id);
        if (quarantine_export(shelf, id, &q, file) != STATUS_OK)
                return STATUS_ERROR;
        (void)snprintf(text, sizeof(text), "allowed, but not put back; the original is in ./%s",
                       file);
        output_result(ctl->json, "id", id, "exported", text);
        return r == NOT_PUT_BACK ? STATUS_FOUND : STATUS_ERROR;
}

int verb_quarantine_release(const struct ctl *ctl, char **args, int n) {
        struct shelf opened = { .folder = -EBADF };
        _cleanup_(shelf_closep) struct shelf *shelf = &opened;
        _cleanup_(config_freep) struct config *config = NULL;
        int worst = quarantine_open(ctl, &config, shelf);

        for (int i = 0; config && i < n; i++) {
                int r = release_one(ctl, config, shelf, args[i]);

                worst = MAX(worst, r);
        }
        return worst;
}
