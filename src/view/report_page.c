/*
 * The report as a page: who is better, the table of the models, models in
 * pairs, example rows, accuracy by kind of edit, curves and scores, errors,
 * time. The roles of wide tables are spelled out, because a browser forgets
 * them when it lays out cards instead (report_style.c).
 */
#include <math.h>
#include <string.h>

#include "view/meter.h"
#include "view/report_page.h"

/* Open a section with its heading; `about` is one line below it. */
static void open_section(struct akin__page *page, const char *id,
                         const char *title, const char *about)
{
    akin__text_addf(&page->text,
                    "<section id=\"%s\" aria-labelledby=\"%s-h\">"
                    "<h2 id=\"%s-h\">%s</h2>\n<p class=\"about\">%s</p>\n",
                    id, id, id, title, about);
}

static void close_section(struct akin__page *page)
{
    akin__page_text(page, "</section>\n");
}

/* What `words` holds, which is freed; a number and its sign stay in one line.
 */
static void add_words(struct akin__page *page, struct akin__text *words)
{
    char none[] = "", *from = words->length ? words->bytes : none;
    for (char *at = from; *at; at++) {
        if (at > from && *at == ' ' && at[1] &&
            (strchr("%<=", at[1]) || strchr("<=", at[-1]))) {
            *at = 0;
            akin__page_escaped(page, from);
            akin__page_text(page, "&#160;");
            from = at + 1;
        }
    }
    akin__page_escaped(page, from);
    page->text.failed = page->text.failed || words->failed;
    akin__text_free(words);
}

/* -------------------------------------------------------------- the head -- */

static void add_machine(struct akin__page *page,
                        const struct akin__report *report)
{
    if (*report->cpu) {
        akin__page_text(page, "<br>on ");
        akin__page_escaped(page, report->cpu);
    }
    if (report->card) {
        akin__page_text(page, ", ");
        akin__page_escaped(page, report->card);
    }
    if (report->threads)
        akin__text_addf(&page->text, ", %d thread%s", report->threads,
                        report->threads == 1 ? "" : "s");
    if (*report->precision) {
        akin__page_text(page, ", ");
        akin__page_escaped(page, report->precision);
    }
    if (*report->date) {
        akin__page_text(page, "<br>");
        akin__page_escaped(page, report->date);
    }
}

static bool any_time(const struct akin__report *report)
{
    bool any = akin__stages_known(&report->stages);
    for (size_t m = 0; m < report->models; m++)
        any = any || akin__stages_known(&report->model[m].stages);
    return any;
}

static void add_head(struct akin__page *page, const struct akin__report *report)
{
    char n[4][32];
    akin__page_text(page, "<header><h1>Which model answers better? ");
    akin__page_escaped(page, report->set);
    akin__text_addf(&page->text,
                    "</h1>\n<p>%s queries that have a right answer and %s "
                    "that have none, %s references",
                    akin__thousands(n[0], report->positives),
                    akin__thousands(n[1], report->distractors),
                    akin__thousands(n[2], report->references));
    if (report->pairs != report->positives)
        akin__text_addf(&page->text, ", %s true pairs",
                        akin__thousands(n[3], report->pairs));
    add_machine(page, report);
    akin__page_text(page, "</p>\n<nav aria-label=\"Sections\">"
                          "<a href=\"#models\">Models</a>");
    if (report->comparisons)
        akin__page_text(page, "<a href=\"#pairs\">In pairs</a>");
    akin__page_text(page, "<a href=\"#examples\">Examples</a>");
    if (report->edits)
        akin__page_text(page, "<a href=\"#edits\">Edits</a>");
    akin__page_text(page, "<a href=\"#curves\">Curves</a>"
                          "<a href=\"#scores\">Scores</a>"
                          "<a href=\"#errors\">Errors</a>");
    if (any_time(report))
        akin__page_text(page, "<a href=\"#time\">Time</a>");
    akin__page_text(page, "</nav></header>\n<main>\n");
}

