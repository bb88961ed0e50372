/*
 * BPE (bpe.h). A word is a chain of symbols, at first its bytes; the merge of
 * the lowest rank that two neighbours allow is made next, the leftmost of
 * equal ones, until none is left. A heap holds what neighbours allow; what a
 * merge has made out of date is passed over when it comes up.
 */
#include "model/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "model/unicode.h"

enum { BYTES = 256, NONE = -1 };
static const char word_end[] = "</w>";

struct merge {
    int32_t left, right, result;
    uint32_t rank;
};

struct akin__bpe {
    int32_t byte[2][BYTES]; /* tokens of bytes: within a word, at its end */
    struct merge *merge;    /* [merges], by left and right */
    size_t merges;
};

/* ------------------------------------------------------------------ open -- */

/* The character that GPT-2 writes for a byte: itself where it can be seen,
 * else the next above 255. */
static uint32_t letter_of(uint32_t byte)
{
    uint32_t hidden = 0;
    for (uint32_t b = 0; b <= byte; b++) {
        const bool seen = (b > 32 && b < 127) || (b > 160 && b != 173);
        if (b == byte && seen)
            return byte;
        hidden += !seen;
    }
    return BYTES + hidden - 1;
}

/* The number of a token; NONE when there is none. */
static int32_t number_of(const json_t *vocabulary, const char *token,
                         size_t tokens)
{
    const json_t *value = json_object_get(vocabulary, token);
    const json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (size_t)number >= tokens)
        return NONE;
    return (int32_t)number;
}

static akin_status take_bytes(struct akin__bpe *bpe, const char *path,
                              const json_t *vocabulary, size_t tokens,
                              akin_error *err)
{
    for (uint32_t b = 0; b < BYTES; b++) {
        char token[16];
        const size_t length = akin__utf8_encode(letter_of(b), (uint8_t *)token);
        for (int end = 0; end < 2; end++) {
            memcpy(token + length, end ? word_end : "", end ? 5 : 1);
            bpe->byte[end][b] = number_of(vocabulary, token, tokens);
            if (bpe->byte[end][b] == NONE)
                return akin__fail(err, AKIN_EMODEL,
                                  "%s: has no token \"%s\" below %zu", path,
                                  token, tokens);
        }
    }
    return AKIN_OK;
}

/* "a b" or ["a", "b"] into its two tokens, in `text` with room for both. */
static bool split_merge(const json_t *value, char *text, size_t room,
                        const char **left, const char **right)
{
    const char *a = json_string_value(value), *b;
    size_t length;
    if (a) {
        b = strchr(a, ' ');
        if (!b || strchr(b + 1, ' '))
            return false;
        length = (size_t)(b++ - a);
    } else {
        a = json_string_value(json_array_get(value, 0));
        b = json_string_value(json_array_get(value, 1));
        if (!a || !b || json_array_size(value) != 2)
            return false;
        length = strlen(a);
    }
    const size_t rest = strlen(b);
    if (!length || !rest || length + rest + 2 > room)
        return false;
    memcpy(text, a, length);
    text[length] = 0;
    memcpy(text + length + 1, b, rest + 1);
    *left = text;
    *right = text + length + 1;
    return true;
}

static akin_status take_merge(struct merge *merge, const char *path,
                              const json_t *value, size_t rank,
                              const json_t *vocabulary, size_t tokens,
                              akin_error *err)
{
    enum { LONGEST = 2048 };
    char text[LONGEST], whole[LONGEST];
    const char *left, *right;
    if (!split_merge(value, text, sizeof text, &left, &right))
        return akin__fail(err, AKIN_EMODEL,
                          "%s: merge %zu is not two tokens of together up to "
                          "%d bytes",
                          path, rank + 1, LONGEST - 2);
    memcpy(whole, left, strlen(left));
    memcpy(whole + strlen(left), right, strlen(right) + 1);
    *merge =
        (struct merge){number_of(vocabulary, left, tokens),
                       number_of(vocabulary, right, tokens),
                       number_of(vocabulary, whole, tokens), (uint32_t)rank};
    if (merge->left == NONE || merge->right == NONE || merge->result == NONE)
        return akin__fail(err, AKIN_EMODEL,
                          "%s: merge %zu is of or makes a token that is not in "
                          "the vocabulary, or not below %zu",
                          path, rank + 1, tokens);
    return AKIN_OK;
}

