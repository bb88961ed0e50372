/*
 * DISC21 / ISC2021 as its README and SSCD lay it out, and what akin eval
 * make-copies writes: a folder each of queries, references and pictures to
 * train on, ids that are the files' names without suffix, and a CSV with the
 * truth.
 *
 * The folders are listed first; then lines of the truth and of lists name what
 * must be there; then what is wanted of it becomes the set.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "eval/set.h"

/* Names of the folders of queries, references and training pictures. */
static const char *const folders[][3] = {
    {"images/queries", "images/references", "images/train"},
    {"queries", "references", "train"},
    {"val_query", "val_ref", "training"},
};
enum { LAYOUTS = sizeof folders / sizeof *folders };

/* What a line says of a query in the folder. */
enum { UNSAID = 0, SHOWS, NOTHING };

struct disc {
    akin_eval_set *set;
    const akin_eval_set_options *options;
    const char *const *names;            /* one of folders */
    struct akin__items query, reference; /* all there are in the folders */
    struct akin__ids asked, pool;        /* what the lists name */
    uint8_t *said;                       /* [queries of the folder] */
    uint64_t *said_at;                   /* [the same] the line */
    bool distractors;        /* a line says that a query shows none */
    uint8_t *kept;           /* [references of the folder] */
    struct akin__truth *row; /* [rows of room] by numbers in the folders */
    size_t rows, room;
};

static const char *const *find_names(const char *folder)
{
    for (size_t i = 0; i < LAYOUTS; i++) {
        bool all = true;
        for (size_t j = 0; j < 2 && all; j++) {
            char *path = akin__join(folder, folders[i][j]);
            all = path && akin__is_folder(path);
            akin__free(path);
        }
        if (all)
            return folders[i];
    }
    return NULL;
}

bool akin__is_disc(const char *folder)
{
    return find_names(folder) != NULL;
}

/* ------------------------------------------------------------- folders -- */

struct listing {
    struct akin__items *items;
    akin_error err;
    akin_status status;
};

/* One more picture, whose name without suffix is its id. */
static int add_file(void *context, const char *path)
{
    struct listing *l = context;
    const char *slash = strrchr(path, '/');
    char *id = akin__strdup(slash ? slash + 1 : path);
    char *dot = id ? strrchr(id, '.') : NULL;
    bool fresh = true;
    if (dot)
        *dot = 0;
    const akin_eval_item *item =
        id ? akin__set_item(l->items, id, path, &fresh) : NULL;
    akin__free(id);
    if (!item)
        l->status = akin__fail(&l->err, AKIN_ENOMEM, "%s: no memory", path);
    else if (!fresh)
        l->status =
            akin__fail(&l->err, AKIN_EFORMAT, "%s and %s have the same id, %s",
                       item->path, path, item->id);
    return l->status != AKIN_OK;
}

static akin_status list_folder(const struct disc *d, size_t which,
                               struct akin__items *items, akin_error *err)
{
    struct listing listing = {.items = items};
    char *path = akin__join(d->set->path, d->names[which]);
    if (!path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", d->set->path);
    akin_status status = AKIN_OK;
    if (which < 2 || akin__is_folder(path))
        status = akin_list_pictures(path, add_file, &listing, err);
    if (listing.status)
        status = akin__fail(err, listing.status, "%s", listing.err.message);
    if (!status && which < 2 && !items->ids.count)
        status = akin__fail(err, AKIN_ENOTFOUND, "%s: holds no pictures", path);
    akin__free(path);
    return status;
}

/* --------------------------------------------------------------- lists -- */

struct list {
    struct akin__ids *into;
    const struct akin__items *among;
    const char *folder;
};

static akin_status list_row(void *context, const struct akin__csv *csv,
                            akin_error *err)
{
    const struct list *l = context;
    const char *id = csv->field[0];
    bool fresh;
    if (akin__ids_find(&l->among->ids, id) == AKIN_EVAL_NONE)
        return akin__csv_wrong(csv, err, "no picture in %s is named %s",
                               l->folder, id);
    if (akin__ids_add(l->into, id, &fresh) == AKIN_EVAL_NONE)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory",
                          csv->lines.file.path);
    return fresh ? AKIN_OK
                 : akin__csv_wrong(csv, err, "%s stands there twice", id);
}

