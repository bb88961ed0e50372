/*
 * Meter (meter.h): the rate is a running mean whose memory is some ten
 * seconds, so that a few large pictures do not shake the time left and a
 * change of pace still shows.
 */
#include "view/meter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double memory_seconds = 10;
static const double least_step = 0.2; /* seconds between two looks at it */

void akin__meter_note(struct akin__meter *meter, double now, uint64_t done,
                      uint64_t whole)
{
    if (meter->began == 0 || done < meter->done || whole != meter->whole) {
        *meter = (struct akin__meter){now, now, 0, done, done, whole};
        return;
    }
    const double step = now - meter->seen;
    if (step < least_step)
        return;
    const double rate = (double)(done - meter->done) / step;
    /* In the beginning all that is known is the mean so far. */
    const double age = now - meter->began;
    const double span = age < memory_seconds ? age : memory_seconds;
    const double keep = step < span ? exp(-step / span) : 0;
    meter->rate = age < memory_seconds ? (double)(done - meter->first) / age
                                       : keep * meter->rate + (1 - keep) * rate;
    meter->seen = now;
    meter->done = done;
}

const char *akin__thousands(char text[32], uint64_t number)
{
    char digits[24];
    const int count =
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    char *out = text;
    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = 0;
    return text;
}

const char *akin__duration(char text[32], double seconds)
{
    const double most = 1e9; /* 31 years: more is no estimate */
    const long whole = lround(fmax(0, fmin(seconds, most)));
    if (seconds < 9.95)
        snprintf(text, 32, "%.1f s", fmax(0, seconds));
    else if (whole < 60)
        snprintf(text, 32, "%ld s", whole);
    else if (whole < 3600)
        snprintf(text, 32, "%ld min %ld s", whole / 60, whole % 60);
    else
        snprintf(text, 32, "%ld h %ld min", whole / 3600, whole % 3600 / 60);
    return text;
}

const char *akin__size(char text[32], uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double size = (double)bytes / 1000;
    size_t unit = 0;
    if (bytes < 1000) {
        snprintf(text, 32, "%u bytes", (unsigned)bytes);
        return text;
    }
    /* 999.95 would be printed as 1000.0 */
    for (; size >= 999.95 && unit < 3; unit++)
        size /= 1000;
    snprintf(text, 32, "%.1f %s", size, units[unit]);
    return text;
}

void akin__meter_line(const struct akin__meter *meter, const char *what,
                      char *line, size_t capacity)
{
    char done[32], whole[32], left[32];
    size_t used = 0;
    akin__thousands(done, meter->done);
    if (!meter->whole) {
        snprintf(line, capacity, "%s %s", done, what);
        return;
    }
    snprintf(line, capacity, "%s of %s %s (%.0f %%)", done,
             akin__thousands(whole, meter->whole), what,
             floor(100 * (double)meter->done / (double)meter->whole));
    if (meter->rate <= 0 || meter->done >= meter->whole)
        return;
    used = strlen(line);
    /* "MB of model.safetensors" goes by MB/s */
    snprintf(line + used, capacity - used, ", %.1f %.*s/s, %s left",
             meter->rate, (int)strcspn(what, " "), what,
             akin__duration(left, (double)(meter->whole - meter->done) /
                                      meter->rate));
}
