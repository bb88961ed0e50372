/*
 * WebP through libwebp: the first frame on its canvas, alpha dropped.
 *
 * The frame is decoded straight into the picture's pixels. What the frame does
 * not cover is black, as Pillow has it.
 */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "base/error.h"
#include "image/decoder.h"
#include "image/exif.h"
#include "image/limits.h"

static akin_status broken(struct akin__decode *decode, VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return akin__fail(decode->err, AKIN_ENOMEM,
                          "no memory to decode this WebP");
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return akin__fail(decode->err, AKIN_EFORMAT,
                          "WebP is truncated before its first row");
    default:
        return akin__fail(decode->err, AKIN_EFORMAT,
                          "WebP: the first frame breaks the format (%d)",
                          (int)code);
    }
}

/* The rows that there are of a frame that is cut off. */
static akin_status decode_part(struct akin__decode *decode,
                               WebPDecoderConfig *config, const WebPData *data)
{
    int rows = 0;
    WebPIDecoder *partial = WebPIDecode(NULL, 0, config);
    if (!partial)
        return broken(decode, VP8_STATUS_OUT_OF_MEMORY);
    const VP8StatusCode code = WebPIUpdate(partial, data->bytes, data->size);
    WebPIDecGetRGB(partial, &rows, NULL, NULL, NULL);
    WebPIDelete(partial);
    if (rows <= 0)
        return broken(decode, code);
    return akin__image_warn(decode, "WebP is damaged: %d of %d rows read", rows,
                            config->input.height);
}

static akin_status decode_frame(struct akin__decode *decode,
                                const WebPIterator *frame)
{
    const akin_image *image = &decode->image;
    const WebPData *data = &frame->fragment;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return broken(decode, VP8_STATUS_INVALID_PARAM);
    VP8StatusCode code =
        WebPGetFeatures(data->bytes, data->size, &config.input);
    if (code != VP8_STATUS_OK)
        return broken(decode, code);
    const uint32_t x = (uint32_t)frame->x_offset, y = (uint32_t)frame->y_offset;
    const uint32_t width = (uint32_t)config.input.width;
    const uint32_t height = (uint32_t)config.input.height;
    if (x > image->width || y > image->height || width > image->width - x ||
        height > image->height - y)
        return akin__fail(decode->err, AKIN_EFORMAT,
                          "WebP: the first frame of %u x %u pixels leaves its "
                          "canvas",
                          width, height);
    /* Lossless pictures are decoded to 4 bytes a pixel first. */
    const akin_status status =
        akin__image_memory(decode, (uint64_t)width * height * 4);
    if (status)
        return status;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image->pixels + y * image->stride + 3 * x;
    config.output.u.RGBA.stride = (int)image->stride;
    config.output.u.RGBA.size =
        image->stride * (height - 1) + 3 * (size_t)width;
    code = WebPDecode(data->bytes, data->size, &config);
    if (code == VP8_STATUS_OK)
        return AKIN_OK;
    return decode_part(decode, &config, data);
}

static void find_exif(struct akin__decode *decode, WebPDemuxer *demux)
{
    WebPChunkIterator chunk;
    if (!WebPDemuxGetChunk(demux, "EXIF", 1, &chunk))
        return;
    akin__exif_read(decode, chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
}

akin_status akin__decode_webp(struct akin__decode *decode)
{
    const WebPData data = {decode->bytes, decode->count};
    WebPDemuxState state;
    WebPIterator frame;
    akin_status status;
    WebPDemuxer *demux = WebPDemuxPartial(&data, &state);
    if (!demux)
        return akin__fail(decode->err, AKIN_EFORMAT,
                          "WebP: its chunks make no picture");
    find_exif(decode, demux);
    status = akin__image_new(decode, WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH),
                             WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT));
    if (!status && !WebPDemuxGetFrame(demux, 1, &frame))
        status = akin__fail(decode->err, AKIN_EFORMAT, "WebP has no frame");
    else if (!status) {
        status = decode_frame(decode, &frame);
        WebPDemuxReleaseIterator(&frame);
    }
    WebPDemuxDelete(demux);
    return status;
}
