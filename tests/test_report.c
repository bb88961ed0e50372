/* Report: how its numbers are said, and that its JSON has all of them. */
#include "tap.h"

#include "base/memory.h"
#include "made_report.h"
#include "view/json.h"
#include "view/report_words.h"

static struct made_report made;

static void shares_have_one_decimal(void)
{
    akin__words text;
    const struct akin__figure figure = {0.64, 0.627, 0.6525};
    const struct akin__figure bare = {0.64, NAN, 0.6};
    EXPECT_STR(akin__percent(text, 0.64), "64.0 %");
    EXPECT_STR(akin__percent(text, 0), "0.0 %");
    EXPECT_STR(akin__percent(text, NAN), AKIN__UNKNOWN);
    EXPECT_STR(akin__interval(text, &figure), "62.7 to 65.2 %");
    EXPECT_STR(akin__interval(text, &bare), "");
}

static void differences_have_a_sign(void)
{
    akin__words text;
    const struct akin__figure figure = {-0.012, -0.029, 0.003};
    EXPECT_STR(akin__points(text, 0.3555), "+35.5 points");
    EXPECT_STR(akin__points(text, NAN), AKIN__UNKNOWN);
    EXPECT_STR(akin__points_interval(text, &figure), "-2.9 to +0.3 points");
}

static void p_values_have_the_digits_that_matter(void)
{
    akin__words text;
    EXPECT_STR(akin__p_value(text, 1), "1.00");
    EXPECT_STR(akin__p_value(text, 0.1432), "0.14");
    EXPECT_STR(akin__p_value(text, 0.031), "0.031");
    EXPECT_STR(akin__p_value(text, 0.00314), "0.0031");
    EXPECT_STR(akin__p_value(text, 3e-119), "< 0.0001");
    EXPECT_STR(akin__p_value(text, NAN), AKIN__UNKNOWN);
}

static void how_sure_follows_p(void)
{
    akin__words text;
    EXPECT_STR(akin__sureness(text, 0.0009),
               "practically certain (p = 0.0009)");
    EXPECT_STR(akin__sureness(text, 0.001), "very sure (p = 0.0010)");
    EXPECT_STR(akin__sureness(text, 0.0499), "fairly sure (p = 0.050)");
    EXPECT_STR(akin__sureness(text, 0.05),
               "not sure: it may be chance (p = 0.050)");
    EXPECT_STR(akin__sureness(text, NAN), "not tested");
}

static void rates_and_times_have_three_digits(void)
{
    akin__words text;
    EXPECT_STR(akin__rate_words(text, 8.314), "8.31");
    EXPECT_STR(akin__rate_words(text, 70.66), "70.7");
    EXPECT_STR(akin__rate_words(text, 99.96), "100");
    EXPECT_STR(akin__rate_words(text, 1204.4), "1,204");
    EXPECT_STR(akin__rate_words(text, NAN), AKIN__UNKNOWN);
    EXPECT_STR(akin__stage_words(text, 0.041), "0.04 s");
    EXPECT_STR(akin__stage_words(text, 61.27), "61.3 s");
    EXPECT_STR(akin__stage_words(text, 391.2), "6 min 31 s");
}

/* The verdict on a report of this kind, in `out`. */
static void judge(const char *kind, char *out, size_t capacity)
{
    struct akin__text text = {0};
    akin__report_verdict(made_report(&made, kind, NULL, 0), &text);
    EXPECT(!text.failed);
    snprintf(out, capacity, "%s", text.bytes);
    akin__text_free(&text);
}

static void the_verdict_names_the_winner_whichever_model_is_first(void)
{
    char text[1024];
    judge("three", text, sizeof text);
    EXPECT_STR(text,
               "dinov2 puts the right picture first for 64.0 % of 1,500 "
               "queries, clip for 28.4 %. dinov2 is better than clip by 35.5 "
               "points of accuracy (95 % interval 34.0 to 37.3); that is "
               "practically certain (p < 0.0001). It alone is right on 574 "
               "queries, clip alone on 41.");
}

