/*
 * Unicode (unicode.h): tables made by tools/gen/unicode.py, and the algorithms
 * of The Unicode Standard, 3.11 (normal forms) and 3.12 (Hangul).
 *
 * Work grows with the length of the text, whatever is in it: marks are put
 * in order by counting.
 */
#include "model/unicode.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/unicode_tables.h"

#define ROWS(table, width) (sizeof(table) / sizeof *(table) / (width))

enum {
    HANGUL = 0xac00,
    HANGUL_L = 0x1100,
    HANGUL_V = 0x1161,
    HANGUL_T = 0x11a7, /* one before the first */
    COUNT_L = 19,
    COUNT_V = 21,
    COUNT_T = 28,
    COUNT_VT = COUNT_V * COUNT_T,
    CAPITAL_I_DOT = 0x130,
    FIRST_MARK = 0x300, /* before it all combining classes are 0 */
    MARK_CLASSES = 256
};

void akin__points_free(struct akin__points *points)
{
    akin__free(points->at);
    memset(points, 0, sizeof *points);
}

static void add(struct akin__points *points, uint32_t point)
{
    if (points->count == points->capacity) {
        const size_t more = points->capacity ? 2 * points->capacity : 64;
        uint32_t *at = akin__realloc(points->at, more, sizeof *at);
        if (!at) {
            points->failed = true;
            return;
        }
        points->at = at;
        points->capacity = more;
    }
    points->at[points->count++] = point;
}

/* ----------------------------------------------------------------- UTF-8 -- */

/* Bytes of the longest beginning of a character at `b` [count], 1 or more, of
 * which it is known that no whole one is there. */
static size_t broken_length(const uint8_t *b, size_t count)
{
    const size_t length = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0xc2 || b[0] > 0xf4)
        return 1;
    const uint8_t low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
    size_t at = 1;
    for (; at < length && at < count; at++) {
        const bool second = at == 1;
        if (b[at] < (second ? low : 0x80) || b[at] > (second ? high : 0xbf))
            break;
    }
    return at;
}

void akin__points_decode(struct akin__points *points, const char *bytes,
                         size_t count)
{
    for (size_t at = 0, length; at < count; at += length) {
        const uint8_t *b = (const uint8_t *)bytes + at;
        uint32_t point = b[0];
        length = akin__utf8_length(bytes + at, count - at);
        if (length > 1)
            point &= 0xffu >> (length + 1);
        for (size_t i = 1; i < length; i++)
            point = point << 6 | (b[i] & 0x3f);
        if (!length) {
            length = broken_length(b, count - at);
            point = 0xfffd;
        }
        add(points, point);
    }
}

size_t akin__utf8_encode(uint32_t point, uint8_t *bytes)
{
    const size_t length = point < 0x80      ? 1
                          : point < 0x800   ? 2
                          : point < 0x10000 ? 3
                                            : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; --i; point >>= 6)
        bytes[i] = (uint8_t)(0x80 | (point & 0x3f));
    bytes[0] = (uint8_t)(lead[length] | point);
    return length;
}

/* ---------------------------------------------------------------- tables -- */

/* The last row of a table of threes that begins with `point` or less; NULL
 * when there is none. */
static const uint32_t *row_of(const uint32_t *table, size_t rows,
                              uint32_t point)
{
    size_t low = 0, high = rows;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (table[3 * middle] <= point)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? table + 3 * (low - 1) : NULL;
}

enum akin__class akin__class_of(uint32_t point)
{
    const uint32_t *row = row_of(class_ranges, ROWS(class_ranges, 3), point);
    return row && point <= row[1] ? (enum akin__class)row[2]
                                  : AKIN__OTHER_CLASS;
}

static uint32_t mark_of(uint32_t point)
{
    if (point < FIRST_MARK)
        return 0;
    const uint32_t *row = row_of(mark_ranges, ROWS(mark_ranges, 3), point);
    return row && point <= row[1] ? row[2] : 0;
}

static uint32_t lower_of(uint32_t point)
{
    const uint32_t *row = row_of(lower_runs, ROWS(lower_runs, 3), point);
    if (!row || point > row[1] / 2)
        return point;
    const uint32_t step = row[1] % 2 + 1, past = point - row[0];
    return past % step ? point : row[2] + past;
}

