/*
 * akin import: vectors that were made elsewhere into an index. The work is
 * akin_index_import's; here is what it is given and what it says.
 */
#include <stdio.h>

#include "base/memory.h"
#include "cli.h"
#include "commands.h"
#include "index.h"
#include "models.h"
#include "terminal.h"
#include "view/json.h"
#include "view/meter.h"

struct import {
    const struct cli_values *values;
    struct cli_models models;
    char *path;
    akin_index *index;
    struct cli_meter meter;
    akin_import_report report;
};

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    struct import *m = context;
    cli_meter_show(&m->meter, what, done, whole);
    return cli_stopped();
}

/* One that --model names, or the only one that the index has. */
static int open_model(struct import *m, const akin_index_info *info)
{
    if (m->values->models > 1)
        return cli_wrong(m->values, "a file holds the vectors of one model");
    if (!m->values->models && info->models != 1)
        return cli_wrong(m->values,
                         "--model NAME is needed: which model made them?");
    return cli_models_open_for(&m->models, m->values, m->path, info, true);
}

/* Into m->index, or, where that is NULL, only looked over. */
static int import(struct import *m)
{
    const akin_import_options options = {.size = sizeof options,
                                         .paths = m->values->paths,
                                         .root = m->values->root,
                                         .progress = show,
                                         .context = m};
    akin_error err;
    const akin_status status =
        akin_index_import(m->index, m->values->word[0], m->models.model[0],
                          &options, &m->report, &err);
    cli_meter_clear(&m->meter);
    if (status == AKIN_ECANCELLED) {
        cli_say("stopped; what is done is kept in %s, and the same command "
                "goes on from there",
                m->path);
        return CLI_STOPPED + cli_stopped();
    }
    /* Its rows are counted once it was looked over. */
    return status ? cli_fail(m->report.rows ? ABOUT_INDEX : ABOUT_INPUT, &err)
                  : 0;
}

static int print_json(const struct import *m)
{
    json_t *object = akin__json_import(m->path, m->models.name[0],
                                       m->values->word[0], &m->report);
    return cli_print_json(object);
}

static void print_summary(const struct import *m)
{
    const akin_import_report *r = &m->report;
    char added[32], updated[32], unchanged[32], missing[32];
    printf("%s, %s: %s added, %s updated, %s unchanged\n", m->path,
           m->models.name[0], akin__thousands(added, r->added),
           akin__thousands(updated, r->updated),
           akin__thousands(unchanged, r->unchanged));
    if (r->missing)
        printf("  %s of the files are not there or cannot be read; their "
               "vectors can be searched\n",
               akin__thousands(missing, r->missing));
    if (r->compared)
        printf("  %llu pictures were embedded again to compare: cosine %.4f "
               "or more\n",
               (unsigned long long)r->compared, r->cosine_min);
}

static int tell(const struct import *m)
{
    if (!m->report.compared)
        cli_say("warning: none of the pictures could be read, so nobody has "
                "checked that these are the vectors of %s",
                m->models.name[0]);
    if (m->values->json)
        return print_json(m);
    print_summary(m);
    return 0;
}

static int run(const struct cli_values *values)
{
    struct import m = {.values = values};
    akin_index_info info = {0};
    int code = cli_index_path(values->index, 1, &m.path);
    if (!code)
        code = cli_index_open_as(m.path, AKIN_INDEX_WRITE, &m.index, &info);
    if (!code)
        code = open_model(&m, &info);
    cli_catch_stop();
    /* A new index is made only for a file that will do. */
    const bool there = m.index != NULL;
    if (!code && !there)
        code = import(&m);
    if (!code && !there)
        code = cli_index_open_as(m.path, AKIN_INDEX_CREATE, &m.index, &info);
    if (!code)
        code = import(&m);
    if (!code)
        code = tell(&m);
    akin_index_close(&m.index);
    cli_models_close(&m.models);
    akin__free(m.path);
    return code;
}

const struct cli_command cli_import = {
    .name = "import",
    .arguments = "FILE --model NAME [options]",
    .summary = "vectors made elsewhere (FAISS, NumPy, ...) into an index",
    .detail =
        "FILE is a flat FAISS index (IxF2, IxFI, an IDMap over them) or an "
        "npy of float32,\nfloat64 or float16, with a list of the pictures, a "
        "path a line, line i for row i;\nor jsonl or csv as akin export "
        "writes them. The files need not be there. Of those\nthat are, a few "
        "are embedded with the model and compared, so that vectors which\n"
        "were made differently never meet. Without -i the index is the "
        "nearest photos.akin\nin this folder or above it, else "
        "./photos.akin is made.",
    .example = "  akin import clip.index --paths files.txt --model clip "
               "--exif off",
    .least = 1,
    .most = 1,
    .run = run,
    .options = {{"index", "the index to put them in, or to make"},
                {"model", "what made them: known name, hub id or folder"},
                {"paths", "the list of FAISS or npy (FILE.paths)"},
                {"root", "where relative paths begin (the list's folder)"},
                {"pool", "DINOv2's tokens to one vector (mean)"},
                {"exif", "turned upright as EXIF says (on), or not (off)"},
                {"precision", "what the network computed in (f32)"},
                {"device", "where networks for pictures run (auto)"},
                {"decode", "every pixel (exact) or large JPEG smaller (fast)"},
                {"threads", "processors that load the model (all)"},
                {"json", "one document: docs/json.md"}},
};
