/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The gate's one io_uring: every wait of the gate thread happens in ring_wait(). An operation is
 * an object embedded in its owner; its done() runs on the gate thread when the kernel is through
 * with it. Nothing here knows what the operations are for.
 */

#include <liburing.h>
#include <stdint.h>
#include <stdio.h>

#include "store/util.h"

struct ring;

struct ring_op {
        /* res as in io_uring_cqe(7): a count, or negative errno. The op is free again: done() may
         * submit it anew or free its owner. */
        void (*done)(struct ring_op *op, int res);
};

/* Sets up the ring and restricts it to the operations that the gate uses, so that not even a
 * hijacked gate thread can do more through it than a seccomp filter would let it. On failure
 * one sentence that names the cause and the setting to change goes to errors. */
int ring_new(FILE *errors, struct ring **ret);
struct ring *ring_free(struct ring *ring);
DEFINE_CLEANUP(struct ring *, ring_free);

/* A submission entry, submitted by the next ring_wait() at the latest; never NULL. The caller fills
 * it in by io_uring_prep_*() and then binds it to the operation whose done() it will end in. */
struct io_uring_sqe *ring_entry(struct ring *ring);
void ring_bind(struct io_uring_sqe *sqe, struct ring_op *op);

/* Submits, sleeps until something completes or timeout_usec passed (USEC_INFINITY: for ever), runs
 * the done() of everything that completed. wanted > 1: rather sleeps until so many things completed,
 * for a millisecond or so. 0 or negative errno (fatal). */
int ring_wait(struct ring *ring, uint64_t timeout_usec, unsigned wanted);
