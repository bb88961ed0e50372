/*
 * The folder of a set (copies.h).
 *
 * make-copies.json says which call makes it, and is locked while one does. A
 * file of it is whole as soon as its name is there, but for what a cut of power
 * emptied: so its ends are looked at. Tables come last, ground_truth.csv the
 * last of them: with it the set is one.
 */
#include <stdio.h>
#include <string.h>

#include "base/draft.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/link.h"
#include "base/memory.h"
#include "base/text.h"
#include "eval/copies.h"

enum { BLOCK = 1 << 20 };

/* -------------------------------------------------------------- names -- */

/* Allocated; NULL when memory is short. */
static char *reference_path(const struct akin__copies *c, size_t photo)
{
    return akin__format("%s/images/references/R%0*zu.%s", c->set, c->digits,
                        photo, c->photo[photo].suffix);
}

static char *query_path(const struct akin__copies *c, size_t query)
{
    return akin__format("%s/images/queries/Q%0*zu.jpg", c->set, c->digits,
                        query);
}

/* ------------------------------------------------------ what is there -- */

bool akin__copies_have_reference(const struct akin__copies *c, size_t photo)
{
    char *path = reference_path(c, photo);
    struct stat st;
    const bool there = path && !akin__stat(path, &st, NULL) &&
                       (uint64_t)st.st_size == c->photo[photo].bytes;
    akin__free(path);
    return there;
}

/* Whether it begins and ends as a JPEG does. */
static bool is_whole(const struct akin__file *file)
{
    uint8_t head[2], end[2];
    uint64_t bytes;
    return !akin__file_size(file, &bytes, NULL) && bytes > 4 &&
           !akin__file_read(file, head, 2, 0, NULL) &&
           !akin__file_read(file, end, 2, bytes - 2, NULL) && head[0] == 0xff &&
           head[1] == 0xd8 && end[0] == 0xff && end[1] == 0xd9;
}

bool akin__copies_have_query(const struct akin__copies *c, size_t query)
{
    char *path = query_path(c, query);
    struct akin__file file;
    bool there = false;
    if (path && !akin__file_open(&file, path, AKIN__READ, NULL)) {
        there = is_whole(&file);
        akin__file_close(&file);
    }
    akin__free(path);
    return there;
}

/* ----------------------------------------------------- what is put there -- */

akin_status akin__copies_put_query(const struct akin__copies *c, size_t query,
                                   const void *bytes, size_t count,
                                   akin_error *err)
{
    char *path = query_path(c, query);
    struct akin__draft draft;
    akin_status status = AKIN_OK;
    AKIN_CHECK(path, err, AKIN_ENOMEM, "%s: no memory", c->set);
    AKIN_TRY(akin__draft_open(&draft, path, err));
    status = akin__file_write(&draft.file, bytes, count, 0, err);
    if (!status)
        status = akin__draft_place(&draft, err);
    else
        akin__draft_drop(&draft);
out:
    akin__free(path);
    return status;
}

static akin_status copy_bytes(const struct akin__file *from,
                              const struct akin__file *to, akin_error *err)
{
    uint64_t bytes, at = 0;
    uint8_t *block = akin__alloc(BLOCK, 1);
    akin_status status = AKIN_OK;
    AKIN_CHECK(block, err, AKIN_ENOMEM, "%s: no memory", from->path);
    AKIN_TRY(akin__file_size(from, &bytes, err));
    while (at < bytes) {
        const size_t count = bytes - at < BLOCK ? (size_t)(bytes - at) : BLOCK;
        AKIN_TRY(akin__file_read(from, block, count, at, err));
        AKIN_TRY(akin__file_write(to, block, count, at, err));
        at += count;
    }
out:
    akin__free(block);
    return status;
}

static akin_status copy_file(const char *from, const char *to, akin_error *err)
{
    struct akin__file file;
    struct akin__draft draft;
    akin_status status = akin__file_open(&file, from, AKIN__READ, err);
    if (status)
        return status;
    status = akin__draft_open(&draft, to, err);
    if (!status) {
        status = copy_bytes(&file, &draft.file, err);
        if (!status)
            status = akin__draft_place(&draft, err);
        else
            akin__draft_drop(&draft);
    }
    akin__file_close(&file);
    return status;
}

akin_status akin__copies_put_reference(const struct akin__copies *c,
                                       size_t photo, akin_error *err)
{
    const char *from = c->photo[photo].path;
    char *path = reference_path(c, photo);
    akin_status status = AKIN_OK;
    AKIN_CHECK(path, err, AKIN_ENOMEM, "%s: no memory", c->set);
    AKIN_TRY(akin__remove(path, err));
    if (akin__link_new(from, path, NULL))
        status = copy_file(from, path, err);
out:
    akin__free(path);
    return status;
}

