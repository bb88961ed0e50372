/*
 * Which photos (copies.h), and what each is to become. Everything here follows
 * from the order of paths, the sizes and bytes of files and the seed; never
 * from where the folder lies or how the disc lists it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "embed/run.h"
#include "eval/copies.h"
#include "image/decoder.h"

/* What the dice of a seed are thrown for, beside the photos' edits, whose
 * numbers are below. */
enum { FOR_LOT = -1, FOR_ORDER = -2 };

/* -------------------------------------------------------------- edits -- */

static bool has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (;;) {
        const size_t span = strcspn(list, ",");
        if (span == length && memcmp(list, word, length) == 0)
            return true;
        if (!list[span])
            return false;
        list += span + 1;
    }
}

/* Whether every word of the list is a kind. */
static akin_status check_kinds(const char *list, akin_error *err)
{
    for (const char *word = list;;) {
        const int span = (int)strcspn(word, ",");
        bool known = false;
        for (int k = 0; k < AKIN__EDIT_KINDS; k++) {
            const char *name = akin__edit_name((enum akin__edit_kind)k);
            known |= strlen(name) == (size_t)span &&
                     memcmp(name, word, (size_t)span) == 0;
        }
        if (!known)
            return akin__fail(
                err, AKIN_EUSAGE,
                "no edit is called \"%.*s\"; there are crop, scale, jpeg, "
                "rotate, flip, colour, blur, noise, text, overlay, screenshot "
                "and combined",
                span, word);
        if (!word[span])
            return AKIN_OK;
        word += span + 1;
    }
}

static void shuffle(size_t *number, size_t count, struct akin__dice dice)
{
    for (size_t i = 0; i < count; i++)
        number[i] = i;
    for (size_t i = count; i > 1; i--) {
        const size_t other = (size_t)(akin__dice_next(&dice) % i);
        const size_t moved = number[i - 1];
        number[i - 1] = number[other];
        number[other] = moved;
    }
}

static akin_status choose_sorts(struct akin__copies *c, akin_error *err)
{
    const char *edits = c->options.edits;
    const akin_status status = edits ? check_kinds(edits, err) : AKIN_OK;
    if (status)
        return status;
    for (int k = 0; k < AKIN__EDIT_KINDS; k++) {
        const enum akin__edit_kind kind = (enum akin__edit_kind)k;
        if (edits && !has_word(edits, akin__edit_name(kind)))
            continue;
        for (int s = 1; s <= AKIN__EDIT_STRENGTHS; s++)
            c->sort[c->sorts++] = (struct akin__sort){kind, s};
    }
    if (c->options.count > c->sorts)
        return akin__fail(err, AKIN_EUSAGE,
                          "%zu queries of a photo are more than its %zu edits "
                          "(kinds times strengths)",
                          c->options.count, c->sorts);
    shuffle(c->order, c->sorts,
            akin__dice(c->options.seed, (uint64_t)FOR_ORDER, 0));
    return AKIN_OK;
}

static size_t queries_of_each(const struct akin__copies *c)
{
    if (c->options.count)
        return c->options.count;
    if (c->photos <= AKIN__COPY_QUERIES / c->sorts)
        return c->sorts;
    return c->photos < AKIN__COPY_QUERIES ? AKIN__COPY_QUERIES / c->photos : 1;
}

static int by_number(const void *a, const void *b)
{
    const size_t left = *(const size_t *)a, right = *(const size_t *)b;
    return (left > right) - (left < right);
}

void akin__copies_sorts(const struct akin__copies *c, size_t photo,
                        size_t *sorts)
{
    for (size_t i = 0; i < c->count; i++)
        sorts[i] = c->order[(photo * c->count + i) % c->sorts];
    qsort(sorts, c->count, sizeof *sorts, by_number);
}

const struct akin__ground *
akin__copies_ground(const struct akin__copies *c, size_t photo,
                    const struct akin__recipe *recipe)
{
    const int32_t number = akin__recipe_ground(recipe);
    if (number < 0 || !c->grounds)
        return NULL;
    const size_t first = (size_t)number % c->grounds;
    if (c->ground[first].photo != photo)
        return &c->ground[first];
    return c->grounds > 1 ? &c->ground[(first + 1) % c->grounds] : NULL;
}

