/* akin export: the vectors of one model, into files and tables of others. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "index.h"
#include "models.h"
#include "terminal.h"
#include "view/json.h"
#include "view/meter.h"

static const struct {
    const char *name;
    akin_export_format format;
    bool paths, ids; /* FILE.paths and FILE.ids.csv are written beside */
} formats[] = {
    {"faiss", AKIN_EXPORT_FAISS, true, false},
    {"faiss-ip", AKIN_EXPORT_FAISS_IP, true, false},
    {"faiss-idmap", AKIN_EXPORT_FAISS_IDMAP, true, true},
    {"faiss-ip-idmap", AKIN_EXPORT_FAISS_IP_IDMAP, true, true},
    {"npy", AKIN_EXPORT_NPY, true, false},
    {"jsonl", AKIN_EXPORT_JSONL, false, false},
    {"csv", AKIN_EXPORT_CSV, false, false},
};
enum {
    FILES = sizeof formats / sizeof *formats,
    PGVECTOR = FILES /* the one that is no file */
};
#define FORMAT_NAMES                                                           \
    "faiss, faiss-ip, faiss-idmap, faiss-ip-idmap, npy, jsonl, csv, pgvector"

/* Which of `formats`, or PGVECTOR. */
static int find_format(const struct cli_values *values, size_t *format)
{
    if (!values->format)
        return cli_wrong(values, "--format is needed: one of " FORMAT_NAMES);
    *format = 0;
    while (*format < FILES && strcmp(values->format, formats[*format].name))
        ++*format;
    if (*format < FILES || strcmp(values->format, "pgvector") == 0)
        return 0;
    return cli_wrong(values, "--format %s is none of " FORMAT_NAMES,
                     values->format);
}

static int check_target(const struct cli_values *values, size_t format)
{
    if (values->models > 1)
        return cli_wrong(values, "%s the vectors of one model",
                         format == PGVECTOR ? "a table holds" : "a file holds");
    if (format == PGVECTOR && values->output)
        return cli_wrong(values, "--format pgvector writes no file; --to says "
                                 "which database");
    if (format == PGVECTOR && !values->to)
        return cli_wrong(values, "--to postgresql://user@host/database is "
                                 "needed");
    if (format != PGVECTOR && (values->to || values->table))
        return cli_wrong(values, "--to and --table are for --format pgvector");
    if (format != PGVECTOR && !values->output)
        return cli_wrong(values, "-o FILE is needed");
    return cli_spare_picture(values, values->output);
}

/* The one that --model names, or the only one there is. */
static int find_model(const struct cli_values *values, const char *path,
                      const akin_index_info *info, const char **model)
{
    *model = values->models ? cli_models_entry(info, values->model[0]) : NULL;
    if (*model)
        return 0;
    if (info->models == 1)
        *model = info->model[0].name;
    if (*model)
        return 0;
    return info->models
               ? cli_wrong(values,
                           "%s has %zu models: --model %s is one of "
                           "them",
                           path, info->models, info->model[0].name)
               : (cli_say("%s: holds no vectors yet", path), CLI_PARTLY);
}

/* NULL: the index has none of that name. */
static const akin_index_model *entry_of(const akin_index_info *info,
                                        const char *model)
{
    for (size_t m = 0; m < info->models; m++) {
        if (strcmp(info->model[m].name, model) == 0)
            return &info->model[m];
    }
    return NULL;
}

static int write_file(const struct cli_values *values, akin_index *index,
                      const char *path, const char *model, size_t format,
                      const akin_index_model *entry)
{
    const uint64_t rows = entry ? entry->images : 0;
    akin_error err;
    const akin_status status = akin_index_export(
        index, model, formats[format].format, values->output, &err);
    if (status) /* what is not found is the model, or the file's folder */
        return cli_fail(entry ? ABOUT_OUTPUT : ABOUT_INDEX, &err);
    char *paths =
        formats[format].paths ? akin__format("%s.paths", values->output) : NULL;
    char *ids =
        formats[format].ids ? akin__format("%s.ids.csv", values->output) : NULL;
    int code = 0;
    if (values->json)
        code = cli_print_json(akin__json_export(
            path, model, values->format, values->output, paths, ids, rows));
    else
        cli_say("wrote %s%s%s%s%s", values->output, paths ? " and " : "",
                paths ? paths : "", ids ? " and " : "", ids ? ids : "");
    akin__free(paths);
    akin__free(ids);
    return code;
}

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    cli_meter_show(context, what, done, whole);
    return cli_stopped();
}

