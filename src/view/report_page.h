/* Parts of the report's page (report_page.c), each one section's content. */
#ifndef AKIN_VIEW_REPORT_PAGE_H
#define AKIN_VIEW_REPORT_PAGE_H

#include "view/page.h"
#include "view/report_words.h"

/* report_style.c: before anything else. */
void akin__report_style(struct akin__page *page);

/* report_chart.c: figures with inline SVG. */
void akin__chart_curves(struct akin__page *page,
                        const struct akin__report *report);
void akin__chart_histogram(struct akin__page *page,
                           const struct akin__report *report, size_t model);

/* report_rows.c: rows of pictures, written out one by one. */
akin_status akin__rows_examples(struct akin__page *page,
                                const struct akin__report *report,
                                akin_error *err);
akin_status akin__rows_errors(struct akin__page *page,
                              const struct akin__report *report, size_t model,
                              akin_error *err);

#endif
