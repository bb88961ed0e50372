/*
 * Store: what the pipeline (embed/) asks of an open index. The public half is
 * in akin.h.
 *
 * A writer stages changes and commits them together: rows are appended and
 * synced, then one SQLite transaction makes them visible. Until then nobody
 * else sees them (these functions do), after it nothing loses them. When one of
 * these functions fails for any reason but a wrong call or a vector that is not
 * finite, all that was staged since the last commit is dropped.
 *
 * Paths in and out are absolute; on disk they are relative to the folder that
 * holds the index when they lie below it.
 *
 * Threads: one thread at a time for every function here.
 */
#ifndef AKIN_INDEX_STORE_H
#define AKIN_INDEX_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "akin.h"

/* The most models one index holds: the width of akin__entry.rows. */
enum { AKIN__MAX_MODELS = 16 };

/* A file of the collection, as the catalog knows it. */
struct akin__entry {
    int64_t id;             /* 0: not in the catalog yet */
    uint64_t bytes;         /* file size */
    int64_t mtime_ns;       /* since 1970 */
    uint8_t content[32];    /* SHA-256 of the file; all zero when it could not
                               be read: akin__content_known */
    uint32_t width, height; /* upright pixels; 0 when unknown */
    char format[8];         /* "jpeg", ... */
    char reason[256];       /* of a failure, or a warning; else empty */
    bool failed;            /* no vectors: the reason says why */
    bool retryable;   /* a failure that may pass: memory, permission, I/O */
    uint32_t rows;    /* bit m: model m (its ordinal) has a row */
    bool looked;      /* what follows is known; not so in a failed entry and in
                         one from version 1 of the layout */
    int64_t taken;    /* as akin_image_info.taken */
    uint8_t hash[32]; /* perceptual: image/phash.h */
};

/* Whether the content of a file is known: two that are not are not equal. */
static inline bool akin__content_known(const uint8_t content[32])
{
    static const uint8_t none[32];
    return memcmp(content, none, sizeof none) != 0;
}

/*
 * The model's place in this index (its ordinal), added and committed if the
 * name is new.
 * AKIN_EINDEX when the name is there with another fingerprint or pool, or the
 * index with another precision, EXIF choice or decoding; the message says which
 * and what to do.
 */
akin_status akin__index_model(akin_index *index, const akin_model *model,
                              size_t *ordinal, akin_error *err) AKIN_MUST_CHECK;

/* Rows of the model that are staged from now on are made on `device`, as
 * akin_model_device says. Rows of which that is not said count as the CPU's. */
void akin__index_made_by(akin_index *index, size_t ordinal, const char *device);

/* What is known of `path`; *found says whether anything is. */
akin_status akin__index_find(akin_index *index, const char *path,
                             struct akin__entry *entry, bool *found,
                             akin_error *err) AKIN_MUST_CHECK;

/*
 * A file that is not failed and has this content, preferring one whose path
 * is no longer there; its path into *path (akin__free it). Else one that had it
 * until this writer put another content there: its id is below 0, it has no
 * path (NULL), and its rows serve as those of the others.
 */
akin_status akin__index_find_content(akin_index *index,
                                     const uint8_t content[32],
                                     struct akin__entry *entry, char **path,
                                     bool *found,
                                     akin_error *err) AKIN_MUST_CHECK;

/*
 * Stage `entry` at `path`, new or replacing what was there. vectors[m], for
 * each model ordinal m below `models`, is its vector [dim] (any length: it is
 * normalised here) or NULL; `same_as` is an entry whose rows serve where
 * vectors[m] is NULL (itself, to keep its own; a twin of equal content), or 0.
 * A twin whose content has changed by now serves nobody.
 */
akin_status akin__index_put(akin_index *index, const char *path,
                            const struct akin__entry *entry,
                            const float *const *vectors, size_t models,
                            int64_t same_as, akin_error *err) AKIN_MUST_CHECK;

/* Whether the entry has just this vector [dim] of the model, which is one of
 * any length: *has. */
akin_status akin__index_has(akin_index *index, int64_t id, size_t ordinal,
                            const float *vector, bool *has,
                            akin_error *err) AKIN_MUST_CHECK;

/* The entry's vector [dim] of the model, of length 1; *has: whether it has one.
 * Only of what is committed. */
akin_status akin__index_vector(akin_index *index, int64_t id, size_t ordinal,
                               float *vector, bool *has,
                               akin_error *err) AKIN_MUST_CHECK;

/* Stage that the entry has a new path and modification time. */
akin_status akin__index_move(akin_index *index, int64_t id, const char *path,
                             int64_t mtime_ns, akin_error *err) AKIN_MUST_CHECK;

/* Stage that the entry is gone. */
akin_status akin__index_forget(akin_index *index, int64_t id,
                               akin_error *err) AKIN_MUST_CHECK;

/* Stage that `folder` (absolute) is one of the index's roots. */
akin_status akin__index_add_root(akin_index *index, const char *folder,
                                 akin_error *err) AKIN_MUST_CHECK;

/* Calls `visit` for every root (absolute), in no order; an answer other than
 * AKIN_OK stops and is given back. */
akin_status akin__index_each_root(
    akin_index *index,
    akin_status (*visit)(void *context, const char *folder, akin_error *err),
    void *context, akin_error *err) AKIN_MUST_CHECK;

/* Calls `visit` for every entry at or below `folder` (absolute), in order of
 * the path as it is stored; an answer other than AKIN_OK stops and is given
 * back. The visitor changes nothing in the index. */
akin_status akin__index_each(akin_index *index, const char *folder,
                             akin_status (*visit)(void *context,
                                                  const char *path,
                                                  const struct akin__entry *,
                                                  akin_error *err),
                             void *context, akin_error *err) AKIN_MUST_CHECK;

/* Make all that is staged durable and visible. */
akin_status akin__index_commit(akin_index *index,
                               akin_error *err) AKIN_MUST_CHECK;

#endif
