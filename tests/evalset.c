/*
 * A set as lines, for evalset_test.py:
 *   evalset PATH [truth=FILE] [queries=FILE] [references=FILE] [count=N]
 *           [seed=N] [layout=N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin_eval.h"

static void print(const char *kind, const akin_eval_item *item, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s\t%s\t%s\t%ld\t%ld\t%s\t%s\n", kind, item[i].id,
               item[i].path ? item[i].path : "", (long)(int32_t)item[i].label,
               (long)(int32_t)item[i].self, item[i].edit, item[i].strength);
}

static void take(akin_eval_set_options *o, const char *word)
{
    const char *value = strchr(word, '=') + 1;
    if (!strncmp(word, "truth=", 6))
        o->truth = value;
    if (!strncmp(word, "queries=", 8))
        o->queries = value;
    if (!strncmp(word, "references=", 11))
        o->references = value;
    if (!strncmp(word, "count=", 6))
        o->reference_count = strtoul(value, NULL, 10);
    if (!strncmp(word, "seed=", 5))
        o->seed = strtoul(value, NULL, 10);
    if (!strncmp(word, "layout=", 7))
        o->layout = (akin_eval_layout)atoi(value);
}

int main(int argc, char **argv)
{
    akin_eval_set_options options = {.size = sizeof options};
    akin_eval_set *set;
    akin_eval_info info;
    akin_error err;
    for (int i = 2; i < argc; i++)
        take(&options, argv[i]);
    if (argc < 2 || akin_eval_set_open(&set, argv[1], &options, &err)) {
        fprintf(stderr, "%s\n", argc < 2 ? "needs PATH" : err.message);
        return 1;
    }
    akin_eval_set_describe(set, &info);
    printf("set\t%d\t%zu\t%llu\t%zu\n", (int)info.layout, info.positives,
           (unsigned long long)info.pairs, info.labels);
    print("query", info.query, info.queries);
    print("reference", info.reference, info.references);
    print("train", info.trainer, info.train);
    for (uint32_t q = 0; q < info.queries; q++)
        for (uint32_t r = 0; r < info.references; r++)
            if (akin_eval_true(set, q, r))
                printf("true\t%s\t%s\n", info.query[q].id,
                       info.reference[r].id);
    akin_eval_set_close(&set);
    return 0;
}
