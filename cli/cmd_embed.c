/*
 * akin embed: vectors of pictures or texts as a NumPy array or as lines of
 * JSON, and the tokens of texts.
 *
 * A file is written beside the one it replaces and takes its place when it is
 * whole; a file that could not be read has no row.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/draft.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "models.h"
#include "pictures.h"
#include "texts.h"
#include "view/json.h"

/* A file in the making, written from its front to its end. */
struct out {
    struct akin__draft draft;
    uint64_t length;
    bool open;
};

struct embed {
    const struct cli_values *values;
    struct cli_models models;
    bool npy, tokens;
    struct out file, paths; /* file closed: standard output */
    uint8_t *bytes;         /* [dim][4], a row of the array */
    uint64_t rows;
    uint64_t unnamed; /* pictures whose path no line can hold */
};

static int out_open(struct out *out, const char *path)
{
    akin_error err;
    if (akin__draft_open(&out->draft, path, &err) != AKIN_OK)
        return cli_fail(ABOUT_OUTPUT, &err);
    out->open = true;
    return 0;
}

static int out_add(struct out *out, const void *bytes, size_t count)
{
    akin_error err;
    if (akin__file_write(&out->draft.file, bytes, count, out->length, &err) !=
        AKIN_OK)
        return cli_fail(ABOUT_OUTPUT, &err);
    out->length += count;
    return 0;
}

/* Put the file in its place, or forget it when `code` says so. */
static int out_close(struct out *out, int code)
{
    akin_error err;
    if (!out->open)
        return code;
    out->open = false;
    if (code > CLI_PARTLY)
        akin__draft_drop(&out->draft);
    else if (akin__draft_commit(&out->draft, &err) != AKIN_OK)
        return cli_fail(ABOUT_OUTPUT, &err);
    return code;
}

/* ------------------------------------------------------------------- npy -- */

/* NumPy's format 1.0 of `rows` rows; always as long, so that the count can be
 * put in at the end. */
static int write_header(struct embed *e)
{
    enum { HEADER = 128, FRONT = 10 };
    char header[HEADER];
    const size_t dim = akin_model_dim(e->models.model[0]);
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(HEADER - FRONT);
    header[9] = 0;
    const int used = snprintf(
        header + FRONT, HEADER - FRONT,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %zu), }",
        (unsigned long long)e->rows, dim);
    header[FRONT + used] = ' '; /* snprintf's zero */
    header[HEADER - 1] = '\n';
    akin_error err;
    if (akin__file_write(&e->file.draft.file, header, sizeof header, 0, &err) !=
        AKIN_OK)
        return cli_fail(ABOUT_OUTPUT, &err);
    if (!e->file.length)
        e->file.length = sizeof header;
    return 0;
}

static int add_row(struct embed *e, const float *vector)
{
    const size_t dim = akin_model_dim(e->models.model[0]);
    for (size_t i = 0; i < dim; i++) {
        uint32_t bits;
        memcpy(&bits, &vector[i], sizeof bits);
        akin__store_le32(e->bytes + 4 * i, bits);
    }
    e->rows++;
    return out_add(&e->file, e->bytes, 4 * dim);
}

static int add_named_row(struct embed *e, const struct cli_picture *picture)
{
    if (strchr(picture->path, '\n')) {
        cli_say("%s: a name with a newline cannot stand in %s.paths; "
                "--format jsonl can hold it",
                picture->path, e->values->output);
        e->unnamed++;
        return 0;
    }
    int code = add_row(e, picture->vector[0]);
    if (!code)
        code = out_add(&e->paths, picture->path, strlen(picture->path));
    if (!code)
        code = out_add(&e->paths, "\n", 1);
    return code;
}

/* Texts have no file of names: none of them fails, and they keep their order.
 */
static int open_npy(struct embed *e)
{
    char *paths = akin__format("%s.paths", e->values->output);
    e->bytes = akin__alloc(akin_model_dim(e->models.model[0]), 4);
    int code = paths && e->bytes ? out_open(&e->file, e->values->output)
                                 : cli_no_memory();
    if (!code && !e->values->texts)
        code = out_open(&e->paths, paths);
    if (!code)
        code = write_header(e);
    akin__free(paths);
    return code;
}

/* ----------------------------------------------------------------- jsonl -- */

/* Takes `object`, NULL when memory is short. */
static int add_line(struct embed *e, json_t *object)
{
    char *line = object ? akin__json_line(object) : NULL;
    int code = 0;
    json_decref(object);
    if (!line)
        return cli_no_memory();
    if (e->file.open)
        code = out_add(&e->file, line, strlen(line));
    else
        fputs(line, stdout);
    akin__free(line);
    return code;
}

typedef json_t *line_fn(const char *name, const char *model, const char *device,
                        size_t dim, const float *vector);

/* A line for each model. */
static int add_lines(struct embed *e, line_fn *make, const char *name,
                     float *const *vector)
{
    int code = 0;
    for (size_t m = 0; m < e->models.count && !code; m++)
        code = add_line(e, make(name, e->models.name[m],
                                akin_model_device(e->models.model[m]),
                                akin_model_dim(e->models.model[m]), vector[m]));
    e->rows++;
    return code;
}

