/* safetensors: the header checked whole before a tensor is read. */
#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

/* The format allows 100 MB; real headers are below 1 MiB. docs/limits.md */
enum { MAX_HEADER = 16 << 20 };

struct akin__safetensors {
    struct akin__file file;
    json_t *header;               /* owns the names */
    struct akin__tensor *tensors; /* [count], by name */
    size_t count;
};

/* Types of the format; only the first three hold weights that akin reads. */
static const struct {
    const char *name;
    uint64_t bits;
    enum akin__dtype dtype;
} types[] = {
    {"F32", 32, AKIN__F32},      {"F16", 16, AKIN__F16},
    {"BF16", 16, AKIN__BF16},    {"F64", 64, AKIN__OTHER},
    {"I64", 64, AKIN__OTHER},    {"U64", 64, AKIN__OTHER},
    {"I32", 32, AKIN__OTHER},    {"U32", 32, AKIN__OTHER},
    {"I16", 16, AKIN__OTHER},    {"U16", 16, AKIN__OTHER},
    {"I8", 8, AKIN__OTHER},      {"U8", 8, AKIN__OTHER},
    {"BOOL", 8, AKIN__OTHER},    {"F8_E4M3", 8, AKIN__OTHER},
    {"F8_E5M2", 8, AKIN__OTHER}, {"C64", 64, AKIN__OTHER},
};

static akin_status read_type(const char *path, const char *name,
                             const json_t *value, struct akin__tensor *tensor,
                             uint64_t *bits, akin_error *err)
{
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(text, types[i].name) == 0) {
            tensor->dtype = types[i].dtype;
            *bits = types[i].bits;
            return AKIN_OK;
        }
    }
    return akin__fail(err, AKIN_EFORMAT, "%s: tensor %s has dtype %s", path,
                      name, text ? text : "(none)");
}

static akin_status read_shape(const char *path, const char *name,
                              const json_t *value, struct akin__tensor *tensor,
                              uint64_t bits, akin_error *err)
{
    akin_status status = AKIN_OK;
    size_t elements = 1, total_bits;
    AKIN_CHECK(json_is_array(value) && json_array_size(value) <= AKIN__MAX_RANK,
               err, AKIN_EFORMAT,
               "%s: tensor %s has no shape of at most %d "
               "numbers",
               path, name, AKIN__MAX_RANK);
    tensor->rank = json_array_size(value);
    for (size_t i = 0; i < tensor->rank; i++) {
        const json_t *side = json_array_get(value, i);
        AKIN_CHECK(json_is_integer(side) && json_integer_value(side) >= 0, err,
                   AKIN_EFORMAT, "%s: tensor %s has a side that is no size",
                   path, name);
        tensor->shape[i] = (uint64_t)json_integer_value(side);
        AKIN_CHECK(akin__mul_ok(elements, (size_t)tensor->shape[i], &elements),
                   err, AKIN_EFORMAT, "%s: tensor %s: its shape overflows",
                   path, name);
    }
    AKIN_CHECK(akin__mul_ok(elements, (size_t)bits, &total_bits), err,
               AKIN_EFORMAT, "%s: tensor %s: its shape overflows", path, name);
    AKIN_CHECK(total_bits / 8 == tensor->bytes, err, AKIN_EFORMAT,
               "%s: tensor %s has %llu bytes, its shape wants %zu", path, name,
               (unsigned long long)tensor->bytes, total_bits / 8);
out:
    return status;
}

