/*
 * Turn: every orientation is a start and two steps through the stored pixels:
 * one for a pixel to the right in the upright picture, one for a row down.
 */
#include "image/turn.h"

#include <stddef.h>
#include <string.h>

/* Rows and columns copied together, so that lines of the cache are used whole
 * when rows become columns. */
enum { BLOCK = 32 };

struct walk {
    const uint8_t *start;
    ptrdiff_t right, down;
};

static struct walk walk_of(const akin_image *from, uint32_t orientation)
{
    const ptrdiff_t row = (ptrdiff_t)from->stride;
    const uint8_t *top_left = from->pixels;
    const uint8_t *top_right = top_left + 3 * (ptrdiff_t)(from->width - 1);
    const uint8_t *bottom_left = top_left + row * (ptrdiff_t)(from->height - 1);
    const uint8_t *bottom_right = bottom_left + (top_right - top_left);
    switch (orientation) {
    case 2:
        return (struct walk){top_right, -3, row};
    case 3:
        return (struct walk){bottom_right, -3, -row};
    case 4:
        return (struct walk){bottom_left, 3, -row};
    case 5:
        return (struct walk){top_left, row, 3};
    case 6:
        return (struct walk){bottom_left, -row, 3};
    case 7:
        return (struct walk){bottom_right, -row, -3};
    case 8:
        return (struct walk){top_right, row, -3};
    default:
        return (struct walk){top_left, 3, row};
    }
}

/*
 * A run of pixels of an upright row. Those inside are moved by four bytes, of
 * which the last is the next pixel's, written again after it. The pixel behind
 * which there may be no memory is a corner of the picture, stored or upright,
 * so that it is the first or the last of its run.
 */
static void copy_run(uint8_t *out, const uint8_t *in, ptrdiff_t right,
                     uint32_t count)
{
    memcpy(out, in, 3);
    for (uint32_t x = 1; x + 1 < count; x++)
        memcpy(out + 3 * (size_t)x, in + (ptrdiff_t)x * right, 4);
    if (count > 1)
        memcpy(out + 3 * (size_t)(count - 1),
               in + (ptrdiff_t)(count - 1) * right, 3);
}

static void turn_block(akin_image *to, const struct walk *walk, uint32_t x0,
                       uint32_t y0)
{
    const uint32_t x1 = to->width - x0 < BLOCK ? to->width : x0 + BLOCK;
    const uint32_t y1 = to->height - y0 < BLOCK ? to->height : y0 + BLOCK;
    for (uint32_t y = y0; y < y1; y++) {
        const uint8_t *in = walk->start + (ptrdiff_t)y * walk->down +
                            (ptrdiff_t)x0 * walk->right;
        copy_run(to->pixels + y * to->stride + 3 * (size_t)x0, in, walk->right,
                 x1 - x0);
    }
}

void akin__turn(akin_image *to, const akin_image *from, uint32_t orientation)
{
    const struct walk walk = walk_of(from, orientation);
    for (uint32_t y = 0; y < to->height; y += BLOCK)
        for (uint32_t x = 0; x < to->width; x += BLOCK)
            turn_block(to, &walk, x, y);
}
