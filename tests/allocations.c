/*
 * allocations MODEL FILE: whether a session takes memory once it is open, in
 * every precision: the network never, and preparing a picture only where none
 * of that size has come before.
 *
 * The functions of base/memory.h are here those that count: the linker takes
 * an object out of the library only for a name that is not there yet.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin.h"
#include "base/memory.h"
#include "embed/session.h"

static atomic_int taken; /* how often memory was asked for */
static akin_error err;

void *akin__alloc(size_t count, size_t size)
{
    taken++;
    return malloc(count * size + 1);
}

void *akin__calloc(size_t count, size_t size)
{
    taken++;
    return calloc(count + 1, size);
}

void *akin__alloc_aligned(size_t count, size_t size)
{
    taken++;
    return aligned_alloc(64, (count * size + 64) / 64 * 64);
}

void *akin__realloc(void *memory, size_t count, size_t size)
{
    taken++;
    return realloc(memory, count * size + 1);
}

char *akin__strdup(const char *text)
{
    taken++;
    return strdup(text);
}

void akin__free(void *memory)
{
    free(memory);
}

static int fail(const char *what)
{
    fprintf(stderr, "allocations: %s: %s\n", what, err.message);
    return 1;
}

static int tell(const char *what, akin_precision precision, int before)
{
    if (taken != before)
        printf("%s takes memory %d times at precision %d\n", what,
               taken - before, (int)precision);
    return taken != before;
}

/* The picture in every slot, and through the network. */
static int embed(akin_session *session, const akin_model *model,
                 const akin_image *image, float *vectors)
{
    const akin_precision precision = akin_model_precision(model);
    const size_t slots = akin__model_batch(model);
    int bad = 0;
    if (akin__session_place(session, 0, image, &err))
        return fail("a picture");
    const int prepared = taken;
    for (size_t i = 0; i < slots; i++)
        bad |= akin__session_place(session, i, image, &err);
    bad |= tell("another picture", precision, prepared);
    const int placed = taken;
    if (akin__session_run(session, slots, vectors, &err))
        return fail("the network");
    return bad | tell("the network", precision, placed);
}

static int try(const char *name, akin_precision precision,
               const akin_image *image)
{
    const akin_model_options options = {.size = sizeof options,
                                        .precision = precision};
    akin_model *model = NULL;
    akin_session *session = NULL;
    const int start = taken;
    if (akin_model_open(&model, name, &options, &err) ||
        akin_session_open(&session, model, &err))
        return fail(name);
    float *vectors = calloc(akin__model_batch(model) * akin_model_dim(model),
                            sizeof *vectors);
    int bad = vectors ? embed(session, model, image, vectors) : 1;
    if (taken == start) {
        printf("nothing was counted\n");
        bad = 1;
    }
    free(vectors);
    akin_session_close(&session);
    akin_model_close(&model);
    return bad;
}

int main(int argc, char **argv)
{
    akin_image image;
    int bad = 0;
    if (argc != 3)
        return 2;
    if (akin_image_read(&image, argv[2], NULL, NULL, &err))
        return fail(argv[2]);
    for (int p = AKIN_PRECISION_F32; p <= AKIN_PRECISION_INT8; p++)
        bad |= try(argv[1], (akin_precision)p, &image);
    akin_image_free(&image);
    return bad;
}
