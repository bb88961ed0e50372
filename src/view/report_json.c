/* The report as JSON: docs/json.md, "akin eval run". */
#include <math.h>

#include "base/text.h"
#include "view/json_parts.h"
#include "view/report_words.h"

static json_t *count_of(uint64_t count)
{
    return json_integer((json_int_t)count);
}

static json_t *interval_of(const struct akin__figure *figure)
{
    if (isnan(figure->low) || isnan(figure->high))
        return json_null();
    return json_pack("[o, o]", number(figure->low), number(figure->high));
}

/* The figures of a model, and their intervals as akin eval score has them. */
static int set_figures(json_t *object, const struct akin__report_model *model)
{
    const struct {
        const char *name;
        const struct akin__figure *figure;
    } all[] = {{"accuracy", &model->accuracy},
               {"top3", &model->top3},
               {"uAP", &model->uap},
               {"recall_at_p90", &model->recall_p90},
               {"recall_at_1", &model->recall_1},
               {"recall_at_10", &model->recall_10},
               {"mAP", &model->map}};
    json_t *intervals = json_object();
    int bad = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bad |= set(object, all[i].name, number(all[i].figure->value));
        bad |= set(intervals, all[i].name, interval_of(all[i].figure));
    }
    bad |= set(object, "threshold_at_p90", number(model->threshold_p90));
    return bad | set(object, "intervals", intervals);
}

static json_t *stages_of(const struct akin__stages *stages)
{
    json_t *object = json_object();
    int bad = 0;
    for (size_t at = 0; at < AKIN__STAGES; at++) {
        const char *name;
        const double seconds = akin__stage_seconds(stages, at, &name);
        bad |= set(object, name, number(seconds));
    }
    return whole(object, bad);
}

static json_t *curve_of(const struct akin__report_model *model)
{
    json_t *curve = json_array();
    int bad = 0;
    for (size_t i = 0; i < model->points; i++) {
        const struct akin__curve_point *point = &model->curve[i];
        bad |= json_array_append_new(
            curve, json_pack("{s:o, s:o, s:o}", "recall", number(point->recall),
                             "precision", number(point->precision), "score",
                             number(point->score)));
    }
    return whole(curve, bad);
}

static json_t *counts_of(const uint64_t *counts, size_t count)
{
    json_t *array = json_array();
    int bad = 0;
    for (size_t i = 0; i < count; i++)
        bad |= json_array_append_new(array, count_of(counts[i]));
    return whole(array, bad);
}

static json_t *histogram_of(const struct akin__histogram *histogram)
{
    if (histogram->bins == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o}", "low", number(histogram->low),
                     "high", number(histogram->high), "right",
                     counts_of(histogram->right, histogram->bins), "wrong",
                     counts_of(histogram->wrong, histogram->bins));
}

static json_t *misses_of(const struct akin__miss *miss, size_t count)
{
    json_t *array = json_array();
    int bad = 0;
    for (size_t i = 0; i < count; i++, miss++) {
        json_t *object = json_object();
        int wrong = set_text(object, "query", miss->query);
        wrong |= set_text(object, "truth", miss->truth);
        wrong |= set_text(object, "answer", miss->answer);
        wrong |= set_text(object, "edit", miss->edit);
        wrong |= set(object, "answer_score", number(miss->answer_score));
        wrong |= set(object, "truth_score", number(miss->truth_score));
        wrong |= set(object, "rank",
                     miss->rank ? count_of(miss->rank) : json_null());
        bad |= json_array_append_new(array, whole(object, wrong));
    }
    return whole(array, bad);
}

static json_t *model_of(const struct akin__report_model *model)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "model", model->name);
    bad |= set_text(object, "note", model->note);
    bad |= set_text(object, "measure", model->measure);
    bad |= set(object, "dim", model->dim ? count_of(model->dim) : json_null());
    bad |= set(object, "floor", json_boolean(model->floor));
    bad |= set_figures(object, model);
    bad |= set(object, "images_per_second", number(model->images_per_second));
    bad |= set(object, "seconds", stages_of(&model->stages));
    bad |= set(object, "curve", curve_of(model));
    bad |= set(object, "histogram", histogram_of(&model->histogram));
    bad |= set(object, "sure_but_wrong", misses_of(model->sure, model->sures));
    bad |= set(object, "missed", misses_of(model->missed, model->misses));
    bad |= set(object, "missed_all", count_of(model->missed_all));
    return whole(object, bad);
}

/* One edit, and how many of its queries each model has right. */
static json_t *edit_of(const struct akin__report *report, size_t at)
{
    const struct akin__edit *edit = &report->edit[at];
    json_t *object = json_object(), *right = json_array();
    int bad = akin__json_set_path(object, "kind", edit->kind);
    bad |= set_text(object, "strength", edit->strength);
    bad |= set(object, "queries", count_of(edit->queries));
    for (size_t m = 0; m < report->models; m++) {
        const uint64_t *hits = report->model[m].edit_hits;
        bad |= json_array_append_new(right,
                                     hits ? count_of(hits[at]) : json_null());
    }
    bad |= set(object, "right", right);
    return whole(object, bad);
}

