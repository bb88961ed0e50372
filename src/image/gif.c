/*
 * GIF: the first frame on its canvas, as Pillow shows it.
 *
 * Untrusted: all bytes come through a cursor, codes are checked against the
 * table, and pixels are counted, so that the work is bounded by the canvas.
 * Around the frame, and where the data ends early, lies the transparent colour
 * or the first one. Colours beyond the palette are black.
 */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "image/decoder.h"

enum { CODES = 4096, MAX_CODE_BITS = 12 };

struct reader {
    struct akin__cursor input;
    struct akin__decode *decode;
    uint8_t colors[256][3];
    int transparent;                   /* index, or -1 */
    uint32_t left, top, width, height; /* of the frame on the canvas */
    bool interlaced;
    uint32_t x, y;   /* of the next pixel, in the frame */
    int pass;        /* of the interlace */
    uint64_t pixels; /* done */
    /* the string of a code: that of link[code], then last[code] */
    uint16_t link[CODES];
    uint8_t last[CODES];
    uint8_t string[CODES];
};

/* Codes of 1 to 12 bits out of the blocks of up to 255 bytes. */
struct bits {
    struct akin__cursor *input;
    uint32_t buffer, count; /* bits that wait */
    const uint8_t *block;
    uint32_t left; /* bytes in the block */
};

/* The next code, or -1 at the end. */
static int next_code(struct bits *bits, uint32_t size)
{
    while (bits->count < size) {
        if (!bits->left) {
            bits->left = akin__take_uint(bits->input, 1, false);
            bits->block = akin__take(bits->input, bits->left);
            if (!bits->left || !bits->block)
                return -1;
        }
        bits->buffer |= (uint32_t)*bits->block++ << bits->count;
        bits->count += 8;
        bits->left--;
    }
    const int code = (int)(bits->buffer & ((1u << size) - 1));
    bits->buffer >>= size;
    bits->count -= size;
    return code;
}

/* The row after this one; false after the last. */
static bool next_row(struct reader *r)
{
    static const uint32_t first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    r->x = 0;
    r->y += r->interlaced ? step[r->pass] : 1;
    while (r->y >= r->height) {
        if (!r->interlaced || r->pass == 3)
            return false;
        r->y = first[++r->pass];
    }
    return true;
}

/* Put pixels of these indices; false when the frame is full. */
static bool put(struct reader *r, const uint8_t *indices, size_t count)
{
    const akin_image *image = &r->decode->image;
    for (; count; count--, indices++) {
        uint8_t *pixel = image->pixels + (r->top + r->y) * image->stride +
                         3 * (size_t)(r->left + r->x);
        memcpy(pixel, r->colors[*indices], 3);
        r->pixels++;
        if (++r->x == r->width && !next_row(r))
            return false;
    }
    return true;
}

/* The string of `code` at the end of r->string. */
static const uint8_t *spell(struct reader *r, int code, int clear,
                            size_t *length)
{
    uint8_t *at = r->string + CODES;
    while (code > clear) {
        *--at = r->last[code];
        code = r->link[code];
    }
    *--at = (uint8_t)code;
    *length = (size_t)(r->string + CODES - at);
    return at;
}

/* Lempel-Ziv-Welch; false when the data ends or breaks before the frame is
 * full. */
static bool unpack(struct reader *r, uint32_t size)
{
    struct bits bits = {.input = &r->input};
    const int clear = 1 << size, end = clear + 1;
    int next = clear + 2, previous = -1, code;
    uint32_t wide = size + 1;
    while ((code = next_code(&bits, wide)) >= 0 && code != end) {
        if (code == clear) {
            next = clear + 2;
            wide = size + 1;
            previous = -1;
            continue;
        }
        if (code > next || (previous < 0 && code > clear) ||
            (code == next && next == CODES))
            return false;
        /* A code that is about to be made is the previous string and that
         * string's own first byte again. */
        size_t length;
        const uint8_t *string =
            spell(r, code == next ? previous : code, clear, &length);
        const uint8_t first = string[0];
        if (previous >= 0 && next < CODES) {
            r->link[next] = (uint16_t)previous;
            r->last[next] = first;
            if (next == (1 << wide) - 1 && wide < MAX_CODE_BITS)
                wide++;
            if (code == next)
                string = spell(r, next, clear, &length);
            next++;
        }
        if (!put(r, string, length))
            return true;
        previous = code;
    }
    return false;
}

