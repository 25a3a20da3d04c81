/* SPDX-License-Identifier: Apache-2.0 */

/* The digest of a message as stamps hold it, or all of it in hexadecimal: canon-digest [--raw | --full] FILE. */

#include <stdio.h>

#include "store/canon.h"
#include "store/digest.h"
#include "store/stamp.h"
#include "store/util.h"

int main(int argc, char *argv[]) {
        static char data[1 << 20];
        uint8_t digest[DIGEST_SIZE];
        char text[BASE64URL_LENGTH(STAMP_DIGEST_SIZE) + 1];
        bool raw = argc == 3 && streq(argv[1], "--raw");
        bool full = argc == 3 && streq(argv[1], "--full");
        FILE *f = argc == 2 + (raw || full) ? fopen(argv[argc - 1], "re") : NULL;
        size_t n;

        if (!f) {
                fprintf(stderr, "canon-digest: can't read the file\n");
                return EXIT_FAILURE;
        }
        n = fread(data, 1, sizeof(data), f);
        fclose(f);
        if (canon_buffer(raw ? CANON_RAW : CANON_MESSAGE, data, n, digest) < 0)
                return EXIT_FAILURE;
        for (size_t i = 0; full && i < DIGEST_SIZE; i++)
                printf("%02x%s", digest[i], i + 1 == DIGEST_SIZE ? "\n" : "");
        if (full)
                return EXIT_SUCCESS;
        base64url_encode(digest, STAMP_DIGEST_SIZE, text);
        printf("%s\n", text);
        return EXIT_SUCCESS;
}
