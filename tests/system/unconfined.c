/* SPDX-License-Identifier: Apache-2.0 */

/* Part of unconfined-worker, which is fragile-worker without a sandbox: what it tries, it gets. */

#include <stdbool.h>

int __wrap_sandbox_files(int database, const char *folder, char *problem);
int __wrap_sandbox_limits(const void *limits, char *problem);
int __wrap_sandbox_calls_loader(bool pool, char *problem);
int __wrap_sandbox_calls_worker(int channel, int pool, char *problem);

int __wrap_sandbox_files(int database, const char *folder, char *problem) {
        return 0;
}

int __wrap_sandbox_limits(const void *limits, char *problem) {
        return 0;
}

int __wrap_sandbox_calls_loader(bool pool, char *problem) {
        return 0;
}

int __wrap_sandbox_calls_worker(int channel, int pool, char *problem) {
        return 0;
}
