/*
 * Models: which models an index holds, and the rules for one more. A model is
 * known by its name, and what it was made with never changes, so that vectors
 * made differently never meet in one search.
 *
 * EXIF choice, precision and decoding are one for the whole index: its models
 * share each decoded picture, and their answers stand side by side.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/precision.h"
#include "base/text.h"
#include "index/index.h"

static void free_texts(akin_index_model *is)
{
    akin__free((void *)(uintptr_t)is->name);
    akin__free((void *)(uintptr_t)is->folder);
    akin__free((void *)(uintptr_t)is->revision);
    akin__free((void *)(uintptr_t)is->family);
    akin__free((void *)(uintptr_t)is->pool);
    akin__free((void *)(uintptr_t)is->precision);
    akin__free((void *)(uintptr_t)is->fingerprint);
    memset(is, 0, sizeof *is);
}

void akin__model_free(struct akin__rows *rows)
{
    akin__rows_close(rows);
    free_texts(&rows->is);
}

/* A copy of `from` whose texts are its own. */
static akin_status copy_model(akin_index_model *to,
                              const akin_index_model *from, akin_error *err)
{
    *to = (akin_index_model){
        .name = akin__strdup(from->name),
        .folder = akin__strdup(from->folder),
        .revision = akin__strdup(from->revision),
        .family = akin__strdup(from->family),
        .pool = akin__strdup(from->pool),
        .precision = akin__strdup(from->precision),
        .fingerprint = akin__strdup(from->fingerprint),
        .dim = from->dim,
    };
    if (to->name && to->folder && to->revision && to->family && to->pool &&
        to->precision && to->fingerprint)
        return AKIN_OK;
    free_texts(to);
    return akin__fail(err, AKIN_ENOMEM, "no memory for model %s", from->name);
}

static bool is_fingerprint(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static const char *text_at(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}

/* The bits of the catalog's column `exif`. */
enum { EXIF_IS_OFF = 1, DECODE_IS_FAST = 2 };

static int64_t bits_of(struct akin__making making)
{
    return (making.exif == AKIN_EXIF_OFF ? EXIF_IS_OFF : 0) |
           (making.decode == AKIN_DECODE_FAST ? DECODE_IS_FAST : 0);
}

/* How the model in the statement's row was made; AKIN_EINDEX for a way that
 * this akin does not know. */
static akin_status load_making(const akin_index *index, sqlite3_stmt *s,
                               struct akin__making *making, akin_error *err)
{
    const int64_t bits = sqlite3_column_int64(s, 7);
    const char *precision = text_at(s, 6);
    *making = (struct akin__making){
        .exif = bits & EXIF_IS_OFF ? AKIN_EXIF_OFF : AKIN_EXIF_ON,
        .decode = bits & DECODE_IS_FAST ? AKIN_DECODE_FAST : AKIN_DECODE_EXACT};
    if (akin__precision_find(precision, &making->precision) &&
        !(bits & ~(int64_t)(EXIF_IS_OFF | DECODE_IS_FAST)))
        return AKIN_OK;
    return akin__fail(err, AKIN_EINDEX,
                      "%s: model %s was made in a way that this akin does not "
                      "know (precision %s, settings %lld); use a newer akin",
                      index->path, text_at(s, 1), precision, (long long)bits);
}

akin_status akin__model_read(const akin_index *index, sqlite3_stmt *s,
                             size_t ordinal, struct akin__rows *rows,
                             akin_error *err)
{
    const int64_t count = sqlite3_column_int64(s, 10);
    const akin_index_model is = {
        .name = text_at(s, 1),
        .folder = text_at(s, 2),
        .revision = text_at(s, 3),
        .family = text_at(s, 4),
        .pool = text_at(s, 5),
        .precision = text_at(s, 6),
        .dim = (uint32_t)sqlite3_column_int64(s, 8),
        .fingerprint = text_at(s, 9),
    };
    akin_status status = AKIN_OK;
    /* Before anything is written: there is no room for one more. */
    AKIN_CHECK(ordinal < AKIN__MAX_MODELS, err, AKIN_ECORRUPT,
               "%s/catalog.db: has more than %d models", index->path,
               AKIN__MAX_MODELS);
    memset(rows, 0, sizeof *rows);
    rows->file.fd = rows->codes.fd = -1;
    AKIN_CHECK(sqlite3_column_int64(s, 0) == (int64_t)ordinal && count >= 0 &&
                   count <= UINT32_MAX &&
                   sqlite3_column_int64(s, 8) == is.dim && is.dim >= 1 &&
                   is.dim <= AKIN_MAX_DIM && is_fingerprint(is.fingerprint),
               err, AKIN_ECORRUPT, "%s/catalog.db: model %zu makes no sense",
               index->path, ordinal);
    AKIN_TRY(load_making(index, s, &rows->making, err));
    AKIN_TRY(copy_model(&rows->is, &is, err));
    rows->committed = (uint64_t)count;
out:
    return status;
}

/* The row of the table `models` that the statement is at, opened. */
static akin_status load_model(akin_index *index, struct akin__side *side,
                              sqlite3_stmt *s, akin_error *err)
{
    const size_t ordinal = side->models;
    struct akin__rows *rows = &side->model[ordinal];
    akin_status status = akin__model_read(index, s, ordinal, rows, err);
    if (status)
        return status;
    status = akin__rows_open(rows, index, ordinal, side == &index->write, err);
    if (status)
        akin__model_free(rows);
    else
        side->models++;
    return status;
}

akin_status akin__models_load(akin_index *index, struct akin__side *side,
                              akin_error *err)
{
    sqlite3_stmt *s = NULL;
    bool row;
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__sql(
        &side->catalog, &s, err,
        "SELECT " AKIN__MODEL_COLUMNS "FROM models ORDER BY ordinal", ""));
    for (size_t i = 0;; i++) {
        AKIN_TRY(akin__sql_step(&side->catalog, s, &row, err));
        if (!row)
            break;
        const int64_t count = sqlite3_column_int64(s, 10);
        AKIN_CHECK(i < AKIN__MAX_MODELS &&
                       sqlite3_column_int64(s, 0) == (int64_t)i && count >= 0 &&
                       count <= UINT32_MAX,
                   err, AKIN_ECORRUPT,
                   "%s/catalog.db: model %zu makes no sense", index->path, i);
        if (i == side->models)
            AKIN_TRY(load_model(index, side, s, err));
        side->model[i].committed = (uint64_t)count;
        side->model[i].staged = 0;
        AKIN_TRY(akin__rows_check_size(&side->model[i], err));
        AKIN_TRY(akin__codes_open(&side->model[i], index, i,
                                  side == &index->write, err));
    }
out:
    akin__sql_end(s);
    return status;
}

