/*
 * pixels: what akin makes of picture files, for tests that compare it with
 * others. Reads lines from stdin, each
 *
 *   MODE<TAB>OUT<TAB>PATH
 *
 * and answers each with a line on stdout:
 *
 *   ok<TAB>WIDTH<TAB>HEIGHT<TAB>FORMAT<TAB>WARNING<TAB>FULL_WIDTH<TAB>
 *   FULL_HEIGHT      or      CODE<TAB>MESSAGE
 *
 * MODE is letters: e upright as EXIF says (else as stored), s strict, f a fast
 * decode, p in a process of its own (this program's), t two more columns: the
 * milliseconds of reading and decoding, and those of preparing, h two more: the
 * perceptual hash in hexadecimal and when the picture was taken, in seconds
 * since 1970 or "-"; then nothing for the RGB bytes, or C / D for the float32
 * input of CLIP / DINOv2, or c / d for the same as bytes before the arithmetic,
 * written to OUT ("-": not at all). A MODE of FILE:/... takes
 * preprocessor_config.json from there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin.h"
#include "base/clock.h"
#include "image/phash.h"
#include "image/preprocess.h"

static double prepared_ms; /* of the last write_input */

static int write_all(const char *out, const void *bytes, size_t count)
{
    FILE *file = strcmp(out, "-") == 0 ? NULL : fopen(out, "wb");
    if (!file)
        return strcmp(out, "-") == 0;
    const int whole = fwrite(bytes, 1, count, file) == count;
    return fclose(file) == 0 && whole;
}

static akin_status write_rgb(const akin_image *image, const char *out,
                             akin_error *err)
{
    (void)err;
    return write_all(out, image->pixels, image->stride * image->height)
               ? AKIN_OK
               : AKIN_EIO;
}

static akin_status write_input(const akin_image *image, const char *mode,
                               const char *out, akin_error *err)
{
    static struct akin__preprocess_scratch scratch;
    struct akin__preprocess p;
    const char *config = strstr(mode, "FILE:");
    const int clip = config || strpbrk(mode, "Cc");
    akin_status status =
        akin__preprocess_read(&p, NULL, config ? config + 5 : "/nonexistent",
                              clip ? "clip" : "dinov2", err);
    if (status)
        return status;
    if (!config && strpbrk(mode, "cd"))
        for (int i = 0; i < 3 * 256; i++)
            p.value[i / 256][i % 256] = (float)(i % 256);
    const size_t count = (size_t)3 * p.width * p.height;
    float *pixels = malloc(count * sizeof *pixels);
    if (!pixels)
        return AKIN_ENOMEM;
    const double start = akin__seconds();
    status = akin__preprocess_run(&p, image, &scratch, pixels, err);
    prepared_ms = 1e3 * (akin__seconds() - start);
    if (!status && !write_all(out, pixels, count * sizeof *pixels))
        status = AKIN_EIO;
    free(pixels);
    return status;
}

/* In a process of its own, which lives as long as the mode is the same. */
static akin_status read_apart(akin_image *image, const char *mode,
                              const char *path,
                              const akin_decode_options *options,
                              akin_image_info *info, akin_error *err)
{
    static akin_decoder *decoder;
    static char before[64];
    akin_image theirs;
    akin_status status = AKIN_OK;
    if (strcmp(before, mode) != 0)
        akin_decoder_close(&decoder);
    snprintf(before, sizeof before, "%.60s", mode);
    if (!decoder)
        status = akin_decoder_open(&decoder, "/proc/self/exe", options, err);
    if (!status)
        status = akin_decoder_read(decoder, &theirs, path, info, err);
    if (status)
        return status;
    *image = theirs;
    image->pixels = malloc(theirs.height * theirs.stride);
    if (!image->pixels)
        return AKIN_ENOMEM;
    memcpy(image->pixels, theirs.pixels, theirs.height * theirs.stride);
    return AKIN_OK;
}

static void print_details(const akin_image *image, const akin_image_info *info)
{
    uint8_t hash[AKIN__HASH_BYTES];
    akin__phash(image, hash);
    putchar('\t');
    for (size_t i = 0; i < sizeof hash; i++)
        printf("%02x", hash[i]);
    if (info->taken == INT64_MIN)
        printf("\t-");
    else
        printf("\t%lld", (long long)info->taken);
}

static void answer(const char *mode, const char *out, const char *path)
{
    const int config = strncmp(mode, "FILE:", 5) == 0;
    const akin_decode_options options = {
        .size = sizeof options,
        .exif = !config && strchr(mode, 'e') ? AKIN_EXIF_ON : AKIN_EXIF_OFF,
        .strict = !config && strchr(mode, 's') != NULL,
        .decode = !config && strchr(mode, 'f') ? AKIN_DECODE_FAST
                                               : AKIN_DECODE_EXACT};
    akin_image image = {0};
    akin_image_info info;
    akin_error err = {0};
    const double start = akin__seconds();
    akin_status status =
        !config && strchr(mode, 'p')
            ? read_apart(&image, mode, path, &options, &info, &err)
            : akin_image_read(&image, path, &options, &info, &err);
    const double decoded_ms = 1e3 * (akin__seconds() - start);
    prepared_ms = 0;
    if (!status)
        status = config || strpbrk(mode, "CDcd")
                     ? write_input(&image, mode, out, &err)
                     : write_rgb(&image, out, &err);
    if (status)
        printf("%d\t%s\n", status, err.message);
    else
        printf("ok\t%u\t%u\t%s\t%s\t%u\t%u", image.width, image.height,
               info.format, info.warning, info.full_width, info.full_height);
    if (!status && !config && strchr(mode, 't'))
        printf("\t%.3f\t%.3f", decoded_ms, prepared_ms);
    if (!status && !config && strchr(mode, 'h'))
        print_details(&image, &info);
    if (!status)
        putchar('\n');
    fflush(stdout);
    akin_image_free(&image);
}

int main(int argc, char **argv)
{
    static char line[16384];
    if (argc == 2 && strcmp(argv[1], "decode-worker") == 0)
        return akin_decoder_serve();
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *out = strchr(line, '\t');
        char *path = out ? strchr(out + 1, '\t') : NULL;
        if (!path)
            return 2;
        *out++ = 0;
        *path++ = 0;
        answer(line, out, path);
    }
    return 0;
}
