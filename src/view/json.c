/* JSON (json.h). */
#include "view/json.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "view/json_parts.h"

static int append(json_t *array, json_t *value)
{
    return json_array_append_new(array, value);
}

/* Times need no more than a thousandth. */
static json_t *seconds(double time)
{
    return json_real(round(time * 1000) / 1000);
}

static json_t *score_of(const char *model, double cosine)
{
    json_t *score = json_object();
    int bad = akin__json_set_path(score, "model", model);
    bad |= set(score, "cosine", json_real(cosine));
    bad |= set(score, "score", json_real(akin_score(cosine)));
    return whole(score, bad);
}

json_t *akin__json_pair(const struct akin__pair *pair)
{
    json_t *object = json_object(), *scores = json_array();
    int bad = akin__json_set_path(object, "a", pair->a);
    bad |= akin__json_set_path(object, "b", pair->b);
    for (size_t m = 0; m < pair->models; m++)
        bad |= append(scores, score_of(pair->model[m], pair->cosine[m]));
    bad |= set(object, "scores", scores);
    return whole(object, bad);
}

static json_t *result(size_t rank, const akin_match *match,
                      const akin_certainty *certainty)
{
    json_t *object = json_object();
    int bad = set_count(object, "rank", rank);
    bad |= akin__json_set_path(object, "path", match->path);
    bad |= set(object, "cosine", json_real(match->cosine));
    bad |= set(object, "score", json_real(match->score));
    bad |= set(object, "probability",
               number(akin__stated(certainty, match->cosine)));
    return whole(object, bad);
}

static json_t *ranking_of(const struct akin__ranking *ranking, bool with_part)
{
    static const char *const parts[] = {[AKIN__WHOLE] = "whole",
                                        [AKIN__PICTURES] = "pictures",
                                        [AKIN__NOTHING] = "nothing"};
    json_t *object = json_object(), *results = json_array();
    int bad = akin__json_set_path(object, "model", ranking->model);
    if (with_part)
        bad |= set(object, "answers", json_string(parts[ranking->part]));
    for (size_t i = 0; i < ranking->found; i++)
        bad |= append(results, result(ranking->offset + i + 1,
                                      &ranking->match[i], ranking->certainty));
    bad |= set(object, "results", results);
    return whole(object, bad);
}

/* The words; and where one is no UTF-8 a second list, with its true bytes in
 * its place. */
static int set_words(json_t *object, const struct akin__answers *answers)
{
    json_t *words = json_array(), *hex = json_array();
    bool odd = false;
    int bad = 0;
    for (size_t i = 0; i < answers->words; i++) {
        json_t *both = json_object();
        bad |= akin__json_set_path(both, "word", answers->word[i]);
        json_t *bytes = json_object_get(both, "word_hex");
        odd = odd || bytes;
        bad |= json_array_append(words, json_object_get(both, "word"));
        bad |= append(hex, bytes ? json_incref(bytes) : json_null());
        json_decref(both);
    }
    bad |= set(object, "query", words);
    if (odd)
        return bad | set(object, "query_hex", hex);
    json_decref(hex);
    return bad;
}

static json_t *terms_of(const struct akin__answers *answers)
{
    json_t *terms = json_array();
    int bad = terms ? 0 : -1;
    for (size_t i = 0; i < answers->terms; i++) {
        const struct akin__term *term = &answers->term[i];
        json_t *object = json_object();
        int wrong = set(object, "weight", json_real(term->weight));
        wrong |= akin__json_set_path(object, term->picture ? "path" : "text",
                                     term->say);
        bad |= append(terms, whole(object, wrong));
    }
    return whole(terms, bad);
}

json_t *akin__json_answers(const struct akin__answers *answers)
{
    json_t *object = json_object(), *models = json_array();
    const bool lone = akin__lone_picture(answers);
    int bad = set_words(object, answers);
    if (!lone)
        bad |= set(object, "terms", terms_of(answers));
    for (size_t m = 0; m < answers->models; m++)
        bad |= append(models, ranking_of(&answers->ranking[m], !lone));
    bad |= set(object, "models", models);
    return whole(object, bad);
}

