/*
 * Watch (watch.h): a table of watch descriptors and paths, in order of
 * descriptor. The kernel counts them up, so that a new one nearly always
 * belongs at the end. A path that goes leaves a hole, and half a table of holes
 * is closed up.
 */
#include "base/watch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"

struct place {
    int descriptor;
    char *path; /* NULL: a hole */
};

struct akin__watch {
    int fd;
    struct place *place; /* [count of room] */
    size_t count, room, holes;
};

typedef akin_status (*visit_fn)(void *context, const char *path,
                                akin_error *err);

akin_status akin__watch_open(struct akin__watch **out, akin_error *err)
{
    struct akin__watch *watch = akin__calloc(1, sizeof *watch);
    *out = NULL;
    if (!watch)
        return akin__fail(err, AKIN_ENOMEM, "no memory to watch folders");
    watch->fd = akin__fails("inotify", "")
                    ? -1
                    : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        akin__free(watch);
        return akin__fail(err, AKIN_ELIMIT,
                          "the system gives no inotify: %s (limit: sysctl "
                          "fs.inotify.max_user_instances)",
                          strerror(errno));
    }
    *out = watch;
    return AKIN_OK;
}

void akin__watch_close(struct akin__watch **out)
{
    struct akin__watch *watch = *out;
    if (!watch)
        return;
    close(watch->fd);
    for (size_t i = 0; i < watch->count; i++)
        akin__free(watch->place[i].path);
    akin__free(watch->place);
    akin__free(watch);
    *out = NULL;
}

size_t akin__watch_count(const struct akin__watch *watch)
{
    return watch->count - watch->holes;
}

/* ---------------------------------------------------------------- table -- */

