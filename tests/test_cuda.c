/*
 * libakin-cuda.so by its table of functions, with made-up networks: what a
 * picture becomes does not depend on its company, its patches are the CPU's,
 * memory comes back, and what cannot be is refused with a reason.
 *
 *   test_cuda [few [rows]]
 *
 * Skips where there is no plugin or no card. The plugin is AKIN_CUDA_PLUGIN,
 * else libakin-cuda.so in AKIN_BUILD. few: small networks and few pictures, for
 * compute-sanitizer, under which all of it takes a hundred times as long; rows:
 * nothing but the search.
 */
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "math/cuda/plugin.h"
#include "tap.h"

enum { ARRAYS = 64, THREADS = 4, MOST = 300 };

static const struct akin__cuda_plugin *plugin;
static const char *absent;
static bool few;
static akin_error err;

/* ------------------------------------------------------------------ network */

/* A network's arrays, to be freed together. */
struct made {
    struct akin__cuda_spec spec;
    struct akin__cuda_block block[2];
    float value[3][256];
    float *array[ARRAYS];
    size_t arrays;
    uint64_t seed;
};

/* In [-1, 1), by xorshift. */
static float random_number(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (float)(int32_t)(*seed >> 32) / 2147483648.0f;
}

static const float *numbers(struct made *m, size_t count, float middle,
                            float reach)
{
    float *array = malloc(count * sizeof *array);
    for (size_t i = 0; i < count; i++)
        array[i] = middle + reach * random_number(&m->seed);
    m->array[m->arrays++] = array;
    return array;
}

/* Outputs vary as much as inputs do, times `gain`. */
static struct akin__cuda_linear linear(struct made *m, size_t n, size_t k,
                                       float gain, bool bias)
{
    const float reach = gain * sqrtf(3.0f / (float)k);
    return (struct akin__cuda_linear){numbers(m, n * k, 0, reach),
                                      bias ? numbers(m, n, 0, 0.1f) : NULL, n,
                                      k};
}

static struct akin__cuda_norm norm(struct made *m)
{
    const size_t d = m->spec.width;
    return (struct akin__cuda_norm){numbers(m, d, 1, 0.2f),
                                    numbers(m, d, 0, 0.1f)};
}

static void make_block(struct made *m, struct akin__cuda_block *block)
{
    const struct akin__cuda_spec *s = &m->spec;
    const size_t d = s->width;
    block->norm1 = norm(m);
    block->norm2 = norm(m);
    block->q = linear(m, d, d, 1.5f, true);
    block->kv = linear(m, 2 * d, d, 1.5f, true);
    block->out = linear(m, d, d, 1, true);
    block->gates = linear(m, s->mlp, d, 1, true);
    if (s->swiglu)
        block->values = linear(m, s->mlp, d, 1, true);
    block->fc2 = linear(m, d, s->mlp, 1, true);
    if (!s->pool_class) {
        block->out_scale = numbers(m, d, 0.5f, 0.2f);
        block->fc2_scale = numbers(m, d, 0.5f, 0.2f);
    }
}

static void fill(struct made *m)
{
    struct akin__cuda_spec *s = &m->spec;
    const size_t tokens = s->skip + s->rows * s->cols;
    m->seed = 88172645463325252u + s->width + s->patch;
    for (int c = 0; c < 3; c++)
        for (int byte = 0; byte < 256; byte++)
            m->value[c][byte] =
                ((float)byte * (1 / 255.0f) - 0.45f - 0.01f * (float)c) /
                (0.25f + 0.01f * (float)c);
    m->value[0][100] = 1 + 1 / 256.0f; /* as far from one bf16 as the next */
    s->value = (const float(*)[256])m->value;
    s->start = numbers(m, tokens * s->width, 0, 0.8f);
    s->patches =
        linear(m, s->width, 3 * s->patch * s->patch, 1, !s->pool_class);
    if (s->pool_class) {
        s->before = norm(m);
        s->projection = linear(m, s->dim, s->width, 1, false);
    } else {
        s->pool_end = tokens;
    }
    s->last = norm(m);
    for (size_t i = 0; i < s->layers; i++)
        make_block(m, &m->block[i]);
    s->block = m->block;
}

