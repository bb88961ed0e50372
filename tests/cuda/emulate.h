/*
 * Emulate: kernels of src/math/cuda on a processor, for tests of what they
 * compute. device.cuh includes this instead of CUDA where AKIN__EMULATE is
 * defined; a test calls
 *
 *   emulate(grid, block, shared_bytes, [&] { kernel(args); });
 *
 * Each thread of a block is a fiber that runs until it has to wait: for its
 * block at __syncthreads, for its warp at a collective operation. Blocks, warps
 * and lanes run in an order that emulated::seed chooses (0: as counted, 1: the
 * other way round, else shuffled), so that a missing barrier gives a wrong
 * answer in some order. Shared memory is NaN before a block, and what copy16
 * writes is NaN until copies_wait. What would hang or fail on a card ends the
 * program with a message.
 */
#ifndef AKIN_TESTS_CUDA_EMULATE_H
#define AKIN_TESTS_CUDA_EMULATE_H

#include "fibers.h"

/* --------------------------------------------------- words and types ----- */

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__      static thread_local /* find_statics finds it */
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

#define AKIN__VECTOR(name, type)                                               \
    struct alignas(2 * sizeof(type)) name##2                                   \
    {                                                                          \
        type x, y;                                                             \
    };                                                                         \
    struct alignas(4 * sizeof(type)) name##4                                   \
    {                                                                          \
        type x, y, z, w;                                                       \
    };                                                                         \
    inline name##2 make_##name##2(type x, type y)                              \
    {                                                                          \
        return {x, y};                                                         \
    }                                                                          \
    inline name##4 make_##name##4(type x, type y, type z, type w)              \
    {                                                                          \
        return {x, y, z, w};                                                   \
    }
AKIN__VECTOR(int, int)
AKIN__VECTOR(uint, unsigned)
AKIN__VECTOR(float, float)
#undef AKIN__VECTOR

/* Run a kernel's call for each thread of each block. */
template <typename Call>
void emulate(dim3 grid, dim3 block, size_t shared, Call call)
{
    emulated::here().kernel = [](void *it) { (*(Call *)it)(); };
    emulated::here().arguments = &call;
    emulated::launch(grid, block, shared);
}

#define AKIN_SHARED(type, name)                                                \
    type *const name = reinterpret_cast<type *>(emulated::here().shared)

/* Where a function is called, as its last parameters. */
#define AKIN__HERE                                                             \
    const char *file = __builtin_FILE(), int line = __builtin_LINE()

/* ------------------------------------------- barriers and collectives ----- */

inline void __syncthreads(AKIN__HERE)
{
    emulated::block &b = emulated::here();
    b.now->at = {"__syncthreads", file, line, 0xffffffffu};
    b.now->state = emulated::AT_BLOCK;
    b.at_block++;
    emulated::yield();
}

inline void __threadfence()
{
}

inline void __threadfence_block()
{
}

inline void __syncwarp(unsigned mask = 0xffffffffu, AKIN__HERE)
{
    int nothing = 0;
    emulated::collect<int>({"__syncwarp", file, line, mask}, nothing,
                           [](int *const *, unsigned) {});
}

namespace emulated
{

template <typename T> struct shuffle {
    T in, out;
    int from; /* the lane whose `in` this one takes */
};

template <typename T> inline T take_from(const place &at, T x, int from)
{
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "of 32 or 64 bits");
    shuffle<T> mine = {x, x, from};
    collect<shuffle<T>>(at, mine, [](shuffle<T> *const *lane, unsigned mask) {
        for (unsigned i = 0; i < 32; i++) {
            if (!(mask >> i & 1))
                continue;
            if (!(mask >> lane[i]->from & 1))
                fail("lane %u takes from lane %d, which is not of the lanes "
                     "%08x",
                     i, lane[i]->from, mask);
            lane[i]->out = lane[lane[i]->from]->in;
        }
    });
    return mine.out;
}

inline int lane_now()
{
    return (int)(here().now->number % 32);
}

} // namespace emulated

template <typename T>
inline T __shfl_sync(unsigned mask, T x, int from, int width = 32, AKIN__HERE)
{
    const int lane = emulated::lane_now();
    return emulated::take_from({"__shfl_sync", file, line, mask}, x,
                               lane / width * width + (from & (width - 1)));
}

/* From a later group of `width` lanes nothing comes: the lane keeps its own. */
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T x, int with, int width = 32,
                         AKIN__HERE)
{
    const int lane = emulated::lane_now(), from = lane ^ with;
    return emulated::take_from({"__shfl_xor_sync", file, line, mask}, x,
                               from > (lane | (width - 1)) ? lane : from);
}

