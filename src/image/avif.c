/*
 * AVIF through libavif: the first frame, alpha dropped.
 *
 * The file's own rotation and mirroring are what EXIF orientation is
 * elsewhere: Pillow gives the pixels as stored and reports them so.
 */
#include <string.h>

#include <avif/avif.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/decoder.h"
#include "image/exif.h"

/* Three planes and alpha, and RGBA of them. */
enum { BYTES_A_PIXEL = 8 };

#if AVIF_VERSION >= 1000000
#define MIRROR(image) (image)->imir.axis
#else
#define MIRROR(image) (image)->imir.mode
#endif

/* EXIF's number for: turned anti-clockwise by so many quarters, then not
 * mirrored, top to bottom, or left to right. */
static uint32_t orientation_of(const avifImage *image)
{
    static const uint8_t table[4][3] = {
        {1, 4, 2}, {8, 5, 7}, {3, 2, 4}, {6, 7, 5}};
    const bool turned = image->transformFlags & AVIF_TRANSFORM_IROT;
    const bool mirrored = image->transformFlags & AVIF_TRANSFORM_IMIR;
    return table[turned ? image->irot.angle & 3 : 0][!mirrored       ? 0
                                                     : MIRROR(image) ? 2
                                                                     : 1];
}

static akin_status broken(struct akin__decode *decode, avifResult result)
{
    const akin_status status =
        result == AVIF_RESULT_OUT_OF_MEMORY ? AKIN_ENOMEM : AKIN_EFORMAT;
    return akin__fail(decode->err, status, "AVIF: %.150s",
                      avifResultToString(result));
}

/* The frame's pixels. With alpha by way of RGBA: told to leave alpha out,
 * libavif would darken the colours by it. */
static akin_status make_rgb(struct akin__decode *decode, const avifImage *image)
{
    const akin_image *out = &decode->image;
    uint8_t *rgba = NULL;
    avifRGBImage rgb;
    avifRGBImageSetDefaults(&rgb, image);
    rgb.depth = 8;
    rgb.format = AVIF_RGB_FORMAT_RGB;
    rgb.pixels = out->pixels;
    rgb.rowBytes = (uint32_t)out->stride;
    if (image->alphaPlane) {
        rgba = akin__alloc((size_t)out->width * out->height, 4);
        if (!rgba)
            return broken(decode, AVIF_RESULT_OUT_OF_MEMORY);
        rgb.format = AVIF_RGB_FORMAT_RGBA;
        rgb.pixels = rgba;
        rgb.rowBytes = out->width * 4;
    }
    const avifResult result = avifImageYUVToRGB(image, &rgb);
    for (size_t i = 0; rgba && i < (size_t)out->width * out->height; i++)
        memcpy(out->pixels + 3 * i, rgba + 4 * i, 3);
    akin__free(rgba);
    return result == AVIF_RESULT_OK ? AKIN_OK : broken(decode, result);
}

static akin_status decode_frame(struct akin__decode *decode,
                                avifDecoder *decoder)
{
    avifResult result = avifDecoderParse(decoder);
    if (result != AVIF_RESULT_OK)
        return broken(decode, result);
    const avifImage *image = decoder->image;
    akin_status status = akin__image_check(decode, image->width, image->height);
    if (!status)
        status = akin__image_memory(decode, (uint64_t)image->width *
                                                image->height * BYTES_A_PIXEL);
    if (status)
        return status;
    result = avifDecoderNextImage(decoder);
    if (result != AVIF_RESULT_OK)
        return broken(decode, result);
    decode->orientation = orientation_of(image);
    akin__exif_date(decode, image->exif.data, image->exif.size);
    status = akin__image_new(decode, image->width, image->height);
    return status ? status : make_rgb(decode, image);
}

akin_status akin__decode_avif(struct akin__decode *decode)
{
    avifDecoder *decoder = avifDecoderCreate();
    if (!decoder)
        return broken(decode, AVIF_RESULT_OUT_OF_MEMORY);
    decoder->ignoreXMP = AVIF_TRUE;
    /* What old encoders left out, as Pillow forgives it. */
    decoder->strictFlags &=
        ~(avifStrictFlags)(AVIF_STRICT_CLAP_VALID | AVIF_STRICT_PIXI_REQUIRED);
    decoder->imageDimensionLimit = 0; /* akin__image_check says it better */
    avifDecoderSetIOMemory(decoder, decode->bytes, decode->count);
    const akin_status status = decode_frame(decode, decoder);
    avifDecoderDestroy(decoder);
    return status;
}
