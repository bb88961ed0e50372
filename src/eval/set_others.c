/*
 * The smaller layouts: Copydays, a folder of class folders, a CSV of pairs of
 * paths, and a CSV of ids alone.
 */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "eval/set.h"

struct walk {
    akin_eval_set *set;
    akin_error err; /* a visitor's own, beside that of the walk which it ends */
    akin_status status;
    struct akin__ids groups; /* Copydays: the originals' numbers */
};

static akin_status no_memory(const akin_eval_set *set, akin_error *err)
{
    return akin__fail(err, AKIN_ENOMEM, "%s: no memory", set->path);
}

static akin_status each_picture(struct walk *walk, const char *folder,
                                int (*visit)(void *, const char *),
                                akin_error *err)
{
    const akin_status status = akin_list_pictures(folder, visit, walk, err);
    return walk->status ? akin__fail(err, walk->status, "%s", walk->err.message)
                        : status;
}

/* ------------------------------------------------------------ Copydays -- */

/*
 * INRIA Copydays: original/200000.jpg is the picture of which
 * strong/200001.jpg, jpegqual/N/200000.jpg and crops/N/200000.jpg are edits:
 * all but the last two digits say which. As SSCD measures it every folder asks,
 * the originals too, and only originals may be answers; distractors/ holds more
 * of these.
 */
static bool has(const char *folder, const char *name)
{
    char *path = akin__join(folder, name);
    const bool is = path && akin__is_folder(path);
    akin__free(path);
    return is;
}

bool akin__is_copydays(const char *folder)
{
    return has(folder, "original") &&
           (has(folder, "strong") || has(folder, "jpegqual") ||
            has(folder, "jpeg") || has(folder, "crops"));
}

/* The digits of the file's name less two, into group; false when it has other
 * letters. */
static bool group_of(const char *path, char group[32])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const size_t digits = strspn(name, "0123456789");
    if (digits < 3 || digits - 2 >= 32 || name[digits] != '.' ||
        strchr(name + digits + 1, '.'))
        return false;
    memcpy(group, name, digits - 2);
    group[digits - 2] = 0;
    return true;
}

static akin_status add_original(struct walk *walk, const char *path,
                                const char *below)
{
    char group[32];
    bool fresh;
    if (!group_of(path, group))
        return akin__fail(&walk->err, AKIN_EFORMAT,
                          "%s: no name of Copydays, as 200000.jpg", path);
    const akin_eval_item *item =
        akin__set_item(&walk->set->references, below, path, NULL);
    /* Originals come first, so that numbers of groups are those of items. */
    if (!item || akin__ids_add(&walk->groups, group, &fresh) == AKIN_EVAL_NONE)
        return no_memory(walk->set, &walk->err);
    return fresh
               ? AKIN_OK
               : akin__fail(&walk->err, AKIN_EFORMAT,
                            "%s: there are two originals of %s..", path, group);
}

/* "jpegqual/75/200000.jpg" is the edit "jpegqual" of strength "75". */
static akin_status add_edit(struct walk *walk, const char *path,
                            const char *below)
{
    akin_eval_set *set = walk->set;
    char group[32], name[64];
    if (!group_of(path, group))
        return akin__fail(&walk->err, AKIN_EFORMAT,
                          "%s: no name of Copydays, as 200000.jpg", path);
    const uint32_t shows = akin__ids_find(&walk->groups, group);
    if (shows == AKIN_EVAL_NONE)
        return akin__fail(&walk->err, AKIN_EFORMAT,
                          "%s: there is no %s00 among the originals", path,
                          group);
    akin_eval_item *item = akin__set_item(&set->queries, below, path, NULL);
    if (!item)
        return no_memory(set, &walk->err);
    const size_t length = strcspn(below, "/");
    const char *rest = below + length + strspn(below + length, "/");
    const size_t inner = strchr(rest, '/') ? strcspn(rest, "/") : 0;
    if (length >= sizeof name || inner >= sizeof name)
        return akin__fail(&walk->err, AKIN_EFORMAT,
                          "%s: a folder's name has %zu letters (limit %zu)",
                          path, length > inner ? length : inner,
                          sizeof name - 1);
    memcpy(name, below, length);
    name[length] = 0;
    item->edit = akin__ids_text(&set->queries.ids, name);
    memcpy(name, rest, inner);
    name[inner] = 0;
    item->strength = akin__ids_text(&set->queries.ids, name);
    if (!item->edit || !item->strength)
        return no_memory(set, &walk->err);
    return akin__set_pair(set, set->queries.ids.count - 1, shows, 0,
                          &walk->err);
}

