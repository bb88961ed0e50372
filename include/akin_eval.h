/*
 * akin_eval: how good are a model's answers?
 *
 * A set is pictures that ask (queries), pictures that may be answers
 * (references), and the truth: which reference a query shows. A prediction says
 * that a query shows a reference, and how surely; figures say how right a list
 * of predictions is. From pictures to figures:
 *
 *   akin_eval_set_open         the set, from whatever layout it lies in
 *   akin_eval_index            its pictures embedded, in an index
 *   akin_eval_vectors_of       their vectors
 *   akin_eval_whitener_open    only if asked for: from vectors of others
 *   akin_eval_whiten           every vector, the queries' and the references'
 *   akin_eval_normalize        the same vectors, always: then products are
 *                              cosines
 *   akin_eval_score_norm       only if asked for: an offset for each query
 *   akin_eval_candidates       the k best references of each query: predictions
 *   akin_eval_measure          the figures
 *   akin_eval_bootstrap        how sure they are
 *   akin_eval_compare          which of two lists is better, and how surely
 *   akin_eval_calibrate        from which cosine on an answer is surely right;
 *                              akin_eval_keep stores that with an index, and
 *                              akin_probability says it of any answer
 *
 * docs/eval.md has the formulas and where they come from. The rules of akin.h
 * hold. Threads: a set and a whitener are immutable once open and may be
 * shared; every function here may run beside every other.
 */
#ifndef AKIN_EVAL_H
#define AKIN_EVAL_H

#include "akin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- sets -- */

typedef struct akin_eval_set akin_eval_set; /* immutable once open: share it */

typedef enum akin_eval_layout {
    AKIN_EVAL_AUTO = 0, /* as the folder looks; a file is AKIN_EVAL_PAIRS */
    AKIN_EVAL_DISC,     /* DISC21 / ISC2021, and what make-copies writes:
                           images/{queries,references,train} and
                           *ground_truth*.csv, or SSCD's {val_query,val_ref,
                           training} and val_groundtruth_matches.csv */
    AKIN_EVAL_COPYDAYS, /* original, strong, jpegqual/N, crops/N */
    AKIN_EVAL_CLASSES,  /* a folder for each class: every picture asks for the
                           others of its class */
    AKIN_EVAL_PAIRS,    /* a CSV of query,reference: paths from its folder on */
    AKIN_EVAL_IDS       /* a CSV of query_id,reference_id, and no pictures: for
                           predictions of others. Never chosen by AUTO */
} akin_eval_layout;

typedef struct akin_eval_set_options {
    size_t size;
    akin_eval_layout layout;
    const char *truth;      /* DISC: the ground truth, where the folder holds
                               none or several */
    const char *queries;    /* a file of ids, one a line: only these queries */
    const char *references; /* the same for references; those of true pairs of
                               the queries are kept in any case */
    size_t reference_count; /* keep so many references, drawn by `seed`, those
                               of true pairs first; 0: all. The article has
                               150,000 */
    uint64_t seed;
    /* IDS: all ids there are, in order of their numbers, say of vectors; the
     * truth may name no others. NULL: those that the truth names. */
    const char *const *query_id;     /* [query_ids] */
    const char *const *reference_id; /* [reference_ids] */
    size_t query_ids, reference_ids;
} akin_eval_set_options;

/* No number of a picture. */
#define AKIN_EVAL_NONE UINT32_MAX

/* A picture of a set; pointers live as long as the set. */
typedef struct akin_eval_item {
    const char *id;   /* DISC: the file's name without its suffix; else its path
                         below the set */
    const char *path; /* that opens it; NULL for AKIN_EVAL_IDS */
    uint32_t label;   /* its class, of akin_eval_info.labels; or NONE */
    uint32_t self;    /* of a query: the reference that is the same file and is
                         no answer to it; or NONE */
    const char *edit; /* of a query: what was done to the picture, as "crop";
                         "" where that is not known */
    const char *strength; /* how much of it, or "" */
} akin_eval_item;

/* That reference is in query. */
typedef struct akin_eval_pair {
    uint32_t query, reference;
} akin_eval_pair;