/* --------------------------------------------------------------- summary -- */

enum { FIGURES = 7 };

/* Figure `at` of the model, and what its column is called. */
static const struct akin__figure *
figure_of(const struct akin__report_model *model, size_t at, const char **name)
{
    const struct {
        const char *name;
        const struct akin__figure *figure;
    } all[FIGURES] = {{"accuracy", &model->accuracy},
                      {"top-3", &model->top3},
                      {"\xc2\xb5"
                       "AP",
                       &model->uap},
                      {"recall at 90 % precision", &model->recall_p90},
                      {"recall@1", &model->recall_1},
                      {"recall@10", &model->recall_10},
                      {"mAP", &model->map}};
    *name = all[at].name;
    return all[at].figure;
}

/* The largest of all models; NAN: no model has it. */
static double best_of(const struct akin__report *report, size_t at)
{
    double best = NAN;
    const char *name;
    for (size_t m = 0; m < report->models; m++)
        best = fmax(best, figure_of(&report->model[m], at, &name)->value);
    return best;
}

/* mAP is left out where no model has it. */
static bool is_shown(const struct akin__report *report, size_t at)
{
    return at + 1 < FIGURES || !isnan(best_of(report, at));
}

/* A bar of the share, with its interval as a thin line. */
static void add_bar(struct akin__page *page, size_t model, double share,
                    const struct akin__figure *interval)
{
    if (isnan(share))
        return;
    akin__text_addf(&page->text,
                    "<span class=\"bar m%zu\" aria-hidden=\"true\"><i style=\""
                    "width:%.1f%%\"></i>",
                    model, 100 * share);
    if (interval && !isnan(interval->low) && !isnan(interval->high))
        akin__text_addf(
            &page->text, "<u style=\"left:%.1f%%;width:%.1f%%\"></u>",
            100 * interval->low, 100 * (interval->high - interval->low));
    akin__page_text(page, "</span>");
}

static void add_figure(struct akin__page *page,
                       const struct akin__report *report, size_t m, size_t at)
{
    const struct akin__report_model *model = &report->model[m];
    const char *name;
    const struct akin__figure *figure = figure_of(model, at, &name);
    const bool best =
        report->models > 1 && figure->value == best_of(report, at);
    const bool none = isnan(figure->value) && figure == &model->recall_p90 &&
                      !isnan(model->uap.value);
    akin__words words;
    akin__text_addf(&page->text,
                    "<td role=\"cell\" data-label=\"%s\" class=\"n%s\">%s%s",
                    name, best ? " best" : "",
                    none ? "never" : akin__percent(words, figure->value),
                    best ? "<span class=\"off\"> (best)</span>" : "");
    if (*akin__interval(words, figure))
        akin__text_addf(&page->text, "<small>%s</small>", words);
    if (figure == &model->recall_p90 && isfinite(model->threshold_p90))
        akin__text_addf(&page->text, "<small>from %s on</small>",
                        akin__score_words(words, model->threshold_p90));
    if (at == 0)
        add_bar(page, m, figure->value, figure);
    akin__page_text(page, "</td>");
}

static void add_model_name(struct akin__page *page,
                           const struct akin__report *report, size_t m)
{
    const struct akin__report_model *model = &report->model[m];
    akin__words dim;
    akin__text_addf(&page->text,
                    "<th role=\"rowheader\" scope=\"row\" class=\"m%zu\">"
                    "<span class=\"swatch\" aria-hidden=\"true\"></span>",
                    m);
    akin__page_escaped(page, model->name);
    if (model->dim)
        akin__text_addf(&page->text, "<small>%s%s</small>",
                        akin__dim_words(dim, model),
                        model->floor ? ", the floor" : " dimensions");
    if (*model->note) {
        akin__page_text(page, "<small>");
        akin__page_escaped(page, model->note);
        akin__page_text(page, "</small>");
    }
    akin__page_text(page, "</th>");
}

