/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Processor time that processes used up to now, in all their threads, in nanoseconds: one number, the
 * sum. /proc/PID/stat counts in ticks of 10 ms, which is more than many a measurement takes. One that
 * is gone counts as nothing.
 */

#include "tests/bench/bench.h"

int main(int argc, char *argv[]) {
        uint64_t sum = 0;

        for (int i = 1; i < argc; i++) {
                pid_t pid = (pid_t)parse_number("PID", argv[i], 1, INT32_MAX);
                struct timespec ts;
                clockid_t clock;

                if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &ts) == 0)
                        sum += (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
        }
        printf("%llu\n", (unsigned long long)sum);
        return EXIT_SUCCESS;
}
