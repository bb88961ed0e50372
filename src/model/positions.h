/*
 * Positions: a table of learned position vectors, resampled for another grid.
 */
#ifndef AKIN_MODEL_POSITIONS_H
#define AKIN_MODEL_POSITIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "akin.h"

/*
 * Resample `table` [side][side][width] to `out` [rows][cols][width] as
 * torch.nn.functional.interpolate(mode="bicubic", align_corners=False, size=..)
 * does; `antialias` as its argument of that name (DINOv2 with registers).
 * Summed in double.
 */
akin_status akin__positions_resample(const float *table, size_t side,
                                     size_t width, size_t rows, size_t cols,
                                     bool antialias, float *out,
                                     akin_error *err);

#endif
