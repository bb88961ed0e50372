/*
 * Forward: what lies between the matrix products of a network for pictures, as
 * kernels. Formulas are those of model/forward.c.
 *
 * Number: float or bf16, the type of a GEMM's factors. Rows of x are float.
 * Sums run in an order that the shapes decide, never the batch, so a picture
 * has the same bits in any company.
 */
#ifndef AKIN_MATH_CUDA_FORWARD_CUH
#define AKIN_MATH_CUDA_FORWARD_CUH

#include "math/cuda/device.cuh"

/* ---------------------------------------------------------- numbers ----- */

__device__ inline float widen(float x)
{
    return x;
}

__device__ inline float widen(bf16 x)
{
    return to_float(x);
}

__device__ inline void narrow(float x, float *out)
{
    *out = x;
}

__device__ inline void narrow(float x, bf16 *out)
{
    *out = to_bf16(x);
}

/* Four neighbours at once; addresses are multiples of four numbers. */
__device__ inline float4 widen4(const float *from)
{
    return *(const float4 *)from;
}

__device__ inline float4 widen4(const bf16 *from)
{
    const uint2 two = *(const uint2 *)from;
    return make_float4(
        __uint_as_float(two.x << 16), __uint_as_float(two.x & 0xffff0000u),
        __uint_as_float(two.y << 16), __uint_as_float(two.y & 0xffff0000u));
}

__device__ inline void narrow4(float4 x, float *to)
{
    *(float4 *)to = x;
}

__device__ inline void narrow4(float4 x, bf16 *to)
{
    *(uint2 *)to = make_uint2(pack_bf16(x.x, x.y), pack_bf16(x.z, x.w));
}

__device__ inline float sum_of_warp(float x)
{
    for (int apart = 16; apart; apart /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, apart);
    return x;
}

/* ------------------------------------------------------------ input ----- */

/*
 * Pictures, bytes [count][height][width][3], as rows of patches [count * rows *
 * cols][ld], each [3][patch][patch] as the convolution's weight lies. value
 * [3][256]: what a byte becomes; looked up, so it is the CPU's to the last bit.
 * Grid: a block for each patch.
 */
template <typename Number>
__global__ void cut_patches(const uint8_t *bytes, const float *value,
                            unsigned height, unsigned width, unsigned patch,
                            unsigned rows, unsigned cols, unsigned ld,
                            Number *out)
{
    const unsigned area = patch * patch, here = blockIdx.x % (rows * cols);
    const uint8_t *corner =
        bytes +
        3 * ((size_t)(blockIdx.x / (rows * cols)) * height * width +
             (size_t)(here / cols) * patch * width + here % cols * patch);
    Number *to = out + (size_t)blockIdx.x * ld;
    for (unsigned i = threadIdx.x; i < area; i += blockDim.x) {
        const uint8_t *pixel =
            corner + 3 * ((size_t)(i / patch) * width + i % patch);
        for (unsigned c = 0; c < 3; c++)
            narrow(value[256 * c + pixel[c]], &to[c * area + i]);
    }
}

/* ------------------------------------------------------------ norms ----- */

/* A lane's share of a row: LAPS times four numbers, 128 apart. */
template <int LAPS> struct share {
    float4 part[LAPS];
};

template <int LAPS>
__device__ inline share<LAPS> take_share(const float *row, unsigned width,
                                         unsigned lane)
{
    share<LAPS> s;
#pragma unroll
    for (int i = 0; i < LAPS; i++) {
        const unsigned at = 128 * i + 4 * lane;
        s.part[i] = at < width ? widen4(row + at) : make_float4(0, 0, 0, 0);
    }
    return s;
}

