/*
 * Trash (trash.h). First info/NAME.trashinfo is made, which nobody else then
 * can make, so that NAME is ours; then the file is renamed to files/NAME. A
 * process that is killed between leaves an entry without its file, which the
 * specification allows for, and the file where it was.
 */
#include "base/trash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

enum {
    NAME_MOST = 230, /* bytes of a name that ".12345.trashinfo" goes behind */
    TRIES = 100000
};

/* A place for trash, and the file that shall go there. */
struct bin {
    const char *from; /* the file, absolute and without links in its folders */
    char *folder;     /* allocated: what holds files/ and info/ */
    size_t top;       /* of `from`, how much Path= leaves out */
};

/* A folder for nobody else: there, or made. */
static akin_status own_folder(const char *path, akin_error *err)
{
    struct stat st;
    if ((akin__fails("mkdir", path) || mkdir(path, 0700) != 0) &&
        errno != EEXIST)
        return akin__fail_errno(err, errno, "%s", path);
    if (lstat(path, &st) != 0)
        return akin__fail_errno(err, errno, "%s", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != getuid())
        return akin__fail(err, AKIN_EIO,
                          "%s: is no folder of this user, so no trash", path);
    return AKIN_OK;
}

static void escape(struct akin__text *text, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-_.~/";
    for (; *path; path++) {
        if (strchr(plain, *path))
            akin__text_add(text, path, 1);
        else
            akin__text_addf(text, "%%%02X", (unsigned char)*path);
    }
}

/* What a .trashinfo says; the date is local, as the specification wants it. */
static akin_status write_info(const struct bin *bin, const char *path,
                              akin_error *err)
{
    struct akin__file file = {.fd = -1};
    struct akin__text text = {0};
    char date[32] = "";
    const time_t now = time(NULL);
    struct tm local;
    akin_status status = AKIN_OK;
    if (localtime_r(&now, &local))
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local);
    akin__text_addf(&text, "[Trash Info]\nPath=");
    escape(&text, bin->from + bin->top);
    akin__text_addf(&text, "\nDeletionDate=%s\n", date);
    AKIN_CHECK(!text.failed, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(akin__file_open(&file, path, AKIN__ONLY_NEW, err));
    status = akin__file_write(&file, text.bytes, text.length, 0, err);
    if (!status)
        status = akin__file_sync(&file, err);
    if (status)
        akin__remove(path, NULL);
out:
    akin__file_close(&file);
    akin__text_free(&text);
    return status;
}

/* The name in the trash at the nth try: "a.jpg", then "a.jpg.2", ... */
static char *name_of(const struct bin *bin, int nth)
{
    const char *name = strrchr(bin->from, '/') + 1;
    size_t length = strlen(name);
    if (length > NAME_MOST) {
        for (length = NAME_MOST; (name[length] & 0xc0) == 0x80; length--)
            ; /* not within a character */
    }
    return nth == 1 ? akin__format("%.*s", (int)length, name)
                    : akin__format("%.*s.%d", (int)length, name, nth);
}

/* Move the file to files/NAME, if that name is free; *taken says it is not. */
static akin_status move_as(const struct bin *bin, const char *name, bool *taken,
                           char **to, akin_error *err)
{
    char *info = akin__format("%s/info/%s.trashinfo", bin->folder, name);
    char *infos = akin__format("%s/info", bin->folder);
    char *file = akin__format("%s/files/%s", bin->folder, name);
    akin_status status = AKIN_OK;
    *taken = false;
    AKIN_CHECK(info && infos && file, err, AKIN_ENOMEM, "%s: no memory",
               bin->from);
    *taken = akin__exists(info) || akin__exists(file);
    if (*taken)
        goto out;
    AKIN_TRY(write_info(bin, info, err));
    status = akin__sync_folder(infos, err);
    if (!status)
        status = akin__rename_new(bin->from, file, err);
    if (status) {
        akin__remove(info, NULL);
    } else {
        *to = file;
        file = NULL;
    }
out:
    akin__free(info);
    akin__free(infos);
    akin__free(file);
    return status;
}

/* Sync both folders that the file's name went from and to. */
static akin_status sync_move(const struct bin *bin, akin_error *err)
{
    char *from = akin__parent(bin->from);
    char *files = akin__format("%s/files", bin->folder);
    akin_status status = AKIN_OK;
    AKIN_CHECK(from && files, err, AKIN_ENOMEM, "%s: no memory", bin->from);
    AKIN_TRY(akin__sync_folder(files, err));
    status = akin__sync_folder(from, err);
out:
    akin__free(from);
    akin__free(files);
    return status;
}

