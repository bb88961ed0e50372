/*
 * The emulator itself, against plain loops: what a warp's fragments hold is
 * written here from the matrix's side, by PTX ISA's figures of mma.m16n8k16
 * and ldmatrix.
 */
#define AKIN__EMULATE
#include "math/cuda/device.cuh"
#include "../tap.h"

#include <sys/resource.h>
#include <sys/wait.h>

enum { SEEDS = 8 };

/* A number of [-1, 1) that is a bf16, from a seed of its own. */
static float number(unsigned i)
{
    i = (i + 1) * 2654435761u;
    i = (i ^ i >> 15) * 2246822519u;
    return (float)((int)(i >> 24) - 128) / 128.0f;
}

/* ------------------------------------------------------------- order ----- */

static void every_thread_runs_once_with_its_indices(void)
{
    std::vector<int> runs(2 * 3 * 4 * 5 * 3 * 2);
    emulated::seed = 5;
    emulate(dim3(2, 3, 4), dim3(5, 3, 2), 0, [&] {
        const unsigned block =
            (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
        const unsigned thread =
            (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
        runs[block * 30 + thread]++;
    });
    bool once = true;
    for (int n : runs)
        once &= n == 1;
    EXPECT(once);
}

static void seeds_change_the_order_of_threads_and_blocks(void)
{
    std::vector<unsigned> order[4];
    for (unsigned s = 0; s < 4; s++) {
        emulated::seed = s;
        emulate(3, 96, 0,
                [&] { order[s].push_back(96 * blockIdx.x + threadIdx.x); });
    }
    for (unsigned i = 0; i < 288; i++) {
        EXPECT_INT(order[0][i], i);
        EXPECT_INT(order[1][i], 287 - i);
    }
    EXPECT(order[2] != order[0] && order[2] != order[1]);
    EXPECT(order[3] != order[2]);
    unsigned in_turn = 0; /* seeds that leave the blocks in order */
    for (emulated::seed = 2; emulated::seed < 10; emulated::seed++) {
        unsigned last = 0, turns = 0;
        emulate(9, 1, 0, [&] {
            turns += blockIdx.x < last;
            last = blockIdx.x;
        });
        in_turn += turns == 0;
    }
    EXPECT_INT(in_turn, 0);
}

/* Sums of 1,000 numbers by blocks; without a barrier if not `careful`. */
static float sum_by_blocks(bool careful)
{
    float sums[4] = {};
    emulate(4, 256, 256 * sizeof(float), [&] {
        AKIN_SHARED(float, part);
        const unsigned t = threadIdx.x, at = 256 * blockIdx.x + t;
        part[t] = at < 1000 ? (float)at : 0.0f;
        if (careful)
            __syncthreads();
        for (unsigned half = 128; half; half /= 2) {
            if (t < half)
                part[t] += part[t + half];
            __syncthreads();
        }
        if (t == 0)
            sums[blockIdx.x] = part[0];
    });
    return sums[0] + sums[1] + sums[2] + sums[3];
}

static void a_sum_in_shared_memory_is_right_in_every_order(void)
{
    for (emulated::seed = 0; emulated::seed < SEEDS; emulated::seed++)
        EXPECT_INT(sum_by_blocks(true), 499500);
}

static void a_missing_barrier_is_seen_in_every_order_but_one(void)
{
    unsigned wrong = 0;
    for (emulated::seed = 0; emulated::seed < SEEDS; emulated::seed++)
        wrong += sum_by_blocks(false) != 499500;
    EXPECT(wrong >= SEEDS - 1);
}

/* A value that is overwritten before all have read it. */
static void a_missing_barrier_after_reading_is_seen(void)
{
    unsigned wrong = 0;
    for (emulated::seed = 0; emulated::seed < SEEDS; emulated::seed++) {
        std::vector<unsigned> got(128);
        emulate(1, 128, 0, [&] {
            __shared__ unsigned shared;
            for (unsigned round = 0; round < 4; round++) {
                if (threadIdx.x == 64)
                    shared = round;
                __syncthreads();
                got[threadIdx.x] += shared == round;
            }
        });
        for (unsigned n : got) {
            if (n != 4) {
                wrong++;
                break;
            }
        }
    }
    EXPECT(wrong >= SEEDS / 2);
}

/* ------------------------------------------------------------ shared ----- */

static void shared_memory_is_nan_before_each_block(void)
{
#ifdef AKIN__TLS_OF_OTHERS
    tap_skip("a sanitizer has thread-local variables of its own");
    return;
#endif
    std::vector<float> dynamic(3), fixed(3);
    emulate(3, 1, 4 * sizeof(float), [&] {
        AKIN_SHARED(float, part);
        __shared__ float whole[4];
        dynamic[blockIdx.x] = part[3];
        fixed[blockIdx.x] = whole[3];
        part[3] = whole[3] = 1;
    });
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(isnan(dynamic[i]));
        EXPECT(isnan(fixed[i]));
    }
}

/* What thread 0 sees of a copy of 1.0, four floats, at a moment. */
template <typename Look> static float seen_of_a_copy(Look look)
{
    alignas(16) static const float from[4] = {1, 1, 1, 1};
    float seen = 0;
    emulate(1, 1, 32, [&] {
        AKIN_SHARED(float, to);
        for (unsigned i = 0; i < 4; i++)
            to[i] = 7;
        copy16(to, from, true);
        look(to, from, &seen);
        copies_commit();
        copies_wait<0>();
    });
    return seen;
}

static void a_copy_is_there_only_when_it_was_waited_for(void)
{
    EXPECT(isnan(seen_of_a_copy(
        [](float *to, const float *, float *seen) { *seen = to[3]; })));
    EXPECT(isnan(seen_of_a_copy([](float *to, const float *, float *seen) {
        copies_wait<0>(); /* not committed */
        *seen = to[3];
    })));
    EXPECT(isnan(seen_of_a_copy([](float *to, const float *, float *seen) {
        copies_commit();
        copies_wait<1>();
        *seen = to[3];
    })));
    EXPECT_INT(seen_of_a_copy([](float *to, const float *, float *seen) {
                   copies_commit();
                   copies_wait<0>();
                   *seen = to[3];
               }),
               1);
    EXPECT_INT(seen_of_a_copy([](float *to, const float *from, float *seen) {
                   copies_commit();
                   copy16(to + 4, from, true);
                   copies_commit();
                   copies_wait<1>();
                   *seen = isnan(to[7]) ? to[3] : 0;
               }),
               1);
}

static void a_copy_of_nothing_is_zeros(void)
{
    float sum = 1;
    emulate(1, 1, 16, [&] {
        AKIN_SHARED(float, to);
        copy16(to, NULL, false);
        copies_commit();
        copies_wait<0>();
        sum = to[0] + to[1] + to[2] + to[3];
    });
    EXPECT(sum == 0);
}

/* ------------------------------------------------- warps and atomics ----- */

static void shuffles_take_from_the_lane_they_name(void)
{
    std::vector<int> got[7];
    emulated::seed = 3;
    for (std::vector<int> &g : got)
        g.resize(64);
    emulate(1, 64, 0, [&] {
        const unsigned t = threadIdx.x, all = 0xffffffffu;
        const int x = 100 + (int)t;
        got[0][t] = __shfl_sync(all, x, 5);
        got[1][t] = __shfl_sync(all, x, 3, 8);
        got[2][t] = __shfl_xor_sync(all, x, 9);
        got[3][t] = __shfl_down_sync(all, x, 3, 16);
        got[4][t] = __shfl_up_sync(all, x, 2);
        got[5][t] = (int)(__shfl_xor_sync(all, (long long)x << 40, 16) >> 40);
        got[6][t] = __shfl_xor_sync(all, x, 9, 8);
    });
    for (int t = 0; t < 64; t++) {
        const int warp = t / 32 * 32, lane = t % 32;
        EXPECT_INT(got[0][t], 100 + warp + 5);
        EXPECT_INT(got[1][t], 100 + warp + lane / 8 * 8 + 3);
        EXPECT_INT(got[2][t], 100 + warp + (lane ^ 9));
        EXPECT_INT(got[3][t], 100 + t + (lane % 16 + 3 < 16 ? 3 : 0));
        EXPECT_INT(got[4][t], 100 + t - (lane >= 2 ? 2 : 0));
        EXPECT_INT(got[5][t], 100 + warp + (lane ^ 16));
        EXPECT_INT(got[6][t], 100 + warp + (lane & 8 ? lane ^ 9 : lane));
    }
}

static void votes_count_the_lanes_of_the_mask(void)
{
    std::vector<unsigned> got(32), any(32), all(32);
    emulated::seed = 4;
    emulate(1, 32, 0, [&] {
        const unsigned t = threadIdx.x;
        const unsigned mask = t < 8 ? 0xffu : 0xffffff00u;
        if (t < 8)
            got[t] = __ballot_sync(mask, t % 2);
        else
            got[t] = __ballot_sync(mask, t % 3 == 0);
        any[t] = (unsigned)__any_sync(0xffffffffu, t == 31);
        all[t] = (unsigned)__all_sync(0xffffffffu, t != 31);
    });
    for (unsigned t = 0; t < 32; t++) {
        EXPECT_INT(got[t], t < 8 ? 0xaa : 0x49249200);
        EXPECT_INT(any[t], 1);
        EXPECT_INT(all[t], 0);
    }
}

static void bits_are_counted_as_cuda_counts_them(void)
{
    EXPECT_INT(__popc(0xf0f00001u), 9);
    EXPECT_INT(__ffs(0), 0);
    EXPECT_INT(__ffs(8), 4);
    EXPECT_INT(__clz(0), 32);
    EXPECT_INT(__clz(1), 31);
    EXPECT_INT(__clz(-1), 0);
    EXPECT_INT(__clzll(1), 63);
}

static void atomics_count_over_all_blocks(void)
{
    unsigned count = 0, most = 0, least = 1000;
    unsigned long long wide = 0, taken = 0, first = 0;
    int sum = 0, top = -1000;
    float real = 0;
    emulated::seed = 6;
    emulate(7, 33, 0, [&] {
        const unsigned at = 33 * blockIdx.x + threadIdx.x;
        atomicAdd(&count, 1);
        atomicAdd(&sum, -(int)at);
        atomicAdd(&wide, 1ull << 33);
        atomicAdd(&real, 0.5f);
        atomicMax(&most, at);
        atomicMin(&least, at);
        atomicMax(&top, -(int)at - 1);
        if (atomicCAS(&taken, 0, at + 1) == 0)
            first = at + 1;
    });
    EXPECT_INT(count, 231);
    EXPECT_INT(sum, -231 * 230 / 2);
    EXPECT(wide == 231ull << 33);
    EXPECT(real == 115.5f);
    EXPECT_INT(most, 230);
    EXPECT_INT(least, 0);
    EXPECT_INT(top, -1);
    EXPECT(taken == first && first != 0);
}

/* ---------------------------------------------------------- matrices ----- */

/* By trying both neighbours: the nearer one, and of two the even one. */
static bool is_nearest(float x, bf16 got)
{
    const double away = fabs((double)to_float(got) - x);
    for (int by = -1; by <= 1; by += 2) {
        const bf16 other = {(uint16_t)(got.bits + by)};
        const double far = fabs((double)to_float(other) - x);
        if (far < away || (far == away && got.bits % 2))
            return false;
    }
    return true;
}

static void numbers_are_rounded_to_the_nearest_bf16(void)
{
    bool nearest = true;
    for (unsigned bits = 0x00810000u; bits < 0x7f000000u; bits += 0x3fd1u) {
        const float x = __uint_as_float(bits);
        nearest &= is_nearest(x, to_bf16(x)) && is_nearest(-x, to_bf16(-x));
    }
    EXPECT(nearest);
    EXPECT_INT(to_bf16(__uint_as_float(0x3f808000)).bits, 0x3f80); /* ties */
    EXPECT_INT(to_bf16(__uint_as_float(0x3f818000)).bits, 0x3f82);
    EXPECT_INT(to_bf16(INFINITY).bits, 0x7f80);
    EXPECT_INT(to_bf16(-INFINITY).bits, 0xff80);
    EXPECT_INT(to_bf16(__uint_as_float(0x7f7fffff)).bits, 0x7f80);
    EXPECT(isnan(to_float(to_bf16(__uint_as_float(0x7f800001)))));
    EXPECT(isnan(to_float(to_bf16(__uint_as_float(0xffffffff)))));
    EXPECT_INT(pack_bf16(1.0f, -2.0f), 0xc0003f80);
}

/* The lane and the word that hold element (row, col) of a, b and d: a is 16 x
 * 16, in words of two neighbours of a row, quarters of 8 x 8 down first; b 16 x
 * 8, in words of two neighbours of a column; d 16 x 8, a float each. */
static void a_product_is_that_of_a_plain_loop(void)
{
    std::vector<uint32_t> a(32 * 4), b(32 * 2);
    std::vector<float> d(32 * 4);
    float plain_a[16][16], plain_b[16][8];
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned k = 0; k < 16; k++) {
            const unsigned lane = 4 * (i % 8) + k % 8 / 2;
            const unsigned word = i / 8 + 2 * (k / 8);
            plain_a[i][k] = number(16 * i + k);
            a[4 * lane + word] |= (uint32_t)to_bf16(plain_a[i][k]).bits
                                  << 16 * (k % 2);
        }
        for (unsigned n = 0; n < 8; n++) {
            const unsigned lane = 4 * n + i % 8 / 2, word = i / 8;
            plain_b[i][n] = number(1000 + 8 * i + n);
            b[2 * lane + word] |= (uint32_t)to_bf16(plain_b[i][n]).bits
                                  << 16 * (i % 2);
        }
    }
    emulated::seed = 2;
    for (unsigned i = 0; i < 128; i++)
        d[i] = number(2000 + i);
    const std::vector<float> before = d;
    emulate(1, 32, 0, [&] {
        const unsigned t = threadIdx.x;
        mma_bf16(&d[4 * t], &a[4 * t], &b[2 * t]);
    });
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned n = 0; n < 8; n++) {
            const unsigned lane = 4 * (i % 8) + n / 2;
            const unsigned at = 4 * lane + i / 8 * 2 + n % 2;
            double want = before[at];
            for (unsigned k = 0; k < 16; k++)
                want += (double)plain_a[i][k] * plain_b[k][n];
            EXPECT(fabs(d[at] - want) < 1e-6);
        }
    }
}