/* A palette of 2 << flags & 7 colours; one of greys in order counts for all
 * 256, as none at all does. */
static void read_palette(struct reader *r, unsigned flags)
{
    const size_t count = (size_t)2 << (flags & 7);
    const uint8_t *colors = akin__take(&r->input, 3 * count);
    bool greys = true;
    for (size_t i = 0; colors && i < 3 * count; i++)
        greys = greys && colors[i] == i / 3;
    if (!colors)
        return;
    for (size_t i = 0; i < 256; i++)
        memset(r->colors[i], greys ? (int)i : 0, 3);
    memcpy(r->colors, colors, 3 * count);
}

static void skip_blocks(struct akin__cursor *input)
{
    uint32_t size;
    while ((size = akin__take_uint(input, 1, false)))
        akin__take(input, size);
}

static void read_extension(struct reader *r)
{
    enum { CONTROL = 249 };
    const uint32_t label = akin__take_uint(&r->input, 1, false);
    const uint32_t size = akin__take_uint(&r->input, 1, false);
    const uint8_t *block = akin__take(&r->input, size);
    if (label == CONTROL && block && size >= 4 && (block[0] & 1))
        r->transparent = block[3];
    if (size)
        skip_blocks(&r->input);
}

/* Up to the data of the first frame; false if there is none. */
static bool find_frame(struct reader *r)
{
    while (!r->input.bad) {
        const uint32_t mark = akin__take_uint(&r->input, 1, false);
        if (mark == ';')
            return false;
        if (mark == '!')
            read_extension(r);
        if (mark != ',')
            continue;
        r->left = akin__take_uint(&r->input, 2, false);
        r->top = akin__take_uint(&r->input, 2, false);
        r->width = akin__take_uint(&r->input, 2, false);
        r->height = akin__take_uint(&r->input, 2, false);
        const uint32_t flags = akin__take_uint(&r->input, 1, false);
        r->interlaced = flags & 64;
        if (flags & 128)
            read_palette(r, flags);
        return !r->input.bad;
    }
    return false;
}

static void fill(const akin_image *image, const uint8_t color[3])
{
    for (uint32_t y = 0; y < image->height; y++)
        for (uint32_t x = 0; x < image->width; x++)
            memcpy(image->pixels + y * image->stride + 3 * (size_t)x, color, 3);
}

static akin_status decode_frame(struct reader *r, uint32_t size)
{
    enum { MAX_SIZE = 11 }; /* the format says 8; others read these */
    struct akin__decode *decode = r->decode;
    if (size > MAX_SIZE)
        return akin__fail(decode->err, AKIN_EFORMAT,
                          "GIF has codes of %u bits (limit %d)", size,
                          MAX_SIZE);
    const uint64_t pixels = (uint64_t)r->width * r->height;
    if (!pixels || unpack(r, size))
        return AKIN_OK;
    if (!r->pixels)
        return akin__fail(decode->err, AKIN_EFORMAT, "GIF has no pixels");
    return akin__image_warn(decode, "GIF is damaged: %llu of %llu pixels read",
                            (unsigned long long)r->pixels,
                            (unsigned long long)pixels);
}

akin_status akin__decode_gif(struct akin__decode *decode)
{
    struct reader r = {.input = akin__cursor(decode->bytes, decode->count),
                       .decode = decode,
                       .transparent = -1};
    akin__take(&r.input, 6);
    uint32_t width = akin__take_uint(&r.input, 2, false);
    uint32_t height = akin__take_uint(&r.input, 2, false);
    const uint32_t flags = akin__take_uint(&r.input, 1, false);
    akin__take(&r.input, 2);
    for (size_t i = 0; i < 256; i++)
        memset(r.colors[i], (int)i, 3);
    if (flags & 128)
        read_palette(&r, flags);
    if (!find_frame(&r))
        return akin__fail(decode->err, AKIN_EFORMAT, "GIF has no frame");

    /* A frame that leaves the canvas widens it. */
    width = r.left + r.width > width ? r.left + r.width : width;
    height = r.top + r.height > height ? r.top + r.height : height;
    const akin_status status = akin__image_new(decode, width, height);
    if (status)
        return status;
    fill(&decode->image, r.colors[r.transparent < 0 ? 0 : r.transparent]);
    return decode_frame(&r, akin__take_uint(&r.input, 1, false));
}
