/*
 * Page (html.h): the text is written out picture by picture, so that a page
 * of thousands of pictures needs the memory of one.
 */
#include "view/html.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "view/meter.h"
#include "view/thumb.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, "
    "initial-scale=1\">\n"
    "<style>\n"
    ":root { color-scheme: light dark; --page: #f6f5f2; --card: #fff;\n"
    "  --tile: #eceae5; --text: #1d1c1a; --soft: #6b6862; --line: #dedbd4;\n"
    "  --keep: #1f7a45; }\n"
    "@media (prefers-color-scheme: dark) { :root { --page: #161514;\n"
    "  --card: #201f1d; --tile: #2b2926; --text: #ece9e3; --soft: #a09b92;\n"
    "  --line: #35322e; --keep: #6cc48f; } }\n"
    "* { box-sizing: border-box; margin: 0; }\n"
    "body { background: var(--page); color: var(--text); font: 15px/1.45\n"
    "  system-ui, sans-serif; padding: 28px clamp(12px, 3vw, 40px); }\n"
    "header, article { max-width: 1400px; margin: 0 auto 20px; }\n"
    "h1 { font-size: 22px; font-weight: 650; letter-spacing: -0.01em; }\n"
    "header p { color: var(--soft); overflow-wrap: anywhere; }\n"
    "article { display: grid; grid-template-columns: 210px 1fr; gap: 28px;\n"
    "  background: var(--card); border: 1px solid var(--line);\n"
    "  border-radius: 12px; padding: 20px; }\n"
    ".models { display: grid; gap: 20px 28px; grid-template-columns:\n"
    "  repeat(auto-fit, minmax(min(270px, 100%), 1fr)); }\n"
    "h2 { font-size: 13px; font-weight: 600; color: var(--soft);\n"
    "  margin-bottom: 8px; overflow-wrap: anywhere; }\n"
    "ol { list-style: none; padding: 0; display: grid; gap: 14px 12px;\n"
    "  grid-template-columns: repeat(auto-fit, minmax(84px, 1fr)); }\n"
    "li { max-width: 220px; }\n"
    ".tile { display: flex; align-items: center; justify-content: center;\n"
    "  aspect-ratio: 1; background: var(--tile); border-radius: 8px;\n"
    "  overflow: hidden; }\n"
    ".tile img { width: 100%; height: 100%; object-fit: contain; }\n"
    ".query .tile { aspect-ratio: auto; min-height: 60px; }\n"
    ".query img { height: auto; max-height: 340px; }\n"
    ".sign { font-size: 15px; font-weight: 600; margin: 10px 0 6px; }\n"
    ".query .words { padding: 14px; font-size: 15px; color: var(--text);\n"
    "  overflow-wrap: anywhere; unicode-bidi: isolate; }\n"
    ".less .tile { opacity: 0.6; }\n"
    ".tile p { padding: 8px; font-size: 12px; color: var(--soft);\n"
    "  overflow-wrap: anywhere; max-height: 100%; }\n"
    "figcaption { margin-top: 6px; font-size: 12px; line-height: 1.35;\n"
    "  color: var(--soft); }\n"
    "figcaption b { display: block; color: var(--text); font-size: 15px;\n"
    "  font-weight: 600; font-variant-numeric: tabular-nums; }\n"
    ".name { display: -webkit-box; -webkit-box-orient: vertical;\n"
    "  -webkit-line-clamp: 2; overflow: hidden; overflow-wrap: anywhere;\n"
    "  unicode-bidi: isolate; }\n"
    ".nothing { color: var(--soft); }\n"
    "details { max-width: 1400px; margin: 0 auto 20px; }\n"
    "summary { cursor: pointer; color: var(--soft); font-weight: 600;\n"
    "  margin-bottom: 12px; }\n"
    ".groups { display: flex; flex-wrap: wrap; gap: 16px;\n"
    "  align-items: flex-start; }\n"
    ".group { display: block; margin: 0; content-visibility: auto;\n"
    "  width: min(100%, calc(var(--pictures) * 162px + 30px));\n"
    "  contain-intrinsic-height: auto 290px; padding: 20px; }\n"
    ".group ol { grid-template-columns: repeat(auto-fill, minmax(\n"
    "  min(140px, 44%), 1fr)); }\n"
    ".group .name { -webkit-line-clamp: 3; }\n"
    ".keep .tile { outline: 3px solid var(--keep); outline-offset: -3px; }\n"
    ".keep b { color: var(--keep); }\n"
    ".group details { margin: 14px 0 0; font-size: 12px; }\n"
    ".group details p { color: var(--soft); overflow-wrap: anywhere; }\n"
    "@media (max-width: 860px) { article { grid-template-columns: 1fr;\n"
    "  gap: 20px; } .query figure { width: min(260px, 100%); }\n"
    "  .group { width: 100%; } }\n"
    "@media (max-width: 400px) { article { padding: 14px; }\n"
    "  .query figure { width: 100%; } ol { gap: 12px 8px; } }\n"
    "</style>\n";

