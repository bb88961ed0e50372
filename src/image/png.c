/*
 * PNG through libpng, to the RGB that Pillow's convert gives: alpha and
 * transparency dropped, palette applied, 16-bit grey clipped at 255, the high
 * byte of other 16-bit samples. An animation's still picture.
 *
 * Untrusted: the chunks are walked once before libpng sees the file, which
 * then skips everything that does not make pixels. libpng answers a fatal
 * error by a jump: what a jump can cross lives in struct reader.
 */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "image/decoder.h"
#include "image/exif.h"
#include "image/limits.h"

struct reader {
    png_structp png;
    png_infop info;
    struct akin__cursor input;
    const uint8_t *cut; /* head of the pixel chunk that the file's end cuts */
    struct akin__decode *decode;
    size_t memory;        /* libpng's, in bytes */
    bool short_of_memory; /* the limit or the system said no */
    int color;            /* PNG_COLOR_TYPE_... of the file */
    int depth;            /* bits of a sample */
    uint32_t rows;        /* read in the pass at hand */
    bool pixels;          /* a row has been read */
    char why[128];        /* libpng's first warning, or its error */
};

/* Memory: counted, so that no chunk makes libpng grow beyond its share. */

enum { HEAD = 16 }; /* before each block: its size; keeps malloc's alignment */

static png_voidp take_memory(png_structp png, png_alloc_size_t bytes)
{
    struct reader *r = png_get_mem_ptr(png);
    uint8_t *block = NULL;
    if (bytes <= AKIN__PNG_MEMORY && r->memory + bytes <= AKIN__PNG_MEMORY)
        block = akin__alloc(bytes + HEAD, 1);
    if (!block) {
        r->short_of_memory = true;
        return NULL;
    }
    memcpy(block, &bytes, sizeof bytes);
    r->memory += bytes;
    return block + HEAD;
}

static void give_memory(png_structp png, png_voidp memory)
{
    struct reader *r = png_get_mem_ptr(png);
    png_alloc_size_t bytes;
    memcpy(&bytes, (uint8_t *)memory - HEAD, sizeof bytes);
    r->memory -= bytes;
    akin__free((uint8_t *)memory - HEAD);
}

static void on_warning(png_structp png, png_const_charp text)
{
    struct reader *r = png_get_error_ptr(png);
    if (!r->why[0])
        snprintf(r->why, sizeof r->why, "%s", text);
}

static void on_error(png_structp png, png_const_charp text)
{
    struct reader *r = png_get_error_ptr(png);
    snprintf(r->why, sizeof r->why, "%s", text);
    png_longjmp(png, 1);
}

/* A chunk that is cut off is given the length it has: libpng reads it in large
 * pieces, and the rows in an incomplete piece would be lost. */
static void on_read(png_structp png, png_bytep bytes, png_size_t count)
{
    struct reader *r = png_get_io_ptr(png);
    const uint8_t *at = akin__take(&r->input, count);
    if (!at)
        png_error(png, "file ends early");
    memcpy(bytes, at, count);
    if (at == r->cut && count >= 8)
        png_save_uint_32(bytes, (png_uint_32)akin__left(&r->input));
}

/* What needs no decoder: whole headers, how many chunks beside the pixels,
 * which way is up. Stops where the file breaks. */
static akin_status walk_chunks(struct reader *r)
{
    struct akin__decode *decode = r->decode;
    struct akin__cursor c = r->input;
    unsigned others = 0;
    akin__take(&c, 8);
    for (;;) {
        const uint8_t *head = c.at;
        const uint32_t length = akin__take_uint(&c, 4, true);
        const uint8_t *name = akin__take(&c, 4);
        const bool whole = name && length <= akin__left(&c);
        const uint8_t *data = akin__take(&c, length);
        const uint32_t crc = akin__take_uint(&c, 4, true);
        if (name && !whole && memcmp(name, "IDAT", 4) == 0)
            r->cut = head;
        if (c.bad || memcmp(name, "IEND", 4) == 0)
            return AKIN_OK;
        if (memcmp(name, "IDAT", 4) == 0 || memcmp(name, "fdAT", 4) == 0)
            continue;
        if (++others > AKIN__PNG_CHUNKS)
            return akin__fail(decode->err, AKIN_ELIMIT,
                              "PNG has more than %d chunks beside its pixels",
                              AKIN__PNG_CHUNKS);
        const bool header = memcmp(name, "IHDR", 4) == 0;
        if ((header || memcmp(name, "PLTE", 4) == 0) &&
            akin__crc32(name, length + (size_t)4) != crc)
            return akin__fail(decode->err, AKIN_EFORMAT,
                              "PNG's %s has a wrong checksum",
                              header ? "header" : "palette");
        if (memcmp(name, "eXIf", 4) == 0)
            akin__exif_read(decode, data, length);
    }
}

