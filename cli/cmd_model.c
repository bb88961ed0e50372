/* akin model: which weights are at hand, and how they get there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "terminal.h"
#include "view/json.h"
#include "view/meter.h"
#include "view/table.h"

/* What a command has found so far: {"models": [...]} with --json. */
struct results {
    const struct cli_values *values;
    json_t *models; /* an array, with --json; else NULL */
    int out_of_memory;
    struct cli_meter meter;
};

static bool results_open(struct results *r, const struct cli_values *values)
{
    *r = (struct results){.values = values};
    r->models = values->json ? json_array() : NULL;
    return !values->json || r->models;
}

/* Takes `value`. */
static void add_result(struct results *r, json_t *value)
{
    r->out_of_memory |= json_array_append_new(r->models, value);
}

/* Print the JSON that there is, and free; `code`, or that of no memory. */
static int results_close(struct results *r, int code)
{
    if (!r->models)
        return r->out_of_memory ? cli_no_memory() : code;
    json_t *object = json_object();
    r->out_of_memory |= json_object_set_new(object, "models", r->models);
    char *line = r->out_of_memory ? NULL : akin__json_line(object);
    json_decref(object);
    if (!line)
        return cli_no_memory();
    fputs(line, stdout);
    akin__free(line);
    return code;
}

/* Bytes as megabytes: what is smaller is done before anyone looks. */
static int show(void *context, const char *file, uint64_t done, uint64_t whole)
{
    struct results *r = context;
    const uint64_t mega = 1000000;
    char what[300];
    snprintf(what, sizeof what, "MB of %s", file);
    if (whole >= mega)
        cli_meter_show(&r->meter, what, done / mega, whole / mega);
    return cli_stopped();
}

/* Say what went wrong with a model; its exit code. */
static int failed(struct results *r, const akin_error *err)
{
    cli_meter_clear(&r->meter);
    const int code = cli_fail(ABOUT_MODEL, err);
    return cli_stopped() ? CLI_STOPPED + cli_stopped() : code;
}

/* ----------------------------------------------------------------- list -- */

struct listing {
    struct results results;
    struct akin__table table;
};

static void add_row(struct akin__table *table, const akin_model_entry *entry)
{
    char size[32];
    akin__table_cell(table, entry->name);
    akin__table_cell(table, entry->family);
    if (*entry->folder) {
        akin__table_cell(table, akin__size(size, entry->bytes));
        akin__table_cell(table, entry->folder);
    } else {
        akin__table_cell(table, "-");
        if (*entry->id)
            akin__table_cellf(table, "not here: akin model pull %s",
                              entry->name);
        else
            akin__table_cell(table, "not here: ./run demo makes it");
    }
}

static void list_one(void *context, const akin_model_entry *entry)
{
    struct listing *listing = context;
    if (listing->results.models)
        add_result(&listing->results, akin__json_entry(entry));
    else
        add_row(&listing->table, entry);
}

static int print_table(const struct akin__table *table)
{
    const struct akin__look look = cli_look(stdout);
    struct akin__text text = {0};
    akin__table_render(table, &look, &text);
    return cli_print_text(&text);
}

static int list(const struct cli_values *values)
{
    struct listing listing = {0};
    akin_error err;
    if (!results_open(&listing.results, values))
        return cli_no_memory();
    akin__table_column(&listing.table, "model", AKIN__LEFT);
    akin__table_column(&listing.table, "family", AKIN__LEFT);
    akin__table_column(&listing.table, "weights", AKIN__RIGHT);
    akin__table_column(&listing.table, "folder", AKIN__PATH);
    int code = 0;
    if (akin_model_list(list_one, &listing, &err))
        code = failed(&listing.results, &err);
    else if (!values->json)
        code = print_table(&listing.table);
    akin__table_free(&listing.table);
    return results_close(&listing.results, code);
}

/* -------------------------------------------------------- pull and path -- */

typedef akin_status (*find_fn)(struct results *r, const char *name,
                               char *folder, size_t capacity, akin_error *err);

