/*
 * Labels: which of some words a picture shows, as CLIP's paper does it
 * (zero-shot classification).
 *
 * A label has one vector: the mean of those of its prompts, each at length
 * one, and again at length one ("Prompt_Engineering_for_ImageNet.ipynb" of
 * openai/CLIP). The labels lie packed for a matrix product; a block of pictures
 * is multiplied at once, and each row of cosines becomes a softmax in double.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "akin.h"
#include "base/dot.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "embed/parts.h"
#include "math/gemm.h"

enum {
    SHARE = 16, /* prompts or more that a thread embeds at once */
    ROWS = 64,  /* pictures that are multiplied at once */
    /* Cosines of such a block at most, but for one row. */
    BLOCK = 1 << 20
};

struct akin_labels {
    const struct akin__kernels *kernels;
    struct akin__packed packed; /* [dim][count] */
    size_t count, dim;
    double scale;
    int threads;
};

/* --------------------------------------------------------- embedding --- */

struct embedding {
    const akin_model *model;
    const char *const *label; /* [count] */
    size_t count, dim;
    const char *const *template; /* [templates] */
    size_t templates;
    size_t share;           /* labels that a thread embeds at once */
    float *units;           /* [count][dim], as they become ready */
    akin_session **session; /* [threads] */
    const akin_labels_options *options;
    struct akin__lock lock; /* over what follows, and progress */
    uint64_t done;          /* prompts */
};

/* The prompt, allocated; NULL when memory is short. */
static char *make_prompt(const char *template, const char *label)
{
    struct akin__text text = {0};
    for (const char *gap; (gap = strstr(template, "{}")); template = gap + 2) {
        akin__text_add(&text, template, (size_t)(gap - template));
        akin__text_add(&text, label, strlen(label));
    }
    akin__text_add(&text, template, strlen(template));
    if (text.failed)
        akin__text_free(&text);
    return text.bytes;
}

/* The mean of vectors [templates][dim], at length one before and after. */
static void ensemble(const struct embedding *e, float *vectors, float *unit)
{
    for (size_t t = 0; t < e->templates; t++)
        akin__unit(vectors + t * e->dim, vectors + t * e->dim, e->dim);
    for (size_t i = 0; i < e->dim; i++) {
        double sum = 0;
        for (size_t t = 0; t < e->templates; t++)
            sum += (double)vectors[t * e->dim + i];
        unit[i] = (float)(sum / (double)e->templates);
    }
    akin__unit(unit, unit, e->dim);
}

static akin_status tell_progress(struct embedding *e, size_t prompts,
                                 akin_error *err)
{
    const akin_labels_options *o = e->options;
    int stop = 0;
    akin__lock_take(&e->lock);
    e->done += prompts;
    if (o->progress)
        stop = o->progress(o->context, "texts", e->done,
                           (uint64_t)e->count * e->templates);
    akin__lock_give(&e->lock);
    return stop ? akin__fail(err, AKIN_ECANCELLED, "labels: stopped") : AKIN_OK;
}

static akin_status embed_share(void *context, size_t item, int thread,
                               akin_error *err)
{
    struct embedding *e = context;
    const size_t first = item * e->share, left = e->count - first;
    const size_t labels = left < e->share ? left : e->share;
    const size_t prompts = labels * e->templates;
    char **prompt = akin__calloc(prompts, sizeof *prompt);
    float *vectors = akin__alloc(prompts, e->dim * sizeof *vectors);
    akin_status status = AKIN_OK;
    AKIN_CHECK(prompt && vectors, err, AKIN_ENOMEM, "no memory for prompts");
    for (size_t i = 0; i < prompts; i++) {
        prompt[i] = make_prompt(e->template[i % e->templates],
                                e -> label[first + i / e->templates]);
        AKIN_CHECK(prompt[i], err, AKIN_ENOMEM, "no memory for prompts");
    }
    if (!e->session[thread])
        AKIN_TRY(akin_session_open(&e->session[thread], e->model, err));
    AKIN_TRY(akin_embed_texts(e->session[thread],
                              (const char *const *)(void *)prompt, prompts,
                              vectors, err));
    for (size_t i = 0; i < labels; i++)
        ensemble(e, vectors + i * e->templates * e->dim,
                 e->units + (first + i) * e->dim);
    AKIN_TRY(tell_progress(e, prompts, err));
out:
    for (size_t i = 0; prompt && i < prompts; i++)
        akin__free(prompt[i]);
    akin__free(prompt);
    akin__free(vectors);
    return status;
}