/* Four matrices of 8 x 8 whose rows lie apart and out of order. */
static void matrices_are_loaded_by_their_rows(bool transposed)
{
    std::vector<uint32_t> got(32 * 4);
    const auto place = [](unsigned row) { return 24 * (row * 5 % 32); };
    emulated::seed = 7;
    emulate(1, 32, 32 * 24 * sizeof(uint16_t), [&] {
        AKIN_SHARED(uint16_t, words);
        const unsigned t = threadIdx.x;
        for (unsigned i = 0; i < 8; i++)
            words[place(t) + i] = (uint16_t)(8 * t + i);
        __syncwarp();
        if (transposed)
            load_matrix4_trans(&got[4 * t], words + place(t));
        else
            load_matrix4(&got[4 * t], words + place(t));
    });
    for (unsigned m = 0; m < 4; m++) {
        for (unsigned row = 0; row < 8; row++) {
            for (unsigned col = 0; col < 8; col++) {
                const unsigned r = transposed ? col : row;
                const unsigned c = transposed ? row : col;
                const uint32_t word = got[4 * (4 * r + c / 2) + m];
                EXPECT_INT(c % 2 ? word >> 16 : word & 0xffff,
                           8 * (8 * m + row) + col);
            }
        }
    }
}

static void four_matrices_are_loaded(void)
{
    matrices_are_loaded_by_their_rows(false);
}

