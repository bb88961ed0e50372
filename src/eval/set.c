/*
 * Sets (akin_eval.h): which layout a folder has, and what all layouts share:
 * items with numbers, and true pairs put in order.
 */
#include "eval/set.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

static akin__set_way *const ways[] = {
    [AKIN_EVAL_DISC] = akin__set_disc,
    [AKIN_EVAL_COPYDAYS] = akin__set_copydays,
    [AKIN_EVAL_CLASSES] = akin__set_classes,
    [AKIN_EVAL_PAIRS] = akin__set_pairs,
    [AKIN_EVAL_IDS] = akin__set_ids,
};

/* --------------------------------------------------------------- items -- */

akin_eval_item *akin__set_item(struct akin__items *items, const char *id,
                               const char *path, bool *fresh)
{
    bool unused;
    bool *is_new = fresh ? fresh : &unused;
    const uint32_t number = akin__ids_add(&items->ids, id, is_new);
    if (number == AKIN_EVAL_NONE)
        return NULL;
    if (items->room < items->ids.room) {
        akin_eval_item *item =
            akin__realloc(items->item, items->ids.room, sizeof *item);
        if (!item)
            return NULL;
        items->item = item;
        items->room = items->ids.room;
    }
    akin_eval_item *item = &items->item[number];
    if (!*is_new)
        return item;
    *item = (akin_eval_item){.id = items->ids.name[number],
                             .label = AKIN_EVAL_NONE,
                             .self = AKIN_EVAL_NONE,
                             .edit = "",
                             .strength = ""};
    if (!path)
        return item;
    item->path = akin__ids_text(&items->ids, path);
    return item->path ? item : NULL;
}

static void free_items(struct akin__items *items)
{
    akin__free(items->item);
    akin__ids_free(&items->ids);
}

const char *akin__set_below(const akin_eval_set *set, const char *path)
{
    const size_t length = strlen(set->path);
    if (strncmp(path, set->path, length) != 0)
        return path;
    return path + length + strspn(path + length, "/");
}

/* --------------------------------------------------------------- pairs -- */

akin_status akin__set_pair(akin_eval_set *set, uint32_t query,
                           uint32_t reference, uint64_t line, akin_error *err)
{
    if (set->truths == set->truth_room) {
        const size_t room = set->truth_room ? 2 * set->truth_room : 256;
        struct akin__truth *truth =
            akin__realloc(set->truth, room, sizeof *truth);
        if (!truth)
            return akin__fail(err, AKIN_ENOMEM, "%s: no memory", set->path);
        set->truth = truth;
        set->truth_room = room;
    }
    set->truth[set->truths++] = (struct akin__truth){{query, reference}, line};
    return AKIN_OK;
}

