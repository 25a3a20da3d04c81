/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a message between the gate and storescan-sweep, to either of them: what is accepted
 * may be used as both use it. Short ones are zeros from their end on, too, so that a fuzzer need
 * not know how long a message is.
 */

#include <string.h>

#include "daemon/sweep/talk.h"
#include "store/util.h"
#include "tests/fuzz/fuzz.h"

/* As order.c and pass.c read it. */
static void check_nested(const char *nested) {
        const char *p = nested;

        while (*p) {
                p += strlen(p) + 1;
                FUZZ_ASSERT(p < nested + SWEEP_NESTED_MAX);
        }
}

static void check_window(const struct day_window *window) {
        char text[DAY_WINDOW_TEXT_MAX];
        struct day_window again;
        bool all_day = window->from == window->to;

        day_window_format(window, text);
        FUZZ_ASSERT(day_window_parse(text, &again) == 0);
        FUZZ_ASSERT(all_day ? again.from == again.to
                            : again.from == window->from && again.to == window->to);
        FUZZ_ASSERT(day_window_wait(window, window->from * 60U) == 0);
        FUZZ_ASSERT(day_window_age(window, all_day ? 0 : window->from * 60U) == 0);
        FUZZ_ASSERT(all_day || day_window_wait(window, window->to * 60U) > 0);
}

static void check(const struct sweep_message *m, size_t size) {
        bool to_process = sweep_message_check(m, size, true),
             to_gate = sweep_message_check(m, size, false);

        FUZZ_ASSERT(!(to_process && to_gate) && (!to_process || size == sizeof(*m)));
        if (to_gate) {
                FUZZ_ASSERT(size == sizeof(*m) && m->kind == SWEEP_PROGRESS);
                FUZZ_ASSERT(m->progress.activity < _SWEEP_ACTIVITY_MAX);
        }
        if (!to_process)
                return;
        FUZZ_ASSERT(m->kind == SWEEP_BEGIN || m->kind == SWEEP_GENERATION || m->kind == SWEEP_STOP);
        if (m->kind != SWEEP_BEGIN)
                return;
        FUZZ_ASSERT(m->begin.format < _STORE_FORMAT_MAX);
        FUZZ_ASSERT(m->begin.openers > 0 && m->begin.openers <= SWEEP_OPENERS_MAX);
        FUZZ_ASSERT(memchr(m->begin.name, '\0', sizeof(m->begin.name)));
        check_nested(m->begin.nested);
        check_window(&m->begin.window);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct sweep_message *m = calloc(1, sizeof(*m)); /* whose end a sanitizer watches */

        FUZZ_ASSERT(m);
        memcpy(m, data, MIN(size, sizeof(*m)));
        check(m, size);
        check(m, sizeof(*m));
        free(m);
        return 0;
}
