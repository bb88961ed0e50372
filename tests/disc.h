/*
 * Disc: a log of what a process asks of the disc, and discs as a pulled plug
 * could leave them at any point of it.
 *
 * The calls that change files are replaced in the test program, for SQLite too.
 * While recording is on, those below disc_root are logged in order. disc_build
 * then makes a folder as it may be after the first calls of the log: what was
 * synced is there; of what was not, data and names of files alike, any part may
 * be missing or torn. A file's data and its name are synced each on its own, as
 * POSIX promises no more.
 *
 * One thread. Inode numbers must not be used again: a tmpfs.
 */
#ifndef AKIN_TESTS_DISC_H
#define AKIN_TESTS_DISC_H

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum disc_kind {
    DISC_WRITE,    /* data at offset of node */
    DISC_TRUNCATE, /* node to offset bytes */
    DISC_SYNC,     /* node's data, or the names in it when it is a folder */
    DISC_NAME,     /* `name` in the folder `parent` is node from now on */
    DISC_UNNAME    /* and now nothing */
};

struct disc_call {
    enum disc_kind kind;
    ino_t node, parent;
    bool folder; /* node is one */
    char name[64];
    uint64_t offset;
    size_t count;
    uint8_t *data; /* [count] */
    int acked;     /* commits that had been acknowledged before it */
};

static char disc_root[64]; /* what is recorded: it, and what lies below */
static bool disc_recording;
static struct disc_call *disc_log; /* [disc_calls] */
static size_t disc_calls, disc_room;
static int disc_acked;
static ino_t disc_node[1024]; /* by descriptor; 0: not recorded */
static bool disc_is_folder[1024];

static void disc_add(struct disc_call call)
{
    if (disc_calls == disc_room) {
        disc_room = disc_room ? 2 * disc_room : 1024;
        disc_log = realloc(disc_log, disc_room * sizeof *disc_log);
    }
    call.acked = disc_acked;
    disc_log[disc_calls++] = call;
}

static bool disc_below(const char *path)
{
    return disc_recording && strncmp(path, disc_root, strlen(disc_root)) == 0;
}

static ino_t disc_parent(const char *path, struct disc_call *call)
{
    char folder[4096];
    struct stat st;
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    snprintf(call->name, sizeof call->name, "%s", slash + 1);
    *slash = 0;
    return stat(folder, &st) == 0 ? st.st_ino : 0;
}

static void disc_name(const char *path, enum disc_kind kind)
{
    struct disc_call call = {.kind = kind};
    struct stat st = {0};
    if (stat(path, &st) != 0 && kind == DISC_NAME)
        return;
    call.node = st.st_ino;
    call.folder = S_ISDIR(st.st_mode);
    call.parent = disc_parent(path, &call);
    disc_add(call);
}

/* ------------------------------------------------ the replaced calls ---- */

/* `real`: the system's own function of that name. */
#define DISC_REAL(name, result, ...)                                           \
    static result (*real)(__VA_ARGS__);                                        \
    if (!real)                                                                 \
    *(void **)&real = dlsym(RTLD_NEXT, name)

static int disc_opened(int fd, const char *path, bool is_new)
{
    struct stat st;
    if (fd < 0 || fd >= 1024)
        return fd;
    disc_node[fd] = 0;
    if (!disc_below(path) || fstat(fd, &st) != 0)
        return fd;
    disc_node[fd] = st.st_ino;
    disc_is_folder[fd] = S_ISDIR(st.st_mode);
    if (is_new)
        disc_name(path, DISC_NAME);
    return fd;
}

typedef int (*disc_open_fn)(const char *, int, ...);

static int disc_open(disc_open_fn real, const char *path, int flags,
                     mode_t mode)
{
    const bool is_new =
        disc_below(path) && (flags & O_CREAT) && access(path, F_OK) != 0;
    const bool cut = disc_below(path) && (flags & O_TRUNC) && !is_new;
    const int fd = disc_opened(real(path, flags, mode), path, is_new);
    if (cut && fd >= 0)
        disc_add(
            (struct disc_call){.kind = DISC_TRUNCATE, .node = disc_node[fd]});
    return fd;
}

#define DISC_OPEN(function, symbol)                                            \
    int function(const char *path, int flags, ...) __asm__(symbol);            \
    int function(const char *path, int flags, ...)                             \
    {                                                                          \
        DISC_REAL(symbol, int, const char *, int, ...);                        \
        va_list more;                                                          \
        va_start(more, flags);                                                 \
        const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;        \
        va_end(more);                                                          \
        return disc_open(real, path, flags, mode);                             \
    }
