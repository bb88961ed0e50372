/*
 * Positions: bicubic resampling, the two of torch.
 *
 * Plain: 4 taps around (i + 0.5) * scale - 0.5, cubic with a = -0.75, positions
 * beyond the border take the border's value. Antialiased: the cubic with
 * a = -0.5 stretched by the scale when shrinking, taps beyond the border
 * dropped and the rest normalised, as Pillow resizes pictures.
 * (ATen/native/UpSample.h, cpu/UpSampleKernel.cpp)
 */
#include "model/positions.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"

/* Keys' cubic convolution kernel. */
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return ((x - 5) * x + 8) * x * a - 4 * a;
    return 0;
}

static size_t clamp(double x, size_t side)
{
    if (x < 0)
        return 0;
    return x > (double)(side - 1) ? side - 1 : (size_t)x;
}

static void plain_weights(size_t i, double scale, size_t side, double *weight)
{
    const double at = ((double)i + 0.5) * scale - 0.5;
    const double first = floor(at) - 1;
    for (int tap = 0; tap < 4; tap++)
        weight[clamp(first + tap, side)] += cubic(at - first - tap, -0.75);
}

static void antialiased_weights(size_t i, double scale, size_t side,
                                double *weight)
{
    const double stretch = scale > 1 ? scale : 1, support = 2 * stretch;
    const double centre = ((double)i + 0.5) * scale;
    const double first = fmax(floor(centre - support + 0.5), 0);
    const double last = fmin(floor(centre + support + 0.5), (double)side);
    double sum = 0;
    for (double at = first; at < last; at++) {
        const double w = cubic((at - centre + 0.5) / stretch, -0.5);
        weight[(size_t)at] = w;
        sum += w;
    }
    for (double at = first; at < last; at++)
        weight[(size_t)at] /= sum;
}

/* weights [count][side]: what each of `count` outputs takes of each input. */
static double *weights_for(size_t side, size_t count, bool antialias)
{
    double *weights = akin__calloc(side * count, sizeof *weights);
    const double scale = (double)side / (double)count;
    for (size_t i = 0; weights && i < count; i++)
        (antialias ? antialiased_weights : plain_weights)(i, scale, side,
                                                          weights + i * side);
    return weights;
}

/* sum [width] is scratch, so that the innermost loop runs along a row. */
static void resample_point(const float *table, size_t side, size_t width,
                           const double *down, const double *across,
                           double *sum, float *out)
{
    for (size_t c = 0; c < width; c++)
        sum[c] = 0;
    for (size_t y = 0; y < side; y++) {
        for (size_t x = 0; x < side; x++) {
            const double weight = down[y] * across[x];
            const float *in = table + (y * side + x) * width;
            for (size_t c = 0; weight != 0 && c < width; c++)
                sum[c] += weight * in[c];
        }
    }
    for (size_t c = 0; c < width; c++)
        out[c] = (float)sum[c];
}

akin_status akin__positions_resample(const float *table, size_t side,
                                     size_t width, size_t rows, size_t cols,
                                     bool antialias, float *out,
                                     akin_error *err)
{
    double *down = weights_for(side, rows, antialias);
    double *across = weights_for(side, cols, antialias);
    double *sum = akin__alloc(width, sizeof *sum);
    akin_status status = AKIN_OK;
    if (!down || !across || !sum)
        status = akin__fail(err, AKIN_ENOMEM, "no memory for positions");
    for (size_t y = 0; !status && y < rows; y++) {
        for (size_t x = 0; x < cols; x++)
            resample_point(table, side, width, down + y * side,
                           across + x * side, sum,
                           out + (y * cols + x) * width);
    }
    akin__free(down);
    akin__free(across);
    akin__free(sum);
    return status;
}
