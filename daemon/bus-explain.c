/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The method Explain: reads the question from the message, writes the answer into the reply. What it is
 * made of is explain.c's. Owns nothing.
 */

#include "daemon/bus-private.h"
#include "daemon/explain.h"

#define NSEC_PER_SEC (NSEC_PER_USEC * USEC_PER_SEC)

/* A path is any bytes, which strings on the bus are not. */
static int read_path(sd_bus_message *message, char ret[static PATH_MAX]) {
        const void *bytes;
        size_t n;
        int r = sd_bus_message_read_array(message, 'y', &bytes, &n);

        if (r < 0)
                return r;
        if (n == 0 || n >= PATH_MAX || memchr(bytes, '\0', n))
                return -EINVAL;
        memcpy(ret, bytes, n);
        ret[n] = '\0';
        return 0;
}

/* path: to hold the question's. */
static int read_question(sd_bus_message *message, char path[static PATH_MAX],
                         struct explain_question *ret) {
        struct explain_question q = { .stamp.verdict = VERDICT_UNKNOWN };
        uint64_t dev, ino, size, links, mtime_sec, ctime_nsec;
        int bound, read_only, r;
        const char *stamp;
        uint32_t mode;

        r = read_path(message, path);
        if (r >= 0)
                r = sd_bus_message_read(message, "ttutttt", &dev, &ino, &mode, &size, &links,
                                        &mtime_sec, &ctime_nsec);
        if (r >= 0)
                r = sd_bus_message_read(message, "bbs", &bound, &read_only, &stamp);
        if (r < 0)
                return r;
        if (size > INT64_MAX)
                return -EINVAL;
        q.path = path;
        q.bound = bound;
        q.read_only = read_only;
        q.st = (struct stat){
                .st_dev = dev,
                .st_ino = ino,
                .st_mode = mode,
                .st_size = (off_t)size,
                .st_nlink = links,
                .st_mtim.tv_sec = (time_t)mtime_sec,
                .st_ctim = { .tv_sec = (time_t)(ctime_nsec / NSEC_PER_SEC),
                             .tv_nsec = (long)(ctime_nsec % NSEC_PER_SEC) },
        };
        if (stamp_parse(stamp, strlen(stamp), &q.stamp) < 0)
                q.stamp.verdict = VERDICT_UNKNOWN;
        *ret = q;
        return 0;
}

static const char *generation_state(const struct explanation *e, const struct explain_question *q) {
        if (q->stamp.verdict == VERDICT_UNKNOWN)
                return "none";
        if (e->older)
                return "accepted";
        return e->check == STAMP_OUTDATED ? "outdated" : "running";
}

static const char *on_failure_word(enum on_failure on_failure) {
        return on_failure == ON_FAILURE_ALLOW ? "allow" : "deny";
}

int bus_append_store(sd_bus_message *reply, const struct config_store *s) {
        static const char *const infected[] = {
                [ON_INFECTED_REPLACE] = "replace",
                [ON_INFECTED_BLOCK] = "block",
                [ON_INFECTED_DETECT] = "detect",
        };
        int r = sd_bus_message_append(reply, "s", s->name);

        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', s->path, strlen(s->path));
        if (r >= 0)
                r = sd_bus_message_append(reply, "sssss", store_kind_name(s->kind),
                                          store_format_name(s->format), infected[s->on_infected],
                                          on_failure_word(s->on_error),
                                          on_failure_word(s->on_unscannable));
        return r;
}

static int append_explanation(sd_bus_message *reply, const struct explanation *e,
                              const struct explain_question *question) {
        int r = sd_bus_message_append(reply, "sssbb", explain_tier_name(e->tier),
                                      explain_answer_name(e->answer), generation_state(e, question),
                                      (int)e->hot, (int)e->scanning);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(saysssss)");
        if (r >= 0 && e->store) {
                r = sd_bus_message_open_container(reply, 'r', "saysssss");
                if (r >= 0)
                        r = bus_append_store(reply, e->store);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_explain(struct bus *bus, sd_bus_message *message, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct explain_question question;
        struct explanation e;
        char path[PATH_MAX];
        int r = read_question(message, path, &question);

        if (r < 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "No file is like this.");
        bus->calls.explain(bus->calls.userdata, &question, &e);
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = append_explanation(reply, &e, &question);
        if (r >= 0)
                r = sd_bus_send(bus->sd, reply, NULL);
        return r < 0 ? sd_bus_error_set_errno(error, r) : 1;
}
