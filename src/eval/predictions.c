/*
 * Predictions as the challenge has them: lines of query_id,reference_id,score.
 *
 * Ids that the set does not have get numbers behind its own: the challenge's
 * scorer counts what is said of them as wrong.
 */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/draft.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "eval/chance.h"
#include "eval/order.h"
#include "eval/set.h"

struct reading {
    const akin_eval_set *set;
    struct akin__ids queries, references; /* that the set does not have */
    akin_eval_predictions *to;
    size_t room;
    uint64_t *line; /* [room] */
    uint32_t *slot; /* [slots]: predictions by their pair, number + 1 */
    size_t slots;
    locale_t c;
};

static uint32_t number_of(const struct akin__ids *known, struct akin__ids *more,
                          const char *id)
{
    const uint32_t number = akin__ids_find(known, id);
    if (number != AKIN_EVAL_NONE)
        return number;
    const uint32_t beyond = akin__ids_add(more, id, NULL);
    return beyond == AKIN_EVAL_NONE ? beyond : known->count + beyond;
}

/* What Python's float() takes, but for digits between underscores: blanks
 * around a number of decimal digits, or an infinity. */
static bool take_score(const char *text, double *score, locale_t c)
{
    char *end;
    *score = strtod_l(text, &end, c);
    if (end == text || end[strspn(end, " \t")] || strpbrk(text, "xX("))
        return false;
    return !isnan(*score);
}

static size_t slot_of(const struct reading *r, akin_eval_prediction p)
{
    size_t at = (size_t)akin__mix((uint64_t)p.query << 32 | p.reference) &
                (r->slots - 1);
    for (; r->slot[at]; at = (at + 1) & (r->slots - 1)) {
        const akin_eval_prediction *other = &r->to->at[r->slot[at] - 1];
        if (other->query == p.query && other->reference == p.reference)
            break;
    }
    return at;
}

static bool grow(struct reading *r)
{
    const size_t room = r->room ? 2 * r->room : 1024;
    akin_eval_prediction *at =
        akin__realloc(r->to->at, room, sizeof *r->to->at);
    if (at)
        r->to->at = at;
    uint64_t *line = at ? akin__realloc(r->line, room, sizeof *line) : NULL;
    if (line)
        r->line = line;
    uint32_t *slot = line ? akin__calloc(2 * room, sizeof *slot) : NULL;
    if (!slot)
        return false;
    akin__free(r->slot);
    r->slot = slot;
    r->slots = 2 * room;
    r->room = room;
    for (size_t i = 0; i < r->to->count; i++)
        slot[slot_of(r, at[i])] = (uint32_t)(i + 1);
    return true;
}

static akin_status prediction_row(void *context, const struct akin__csv *csv,
                                  akin_error *err)
{
    struct reading *r = context;
    akin_eval_prediction p;
    if (r->to->count == AKIN_EVAL_ROWS)
        return akin__fail(err, AKIN_ELIMIT,
                          "%s: has more than %d rows, the challenge's limit; "
                          "the best of them are enough",
                          csv->lines.file.path, AKIN_EVAL_ROWS);
    if (!take_score(csv->field[2], &p.score, r->c))
        return akin__csv_wrong(csv, err, "the score %s is no number",
                               csv->field[2]);
    p.query = number_of(&r->set->queries.ids, &r->queries, csv->field[0]);
    p.reference = number_of(r->set->info.layout == AKIN_EVAL_CLASSES
                                ? &r->set->queries.ids
                                : &r->set->references.ids,
                            &r->references, csv->field[1]);
    if (p.query == AKIN_EVAL_NONE || p.reference == AKIN_EVAL_NONE ||
        (r->to->count == r->room && !grow(r)))
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory",
                          csv->lines.file.path);
    const size_t slot = slot_of(r, p);
    if (r->slot[slot])
        return akin__csv_wrong(csv, err,
                               "the pair %s,%s stands already in line %llu",
                               csv->field[0], csv->field[1],
                               (unsigned long long)r->line[r->slot[slot] - 1]);
    r->line[r->to->count] = csv->line;
    r->to->at[r->to->count++] = p;
    r->slot[slot] = (uint32_t)r->to->count;
    return AKIN_OK;
}

