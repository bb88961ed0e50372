/*
 * Forget: what the user says is gone for good, a folder that was deleted or a
 * disc that will not come back, leaves the index without being looked at.
 */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

struct found {
    int64_t *id; /* [count of room] */
    size_t count, room;
    uint64_t pictures; /* of them; the others failed */
};

static akin_status note(void *context, const char *path,
                        const struct akin__entry *entry, akin_error *err)
{
    struct found *found = context;
    (void)path;
    if (found->count == found->room) {
        const size_t more = found->room * 2 + 64;
        int64_t *larger = akin__realloc(found->id, more, sizeof *larger);
        if (!larger)
            return akin__fail(err, AKIN_ENOMEM, "no memory for %zu files",
                              more);
        found->id = larger;
        found->room = more;
    }
    found->id[found->count++] = entry->id;
    found->pictures += !entry->failed;
    return AKIN_OK;
}

/* A root below the folder, to the names. */
struct roots {
    const char *folder;
    struct akin__names names;
};

static akin_status note_root(void *context, const char *root, akin_error *err)
{
    struct roots *roots = context;
    return akin__lies_in(root, roots->folder)
               ? akin__names_add(&roots->names, root, err)
               : AKIN_OK;
}

static akin_status forget_roots(akin_index *index, const char *folder,
                                bool *any, akin_error *err)
{
    struct roots roots = {.folder = folder};
    akin_status status = akin__index_each_root(index, note_root, &roots, err);
    for (size_t i = 0; i < roots.names.count && !status; i++) {
        const char *path = roots.names.name[i];
        *any = true;
        status = akin__stage(index, err);
        if (!status)
            status = akin__drop_if(
                index,
                akin__sql_run(&index->write.catalog, err,
                              "DELETE FROM roots WHERE path IN (?, ?)", "pp",
                              akin__stored_path(index, path), path));
    }
    akin__names_free(&roots.names);
    return status;
}

/* What is stored at or below `folder`, absolute. */
static akin_status forget_folder(akin_index *index, const char *folder,
                                 bool *any, uint64_t *removed, akin_error *err)
{
    struct found found = {0};
    akin_status status = akin__index_each(index, folder, note, &found, err);
    for (size_t i = 0; i < found.count && !status; i++)
        status = akin__index_forget(index, found.id[i], err);
    if (!status)
        status = forget_roots(index, folder, any, err);
    *any |= found.count > 0;
    *removed += found.pictures;
    akin__free(found.id);
    return status;
}

/* `path` as an absolute one without "." and "..", by its letters: what it names
 * need not be there. NULL when memory is short. */
static char *plain_path(const char *path)
{
    struct akin__text text = {0};
    char here[PATH_MAX] = "";
    if (path[0] != '/' && !getcwd(here, sizeof here))
        return NULL;
    char *whole = akin__format("%s/%s", here, path);
    for (char *name = whole; name && *name;) {
        const size_t length = strcspn(name, "/");
        if (length == 2 && name[0] == '.' && name[1] == '.') {
            while (text.length && text.bytes[--text.length] != '/')
                ;
        } else if (length && !(length == 1 && *name == '.')) {
            akin__text_add(&text, "/", 1);
            akin__text_add(&text, name, length);
        }
        name += length + (name[length] == '/');
    }
    char *plain = text.failed || !whole
                      ? NULL
                      : akin__format("%.*s", (int)text.length,
                                     text.length ? text.bytes : "");
    if (plain && !*plain) {
        akin__free(plain);
        plain = akin__strdup("/");
    }
    akin__free(whole);
    akin__text_free(&text);
    return plain;
}

akin_status akin_index_forget(akin_index *index, const char *path,
                              uint64_t *removed, akin_error *err)
{
    akin_error ignored;
    char *plain = NULL, *real = NULL;
    uint64_t count = 0;
    bool any = false;
    akin_status status = akin__writable(index, err);
    if (status)
        return status;
    plain = plain_path(path);
    AKIN_CHECK(plain, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(forget_folder(index, plain, &any, &count, err));
    /* Where links lead, as a root is kept. */
    if (!akin__real_path(path, &real, &ignored) && strcmp(real, plain) != 0)
        AKIN_TRY(forget_folder(index, real, &any, &count, err));
    AKIN_CHECK(any, err, AKIN_ENOTFOUND, "%s: nothing of it is in %s", path,
               index->path);
    AKIN_TRY(akin__index_commit(index, err));
    if (removed)
        *removed = count;
out:
    akin__free(plain);
    akin__free(real);
    return status;
}