/* ------------------------------------------------------------- photos -- */

static bool go_on(void *context, size_t found)
{
    struct akin__copies *c = context;
    return !c->options.progress ||
           !c->options.progress(c->options.context, "files", found, 0);
}

/* What the reference is called after: its own suffix, else what it is. */
static void set_suffix(struct akin__photo *photo)
{
    const char *dot = strrchr(photo->name, '.');
    if (akin__image_suffix(photo->name)) {
        strncpy(photo->suffix, dot + 1, sizeof photo->suffix - 1);
        return;
    }
    enum { HEAD = 4096 };
    uint8_t head[HEAD];
    struct akin__file file;
    const struct akin__format *format = NULL;
    const size_t count = photo->bytes < HEAD ? (size_t)photo->bytes : HEAD;
    if (!akin__file_open(&file, photo->path, AKIN__READ, NULL)) {
        if (!akin__file_read(&file, head, count, 0, NULL))
            format = akin__sniff(head, count);
        akin__file_close(&file);
    }
    const char *name = format ? format->name : "jpg";
    if (!strcmp(name, "jpeg") || !strcmp(name, "raw"))
        name = *name == 'j' ? "jpg" : "dng";
    strncpy(photo->suffix, name, sizeof photo->suffix - 1);
}

static void add_photo(struct akin__copies *c, const struct akin__item *item,
                      size_t root_length)
{
    struct akin__photo *photo = &c->photo[c->photos++];
    memset(photo, 0, sizeof *photo);
    photo->path = akin__item_path(&c->list, item);
    photo->name = photo->path + root_length;
    photo->bytes = item->bytes;
    set_suffix(photo);
}

/* What of the walk is a photo; `set`, real or NULL, is not looked into. */
static akin_status take_photos(struct akin__copies *c, size_t root_length,
                               const char *set, akin_error *err)
{
    c->photo = akin__alloc(c->list.count ? c->list.count : 1, sizeof *c->photo);
    if (!c->photo)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", c->folder);
    for (size_t i = 0; i < c->list.count; i++) {
        const struct akin__item *item = &c->list.item[i];
        const char *path = akin__item_path(&c->list, item);
        if (set && akin__lies_in(path, set))
            continue;
        if (item->what == AKIN__BARRED)
            akin__copies_notice(c, path, path + strlen(path) + 1, true);
        else if (item->what == AKIN__FILE &&
                 akin__is_picture(path, item->bytes))
            add_photo(c, item, root_length);
        else if (item->what == AKIN__FILE || item->what == AKIN__OTHER)
            c->report->skipped++;
    }
    return AKIN_OK;
}

static akin_status walk(struct akin__copies *c, akin_error *err)
{
    akin_status status = AKIN_OK;
    char *real = NULL, *set = NULL;
    struct stat st;
    AKIN_TRY(akin__stat(c->folder, &st, err));
    AKIN_CHECK(S_ISDIR(st.st_mode), err, AKIN_ENOTFOUND, "%s: is no folder",
               c->folder);
    AKIN_TRY(akin__real_path(c->folder, &real, err));
    if (akin__is_folder(c->set))
        AKIN_TRY(akin__real_path(c->set, &set, err));
    struct akin__walk how = {.root = real, .go_on = go_on, .context = c};
    AKIN_TRY(akin__walk(&c->list, real, &how, err));
    akin__list_sort(&c->list);
    status = take_photos(c, strlen(real) + (real[1] != 0), set, err);
out:
    akin__free(real);
    akin__free(set);
    return status;
}

/* ---------------------------------------------------- the same twice -- */

/* A photo among those that have as many bytes. */
struct twin {
    uint64_t bytes;
    size_t photo;
    uint8_t digest[AKIN__SHA256_BYTES];
};

static int by_bytes(const void *a, const void *b)
{
    const struct twin *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? -1 : 1;
    return (left->photo > right->photo) - (left->photo < right->photo);
}

