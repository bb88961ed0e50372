/*
 * JSON of every command that has results: docs/json.md in code. Each function
 * gives a new document, or NULL when memory is short. Unknown numbers are
 * null, never 0.
 */
#ifndef AKIN_VIEW_JSON_H
#define AKIN_VIEW_JSON_H

#include <stdbool.h>

#include "akin_eval.h"
#include "base/json.h"
#include "view/result.h"

/* One element of compare's "pairs". */
json_t *akin__json_pair(const struct akin__pair *pair);

/* One line of search. */
json_t *akin__json_answers(const struct akin__answers *answers);

/* One line of label. */
json_t *akin__json_labelled(const struct akin__labelled *labelled);

/* One element of dups' "groups". */
json_t *akin__json_copies(const struct akin__copies *copies);

/* The members of dups' document that stand before "groups". */
json_t *akin__json_dups(const char *index, const akin_dups_info *info);

/* `failed` and `warnings` are arrays of akin__json_remark; both are taken. */
json_t *akin__json_update(const struct akin__update *update, json_t *failed,
                          json_t *warnings);

/* {"path", "reason"} at the end of `array`; -1 when memory is short. */
int akin__json_remark(json_t *array, const char *path, const char *reason);

/* certainty [info->models], NULL where there is none. `errors`, taken, is an
 * array of akin__json_remark, or NULL for none. */
json_t *akin__json_info(const char *index, const akin_index_info *info,
                        const akin_certainty *const *certainty, json_t *errors);

/* One line of eval calibrate. */
json_t *akin__json_calibration(const char *index, const char *model,
                               const akin_eval_calibration *calibration);

/* {"problem", "path"} at the end of `array`; `path` may be NULL. -1 when memory
 * is short. */
int akin__json_problem(json_t *array, const char *problem, const char *path);

/* What verify found or repair did; `problems`, not taken, is an array of
 * akin__json_problem. */
json_t *akin__json_check(const char *index, const akin_check_report *report,
                         bool repaired, json_t *problems);

/* What export wrote; `paths` and `ids` are NULL where no such file is beside.
 */
json_t *akin__json_export(const char *index, const char *model,
                          const char *format, const char *output,
                          const char *paths, const char *ids, uint64_t rows);
json_t *akin__json_pgvector(const char *index, const char *model,
                            const akin_pgvector_report *report);

/* What import did with the file `input`. */
json_t *akin__json_import(const char *index, const char *model,
                          const char *input, const akin_import_report *report);

/* One line of embed; vector [dim]. */
json_t *akin__json_vector(const char *path, const char *model,
                          const char *device, size_t dim, const float *vector);
/* The same of a text, and what the model reads of it; ids [count]. */
json_t *akin__json_text(const char *text, const char *model, const char *device,
                        size_t dim, const float *vector);
json_t *akin__json_tokens(const char *text, const int32_t *ids, size_t count);

/* docs/models.md: one element of model list's "models". */
json_t *akin__json_entry(const akin_model_entry *entry);

/* One element of model pull's and path's "models": where `model` is, or, with
 * the `reason`, why it is not anywhere. */
json_t *akin__json_folder(const char *model, const char *folder,
                          const char *reason);

/* One file of model verify. */
json_t *akin__json_file(const akin_model_file *file);

/* One element of model verify's "models"; `files` and `figures`, taken, are of
 * akin__json_file and akin__json_figure. `published`: 1, 0, or -1 when it was
 * not looked at. */
json_t *akin__json_verdict(const char *model, const char *reason, json_t *files,
                           int published, json_t *figures);
json_t *akin__json_figure(const akin_figure *figure);

/* One line of bench, and one of bench --accuracy. */
json_t *akin__json_speed(const struct akin__speed *speed);
json_t *akin__json_truth(const struct akin__truth *truth);

/* The document as one line of text, with its newline; NULL when memory is
 * short. Freed by akin__free. */
char *akin__json_line(const json_t *document);

#endif
