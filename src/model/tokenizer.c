/*
 * Tokenizer (tokenizer.h), in the steps of transformers' CLIPTokenizer:
 *
 *   special tokens that stand in the text cut it into stretches
 *   a stretch: normal form C, then lower case
 *   special tokens that are looked for after that cut it again
 *   what lies between is split into words by a fixed pattern, and each word
 *   into tokens by its bytes (bpe.h)
 *
 * The pattern: <|startoftext|> | <|endoftext|> | 's | 't | 're | 've | 'm |
 * 'll | 'd | letters | one number | what is no space, letter or number. A
 * special token that the pattern meets (in capitals, once) is no token of the
 * vocabulary but falls into three words: "<|", "endoftext", "|>".
 */
#include "model/tokenizer.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "model/bpe.h"
#include "model/unicode.h"

enum { MAX_FILE = 16 << 20, SPECIALS = 2 };

struct special {
    const char *text; /* ASCII */
    int32_t id;
    bool late; /* looked for in lower case, not in the text as it is */
};

struct akin__tokenizer {
    struct akin__bpe *bpe;
    struct special special[SPECIALS]; /* start, end */
};

/* ------------------------------------------------------------------ open -- */

/* A token of the vocabulary, or of those that were added to it. */
static akin_status find_special(struct special *special, const char *path,
                                const json_t *vocabulary, const json_t *added,
                                size_t tokens, akin_error *err)
{
    const json_t *value = json_object_get(vocabulary, special->text);
    size_t i;
    json_t *entry;
    json_array_foreach(added, i, entry)
    {
        const char *text = json_string_value(json_object_get(entry, "content"));
        if (!text || strcmp(text, special->text))
            continue;
        value = json_object_get(entry, "id");
        special->late = json_is_true(json_object_get(entry, "normalized"));
    }
    const json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (size_t)number >= tokens)
        return akin__fail(err, AKIN_EMODEL, "%s: has no token %s below %zu",
                          path, special->text, tokens);
    special->id = (int32_t)number;
    return AKIN_OK;
}

static akin_status build(struct akin__tokenizer *t, const char *path,
                         const json_t *vocabulary, const json_t *merges,
                         const json_t *added, size_t tokens, akin_error *err)
{
    for (size_t i = 0; i < SPECIALS; i++) {
        const akin_status status =
            find_special(&t->special[i], path, vocabulary, added, tokens, err);
        if (status)
            return status;
    }
    return akin__bpe_open(&t->bpe, path, vocabulary, merges, tokens, err);
}

static akin_status open_whole(struct akin__tokenizer *t, const char *path,
                              size_t tokens, akin_error *err)
{
    json_t *root;
    akin_status status = akin__json_read(path, MAX_FILE, &root, err);
    if (status)
        return status;
    const json_t *model = json_object_get(root, "model");
    const char *type = json_string_value(json_object_get(model, "type"));
    const char *end =
        json_string_value(json_object_get(model, "end_of_word_suffix"));
    if ((type && strcmp(type, "BPE")) || !end || strcmp(end, "</w>"))
        status = akin__fail(err, AKIN_EMODEL,
                            "%s: is no tokenizer of CLIP's kind (BPE with "
                            "</w> at the end of words)",
                            path);
    else
        status = build(t, path, json_object_get(model, "vocab"),
                       json_object_get(model, "merges"),
                       json_object_get(root, "added_tokens"), tokens, err);
    json_decref(root);
    return status;
}

/* merges.txt: a merge a line, after a line that says the version. */
static akin_status read_merges(const char *path, json_t **merges,
                               akin_error *err)
{
    static const char version[] = "#version";
    akin_status status = AKIN_OK;
    uint8_t *bytes = NULL;
    size_t count = 0;
    *merges = json_array();
    AKIN_CHECK(*merges, err, AKIN_ENOMEM, "%s: no memory", path);
    AKIN_TRY(akin__read_file(path, MAX_FILE, &bytes, &count, NULL, err));
    for (size_t at = 0, end; at < count; at = end + 1) {
        const char *line = (const char *)bytes + at;
        const char *newline = memchr(line, '\n', count - at);
        end = newline ? (size_t)(newline - (const char *)bytes) : count;
        size_t length = end - at;
        if (length && line[length - 1] == '\r')
            length--;
        if (!length || (length >= strlen(version) &&
                        !memcmp(line, version, strlen(version))))
            continue;
        AKIN_CHECK(!json_array_append_new(*merges, json_stringn(line, length)),
                   err, AKIN_EFORMAT, "%s: merge %zu is no UTF-8", path,
                   json_array_size(*merges) + 1);
    }
out:
    akin__free(bytes);
    return status;
}

