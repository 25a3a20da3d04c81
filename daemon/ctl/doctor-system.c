/* SPDX-License-Identifier: Apache-2.0 */

/* What "doctor" says of the running system. Asks the bus and /proc; where they do not answer, that is
 * what it says. */

#include <dirent.h>
#include <stdio.h>

#include "daemon/bus-names.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/doctor.h"
#include "daemon/ctl/health.h"

#define SYSTEMD           "org.freedesktop.systemd1"
#define SYSTEMD_PATH      "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER   SYSTEMD ".Manager"
#define SYSTEMD_UNIT      SYSTEMD ".Unit"
#define STORESCAND_OBJECT SYSTEMD_PATH "/unit/storescand_2eservice"
#define ASK_USEC          (5 * USEC_PER_SEC)

DEFINE_CLEANUP(DIR *, closedir);

static sd_bus *open_bus(void) {
        sd_bus *bus;

        if (sd_bus_open_system(&bus) < 0)
                return NULL;
        (void)sd_bus_set_method_call_timeout(bus, ASK_USEC);
        return bus;
}

/* ---- storescand ---- */

static void look_at_hooks(struct doctor *doctor, sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *store, *state, *problem;
        uint64_t age;

        if (sd_bus_get_property(bus, BUS_NAME, BUS_PATH, BUS_MANAGER_INTERFACE, "Hooked", NULL,
                                &reply, "a(ssts)") < 0 ||
            sd_bus_message_enter_container(reply, 'a', "(ssts)") < 0)
                return;
        while (sd_bus_message_read(reply, "(ssts)", &store, &state, &age, &problem) > 0) {
                if (streq(state, "yes"))
                        doctor_say(doctor, FINDING_OK, "hooked", "",
                                   "opens in store '%s' are seen, checked %llu s ago", store,
                                   (unsigned long long)(age / USEC_PER_SEC));
                else if (streq(state, "no"))
                        doctor_say(doctor, FINDING_CRITICAL, "hooked",
                                   "journalctl -u storescand STORESCAN_EVENT=not-hooked",
                                   "opens in store '%s' pass storescand by", store);
                else
                        doctor_say(doctor, FINDING_WARNING, "hooked",
                                   health_untested_advice(problem),
                                   "store '%s' can't be tested: %s", store, problem);
        }
}

void doctor_look_at_daemon(struct doctor *doctor) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = open_bus();
        int guarding = 0, paused = 0, r;

        if (!bus) {
                doctor_say(doctor, FINDING_CRITICAL, "running", "systemctl start dbus",
                           "the system bus can't be reached, so storescand can't be asked");
                return;
        }
        r = sd_bus_get_property_trivial(bus, BUS_NAME, BUS_PATH, BUS_MANAGER_INTERFACE, "Guarding",
                                        NULL, 'b', &guarding);
        if (r >= 0)
                r = sd_bus_get_property_trivial(bus, BUS_NAME, BUS_PATH, BUS_MANAGER_INTERFACE,
                                                "Paused", NULL, 'b', &paused);
        if (r < 0)
                doctor_say(doctor, FINDING_CRITICAL, "running",
                           "systemctl start storescand; its log: journalctl -u storescand -n 20",
                           "storescand does not answer on the bus: %s", error_text(-r));
        else if (paused)
                doctor_say(doctor, FINDING_CRITICAL, "running", "storescanctl resume",
                           "storescand is PAUSED: every open passes unscanned");
        else if (!guarding)
                doctor_say(doctor, FINDING_CRITICAL, "running", "journalctl -u storescand -n 20",
                           "storescand runs, but does not guard yet");
        else
                doctor_say(doctor, FINDING_OK, "running", "", "storescand guards its stores");
        if (r >= 0)
                look_at_hooks(doctor, bus);
}

/* ---- Units ---- */

static bool unit_is_active(sd_bus *bus, const char *unit) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *state = NULL;
        const char *path;

        return sd_bus_call_method(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "GetUnit", NULL,
                                  &reply, "s", unit) >= 0 &&
               sd_bus_message_read(reply, "o", &path) >= 0 &&
               sd_bus_get_property_string(bus, SYSTEMD, path, SYSTEMD_UNIT, "ActiveState", NULL,
                                          &state) >= 0 &&
               streq(state, "active");
}

