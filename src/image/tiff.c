/*
 * TIFF through libtiff, from memory: the first picture in the file.
 *
 * Samples are read as they are stored and made RGB here, as Pillow does it:
 * 16-bit grey is clipped at 255, other 16-bit samples keep their high byte,
 * colours multiplied by an associated alpha are divided again. What needs a
 * colour space of its own (YCbCr, CIE Lab) is left to libtiff's RGBA reader.
 *
 * Untrusted: nothing is read before the size is checked, a block of samples
 * counts as working memory, and messages go to this call's own handlers.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tiffio.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/decoder.h"
#include "image/exif.h"

enum { MAX_PLANES = 4 };

struct reader {
    struct akin__decode *decode;
    TIFF *tiff;
    toff_t at; /* where libtiff reads */
    uint32_t width, height;
    uint16_t bits, samples, photometric, planar, format;
    bool premultiplied; /* RGB by a fourth sample */
    uint16_t *map[3];   /* [1 << bits]: the palette */
    /* A strip or a tile at a time: */
    uint32_t block_width, block_height;
    size_t block_bytes, row_bytes;
    uint8_t *block[MAX_PLANES]; /* one, or one for each separate plane */
    uint32_t planes;
    char why[128]; /* libtiff's first error */
};

static tmsize_t on_read(thandle_t handle, void *out, tmsize_t count)
{
    struct reader *r = handle;
    const toff_t all = r->decode->count;
    const toff_t left = r->at < all ? all - r->at : 0;
    const size_t n = (toff_t)count < left ? (size_t)count : (size_t)left;
    memcpy(out, r->decode->bytes + (all - left), n);
    r->at += n;
    return (tmsize_t)n;
}

static tmsize_t on_write(thandle_t handle, void *bytes, tmsize_t count)
{
    (void)handle, (void)bytes, (void)count;
    return 0;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence)
{
    struct reader *r = handle;
    r->at = whence == SEEK_CUR   ? r->at + offset
            : whence == SEEK_END ? r->decode->count + offset
                                 : offset;
    return r->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    const struct reader *r = handle;
    return r->decode->count;
}

static int on_error(TIFF *tiff, void *context, const char *module,
                    const char *format, va_list arguments)
{
    struct reader *r = context;
    (void)tiff, (void)module;
    if (!r->why[0])
        vsnprintf(r->why, sizeof r->why, format, arguments);
    return 1; /* not to the handlers of the process */
}

/* Tags that libtiff does not know, and such: nothing to report. */
static int on_warning(TIFF *tiff, void *context, const char *module,
                      const char *format, va_list arguments)
{
    (void)tiff, (void)context, (void)module, (void)format, (void)arguments;
    return 1;
}

static akin_status open_tiff(struct reader *r)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    const uint64_t memory = r->decode->limits.memory_bytes;
    if (!options)
        return akin__fail(r->decode->err, AKIN_ENOMEM,
                          "no memory to decode this TIFF");
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, r);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, r);
    TIFFOpenOptionsSetMaxSingleMemAlloc(
        options, memory < INT64_MAX ? (tmsize_t)memory : INT64_MAX);
    r->tiff = TIFFClientOpenExt("", "rm", r, on_read, on_write, on_seek,
                                on_close, on_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    if (!r->tiff)
        return akin__fail(r->decode->err, AKIN_EFORMAT, "TIFF: %s",
                          r->why[0] ? r->why : "no directory");
    return AKIN_OK;
}

