/*
 * akin bench: how fast models are at each precision, and how true.
 *
 * Precisions take turns, so that they see the same minutes of the machine, and
 * a model is open for its turn only: what memory a precision needs is then
 * what the process had at most, and no two are in memory at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin_bench.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/precision.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "models.h"
#include "pictures.h"
#include "terminal.h"
#include "view/json.h"
#include "view/table.h"

enum {
    PRECISIONS = AKIN_PRECISION_INT8 + 1,
    ROUNDS = 3,
    SAMPLE = 32 /* pictures of the folder, spread over it */
};

struct bench {
    const struct cli_values *values;
    const char *model[CLI_MODELS]; /* [models] */
    size_t models;
    bool wanted[PRECISIONS];
    struct akin__names files;   /* the pictures of FOLDER, then the good ones */
    size_t failed;              /* of them */
    char *called;               /* the model at work, as the model says */
    char device[16], card[256]; /* where it is, and that card's name or "" */
    char seen[256];             /* the last card's name */
    akin_error told;            /* why it is not on a card */
    struct cli_meter meter;
    struct akin__table table; /* without --json */
};

/* -------------------------------------------------------------- pictures -- */

static int add_file(void *context, const char *path)
{
    akin_error err;
    return akin__names_add(context, path, &err);
}

static int list_files(struct bench *b, const char *folder)
{
    akin_error err;
    const akin_status status =
        akin_list_pictures(folder, add_file, &b->files, &err);
    if (status == AKIN_ECANCELLED)
        return cli_no_memory();
    if (status)
        return cli_fail(ABOUT_INPUT, &err), CLI_NO_INPUT;
    if (b->files.count)
        return 0;
    cli_say("%s: no picture is in there", folder);
    return CLI_NO_INPUT;
}

/* Whether a file can be used; says why not. */
static bool is_good(struct bench *b, const char *path)
{
    akin_error err;
    akin_image image;
    if (!akin_image_read(&image, path, NULL, NULL, &err)) {
        akin_image_free(&image);
        return true;
    }
    cli_meter_clear(&b->meter);
    cli_say("%s", err.message);
    b->failed++;
    return false;
}

/* Keep some that can be read, of all parts of the folder. */
static int take_sample(struct bench *b)
{
    struct akin__names all = b->files;
    const size_t step = (all.count + SAMPLE - 1) / SAMPLE;
    akin_error err;
    int code = 0;
    memset(&b->files, 0, sizeof b->files);
    for (size_t i = 0; i < all.count && !code; i += step)
        if (is_good(b, all.name[i]) &&
            akin__names_add(&b->files, all.name[i], &err))
            code = cli_no_memory();
    akin__names_free(&all);
    return code ? code : b->files.count ? 0 : CLI_NO_INPUT;
}

/* ---------------------------------------------------------------- output -- */

static int open_model(struct bench *b, const char *name, int precision,
                      akin_model **model)
{
    const akin_model_options options = {
        .size = sizeof options,
        .threads = (int)b->values->threads,
        .precision = (akin_precision)precision,
        .device = b->values->device ? b->values->device : "auto"};
    akin_error err;
    if (akin_model_open(model, name, &options, &err))
        return cli_fail(ABOUT_MODEL, &err);
    cli_meter_clear(&b->meter);
    cli_models_tell_device(b->values, *model, &b->told);
    snprintf(b->device, sizeof b->device, "%s", akin_model_device(*model));
    snprintf(b->card, sizeof b->card, "%s",
             akin_model_device_name(*model) ? akin_model_device_name(*model)
                                            : "");
    if (*b->card)
        memcpy(b->seen, b->card, sizeof b->seen);
    akin__free(b->called);
    b->called = akin__strdup(akin_model_name(*model));
    return b->called ? 0 : cli_no_memory();
}

static int print_table(struct bench *b)
{
    const struct akin__look look = cli_look(stdout);
    struct akin__text text = {0};
    int code = 0;
    if (b->table.columns) {
        akin__table_render(&b->table, &look, &text);
        code = b->table.failed || text.failed ? cli_no_memory() : 0;
        if (!code)
            fputs(text.bytes, stdout);
    }
    akin__text_free(&text);
    return code;
}

