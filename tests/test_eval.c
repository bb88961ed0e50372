/*
 * Eval: figures, candidates and eigenvectors by the definitions, done slowly.
 * The challenge's own answers and FAISS judge in score_test.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "akin_eval.h"
#include "base/file.h"
#include "eval/chance.h"
#include "math/eigen.h"
#include "tap.h"

enum { QUERIES = 37, REFERENCES = 211, DIM = 19, MOST = QUERIES * REFERENCES };

static char folder[] = "/tmp/akin-eval-XXXXXX";
static float queries[QUERIES * DIM], references[REFERENCES * DIM];
static uint64_t state;

static double chance(void)
{
    return akin__draw(&state, 1u << 30) / (double)(1u << 30);
}

static const char *file(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    EXPECT_INT(akin__replace_file(file(name), text, strlen(text), NULL), 0);
}

/* Queries with 0, 1, 2, .. true references, of coarse vectors: many products
 * are equal. */
static akin_eval_set *made_set(void)
{
    static char id[QUERIES + REFERENCES][8], text[20000];
    static const char *query_id[QUERIES], *reference_id[REFERENCES];
    const akin_eval_set_options options = {.size = sizeof options,
                                           .layout = AKIN_EVAL_IDS,
                                           .query_id = query_id,
                                           .reference_id = reference_id,
                                           .query_ids = QUERIES,
                                           .reference_ids = REFERENCES};
    akin_eval_set *set = NULL;
    akin_error err = {AKIN_OK, ""};
    size_t used = 0;
    for (int i = 0; i < QUERIES + REFERENCES; i++)
        snprintf(id[i], sizeof id[i], "%d", i);
    for (int q = 0; q < QUERIES; q++) {
        query_id[q] = id[q];
        for (int t = 0; t < q % 5; t++)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "%d,%d\n", q,
                                 QUERIES + (q * 7 + t * 31) % REFERENCES);
    }
    for (int r = 0; r < REFERENCES; r++)
        reference_id[r] = id[QUERIES + r];
    put("truth.csv", text);
    state = 5;
    for (size_t i = 0; i < QUERIES * DIM; i++)
        queries[i] = (float)akin__draw(&state, 3) - 1;
    for (size_t i = 0; i < REFERENCES * DIM; i++)
        references[i] = (float)akin__draw(&state, 3) - 1;
    EXPECT_INT(akin_eval_set_open(&set, file("truth.csv"), &options, &err), 0);
    EXPECT_STR(err.message, "");
    return set;
}

static double product(size_t q, size_t r)
{
    double sum = 0;
    for (size_t i = 0; i < DIM; i++)
        sum += (double)queries[q * DIM + i] * (double)references[r * DIM + i];
    return sum;
}

static akin_eval_prediction found[MOST];

static size_t candidates(const akin_eval_set *set, size_t k, double *ap)
{
    const akin_eval_candidates_options options = {
        .size = sizeof options, .k = k, .ap = ap, .threads = 2};
    akin_error err;
    size_t count;
    EXPECT_INT(akin_eval_candidates(set, queries, QUERIES, references, DIM,
                                    &options, found, &count, &err),
               0);
    return count;
}

static void candidates_are_the_largest_products_equal_ones_by_number(void)
{
    akin_eval_set *set = made_set();
    const size_t k = 9;
    EXPECT_INT(candidates(set, k, NULL), QUERIES * k);
    for (size_t q = 0; q < QUERIES; q++) {
        for (size_t i = 0; i < k; i++) {
            const akin_eval_prediction *p = &found[q * k + i];
            size_t before = 0;
            for (uint32_t r = 0; r < REFERENCES; r++)
                before += product(q, r) > p->score ||
                          (product(q, r) == p->score && r < p->reference);
            EXPECT_INT(before, i);
            EXPECT(p->score == product(q, p->reference));
        }
    }
    akin_eval_set_close(&set);
}

