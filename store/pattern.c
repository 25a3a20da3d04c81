/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the comparison of names with patterns. Must not know what is done about a match. */

#include "store/pattern.h"

#include "store/util.h"

static char to_lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Only the last star is ever gone back to: that is enough, and keeps the work bounded. */
bool pattern_match(const char *pattern, size_t pattern_size, const char *text, size_t text_size) {
        size_t p = 0, t = 0, star = SIZE_MAX, taken = 0;

        while (t < text_size) {
                if (p < pattern_size && pattern[p] == '*') {
                        star = p++;
                        taken = t;
                } else if (p < pattern_size &&
                           (pattern[p] == '?' || to_lower(pattern[p]) == to_lower(text[t]))) {
                        p++;
                        t++;
                } else if (star != SIZE_MAX) {
                        p = star + 1;
                        t = ++taken;
                } else
                        return false;
        }
        while (p < pattern_size && pattern[p] == '*')
                p++;
        return p == pattern_size;
}

const char *patterns_find(const char *list, const char *text, size_t text_size, size_t *ret_size) {
        if (streq(list, "none"))
                return NULL;
        for (const char *p = list + strspn(list, " \t"); *p;) {
                size_t n = strcspn(p, " \t");

                if (pattern_match(p, n, text, text_size)) {
                        *ret_size = n;
                        return p;
                }
                p += n;
                p += strspn(p, " \t");
        }
        return NULL;
}

static size_t trimmed(const char *name, size_t size) {
        while (size > 0 && (name[size - 1] == '.' || (unsigned char)name[size - 1] <= ' '))
                size--;
        return size;
}

const char *patterns_find_name(const char *list, const char *name, size_t size, size_t *ret_size) {
        size_t cut = strnlen(name, size), begin[2] = { 0, size };
        size_t ends[] = { size, trimmed(name, size), cut, trimmed(name, cut) };
        const char *found;

        while (begin[1] > 0 && !strchr("/\\:", name[begin[1] - 1]))
                begin[1]--;
        for (size_t i = 0; i < ELEMENTSOF(begin); i++)
                for (size_t k = 0; k < ELEMENTSOF(ends); k++) {
                        if (ends[k] <= begin[i])
                                continue;
                        found = patterns_find(list, name + begin[i], ends[k] - begin[i], ret_size);
                        if (found)
                                return found;
                }
        return NULL;
}
