/*
 * Index: what the files of this room share about an open index.
 *
 * Two connections, because what is staged must stay unseen: the public
 * functions of akin.h read what is committed through `read`, under `lock`; the
 * functions of store.h work through `write`, by one thread at a time.
 */
#ifndef AKIN_INDEX_INDEX_H
#define AKIN_INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "base/thread.h"
#include "index/catalog.h"
#include "index/store.h"

/* Longest name, folder or other text of a model that is read back. */
enum { AKIN__MODEL_TEXT = 4096 };

/* What holds for every vector of an index. */
struct akin__making {
    akin_exif exif;
    akin_precision precision;
    akin_decode decode;
};

/* Where vectors are made. */
enum { AKIN__BY_CPU = 1, AKIN__BY_CARD = 2 };

/* A model of the index and its row file. */
struct akin__rows {
    akin_index_model is; /* its texts are allocated; images is not kept here */
    struct akin__making making;
    uint64_t committed; /* rows that exist */
    uint64_t staged;    /* rows behind them that the next commit makes exist */
    struct akin__file file;
    struct akin__file codes; /* the same rows as bytes; closed: there are none,
                                or not for all that is committed */
    unsigned maker;          /* where this writer makes rows; 0: not said */
    unsigned devices; /* where all were made, as far as this writer has put it
                         down; 0: not looked at yet */
};

/* A row that a file of the collection has. */
struct akin__live {
    int64_t file;
    uint32_t row, crc;
};

/* The live rows of one model, sorted by row, as of one `generation`. */
struct akin__live_rows {
    struct akin__live *at; /* [count] */
    size_t count;
    int64_t generation;         /* 0: none yet */
    bool checked;               /* every checksum has held */
    akin_search_options filter; /* whose files these are; its texts are ours */
};

/* Rows of one model in a card's memory, for searches that ask for it. */
struct akin__card_rows {
    const struct akin__cuda_plugin *plugin;
    struct akin__cuda_rows *rows; /* NULL: none are there */
    uint64_t count, room;
    uint32_t *crc;      /* [room] of each row */
    int64_t generation; /* whose rows these are */
    char device[32];    /* what was asked for */
};

/* A connection and the models as it sees them. */
struct akin__side {
    struct akin__catalog catalog;
    struct akin__rows model[AKIN__MAX_MODELS];
    size_t models;
    int64_t generation; /* of `model`; 0: not loaded */
};

/* Strings that live as long as the index: what matches point to. */
struct akin__strings {
    char **slot; /* [capacity], a power of two, at most half full */
    size_t count, capacity;
};

struct akin_index {
    char *path;   /* as given, without slashes at its end */
    char *real;   /* absolute */
    char *base;   /* the absolute folder that holds it; "" for the root */
    char *prefix; /* from the caller to base: "", "../" or "/a/b/" */
    bool writable;
    bool staged;            /* a transaction is open on write */
    struct akin__file held; /* the lock file, locked */
    struct akin__side write;
    /* What this writer replaced: the last of replaced_count, replaced_room of
     * them at most. */
    struct akin__replaced *replaced;
    size_t replaced_count, replaced_room;

    struct akin__lock lock; /* over all that follows */
    struct akin__side read;
    struct akin__live_rows live[AKIN__MAX_MODELS];   /* of every file */
    struct akin__live_rows chosen[AKIN__MAX_MODELS]; /* of the last filter */
    struct akin__card_rows card[AKIN__MAX_MODELS];
    struct akin__strings strings;
    akin_index_model *shown; /* what the last describe gave out */
    const char **shown_roots;
};

/* ----------------------------------------------------------- opening -- */

/* An index whose place is known and, to write, locked, and no more: its catalog
 * is not opened yet. Closed by akin_index_close. */
akin_status akin__index_begin(akin_index **index, const char *path,
                              akin_index_mode mode, akin_error *err);
/* Open the catalog on one side. */
akin_status akin__side_open(akin_index *index, struct akin__side *side,
                            enum akin__catalog_mode mode, akin_error *err);

/* ------------------------------------------------------------- paths -- */

/* Split `path` as given into path, real, base and prefix. The folder is there.
 */
akin_status akin__index_place(akin_index *index, const char *path,
                              akin_error *err);
/* `path` (absolute) as it is stored: relative where it lies below base. Points
 * into `path`. */
const char *akin__stored_path(const akin_index *index, const char *path);
/* A stored path, absolute or as the caller sees it; allocated, NULL when
 * memory is short. */
