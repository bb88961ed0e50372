/*
 * Text on a picture (edit.h), in letters of akin's own: fonts differ from
 * machine to machine. A letter is a grid of 5 x 7 points, drawn smooth at any
 * size.
 */
#include <string.h>

#include "base/error.h"
#include "eval/edit.h"

enum { COLUMNS = 5, ROWS = 7, LETTERS = 26, WHOLE = 1000 };

/* A row of points in the five lower bits, the left one highest. */
static const uint8_t grid[LETTERS][ROWS] = {
    {0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}, /* A */
    {0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e}, /* B */
    {0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e}, /* C */
    {0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e}, /* D */
    {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f}, /* E */
    {0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10}, /* F */
    {0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0e}, /* G */
    {0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11}, /* H */
    {0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}, /* I */
    {0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c}, /* J */
    {0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11}, /* K */
    {0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f}, /* L */
    {0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11}, /* M */
    {0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11}, /* N */
    {0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}, /* O */
    {0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10}, /* P */
    {0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d}, /* Q */
    {0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11}, /* R */
    {0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e}, /* S */
    {0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04}, /* T */
    {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e}, /* U */
    {0x11, 0x11, 0x11, 0x11, 0x11, 0x0a, 0x04}, /* V */
    {0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11}, /* W */
    {0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11}, /* X */
    {0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04}, /* Y */
    {0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f}, /* Z */
};

static const char *const words[] = {
    "AGAIN", "BEST",  "CITY",   "DAY",  "EVERY", "FROM",   "GOOD",  "HAPPY",
    "HOME",  "JUST",  "KEEP",   "LIFE", "LOOK",  "LOVE",   "MAKE",  "MORE",
    "NEVER", "NEW",   "NIGHT",  "NOW",  "ONLY",  "PEOPLE", "QUIET", "SALE",
    "SHARE", "SMILE", "SUMMER", "THE",  "TODAY", "VERY",   "WOW",   "YOU"};

/* ------------------------------------------------------------- letters -- */

/* 256 where there is a point, 0 where there is none. */
static int32_t point(int letter, int32_t column, int32_t row)
{
    const int there = column >= 0 && column < COLUMNS && row >= 0 &&
                      row < ROWS &&
                      (grid[letter][row] >> (COLUMNS - 1 - column) & 1);
    return there ? 256 : 0;
}

/* How much of a pixel is ink, of 256: bilinear between the points, then
 * steeper, so that the edge is sharp. x and y in points and 8 more bits. */
static int32_t ink(int letter, int32_t x, int32_t y)
{
    const int32_t column = x >> 8, row = y >> 8, fx = x & 255, fy = y & 255;
    const int32_t above = point(letter, column, row) * (256 - fx) +
                          point(letter, column + 1, row) * fx;
    const int32_t below = point(letter, column, row + 1) * (256 - fx) +
                          point(letter, column + 1, row + 1) * fx;
    const int32_t steep = 4 * ((above * (256 - fy) + below * fy) / 65536 - 100);
    return steep < 0 ? 0 : steep > 256 ? 256 : steep;
}

static void blend(akin_image *image, int32_t x, int32_t y, uint32_t rgb,
                  int32_t share)
{
    if (x < 0 || y < 0 || x >= (int32_t)image->width ||
        y >= (int32_t)image->height || !share)
        return;
    uint8_t *at = image->pixels + (size_t)y * image->stride + 3 * (size_t)x;
    for (int i = 0; i < 3; i++) {
        const int32_t to = (int32_t)(rgb >> (16 - 8 * i) & 255);
        at[i] = (uint8_t)((at[i] * (256 - share) + to * share + 128) >> 8);
    }
}

/* Pixels from one letter to the next. */
static int32_t advance(int32_t height)
{
    const int32_t wide = height * (COLUMNS + 1) / ROWS;
    return wide ? wide : 1;
}

static void paint_letter(akin_image *image, int32_t left, int32_t top,
                         int32_t height, int letter, uint32_t rgb)
{
    const int32_t scale = ROWS * 256 / 2; /* half a pixel in points is */
    for (int32_t y = -1; y <= height; y++)
        for (int32_t x = -1; x <= advance(height); x++)
            blend(image, left + x, top + y, rgb,
                  ink(letter, (2 * x + 1) * scale / height - 128,
                      (2 * y + 1) * scale / height - 128));
}

int32_t akin__paint_words(akin_image *image, int32_t left, int32_t top,
                          int32_t width, int32_t height, int most, uint32_t rgb,
                          struct akin__dice *dice)
{
    const int32_t step = advance(height);
    int32_t used = 0;
    for (int i = 0; i < most; i++) {
        const char *word = words[akin__dice_from(
            dice, 0, (int32_t)(sizeof words / sizeof *words) - 1)];
        const int32_t length = (int32_t)strlen(word) * step;
        if (used && used + length > width)
            break;
        for (; *word; word++, used += step)
            paint_letter(image, left + used, top, height, *word - 'A', rgb);
        used += step;
    }
    return used ? used - step : 0;
}

/* ---------------------------------------------------------------- text -- */

/* Lines of it below each other; light letters have a dark shadow, or dark
 * ones a light box, and the other way round. */
akin_status akin__edit_text(const struct akin__edit *edit,
                            struct akin__easel *easel, akin_error *err)
{
    static const uint32_t colours[] = {0xffffff, 0xffe14a, 0xffffff,
                                       0x111111, 0xd81e2c, 0x1747c4};
    const akin_status status = akin__easel_own(easel, err);
    if (status)
        return status;
    akin_image *now = &easel->now;
    const uint32_t shorter =
        now->width < now->height ? now->width : now->height;
    const int32_t height = (int32_t)akin__part_of(shorter, edit->value[0]);
    const int32_t lines = edit->value[1], line = height * 3 / 2 + 1;
    const int32_t width = (int32_t)now->width, room = width * 9 / 10;
    const int32_t free = (int32_t)now->height - lines * line;
    const uint32_t rgb = colours[edit->value[4]];
    const uint32_t other = edit->value[4] < 3 ? 0x000000 : 0xffffff;
    const int most = edit->strength == 1 ? 2 : 100;
    const int32_t left = edit->strength == 1
                             ? (width - width / 2) * edit->value[2] / WHOLE
                             : width / 20;
    int32_t top = free > 0 ? free * edit->value[3] / WHOLE : 0;
    struct akin__dice dice = edit->dice;
    for (int32_t i = 0; i < lines; i++, top += line) {
        struct akin__dice same = dice;
        const int32_t shift = height / 12 + 1;
        if (edit->value[5])
            akin__paint_box(now,
                            (struct akin__box){left - shift, top - height / 4,
                                               room + 2 * shift, line},
                            other);
        else
            akin__paint_words(now, left + shift, top + shift, room, height,
                              most, other, &same);
        akin__paint_words(now, left, top, room, height, most, rgb, &dice);
    }
    return AKIN_OK;
}
