/*
 * Kept: candidates in parts, of which each is written to a file when it is
 * done, so that a long search can be stopped and goes on.
 *
 * The file: a head, with a hash over all that the answers depend on, then the
 * parts, each of the same number of bytes and with its checksum. A part that is
 * not there, cut short or damaged is computed again, and those behind it.
 * Numbers lie as this machine keeps them: on another one the hash differs or
 * the head is none.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "eval/set.h"

enum { PART = 4096, USUAL_K = 10 }; /* queries in a part */

struct head {
    char name[16];
    uint64_t queries, k;
    uint8_t key[AKIN__SHA256_BYTES];
};

/* What a part begins with; predictions [PART * k], then ap [PART] if wanted. */
struct part {
    uint64_t found;
    double seconds;
    uint32_t crc; /* of all that follows, and of found */
    uint32_t unused;
};

struct kept {
    const akin_eval_set *set;
    const float *queries, *references;
    size_t dim, k;
    const akin_eval_candidates_options *options;
    struct akin__file file;
    size_t bytes;  /* of a part */
    char *memory;  /* [bytes] the part at work */
    size_t before; /* queries of the parts before it */
    akin_eval_prediction *predictions;
    size_t found;
    double seconds;
};

static akin_eval_prediction *answers_of(const struct kept *s)
{
    return (akin_eval_prediction *)(void *)(s->memory + sizeof(struct part));
}

static double *ap_of(const struct kept *s)
{
    return (double *)(void *)(answers_of(s) + PART * s->k);
}

/* Of a part that holds `part`. */
static uint32_t checksum(const struct kept *s, const struct part *part)
{
    return akin__crc32(s->memory + sizeof *part, s->bytes - sizeof *part) ^
           (uint32_t)part->found * 0x9e3779b1u;
}

/* --------------------------------------------------------------- the key -- */

static void add_items(struct akin__hash *hash, const akin_eval_item *item,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t numbers[] = {item[i].self, item[i].label};
        akin__hash_add(hash, numbers, sizeof numbers);
    }
}

static akin_status make_head(const struct kept *s, struct head *head,
                             akin_error *err)
{
    const akin_eval_info *info = &s->set->info;
    const akin_eval_candidates_options *o = s->options;
    const uint64_t sizes[] = {
        info->queries, info->references, s->dim,           s->k,
        info->pairs,   o->ap != NULL,    o->offset != NULL};
    struct akin__hash *hash;
    *head = (struct head){"akin answers 1", info->queries, s->k, {0}};
    const akin_status status = akin__hash_open(&hash, AKIN__SHA256, err);
    if (status)
        return status;
    akin__hash_add(hash, sizes, sizeof sizes);
    akin__hash_add(hash, s->queries,
                   info->queries * s->dim * sizeof *s->queries);
    akin__hash_add(hash, s->references,
                   info->references * s->dim * sizeof *s->references);
    if (o->offset)
        akin__hash_add(hash, o->offset, info->queries * sizeof *o->offset);
    add_items(hash, info->query, info->queries);
    if (info->pair && o->ap)
        akin__hash_add(hash, info->pair, info->pairs * sizeof *info->pair);
    akin__hash_close(&hash, head->key);
    return AKIN_OK;
}

/* ----------------------------------------------------------------- parts -- */

static uint64_t offset_of(const struct kept *s)
{
    return sizeof(struct head) + s->before / PART * s->bytes;
}

/* Whether the part that lies in memory is whole and of `count` queries. */
static bool is_good(const struct kept *s, const struct part *part, size_t count)
{
    const akin_eval_prediction *p = answers_of(s);
    if (part->found > count * s->k || !isfinite(part->seconds) ||
        part->crc != checksum(s, part))
        return false;
    for (size_t i = 0; i < part->found; i++) {
        if (p[i].query < s->before || p[i].query >= s->before + count ||
            p[i].reference >= s->set->info.references || isnan(p[i].score))
            return false;
    }
    return true;
}

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    const struct kept *s = context;
    (void)whole;
    return s->options->progress(s->options->context, what, s->before + done,
                                s->set->info.queries);
}

