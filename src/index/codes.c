/*
 * Codes: the file of one model's vectors as bytes, X.akin/codes-ORDINAL.u8: a
 * header of 64 bytes and then a record for each row (docs/format.md). A search
 * scans it in place of the rows, four times as long, and reads only the rows
 * that it cannot rule out.
 *
 * It says nothing that the rows do not. So a file that is missing, too short or
 * another model's is no error: readers do without, a writer makes it anew. But
 * one whose records are damaged would give other answers without a word, so
 * each record has a check, of a kind that costs less than reading it: a sum of
 * its bytes with weights that look random. The rows have their CRC-32 besides.
 */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "index/index.h"
#include "math/codes.h"

enum { CODES_VERSION = 1, TYPE_U8 = 2 };

static const char magic[8] = {'A', 'K', 'I', 'N', 'C', 'O', 'D', 'E'};

void akin__code_weights(const struct akin__rows *rows, int16_t *weights)
{
    const size_t bytes = akin__code_bytes(rows) - 4;
    for (uint32_t i = 0; i < akin__byte_span(bytes); i++)
        weights[i] =
            (int16_t)(i < bytes ? (int16_t)(akin__scatter(i) >> 16) | 1 : 0);
}

akin_status akin__code_damaged(const struct akin__rows *rows, uint64_t row,
                               akin_error *err)
{
    return akin__fail(
        err, AKIN_ECORRUPT,
        "%s: damaged: the codes of row %llu are not right" AKIN__WAY_OUT,
        rows->codes.path, (unsigned long long)row);
}

/* The check of a record. */
static uint32_t check_of(const uint8_t *record, size_t bytes,
                         const int16_t *weights, uint64_t row)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < bytes - sizeof(uint32_t); i++)
        sum += (uint32_t)(record[i] * weights[i]);
    return akin__code_check(sum, row);
}

/* The record of a row of floats `unit` with checksum `crc`. */
static void make_record(const struct akin__rows *rows, uint64_t row,
                        const float *unit, uint32_t crc, const int16_t *weights,
                        uint8_t *record)
{
    const size_t dim = rows->is.dim, bytes = akin__code_bytes(rows);
    struct akin__code_tail tail = {.crc = crc};
    float spread[AKIN_MAX_DIM];
    memcpy(spread, unit, dim * sizeof *spread);
    akin__spread(dim, spread);
    memset(record, 0, bytes);
    tail.scale = akin__encode(dim, spread, record);
    memcpy(record + bytes - sizeof tail, &tail, sizeof tail);
    tail.check = check_of(record, bytes, weights, row);
    memcpy(record + bytes - sizeof tail, &tail, sizeof tail);
}

/* ----------------------------------------------------------- file ------ */

static void make_header(uint8_t header[AKIN__HEADER_BYTES],
                        const struct akin__rows *rows)
{
    akin__rows_header(header, rows, magic, CODES_VERSION, TYPE_U8);
}

/* Open `folder`/codes-N.u8 and what follows, with the name for messages. */
static akin_status open_file(struct akin__rows *rows, const akin_index *index,
                             size_t ordinal, const char *ending,
                             enum akin__open_mode mode, akin_error *err)
{
    char *real =
        akin__format("%s/codes-%zu.u8%s", index->real, ordinal, ending);
    char *shown = akin__format("%s/codes-%zu.u8", index->path, ordinal);
    akin_status status = AKIN_OK;
    AKIN_CHECK(real && shown, err, AKIN_ENOMEM, "%s: no memory", index->path);
    AKIN_TRY(akin__file_open(&rows->codes, real, mode, err));
    akin__free(rows->codes.path);
    rows->codes.path = shown;
    shown = NULL;
out:
    akin__free(real);
    akin__free(shown);
    return status;
}

void akin__codes_close(struct akin__rows *rows)
{
    if (rows->codes.fd >= 0)
        akin__file_close(&rows->codes);
    rows->codes.fd = -1;
}

static akin_status begin_file(struct akin__rows *rows, akin_error *err)
{
    uint8_t header[AKIN__HEADER_BYTES];
    make_header(header, rows);
    return akin__file_write(&rows->codes, header, sizeof header, 0, err);
}

