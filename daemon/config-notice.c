/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The notice's template: read when the configuration is, so that what is wrong with it is said then, and
 * what runs has it whatever becomes of the file. Must not know how its language goes: store/notice.h.
 */

#include "daemon/config-private.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/io.h"
#include "store/notice.h"

/* Where nobody put a file. The same text as etc/notice.txt. */
static const char builtin[] =
        "Infected content was removed from this place.\n"
        "\n"
        "The mail server %{host} found %{signature} in this message on %{date},\n"
        "and put this notice in its place. The original is kept in quarantine. If you need\n"
        "it, ask your postmaster and name this item: %{item}\n"
        "\n"
        "Sender of the message: %{sender}\n";

/* The whole file, terminated, cut behind what is too long anyway. 0 or negative errno. */
static int read_template(const char *path, char **ret, size_t *ret_size) {
        _cleanup_free_ char *data = malloc(NOTICE_TEMPLATE_MAX + 2);
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        ssize_t n;

        if (!data)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        n = read_full(fd, data, NOTICE_TEMPLATE_MAX + 1);
        if (n < 0)
                return (int)n;
        data[n] = '\0';
        *ret = TAKE_PTR(data);
        *ret_size = (size_t)n;
        return 0;
}

int config_read_notice(struct config_builder *b) {
        const struct config_key *key = config_key_find(SECTION_REMEDY, "notice");
        const struct config_origin *origin = config_origin_of(b->config, key, 0);
        const char *path = b->config->notice;
        struct notice_error error = {};
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r;

        if (!origin->refused) {
                r = read_template(path, &text, &size);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 && !b->former &&
                    (!streq(path, key->default_text) || (r != -ENOENT && r != -ENOTDIR)))
                        config_error(b, origin->file ? origin->file : b->main_file, origin->line,
                                     "remedy", "notice", "'%s' can't be read: %s; %s", path,
                                     r == -EMEDIUMTYPE ? "not a regular file" : strerror(-r),
                                     r == -ENOENT ? "write it, or remove the line for a notice "
                                                    "that is built in"
                                                  : "make it a file that can be");
                if (r == 0 && notice_check(text, size, &error) < 0)
                        config_error(b, path, error.line, NULL, NULL, "%s", error.text);
        }
        return config_set_text(&b->config->notice_text, text ?: builtin);
}
