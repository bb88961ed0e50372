/*
 * Plan: the list of the walk against the catalog.
 *
 * A file whose path, size and modification time are known, and that has a row
 * for every model wanted, is not even opened. Of the others, one that bears
 * the suffix of a picture will be read as one; the rest is judged by its first
 * bytes, so that films and texts beside the photos cost one short read.
 * Called by update.c, one thread but for sniffing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "base/thread.h"
#include "embed/run.h"
#include "image/decoder.h"

enum {
    SNIFFED_BYTES = 4096, /* what akin__sniff is shown of a file */
    ASK_EVERY = 1024      /* items between two calls of progress */
};

static enum akin__state judge_file(const struct akin__run *run,
                                   const struct akin__item *item,
                                   const struct akin__entry *entry)
{
    const bool same =
        item->bytes == entry->bytes && item->mtime_ns == entry->mtime_ns;
    if (entry->failed) {
        const bool again = run->options.retry || entry->retryable || !same;
        return again ? AKIN__CHANGED : AKIN__SILENT;
    }
    /* What version 1 of the layout did not keep is looked up once. */
    return same && entry->looked && !(run->wanted & ~entry->rows)
               ? AKIN__UNCHANGED
               : AKIN__CHANGED;
}

static akin_status add_gone(struct akin__run *run,
                            const struct akin__entry *entry, akin_error *err)
{
    if (run->gone_count == run->gone_room) {
        const size_t more = run->gone_room + run->gone_room / 2 + 64;
        struct akin__gone *larger =
            akin__realloc(run->gone, more, sizeof *larger);
        if (!larger)
            return akin__fail(err, AKIN_ENOMEM,
                              "no memory for %zu files that "
                              "are gone",
                              more);
        run->gone = larger;
        run->gone_room = more;
    }
    run->gone[run->gone_count++] =
        (struct akin__gone){entry->id, entry->failed, false};
    return AKIN_OK;
}

/* Visits every entry of the catalog below the roots. */
static akin_status compare(void *context, const char *path,
                           const struct akin__entry *entry, akin_error *err)
{
    struct akin__run *run = context;
    struct akin__item *item = akin__list_find(&run->list, path);
    if (!item)
        return !akin__excluded(run, path) && akin__out_of_reach(run, path)
                   ? AKIN_OK
                   : add_gone(run, entry, err);
    if (item->what == AKIN__EXCLUDED || item->what == AKIN__DISC)
        return add_gone(run, entry, err);
    if (item->what == AKIN__FILE)
        item->state = (uint8_t)judge_file(run, item, entry);
    else
        item->state = AKIN__CHANGED;
    return AKIN_OK;
}

/* Whether another part holds this one. */
static bool is_inner(const struct akin__run *run, const struct akin__part *part)
{
    for (size_t i = 0; i < run->part_count; i++) {
        const struct akin__part *other = &run->part[i];
        if (other != part && akin__lies_in(part->path, other->path) &&
            (strcmp(part->path, other->path) != 0 || other < part))
            return true;
    }
    return false;
}

static akin_status compare_all(struct akin__run *run, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < run->part_count && !status; i++)
        if (!is_inner(run, &run->part[i]))
            status = akin__index_each(run->index, run->part[i].path, compare,
                                      run, err);
    return status;
}

/* Whether the first bytes are a picture's: 1 or 0; -1 when they cannot be
 * read. */
static int first_bytes(const char *path, uint64_t bytes)
{
    uint8_t head[SNIFFED_BYTES];
    struct akin__file file;
    const size_t count = bytes < sizeof head ? (size_t)bytes : sizeof head;
    if (akin__file_open(&file, path, AKIN__READ, NULL) != AKIN_OK)
        return -1;
    const akin_status status = akin__file_read(&file, head, count, 0, NULL);
    akin__file_close(&file);
    return status ? -1 : count && akin__sniff(head, count);
}

bool akin__is_picture(const char *path, uint64_t bytes)
{
    return akin__image_suffix(path) || first_bytes(path, bytes) == 1;
}

/* A file without the suffix of a picture: is it one? What cannot be opened
 * stays as it is; the pipeline will find out why. */