/* ----------------------------------------------------------- settings -- */

/* What must be the same for a set to be gone on with: all that its bytes
 * depend on, but for the bytes of the photos. */
static akin_status write_settings(const struct akin__copies *c,
                                  struct akin__text *text, akin_error *err)
{
    struct akin__hash *hash = NULL;
    uint8_t digest[AKIN__SHA256_BYTES];
    char hex[2 * AKIN__SHA256_BYTES + 1], bytes[32];
    akin_status status = akin__hash_open(&hash, AKIN__SHA256, err);
    if (status)
        return status;
    for (size_t i = 0; i < c->photos; i++) {
        const struct akin__photo *photo = &c->photo[i];
        snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)photo->bytes);
        akin__hash_add(hash, photo->name, strlen(photo->name) + 1);
        akin__hash_add(hash, bytes, strlen(bytes) + 1);
    }
    akin__hash_close(&hash, digest);
    akin__hex(hex, digest, sizeof digest);
    akin__text_addf(text,
                    "{\"format\": 1, \"seed\": %llu, \"count\": %zu, "
                    "\"photos\": %zu, \"distractors\": %zu, \"edits\": [",
                    (unsigned long long)c->options.seed, c->count, c->photos,
                    c->distractors);
    for (size_t i = 0; i < c->sorts; i += AKIN__EDIT_STRENGTHS)
        akin__text_addf(text, "%s\"%s\"", i ? ", " : "",
                        akin__edit_name(c->sort[i].kind));
    akin__text_addf(text, "], \"list\": \"%s\"}\n", hex);
    return text->failed ? akin__fail(err, AKIN_ENOMEM, "%s: no memory", c->set)
                        : AKIN_OK;
}

/* Whether the folder may become a set: it is not there, or empty. */
static akin_status check_new(const struct akin__copies *c, akin_error *err)
{
    struct akin__names names;
    if (!akin__exists(c->set))
        return AKIN_OK;
    akin_status status = akin__list_folder(c->set, &names, err);
    if (!status && names.count)
        status = akin__fail(err, AKIN_EUSAGE,
                            "%s: is there and no set that make-copies began; "
                            "name one that is not there",
                            c->set);
    akin__names_free(&names);
    return status;
}

static akin_status check_settings(const struct akin__copies *c,
                                  const char *path,
                                  const struct akin__text *wanted,
                                  akin_error *err)
{
    uint8_t *bytes = NULL;
    size_t count;
    akin_status status =
        akin__read_file(path, BLOCK, &bytes, &count, NULL, err);
    if (!status &&
        (count != wanted->length || memcmp(bytes, wanted->bytes, count) != 0))
        status = akin__fail(err, AKIN_EUSAGE,
                            "%s: is a set of other options or of other photos "
                            "(make-copies.json in it says which); name one "
                            "that is not there",
                            c->set);
    akin__free(bytes);
    return status;
}

static akin_status lock(struct akin__copies *c, const char *path,
                        akin_error *err)
{
    bool taken = false;
    akin_status status = akin__file_open(&c->settings, path, AKIN__WRITE, err);
    if (status)
        return status;
    status = akin__file_lock(&c->settings, &taken, err);
    if (!status && !taken)
        status = akin__fail(err, AKIN_ELOCKED,
                            "%s: another process is making it", c->set);
    return status;
}

/* -------------------------------------------------------------- folder -- */

/* What a killed run had not yet named. */
static akin_status sweep(const char *folder, akin_error *err)
{
    struct akin__names names;
    akin_status status = akin__list_folder(folder, &names, err);
    for (size_t i = 0; i < names.count && !status; i++) {
        const size_t length = strlen(names.name[i]);
        if (length < 4 || strcmp(names.name[i] + length - 4, ".tmp") != 0)
            continue;
        char *path = akin__join(folder, names.name[i]);
        status = path ? akin__remove(path, err)
                      : akin__fail(err, AKIN_ENOMEM, "%s: no memory", folder);
        akin__free(path);
    }
    akin__names_free(&names);
    return status;
}

static akin_status make_folders(const struct akin__copies *c, akin_error *err)
{
    static const char *const inner[] = {"images/references", "images/queries"};
    akin_status status = sweep(c->set, err);
    for (int i = 0; i < 2 && !status; i++) {
        char *path = akin__join(c->set, inner[i]);
        status = path ? akin__make_folders(path, err)
                      : akin__fail(err, AKIN_ENOMEM, "%s: no memory", c->set);
        if (!status)
            status = sweep(path, err);
        akin__free(path);
    }
    return status;
}