static void read_tags(struct reader *r)
{
    uint16_t extra = 0, *extras = NULL, orientation = 1, compression = 1;
    TIFFGetField(r->tiff, TIFFTAG_IMAGEWIDTH, &r->width);
    TIFFGetField(r->tiff, TIFFTAG_IMAGELENGTH, &r->height);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_BITSPERSAMPLE, &r->bits);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SAMPLESPERPIXEL, &r->samples);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SAMPLEFORMAT, &r->format);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_PLANARCONFIG, &r->planar);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_ORIENTATION, &orientation);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_COMPRESSION, &compression);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_EXTRASAMPLES, &extra, &extras);
    if (!TIFFGetField(r->tiff, TIFFTAG_PHOTOMETRIC, &r->photometric))
        r->photometric = PHOTOMETRIC_MINISWHITE;
    r->premultiplied = r->photometric == PHOTOMETRIC_RGB && r->samples >= 4 &&
                       extra && extras[0] == EXTRASAMPLE_ASSOCALPHA;
    r->decode->orientation =
        orientation >= 1 && orientation <= 8 ? orientation : 1;
    r->decode->always_turn = true; /* a tag of TIFF's own, as Pillow has it */
    if (compression == COMPRESSION_JPEG &&
        r->photometric == PHOTOMETRIC_YCBCR &&
        r->planar == PLANARCONFIG_CONTIG) {
        TIFFSetField(r->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        r->photometric = PHOTOMETRIC_RGB;
    }
}

/* Whether the samples are of a kind that is made RGB here. */
static bool is_plain(struct reader *r)
{
    const uint16_t b = r->bits, n = r->samples;
    const bool whole = b == 8 || b == 16;
    if (r->format != SAMPLEFORMAT_UINT &&
        !(r->format == SAMPLEFORMAT_INT && whole &&
          r->photometric == PHOTOMETRIC_MINISBLACK))
        return false;
    switch (r->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
        return n >= 1 && (whole || b == 1 || b == 2 || b == 4);
    case PHOTOMETRIC_PALETTE:
        return n >= 1 && (b == 1 || b == 2 || b == 4 || b == 8) &&
               TIFFGetField(r->tiff, TIFFTAG_COLORMAP, &r->map[0], &r->map[1],
                            &r->map[2]);
    case PHOTOMETRIC_RGB:
        return n >= 3 && whole;
    case PHOTOMETRIC_SEPARATED:
        return n >= 4 && whole;
    default:
        return false;
    }
}

/* Sample i of a row, in its own range. */
static unsigned sample(const uint8_t *row, size_t i, unsigned bits)
{
    uint16_t wide;
    switch (bits) {
    case 8:
        return row[i];
    case 16: /* libtiff gives them in the machine's order */
        memcpy(&wide, row + 2 * i, sizeof wide);
        return wide;
    default:
        return (unsigned)row[i * bits / 8] >> (8 - bits - i * bits % 8) &
               ((1u << bits) - 1);
    }
}

static void grey_pixel(const struct reader *r, uint8_t *out, unsigned value)
{
    if (r->bits == 16 && r->format == SAMPLEFORMAT_INT && value > INT16_MAX)
        value = 0; /* below zero */
    else if (r->bits == 16)
        value = value > 255 ? 255 : value;
    else
        value = value * 255 / ((1u << r->bits) - 1);
    if (r->photometric == PHOTOMETRIC_MINISWHITE && r->bits < 16)
        value = 255 - value;
    memset(out, (int)value, 3);
}

static void cmyk_pixel(uint8_t *out, const unsigned ink[4])
{
    const unsigned light = 255 - ink[3];
    for (int k = 0; k < 3; k++) {
        const unsigned t = ink[k] * light + 128;
        out[k] = (uint8_t)(light - (((t >> 8) + t) >> 8));
    }
}

static void rgb_pixel(const struct reader *r, uint8_t *out,
                      const unsigned color[4])
{
    for (int k = 0; k < 3; k++) {
        unsigned value = color[k];
        if (r->premultiplied)
            value = color[3] ? value * 255 / color[3] : 0;
        out[k] = (uint8_t)(value > 255 ? 255 : value);
    }
}

