/*
 * Edit (edit.h): the recipes, and the easel on which they are cooked.
 *
 * How strong each strength is follows DISC21, whose queries are made with
 * AugLy's crops, overlays, text, screenshots, filters, noise, blur, rotations
 * and bad JPEGs, several at a time, and Copydays, whose crops leave 20 to 90 %
 * and whose JPEGs go down to a quality of 3.
 */
#include "eval/edit.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* --------------------------------------------------------------- dice -- */

enum { WHOLE = 1000 };

static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct akin__dice akin__dice(uint64_t seed, uint64_t of, uint64_t number)
{
    return (struct akin__dice){
        mixed(mixed(mixed(seed + 0x9e3779b97f4a7c15u) ^ of) ^ number)};
}

uint64_t akin__dice_next(struct akin__dice *dice)
{
    return mixed(dice->state += 0x9e3779b97f4a7c15u);
}

int32_t akin__dice_from(struct akin__dice *dice, int32_t least, int32_t most)
{
    const uint64_t span = (uint64_t)((int64_t)most - least + 1);
    return (int32_t)(least +
                     (int64_t)((akin__dice_next(dice) >> 32) * span >> 32));
}

/* Either sign. */
static int32_t about(struct akin__dice *dice, int32_t least, int32_t most)
{
    const int32_t much = akin__dice_from(dice, least, most);
    return akin__dice_from(dice, 0, 1) ? much : -much;
}

/*
 * Taylor's row of eight terms, whose
 * error on [0, pi / 2] is below 1e-8. The C library's sin is not the same on
 * all machines.
 */
int32_t akin__sine(int32_t tenths)
{
    const double quarter = 1.5707963267948966;
    int32_t sign = 1;
    tenths = (tenths % 3600 + 3600) % 3600;
    if (tenths >= 1800) {
        sign = -1;
        tenths -= 1800;
    }
    if (tenths > 900)
        tenths = 1800 - tenths;
    const double x = tenths / 900.0 * quarter;
    double term = x, sum = x;
    for (int i = 1; i < 8; i++) {
        term = term * x * x / (2 * i * (2 * i + 1)) * -1;
        sum += term;
    }
    return sign * (int32_t)(sum * 65536 + 0.5);
}

/* ------------------------------------------------------------ recipes -- */

/* From least to most, for each strength. */
struct range {
    int32_t least, most;
};

/* Of these three kinds one number is all: permille of the sides, JPEG's
 * quality, permille of the longer side, the deviation in levels. */
static const struct range scales[] = {{500, 650}, {250, 350}, {80, 140}},
                          qualities[] = {{28, 40}, {10, 16}, {4, 6}},
                          radii[] = {{3, 4}, {7, 10}, {16, 22}},
                          grains[] = {{10, 14}, {24, 32}, {50, 65}};
/* Degrees in tenths; permille of a side; of the shorter one. */
static const struct range angles[] = {{30, 120}, {150, 400}, {500, 1300}},
                          sides[] = {{800, 880}, {580, 680}, {360, 440}},
                          overlays[] = {{680, 800}, {440, 560}, {240, 320}},
                          letters[] = {{50, 65}, {75, 90}, {95, 120}};

static int32_t drawn(struct akin__dice *dice, const struct range *ranges,
                     int strength)
{
    return akin__dice_from(dice, ranges[strength - 1].least,
                           ranges[strength - 1].most);
}

/* Width, height, left and top in permille of the sides. */
static void plan_crop(struct akin__edit *edit, struct akin__dice *dice)
{
    const int32_t side = drawn(dice, sides, edit->strength);
    const int32_t shape = akin__dice_from(dice, 880, 1130);
    const int32_t width = side * shape / WHOLE, height = side * WHOLE / shape;
    edit->value[0] = width < WHOLE ? width : WHOLE;
    edit->value[1] = height < WHOLE ? height : WHOLE;
    edit->value[2] = akin__dice_from(dice, 0, WHOLE - edit->value[0]);
    edit->value[3] = akin__dice_from(dice, 0, WHOLE - edit->value[1]);
}

/* Brightness, contrast, saturation in permille; hue in tenths of a degree. The
 * strongest are grey or have another hue. */
