/*
 * Fuzz: any bytes as a file of vectors: FAISS, npy, JSON lines or CSV, opened
 * and read to its end. libFuzzer; built with -Dfuzz=true. Rows come out whole
 * or not at all.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "index/vectors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_row(const struct akin__vectors *v, const float *vector,
                      const char *path)
{
    float largest = 0;
    for (size_t i = 0; i < v->dim; i++) {
        if (!isfinite(vector[i]))
            abort();
        largest = fmaxf(largest, fabsf(vector[i]));
    }
    if (largest == 0 || v->named != (path != NULL) || (path && !*path))
        abort();
}

/* How many rows there are until the end or the first that is wrong. */
static uint64_t read_all(struct akin__vectors *v)
{
    static float vector[AKIN_MAX_DIM];
    uint64_t rows = 0;
    const char *path = NULL;
    bool row = true;
    akin_error err;
    akin_status status;
    while (!(status = akin__vectors_next(v, vector, &path, &row, &err)) &&
           row) {
        check_row(v, vector, path);
        rows++;
    }
    if (status ? err.code != status || !err.message[0]
               : v->rows && rows != v->rows)
        abort();
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static char path[] = "/tmp/akin-fuzz-XXXXXX";
    static struct akin__file file = {.fd = -1};
    struct akin__vectors vectors;
    akin_error err;
    if (file.fd < 0) {
        close(mkstemp(path));
        if (akin__file_open(&file, path, AKIN__CREATE, NULL))
            abort();
    }
    if (akin__file_truncate(&file, 0, NULL) ||
        akin__file_write(&file, bytes, count, 0, NULL))
        abort();
    if (akin__vectors_open(&vectors, path, &err))
        return 0;
    if (vectors.dim < 1 || vectors.dim > AKIN_MAX_DIM)
        abort();
    const uint64_t rows = read_all(&vectors);
    akin__vectors_rewind(&vectors);
    if (read_all(&vectors) != rows)
        abort();
    akin__vectors_close(&vectors);
    return 0;
}
