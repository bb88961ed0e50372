/*
 * Run: one call of akin_index_update, as its parts share it.
 *
 *   roots.c     what the user named -> the list of files, and what is out of
 *               reach
 *   plan.c      the list against the catalog -> what is to be done, what is
 *               gone
 *   pipeline.c  files -> vectors in the index, by several threads
 *   update.c    the three in a row, the public function
 */
#ifndef AKIN_EMBED_RUN_H
#define AKIN_EMBED_RUN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/thread.h"
#include "embed/ignore.h"
#include "embed/walk.h"
#include "index/store.h"

/* The state of an item, as the plan finds it. */
enum akin__state {
    AKIN__NEW,       /* not in the catalog */
    AKIN__CHANGED,   /* in the catalog, and to be looked at again */
    AKIN__UNCHANGED, /* nothing to do */
    AKIN__SILENT     /* failed before, and nothing about it is new */
};

/* A folder or file that the user named now (the first of run.root) or in an
 * earlier run. */
struct akin__root {
    const char *given; /* as the user wrote it; of an earlier run: `real` */
    char *real;        /* absolute, without links; NULL when it is missing */
    struct stat st;    /* when the run began */
    bool walked;       /* named now, and there */
    enum {
        AKIN__UNKNOWN, /* not looked at yet */
        AKIN__THERE,   /* it has pictures, or the user left something out */
        AKIN__AWAY,    /* missing, or without any: an unplugged disc */
        AKIN__UNSEEN   /* it has pictures, but this run did not come by */
    } state;
    uint64_t kept; /* pictures in the catalog that are out of reach so */
};

/* What is walked and compared with the catalog. */
struct akin__part {
    const char *path; /* a root, or below it */
    uint32_t root;
};

struct akin__gone {
    int64_t id;
    bool failed; /* never was a picture */
    bool moved;  /* found again elsewhere */
};

/* Who keeps an index current (watch.c), as a run serves him. */
struct akin__watcher {
    /* A folder is about to be listed. */
    akin_status (*folder)(void *context, const char *path, bool disc,
                          akin_error *err);
    /* A file was left alone because it is being written. */
    akin_status (*busy)(void *context, const char *path, akin_error *err);
    void *context;
    int64_t busy_ns;      /* as in struct akin__walk */
    char *const *touched; /* [touched_count] absolute, none within another */
    size_t touched_count; /* 0: all of the roots are walked */
};

/* Seconds that all threads together spend on each stage, added to what is
 * there; place i of `models` for the last two. */
struct akin__stage_seconds {
    double read, decode;
    double preprocess[AKIN__MAX_MODELS], network[AKIN__MAX_MODELS];
};

struct akin__run {
    akin_index *index;
    akin_index_options options;
    akin_index_report *report;
    akin_model *const *models; /* [model_count] */
    size_t model_count;
    size_t ordinal[AKIN__MAX_MODELS]; /* [model_count]: places in the index */
    size_t ordinals;                  /* one more than the highest of them */
    uint32_t wanted;                  /* bit m: ordinal m is among the models */

    struct akin__root
        *root; /* [root_count]; the first given_count of this run */
    size_t root_count, given_count;
    struct akin__ignore exclude; /* the rules of options.exclude */
    struct akin__part *part;     /* [part_count] */
    size_t part_count;
    struct akin__watcher *watcher;      /* NULL: nobody watches */
    struct akin__stage_seconds *stages; /* NULL: nobody wants them */
    struct akin__list list;
    struct akin__gone *gone; /* [gone_count of gone_room], sorted by id */
    size_t gone_count, gone_room;

    /* Guards the index, the report and all calls of the user's functions. */
    struct akin__lock lock;
};

/*
 * Resolve the paths that the user gave and those of earlier runs; each that
 * cannot be walked is reported. The first failure comes back when there is
 * none left to walk.
 */
akin_status akin__roots_open(struct akin__run *run, const char *const *given,
                             size_t count, akin_error *err);
/* Fill the list with what lies in the parts: all of the roots, or what the
 * watcher names. */
akin_status akin__roots_walk(struct akin__run *run, akin_error *err);
/* Whether the user left out what lies at the path, which was not met. */
bool akin__excluded(const struct akin__run *run, const char *path);
/* Whether an entry that the walk did not meet may still be there: behind a
 * barred folder, or below a root that is missing or without any picture. */
bool akin__out_of_reach(struct akin__run *run, const char *path);
/* Say what is kept although it was not seen. */
void akin__roots_tell_kept(struct akin__run *run);
/* Whether the roots are still the folders that were walked: a disc pulled
 * during the run makes everything look gone. */
bool akin__roots_hold(const struct akin__run *run);
void akin__roots_close(struct akin__run *run);

/*
 * Compare the list with the catalog, report what is barred, and leave in the
 * list only the files that have work in them.
 */
akin_status akin__plan(struct akin__run *run, akin_error *err);
/* The same for a list of files that were named: nothing is gone. */
akin_status akin__plan_files(struct akin__run *run, akin_error *err);
/* Whether a file is a picture, by its name or else by its first bytes. */
bool akin__is_picture(const char *path, uint64_t bytes);
/* The entry among those gone, or NULL. */
struct akin__gone *akin__find_gone(const struct akin__run *run, int64_t id);
/* Stage that what is gone leaves the index. */
akin_status akin__forget_gone(struct akin__run *run, akin_error *err);

/* Read, decode and embed the files of the list, and stage the outcome. */
akin_status akin__pipeline(struct akin__run *run, akin_error *err);

/* akin_index_update, for a watcher if `watcher` is not NULL. */
akin_status akin__update(akin_index *index, const char *const *roots,
                         size_t root_count, akin_model *const *models,
                         size_t model_count, const akin_index_options *options,
                         struct akin__watcher *watcher,
                         akin_index_report *report, akin_error *err);

/*
 * The same for just these files [count], absolute paths without links: what
 * else the index has stays. A file that is not there is left out.
 */
akin_status
akin__update_files(akin_index *index, const char *const *files, size_t count,
                   akin_model *const *models, size_t model_count,
                   const akin_index_options *options, akin_index_report *report,
                   struct akin__stage_seconds *stages, akin_error *err);

/* Call the user's progress function; AKIN_ECANCELLED when it says stop. */
akin_status akin__progress(struct akin__run *run, const char *what,
                           uint64_t done, uint64_t whole, akin_error *err);
/* Call the user's notice function, with the path as the user knows it. */
void akin__notice(struct akin__run *run, const struct akin__item *item,
                  const char *reason, bool failed);
/*
 * Keep the failure of an item in the catalog and say so, unless all of that
 * was known. `known` is what the catalog has of it (id 0: nothing), `next`
 * what the file is now. Good vectors are not given up for a failure that may
 * pass.
 */
akin_status akin__fail_item(struct akin__run *run,
                            const struct akin__item *item,
                            const struct akin__entry *known,
                            struct akin__entry *next, akin_status why,
                            const char *reason, akin_error *err);

#endif
