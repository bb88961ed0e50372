/*
 * How close the GEMM comes to what the processor can do, and to its peers.
 *
 *   gemm_bench [--threads N] [--rounds N] [--json]
 *
 * For each type of factors and the matrices of ViTs: Gop/s (a multiply and an
 * add are two) of akin, of oneDNN and of libxsmm where the build found them,
 * akin's share of the peak and its ratio to the best peer. AKIN_CPU=NAME
 * restricts akin's kernels, and the peers to the same instructions.
 *
 * Best of interleaved rounds, by the time of the threads, not of the clock. As
 * many GEMMs run at once as there are threads, one on each, which is how the
 * library runs them; without --threads: one, then two. The peak is measured on
 * as many threads in the same rounds: sums in registers, by the instructions of
 * the path that akin takes.
 */
#include "gemm.h"

#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/thread.h"
#include "math/peak.h"

void *aligned_bytes(size_t count)
{
    void *p = akin__alloc_aligned(count, 1);
    if (!p) {
        fprintf(stderr, "gemm_bench: no memory\n");
        exit(5);
    }
    return p;
}

float *random_floats(size_t count)
{
    float *p = aligned_bytes(count * sizeof *p);
    uint32_t seed = 1;
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)(seed >> 8) / (1 << 23) - 1;
    }
    return p;
}

/* ---------------------------------------------------------------- race -- */

#ifdef HAVE_ONEDNN
#define ONEDNN         , &onednn_matmul, &onednn_inner_product
#define MISSING_ONEDNN ""
#else
#define ONEDNN
#define MISSING_ONEDNN "; not built with oneDNN"
#endif
#ifdef HAVE_LIBXSMM
#define LIBXSMM         , &libxsmm_contender
#define MISSING_LIBXSMM ""
#else
#define LIBXSMM
#define MISSING_LIBXSMM "; not built with libxsmm"
#endif
static const struct contender *const contenders[] = {
    &akin_contender ONEDNN LIBXSMM};
enum {
    CONTENDERS = sizeof contenders / sizeof contenders[0],
    PEAK_LANE = CONTENDERS, /* the peak runs beside them */
    LANES,
    MOST_THREADS = 64
};

struct race {
    const struct akin__kernels *kernels;
    akin_precision type;
    struct shape shape;
    int threads, rounds;
    struct akin__peak peak;
    double gops[LANES]; /* best, of all threads together; 0: did not run */
    double rate[MOST_THREADS]; /* of each in this round */
    atomic_int arrived, generation;
};

/* Wait until all threads of the race are here. */
static void meet(struct race *race)
{
    const int now = atomic_load(&race->generation);
    if (atomic_fetch_add(&race->arrived, 1) + 1 == race->threads) {
        atomic_store(&race->arrived, 0);
        atomic_fetch_add(&race->generation, 1);
        return;
    }
    while (atomic_load(&race->generation) == now)
        sched_yield();
}

/* Long enough for a clock, short enough that many rounds fit. */
static int repeats(double ops)
{
    const double least = 2e8;
    return ops >= least ? 1 : (int)(least / ops) + 1;
}

/* Of this thread on a processor: other programs hardly count. */
static double own_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run_lane(struct race *race, int lane, void *gemm, size_t thread)
{
    const bool peak = lane == PEAK_LANE;
    const double ops = peak ? race->peak.operations
                            : 2.0 * (double)race->shape.m *
                                  (double)race->shape.k * (double)race->shape.n;
    const int times = repeats(ops);
    meet(race);
    const double start = own_seconds();
    if (peak)
        race->peak.run(times);
    for (int i = 0; !peak && i < times; i++)
        contenders[lane]->run(gemm);
    race->rate[thread] = ops * times / (own_seconds() - start) / 1e9;
    meet(race);
    double gops = 0;
    for (int i = 0; i < race->threads; i++)
        gops += race->rate[i];
    if (thread == 0 && gops > race->gops[lane])
        race->gops[lane] = gops;
}

