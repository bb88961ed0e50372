/*
 * Images, what files from elsewhere cannot show: EXIF blocks, limits and their
 * messages, headers that lie, every way to cut a file short, and what
 * preprocessor_config.json may say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#include "akin.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "image/exif.h"
#include "image/limits.h"
#include "image/phash.h"
#include "image/preprocess.h"
#include "image/turn.h"
#include "tap.h"

static akin_error err;
static akin_image image;
static akin_image_info info;
static akin_limits limits;
static akin_decode_options options;

/* Decode a copy that ends where its memory ends. */
static akin_status decode(const void *bytes, size_t count)
{
    uint8_t *copy = malloc(count ? count : 1);
    memcpy(copy, bytes, count);
    akin_image_free(&image);
    memset(&err, 0, sizeof err);
    const akin_status status =
        akin_image_decode(&image, copy, count, &options, &info, &err);
    free(copy);
    return status;
}

/* The defaults again, before each test. */
static void fresh(void)
{
    memset(&limits, 0, sizeof limits);
    memset(&options, 0, sizeof options);
    limits.size = sizeof limits;
    options.size = sizeof options;
    options.limits = &limits;
}

/* ------------------------------------------------- pictures made here -- */

static uint8_t file[1 << 16];

static void put(size_t at, uint32_t value, int bytes, int big)
{
    for (int i = 0; i < bytes; i++)
        file[at + (size_t)i] =
            (uint8_t)(value >> 8 * (big ? bytes - 1 - i : i));
}

/* A BMP of 24 bits a pixel, all of them 7, with room for `rows` rows. */
static size_t make_bmp(uint32_t width, uint32_t height, uint32_t rows)
{
    const size_t stride = (width * 3 + 3) / 4 * 4;
    memset(file, 0, 54);
    memcpy(file, "BM", 2);
    put(10, 54, 4, 0);
    put(14, 40, 4, 0);
    put(18, width, 4, 0);
    put(22, height, 4, 0);
    put(26, 1, 2, 0);
    put(28, 24, 2, 0);
    memset(file + 54, 7, stride * rows);
    return 54 + stride * rows;
}

static size_t add_chunk(size_t at, const char *name, const void *data,
                        size_t count)
{
    put(at, (uint32_t)count, 4, 1);
    memcpy(file + at + 4, name, 4);
    if (count)
        memcpy(file + at + 8, data, count);
    put(at + 8 + count, akin__crc32(file + at + 4, count + 4), 4, 1);
    return at + count + 12;
}

static size_t start_png(uint32_t width, uint32_t height)
{
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    uint8_t header[13] = {0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0};
    for (int i = 0; i < 4; i++) {
        header[i] = (uint8_t)(width >> (24 - 8 * i));
        header[4 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    return add_chunk(8, "IHDR", header, sizeof header);
}

/* 2 x 2 grey pixels, deflated without compression. */
static size_t make_png(void)
{
    static const uint8_t pixels[] = {0x78, 1, 1,  6,  0, 0xf9, 0xff, 0,   10,
                                     20,   0, 30, 40, 0, 0xec, 0,    0x65};
    size_t at = start_png(2, 2);
    at = add_chunk(at, "IDAT", pixels, sizeof pixels);
    return add_chunk(at, "IEND", NULL, 0);
}

static size_t make_gif(void)
{
    static const uint8_t gif[] = {
        'G', 'I', 'F', '8', '9',  'a',  3, 0, 2, 0,    0x80, 0, 0,   1,  2,
        3,   200, 100, 50,  0x21, 0xf9, 4, 1, 0, 0,    0,    0, ',', 1,  0,
        0,   0,   2,   0,   2,    0,    0, 2, 3, 0x0c, 0x10, 5, 0,   ';'};
    memcpy(file, gif, sizeof gif);
    return sizeof gif;
}

/* A grey JPEG, all of one brightness. */
static size_t make_flat_jpeg(uint32_t width, uint32_t height)
{
    static uint8_t row[4096], *rows[1] = {row};
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *out = file;
    unsigned long count = sizeof file;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &count);
    jpeg.image_width = width;
    jpeg.image_height = height;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < height)
        jpeg_write_scanlines(&jpeg, rows, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    EXPECT(out == file); /* it had room */
    return count;
}

/* A JPEG of 64 x 64 pixels; progressive has ten scans. */
static size_t make_jpeg(int progressive)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long count = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &count);
    jpeg.image_width = jpeg.image_height = 64;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < 64; y++) {
        uint8_t row[64 * 3], *rows[1] = {row};
        for (int i = 0; i < 64 * 3; i++)
            row[i] = (uint8_t)(i * y + (i % 3) * 40);
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    memcpy(file, out, count);
    jpeg_destroy_compress(&jpeg);
    free(out);
    return count;
}

