/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns: the thread, and the files that were found but not given to the gate yet. Hands them over a
 * socket pair, a few at a time. Must not own: verdicts, or any wait of the gate thread. Its opens of
 * found files raise permission events: the gate answers its own process at once.
 */

#include "daemon/marker.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "daemon/silent.h"

#define FOUND_MAX 16384 /* more files than these found at once wait for their first reader */

struct found {
        STAILQ_ENTRY(found) link;
        char *mount;
        char path[]; /* below mount, relative */
};

struct message {
        enum {
                MESSAGE_PLACED,
                MESSAGE_FOUND,
                MESSAGE_OVERFLOWED,
                MESSAGE_CHANGED,
                MESSAGE_LET_GO,
                MESSAGE_STATE,
                MESSAGE_LOOKED
        } type;
        int error, fd;
        bool aloud; /* FOUND: reading fd raises events */
        enum places_news news;
        enum store_state state;
        bool mounted;
        unsigned n; /* OVERFLOWED: files; LOOKED: the ticket */
        char *text; /* CHANGED, STATE: the receiver's */
};

struct marker {
        struct marker_events events;
        FILE *errors; /* until the first round is over */

        /* The gate thread's. */
        struct ring *ring;
        struct ring_op receive_op;
        bool receiving, freed;
        bool over, ended; /* the thread: is about to end, has ended */
        unsigned ticket;  /* the last that was given */
        struct message message;
        int gate_sock;

        /* Shared. */
        pthread_t thread;
        int sock, wake;
        _Atomic(bool) stop, let_go;
        _Atomic(const struct config *) change; /* to go over to; NULL: none */
        _Atomic(unsigned) look;                /* the last ticket that is waited for; 0: none */
        _Atomic(char *) forget;                /* NULL: nothing to forget */
        _Atomic(unsigned) at_gate;
        _Atomic(unsigned) max_at_gate, max_found_at_gate; /* found ones leave room for new mail */

        /* The thread's. */
        const struct config *former;
        struct places *places;
        STAILQ_HEAD(, found) found;
        unsigned n_found;
        unsigned n_overflowed; /* since that was told */
};

/* ---- Found files ---- */

static void keep_file(struct marker *m, const char *mount, const char *below) {
        struct found *f;

        if (m->n_found == FOUND_MAX)
                return;
        f = malloc(sizeof(*f) + strlen(below) + 1);
        if (!f)
                return;
        f->mount = strdup(mount);
        if (!f->mount) {
                free(f);
                return;
        }
        strcpy(f->path, below);
        STAILQ_INSERT_TAIL(&m->found, f, link);
        m->n_found++;
}

static void found_free(struct found *f) {
        free(f->mount);
        free(f);
}

/* Opens a found file, some time after it was found: users may have put anything in its place, or
 * links in place of its folders, and opening a device or another's file would be an act of ours.
 * So: nothing but what lies below the mount, by no link, and regular before it is opened. */
