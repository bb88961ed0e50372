/*
 * Perceptual hash, built as PDQ is (Facebook, "The TMK+PDQF Video-Hashing
 * Algorithm and the PDQ Image-Hashing Algorithm", 2019): luma, averaged to 64 x
 * 64 cells, its 16 x 16 lowest frequencies but the constant ones by DCT-II, and
 * of each whether it is above their median. PDQ averages twice with a wider
 * window, so that its hashes differ by some bits (tests/phash_test.py).
 *
 * Of a large cell 8 to 15 pixels in each direction are looked at, spread
 * evenly.
 */
#include "image/phash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELLS = 64,
    KEPT = 16,
    SAMPLES = 8,
    CHUNK = 512 /* pixels of a line that are summed down together */
};

/* Deviations of luma below this are rounding, not structure. */
#define LEAST_DEVIATION 0.5f

/* The pixels of a cell in one direction: from 1 to 2 * SAMPLES - 1 of them. */
struct span {
    size_t from, to, step;
    uint32_t count;
};

static struct span span_of(size_t cell, size_t length)
{
    struct span s = {.from = cell * length / CELLS,
                     .to = (cell + 1) * length / CELLS};
    if (s.to <= s.from)
        s.to = s.from + 1;
    s.step = (s.to - s.from) / SAMPLES;
    if (s.step == 0)
        s.step = 1;
    s.count = (uint32_t)((s.to - s.from + s.step - 1) / s.step);
    return s;
}

/* sums[i] is the sum of byte i of those rows, from pixel `left` on. Columns
 * that nobody looks at are summed, too: a vector of bytes at a time costs less.
 */
static void add_down(const akin_image *image, const struct span *rows,
                     size_t left, size_t pixels, uint16_t *sums)
{
    memset(sums, 0, (3 * pixels + 1) * sizeof *sums);
    for (size_t y = rows->from; y < rows->to; y += rows->step) {
        const uint8_t *line = image->pixels + y * image->stride + 3 * left;
        for (size_t i = 0; i < 3 * pixels; i++)
            sums[i] = (uint16_t)(sums[i] + line[i]);
    }
}

/* Thousandths of luma that the columns *x, *x + step .. before `end` add to a
 * cell. Rec. 601, as PDQ and JPEG have it. Each column's three sums and one
 * more are four in a word, which add without a carry: 15 x 15 x 255 < 2^16. */
static uint32_t add_across(const uint16_t *sums, size_t left, size_t *x,
                           size_t end, size_t step)
{
    uint64_t word, total = 0;
    uint16_t rgb[4];
    size_t at = *x;
    for (; at < end; at += step) {
        memcpy(&word, sums + 3 * (at - left), sizeof word);
        total += word;
    }
    *x = at;
    memcpy(rgb, &total, sizeof rgb);
    return 299u * rgb[0] + 587u * rgb[1] + 114u * rgb[2];
}

/* The mean luma of each cell of a row. */
static void fill_row(const akin_image *image, const struct span *rows,
                     const struct span *columns, float cells[CELLS])
{
    uint16_t sums[3 * CHUNK + 1];
    uint32_t luma[CELLS] = {0};
    size_t j = 0, x = 0;
    for (size_t left = 0; left < image->width; left += CHUNK) {
        const size_t rest = image->width - left;
        const size_t end = left + (rest < CHUNK ? rest : CHUNK);
        add_down(image, rows, left, end - left, sums);
        while (j < CELLS && x < end) {
            const size_t to = columns[j].to < end ? columns[j].to : end;
            luma[j] += add_across(sums, left, &x, to, columns[j].step);
            if (x >= columns[j].to && ++j < CELLS)
                x = columns[j].from;
        }
    }
    for (j = 0; j < CELLS; j++)
        cells[j] =
            (float)luma[j] / (float)(1000 * rows->count * columns[j].count);
}

static void fill_cells(const akin_image *image, float cells[CELLS][CELLS])
{
    struct span columns[CELLS];
    for (size_t j = 0; j < CELLS; j++)
        columns[j] = span_of(j, image->width);
    for (size_t i = 0; i < CELLS; i++) {
        const struct span rows = span_of(i, image->height);
        fill_row(image, &rows, columns, cells[i]);
    }
}

/* cosine[x][i] of frequency i + 1 at cell x; all of them are among those of a
 * full turn in 4 * CELLS steps. */
static void fill_cosines(float cosine[CELLS][KEPT])
{
    const double pi = 3.14159265358979323846;
    float turn[4 * CELLS];
    for (size_t k = 0; k < 4 * CELLS; k++)
        turn[k] = (float)cos(pi / (2 * CELLS) * (double)k);
    for (size_t x = 0; x < CELLS; x++) {
        for (size_t i = 0; i < KEPT; i++)
            cosine[x][i] = turn[(i + 1) * (2 * x + 1) % (4 * CELLS)];
    }
}

/* frequencies [KEPT][KEPT] = cosine^T x cells x cosine, but for a factor. */
static void transform(float cells[CELLS][CELLS], float *frequencies)
{
    float cosine[CELLS][KEPT], half[KEPT][CELLS] = {{0}};
    fill_cosines(cosine);
    for (size_t i = 0; i < KEPT; i++) {
        for (size_t y = 0; y < CELLS; y++) {
            for (size_t x = 0; x < CELLS; x++)
                half[i][x] += cosine[y][i] * cells[y][x];
        }
    }
    memset(frequencies, 0, KEPT * KEPT * sizeof *frequencies);
    for (size_t i = 0; i < KEPT; i++) {
        for (size_t x = 0; x < CELLS; x++) {
            for (size_t j = 0; j < KEPT; j++)
                frequencies[KEPT * i + j] += half[i][x] * cosine[x][j];
        }
    }
}

/* Whether the frequencies are more than rounding: what they alone make luma
 * deviate. Stripes straight across or down have none of them. */
static int has_structure(const float *frequencies)
{
    float squares = 0;
    for (size_t i = 0; i < KEPT * KEPT; i++)
        squares += frequencies[i] * frequencies[i];
    const float variance = squares / (CELLS * CELLS) / (CELLS * CELLS / 4);
    return variance > LEAST_DEVIATION * LEAST_DEVIATION;
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
    transform(cells, frequencies);
    if (!has_structure(frequencies))
        return;
    memcpy(sorted, frequencies, sizeof sorted);
    qsort(sorted, KEPT * KEPT, sizeof *sorted, by_value);
    const float median = sorted[KEPT * KEPT / 2 - 1];
    for (size_t i = 0; i < KEPT * KEPT; i++)
        hash[i / 8] |= (uint8_t)((frequencies[i] > median) << i % 8);
}