/* Whether storescand is ordered before this one. */
static bool is_before(char **units, const char *unit) {
        for (char **u = units; u && *u; u++)
                if (streq(*u, unit))
                        return true;
        return false;
}

static void free_list(char ***list) {
        for (char **s = *list; s && *s; s++)
                free(*s);
        free(*list);
}

static void look_at_order(struct doctor *doctor, sd_bus *bus) {
        static const char *const services[] = {
                "dovecot.service",          "cyrus-imapd.service", "courier-imap.service",
                "courier-imap-ssl.service", "courier-pop.service", "courier-pop-ssl.service",
                "postfix.service",          "exim4.service",       "sendmail.service",
                "opensmtpd.service",        "maddy.service",       "stalwart-mail.service",
        };
        _cleanup_(free_list) char **before = NULL;

        if (sd_bus_get_property_strv(bus, SYSTEMD, STORESCAND_OBJECT, SYSTEMD_UNIT, "Before", NULL,
                                     &before) < 0)
                return;
        for (size_t i = 0; i < ELEMENTSOF(services); i++) {
                if (!unit_is_active(bus, services[i]))
                        continue;
                if (is_before(before, services[i]))
                        doctor_say(doctor, FINDING_OK, "order", "",
                                   "%s is started after storescand", services[i]);
                else
                        doctor_say(doctor, FINDING_WARNING, "order",
                                   "systemctl edit storescand: [Unit], and Before= with its name",
                                   "%s may be started before storescand guards its mail",
                                   services[i]);
        }
}

void doctor_look_at_units(struct doctor *doctor) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_unrefp) sd_bus *bus = open_bus();
        const char *state = NULL;

        if (!bus)
                return;
        if (sd_bus_call_method(bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "GetUnitFileState",
                               NULL, &reply, "s", "storescand.service") < 0 ||
            sd_bus_message_read(reply, "s", &state) < 0) {
                doctor_say(doctor, FINDING_WARNING, "unit",
                           "Install the unit, or see to it that storescand is started at boot and "
                           "anew when it ends.",
                           "systemd does not know storescand.service");
                return;
        }
        if (streq(state, "enabled"))
                doctor_say(doctor, FINDING_OK, "unit", "", "storescand.service is enabled");
        else
                doctor_say(doctor, FINDING_WARNING, "unit", "systemctl enable storescand",
                           "storescand.service is %s: after a boot nothing is guarded", state);
        look_at_order(doctor, bus);
}

/* ---- Other scanners ---- */

/* As the kernel cuts them: 15 characters. */
static bool is_scanner(const char *comm) {
        static const char *const names[] = { "clamonacc", "fapolicyd",  "wdavdaemon",
                                             "savd",      "oav-daemon", "on_access_mgr" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(comm, names[i]))
                        return true;
        return false;
}

void doctor_look_at_others(struct doctor *doctor) {
        _cleanup_(closedirp) DIR *proc = opendir("/proc");
        const struct dirent *entry;
        bool any = false;

        while (proc && (entry = readdir(proc))) {
                char path[sizeof("/proc//comm") + sizeof(entry->d_name)], comm[32] = "";
                FILE *f;

                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
                f = fopen(path, "re");
                if (!f)
                        continue;
                if (!fgets(comm, sizeof(comm), f))
                        comm[0] = '\0';
                (void)fclose(f);
                comm[strcspn(comm, "\n")] = '\0';
                if (!is_scanner(comm))
                        continue;
                any = true;
                doctor_say(doctor, FINDING_WARNING, "others",
                           "Keep it off the stores, and off /var/lib/storescan and "
                           "/run/storescan, or each waits for the other.",
                           "%s (%s) answers opens, too", comm, entry->d_name);
        }
        if (!any)
                doctor_say(doctor, FINDING_OK, "others", "",
                           "no other on-access scanner that is known of runs");
}