/* transformers 5 takes what tokenizer_config.json says last of a token: of the
 * end token that is said by pad_token. */
static bool is_late(const struct akin__weights_place *place, const char *key,
                    const char *text)
{
    char *path = akin__weights_file(place, "tokenizer_config.json");
    json_t *root = NULL;
    bool late = false;
    if (path && !akin__json_read(path, MAX_FILE, &root, NULL)) {
        const json_t *token = json_object_get(root, key);
        const char *content =
            json_string_value(json_object_get(token, "content"));
        late = content && !strcmp(content, text) &&
               json_is_true(json_object_get(token, "normalized"));
    }
    json_decref(root);
    akin__free(path);
    return late;
}

static akin_status open_parts(struct akin__tokenizer *t,
                              const struct akin__weights_place *place,
                              size_t tokens, akin_error *err)
{
    char *path = akin__weights_file(place, "vocab.json");
    char *list = akin__weights_file(place, "merges.txt");
    json_t *vocabulary = NULL, *merges = NULL;
    akin_status status = AKIN_OK;
    AKIN_CHECK(path && list, err, AKIN_EMODEL,
               "%s: has no tokenizer.json, and no vocab.json with merges.txt, "
               "without which it cannot read",
               place->folder);
    AKIN_TRY(akin__json_read(path, MAX_FILE, &vocabulary, err));
    AKIN_TRY(read_merges(list, &merges, err));
    AKIN_TRY(build(t, path, vocabulary, merges, NULL, tokens, err));
    t->special[0].late = is_late(place, "bos_token", t->special[0].text);
    t->special[1].late = is_late(place, "pad_token", t->special[1].text);
out:
    json_decref(vocabulary);
    json_decref(merges);
    akin__free(path);
    akin__free(list);
    return status;
}

akin_status akin__tokenizer_open(struct akin__tokenizer **out,
                                 const struct akin__weights_place *place,
                                 size_t tokens, akin_error *err)
{
    akin_status status = AKIN_OK;
    char *path = NULL;
    struct akin__tokenizer *t = akin__calloc(1, sizeof *t);
    *out = NULL;
    AKIN_CHECK(t, err, AKIN_ENOMEM, "no memory for a tokenizer");
    t->special[0].text = "<|startoftext|>";
    t->special[1].text = "<|endoftext|>";
    path = akin__weights_file(place, "tokenizer.json");
    AKIN_TRY(path ? open_whole(t, path, tokens, err)
                  : open_parts(t, place, tokens, err));
    *out = t;
    t = NULL;
out:
    akin__free(path);
    akin__tokenizer_close(&t);
    return status;
}

void akin__tokenizer_close(struct akin__tokenizer **tokenizer)
{
    if (!*tokenizer)
        return;
    akin__bpe_close(&(*tokenizer)->bpe);
    akin__free(*tokenizer);
    *tokenizer = NULL;
}

/* ------------------------------------------------------------------ text -- */

/* A text on its way. */
struct reading {
    const struct akin__tokenizer *tokenizer;
    int32_t *ids; /* [most] */
    size_t count, most;
    struct akin__points lower; /* the stretch, normal and in lower case */
    uint8_t *bytes;            /* [room]: of a word */
    int32_t *word;             /* [room]: its tokens */
    size_t room;
    akin_status status; /* the first failure */
    akin_error *err;
};

static bool is_full(const struct reading *r)
{
    return r->status || r->count == r->most;
}

static void add_id(struct reading *r, int32_t id)
{
    if (r->count < r->most)
        r->ids[r->count++] = id;
}

static akin_status make_room(struct reading *r, size_t bytes)
{
    if (bytes <= r->room)
        return AKIN_OK;
    akin__free(r->bytes);
    akin__free(r->word);
    r->bytes = akin__alloc(bytes, 1);
    r->word = akin__alloc(bytes, sizeof *r->word);
    r->room = r->bytes && r->word ? bytes : 0;
    return r->room ? AKIN_OK
                   : akin__fail(r->err, AKIN_ENOMEM,
                                "no memory for a word of %zu bytes", bytes);
}

