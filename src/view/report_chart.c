/*
 * Charts as inline SVG. Colours are CSS variables, so that they follow the
 * page into the dark; a dash and a marker tell lines apart without colour, a
 * solid area and a hatched one the two kinds of scores.
 */
#include <math.h>
#include <string.h>

#include "view/meter.h"
#include "view/report_page.h"

enum { LEFT = 74, RIGHT = 452, TOP = 14, FLOOR = 284, SIZE_X = 480 };

/* One axis: what value lies at which place. */
struct axis {
    double low, high; /* values */
    double from, to;  /* places */
};

static double place(const struct axis *axis, double value)
{
    return axis->from + (value - axis->low) / (axis->high - axis->low) *
                            (axis->to - axis->from);
}

/* 1, 2 or 5 times a power of ten: at most `most` of them in `range`. */
static double step_of(double range, int most)
{
    const double power = pow(10, floor(log10(range / most)));
    const double steps[] = {1, 2, 5, 10};
    size_t at = 0;
    while (at < 3 && range / (steps[at] * power) > most)
        at++;
    return steps[at] * power;
}

static int decimals_of(double step)
{
    return step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
}

/* ------------------------------------------------------------------ axes -- */

static void add_grid_x(struct akin__page *page, const struct axis *x,
                       double step, double unit, const char *suffix)
{
    const double first = ceil(x->low / step - 1e-9);
    for (int i = 0; (first + i) * step <= x->high + step * 1e-9; i++) {
        const double value = (first + i) * step, at = place(x, value);
        akin__text_addf(&page->text,
                        "<path class=\"grid\" d=\"M%.1f %d V%d\"/>"
                        "<text x=\"%.1f\" y=\"%d\" class=\"mid\">%.*f%s</text>"
                        "\n",
                        at, TOP, FLOOR, at, FLOOR + 19,
                        decimals_of(step * unit), value * unit + 0.0, suffix);
    }
}

static void add_grid_y(struct akin__page *page, const struct axis *y,
                       double step)
{
    for (int i = 0; i * step <= y->high + step * 1e-9; i++) {
        const double at = place(y, i * step);
        akin__text_addf(&page->text,
                        "<path class=\"grid\" d=\"M%d %.1f H%d\"/>"
                        "<text x=\"%d\" y=\"%.1f\" class=\"end\">%.*f&#160;%%"
                        "</text>\n",
                        LEFT, at, RIGHT, LEFT - 7, at + 4.5,
                        decimals_of(step * 100), 100 * i * step);
    }
}

static void add_axes(struct akin__page *page, const char *below,
                     const char *beside)
{
    akin__text_addf(&page->text,
                    "<path class=\"axis\" d=\"M%d %d V%d H%d\"/>\n"
                    "<text x=\"%d\" y=\"%d\" class=\"mid\">",
                    LEFT, TOP, FLOOR, RIGHT, (LEFT + RIGHT) / 2, FLOOR + 42);
    akin__page_escaped(page, below);
    akin__text_addf(&page->text,
                    "</text>\n<text class=\"mid\" transform=\"translate(13 %d) "
                    "rotate(-90)\">",
                    (TOP + FLOOR) / 2);
    akin__page_escaped(page, beside);
    akin__page_text(page, "</text>\n");
}

static void begin(struct akin__page *page, const char *id)
{
    akin__text_addf(&page->text,
                    "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 %d %d\" "
                    "aria-labelledby=\"%s-t %s-d\" "
                    "xmlns=\"http://www.w3.org/2000/svg\">\n",
                    SIZE_X, FLOOR + 52, id, id);
}

/* ---------------------------------------------------------------- curves -- */

/* One of four shapes around a point. */
static void add_marker(struct akin__page *page, size_t model, double x,
                       double y)
{
    static const char *const shape[] = {
        "m-4.5 0 a4.5 4.5 0 1 0 9 0 a4.5 4.5 0 1 0 -9 0z", "m-4 -4 h8 v8 h-8z",
        "m0 -5.5 l5.5 9.5 h-11z", "m0 -6 l6 6 l-6 6 l-6 -6z"};
    akin__text_addf(&page->text,
                    "<path class=\"dot m%zu\" d=\"M%.1f %.1f %s\"/>", model, x,
                    y, shape[(model + model / 4) % 4]);
}

