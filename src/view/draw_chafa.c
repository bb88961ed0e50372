/*
 * Pictures in a terminal by libchafa. It asks the environment which terminal
 * it is, never the terminal itself.
 */
#include <chafa.h>
#include <string.h>
#include <unistd.h>

#include "view/config.h"
#include "view/draw.h"

const char *akin__draw_library(void)
{
    return AKIN_CHAFA;
}

/* The most colours that the terminal says it knows. */
static ChafaCanvasMode colours_of(ChafaTermInfo *terminal)
{
    if (chafa_term_info_have_seq(terminal,
                                 CHAFA_TERM_SEQ_SET_COLOR_FGBG_DIRECT))
        return CHAFA_CANVAS_MODE_TRUECOLOR;
    if (chafa_term_info_have_seq(terminal, CHAFA_TERM_SEQ_SET_COLOR_FGBG_256))
        return CHAFA_CANVAS_MODE_INDEXED_240;
    if (chafa_term_info_have_seq(terminal, CHAFA_TERM_SEQ_SET_COLOR_FGBG_16))
        return CHAFA_CANVAS_MODE_INDEXED_16;
    return CHAFA_CANVAS_MODE_FGBG;
}

static ChafaPixelMode pixels_of(ChafaTermInfo *terminal)
{
    if (chafa_term_info_have_seq(terminal,
                                 CHAFA_TERM_SEQ_BEGIN_KITTY_IMMEDIATE_IMAGE_V1))
        return CHAFA_PIXEL_MODE_KITTY;
    if (chafa_term_info_have_seq(terminal, CHAFA_TERM_SEQ_BEGIN_ITERM2_IMAGE))
        return CHAFA_PIXEL_MODE_ITERM2;
    if (chafa_term_info_have_seq(terminal, CHAFA_TERM_SEQ_BEGIN_SIXELS))
        return CHAFA_PIXEL_MODE_SIXELS;
    return CHAFA_PIXEL_MODE_SYMBOLS;
}

static ChafaCanvasConfig *config_of(ChafaTermInfo *terminal, unsigned columns,
                                    unsigned rows, bool colour)
{
    ChafaCanvasConfig *config = chafa_canvas_config_new();
    ChafaSymbolMap *symbols = chafa_symbol_map_new();
    /* Blocks and borders: what every font has in the same width. */
    chafa_symbol_map_add_by_tags(symbols, CHAFA_SYMBOL_TAG_BLOCK |
                                              CHAFA_SYMBOL_TAG_BORDER |
                                              CHAFA_SYMBOL_TAG_SPACE);
    chafa_canvas_config_set_symbol_map(config, symbols);
    chafa_symbol_map_unref(symbols);
    chafa_canvas_config_set_geometry(config, (gint)columns, (gint)rows);
    chafa_canvas_config_set_cell_geometry(config, AKIN__CELL_WIDTH,
                                          AKIN__CELL_HEIGHT);
    chafa_canvas_config_set_canvas_mode(
        config, colour ? colours_of(terminal) : CHAFA_CANVAS_MODE_FGBG);
    chafa_canvas_config_set_pixel_mode(
        config, colour ? pixels_of(terminal) : CHAFA_PIXEL_MODE_SYMBOLS);
    if (!colour) /* shades as patterns */
        chafa_canvas_config_set_dither_mode(config, CHAFA_DITHER_MODE_ORDERED);
    return config;
}

void akin__draw(const uint8_t *rgba, unsigned columns, unsigned rows,
                bool colour, struct akin__text *text)
{
    ChafaTermInfo *terminal =
        chafa_term_db_detect(chafa_term_db_get_default(), environ);
    ChafaCanvasConfig *config = config_of(terminal, columns, rows, colour);
    ChafaCanvas *canvas = chafa_canvas_new(config);
    const int width = (int)columns * AKIN__CELL_WIDTH;
    chafa_canvas_draw_all_pixels(canvas, CHAFA_PIXEL_RGBA8_UNASSOCIATED, rgba,
                                 width, (int)rows * AKIN__CELL_HEIGHT,
                                 4 * width);
    GString *drawn = chafa_canvas_print(canvas, terminal);
    akin__text_add(text, drawn->str, drawn->len);
    akin__text_add(text, "\n", 1);
    g_string_free(drawn, TRUE);
    chafa_canvas_unref(canvas);
    chafa_canvas_config_unref(config);
    chafa_term_info_unref(terminal);
}