/* ---------------------------------------------------------------- EXIF -- */

/* A TIFF structure with one entry. */
static size_t make_exif(int big, uint32_t tag, uint32_t type, uint32_t value)
{
    memset(file, 0, 26);
    memcpy(file, big ? "MM\0*" : "II*\0", 4);
    put(4, 8, 4, big);
    put(8, 1, 2, big);
    put(10, tag, 2, big);
    put(12, type, 2, big);
    put(14, 1, 4, big);
    put(18, value, type == 4 ? 4 : 2, big);
    return 26;
}

static uint32_t orientation_of(const uint8_t *bytes, size_t count)
{
    struct akin__decode decode = {.orientation = 1};
    akin__exif_read(&decode, bytes, count);
    return decode.orientation;
}

static void exif_orientation_is_read_in_both_byte_orders(void)
{
    for (int big = 0; big < 2; big++)
        for (uint32_t o = 1; o <= 8; o++) {
            const size_t count = make_exif(big, 0x112, 3, o);
            EXPECT_INT(orientation_of(file, count), o);
        }
}

static void exif_orientation_may_be_a_long(void)
{
    EXPECT_INT(orientation_of(file, make_exif(1, 0x112, 4, 6)), 6);
}

static void exif_without_a_usable_orientation_means_upright(void)
{
    EXPECT_INT(orientation_of(file, make_exif(0, 0x112, 3, 9)), 1);
    EXPECT_INT(orientation_of(file, make_exif(0, 0x112, 3, 0)), 1);
    EXPECT_INT(orientation_of(file, make_exif(0, 0x112, 2, 6)), 1);
    EXPECT_INT(orientation_of(file, make_exif(0, 0x113, 3, 6)), 1);
    EXPECT_INT(orientation_of((const uint8_t *)"II*\0", 4), 1);
}

static void exif_that_is_cut_anywhere_is_survived(void)
{
    const size_t whole = make_exif(0, 0x112, 3, 6);
    for (size_t count = 0; count < whole; count++) {
        uint8_t *copy = malloc(count ? count : 1);
        memcpy(copy, file, count);
        EXPECT_INT(orientation_of(copy, count), count < 22 ? 1 : 6);
        free(copy);
    }
}

static void exif_offsets_beyond_the_block_are_not_followed(void)
{
    const size_t count = make_exif(0, 0x112, 3, 6);
    put(4, 0xfffffff0, 4, 0);
    EXPECT_INT(orientation_of(file, count), 1);
    put(4, (uint32_t)count, 4, 0);
    EXPECT_INT(orientation_of(file, count), 1);
}

static void exif_entries_beyond_the_limit_are_not_read(void)
{
    for (uint32_t before = 999; before <= 1000; before++) {
        memset(file, 0, sizeof file);
        make_exif(0, 0x100, 3, 6);
        put(8, before + 1, 2, 0);
        for (size_t i = 0; i <= before; i++) {
            put(10 + 12 * i, i == before ? 0x112 : 0x100, 2, 0);
            put(12 + 12 * i, 3, 2, 0);
            put(18 + 12 * i, 6, 2, 0);
        }
        EXPECT_INT(orientation_of(file, sizeof file),
                   before < AKIN__EXIF_ENTRIES ? 6 : 1);
    }
}

/* Pixels 1 2 3 over 4 5 6, turned. */
static void every_orientation_puts_pixels_where_exif_says(void)
{
    static const char want[9][7] = {"",       "123456", "321654",
                                    "654321", "456123", "142536",
                                    "415263", "635241", "362514"};
    uint8_t stored[18], upright[18];
    for (int i = 0; i < 18; i++)
        stored[i] = (uint8_t)('1' + i / 3);
    for (uint32_t o = 1; o <= 8; o++) {
        const akin_image from = {3, 2, 9, stored};
        akin_image to = {o > 4 ? 2 : 3, o > 4 ? 3 : 2, o > 4 ? 6 : 9, upright};
        char got[7] = "";
        akin__turn(&to, &from, o);
        for (int i = 0; i < 6; i++)
            got[i] = (char)upright[3 * i];
        EXPECT_STR(got, want[o]);
    }
}