typedef struct akin_eval_info {
    akin_eval_layout layout; /* never AUTO */
    const char *path;        /* as it was opened */
    size_t queries, references, train;
    const akin_eval_item *query;     /* [queries] */
    const akin_eval_item *reference; /* [references]; of CLASSES the same
                                        pictures in the same order */
    const akin_eval_item *trainer;   /* [train]: pictures of neither kind, for
                                        whitening and score normalisation */
    uint64_t pairs;   /* true ones; of CLASSES counted in both directions */
    size_t positives; /* queries that have any */
    const akin_eval_pair *pair; /* [pairs], by query, then reference; NULL for
                                   CLASSES, where labels are the truth */
    size_t labels;              /* 0 but for CLASSES */
    const char *const *label;   /* [labels]: the folder of each */
} akin_eval_info;

/*
 * Open the set at `path`, a folder or a CSV: look at the folder's layout, list
 * its pictures and read its ground truth; no picture is opened. Errors name
 * file and line: AKIN_EFORMAT for an id that no file has, a pair or an id that
 * comes twice, a line that is none, and a set in which no query has a true
 * reference; AKIN_ENOTFOUND; AKIN_EUSAGE where a folder is of no layout, or
 * options do not fit it: truth, lists and numbers are of DISC alone, ids of
 * IDS; AKIN_EIO, AKIN_ENOMEM.
 */
AKIN_API akin_status akin_eval_set_open(akin_eval_set **set, const char *path,
                                        const akin_eval_set_options *options,
                                        akin_error *err) AKIN_MUST_CHECK;
AKIN_API void akin_eval_set_close(akin_eval_set **set);
AKIN_API void akin_eval_set_describe(const akin_eval_set *set,
                                     akin_eval_info *info);
/* Whether the set says that `reference` is in `query`; numbers beyond what the
 * set has are of nothing. */
AKIN_API int akin_eval_true(const akin_eval_set *set, uint32_t query,
                            uint32_t reference);

/* ------------------------------------------------- sets of your photos -- */

typedef struct akin_eval_copies_options {
    size_t size;
    uint64_t seed;     /* another one edits otherwise and chooses others */
    const char *edits; /* "crop,flip": only these kinds; NULL: all twelve, which
                          docs/eval.md lists. Each has three strengths */
    size_t count;      /* queries of each photo, drawn from the kinds and
                          strengths so that all come equally often; 0: all of
                          them, but of a large folder so few that there are
                          about 20,000 queries */
    double distractors;  /* share of the photos that are no references, of which
                            there is at least one of several; 0: none. Their
                            queries have no answer, and overlays lie on them */
    int threads;         /* 0: all processors */
    const char *decoder; /* the program of an akin_decoder for each thread;
                            NULL: pictures are decoded in this process */
    akin_progress_fn progress; /* "files" while they are listed, then "photos";
                                  from any thread, one at a time */
    /* Of a file that cannot be used (`failed`) or is damaged; as `progress` */
    void (*notice)(void *context, const char *path, const char *reason,
                   int failed);
    void *context;
} akin_eval_copies_options;

typedef struct akin_eval_copies_report {
    uint64_t photos;      /* that could be read */
    uint64_t references;  /* of them */
    uint64_t distractors; /* the others */
    uint64_t queries;     /* in the set */
    uint64_t made;        /* of them by this call: the rest was there */
    uint64_t failed;      /* files that could not be read, and folders */
    uint64_t same;        /* files left out for having the bytes of another */
    uint64_t skipped;     /* files that are no pictures */
    double seconds;
} akin_eval_copies_report;

/*
 * Make the set `set` of AKIN_EVAL_DISC's layout from the photos in `folder` and
 * below, which are found as akin_index_update finds them: references are hard
 * links to them, or copies, and queries JPEGs that were edited. docs/eval.md
 * says what is written. The same photos and options give the same bytes, on
 * every machine and with any number of threads. `set` must not be there, or be
 * what the same call has made so far: then the rest is made.
 * Errors: AKIN_ENOTFOUND where there is no folder, or no picture in it;
 * AKIN_EUSAGE for a set of another call, an unknown kind and a `count` above
 * all; AKIN_ELOCKED, AKIN_EIO, AKIN_ENOMEM, AKIN_ECANCELLED. What was made is
 * kept in any case.
 */
AKIN_API akin_status akin_eval_make_copies(
    const char *folder, const char *set,
    const akin_eval_copies_options *options, akin_eval_copies_report *report,
    akin_error *err) AKIN_MUST_CHECK;

/* --------------------------------------------------------- predictions -- */

typedef struct akin_eval_prediction {
    uint32_t query, reference; /* numbers in the set; at or above what it has:
                                  an id that it does not know */
    double score;              /* more is surer; not NAN */
} akin_eval_prediction;

