/* Hashes: SHA-256 and SHA-1 by OpenSSL's libcrypto, CRC-32 by zlib. */
#include "base/hash.h"

#include <openssl/evp.h>
#include <zlib.h>

#include "base/error.h"
#include "base/memory.h"

struct akin__hash {
    EVP_MD_CTX *context;
};

akin_status akin__hash_open(struct akin__hash **out, enum akin__hash_kind kind,
                            akin_error *err)
{
    struct akin__hash *hash = akin__calloc(1, sizeof *hash);
    *out = NULL;
    if (hash)
        hash->context = EVP_MD_CTX_new();
    if (!hash || !hash->context ||
        !EVP_DigestInit_ex(hash->context,
                           kind == AKIN__SHA1 ? EVP_sha1() : EVP_sha256(),
                           NULL)) {
        akin__hash_close(&hash, NULL);
        return akin__fail(err, AKIN_ENOMEM, "no memory for a hash");
    }
    *out = hash;
    return AKIN_OK;
}

void akin__hash_add(struct akin__hash *hash, const void *bytes, size_t count)
{
    EVP_DigestUpdate(hash->context, bytes, count);
}

void akin__hash_close(struct akin__hash **hash, uint8_t *digest)
{
    if (!*hash)
        return;
    if (digest)
        EVP_DigestFinal_ex((*hash)->context, digest, NULL);
    EVP_MD_CTX_free((*hash)->context);
    akin__free(*hash);
    *hash = NULL;
}

akin_status akin__sha256(const void *bytes, size_t count, uint8_t digest[32],
                         akin_error *err)
{
    struct akin__hash *hash = NULL;
    const akin_status status = akin__hash_open(&hash, AKIN__SHA256, err);
    if (status)
        return status;
    akin__hash_add(hash, bytes, count);
    akin__hash_close(&hash, digest);
    return AKIN_OK;
}

void akin__hex(char *text, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = 0;
}

uint32_t akin__crc32(const void *bytes, size_t count)
{
    return (uint32_t)crc32_z(0, bytes, count);
}