char *akin__absolute_path(const akin_index *index, const char *stored);
char *akin__shown_path(const akin_index *index, const char *stored);
/* A shown path that lives as long as the index. */
akin_status akin__lasting_path(akin_index *index, const char *stored,
                               const char **path, akin_error *err);
void akin__strings_free(struct akin__strings *strings);

/* -------------------------------------------------------------- rows -- */

/* Bytes of a row. */
static inline size_t akin__row_bytes(const struct akin__rows *rows)
{
    return rows->is.dim * sizeof(float);
}

/* What a row file or what is made of it begins with. */
enum { AKIN__HEADER_BYTES = 64 };
void akin__rows_header(uint8_t header[AKIN__HEADER_BYTES],
                       const struct akin__rows *rows, const char name[8],
                       uint32_t version, uint32_t type);
static inline uint64_t akin__row_offset(const struct akin__rows *rows,
                                        uint64_t row)
{
    return AKIN__HEADER_BYTES + row * akin__row_bytes(rows);
}

/* Open and check the row file of model `ordinal`, or make it. */
akin_status akin__rows_open(struct akin__rows *rows, const akin_index *index,
                            size_t ordinal, bool write, akin_error *err);
akin_status akin__rows_make(struct akin__rows *rows, const akin_index *index,
                            size_t ordinal, akin_error *err);
void akin__rows_close(struct akin__rows *rows);
/* Open the row file unchecked; how many whole rows it has into *there; write
 * the head that it should have. For a file that may be damaged. */
akin_status akin__rows_reach(struct akin__rows *rows, const akin_index *index,
                             size_t ordinal, bool write, akin_error *err);
akin_status akin__rows_count(const struct akin__rows *rows, uint64_t *there,
                             akin_error *err);
akin_status akin__rows_mend(const struct akin__rows *rows, akin_error *err);
/* That the file is long enough for what is committed. */
akin_status akin__rows_check_size(const struct akin__rows *rows,
                                  akin_error *err);
/* `count` rows from `first` into `floats` [count][dim]. */
akin_status akin__rows_read(const struct akin__rows *rows, uint64_t first,
                            size_t count, float *floats, akin_error *err);
/* AKIN_ECORRUPT unless the checksum of `row`'s floats [dim] is `crc`. */
akin_status akin__rows_check(const struct akin__rows *rows, uint64_t row,
                             uint32_t crc, const float *floats,
                             akin_error *err);
/* A row that the catalog names, which may be none: read and checked. */
akin_status akin__row_vector(const akin_index *index,
                             const struct akin__rows *rows, int64_t row,
                             uint32_t crc, float *vector, akin_error *err);
/* AKIN_EMODEL unless all numbers of `vector` [dim] are finite. */
akin_status akin__rows_finite(const struct akin__rows *rows,
                              const float *vector, akin_error *err);
/* The checksum that the row of `vector` [dim] would have. */
uint32_t akin__rows_crc(const struct akin__rows *rows, const float *vector);
/* Write `vector` [dim], normalised, behind what is there. */
akin_status akin__rows_append(struct akin__rows *rows, const float *vector,
                              uint64_t *row, uint32_t *crc, akin_error *err);

/* ------------------------------------------------------------- codes -- */

/* What follows a row's codes in its record. */
struct akin__code_tail {
    float scale;
    uint32_t crc; /* the row's */
    uint32_t check;
};
/* Bytes of a record. */
static inline size_t akin__code_bytes(const struct akin__rows *rows)
{
    return (rows->is.dim + 3) / 4 * 4 + sizeof(struct akin__code_tail);
}
/* The tail of a record of `bytes`. */
static inline struct akin__code_tail akin__code_tail(const uint8_t *record,
                                                     size_t bytes)
{
    struct akin__code_tail tail;
    memcpy(&tail, record + bytes - sizeof tail, sizeof tail);
    return tail;
}
/* The check of a row's record whose other bytes, each times its weight, add up
 * to `sum`. Zeros are not right. */
static inline uint32_t akin__code_check(uint32_t sum, uint64_t row)
{
    return sum + 0x414b494eu + 0x9e3779b1u * (uint32_t)row;
}
/* Those weights [akin__byte_span of a record less its check]. */
void akin__code_weights(const struct akin__rows *rows, int16_t *weights);
/* AKIN_ECORRUPT: what the record of `row` says is not so. */
akin_status akin__code_damaged(const struct akin__rows *rows, uint64_t row,
                               akin_error *err);