static void a_set_in_parts_gives_what_it_gives_whole(void)
{
    akin_eval_set *set = made_set();
    static akin_eval_prediction part[QUERIES * 4];
    akin_error err;
    candidates(set, 4, NULL);
    for (size_t first = 0, count; first < QUERIES; first += count) {
        const akin_eval_candidates_options options = {
            .size = sizeof options, .k = 4, .first = first};
        size_t rows;
        count = QUERIES - first < 10 ? QUERIES - first : 10;
        EXPECT_INT(akin_eval_candidates(set, queries + first * DIM, count,
                                        references, DIM, &options,
                                        part + first * 4, &rows, &err),
                   0);
    }
    for (size_t i = 0; i < QUERIES * 4; i++)
        EXPECT(part[i].query == found[i].query &&
               part[i].reference == found[i].reference &&
               part[i].score == found[i].score);
    akin_eval_set_close(&set);
}

/* Of query q over all references, an equal wrong one before each right one. */
static double slow_ap(const akin_eval_set *set, uint32_t q)
{
    double sum = 0, truths = 0;
    for (uint32_t t = 0; t < REFERENCES; t++) {
        size_t wrong = 0, right = 0, equal = 0;
        if (!akin_eval_true(set, q, t))
            continue;
        for (uint32_t r = 0; r < REFERENCES; r++) {
            const int is = akin_eval_true(set, q, r);
            wrong += !is && product(q, r) >= product(q, t);
            right += is && product(q, r) > product(q, t);
            equal += is && product(q, r) == product(q, t) && r < t;
        }
        right += equal + 1;
        sum += (double)right / (double)(right + wrong);
        truths++;
    }
    return truths > 0 ? sum / truths : NAN;
}

static void the_average_precision_is_that_of_the_whole_ranking(void)
{
    akin_eval_set *set = made_set();
    double ap[QUERIES], sum = 0, positives = 0;
    akin_eval_figures of_lists, of_rankings;
    const size_t count = candidates(set, REFERENCES, ap);
    for (uint32_t q = 0; q < QUERIES; q++) {
        const double want = slow_ap(set, q);
        EXPECT(isnan(want) ? isnan(ap[q]) : fabs(ap[q] - want) < 1e-12);
        sum += isnan(want) ? 0 : want;
        positives += !isnan(want);
    }
    EXPECT_INT(
        akin_eval_measure(set, found, count, NULL, NULL, &of_lists, NULL), 0);
    EXPECT_INT(akin_eval_measure(set, found, 1, ap, NULL, &of_rankings, NULL),
               0);
    EXPECT(fabs(of_lists.map - sum / positives) < 1e-12);
    EXPECT(fabs(of_rankings.map - sum / positives) < 1e-12);
    akin_eval_set_close(&set);
}

static void ranks_and_accuracy_say_the_same(void)
{
    akin_eval_set *set = made_set();
    akin_eval_figures figures;
    uint32_t rank[QUERIES];
    size_t hits = 0, hits3 = 0;
    const size_t count = candidates(set, 12, NULL);
    EXPECT_INT(akin_eval_ranks(set, found, count, rank, NULL), 0);
    EXPECT_INT(akin_eval_measure(set, found, count, NULL, NULL, &figures, NULL),
               0);
    for (size_t q = 0; q < QUERIES; q++) {
        size_t wrong = SIZE_MAX;
        double best = -INFINITY;
        for (size_t i = q * 12; i < q * 12 + 12; i++)
            if (akin_eval_true(set, found[i].query, found[i].reference))
                best = fmax(best, found[i].score);
        if (best > -INFINITY)
            wrong = 0;
        for (size_t i = q * 12; i < q * 12 + 12 && wrong != SIZE_MAX; i++)
            wrong += found[i].score >= best &&
                     !akin_eval_true(set, found[i].query, found[i].reference);
        EXPECT_INT(rank[q], wrong == SIZE_MAX ? AKIN_EVAL_NONE : wrong);
        hits += wrong < 1;
        hits3 += wrong < 3;
    }
    EXPECT_INT(figures.positives, 29); /* of 37, but every fifth */
    EXPECT(fabs(figures.accuracy - (double)hits / 29) < 1e-12);
    EXPECT(fabs(figures.top3 - (double)hits3 / 29) < 1e-12);
    EXPECT(fabs(figures.accuracy_all - (double)hits / QUERIES) < 1e-12);
    akin_eval_set_close(&set);
}

