/*
 * Devices: where the vectors of a model were made, in X.akin/devices-ORDINAL
 * (docs/format.md).
 *
 * A file of its own, as certainty.c's: an older akin reads and writes the index
 * as ever, because vectors made on a card serve beside those of the CPU. There
 * is none where no card had a part, and it is written before the commit whose
 * rows it is about: one that is lost then leaves a device too many, none too
 * few.
 */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

enum { VERSION = 1, ALL = AKIN__BY_CPU | AKIN__BY_CARD };
static const char magic[8] = {'A', 'K', 'I', 'N', 'D', 'E', 'V', 'S'};

/* The file's real path, or that for messages. */
static char *name_file(const char *folder, size_t ordinal)
{
    return akin__format("%s/devices-%zu", folder, ordinal);
}

akin_status akin__devices_read(const akin_index *index,
                               const struct akin__rows *rows, size_t ordinal,
                               unsigned *devices, akin_error *err)
{
    uint8_t want[AKIN__HEADER_BYTES], *bytes = NULL;
    size_t count = 0;
    char *real = name_file(index->real, ordinal);
    char *shown = name_file(index->path, ordinal);
    akin_status status = AKIN_OK;
    *devices = AKIN__BY_CPU;
    AKIN_CHECK(real && shown, err, AKIN_ENOMEM, "%s: no memory", index->path);
    status =
        akin__read_file(real, AKIN__HEADER_BYTES, &bytes, &count, NULL, err);
    if (status == AKIN_ENOTFOUND) {
        status = AKIN_OK;
        goto out;
    }
    if (status && status != AKIN_ELIMIT)
        goto out;
    const uint32_t made =
        count == AKIN__HEADER_BYTES ? akin__load_le32(bytes + 16) : 0;
    akin__rows_header(want, rows, magic, VERSION, made);
    AKIN_CHECK(made && made <= ALL && !memcmp(bytes, want, sizeof want), err,
               AKIN_ECORRUPT, "%s: damaged" AKIN__WAY_OUT, shown);
    *devices = made;
out:
    akin__free(bytes);
    akin__free(real);
    akin__free(shown);
    return status;
}

static akin_status write_file(const akin_index *index,
                              const struct akin__rows *rows, size_t ordinal,
                              unsigned devices, akin_error *err)
{
    uint8_t bytes[AKIN__HEADER_BYTES];
    char *real = name_file(index->real, ordinal);
    if (!real)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", index->path);
    akin__rows_header(bytes, rows, magic, VERSION, devices);
    const akin_status status =
        akin__replace_file(real, bytes, sizeof bytes, err);
    akin__free(real);
    return status;
}

akin_status akin__devices_mend(const akin_index *index, size_t ordinal,
                               akin_error *err)
{
    return write_file(index, &index->write.model[ordinal], ordinal, ALL, err);
}

akin_status akin__devices_note(akin_index *index, size_t ordinal,
                               akin_error *err)
{
    struct akin__rows *rows = &index->write.model[ordinal];
    unsigned before = rows->devices;
    akin_status status = AKIN_OK;
    if (!rows->maker || (before & rows->maker))
        return AKIN_OK;
    if (!before)
        status = akin__devices_read(index, rows, ordinal, &before, err);
    if (status == AKIN_ECORRUPT) { /* any of them, then */
        before = AKIN__BY_CPU;
        status = AKIN_OK;
    }
    if (status)
        return status;
    /* Nobody has made a row yet. */
    if (!rows->committed && before == AKIN__BY_CPU)
        before = 0;
    const unsigned after = before | rows->maker;
    if (after != before && after != AKIN__BY_CPU)
        status = write_file(index, rows, ordinal, after, err);
    if (!status)
        rows->devices = after;
    return status;
}

void akin__index_made_by(akin_index *index, size_t ordinal, const char *device)
{
    index->write.model[ordinal].maker =
        strcmp(device, "cpu") == 0 ? AKIN__BY_CPU : AKIN__BY_CARD;
}