/* The norm of a row of `width` numbers, as torch.nn.LayerNorm. */
template <int LAPS>
__device__ inline void norm_share(share<LAPS> &s, const float *w,
                                  const float *b, float eps, unsigned width,
                                  unsigned lane)
{
    float sum = 0, squares = 0;
#pragma unroll
    for (int i = 0; i < LAPS; i++)
        sum += (s.part[i].x + s.part[i].y) + (s.part[i].z + s.part[i].w);
    const float mean = sum_of_warp(sum) / (float)width;
#pragma unroll
    for (int i = 0; i < LAPS; i++) {
        float4 *p = &s.part[i];
        const bool inside = 128 * i + 4 * lane < width;
        *p = make_float4(p->x - mean, p->y - mean, p->z - mean, p->w - mean);
        if (inside)
            squares +=
                (p->x * p->x + p->y * p->y) + (p->z * p->z + p->w * p->w);
    }
    const float scale = 1.0f / sqrtf(sum_of_warp(squares) / (float)width + eps);
#pragma unroll
    for (int i = 0; i < LAPS; i++) {
        const unsigned at = 128 * i + 4 * lane;
        if (at >= width)
            continue;
        const float4 by = widen4(w + at), plus = widen4(b + at);
        float4 *p = &s.part[i];
        p->x = p->x * scale * by.x + plus.x;
        p->y = p->y * scale * by.y + plus.y;
        p->z = p->z * scale * by.z + plus.z;
        p->w = p->w * scale * by.w + plus.w;
    }
}

template <int LAPS, typename Number>
__device__ inline void put_share(const share<LAPS> &s, Number *row,
                                 unsigned width, unsigned lane)
{
#pragma unroll
    for (int i = 0; i < LAPS; i++) {
        const unsigned at = 128 * i + 4 * lane;
        if (at < width)
            narrow4(s.part[i], row + at);
    }
}

/*
 * out [rows][width] = norm of x, whose rows lie ld apart. A warp for each row;
 * width is a multiple of 4 and at most 128 LAPS.
 */
template <int LAPS, typename Number>
__global__ void norm_rows(unsigned rows, unsigned width, const float *x,
                          size_t ld, const float *w, const float *b, float eps,
                          Number *out)
{
    const unsigned row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    const unsigned lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    share<LAPS> s = take_share<LAPS>(x + row * ld, width, lane);
    norm_share(s, w, b, eps, width, lane);
    put_share(s, out + (size_t)row * width, width, lane);
}

/*
 * x [rows][width], rows = pictures * tokens: start [tokens][width], and where a
 * token is a patch what the convolution made of it, patches [pictures * (tokens
 * - skip)][width], and its bias (NULL: none); w: a norm over that (NULL: none).
 */
template <int LAPS>
__global__ void begin_rows(unsigned rows, unsigned tokens, unsigned skip,
                           unsigned width, const float *start,
                           const float *patches, const float *bias,
                           const float *w, const float *b, float eps, float *x)
{
    const unsigned row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    const unsigned lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    const unsigned token = row % tokens;
    share<LAPS> s =
        take_share<LAPS>(start + (size_t)token * width, width, lane);
    if (token >= skip) {
        const size_t patch =
            (size_t)(row / tokens) * (tokens - skip) + token - skip;
        const float *from = patches + patch * width;
#pragma unroll
        for (int i = 0; i < LAPS; i++) {
            const unsigned at = 128 * i + 4 * lane;
            float4 *p = &s.part[i];
            if (at >= width)
                continue;
            float4 add = widen4(from + at);
            if (bias) {
                const float4 more = widen4(bias + at);
                add = make_float4(add.x + more.x, add.y + more.y,
                                  add.z + more.z, add.w + more.w);
            }
            *p = make_float4(p->x + add.x, p->y + add.y, p->z + add.z,
                             p->w + add.w);
        }
    }
    if (w)
        norm_share(s, w, b, eps, width, lane);
    put_share(s, x + (size_t)row * width, width, lane);
}

/*
 * vectors [pictures][width]: the mean over the tokens [first, end) of the norm
 * (w NULL: none) of x [pictures][tokens][width]. A block of POOL_WARPS warps
 * for each picture, whose rows the warps take in turn.
 */
