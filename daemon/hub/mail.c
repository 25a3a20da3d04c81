/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Owns the memory that messages take. Must not read them: only names of header lines are compared, to
 * find stamps.
 */

#include "daemon/hub/mail.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/mman.h>

#include "store/hub-stamp.h"
#include "store/util.h"

#define BUFFER_SIZE ((size_t)64 << 10)

static const char stamp_name[] = "x-storescan-stamp";

static uint64_t budget = UINT64_MAX;
static _Atomic(uint64_t) used;

void mail_set_budget(uint64_t bytes) {
        budget = bytes;
}

/* ---- Names ---- */

bool mail_is_stamp_name(const char *name) {
        size_t n = 0;

        if (hub_stamp_is_name(name, strlen(name)))
                return true;

        for (; *name; name++) {
                unsigned char c = (unsigned char)*name;

                if (c >= 'A' && c <= 'Z')
                        c = (unsigned char)(c + ('a' - 'A'));
                if (c == '_')
                        c = '-';
                if (c <= ' ' || c >= 0x7f)
                        continue;
                if (n == sizeof(stamp_name) - 1 || stamp_name[n] != (char)c)
                        return false;
                n++;
        }
        return n == sizeof(stamp_name) - 1;
}

static void remember_stamp(struct mail *mail, const char *name) {
        struct mail_stamp *stamp = &mail->stamps[mail->n_stamps];

        if (mail->n_stamps == MAIL_STAMPS_MAX || strlen(name) >= sizeof(stamp->name)) {
                mail->too_many_stamps = true;
                return;
        }
        strcpy(stamp->name, name);
        stamp->number = 1;
        for (size_t i = 0; i < mail->n_stamps; i++)
                if (strcasecmp(mail->stamps[i].name, name) == 0)
                        stamp->number++;
        mail->n_stamps++;
}

/* ---- Bytes ---- */

static int write_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t)n;
        }
        return 0;
}

static void flush(struct mail *mail) {
        if (mail->n_buffered > 0 && mail->error >= 0)
                mail->error = write_all(mail->fd, mail->buffer, mail->n_buffered);
        mail->n_buffered = 0;
}

/* Takes room out of what all messages have. */
static bool charge(struct mail *mail, size_t size) {
        if (atomic_fetch_add(&used, size) + size > budget) {
                atomic_fetch_sub(&used, size);
                mail->error = -ENOSPC;
                return false;
        }
        mail->size += size;
        return true;
}

void mail_body(struct mail *mail, const void *data, size_t size) {
        const char *p = data;

        if (mail->error < 0 || mail->too_large)
                return;
        if (size > mail->limit - mail->size) {
                mail->too_large = true;
                return;
        }
        if (!charge(mail, size))
                return;
        while (size > 0) {
                size_t n = MIN(size, BUFFER_SIZE - mail->n_buffered);

                memcpy(mail->buffer + mail->n_buffered, p, n);
                mail->n_buffered += n;
                p += n;
                size -= n;
                if (mail->n_buffered == BUFFER_SIZE)
                        flush(mail);
        }
}

void mail_begin(struct mail *mail, uint64_t limit) {
        *mail = (struct mail){ .fd = -EBADF, .limit = limit };
        mail->buffer = malloc(BUFFER_SIZE);
        if (!mail->buffer) {
                mail->error = -ENOMEM;
                return;
        }
        mail->fd = memfd_create("storescan-mail", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (mail->fd < 0)
                mail->error = -errno;
}

/* A folded value has its line ends as LF. */
void mail_header(struct mail *mail, const char *name, const char *value, bool leading_space) {
        if (mail_is_stamp_name(name))
                remember_stamp(mail, name);
        mail_body(mail, name, strlen(name));
        mail_body(mail, leading_space ? ":" : ": ", leading_space ? 1 : 2);
        while (*value) {
                size_t n = strcspn(value, "\r\n");

                mail_body(mail, value, n);
                value += n;
                if (*value == '\n' || (value[0] == '\r' && value[1] == '\n')) {
                        mail_body(mail, "\r\n", 2);
                        value += *value == '\r' ? 2 : 1;
                } else if (*value)
                        mail_body(mail, value++, 1);
        }
        mail_body(mail, "\r\n", 2);
}

void mail_end_of_header(struct mail *mail) {
        mail_body(mail, "\r\n", 2);
}

int mail_take(struct mail *mail) {
        const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

        flush(mail);
        if (mail->error < 0)
                return mail->error;
        if (mail->too_large)
                return -EFBIG;
        /* A worker gets it by the same description, and must not change what was judged. */
        if (fcntl(mail->fd, F_ADD_SEALS, seals) < 0 || lseek(mail->fd, 0, SEEK_SET) < 0)
                return -errno;
        return TAKE_FD(mail->fd);
}

void mail_done(struct mail *mail) {
        atomic_fetch_sub(&used, mail->size);
        mail->size = 0;
        mail->fd = close_fd(mail->fd);
        free(mail->buffer);
        mail->buffer = NULL;
        mail->n_buffered = mail->n_stamps = 0;
}
