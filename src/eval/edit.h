/*
 * Edit: what is done to a photo to make a copy that is hard to recognise.
 *
 * A recipe says everything of an edit before a pixel is seen: it follows from
 * the seed, the photo's number, the kind and the strength alone. Its numbers
 * are shares of the picture, so that it can be told without the picture too.
 * All arithmetic is in integers, or in doubles without a library's functions:
 * the same pixels on every machine, with every number of threads.
 */
#ifndef AKIN_EVAL_EDIT_H
#define AKIN_EVAL_EDIT_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "base/text.h"
#include "image/resize.h"

enum akin__edit_kind {
    AKIN__EDIT_CROP,
    AKIN__EDIT_SCALE,
    AKIN__EDIT_JPEG,
    AKIN__EDIT_ROTATE,
    AKIN__EDIT_FLIP,
    AKIN__EDIT_COLOUR,
    AKIN__EDIT_BLUR,
    AKIN__EDIT_NOISE,
    AKIN__EDIT_TEXT,
    AKIN__EDIT_OVERLAY,
    AKIN__EDIT_SCREENSHOT,
    AKIN__EDIT_COMBINED,
    AKIN__EDIT_KINDS
};

enum {
    AKIN__EDIT_STRENGTHS = 3, /* 1 to 3 */
    AKIN__EDIT_SIDE = 1024,   /* pixels: no query is longer or wider */
    AKIN__EDIT_STEPS = 4,     /* of AKIN__EDIT_COMBINED */
    AKIN__EDIT_QUALITY = 90   /* of a query that no step makes worse */
};

/* "crop", "scale", ...: what edits.csv calls them. */
const char *akin__edit_name(enum akin__edit_kind kind);

/*
 * Numbers that look random, the n-th of a key in one step: SplitMix64 (Steele,
 * Lea, Flood: Fast splittable pseudorandom number generators, 2014), whose
 * state is a counter.
 */
struct akin__dice {
    uint64_t state;
};
/* A key of its own for each use `of` a seed and each number. */
struct akin__dice akin__dice(uint64_t seed, uint64_t of, uint64_t number);
uint64_t akin__dice_next(struct akin__dice *dice);
/* From `least` to `most`, both included. */
int32_t akin__dice_from(struct akin__dice *dice, int32_t least, int32_t most);

/* The sine of `tenths` of a degree, in 16 fractional bits. */
int32_t akin__sine(int32_t tenths);

enum { AKIN__EDIT_VALUES = 6 };
struct akin__edit {
    enum akin__edit_kind kind; /* never AKIN__EDIT_COMBINED */
    int strength;
    int32_t value[AKIN__EDIT_VALUES]; /* what they are says the kind */
    struct akin__dice dice;           /* for grains and letters */
};

struct akin__recipe {
    struct akin__edit step[AKIN__EDIT_STEPS];
    int steps;
};

/* `photo` is its number in the folder. */
void akin__recipe_make(struct akin__recipe *recipe, uint64_t seed,
                       uint64_t photo, enum akin__edit_kind kind, int strength);
/* "width=0.812 height=0.870 ...", steps parted by "; ". `on` is what the
 * overlay lies on, "" for a plain ground. */
void akin__recipe_tell(const struct akin__recipe *recipe, const char *on,
                       struct akin__text *text);
/* The number that chooses the ground of an overlay; -1: it has none. */
int32_t akin__recipe_ground(const struct akin__recipe *recipe);

/* Memory of one thread, grown to the largest picture. Zero it first. */
struct akin__easel {
    struct akin__scratch paint[2], resize, rows;
    int used; /* which of `paint` holds `now` */
    akin_image now;
};
void akin__easel_free(struct akin__easel *easel);

/*
 * easel->now: `photo` [height][width] after the steps of `recipe`, no side
 * above AKIN__EDIT_SIDE; `photo` has no longer side either, and stays as it is.
 * `ground` (NULL: a plain one) is what an overlay lies on. *quality is what it
 * is to be written with. AKIN_ENOMEM.
 */
akin_status akin__recipe_cook(const struct akin__recipe *recipe,
                              const akin_image *photo, const akin_image *ground,
                              struct akin__easel *easel, int *quality,
                              akin_error *err);

/* ------------------------------------------------------- for the edits -- */

/* Room for a picture that becomes easel->now by akin__easel_turn; now stays
 * until then. Pixels are NULL when memory is short. */
akin_image akin__easel_fresh(struct akin__easel *easel, uint32_t width,
                             uint32_t height);
void akin__easel_turn(struct akin__easel *easel, const akin_image *fresh);
/* now is in the easel's own memory and may be painted on. */
akin_status akin__easel_own(struct akin__easel *easel, akin_error *err);
/* now becomes width x height. */
akin_status akin__easel_resize(struct akin__easel *easel, uint32_t width,
                               uint32_t height, akin_error *err);

/* The longer side. */
static inline uint32_t akin__longest(const akin_image *image)
{
    return image->width > image->height ? image->width : image->height;
}
/* `permille` of `side`, at least a pixel. */
static inline uint32_t akin__part_of(uint32_t side, int32_t permille)
{
    const uint64_t part = ((uint64_t)side * (uint32_t)permille + 500) / 1000;
    return part ? (uint32_t)part : 1;
}

/* What each kind does to easel->now. */
akin_status akin__edit_crop(const struct akin__edit *edit,
                            struct akin__easel *easel, akin_error *err);
akin_status akin__edit_scale(const struct akin__edit *edit,
                             struct akin__easel *easel, akin_error *err);
akin_status akin__edit_rotate(const struct akin__edit *edit,
                              struct akin__easel *easel, akin_error *err);
akin_status akin__edit_flip(const struct akin__edit *edit,
                            struct akin__easel *easel, akin_error *err);
akin_status akin__edit_colour(const struct akin__edit *edit,
                              struct akin__easel *easel, akin_error *err);
akin_status akin__edit_blur(const struct akin__edit *edit,
                            struct akin__easel *easel, akin_error *err);
akin_status akin__edit_noise(const struct akin__edit *edit,
                             struct akin__easel *easel, akin_error *err);
akin_status akin__edit_text(const struct akin__edit *edit,
                            struct akin__easel *easel, akin_error *err);
akin_status akin__edit_overlay(const struct akin__edit *edit,
                               const akin_image *ground,
                               struct akin__easel *easel, akin_error *err);
akin_status akin__edit_screenshot(const struct akin__edit *edit,
                                  struct akin__easel *easel, akin_error *err);

/* Paint on a picture; what lies outside of it is left out. */
struct akin__box {
    int32_t left, top, width, height;
};
void akin__paint_box(akin_image *image, struct akin__box box, uint32_t rgb);
/* Words of the dice's choice in capitals of `height` pixels, as many as go into
 * `width` but at most `most`; how wide they became. */
int32_t akin__paint_words(akin_image *image, int32_t left, int32_t top,
                          int32_t width, int32_t height, int most, uint32_t rgb,
                          struct akin__dice *dice);

#endif
