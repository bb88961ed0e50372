/*
 * Card: a model's rows in the memory of a card, kept there from one search to
 * the next. Which of them are whole is looked at on the way; what they are is
 * kept as checksums, so that after a commit only rows that came are put there,
 * or all again if a row is not what it was.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "index/index.h"
#include "math/cuda/load.h"

enum {
    PART_BYTES = 1 << 20, /* that a thread reads at a time */
    TOGETHER = 32,        /* parts that go to the card at a time */
    SPARE_SHARE = 16,     /* room for so many of the rows more, */
    SPARE = 4096          /* and for these */
};

void akin__card_rows_close(struct akin__card_rows *card)
{
    if (card->rows)
        card->plugin->rows_close(&card->rows);
    akin__free(card->crc);
    memset(card, 0, sizeof *card);
}

/* ------------------------------------------------------------- put ----- */

/* Rows on their way. */
struct put {
    const struct akin__rows *rows;
    const struct akin__live_rows *live;
    uint64_t first;
    size_t count, part; /* rows in all, and in a part */
    float *floats;      /* [count][dim] */
    uint32_t *crc;      /* [count] */
};

static bool is_finite(const float *row, size_t dim)
{
    bool finite = true;
    for (size_t i = 0; i < dim; i++)
        finite = finite && isfinite(row[i]);
    return finite;
}

/* A row that files have must be what the catalog says. Another's numbers do not
 * matter, but zeros cannot disturb. */
static akin_status look_at_row(const struct put *put, size_t at,
                               akin_error *err)
{
    const struct akin__rows *rows = put->rows;
    const uint64_t row = put->first + at;
    float *floats = put->floats + at * rows->is.dim;
    const size_t first = akin__live_first(put->live, row);
    const struct akin__live *live = put->live->at + first;
    const bool lives = first < put->live->count && live->row == row;
    const bool finite = is_finite(floats, rows->is.dim);
    put->crc[at] = akin__crc32(floats, akin__row_bytes(rows));
    if (lives && live->crc != put->crc[at])
        return akin__rows_check(rows, row, live->crc, floats, err);
    if (lives && !finite)
        return akin__fail(err, AKIN_ECORRUPT,
                          "%s: row %llu has numbers that are not finite",
                          rows->file.path, (unsigned long long)row);
    if (!finite)
        memset(floats, 0, akin__row_bytes(rows));
    return AKIN_OK;
}

static akin_status read_part(void *context, size_t item, int thread,
                             akin_error *err)
{
    const struct put *put = context;
    const size_t at = item * put->part, left = put->count - at;
    const size_t count = left < put->part ? left : put->part;
    (void)thread;
    akin_status status =
        akin__rows_read(put->rows, put->first + at, count,
                        put->floats + at * put->rows->is.dim, err);
    for (size_t i = 0; i < count && !status; i++)
        status = look_at_row(put, at + i, err);
    return status;
}

/* The committed rows that are not on the card yet. */
static akin_status put_rows(struct akin__card_rows *card,
                            const struct akin__rows *rows,
                            const struct akin__live_rows *live, akin_error *err)
{
    const size_t part = PART_BYTES / akin__row_bytes(rows);
    const size_t most = part * TOGETHER;
    akin_status status = AKIN_OK;
    struct put put = {.rows = rows, .live = live, .part = part};
    put.floats = card->plugin->pinned_alloc(most * akin__row_bytes(rows));
    AKIN_CHECK(put.floats, err, AKIN_ENOMEM, "no memory to reach the card");
    while (card->count < rows->committed) {
        const uint64_t left = rows->committed - card->count;
        put.first = card->count;
        put.count = left < most ? (size_t)left : most;
        put.crc = card->crc + card->count;
        AKIN_TRY(akin__parallel(0, (put.count + part - 1) / part, read_part,
                                &put, err));
        AKIN_TRY(
            card->plugin->rows_put(card->rows, put.count, put.floats, err));
        card->count += put.count;
    }
out:
    card->plugin->pinned_free(put.floats);
    return status;
}

