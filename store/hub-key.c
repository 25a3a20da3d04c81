/* SPDX-License-Identifier: Apache-2.0 */

/* Owns secrets, which are wiped when their key goes. Knows nothing of files. */

#include "store/hub-key.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>

#define MAGIC "storescan-key"

struct hub_key {
        char id[HUB_KEY_ID_MAX + 1];
        enum hub_key_kind kind;
        uint8_t bytes[HUB_SECRET_SIZE];
        EVP_PKEY *pkey; /* of Ed25519 */
};

static const char *const kinds[] = {
        [HUB_KEY_HMAC] = "hmac-sha256",
        [HUB_KEY_ED25519_PRIVATE] = "ed25519-private",
        [HUB_KEY_ED25519_PUBLIC] = "ed25519-public",
};
static_assert(ELEMENTSOF(kinds) == _HUB_KEY_KIND_MAX, "a name for every kind");

const char *hub_key_kind_name(enum hub_key_kind kind) {
        return (unsigned)kind < _HUB_KEY_KIND_MAX ? kinds[kind] : NULL;
}

struct hub_key *hub_key_free(struct hub_key *key) {
        if (!key)
                return NULL;
        EVP_PKEY_free(key->pkey);
        OPENSSL_cleanse(key, sizeof(*key));
        free(key);
        return NULL;
}

int hub_key_new(const char *id, enum hub_key_kind kind, const uint8_t bytes[static HUB_SECRET_SIZE],
                struct hub_key **ret) {
        _cleanup_(hub_key_freep) struct hub_key *key = calloc(1, sizeof(*key));

        if (!key)
                return -ENOMEM;
        if (!hub_key_id_ok(id, strlen(id)) || (unsigned)kind >= _HUB_KEY_KIND_MAX)
                return -EINVAL;
        memcpy(key->id, id, strlen(id));
        key->kind = kind;
        memcpy(key->bytes, bytes, sizeof(key->bytes));
        if (kind == HUB_KEY_ED25519_PRIVATE)
                key->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes,
                                                         HUB_SECRET_SIZE);
        else if (kind == HUB_KEY_ED25519_PUBLIC)
                key->pkey =
                        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, HUB_SECRET_SIZE);
        if (kind != HUB_KEY_HMAC && !key->pkey)
                return -EIO;
        *ret = TAKE_PTR(key);
        return 0;
}

int hub_key_generate(const char *id, enum hub_key_kind kind, struct hub_key **ret) {
        uint8_t bytes[HUB_SECRET_SIZE];
        int r;

        if (kind == HUB_KEY_ED25519_PUBLIC)
                return -EINVAL;
        if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1)
                return -EIO;
        r = hub_key_new(id, kind, bytes, ret);
        OPENSSL_cleanse(bytes, sizeof(bytes));
        return r;
}

/* ---- Text ---- */

int hub_key_read(const char *id, const char *text, size_t size, struct hub_key **ret) {
        const size_t n_secret = BASE64URL_LENGTH(HUB_SECRET_SIZE);
        uint8_t bytes[HUB_SECRET_SIZE];
        int r;

        for (enum hub_key_kind kind = 0; kind < _HUB_KEY_KIND_MAX; kind++) {
                char front[HUB_KEY_TEXT_MAX];
                int n = snprintf(front, sizeof(front), MAGIC " %s ", kinds[kind]);

                if (size != (size_t)n + n_secret + 1 || memcmp(text, front, (size_t)n) != 0 ||
                    text[size - 1] != '\n')
                        continue;
                r = base64url_decode(text + n, bytes, sizeof(bytes));
                if (r == 0)
                        r = hub_key_new(id, kind, bytes, ret);
                OPENSSL_cleanse(bytes, sizeof(bytes));
                return r;
        }
        return -EINVAL;
}

