/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Speaks storescan-remedy's protocol in the gate's place: starts it, waits until it is ready, has one item
 * replaced, prints what it says, one line a message.
 *
 *     remedy-driver PROGRAM QUARANTINE [FORMAT FILE OFFSET PLAN [KEY=VALUE...]]
 *
 * PLAN is a file with the whole new item. Keys: pid=, opaque=1, original= (file with the bytes that are
 * planned for; those that stand there), planned= (file with the new bytes that were scanned; PLAN's),
 * memory= (size of the memfd), path= (told instead of FILE).
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/child.h"
#include "daemon/io.h"
#include "daemon/remedy-proto.h"
#include "store/format.h"
#include "store/util.h"

struct driver {
        int sock;
        pid_t pid;
        union remedy_message job;
        int fds[REMEDY_FDS];
        bool has_job, sent;
};

static _Noreturn void die(const char *what) {
        perror(what);
        exit(2);
}

static void start(struct driver *d, char *program) {
        char *argv[] = { program, NULL };
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                die("socketpair");
        d->pid = fork();
        if (d->pid == 0) {
                if (dup2(pair[1], CHILD_FD) < 0)
                        _exit(126);
                /* Its environment is ours: it says where to crash. */
                (void)execv(program, argv);
                _exit(127);
        }
        if (d->pid < 0)
                die("fork");
        close_fd(pair[1]);
        d->sock = pair[0];
}

static void *read_whole(const char *path, size_t *ret_size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        void *data;

        if (fd < 0 || fstat(fd, &st) < 0)
                die(path);
        data = malloc((size_t)st.st_size + 1);
        if (!data || read_full(fd, data, (size_t)st.st_size) != st.st_size)
                die(path);
        close_fd(fd);
        *ret_size = (size_t)st.st_size;
        return data;
}

static void digest_of(const struct driver *d, uint8_t ret[static DIGEST_SIZE]) {
        const struct remedy_order *o = &d->job.job;
        _cleanup_free_ uint8_t *data = malloc(o->size);

        if (!data || pread(d->fds[0], data, o->size, (off_t)o->offset) != (ssize_t)o->size ||
            digest_buffer(data, o->size, ret) < 0)
                die("pread");
}

static void digest_of_file(const char *path, uint8_t ret[static DIGEST_SIZE]) {
        size_t size;
        _cleanup_free_ void *data = read_whole(path, &size);

        if (digest_buffer(data, size, ret) < 0)
                die("digest");
}

static void set(struct driver *d, const char *word) {
        struct remedy_order *o = &d->job.job;
        const char *value;

        if ((value = startswith(word, "pid=")))
                o->pid = (uint32_t)strtoul(value, NULL, 10);
        else if ((value = startswith(word, "opaque=")))
                o->opaque = (uint8_t)strtoul(value, NULL, 10);
        else if ((value = startswith(word, "planned=")))
                digest_of_file(value, o->planned);
        else if ((value = startswith(word, "original=")))
                digest_of_file(value, o->original);
        else if ((value = startswith(word, "memory="))) {
                if (ftruncate(d->fds[1], (off_t)strtoul(value, NULL, 10)) < 0)
                        die("ftruncate");
        } else if ((value = startswith(word, "path="))) {
                memset(o->path, 0, sizeof(o->path));
                (void)snprintf(o->path, sizeof(o->path), "%s", value);
        } else {
                fprintf(stderr, "no such key: %s\n", word);
                exit(2);
        }
}

/* FORMAT FILE OFFSET PLAN [KEY=VALUE...] */
static void prepare(struct driver *d, char **args, int n) {
        struct remedy_order *o = &d->job.job;
        int format = store_format_from_name(args[0]);
        _cleanup_free_ void *plan = NULL;
        size_t size;

        remedy_init(&d->job, REMEDY_JOB);
        plan = read_whole(args[3], &size);
        d->fds[0] = open(args[1], O_RDONLY | O_CLOEXEC);
        d->fds[1] = memfd_create("plan", MFD_CLOEXEC);
        if (format < 0 || d->fds[0] < 0 || d->fds[1] < 0 || write_full(d->fds[1], plan, size) < 0)
                die(args[1]);
        o->id = 1;
        o->format = (uint8_t)format;
        o->offset = strtoul(args[2], NULL, 10);
        o->size = size;
        (void)snprintf(o->store, sizeof(o->store), "mail");
        (void)snprintf(o->signature, sizeof(o->signature), "Eicar-Test");
        (void)snprintf(o->path, sizeof(o->path), "%s", args[1]);
        (void)snprintf(o->context.subject, sizeof(o->context.subject), "A subject");
        o->has_content = 1;
        memset(o->content, 0xab, sizeof(o->content));
        digest_of(d, o->original);
        digest_of_file(args[3], o->planned);
        for (int i = 4; i < n; i++)
                set(d, args[i]);
        d->has_job = true;
}

/* Returns whether there is more to come. */
static bool take(struct driver *d) {
        int fds[REMEDY_FDS] = { -EBADF, -EBADF }, kind;
        union remedy_message m;

        kind = remedy_receive(d->sock, &m, fds);
        switch (kind) {
        case REMEDY_NOTE:
                printf("note %s %s %s\n", m.note.completed ? "completed" : "left", m.note.id,
                       m.note.text);
                return true;
        case REMEDY_WAITING: return true;
        case REMEDY_READY:
                printf("ready %u\n", m.ready.waiting);
                if (d->has_job && !d->sent &&
                    remedy_send(d->sock, &d->job, d->fds, REMEDY_FDS, true) < 0)
                        die("send");
                d->sent = true;
                return d->has_job || m.ready.waiting > 0;
        case REMEDY_DONE:
                printf("done %s %s%s%s%s\n",
                       remedy_outcome_name((enum remedy_outcome)m.done.outcome), m.done.item,
                       m.done.item[0] && m.done.text[0] ? " " : "", m.done.text,
                       m.done.half ? ", half of it" : "");
                return false;
        default: printf("died %s\n", kind < 0 ? error_text(-kind) : ""); return false;
        }
}

int main(int argc, char **argv) {
        struct driver d = { .fds = { -EBADF, -EBADF } };
        union remedy_message m;

        if (argc < 3 || (argc > 3 && argc < 7)) {
                fprintf(stderr, "remedy-driver PROGRAM QUARANTINE "
                                "[FORMAT FILE OFFSET PLAN [KEY=VALUE...]]\n");
                return 2;
        }
        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc > 3)
                prepare(&d, argv + 3, argc - 3);
        start(&d, argv[1]);
        remedy_init(&m, REMEDY_SETTINGS);
        (void)snprintf(m.settings.directory, sizeof(m.settings.directory), "%s", argv[2]);
        if (remedy_send(d.sock, &m, NULL, 0, true) < 0)
                die("send");
        while (take(&d))
                ;
        close_fd(d.sock);
        (void)waitpid(d.pid, NULL, 0);
        return EXIT_SUCCESS;
}
