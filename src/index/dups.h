/*
 * Dups: the pictures of an index as copies.c finds groups among them.
 *
 * A picture is a number, in order of path. Threads: what changes them is said
 * at each.
 */
#ifndef AKIN_INDEX_DUPS_H
#define AKIN_INDEX_DUPS_H

#include <stdatomic.h>

#include "index/pairs.h"

struct akin__picture {
    akin_copy is; /* identical, distance and cosine are not set */
    char *path;   /* of is.path, allocated */
    char format[8];
    uint8_t hash[32];
    bool hashed;    /* there is a hash, and it says something */
    bool looked;    /* the index has looked for one */
    bool alike;     /* to another, as far as a model can say */
    uint32_t above; /* in its tree; itself at the top */
};

/* A model's vectors, and which picture has which. */
struct akin__view {
    char *name;
    double threshold;
    double certain; /* of the threshold, where it is the calibrated one */
    struct akin__row_list list;
    uint32_t *row_of;     /* [pictures]: in the list; AKIN__NO_ROW for none */
    uint32_t *picture_of; /* [list.count]: the first that has it */
};
#define AKIN__NO_ROW UINT32_MAX

struct akin__pictures {
    struct akin__picture *at; /* [count] */
    size_t count, capacity;
    struct akin__view *view; /* [views] */
    size_t views;
};

/* All pictures of the index with their vectors by `models` [count], at one
 * moment. On failure, too, it is to be closed. */
akin_status akin__pictures_open(struct akin__pictures *pictures,
                                akin_index *index, const char *const *models,
                                size_t count, akin_error *err);
void akin__pictures_close(struct akin__pictures *pictures);

/* The top of a picture's tree; trees are made flatter on the way. */
uint32_t akin__top(struct akin__pictures *pictures, uint32_t one);
/* Put the trees of two pictures together. */
void akin__join_trees(struct akin__pictures *pictures, uint32_t a, uint32_t b);

#endif
