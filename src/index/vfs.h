/*
 * VFS: what stands between SQLite and its files. The last four bytes of every
 * page of a database are a checksum of the rest, and the calls that fail in
 * tests (base/fault.h) reach SQLite's files too.
 *
 * A database is made for it by AKIN__PAGE_BYTES a page, of which
 * AKIN__PAGE_RESERVED are reserved (SQLITE_FCNTL_RESERVE_BYTES).
 */
#ifndef AKIN_INDEX_VFS_H
#define AKIN_INDEX_VFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "akin.h"

enum { AKIN__PAGE_BYTES = 4096, AKIN__PAGE_RESERVED = 4 };

/* The name to open databases with; NULL when SQLite has no VFS at all. */
const char *akin__vfs(void);

/* Write the checksum of page `number` (from 1) into its last bytes. */
void akin__page_seal(uint8_t page[AKIN__PAGE_BYTES], uint32_t number);
/* Whether it is there; never in a page of zeros. */
bool akin__page_holds(const uint8_t page[AKIN__PAGE_BYTES], uint32_t number);

/* The first page (from 1) of `db` whose checksum did not hold, or 0. */
uint32_t akin__vfs_bad_page(sqlite3 *db);
/* Bytes of the write to `db` or its journal that last found no room, or 0. */
int akin__vfs_no_room(sqlite3 *db);

#endif