static json_t *label_of(const char *name, const akin_label *label)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "label", name);
    bad |= set(object, "probability", json_real(label->probability));
    bad |= set(object, "cosine", json_real(label->cosine));
    return whole(object, bad);
}

json_t *akin__json_labelled(const struct akin__labelled *labelled)
{
    json_t *object = json_object(), *labels = json_array();
    int bad = akin__json_set_path(object, "path", labelled->path);
    bad |= akin__json_set_path(object, "model", labelled->model);
    for (size_t i = 0; i < labelled->count; i++) {
        const akin_label *label = &labelled->best[i];
        bad |= append(labels, label_of(labelled->name[label->label], label));
    }
    bad |= set(object, "labels", labels);
    return whole(object, bad);
}

/* A model without a vector of the picture has no score. */
static json_t *scores_of(const struct akin__copies *copies,
                         const akin_copy *copy)
{
    const akin_dups_info *info = copies->info;
    json_t *scores = json_array();
    int bad = scores ? 0 : -1;
    for (size_t m = 0; m < info->models; m++) {
        const akin_certainty *certainty =
            copies->certainty ? copies->certainty[m] : NULL;
        if (isnan(copy->cosine[m]))
            continue;
        json_t *score = score_of(info->model[m], copy->cosine[m]);
        bad |= set(score, "probability",
                   number(akin__stated(certainty, copy->cosine[m])));
        bad |= append(scores, score);
    }
    return whole(scores, bad);
}

static int set_deed(json_t *object, const struct akin__deed *deed)
{
    int bad = set(object, "done", json_boolean(deed->done));
    bad |= set(object, "one_file", json_boolean(deed->one_file));
    if (deed->to)
        bad |= akin__json_set_path(object, "to", deed->to);
    else
        bad |= set(object, "to", json_null());
    return bad | set(object, "reason",
                     deed->reason ? json_string(deed->reason) : json_null());
}

static json_t *copy_of(const struct akin__copies *copies, size_t at)
{
    const akin_copy *copy = &copies->group.copy[at];
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "path", copy->path);
    bad |= set(object, "keep", json_boolean(at == 0));
    bad |= set_count(object, "width", copy->width);
    bad |= set_count(object, "height", copy->height);
    bad |= set_count(object, "bytes", copy->bytes);
    bad |= set(object, "format", json_string(copy->format));
    bad |= set(object, "identical", json_boolean(copy->identical));
    bad |= set(object, "distance",
               copy->distance < 0 ? json_null() : json_integer(copy->distance));
    bad |= set(object, "scores", scores_of(copies, copy));
    if (copies->deed && at)
        bad |= set_deed(object, &copies->deed[at]);
    return whole(object, bad);
}

json_t *akin__json_copies(const struct akin__copies *copies)
{
    json_t *object = json_object(), *files = json_array();
    int bad = 0;
    for (size_t i = 0; i < copies->group.copies; i++)
        bad |= append(files, copy_of(copies, i));
    bad |= set(object, "files", files);
    bad |= set_count(object, "bytes_to_free", copies->group.bytes_to_free);
    return whole(object, bad);
}

json_t *akin__json_dups(const char *index, const akin_dups_info *info)
{
    json_t *object = json_object(), *models = json_array();
    int bad = akin__json_set_path(object, "index", index);
    for (size_t m = 0; m < info->models; m++) {
        json_t *model = json_object();
        int wrong = akin__json_set_path(model, "model", info->model[m]);
        wrong |= set(model, "threshold", json_real(info->threshold[m]));
        wrong |= set(model, "certain", number(info->certain[m]));
        bad |= append(models, whole(model, wrong));
    }
    bad |= set(object, "models", models);
    bad |= set_count(object, "distance", (uint64_t)info->distance);
    bad |= set_count(object, "pictures", info->pictures);
    bad |= set_count(object, "bytes_to_free", info->bytes_to_free);
    bad |= set_count(object, "alike", info->alike);
    bad |= set_count(object, "unhashed", info->unhashed);
    return whole(object, bad);
}

