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
 * answer in some order. Dynamic shared memory is NaN before a block, and what
 * copy16 writes is NaN until copies_wait. What would hang or fail on a card
 * ends the program with a message.
 */
#ifndef AKIN_TESTS_CUDA_EMULATE_H
#define AKIN_TESTS_CUDA_EMULATE_H

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <type_traits>
#include <utility>
#include <vector>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AKIN__FIBERS_OF_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define AKIN__FIBERS_OF_ASAN 1
#endif
#ifdef AKIN__FIBERS_OF_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/* --------------------------------------------------- words and types ----- */

#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__      static /* one block runs at a time */
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1)
        : x(x_), y(y_), z(z_)
    {
    }
};

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

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
enum { warpSize = 32 };

/* ------------------------------------------------------------ fibers ----- */

namespace emulated
{

inline unsigned seed; /* the order in which things run */

enum { STACK = 256 * 1024, MOST_THREADS = 1024, MOST_SHARED = 227 * 1024 };

/* Where a thread waits. */
struct place {
    const char *what, *file;
    int line;
    unsigned mask;

    bool operator==(const place &other) const
    {
        return !strcmp(what, other.what) && !strcmp(file, other.file) &&
               line == other.line && mask == other.mask;
    }
};

struct copy {
    void *to;
    const void *from; /* NULL: zeros */
    unsigned group;
};

enum state { READY, AT_WARP, AT_BLOCK, ENDED };

struct fiber {
#ifdef __x86_64__
    void *stack_pointer;
#else
    ucontext_t context;
#endif
    uint3 index;
    enum state state;
    place at;
    void *frame; /* of the collective operation it waits at */
    std::vector<copy> copies;
    unsigned group; /* of copies: the number of commits */
    unsigned number;
};

struct block {
    fiber thread[MOST_THREADS], scheduler;
    unsigned threads, at_warp[MOST_THREADS / 32], at_block, ended;
    fiber *now;
    char *stacks;
    unsigned char *shared;
    size_t shared_bytes;
    uint64_t random;
    void (*kernel)(void *);
    void *arguments;
    const void *outer_stack; /* for AddressSanitizer */
    size_t outer_size;
};

inline block &here()
{
    static block *const one = new block();
    return *one;
}

[[noreturn]] __attribute__((format(printf, 1, 2))) inline void
fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "emulate: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, " (block %u %u %u, thread %u %u %u, seed %u)\n", blockIdx.x,
            blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z,
            seed);
    va_end(args);
    abort();
}

#ifdef __x86_64__
/* What a call must preserve, and the stack. */
__attribute__((naked, noinline)) inline void
switch_stacks(void ** /* from: rdi */, void * /* to: rsi */)
{
    asm("pushq %rbp\n\t"
        "pushq %rbx\n\t"
        "pushq %r12\n\t"
        "pushq %r13\n\t"
        "pushq %r14\n\t"
        "pushq %r15\n\t"
        "movq %rsp, (%rdi)\n\t"
        "movq %rsi, %rsp\n\t"
        "popq %r15\n\t"
        "popq %r14\n\t"
        "popq %r13\n\t"
        "popq %r12\n\t"
        "popq %rbx\n\t"
        "popq %rbp\n\t"
        "ret");
}

inline void switch_fibers(fiber &from, fiber &to)
{
    switch_stacks(&from.stack_pointer, to.stack_pointer);
}

inline void start_fiber(fiber &f, char *stack, void (*entry)())
{
    void **top = (void **)(stack + STACK);
    *--top = NULL; /* where a return address would lie */
    *--top = (void *)entry;
    top -= 6;
    memset(top, 0, 6 * sizeof *top);
    f.stack_pointer = top;
}
#else
inline void switch_fibers(fiber &from, fiber &to)
{
    swapcontext(&from.context, &to.context);
}

inline void start_fiber(fiber &f, char *stack, void (*entry)())
{
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = stack;
    f.context.uc_stack.ss_size = STACK;
    f.context.uc_link = NULL;
    makecontext(&f.context, entry, 0);
}
#endif

