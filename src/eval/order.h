/*
 * Order: predictions judged by the truth, in the two orders that figures are
 * made of: all by score, and those of each query.
 */
#ifndef AKIN_EVAL_ORDER_H
#define AKIN_EVAL_ORDER_H

#include <stdbool.h>

#include "akin_eval.h"

struct akin__judged {
    double score;
    uint32_t query, reference;
    bool right;
};

/* Best first; equal ones by query, then reference. */
void akin__sort_predictions(akin_eval_prediction *p, size_t count);

/*
 * *judged [*kept], allocated: the predictions, none left out but those of
 * queries that do not count (counts [queries], or NULL: all do; what the set
 * does not have counts only then). In no order yet. AKIN_EUSAGE for a pair that
 * is there twice, and a NAN.
 */
akin_status akin__judge(const akin_eval_set *set, const akin_eval_prediction *p,
                        size_t count, const uint8_t *counts,
                        struct akin__judged **judged, size_t *kept,
                        akin_error *err);

/* Best first, of equal scores the wrong ones first: the challenge's order. */
void akin__sort_by_score(struct akin__judged *judged, size_t count);
/* By query, and the same within each. */
void akin__sort_by_query(struct akin__judged *judged, size_t count);

/* What the predictions of one query [count], sorted so, say. */
struct akin__verdict_of {
    uint32_t rank;      /* of the first right one; AKIN_EVAL_NONE */
    size_t at_1, at_10; /* right ones of the challenge's rank below 1 and 10 */
    double ap, ap_copydays; /* sums, to be divided by the query's true pairs */
};
void akin__judge_query(const struct akin__judged *judged, size_t count,
                       struct akin__verdict_of *verdict);

#endif
