/*
 * Walk: what lies below a folder, as a list in order of path.
 *
 * The list is compact (32 bytes and the path for each file), because a
 * collection may have ten million: the walk comes first, so that the work
 * ahead is known and what is gone can be told from what was not reached.
 */
#ifndef AKIN_EMBED_WALK_H
#define AKIN_EMBED_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "akin.h"

enum akin__what {
    AKIN__FILE,   /* a regular file */
    AKIN__BARRED, /* a folder or link that cannot be followed: the reason
                     stands in the list behind the path's zero */
    AKIN__OTHER,  /* no picture: a pipe, a socket, a device; the plan adds
                     files whose bytes say so */
};

struct akin__item {
    uint64_t path;    /* where its path begins in the list's text */
    uint64_t bytes;   /* file size */
    int64_t mtime_ns; /* since 1970 */
    uint32_t root;    /* the number given to akin__walk */
    uint8_t what;     /* enum akin__what */
    uint8_t state;    /* for the plan; 0 from the walk */
};

struct akin__list {
    char *text; /* [text_used of text_room] absolute paths, each with a zero */
    size_t text_used, text_room;
    struct akin__item *item; /* [count of room] */
    size_t count, room;
};

/* Whether `path` is `folder` or lies below it. */
bool akin__lies_in(const char *path, const char *folder);

void akin__list_free(struct akin__list *list);
/* The path lives until the list grows. */
const char *akin__item_path(const struct akin__list *list,
                            const struct akin__item *item);

/* Order of path: as strcmp, but '/' comes before every other byte, so that
 * what lies in a folder follows it at once. */
int akin__path_order(const char *a, const char *b);
/* Sort by path and drop what is there twice (roots may overlap). */
void akin__list_sort(struct akin__list *list);
/* The item at `path`, or NULL. The list is sorted. */
struct akin__item *akin__list_find(const struct akin__list *list,
                                   const char *path);

/*
 * Add what lies at or below `path`, absolute and without links, in order of
 * path. `st` says what `path` is; a file is added as it is. Links are
 * followed; hidden names, thumbnail folders and indexes are left out.
 * `go_on` (may be NULL) is asked now and then and may stop the walk:
 * AKIN_ECANCELLED. Other errors: AKIN_ENOMEM. All else becomes an item.
 */
akin_status akin__walk(struct akin__list *list, const char *path,
                       const struct stat *st, uint32_t root,
                       bool (*go_on)(void *context, size_t found),
                       void *context, akin_error *err) AKIN_MUST_CHECK;

#endif
