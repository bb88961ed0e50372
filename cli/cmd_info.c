/* akin info: what an index is, and what it could not read. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "index.h"
#include "terminal.h"
#include "view/json.h"
#include "view/meter.h"
#include "view/table.h"

struct remarks {
    json_t *list; /* NULL: print them */
    int out_of_memory;
};

static void remark(void *context, const char *path, const char *reason)
{
    struct remarks *remarks = context;
    char line[4096];
    if (remarks->list) {
        remarks->out_of_memory |=
            akin__json_remark(remarks->list, path, reason) != 0;
        return;
    }
    akin__printable(line, sizeof line, path);
    printf("%s: %s\n", line, reason);
}

static int print_json(const char *path, akin_index *index,
                      const akin_index_info *info,
                      akin_certainty *const *certainty, bool errors)
{
    struct remarks remarks = {errors ? json_array() : NULL, 0};
    akin_error err;
    if (errors && (!remarks.list || akin_index_failures(index, remark, &remarks,
                                                        &err) != AKIN_OK)) {
        const int code =
            remarks.list ? cli_fail(ABOUT_INDEX, &err) : cli_no_memory();
        json_decref(remarks.list);
        return code;
    }
    json_t *object = akin__json_info(
        path, info, (const akin_certainty *const *)certainty, remarks.list);
    if (remarks.out_of_memory) {
        json_decref(object);
        return cli_no_memory();
    }
    return cli_print_json(object);
}

/* Enough of a fingerprint to tell two apart. */
enum { SHOWN_DIGITS = 12 };

static void fill_table(const akin_index_info *info, struct akin__table *table)
{
    static const struct {
        const char *heading;
        enum akin__column_kind kind;
    } columns[] = {{"model", AKIN__LEFT},   {"images", AKIN__RIGHT},
                   {"family", AKIN__LEFT},  {"dim", AKIN__RIGHT},
                   {"pool", AKIN__LEFT},    {"precision", AKIN__LEFT},
                   {"made on", AKIN__LEFT}, {"fingerprint", AKIN__LEFT},
                   {"weights", AKIN__PATH}};
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
        akin__table_column(table, columns[c].heading, columns[c].kind);
    for (size_t m = 0; m < info->models; m++) {
        const akin_index_model *model = &info->model[m];
        char count[32];
        akin__table_cell(table, model->name);
        akin__table_cell(table, akin__thousands(count, model->images));
        akin__table_cell(table, model->family);
        akin__table_cellf(table, "%u", model->dim);
        akin__table_cell(table, model->pool);
        akin__table_cell(table, model->precision);
        akin__table_cell(table, *model->devices ? model->devices : "-");
        akin__table_cellf(table, "%.*s", SHOWN_DIGITS, model->fingerprint);
        akin__table_cell(table, model->folder);
    }
}

/* "clip: a copy is 90 % certain from cosine 0.912 on, 99 % .." */
static void add_certainty(struct akin__text *text, const char *model,
                          const akin_certainty *certainty)
{
    static const double certain[] = {0.9, 0.99, 0.999};
    char answers[32], name[1024];
    bool any = false;
    if (!certainty)
        return;
    akin__printable(name, sizeof name, model);
    akin__text_addf(text, "%s: a copy is", name);
    for (size_t i = 0; i < sizeof certain / sizeof *certain; i++) {
        const double from = akin_certain_from(certainty, certain[i]);
        if (isnan(from))
            continue;
        akin__text_addf(text, "%s %g %% certain from cosine %.3f on",
                        any ? "," : "", 100 * certain[i], from);
        any = true;
    }
    akin__printable(name, sizeof name, certainty->truth);
    akin__text_addf(text, "%s, by %s answers to %s\n",
                    any ? "" : " nowhere 90 % certain",
                    akin__thousands(answers, certainty->answers), name);
}

static int print_text(const char *path, const akin_index_info *info,
                      akin_certainty *const *certainty)
{
    const struct akin__look look = cli_look(stdout);
    struct akin__table table = {0};
    struct akin__text text = {0};
    char name[1024], files[32], failed[32], size[32];
    akin__printable(name, sizeof name, path);
    akin__bold(&text, &look, name);
    akin__text_addf(&text,
                    "\n%s pictures, %s could not be read, %s on disc, "
                    "layout %u, EXIF %s, decoding %s\n",
                    akin__thousands(files, info->files),
                    akin__thousands(failed, info->failed),
                    akin__size(size, info->bytes), info->version,
                    info->exif == AKIN_EXIF_OFF ? "off" : "on",
                    info->decode == AKIN_DECODE_FAST ? "fast" : "exact");
    for (size_t i = 0; i < info->roots; i++) {
        akin__printable(name, sizeof name, info->root[i]);
        akin__text_addf(&text, "%s %s\n", i ? "      " : "folder", name);
    }
    fill_table(info, &table);
    if (info->models)
        akin__text_add(&text, "\n", 1);
    if (info->models)
        akin__table_render(&table, &look, &text);
    for (size_t m = 0; m < info->models; m++)
        add_certainty(&text, info->model[m].name, certainty[m]);
    const int code = cli_print_text(&text);
    akin__table_free(&table);
    return code;
}

static int print_errors(akin_index *index)
{
    struct remarks remarks = {NULL, 0};
    akin_error err;
    return akin_index_failures(index, remark, &remarks, &err)
               ? cli_fail(ABOUT_INDEX, &err)
               : 0;
}

static int run(const struct cli_values *values)
{
    akin_index *index;
    akin_index_info info;
    akin_certainty *certainty[CLI_MODELS] = {NULL};
    char *path;
    int code = cli_index_open(values->words ? values->word[0] : values->index,
                              &path, &index, &info);
    if (!code)
        code = cli_index_count(index, &info);
    for (size_t m = 0; !code && m < info.models; m++)
        code = cli_certainty(index, info.model[m].name, &certainty[m]);
    if (!code && values->json)
        code = print_json(path, index, &info, certainty, values->errors);
    else if (!code)
        code = values->errors ? print_errors(index)
                              : print_text(path, &info, certainty);
    for (size_t m = 0; m < CLI_MODELS; m++)
        akin__free(certainty[m]);
    akin_index_close(&index);
    akin__free(path);
    return code;
}

const struct cli_command cli_info = {
    .name = "info",
    .arguments = "[X.akin] [options]",
    .summary = "what an index is, and what it could not read",
    .example = "  akin info photos.akin\n"
               "  akin info photos.akin --errors",
    .most = 1,
    .run = run,
    .options = {{"index", "the index, as X.akin is"},
                {"errors", "the files that could not be read, and why"},
                {"json", "one document: docs/json.md"}},
};