int akin__json_remark(json_t *array, const char *path, const char *reason)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "path", path);
    bad |= akin__json_set_path(object, "reason", reason);
    return append(array, whole(object, bad));
}

int akin__json_problem(json_t *array, const char *problem, const char *path)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "problem", problem);
    bad |= path ? akin__json_set_path(object, "path", path)
                : set(object, "path", json_null());
    return append(array, whole(object, bad));
}

json_t *akin__json_check(const char *index, const akin_check_report *report,
                         bool repaired, json_t *problems)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "index", index);
    bad |=
        set(object, "whole", json_boolean(repaired || report->problems == 0));
    bad |= set_count(object, "pictures", report->pictures);
    bad |= set_count(object, "rows", report->rows);
    bad |= set_count(object, "dead", report->dead);
    bad |= set_count(object, "uncommitted", report->uncommitted);
    if (repaired)
        bad |= set_count(object, "lost", report->lost);
    bad |= set(object, "problems", json_incref(problems));
    return whole(object, bad);
}

static json_t *pace_of(const char *model, uint64_t images, double time)
{
    json_t *object = json_object();
    const double pace = akin__pace(images, time);
    int bad = akin__json_set_path(object, "model", model);
    bad |= set_count(object, "images", images);
    bad |= set(object, "seconds", seconds(time));
    bad |= set(object, "images_per_second",
               pace > 0 ? json_real(round(pace * 10) / 10) : json_null());
    return whole(object, bad);
}

json_t *akin__json_update(const struct akin__update *update, json_t *failed,
                          json_t *warnings)
{
    const akin_index_report *report = update->report;
    json_t *object = json_object(), *models = json_array();
    int bad = akin__json_set_path(object, "index", update->index);
    bad |= set_count(object, "added", report->added);
    bad |= set_count(object, "updated", report->updated);
    bad |= set_count(object, "unchanged", report->unchanged);
    bad |= set_count(object, "removed", report->removed);
    bad |= set(object, "failed", failed);
    for (size_t m = 0; m < update->models; m++)
        bad |= append(models, pace_of(update->model[m], report->model[m].images,
                                      report->model[m].seconds));
    bad |= set(object, "models", models);
    bad |= set(object, "seconds", seconds(report->seconds));
    bad |= set_count(object, "renamed", report->renamed);
    bad |= set_count(object, "skipped", report->skipped);
    bad |= set(object, "warnings", warnings);
    return whole(object, bad);
}

/* Null where nothing was calibrated. */
static json_t *certainty_of(const akin_certainty *certainty)
{
    static const double certain[] = {0.9, 0.99, 0.999};
    if (!certainty)
        return json_null();
    json_t *object = json_object(), *thresholds = json_array();
    int bad = akin__json_set_path(object, "truth", certainty->truth);
    bad |= set_count(object, "pairs", certainty->answers);
    bad |= set_count(object, "right", certainty->right);
    for (size_t i = 0; i < AKIN_EVAL_CERTAIN; i++) {
        json_t *one = json_object();
        int wrong = set(one, "certain", json_real(certain[i]));
        wrong |= set(one, "cosine",
                     number(akin_certain_from(certainty, certain[i])));
        bad |= append(thresholds, whole(one, wrong));
    }
    bad |= set(object, "thresholds", thresholds);
    return whole(object, bad);
}

static json_t *devices_of(const char *words)
{
    json_t *list = *words ? json_array() : json_null();
    int bad = 0;
    for (; *words; words += strspn(words, ", ")) {
        const size_t length = strcspn(words, ",");
        bad |= append(list, json_stringn(words, length));
        words += length;
    }
    return whole(list, bad);
}

