/*
 * Roots: the folders and files that the user named, in this run and before.
 *
 * A root that is missing, or has no file below it any more, is taken for a
 * disc that is not plugged in: what the catalog holds of it stays. So does
 * what lies behind a barred folder. Only what is missing from a root that
 * could be walked is gone. Called by update.c and plan.c, one thread.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "embed/run.h"

static bool ends_with(const char *text, const char *ending)
{
    const size_t length = strlen(text), end = strlen(ending);
    return length >= end && strcmp(text + length - end, ending) == 0;
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
    if (folder && ends_with(root->real, ".akin"))
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

/* Whether the list has a file at or below the root. */
static bool has_files(const struct akin__run *run, const char *real)
{
    const struct akin__list *list = &run->list;
    size_t low = 0, high = list->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (akin__path_order(akin__item_path(list, &list->item[middle]), real) <
            0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < list->count &&
           akin__lies_in(akin__item_path(list, &list->item[low]), real))
        if (list->item[low++].what == AKIN__FILE)
            return true;
    return false;
}

akin_status akin__roots_walk(struct akin__run *run, akin_error *err)
{
    size_t walked = 0;
    for (uint32_t i = 0; i < run->given_count; i++) {
        const struct akin__root *root = &run->root[i];
        if (!root->walked)
            continue;
        const akin_status status =
            akin__walk(&run->list, root->real, &root->st, i, go_on, run, err);
        if (status)
            return status;
        walked++;
    }
    if (walked > 1)
        akin__list_sort(&run->list);
    for (size_t i = 0; i < run->root_count; i++)
        run->root[i].empty =
            !run->root[i].real || !has_files(run, run->root[i].real);
    return AKIN_OK;
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
        if (root->real && root->empty && akin__lies_in(path, root->real)) {
            root->kept++;
            return true;
        }
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
                 "no file is there now; the index keeps %llu of its pictures",
                 (unsigned long long)root->kept);
        run->options.notice(run->options.context, root->given, reason, 0);
    }
}

bool akin__roots_hold(const struct akin__run *run)
{
    struct stat st;
    for (size_t i = 0; i < run->given_count; i++) {
        const struct akin__root *root = &run->root[i];
        if (root->walked &&
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
}