/* -------------------------------------------------------------- limits -- */

static void documented_limits_are_those_of_the_code(void)
{
    struct akin__text table = {0};
    char path[4096];
    static char text[1 << 16];
    const char *source = getenv("AKIN_SOURCE");
    snprintf(path, sizeof path, "%s/docs/limits.md", source ? source : ".");
    FILE *document = fopen(path, "r");
    if (!EXPECT(document != NULL))
        return;
    text[fread(text, 1, sizeof text - 1, document)] = 0;
    fclose(document);
    akin__limits_table(&table);
    EXPECT(strstr(text, table.bytes) != NULL);
    akin__text_free(&table);
}

static void a_side_beyond_the_limit_is_refused_by_figure(void)
{
    fresh();
    EXPECT_INT(decode(file, make_bmp(65536, 1, 0)), AKIN_ELIMIT);
    EXPECT_STR(err.message, "picture of 65536 x 1 pixels is too large "
                            "(limit 65535 a side)");
}

static void pixels_beyond_the_limit_are_refused_by_figure(void)
{
    fresh();
    EXPECT_INT(decode(file, make_bmp(16001, 16000, 0)), AKIN_ELIMIT);
    EXPECT_STR(err.message, "picture has 256016000 pixels (limit 256000000)");
    limits.pixels = 3;
    EXPECT_INT(decode(file, make_bmp(2, 2, 2)), AKIN_ELIMIT);
    limits.pixels = 4;
    EXPECT_INT(decode(file, make_bmp(2, 2, 2)), AKIN_OK);
}

static void a_fast_decode_is_held_to_the_limits_of_the_whole(void)
{
    fresh();
    options.decode = AKIN_DECODE_FAST;
    limits.pixels = 1600 * 1536;
    EXPECT_INT(decode(file, make_flat_jpeg(1600, 1536)), AKIN_OK);
    EXPECT_INT(image.width, 800);
    limits.pixels--;
    EXPECT_INT(decode(file, make_flat_jpeg(1600, 1536)), AKIN_ELIMIT);
    EXPECT_STR(err.message, "picture has 2457600 pixels (limit 2457599)");
}

static void what_is_told_of_a_fast_decode_is_the_whole_picture(void)
{
    fresh();
    options.decode = AKIN_DECODE_FAST;
    EXPECT_INT(decode(file, make_flat_jpeg(1600, 1537)), AKIN_OK);
    EXPECT_INT(image.height, 769);
    EXPECT_INT(info.stored_width, 1600);
    EXPECT_INT(info.stored_height, 1537);
    EXPECT_INT(info.full_width, 1600);
    EXPECT_INT(info.full_height, 1537);
}

static void bytes_beyond_the_limit_are_refused_by_figure(void)
{
    fresh();
    limits.file_bytes = 69;
    EXPECT_INT(decode(file, make_bmp(2, 2, 2)), AKIN_ELIMIT);
    EXPECT_STR(err.message, "file has 70 bytes (limit 69)");
}

static void scans_beyond_the_limit_are_refused_by_figure(void)
{
    fresh();
    limits.jpeg_scans = 10;
    EXPECT_INT(decode(file, make_jpeg(1)), AKIN_OK);
    limits.jpeg_scans = 9;
    EXPECT_INT(decode(file, make_jpeg(1)), AKIN_ELIMIT);
    EXPECT_STR(err.message, "JPEG has 10 scans or more (limit 9)");
}

static void pixels_times_scans_beyond_the_limit_are_refused_by_figure(void)
{
    fresh();
    limits.jpeg_scan_pixels = 64 * 64 * 5;
    EXPECT_INT(decode(file, make_jpeg(1)), AKIN_ELIMIT);
    EXPECT_STR(err.message, "JPEG has 6 scans or more of 4096 pixels "
                            "(limit 20480 pixels times scans)");
}

static void memory_beyond_the_limit_is_refused_by_figure(void)
{
    fresh();
    limits.memory_bytes = 10000;
    EXPECT_INT(decode(file, make_jpeg(1)), AKIN_ELIMIT);
    EXPECT(strstr(err.message, "bytes of memory (limit 10000)") != NULL);
}

