/*
 * Act: what is done with a copy that is not kept. What the index knows may be
 * old, so that before anything is touched both files are looked at again.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/link.h"
#include "base/memory.h"
#include "base/trash.h"

/* That the file is still the one that was indexed. */
static akin_status look_again(const akin_copy *copy, struct stat *st,
                              akin_error *err)
{
    const akin_status status = akin__stat(copy->path, st, err);
    if (status)
        return status;
    if (akin__is_link(copy->path) || !S_ISREG(st->st_mode))
        return akin__fail(err, AKIN_EUSAGE, "%s: is a link", copy->path);
    const int64_t time_ns =
        (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    if ((uint64_t)st->st_size != copy->bytes || time_ns != copy->mtime_ns)
        return akin__fail(err, AKIN_EUSAGE,
                          "%s: has changed since it was indexed; run akin "
                          "index again",
                          copy->path);
    return AKIN_OK;
}

static akin_status can_be_read(const char *path, akin_error *err)
{
    struct akin__file file;
    const akin_status status = akin__file_open(&file, path, AKIN__READ, err);
    if (!status)
        akin__file_close(&file);
    return status;
}

static akin_status check_link(const akin_copy *kept, const struct stat *a,
                              const akin_copy *copy, const struct stat *b,
                              akin_error *err)
{
    if (memcmp(kept->content, copy->content, sizeof kept->content) != 0)
        return akin__fail(err, AKIN_EUSAGE, "%s: is not byte for byte %s",
                          copy->path, kept->path);
    return akin__link_check(kept->path, a, copy->path, b, err);
}

static akin_status trash(const char *path, akin_deed *deed, akin_error *err)
{
    char *now;
    const akin_status status = akin__trash(path, &now, err);
    if (!status)
        snprintf(deed->to, sizeof deed->to, "%s", now);
    akin__free(now);
    return status;
}

akin_status akin_copy_act(const akin_copy *kept, const akin_copy *copy,
                          akin_action action, int really, akin_deed *deed,
                          akin_error *err)
{
    struct stat a, b;
    akin_status status = AKIN_OK;
    memset(deed, 0, sizeof *deed);
    AKIN_TRY(look_again(kept, &a, err));
    AKIN_TRY(akin__stat(copy->path, &b, err));
    /* Perhaps even one name, by two ways through linked folders. */
    deed->one_file = a.st_dev == b.st_dev && a.st_ino == b.st_ino;
    if (deed->one_file)
        goto out;
    AKIN_TRY(look_again(copy, &b, err));
    AKIN_TRY(can_be_read(kept->path, err));
    if (action == AKIN_ACTION_HARDLINK)
        AKIN_TRY(check_link(kept, &a, copy, &b, err));
    if (really && action == AKIN_ACTION_HARDLINK)
        AKIN_TRY(akin__link_over(kept->path, copy->path, err));
    else if (really)
        AKIN_TRY(trash(copy->path, deed, err));
    deed->freed = b.st_nlink == 1 ? copy->bytes : 0;
out:
    return status;
}