static void figures_of_some_queries_are_as_if_there_were_no_others(void)
{
    akin_eval_set *set = made_set();
    uint8_t counts[QUERIES] = {0};
    akin_eval_figures some, one;
    counts[3] = counts[4] = 1; /* three and four true ones */
    const size_t count = candidates(set, REFERENCES, NULL);
    EXPECT_INT(akin_eval_measure(set, found, count, NULL, counts, &some, NULL),
               0);
    EXPECT_INT(some.pairs, 7);
    EXPECT_INT(some.predictions, 2 * REFERENCES);
    EXPECT_INT(akin_eval_measure(set, found + 3 * REFERENCES, 2 * REFERENCES,
                                 NULL, counts, &one, NULL),
               0);
    EXPECT(some.uap == one.uap && some.map == one.map);
    akin_eval_set_close(&set);
}

static void the_curve_ends_in_the_figures(void)
{
    akin_eval_set *set = made_set();
    static double precision[MOST], recall[MOST], score[MOST];
    akin_eval_figures figures;
    double area = 0, before = 0;
    const size_t count = candidates(set, REFERENCES, NULL);
    EXPECT_INT(
        akin_eval_curve(set, found, count, precision, recall, score, NULL), 0);
    EXPECT_INT(akin_eval_measure(set, found, count, NULL, NULL, &figures, NULL),
               0);
    for (size_t i = 0; i < count; i++) {
        area += (recall[i] - before) * precision[i];
        before = recall[i];
        EXPECT(i == 0 || score[i] <= score[i - 1]);
    }
    EXPECT(fabs(area - figures.uap) < 1e-12);
    EXPECT(before == 1);
    akin_eval_set_close(&set);
}

static void copydays_trapezoids_are_the_mean_of_two_precisions(void)
{
    static const akin_eval_prediction list[] = {{1, 0, 3}, {1, 7, 2}};
    akin_eval_set *set = made_set(); /* 1 shows 7 alone */
    uint8_t counts[QUERIES] = {[1] = 1};
    akin_eval_figures figures;
    EXPECT_INT(akin_eval_measure(set, list, 2, NULL, counts, &figures, NULL),
               0);
    EXPECT(figures.map_copydays == (0.0 / 1 + 1.0 / 2) / 2);
    EXPECT_INT(
        akin_eval_measure(set, list + 1, 1, NULL, counts, &figures, NULL), 0);
    EXPECT(figures.map_copydays == 1);
    akin_eval_set_close(&set);
}

static void a_pair_that_comes_twice_is_refused(void)
{
    static const akin_eval_prediction list[] = {{1, 7, 3}, {1, 7, 2}};
    static const akin_eval_prediction nan[] = {{1, 7, NAN}};
    akin_eval_set *set = made_set();
    akin_eval_figures figures;
    EXPECT_INT(akin_eval_measure(set, list, 2, NULL, NULL, &figures, NULL),
               AKIN_EUSAGE);
    EXPECT_INT(akin_eval_measure(set, nan, 1, NULL, NULL, &figures, NULL),
               AKIN_EUSAGE);
    akin_eval_set_close(&set);
}

