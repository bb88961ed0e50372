/*
 * akin index: folders into an index. The work is akin_index_update's; here is
 * what it is given and what it says.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli.h"
#include "commands.h"
#include "index.h"
#include "models.h"
#include "terminal.h"
#include "view/json.h"
#include "view/meter.h"

struct update {
    const struct cli_values *values;
    struct cli_models models;
    char *path;
    akin_index *index;
    json_t *failed, *warnings; /* arrays, with --json */
    int out_of_memory;
    bool watching; /* the user knows */
    struct cli_meter meter;
    akin_index_report report;
};

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    struct update *u = context;
    cli_meter_show(&u->meter, what, done, whole);
    return cli_stopped();
}

static void notice(void *context, const char *path, const char *reason,
                   int failed)
{
    struct update *u = context;
    json_t *list = failed ? u->failed : u->warnings;
    cli_meter_clear(&u->meter);
    cli_say("%s%s: %s", failed ? "" : "warning: ", path, reason);
    if (list && akin__json_remark(list, path, reason))
        u->out_of_memory = 1;
}

/* ------------------------------------------------------------ beforehand -- */

/* Before anything is made: is there a folder to read? A few that are missing
 * are reported by the update itself. */
static int check_roots(const struct cli_values *values)
{
    struct stat st;
    akin_error err;
    for (size_t i = 0; i < values->words; i++) {
        struct akin__names names;
        akin_status status = akin__stat(values->word[i], &st, &err);
        if (!status && S_ISDIR(st.st_mode)) {
            status = akin__list_folder(values->word[i], &names, &err);
            if (!status)
                akin__names_free(&names);
        }
        if (!status)
            return 0;
        if (values->words == 1)
            return cli_fail(ABOUT_INPUT, &err), CLI_NO_INPUT;
    }
    cli_say("none of the %zu folders can be read; the last: %s", values->words,
            err.message);
    return CLI_NO_INPUT;
}

/* A new index is made only once there are models for it. */
static int open_all(struct update *u)
{
    akin_index_info info = {0};
    /* Who watches waits until nobody else writes. */
    const akin_index_mode mode =
        u->values->watch ? AKIN_INDEX_READ : AKIN_INDEX_WRITE;
    int code = cli_index_open_as(u->path, mode, &u->index, &info);
    if (!code)
        code = cli_models_open_for(&u->models, u->values, u->path, &info, true);
    if (!code && !u->index)
        code = cli_index_open_as(u->path, AKIN_INDEX_CREATE, &u->index, &info);
    return code;
}

/* ------------------------------------------------------------- afterwards --
 */

static void print_count(uint64_t count, const char *what, const char **before)
{
    char text[32];
    if (!count)
        return;
    printf("%s%s %s", *before, akin__thousands(text, count), what);
    *before = ", ";
}

static void print_summary(const struct update *u)
{
    const akin_index_report *r = &u->report;
    const char *before = ": ";
    char text[32];
    printf("%s", u->path);
    print_count(r->added, "added", &before);
    print_count(r->updated, "updated", &before);
    print_count(r->renamed, "renamed", &before);
    print_count(r->unchanged, "unchanged", &before);
    print_count(r->removed, "removed", &before);
    print_count(r->failed, "failed", &before);
    print_count(r->warnings, "damaged but used", &before);
    print_count(r->skipped, "skipped (no pictures)", &before);
    printf("%sin %s\n", before[0] == ':' ? ": nothing to do, " : "; ",
           akin__duration(text, r->seconds));
    for (size_t m = 0; m < u->models.count; m++) {
        const double pace = akin__pace(r->model[m].images, r->model[m].seconds);
        if (pace > 0)
            printf("  %s: %s pictures, %.1f images/s\n", u->models.name[m],
                   akin__thousands(text, r->model[m].images), pace);
    }
}

