/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Single files that an admin has scanned: for one open of one file a process is taken for a sweep, so that
 * nothing is left out, and it is told what was found. Owns the list of them, in struct sweeps. Who never
 * opens what he announced leaves a line there, until others need the room.
 */

#include "daemon/sweeps-private.h"

static struct sweep_guest *find(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino) {
        for (unsigned i = 0; i < sweeps->n_guests; i++) {
                struct sweep_guest *guest = &sweeps->guests[i];

                if (guest->pid == pid && guest->dev == dev && guest->ino == ino)
                        return guest;
        }
        return NULL;
}

/* Behind those that are there; in the place of the oldest where there is no more room. */
void sweeps_invite(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino) {
        struct sweep_guest *guest = find(sweeps, pid, dev, ino);

        if (!guest && sweeps->n_guests < SWEEP_GUESTS_MAX)
                guest = &sweeps->guests[sweeps->n_guests++];
        else if (!guest) {
                memmove(sweeps->guests, sweeps->guests + 1,
                        (SWEEP_GUESTS_MAX - 1) * sizeof(sweeps->guests[0]));
                guest = &sweeps->guests[SWEEP_GUESTS_MAX - 1];
        }
        *guest = (struct sweep_guest){ .pid = pid, .dev = dev, .ino = ino };
}

bool sweep_guest_opens(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino) {
        struct sweep_guest *guest = find(sweeps, pid, dev, ino);

        if (!guest || guest->state != SWEEP_GUEST_INVITED)
                return false;
        guest->state = SWEEP_GUEST_WAITS;
        return true;
}

bool sweep_guest_told(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino,
                      const struct sweep_told *told) {
        struct sweep_guest *guest = find(sweeps, pid, dev, ino);

        if (!guest || guest->state != SWEEP_GUEST_WAITS)
                return false;
        guest->state = SWEEP_GUEST_TOLD;
        guest->told = *told;
        return true;
}

bool sweeps_dismiss(struct sweeps *sweeps, pid_t pid, dev_t dev, ino_t ino,
                    struct sweep_told *ret) {
        struct sweep_guest *guest = find(sweeps, pid, dev, ino);
        bool told = guest && guest->state == SWEEP_GUEST_TOLD;

        if (told)
                *ret = guest->told;
        if (guest) {
                size_t behind = (size_t)(sweeps->guests + sweeps->n_guests - guest - 1);

                memmove(guest, guest + 1, behind * sizeof(*guest));
                sweeps->n_guests--;
        }
        return told;
}
