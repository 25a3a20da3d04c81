/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the events, and with them their fds, until they are let go. */

#include "daemon/hold.h"

#include "daemon/gate.h"

static bool put_off(struct hold *hold, const struct gate_event *event) {
        if (hold->n == hold->room) {
                size_t room = hold->room * 2 + 64;
                struct gate_event *grown = reallocarray(hold->events, room, sizeof(*grown));

                if (!grown)
                        return false;
                hold->events = grown;
                hold->room = room;
        }
        hold->events[hold->n++] = *event;
        return true;
}

void hold_event(void *userdata, const struct gate_event *event) {
        struct hold *hold = userdata;

        if (!hold->on || judge_needs(hold->judge, event) <= hold->met) {
                judge_event(hold->judge, event);
                return;
        }
        /* No memory for forty bytes: nothing can be judged. */
        if (!put_off(hold, event))
                gate_answer(hold->judge->gate, event->fd, false, false);
}

void hold_meet(struct hold *hold, enum judge_need need) {
        size_t n = hold->n;

        hold->met = need;
        hold->n = 0;
        for (size_t i = 0; i < n; i++) {
                const struct gate_event event = hold->events[i];

                if (judge_needs(hold->judge, &event) <= need)
                        judge_event(hold->judge, &event);
                else
                        hold->events[hold->n++] = event;
        }
}

void hold_let_go(struct hold *hold) {
        hold->on = false;
        for (size_t i = 0; i < hold->n; i++)
                judge_event(hold->judge, &hold->events[i]);
        free(hold->events);
        hold->events = NULL;
        hold->n = hold->room = 0;
}
