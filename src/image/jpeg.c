/*
 * JPEG through libjpeg-turbo, as Pillow uses it: the slow exact inverse DCT,
 * fancy upsampling, no scaling while decoding but where AKIN_DECODE_FAST asks.
 *
 * Untrusted: memory is estimated before decoding, scans are counted while
 * decoding (a file of 40 KB can ask for minutes), and too many warnings end
 * it. libjpeg answers a fatal error by a jump: everything a jump can cross
 * lives in struct reader, never in a local.
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/memory.h"
#include "image/decoder.h"
#include "image/exif.h"

/* Pixels that the shorter side keeps in a fast decode: three for each of the
 * 256 that a model's input is cut from. */
enum { FAST_SIDE = 768 };

enum { BATCH = 16 }; /* rows asked for at once */

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    akin_status status; /* of a refusal that jumps; AKIN_OK: libjpeg's own */
    char first_warning[JMSG_LENGTH_MAX];
    bool cut;      /* the file ends early */
    uint8_t *cmyk; /* [width][4]: one row */
    struct array *coefficients[MAX_COMPONENTS];
    struct akin__decode *decode;
};

static struct reader *reader_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static void on_error(j_common_ptr jpeg)
{
    longjmp(reader_of(jpeg)->jump, 1);
}

static void refuse(struct reader *r, akin_status status)
{
    r->status = status;
    longjmp(r->jump, 1);
}

/* Level -1 is a warning: damaged data that libjpeg got over. */
static void on_message(j_common_ptr jpeg, int level)
{
    struct reader *r = reader_of(jpeg);
    if (level >= 0)
        return;
    if (!r->first_warning[0])
        r->errors.format_message(jpeg, r->first_warning);
    r->cut = r->cut || r->errors.msg_code == JWRN_JPEG_EOF;
    r->errors.num_warnings++;
    if (r->errors.num_warnings >= (long)r->decode->limits.warnings)
        refuse(r, akin__fail(r->decode->err, AKIN_ELIMIT,
                             "JPEG draws %ld decoder warnings (limit %u), "
                             "first: %.100s",
                             r->errors.num_warnings, r->decode->limits.warnings,
                             r->first_warning));
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    struct reader *r = reader_of(jpeg);
    const akin_limits *limits = &r->decode->limits;
    const unsigned scans = (unsigned)r->jpeg.input_scan_number;
    const unsigned long long pixels =
        (unsigned long long)r->jpeg.image_width * r->jpeg.image_height;
    if (scans > limits->jpeg_scans)
        refuse(r, akin__fail(r->decode->err, AKIN_ELIMIT,
                             "JPEG has %u scans or more (limit %u)", scans,
                             limits->jpeg_scans));
    if (scans > 1 && pixels * scans > limits->jpeg_scan_pixels)
        refuse(r, akin__fail(r->decode->err, AKIN_ELIMIT,
                             "JPEG has %u scans or more of %llu pixels "
                             "(limit %llu pixels times scans)",
                             scans, pixels,
                             (unsigned long long)limits->jpeg_scan_pixels));
}

/* libjpeg's own would step over a missing end two bytes at a time. */
static void on_skip(j_decompress_ptr jpeg, long bytes)
{
    struct jpeg_source_mgr *source = jpeg->src;
    const size_t step = bytes < 0 ? 0 : (size_t)bytes;
    const size_t whole =
        step < source->bytes_in_buffer ? step : source->bytes_in_buffer;
    source->next_input_byte += whole;
    source->bytes_in_buffer -= whole;
}

