/*
 * Models (models.h). Inside an index a model has the name it was added by, and
 * the index says with which settings: options may repeat them, not change
 * them.
 */
#include "models.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "base/text.h"
#include "cli.h"

void cli_models_tell_device(const struct cli_values *values,
                            const akin_model *model, akin_error *told)
{
    const akin_error *note = akin_model_device_note(model);
    if (!note || (!values->device && note->code == AKIN_ENOTFOUND) ||
        (told->code && !strcmp(told->message, note->message)))
        return;
    cli_say("no card for %s, the CPU goes on: %s", akin_model_name(model),
            note->message);
    *told = *note;
}

struct cli_values cli_models_for_few(const struct cli_values *values)
{
    struct cli_values few = *values;
    if (!few.device)
        few.device = "cpu";
    return few;
}

/* Keep a model that was opened; two of one name cannot be told apart. */
static int keep(struct cli_models *models, const struct cli_values *values,
                akin_model *model)
{
    const char *name = akin_model_name(model);
    for (size_t i = 0; i < models->count; i++) {
        if (strcmp(models->name[i], name))
            continue;
        const int code =
            cli_wrong(values,
                      "%s and %s are both called %s; give one folder "
                      "another name",
                      akin_model_folder(models->model[i]),
                      akin_model_folder(model), name);
        akin_model_close(&model);
        return code;
    }
    models->name[models->count] = name;
    models->model[models->count++] = model;
    cli_models_tell_device(values, model, &models->told);
    return 0;
}

static akin_model_options options_of(const struct cli_values *values)
{
    akin_model_options options = {.size = sizeof options,
                                  .pool = (akin_pool)values->pool,
                                  .threads = (int)values->threads,
                                  .device =
                                      values->device ? values->device : "auto"};
    if (values->exif)
        options.exif = (akin_exif)(values->exif - 1);
    if (values->precision)
        options.precision = (akin_precision)(values->precision - 1);
    if (values->decode)
        options.decode = (akin_decode)(values->decode - 1);
    return options;
}

/* The same where the index says how its vectors are made. */
static akin_model_options options_for(const struct cli_values *values,
                                      const akin_index_info *info)
{
    akin_model_options options = options_of(values);
    if (info->models) {
        options.exif = info->exif;
        options.precision = info->precision;
        options.decode = info->decode;
    }
    return options;
}

static int open_one(struct cli_models *models, const struct cli_values *values,
                    const char *name, const akin_model_options *options)
{
    akin_model *model;
    akin_error err;
    if (akin_model_open(&model, name, options, &err) != AKIN_OK)
        return cli_fail(ABOUT_MODEL, &err);
    return keep(models, values, model);
}

/* --------------------------------------------------------- without index -- */

/* What to use when nothing is said, into names [2]. */
static int pick(const char **names, size_t *count)
{
    static const char *const article[] = {"clip", "dinov2"};
    char folder[PATH_MAX];
    akin_error err;
    *count = 0;
    for (size_t i = 0; i < 2; i++) {
        const akin_status status =
            akin_model_find(article[i], NULL, folder, sizeof folder, &err);
        if (status == AKIN_OK)
            names[(*count)++] = article[i];
        else if (status != AKIN_ENOTFOUND)
            cli_say("%s", err.message); /* there, but of no use: say why */
    }
    if (*count)
        return 0;
    if (akin_model_find("starter", NULL, folder, sizeof folder, &err) ==
        AKIN_OK) {
        names[(*count)++] = "starter";
        return 0;
    }
    cli_say("no model is at hand: `akin model pull clip dinov2` fetches two "
            "(951 MB), --model FOLDER takes one from a folder");
    return CLI_SYSTEM;
}

int cli_models_names(const struct cli_values *values, const char **names,
                     size_t *count)
{
    if (!values->models)
        return pick(names, count);
    memcpy(names, values->model, sizeof values->model);
    *count = values->models;
    return 0;
}

