/* SPDX-License-Identifier: Apache-2.0 */

/* storescan-stamp verify: each stamp of a message, check by check, in words. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "daemon/config.h"
#include "daemon/stamp/stamp.h"

static void check(const char *name, bool ok, const char *text) {
        printf("  %-4s  %-10s %s\n", ok ? "ok" : "bad", name, text);
}

static void check_digests(const struct hub_content *content, const struct hub_stamp *stamp) {
        bool header = memcmp(content->header, stamp->header, DIGEST_SIZE) == 0;
        bool body = memcmp(content->body, stamp->body, DIGEST_SIZE) == 0;

        check("header", header, header ? "as it was stamped" : hub_check_text(HUB_HEADER));
        check("body", body, body ? "as it was stamped" : hub_check_text(HUB_BODY));
}

static void check_age(const struct hub_stamp *stamp, uint64_t now) {
        char text[80];

        if (stamp->time > now + HUB_CLOCK_SKEW)
                check("time", false, hub_check_text(HUB_FUTURE));
        else {
                (void)snprintf(text, sizeof(text),
                               "%" PRIu64 " s old; the store's stamp_max_age decides",
                               now - MIN(now, stamp->time));
                printf("  note  %-10s %s\n", "time", text);
        }
        printf("  note  %-10s version %u; the store's stamp_max_lag decides\n", "signatures",
               stamp->database);
}

static bool verify_one(const struct keys *keys, const struct hub_content *content, size_t i) {
        /* Age and signatures: the stores' policies are theirs. */
        static const struct hub_policy any = { .max_age = UINT64_MAX };
        const struct hub_found *found = &content->found[i];
        const struct hub_stamp *stamp = &found->stamp;
        uint64_t now = (uint64_t)time(NULL);
        enum hub_check result = keys_judge_one(keys, content, i, &any, now);
        struct hub_key *key;

        printf("Stamp %zu\n", i + 1);
        check("format", found->check == HUB_GOOD,
              found->check == HUB_GOOD ? "a stamp of version 1" : hub_check_text(found->check));
        if (found->check == HUB_GOOD) {
                key = keys_find(keys, stamp->key);
                check("key", key, key ? stamp->key : hub_check_text(HUB_KEY));
                if (key) {
                        bool good = hub_key_verify(key, stamp) == HUB_GOOD;

                        check("signature", good,
                              good ? hub_algorithm_name(stamp->algorithm)
                                   : hub_check_text(HUB_SIGNATURE));
                }
                if (content->check == HUB_GOOD)
                        check_digests(content, stamp);
                check("verdict", stamp->verdict == VERDICT_CLEAN,
                      verdict_name((enum verdict)stamp->verdict));
                check_age(stamp, now);
        }
        printf("  => %s: %s\n", hub_check_name(result), hub_check_text(result));
        return result == HUB_GOOD;
}

static int load_keys(const struct tool *tool, struct keys **ret) {
        _cleanup_(config_freep) struct config *config = NULL;

        if (!tool->keys && config_load_hub(tool->config, stderr, &config) < 0)
                return -EINVAL;
        return keys_load(tool->keys ?: config->keys, getenv("CREDENTIALS_DIRECTORY"), stderr, ret);
}

int tool_verify(const struct tool *tool, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_(mapped_close) struct mapped file = { .fd = -EBADF };
        _cleanup_(keys_freep) struct keys *keys = NULL;
        struct hub_content content;
        bool good = false;
        int r;

        if (load_keys(tool, &keys) < 0)
                return EXIT_USAGE;
        r = fd < 0 ? -errno : mapped_file(fd, &file);
        if (r >= 0)
                r = hub_content_read(file.data, file.size, &content);
        if (r < 0) {
                fprintf(stderr, "storescan-stamp: the file can't be read: %s.\n", error_text(-r));
                return EXIT_TEMPORARY;
        }
        if (content.check != HUB_GOOD)
                printf("=> %s: %s\n", hub_check_name(content.check), hub_check_text(content.check));
        for (size_t i = 0; i < content.n_found; i++)
                good |= verify_one(keys, &content, i);
        return good ? EXIT_STAMPED : EXIT_REFUSED;
}
