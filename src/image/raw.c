/*
 * Camera raw through libraw: the preview that the camera put into the file, a
 * JPEG or a bitmap. The sensor's own data is not developed.
 */
#include <stdlib.h>
#include <string.h>

#include <libraw/libraw.h>

#include "base/error.h"
#include "image/decoder.h"
#include "image/exif.h"

/* libraw's flags that keep it from printing; their names differ by version. */
enum { NO_MEMORY_MESSAGES = 1, NO_DATA_MESSAGES = 2 };

/* How the camera was held. */
static uint32_t orientation_of(const libraw_data_t *raw)
{
    switch (raw->sizes.flip) {
    case 3:
        return 3;
    case 5:
        return 8;
    case 6:
        return 6;
    default:
        return 1;
    }
}

/* The preview's own EXIF counts where it says anything. */
static akin_status decode_jpeg(struct akin__decode *decode,
                               const libraw_thumbnail_t *preview)
{
    struct akin__decode inner = *decode;
    inner.bytes = (const uint8_t *)preview->thumb;
    inner.count = preview->tlength;
    const akin_status status = akin__decode_jpeg(&inner);
    inner.bytes = decode->bytes;
    inner.count = decode->count;
    *decode = inner;
    return status;
}

static akin_status copy_bitmap(struct akin__decode *decode,
                               const libraw_thumbnail_t *preview)
{
    const size_t pixels = (size_t)preview->twidth * preview->theight;
    if (preview->tcolors != 3 || preview->tlength < 3 * pixels)
        return akin__fail(decode->err, AKIN_EFORMAT,
                          "camera raw: the preview has %d colours, %u bytes",
                          preview->tcolors, preview->tlength);
    const akin_status status =
        akin__image_new(decode, preview->twidth, preview->theight);
    if (!status)
        memcpy(decode->image.pixels, preview->thumb, 3 * pixels);
    return status;
}

static akin_status decode_preview(struct akin__decode *decode,
                                  const libraw_data_t *raw)
{
    const libraw_thumbnail_t *preview = &raw->thumbnail;
    akin_status status;
    if (preview->thumb && preview->tformat == LIBRAW_THUMBNAIL_JPEG)
        status = decode_jpeg(decode, preview);
    else if (preview->thumb && preview->tformat == LIBRAW_THUMBNAIL_BITMAP)
        status = copy_bitmap(decode, preview);
    else
        status = akin__fail(decode->err, AKIN_EFORMAT,
                            "camera raw without a preview that akin reads");
    if (!status && decode->orientation == 1)
        decode->orientation = orientation_of(raw);
    /* Most of them are TIFF files, with the date that the camera gave. */
    if (!status)
        akin__exif_date(decode, decode->bytes, decode->count);
    return status;
}

akin_status akin__decode_raw(struct akin__decode *decode)
{
    libraw_data_t *raw = libraw_init(NO_MEMORY_MESSAGES | NO_DATA_MESSAGES);
    akin_status status;
    if (!raw)
        return akin__fail(decode->err, AKIN_ENOMEM,
                          "no memory to decode this camera raw");
    /* libraw reads only; its type forgot to say so. */
    union {
        const uint8_t *in;
        void *out;
    } bytes = {decode->bytes};
    int error = libraw_open_buffer(raw, bytes.out, decode->count);
    if (!error)
        error = libraw_unpack_thumb(raw);
    if (error)
        status = akin__fail(decode->err, AKIN_EFORMAT, "camera raw: %.150s",
                            libraw_strerror(error));
    else
        status = decode_preview(decode, raw);
    libraw_close(raw);
    return status;
}