int cli_models_open(struct cli_models *models, const struct cli_values *values)
{
    const akin_model_options options = options_of(values);
    const char *names[CLI_MODELS];
    size_t count = 0;
    memset(models, 0, sizeof *models);
    int code = cli_models_names(values, names, &count);
    for (size_t i = 0; i < count && !code; i++)
        code = open_one(models, values, names[i], &options);
    return code;
}

/* The towers of those that can read. */
static int open_readers(struct cli_models *models,
                        const struct cli_values *values, akin_tower tower)
{
    akin_model_options options = options_of(values);
    const char *names[CLI_MODELS];
    size_t count = 0;
    akin_error err; /* of the last that cannot read */
    memset(models, 0, sizeof *models);
    options.tower = tower;
    int code = cli_models_names(values, names, &count);
    for (size_t i = 0; i < count && !code; i++) {
        akin_model *model;
        const akin_status status =
            akin_model_open(&model, names[i], &options, &err);
        if (!status)
            code = keep(models, values, model);
        else if (status != AKIN_EUSAGE || values->models)
            return cli_fail(ABOUT_MODEL, &err);
    }
    return code || models->count ? code : cli_fail(ABOUT_MODEL, &err);
}

int cli_models_open_texts(struct cli_models *models,
                          const struct cli_values *values)
{
    return open_readers(models, values, AKIN_TOWER_TEXT);
}

int cli_models_open_both(struct cli_models *models,
                         const struct cli_values *values)
{
    return open_readers(models, values, AKIN_TOWER_BOTH);
}

/* -------------------------------------------------------- with an index -- */

static akin_pool pool_of(const char *name)
{
    return !strcmp(name, "cls")       ? AKIN_POOL_CLS
           : !strcmp(name, "patches") ? AKIN_POOL_PATCHES
                                      : AKIN_POOL_MEAN;
}

/* What holds for all of an index may be repeated, not changed. */
static int check_making(const struct cli_values *values, const char *path,
                        const akin_index_info *info)
{
    static const char *const exif[] = {"on", "off"};
    static const char *const decode[] = {"exact", "fast"};
    static const char *const precision[] = {"f32", "bf16", "int8"};
    const struct {
        const char *option, *const *words;
        int given, made;
    } choices[] = {
        {"exif", exif, values->exif - 1, (int)info->exif},
        {"precision", precision, values->precision - 1, (int)info->precision},
        {"decode", decode, values->decode - 1, (int)info->decode},
    };
    for (size_t i = 0; info->models && i < sizeof choices / sizeof *choices;
         i++) {
        const char *option = choices[i].option;
        if (choices[i].given >= 0 && choices[i].given != choices[i].made)
            return cli_wrong(
                values,
                "%s was made with --%s %s, which holds for all of it; another "
                "index (-i) can be made with --%s %s",
                path, option, choices[i].words[choices[i].made], option,
                choices[i].words[choices[i].given]);
    }
    return 0;
}

static int check_pool(const struct cli_values *values, const char *path,
                      const akin_index_model *entry)
{
    if (!values->pool || values->pool == (int)pool_of(entry->pool))
        return 0;
    return cli_wrong(values,
                     "%s was made with --pool %s for %s, which holds for all "
                     "of it; another index (-i) can be made with another",
                     path, entry->pool, entry->name);
}

/* Where the weights are now: as the user says, where they lay, or by name. */
static int find_weights(const char *path, const akin_index_model *entry,
                        const char *given, akin_model_options *options,
                        const char **where)
{
    *where = given && strcmp(given, entry->name) ? given : entry->folder;
    if (*where == given || akin__is_folder(entry->folder))
        return 0;
    if (*entry->revision) {
        *where = entry->name;
        options->revision = strchr(entry->name, '@') ? NULL : entry->revision;
        return 0;
    }
    cli_say("%s: the weights of %s lay in %s, which is not there; "
            "--model FOLDER/%s says where they are now",
            path, entry->name, entry->folder, entry->name);
    return CLI_SYSTEM;
}

/* Whether the file changed after `then`. By its change time, which nobody can
 * set back; one that cannot be looked at may have. */
