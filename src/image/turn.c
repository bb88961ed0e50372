/*
 * Turn: every orientation is a start and two steps through the stored pixels:
 * one for a pixel to the right in the upright picture, one for a row down.
 */
#include "image/turn.h"

#include <stddef.h>

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

static void turn_block(akin_image *to, const struct walk *walk, uint32_t x0,
                       uint32_t y0)
{
    const uint32_t x1 = to->width - x0 < BLOCK ? to->width : x0 + BLOCK;
    const uint32_t y1 = to->height - y0 < BLOCK ? to->height : y0 + BLOCK;
    for (uint32_t y = y0; y < y1; y++) {
        uint8_t *out = to->pixels + y * to->stride + 3 * (size_t)x0;
        const uint8_t *in = walk->start + (ptrdiff_t)y * walk->down +
                            (ptrdiff_t)x0 * walk->right;
        for (uint32_t x = x0; x < x1; x++, out += 3, in += walk->right) {
            out[0] = in[0];
            out[1] = in[1];
            out[2] = in[2];
        }
    }
}

void akin__turn(akin_image *to, const akin_image *from, uint32_t orientation)
{
    const struct walk walk = walk_of(from, orientation);
    for (uint32_t y = 0; y < to->height; y += BLOCK)
        for (uint32_t x = 0; x < to->width; x += BLOCK)
            turn_block(to, &walk, x, y);
}
