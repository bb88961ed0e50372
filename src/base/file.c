/*
 * Files: thin, retried on EINTR, every message with its path.
 *
 * The one policy here is durability: a file that replaces another is written
 * aside, synced and renamed, and the folder is synced after, because without
 * that a crash may bring back the old name (ext4, xfs).
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/mapped.h"
#include "base/memory.h"

int (*akin__fault)(const char *call, const char *path);

akin_status akin__stat(const char *path, struct stat *st, akin_error *err)
{
    if (stat(path, st) != 0)
        return akin__fail_errno(err, errno, "%s", path);
    return AKIN_OK;
}

bool akin__is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool akin__exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool akin__is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

akin_status akin__read_file(const char *path, uint64_t limit, uint8_t **bytes,
                            size_t *count, struct stat *st_out, akin_error *err)
{
    struct akin__file file = {.fd = -1};
    struct stat st;
    uint8_t *memory = NULL;
    akin_status status = AKIN_OK;
    *bytes = NULL;
    *count = 0;

    AKIN_TRY(akin__file_open(&file, path, AKIN__READ, err));
    if (fstat(file.fd, &st) != 0) {
        status = akin__fail_errno(err, errno, "%s", path);
        goto out;
    }
    AKIN_CHECK(!S_ISDIR(st.st_mode), err, AKIN_EIO, "%s: is a folder", path);
    AKIN_CHECK(S_ISREG(st.st_mode), err, AKIN_EIO, "%s: is no regular file",
               path);
    AKIN_CHECK((uint64_t)st.st_size <= limit, err, AKIN_ELIMIT,
               "%s: file has %lld bytes (limit %llu)", path,
               (long long)st.st_size, (unsigned long long)limit);
    memory = akin__alloc((size_t)st.st_size, 1);
    AKIN_CHECK(memory, err, AKIN_ENOMEM, "%s: no memory for %lld bytes", path,
               (long long)st.st_size);
    AKIN_TRY(akin__file_read(&file, memory, (size_t)st.st_size, 0, err));
    *bytes = memory;
    *count = (size_t)st.st_size;
    memory = NULL;
    if (st_out)
        *st_out = st;
out:
    akin__free(memory);
    akin__file_close(&file);
    return status;
}

akin_status akin__file_open(struct akin__file *file, const char *path,
                            enum akin__open_mode mode, akin_error *err)
{
    /* O_NONBLOCK: a named pipe among the photos must not stop the walk. */
    static const int flags[] = {
        [AKIN__READ] = O_RDONLY | O_NONBLOCK,
        [AKIN__WRITE] = O_RDWR,
        [AKIN__CREATE] = O_RDWR | O_CREAT,
        [AKIN__FRESH] = O_RDWR | O_CREAT | O_TRUNC,
        [AKIN__ONLY_NEW] = O_RDWR | O_CREAT | O_EXCL,
    };
    *file = (struct akin__file){.fd = -1, .path = akin__strdup(path)};
    if (!file->path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    do {
        file->fd = akin__fails("open", path)
                       ? -1
                       : open(path, flags[mode] | O_CLOEXEC, 0666);
    } while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        const akin_status status = akin__fail_errno(err, errno, "%s", path);
        akin__file_close(file);
        return status;
    }
    return AKIN_OK;
}

void akin__file_close(struct akin__file *file)
{
    akin__mapped_close(file);
    if (file->fd >= 0)
        close(file->fd);
    akin__free(file->path);
    file->fd = -1;
    file->path = NULL;
}

akin_status akin__file_size(const struct akin__file *file, uint64_t *bytes,
                            akin_error *err)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return akin__fail_errno(err, errno, "%s", file->path);
    *bytes = (uint64_t)st.st_size;
    return AKIN_OK;
}

