/*
 * Made-up reports of evaluations, for tests of their forms and for looking.
 *
 * KIND is "three" (two models and the floor, everything known), "one" (a model
 * alone, no query without answer), "empty" (no query, nothing known),
 * "hostile" (names that would break a page, a document or a terminal), "many"
 * (16 models) or "classes" (mAP, no edits).
 */
#ifndef MADE_REPORT_H
#define MADE_REPORT_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "view/report.h"

enum { MADE_POINTS = 120, MADE_BINS = 40, MADE_EDITS = 13, MADE_ROWS = 8 };

struct made_report {
    struct akin__report report;
    struct akin__report_model model[AKIN__REPORT_MODELS];
    struct akin__curve_point curve[AKIN__REPORT_MODELS][MADE_POINTS];
    uint64_t right[AKIN__REPORT_MODELS][MADE_BINS];
    uint64_t wrong[AKIN__REPORT_MODELS][MADE_BINS];
    uint64_t hits[AKIN__REPORT_MODELS][MADE_EDITS];
    struct akin__edit edit[MADE_EDITS];
    struct akin__comparison comparison[3];
    struct akin__example example[MADE_ROWS];
    struct akin__miss miss[AKIN__REPORT_MODELS][2][4];
    char name[AKIN__REPORT_MODELS][32];
};

static inline struct akin__figure made_figure(double value, double spread)
{
    return (struct akin__figure){value, value - spread, value + 0.9 * spread};
}

/* A model of that skill, 0 to 1. */
static inline void made_model(struct made_report *made, size_t m,
                              const char *name, double skill)
{
    struct akin__report_model *model = &made->model[m];
    *model = (struct akin__report_model){
        .name = name,
        .note = "",
        .measure = "cosine",
        .dim = m % 2 ? 768 : 512,
        .accuracy = made_figure(skill, 0.0131),
        .top3 = made_figure(skill + 0.0523, 0.0125),
        .uap = made_figure(0.83 * skill, 0.0152),
        .recall_p90 = made_figure(0.71 * skill, 0.0211),
        .recall_1 = made_figure(skill - 0.0012, 0.0131),
        .recall_10 = made_figure(skill + 0.0831, 0.0119),
        .map = {NAN, NAN, NAN},
        .threshold_p90 = 0.60123 + 0.1 * skill,
        .images_per_second = 70.7 - 1.04 * (double)m,
        .stages = {NAN, NAN, 3.217 + (double)m, 141.62, 1.25 + (double)m, NAN},
        .missed_all = (uint64_t)(1500 * (1 - skill)),
    };
    for (size_t i = 0; i < MADE_POINTS; i++) {
        const double recall = (skill + 0.08) * (double)(i + 1) / MADE_POINTS;
        made->curve[m][i] = (struct akin__curve_point){
            recall, 1 - 0.97 * pow(recall / (skill + 0.09), 1.5 + 3 * skill),
            0.98 - 0.7 * recall};
    }
    for (size_t b = 0; b < MADE_BINS; b++) {
        const double score = 0.2 + 0.02 * ((double)b + 0.5);
        made->right[m][b] =
            (uint64_t)(160 * exp(-pow((score - 0.62 - 0.2 * skill) / 0.11, 2)));
        made->wrong[m][b] =
            (uint64_t)(900 * exp(-pow((score - 0.48) / 0.07, 2)));
    }
    for (size_t e = 0; e < MADE_EDITS; e++)
        made->hits[m][e] =
            (uint64_t)((double)made->edit[e].queries *
                       (1 - (1 - skill) * (double)(e % 5) / 4.1));
    model->curve = made->curve[m];
    model->points = MADE_POINTS;
    model->histogram = (struct akin__histogram){0.2, 1, MADE_BINS,
                                                made->right[m], made->wrong[m]};
    model->edit_hits = made->hits[m];
}