/* The first place of the descriptor, or where it belongs. */
static size_t find(const struct akin__watch *watch, int descriptor)
{
    size_t low = 0, high = watch->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (watch->place[middle].descriptor < descriptor)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void close_up(struct akin__watch *watch)
{
    size_t kept = 0;
    if (watch->holes <= watch->count / 2)
        return;
    for (size_t i = 0; i < watch->count; i++)
        if (watch->place[i].path)
            watch->place[kept++] = watch->place[i];
    watch->count = kept;
    watch->holes = 0;
}

static void drop(struct akin__watch *watch, size_t at)
{
    if (!watch->place[at].path)
        return;
    akin__free(watch->place[at].path);
    watch->place[at].path = NULL;
    watch->holes++;
}

static akin_status insert(struct akin__watch *watch, size_t at, int descriptor,
                          const char *path, akin_error *err)
{
    char *copy = akin__strdup(path);
    if (copy && watch->count == watch->room) {
        const size_t more = watch->room + watch->room / 2 + 64;
        struct place *larger =
            akin__realloc(watch->place, more, sizeof *larger);
        if (larger) {
            watch->place = larger;
            watch->room = more;
        }
    }
    if (!copy || watch->count == watch->room) {
        akin__free(copy);
        return akin__fail(err, AKIN_ENOMEM,
                          "%s: no memory to watch %zu folders", path,
                          watch->count);
    }
    memmove(watch->place + at + 1, watch->place + at,
            (watch->count - at) * sizeof *watch->place);
    watch->place[at] = (struct place){descriptor, copy};
    watch->count++;
    return AKIN_OK;
}

/* Whether the descriptor has a path left. */
static bool is_used(const struct akin__watch *watch, int descriptor)
{
    for (size_t i = find(watch, descriptor);
         i < watch->count && watch->place[i].descriptor == descriptor; i++)
        if (watch->place[i].path)
            return true;
    return false;
}

/* The folder has moved away, and all below it: their paths mean nothing. */
static void drop_below(struct akin__watch *watch, const char *folder)
{
    for (size_t i = 0; i < watch->count; i++) {
        if (!watch->place[i].path ||
            !akin__lies_in(watch->place[i].path, folder))
            continue;
        drop(watch, i);
        if (!is_used(watch, watch->place[i].descriptor))
            inotify_rm_watch(watch->fd, watch->place[i].descriptor);
    }
}

akin_status akin__watch_add(struct akin__watch *watch, const char *path,
                            akin_error *err)
{
    enum {
        WHAT = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE |
               IN_DELETE | IN_ATTRIB | IN_MOVE_SELF | IN_ONLYDIR
    };
    const int descriptor = akin__fails("watch", path)
                               ? -1
                               : inotify_add_watch(watch->fd, path, WHAT);
    if (descriptor < 0 && (errno == ENOSPC || errno == ENOMEM))
        return akin__fail(err, AKIN_ELIMIT,
                          "%s: the system watches no more than the %zu folders "
                          "before it (limit: sysctl "
                          "fs.inotify.max_user_watches)",
                          path, akin__watch_count(watch));
    if (descriptor < 0)
        return AKIN_OK;
    size_t at = find(watch, descriptor);
    for (; at < watch->count && watch->place[at].descriptor == descriptor; at++)
        if (watch->place[at].path && strcmp(watch->place[at].path, path) == 0)
            return AKIN_OK;
    return insert(watch, at, descriptor, path, err);
}

/* --------------------------------------------------------------- events -- */

/* A file that was just made and is still being written, as far as one can see:
 * it will be closed. A link, or a second name of a file, will not. */
static bool is_begun(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

/* What happened to the folder by one of its paths. */
static akin_status tell(struct akin__watch *watch, const char *folder,
                        const struct inotify_event *event, const char *name,
                        visit_fn visit, void *context, akin_error *err)
{
    const bool is_folder = event->mask & IN_ISDIR;
    char *path = event->len ? akin__join(folder, name) : akin__strdup(folder);
    if (!path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", folder);
    akin_status status = AKIN_OK;
    if ((is_folder && event->mask & IN_MOVED_FROM) ||
        event->mask & IN_MOVE_SELF)
        drop_below(watch, path);
    if (is_folder || !(event->mask & IN_CREATE) || !is_begun(path))
        status = visit(context, path, err);
    akin__free(path);
    return status;
}

static akin_status take(struct akin__watch *watch,
                        const struct inotify_event *event, const char *name,
                        visit_fn visit, void *context, akin_error *err)
{
    akin_status status = AKIN_OK;
    if (event->mask & IN_Q_OVERFLOW)
        return visit(context, NULL, err);
    for (size_t i = find(watch, event->wd);
         i < watch->count && watch->place[i].descriptor == event->wd && !status;
         i++) {
        if (!watch->place[i].path)
            continue;
        if (event->mask & IN_IGNORED) {
            drop(watch, i);
            continue;
        }
        /* drop_below may free it. */
        char *folder = akin__strdup(watch->place[i].path);
        status = folder ? tell(watch, folder, event, name, visit, context, err)
                        : akin__fail(err, AKIN_ENOMEM, "no memory for a path");
        akin__free(folder);
    }
    return status;
}

akin_status akin__watch_take(struct akin__watch *watch, double seconds,
                             visit_fn visit, void *context, akin_error *err)
{
    _Alignas(struct inotify_event) char bytes[16384];
    struct pollfd wait = {.fd = watch ? watch->fd : -1, .events = POLLIN};
    akin_status status = AKIN_OK;
    if (poll(&wait, 1, (int)(1000 * seconds)) <= 0)
        return AKIN_OK;
    while (!status) {
        const ssize_t count = read(watch->fd, bytes, sizeof bytes);
        if (count <= 0)
            break;
        for (size_t at = 0; at < (size_t)count && !status;) {
            struct inotify_event event;
            memcpy(&event, bytes + at, sizeof event);
            status = take(watch, &event, bytes + at + sizeof event, visit,
                          context, err);
            at += sizeof event + event.len;
        }
    }
    close_up(watch);
    return status;
}
