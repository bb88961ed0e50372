/*
 * BMP: every layout that Pillow reads, and fields of any width.
 *
 * Untrusted: all bytes come through a cursor, and pixels are counted, so that
 * the work is bounded by the picture. What the file ends before is black.
 */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "image/decoder.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12 };
enum compression { RAW = 0, RLE8 = 1, RLE4 = 2, FIELDS = 3 };

struct reader {
    struct akin__cursor input; /* the whole file; then the pixels */
    struct akin__decode *decode;
    uint32_t header; /* bytes of the second header */
    uint32_t offset; /* of the pixels in the file */
    uint32_t width, height, bits, compression;
    uint32_t used;     /* colours in the palette */
    uint32_t mask[3];  /* red, green, blue in a pixel of 16 or 32 bits */
    bool from_the_top; /* rows; else from the bottom */
    uint8_t colors[256][3];
};

static void read_header(struct reader *r)
{
    struct akin__cursor *c = &r->input;
    akin__take(c, 10);
    r->offset = akin__take_uint(c, 4, false);
    r->header = akin__take_uint(c, 4, false);
    const bool core = r->header == CORE_HEADER;
    r->width = akin__take_uint(c, core ? 2 : 4, false);
    r->height = akin__take_uint(c, core ? 2 : 4, false);
    akin__take(c, 2);
    r->bits = akin__take_uint(c, 2, false);
    if (core)
        return;
    r->from_the_top = r->height >> 24 == 0xff;
    if (r->from_the_top)
        r->height = 0u - r->height;
    r->compression = akin__take_uint(c, 4, false);
    akin__take(c, 12);
    r->used = akin__take_uint(c, 4, false);
    akin__take(c, 4);
}

/* Where the red, green and blue of a 16- or 32-bit pixel are. They follow the
 * common 40 bytes, in the header or behind it. */
static void read_masks(struct reader *r)
{
    static const uint32_t five[3] = {0x7c00, 0x3e0, 0x1f};
    static const uint32_t eight[3] = {0xff0000, 0xff00, 0xff};
    memcpy(r->mask, r->bits == 16 ? five : eight, sizeof r->mask);
    if (r->compression != FIELDS)
        return;
    uint32_t mask[3];
    for (int i = 0; i < 3; i++)
        mask[i] = akin__take_uint(&r->input, 4, false);
    if (mask[0] | mask[1] | mask[2])
        memcpy(r->mask, mask, sizeof mask);
}

static bool is_one_run(uint32_t mask)
{
    const uint32_t low = mask & (0u - mask);
    return mask && ((mask + low) & mask) == 0;
}

static akin_status check(const struct reader *r)
{
    akin_error *err = r->decode->err;
    const uint32_t b = r->bits;
    if (r->input.bad)
        return akin__fail(err, AKIN_EFORMAT, "BMP ends in its header");
    if (r->header != CORE_HEADER && r->header < 40)
        return akin__fail(err, AKIN_EFORMAT,
                          "BMP with a header of %u bytes is not supported",
                          r->header);
    if (b != 1 && b != 4 && b != 8 && b != 16 && b != 24 && b != 32)
        return akin__fail(err, AKIN_EFORMAT,
                          "BMP of %u bits a pixel is not supported", b);
    if (r->compression > FIELDS ||
        (r->compression == FIELDS && b != 16 && b != 24 && b != 32) ||
        ((r->compression == RLE8 || r->compression == RLE4) && b > 8))
        return akin__fail(err, AKIN_EFORMAT,
                          "BMP of %u bits a pixel with compression %u is not "
                          "supported",
                          b, r->compression);
    for (int i = 0; i < 3; i++)
        if (!is_one_run(r->mask[i]))
            return akin__fail(err, AKIN_EFORMAT,
                              "BMP with a colour mask of %#x is not supported",
                              r->mask[i]);
    return AKIN_OK;
}

/* Colours are stored as blue, green, red and mostly a byte of nothing. */
static void read_palette(struct reader *r)
{
    const size_t bytes = r->header == CORE_HEADER ? 3 : 4;
    const uint32_t all = 1u << r->bits;
    const uint32_t count = r->used ? r->used : all;
    const size_t start = FILE_HEADER + (size_t)r->header;
    struct akin__cursor c = akin__cursor(r->decode->bytes, r->decode->count);
    akin__take(&c, start);
    for (uint32_t i = 0; i < count && i < 256; i++) {
        const uint8_t *color = akin__take(&c, bytes);
        for (int k = 0; color && k < 3; k++)
            r->colors[i][k] = color[2 - k];
    }
    /* Files are about that forget the palette when they say where the pixels
     * are, and such that do not say it. */
    const size_t after = start + bytes * count;
    if (!r->offset || r->offset == FILE_HEADER + r->header)
        r->offset = after < UINT32_MAX ? (uint32_t)after : UINT32_MAX;
}

static uint8_t *row_of(const struct reader *r, uint32_t y)
{
    const akin_image *image = &r->decode->image;
    return image->pixels +
           (r->from_the_top ? y : image->height - 1 - y) * image->stride;
}

static void indexed_row(const struct reader *r, uint8_t *out, const uint8_t *in)
{
    const uint32_t each = 8 / r->bits, mask = (1u << r->bits) - 1;
    for (uint32_t x = 0; x < r->width; x++, out += 3) {
        const uint32_t shift = 8 - r->bits - x % each * r->bits;
        memcpy(out, r->colors[(uint32_t)in[x / each] >> shift & mask], 3);
    }
}

