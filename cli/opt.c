/*
 * Options (opt.h): getopt_long fed from two tables, and help that is made of
 * the same rows.
 */
#include "opt.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "cli.h"
#include "range.h"

enum kind {
    FLAG,
    TEXT,
    COUNT, /* from 1 on */
    SKIP,  /* the same from 0 on */
    MODEL,
    SAID,
    CHOICE,
    PRECISION,
    LIMIT,
    COSINE,
    EXCLUDE,
    TEMPLATE,
    NUMBERS, /* a range into two uint64_t, one after the other */
    DATES,   /* the same into two int64_t */
    SHARE,
    HELP
};
enum { WORD = 1 }; /* what getopt answers at a word */

/* Every option there is, in the order of getopt's answers (FIRST + row). */
static const struct known {
    const char *name;
    char letter;
    const char *argument; /* what --help calls it; NULL: takes none */
    enum kind kind;
    size_t at; /* in cli_values */
} known[] = {
    {"index", 'i', "X.akin", TEXT, offsetof(struct cli_values, index)},
    {"model", 0, "NAME", MODEL, 0},
    {"text", 0, "TEXT", SAID, 0},
    {"labels", 0, "A,B,..", TEXT, offsetof(struct cli_values, labels)},
    {"labels-file", 0, "FILE", TEXT, offsetof(struct cli_values, labels_file)},
    {"template", 0, "TEXT", TEMPLATE, 0},
    {"pool", 0, "mean|cls|patches", CHOICE, offsetof(struct cli_values, pool)},
    {"exif", 0, "on|off", CHOICE, offsetof(struct cli_values, exif)},
    {"precision", 0, "f32|bf16|int8", PRECISION,
     offsetof(struct cli_values, precision)},
    {"device", 0, "auto|cpu|cuda[:N]", TEXT,
     offsetof(struct cli_values, device)},
    {"decode", 0, "exact|fast", CHOICE, offsetof(struct cli_values, decode)},
    {"threshold", 0, "COSINE", COSINE, offsetof(struct cli_values, threshold)},
    {"action", 0, "list|trash|hardlink", CHOICE,
     offsetof(struct cli_values, action)},
    {"yes", 0, NULL, FLAG, offsetof(struct cli_values, yes)},
    {"top", 'k', "N", COUNT, offsetof(struct cli_values, k)},
    {"offset", 0, "N", SKIP, offsetof(struct cli_values, search.offset)},
    {"path", 0, "GLOB", TEXT, offsetof(struct cli_values, search.path)},
    {"taken", 0, "DATES", DATES,
     offsetof(struct cli_values, search.taken_least)},
    {"size", 0, "RANGE", NUMBERS,
     offsetof(struct cli_values, search.bytes_least)},
    {"pixels", 0, "RANGE", NUMBERS,
     offsetof(struct cli_values, search.pixels_least)},
    {"min-score", 0, "S", SHARE, offsetof(struct cli_values, search.min_score)},
    {"cut", 0, "R", SHARE, offsetof(struct cli_values, search.cut)},
    {"exact", 0, NULL, FLAG, offsetof(struct cli_values, exact)},
    {"html", 0, "PAGE", TEXT, offsetof(struct cli_values, html)},
    {"format", 0, "FORMAT", TEXT, offsetof(struct cli_values, format)},
    {"output", 'o', "FILE", TEXT, offsetof(struct cli_values, output)},
    {"seed", 0, "N", SKIP, offsetof(struct cli_values, seed)},
    {"edits", 0, "KIND,..", TEXT, offsetof(struct cli_values, edits)},
    {"count", 0, "N", COUNT, offsetof(struct cli_values, count)},
    {"distractors", 0, "S", SHARE, offsetof(struct cli_values, distractors)},
    {"to", 0, "URI", TEXT, offsetof(struct cli_values, to)},
    {"table", 0, "NAME", TEXT, offsetof(struct cli_values, table)},
    {"paths", 0, "LIST", TEXT, offsetof(struct cli_values, paths)},
    {"root", 0, "DIR", TEXT, offsetof(struct cli_values, root)},
    {"revision", 0, "REV", TEXT, offsetof(struct cli_values, revision)},
    {"pictures", 0, "FOLDER", TEXT, offsetof(struct cli_values, pictures)},
    {"normalize", 0, NULL, FLAG, offsetof(struct cli_values, normalize)},
    {"errors", 0, NULL, FLAG, offsetof(struct cli_values, errors)},
    {"strict", 0, NULL, FLAG, offsetof(struct cli_values, strict)},
    {"exclude", 0, "GLOB", EXCLUDE, 0},
    {"watch", 0, NULL, FLAG, offsetof(struct cli_values, watch)},
    {"forget", 0, NULL, FLAG, offsetof(struct cli_values, forget)},
    {"retry", 0, NULL, FLAG, offsetof(struct cli_values, retry)},
    {"offline", 0, NULL, FLAG, offsetof(struct cli_values, offline)},
    {"limit", 0, "WHAT=N", LIMIT, 0},
    {"accuracy", 0, NULL, FLAG, offsetof(struct cli_values, accuracy)},
    {"queries", 0, "VECTORS", TEXT, offsetof(struct cli_values, queries)},
    {"references", 0, "VECTORS", TEXT, offsetof(struct cli_values, references)},
    {"train", 0, "VECTORS", TEXT, offsetof(struct cli_values, train)},
    {"whiten", 0, "N", COUNT, offsetof(struct cli_values, whiten)},
    {"score-norm", 0, NULL, FLAG, offsetof(struct cli_values, score_norm)},
    {"layout", 0, "auto|disc|copydays|classes|pairs", CHOICE,
     offsetof(struct cli_values, layout)},
    {"truth", 0, "CSV", TEXT, offsetof(struct cli_values, truth)},
    {"query-list", 0, "LIST", TEXT, offsetof(struct cli_values, query_list)},
    {"reference-list", 0, "LIST", TEXT,
     offsetof(struct cli_values, reference_list)},
    {"reference-count", 0, "N", COUNT,
     offsetof(struct cli_values, reference_count)},
    {"terminal", 0, NULL, FLAG, offsetof(struct cli_values, terminal)},
    {"intervals", 0, NULL, FLAG, offsetof(struct cli_values, intervals)},
    {"threads", 0, "N", COUNT, offsetof(struct cli_values, threads)},
    {"csv", 0, NULL, FLAG, offsetof(struct cli_values, csv)},
    {"json", 0, NULL, FLAG, offsetof(struct cli_values, json)},
    {"help", 'h', NULL, HELP, 0},
};
enum {
    KNOWN = sizeof known / sizeof *known,
    FIRST = 256,         /* above every letter */
    MOST_COUNT = 1000000 /* of -k, --offset and --threads */
};