static void add_columns(struct bench *b, const char *const *heading)
{
    for (size_t i = 0; heading[i]; i++)
        akin__table_column(&b->table, heading[i],
                           i < 2 ? AKIN__LEFT : AKIN__RIGHT);
}

/* "-" for 0: not known. */
static void add_number(struct bench *b, const char *format, double number)
{
    char text[32];
    snprintf(text, sizeof text, format, number);
    akin__table_cell(&b->table, number > 0 ? text : "-");
}

/* ----------------------------------------------------------------- speed -- */

/* What the rounds gave at one precision. */
struct rounds {
    akin_bench of[ROUNDS];
    size_t count;
    uint64_t memory_bytes;
    char device[16], card[256];
};

static int by_size(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Of the member of akin_bench that lies `at` so many bytes. */
static struct akin__rate rate_of(const struct rounds *rounds, size_t at)
{
    double sorted[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++)
        memcpy(&sorted[i], (const char *)&rounds->of[i] + at, sizeof(double));
    qsort(sorted, ROUNDS, sizeof *sorted, by_size);
    return (struct akin__rate){sorted[ROUNDS - 1], sorted[ROUNDS / 2]};
}

static int take_turn(struct bench *b, const char *name, int precision,
                     struct rounds *rounds)
{
    const akin_bench_options options = {.size = sizeof options,
                                        .threads = (int)b->values->threads,
                                        .file =
                                            (const char *const *)b->files.name,
                                        .files = b->files.count};
    akin_model *model = NULL;
    akin_error err;
    const bool forgot = !akin__peak_forget();
    int code = open_model(b, name, precision, &model);
    if (!code &&
        akin_bench_run(model, &options, &rounds->of[rounds->count++], &err))
        code = cli_fail(ABOUT_INPUT, &err);
    const uint64_t peak = forgot ? akin__peak_memory() : 0;
    if (peak > rounds->memory_bytes)
        rounds->memory_bytes = peak;
    memcpy(rounds->device, b->device, sizeof b->device);
    memcpy(rounds->card, b->card, sizeof b->card);
    akin_model_close(&model);
    return code;
}

static int print_speed(struct bench *b, int precision, const char *cpu,
                       const struct rounds *rounds)
{
    char size[32];
    const struct akin__speed s = {
        .model = b->called,
        .precision = akin__precision_name((akin_precision)precision),
        .cpu = cpu,
        .device = rounds->device,
        .card = rounds->card,
        .kernels = rounds->of[0].kernels,
        .threads = rounds->of[0].threads,
        .read = rate_of(rounds, offsetof(akin_bench, read)),
        .decode = rate_of(rounds, offsetof(akin_bench, decode)),
        .resize = rate_of(rounds, offsetof(akin_bench, resize)),
        .network = rate_of(rounds, offsetof(akin_bench, network)),
        .pipeline = rate_of(rounds, offsetof(akin_bench, pipeline)),
        .gemm_share = rate_of(rounds, offsetof(akin_bench, gemm_share)).best,
        .memory_bytes = rounds->memory_bytes};
    if (b->values->json)
        return cli_print_json(akin__json_speed(&s));
    akin__table_cell(&b->table, s.model);
    akin__table_cell(&b->table, s.precision);
    akin__table_cell(&b->table, s.device);
    akin__table_cell(&b->table, s.kernels);
    add_number(b, "%.1f", s.read.best);
    add_number(b, "%.1f", s.decode.best);
    add_number(b, "%.1f", s.resize.best);
    add_number(b, "%.1f", s.network.best);
    add_number(b, "%.1f", s.pipeline.best);
    add_number(b, "%.0f %%", 100 * s.gemm_share);
    akin__table_cell(&b->table,
                     s.memory_bytes ? akin__size(size, s.memory_bytes) : "-");
    return 0;
}

static int measure_model(struct bench *b, const char *name, const char *cpu)
{
    struct rounds rounds[PRECISIONS] = {0};
    uint64_t turns = 0, done = 0;
    int code = 0;
    for (int p = 0; p < PRECISIONS; p++)
        turns += b->wanted[p] ? ROUNDS : 0;
    memset(&b->meter, 0, sizeof b->meter);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (int p = 0; p < PRECISIONS && !code; p++) {
            if (!b->wanted[p])
                continue;
            code = take_turn(b, name, p, &rounds[p]);
            cli_meter_show(&b->meter, "turns", ++done, turns);
        }
    }
    cli_meter_clear(&b->meter);
    for (int p = 0; p < PRECISIONS && !code; p++)
        if (b->wanted[p])
            code = print_speed(b, p, cpu, &rounds[p]);
    return code;
}