/* One row of a block as RGB. */
static void make_row(const struct reader *r, uint8_t *out, uint32_t row,
                     uint32_t width)
{
    const bool apart = r->planes > 1;
    const size_t step = apart ? 1 : r->samples;
    const unsigned shift = r->bits == 16 ? 8 : 0;
    const unsigned wanted =
        r->photometric == PHOTOMETRIC_SEPARATED || r->premultiplied ? 4 : 3;
    const uint8_t *first = r->block[0] + row * r->row_bytes;
    for (size_t x = 0; x < width; x++, out += 3) {
        if (r->photometric <= PHOTOMETRIC_MINISBLACK) {
            grey_pixel(r, out, sample(first, x * step, r->bits));
        } else if (r->photometric == PHOTOMETRIC_PALETTE) {
            const unsigned index = sample(first, x * step, r->bits);
            for (int k = 0; k < 3; k++)
                out[k] = (uint8_t)(r->map[k][index] >> 8);
        } else {
            unsigned color[4] = {0, 0, 0, 0};
            for (unsigned k = 0; k < wanted; k++) {
                const uint8_t *plane =
                    apart ? r->block[k] + row * r->row_bytes : first;
                color[k] =
                    sample(plane, x * step + (apart ? 0 : k), r->bits) >> shift;
            }
            if (r->photometric == PHOTOMETRIC_SEPARATED)
                cmyk_pixel(out, color);
            else
                rgb_pixel(r, out, color);
        }
    }
}

/* Read the block of each plane that holds pixel x, y; false if one broke. */
static bool read_block(struct reader *r, uint32_t x, uint32_t y)
{
    const bool tiled = TIFFIsTiled(r->tiff) != 0;
    bool whole = true;
    for (uint32_t p = 0; p < r->planes; p++) {
        const uint16_t plane = (uint16_t)p;
        const tmsize_t bytes = (tmsize_t)r->block_bytes;
        memset(r->block[p], 0, r->block_bytes);
        const tmsize_t got =
            tiled
                ? TIFFReadEncodedTile(r->tiff,
                                      TIFFComputeTile(r->tiff, x, y, 0, plane),
                                      r->block[p], bytes)
                : TIFFReadEncodedStrip(r->tiff,
                                       TIFFComputeStrip(r->tiff, y, plane),
                                       r->block[p], bytes);
        whole = whole && got >= 0;
    }
    return whole;
}

/* The shape of strips or tiles, and memory for one. */
static akin_status plan_blocks(struct reader *r)
{
    const bool tiled = TIFFIsTiled(r->tiff) != 0;
    tmsize_t bytes, row;
    if (tiled) {
        TIFFGetField(r->tiff, TIFFTAG_TILEWIDTH, &r->block_width);
        TIFFGetField(r->tiff, TIFFTAG_TILELENGTH, &r->block_height);
        bytes = TIFFTileSize(r->tiff);
        row = TIFFTileRowSize(r->tiff);
    } else {
        r->block_width = r->width;
        TIFFGetFieldDefaulted(r->tiff, TIFFTAG_ROWSPERSTRIP, &r->block_height);
        if (r->block_height > r->height)
            r->block_height = r->height;
        bytes = TIFFStripSize(r->tiff);
        row = TIFFScanlineSize(r->tiff);
    }
    const bool apart = r->planar == PLANARCONFIG_SEPARATE && r->samples > 1;
    r->planes = !apart ? 1 : r->samples < MAX_PLANES ? r->samples : MAX_PLANES;
    r->block_bytes = bytes > 0 ? (size_t)bytes : 0;
    r->row_bytes = row > 0 ? (size_t)row : 0;
    const uint64_t pixels =
        r->block_width * (uint64_t)r->bits * (apart ? 1u : r->samples);
    if (!r->block_width || !r->block_height ||
        r->row_bytes < (pixels + 7) / 8 ||
        r->block_bytes / r->block_height < r->row_bytes)
        return akin__fail(r->decode->err, AKIN_EFORMAT,
                          "TIFF: strips or tiles that make no sense");
    akin_status status =
        akin__image_memory(r->decode, (uint64_t)r->block_bytes * r->planes);
    for (uint32_t p = 0; p < r->planes && !status; p++) {
        r->block[p] = akin__alloc(r->block_bytes, 1);
        if (!r->block[p])
            status = akin__fail(r->decode->err, AKIN_ENOMEM,
                                "no memory to decode this TIFF");
    }
    return status;
}