static int by_pair(const void *a, const void *b)
{
    const struct akin__truth *x = a, *y = b;
    if (x->is.query != y->is.query)
        return x->is.query < y->is.query ? -1 : 1;
    if (x->is.reference != y->is.reference)
        return x->is.reference < y->is.reference ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

/* Pairs by query, none twice. */
static akin_status order_pairs(akin_eval_set *set, akin_error *err)
{
    const size_t queries = set->queries.ids.count;
    set->pair = akin__alloc(set->truths, sizeof *set->pair);
    set->first = akin__calloc(queries + 1, sizeof *set->first);
    if (!set->pair || !set->first)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", set->path);
    if (set->truths)
        qsort(set->truth, set->truths, sizeof *set->truth, by_pair);
    for (size_t i = 0; i < set->truths; i++) {
        const akin_eval_pair pair = set->truth[i].is;
        if (i && pair.query == set->pair[i - 1].query &&
            pair.reference == set->pair[i - 1].reference)
            return akin__fail(
                err, AKIN_EFORMAT,
                "%s: line %llu says again that %s shows %s, as line %llu does",
                set->truth_path ? set->truth_path : set->path,
                (unsigned long long)set->truth[i].line,
                set->queries.ids.name[pair.query],
                set->references.ids.name[pair.reference],
                (unsigned long long)set->truth[i - 1].line);
        set->pair[i] = pair;
        set->first[pair.query + 1]++;
    }
    for (size_t q = 0; q < queries; q++)
        set->first[q + 1] += set->first[q];
    akin__free(set->truth);
    set->truth = NULL;
    set->info.pair = set->pair;
    set->info.pairs = set->truths;
    return AKIN_OK;
}

/* How many pictures each class has: the pairs need not be written down. */
static akin_status count_labels(akin_eval_set *set, akin_error *err)
{
    set->labelled =
        akin__calloc(set->labels.count + (size_t)1, sizeof *set->labelled);
    if (!set->labelled)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", set->path);
    for (size_t i = 0; i < set->queries.ids.count; i++)
        set->labelled[set->queries.item[i].label]++;
    for (size_t c = 0; c < set->labels.count; c++)
        set->info.pairs += (uint64_t)set->labelled[c] * (set->labelled[c] - 1);
    set->info.labels = set->labels.count;
    set->info.label = set->labels.name;
    return AKIN_OK;
}

size_t akin__set_truths(const akin_eval_set *set, uint32_t query)
{
    if (set->first)
        return set->first[query + 1] - set->first[query];
    return set->labelled[set->queries.item[query].label] - 1;
}

int akin_eval_true(const akin_eval_set *set, uint32_t query, uint32_t reference)
{
    if (query >= set->info.queries || reference >= set->info.references)
        return 0;
    if (!set->first)
        return query != reference && set->info.query[query].label ==
                                         set->info.reference[reference].label;
    size_t low = set->first[query], high = set->first[query + 1];
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (set->pair[middle].reference == reference)
            return 1;
        if (set->pair[middle].reference < reference)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* ---------------------------------------------------------------- open -- */

static akin_status choose(const char *path, akin_eval_layout *layout,
                          akin_error *err)
{
    struct stat st;
    const akin_status status = akin__stat(path, &st, err);
    if (status || *layout != AKIN_EVAL_AUTO)
        return status;
    *layout = !S_ISDIR(st.st_mode)      ? AKIN_EVAL_PAIRS
              : akin__is_disc(path)     ? AKIN_EVAL_DISC
              : akin__is_copydays(path) ? AKIN_EVAL_COPYDAYS
                                        : AKIN_EVAL_CLASSES;
    return AKIN_OK;
}

/* Options that only DISC21 has would be silently without effect. */
static akin_status check_options(const char *path,
                                 const akin_eval_set_options *options,
                                 akin_eval_layout layout, akin_error *err)
{
    if (layout < AKIN_EVAL_DISC || layout > AKIN_EVAL_IDS)
        return akin__fail(err, AKIN_EUSAGE, "%s: layout %d is none of 0 to %d",
                          path, (int)layout, AKIN_EVAL_IDS);
    if (layout != AKIN_EVAL_DISC &&
        (options->truth || options->queries || options->references ||
         options->reference_count))
        return akin__fail(err, AKIN_EUSAGE,
                          "%s: a ground truth, lists and a number of "
                          "references are for a set as DISC21, with folders "
                          "of queries and references",
                          path);
    return AKIN_OK;
}

static void finish(akin_eval_set *set)
{
    akin_eval_info *info = &set->info;
    info->query = set->queries.item;
    info->queries = set->queries.ids.count;
    info->reference = set->references.item;
    info->references = set->references.ids.count;
    info->trainer = set->trainers.item;
    info->train = set->trainers.ids.count;
    if (info->layout == AKIN_EVAL_CLASSES) {
        info->reference = info->query;
        info->references = info->queries;
    }
    for (uint32_t q = 0; q < info->queries; q++)
        info->positives += akin__set_truths(set, q) > 0;
}

akin_status akin_eval_set_open(akin_eval_set **out, const char *path,
                               const akin_eval_set_options *options,
                               akin_error *err)
{
    static const akin_eval_set_options usual = {.size = sizeof usual};
    const akin_eval_set_options *o = options ? options : &usual;
    akin_eval_layout layout = o->layout;
    *out = NULL;
    akin_status status = choose(path, &layout, err);
    if (!status)
        status = check_options(path, o, layout, err);
    if (status)
        return status;
    akin_eval_set *set = akin__calloc(1, sizeof *set);
    AKIN_CHECK(set, err, AKIN_ENOMEM, "%s: no memory", path);
    set->path = akin__strdup(path);
    AKIN_CHECK(set->path, err, AKIN_ENOMEM, "%s: no memory", path);
    for (size_t end = strlen(path); end > 1 && path[end - 1] == '/'; end--)
        set->path[end - 1] = 0;
    set->info.path = set->path;
    set->info.layout = layout;
    AKIN_TRY(ways[layout](set, o, err));
    AKIN_TRY(layout == AKIN_EVAL_CLASSES ? count_labels(set, err)
                                         : order_pairs(set, err));
    finish(set);
    AKIN_CHECK(set->info.pairs, err, AKIN_EFORMAT,
               "%s: no query has a true reference", path);
    *out = set;
    set = NULL;
out:
    akin_eval_set_close(&set);
    return status;
}

void akin_eval_set_close(akin_eval_set **set)
{
    akin_eval_set *s = *set;
    *set = NULL;
    if (!s)
        return;
    free_items(&s->queries);
    free_items(&s->references);
    free_items(&s->trainers);
    akin__ids_free(&s->labels);
    akin__free(s->truth);
    akin__free(s->pair);
    akin__free(s->first);
    akin__free(s->labelled);
    akin__free(s->path);
    akin__free(s);
}

void akin_eval_set_describe(const akin_eval_set *set, akin_eval_info *info)
{
    *info = set->info;
}
