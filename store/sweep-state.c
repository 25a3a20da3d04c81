/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The text of a sweep's state. One table says how each key is written and read, so that exactly one
 * text is accepted for a state. Owns nothing.
 */

#include "store/sweep-state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "store/util.h"

#define HEADER "storescan-sweep "
#define END    "end "

/* The change time is the kernel's, which lags the clock by a tick; and clocks are set. */
#define MARGIN_MSEC 1000

const char *sweep_status_name(enum sweep_status status) {
        static const char *const names[] = { "never", "running", "stopped", "finished" };

        return (size_t)status < ELEMENTSOF(names) ? names[status] : "invalid";
}

static uint64_t fnv(const char *data, size_t size) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < size; i++)
                h = (h ^ (uint8_t)data[i]) * UINT64_C(0x100000001b3);
        return h;
}

/* ---- Writing ---- */

struct out {
        char *text;
        size_t n;
};

_printf_(2, 3) static void put(struct out *out, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(out->text + out->n, SWEEP_SLOT_SIZE - out->n, format, ap);
        va_end(ap);
        out->n += (size_t)MAX(n, 0);
}

static void put_path(struct out *out, const char *path) {
        put(out, "position ");
        for (; *path; path++) {
                uint8_t c = (uint8_t)*path;

                put(out, c <= ' ' || c >= 0x7f || c == '%' ? "%%%02x" : "%c", c);
        }
        put(out, "\n");
}

static void put_except(struct out *out, const char *key, const struct sweep_except *except) {
        put(out, "%s %s", key, except->overflow ? "more" : "all");
        for (size_t i = 0; i < except->n; i++)
                put(out, " %016" PRIx64, except->hashes[i]);
        put(out, "\n");
}

static void put_generation(struct out *out, const char *key, const struct generation *generation) {
        char text[GENERATION_LENGTH + 1];

        generation_format(generation, text);
        put(out, "%s %s\n", key, text);
}

size_t sweep_state_format(const struct sweep_state *state, char ret_text[static SWEEP_SLOT_SIZE]) {
        struct out out = { .text = ret_text };

        put(&out, HEADER "1 %" PRIu64 "\n", state->sequence);
        put(&out, "status %s\n", sweep_status_name(state->status));
        put(&out, "pass %" PRIu64 "\n", state->pass);
        put(&out, "started %" PRIu64 "\n", state->started_msec);
        put(&out, "updated %" PRIu64 "\n", state->updated_msec);
        put(&out, "finished %" PRIu64 "\n", state->finished_msec);
        put(&out, "total %" PRIu64 "\n", state->total);
#define X(name, meaning) put(&out, #name " %" PRIu64 "\n", state->counters.name);
        SWEEP_COUNTER_TABLE(X)
#undef X
        put_generation(&out, "generation", &state->generation);
        put(&out, "mixed %d\n", state->mixed);
        put(&out, "partial %d\n", state->partial);
        put(&out, "strict %d\n", state->strict);
        put_path(&out, state->position);
        put_except(&out, "except", &state->except);
        put(&out, "settled %" PRIu64 "\n", state->settled_msec);
        put_generation(&out, "settled-generation", &state->settled_generation);
        put(&out, "settled-strict %d\n", state->settled_strict);
        put_except(&out, "settled-except", &state->settled_except);
        put(&out, END "%016" PRIx64 "\n", fnv(out.text, out.n));
        return out.n;
}

/* ---- Reading ---- */

/* What is left of the text; NULL: something was wrong. */
struct in {
        const char *p, *end;
};

static bool take(struct in *in, const char *word) {
        size_t n = strlen(word);

        if (!in->p || (size_t)(in->end - in->p) < n || memcmp(in->p, word, n) != 0) {
                in->p = NULL;
                return false;
        }
        in->p += n;
        return true;
}

static uint64_t take_number(struct in *in) {
        const char *begin = in->p;
        bool overflow = false;
        uint64_t v = 0;

        for (; in->p && in->p < in->end && *in->p >= '0' && *in->p <= '9'; in->p++)
                overflow = overflow || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
                           __builtin_add_overflow(v, (uint64_t)(*in->p - '0'), &v);
        /* One text for each number. */
        if (!in->p || overflow || in->p == begin || (*begin == '0' && in->p > begin + 1))
                in->p = NULL;
        return v;
}

