/*
 * Ids: names with numbers from 0 on, in order of first mention, and texts that
 * live as long as they.
 */
#ifndef AKIN_EVAL_IDS_H
#define AKIN_EVAL_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin_eval.h"

/* Zero it before the first use; akin__ids_free after the last. */
struct akin__ids {
    const char **name; /* [count of room] */
    uint32_t count, room;
    uint32_t *slot; /* [slots], a power of two, at most half full: number + 1 */
    size_t slots;
    struct akin__texts *texts; /* the last block of texts */
};

void akin__ids_free(struct akin__ids *ids);
/* The number of `name`, or AKIN_EVAL_NONE. */
uint32_t akin__ids_find(const struct akin__ids *ids, const char *name);
/* The same; a name that is new gets the next number. *fresh (may be NULL) says
 * whether it was. AKIN_EVAL_NONE when memory is short. */
uint32_t akin__ids_add(struct akin__ids *ids, const char *name, bool *fresh);
/* A copy of `text` that lives as long as the ids; NULL: memory is short. */
const char *akin__ids_text(struct akin__ids *ids, const char *text);

/* A number that `name` and `seed` decide and that looks random. */
uint64_t akin__ids_hash(const char *name, uint64_t seed);

#endif
