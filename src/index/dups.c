/*
 * Dups: groups of copies. docs/dups.md says what a copy is and what that rests
 * on.
 *
 * First trees: two pictures are joined when they are alike by a model and
 * confirmed. A pair of one tree already is not looked at again, and blocks of
 * one tree are not even multiplied, so that ten thousand equal pictures are
 * quick. Then each tree is cut into groups: its best picture and what is a copy
 * of that one itself; then the best of the rest; and so on. So a chain of ever
 * so slightly different pictures does not make its ends copies.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/likeness.h"
#include "base/memory.h"
#include "index/dups.h"
#include "math/near.h"

/* The most bits of 256 in which hashes of copies differ: PDQ's own limit. */
enum { MOST_DISTANCE = 31 };

struct akin_dups {
    struct akin__pictures pictures;
    const char **model;          /* [views] */
    double *threshold, *certain; /* [views] */
    akin_copy *copy;             /* of all groups */
    double *cosine;              /* [copies][views] */
    size_t copies;
    struct akin_dups_group *group; /* [groups] */
    size_t groups, room;           /* group has room for so many */
    akin_dups_info info;
};

/* ------------------------------------------------------------ copies --- */

static bool equal_files(const struct akin__picture *a,
                        const struct akin__picture *b)
{
    return akin__content_known(a->is.content) &&
           memcmp(a->is.content, b->is.content, sizeof a->is.content) == 0;
}

/* Whether more than a model says that they are copies. `a_turned`: of a's
 * hash. */
static bool confirmed(const struct akin__picture *a,
                      const struct akin__turned *a_turned,
                      const struct akin__picture *b)
{
    return equal_files(a, b) ||
           (a->looked && b->looked &&
            akin__turned_distance(a_turned, b->hash, MOST_DISTANCE) <=
                MOST_DISTANCE);
}

/* The exact cosine of `row` [dim] and a row of the list. */
static akin_status cosine_with(const struct akin__view *view, const float *row,
                               uint32_t other, double *cosine, akin_error *err)
{
    float floats[AKIN_MAX_DIM];
    const akin_status status =
        akin__row_list_read(&view->list, other, 1, floats, err);
    if (!status)
        *cosine = akin_cosine(row, floats, view->list.rows.is.dim);
    return status;
}

/* ------------------------------------------------------------- trees --- */

/* Finding the pairs of one model. */
struct hunt {
    struct akin__pictures *pictures;
    const struct akin__view *view;
    struct akin__lock lock; /* over the trees */
};

static bool one_tree(void *context, size_t a, size_t as, size_t b, size_t bs)
{
    struct hunt *h = context;
    const uint32_t *picture_of = h->view->picture_of;
    akin__lock_take(&h->lock);
    const uint32_t top = akin__top(h->pictures, picture_of[a]);
    bool one = true;
    for (size_t i = 1; i < as && one; i++)
        one = akin__top(h->pictures, picture_of[a + i]) == top;
    for (size_t i = 0; i < bs && one; i++)
        one = akin__top(h->pictures, picture_of[b + i]) == top;
    akin__lock_give(&h->lock);
    return one;
}

/* Of what is near to a, the pictures that a confirmed copy joins to it, at
 * `copy` [AKIN__NEAR]; others are marked as alike. Most pairs end here, so no
 * lock is taken. */
static akin_status judge(const struct hunt *h,
                         const struct akin__near_rows *near, uint32_t *copy,
                         size_t *copies, akin_error *err)
{
    struct akin__picture *at = h->pictures->at;
    struct akin__picture *a = &at[h->view->picture_of[near->a]];
    const double sure = h->view->threshold + (double)near->reach;
    struct akin__turned turned;
    akin__turn_all(&turned, a->hash);
    *copies = 0;
    for (size_t i = 0; i < near->count; i++) {
        const uint32_t number = h->view->picture_of[near->b[i]];
        struct akin__picture *b = &at[number];
        const bool is = confirmed(a, &turned, b);
        double cosine = (double)near->product[i];
        akin_status status = AKIN_OK;
        if (!is && (!a->looked || !b->looked || (a->alike && b->alike)))
            continue; /* nothing known, or nothing new */
        if (cosine < sure)
            status = cosine_with(h->view, near->row, near->b[i], &cosine, err);
        if (status)
            return status;
        if (cosine < h->view->threshold)
            continue;
        if (is)
            copy[(*copies)++] = number;
        else
            a->alike = b->alike = true;
    }
    return AKIN_OK;
}