akin_status akin__copies_open(struct akin__copies *c, akin_error *err)
{
    struct akin__text wanted = {0};
    char *path = akin__join(c->set, "make-copies.json");
    akin_status status = AKIN_OK;
    AKIN_CHECK(path, err, AKIN_ENOMEM, "%s: no memory", c->set);
    AKIN_TRY(write_settings(c, &wanted, err));
    if (!akin__exists(path)) {
        AKIN_TRY(check_new(c, err));
        AKIN_TRY(akin__make_folders(c->set, err));
        AKIN_TRY(akin__replace_file(path, wanted.bytes, wanted.length, err));
    }
    AKIN_TRY(check_settings(c, path, &wanted, err));
    AKIN_TRY(lock(c, path, err));
    status = make_folders(c, err);
out:
    akin__text_free(&wanted);
    akin__free(path);
    return status;
}

/* -------------------------------------------------------------- tables -- */

enum { TRUTH, EDITS, DETAILS, PHOTOS, TABLES };
static const struct {
    const char *name, *header;
} tables[TABLES] = {
    {"ground_truth.csv", "query_id,reference_id\n"},
    {"edits.csv", "query_id,edit,strength\n"},
    {"details.csv", "query_id,photo,parameters\n"},
    {"photos.csv", "reference_id,path\n"},
};

static void tell_details(const struct akin__copies *c, size_t photo,
                         const struct akin__sort *sort, struct akin__text *text)
{
    struct akin__recipe recipe;
    struct akin__text words = {0};
    akin__recipe_make(&recipe, c->options.seed, photo, sort->kind,
                      sort->strength);
    const struct akin__ground *ground = akin__copies_ground(c, photo, &recipe);
    akin__recipe_tell(&recipe, ground ? c->photo[ground->photo].name : "",
                      &words);
    akin__text_add_field(text, c->photo[photo].name);
    akin__text_add(text, ",", 1);
    akin__text_add_field(text, words.failed || !words.bytes ? "" : words.bytes);
    akin__text_add(text, "\n", 1);
    text->failed |= words.failed;
    akin__text_free(&words);
}

static void add_photo(const struct akin__copies *c, size_t photo,
                      struct akin__text text[TABLES])
{
    size_t sorts[AKIN__COPY_SORTS];
    akin__copies_sorts(c, photo, sorts);
    if (!c->photo[photo].distractor) {
        akin__text_addf(&text[PHOTOS], "R%0*zu,", c->digits, photo);
        akin__text_add_field(&text[PHOTOS], c->photo[photo].name);
        akin__text_add(&text[PHOTOS], "\n", 1);
    }
    for (size_t i = 0; i < c->count; i++) {
        const struct akin__sort *sort = &c->sort[sorts[i]];
        const size_t query = photo * c->count + i;
        for (int t = TRUTH; t <= DETAILS; t++)
            akin__text_addf(&text[t], "Q%0*zu,", c->digits, query);
        if (c->photo[photo].distractor)
            akin__text_add(&text[TRUTH], "\n", 1);
        else
            akin__text_addf(&text[TRUTH], "R%0*zu\n", c->digits, photo);
        akin__text_addf(&text[EDITS], "%s,%d\n", akin__edit_name(sort->kind),
                        sort->strength);
        tell_details(c, photo, sort, &text[DETAILS]);
    }
}

akin_status akin__copies_tables(const struct akin__copies *c, akin_error *err)
{
    struct akin__text text[TABLES] = {{0}};
    akin_status status = AKIN_OK;
    for (int t = 0; t < TABLES; t++)
        akin__text_addf(&text[t], "%s", tables[t].header);
    for (size_t p = 0; p < c->photos; p++)
        if (c->photo[p].good)
            add_photo(c, p, text);
    AKIN_TRY(akin__sync_disc(c->set, err));
    for (int t = TABLES - 1; t >= 0 && !status; t--) {
        char *path = akin__join(c->set, tables[t].name);
        if (!path || text[t].failed)
            status = akin__fail(err, AKIN_ENOMEM, "%s: no memory", c->set);
        else
            status =
                akin__replace_file(path, text[t].bytes, text[t].length, err);
        akin__free(path);
    }
out:
    for (int t = 0; t < TABLES; t++)
        akin__text_free(&text[t]);
    return status;
}