static int copydays_original(void *context, const char *path)
{
    struct walk *walk = context;
    walk->status = add_original(walk, path, akin__set_below(walk->set, path));
    return walk->status != AKIN_OK;
}

static int copydays_other(void *context, const char *path)
{
    struct walk *walk = context;
    const char *below = akin__set_below(walk->set, path);
    if (strncmp(below, "distractors/", 12) != 0)
        walk->status = add_edit(walk, path, below);
    else if (!akin__set_item(&walk->set->references, below, path, NULL))
        walk->status = no_memory(walk->set, &walk->err);
    return walk->status != AKIN_OK;
}

akin_status akin__set_copydays(akin_eval_set *set,
                               const akin_eval_set_options *options,
                               akin_error *err)
{
    struct walk walk = {.set = set};
    akin_status status = AKIN_OK;
    (void)options;
    char *originals = akin__join(set->path, "original");
    AKIN_CHECK(originals, err, AKIN_ENOMEM, "%s: no memory", set->path);
    AKIN_TRY(each_picture(&walk, originals, copydays_original, err));
    AKIN_TRY(each_picture(&walk, set->path, copydays_other, err));
out:
    akin__free(originals);
    akin__ids_free(&walk.groups);
    return status;
}

/* ------------------------------------------------------------- classes -- */

static int class_picture(void *context, const char *path)
{
    struct walk *walk = context;
    akin_eval_set *set = walk->set;
    const char *below = akin__set_below(set, path);
    const char *slash = strchr(below, '/');
    char *folder = akin__strdup(below);
    if (folder && !slash)
        walk->status = akin__fail(
            &walk->err, AKIN_EFORMAT,
            "%s: lies in no class folder; a set is a folder of class folders, "
            "of DISC21 or Copydays, or a CSV of query,reference",
            path);
    else if (folder)
        folder[slash - below] = 0;
    akin_eval_item *item =
        folder && !walk->status
            ? akin__set_item(&set->queries, below, path, NULL)
            : NULL;
    if (item) {
        item->label = akin__ids_add(&set->labels, folder, NULL);
        item->self = set->queries.ids.count - 1;
    }
    if (!walk->status && (!item || item->label == AKIN_EVAL_NONE))
        walk->status = no_memory(set, &walk->err);
    akin__free(folder);
    return walk->status != AKIN_OK;
}

akin_status akin__set_classes(akin_eval_set *set,
                              const akin_eval_set_options *options,
                              akin_error *err)
{
    struct walk walk = {.set = set};
    (void)options;
    const akin_status status =
        each_picture(&walk, set->path, class_picture, err);
    if (!status && !set->queries.ids.count)
        return akin__fail(err, AKIN_ENOTFOUND, "%s: holds no pictures",
                          set->path);
    return status;
}

/* --------------------------------------------------------------- pairs -- */

struct pairs {
    akin_eval_set *set;
    char *folder; /* that relative paths begin at; NULL: ids, not paths */
    struct akin__ids nothing,
        something;            /* queries that are said to show that */
    bool queries, references; /* all are known before the first line */
};

/* The item of a field, whose file must be there. NULL and *status: it is not.
 */