static void add_models(struct akin__page *page,
                       const struct akin__report *report)
{
    const char *name;
    akin__words rate;
    akin__page_text(page,
                    "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                    "aria-label=\"Figures of the models\">"
                    "<table class=\"cards\" role=\"table\"><caption>Each "
                    "figure with its 95 % interval below it");
    akin__page_text(page, report->models > 1 ? "; the best in bold" : "");
    akin__page_text(page, "</caption><thead role=\"rowgroup\"><tr role=\"row\">"
                          "<th role=\"columnheader\" scope=\"col\">model</th>");
    for (size_t at = 0; at < FIGURES; at++) {
        figure_of(&report->model[0], at, &name);
        if (is_shown(report, at))
            akin__text_addf(&page->text,
                            "<th role=\"columnheader\" scope=\"col\" "
                            "class=\"n\">%s</th>",
                            at == 3 ? "recall at<br>90 % precision" : name);
    }
    akin__page_text(page, "<th role=\"columnheader\" scope=\"col\" "
                          "class=\"n\">images/s</th></tr></thead>\n"
                          "<tbody role=\"rowgroup\">\n");
    for (size_t m = 0; m < report->models; m++) {
        akin__page_text(page, "<tr role=\"row\">");
        add_model_name(page, report, m);
        for (size_t at = 0; at < FIGURES; at++) {
            if (is_shown(report, at))
                add_figure(page, report, m, at);
        }
        akin__text_addf(
            &page->text,
            "<td role=\"cell\" data-label=\"images/s\" class=\"n\">%s</td>"
            "</tr>\n",
            akin__rate_words(rate, report->model[m].images_per_second));
    }
    akin__page_text(page, "</tbody></table></div>\n");
}

static void add_meanings(struct akin__page *page,
                         const struct akin__report *report)
{
    char n[32];
    akin__page_text(
        page,
        "<details><summary>What the figures mean</summary>\n<dl>"
        "<dt>accuracy</dt><dd>Queries whose first answer is right, of the "
        "queries that have a right answer.</dd>"
        "<dt>top-3</dt><dd>The same with a right answer among the first "
        "three.</dd>"
        "<dt>\xc2\xb5"
        "AP</dt><dd>Micro-average precision: all answers to all "
        "queries in one list, the highest score first, and the area below the "
        "curve of precision by recall. Queries without a right answer count: "
        "a model must know when to be silent.</dd>"
        "<dt>recall at 90 % precision</dt><dd>True pairs that are found from "
        "the score on at which 90 % of the answers are right; the score stands "
        "below it. \xe2\x80\x9cnever\xe2\x80\x9d: no score is that "
        "precise.</dd>"
        "<dt>recall@1, recall@10</dt><dd>True pairs whose reference is the "
        "first answer, or among the first ten.</dd>");
    if (is_shown(report, FIGURES - 1))
        akin__page_text(page, "<dt>mAP</dt><dd>Mean over the queries of the "
                              "average precision of each one's answers.</dd>");
    akin__page_text(page,
                    "<dt>images/s</dt><dd>Pictures a second from file to "
                    "vector.</dd><dt>95 % interval</dt><dd>Where the figure "
                    "lies with other queries of this kind");
    if (report->resamples)
        akin__text_addf(&page->text, ", by a bootstrap of %s resamples",
                        akin__thousands(n, report->resamples));
    akin__page_text(page,
                    ".</dd></dl>\n<p class=\"about\">Where scores are equal, "
                    "the wrong answer counts as the first. All figures but "
                    "images/s depend on how many references there are: compare "
                    "them only with figures on this set.</p></details>\n");
}

