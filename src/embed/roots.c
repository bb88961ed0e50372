/*
 * Roots: the folders and files that the user named, in this run and before,
 * and the discs that were met below them.
 *
 * A root that is missing, or has no picture below it any more, is taken for a
 * disc that is not plugged in: what the catalog holds of it stays. So does
 * what lies behind a barred folder. Only what is missing from a root that
 * could be walked is gone, and what the user left out. Called by update.c and
 * plan.c, one thread.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "embed/run.h"

/* Whether only what the watcher names is walked. */
static bool is_partial(const struct akin__run *run)
{
    return run->watcher && run->watcher->touched_count;
}

/* Where the path leads, if it can be walked at all. */
static akin_status resolve(struct akin__root *root, akin_error *err)
{
    akin_status status = akin__real_path(root->given, &root->real, err);
    if (!status)
        status = akin__stat(root->real, &root->st, err);
    if (status)
        return status;
    const bool folder = S_ISDIR(root->st.st_mode);
    if (!folder && !S_ISREG(root->st.st_mode))
        return akin__fail(err, AKIN_EIO, "%s: is no folder and no file",
                          root->given);
    if (folder && akin__ends_with(root->real, ".akin"))
        return akin__fail(err, AKIN_EUSAGE,
                          "%s: is an index, not a folder of pictures",
                          root->given);
    root->walked = true;
    return AKIN_OK;
}

/* The first failure is kept in *first, each is reported. */
static akin_status open_given(struct akin__run *run, struct akin__root *root,
                              akin_error *first, akin_error *err)
{
    akin_error cause = {AKIN_OK, ""};
    const akin_status status = resolve(root, &cause);
    if (status == AKIN_ENOMEM) {
        *err = cause;
        return status;
    }
    if (status) {
        if (!first->code)
            *first = cause;
        if (is_partial(run))
            return AKIN_OK; /* told when all was walked */
        run->report->failed++;
        if (run->options.notice)
            run->options.notice(run->options.context, root->given,
                                akin__reason(&cause, root->given), 1);
    }
    return AKIN_OK;
}

/* Room for one more root. */
static akin_status add_root(struct akin__run *run, struct akin__root root,
                            akin_error *err)
{
    struct akin__root *larger =
        akin__realloc(run->root, run->root_count + 1, sizeof *larger);
    if (!larger)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", root.given);
    run->root = larger;
    run->root[run->root_count++] = root;
    return AKIN_OK;
}

static akin_status open_earlier(void *context, const char *folder,
                                akin_error *err)
{
    struct akin__root root = {.real = akin__strdup(folder)};
    if (!root.real)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", folder);
    root.given = root.real;
    const akin_status status = add_root(context, root, err);
    if (status)
        akin__free(root.real);
    return status;
}

akin_status akin__roots_open(struct akin__run *run, const char *const *given,
                             size_t count, akin_error *err)
{
    akin_error first = {AKIN_OK, ""};
    akin_status status = AKIN_OK;
    bool any = false;
    for (size_t i = 0; i < count && !status; i++) {
        status = add_root(run, (struct akin__root){.given = given[i]}, err);
        if (!status)
            status = open_given(run, &run->root[i], &first, err);
        any = any || (!status && run->root[i].walked);
    }
    run->given_count = run->root_count;
    if (status)
        return status;
    if (!any) {
        *err = first;
        return first.code;
    }
    status = akin__index_each_root(run->index, open_earlier, run, err);
    for (size_t i = 0; i < count && !status; i++)
        if (run->root[i].walked && S_ISDIR(run->root[i].st.st_mode))
            status = akin__index_add_root(run->index, run->root[i].real, err);
    return status;
}

static bool go_on(void *context, size_t found)
{
    akin_error ignored;
    return !akin__progress(context, "files", found, 0, &ignored);
}

/* ------------------------------------------------------------- the walk -- */

static akin_status note_folder(void *context, const char *path, bool disc,
                               akin_error *err)
{
    const struct akin__run *run = context;
    return run->watcher->folder(run->watcher->context, path, disc, err);
}