static void plan_colour(struct akin__edit *edit, struct akin__dice *dice)
{
    static const int32_t much[] = {180, 350, 300};
    const int32_t most = much[edit->strength - 1], least = most / 2;
    const int grey = edit->strength == 3 && akin__dice_from(dice, 0, 2) == 0;
    edit->value[0] = WHOLE + about(dice, least, most);
    edit->value[1] = WHOLE + about(dice, least, most);
    edit->value[2] = grey ? 0 : WHOLE + about(dice, 2 * least, 2 * most);
    edit->value[3] = edit->strength < 3 || grey
                         ? about(dice, 0, 50 * edit->strength)
                         : about(dice, 600, 1800);
}

/* One number, or one and where. */
static void plan_edit(struct akin__edit *edit, struct akin__dice *dice)
{
    int32_t *value = edit->value;
    const int strength = edit->strength;
    switch (edit->kind) {
    case AKIN__EDIT_CROP:
        plan_crop(edit, dice);
        break;
    case AKIN__EDIT_SCALE:
        value[0] = drawn(dice, scales, strength);
        break;
    case AKIN__EDIT_JPEG:
        value[0] = drawn(dice, qualities, strength);
        break;
    case AKIN__EDIT_ROTATE:
        value[0] = drawn(dice, angles, strength);
        value[0] = akin__dice_from(dice, 0, 1) ? value[0] : -value[0];
        value[1] = akin__dice_from(dice, 0, 2); /* what fills the corners */
        break;
    case AKIN__EDIT_COLOUR:
        plan_colour(edit, dice);
        break;
    case AKIN__EDIT_BLUR:
        value[0] = drawn(dice, radii, strength);
        break;
    case AKIN__EDIT_NOISE:
        value[0] = drawn(dice, grains, strength);
        break;
    case AKIN__EDIT_TEXT:
        value[0] = drawn(dice, letters, strength);
        value[1] = 2 * strength - 1; /* lines */
        value[2] = akin__dice_from(dice, 0, WHOLE);
        value[3] = akin__dice_from(dice, 0, WHOLE);
        value[4] = akin__dice_from(dice, 0, 5);      /* colour */
        value[5] = akin__dice_from(dice, 0, 2) == 0; /* in a box */
        break;
    case AKIN__EDIT_OVERLAY:
        value[0] = drawn(dice, overlays, strength);
        value[1] = akin__dice_from(dice, 0, WHOLE);
        value[2] = akin__dice_from(dice, 0, WHOLE);
        value[3] = akin__dice_from(dice, 0, INT32_MAX); /* which ground */
        break;
    case AKIN__EDIT_SCREENSHOT:
        value[0] = akin__dice_from(dice, 0, 1); /* dark */
        break;
    default: /* AKIN__EDIT_FLIP: the strength says all */
        break;
    }
    edit->dice = (struct akin__dice){akin__dice_next(dice)};
}

/* Kinds in the order in which pictures meet them: it is taken, altered, written
 * upon, put somewhere, and stored. Each comes at most once. */
static void plan_steps(struct akin__recipe *recipe, struct akin__dice *dice,
                       int strength)
{
    static const enum akin__edit_kind order[] = {
        AKIN__EDIT_CROP,   AKIN__EDIT_FLIP,    AKIN__EDIT_ROTATE,
        AKIN__EDIT_COLOUR, AKIN__EDIT_BLUR,    AKIN__EDIT_NOISE,
        AKIN__EDIT_TEXT,   AKIN__EDIT_OVERLAY, AKIN__EDIT_SCREENSHOT,
        AKIN__EDIT_SCALE,  AKIN__EDIT_JPEG,
    };
    enum { KINDS = sizeof order / sizeof *order };
    int wanted = strength + 1;
    for (int i = 0; i < KINDS; i++) {
        /* One of those that are left, all with the same chance. */
        if (akin__dice_from(dice, 1, KINDS - i) > wanted)
            continue;
        struct akin__edit *edit = &recipe->step[recipe->steps++];
        edit->kind = order[i];
        edit->strength = akin__dice_from(dice, 1, strength);
        wanted--;
    }
}

