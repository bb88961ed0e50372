/* The index that a command means (index.h), found as git finds its own. */
#include "index.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli.h"

static const char usual[] = "photos.akin";

/* The nearest one above `folder`, which is cut short on the way; or NULL. */
static char *search_above(char *folder)
{
    char *slash;
    while ((slash = strrchr(folder, '/'))) {
        slash[slash == folder] = 0;
        char *path = akin__join(folder, usual);
        if (!path || akin__exists(path))
            return path;
        akin__free(path);
        if (slash == folder)
            break;
    }
    return NULL;
}

int cli_index_path(const char *given, int make, char **path)
{
    akin_error err;
    char *here = NULL;
    *path = NULL;
    if (given || akin__exists(usual)) {
        *path = akin__strdup(given ? given : usual);
        return *path ? 0 : cli_no_memory();
    }
    if (akin__real_path(".", &here, &err) != AKIN_OK)
        return cli_fail(ABOUT_OUTPUT, &err);
    *path = search_above(here);
    akin__free(here);
    if (!*path && make)
        *path = akin__strdup(usual);
    if (*path)
        return 0;
    if (make)
        return cli_no_memory();
    cli_say("there is no %s in this folder or above it: `akin index DIR` "
            "makes one, -i names another",
            usual);
    return CLI_INDEX;
}

int cli_index_open(const char *given, char **path, akin_index **index,
                   akin_index_info *info)
{
    akin_error err;
    *index = NULL;
    int code = cli_index_path(given, 0, path);
    if (code)
        return code;
    akin_status status = akin_index_open(index, *path, AKIN_INDEX_READ, &err);
    if (!status)
        status = akin_index_describe(*index, info, &err);
    return status ? cli_fail(ABOUT_INDEX, &err) : 0;
}

int cli_index_open_as(const char *path, akin_index_mode mode,
                      akin_index **index, akin_index_info *info)
{
    akin_error err;
    akin_status status = akin_index_open(index, path, mode, &err);
    if (status == AKIN_ENOTFOUND && mode != AKIN_INDEX_CREATE)
        return 0;
    if (!status)
        status = akin_index_describe(*index, info, &err);
    return status ? cli_fail(ABOUT_INDEX, &err) : 0;
}

int cli_certainty(akin_index *index, const char *model,
                  akin_certainty **certainty)
{
    akin_error err;
    int known;
    *certainty = akin__alloc(1, sizeof **certainty);
    if (!*certainty)
        return cli_no_memory();
    const akin_status status =
        akin_index_certainty(index, model, *certainty, &known, &err);
    if (status || !known) {
        akin__free(*certainty);
        *certainty = NULL;
    }
    return status ? cli_fail(ABOUT_INDEX, &err) : 0;
}

int cli_index_count(akin_index *index, akin_index_info *info)
{
    akin_error err;
    return akin_index_count(index, info, &err) ? cli_fail(ABOUT_INDEX, &err)
                                               : 0;
}

const char *cli_nearer(const char *path, const char *here)
{
    const size_t length = here ? strlen(here) : 0;
    if (length && strncmp(path, here, length) == 0 && path[length] == '/' &&
        path[length + 1])
        return path + length + 1;
    return path;
}