static json_t *model_of(const akin_index_model *model,
                        const akin_certainty *certainty)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "model", model->name);
    bad |= akin__json_set_path(object, "family", model->family);
    bad |= set_count(object, "dim", model->dim);
    bad |= akin__json_set_path(object, "pool", model->pool);
    bad |= akin__json_set_path(object, "precision", model->precision);
    bad |= set(object, "devices", devices_of(model->devices));
    bad |= set_count(object, "images", model->images);
    bad |= akin__json_set_path(object, "fingerprint", model->fingerprint);
    bad |= akin__json_set_path(object, "folder", model->folder);
    bad |= *model->revision
               ? akin__json_set_path(object, "revision", model->revision)
               : set(object, "revision", json_null());
    bad |= set(object, "certainty", certainty_of(certainty));
    return whole(object, bad);
}

/* Roots may be any bytes; an array of texts has no place for a second key. */
static json_t *roots_of(const akin_index_info *info)
{
    json_t *roots = json_array();
    int bad = 0;
    for (size_t i = 0; i < info->roots; i++) {
        json_t *plain = json_object();
        bad |= plain ? akin__json_set_path(plain, "root", info->root[i]) : -1;
        bad |= json_array_append(roots, json_object_get(plain, "root"));
        json_decref(plain);
    }
    return whole(roots, bad);
}

json_t *akin__json_calibration(const char *index, const char *model,
                               const akin_eval_calibration *calibration)
{
    json_t *object = json_object(), *thresholds = json_array();
    int bad = akin__json_set_path(object, "index", index);
    bad |= akin__json_set_path(object, "model", model);
    bad |= akin__json_set_path(object, "truth", calibration->certainty.truth);
    bad |= set_count(object, "queries", calibration->queries);
    bad |= set_count(object, "pairs", calibration->certainty.answers);
    bad |= set_count(object, "right", calibration->certainty.right);
    for (size_t i = 0; i < AKIN_EVAL_CERTAIN; i++) {
        const akin_eval_certain *t = &calibration->threshold[i];
        json_t *one = json_object();
        int wrong = set(one, "certain", json_real(t->certain));
        wrong |= set(one, "cosine", number(t->cosine));
        wrong |= set_count(one, "pairs", t->answers);
        wrong |= set_count(one, "right", t->right);
        wrong |= set_count(one, "lacking", t->lacking);
        bad |= append(thresholds, whole(one, wrong));
    }
    bad |= set(object, "thresholds", thresholds);
    return whole(object, bad);
}

json_t *akin__json_info(const char *index, const akin_index_info *info,
                        const akin_certainty *const *certainty, json_t *errors)
{
    json_t *object = json_object(), *models = json_array();
    int bad = akin__json_set_path(object, "index", index);
    bad |= set_count(object, "version", info->version);
    bad |= set_count(object, "files", info->files);
    bad |= set_count(object, "failed", info->failed);
    bad |= set_count(object, "bytes", info->bytes);
    bad |= set(object, "exif",
               json_string(info->exif == AKIN_EXIF_OFF ? "off" : "on"));
    bad |=
        set(object, "decode",
            json_string(info->decode == AKIN_DECODE_FAST ? "fast" : "exact"));
    bad |= set(object, "roots", roots_of(info));
    for (size_t m = 0; m < info->models; m++)
        bad |= append(models, model_of(&info->model[m], certainty[m]));
    bad |= set(object, "models", models);
    if (errors)
        bad |= set(object, "errors", errors);
    return whole(object, bad);
}

static json_t *vector_of(const char *key, const char *name, const char *model,
                         const char *device, size_t dim, const float *vector)
{
    json_t *object = json_object(), *numbers = json_array();
    int bad = akin__json_set_path(object, key, name);
    bad |= akin__json_set_path(object, "model", model);
    bad |= set(object, "device", json_string(device));
    bad |= set_count(object, "dim", dim);
    for (size_t i = 0; i < dim; i++)
        bad |= append(numbers, json_real((double)vector[i]));
    bad |= set(object, "vector", numbers);
    return whole(object, bad);
}

