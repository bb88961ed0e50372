/*
 * HEIF (HEIC of telephones) through libheif: the primary picture.
 *
 * The file's own rotation and mirroring are applied by libheif, with EXIF on
 * or off; an EXIF orientation beside them repeats them and is not read.
 */
#include <string.h>

#include <libheif/heif.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/memory.h"
#include "image/decoder.h"
#include "image/exif.h"
#include "image/limits.h"

/* YCbCr planes and libheif's RGB, in bytes a pixel. */
enum { BYTES_A_PIXEL = 5 };

static akin_status broken(struct akin__decode *decode, struct heif_error error)
{
    const akin_status status = error.code == heif_error_Memory_allocation_error
                                   ? AKIN_ENOMEM
                                   : AKIN_EFORMAT;
    const int line = (int)strcspn(error.message, "\n");
    return akin__fail(decode->err, status, "HEIF: %.*s",
                      line < 150 ? line : 150, error.message);
}

static akin_status copy_rows(struct akin__decode *decode,
                             const struct heif_image *picture)
{
    int stride = 0;
    const uint8_t *rows = heif_image_get_plane_readonly(
        picture, heif_channel_interleaved, &stride);
    const int width = heif_image_get_width(picture, heif_channel_interleaved);
    const int height = heif_image_get_height(picture, heif_channel_interleaved);
    if (!rows || width < 1 || height < 1 || stride < 3 * width)
        return akin__fail(decode->err, AKIN_EFORMAT,
                          "HEIF: the picture has no colours");
    /* The frame inside may be of another size than the file says. */
    const akin_status status =
        akin__image_new(decode, (uint64_t)width, (uint64_t)height);
    for (size_t y = 0; !status && y < (size_t)height; y++)
        memcpy(decode->image.pixels + y * decode->image.stride,
               rows + y * (size_t)stride, decode->image.stride);
    return status;
}

static akin_status decode_picture(struct akin__decode *decode,
                                  const struct heif_image_handle *handle)
{
    const uint64_t width = (uint64_t)heif_image_handle_get_width(handle);
    const uint64_t height = (uint64_t)heif_image_handle_get_height(handle);
    akin_status status = akin__image_check(decode, width, height);
    if (!status)
        status = akin__image_memory(decode, width * height * BYTES_A_PIXEL);
    if (status)
        return status;
    struct heif_decoding_options *options = heif_decoding_options_alloc();
    if (!options)
        return akin__fail(decode->err, AKIN_ENOMEM,
                          "no memory to decode this HEIF");
    options->convert_hdr_to_8bit = 1;
    struct heif_image *picture = NULL;
    const struct heif_error error =
        heif_decode_image(handle, &picture, heif_colorspace_RGB,
                          heif_chroma_interleaved_RGB, options);
    heif_decoding_options_free(options);
    status = error.code ? broken(decode, error) : copy_rows(decode, picture);
    heif_image_release(picture);
    return status;
}

/* The date of the first EXIF block, which begins with the length of what
 * stands before its TIFF structure. Which way is up HEIF itself says. */
static void find_date(struct akin__decode *decode,
                      const struct heif_image_handle *handle)
{
    heif_item_id id;
    if (heif_image_handle_get_list_of_metadata_block_IDs(handle, "Exif", &id,
                                                         1) != 1)
        return;
    const size_t count = heif_image_handle_get_metadata_size(handle, id);
    uint8_t *block =
        count < 4 || count > AKIN__EXIF_BYTES ? NULL : akin__alloc(count, 1);
    if (block && !heif_image_handle_get_metadata(handle, id, block).code) {
        struct akin__cursor c = akin__cursor(block, count);
        if (akin__take(&c, akin__take_uint(&c, 4, true)))
            akin__exif_date(decode, c.at, akin__left(&c));
    }
    akin__free(block);
}

akin_status akin__decode_heif(struct akin__decode *decode)
{
    struct heif_image_handle *handle = NULL;
    struct heif_context *context = heif_context_alloc();
    akin_status status;
    if (!context)
        return akin__fail(decode->err, AKIN_ENOMEM,
                          "no memory to decode this HEIF");
    heif_context_set_max_decoding_threads(context, 0);
    struct heif_error error = heif_context_read_from_memory_without_copy(
        context, decode->bytes, decode->count, NULL);
    if (!error.code)
        error = heif_context_get_primary_image_handle(context, &handle);
    status =
        error.code ? broken(decode, error) : decode_picture(decode, handle);
    if (!status)
        find_date(decode, handle);
    heif_image_handle_release(handle);
    heif_context_free(context);
    return status;
}

/* Ubuntu's libheif finds its decoders in a folder. */
void akin__load_heif(void)
{
    heif_init(NULL);
}