enum kind { CLIP, DINO, GIANT, KINDS };

static const char *const kind_name[KINDS] = {"clip", "dinov2",
                                             "dinov2 with swiglu"};

/* Two blocks of CLIP B/32, DINOv2-base or a small giant, freed by free_made. */
static struct made *make(enum kind kind, bool bf16)
{
    struct made *m = calloc(1, sizeof *m);
    const size_t width = few || kind == GIANT ? 128 : 768;
    const size_t side = few ? 56 : 224, patch = kind == CLIP ? 32 : 14;
    m->spec = (struct akin__cuda_spec){
        .bf16 = bf16,
        .width = width,
        .heads = width / 64,
        .layers = 2,
        .mlp = kind == GIANT ? 344 : 4 * width,
        .patch = patch,
        .rows = side / patch,
        .cols = side / patch,
        .pixel_height = side,
        .pixel_width = side,
        .skip = kind == GIANT ? 5 : 1,
        .dim = kind == CLIP ? width * 2 / 3 / 64 * 64 : width,
        .eps = kind == CLIP ? 1e-5f : 1e-6f,
        .activation = kind == CLIP ? AKIN__CUDA_QUICK_GELU : AKIN__CUDA_GELU,
        .swiglu = kind == GIANT,
        .pool_class = kind == CLIP};
    fill(m);
    return m;
}

static void free_made(struct made *m)
{
    for (size_t i = 0; i < m->arrays; i++)
        free(m->array[i]);
    free(m);
}

static struct akin__cuda_network *open_network(const struct made *m)
{
    struct akin__cuda_network *network = NULL;
    err.message[0] = 0;
    const akin_status status =
        plugin->network_open(&network, 0, &m->spec, &err);
    EXPECT_INT(status, AKIN_OK);
    if (status)
        printf("# network_open: %s\n", err.message);
    return network;
}

/* ----------------------------------------------------------------- pictures */

static size_t picture_size(const struct made *m)
{
    return 3 * m->spec.pixel_height * m->spec.pixel_width;
}

/* Different ones, bytes [count][picture_size]. */
static uint8_t *make_pictures(const struct made *m, size_t count)
{
    const size_t size = picture_size(m);
    uint8_t *bytes = malloc(count * size);
    uint64_t seed = 1234567;
    for (size_t i = 0; i < count; i++) {
        const float middle = 100 + 80 * random_number(&seed);
        for (size_t j = 0; j < size; j++)
            bytes[i * size + j] = (uint8_t)(middle + 70 * random_number(&seed));
    }
    return bytes;
}

/* Pictures [first, first + count) around the ring of `all`, in the batches that
 * fit: vectors [count][dim], NaN where nothing was written. */
static akin_status run(struct akin__cuda_network *network, const struct made *m,
                       const uint8_t *bytes, size_t all, size_t first,
                       size_t count, float *vectors, akin_error *error)
{
    const size_t size = picture_size(m), dim = m->spec.dim;
    const size_t most = plugin->network_batch(network);
    akin_status status = AKIN_OK;
    uint8_t *batch = malloc(most * size);
    memset(vectors, 0xff, count * dim * sizeof *vectors);
    for (size_t at = 0; at < count && !status; at += most) {
        const size_t here = count - at < most ? count - at : most;
        for (size_t i = 0; i < here; i++)
            memcpy(batch + i * size, bytes + (first + at + i) % all * size,
                   size);
        status = plugin->network_run(network, here, batch, vectors + at * dim,
                                     error);
    }
    free(batch);
    return status;
}

static bool same_as_alone(const float *vectors, const float *alone, size_t all,
                          size_t first, size_t count, size_t dim)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(vectors + i * dim, alone + (first + i) % all * dim,
                   dim * sizeof *vectors) != 0) {
            printf("# picture %zu of %zu from %zu on differs\n", i, count,
                   first);
            return false;
        }
    return true;
}

