/*
 * From a model's vectors to its predictions and figures (eval_run.h), as
 * akin_eval.h says the way, and what of them a report shows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "eval_run.h"

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    struct eval_run *run = context;
    cli_meter_show(&run->meter, what, done, whole);
    return cli_stopped();
}

int eval_stopped(struct eval_run *run)
{
    cli_meter_clear(&run->meter);
    cli_say("stopped; what is done is kept in %s, and the same command goes "
            "on from there",
            run->folder);
    return CLI_STOPPED + cli_stopped();
}

/* ------------------------------------------------------------- vectors -- */

static akin_status whiten(const akin_eval_whitener *whitener, float **vectors,
                          size_t count, int threads, akin_error *err)
{
    const size_t dim = akin_eval_whitener_dim(whitener);
    float *white = akin__alloc(count, dim * sizeof *white);
    if (!white)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu vectors", count);
    const akin_status status =
        akin_eval_whiten(whitener, *vectors, count, threads, white, err);
    *vectors = white;
    return status;
}

/* The vectors of one model, and what is made of them. */
struct vectors {
    float *queries, *references, *train; /* as given, or [dim] whitened */
    bool white;                          /* they are allocated here */
    size_t trained, dim;
    float *offset; /* [queries], or NULL */
};

static akin_status whiten_all(struct eval_run *run, struct vectors *v,
                              akin_error *err)
{
    const int threads = (int)run->values->threads;
    float *from[] = {v->queries, v->references, v->train};
    const size_t count[] = {run->info.queries, run->info.references,
                            v->trained};
    akin_eval_whitener *whitener = NULL;
    akin_status status =
        akin_eval_whitener_open(&whitener, v->train, v->trained, v->dim,
                                run->values->whiten, threads, err);
    if (status)
        return status;
    v->white = true;
    v->queries = v->references = v->train = NULL;
    float **to[] = {&v->queries, &v->references, &v->train};
    for (size_t i = 0; i < 3 && !status; i++) {
        float *vectors = from[i];
        status = whiten(whitener, &vectors, count[i], threads, err);
        *to[i] = vectors == from[i] ? NULL : vectors;
    }
    v->dim = akin_eval_whitener_dim(whitener);
    akin_eval_whitener_close(&whitener);
    return status;
}

static akin_status prepare(struct eval_run *run, struct vectors *v,
                           akin_error *err)
{
    const akin_eval_info *info = &run->info;
    akin_status status = AKIN_OK;
    if (run->values->whiten && v->train)
        status = whiten_all(run, v, err);
    if (status)
        return status;
    akin_eval_normalize(v->queries, info->queries, v->dim);
    akin_eval_normalize(v->references, info->references, v->dim);
    if (!run->values->score_norm || !v->train)
        return AKIN_OK;
    akin_eval_normalize(v->train, v->trained, v->dim);
    v->offset = akin__alloc(info->queries, sizeof *v->offset);
    if (!v->offset)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu queries",
                          info->queries);
    return akin_eval_score_norm(v->queries, info->queries, v->train, v->trained,
                                v->dim, 1, 0, 2, (int)run->values->threads,
                                v->offset, err);
}

static void free_vectors(struct vectors *v)
{
    if (v->white) {
        akin__free(v->queries);
        akin__free(v->references);
        akin__free(v->train);
    }
    akin__free(v->offset);
}

/* --------------------------------------------------------- predictions -- */

/* A model's name as a file's: what is no letter, digit or dot is "-". */
static char *file_of(const char *folder, const char *before, const char *name,
                     const char *after)
{
    char *file = akin__format("%s%s%s", before, name, after);
    for (char *at = file ? file + strlen(before) : NULL; at && *at; at++) {
        const bool plain = (*at >= 'a' && *at <= 'z') ||
                           (*at >= 'A' && *at <= 'Z') ||
                           (*at >= '0' && *at <= '9') || *at == '.' ||
                           *at == '_' || *at == '-';
        if (!plain)
            *at = '-';
    }
    char *path = file ? akin__join(folder, file) : NULL;
    akin__free(file);
    return path;
}

static bool has_map(const struct eval_run *run)
{
    return run->info.layout == AKIN_EVAL_CLASSES ||
           run->info.layout == AKIN_EVAL_COPYDAYS;
}

static bool make_room(const struct eval_run *run, struct eval_model *m)
{
    const size_t queries = run->info.queries;
    m->at = akin__calloc(queries, EVAL_K * sizeof *m->at);
    m->first = akin__calloc(queries + 1, sizeof *m->first);
    m->rank = akin__calloc(queries, sizeof *m->rank);
    m->hits = akin__calloc(run->edits + 1, sizeof *m->hits);
    if (has_map(run))
        m->ap = akin__calloc(queries, sizeof *m->ap);
    return m->at && m->first && m->rank && m->hits && (m->ap || !has_map(run));
}

