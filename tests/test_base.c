/* Ground floor: sizes, text, errors, files, hashes, JSON, threads. */
#include "tap.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/draft.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mapped.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "base/text.h"
#include "base/thread.h"

static void a_product_that_overflows_is_no_allocation(void)
{
    EXPECT(akin__alloc(SIZE_MAX / 2, 3) == NULL);
    EXPECT(akin__calloc(SIZE_MAX / 2, 3) == NULL);
    EXPECT(akin__alloc_aligned(SIZE_MAX, 1) == NULL);
}

static void aligned_memory_starts_on_64_bytes(void)
{
    void *memory = akin__alloc_aligned(3, 5);
    EXPECT_INT((uintptr_t)memory % 64, 0);
    akin__free(memory);
}

static void a_message_is_one_line_of_utf8(void)
{
    akin_error err;
    akin__fail(&err, AKIN_EIO, "a\nb\t%s\xff \xc3\xa9", "\x1b[0m");
    EXPECT_STR(err.message, "a\\x0ab\\x09\\x1b[0m\\xff \xc3\xa9");
    akin__fail(&err, AKIN_EIO,
               "\xc2\x9b"
               "31m \xc2\x85 \xc2\xa0");
    EXPECT_STR(err.message, "\\xc2\\x9b31m \\xc2\\x85 \xc2\xa0");
}