/* ---------------------------------------------------------- normal form -- */

/* Add what `point` is made of. The first part of a decomposition may have one
 * of its own, the second never has. */
static void decompose(struct akin__points *out, uint32_t point)
{
    uint32_t after[8];
    size_t count = 0;
    const uint32_t syllable = point - HANGUL;
    if (syllable < COUNT_L * COUNT_VT) {
        add(out, HANGUL_L + syllable / COUNT_VT);
        add(out, HANGUL_V + syllable % COUNT_VT / COUNT_T);
        if (syllable % COUNT_T)
            add(out, HANGUL_T + syllable % COUNT_T);
        return;
    }
    while (count < sizeof after / sizeof *after) {
        const uint32_t *row =
            row_of(decompositions, ROWS(decompositions, 3), point);
        if (!row || row[0] != point)
            break;
        point = row[1];
        if (row[2])
            after[count++] = row[2];
    }
    add(out, point);
    while (count)
        add(out, after[--count]);
}

/* Marks [count] by class, those of one class as they were; `work` [count]. */
static void sort_marks(uint32_t *at, size_t count, uint32_t *work)
{
    size_t start[MARK_CLASSES + 1] = {0};
    for (size_t i = 0; i < count; i++)
        start[mark_of(at[i]) + 1]++;
    for (size_t i = 1; i <= MARK_CLASSES; i++)
        start[i] += start[i - 1];
    for (size_t i = 0; i < count; i++)
        work[start[mark_of(at[i])]++] = at[i];
    memcpy(at, work, count * sizeof *at);
}

static void order_marks(struct akin__points *points)
{
    uint32_t *work = NULL;
    for (size_t at = 0, end; at < points->count; at = end) {
        end = at + 1;
        if (!mark_of(points->at[at]))
            continue;
        while (end < points->count && mark_of(points->at[end]))
            end++;
        if (end == at + 1)
            continue;
        if (!work)
            work = akin__alloc(points->count, sizeof *work);
        if (!work) {
            points->failed = true;
            return;
        }
        sort_marks(points->at + at, end - at, work);
    }
    akin__free(work);
}

/* What two characters are together; 0 for nothing. */
static uint32_t composed(uint32_t a, uint32_t b)
{
    const uint32_t l = a - HANGUL_L, v = b - HANGUL_V, t = b - HANGUL_T;
    if (l < COUNT_L && v < COUNT_V)
        return HANGUL + (l * COUNT_V + v) * COUNT_T;
    if (a - HANGUL < COUNT_L * COUNT_VT && (a - HANGUL) % COUNT_T == 0 &&
        t - 1 < COUNT_T - 1)
        return a + t;
    size_t low = 0, high = ROWS(compositions, 1);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const uint32_t *row = decompositions + 3 * compositions[middle];
        if (row[1] == a && row[2] == b)
            return row[0];
        if (row[1] < a || (row[1] == a && row[2] < b))
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Put together what can be, where it lies: each character with the last
 * starter, unless one of its class or above stands between. */
static void compose(struct akin__points *points)
{
    uint32_t *at = points->at;
    size_t kept = 0, starter = SIZE_MAX;
    uint32_t before = 0; /* class of the last one kept */
    for (size_t i = 0; i < points->count; i++) {
        const uint32_t mark = mark_of(at[i]);
        const bool next = starter != SIZE_MAX && kept == starter + 1;
        const bool open = starter != SIZE_MAX && (next || before < mark);
        const uint32_t whole = open ? composed(at[starter], at[i]) : 0;
        if (whole) {
            at[starter] = whole;
            continue;
        }
        if (!mark)
            starter = kept;
        before = mark;
        at[kept++] = at[i];
    }
    points->count = kept;
}

void akin__points_normalize(struct akin__points *out, const uint32_t *from,
                            size_t count)
{
    struct akin__points parts = {0};
    out->count = 0;
    for (size_t i = 0; i < count; i++)
        decompose(&parts, from[i]);
    order_marks(&parts);
    compose(&parts);
    for (size_t i = 0; i < parts.count; i++) {
        if (parts.at[i] == CAPITAL_I_DOT) {
            add(out, 'i');
            add(out, 0x307);
        } else {
            add(out, lower_of(parts.at[i]));
        }
    }
    out->failed |= parts.failed;
    akin__points_free(&parts);
}
