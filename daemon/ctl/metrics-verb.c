/* SPDX-License-Identifier: Apache-2.0 */

/* The verb "metrics": to standard output, or to a file that readers see whole or not at all. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ctl/ask.h"
#include "daemon/ctl/bus.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/output.h"
#include "store/util.h"

/* Under another name first, which is none that a collector reads. */
static int write_file(const struct metrics *metrics, const char *path) {
        _cleanup_free_ char *other = NULL;
        FILE *out;
        bool failed;
        int fd;

        if (asprintf(&other, "%s.XXXXXX", path) < 0)
                return output_error(path, "%s", error_text(ENOMEM));
        fd = mkostemp(other, O_CLOEXEC);
        if (fd < 0)
                return output_error(path, "can't be written: %m; does its folder exist?");
        out = fdopen(fd, "w");
        if (!out) {
                close_fd(fd);
                (void)unlink(other);
                return output_error(path, "can't be written: %m");
        }
        metrics_print(metrics, METRICS_TEXT, out);
        failed = fchmod(fd, 0644) < 0 || fflush(out) != 0 || ferror(out);
        failed = fclose(out) != 0 || failed;
        if (!failed && rename(other, path) == 0)
                return STATUS_OK;
        (void)output_error(path, "can't be written: %m");
        (void)unlink(other);
        return STATUS_ERROR;
}

int verb_metrics(const struct ctl *ctl, char **args, int n) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        struct metrics metrics = {};
        int r = ctl_bus_open(&bus), k = STATUS_OK;

        if (r == STATUS_OK)
                r = ask_metrics(bus, &metrics);
        /* That storescand does not run is news for monitoring, too. */
        if (n > 0)
                k = write_file(&metrics, args[0]);
        else
                metrics_print(&metrics, METRICS_OPENMETRICS, stdout);
        metrics_done(&metrics);
        if (k != STATUS_OK)
                return k;
        return r == STATUS_OK ? STATUS_OK : STATUS_FOUND;
}
