/*
 * FAISS's files, as faiss/impl/index_write.cpp writes them on a little-endian
 * machine: four letters, a header, and for a flat index the count of floats and
 * these. An IDMap is a header around another index and 64-bit ids behind it.
 */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/memory.h"
#include "index/vectors.h"

enum { INNER_PRODUCT = 0, L2 = 1 };

/* Kinds that hold no plain rows, by their first letters, longest first. */
static const struct {
    const char *letters, *is;
} others[] = {
    {"IxFl", "a flat index of another metric than L2 and inner product"},
    {"IxPT", "an IndexPreTransform"},
    {"IxPq", "an IndexPQ"},
    {"IxSQ", "an IndexScalarQuantizer"},
    {"IxHe", "an IndexLSH"},
    {"IxRF", "an IndexRefine"},
    {"IxRP", "an index of residual quantizers"},
    {"IxF", "a flat index of a kind that akin does not know"},
    {"IHN", "an HNSW graph"},
    {"IHn", "an HNSW graph"},
    {"Iw", "an inverted-file index (IVF)"},
    {"Iv", "an inverted-file index (IVF)"},
    {"IB", "a binary index"},
    {"IN", "a graph index"},
    {"", "a kind of index that akin does not know"},
};

struct head {
    char letters[5];
    uint32_t dim, metric;
    uint64_t rows;
};

/* The header that every index begins with. */
static void take_head(struct akin__cursor *c, struct head *head)
{
    const uint8_t *letters = akin__take(c, 4);
    memset(head, 0, sizeof *head);
    if (letters)
        memcpy(head->letters, letters, 4);
    head->dim = akin__take_uint(c, 4, false);
    head->rows = akin__take_le64(c);
    akin__take(c, 2 * 8 + 1); /* two that are unused, and "trained" */
    head->metric = akin__take_uint(c, 4, false);
}

static bool is(const struct head *head, const char *letters)
{
    return memcmp(head->letters, letters, 4) == 0;
}

static akin_status refuse(const struct akin__vectors *v, const char *letters,
                          akin_error *err)
{
    size_t i = 0;
    if (letters[3] == 'I')
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: is a FAISS index of a big-endian machine; write "
                          "it again on a little-endian one",
                          v->file.path);
    while (others[i].letters[0] &&
           strncmp(letters, others[i].letters, strlen(others[i].letters)))
        i++;
    return akin__fail(
        err, AKIN_EFORMAT,
        "%s: is a FAISS index %s, %s; akin reads flat ones (IxF2, "
        "IxFI) and an IDMap over them; np.save of "
        "index.reconstruct_n(0, index.ntotal) gives an npy",
        v->file.path, letters, others[i].is);
}

/* Flat rows, and in *end where they do. */
static akin_status take_flat(struct akin__vectors *v, struct akin__cursor *c,
                             const uint8_t *start, const struct head *head,
                             uint64_t size, uint64_t *end, akin_error *err)
{
    const char *path = v->file.path;
    const uint64_t floats = akin__take_le64(c);
    size_t count, bytes;
    if (c->bad)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: is cut short: %llu bytes hold no whole header "
                          "of FAISS",
                          path, (unsigned long long)size);
    const akin_status status = akin__vectors_check_dim(path, head->dim, err);
    if (status)
        return status;
    v->data = (uint64_t)(c->at - start);
    if (head->rows > INT64_MAX ||
        !akin__mul_ok(head->rows, head->dim, &count) ||
        !akin__mul_ok(count, 4, &bytes) || !akin__add_ok(bytes, v->data, end) ||
        *end > size)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: is cut short, or no true header: %llu rows of "
                          "%lu floats do not fit in its %llu bytes",
                          path, (unsigned long long)head->rows,
                          (unsigned long)head->dim, (unsigned long long)size);
    if (floats != count)
        return akin__fail(
            err, AKIN_EFORMAT, "%s: says %llu floats, and %llu rows of %lu",
            path, (unsigned long long)floats, (unsigned long long)head->rows,
            (unsigned long)head->dim);
    if (head->metric != (is(head, "IxFI") ? INNER_PRODUCT : L2))
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: is %s with metric %lu, which do not agree", path,
                          head->letters, (unsigned long)head->metric);
    v->dim = head->dim;
    v->rows = head->rows;
    return AKIN_OK;
}

