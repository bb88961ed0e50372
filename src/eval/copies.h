/*
 * Copies: a set of edited copies, as its parts share it.
 *
 *   copies_list.c  the photos of the folder, without a second one of the same
 *                  bytes; which of them are distractors, which edits each gets
 *   copies_disc.c  the folder that is made: whose it is, what is there already,
 *                  and its tables
 *   copies.c       the photos, by several threads; the public function
 */
#ifndef AKIN_EVAL_COPIES_H
#define AKIN_EVAL_COPIES_H

#include <stdbool.h>

#include "akin_eval.h"
#include "base/file.h"
#include "base/thread.h"
#include "embed/walk.h"
#include "eval/edit.h"

enum {
    AKIN__COPY_SORTS = AKIN__EDIT_KINDS * AKIN__EDIT_STRENGTHS,
    AKIN__COPY_GROUNDS = 32,   /* photos that overlays lie on, at most */
    AKIN__COPY_QUERIES = 20000 /* about so many without a `count` */
};

struct akin__photo {
    const char *path; /* absolute; in the list's text */
    const char *name; /* the same from the folder on */
    char suffix[16];  /* of the reference, without the dot */
    uint64_t bytes;   /* of the file */
    bool distractor;  /* no reference */
    bool good;        /* its files are in the set */
};

/* What is done to a photo. */
struct akin__sort {
    enum akin__edit_kind kind;
    int strength;
};

struct akin__ground {
    size_t photo; /* its number */
    akin_image image;
};

/* One thread's own. */
struct akin__copyist {
    akin_decoder *decoder;
    struct akin__easel easel;
    struct akin__scratch photo, resize; /* the photo at its working size */
};

struct akin__copies {
    const char *folder, *set; /* as they were given */
    akin_eval_copies_options options;
    akin_eval_copies_report *report;
    struct akin__list list;
    struct akin__photo *photo; /* [photos] in order of path */
    size_t photos;
    size_t distractors;
    size_t *lot; /* [photos]: their numbers in an order drawn by the seed; the
                    first are the distractors */
    struct akin__sort sort[AKIN__COPY_SORTS]; /* [sorts] by kind, strength */
    size_t sorts;
    size_t order[AKIN__COPY_SORTS]; /* of the sorts, drawn by the seed */
    size_t count;                   /* queries of a photo */
    int digits;                     /* of an id */
    struct akin__file settings;     /* open while the set is ours */
    struct akin__ground ground[AKIN__COPY_GROUNDS]; /* [grounds] */
    size_t grounds;
    struct akin__copyist *copyist; /* [threads] */
    int threads;
    struct akin__lock lock; /* of the report, progress and notice */
    size_t done;            /* photos */
};

/* The photos and what is to be done. */
akin_status akin__copies_list(struct akin__copies *c, akin_error *err);
/* The sorts [c->count] of a photo, in their order. */
void akin__copies_sorts(const struct akin__copies *c, size_t photo,
                        size_t *sorts);
/* What the overlay of a recipe for the photo lies on; NULL: nothing. */
const struct akin__ground *
akin__copies_ground(const struct akin__copies *c, size_t photo,
                    const struct akin__recipe *recipe);

/* Whether "SET/images/references/R00007.jpg" and "SET/images/queries/
 * Q00042.jpg" are there and whole. */
bool akin__copies_have_reference(const struct akin__copies *c, size_t photo);
bool akin__copies_have_query(const struct akin__copies *c, size_t query);
/* Put them there. */
akin_status akin__copies_put_reference(const struct akin__copies *c,
                                       size_t photo, akin_error *err);
akin_status akin__copies_put_query(const struct akin__copies *c, size_t query,
                                   const void *bytes, size_t count,
                                   akin_error *err);

/* The folder is there, ours alone, and of this call. */
akin_status akin__copies_open(struct akin__copies *c, akin_error *err);
/* All tables, once everything else is on the disc. */
akin_status akin__copies_tables(const struct akin__copies *c, akin_error *err);

/* Count a file that cannot be used, or warn of one. */
void akin__copies_notice(struct akin__copies *c, const char *path,
                         const char *reason, bool failed);

#endif