static void what_is_written_reads_back(void)
{
    akin_eval_set *set = made_set();
    akin_eval_predictions back;
    const size_t count = candidates(set, 5, NULL);
    for (size_t i = 0; i < count; i++)
        found[i].score = (chance() - 0.5) * pow(10, 40 * chance() - 20);
    EXPECT_INT(akin_eval_write(set, file("p.csv"), found, count, NULL), 0);
    EXPECT_INT(akin_eval_read(set, file("p.csv"), &back, NULL), 0);
    EXPECT_INT(back.count, count);
    for (size_t i = 0; i < back.count; i++) {
        size_t same = 0;
        for (size_t j = 0; j < count; j++)
            same += found[j].query == back.at[i].query &&
                    found[j].reference == back.at[i].reference &&
                    found[j].score == back.at[i].score;
        EXPECT_INT(same, 1);
        EXPECT(i == 0 || back.at[i].score <= back.at[i - 1].score);
    }
    akin_eval_predictions_free(&back);
    akin_eval_set_close(&set);
}

static void vectors_read_back_with_their_ids(void)
{
    static const char *const id[] = {"a", "b, c", "\"d"};
    akin_eval_set *set = made_set(); /* for its vectors */
    akin_eval_vectors back;
    akin_eval_set_close(&set);
    EXPECT_INT(
        akin_eval_vectors_write(file("v.npy"), references, id, 3, DIM, NULL),
        0);
    EXPECT_INT(akin_eval_vectors_read(&back, file("v.npy"), NULL), 0);
    EXPECT_INT(back.count, 3);
    EXPECT_INT(back.dim, DIM);
    for (size_t i = 0; i < 3 && back.count == 3; i++)
        EXPECT_STR(back.id[i], id[i]);
    EXPECT(back.count == 3 &&
           !memcmp(back.vector, references, 3 * DIM * sizeof(float)));
    akin_eval_vectors_free(&back);
}

static void eigenvectors_are_orthogonal_and_give_the_matrix_back(void)
{
    enum { N = 61 };
    static double a[N * N], was[N * N], vector[N * N], value[N];
    double worst = 0, apart = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= i; j++) /* two blocks that do not meet */
            a[i * N + j] = a[j * N + i] =
                (i < 20) == (j < 20) ? chance() - 0.5 : 0;
    memcpy(was, a, sizeof a);
    EXPECT_INT(akin__eigen(N, a, value, vector, NULL), 0);
    for (size_t i = 0; i < N; i++) {
        EXPECT(i == 0 || value[i] <= value[i - 1]);
        for (size_t j = 0; j < N; j++) {
            double sum = 0, dot = 0;
            for (size_t k = 0; k < N; k++) {
                sum += value[k] * vector[k * N + i] * vector[k * N + j];
                dot += vector[i * N + k] * vector[j * N + k];
            }
            worst = fmax(worst, fabs(sum - was[i * N + j]));
            apart = fmax(apart, fabs(dot - (i == j)));
        }
    }
    EXPECT(worst < 1e-13);
    EXPECT(apart < 1e-13);
}

static void draws_are_spread_evenly(void)
{
    int count[7] = {0};
    for (int i = 0; i < 70000; i++)
        count[akin__draw(&state, 7)]++;
    for (int i = 0; i < 7; i++)
        EXPECT(abs(count[i] - 10000) < 400); /* four deviations */
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    RUN(candidates_are_the_largest_products_equal_ones_by_number);
    RUN(a_set_in_parts_gives_what_it_gives_whole);
    RUN(the_average_precision_is_that_of_the_whole_ranking);
    RUN(ranks_and_accuracy_say_the_same);
    RUN(figures_of_some_queries_are_as_if_there_were_no_others);
    RUN(the_curve_ends_in_the_figures);
    RUN(copydays_trapezoids_are_the_mean_of_two_precisions);
    RUN(a_pair_that_comes_twice_is_refused);
    RUN(what_is_written_reads_back);
    RUN(vectors_read_back_with_their_ids);
    RUN(eigenvectors_are_orthogonal_and_give_the_matrix_back);
    RUN(draws_are_spread_evenly);
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {"truth.csv", "p.csv", "v.npy",
                                            "v.npy.ids"};
        unlink(file(names[i]));
    }
    rmdir(folder);
    return tap_done();
}