static int print_json(struct update *u)
{
    const struct akin__update update = {.index = u->path,
                                        .report = &u->report,
                                        .models = u->models.count,
                                        .model = u->models.name};
    json_t *object = akin__json_update(&update, u->failed, u->warnings);
    u->failed = u->warnings = NULL; /* taken */
    if (u->out_of_memory) {
        json_decref(object);
        return cli_no_memory();
    }
    return cli_print_json(object);
}

/* What a run that came to its end is called. */
static int judge(const struct update *u)
{
    const akin_index_report *r = &u->report;
    const uint64_t good =
        r->added + r->updated + r->unchanged + r->renamed + r->removed;
    if (!good && !r->failed && !r->files) {
        cli_say("%s: no picture is in there", u->values->word[0]);
        return CLI_NO_INPUT;
    }
    if (!r->failed)
        return CLI_DONE;
    if (!u->values->json)
        cli_say("`akin info %s --errors` lists what could not be read",
                u->path);
    return good ? CLI_PARTLY : CLI_NO_INPUT;
}

/* Arrays for what a run has to say, with --json. */
static void open_lists(struct update *u)
{
    if (!u->values->json)
        return;
    u->failed = json_array();
    u->warnings = json_array();
}

static int print_report(struct update *u)
{
    if (u->values->json)
        return print_json(u);
    print_summary(u);
    return 0;
}

/* A run of --watch has changed something. */
static void updated(void *context, const akin_index_report *report)
{
    struct update *u = context;
    cli_meter_clear(&u->meter);
    u->report = *report;
    if (print_report(u))
        u->out_of_memory = 1;
    cli_flush();
    memset(&u->meter, 0, sizeof u->meter);
    open_lists(u);
}

static int show_watch(void *context, const char *what, uint64_t done,
                      uint64_t whole)
{
    struct update *u = context;
    char text[32];
    if (strcmp(what, "watched") != 0)
        return show(context, what, done, whole) || u->out_of_memory;
    cli_meter_clear(&u->meter);
    if (!u->watching)
        cli_say("watching %s folders; ctrl-C ends",
                akin__thousands(text, done));
    u->watching = true;
    return cli_stopped() || u->out_of_memory || ferror(stdout);
}

static akin_status work(struct update *u, akin_error *err)
{
    const struct cli_values *v = u->values;
    const char *const *roots = v->word;
    const akin_index_options options = {.size = sizeof options,
                                        .threads = (int)v->threads,
                                        .retry = v->retry,
                                        .strict = v->strict,
                                        .limits = &v->limits,
                                        .progress =
                                            v->watch ? show_watch : show,
                                        .notice = notice,
                                        .context = u,
                                        .exclude = v->exclude,
                                        .excludes = v->excludes,
                                        .decoder = CLI_DECODER};
    if (!v->watch)
        return akin_index_update(u->index, roots, v->words, u->models.model,
                                 u->models.count, &options, &u->report, err);
    akin_index_close(&u->index);
    return akin_index_watch(u->path, roots, v->words, u->models.model,
                            u->models.count, &options, updated, err);
}

static int update(struct update *u)
{
    akin_error err;
    cli_catch_stop();
    const akin_status status = work(u, &err);
    cli_meter_clear(&u->meter);
    if (status == AKIN_ECANCELLED && !cli_stopped())
        return u->out_of_memory ? CLI_SYSTEM : CLI_DONE; /* cli_finish tells */
    if (status == AKIN_ECANCELLED) {
        cli_say("stopped; what is done is kept in %s, and the same command "
                "goes on from there",
                u->path);
        return CLI_STOPPED + cli_stopped();
    }
    if (status)
        return cli_fail(ABOUT_INDEX, &err);
    const int printed = print_report(u);
    return printed ? printed : judge(u);
}