inline char *stack_of(const fiber &f)
{
    return here().stacks + (size_t)f.number * STACK;
}

inline void resume(fiber &f)
{
    block &b = here();
    b.now = &f;
    threadIdx = f.index;
#ifdef AKIN__FIBERS_OF_ASAN
    void *fake;
    __sanitizer_start_switch_fiber(&fake, stack_of(f), STACK);
    switch_fibers(b.scheduler, f);
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#else
    switch_fibers(b.scheduler, f);
#endif
}

/* Back to the scheduler, until it resumes this thread; never if ENDED. */
inline void yield()
{
    block &b = here();
    fiber &f = *b.now;
#ifdef AKIN__FIBERS_OF_ASAN
    void *fake;
    __sanitizer_start_switch_fiber(f.state == ENDED ? NULL : &fake,
                                   b.outer_stack, b.outer_size);
    switch_fibers(f, b.scheduler);
    __sanitizer_finish_switch_fiber(fake, &b.outer_stack, &b.outer_size);
#else
    switch_fibers(f, b.scheduler);
#endif
}

inline void run_thread()
{
    block &b = here();
#ifdef AKIN__FIBERS_OF_ASAN
    __sanitizer_finish_switch_fiber(NULL, &b.outer_stack, &b.outer_size);
#endif
    b.kernel(b.arguments);
    if (!b.now->copies.empty())
        fail("a thread ends before it has waited for its copies");
    b.now->state = ENDED;
    b.ended++;
    yield();
}

/* ------------------------------------------------------------- order ----- */

inline unsigned draw(unsigned below)
{
    uint64_t &x = here().random;
    x = x * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((x >> 32) * below >> 32);
}

/* The numbers below `count` in the seed's order. */
inline std::vector<unsigned> order_of(unsigned count)
{
    std::vector<unsigned> order(count);
    for (unsigned i = 0; i < count; i++)
        order[i] = seed == 1 ? count - 1 - i : i;
    for (unsigned i = count; seed > 1 && i > 1; i--)
        std::swap(order[i - 1], order[draw(i)]);
    return order;
}

/* A warp, until all of its lanes wait for others or have ended. */
inline void run_warp(unsigned warp)
{
    block &b = here();
    for (bool moved = true; moved;) {
        unsigned from = 0, step = 1;
        if (seed == 1)
            from = step = 31;
        else if (seed)
            from = draw(32), step = 2 * draw(16) + 1;
        moved = false;
        for (unsigned i = 0; i < 32; i++) {
            const unsigned thread = 32 * warp + (from + i * step) % 32;
            if (thread < b.threads && b.thread[thread].state == READY) {
                resume(b.thread[thread]);
                moved = true;
            }
        }
    }
}

/* Nobody can go on: say who waits where. */
[[noreturn]] inline void stuck()
{
    block &b = here();
    fflush(stdout);
    for (unsigned i = 0; i < b.threads; i++) {
        const fiber &f = b.thread[i];
        unsigned count = 0;
        bool told = f.state == ENDED;
        for (unsigned j = 0; j < b.threads; j++) {
            const fiber &g = b.thread[j];
            if (g.state == ENDED || f.state == ENDED || !(g.at == f.at))
                continue;
            told |= j < i;
            count++;
        }
        if (!told)
            fprintf(stderr,
                    "emulate: %u threads wait at %s, %s:%d, lanes %08x, the "
                    "first is %u\n",
                    count, f.at.what, f.at.file, f.at.line, f.at.mask, i);
    }
    if (b.ended)
        fail("%u of %u threads have ended while others wait for them", b.ended,
             b.threads);
    fail("threads wait for each other at different places");
}

inline void open_barrier()
{
    block &b = here();
    if (b.at_block != b.threads)
        stuck();
    for (unsigned i = 1; i < b.threads; i++)
        if (!(b.thread[i].at == b.thread[0].at))
            stuck();
    for (unsigned i = 0; i < b.threads; i++)
        b.thread[i].state = READY;
    b.at_block = 0;
}