static akin_status sniff(void *context, size_t number, int thread,
                         akin_error *err)
{
    struct akin__run *run = context;
    struct akin__item *item = &run->list.item[number];
    const char *path = akin__item_path(&run->list, item);
    (void)thread;

    if (number % ASK_EVERY == 0) {
        akin__lock_take(&run->lock);
        const akin_status status =
            akin__progress(run, "files", number, run->list.count, err);
        akin__lock_give(&run->lock);
        if (status)
            return status;
    }
    if (item->what == AKIN__FILE && item->state <= AKIN__CHANGED &&
        !akin__image_suffix(path) && first_bytes(path, item->bytes) == 0)
        item->what = AKIN__OTHER;
    return AKIN_OK;
}

static akin_status settle_barred(struct akin__run *run,
                                 const struct akin__item *item, akin_error *err)
{
    const char *path = akin__item_path(&run->list, item);
    const char *reason = path + strlen(path) + 1; /* as walk.h says */
    struct akin__entry known, next;
    bool found;
    memset(&known, 0, sizeof known);
    memset(&next, 0, sizeof next);
    const akin_status status =
        akin__index_find(run->index, path, &known, &found, err);
    return status ? status
                  : akin__fail_item(run, item, &known, &next, AKIN_EIO, reason,
                                    err);
}

/* What was a picture once and is none now is gone. */
static akin_status settle_other(struct akin__run *run,
                                const struct akin__item *item, akin_error *err)
{
    struct akin__entry known;
    bool found;
    run->report->skipped++;
    if (item->state == AKIN__NEW)
        return AKIN_OK;
    const akin_status status = akin__index_find(
        run->index, akin__item_path(&run->list, item), &known, &found, err);
    return status || !found ? status : add_gone(run, &known, err);
}

/* Count what needs no work and leave the rest in the list. */
static akin_status settle(struct akin__run *run, akin_error *err)
{
    akin_status status = AKIN_OK;
    size_t kept = 0;
    for (size_t i = 0; i < run->list.count && !status; i++) {
        const struct akin__item item = run->list.item[i];
        if (item.what == AKIN__BARRED)
            status = settle_barred(run, &item, err);
        else if (item.what == AKIN__OTHER)
            status = settle_other(run, &item, err);
        else if (item.what == AKIN__BUSY)
            status = run->watcher->busy(
                run->watcher->context, akin__item_path(&run->list, &item), err);
        else if (item.what != AKIN__FILE)
            continue;
        else if (item.state <= AKIN__CHANGED)
            run->list.item[kept++] = item;
        else {
            run->report->files++;
            run->report->unchanged += item.state == AKIN__UNCHANGED;
        }
    }
    run->list.count = kept;
    return status;
}

static int by_id(const void *a, const void *b)
{
    const struct akin__gone *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

akin_status akin__plan(struct akin__run *run, akin_error *err)
{
    akin_status status = compare_all(run, err);
    if (status)
        return status;
    akin__roots_tell_kept(run);
    status =
        akin__parallel(run->options.threads, run->list.count, sniff, run, err);
    if (!status)
        status = settle(run, err);
    if (run->gone_count)
        qsort(run->gone, run->gone_count, sizeof *run->gone, by_id);
    return status;
}

akin_status akin__plan_files(struct akin__run *run, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < run->list.count && !status; i++) {
        struct akin__item *item = &run->list.item[i];
        struct akin__entry entry;
        bool found;
        if (i % ASK_EVERY == 0)
            status = akin__progress(run, "files", i, run->list.count, err);
        if (!status)
            status =
                akin__index_find(run->index, akin__item_path(&run->list, item),
                                 &entry, &found, err);
        if (!status && found)
            item->state = (uint8_t)judge_file(run, item, &entry);
    }
    return status ? status : settle(run, err);
}

struct akin__gone *akin__find_gone(const struct akin__run *run, int64_t id)
{
    const struct akin__gone key = {.id = id};
    return run->gone_count ? bsearch(&key, run->gone, run->gone_count,
                                     sizeof *run->gone, by_id)
                           : NULL;
}

akin_status akin__forget_gone(struct akin__run *run, akin_error *err)
{
    akin_status status = AKIN_OK;
    if (!akin__roots_hold(run))
        return AKIN_OK;
    for (size_t i = 0; i < run->gone_count && !status; i++) {
        const struct akin__gone *gone = &run->gone[i];
        if (gone->moved)
            continue;
        status = akin__index_forget(run->index, gone->id, err);
        run->report->removed += !status && !gone->failed;
    }
    return status;
}
