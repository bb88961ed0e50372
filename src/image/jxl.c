/*
 * JPEG XL through libjxl: the first frame, alpha dropped, turned by libjxl as
 * the file says, with EXIF on or off.
 */
#include <jxl/decode.h>

#include "base/error.h"
#include "image/decoder.h"

/* Three planes of floats. */
enum { BYTES_A_PIXEL = 12 };

static const JxlPixelFormat rgb = {3, JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0};

static akin_status start(struct akin__decode *decode, JxlDecoder *decoder)
{
    JxlBasicInfo info;
    if (JxlDecoderGetBasicInfo(decoder, &info) != JXL_DEC_SUCCESS)
        return akin__fail(decode->err, AKIN_EFORMAT, "JPEG XL has no header");
    akin_status status = akin__image_new(decode, info.xsize, info.ysize);
    if (!status)
        status = akin__image_memory(decode, (uint64_t)info.xsize * info.ysize *
                                                BYTES_A_PIXEL);
    return status;
}

static akin_status set_output(struct akin__decode *decode, JxlDecoder *decoder)
{
    const akin_image *image = &decode->image;
    if (image->pixels && JxlDecoderSetImageOutBuffer(
                             decoder, &rgb, image->pixels,
                             image->stride * image->height) == JXL_DEC_SUCCESS)
        return AKIN_OK;
    return akin__fail(decode->err, AKIN_EFORMAT,
                      "JPEG XL: its colours cannot be made RGB");
}

/* The file ends early: what has come so far may be a coarse picture. */
static akin_status cut_off(struct akin__decode *decode, JxlDecoder *decoder)
{
    if (decode->image.pixels &&
        JxlDecoderFlushImage(decoder) == JXL_DEC_SUCCESS)
        return akin__image_warn(decode, "JPEG XL is truncated");
    return akin__fail(decode->err, AKIN_EFORMAT,
                      "JPEG XL is truncated before its first pixels");
}

static akin_status run(struct akin__decode *decode, JxlDecoder *decoder)
{
    akin_status status = AKIN_OK;
    /* The input is never declared closed: libjxl prints when it runs out. */
    JxlDecoderSetInput(decoder, decode->bytes, decode->count);
    while (!status) {
        switch ((int)JxlDecoderProcessInput(decoder)) {
        case JXL_DEC_BASIC_INFO:
            status = start(decode, decoder);
            break;
        case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
            status = set_output(decode, decoder);
            break;
        case JXL_DEC_FULL_IMAGE:
            return AKIN_OK;
        case JXL_DEC_NEED_MORE_INPUT:
            return cut_off(decode, decoder);
        default:
            return akin__fail(decode->err, AKIN_EFORMAT,
                              "JPEG XL breaks its format");
        }
    }
    return status;
}

akin_status akin__decode_jxl(struct akin__decode *decode)
{
    JxlDecoder *decoder = JxlDecoderCreate(NULL);
    akin_status status;
    if (!decoder || JxlDecoderSubscribeEvents(
                        decoder, JXL_DEC_BASIC_INFO | JXL_DEC_FULL_IMAGE) !=
                        JXL_DEC_SUCCESS)
        status = akin__fail(decode->err, AKIN_ENOMEM,
                            "no memory to decode this JPEG XL");
    else
        status = run(decode, decoder);
    JxlDecoderDestroy(decoder);
    return status;
}