enum { POOL_WARPS = 8 };
template <int LAPS>
__global__ void pool_rows(unsigned tokens, unsigned first, unsigned end,
                          unsigned width, const float *x, const float *w,
                          const float *b, float eps, float *vectors)
{
    AKIN_SHARED(float, sums); /* [POOL_WARPS][width] */
    const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const float *rows = x + (size_t)blockIdx.x * tokens * width;
    share<LAPS> sum;
#pragma unroll
    for (int i = 0; i < LAPS; i++)
        sum.part[i] = make_float4(0, 0, 0, 0);
    for (unsigned t = first + warp; t < end; t += POOL_WARPS) {
        share<LAPS> s = take_share<LAPS>(rows + (size_t)t * width, width, lane);
        if (w)
            norm_share(s, w, b, eps, width, lane);
#pragma unroll
        for (int i = 0; i < LAPS; i++) {
            sum.part[i].x += s.part[i].x;
            sum.part[i].y += s.part[i].y;
            sum.part[i].z += s.part[i].z;
            sum.part[i].w += s.part[i].w;
        }
    }
    put_share(sum, sums + (size_t)warp * width, width, lane);
    __syncthreads();
    for (unsigned i = threadIdx.x; i < width; i += blockDim.x) {
        float all = 0;
        for (unsigned p = 0; p < POOL_WARPS; p++)
            all += sums[p * width + i];
        vectors[(size_t)blockIdx.x * width + i] = all / (float)(end - first);
    }
}

template <int N> struct constant {
    static constexpr int value = N;
};

/* For who launches them: call(constant<LAPS>) with enough laps for a row of
 * this width. */
template <typename Call> static void by_laps(unsigned width, Call call)
{
    const unsigned laps = (width + 127) / 128;
    if (laps <= 1)
        call(constant<1>());
    else if (laps <= 3)
        call(constant<3>());
    else if (laps <= 4)
        call(constant<4>());
    else if (laps <= 6)
        call(constant<6>());
    else if (laps <= 8)
        call(constant<8>());
    else if (laps <= 12)
        call(constant<12>());
    else
        call(constant<16>());
}

/* ------------------------------------------------------- activation ----- */

enum activation { LINEAR, GELU, QUICK_GELU, SWIGLU };

/* x / (1 + exp(-rate x)): QuickGELU, and SiLU where the rate is 1. What is
 * rounded to bf16 is off by less than 1e-6 of itself before that. */
__device__ inline float gated(float x, float rate, float)
{
    return x / (1.0f + expf(-rate * x));
}

__device__ inline float gated(float x, float rate, bf16)
{
    return x * inverse_near(1.0f + exp2_near(-1.44269504f * rate * x));
}

/* x Phi(x). For bf16 by 7.1.26 of Abramowitz and Stegun: Phi is off by less
 * than 1e-7. */
__device__ inline float gelu(float x, float)
{
    return 0.5f * x * (1.0f + erff(x * 0.70710678118654752440f));
}

__device__ inline float gelu(float x, bf16)
{
    const float far = fabsf(x);
    const float t = inverse_near(fmaf(0.3275911f * 0.70710678f, far, 1.0f));
    float tail = fmaf(t, 1.061405429f, -1.453152027f);
    tail = fmaf(t, tail, 1.421413741f);
    tail = fmaf(t, tail, -0.284496736f);
    tail = fmaf(t, tail, 0.254829592f) * t;
    tail *= 0.5f * exp2_near(-0.5f * 1.44269504f * x * x);
    return fmaxf(x, 0.0f) - far * tail;
}

template <int KIND, typename Number> __device__ inline float activate(float x)
{
    return KIND == GELU         ? gelu(x, Number())
           : KIND == QUICK_GELU ? gated(x, 1.702f, Number())
           : KIND == SWIGLU     ? gated(x, 1.0f, Number())
                                : x;
}