static akin_status pull_one(struct results *r, const char *name, char *folder,
                            size_t capacity, akin_error *err)
{
    const akin_hub_options options = {.size = sizeof options,
                                      .revision = r->values->revision,
                                      .offline = r->values->offline,
                                      .progress = show,
                                      .context = r};
    return akin_hub_pull(name, &options, folder, capacity, err);
}

static akin_status path_one(struct results *r, const char *name, char *folder,
                            size_t capacity, akin_error *err)
{
    return akin_model_find(name, r->values->revision, folder, capacity, err);
}

static void print_folder(const struct results *r, const char *name,
                         const char *folder)
{
    char line[8192];
    if (r->values->words == 1) {
        puts(folder); /* as it is: for scripts */
        return;
    }
    snprintf(line, sizeof line, "%s: %s", name, folder);
    puts(line);
}

/* One folder for each name; the exit code of the last that failed. */
static int each_folder(const struct cli_values *values, find_fn find)
{
    struct results r;
    int code = 0;
    if (!results_open(&r, values))
        return cli_no_memory();
    for (size_t i = 0; i < values->words && !cli_stopped(); i++) {
        const char *name = values->word[i];
        char folder[4096] = "";
        akin_error err = {AKIN_OK, ""};
        if (find(&r, name, folder, sizeof folder, &err))
            code = failed(&r, &err);
        cli_meter_clear(&r.meter);
        if (r.models)
            add_result(&r, akin__json_folder(name, folder, err.message));
        else if (!err.code)
            print_folder(&r, name, folder);
    }
    return results_close(&r, code);
}

static int pull(const struct cli_values *values)
{
    cli_catch_stop();
    return each_folder(values, pull_one);
}

static int path(const struct cli_values *values)
{
    return each_folder(values, path_one);
}

/* --------------------------------------------------------------- verify -- */

struct verdict {
    struct results *results;
    json_t *files, *figures; /* with --json */
    size_t count, hashed;
    uint64_t bytes;
};

static void verify_file(void *context, const akin_model_file *file)
{
    struct verdict *v = context;
    v->count++;
    v->hashed += file->hashed != 0;
    v->bytes += file->bytes;
    if (v->files)
        v->results->out_of_memory |=
            json_array_append_new(v->files, akin__json_file(file));
    if (!file->problem)
        return;
    cli_meter_clear(&v->results->meter);
    cli_say("%s: %s", file->path, file->problem);
}

static int verify_progress(void *context, const char *file, uint64_t done,
                           uint64_t whole)
{
    const struct verdict *v = context;
    return show(v->results, file, done, whole);
}

static void print_verdict(const char *name, const struct verdict *v)
{
    char size[32], count[32];
    akin__thousands(count, v->count);
    akin__size(size, v->bytes);
    if (v->hashed == v->count)
        printf("%s: whole; %s files, %s, each as the hub published it\n", name,
               count, size);
    else
        printf("%s: %s files, %s, well formed; %zu of them have a published "
               "hash to compare with\n",
               name, count, size, v->hashed);
}

static void figure(void *context, const akin_figure *figure)
{
    struct verdict *v = context;
    if (v->figures)
        v->results->out_of_memory |=
            json_array_append_new(v->figures, akin__json_figure(figure));
    else if (figure->skipped)
        printf("  skipped  %s: %s\n", figure->name, figure->skipped);
    else
        printf("  %s  %s: off by %.2g (limit %.2g)\n",
               figure->difference <= figure->limit ? "pass   " : "FAIL   ",
               figure->name, figure->difference, figure->limit);
}

/* Where what was published lies: as the user says, else where the tests look.
 * Allocated; NULL when it is nowhere. */
static char *published_folder(const struct cli_values *values)
{
    const char *shared = getenv("AKIN_SHARED");
    char *folder = values->pictures ? akin__strdup(values->pictures)
                                    : akin__join(shared ? shared : "../shared",
                                                 "data/goldens");
    if (values->pictures || (folder && akin__is_folder(folder)))
        return folder;
    akin__free(folder);
    return NULL;
}

