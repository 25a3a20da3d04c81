/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The client of an IMAP server: one thread for each user that is named, who has logged in and selected
 * INBOX when the clock starts; it fetches the messages one by one, whole. One line goes to standard
 * output:
 *
 *     files N wall_nsec N cpu_usec N p50_nsec N p99_nsec N
 *
 * N are all messages of all users; p50 and p99 are of one message, from before its command is sent to
 * its tagged answer. Any answer but OK is an error: what was refused was not measured.
 */

#include <arpa/inet.h>
#include <getopt.h>
#include <pthread.h>
#include <sys/socket.h>

#include "tests/bench/bench.h"

#define USERS_MAX    64
#define MESSAGES_MAX 100000

struct session {
        const char *user;
        int sock;
        size_t have, at; /* bytes in the buffer, and those that were looked at */
        unsigned messages;
        uint64_t *latency_nsec;
        char buffer[64 * 1024];
        char line[4096];
};

static struct session *sessions;
static unsigned n_sessions, port;
static pthread_barrier_t ready;

static _Noreturn void die(const struct session *s, const char *what) {
        fprintf(stderr, "fetcher: %s: %s.\n", s->user, what);
        exit(EXIT_FAILURE);
}

static void fill(struct session *s) {
        ssize_t n = recv(s->sock, s->buffer, sizeof(s->buffer), 0);

        if (n <= 0)
                die(s, "the server hung up");
        s->have = (size_t)n;
        s->at = 0;
}

static void read_line(struct session *s) {
        size_t n = 0;

        for (;;) {
                if (s->at == s->have)
                        fill(s);
                s->line[n] = s->buffer[s->at++];
                if (s->line[n] == '\n')
                        break;
                if (++n == sizeof(s->line))
                        die(s, "the server's line is too long");
        }
        while (n > 0 && s->line[n - 1] == '\r')
                n--;
        s->line[n] = '\0';
}

static void skip(struct session *s, size_t n) {
        while (n > 0) {
                size_t piece;

                if (s->at == s->have)
                        fill(s);
                piece = MIN(n, s->have - s->at);
                s->at += piece;
                n -= piece;
        }
}

/* Reads on to the tagged answer, which must be OK. Returns how many literals came. */
static unsigned finish(struct session *s) {
        unsigned literals = 0;

        for (;;) {
                const char *brace;
                unsigned number;
                char word[16];

                read_line(s);
                if (strncmp(s->line, "t ", 2) == 0)
                        break;
                if (sscanf(s->line, "* %u %15s", &number, word) == 2 && streq(word, "EXISTS"))
                        s->messages = number;
                brace = strrchr(s->line, '{');
                if (!brace || s->line[strlen(s->line) - 1] != '}')
                        continue;
                skip(s, strtoul(brace + 1, NULL, 10));
                literals++;
        }
        if (strncmp(s->line, "t OK", 4) != 0)
                die(s, s->line);
        return literals;
}

static unsigned command(struct session *s, const char *text) {
        if (send(s->sock, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
                die(s, "the server takes no more");
        return finish(s);
}

static void begin(struct session *s) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        char text[256];

        s->sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s->sock < 0 || connect(s->sock, (struct sockaddr *)&address, sizeof(address)) < 0)
                die(s, strerror(errno));
        read_line(s);
        (void)snprintf(text, sizeof(text), "t LOGIN %s pw\r\n", s->user);
        (void)command(s, text);
        (void)command(s, "t SELECT INBOX\r\n");
        if (s->messages == 0 || s->messages > MESSAGES_MAX)
                die(s, "there is no mail in INBOX");
        s->latency_nsec = calloc(s->messages, sizeof(*s->latency_nsec));
        if (!s->latency_nsec)
                die(s, strerror(ENOMEM));
}

static void *client(void *userdata) {
        struct session *s = userdata;

        (void)pthread_barrier_wait(&ready);
        for (unsigned i = 0; i < s->messages; i++) {
                uint64_t start = now_nsec();
                char text[64];

                (void)snprintf(text, sizeof(text), "t FETCH %u BODY.PEEK[]\r\n", i + 1);
                if (command(s, text) != 1)
                        die(s, "a message did not come");
                s->latency_nsec[i] = now_nsec() - start;
        }
        return NULL;
}

static uint64_t run(void) {
        pthread_t threads[USERS_MAX];
        uint64_t start;

        if (pthread_barrier_init(&ready, NULL, n_sessions + 1) != 0)
                abort();
        for (unsigned i = 0; i < n_sessions; i++)
                if (pthread_create(&threads[i], NULL, client, &sessions[i]) != 0)
                        die(&sessions[i], "no thread can be started");
        start = now_nsec();
        (void)pthread_barrier_wait(&ready);
        for (unsigned i = 0; i < n_sessions; i++)
                (void)pthread_join(threads[i], NULL);
        return now_nsec() - start;
}

static void report(uint64_t wall, uint64_t cpu) {
        size_t n = 0, at = 0;
        uint64_t *all;

        for (unsigned i = 0; i < n_sessions; i++)
                n += sessions[i].messages;
        all = calloc(n, sizeof(*all));
        if (!all)
                die(&sessions[0], strerror(ENOMEM));
        for (unsigned i = 0; i < n_sessions; i++) {
                memcpy(all + at, sessions[i].latency_nsec, sessions[i].messages * sizeof(*all));
                at += sessions[i].messages;
        }
        qsort(all, n, sizeof(*all), compare_uint64);
        printf("files %zu wall_nsec %llu cpu_usec %llu p50_nsec %llu p99_nsec %llu\n", n,
               (unsigned long long)wall, (unsigned long long)cpu, (unsigned long long)all[n / 2],
               (unsigned long long)all[n * 99 / 100]);
        free(all);
}

int main(int argc, char *argv[]) {
        static const struct option options[] = { { "port", required_argument, NULL, 'p' }, {} };
        uint64_t wall, cpu;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c != 'p')
                        return EXIT_FAILURE;
                port = parse_number("--port", optarg, 1, UINT16_MAX);
        }
        if (port == 0 || optind == argc || argc - optind > USERS_MAX) {
                fprintf(stderr, "Usage: fetcher --port NUMBER USER...\n");
                return EXIT_FAILURE;
        }
        n_sessions = (unsigned)(argc - optind);
        sessions = calloc(n_sessions, sizeof(*sessions));
        if (!sessions)
                return EXIT_FAILURE;
        for (unsigned i = 0; i < n_sessions; i++) {
                sessions[i].user = argv[optind + (int)i];
                begin(&sessions[i]);
        }
        cpu = cpu_usec(RUSAGE_SELF);
        wall = run();
        cpu = cpu_usec(RUSAGE_SELF) - cpu;
        for (unsigned i = 0; i < n_sessions; i++)
                (void)command(&sessions[i], "t LOGOUT\r\n");
        report(wall, cpu);
        return EXIT_SUCCESS;
}
