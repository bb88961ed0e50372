/*
 * fakerows: a CUDA plugin without CUDA, for test_card.c: rows are kept in
 * plain memory as bf16 and compared one by one. What is asked of it goes to the
 * file AKIN_FAKE_LOG, a line each: open MOST DIM, put COUNT, near QUERIES K.
 * More than AKIN_FAKE_ROWS rows are too many for it.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/cuda/plugin.h"

struct akin__cuda_rows {
    size_t most, dim, count;
    float *rows; /* [most][dim], each a bf16 */
    double error;
};

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    const char *path = getenv("AKIN_FAKE_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    va_list arguments;
    if (!log)
        return;
    va_start(arguments, format);
    vfprintf(log, format, arguments);
    va_end(arguments);
    fclose(log);
}

static akin_status fail(akin_error *err, akin_status code, const char *what)
{
    if (err) {
        err->code = code;
        snprintf(err->message, sizeof err->message, "%s", what);
    }
    return code;
}

static akin_status count_cards(int *cards, akin_error *err)
{
    (void)err;
    *cards = 1;
    return AKIN_OK;
}

static akin_status describe_card(int number, struct akin__cuda_card *card,
                                 akin_error *err)
{
    (void)err;
    *card = (struct akin__cuda_card){.number = number, .name = "made of C"};
    return AKIN_OK;
}

static void *pinned_alloc(size_t bytes)
{
    return malloc(bytes);
}

static akin_status rows_open(struct akin__cuda_rows **out, int card,
                             size_t most, size_t dim, akin_error *err)
{
    const char *limit = getenv("AKIN_FAKE_ROWS");
    struct akin__cuda_rows *rows = NULL;
    (void)card;
    tell("open %zu %zu\n", most, dim);
    if (!limit || most <= strtoul(limit, NULL, 10))
        rows = calloc(1, sizeof *rows);
    if (rows)
        rows->rows = calloc(most * dim, sizeof *rows->rows);
    if (!rows || !rows->rows)
        return fail(err, AKIN_ENOMEM, "the card has too little free memory");
    rows->most = most;
    rows->dim = dim;
    *out = rows;
    return AKIN_OK;
}

static void rows_close(struct akin__cuda_rows **rows)
{
    tell("close\n");
    free((*rows)->rows);
    free(*rows);
    *rows = NULL;
}

/* `from` [dim] as bf16s, and the length of what that took. */
static double narrow(const float *from, size_t dim, float *to)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++) {
        uint32_t bits;
        memcpy(&bits, &from[i], sizeof bits);
        bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
        memcpy(&to[i], &bits, sizeof bits);
        sum += ((double)from[i] - to[i]) * ((double)from[i] - to[i]);
    }
    return sqrt(sum);
}

static akin_status rows_put(struct akin__cuda_rows *rows, size_t count,
                            const float *vectors, akin_error *err)
{
    tell("put %zu\n", count);
    if (count > rows->most - rows->count)
        return fail(err, AKIN_EUSAGE, "more rows than were told");
    for (size_t i = 0; i < count; i++, rows->count++) {
        const double error = narrow(vectors + i * rows->dim, rows->dim,
                                    rows->rows + rows->count * rows->dim);
        rows->error = error > rows->error ? error : rows->error;
    }
    return AKIN_OK;
}

struct one {
    float score;
    uint32_t row;
};

static int by_score(const void *a, const void *b)
{
    const struct one *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

static size_t score_all(const struct akin__cuda_rows *rows, const float *query,
                        const uint32_t *mask, struct one *all)
{
    size_t count = 0;
    for (size_t row = 0; row < rows->count; row++) {
        float score = 0;
        if (mask && !(mask[row / 32] >> row % 32 & 1))
            continue;
        for (size_t i = 0; i < rows->dim; i++)
            score += query[i] * rows->rows[row * rows->dim + i];
        all[count++] = (struct one){score, (uint32_t)row};
    }
    qsort(all, count, sizeof *all, by_score);
    return count;
}

static akin_status rows_nearest(struct akin__cuda_rows *rows,
                                const float *queries, size_t count, size_t k,
                                const uint32_t *mask, uint32_t *place,
                                float *score, size_t *found, float *reach,
                                akin_error *err)
{
    struct one *all = calloc(rows->count + 1, sizeof *all);
    float *query = calloc(rows->dim, sizeof *query);
    tell("near %zu %zu%s\n", count, k, mask ? " of some" : "");
    if (!all || !query)
        return fail(err, AKIN_ENOMEM, "no memory");
    for (size_t q = 0; q < count; q++) {
        const double error = narrow(queries + q * rows->dim, rows->dim, query);
        const size_t there = score_all(rows, query, mask, all);
        reach[q] = (float)(1.01 * (error + rows->error) + 1e-4);
        found[q] = there < k ? there : k;
        for (size_t i = 0; i < found[q]; i++) { /* in any order */
            place[q * k + found[q] - 1 - i] = all[i].row;
            score[q * k + found[q] - 1 - i] = all[i].score;
        }
    }
    free(all);
    free(query);
    return AKIN_OK;
}

const struct akin__cuda_plugin *akin_cuda_plugin(void)
{
    static const struct akin__cuda_plugin plugin = {
        .abi = AKIN__CUDA_ABI,
        .count = count_cards,
        .card = describe_card,
        .pinned_alloc = pinned_alloc,
        .pinned_free = free,
        .rows_open = rows_open,
        .rows_close = rows_close,
        .rows_put = rows_put,
        .rows_nearest = rows_nearest};
    return &plugin;
}