int hub_key_write(const struct hub_key *key, bool public, char ret_text[static HUB_KEY_TEXT_MAX]) {
        enum hub_key_kind kind = public ? HUB_KEY_ED25519_PUBLIC : key->kind;
        uint8_t bytes[HUB_SECRET_SIZE];
        char text[BASE64URL_LENGTH(HUB_SECRET_SIZE) + 1];
        size_t n = sizeof(bytes);
        int r;

        if (public && !key->pkey)
                return -EINVAL;
        if (!public)
                memcpy(bytes, key->bytes, sizeof(bytes));
        else if (EVP_PKEY_get_raw_public_key(key->pkey, bytes, &n) != 1 || n != sizeof(bytes))
                return -EIO;
        base64url_encode(bytes, sizeof(bytes), text);
        r = snprintf(ret_text, HUB_KEY_TEXT_MAX, MAGIC " %s %s\n", kinds[kind], text);
        OPENSSL_cleanse(bytes, sizeof(bytes));
        OPENSSL_cleanse(text, sizeof(text));
        return r;
}

const char *hub_key_id(const struct hub_key *key) {
        return key->id;
}

enum hub_key_kind hub_key_kind(const struct hub_key *key) {
        return key->kind;
}

/* ---- Signatures ---- */

static enum hub_algorithm algorithm_of(const struct hub_key *key) {
        return key->kind == HUB_KEY_HMAC ? HUB_HMAC_SHA256 : HUB_ED25519;
}

static int mac_of(const struct hub_key *key, const char *text, size_t size,
                  uint8_t ret_mac[static HUB_SECRET_SIZE]) {
        unsigned n;

        if (!HMAC(EVP_sha256(), key->bytes, HUB_SECRET_SIZE, (const unsigned char *)text, size,
                  ret_mac, &n) ||
            n != HUB_SECRET_SIZE)
                return -EIO;
        return 0;
}

static int sign_ed25519(struct hub_key *key, const char *text, size_t size,
                        uint8_t ret_signature[static HUB_SIGNATURE_MAX]) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        size_t n = HUB_SIGNATURE_MAX;
        bool ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
                  EVP_DigestSign(ctx, ret_signature, &n, (const unsigned char *)text, size) == 1 &&
                  n == HUB_SIGNATURE_MAX;

        EVP_MD_CTX_free(ctx);
        return ok ? 0 : -EIO;
}

static bool verify_ed25519(struct hub_key *key, const struct hub_stamp *stamp, const char *text,
                           size_t size) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
                  EVP_DigestVerify(ctx, stamp->signature, HUB_SIGNATURE_MAX,
                                   (const unsigned char *)text, size) == 1;

        EVP_MD_CTX_free(ctx);
        return ok;
}

int hub_key_sign(struct hub_key *key, struct hub_stamp *stamp) {
        char text[HUB_TEXT_MAX];
        struct hub_stamp s = *stamp;
        int r;

        if (key->kind == HUB_KEY_ED25519_PUBLIC)
                return -EINVAL;
        s.algorithm = (uint8_t)algorithm_of(key);
        memset(s.key, 0, sizeof(s.key));
        memcpy(s.key, key->id, strlen(key->id));
        memset(s.signature, 0, sizeof(s.signature));
        r = hub_stamp_signed_text(&s, text);
        if (r < 0)
                return r;
        r = key->kind == HUB_KEY_HMAC ? mac_of(key, text, (size_t)r, s.signature)
                                      : sign_ed25519(key, text, (size_t)r, s.signature);
        if (r < 0)
                return r;
        *stamp = s;
        return 0;
}

enum hub_check hub_key_verify(struct hub_key *key, const struct hub_stamp *stamp) {
        uint8_t mac[HUB_SECRET_SIZE];
        char text[HUB_TEXT_MAX];
        int n;

        if (!streq(key->id, stamp->key) || stamp->algorithm != algorithm_of(key))
                return HUB_KEY;
        n = hub_stamp_signed_text(stamp, text);
        if (n < 0)
                return HUB_SIGNATURE;
        if (key->kind != HUB_KEY_HMAC)
                return verify_ed25519(key, stamp, text, (size_t)n) ? HUB_GOOD : HUB_SIGNATURE;
        return mac_of(key, text, (size_t)n, mac) == 0 &&
                               CRYPTO_memcmp(mac, stamp->signature, sizeof(mac)) == 0
                       ? HUB_GOOD
                       : HUB_SIGNATURE;
}
