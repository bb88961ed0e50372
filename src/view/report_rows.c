/* Rows of pictures on the report's page: examples, and where errors lie. */
#include <math.h>

#include "view/meter.h"
#include "view/report_page.h"
#include "view/thumb.h"

enum {
    WORST = 5, /* kinds of edit that are named for a model */
    OPEN = 2   /* models whose errors are unfolded */
};

/* A picture with what it is above its name, and what was done to it below;
 * `words` are plain text. */
static void add_tile(struct akin__page *page, const char *path,
                     const char *kind, const char *words, const char *edit)
{
    akin__text_addf(&page->text, "<figure class=\"%s\">", kind);
    if (path)
        akin__page_picture(page, path, AKIN__THUMB_SMALL);
    else
        akin__page_text(page, "<div class=\"tile\"><p>none</p></div>\n");
    akin__page_text(page, "<figcaption><b>");
    akin__page_text(page, words);
    akin__page_text(page, "</b>");
    if (path)
        akin__page_name(page, path);
    akin__page_escaped(page, edit);
    akin__page_text(page, "</figcaption></figure>\n");
}

/* -------------------------------------------------------------- examples -- */

static void add_given(struct akin__page *page,
                      const struct akin__report *report, size_t model,
                      const struct akin__example_answers *given)
{
    akin__words score;
    akin__page_text(page, "<section><h4>");
    akin__page_escaped(page, report->model[model].name);
    akin__page_text(page, given->count
                              ? "</h4>\n<ol>\n"
                              : "</h4>\n<p class=\"nothing\">no answer</p>\n");
    for (size_t i = 0; i < given->count; i++) {
        const bool right = given->answer[i].right;
        char words[AKIN__WORDS + 32];
        snprintf(words, sizeof words, "%s%s",
                 right ? "\xe2\x9c\x93 right " : "",
                 akin__score_words(score, given->answer[i].score));
        akin__page_text(page, "<li>");
        add_tile(page, given->answer[i].path, right ? "hit" : "other", words,
                 "");
        akin__page_text(page, "</li>\n");
    }
    akin__page_text(page, given->count ? "</ol></section>\n" : "</section>\n");
}

static void add_example(struct akin__page *page,
                        const struct akin__report *report,
                        const struct akin__example *example)
{
    akin__page_text(page, "<article class=\"case\">\n<section class=\"asked\">"
                          "<h4>query");
    if (*example->edit) {
        akin__page_text(page, ": ");
        akin__page_escaped(page, example->edit);
    }
    akin__page_text(page, "</h4>\n<div>");
    add_tile(page, example->query, "query", "query", "");
    if (example->truth)
        add_tile(page, example->truth, "truth", "right answer", "");
    akin__page_text(page, "</div></section>\n");
    add_given(page, report, report->first, &example->given[0]);
    if (report->first != report->second)
        add_given(page, report, report->second, &example->given[1]);
    akin__page_text(page, "</article>\n");
}

akin_status akin__rows_examples(struct akin__page *page,
                                const struct akin__report *report,
                                akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t kind = 0; kind < akin__report_kinds(report); kind++) {
        struct akin__text words = {0};
        akin__words share;
        char n[2][32];
        size_t shown = 0;
        akin__kind_words(report, (enum akin__example_kind)kind, &words);
        akin__page_text(page, "<h3>");
        akin__page_escaped(page, words.length ? words.bytes : "");
        page->text.failed = page->text.failed || words.failed;
        akin__text_free(&words);
        akin__text_addf(&page->text,
                        " <small>%s of %s queries, %s</small></h3>\n",
                        akin__thousands(n[0], report->kinds[kind]),
                        akin__thousands(n[1], report->positives),
                        akin__percent(share, report->positives
                                                 ? (double)report->kinds[kind] /
                                                       (double)report->positives
                                                 : NAN));
        for (size_t i = 0; i < report->examples && !status; i++) {
            if (report->example[i].kind != kind)
                continue;
            add_example(page, report, &report->example[i]);
            status = akin__page_flush(page, err);
            shown++;
        }
        if (!shown)
            akin__page_text(page, report->kinds[kind]
                                      ? "<p class=\"nothing\">Not shown.</p>\n"
                                      : "<p class=\"nothing\">None.</p>\n");
    }
    return status;
}

