/*
 * Copies (akin_eval.h, copies.h): a thread takes a photo all the way, from its
 * file to its last query. Edits are made of the photo at a working size, its
 * longer side at most AKIN__EDIT_SIDE, so that a photo of 24 megapixels costs
 * little more than a small one.
 */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "eval/copies.h"
#include "image/write_jpeg.h"

enum { MOST_THREADS = 256 };

void akin__copies_notice(struct akin__copies *c, const char *path,
                         const char *reason, bool failed)
{
    akin__lock_take(&c->lock);
    c->report->failed += failed;
    if (c->options.notice)
        c->options.notice(c->options.context, path, reason, failed);
    akin__lock_give(&c->lock);
}

/* -------------------------------------------------------------- photos -- */

/* The side of the working size. */
static uint32_t shrunk(uint32_t side, uint32_t longest)
{
    const uint64_t part =
        ((uint64_t)side * AKIN__EDIT_SIDE + longest / 2) / longest;
    return part ? (uint32_t)part : 1;
}

/* The picture at its working size, in memory of the copyist, or where the
 * decoder has put it when it is small enough. */
static akin_status shrink(struct akin__copyist *copyist, akin_image *image,
                          akin_error *err)
{
    const uint32_t longest = akin__longest(image);
    if (longest <= AKIN__EDIT_SIDE)
        return AKIN_OK;
    akin_image small = {.width = shrunk(image->width, longest),
                        .height = shrunk(image->height, longest)};
    small.stride = 3 * (size_t)small.width;
    small.pixels =
        akin__scratch_grow(&copyist->photo, small.stride * small.height);
    if (!small.pixels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a picture");
    const struct akin__resize resize = {
        small.width,  small.height, 0, 0, small.width,
        small.height, AKIN__BICUBIC};
    const akin_status status = akin__resize(image, &resize, &copyist->resize,
                                            small.pixels, small.stride, err);
    *image = small;
    return status;
}

/* Of the file of a photo; where it cannot be read, *good is false. */
static akin_status read_photo(struct akin__copies *c,
                              struct akin__copyist *copyist, size_t photo,
                              akin_image *image, akin_image_info *info,
                              akin_error *err)
{
    const akin_status status = akin_decoder_read(
        copyist->decoder, image, c->photo[photo].path, info, err);
    return status ? status : shrink(copyist, image, err);
}

static akin_status make_query(struct akin__copies *c,
                              struct akin__copyist *copyist, size_t photo,
                              const struct akin__sort *sort, size_t query,
                              const akin_image *image, akin_error *err)
{
    struct akin__recipe recipe;
    unsigned char *bytes = NULL;
    size_t count;
    int quality;
    akin__recipe_make(&recipe, c->options.seed, photo, sort->kind,
                      sort->strength);
    const struct akin__ground *ground = akin__copies_ground(c, photo, &recipe);
    akin_status status =
        akin__recipe_cook(&recipe, image, ground ? &ground->image : NULL,
                          &copyist->easel, &quality, err);
    if (!status)
        status =
            akin__write_jpeg(&copyist->easel.now, quality, &bytes, &count, err);
    if (!status)
        status = akin__copies_put_query(c, query, bytes, count, err);
    akin__free(bytes);
    return status;
}

/* Which queries of the photo are missing; their count. */
static size_t missing(const struct akin__copies *c, size_t photo, bool *wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        wanted[i] = !akin__copies_have_query(c, photo * c->count + i);
        count += wanted[i];
    }
    return count;
}

/* The photo's files; *made of its queries were not there yet. */
static akin_status make_photo(struct akin__copies *c,
                              struct akin__copyist *copyist, size_t photo,
                              size_t *made, akin_error *err)
{
    bool wanted[AKIN__COPY_SORTS];
    size_t sorts[AKIN__COPY_SORTS];
    akin_image image = {0};
    akin_image_info info = {0};
    const bool refer =
        !c->photo[photo].distractor && !akin__copies_have_reference(c, photo);
    if (!missing(c, photo, wanted) && !refer) {
        c->photo[photo].good = true;
        return AKIN_OK;
    }
    akin_status status = read_photo(c, copyist, photo, &image, &info, err);
    if (status && status != AKIN_ENOMEM) {
        akin__copies_notice(c, c->photo[photo].path,
                            akin__reason(err, c->photo[photo].path), true);
        return AKIN_OK;
    }
    if (!status && *info.warning)
        akin__copies_notice(c, c->photo[photo].path, info.warning, false);
    if (!status && refer)
        status = akin__copies_put_reference(c, photo, err);
    akin__copies_sorts(c, photo, sorts);
    for (size_t i = 0; i < c->count && !status; i++) {
        if (!wanted[i])
            continue;
        status = make_query(c, copyist, photo, &c->sort[sorts[i]],
                            photo * c->count + i, &image, err);
        ++*made;
    }
    c->photo[photo].good = !status;
    return status;
}

/* Count the photo, and ask whether to go on. */
static akin_status note(struct akin__copies *c, size_t photo, size_t made,
                        akin_error *err)
{
    akin_status status = AKIN_OK;
    akin__lock_take(&c->lock);
    c->done++;
    if (c->photo[photo].good) {
        c->report->photos++;
        c->report->references += !c->photo[photo].distractor;
        c->report->distractors += c->photo[photo].distractor;
        c->report->queries += c->count;
        c->report->made += made;
    }
    if (c->options.progress &&
        c->options.progress(c->options.context, "photos", c->done, c->photos))
        status = akin__fail(err, AKIN_ECANCELLED,
                            "%s: stopped after %zu of %zu photos", c->set,
                            c->done, c->photos);
    akin__lock_give(&c->lock);
    return status;
}

