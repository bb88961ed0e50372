/* JSON of akin eval (view/json.h has the rules). */
#ifndef AKIN_VIEW_JSON_EVAL_H
#define AKIN_VIEW_JSON_EVAL_H

#include <stdbool.h>

#include "akin_eval.h"
#include "base/json.h"

/*
 * The five figures of the challenge's scorer; `others`: the others as well;
 * `intervals` may be NULL. What cannot be said, or is not finite, is null.
 */
json_t *akin__json_figures(const akin_eval_figures *figures, bool others,
                           const akin_eval_intervals *intervals);

/* {"accuracy": .., "uAP": ..}: which of two is better, and how surely. */
json_t *akin__json_comparison(const akin_eval_comparison *comparison);

/* akin__json_line with all 17 digits of a double, for scores and figures that
 * are to be compared with others'. */
char *akin__json_exact(const json_t *document);

/* What make-copies made; `failed` and `warnings` are arrays of
 * akin__json_remark; both are taken. */
json_t *akin__json_made_copies(const char *folder, const char *to,
                               const akin_eval_copies_report *report,
                               json_t *failed, json_t *warnings);

#endif