/* The whole of a root, or what is touched of it, to the parts. */
static akin_status add_parts(struct akin__run *run, uint32_t root,
                             akin_error *err)
{
    const bool partial = is_partial(run);
    const size_t most = partial ? run->watcher->touched_count : 1;
    struct akin__part *larger =
        akin__realloc(run->part, run->part_count + most, sizeof *larger);
    if (!larger)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu paths", most);
    run->part = larger;
    for (size_t i = 0; i < most; i++) {
        const char *real = run->root[root].real;
        const char *path = partial ? run->watcher->touched[i] : real;
        if (akin__lies_in(path, real))
            run->part[run->part_count++] = (struct akin__part){path, root};
    }
    return AKIN_OK;
}

/* A disc below a root is a root of its own from now on: when it is unplugged
 * its folder stays, empty, and looks as if all in it had been deleted. */
static akin_status add_disc(struct akin__run *run,
                            const struct akin__item *item, akin_error *err)
{
    const char *path = akin__item_path(&run->list, item);
    struct akin__root disc = {
        .st = {.st_dev = (dev_t)item->mtime_ns, .st_ino = (ino_t)item->bytes}};
    for (size_t i = 0; i < run->root_count; i++) {
        struct akin__root *root = &run->root[i];
        if (root->real && strcmp(root->real, path) == 0) {
            if (!root->walked)
                root->st = disc.st;
            return AKIN_OK;
        }
    }
    disc.given = disc.real = akin__strdup(path);
    if (!disc.real)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    akin_status status = add_root(run, disc, err);
    if (status)
        akin__free(disc.real);
    return status ? status : akin__index_add_root(run->index, path, err);
}

/* Walk one of the parts; *linked is set when that led through a link. */
static akin_status walk_part(struct akin__run *run,
                             const struct akin__part *part, bool *linked,
                             akin_error *err)
{
    struct akin__walk how = {.root = run->root[part->root].real,
                             .number = part->root,
                             .exclude = &run->exclude,
                             .busy_ns =
                                 run->watcher ? run->watcher->busy_ns : 0,
                             .go_on = go_on,
                             .folder = run->watcher ? note_folder : NULL,
                             .context = run};
    const akin_status status = akin__walk(&run->list, part->path, &how, err);
    *linked |= how.linked;
    return status;
}

static akin_status walk_parts(struct akin__run *run, bool *linked,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    run->part_count = run->list.count = run->list.text_used = 0;
    for (uint32_t i = 0; i < run->given_count && !status; i++)
        if (run->root[i].walked)
            status = add_parts(run, i, err);
    for (size_t i = 0; i < run->part_count && !status; i++)
        status = walk_part(run, &run->part[i], linked, err);
    return status;
}

akin_status akin__roots_walk(struct akin__run *run, akin_error *err)
{
    bool linked = false;
    akin_status status = walk_parts(run, &linked, err);
    if (!status && linked && is_partial(run)) {
        /* By which of several links a folder is entered, only a walk of all
         * can tell. */
        run->watcher->touched_count = 0;
        status = walk_parts(run, &linked, err);
    }
    if (!status && run->part_count > 1)
        akin__list_sort(&run->list);
    for (size_t i = 0; i < run->list.count && !status; i++)
        if (run->list.item[i].what == AKIN__DISC)
            status = add_disc(run, &run->list.item[i], err);
    return status;
}

/* --------------------------------------------------- what is not there -- */

/* Whether the list has a picture at or below `real`, or something that the user
 * left out: then it is no empty folder that a disc left behind. */
static bool holds(const struct akin__list *list, const char *real)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (akin__path_order(akin__item_path(list, &list->item[middle]), real) <
            0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < list->count; low++) {
        const struct akin__item *item = &list->item[low];
        const char *path = akin__item_path(list, item);
        if (!akin__lies_in(path, real))
            return false;
        if ((item->what == AKIN__EXCLUDED && strcmp(path, real) != 0) ||
            item->what == AKIN__BUSY ||
            (item->what == AKIN__FILE && akin__is_picture(path, item->bytes)))
            return true;
    }
    return false;
}

struct search {
    struct akin__list list;
    const char *real;
};