__device__ inline float4 add4(float4 a, float4 b)
{
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

/*
 * hidden [rows][ld], in place: the activation of itself and its bias, of width
 * numbers of each row. SWIGLU: silu(gate) * value, gates in [0, width), values
 * in [width, 2 width), to where the gates were. Grid: x over columns, four a
 * thread, y over ROWS_AT_ONCE rows.
 */
enum { ROWS_AT_ONCE = 4 };
template <int KIND, typename Number>
__global__ void activate_rows(unsigned rows, unsigned width, unsigned ld,
                              const float *bias, Number *hidden)
{
    const unsigned at = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
    if (at >= width)
        return;
    const float4 plus = widen4(bias + at);
    const float4 other =
        KIND == SWIGLU ? widen4(bias + width + at) : make_float4(0, 0, 0, 0);
#pragma unroll
    for (unsigned i = 0; i < ROWS_AT_ONCE; i++) {
        const unsigned row = blockIdx.y * ROWS_AT_ONCE + i;
        if (row >= rows)
            continue;
        Number *here = hidden + (size_t)row * ld + at;
        float4 x = add4(widen4(here), plus);
        x = make_float4(
            activate<KIND, Number>(x.x), activate<KIND, Number>(x.y),
            activate<KIND, Number>(x.z), activate<KIND, Number>(x.w));
        if (KIND == SWIGLU) {
            const float4 value = add4(widen4(here + width), other);
            x = make_float4(x.x * value.x, x.y * value.y, x.z * value.z,
                            x.w * value.w);
        }
        narrow4(x, here);
    }
}

/* -------------------------------------------------------- attention ----- */

/*
 * softmax(q k^T / sqrt(head)) v, for each picture and head, of the first
 * `queries` tokens of a picture over all its tokens.
 *
 * qkv [pictures * tokens][3 width], heads side by side in each third; out
 * [pictures * queries][width]. Grid: x over the queries of a picture, y heads,
 * z pictures. Keys come in chunks; the sums so far are kept relative to the
 * largest score so far (Milakov and Gimelshein 2018; Dao et al. 2022).
 */
struct attention_shape {
    unsigned tokens, queries, width, head;
    float scale; /* 1 / sqrt(head) */
};

/*
 * By threads: one for each query. HEAD: room, at least the head's numbers,
 * those beyond it zero. Any type; the numbers of a chunk are read as floats.
 */
enum { CHUNK = 32, GROUP = 8 };
template <int HEAD, typename Number>
__global__ void attend(attention_shape shape, const Number *qkv, Number *out)
{
    __shared__ float4 keys[CHUNK][HEAD / 4], values[CHUNK][HEAD / 4];
    const size_t ld = 3 * (size_t)shape.width;
    const Number *picture =
        qkv + (size_t)blockIdx.z * shape.tokens * ld + blockIdx.y * shape.head;
    const unsigned query = blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned from = query < shape.queries ? query : shape.queries - 1;
    float4 q[HEAD / 4], sum[HEAD / 4];
    float most = -INFINITY, whole = 0;
#pragma unroll
    for (int i = 0; i < HEAD / 4; i++) {
        float part[4];
        for (unsigned j = 0; j < 4; j++)
            part[j] = 4 * i + j < shape.head
                          ? widen(picture[from * ld + 4 * i + j])
                          : 0.0f;
        q[i] = make_float4(part[0], part[1], part[2], part[3]);
        sum[i] = make_float4(0, 0, 0, 0);
    }
    for (unsigned first = 0; first < shape.tokens; first += CHUNK) {
        __syncthreads();
        for (unsigned i = threadIdx.x; i < CHUNK * HEAD; i += blockDim.x) {
            const unsigned token = first + i / HEAD, at = i % HEAD;
            const bool valid = token < shape.tokens && at < shape.head;
            const Number *key = picture + token * ld + shape.width + at;
            ((float *)keys)[i] = valid ? widen(*key) : 0.0f;
            ((float *)values)[i] = valid ? widen(key[shape.width]) : 0.0f;
        }
        __syncthreads();
        for (unsigned k = 0; k < CHUNK && first + k < shape.tokens;
             k += GROUP) {
            float score[GROUP], top = most;
#pragma unroll
            for (int j = 0; j < GROUP; j++) {
                float4 dot = make_float4(0, 0, 0, 0);
#pragma unroll
                for (int i = 0; i < HEAD / 4; i++) {
                    const float4 key = keys[k + j][i];
                    dot.x = fmaf(q[i].x, key.x, dot.x);
                    dot.y = fmaf(q[i].y, key.y, dot.y);
                    dot.z = fmaf(q[i].z, key.z, dot.z);
                    dot.w = fmaf(q[i].w, key.w, dot.w);
                }
                score[j] =
                    first + k + j < shape.tokens
                        ? ((dot.x + dot.y) + (dot.z + dot.w)) * shape.scale
                        : -INFINITY;
                top = fmaxf(top, score[j]);
            }
            const float fade = expf(most - top);
            most = top;
            whole *= fade;
#pragma unroll
            for (int i = 0; i < HEAD / 4; i++)
                sum[i] = make_float4(sum[i].x * fade, sum[i].y * fade,
                                     sum[i].z * fade, sum[i].w * fade);
#pragma unroll
            for (int j = 0; j < GROUP; j++) {
                const float weight = expf(score[j] - most);
                whole += weight;
#pragma unroll
                for (int i = 0; i < HEAD / 4; i++) {
                    const float4 value = values[k + j][i];
                    sum[i].x = fmaf(weight, value.x, sum[i].x);
                    sum[i].y = fmaf(weight, value.y, sum[i].y);
                    sum[i].z = fmaf(weight, value.z, sum[i].z);
                    sum[i].w = fmaf(weight, value.w, sum[i].w);
                }
            }
        }
    }
    if (query >= shape.queries)
        return;
    Number *to = out +
                 ((size_t)blockIdx.z * shape.queries + query) * shape.width +
                 blockIdx.y * shape.head;
#pragma unroll
    for (int i = 0; i < HEAD / 4; i++) {
        const float part[4] = {sum[i].x, sum[i].y, sum[i].z, sum[i].w};
#pragma unroll
        for (unsigned j = 0; j < 4; j++)
            if (4 * i + j < shape.head)
                narrow(part[j] / whole, &to[4 * i + j]);
    }
}

/*
 * By tensor cores: a warp for 16 queries at a time. bf16, HEAD the head's
 * numbers, a multiple of 16. Where all keys and values fit into the block's
 * memory they are read once and its warps go their own ways; else tiles of them
 * are copied ahead.
 *
 * Fragments as PTX has them: of a 16 x 8 result a lane holds columns 2 (lane %
 * 4) and the next, of rows lane / 4 and 8 more.
 */
enum {
    TILE = 64,
    SPAN = 32, /* keys whose scores a warp has at a time */
    STRIP = 16,
    STRIPS = 9, /* warps of a block at most: 257 tokens are 17 strips */
    DEPTH = 5   /* tiles of keys in a block's memory at most */
};
template <int HEAD> struct tile {
    bf16 row[TILE][HEAD + 8]; /* so that 8 rows lie in different banks */
};

/* Of a tile as many rows, in whole spans, as there are keys. */
template <int HEAD>
__device__ inline void copy_tile(tile<HEAD> *to, const bf16 *from, size_t ld,
                                 unsigned first, unsigned tokens)
{
    enum { PIECES = HEAD / 8 };
    const unsigned left = (tokens - first + SPAN - 1) / SPAN * SPAN;
    const unsigned rows = left < TILE ? left : TILE;
    for (unsigned i = threadIdx.x; i < rows * PIECES; i += blockDim.x) {
        const unsigned row = i / PIECES, at = i % PIECES * 8;
        const bool valid = first + row < tokens;
        copy16(&to->row[row][at], from + (valid ? first + row : 0) * ld + at,
               valid);
    }
}

/* What a warp holds of its queries, and of their answers so far. */
template <int HEAD> struct strip {
    uint32_t query[HEAD / 16][4];
    float sum[HEAD / 8][4];
    float most[2], whole[2]; /* of rows lane / 4 and 8 more */
};

template <int HEAD>
__device__ inline void begin_strip(strip<HEAD> &s, const bf16 *from, size_t ld,
                                   unsigned first, unsigned queries,
                                   unsigned lane)
{
    unsigned low = first + lane / 4, high = low + 8;
    low = low < queries ? low : queries - 1;
    high = high < queries ? high : queries - 1;
#pragma unroll
    for (int k = 0; k < HEAD / 16; k++) {
        const unsigned at = 16 * k + lane % 4 * 2;
        s.query[k][0] = *(const uint32_t *)(from + low * ld + at);
        s.query[k][1] = *(const uint32_t *)(from + high * ld + at);
        s.query[k][2] = *(const uint32_t *)(from + low * ld + at + 8);
        s.query[k][3] = *(const uint32_t *)(from + high * ld + at + 8);
    }
#pragma unroll
    for (int n = 0; n < HEAD / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            s.sum[n][i] = 0;
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        s.most[i] = -INFINITY;
        s.whole[i] = 0;
    }
}

/* scores [KEYS / 8][4] of a warp's queries, with KEYS keys. */
template <int HEAD, int KEYS>
__device__ inline void score_keys(float scores[KEYS / 8][4],
                                  const strip<HEAD> &s,
                                  const bf16 (*keys)[HEAD + 8], unsigned lane)
{
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++) {
        const bf16 *row = keys[8 * j + lane % 8];
#pragma unroll
        for (int i = 0; i < 4; i++)
            scores[j][i] = 0;
#pragma unroll
        for (int k = 0; k < HEAD / 16; k += 2) {
            /* Of the second 16 there is nothing where HEAD / 16 is odd. */
            const bool both = k + 1 < HEAD / 16;
            const unsigned at = 16 * k + lane / 8 * 8;
            uint32_t b[4];
            load_matrix4(b, row + (both || lane < 16 ? at : at - 16));
            mma_bf16(scores[j], s.query[k], b);
            if (both)
                mma_bf16(scores[j], s.query[k + 1], b + 2);
        }
    }
}

