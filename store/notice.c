/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the template's language. Must not know where a notice is put, nor in which encoding. */

#include "store/notice.h"

#include "store/text.h"
#include "store/util.h"

static const struct variable {
        const char *name; /* with what stands around it */
        size_t value;     /* offset in struct notice_values */
} variables[] = {
        { "%{signature}", offsetof(struct notice_values, signature) },
        { "%{item}", offsetof(struct notice_values, item) },
        { "%{sender}", offsetof(struct notice_values, sender) },
        { "%{date}", offsetof(struct notice_values, date) },
        { "%{host}", offsetof(struct notice_values, host) },
};

/* The text in the making; without data, nothing is written. */
struct out {
        char *data;
        size_t size, allocated;
};

static int put(struct out *out, const char *s, size_t size) {
        if (!out->data)
                return 0;
        if (out->allocated - out->size <= size) {
                size_t wanted = (out->size + size + 1) * 2;
                char *p = realloc(out->data, wanted);

                if (!p)
                        return -ENOMEM;
                out->data = p;
                out->allocated = wanted;
        }
        memcpy(out->data + out->size, s, size);
        out->size += size;
        out->data[out->size] = '\0';
        return 0;
}

static int put_value(struct out *out, const struct notice_values *values, size_t offset) {
        char clean[NOTICE_VALUE_MAX + 1];
        const char *value;

        if (!values)
                return 0;
        value = *(const char *const *)(const void *)((const char *)values + offset);
        if (!value || !value[0])
                value = "-";
        text_clean(value, strlen(value), clean, sizeof(clean));
        return put(out, clean, strlen(clean));
}

static int fail(struct notice_error *error, unsigned line, const char *text) {
        error->line = line;
        error->text = text;
        return -EINVAL;
}

/* What stands at s, of size bytes: a variable, "%%" or a character. *at goes behind it. */
static int expand_one(struct out *out, const char *s, size_t size, size_t *at, unsigned line,
                      const struct notice_values *values, struct notice_error *error) {
        unsigned point;
        size_t n;

        for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
                n = strlen(variables[i].name);
                if (n <= size && memcmp(s, variables[i].name, n) == 0) {
                        *at += n;
                        return put_value(out, values, variables[i].value);
                }
        }
        if (s[0] == '%') {
                if (size < 2 || s[1] != '%')
                        return fail(error, line,
                                    "unknown variable; known are %{signature}, %{item}, "
                                    "%{sender}, %{date} and %{host}; a percent sign is %%");
                *at += 2;
                return put(out, s, 1);
        }
        n = text_read(s, size, &point);
        if (n == 0)
                return fail(error, line, "no valid UTF-8; save the file as UTF-8");
        *at += n;
        if (point == '\t')
                return put(out, " ", 1);
        if (point == '\n' || (point == '\r' && size > 1 && s[1] == '\n'))
                return point == '\n' ? put(out, "\n", 1) : 0;
        if (!text_is_printable(point))
                return fail(error, line, "a character that can't be seen; remove it");
        return put(out, s, n);
}

static int expand(struct out *out, const char *template, size_t size,
                  const struct notice_values *values, struct notice_error *error) {
        bool visible = false;
        unsigned line = 1;

        if (size > NOTICE_TEMPLATE_MAX)
                return fail(error, 0, "longer than 4096 bytes; shorten it");
        for (size_t at = 0; at < size;) {
                char c = template[at];
                int r;

                visible |= c != ' ' && c != '\t' && c != '\r' && c != '\n';
                r = expand_one(out, template + at, size - at, &at, line, values, error);
                if (r < 0)
                        return r;
                line += c == '\n';
                if (line == 2 && !visible)
                        return fail(error, 1, "the first line is empty; say there what happened");
        }
        if (!visible)
                return fail(error, 0, "there is no text in it; write some");
        if (out->size > 0 && out->data[out->size - 1] != '\n')
                return put(out, "\n", 1);
        return 0;
}

int notice_check(const char *template, size_t size, struct notice_error *ret_error) {
        struct out out = {};

        return expand(&out, template, size, NULL, ret_error);
}

int notice_new(const char *template, size_t size, const struct notice_values *values, char **ret,
               struct notice_error *ret_error) {
        _cleanup_free_ char *buffer = NULL;
        struct out out = { .allocated = 1024 };
        int r;

        out.data = malloc(out.allocated);
        if (!out.data)
                return -ENOMEM;
        out.data[0] = '\0';
        r = expand(&out, template, size, values, ret_error);
        buffer = out.data;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(buffer);
        return 0;
}
