/*
 * What a report shows of a model (eval_run.h): a histogram, a curve thinned to
 * what an eye can tell apart, the kinds of edit, and errors to look at.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "eval_run.h"

/* --------------------------------------------------------------- edits -- */

/* A true reference of each query. Of classes, another picture of it. */
static bool find_truths(struct eval_run *run)
{
    const akin_eval_info *info = &run->info;
    run->truth = akin__alloc(info->queries, sizeof *run->truth);
    uint32_t *first = akin__alloc(info->labels, sizeof *first);
    if (!run->truth || (info->labels && !first)) {
        akin__free(first);
        return false;
    }
    memset(run->truth, 0xff, info->queries * sizeof *run->truth);
    for (size_t i = 0; info->pair && i < info->pairs; i++) {
        if (run->truth[info->pair[i].query] == AKIN_EVAL_NONE)
            run->truth[info->pair[i].query] = info->pair[i].reference;
    }
    if (info->labels)
        memset(first, 0xff, info->labels * sizeof *first);
    for (uint32_t q = 0; info->labels && q < info->queries; q++) {
        uint32_t *of = &first[info->query[q].label];
        if (*of == AKIN_EVAL_NONE) {
            *of = q;
            continue;
        }
        run->truth[q] = *of;
        run->truth[*of] = q;
    }
    akin__free(first);
    return true;
}

static int by_edit(const void *a, const void *b, void *context)
{
    const akin_eval_item *query = context;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = strcmp(query[x].edit, query[y].edit);
    if (!order) /* "9" before "10" */
        order = strverscmp(query[x].strength, query[y].strength);
    return order ? order : (x > y) - (x < y);
}

static bool add_edit(struct eval_run *run, const akin_eval_item *item)
{
    struct akin__edit *edit = &run->edit[run->edits];
    *edit = (struct akin__edit){.kind = item->edit, .strength = item->strength};
    run->edit_name[run->edits] = akin__format(
        "%s%s%s", item->edit, *item->strength ? ", " : "", item->strength);
    return run->edit_name[run->edits++];
}

int eval_edits(struct eval_run *run)
{
    const akin_eval_info *info = &run->info;
    uint32_t *order = akin__alloc(info->queries, sizeof *order);
    size_t count = 0;
    run->edit_of = akin__alloc(info->queries, sizeof *run->edit_of);
    run->edit = akin__calloc(info->queries, sizeof *run->edit);
    run->edit_name = akin__calloc(info->queries, sizeof *run->edit_name);
    bool whole = order && run->edit_of && run->edit && run->edit_name &&
                 find_truths(run);
    for (uint32_t q = 0; whole && q < info->queries; q++) {
        run->edit_of[q] = AKIN_EVAL_NONE;
        if (*info->query[q].edit && run->truth[q] != AKIN_EVAL_NONE)
            order[count++] = q;
    }
    if (whole && count)
        qsort_r(order, count, sizeof *order, by_edit,
                (void *)(uintptr_t)info->query);
    for (size_t i = 0; whole && i < count; i++) {
        const akin_eval_item *item = &info->query[order[i]];
        const struct akin__edit *last =
            run->edits ? &run->edit[run->edits - 1] : NULL;
        if (!last || strcmp(last->kind, item->edit) != 0 ||
            strcmp(last->strength, item->strength) != 0)
            whole = add_edit(run, item);
        run->edit[run->edits - 1].queries++;
        run->edit_of[order[i]] = (uint32_t)(run->edits - 1);
    }
    akin__free(order);
    return whole ? 0 : cli_no_memory();
}

const char *eval_edit(const struct eval_run *run, uint32_t query)
{
    const uint32_t edit = run->edit_of[query];
    return edit == AKIN_EVAL_NONE ? "" : run->edit_name[edit];
}

static int by_edit_number(const void *a, const void *b, void *context)
{
    const uint32_t *edit_of = context;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (edit_of[x] != edit_of[y])
        return edit_of[x] < edit_of[y] ? -1 : 1;
    return (x > y) - (x < y);
}

size_t eval_choose(const struct eval_run *run, uint32_t *queries, size_t count,
                   size_t most, uint32_t *chosen)
{
    const size_t few = count < most ? count : most;
    if (count)
        qsort_r(queries, count, sizeof *queries, by_edit_number, run->edit_of);
    for (size_t i = 0; i < few; i++)
        chosen[i] = queries[(2 * i + 1) * count / (2 * few)];
    return few;
}

/* ----------------------------------------------------------- histogram -- */

/* What a model says of any pair. */
struct view {
    struct eval_run *run;
    struct eval_model *m;
    const float *queries, *references, *offset;
    size_t dim;
};