static const struct known *find_known(const char *name)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    }
    return NULL;
}

/* ---------------------------------------------------------- suggestions -- */

/* Letters to change, add, drop or swap until one word is the other. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    size_t row[3][LONGEST + 1];
    const size_t la = strlen(a), lb = strlen(b);
    if (la > LONGEST || lb > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= lb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = row[i % 3];
        const size_t *above = row[(i - 1) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            now[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < now[j])
                now[j] = above[j] + 1;
            if (now[j - 1] + 1 < now[j])
                now[j] = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
    }
    return row[la % 3][lb];
}

/* How far off `name` is; a word that begins it is near. */
static size_t misses(const char *word, const char *name)
{
    return *word && strncmp(word, name, strlen(word)) == 0
               ? 1
               : distance(word, name);
}

/* Far words are no help: a third of the letters may be wrong. */
static void keep_nearest(const char *word, const char *name,
                         const char **nearest, size_t *fewest)
{
    const size_t count = misses(word, name);
    if (count < *fewest && count <= strlen(name) / 3 + 1) {
        *nearest = name;
        *fewest = count;
    }
}

static int no_command(const char *above, const struct cli_command *const *table,
                      const char *word)
{
    const char *nearest = NULL;
    size_t fewest = SIZE_MAX;
    for (; *table; table++)
        keep_nearest(word, (*table)->name, &nearest, &fewest);
    if (nearest)
        cli_say("there is no command %s%s; did you mean %s%s?", above, word,
                above, nearest);
    else
        cli_say("there is no command %s%s; akin %s--help lists them", above,
                word, above);
    return CLI_WRONG;
}

static int no_option(const struct cli_command *command,
                     const struct cli_values *values, const char *word)
{
    const char *nearest = NULL;
    size_t fewest = SIZE_MAX;
    const size_t length = strcspn(word, "=");
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(length < 60 ? length : 60), word);
    for (const struct cli_option *o = command->options; o->name; o++)
        keep_nearest(name + strspn(name, "-"), o->name, &nearest, &fewest);
    if (nearest)
        return cli_wrong(values, "no option %s; did you mean --%s?", name,
                         nearest);
    return cli_wrong(values, "no option %s", name);
}

