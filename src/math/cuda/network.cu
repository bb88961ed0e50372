/*
 * Network: a model's weights on a card, and pictures through them.
 *
 * There are two lanes, each with memory for a batch: while one computes, what
 * the other needs is copied, and where a kernel of one leaves room on the card,
 * one of the other runs. What a lane does is recorded once for each number of
 * pictures (a CUDA graph) and then replayed; a smaller number than recorded
 * computes with what is left in the other places, which nobody reads.
 *
 * R = batch * T rows. Rows of x are float32; factors have the type of the
 * network.
 */
#include <string.h>

#include "math/cuda/forward.cuh"
#include "math/cuda/gemm.h"
#include "math/cuda/queue.h"

enum {
    SIZES = 9,         /* of a batch, each half the one before */
    MOST_ROWS = 25000, /* of x: more gains nothing on an H200 */
    MOST_PICTURES = 256,
    MOST_WIDTH = 2048, /* what a warp holds of a row */
    MOST_HEAD = 128,
    UPLOAD = 1 << 24 /* floats of a weight that are placed at a time */
};

struct norm {
    float *w, *b;
};

struct block {
    struct norm norm1, norm2;
    struct linear qkv, out, fc1, fc2;
};

struct lane {
    cudaStream_t stream;
    cudaEvent_t done;
    void *memory;
    uint8_t *bytes;
    void *patches; /* [batch * rows * cols][patch weight's ld] */
    float *x;      /* [R][D] */
    void *normed;  /* [R][D] */
    void *qkv;     /* [R][3D], and then [R][D]: attention's answer; or */
    void *hidden;  /* the same memory, [R][fc1.n]; or what patches become */
    void *mixed;
    float *pooled;  /* [batch][D] */
    float *vectors; /* [batch][dim] */
    void *workspace;
    float *answer; /* [batch][dim] on the host, pinned */
    cudaGraphExec_t graph[SIZES];
    bool recorded[SIZES], unfit[SIZES];
};

struct akin__cuda_network {
    int card;
    struct akin__cuda_spec is; /* its pointers are not for use; its mlp is up to
                                  a multiple of 8, what is added being 0 */
    unsigned width, tokens, batch, size[SIZES];
    void *memory;  /* all of the weights */
    size_t bytes;  /* of it, so far: while it is laid out */
    int shared;    /* bytes of shared memory that a block may have */
    float *upload; /* on the card, while weights are placed */
    float *value, *start;
    struct linear patches, projection;
    struct norm before, last;
    struct block *block;
    std::mutex recording; /* over the products' algorithms */
    struct gemms *gemms;
    struct queue queue;
    struct lane lane[LANES];
};

/* ----------------------------------------------------------- memory ----- */