template <typename T>
inline T __shfl_down_sync(unsigned mask, T x, unsigned by, int width = 32,
                          AKIN__HERE)
{
    const int lane = emulated::lane_now(), from = lane + (int)by;
    return emulated::take_from({"__shfl_down_sync", file, line, mask}, x,
                               from > (lane | (width - 1)) ? lane : from);
}

template <typename T>
inline T __shfl_up_sync(unsigned mask, T x, unsigned by, int width = 32,
                        AKIN__HERE)
{
    const int lane = emulated::lane_now(), from = lane - (int)by;
    return emulated::take_from({"__shfl_up_sync", file, line, mask}, x,
                               from < lane / width * width ? lane : from);
}

namespace emulated
{

struct vote {
    int yes;
    unsigned all;
};

inline unsigned votes(const place &at, int yes)
{
    vote mine = {yes, 0};
    collect<vote>(at, mine, [](vote *const *lane, unsigned mask) {
        unsigned all = 0;
        for (unsigned i = 0; i < 32; i++)
            if (mask >> i & 1)
                all |= (unsigned)(lane[i]->yes != 0) << i;
        for (unsigned i = 0; i < 32; i++)
            if (mask >> i & 1)
                lane[i]->all = all;
    });
    return mine.all;
}

} // namespace emulated

inline unsigned __ballot_sync(unsigned mask, int yes, AKIN__HERE)
{
    return emulated::votes({"__ballot_sync", file, line, mask}, yes);
}

inline int __any_sync(unsigned mask, int yes, AKIN__HERE)
{
    return emulated::votes({"__any_sync", file, line, mask}, yes) != 0;
}

inline int __all_sync(unsigned mask, int yes, AKIN__HERE)
{
    return emulated::votes({"__all_sync", file, line, mask}, yes) == mask;
}

/* ----------------------------------------------------------- atomics ----- */

namespace emulated
{

template <typename T> struct plain {
    using type = T;
};
template <typename T>
using same = typename plain<T>::type; /* so that only the address says T */

template <typename T>
constexpr bool
    is_word = std::is_same<T, int>() || std::is_same<T, unsigned>() ||
              std::is_same<T, unsigned long long>();

} // namespace emulated

template <typename T> inline T atomicAdd(T *at, emulated::same<T> x)
{
    static_assert(emulated::is_word<T> || std::is_same<T, float>(), "");
    const T was = *at;
    *at = was + x;
    return was;
}

template <typename T> inline T atomicMax(T *at, emulated::same<T> x)
{
    static_assert(emulated::is_word<T>, "");
    const T was = *at;
    *at = was < x ? x : was;
    return was;
}

template <typename T> inline T atomicMin(T *at, emulated::same<T> x)
{
    static_assert(emulated::is_word<T>, "");
    const T was = *at;
    *at = x < was ? x : was;
    return was;
}

template <typename T> inline T atomicExch(T *at, emulated::same<T> x)
{
    static_assert(emulated::is_word<T> || std::is_same<T, float>(), "");
    const T was = *at;
    *at = x;
    return was;
}

template <typename T>
inline T atomicCAS(T *at, emulated::same<T> expected, emulated::same<T> x)
{
    static_assert(emulated::is_word<T>, "");
    const T was = *at;
    if (was == expected)
        *at = x;
    return was;
}

/* ----------------------------------------------------- numbers, bits ----- */

inline unsigned __float_as_uint(float x)
{
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float __uint_as_float(unsigned bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

inline int __float_as_int(float x)
{
    return (int)__float_as_uint(x);
}

inline float __int_as_float(int bits)
{
    return __uint_as_float((unsigned)bits);
}

inline float __expf(float x)
{
    return expf(x);
}

inline float __fdividef(float x, float y)
{
    return x / y;
}

inline float rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}

inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}

inline int __popcll(unsigned long long x)
{
    return __builtin_popcountll(x);
}

inline int __ffs(int x)
{
    return __builtin_ffs(x);
}

inline int __ffsll(long long x)
{
    return __builtin_ffsll(x);
}

inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}

inline int __clzll(long long x)
{
    return x ? __builtin_clzll((unsigned long long)x) : 64;
}

template <typename T> inline T __ldg(const T *at)
{
    return *at;
}

#define AKIN__LESSER_GREATER(type)                                             \
    inline type min(type x, type y)                                            \
    {                                                                          \
        return y < x ? y : x;                                                  \
    }                                                                          \
    inline type max(type x, type y)                                            \
    {                                                                          \
        return x < y ? y : x;                                                  \
    }
AKIN__LESSER_GREATER(int)
AKIN__LESSER_GREATER(unsigned)
AKIN__LESSER_GREATER(long long)
AKIN__LESSER_GREATER(unsigned long long)
#undef AKIN__LESSER_GREATER

struct alignas(2) bf16 {
    uint16_t bits;
};

