/*
 * Edits that put a picture into another (edit.h): on a photo, and into what
 * looks like a program that shows it.
 */
#include <string.h>

#include "base/error.h"
#include "eval/edit.h"

enum { WHOLE = 1000 };

/* ------------------------------------------------------------- painting -- */

static void put(uint8_t *at, uint32_t rgb)
{
    at[0] = (uint8_t)(rgb >> 16);
    at[1] = (uint8_t)(rgb >> 8);
    at[2] = (uint8_t)rgb;
}

/* The part of it that lies on the picture. */
static struct akin__box within(const akin_image *image, struct akin__box box)
{
    const int32_t right = box.left + box.width, bottom = box.top + box.height;
    const int32_t wide = (int32_t)image->width, high = (int32_t)image->height;
    const int32_t left = box.left < 0 ? 0 : box.left;
    const int32_t top = box.top < 0 ? 0 : box.top;
    return (struct akin__box){left, top, (right < wide ? right : wide) - left,
                              (bottom < high ? bottom : high) - top};
}

static uint8_t *pixel(akin_image *image, int32_t x, int32_t y)
{
    return image->pixels + (size_t)y * image->stride + 3 * (size_t)x;
}

void akin__paint_box(akin_image *image, struct akin__box box, uint32_t rgb)
{
    const struct akin__box in = within(image, box);
    for (int32_t y = in.top; y < in.top + in.height; y++)
        for (int32_t x = in.left; x < in.left + in.width; x++)
            put(pixel(image, x, y), rgb);
}

/* The ellipse in the box. */
static void paint_disc(akin_image *image, struct akin__box box, uint32_t rgb)
{
    const struct akin__box in = within(image, box);
    const int64_t w = box.width, h = box.height;
    for (int32_t y = in.top; y < in.top + in.height; y++)
        for (int32_t x = in.left; x < in.left + in.width; x++) {
            const int64_t dx = (2 * (int64_t)(x - box.left) + 1 - w) * h;
            const int64_t dy = (2 * (int64_t)(y - box.top) + 1 - h) * w;
            if (dx * dx + dy * dy <= w * h * w * h)
                put(pixel(image, x, y), rgb);
        }
}

static void paint_image(akin_image *image, int32_t left, int32_t top,
                        const akin_image *what)
{
    const struct akin__box in =
        within(image, (struct akin__box){left, top, (int32_t)what->width,
                                         (int32_t)what->height});
    if (in.width <= 0)
        return;
    for (int32_t y = in.top; y < in.top + in.height; y++)
        memcpy(pixel(image, in.left, y),
               what->pixels + (size_t)(y - top) * what->stride +
                   3 * (size_t)(in.left - left),
               3 * (size_t)in.width);
}

/* ------------------------------------------------------------- overlay -- */

/* now becomes the largest of its shape in width x height. */
static akin_status fit(struct akin__easel *easel, uint32_t width,
                       uint32_t height, akin_error *err)
{
    const uint64_t w = easel->now.width, h = easel->now.height;
    uint64_t to_width = width, to_height = (h * width + w / 2) / w;
    if (to_height > height) {
        to_height = height;
        to_width = (w * height + h / 2) / h;
    }
    return akin__easel_resize(easel, to_width ? (uint32_t)to_width : 1,
                              to_height ? (uint32_t)to_height : 1, err);
}

/* Where there is no photo to lie on: one colour above, another below. */
static void paint_plain(akin_image *image, struct akin__dice dice)
{
    const uint64_t r = akin__dice_next(&dice);
    for (uint32_t y = 0; y < image->height; y++) {
        uint32_t rgb = 0;
        for (int i = 0; i < 3; i++) {
            const uint64_t above = r >> 8 * i & 255, below = r >> 8 * (i + 3);
            rgb = rgb << 8 | (uint32_t)((above * (image->height - 1 - y) +
                                         (below & 255) * y) /
                                        image->height);
        }
        akin__paint_box(
            image, (struct akin__box){0, (int32_t)y, (int32_t)image->width, 1},
            rgb);
    }
}