static int measure(struct bench *b)
{
    static const char *const heading[] = {
        "model",  "precision", "device",   "kernels",  "read",   "decode",
        "resize", "network",   "pipeline", "products", "memory", NULL};
    char cpu[256];
    int code = b->files.count ? take_sample(b) : 0;
    akin__processor_name(cpu, sizeof cpu);
    add_columns(b, heading);
    for (size_t i = 0; i < b->models && !code; i++)
        code = measure_model(b, b->model[i], cpu);
    if (code || b->values->json)
        return code;
    printf("%s%s%s: images a second, best of %d rounds\n", *cpu ? cpu : "bench",
           *b->seen ? ", " : "", b->seen, ROUNDS);
    return print_table(b);
}

/* -------------------------------------------------------------- accuracy -- */

/* The vectors of one model at one precision. */
struct vectors {
    float *row; /* [count of room][dim] */
    size_t count, room, dim;
    struct akin__names paths; /* [count] */
    double network;           /* images a second */
};

static void free_vectors(struct vectors *vectors)
{
    akin__free(vectors->row);
    akin__names_free(&vectors->paths);
    memset(vectors, 0, sizeof *vectors);
}

static int keep(void *context, const struct cli_picture *picture)
{
    struct vectors *v = context;
    akin_error err;
    if (v->count == v->room || akin__names_add(&v->paths, picture->path, &err))
        return cli_no_memory();
    memcpy(v->row + v->count++ * v->dim, picture->vector[0],
           v->dim * sizeof *v->row);
    return 0;
}

/* Embed `files` with a model at one precision. The code of
 * cli_embed_pictures, CLI_PARTLY among them. */
static int embed(struct bench *b, const char *name, int precision,
                 const struct akin__names *files, struct vectors *v)
{
    const akin_bench_options options = {.size = sizeof options,
                                        .threads = (int)b->values->threads};
    struct cli_values values = *b->values;
    struct cli_models models = {.count = 1};
    akin_bench bench;
    akin_error err;
    size_t numbers;
    int code = open_model(b, name, precision, &models.model[0]);
    if (code) {
        cli_models_close(&models);
        return code;
    }
    models.name[0] = b->called;
    values.word = (const char **)files->name;
    values.words = v->room = files->count;
    v->dim = akin_model_dim(models.model[0]);
    v->row = akin__mul_ok(v->room, v->dim, &numbers)
                 ? akin__alloc(numbers, sizeof *v->row)
                 : NULL;
    code = v->row ? cli_embed_pictures(&values, &models, keep, v)
                  : cli_no_memory();
    if (code <= CLI_PARTLY) {
        if (akin_bench_run(models.model[0], &options, &bench, &err))
            code = cli_fail(ABOUT_MODEL, &err);
        v->network = bench.network;
    }
    cli_models_close(&models);
    return code;
}

static int print_truth(struct bench *b, const struct akin__truth *truth)
{
    const akin_closeness *c = &truth->closeness;
    if (b->values->json)
        return cli_print_json(akin__json_truth(truth));
    akin__table_cell(&b->table, truth->model);
    akin__table_cell(&b->table, truth->precision);
    akin__table_cellf(&b->table, "%zu", c->images);
    akin__table_cellf(&b->table, "%.5f", c->cosine_min);
    akin__table_cellf(&b->table, "%.5f", c->cosine_p01);
    akin__table_cellf(&b->table, "%.5f", c->cosine_mean);
    add_number(b, "%.1f %%", 100 * (double)c->same_nearest / (double)c->images);
    add_number(b, "%.2f", truth->speed);
    return 0;
}

