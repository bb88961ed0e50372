/*
 * Table: rows of text in aligned columns for a terminal.
 *
 * Widths count code points, which is right for all but wide and combining
 * characters. Columns of paths are shortened in the middle when the whole is
 * wider than the terminal; nothing else ever is.
 */
#ifndef AKIN_VIEW_TABLE_H
#define AKIN_VIEW_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/text.h"

enum akin__column_kind { AKIN__LEFT, AKIN__RIGHT, AKIN__PATH };

enum { AKIN__COLUMNS = 64 };

struct akin__table {
    size_t columns;
    enum akin__column_kind kind[AKIN__COLUMNS]; /* [columns] */
    struct akin__names headings;                /* [columns] */
    struct akin__names cells;                   /* row after row */
    bool failed;                                /* memory was short */
};

/* How it is to look. */
struct akin__look {
    size_t width; /* of the terminal; 0: as wide as it needs */
    bool colour;
};

/* One more column, at most AKIN__COLUMNS, before the first cell; a table whose
 * headings are all "" has none. */
void akin__table_column(struct akin__table *table, const char *heading,
                        enum akin__column_kind kind);
/* The next cell: made printable (\xNN for what is not). */
void akin__table_cell(struct akin__table *table, const char *text);
void akin__table_cellf(struct akin__table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The table as lines at the end of `text`; text.failed when memory is short. */
void akin__table_render(const struct akin__table *table,
                        const struct akin__look *look, struct akin__text *text);
void akin__table_free(struct akin__table *table);

/* `text` in the terminal's bold or dim when the look has colours. */
void akin__bold(struct akin__text *out, const struct akin__look *look,
                const char *text);

#endif