static akin_eval_item *pair_item(const struct pairs *p,
                                 const struct akin__csv *csv, size_t field,
                                 akin_status *status, akin_error *err)
{
    const char *id = csv->field[field];
    struct akin__items *items = field ? &p->set->references : &p->set->queries;
    akin_eval_item *item;
    bool fresh = true;
    if (!p->folder) {
        item = akin__set_item(items, id, NULL, &fresh);
        if (item && fresh && (field ? p->references : p->queries))
            *status = akin__csv_wrong(csv, err, "there is no %s %s",
                                      field ? "reference" : "query", id);
    } else {
        char *path = *id == '/' ? akin__strdup(id) : akin__join(p->folder, id);
        struct stat st;
        item = path ? akin__set_item(items, id, path, &fresh) : NULL;
        if (item && fresh && akin__stat(path, &st, NULL) != AKIN_OK)
            *status = akin__csv_wrong(csv, err, "there is no file %s", path);
        akin__free(path);
    }
    if (!item)
        *status = no_memory(p->set, err);
    return *status ? NULL : item;
}

/* A query shows nothing, or something: not both, and nothing only once. */
static akin_status check_nothing(struct pairs *p, const struct akin__csv *csv,
                                 const akin_eval_item *query, akin_error *err)
{
    const bool nothing = !*csv->field[1];
    struct akin__ids *same = nothing ? &p->nothing : &p->something;
    const struct akin__ids *other = nothing ? &p->something : &p->nothing;
    bool fresh;
    if (akin__ids_find(other, query->id) != AKIN_EVAL_NONE)
        return akin__csv_wrong(csv, err,
                               "%s shows %s here and %s in a line before",
                               query->id, nothing ? "nothing" : "something",
                               nothing ? "something" : "nothing");
    if (akin__ids_add(same, query->id, &fresh) == AKIN_EVAL_NONE)
        return no_memory(p->set, err);
    return nothing && !fresh
               ? akin__csv_wrong(csv, err, "%s shows nothing, again", query->id)
               : AKIN_OK;
}

static akin_status pair_row(void *context, const struct akin__csv *csv,
                            akin_error *err)
{
    struct pairs *p = context;
    const akin_eval_item *query = NULL, *reference = NULL;
    akin_status status = AKIN_OK;
    if (!*csv->field[0] && (!*csv->field[1] || !p->folder))
        return akin__csv_wrong(csv, err, "the query is empty");
    if (*csv->field[0])
        query = pair_item(p, csv, 0, &status, err);
    if (!status && *csv->field[1])
        reference = pair_item(p, csv, 1, &status, err);
    if (!status && query)
        status = check_nothing(p, csv, query, err);
    if (status || !query || !reference)
        return status;
    if (p->folder && strcmp(query->id, reference->id) == 0)
        return akin__csv_wrong(csv, err, "%s is no answer to itself",
                               query->id);
    const uint32_t q = (uint32_t)(query - p->set->queries.item);
    const uint32_t r = (uint32_t)(reference - p->set->references.item);
    return akin__set_pair(p->set, q, r, csv->line, err);
}

static akin_status read_pairs(struct pairs *p, akin_error *err)
{
    akin_eval_set *set = p->set;
    const akin_status status =
        akin__csv_read(set->path, 2, akin__truth_headers, pair_row, p, err);
    for (uint32_t q = 0; p->folder && q < set->queries.ids.count; q++)
        set->queries.item[q].self =
            akin__ids_find(&set->references.ids, set->queries.item[q].id);
    akin__ids_free(&p->nothing);
    akin__ids_free(&p->something);
    return status;
}

akin_status akin__set_pairs(akin_eval_set *set,
                            const akin_eval_set_options *options,
                            akin_error *err)
{
    struct pairs p = {.set = set, .folder = akin__parent(set->path)};
    (void)options;
    const akin_status status =
        p.folder ? read_pairs(&p, err) : no_memory(set, err);
    akin__free(p.folder);
    return status;
}

akin_status akin__set_ids(akin_eval_set *set,
                          const akin_eval_set_options *options, akin_error *err)
{
    struct pairs p = {.set = set,
                      .queries = options->query_id != NULL,
                      .references = options->reference_id != NULL};
    bool whole = true;
    for (size_t i = 0; p.queries && whole && i < options->query_ids; i++)
        whole = akin__set_item(&set->queries, options->query_id[i], NULL, NULL);
    for (size_t i = 0; p.references && whole && i < options->reference_ids; i++)
        whole = akin__set_item(&set->references, options->reference_id[i], NULL,
                               NULL);
    return whole ? read_pairs(&p, err) : no_memory(set, err);
}
