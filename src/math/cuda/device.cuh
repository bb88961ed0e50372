/*
 * Device: the few things of a card that kernels use beyond plain CUDA C++, so
 * that with AKIN__EMULATE the same kernels run on a processor (tests/cuda).
 */
#ifndef AKIN_MATH_CUDA_DEVICE_CUH
#define AKIN_MATH_CUDA_DEVICE_CUH

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef AKIN__EMULATE
#include "emulate.h"
#else

/* The block's dynamic shared memory, aligned for 16-byte copies. */
#define AKIN_SHARED(type, name)                                                \
    extern __shared__ __align__(128) unsigned char akin_shared_bytes[];        \
    type *const name = reinterpret_cast<type *>(akin_shared_bytes)

/* The upper half of a float, rounded to nearest even. */
struct __align__(2) bf16
{
    uint16_t bits;
};

/* Two of them in a word, the first in its lower half. */
__device__ __forceinline__ uint32_t pack_bf16(float low, float high)
{
    uint32_t both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

__device__ __forceinline__ bf16 to_bf16(float x)
{
    bf16 out;
    out.bits = (uint16_t)pack_bf16(x, 0.0f);
    return out;
}

__device__ __forceinline__ float to_float(bf16 x)
{
    return __uint_as_float((uint32_t)x.bits << 16);
}

/* d [16][8] += a [16][16] b [16][8], a warp's fragments as PTX lays them out
 * for mma.m16n8k16. */
__device__ __forceinline__ void mma_bf16(float d[4], const uint32_t a[4],
                                         const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]),
                   "r"(b[1]));
}

/* Four 8 x 8 matrices of 16-bit numbers: lanes 8 i to 8 i + 7 give the rows,
 * 16 bytes each in shared memory, of matrix i. */
__device__ __forceinline__ void load_matrix4(uint32_t r[4], const void *row)
{
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, "
                 "[%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

/* The same, each matrix transposed. */
__device__ __forceinline__ void load_matrix4_trans(uint32_t r[4],
                                                   const void *row)
{
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, "
                 "%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

/* 16 bytes to shared memory, behind the thread's back; zeros if not valid, and
 * then `global` is not read. */
__device__ __forceinline__ void copy16(void *shared, const void *global,
                                       bool valid)
{
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(shared);
    const uint32_t bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(at), "l"(global), "r"(bytes)
                 : "memory");
}

/* The copies since the last call are a group; wait until all groups but the
 * last LEFT are there. */
__device__ __forceinline__ void copies_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int LEFT> __device__ __forceinline__ void copies_wait()
{
    asm volatile("cp.async.wait_group %0;" : : "n"(LEFT) : "memory");
}

#endif

/* 2^x and 1 / x to a few units of a float's last place; x not subnormal. */
__device__ inline float exp2_near(float x)
{
#ifdef AKIN__EMULATE
    return exp2f(x);
#else
    float out;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
    return out;
#endif
}

__device__ inline float inverse_near(float x)
{
#ifdef AKIN__EMULATE
    return 1.0f / x;
#else
    float out;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
    return out;
#endif
}

#endif