/*
 * scores to weights exp2(scale (score - most)), 0 from the live-th key on; what
 * was summed so far is brought to the new `most`.
 */
template <int HEAD, int KEYS>
__device__ inline void weigh(float scores[KEYS / 8][4], strip<HEAD> &s,
                             unsigned live, float scale, unsigned lane)
{
    float top[2] = {s.most[0], s.most[1]}, fade[2], base[2];
    if (live < KEYS) {
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++) {
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (8 * j + lane % 4 * 2 + i % 2 >= live)
                    scores[j][i] = -INFINITY;
        }
    }
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            top[i / 2] = fmaxf(top[i / 2], scores[j][i]);
    }
#pragma unroll
    for (int row = 0; row < 2; row++) {
        float m = top[row];
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, 1));
        m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, 2));
        fade[row] = exp2_near((s.most[row] - m) * scale);
        base[row] = m * scale;
        s.most[row] = m;
        s.whole[row] *= fade[row];
    }
#pragma unroll
    for (int n = 0; n < HEAD / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
            s.sum[n][i] *= fade[i / 2];
    }
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            scores[j][i] = exp2_near(fmaf(scores[j][i], scale, -base[i / 2]));
            s.whole[i / 2] += scores[j][i];
        }
    }
}

/* The sums and the weights' products with KEYS values. */
template <int HEAD, int KEYS>
__device__ inline void add_values(strip<HEAD> &s,
                                  const float weights[KEYS / 8][4],
                                  const bf16 (*values)[HEAD + 8], unsigned lane)
{
#pragma unroll
    for (int k = 0; k < KEYS / 16; k++) {
        const float *left = weights[2 * k], *right = weights[2 * k + 1];
        const uint32_t a[4] = {
            pack_bf16(left[0], left[1]), pack_bf16(left[2], left[3]),
            pack_bf16(right[0], right[1]), pack_bf16(right[2], right[3])};
        const bf16 *row = values[16 * k + lane % 16];
#pragma unroll
        for (int n = 0; n < HEAD / 8; n += 2) {
            uint32_t b[4];
            load_matrix4_trans(b, row + 8 * n + lane / 16 * 8);
            mma_bf16(s.sum[n], a, b);
            mma_bf16(s.sum[n + 1], a, b + 2);
        }
    }
}