static int open_found(const char *mount_path, const char *below, bool *ret_aloud) {
        const struct open_how how = {
                .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
        };
        _cleanup_close_ int mount = open(mount_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int path = -EBADF;

        if (mount < 0)
                return -errno;
        path = (int)syscall(SYS_openat2, mount, below, &how, sizeof(how));
        return path < 0 ? -errno : silent_read(path, ret_aloud);
}

static void send_message(struct marker *m, const struct message *message) {
        while (send(m->sock, message, sizeof(*message), MSG_NOSIGNAL) < 0 && errno == EINTR)
                ;
}

static void give_to_gate(struct marker *m, const char *mount, const char *below,
                         enum places_news news) {
        struct message message = {
                .type = MESSAGE_FOUND,
                .news = news,
        };

        message.fd = open_found(mount, below, &message.aloud);
        if (message.fd < 0)
                return;
        atomic_fetch_add(&m->at_gate, 1);
        send_message(m, &message);
}

/* Gives found files to the gate while it takes them. */
static void hand_over(struct marker *m) {
        struct found *f;

        while (atomic_load(&m->at_gate) < atomic_load(&m->max_found_at_gate) &&
               (f = STAILQ_FIRST(&m->found)) && !atomic_load(&m->stop)) {
                give_to_gate(m, f->mount, f->path, PLACES_FOUND);
                STAILQ_REMOVE_HEAD(&m->found, link);
                m->n_found--;
                found_free(f);
        }
}

static void on_file(void *userdata, const char *mount, const char *path, enum places_news news) {
        const char *below = startswith(path, mount);
        struct marker *m = userdata;

        if (!below || *below != '/' || atomic_load(&m->stop))
                return;
        below += strspn(below, "/");
        if (news == PLACES_FOUND)
                keep_file(m, mount, below);
        else if (atomic_load(&m->at_gate) >= atomic_load(&m->max_at_gate))
                m->n_overflowed++;
        else
                give_to_gate(m, mount, below, news);
}

static void tell_overflow(struct marker *m) {
        const struct message message = { .type = MESSAGE_OVERFLOWED, .n = m->n_overflowed };

        if (m->n_overflowed == 0)
                return;
        m->n_overflowed = 0;
        send_message(m, &message);
}

static void forget_found(struct marker *m, const char *path) {
        struct found *f, *next;
        size_t n = strlen(path);

        for (f = STAILQ_FIRST(&m->found); f; f = next) {
                /* Where the store is a folder of its mount, its path ends in what is below that. */
                const char *below = startswith(path, f->mount);
                bool is_there = startswith(f->mount, path) && strchr("/", f->mount[n]);

                next = STAILQ_NEXT(f, link);
                if (!is_there && below && *below == '/') {
                        const char *rest = startswith(f->path, below + 1);

                        is_there = rest && *rest == '/';
                }
                if (!is_there)
                        continue;
                STAILQ_REMOVE(&m->found, f, found, link);
                m->n_found--;
                found_free(f);
        }
}

/* ---- The thread ---- */

static void limit(struct marker *m, const struct config *config) {
        atomic_store(&m->max_at_gate, config->low_queue);
        atomic_store(&m->max_found_at_gate, (config->low_queue + 1) / 2);
}

/* What the gate thread asks for. */
static void change(struct marker *m) {
        const struct config *config = atomic_exchange(&m->change, NULL);
        struct message message = { .type = MESSAGE_CHANGED };
        size_t size = 0;
        FILE *errors;

        if (config) {
                limit(m, config);
                errors = open_memstream(&message.text, &size);
                message.error = errors ? places_change(m->places, config, errors) : -ENOMEM;
                if (errors)
                        (void)fclose(errors);
                send_message(m, &message);
        }
        if (atomic_exchange(&m->let_go, false)) {
                places_let_go(m->places);
                send_message(m, &(struct message){ .type = MESSAGE_LET_GO });
        }
}

static void look(struct marker *m) {
        struct message message = { .type = MESSAGE_LOOKED, .n = atomic_exchange(&m->look, 0) };
        char *path = atomic_load(&m->forget);

        if (message.n > 0) {
                places_take_watches(m->places);
                (void)places_round(m->places, NULL);
                send_message(m, &message);
        }
        if (path) {
                forget_found(m, path);
                free(path);
                atomic_store(&m->forget, NULL);
        }
}

static void on_state(void *userdata, const char *store, enum store_state state, bool mounted) {
        struct message message = {
                .type = MESSAGE_STATE,
                .state = state,
                .mounted = mounted,
                .text = strdup(store),
        };

        if (message.text)
                send_message(userdata, &message);
}

static void *marker_thread(void *userdata) {
        struct marker *m = userdata;
        struct message placed = {
                .type = MESSAGE_PLACED,
                .error = places_round(m->places, m->errors),
        };
        uint64_t count;

        send_message(m, &placed);
        if (placed.error >= 0)
                places_drop_left(m->places, m->former);
        while (!atomic_load(&m->stop)) {
                struct pollfd fds[] = {
                        { .fd = places_group_fd(m->places), .events = POLLIN },
                        { .fd = places_watch_fd(m->places), .events = POLLIN },
                        { .fd = places_mounts_fd(m->places), .events = POLLPRI },
                        { .fd = m->wake, .events = POLLIN },
                        { .fd = places_newcomers_fd(m->places), .events = POLLIN },
                };

                if (poll(fds, ELEMENTSOF(fds), -1) < 0)
                        continue;
                if (fds[3].revents)
                        (void)!read(m->wake, &count, sizeof(count));
                change(m);
                look(m);
                if (fds[1].revents | fds[2].revents) {
                        places_take_watches(m->places);
                        (void)places_round(m->places, NULL);
                }
                if (fds[4].revents)
                        places_take_newcomers(m->places);
                while (!atomic_load(&m->stop) && places_take_group(m->places))
                        ;
                tell_overflow(m);
                hand_over(m);
        }
        /* The gate thread may be asleep, and waits for this. */
        (void)shutdown(m->sock, SHUT_WR);
        return NULL;
}

/* ---- The gate thread's side ---- */

static void receive(struct marker *m) {
        struct io_uring_sqe *sqe = ring_entry(m->ring);

        io_uring_prep_recv(sqe, m->gate_sock, &m->message, sizeof(m->message), 0);
        ring_bind(sqe, &m->receive_op);
        m->receiving = true;
}

static void marker_destroy(struct marker *m) {
        struct found *f;

        while ((f = STAILQ_FIRST(&m->found))) {
                STAILQ_REMOVE_HEAD(&m->found, link);
                found_free(f);
        }
        places_free(m->places);
        free(atomic_load(&m->forget));
        close_fd(m->wake);
        close_fd(m->sock);
        close_fd(m->gate_sock);
        free(m);
}

static void received(struct ring_op *op, int res) {
        struct marker *m = container_of(op, struct marker, receive_op);
        struct message message = m->message;

        m->receiving = false;
        if (m->freed) {
                marker_destroy(m);
                return;
        }
        if (res == 0) {
                m->over = true;
                return;
        }
        receive(m);
        if (res != sizeof(message))
                return;
        if (message.type == MESSAGE_PLACED)
                m->events.placed(m->events.userdata, message.error);
        else if (message.type == MESSAGE_OVERFLOWED)
                m->events.overflowed(m->events.userdata, message.n);
        else if (message.type == MESSAGE_CHANGED) {
                m->events.changed(m->events.userdata, message.error,
                                  message.text ? message.text : "");
                free(message.text);
        } else if (message.type == MESSAGE_STATE) {
                m->events.state(m->events.userdata, message.text, message.state, message.mounted);
                free(message.text);
        } else if (message.type == MESSAGE_LOOKED)
                m->events.looked(m->events.userdata, message.n);
        else if (message.type == MESSAGE_LET_GO)
                m->events.let_go(m->events.userdata);
        else
                m->events.found(m->events.userdata, message.fd, message.aloud, message.news);
}

static void wake(struct marker *m) {
        const uint64_t one = 1;

        (void)!write(m->wake, &one, sizeof(one));
}

void marker_found_done(struct marker *m) {
        if (atomic_fetch_sub(&m->at_gate, 1) == (atomic_load(&m->max_found_at_gate) + 1) / 2)
                wake(m);
}

void marker_change(struct marker *m, const struct config *config) {
        atomic_store(&m->change, config);
        wake(m);
}

void marker_let_go(struct marker *m) {
        atomic_store(&m->let_go, true);
        wake(m);
}

unsigned marker_look(struct marker *m) {
        m->ticket = m->ticket == UINT_MAX ? 1 : m->ticket + 1;
        atomic_store(&m->look, m->ticket);
        wake(m);
        return m->ticket;
}

bool marker_forget(struct marker *m, const char *path) {
        char *copy;

        if (!marker_forgot(m))
                return false;
        copy = strdup(path);
        if (!copy)
                return false;
        atomic_store(&m->forget, copy);
        wake(m);
        return true;
}

bool marker_forgot(const struct marker *m) {
        return !atomic_load(&m->forget);
}

int marker_new(const struct marker_parts *parts, FILE *errors, struct marker **ret) {
        struct marker *m = calloc(1, sizeof(*m));
        int pair[2] = { -EBADF, -EBADF }, r;

        if (!m)
                return -ENOMEM;
        m->events = parts->events;
        m->former = parts->former;
        m->errors = errors;
        m->ring = parts->ring;
        m->receive_op.done = received;
        m->wake = -EBADF;
        limit(m, parts->config);
        STAILQ_INIT(&m->found);
        r = places_new(
                &(struct places_parts){
                        .config = parts->config,
                        .gate = parts->gate,
                        .changes = parts->changes,
                        .news = parts->news,
                        .journal = parts->journal,
                        .on_file = on_file,
                        .on_state = on_state,
                        .userdata = m,
                },
                errors, &m->places);
        if (r >= 0) {
                m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
                if (m->wake < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                        r = -errno;
        }
        m->sock = pair[0];
        m->gate_sock = pair[1];
        if (r < 0) {
                marker_destroy(m);
                return r;
        }
        receive(m);
        r = pthread_create(&m->thread, NULL, marker_thread, m);
        if (r != 0) {
                m->freed = true; /* left to its receive in the ring: the program ends */
                return -r;
        }
        *ret = m;
        return 0;
}

void marker_stop(struct marker *m) {
        atomic_store(&m->stop, true);
        wake(m);
}

bool marker_ended(struct marker *m) {
        if (!m->ended && m->over)
                m->ended = pthread_join(m->thread, NULL) == 0;
        return m->ended;
}

struct marker *marker_free(struct marker *m) {
        if (!m)
                return NULL;
        /* Its receive, if one is in the ring, ends by the shutdown and frees the object. */
        m->freed = true;
        (void)shutdown(m->gate_sock, SHUT_RDWR);
        if (!m->receiving)
                marker_destroy(m);
        return NULL;
}