static void four_matrices_are_loaded_transposed(void)
{
    matrices_are_loaded_by_their_rows(true);
}

/* ----------------------------------------------------- wrong kernels ----- */

/* That a kernel of one block ends the program, with these words. */
template <typename Kernel>
static int stops(const char *words, unsigned threads, Kernel kernel)
{
    const struct rlimit no_core = {0, 0};
    char told[4096] = "";
    size_t length = 0;
    int ends[2], status;
    fflush(stdout);
    if (pipe(ends))
        return 0;
    const pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], 2);
        close(ends[0]);
        emulate(1, threads, 64, kernel);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t n = 1; n > 0; length += (size_t)(n > 0 ? n : 0))
        n = read(ends[0], told + length, sizeof told - 1 - length);
    close(ends[0]);
    waitpid(child, &status, 0);
    told[length] = '\0';
    const bool stopped = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
                         strstr(told, words);
    if (!stopped)
        printf("# it says: %s\n", told);
    return stopped;
}

static void lanes_at_different_collectives_stop(void)
{
    EXPECT(stops("wait for each other at different places", 32, [] {
        if (threadIdx.x < 16)
            __shfl_sync(0xffffffffu, 1, 0);
        else
            __shfl_xor_sync(0xffffffffu, 1, 1);
    }));
    EXPECT(stops("16 threads wait at __ballot_sync", 32, [] {
        if (threadIdx.x < 16)
            __ballot_sync(0xffffffffu, 1);
        else
            __syncthreads();
    }));
}

