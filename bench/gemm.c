/*
 * How close the GEMM comes to what the processor can do.
 *
 *   gemm [SECONDS]     for each table with FMA that this machine runs: the
 *                      measured peak of one core (independent sums in
 *                      registers), then Gflop/s and share on ViT shapes
 *
 * Best of interleaved rounds, one thread: every stream of the library runs on
 * one core, so a core's share is the share.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "math/gemm.h"

#define PEAK(name, isa, lanes, sums)                                           \
    __attribute__((target(isa))) static double peak_##name(long rounds)        \
    {                                                                          \
        typedef float v __attribute__((vector_size(4 * lanes)));               \
        v s[sums], x, y;                                                       \
        for (int i = 0; i < lanes; i++) {                                      \
            x[i] = 0.999f;                                                     \
            y[i] = 0.001f;                                                     \
        }                                                                      \
        _Pragma("GCC unroll 32") for (int i = 0; i < sums;                     \
                                      i++) /* registers */                     \
            s[i] = x * (float)i;                                               \
        for (long r = 0; r < rounds; r++) {                                    \
            _Pragma("GCC unroll 32") for (int i = 0; i < sums; i++)            \
            {                                                                  \
                s[i] = s[i] * x + y;                                           \
                __asm__("" : "+v"(s[i]));                                      \
            }                                                                  \
        }                                                                      \
        float total = 0;                                                       \
        _Pragma("GCC unroll 32") for (int i = 0; i < sums; i++) total +=       \
            s[i][0];                                                           \
        return total == 1234.5f ? 0 : 2.0 * lanes * sums * (double)rounds;     \
    }

PEAK(avx2, "avx2,fma", 8, 12)
PEAK(avx512, "avx512f", 16, 24)

static double peak_gflops(const char *name)
{
    double (*run)(long) = strcmp(name, "avx2") == 0 ? peak_avx2 : peak_avx512;
    const double start = akin__seconds();
    const double flops = run(2000000);
    return flops / (akin__seconds() - start) / 1e9;
}

struct shape {
    const char *what;
    size_t m, k, n;
};

static const struct shape shapes[] = {
    {"CLIP B/32 qkv", 50, 768, 2304},     {"CLIP B/32 fc1", 50, 768, 3072},
    {"CLIP B/32 fc2", 50, 3072, 768},     {"DINOv2 base qkv", 257, 768, 2304},
    {"DINOv2 base fc1", 257, 768, 3072},  {"DINOv2 base fc2", 257, 3072, 768},
    {"DINOv2 small fc1", 257, 384, 1536}, {"DINOv2 small fc2", 257, 1536, 384},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static float *random_floats(size_t count)
{
    float *p = akin__alloc_aligned(count, sizeof *p);
    if (!p)
        exit(1);
    for (size_t i = 0; i < count; i++)
        p[i] = (float)(rand() % 2001 - 1000) / 1000;
    return p;
}

static double gemm_gflops(const struct akin__kernels *kernels,
                          const struct shape *shape)
{
    float *a = random_floats(shape->m * shape->k);
    float *w = random_floats(shape->k * shape->n);
    float *out = random_floats(shape->m * shape->n);
    float *bias = random_floats(shape->n);
    struct akin__packed b = {shape->k, shape->n, NULL};
    b.panels = random_floats(akin__packed_floats(kernels, b.k, b.n));
    float *scratch = random_floats(akin__gemm_scratch(kernels, b.k));
    akin__pack(kernels, &b, w, 1, b.k);
    const struct akin__epilogue epilogue = {.bias = bias};
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        const double start = akin__seconds();
        akin__gemm(kernels, shape->m, a, b.k, &b, &epilogue, out, b.n, scratch);
        const double took = akin__seconds() - start;
        best = took < best ? took : best;
    }
    void *all[] = {a, w, out, bias, b.panels, scratch};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        akin__free(all[i]);
    return 2.0 * (double)(shape->m * shape->k * shape->n) / best / 1e9;
}

static void report(const struct akin__kernels *kernels, double seconds)
{
    double peak = 0, best[SHAPES] = {0};
    const double start = akin__seconds();
    do {
        const double p = peak_gflops(kernels->name);
        peak = p > peak ? p : peak;
        for (int i = 0; i < SHAPES; i++) {
            const double g = gemm_gflops(kernels, &shapes[i]);
            best[i] = g > best[i] ? g : best[i];
        }
    } while (akin__seconds() - start < seconds);
    printf("%s: FMA peak of one core %.1f Gflop/s\n", kernels->name, peak);
    for (int i = 0; i < SHAPES; i++)
        printf("  %-18s %4zu x %4zu x %4zu  %6.1f Gflop/s  %3.0f %%\n",
               shapes[i].what, shapes[i].m, shapes[i].k, shapes[i].n, best[i],
               100 * best[i] / peak);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 3;
    static const char *const names[] = {"avx2", "avx512"};
    for (int i = 0; i < 2; i++) {
        const struct akin__kernels *kernels = akin__kernels_named(names[i]);
        if (kernels)
            report(kernels, seconds);
        else
            printf("%s: not on this processor\n", names[i]);
    }
    return 0;
}
