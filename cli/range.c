/* Ranges (range.h): both ends are cut out of the text and read for themselves.
 */
#include "range.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The ends of `text`; one that is open is "". */
struct ends {
    char from[64], to[64];
};

static bool split(const char *text, struct ends *ends)
{
    const char *dots = strstr(text, "..");
    const size_t first = dots ? (size_t)(dots - text) : strlen(text);
    const char *second = dots ? dots + 2 : text;
    if (first >= sizeof ends->from || strlen(second) >= sizeof ends->to)
        return false;
    snprintf(ends->from, sizeof ends->from, "%.*s", (int)first, text);
    snprintf(ends->to, sizeof ends->to, "%s", second);
    return *ends->from || *ends->to;
}

/* ---------------------------------------------------------- numbers ---- */

/* Digits, with a point among them if at all: no sign, no space, no "inf". */
static bool plain_number(const char *text, char **end, double *number)
{
    if (strspn(text, "0123456789") == 0)
        return false;
    *number = strtod(text, end);
    return strspn(text, "0123456789.") == (size_t)(*end - text);
}

static bool take_number(const char *text, uint64_t *number)
{
    static const char units[] = "kMG";
    char *end;
    double value;
    if (!plain_number(text, &end, &value))
        return false;
    const char *unit = *end ? strchr(*end == 'K' ? "k" : units, *end) : NULL;
    if (*end == 'K')
        unit = units;
    if (*end && (!unit || end[1]))
        return false;
    for (const char *at = units; unit && at <= unit; at++)
        value *= 1000;
    if (value >= 0x1p63)
        return false;
    *number = (uint64_t)llround(value);
    return true;
}

bool cli_range_numbers(const char *text, uint64_t *least, uint64_t *most)
{
    struct ends ends;
    *least = *most = 0;
    if (!split(text, &ends) || (*ends.from && !take_number(ends.from, least)) ||
        (*ends.to && !take_number(ends.to, most)))
        return false;
    return !*ends.to || (*most && *least <= *most);
}

/* ------------------------------------------------------------ dates ---- */

/* Days from 1970 to the first of a month, Howard Hinnant's days_from_civil. */
static int64_t days_to(int64_t year, int64_t month)
{
    const int64_t y = month <= 2 ? year - 1 : year; /* it begins in March */
    const int64_t era = y / 400, of_era = y - era * 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

/* `count` digits, then the end or, if `more`, a hyphen; NULL: not so. */
static const char *take_digits(const char *text, int count, int *number)
{
    *number = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return NULL;
        *number = 10 * *number + (text[i] - '0');
    }
    text += count;
    return *text == 0 || (*text == '-' && text[1]) ? text : NULL;
}

/* A year, month or day: when it begins, and when the next one does. */
static bool take_date(const char *text, int64_t *begin, int64_t *next)
{
    int year, month = 0, day = 0;
    text = take_digits(text, 4, &year);
    if (text && *text)
        text = take_digits(text + 1, 2, &month);
    else if (text)
        month = -1;
    if (text && *text)
        text = take_digits(text + 1, 2, &day);
    else if (text)
        day = -1;
    if (!text || *text || year < 1 || month == 0 || month > 12 || day == 0)
        return false;
    const int64_t january = days_to(year, 1);
    const int64_t from = month < 0 ? january : days_to(year, month);
    const int64_t to = month < 0    ? days_to(year + 1, 1)
                       : month < 12 ? days_to(year, month + 1)
                                    : days_to(year + 1, 1);
    if (day > to - from)
        return false;
    *begin = 86400 * (day < 0 ? from : from + day - 1);
    *next = 86400 * (day < 0 ? to : from + day);
    return true;
}

bool cli_range_dates(const char *text, int64_t *least, int64_t *most)
{
    struct ends ends;
    int64_t ignored;
    *least = INT64_MIN;
    *most = INT64_MAX;
    if (!split(text, &ends) ||
        (*ends.from && !take_date(ends.from, least, &ignored)) ||
        (*ends.to && !take_date(ends.to, &ignored, most)))
        return false;
    if (*ends.to)
        --*most;
    return *least <= *most;
}

/* ------------------------------------------------------------ share ---- */

bool cli_share(const char *text, double *share)
{
    char *end;
    if (!plain_number(text, &end, share))
        return false;
    if (*end == '%') {
        *share /= 100;
        end++;
    }
    return !*end && *share >= 0 && *share <= 1;
}
