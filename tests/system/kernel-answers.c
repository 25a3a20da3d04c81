/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What daemon/gate.c relies on: how events are read and answered, and what becomes of clients when
 * nobody answers. Must not own: event fds (kernel-eventfd.c), leases, stamps, the reach of marks.
 */

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "tests/system/kernel.h"

#define EVENT_SIZE sizeof(struct fanotify_event_metadata)

/* Opens by n clients that wait for their answers. */
static void start_clients(struct client *clients, size_t n, const char *path) {
        for (size_t i = 0; i < n; i++)
                clients[i] = client_open(path, O_RDONLY);
}

/* ---- Reading ---- */

static void ring_read_waits(void) {
        struct fanotify_event_metadata event;
        struct client client;
        struct io_uring ring;
        int group;

        make_file("file", 10);
        group = group_on_fs();
        ring_open(&ring);
        note("ring set up with flags %#x", ring.flags);
        io_uring_prep_read(io_uring_get_sqe(&ring), group, &event, sizeof(event), 0);
        expect_equal(ring_result(&ring, QUIET_MSEC), -ETIME);
        client = client_open("file", O_RDONLY);
        expect_equal(ring_result(&ring, PATIENCE_MSEC), EVENT_SIZE);
        expect_equal(event.pid, client.pid);
        allow(group, event.fd);
        expect(client_result(&client) >= 0);
}

static void ring_is_restricted(void) {
        const struct fanotify_response response = { .fd = 1, .response = FAN_ALLOW };
        struct io_uring ring;
        int group = group_open();

        ring_open(&ring);
        io_uring_prep_write(io_uring_get_sqe(&ring), group, &response, sizeof(response), 0);
        expect_equal(ring_result(&ring, PATIENCE_MSEC), -EACCES);
}

static void read_takes_many(void) {
        struct fanotify_event_metadata events[8];
        struct client clients[3];
        int group;

        make_file("file", 10);
        group = group_on_fs();
        expect_equal(value_of(read(group, events, sizeof(events))), -EAGAIN);
        start_clients(clients, 3, "file");
        expect_queued(group, 3 * EVENT_SIZE);
        expect_equal(value_of(read(group, events, sizeof(events))), 3 * EVENT_SIZE);
        expect(events[0].fd != events[1].fd && events[1].fd != events[2].fd);
        for (size_t i = 0; i < 3; i++)
                allow(group, events[i].fd);
        for (size_t i = 0; i < 3; i++)
                expect(client_result(&clients[i]) >= 0);
}

static void small_read_leaves_the_rest(void) {
        struct fanotify_event_metadata event;
        struct client clients[3];
        int group;

        make_file("file", 10);
        group = group_on_fs();
        start_clients(clients, 3, "file");
        expect_queued(group, 3 * EVENT_SIZE);
        for (size_t i = 3; i > 0; i--) {
                expect_queued(group, i * EVENT_SIZE);
                expect_equal(value_of(read(group, &event, sizeof(event))), EVENT_SIZE);
                allow(group, event.fd);
        }
        for (size_t i = 0; i < 3; i++)
                expect(client_result(&clients[i]) >= 0);
}

/* ---- Answering ---- */

static void one_write_one_answer_writev_many(void) {
        struct fanotify_event_metadata events[4];
        struct fanotify_response responses[4];
        struct client clients[4];
        struct iovec iov[4];
        int group;

        make_file("file", 10);
        group = group_on_fs();
        start_clients(clients, 4, "file");
        expect_queued(group, 4 * EVENT_SIZE);
        expect_equal(value_of(read(group, events, sizeof(events))), sizeof(events));
        for (size_t i = 0; i < 4; i++) {
                responses[i] =
                        (struct fanotify_response){ .fd = events[i].fd, .response = FAN_ALLOW };
                iov[i] = (struct iovec){ .iov_base = &responses[i],
                                         .iov_len = sizeof(responses[i]) };
        }
        expect_equal(value_of(write(group, responses, 2 * sizeof(responses[0]))),
                     sizeof(responses[0]));
        expect_equal(value_of(writev(group, iov + 1, 3)), 3 * sizeof(responses[0]));
        for (size_t i = 0; i < 4; i++)
                expect(client_result(&clients[i]) >= 0);
        expect_equal(answer(group, responses[3].fd, FAN_ALLOW), -ENOENT);
}