static void a_lane_that_has_ended_is_missed(void)
{
    EXPECT(stops("4 of 32 threads have ended while others wait", 32, [] {
        if (threadIdx.x >= 4)
            __syncwarp();
    }));
}

static void a_thread_that_has_ended_is_missed_at_a_barrier(void)
{
    EXPECT(stops("1 of 64 threads have ended while others wait", 64, [] {
        if (threadIdx.x != 40)
            __syncthreads();
    }));
}

static void threads_at_different_barriers_stop(void)
{
    const auto kernel = [] { /* not in EXPECT, which is one line */
                             if (threadIdx.x < 32)
                                 __syncthreads();
                             else
                                 __syncthreads();
    };
    EXPECT(stops("wait for each other at different places", 64, kernel));
}

static void wrong_masks_stop(void)
{
    EXPECT(stops("is not of the lanes", 32, [] { __syncwarp(0xffu); }));
    EXPECT(stops("takes from lane 9", 32, [] {
        if (threadIdx.x < 8)
            __shfl_sync(0xffu, 1, 9);
    }));
}

static void addresses_out_of_line_stop(void)
{
    EXPECT(stops("no multiple of 16", 1, [] {
        AKIN_SHARED(char, shared);
        copy16(shared + 8, shared, false);
    }));
    EXPECT(stops("no multiple of 16", 1, [] {
        AKIN_SHARED(char, shared);
        copy16(shared, shared + 4, true);
    }));
    EXPECT(stops("no multiple of 16", 32, [] {
        AKIN_SHARED(char, shared);
        uint32_t r[4];
        load_matrix4(r, shared + 2 * (threadIdx.x == 31));
    }));
}

