/*
 * figures MODEL FOLDER: recompute the figures that were published of real
 * weights with a model that has others, for figures_test.py. A line each: the
 * difference, a tab, the name.
 */
#include <stdio.h>

#include "embed/figures.h"

static void show(void *context, const akin_figure *figure)
{
    (void)context;
    printf("%.9g\t%s\n", figure->difference, figure->name);
}

int main(int argc, char **argv)
{
    const akin_model_options how = {
        .size = sizeof how, .exif = AKIN_EXIF_OFF, .pool = AKIN_POOL_MEAN};
    akin_error err = {AKIN_OK, ""};
    akin_model *model;
    if (argc != 3 || akin_model_open(&model, argv[1], &how, &err)) {
        fprintf(stderr, "figures: %s\n", err.message);
        return 1;
    }
    const akin_figures_options options = {
        .size = sizeof options, .pictures = argv[2], .visit = show};
    const akin_status status = akin__figures_run(model, &options, &err);
    akin_model_close(&model);
    return status == AKIN_OK || status == AKIN_EMODEL ? 0 : 1;
}