/* -------------------------------------------------------------------- tests */

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Rounded to the nearest bf16, ties to even. */
static float as_bf16(float x)
{
    uint32_t bits = bits_of(x);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static size_t wrong_patches(const struct made *m, const uint8_t *bytes,
                            const float *patches)
{
    const struct akin__cuda_spec *s = &m->spec;
    size_t wrong = 0;
    for (size_t row = 0; row < s->rows * s->patch; row++)
        for (size_t col = 0; col < s->cols * s->patch; col++)
            for (size_t c = 0; c < 3; c++) {
                const float value =
                    m->value[c][bytes[(row * s->pixel_width + col) * 3 + c]];
                const size_t patch = row / s->patch * s->cols + col / s->patch;
                const size_t place =
                    (c * s->patch + row % s->patch) * s->patch + col % s->patch;
                const float got =
                    patches[patch * 3 * s->patch * s->patch + place];
                wrong +=
                    bits_of(got) != bits_of(s->bf16 ? as_bf16(value) : value);
            }
    return wrong;
}

static void patches_are_exactly_the_cpus(void)
{
    if (absent) {
        tap_skip(absent);
        return;
    }
    for (int kind = 0; kind < KINDS; kind++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            struct made *m = make((enum kind)kind, bf16);
            const struct akin__cuda_spec *s = &m->spec;
            const size_t count = s->rows * s->cols * 3 * s->patch * s->patch;
            uint8_t *bytes = make_pictures(m, 1);
            float *patches = calloc(count, sizeof *patches);
            struct akin__cuda_network *network = open_network(m);
            if (network) {
                EXPECT_INT(
                    plugin->network_patches(network, bytes, patches, &err),
                    AKIN_OK);
                EXPECT_INT(wrong_patches(m, bytes, patches), 0);
            }
            plugin->network_close(&network);
            EXPECT(network == NULL);
            free(patches);
            free(bytes);
            free_made(m);
        }
}

/* Some numbers of pictures up to a batch and beyond, from several places on. */
static void compare(struct akin__cuda_network *network, const struct made *m,
                    const uint8_t *bytes, size_t all)
{
    const size_t dim = m->spec.dim, most = plugin->network_batch(network);
    const size_t count[] = {1,  2,  3,  4,  5,        7,        8,    9,  15,
                            16, 17, 31, 33, most / 2, most - 1, most, all};
    float *alone = malloc(all * dim * sizeof *alone);
    float *vectors = malloc((all + most) * dim * sizeof *vectors);
    for (size_t i = 0; i < all; i++)
        EXPECT_INT(run(network, m, bytes, all, i, 1, alone + i * dim, &err),
                   AKIN_OK);
    for (size_t i = 0; i < all * dim; i++)
        if (!isfinite(alone[i])) {
            EXPECT(isfinite(alone[i]));
            break;
        }
    EXPECT(memcmp(alone, alone + dim, dim * sizeof *alone) != 0);
    for (size_t i = 0; i < sizeof count / sizeof *count; i++) {
        const size_t first = 5 * i % all;
        if (!count[i] || count[i] > all + most)
            continue;
        EXPECT_INT(run(network, m, bytes, all, first, count[i], vectors, &err),
                   AKIN_OK);
        EXPECT(same_as_alone(vectors, alone, all, first, count[i], dim));
    }
    free(vectors);
    free(alone);
}

static void any_company(bool bf16)
{
    if (absent) {
        tap_skip(absent);
        return;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        struct made *m = make((enum kind)kind, bf16);
        const size_t all = few ? 6 : MOST;
        uint8_t *bytes = make_pictures(m, all);
        struct akin__cuda_network *network = open_network(m);
        if (network) {
            printf("# %s %s: up to %zu pictures together\n", kind_name[kind],
                   bf16 ? "bf16" : "f32", plugin->network_batch(network));
            EXPECT(plugin->network_batch(network) >= 1);
            compare(network, m, bytes, all);
        }
        plugin->network_close(&network);
        free(bytes);
        free_made(m);
    }
}

static void a_picture_has_the_same_f32_bits_in_any_company(void)
{
    any_company(false);
}

static void a_picture_has_the_same_bf16_bits_in_any_company(void)
{
    any_company(true);
}

struct user {
    struct akin__cuda_network *network;
    const struct made *made;
    const uint8_t *bytes;
    const float *alone;
    size_t all, number;
    bool good;
};

static void *use(void *context)
{
    struct user *u = context;
    const size_t dim = u->made->spec.dim;
    akin_error error;
    float *vectors = malloc(u->all * dim * sizeof *vectors);
    u->good = true;
    for (size_t turn = 0; turn < (few ? 2 : 20); turn++) {
        const size_t count = 1 + (u->number * 7 + turn * 3) % u->all;
        const size_t first = (u->number * 11 + turn) % u->all;
        if (run(u->network, u->made, u->bytes, u->all, first, count, vectors,
                &error) ||
            !same_as_alone(vectors, u->alone, u->all, first, count, dim))
            u->good = false;
    }
    free(vectors);
    return NULL;
}

static void threads_may_share_a_network(void)
{
    if (absent) {
        tap_skip(absent);
        return;
    }
    struct made *m = make(CLIP, true);
    const size_t all = few ? 3 : 64;
    uint8_t *bytes = make_pictures(m, all);
    float *alone = malloc(all * m->spec.dim * sizeof *alone);
    struct akin__cuda_network *network = open_network(m);
    struct user user[THREADS];
    pthread_t thread[THREADS];
    if (network) {
        EXPECT_INT(run(network, m, bytes, all, 0, all, alone, &err), AKIN_OK);
        for (size_t i = 0; i < THREADS; i++) {
            user[i] = (struct user){network, m, bytes, alone, all, i, false};
            pthread_create(&thread[i], NULL, use, &user[i]);
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(thread[i], NULL);
            EXPECT(user[i].good);
        }
    }
    plugin->network_close(&network);
    free(alone);
    free(bytes);
    free_made(m);
}

static uint64_t free_memory(void)
{
    struct akin__cuda_card card = {0};
    EXPECT_INT(plugin->card(0, &card, &err), AKIN_OK);
    return card.free;
}

static void open_and_close(const struct made *m, const uint8_t *bytes,
                           float *vectors)
{
    struct akin__cuda_network *network = open_network(m);
    if (network)
        EXPECT_INT(run(network, m, bytes, 2, 0, 2, vectors, &err), AKIN_OK);
    plugin->network_close(&network);
}

/* Others may use the card meanwhile, so by a hundred megabytes at most. */
static void a_closed_network_gives_its_memory_back(void)
{
    if (absent) {
        tap_skip(absent);
        return;
    }
    struct made *m = make(CLIP, true);
    uint8_t *bytes = make_pictures(m, 2);
    float *vectors = malloc(2 * m->spec.dim * sizeof *vectors);
    open_and_close(m, bytes, vectors);
    const uint64_t before = free_memory();
    for (int turn = 0; turn < (few ? 2 : 8); turn++)
        open_and_close(m, bytes, vectors);
    const uint64_t after = free_memory();
    EXPECT(after + (100u << 20) > before);
    free(vectors);
    free(bytes);
    free_made(m);
}

static void a_card_that_is_not_there_is_refused_with_a_reason(void)
{
    if (absent) {
        tap_skip(absent);
        return;
    }
    struct made *m = make(GIANT, false);
    struct akin__cuda_network *network = NULL;
    struct akin__cuda_card card;
    err.message[0] = 0;
    EXPECT(plugin->card(99, &card, &err) != AKIN_OK);
    EXPECT(err.message[0] != 0);
    err.message[0] = 0;
    EXPECT(plugin->network_open(&network, 99, &m->spec, &err) != AKIN_OK);
    EXPECT(network == NULL && err.message[0] != 0);
    free_made(m);
}

/* --------------------------------------------------------------------- rows */

/* Unit vectors [rows][dim], the twelfth again the eighth. */
static float *make_rows(size_t rows, size_t dim, uint64_t seed)
{
    float *row = malloc(rows * dim * sizeof *row);
    for (size_t i = 0; i < rows; i++) {
        double sum = 0;
        for (size_t j = 0; j < dim; j++) {
            row[i * dim + j] = random_number(&seed);
            sum += (double)row[i * dim + j] * (double)row[i * dim + j];
        }
        for (size_t j = 0; j < dim; j++)
            row[i * dim + j] /= (float)sqrt(sum);
    }
    if (rows > 11)
        memcpy(row + 11 * dim, row + 7 * dim, dim * sizeof *row);
    return row;
}

/* Rows as they are and as the card has them; a mask lets every third by. */
struct set {
    struct akin__cuda_rows *rows;
    float *row; /* [count][dim] */
    uint32_t *mask;
    size_t count, dim;
};

static bool passes(const uint32_t *mask, size_t row)
{
    return !mask || (mask[row / 32] >> row % 32 & 1);
}

static double product(const struct set *set, const float *query, size_t row)
{
    double sum = 0;
    for (size_t j = 0; j < set->dim; j++)
        sum += (double)query[j] * (double)set->row[row * set->dim + j];
    return sum;
}

/* Whether these are the best: scores within `reach` of the products, and no
 * other row's product beyond the least score by more. */
static bool are_best(const struct set *set, const float *query,
                     const uint32_t *mask, size_t k, size_t found,
                     const uint32_t *place, const float *score, double reach)
{
    const double slack = reach + 1e-6;
    bool *in = calloc(set->count, sizeof *in);
    size_t most = 0;
    double least = 2;
    bool good = true;
    for (size_t row = 0; row < set->count; row++)
        most += passes(mask, row);
    good &= found == (k < most ? k : most);
    for (size_t i = 0; i < found && good; i++) {
        good &= place[i] < set->count && !in[place[i]] &&
                passes(mask, place[i]) &&
                fabs(product(set, query, place[i]) - (double)score[i]) <= slack;
        if (good)
            in[place[i]] = true;
        least = (double)score[i] < least ? (double)score[i] : least;
    }
    for (size_t row = 0; row < set->count && good && found == k; row++)
        if (!in[row] && passes(mask, row))
            good &= product(set, query, row) <= least + slack;
    if (!mask && set->count > 11)
        good &= !in[11] || in[7]; /* of equal ones the first */
    free(in);
    return good;
}

static void ask(const struct set *set, size_t queries, size_t k,
                const uint32_t *mask)
{
    float *query = make_rows(queries, set->dim, 99 + k);
    uint32_t *place = calloc(queries * k, sizeof *place);
    float *score = calloc(queries * k, sizeof *score);
    size_t *found = calloc(queries, sizeof *found), wrong = 0;
    float *reach = calloc(queries, sizeof *reach);
    EXPECT_INT(plugin->rows_nearest(set->rows, query, queries, k, mask, place,
                                    score, found, reach, &err),
               AKIN_OK);
    for (size_t q = 0; q < queries; q++) {
        wrong += !are_best(set, query + q * set->dim, mask, k, found[q],
                           place + q * k, score + q * k, (double)reach[q]);
        wrong += !(reach[q] >= 0 && reach[q] < 0.02f);
    }
    if (wrong)
        printf("# %zu x %zu, %zu queries, k %zu%s: %zu wrong\n", set->count,
               set->dim, queries, k, mask ? ", masked" : "", wrong);
    EXPECT_INT(wrong, 0);
    free(reach);
    free(found);
    free(score);
    free(place);
    free(query);
}

/* Handed over in pieces of other sizes than any tile. */
static void open_rows(struct set *set, size_t count, size_t dim)
{
    set->count = count;
    set->dim = dim;
    set->row = make_rows(count, dim, 4711);
    set->mask = calloc(count / 32 + 1, sizeof *set->mask);
    for (size_t row = 0; row < count; row += 3)
        set->mask[row / 32] |= 1u << row % 32;
    EXPECT_INT(plugin->rows_open(&set->rows, 0, count, dim, &err), AKIN_OK);
    for (size_t at = 0; at < count && set->rows; at += 333) {
        const size_t piece = count - at < 333 ? count - at : 333;
        EXPECT_INT(
            plugin->rows_put(set->rows, piece, set->row + at * dim, &err),
            AKIN_OK);
    }
}

static void the_nearest_rows_are_those_of_plain_products(void)
{
    const size_t dims[] = {768, 512, 100, 32}, asked[] = {1, 3, 8, 9, 130};
    const size_t ks[] = {1, 10, 300};
    if (absent) {
        tap_skip(absent);
        return;
    }
    for (size_t d = few ? 2 : 0; d < 4; d++)
        for (size_t small = 0; small < 2; small++) {
            struct set set = {0};
            open_rows(&set, small ? 77 : few ? 1500 : 5003, dims[d]);
            for (size_t q = 0; q < (few ? 4 : 5) && set.rows; q++)
                for (size_t k = 0; k < 3; k++) {
                    ask(&set, asked[q], ks[k], NULL);
                    ask(&set, asked[q], ks[k], set.mask);
                }
            if (set.rows)
                plugin->rows_close(&set.rows);
            free(set.mask);
            free(set.row);
        }
}

static void more_rows_than_memory_are_refused_as_too_much(void)
{
    if (absent) {
        tap_skip(absent);
        return;
    }
    struct akin__cuda_rows *rows = NULL;
    EXPECT_INT(plugin->rows_open(&rows, 0, 4000000000, 768, &err), AKIN_ENOMEM);
    EXPECT(rows == NULL);
}

static void a_card_says_what_it_is(void)
{
    struct akin__cuda_card card = {0};
    if (absent) {
        tap_skip(absent);
        return;
    }
    EXPECT_INT(plugin->card(0, &card, &err), AKIN_OK);
    EXPECT(card.name[0] != 0 && card.major >= 7);
    EXPECT(card.memory >= card.free && card.free > 0);
    printf("# %s, compute %d.%d, driver for CUDA %d, %llu MB, %llu free\n",
           card.name, card.major, card.minor, card.driver,
           (unsigned long long)(card.memory >> 20),
           (unsigned long long)(card.free >> 20));
}

/* --------------------------------------------------------------------- main */

/* Why the tests are to be skipped; NULL: they can run. */
static const char *find_plugin(void)
{
    static char path[4096], reason[1200];
    const char *build = getenv("AKIN_BUILD");
    const char *named = getenv("AKIN_CUDA_PLUGIN");
    int cards = 0;
    const struct akin__cuda_plugin *(*table)(void) = NULL;
    snprintf(path, sizeof path, "%s/libakin-cuda.so", build ? build : "build");
    if (named && *named)
        snprintf(path, sizeof path, "%s", named);
    void *library = dlopen(path, RTLD_NOW);
    void *symbol = library ? dlsym(library, "akin_cuda_plugin") : NULL;
    if (!symbol) {
        snprintf(reason, sizeof reason, "no plugin: %s", dlerror());
        return reason;
    }
    memcpy(&table, &symbol, sizeof table);
    plugin = table();
    if (plugin->abi != AKIN__CUDA_ABI)
        return "the plugin is of another build";
    if (plugin->count(&cards, &err)) {
        snprintf(reason, sizeof reason, "no card: %s", err.message);
        return reason;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    few = argc > 1 && strcmp(argv[1], "few") == 0;
    absent = find_plugin();
    RUN(the_nearest_rows_are_those_of_plain_products);
    RUN(more_rows_than_memory_are_refused_as_too_much);
    if (few && argc > 2)
        return tap_done();
    RUN(a_card_says_what_it_is);
    RUN(patches_are_exactly_the_cpus);
    RUN(a_picture_has_the_same_f32_bits_in_any_company);
    RUN(a_picture_has_the_same_bf16_bits_in_any_company);
    RUN(threads_may_share_a_network);
    RUN(a_closed_network_gives_its_memory_back);
    RUN(a_card_that_is_not_there_is_refused_with_a_reason);
    return tap_done();
}
