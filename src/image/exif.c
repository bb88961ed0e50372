/*
 * EXIF: walks the first directory of a TIFF structure, and the Exif directory
 * that it names, for the orientation and the date.
 *
 * Untrusted: every read goes through a cursor, no offset is followed but those
 * of two directories and of a date, and at most AKIN__EXIF_ENTRIES entries of a
 * directory are looked at.
 */
#include "image/exif.h"

#include <string.h>

#include "base/cursor.h"
#include "image/limits.h"

enum {
    TAG_ORIENTATION = 0x112,
    TAG_DATE = 0x132,
    TAG_EXIF_DIRECTORY = 0x8769,
    TAG_DATE_ORIGINAL = 0x9003
};
enum { TYPE_ASCII = 2, TYPE_SHORT = 3, TYPE_LONG = 4 };

enum { DATE_BYTES = 19 }; /* "2019:05:04 12:31:00" */

struct exif {
    const uint8_t *bytes; /* [count] */
    size_t count;
    bool big;
    bool first; /* directory: an inner one's orientation is a preview's */
    uint32_t orientation, directory;
    int64_t date, date_original;
};

/* A directory entry's value as it lies there: four bytes. */
struct entry {
    uint32_t tag, type, values;
    struct akin__cursor value;
};

static uint32_t number_of(const struct exif *exif, struct entry entry)
{
    return entry.type == TYPE_SHORT
               ? akin__take_uint(&entry.value, 2, exif->big)
           : entry.type == TYPE_LONG
               ? akin__take_uint(&entry.value, 4, exif->big)
               : 0;
}

/* Days from 1970 to a day of the Gregorian calendar; years begin in March, so
 * that a leap day is the last of one. */
static int64_t days_to(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    month += month <= 2 ? 9 : -3;
    return 365 * year + year / 4 - year / 100 + year / 400 +
           (153 * month + 2) / 5 + day - 719469;
}

/* `digits` decimal digits; -1 when there is anything else. */
static int64_t take_decimal(struct akin__cursor *c, size_t digits)
{
    const uint8_t *at = akin__take(c, digits);
    int64_t value = 0;
    for (size_t i = 0; at && i < digits; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        value = 10 * value + at[i] - '0';
    }
    return at ? value : -1;
}

/* "YYYY:MM:DD hh:mm:ss" to seconds since 1970. Cameras whose clock was never
 * set write zeros or blanks: INT64_MIN. */
static int64_t parse_date(const uint8_t *text)
{
    static const int64_t least[6] = {1, 1, 1, 0, 0, 0},
                         most[6] = {9999, 12, 31, 23, 59, 60};
    struct akin__cursor c = akin__cursor(text, DATE_BYTES);
    int64_t part[6];
    for (size_t i = 0; i < 6; i++) {
        part[i] = take_decimal(&c, i ? 2 : 4);
        if (part[i] < least[i] || part[i] > most[i])
            return INT64_MIN;
        if (i < 5)
            akin__take(&c, 1);
    }
    return ((days_to(part[0], part[1], part[2]) * 24 + part[3]) * 60 +
            part[4]) *
               60 +
           part[5];
}

static int64_t date_of(const struct exif *exif, struct entry entry)
{
    if (entry.type != TYPE_ASCII || entry.values < DATE_BYTES)
        return INT64_MIN;
    const uint32_t offset = akin__take_uint(&entry.value, 4, exif->big);
    if (offset > exif->count || exif->count - offset < DATE_BYTES)
        return INT64_MIN;
    return parse_date(exif->bytes + offset);
}

static void note(struct exif *exif, struct entry entry)
{
    if (entry.tag == TAG_ORIENTATION && exif->first && !exif->orientation)
        exif->orientation = number_of(exif, entry);
    else if (entry.tag == TAG_EXIF_DIRECTORY)
        exif->directory = number_of(exif, entry);
    else if (entry.tag == TAG_DATE)
        exif->date = date_of(exif, entry);
    else if (entry.tag == TAG_DATE_ORIGINAL)
        exif->date_original = date_of(exif, entry);
}

static void read_directory(struct exif *exif, uint32_t offset)
{
    if (offset > exif->count)
        return;
    struct akin__cursor c =
        akin__cursor(exif->bytes + offset, exif->count - offset);
    uint32_t entries = akin__take_uint(&c, 2, exif->big);
    if (entries > AKIN__EXIF_ENTRIES)
        entries = AKIN__EXIF_ENTRIES;
    while (entries--) {
        struct entry entry;
        entry.tag = akin__take_uint(&c, 2, exif->big);
        entry.type = akin__take_uint(&c, 2, exif->big);
        entry.values = akin__take_uint(&c, 4, exif->big);
        const uint8_t *value = akin__take(&c, 4);
        if (!value)
            return;
        entry.value = akin__cursor(value, 4);
        note(exif, entry);
    }
}

/* Some formats, and some writers, leave JPEG's mark in front. */
static void pass_mark(const uint8_t **bytes, size_t *count)
{
    static const uint8_t mark[6] = "Exif\0";
    if (*count < sizeof mark || memcmp(*bytes, mark, sizeof mark) != 0)
        return;
    *bytes += sizeof mark;
    *count -= sizeof mark;
}

static struct exif read_all(const uint8_t *bytes, size_t count)
{
    pass_mark(&bytes, &count);
    struct exif exif = {.bytes = bytes,
                        .count = count,
                        .date = INT64_MIN,
                        .date_original = INT64_MIN};
    if (count < 8)
        return exif;
    exif.big = bytes[0] == 'M';
    if (memcmp(bytes, exif.big ? "MM\0*" : "II*\0", 4) != 0)
        return exif;
    struct akin__cursor c = akin__cursor(bytes + 4, 4);
    exif.first = true;
    read_directory(&exif, akin__take_uint(&c, 4, exif.big));
    exif.first = false;
    if (exif.directory)
        read_directory(&exif, exif.directory);
    return exif;
}

static void take_date(struct akin__decode *decode, const struct exif *exif)
{
    const int64_t date =
        exif->date_original != INT64_MIN ? exif->date_original : exif->date;
    if (date != INT64_MIN)
        decode->taken = date;
}

void akin__exif_read(struct akin__decode *decode, const uint8_t *bytes,
                     size_t count)
{
    if (count > AKIN__EXIF_BYTES)
        return;
    const struct exif exif = read_all(bytes, count);
    if (exif.orientation >= 1 && exif.orientation <= 8)
        decode->orientation = exif.orientation;
    take_date(decode, &exif);
}

void akin__exif_date(struct akin__decode *decode, const uint8_t *bytes,
                     size_t count)
{
    const struct exif exif = read_all(bytes, count);
    take_date(decode, &exif);
}