/* The EXIF block of the first APP1 segment that holds one. */
static void find_exif(struct akin__decode *decode)
{
    enum { SOS = 0xda, EOI = 0xd9, APP1 = 0xe1, RST0 = 0xd0, SOI = 0xd8 };
    struct akin__cursor c = akin__cursor(decode->bytes, decode->count);
    while (!c.bad) {
        if (akin__take_uint(&c, 1, true) != 0xff)
            continue;
        uint32_t marker = 0xff;
        while (marker == 0xff && !c.bad)
            marker = akin__take_uint(&c, 1, true);
        if (marker == SOS || marker == EOI)
            break;
        if (marker <= 1 || (marker >= RST0 && marker <= SOI))
            continue;
        const uint32_t length = akin__take_uint(&c, 2, true);
        const uint8_t *segment = akin__take(&c, length < 2 ? 0 : length - 2);
        if (marker == APP1 && segment && length >= 8 &&
            memcmp(segment, "Exif\0", 6) == 0) {
            akin__exif_read(decode, segment + 6, length - 8);
            return;
        }
    }
}

/* What libjpeg keeps while it decodes: the coefficients of every component if
 * the file has several scans, and rows of blocks in any case. */
static uint64_t memory_for(struct jpeg_decompress_struct *jpeg)
{
    uint64_t blocks = 0;
    for (int i = 0; i < jpeg->num_components; i++)
        blocks += (uint64_t)jpeg->comp_info[i].width_in_blocks *
                  jpeg->comp_info[i].height_in_blocks;
    const uint64_t rows = (uint64_t)jpeg->image_width * 256;
    return (jpeg_has_multiple_scans(jpeg) ? blocks * DCTSIZE2 * sizeof(JCOEF)
                                          : 0) +
           rows;
}

/*
 * libjpeg's "virtual arrays", in which a file of several scans gathers the
 * coefficients of a component: akin's memory, where huge pages make such files
 * a tenth faster than libjpeg's own. memory_for has held them against the
 * limit.
 */
struct array {
    JDIMENSION height;
    JBLOCKROW row[]; /* [height], and then the blocks */
};

static jvirt_barray_ptr new_array(j_common_ptr jpeg, int pool, boolean zeroed,
                                  JDIMENSION width, JDIMENSION height,
                                  JDIMENSION at_once)
{
    enum { LINE = 64 }; /* bytes; libjpeg's vector code wants 32 */
    struct reader *r = reader_of(jpeg);
    const size_t row = width * sizeof(JBLOCK);
    const size_t head = sizeof(struct array) + height * sizeof(JBLOCKROW);
    struct array *array = NULL;
    int i = 0;
    (void)pool, (void)zeroed, (void)at_once;
    while (i < MAX_COMPONENTS && r->coefficients[i])
        i++;
    if (i < MAX_COMPONENTS)
        array = r->coefficients[i] =
            akin__calloc(1, head + LINE + row * height);
    if (!array)
        refuse(r, akin__fail(r->decode->err, AKIN_ENOMEM,
                             "no memory to decode this JPEG"));
    uint8_t *block = (uint8_t *)array + head;
    block += LINE - (uintptr_t)block % LINE;
    array->height = height;
    for (JDIMENSION y = 0; y < height; y++)
        array->row[y] = (JBLOCKROW)(void *)(block + y * row);
    return (jvirt_barray_ptr)(void *)array;
}

static JBLOCKARRAY rows_of_array(j_common_ptr jpeg, jvirt_barray_ptr of,
                                 JDIMENSION first, JDIMENSION count,
                                 boolean writable)
{
    struct array *array = (struct array *)(void *)of;
    (void)writable;
    if (first > array->height || count > array->height - first)
        refuse(reader_of(jpeg),
               akin__fail(reader_of(jpeg)->decode->err, AKIN_EFORMAT,
                          "JPEG: rows of blocks that are not there"));
    return array->row + first;
}

/* Pillow's reading of CMYK as Adobe writes it, inverted. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t width)
{
    for (size_t i = 0; i < width; i++, rgb += 3, cmyk += 4) {
        const int light = cmyk[3]; /* 255 - K */
        for (int c = 0; c < 3; c++) {
            const int t = (255 - cmyk[c]) * light + 128;
            rgb[c] = (uint8_t)(light - (((t >> 8) + t) >> 8));
        }
    }
}