static int write_table(const struct cli_values *values, akin_index *index,
                       const char *path, const char *model)
{
    struct cli_meter meter = {0};
    const akin_pgvector_options options = {.size = sizeof options,
                                           .table = values->table,
                                           .progress = show,
                                           .context = &meter};
    akin_pgvector_report r;
    akin_error err;
    char added[32], updated[32], removed[32], unchanged[32];
    cli_catch_stop();
    const akin_status status = akin_index_export_pgvector(
        index, model, values->to, &options, &r, &err);
    cli_meter_clear(&meter);
    if (status == AKIN_ECANCELLED) {
        cli_say("stopped; the table is as it was");
        return CLI_STOPPED + cli_stopped();
    }
    if (status)
        return cli_fail(ABOUT_OUTPUT, &err);
    if (values->json)
        return cli_print_json(akin__json_pgvector(path, model, &r));
    printf("%s, table %s: %s added, %s updated, %s removed, %s unchanged\n",
           r.server, r.table, akin__thousands(added, r.added),
           akin__thousands(updated, r.updated),
           akin__thousands(removed, r.removed),
           akin__thousands(unchanged, r.unchanged));
    return 0;
}

static int run(const struct cli_values *values)
{
    akin_index *index = NULL;
    akin_index_info info;
    size_t format = 0;
    const char *model;
    char *path = NULL;
    int code = find_format(values, &format);
    if (!code)
        code = check_target(values, format);
    if (!code)
        code = cli_index_open(values->words ? values->word[0] : values->index,
                              &path, &index, &info);
    if (!code)
        code = cli_index_count(index, &info);
    if (!code)
        code = find_model(values, path, &info, &model);
    if (!code && format == PGVECTOR)
        code = write_table(values, index, path, model);
    else if (!code)
        code = write_file(values, index, path, model, format,
                          entry_of(&info, model));
    akin_index_close(&index);
    akin__free(path);
    return code;
}

const struct cli_command cli_export = {
    .name = "export",
    .arguments = "[X.akin] --format FORMAT -o FILE | --to URI [options]",
    .summary = "the vectors of an index for FAISS, NumPy, PostgreSQL, ...",
    .detail =
        "Rows are in order of path and of length one. FORMAT:\n\n"
        "  faiss           IndexFlatL2\n"
        "  faiss-ip        IndexFlatIP: inner product, the cosine\n"
        "  faiss-idmap     IndexIDMap over IndexFlatL2; ids are the "
        "index's own and stay\n"
        "  faiss-ip-idmap  IndexIDMap over IndexFlatIP\n"
        "  npy             a NumPy array, float32 [rows, dim]\n"
        "  jsonl           a line of JSON a row, with its path\n"
        "  csv             a header, then a line a row: path, numbers\n"
        "  pgvector        a table of PostgreSQL; again sends only what "
        "changed\n\n"
        "FILE.paths names the rows of faiss and npy, FILE.ids.csv the ids "
        "of an IDMap.\nA password for --to is best left to PGPASSWORD or "
        "~/.pgpass.",
    .example =
        "  akin export photos.akin --model clip --format faiss -o clip.index\n"
        "  akin export --format pgvector --to postgresql://me@db.lan/photos",
    .most = 1,
    .run = run,
    .options = {{"index", "the index, as X.akin is"},
                {"model", "whose vectors, where there are several models"},
                {"format", "one of those above"},
                {"output", "the file to write, whole or not at all"},
                {"to", "the database, of pgvector: postgresql://..."},
                {"table", "its table (akin_MODEL); also SCHEMA.NAME"},
                {"json", "one document: docs/json.md"}},
};