/* libpng reads what makes pixels; all else is passed over. */
static void configure(png_structp png)
{
    // clang-format off
    static const png_byte skipped[] =
        "bKGD\0" "cHRM\0" "cICP\0" "eXIf\0" "gAMA\0" "hIST\0" "iCCP\0"
        "iTXt\0" "oFFs\0" "pCAL\0" "pHYs\0" "sBIT\0" "sCAL\0" "sPLT\0"
        "sRGB\0" "sTER\0" "tEXt\0" "tIME\0" "tRNS\0" "zTXt\0";
    // clang-format on
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, skipped,
                                (int)(sizeof skipped / 5));
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(png, AKIN__PNG_CHUNK_BYTES);
    png_set_crc_action(png, PNG_CRC_WARN_USE, PNG_CRC_QUIET_USE);
#ifdef PNG_IGNORE_ADLER32 /* Ubuntu 24.04 builds libpng without it */
    png_set_option(png, PNG_IGNORE_ADLER32, PNG_OPTION_ON);
#endif
    png_set_check_for_invalid_index(png, -1);
}

/* Ask for rows of 1 byte a pixel (palette), 2 (16-bit grey) or 3 (the rest):
 * never more than the RGB row they are read into. */
static void choose_rows(struct reader *r)
{
    png_structp png = r->png;
    const bool palette = r->color == PNG_COLOR_TYPE_PALETTE;
    if (palette) {
        png_set_packing(png);
        return;
    }
    if (r->color == PNG_COLOR_TYPE_GRAY && r->depth == 16)
        return;
    if (r->color == PNG_COLOR_TYPE_GRAY && r->depth < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (r->depth == 16)
        png_set_strip_16(png);
    if (r->color & PNG_COLOR_MASK_ALPHA)
        png_set_strip_alpha(png);
    if (!(r->color & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(png);
}

static void from_palette(const struct reader *r, uint8_t *row, uint32_t width)
{
    png_colorp palette;
    int colors = 0;
    png_get_PLTE(r->png, r->info, &palette, &colors);
    for (size_t i = width; i-- > 0;) {
        const int index = row[i];
        const png_color black = {0, 0, 0};
        const png_color color = index < colors ? palette[index] : black;
        row[3 * i] = color.red;
        row[3 * i + 1] = color.green;
        row[3 * i + 2] = color.blue;
    }
}

static void from_grey16(uint8_t *row, uint32_t width)
{
    for (size_t i = width; i-- > 0;) {
        const uint8_t value = row[2 * i] ? 255 : row[2 * i + 1];
        row[3 * i] = row[3 * i + 1] = row[3 * i + 2] = value;
    }
}

/* The rows that were read, as RGB. */
static void finish_rows(struct reader *r)
{
    const akin_image *image = &r->decode->image;
    const bool palette = r->color == PNG_COLOR_TYPE_PALETTE;
    if (!palette && (r->color != PNG_COLOR_TYPE_GRAY || r->depth != 16))
        return;
    for (uint32_t y = 0; y < image->height; y++) {
        uint8_t *row = image->pixels + y * image->stride;
        if (palette)
            from_palette(r, row, image->width);
        else
            from_grey16(row, image->width);
    }
}

/* Everything between here and its return may jump back to run(). */
static akin_status read_image(struct reader *r)
{
    png_structp png = r->png;
    png_read_info(png, r->info);
    r->color = png_get_color_type(png, r->info);
    r->depth = png_get_bit_depth(png, r->info);
    const uint32_t height = png_get_image_height(png, r->info);
    const akin_status status =
        akin__image_new(r->decode, png_get_image_width(png, r->info), height);
    if (status)
        return status;
    choose_rows(r);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, r->info);
    for (int pass = 0; pass < passes; pass++)
        for (r->rows = 0; r->rows < height; r->rows++) {
            png_read_row(png,
                         r->decode->image.pixels +
                             r->rows * r->decode->image.stride,
                         NULL);
            r->pixels = true;
        }
    return AKIN_OK;
}

static akin_status gave_up(struct reader *r)
{
    if (r->short_of_memory)
        return akin__fail(r->decode->err, AKIN_ELIMIT,
                          "PNG: libpng wants more memory than it may have "
                          "(limit %d bytes)",
                          AKIN__PNG_MEMORY);
    if (!r->pixels)
        return akin__fail(r->decode->err, AKIN_EFORMAT, "PNG: %s", r->why);
    finish_rows(r);
    return akin__image_warn(r->decode, "PNG is damaged: %s; %u of %u rows read",
                            r->why, r->rows, r->decode->image.height);
}

static akin_status run(struct reader *r)
{
    if (setjmp(png_jmpbuf(r->png)))
        return gave_up(r);
    png_set_read_fn(r->png, r, on_read);
    configure(r->png);
    const akin_status status = read_image(r);
    if (status)
        return status;
    finish_rows(r);
    return r->why[0] ? akin__image_warn(r->decode, "PNG is damaged: %s", r->why)
                     : AKIN_OK;
}

akin_status akin__decode_png(struct akin__decode *decode)
{
    struct reader r = {.input = akin__cursor(decode->bytes, decode->count),
                       .decode = decode};
    akin_status status = walk_chunks(&r);
    if (status)
        return status;
    r.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &r, on_error,
                                     on_warning, &r, take_memory, give_memory);
    if (r.png)
        r.info = png_create_info_struct(r.png);
    status = r.info ? run(&r)
                    : akin__fail(decode->err, AKIN_ENOMEM,
                                 "no memory to decode this PNG");
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return status;
}
