/*
 * makeindex: an index of made vectors, for tests that compare akin's index
 * with numpy and FAISS.
 *
 *   makeindex make INDEX VECTORS ROWS DIM   float32 rows from a raw file; row
 *                                           N becomes the file "N.jpg" beside
 *                                           the index, as model "made"; its
 *                                           hash are the row's first 32 bytes.
 *                                           Where the file ends it begins again
 *                                           with each row turned by one number
 *   makeindex search INDEX QUERIES DIM K [HOW]
 *                                           a line for each query in the raw
 *                                           file: path, tab, cosine, ...
 *                                           HOW: usual, exact (float32 alone),
 *                                           codes (whatever pays), many (all
 *                                           queries at once), codes-many, card
 *                                           and card-many (device cuda); on
 *                                           stderr what opening took, each
 *                                           search, and the most memory
 *   makeindex pairs INDEX THRESHOLD [ROOM]  a line for each pair of rows of
 *                                           that cosine or more: row, row,
 *                                           cosine
 *   makeindex export INDEX FORMAT FILE      FORMAT: as akin export's
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"
#include "index/pairs.h"

static int fail(const akin_error *err)
{
    fprintf(stderr, "makeindex: %s\n", err->message);
    return 1;
}

/* Row `i` of all that the raw file stands for. */
static akin_status read_row(const struct akin__file *raw, size_t i, size_t dim,
                            float *row, akin_error *err)
{
    float read[AKIN_MAX_DIM];
    uint64_t bytes;
    akin_status status = akin__file_size(raw, &bytes, err);
    const size_t rows = (size_t)(bytes / dim / sizeof *row);
    if (!status && !rows)
        return akin__fail(err, AKIN_EFORMAT, "%s: has no row", raw->path);
    if (!status)
        status = akin__file_read(raw, read, dim * sizeof *row,
                                 i % rows * dim * sizeof *row, err);
    for (size_t j = 0; j < dim && !status; j++)
        row[(j + i / rows) % dim] = read[j];
    return status;
}

static akin_status add_rows(akin_index *index, const char *raw, size_t rows,
                            size_t dim, akin_error *err)
{
    float vector[AKIN_MAX_DIM];
    const float *vectors[1] = {vector};
    struct akin__file file;
    akin_status status = akin__file_open(&file, raw, AKIN__READ, err);
    for (size_t i = 0; i < rows && !status; i++) {
        struct akin__entry entry = {
            .bytes = i, .format = "jpeg", .looked = true};
        char *path = akin__format("%s/%zu.jpg", index->base, i);
        memcpy(entry.content, &i, sizeof i);
        status = read_row(&file, i, dim, vector, err);
        memcpy(entry.hash, vector,
               dim < 8 ? dim * sizeof(float) : sizeof entry.hash);
        if (!status)
            status = akin__index_put(index, path, &entry, vectors, 1, 0, err);
        if (!status && i % 10000 == 9999)
            status = akin__index_commit(index, err);
        akin__free(path);
    }
    akin__file_close(&file);
    return status ? status : akin__index_commit(index, err);
}

static int make(const char *path, const char *raw, size_t rows, size_t dim)
{
    char fingerprint[65];
    memset(fingerprint, '7', 64);
    fingerprint[64] = 0;
    const akin_index_model is = {.name = "made",
                                 .folder = "/made",
                                 .revision = "",
                                 .family = "clip",
                                 .pool = "cls",
                                 .fingerprint = fingerprint,
                                 .dim = (uint32_t)dim};
    akin_index *index;
    akin_error err;
    size_t ordinal;
    akin_status status = akin_index_open(&index, path, AKIN_INDEX_CREATE, &err);
    if (!status)
        status = akin__index_model_as(index, &is, (struct akin__making){0},
                                      &ordinal, &err);
    if (!status)
        status = add_rows(index, raw, rows, dim, &err);
    akin_index_close(&index);
    return status ? fail(&err) : 0;
}

static void print_matches(const akin_match *matches, size_t found)
{
    for (size_t i = 0; i < found; i++)
        printf("%s\t%.9f%c", matches[i].path, matches[i].cosine,
               i + 1 < found ? '\t' : '\n');
}