typedef struct akin_eval_predictions {
    akin_eval_prediction *at; /* [count]; freed by akin_eval_predictions_free */
    size_t count;
} akin_eval_predictions;

/* The most rows that the challenge takes. */
#define AKIN_EVAL_ROWS 500000

/*
 * Read the challenge's CSV, query_id,reference_id,score, with that header or
 * without, at most AKIN_EVAL_ROWS rows. The caller owns *predictions.
 * AKIN_EFORMAT names the line of a pair that comes twice, of a score that is no
 * number; AKIN_ELIMIT, AKIN_ENOTFOUND, AKIN_EIO, AKIN_ENOMEM.
 */
AKIN_API akin_status akin_eval_read(const akin_eval_set *set, const char *path,
                                    akin_eval_predictions *predictions,
                                    akin_error *err) AKIN_MUST_CHECK;
AKIN_API void akin_eval_predictions_free(akin_eval_predictions *predictions);

/*
 * Write it, best first, whole or not at all: the AKIN_EVAL_ROWS best when there
 * are more. Scores are written so that they read back as they are.
 */
AKIN_API akin_status akin_eval_write(const akin_eval_set *set, const char *path,
                                     const akin_eval_prediction *predictions,
                                     size_t count,
                                     akin_error *err) AKIN_MUST_CHECK;

/* Vectors with an id each, as they lie in a file. */
typedef struct akin_eval_vectors {
    size_t count, dim;
    float *vector;   /* [count][dim] */
    const char **id; /* [count] */
    void *memory;    /* of the ids */
} akin_eval_vectors;

/*
 * Read vectors from `path`: an npy of [count][dim] numbers, float32, float64 or
 * float16, and beside it `path`.ids with an id a line, or `path`.paths as akin
 * export writes it, of which each file's name without its suffix is the id; or
 * another file that akin import takes. There is no limit to dim but
 * AKIN_MAX_DIM. AKIN_EFORMAT names the row or line; the caller frees it.
 */
AKIN_API akin_status akin_eval_vectors_read(akin_eval_vectors *vectors,
                                            const char *path,
                                            akin_error *err) AKIN_MUST_CHECK;
/* Write them: `path`, an npy of float32, and `path`.ids. */
AKIN_API akin_status akin_eval_vectors_write(const char *path,
                                             const float *vector,
                                             const char *const *id,
                                             size_t count, size_t dim,
                                             akin_error *err) AKIN_MUST_CHECK;
AKIN_API void akin_eval_vectors_free(akin_eval_vectors *vectors);

/* -------------------------------------------- from pictures to vectors -- */

/* Seconds that all threads together spent on each stage. */
typedef struct akin_eval_stages {
    double read, decode;                /* for all models at once */
    double preprocess[16], network[16]; /* in the order of the models */
} akin_eval_stages;

/*
 * akin_index_update for the pictures of the set, and no others: embed what
 * `index`, open for writing, has no vectors of. With `train` the set's pictures
 * for training as well. What is stopped goes on when it is called again.
 * Seconds are added to *stages. Errors: those of akin_index_update; AKIN_EUSAGE
 * for a set without pictures.
 */
AKIN_API akin_status
akin_eval_index(const akin_eval_set *set, akin_index *index,
                akin_model *const *models, size_t model_count, int train,
                const akin_index_options *options, akin_index_report *report,
                akin_eval_stages *stages, akin_error *err) AKIN_MUST_CHECK;

typedef enum akin_eval_kind {
    AKIN_EVAL_QUERIES = 0,
    AKIN_EVAL_REFERENCES,
    AKIN_EVAL_TRAINERS
} akin_eval_kind;

/* Numbers of a perceptual hash, taken as a vector. */
#define AKIN_EVAL_HASH_DIM 256

/*
 * vectors [pictures of that kind][dim] that `index`, open for writing, has of
 * `model`, of length 1. `model` NULL: perceptual hashes, which are its floor: a
 * bit is 1/16 or -1/16, so that a product is 1 - 2 * (bits that differ) / 256.
 * A picture that could not be read, or has no structure to hash, is all NAN,
 * and *missing counts it: akin_eval_candidates takes it for no query and no
 * answer. AKIN_ENOTFOUND (model), AKIN_ECORRUPT, AKIN_EIO, AKIN_ENOMEM.
 */
AKIN_API akin_status akin_eval_vectors_of(const akin_eval_set *set,
                                          akin_index *index, const char *model,
                                          akin_eval_kind kind, float *vectors,
                                          size_t *missing,
                                          akin_error *err) AKIN_MUST_CHECK;

