/* Blob: a file whose name is its hash (blob.h). */
#include "model/blob.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"

enum { CHUNK = 1 << 20 };

enum akin__blob_kind akin__blob_kind(const char *hash)
{
    const size_t length = strlen(hash);
    if (strspn(hash, "0123456789abcdef") != length)
        return AKIN__BLOB_UNKNOWN;
    return length == 64   ? AKIN__BLOB_SHA256
           : length == 40 ? AKIN__BLOB_GIT
                          : AKIN__BLOB_UNKNOWN;
}

bool akin__blob_there(const char *path, uint64_t size)
{
    struct stat st;
    return !akin__stat(path, &st, NULL) && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == size;
}

akin_status akin__blob_hash(const struct akin__file *file, uint64_t size,
                            enum akin__blob_kind kind, char text[65],
                            akin_progress_fn progress, void *context,
                            const char *what, akin_error *err)
{
    const bool git = kind == AKIN__BLOB_GIT;
    uint8_t digest[AKIN__HASH_MAX], *chunk = akin__alloc(CHUNK, 1);
    struct akin__hash *hash = NULL;
    akin_status status;
    AKIN_CHECK(chunk, err, AKIN_ENOMEM, "%s: no memory", what);
    AKIN_TRY(akin__hash_open(&hash, git ? AKIN__SHA1 : AKIN__SHA256, err));
    if (git) {
        char head[32];
        const int length =
            snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
        akin__hash_add(hash, head, (size_t)length + 1);
    }
    for (uint64_t at = 0; at < size;) {
        const size_t count = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        AKIN_TRY(akin__file_read(file, chunk, count, at, err));
        akin__hash_add(hash, chunk, count);
        at += count;
        AKIN_CHECK(!progress || !progress(context, what, at, size), err,
                   AKIN_ECANCELLED, "%s: stopped", what);
    }
    akin__hash_close(&hash, digest);
    akin__hex(text, digest, git ? AKIN__SHA1_BYTES : AKIN__SHA256_BYTES);
out:
    akin__hash_close(&hash, NULL);
    akin__free(chunk);
    return status;
}
