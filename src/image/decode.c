/*
 * Decode: the one way from bytes to upright pixels.
 *
 * The format is what the bytes say, never the name. The decoder of the format
 * gives the pixels as stored; here they are turned, and everything that can go
 * wrong becomes one line: akin_image_read puts the path in front of it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "image/config.h"
#include "image/decoder.h"
#include "image/limits.h"
#include "image/turn.h"

/* Zeroed bytes of the room, on a boundary as malloc's are; NULL: too many. */
static uint8_t *take_room(struct akin__room *room, size_t count, size_t stride)
{
    size_t bytes;
    const size_t at = (room->used + 63) / 64 * 64;
    if (!akin__mul_ok(count, stride, &bytes) || at > room->count ||
        bytes > room->count - at)
        return NULL;
    room->used = at + bytes;
    return memset(room->bytes + at, 0, bytes);
}

/* The pixels of width x height, zeroed. */
static akin_status allocate(const struct akin__decode *decode,
                            akin_image *image, uint32_t width, uint32_t height)
{
    const size_t stride = 3 * (size_t)width;
    uint8_t *pixels = decode->room ? take_room(decode->room, height, stride)
                                   : akin__calloc(height, stride);
    if (!pixels)
        return akin__fail(decode->err, AKIN_ENOMEM,
                          "no memory for %u x %u pixels", width, height);
    *image = (akin_image){width, height, stride, pixels};
    return AKIN_OK;
}

static void let_go(const struct akin__decode *decode, akin_image *image)
{
    if (decode->room)
        image->pixels = NULL;
    akin_image_free(image);
}

akin_status akin__image_check(struct akin__decode *decode, uint64_t width,
                              uint64_t height)
{
    const akin_limits *limits = &decode->limits;
    const unsigned long long w = width, h = height;
    if (!w || !h)
        return akin__fail(decode->err, AKIN_EFORMAT,
                          "picture of %llu x %llu pixels is empty", w, h);
    if (w > limits->side || h > limits->side)
        return akin__fail(decode->err, AKIN_ELIMIT,
                          "picture of %llu x %llu pixels is too large "
                          "(limit %u a side)",
                          w, h, limits->side);
    if (w * h > limits->pixels)
        return akin__fail(decode->err, AKIN_ELIMIT,
                          "picture has %llu pixels (limit %llu)", w * h,
                          (unsigned long long)limits->pixels);
    return AKIN_OK;
}

akin_status akin__image_new(struct akin__decode *decode, uint64_t width,
                            uint64_t height)
{
    const akin_status status = akin__image_check(decode, width, height);
    return status ? status
                  : allocate(decode, &decode->image, (uint32_t)width,
                             (uint32_t)height);
}

akin_status akin__image_memory(struct akin__decode *decode, uint64_t bytes)
{
    if (bytes <= decode->limits.memory_bytes)
        return AKIN_OK;
    return akin__fail(decode->err, AKIN_ELIMIT,
                      "decoding takes %llu bytes of memory (limit %llu)",
                      (unsigned long long)bytes,
                      (unsigned long long)decode->limits.memory_bytes);
}

akin_status akin__image_warn(struct akin__decode *decode, const char *format,
                             ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (decode->strict)
        return akin__fail(decode->err, AKIN_EFORMAT, "%s", line);
    if (!decode->warning[0])
        akin__printable(decode->warning, sizeof decode->warning, line);
    return AKIN_OK;
}

/* How the picture is to be turned, whatever its EXIF says: 1 is not at all. */
static uint32_t to_turn(const struct akin__decode *decode)
{
    return decode->exif == AKIN_EXIF_OFF && !decode->always_turn
               ? 1
               : decode->orientation;
}

/* decode->image as its orientation says. */
static akin_status turn(struct akin__decode *decode)
{
    akin_image *stored = &decode->image, upright;
    const uint32_t orientation = to_turn(decode);
    const bool sideways = orientation > 4;
    if (orientation < 2)
        return AKIN_OK;
    akin_status status =
        akin__image_memory(decode, (uint64_t)stored->stride * stored->height);
    if (!status)
        status = allocate(decode, &upright,
                          sideways ? stored->height : stored->width,
                          sideways ? stored->width : stored->height);
    if (status)
        return status;
    akin__turn(&upright, stored, orientation);
    let_go(decode, stored);
    *stored = upright;
    return AKIN_OK;
}