static bool none_yet(void *context, size_t found)
{
    struct search *search = context;
    (void)found;
    if (holds(&search->list, search->real))
        return false;
    search->list.count = search->list.text_used = 0;
    return true;
}

/* Whether the root has a picture now, wherever this run walks. */
static bool holds_now(const struct akin__run *run, const char *real)
{
    struct search search = {.real = real};
    struct akin__walk how = {.root = real,
                             .exclude = &run->exclude,
                             .go_on = none_yet,
                             .context = &search};
    akin_error ignored;
    const akin_status status = akin__walk(&search.list, real, &how, &ignored);
    const bool found = status == AKIN_ECANCELLED || holds(&search.list, real);
    akin__list_free(&search.list);
    return found;
}

static void look_for(const struct akin__run *run, struct akin__root *root)
{
    if (holds(&run->list, root->real))
        root->state = AKIN__THERE;
    else if (!holds_now(run, root->real))
        root->state = AKIN__AWAY;
    else
        root->state = is_partial(run) ? AKIN__THERE : AKIN__UNSEEN;
}

/* Whether the path lies in a root that was named below the folder: then what
 * the folders above it say of it does not count. */
static bool named_below(const struct akin__run *run, const char *path,
                        const char *folder)
{
    for (size_t i = 0; i < run->given_count; i++) {
        const char *real = run->root[i].real;
        if (real && akin__lies_in(path, real) && akin__lies_in(real, folder))
            return true;
    }
    return false;
}

bool akin__excluded(const struct akin__run *run, const char *path)
{
    char prefix[PATH_MAX];
    if (strlen(path) >= sizeof prefix)
        return false;
    strcpy(prefix, path);
    for (char *slash = prefix; slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = 0;
        const struct akin__item *item = akin__list_find(&run->list, prefix);
        if (item && item->what == AKIN__EXCLUDED)
            return !named_below(run, path, prefix);
        if (slash)
            *slash = '/';
    }
    return false;
}

/* Whether a folder on the way to the path could not be followed. */
static bool behind_bars(const struct akin__run *run, const char *path)
{
    char prefix[PATH_MAX];
    if (strlen(path) >= sizeof prefix)
        return true;
    strcpy(prefix, path);
    for (char *slash = prefix; (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        const struct akin__item *item = akin__list_find(&run->list, prefix);
        if (item && item->what == AKIN__BARRED)
            return true;
        *slash = '/';
    }
    return false;
}

bool akin__out_of_reach(struct akin__run *run, const char *path)
{
    for (size_t i = 0; i < run->root_count; i++) {
        struct akin__root *root = &run->root[i];
        if (!root->real || !akin__lies_in(path, root->real))
            continue;
        if (root->state == AKIN__UNKNOWN)
            look_for(run, root);
        root->kept += root->state == AKIN__AWAY;
        if (root->state != AKIN__THERE)
            return true;
    }
    return behind_bars(run, path);
}

void akin__roots_tell_kept(struct akin__run *run)
{
    char reason[256];
    for (size_t i = 0; i < run->root_count; i++) {
        const struct akin__root *root = &run->root[i];
        if (!root->kept || !run->options.notice)
            continue;
        snprintf(reason, sizeof reason,
                 "no picture is there now; the index keeps the %llu that were "
                 "(akin index --forget lets them go)",
                 (unsigned long long)root->kept);
        run->options.notice(run->options.context, root->given, reason, 0);
    }
}

bool akin__roots_hold(const struct akin__run *run)
{
    struct stat st;
    for (size_t i = 0; i < run->root_count; i++) {
        const struct akin__root *root = &run->root[i];
        if (root->st.st_ino &&
            (akin__stat(root->real, &st, NULL) ||
             st.st_dev != root->st.st_dev || st.st_ino != root->st.st_ino))
            return false;
    }
    return true;
}

void akin__roots_close(struct akin__run *run)
{
    for (size_t i = 0; i < run->root_count; i++)
        akin__free(run->root[i].real);
    akin__free(run->root);
    akin__free(run->part);
    akin__ignore_free(&run->exclude);
}
