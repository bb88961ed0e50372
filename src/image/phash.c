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

/* The pixels of cell `cell` of `length`: at least one. */
static void span(size_t cell, size_t length, size_t *from, size_t *to,
                 size_t *step)
{
    *from = cell * length / CELLS;
    *to = (cell + 1) * length / CELLS;
    if (*to <= *from)
        *to = *from + 1;
    *step = (*to - *from) / SAMPLES;
    if (*step == 0)
        *step = 1;
}

/* Rec. 601, as PDQ and JPEG have it. */
static float luma(const uint8_t *rgb)
{
    return 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
}

static float mean_of_cell(const akin_image *image, size_t row, size_t column)
{
    size_t top, bottom, down, left, right, across, count = 0;
    float sum = 0;
    span(row, image->height, &top, &bottom, &down);
    span(column, image->width, &left, &right, &across);
    for (size_t y = top; y < bottom; y += down) {
        const uint8_t *line = image->pixels + y * image->stride;
        for (size_t x = left; x < right; x += across, count++)
            sum += luma(line + 3 * x);
    }
    return sum / (float)count;
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
    for (size_t i = 0; i < CELLS; i++) {
        for (size_t j = 0; j < CELLS; j++)
            cells[i][j] = mean_of_cell(image, i, j);
    }
    if (!has_structure(cells))
        return;
    transform(cells, frequencies);
    memcpy(sorted, frequencies, sizeof sorted);
    qsort(sorted, KEPT * KEPT, sizeof *sorted, by_value);
    const float median = sorted[KEPT * KEPT / 2 - 1];
    for (size_t i = 0; i < KEPT * KEPT; i++)
        hash[i / 8] |= (uint8_t)((frequencies[i] > median) << i % 8);
}