akin_status akin_eval_read(const akin_eval_set *set, const char *path,
                           akin_eval_predictions *predictions, akin_error *err)
{
    static const char *const headers[] = {"query_id,reference_id,score", NULL};
    struct reading r = {.set = set, .to = predictions};
    akin_status status = AKIN_OK;
    *predictions = (akin_eval_predictions){0};
    r.c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    AKIN_CHECK(r.c, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(akin__csv_read(path, 3, headers, prediction_row, &r, err));
out:
    if (r.c)
        freelocale(r.c);
    akin__ids_free(&r.queries);
    akin__ids_free(&r.references);
    akin__free(r.line);
    akin__free(r.slot);
    if (status)
        akin_eval_predictions_free(predictions);
    return status;
}

void akin_eval_predictions_free(akin_eval_predictions *predictions)
{
    akin__free(predictions->at);
    *predictions = (akin_eval_predictions){0};
}

/* --------------------------------------------------------------- write -- */

/* The id, between quotes where a comma, a quote, a newline or a blank at an end
 * would be read otherwise. */
static void add_id(struct akin__text *text, const char *id)
{
    const size_t length = strlen(id);
    if (length && !strpbrk(id, ",\"\n\r") && !strchr(" \t", *id) &&
        !strchr(" \t", id[length - 1])) {
        akin__text_add(text, id, length);
        return;
    }
    akin__text_add(text, "\"", 1);
    for (; *id; id++) {
        if (*id == '"')
            akin__text_add(text, "\"", 1);
        akin__text_add(text, id, 1);
    }
    akin__text_add(text, "\"", 1);
}

/* The fewest digits that read back as the number: a float's nine are enough
 * for most. */
static void add_score(struct akin__text *text, double score)
{
    char digits[40];
    static const int precision[] = {9, 15, 16, 17};
    for (size_t i = 0; i < 4; i++) {
        snprintf(digits, sizeof digits, "%.*g", precision[i], score);
        if (strtod(digits, NULL) == score)
            break;
    }
    char *point = strchr(digits, ','); /* of some locales */
    if (point)
        *point = '.';
    akin__text_add(text, digits, strlen(digits));
}

static akin_status write_rows(const akin_eval_set *set, const char *path,
                              const akin_eval_prediction *p, size_t count,
                              akin_error *err)
{
    const akin_eval_info *info = &set->info;
    struct akin__text text = {0};
    struct akin__draft draft;
    akin_status status = AKIN_OK;
    akin__text_addf(&text, "query_id,reference_id,score\n");
    for (size_t i = 0; i < count; i++) {
        AKIN_CHECK(p[i].query < info->queries &&
                       p[i].reference < info->references,
                   err, AKIN_EUSAGE,
                   "%s: prediction %zu is of pictures that the set does not "
                   "have",
                   path, i);
        add_id(&text, info->query[p[i].query].id);
        akin__text_add(&text, ",", 1);
        add_id(&text, info->reference[p[i].reference].id);
        akin__text_add(&text, ",", 1);
        add_score(&text, p[i].score);
        akin__text_add(&text, "\n", 1);
    }
    AKIN_CHECK(!text.failed, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(akin__draft_open(&draft, path, err));
    status = akin__file_write(&draft.file, text.bytes, text.length, 0, err);
    if (!status)
        status = akin__draft_commit(&draft, err);
    else
        akin__draft_drop(&draft);
out:
    akin__text_free(&text);
    return status;
}

akin_status akin_eval_write(const akin_eval_set *set, const char *path,
                            const akin_eval_prediction *predictions,
                            size_t count, akin_error *err)
{
    akin_eval_prediction *sorted = akin__alloc(count, sizeof *sorted);
    if (!sorted)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    if (count)
        memcpy(sorted, predictions, count * sizeof *sorted);
    akin__sort_predictions(sorted, count);
    const akin_status status =
        write_rows(set, path, sorted,
                   count < AKIN_EVAL_ROWS ? count : AKIN_EVAL_ROWS, err);
    akin__free(sorted);
    return status;
}
