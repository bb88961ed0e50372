/* Clocks. */
#ifndef AKIN_BASE_CLOCK_H
#define AKIN_BASE_CLOCK_H

#include <stdint.h>

/* Seconds on a clock that only goes forward; differences mean something. */
double akin__seconds(void);

/* Nanoseconds since 1970, as file times count. */
int64_t akin__wall_ns(void);

/* Do nothing for so long. */
void akin__sleep(double seconds);

#endif
