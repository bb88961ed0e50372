/* JSON of akin eval (json_eval.h). */
#include "view/json_eval.h"

#include <math.h>

#include "base/memory.h"
#include "base/text.h"

/* Jansson passes a value that could not be made on as an error. */
static int add(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value);
}

static int add_number(json_t *object, const char *key, double number)
{
    return add(object, key, isfinite(number) ? json_real(number) : json_null());
}

static int add_count(json_t *object, const char *key, uint64_t count)
{
    return add(object, key, json_integer((json_int_t)count));
}

static json_t *interval_of(akin_eval_interval interval)
{
    return isfinite(interval.low) && isfinite(interval.high)
               ? json_pack("[ff]", interval.low, interval.high)
               : json_null();
}

static json_t *finish(json_t *object, int bad)
{
    if (!bad)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *intervals_of(const akin_eval_intervals *i)
{
    json_t *object = json_object();
    int bad = add(object, "uAP", interval_of(i->uap));
    bad |= add(object, "recall_at_p90", interval_of(i->recall_at_p90));
    bad |= add(object, "recall_at_1", interval_of(i->recall_at_1));
    bad |= add(object, "recall_at_10", interval_of(i->recall_at_10));
    bad |= add(object, "accuracy", interval_of(i->accuracy));
    bad |= add(object, "top3", interval_of(i->top3));
    return finish(object, bad);
}

json_t *akin__json_figures(const akin_eval_figures *f, bool whole,
                           const akin_eval_intervals *intervals)
{
    json_t *object = json_object();
    int bad = add_number(object, "uAP", f->uap);
    bad |= add_number(object, "recall_at_p90", f->recall_at_p90);
    bad |= add_number(object, "threshold_at_p90", f->threshold_at_p90);
    bad |= add_number(object, "recall_at_1", f->recall_at_1);
    bad |= add_number(object, "recall_at_10", f->recall_at_10);
    if (whole) {
        bad |= add_number(object, "accuracy", f->accuracy);
        bad |= add_number(object, "top3", f->top3);
        bad |= add_number(object, "accuracy_all", f->accuracy_all);
        bad |= add_number(object, "top3_all", f->top3_all);
        bad |= add_number(object, "r_at_5", f->r_at_5);
        bad |= add_number(object, "r_at_10", f->r_at_10);
        bad |= add_number(object, "mAP", f->map);
        bad |= add_number(object, "mAP_copydays", f->map_copydays);
        bad |= add_count(object, "queries", f->queries);
        bad |= add_count(object, "positives", f->positives);
        bad |= add_count(object, "pairs", f->pairs);
        bad |= add_count(object, "references", f->references);
        bad |= add_count(object, "predictions", f->predictions);
    }
    if (intervals)
        bad |= add(object, "intervals", intervals_of(intervals));
    return finish(object, bad);
}

json_t *akin__json_comparison(const akin_eval_comparison *c)
{
    json_t *object = json_object(), *accuracy = json_object(),
           *uap = json_object();
    int bad = add_count(accuracy, "both", c->both);
    bad |= add_count(accuracy, "neither", c->neither);
    bad |= add_count(accuracy, "only_a", c->only_a);
    bad |= add_count(accuracy, "only_b", c->only_b);
    bad |= add_number(accuracy, "p", c->accuracy_p);
    bad |= add(object, "accuracy", accuracy);
    bad |= add_number(uap, "difference", c->uap_difference);
    bad |= add(uap, "interval", interval_of(c->uap_interval));
    bad |= add_number(uap, "p", c->uap_p);
    bad |= add(object, "uAP", uap);
    return finish(object, bad);
}

char *akin__json_exact(const json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(17));
    char *line = text ? akin__format("%s\n", text) : NULL;
    akin__free(text);
    return line;
}

json_t *akin__json_made_copies(const char *folder, const char *to,
                               const akin_eval_copies_report *report,
                               json_t *failed, json_t *warnings)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "folder", folder);
    bad |= akin__json_set_path(object, "set", to);
    bad |= add_count(object, "photos", report->photos);
    bad |= add_count(object, "references", report->references);
    bad |= add_count(object, "distractors", report->distractors);
    bad |= add_count(object, "queries", report->queries);
    bad |= add_count(object, "made", report->made);
    bad |= add_count(object, "same", report->same);
    bad |= add_count(object, "skipped", report->skipped);
    bad |= add(object, "failed", failed);
    bad |= add(object, "warnings", warnings);
    bad |= add_number(object, "seconds", report->seconds);
    return finish(object, bad);
}