static void *take(void *memory, size_t *used, size_t bytes)
{
    void *at = memory ? (char *)memory + *used : NULL;
    *used += (bytes + 255) / 256 * 256;
    return at;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t number_of(const struct akin__cuda_network *n)
{
    return n->is.bf16 ? 2 : 4;
}

/* Where a lane's things lie; *bytes in all. */
static void lay_out_lane(const struct akin__cuda_network *n, struct lane *lane,
                         size_t *bytes)
{
    const struct akin__cuda_spec *is = &n->is;
    const size_t e = number_of(n), d = n->width, b = n->batch;
    const size_t rows = b * n->tokens, patches = b * is->rows * is->cols;
    const size_t fc1 = is->swiglu ? 2 * is->mlp : is->mlp;
    void *at = lane->memory;
    *bytes = 0;
    lane->bytes =
        (uint8_t *)take(at, bytes, b * 3 * is->pixel_height * is->pixel_width);
    lane->patches = take(at, bytes, patches * n->patches.ld * e);
    lane->x = (float *)take(at, bytes, rows * d * sizeof(float));
    lane->normed = take(at, bytes, rows * d * e);
    lane->hidden = take(at, bytes,
                        larger(larger(rows * fc1 * e, 4 * rows * d * e),
                               patches * d * sizeof(float)));
    lane->qkv = lane->hidden;
    lane->mixed = lane->hidden ? (char *)lane->hidden + 3 * rows * d * e : NULL;
    lane->pooled = (float *)take(at, bytes, b * d * sizeof(float));
    lane->vectors = (float *)take(at, bytes, b * is->dim * sizeof(float));
    lane->workspace = take(at, bytes, WORKSPACE);
}

/* --------------------------------------------------------- uploading ---- */

static akin_status copy_floats(struct akin__cuda_network *n, float **to,
                               const float *from, size_t count, akin_error *err)
{
    akin_status status = AKIN_OK;
    *to = NULL;
    if (!from)
        return AKIN_OK;
    *to = (float *)take(n->memory, &n->bytes, count * sizeof(float));
    if (n->memory)
        CUDA_TRY(cudaMemcpy(*to, from, count * sizeof(float),
                            cudaMemcpyHostToDevice),
                 err);
out:
    return status;
}

static akin_status copy_norm(struct akin__cuda_network *n, struct norm *to,
                             const struct akin__cuda_norm *from,
                             akin_error *err)
{
    const akin_status status = copy_floats(n, &to->w, from->w, n->width, err);
    return status ? status : copy_floats(n, &to->b, from->b, n->width, err);
}

template <typename Number>
static akin_status place_part(struct akin__cuda_network *n, Number *to,
                              size_t ld, const struct akin__cuda_linear *from,
                              const float *scale, akin_error *err)
{
    const size_t rows = larger(1, UPLOAD / from->k);
    akin_status status = AKIN_OK;
    for (size_t at = 0; at < from->n; at += rows) {
        const size_t now = from->n - at < rows ? from->n - at : rows;
        CUDA_TRY(cudaMemcpy(n->upload, from->w + at * from->k,
                            now * from->k * sizeof(float),
                            cudaMemcpyHostToDevice),
                 err);
        place_weights<<<1024, 256>>>(now, from->k, ld, n->upload,
                                     scale ? scale + at : NULL, to + at * ld);
        CUDA_TRY(cudaGetLastError(), err);
        CUDA_TRY(cudaDeviceSynchronize(), err); /* upload is used again */
    }
out:
    return status;
}

/* A bias in both its types, from output `row` on. */
static akin_status place_bias(struct akin__cuda_network *n, struct linear *to,
                              float *bias, size_t row,
                              const struct akin__cuda_linear *from,
                              const float *scale, akin_error *err)
{
    const struct akin__cuda_linear column = {from->bias, NULL, from->n, 1};
    const akin_status status =
        place_part(n, bias + row, 1, &column, scale, err);
    return status ? status
                  : place_part(n, (bf16 *)to->narrow + row, 1, &column, scale,
                               err);
}

static size_t outputs_of(const struct akin__cuda_linear *part, bool wide)
{
    return wide ? part->n : (part->n + 7) / 8 * 8;
}

/*
 * `from` [parts], one behind the other, as one layer, each output times scale
 * [n] (NULL: 1). A part's outputs are up to a multiple of 8, those that are
 * added being 0. wide: the last layer, float32 whatever the network is and with
 * no more outputs than the vector has.
 */
static akin_status place(struct akin__cuda_network *n, struct linear *to,
                         const struct akin__cuda_linear *const *from,
                         size_t parts, const float *scale, bool wide,
                         akin_error *err)
{
    float *scales = NULL, *bias = NULL;
    size_t row = 0;
    akin_status status = AKIN_OK;
    to->bf16 = n->is.bf16 && !wide;
    to->k = (unsigned)from[0]->k;
    to->ld = (to->k + 7) / 8 * 8;
    to->n = 0;
    for (size_t i = 0; i < parts; i++)
        to->n += (unsigned)outputs_of(from[i], wide);
    const size_t e = to->bf16 ? 2 : 4;
    to->w = take(n->memory, &n->bytes, (size_t)to->n * to->ld * e);
    TRY(copy_floats(n, &scales, scale, to->n, err));
    if (from[0]->bias) {
        bias = (float *)take(n->memory, &n->bytes, to->n * sizeof(float));
        to->narrow = take(n->memory, &n->bytes, to->n * sizeof(bf16));
    }
    to->bias = bias;
    for (size_t i = 0; i < parts && n->memory;
         row += outputs_of(from[i++], wide)) {
        if (to->bf16)
            TRY(place_part(n, (bf16 *)to->w + row * to->ld, to->ld, from[i],
                           scales ? scales + row : NULL, err));
        else
            TRY(place_part(n, (float *)to->w + row * to->ld, to->ld, from[i],
                           scales ? scales + row : NULL, err));
        if (bias)
            TRY(place_bias(n, to, bias, row, from[i],
                           scales ? scales + row : NULL, err));
    }
out:
    return status;
}

static akin_status place_one(struct akin__cuda_network *n, struct linear *to,
                             const struct akin__cuda_linear *from,
                             const float *scale, bool wide, akin_error *err)
{
    return from->n ? place(n, to, &from, 1, scale, wide, err) : AKIN_OK;
}

static akin_status place_block(struct akin__cuda_network *n, struct block *to,
                               const struct akin__cuda_block *from,
                               akin_error *err)
{
    const struct akin__cuda_linear *qkv[] = {&from->q, &from->kv};
    const struct akin__cuda_linear *fc1[] = {&from->gates, &from->values};
    akin_status status = AKIN_OK;
    TRY(copy_norm(n, &to->norm1, &from->norm1, err));
    TRY(place(n, &to->qkv, qkv, 2, NULL, false, err));
    TRY(place_one(n, &to->out, &from->out, from->out_scale, false, err));
    TRY(copy_norm(n, &to->norm2, &from->norm2, err));
    TRY(place(n, &to->fc1, fc1, n->is.swiglu ? 2 : 1, NULL, false, err));
    TRY(place_one(n, &to->fc2, &from->fc2, from->fc2_scale, false, err));
out:
    return status;
}

/* Where weights lie, or with memory there, placing them. */
static akin_status place_all(struct akin__cuda_network *n,
                             const struct akin__cuda_spec *from,
                             akin_error *err)
{
    akin_status status = AKIN_OK;
    n->bytes = 0;
    TRY(copy_floats(n, &n->value, &from->value[0][0], 3 * 256, err));
    TRY(copy_floats(n, &n->start, from->start, (size_t)n->tokens * n->width,
                    err));
    TRY(place_one(n, &n->patches, &from->patches, NULL, false, err));
    TRY(copy_norm(n, &n->before, &from->before, err));
    TRY(copy_norm(n, &n->last, &from->last, err));
    TRY(place_one(n, &n->projection, &from->projection, NULL, true, err));
    for (size_t i = 0; i < from->layers; i++)
        TRY(place_block(n, &n->block[i], &from->block[i], err));
out:
    return status;
}

/* ----------------------------------------------------------- kernels ---- */

enum { NORM_THREADS = 128 };

static unsigned blocks_of(size_t rows)
{
    return (unsigned)((rows * 32 + NORM_THREADS - 1) / NORM_THREADS);
}

/* What a pass needs at every turn. */
struct pass {
    struct akin__cuda_network *n;
    struct lane *lane;
    unsigned pictures;
    akin_error *err;
};

static akin_status launched(const struct pass *p)
{
    return akin__cuda_check(cudaGetLastError(), "launch", p->err);
}

static akin_status run_norm(const struct pass *p, unsigned rows, size_t ld,
                            const struct norm *norm)
{
    const struct akin__cuda_network *n = p->n;
    struct lane *lane = p->lane;
    by_laps(n->width, [&](auto laps) {
        if (n->is.bf16)
            norm_rows<laps.value>
                <<<blocks_of(rows), NORM_THREADS, 0, lane->stream>>>(
                    rows, n->width, lane->x, ld, norm->w, norm->b, n->is.eps,
                    (bf16 *)lane->normed);
        else
            norm_rows<laps.value>
                <<<blocks_of(rows), NORM_THREADS, 0, lane->stream>>>(
                    rows, n->width, lane->x, ld, norm->w, norm->b, n->is.eps,
                    (float *)lane->normed);
    });
    return launched(p);
}

static akin_status begin(const struct pass *p)
{
    const struct akin__cuda_network *n = p->n;
    const struct akin__cuda_spec *is = &n->is;
    struct lane *lane = p->lane;
    const unsigned patches = p->pictures * (unsigned)(is->rows * is->cols);
    const unsigned rows = p->pictures * n->tokens;
    const struct product embed = {
        &n->patches,  0,        n->width, patches, lane->patches, n->patches.ld,
        lane->hidden, n->width, true,     false,   false};
    akin_status status = AKIN_OK;
    if (is->bf16)
        cut_patches<<<patches, 256, 0, lane->stream>>>(
            lane->bytes, n->value, (unsigned)is->pixel_height,
            (unsigned)is->pixel_width, (unsigned)is->patch, (unsigned)is->rows,
            (unsigned)is->cols, n->patches.ld, (bf16 *)lane->patches);
    else
        cut_patches<<<patches, 256, 0, lane->stream>>>(
            lane->bytes, n->value, (unsigned)is->pixel_height,
            (unsigned)is->pixel_width, (unsigned)is->patch, (unsigned)is->rows,
            (unsigned)is->cols, n->patches.ld, (float *)lane->patches);
    TRY(launched(p));
    TRY(akin__cuda_gemm(n->gemms, &embed, lane->workspace, lane->stream,
                        p->err));
    by_laps(n->width, [&](auto laps) {
        begin_rows<laps.value>
            <<<blocks_of(rows), NORM_THREADS, 0, lane->stream>>>(
                rows, n->tokens, (unsigned)is->skip, n->width, n->start,
                (const float *)lane->hidden, n->patches.bias, n->before.w,
                n->before.b, is->eps, lane->x);
    });
    TRY(launched(p));
out:
    return status;
}

/* Attention by tensor cores, for heads of HEAD numbers. */
template <int HEAD>
static akin_status attend_by_tiles(const struct pass *p,
                                   const attention_shape &shape)
{
    const unsigned count = (shape.tokens + TILE - 1) / TILE;
    unsigned depth = (unsigned)(p->n->shared / (2 * sizeof(tile<HEAD>)));
    depth = depth < 2 ? 2 : depth > DEPTH ? DEPTH : depth; /* or refused */
    depth = depth > count ? count : depth;
    const size_t shared = 2 * depth * sizeof(tile<HEAD>);
    const unsigned strips = (shape.queries + STRIP - 1) / STRIP;
    const unsigned rounds = (strips + STRIPS - 1) / STRIPS;
    const unsigned warps = (strips + rounds - 1) / rounds;
    const dim3 grid(depth == count ? 1 : rounds, shape.width / HEAD,
                    p->pictures);
    akin_status status = AKIN_OK;
    CUDA_TRY(cudaFuncSetAttribute(attend_tiles<HEAD>,
                                  cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  (int)shared),
             p->err);
    attend_tiles<HEAD><<<grid, 32 * warps, shared, p->lane->stream>>>(
        shape, depth, (const bf16 *)p->lane->qkv, (bf16 *)p->lane->mixed);
    TRY(launched(p));
out:
    return status;
}

/* Attention by threads, in room for HEAD numbers. */
template <int HEAD>
static akin_status attend_by_threads(const struct pass *p,
                                     const attention_shape &shape)
{
    const unsigned blocks = (shape.queries + 127) / 128;
    const unsigned share = (shape.queries + blocks - 1) / blocks;
    const unsigned threads = (share + 31) / 32 * 32;
    const dim3 grid(blocks, shape.width / shape.head, p->pictures);
    if (p->n->is.bf16)
        attend<HEAD><<<grid, threads, 0, p->lane->stream>>>(
            shape, (const bf16 *)p->lane->qkv, (bf16 *)p->lane->mixed);
    else
        attend<HEAD><<<grid, threads, 0, p->lane->stream>>>(
            shape, (const float *)p->lane->qkv, (float *)p->lane->mixed);
    return launched(p);
}

static akin_status run_attention(const struct pass *p, unsigned queries)
{
    const unsigned width = p->n->width;
    const unsigned head = width / (unsigned)p->n->is.heads;
    const attention_shape shape = {p->n->tokens, queries, width, head,
                                   1.0f / sqrtf((float)head)};
    if (p->n->is.bf16 && head == 32)
        return attend_by_tiles<32>(p, shape);
    if (p->n->is.bf16 && head == 64)
        return attend_by_tiles<64>(p, shape);
    if (p->n->is.bf16 && head == 80)
        return attend_by_tiles<80>(p, shape);
    if (p->n->is.bf16 && head == 128)
        return attend_by_tiles<128>(p, shape);
    return head <= 16   ? attend_by_threads<16>(p, shape)
           : head <= 64 ? attend_by_threads<64>(p, shape)
                        : attend_by_threads<128>(p, shape);
}

template <typename Number>
static akin_status activate(const struct pass *p, const struct block *b,
                            unsigned rows, Number *hidden)
{
    const struct akin__cuda_spec *is = &p->n->is;
    const unsigned width = (unsigned)is->mlp, ld = b->fc1.n;
    const unsigned threads = width / 4 < 256 ? 64 : 256;
    const dim3 grid((width / 4 + threads - 1) / threads,
                    (rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE);
    const cudaStream_t stream = p->lane->stream;
    if (is->swiglu)
        activate_rows<SWIGLU><<<grid, threads, 0, stream>>>(
            rows, width, ld, b->fc1.bias, hidden);
    else if (is->activation == AKIN__CUDA_GELU)
        activate_rows<GELU><<<grid, threads, 0, stream>>>(rows, width, ld,
                                                          b->fc1.bias, hidden);
    else if (is->activation == AKIN__CUDA_QUICK_GELU)
        activate_rows<QUICK_GELU><<<grid, threads, 0, stream>>>(
            rows, width, ld, b->fc1.bias, hidden);
    else
        activate_rows<LINEAR><<<grid, threads, 0, stream>>>(
            rows, width, ld, b->fc1.bias, hidden);
    return launched(p);
}

/* out [m][ldc] = outputs [first, first + count) of the layer, or added to it.
 */
static akin_status multiply(const struct pass *p, const struct linear *by,
                            unsigned first, unsigned count, unsigned m,
                            const void *a, size_t lda, void *out, size_t ldc,
                            bool add, bool bias)
{
    const struct product product = {
        by, first, count, m, a, lda, out, ldc, add, add, bias && by->bias};
    return akin__cuda_gemm(p->n->gemms, &product, p->lane->workspace,
                           p->lane->stream, p->err);
}

/* One block; with `one` its answer is that of each picture's first token
 * alone, whose rows of x stay where they are. */
static akin_status run_block(const struct pass *p, const struct block *b,
                             bool one)
{
    const struct akin__cuda_network *n = p->n;
    struct lane *lane = p->lane;
    const unsigned d = n->width, t = n->tokens, all = p->pictures * t;
    const unsigned rows = one ? p->pictures : all;
    const size_t e = number_of(n), ld = one ? (size_t)t * d : d;
    void *keys = (char *)lane->qkv + d * e;
    akin_status status = AKIN_OK;
    TRY(run_norm(p, all, d, &b->norm1));
    if (one) {
        TRY(multiply(p, &b->qkv, d, 2 * d, all, lane->normed, d, keys, 3 * d,
                     false, true));
        TRY(multiply(p, &b->qkv, 0, d, rows, lane->normed, ld, lane->qkv,
                     3 * ld, false, true));
    } else {
        TRY(multiply(p, &b->qkv, 0, 3 * d, all, lane->normed, d, lane->qkv,
                     3 * d, false, true));
    }
    TRY(run_attention(p, one ? 1 : t));
    TRY(multiply(p, &b->out, 0, d, rows, lane->mixed, d, lane->x, ld, true,
                 true));
    TRY(run_norm(p, rows, ld, &b->norm2));
    TRY(multiply(p, &b->fc1, 0, b->fc1.n, rows, lane->normed, d, lane->hidden,
                 b->fc1.n, false, false));
    TRY(n->is.bf16 ? activate(p, b, rows, (bf16 *)lane->hidden)
                   : activate(p, b, rows, (float *)lane->hidden));
    TRY(multiply(p, &b->fc2, 0, d, rows, lane->hidden, b->fc1.n, lane->x, ld,
                 true, true));
out:
    return status;
}

static akin_status finish(const struct pass *p)
{
    const struct akin__cuda_network *n = p->n;
    const struct akin__cuda_spec *is = &n->is;
    struct lane *lane = p->lane;
    const size_t shared = POOL_WARPS * n->width * sizeof(float);
    const unsigned first = is->pool_class ? 0 : (unsigned)is->pool_first;
    const unsigned end = is->pool_class ? 1 : (unsigned)is->pool_end;
    float *pooled = n->projection.n ? lane->pooled : lane->vectors;
    akin_status status = AKIN_OK;
    by_laps(n->width, [&](auto laps) {
        status = akin__cuda_check(
            cudaFuncSetAttribute(pool_rows<laps.value>,
                                 cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 (int)shared),
            "cudaFuncSetAttribute", p->err);
        if (!status)
            pool_rows<laps.value>
                <<<p->pictures, 32 * POOL_WARPS, shared, lane->stream>>>(
                    n->tokens, first, end, n->width, lane->x, n->last.w,
                    n->last.b, is->eps, pooled);
    });
    if (!status)
        status = launched(p);
    if (!status && n->projection.n)
        status =
            multiply(p, &n->projection, 0, n->projection.n, p->pictures, pooled,
                     n->width, lane->vectors, n->projection.n, false, false);
    return status;
}

/* Bytes of `pictures` to their vectors, on the lane's stream. */
static akin_status forward(struct akin__cuda_network *n, struct lane *lane,
                           unsigned pictures, akin_error *err)
{
    const struct pass pass = {n, lane, pictures, err};
    akin_status status = AKIN_OK;
    TRY(begin(&pass));
    for (size_t i = 0; i < n->is.layers; i++)
        TRY(run_block(&pass, &n->block[i],
                      n->is.pool_class && i + 1 == n->is.layers));
    TRY(finish(&pass));
out:
    return status;
}

/* ------------------------------------------------------------- open ----- */

static akin_status check_spec(const struct akin__cuda_spec *is, akin_error *err)
{
    if (is->width % 8 || is->width > MOST_WIDTH)
        return akin__cuda_fail(err, AKIN_EUSAGE,
                               "a card takes widths that are multiples of 8, "
                               "up to %d, this model has %zu",
                               MOST_WIDTH, is->width);
    if (is->width / is->heads > MOST_HEAD)
        return akin__cuda_fail(err, AKIN_EUSAGE,
                               "a card takes heads of up to %d numbers, this "
                               "model has %zu",
                               MOST_HEAD, is->width / is->heads);
    return AKIN_OK;
}

static void choose_batch(struct akin__cuda_network *n)
{
    unsigned batch = MOST_ROWS / n->tokens;
    batch = batch > MOST_PICTURES ? MOST_PICTURES : batch / 4 * 4;
    n->batch = batch < 1 ? 1 : batch;
    n->queue.most = n->batch;
    for (unsigned i = 0, size = n->batch; i < SIZES; i++, size /= 2)
        n->size[i] = i + 1 == SIZES || !size ? 1 : size;
}

static akin_status open_lane(struct akin__cuda_network *n, struct lane *lane,
                             akin_error *err)
{
    size_t bytes;
    akin_status status = AKIN_OK;
    lay_out_lane(n, lane, &bytes);
    CUDA_TRY(cudaMalloc(&lane->memory, bytes), err);
    CUDA_TRY(cudaMemset(lane->memory, 0, bytes), err);
    lay_out_lane(n, lane, &bytes);
    CUDA_TRY(cudaHostAlloc((void **)&lane->answer,
                           n->batch * n->is.dim * sizeof(float),
                           cudaHostAllocPortable),
             err);
    CUDA_TRY(cudaStreamCreateWithFlags(&lane->stream, cudaStreamNonBlocking),
             err);
    CUDA_TRY(cudaEventCreateWithFlags(&lane->done, cudaEventBlockingSync |
                                                       cudaEventDisableTiming),
             err);
out:
    return status;
}

/* Room for everything, or which room it would take. */
static akin_status check_room(struct akin__cuda_network *n,
                              const struct akin__cuda_spec *spec,
                              akin_error *err)
{
    struct lane none = {};
    size_t lane;
    const akin_status status = place_all(n, spec, err); /* only counts */
    lay_out_lane(n, &none, &lane);
    return status ? status
                  : akin__cuda_room(n->bytes + LANES * lane +
                                        UPLOAD * sizeof(float),
                                    "the model", err);
}

akin_status akin__cuda_network_open(struct akin__cuda_network **out_network,
                                    int card,
                                    const struct akin__cuda_spec *spec,
                                    akin_error *err)
{
    struct akin__cuda_network *n = new akin__cuda_network();
    akin_status status = AKIN_OK;
    *out_network = NULL;
    n->is = *spec;
    n->is.mlp = (spec->mlp + 7) / 8 * 8;
    n->width = (unsigned)spec->width;
    n->tokens = (unsigned)(spec->skip + spec->rows * spec->cols);
    n->block = new block[spec->layers]();
    choose_batch(n);
    TRY(check_spec(spec, err));
    TRY(akin__cuda_use(card, err));
    n->card = card;
    CUDA_TRY(cudaDeviceGetAttribute(
                 &n->shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, card),
             err);
    TRY(check_room(n, spec, err));
    CUDA_TRY(cudaMalloc(&n->memory, n->bytes), err);
    CUDA_TRY(cudaMemset(n->memory, 0, n->bytes), err);
    CUDA_TRY(cudaMalloc((void **)&n->upload, UPLOAD * sizeof(float)), err);
    TRY(place_all(n, spec, err));
    CUDA_TRY(cudaFree(n->upload), err);
    n->upload = NULL;
    TRY(akin__cuda_gemms_open(&n->gemms, err));
    for (size_t i = 0; i < LANES; i++)
        TRY(open_lane(n, &n->lane[i], err));
    CUDA_TRY(cudaDeviceSynchronize(), err); /* streams do not wait for it */
    /* The largest number first, which also chooses the products' algorithms,
     * and unrecorded: what CUDA loads late may not be loaded in a graph. */
    TRY(forward(n, &n->lane[0], n->batch, err));
    CUDA_TRY(cudaStreamSynchronize(n->lane[0].stream), err);
    *out_network = n;
    n = NULL;
out:
    akin__cuda_network_close(&n);
    return status;
}

void akin__cuda_network_close(struct akin__cuda_network **network)
{
    struct akin__cuda_network *n = *network;
    if (!n)
        return;
    cudaSetDevice(n->card);
    for (size_t i = 0; i < LANES; i++) {
        struct lane *lane = &n->lane[i];
        for (size_t s = 0; s < SIZES; s++)
            if (lane->graph[s])
                cudaGraphExecDestroy(lane->graph[s]);
        if (lane->stream)
            cudaStreamDestroy(lane->stream);
        if (lane->done)
            cudaEventDestroy(lane->done);
        cudaFree(lane->memory);
        cudaFreeHost(lane->answer);
    }
    akin__cuda_gemms_close(&n->gemms);
    cudaFree(n->upload);
    cudaFree(n->memory);
    cudaGetLastError();
    delete[] n->block;
    delete n;
    *network = NULL;
}

size_t akin__cuda_network_batch(const struct akin__cuda_network *network)
{
    return network->batch;
}

/* -------------------------------------------------------------- run ----- */

/* Record what a lane does for its size `s`. */
static akin_status record(struct akin__cuda_network *n, struct lane *lane,
                          unsigned s, akin_error *err)
{
    cudaGraph_t graph = NULL;
    cudaError_t ended;
    akin_status status = AKIN_OK;
    CUDA_TRY(
        cudaStreamBeginCapture(lane->stream, cudaStreamCaptureModeThreadLocal),
        err);
    status = forward(n, lane, n->size[s], err);
    ended = cudaStreamEndCapture(lane->stream, &graph);
    TRY(status);
    CUDA_TRY(ended, err);
    CUDA_TRY(cudaGraphInstantiate(&lane->graph[s], graph, 0), err);
    lane->recorded[s] = true;
out:
    if (graph)
        cudaGraphDestroy(graph);
    return status;
}

/* The smallest recorded size for `count` pictures, recorded if need be; a size
 * that a product cannot be done at is left out. One thread at a time. */
static akin_status prepare(struct akin__cuda_network *n, struct lane *lane,
                           size_t count, unsigned *s, akin_error *err)
{
    for (*s = SIZES - 1;; --*s) {
        if (n->size[*s] < count || lane->unfit[*s])
            continue;
        if (lane->recorded[*s])
            return AKIN_OK;
        const akin_status status = record(n, lane, *s, err);
        if (status != AKIN_EUSAGE || *s == 0)
            return status;
        lane->unfit[*s] = true;
    }
}

/* The crew's bytes, one behind the other, to the lane; how many pictures. */
static akin_status bring(struct akin__cuda_network *n, struct lane *lane,
                         const struct request *crew, size_t *count,
                         akin_error *err)
{
    const size_t picture = 3 * n->is.pixel_height * n->is.pixel_width;
    akin_status status = AKIN_OK;
    *count = 0;
    for (const struct request *r = crew; r; r = r->next) {
        CUDA_TRY(cudaMemcpyAsync(lane->bytes + *count * picture, r->bytes,
                                 r->count * picture, cudaMemcpyHostToDevice,
                                 lane->stream),
                 err);
        *count += r->count;
    }
out:
    return status;
}

static akin_status run(struct akin__cuda_network *n, struct lane *lane,
                       const struct request *crew, akin_error *err)
{
    const size_t dim = n->is.dim;
    const float *answer = lane->answer;
    size_t count;
    unsigned s = 0;
    akin_status status = AKIN_OK;
    CUDA_TRY(cudaSetDevice(n->card), err);
    TRY(bring(n, lane, crew, &count, err));
    {
        std::lock_guard<std::mutex> held(n->recording);
        status = prepare(n, lane, count, &s, err);
    }
    TRY(status);
    CUDA_TRY(cudaGraphLaunch(lane->graph[s], lane->stream), err);
    CUDA_TRY(cudaMemcpyAsync(lane->answer, lane->vectors,
                             count * dim * sizeof(float),
                             cudaMemcpyDeviceToHost, lane->stream),
             err);
    CUDA_TRY(cudaEventRecord(lane->done, lane->stream), err);
    CUDA_TRY(cudaEventSynchronize(lane->done), err);
    for (const struct request *r = crew; r; r = r->next) {
        memcpy(r->vectors, answer, r->count * dim * sizeof(float));
        answer += r->count * dim;
    }
out:
    if (status)
        cudaStreamSynchronize(lane->stream); /* reads bytes no longer */
    return status;
}

akin_status akin__cuda_network_run(struct akin__cuda_network *n, size_t count,
                                   const uint8_t *bytes, float *vectors,
                                   akin_error *err)
{
    struct request mine = {count, bytes, vectors};
    const int lane = queue_enter(&n->queue, &mine);
    if (lane >= 0) {
        akin_error why;
        const akin_status status = run(n, &n->lane[lane], &mine, &why);
        queue_leave(&n->queue, lane, &mine, status, &why);
    }
    if (mine.status && err)
        *err = mine.err;
    return mine.status;
}

akin_status akin__cuda_network_patches(struct akin__cuda_network *n,
                                       const uint8_t *bytes, float *patches,
                                       akin_error *err)
{
    const struct akin__cuda_spec *is = &n->is;
    const size_t rows = is->rows * is->cols, k = n->patches.k;
    struct request alone = {n->batch}; /* fits behind nobody, nor they behind */
    const int number = queue_enter(&n->queue, &alone);
    struct lane *lane = &n->lane[number];
    const struct pass pass = {n, lane, 1, err};
    float *wide = NULL;
    akin_status status = AKIN_OK;
    CUDA_TRY(cudaSetDevice(n->card), err);
    CUDA_TRY(cudaMalloc((void **)&wide, rows * k * sizeof(float)), err);
    CUDA_TRY(cudaMemcpyAsync(lane->bytes, bytes,
                             3 * is->pixel_height * is->pixel_width,
                             cudaMemcpyHostToDevice, lane->stream),
             err);
    {
        std::lock_guard<std::mutex> held(n->recording);
        status = begin(&pass);
    }
    TRY(status);
    if (is->bf16)
        widen_rows<<<256, 256, 0, lane->stream>>>(
            rows, k, n->patches.ld, (const bf16 *)lane->patches, wide);
    else
        widen_rows<<<256, 256, 0, lane->stream>>>(
            rows, k, n->patches.ld, (const float *)lane->patches, wide);
    TRY(launched(&pass));
    CUDA_TRY(cudaMemcpyAsync(patches, wide, rows * k * sizeof(float),
                             cudaMemcpyDeviceToHost, lane->stream),
             err);
    CUDA_TRY(cudaStreamSynchronize(lane->stream), err);
out:
    cudaFree(wide);
    queue_leave(&n->queue, number, &alone, AKIN_OK, NULL);
    return status;
}
