/*
 * Page: one self-contained HTML file in the making: its head and style, text,
 * names and pictures. No scripts, nothing fetched: the pictures are in it as
 * small JPEGs. html.c and report_page.c say what stands on it.
 */
#ifndef AKIN_VIEW_PAGE_H
#define AKIN_VIEW_PAGE_H

#include "akin.h"
#include "base/draft.h"
#include "base/text.h"

struct akin__page {
    struct akin__draft draft;
    akin_decoder *decoder;  /* of its pictures */
    uint64_t length;        /* written so far */
    struct akin__text text; /* to be written next */
    size_t groups;          /* so far */
};

/*
 * Begin the page at `path`; the file there stays until akin__page_commit. The
 * decoder lives as long as the page. After a failed begin, a commit or a drop
 * nothing is left to free.
 */
akin_status akin__page_begin(struct akin__page *page, const char *path,
                             const char *title, akin_decoder *decoder,
                             akin_error *err);
akin_status akin__page_commit(struct akin__page *page, akin_error *err);
void akin__page_drop(struct akin__page *page);

/* More of the page as it is. */
void akin__page_text(struct akin__page *page, const char *text);
/* A name, whatever bytes it has, as text or as the value of an attribute. */
void akin__page_escaped(struct akin__page *page, const char *text);
/* The picture at `path`, no side longer than `most`; an empty frame with the
 * reason when it cannot be read. */
void akin__page_picture(struct akin__page *page, const char *path,
                        uint32_t most);
/* The file's own name, below its picture. */
void akin__page_name(struct akin__page *page, const char *path);
/* Write out what was added. */
akin_status akin__page_flush(struct akin__page *page, akin_error *err);

#endif
