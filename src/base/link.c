/* Link (link.h). */
#include "base/link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

enum { BLOCK_BYTES = 1 << 20 };

/* A file as it was when it was opened. */
struct side {
    const char *path;
    struct akin__file file;
    struct stat st;
};

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Whether the name still leads to the file, and nobody has written to it.
 * `whole`: nor changed anything else of it. */
static bool unchanged(const struct side *side, bool whole)
{
    struct stat st;
    return lstat(side->path, &st) == 0 && st.st_dev == side->st.st_dev &&
           st.st_ino == side->st.st_ino && st.st_size == side->st.st_size &&
           same_time(st.st_mtim, side->st.st_mtim) &&
           (!whole || same_time(st.st_ctim, side->st.st_ctim));
}

static akin_status open_side(struct side *side, const char *path,
                             akin_error *err)
{
    side->path = path;
    akin_status status = akin__file_open(&side->file, path, AKIN__READ, err);
    if (status)
        return status;
    if (fstat(side->file.fd, &side->st) != 0)
        return akin__fail_errno(err, errno, "%s", path);
    if (!S_ISREG(side->st.st_mode) || !unchanged(side, false))
        return akin__fail(err, AKIN_EUSAGE, "%s: is a link or no regular file",
                          path);
    return AKIN_OK;
}

akin_status akin__link_check(const char *kept, const struct stat *kept_st,
                             const char *path, const struct stat *st,
                             akin_error *err)
{
    if (kept_st->st_dev != st->st_dev)
        return akin__fail(err, AKIN_EUSAGE, "%s: is on another disc than %s",
                          path, kept);
    if (kept_st->st_uid != st->st_uid || kept_st->st_gid != st->st_gid)
        return akin__fail(err, AKIN_EUSAGE,
                          "%s: belongs to another user or group than %s", path,
                          kept);
    if (kept_st->st_mode != st->st_mode)
        return akin__fail(err, AKIN_EUSAGE, "%s: has mode %03o, %s has %03o",
                          path, (unsigned)st->st_mode & 07777, kept,
                          (unsigned)kept_st->st_mode & 07777);
    if (kept_st->st_size != st->st_size)
        return akin__fail(err, AKIN_EUSAGE, "%s: has %lld bytes, %s has %lld",
                          path, (long long)st->st_size, kept,
                          (long long)kept_st->st_size);
    return AKIN_OK;
}

static akin_status compare_bytes(const struct side *a, const struct side *b,
                                 akin_error *err)
{
    const uint64_t whole = (uint64_t)a->st.st_size;
    uint8_t *blocks = akin__alloc(2, BLOCK_BYTES);
    akin_status status = AKIN_OK;
    AKIN_CHECK(blocks, err, AKIN_ENOMEM, "%s: no memory", b->path);
    for (uint64_t at = 0; at < whole; at += BLOCK_BYTES) {
        const uint64_t left = whole - at;
        const size_t count = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        AKIN_TRY(akin__file_read(&a->file, blocks, count, at, err));
        AKIN_TRY(
            akin__file_read(&b->file, blocks + BLOCK_BYTES, count, at, err));
        AKIN_CHECK(memcmp(blocks, blocks + BLOCK_BYTES, count) == 0, err,
                   AKIN_EUSAGE, "%s: is not byte for byte %s", b->path,
                   a->path);
    }
out:
    akin__free(blocks);
    return status;
}

/* Make `aside` a name of a, and then the name that b had. */
static akin_status swap(const struct side *a, const struct side *b,
                        const char *aside, akin_error *err)
{
    struct stat st;
    if (akin__fails("link", aside) || link(a->path, aside) != 0)
        return akin__fail_errno(err, errno, "%s", aside);
    akin_status status = AKIN_OK;
    AKIN_CHECK(lstat(aside, &st) == 0 && st.st_ino == a->st.st_ino &&
                   unchanged(a, false) && unchanged(b, true),
               err, AKIN_EUSAGE, "%s: was changed while it was read", b->path);
    status = akin__rename(aside, b->path, err);
out:
    if (status) /* a third name that stays is no loss */
        akin__remove(aside, NULL);
    return status;
}

akin_status akin__link_over(const char *kept, const char *path, akin_error *err)
{
    struct side a = {.file.fd = -1}, b = {.file.fd = -1};
    char *aside = NULL, *folder = NULL;
    akin_status status = AKIN_OK;
    AKIN_TRY(open_side(&a, kept, err));
    AKIN_TRY(open_side(&b, path, err));
    if (a.st.st_dev == b.st.st_dev && a.st.st_ino == b.st.st_ino)
        goto out;
    AKIN_TRY(akin__link_check(kept, &a.st, path, &b.st, err));
    AKIN_TRY(compare_bytes(&a, &b, err));
    aside = akin__format("%s.%ld.tmp", path, (long)getpid());
    folder = akin__parent(path);
    AKIN_CHECK(aside && folder, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(swap(&a, &b, aside, err));
    status = akin__sync_folder(folder, err);
out:
    akin__file_close(&a.file);
    akin__file_close(&b.file);
    akin__free(aside);
    akin__free(folder);
    return status;
}

akin_status akin__link_new(const char *kept, const char *path, akin_error *err)
{
    if (akin__fails("link", path) ||
        linkat(AT_FDCWD, kept, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0)
        return akin__fail_errno(err, errno, "%s", path);
    return AKIN_OK;
}
