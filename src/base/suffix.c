/*
 * Suffixes of pictures. A file that bears one and holds no picture is worth a
 * word to its owner; a text or a video is not. Suffixes that also name other
 * things (.raw, .data, .img) are left out.
 */
#include "base/suffix.h"

#include <stddef.h>
#include <string.h>

/* Not strcasecmp: a Turkish locale would not know .GIF. */
static bool same_in_any_case(const char *name, const char *lower)
{
    while (*lower && (*name == *lower ||
                      (*name >= 'A' && *name <= 'Z' && (*name | 32) == *lower)))
        name++, lower++;
    return *name == *lower;
}

bool akin__image_suffix(const char *path)
{
    static const char *const suffixes[] = {
        "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib", "tif",
        "tiff", "heic", "heif", "hif", "avif", "jxl",
        /* camera raw */
        "3fr", "arw", "cr2", "cr3", "crw", "dng", "erf", "iiq", "kdc", "mef",
        "mos", "mrw", "nef", "nrw", "orf", "pef", "raf", "rw2", "rwl", "sr2",
        "srf", "srw", "x3f"};
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    for (size_t i = 0; dot && i < sizeof suffixes / sizeof *suffixes; i++)
        if (same_in_any_case(dot + 1, suffixes[i]))
            return true;
    return false;
}

bool akin__ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}
