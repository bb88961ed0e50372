/*
 * Options: one table of all, and for each command the ones it takes.
 *
 * An option means the same in every command, so its value has one place
 * (cli_values) and a command only lists names, with the words for its --help.
 */
#ifndef AKIN_CLI_OPT_H
#define AKIN_CLI_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "akin.h"

enum {
    CLI_MODELS = 16,    /* --model at most so often, as an index holds */
    CLI_EXCLUDES = 64,  /* --exclude; an .akinignore takes more */
    CLI_TEMPLATES = 128 /* --template; CLIP's paper has 80 */
};

struct cli_values {
    const char *command;           /* "search", "model pull" */
    const char *model[CLI_MODELS]; /* [models] */
    size_t models;
    const char *exclude[CLI_EXCLUDES]; /* [excludes] */
    size_t excludes;
    const char *labels, *labels_file;
    const char *prompt[CLI_TEMPLATES]; /* [prompts], each a --template */
    size_t prompts;
    const char *device; /* NULL: not given */
    const char *index, *html, *output, *format, *revision, *pictures;
    const char *to, *table, *paths, *root;
    const char *queries, *references, *train; /* files of vectors */
    const char **text;                        /* [texts], each a --text */
    size_t *text_after; /* [texts]: words that stand before it */
    size_t texts;
    size_t k;           /* 0: not given */
    size_t threads;     /* 0: not given */
    size_t whiten;      /* 0: not given */
    size_t seed, count; /* 0: not given */
    const char *edits;
    double distractors; /* below 0: not given */
    int layout; /* 0: not given; else one more than an akin_eval_layout */
    const char *truth, *query_list, *reference_list; /* of a set */
    size_t reference_count;                          /* 0: not given */
    /* 0: not given; else an akin_pool, and one more than an akin_exif, an
     * akin_precision and an akin_decode */
    int pool, exif, precision, decode;
    double threshold; /* 0: not given */
    int action;       /* 0: not given; else 1 list, 2 trash, 3 hardlink */
    akin_search_options search; /* but for its size and formats */
    akin_limits limits;         /* what a picture may cost; zero: not given */
    unsigned precisions;        /* bit p: --precision said akin_precision p */
    bool exact, json, csv, strict, retry, normalize, errors, offline, accuracy,
        yes, watch, forget, score_norm, intervals, terminal;
    const char **word; /* [words]: what is no option */
    size_t words;
};

/* An option that a command takes: its long name and the words for --help. */
struct cli_option {
    const char *name, *help;
};

struct cli_command {
    const char *name;
    const char *arguments; /* "QUERY.. [options]" */
    const char *summary;   /* one line */
    const char *detail;    /* more for --help, or NULL */
    const char *example;   /* lines */
    size_t least, most;    /* words it takes; `least` alone: or any more */
    int (*run)(const struct cli_values *values);
    struct cli_option options[24];          /* ended by one without name */
    const struct cli_command *const *group; /* commands below it, or NULL */
};

/*
 * Run the command of `table` (ended by NULL) that argv[0] names, with the rest
 * of argv [argc] as its options and words. `above` is what stands before the
 * command's name, "" or "model ".
 */
int cli_dispatch(const char *above, const struct cli_command *const *table,
                 int argc, char **argv);

/* Wrong use when `written` (NULL: nothing is) is a picture that is there: a
 * word was missing before it. An exit code. */
int cli_spare_picture(const struct cli_values *values, const char *written);

/* Say what is wrong with the command line and how to learn more; CLI_WRONG. */
int cli_wrong(const struct cli_values *values, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
