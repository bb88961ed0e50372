/*
 * safetensors: what a hostile or broken file gets. Each case is one header (or
 * one file) and the words that must be in the answer.
 */
#include "tap.h"

#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/safetensors.h"

static char folder[] = "/tmp/akin-safetensors-XXXXXX";
static char *path;

/* length, header, then `tail` zero bytes. */
static void write_file(uint64_t length, const char *header, size_t count,
                       size_t tail)
{
    struct akin__text file = {0};
    static const char zeros[4096];
    char head[8];
    akin_error err;
    for (int i = 0; i < 8; i++)
        head[i] = (char)(length >> 8 * i);
    akin__text_add(&file, head, 8);
    akin__text_add(&file, header, count);
    for (size_t left = tail; left;) {
        const size_t some = left < sizeof zeros ? left : sizeof zeros;
        akin__text_add(&file, zeros, some);
        left -= some;
    }
    if (file.failed || akin__replace_file(path, file.bytes, file.length, &err))
        abort();
    akin__text_free(&file);
}

static akin_status open_it(akin_error *err)
{
    struct akin__safetensors *file = NULL;
    const akin_status status = akin__safetensors_open(&file, path, err);
    akin__safetensors_close(&file);
    return status;
}

/* The header `json` before `tail` bytes is refused with `words`. */
static void refused(const char *json, size_t tail, const char *words)
{
    akin_error err = {0};
    write_file(strlen(json), json, strlen(json), tail);
    const akin_status status = open_it(&err);
    if (!(EXPECT_INT(status, AKIN_EFORMAT) &
          EXPECT(strstr(err.message, words) != NULL)))
        printf("# header %s\n# message %s\n", json, err.message);
    EXPECT(strncmp(err.message, path, strlen(path)) == 0);
}

#define T(dtype, shape, from, to)                                              \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" from     \
    "," to "]}"

static void a_whole_file_opens_and_reads(void)
{
    const char *json =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"b\":" T("F32", "[2,3]", "4",
                   "28") ","
                         "\"a\":" T("BF16", "[2]", "0",
                                    "4") ","
                                         "\"none\":" T("F32", "[0]", "28",
                                                       "28") ","
                                                             "\"one\":" T(
                                                                 "I64", "[]",
                                                                 "28",
                                                                 "36") "}  ";
    akin_error err;
    struct akin__safetensors *file;
    uint8_t bytes[24];
    write_file(strlen(json), json, strlen(json), 36);
    EXPECT_INT(akin__safetensors_open(&file, path, &err), AKIN_OK);
    const struct akin__tensor *b = akin__safetensors_find(file, "b");
    EXPECT(b && b->rank == 2 && b->shape[1] == 3 && b->bytes == 24);
    EXPECT_INT(akin__safetensors_find(file, "one")->rank, 0);
    EXPECT(akin__safetensors_find(file, "c") == NULL);
    EXPECT_INT(akin__safetensors_read(file, b, bytes, &err), AKIN_OK);
    akin__safetensors_close(&file);
}

static void bytes_belong_to_exactly_one_tensor(void)
{
    refused("{\"a\":" T("F32", "[2]", "0", "8") ",\"b\":" T("F32", "[2]", "4",
                                                            "12") "}",
            12, "begins at byte 4, the one before it ends at 8");
    refused("{\"a\":" T("F32", "[1]", "0", "4") ",\"b\":" T("F32", "[1]", "8",
                                                            "12") "}",
            12, "begins at byte 8, the one before it ends at 4");
    refused("{\"a\":" T("F32", "[1]", "4", "8") "}", 8, "begins at byte 4");
    refused("{\"a\":" T("F32", "[1]", "0", "4") "}", 9,
            "5 bytes after the last tensor");
    refused("{\"a\":" T("F32", "[1]", "0", "4") ",\"b\":" T("F32", "[1]", "0",
                                                            "4") "}",
            4, "begins at byte 0");
}

static void offsets_lie_in_the_file(void)
{
    refused("{\"a\":" T("F32", "[2]", "0", "8") "}", 4, "cut short");
    refused("{\"a\":" T("F32", "[1]", "8", "4") "}", 8, "cut short or damaged");
    refused("{\"a\":" T("F32", "[1]", "-4", "0") "}", 4, "damaged");
    refused("{\"a\":" T("F32", "[1]", "0", "9223372036854775807") "}", 4,
            "cut short");
    refused("{\"a\":" T("F32", "[1]", "0", "18446744073709551616") "}", 4,
            "too big");
    refused("{\"a\":" T("F32", "[1]", "0.0", "4.0") "}", 4, "data_offsets");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
            "data_offsets");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":"
            "[0,2,4]}}",
            4, "data_offsets");
}

static void a_shape_is_the_bytes_it_has(void)
{
    refused("{\"a\":" T("F32", "[3]", "0", "8") "}", 8, "its shape wants 12");
    refused("{\"a\":" T("F32", "[-1]", "0", "4") "}", 4, "is no size");
    refused("{\"a\":" T("F32", "[1.5]", "0", "4") "}", 4, "is no size");
    refused("{\"a\":" T("F32", "[\"1\"]", "0", "4") "}", 4, "is no size");
    refused("{\"a\":" T("F32", "[4294967296,4294967296]", "0", "4") "}", 4,
            "overflows");
    refused("{\"a\":" T("F64", "[2305843009213693952]", "0", "0") "}", 0,
            "overflows");
    refused("{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4,
            "no shape of at most 8");
    refused("{\"a\":" T("F32", "1", "0", "4") "}", 4, "no shape");
}