/* The loop of gate.c's write_answers(), told of each refusal. */
static unsigned write_all(int group, const struct iovec *iov, size_t n) {
        unsigned refused = 0;

        for (size_t i = 0; i < n;) {
                ssize_t w = writev(group, iov + i, (int)(n - i));

                if (w < 0) {
                        expect_equal(errno, ENOENT);
                        refused++;
                }
                i += w > 0 ? (size_t)w / sizeof(struct fanotify_response) : 1;
        }
        return refused;
}

static void wrong_number_in_a_batch(void) {
        struct fanotify_event_metadata events[3];
        struct fanotify_response responses[6];
        struct client clients[3];
        struct iovec iov[6];
        int group;

        make_file("file", 10);
        group = group_on_fs();
        start_clients(clients, 3, "file");
        expect_queued(group, 3 * EVENT_SIZE);
        expect_equal(value_of(read(group, events, sizeof(events))), sizeof(events));
        for (size_t i = 0; i < 6; i++) {
                responses[i] = (struct fanotify_response){
                        .fd = i % 2 == 0 ? 900 + (int)i : events[i / 2].fd,
                        .response = FAN_DENY,
                };
                iov[i] = (struct iovec){ .iov_base = &responses[i],
                                         .iov_len = sizeof(responses[i]) };
        }
        expect_equal(write_all(group, iov, 6), 3);
        for (size_t i = 0; i < 3; i++)
                expect_equal(client_result(&clients[i]), -EPERM);
}

static void answer_names_a_number(void) {
        struct client first, second;
        int group, fd;

        make_file("file", 10);
        group = group_on_fs();
        first = client_open("file", O_RDONLY);
        fd = next_event(group).fd;
        close_fd(fd);
        expect_equal(answer(group, fd, FAN_DENY), 0);
        expect_equal(client_result(&first), -EPERM);
        expect_equal(answer(group, fd, FAN_DENY), -ENOENT);

        /* Closed before it was answered: the next event has the same number, and the answer that
         * is meant for it lets the older one go. */
        first = client_open("file", O_RDONLY);
        fd = next_event(group).fd;
        second = client_open("file", O_RDONLY);
        close_fd(fd);
        expect_equal(next_event(group).fd, fd);
        expect_equal(answer(group, fd, FAN_DENY), 0);
        expect_equal(client_result(&first), -EPERM);
        expect(client_waits(&second));
        expect_equal(answer(group, fd, FAN_ALLOW), 0);
        expect(client_result(&second) >= 0);
}

static void killed_clients(void) {
        struct fanotify_event_metadata event;
        struct client client;
        int group;

        make_file("file", 10);
        group = group_on_fs();
        client = client_open("file", O_RDONLY);
        expect_queued(group, EVENT_SIZE);
        client_end(&client);
        expect_queued(group, 0);
        expect_equal(value_of(read(group, &event, sizeof(event))), -EAGAIN);

        client = client_open("file", O_RDONLY);
        event = next_event(group);
        client_end(&client);
        expect_equal(answer(group, event.fd, FAN_ALLOW), 0);
        expect_equal(answer(group, event.fd, FAN_ALLOW), -ENOENT);
}

/* ---- Unanswered ---- */

static void flushed_marks_leave_clients_waiting(void) {
        struct client read_one, unread, late;
        struct fanotify_event_metadata event;
        int group;

        make_file("file", 10);
        group = group_on_fs();
        read_one = client_open("file", O_RDONLY);
        event = next_event(group);
        unread = client_open("file", O_RDONLY);
        expect_queued(group, EVENT_SIZE);
        /* As gate_unmark_all() does: the path does not matter. */
        expect_ok(fanotify_mark(group, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, "/"));
        late = client_open("file", O_RDONLY);
        expect(client_result(&late) >= 0);
        expect(client_waits(&read_one));
        expect(client_waits(&unread));
        allow(group, event.fd);
        expect(client_result(&read_one) >= 0);
        event = next_event(group);
        expect_equal(answer(group, event.fd, FAN_DENY), 0);
        expect_equal(client_result(&unread), -EPERM);
}

static void closing_the_group_allows(void) {
        struct client read_one, unread;
        int group;

        make_file("file", 10);
        group = group_on_fs();
        read_one = client_open("file", O_RDONLY);
        (void)next_event(group);
        unread = client_open("file", O_RDONLY);
        expect_queued(group, EVENT_SIZE);
        expect(client_waits(&read_one));
        close_fd(group);
        expect(client_result(&read_one) >= 0);
        expect(client_result(&unread) >= 0);
}