static void a_long_message_is_cut_between_characters(void)
{
    char long_text[3000];
    akin_error err;
    memset(long_text, '\n', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    akin__fail(&err, AKIN_EIO, "%s", long_text);
    EXPECT(strlen(err.message) < sizeof err.message);
    EXPECT_INT(strlen(err.message) % 4, 0);
}

static void a_failed_call_says_the_words_of_the_system(void)
{
    akin_error err;
    EXPECT_INT(akin__fail_errno(&err, ENOENT, "%s", "a.jpg"), AKIN_ENOTFOUND);
    EXPECT_STR(err.message, "a.jpg: No such file or directory");
}

static void a_reason_is_the_message_without_its_path(void)
{
    akin_error err;
    akin__fail(&err, AKIN_EIO, "a\n.jpg: is a folder");
    EXPECT_STR(akin__reason(&err, "a\n.jpg"), "is a folder");
    EXPECT_STR(akin__reason(&err, "b.jpg"), "a\\x0a.jpg: is a folder");
}

static void the_suffix_of_a_picture_is_known_in_any_case(void)
{
    EXPECT(akin__image_suffix("a/b.jpg"));
    EXPECT(akin__image_suffix("a.b.TiFf"));
    EXPECT(akin__image_suffix("IMG.CR2"));
    EXPECT(!akin__image_suffix("a.jpg.txt"));
    EXPECT(!akin__image_suffix("a.jp"));
    EXPECT(!akin__image_suffix("a.jpgx"));
    EXPECT(!akin__image_suffix("folder.jpg/a"));
    EXPECT(!akin__image_suffix("jpg"));
}

static void utf8_knows_what_rfc_3629_forbids(void)
{
    EXPECT(akin__utf8_valid("gr\xc3\xbc\xc3\x9f", 6));
    EXPECT(!akin__utf8_valid("\xc0\xaf", 2));         /* overlong */
    EXPECT(!akin__utf8_valid("\xed\xa0\x80", 3));     /* surrogate */
    EXPECT(!akin__utf8_valid("\xf4\x90\x80\x80", 4)); /* beyond U+10FFFF */
    EXPECT(!akin__utf8_valid("\xe2\x82", 2));         /* cut short */
}

static void sha256_agrees_with_fips_180(void)
{
    uint8_t digest[32];
    char hex[65];
    akin_error err;
    EXPECT_INT(akin__sha256("abc", 3, digest, &err), AKIN_OK);
    akin__hex(hex, digest, 32);
    EXPECT_STR(hex, "ba7816bf8f01cfea414140de5dae2223"
                    "b00361a396177a9cb410ff61f20015ad");
}

static void crc32_agrees_with_zlib(void)
{
    EXPECT_INT(akin__crc32("123456789", 9), 0xcbf43926);
}

static void a_replaced_file_is_whole(void)
{
    char folder[] = "/tmp/akin-test-XXXXXX";
    akin_error err;
    uint8_t *bytes;
    size_t count;
    EXPECT(mkdtemp(folder) != NULL);
    char *path = akin__join(folder, "file");
    EXPECT_INT(akin__replace_file(path, "one", 3, &err), AKIN_OK);
    EXPECT_INT(akin__replace_file(path, "two!", 4, &err), AKIN_OK);
    EXPECT_INT(akin__read_file(path, 100, &bytes, &count, NULL, &err), AKIN_OK);
    EXPECT_INT(count, 4);
    EXPECT(memcmp(bytes, "two!", 4) == 0);
    akin__free(bytes);
    EXPECT_INT(akin__read_file(path, 3, &bytes, &count, NULL, &err),
               AKIN_ELIMIT);
    EXPECT_INT(akin__read_file(folder, 3, &bytes, &count, NULL, &err),
               AKIN_EIO);
    unlink(path);
    EXPECT_INT(akin__read_file(path, 3, &bytes, &count, NULL, &err),
               AKIN_ENOTFOUND);
    rmdir(folder);
    akin__free(path);
}

static void a_dropped_draft_leaves_all_as_it_was(void)
{
    char folder[] = "/tmp/akin-test-XXXXXX";
    struct akin__draft draft;
    struct akin__names names;
    akin_error err;
    EXPECT(mkdtemp(folder) != NULL);
    char *path = akin__join(folder, "file");
    EXPECT_INT(akin__replace_file(path, "old", 3, &err), AKIN_OK);
    EXPECT_INT(akin__draft_open(&draft, path, &err), AKIN_OK);
    EXPECT_INT(akin__file_write(&draft.file, "new", 3, 0, &err), AKIN_OK);
    akin__draft_drop(&draft);
    EXPECT_INT(akin__list_folder(folder, &names, &err), AKIN_OK);
    EXPECT_INT(names.count, 1);
    EXPECT_STR(names.name[0], "file");
    akin__names_free(&names);
    akin__free(path);
}

/* A pipe: a device would be lost where the test fails, as root. */
static void what_is_no_file_is_never_replaced(void)
{
    char folder[] = "/tmp/akin-test-XXXXXX";
    akin_error err;
    EXPECT(mkdtemp(folder) != NULL);
    char *path = akin__join(folder, "pipe");
    EXPECT_INT(mkfifo(path, 0600), 0);
    EXPECT_INT(akin__replace_file(path, "x", 1, &err), AKIN_EIO);
    EXPECT(strstr(err.message, "/pipe: is no regular file") != NULL);
    unlink(path);
    rmdir(folder);
    akin__free(path);
}

static void json_refuses_duplicates_and_depth(void)
{
    json_t *document;
    akin_error err;
    EXPECT_INT(akin__json_parse("x", "{\"a\":1,\"a\":2}", 13, &document, &err),
               AKIN_EFORMAT);
    char deep[8192];
    memset(deep, '[', sizeof deep);
    EXPECT_INT(akin__json_parse("x", deep, sizeof deep, &document, &err),
               AKIN_EFORMAT);
}

static void a_path_that_is_no_utf8_keeps_its_bytes_in_json(void)
{
    json_t *object = json_object();
    EXPECT_INT(akin__json_set_path(object, "path", "a\xff.jpg"), 0);
    EXPECT_STR(json_string_value(json_object_get(object, "path")),
               "a\xef\xbf\xbd.jpg");
    EXPECT_STR(json_string_value(json_object_get(object, "path_hex")),
               "61ff2e6a7067");
    json_decref(object);
}

static akin_status count_item(void *context, size_t item, int thread,
                              akin_error *err)
{
    (void)thread;
    atomic_fetch_add((atomic_size_t *)context, 1);
    return item == 500 ? akin__fail(err, AKIN_EIO, "item 500") : AKIN_OK;
}

static void parallel_does_each_item_and_reports_the_failure(void)
{
    atomic_size_t done = 0;
    akin_error err;
    EXPECT_INT(akin__parallel(4, 400, count_item, &done, &err), AKIN_OK);
    EXPECT_INT(done, 400);
    EXPECT_INT(akin__parallel(4, 100000, count_item, &done, &err), AKIN_EIO);
    EXPECT_STR(err.message, "item 500");
    EXPECT(done < 100400);
}

static void akin_cpu_names_the_highest_level(void)
{
    enum akin__cpu level;
    akin_error err;
    setenv("AKIN_CPU", "avx2", 1);
    EXPECT_INT(akin__cpu_allowed(&level, &err), AKIN_OK);
    EXPECT_INT(level, AKIN__CPU_AVX2);
    setenv("AKIN_CPU", "abacus", 1);
    EXPECT_INT(akin__cpu_allowed(&level, &err), AKIN_EUSAGE);
    EXPECT_STR(err.message,
               "AKIN_CPU=abacus: no such kernels (c, avx2, avxvnni, avx512, "
               "avx512vnni, avx512bf16)");
    unsetenv("AKIN_CPU");
    EXPECT_INT(akin__cpu_allowed(&level, &err), AKIN_OK);
    EXPECT_INT(level, AKIN__CPU_LEVELS - 1);
    EXPECT(akin__cpu_has(AKIN__CPU_C));
}

/* A file of 64 KiB that is mapped and then cut to nothing. */
static void make_cut(struct akin__file *file)
{
    static const uint8_t bytes[65536] = {7};
    char path[] = "/tmp/akin-test-cut-XXXXXX";
    close(mkstemp(path));
    EXPECT_INT(akin__replace_file(path, bytes, sizeof bytes, NULL), AKIN_OK);
    EXPECT_INT(akin__file_open(file, path, AKIN__WRITE, NULL), AKIN_OK);
    akin__mapped_open(file, sizeof bytes);
    EXPECT_INT(akin__mapped_at(file, 1, 0)[0], 7);
    EXPECT_INT(akin__file_truncate(file, 0, NULL), AKIN_OK);
    EXPECT_INT(akin__remove(path, NULL), AKIN_OK);
}

static void a_mapped_file_that_is_cut_is_an_error(void)
{
    struct akin__file file;
    akin_error err;
    make_cut(&file);
    akin__mapped_begin(&file);
    EXPECT_INT(akin__mapped_at(&file, 1, 40000)[0], 0);
    EXPECT_INT(akin__mapped_end(&file, &err), AKIN_EIO);
    EXPECT(strstr(err.message, ": could not be read to its end"));
    EXPECT_INT(akin__file_write(&file, "back", 4, 0, NULL), AKIN_OK);
    akin__mapped_open(&file, 4);
    EXPECT_INT(akin__mapped_end(&file, &err), AKIN_OK);
    EXPECT(memcmp(akin__mapped_at(&file, 4, 0), "back", 4) == 0);
    akin__file_close(&file);
}

static void a_file_that_grows_a_little_stays_where_it_is_mapped(void)
{
    static const uint8_t bytes[65536] = {7};
    struct akin__file file;
    char path[] = "/tmp/akin-test-grown-XXXXXX";
    close(mkstemp(path));
    EXPECT_INT(akin__replace_file(path, bytes, 50000, NULL), AKIN_OK);
    EXPECT_INT(akin__file_open(&file, path, AKIN__WRITE, NULL), AKIN_OK);
    akin__mapped_open(&file, 50000);
    const uint8_t *at = akin__mapped_at(&file, 50000, 0);
    EXPECT(akin__mapped_at(&file, 1, 50000) == NULL);
    EXPECT_INT(akin__file_write(&file, "more", 4, 60000, NULL), AKIN_OK);
    akin__mapped_open(&file, 60004);
    EXPECT(akin__mapped_at(&file, 1, 0) == at);
    EXPECT(memcmp(akin__mapped_at(&file, 4, 60000), "more", 4) == 0);
    EXPECT_INT(akin__file_write(&file, bytes, sizeof bytes, 60000, NULL),
               AKIN_OK);
    akin__mapped_open(&file, 60000 + sizeof bytes);
    EXPECT_INT(akin__mapped_at(&file, 1, 60000)[0], 7);
    akin__file_close(&file);
    EXPECT_INT(akin__remove(path, NULL), AKIN_OK);
}

static void a_mapping_ends_where_it_was_said_to(void)
{
    struct akin__file file;
    make_cut(&file);
    EXPECT(akin__mapped_at(&file, 1, 65535) != NULL);
    EXPECT(akin__mapped_at(&file, 2, 65535) == NULL);
    EXPECT(akin__mapped_at(&file, 1, UINT64_MAX) == NULL);
    akin__file_close(&file);
}

/* What a program does in whose memory a file is cut, unguarded: `handler` for
 * SIGBUS if it has one. Its status. */
static int after_a_bus_error(void (*handler)(int))
{
    struct akin__file file;
    int status = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (handler)
            signal(SIGBUS, handler);
        make_cut(&file);
        _exit(akin__mapped_at(&file, 1, 0)[0]);
    }
    waitpid(child, &status, 0);
    return status;
}