static void add(struct akin__page *page, const char *text)
{
    akin__text_add(&page->text, text, strlen(text));
}

/* A name, whatever bytes it has, as text or as the value of an attribute. */
static void add_escaped(struct akin__page *page, const char *text)
{
    char printable[4 * PATH_MAX + 1];
    akin__printable(printable, sizeof printable, text);
    for (const char *at = printable; *at; at++) {
        switch (*at) {
        case '&':
            add(page, "&amp;");
            break;
        case '<':
            add(page, "&lt;");
            break;
        case '>':
            add(page, "&gt;");
            break;
        case '"':
            add(page, "&quot;");
            break;
        default:
            akin__text_add(&page->text, at, 1);
        }
    }
}

/* Write out what was added. */
static akin_status flush(struct akin__page *page, akin_error *err)
{
    if (page->text.failed)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", page->draft.path);
    const akin_status status =
        akin__file_write(&page->draft.file, page->text.bytes, page->text.length,
                         page->length, err);
    page->length += page->text.length;
    page->text.length = 0;
    return status;
}

akin_status akin__page_open(struct akin__page *page, const char *path,
                            const char *heading, const char *title,
                            akin_decoder *decoder, akin_error *err)
{
    memset(page, 0, sizeof *page);
    page->decoder = decoder;
    akin_status status = akin__draft_open(&page->draft, path, err);
    if (status)
        return status;
    add(page, head);
    add(page, "<title>akin: ");
    add_escaped(page, title);
    add(page, "</title>\n<header><h1>");
    add_escaped(page, heading);
    add(page, "</h1>\n<p>in ");
    add_escaped(page, title);
    add(page, "</p></header>\n");
    status = flush(page, err);
    if (status)
        akin__page_drop(page);
    return status;
}

static void add_base64(struct akin__page *page, const unsigned char *bytes,
                       size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < count; at += 3) {
        const size_t have = count - at < 3 ? count - at : 3;
        const unsigned bits = (unsigned)bytes[at] << 16 |
                              (have > 1 ? (unsigned)bytes[at + 1] << 8 : 0) |
                              (have > 2 ? bytes[at + 2] : 0u);
        const char four[] = {digits[bits >> 18], digits[bits >> 12 & 63],
                             have > 1 ? digits[bits >> 6 & 63] : '=',
                             have > 2 ? digits[bits & 63] : '='};
        akin__text_add(&page->text, four, sizeof four);
    }
}

static void add_picture(struct akin__page *page, const char *path,
                        uint32_t side)
{
    struct akin__thumb thumb;
    akin_error why;
    add(page, "<div class=\"tile\" title=\"");
    add_escaped(page, path);
    if (akin__thumb_read(&thumb, path, side, page->decoder, &why) != AKIN_OK) {
        add(page, "\"><p>");
        add_escaped(page, akin__reason(&why, path));
        add(page, "</p></div>\n");
        return;
    }
    akin__text_addf(&page->text, "\"><img width=\"%u\" height=\"%u\" alt=\"",
                    thumb.width, thumb.height);
    add_escaped(page, path);
    add(page, "\" src=\"data:image/jpeg;base64,");
    add_base64(page, thumb.jpeg, thumb.bytes);
    add(page, "\"></div>\n");
    akin__thumb_free(&thumb);
}

