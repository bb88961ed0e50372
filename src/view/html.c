/* Pages of answers and of copies (html.h). */
#include "view/html.h"

#include <math.h>

#include "view/meter.h"
#include "view/thumb.h"

akin_status akin__page_open(struct akin__page *page, const char *path,
                            const char *heading, const char *title,
                            akin_decoder *decoder, akin_error *err)
{
    akin_status status = akin__page_begin(page, path, title, decoder, err);
    if (status)
        return status;
    akin__page_text(page, "<header><h1>");
    akin__page_escaped(page, heading);
    akin__page_text(page, "</h1>\n<p>in ");
    akin__page_escaped(page, title);
    akin__page_text(page, "</p></header>\n");
    status = akin__page_flush(page, err);
    if (status)
        akin__page_drop(page);
    return status;
}

/* How certain it is, where that is known. */
static void add_certain(struct akin__page *page, double probability)
{
    if (!isnan(probability))
        akin__text_addf(&page->text, "<span>%.1f %% certain</span> ",
                        akin__certain_percent(probability));
}

static akin_status add_match(struct akin__page *page, const akin_match *match,
                             const akin_certainty *certainty, akin_error *err)
{
    akin__page_text(page, "<li><figure>");
    akin__page_picture(page, match->path, AKIN__THUMB_SIDE);
    akin__text_addf(&page->text,
                    "<figcaption><b title=\"cosine %.6f\">%.1f %%</b>",
                    match->cosine, 100 * match->score);
    add_certain(page, akin__stated(certainty, match->cosine));
    akin__page_name(page, match->path);
    akin__page_text(page, "</figcaption></figure></li>\n");
    return akin__page_flush(page, err);
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
    akin__page_text(page, "<section><h2>");
    akin__page_escaped(page, ranking->model);
    akin__page_text(page, parts[ranking->part]);
    if (ranking->found)
        akin__text_addf(&page->text, "</h2>\n<ol start=\"%zu\">\n",
                        ranking->offset + 1);
    else
        akin__text_addf(&page->text, "</h2>\n<p class=\"nothing\">%s</p>",
                        ranking->part == AKIN__NOTHING ? "no answer to words"
                                                       : "nothing found");
    for (size_t i = 0; i < ranking->found && !status; i++)
        status = add_match(page, &ranking->match[i], ranking->certainty, err);
    akin__page_text(page,
                    ranking->found ? "</ol></section>\n" : "</section>\n");
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
        akin__page_text(page, less ? "<p class=\"sign\">\342\210\222 "
                              : t  ? "<p class=\"sign\">+ "
                                   : "<p class=\"sign\">");
        if (some)
            akin__text_addf(&page->text, "%g \303\227", weight);
        akin__page_text(page, "</p>\n");
    }
    akin__page_text(page, less ? "<figure class=\"less\">" : "<figure>");
    if (term->picture) {
        akin__page_picture(page, term->say, AKIN__THUMB_SIDE);
        akin__page_text(page, "<figcaption>");
        akin__page_name(page, term->say);
        akin__page_text(page, "</figcaption>");
    } else {
        akin__page_text(page,
                        "<div class=\"tile\"><p class=\"words\">\342\200\234");
        akin__page_escaped(page, term->say);
        akin__page_text(page, "\342\200\235</p></div>");
    }
    akin__page_text(page, "</figure>\n");
    return akin__page_flush(page, err);
}

akin_status akin__page_add(struct akin__page *page,
                           const struct akin__answers *answers, akin_error *err)
{
    akin_status status = AKIN_OK;
    akin__page_text(page, "<article><section class=\"query\"><h2>query</h2>\n");
    for (size_t t = 0; t < answers->terms && !status; t++)
        status = add_term(page, answers, t, err);
    akin__page_text(page, "</section>\n<div class=\"models\">\n");
    for (size_t m = 0; m < answers->models && !status; m++)
        status = add_ranking(page, &answers->ranking[m], err);
    akin__page_text(page, "</div></article>\n");
    return status ? status : akin__page_flush(page, err);
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
        akin__page_text(page, "<b>keep</b>");
    else if (copy->identical)
        akin__page_text(page, "<b>same bytes</b>");
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
    akin__page_text(page, at ? "<li><figure>" : "<li class=\"keep\"><figure>");
    akin__page_picture(page, copy->path, AKIN__THUMB_SMALL);
    akin__page_text(page, "<figcaption>");
    add_likeness(page, copies, at);
    akin__text_addf(&page->text, "%lu x %lu, %s, %s",
                    (unsigned long)copy->width, (unsigned long)copy->height,
                    akin__size(size, copy->bytes), copy->format);
    akin__page_name(page, copy->path);
    akin__page_text(page, "</figcaption></figure></li>\n");
    return akin__page_flush(page, err);
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
        akin__page_text(page, "<p>");
        akin__page_escaped(page, copies->group.copy[i].path);
        akin__page_text(page, "</p>\n");
        if (page->text.length > 1 << 16)
            status = akin__page_flush(page, err);
    }
    akin__page_text(page, "</details>\n");
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
    akin__page_text(page, "</ol>\n");
    if (group->copies > SHOWN && !status)
        status = add_others(page, copies, err);
    akin__page_text(page, "</article>\n");
    return status ? status : akin__page_flush(page, err);
}
