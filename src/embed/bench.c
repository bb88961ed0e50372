/*
 * Bench: akin_bench_run, how fast a model and what comes before it are.
 *
 * Each thread works by itself, as each worker of the pipeline does, and counts
 * its own images and seconds; the rates of the threads add up, so that none
 * waits for the last image of another. First made inputs go through the
 * network alone, then files all the way, each step timed: what a step costs is
 * measured while the other threads do the rest of the work.
 */
#include <string.h>

#include "akin_bench.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "embed/parts.h"
#include "embed/session.h"
#include "image/limits.h"
#include "model/share.h"

enum { MOST_THREADS = 256 }; /* what akin__parallel starts */

/* So many threads keep a card busy with batches of made inputs; more only wait
 * and blur what each does. Of files a thread takes few at a time, or it would
 * decode for seconds before the first are done. */
enum { CARD_THREADS = 6, CARD_FILES = 16 };

/* For the matrix products: dozens of rounds of those of one block. */
#define SHARE_SECONDS 0.2

/* What one thread did. */
struct tally {
    double images, seconds;      /* begun to ended */
    double read, decode, resize; /* seconds of it */
};

struct bench {
    const akin_model *model;
    akin_bench_options options;
    struct tally *tally; /* [threads] */
};

/* The stream of one thread; each of its slots holds a picture. */
struct lane {
    akin_session *session;
    size_t batch;   /* slots */
    float *vectors; /* [batch][dim] */
};

/* Made pixels in every slot; noise, which no step can make shorter. */
static akin_status fill_slots(struct lane *lane, const akin_model *model,
                              akin_error *err)
{
    akin_image image = {.width = (uint32_t)akin__model_network(model)->width,
                        .height = (uint32_t)akin__model_network(model)->height};
    const size_t bytes = 3 * (size_t)image.width * image.height;
    uint32_t state = 1;
    akin_status status = AKIN_OK;
    image.stride = 3 * (size_t)image.width;
    image.pixels = akin__alloc(bytes, 1);
    AKIN_CHECK(image.pixels, err, AKIN_ENOMEM, "no memory to measure");
    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525 + 1013904223;
        image.pixels[i] = (uint8_t)(state >> 24);
    }
    for (size_t slot = 0; slot < lane->batch; slot++)
        AKIN_TRY(akin__session_place(lane->session, slot, &image, err));
out:
    akin__free(image.pixels);
    return status;
}

static void close_lane(struct lane *lane)
{
    akin_session_close(&lane->session);
    akin__free(lane->vectors);
}

/* Runs once, so that every page of memory is there. */
static akin_status open_lane(struct lane *lane, const akin_model *model,
                             bool files, akin_error *err)
{
    akin_status status = AKIN_OK;
    lane->batch = akin__model_batch(model);
    if (files && akin__model_card(model) && lane->batch > CARD_FILES)
        lane->batch = CARD_FILES;
    lane->vectors =
        akin__alloc(lane->batch * akin_model_dim(model), sizeof(float));
    AKIN_CHECK(lane->vectors, err, AKIN_ENOMEM, "no memory to measure");
    AKIN_TRY(akin_session_open(&lane->session, model, err));
    AKIN_TRY(fill_slots(lane, model, err));
    AKIN_TRY(akin__session_run(lane->session, lane->batch, lane->vectors, err));
out:
    return status;
}

/* Add to *sum the seconds since *mark, which becomes now. */
static void lap(double *sum, double *mark)
{
    const double now = akin__seconds();
    *sum += now - *mark;
    *mark = now;
}

/* A file into a slot. */
static akin_status place_file(const struct bench *bench, struct lane *lane,
                              size_t slot, const char *path,
                              struct tally *tally, akin_error *err)
{
    const akin_decode_options decode = {.size = sizeof decode,
                                        .exif = akin_model_exif(bench->model),
                                        .decode =
                                            akin_model_decode(bench->model)};
    akin_image image = {0};
    uint8_t *bytes = NULL;
    size_t count;
    double mark = akin__seconds();
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__read_file(path, akin__limits(NULL).file_bytes, &bytes,
                             &count, NULL, err));
    lap(&tally->read, &mark);
    status = akin_image_decode(&image, bytes, count, &decode, NULL, err);
    if (status)
        akin__fail_in(err, status, path);
    AKIN_TRY(status);
    lap(&tally->decode, &mark);
    AKIN_TRY(akin__session_place(lane->session, slot, &image, err));
    lap(&tally->resize, &mark);
