/*
 * Shared: memory that two processes have mapped and neither can take away from
 * under the other. What was never written costs nothing, and nothing is left
 * of it when both are gone.
 */
#ifndef AKIN_BASE_SHARED_H
#define AKIN_BASE_SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"

struct akin__shared {
    uint8_t *bytes; /* [count], all zero at first; NULL: none */
    size_t count;
    int id; /* by which another process maps it */
};

akin_status akin__shared_make(struct akin__shared *shared, size_t count,
                              akin_error *err);
/* Map what another process of this user made and has mapped. */
akin_status akin__shared_map(struct akin__shared *shared, int id, size_t count,
                             akin_error *err);
/* Give the memory of [from, count) back to the system; it reads as zero. */
void akin__shared_forget(const struct akin__shared *shared, size_t from);
void akin__shared_close(struct akin__shared *shared);

#endif
