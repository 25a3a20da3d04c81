/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A loader and workers without an engine, which do what the content tells them: what the gate makes
 * of workers that crash, hang or lie is tested with it (STORESCAN_WORKER=.../fake-worker).
 *
 *     INFECTED        the verdict infected, signature Fake.Test
 *     CRASH           die; CRASH-ONCE: die if this worker's number is even, else clean
 *     HANG            never answer; HANG-ONCE: likewise
 *     SLOW            answer clean after a second
 *     LIE-ID          answer for another job
 *     LIE-KNOWN       say that the digest matched although none was asked for
 *     LIE-TWICE       answer twice
 *     LIE-FDS         send fds along
 *     LIE-SHORT       send half a message
 *     LIE-VERDICT     a verdict that does not exist
 *     anything else   clean
 */

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "daemon/proto.h"
#include "store/util.h"

static bool says(const uint8_t *content, size_t size, const char *word) {
        return size >= strlen(word) && memcmp(content, word, strlen(word)) == 0;
}

static void misbehave(const uint8_t *c, size_t size, unsigned number) {
        if (says(c, size, "CRASH-ONCE") ? number % 2 == 0 : says(c, size, "CRASH"))
                raise(SIGKILL);
        if (says(c, size, "HANG-ONCE") ? number % 2 == 0 : says(c, size, "HANG"))
                for (;;)
                        (void)pause();
        if (says(c, size, "SLOW"))
                (void)poll(NULL, 0, 1000);
}

static void answer(int channel, const union proto_message *job, const uint8_t *c, size_t size) {
        union proto_message m;

        proto_init(&m, PROTO_RESULT);
        m.result.id = job->job.id + says(c, size, "LIE-ID");
        m.result.verdict = VERDICT_CLEAN;
        m.result.has_digest = 1;
        (void)digest_buffer(c, size, m.result.digest);
        if (job->job.has_known && memcmp(m.result.digest, job->job.known, STAMP_DIGEST_SIZE) == 0) {
                m.result.known = 1;
                m.result.verdict = VERDICT_UNKNOWN;
        } else if (says(c, size, "INFECTED")) {
                m.result.verdict = VERDICT_INFECTED;
                proto_text(m.result.signature, sizeof(m.result.signature), "Fake.Test");
        }
        if (says(c, size, "LIE-KNOWN")) {
                m.result.known = 1;
                m.result.verdict = VERDICT_UNKNOWN;
        }
        if (says(c, size, "LIE-VERDICT"))
                m.result.verdict = 77;
        if (says(c, size, "LIE-SHORT")) {
                (void)!send(channel, &m, sizeof(m.result) / 2, MSG_NOSIGNAL);
                return;
        }
        if (says(c, size, "LIE-FDS"))
                (void)proto_send(channel, &m, STDERR_FILENO, STDERR_FILENO);
        else
                (void)proto_send(channel, &m, -EBADF, -EBADF);
        if (says(c, size, "LIE-TWICE"))
                (void)proto_send(channel, &m, -EBADF, -EBADF);
}

static _Noreturn void worker(unsigned number, int channel, int slot) {
        static uint8_t large[1 << 16];
        union proto_message m;
        const uint8_t *p = mmap(NULL, PROTO_SLOT_SIZE, PROT_READ, MAP_SHARED, slot, 0);
        int fds[2];

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        proto_init(&m, PROTO_HELLO);
        if (p == MAP_FAILED || proto_send(channel, &m, -EBADF, -EBADF) < 0)
                _exit(1);
        while (proto_receive(channel, &m, fds) == PROTO_JOB) {
                const uint8_t *content = p + m.job.bay * PROTO_BAY_SIZE;
                size_t size = m.job.size;

                if (fds[0] >= 0) {
                        ssize_t n = pread(fds[0], large, sizeof(large), 0);

                        content = large;
                        size = (size_t)MAX(n, 0);
                }
                misbehave(content, size, number);
                answer(channel, &m, content, size);
                close_fd(fds[0]);
        }
        _exit(0);
}

int main(void) {
        union proto_message m;
        int fds[2], kind;

        (void)signal(SIGCHLD, SIG_IGN);
        while ((kind = proto_receive(PROTO_LOADER_FD, &m, fds)) > 0) {
                if (kind == PROTO_LOAD) {
                        proto_init(&m, PROTO_LOADED);
                        memcpy(m.loaded.generation.id, "faker!", GENERATION_SIZE);
                        m.loaded.signatures = 1;
                        proto_text(m.loaded.engine, sizeof(m.loaded.engine), "Fake");
                        (void)proto_send(PROTO_LOADER_FD, &m, -EBADF, -EBADF);
                } else if (kind == PROTO_SPAWN && fork() == 0)
                        worker(m.spawn.worker, fds[0], fds[1]);
                close_fd(fds[0]);
                close_fd(fds[1]);
        }
        return 0;
}
