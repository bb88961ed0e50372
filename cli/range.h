/* Ranges as people write them: sizes, pixels and dates, with open ends. */
#ifndef AKIN_CLI_RANGE_H
#define AKIN_CLI_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * "A..B", "A..", "..B", or "A" for just that. A number may have a fraction and
 * k, M or G, thousands. *most is 0 where there is no upper end; false for what
 * is no range, or an empty one.
 */
bool cli_range_numbers(const char *text, uint64_t *least, uint64_t *most);

/*
 * The same of dates: 2019, 2019-05 or 2019-05-04, from the first second of A
 * to the last of B, in seconds since 1970; an open end is INT64_MIN or _MAX.
 */
bool cli_range_dates(const char *text, int64_t *least, int64_t *most);

/* A share of one: "0.9" or "90%". */
bool cli_share(const char *text, double *share);

#endif