/* Whether the open file is this model's and has all committed rows. */
static akin_status check_file(const struct akin__rows *rows, bool *serves,
                              akin_error *err)
{
    uint8_t header[AKIN__HEADER_BYTES], want[AKIN__HEADER_BYTES];
    uint64_t bytes;
    *serves = false;
    akin_status status = akin__file_size(&rows->codes, &bytes, err);
    if (status || bytes < akin__code_offset(rows, rows->committed))
        return status;
    status = akin__file_read(&rows->codes, header, sizeof header, 0, err);
    make_header(want, rows);
    *serves = !status && memcmp(header, want, sizeof header) == 0;
    return status;
}

akin_status akin__codes_open(struct akin__rows *rows, const akin_index *index,
                             size_t ordinal, bool write, akin_error *err)
{
    bool serves = false;
    akin_status status = AKIN_OK;
    if (rows->codes.fd >= 0)
        AKIN_TRY(check_file(rows, &serves, err));
    if (serves)
        return AKIN_OK;
    akin__codes_close(rows);
    AKIN_TRY(open_file(rows, index, ordinal, "",
                       write ? AKIN__WRITE : AKIN__READ, err));
    AKIN_TRY(check_file(rows, &serves, err));
out:
    if (!serves)
        akin__codes_close(rows);
    return status == AKIN_ENOTFOUND ? AKIN_OK : status;
}

akin_status akin__codes_make(struct akin__rows *rows, const akin_index *index,
                             size_t ordinal, akin_error *err)
{
    akin_status status = open_file(rows, index, ordinal, "", AKIN__FRESH, err);
    if (!status)
        status = begin_file(rows, err);
    if (!status)
        status = akin__file_sync(&rows->codes, err);
    return status;
}

akin_status akin__codes_append(struct akin__rows *rows, uint64_t row,
                               const float *unit, uint32_t crc, akin_error *err)
{
    uint8_t record[AKIN_MAX_DIM + sizeof(struct akin__code_tail)];
    int16_t weights[AKIN_MAX_DIM + 32];
    if (rows->codes.fd < 0)
        return AKIN_OK;
    akin__code_weights(rows, weights);
    make_record(rows, row, unit, crc, weights, record);
    return akin__file_write(&rows->codes, record, akin__code_bytes(rows),
                            akin__code_offset(rows, row), err);
}

akin_status akin__codes_read(const struct akin__rows *rows, uint64_t first,
                             size_t count, uint8_t *records, akin_error *err)
{
    const akin_status status =
        akin__file_read(&rows->codes, records, count * akin__code_bytes(rows),
                        akin__code_offset(rows, first), err);
    if (status == AKIN_EFORMAT && err)
        err->code = AKIN_ECORRUPT; /* it was long enough when it was opened */
    return status == AKIN_EFORMAT ? AKIN_ECORRUPT : status;
}

akin_status akin__codes_hold(const struct akin__rows *rows, uint64_t row,
                             const float *unit, akin_error *err)
{
    uint8_t record[AKIN_MAX_DIM + sizeof(struct akin__code_tail)];
    uint8_t want[sizeof record];
    int16_t weights[AKIN_MAX_DIM + 32];
    const size_t bytes = akin__code_bytes(rows);
    if (rows->codes.fd < 0)
        return AKIN_OK;
    const akin_status status = akin__codes_read(rows, row, 1, record, err);
    if (status)
        return status;
    const struct akin__code_tail tail = akin__code_tail(record, bytes);
    akin__code_weights(rows, weights);
    memcpy(want, record, bytes);
    if (unit)
        make_record(rows, row, unit, akin__crc32(unit, akin__row_bytes(rows)),
                    weights, want);
    return tail.check == check_of(record, bytes, weights, row) &&
                   memcmp(record, want, bytes) == 0
               ? AKIN_OK
               : akin__code_damaged(rows, row, err);
}

/* --------------------------------------------------------- rebuild ----- */

enum { BLOCK_ROWS = 256 };

struct rebuild {
    struct akin__rows *rows;
    const struct akin__live_rows *live;
    int16_t weights[AKIN_MAX_DIM + 32];
    float *floats;    /* [threads][BLOCK_ROWS][dim] */
    uint8_t *records; /* [threads][BLOCK_ROWS][code bytes] */
};

/* A block of rows as records. Rows that a file has must be whole: what is made
 * of a damaged one would hide it. */
