/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One connected, non-blocking datagram socket. $WATCHDOG_USEC is read by libsystemd, which knows
 * the rules for it ($WATCHDOG_PID).
 */

#include "daemon/notify.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "store/util.h"

void notify_open(struct notify *notify) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un sun = { .sun_family = AF_UNIX };
        size_t n = path ? strlen(path) : 0;

        *notify = (struct notify){ .sock = -EBADF };
        if (n < 2 || n >= sizeof(sun.sun_path) || (path[0] != '/' && path[0] != '@'))
                return;
        memcpy(sun.sun_path, path, n);
        if (path[0] == '@')
                sun.sun_path[0] = '\0';
        notify->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (notify->sock >= 0 &&
            connect(notify->sock, (struct sockaddr *)&sun,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
                notify->sock = close_fd(notify->sock);
        if (sd_watchdog_enabled(0, &notify->watchdog_usec) <= 0)
                notify->watchdog_usec = 0;
}

void notify_close(struct notify *notify) {
        notify->sock = close_fd(notify->sock);
}

bool notify_send(const struct notify *notify, const char *state) {
        return notify->sock >= 0 &&
               send(notify->sock, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}