static void add_line(struct akin__page *page, size_t model,
                     const struct akin__curve_point *point, size_t count,
                     const struct axis *x, const struct axis *y)
{
    akin__text_addf(&page->text, "<polyline class=\"line m%zu\" points=\"",
                    model);
    for (size_t i = 0; i < count; i++)
        akin__text_addf(&page->text, "%s%.1f,%.1f", i ? " " : "",
                        place(x, point[i].recall),
                        place(y, point[i].precision));
    akin__page_text(page, "\"/>\n");
    /* A marker at each fifth of the width, a little further for each model, so
     * that those of equal lines do not hide each other. */
    double next = 0.04 + 0.04 * (double)(model % 4);
    for (size_t i = 0; i < count; i++) {
        if (point[i].recall < next && i + 1 < count)
            continue;
        add_marker(page, model, place(x, point[i].recall),
                   place(y, point[i].precision));
        while (next <= point[i].recall)
            next += 0.2;
    }
    akin__page_text(page, "\n");
}

static void add_curve_legend(struct akin__page *page,
                             const struct akin__report *report)
{
    akin__words words;
    akin__page_text(page, "<ul class=\"legend\">\n");
    for (size_t m = 0; m < report->models; m++) {
        akin__text_addf(&page->text,
                        "<li><svg width=\"44\" height=\"14\" viewBox=\"0 0 44 "
                        "14\" aria-hidden=\"true\"><path class=\"line m%zu\" "
                        "d=\"M1 7 H43\"/>",
                        m);
        add_marker(page, m, 22, 7);
        akin__page_text(page, "</svg><span>");
        akin__page_escaped(page, report->model[m].name);
        if (report->model[m].points)
            akin__text_addf(&page->text,
                            ", \xc2\xb5"
                            "AP %s",
                            akin__percent(words, report->model[m].uap.value));
        else
            akin__page_text(page, ": no curve");
        akin__page_text(page, "</span></li>\n");
    }
    akin__page_text(page, "</ul>\n");
}

/* The best precision at this recall or beyond; NAN where it is not reached. */
static double precision_at(const struct akin__report_model *model,
                           double recall)
{
    double best = NAN;
    for (size_t i = 0; i < model->points; i++) {
        if (model->curve[i].recall >= recall - 1e-9)
            best = fmax(best, model->curve[i].precision);
    }
    return best;
}

/* The same in numbers, for who does not see the lines. */
static void add_curve_table(struct akin__page *page,
                            const struct akin__report *report)
{
    akin__words words;
    akin__page_text(page, "<div class=\"scroll\" tabindex=\"0\" role=\"region\""
                          " aria-label=\"The curves in numbers\"><table>"
                          "<caption>Best precision at a recall or beyond; a "
                          "dash: it is not reached</caption>"
                          "<thead><tr><th scope=\"col\">recall</th>");
    for (size_t m = 0; m < report->models; m++) {
        akin__page_text(page, "<th scope=\"col\" class=\"n\">");
        akin__page_escaped(page, report->model[m].name);
        akin__page_text(page, "</th>");
    }
    akin__page_text(page, "</tr></thead><tbody>\n");
    for (int tenth = 1; tenth <= 10; tenth++) {
        akin__text_addf(&page->text, "<tr><th scope=\"row\">%d %%</th>",
                        10 * tenth);
        for (size_t m = 0; m < report->models; m++)
            akin__text_addf(&page->text, "<td class=\"n\">%s</td>",
                            akin__percent(words, precision_at(&report->model[m],
                                                              tenth / 10.0)));
        akin__page_text(page, "</tr>\n");
    }
    akin__page_text(page, "</tbody></table></div>\n");
}