static int add_tokens(struct embed *e)
{
    int code = 0;
    for (size_t i = 0; i < e->values->texts && !code; i++) {
        const char *text = e->values->text[i];
        int32_t ids[AKIN_MAX_TOKENS];
        size_t count;
        akin_error err;
        if (akin_tokenize(e->models.model[0], text, ids, &count, &err))
            return cli_fail(ABOUT_MODEL, &err);
        code = add_line(e, akin__json_tokens(text, ids, count));
    }
    return code;
}

/* --------------------------------------------------------------- command -- */

/* Scale to length one; a vector of zeros stays as it is. */
static void normalize(float *vector, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double)vector[i] * (double)vector[i];
    const double norm = sqrt(sum);
    for (size_t i = 0; i < dim && norm > 0; i++)
        vector[i] = (float)((double)vector[i] / norm);
}

static void normalize_all(const struct embed *e, float *const *vector)
{
    for (size_t m = 0; m < e->models.count && e->values->normalize; m++)
        normalize(vector[m], akin_model_dim(e->models.model[m]));
}

static int add_picture(void *context, const struct cli_picture *picture)
{
    struct embed *e = context;
    normalize_all(e, picture->vector);
    return e->npy ? add_named_row(e, picture)
                  : add_lines(e, akin__json_vector, picture->path,
                              picture->vector);
}

static int add_text(void *context, const char *text, float *const *vector)
{
    struct embed *e = context;
    normalize_all(e, vector);
    return e->npy ? add_row(e, vector[0])
                  : add_lines(e, akin__json_text, text, vector);
}

static int check(struct embed *e)
{
    const struct cli_values *values = e->values;
    const char *format = values->format ? values->format : "jsonl";
    e->npy = strcmp(format, "npy") == 0;
    e->tokens = strcmp(format, "tokens") == 0;
    if (!e->npy && !e->tokens && strcmp(format, "jsonl"))
        return cli_wrong(values, "--format %s is none of npy, jsonl, tokens",
                         format);
    if (!values->words == !values->texts)
        return cli_wrong(values, values->words ? "files or --text, not both"
                                               : "needs FILE.. or --text TEXT");
    if (e->tokens && !values->texts)
        return cli_wrong(values, "--format tokens needs --text TEXT");
    if (e->npy && values->json)
        return cli_wrong(values, "--json and --format npy exclude each other");
    if (e->npy && !values->output)
        return cli_wrong(values, "--format npy needs -o FILE");
    return cli_spare_picture(values, values->output);
}

static int open_all(struct embed *e)
{
    int code = e->values->texts ? cli_models_open_texts(&e->models, e->values)
                                : cli_models_open(&e->models, e->values);
    if (!code && (e->npy || e->tokens) && e->models.count > 1)
        code = cli_wrong(e->values, "%s of one model: --model %s or --model %s",
                         e->npy ? "an array holds the vectors"
                                : "these are the tokens",
                         e->models.name[0], e->models.name[1]);
    if (code)
        return code;
    if (e->npy)
        return open_npy(e);
    return e->values->output ? out_open(&e->file, e->values->output) : 0;
}

static int embed(struct embed *e)
{
    int code = e->tokens ? add_tokens(e)
               : e->values->texts
                   ? cli_embed_texts(e->values, &e->models, add_text, e)
                   : cli_embed_pictures(e->values, &e->models, add_picture, e);
    if (e->unnamed && code <= CLI_PARTLY)
        code = e->rows ? CLI_PARTLY : CLI_NO_INPUT;
    if (e->npy && code <= CLI_PARTLY) {
        const int written = write_header(e);
        code = written ? written : code;
    }
    return code;
}

static int run(const struct cli_values *values)
{
    struct embed e = {.values = values};
    int code = check(&e);
    if (!code)
        code = open_all(&e);
    if (!code)
        code = embed(&e);
    code = out_close(&e.paths, code);
    code = out_close(&e.file, code);
    akin__free(e.bytes);
    cli_models_close(&e.models);
    return code;
}

const struct cli_command cli_embed = {
    .name = "embed",
    .arguments = "FILE..|--text TEXT.. [options]",
    .summary = "the vectors of pictures or texts, as NumPy array or JSON",
    .detail = "A file that cannot be read has no row; with npy, FILE.paths "
              "names the rows.\nA text's vector compares with those that the "
              "same CLIP gives pictures.",
    .example = "  akin embed *.jpg --model clip --format npy -o clip.npy\n"
               "  akin embed --text \"a red apple\" --model clip "
               "--format tokens",
    .most = SIZE_MAX,
    .run = run,
    .options = {{"model", "known name, hub id or folder; jsonl: or several"},
                {"text", "a text instead of files: once or several times"},
                {"format", "npy (float32 [rows, dim]), jsonl, or tokens"},
                {"output", "the file to write; jsonl: stdout without it"},
                {"normalize", "scale each vector to length one"},
                {"pool", "DINOv2's tokens to one vector (mean)"},
                {"exif", "turn upright as EXIF says (on), or leave (off)"},
                {"precision", "what the network computes in (f32)"},
                {"device", "where networks for pictures run (auto)"},
                {"decode", "every pixel (exact) or large JPEG smaller (fast)"},
                {"strict", "refuse pictures that are cut short or damaged"},
                {"limit", "let pictures cost more or less: docs/limits.md"},
                {"threads", "processors to use (all)"},
                {"json", "the same as --format jsonl: docs/json.md"}},
};