static akin_status read_list(const struct disc *d, const char *path,
                             size_t which, struct akin__ids *into,
                             akin_error *err)
{
    struct list list = {into, which ? &d->reference : &d->query,
                        d->names[which]};
    return path ? akin__csv_read(path, 1, NULL, list_row, &list, err) : AKIN_OK;
}

/* --------------------------------------------------------------- truth -- */

static akin_status keep_row(struct disc *d, akin_eval_pair pair, uint64_t line,
                            akin_error *err)
{
    if (d->rows == d->room) {
        const size_t room = d->room ? 2 * d->room : 1024;
        struct akin__truth *row = akin__realloc(d->row, room, sizeof *row);
        if (!row)
            return akin__fail(err, AKIN_ENOMEM, "%s: no memory", d->set->path);
        d->row = row;
        d->room = room;
    }
    d->row[d->rows++] = (struct akin__truth){pair, line};
    return AKIN_OK;
}

static akin_status truth_row(void *context, const struct akin__csv *csv,
                             akin_error *err)
{
    struct disc *d = context;
    const char *id = csv->field[0], *shows = csv->field[1];
    if (d->options->queries && akin__ids_find(&d->asked, id) == AKIN_EVAL_NONE)
        return AKIN_OK;
    const uint32_t query = akin__ids_find(&d->query.ids, id);
    if (query == AKIN_EVAL_NONE)
        return akin__csv_wrong(csv, err, "no picture in %s is named %s",
                               d->names[0], id);
    const uint8_t says = *shows ? SHOWS : NOTHING;
    if (d->said[query] && (says == NOTHING || d->said[query] == NOTHING))
        return akin__csv_wrong(
            csv, err, "%s shows %s%s, but line %llu says that it shows %s", id,
            *shows ? shows : "nothing", d->said[query] == says ? " again" : "",
            (unsigned long long)d->said_at[query],
            d->said[query] == NOTHING ? "nothing" : "something");
    d->said[query] = says;
    d->said_at[query] = csv->line;
    d->distractors |= says == NOTHING;
    if (says == NOTHING)
        return AKIN_OK;
    const uint32_t reference = akin__ids_find(&d->reference.ids, shows);
    if (reference == AKIN_EVAL_NONE)
        return akin__csv_wrong(csv, err, "no picture in %s is named %s",
                               d->names[1], shows);
    return keep_row(d, (akin_eval_pair){query, reference}, csv->line, err);
}

/* The one ground truth of the folder, allocated. */
static akin_status find_truth(const char *folder, char **path, akin_error *err)
{
    struct akin__names names = {0};
    const char *found = NULL;
    akin_status status = akin__list_folder(folder, &names, err);
    AKIN_TRY(status);
    for (size_t i = 0; i < names.count; i++) {
        if (fnmatch("*ground*truth*.csv", names.name[i], 0) != 0)
            continue;
        AKIN_CHECK(!found, err, AKIN_EUSAGE,
                   "%s: holds two ground truths, %s and %s; name the one that "
                   "is meant",
                   folder, found, names.name[i]);
        found = names.name[i];
    }
    AKIN_CHECK(found, err, AKIN_ENOTFOUND,
               "%s: holds no *ground_truth*.csv; name the file with the truth",
               folder);
    *path = akin__join(folder, found);
    AKIN_CHECK(*path, err, AKIN_ENOMEM, "%s: no memory", folder);
out:
    akin__names_free(&names);
    return status;
}

