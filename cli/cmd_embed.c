/*
 * akin embed: vectors of pictures as a NumPy array or as lines of JSON.
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
    bool npy;
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

static int add_row(struct embed *e, const struct cli_picture *picture)
{
    const size_t dim = akin_model_dim(e->models.model[0]);
    if (strchr(picture->path, '\n')) {
        cli_say("%s: a name with a newline cannot stand in %s.paths; "
                "--format jsonl can hold it",
                picture->path, e->values->output);
        e->unnamed++;
        return 0;
    }
    for (size_t i = 0; i < dim; i++) {
        uint32_t bits;
        memcpy(&bits, &picture->vector[0][i], sizeof bits);
        akin__store_le32(e->bytes + 4 * i, bits);
    }
    int code = out_add(&e->file, e->bytes, 4 * dim);
    if (!code)
        code = out_add(&e->paths, picture->path, strlen(picture->path));
    if (!code)
        code = out_add(&e->paths, "\n", 1);
    e->rows++;
    return code;
}

static int open_npy(struct embed *e)
{
    char *paths = akin__format("%s.paths", e->values->output);
    e->bytes = akin__alloc(akin_model_dim(e->models.model[0]), 4);
    int code = paths && e->bytes ? out_open(&e->file, e->values->output)
                                 : cli_no_memory();
    if (!code)
        code = out_open(&e->paths, paths);
    if (!code)
        code = write_header(e);
    akin__free(paths);
    return code;
}

/* ----------------------------------------------------------------- jsonl -- */

static int add_lines(struct embed *e, const struct cli_picture *picture)
{
    int code = 0;
    for (size_t m = 0; m < e->models.count && !code; m++) {
        json_t *object = akin__json_vector(picture->path, e->models.name[m],
                                           akin_model_dim(e->models.model[m]),
                                           picture->vector[m]);
        char *line = object ? akin__json_line(object) : NULL;
        json_decref(object);
        if (!line)
            return cli_no_memory();
        if (e->file.open)
            code = out_add(&e->file, line, strlen(line));
        else
            fputs(line, stdout);
        akin__free(line);
    }
    e->rows++;
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

static int add(void *context, const struct cli_picture *picture)
{
    struct embed *e = context;
    for (size_t m = 0; m < e->models.count && e->values->normalize; m++)
        normalize(picture->vector[m], akin_model_dim(e->models.model[m]));
    return e->npy ? add_row(e, picture) : add_lines(e, picture);
}

static int check(struct embed *e)
{
    const struct cli_values *values = e->values;
    const char *format = values->format ? values->format : "jsonl";
    e->npy = strcmp(format, "npy") == 0;
    if (!e->npy && strcmp(format, "jsonl"))
        return cli_wrong(values, "--format %s is neither npy nor jsonl",
                         format);
    if (e->npy && values->json)
        return cli_wrong(values, "--json and --format npy exclude each other");
    if (e->npy && !values->output)
        return cli_wrong(values, "--format npy needs -o FILE");
    return 0;
}

static int open_all(struct embed *e)
{
    int code = cli_models_open(&e->models, e->values);
    if (!code && e->npy && e->models.count > 1)
        code = cli_wrong(e->values,
                         "an array holds the vectors of one model: --model %s "
                         "or --model %s",
                         e->models.name[0], e->models.name[1]);
    if (code)
        return code;
    if (e->npy)
        return open_npy(e);
    return e->values->output ? out_open(&e->file, e->values->output) : 0;
}

static int embed(struct embed *e)
{
    int code = cli_embed_pictures(e->values, &e->models, add, e);
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
    .arguments = "FILE.. [options]",
    .summary = "the vectors of pictures, as NumPy array or lines of JSON",
    .detail = "A file that cannot be read has no row; with npy, FILE.paths "
              "names the rows.",
    .example = "  akin embed *.jpg --model clip --format npy -o clip.npy",
    .least = 1,
    .run = run,
    .options = {{"model", "known name, hub id or folder; jsonl: or several"},
                {"format", "npy (float32 [files, dim]) or jsonl (the usual)"},
                {"output", "the file to write; jsonl: stdout without it"},
                {"normalize", "scale each vector to length one"},
                {"pool", "DINOv2's tokens to one vector (mean)"},
                {"exif", "turn upright as EXIF says (on), or leave (off)"},
                {"precision", "what the network computes in (f32)"},
                {"decode", "every pixel (exact) or large JPEG smaller (fast)"},
                {"strict", "refuse pictures that are cut short or damaged"},
                {"limit", "let pictures cost more or less: docs/limits.md"},
                {"threads", "processors to use (all)"},
                {"json", "the same as --format jsonl: docs/json.md"}},
};