static bool is_newer(const char *path, const struct timespec *then)
{
    struct stat st;
    if (!path || akin__stat(path, &st, NULL))
        return true;
    return st.st_ctim.tv_sec != then->tv_sec
               ? st.st_ctim.tv_sec > then->tv_sec
               : st.st_ctim.tv_nsec > then->tv_nsec;
}

/*
 * Whether the weights may be others than those that the newest row of model
 * `ordinal` was made with. The text tower alone has no fingerprint, which
 * covers the vision tower, so only times can tell without reading that.
 */
static bool may_differ(const akin_model *model, const char *index,
                       size_t ordinal)
{
    const char *folder = akin_model_folder(model);
    char *rows = akin__format("%s/rows-%zu.f32", index, ordinal);
    struct akin__names names = {0};
    struct stat made;
    bool may = !rows || akin__stat(rows, &made, NULL) ||
               akin__list_folder(folder, &names, NULL);
    for (size_t i = 0; i < names.count && !may; i++) {
        if (!akin__ends_with(names.name[i], ".safetensors"))
            continue;
        char *path = akin__join(folder, names.name[i]);
        may = is_newer(path, &made.st_mtim);
        akin__free(path);
    }
    akin__names_free(&names);
    akin__free(rows);
    return may;
}

/* Whether the model is the one that the vectors are of. The text tower alone
 * has no fingerprint: may_differ looked after it. */
static bool same_model(const akin_model *model, const akin_index_model *entry)
{
    return akin_model_tower(model) == AKIN_TOWER_TEXT
               ? akin_model_dim(model) == entry->dim
               : !strcmp(akin_model_fingerprint(model), entry->fingerprint);
}

/* Open what the index knows as `entry`; `given` is what --model said. */
static int open_entry(struct cli_models *models,
                      const struct cli_values *values, const char *path,
                      const akin_index_info *info,
                      const akin_index_model *entry, const char *given,
                      akin_tower tower)
{
    akin_model_options options = options_for(values, info);
    const char *where;
    options.pool = pool_of(entry->pool);
    options.name = entry->name;
    options.tower = tower;
    int code = check_pool(values, path, entry);
    if (!code)
        code = find_weights(path, entry, given, &options, &where);
    if (!code)
        code = open_one(models, values, where, &options);
    if (!code && tower == AKIN_TOWER_TEXT &&
        may_differ(models->model[models->count - 1], path,
                   (size_t)(entry - info->model))) {
        akin_model_close(&models->model[--models->count]);
        options.tower = AKIN_TOWER_BOTH;
        code = open_one(models, values, where, &options);
    }
    if (code)
        return code;
    const akin_model *model = models->model[models->count - 1];
    if (same_model(model, entry))
        return 0;
    cli_say("%s: the %s in %s is not the one that this index was made with, "
            "and their vectors do not compare; name the right folder with "
            "--model, or make another index with -i",
            path, entry->name, akin_model_folder(model));
    return CLI_INDEX;
}

/* Whether the last part of the path is `name`; slashes at its end do not
 * count. */
static bool ends_in(const char *path, const char *name)
{
    size_t end = strlen(path);
    const size_t length = strlen(name);
    while (end && path[end - 1] == '/')
        end--;
    return end > length && path[end - length - 1] == '/' &&
           memcmp(path + end - length, name, length) == 0;
}

/* A name in the index, or a folder whose own name is one. */
static const akin_index_model *find_entry(const akin_index_info *info,
                                          const char *name)
{
    for (size_t i = 0; i < info->models; i++) {
        if (strcmp(info->model[i].name, name) == 0)
            return &info->model[i];
    }
    for (size_t i = 0; i < info->models; i++) {
        if (ends_in(name, info->model[i].name))
            return &info->model[i];
    }
    return NULL;
}

const char *cli_models_entry(const akin_index_info *info, const char *given)
{
    const akin_index_model *entry = find_entry(info, given);
    return entry ? entry->name : given;
}

