/*
 * Mapped files: bytes as they lie in the system's memory, without a copy.
 *
 * When a disc goes or a file is cut, memory that was mapped answers with a
 * signal that ends the process. Between akin__mapped_begin and akin__mapped_end
 * it does not: zeros take the place of all that was mapped, and the end says
 * so. What was read in between is good only if the end says AKIN_OK.
 */
#ifndef AKIN_BASE_MAPPED_H
#define AKIN_BASE_MAPPED_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

/*
 * Map the first `bytes` of an open file; what akin__file_close undoes. Where
 * that is not possible (some file systems, no room for addresses) nothing is
 * mapped and no error: who reads must be able to do without. Mapped before, it
 * stays where it is if it has not grown by much. The file must have the bytes.
 * No other call about it meanwhile.
 */
void akin__mapped_open(struct akin__file *file, uint64_t bytes);

/* `count` bytes at `offset`, or NULL when not all of them are mapped. */
const uint8_t *akin__mapped_at(const struct akin__file *file, size_t count,
                               uint64_t offset);

/* Around all reading of what akin__mapped_at gave, by each thread for itself,
 * one file at a time. AKIN_EIO: some of it could not be read. */
void akin__mapped_begin(const struct akin__file *file);
akin_status akin__mapped_end(const struct akin__file *file, akin_error *err);

/* For akin__file_close alone. */
void akin__mapped_close(struct akin__file *file);

#endif
