/*
 * akin verify, akin repair: is an index whole, and what can be kept of one that
 * is not. The work is akin_index_verify's and akin_index_repair's.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli.h"
#include "commands.h"
#include "index.h"
#include "terminal.h"
#include "view/json.h"

typedef akin_status (*check_fn)(const char *path,
                                const akin_check_options *options,
                                akin_check_report *report, akin_error *err);

struct check {
    struct cli_meter meter;
    json_t *problems; /* an array, with --json */
    int out_of_memory;
};

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    struct check *check = context;
    cli_meter_show(&check->meter, what, done, whole);
    return cli_stopped();
}

static void tell(void *context, const char *text, const char *path)
{
    struct check *check = context;
    cli_meter_clear(&check->meter);
    cli_say("%s%s%s%s", text, path ? " (" : "", path ? path : "",
            path ? ")" : "");
    if (check->problems && akin__json_problem(check->problems, text, path))
        check->out_of_memory = 1;
}

static void print_report(const char *path, const akin_check_report *r,
                         bool repaired)
{
    char pictures[32], rows[32], dead[32], rest[32], lost[32], name[1024];
    akin__printable(name, sizeof name, path);
    akin__thousands(pictures, r->pictures);
    akin__thousands(rows, r->rows);
    if (!r->problems)
        printf("%s: %s; %s pictures, %s vectors", name,
               repaired ? "whole, nothing to repair" : "whole", pictures, rows);
    else if (repaired)
        printf("%s: repaired; kept %s pictures and %s vectors, %s to be "
               "embedded again",
               name, pictures, rows, akin__thousands(lost, r->lost));
    else
        printf("%s: not whole; %s vectors of %s pictures hold", name, rows,
               r->pictures ? pictures : "an unknown number of");
    if (r->dead)
        printf(", %s dead rows", akin__thousands(dead, r->dead));
    if (r->uncommitted)
        printf(", %s rows not committed",
               akin__thousands(rest, r->uncommitted));
    putchar('\n');
}

static int print_json(const struct check *check, const char *path,
                      const akin_check_report *report, bool repaired)
{
    json_t *object = akin__json_check(path, report, repaired, check->problems);
    if (check->out_of_memory) {
        json_decref(object);
        return cli_no_memory();
    }
    return cli_print_json(object);
}

/* `repairs`: problems that were mended leave the index whole. */
static int finish(const struct check *check, const struct cli_values *values,
                  const char *path, const akin_check_report *report,
                  bool repairs)
{
    int code = 0;
    if (values->json)
        code = print_json(check, path, report, repairs);
    else
        print_report(path, report, repairs);
    if (code || !report->problems)
        return code;
    if (!repairs)
        cli_say("`akin repair %s` keeps what holds", path);
    else if (report->lost)
        cli_say("`akin index FOLDER -i %s` embeds again what was lost", path);
    return repairs ? report->lost ? CLI_PARTLY : CLI_DONE : CLI_INDEX;
}

static int check_with(const struct cli_values *values, check_fn work,
                      bool repairs)
{
    struct check check = {.problems = values->json ? json_array() : NULL};
    const akin_check_options options = {.size = sizeof options,
                                        .progress = show,
                                        .problem = tell,
                                        .context = &check};
    akin_check_report report;
    akin_error err;
    char *path;
    int code = cli_index_path(values->words ? values->word[0] : values->index,
                              0, &path);
    if (!code) {
        cli_catch_stop();
        const akin_status status = work(path, &options, &report, &err);
        cli_meter_clear(&check.meter);
        const bool found = status == AKIN_ECORRUPT && report.problems;
        if (status == AKIN_ECANCELLED)
            code = CLI_STOPPED + cli_stopped();
        else if (status && (repairs || !found))
            code = cli_fail(ABOUT_INDEX, &err);
        else
            code = finish(&check, values, path, &report, repairs);
    }
    json_decref(check.problems);
    akin__free(path);
    return code;
}

static int run_verify(const struct cli_values *values)
{
    return check_with(values, akin_index_verify, false);
}

static int run_repair(const struct cli_values *values)
{
    return check_with(values, akin_index_repair, true);
}

const struct cli_command cli_verify = {
    .name = "verify",
    .arguments = "[X.akin] [options]",
    .summary = "is an index whole, and if not, what is not",
    .detail = "Reads all of it and compares it with its checksums and with "
              "itself; writes\nnothing. The exit code is 4 when it is not "
              "whole.",
    .example = "  akin verify photos.akin",
    .most = 1,
    .run = run_verify,
    .options = {{"index", "the index, as X.akin is"},
                {"json", "one document: docs/json.md"}},
};

const struct cli_command cli_repair = {
    .name = "repair",
    .arguments = "[X.akin] [options]",
    .summary = "keep what holds of an index that is damaged",
    .detail = "Writes a new catalog from all that can be read and whose "
              "checksums hold, and\nkeeps the old one as catalog.db.damaged. "
              "What was lost is named; `akin index`\nembeds it again. An index "
              "that is whole is left alone.",
    .example =
        "  akin repair photos.akin\n  akin index Pictures -i photos.akin",
    .most = 1,
    .run = run_repair,
    .options = {{"index", "the index, as X.akin is"},
                {"json", "one document: docs/json.md"}},
};