/* KEYS keys and values, `live` of which are there. */
template <int HEAD, int KEYS>
__device__ inline void attend_keys(strip<HEAD> &s, const bf16 (*keys)[HEAD + 8],
                                   const bf16 (*values)[HEAD + 8],
                                   unsigned live, float scale, unsigned lane)
{
    float scores[KEYS / 8][4];
    score_keys<HEAD, KEYS>(scores, s, keys, lane);
    weigh<HEAD, KEYS>(scores, s, live, scale, lane);
    add_values<HEAD, KEYS>(s, scores, values, lane);
}

/* A tile, of which the first `live` are there. */
template <int HEAD>
__device__ inline void attend_tile(strip<HEAD> &s, const tile<HEAD> *keys,
                                   const tile<HEAD> *values, unsigned live,
                                   float scale, unsigned lane)
{
    for (unsigned from = 0; from < TILE && from < live; from += SPAN) {
        const unsigned left = live - from;
        const auto k = keys->row + from, v = values->row + from;
        if (left > SPAN / 2)
            attend_keys<HEAD, SPAN>(s, k, v, left, scale, lane);
        else
            attend_keys<HEAD, SPAN / 2>(s, k, v, left, scale, lane);
    }
}

template <int HEAD>
__device__ inline void end_strip(const strip<HEAD> &s, bf16 *out, size_t ld,
                                 unsigned first, unsigned queries,
                                 unsigned lane)
{
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float all = s.whole[i];
        all += __shfl_xor_sync(0xffffffffu, all, 1);
        all += __shfl_xor_sync(0xffffffffu, all, 2);
        const unsigned query = first + lane / 4 + 8 * i;
        bf16 *to = out + query * ld + lane % 4 * 2;
        const float by = 1.0f / all;
#pragma unroll
        for (int n = 0; n < HEAD / 8; n++) {
            if (query < queries)
                *(uint32_t *)(to + 8 * n) =
                    pack_bf16(s.sum[n][2 * i] * by, s.sum[n][2 * i + 1] * by);
        }
    }
}