static void copies_left_at_the_end_stop(void)
{
    EXPECT(stops("before it has waited for its copies", 1, [] {
        AKIN_SHARED(char, shared);
        copy16(shared, shared + 16, true);
        copies_commit();
    }));
}

static void what_is_written_behind_shared_memory_stops(void)
{
    EXPECT(stops("behind its 64 bytes", 1, [] {
        AKIN_SHARED(char, shared);
        shared[64] = 0;
    }));
}

int main(void)
{
    RUN(every_thread_runs_once_with_its_indices);
    RUN(seeds_change_the_order_of_threads_and_blocks);
    RUN(a_sum_in_shared_memory_is_right_in_every_order);
    RUN(a_missing_barrier_is_seen_in_every_order_but_one);
    RUN(a_missing_barrier_after_reading_is_seen);
    RUN(shared_memory_is_nan_before_each_block);
    RUN(a_copy_is_there_only_when_it_was_waited_for);
    RUN(a_copy_of_nothing_is_zeros);
    RUN(shuffles_take_from_the_lane_they_name);
    RUN(votes_count_the_lanes_of_the_mask);
    RUN(bits_are_counted_as_cuda_counts_them);
    RUN(atomics_count_over_all_blocks);
    RUN(numbers_are_rounded_to_the_nearest_bf16);
    RUN(a_product_is_that_of_a_plain_loop);
    RUN(four_matrices_are_loaded);
    RUN(four_matrices_are_loaded_transposed);
    RUN(lanes_at_different_collectives_stop);
    RUN(a_lane_that_has_ended_is_missed);
    RUN(a_thread_that_has_ended_is_missed_at_a_barrier);
    RUN(threads_at_different_barriers_stop);
    RUN(wrong_masks_stop);
    RUN(addresses_out_of_line_stop);
    RUN(copies_left_at_the_end_stop);
    RUN(what_is_written_behind_shared_memory_stops);
    return tap_done();
}