static akin_status read_offsets(const char *path, const char *name,
                                const json_t *value, uint64_t room,
                                struct akin__tensor *tensor, akin_error *err)
{
    akin_status status = AKIN_OK;
    const json_t *begin = json_array_get(value, 0);
    const json_t *end = json_array_get(value, 1);
    AKIN_CHECK(json_array_size(value) == 2 && json_is_integer(begin) &&
                   json_is_integer(end),
               err, AKIN_EFORMAT, "%s: tensor %s has no two data_offsets", path,
               name);
    AKIN_CHECK(json_integer_value(begin) >= 0 &&
                   json_integer_value(begin) <= json_integer_value(end) &&
                   (uint64_t)json_integer_value(end) <= room,
               err, AKIN_EFORMAT,
               "%s: tensor %s lies at %lld to %lld of %llu bytes: the file is "
               "cut short or damaged",
               path, name, (long long)json_integer_value(begin),
               (long long)json_integer_value(end), (unsigned long long)room);
    tensor->offset = (uint64_t)json_integer_value(begin);
    tensor->bytes = (uint64_t)json_integer_value(end) - tensor->offset;
out:
    return status;
}

static akin_status read_tensor(const char *path, const char *name,
                               json_t *value, uint64_t room,
                               struct akin__tensor *tensor, akin_error *err)
{
    akin_status status = AKIN_OK;
    uint64_t bits = 0;
    tensor->name = name;
    AKIN_CHECK(json_is_object(value) && json_object_size(value) == 3, err,
               AKIN_EFORMAT,
               "%s: tensor %s is not dtype, shape and data_offsets", path,
               name);
    AKIN_TRY(read_type(path, name, json_object_get(value, "dtype"), tensor,
                       &bits, err));
    AKIN_TRY(read_offsets(path, name, json_object_get(value, "data_offsets"),
                          room, tensor, err));
    AKIN_TRY(read_shape(path, name, json_object_get(value, "shape"), tensor,
                        bits, err));
out:
    return status;
}

static akin_status check_metadata(const char *path, json_t *value,
                                  akin_error *err)
{
    const char *key;
    json_t *text;
    akin_status status = AKIN_OK;
    AKIN_CHECK(json_is_object(value), err, AKIN_EFORMAT,
               "%s: __metadata__ is no object", path);
    json_object_foreach(value, key, text)
        AKIN_CHECK(json_is_string(text), err, AKIN_EFORMAT,
                   "%s: __metadata__.%s is no text", path, key);
out:
    return status;
}

static int by_offset(const void *a, const void *b)
{
    const struct akin__tensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct akin__tensor *)a)->name,
                  ((const struct akin__tensor *)b)->name);
}

/* Every byte of the file belongs to exactly one tensor. */
static akin_status check_cover(struct akin__safetensors *file, uint64_t room,
                               akin_error *err)
{
    akin_status status = AKIN_OK;
    uint64_t at = 0;
    qsort(file->tensors, file->count, sizeof *file->tensors, by_offset);
    for (size_t i = 0; i < file->count; i++) {
        const struct akin__tensor *t = &file->tensors[i];
        AKIN_CHECK(t->offset == at, err, AKIN_EFORMAT,
                   "%s: tensor %s begins at byte %llu, the one before it ends "
                   "at %llu",
                   file->file.path, t->name, (unsigned long long)t->offset,
                   (unsigned long long)at);
        at += t->bytes;
    }
    AKIN_CHECK(at == room, err, AKIN_EFORMAT,
               "%s: %llu bytes after the last tensor", file->file.path,
               (unsigned long long)(room - at));
out:
    return status;
}

static akin_status read_tensors(struct akin__safetensors *file, uint64_t start,
                                uint64_t room, akin_error *err)
{
    akin_status status = AKIN_OK;
    const char *path = file->file.path, *name;
    json_t *value;
    AKIN_CHECK(json_is_object(file->header), err, AKIN_EFORMAT,
               "%s: its header is no object", path);
    file->tensors =
        akin__calloc(json_object_size(file->header), sizeof *file->tensors);
    AKIN_CHECK(file->tensors, err, AKIN_ENOMEM, "%s: no memory for %zu tensors",
               path, json_object_size(file->header));
    json_object_foreach(file->header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0) {
            AKIN_TRY(check_metadata(path, value, err));
            continue;
        }
        AKIN_TRY(read_tensor(path, name, value, room,
                             &file->tensors[file->count], err));
        file->count++;
    }
    AKIN_CHECK(file->count, err, AKIN_EFORMAT, "%s: holds no tensor", path);
    AKIN_TRY(check_cover(file, room, err));
    for (size_t i = 0; i < file->count; i++)
        file->tensors[i].offset += start;
    qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