void akin__recipe_make(struct akin__recipe *recipe, uint64_t seed,
                       uint64_t photo, enum akin__edit_kind kind, int strength)
{
    struct akin__dice dice =
        akin__dice(seed, photo, (uint64_t)kind << 8 | (unsigned)strength);
    memset(recipe, 0, sizeof *recipe);
    if (kind == AKIN__EDIT_COMBINED) {
        plan_steps(recipe, &dice, strength);
    } else {
        recipe->steps = 1;
        recipe->step[0].kind = kind;
        recipe->step[0].strength = strength;
    }
    for (int i = 0; i < recipe->steps; i++)
        plan_edit(&recipe->step[i], &dice);
}

int32_t akin__recipe_ground(const struct akin__recipe *recipe)
{
    for (int i = 0; i < recipe->steps; i++)
        if (recipe->step[i].kind == AKIN__EDIT_OVERLAY)
            return recipe->step[i].value[3];
    return -1;
}

const char *akin__edit_name(enum akin__edit_kind kind)
{
    static const char *const names[AKIN__EDIT_KINDS] = {
        "crop", "scale", "jpeg", "rotate",  "flip",       "colour",
        "blur", "noise", "text", "overlay", "screenshot", "combined"};
    return names[kind];
}

/* --------------------------------------------------------- in words -- */

/* A number of thousandths (or tenths) with its point. */
static void tell(struct akin__text *text, const char *name, int32_t value,
                 int32_t unit)
{
    const int32_t much = value < 0 ? -value : value;
    akin__text_addf(text, "%s%s=%s%d", text->length ? " " : "", name,
                    value < 0 ? "-" : "", much / unit);
    if (unit == 10)
        akin__text_addf(text, ".%d", much % unit);
    else if (unit == WHOLE)
        akin__text_addf(text, ".%03d", much % unit);
}

static void tell_values(const struct akin__edit *edit, const char *on,
                        struct akin__text *text)
{
    static const char *const mirrored[] = {"left-right", "top-bottom",
                                           "diagonal"};
    static const char *const corners[] = {"black", "white", "grey"};
    const int32_t *value = edit->value;
    switch (edit->kind) {
    case AKIN__EDIT_CROP:
        tell(text, "width", value[0], WHOLE);
        tell(text, "height", value[1], WHOLE);
        tell(text, "left", value[2], WHOLE);
        tell(text, "top", value[3], WHOLE);
        break;
    case AKIN__EDIT_SCALE:
        tell(text, "side", value[0], WHOLE);
        break;
    case AKIN__EDIT_JPEG:
        tell(text, "quality", value[0], 1);
        break;
    case AKIN__EDIT_ROTATE:
        tell(text, "degrees", value[0], 10);
        akin__text_addf(text, " corners=%s", corners[value[1]]);
        break;
    case AKIN__EDIT_FLIP:
        akin__text_addf(text, "%smirrored=%s", text->length ? " " : "",
                        mirrored[edit->strength - 1]);
        break;
    case AKIN__EDIT_COLOUR:
        tell(text, "brightness", value[0], WHOLE);
        tell(text, "contrast", value[1], WHOLE);
        tell(text, "saturation", value[2], WHOLE);
        tell(text, "hue", value[3], 10);
        break;
    case AKIN__EDIT_BLUR:
        tell(text, "radius", value[0], WHOLE);
        break;
    case AKIN__EDIT_NOISE:
        tell(text, "deviation", value[0], 1);
        break;
    case AKIN__EDIT_TEXT:
        tell(text, "letters", value[0], WHOLE);
        tell(text, "lines", value[1], 1);
        break;
    case AKIN__EDIT_OVERLAY:
        tell(text, "side", value[0], WHOLE);
        akin__text_addf(text, " on=%s", *on ? on : "plain");
        break;
    default:
        akin__text_addf(text, "%sframe=%s", text->length ? " " : "",
                        value[0] ? "dark" : "light");
        break;
    }
}

void akin__recipe_tell(const struct akin__recipe *recipe, const char *on,
                       struct akin__text *text)
{
    for (int i = 0; i < recipe->steps; i++) {
        if (i)
            akin__text_add(text, "; ", 2);
        if (recipe->steps > 1)
            akin__text_addf(text,
                            "%s %d:", akin__edit_name(recipe->step[i].kind),
                            recipe->step[i].strength);
        tell_values(&recipe->step[i], on, text);
    }
}

/* -------------------------------------------------------------- easel -- */