/* --------------------------------------------- from vectors to answers -- */

/* Each of vectors [count][dim] to length 1; zeros stay zeros. */
AKIN_API void akin_eval_normalize(float *vectors, size_t count, size_t dim);

typedef struct akin_eval_candidates_options {
    size_t size;
    size_t k;     /* answers of each query; 0: 10, as the challenge's tools */
    size_t first; /* the number of the first query in `queries`: for a set that
                     is done in parts */
    const float *offset; /* [count]: added to every score of a query, what
                            akin_eval_score_norm gives; NULL: nothing */
    double *ap;  /* [count]: the average precision of each query over all
                    references, equal scores worst; NAN for a query without
                    truth. NULL: not wanted; it costs a look at every score */
    int threads; /* 0: all processors */
    akin_progress_fn progress; /* "queries" */
    void *context;
} akin_eval_candidates_options;

/*
 * predictions [count][k] of `queries` [count][dim], against `references`
 * [references of the set][dim]: the k largest products of each, best first,
 * equal ones by number of reference; the query's own file is left out, and what
 * is NAN. *found
 * rows are written: k for each query, or fewer where the set has fewer. Exact,
 * in float32; count * references * dim operations, and memory for a block of
 * products besides. AKIN_EUSAGE, AKIN_ENOMEM, AKIN_ECANCELLED.
 */
AKIN_API akin_status
akin_eval_candidates(const akin_eval_set *set, const float *queries,
                     size_t count, const float *references, size_t dim,
                     const akin_eval_candidates_options *options,
                     akin_eval_prediction *predictions, size_t *found,
                     akin_error *err) AKIN_MUST_CHECK;

/*
 * The same for all queries of the set, a few thousand at a time, of which each
 * is kept in the file at `path` when it is done: what is stopped goes on from
 * there, and what is done is read. The file is of just these vectors and
 * options; of others it is made anew. *seconds (may be NULL): what the products
 * took, in all runs together. Errors besides: AKIN_EIO.
 */
AKIN_API akin_status akin_eval_candidates_kept(
    const akin_eval_set *set, const float *queries, const float *references,
    size_t dim, const akin_eval_candidates_options *options, const char *path,
    akin_eval_prediction *predictions, size_t *found, double *seconds,
    akin_error *err) AKIN_MUST_CHECK;

/*
 * place [count] of each pair: how many references come before it in the whole
 * ranking of its query, equal ones among them, the query's own file not; NONE
 * where either is all NAN. `queries` and `references` are all of the set's.
 */
AKIN_API akin_status akin_eval_places(const akin_eval_set *set,
                                      const float *queries,
                                      const float *references, size_t dim,
                                      const akin_eval_pair *pair, size_t count,
                                      int threads, uint32_t *place,
                                      akin_error *err) AKIN_MUST_CHECK;

/*
 * SSCD's score normalisation: offset [count] of `queries` [count][dim] is
 * -weight times the mean product with the nearest of `train` [trained][dim],
 * ranks `from` to `to` from 0, both included; SSCD's choice is 1, 0, 2. A score
 * then says how much nearer a reference is than pictures that it cannot be.
 * All vectors of one kind: whitened or not, of length 1. AKIN_EUSAGE when train
 * has no rank `to`.
 */
AKIN_API akin_status akin_eval_score_norm(const float *queries, size_t count,
                                          const float *train, size_t trained,
                                          size_t dim, double weight,
                                          size_t from, size_t to, int threads,
                                          float *offset,
                                          akin_error *err) AKIN_MUST_CHECK;

/* PCA whitening. */
typedef struct akin_eval_whitener akin_eval_whitener; /* immutable: share it */

/*
 * Learn it from `train` [count][dim], which are not normalised here: the mean,
 * and the `kept` directions of most variance (0: dim), each to be divided by
 * its deviation. AKIN_EUSAGE when train has no such variance: count must be
 * above kept, and vectors that lie in fewer dimensions cannot give more.
 */
AKIN_API akin_status akin_eval_whitener_open(akin_eval_whitener **whitener,
                                             const float *train, size_t count,
                                             size_t dim, size_t kept,
                                             int threads,
                                             akin_error *err) AKIN_MUST_CHECK;
