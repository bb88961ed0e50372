/* Write (write_jpeg.h): libjpeg into memory that is surely large enough. */
#include "image/write_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include "base/error.h"
#include "base/memory.h"

/* libjpeg would end the process on an error; this comes back instead. */
struct trap {
    struct jpeg_error_mgr manager; /* first: libjpeg knows its address */
    jmp_buf back;
    char message[JMSG_LENGTH_MAX];
};

static void jump(j_common_ptr info)
{
    struct trap *trap = (struct trap *)(void *)info->err;
    info->err->format_message(info, trap->message);
    longjmp(trap->back, 1);
}

static void ignore(j_common_ptr info)
{
    (void)info;
}

/* Everything that can jump lies between start and finish. */
static void compress(struct jpeg_compress_struct *c, const akin_image *image,
                     int quality)
{
    c->image_width = image->width;
    c->image_height = image->height;
    c->input_components = 3;
    c->in_color_space = JCS_RGB;
    jpeg_set_defaults(c);
    c->dct_method = JDCT_ISLOW;
    jpeg_set_quality(c, quality, TRUE);
    c->optimize_coding = TRUE;
    jpeg_start_compress(c, TRUE);
    while (c->next_scanline < c->image_height) {
        JSAMPROW row = image->pixels + c->next_scanline * image->stride;
        jpeg_write_scanlines(c, &row, 1);
    }
    jpeg_finish_compress(c);
}

/* More than any JPEG of that size needs: TurboJPEG's tjBufSize for 4:4:4. */
static size_t most_bytes(const akin_image *image)
{
    const size_t width = (image->width + 15) / 16 * 16;
    const size_t height = (image->height + 15) / 16 * 16;
    return 6 * width * height + 2048;
}

akin_status akin__write_jpeg(const akin_image *image, int quality,
                             unsigned char **bytes, size_t *count,
                             akin_error *err)
{
    struct jpeg_compress_struct c;
    struct trap trap;
    if (image->width > JPEG_MAX_DIMENSION || image->height > JPEG_MAX_DIMENSION)
        return akin__fail(err, AKIN_ELIMIT,
                          "%u x %u pixels are too many for a JPEG (limit %ld "
                          "a side)",
                          image->width, image->height, JPEG_MAX_DIMENSION);
    unsigned long used = most_bytes(image);
    unsigned char *buffer = akin__alloc(used, 1);
    if (!buffer)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a JPEG");
    *bytes = buffer;
    memset(&c, 0, sizeof c);
    c.err = jpeg_std_error(&trap.manager);
    trap.manager.error_exit = jump;
    trap.manager.output_message = ignore;
    if (setjmp(trap.back)) {
        jpeg_destroy_compress(&c);
        akin__free(*bytes);
        *bytes = NULL;
        return akin__fail(err, AKIN_ENOMEM, "no JPEG: %s", trap.message);
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &buffer, &used);
    compress(&c, image, quality);
    jpeg_destroy_compress(&c);
    *count = used;
    return AKIN_OK;
}