/* ----------------------------------------------------------------- help -- */

static void print_option(const struct known *option, const char *help)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", option->name,
             option->argument ? " " : "",
             option->argument ? option->argument : "");
    printf("  %c%c%c %-25s %s\n", option->letter ? '-' : ' ',
           option->letter ? option->letter : ' ', option->letter ? ',' : ' ',
           left, help);
}

static void print_help(const char *above, const struct cli_command *command)
{
    printf("akin %s%s: %s\n\nusage: akin %s%s %s\n", above, command->name,
           command->summary, above, command->name, command->arguments);
    if (command->detail)
        printf("\n%s\n", command->detail);
    printf("\noptions:\n");
    for (const struct cli_option *o = command->options; o->name; o++)
        print_option(find_known(o->name), o->help);
    print_option(find_known("help"), "this text");
    printf("\nexample:\n%s\n", command->example);
}

static void print_group(const char *above,
                        const struct cli_command *const *table)
{
    printf("usage: akin %sCOMMAND\n\ncommands:\n", above);
    for (; *table; table++)
        printf("  %-11s %s\n", (*table)->name, (*table)->summary);
    printf("\nakin %sCOMMAND --help says how to use each.\n", above);
}

/* -------------------------------------------------------------- parsing -- */

int cli_wrong(const struct cli_values *values, const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    cli_say("%s: %s (see akin %s --help)", values->command, line,
            values->command);
    return CLI_WRONG;
}

static int take_count(struct cli_values *values, const struct known *option,
                      const char *text)
{
    const long least = option->kind == SKIP ? 0 : 1;
    char *end;
    errno = 0;
    const long number = strtol(text, &end, 10);
    if (end == text || *end || errno || number < least || number > MOST_COUNT)
        return cli_wrong(values, "--%s %s is no number from %ld to %d",
                         option->name, text, least, MOST_COUNT);
    *(size_t *)(void *)((char *)values + option->at) = (size_t)number;
    return 0;
}

static int take_cosine(struct cli_values *values, const struct known *option,
                       const char *text)
{
    char *end;
    const double number = strtod(text, &end);
    if (end == text || *end || !(number > 0 && number <= 1))
        return cli_wrong(values, "--%s %s is no cosine above 0 and up to 1",
                         option->name, text);
    *(double *)(void *)((char *)values + option->at) = number;
    return 0;
}

static int take_model(struct cli_values *values, const char *text)
{
    if (values->models == CLI_MODELS)
        return cli_wrong(values, "more than %d times --model", CLI_MODELS);
    for (size_t i = 0; i < values->models; i++) {
        if (strcmp(values->model[i], text) == 0)
            return cli_wrong(values, "--model %s is given twice", text);
    }
    values->model[values->models++] = text;
    return 0;
}

static int take_exclude(struct cli_values *values, const char *text)
{
    if (values->excludes == CLI_EXCLUDES)
        return cli_wrong(values,
                         "more than %d times --exclude; an .akinignore in the "
                         "folder takes more",
                         CLI_EXCLUDES);
    values->exclude[values->excludes++] = text;
    return 0;
}

static int take_template(struct cli_values *values, const char *text)
{
    if (values->prompts == CLI_TEMPLATES)
        return cli_wrong(values, "more than %d times --template",
                         CLI_TEMPLATES);
    values->prompt[values->prompts++] = text;
    return 0;
}

static int take_text(struct cli_values *values, const char *text)
{
    const size_t count = values->texts + 1;
    const char **all = akin__realloc(values->text, count, sizeof *values->text);
    if (!all)
        return cli_no_memory();
    values->text = all;
    size_t *after = akin__realloc(values->text_after, count, sizeof *after);
    if (!after)
        return cli_no_memory();
    values->text_after = after;
    values->text_after[values->texts] = values->words;
    values->text[values->texts++] = text;
    return 0;
}

/* The words stand in the option's argument; 1 is the first, 0 none. */
static int take_choice(struct cli_values *values, const struct known *option,
                       const char *text)
{
    const size_t length = strlen(text);
    const char *word = option->argument;
    for (int number = 1; word; number++) {
        const size_t span = strcspn(word, "|");
        if (span == length && memcmp(word, text, length) == 0) {
            *(int *)(void *)((char *)values + option->at) = number;
            return 0;
        }
        word = word[span] ? word + span + 1 : NULL;
    }
    return cli_wrong(values, "--%s %s is none of %s", option->name, text,
                     option->argument);
}