static void a_model_alone_and_an_empty_set_have_a_verdict(void)
{
    char text[1024];
    judge("one", text, sizeof text);
    EXPECT_STR(text, "clip puts the right picture first for 28.4 % of 1,500 "
                     "queries.");
    judge("empty", text, sizeof text);
    EXPECT(strstr(text, "nothing to judge") != NULL);
    judge("many", text, sizeof text);
    EXPECT(strstr(text, "was not tested") != NULL);
}

static void equal_models_are_called_equal(void)
{
    struct akin__text text = {0};
    made_report(&made, "three", NULL, 0);
    made.comparison[0].difference = (struct akin__figure){0, -0.01, 0.01};
    made.comparison[0].p = 1;
    akin__comparison_words(&made.report, &made.comparison[0], &text);
    EXPECT_STR(text.bytes, "clip and dinov2 have the same accuracy: which is "
                           "better is not sure: it may be chance (p = 1.00).");
    akin__text_free(&text);
}

static void the_worst_edits_come_first(void)
{
    size_t worst[4];
    const uint64_t hits[MADE_EDITS] = {115, 50, 20,  115, 115, 115, 1,
                                       115, 0,  115, 99,  115, 120};
    made_report(&made, "three", NULL, 0);
    made.model[0].edit_hits = hits;
    EXPECT_INT(akin__worst_edits(&made.report, 0, 4, worst), 4);
    EXPECT_INT(worst[0], 8);
    EXPECT_INT(worst[1], 6);
    EXPECT_INT(worst[2], 2);
    EXPECT_INT(worst[3], 1);
    EXPECT_INT(akin__worst_edits(&made.report, 0, 2, worst), 2);
    EXPECT_INT(worst[1], 6);
    made.model[0].edit_hits = NULL;
    EXPECT_INT(akin__worst_edits(&made.report, 0, 4, worst), 0);
}

/* ------------------------------------------------------------------- JSON --
 */

static json_t *at(json_t *object, const char *key, size_t index)
{
    return json_array_get(json_object_get(object, key), index);
}

static int is(json_t *object, const char *key, double want)
{
    json_t *value = json_object_get(object, key);
    return isnan(want) ? json_is_null(value) : json_number_value(value) == want;
}

static void expect_interval(json_t *interval, const struct akin__figure *want)
{
    EXPECT(isnan(want->low)
               ? json_is_null(interval)
               : json_number_value(json_array_get(interval, 0)) == want->low &&
                     json_number_value(json_array_get(interval, 1)) ==
                         want->high);
}

static void expect_figure(json_t *object, const char *key,
                          const struct akin__figure *want)
{
    EXPECT(is(object, key, want->value));
    expect_interval(json_object_get(json_object_get(object, "intervals"), key),
                    want);
}

static void expect_model(json_t *object, const struct akin__report_model *model)
{
    expect_figure(object, "accuracy", &model->accuracy);
    expect_figure(object, "top3", &model->top3);
    expect_figure(object, "uAP", &model->uap);
    expect_figure(object, "recall_at_p90", &model->recall_p90);
    expect_figure(object, "recall_at_1", &model->recall_1);
    expect_figure(object, "recall_at_10", &model->recall_10);
    expect_figure(object, "mAP", &model->map);
    EXPECT(is(object, "threshold_at_p90", model->threshold_p90));
    EXPECT(is(object, "images_per_second", model->images_per_second));
    EXPECT(is(json_object_get(object, "seconds"), "network",
              model->stages.network));
    EXPECT(is(object, "missed_all", (double)model->missed_all));
    EXPECT_INT(json_array_size(json_object_get(object, "curve")),
               model->points);
    for (size_t i = 0; i < model->points; i++) {
        EXPECT(is(at(object, "curve", i), "recall", model->curve[i].recall));
        EXPECT(
            is(at(object, "curve", i), "precision", model->curve[i].precision));
        EXPECT(is(at(object, "curve", i), "score", model->curve[i].score));
    }
    json_t *histogram = json_object_get(object, "histogram");
    for (size_t b = 0; b < model->histogram.bins; b++) {
        EXPECT(json_integer_value(at(histogram, "right", b)) ==
               (json_int_t)model->histogram.right[b]);
        EXPECT(json_integer_value(at(histogram, "wrong", b)) ==
               (json_int_t)model->histogram.wrong[b]);
    }
    for (size_t i = 0; i < model->sures; i++)
        EXPECT(is(at(object, "sure_but_wrong", i), "answer_score",
                  model->sure[i].answer_score));
    for (size_t i = 0; i < model->misses; i++)
        EXPECT(is(at(object, "missed", i), "rank",
                  model->missed[i].rank ? (double)model->missed[i].rank : NAN));
}