/* tiles: room for `depth` of keys and as many of values, in turns. */
template <int HEAD>
__global__ void __launch_bounds__(32 * STRIPS, HEAD <= 64 ? 2 : 1)
    attend_tiles(attention_shape shape, unsigned depth, const bf16 *qkv,
                 bf16 *out)
{
    AKIN_SHARED(tile<HEAD>, tiles);
    const size_t ld = 3 * (size_t)shape.width;
    const bf16 *picture =
        qkv + (size_t)blockIdx.z * shape.tokens * ld + blockIdx.y * HEAD;
    const bf16 *keys = picture + shape.width, *values = keys + shape.width;
    const unsigned lane = threadIdx.x % 32;
    const unsigned count = (shape.tokens + TILE - 1) / TILE;
    const bool whole = count <= depth;
    const unsigned step = gridDim.x * blockDim.x / 32 * STRIP;
    const float scale = shape.scale * 1.44269504088896340736f; /* log2 e */
    unsigned first = (blockIdx.x * blockDim.x + threadIdx.x) / 32 * STRIP;
    for (unsigned i = 0; i < count && i < depth; i++) {
        copy_tile<HEAD>(&tiles[2 * i], keys, ld, TILE * i, shape.tokens);
        copy_tile<HEAD>(&tiles[2 * i + 1], values, ld, TILE * i, shape.tokens);
    }
    copies_commit();
    copies_wait<0>();
    __syncthreads();
    do {
        strip<HEAD> s;
        begin_strip<HEAD>(s, picture, ld, first, shape.queries, lane);
        for (unsigned i = 0; i < count; i++) {
            tile<HEAD> *here = &tiles[2 * (i % depth)];
            if (first < shape.queries)
                attend_tile<HEAD>(s, here, here + 1, shape.tokens - TILE * i,
                                  scale, lane);
            if (whole)
                continue;
            __syncthreads();
            if (i + depth < count) {
                const unsigned next = TILE * (i + depth);
                copy_tile<HEAD>(here, keys, ld, next, shape.tokens);
                copy_tile<HEAD>(here + 1, values, ld, next, shape.tokens);
            }
            copies_commit();
            copies_wait<1>();
            __syncthreads();
        }
        end_strip<HEAD>(s,
                        out + (size_t)blockIdx.z * shape.queries * shape.width +
                            blockIdx.y * HEAD,
                        shape.width, first, shape.queries, lane);
        first += step;
    } while (whole && first < shape.queries);
}

/* ---------------------------------------------------------- weights ----- */

/* A matrix [n][k] as a GEMM's factor [n][ld], each row times scale [n] (NULL:
 * 1), zeros behind k. Grid-stride over n * ld. */
template <typename Number>
__global__ void place_weights(size_t n, size_t k, size_t ld, const float *from,
                              const float *scale, Number *to)
{
    const size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n * ld;
         i += step) {
        const size_t row = i / ld, at = i % ld;
        const float w = at < k ? from[row * k + at] : 0.0f;
        narrow(scale ? w * scale[row] : w, &to[i]);
    }
}

/* For tests: rows of numbers [rows][ld] as floats [rows][k]. */
template <typename Number>
__global__ void widen_rows(size_t rows, size_t k, size_t ld, const Number *from,
                           float *to)
{
    const size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < rows * k;
         i += step)
        to[i] = widen(from[i / k * ld + i % k]);
}

#endif
