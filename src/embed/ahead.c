/*
 * Ahead (ahead.h): a ring of files under a lock of its own, which nobody holds
 * while he reads.
 */
#include "embed/ahead.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"

/*
 * How far ahead: 64 small photos, or six of twelve megapixels, are what two
 * cores embed in a second or so, which bridges the pauses of a network or of
 * a disc that spins up. A file beyond the bytes that are left is read when its
 * turn has come.
 */
enum { AHEAD_FILES = 64, AHEAD_BYTES = 32 << 20 };

struct akin__ahead {
    const struct akin__list *list;
    uint64_t file_bytes;

    struct akin__lock lock; /* over all that follows */
    size_t next;            /* item that nobody has begun */
    struct akin__handed ring[AHEAD_FILES];
    size_t first, count; /* of the ring */
    uint64_t bytes;      /* of the files in it */
    bool reading;        /* a file is on its way into the ring */
    bool stopped;
    double seconds; /* spent on reading */
};

akin_status akin__ahead_open(struct akin__ahead **out,
                             const struct akin__list *list, uint64_t file_bytes,
                             akin_error *err)
{
    struct akin__ahead *ahead = akin__calloc(1, sizeof *ahead);
    *out = ahead;
    if (!ahead)
        return akin__fail(err, AKIN_ENOMEM, "no memory to read ahead");
    ahead->list = list;
    ahead->file_bytes = file_bytes;
    akin__lock_open(&ahead->lock);
    return AKIN_OK;
}

void akin__ahead_close(struct akin__ahead **ahead)
{
    struct akin__ahead *a = *ahead;
    if (!a)
        return;
    for (; a->count; a->count--)
        akin__free(a->ring[a->first++ % AHEAD_FILES].bytes);
    akin__lock_close(&a->lock);
    akin__free(a);
    *ahead = NULL;
}

static void begin(const struct akin__ahead *ahead,
                  const struct akin__item *item, struct akin__handed *file)
{
    memset(file, 0, sizeof *file);
    file->item = item;
    file->path = akin__item_path(ahead->list, item);
}

/* Without the lock. */
static void read_file(struct akin__ahead *ahead, struct akin__handed *file)
{
    const double start = akin__seconds();
    file->status = akin__read_file(file->path, ahead->file_bytes, &file->bytes,
                                   &file->count, &file->st, &file->cause);
    akin__lock_take(&ahead->lock);
    ahead->seconds += akin__seconds() - start;
    akin__lock_give(&ahead->lock);
}

/* Whether the next item may be read ahead. */
static bool has_room(const struct akin__ahead *ahead)
{
    return ahead->count < AHEAD_FILES &&
           ahead->bytes + ahead->list->item[ahead->next].bytes <= AHEAD_BYTES;
}

void akin__ahead_read(struct akin__ahead *ahead)
{
    struct akin__handed file;
    akin__lock_take(&ahead->lock);
    for (;;) {
        while (!ahead->stopped && ahead->next < ahead->list->count &&
               !has_room(ahead))
            akin__lock_wait(&ahead->lock);
        if (ahead->stopped || ahead->next >= ahead->list->count)
            break;
        begin(ahead, &ahead->list->item[ahead->next++], &file);
        ahead->reading = true;
        akin__lock_give(&ahead->lock);
        read_file(ahead, &file);
        akin__lock_take(&ahead->lock);
        ahead->reading = false;
        ahead->ring[(ahead->first + ahead->count++) % AHEAD_FILES] = file;
        ahead->bytes += file.count;
        akin__lock_ring(&ahead->lock);
    }
    akin__lock_give(&ahead->lock);
}

bool akin__ahead_take(struct akin__ahead *ahead, struct akin__handed *file)
{
    bool begun = false;
    akin__lock_take(&ahead->lock);
    /* The last file may still be on its way. */
    while (!ahead->stopped && !ahead->count && ahead->reading &&
           ahead->next >= ahead->list->count)
        akin__lock_wait(&ahead->lock);
    const bool queued = !ahead->stopped && ahead->count;
    if (queued) {
        *file = ahead->ring[ahead->first++ % AHEAD_FILES];
        ahead->count--;
        ahead->bytes -= file->count;
    } else if (!ahead->stopped && ahead->next < ahead->list->count) {
        begin(ahead, &ahead->list->item[ahead->next++], file);
        begun = true;
    }
    akin__lock_ring(&ahead->lock);
    akin__lock_give(&ahead->lock);
    if (begun)
        read_file(ahead, file);
    return queued || begun;
}

void akin__ahead_again(struct akin__ahead *ahead, const struct akin__item *item,
                       struct akin__handed *file)
{
    begin(ahead, item, file);
    read_file(ahead, file);
}

double akin__ahead_seconds(struct akin__ahead *ahead)
{
    akin__lock_take(&ahead->lock);
    const double seconds = ahead->seconds;
    akin__lock_give(&ahead->lock);
    return seconds;
}

void akin__ahead_stop(struct akin__ahead *ahead)
{
    akin__lock_take(&ahead->lock);
    ahead->stopped = true;
    akin__lock_ring(&ahead->lock);
    akin__lock_give(&ahead->lock);
}