static inline void made_floor(struct akin__report_model *model)
{
    model->floor = true;
    model->dim = 64;
    model->measure = "equal bits of two hashes";
    model->images_per_second = NAN;
    model->stages = (struct akin__stages){NAN, NAN, NAN, NAN, NAN, NAN};
}

static inline void made_edits(struct made_report *made)
{
    static const char *const kinds[] = {"crop", "rotation", "text",
                                        "overlay on another photo"};
    static const char *const strengths[] = {"1", "2", "3"};
    for (size_t e = 0; e + 1 < MADE_EDITS; e++)
        made->edit[e] =
            (struct akin__edit){kinds[e / 3], strengths[e % 3], 115};
    made->edit[MADE_EDITS - 1] = (struct akin__edit){"flip", "", 120};
    made->report.edit = made->edit;
    made->report.edits = MADE_EDITS;
}

/* Rows and errors of the pictures [count]; the ones at hand in turn. */
static inline void made_rows(struct made_report *made,
                             const char *const *picture, size_t count)
{
    for (size_t i = 0; count && i < MADE_ROWS; i++) {
        struct akin__example *example = &made->example[i];
        const enum akin__example_kind kind = (enum akin__example_kind)(i % 4);
        const char *truth = picture[i % count];
        *example = (struct akin__example){
            .kind = kind, .query = truth, .truth = truth, .edit = "crop, 2"};
        for (size_t w = 0; w < 2; w++) {
            const bool right =
                kind == AKIN__BOTH_RIGHT || kind == AKIN__FIRST_RIGHT + w;
            example->given[w].count = AKIN__REPORT_TOP;
            for (size_t a = 0; a < AKIN__REPORT_TOP; a++) {
                example->given[w].answer[a].path =
                    right && a == 0 ? truth
                                    : picture[(i + 5 * w + a + 1) % count];
                example->given[w].answer[a].score =
                    0.9123 - 0.05 * (double)a - 0.01 * (double)i;
                example->given[w].answer[a].right = right && a == 0;
            }
        }
    }
    made->report.example = made->example;
    made->report.examples = count ? MADE_ROWS : 0;
    for (size_t m = 0; count && m < made->report.models; m++) {
        for (size_t i = 0; i < 8; i++)
            made->miss[m][i / 4][i % 4] = (struct akin__miss){
                .query = picture[(m + i) % count],
                .truth = i == 1 ? NULL : picture[(m + i + 1) % count],
                .answer = picture[(m + i + 2) % count],
                .edit = i % 2 ? "" : "rotation, 3",
                .answer_score = 0.871 - 0.01 * (double)i,
                .truth_score = i == 1 ? NAN : 0.512,
                .rank = i == 1 ? 0 : 17 * i * i};
        made->model[m].sure = made->miss[m][0];
        made->model[m].missed = made->miss[m][1];
        made->model[m].sures = made->model[m].misses = 4;
    }
}

static inline void made_pairs(struct made_report *made)
{
    made->comparison[0] =
        (struct akin__comparison){0,
                                  1,
                                  "accuracy",
                                  "McNemar's exact test",
                                  made_figure(-0.3555, 0.0172),
                                  3e-119,
                                  41,
                                  574};
    made->comparison[1] =
        (struct akin__comparison){0,
                                  1,
                                  "\xc2\xb5"
                                  "AP",
                                  "bootstrap over queries",
                                  made_figure(-0.0124, 0.0171),
                                  0.1432,
                                  41,
                                  574};
    made->report.comparison = made->comparison;
    made->report.comparisons = 2;
}

static inline void made_empty(struct made_report *made)
{
    const struct akin__figure none = {NAN, NAN, NAN};
    const struct akin__stages stages = {NAN, NAN, NAN, NAN, NAN, NAN};
    made->model[0] = (struct akin__report_model){
        .name = "dinov2",
        .note = "",
        .measure = "",
        .accuracy = none,
        .top3 = none,
        .uap = none,
        .recall_p90 = none,
        .recall_1 = none,
        .recall_10 = none,
        .map = none,
        .threshold_p90 = NAN,
        .images_per_second = NAN,
        .stages = stages,
    };
    made->report = (struct akin__report){
        .set = "nothing",
        .date = "",
        .command = "",
        .cpu = "",
        .precision = "",
        .stages = stages,
        .model = made->model,
        .models = 1,
    };
}

