/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the thread and the socket pair between it and the gate thread: requests one way, news the other.
 * fds and pointers in news are the receiver's. The gate thread never waits for this one.
 */

#include "daemon/reload-thread.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "daemon/clock.h"
#include "daemon/database-watch.h"

#define END_USEC (2 * USEC_PER_SEC)

enum request_kind { REQUEST_LOOK, REQUEST_AIM, REQUEST_END };

struct request {
        enum request_kind kind;
        enum reload_kind what;
        char database[PATH_MAX];
};

struct reload_thread {
        const char *config_path;
        reload_news_fn on_news;
        void *userdata;
        struct database_watch *watch; /* NULL: can't be watched */
        char database[PATH_MAX];
        pthread_t thread;
        int sock; /* the thread's end */

        struct ring *ring;
        int gate_sock;
        struct ring_op receive_op;
        struct reload_news news;
        bool receiving, freed;
};

/* ---- The thread ---- */

static void send_news(struct reload_thread *t, const struct reload_news *news) {
        ssize_t n;

        do
                n = send(t->sock, news, sizeof(*news), MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n >= 0)
                return;
        close_fd(news->database);
        config_free(news->config);
        free(news->text);
}

static void look_at_signatures(struct reload_thread *t) {
        struct reload_news news = { .kind = RELOAD_SIGNATURES };

        /* Watched before it is opened: what comes in between is told. */
        if (t->watch)
                database_watch_aim(t->watch, t->database);
        news.database = open(t->database, O_PATH | O_CLOEXEC);
        if (news.database < 0) {
                news.error = -errno;
                news.database = -EBADF;
        }
        send_news(t, &news);
}

static void look_at_config(struct reload_thread *t) {
        struct reload_news news = { .kind = RELOAD_CONFIG, .database = -EBADF };
        size_t size = 0;
        FILE *text = open_memstream(&news.text, &size);

        if (!text)
                news.error = -ENOMEM;
        else {
                news.error = config_load(t->config_path, text, &news.config);
                if (news.error >= 0)
                        news.error = config_find_formats(news.config, text, text);
                if (news.error < 0)
                        news.config = config_free(news.config);
                (void)fclose(text);
        }
        send_news(t, &news);
}

/* False: the end. */
static bool take_request(struct reload_thread *t) {
        struct request request;
        ssize_t n = recv(t->sock, &request, sizeof(request), 0);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return true;
        if (n != sizeof(request) || request.kind == REQUEST_END)
                return false;
        if (request.kind == REQUEST_AIM) {
                memcpy(t->database, request.database, sizeof(t->database));
                if (t->watch)
                        database_watch_aim(t->watch, t->database);
        } else if (request.what == RELOAD_SIGNATURES)
                look_at_signatures(t);
        else
                look_at_config(t);
        return true;
}

static int patience_msec(const struct reload_thread *t, uint64_t now) {
        uint64_t due = t->watch ? database_watch_due(t->watch) : USEC_INFINITY;

        return due == USEC_INFINITY ? -1 : due > now ? (int)((due - now) / USEC_PER_MSEC) + 1 : 0;
}

static void *reload_thread(void *userdata) {
        struct reload_thread *t = userdata;

        for (;;) {
                struct pollfd fds[] = {
                        { .fd = t->sock, .events = POLLIN },
                        { .fd = t->watch ? database_watch_fd(t->watch) : -EBADF, .events = POLLIN },
                };
                int r = poll(fds, ELEMENTSOF(fds), patience_msec(t, now_usec()));

                if (r > 0 && fds[0].revents && !take_request(t))
                        return NULL;
                if (r > 0 && fds[1].revents)
                        database_watch_take(t->watch, now_usec());
                if (t->watch && database_watch_settled(t->watch, now_usec()))
                        look_at_signatures(t);
        }
}

/* ---- The gate thread's side ---- */

static void destroy(struct reload_thread *t) {
        database_watch_free(t->watch);
        close_fd(t->sock);
        close_fd(t->gate_sock);
        free(t);
}

static void receive(struct reload_thread *t) {
        struct io_uring_sqe *sqe = ring_entry(t->ring);

        io_uring_prep_recv(sqe, t->gate_sock, &t->news, sizeof(t->news), 0);
        ring_bind(sqe, &t->receive_op);
        t->receiving = true;
}

static void received(struct ring_op *op, int res) {
        struct reload_thread *t = container_of(op, struct reload_thread, receive_op);
        struct reload_news news = t->news;

        t->receiving = false;
        if (t->freed) {
                destroy(t);
                return;
        }
        if (res == 0)
                return;
        receive(t);
        if (res == sizeof(news))
                t->on_news(t->userdata, &news);
}

/* A request that does not get through is one of very many. */
static void request(struct reload_thread *t, const struct request *request) {
        (void)send(t->gate_sock, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void reload_thread_aim(struct reload_thread *t, const char *database) {
        struct request r = { .kind = REQUEST_AIM };

        memccpy(r.database, database, '\0', sizeof(r.database) - 1);
        request(t, &r);
}

void reload_thread_ask(struct reload_thread *t, enum reload_kind kind) {
        request(t, &(struct request){ .kind = REQUEST_LOOK, .what = kind });
}

int reload_thread_new(struct ring *ring, const char *config_path, reload_news_fn on_news,
                      void *userdata, struct reload_thread **ret) {
        struct reload_thread *t = calloc(1, sizeof(*t));
        int pair[2], r;

        if (!t)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                free(t);
                return -errno;
        }
        t->sock = pair[0];
        t->gate_sock = pair[1];
        t->ring = ring;
        t->config_path = config_path;
        t->on_news = on_news;
        t->userdata = userdata;
        t->receive_op.done = received;
        (void)database_watch_new(&t->watch);
        r = pthread_create(&t->thread, NULL, reload_thread, t);
        if (r != 0) {
                destroy(t);
                return -r;
        }
        receive(t);
        *ret = t;
        return 0;
}

struct reload_thread *reload_thread_free(struct reload_thread *t) {

        if (!t)
                return NULL;
        request(t, &(struct request){ .kind = REQUEST_END });
        if (join_until(t->thread, NULL, now_usec() + END_USEC) != 0)
                return t;
        /* Its receive, if one is in the ring, ends by the shutdown and frees the object. */
        t->freed = true;
        (void)shutdown(t->gate_sock, SHUT_RDWR);
        if (!t->receiving)
                destroy(t);
        return NULL;
}
