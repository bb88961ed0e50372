/*
 * Which file a row is of (import.h). `akin index` will meet the file by the
 * real path of a folder that it was given and the names below it; the real
 * path of the folder that holds it is that, unless links lead there, and then
 * the content tells.
 */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "embed/import.h"

void akin__import_paths_close(struct akin__import_paths *paths)
{
    akin__free(paths->asked);
    akin__free(paths->real);
    paths->asked = paths->real = NULL;
}

/* Without ".", ".." and double slashes; `path` is absolute and is changed. */
static void tidy(char *path)
{
    char *to = path;
    for (const char *from = path; *from;) {
        const size_t slashes = strspn(from, "/");
        const char *name = from + slashes;
        const size_t length = strcspn(name, "/");
        from = name + length;
        if (!length || (length == 1 && name[0] == '.'))
            continue;
        if (length == 2 && name[0] == '.' && name[1] == '.') {
            while (to > path && *--to != '/')
                ;
            continue;
        }
        *to++ = '/';
        memmove(to, name, length);
        to += length;
    }
    *to = 0;
}

/* Where `folder` (absolute, with its last slash) is, into paths->real, which
 * has no slash at its end. */
static akin_status find_folder(struct akin__import_paths *paths,
                               const char *folder, akin_error *err)
{
    if (paths->asked && strcmp(paths->asked, folder) == 0)
        return AKIN_OK;
    akin__import_paths_close(paths);
    if (akin__real_path(folder, &paths->real, NULL) != AKIN_OK)
        paths->real = akin__strdup(folder);
    paths->asked = akin__strdup(folder);
    if (!paths->asked || !paths->real)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", folder);
    tidy(paths->real);
    return AKIN_OK;
}

akin_status akin__import_path(struct akin__import_paths *paths,
                              const char *given, uint64_t row, char **absolute,
                              akin_error *err)
{
    char *whole = *given == '/' ? akin__strdup(given)
                                : akin__format("%s/%s", paths->base, given);
    char *name = whole ? strrchr(whole, '/') + 1 : NULL;
    akin_status status = AKIN_OK;
    *absolute = NULL;
    AKIN_CHECK(whole, err, AKIN_ENOMEM, "%s: no memory", given);
    AKIN_CHECK(*name && strcmp(name, ".") && strcmp(name, ".."), err,
               AKIN_EFORMAT,
               "the path of row %llu (the first is 0) names no file: %s",
               (unsigned long long)row, given);
    const char first = *name;
    *name = 0; /* only the folder, for a moment */
    status = find_folder(paths, whole, err);
    *name = first;
    AKIN_TRY(status);
    *absolute = akin__format("%s/%s", paths->real, name);
    AKIN_CHECK(*absolute, err, AKIN_ENOMEM, "%s: no memory", given);
out:
    akin__free(whole);
    return status;
}