static akin_status read_truth(struct disc *d, akin_error *err)
{
    akin_eval_set *set = d->set;
    char *found = NULL;
    akin_status status = AKIN_OK;
    d->said = akin__calloc(d->query.ids.count, sizeof *d->said);
    d->said_at = akin__calloc(d->query.ids.count, sizeof *d->said_at);
    AKIN_CHECK(d->said && d->said_at, err, AKIN_ENOMEM, "%s: no memory",
               set->path);
    if (!d->options->truth)
        AKIN_TRY(find_truth(set->path, &found, err));
    set->truth_path =
        akin__ids_text(&set->labels, found ? found : d->options->truth);
    AKIN_CHECK(set->truth_path, err, AKIN_ENOMEM, "%s: no memory", set->path);
    AKIN_TRY(akin__csv_read(set->truth_path, 2, akin__truth_headers, truth_row,
                            d, err));
out:
    akin__free(found);
    return status;
}

/* -------------------------------------------------------------- choice -- */

/* With a list, those in it; else those that the truth speaks of, unless it
 * names only pairs: then all, as SSCD does. */
static bool wanted(const struct disc *d, uint32_t query)
{
    if (d->options->queries)
        return akin__ids_find(&d->asked, d->query.ids.name[query]) !=
               AKIN_EVAL_NONE;
    return !d->distractors || d->said[query];
}

struct drawn {
    uint64_t chance;
    uint32_t reference;
};

static int by_chance(const void *a, const void *b)
{
    const struct drawn *x = a, *y = b;
    return (x->chance > y->chance) - (x->chance < y->chance);
}

/*
 * Keep `more` of the references that are not kept yet. Which, name and seed
 * decide: whatever else there is, and what a smaller number would keep is among
 * them.
 */
static akin_status draw(struct disc *d, size_t more, akin_error *err)
{
    size_t left = 0;
    struct drawn *drawn = akin__alloc(d->reference.ids.count, sizeof *drawn);
    if (!drawn)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", d->set->path);
    for (uint32_t r = 0; r < d->reference.ids.count; r++) {
        if (!d->kept[r])
            drawn[left++] = (struct drawn){
                akin__ids_hash(d->reference.ids.name[r], d->options->seed), r};
    }
    qsort(drawn, left, sizeof *drawn, by_chance);
    for (size_t i = 0; i < more; i++)
        d->kept[drawn[i].reference] = 1;
    akin__free(drawn);
    return AKIN_OK;
}

static akin_status choose_references(struct disc *d, akin_error *err)
{
    const size_t all = d->reference.ids.count,
                 asked = d->options->reference_count;
    size_t kept = 0;
    for (size_t i = 0; i < d->rows; i++)
        d->kept[d->row[i].is.reference] = 1;
    for (size_t r = 0; r < all; r++) {
        if (asked == 0 && !d->options->references)
            d->kept[r] = 1;
        else if (akin__ids_find(&d->pool, d->reference.ids.name[r]) !=
                 AKIN_EVAL_NONE)
            d->kept[r] = 1;
        kept += d->kept[r];
    }
    if (!asked)
        return AKIN_OK;
    if (asked < kept || asked > all)
        return akin__fail(err, AKIN_EUSAGE,
                          "%s: %zu references were asked for; it has %zu, and "
                          "%zu of them are true ones or in the list",
                          d->set->path, asked, all, kept);
    return draw(d, asked - kept, err);
}

/* ------------------------------------------------------------ the set ---- */

