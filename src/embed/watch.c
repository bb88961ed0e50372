/*
 * Watch: akin_index_watch, which keeps an index current.
 *
 * Each folder is watched before a run lists it, so that nothing falls between.
 * What the watches tell is gathered until it has been quiet for a moment; then
 * a run looks at these paths alone. All of the roots are walked at the
 * beginning, when the system has lost count, and now and then, because inotify
 * does not tell everything: what another machine does on a network disc, or
 * what lies in folders for which there was no watch.
 *
 * A root that goes, comes back or is another folder than before (a disc that is
 * plugged in over its mount point) makes no event that could be relied on. So
 * the roots are looked at every second, and the discs below them.
 *
 * The writer's lock is held for a run at a time; who else writes meanwhile is
 * waited for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/watch.h"
#include "embed/run.h"

/*
 * Seconds. Programs that write a picture in steps (cameras' importers, editors)
 * pause for less than QUIET between them. A folder in which something happens
 * all the time is not left waiting for longer than LONGEST. A walk of a
 * collection takes 2 us a file, so once an hour it costs nothing; where not all
 * is watched it comes so often that it takes a twentieth of the time at most.
 */
#define QUIET          1.0
#define LONGEST        10.0
#define TICK           0.2
#define WALK_AGAIN     3600.0
#define WALK_UNWATCHED 60.0
#define WALK_SHARE     20.0

/* Paths that are remembered; beyond, walking all is as good. */
enum { MOST_TOUCHED = 4096 };

/* A root, or a disc below one, as it was. */
struct spot {
    const char *given; /* as the user wrote it, or `path` */
    char *path;        /* of a disc; NULL of a root */
    struct stat st;    /* st_ino 0: not there */
};

struct watch {
    const char *index;
    const char *const *roots; /* [root_count] */
    size_t root_count;
    akin_model *const *models; /* [model_count] */
    size_t model_count;
    akin_index_options options; /* the user's, but for progress */
    akin_progress_fn progress;  /* the user's */
    void (*updated)(void *context, const akin_index_report *report);

    struct akin__watch *watch; /* NULL: the system gives none */
    bool partly;               /* not every folder could be watched */
    struct spot *spot;         /* [spots of spot_room] */
    size_t spots, spot_room;

    char **touched; /* [count of room] absolute paths */
    size_t count, room;
    bool all;           /* walk everything */
    double first, last; /* when something was touched since the last run */
    double walked;      /* when everything was */
    double walk_took;
    bool began; /* the first run is over */
};

/* -------------------------------------------------------------- touched -- */

static void forget_touched(struct watch *w)
{
    while (w->count)
        akin__free(w->touched[--w->count]);
}

static int by_path(const void *a, const void *b)
{
    return akin__path_order(*(char *const *)a, *(char *const *)b);
}

/* Sort, and drop what lies within another. */
static void tidy(struct watch *w)
{
    size_t kept = 0;
    if (w->count)
        qsort(w->touched, w->count, sizeof *w->touched, by_path);
    for (size_t i = 0; i < w->count; i++) {
        if (kept && akin__lies_in(w->touched[i], w->touched[kept - 1]))
            akin__free(w->touched[i]);
        else
            w->touched[kept++] = w->touched[i];
    }
    w->count = kept;
}

static akin_status touch(struct watch *w, const char *path, akin_error *err)
{
    w->last = akin__seconds();
    if (!w->count && !w->all)
        w->first = w->last;
    if (w->all || (w->count && !strcmp(w->touched[w->count - 1], path)))
        return AKIN_OK;
    if (w->count == MOST_TOUCHED)
        tidy(w);
    if (w->count == MOST_TOUCHED) {
        w->all = true;
        return AKIN_OK;
    }
    if (!w->touched)
        w->touched = akin__alloc(MOST_TOUCHED, sizeof *w->touched);
    char *copy = w->touched ? akin__strdup(path) : NULL;
    if (!copy)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    w->touched[w->count++] = copy;
    return AKIN_OK;
}

/* Something happened at `path`; NULL: who knows where. */
static akin_status on_event(void *context, const char *path, akin_error *err)
{
    struct watch *w = context;
    if (!path) {
        if (!w->count && !w->all)
            w->first = akin__seconds();
        w->last = akin__seconds();
        w->all = true;
        return AKIN_OK;
    }
    const char *name = strrchr(path, '/') + 1;
    if (strcmp(name, ".akinignore") == 0) {
        char *folder = akin__strdup(path);
        if (!folder)
            return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
        folder[name - path - (name > path + 1)] = 0;
        const akin_status status = touch(w, folder, err);
        akin__free(folder);
        return status;
    }
    return akin__passed_over(name) ? AKIN_OK : touch(w, path, err);
}