/* The last one counts, but for bench, which takes several. */
static int take_precision(struct cli_values *values, const struct known *option,
                          const char *text)
{
    const int code = take_choice(values, option, text);
    if (!code)
        values->precisions |= 1u << (values->precision - 1);
    return code;
}

/* The members of akin_limits (docs/limits.md) by their names. */
static const struct {
    const char *name;
    size_t at, size;
} limits[] = {
#define LIMIT_ROW(name)                                                        \
    {                                                                          \
#name, offsetof(akin_limits, name),                                    \
            sizeof(((akin_limits *)NULL)->name)                                \
    }
    LIMIT_ROW(file_bytes),   LIMIT_ROW(side),       LIMIT_ROW(pixels),
    LIMIT_ROW(memory_bytes), LIMIT_ROW(jpeg_scans), LIMIT_ROW(jpeg_scan_pixels),
    LIMIT_ROW(warnings),     LIMIT_ROW(seconds),    LIMIT_ROW(process_bytes),
};
enum { LIMITS = sizeof limits / sizeof *limits };

static int set_limit(struct cli_values *values, size_t row, const char *text)
{
    char *at = (char *)&values->limits + limits[row].at, *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    const bool wide = limits[row].size == sizeof(uint64_t);
    if (*text < '0' || *text > '9' || *end || errno || !number ||
        (!wide && number > UINT32_MAX))
        return cli_wrong(values, "--limit %s=%s is no number from 1 to %llu",
                         limits[row].name, text,
                         wide ? ULLONG_MAX : (unsigned long long)UINT32_MAX);
    if (wide)
        *(uint64_t *)(void *)at = number;
    else
        *(uint32_t *)(void *)at = (uint32_t)number;
    return 0;
}

static int take_limit(struct cli_values *values, const char *text)
{
    const size_t length = strcspn(text, "=");
    for (size_t i = 0; text[length] && i < LIMITS; i++) {
        if (strlen(limits[i].name) == length &&
            strncmp(limits[i].name, text, length) == 0)
            return set_limit(values, i, text + length + 1);
    }
    return cli_wrong(values,
                     "--limit %s is none of file_bytes=N, side=N, pixels=N, "
                     "memory_bytes=N, jpeg_scans=N, jpeg_scan_pixels=N, "
                     "warnings=N, seconds=N, process_bytes=N",
                     text);
}

static int take_numbers(struct cli_values *values, const struct known *option,
                        const char *text)
{
    uint64_t *range = (uint64_t *)(void *)((char *)values + option->at);
    if (cli_range_numbers(text, &range[0], &range[1]))
        return 0;
    return cli_wrong(values,
                     "--%s %s is no range such as 100k..2M, 1M.. or ..1M",
                     option->name, text);
}

static int take_dates(struct cli_values *values, const struct known *option,
                      const char *text)
{
    int64_t *range = (int64_t *)(void *)((char *)values + option->at);
    if (cli_range_dates(text, &range[0], &range[1]))
        return 0;
    return cli_wrong(values,
                     "--%s %s is no date or range such as 2019, 2019-05..2020 "
                     "or 2019-05-04..",
                     option->name, text);
}

static int take_share(struct cli_values *values, const struct known *option,
                      const char *text)
{
    if (cli_share(text, (double *)(void *)((char *)values + option->at)))
        return 0;
    return cli_wrong(values, "--%s %s is no share such as 0.9 or 90%%",
                     option->name, text);
}

static int take(struct cli_values *values, const struct known *option,
                const char *text)
{
    char *at = (char *)values + option->at;
    switch (option->kind) {
    case COUNT:
    case SKIP:
        return take_count(values, option, text);
    case COSINE:
        return take_cosine(values, option, text);
    case MODEL:
        return take_model(values, text);
    case SAID:
        return take_text(values, text);
    case CHOICE:
        return take_choice(values, option, text);
    case EXCLUDE:
        return take_exclude(values, text);
    case TEMPLATE:
        return take_template(values, text);
    case LIMIT:
        return take_limit(values, text);
    case PRECISION:
        return take_precision(values, option, text);
    case NUMBERS:
        return take_numbers(values, option, text);
    case DATES:
        return take_dates(values, option, text);
    case SHARE:
        return take_share(values, option, text);
    case TEXT:
        *(const char **)(void *)at = text;
        return 0;
    default:
        *(bool *)at = true;
        return 0;
    }
}