static void expect_rest(json_t *document, const struct akin__report *report)
{
    for (size_t e = 0; e < report->edits; e++) {
        json_t *edit = at(document, "edits", e);
        EXPECT(is(edit, "queries", (double)report->edit[e].queries));
        for (size_t m = 0; m < report->models; m++)
            EXPECT(json_integer_value(at(edit, "right", m)) ==
                   (json_int_t)report->model[m].edit_hits[e]);
    }
    for (size_t i = 0; i < report->comparisons; i++) {
        const struct akin__comparison *c = &report->comparison[i];
        json_t *comparison = at(document, "comparisons", i);
        EXPECT(is(comparison, "difference", c->difference.value));
        expect_interval(json_object_get(comparison, "interval"),
                        &c->difference);
        EXPECT(is(comparison, "p", c->p));
        EXPECT(is(comparison, "only_a", (double)c->only_a));
        EXPECT(is(comparison, "only_b", (double)c->only_b));
    }
    for (size_t i = 0; i < report->examples; i++) {
        json_t *row = at(json_object_get(document, "examples"), "rows", i);
        const size_t given = report->first == report->second ? 1 : 2;
        EXPECT_INT(json_array_size(json_object_get(row, "models")), given);
        for (size_t w = 0; w < given; w++)
            for (size_t a = 0; a < report->example[i].given[w].count; a++)
                EXPECT(is(at(at(row, "models", w), "results", a), "score",
                          report->example[i].given[w].answer[a].score));
    }
}

static void the_document_has_every_number_of_the_report(void)
{
    static const char *const kinds[] = {"three",   "one",  "empty",
                                        "hostile", "many", "classes"};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const struct akin__report *report =
            made_report(&made, kinds[k], NULL, 0);
        json_t *document = akin__report_json(report);
        if (!EXPECT(document != NULL))
            continue;
        EXPECT(is(document, "queries", (double)report->queries));
        EXPECT(is(document, "references", (double)report->references));
        EXPECT(is(document, "positives", (double)report->positives));
        EXPECT(is(document, "pairs", (double)report->pairs));
        EXPECT(is(document, "distractors", (double)report->distractors));
        EXPECT(is(json_object_get(document, "seconds"), "total",
                  report->stages.total));
        EXPECT_INT(json_array_size(json_object_get(document, "models")),
                   report->models);
        for (size_t m = 0; m < report->models; m++)
            expect_model(at(document, "models", m), &report->model[m]);
        if (strcmp(kinds[k], "classes") != 0)
            expect_rest(document, report);
        json_decref(document);
    }
}

int main(void)
{
    RUN(shares_have_one_decimal);
    RUN(differences_have_a_sign);
    RUN(p_values_have_the_digits_that_matter);
    RUN(how_sure_follows_p);
    RUN(rates_and_times_have_three_digits);
    RUN(the_verdict_names_the_winner_whichever_model_is_first);
    RUN(a_model_alone_and_an_empty_set_have_a_verdict);
    RUN(equal_models_are_called_equal);
    RUN(the_worst_edits_come_first);
    RUN(the_document_has_every_number_of_the_report);
    return tap_done();
}