static void the_header_is_plain_json(void)
{
    refused("{\"a\":" T("F32", "[1]", "0", "4") ",\"a\":" T("F32", "[1]", "0",
                                                            "4") "}",
            4, "duplicate");
    refused("{\"a\xff\":" T("F32", "[1]", "0", "4") "}", 4, "decode byte");
    refused("[]", 0, "does not begin with {");
    refused(" {}", 0, "does not begin with {");
    refused("{}", 0, "holds no tensor");
    refused("{\"a\":1}", 4, "is not dtype, shape and data_offsets");
    refused("{\"a\":{}}", 4, "is not dtype");
    refused("{\"a\":" T("F33", "[1]", "0", "4") "}", 4, "has dtype F33");
    refused("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
            "has dtype (none)");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],"
            "\"x\":0}}",
            4, "is not dtype");
    refused("{\"__metadata__\":[],\"a\":" T("F32", "[1]", "0", "4") "}", 4,
            "__metadata__ is no object");
    refused("{\"__metadata__\":{\"a\":1},\"a\":" T("F32", "[1]", "0", "4") "}",
            4, "__metadata__.a is no text");
    refused("{\"a\":" T("F32", "[1]", "0", "4"), 4, "expected");
    refused("{\"a\":" T("F32", "[1]", "0", "4") "}{}", 4, "end of file");
}

static void a_deep_header_is_refused(void)
{
    char deep[20000];
    akin_error err;
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    write_file(sizeof deep, deep, sizeof deep, 0);
    EXPECT_INT(open_it(&err), AKIN_EFORMAT);
}

static void a_length_that_lies_is_refused_unread(void)
{
    akin_error err;
    write_file(UINT64_MAX, "{}", 2, 0);
    EXPECT_INT(open_it(&err), AKIN_EFORMAT);
    EXPECT(strstr(err.message, "(limit 16777216)") != NULL);
    write_file((16 << 20) + 1, "{}", 2, 0);
    EXPECT_INT(open_it(&err), AKIN_EFORMAT);
    write_file(3, "{}", 2, 0);
    EXPECT_INT(open_it(&err), AKIN_EFORMAT);
    EXPECT(strstr(err.message, "cut short") != NULL);
    write_file(0, "", 0, 0);
    EXPECT_INT(open_it(&err), AKIN_EFORMAT);
}

static void a_file_below_eight_bytes_is_refused(void)
{
    akin_error err;
    EXPECT_INT(akin__replace_file(path, "short", 5, &err), AKIN_OK);
    EXPECT_INT(open_it(&err), AKIN_EFORMAT);
    EXPECT_INT(akin__replace_file(path, "", 0, &err), AKIN_OK);
    EXPECT_INT(open_it(&err), AKIN_EFORMAT);
}

static void a_git_lfs_pointer_is_named(void)
{
    const char *pointer = "version https://git-lfs.github.com/spec/v1\n";
    akin_error err;
    EXPECT_INT(akin__replace_file(path, pointer, strlen(pointer), &err),
               AKIN_OK);
    EXPECT_INT(open_it(&err), AKIN_EFORMAT);
    EXPECT(strstr(err.message, "git-lfs pointer") != NULL);
}

static void a_file_truncated_while_open_is_an_error(void)
{
    const char *json = "{\"a\":" T("F32", "[1024]", "0", "4096") "}";
    akin_error err;
    struct akin__safetensors *file;
    uint8_t bytes[4096];
    write_file(strlen(json), json, strlen(json), 4096);
    EXPECT_INT(akin__safetensors_open(&file, path, &err), AKIN_OK);
    EXPECT_INT(truncate(path, 100), 0);
    EXPECT_INT(akin__safetensors_read(file, akin__safetensors_find(file, "a"),
                                      bytes, &err),
               AKIN_EFORMAT);
    akin__safetensors_close(&file);
}

static void a_missing_file_and_a_folder_are_errors(void)
{
    akin_error err;
    unlink(path);
    EXPECT_INT(open_it(&err), AKIN_ENOTFOUND);
    char *file = path;
    path = folder;
    EXPECT_INT(open_it(&err), AKIN_EIO);
    path = file;
}

int main(void)
{
    if (!mkdtemp(folder) || !(path = akin__join(folder, "model.safetensors")))
        return 1;
    RUN(a_whole_file_opens_and_reads);
    RUN(bytes_belong_to_exactly_one_tensor);
    RUN(offsets_lie_in_the_file);
    RUN(a_shape_is_the_bytes_it_has);
    RUN(the_header_is_plain_json);
    RUN(a_deep_header_is_refused);
    RUN(a_length_that_lies_is_refused_unread);
    RUN(a_file_below_eight_bytes_is_refused);
    RUN(a_git_lfs_pointer_is_named);
    RUN(a_file_truncated_while_open_is_an_error);
    RUN(a_missing_file_and_a_folder_are_errors);
    unlink(path);
    rmdir(folder);
    akin__free(path);
    return tap_done();
}