static int compare(const void *left, const void *right)
{
    const struct merge *a = left, *b = right;
    if (a->left != b->left)
        return a->left < b->left ? -1 : 1;
    if (a->right != b->right)
        return a->right < b->right ? -1 : 1;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

/* By pair; of a pair that is listed twice the last counts. */
static void sort_merges(struct akin__bpe *bpe)
{
    size_t kept = 0;
    qsort(bpe->merge, bpe->merges, sizeof *bpe->merge, compare);
    for (size_t i = 0; i < bpe->merges; i++) {
        const struct merge *m = &bpe->merge[i];
        if (kept && bpe->merge[kept - 1].left == m->left &&
            bpe->merge[kept - 1].right == m->right)
            kept--;
        bpe->merge[kept++] = *m;
    }
    bpe->merges = kept;
}

akin_status akin__bpe_open(struct akin__bpe **out, const char *path,
                           const json_t *vocabulary, const json_t *merges,
                           size_t tokens, akin_error *err)
{
    akin_status status = AKIN_OK;
    struct akin__bpe *bpe = akin__calloc(1, sizeof *bpe);
    *out = NULL;
    AKIN_CHECK(bpe, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_CHECK(json_is_object(vocabulary) && json_is_array(merges), err,
               AKIN_EMODEL, "%s: has no vocabulary and list of merges", path);
    AKIN_TRY(take_bytes(bpe, path, vocabulary, tokens, err));
    bpe->merges = json_array_size(merges);
    bpe->merge = akin__alloc(bpe->merges + 1, sizeof *bpe->merge);
    AKIN_CHECK(bpe->merge, err, AKIN_ENOMEM, "%s: no memory", path);
    for (size_t i = 0; i < bpe->merges; i++)
        AKIN_TRY(take_merge(&bpe->merge[i], path, json_array_get(merges, i), i,
                            vocabulary, tokens, err));
    sort_merges(bpe);
    *out = bpe;
    bpe = NULL;
out:
    akin__bpe_close(&bpe);
    return status;
}

void akin__bpe_close(struct akin__bpe **bpe)
{
    if (!*bpe)
        return;
    akin__free((*bpe)->merge);
    akin__free(*bpe);
    *bpe = NULL;
}

/* ------------------------------------------------------------------ word -- */

struct symbol {
    int32_t id;           /* NONE: merged into the one before */
    size_t before, after; /* SIZE_MAX: none */
};

/* A merge that two neighbours allow, the first of them at `at`. */
struct chance {
    uint32_t rank;
    int32_t result;
    size_t at;
};

struct word {
    const struct akin__bpe *bpe;
    struct symbol *symbol; /* [count] */
    struct chance *heap;   /* [chances]: the next merge first */
    size_t chances;
};

static bool sooner(const struct chance *a, const struct chance *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(struct word *w, struct chance chance)
{
    size_t at = w->chances++;
    while (at && sooner(&chance, &w->heap[(at - 1) / 2])) {
        w->heap[at] = w->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    w->heap[at] = chance;
}

static struct chance pop(struct word *w)
{
    const struct chance top = w->heap[0], last = w->heap[--w->chances];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < w->chances; at = child) {
        if (child + 1 < w->chances &&
            sooner(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!sooner(&w->heap[child], &last))
            break;
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = last;
    return top;
}

static const struct merge *find_merge(const struct akin__bpe *bpe, int32_t left,
                                      int32_t right)
{
    size_t low = 0, high = bpe->merges;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct merge *m = &bpe->merge[middle];
        if (m->left == left && m->right == right)
            return m;
        if (m->left < left || (m->left == left && m->right < right))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Note what symbol `at` and the one after it allow. */
static void look(struct word *w, size_t at)
{
    const struct symbol *s = w->symbol;
    if (at == SIZE_MAX || s[at].after == SIZE_MAX)
        return;
    const struct merge *m = find_merge(w->bpe, s[at].id, s[s[at].after].id);
    if (m)
        push(w, (struct chance){m->rank, m->result, at});
}

static void merge_symbols(struct word *w, const struct chance *chance)
{
    struct symbol *s = &w->symbol[chance->at];
    if (s->id == NONE || s->after == SIZE_MAX)
        return;
    struct symbol *next = &w->symbol[s->after];
    const struct merge *m = find_merge(w->bpe, s->id, next->id);
    if (!m || m->result != chance->result)
        return; /* one of the two is not what it was */
    s->id = m->result;
    s->after = next->after;
    next->id = NONE;
    if (s->after != SIZE_MAX)
        w->symbol[s->after].before = chance->at;
    look(w, s->before);
    look(w, chance->at);
}

akin_status akin__bpe_word(const struct akin__bpe *bpe, const uint8_t *bytes,
                           size_t count, int32_t *ids, size_t *found,
                           akin_error *err)
{
    struct symbol few[64];
    struct chance chances[3 * 64];
    struct word w = {bpe, few, chances, 0};
    akin_status status = AKIN_OK;
    if (count > sizeof few / sizeof *few) {
        w.symbol = akin__alloc(count, sizeof *w.symbol);
        /* One for each pair, and two for each merge. */
        w.heap = count < SIZE_MAX / 3 ? akin__alloc(3 * count, sizeof *w.heap)
                                      : NULL;
        AKIN_CHECK(w.symbol && w.heap, err, AKIN_ENOMEM,
                   "no memory for a word of %zu bytes", count);
    }
    for (size_t i = 0; i < count; i++)
        w.symbol[i] = (struct symbol){bpe->byte[i + 1 == count][bytes[i]],
                                      i ? i - 1 : SIZE_MAX,
                                      i + 1 < count ? i + 1 : SIZE_MAX};
    for (size_t i = 0; i < count; i++)
        look(&w, i);
    while (w.chances) {
        const struct chance next = pop(&w);
        merge_symbols(&w, &next);
    }
    *found = 0;
    for (size_t i = 0; i < count; i++) {
        if (w.symbol[i].id != NONE)
            ids[(*found)++] = w.symbol[i].id;
    }
out:
    if (w.symbol != few)
        akin__free(w.symbol);
    if (w.heap != chances)
        akin__free(w.heap);
    return status;
}
