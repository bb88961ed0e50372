/*
 * Certainty: how surely an answer is right by its cosine, as akin_eval_keep
 * left it in X.akin/certainty-ORDINAL (docs/format.md).
 *
 * A file of its own and no table: an older akin takes a table that it does not
 * know for damage. It is replaced whole under the writer's lock, and bound to
 * its model by the fingerprint in its head.
 */
#include <math.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/certainty.h"

enum {
    VERSION = 1,
    TYPE_F32 = 1,
    STEPS = sizeof((akin_certainty *)NULL)->at / sizeof(float),
    TRUTH = sizeof((akin_certainty *)NULL)->truth,
    BODY = 16 + TRUTH + 4 * STEPS, /* what its checksum covers */
    BYTES = AKIN__HEADER_BYTES + BODY + 4
};
static const char magic[8] = {'A', 'K', 'I', 'N', 'C', 'E', 'R', 'T'};

/* ------------------------------------------------------------- answers -- */

/* The step of a cosine; one that was written with three digits is at its own,
 * though it is not that number to the last bit. */
size_t akin__certainty_step(double cosine)
{
    const double step = floor(cosine * 1000 + 1e-6) + 1000;
    return step < 0 ? 0 : step > STEPS - 1 ? STEPS - 1 : (size_t)step;
}

double akin_probability(const akin_certainty *certainty, double cosine)
{
    return isnan(cosine) ? (double)NAN
                         : (double)certainty->at[akin__certainty_step(cosine)];
}

double akin_certain_from(const akin_certainty *certainty, double probability)
{
    for (int i = 0; i < STEPS; i++) {
        if (certainty->at[i] >= (float)probability)
            return (i - 1000) / 1000.0;
    }
    return (double)NAN;
}

/* --------------------------------------------------------------- bytes -- */

static uint32_t bits_of(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static float number_of(uint32_t bits)
{
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static void put_body(uint8_t *body, const akin_certainty *certainty)
{
    akin__store_le64(body, certainty->answers);
    akin__store_le64(body + 8, certainty->right);
    memcpy(body + 16, certainty->truth, TRUTH);
    for (size_t i = 0; i < STEPS; i++)
        akin__store_le32(body + 16 + TRUTH + 4 * i, bits_of(certainty->at[i]));
    akin__store_le32(body + BODY, akin__crc32(body, BODY));
}

/* Whether it is what a calibration can say. */
static bool makes_sense(const akin_certainty *certainty)
{
    float last = -1; /* below all that is known */
    for (size_t i = 0; i < STEPS; i++) {
        const float p = certainty->at[i];
        if (isnan(p) ? last >= 0 : !(p >= 0 && p <= 1 && p >= last))
            return false;
        last = isnan(p) ? last : p;
    }
    return memchr(certainty->truth, 0, TRUTH) &&
           certainty->right <= certainty->answers;
}

/* False: the bytes are no certainty, of whatever model. */
static bool take_body(const uint8_t *body, akin_certainty *certainty)
{
    if (akin__load_le32(body + BODY) != akin__crc32(body, BODY))
        return false;
    certainty->answers = akin__load_le64(body);
    certainty->right = akin__load_le64(body + 8);
    memcpy(certainty->truth, body + 16, TRUTH);
    for (size_t i = 0; i < STEPS; i++)
        certainty->at[i] =
            number_of(akin__load_le32(body + 16 + TRUTH + 4 * i));
    return makes_sense(certainty);
}

/* ---------------------------------------------------------------- file -- */

/* The file's real path, and in *shown the one for messages. */
static akin_status name_file(const akin_index *index, size_t ordinal,
                             char **real, char **shown, akin_error *err)
{
    *real = akin__format("%s/certainty-%zu", index->real, ordinal);
    *shown = akin__format("%s/certainty-%zu", index->path, ordinal);
    if (*real && *shown)
        return AKIN_OK;
    return akin__fail(err, AKIN_ENOMEM, "%s: no memory", index->path);
}

akin_status akin__certainty_read(const akin_index *index,
                                 const struct akin__rows *rows, size_t ordinal,
                                 akin_certainty *certainty, bool *known,
                                 akin_error *err)
{
    uint8_t want[AKIN__HEADER_BYTES], *bytes = NULL;
    char *real = NULL, *shown = NULL;
    size_t count = 0;
    akin_status status = name_file(index, ordinal, &real, &shown, err);
    *known = false;
    AKIN_TRY(status);
    status = akin__read_file(real, BYTES, &bytes, &count, NULL, err);
    if (status == AKIN_ENOTFOUND) {
        status = AKIN_OK;
        goto out;
    }
    if (status && status != AKIN_ELIMIT)
        goto out;
    AKIN_CHECK(count == BYTES && memcmp(bytes, magic, sizeof magic) == 0 &&
                   akin__load_le32(bytes + 60) == akin__crc32(bytes, 60) &&
                   take_body(bytes + AKIN__HEADER_BYTES, certainty),
               err, AKIN_ECORRUPT, "%s: damaged" AKIN__WAY_OUT, shown);
    akin__rows_header(want, rows, magic, VERSION, TYPE_F32);
    *known = memcmp(bytes, want, sizeof want) == 0;
out:
    akin__free(bytes);
    akin__free(real);
    akin__free(shown);
    return status;
}

akin_status akin__certainty_remove(const akin_index *index, size_t ordinal,
                                   akin_error *err)
{
    char *real = NULL, *shown = NULL;
    akin_status status = name_file(index, ordinal, &real, &shown, err);
    if (!status)
        status = akin__remove(real, err);
    akin__free(real);
    akin__free(shown);
    return status;
}

akin_status akin_index_certainty(akin_index *index, const char *model,
                                 akin_certainty *certainty, int *known,
                                 akin_error *err)
{
    size_t ordinal;
    bool found = false;
    *known = 0;
    akin_status status = akin__read_begin(index, err);
    if (status)
        return status;
    status = akin__models_find(index, &index->read, model, &ordinal, err);
    if (!status)
        status = akin__certainty_read(index, &index->read.model[ordinal],
                                      ordinal, certainty, &found, err);
    akin__read_end(index);
    *known = found;
    return status;
}

akin_status akin_eval_keep(akin_index *index, const char *model,
                           const akin_certainty *certainty, akin_error *err)
{
    uint8_t bytes[BYTES];
    char *real = NULL, *shown = NULL;
    size_t ordinal;
    akin_status status = akin__writable(index, err);
    AKIN_TRY(status);
    AKIN_CHECK(makes_sense(certainty), err, AKIN_EUSAGE,
               "%s: a certainty that falls, or is none", index->path);
    AKIN_TRY(akin__models_find(index, &index->write, model, &ordinal, err));
    AKIN_TRY(name_file(index, ordinal, &real, &shown, err));
    akin__rows_header(bytes, &index->write.model[ordinal], magic, VERSION,
                      TYPE_F32);
    put_body(bytes + AKIN__HEADER_BYTES, certainty);
    AKIN_TRY(akin__replace_file(real, bytes, sizeof bytes, err));
out:
    akin__free(real);
    akin__free(shown);
    return status;
}