akin_status akin__file_read(const struct akin__file *file, void *bytes,
                            size_t count, uint64_t offset, akin_error *err)
{
    uint8_t *at = bytes;
    while (count) {
        const ssize_t got = akin__fails("read", file->path)
                                ? -1
                                : pread(file->fd, at, count, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return akin__fail_errno(err, errno, "%s", file->path);
        if (got == 0)
            return akin__fail(err, AKIN_EFORMAT,
                              "%s: ends at byte %llu, %zu bytes too early",
                              file->path, (unsigned long long)offset, count);
        at += got;
        count -= (size_t)got;
        offset += (uint64_t)got;
    }
    return AKIN_OK;
}

akin_status akin__file_write(const struct akin__file *file, const void *bytes,
                             size_t count, uint64_t offset, akin_error *err)
{
    const uint8_t *at = bytes;
    while (count) {
        const ssize_t put = akin__fails("write", file->path)
                                ? -1
                                : pwrite(file->fd, at, count, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return akin__fail_errno(err, errno, "%s: %zu bytes not written",
                                    file->path, count);
        at += put;
        count -= (size_t)put;
        offset += (uint64_t)put;
    }
    return AKIN_OK;
}

akin_status akin__file_truncate(const struct akin__file *file, uint64_t bytes,
                                akin_error *err)
{
    if (akin__fails("truncate", file->path) ||
        ftruncate(file->fd, (off_t)bytes) != 0)
        return akin__fail_errno(err, errno, "%s", file->path);
    return AKIN_OK;
}

akin_status akin__file_sync(const struct akin__file *file, akin_error *err)
{
    if (akin__fails("sync", file->path) || fsync(file->fd) != 0)
        return akin__fail_errno(err, errno, "%s: not synced", file->path);
    return AKIN_OK;
}

akin_status akin__file_lock(const struct akin__file *file, bool *taken,
                            akin_error *err)
{
    *taken = flock(file->fd, LOCK_EX | LOCK_NB) == 0;
    if (!*taken && errno != EWOULDBLOCK)
        return akin__fail_errno(err, errno, "%s: cannot be locked", file->path);
    return AKIN_OK;
}

akin_status akin__free_space(const char *path, uint64_t *bytes, akin_error *err)
{
    struct statvfs system;
    if (statvfs(path, &system) != 0)
        return akin__fail_errno(err, errno, "%s", path);
    *bytes = (uint64_t)system.f_bavail * system.f_frsize;
    return AKIN_OK;
}

akin_status akin__sync_folder(const char *path, akin_error *err)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return akin__fail_errno(err, errno, "%s", path);
    akin_status status = AKIN_OK;
    /* Some network file systems cannot sync a folder and say EINVAL. */
    if ((akin__fails("sync", path) || fsync(fd) != 0) && errno != EINVAL)
        status = akin__fail_errno(err, errno, "%s: not synced", path);
    close(fd);
    return status;
}

akin_status akin__sync_disc(const char *path, akin_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return akin__fail_errno(err, errno, "%s", path);
    akin_status status = AKIN_OK;
    if (akin__fails("sync", path) || syncfs(fd) != 0)
        status = akin__fail_errno(err, errno, "%s: not synced", path);
    close(fd);
    return status;
}

akin_status akin__rename(const char *from, const char *to, akin_error *err)
{
    if (akin__fails("rename", to) || rename(from, to) != 0)
        return akin__fail_errno(err, errno, "%s", to);
    return AKIN_OK;
}

akin_status akin__rename_new(const char *from, const char *to, akin_error *err)
{
    int done = -1;
    if (!akin__fails("rename", to)) {
        done = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
        /* Some file systems cannot; then a look must do. */
        if (done && (errno == EINVAL || errno == ENOSYS)) {
            errno = EEXIST;
            if (!akin__exists(to))
                done = rename(from, to);
        }
    }
    return done ? akin__fail_errno(err, errno, "%s", to) : AKIN_OK;
}

akin_status akin__remove(const char *path, akin_error *err)
{
    if ((akin__fails("remove", path) || remove(path) != 0) && errno != ENOENT)
        return akin__fail_errno(err, errno, "%s", path);
    return AKIN_OK;
}

akin_status akin__make_folders(const char *path, akin_error *err)
{
    char *prefix = akin__strdup(path);
    if (!prefix)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    akin_status status = AKIN_OK;
    for (char *at = prefix + 1; !status; at++) {
        if (*at != '/' && *at != 0)
            continue;
        const char end = *at;
        *at = 0;
        if ((akin__fails("mkdir", prefix) || mkdir(prefix, 0777) != 0) &&
            (errno != EEXIST || !akin__is_folder(prefix)))
            status = akin__fail_errno(err, errno, "%s", prefix);
        *at = end;
        if (!end)
            break;
    }
    akin__free(prefix);
    return status;
}

akin_status akin__symlink(const char *target, const char *path, akin_error *err)
{
    const size_t room = strlen(path) + 32;
    char *aside = akin__alloc(room, 1);
    if (!aside)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    snprintf(aside, room, "%s.%ld.tmp", path, (long)getpid());
    akin_status status = akin__remove(aside, err);
    if (!status && symlink(target, aside) != 0)
        status = akin__fail_errno(err, errno, "%s", path);
    else if (!status)
        status = akin__rename(aside, path, err);
    akin__free(aside);
    return status;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

akin_status akin__names_add(struct akin__names *names, const char *name,
                            akin_error *err)
{
    if (names->count == names->capacity) {
        const size_t more = names->capacity ? 2 * names->capacity : 64;
        char **grown = akin__realloc(names->name, more, sizeof *grown);
        if (!grown)
            return akin__fail(err, AKIN_ENOMEM, "no memory for %zu names",
                              more);
        names->name = grown;
        names->capacity = more;
    }
    names->name[names->count] = akin__strdup(name);
    if (!names->name[names->count])
        return akin__fail(err, AKIN_ENOMEM, "no memory for a name");
    names->count++;
    return AKIN_OK;
}

akin_status akin__list_folder(const char *path, struct akin__names *names,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    memset(names, 0, sizeof *names);
    DIR *folder = opendir(path);
    if (!folder)
        return akin__fail_errno(err, errno, "%s", path);
    while (!status) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry && errno)
            status = akin__fail_errno(err, errno, "%s", path);
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            status = akin__names_add(names, entry->d_name, err);
    }
    closedir(folder);
    if (status)
        akin__names_free(names);
    else if (names->count)
        qsort(names->name, names->count, sizeof *names->name, by_bytes);
    return status;
}

void akin__names_free(struct akin__names *names)
{
    for (size_t i = 0; i < names->count; i++)
        akin__free(names->name[i]);
    akin__free(names->name);
    memset(names, 0, sizeof *names);
}

bool akin__lies_in(const char *path, const char *folder)
{
    const size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 &&
           (path[length] == 0 || path[length] == '/' ||
            (length && folder[length - 1] == '/'));
}

char *akin__join(const char *folder, const char *name)
{
    const size_t length = strlen(folder);
    const size_t room = length + strlen(name) + 2;
    char *path = akin__alloc(room, 1);
    if (path)
        snprintf(path, room, "%s%s%s", folder,
                 length && folder[length - 1] == '/' ? "" : "/", name);
    return path;
}

char *akin__parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return akin__strdup(".");
    char *parent = akin__strdup(path);
    if (parent)
        parent[slash == path ? 1 : slash - path] = 0;
    return parent;
}

akin_status akin__real_path(const char *path, char **real, akin_error *err)
{
    char found[PATH_MAX];
    *real = NULL;
    if (!realpath(path, found))
        return akin__fail_errno(err, errno, "%s", path);
    *real = akin__strdup(found);
    return *real ? AKIN_OK
                 : akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
}