static void find_first(const struct eval_run *run, struct eval_model *m)
{
    for (size_t i = 0; i < m->count; i++)
        m->first[m->at[i].query + 1]++;
    for (size_t q = 0; q < run->info.queries; q++)
        m->first[q + 1] += m->first[q];
}

static akin_status predict(struct eval_run *run, struct eval_model *m,
                           const struct vectors *v, akin_error *err)
{
    const akin_eval_candidates_options options = {.size = sizeof options,
                                                  .k = EVAL_K,
                                                  .offset = v->offset,
                                                  .ap = m->ap,
                                                  .threads =
                                                      (int)run->values->threads,
                                                  .progress = show,
                                                  .context = run};
    char *kept = file_of(run->work, "answers-", m->name, "");
    if (!kept)
        return akin__fail(err, AKIN_ENOMEM, "memory is short");
    memset(&run->meter, 0, sizeof run->meter);
    const akin_status status = akin_eval_candidates_kept(
        run->set, v->queries, v->references, v->dim, &options, kept, m->at,
        &m->count, &m->search, err);
    cli_meter_clear(&run->meter);
    akin__free(kept);
    return status;
}

/* A product of hashes as the share of bits that are alike. */
static void name_scores(struct eval_model *m)
{
    for (size_t i = 0; m->floor && i < m->count; i++)
        m->at[i].score = akin_score(m->at[i].score);
}

/* Where scores are equal the wrong answer is first, as the figures count it. */
static void order_ties(const struct eval_run *run, struct eval_model *m)
{
    for (size_t i = 1; i < m->count; i++) {
        const akin_eval_prediction p = m->at[i];
        size_t to = i;
        if (akin_eval_true(run->set, p.query, p.reference))
            continue;
        for (; to > m->first[p.query] && m->at[to - 1].score <= p.score &&
               akin_eval_true(run->set, p.query, m->at[to - 1].reference);
             to--)
            m->at[to] = m->at[to - 1];
        m->at[to] = p;
    }
}

static akin_status measure(struct eval_run *run, struct eval_model *m,
                           akin_error *err)
{
    const akin_eval_bootstrap_options options = {
        .size = sizeof options, .threads = (int)run->values->threads};
    char *csv = file_of(run->folder, "predictions-", m->name, ".csv");
    akin_status status = AKIN_OK;
    AKIN_CHECK(csv, err, AKIN_ENOMEM, "memory is short");
    AKIN_TRY(akin_eval_measure(run->set, m->at, m->count, m->ap, NULL,
                               &m->figures, err));
    AKIN_TRY(akin_eval_bootstrap(run->set, m->at, m->count, &options,
                                 &m->intervals, err));
    AKIN_TRY(akin_eval_ranks(run->set, m->at, m->count, m->rank, err));
    AKIN_TRY(akin_eval_write(run->set, csv, m->at, m->count, err));
out:
    akin__free(csv);
    return status;
}

/* What was done to the vectors, for the report; false: memory is short. */
static bool add_note(struct eval_model *m, const struct vectors *v)
{
    struct akin__text note = {0};
    if (v->white)
        akin__text_addf(&note, "PCA whitening to %zu numbers", v->dim);
    if (v->offset)
        akin__text_addf(&note,
                        "%sscores less the mean of the nearest 3 of %zu "
                        "training pictures",
                        note.length ? ", " : "", v->trained);
    m->note = note.bytes;
    return !note.failed;
}

int eval_find(struct eval_run *run, float *queries, float *references,
              float *train, size_t trained, size_t dim)
{
    struct eval_model *m = &run->model[run->models++];
    struct vectors v = {.queries = queries,
                        .references = references,
                        .train = train,
                        .trained = trained,
                        .dim = dim};
    akin_error err;
    akin_status status = AKIN_OK;
    m->dim = dim;
    AKIN_CHECK(make_room(run, m), &err, AKIN_ENOMEM,
               "no memory for the answers to %zu queries", run->info.queries);
    AKIN_TRY(prepare(run, &v, &err));
    AKIN_TRY(predict(run, m, &v, &err));
    find_first(run, m);
    name_scores(m);
    order_ties(run, m);
    AKIN_TRY(measure(run, m, &err));
    AKIN_CHECK(add_note(m, &v), &err, AKIN_ENOMEM, "memory is short");
    AKIN_TRY(eval_look(run, m, v.queries, v.references, v.dim, v.offset, &err));
out:
    free_vectors(&v);
    if (status == AKIN_ECANCELLED && cli_stopped())
        return eval_stopped(run);
    return status ? cli_fail(ABOUT_OUTPUT, &err) : 0;
}

void eval_model_free(struct eval_model *m)
{
    akin__free(m->note);
    akin__free(m->at);
    akin__free(m->first);
    akin__free(m->ap);
    akin__free(m->rank);
    akin__free(m->curve);
    akin__free(m->hits);
}
