/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storescan-sweep: sweeps one store, as an ordinary reader whose opens the gate judges; see talk.h.
 * Started by storescand with the right to read all files and no other, and with its fds. Parses no
 * mail: not a byte of any is read.
 */

#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/sweep/confine.h"
#include "daemon/sweep/pass.h"

#define AHEAD 4096 /* openings, most of them of files that are known */

/* The first message; without it there is nothing to do. */
static int receive_begin(struct sweep_message *ret) {
        ssize_t n;

        do
                n = recv(SWEEP_SOCK_FD, ret, sizeof(*ret), 0);
        while (n < 0 && errno == EINTR);
        return n > 0 && sweep_message_check(ret, (size_t)n, true) && ret->kind == SWEEP_BEGIN
                       ? 0
                       : -EBADMSG;
}

static int run(char problem[static CONFINE_PROBLEM_MAX]) {
        static struct sweep_message begin;
        struct sweep_board *board;
        struct openers *openers;
        struct pass *pass;
        pthread_t counter;
        struct load load;
        int r = receive_begin(&begin);

        if (r < 0)
                return r;
        board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, SWEEP_BOARD_FD, 0);
        if (board == MAP_FAILED)
                return -errno;
        tzset(); /* the zone's file is out of reach later */
        load_open(&load);
        confine_priority();
        r = confine_files(SWEEP_STORE_FD, problem);
        if (r < 0)
                return r;
        r = openers_new(board, begin.begin.openers, AHEAD, &openers);
        if (r < 0)
                return r;
        /* One that lost its gate may still be saving what it knows. */
        if (flock(SWEEP_STATE_FD, LOCK_EX) < 0)
                return -errno;
        r = pass_new(
                &(struct pass_parts){
                        .sock = SWEEP_SOCK_FD,
                        .root = SWEEP_STORE_FD,
                        .state_fd = SWEEP_STATE_FD,
                        .begin = &begin,
                        .openers = openers,
                        .load = &load,
                },
                &pass);
        if (r < 0)
                return r;
        r = -pthread_create(&counter, NULL, pass_count, pass);
        if (r < 0)
                return r;
        r = confine_calls(problem);
        return r < 0 ? r : pass_run(pass);
}

int main(void) {
        char problem[CONFINE_PROBLEM_MAX] = "";
        int r;

        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return EXIT_FAILURE;
        r = run(problem);
        if (r < 0) {
                fprintf(stderr, "storescan-sweep: %s.\n", *problem ? problem : error_text(-r));
                (void)fflush(stderr);
        }
        /* Threads may wait for the gate. */
        _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