static akin_status visit_near(void *context, const struct akin__near_rows *near,
                              akin_error *err)
{
    struct hunt *h = context;
    uint32_t copy[AKIN__NEAR];
    size_t copies;
    const akin_status status = judge(h, near, copy, &copies, err);
    if (status || !copies)
        return status;
    akin__lock_take(&h->lock);
    for (size_t i = 0; i < copies; i++)
        akin__join_trees(h->pictures, h->view->picture_of[near->a], copy[i]);
    akin__lock_give(&h->lock);
    return AKIN_OK;
}

static akin_status grow_trees(akin_dups *dups, const akin_dups_options *options,
                              akin_error *err)
{
    struct hunt hunt = {.pictures = &dups->pictures};
    akin_status status = AKIN_OK;
    akin__lock_open(&hunt.lock);
    for (size_t i = 0; i < dups->pictures.views && !status; i++) {
        hunt.view = &dups->pictures.view[i];
        const struct akin__pairs pairs = {
            .list = &hunt.view->list,
            .threshold = hunt.view->threshold,
            .threads = options->threads,
            .skip = one_tree,
            .visit = visit_near,
            .progress = options->progress,
            .context = &hunt,
            .progress_context = options->context,
        };
        status = akin__pairs(&pairs, err);
    }
    akin__lock_close(&hunt.lock);
    return status;
}

/* ------------------------------------------------------------ groups --- */

/* By tree, and in a tree what to keep first. */
static int by_tree(const void *a, const void *b)
{
    const struct akin__picture *const *x = a, *const *y = b;
    const struct akin__picture *p = *x, *q = *y;
    const uint64_t pixels = (uint64_t)p->is.width * p->is.height;
    const uint64_t others = (uint64_t)q->is.width * q->is.height;
    if (p->above != q->above)
        return p->above < q->above ? -1 : 1;
    if (pixels != others)
        return pixels > others ? -1 : 1;
    if (p->is.bytes != q->is.bytes)
        return p->is.bytes > q->is.bytes ? -1 : 1;
    return p < q ? -1 : p > q; /* they lie in order of path */
}

/* The best picture of what is left of a tree. */
struct first {
    const struct akin__picture *picture;
    struct akin__turned turned;
    float *row; /* [views][AKIN_MAX_DIM], once it is needed */
    bool read;
};

static akin_status read_first(const struct akin__pictures *pictures,
                              struct first *first, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t v = 0; v < pictures->views && !status; v++) {
        const struct akin__view *view = &pictures->view[v];
        const uint32_t row = view->row_of[first->picture - pictures->at];
        if (row != AKIN__NO_ROW)
            status = akin__row_list_read(&view->list, row, 1,
                                         first->row + v * AKIN_MAX_DIM, err);
    }
    first->read = true;
    return status;
}

/* What `one` is to the first: *copy gets it, and *is whether it is one. */
static akin_status compare(const struct akin__pictures *pictures,
                           struct first *first, const struct akin__picture *one,
                           double *cosine, akin_copy *copy, bool *is,
                           akin_error *err)
{
    akin_status status = AKIN_OK;
    *is = confirmed(first->picture, &first->turned, one);
    if (*is && !first->read)
        status = read_first(pictures, first, err);
    if (!*is || status)
        return status;
    *copy = one->is;
    copy->identical = equal_files(first->picture, one);
    copy->distance =
        first->picture->looked && one->looked
            ? akin__turned_distance(&first->turned, one->hash, AKIN__HASH_BITS)
            : -1;
    if (copy->identical)
        copy->distance = 0;
    *is = copy->identical;
    for (size_t v = 0; v < pictures->views && !status; v++) {
        const struct akin__view *view = &pictures->view[v];
        const uint32_t a = view->row_of[first->picture - pictures->at];
        const uint32_t b = view->row_of[one - pictures->at];
        cosine[v] = (double)NAN;
        if (a != AKIN__NO_ROW && b != AKIN__NO_ROW)
            status = cosine_with(view, first->row + v * AKIN_MAX_DIM, b,
                                 &cosine[v], err);
        *is |= cosine[v] >= view->threshold;
    }
    return status;
}