/* What was published of these weights; `published` -1: it was not looked at. */
static int check_figures(struct verdict *v, const char *name, int *published,
                         akin_error *err)
{
    const struct cli_values *values = v->results->values;
    char *folder = published_folder(values);
    const akin_figures_options options = {.size = sizeof options,
                                          .revision = values->revision,
                                          .pictures = folder,
                                          .visit = figure,
                                          .context = v};
    int code = 0;
    if (akin_model_figures(name, &options, published, err))
        code = failed(v->results, err);
    else if (!v->figures && !*published)
        printf("%s: no figures were published for these weights\n", name);
    else if (!v->figures)
        printf("%s: gives what was published of these weights\n", name);
    akin__free(folder);
    return code;
}

static int verify_one(struct results *r, const char *name)
{
    struct verdict v = {.results = r,
                        .files = r->models ? json_array() : NULL,
                        .figures = r->models ? json_array() : NULL};
    const akin_verify_options options = {.size = sizeof options,
                                         .revision = r->values->revision,
                                         .progress = verify_progress,
                                         .visit = verify_file,
                                         .context = &v};
    akin_error err = {AKIN_OK, ""};
    int code = 0, published = -1;
    if (akin_model_verify(name, &options, &err))
        code = failed(r, &err);
    cli_meter_clear(&r->meter);
    if (!code && !r->models)
        print_verdict(name, &v);
    if (!code)
        code = check_figures(&v, name, &published, &err);
    if (r->models)
        add_result(r, akin__json_verdict(name, code ? err.message : NULL,
                                         v.files, published, v.figures));
    return code;
}

static int verify(const struct cli_values *values)
{
    struct results r;
    int code = 0;
    cli_catch_stop();
    if (!results_open(&r, values))
        return cli_no_memory();
    for (size_t i = 0; i < values->words && !cli_stopped(); i++) {
        const int one = verify_one(&r, values->word[i]);
        code = one ? one : code;
    }
    return results_close(&r, code);
}

/* ------------------------------------------------------------- commands -- */

static const struct cli_command cli_list = {
    .name = "list",
    .arguments = "[options]",
    .summary = "the models akin knows, and which are at hand",
    .example = "  akin model list",
    .most = 0,
    .run = list,
    .options = {{"json", "one document: docs/models.md"}},
};

static const struct cli_command cli_pull = {
    .name = "pull",
    .arguments = "NAME.. [options]",
    .summary = "fetch models from the hub, or go on with what broke off",
    .detail = "NAME is clip, dinov2, or OWNER/NAME[@REVISION] of a CLIP or "
              "DINOv2 on\nthe Hugging Face hub. The files go to its cache, "
              "which Python uses as well.\ndocs/models.md says how to do "
              "without a network.",
    .example = "  akin model pull clip dinov2\n"
               "  akin model pull facebook/dinov2-small",
    .least = 1,
    .run = pull,
    .options = {{"revision", "a branch, tag or commit instead of the usual"},
                {"offline", "ask nobody: is the model whole?"},
                {"json", "one document: docs/models.md"}},
};

static const struct cli_command cli_model_verify = {
    .name = "verify",
    .arguments = "NAME.. [options]",
    .summary = "compare every file with its hash, and figures with others'",
    .detail = "Files of the hub have a published hash; files of a plain "
              "folder have none,\nand only their form is looked at. Of the "
              "weights of clip and dinov2 vectors and\nlogits were published: "
              "they are computed again. Those of pictures need the\npictures, "
              "which docs/models.md names.",
    .example = "  akin model verify clip dinov2",
    .least = 1,
    .run = verify,
    .options = {{"pictures", "the pictures and vectors that were published"},
                {"revision", "a branch, tag or commit instead of the usual"},
                {"json", "one document: docs/models.md"}},
};

static const struct cli_command cli_path = {
    .name = "path",
    .arguments = "NAME.. [options]",
    .summary = "the folder of a model",
    .example = "  akin model path clip",
    .least = 1,
    .run = path,
    .options = {{"revision", "a branch, tag or commit instead of the usual"},
                {"json", "one document: docs/models.md"}},
};

static const struct cli_command *const models[] = {
    &cli_list, &cli_pull, &cli_model_verify, &cli_path, NULL};

const struct cli_command cli_model = {
    .name = "model",
    .summary = "which weights are at hand: list, pull, verify, path",
    .group = models,
};
