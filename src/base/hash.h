/* Hashes: what is this file, and is this block whole. */
#ifndef AKIN_BASE_HASH_H
#define AKIN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"

enum akin__hash_kind { AKIN__SHA256, AKIN__SHA1 };
enum { AKIN__SHA256_BYTES = 32, AKIN__SHA1_BYTES = 20, AKIN__HASH_MAX = 32 };

struct akin__hash; /* one running hash; one thread at a time */

akin_status akin__hash_open(struct akin__hash **hash, enum akin__hash_kind kind,
                            akin_error *err);
void akin__hash_add(struct akin__hash *hash, const void *bytes, size_t count);
/* Ends the hash, writes its 32 or 20 bytes and frees it; *hash is NULL after.
 * `digest` may be NULL: only free. */
void akin__hash_close(struct akin__hash **hash, uint8_t *digest);

/* SHA-256 of `bytes` [count]. */
akin_status akin__sha256(const void *bytes, size_t count, uint8_t digest[32],
                         akin_error *err);

/* `bytes` [count] as lower-case hexadecimal digits into text [2 count + 1]. */
void akin__hex(char *text, const uint8_t *bytes, size_t count);

/* CRC-32 as zlib and Python's zlib.crc32 compute it. */
uint32_t akin__crc32(const void *bytes, size_t count);

#endif
