/* SPDX-License-Identifier: Apache-2.0 */

/* Owns the three contents. Finding the canary takes clamd's mail parser, base64, its zip reader and
 * temporary files: without a folder for these it would call anything clean. It comes behind the prefix, so that
 * what else does is known to be taken for mail. */

#include "daemon/clamd/probes.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/io.h"
#include "daemon/worker/mail-prefix.h"
#include "daemon/worker/zip-mail.h"
#include "store/util.h"

#define SEALS  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define NESTED 120 /* zips, of some 100 bytes each: clamd takes no MaxRecursion of more than 100 */

/* In the place of what is in the buffer. */
static void wrap_in_zip(struct zip_buffer *b) {
        struct zip_buffer zip;

        zip_make(
                &(struct zip_member){
                        .name = "a",
                        .packed = b,
                        .crc = zip_crc(b->data, b->size),
                        .size = b->size,
                },
                &zip);
        *b = zip;
}

/* ---- The mails ---- */

/* The test virus, put together so that no scanner takes this program for one; and its twin. */
static void put_virus(struct zip_buffer *b, bool harmless) {
        static const char *const pieces[] = { "X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-",
                                              "ANTIVIRUS-TEST-FILE!$H+H*" };

        b->size = 0;
        for (size_t i = 0; i < ELEMENTSOF(pieces); i++)
                zip_put(b, pieces[i], strlen(pieces[i]));
        for (size_t i = 0; harmless && i < b->size; i++)
                b->data[i] = (uint8_t)('a' + i % 26);
}

static int make_mail(bool harmless, struct probe *ret) {
        static struct zip_buffer zip;
        _cleanup_free_ char *mail = NULL;

        put_virus(&zip, harmless);
        wrap_in_zip(&zip);
        mail = zip_mail(&zip);
        if (!mail)
                return -ENOMEM;
        ret->size = MAIL_PREFIX_SIZE + strlen(mail);
        ret->fd = probes_seal(mail_prefix, MAIL_PREFIX_SIZE, mail, strlen(mail));
        return ret->fd < 0 ? ret->fd : 0;
}

static int make_nested(struct probe *ret) {
        static struct zip_buffer zip;

        zip_put(&zip, "nothing", 7);
        for (unsigned i = 0; i < NESTED; i++)
                wrap_in_zip(&zip);
        ret->size = zip.size;
        ret->fd = probes_seal(NULL, 0, zip.data, zip.size);
        return ret->fd < 0 ? ret->fd : 0;
}

int probes_make(struct probes *ret) {
        int r = make_mail(false, &ret->canary);

        if (r == 0)
                r = make_mail(true, &ret->twin);
        return r < 0 ? r : make_nested(&ret->limits);
}

/* ---- Memory that does not change ---- */

int probes_seal(const void *prefix, size_t prefix_size, const void *data, size_t size) {
        _cleanup_close_ int fd = memfd_create("mail", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = write_full(fd, prefix, prefix_size);
        if (r == 0)
                r = write_full(fd, data, size);
        if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
                r = -errno;
        return r < 0 ? r : TAKE_FD(fd);
}

bool probes_is_sealed(int fd, uint64_t size) {
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;

        return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &st) == 0 &&
               (uint64_t)st.st_size == size;
}
