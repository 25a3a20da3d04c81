/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Every kind of log event, one line each: identifier, stable word (STORESCAN_EVENT=), MESSAGE_ID,
 * priority, meaning. units/storescan.catalog explains each to admins; a test holds the two
 * together. An id, once released, is never given to another meaning.
 */

/* clang-format off */
#define EVENT_TABLE(X) \
        X(STARTED,        "started",        "81659458cc0e4e04a6d02e20e77ec95c", LOG_INFO,    "storescand guards its stores") \
        X(STOPPED,        "stopped",        "0907997a689a4b7c996a05cee23aa267", LOG_NOTICE,  "storescand was stopped: stores are open") \
        X(TAKEN_OVER,     "taken-over",     "2356bf226542a97a04a08c3d95d65663", LOG_NOTICE,  "marks and waiting opens of the storescand before were taken over") \
        X(ORPHANS_REFUSED, "orphans-refused", "cf8f4db70a5482eb70674fecb2d44524", LOG_WARNING, "opens that the storescand before left without an answer were answered by on_error") \
        X(NOT_KEPT,       "not-kept",       "5ac0687ba36b49f65dc5a8fe81f15437", LOG_WARNING, "nobody keeps the marks: a crash opens the stores") \
        X(KERNEL,         "kernel",         "5c1a8087a11744c2afce9c0a61797f46", LOG_INFO,    "what this kernel offers") \
        X(ENGINE_LOADED,  "engine-loaded",  "a92111c9081542f1aa7c8dd617838481", LOG_INFO,    "a signature set is loaded and found its canary") \
        X(ENGINE_FAILED,  "engine-failed",  "9f68ae6858644da087fa8d4cc4182a4e", LOG_ERR,     "the loader could not make an engine") \
        X(CLAMD_LEFT_OUT, "clamd-left-out", "6d1f3c0a8e274b5fa9c1d7e2b4f60835", LOG_WARNING, "a clamd server can't be used any more") \
        X(CLAMD_BACK,     "clamd-back",     "f24b8d6e1c3a4907b5e0a6c9d8172f43", LOG_NOTICE,  "a clamd server is used again") \
        X(CLAMD_NONE,     "clamd-none",     "0b9e5a7c4d2f4e618f3c6b1a7d5e9024", LOG_ERR,     "no clamd server can be used") \
        X(GENERATION_CHANGED, "generation-changed", "b0e5c7f1a3c14c1f8d6cf0a4a5b1d9e7", LOG_NOTICE, "another signature set is in use: what the old one judged is judged anew") \
        X(SIGNATURES_UNCHANGED, "signatures-unchanged", "2f7f0b9a51f24d0cb7f3c0f8e6a1c9d4", LOG_INFO, "signatures were looked at again, they are those in use") \
        X(RELOAD_FAILED,  "reload-failed",  "6e0d5e2fb7a94b0e9f3a1d8c2b4f7a60", LOG_ERR,     "new signatures could not be loaded, the old ones go on") \
        X(STORE_GUARDED,  "store-guarded",  "6f8700bf0d224e8c8eea412f025f88ed", LOG_INFO,    "marks are in place on a store") \
        X(STORE_LOST,     "store-lost",     "b73e334225dd43d78aa2e7a26efb5bf5", LOG_WARNING, "a store's folder is gone: nothing to guard there") \
        X(STORE_MOUNTS,   "store-mounts",   "5d2c8e0f7a914b6d9c3e1f8a2b7d6c40", LOG_WARNING, "other file systems than before are seen where a store is") \
        X(STORE_LEFT,     "store-left",     "0a9e6b1c7d3f4e58b2a4c6d8e0f1a3b5", LOG_NOTICE,  "a store is guarded no more: the configuration has it no longer") \
        X(STORE_DETACHED, "store-detached", "91b3f7d20c5e4a86b1d7e94c3a6f5d12", LOG_NOTICE,  "nothing is kept open in a store, so that it can be unmounted") \
        X(STORE_ATTACHED, "store-attached", "27a6c9e15b3d4f70a8c2d6b91e4f8035", LOG_NOTICE,  "a store that was detached is kept as before again") \
        X(MARK_FAILED,    "mark-failed",    "cfe6bb0738b2496fb1de420697babdd9", LOG_ERR,     "a folder could not be marked: opens there pass unscanned") \
        X(NEWS_FAILED,    "news-failed",    "2f96e3208cc04b4eb13edddd88753d74", LOG_WARNING, "new mail of a store can't be told: it is scanned when it is read") \
        X(NOT_HOOKED,     "not-hooked",     "3f0b6a1d2c7e4e0c9b1f5d8a7c6e4b29", LOG_CRIT,    "an open of the self-test passed by: a store is not guarded") \
        X(HOOKED,         "hooked",         "8a5c9e7d1b3f4d62a0e4c8b7f6d5a319", LOG_NOTICE,  "a store that was not hooked is hooked again") \
        X(UNTESTED,       "untested",       "c27d4e9f8b1a4f53b6d0e5a3c9f7182e", LOG_NOTICE,  "the self-test can't be made in a store") \
        X(BLOCKED,        "blocked",        "8f59b7742ad84151b1cb459bc4158e06", LOG_WARNING, "an open of infected mail was denied") \
        X(DETECTED,       "detected",       "a6882e2263dd42adb959f5ca93c418cb", LOG_WARNING, "infected mail was found and let through, or found with nobody waiting") \
        X(RELEASED,       "released",       "a9d2f0c1f6d34b7f9a7e51c0c8f3be52", LOG_NOTICE,  "infected content was let through because the admin allows it") \
        X(REPLACED,       "replaced",       "d07fac34b4d941e694933c0d54c2777c", LOG_WARNING, "an infected message was replaced by a notice") \
        X(REMEDY_FAILED,  "remedy-failed",  "a52b06efa6d148919739f3ace12a1f2f", LOG_ERR,     "an infected message could not be replaced") \
        X(ALLOW_LIST_FAILED, "allow-list-failed", "5be1f6f6d0c14a4b8c9a4f6f2f0d7e13", LOG_ERR, "the list of allowed contents could not be read") \
        X(UNSCANNABLE,    "unscannable",    "c4b0535d7adb4a55902ac0a591cda62a", LOG_NOTICE,  "content that can't be judged was met") \
        X(UNDECIDED,      "undecided",      "e062349ddeba47829900cdc271130e48", LOG_ERR,     "a scan failed; on_error decided") \
        X(PAUSED,         "paused",         "9dd411bdac844c41946b7cce85633595", LOG_CRIT,    "for a limited time every open is let through unscanned") \
        X(RESUMED,        "resumed",        "d2365905b47041c999f125d0a6c8b243", LOG_NOTICE,  "a pause is over: opens are judged again") \
        X(BREAKER_OPEN,   "breaker-open",   "6922aa5d6da94a6595ace3fba3e1626e", LOG_CRIT,    "the engine failed again and again: opens that need a scan are answered at once") \
        X(BREAKER_CLOSED, "breaker-closed", "ca14cf7ae0b24a4db82f10a4443f86c7", LOG_NOTICE,  "the engine works again") \
        X(WORKER_DIED,    "worker-died",    "39315fec3d074b91b875a2f73eea3ff3", LOG_WARNING, "a worker crashed or was killed from outside") \
        X(WORKER_HUNG,    "worker-hung",    "e55834af113f459880db658a22ec750b", LOG_WARNING, "a worker took too long and was killed") \
        X(POISON,         "poison",         "d6c4f0a5f3ce4b0f8a7b5b1c2e9d4f68", LOG_ERR,     "content that cost two workers is not scanned again") \
        X(STAMP_FAILED,   "stamp-failed",   "084acb24f6954230a28880578220b89c", LOG_WARNING, "a stamp could not be written") \
        X(PRESSURE,       "pressure",       "31bb63f2e55e4462aa23f49bbbde7e3e", LOG_WARNING, "more opens wait than storescand may hold at once") \
        X(LOG_DROPPED,    "log-dropped",    "42d97be802e748b68930ba2407e1fe68", LOG_WARNING, "log records were dropped because the journal was slow") \
        X(CONFIG_RELOADED, "config-reloaded", "4c1d2d8e0b7a4a7fa86c7c8e1a5d3f02", LOG_NOTICE, "the configuration was read again and is in force") \
        X(CONFIG_REFUSED, "config-refused", "bdcec691ea1e49dfb63c4129fb6e42e5", LOG_ERR, "the configuration was read again and has mistakes: what runs is kept") \
        X(CACHE_FAILED,   "cache-failed",   "16ff2baebade423993f6dc6ff2bc9551", LOG_WARNING, "the verdict cache could not be loaded, kept or saved") \
        X(HISTORY_FAILED, "history-failed", "a85d735f8cc14f79ae5e9eca77fe4e37", LOG_WARNING, "what this host has scanned with could not be read or written") \
        X(MAIL_CRYPT,     "mail-crypt",     "7720756f20914c7e9315f68fb6af77d3", LOG_WARNING, "a store holds mail that is encrypted by Dovecot; told once a store") \
        X(BUS_REFUSED,    "bus-refused",    "b4f5a5b0c2a34a7a9d7f1a1d0f7c6e52", LOG_WARNING, "the system bus does not give storescand its name") \
        X(POLICY_HAZARD,  "policy-hazard",  "ba57e290cd924e84915f309adafc5079", LOG_WARNING, "a policy that would do damage in the format of the store") \
        X(HUB_REFUSED,    "hub-refused",    "4704e7704842434dabfd555e63e16ab0", LOG_NOTICE,  "a stamp in a message's header was refused; the message is scanned") \
        X(HUB_STARTED,     "hub-started",     "3dee63fb1f6942ecafe9b8d40b5f0db0", LOG_INFO,    "storescan-hub takes mail") \
        X(HUB_STOPPED,     "hub-stopped",     "0f46072a41784c5f868d9911422ac633", LOG_NOTICE,  "storescan-hub was stopped: mail waits at its senders") \
        X(HUB_FAILED,      "hub-failed",      "e936e1d0c6844653af604b20b0640132", LOG_ERR,     "libmilter ended with an error") \
        X(HUB_INFECTED,    "hub-infected",    "ded1e6db5fba4bbe91867fe161cbcaca", LOG_WARNING, "infected mail was met in transit") \
        X(HUB_ATTACHMENT,  "hub-attachment",  "bfc5a04324304fd681fd66ffdbbfd4f0", LOG_NOTICE,  "mail with an attachment that is not wanted was met in transit") \
        X(HUB_UNSCANNABLE, "hub-unscannable", "c65b3665c37b4f4783775d043dfc0ae4", LOG_NOTICE,  "mail that can't be judged was met in transit") \
        X(HUB_UNDECIDED,   "hub-undecided",   "2134b00213844dc5b40f4618559153b7", LOG_ERR,     "a scan of mail in transit failed; [hub] on_error decided") \
        X(HUB_STRIPPED,    "hub-stripped",    "6ce01171b89d4562ade8e22fcd6b080c", LOG_NOTICE,  "stamps were taken off mail in transit") \
        X(SWEEP_STARTED,   "sweep-started",   "121e7b8c6805490f91e5b4ce31ec0206", LOG_INFO,    "a sweep of a store begins, or goes on") \
        X(SWEEP_FINISHED,  "sweep-finished",  "61d987152891424c912324e3f468ee33", LOG_INFO,    "a sweep of a store is through") \
        X(SWEEP_PAUSED,    "sweep-paused",    "3c570f45479e4199b42e21398508f0e1", LOG_INFO,    "a sweep waits for its hours, or for a machine that is less busy") \
        X(SWEEP_STOPPED,   "sweep-stopped",   "99f5914028cf44eaa65db576d3773c9e", LOG_NOTICE,  "a sweep of a store was stopped") \
        X(SWEEP_FAILED,    "sweep-failed",    "7b238c0e8d204c4f92acf08671154124", LOG_ERR,     "a sweep of a store died, or can't go on") \
        X(STATS,          "stats",          "b13c45e62681481c9bf02db5413a8f9f", LOG_INFO,    "counters, on SIGUSR1 and at the end")
/* clang-format on */

enum event_kind {
#define X(id, word, message_id, priority, meaning) EVENT_##id,
        EVENT_TABLE(X)
#undef X
                _EVENT_MAX
};