/* --forget: no folder is read and no model needed. */
static int forget(struct update *u)
{
    const double start = akin__seconds();
    int code = cli_index_path(u->values->index, 0, &u->path);
    akin_error err;
    if (!code && !u->path)
        code = CLI_INDEX;
    if (code)
        return code;
    if (akin_index_open(&u->index, u->path, AKIN_INDEX_WRITE, &err))
        return cli_fail(ABOUT_INDEX, &err);
    for (size_t i = 0; i < u->values->words && !code; i++) {
        uint64_t removed = 0;
        const akin_status status =
            akin_index_forget(u->index, u->values->word[i], &removed, &err);
        u->report.removed += removed;
        if (status)
            code = cli_fail(
                status == AKIN_ENOTFOUND ? ABOUT_INPUT : ABOUT_INDEX, &err);
    }
    u->report.seconds = akin__seconds() - start;
    return code ? code : print_report(u);
}

static int run(const struct cli_values *values)
{
    struct update u = {.values = values};
    if (values->forget && values->watch)
        return cli_wrong(values, "--forget and --watch contradict each other");
    open_lists(&u);
    int code = values->forget ? forget(&u) : check_roots(values);
    if (!code && !values->forget)
        code = cli_index_path(values->index, 1, &u.path);
    if (!code && !values->forget)
        code = open_all(&u);
    if (!code && !values->forget)
        code = update(&u);
    akin_index_close(&u.index);
    cli_models_close(&u.models);
    json_decref(u.failed);
    json_decref(u.warnings);
    akin__free(u.path);
    return code;
}

const struct cli_command cli_index = {
    .name = "index",
    .arguments = "DIR.. [options]",
    .summary = "make an index of folders of pictures, or bring it up to date",
    .detail =
        "The second time only what changed is read. Without -i the index "
        "is the nearest\nphotos.akin in this folder or above it, else "
        "./photos.akin is made. A new index\ngets clip and dinov2 where "
        "they are at hand, else starter, or what --model says;\none that "
        "is there keeps its own models. ctrl-C keeps what is done.\n\n"
        "Precision: f32 gives transformers' vectors. int8 needs a third "
        "of the network's\n"
        "time (half with AVX2 alone) and a quarter of the memory for "
        "weights, bf16 half\n"
        "of both (with AVX512_BF16; else it is slower). Their vectors "
        "are close to those\n"
        "of f32: over 400 photos, cosines of int8 were 0.9995 or more "
        "and 381 of the\n"
        "nearest neighbours the same, of bf16 0.99996 or more and 397. "
        "See akin bench\n"
        "--accuracy for yours. An index keeps its precision, EXIF choice "
        "and decoding for\n"
        "good; searches in it follow them.\n\n"
        "An .akinignore in any folder says, as a .gitignore does, what is "
        "left out there\n"
        "and below; --exclude says it for this run alone. What is left "
        "out leaves the\n"
        "index. A folder that is missing or empty keeps its entries, for "
        "it may be an\n"
        "unplugged disc: --forget lets them go.",
    .example = "  akin index Pictures\n"
               "  akin index Pictures -i nas.akin --model clip\n"
               "  akin index Pictures --exclude '*.png' --exclude /private/\n"
               "  akin index Pictures --watch",
    .least = 1,
    .run = run,
    .options = {{"index", "the index to make or to bring up to date"},
                {"model", "known name, hub id or folder; again for a second"},
                {"pool", "DINOv2's tokens to one vector (mean)"},
                {"exif", "turn upright as EXIF says (on), or leave (off)"},
                {"precision", "what the network computes in (f32)"},
                {"device", "where networks for pictures run (auto)"},
                {"decode", "every pixel (exact) or large JPEG smaller (fast)"},
                {"strict", "refuse pictures that are cut short or damaged"},
                {"limit", "let pictures cost more or less: docs/limits.md"},
                {"exclude", "leave out what matches, as a .gitignore does"},
                {"watch", "stay, and bring it up to date when files change"},
                {"forget", "let go of what the index has of DIR"},
                {"retry", "try again what could not be read before"},
                {"threads", "processors to use (all)"},
                {"json", "one document (--watch: lines): docs/json.md"}},
};
