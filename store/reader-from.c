/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which line begins a message of an mbox: "From ", a sender, a date. Owns that one rule, as Dovecot 2.3
 * has it in mbox-from.c, and the far weaker one of all others. Knows nothing of what surrounds the
 * line.
 */

#include <time.h>

#include "store/reader-private.h"

/* A line that is taken apart. At its end there are NULs, which no rule asks for. */
struct cursor {
        const char *p, *end;
};

static char at(const struct cursor *c, size_t i) {
        return i < (size_t)(c->end - c->p) ? c->p[i] : '\0';
}

static void skip(struct cursor *c, size_t n) {
        c->p += MIN(n, (size_t)(c->end - c->p));
}

static bool digits_at(const struct cursor *c, size_t i, size_t n) {
        for (size_t k = 0; k < n; k++)
                if (!is_digit(at(c, i + k)))
                        return false;
        return true;
}

static bool is_line_end(char c) {
        return c == '\r' || c == '\n';
}

/* n digits, which must be there. */
static int take_number(struct cursor *c, size_t n) {
        int value = 0;

        for (size_t i = 0; i < n; i++)
                value = value * 10 + (at(c, i) - '0');
        skip(c, n);
        return value;
}

static bool take_month(struct cursor *c, int *ret_month) {
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

        if (c->end - c->p < 4 || c->p[3] != ' ')
                return false;
        for (int i = 0; i < 12; i++)
                if (strncasecmp(c->p, months + (ptrdiff_t)3 * i, 3) == 0) {
                        *ret_month = i;
                        skip(c, 4);
                        return true;
                }
        if (memcmp(c->p, "???", 3) != 0)
                return false;
        *ret_month = 0;
        skip(c, 4);
        return true;
}

/* "22:33" or "22:33:52" */
static bool take_time(struct cursor *c, struct tm *tm) {
        if (!digits_at(c, 0, 2) || at(c, 2) != ':' || !digits_at(c, 3, 2))
                return false;
        tm->tm_hour = take_number(c, 2);
        skip(c, 1);
        tm->tm_min = take_number(c, 2);
        if (at(c, 0) != ':')
                return true;
        if (!digits_at(c, 1, 2))
                return false;
        skip(c, 1);
        tm->tm_sec = take_number(c, 2);
        return true;
}

/* " 9 " or "19 ", with a blank before it or not */
static bool take_day(struct cursor *c, struct tm *tm) {
        size_t n;

        if (at(c, 0) == ' ')
                skip(c, 1);
        n = at(c, 1) == ' ' ? 1 : 2;
        if (!digits_at(c, 0, n) || at(c, n) != ' ')
                return false;
        tm->tm_mday = take_number(c, n);
        skip(c, 1);
        return true;
}

/* "Nov 29 22:33:52 EST 2001": the zone may be missing and is any word. */
static bool take_date(struct cursor *c, struct tm *tm) {
        if (!take_month(c, &tm->tm_mon) || !take_day(c, tm) || !take_time(c, tm) || at(c, 0) != ' ')
                return false;
        skip(c, 1);
        if (!digits_at(c, 0, 4)) {
                while (at(c, 0) != ' ') {
                        if (c->p == c->end || is_line_end(*c->p))
                                return false;
                        skip(c, 1);
                }
                skip(c, 1);
        }
        if (!digits_at(c, 0, 4))
                return false;
        tm->tm_year = take_number(c, 4) - 1900;
        return true;
}

/* "9 Nov 2002 22:33:52" */
static bool take_alternate_date(struct cursor *c, struct tm *tm) {
        size_t n = is_digit(at(c, 1)) ? 2 : 1;

        if (!digits_at(c, 0, n) || at(c, n) != ' ')
                return false;
        tm->tm_mday = take_number(c, n);
        skip(c, 1);
        if (!take_month(c, &tm->tm_mon) || !digits_at(c, 0, 4))
                return false;
        tm->tm_year = take_number(c, 4) - 1900;
        skip(c, 1);
        return take_time(c, tm);
}

/* The sender, which may be a quoted text and then more. */
static bool take_sender(struct cursor *c) {
        if (at(c, 0) == '"') {
                bool escaped = false;

                for (skip(c, 1); c->p < c->end && (*c->p != '"' || escaped); skip(c, 1)) {
                        if (is_line_end(*c->p))
                                return false;
                        escaped = *c->p == '\\';
                }
                skip(c, 1);
        }
        for (; c->p < c->end && *c->p != ' '; skip(c, 1))
                if (is_line_end(*c->p))
                        return false;
        while (at(c, 0) == ' ')
                skip(c, 1);
        return true;
}

/* What follows "From ". The day of the week is any four bytes, numbers have no limits: that is how
 * Dovecot reads it. */
static bool is_strict_from(const char *text, size_t size) {
        struct cursor c = { text, text + size }, date;
        struct tm tm = {};

        if (!take_sender(&c) || c.end - c.p < 5)
                return false;
        skip(&c, 4);
        date = c;
        if (!take_date(&date, &tm)) {
                int month;

                date = c;
                if (take_month(&date, &month))
                        return false;
                date = c;
                skip(&date, 1);
                tm = (struct tm){};
                if (!take_alternate_date(&date, &tm))
                        return false;
        }
        if (at(&date, 0) != ' ' || (at(&date, 1) != '-' && at(&date, 1) != '+') ||
            !digits_at(&date, 2, 4))
                return true;

        /* With a numeric zone it must be a time, and the one that is spelled -1 is not. */
        tm.tm_mday = MAX(tm.tm_mday, 1);
        tm.tm_isdst = -1;
        return timegm(&tm) != (time_t)-1;
}

/* A time of day somewhere: mutt, c-client and procmail ask for more, in ways of their own. */
static bool is_lenient_from(const char *text, size_t size) {
        for (size_t i = 1; i + 2 < size; i++)
                if (text[i] == ':' && is_digit(text[i - 1]) && is_digit(text[i + 1]) &&
                    is_digit(text[i + 2]))
                        return true;
        return false;
}

enum from_line reader_classify_from(const uint8_t *data, size_t size) {
        const char *text = (const char *)data + 5, *lf;
        size_t n;

        if (size < 5 || memcmp(data, "From ", 5) != 0)
                return FROM_NONE;
        size -= 5;
        if (size > 0 && *text == '\n')
                return FROM_BARE;
        lf = memchr(text, '\n', MIN(size, FROM_LINE_MAX));
        if (!lf && size > FROM_LINE_MAX)
                return FROM_LENIENT;
        n = lf ? (size_t)(lf - text) : size;
        if (lf && is_strict_from(text, n))
                return FROM_STRICT;
        /* Dovecot accepts a date whose day of the week is, in part, the line end, if it happens to
         * have the next line in its buffer. */
        if (is_lenient_from(text, n) || is_strict_from(text, MIN(size, n + FROM_LINE_BEYOND)))
                return FROM_LENIENT;
        return FROM_NONE;
}
