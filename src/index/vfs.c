/*
 * VFS: a thin layer over SQLite's own for this system.
 *
 * SQLite reads and writes a database page by page (but for the head of page 1,
 * which it looks at before it knows the page size), so that a checksum in the
 * bytes reserved at a page's end covers every byte of the file: records,
 * indexes, and the structure that holds them. The page's number is part of it,
 * so that a page written to a wrong place is seen too.
 *
 * A page that is all zero passes: SQLite may leave a hole where a page came
 * and went within one transaction, and reads it before it is used again. As a
 * part of a tree SQLite refuses it, and text never holds a zero.
 *
 * Journals are passed on as they are. Shared memory and memory maps are not
 * offered, so that a database cannot be in WAL mode.
 */
#include "index/vfs.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/fault.h"
#include "base/hash.h"

enum { CHECKED_BYTES = AKIN__PAGE_BYTES - AKIN__PAGE_RESERVED };
/* What SQLite reads before it knows the page size is shorter than any page. */
enum { LEAST_PAGE_BYTES = 512 };

struct vfs_file {
    sqlite3_file base; /* first: SQLite sees only this */
    const char *path;  /* SQLite's, until it closes the file */
    bool database;
    bool journal;      /* a database's */
    uint32_t bad_page; /* of a database, as is the next */
    int no_room;       /* bytes of a write */
    /* and behind it the file of the VFS below */
};

static sqlite3_vfs *below; /* SQLite's own, set once by akin__vfs */

static struct vfs_file *ours(sqlite3_file *file)
{
    return (struct vfs_file *)(void *)file;
}

static sqlite3_file *real(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)(ours(file) + 1);
}

static uint32_t page_checksum(const uint8_t *page, uint32_t number)
{
    return akin__crc32(page, CHECKED_BYTES) ^ number;
}

void akin__page_seal(uint8_t page[AKIN__PAGE_BYTES], uint32_t number)
{
    akin__store_le32(page + CHECKED_BYTES, page_checksum(page, number));
}

bool akin__page_holds(const uint8_t page[AKIN__PAGE_BYTES], uint32_t number)
{
    return akin__load_le32(page + CHECKED_BYTES) == page_checksum(page, number);
}

static bool all_zero(const uint8_t *bytes, size_t count)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

static bool may_pass(const uint8_t *page, int bytes, sqlite3_int64 offset)
{
    if (bytes != AKIN__PAGE_BYTES || offset % AKIN__PAGE_BYTES)
        return false;
    return akin__page_holds(page, (uint32_t)(offset / AKIN__PAGE_BYTES) + 1) ||
           all_zero(page, AKIN__PAGE_BYTES);
}

static int vfs_close(sqlite3_file *file)
{
    return real(file)->pMethods->xClose(real(file));
}

static int vfs_read(sqlite3_file *file, void *bytes, int count,
                    sqlite3_int64 offset)
{
    struct vfs_file *f = ours(file);
    if (akin__fails("read", f->path))
        return SQLITE_IOERR_READ;
    const int rc =
        real(file)->pMethods->xRead(real(file), bytes, count, offset);
    if (!f->database || count < LEAST_PAGE_BYTES)
        return rc;
    /* What a short read did not find SQLite has as zeros. */
    if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
        return rc;
    if (may_pass(bytes, count, offset))
        return rc;
    if (!f->bad_page)
        f->bad_page = (uint32_t)(offset / AKIN__PAGE_BYTES) + 1;
    return SQLITE_IOERR_DATA;
}

/* That a write of `count` bytes found the disc full, where it is asked for. */
static int note_full(struct vfs_file *f, int count)
{
    if (f->journal)
        f = ours(sqlite3_database_file_object(f->path));
    f->no_room = count;
    return SQLITE_FULL;
}

