/* Draw: pictures in a terminal, where the build has libchafa. */
#ifndef AKIN_VIEW_DRAW_H
#define AKIN_VIEW_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* "libchafa 1.12.4", or "" in a build without it. */
const char *akin__draw_library(void);

/* Pixels of a cell of the terminal, as they are drawn: 1 : 2, as usual. */
enum { AKIN__CELL_WIDTH = 8, AKIN__CELL_HEIGHT = 16 };

/*
 * rgba [rows * CELL_HEIGHT][columns * CELL_WIDTH][4] as lines at the end of
 * `text`, in the way that the terminal of the environment knows: sixels,
 * kitty's, iTerm's, or characters, without colours when `colour` is false.
 * text.failed in a build without libchafa.
 */
void akin__draw(const uint8_t *rgba, unsigned columns, unsigned rows,
                bool colour, struct akin__text *text);

#endif
