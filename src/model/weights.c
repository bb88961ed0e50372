/* Weights: one file or shards behind one lookup; f16 and bf16 widened. */
#include "model/weights.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/safetensors.h"

struct akin__weights {
    struct akin__safetensors **shards; /* [count] */
    size_t count;
};

static akin_status open_shard(struct akin__weights *weights,
                              const struct akin__weights_place *place,
                              const char *filename, akin_error *err)
{
    char *path = akin__weights_file(place, filename);
    if (!path)
        return akin__fail(err, AKIN_EMODEL, "%s/%s: is missing", place->folder,
                          filename);
    const akin_status status =
        akin__safetensors_open(&weights->shards[weights->count], path, err);
    akin__free(path);
    if (!status)
        weights->count++;
    return status;
}

akin_status akin__weights_open(struct akin__weights **out,
                               const struct akin__weights_place *place,
                               akin_error *err)
{
    struct akin__names files = {0};
    struct akin__weights *weights = akin__calloc(1, sizeof *weights);
    akin_status status = AKIN_OK;
    *out = NULL;
    AKIN_CHECK(weights, err, AKIN_ENOMEM, "%s: no memory", place->folder);
    AKIN_TRY(akin__weights_names(place, &files, err));
    weights->shards = akin__calloc(files.count, sizeof *weights->shards);
    AKIN_CHECK(weights->shards, err, AKIN_ENOMEM, "%s: no memory",
               place->folder);
    for (size_t i = 0; i < files.count; i++)
        AKIN_TRY(open_shard(weights, place, files.name[i], err));
    *out = weights;
    weights = NULL;
out:
    akin__names_free(&files);
    akin__weights_close(&weights);
    return status;
}

void akin__weights_close(struct akin__weights **weights)
{
    if (!*weights)
        return;
    for (size_t i = 0; i < (*weights)->count; i++)
        akin__safetensors_close(&(*weights)->shards[i]);
    akin__free((*weights)->shards);
    akin__free(*weights);
    *weights = NULL;
}

static const struct akin__tensor *find(const struct akin__weights *weights,
                                       const char *name,
                                       const struct akin__safetensors **shard)
{
    const struct akin__tensor *tensor = NULL;
    for (size_t i = 0; i < weights->count && !tensor; i++) {
        *shard = weights->shards[i];
        tensor = akin__safetensors_find(*shard, name);
    }
    return tensor;
}

/* "[768, 3, 32, 32]" */
static void describe_shape(char *text, size_t capacity, size_t rank,
                           const uint64_t *shape)
{
    size_t used = (size_t)snprintf(text, capacity, "[");
    for (size_t i = 0; i < rank && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, "%s%llu",
                                 i ? ", " : "", (unsigned long long)shape[i]);
    if (used < capacity)
        snprintf(text + used, capacity - used, "]");
}

static akin_status wrong_shape(const char *path,
                               const struct akin__tensor *tensor, size_t rank,
                               const size_t *shape, akin_error *err)
{
    char is[256], wanted[256];
    uint64_t want[AKIN__MAX_RANK] = {0};
    for (size_t i = 0; i < rank; i++)
        want[i] = shape[i];
    describe_shape(is, sizeof is, tensor->rank, tensor->shape);
    describe_shape(wanted, sizeof wanted, rank, want);
    return akin__fail(err, AKIN_EMODEL,
                      "%s: tensor %s has shape %s, config.json wants %s", path,
                      tensor->name, is, wanted);
}

akin_status akin__weights_check(const struct akin__weights *weights,
                                const char *name, size_t rank,
                                const size_t *shape, akin_error *err)
{
    const struct akin__safetensors *shard = weights->shards[0];
    const struct akin__tensor *tensor = find(weights, name, &shard);
    const char *path =
        akin__safetensors_path(tensor ? shard : weights->shards[0]);
    if (!tensor)
        return akin__fail(err, AKIN_EMODEL, "%s: tensor %s is missing", path,
                          name);
    bool same = tensor->rank == rank;
    for (size_t i = 0; same && i < rank; i++)
        same = tensor->shape[i] == shape[i];
    if (!same)
        return wrong_shape(path, tensor, rank, shape, err);
    if (tensor->dtype == AKIN__OTHER)
        return akin__fail(err, AKIN_EMODEL,
                          "%s: tensor %s is not float32, float16 or bfloat16",
                          path, name);
    return AKIN_OK;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Exact, subnormal numbers and NaN included. */
float akin__from_f16(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 0) /* fraction x 2^-24 */
        return from_bits(sign | 0x3f800000) * (float)fraction * 0x1p-24f;
    if (exponent == 31)
        return from_bits(sign | 0x7f800000 | fraction << 13);
    return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static void widen(const struct akin__tensor *tensor, const uint8_t *bytes,
                  float *out)
{
    if (tensor->dtype == AKIN__F32) {
        for (uint64_t i = 0; i < tensor->bytes / 4; i++)
            out[i] = from_bits(akin__load_le32(bytes + 4 * i));
        return;
    }
    for (uint64_t i = 0; i < tensor->bytes / 2; i++) {
        const uint16_t half =
            (uint16_t)(bytes[2 * i] | (unsigned)bytes[2 * i + 1] << 8);
        out[i] = tensor->dtype == AKIN__F16 ? akin__from_f16(half)
                                            : from_bits((uint32_t)half << 16);
    }
}

/* Numbers of two bytes are read into the second half of `out` and made wider
 * from the first on: none is overwritten before it is read. */
static akin_status read_wide(const struct akin__safetensors *shard,
                             const struct akin__tensor *tensor, float *out,
                             struct akin__hash *hash, akin_error *err)
{
    uint8_t *bytes = (uint8_t *)(void *)out +
                     (tensor->dtype == AKIN__F32 ? 0 : tensor->bytes);
    const akin_status status =
        akin__safetensors_read(shard, tensor, bytes, err);
    if (status)
        return status;
    if (hash)
        akin__hash_add(hash, bytes, (size_t)tensor->bytes);
    widen(tensor, bytes, out);
    return AKIN_OK;
}

akin_status akin__weights_load(const struct akin__weights *weights,
                               const char *name, float *out,
                               struct akin__hash *hash, akin_error *err)
{
    const struct akin__safetensors *shard = NULL;
    const struct akin__tensor *tensor = find(weights, name, &shard);
    if (hash) {
        akin__hash_add(hash, name, strlen(name) + 1);
        akin__hash_add(hash, tensor->shape,
                       tensor->rank * sizeof *tensor->shape);
    }
    return read_wide(shard, tensor, out, hash, err);
}

akin_status akin__weights_row(const struct akin__weights *weights,
                              const char *name, uint64_t row, size_t n,
                              float *out, akin_error *err)
{
    const struct akin__safetensors *shard = NULL;
    struct akin__tensor part = *find(weights, name, &shard);
    part.bytes = n * (part.dtype == AKIN__F32 ? 4 : 2);
    part.offset += row * part.bytes;
    return read_wide(shard, &part, out, NULL, err);
}
