/*
 * Rows: the file of one model's vectors, X.akin/rows-ORDINAL.f32: a header of
 * 64 bytes and then float32 rows, nothing between them (docs/format.md). Each
 * row's checksum is in the catalog, beside the file it belongs to.
 *
 * The file only grows. Rows behind the committed ones are the remains of a
 * writer that was stopped, and are written over.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/dot.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

enum { ROWS_VERSION = 1, TYPE_F32 = 1 };
/* A row number is 32 bits in memory: 4,294,967,295 rows. */
#define MOST_ROWS UINT32_MAX

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "rows are written as they lie in memory");

static const char magic[8] = {'A', 'K', 'I', 'N', 'R', 'O', 'W', 'S'};

/* The value of a lower-case hexadecimal digit; 0 for anything else, which the
 * check of a fingerprint has refused before. */
static uint8_t digit(char c)
{
    return (uint8_t)(c >= 'a' && c <= 'f'   ? c - 'a' + 10
                     : c >= '0' && c <= '9' ? c - '0'
                                            : 0);
}

void akin__rows_header(uint8_t header[AKIN__HEADER_BYTES],
                       const struct akin__rows *rows, const char name[8],
                       uint32_t version, uint32_t type)
{
    memset(header, 0, AKIN__HEADER_BYTES);
    memcpy(header, name, 8);
    akin__store_le32(header + 8, version);
    akin__store_le32(header + 12, rows->is.dim);
    akin__store_le32(header + 16, type);
    for (size_t i = 0; i < 32; i++)
        header[20 + i] = (uint8_t)(digit(rows->is.fingerprint[2 * i]) << 4 |
                                   digit(rows->is.fingerprint[2 * i + 1]));
    akin__store_le32(header + 60, akin__crc32(header, 60));
}

static void make_header(uint8_t header[AKIN__HEADER_BYTES],
                        const struct akin__rows *rows)
{
    akin__rows_header(header, rows, magic, ROWS_VERSION, TYPE_F32);
}

/* The file's real path, and in *shown the one for messages. */
static akin_status name_file(const akin_index *index, size_t ordinal,
                             char **real, char **shown, akin_error *err)
{
    *real = akin__format("%s/rows-%zu.f32", index->real, ordinal);
    *shown = akin__format("%s/rows-%zu.f32", index->path, ordinal);
    if (*real && *shown)
        return AKIN_OK;
    akin__free(*real);
    akin__free(*shown);
    return akin__fail(err, AKIN_ENOMEM, "%s: no memory", index->path);
}

/* Open it, and let messages name it as the caller knows it. */
static akin_status open_file(struct akin__rows *rows, const akin_index *index,
                             size_t ordinal, enum akin__open_mode mode,
                             akin_error *err)
{
    char *real, *shown;
    akin_status status = name_file(index, ordinal, &real, &shown, err);
    if (status)
        return status;
    status = akin__file_open(&rows->file, real, mode, err);
    if (status == AKIN_ENOTFOUND)
        status = akin__fail(err, AKIN_ECORRUPT, "%s: is missing" AKIN__WAY_OUT,
                            shown);
    if (!status) {
        akin__free(rows->file.path);
        rows->file.path = shown;
        shown = NULL;
    }
    akin__free(real);
    akin__free(shown);
    return status;
}

akin_status akin__rows_check_size(const struct akin__rows *rows,
                                  akin_error *err)
{
    uint64_t bytes;
    const akin_status status = akin__file_size(&rows->file, &bytes, err);
    if (status)
        return status;
    const uint64_t least = akin__row_offset(rows, rows->committed);
    if (bytes < least)
        return akin__fail(
            err, AKIN_ECORRUPT,
            "%s: has %llu bytes, %llu rows need %llu" AKIN__WAY_OUT,
            rows->file.path, (unsigned long long)bytes,
            (unsigned long long)rows->committed, (unsigned long long)least);
    return AKIN_OK;
}

akin_status akin__rows_open(struct akin__rows *rows, const akin_index *index,
                            size_t ordinal, bool write, akin_error *err)
{
    uint8_t header[AKIN__HEADER_BYTES], want[AKIN__HEADER_BYTES];
    akin_status status =
        open_file(rows, index, ordinal, write ? AKIN__WRITE : AKIN__READ, err);
    if (status)
        return status;
    AKIN_TRY(akin__rows_check_size(rows, err));
    AKIN_TRY(akin__file_read(&rows->file, header, sizeof header, 0, err));
    make_header(want, rows);
    AKIN_CHECK(memcmp(header, want, sizeof header) == 0, err, AKIN_ECORRUPT,
               "%s: its head is damaged or another model's" AKIN__WAY_OUT,
               rows->file.path);
out:
    if (status)
        akin__file_close(&rows->file);
    return status;
}

