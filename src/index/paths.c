/*
 * Paths: three forms of one. Stored, relative to the folder that holds the
 * index where the file lies below it, so that a moved disc keeps working;
 * absolute, for the pipeline; shown, as the caller could open it from where he
 * stands. The folder itself is stored as ".".
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"

/* The length of `path` up to its last name, the slash included. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash + 1 - path) : 0;
}

static char *copy(const char *text, size_t length)
{
    return akin__format("%.*s", (int)length, text);
}

/* Where the caller finds base: the folder part of what he gave when it leads
 * there (the index is no link), else base itself. */
static char *make_prefix(const akin_index *index)
{
    char *folder = copy(index->path, folder_length(index->path));
    char *real = NULL, *prefix = NULL;
    akin_error ignored;
    if (folder && !akin__real_path(*folder ? folder : ".", &real, &ignored) &&
        strcmp(real, *index->base ? index->base : "/") == 0)
        prefix = akin__strdup(strcmp(folder, "./") ? folder : "");
    else
        prefix = akin__format("%s/", index->base);
    akin__free(folder);
    akin__free(real);
    return prefix;
}

akin_status akin__index_place(akin_index *index, const char *path,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    AKIN_TRY(akin__real_path(path, &index->real, err));
    index->base = copy(index->real, folder_length(index->real) - 1);
    AKIN_CHECK(index->base, err, AKIN_ENOMEM, "%s: no memory", path);
    index->prefix = make_prefix(index);
    AKIN_CHECK(index->prefix, err, AKIN_ENOMEM, "%s: no memory", path);
out:
    return status;
}

const char *akin__stored_path(const akin_index *index, const char *path)
{
    const size_t length = strlen(index->base);
    if (strncmp(path, index->base, length) != 0)
        return path;
    if (path[length] == 0 || (length == 0 && strcmp(path, "/") == 0))
        return ".";
    return path[length] == '/' ? path + length + 1 : path;
}

static char *join(const char *prefix, const char *stored)
{
    if (stored[0] == '/')
        return akin__strdup(stored);
    if (strcmp(stored, ".") != 0)
        return akin__format("%s%s", prefix, stored);
    const size_t length = strlen(prefix);
    return length > 1 ? copy(prefix, length - 1)
                      : akin__strdup(length ? prefix : ".");
}

char *akin__absolute_path(const akin_index *index, const char *stored)
{
    char *prefix = akin__format("%s/", index->base);
    char *path = prefix ? join(prefix, stored) : NULL;
    akin__free(prefix);
    return path;
}

char *akin__shown_path(const akin_index *index, const char *stored)
{
    return join(index->prefix, stored);
}

/* ------------------------------------------------ lasting strings ------ */

/* FNV-1a: spreads file names well enough. */
static size_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    return (size_t)hash;
}

/* Where `text` is or belongs. */
static char **slot_of(const struct akin__strings *strings, const char *text)
{
    size_t at = hash_of(text) & (strings->capacity - 1);
    while (strings->slot[at] && strcmp(strings->slot[at], text) != 0)
        at = (at + 1) & (strings->capacity - 1);
    return &strings->slot[at];
}

static bool strings_grow(struct akin__strings *strings)
{
    struct akin__strings wider = {
        NULL, strings->count, strings->capacity ? 2 * strings->capacity : 64};
    if (2 * (strings->count + 1) <= strings->capacity)
        return true;
    wider.slot = akin__calloc(wider.capacity, sizeof *wider.slot);
    if (!wider.slot)
        return false;
    for (size_t i = 0; i < strings->capacity; i++) {
        if (strings->slot[i])
            *slot_of(&wider, strings->slot[i]) = strings->slot[i];
    }
    akin__free(strings->slot);
    *strings = wider;
    return true;
}

akin_status akin__lasting_path(akin_index *index, const char *stored,
                               const char **path, akin_error *err)
{
    struct akin__strings *strings = &index->strings;
    char *shown = akin__shown_path(index, stored);
    if (!shown || !strings_grow(strings)) {
        akin__free(shown);
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", index->path);
    }
    char **slot = slot_of(strings, shown);
    if (*slot) {
        akin__free(shown);
    } else {
        *slot = shown;
        strings->count++;
    }
    *path = *slot;
    return AKIN_OK;
}

void akin__strings_free(struct akin__strings *strings)
{
    for (size_t i = 0; i < strings->capacity; i++)
        akin__free(strings->slot[i]);
    akin__free(strings->slot);
    memset(strings, 0, sizeof *strings);
}