/* Room for one more group and, in all, `copies` more copies. */
static akin_status add_group(akin_dups *dups, size_t copies, akin_error *err)
{
    if (dups->groups == dups->room) {
        const size_t more = dups->room ? 2 * dups->room : 64;
        akin_dups_group *grown =
            akin__realloc(dups->group, more, sizeof *grown);
        if (!grown)
            return akin__fail(err, AKIN_ENOMEM, "no memory for %zu groups",
                              more);
        dups->group = grown;
        dups->room = more;
    }
    dups->group[dups->groups] =
        (akin_dups_group){copies, dups->copy + dups->copies, 0};
    for (size_t i = 1; i < copies; i++)
        dups->group[dups->groups].bytes_to_free +=
            dups->copy[dups->copies + i].bytes;
    dups->groups++;
    dups->copies += copies;
    return AKIN_OK;
}

/* Take a group out of tree [*count], whose first is its first; what is left
 * moves to the front. */
static akin_status take_group(akin_dups *dups, struct akin__picture **tree,
                              size_t *count, struct first *first,
                              akin_error *err)
{
    const size_t views = dups->pictures.views;
    size_t taken = 0, left = 0;
    first->picture = tree[0];
    first->read = false;
    akin__turn_all(&first->turned, tree[0]->hash);
    for (size_t i = 0; i < *count; i++) {
        const size_t at = dups->copies + taken;
        bool is;
        const akin_status status =
            compare(&dups->pictures, first, tree[i], dups->cosine + at * views,
                    &dups->copy[at], &is, err);
        if (status)
            return status;
        dups->copy[at].cosine = dups->cosine + at * views;
        taken += is;
        if (!is)
            tree[left++] = tree[i];
    }
    *count = left;
    dups->info.alike += taken == 1;
    return taken > 1 ? add_group(dups, taken, err) : AKIN_OK;
}

/* All groups of a tree. */
static akin_status cut_tree(akin_dups *dups, struct akin__picture **tree,
                            size_t count, struct first *first,
                            const akin_dups_options *options, akin_error *err)
{
    const size_t whole = count;
    akin_status status = AKIN_OK;
    if (count == 1) {
        dups->info.alike += tree[0]->alike;
        return AKIN_OK;
    }
    while (count && !status) {
        status = take_group(dups, tree, &count, first, err);
        if (!status && options->progress &&
            options->progress(options->context, "pictures", whole - count,
                              whole))
            status = akin__fail(err, AKIN_ECANCELLED, "stopped");
    }
    return status;
}

static int by_gain(const void *a, const void *b)
{
    const akin_dups_group *x = a, *y = b;
    if (x->bytes_to_free != y->bytes_to_free)
        return x->bytes_to_free > y->bytes_to_free ? -1 : 1;
    return x->copy < y->copy ? -1 : x->copy > y->copy;
}

