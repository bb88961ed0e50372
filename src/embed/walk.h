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
    AKIN__FILE,     /* a regular file */
    AKIN__BARRED,   /* a folder or link that cannot be followed, or a folder
                       whose .akinignore cannot be read: the reason stands in
                       the list behind the path's zero */
    AKIN__OTHER,    /* no picture: a pipe, a socket, a device; the plan adds
                       files whose bytes say so */
    AKIN__BUSY,     /* a file that was written to just now */
    AKIN__DISC,     /* a folder on another file system than the one above it:
                       `bytes` is its inode, `mtime_ns` its device */
    AKIN__EXCLUDED, /* the user wants it left out; a folder is not entered */
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

void akin__list_free(struct akin__list *list);
/* The path lives until the list grows. */
const char *akin__item_path(const struct akin__list *list,
                            const struct akin__item *item);

/* Add one file as it is, of root 0, for a list that akin__list_sort is to put
 * in order. AKIN_ENOMEM. */
akin_status akin__list_file(struct akin__list *list, const char *path,
                            const struct stat *st, akin_error *err);

/* Order of path: as strcmp, but '/' comes before every other byte, so that
 * what lies in a folder follows it at once. */
int akin__path_order(const char *a, const char *b);
/* Sort by path and drop what is there twice (roots may overlap). */
void akin__list_sort(struct akin__list *list);
/* The item at `path`, or NULL. The list is sorted. */
struct akin__item *akin__list_find(const struct akin__list *list,
                                   const char *path);

/* Whether no picture of the owner is called so: hidden files, thumbnails, what
 * NAS systems and programs keep beside the photos, indexes. */
bool akin__passed_over(const char *name);

/* What a walk is to know. */
struct akin__walk {
    const char *root;                   /* absolute and without links */
    uint32_t number;                    /* of the root, for its items */
    const struct akin__ignore *exclude; /* rules from the root on, or NULL */
    int64_t busy_ns; /* files written to in so many ns before now are busy */
    /* May stop the walk; asked now and then. May be NULL. */
    bool (*go_on)(void *context, size_t found);
    /* Called for every folder before it is listed; `disc` as in AKIN__DISC.
     * May be NULL. */
    akin_status (*folder)(void *context, const char *path, bool disc,
                          akin_error *err);
    void *context;
    bool linked; /* set when a folder was entered through a link */
};

/*
 * Add what lies at or below `path`, which is the root or lies below it, in
 * order of path. A path that is not there adds nothing, a file is added as it
 * is. Links are followed; what is passed over is left out, and so is what the
 * rules say: those given, and the .akinignore of every folder on the way, those
 * above the root as well unless everybody may write there. The root itself is
 * never left out. Errors: AKIN_ECANCELLED, AKIN_ENOMEM, and what `folder`
 * gives. All else becomes an item.
 */
akin_status akin__walk(struct akin__list *list, const char *path,
                       struct akin__walk *how, akin_error *err) AKIN_MUST_CHECK;

#endif