/* object[key] = what `words` holds, which is freed. */
static int set_words(json_t *object, const char *key, struct akin__text *words)
{
    const int bad =
        words->failed
            ? -1
            : set(object, key, json_string(words->length ? words->bytes : ""));
    akin__text_free(words);
    return bad;
}

static json_t *comparison_of(const struct akin__report *report,
                             const struct akin__comparison *comparison)
{
    json_t *object = json_object();
    struct akin__text words = {0};
    int bad =
        akin__json_set_path(object, "a", report->model[comparison->a].name);
    bad |= akin__json_set_path(object, "b", report->model[comparison->b].name);
    bad |= set_text(object, "figure", comparison->figure);
    bad |= set_text(object, "test", comparison->test);
    bad |= set(object, "difference", number(comparison->difference.value));
    bad |= set(object, "interval", interval_of(&comparison->difference));
    bad |= set(object, "p", number(comparison->p));
    bad |= set(object, "only_a", count_of(comparison->only_a));
    bad |= set(object, "only_b", count_of(comparison->only_b));
    akin__comparison_words(report, comparison, &words);
    bad |= set_words(object, "words", &words);
    return whole(object, bad);
}

/* ---------------------------------------------------------------- examples --
 */

static json_t *given_of(const struct akin__report *report, size_t model,
                        const struct akin__example_answers *given)
{
    json_t *object = json_object(), *results = json_array();
    int bad = akin__json_set_path(object, "model", report->model[model].name);
    for (size_t i = 0; i < given->count; i++) {
        json_t *result = json_object();
        int wrong = set(result, "rank", count_of(i + 1));
        wrong |= set_text(result, "path", given->answer[i].path);
        wrong |= set(result, "score", number(given->answer[i].score));
        wrong |= set(result, "right", json_boolean(given->answer[i].right));
        bad |= json_array_append_new(results, whole(result, wrong));
    }
    bad |= set(object, "results", results);
    return whole(object, bad);
}

static const char *const kind_names[AKIN__EXAMPLE_KINDS] = {
    "both_right", "none_right", "only_first", "only_second"};

static json_t *example_of(const struct akin__report *report,
                          const struct akin__example *example)
{
    const bool one = report->first == report->second;
    json_t *object = json_object(), *models = json_array();
    int bad = set(object, "kind", json_string(kind_names[example->kind]));
    bad |= set_text(object, "query", example->query);
    bad |= set_text(object, "truth", example->truth);
    bad |= set_text(object, "edit", example->edit);
    bad |= json_array_append_new(
        models, given_of(report, report->first, &example->given[0]));
    if (!one)
        bad |= json_array_append_new(
            models, given_of(report, report->second, &example->given[1]));
    bad |= set(object, "models", models);
    return whole(object, bad);
}

static json_t *examples_of(const struct akin__report *report)
{
    json_t *object = json_object(), *rows = json_array();
    int bad = 0;
    for (size_t kind = 0; kind < AKIN__EXAMPLE_KINDS; kind++)
        bad |= set(object, kind_names[kind],
                   kind < akin__report_kinds(report)
                       ? count_of(report->kinds[kind])
                       : json_null());
    for (size_t i = 0; i < report->examples; i++)
        bad |= json_array_append_new(rows,
                                     example_of(report, &report->example[i]));
    bad |= set(object, "rows", rows);
    return whole(object, bad);
}

/* ---------------------------------------------------------------- document --
 */

static int set_head(json_t *object, const struct akin__report *report)
{
    json_t *machine = json_object();
    int bad = akin__json_set_path(object, "set", report->set);
    bad |= set_text(object, "date", report->date);
    bad |= set_text(object, "command", report->command);
    bad |= set(object, "queries", count_of(report->queries));
    bad |= set(object, "references", count_of(report->references));
    bad |= set(object, "positives", count_of(report->positives));
    bad |= set(object, "pairs", count_of(report->pairs));
    bad |= set(object, "distractors", count_of(report->distractors));
    bad |= set_text(machine, "cpu", report->cpu);
    bad |= set_text(machine, "card", report->card);
    bad |= set(machine, "threads",
               report->threads ? json_integer(report->threads) : json_null());
    bad |= set_text(machine, "precision", report->precision);
    bad |= set(object, "machine", machine);
    bad |= set(object, "resamples",
               report->resamples ? count_of(report->resamples) : json_null());
    bad |= set(object, "seconds", stages_of(&report->stages));
    return bad;
}

json_t *akin__report_json(const struct akin__report *report)
{
    json_t *object = json_object(), *models = json_array();
    json_t *edits = json_array(), *comparisons = json_array();
    struct akin__text verdict = {0};
    int bad = set_head(object, report);
    akin__report_verdict(report, &verdict);
    bad |= set_words(object, "verdict", &verdict);
    for (size_t m = 0; m < report->models; m++)
        bad |= json_array_append_new(models, model_of(&report->model[m]));
    for (size_t e = 0; e < report->edits; e++)
        bad |= json_array_append_new(edits, edit_of(report, e));
    for (size_t c = 0; c < report->comparisons; c++)
        bad |= json_array_append_new(
            comparisons, comparison_of(report, &report->comparison[c]));
    bad |= set(object, "models", models);
    bad |= set(object, "comparisons", comparisons);
    bad |= set(object, "edits", edits);
    bad |= set(object, "examples", examples_of(report));
    return whole(object, bad);
}