DISC_OPEN(disc_open32, "open")
DISC_OPEN(disc_open64, "open64")

typedef ssize_t (*disc_pwrite_fn)(int, const void *, size_t, off_t);

static ssize_t disc_write(disc_pwrite_fn real, int fd, const void *bytes,
                          size_t count, off_t offset)
{
    const ssize_t put = real(fd, bytes, count, offset);
    if (put > 0 && fd < 1024 && disc_recording && disc_node[fd]) {
        struct disc_call call = {.kind = DISC_WRITE,
                                 .node = disc_node[fd],
                                 .offset = (uint64_t)offset,
                                 .count = (size_t)put,
                                 .data = malloc((size_t)put)};
        memcpy(call.data, bytes, (size_t)put);
        disc_add(call);
    }
    return put;
}

#define DISC_PWRITE(function, symbol)                                          \
    ssize_t function(int fd, const void *bytes, size_t count,                  \
                     off_t offset) __asm__(symbol);                            \
    ssize_t function(int fd, const void *bytes, size_t count, off_t offset)    \
    {                                                                          \
        DISC_REAL(symbol, ssize_t, int, const void *, size_t, off_t);          \
        return disc_write(real, fd, bytes, count, offset);                     \
    }
DISC_PWRITE(disc_pwrite32, "pwrite")
DISC_PWRITE(disc_pwrite64, "pwrite64")

#define DISC_TRUNCATE_CALL(function, symbol)                                   \
    int function(int fd, off_t bytes) __asm__(symbol);                         \
    int function(int fd, off_t bytes)                                          \
    {                                                                          \
        DISC_REAL(symbol, int, int, off_t);                                    \
        if (disc_recording && fd < 1024 && disc_node[fd])                      \
            disc_add((struct disc_call){.kind = DISC_TRUNCATE,                 \
                                        .node = disc_node[fd],                 \
                                        .offset = (uint64_t)bytes});           \
        return real(fd, bytes);                                                \
    }
DISC_TRUNCATE_CALL(disc_ftruncate32, "ftruncate")
DISC_TRUNCATE_CALL(disc_ftruncate64, "ftruncate64")

#define DISC_SYNC_CALL(function, symbol)                                       \
    int function(int fd) __asm__(symbol);                                      \
    int function(int fd)                                                       \
    {                                                                          \
        if (disc_recording && fd >= 0 && fd < 1024 && disc_node[fd])           \
            disc_add((struct disc_call){.kind = DISC_SYNC,                     \
                                        .node = disc_node[fd],                 \
                                        .folder = disc_is_folder[fd]});        \
        return 0; /* the disc is memory */                                     \
    }
DISC_SYNC_CALL(disc_fsync, "fsync")
DISC_SYNC_CALL(disc_fdatasync, "fdatasync")

#define DISC_REMOVE(function, symbol)                                          \
    int function(const char *path) __asm__(symbol);                            \
    int function(const char *path)                                             \
    {                                                                          \
        DISC_REAL(symbol, int, const char *);                                  \
        if (disc_below(path) && access(path, F_OK) == 0)                       \
            disc_name(path, DISC_UNNAME);                                      \
        return real(path);                                                     \
    }
DISC_REMOVE(disc_unlink, "unlink")
DISC_REMOVE(disc_remove, "remove")

int disc_rename(const char *from, const char *to) __asm__("rename");
int disc_rename(const char *from, const char *to)
{
    DISC_REAL("rename", int, const char *, const char *);
    const int failed = real(from, to);
    if (!failed && disc_below(to)) {
        struct disc_call gone = {.kind = DISC_UNNAME};
        disc_name(to, DISC_NAME);
        gone.parent = disc_parent(from, &gone);
        disc_add(gone);
    }
    return failed;
}

int disc_mkdir(const char *path, mode_t mode) __asm__("mkdir");
int disc_mkdir(const char *path, mode_t mode)
{
    DISC_REAL("mkdir", int, const char *, mode_t);
    const int failed = real(path, mode);
    if (!failed && disc_below(path))
        disc_name(path, DISC_NAME);
    return failed;
}

/* --------------------------------------------------- building a disc ---- */

/* What becomes of calls that were not synced. */
enum disc_loss { DISC_DROP, DISC_KEEP, DISC_ANY, DISC_TORN };

static unsigned disc_seed;

static unsigned disc_random(unsigned below)
{
    disc_seed = disc_seed * 1103515245 + 12345;
    return (disc_seed >> 16) % below;
}