static void warnings_beyond_the_limit_are_refused_by_figure(void)
{
    fresh();
    limits.warnings = 1;
    EXPECT_INT(decode(file, make_jpeg(0) - 200), AKIN_ELIMIT);
    EXPECT_STR(err.message, "JPEG draws 1 decoder warnings (limit 1), first: "
                            "Premature end of JPEG file");
}

static void chunks_of_a_png_beyond_the_limit_are_refused_by_figure(void)
{
    fresh();
    size_t at = start_png(1, 1);
    for (int i = 0; i < AKIN__PNG_CHUNKS; i++)
        at = add_chunk(at, "tEXt", "a", 1);
    EXPECT_INT(decode(file, at), AKIN_ELIMIT);
    EXPECT_STR(err.message, "PNG has more than 1000 chunks beside its pixels");
}

static void options_without_their_size_are_wrong_usage(void)
{
    fresh();
    options.size = 0;
    EXPECT_INT(decode(file, make_png()), AKIN_EUSAGE);
    fresh();
    limits.size = 0;
    EXPECT_INT(decode(file, make_png()), AKIN_EUSAGE);
}

/* ---------------------------------------------------- what is an image -- */

static void bytes_that_are_no_image_are_told_from_images(void)
{
    static const struct {
        const char *bytes;
        size_t count;
    } none[] = {
        {"hello, world\n", 13},
        {"BMW is a maker of cars, and so on", 33},
        {"%PDF-1.7\n%\xe2\xe3\xcf\xd3", 13},
        {"<svg xmlns='http://www.w3.org/2000/svg'/>", 41},
        {"<?xpacket begin='' id='W5M0'?>", 30},
        {"\0\0\0\x20"
         "ftypisom\0\0\2\0isomiso2avc1mp41",
         32},
        {"\0\0\0\x14"
         "ftypqt  \0\0\0\0qt  ",
         20},
        {"RIFF\x24\0\0\0WAVEfmt ", 16},
        {"P6 is not a picture by itself", 29},
        {"\0", 1},
        {"II", 2},
    };
    fresh();
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        EXPECT_INT(decode(none[i].bytes, none[i].count), AKIN_ENOTIMAGE);
        EXPECT_STR(err.message, "no image of a known format");
    }
}

static void an_empty_file_is_no_image_and_is_called_so(void)
{
    fresh();
    EXPECT_INT(decode("", 0), AKIN_ENOTIMAGE);
    EXPECT_STR(err.message, "empty file");
}

static void images_that_akin_does_not_read_are_refused_by_name(void)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *message;
    } known[] = {
        {"\0\0\0\x0cjP  \r\n\x87\n", 12, "JPEG 2000 is not supported"},
        {"8BPS\0\1\0\0", 8, "Photoshop's PSD is not supported"},
        {"P6\n12 12\n255\n", 13, "netpbm is not supported"},
        {"qoif\0\0\0\1", 8, "QOI is not supported"},
    };
    fresh();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        EXPECT_INT(decode(known[i].bytes, known[i].count), AKIN_EFORMAT);
        EXPECT_STR(err.message, known[i].message);
    }
}

static void a_file_is_named_before_what_is_wrong_with_it(void)
{
    char path[] = "/tmp/akin-image-XXXXXX", want[256];
    const int fd = mkstemp(path);
    fresh();
    EXPECT(write(fd, "text", 4) == 4);
    close(fd);
    EXPECT_INT(akin_image_read(&image, path, &options, &info, &err),
               AKIN_ENOTIMAGE);
    snprintf(want, sizeof want, "%s: no image of a known format", path);
    EXPECT_STR(err.message, want);
    unlink(path);
    EXPECT_INT(akin_image_read(&image, path, &options, &info, &err),
               AKIN_ENOTFOUND);
}

/* ---------------------------------------------------- damaged pictures -- */

static void a_gif_frame_lies_on_its_canvas(void)
{
    static const uint8_t want[18] = {1, 2, 3, 200, 100, 50, 1,   2,   3,
                                     1, 2, 3, 1,   2,   3,  200, 100, 50};
    fresh();
    EXPECT_INT(decode(file, make_gif()), AKIN_OK);
    EXPECT_INT(image.width, 3);
    EXPECT_STR(info.warning, "");
    if (image.pixels)
        EXPECT(memcmp(image.pixels, want, sizeof want) == 0);
}