/* Names that end a tag, an attribute, a line or a string, and are no UTF-8. */
static inline void made_hostile(struct made_report *made)
{
    static const char evil[] =
        "\"><script>alert('&amp;')</script>\n\x1b[31m\xff.jpg";
    made->report.set = evil;
    made->report.command = evil;
    made->report.cpu = evil;
    made->report.precision = evil;
    made->report.date = evil;
    made->edit[0].kind = made->edit[0].strength = evil;
    made->comparison[0].figure = made->comparison[0].test = evil;
    for (size_t m = 0; m < made->report.models; m++)
        made->model[m].name = made->model[m].note = made->model[m].measure =
            evil;
    for (size_t i = 0; i < MADE_ROWS; i++)
        made->example[i].edit = made->example[i].query = evil;
    for (size_t i = 0; i < 4; i++)
        made->miss[0][0][i].edit = made->miss[0][0][i].answer = evil;
}

/* The report of this kind, with these pictures [count] in its rows. */
static inline const struct akin__report *made_report(struct made_report *made,
                                                     const char *kind,
                                                     const char *const *picture,
                                                     size_t count)
{
    static const char *const none[] = {"gone.jpg"};
    struct akin__report *report = &made->report;
    memset(made, 0, sizeof *made);
    if (strcmp(kind, "empty") == 0) {
        made_empty(made);
        return report;
    }
    *report = (struct akin__report){
        .set = "Holiday copies",
        .date = "2026-11-25",
        .command = "akin eval run copies -o report/",
        .queries = 6500,
        .references = 150000,
        .positives = 1500,
        .pairs = 1500,
        .distractors = 5000,
        .cpu = "AMD EPYC 9B45",
        .precision = "f32",
        .threads = 2,
        .resamples = 1000,
        .stages = {4.031, 61.27, NAN, NAN, NAN, 391.2},
        .model = made->model,
        .models = 3,
        .first = 0,
        .second = 1,
        .kinds = {386, 499, 41, 574},
    };
    made_edits(made);
    made_model(made, 0, "clip", 0.2845);
    made_model(made, 1, "dinov2", 0.64);
    made_model(made, 2, "pHash", 0.1214);
    made_floor(&made->model[2]);
    made->model[1].note = "scores normalised";
    made_pairs(made);
    if (strcmp(kind, "one") == 0) {
        report->models = 1;
        report->second = 0;
        report->comparisons = 0;
        report->queries = report->positives;
        report->distractors = 0;
    }
    if (strcmp(kind, "many") == 0) {
        report->models = AKIN__REPORT_MODELS;
        for (size_t m = 0; m < AKIN__REPORT_MODELS; m++) {
            snprintf(made->name[m], sizeof made->name[m],
                     m % 5 ? "model-%zu" : "a-model-with-a-long-name-%zu",
                     m + 1);
            made_model(made, m, made->name[m], 0.2 + 0.04 * (double)m);
        }
    }
    made_rows(made, count ? picture : none, count ? count : 1);
    if (strcmp(kind, "classes") == 0) {
        report->edits = 0;
        report->pairs = 30000;
        for (size_t m = 0; m < report->models; m++) {
            made->model[m].map = made_figure(0.5 + 0.1 * (double)m, 0.02);
            made->model[m].edit_hits = NULL;
        }
        for (size_t i = 0; i < MADE_ROWS; i++)
            made->example[i].truth = NULL;
    }
    if (strcmp(kind, "hostile") == 0)
        made_hostile(made);
    return report;
}

#endif