/* What getopt_long is to know: the command's options and --help. */
struct getopt_tables {
    struct option longs[KNOWN + 1];
    char letters[2 * KNOWN + 3];
};

static void add_option(struct getopt_tables *tables, size_t count,
                       const struct known *option)
{
    char letter[3] = {option->letter, option->argument ? ':' : 0, 0};
    tables->longs[count] = (struct option){
        option->name, option->argument ? required_argument : no_argument, NULL,
        FIRST + (int)(option - known)};
    if (option->letter)
        strcat(tables->letters, letter);
}

static void fill_tables(struct getopt_tables *tables,
                        const struct cli_command *command)
{
    size_t count = 0;
    memset(tables, 0, sizeof *tables);
    /* Words are told in their order among the options, and a missing argument
     * is told apart. */
    memcpy(tables->letters, "-:", 2);
    for (const struct cli_option *o = command->options; o->name; o++)
        add_option(tables, count++, find_known(o->name));
    add_option(tables, count, find_known("help"));
}

static const struct known *answered(int answer)
{
    if (answer >= FIRST)
        return &known[answer - FIRST];
    for (size_t i = 0; i < KNOWN; i++) {
        if (known[i].letter == answer)
            return &known[i];
    }
    return NULL;
}

/* Options into *values; *helped when --help was among them. */
static int parse(const struct cli_command *command, int argc, char **argv,
                 struct cli_values *values, bool *helped)
{
    struct getopt_tables tables;
    int answer, code = 0;
    fill_tables(&tables, command);
    values->word = akin__calloc((size_t)argc, sizeof *values->word);
    if (!values->word)
        return cli_no_memory();
    opterr = 0;
    while (!code && (answer = getopt_long(argc, argv, tables.letters,
                                          tables.longs, NULL)) != -1) {
        const struct known *option = answered(answer == ':' ? optopt : answer);
        if (answer == WORD)
            values->word[values->words++] = optarg;
        else if (answer == ':')
            code = cli_wrong(values, "--%s needs %s", option->name,
                             option->argument);
        else if (answer == '?' && optopt >= FIRST)
            code = cli_wrong(values, "--%s takes no value",
                             answered(optopt)->name);
        else if (answer == '?' && optopt)
            code = cli_wrong(values, "no option -%c", optopt);
        else if (answer == '?')
            code = no_option(command, values, argv[optind - 1]);
        else if (option->kind == HELP)
            *helped = true;
        else
            code = take(values, option, optarg);
    }
    for (int i = optind; i < argc; i++) /* behind -- */
        values->word[values->words++] = argv[i];
    return code;
}

int cli_spare_picture(const struct cli_values *values, const char *written)
{
    struct stat st;
    if (!written || !akin__image_suffix(written) ||
        akin__stat(written, &st, NULL) || !S_ISREG(st.st_mode))
        return 0;
    return cli_wrong(values, "%s is a picture and would be lost", written);
}

static int run(const char *above, const struct cli_command *command, int argc,
               char **argv, struct cli_values *values)
{
    bool helped = false;
    const int code = parse(command, argc, argv, values, &helped);
    if (code)
        return code;
    if (helped) {
        print_help(above, command);
        return CLI_DONE;
    }
    if (values->words < command->least)
        return cli_wrong(values, "needs %s", command->arguments);
    const bool any = command->least && !command->most;
    if (!any && values->words > command->most)
        return cli_wrong(values, "one word too many: %s",
                         values->word[command->most]);
    return command->run(values);
}

int cli_dispatch(const char *above, const struct cli_command *const *table,
                 int argc, char **argv)
{
    const struct cli_command *command;
    struct cli_values values = {.limits.size = sizeof(akin_limits),
                                .distractors = -1};
    char name[64];
    if (argc < 1 || !strcmp(argv[0], "--help") || !strcmp(argv[0], "-h")) {
        print_group(above, table);
        return argc < 1 ? CLI_WRONG : CLI_DONE;
    }
    for (size_t i = 0; (command = table[i]); i++) {
        if (strcmp(command->name, argv[0]) == 0)
            break;
    }
    if (!command)
        return no_command(above, table, argv[0]);
    snprintf(name, sizeof name, "%s%s", above, command->name);
    values.command = name;
    if (command->group) {
        snprintf(name, sizeof name, "%s%s ", above, command->name);
        return cli_dispatch(name, command->group, argc - 1, argv + 1);
    }
    const int code = run(above, command, argc, argv, &values);
    akin__free(values.text);
    akin__free(values.text_after);
    akin__free(values.word);
    return code;
}