static void a_truncated_picture_is_used_with_a_warning(void)
{
    fresh();
    EXPECT_INT(decode(file, make_jpeg(0) - 200), AKIN_OK);
    EXPECT_STR(info.warning, "JPEG is truncated: Premature end of JPEG file");
    EXPECT_INT(decode(file, make_bmp(4, 4, 3)), AKIN_OK);
    EXPECT_STR(info.warning, "BMP is truncated: 3 of 4 rows read");
    EXPECT_INT(decode(file, make_png() - 12 - 4 - 6), AKIN_OK);
    EXPECT_STR(info.warning,
               "PNG is damaged: file ends early; 1 of 2 rows read");
}

static void a_truncated_picture_is_refused_when_strict(void)
{
    fresh();
    options.strict = 1;
    EXPECT_INT(decode(file, make_jpeg(0)), AKIN_OK);
    EXPECT_INT(decode(file, make_jpeg(0) - 200), AKIN_EFORMAT);
    EXPECT_STR(err.message, "JPEG is truncated: Premature end of JPEG file");
    EXPECT_INT(decode(file, make_bmp(4, 4, 3)), AKIN_EFORMAT);
    EXPECT(image.pixels == NULL);
}

static void a_jpeg_that_ends_in_its_header_is_called_so(void)
{
    fresh();
    memcpy(file, "\xff\xd8\xff\xe0\xff\xff", 6);
    memset(file + 6, 0, 1000);
    EXPECT_INT(decode(file, 1006), AKIN_EFORMAT);
    EXPECT_STR(err.message, "JPEG: JPEG datastream contains no image");
}

static void a_wrong_checksum_of_a_png_is_told(void)
{
    fresh();
    size_t count = make_png();
    file[29] ^= 1;
    EXPECT_INT(decode(file, count), AKIN_EFORMAT);
    EXPECT_STR(err.message, "PNG's header has a wrong checksum");
    count = make_png();
    file[count - 13] ^= 1;
    EXPECT_INT(decode(file, count), AKIN_OK);
    EXPECT_STR(info.warning, "PNG is damaged: IDAT: CRC error");
}

/* Cut at every length, and with every byte in turn set to 0, 255 and its
 * opposite: there is an outcome, and a picture or a message. */
static void torment(size_t count)
{
    uint8_t *whole = malloc(count);
    memcpy(whole, file, count);
    limits.pixels = 1 << 20;
    for (size_t at = 0; at < count; at++)
        for (int how = 0; how < 4; how++) {
            const uint8_t byte = whole[at];
            const uint8_t values[] = {byte, 0, 255, (uint8_t)~byte};
            whole[at] = values[how];
            const akin_status status = decode(whole, how ? count : at);
            EXPECT(status ? !image.pixels && err.message[0] &&
                                strlen(err.message) <= 200
                          : image.pixels != NULL);
            whole[at] = byte;
        }
    free(whole);
}

static void every_damage_to_a_small_file_has_an_outcome(void)
{
    fresh();
    torment(make_png());
    torment(make_gif());
    torment(make_bmp(3, 2, 2));
    torment(make_jpeg(0));
    torment(make_jpeg(1));
}

static void the_decoders_are_listed(void)
{
    EXPECT(strstr(akin_decoders(), "libjpeg ") != NULL);
    EXPECT(strstr(akin_decoders(), "libpng 1.") != NULL);
}

/* ------------------------------------------------------- preprocessing -- */

static struct akin__preprocess made;

static akin_status read_config(const char *json, const char *family)
{
    char path[] = "/tmp/akin-config-XXXXXX";
    const int fd = mkstemp(path);
    EXPECT(write(fd, json, strlen(json)) == (ssize_t)strlen(json));
    close(fd);
    memset(&err, 0, sizeof err);
    const akin_status status =
        akin__preprocess_read(&made, NULL, path, family, &err);
    unlink(path);
    return status;
}

static void described_as(const char *want)
{
    struct akin__text text = {0};
    akin__preprocess_describe(&made, &text);
    EXPECT_STR(text.bytes, want);
    akin__text_free(&text);
}

#define CLIP_NORM                                                              \
    " rescale 0.0039215686274509803 mean 0.48145465999999998 std "             \
    "0.26862954 mean 0.4578275 std 0.26130258000000001 mean "                  \
    "0.40821073000000002 std 0.27577710999999999"

