/* akin export: the vectors of one model for other programs. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "index.h"
#include "view/json.h"

static const struct {
    const char *name;
    akin_export_format format;
} formats[] = {{"faiss", AKIN_EXPORT_FAISS},
               {"npy", AKIN_EXPORT_NPY},
               {"jsonl", AKIN_EXPORT_JSONL}};
enum { FORMATS = sizeof formats / sizeof *formats };

static int find_format(const struct cli_values *values,
                       akin_export_format *format)
{
    for (size_t i = 0; values->format && i < FORMATS; i++) {
        if (strcmp(values->format, formats[i].name) == 0) {
            *format = formats[i].format;
            return 0;
        }
    }
    return values->format
               ? cli_wrong(values, "--format %s is none of faiss, npy, jsonl",
                           values->format)
               : cli_wrong(values, "--format faiss, npy or jsonl is needed");
}

/* The one that --model names, or the only one there is. */
static int find_model(const struct cli_values *values, const char *path,
                      const akin_index_info *info, const char **model)
{
    *model = values->models ? values->model[0] : NULL;
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

static uint64_t rows_of(const akin_index_info *info, const char *model)
{
    for (size_t m = 0; m < info->models; m++) {
        if (strcmp(info->model[m].name, model) == 0)
            return info->model[m].images;
    }
    return 0;
}

static int print_json(const struct cli_values *values, const char *path,
                      const char *model, const char *paths, uint64_t rows)
{
    json_t *object = akin__json_export(path, model, values->format,
                                       values->output, paths, rows);
    char *line = object ? akin__json_line(object) : NULL;
    json_decref(object);
    if (!line)
        return cli_no_memory();
    fputs(line, stdout);
    akin__free(line);
    return 0;
}

static int write_file(const struct cli_values *values, akin_index *index,
                      const char *path, const char *model,
                      akin_export_format format, uint64_t rows)
{
    akin_error err;
    const akin_status status =
        akin_index_export(index, model, format, values->output, &err);
    if (status)
        return cli_fail(ABOUT_INDEX, &err);
    char *paths = format == AKIN_EXPORT_JSONL
                      ? NULL
                      : akin__format("%s.paths", values->output);
    int code = 0;
    if (values->json)
        code = print_json(values, path, model, paths, rows);
    else
        cli_say("wrote %s%s%s", values->output, paths ? " and " : "",
                paths ? paths : "");
    akin__free(paths);
    return code;
}

static int run(const struct cli_values *values)
{
    akin_index *index = NULL;
    akin_index_info info;
    akin_export_format format = AKIN_EXPORT_FAISS;
    const char *model;
    char *path = NULL;
    int code = find_format(values, &format);
    if (!code && !values->output)
        code = cli_wrong(values, "-o FILE is needed");
    if (!code && values->models > 1)
        code = cli_wrong(values, "a file holds the vectors of one model");
    if (!code)
        code = cli_index_open(values->words ? values->word[0] : values->index,
                              &path, &index, &info);
    if (!code)
        code = cli_index_count(index, &info);
    if (!code)
        code = find_model(values, path, &info, &model);
    if (!code)
        code = write_file(values, index, path, model, format,
                          rows_of(&info, model));
    akin_index_close(&index);
    akin__free(path);
    return code;
}

const struct cli_command cli_export = {
    .name = "export",
    .arguments = "[X.akin] --format FORMAT -o FILE [options]",
    .summary = "the vectors of an index for FAISS, NumPy or anything",
    .detail = "Rows are in order of path and of length one. FILE.paths names "
              "those of faiss\nand npy.",
    .example =
        "  akin export photos.akin --model clip --format faiss -o clip.index",
    .most = 1,
    .run = run,
    .options = {{"index", "the index, as X.akin is"},
                {"model", "whose vectors, where there are several models"},
                {"format", "faiss (IndexFlatL2), npy, or jsonl"},
                {"output", "the file to write, whole or not at all"},
                {"json", "one document: docs/json.md"}},
};