out:
    akin_image_free(&image);
    akin__free(bytes);
    return status;
}

/* What a thread does until its time is up; the items are the threads. Files
 * are dealt out to them in turn. */
static akin_status work(void *context, size_t item, int thread, akin_error *err)
{
    struct bench *bench = context;
    const akin_bench_options *o = &bench->options;
    struct tally *tally = &bench->tally[item];
    struct lane lane = {0};
    akin_status status = AKIN_OK;
    size_t next = item;
    (void)thread;
    AKIN_TRY(open_lane(&lane, bench->model, o->files > 0, err));
    const double begun = akin__seconds();
    do {
        for (size_t slot = 0; o->files && slot < lane.batch; slot++) {
            AKIN_TRY(place_file(bench, &lane, slot, o->file[next % o->files],
                                tally, err));
            next += (size_t)o->threads;
        }
        AKIN_TRY(
            akin__session_run(lane.session, lane.batch, lane.vectors, err));
        tally->images += (double)lane.batch;
        tally->seconds = akin__seconds() - begun;
    } while (tally->seconds < o->seconds);
out:
    close_lane(&lane);
    return status;
}

/* All threads at once; what they did together is in *sum, with the images a
 * second in *rate. */
static akin_status measure(struct bench *bench, struct tally *sum, double *rate,
                           akin_error *err)
{
    int threads = bench->options.threads;
    if (akin__model_card(bench->model) && !bench->options.files &&
        threads > CARD_THREADS)
        threads = CARD_THREADS;
    memset(sum, 0, sizeof *sum);
    memset(bench->tally, 0, (size_t)threads * sizeof *bench->tally);
    *rate = 0;
    const akin_status status =
        akin__parallel(threads, (size_t)threads, work, bench, err);
    for (int i = 0; i < threads && !status; i++) {
        const struct tally *t = &bench->tally[i];
        sum->images += t->images;
        sum->read += t->read;
        sum->decode += t->decode;
        sum->resize += t->resize;
        *rate += t->images / t->seconds;
    }
    return status;
}

static akin_status take_options(struct bench *bench,
                                const akin_bench_options *options,
                                akin_error *err)
{
    akin_bench_options *all = &bench->options;
    if (options && !options->size)
        return akin__fail(err, AKIN_EUSAGE, "options without their size");
    if (options)
        memcpy(all, options,
               options->size < sizeof *all ? options->size : sizeof *all);
    if (all->threads <= 0)
        all->threads = akin__processors();
    if (all->threads > MOST_THREADS)
        all->threads = MOST_THREADS;
    if (!(all->seconds > 0))
        all->seconds = 0.5;
    return AKIN_OK;
}

akin_status akin_bench_run(const akin_model *model,
                           const akin_bench_options *options,
                           akin_bench *result, akin_error *err)
{
    struct bench bench = {.model = model};
    struct tally sum;
    akin_status status = AKIN_OK;
    memset(result, 0, sizeof *result);
    AKIN_TRY(akin__need_images(model, err));
    AKIN_TRY(take_options(&bench, options, err));
    const size_t files = bench.options.files;
    const int threads = bench.options.threads;
    bench.tally = akin__calloc((size_t)threads, sizeof *bench.tally);
    AKIN_CHECK(bench.tally, err, AKIN_ENOMEM, "no memory for %d threads",
               threads);
    result->threads = threads;
    const struct akin__network *n = akin__model_network(model);
    const bool here = !akin__model_card(model);
    result->kernels = here ? n->kernels->tiles[n->precision].path : "cuda";

    bench.options.files = 0;
    AKIN_TRY(measure(&bench, &sum, &result->network, err));
    bench.options.files = files;
    if (files) {
        AKIN_TRY(measure(&bench, &sum, &result->pipeline, err));
        result->read = threads * sum.images / sum.read;
        result->decode = threads * sum.images / sum.decode;
        result->resize = threads * sum.images / sum.resize;
    }
    if (here)
        AKIN_TRY(akin__network_share(n, akin__model_batch(model), SHARE_SECONDS,
                                     &result->gemm_share, err));
out:
    akin__free(bench.tally);
    return status;
}