static int hold_group_in_ring(const char *path) {
        static struct fanotify_event_metadata event;
        struct io_uring ring;
        int group = group_on_fs();

        ring_open(&ring);
        io_uring_prep_read(io_uring_get_sqe(&ring), group, &event, sizeof(event), 0);
        expect_equal(ring_result(&ring, QUIET_MSEC), -ETIME);
        close_fd(group);
        return 0;
}

/* A READ in the ring holds the group: close(2) does not let clients go, the listener's end does. */
static void closing_does_not_reach_the_ring(void) {
        struct client listener, client;

        make_file("file", 10);
        listener = client_start(hold_group_in_ring, "");
        expect_equal(client_result(&listener), 0);
        client = client_open("file", O_RDONLY);
        expect(client_waits(&client));
        client_end(&listener);
        expect(client_result(&client) >= 0);
}

static void set_queue_limit(const char *text) {
        _cleanup_close_ int fd =
                open("/proc/sys/fs/fanotify/max_queued_events", O_WRONLY | O_CLOEXEC);

        expect_ok(fd);
        expect_ok(write(fd, text, strlen(text)));
}

static void unlimited_queue(void) {
        struct client clients[14];
        char limit[32] = "";
        int group, fd;

        make_file("file", 10);
        /* A group keeps the limit that it was opened under. */
        fd = open("/proc/sys/fs/fanotify/max_queued_events", O_RDONLY | O_CLOEXEC);
        expect_ok(read(fd, limit, sizeof(limit) - 1));
        close_fd(fd);
        set_queue_limit("10");
        group = group_open();
        set_queue_limit(limit);
        add_mark(group, FAN_MARK_FILESYSTEM, FAN_OPEN_PERM, ".");

        start_clients(clients, ELEMENTSOF(clients), "file");
        expect_queued(group, ELEMENTSOF(clients) * EVENT_SIZE);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                allow(group, next_event(group).fd);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                expect(client_result(&clients[i]) >= 0);
}

/* Why reading pauses while too many event fds are open. */
static void no_fd_left_denies(void) {
        struct fanotify_event_metadata event = {};
        struct rlimit limit, none;
        struct client client;
        int group, r, lowest;

        make_file("file", 10);
        group = group_on_fs();
        client = client_open("file", O_RDONLY);
        expect_queued(group, EVENT_SIZE);
        lowest = (int)expect_ok(dup(0));
        close_fd(lowest);
        expect_ok(getrlimit(RLIMIT_NOFILE, &limit));
        none = (struct rlimit){ .rlim_cur = (rlim_t)lowest, .rlim_max = limit.rlim_max };
        expect_ok(setrlimit(RLIMIT_NOFILE, &none));
        r = value_of(read(group, &event, sizeof(event)));
        expect_ok(setrlimit(RLIMIT_NOFILE, &limit));
        note("read(2) without a free fd: %d, event fd %d", r, event.fd);
        expect(r == -EMFILE || (r == (int)EVENT_SIZE && event.fd == -EMFILE));
        expect_equal(client_result(&client), -EPERM);
}

int main(int argc, char *argv[]) {
        static const struct kernel_test tests[] = {
                { "ring READ of an empty group waits for an event", ring_read_waits },
                { "ring refuses what it was not opened for", ring_is_restricted },
                { "one read takes many events, one for each open", read_takes_many },
                { "small read leaves the rest queued", small_read_leaves_the_rest },
                { "write takes one answer, writev many", one_write_one_answer_writev_many },
                { "wrong number in a batch costs no other answer", wrong_number_in_a_batch },
                { "answer names the number, not the open file", answer_names_a_number },
                { "killed clients: unread event goes, read one is answered", killed_clients },
                { "flushed marks leave clients waiting", flushed_marks_leave_clients_waiting },
                { "closing the group allows what waits", closing_the_group_allows },
                { "group with a READ in a ring outlives its close, not its process",
                  closing_does_not_reach_the_ring },
                { "unlimited queue loses no open", unlimited_queue },
                { "open is denied when the listener has no fd left", no_fd_left_denies },
        };

        return kernel_main(argc, argv, tests, ELEMENTSOF(tests));
}
