/* SPDX-License-Identifier: Apache-2.0 */

/* One text per state: what it would not write itself it does not read. Must not do I/O. */

#include "daemon/ctl/notices.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define TITLE "storescan-notices 1\n"

void notices_done(struct notices *notices) {
        free(notices->owners);
        *notices = (struct notices){};
}

/* A decimal number that ends with the character end, without zeros in front. */
static const char *read_number(const char *s, uint64_t max, char end, uint64_t *ret) {
        uint64_t value = 0;

        if (!isdigit((unsigned char)s[0]) || (s[0] == '0' && isdigit((unsigned char)s[1])))
                return NULL;
        for (; isdigit((unsigned char)*s); s++)
                if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
                        return NULL;
        if (*s != end || value > max)
                return NULL;
        *ret = value;
        return s + 1;
}

static bool is_id_character(char c) {
        return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

static int read_line(const char *line, struct notices_owner *ret) {
        struct notices_owner owner = {};
        uint64_t uid;
        size_t n = 0;

        /* The last uid means "none" to the kernel. */
        line = read_number(line, UINT32_MAX - 1, ' ', &uid);
        if (line)
                line = read_number(line, UINT64_MAX, ' ', &owner.time_usec);
        if (!line || owner.time_usec == 0)
                return -EINVAL;
        while (is_id_character(line[n]))
                n++;
        if (n == 0 || n >= sizeof(owner.id) || line[n] != '\0')
                return -EINVAL;
        memcpy(owner.id, line, n);
        owner.uid = (uid_t)uid;
        *ret = owner;
        return 0;
}

static int add(struct notices *notices, const struct notices_owner *owner, size_t at) {
        struct notices_owner *owners =
                reallocarray(notices->owners, notices->n_owners + 1, sizeof(*owners));

        if (!owners)
                return -ENOMEM;
        memmove(owners + at + 1, owners + at, (notices->n_owners - at) * sizeof(*owners));
        owners[at] = *owner;
        notices->owners = owners;
        notices->n_owners++;
        return 0;
}

int notices_parse(const char *text, size_t size, struct notices *ret, unsigned *ret_line) {
        struct notices notices = {};
        _cleanup_(notices_donep) struct notices *n = &notices;
        const char *end = text + size, *s = end;
        char line[NOTICES_ID_SIZE + 64];
        unsigned number = 1;
        int r = 0;

        if (size < strlen(TITLE) || memcmp(text, TITLE, strlen(TITLE)) != 0)
                r = -EINVAL;
        else
                s = text + strlen(TITLE);
        while (r == 0 && s < end) {
                const char *newline = memchr(s, '\n', (size_t)(end - s));
                size_t length = newline ? (size_t)(newline - s) : 0;
                struct notices_owner owner;

                number++;
                if (!newline || length >= sizeof(line) || memchr(s, '\0', length)) {
                        r = -EINVAL;
                        break;
                }
                memcpy(line, s, length);
                line[length] = '\0';
                r = read_line(line, &owner);
                if (r >= 0 && n->n_owners > 0 && n->owners[n->n_owners - 1].uid >= owner.uid)
                        r = -EINVAL;
                if (r >= 0)
                        r = add(n, &owner, n->n_owners);
                s = newline + 1;
        }
        if (r < 0) {
                *ret_line = number;
                return r;
        }
        *ret = *n;
        *n = (struct notices){};
        return 0;
}

char *notices_format(const struct notices *notices, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        fputs(TITLE, f);
        for (size_t i = 0; i < notices->n_owners; i++) {
                const struct notices_owner *o = &notices->owners[i];

                if (o->id[0] != '\0')
                        fprintf(f, "%" PRIu32 " %" PRIu64 " %s\n", (uint32_t)o->uid, o->time_usec,
                                o->id);
        }
        if (fclose(f) != 0)
                return NULL;
        *ret_size = size;
        return TAKE_PTR(text);
}

struct notices_owner *notices_owner(struct notices *notices, uid_t uid) {
        const struct notices_owner owner = { .uid = uid };
        size_t at = 0;

        while (at < notices->n_owners && notices->owners[at].uid < uid)
                at++;
        if (at < notices->n_owners && notices->owners[at].uid == uid)
                return &notices->owners[at];
        return add(notices, &owner, at) < 0 ? NULL : &notices->owners[at];
}

bool notices_may_send(const struct notices_owner *owner, uint64_t now_usec) {
        return owner->time_usec == 0 ||
               (now_usec >= owner->time_usec && now_usec - owner->time_usec >= NOTICES_PERIOD_USEC);
}

bool notices_is_new(const struct notices_owner *owner, const char *id) {
        return strcmp(id, owner->id) > 0;
}
