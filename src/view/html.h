/*
 * Page: one self-contained HTML file, of queries and their answers, each
 * model's beside the other's, or of groups of copies. No scripts, nothing
 * fetched: the pictures are in it as small JPEGs.
 */
#ifndef AKIN_VIEW_HTML_H
#define AKIN_VIEW_HTML_H

#include "akin.h"
#include "base/draft.h"
#include "base/text.h"
#include "view/result.h"

struct akin__page {
    struct akin__draft draft;
    akin_decoder *decoder;  /* of its pictures */
    uint64_t length;        /* written so far */
    struct akin__text text; /* to be written next */
    size_t groups;          /* so far */
};

/*
 * Begin the page at `path`; the file there stays until akin__page_commit.
 * `heading` says what it shows, `title` of what: the index. The decoder lives
 * as long as the page.
 * After a failed open, a commit or a drop nothing is left to free.
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
akin_status akin__page_commit(struct akin__page *page, akin_error *err);
void akin__page_drop(struct akin__page *page);

#endif
