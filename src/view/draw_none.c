/* Pictures in a terminal in a build without libchafa: none. */
#include "view/draw.h"

const char *akin__draw_library(void)
{
    return "";
}

void akin__draw(const uint8_t *rgba, unsigned columns, unsigned rows,
                bool colour, struct akin__text *text)
{
    (void)rgba;
    (void)columns;
    (void)rows;
    (void)colour;
    text->failed = true;
}
