/*
 * Pages (page.h) of queries and their answers, each model's beside the other's,
 * and of groups of copies.
 */
#ifndef AKIN_VIEW_HTML_H
#define AKIN_VIEW_HTML_H

#include "akin.h"
#include "view/page.h"
#include "view/result.h"

/*
 * Begin the page at `path`; the file there stays until akin__page_commit.
 * `heading` says what it shows, `title` of what: the index. The decoder lives
 * as long as the page.
 * After a failed open nothing is left to free.
 */
akin_status akin__page_open(struct akin__page *page, const char *path,
                            const char *heading, const char *title,
                            akin_decoder *decoder, akin_error *err);
/* One more query. A picture that cannot be read is an empty frame with its
 * reason, not a failure. */
akin_status akin__page_add(struct akin__page *page,
                           const struct akin__answers *answers,
                           akin_error *err);
/* One more group of copies. Groups are in folds, of which the first is open,
 * so that a browser draws thousands of them at once; a group shows its first
 * pictures and names the others. */
akin_status akin__page_group(struct akin__page *page,
                             const struct akin__copies *copies,
                             akin_error *err);

#endif