static int vfs_write(sqlite3_file *file, const void *bytes, int count,
                     sqlite3_int64 offset)
{
    struct vfs_file *f = ours(file);
    uint8_t page[AKIN__PAGE_BYTES];
    if (akin__fails("write", f->path))
        return errno == ENOSPC ? note_full(f, count) : SQLITE_IOERR_WRITE;
    if (f->database && count == AKIN__PAGE_BYTES) {
        memcpy(page, bytes, sizeof page);
        akin__page_seal(page, (uint32_t)(offset / AKIN__PAGE_BYTES) + 1);
        bytes = page;
    }
    const int rc =
        real(file)->pMethods->xWrite(real(file), bytes, count, offset);
    return rc == SQLITE_FULL ? note_full(f, count) : rc;
}

static int vfs_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    if (akin__fails("truncate", ours(file)->path))
        return SQLITE_IOERR_TRUNCATE;
    return real(file)->pMethods->xTruncate(real(file), bytes);
}

static int vfs_sync(sqlite3_file *file, int flags)
{
    if (akin__fails("sync", ours(file)->path))
        return SQLITE_IOERR_FSYNC;
    return real(file)->pMethods->xSync(real(file), flags);
}

static int vfs_size(sqlite3_file *file, sqlite3_int64 *bytes)
{
    return real(file)->pMethods->xFileSize(real(file), bytes);
}

static int vfs_lock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xLock(real(file), level);
}

static int vfs_unlock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xUnlock(real(file), level);
}

static int vfs_reserved(sqlite3_file *file, int *taken)
{
    return real(file)->pMethods->xCheckReservedLock(real(file), taken);
}

static int vfs_control(sqlite3_file *file, int what, void *argument)
{
    return real(file)->pMethods->xFileControl(real(file), what, argument);
}

static int vfs_sector(sqlite3_file *file)
{
    return real(file)->pMethods->xSectorSize(real(file));
}

static int vfs_traits(sqlite3_file *file)
{
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static const sqlite3_io_methods methods = {
    .iVersion = 1, /* no shared memory, no memory map */
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_reserved,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector,
    .xDeviceCharacteristics = vfs_traits,
};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file,
                    int flags, int *out_flags)
{
    (void)vfs;
    struct vfs_file *f = ours(file);
    memset(f, 0, sizeof *f);
    f->path = path ? path : "(temporary)";
    f->database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    f->journal = path && (flags & SQLITE_OPEN_MAIN_JOURNAL) != 0;
    if (akin__fails("open", f->path))
        return SQLITE_CANTOPEN;
    const int rc = below->xOpen(below, path, real(file), flags, out_flags);
    if (rc == SQLITE_OK)
        file->pMethods = &methods;
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void)vfs;
    if (akin__fails("remove", path))
        return SQLITE_IOERR_DELETE;
    return below->xDelete(below, path, sync_folder);
}

/* SQLite keeps a list of these by name, so there is one for the process. */
static sqlite3_vfs vfs;

static void make_vfs(void)
{
    below = sqlite3_vfs_find(NULL);
    if (!below)
        return;
    vfs = *below; /* clocks, full names and randomness as they are */
    vfs.zName = "akin";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(struct vfs_file) + below->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
        below = NULL;
}

const char *akin__vfs(void)
{
    sqlite3_mutex *once = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
    sqlite3_mutex_enter(once);
    if (!below)
        make_vfs();
    const char *name = below ? vfs.zName : NULL;
    sqlite3_mutex_leave(once);
    return name;
}

/* The main file of `db`; NULL when there is none. */
static struct vfs_file *main_file(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    if (!db || sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER,
                                    &file) != SQLITE_OK)
        return NULL;
    return file && file->pMethods == &methods ? ours(file) : NULL;
}

uint32_t akin__vfs_bad_page(sqlite3 *db)
{
    const struct vfs_file *file = main_file(db);
    return file ? file->bad_page : 0;
}

int akin__vfs_no_room(sqlite3 *db)
{
    const struct vfs_file *file = main_file(db);
    return file ? file->no_room : 0;
}