static void a_missing_config_means_the_defaults_of_the_family(void)
{
    EXPECT_INT(akin__preprocess_read(&made, NULL, "/nonexistent", "clip", &err),
               0);
    described_as("input 224x224 shortest 224 filter 3" CLIP_NORM);
    EXPECT_INT(
        akin__preprocess_read(&made, NULL, "/nonexistent", "dinov2", &err), 0);
    EXPECT_INT(made.shortest_edge, 256);
    EXPECT(made.mean[0] == 0.485 && made.std[2] == 0.225);
}

static void configs_of_both_ages_say_the_same(void)
{
    EXPECT_INT(read_config("{\"size\": 224, \"crop_size\": 224, "
                           "\"feature_extractor_type\": "
                           "\"CLIPFeatureExtractor\"}",
                           "clip"),
               0);
    described_as("input 224x224 shortest 224 filter 3" CLIP_NORM);
    EXPECT_INT(read_config("{\"size\": {\"shortest_edge\": 224}, "
                           "\"crop_size\": {\"height\": 224, \"width\": 224}, "
                           "\"image_processor_type\": \"CLIPImageProcessor\", "
                           "\"rescale_factor\": 0.00392156862745098}",
                           "clip"),
               0);
    described_as("input 224x224 shortest 224 filter 3" CLIP_NORM);
}

static void every_value_of_a_config_counts(void)
{
    EXPECT_INT(read_config("{\"size\": {\"height\": 30, \"width\": 40}, "
                           "\"do_center_crop\": false, \"resample\": 2, "
                           "\"do_rescale\": false, \"do_normalize\": false}",
                           "clip"),
               0);
    described_as("input 40x30 size 40x30 filter 2");
    EXPECT(made.value[1][200] == 200.0f);
    EXPECT_INT(read_config("{\"do_resize\": false, \"crop_size\": 9, "
                           "\"image_mean\": [0, 0, 0], "
                           "\"image_std\": [1, 1, 2]}",
                           "clip"),
               0);
    described_as("input 9x9 rescale 0.0039215686274509803 mean 0 std 1 "
                 "mean 0 std 1 mean 0 std 2");
    EXPECT(made.value[2][255] == 0.5f);
}

/* BitImageProcessor's own defaults; what facebook/dinov2-base's file says of
 * size and norm is no part of them. */
static void what_a_config_leaves_out_is_its_class_s(void)
{
    EXPECT_INT(read_config("{\"image_processor_type\": "
                           "\"BitImageProcessor\"}",
                           "dinov2"),
               0);
    described_as("input 224x224 shortest 224 filter 3" CLIP_NORM);
}

/* transformers 5 writes the whole processor; older files of that name say
 * nothing of pictures. */
static void a_whole_processor_goes_first(void)
{
    char whole[] = "/tmp/akin-whole-XXXXXX", part[] = "/tmp/akin-part-XXXXXX";
    const int fd = mkstemp(whole), other = mkstemp(part);
    EXPECT(write(other, "{\"size\": 9}", 11) == 11);
    EXPECT(write(fd, "{\"processor_class\": \"x\"}", 24) == 24);
    EXPECT_INT(akin__preprocess_read(&made, whole, part, "clip", &err), 0);
    EXPECT_INT(made.shortest_edge, 9);
    EXPECT(pwrite(fd, "{\"image_processor\": {\"size\": 8}}", 32, 0) == 32);
    EXPECT_INT(akin__preprocess_read(&made, whole, part, "clip", &err), 0);
    EXPECT_INT(made.shortest_edge, 8);
    EXPECT(pwrite(fd, "{\"image_processor\": {\"size\": 0}}", 32, 0) == 32);
    EXPECT_INT(akin__preprocess_read(&made, whole, part, "clip", &err),
               AKIN_EMODEL);
    EXPECT(strstr(err.message, whole) == err.message);
    close(fd);
    close(other);
    unlink(whole);
    unlink(part);
}

static void null_is_false_as_in_python(void)
{
    EXPECT_INT(read_config("{\"do_resize\": null, \"do_rescale\": null, "
                           "\"do_normalize\": null}",
                           "clip"),
               0);
    described_as("input 224x224");
    EXPECT_INT(read_config("{\"do_center_crop\": null}", "clip"), AKIN_EMODEL);
    EXPECT_INT(read_config("{\"size\": {\"shortest_edge\": 256, "
                           "\"longest_edge\": null}, \"do_pad\": null}",
                           "clip"),
               0);
    described_as("input 224x224 shortest 256 filter 3" CLIP_NORM);
}