static void leave(int number)
{
    _exit(number == SIGBUS ? 42 : 1);
}

static void other_bus_errors_go_where_they_went(void)
{
    const int fell = after_a_bus_error(NULL), left = after_a_bus_error(leave);
    /* By the signal, or by what a sanitizer makes of it. */
    EXPECT(!WIFEXITED(fell) || WEXITSTATUS(fell) != 0);
    EXPECT(WIFEXITED(left));
    EXPECT_INT(WEXITSTATUS(left), 42);
}

int main(void)
{
    RUN(a_product_that_overflows_is_no_allocation);
    RUN(aligned_memory_starts_on_64_bytes);
    RUN(a_message_is_one_line_of_utf8);
    RUN(a_long_message_is_cut_between_characters);
    RUN(a_failed_call_says_the_words_of_the_system);
    RUN(a_reason_is_the_message_without_its_path);
    RUN(the_suffix_of_a_picture_is_known_in_any_case);
    RUN(utf8_knows_what_rfc_3629_forbids);
    RUN(sha256_agrees_with_fips_180);
    RUN(crc32_agrees_with_zlib);
    RUN(a_replaced_file_is_whole);
    RUN(a_dropped_draft_leaves_all_as_it_was);
    RUN(what_is_no_file_is_never_replaced);
    RUN(json_refuses_duplicates_and_depth);
    RUN(a_path_that_is_no_utf8_keeps_its_bytes_in_json);
    RUN(akin_cpu_names_the_highest_level);
    /* The first, as nothing is mapped before: a child has its own handler. */
    RUN(other_bus_errors_go_where_they_went);
    RUN(a_mapped_file_that_is_cut_is_an_error);
    RUN(a_file_that_grows_a_little_stays_where_it_is_mapped);
    RUN(a_mapping_ends_where_it_was_said_to);
    RUN(parallel_does_each_item_and_reports_the_failure);
    return tap_done();
}
