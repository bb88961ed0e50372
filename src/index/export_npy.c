/* npy: NEP 1, version 1.0, float32 rows. `file`.paths says which is whose. */
#include <stdio.h>
#include <string.h>

#include "index/export.h"
#include "index/vectors.h"

void akin__npy_head(char bytes[128], uint64_t rows, size_t dim)
{
    char dict[128];
    const int used = snprintf(dict, sizeof dict,
                              "{'descr': '<f4', 'fortran_order': False, "
                              "'shape': (%llu, %lu), }",
                              (unsigned long long)rows, (unsigned long)dim);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 bytes follow */
    memset(bytes + 10, ' ', 117);
    memcpy(bytes + 10, dict, (size_t)used);
    bytes[127] = '\n';
}

static akin_status head(struct akin__export *e, akin_error *err)
{
    char bytes[128];
    akin__npy_head(bytes, e->count, e->rows->is.dim);
    return akin__stream_add(&e->main, bytes, sizeof bytes, err);
}

const struct akin__export_way akin__export_npy = {
    .paths = true, .head = head, .row = akin__export_floats};