static int by_digest(const void *a, const void *b)
{
    const struct twin *left = a, *right = b;
    const int order = memcmp(left->digest, right->digest, sizeof left->digest);
    return order ? order : by_bytes(a, b);
}

static akin_status digest(struct twin *twin, const char *path, akin_error *err)
{
    uint8_t *bytes = NULL;
    size_t count;
    akin_status status =
        akin__read_file(path, twin->bytes, &bytes, &count, NULL, err);
    if (!status)
        status = akin__sha256(bytes, count, twin->digest, err);
    akin__free(bytes);
    return status;
}

/* Mark what has the bytes of an earlier one of these, all of one size. What
 * cannot be read is like nothing else; it will be told when it is its turn. */
static akin_status find_same(struct akin__copies *c, struct twin *twin,
                             size_t count, bool *same, akin_error *err)
{
    size_t read = 0;
    for (size_t i = 0; i < count && count > 1; i++) {
        const akin_status status =
            digest(&twin[i], c->photo[twin[i].photo].path, err);
        if (status == AKIN_ENOMEM)
            return status;
        if (!status)
            twin[read++] = twin[i];
    }
    qsort(twin, read, sizeof *twin, by_digest);
    for (size_t i = 1; i < read; i++)
        same[twin[i].photo] = memcmp(twin[i].digest, twin[i - 1].digest,
                                     sizeof twin->digest) == 0;
    return AKIN_OK;
}

static void drop_same(struct akin__copies *c, const bool *same)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->photos; i++) {
        if (same[i])
            c->report->same++;
        else
            c->photo[kept++] = c->photo[i];
    }
    c->photos = kept;
}

/* Of two references with the same bytes both would be right, and the truth
 * would know one. */
static akin_status drop_twins(struct akin__copies *c, akin_error *err)
{
    struct twin *twin = akin__alloc(c->photos, sizeof *twin);
    bool *same = akin__calloc(c->photos, sizeof *same);
    akin_status status = AKIN_OK;
    AKIN_CHECK(twin && same, err, AKIN_ENOMEM, "%s: no memory", c->folder);
    for (size_t i = 0; i < c->photos; i++)
        twin[i] = (struct twin){.bytes = c->photo[i].bytes, .photo = i};
    qsort(twin, c->photos, sizeof *twin, by_bytes);
    for (size_t i = 0, end; i < c->photos; i = end) {
        for (end = i + 1; end < c->photos && twin[end].bytes == twin[i].bytes;)
            end++;
        AKIN_TRY(find_same(c, twin + i, end - i, same, err));
    }
    drop_same(c, same);
out:
    akin__free(twin);
    akin__free(same);
    return status;
}

/* --------------------------------------------------------------- plan -- */

static akin_status choose_distractors(struct akin__copies *c, akin_error *err)
{
    const double share = c->options.distractors;
    size_t count = (size_t)((double)c->photos * share + 0.5);
    if (!count && share > 0)
        count = 1;
    if (count >= c->photos)
        count = c->photos - 1;
    c->lot = akin__alloc(c->photos, sizeof *c->lot);
    if (!c->lot)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", c->folder);
    shuffle(c->lot, c->photos,
            akin__dice(c->options.seed, (uint64_t)FOR_LOT, 0));
    for (size_t i = 0; i < count; i++)
        c->photo[c->lot[i]].distractor = true;
    c->distractors = count;
    return AKIN_OK;
}

akin_status akin__copies_list(struct akin__copies *c, akin_error *err)
{
    akin_status status = AKIN_OK;
    AKIN_TRY(choose_sorts(c, err));
    AKIN_TRY(walk(c, err));
    AKIN_CHECK(c->photos, err, AKIN_ENOTFOUND, "%s: no picture is in there",
               c->folder);
    AKIN_TRY(drop_twins(c, err));
    AKIN_TRY(choose_distractors(c, err));
    c->count = queries_of_each(c);
    c->digits = 5;
    for (size_t all = c->photos * c->count; all > 100000; all /= 10)
        c->digits++;
out:
    return status;
}
