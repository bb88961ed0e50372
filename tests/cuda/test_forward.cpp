/*
 * The kernels of a network for pictures (forward.cuh), emulated and launched
 * as network.cu launches them, against plain loops in double: odd shapes, all
 * types, and nothing written beside what is asked for.
 */
#define AKIN__EMULATE
#include "math/cuda/forward.cuh"
#include "../tap.h"

/* ----------------------------------------------------------- numbers ----- */

/* A number of [-1, 1), from its place. */
static float number(size_t i)
{
    uint32_t x = (uint32_t)(i + 1) * 2654435761u;
    x = (x ^ x >> 15) * 2246822519u;
    x = (x ^ x >> 13) * 3266489917u;
    return (float)(int)((x ^ x >> 16) >> 8) / (float)(1 << 23) - 1.0f;
}

/* Numbers and behind them some that nobody may change. */
enum { BEHIND = 64 };
template <typename Number> struct made {
    std::vector<Number> all;

    explicit made(size_t count, float scale = 0, float plus = 0,
                  size_t from = 0)
        : all(count + BEHIND)
    {
        for (size_t i = 0; i < count + BEHIND; i++)
            narrow(scale || plus ? scale * number(from + i) + plus : NAN,
                   &all[i]);
    }

    Number *data()
    {
        return all.data();
    }

    double operator[](size_t i) const
    {
        return (double)widen(all[i]);
    }

    /* Whether all but `count` is untouched where it was made as NaN. */
    bool ends_at(size_t count) const
    {
        for (size_t i = count; i < all.size(); i++)
            if (!isnan((*this)[i]))
                return false;
        return true;
    }
};

/* The largest difference, relative to numbers above one, in units of what a
 * bf16's rounding may cost, or eight of a float's. */
template <typename Number> struct judge {
    double worst = 0;

    void see(double got, double want)
    {
        const double unit = sizeof(Number) == 2 ? 1.0 / 256 : 1.0 / (1 << 20);
        const double size = fabs(want) > 1 ? fabs(want) : 1;
        const double off = fabs(got - want) / size / unit;
        if (!(off <= worst))
            worst = off; /* NaN too, and for good */
    }

    bool within(double units)
    {
        const bool good = worst <= units;
        if (!good)
            printf("# off by %g units\n", worst);
        return good;
    }
};

static unsigned blocks_of(size_t rows)
{
    return (unsigned)((rows * 32 + 127) / 128);
}

/* ------------------------------------------------------------ input ----- */

template <typename Number> static void patches_are_cut(void)
{
    const unsigned count = 2, patch = 7, rows = 3, cols = 2, ld = 152;
    const unsigned height = 23, width = 17, k = 3 * patch * patch;
    made<float> value(3 * 256, 2);
    std::vector<uint8_t> bytes(count * height * width * 3);
    made<Number> out(count * rows * cols * ld);
    for (size_t i = 0; i < bytes.size(); i++)
        bytes[i] = (uint8_t)(i * 37 + i / 251);
    emulate(count * rows * cols, 256, 0, [&] {
        cut_patches(bytes.data(), value.data(), height, width, patch, rows,
                    cols, ld, out.data());
    });
    for (unsigned p = 0; p < count * rows * cols; p++) {
        const unsigned picture = p / (rows * cols);
        const unsigned row = p / cols % rows, col = p % cols;
        bool equal = true, rest = true;
        for (unsigned i = 0; i < k; i++) {
            const unsigned c = i / (patch * patch);
            const unsigned y = row * patch + i / patch % patch;
            const unsigned x = col * patch + i % patch;
            const uint8_t byte =
                bytes[((picture * height + y) * width + x) * 3 + c];
            Number want;
            narrow((float)value[256 * c + byte], &want);
            equal &= out[p * ld + i] == widen(want);
        }
        for (unsigned i = k; i < ld; i++)
            rest &= isnan(out[p * ld + i]);
        EXPECT(equal);
        EXPECT(rest);
    }
    EXPECT(out.ends_at(count * rows * cols * ld));
}