static akin_status embed_all(struct embedding *e, akin_error *err)
{
    const int wanted = e->options->threads;
    const int threads = wanted > 0 ? wanted : akin__processors();
    akin_status status = AKIN_OK;
    e->share = (SHARE + e->templates - 1) / e->templates;
    e->session = akin__calloc((size_t)threads, sizeof(akin_session *));
    AKIN_CHECK(e->session, err, AKIN_ENOMEM, "no memory for labels");
    AKIN_TRY(akin__parallel(threads, (e->count + e->share - 1) / e->share,
                            embed_share, e, err));
out:
    for (int t = 0; e->session && t < threads; t++)
        akin_session_close(&e->session[t]);
    akin__free(e->session);
    return status;
}

/* ----------------------------------------------------------- opening --- */

static akin_status check(const akin_model *model, const struct embedding *e,
                         akin_error *err)
{
    const akin_status status = akin__need_texts(model, err);
    if (status)
        return status;
    if (!e->count)
        return akin__fail(err, AKIN_EUSAGE, "there are no labels");
    for (size_t t = 0; t < e->templates; t++) {
        if (!strstr(e->template[t], "{}"))
            return akin__fail(err, AKIN_EUSAGE,
                              "template \"%s\" has no {} for the label",
                              e->template[t]);
    }
    if (!isfinite(akin_model_scale(model)))
        return akin__fail(err, AKIN_EMODEL,
                          "%s: its logit_scale is not finite: the weights are "
                          "damaged",
                          akin_model_folder(model));
    return AKIN_OK;
}

static akin_status pack(akin_labels *labels, const float *units,
                        akin_error *err)
{
    struct akin__packed *packed = &labels->packed;
    labels->kernels = akin__kernels(err);
    if (!labels->kernels)
        return AKIN_EUSAGE;
    packed->type = AKIN_PRECISION_F32;
    packed->k = labels->dim;
    packed->n = labels->count;
    const size_t bytes = akin__packed_bytes(labels->kernels, AKIN_PRECISION_F32,
                                            labels->dim, labels->count);
    packed->panels = bytes ? akin__alloc_aligned(bytes, 1) : NULL;
    if (!packed->panels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu labels",
                          labels->count);
    return akin__pack(labels->kernels, packed, units, labels->dim, NULL, err);
}

akin_status akin_labels_open(akin_labels **out, const akin_model *model,
                             const char *const *label, size_t count,
                             const akin_labels_options *options,
                             akin_error *err)
{
    static const char *const usual[] = {AKIN_LABEL_TEMPLATE};
    static const akin_labels_options defaults = {.size = sizeof defaults};
    struct embedding e = {.model = model,
                          .label = label,
                          .count = count,
                          .dim = akin_model_dim(model),
                          .options = options ? options : &defaults};
    akin_status status = AKIN_OK;
    akin_labels *labels = akin__calloc(1, sizeof *labels);
    *out = NULL;
    akin__lock_open(&e.lock);
    e.templates = e.options->prompts ? e.options->prompts : 1;
    e.template = e.options->prompts ? e.options->prompt : usual;
    AKIN_CHECK(labels, err, AKIN_ENOMEM, "no memory for labels");
    AKIN_TRY(check(model, &e, err));
    labels->count = count;
    labels->dim = e.dim;
    labels->scale = akin_model_scale(model);
    labels->threads = e.options->threads;
    e.units = akin__alloc(count, e.dim * sizeof *e.units);
    AKIN_CHECK(e.units, err, AKIN_ENOMEM, "no memory for %zu labels", count);
    AKIN_TRY(embed_all(&e, err));
    AKIN_TRY(pack(labels, e.units, err));
    *out = labels;
    labels = NULL;
out:
    akin__lock_close(&e.lock);
    akin__free(e.units);
    akin_labels_close(&labels);
    return status;
}

void akin_labels_close(akin_labels **labels)
{
    if (!*labels)
        return;
    akin__free((*labels)->packed.panels);
    akin__free(*labels);
    *labels = NULL;
}

/* ----------------------------------------------------------- ranking --- */

struct ranking {
    const akin_labels *labels;
    const float *vectors; /* [rows][dim] */
    size_t rows, k;
    size_t block;     /* rows of a block */
    akin_label *best; /* [rows][k] */
};