AKIN_API void akin_eval_whitener_close(akin_eval_whitener **whitener);
/* Numbers in a vector, whitened. */
AKIN_API size_t akin_eval_whitener_dim(const akin_eval_whitener *whitener);
/* out [count][kept] of vectors [count][dim]; they overlap nowhere. Then
 * akin_eval_normalize, as the challenge's winners do. */
AKIN_API akin_status akin_eval_whiten(const akin_eval_whitener *whitener,
                                      const float *vectors, size_t count,
                                      int threads, float *out,
                                      akin_error *err) AKIN_MUST_CHECK;

/* ------------------------------------------------------------- figures -- */

/*
 * Shares are of 1. Where scores are equal the wrong ones come first: nobody
 * gains by giving the same score to all. What cannot be said is NAN.
 */
typedef struct akin_eval_figures {
    size_t queries, positives, references, predictions;
    uint64_t pairs; /* true ones, found or not */
    /* The article's: the first answer is right, one of the first three is; of
     * the queries that have a truth, and of all. */
    double accuracy, top3, accuracy_all, top3_all;
    /* The challenge's, by the formulas of its own scorer: of pairs. */
    double uap;
    double recall_at_p90, threshold_at_p90; /* NAN: 90 % are never reached */
    double recall_at_1, recall_at_10;
    /* Of queries that have a truth: any right one among the first 5 and 10 (1:
     * accuracy), mean average precision, and the same by trapezoids, as
     * Copydays has it. Of the predictions alone, unless `ap` was given. */
    double r_at_5, r_at_10, map, map_copydays;
} akin_eval_figures;

/*
 * The figures of predictions [count] in any order. `ap` [queries], or NULL, is
 * what akin_eval_candidates gave: the map is then that of whole rankings.
 * `counts` [queries], or NULL for all, says which queries there are at all:
 * with those of one kind of edit the figures are of that kind.
 * AKIN_EUSAGE for a pair that comes twice, a score that is NAN, and where there
 * is no true pair; AKIN_ENOMEM.
 */
AKIN_API akin_status akin_eval_measure(const akin_eval_set *set,
                                       const akin_eval_prediction *predictions,
                                       size_t count, const double *ap,
                                       const uint8_t *counts,
                                       akin_eval_figures *figures,
                                       akin_error *err) AKIN_MUST_CHECK;

/*
 * rank [queries]: how many answers come before the first right one, 0 when it
 * is the first; NONE when there is none among the predictions, or the query has
 * no truth (label and pair say which). What accuracy, examples and a table by
 * kind of edit are made of.
 */
AKIN_API akin_status akin_eval_ranks(const akin_eval_set *set,
                                     const akin_eval_prediction *predictions,
                                     size_t count, uint32_t *rank,
                                     akin_error *err) AKIN_MUST_CHECK;

/*
 * The precision-recall curve: for i below count, of the i + 1 best predictions,
 * how many are right, of how many true pairs, and the score of the last. Each
 * array is [count].
 */
AKIN_API akin_status akin_eval_curve(const akin_eval_set *set,
                                     const akin_eval_prediction *predictions,
                                     size_t count, double *precision,
                                     double *recall, double *score,
                                     akin_error *err) AKIN_MUST_CHECK;

typedef struct akin_eval_interval {
    double low, high;
} akin_eval_interval;

typedef struct akin_eval_intervals {
    akin_eval_interval accuracy, top3, uap, recall_at_p90, recall_at_1,
        recall_at_10;
} akin_eval_intervals;

typedef struct akin_eval_bootstrap_options {
    size_t size;
    size_t resamples; /* 0: 1,000 */
    uint64_t seed;    /* the same seed gives the same answer, on any number of
                         threads */
    int threads;      /* 0: all processors */
} akin_eval_bootstrap_options;

/*
 * 95 % intervals of the figures: those of the 2.5th and the 97.5th percentile
 * of resamples, each of as many queries as there are, drawn with replacement
 * with all their predictions. A recall at 90 % precision that is never reached
 * counts as 0 there. About a second for 500,000 predictions and two threads.
 */
AKIN_API akin_status akin_eval_bootstrap(
    const akin_eval_set *set, const akin_eval_prediction *predictions,
    size_t count, const akin_eval_bootstrap_options *options,
    akin_eval_intervals *intervals, akin_error *err) AKIN_MUST_CHECK;

