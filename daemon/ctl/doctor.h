/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by doctor.c (what an installation consists of), doctor-ports.c (whether clamd is open to all) and
 * doctor-system.c (what runs beside it). */

#include <systemd/sd-bus.h>

#include "daemon/config.h"
#include "store/util.h"

enum finding { FINDING_OK, FINDING_WARNING, FINDING_CRITICAL, _FINDING_MAX };

struct doctor {
        bool json;
        enum finding worst;
};

/* Tells of one thing that was looked at; advice: the next step, "" where there is none. */
void doctor_say(struct doctor *doctor, enum finding finding, const char *check, const char *advice,
                const char *format, ...) _printf_(5, 6);

/* ---- doctor-ports.c ---- */

void doctor_look_at_ports(struct doctor *doctor, const struct config *config);

/* ---- doctor-system.c ---- */

/* storescand by what it says of itself; its unit, and the order of mail services; other scanners. */
void doctor_look_at_daemon(struct doctor *doctor);
void doctor_look_at_units(struct doctor *doctor);
void doctor_look_at_others(struct doctor *doctor);
