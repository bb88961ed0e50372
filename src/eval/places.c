/*
 * Places: where true pairs stand in the whole ranking of their query, however
 * far down that is.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/nearest.h"
#include "eval/set.h"

struct places {
    const akin_eval_info *info;
    const akin_eval_pair *pair;
    uint32_t *place;
};

static void place_row(void *rows, size_t number, const float *products)
{
    const struct places *p = rows;
    const akin_eval_pair pair = p->pair[number];
    const uint32_t self = p->info->query[pair.query].self;
    const float own = products[pair.reference];
    uint32_t before = 0;
    for (uint32_t r = 0; r < p->info->references; r++)
        before += products[r] >= own && r != pair.reference && r != self;
    p->place[number] = isnan(own) ? AKIN_EVAL_NONE : before;
}

akin_status akin_eval_places(const akin_eval_set *set, const float *queries,
                             const float *references, size_t dim,
                             const akin_eval_pair *pair, size_t count,
                             int threads, uint32_t *place, akin_error *err)
{
    struct places places = {&set->info, pair, place};
    float *asked = akin__alloc(count, dim * sizeof *asked);
    float *score = akin__alloc(count, sizeof *score);
    uint32_t *at = akin__alloc(count, sizeof *at);
    const struct akin__nearest nearest = {.queries = asked,
                                          .count = count,
                                          .others = references,
                                          .n = set->info.references,
                                          .dim = dim,
                                          .k = 1,
                                          .threads = threads,
                                          .row = place_row,
                                          .rows = &places};
    akin_status status = AKIN_OK;
    AKIN_CHECK(asked && score && at, err, AKIN_ENOMEM,
               "no memory for %zu vectors", count);
    for (size_t i = 0; i < count; i++) {
        AKIN_CHECK(pair[i].query < set->info.queries &&
                       pair[i].reference < set->info.references,
                   err, AKIN_EUSAGE, "a pair of what the set does not have");
        memcpy(asked + i * dim, queries + pair[i].query * dim,
               dim * sizeof *asked);
    }
    AKIN_TRY(akin__nearest(&nearest, score, at, err));
out:
    akin__free(asked);
    akin__free(score);
    akin__free(at);
    return status;
}