akin_status akin__edit_overlay(const struct akin__edit *edit,
                               const akin_image *ground,
                               struct akin__easel *easel, akin_error *err)
{
    const akin_image *size = ground ? ground : &easel->now;
    const uint32_t width = size->width, height = size->height;
    akin_status status = fit(easel, akin__part_of(width, edit->value[0]),
                             akin__part_of(height, edit->value[0]), err);
    if (status)
        return status;
    akin_image fresh = akin__easel_fresh(easel, width, height);
    if (!fresh.pixels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a picture");
    if (ground)
        paint_image(&fresh, 0, 0, ground);
    else
        paint_plain(&fresh, edit->dice);
    const int32_t left = (int32_t)(width - easel->now.width);
    const int32_t top = (int32_t)(height - easel->now.height);
    paint_image(&fresh, left * edit->value[1] / WHOLE,
                top * edit->value[2] / WHOLE, &easel->now);
    akin__easel_turn(easel, &fresh);
    return AKIN_OK;
}

/* ---------------------------------------------------------- screenshot -- */

/* The colours of a program: ground, bars, lines of text, weak text. */
struct theme {
    uint32_t ground, bar, text, weak;
};

struct screen {
    akin_image image;
    struct theme theme;
    int32_t unit; /* the height of small letters */
    struct akin__dice dice;
};

/* Lines of small letters from `top` on; where they end. */
static int32_t paint_lines(struct screen *screen, int32_t left, int32_t top,
                           int32_t width, int lines, uint32_t rgb)
{
    for (int i = 0; i < lines; i++) {
        const int most = i + 1 < lines ? 100 : 3;
        akin__paint_words(&screen->image, left, top, width, screen->unit, most,
                          rgb, &screen->dice);
        top += 2 * screen->unit;
    }
    return top;
}

/* The head of a contribution: who, and when. Its height is six units. */
static void paint_head(struct screen *screen, int32_t left, int32_t top,
                       int32_t width)
{
    static const uint32_t faces[] = {0xe0663a, 0x3a7de0, 0x3aa55d, 0x9c4fd0};
    const int32_t u = screen->unit;
    paint_disc(&screen->image, (struct akin__box){left, top + u, 4 * u, 4 * u},
               faces[akin__dice_from(&screen->dice, 0, 3)]);
    akin__paint_words(&screen->image, left + 5 * u, top + u, width - 5 * u, u,
                      2, screen->theme.text, &screen->dice);
    akin__paint_words(&screen->image, left + 5 * u, top + 7 * u / 2,
                      width - 5 * u, u, 1, screen->theme.weak, &screen->dice);
}

/* The buttons below it, four units high. */
static void paint_buttons(struct screen *screen, int32_t left, int32_t top)
{
    const int32_t u = screen->unit;
    for (int i = 0; i < 3; i++)
        paint_disc(&screen->image,
                   (struct akin__box){left + 4 * i * u, top + u, 2 * u, 2 * u},
                   i ? screen->theme.weak : 0xe0245e);
}

/* A window around the picture and nothing else: a bar above, one below. */
static void paint_window(struct screen *screen, const akin_image *picture)
{
    static const uint32_t lamps[] = {0xf25f57, 0xf7bd2e, 0x29c940};
    const int32_t u = screen->unit, width = (int32_t)screen->image.width;
    const int32_t height = (int32_t)screen->image.height;
    akin__paint_box(&screen->image, (struct akin__box){0, 0, width, 3 * u},
                    screen->theme.bar);
    akin__paint_box(&screen->image,
                    (struct akin__box){0, height - 2 * u, width, 2 * u},
                    screen->theme.bar);
    for (int i = 0; i < 3; i++)
        paint_disc(&screen->image, (struct akin__box){u + 2 * i * u, u, u, u},
                   lamps[i]);
    akin__paint_words(&screen->image, width / 3, u, width / 2, u, 3,
                      screen->theme.text, &screen->dice);
    paint_image(&screen->image, (width - (int32_t)picture->width) / 2, 3 * u,
                picture);
}

/* A contribution to a feed: head, picture as wide as the screen, buttons, text,
 * and the next one below. */
static void paint_feed(struct screen *screen, const akin_image *picture)
{
    const int32_t u = screen->unit, width = (int32_t)screen->image.width;
    int32_t top = 4 * u;
    akin__paint_box(&screen->image, (struct akin__box){0, 0, width, 4 * u},
                    screen->theme.bar);
    akin__paint_words(&screen->image, u, u / 2, width / 4, u, 1,
                      screen->theme.text, &screen->dice);
    akin__paint_words(&screen->image, width / 3, 2 * u, width / 2, u, 2,
                      screen->theme.text, &screen->dice);
    paint_head(screen, u, top, width);
    top += 6 * u;
    paint_image(&screen->image, (width - (int32_t)picture->width) / 2, top,
                picture);
    top += (int32_t)picture->height;
    paint_buttons(screen, u, top);
    top = paint_lines(screen, u, top + 4 * u, width - 2 * u, 3,
                      screen->theme.text);
    paint_head(screen, u, top + u, width);
    paint_lines(screen, u, top + 8 * u, width - 2 * u, 40, screen->theme.weak);
}

/* A page: a column of links, headings and text around a smaller picture. */
static void paint_page(struct screen *screen, const akin_image *picture)
{
    const int32_t u = screen->unit, width = (int32_t)screen->image.width;
    const int32_t height = (int32_t)screen->image.height;
    const int32_t left = width / 4, room = width - left - 2 * u;
    akin__paint_box(&screen->image, (struct akin__box){0, 0, left - u, height},
                    screen->theme.bar);
    for (int32_t y = 5 * u; y < height; y += 4 * u)
        akin__paint_words(&screen->image, u, y, left - 3 * u, u, 1,
                          screen->theme.weak, &screen->dice);
    akin__paint_box(&screen->image, (struct akin__box){0, 0, width, 3 * u},
                    screen->theme.weak);
    akin__paint_words(&screen->image, left, 4 * u, room, 2 * u, 100,
                      screen->theme.text, &screen->dice);
    int32_t top =
        paint_lines(screen, left, 8 * u, room, 3, screen->theme.text) + u;
    paint_image(&screen->image, left, top, picture);
    top += (int32_t)picture->height + u;
    paint_buttons(screen, left, top);
    paint_lines(screen, left, top + 5 * u, room, 40, screen->theme.text);
}

/* How large the screen is for a picture of that size, and of it the picture:
 * what programs show fills the screen's width or height. */
static void lay_out(int strength, const akin_image *now, uint32_t screen[2],
                    uint32_t picture[2], int32_t *unit)
{
    const uint32_t w = now->width, h = now->height;
    const uint32_t longest = w > h ? w : h;
    const uint32_t small = longest / 50 ? longest / 50 : 1;
    *unit = (int32_t)small;
    if (strength == 1) { /* the window takes the picture's size */
        picture[0] = w, picture[1] = h;
        screen[0] = w, screen[1] = h + 5 * small;
        return;
    }
    if (strength == 2) { /* a telephone, 9 to 16 */
        screen[0] = 9 * longest / 16, screen[1] = longest;
        picture[0] = screen[0], picture[1] = screen[1] * 60 / 100;
    } else { /* a desktop, 16 to 10 */
        screen[0] = longest, screen[1] = 10 * longest / 16;
        picture[0] = screen[0] * 45 / 100, picture[1] = screen[1] * 55 / 100;
    }
    for (int i = 0; i < 2; i++) {
        screen[i] += !screen[i];
        picture[i] += !picture[i];
    }
}

akin_status akin__edit_screenshot(const struct akin__edit *edit,
                                  struct akin__easel *easel, akin_error *err)
{
    static const struct theme themes[] = {
        {0xffffff, 0xe9ebee, 0x1c1e21, 0x8d949e},
        {0x18191a, 0x2f3033, 0xe4e6eb, 0x6f7377}};
    static void (*const paint[])(struct screen *, const akin_image *) = {
        paint_window, paint_feed, paint_page};
    struct screen screen = {.theme = themes[edit->value[0]],
                            .dice = edit->dice};
    uint32_t size[2], inner[2];
    lay_out(edit->strength, &easel->now, size, inner, &screen.unit);
    const akin_status status = fit(easel, inner[0], inner[1], err);
    if (status)
        return status;
    screen.image = akin__easel_fresh(easel, size[0], size[1]);
    if (!screen.image.pixels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a picture");
    akin__paint_box(
        &screen.image,
        (struct akin__box){0, 0, (int32_t)size[0], (int32_t)size[1]},
        screen.theme.ground);
    paint[edit->strength - 1](&screen, &easel->now);
    akin__easel_turn(easel, &screen.image);
    return AKIN_OK;
}
