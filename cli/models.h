/* Models: from what the user named, or from what an index remembers. */
#ifndef AKIN_CLI_MODELS_H
#define AKIN_CLI_MODELS_H

#include <stdbool.h>

#include "akin.h"
#include "opt.h"

struct cli_models {
    akin_model *model[CLI_MODELS]; /* [count]; NULL: not needed */
    const char *name[CLI_MODELS];  /* [count], each its model's */
    size_t count;
    akin_error told; /* what cli_models_tell_device has said last */
};

/* Say why a model that might have run on a card does not, if that is not what
 * was *told; but not that no card ever serves unless --device was said. */
void cli_models_tell_device(const struct cli_values *values,
                            const akin_model *model, akin_error *told);

/* The values of a command that looks at a picture or two: unless --device was
 * said the CPU, which has done that before a card has started. */
struct cli_values cli_models_for_few(const struct cli_values *values);

/* The names of the models below, none of them opened, into names [CLI_MODELS];
 * 0 or an exit code, and then why was said. */
int cli_models_names(const struct cli_values *values, const char **names,
                     size_t *count);

/*
 * Open the models that --model names; without it the article's two where they
 * are at hand, else the one that is. Both functions say what is wrong and give
 * an exit code; cli_models_close serves after either.
 */
int cli_models_open(struct cli_models *models, const struct cli_values *values);

/* The same for texts: the text towers alone. Without --model those that can
 * read; one that is named and cannot is an error. */
int cli_models_open_texts(struct cli_models *models,
                          const struct cli_values *values);

/* The same for pictures and texts: both towers. */
int cli_models_open_both(struct cli_models *models,
                         const struct cli_values *values);

/* What the index calls the model that --model `given` means: a name of its own,
 * or a folder that ends in one; else `given`. */
const char *cli_models_entry(const akin_index_info *info, const char *given);

/*
 * Open models for the index at `path`: those that --model names, or all it
 * has, with what the index remembers of them. With `adding` a model that the
 * index does not have is opened as well.
 */
int cli_models_open_for(struct cli_models *models,
                        const struct cli_values *values, const char *path,
                        const akin_index_info *info, bool adding);

/*
 * The same for queries of `pictures`, of `texts` or of both: only the towers
 * that these need. A model that cannot read is opened for pictures alone, and
 * not at all where there are none; its name then lives as long as *info.
 */
int cli_models_open_queries(struct cli_models *models,
                            const struct cli_values *values, const char *path,
                            const akin_index_info *info, bool pictures,
                            bool texts);

/* Whether model m was opened for texts. */
bool cli_models_read(const struct cli_models *models, size_t m);

/* Open the text towers of those models of the index that can read. */
int cli_models_open_texts_for(struct cli_models *models,
                              const struct cli_values *values, const char *path,
                              const akin_index_info *info);

void cli_models_close(struct cli_models *models);

#endif
