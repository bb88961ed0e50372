/* Score: how alike two vectors are. */
#include <math.h>

#include "akin.h"

double akin_cosine(const float *a, const float *b, size_t dim)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < dim; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    if (aa == 0 || bb == 0)
        return 0;
    return fmax(-1, fmin(1, ab / sqrt(aa * bb)));
}

double akin_score(double cosine)
{
    return (cosine + 1) / 2;
}
