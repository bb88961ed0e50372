/* Vectors (vectors.h): which kind a file is, and rows in blocks. */
#include "index/vectors.h"

#include <math.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/memory.h"

enum {
    HEAD_BYTES = 128 << 10, /* looked at: the header of an npy fits */
    BLOCK_BYTES = 1 << 20   /* read at a time, or a row that is longer */
};

/* What else people name by mistake, by how it begins. */
static const struct {
    const char *begins, *is;
} foreign[] = {
    {"version https://git-lfs",
     "is a git-lfs pointer, not the file itself; `git lfs pull` brings it"},
    {"PK\x03\x04", "is a zip archive (npz?); np.save writes an npy"},
    {"SQLite format 3", "is an SQLite database"},
    {"\x89HDF", "is an HDF5 file; np.save writes an npy"},
    {"PAR1", "is a Parquet file; np.save writes an npy"},
    {"\x80\x04", "is a Python pickle; np.save writes an npy"},
};

static akin_status refuse(const char *path, const uint8_t *head, size_t count,
                          akin_error *err)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        const size_t length = strlen(foreign[i].begins);
        if (count >= length && memcmp(head, foreign[i].begins, length) == 0)
            return akin__fail(err, AKIN_EFORMAT, "%s: %s", path, foreign[i].is);
    }
    return akin__fail(err, AKIN_EFORMAT,
                      "%s: %s no FAISS index, no npy, no JSON lines and no CSV "
                      "that begins with \"path,\"; it begins with \"%.*s\"",
                      path, count ? "is" : "is empty, so",
                      (int)(count < 12 ? count : 12), (const char *)head);
}

/* Every kind begins with I and one of these; a machine of the other byte order
 * turns the four letters round. */
static bool is_faiss(const uint8_t *head, size_t count)
{
    static const char second[] = "xHwvVMPSNBRLsm";
    return count >= 4 &&
           ((head[0] == 'I' && head[1] && strchr(second, head[1])) ||
            (head[3] == 'I' && head[2] && strchr("xHw", head[2])));
}

static bool begins(const uint8_t *head, size_t count, const char *with)
{
    const size_t length = strlen(with);
    return count >= length && memcmp(head, with, length) == 0;
}

/* `head` [count] is what the file at `path` begins with. */
static akin_status open_kind(struct akin__vectors *v, const char *path,
                             const uint8_t *head, size_t count, uint64_t size,
                             akin_error *err)
{
    const bool marked = begins(head, count, "\xef\xbb\xbf");
    const uint8_t *text = marked ? head + 3 : head;
    const size_t length = marked ? count - 3 : count;
    if (begins(head, count, "\x93NUMPY"))
        return akin__npy_open(v, head, count, size, err);
    if (begins(text, length, "{"))
        return akin__jsonl_open(v, path, err);
    if (begins(text, length, "path,") || begins(text, length, "\"path\","))
        return akin__csv_open(v, path, err);
    if (is_faiss(head, count))
        return akin__faiss_open(v, head, count, size, err);
    return refuse(path, head, count, err);
}