/* ---------------------------------------------------------------- spots -- */

/* A folder is the same whatever is in it now, a file is not. */
static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           (!S_ISREG(a->st_mode) || (a->st_size == b->st_size &&
                                     a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
                                     a->st_mtim.tv_nsec == b->st_mtim.tv_nsec));
}

/* Another one; of a disc with its path. */
static akin_status add_spot(struct watch *w, const char *given, bool disc,
                            akin_error *err)
{
    struct spot spot = {.given = given};
    if (w->spots == w->spot_room) {
        const size_t more = w->spot_room * 2 + 16;
        struct spot *larger = akin__realloc(w->spot, more, sizeof *larger);
        if (!larger)
            return akin__fail(err, AKIN_ENOMEM, "%s: no memory", given);
        w->spot = larger;
        w->spot_room = more;
    }
    if (disc) {
        spot.given = spot.path = akin__strdup(given);
        if (!spot.path)
            return akin__fail(err, AKIN_ENOMEM, "%s: no memory", given);
    }
    if (akin__stat(spot.given, &spot.st, NULL))
        spot.st.st_ino = 0;
    w->spot[w->spots++] = spot;
    return AKIN_OK;
}

/* Look at the roots and discs: what is another one now is walked. */
static akin_status look_at_spots(struct watch *w, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < w->spots && !status; i++) {
        struct spot *spot = &w->spot[i];
        struct stat st;
        char *real = NULL;
        akin_error ignored;
        if (akin__stat(spot->given, &st, NULL))
            st.st_ino = 0;
        if (st.st_ino == spot->st.st_ino &&
            (!st.st_ino || same(&st, &spot->st)))
            continue;
        spot->st = st;
        if (!st.st_ino)
            continue;
        if (spot->path)
            status = touch(w, spot->path, err);
        else if (!akin__real_path(spot->given, &real, &ignored))
            status = touch(w, real, err);
        akin__free(real);
    }
    return status;
}

static bool any_root(const struct watch *w)
{
    for (size_t i = 0; i < w->root_count; i++)
        if (w->spot[i].st.st_ino)
            return true;
    return false;
}

/* ------------------------------------------------------------- the runs -- */

/* A run is about to list a folder. */
static akin_status on_folder(void *context, const char *path, bool disc,
                             akin_error *err)
{
    struct watch *w = context;
    akin_status status = AKIN_OK;
    bool known = !disc;
    for (size_t i = 0; i < w->spots && !known; i++)
        known = w->spot[i].path && strcmp(w->spot[i].path, path) == 0;
    if (!known)
        status = add_spot(w, path, true, err);
    if (status || !w->watch)
        return status;
    status = akin__watch_add(w->watch, path, err);
    if (status != AKIN_ELIMIT)
        return status;
    if (!w->partly && w->options.notice)
        w->options.notice(w->options.context, path, akin__reason(err, path), 0);
    w->partly = true;
    return AKIN_OK;
}

/* A file is being written: look again. */
static akin_status on_busy(void *context, const char *path, akin_error *err)
{
    return touch(context, path, err);
}

/* The user's progress, and the events that come meanwhile. */
static int on_progress(void *context, const char *what, uint64_t done,
                       uint64_t whole)
{
    struct watch *w = context;
    akin_error ignored;
    /* What memory is short for is walked with everything else. */
    if (akin__watch_take(w->watch, 0, on_event, w, &ignored))
        w->all = true;
    return w->progress &&
           w->progress(w->options.context, what, done, whole) != 0;
}

static void on_notice(void *context, const char *path, const char *reason,
                      int failed)
{
    const struct watch *w = context;
    if (w->options.notice)
        w->options.notice(w->options.context, path, reason, failed);
}

/* Wait a moment; AKIN_ECANCELLED when the user wants to stop. */
static akin_status idle(struct watch *w, akin_error *err)
{
    const akin_status status =
        akin__watch_take(w->watch, TICK, on_event, w, err);
    const size_t folders = w->watch ? akin__watch_count(w->watch) : 0;
    if (status || !w->progress ||
        !w->progress(w->options.context, "watched", folders, 0))
        return status;
    return akin__fail(err, AKIN_ECANCELLED, "stopped watching");
}

/* Open the index for writing, when nobody else does. */
static akin_status open_index(struct watch *w, akin_index **index,
                              akin_error *err)
{
    akin_status status;
    bool told = false;
    while ((status = akin_index_open(index, w->index, AKIN_INDEX_WRITE, err)) ==
           AKIN_ELOCKED) {
        if (!told && w->options.notice)
            w->options.notice(w->options.context, w->index,
                              akin__reason(err, w->index), 0);
        told = true;
        status = idle(w, err);
        if (status)
            break;
    }
    return status;
}