static akin_status
find_groups(akin_dups *dups, const akin_dups_options *options, akin_error *err)
{
    struct akin__pictures *pictures = &dups->pictures;
    const size_t count = pictures->count;
    struct akin__picture **sorted = akin__alloc(count, sizeof *sorted);
    struct first first = {
        .row = akin__alloc(pictures->views, sizeof(float[AKIN_MAX_DIM]))};
    akin_status status = AKIN_OK;
    /* A place more: what is compared is written before it is known to be a
     * copy. */
    dups->copy = akin__alloc(count + 1, sizeof *dups->copy);
    dups->cosine =
        akin__alloc(count + 1, pictures->views * sizeof *dups->cosine);
    AKIN_CHECK(sorted && first.row && dups->copy && dups->cosine, err,
               AKIN_ENOMEM, "no memory for %zu pictures", count);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &pictures->at[i];
        pictures->at[i].above = akin__top(pictures, (uint32_t)i);
        dups->info.unhashed += !pictures->at[i].looked;
    }
    qsort(sorted, count, sizeof *sorted, by_tree);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && sorted[end]->above == sorted[i]->above;
             end++)
            ;
        AKIN_TRY(cut_tree(dups, sorted + i, end - i, &first, options, err));
    }
    if (dups->groups)
        qsort(dups->group, dups->groups, sizeof *dups->group, by_gain);
out:
    akin__free(sorted);
    akin__free(first.row);
    return status;
}

/* ------------------------------------------------------------ public --- */

static akin_status set_up(akin_dups *dups, const akin_dups_options *options,
                          akin_error *err)
{
    const size_t views = dups->pictures.views;
    dups->model = akin__calloc(views, sizeof *dups->model);
    dups->threshold = akin__calloc(views, sizeof *dups->threshold);
    dups->certain = akin__calloc(views, sizeof *dups->certain);
    if (!dups->model || !dups->threshold || !dups->certain)
        return akin__fail(err, AKIN_ENOMEM, "no memory");
    for (size_t i = 0; i < views; i++) {
        struct akin__view *view = &dups->pictures.view[i];
        if (options->threshold > 0) {
            view->threshold = options->threshold;
            view->certain = (double)NAN;
        }
        dups->model[i] = view->name;
        dups->threshold[i] = view->threshold;
        dups->certain[i] = view->certain;
    }
    return AKIN_OK;
}

static void sum_up(akin_dups *dups)
{
    akin_dups_info *info = &dups->info;
    info->models = dups->pictures.views;
    info->model = dups->model;
    info->threshold = dups->threshold;
    info->certain = dups->certain;
    info->distance = MOST_DISTANCE;
    info->groups = dups->groups;
    info->pictures = dups->copies;
    for (size_t i = 0; i < dups->groups; i++)
        info->bytes_to_free += dups->group[i].bytes_to_free;
}

akin_status akin_dups_open(akin_dups **out, akin_index *index,
                           const akin_dups_options *options, akin_error *err)
{
    static const akin_dups_options usual = {.size = sizeof usual};
    akin_dups *dups = akin__calloc(1, sizeof *dups);
    akin_status status = AKIN_OK;
    *out = NULL;
    options = options ? options : &usual;
    AKIN_CHECK(dups, err, AKIN_ENOMEM, "no memory");
    AKIN_CHECK(options->threshold >= 0 && options->threshold <= 1, err,
               AKIN_EUSAGE, "threshold %g is not above 0 and up to 1",
               options->threshold);
    AKIN_TRY(akin__pictures_open(&dups->pictures, index, options->model,
                                 options->models, err));
    AKIN_TRY(set_up(dups, options, err));
    AKIN_TRY(grow_trees(dups, options, err));
    AKIN_TRY(find_groups(dups, options, err));
    sum_up(dups);
    *out = dups;
    dups = NULL;
out:
    akin_dups_close(&dups);
    return status;
}

void akin_dups_close(akin_dups **out)
{
    akin_dups *dups = *out;
    if (!dups)
        return;
    akin__pictures_close(&dups->pictures);
    akin__free(dups->model);
    akin__free(dups->threshold);
    akin__free(dups->certain);
    akin__free(dups->copy);
    akin__free(dups->cosine);
    akin__free(dups->group);
    akin__free(dups);
    *out = NULL;
}

void akin_dups_describe(const akin_dups *dups, akin_dups_info *info)
{
    *info = dups->info;
}

void akin_dups_get(const akin_dups *dups, size_t at, akin_dups_group *group)
{
    *group = dups->group[at];
}