inline void run_block()
{
    block &b = here();
    enum { ROOM = 128 }; /* behind it, to find who writes there */
    memset(b.shared, 0xff, b.shared_bytes + ROOM);
    memset(b.at_warp, 0, sizeof b.at_warp);
    b.at_block = b.ended = 0;
    for (unsigned i = 0; i < b.threads; i++) {
        fiber &f = b.thread[i];
        f.index = {i % blockDim.x, i / blockDim.x % blockDim.y,
                   i / blockDim.x / blockDim.y};
        f.state = READY;
        f.group = 0;
        f.number = i;
        start_fiber(f, stack_of(f), run_thread);
    }
    for (;;) {
        for (unsigned warp : order_of((b.threads + 31) / 32))
            run_warp(warp);
        if (b.ended == b.threads)
            break;
        open_barrier();
    }
    for (size_t i = 0; i < ROOM; i++)
        if (b.shared[b.shared_bytes + i] != 0xff)
            fail("a block writes %zu bytes behind its %zu bytes of dynamic "
                 "shared memory",
                 i, b.shared_bytes);
}

inline void launch(dim3 grid, dim3 size, size_t shared)
{
    block &b = here();
    const size_t threads = (size_t)size.x * size.y * size.z;
    const long page = sysconf(_SC_PAGESIZE);
    if (!threads || threads > MOST_THREADS || size.z > 64)
        fail("a block has %u x %u x %u threads", size.x, size.y, size.z);
    if (!grid.x || grid.x > 0x7fffffff || !grid.y || grid.y > 65535 ||
        !grid.z || grid.z > 65535)
        fail("a grid has %u x %u x %u blocks", grid.x, grid.y, grid.z);
    if (shared > MOST_SHARED)
        fail("a block has %zu bytes of shared memory", shared);
    if (!b.stacks) {
        b.stacks = (char *)mmap(
            NULL, (size_t)MOST_THREADS * STACK, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (b.stacks == MAP_FAILED)
            fail("no memory for stacks");
        for (unsigned i = 0; i < MOST_THREADS; i++) /* what runs over, ends */
            mprotect(b.stacks + (size_t)i * STACK, (size_t)page, PROT_NONE);
    }
    b.shared_bytes = (shared + 15) / 16 * 16;
    b.shared = (unsigned char *)aligned_alloc(
        128, (b.shared_bytes + 128 + 127) / 128 * 128);
    b.threads = (unsigned)threads;
    b.random = seed;
    blockDim = size;
    gridDim = grid;
    for (unsigned i : order_of(grid.x * grid.y * grid.z)) {
        blockIdx = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
        run_block();
    }
    free(b.shared);
    b.shared = NULL;
}

/* A collective operation: waits until all lanes of the mask are at this place,
 * then `all` gets their frames. */
template <typename Frame>
inline void collect(const place &at, Frame &mine,
                    void (*all)(Frame *const lane[32], unsigned mask))
{
    block &b = here();
    fiber &me = *b.now;
    const unsigned warp = me.number / 32;
    if (!(at.mask >> me.number % 32 & 1))
        fail("%s, %s:%d: lane %u is not of the lanes %08x it names", at.what,
             at.file, at.line, me.number % 32, at.mask);
    me.at = at;
    me.frame = &mine;
    me.state = AT_WARP;
    if (++b.at_warp[warp] >= (unsigned)__builtin_popcount(at.mask)) {
        Frame *lane[32] = {};
        unsigned there = 0;
        for (unsigned i = 0; i < 32 && 32 * warp + i < b.threads; i++) {
            const fiber &f = b.thread[32 * warp + i];
            if (!(at.mask >> i & 1) || f.state != AT_WARP || !(f.at == at))
                continue;
            lane[i] = (Frame *)f.frame;
            there |= 1u << i;
        }
        if (there == at.mask) {
            all(lane, at.mask);
            for (unsigned i = 0; i < 32; i++)
                if (at.mask >> i & 1)
                    b.thread[32 * warp + i].state = READY;
            b.at_warp[warp] -= (unsigned)__builtin_popcount(at.mask);
            return;
        }
    }
    yield();
}

} // namespace emulated

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
