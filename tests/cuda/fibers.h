/*
 * Fibers: a block's threads on a processor, for emulate.h. Each runs until it
 * has to wait for its block or for its warp.
 */
#ifndef AKIN_TESTS_CUDA_FIBERS_H
#define AKIN_TESTS_CUDA_FIBERS_H

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>
#include <type_traits>
#include <utility>
#include <vector>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#if defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define AKIN__FIBERS_OF_ASAN 1
#endif
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
    __has_feature(undefined_behavior_sanitizer)
#define AKIN__TLS_OF_OTHERS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define AKIN__FIBERS_OF_ASAN 1
#define AKIN__TLS_OF_OTHERS  1
#endif
#ifdef AKIN__FIBERS_OF_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

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
        return line == other.line && mask == other.mask &&
               same(what, other.what) && same(file, other.file);
    }

    static bool same(const char *x, const char *y)
    {
        return x == y || !strcmp(x, y);
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
    void *statics; /* static shared memory */
    size_t statics_bytes;
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
    void *fake = NULL;
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
    void *fake = NULL;
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

/* Static shared memory is what the program has of thread-local variables. The
 * program is the first that dl_iterate_phdr names. */
inline int find_statics(struct dl_phdr_info *info, size_t, void *)
{
#ifndef AKIN__TLS_OF_OTHERS
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_TLS)
            continue;
        here().statics = info->dlpi_tls_data;
        here().statics_bytes = info->dlpi_phdr[i].p_memsz;
    }
#else
    (void)info;
#endif
    return 1;
}

inline void run_block()
{
    block &b = here();
    enum { ROOM = 128 }; /* behind it, to find who writes there */
    memset(b.shared, 0xff, b.shared_bytes + ROOM);
    if (b.statics)
        memset(b.statics, 0xff, b.statics_bytes);
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
    dl_iterate_phdr(find_statics, NULL);
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

#endif