static akin_status rebuild_block(void *context, size_t item, int thread,
                                 akin_error *err)
{
    const struct rebuild *r = context;
    const size_t dim = r->rows->is.dim, bytes = akin__code_bytes(r->rows);
    const uint64_t first = item * BLOCK_ROWS;
    const uint64_t left = r->rows->committed - first;
    const size_t count = left < BLOCK_ROWS ? (size_t)left : BLOCK_ROWS;
    float *floats = r->floats + (size_t)thread * BLOCK_ROWS * dim;
    uint8_t *records = r->records + (size_t)thread * BLOCK_ROWS * bytes;
    size_t at = akin__live_first(r->live, first);
    akin_status status = akin__rows_read(r->rows, first, count, floats, err);
    for (size_t i = 0; i < count && !status; i++) {
        const float *row = floats + i * dim;
        const uint32_t crc = akin__crc32(row, dim * sizeof *row);
        for (; at < r->live->count && r->live->at[at].row == first + i; at++) {
            if (r->live->at[at].crc != crc)
                status = akin__rows_check(r->rows, first + i,
                                          r->live->at[at].crc, row, err);
        }
        make_record(r->rows, first + i, row, crc, r->weights,
                    records + i * bytes);
    }
    if (status)
        return status;
    return akin__file_write(&r->rows->codes, records, count * bytes,
                            akin__code_offset(r->rows, first), err);
}

static akin_status rebuild_all(struct akin__rows *rows,
                               const struct akin__live_rows *live,
                               akin_error *err)
{
    const int threads = akin__processors();
    struct rebuild r = {.rows = rows, .live = live};
    akin_status status = AKIN_OK;
    akin__code_weights(rows, r.weights);
    r.floats = akin__alloc((size_t)threads * BLOCK_ROWS, akin__row_bytes(rows));
    r.records =
        akin__alloc((size_t)threads * BLOCK_ROWS, akin__code_bytes(rows));
    AKIN_CHECK(r.floats && r.records, err, AKIN_ENOMEM,
               "no memory to make codes");
    AKIN_TRY(begin_file(rows, err));
    AKIN_TRY(akin__parallel(threads,
                            (rows->committed + BLOCK_ROWS - 1) / BLOCK_ROWS,
                            rebuild_block, &r, err));
    AKIN_TRY(akin__file_sync(&rows->codes, err));
out:
    akin__free(r.floats);
    akin__free(r.records);
    return status;
}

/* Under another name first: whoever reads the old one goes on with it. */
static akin_status rebuild(akin_index *index, size_t ordinal, const char *real,
                           const char *fresh, akin_error *err)
{
    struct akin__rows *rows = &index->write.model[ordinal];
    struct akin__live_rows live = {0};
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__live_read(index, &index->write, ordinal, NULL, &live, err));
    AKIN_TRY(open_file(rows, index, ordinal, ".new", AKIN__FRESH, err));
    AKIN_TRY(rebuild_all(rows, &live, err));
    AKIN_TRY(akin__rename(fresh, real, err));
    AKIN_TRY(akin__sync_folder(index->real, err));
out:
    akin__free(live.at);
    return status;
}

/*
 * A writer that cannot have codes (the disc is full, a row is damaged) goes on
 * without, but leaves no file behind: rows that it adds would meet what an
 * earlier one had not committed there.
 */
static akin_status restore(akin_index *index, size_t ordinal, akin_error *err)
{
    struct akin__rows *rows = &index->write.model[ordinal];
    akin_error why;
    akin_status status = AKIN_OK;
    char *real = akin__format("%s/codes-%zu.u8", index->real, ordinal);
    char *fresh = akin__format("%s/codes-%zu.u8.new", index->real, ordinal);
    AKIN_CHECK(real && fresh, err, AKIN_ENOMEM, "%s: no memory", index->path);
    if (rebuild(index, ordinal, real, fresh, &why)) {
        akin__codes_close(rows);
        AKIN_TRY(akin__remove(fresh, err));
        AKIN_TRY(akin__remove(real, err));
    }
out:
    akin__free(real);
    akin__free(fresh);
    return status;
}

akin_status akin__codes_remove(const akin_index *index, size_t ordinal,
                               akin_error *err)
{
    char *real = akin__format("%s/codes-%zu.u8", index->real, ordinal);
    const akin_status status =
        real ? akin__remove(real, err)
             : akin__fail(err, AKIN_ENOMEM, "%s: no memory", index->path);
    akin__free(real);
    return status;
}

akin_status akin__codes_restore(akin_index *index, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < index->write.models && !status; i++) {
        if (index->write.model[i].codes.fd < 0)
            status = restore(index, i, err);
    }
    return status;
}