static void add_summary(struct akin__page *page,
                        const struct akin__report *report)
{
    struct akin__text verdict = {0};
    akin__page_text(page, "<section id=\"models\" aria-labelledby="
                          "\"models-h\"><h2 id=\"models-h\">Models</h2>\n"
                          "<p class=\"verdict\">");
    akin__report_verdict(report, &verdict);
    add_words(page, &verdict);
    akin__page_text(page, "</p>\n");
    add_models(page, report);
    add_meanings(page, report);
    close_section(page);
}

/* ----------------------------------------------------------------- pairs -- */

static void add_pair(struct akin__page *page, const struct akin__report *report,
                     const struct akin__comparison *c)
{
    struct akin__text sure = {0};
    akin__words words;
    char n[2][32];
    akin__page_text(page, "<tr role=\"row\"><th role=\"rowheader\" "
                          "scope=\"row\">");
    akin__page_escaped(page, report->model[c->a].name);
    akin__page_text(page, " less ");
    akin__page_escaped(page, report->model[c->b].name);
    akin__page_text(page, "</th><td role=\"cell\" data-label=\"figure\">");
    akin__page_escaped(page, c->figure);
    akin__text_addf(&page->text,
                    "</td><td role=\"cell\" data-label=\"difference\" "
                    "class=\"n\">%s",
                    akin__points(words, c->difference.value));
    if (*akin__points_interval(words, &c->difference))
        akin__text_addf(&page->text, "<small>%s</small>", words);
    akin__text_addf(&page->text,
                    "</td><td role=\"cell\" data-label=\"only the first "
                    "right\" class=\"n\">%s</td><td role=\"cell\" "
                    "data-label=\"only the second right\" class=\"n\">%s</td>",
                    akin__thousands(n[0], c->only_a),
                    akin__thousands(n[1], c->only_b));
    akin__page_text(page, "<td role=\"cell\" data-label=\"how sure\">");
    akin__text_addf(&sure, "%s", akin__sureness(words, c->p));
    add_words(page, &sure);
    if (*c->test) {
        akin__page_text(page, "<small>");
        akin__page_escaped(page, c->test);
        akin__page_text(page, "</small>");
    }
    akin__page_text(page, "</td></tr>\n");
}

static void add_pairs(struct akin__page *page,
                      const struct akin__report *report)
{
    if (report->comparisons == 0)
        return;
    open_section(page, "pairs", "Models in pairs",
                 "Both models answer the same queries, so what counts is where "
                 "they differ. p: how often chance alone would make such a "
                 "difference, were both equally good.");
    akin__page_text(
        page, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
              "aria-label=\"Models in pairs\"><table class=\"cards\" "
              "role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\">"
              "<th role=\"columnheader\" scope=\"col\">models</th>"
              "<th role=\"columnheader\" scope=\"col\">figure</th>"
              "<th role=\"columnheader\" scope=\"col\" class=\"n\">difference"
              "</th><th role=\"columnheader\" scope=\"col\" class=\"n\">only "
              "the first<br>right</th><th role=\"columnheader\" scope=\"col\" "
              "class=\"n\">only the second<br>right</th>"
              "<th role=\"columnheader\" scope=\"col\">how sure</th></tr>"
              "</thead>\n<tbody role=\"rowgroup\">\n");
    for (size_t i = 0; i < report->comparisons; i++)
        add_pair(page, report, &report->comparison[i]);
    akin__page_text(page, "</tbody></table></div>\n");
    close_section(page);
}

/* ----------------------------------------------------------------- edits -- */