static void patches_are_cut_as_floats(void)
{
    patches_are_cut<float>();
}

static void patches_are_cut_as_bf16(void)
{
    patches_are_cut<bf16>();
}

/* ------------------------------------------------------------ norms ----- */

struct shape {
    unsigned pictures, tokens, width;
};

static const struct shape shapes[] = {
    {1, 1, 32},  {3, 5, 32},   {2, 50, 384},  {1, 257, 384}, {1, 261, 768},
    {2, 5, 768}, {3, 1, 1536}, {1, 50, 1536}, {2, 5, 2048},  {3, 5, 40},
    {1, 5, 132}, {1, 3, 1000}, {1, 7, 516},
};

/* The norm of a row in double; w NULL: the row itself. */
template <typename At>
static std::vector<double> normed(unsigned width, At at, const float *w,
                                  const float *b, double eps)
{
    std::vector<double> row(width);
    double mean = 0, squares = 0;
    for (unsigned i = 0; i < width; i++) {
        row[i] = at(i);
        mean += row[i] / width;
    }
    for (unsigned i = 0; i < width; i++)
        squares += (row[i] - mean) * (row[i] - mean) / width;
    for (unsigned i = 0; w && i < width; i++)
        row[i] =
            (row[i] - mean) / sqrt(squares + eps) * (double)w[i] + (double)b[i];
    return row;
}

template <typename Number> static void rows_are_normed(void)
{
    judge<Number> judged;
    for (const struct shape &s : shapes) {
        const unsigned rows = s.pictures * s.tokens;
        const size_t ld = s.width + s.tokens % 3 * 4;
        made<float> x(rows * ld, 3, 0.5f), w(s.width, 1, 1, 7),
            b(s.width, 1, 0, 9);
        made<Number> out((size_t)rows * s.width);
        emulated::seed = s.tokens;
        by_laps(s.width, [&](auto laps) {
            emulate(blocks_of(rows), 128, 0, [&] {
                norm_rows<laps.value>(rows, s.width, x.data(), ld, w.data(),
                                      b.data(), 1e-5f, out.data());
            });
        });
        for (unsigned r = 0; r < rows; r++) {
            const std::vector<double> want = normed(
                s.width, [&](unsigned i) { return x[r * ld + i]; }, w.data(),
                b.data(), 1e-5);
            for (unsigned i = 0; i < s.width; i++)
                judged.see(out[(size_t)r * s.width + i], want[i]);
        }
        EXPECT(out.ends_at((size_t)rows * s.width));
    }
    EXPECT(judged.within(sizeof(Number) == 2 ? 1.01 : 2));
}

static void rows_are_normed_to_floats(void)
{
    rows_are_normed<float>();
}

static void rows_are_normed_to_bf16(void)
{
    rows_are_normed<bf16>();
}

/* A row far from zero, as networks have them, keeps its digits. */
static void a_row_with_a_large_mean_is_normed(void)
{
    const unsigned width = 768;
    made<float> x(width, 1, 1000), w(width, 1, 1), b(width, 1);
    made<float> out(width);
    judge<float> judged;
    emulate(1, 128, 0, [&] {
        norm_rows<6>(1, width, x.data(), width, w.data(), b.data(), 1e-6f,
                     out.data());
    });
    const std::vector<double> want = normed(
        width, [&](unsigned i) { return x[i]; }, w.data(), b.data(), 1e-6);
    for (unsigned i = 0; i < width; i++)
        judged.see(out[i], want[i]);
    EXPECT(judged.within(400)); /* 1000 has its last place at 6e-5 */
}

