/* Table (table.h). */
#include "view/table.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum {
    GAP = 2,        /* between two columns */
    LEAST_PATH = 16 /* a shortened path says something still */
};
static const char ellipsis[] = "\xe2\x80\xa6";

/* Code points; the text is UTF-8 (akin__printable made it). */
static size_t width_of(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* Where the code point number `count` begins. */
static const char *after(const char *text, size_t count)
{
    for (; *text; text++) {
        if (((unsigned char)*text & 0xc0) != 0x80 && count-- == 0)
            break;
    }
    return text;
}

static void add_printable(struct akin__table *table, struct akin__names *names,
                          const char *text)
{
    char printable[4 * PATH_MAX + 1];
    akin__printable(printable, sizeof printable, text);
    if (akin__names_add(names, printable, NULL) != AKIN_OK)
        table->failed = true;
}

void akin__table_column(struct akin__table *table, const char *heading,
                        enum akin__column_kind kind)
{
    add_printable(table, &table->headings, heading);
    table->kind[table->columns++] = kind;
}

void akin__table_cell(struct akin__table *table, const char *text)
{
    add_printable(table, &table->cells, text);
}

void akin__table_cellf(struct akin__table *table, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    akin__table_cell(table, text);
}

void akin__table_free(struct akin__table *table)
{
    akin__names_free(&table->headings);
    akin__names_free(&table->cells);
    memset(table, 0, sizeof *table);
}

/* The widest text of each column. */
static void measure(const struct akin__table *table, size_t *widths)
{
    for (size_t c = 0; c < table->columns; c++)
        widths[c] = width_of(table->headings.name[c]);
    for (size_t i = 0; i < table->cells.count; i++) {
        const size_t width = width_of(table->cells.name[i]);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
}

/* The path column that is widest, if it can still be made narrower. */
static size_t *widest_path(const struct akin__table *table, size_t *widths)
{
    size_t *widest = NULL;
    for (size_t c = 0; c < table->columns; c++) {
        if (table->kind[c] == AKIN__PATH && widths[c] > LEAST_PATH &&
            (!widest || widths[c] > *widest))
            widest = &widths[c];
    }
    return widest;
}

static void fit(const struct akin__table *table, size_t terminal,
                size_t *widths)
{
    size_t whole = GAP * (table->columns - 1);
    size_t *widest;
    for (size_t c = 0; c < table->columns; c++)
        whole += widths[c];
    while (whole > terminal && (widest = widest_path(table, widths))) {
        --*widest;
        whole--;
    }
}

/* The file's name says more than its folders: two thirds are for the end. */
static void add_shortened(struct akin__text *text, const char *cell,
                          size_t width)
{
    const size_t have = width_of(cell);
    if (have <= width) {
        akin__text_add(text, cell, strlen(cell));
        return;
    }
    const size_t front = (width - 1) / 3, end = width - 1 - front;
    const char *tail = after(cell, have - end);
    akin__text_add(text, cell, (size_t)(after(cell, front) - cell));
    akin__text_add(text, ellipsis, strlen(ellipsis));
    akin__text_add(text, tail, strlen(tail));
}

static void add_cell(const struct akin__table *table, size_t column,
                     const char *cell, size_t width, struct akin__text *text)
{
    const size_t have = width_of(cell);
    const int pad = have < width ? (int)(width - have) : 0;
    const bool last = column + 1 == table->columns;
    if (column)
        akin__text_addf(text, "%*s", GAP, "");
    if (table->kind[column] == AKIN__RIGHT)
        akin__text_addf(text, "%*s", pad, "");
    add_shortened(text, cell, width);
    if (table->kind[column] != AKIN__RIGHT && !last)
        akin__text_addf(text, "%*s", pad, "");
}

void akin__bold(struct akin__text *out, const struct akin__look *look,
                const char *text)
{
    akin__text_addf(out, look->colour ? "\x1b[1m%s\x1b[0m" : "%s", text);
}

static void add_headings(const struct akin__table *table,
                         const struct akin__look *look, const size_t *widths,
                         struct akin__text *text)
{
    struct akin__text line = {0};
    bool any = false;
    for (size_t c = 0; c < table->columns; c++) {
        any = any || *table->headings.name[c];
        add_cell(table, c, table->headings.name[c], widths[c], &line);
    }
    if (any && !line.failed) {
        akin__bold(text, look, line.bytes);
        akin__text_add(text, "\n", 1);
    }
    text->failed = text->failed || line.failed;
    akin__text_free(&line);
}

void akin__table_render(const struct akin__table *table,
                        const struct akin__look *look, struct akin__text *text)
{
    size_t widths[AKIN__COLUMNS] = {0};
    if (table->failed) {
        text->failed = true;
        return;
    }
    measure(table, widths);
    if (look->width)
        fit(table, look->width, widths);
    add_headings(table, look, widths, text);
    for (size_t i = 0; i < table->cells.count; i++) {
        const size_t column = i % table->columns;
        add_cell(table, column, table->cells.name[i], widths[column], text);
        if (column + 1 == table->columns)
            akin__text_add(text, "\n", 1);
    }
}
