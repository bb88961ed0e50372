/* A file system without links, to preload: symlink as FAT answers it. */
#include <errno.h>

int symlink(const char *target, const char *path);

int symlink(const char *target, const char *path)
{
    (void)target, (void)path;
    errno = EPERM;
    return -1;
}