static void masked_row(const struct reader *r, uint8_t *out, const uint8_t *in)
{
    uint32_t shift[3], most[3];
    for (int k = 0; k < 3; k++) {
        shift[k] = (uint32_t)__builtin_ctz(r->mask[k]);
        most[k] = r->mask[k] >> shift[k];
    }
    const uint32_t bytes = r->bits / 8;
    for (uint32_t x = 0; x < r->width; x++, in += bytes) {
        const uint32_t pixel = (uint32_t)in[0] | (uint32_t)in[1] << 8 |
                               (bytes > 2 ? (uint32_t)in[2] << 16 : 0) |
                               (bytes > 3 ? (uint32_t)in[3] << 24 : 0);
        for (int k = 0; k < 3; k++, out++)
            *out = (uint8_t)((uint64_t)((pixel & r->mask[k]) >> shift[k]) *
                             255 / most[k]);
    }
}

static akin_status read_rows(struct reader *r)
{
    const size_t bytes = ((size_t)r->width * r->bits + 31) / 32 * 4;
    const size_t needed = ((size_t)r->width * r->bits + 7) / 8;
    for (uint32_t y = 0; y < r->height; y++) {
        /* The last row may lack its padding. */
        const size_t left = akin__left(&r->input);
        const uint8_t *in = akin__take(
            &r->input, left < bytes && left >= needed ? left : bytes);
        if (!in && y == 0)
            return akin__fail(r->decode->err, AKIN_EFORMAT,
                              "BMP ends before its first row");
        if (!in)
            return akin__image_warn(r->decode,
                                    "BMP is truncated: %u of %u rows read", y,
                                    r->height);
        if (r->bits <= 8)
            indexed_row(r, row_of(r, y), in);
        else
            masked_row(r, row_of(r, y), in);
    }
    return AKIN_OK;
}

/* The picture as one line of pixels, row after row. */
struct line {
    uint64_t at, end;
    uint32_t x; /* as the encoder counts it: it may lose step */
};

static void put(const struct reader *r, struct line *line, uint32_t index)
{
    if (line->at >= line->end)
        return;
    const uint32_t y = (uint32_t)(line->at / r->width);
    memcpy(row_of(r, y) + 3 * (line->at % r->width), r->colors[index & 255], 3);
    line->at++;
}

/* `count` pixels, each written out: 4 or 8 bits, to an even offset. */
static void put_each(struct reader *r, struct line *line, uint32_t count)
{
    const bool half = r->compression == RLE4;
    for (uint32_t i = 0; i < count && !r->input.bad; i++) {
        const uint32_t byte = half && i % 2
                                  ? r->input.at[-1]
                                  : akin__take_uint(&r->input, 1, false);
        if (!r->input.bad)
            put(r, line, half ? (i % 2 ? byte & 15 : byte >> 4) : byte);
    }
    line->x += count;
    if ((r->input.at - r->decode->bytes) % 2)
        akin__take(&r->input, 1);
}

static void put_run(struct reader *r, struct line *line, uint32_t count,
                    uint32_t byte)
{
    const uint32_t room = line->x < r->width ? r->width - line->x : 0;
    if (count > room)
        count = room;
    for (uint32_t i = 0; i < count; i++)
        put(r, line,
            r->compression == RLE8 ? byte
            : i % 2                ? byte & 15
                                   : byte >> 4);
    line->x += count;
}

static void skip(const struct reader *r, struct line *line, uint64_t count)
{
    for (; count && line->at < line->end; count--)
        put(r, line, 0);
}

/* Runs: a count and a byte; or zero and a command. */
static akin_status read_runs(struct reader *r)
{
    enum { END_OF_ROW = 0, END = 1, MOVE = 2 };
    struct line line = {0, (uint64_t)r->width * r->height, 0};
    while (line.at < line.end && !r->input.bad) {
        const uint32_t count = akin__take_uint(&r->input, 1, false);
        const uint32_t byte = akin__take_uint(&r->input, 1, false);
        if (r->input.bad)
            break;
        if (count) {
            put_run(r, &line, count, byte);
        } else if (byte == END_OF_ROW) {
            skip(r, &line, (r->width - line.at % r->width) % r->width);
            line.x = 0;
        } else if (byte == END) {
            skip(r, &line, line.end);
        } else if (byte == MOVE) {
            const uint32_t right = akin__take_uint(&r->input, 1, false);
            const uint32_t up = akin__take_uint(&r->input, 1, false);
            skip(r, &line, right + (uint64_t)up * r->width);
            line.x = (uint32_t)(line.at % r->width);
        } else {
            put_each(r, &line, byte);
        }
    }
    if (line.at == line.end)
        return AKIN_OK;
    if (!line.at)
        return akin__fail(r->decode->err, AKIN_EFORMAT,
                          "BMP ends before its first row");
    return akin__image_warn(
        r->decode, "BMP is truncated: %llu of %llu pixels read",
        (unsigned long long)line.at, (unsigned long long)line.end);
}

akin_status akin__decode_bmp(struct akin__decode *decode)
{
    struct reader r = {.input = akin__cursor(decode->bytes, decode->count),
                       .decode = decode};
    read_header(&r);
    read_masks(&r);
    akin_status status = check(&r);
    if (status)
        return status;
    if (r.bits <= 8)
        read_palette(&r);
    else if (!r.offset)
        r.offset = (uint32_t)(r.input.at - decode->bytes);
    status = akin__image_new(decode, r.width, r.height);
    if (status)
        return status;
    r.input = akin__cursor(decode->bytes, decode->count);
    akin__take(&r.input, r.offset);
    return r.compression == RLE8 || r.compression == RLE4 ? read_runs(&r)
                                                          : read_rows(&r);
}
