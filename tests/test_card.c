/*
 * Searches that a card takes part in, with a plugin in plain C (fakerows.c) in
 * its place: the same answers as from float32 alone, whatever the rows are and
 * whatever happened to them since the last search.
 */
#include "made_index.h"

#include <fcntl.h>

enum { WIDE = 48, ROWS = 3000, QUERIES = 24, MOST = 200 };

static uint64_t state = 1;

/* Of [-1, 1). */
static float draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state >> 32) * 0x1p-31f;
}

static void draw_vector(float vector[WIDE])
{
    for (int i = 0; i < WIDE; i++)
        vector[i] = draw();
}

static akin_index *make_wide(void)
{
    akin_index *index = open_index(AKIN_INDEX_CREATE);
    akin_index_model is = fake("clip", 'a');
    size_t ordinal;
    is.dim = WIDE;
    EXPECT_INT(akin__index_model_as(index, &is, (struct akin__making){0},
                                    &ordinal, &err),
               AKIN_OK);
    return index;
}

/* The file number `n`, of n bytes, with this vector. */
static void put_wide(akin_index *index, int n, const float *vector)
{
    struct akin__entry entry = {.format = "jpeg", .bytes = (uint64_t)n};
    static int content;
    char name[32];
    snprintf(name, sizeof name, "%d.jpg", n);
    content++;
    memcpy(entry.content, &content, sizeof content);
    EXPECT_INT(akin__index_put(index, at(name), &entry, &vector, 1, 0, &err),
               AKIN_OK);
}

static void put_random(akin_index *index, int first, int count)
{
    float vector[WIDE];
    for (int i = 0; i < count; i++) {
        draw_vector(vector);
        put_wide(index, first + i, vector);
    }
    commit(index);
}

static void forget(akin_index *index, int n)
{
    char name[32];
    snprintf(name, sizeof name, "%d.jpg", n);
    EXPECT_INT(akin__index_forget(index, find(index, name).id, &err), AKIN_OK);
}

/* What the plugin was asked since the last call. */
static const char *asked(void)
{
    static char log[4096];
    FILE *file = fopen(at("log"), "r");
    const size_t bytes = file ? fread(log, 1, sizeof log - 1, file) : 0;
    log[bytes] = 0;
    if (file)
        fclose(file);
    unlink(at("log"));
    return log;
}

static size_t times(const char *log, const char *word)
{
    size_t count = 0;
    while ((log = strstr(log, word))) {
        count++;
        log += strlen(word);
    }
    return count;
}

/* That a card gives the answers of float32 to these queries. */
static void expect_same(akin_index *index, const float *queries, size_t count,
                        size_t k, akin_search_options options)
{
    static akin_match exact[QUERIES * MOST], card[QUERIES * MOST];
    size_t found[QUERIES], found_card[QUERIES];
    bool same = true;
    options.size = sizeof options;
    options.exact = 1;
    EXPECT_INT(akin_index_search_many(index, "clip", queries, count, k,
                                      &options, exact, found, &err),
               AKIN_OK);
    options.exact = 0;
    options.device = "cuda";
    if (akin_index_search_many(index, "clip", queries, count, k, &options, card,
                               found_card, &err))
        EXPECT_STR(err.message, "");
    for (size_t q = 0; q < count; q++) {
        EXPECT_INT(found_card[q], found[q]);
        for (size_t i = q * k; i < q * k + found[q] && same; i++)
            same = exact[i].cosine == card[i].cosine &&
                   !strcmp(exact[i].path, card[i].path);
    }
    EXPECT(same);
}

static const float *queries(void)
{
    static float all[QUERIES * WIDE];
    for (int i = 0; i < QUERIES; i++)
        draw_vector(all + (size_t)i * WIDE);
    return all;
}

/* ------------------------------------------------------------- tests ----- */

static const akin_search_options any;

static void a_card_answers_as_float32_does(void)
{
    akin_index *index = make_wide();
    put_random(index, 0, ROWS);
    const float *asks = queries();
    expect_same(index, asks, 1, 1, any);
    expect_same(index, asks, QUERIES, 10, any);
    expect_same(index, asks, QUERIES, MOST, any);
    expect_same(index, asks, 3, 5, (akin_search_options){.offset = 40});
    expect_same(index, asks, 3, 50, (akin_search_options){.cut = 0.9});
    EXPECT_INT(times(asked(), "open"), 1);
    akin_index_close(&index);
    EXPECT_STR(asked(), "close\n");
    clean();
}

static void filters_choose_before_a_card_looks(void)
{
    const akin_search_options hundred = {.bytes_least = 500, .bytes_most = 600};
    akin_index *index = make_wide();
    put_random(index, 0, ROWS);
    const float *asks = queries();
    expect_same(index, asks, QUERIES, 10, hundred);
    EXPECT_INT(times(asked(), "of some"), 1);
    expect_same(index, asks, QUERIES, MOST, hundred); /* more than pass */
    expect_same(index, asks, QUERIES, 10, any);
    akin_index_close(&index);
    clean();
}

