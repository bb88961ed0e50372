/*
 * Perceptual hash, built as PDQ is (Facebook, "The TMK+PDQF Video-Hashing
 * Algorithm and the PDQ Image-Hashing Algorithm", 2019): luma, averaged to 64 x
 * 64 cells, its 16 x 16 lowest frequencies but the constant ones by DCT-II, and
 * of each whether it is above their median. PDQ averages twice with a wider
 * window, so that its hashes differ by some bits (tests/phash_test.py).
 *
 * Of a large cell 8 x 8 pixels are looked at, spread evenly: a picture of 12
 * megapixels costs as much as one of 0.26.
 */
#include "image/phash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 64, KEPT = 16, SAMPLES = 8 };

/* Deviations of luma below this are rounding, not structure. */
#define LEAST_DEVIATION 0.5f

/* The pixels of a cell in one direction: at least one. */
struct span {
    size_t from, to, step;
};

static struct span span_of(size_t cell, size_t length)
{
    struct span s = {cell * length / CELLS, (cell + 1) * length / CELLS, 0};
    if (s.to <= s.from)
        s.to = s.from + 1;
    s.step = (s.to - s.from) / SAMPLES;
    if (s.step == 0)
        s.step = 1;
    return s;
}

static size_t count_of(const struct span *s)
{
    return (s->to - s->from + s->step - 1) / s->step;
}

/* What each byte adds to luma. Rec. 601, as PDQ and JPEG have it. */
struct luma {
    float red[256], green[256], blue[256];
};

static void fill_luma(struct luma *luma)
{
    for (int byte = 0; byte < 256; byte++) {
        luma->red[byte] = 0.299f * (float)byte;
        luma->green[byte] = 0.587f * (float)byte;
        luma->blue[byte] = 0.114f * (float)byte;
    }
}

/* The mean luma of each cell of a row, summed pixel after pixel and line after
 * line. */
static void fill_row(const akin_image *image, const struct luma *luma,
                     const struct span *rows, const struct span *columns,
                     float *cells)
{
    memset(cells, 0, CELLS * sizeof *cells);
    for (size_t y = rows->from; y < rows->to; y += rows->step) {
        const uint8_t *line = image->pixels + y * image->stride;
        for (size_t j = 0; j < CELLS; j++) {
            float sum = cells[j];
            for (size_t x = columns[j].from; x < columns[j].to;
                 x += columns[j].step) {
                const uint8_t *rgb = line + 3 * x;
                sum += luma->red[rgb[0]] + luma->green[rgb[1]] +
                       luma->blue[rgb[2]];
            }
            cells[j] = sum;
        }
    }
    for (size_t j = 0; j < CELLS; j++)
        cells[j] /= (float)(count_of(rows) * count_of(&columns[j]));
}

static void fill_cells(const akin_image *image, float cells[CELLS][CELLS])
{
    struct luma luma;
    struct span columns[CELLS];
    fill_luma(&luma);
    for (size_t j = 0; j < CELLS; j++)
        columns[j] = span_of(j, image->width);
    for (size_t i = 0; i < CELLS; i++) {
        const struct span rows = span_of(i, image->height);
        fill_row(image, &luma, &rows, columns, cells[i]);
    }
}

/* Whether the cells [CELLS][CELLS] differ by more than rounding. */
static int has_structure(float cells[CELLS][CELLS])
{
    double sum = 0, squares = 0;
    const double count = CELLS * CELLS;
    for (size_t i = 0; i < CELLS; i++) {
        for (size_t j = 0; j < CELLS; j++) {
            sum += (double)cells[i][j];
            squares += (double)cells[i][j] * (double)cells[i][j];
        }
    }
    const double variance = squares / count - sum / count * (sum / count);
    return variance > (double)(LEAST_DEVIATION * LEAST_DEVIATION);
}

/* cosine[i][x] of frequency i + 1 at cell x. */
static void fill_cosines(float cosine[KEPT][CELLS])
{
    const double pi = 3.14159265358979323846;
    for (size_t i = 0; i < KEPT; i++) {
        for (size_t x = 0; x < CELLS; x++)
            cosine[i][x] =
                (float)cos(pi / (2 * CELLS) * (double)((i + 1) * (2 * x + 1)));
    }
}

/* frequencies [KEPT][KEPT] = cosine x cells x cosine^T, but for a factor. */
static void transform(float cells[CELLS][CELLS], float *frequencies)
{
    float cosine[KEPT][CELLS], half[KEPT][CELLS] = {{0}};
    fill_cosines(cosine);
    for (size_t i = 0; i < KEPT; i++) {
        for (size_t y = 0; y < CELLS; y++) {
            for (size_t x = 0; x < CELLS; x++)
                half[i][x] += cosine[i][y] * cells[y][x];
        }
    }
    for (size_t i = 0; i < KEPT; i++) {
        for (size_t j = 0; j < KEPT; j++) {
            float sum = 0;
            for (size_t x = 0; x < CELLS; x++)
                sum += half[i][x] * cosine[j][x];
            frequencies[KEPT * i + j] = sum;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void akin__phash(const akin_image *image, uint8_t hash[AKIN__HASH_BYTES])
{
    float cells[CELLS][CELLS], frequencies[KEPT * KEPT], sorted[KEPT * KEPT];
    memset(hash, 0, AKIN__HASH_BYTES);
    fill_cells(image, cells);
    if (!has_structure(cells))
        return;
    transform(cells, frequencies);
    memcpy(sorted, frequencies, sizeof sorted);
    qsort(sorted, KEPT * KEPT, sizeof *sorted, by_value);
    const float median = sorted[KEPT * KEPT / 2 - 1];
    for (size_t i = 0; i < KEPT * KEPT; i++)
        hash[i / 8] |= (uint8_t)((frequencies[i] > median) << i % 8);
}