/* Compute a part, into memory. */
static akin_status compute(struct kept *s, struct part *part, size_t count,
                           akin_error *err)
{
    akin_eval_candidates_options options = {.size = sizeof options,
                                            .k = s->k,
                                            .first = s->before,
                                            .threads = s->options->threads,
                                            .context = s};
    const double start = akin__seconds();
    size_t found;
    memset(s->memory, 0, s->bytes);
    if (s->options->offset)
        options.offset = s->options->offset + s->before;
    if (s->options->ap)
        options.ap = ap_of(s);
    if (s->options->progress)
        options.progress = show;
    const akin_status status = akin_eval_candidates(
        s->set, s->queries + s->before * s->dim, count, s->references, s->dim,
        &options, answers_of(s), &found, err);
    *part = (struct part){.found = found, .seconds = akin__seconds() - start};
    part->crc = checksum(s, part);
    return status;
}

static akin_status keep(struct kept *s, const struct part *part,
                        akin_error *err)
{
    memcpy(s->memory, part, sizeof *part);
    const akin_status status =
        akin__file_write(&s->file, s->memory, s->bytes, offset_of(s), err);
    return status ? status : akin__file_sync(&s->file, err);
}

/* The next part, from the file while *good, else by computing it. */
static akin_status take_part(struct kept *s, bool *good, akin_error *err)
{
    const size_t left = s->set->info.queries - s->before;
    const size_t count = left < PART ? left : PART;
    struct part part = {0};
    akin_status status = AKIN_OK;
    if (*good) {
        *good =
            !akin__file_read(&s->file, s->memory, s->bytes, offset_of(s), NULL);
        memcpy(&part, s->memory, sizeof part);
        *good = *good && is_good(s, &part, count);
    }
    if (!*good) {
        AKIN_TRY(compute(s, &part, count, err));
        AKIN_TRY(keep(s, &part, err));
    }
    memcpy(s->predictions + s->found, answers_of(s),
           part.found * sizeof *s->predictions);
    if (s->options->ap)
        memcpy(s->options->ap + s->before, ap_of(s), count * sizeof(double));
    s->found += part.found;
    s->seconds += part.seconds;
    s->before += count;
out:
    return status;
}

/* Open the file; *good: it is of just this search. */
static akin_status open_file(struct kept *s, const char *path, bool *good,
                             akin_error *err)
{
    struct head head, there;
    akin_status status = make_head(s, &head, err);
    if (!status)
        status = akin__file_open(&s->file, path, AKIN__CREATE, err);
    if (status)
        return status;
    *good = !akin__file_read(&s->file, &there, sizeof there, 0, NULL) &&
            memcmp(&head, &there, sizeof head) == 0;
    if (!*good) {
        status = akin__file_truncate(&s->file, 0, err);
        if (!status)
            status = akin__file_write(&s->file, &head, sizeof head, 0, err);
    }
    if (status)
        akin__file_close(&s->file);
    return status;
}

akin_status
akin_eval_candidates_kept(const akin_eval_set *set, const float *queries,
                          const float *references, size_t dim,
                          const akin_eval_candidates_options *options,
                          const char *path, akin_eval_prediction *predictions,
                          size_t *found, double *seconds, akin_error *err)
{
    static const akin_eval_candidates_options usual = {.size = sizeof usual};
    const akin_eval_candidates_options *o = options ? options : &usual;
    struct kept s = {.set = set,
                     .queries = queries,
                     .references = references,
                     .dim = dim,
                     .k = o->k ? o->k : USUAL_K,
                     .options = o,
                     .predictions = predictions};
    bool good;
    akin_status status = AKIN_OK;
    *found = 0;
    AKIN_CHECK(!o->first && s.k <= AKIN_EVAL_ROWS, err, AKIN_EUSAGE,
               "%zu answers to each query (limit %d), from query %zu on (0)",
               s.k, AKIN_EVAL_ROWS, o->first);
    s.bytes = sizeof(struct part) + PART * s.k * sizeof *predictions +
              (o->ap ? PART * sizeof(double) : 0);
    s.memory = akin__alloc(s.bytes, 1);
    AKIN_CHECK(s.memory, err, AKIN_ENOMEM, "%s: no memory", path);
    status = open_file(&s, path, &good, err);
    AKIN_TRY(status);
    while (!status && s.before < set->info.queries)
        status = take_part(&s, &good, err);
    akin__file_close(&s.file);
    *found = s.found;
out:
    if (seconds)
        *seconds = s.seconds;
    akin__free(s.memory);
    return status;
}
