/*
 * Rot: bytes of a large index turn over at random. Verify names the page or row
 * of each, and a search answers as before or says that it is damaged. Or its
 * files are cut while they are searched.
 */
#include "made_index.h"

#include "base/hash.h"

enum { WIDE = 512, TOP = 10, FLIPS = 1000, HEAD = 64, PAGE = 4096 };

static int files; /* in the index, each with a row of its own */
static uint8_t *bad_row, *bad_page; /* [files], [pages]: told by verify */
static size_t pages;
static uint64_t seed = 88172645463325252;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static void draw(float vector[WIDE])
{
    for (int i = 0; i < WIDE; i++)
        vector[i] = (float)(next_random() % 2001) - 1000;
}

static void make(void)
{
    akin_index *index = open_index(AKIN_INDEX_CREATE);
    akin_index_model is = fake("clip", 'a');
    size_t ordinal;
    is.dim = WIDE;
    EXPECT_INT(akin__index_model_as(index, &is, (struct akin__making){0},
                                    &ordinal, &err),
               AKIN_OK);
    for (int i = 0; i < files; i++) {
        struct akin__entry entry = entry_of(0);
        float vector[WIDE];
        const float *vectors[] = {vector};
        char name[32];
        snprintf(name, sizeof name, "%d/%d.jpg", i % 100, i);
        memcpy(entry.content, &i, sizeof i);
        entry.looked = true;
        draw(vector);
        EXPECT_INT(
            akin__index_put(index, at(name), &entry, vectors, 1, 0, &err),
            AKIN_OK);
    }
    commit(index);
    akin_index_close(&index);
}

/* The nearest to a vector that never changes, by codes from `from` rows on. */
static akin_status ask(akin_index *index, uint64_t from, akin_match match[TOP],
                       size_t *found)
{
    float query[WIDE];
    for (int i = 0; i < WIDE; i++)
        query[i] = (float)(i % 7);
    return akin__search(index, "clip", query, 1, TOP, NULL, from, match, found,
                        &err);
}

/* The same as text. */
static akin_status answer(struct akin__text *text)
{
    akin_index *index;
    akin_match match[TOP];
    size_t found;
    akin_status status =
        akin_index_open(&index, at("x.akin"), AKIN_INDEX_READ, &err);
    akin__text_free(text);
    if (status)
        return status;
    status = ask(index, UINT64_MAX, match, &found);
    for (size_t i = 0; i < found && !status; i++)
        akin__text_addf(text, "%s %.9f\n", match[i].path, match[i].cosine);
    akin_index_close(&index);
    return status;
}

static void note(void *context, const char *text, const char *path)
{
    unsigned long number;
    const char *row = strstr(text, ": damaged: row "),
               *page = strstr(text, "catalog.db: page ");
    (void)context;
    if (row && sscanf(row + 15, "%lu has a wrong", &number) == 1)
        bad_row[number] = path != NULL;
    if (page && sscanf(page + 17, "%lu has a wrong", &number) == 1)
        bad_page[number - 1] = 1;
}

static void turn(const struct akin__file *file, uint64_t where, int bit)
{
    uint8_t byte;
    EXPECT_INT(akin__file_read(file, &byte, 1, where, &err), AKIN_OK);
    byte ^= (uint8_t)(1 << bit);
    EXPECT_INT(akin__file_write(file, &byte, 1, where, &err), AKIN_OK);
}