static inline uint64_t akin__code_offset(const struct akin__rows *rows,
                                         uint64_t row)
{
    return AKIN__HEADER_BYTES + row * akin__code_bytes(rows);
}
/* Open the codes of model `ordinal` if they are there for all committed rows;
 * else leave them closed, which is no failure. */
akin_status akin__codes_open(struct akin__rows *rows, const akin_index *index,
                             size_t ordinal, bool write, akin_error *err);
akin_status akin__codes_make(struct akin__rows *rows, const akin_index *index,
                             size_t ordinal, akin_error *err);
void akin__codes_close(struct akin__rows *rows);
/* `count` records from `first`. */
akin_status akin__codes_read(const struct akin__rows *rows, uint64_t first,
                             size_t count, uint8_t *records, akin_error *err);
/* Write the record of a row that was just written. */
akin_status akin__codes_append(struct akin__rows *rows, uint64_t row,
                               const float *unit, uint32_t crc,
                               akin_error *err);
/* AKIN_ECORRUPT unless the record of `row`, if there are codes, is whole, and
 * the one that belongs to the row's floats `unit` (NULL: not known). */
akin_status akin__codes_hold(const struct akin__rows *rows, uint64_t row,
                             const float *unit, akin_error *err);
akin_status akin__codes_remove(const akin_index *index, size_t ordinal,
                               akin_error *err);
/* Make what the writer's models lack. */
akin_status akin__codes_restore(akin_index *index, akin_error *err);

/* ----------------------------------------------------------- devices -- */

/* Where the rows of a model were made; AKIN_ECORRUPT: nobody can tell. */
akin_status akin__devices_read(const akin_index *index,
                               const struct akin__rows *rows, size_t ordinal,
                               unsigned *devices, akin_error *err);
/* Rows of the writer's maker are about to be committed. */
akin_status akin__devices_note(akin_index *index, size_t ordinal,
                               akin_error *err);
/* What nobody can tell becomes all of them. */
akin_status akin__devices_mend(const akin_index *index, size_t ordinal,
                               akin_error *err);

/* ----------------------------------------------------------- staging -- */

/* AKIN_EUSAGE unless the index was opened for writing. */
akin_status akin__writable(const akin_index *index, akin_error *err);
/* Open the transaction that changes are staged in, if none is. */
akin_status akin__stage(akin_index *index, akin_error *err);
/* Give `status` back; if it is a failure, drop all that is staged. */
akin_status akin__drop_if(akin_index *index, akin_status status);

/* ---------------------------------------------------------- replaced -- */

/* Remember what the entry at `path` had, if it is to have another content. */
akin_status akin__replaced_note(akin_index *index, const char *path,
                                const uint8_t content[32], akin_error *err);
/* What is remembered of this content; its id is below 0. */
bool akin__replaced_find(const akin_index *index, const uint8_t content[32],
                         struct akin__entry *entry);
/* Give its rows to the file `id`. */
akin_status akin__replaced_rows(akin_index *index, int64_t replaced, int64_t id,
                                const uint8_t content[32], akin_error *err);

/* ------------------------------------------------------------ models -- */

/* What a statement of AKIN__MODEL_COLUMNS is at, without its row file. */
#define AKIN__MODEL_COLUMNS                                                    \
    "ordinal, name, folder, revision, family, pool, precision, exif, dim, "    \
    "fingerprint, rows "
akin_status akin__model_read(const akin_index *index, sqlite3_stmt *s,
                             size_t ordinal, struct akin__rows *rows,
                             akin_error *err);
void akin__model_free(struct akin__rows *rows);
/* Bring side->model up to what its catalog says. */
akin_status akin__models_load(akin_index *index, struct akin__side *side,
                              akin_error *err);
void akin__models_free(struct akin__side *side);
/* Ordinal of the model named `name`; AKIN_ENOTFOUND lists those there are. */
akin_status akin__models_find(const akin_index *index,
                              const struct akin__side *side, const char *name,
                              size_t *ordinal, akin_error *err);
/* akin__index_model for a model that is described by `as`, but for its
 * precision, and by `making`. */
akin_status akin__index_model_as(akin_index *index, const akin_index_model *as,
                                 struct akin__making making, size_t *ordinal,
                                 akin_error *err) AKIN_MUST_CHECK;

/* ----------------------------------------------------------- reading -- */

/* Take the lock and one committed generation to read from; models are up to
 * it. On failure nothing is held. */