inline bf16 to_bf16(float x)
{
    const unsigned bits = __float_as_uint(x);
    if (x != x)
        return {0x7fff};
    return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

inline float to_float(bf16 x)
{
    return __uint_as_float((unsigned)x.bits << 16);
}

inline uint32_t pack_bf16(float low, float high)
{
    return (uint32_t)to_bf16(high).bits << 16 | to_bf16(low).bits;
}

/* ---------------------------------------------- matrices and copies ----- */

namespace emulated
{

struct product {
    float *d;
    const uint32_t *a, *b;
};

inline float half_of(uint32_t word, unsigned which)
{
    return __uint_as_float(which ? word & 0xffff0000u : word << 16);
}

/* Products of bf16 are exact in a float; a card's order of sums is its own. */
inline void multiply(product *const lane[32], unsigned)
{
    float a[16][16], b[16][8], d[16][8];
    for (unsigned l = 0; l < 32; l++) {
        const unsigned group = l / 4, pair = l % 4 * 2;
        for (unsigned i = 0; i < 8; i++)
            a[group + i / 2 % 2 * 8][pair + i / 4 * 8 + i % 2] =
                half_of(lane[l]->a[i / 2], i % 2);
        for (unsigned i = 0; i < 4; i++) {
            b[pair + i / 2 * 8 + i % 2][group] =
                half_of(lane[l]->b[i / 2], i % 2);
            d[group + i / 2 * 8][pair + i % 2] = lane[l]->d[i];
        }
    }
    for (unsigned row = 0; row < 16; row++)
        for (unsigned k = 0; k < 16; k++)
            for (unsigned col = 0; col < 8; col++)
                d[row][col] += a[row][k] * b[k][col];
    for (unsigned l = 0; l < 32; l++)
        for (unsigned i = 0; i < 4; i++)
            lane[l]->d[i] = d[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
}

struct rows {
    uint32_t *r;
    const uint16_t *row;
};

inline void load_plain(rows *const lane[32], unsigned)
{
    for (unsigned l = 0; l < 32; l++)
        for (unsigned i = 0; i < 4; i++) {
            const uint16_t *row = lane[8 * i + l / 4]->row + l % 4 * 2;
            lane[l]->r[i] = (uint32_t)row[1] << 16 | row[0];
        }
}

inline void load_transposed(rows *const lane[32], unsigned)
{
    for (unsigned l = 0; l < 32; l++)
        for (unsigned i = 0; i < 4; i++) {
            const unsigned row = 8 * i + l % 4 * 2;
            lane[l]->r[i] = (uint32_t)lane[row + 1]->row[l / 4] << 16 |
                            lane[row]->row[l / 4];
        }
}

inline void check_aligned(const place &at, const void *address)
{
    if ((uintptr_t)address % 16)
        fail("%s, %s:%d: the address %p is no multiple of 16", at.what, at.file,
             at.line, address);
}

} // namespace emulated

inline void mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2],
                     AKIN__HERE)
{
    emulated::product mine = {d, a, b};
    emulated::collect({"mma_bf16", file, line, 0xffffffffu}, mine,
                      emulated::multiply);
}

inline void load_matrix4(uint32_t r[4], const void *row, AKIN__HERE)
{
    const emulated::place at = {"load_matrix4", file, line, 0xffffffffu};
    emulated::rows mine = {r, (const uint16_t *)row};
    emulated::check_aligned(at, row);
    emulated::collect(at, mine, emulated::load_plain);
}

inline void load_matrix4_trans(uint32_t r[4], const void *row, AKIN__HERE)
{
    const emulated::place at = {"load_matrix4_trans", file, line, 0xffffffffu};
    emulated::rows mine = {r, (const uint16_t *)row};
    emulated::check_aligned(at, row);
    emulated::collect(at, mine, emulated::load_transposed);
}

inline void copy16(void *shared, const void *global, bool valid, AKIN__HERE)
{
    emulated::fiber &me = *emulated::here().now;
    const emulated::place at = {"copy16", file, line, 0};
    emulated::check_aligned(at, shared);
    emulated::check_aligned(at, global);
    memset(shared, 0xff, 16);
    me.copies.push_back({shared, valid ? global : NULL, me.group});
}

inline void copies_commit()
{
    emulated::here().now->group++;
}

template <int LEFT> inline void copies_wait()
{
    emulated::fiber &me = *emulated::here().now;
    std::vector<emulated::copy> later;
    for (const emulated::copy &c : me.copies) {
        if (c.group + LEFT >= me.group)
            later.push_back(c);
        else if (c.from)
            memcpy(c.to, c.from, 16);
        else
            memset(c.to, 0, 16);
    }
    me.copies.swap(later);
}

#endif
