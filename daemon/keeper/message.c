/* SPDX-License-Identifier: Apache-2.0 */

/* Owns nothing. Must not do anything about a message. */

#include "daemon/keeper/message.h"

#include "store/util.h"

/* All that storescand sends, and what may come to be sent of what concerns its own state. */
static const char *const passed[] = {
        "READY=", "STATUS=", "WATCHDOG=", "RELOADING=", "MONOTONIC_USEC=", "EXTEND_TIMEOUT_USEC=",
        "ERRNO=", "FDNAME=", "FDPOLL=",   "FDSTORE=",   "FDSTOREREMOVE=",  "BARRIER=",
};

bool message_name_is_valid(const char *name) {
        size_t n = strlen(name);

        for (size_t i = 0; i < n; i++)
                if (name[i] < ' ' || name[i] > '~' || name[i] == ':')
                        return false;
        return n > 0 && n < MESSAGE_NAME_MAX;
}

static bool is_passed(const char *line, bool ends) {
        for (size_t i = 0; i < ELEMENTSOF(passed); i++)
                if (startswith(line, passed[i]))
                        return true;
        return ends && startswith(line, "STOPPING=");
}

static void add(struct message *m, const char *line) {
        size_t n = strlen(line);

        /* All of them are parts of a text that fits, with what was between them. */
        if (m->size > 0)
                m->text[m->size++] = '\n';
        memcpy(m->text + m->size, line, n + 1);
        m->size += n;
}

static int take_line(struct message *m, const char *line, bool ends) {
        const char *name = startswith(line, "FDNAME=");

        if (!is_passed(line, ends))
                return 0;
        if (name) {
                if (!message_name_is_valid(name))
                        return -EBADMSG;
                memccpy(m->name, name, '\0', sizeof(m->name));
        }
        m->ready = m->ready || streq(line, "READY=1");
        m->store = m->store || streq(line, "FDSTORE=1");
        m->remove = m->remove || streq(line, "FDSTOREREMOVE=1");
        m->barrier = m->barrier || streq(line, "BARRIER=1");
        add(m, line);
        return 0;
}

int message_parse(const char *data, size_t size, bool ends, struct message *ret) {
        struct message m = { .name = "stored" }; /* as the service manager calls what has no name */
        char copy[MESSAGE_MAX + 1], *rest = copy, *line;

        /* One NUL at the end is none of the text. */
        if (size > 0 && data[size - 1] == '\0')
                size--;
        if (size == 0 || size > MESSAGE_MAX || memchr(data, '\0', size))
                return -EBADMSG;
        memcpy(copy, data, size);
        copy[size] = '\0';
        while ((line = strsep(&rest, "\n"))) {
                int r = take_line(&m, line, ends);

                if (r < 0)
                        return r;
        }
        if (m.barrier && !streq(m.text, "BARRIER=1"))
                return -EBADMSG;
        if (m.store && m.remove)
                return -EBADMSG;
        *ret = m;
        return 0;
}