static void add_word(struct reading *r, const uint32_t *at, size_t count)
{
    size_t bytes = 0, found = 0;
    if (is_full(r) || !count)
        return;
    r->status = make_room(r, 4 * count + 64);
    for (size_t i = 0; i < count && !r->status; i++)
        bytes += akin__utf8_encode(at[i], r->bytes + bytes);
    if (!r->status)
        r->status = akin__bpe_word(r->tokenizer->bpe, r->bytes, bytes, r->word,
                                   &found, r->err);
    for (size_t i = 0; i < found; i++)
        add_id(r, r->word[i]);
}

/* Characters of the ASCII text that begins the row; 0 when it does not. */
static size_t begins(const uint32_t *at, size_t count, const char *text)
{
    size_t i = 0;
    for (; text[i]; i++) {
        if (i == count || at[i] != (unsigned char)text[i])
            return 0;
    }
    return i;
}

/* Characters of the word at the front, which is no space. */
static size_t word_length(const uint32_t *at, size_t count)
{
    static const char *const short_ones[] = {"'s", "'t",  "'re", "'ve",
                                             "'m", "'ll", "'d"};
    const enum akin__class class = akin__class_of(at[0]);
    for (size_t i = 0; i < sizeof short_ones / sizeof *short_ones; i++) {
        const size_t length = begins(at, count, short_ones[i]);
        if (length)
            return length;
    }
    size_t length = 1;
    while (class != AKIN__NUMBER && length < count &&
           akin__class_of(at[length]) == class)
        length++;
    return length;
}

static void add_words(struct reading *r, const uint32_t *at, size_t count)
{
    for (size_t i = 0, length; i < count && !is_full(r); i += length) {
        length = 1;
        if (akin__class_of(at[i]) == AKIN__SPACE)
            continue;
        for (size_t s = 0; s < SPECIALS; s++) {
            const size_t all =
                begins(at + i, count - i, r->tokenizer->special[s].text);
            if (!all)
                continue;
            add_word(r, at + i, 2);
            add_word(r, at + i + 2, all - 4);
            add_word(r, at + i + all - 2, 2);
            length = all;
        }
        if (length > 1)
            continue;
        length = word_length(at + i, count - i);
        add_word(r, at + i, length);
    }
}

typedef void stretch_fn(struct reading *r, const uint32_t *at, size_t count);

/* Cut at special tokens that are (not) `late`; `next` is called for what lies
 * between them. */
static void cut(struct reading *r, bool late, const uint32_t *at, size_t count,
                stretch_fn *next)
{
    size_t from = 0;
    for (size_t i = 0; i < count && !is_full(r);) {
        size_t length = 0, s = 0;
        for (; at[i] == '<' && s < SPECIALS && !length; s++)
            if (r->tokenizer->special[s].late == late)
                length =
                    begins(at + i, count - i, r->tokenizer->special[s].text);
        if (!length) {
            i++;
            continue;
        }
        next(r, at + from, i - from);
        if (!r->status)
            add_id(r, r->tokenizer->special[s - 1].id);
        from = i += length;
    }
    next(r, at + from, count - from);
}

static void read_stretch(struct reading *r, const uint32_t *at, size_t count)
{
    if (is_full(r) || !count)
        return;
    akin__points_normalize(&r->lower, at, count);
    if (r->lower.failed)
        r->status = akin__fail(r->err, AKIN_ENOMEM, "no memory for a text");
    else
        cut(r, true, r->lower.at, r->lower.count, add_words);
}

akin_status akin__tokenize(const struct akin__tokenizer *tokenizer,
                           const char *text, size_t bytes, int32_t *ids,
                           size_t most, size_t *count, akin_error *err)
{
    struct reading r = {
        .tokenizer = tokenizer, .ids = ids, .most = most - 1, .err = err};
    struct akin__points points = {0};
    add_id(&r, tokenizer->special[0].id);
    akin__points_decode(&points, text, bytes);
    if (points.failed)
        r.status = akin__fail(err, AKIN_ENOMEM, "no memory for a text");
    else
        cut(&r, false, points.at, points.count, read_stretch);
    r.most = most;
    add_id(&r, tokenizer->special[1].id);
    *count = r.count;
    akin__points_free(&points);
    akin__points_free(&r.lower);
    akin__free(r.bytes);
    akin__free(r.word);
    return r.status;
}