json_t *akin__json_vector(const char *path, const char *model,
                          const char *device, size_t dim, const float *vector)
{
    return vector_of("path", path, model, device, dim, vector);
}

json_t *akin__json_text(const char *text, const char *model, const char *device,
                        size_t dim, const float *vector)
{
    return vector_of("text", text, model, device, dim, vector);
}

json_t *akin__json_tokens(const char *text, const int32_t *ids, size_t count)
{
    json_t *object = json_object(), *numbers = json_array();
    int bad = akin__json_set_path(object, "text", text);
    for (size_t i = 0; i < count; i++)
        bad |= append(numbers, json_integer(ids[i]));
    bad |= set(object, "ids", numbers);
    return whole(object, bad);
}

json_t *akin__json_export(const char *index, const char *model,
                          const char *format, const char *output,
                          const char *paths, const char *ids, uint64_t rows)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "index", index);
    bad |= akin__json_set_path(object, "model", model);
    bad |= set(object, "format", json_string(format));
    bad |= akin__json_set_path(object, "output", output);
    bad |= set_text(object, "paths", paths);
    bad |= set_count(object, "rows", rows);
    bad |= set_text(object, "ids", ids);
    return whole(object, bad);
}

json_t *akin__json_pgvector(const char *index, const char *model,
                            const akin_pgvector_report *report)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "index", index);
    bad |= akin__json_set_path(object, "model", model);
    bad |= set(object, "format", json_string("pgvector"));
    bad |= akin__json_set_path(object, "server", report->server);
    bad |= akin__json_set_path(object, "table", report->table);
    bad |= set_count(object, "added", report->added);
    bad |= set_count(object, "updated", report->updated);
    bad |= set_count(object, "removed", report->removed);
    bad |= set_count(object, "unchanged", report->unchanged);
    return whole(object, bad);
}

json_t *akin__json_import(const char *index, const char *model,
                          const char *input, const akin_import_report *report)
{
    json_t *object = json_object();
    int bad = akin__json_set_path(object, "index", index);
    bad |= akin__json_set_path(object, "model", model);
    bad |= akin__json_set_path(object, "input", input);
    bad |= set_text(object, "format", report->format);
    bad |= set_count(object, "rows", report->rows);
    bad |= set_count(object, "added", report->added);
    bad |= set_count(object, "updated", report->updated);
    bad |= set_count(object, "unchanged", report->unchanged);
    bad |= set_count(object, "missing", report->missing);
    bad |= set_count(object, "compared", report->compared);
    bad |= set(object, "cosine_min",
               report->compared ? json_real(report->cosine_min) : json_null());
    return whole(object, bad);
}

json_t *akin__json_entry(const akin_model_entry *entry)
{
    const int there = *entry->folder != 0;
    json_t *object = json_object();
    int bad = set_text(object, "model", entry->name);
    bad |= set_text(object, "id", entry->id);
    bad |= set_text(object, "revision", entry->revision);
    bad |= set_text(object, "folder", entry->folder);
    bad |= set_text(object, "family", entry->family);
    bad |= set(object, "bytes",
               there ? json_integer((json_int_t)entry->bytes) : json_null());
    return whole(object, bad);
}

json_t *akin__json_folder(const char *model, const char *folder,
                          const char *reason)
{
    json_t *object = json_object();
    int bad = set_text(object, "model", model);
    bad |= set_text(object, "folder", folder);
    bad |= set_text(object, "reason", reason);
    return whole(object, bad);
}

