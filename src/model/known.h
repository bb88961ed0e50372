/*
 * Known models: the names akin has of its own, and the commits it was judged
 * with. Called by the cache (cache.c), the hub (hub.c), the list of models and
 * what recomputes published figures.
 */
#ifndef AKIN_MODEL_KNOWN_H
#define AKIN_MODEL_KNOWN_H

#include <stddef.h>
#include <stdint.h>

struct akin__known {
    const char *name;   /* what users say; NULL: known by its hub id only */
    const char *id;     /* owner/name on the hub; NULL: not from there */
    const char *commit; /* the revision meant when none is asked for */
    const char *ref;    /* the branch or pull request that held it */
    const char *sha256; /* of its model.safetensors there, or NULL; and: */
    uint64_t bytes;
};

/* The entry at `index`, or NULL past the last. */
const struct akin__known *akin__known_at(size_t index);
/* The entry whose name or hub id is `text` [length], or NULL. */
const struct akin__known *akin__known_find(const char *text, size_t length);

#endif
