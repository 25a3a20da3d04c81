/* SPDX-License-Identifier: Apache-2.0 */

/* store-states.c: what is known of each store, and that the detached ones are counted right. */

#include "daemon/store-states.h"
#include "unit.h"

static struct store_states states;

static struct store_status *of(const char *name) {
        struct store_status *status = store_states_of(&states, name);

        ck_assert_ptr_nonnull(status);
        return status;
}

START_TEST(nothing_is_known_at_first) {
        ck_assert_int_eq(store_states_state(&states, "mail"), STORE_STATE_UNKNOWN);
        ck_assert(!store_states_is_detached(&states, "mail"));
        ck_assert_str_eq(store_state_name(STORE_STATE_UNMOUNTED), "unmounted");
        ck_assert_str_eq(store_state_name(_STORE_STATE_MAX), "invalid");
}
END_TEST

START_TEST(each_store_has_its_own) {
        of("mail")->state = STORE_STATE_GUARDED;
        of("public")->state = STORE_STATE_MISSING;
        ck_assert_int_eq(store_states_state(&states, "mail"), STORE_STATE_GUARDED);
        ck_assert_int_eq(store_states_state(&states, "public"), STORE_STATE_MISSING);
        store_states_detach(&states, of("public"), true);
        store_states_detach(&states, of("public"), true);
        ck_assert_uint_eq(states.n_detached, 1);
        ck_assert(store_states_is_detached(&states, "public"));
        ck_assert(!store_states_is_detached(&states, "mail"));
        store_states_detach(&states, of("public"), false);
        ck_assert_uint_eq(states.n_detached, 0);
        ck_assert(!store_states_is_detached(&states, "public"));
        store_states_done(&states);
}
END_TEST

/* A detached one that goes with the configuration must not be counted for ever. */
START_TEST(stores_go) {
        struct config_store store = { .name = (char *)(uintptr_t) "mail" };
        const struct config config = { .stores = &store, .n_stores = 1 };

        (void)of("a");
        (void)of("mail");
        (void)of("z");
        store_states_detach(&states, of("a"), true);
        store_states_detach(&states, of("mail"), true);
        store_states_follow(&states, &config);
        ck_assert_uint_eq(states.n, 1);
        ck_assert_uint_eq(states.n_detached, 1);
        ck_assert(store_states_is_detached(&states, "mail"));
        store_states_done(&states);
}
END_TEST

UNIT_MAIN("store-states", nothing_is_known_at_first, each_store_has_its_own, stores_go);
