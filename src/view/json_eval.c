/* JSON of akin eval (json_eval.h). */
#include "view/json_eval.h"

#include <math.h>

#include "base/memory.h"
#include "base/text.h"
#include "view/json_parts.h"

static int set_number(json_t *object, const char *key, double value)
{
    return set(object, key, number(value));
}

static json_t *interval_of(akin_eval_interval interval)
{
    return isfinite(interval.low) && isfinite(interval.high)
               ? json_pack("[ff]", interval.low, interval.high)
               : json_null();
}

static json_t *intervals_of(const akin_eval_intervals *i)
{
    json_t *object = json_object();
    int bad = set(object, "uAP", interval_of(i->uap));
    bad |= set(object, "recall_at_p90", interval_of(i->recall_at_p90));
    bad |= set(object, "recall_at_1", interval_of(i->recall_at_1));
    bad |= set(object, "recall_at_10", interval_of(i->recall_at_10));
    bad |= set(object, "accuracy", interval_of(i->accuracy));
    bad |= set(object, "top3", interval_of(i->top3));
    return whole(object, bad);
}

json_t *akin__json_figures(const akin_eval_figures *f, bool others,
                           const akin_eval_intervals *intervals)
{
    json_t *object = json_object();
    int bad = set_number(object, "uAP", f->uap);
    bad |= set_number(object, "recall_at_p90", f->recall_at_p90);
    bad |= set_number(object, "threshold_at_p90", f->threshold_at_p90);
    bad |= set_number(object, "recall_at_1", f->recall_at_1);
    bad |= set_number(object, "recall_at_10", f->recall_at_10);
    if (others) {
        bad |= set_number(object, "accuracy", f->accuracy);
        bad |= set_number(object, "top3", f->top3);
        bad |= set_number(object, "accuracy_all", f->accuracy_all);
        bad |= set_number(object, "top3_all", f->top3_all);
        bad |= set_number(object, "r_at_5", f->r_at_5);
        bad |= set_number(object, "r_at_10", f->r_at_10);
        bad |= set_number(object, "mAP", f->map);
        bad |= set_number(object, "mAP_copydays", f->map_copydays);
        bad |= set_count(object, "queries", f->queries);
        bad |= set_count(object, "positives", f->positives);
        bad |= set_count(object, "pairs", f->pairs);
        bad |= set_count(object, "references", f->references);
        bad |= set_count(object, "predictions", f->predictions);
    }
    if (intervals)
        bad |= set(object, "intervals", intervals_of(intervals));
    return whole(object, bad);
}

json_t *akin__json_comparison(const akin_eval_comparison *c)
{
    json_t *object = json_object(), *accuracy = json_object(),
           *uap = json_object();
    int bad = set_count(accuracy, "both", c->both);
    bad |= set_count(accuracy, "neither", c->neither);
    bad |= set_count(accuracy, "only_a", c->only_a);
    bad |= set_count(accuracy, "only_b", c->only_b);
    bad |= set_number(accuracy, "p", c->accuracy_p);
    bad |= set(object, "accuracy", accuracy);
    bad |= set_number(uap, "difference", c->uap_difference);
    bad |= set(uap, "interval", interval_of(c->uap_interval));
    bad |= set_number(uap, "p", c->uap_p);
    bad |= set(object, "uAP", uap);
    return whole(object, bad);
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
    bad |= set_count(object, "photos", report->photos);
    bad |= set_count(object, "references", report->references);
    bad |= set_count(object, "distractors", report->distractors);
    bad |= set_count(object, "queries", report->queries);
    bad |= set_count(object, "made", report->made);
    bad |= set_count(object, "same", report->same);
    bad |= set_count(object, "skipped", report->skipped);
    bad |= set(object, "failed", failed);
    bad |= set(object, "warnings", warnings);
    bad |= set_number(object, "seconds", report->seconds);
    return whole(object, bad);
}