static akin_status add_items(const struct disc *d, akin_error *err)
{
    akin_eval_set *set = d->set;
    bool whole = true;
    for (uint32_t q = 0; q < d->query.ids.count && whole; q++) {
        const akin_eval_item *item = &d->query.item[q];
        if (wanted(d, q))
            whole = akin__set_item(&set->queries, item->id, item->path, NULL);
    }
    for (uint32_t r = 0; r < d->reference.ids.count && whole; r++) {
        const akin_eval_item *item = &d->reference.item[r];
        if (d->kept[r])
            whole =
                akin__set_item(&set->references, item->id, item->path, NULL);
    }
    akin_status status =
        whole ? AKIN_OK
              : akin__fail(err, AKIN_ENOMEM, "%s: no memory", set->path);
    for (size_t i = 0; i < d->rows && !status; i++) {
        const akin_eval_pair pair = d->row[i].is;
        status = akin__set_pair(
            set,
            akin__ids_find(&set->queries.ids, d->query.item[pair.query].id),
            akin__ids_find(&set->references.ids,
                           d->reference.item[pair.reference].id),
            d->row[i].line, err);
    }
    return status;
}

static akin_status edit_row(void *context, const struct akin__csv *csv,
                            akin_error *err)
{
    const struct disc *d = context;
    struct akin__items *queries = &d->set->queries;
    if (akin__ids_find(&d->query.ids, csv->field[0]) == AKIN_EVAL_NONE)
        return akin__csv_wrong(csv, err, "no picture in %s is named %s",
                               d->names[0], csv->field[0]);
    const uint32_t query = akin__ids_find(&queries->ids, csv->field[0]);
    if (query == AKIN_EVAL_NONE)
        return AKIN_OK; /* it is not wanted */
    akin_eval_item *item = &queries->item[query];
    if (*item->edit)
        return akin__csv_wrong(csv, err, "%s stands there twice", item->id);
    if (!*csv->field[1])
        return AKIN_OK; /* a picture that is no copy */
    item->edit = akin__ids_text(&queries->ids, csv->field[1]);
    item->strength = akin__ids_text(&queries->ids, csv->field[2]);
    return item->edit && item->strength
               ? AKIN_OK
               : akin__fail(err, AKIN_ENOMEM, "%s: no memory", d->set->path);
}

static akin_status read_edits(struct disc *d, akin_error *err)
{
    static const char *const headers[] = {"query_id,edit,strength", NULL};
    akin_status status = AKIN_OK;
    char *path = akin__join(d->set->path, "edits.csv");
    AKIN_CHECK(path, err, AKIN_ENOMEM, "%s: no memory", d->set->path);
    if (akin__exists(path))
        status = akin__csv_read(path, 3, headers, edit_row, d, err);
out:
    akin__free(path);
    return status;
}

static void free_items(struct akin__items *items)
{
    akin__free(items->item);
    akin__ids_free(&items->ids);
}

akin_status akin__set_disc(akin_eval_set *set,
                           const akin_eval_set_options *options,
                           akin_error *err)
{
    struct disc d = {
        .set = set, .options = options, .names = find_names(set->path)};
    akin_status status = AKIN_OK;
    AKIN_CHECK(d.names, err, AKIN_ENOTFOUND,
               "%s: holds no folders images/queries and images/references, "
               "queries and references, or val_query and val_ref",
               set->path);
    AKIN_TRY(list_folder(&d, 0, &d.query, err));
    AKIN_TRY(list_folder(&d, 1, &d.reference, err));
    AKIN_TRY(list_folder(&d, 2, &set->trainers, err));
    AKIN_TRY(read_list(&d, options->queries, 0, &d.asked, err));
    AKIN_TRY(read_list(&d, options->references, 1, &d.pool, err));
    AKIN_TRY(read_truth(&d, err));
    d.kept = akin__calloc(d.reference.ids.count, 1);
    AKIN_CHECK(d.kept, err, AKIN_ENOMEM, "%s: no memory", set->path);
    AKIN_TRY(choose_references(&d, err));
    AKIN_TRY(add_items(&d, err));
    AKIN_TRY(read_edits(&d, err));
out:
    free_items(&d.query);
    free_items(&d.reference);
    akin__ids_free(&d.asked);
    akin__ids_free(&d.pool);
    akin__free(d.said);
    akin__free(d.said_at);
    akin__free(d.kept);
    akin__free(d.row);
    return status;
}
