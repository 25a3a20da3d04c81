/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the fds of /proc/pressure and /proc/loadavg: once the process is confined they can't be opened. */

#include "daemon/sweep/load.h"

#include <fcntl.h>
#include <stdio.h>

#include "daemon/cpus.h"
#include "store/util.h"

void load_open(struct load *load) {
        static const char *const names[] = { "cpu", "memory", "io" };
        *load = (struct load){ .cpus = cpus_usable() };
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "/proc/pressure/%s", names[i]);
                load->pressure[i] = open(path, O_RDONLY | O_CLOEXEC);
        }
        load->average = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
}

static bool read_text(int fd, char *text, size_t size) {
        ssize_t n = fd < 0 ? -1 : pread(fd, text, size - 1, 0);

        if (n <= 0)
                return false;
        text[n] = '\0';
        return true;
}

enum sweep_load load_judge(struct load *load, unsigned max_pressure, unsigned max_average,
                           uint64_t now_usec) {
        struct sweep_pressure pressures[SWEEP_PRESSURES_MAX] = {};
        bool told = false;
        char text[256];
        unsigned v;

        for (size_t i = 0; i < ELEMENTSOF(load->pressure); i++)
                if (read_text(load->pressure[i], text, sizeof(text)) &&
                    sweep_pressure_parse(text, &pressures[i]) == 0)
                        told = true;
        if (told)
                return sweep_pressure_judge(&load->rest, pressures, max_pressure * 100, now_usec);
        load->paused = read_text(load->average, text, sizeof(text)) &&
                       sweep_load_parse(text, &v) == 0 &&
                       sweep_load_pauses(v, max_average * load->cpus * 100, load->paused);
        return load->paused ? SWEEP_LOAD_HIGH : SWEEP_LOAD_LOW;
}