/* Syncs that are not believed, to see that they are needed. */
enum { DISC_NO_FOLDERS = 1, DISC_NO_FILES = 2 };
static int disc_ignored;

/* Whether call `c` was synced before call `end`. */
static bool disc_is_synced(size_t c, size_t end)
{
    const struct disc_call *call = &disc_log[c];
    const bool naming = call->kind == DISC_NAME || call->kind == DISC_UNNAME;
    const ino_t node = naming ? call->parent : call->node;
    if (disc_ignored & (naming ? DISC_NO_FOLDERS : 0))
        return false;
    for (size_t i = c + 1; i < end; i++) {
        if (disc_log[i].kind == DISC_SYNC && disc_log[i].node == node)
            return naming || !(disc_ignored & DISC_NO_FILES);
    }
    return false;
}

/* Some of the sectors of a write. */
static void disc_tear(FILE *file, const struct disc_call *call)
{
    const size_t sector = disc_random(2) ? 512 : 4096;
    for (size_t at = 0; at < call->count; at += sector) {
        const size_t part =
            call->count - at < sector ? call->count - at : sector;
        fseek(file, (long)(call->offset + at), SEEK_SET);
        if (disc_random(2))
            fwrite(call->data + at, 1, part, file);
    }
}

static void disc_path(char *path, size_t room, const char *folder, ino_t node)
{
    snprintf(path, room, "%s/.node-%llu", folder, (unsigned long long)node);
}

static void disc_apply_data(const char *folder, const struct disc_call *call,
                            bool torn)
{
    char path[4096];
    disc_path(path, sizeof path, folder, call->node);
    FILE *file = fopen(path, "r+");
    if (!file)
        file = fopen(path, "w+");
    if (call->kind == DISC_TRUNCATE) {
        if (ftruncate(fileno(file), (off_t)call->offset) != 0)
            abort();
    } else if (torn) {
        disc_tear(file, call);
    } else {
        fseek(file, (long)call->offset, SEEK_SET);
        fwrite(call->data, 1, call->count, file);
    }
    fclose(file);
}

/* A call that was not synced: does it reach the disc? */
static bool disc_reaches(enum disc_loss loss)
{
    return loss == DISC_KEEP || (loss != DISC_DROP && disc_random(2));
}

struct disc_entry {
    ino_t parent, node;
    bool folder;
    char name[64];
};

/* Give the nodes their names, from the folders in `top` down. */
static void disc_link(const char *scratch, const char *folder, ino_t parent,
                      const struct disc_entry *entry, size_t entries)
{
    for (size_t i = 0; i < entries; i++) {
        char from[4096], to[4096];
        if (entry[i].parent != parent || !entry[i].node)
            continue;
        snprintf(to, sizeof to, "%s/%s", folder, entry[i].name);
        disc_path(from, sizeof from, scratch, entry[i].node);
        if (entry[i].folder) {
            mkdir(to, 0777);
            disc_link(scratch, to, entry[i].node, entry, entries);
        } else if (link(from, to) != 0) { /* nothing was ever written to it */
            FILE *file = fopen(to, "w");
            if (file)
                fclose(file);
        }
    }
}

/* What the first `end` calls may have left, as folder `to`, empty so far, in
 * place of disc_root. The nodes lie in `scratch`, which is empty too. */
static void disc_build(size_t end, enum disc_loss loss, const char *scratch,
                       const char *to, ino_t root)
{
    struct disc_entry entry[256];
    size_t entries = 0;
    for (size_t c = 0; c < end; c++) {
        const struct disc_call *call = &disc_log[c];
        const bool synced = disc_is_synced(c, end);
        if (call->kind == DISC_SYNC || (!synced && !disc_reaches(loss)))
            continue;
        if (call->kind == DISC_WRITE || call->kind == DISC_TRUNCATE) {
            disc_apply_data(scratch, call, !synced && loss == DISC_TORN);
            continue;
        }
        size_t i = 0;
        while (i < entries && (entry[i].parent != call->parent ||
                               strcmp(entry[i].name, call->name) != 0))
            i++;
        entries += i == entries && i < 256;
        entry[i].parent = call->parent;
        entry[i].node = call->kind == DISC_NAME ? call->node : 0;
        entry[i].folder = call->folder;
        snprintf(entry[i].name, sizeof entry[i].name, "%s", call->name);
    }
    disc_link(scratch, to, root, entry, entries);
}

static void disc_forget(void)
{
    for (size_t i = 0; i < disc_calls; i++)
        free(disc_log[i].data);
    free(disc_log);
    disc_log = NULL;
    disc_calls = disc_room = 0;
    disc_acked = 0;
}

#endif
