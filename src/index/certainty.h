/* Certainty: the file in which an index keeps it, for the other files of the
 * room. What it says is in akin_eval.h. */
#ifndef AKIN_INDEX_CERTAINTY_H
#define AKIN_INDEX_CERTAINTY_H

#include "akin_eval.h"
#include "index/index.h"

/* What is kept of model `ordinal`, if anything is and belongs to its vectors:
 * *known. AKIN_ECORRUPT, AKIN_EIO, AKIN_ENOMEM. */
akin_status akin__certainty_read(const akin_index *index,
                                 const struct akin__rows *rows, size_t ordinal,
                                 akin_certainty *certainty, bool *known,
                                 akin_error *err);
akin_status akin__certainty_remove(const akin_index *index, size_t ordinal,
                                   akin_error *err);

/* Where in akin_certainty.at a cosine belongs. */
size_t akin__certainty_step(double cosine);

#endif