json_t *akin__json_file(const akin_model_file *file)
{
    json_t *object = json_object();
    int bad = set_text(object, "path", file->path);
    bad |= set(object, "bytes", json_integer((json_int_t)file->bytes));
    bad |= set(object, "hash_compared", json_boolean(file->hashed));
    bad |= set_text(object, "problem", file->problem);
    return whole(object, bad);
}

json_t *akin__json_figure(const akin_figure *figure)
{
    json_t *object = json_object();
    const bool known = !figure->skipped;
    int bad = set_text(object, "figure", figure->name);
    bad |= set(object, "holds",
               known ? json_boolean(figure->difference <= figure->limit)
                     : json_null());
    bad |= set(object, "difference",
               known ? json_real(figure->difference) : json_null());
    bad |= set(object, "limit", known ? json_real(figure->limit) : json_null());
    bad |= set_text(object, "skipped", figure->skipped);
    return whole(object, bad);
}

json_t *akin__json_verdict(const char *model, const char *reason, json_t *files,
                           int published, json_t *figures)
{
    json_t *object = json_object();
    int bad = set_text(object, "model", model);
    bad |= set(object, "whole", json_boolean(!reason));
    bad |= set_text(object, "reason", reason);
    bad |= set(object, "files", files);
    bad |= set(object, "published",
               published < 0 ? json_null() : json_boolean(published));
    bad |= set(object, "figures", figures);
    return whole(object, bad);
}

/* null for 0: not known. */
static json_t *known(double number)
{
    return number > 0 ? json_real(number) : json_null();
}

static json_t *rate_of(const struct akin__rate *rate)
{
    json_t *object = json_object();
    int bad = set(object, "images_per_second", known(rate->best));
    bad |= set(object, "median", known(rate->median));
    return whole(object, bad);
}

json_t *akin__json_speed(const struct akin__speed *speed)
{
    json_t *object = json_object(), *gemm = json_object();
    int bad = akin__json_set_path(object, "model", speed->model);
    bad |= set(object, "precision", json_string(speed->precision));
    bad |= set(object, "threads", json_integer(speed->threads));
    bad |= set_text(object, "cpu", speed->cpu);
    bad |= set(object, "device", json_string(speed->device));
    bad |= set_text(object, "card", speed->card);
    bad |= set(object, "kernels", json_string(speed->kernels));
    bad |= set(object, "read", rate_of(&speed->read));
    bad |= set(object, "decode", rate_of(&speed->decode));
    bad |= set(object, "resize", rate_of(&speed->resize));
    bad |= set(object, "network", rate_of(&speed->network));
    bad |= set(object, "pipeline", rate_of(&speed->pipeline));
    bad |= set(gemm, "share_of_peak", known(speed->gemm_share));
    bad |= set(object, "gemm", gemm);
    bad |=
        set(object, "memory_bytes",
            speed->memory_bytes ? json_integer((json_int_t)speed->memory_bytes)
                                : json_null());
    return whole(object, bad);
}

json_t *akin__json_truth(const struct akin__truth *truth)
{
    const akin_closeness *c = &truth->closeness;
    json_t *object = json_object(), *cosine = json_object();
    int bad = akin__json_set_path(object, "model", truth->model);
    bad |= set(object, "precision", json_string(truth->precision));
    bad |= set_count(object, "images", c->images);
    bad |= set(cosine, "min", json_real(c->cosine_min));
    bad |= set(cosine, "p01", json_real(c->cosine_p01));
    bad |= set(cosine, "mean", json_real(c->cosine_mean));
    bad |= set(object, "cosine", cosine);
    bad |= set(object, "same_nearest",
               c->images > 1
                   ? json_real((double)c->same_nearest / (double)c->images)
                   : json_null());
    bad |= set(object, "speed", known(truth->speed));
    return whole(object, bad);
}

char *akin__json_line(const json_t *document)
{
    /* 9 digits bring a float back as it was. */
    char *text = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(9));
    char *line = text ? akin__format("%s\n", text) : NULL;
    akin__free(text);
    return line;
}