akin_status akin__decode_options(akin_decode_options *all, akin_limits *limits,
                                 const akin_decode_options *options,
                                 akin_error *err)
{
    memset(all, 0, sizeof *all);
    if (options) {
        if (!options->size || (options->limits && !options->limits->size))
            return akin__fail(err, AKIN_EUSAGE, "options without their size");
        memcpy(all, options,
               options->size < sizeof *all ? options->size : sizeof *all);
    }
    *limits = akin__limits(all->limits);
    all->size = sizeof *all;
    all->limits = limits;
    return AKIN_OK;
}

static akin_status prepare(struct akin__decode *decode,
                           const akin_decode_options *options)
{
    akin_decode_options all;
    const akin_status status =
        akin__decode_options(&all, &decode->limits, options, decode->err);
    if (status)
        return status;
    decode->exif = all.exif;
    decode->strict = all.strict != 0;
    decode->fast = all.decode == AKIN_DECODE_FAST;
    return AKIN_OK;
}

static void describe(const struct akin__format *format,
                     const struct akin__decode *decode, akin_image_info *info)
{
    const bool smaller = decode->full_width != 0;
    const bool sideways = to_turn(decode) > 4;
    info->format = format->name;
    info->stored_width = smaller ? decode->full_width : decode->image.width;
    info->stored_height = smaller ? decode->full_height : decode->image.height;
    info->full_width = sideways ? info->stored_height : info->stored_width;
    info->full_height = sideways ? info->stored_width : info->stored_height;
    info->orientation = decode->orientation;
    info->taken = decode->taken;
    memcpy(info->warning, decode->warning, sizeof info->warning);
}

static akin_status decode_as(const struct akin__format *format,
                             struct akin__decode *decode, akin_image_info *info)
{
    akin_status status;
    if (!format->decode)
        return akin__fail(decode->err, AKIN_EFORMAT, "%s", format->refusal);
    status = format->decode(decode);
    if (status)
        return status;
    describe(format, decode, info);
    return turn(decode);
}

akin_status akin__image_decode(akin_image *image, const void *bytes,
                               size_t count, struct akin__room *room,
                               const akin_decode_options *options,
                               akin_image_info *info, akin_error *err)
{
    struct akin__decode decode = {.bytes = bytes,
                                  .count = count,
                                  .room = room,
                                  .orientation = 1,
                                  .taken = INT64_MIN,
                                  .err = err};
    akin_image_info unused, *about = info ? info : &unused;
    memset(image, 0, sizeof *image);
    memset(about, 0, sizeof *about);
    about->orientation = 1;
    about->taken = INT64_MIN;

    akin_status status = prepare(&decode, options);
    if (status)
        return status;
    if (!count)
        return akin__fail(err, AKIN_ENOTIMAGE, "empty file");
    if (count > decode.limits.file_bytes)
        return akin__fail(err, AKIN_ELIMIT, "file has %zu bytes (limit %llu)",
                          count, (unsigned long long)decode.limits.file_bytes);
    const struct akin__format *format = akin__sniff(bytes, count);
    if (!format)
        return akin__fail(err, AKIN_ENOTIMAGE, "no image of a known format");
    status = decode_as(format, &decode, about);
    if (status)
        let_go(&decode, &decode.image);
    *image = decode.image;
    return status;
}

akin_status akin_image_decode(akin_image *image, const void *bytes,
                              size_t count, const akin_decode_options *options,
                              akin_image_info *info, akin_error *err)
{
    return akin__image_decode(image, bytes, count, NULL, options, info, err);
}

akin_status akin_image_read(akin_image *image, const char *path,
                            const akin_decode_options *options,
                            akin_image_info *info, akin_error *err)
{
    struct akin__decode limits = {.err = err};
    uint8_t *bytes;
    size_t count;
    memset(image, 0, sizeof *image);
    akin_status status = prepare(&limits, options);
    if (!status)
        status = akin__read_file(path, limits.limits.file_bytes, &bytes, &count,
                                 NULL, err);
    if (status)
        return status;
    status = akin_image_decode(image, bytes, count, options, info, err);
    akin__free(bytes);
    return status ? akin__fail_in(err, status, path) : AKIN_OK;
}

void akin_image_free(akin_image *image)
{
    akin__free(image->pixels);
    memset(image, 0, sizeof *image);
}

void akin__decoders_load(void)
{
#ifdef AKIN_HAVE_HEIF
    akin__load_heif();
#endif
}

const char *akin_decoders(void)
{
    return AKIN_DECODERS;
}
