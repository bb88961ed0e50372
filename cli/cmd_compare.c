/*
 * akin compare: every pair of some pictures, each decoded once and embedded
 * once by each model.
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "models.h"
#include "pictures.h"
#include "terminal.h"
#include "view/json.h"
#include "view/table.h"

/* The vectors of all pictures that could be read. */
struct gathered {
    const struct cli_models *models;
    const char **path;         /* [count] */
    float *vector[CLI_MODELS]; /* [count][dim] */
    size_t count;
};

static size_t dim_of(const struct gathered *all, size_t model)
{
    return akin_model_dim(all->models->model[model]);
}

static int gather(void *context, const struct cli_picture *picture)
{
    struct gathered *all = context;
    for (size_t m = 0; m < all->models->count; m++) {
        const size_t dim = dim_of(all, m);
        memcpy(all->vector[m] + all->count * dim, picture->vector[m],
               dim * sizeof(float));
    }
    all->path[all->count++] = picture->path;
    return 0;
}

static int make_room(struct gathered *all, size_t files)
{
    all->path = akin__alloc(files, sizeof *all->path);
    bool whole = all->path;
    for (size_t m = 0; m < all->models->count; m++) {
        size_t numbers;
        if (akin__mul_ok(files, dim_of(all, m), &numbers))
            all->vector[m] = akin__alloc(numbers, sizeof(float));
        whole = whole && all->vector[m];
    }
    return whole ? 0 : cli_no_memory();
}

static void free_room(struct gathered *all)
{
    for (size_t m = 0; m < CLI_MODELS; m++)
        akin__free(all->vector[m]);
    akin__free(all->path);
}

/* Calls `visit` for every pair, the first picture's with the others first. */
static int each_pair(const struct gathered *all,
                     int (*visit)(void *context, const struct akin__pair *pair),
                     void *context)
{
    double cosine[CLI_MODELS];
    struct akin__pair pair = {.models = all->models->count,
                              .model = all->models->name,
                              .cosine = cosine};
    int code = 0;
    for (size_t i = 0; i < all->count && !code; i++) {
        for (size_t j = i + 1; j < all->count && !code; j++) {
            for (size_t m = 0; m < pair.models; m++) {
                const size_t dim = dim_of(all, m);
                cosine[m] = akin_cosine(all->vector[m] + i * dim,
                                        all->vector[m] + j * dim, dim);
            }
            pair.a = all->path[i];
            pair.b = all->path[j];
            code = visit(context, &pair);
        }
    }
    return code;
}

/* Pair by pair: a thousand pictures have half a million. */
static int print_json_pair(void *context, const struct akin__pair *pair)
{
    bool *first = context;
    json_t *object = akin__json_pair(pair);
    char *line = object ? akin__json_line(object) : NULL;
    json_decref(object);
    if (!line)
        return cli_no_memory();
    printf("%s%.*s", *first ? "" : ",", (int)strlen(line) - 1, line);
    akin__free(line);
    *first = false;
    return 0;
}

static int print_json(const struct gathered *all)
{
    bool first = true;
    printf("{\"pairs\":[");
    const int code = each_pair(all, print_json_pair, &first);
    printf("]}\n");
    return code;
}

static int add_row(void *context, const struct akin__pair *pair)
{
    struct akin__table *table = context;
    akin__table_cell(table, pair->a);
    akin__table_cell(table, pair->b);
    for (size_t m = 0; m < pair->models; m++)
        akin__table_cellf(table, "%.1f %%", 100 * akin_score(pair->cosine[m]));
    return table->failed ? cli_no_memory() : 0;
}

static int print_table(const struct gathered *all)
{
    const struct akin__look look = cli_look(stdout);
    struct akin__table table = {0};
    struct akin__text text = {0};
    akin__table_column(&table, "", AKIN__PATH);
    akin__table_column(&table, "", AKIN__PATH);
    for (size_t m = 0; m < all->models->count; m++)
        akin__table_column(&table, all->models->name[m], AKIN__RIGHT);
    int code = each_pair(all, add_row, &table);
    if (!code) {
        akin__table_render(&table, &look, &text);
        code = text.failed ? cli_no_memory() : 0;
    }
    if (!code)
        fputs(text.bytes, stdout);
    akin__text_free(&text);
    akin__table_free(&table);
    return code;
}

static int run(const struct cli_values *values)
{
    const struct cli_values few = cli_models_for_few(values);
    struct cli_models models;
    struct gathered all = {.models = &models};
    int code = cli_models_open(&models, &few);
    if (!code)
        code = make_room(&all, values->words);
    if (!code)
        code = cli_embed_pictures(&few, &models, gather, &all);
    if (code == CLI_PARTLY && all.count < 2)
        code = CLI_NO_INPUT; /* one picture alone cannot be compared */
    if (code == CLI_DONE || code == CLI_PARTLY) {
        const int printed = values->json ? print_json(&all) : print_table(&all);
        code = printed ? printed : code;
    }
    free_room(&all);
    cli_models_close(&models);
    return code;
}

const struct cli_command cli_compare = {
    .name = "compare",
    .arguments = "A B [C ..] [options]",
    .summary = "how alike two or more pictures are",
    .detail = "Prints the score of every pair, each model's in a column of "
              "its own: 100 % for\nthe same picture, (cosine + 1) / 2.",
    .example = "  akin compare cat.jpg dog.jpg",
    .least = 2,
    .run = run,
    .options = {{"model", "known name, hub id or folder; again for a second"},
                {"pool", "DINOv2's tokens to one vector (mean)"},
                {"exif", "turn upright as EXIF says (on), or leave (off)"},
                {"precision", "what the network computes in (f32)"},
                {"device", "where networks for pictures run (cpu)"},
                {"decode", "every pixel (exact) or large JPEG smaller (fast)"},
                {"strict", "refuse pictures that are cut short or damaged"},
                {"limit", "let pictures cost more or less: docs/limits.md"},
                {"json", "one document: docs/json.md"}},
};
