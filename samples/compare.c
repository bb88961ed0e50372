/* How alike are two pictures?  compare MODEL ONE TWO
 * cc compare.c $(pkg-config --cflags --libs akin) -o compare */
#include <akin.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    akin_error err;
    akin_model *model = NULL;
    float a[AKIN_MAX_DIM], b[AKIN_MAX_DIM];
    double cosine;

    if (argc != 4) {
        fprintf(stderr, "usage: compare MODEL ONE TWO\n");
        return 2;
    }
    if (akin_model_open(&model, argv[1], NULL, &err) ||
        akin_embed_file(model, argv[2], a, &err) ||
        akin_embed_file(model, argv[3], b, &err)) {
        fprintf(stderr, "compare: %s\n", err.message);
        akin_model_close(&model);
        return 1;
    }
    cosine = akin_cosine(a, b, akin_model_dim(model));
    printf("%.1f %%\n", 100 * akin_score(cosine));
    akin_model_close(&model);
    return 0;
}