akin_status akin__vectors_open(struct akin__vectors *v, const char *path,
                               akin_error *err)
{
    struct stat st;
    uint64_t size;
    uint8_t *head = akin__alloc(HEAD_BYTES, 1);
    akin_status status = AKIN_OK;
    memset(v, 0, sizeof *v);
    v->file.fd = v->lines.file.fd = -1;
    AKIN_CHECK(head, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(akin__stat(path, &st, err));
    AKIN_CHECK(!S_ISDIR(st.st_mode), err, AKIN_EIO, "%s: is a folder", path);
    AKIN_CHECK(S_ISREG(st.st_mode), err, AKIN_EIO, "%s: is no regular file",
               path);
    AKIN_TRY(akin__file_open(&v->file, path, AKIN__READ, err));
    AKIN_TRY(akin__file_size(&v->file, &size, err));
    const size_t count = size < HEAD_BYTES ? (size_t)size : HEAD_BYTES;
    AKIN_TRY(akin__file_read(&v->file, head, count, 0, err));
    AKIN_TRY(open_kind(v, path, head, count, size, err));
out:
    akin__free(head);
    if (status)
        akin__vectors_close(v);
    return status;
}

void akin__vectors_close(struct akin__vectors *v)
{
    akin__file_close(&v->file);
    akin__lines_close(&v->lines);
    akin__free(v->block);
    akin__free(v->path);
    akin__free(v->model);
    v->block = NULL;
    v->path = v->model = NULL;
}

void akin__vectors_rewind(struct akin__vectors *v)
{
    v->next = 0;
    if (v->named)
        akin__lines_rewind(&v->lines);
}

size_t akin__vectors_row_bytes(const struct akin__vectors *v)
{
    static const size_t bytes[] = {
        [AKIN__F32] = 4, [AKIN__F64] = 8, [AKIN__F16] = 2};
    return v->dim * bytes[v->number];
}

akin_status akin__vectors_check_dim(const char *path, uint64_t dim,
                                    akin_error *err)
{
    return dim >= 1 && dim <= AKIN_MAX_DIM
               ? AKIN_OK
               : akin__fail(err, AKIN_EFORMAT,
                            "%s: its vectors have %llu numbers (1 to %d)", path,
                            (unsigned long long)dim, AKIN_MAX_DIM);
}

/* ------------------------------------------------------------- rows ------ */

/* Half precision: 1 bit sign, 5 exponent, 10 mantissa. */
static float from_half(uint32_t half)
{
    const uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;
    double value = exponent == 31  ? (mantissa ? NAN : INFINITY)
                   : exponent == 0 ? ldexp(mantissa, -24)
                                   : ldexp(mantissa + 1024, (int)exponent - 25);
    return (float)(half >> 15 ? -value : value);
}

static float number_at(const struct akin__vectors *v, const uint8_t *at)
{
    float single;
    double wide;
    uint64_t bits;
    uint32_t few;
    switch (v->number) {
    case AKIN__F64:
        bits = akin__load_le64(at);
        memcpy(&wide, &bits, sizeof wide);
        return (float)wide; /* too large for a float: infinite, and refused */
    case AKIN__F16:
        return from_half((uint32_t)at[0] | (uint32_t)at[1] << 8);
    default:
        few = akin__load_le32(at);
        memcpy(&single, &few, sizeof single);
        return single;
    }
}

/* The block that begins with the next row. */
static akin_status read_block(struct akin__vectors *v, akin_error *err)
{
    const size_t bytes = akin__vectors_row_bytes(v);
    const size_t most = bytes < BLOCK_BYTES ? BLOCK_BYTES / bytes : 1;
    const uint64_t left = v->rows - v->next;
    const size_t count = left < most ? (size_t)left : most;
    if (!v->block)
        v->block = akin__alloc(most, bytes);
    if (!v->block)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", v->file.path);
    v->block_at = v->next;
    v->block_to = v->next; /* until it is read */
    const akin_status status = akin__file_read(
        &v->file, v->block, count * bytes, v->data + v->next * bytes, err);
    if (!status)
        v->block_to = v->next + count;
    return status;
}

static akin_status array_next(struct akin__vectors *v, float *vector, bool *row,
                              akin_error *err)
{
    const size_t bytes = akin__vectors_row_bytes(v);
    *row = v->next < v->rows;
    if (!*row)
        return AKIN_OK;
    if (!v->block || v->next < v->block_at || v->next >= v->block_to) {
        const akin_status status = read_block(v, err);
        if (status)
            return status;
    }
    const uint8_t *at = v->block + (size_t)(v->next - v->block_at) * bytes;
    for (size_t i = 0; i < v->dim; i++)
        vector[i] = number_at(v, at + i * (bytes / v->dim));
    return AKIN_OK;
}

static akin_status check_row(const struct akin__vectors *v, const float *vector,
                             akin_error *err)
{
    const char *path = v->named ? v->lines.file.path : v->file.path;
    bool zero = true;
    for (size_t i = 0; i < v->dim; i++) {
        if (!isfinite(vector[i]))
            return akin__fail(err, AKIN_EFORMAT,
                              "%s: row %llu (the first is 0) has a number that "
                              "is not finite, at %zu",
                              path, (unsigned long long)v->next, i);
        zero = zero && vector[i] == 0;
    }
    return zero ? akin__fail(err, AKIN_EFORMAT,
                             "%s: row %llu (the first is 0) is all zeros and "
                             "has no direction",
                             path, (unsigned long long)v->next)
                : AKIN_OK;
}

akin_status akin__vectors_next(struct akin__vectors *v, float *vector,
                               const char **path, bool *row, akin_error *err)
{
    akin_status status = v->named ? akin__text_next(v, vector, row, err)
                                  : array_next(v, vector, row, err);
    if (status || !*row)
        return status;
    status = check_row(v, vector, err);
    v->next++;
    *path = v->path;
    return status;
}
