/*
 * Files: the only place of the library that opens, writes, syncs and renames.
 *
 * Tests make these calls fail one by one (fault.h), so everything that must
 * survive a full disc or a pulled plug goes through here. Messages begin with
 * the path.
 */
#ifndef AKIN_BASE_FILE_H
#define AKIN_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "akin.h"

/* Where a name leads, links followed: AKIN_ENOTFOUND, AKIN_EIO. */
akin_status akin__stat(const char *path, struct stat *st, akin_error *err);
bool akin__is_folder(const char *path);
bool akin__exists(const char *path);
bool akin__is_link(const char *path);

/*
 * The whole of a regular file into *bytes [*count], freed by akin__free.
 * AKIN_ELIMIT above `limit` bytes; AKIN_EIO for a folder or a special file,
 * which is never waited for. `st` may be NULL; it is taken from the open file.
 */
akin_status akin__read_file(const char *path, uint64_t limit, uint8_t **bytes,
                            size_t *count, struct stat *st, akin_error *err);

/*
 * Replace `path` by `bytes` [count]: written beside it, synced, renamed, the
 * folder synced. The old file stays whole until the new one is.
 */
akin_status akin__replace_file(const char *path, const void *bytes,
                               size_t count, akin_error *err);

/* An open file; every call names `path` in its message. */
struct akin__file {
    int fd;
    char *path;
    struct akin__mapping *mapping; /* mapped.h; NULL: none */
};
enum akin__open_mode {
    AKIN__READ,
    AKIN__WRITE,   /* must be there */
    AKIN__CREATE,  /* made if it is not there */
    AKIN__FRESH,   /* made, and emptied if it is there */
    AKIN__ONLY_NEW /* made; AKIN_EIO if it is there */
};
akin_status akin__file_open(struct akin__file *file, const char *path,
                            enum akin__open_mode mode, akin_error *err);
void akin__file_close(struct akin__file *file);
akin_status akin__file_size(const struct akin__file *file, uint64_t *bytes,
                            akin_error *err);
/* Exactly `count` bytes at `offset`; AKIN_EFORMAT when the file ends first. */
akin_status akin__file_read(const struct akin__file *file, void *bytes,
                            size_t count, uint64_t offset, akin_error *err);
akin_status akin__file_write(const struct akin__file *file, const void *bytes,
                             size_t count, uint64_t offset, akin_error *err);
akin_status akin__file_truncate(const struct akin__file *file, uint64_t bytes,
                                akin_error *err);
/* The bytes are on the disc when this says so; after a failure never retried:
 * the kernel may have dropped them. */
akin_status akin__file_sync(const struct akin__file *file, akin_error *err);
/* A lock of the whole file against other processes and handles: *taken says
 * whether it was free. Let go by closing. */
akin_status akin__file_lock(const struct akin__file *file, bool *taken,
                            akin_error *err);

/* Bytes that a user may still write where `path` lies. */
akin_status akin__free_space(const char *path, uint64_t *bytes,
                             akin_error *err);
akin_status akin__sync_folder(const char *path, akin_error *err);
/* All that was written to the file system of `path`. */
akin_status akin__sync_disc(const char *path, akin_error *err);
akin_status akin__rename(const char *from, const char *to, akin_error *err);
/* The same, but AKIN_EIO when there is something at `to`. */
akin_status akin__rename_new(const char *from, const char *to, akin_error *err);
/* A file or an empty folder; no error when it is not there. */
akin_status akin__remove(const char *path, akin_error *err);
/* The folder and those above it that are missing. */
akin_status akin__make_folders(const char *path, akin_error *err);
/* A link at `path`, in the place of what is there. */
akin_status akin__symlink(const char *target, const char *path,
                          akin_error *err);

/*
 * The names in a folder, sorted by bytes, without "." and "..". Freed by
 * akin__names_free.
 */
struct akin__names {
    char **name; /* [count] */
    size_t count, capacity;
};
akin_status akin__list_folder(const char *path, struct akin__names *names,
                              akin_error *err);
/* A copy of `name` at the end. */
akin_status akin__names_add(struct akin__names *names, const char *name,
                            akin_error *err);
void akin__names_free(struct akin__names *names);

/* The folder that holds `path`, allocated, "." when the path names none; NULL
 * when memory is short. */
char *akin__parent(const char *path);
/* Whether `path` is `folder` or lies below it. */
bool akin__lies_in(const char *path, const char *folder);
/* "a/b", allocated; NULL when memory is short. */
char *akin__join(const char *folder, const char *name);
/* The absolute path without links or dots, allocated. */
akin_status akin__real_path(const char *path, char **real, akin_error *err);

#endif