/* ---------------------------------------------------------------- errors -- */

static void add_miss(struct akin__page *page, const struct akin__miss *miss)
{
    akin__words score;
    char words[2 * AKIN__WORDS], rank[32];
    akin__page_text(page, "<article class=\"miss\"><div>");
    add_tile(page, miss->query, "query", "query", miss->edit);
    snprintf(words, sizeof words, "answer %s",
             akin__score_words(score, miss->answer_score));
    add_tile(page, miss->answer, "other", words, "");
    if (!miss->truth)
        snprintf(words, sizeof words, "no right one");
    else if (miss->rank)
        snprintf(words, sizeof words, "right %s, place %s",
                 akin__score_words(score, miss->truth_score),
                 akin__thousands(rank, miss->rank));
    else
        snprintf(words, sizeof words, "right, not found");
    add_tile(page, miss->truth, "truth", words, "");
    akin__page_text(page, "</div></article>\n");
}

static akin_status add_misses(struct akin__page *page, const char *words,
                              const struct akin__miss *miss, size_t count,
                              bool any, akin_error *err)
{
    akin_status status = AKIN_OK;
    akin__text_addf(&page->text, "<h4>%s</h4>\n", words);
    akin__page_text(page, count ? "<div class=\"misses\">\n"
                          : any ? "<p class=\"nothing\">Not shown.</p>\n"
                                : "<p class=\"nothing\">None.</p>\n");
    for (size_t i = 0; i < count && !status; i++) {
        add_miss(page, &miss[i]);
        status = akin__page_flush(page, err);
    }
    if (count)
        akin__page_text(page, "</div>\n");
    return status;
}

static void add_worst(struct akin__page *page,
                      const struct akin__report *report, size_t model)
{
    size_t worst[WORST];
    const size_t count = akin__worst_edits(report, model, WORST, worst);
    akin__words share;
    char n[2][32];
    if (!count)
        return;
    akin__page_text(page, "<h4>Edits that it does worst</h4>\n"
                          "<ul class=\"worst\">\n");
    for (size_t i = 0; i < count; i++) {
        const struct akin__edit *edit = &report->edit[worst[i]];
        akin__page_text(page, "<li><b>");
        akin__page_escaped(page, edit->kind);
        if (*edit->strength) {
            akin__page_text(page, ", ");
            akin__page_escaped(page, edit->strength);
        }
        akin__text_addf(
            &page->text, "</b> %s, %s of %s right</li>\n",
            akin__percent(share, akin__edit_share(report, model, worst[i])),
            akin__thousands(n[0], report->model[model].edit_hits[worst[i]]),
            akin__thousands(n[1], edit->queries));
    }
    akin__page_text(page, "</ul>\n");
}

akin_status akin__rows_errors(struct akin__page *page,
                              const struct akin__report *report, size_t number,
                              akin_error *err)
{
    const struct akin__report_model *model = &report->model[number];
    char n[32];
    akin__text_addf(&page->text, "<details class=\"errors\"%s><summary>",
                    number < OPEN ? " open" : "");
    akin__page_escaped(page, model->name);
    akin__text_addf(&page->text, ": %s true pairs not found first</summary>\n",
                    akin__thousands(n, model->missed_all));
    add_worst(page, report, number);
    const bool any = model->missed_all; /* a set of vectors has no pictures */
    akin_status status = add_misses(page, "Sure, and wrong", model->sure,
                                    model->sures, any, err);
    if (!status)
        status = add_misses(page, "True pairs that it missed", model->missed,
                            model->misses, any, err);
    akin__page_text(page, "</details>\n");
    return status;
}