static bool says_something(const akin_index_report *r)
{
    return r->added || r->updated || r->renamed || r->removed || r->failed ||
           r->warnings;
}

static akin_status run_with(struct watch *w, akin_index *index,
                            struct akin__watcher *watcher, akin_error *err)
{
    akin_index_options options = w->options;
    akin_index_report report;
    options.progress = on_progress;
    options.notice = on_notice;
    options.context = w;
    const akin_status status =
        akin__update(index, w->roots, w->root_count, w->models, w->model_count,
                     &options, watcher, &report, err);
    if (!watcher->touched_count) {
        w->walked = akin__seconds();
        w->walk_took = report.seconds;
    }
    if (!status && w->updated && (!w->began || says_something(&report)))
        w->updated(w->options.context, &report);
    return status;
}

/* A run over what was touched, or over all. */
static akin_status run(struct watch *w, akin_error *err)
{
    struct akin__watcher watcher = {.folder = on_folder,
                                    .busy = on_busy,
                                    .context = w,
                                    .busy_ns =
                                        w->began ? (int64_t)(QUIET * 1e9) : 0};
    akin_index *index = NULL;
    char **touched = NULL;
    size_t count = 0;
    akin_error ignored;
    akin_status status = open_index(w, &index, err);
    if (status)
        return status;
    tidy(w);
    if (w->all) {
        forget_touched(w);
        w->partly = false;
    }
    /* What is touched from now on is for the next run. */
    touched = w->touched;
    count = w->count;
    w->touched = NULL;
    w->count = 0;
    w->all = false;
    watcher.touched = touched;
    watcher.touched_count = count;
    status = run_with(w, index, &watcher, err);
    akin_index_close(&index);
    if (status && w->began && !look_at_spots(w, &ignored) && !any_root(w))
        status = AKIN_OK; /* the last root went meanwhile: it may come back */
    w->began = true;
    for (size_t i = 0; i < count; i++)
        akin__free(touched[i]);
    akin__free(touched);
    return status;
}

static bool is_due(const struct watch *w)
{
    const double now = akin__seconds();
    return (w->all || w->count) &&
           (now - w->last >= QUIET || now - w->first >= LONGEST);
}

static bool walk_is_due(const struct watch *w)
{
    const bool blind = w->partly || !w->watch;
    double wait = blind ? WALK_UNWATCHED : WALK_AGAIN;
    if (wait < WALK_SHARE * w->walk_took)
        wait = WALK_SHARE * w->walk_took;
    return akin__seconds() - w->walked >= wait;
}

static akin_status keep_current(struct watch *w, akin_error *err)
{
    akin_status status = AKIN_OK;
    double looked = 0;
    w->all = true;
    status = run(w, err);
    while (!status) {
        status = idle(w, err);
        if (!status && akin__seconds() - looked >= QUIET) {
            status = look_at_spots(w, err);
            looked = akin__seconds();
        }
        if (walk_is_due(w))
            w->all = true;
        if (!status && any_root(w) && is_due(w))
            status = run(w, err);
    }
    return status;
}

akin_status akin_index_watch(const char *index, const char *const *roots,
                             size_t root_count, akin_model *const *models,
                             size_t model_count,
                             const akin_index_options *options,
                             void (*updated)(void *context,
                                             const akin_index_report *report),
                             akin_error *err)
{
    struct watch w = {.index = index,
                      .roots = roots,
                      .root_count = root_count,
                      .models = models,
                      .model_count = model_count,
                      .options = {.size = sizeof w.options},
                      .updated = updated};
    akin_error error = {AKIN_OK, ""};
    akin_status status = AKIN_OK;
    if (options && !options->size)
        status = akin__fail(&error, AKIN_EUSAGE, "options without their size");
    if (options)
        memcpy(&w.options, options,
               options->size < sizeof w.options ? options->size
                                                : sizeof w.options);
    w.options.size = sizeof w.options;
    w.progress = w.options.progress;
    for (size_t i = 0; i < root_count && !status; i++)
        status = add_spot(&w, roots[i], false, &error);
    if (!status && akin__watch_open(&w.watch, &error) && w.options.notice)
        w.options.notice(w.options.context, index, error.message, 0);
    if (!status)
        status = keep_current(&w, &error);
    akin__watch_close(&w.watch);
    forget_touched(&w);
    akin__free(w.touched);
    for (size_t i = 0; i < w.spots; i++)
        akin__free(w.spot[i].path);
    akin__free(w.spot);
    if (err)
        *err = error;
    return status;
}
