/*
 * Limits: one table, from which come the defaults and docs/limits.md.
 *
 * The figures: phones make pictures of 200 megapixels; 1.5e9 pixels times
 * scans is a bit over a second of decoding; photographs have at most a dozen
 * scans and draw hardly a warning, while a bomb of 40 KB has thousands.
 */
#include "image/limits.h"

#include <string.h>

struct limit {
    const char *what;
    uint64_t value;
    const char *unit;
    const char *member; /* of akin_limits, or "" when no option lifts it */
    size_t offset, bytes;
};

// clang-format off
#define MEMBER(name) \
    #name, offsetof(akin_limits, name), sizeof(((akin_limits *)0)->name)
#define FIXED "", 0, 0

static const struct limit table[] = {
    {"size of a file", 1ull << 30, "bytes", MEMBER(file_bytes)},
    {"width or height", 65535, "pixels", MEMBER(side)},
    {"pixels of a picture", 256000000, "pixels", MEMBER(pixels)},
    {"memory of a decoder beside the RGB pixels", 1ull << 30, "bytes", MEMBER(memory_bytes)},
    {"scans of a JPEG", 100, "scans", MEMBER(jpeg_scans)},
    {"pixels times scans of a JPEG", 1500000000, "pixels", MEMBER(jpeg_scan_pixels)},
    {"warnings of a JPEG's decoder", 100, "warnings", MEMBER(warnings)},
    {"processor time of a decoder's process for a picture", 30, "seconds", MEMBER(seconds)},
    {"address space of a decoder's process beside the file and the pixels", 2ull << 30, "bytes", MEMBER(process_bytes)},
    {"width or height of a WebP (its format's own)", AKIN__WEBP_SIDE, "pixels", FIXED},
    {"EXIF block; a longer one is not read", AKIN__EXIF_BYTES, "bytes", FIXED},
    {"entries of an EXIF directory; what is beyond is not read", AKIN__EXIF_ENTRIES, "entries", FIXED},
    {"a PNG chunk other than pixels", AKIN__PNG_CHUNK_BYTES, "bytes", FIXED},
    {"chunks of a PNG other than pixels", AKIN__PNG_CHUNKS, "chunks", FIXED},
    {"libpng's own memory", AKIN__PNG_MEMORY, "bytes", FIXED},
};
// clang-format on

enum { ROWS = sizeof table / sizeof table[0] };

static void set(akin_limits *limits, const struct limit *row)
{
    uint8_t *member = (uint8_t *)limits + row->offset;
    const uint32_t narrow = (uint32_t)row->value;
    static const uint8_t zero[8];
    if (!row->bytes || memcmp(member, zero, row->bytes) != 0)
        return;
    if (row->bytes == sizeof narrow)
        memcpy(member, &narrow, sizeof narrow);
    else
        memcpy(member, &row->value, sizeof row->value);
}

akin_limits akin__limits(const akin_limits *asked)
{
    akin_limits limits;
    memset(&limits, 0, sizeof limits);
    if (asked)
        memcpy(&limits, asked,
               asked->size < sizeof limits ? asked->size : sizeof limits);
    limits.size = sizeof limits;
    for (size_t i = 0; i < ROWS; i++)
        set(&limits, &table[i]);
    return limits;
}

/* 1500000000 as "1,500,000,000". */
static void add_grouped(struct akin__text *text, uint64_t value)
{
    if (value >= 1000) {
        add_grouped(text, value / 1000);
        akin__text_addf(text, ",%03u", (unsigned)(value % 1000));
    } else {
        akin__text_addf(text, "%u", (unsigned)value);
    }
}

void akin__limits_table(struct akin__text *text)
{
    akin__text_addf(text, "| what | limit | unit | member of akin_limits |\n");
    akin__text_addf(text, "| --- | ---: | --- | --- |\n");
    for (size_t i = 0; i < ROWS; i++) {
        akin__text_addf(text, "| %s | ", table[i].what);
        add_grouped(text, table[i].value);
        akin__text_addf(text, " | %s | %s |\n", table[i].unit, table[i].member);
    }
}
