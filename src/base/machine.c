/* Machine (machine.h): read from Linux's /proc. */
#include "base/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rest of the first line of `path` that begins with `key`, behind its
 * colon and blanks; NULL if there is none. It lies in `line`. */
static char *find_line(const char *path, const char *key, char *line,
                       size_t capacity)
{
    FILE *file = fopen(path, "r");
    char *found = NULL;
    while (file && !found && fgets(line, (int)capacity, file)) {
        char *colon = strchr(line, ':');
        if (colon && strncmp(line, key, strlen(key)) == 0)
            found = colon + 1 + strspn(colon + 1, " \t");
    }
    if (file)
        fclose(file);
    if (found)
        found[strcspn(found, "\n")] = 0;
    return found;
}

void akin__processor_name(char *name, size_t capacity)
{
    char line[512];
    const char *found =
        find_line("/proc/cpuinfo", "model name", line, sizeof line);
    snprintf(name, capacity, "%s", found ? found : "");
}

uint64_t akin__peak_memory(void)
{
    char line[512];
    const char *found =
        find_line("/proc/self/status", "VmHWM", line, sizeof line);
    return found ? 1024 * strtoull(found, NULL, 10) : 0; /* said in kB */
}

int akin__peak_forget(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file)
        return -1;
    const int put = fputs("5", file);
    return fclose(file) == 0 && put >= 0 ? 0 : -1;
}
