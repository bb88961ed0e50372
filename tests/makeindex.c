/*
 * makeindex: an index of made vectors, for tests that compare akin's index
 * with numpy and FAISS.
 *
 *   makeindex make INDEX VECTORS ROWS DIM   float32 rows from a raw file; row
 *                                           N becomes the file "N.jpg" beside
 *                                           the index, as model "made"
 *   makeindex search INDEX QUERIES DIM K [HOW]
 *                                           a line for each query in the raw
 *                                           file: path, tab, cosine, ...
 *                                           HOW: usual, exact (float32 alone),
 *                                           codes (whatever pays), many (all
 *                                           queries at once), codes-many
 *   makeindex export INDEX FORMAT FILE      FORMAT: faiss, npy or jsonl
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

static int fail(const akin_error *err)
{
    fprintf(stderr, "makeindex: %s\n", err->message);
    return 1;
}

static akin_status add_rows(akin_index *index, const char *raw, size_t rows,
                            size_t dim, akin_error *err)
{
    float vector[AKIN_MAX_DIM];
    const float *vectors[1] = {vector};
    struct akin__file file;
    akin_status status = akin__file_open(&file, raw, AKIN__READ, err);
    for (size_t i = 0; i < rows && !status; i++) {
        struct akin__entry entry = {.bytes = i, .format = "jpeg"};
        char *path = akin__format("%s/%zu.jpg", index->base, i);
        memcpy(entry.content, &i, sizeof i);
        status = akin__file_read(&file, vector, dim * sizeof(float),
                                 i * dim * sizeof(float), err);
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
                                         .exact = !strcmp(how, "exact")};
    const bool many = strstr(how, "many") != NULL;
    akin_index *index;
    akin_error err;
    uint8_t *queries;
    size_t bytes;
    if (akin_index_open(&index, path, AKIN_INDEX_READ, &err) ||
        akin__read_file(raw, UINT32_MAX, &queries, &bytes, NULL, &err))
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
    free(matches);
    free(found);
    akin__free(queries);
    akin_index_close(&index);
    return 0;
}

static int export(const char *path, const char *format, const char *file)
{
    akin_index *index;
    akin_error err;
    const akin_export_format which =
        strcmp(format, "faiss") == 0 ? AKIN_EXPORT_FAISS
        : strcmp(format, "npy") == 0 ? AKIN_EXPORT_NPY
                                     : AKIN_EXPORT_JSONL;
    akin_status status = akin_index_open(&index, path, AKIN_INDEX_READ, &err);
    if (!status)
        status = akin_index_export(index, "made", which, file, &err);
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
    if (argc == 5 && strcmp(argv[1], "export") == 0)
        return export(argv[2], argv[3], argv[4]);
    fprintf(stderr, "makeindex: see the top of makeindex.c\n");
    return 2;
}