static akin_status run_thread(void *context, size_t item, int thread,
                              akin_error *err)
{
    (void)thread;
    (void)err;
    struct race *race = context;
    void *gemm[CONTENDERS];
    for (int i = 0; i < CONTENDERS; i++)
        gemm[i] = contenders[i]->open(race->kernels, race->type, &race->shape);
    for (int round = 0; round < race->rounds; round++) {
        if (race->peak.run)
            run_lane(race, PEAK_LANE, NULL, item);
        for (int i = 0; i < CONTENDERS; i++) {
            if (gemm[i])
                run_lane(race, i, gemm[i], item);
        }
    }
    for (int i = 0; i < CONTENDERS; i++) {
        if (gemm[i])
            contenders[i]->close(gemm[i]);
    }
    return AKIN_OK;
}

/* -------------------------------------------------------------- report -- */

static const char *const type_names[] = {"f32", "bf16", "int8"};

struct tower {
    const char *name;
    size_t rows, width;
};
static const struct tower towers[] = {{"CLIP B/32", 50, 768},
                                      {"CLIP B/32 x 4", 200, 768},
                                      {"DINOv2 base", 257, 768},
                                      {"DINOv2 small", 257, 384}};
enum { TOWERS = sizeof towers / sizeof towers[0] };

/* k and n in widths. */
static const struct {
    const char *name;
    size_t k, n;
} matrices[] = {{"qkv", 1, 3}, {"out", 1, 1}, {"fc1", 1, 4}, {"fc2", 4, 1}};
enum { MATRICES = sizeof matrices / sizeof matrices[0], ROUNDS_OF_A_PASS = 5 };

static double best_peer(const struct race *race)
{
    double best = 0;
    for (int i = 1; i < CONTENDERS; i++)
        best = race->gops[i] > best ? race->gops[i] : best;
    return best;
}

static void print_cell(const char *format, double number)
{
    if (number > 0)
        printf(format, number);
    else
        printf("%8s", "-");
}

static void print_heading(const struct akin__kernels *kernels,
                          akin_precision type, int threads)
{
    printf("\n%s by %s on %d thread%s, Gop/s\n%-40s", type_names[type],
           kernels->tiles[type].path, threads, threads == 1 ? "" : "s", "");
    printf("%8s%8s%8s%8s", "peak", "akin", "share", "/ best");
    for (int i = 1; i < CONTENDERS; i++)
        printf("  %s", contenders[i]->name);
    printf("\n");
}

