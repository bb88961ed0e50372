/*
 * The library's way to weights as a command, for hub_test.py:
 *   pull [--revision R] [--offline] [--stop BYTES] pull NAME
 *   pull [--revision R] find NAME
 *   pull [--revision R] file NAME FILENAME
 * stdout: the folder or path; stderr: the message; exit code: minus the status.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin.h"
#include "base/memory.h"
#include "model/place.h"

static int stop(void *context, const char *what, uint64_t done, uint64_t whole)
{
    const uint64_t *limit = context;
    fprintf(stderr, "%s %llu/%llu\n", what, (unsigned long long)done,
            (unsigned long long)whole);
    return *limit && done >= *limit;
}

static akin_status file(const char *name, const char *revision,
                        const char *filename, akin_error *err)
{
    struct akin__weights_place place;
    const akin_status status =
        akin__weights_locate(name, revision, &place, err);
    if (status)
        return status;
    char *path = akin__weights_file(&place, filename);
    printf("%s\n%s\n%s\n", place.name, place.revision, path ? path : "-");
    akin__free(path);
    akin__weights_place_free(&place);
    return AKIN_OK;
}

int main(int count, char **word)
{
    uint64_t limit = 0;
    akin_hub_options options = {
        .size = sizeof options, .progress = stop, .context = &limit};
    akin_error err = {0};
    akin_status status = AKIN_EUSAGE;
    char folder[4096] = "";
    int at = 1;
    for (; at < count && !strncmp(word[at], "--", 2); at++) {
        if (!strcmp(word[at], "--offline"))
            options.offline = 1;
        else if (!strcmp(word[at], "--revision") && at + 1 < count)
            options.revision = word[++at];
        else if (!strcmp(word[at], "--stop") && at + 1 < count)
            limit = strtoull(word[++at], NULL, 10);
    }
    if (at + 1 < count && !strcmp(word[at], "pull"))
        status =
            akin_hub_pull(word[at + 1], &options, folder, sizeof folder, &err);
    else if (at + 1 < count && !strcmp(word[at], "find"))
        status = akin_model_find(word[at + 1], options.revision, folder,
                                 sizeof folder, &err);
    else if (at + 2 < count && !strcmp(word[at], "file"))
        status = file(word[at + 1], options.revision, word[at + 2], &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    else if (*folder)
        puts(folder);
    return -(int)status;
}
