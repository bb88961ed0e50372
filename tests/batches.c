/*
 * batches MODEL FILE..: whether akin_embed_images gives in every precision, for
 * every number of pictures and in any order, the bits that they get one by one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin.h"

enum { MOST = 64 };

static akin_error err;

static int fail(const char *what)
{
    fprintf(stderr, "batches: %s: %s\n", what, err.message);
    return 1;
}

/* Pictures `first`, `first` + 1, ... around the ring of `all`. */
static int compare(akin_session *session, const akin_image *images, size_t all,
                   size_t first, size_t count, const float *alone, size_t dim)
{
    akin_image batch[MOST];
    float *vectors = calloc(count, dim * sizeof(float));
    int differing = 0;
    for (size_t i = 0; i < count; i++)
        batch[i] = images[(first + i) % all];
    if (akin_embed_images(session, batch, count, vectors, &err))
        differing = fail("a batch");
    for (size_t i = 0; i < count && !differing; i++)
        if (memcmp(vectors + i * dim, alone + (first + i) % all * dim,
                   dim * sizeof(float)) != 0) {
            printf("picture %zu of %zu from %zu differs\n", i, count, first);
            differing = 1;
        }
    free(vectors);
    return differing;
}

/* Every batch of the pictures in one precision. */
static int compare_all(const char *name, akin_precision precision,
                       const akin_image *images, size_t all)
{
    const akin_model_options options = {.size = sizeof options,
                                        .precision = precision};
    akin_model *model = NULL;
    akin_session *session = NULL;
    if (akin_model_open(&model, name, &options, &err) ||
        akin_session_open(&session, model, &err))
        return fail(name);
    const size_t dim = akin_model_dim(model);
    float *alone = calloc(all, dim * sizeof(float));
    int differing = 0;
    for (size_t i = 0; i < all; i++)
        if (akin_embed_image(session, &images[i], alone + i * dim, &err))
            differing = fail("a picture");
    for (size_t count = 0; count <= all; count++)
        for (size_t first = 0; first < all; first++)
            differing +=
                compare(session, images, all, first, count, alone, dim);
    free(alone);
    akin_session_close(&session);
    akin_model_close(&model);
    return differing;
}

int main(int argc, char **argv)
{
    const size_t all = (size_t)argc - 2;
    akin_image images[MOST];
    int differing = 0;
    if (argc < 3 || all > MOST)
        return 2;
    for (size_t i = 0; i < all; i++)
        if (akin_image_read(&images[i], argv[i + 2], NULL, NULL, &err))
            return fail(argv[i + 2]);
    for (int p = AKIN_PRECISION_F32; p <= AKIN_PRECISION_INT8; p++)
        differing += compare_all(argv[1], (akin_precision)p, images, all);
    for (size_t i = 0; i < all; i++)
        akin_image_free(&images[i]);
    return differing != 0;
}
