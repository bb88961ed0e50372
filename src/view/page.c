/*
 * Page (page.h): the text is written out piece by piece, so that a page of
 * thousands of pictures needs the memory of one.
 */
#include "view/page.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "view/thumb.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    /* Names are escaped; should one ever not be, nothing of it runs. */
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
    "'none'; style-src 'unsafe-inline'; img-src data:\">\n"
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
    "h1 { font-size: 22px; font-weight: 650; letter-spacing: -0.01em;\n"
    "  overflow-wrap: anywhere; }\n"
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
    "  .query figure { width: 100%; } ol { gap: 12px 8px; } }\n";

void akin__page_text(struct akin__page *page, const char *text)
{
    akin__text_add(&page->text, text, strlen(text));
}

void akin__page_escaped(struct akin__page *page, const char *text)
{
    char printable[4 * PATH_MAX + 1];
    akin__printable(printable, sizeof printable, text);
    for (const char *at = printable; *at; at++) {
        switch (*at) {
        case '&':
            akin__page_text(page, "&amp;");
            break;
        case '<':
            akin__page_text(page, "&lt;");
            break;
        case '>':
            akin__page_text(page, "&gt;");
            break;
        case '"':
            akin__page_text(page, "&quot;");
            break;
        default:
            akin__text_add(&page->text, at, 1);
        }
    }
}

akin_status akin__page_flush(struct akin__page *page, akin_error *err)
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

void akin__page_picture(struct akin__page *page, const char *path,
                        uint32_t side)
{
    struct akin__thumb thumb;
    akin_error why;
    akin__page_text(page, "<div class=\"tile\" title=\"");
    akin__page_escaped(page, path);
    if (akin__thumb_read(&thumb, path, side, page->decoder, &why) != AKIN_OK) {
        akin__page_text(page, "\"><p>");
        akin__page_escaped(page, akin__reason(&why, path));
        akin__page_text(page, "</p></div>\n");
        return;
    }
    akin__text_addf(&page->text, "\"><img width=\"%u\" height=\"%u\" alt=\"",
                    thumb.width, thumb.height);
    akin__page_escaped(page, path);
    akin__page_text(page, "\" src=\"data:image/jpeg;base64,");
    add_base64(page, thumb.jpeg, thumb.bytes);
    akin__page_text(page, "\"></div>\n");
    akin__thumb_free(&thumb);
}

void akin__page_name(struct akin__page *page, const char *path)
{
    const char *slash = strrchr(path, '/');
    akin__page_text(page, "<span class=\"name\" title=\"");
    akin__page_escaped(page, path);
    akin__page_text(page, "\">");
    akin__page_escaped(page, slash && slash[1] ? slash + 1 : path);
    akin__page_text(page, "</span>");
}

akin_status akin__page_begin(struct akin__page *page, const char *path,
                             const char *title, akin_decoder *decoder,
                             akin_error *err)
{
    memset(page, 0, sizeof *page);
    page->decoder = decoder;
    akin_status status = akin__draft_open(&page->draft, path, err);
    if (status)
        return status;
    akin__page_text(page, head);
    akin__page_text(page, "</style>\n<title>akin: ");
    akin__page_escaped(page, title);
    akin__page_text(page, "</title>\n");
    return AKIN_OK;
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
