/*
 * akin eval make-copies: a copy-detection set from a folder of photos. The work
 * is akin_eval_make_copies's; here is what it is given and what it says.
 */
#include <stdio.h>
#include <string.h>

#include "akin_eval.h"
#include "cli.h"
#include "commands.h"
#include "terminal.h"
#include "view/json.h"
#include "view/json_eval.h"
#include "view/meter.h"

/* Of the photos; DISC21 has four distractors for each copy among its queries,
 * but its references are many more than a folder's. */
static const double usual_distractors = 0.2;

struct copies {
    const struct cli_values *values;
    json_t *failed, *warnings; /* arrays, with --json */
    int out_of_memory;
    struct cli_meter meter;
    akin_eval_copies_report report;
};

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    struct copies *c = context;
    cli_meter_show(&c->meter, what, done, whole);
    return cli_stopped();
}

static void notice(void *context, const char *path, const char *reason,
                   int failed)
{
    struct copies *c = context;
    json_t *list = failed ? c->failed : c->warnings;
    cli_meter_clear(&c->meter);
    cli_say("%s%s: %s", failed ? "" : "warning: ", path, reason);
    if (list && akin__json_remark(list, path, reason))
        c->out_of_memory = 1;
}

static int print_json(struct copies *c)
{
    json_t *object =
        akin__json_made_copies(c->values->word[0], c->values->output,
                               &c->report, c->failed, c->warnings);
    c->failed = c->warnings = NULL; /* taken */
    if (c->out_of_memory) {
        json_decref(object);
        return cli_no_memory();
    }
    return cli_print_json(object);
}

static void print_count(const char *before, uint64_t count, const char *what)
{
    char text[32];
    if (count)
        printf("%s%s %s", before, akin__thousands(text, count), what);
}

static void print_summary(const struct copies *c)
{
    const akin_eval_copies_report *r = &c->report;
    char text[32];
    printf("%s: %s references", c->values->output,
           akin__thousands(text, r->references));
    printf(", %s queries", akin__thousands(text, r->queries));
    print_count(", ", r->distractors, "photos are distractors");
    print_count(", ", r->queries - r->made, "queries were there");
    print_count(", ", r->same, "files had the bytes of another");
    print_count(", ", r->skipped, "were no pictures");
    print_count(", ", r->failed, "failed");
    printf("; in %s\n", akin__duration(text, r->seconds));
}

static int finish(struct copies *c, akin_status status, const akin_error *err)
{
    cli_meter_clear(&c->meter);
    if (status == AKIN_ECANCELLED) {
        cli_say("stopped; what is done is kept in %s, and the same command "
                "goes on from there",
                c->values->output);
        return CLI_STOPPED + cli_stopped();
    }
    if (status)
        return cli_fail(status == AKIN_ENOTFOUND ? ABOUT_INPUT : ABOUT_OUTPUT,
                        err);
    int code = 0;
    if (c->values->json)
        code = print_json(c);
    else
        print_summary(c);
    if (code || !c->report.failed)
        return code;
    return c->report.photos ? CLI_PARTLY : CLI_NO_INPUT;
}

static int run(const struct cli_values *values)
{
    struct copies c = {.values = values};
    const akin_eval_copies_options options = {
        .size = sizeof options,
        .seed = values->seed,
        .edits = values->edits,
        .count = values->count,
        .distractors =
            values->distractors < 0 ? usual_distractors : values->distractors,
        .threads = (int)values->threads,
        .decoder = CLI_DECODER,
        .progress = show,
        .notice = notice,
        .context = &c};
    akin_error err;
    if (!values->output)
        return cli_wrong(values, "needs -o SET, the folder to make");
    if (values->json) {
        c.failed = json_array();
        c.warnings = json_array();
    }
    cli_catch_stop();
    const akin_status status = akin_eval_make_copies(
        values->word[0], values->output, &options, &c.report, &err);
    const int code = finish(&c, status, &err);
    json_decref(c.failed);
    json_decref(c.warnings);
    return code;
}

const struct cli_command cli_eval_copies = {
    .name = "make-copies",
    .arguments = "FOLDER -o SET [options]",
    .summary = "a set of edited copies from your own photos",
    .detail =
        "Every photo becomes a reference, or one in five a distractor; the "
        "queries are\ncopies that were edited: crop, scale, jpeg, rotate, "
        "flip, colour, blur, noise,\ntext, overlay, screenshot and combined, "
        "each at three strengths. The same photos\nand options give the same "
        "set. A run that was stopped goes on: docs/eval.md.",
    .example = "  akin eval make-copies Pictures -o copies\n"
               "  akin eval make-copies Pictures -o crops --edits "
               "crop,overlay --seed 7",
    .least = 1,
    .most = 1,
    .run = run,
    .options = {{"output", "the folder to make, or to go on with"},
                {"seed", "other edits and other distractors (0)"},
                {"edits", "only these kinds (all)"},
                {"count", "queries of a photo (all, or 20,000 in the set)"},
                {"distractors", "share of photos that are no references (20%)"},
                {"threads", "processors to use (all)"},
                {"json", "one document: docs/json.md"}},
};
