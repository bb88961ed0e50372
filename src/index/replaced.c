/*
 * Replaced: contents that a path had until this writer put another one there.
 *
 * When photos exchange their names, or all of them move on by one, each path
 * gets a content that another path has or had. Whose path was written first is
 * asked for later; without this its vectors would be lost just before they are
 * needed. The rows themselves stay where they are, for rows are never changed,
 * so a note of their numbers is enough. It is dropped with all that was staged,
 * because a row may have been among that.
 *
 * The last MOST contents are kept, 8 MB at most: those who move are near each
 * other in order of path.
 */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "index/index.h"

enum { MOST = 16384 };

struct akin__replaced {
    struct akin__entry entry; /* its id is 0 */
    struct {
        int64_t row, crc;
    } at[AKIN__MAX_MODELS]; /* where bit m of entry.rows is set */
};

/* The rows of `id` into *replaced. */
static akin_status read_rows(akin_index *index, int64_t id,
                             struct akin__replaced *replaced, akin_error *err)
{
    struct akin__catalog *c = &index->write.catalog;
    sqlite3_stmt *s = NULL;
    bool row = true;
    akin_status status = akin__sql(
        c, &s, err, "SELECT model, row, crc FROM rows WHERE file = ?", "i", id);
    replaced->entry.rows = 0;
    while (!status && row) {
        status = akin__sql_step(c, s, &row, err);
        const int64_t model = row ? sqlite3_column_int64(s, 0) : -1;
        if (status || model < 0 || model >= AKIN__MAX_MODELS)
            continue;
        replaced->entry.rows |= UINT32_C(1) << model;
        replaced->at[model].row = sqlite3_column_int64(s, 1);
        replaced->at[model].crc = sqlite3_column_int64(s, 2);
    }
    akin__sql_end(s);
    return status;
}

akin_status akin__replaced_note(akin_index *index, const char *path,
                                const uint8_t content[32], akin_error *err)
{
    struct akin__replaced old;
    bool found;
    memset(&old, 0, sizeof old);
    akin_status status = akin__index_find(index, path, &old.entry, &found, err);
    if (status || !found || old.entry.failed || !old.entry.rows ||
        memcmp(old.entry.content, content, sizeof old.entry.content) == 0)
        return status;
    status = read_rows(index, old.entry.id, &old, err);
    if (status)
        return status;
    old.entry.id = 0;
    if (index->replaced_count == index->replaced_room &&
        index->replaced_room < MOST) {
        const size_t more = index->replaced_room * 2 + 64;
        struct akin__replaced *larger =
            akin__realloc(index->replaced, more, sizeof *larger);
        if (!larger)
            return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
        index->replaced = larger;
        index->replaced_room = more;
    }
    index->replaced[index->replaced_count++ % index->replaced_room] = old;
    return AKIN_OK;
}

bool akin__replaced_find(const akin_index *index, const uint8_t content[32],
                         struct akin__entry *entry)
{
    const size_t count = index->replaced_count < index->replaced_room
                             ? index->replaced_count
                             : index->replaced_room;
    for (size_t i = 0; i < count; i++)
        if (memcmp(index->replaced[i].entry.content, content, 32) == 0) {
            *entry = index->replaced[i].entry;
            entry->id = -(int64_t)i - 1;
            return true;
        }
    return false;
}

akin_status akin__replaced_rows(akin_index *index, int64_t replaced, int64_t id,
                                const uint8_t content[32], akin_error *err)
{
    const size_t i = (size_t)(-replaced - 1);
    akin_status status = AKIN_OK;
    if (i >= index->replaced_room || i >= index->replaced_count ||
        memcmp(index->replaced[i].entry.content, content, 32) != 0)
        return AKIN_OK; /* serves nobody any more */
    for (int64_t m = 0; m < AKIN__MAX_MODELS && !status; m++)
        if (index->replaced[i].entry.rows >> m & 1)
            status = akin__sql_run(&index->write.catalog, err,
                                   "REPLACE INTO rows(file, model, row, crc) "
                                   "VALUES(?, ?, ?, ?)",
                                   "iiii", id, m, index->replaced[i].at[m].row,
                                   index->replaced[i].at[m].crc);
    return status;
}