void akin__easel_free(struct akin__easel *easel)
{
    akin__scratch_free(&easel->paint[0]);
    akin__scratch_free(&easel->paint[1]);
    akin__scratch_free(&easel->resize);
    akin__scratch_free(&easel->rows);
}

akin_image akin__easel_fresh(struct akin__easel *easel, uint32_t width,
                             uint32_t height)
{
    akin_image fresh = {width, height, 3 * (size_t)width, NULL};
    fresh.pixels = akin__scratch_grow(&easel->paint[1 - easel->used],
                                      fresh.stride * height);
    return fresh;
}

void akin__easel_turn(struct akin__easel *easel, const akin_image *fresh)
{
    easel->now = *fresh;
    easel->used = 1 - easel->used;
}

static akin_status no_memory(akin_error *err)
{
    return akin__fail(err, AKIN_ENOMEM, "no memory for a picture");
}

akin_status akin__easel_own(struct akin__easel *easel, akin_error *err)
{
    const akin_image *now = &easel->now;
    if (now->pixels == easel->paint[easel->used].bytes)
        return AKIN_OK;
    const akin_image fresh = akin__easel_fresh(easel, now->width, now->height);
    if (!fresh.pixels)
        return no_memory(err);
    for (uint32_t y = 0; y < now->height; y++)
        memcpy(fresh.pixels + y * fresh.stride, now->pixels + y * now->stride,
               fresh.stride);
    akin__easel_turn(easel, &fresh);
    return AKIN_OK;
}

akin_status akin__easel_resize(struct akin__easel *easel, uint32_t width,
                               uint32_t height, akin_error *err)
{
    const struct akin__resize resize = {width,  height,       0, 0, width,
                                        height, AKIN__BICUBIC};
    const akin_image fresh = akin__easel_fresh(easel, width, height);
    if (!fresh.pixels)
        return no_memory(err);
    const akin_status status = akin__resize(
        &easel->now, &resize, &easel->resize, fresh.pixels, fresh.stride, err);
    if (!status)
        akin__easel_turn(easel, &fresh);
    return status;
}

/* ------------------------------------------------------------ cooking -- */

static akin_status do_step(const struct akin__edit *edit,
                           const akin_image *ground, struct akin__easel *easel,
                           int *quality, akin_error *err)
{
    switch (edit->kind) {
    case AKIN__EDIT_CROP:
        return akin__edit_crop(edit, easel, err);
    case AKIN__EDIT_SCALE:
        return akin__edit_scale(edit, easel, err);
    case AKIN__EDIT_ROTATE:
        return akin__edit_rotate(edit, easel, err);
    case AKIN__EDIT_FLIP:
        return akin__edit_flip(edit, easel, err);
    case AKIN__EDIT_COLOUR:
        return akin__edit_colour(edit, easel, err);
    case AKIN__EDIT_BLUR:
        return akin__edit_blur(edit, easel, err);
    case AKIN__EDIT_NOISE:
        return akin__edit_noise(edit, easel, err);
    case AKIN__EDIT_TEXT:
        return akin__edit_text(edit, easel, err);
    case AKIN__EDIT_OVERLAY:
        return akin__edit_overlay(edit, ground, easel, err);
    case AKIN__EDIT_SCREENSHOT:
        return akin__edit_screenshot(edit, easel, err);
    default:
        *quality = edit->value[0];
        return AKIN_OK;
    }
}

static uint32_t fitted(uint32_t side, uint32_t longest)
{
    const uint64_t part =
        ((uint64_t)side * AKIN__EDIT_SIDE + longest / 2) / longest;
    return part ? (uint32_t)part : 1;
}

akin_status akin__recipe_cook(const struct akin__recipe *recipe,
                              const akin_image *photo, const akin_image *ground,
                              struct akin__easel *easel, int *quality,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    easel->now = *photo;
    *quality = AKIN__EDIT_QUALITY;
    for (int i = 0; i < recipe->steps && !status; i++)
        status = do_step(&recipe->step[i], ground, easel, quality, err);
    const uint32_t longest = akin__longest(&easel->now);
    if (status || longest <= AKIN__EDIT_SIDE)
        return status;
    return akin__easel_resize(easel, fitted(easel->now.width, longest),
                              fitted(easel->now.height, longest), err);
}