static akin_status read_blocks(struct reader *r)
{
    const akin_image *image = &r->decode->image;
    uint64_t good = 0, all = 0;
    const akin_status status = plan_blocks(r);
    r->why[0] = 0; /* complaints about tags that are not needed */
    if (status)
        return status;
    for (uint64_t y = 0; y < r->height; y += r->block_height)
        for (uint64_t x = 0; x < r->width; x += r->block_width) {
            const uint64_t right = r->width - x, below = r->height - y;
            const uint32_t w =
                right < r->block_width ? (uint32_t)right : r->block_width;
            const uint32_t h =
                below < r->block_height ? (uint32_t)below : r->block_height;
            good += read_block(r, (uint32_t)x, (uint32_t)y);
            all++;
            for (uint32_t i = 0; i < h; i++)
                make_row(r, image->pixels + (y + i) * image->stride + 3 * x, i,
                         w);
        }
    if (good == all)
        return AKIN_OK;
    if (!good && all > 1)
        return akin__fail(r->decode->err, AKIN_EFORMAT, "TIFF: %s", r->why);
    return akin__image_warn(r->decode,
                            "TIFF is damaged: %.120s; %llu of %llu "
                            "blocks read",
                            r->why, (unsigned long long)good,
                            (unsigned long long)all);
}

/* libtiff's own way to RGB, for what has a colour space of its own. */
static akin_status read_rgba(struct reader *r)
{
    const akin_image *image = &r->decode->image;
    char why[1024] = "";
    TIFFRGBAImage rgba;
    const uint64_t pixels = (uint64_t)r->width * r->height;
    if (!TIFFRGBAImageOK(r->tiff, why) ||
        !TIFFRGBAImageBegin(&rgba, r->tiff, 1, why))
        return akin__fail(r->decode->err, AKIN_EFORMAT,
                          "TIFF of %u samples of %u bits, photometric %u, is "
                          "not supported: %.100s",
                          r->samples, r->bits, r->photometric, why);
    rgba.orientation = rgba.req_orientation = ORIENTATION_TOPLEFT;
    uint32_t *raster = NULL;
    akin_status status = akin__image_memory(r->decode, pixels * 4);
    if (!status && !(raster = akin__calloc(pixels, 4)))
        status = akin__fail(r->decode->err, AKIN_ENOMEM,
                            "no memory to decode this TIFF");
    if (!status && !TIFFRGBAImageGet(&rgba, raster, r->width, r->height))
        status = akin__fail(r->decode->err, AKIN_EFORMAT, "TIFF: %s", r->why);
    for (size_t i = 0; !status && i < pixels; i++) {
        uint8_t *out = image->pixels + 3 * i;
        out[0] = (uint8_t)TIFFGetR(raster[i]);
        out[1] = (uint8_t)TIFFGetG(raster[i]);
        out[2] = (uint8_t)TIFFGetB(raster[i]);
    }
    TIFFRGBAImageEnd(&rgba);
    akin__free(raster);
    return status;
}

akin_status akin__decode_tiff(struct akin__decode *decode)
{
    struct reader r = {.decode = decode};
    akin_status status = open_tiff(&r);
    if (status)
        return status;
    read_tags(&r);
    akin__exif_date(decode, decode->bytes, decode->count);
    status = akin__image_new(decode, r.width, r.height);
    if (!status)
        status = is_plain(&r) ? read_blocks(&r) : read_rgba(&r);
    for (int p = 0; p < MAX_PLANES; p++)
        akin__free(r.block[p]);
    TIFFClose(r.tiff);
    return status;
}
