/*
 * Set: what the layouts (set_NAME.c) share while a set is made, and what the
 * figures ask of it.
 *
 * A set is made once, by one thread, and never changed. References and queries
 * have numbers in the order in which they were added; true pairs are sorted.
 */
#ifndef AKIN_EVAL_SET_H
#define AKIN_EVAL_SET_H

#include <stdbool.h>

#include "akin_eval.h"
#include "eval/ids.h"
#include "index/lines.h"

/* Items in the making: item i has the number i of ids. */
struct akin__items {
    struct akin__ids ids;
    akin_eval_item *item; /* [ids.count of room] */
    size_t room;
};

/* A true pair and the line that says so; 0: no line does. */
struct akin__truth {
    akin_eval_pair is;
    uint64_t line;
};

struct akin_eval_set {
    akin_eval_info info; /* points into the rest */
    struct akin__items queries, references, trainers;
    struct akin__ids labels;
    char *path;
    const char *truth_path;    /* the ground truth, where it is another file */
    struct akin__truth *truth; /* [truths of truth_room], while it is made */
    size_t truths, truth_room;
    akin_eval_pair *pair; /* [truths], sorted */
    size_t *first;        /* [queries + 1]: where a query's pairs begin */
    size_t *labelled;     /* [labels]: pictures of each, of CLASSES */
};

/* True references that `query` has, below info.queries. */
size_t akin__set_truths(const akin_eval_set *set, uint32_t query);

/* -------------------------------------------- between the set_NAME.c -- */

/* What a layout makes of the folder or file set->path. */
typedef akin_status akin__set_way(akin_eval_set *set,
                                  const akin_eval_set_options *options,
                                  akin_error *err);
akin__set_way akin__set_disc, akin__set_copydays, akin__set_classes,
    akin__set_pairs, akin__set_ids;
/* Whether the folder looks like that. */
bool akin__is_disc(const char *folder);
bool akin__is_copydays(const char *folder);

/* The item of `id`, which is added when it is new; `path` (may be NULL) is
 * copied then. NULL: memory is short. It lives until the next is added. */
akin_eval_item *akin__set_item(struct akin__items *items, const char *id,
                               const char *path, bool *fresh);
/* That `reference` is in `query`, as `line` says. */
akin_status akin__set_pair(akin_eval_set *set, uint32_t query,
                           uint32_t reference, uint64_t line, akin_error *err);

/* The path of a picture below the folder of the set. */
const char *akin__set_below(const akin_eval_set *set, const char *path);

/* A table of lines: CSV with a fixed number of columns, its header optional. */
struct akin__csv {
    struct akin__lines lines;
    uint64_t line;  /* of the row given out last */
    char *field[3]; /* [columns], in the line */
};
/* `headers`: what the first line is where it is a header, ended by NULL. */
akin_status
akin__csv_read(const char *path, size_t columns, const char *const *headers,
               akin_status (*row)(void *context, const struct akin__csv *csv,
                                  akin_error *err),
               void *context, akin_error *err);
/* "PATH: line N: " and what is wrong with it: AKIN_EFORMAT. */
akin_status akin__csv_wrong(const struct akin__csv *csv, akin_error *err,
                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The headers of a ground truth. */
extern const char *const akin__truth_headers[];

#endif