out:
    return status;
}

/* A file that git-lfs left behind instead of the weights says so. */
static akin_status not_safetensors(const char *path, const uint8_t *head,
                                   uint64_t length, akin_error *err)
{
    if (memcmp(head, "version ", 8) == 0)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: is a git-lfs pointer, not the weights; run "
                          "git lfs pull",
                          path);
    return akin__fail(err, AKIN_EFORMAT,
                      "%s: header of %llu bytes (limit %d): not a safetensors "
                      "file",
                      path, (unsigned long long)length, MAX_HEADER);
}

static akin_status read_header(struct akin__safetensors *file, akin_error *err)
{
    akin_status status = AKIN_OK;
    const char *path = file->file.path;
    uint8_t head[8], *text = NULL;
    uint64_t size = 0;
    AKIN_TRY(akin__file_size(&file->file, &size, err));
    AKIN_CHECK(size >= 8, err, AKIN_EFORMAT,
               "%s: has %llu bytes: not a safetensors file", path,
               (unsigned long long)size);
    AKIN_TRY(akin__file_read(&file->file, head, 8, 0, err));
    const uint64_t length = akin__load_le64(head);
    if (length > MAX_HEADER) {
        status = not_safetensors(path, head, length, err);
        goto out;
    }
    AKIN_CHECK(length <= size - 8, err, AKIN_EFORMAT,
               "%s: cut short: header of %llu bytes in a file of %llu", path,
               (unsigned long long)length, (unsigned long long)size);
    text = akin__alloc((size_t)length, 1);
    AKIN_CHECK(text, err, AKIN_ENOMEM, "%s: no memory for its header", path);
    AKIN_TRY(akin__file_read(&file->file, text, (size_t)length, 8, err));
    AKIN_CHECK(length && text[0] == '{', err, AKIN_EFORMAT,
               "%s: header does not begin with {", path);
    AKIN_TRY(akin__json_parse(path, (const char *)text, (size_t)length,
                              &file->header, err));
    AKIN_TRY(read_tensors(file, 8 + length, size - 8 - length, err));
out:
    akin__free(text);
    return status;
}

akin_status akin__safetensors_open(struct akin__safetensors **out,
                                   const char *path, akin_error *err)
{
    akin_status status = AKIN_OK;
    struct akin__safetensors *file = akin__calloc(1, sizeof *file);
    *out = NULL;
    if (!file)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    file->file.fd = -1;
    AKIN_TRY(akin__file_open(&file->file, path, AKIN__READ, err));
    AKIN_TRY(read_header(file, err));
    *out = file;
    file = NULL;
out:
    akin__safetensors_close(&file);
    return status;
}

void akin__safetensors_close(struct akin__safetensors **file)
{
    if (!*file)
        return;
    akin__file_close(&(*file)->file);
    json_decref((*file)->header);
    akin__free((*file)->tensors);
    akin__free(*file);
    *file = NULL;
}

const char *akin__safetensors_path(const struct akin__safetensors *file)
{
    return file->file.path;
}

const struct akin__tensor *
akin__safetensors_find(const struct akin__safetensors *file, const char *name)
{
    const struct akin__tensor key = {.name = name};
    return bsearch(&key, file->tensors, file->count, sizeof key, by_name);
}

akin_status akin__safetensors_read(const struct akin__safetensors *file,
                                   const struct akin__tensor *tensor,
                                   void *bytes, akin_error *err)
{
    return akin__file_read(&file->file, bytes, (size_t)tensor->bytes,
                           tensor->offset, err);
}