void akin__chart_curves(struct akin__page *page,
                        const struct akin__report *report)
{
    const struct axis x = {0, 1, LEFT, RIGHT}, y = {0, 1, FLOOR, TOP};
    akin__words words;
    akin__page_text(page, "<div class=\"plots\">\n<figure class=\"plot\">\n");
    begin(page, "pr");
    akin__page_text(page, "<title id=\"pr-t\">Precision by recall</title>\n"
                          "<desc id=\"pr-d\">");
    for (size_t m = 0; m < report->models; m++) {
        akin__page_escaped(page, report->model[m].name);
        akin__text_addf(&page->text,
                        ": \xc2\xb5"
                        "AP %s, recall at 90 %% precision ",
                        akin__percent(words, report->model[m].uap.value));
        akin__text_addf(
            &page->text, "%s. ",
            akin__percent(words, report->model[m].recall_p90.value));
    }
    akin__page_text(page, "</desc>\n");
    add_grid_x(page, &x, 0.2, 100, "&#160;%");
    add_grid_y(page, &y, 0.2);
    akin__text_addf(&page->text,
                    "<path class=\"mark\" d=\"M%d %.1f H%d\"/>"
                    "<text x=\"%d\" y=\"%.1f\" class=\"end\">90&#160;%%</text>"
                    "\n",
                    LEFT, place(&y, 0.9), RIGHT, LEFT - 7,
                    place(&y, 0.9) + 4.5);
    add_axes(page, "recall: true pairs found", "precision: answers right");
    for (size_t m = 0; m < report->models; m++) {
        if (report->model[m].points)
            add_line(page, m, report->model[m].curve, report->model[m].points,
                     &x, &y);
    }
    akin__page_text(page, "</svg>\n");
    add_curve_legend(page, report);
    akin__page_text(page, "</figure>\n");
    add_curve_table(page, report);
    akin__page_text(page, "</div>\n");
}

/* ------------------------------------------------------------ histograms -- */

static uint64_t sum_of(const uint64_t *counts, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += counts[i];
    return sum;
}

static double edge(const struct akin__histogram *h, size_t bin)
{
    return h->low + (h->high - h->low) * (double)bin / (double)h->bins;
}

static bool drawable(const struct akin__histogram *h)
{
    return h->bins > 0 && isfinite(h->low) && isfinite(h->high) &&
           h->high > h->low &&
           sum_of(h->right, h->bins) + sum_of(h->wrong, h->bins) > 0;
}

/* From the first bin with anything in it to the last, of all models whose
 * scores are of the same kind, so that their charts can be compared. */
static struct axis scores_of(const struct akin__report *report, size_t model)
{
    struct axis x = {INFINITY, -INFINITY, LEFT, RIGHT};
    for (size_t m = 0; m < report->models; m++) {
        const struct akin__histogram *h = &report->model[m].histogram;
        if (strcmp(report->model[m].measure, report->model[model].measure) !=
                0 ||
            !drawable(h))
            continue;
        for (size_t b = 0; b < h->bins; b++) {
            if (h->right[b] + h->wrong[b] == 0)
                continue;
            x.low = fmin(x.low, edge(h, b));
            x.high = fmax(x.high, edge(h, b + 1));
        }
    }
    return x;
}

/* The outline of the bars as one path. */
static void add_area(struct akin__page *page, const char *kind,
                     const struct akin__histogram *h, const uint64_t *counts,
                     const struct axis *x, const struct axis *y)
{
    const double sum = (double)sum_of(counts, h->bins);
    size_t first = 0, last = h->bins;
    while (first < h->bins && counts[first] == 0)
        first++;
    while (last > first && counts[last - 1] == 0)
        last--;
    if (first == last)
        return;
    akin__text_addf(&page->text, "<path class=\"%s\" d=\"M%.1f %d", kind,
                    place(x, edge(h, first)), FLOOR);
    for (size_t b = first; b < last; b++)
        akin__text_addf(&page->text, " V%.1f H%.1f",
                        place(y, (double)counts[b] / sum),
                        place(x, edge(h, b + 1)));
    akin__text_addf(&page->text, " V%dz\"/>\n", FLOOR);
}

static double highest(const struct akin__histogram *h)
{
    const double right = (double)sum_of(h->right, h->bins);
    const double wrong = (double)sum_of(h->wrong, h->bins);
    double most = 0;
    for (size_t b = 0; b < h->bins; b++) {
        if (right > 0)
            most = fmax(most, (double)h->right[b] / right);
        if (wrong > 0)
            most = fmax(most, (double)h->wrong[b] / wrong);
    }
    return most;
}

