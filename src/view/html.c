/*
 * Page (html.h): the text is written out picture by picture, so that a page
 * of thousands of pictures needs the memory of one.
 */
#include "view/html.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "view/thumb.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, "
    "initial-scale=1\">\n"
    "<style>\n"
    ":root { color-scheme: light dark; --page: #f6f5f2; --card: #fff;\n"
    "  --tile: #eceae5; --text: #1d1c1a; --soft: #6b6862; --line: #dedbd4; }\n"
    "@media (prefers-color-scheme: dark) { :root { --page: #161514;\n"
    "  --card: #201f1d; --tile: #2b2926; --text: #ece9e3; --soft: #a09b92;\n"
    "  --line: #35322e; } }\n"
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
    "@media (max-width: 860px) { article { grid-template-columns: 1fr;\n"
    "  gap: 20px; } .query figure { width: min(260px, 100%); } }\n"
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
                            const char *title, const akin_limits *limits,
                            akin_error *err)
{
    memset(page, 0, sizeof *page);
    page->limits = limits;
    akin_status status = akin__draft_open(&page->draft, path, err);
    if (status)
        return status;
    add(page, head);
    add(page, "<title>akin: ");
    add_escaped(page, title);
    add(page, "</title>\n<header><h1>The most similar pictures</h1>\n<p>in ");
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

static void add_picture(struct akin__page *page, const char *path)
{
    struct akin__thumb thumb;
    akin_error why;
    add(page, "<div class=\"tile\" title=\"");
    add_escaped(page, path);
    if (akin__thumb_read(&thumb, path, page->limits, &why) != AKIN_OK) {
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

static akin_status add_match(struct akin__page *page, const akin_match *match,
                             akin_error *err)
{
    add(page, "<li><figure>");
    add_picture(page, match->path);
    akin__text_addf(&page->text,
                    "<figcaption><b title=\"cosine %.6f\">%.1f %%</b>",
                    match->cosine, 100 * match->score);
    add_name(page, match->path);
    add(page, "</figcaption></figure></li>\n");
    return flush(page, err);
}

static akin_status add_ranking(struct akin__page *page,
                               const struct akin__ranking *ranking,
                               akin_error *err)
{
    akin_status status = AKIN_OK;
    add(page, "<section><h2>");
    add_escaped(page, ranking->model);
    if (ranking->found)
        akin__text_addf(&page->text, "</h2>\n<ol start=\"%zu\">\n",
                        ranking->offset + 1);
    else
        add(page, "</h2>\n<p class=\"nothing\">nothing found</p>");
    for (size_t i = 0; i < ranking->found && !status; i++)
        status = add_match(page, &ranking->match[i], err);
    add(page, ranking->found ? "</ol></section>\n" : "</section>\n");
    return status;
}

akin_status akin__page_add(struct akin__page *page,
                           const struct akin__answers *answers, akin_error *err)
{
    akin_status status = AKIN_OK;
    add(page, "<article><section class=\"query\"><h2>query</h2>\n<figure>");
    add_picture(page, answers->query);
    add(page, "<figcaption>");
    add_name(page, answers->query);
    add(page, "</figcaption></figure></section>\n<div class=\"models\">\n");
    for (size_t m = 0; m < answers->models && !status; m++)
        status = add_ranking(page, &answers->ranking[m], err);
    add(page, "</div></article>\n");
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
