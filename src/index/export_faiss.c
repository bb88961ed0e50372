/*
 * FAISS: a flat index of float32 rows as faiss/impl/index_write.cpp writes it,
 * IndexFlatL2 (IxF2) or IndexFlatIP (IxFI), which give the same order because
 * the rows are of length one; and an IndexIDMap (IxMp) around either, whose ids
 * are those of the files in the catalog. It holds no names: `file`.paths says
 * which row is whose, `file`.ids.csv which id.
 */
#include <string.h>

#include "base/cursor.h"
#include "index/export.h"

enum { INNER_PRODUCT = 0, L2 = 1, HEAD_BYTES = 37 };

static bool by_product(const struct akin__export *e)
{
    return e->format == AKIN_EXPORT_FAISS_IP ||
           e->format == AKIN_EXPORT_FAISS_IP_IDMAP;
}

/* What begins every index. */
static akin_status add_head(struct akin__export *e, const char *fourcc,
                            akin_error *err)
{
    uint8_t head[HEAD_BYTES];
    const uint64_t unused = 1 << 20; /* two fields that FAISS keeps for old */
    memcpy(head, fourcc, 4);
    akin__store_le32(head + 4, e->rows->is.dim);
    akin__store_le64(head + 8, e->count);
    akin__store_le64(head + 16, unused);
    akin__store_le64(head + 24, unused);
    head[32] = 1; /* trained */
    akin__store_le32(head + 33, by_product(e) ? INNER_PRODUCT : L2);
    return akin__stream_add(&e->main, head, sizeof head, err);
}

static akin_status add_count(struct akin__export *e, uint64_t count,
                             akin_error *err)
{
    uint8_t bytes[8];
    akin__store_le64(bytes, count);
    return akin__stream_add(&e->main, bytes, sizeof bytes, err);
}

static akin_status flat_head(struct akin__export *e, akin_error *err)
{
    const akin_status status =
        add_head(e, by_product(e) ? "IxFI" : "IxF2", err);
    return status ? status : add_count(e, e->count * e->rows->is.dim, err);
}

static akin_status idmap_head(struct akin__export *e, akin_error *err)
{
    static const char names[] = "id,path\r\n";
    akin_status status =
        akin__stream_add(&e->ids, names, sizeof names - 1, err);
    if (!status)
        status = add_head(e, "IxMp", err);
    return status ? status : flat_head(e, err);
}

static akin_status add_id(struct akin__export *e, int64_t file, akin_error *err)
{
    return add_count(e, (uint64_t)file, err);
}

static akin_status idmap_row(struct akin__export *e,
                             const struct akin__export_row *row,
                             akin_error *err)
{
    const akin_status status = akin__export_floats(e, row, err);
    return status ? status : akin__export_id_line(e, row, err);
}

static akin_status idmap_tail(struct akin__export *e, akin_error *err)
{
    const akin_status status = add_count(e, e->count, err);
    return status ? status : akin__export_ids(e, add_id, err);
}

const struct akin__export_way akin__export_faiss = {
    .paths = true, .head = flat_head, .row = akin__export_floats};
const struct akin__export_way akin__export_faiss_idmap = {.paths = true,
                                                          .ids = true,
                                                          .head = idmap_head,
                                                          .row = idmap_row,
                                                          .tail = idmap_tail};