/* Equal rows, and a thousand that differ by less than a bf16 tells. */
static void rows_that_a_card_cannot_tell_apart_are_all_looked_at(void)
{
    akin_index *index = make_wide();
    float alike[WIDE], vector[WIDE];
    put_random(index, 0, 500);
    draw_vector(alike);
    for (int i = 0; i < 300; i++)
        put_wide(index, 1000 + i, alike);
    for (int i = 0; i < 1000; i++) {
        for (int j = 0; j < WIDE; j++)
            vector[j] = alike[j] + 1e-4f * draw();
        put_wide(index, 2000 + i, vector);
    }
    commit(index);
    asked();
    expect_same(index, alike, 1, 10, any);
    EXPECT(times(asked(), "near") > 1); /* it was asked for more */
    expect_same(index, queries(), QUERIES, 10, any);
    akin_index_close(&index);
    clean();
}

static void only_rows_that_came_go_to_the_card(void)
{
    akin_index *writer = make_wide();
    put_random(writer, 0, ROWS);
    akin_index *reader = open_index(AKIN_INDEX_READ);
    const float *asks = queries();
    expect_same(reader, asks, 3, 10, any);
    asked();
    put_random(writer, ROWS, 10);
    expect_same(reader, asks, 3, 10, any);
    EXPECT(strstr(asked(), "put 10\nnear") != NULL);
    for (int i = 0; i < 1000; i++)
        forget(writer, 3 * i);
    commit(writer);
    expect_same(reader, asks, 3, 10, any);
    EXPECT_INT(times(asked(), "put"), 0);
    put_random(writer, 1, 1); /* another content */
    expect_same(reader, asks, 3, 10, any);
    EXPECT(strstr(asked(), "put 1\nnear") != NULL);
    put_random(writer, 2 * ROWS, 5000); /* more than there is room for */
    expect_same(reader, asks, 3, 10, any);
    EXPECT(strstr(asked(), "close\nopen") != NULL);
    akin_index_close(&reader);
    akin_index_close(&writer);
    clean();
}

static void a_damaged_row_is_said(void)
{
    akin_search_options options = {.size = sizeof options, .device = "cuda"};
    akin_index *index = make_wide();
    akin_match match;
    size_t found;
    put_random(index, 0, 100);
    const int fd = open(at("x.akin/rows-0.f32"), O_WRONLY);
    EXPECT_INT(pwrite(fd, "akin", 4, 64 + 50 * WIDE * 4), 4);
    close(fd);
    EXPECT_INT(akin_index_search_many(index, "clip", queries(), 1, 1, &options,
                                      &match, &found, &err),
               AKIN_ECORRUPT);
    EXPECT(strstr(err.message, "row 50 has a wrong checksum") != NULL);
    akin_index_close(&index);
    clean();
}

static void what_a_card_cannot_hold_is_said(void)
{
    akin_search_options options = {.size = sizeof options, .device = "cuda:0"};
    akin_index *index = make_wide();
    akin_match match;
    size_t found;
    put_random(index, 0, 100);
    setenv("AKIN_FAKE_ROWS", "50", 1);
    EXPECT_INT(akin_index_search_many(index, "clip", queries(), 1, 1, &options,
                                      &match, &found, &err),
               AKIN_ENOMEM);
    EXPECT(strstr(err.message, "free memory") != NULL);
    unsetenv("AKIN_FAKE_ROWS");
    expect_same(index, queries(), 1, 1, any);
    options.device = "gpu";
    EXPECT_INT(akin_index_search_many(index, "clip", queries(), 1, 1, &options,
                                      &match, &found, &err),
               AKIN_EUSAGE);
    EXPECT_STR(err.message, "device gpu (it is auto, cpu, cuda or cuda:N)");
    akin_index_close(&index);
    clean();
}

static void an_empty_index_has_no_answer(void)
{
    akin_index *index = make_wide();
    expect_same(index, queries(), 2, 3, any);
    akin_index_close(&index);
    clean();
}

int main(void)
{
    char plugin[4096];
    snprintf(plugin, sizeof plugin, "%s/tests/libfakerows.so",
             getenv("AKIN_BUILD") ? getenv("AKIN_BUILD") : "build");
    if (access(plugin, R_OK) != 0) {
        printf("1..0 # SKIP %s is not built (a sanitizer is on)\n", plugin);
        return 0;
    }
    if (!make_home())
        return 1;
    setenv("AKIN_CUDA_PLUGIN", plugin, 1);
    setenv("AKIN_FAKE_LOG", at("log"), 1);
    RUN(a_card_answers_as_float32_does);
    RUN(filters_choose_before_a_card_looks);
    RUN(rows_that_a_card_cannot_tell_apart_are_all_looked_at);
    RUN(only_rows_that_came_go_to_the_card);
    RUN(a_damaged_row_is_said);
    RUN(what_a_card_cannot_hold_is_said);
    RUN(an_empty_index_has_no_answer);
    rmdir(home);
    return tap_done();
}