/*
 * What the ids are for is not known, and row i has line i of the list whatever
 * its id. Only where all are numbers of lines, in another order, would that be
 * wrong without anybody seeing it: akin's own ids begin with 1, so that the
 * last is beyond the lines.
 */
static akin_status check_ids(const struct akin__vectors *v, uint64_t from,
                             akin_error *err)
{
    uint8_t block[4096];
    bool lines = true, moved = false;
    for (uint64_t at = 0; at < v->rows && lines; at += sizeof block / 8) {
        const uint64_t left = v->rows - at;
        const size_t count =
            left < sizeof block / 8 ? (size_t)left : sizeof block / 8;
        const akin_status status =
            akin__file_read(&v->file, block, count * 8, from + at * 8, err);
        if (status)
            return status;
        for (size_t i = 0; i < count; i++) {
            const uint64_t id = akin__load_le64(block + 8 * i);
            lines = lines && id < v->rows;
            moved = moved || id != at + i;
        }
    }
    return lines && moved
               ? akin__fail(err, AKIN_EFORMAT,
                            "%s: its ids are the numbers 0 to %llu in another "
                            "order than the rows; write the list of paths in "
                            "the order of the rows, and the index without ids",
                            v->file.path, (unsigned long long)v->rows - 1)
               : AKIN_OK;
}

/* The ids behind the rows, which end the file. */
static akin_status take_ids(struct akin__vectors *v, uint64_t from,
                            uint64_t size, akin_error *err)
{
    uint8_t bytes[8];
    if (size - from < 8 || (size - from) % 8 ||
        (size - from) / 8 - 1 != v->rows)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: is cut short, or no IDMap: %llu bytes behind "
                          "its %llu rows",
                          v->file.path, (unsigned long long)(size - from),
                          (unsigned long long)v->rows);
    const akin_status status =
        akin__file_read(&v->file, bytes, sizeof bytes, from, err);
    if (status)
        return status;
    if (akin__load_le64(bytes) != v->rows)
        return akin__fail(err, AKIN_EFORMAT, "%s: has %llu ids for %llu rows",
                          v->file.path,
                          (unsigned long long)akin__load_le64(bytes),
                          (unsigned long long)v->rows);
    return check_ids(v, from + 8, err);
}

akin_status akin__faiss_open(struct akin__vectors *v, const uint8_t *head,
                             size_t count, uint64_t size, akin_error *err)
{
    struct akin__cursor c = akin__cursor(head, count);
    struct head outer, inner;
    uint64_t end = 0;
    take_head(&c, &outer);
    inner = outer;
    const bool mapped = is(&outer, "IxMp") || is(&outer, "IxM2");
    if (mapped)
        take_head(&c, &inner);
    if (!is(&inner, "IxF2") && !is(&inner, "IxFI") && *inner.letters)
        return refuse(v, inner.letters, err);
    v->format = "faiss";
    v->number = AKIN__F32;
    akin_status status = take_flat(v, &c, head, &inner, size, &end, err);
    if (status)
        return status;
    if (mapped && (outer.dim != inner.dim || outer.rows != inner.rows))
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: its IDMap has %llu rows of %lu, the index in it "
                          "%llu of %lu",
                          v->file.path, (unsigned long long)outer.rows,
                          (unsigned long)outer.dim,
                          (unsigned long long)inner.rows,
                          (unsigned long)inner.dim);
    if (mapped)
        return take_ids(v, end, size, err);
    return end == size
               ? AKIN_OK
               : akin__fail(err, AKIN_EFORMAT,
                            "%s: has %llu bytes behind its rows: it is "
                            "no whole FAISS index, or more than one",
                            v->file.path, (unsigned long long)(size - end));
}
