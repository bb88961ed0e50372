/*
 * Meter: how fast a long work goes and how long it will still take, as one
 * line of text.
 */
#ifndef AKIN_VIEW_METER_H
#define AKIN_VIEW_METER_H

#include <stddef.h>
#include <stdint.h>

struct akin__meter {
    double began, seen; /* seconds on any clock */
    double rate;        /* units a second of late; 0: not known yet */
    uint64_t first, done, whole;
};

/*
 * Note that `done` of `whole` (0: unknown) units are done at `now` seconds.
 * A count that goes back begins a new work.
 */
void akin__meter_note(struct akin__meter *meter, double now, uint64_t done,
                      uint64_t whole);
/* "1,234 of 5,000 images (24 %), 43.9 images/s, 1 min 26 s left" */
void akin__meter_line(const struct akin__meter *meter, const char *what,
                      char *line, size_t capacity);

/* 1234567 as "1,234,567"; the text lies in `text`. */
const char *akin__thousands(char text[32], uint64_t number);
/* "24 s", "1 min 26 s", "2 h 5 min" */
const char *akin__duration(char text[32], double seconds);
/* "31.2 MB", in steps of a thousand */
const char *akin__size(char text[32], uint64_t bytes);

#endif
