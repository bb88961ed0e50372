/* npy: NEP 1, version 1.0, float32 rows. `file`.paths says which is whose. */
#include <stdio.h>
#include <string.h>

#include "index/export.h"

/* Magic, version 1.0, length, and a dict padded so that data is aligned. */
static akin_status head(struct akin__export *e, akin_error *err)
{
    char bytes[129];
    const int used =
        snprintf(bytes + 10, sizeof bytes - 10,
                 "{'descr': '<f4', 'fortran_order': False, "
                 "'shape': (%llu, %lu), }",
                 (unsigned long long)e->count, (unsigned long)e->rows->is.dim);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 bytes follow */
    memset(bytes + 10 + used, ' ', (size_t)(117 - used));
    bytes[127] = '\n';
    return akin__stream_add(&e->main, bytes, 128, err);
}

const struct akin__export_way akin__export_npy = {
    .paths = true, .head = head, .row = akin__export_floats};