void akin__models_free(struct akin__side *side)
{
    for (size_t i = 0; i < side->models; i++)
        akin__model_free(&side->model[i]);
    side->models = 0;
}

akin_status akin__models_find(const akin_index *index,
                              const struct akin__side *side, const char *name,
                              size_t *ordinal, akin_error *err)
{
    struct akin__text names = {0};
    for (size_t i = 0; i < side->models; i++) {
        *ordinal = i;
        if (strcmp(side->model[i].is.name, name) == 0) {
            akin__text_free(&names);
            return AKIN_OK;
        }
        akin__text_addf(&names, "%s%s", i ? ", " : "", side->model[i].is.name);
    }
    akin__fail(err, AKIN_ENOTFOUND, "%s: has no model %s; it has %s",
               index->path, name, names.length ? names.bytes : "none");
    akin__text_free(&names);
    return AKIN_ENOTFOUND;
}

/* ------------------------------------------------------ one more ------- */

static const char *exif_word(akin_exif exif)
{
    return exif == AKIN_EXIF_OFF ? "off" : "on";
}

static const char *decode_word(akin_decode decode)
{
    return decode == AKIN_DECODE_FAST ? "fast" : "exact";
}

/* That vectors made so may join those that are there. */
static akin_status check_making(const akin_index *index,
                                const struct akin__making *making,
                                akin_error *err)
{
    const struct akin__making *there = &index->write.model[0].making;
    const struct {
        const char *option, *there, *given;
    } choices[] = {
        {"exif", exif_word(there->exif), exif_word(making->exif)},
        {"precision", akin__precision_name(there->precision),
         akin__precision_name(making->precision)},
        {"decode", decode_word(there->decode), decode_word(making->decode)},
    };
    if (index->write.models == 0)
        return AKIN_OK;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        if (strcmp(choices[i].there, choices[i].given) != 0)
            return akin__fail(err, AKIN_EINDEX,
                              "%s: was made with --%s %s, not %s; leave the "
                              "option out or use another index (-i)",
                              index->path, choices[i].option, choices[i].there,
                              choices[i].given);
    }
    return AKIN_OK;
}