static void a_network_begins_with_its_rows(void)
{
    judge<float> judged;
    for (const struct shape &s : shapes) {
        const unsigned rows = s.pictures * s.tokens, d = s.width;
        const unsigned skip = s.tokens > 5 ? 5 : s.tokens > 1 ? 1 : 0;
        const unsigned patched = s.tokens - skip;
        made<float> start((size_t)s.tokens * d, 1),
            patches((size_t)s.pictures * patched * d, 2, 0.1f, 99),
            bias(d, 1, 0, 3), w(d, 1, 1, 7), b(d, 1, 0, 9);
        const float *plus = s.tokens % 2 ? bias.data() : NULL;
        const float *by = s.tokens == 5 || s.tokens == 50 ? w.data() : NULL;
        made<float> x((size_t)rows * d);
        emulated::seed = s.width;
        by_laps(d, [&](auto laps) {
            emulate(blocks_of(rows), 128, 0, [&] {
                begin_rows<laps.value>(rows, s.tokens, skip, d, start.data(),
                                       patches.data(), plus, by, b.data(),
                                       1e-5f, x.data());
            });
        });
        for (unsigned r = 0; r < rows; r++) {
            const unsigned t = r % s.tokens;
            const size_t patch =
                t < skip ? 0 : (size_t)(r / s.tokens) * patched + t - skip;
            const std::vector<double> want = normed(
                d,
                [&](unsigned i) {
                    double at = start[(size_t)t * d + i];
                    if (t >= skip)
                        at += patches[patch * d + i] +
                              (plus ? (double)plus[i] : 0.0);
                    return at;
                },
                by, b.data(), 1e-5);
            for (unsigned i = 0; i < d; i++)
                judged.see(x[(size_t)r * d + i], want[i]);
        }
        EXPECT(x.ends_at((size_t)rows * d));
    }
    EXPECT(judged.within(2));
}

/* The mean over [first, end) of each picture. */
static void see_pooled(judge<float> &judged, const struct shape &s,
                       unsigned first, unsigned end, bool norm)
{
    const unsigned d = s.width;
    made<float> x((size_t)s.pictures * s.tokens * d, 3, 0.5f), w(d, 1, 1, 7),
        b(d, 1, 0, 9);
    made<float> out((size_t)s.pictures * d);
    const float *by = norm ? w.data() : NULL;
    by_laps(d, [&](auto laps) {
        emulate(s.pictures, 32 * POOL_WARPS, POOL_WARPS * d * sizeof(float),
                [&] {
                    pool_rows<laps.value>(s.tokens, first, end, d, x.data(), by,
                                          b.data(), 1e-5f, out.data());
                });
    });
    for (unsigned p = 0; p < s.pictures; p++) {
        std::vector<double> mean(d);
        for (unsigned t = first; t < end; t++) {
            const size_t row = (size_t)p * s.tokens + t;
            const std::vector<double> one = normed(
                d, [&](unsigned i) { return x[row * d + i]; }, by, b.data(),
                1e-5);
            for (unsigned i = 0; i < d; i++)
                mean[i] += one[i] / (end - first);
        }
        for (unsigned i = 0; i < d; i++)
            judged.see(out[(size_t)p * d + i], mean[i]);
    }
    EXPECT(out.ends_at((size_t)s.pictures * d));
}

static void tokens_are_pooled(void)
{
    judge<float> judged;
    for (const struct shape &s : shapes) {
        emulated::seed = s.tokens;
        see_pooled(judged, s, 0, 1, true);
        see_pooled(judged, s, s.tokens > 1, s.tokens, s.width != 384);
        see_pooled(judged, s, s.tokens - 1, s.tokens, false);
    }
    EXPECT(judged.within(2));
}

static void pooling_is_right_in_every_order(void)
{
    judge<float> judged;
    for (emulated::seed = 0; emulated::seed < 8; emulated::seed++)
        see_pooled(judged, {2, 13, 132}, 1, 13, true);
    EXPECT(judged.within(2));
}

/* ------------------------------------------------------- activation ----- */