static void a_number_may_be_told_to_be_both_sides(void)
{
    EXPECT_INT(
        read_config("{\"size\": 256, \"default_to_square\": true}", "clip"), 0);
    described_as("input 224x224 size 256x256 filter 3" CLIP_NORM);
    EXPECT_INT(read_config("{\"size\": {\"shortest_edge\": 256}, "
                           "\"default_to_square\": true}",
                           "clip"),
               0);
    described_as("input 224x224 shortest 256 filter 3" CLIP_NORM);
}

static void configs_that_akin_cannot_follow_are_refused(void)
{
    static const char *const refused[] = {
        "[]",
        "{\"resample\": 0}",
        "{\"resample\": \"bicubic\"}",
        "{\"size\": 0}",
        "{\"size\": 8193}",
        "{\"size\": {\"longest_edge\": 5}}",
        "{\"size\": {\"height\": 5}}",
        "{\"size\": {\"shortest_edge\": 5, \"height\": 5, \"width\": 5}}",
        "{\"size\": {\"max_height\": 5, \"max_width\": 5}}",
        "{\"size\": \"large\"}",
        "{\"crop_size\": -1}",
        "{\"do_center_crop\": false}",
        "{\"do_resize\": 1}",
        "{\"image_mean\": [0.5, 0.5]}",
        "{\"image_mean\": [0.5, 0.5, \"x\"]}",
        "{\"image_std\": [1, 1, 0]}",
        "{\"rescale_factor\": \"1/255\"}",
        "{\"do_pad\": true, \"pad_size\": {\"height\": 9, \"width\": 9}}",
        "{\"use_square_size\": true}",
        "{\"image_processor_type\": \"SiglipImageProcessor\"}",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        EXPECT_INT(read_config(refused[i], "clip"), AKIN_EMODEL);
        EXPECT(strstr(err.message, "/tmp/akin-config-") == err.message);
    }
    EXPECT(read_config("{", "clip") != AKIN_OK);
}

static void the_working_memory_is_used_again(void)
{
    struct akin__preprocess_scratch scratch = {0};
    static float pixels[3 * 224 * 224];
    fresh();
    EXPECT_INT(
        akin__preprocess_read(&made, NULL, "/nonexistent", "dinov2", &err), 0);
    EXPECT_INT(decode(file, make_jpeg(0)), AKIN_OK);
    EXPECT_INT(akin__preprocess_run(&made, &image, &scratch, pixels, &err), 0);
    const uint8_t *resize = scratch.resize.bytes,
                  *window = scratch.window.bytes;
    EXPECT_INT(decode(file, make_bmp(64, 48, 48)), AKIN_OK);
    EXPECT_INT(akin__preprocess_run(&made, &image, &scratch, pixels, &err), 0);
    EXPECT(scratch.resize.bytes == resize && scratch.window.bytes == window);
    akin__preprocess_scratch_free(&scratch);
}

/* --------------------------------------------- perceptual hash -------- */

/* Rectangles of many sizes: a picture whose turns all differ. */
static akin_image draw_scene(uint32_t width, uint32_t height)
{
    const size_t stride = 3 * (size_t)width;
    akin_image scene = {width, height, stride, calloc(height, stride)};
    unsigned seed = 5;
    for (int i = 0; i < 60; i++) {
        uint32_t part[4];
        for (int j = 0; j < 4; j++)
            part[j] = (seed = seed * 1103515245 + 12345) >> 16 & 0xff;
        const uint32_t x = part[0] * width / 300, y = part[1] * height / 300;
        for (uint32_t dy = 0; dy < height / 6 && y + dy < height; dy++)
            for (uint32_t dx = 0; dx < part[3] * width / 900 && x + dx < width;
                 dx++)
                memset(scene.pixels + (y + dy) * stride + 3 * (x + dx),
                       (int)part[2], 3);
    }
    return scene;
}