static double over(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void print_row(const struct race *race, const char *tower,
                      const char *matrix)
{
    printf("%-14s %-4s %4zu x %4zu x %4zu ", tower, matrix, race->shape.m,
           race->shape.k, race->shape.n);
    printf("  ");
    print_cell("%8.1f", race->gops[PEAK_LANE]);
    print_cell("%8.1f", race->gops[0]);
    print_cell("%8.3f", over(race->gops[0], race->gops[PEAK_LANE]));
    print_cell("%8.3f", over(race->gops[0], best_peer(race)));
    for (int i = 1; i < CONTENDERS; i++) {
        printf("%*s", (int)strlen(contenders[i]->name) + 2 - 8, "");
        print_cell("%8.1f", race->gops[i]);
    }
    printf("\n");
}

static void print_number(const char *name, double number)
{
    if (number > 0)
        printf(",\"%s\":%.4g", name, number);
    else
        printf(",\"%s\":null", name);
}

static void print_json(const struct race *race, const char *tower,
                       const char *matrix, int first)
{
    printf("%s{\"precision\":\"%s\",\"path\":\"%s\",\"threads\":%d,"
           "\"model\":\"%s\",\"matrix\":\"%s\",\"m\":%zu,\"k\":%zu,\"n\":%zu",
           first ? "" : ",\n", type_names[race->type],
           race->kernels->tiles[race->type].path, race->threads, tower, matrix,
           race->shape.m, race->shape.k, race->shape.n);
    print_number("peak", race->gops[PEAK_LANE]);
    print_number("share_of_peak", over(race->gops[0], race->gops[PEAK_LANE]));
    print_number("ratio_to_best", over(race->gops[0], best_peer(race)));
    for (int i = 0; i < CONTENDERS; i++)
        print_number(contenders[i]->name, race->gops[i]);
    printf("}");
}

struct options {
    int threads, rounds, json;
};

static struct race new_race(const struct akin__kernels *kernels,
                            akin_precision type, int threads, int tower,
                            int matrix)
{
    const size_t width = towers[tower].width;
    return (struct race){.kernels = kernels,
                         .type = type,
                         .threads = threads,
                         .shape = {towers[tower].rows,
                                   matrices[matrix].k * width,
                                   matrices[matrix].n * width},
                         .peak = akin__peak(kernels, type)};
}

/* Each pass goes over all matrices, so that what else the machine does for a
 * second does not fall on one of them alone. */
static void run_type(const struct akin__kernels *kernels, akin_precision type,
                     int threads, const struct options *options, int *count)
{
    struct race races[TOWERS * MATRICES];
    for (int i = 0; i < TOWERS * MATRICES; i++)
        races[i] = new_race(kernels, type, threads, i / MATRICES, i % MATRICES);
    for (int left = options->rounds; left > 0; left -= ROUNDS_OF_A_PASS) {
        for (int i = 0; i < TOWERS * MATRICES; i++) {
            races[i].rounds = left < ROUNDS_OF_A_PASS ? left : ROUNDS_OF_A_PASS;
            akin__parallel(threads, (size_t)threads, run_thread, &races[i],
                           NULL);
        }
    }
    double least = INFINITY;
    if (!options->json)
        print_heading(kernels, type, threads);
    for (int i = 0; i < TOWERS * MATRICES; i++) {
        const char *tower = towers[i / MATRICES].name;
        const char *matrix = matrices[i % MATRICES].name;
        if (options->json)
            print_json(&races[i], tower, matrix, (*count)++ == 0);
        else
            print_row(&races[i], tower, matrix);
        least = fmin(least, over(races[i].gops[0], best_peer(&races[i])));
    }
    if (!options->json && least > 0)
        printf("least ratio to the best peer: %.3f\n", least);
    fflush(stdout);
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"threads", 1, NULL, 't'},
                                          {"rounds", 1, NULL, 'r'},
                                          {"json", 0, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    int c;
    *options = (struct options){0, 25, 0};
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 't')
            options->threads = atoi(optarg);
        else if (c == 'r')
            options->rounds = atoi(optarg);
        else if (c == 'j')
            options->json = 1;
        else
            return 0;
    }
    return optind == argc && options->threads >= 0 &&
           options->threads <= MOST_THREADS && options->rounds > 0;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: gemm_bench [--threads N] [--rounds N] "
                        "[--json]\n");
        return 2;
    }
    /* Every thread here is a stream of its own: no peer may start more. Its
     * OpenMP reads this before main. */
    if (!getenv("OMP_NUM_THREADS")) {
        setenv("OMP_NUM_THREADS", "1", 1);
        execv("/proc/self/exe", argv);
    }
    akin_error err;
    const struct akin__kernels *kernels = akin__kernels(&err);
    if (!kernels) {
        fprintf(stderr, "gemm_bench: %s\n", err.message);
        return 2;
    }
    int count = 0;
    if (options.json)
        printf("{\"kernels\":\"%s\",\"rounds\":%d,\"gops\":[\n", kernels->name,
               options.rounds);
    else
        printf("akin's kernels: %s; best of %d rounds%s%s\n", kernels->name,
               options.rounds, MISSING_ONEDNN, MISSING_LIBXSMM);
    const int from = options.threads ? options.threads : 1;
    const int to = options.threads ? options.threads : 2;
    for (int threads = from; threads <= to; threads++) {
        for (int type = 0; type < 3; type++)
            run_type(kernels, (akin_precision)type, threads, &options, &count);
    }
    if (options.json)
        printf("\n]}\n");
    return 0;
}
