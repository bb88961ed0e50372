/*
 * Check: what verify.c and repair.c share, the telling of problems.
 */
#ifndef AKIN_INDEX_CHECK_H
#define AKIN_INDEX_CHECK_H

#include "index/index.h"

struct akin__check {
    akin_index *index;
    akin_check_options options;
    akin_check_report *report;
    uint64_t done, whole; /* rows */
};

/* Take over the caller's options; `unused` serves for a report not asked for.
 * AKIN_EUSAGE for options without their size. */
akin_status akin__check_begin(struct akin__check *check,
                              const akin_check_options *options,
                              akin_check_report *report,
                              akin_check_report *unused, akin_error *err);
/* One more problem, of the picture stored as `stored` (NULL: of none). */
void akin__check_tell(struct akin__check *check, const char *stored,
                      const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One more row is done: AKIN_ECANCELLED when the caller wants to stop. */
akin_status akin__check_row(struct akin__check *check, akin_error *err);

#endif