static akin_status do_photo(void *context, size_t photo, int thread,
                            akin_error *err)
{
    struct akin__copies *c = context;
    size_t made = 0;
    const akin_status status =
        make_photo(c, &c->copyist[thread], photo, &made, err);
    return status ? status : note(c, photo, made, err);
}

/* ------------------------------------------------------------- grounds -- */

static bool needs_grounds(const struct akin__copies *c)
{
    for (size_t i = 0; i < c->sorts; i++)
        if (c->sort[i].kind == AKIN__EDIT_OVERLAY ||
            c->sort[i].kind == AKIN__EDIT_COMBINED)
            return true;
    return false;
}

/* One that cannot be read is told when it is its turn as a photo. */
static akin_status read_ground(void *context, size_t number, int thread,
                               akin_error *err)
{
    struct akin__copies *c = context;
    struct akin__ground *ground = &c->ground[number];
    akin_image image = {0};
    akin_status status =
        read_photo(c, &c->copyist[thread], c->lot[number], &image, NULL, err);
    ground->photo = c->lot[number];
    if (status)
        return status == AKIN_ENOMEM ? status : AKIN_OK;
    ground->image = image;
    ground->image.stride = 3 * (size_t)image.width;
    ground->image.pixels = akin__alloc(image.height, ground->image.stride);
    if (!ground->image.pixels)
        return akin__fail(err, AKIN_ENOMEM, "no memory for a picture");
    for (uint32_t y = 0; y < image.height; y++)
        memcpy(ground->image.pixels + y * ground->image.stride,
               image.pixels + y * image.stride, ground->image.stride);
    return AKIN_OK;
}

static akin_status read_grounds(struct akin__copies *c, akin_error *err)
{
    const size_t count = c->distractors < AKIN__COPY_GROUNDS
                             ? c->distractors
                             : AKIN__COPY_GROUNDS;
    if (!needs_grounds(c))
        return AKIN_OK;
    const akin_status status =
        akin__parallel(c->threads, count, read_ground, c, err);
    for (size_t i = 0; i < count; i++)
        if (c->ground[i].image.pixels)
            c->ground[c->grounds++] = c->ground[i];
    return status;
}

/* ---------------------------------------------------------------- call -- */

static akin_status open_copyists(struct akin__copies *c, akin_error *err)
{
    const akin_decode_options options = {.size = sizeof options};
    c->threads =
        c->options.threads > 0 ? c->options.threads : akin__processors();
    if ((size_t)c->threads > c->photos)
        c->threads = (int)c->photos;
    if (c->threads > MOST_THREADS)
        c->threads = MOST_THREADS;
    c->copyist = akin__calloc((size_t)c->threads, sizeof *c->copyist);
    if (!c->copyist)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", c->set);
    akin_status status = AKIN_OK;
    for (int t = 0; t < c->threads && !status; t++)
        status = akin_decoder_open(&c->copyist[t].decoder, c->options.decoder,
                                   &options, err);
    return status;
}

static void close_all(struct akin__copies *c)
{
    for (int t = 0; c->copyist && t < c->threads; t++) {
        akin_decoder_close(&c->copyist[t].decoder);
        akin__easel_free(&c->copyist[t].easel);
        akin__scratch_free(&c->copyist[t].photo);
        akin__scratch_free(&c->copyist[t].resize);
    }
    for (size_t i = 0; i < c->grounds; i++)
        akin__free(c->ground[i].image.pixels);
    akin__file_close(&c->settings);
    akin__free(c->copyist);
    akin__free(c->photo);
    akin__free(c->lot);
    akin__list_free(&c->list);
    akin__lock_close(&c->lock);
}

akin_status akin_eval_make_copies(const char *folder, const char *set,
                                  const akin_eval_copies_options *options,
                                  akin_eval_copies_report *report,
                                  akin_error *err)
{
    const double began = akin__seconds();
    struct akin__copies c = {
        .folder = folder, .set = set, .report = report, .settings = {.fd = -1}};
    akin_status status = AKIN_OK;
    memset(report, 0, sizeof *report);
    akin__lock_open(&c.lock);
    AKIN_CHECK(!options || options->size, err, AKIN_EUSAGE,
               "options.size is not set");
    if (options)
        memcpy(&c.options, options,
               options->size < sizeof c.options ? options->size
                                                : sizeof c.options);
    AKIN_CHECK(c.options.distractors >= 0 && c.options.distractors <= 1, err,
               AKIN_EUSAGE, "%g distractors are no share from 0 to 1",
               c.options.distractors);
    AKIN_TRY(akin__copies_list(&c, err));
    status = akin__copies_open(&c, err);
    AKIN_CHECK(status != AKIN_ENOTFOUND, err, AKIN_EIO, "%s: cannot be made",
               set); /* not found is what the folder is */
    AKIN_TRY(status);
    AKIN_TRY(open_copyists(&c, err));
    AKIN_TRY(read_grounds(&c, err));
    AKIN_TRY(akin__parallel(c.threads, c.photos, do_photo, &c, err));
    status = akin__copies_tables(&c, err);
out:
    close_all(&c);
    report->seconds = akin__seconds() - began;
    return status;
}