/* One row: `count` edits from `first` on, as one. */
static void add_edit_row(struct akin__page *page,
                         const struct akin__report *report, size_t first,
                         size_t count, bool part)
{
    const struct akin__edit *edit = &report->edit[first];
    uint64_t queries = 0;
    char n[32];
    akin__words share;
    for (size_t e = 0; e < count; e++)
        queries += edit[e].queries;
    akin__page_text(page, part ? "<tr class=\"part\"><th scope=\"row\">"
                               : "<tr><th scope=\"row\">");
    if (part && strspn(edit->strength, "0123456789") == strlen(edit->strength))
        akin__page_text(page, "strength ");
    akin__page_escaped(page, part ? edit->strength : edit->kind);
    if (!part && count == 1 && *edit->strength) {
        akin__page_text(page, ", ");
        akin__page_escaped(page, edit->strength);
    }
    akin__text_addf(&page->text, "</th><td class=\"n\">%s</td>",
                    akin__thousands(n, queries));
    for (size_t m = 0; m < report->models; m++) {
        const uint64_t *hits = report->model[m].edit_hits;
        uint64_t right = 0;
        for (size_t e = 0; hits && e < count; e++)
            right += hits[first + e];
        const double value =
            hits && queries ? (double)right / (double)queries : NAN;
        akin__text_addf(&page->text, "<td class=\"share\">%s",
                        akin__percent(share, value));
        add_bar(page, m, value, NULL);
        akin__page_text(page, "</td>");
    }
    akin__page_text(page, "</tr>\n");
}

static void add_edits(struct akin__page *page,
                      const struct akin__report *report)
{
    if (report->edits == 0)
        return;
    open_section(page, "edits", "Accuracy by kind of edit",
                 "What was done to the picture before it was asked for, in its "
                 "strengths, and how many of these queries each model answers "
                 "right at the first place.");
    akin__page_text(page, "<div class=\"scroll\" tabindex=\"0\" "
                          "role=\"region\" aria-label=\"Accuracy by kind of "
                          "edit\"><table><thead><tr><th scope=\"col\">edit"
                          "</th><th scope=\"col\" class=\"n\">queries</th>");
    for (size_t m = 0; m < report->models; m++) {
        akin__text_addf(&page->text,
                        "<th scope=\"col\" class=\"share m%zu\"><span "
                        "class=\"swatch\" aria-hidden=\"true\"></span>",
                        m);
        akin__page_escaped(page, report->model[m].name);
        akin__page_text(page, "</th>");
    }
    akin__page_text(page, "</tr></thead>\n");
    for (size_t e = 0; e < report->edits;) {
        size_t count = 1;
        while (e + count < report->edits &&
               !strcmp(report->edit[e].kind, report->edit[e + count].kind))
            count++;
        akin__page_text(page, "<tbody class=\"kind\">\n");
        add_edit_row(page, report, e, count, false);
        for (size_t i = 0; count > 1 && i < count; i++)
            add_edit_row(page, report, e + i, 1, true);
        akin__page_text(page, "</tbody>\n");
        e += count;
    }
    akin__page_text(page, "</table></div>\n");
    close_section(page);
}

/* ------------------------------------------------------- curves and time -- */

static void add_plots(struct akin__page *page,
                      const struct akin__report *report)
{
    open_section(page, "curves", "Precision by recall",
                 "All answers of a model in one list, the highest score first: "
                 "how many of those so far are right, when so many of the true "
                 "pairs are found. Further up and to the right is better.");
    akin__chart_curves(page, report);
    close_section(page);
    open_section(page, "scores", "Scores",
                 "The less the two areas overlap, the better a score tells a "
                 "true pair from a wrong answer.");
    akin__page_text(page, "<div class=\"plots\">\n");
    for (size_t m = 0; m < report->models; m++)
        akin__chart_histogram(page, report, m);
    akin__page_text(page, "</div>\n");
    close_section(page);
}

static void add_time_row(struct akin__page *page, const char *name,
                         const struct akin__stages *stages)
{
    akin__words words;
    if (!akin__stages_known(stages))
        return;
    akin__page_text(page, "<tr role=\"row\"><th role=\"rowheader\" "
                          "scope=\"row\">");
    akin__page_escaped(page, name);
    akin__page_text(page, "</th>");
    for (size_t s = 0; s < AKIN__STAGES; s++) {
        const char *stage;
        const double seconds = akin__stage_seconds(stages, s, &stage);
        akin__text_addf(&page->text,
                        "<td role=\"cell\" data-label=\"%s\" class=\"n\">%s"
                        "</td>",
                        stage, akin__stage_words(words, seconds));
    }
    akin__page_text(page, "</tr>\n");
}