static akin_status put_into(const struct bin *bin, char **to, akin_error *err)
{
    static const char *const inner[] = {"", "/files", "/info"};
    akin_status status = AKIN_OK;
    bool taken = true;
    for (size_t i = 0; i < 3 && !status; i++) {
        char *path = akin__format("%s%s", bin->folder, inner[i]);
        status = path ? own_folder(path, err)
                      : akin__fail(err, AKIN_ENOMEM, "no memory");
        akin__free(path);
    }
    for (int nth = 1; taken && !status && nth < TRIES; nth++) {
        char *name = name_of(bin, nth);
        status = name ? move_as(bin, name, &taken, to, err)
                      : akin__fail(err, AKIN_ENOMEM, "no memory");
        akin__free(name);
    }
    if (!status && taken)
        return akin__fail(err, AKIN_EIO, "%s: has too many files of that name",
                          bin->folder);
    return status ? status : sync_move(bin, err);
}

/* ----------------------------------------------------------- places ---- */

/* $XDG_DATA_HOME, allocated; NULL where there is no home. */
static char *data_home(void)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && *data == '/')
        return akin__strdup(data);
    return home && *home == '/' ? akin__join(home, ".local/share") : NULL;
}

/* Whether `path`, or what of it is there, is on the disc `device`. */
static bool is_on(const char *path, dev_t device)
{
    struct stat st = {0};
    char *at = akin__strdup(path);
    while (at && stat(at, &st) != 0 && strcmp(at, "/") != 0) {
        char *above = akin__parent(at);
        akin__free(at);
        at = above;
    }
    const bool there = at && st.st_dev == device;
    akin__free(at);
    return there;
}

/* The top of the disc that `path` is on: as much of it, without the slash. */
static size_t top_of(const char *path, dev_t device)
{
    char *at = akin__strdup(path);
    size_t top = 0;
    struct stat st;
    if (!at)
        return 0;
    for (char *slash; (slash = strrchr(at, '/')) && slash != at;) {
        *slash = 0;
        if (lstat(at, &st) != 0 || st.st_dev != device)
            break;
        top = (size_t)(slash - at);
    }
    if (stat("/", &st) == 0 && st.st_dev == device)
        top = 0;
    akin__free(at);
    return top;
}

/* An administrator's .Trash counts only if nobody can take it over. */
static char *top_trash(const char *path, size_t top)
{
    struct stat st;
    char *shared = akin__format("%.*s/.Trash", (int)top, path);
    char *trash;
    if (shared && lstat(shared, &st) == 0 && S_ISDIR(st.st_mode) &&
        (st.st_mode & S_ISVTX))
        trash = akin__format("%s/%ld", shared, (long)getuid());
    else
        trash = akin__format("%.*s/.Trash-%ld", (int)top, path, (long)getuid());
    akin__free(shared);
    return trash;
}

/* `path` with the links in its folders followed, but not its last. */
static akin_status absolute(const char *path, char **real, akin_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = akin__parent(path), *found = NULL;
    *real = NULL;
    akin_status status = AKIN_OK;
    AKIN_CHECK(folder, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(akin__real_path(folder, &found, err));
    *real = akin__join(found, slash ? slash + 1 : path);
    AKIN_CHECK(*real, err, AKIN_ENOMEM, "%s: no memory", path);
out:
    akin__free(folder);
    akin__free(found);
    return status;
}

akin_status akin__trash(const char *path, char **to, akin_error *err)
{
    struct stat st;
    struct bin bin = {NULL, NULL, 0};
    char *from = NULL, *data = data_home();
    akin_status status = AKIN_OK;
    *to = NULL;
    AKIN_TRY(absolute(path, &from, err));
    if (lstat(from, &st) != 0) {
        status = akin__fail_errno(err, errno, "%s", path);
        goto out;
    }
    AKIN_CHECK(S_ISREG(st.st_mode), err, AKIN_EUSAGE,
               "%s: is a link or no regular file", path);
    bin.from = from;
    if (data && is_on(data, st.st_dev)) {
        AKIN_TRY(akin__make_folders(data, err));
        bin.folder = akin__join(data, "Trash");
        AKIN_CHECK(bin.folder, err, AKIN_ENOMEM, "%s: no memory", path);
        status = put_into(&bin, to, err);
        goto out;
    }
    bin.top = top_of(from, st.st_dev);
    bin.folder = top_trash(from, bin.top);
    bin.top++; /* the slash: Path= is relative to the top */
    AKIN_CHECK(bin.folder, err, AKIN_ENOMEM, "%s: no memory", path);
    status = put_into(&bin, to, err);
out:
    akin__free(bin.folder);
    akin__free(from);
    akin__free(data);
    return status;
}