/* From which score on nine of ten answers are right. */
static void add_threshold(struct akin__page *page, double threshold,
                          const struct axis *x)
{
    if (!(threshold >= x->low && threshold <= x->high))
        return;
    const double at = place(x, threshold);
    const bool left = at > (LEFT + RIGHT) / 2.0;
    akin__text_addf(&page->text,
                    "<path class=\"mark\" d=\"M%.1f %d V%d\"/>"
                    "<text x=\"%.1f\" y=\"%d\" class=\"halo%s\">90&#160;%% "
                    "right from %.3f</text>\n",
                    at, TOP, FLOOR, left ? at - 6 : at + 6, TOP + 11,
                    left ? " end" : "", threshold);
}

static void add_histogram_title(struct akin__page *page,
                                const struct akin__report_model *model,
                                size_t number)
{
    akin__text_addf(&page->text, "<title id=\"h%zu-t\">Scores of ", number);
    akin__page_escaped(page, model->name);
    akin__text_addf(&page->text,
                    "</title>\n<desc id=\"h%zu-d\">How the scores of true "
                    "pairs and of the best wrong answers are spread.</desc>\n"
                    "<defs><pattern id=\"hatch%zu\" width=\"7\" height=\"7\" "
                    "patternUnits=\"userSpaceOnUse\" patternTransform=\""
                    "rotate(45)\"><path class=\"hatch\" d=\"M0 0 V7\"/>"
                    "</pattern></defs>\n",
                    number, number);
}

static void add_histogram_legend(struct akin__page *page,
                                 const struct akin__histogram *h)
{
    char right[32], wrong[32];
    akin__text_addf(
        &page->text,
        "<ul class=\"legend\">\n<li><svg width=\"22\" height=\"14\" viewBox=\""
        "0 0 22 14\" aria-hidden=\"true\"><path class=\"right\" d=\"M1 1 h20 "
        "v12 h-20z\"/></svg><span>true pairs (%s)</span></li>\n"
        "<li><svg width=\"22\" height=\"14\" viewBox=\"0 0 22 14\" "
        "aria-hidden=\"true\"><path class=\"wrong\" d=\"M1 1 h20 v12 "
        "h-20z\"/><path class=\"hatch\" d=\"M1 9 l8 -8 M5 13 l12 -12 M13 13 l8 "
        "-8\"/></svg><span>best wrong answers (%s)</span></li>\n</ul>\n",
        akin__thousands(right, sum_of(h->right, h->bins)),
        akin__thousands(wrong, sum_of(h->wrong, h->bins)));
}

static void add_histogram(struct akin__page *page,
                          const struct akin__report *report, size_t number)
{
    const struct akin__report_model *model = &report->model[number];
    const struct akin__histogram *h = &model->histogram;
    const struct axis x = scores_of(report, number);
    const double step = step_of(highest(h), 5);
    const struct axis y = {0, step * ceil(highest(h) / step * 1.02), FLOOR,
                           TOP};
    char id[32], fill[64];
    snprintf(id, sizeof id, "h%zu", number);
    begin(page, id);
    add_histogram_title(page, model, number);
    add_grid_x(page, &x, step_of(x.high - x.low, 6), 1, "");
    add_grid_y(page, &y, step);
    add_axes(page, *model->measure ? model->measure : "score",
             "share of its kind");
    add_area(page, "right", h, h->right, &x, &y);
    snprintf(fill, sizeof fill, "wrong\" fill=\"url(#hatch%zu)", number);
    add_area(page, fill, h, h->wrong, &x, &y);
    add_threshold(page, model->threshold_p90, &x);
    akin__page_text(page, "</svg>\n");
    add_histogram_legend(page, h);
}

void akin__chart_histogram(struct akin__page *page,
                           const struct akin__report *report, size_t model)
{
    akin__page_text(page, "<figure class=\"plot\"><figcaption class=\"over\">");
    akin__page_escaped(page, report->model[model].name);
    akin__page_text(page, "</figcaption>\n");
    if (drawable(&report->model[model].histogram))
        add_histogram(page, report, model);
    else
        akin__page_text(page, "<p class=\"nothing\">There are no scores.</p>");
    akin__page_text(page, "</figure>\n");
}
