/*
 * Rows of a table (pgvector.h): their marks, and their bytes as COPY takes them
 * in binary form: big-endian, each field behind its length.
 */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "index/pgvector.h"

enum { COLUMNS = 12 };

/* Since 2000, in microseconds, as PostgreSQL counts: 10,957 days after 1970. */
#define EPOCH_SECONDS INT64_C(946684800)
/* The year 9999, and as far back. */
#define MOST_SECONDS INT64_C(253402300800)

static void add_number(struct akin__text *text, int64_t number)
{
    akin__text_addf(text, "%lld ", (long long)number);
}

akin_status akin__pg_mark(struct akin__pg_row *row, akin_error *err)
{
    struct akin__text text = {0};
    uint8_t digest[32];
    add_number(&text, row->crc);
    add_number(&text, row->width);
    add_number(&text, row->height);
    add_number(&text, row->bytes);
    add_number(&text, row->mtime_ns);
    add_number(&text, row->taken);
    akin__text_addf(&text, "%s %s ", row->format, row->path);
    akin__text_add(&text, row->content, 32);
    const akin_status status =
        text.failed ? akin__fail(err, AKIN_ENOMEM, "%s: no memory", row->path)
                    : akin__sha256(text.bytes, text.length, digest, err);
    akin__text_free(&text);
    row->mark = status ? 0 : (int64_t)akin__load_le64(digest);
    return status;
}

static void put_be(struct akin__text *out, uint64_t number, size_t bytes)
{
    char be[8];
    for (size_t i = 0; i < bytes; i++)
        be[i] = (char)(number >> 8 * (bytes - 1 - i));
    akin__text_add(out, be, bytes);
}

static void put_null(struct akin__text *out)
{
    put_be(out, UINT32_MAX, 4);
}

static void put_int(struct akin__text *out, int64_t number, size_t bytes)
{
    put_be(out, bytes, 4);
    put_be(out, (uint64_t)number, bytes);
}

static void put_bytes(struct akin__text *out, const void *bytes, size_t count)
{
    put_be(out, count, 4);
    akin__text_add(out, bytes, count);
}

/* Where a path is no UTF-8, a text that shows it, and its bytes beside. */
static bool put_path(struct akin__text *out, const char *path)
{
    const size_t length = strlen(path);
    if (akin__utf8_valid(path, length)) {
        put_bytes(out, path, length);
        put_null(out);
        return true;
    }
    const size_t room = 4 * length + 1; /* \xNN */
    char *text = akin__alloc(room, 1);
    if (!text)
        return false;
    akin__printable(text, room, path);
    put_bytes(out, text, strlen(text));
    put_bytes(out, path, length);
    akin__free(text);
    return true;
}

static void put_vector(struct akin__text *out, const float *vector, size_t dim)
{
    put_be(out, 4 + 4 * dim, 4);
    put_be(out, dim, 2);
    put_be(out, 0, 2);
    for (size_t i = 0; i < dim; i++) {
        uint32_t bits;
        memcpy(&bits, &vector[i], sizeof bits);
        put_be(out, bits, 4);
    }
}

static int64_t microseconds(int64_t ns)
{
    return (ns >= 0 ? ns / 1000 : (ns - 999) / 1000) - EPOCH_SECONDS * 1000000;
}

void akin__pg_put(struct akin__text *out, const struct akin__pg_row *row,
                  const float *vector, size_t dim)
{
    put_be(out, COLUMNS, 2);
    put_int(out, row->file, 8);
    put_int(out, row->mark, 8);
    if (!put_path(out, row->path))
        out->failed = true;
    if (row->width && row->height && row->width <= INT32_MAX &&
        row->height <= INT32_MAX) {
        put_int(out, row->width, 4);
        put_int(out, row->height, 4);
    } else {
        put_null(out);
        put_null(out);
    }
    if (*row->format)
        put_bytes(out, row->format, strlen(row->format));
    else
        put_null(out);
    if (row->known) {
        put_int(out, row->bytes, 8);
        put_int(out, microseconds(row->mtime_ns), 8);
    } else {
        put_null(out);
        put_null(out);
    }
    if (row->taken > -MOST_SECONDS && row->taken < MOST_SECONDS)
        put_int(out, (row->taken - EPOCH_SECONDS) * 1000000, 8);
    else
        put_null(out);
    if (row->known)
        put_bytes(out, row->content, 32);
    else
        put_null(out);
    put_vector(out, vector, dim);
}

void akin__pg_put_gone(struct akin__text *out, int64_t file)
{
    put_be(out, COLUMNS, 2);
    put_int(out, file, 8);
    for (int i = 1; i < COLUMNS; i++)
        put_null(out);
}

void akin__pg_put_begin(struct akin__text *out)
{
    static const char head[19] = "PGCOPY\n\377\r\n"; /* and zeros */
    akin__text_add(out, head, sizeof head);
}

void akin__pg_put_end(struct akin__text *out)
{
    put_be(out, UINT16_MAX, 2);
}
