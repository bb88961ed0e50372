/*
 * EXIF: walks the first directory of a TIFF structure for the orientation tag.
 *
 * Untrusted: every read goes through a cursor, no offset is followed but the
 * first directory's, and at most AKIN__EXIF_ENTRIES entries are looked at.
 */
#include "image/exif.h"

#include <string.h>

#include "base/cursor.h"
#include "image/limits.h"

enum { TAG_ORIENTATION = 0x112, TYPE_SHORT = 3, TYPE_LONG = 4 };

static uint32_t entry_value(struct akin__cursor *c, uint32_t type, bool big)
{
    if (type == TYPE_LONG)
        return akin__take_uint(c, 4, big);
    const uint32_t value = akin__take_uint(c, 2, big);
    akin__take(c, 2);
    return type == TYPE_SHORT ? value : 0;
}

uint32_t akin__exif_orientation(const uint8_t *bytes, size_t count)
{
    if (count < 8 || count > AKIN__EXIF_BYTES)
        return 1;
    const bool big = bytes[0] == 'M';
    if (memcmp(bytes, big ? "MM\0*" : "II*\0", 4) != 0)
        return 1;

    struct akin__cursor c = akin__cursor(bytes + 4, count - 4);
    const uint32_t offset = akin__take_uint(&c, 4, big);
    if (offset > count)
        return 1;
    c = akin__cursor(bytes + offset, count - offset);
    uint32_t entries = akin__take_uint(&c, 2, big);
    if (entries > AKIN__EXIF_ENTRIES)
        entries = AKIN__EXIF_ENTRIES;
    while (entries-- && !c.bad) {
        const uint32_t tag = akin__take_uint(&c, 2, big);
        const uint32_t type = akin__take_uint(&c, 2, big);
        akin__take(&c, 4); /* how many values: one */
        const uint32_t value = entry_value(&c, type, big);
        if (tag == TAG_ORIENTATION && !c.bad)
            return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}