static int no_entry(const char *path, const akin_index_info *info,
                    const char *name)
{
    char names[1024] = "none";
    size_t used = 0;
    for (size_t i = 0; i < info->models && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
                                 i ? ", " : "", info->model[i].name);
    cli_say("%s has no vectors of the model %s (it has: %s); `akin index DIR "
            "--model %s` adds them",
            path, name, names, name);
    return CLI_INDEX;
}

static int open_named(struct cli_models *models,
                      const struct cli_values *values, const char *path,
                      const akin_index_info *info, bool adding,
                      const char *name)
{
    const akin_index_model *entry = find_entry(info, name);
    const akin_model_options options = options_for(values, info);
    if (entry)
        return open_entry(models, values, path, info, entry, name,
                          AKIN_TOWER_IMAGE);
    return adding ? open_one(models, values, name, &options)
                  : no_entry(path, info, name);
}

int cli_models_open_for(struct cli_models *models,
                        const struct cli_values *values, const char *path,
                        const akin_index_info *info, bool adding)
{
    int code = check_making(values, path, info);
    if (!code && adding && !info->models)
        return cli_models_open(models, values);
    memset(models, 0, sizeof *models);
    for (size_t i = 0; i < values->models && !code; i++)
        code = open_named(models, values, path, info, adding, values->model[i]);
    for (size_t i = 0; i < info->models && !values->models && !code; i++)
        code = open_entry(models, values, path, info, &info->model[i], NULL,
                          AKIN_TOWER_IMAGE);
    return code;
}

/* What a model of the index is opened for; it is one that is needed. */
static int open_for_query(struct cli_models *models,
                          const struct cli_values *values, const char *path,
                          const akin_index_info *info,
                          const akin_index_model *entry, const char *given,
                          bool pictures, bool texts)
{
    const bool reads = texts && !strcmp(entry->family, "clip");
    if (reads || pictures)
        return open_entry(models, values, path, info, entry, given,
                          !reads     ? AKIN_TOWER_IMAGE
                          : pictures ? AKIN_TOWER_BOTH
                                     : AKIN_TOWER_TEXT);
    models->name[models->count] = entry->name;
    models->model[models->count++] = NULL;
    return 0;
}

int cli_models_open_queries(struct cli_models *models,
                            const struct cli_values *values, const char *path,
                            const akin_index_info *info, bool pictures,
                            bool texts)
{
    int code = check_making(values, path, info);
    memset(models, 0, sizeof *models);
    for (size_t i = 0; i < values->models && !code; i++) {
        const char *name = values->model[i];
        const akin_index_model *entry = find_entry(info, name);
        code = entry ? open_for_query(models, values, path, info, entry, name,
                                      pictures, texts)
                     : no_entry(path, info, name);
    }
    for (size_t i = 0; i < info->models && !values->models && !code; i++)
        code = open_for_query(models, values, path, info, &info->model[i], NULL,
                              pictures, texts);
    return code;
}

bool cli_models_read(const struct cli_models *models, size_t m)
{
    return models->model[m] &&
           akin_model_tower(models->model[m]) != AKIN_TOWER_IMAGE;
}

int cli_models_open_texts_for(struct cli_models *models,
                              const struct cli_values *values, const char *path,
                              const akin_index_info *info)
{
    size_t readers = 0;
    int code = cli_models_open_queries(models, values, path, info, false, true);
    for (size_t m = 0; m < models->count; m++) {
        if (!models->model[m] && values->models && !code)
            code = cli_wrong(values, "the %s of %s cannot read; a clip can",
                             models->name[m], path);
        if (!models->model[m])
            continue;
        models->name[readers] = models->name[m];
        models->model[readers++] = models->model[m];
    }
    models->count = readers;
    if (code || readers)
        return code;
    cli_say("%s has no vectors of a model that can read; `akin index DIR -i %s "
            "--model clip` adds some",
            path, path);
    return CLI_INDEX;
}

void cli_models_close(struct cli_models *models)
{
    for (size_t i = 0; i < models->count; i++)
        akin_model_close(&models->model[i]);
    models->count = 0;
}
