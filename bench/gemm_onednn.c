/* oneDNN 2: matmul and inner product, weights in the layout it asks for. */
#include <string.h>

#include <oneapi/dnnl/dnnl.h>

#include "base/memory.h"
#include "gemm.h"

enum { ROLES = 4 }; /* source, weights, bias, destination */

struct gemm {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t role[ROLES];
};

static dnnl_cpu_isa_t isa_of(const char *kernels)
{
    static const struct {
        const char *name;
        dnnl_cpu_isa_t isa;
    } known[] = {{"avx2", dnnl_cpu_isa_avx2},
                 {"avxvnni", dnnl_cpu_isa_avx2_vnni},
                 {"avx512", dnnl_cpu_isa_avx512_core},
                 {"avx512vnni", dnnl_cpu_isa_avx512_core_vnni}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(kernels, known[i].name) == 0)
            return known[i].isa;
    }
    return dnnl_cpu_isa_all;
}

static void close_gemm(void *gemm)
{
    struct gemm *g = gemm;
    for (int i = 0; i < ROLES; i++)
        dnnl_memory_destroy(g->role[i].memory);
    dnnl_primitive_destroy(g->primitive);
    dnnl_stream_destroy(g->stream);
    dnnl_engine_destroy(g->engine);
    akin__free(g);
}

/* Memory as `layout` says. All bytes are 0x3c: floats and bf16 of 0.01. */
static int give(struct gemm *g, int role, int arg,
                const dnnl_memory_desc_t *layout)
{
    void *bytes;
    g->role[role].arg = arg;
    if (dnnl_memory_create(&g->role[role].memory, layout, g->engine,
                           DNNL_MEMORY_ALLOCATE) ||
        dnnl_memory_get_data_handle(g->role[role].memory, &bytes))
        return 0;
    memset(bytes, 0x3c, dnnl_memory_desc_get_size(layout));
    return 1;
}

/* Scales of the columns for 8-bit factors, as akin has them. */
static dnnl_primitive_attr_t attributes(akin_precision type, size_t n)
{
    dnnl_primitive_attr_t attr;
    if (dnnl_primitive_attr_create(&attr))
        return NULL;
    if (type == AKIN_PRECISION_INT8) {
        float *scale = random_floats(n);
        dnnl_primitive_attr_set_output_scales(attr, (dnnl_dim_t)n, 2, scale);
        akin__free(scale);
    }
    return attr;
}

static int prepare(struct gemm *g, int matmul, akin_precision type,
                   const struct shape *shape)
{
    static const dnnl_data_type_t left[] = {dnnl_f32, dnnl_bf16, dnnl_u8};
    static const dnnl_data_type_t right[] = {dnnl_f32, dnnl_bf16, dnnl_s8};
    const dnnl_dim_t m = (dnnl_dim_t)shape->m, k = (dnnl_dim_t)shape->k,
                     n = (dnnl_dim_t)shape->n;
    const dnnl_dims_t a = {m, k}, w = {matmul ? k : n, matmul ? n : k},
                      bias = {matmul ? 1 : n, n}, c = {m, n};
    dnnl_memory_desc_t in, weights, add, out;
    dnnl_memory_desc_init_by_tag(&in, 2, a, left[type], dnnl_ab);
    dnnl_memory_desc_init_by_tag(&weights, 2, w, right[type],
                                 dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&add, matmul ? 2 : 1, bias, dnnl_f32,
                                 matmul ? dnnl_ab : dnnl_a);
    dnnl_memory_desc_init_by_tag(&out, 2, c, dnnl_f32, dnnl_ab);
    dnnl_primitive_attr_t attr = attributes(type, shape->n);
    dnnl_primitive_desc_t chosen = NULL;
    if (matmul) {
        dnnl_matmul_desc_t d;
        dnnl_matmul_desc_init(&d, &in, &weights, &add, &out);
        dnnl_primitive_desc_create(&chosen, &d, attr, g->engine, NULL);
    } else {
        dnnl_inner_product_desc_t d;
        dnnl_inner_product_forward_desc_init(&d, dnnl_forward_inference, &in,
                                             &weights, &add, &out);
        dnnl_primitive_desc_create(&chosen, &d, attr, g->engine, NULL);
    }
    dnnl_primitive_attr_destroy(attr);
    const int ok =
        chosen && !dnnl_primitive_create(&g->primitive, chosen) &&
        give(g, 0, DNNL_ARG_SRC, &in) &&
        give(g, 1, DNNL_ARG_WEIGHTS,
             dnnl_primitive_desc_query_md(chosen, dnnl_query_weights_md, 0)) &&
        give(g, 2, DNNL_ARG_BIAS, &add) && give(g, 3, DNNL_ARG_DST, &out);
    dnnl_primitive_desc_destroy(chosen);
    return ok;
}

static void *open_either(const struct akin__kernels *kernels, int matmul,
                         akin_precision type, const struct shape *shape)
{
    dnnl_set_max_cpu_isa(isa_of(kernels->name)); /* only the first counts */
    struct gemm *g = aligned_bytes(sizeof *g);
    memset(g, 0, sizeof *g);
    if (!dnnl_engine_create(&g->engine, dnnl_cpu, 0) &&
        !dnnl_stream_create(&g->stream, g->engine, dnnl_stream_default_flags) &&
        prepare(g, matmul, type, shape))
        return g;
    close_gemm(g);
    return NULL;
}

static void *open_matmul(const struct akin__kernels *kernels,
                         akin_precision type, const struct shape *shape)
{
    return open_either(kernels, 1, type, shape);
}

static void *open_inner_product(const struct akin__kernels *kernels,
                                akin_precision type, const struct shape *shape)
{
    return open_either(kernels, 0, type, shape);
}

static void run_gemm(void *gemm)
{
    const struct gemm *g = gemm;
    dnnl_primitive_execute(g->primitive, g->stream, ROLES, g->role);
    dnnl_stream_wait(g->stream);
}

const struct contender onednn_matmul = {"oneDNN matmul", open_matmul, run_gemm,
                                        close_gemm};
const struct contender onednn_inner_product = {
    "oneDNN inner product", open_inner_product, run_gemm, close_gemm};