/* ------------------------------------------------------------ load ----- */

/* Whether what is on the card is still what the catalog says. */
static bool holds(const struct akin__card_rows *card,
                  const struct akin__live_rows *live)
{
    size_t i = 0;
    while (i < live->count && (live->at[i].row >= card->count ||
                               live->at[i].crc == card->crc[live->at[i].row]))
        i++;
    return i == live->count;
}

static akin_status make_room(struct akin__card_rows *card,
                             const struct akin__rows *rows, const char *device,
                             akin_error *err)
{
    struct akin__cuda_card is;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__cuda_choose(device, &card->plugin, &is, err));
    card->room = rows->committed + rows->committed / SPARE_SHARE + SPARE;
    card->crc = akin__alloc((size_t)card->room, sizeof *card->crc);
    AKIN_CHECK(card->crc, err, AKIN_ENOMEM, "no memory for %llu rows",
               (unsigned long long)card->room);
    AKIN_TRY(card->plugin->rows_open(&card->rows, is.number, (size_t)card->room,
                                     rows->is.dim, err));
    strcpy(card->device, device);
out:
    return status;
}

akin_status akin__card_rows_load(akin_index *index, size_t ordinal,
                                 const char *device, akin_error *err)
{
    struct akin__card_rows *card = &index->card[ordinal];
    const struct akin__rows *rows = &index->read.model[ordinal];
    const struct akin__live_rows *live = &index->live[ordinal];
    akin_status status = akin__live_load(index, ordinal, err);
    if (status)
        return status;
    const bool same = card->rows && !strcmp(card->device, device);
    if (same && card->generation == live->generation)
        return AKIN_OK;
    if (!same || card->room < rows->committed ||
        card->count > rows->committed || !holds(card, live))
        akin__card_rows_close(card);
    if (!card->rows)
        status = make_room(card, rows, device, err);
    if (!status)
        status = put_rows(card, rows, live, err);
    if (status)
        akin__card_rows_close(card);
    else
        card->generation = live->generation;
    return status;
}

/* --------------------------------------------------------- nearest ----- */

/* A bit for each row that is live; NULL in *mask if all are. */
static akin_status make_mask(const struct akin__card_rows *card,
                             const struct akin__live_rows *live,
                             uint32_t **mask, akin_error *err)
{
    uint64_t different = 0;
    *mask = akin__calloc((size_t)(card->count / 32 + 1), sizeof **mask);
    if (!*mask)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a search");
    for (size_t i = 0; i < live->count; i++) {
        const uint32_t row = live->at[i].row;
        different += i == 0 || live->at[i - 1].row != row;
        (*mask)[row / 32] |= 1u << row % 32;
    }
    if (different < card->count)
        return AKIN_OK;
    akin__free(*mask);
    *mask = NULL;
    return AKIN_OK;
}

akin_status akin__card_rows_nearest(const struct akin__card_rows *card,
                                    const struct akin__live_rows *live,
                                    const float *units, size_t count, size_t k,
                                    struct akin__card_found *found,
                                    akin_error *err)
{
    uint32_t *mask = NULL;
    akin_status status = AKIN_OK;
    memset(found, 0, sizeof *found);
    AKIN_TRY(make_mask(card, live, &mask, err));
    found->row = akin__alloc(count, k * sizeof *found->row);
    found->score = akin__alloc(count, k * sizeof *found->score);
    found->count = akin__alloc(count, sizeof *found->count);
    found->reach = akin__alloc(count, sizeof *found->reach);
    AKIN_CHECK(found->row && found->score && found->count && found->reach, err,
               AKIN_ENOMEM, "no memory for %zu answers", count * k);
    AKIN_TRY(card->plugin->rows_nearest(card->rows, units, count, k, mask,
                                        found->row, found->score, found->count,
                                        found->reach, err));
out:
    akin__free(mask);
    return status;
}

void akin__card_found_free(struct akin__card_found *found)
{
    akin__free(found->row);
    akin__free(found->score);
    akin__free(found->count);
    akin__free(found->reach);
}