static uint64_t take_line(struct in *in, const char *key) {
        uint64_t v;

        if (!take(in, key) || !take(in, " "))
                return 0;
        v = take_number(in);
        (void)take(in, "\n");
        return v;
}

static bool take_flag(struct in *in, const char *key) {
        uint64_t v = take_line(in, key);

        if (v > 1)
                in->p = NULL;
        return v == 1;
}

static int hex(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint64_t take_hash(struct in *in) {
        uint64_t v = 0;

        if (!in->p || in->end - in->p < 16) {
                in->p = NULL;
                return 0;
        }
        for (size_t i = 0; i < 16; i++) {
                int digit = hex(in->p[i]);

                if (digit < 0) {
                        in->p = NULL;
                        return 0;
                }
                v = v << 4 | (uint64_t)digit;
        }
        in->p += 16;
        return v;
}

static void take_path(struct in *in, char ret[static SWEEP_PATH_MAX + 1]) {
        size_t n = 0;

        if (!take(in, "position "))
                return;
        while (in->p < in->end && *in->p != '\n') {
                uint8_t c = (uint8_t)*in->p++;

                if (c == '%') {
                        int high = in->end - in->p >= 2 ? hex(in->p[0]) : -1;
                        int low = high < 0 ? -1 : hex(in->p[1]);

                        c = low < 0 ? 0 : (uint8_t)(high << 4 | low);
                        if (c == 0 || (c > ' ' && c < 0x7f && c != '%')) {
                                in->p = NULL;
                                return;
                        }
                        in->p += 2;
                } else if (c <= ' ' || c >= 0x7f) {
                        in->p = NULL;
                        return;
                }
                if (n == SWEEP_PATH_MAX) {
                        in->p = NULL;
                        return;
                }
                ret[n++] = (char)c;
        }
        ret[n] = '\0';
        (void)take(in, "\n");
}

static void take_except(struct in *in, const char *key, struct sweep_except *ret) {
        if (!take(in, key) || !take(in, " "))
                return;
        ret->overflow = in->p < in->end && *in->p == 'm';
        (void)take(in, ret->overflow ? "more" : "all");
        while (in->p && in->p < in->end && *in->p == ' ') {
                uint64_t v;

                in->p++;
                v = take_hash(in);
                if (!in->p || ret->n == SWEEP_EXCEPT_MAX ||
                    (ret->n > 0 && v <= ret->hashes[ret->n - 1])) {
                        in->p = NULL;
                        return;
                }
                ret->hashes[ret->n++] = v;
        }
        (void)take(in, "\n");
}

static void take_generation(struct in *in, const char *key, struct generation *ret) {
        if (!take(in, key) || !take(in, " "))
                return;
        if (in->end - in->p < GENERATION_LENGTH || generation_parse(in->p, ret) < 0) {
                in->p = NULL;
                return;
        }
        in->p += GENERATION_LENGTH;
        (void)take(in, "\n");
}

static enum sweep_status take_status(struct in *in) {
        enum sweep_status status = SWEEP_NEVER;

        if (!take(in, "status "))
                return status;
        for (; status < _SWEEP_STATUS_MAX; status++) {
                struct in there = *in;

                if (take(&there, sweep_status_name(status)) && take(&there, "\n")) {
                        *in = there;
                        return status;
                }
        }
        in->p = NULL;
        return SWEEP_NEVER;
}

int sweep_state_parse(const char *text, size_t size, struct sweep_state *ret) {
        struct in in = { text, text + size };
        _cleanup_free_ struct sweep_state *s = calloc(1, sizeof(*s));
        const char *end;

        if (!s)
                return -ENOMEM;
        if (!take(&in, HEADER))
                return -EINVAL;
        if (!take(&in, "1 "))
                return -EPROTONOSUPPORT;
        s->sequence = take_number(&in);
        (void)take(&in, "\n");
        s->status = take_status(&in);
        s->pass = take_line(&in, "pass");
        s->started_msec = take_line(&in, "started");
        s->updated_msec = take_line(&in, "updated");
        s->finished_msec = take_line(&in, "finished");
        s->total = take_line(&in, "total");
#define X(name, meaning) s->counters.name = take_line(&in, #name);
        SWEEP_COUNTER_TABLE(X)
#undef X
        take_generation(&in, "generation", &s->generation);
        s->mixed = take_flag(&in, "mixed");
        s->partial = take_flag(&in, "partial");
        s->strict = take_flag(&in, "strict");
        take_path(&in, s->position);
        take_except(&in, "except", &s->except);
        s->settled_msec = take_line(&in, "settled");
        take_generation(&in, "settled-generation", &s->settled_generation);
        s->settled_strict = take_flag(&in, "settled-strict");
        take_except(&in, "settled-except", &s->settled_except);
        end = in.p;
        if (!take(&in, END) || take_hash(&in) != fnv(text, (size_t)(end - text)) ||
            !take(&in, "\n"))
                return -EINVAL;
        *ret = *s;
        return 0;
}

int sweep_state_choose(const char *data, size_t size, struct sweep_state *ret) {
        _cleanup_free_ struct sweep_state *s = calloc(1, sizeof(*s));
        bool found = false;

        if (!s)
                return -ENOMEM;
        for (size_t i = 0; i < SWEEP_SLOTS && size > i * SWEEP_SLOT_SIZE; i++) {
                const char *slot = data + i * SWEEP_SLOT_SIZE;

                if (sweep_state_parse(slot,
                                      MIN(size - i * SWEEP_SLOT_SIZE, (size_t)SWEEP_SLOT_SIZE),
                                      s) < 0 ||
                    (found && s->sequence < ret->sequence))
                        continue;
                *ret = *s;
                found = true;
        }
        return found ? 0 : -ENOENT;
}

size_t sweep_state_offset(const struct sweep_state *state) {
        return (state->sequence % SWEEP_SLOTS) * SWEEP_SLOT_SIZE;
}

/* ---- What is known ---- */

/* Where a hash stands or would have to. */
static size_t place(const struct sweep_except *except, uint64_t hash) {
        size_t i = 0;

        while (i < except->n && except->hashes[i] < hash)
                i++;
        return i;
}

void sweep_except_add(struct sweep_except *except, const char *path) {
        uint64_t hash = fnv(path, strlen(path));
        size_t i = place(except, hash);

        if (i < except->n && except->hashes[i] == hash)
                return;
        if (except->n == SWEEP_EXCEPT_MAX) {
                except->overflow = true;
                return;
        }
        memmove(except->hashes + i + 1, except->hashes + i, (except->n - i) * sizeof(hash));
        except->hashes[i] = hash;
        except->n++;
}

bool sweep_except_has(const struct sweep_except *except, const char *path) {
        uint64_t hash = fnv(path, strlen(path));
        size_t i = place(except, hash);

        return except->overflow || (i < except->n && except->hashes[i] == hash);
}

void sweep_state_begin(struct sweep_state *state, const struct sweep_rules *rules,
                       uint64_t now_msec) {
        state->status = SWEEP_RUNNING;
        state->pass++;
        state->started_msec = state->updated_msec = now_msec;
        state->finished_msec = state->total = 0;
        state->counters = (struct sweep_counters){};
        state->generation = rules->generation;
        state->mixed = false;
        state->partial = rules->partial;
        state->strict = rules->strict;
        state->position[0] = '\0';
        state->except = (struct sweep_except){};
}

static bool same_generation(const struct generation *a, const struct generation *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}

void sweep_state_resume(struct sweep_state *state, const struct sweep_rules *rules,
                        uint64_t now_msec) {
        state->status = SWEEP_RUNNING;
        state->updated_msec = now_msec;
        state->mixed = state->mixed || !same_generation(&state->generation, &rules->generation);
        state->partial = state->partial || rules->partial;
        state->strict = state->strict && rules->strict;
}

void sweep_state_finish(struct sweep_state *state, uint64_t now_msec) {
        state->status = SWEEP_FINISHED;
        state->finished_msec = state->updated_msec = now_msec;
        if (state->partial || state->mixed || state->except.overflow)
                return;
        state->settled_msec = state->started_msec;
        state->settled_generation = state->generation;
        state->settled_strict = state->strict;
        state->settled_except = state->except;
}

bool sweep_state_covers(const struct sweep_state *state, const struct sweep_rules *rules,
                        const char *path, uint64_t ctime_msec, uint64_t now_msec) {
        return state->settled_msec > 0 && now_msec >= state->settled_msec &&
               same_generation(&state->settled_generation, &rules->generation) &&
               (state->settled_strict || !rules->strict) &&
               ctime_msec + MARGIN_MSEC < state->settled_msec &&
               !sweep_except_has(&state->settled_except, path);
}