/* Two lists of predictions for one set, say CLIP's and DINOv2's. */
typedef struct akin_eval_comparison {
    /* Queries with a truth whose first answer is right in both, in neither, in
     * one alone. */
    size_t both, neither, only_a, only_b;
    double accuracy_p; /* McNemar's exact test: as much difference or more would
                          come by chance so often, were both equally good */
    double uap_difference; /* a's less b's */
    akin_eval_interval uap_interval;
    double uap_p; /* two-sided, by resampling queries for both together; not
                     below 2 / (resamples + 1) */
} akin_eval_comparison;

AKIN_API akin_status akin_eval_compare(
    const akin_eval_set *set, const akin_eval_prediction *a, size_t a_count,
    const akin_eval_prediction *b, size_t b_count,
    const akin_eval_bootstrap_options *options,
    akin_eval_comparison *comparison, akin_error *err) AKIN_MUST_CHECK;

/* ----------------------------------------------------------- certainty -- */

/*
 * How surely an answer of a model is right, by its cosine, as a ground truth
 * has shown it. It holds for answers as they were there: docs/eval.md.
 */
typedef struct akin_certainty {
    uint64_t answers, right; /* that were looked at, and of these */
    char truth[200];         /* the name of the ground truth */
    /* Of cosines from (i - 1000) / 1000 up to the next: the probability that
     * such an answer is right, at least; it never falls. NAN: not known. */
    float at[2001];
} akin_certainty;

/* The probability that an answer of this cosine is right; NAN: not known. */
AKIN_API double akin_probability(const akin_certainty *certainty,
                                 double cosine);
/* The least cosine of which that is `probability` or more; NAN: none. */
AKIN_API double akin_certain_from(const akin_certainty *certainty,
                                  double probability);
/*
 * What the index keeps of `model`; *known says whether it keeps anything, and
 * it does not of vectors with another fingerprint. AKIN_ENOTFOUND (no such
 * model), AKIN_ECORRUPT, AKIN_EIO, AKIN_ENOMEM.
 */
AKIN_API akin_status akin_index_certainty(akin_index *index, const char *model,
                                          akin_certainty *certainty, int *known,
                                          akin_error *err) AKIN_MUST_CHECK;

/* From where on an answer is 90, 99, 99.9 % certain. */
enum { AKIN_EVAL_CERTAIN = 3 };
typedef struct akin_eval_certain {
    double certain;          /* 0.9, 0.99, 0.999 */
    double cosine;           /* NAN: these answers do not show it */
    uint64_t answers, right; /* at that cosine or above it */
    uint64_t lacking; /* of NAN: so many answers more, of other pictures and
                         all right, it takes at the least; else 0 */
} akin_eval_certain;

typedef struct akin_eval_calibration {
    akin_certainty certainty;
    uint64_t queries; /* that have an answer */
    akin_eval_certain threshold[AKIN_EVAL_CERTAIN];
} akin_eval_calibration;

/*
 * From predictions [count], whose scores are cosines, how surely an answer is
 * right: docs/eval.md says how, and that nothing is claimed beyond what so many
 * answers show. AKIN_EFORMAT for a score that is no cosine and where no answer
 * is right; AKIN_EUSAGE for a pair that comes twice; AKIN_ENOMEM.
 */
AKIN_API akin_status akin_eval_calibrate(
    const akin_eval_set *set, const akin_eval_prediction *predictions,
    size_t count, akin_eval_calibration *calibration,
    akin_error *err) AKIN_MUST_CHECK;
/* Keep it with an index that is open for writing, in the place of what was kept
 * of `model`; whole or not at all. */
AKIN_API akin_status akin_eval_keep(akin_index *index, const char *model,
                                    const akin_certainty *certainty,
                                    akin_error *err) AKIN_MUST_CHECK;

typedef struct akin_eval_indexed_options {
    size_t size;
    size_t k;                  /* answers of each query; 0: 10 */
    int threads;               /* 0: all processors */
    akin_progress_fn progress; /* "queries" */
    void *context;
} akin_eval_indexed_options;

/*
 * Predictions of a set whose pictures are in `index`, open for writing: the k
 * references nearest to each query by `model`. Pictures that the index could
 * not read ask nothing and are no answers; AKIN_ENOTFOUND names one that is not
 * in it, or not with this model. The caller frees *predictions. Other errors
 * are those of akin_eval_vectors_of and akin_eval_candidates.
 */
AKIN_API akin_status akin_eval_indexed(const akin_eval_set *set,
                                       akin_index *index, const char *model,
                                       const akin_eval_indexed_options *options,
                                       akin_eval_predictions *predictions,
                                       akin_error *err) AKIN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