static void a_turned_picture_is_near_and_only_when_turns_are_tried(void)
{
    akin_image scene = draw_scene(160, 160);
    uint8_t upright[AKIN__HASH_BYTES], turned[AKIN__HASH_BYTES];
    akin__phash(&scene, upright);
    EXPECT_INT(akin__hash_distance(upright, upright), 0);
    for (uint32_t orientation = 2; orientation <= 8; orientation++) {
        akin_image other = draw_scene(160, 160);
        akin__turn(&other, &scene, orientation);
        akin__phash(&other, turned);
        EXPECT(akin__hash_distance(upright, turned) > 60);
        EXPECT(akin__hash_distance_turned(upright, turned) <= 20);
        akin_image_free(&other);
    }
    akin_image_free(&scene);
}

static void a_picture_without_structure_is_like_no_other(void)
{
    akin_image scene = draw_scene(50, 40);
    uint8_t hash[AKIN__HASH_BYTES], none[AKIN__HASH_BYTES];
    akin__phash(&scene, hash);
    memset(scene.pixels, 77, scene.stride * scene.height);
    akin__phash(&scene, none);
    EXPECT_INT(akin__hash_distance(none, none), AKIN__HASH_BITS);
    EXPECT_INT(akin__hash_distance_turned(hash, none), AKIN__HASH_BITS);
    akin_image_free(&scene);
}

static void stripes_have_no_structure_that_a_hash_tells(void)
{
    akin_image scene = draw_scene(300, 200);
    uint8_t hash[AKIN__HASH_BYTES];
    for (size_t y = 0; y < scene.height; y++)
        memset(scene.pixels + y * scene.stride, (int)(y / 9 % 3 * 100),
               3 * scene.width);
    akin__phash(&scene, hash);
    EXPECT_INT(akin__hash_distance(hash, hash), AKIN__HASH_BITS);
    akin_image_free(&scene);
}

int main(void)
{
    RUN(exif_orientation_is_read_in_both_byte_orders);
    RUN(a_turned_picture_is_near_and_only_when_turns_are_tried);
    RUN(a_picture_without_structure_is_like_no_other);
    RUN(stripes_have_no_structure_that_a_hash_tells);
    RUN(exif_orientation_may_be_a_long);
    RUN(exif_without_a_usable_orientation_means_upright);
    RUN(exif_that_is_cut_anywhere_is_survived);
    RUN(exif_offsets_beyond_the_block_are_not_followed);
    RUN(exif_entries_beyond_the_limit_are_not_read);
    RUN(every_orientation_puts_pixels_where_exif_says);
    RUN(documented_limits_are_those_of_the_code);
    RUN(a_side_beyond_the_limit_is_refused_by_figure);
    RUN(pixels_beyond_the_limit_are_refused_by_figure);
    RUN(a_fast_decode_is_held_to_the_limits_of_the_whole);
    RUN(what_is_told_of_a_fast_decode_is_the_whole_picture);
    RUN(bytes_beyond_the_limit_are_refused_by_figure);
    RUN(scans_beyond_the_limit_are_refused_by_figure);
    RUN(pixels_times_scans_beyond_the_limit_are_refused_by_figure);
    RUN(memory_beyond_the_limit_is_refused_by_figure);
    RUN(warnings_beyond_the_limit_are_refused_by_figure);
    RUN(chunks_of_a_png_beyond_the_limit_are_refused_by_figure);
    RUN(options_without_their_size_are_wrong_usage);
    RUN(bytes_that_are_no_image_are_told_from_images);
    RUN(an_empty_file_is_no_image_and_is_called_so);
    RUN(images_that_akin_does_not_read_are_refused_by_name);
    RUN(a_file_is_named_before_what_is_wrong_with_it);
    RUN(a_gif_frame_lies_on_its_canvas);
    RUN(a_truncated_picture_is_used_with_a_warning);
    RUN(a_truncated_picture_is_refused_when_strict);
    RUN(a_jpeg_that_ends_in_its_header_is_called_so);
    RUN(a_wrong_checksum_of_a_png_is_told);
    RUN(every_damage_to_a_small_file_has_an_outcome);
    RUN(the_decoders_are_listed);
    RUN(a_missing_config_means_the_defaults_of_the_family);
    RUN(configs_of_both_ages_say_the_same);
    RUN(every_value_of_a_config_counts);
    RUN(what_a_config_leaves_out_is_its_class_s);
    RUN(a_whole_processor_goes_first);
    RUN(null_is_false_as_in_python);
    RUN(a_number_may_be_told_to_be_both_sides);
    RUN(configs_that_akin_cannot_follow_are_refused);
    RUN(the_working_memory_is_used_again);
    akin_image_free(&image);
    return tap_done();
}