static void add_times(struct akin__page *page,
                      const struct akin__report *report)
{
    if (!any_time(report))
        return;
    open_section(page, "time", "Time",
                 "Stages as the work of all threads together, the total by the "
                 "clock. What models share stands in the last row.");
    akin__page_text(page, "<div class=\"scroll\" tabindex=\"0\" "
                          "role=\"region\" aria-label=\"Time of each stage\">"
                          "<table class=\"cards\" role=\"table\"><thead "
                          "role=\"rowgroup\"><tr role=\"row\"><th "
                          "role=\"columnheader\" scope=\"col\">model</th>");
    for (size_t s = 0; s < AKIN__STAGES; s++) {
        const char *stage;
        akin__stage_seconds(&report->stages, s, &stage);
        akin__text_addf(&page->text,
                        "<th role=\"columnheader\" scope=\"col\" "
                        "class=\"n\">%s</th>",
                        stage);
    }
    akin__page_text(page, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for (size_t m = 0; m < report->models; m++)
        add_time_row(page, report->model[m].name, &report->model[m].stages);
    add_time_row(page, "all together", &report->stages);
    akin__page_text(page, "</tbody></table></div>\n");
    close_section(page);
}

/* -------------------------------------------------------------- the whole --
 */

static akin_status add_examples(struct akin__page *page,
                                const struct akin__report *report,
                                akin_error *err)
{
    open_section(page, "examples", "Examples",
                 "The query, the right answer, and the first three answers of "
                 "each model with their scores. A right one has a frame and a "
                 "tick.");
    akin__page_text(page, report->first == report->second
                              ? "<div class=\"one\">\n"
                              : "<div>\n");
    const akin_status status = akin__rows_examples(page, report, err);
    akin__page_text(page, "</div>\n");
    close_section(page);
    return status;
}

static akin_status add_errors(struct akin__page *page,
                              const struct akin__report *report,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    open_section(page, "errors", "Where the errors lie",
                 "Of each model: the edits that it does worst, the wrong "
                 "answers that it is surest of, and true pairs that it does "
                 "not put first.");
    for (size_t m = 0; m < report->models && !status; m++)
        status = akin__rows_errors(page, report, m, err);
    close_section(page);
    return status;
}

static void add_foot(struct akin__page *page, const struct akin__report *report)
{
    akin__page_text(page, "</main>\n<footer>Made by akin " AKIN_VERSION);
    if (*report->command) {
        akin__page_text(page, " with <code>");
        akin__page_escaped(page, report->command);
        akin__page_text(page, "</code>");
    }
    akin__page_text(page, "</footer>\n");
}

static akin_status add_all(struct akin__page *page,
                           const struct akin__report *report, akin_error *err)
{
    akin__report_style(page);
    add_head(page, report);
    add_summary(page, report);
    add_pairs(page, report);
    akin_status status = add_examples(page, report, err);
    if (status)
        return status;
    add_edits(page, report);
    add_plots(page, report);
    status = add_errors(page, report, err);
    if (status)
        return status;
    add_times(page, report);
    add_foot(page, report);
    return akin__page_flush(page, err);
}

akin_status akin__report_page(const struct akin__report *report,
                              const char *path, akin_decoder *decoder,
                              akin_error *err)
{
    struct akin__page page;
    akin_status status =
        akin__page_begin(&page, path, report->set, decoder, err);
    if (status)
        return status;
    status = add_all(&page, report, err);
    if (status) {
        akin__page_drop(&page);
        return status;
    }
    return akin__page_commit(&page, err);
}