akin_status akin__read_begin(akin_index *index, akin_error *err);
void akin__read_end(akin_index *index);
/* Read the rows of `side` that have a file which `filter` (NULL: any) lets
 * pass; live->at is allocated, on failure too. */
akin_status akin__live_read(akin_index *index, struct akin__side *side,
                            size_t ordinal, const akin_search_options *filter,
                            struct akin__live_rows *live, akin_error *err);
/* The same of what is being read, kept until another commit or filter. */
akin_status akin__live_choose(akin_index *index, size_t ordinal,
                              const akin_search_options *filter,
                              struct akin__live_rows **live, akin_error *err);
/* Bring index->live[ordinal], the rows of all files, up to what is being read.
 */
akin_status akin__live_load(akin_index *index, size_t ordinal, akin_error *err);
void akin__live_free(struct akin__live_rows *live);
/* Whether the options choose among files. */
bool akin__is_filter(const akin_search_options *options);
/* Files that pass `options` but for its path: a statement that gives file, row,
 * crc and path, those behind the stored path `after` in order of path; NULL:
 * all, in any order. `formats` is what akin__filter_formats makes of the
 * options, allocated or NULL. */
akin_status akin__filter_ask(struct akin__side *side, size_t ordinal,
                             const akin_search_options *options,
                             const char *formats, const char *after,
                             sqlite3_stmt **statement, akin_error *err);
char *akin__filter_formats(const akin_search_options *options);
/* The path as the caller sees it into *shown (akin__free it), and whether it
 * matches the glob (NULL: any). */
akin_status akin__filter_path(akin_index *index, const char *stored,
                              const char *glob, char **shown, bool *match,
                              akin_error *err);
/* The first of the live rows at or after `row`. */
size_t akin__live_first(const struct akin__live_rows *live, uint64_t row);

/* ------------------------------------------------------------ a card -- */

/* Bring index->card[ordinal] up to what is being read, on the card that
 * `device`, at most 31 bytes, names. */
akin_status akin__card_rows_load(akin_index *index, size_t ordinal,
                                 const char *device, akin_error *err);
void akin__card_rows_close(struct akin__card_rows *card);

/* What a card found; allocated. */
struct akin__card_found {
    uint32_t *row; /* [queries][k], the first `count` of each, in any order */
    float *score;  /* the same */
    size_t *count; /* [queries] */
    float *reach;  /* [queries]: how far any row's score may be off */
};
/* The k best by score of the live rows for each of `units` [count][dim]. */
akin_status akin__card_rows_nearest(const struct akin__card_rows *card,
                                    const struct akin__live_rows *live,
                                    const float *units, size_t count, size_t k,
                                    struct akin__card_found *found,
                                    akin_error *err);
void akin__card_found_free(struct akin__card_found *found);

/* --------------------------------------------------------- searching -- */

/* A row and its exact cosine to a query. */
struct akin__near {
    double cosine;
    uint32_t row, crc; /* that of the row, by live or by its codes */
};

/* What is to be found. */
struct akin__scan {
    struct akin__rows *rows;            /* its file is mapped, and stays so */
    const struct akin__live_rows *live; /* NULL: every committed row */
    const struct akin__card_rows *card; /* let a card look first, at the live
                                           rows, which are not NULL; or NULL */
    bool codes;   /* look at the codes first; else float32 alone */
    bool checked; /* the checksums of float32 rows need not be looked at */
    size_t queries, want;
    const float *vectors; /* [queries][dim] */
    const float *units;   /* [queries][dim], the same at length 1 */
};

/* The rows nearest to one query. */
struct akin__nearest {
    struct akin__near *at; /* [count], best first; allocated */
    size_t count;
    bool all; /* there are no more rows */
};

/*
 * For each query into nearest [queries], all rows whose cosine is at least that
 * of the `want`-th best, best first. *many is set, and nothing found, where
 * there are so many within reach of codes, or of a card's scores, that float32
 * is faster.
 */
akin_status akin__scan(const struct akin__scan *scan,
                       struct akin__nearest *nearest, bool *many,
                       akin_error *err);
void akin__nearest_free(struct akin__nearest *nearest, size_t queries);

/*
 * akin_index_search_many, with codes from so many rows on. `from` 0: whenever
 * they are there.
 */
akin_status akin__search(akin_index *index, const char *model,
                         const float *vectors, size_t count, size_t k,
                         const akin_search_options *options, uint64_t from,
                         akin_match *matches, size_t *found, akin_error *err);

#endif
