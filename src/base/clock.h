/* Clocks. */
#ifndef AKIN_BASE_CLOCK_H
#define AKIN_BASE_CLOCK_H

/* Seconds on a clock that only goes forward; differences mean something. */
double akin__seconds(void);

/* Do nothing for so long. */
void akin__sleep(double seconds);

#endif