/* The file's own name, below its picture. */
static void add_name(struct akin__page *page, const char *path)
{
    const char *slash = strrchr(path, '/');
    add(page, "<span class=\"name\" title=\"");
    add_escaped(page, path);
    add(page, "\">");
    add_escaped(page, slash && slash[1] ? slash + 1 : path);
    add(page, "</span>");
}

/* How certain it is, where that is known. */
static void add_certain(struct akin__page *page, double probability)
{
    if (!isnan(probability))
        akin__text_addf(&page->text, "<span>%.1f %% certain</span> ",
                        akin__percent(probability));
}

static akin_status add_match(struct akin__page *page, const akin_match *match,
                             const akin_certainty *certainty, akin_error *err)
{
    add(page, "<li><figure>");
    add_picture(page, match->path, AKIN__THUMB_SIDE);
    akin__text_addf(&page->text,
                    "<figcaption><b title=\"cosine %.6f\">%.1f %%</b>",
                    match->cosine, 100 * match->score);
    add_certain(page, akin__stated(certainty, match->cosine));
    add_name(page, match->path);
    add(page, "</figcaption></figure></li>\n");
    return flush(page, err);
}

static akin_status add_ranking(struct akin__page *page,
                               const struct akin__ranking *ranking,
                               akin_error *err)
{
    static const char *const parts[] = {[AKIN__WHOLE] = "",
                                        [AKIN__PICTURES] =
                                            ": the pictures alone",
                                        [AKIN__NOTHING] = ": cannot read"};
    akin_status status = AKIN_OK;
    add(page, "<section><h2>");
    add_escaped(page, ranking->model);
    add(page, parts[ranking->part]);
    if (ranking->found)
        akin__text_addf(&page->text, "</h2>\n<ol start=\"%zu\">\n",
                        ranking->offset + 1);
    else
        akin__text_addf(&page->text, "</h2>\n<p class=\"nothing\">%s</p>",
                        ranking->part == AKIN__NOTHING ? "no answer to words"
                                                       : "nothing found");
    for (size_t i = 0; i < ranking->found && !status; i++)
        status = add_match(page, &ranking->match[i], ranking->certainty, err);
    add(page, ranking->found ? "</ol></section>\n" : "</section>\n");
    return status;
}

/* A picture or words, below what is done with them: "+ 2 x". */
static akin_status add_term(struct akin__page *page,
                            const struct akin__answers *answers, size_t t,
                            akin_error *err)
{
    const struct akin__term *term = &answers->term[t];
    const double weight = fabs(term->weight);
    const bool less = term->weight < 0, some = weight < 1 || weight > 1;
    if (t || less || some) {
        add(page, less ? "<p class=\"sign\">\342\210\222 "
                  : t  ? "<p class=\"sign\">+ "
                       : "<p class=\"sign\">");
        if (some)
            akin__text_addf(&page->text, "%g \303\227", weight);
        add(page, "</p>\n");
    }
    add(page, less ? "<figure class=\"less\">" : "<figure>");
    if (term->picture) {
        add_picture(page, term->say, AKIN__THUMB_SIDE);
        add(page, "<figcaption>");
        add_name(page, term->say);
        add(page, "</figcaption>");
    } else {
        add(page, "<div class=\"tile\"><p class=\"words\">\342\200\234");
        add_escaped(page, term->say);
        add(page, "\342\200\235</p></div>");
    }
    add(page, "</figure>\n");
    return flush(page, err);
}

akin_status akin__page_add(struct akin__page *page,
                           const struct akin__answers *answers, akin_error *err)
{
    akin_status status = AKIN_OK;
    add(page, "<article><section class=\"query\"><h2>query</h2>\n");
    for (size_t t = 0; t < answers->terms && !status; t++)
        status = add_term(page, answers, t, err);
    add(page, "</section>\n<div class=\"models\">\n");
    for (size_t m = 0; m < answers->models && !status; m++)
        status = add_ranking(page, &answers->ranking[m], err);
    add(page, "</div></article>\n");
    return status ? status : flush(page, err);
}