akin_status akin__rows_make(struct akin__rows *rows, const akin_index *index,
                            size_t ordinal, akin_error *err)
{
    uint8_t header[AKIN__HEADER_BYTES];
    akin_status status = open_file(rows, index, ordinal, AKIN__FRESH, err);
    if (status)
        return status;
    make_header(header, rows);
    AKIN_TRY(akin__file_write(&rows->file, header, sizeof header, 0, err));
    AKIN_TRY(akin__file_sync(&rows->file, err));
    AKIN_TRY(akin__codes_make(rows, index, ordinal, err));
    AKIN_TRY(akin__sync_folder(index->real, err));
out:
    if (status)
        akin__rows_close(rows);
    return status;
}

akin_status akin__rows_reach(struct akin__rows *rows, const akin_index *index,
                             size_t ordinal, bool write, akin_error *err)
{
    return open_file(rows, index, ordinal, write ? AKIN__WRITE : AKIN__READ,
                     err);
}

akin_status akin__rows_count(const struct akin__rows *rows, uint64_t *there,
                             akin_error *err)
{
    uint64_t bytes = 0;
    const akin_status status = akin__file_size(&rows->file, &bytes, err);
    *there = bytes < AKIN__HEADER_BYTES
                 ? 0
                 : (bytes - AKIN__HEADER_BYTES) / akin__row_bytes(rows);
    return status;
}

akin_status akin__rows_mend(const struct akin__rows *rows, akin_error *err)
{
    uint8_t header[AKIN__HEADER_BYTES];
    make_header(header, rows);
    const akin_status status =
        akin__file_write(&rows->file, header, sizeof header, 0, err);
    return status ? status : akin__file_sync(&rows->file, err);
}

void akin__rows_close(struct akin__rows *rows)
{
    akin__codes_close(rows);
    akin__file_close(&rows->file);
}

akin_status akin__rows_read(const struct akin__rows *rows, uint64_t first,
                            size_t count, float *floats, akin_error *err)
{
    const akin_status status =
        akin__file_read(&rows->file, floats, count * akin__row_bytes(rows),
                        akin__row_offset(rows, first), err);
    if (status == AKIN_EFORMAT && err)
        err->code = AKIN_ECORRUPT; /* it was long enough when it was opened */
    return status == AKIN_EFORMAT ? AKIN_ECORRUPT : status;
}

akin_status akin__rows_check(const struct akin__rows *rows, uint64_t row,
                             uint32_t crc, const float *floats, akin_error *err)
{
    if (akin__crc32(floats, akin__row_bytes(rows)) == crc)
        return AKIN_OK;
    return akin__fail(
        err, AKIN_ECORRUPT,
        "%s: damaged: row %llu has a wrong checksum" AKIN__WAY_OUT,
        rows->file.path, (unsigned long long)row);
}

akin_status akin__rows_finite(const struct akin__rows *rows,
                              const float *vector, akin_error *err)
{
    for (size_t i = 0; i < rows->is.dim; i++) {
        if (!isfinite(vector[i]))
            return akin__fail(err, AKIN_EMODEL,
                              "model %s: number %zu of a vector is not finite",
                              rows->is.name, i);
    }
    return AKIN_OK;
}

uint32_t akin__rows_crc(const struct akin__rows *rows, const float *vector)
{
    float unit[AKIN_MAX_DIM];
    akin__unit(vector, unit, rows->is.dim);
    return akin__crc32(unit, akin__row_bytes(rows));
}

akin_status akin__rows_append(struct akin__rows *rows, const float *vector,
                              uint64_t *row, uint32_t *crc, akin_error *err)
{
    float unit[AKIN_MAX_DIM];
    *row = rows->committed + rows->staged;
    if (*row >= MOST_ROWS)
        return akin__fail(err, AKIN_ELIMIT, "%s: has %llu rows (limit %lu)",
                          rows->file.path, (unsigned long long)*row,
                          (unsigned long)MOST_ROWS);
    akin__unit(vector, unit, rows->is.dim);
    *crc = akin__crc32(unit, akin__row_bytes(rows));
    akin_status status =
        akin__file_write(&rows->file, unit, akin__row_bytes(rows),
                         akin__row_offset(rows, *row), err);
    if (!status)
        status = akin__codes_append(rows, *row, unit, *crc, err);
    if (!status)
        rows->staged++;
    return status;
}