/* FLIPS random bits of x.akin/NAME behind `from`, told one and all. */
static void rot(const char *name, uint64_t from, const char *want)
{
    const akin_check_options options = {.size = sizeof options,
                                        .problem = note};
    struct akin__file file;
    struct akin__text got = {0};
    uint64_t bytes, where[FLIPS];
    const bool rows = from == HEAD;
    EXPECT_INT(akin__file_open(&file, at(name), AKIN__WRITE, &err), AKIN_OK);
    EXPECT_INT(akin__file_size(&file, &bytes, &err), AKIN_OK);
    memset(bad_row, 0, (size_t)files);
    memset(bad_page, 0, pages);
    for (int i = 0; i < FLIPS; i++) {
        where[i] = from + next_random() % (bytes - from);
        turn(&file, where[i], i % 8);
    }
    const akin_status status = answer(&got);
    EXPECT(status == AKIN_ECORRUPT ||
           (!status && strcmp(got.bytes, want) == 0));
    EXPECT_INT(akin_index_verify(at("x.akin"), &options, NULL, &err),
               AKIN_ECORRUPT);
    for (int i = 0; i < FLIPS; i++) {
        const uint64_t unit =
            rows ? (where[i] - HEAD) / (WIDE * sizeof(float)) : where[i] / PAGE;
        EXPECT(rows ? bad_row[unit] : bad_page[unit]);
        turn(&file, where[i], i % 8);
    }
    akin__file_close(&file);
    akin__text_free(&got);
}

static void every_turned_bit_of_a_large_index_is_told(void)
{
    const bool thorough = getenv("AKIN_EVERY_BYTE") != NULL;
    struct akin__text want = {0};
    struct stat st = {0};
    const int rounds = thorough ? 100 : 4; /* one in ten in the catalog */
    files = thorough ? 45000 : 4000;
    make();
    EXPECT_INT(answer(&want), AKIN_OK);
    EXPECT_INT(stat(at("x.akin/catalog.db"), &st), 0);
    pages = (size_t)st.st_size / PAGE;
    bad_row = akin__calloc((size_t)files, 1);
    bad_page = akin__calloc(pages, 1);
    for (int i = 0; i < rounds; i++) {
        if (i % 10 == 0)
            rot("x.akin/catalog.db", PAGE, want.bytes);
        else
            rot("x.akin/rows-0.f32", HEAD, want.bytes);
    }
    EXPECT_INT(akin_index_verify(at("x.akin"), NULL, NULL, &err), AKIN_OK);
    printf("# %d bits of an index of %d pictures\n", rounds * FLIPS, files);
    akin__free(bad_row);
    akin__free(bad_page);
    akin__text_free(&want);
    clean();
}

/* Searches of one handle before, while, and after `name` is short, by codes
 * from `from` rows on. */
static void cut(const char *name, uint64_t from)
{
    akin_index *index;
    akin_match match[TOP];
    struct akin__file file;
    uint64_t bytes;
    size_t found;
    files = 4000;
    make();
    EXPECT_INT(akin__file_open(&file, at(name), AKIN__WRITE, &err), AKIN_OK);
    EXPECT_INT(akin__file_size(&file, &bytes, &err), AKIN_OK);
    index = open_index(AKIN_INDEX_READ);
    EXPECT_INT(ask(index, from, match, &found), AKIN_OK);
    EXPECT_INT(found, TOP);
    EXPECT_INT(akin__file_truncate(&file, 5000, &err), AKIN_OK);
    EXPECT_INT(ask(index, from, match, &found), AKIN_EIO);
    EXPECT(strstr(err.message, name) != NULL);
    EXPECT_INT(found, 0);
    EXPECT_INT(akin__file_truncate(&file, bytes, &err), AKIN_OK);
    EXPECT_INT(ask(index, from, match, &found), AKIN_ECORRUPT);
    akin_index_close(&index);
    akin__file_close(&file);
    clean();
}

static void rows_that_are_cut_between_searches_are_an_error(void)
{
    cut("x.akin/rows-0.f32", UINT64_MAX);
}

static void codes_that_are_cut_between_searches_are_an_error(void)
{
    cut("x.akin/codes-0.u8", 0);
}

int main(void)
{
    if (!make_home())
        return 1;
    RUN(every_turned_bit_of_a_large_index_is_told);
    RUN(rows_that_are_cut_between_searches_are_an_error);
    RUN(codes_that_are_cut_between_searches_are_an_error);
    rmdir(home);
    return tap_done();
}
