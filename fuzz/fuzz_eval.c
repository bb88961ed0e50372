/*
 * Fuzz: any bytes as a ground truth and, behind the first zero byte, as the
 * challenge's predictions. libFuzzer; built with -Dfuzz=true. What is read can
 * be measured, and shares are shares; what is written reads back the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "akin_eval.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static char truth[] = "/tmp/akin-fuzz-XXXXXX", list[] = "/tmp/akin-fuzz-XXXXXX",
            out[] = "/tmp/akin-fuzz-XXXXXX";

static void put(const char *path, const uint8_t *bytes, size_t count)
{
    struct akin__file file;
    if (akin__file_open(&file, path, AKIN__FRESH, NULL) ||
        akin__file_write(&file, bytes, count, 0, NULL))
        abort();
    akin__file_close(&file);
}

static void check_share(double value)
{
    if (!(value >= 0 && value <= 1 + 1e-9))
        abort();
}

static bool all_known(const akin_eval_info *info,
                      const akin_eval_predictions *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->at[i].query >= info->queries ||
            p->at[i].reference >= info->references)
            return false;
    }
    return true;
}

static void check(const akin_eval_set *set, const akin_eval_predictions *p)
{
    const akin_eval_bootstrap_options few = {
        .size = sizeof few, .resamples = 3, .threads = 1};
    akin_eval_figures figures, again;
    akin_eval_intervals intervals;
    akin_eval_predictions back;
    akin_eval_info info;
    akin_error err;
    if (akin_eval_measure(set, p->at, p->count, NULL, NULL, &figures, &err) ||
        akin_eval_bootstrap(set, p->at, p->count, &few, &intervals, &err))
        abort();
    check_share(figures.uap);
    check_share(figures.recall_at_10);
    check_share(figures.map_copydays);
    akin_eval_set_describe(set, &info);
    if (!all_known(&info, p))
        return;
    if (akin_eval_write(set, out, p->at, p->count, &err) ||
        akin_eval_read(set, out, &back, &err) || back.count != p->count ||
        akin_eval_measure(set, back.at, back.count, NULL, NULL, &again, &err) ||
        again.uap != figures.uap)
        abort();
    akin_eval_predictions_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const akin_eval_set_options ids = {.size = sizeof ids,
                                       .layout = AKIN_EVAL_IDS};
    const uint8_t *zero = count ? memchr(bytes, 0, count) : NULL;
    const size_t first = zero ? (size_t)(zero - bytes) : count;
    akin_eval_predictions predictions;
    akin_eval_set *set;
    akin_error err;
    if (strchr(truth, 'X')) {
        close(mkstemp(truth));
        close(mkstemp(list));
        close(mkstemp(out));
    }
    put(truth, bytes, first);
    put(list, bytes + first + (zero != NULL), count - first - (zero != NULL));
    if (akin_eval_set_open(&set, truth, &ids, &err))
        return 0;
    if (!akin_eval_read(set, list, &predictions, &err)) {
        check(set, &predictions);
        akin_eval_predictions_free(&predictions);
    }
    akin_eval_set_close(&set);
    return 0;
}
