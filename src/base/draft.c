/* Draft (draft.h), and akin__replace_file (file.h), which is one in memory. */
#include "base/draft.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

akin_status akin__draft_open(struct akin__draft *draft, const char *path,
                             akin_error *err)
{
    struct stat st;
    char *aside = NULL;
    akin_error why;
    akin_status status = AKIN_OK;
    *draft = (struct akin__draft){{.fd = -1}, NULL};
    if (akin__stat(path, &st, NULL) == AKIN_OK) {
        AKIN_CHECK(!S_ISDIR(st.st_mode), err, AKIN_EIO, "%s: is a folder",
                   path);
        AKIN_CHECK(S_ISREG(st.st_mode), err, AKIN_EIO, "%s: is no regular file",
                   path);
    }
    aside = akin__format("%s.%ld.tmp", path, (long)getpid());
    draft->path = akin__strdup(path);
    AKIN_CHECK(aside && draft->path, err, AKIN_ENOMEM, "%s: no memory", path);
    status = akin__file_open(&draft->file, aside, AKIN__FRESH, &why);
    if (status) /* nobody asked for the name that it has until it is whole */
        akin__fail(err, status, "%s: cannot be written: %s", path,
                   akin__reason(&why, aside));
out:
    if (status)
        akin__draft_drop(draft);
    akin__free(aside);
    return status;
}

akin_status akin__draft_commit(struct akin__draft *draft, akin_error *err)
{
    char *parent = akin__parent(draft->path);
    akin_status status = AKIN_OK;
    AKIN_CHECK(parent, err, AKIN_ENOMEM, "%s: no memory", draft->path);
    AKIN_TRY(akin__file_sync(&draft->file, err));
    AKIN_TRY(akin__rename(draft->file.path, draft->path, err));
    akin__file_close(&draft->file);
    status = akin__sync_folder(parent, err);
out:
    akin__draft_drop(draft);
    akin__free(parent);
    return status;
}

akin_status akin__draft_place(struct akin__draft *draft, akin_error *err)
{
    const akin_status status = akin__rename(draft->file.path, draft->path, err);
    if (!status)
        akin__file_close(&draft->file);
    akin__draft_drop(draft);
    return status;
}

void akin__draft_drop(struct akin__draft *draft)
{
    if (draft->file.fd >= 0) /* what cannot be removed is left behind */
        akin__remove(draft->file.path, NULL);
    akin__file_close(&draft->file);
    akin__free(draft->path);
    draft->path = NULL;
}

akin_status akin__replace_file(const char *path, const void *bytes,
                               size_t count, akin_error *err)
{
    struct akin__draft draft;
    akin_status status = akin__draft_open(&draft, path, err);
    if (status)
        return status;
    status = akin__file_write(&draft.file, bytes, count, 0, err);
    if (!status)
        return akin__draft_commit(&draft, err);
    akin__draft_drop(&draft);
    return status;
}