enum {
    FOLD = 50, /* groups that open together */
    SHOWN = 12 /* pictures of a group; the others are names */
};

/* How it is like the first: "same bytes", "98.1 %" by the model that finds it
 * the least alike, and the least certainty that one states. */
static void add_likeness(struct akin__page *page,
                         const struct akin__copies *copies, size_t at)
{
    const akin_copy *copy = &copies->group.copy[at];
    double least = 1, certain = (double)NAN;
    for (size_t m = 0; m < copies->info->models; m++) {
        const double stated =
            copies->certainty
                ? akin__stated(copies->certainty[m], copy->cosine[m])
                : (double)NAN;
        least = copy->cosine[m] < least ? copy->cosine[m] : least;
        certain = stated < certain || isnan(certain) ? stated : certain;
    }
    if (at == 0)
        add(page, "<b>keep</b>");
    else if (copy->identical)
        add(page, "<b>same bytes</b>");
    else
        akin__text_addf(&page->text, "<b title=\"cosine %.6f\">%.1f %%</b>",
                        least, 100 * akin_score(least));
    if (at && !copy->identical)
        add_certain(page, certain);
}

static akin_status add_copy(struct akin__page *page,
                            const struct akin__copies *copies, size_t at,
                            akin_error *err)
{
    const akin_copy *copy = &copies->group.copy[at];
    char size[32];
    add(page, at ? "<li><figure>" : "<li class=\"keep\"><figure>");
    add_picture(page, copy->path, AKIN__THUMB_SMALL);
    add(page, "<figcaption>");
    add_likeness(page, copies, at);
    akin__text_addf(&page->text, "%lu x %lu, %s, %s",
                    (unsigned long)copy->width, (unsigned long)copy->height,
                    akin__size(size, copy->bytes), copy->format);
    add_name(page, copy->path);
    add(page, "</figcaption></figure></li>\n");
    return flush(page, err);
}

static akin_status add_others(struct akin__page *page,
                              const struct akin__copies *copies,
                              akin_error *err)
{
    const size_t count = copies->group.copies;
    akin_status status = AKIN_OK;
    akin__text_addf(&page->text, "<details><summary>%zu more</summary>\n",
                    count - SHOWN);
    for (size_t i = SHOWN; i < count && !status; i++) {
        add(page, "<p>");
        add_escaped(page, copies->group.copy[i].path);
        add(page, "</p>\n");
        if (page->text.length > 1 << 16)
            status = flush(page, err);
    }
    add(page, "</details>\n");
    return status;
}

akin_status akin__page_group(struct akin__page *page,
                             const struct akin__copies *copies, akin_error *err)
{
    const akin_dups_group *group = &copies->group;
    akin_status status = AKIN_OK;
    char size[32];
    if (page->groups % FOLD == 0) {
        const size_t last = page->groups + FOLD;
        const size_t all = copies->info->groups;
        akin__text_addf(&page->text,
                        "%s<details%s><summary>Groups %zu to %zu of "
                        "%zu</summary>\n<div class=\"groups\">\n",
                        page->groups ? "</div></details>\n" : "",
                        page->groups ? "" : " open", page->groups + 1,
                        last < all ? last : all, all);
    }
    page->groups++;
    akin__text_addf(&page->text,
                    "<article class=\"group\" style=\"--pictures:%zu\">"
                    "<h2>%zu pictures, %s to free</h2>\n<ol>\n",
                    group->copies < SHOWN ? group->copies : SHOWN,
                    group->copies, akin__size(size, group->bytes_to_free));
    for (size_t i = 0; i < group->copies && i < SHOWN && !status; i++)
        status = add_copy(page, copies, i, err);
    add(page, "</ol>\n");
    if (group->copies > SHOWN && !status)
        status = add_others(page, copies, err);
    add(page, "</article>\n");
    return status ? status : flush(page, err);
}

akin_status akin__page_commit(struct akin__page *page, akin_error *err)
{
    akin__text_free(&page->text);
    return akin__draft_commit(&page->draft, err);
}

void akin__page_drop(struct akin__page *page)
{
    akin__text_free(&page->text);
    akin__draft_drop(&page->draft);
}