static void read_rows(struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const akin_image *image = &r->decode->image;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *first = image->pixels + jpeg->output_scanline * image->stride;
        if (r->cmyk) {
            jpeg_read_scanlines(jpeg, &r->cmyk, 1);
            cmyk_to_rgb(first, r->cmyk, image->width);
            continue;
        }
        uint8_t *rows[BATCH];
        const JDIMENSION left = jpeg->output_height - jpeg->output_scanline;
        const JDIMENSION n = left < BATCH ? left : BATCH;
        for (JDIMENSION i = 0; i < n; i++)
            rows[i] = first + i * image->stride;
        jpeg_read_scanlines(jpeg, rows, n);
    }
}

/* Leave out the high frequencies of each block while the picture stays large
 * enough. */
static void shrink(struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const JDIMENSION w = jpeg->image_width, h = jpeg->image_height;
    const JDIMENSION shorter = w < h ? w : h;
    unsigned by = 1;
    while (by < 8 && shorter / (2 * by) >= FAST_SIDE)
        by *= 2;
    jpeg->scale_num = 1;
    jpeg->scale_denom = by;
    r->decode->full_width = w;
    r->decode->full_height = h;
}

/* Everything between here and its return may jump back to run(). */
static akin_status read_image(struct reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    struct akin__decode *decode = r->decode;
    akin_status status;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &r->progress;
    jpeg->mem->request_virt_barray = new_array;
    jpeg->mem->access_virt_barray = rows_of_array;
    jpeg_mem_src(jpeg, decode->bytes, decode->count);
    jpeg->src->skip_input_data = on_skip;
    jpeg_read_header(jpeg, TRUE);
    status = akin__image_check(decode, jpeg->image_width, jpeg->image_height);
    if (!status)
        status = akin__image_memory(decode, memory_for(jpeg));
    if (status)
        return status;
    jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
    if (decode->fast)
        shrink(r);
    jpeg_calc_output_dimensions(jpeg);
    status = akin__image_new(decode, jpeg->output_width, jpeg->output_height);
    if (status)
        return status;
    if (jpeg->num_components == 4) {
        r->cmyk = akin__alloc(jpeg->output_width, 4);
        if (!r->cmyk)
            return akin__fail(decode->err, AKIN_ENOMEM, "no memory for a row");
    }
    jpeg_start_decompress(jpeg);
    read_rows(r);
    return AKIN_OK;
}

/* libjpeg gave up: what it read so far is a picture if there is a row of it. */
static akin_status gave_up(struct reader *r)
{
    char why[JMSG_LENGTH_MAX];
    const struct jpeg_decompress_struct *jpeg = &r->jpeg;
    if (r->status)
        return r->status;
    r->errors.format_message((j_common_ptr)&r->jpeg, why);
    if (r->errors.msg_code == JERR_OUT_OF_MEMORY)
        return akin__fail(r->decode->err, AKIN_ENOMEM,
                          "no memory to decode this JPEG");
    if (r->decode->image.pixels && jpeg->output_scanline > 0)
        return akin__image_warn(
            r->decode, "JPEG is damaged: %.120s; %u of %u rows read", why,
            jpeg->output_scanline, jpeg->output_height);
    return akin__fail(r->decode->err, AKIN_EFORMAT, "JPEG: %.150s", why);
}

static akin_status run(struct reader *r)
{
    if (setjmp(r->jump))
        return gave_up(r);
    const akin_status status = read_image(r);
    if (status || !r->first_warning[0])
        return status;
    return akin__image_warn(r->decode, "JPEG is %s: %.150s",
                            r->cut ? "truncated" : "damaged", r->first_warning);
}

akin_status akin__decode_jpeg(struct akin__decode *decode)
{
    struct reader r;
    memset(&r, 0, sizeof r);
    r.decode = decode;
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.jpeg.client_data = &r;
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    r.errors.output_message = on_output;
    r.progress.progress_monitor = on_progress;
    find_exif(decode);

    const akin_status status = run(&r);
    jpeg_destroy_decompress(&r.jpeg);
    akin__free(r.cmyk);
    for (int i = 0; i < MAX_COMPONENTS; i++)
        akin__free(r.coefficients[i]);
    return status;
}