/* Whether x is to stand behind y; of equal ones the first label leads. */
static bool is_behind(const akin_label *x, const akin_label *y)
{
    return x->cosine != y->cosine ? x->cosine < y->cosine : x->label > y->label;
}

/* Let heap [count], of which the last one is first, be a heap again below `at`.
 */
static void sift(akin_label *heap, size_t count, size_t at)
{
    const akin_label moved = heap[at];
    for (size_t next; (next = 2 * at + 1) < count; at = next) {
        if (next + 1 < count && is_behind(&heap[next + 1], &heap[next]))
            next++;
        if (!is_behind(&heap[next], &moved))
            break;
        heap[at] = heap[next];
    }
    heap[at] = moved;
}

/* The best of cosines [count] into best [k], best first. */
static void choose(const float *cosine, size_t count, size_t k,
                   akin_label *best)
{
    for (size_t i = 0; i < k; i++)
        best[i] = (akin_label){.label = i, .cosine = (double)cosine[i]};
    for (size_t i = k / 2; i-- > 0;)
        sift(best, k, i);
    for (size_t i = k; i < count; i++) {
        if (!((double)cosine[i] > best[0].cosine))
            continue;
        best[0] = (akin_label){.label = i, .cosine = (double)cosine[i]};
        sift(best, k, 0);
    }
    for (size_t left = k; left-- > 1;) {
        const akin_label last = best[0];
        best[0] = best[left];
        best[left] = last;
        sift(best, left, 0);
    }
}

/* exp(scale * (cosine - that of the best)), so that nothing overflows, over
 * their sum. */
static void soften(const float *cosine, size_t count, double scale, size_t k,
                   akin_label *best)
{
    const double most = best[0].cosine;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp(scale * ((double)cosine[i] - most));
    for (size_t i = 0; i < k; i++) {
        best[i].probability = exp(scale * (best[i].cosine - most)) / sum;
        best[i].cosine = fmax(-1, fmin(1, best[i].cosine)); /* but rounding */
    }
}

static akin_status rank_block(void *context, size_t item, int thread,
                              akin_error *err)
{
    const struct ranking *r = context;
    const akin_labels *labels = r->labels;
    const size_t first = item * r->block, left = r->rows - first;
    const size_t rows = left < r->block ? left : r->block;
    const struct akin__epilogue plain = {0};
    struct akin__left a = {
        .type = AKIN_PRECISION_F32,
        .ld = akin__left_bytes(AKIN_PRECISION_F32, labels->dim)};
    float *cosines = akin__alloc_aligned(rows, labels->count * sizeof(float));
    akin_status status = AKIN_OK;
    (void)thread;
    a.values = akin__alloc_aligned(rows, a.ld);
    AKIN_CHECK(a.values && cosines, err, AKIN_ENOMEM,
               "no memory to label pictures");
    memset(a.values, 0, rows * a.ld);
    for (size_t i = 0; i < rows; i++)
        AKIN_CHECK(
            isfinite(akin__unit(r->vectors + (first + i) * labels->dim,
                                (float *)(void *)((char *)a.values + i * a.ld),
                                labels->dim)),
            err, AKIN_EUSAGE, "vector %zu has a number that is not finite",
            first + i);
    akin__gemm(labels->kernels, rows, &a, &labels->packed, &plain, cosines,
               labels->count * sizeof(float));
    for (size_t i = 0; i < rows; i++) {
        akin_label *best = r->best + (first + i) * r->k;
        choose(cosines + i * labels->count, labels->count, r->k, best);
        soften(cosines + i * labels->count, labels->count, labels->scale, r->k,
               best);
    }
out:
    akin__free(a.values);
    akin__free(cosines);
    return status;
}

akin_status akin_labels_rank(const akin_labels *labels, const float *vectors,
                             size_t rows, size_t k, akin_label *best,
                             akin_error *err)
{
    struct ranking r = {.labels = labels,
                        .vectors = vectors,
                        .rows = rows,
                        .k = k,
                        .block = BLOCK / labels->count,
                        .best = best};
    if (k < 1 || k > labels->count)
        return akin__fail(err, AKIN_EUSAGE, "the best %zu of %zu labels", k,
                          labels->count);
    r.block = r.block < 1 ? 1 : r.block > ROWS ? ROWS : r.block;
    return akin__parallel(labels->threads, (rows + r.block - 1) / r.block,
                          rank_block, &r, err);
}