/* NAN where a picture could not be read. */
static double score_of(const struct view *v, uint32_t q, uint32_t r)
{
    const float *a = v->queries + q * v->dim, *b = v->references + r * v->dim;
    if (r == AKIN_EVAL_NONE || isnan(a[0]) || isnan(b[0]))
        return NAN;
    const double cosine = akin_cosine(a, b, v->dim);
    if (v->m->floor)
        return akin_score(cosine);
    return cosine + (v->offset ? (double)v->offset[q] : 0);
}

/* The best wrong answer of a query, or NULL. */
static const akin_eval_prediction *best_wrong(const struct view *v, size_t q)
{
    for (size_t i = v->m->first[q]; i < v->m->first[q + 1]; i++) {
        const akin_eval_prediction *p = &v->m->at[i];
        if (!akin_eval_true(v->run->set, p->query, p->reference))
            return p;
    }
    return NULL;
}

/* The scores of true pairs; of classes, which have too many, of those among
 * the predictions. */
static size_t right_scores(const struct view *v, double *score)
{
    const akin_eval_info *info = &v->run->info;
    size_t count = 0;
    for (size_t i = 0; info->pair && i < info->pairs; i++) {
        score[count] =
            score_of(v, info->pair[i].query, info->pair[i].reference);
        count += isnan(score[count]) ? 0 : 1;
    }
    for (size_t i = 0; !info->pair && i < v->m->count; i++) {
        const akin_eval_prediction *p = &v->m->at[i];
        if (akin_eval_true(v->run->set, p->query, p->reference))
            score[count++] = p->score;
    }
    return count;
}

static void fill_bins(struct eval_model *m, uint64_t *bins, const double *score,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const double at = (score[i] - m->low) / (m->high - m->low);
        const size_t bin = at <= 0 ? 0 : (size_t)(at * EVAL_BINS);
        bins[bin < EVAL_BINS ? bin : EVAL_BINS - 1]++;
    }
}

/* From the least score to the largest, in steps of 1/20. */
static void fill_histogram(struct eval_model *m, const double *score,
                           size_t right, size_t wrong)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < right + wrong; i++) {
        low = fmin(low, score[i]);
        high = fmax(high, score[i]);
    }
    if (!(low <= high))
        return;
    m->low = floor(low * 20) / 20;
    m->high = ceil(high * 20) / 20;
    if (m->high <= m->low)
        m->high = m->low + 0.05;
    fill_bins(m, m->bins[0], score, right);
    fill_bins(m, m->bins[1], score + right, wrong);
}

static akin_status make_histogram(const struct view *v, akin_error *err)
{
    const akin_eval_info *info = &v->run->info;
    const size_t most = info->pair ? info->pairs : v->m->count;
    double *score = akin__alloc(most + info->queries, sizeof *score);
    if (!score)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu scores", most);
    const size_t right = right_scores(v, score);
    size_t wrong = 0;
    for (size_t q = 0; q < info->queries; q++) {
        const akin_eval_prediction *p = best_wrong(v, q);
        if (p)
            score[right + wrong++] = p->score;
    }
    fill_histogram(v->m, score, right, wrong);
    akin__free(score);
    return AKIN_OK;
}

/* --------------------------------------------------------------- curve -- */

/* Points at which a right answer comes, evenly along the recall, and the two
 * that a reader looks for: the last with 90 % precision and the end. */
static akin_status make_curve(const struct view *v, akin_error *err)
{
    struct eval_model *m = v->m;
    double *all = akin__alloc(m->count, 3 * sizeof *all);
    double *precision = all, *recall = all + m->count,
           *score = all + 2 * m->count;
    size_t ninety = m->count, next = 0;
    akin_status status = AKIN_OK;
    m->curve = akin__alloc(EVAL_POINTS + 4, sizeof *m->curve);
    AKIN_CHECK((all || !m->count) && m->curve, err, AKIN_ENOMEM,
               "no memory for a curve of %zu points", m->count);
    if (!m->count)
        goto out;
    AKIN_TRY(akin_eval_curve(v->run->set, m->at, m->count, precision, recall,
                             score, err));
    for (size_t i = 0; i < m->count; i++)
        ninety = precision[i] >= 0.9 ? i : ninety;
    for (size_t i = 0; i < m->count; i++) {
        const bool right = recall[i] > (i ? recall[i - 1] : 0);
        const size_t stretch =
            (size_t)(recall[i] / recall[m->count - 1] * EVAL_POINTS);
        if (i != ninety && i + 1 != m->count && (!right || stretch < next))
            continue;
        m->curve[m->points++] =
            (struct akin__curve_point){recall[i], precision[i], score[i]};
        next = right ? stretch + 1 : next;
    }
out:
    akin__free(all);
    return status;
}

/* --------------------------------------------------------------- errors -- */

static const char *reference_path(const struct eval_run *run, uint32_t r)
{
    return r == AKIN_EVAL_NONE ? NULL : run->info.reference[r].path;
}