/* Why `is` is not the model that has its name here. */
static akin_status check_same(const akin_index *index,
                              const akin_index_model *there,
                              const akin_index_model *is, akin_error *err)
{
    if (strcmp(there->fingerprint, is->fingerprint) == 0)
        return AKIN_OK;
    if (strcmp(there->pool, is->pool) != 0)
        return akin__fail(err, AKIN_EINDEX,
                          "%s: model %s was added with --pool %s, not %s; use "
                          "--pool %s or another index (-i)",
                          index->path, is->name, there->pool, is->pool,
                          there->pool);
    return akin__fail(err, AKIN_EINDEX,
                      "%s: model %s was added with other weights or "
                      "preprocessing (fingerprint %.12s from %s, not %.12s "
                      "from %s); use those or another index (-i)",
                      index->path, is->name, there->fingerprint, there->folder,
                      is->fingerprint, is->folder);
}

static akin_status add_model(akin_index *index, const akin_index_model *is,
                             struct akin__making making, akin_error *err)
{
    struct akin__side *side = &index->write;
    struct akin__rows *rows = &side->model[side->models];
    akin_status status = AKIN_OK;
    AKIN_CHECK(side->models < AKIN__MAX_MODELS, err, AKIN_ELIMIT,
               "%s: has %d models (limit %d); use another index (-i)",
               index->path, AKIN__MAX_MODELS, AKIN__MAX_MODELS);
    AKIN_CHECK(is->dim >= 1 && is->dim <= AKIN_MAX_DIM &&
                   is_fingerprint(is->fingerprint) && *is->name,
               err, AKIN_EUSAGE, "model %s has dimension %lu (limit %d)",
               is->name, (unsigned long)is->dim, AKIN_MAX_DIM);
    memset(rows, 0, sizeof *rows);
    rows->file.fd = rows->codes.fd = -1;
    rows->making = making;
    AKIN_TRY(copy_model(&rows->is, is, err));
    AKIN_TRY(akin__rows_make(rows, index, side->models, err));
    AKIN_TRY(akin__stage(index, err));
    AKIN_TRY(akin__drop_if(
        index,
        akin__sql_run(&side->catalog, err,
                      "INSERT INTO models VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, "
                      "?, 0)",
                      "itpttttiit", (int64_t)side->models, is->name, is->folder,
                      is->revision, is->family, is->pool, is->precision,
                      bits_of(making), (int64_t)is->dim, is->fingerprint)));
    AKIN_TRY(akin__index_commit(index, err));
    side->models++;
    return AKIN_OK;
out:
    if (side->models < AKIN__MAX_MODELS)
        akin__model_free(rows);
    return status;
}

akin_status akin__index_model_as(akin_index *index, const akin_index_model *as,
                                 struct akin__making making, size_t *ordinal,
                                 akin_error *err)
{
    akin_error none;
    akin_index_model is = *as;
    akin_status status = akin__writable(index, err);
    is.precision = akin__precision_name(making.precision);
    if (!status)
        status = check_making(index, &making, err);
    if (status)
        return status;
    if (!akin__models_find(index, &index->write, is.name, ordinal, &none))
        return check_same(index, &index->write.model[*ordinal].is, &is, err);
    *ordinal = index->write.models;
    return add_model(index, &is, making, err);
}

/* The commit in ".../snapshots/COMMIT", where the hub's cache keeps models. */
static const char *revision_of(const char *folder)
{
    static const char snapshots[] = "/snapshots/";
    const char *at = strstr(folder, snapshots);
    const char *name = at ? at + sizeof snapshots - 1 : "";
    return strchr(name, '/') ? "" : name;
}

akin_status akin__index_model(akin_index *index, const akin_model *model,
                              size_t *ordinal, akin_error *err)
{
    const akin_index_model is = {
        .name = akin_model_name(model),
        .folder = akin_model_folder(model),
        .revision = revision_of(akin_model_folder(model)),
        .family = akin_model_family(model),
        .pool = akin_model_pool(model),
        .fingerprint = akin_model_fingerprint(model),
        .dim = (uint32_t)akin_model_dim(model),
    };
    const struct akin__making making = {
        .exif = akin_model_exif(model),
        .precision = akin_model_precision(model),
        .decode = akin_model_decode(model),
    };
    return akin__index_model_as(index, &is, making, ordinal, err);
}