/* A precision against float32, on the files that float32 could read. */
static int judge(struct bench *b, const char *name, int precision,
                 const struct vectors *reference)
{
    struct vectors v = {0};
    struct akin__truth truth = {
        .precision = akin__precision_name((akin_precision)precision)};
    akin_error err;
    int code = embed(b, name, precision, &reference->paths, &v);
    if (!code &&
        akin_closeness_of(v.row, reference->row, v.count, v.dim,
                          (int)b->values->threads, &truth.closeness, &err))
        code = cli_fail(ABOUT_MODEL, &err);
    if (!code) {
        truth.model = b->called;
        truth.speed = v.network / reference->network;
        code = print_truth(b, &truth);
    }
    free_vectors(&v);
    return code;
}

static int judge_model(struct bench *b, const char *name)
{
    struct vectors reference = {0};
    int code = embed(b, name, AKIN_PRECISION_F32, &b->files, &reference);
    if (code == CLI_PARTLY) {
        b->failed = b->files.count - reference.count;
        code = 0;
    }
    for (int p = AKIN_PRECISION_F32 + 1; p < PRECISIONS && !code; p++)
        if (b->wanted[p])
            code = judge(b, name, p, &reference);
    if (!code) {
        akin__names_free(&b->files); /* those that failed were named */
        b->files = reference.paths;
        memset(&reference.paths, 0, sizeof reference.paths);
    }
    free_vectors(&reference);
    return code;
}

static int judge_all(struct bench *b)
{
    static const char *const heading[] = {"model",      "precision", "pictures",
                                          "cosine min", "1 %",       "mean",
                                          "neighbour",  "speed",     NULL};
    int code = 0;
    add_columns(b, heading);
    for (size_t i = 0; i < b->models && !code; i++)
        code = judge_model(b, b->model[i]);
    return code || b->values->json ? code : print_table(b);
}

/* --------------------------------------------------------------- command -- */

/* Whether a card must serve, which has no 8 bits. */
static bool only_card(const struct cli_values *values)
{
    return values->device && strncmp(values->device, "cuda", 4) == 0;
}

static int check(struct bench *b)
{
    const struct cli_values *values = b->values;
    for (int p = 0; p < PRECISIONS; p++)
        b->wanted[p] = values->precisions
                           ? values->precisions >> p & 1
                           : p != AKIN_PRECISION_INT8 || !only_card(values);
    if (values->accuracy && !values->words)
        return cli_wrong(values, "--accuracy needs a FOLDER of pictures");
    if (values->accuracy && values->precisions == 1u << AKIN_PRECISION_F32)
        return cli_wrong(values, "--accuracy compares with f32: --precision "
                                 "bf16 or --precision int8");
    return 0;
}

static int run(const struct cli_values *values)
{
    struct bench b = {.values = values};
    int code = check(&b);
    if (!code && values->words)
        code = list_files(&b, values->word[0]);
    if (!code)
        code = cli_models_names(values, b.model, &b.models);
    if (!code)
        code = values->accuracy ? judge_all(&b) : measure(&b);
    if (!code && b.failed)
        code = CLI_PARTLY;
    akin__table_free(&b.table);
    akin__names_free(&b.files);
    akin__free(b.called);
    return code;
}

const struct cli_command cli_bench = {
    .name = "bench",
    .arguments = "[FOLDER] [options]",
    .summary = "how fast models are on this machine, and how true",
    .detail =
        "Images a second of each step with all processors: read, decode, "
        "resize, network,\nand pipeline, all of them in a row; without FOLDER "
        "the network alone. products:\nhow much of the processor's measured "
        "peak the matrix products reach. With\n--accuracy: how close the "
        "vectors of each precision come to those of f32, how\nmany pictures "
        "keep their nearest neighbour in FOLDER, and the network's speed\nas "
        "a multiple of f32's.",
    .example = "  akin bench Pictures --model clip\n"
               "  akin bench --accuracy Pictures --precision int8",
    .most = 1,
    .run = run,
    .options = {{"model", "known name, hub id or folder; again for a second"},
                {"precision", "only this one; again for a second"},
                {"device", "where the network runs (auto)"},
                {"accuracy", "compare the vectors with those of f32"},
                {"threads", "processors to use (all)"},
                {"json", "a line for each precision: docs/json.md"}},
};
