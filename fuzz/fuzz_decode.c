/*
 * Fuzz: any bytes as a picture, decoded and prepared. libFuzzer; built with
 * -Dfuzz=true. The checksums of a PNG are put right, or few mutations of one
 * would get past them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "image/preprocess.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void repair_png(uint8_t *bytes, size_t count)
{
    struct akin__cursor c = akin__cursor(bytes, count);
    akin__take(&c, 8);
    for (;;) {
        const uint32_t length = akin__take_uint(&c, 4, true);
        const uint8_t *name = akin__take(&c, 4);
        akin__take(&c, length);
        if (!akin__take(&c, 4))
            return;
        const uint32_t crc = akin__crc32(name, length + (size_t)4);
        uint8_t *at = bytes + (c.at - 4 - bytes);
        for (int i = 0; i < 4; i++)
            at[i] = (uint8_t)(crc >> (24 - 8 * i));
    }
}

/* A picture has pixels and its right size; what is none has a message. */
static void check(akin_status status, const akin_image *image,
                  const akin_error *err)
{
    if (status ? image->pixels || !err->message[0] || err->code != status
               : !image->pixels || image->stride != 3 * (size_t)image->width)
        abort();
}

static void prepare(const akin_image *image)
{
    static struct akin__preprocess preprocess;
    static struct akin__preprocess_scratch scratch;
    static float pixels[3 * 224 * 224];
    if (!preprocess.width &&
        akin__preprocess_read(&preprocess, NULL, "/nonexistent", "clip", NULL))
        abort();
    if (akin__preprocess_run(&preprocess, image, &scratch, pixels, NULL))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const akin_limits limits = {.size = sizeof limits,
                                .pixels = 1 << 18,
                                .memory_bytes = 64 << 20,
                                .jpeg_scans = 20};
    const akin_decode_options options = {
        .size = sizeof options, .limits = &limits, .strict = count & 1};
    uint8_t *copy = malloc(count ? count : 1);
    akin_image image;
    akin_error err;
    memcpy(copy, bytes, count);
    if (count > 8 && memcmp(copy, "\x89PNG", 4) == 0)
        repair_png(copy, count);
    const akin_status status =
        akin_image_decode(&image, copy, count, &options, NULL, &err);
    check(status, &image, &err);
    if (!status && image.width < 4096 && image.height < 4096)
        prepare(&image);
    akin_image_free(&image);
    free(copy);
    return 0;
}