static int search(const char *path, const char *raw, size_t dim, size_t k,
                  const char *how)
{
    const akin_search_options options = {.size = sizeof options,
                                         .exact = !strcmp(how, "exact"),
                                         .device = strstr(how, "card") ? "cuda"
                                                                       : NULL};
    const bool many = strstr(how, "many") != NULL;
    const double opened = akin__seconds();
    akin_index *index;
    akin_index_info info;
    akin_error err;
    uint8_t *queries;
    size_t bytes;
    if (akin_index_open(&index, path, AKIN_INDEX_READ, &err) ||
        akin_index_describe(index, &info, &err))
        return fail(&err);
    fprintf(stderr, "%.1f ms\n", 1e3 * (akin__seconds() - opened));
    if (akin__read_file(raw, UINT32_MAX, &queries, &bytes, NULL, &err))
        return fail(&err);
    const size_t count = bytes / dim / sizeof(float);
    const size_t step = many ? count : 1;
    akin_match *matches = calloc(step * k, sizeof *matches);
    size_t *found = calloc(step, sizeof *found);
    for (size_t at = 0; at < count; at += step) {
        const float *vectors = (const float *)(void *)queries + at * dim;
        const double start = akin__seconds();
        if (strstr(how, "codes")
                ? akin__search(index, "made", vectors, step, k, &options, 0,
                               matches, found, &err)
                : akin_index_search_many(index, "made", vectors, step, k,
                                         &options, matches, found, &err))
            return fail(&err);
        fprintf(stderr, "%.1f ms\n", 1e3 * (akin__seconds() - start));
        for (size_t i = 0; i < step; i++)
            print_matches(matches + i * k, found[i]);
    }
    fprintf(stderr, "%llu bytes\n", (unsigned long long)akin__peak_memory());
    free(matches);
    free(found);
    akin__free(queries);
    akin_index_close(&index);
    return 0;
}

static akin_status
print_pairs(void *context, const struct akin__near_rows *near, akin_error *err)
{
    const struct akin__pairs *pairs = context;
    float row[AKIN_MAX_DIM];
    for (size_t i = 0; i < near->count; i++) {
        const akin_status status =
            akin__row_list_read(pairs->list, near->b[i], 1, row, err);
        if (status)
            return status;
        const double cosine =
            akin_cosine(near->row, row, pairs->list->rows.is.dim);
        if (cosine >= pairs->threshold)
            printf("%lu\t%lu\t%.9f\n", (unsigned long)pairs->list->row[near->a],
                   (unsigned long)pairs->list->row[near->b[i]], cosine);
    }
    return AKIN_OK;
}

static int pairs(const char *path, double threshold, size_t room)
{
    akin_index *index;
    akin_error err;
    struct akin__row_list list;
    struct akin__pairs pairs = {.list = &list,
                                .threshold = threshold,
                                .room = room,
                                .visit = print_pairs};
    pairs.context = &pairs;
    if (akin_index_open(&index, path, AKIN_INDEX_READ, &err) ||
        akin__read_begin(index, &err) || akin__live_load(index, 0, &err) ||
        akin__row_list_open(&list, index, 0, &err))
        return fail(&err);
    akin__read_end(index);
    const double start = akin__seconds();
    if (akin__pairs(&pairs, &err))
        return fail(&err);
    fprintf(stderr, "%.3f s\n", akin__seconds() - start);
    akin__row_list_close(&list);
    akin_index_close(&index);
    return 0;
}

static int export(const char *path, const char *format, const char *file)
{
    akin_index *index;
    akin_error err;
    static const char *const names[] = {
        [AKIN_EXPORT_FAISS] = "faiss",
        [AKIN_EXPORT_NPY] = "npy",
        [AKIN_EXPORT_JSONL] = "jsonl",
        [AKIN_EXPORT_CSV] = "csv",
        [AKIN_EXPORT_FAISS_IP] = "faiss-ip",
        [AKIN_EXPORT_FAISS_IDMAP] = "faiss-idmap",
        [AKIN_EXPORT_FAISS_IP_IDMAP] = "faiss-ip-idmap",
    };
    int which = sizeof names / sizeof *names;
    while (which && strcmp(names[--which], format))
        ;
    akin_status status = akin_index_open(&index, path, AKIN_INDEX_READ, &err);
    if (!status)
        status = akin_index_export(index, "made", (akin_export_format)which,
                                   file, &err);
    akin_index_close(&index);
    return status ? fail(&err) : 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "make") == 0)
        return make(argv[2], argv[3], strtoul(argv[4], NULL, 10),
                    strtoul(argv[5], NULL, 10));
    if ((argc == 6 || argc == 7) && strcmp(argv[1], "search") == 0)
        return search(argv[2], argv[3], strtoul(argv[4], NULL, 10),
                      strtoul(argv[5], NULL, 10),
                      argc == 7 ? argv[6] : "usual");
    if (argc >= 4 && strcmp(argv[1], "pairs") == 0)
        return pairs(argv[2], strtod(argv[3], NULL),
                     argc > 4 ? strtoul(argv[4], NULL, 10) : 0);
    if (argc == 5 && strcmp(argv[1], "export") == 0)
        return export(argv[2], argv[3], argv[4]);
    fprintf(stderr, "makeindex: see the top of makeindex.c\n");
    return 2;
}