static double activated(int kind, double x)
{
    return kind == GELU         ? 0.5 * x * (1 + erf(x / sqrt(2.0)))
           : kind == QUICK_GELU ? x / (1 + exp(-1.702 * x))
           : kind == SWIGLU     ? x / (1 + exp(-x))
                                : x;
}

/* scale: large numbers must not become NaN. */
template <int KIND, typename Number>
static void see_activated(unsigned rows, unsigned width, unsigned more,
                          float scale)
{
    const unsigned ld = (KIND == SWIGLU ? 2 * width : width) + more;
    made<Number> hidden((size_t)rows * ld, scale);
    made<float> bias(2 * width, 1, 0, 5);
    const made<Number> before = hidden;
    const unsigned threads = width / 4 < 256 ? 64 : 256;
    judge<Number> judged;
    bool rest = true;
    emulated::seed = rows;
    emulate(dim3((width / 4 + threads - 1) / threads,
                 (rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE),
            threads, 0, [&] {
                activate_rows<KIND>(rows, width, ld, bias.data(),
                                    hidden.data());
            });
    for (size_t at = 0; at < (size_t)rows * ld + BEHIND; at++) {
        const size_t col = at % ld;
        if (at >= (size_t)rows * ld || col >= width) {
            rest &= hidden[at] == before[at];
            continue;
        }
        double want = activated(KIND, before[at] + bias[col]);
        if (KIND == SWIGLU)
            want *= before[at + width] + bias[col + width];
        judged.see(hidden[at], want);
    }
    EXPECT(rest);
    EXPECT(judged.within(sizeof(Number) == 2 ? 1.01 : 2));
}

template <int KIND> static void see_all_activated(void)
{
    see_activated<KIND, float>(1, 4, 0, 2);
    see_activated<KIND, float>(5, 1540, 4, 6);
    see_activated<KIND, float>(7, 136, 0, 200);
    see_activated<KIND, bf16>(3, 128, 8, 2);
    see_activated<KIND, bf16>(5, 3072, 0, 6);
    see_activated<KIND, bf16>(1, 60, 4, 200);
}

static void gelu_is_that_of_erf(void)
{
    see_all_activated<GELU>();
}

static void quick_gelu_is_that_of_clip(void)
{
    see_all_activated<QUICK_GELU>();
}

static void swiglu_multiplies_values_by_gates(void)
{
    see_all_activated<SWIGLU>();
}

static void linear_adds_the_bias_alone(void)
{
    see_all_activated<LINEAR>();
}

/* -------------------------------------------------------- attention ----- */

struct attention {
    unsigned pictures, tokens, queries, heads, head;
    float scale; /* of the queries: how peaked the weights are */
};

template <typename Number>
static made<Number> make_qkv(const struct attention &a)
{
    const unsigned width = a.heads * a.head;
    made<Number> qkv((size_t)a.pictures * a.tokens * 3 * width, 1);
    for (size_t row = 0; row < (size_t)a.pictures * a.tokens; row++) {
        for (unsigned i = 0; i < width; i++) {
            Number *q = &qkv.data()[row * 3 * width + i];
            /* Of a token that is no query there may be anything. */
            narrow(row % a.tokens < a.queries ? a.scale * widen(*q) : NAN, q);
        }
    }
    return qkv;
}

/* The mean of a query's values by the softmax of its scores. */
template <typename Number>
static void see_query(judge<Number> &judged, const struct attention &a,
                      const made<Number> &qkv, const made<Number> &out,
                      unsigned picture, unsigned query, unsigned at)
{
    const size_t width = a.heads * a.head, ld = 3 * width;
    const size_t rows = (size_t)picture * a.tokens;
    std::vector<double> weight(a.tokens), sum(a.head);
    double most = -INFINITY, whole = 0;
    for (unsigned t = 0; t < a.tokens; t++) {
        for (unsigned i = 0; i < a.head; i++)
            weight[t] += qkv[(rows + query) * ld + at + i] *
                         qkv[(rows + t) * ld + width + at + i];
        weight[t] /= sqrt((double)a.head);
        most = fmax(most, weight[t]);
    }
    for (unsigned t = 0; t < a.tokens; t++) {
        weight[t] = exp(weight[t] - most);
        whole += weight[t];
        for (unsigned i = 0; i < a.head; i++)
            sum[i] += weight[t] * qkv[(rows + t) * ld + 2 * width + at + i];
    }
    for (unsigned i = 0; i < a.head; i++)
        judged.see(out[((size_t)picture * a.queries + query) * width + at + i],
                   sum[i] / whole);
}

/* All that was asked for; with many tokens some of the queries. */
template <typename Number>
static bool attended(const struct attention &a, const made<Number> &qkv,
                     const made<Number> &out, double units)
{
    const size_t count = (size_t)a.pictures * a.queries * a.heads * a.head;
    judge<Number> judged;
    bool whole = out.ends_at(count);
    for (size_t i = 0; i < count; i++)
        whole &= !isnan(out[i]);
    for (unsigned p = 0; p < a.pictures; p++)
        for (unsigned h = 0; h < a.heads; h++)
            for (unsigned q = 0;
                 q<a.queries; q += a.queries> 80 && q > 20 && q + 20 < a.queries
                     ? 5
                     : 1)
                see_query(judged, a, qkv, out, p, q, h * a.head);
    if (!whole || !judged.within(units))
        printf("# of %u pictures, %u tokens, %u queries, %u heads of %u\n",
               a.pictures, a.tokens, a.queries, a.heads, a.head);
    return whole && judged.worst <= units;
}

template <int HEAD, typename Number>
static void see_attend(const struct attention &a, double units)
{
    const attention_shape shape = {a.tokens, a.queries, a.heads * a.head,
                                   a.head, 1.0f / sqrtf((float)a.head)};
    made<Number> qkv = make_qkv<Number>(a);
    made<Number> out((size_t)a.pictures * a.queries * shape.width);
    const unsigned blocks = (a.queries + 127) / 128;
    const unsigned share = (a.queries + blocks - 1) / blocks;
    emulate(dim3(blocks, a.heads, a.pictures), (share + 31) / 32 * 32, 0,
            [&] { attend<HEAD>(shape, qkv.data(), out.data()); });
    EXPECT(attended(a, qkv, out, units));
}

/* With room for `most` tiles, as network.cu launches it. */
template <int HEAD>
static void see_attend_tiles(const struct attention &a, unsigned most = DEPTH)
{
    const attention_shape shape = {a.tokens, a.queries, a.heads * a.head,
                                   a.head, 1.0f / sqrtf((float)a.head)};
    made<bf16> qkv = make_qkv<bf16>(a);
    made<bf16> out((size_t)a.pictures * a.queries * shape.width);
    const unsigned count = (a.tokens + TILE - 1) / TILE;
    const unsigned room = 227 * 1024 / (2 * sizeof(tile<HEAD>));
    unsigned depth = most < room ? most : room;
    depth = depth < count ? depth : count;
    const unsigned strips = (a.queries + STRIP - 1) / STRIP;
    const unsigned rounds = (strips + STRIPS - 1) / STRIPS;
    const unsigned warps = (strips + rounds - 1) / rounds;
    emulate(dim3(depth == count ? 1 : rounds, a.heads, a.pictures), 32 * warps,
            2 * depth * sizeof(tile<HEAD>),
            [&] { attend_tiles<HEAD>(shape, depth, qkv.data(), out.data()); });
    EXPECT(attended(a, qkv, out, 1)); /* weights and sums are rounded */
}

static void attention_by_threads_is_softmax_of_floats(void)
{
    emulated::seed = 2;
    see_attend<16, float>({3, 1, 1, 4, 8, 1}, 2);
    see_attend<16, float>({2, 5, 5, 4, 8, 4}, 4);
    see_attend<16, float>({1, 257, 257, 2, 16, 1}, 2);
    see_attend<16, float>({1, 33, 33, 3, 12, 1}, 2);
    see_attend<64, float>({1, 261, 261, 1, 64, 1}, 2);
    see_attend<64, float>({3, 50, 50, 6, 64, 1}, 2);
    see_attend<64, float>({2, 261, 1, 6, 64, 1}, 2);
    see_attend<64, float>({1, 257, 257, 6, 64, 1}, 2);
    see_attend<64, float>({1, 100, 100, 1, 32, 20}, 40);
    see_attend<128, float>({1, 50, 50, 2, 80, 1}, 2);
    see_attend<128, float>({1, 257, 1, 12, 128, 1}, 2);
}

static void attention_by_threads_is_softmax_of_bf16(void)
{
    emulated::seed = 3;
    see_attend<16, bf16>({3, 5, 5, 4, 8, 1}, 0.51);
    see_attend<16, bf16>({1, 261, 261, 1, 16, 2}, 0.51);
    see_attend<64, bf16>({1, 50, 50, 3, 48, 1}, 0.51);
    see_attend<128, bf16>({1, 257, 1, 2, 96, 1}, 0.51);
}

static void attention_by_threads_is_right_in_every_order(void)
{
    for (emulated::seed = 0; emulated::seed < 8; emulated::seed++)
        see_attend<16, float>({1, 70, 70, 1, 8, 1}, 2);
}

static void attention_by_tiles_is_softmax(void)
{
    emulated::seed = 2;
    for (unsigned tokens : {1u, 5u, 16u, 17u, 50u, 63u, 64u, 65u, 128u, 257u})
        see_attend_tiles<32>({1, tokens, tokens, 1, 32, 1});
    see_attend_tiles<64>({1, 261, 261, 2, 64, 1});
    see_attend_tiles<64>({1, 261, 261, 12, 64, 1});
    see_attend_tiles<64>({3, 257, 1, 6, 64, 1});
    see_attend_tiles<64>({3, 50, 50, 6, 64, 1});
    see_attend_tiles<64>({2, 5, 5, 12, 64, 20});
    see_attend_tiles<64>({1, 257, 257, 1, 64, 20});
    see_attend_tiles<80>({2, 50, 50, 2, 80, 1});
    see_attend_tiles<80>({1, 257, 257, 1, 80, 1});
    see_attend_tiles<80>({2, 261, 1, 3, 80, 4});
    see_attend_tiles<128>({1, 5, 5, 12, 128, 1});
    see_attend_tiles<128>({1, 197, 197, 1, 128, 1});
}

/* Tiles that come in turns, for want of memory. */
static void attention_by_few_tiles_is_softmax(void)
{
    emulated::seed = 5;
    for (unsigned depth : {2u, 3u, 5u}) {
        see_attend_tiles<32>({2, 390, 390, 1, 32, 4}, depth);
        see_attend_tiles<64>({1, 577, 577, 2, 64, 1}, depth);
        see_attend_tiles<80>({1, 257, 1, 2, 80, 1}, depth);
        see_attend_tiles<128>({1, 261, 261, 1, 128, 1}, depth);
    }
}

static void attention_by_tiles_is_right_in_every_order(void)
{
    for (emulated::seed = 0; emulated::seed < 8; emulated::seed++)
        for (unsigned depth : {2u, 4u})
            see_attend_tiles<32>({1, 200, 170, 1, 32, 1}, depth);
}

/* Of a picture alone and of the last of three. */
template <int HEAD, typename Number, typename Kernel>
static bool same_in_company(unsigned tokens, unsigned threads, size_t shared,
                            Kernel kernel)
{
    const unsigned width = 2 * HEAD;
    const attention_shape shape = {tokens, tokens, width, HEAD, 0.125f};
    const size_t each = (size_t)tokens * 3 * width;
    made<Number> qkv(3 * each, 1), out(3 * each / 3), alone(each / 3);
    emulated::seed = 4;
    emulate(dim3(1, 2, 3), threads, shared,
            [&] { kernel(shape, qkv.data(), out.data()); });
    emulate(dim3(1, 2, 1), threads, shared,
            [&] { kernel(shape, qkv.data() + 2 * each, alone.data()); });
    return !memcmp(out.data() + 2 * each / 3, alone.data(),
                   each / 3 * sizeof(Number));
}

static void a_picture_has_the_same_bits_in_any_company(void)
{
    EXPECT((same_in_company<64, float>(70, 96, 0, attend<64, float>)));
    EXPECT((same_in_company<64, bf16>(
        70, 96, 4 * sizeof(tile<64>),
        [](attention_shape shape, const bf16 *qkv, bf16 *out) {
            attend_tiles<64>(shape, 2, qkv, out);
        })));
}

/* ---------------------------------------------------------- weights ----- */

static void weights_are_placed_with_zeros_behind(void)
{
    const size_t n = 37, k = 149, ld = 152;
    for (int scaled = 0; scaled < 2; scaled++) {
        made<float> from(n * k, 2), scale(n, 1, 0, 5), wide(n * ld);
        made<bf16> thin(n * ld);
        const float *by = scaled ? scale.data() : NULL;
        bool equal = true;
        emulate(3, 256, 0, [&] {
            place_weights(n, k, ld, from.data(), by, wide.data());
            place_weights(n, k, ld, from.data(), by, thin.data());
        });
        for (size_t i = 0; i < n * ld; i++) {
            const size_t row = i / ld, at = i % ld;
            const float want =
                at < k ? (float)from[row * k + at] * (by ? by[row] : 1.0f)
                       : 0.0f;
            equal &= wide[i] == (double)want;
            equal &= thin[i] == to_float(to_bf16(want));
        }
        EXPECT(equal);
        EXPECT(wide.ends_at(n * ld) && thin.ends_at(n * ld));
    }
}

static void rows_are_widened_without_what_is_behind(void)
{
    const size_t rows = 29, k = 147, ld = 152;
    made<bf16> from(rows * ld, 2);
    made<float> to(rows * k);
    bool equal = true;
    emulate(3, 256, 0,
            [&] { widen_rows(rows, k, ld, from.data(), to.data()); });
    for (size_t i = 0; i < rows * k; i++)
        equal &= to[i] == from[i / k * ld + i % k];
    EXPECT(equal && to.ends_at(rows * k));
}

int main(void)
{
    RUN(patches_are_cut_as_floats);
    RUN(patches_are_cut_as_bf16);
    RUN(rows_are_normed_to_floats);
    RUN(rows_are_normed_to_bf16);
    RUN(a_row_with_a_large_mean_is_normed);
    RUN(a_network_begins_with_its_rows);
    RUN(tokens_are_pooled);
    RUN(pooling_is_right_in_every_order);
    RUN(gelu_is_that_of_erf);
    RUN(quick_gelu_is_that_of_clip);
    RUN(swiglu_multiplies_values_by_gates);
    RUN(linear_adds_the_bias_alone);
    RUN(attention_by_threads_is_softmax_of_floats);
    RUN(attention_by_threads_is_softmax_of_bf16);
    RUN(attention_by_threads_is_right_in_every_order);
    RUN(attention_by_tiles_is_softmax);
    RUN(attention_by_few_tiles_is_softmax);
    RUN(attention_by_tiles_is_right_in_every_order);
    RUN(a_picture_has_the_same_bits_in_any_company);
    RUN(weights_are_placed_with_zeros_behind);
    RUN(rows_are_widened_without_what_is_behind);
    return tap_done();
}