static struct akin__miss miss_of(const struct view *v, uint32_t q)
{
    const struct eval_run *run = v->run;
    const struct eval_model *m = v->m;
    const akin_eval_prediction *p =
        m->first[q] < m->first[q + 1] ? &m->at[m->first[q]] : NULL;
    const uint32_t truth = run->info.labels ? AKIN_EVAL_NONE : run->truth[q];
    return (struct akin__miss){
        .query = run->info.query[q].path,
        .truth = reference_path(run, truth),
        .answer = p ? reference_path(run, p->reference) : NULL,
        .edit = eval_edit(run, q),
        .answer_score = p ? p->score : NAN,
        .truth_score = score_of(v, q, truth),
        .rank = m->rank[q] == AKIN_EVAL_NONE ? 0 : m->rank[q] + 1};
}

/* Where the truth of each stands among all references. */
static akin_status find_places(const struct view *v, struct akin__miss *miss,
                               const uint32_t *query, size_t count,
                               akin_error *err)
{
    akin_eval_pair pair[EVAL_MISSES];
    uint32_t place[EVAL_MISSES];
    size_t of[EVAL_MISSES], pairs = 0;
    for (size_t i = 0; i < count; i++) {
        if (!miss[i].truth)
            continue;
        of[pairs] = i;
        pair[pairs++] = (akin_eval_pair){query[i], v->run->truth[query[i]]};
    }
    if (!pairs)
        return AKIN_OK;
    const akin_status status =
        akin_eval_places(v->run->set, v->queries, v->references, v->dim, pair,
                         pairs, (int)v->run->values->threads, place, err);
    for (size_t i = 0; !status && i < pairs; i++)
        miss[of[i]].rank = place[i] == AKIN_EVAL_NONE ? 0 : place[i] + 1;
    return status;
}

struct sure {
    double score;
    uint32_t query;
};

static int by_score(const void *a, const void *b)
{
    const struct sure *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->query > y->query) - (x->query < y->query);
}

/* First answers that are wrong, surest first. */
static akin_status find_sure(const struct view *v, akin_error *err)
{
    struct eval_model *m = v->m;
    struct sure *sure = akin__alloc(v->run->info.queries, sizeof *sure);
    uint32_t query[EVAL_MISSES];
    size_t count = 0;
    if (!sure)
        return akin__fail(err, AKIN_ENOMEM, "memory is short");
    for (uint32_t q = 0; q < v->run->info.queries; q++) {
        if (m->first[q] < m->first[q + 1] && m->rank[q] != 0)
            sure[count++] = (struct sure){m->at[m->first[q]].score, q};
    }
    if (count)
        qsort(sure, count, sizeof *sure, by_score);
    for (; m->sures < count && m->sures < EVAL_MISSES; m->sures++) {
        query[m->sures] = sure[m->sures].query;
        m->sure[m->sures] = miss_of(v, query[m->sures]);
    }
    akin__free(sure);
    return find_places(v, m->sure, query, m->sures, err);
}

/* Queries whose first answer is not the right one. */
static akin_status find_missed(const struct view *v, akin_error *err)
{
    struct eval_run *run = v->run;
    struct eval_model *m = v->m;
    uint32_t chosen[EVAL_MISSES];
    uint32_t *missed = akin__alloc(run->info.queries, sizeof *missed);
    if (!missed)
        return akin__fail(err, AKIN_ENOMEM, "memory is short");
    for (uint32_t q = 0; q < run->info.queries; q++) {
        if (run->truth[q] != AKIN_EVAL_NONE && m->rank[q] != 0)
            missed[m->missed_all++] = q;
    }
    if (run->info.layout != AKIN_EVAL_IDS)
        m->misses =
            eval_choose(run, missed, m->missed_all, EVAL_MISSES, chosen);
    for (size_t i = 0; i < m->misses; i++)
        m->missed[i] = miss_of(v, chosen[i]);
    akin__free(missed);
    return find_places(v, m->missed, chosen, m->misses, err);
}

akin_status eval_look(struct eval_run *run, struct eval_model *m,
                      const float *queries, const float *references, size_t dim,
                      const float *offset, akin_error *err)
{
    const struct view v = {run, m, queries, references, offset, dim};
    akin_status status = AKIN_OK;
    for (uint32_t q = 0; q < run->info.queries; q++) {
        if (run->edit_of[q] != AKIN_EVAL_NONE)
            m->hits[run->edit_of[q]] += m->rank[q] == 0;
    }
    AKIN_TRY(make_histogram(&v, err));
    AKIN_TRY(make_curve(&v, err));
    if (run->info.layout != AKIN_EVAL_IDS)
        AKIN_TRY(find_sure(&v, err));
    AKIN_TRY(find_missed(&v, err));
out:
    return status;
}
