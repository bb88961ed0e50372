/* Index: what is staged, committed, found, moved, refused and kept. */
#include "tap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"
#include "index/store.h"

enum { DIM = 4 };

static char home[] = "/tmp/akin-test-XXXXXX"; /* holds all that is made here */
static akin_error err;

/* The path of `name` in the folder of this test; a new one at each call. */
static const char *at(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", home, name);
    return path;
}

static void clean(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s/*", home);
    EXPECT_INT(system(command), 0);
}

static akin_index *open_index(akin_index_mode mode)
{
    akin_index *index = NULL;
    if (akin_index_open(&index, at("x.akin"), mode, &err))
        printf("# %s\n", err.message);
    return index;
}

static akin_index_model fake(const char *name, char digit)
{
    static char fingerprints[2][65];
    char *fingerprint = fingerprints[digit & 1];
    memset(fingerprint, digit, 64);
    return (akin_index_model){.name = name, .folder = "/models/fake",
                              .revision = "", .family = "clip",
                              .pool = "cls", .precision = "f32",
                              .fingerprint = fingerprint, .dim = DIM};
}

static void add_fake(akin_index *index, const char *name, char digit)
{
    const akin_index_model is = fake(name, digit);
    size_t ordinal;
    EXPECT_INT(
        akin__index_model_as(index, &is, AKIN_EXIF_ON, &ordinal, &err),
        AKIN_OK);
}

/* A file whose content and only vector are made of `number`. */
static akin_status put(akin_index *index, const char *name, int number)
{
    struct akin__entry entry = {.bytes = 10, .mtime_ns = 5};
    const float vector[DIM] = {(float)number, 1, 0, 0};
    const float *vectors[1] = {vector};
    memset(entry.content, number, sizeof entry.content);
    snprintf(entry.format, sizeof entry.format, "jpeg");
    return akin__index_put(index, at(name), &entry, vectors, 1, 0, &err);
}

static uint64_t count_files(akin_index *index)
{
    akin_index_info info;
    EXPECT_INT(akin_index_describe(index, &info, &err), AKIN_OK);
    return info.files;
}

static void what_is_staged_is_unseen_until_the_commit(void)
{
    akin_index *index = open_index(AKIN_INDEX_CREATE);
    add_fake(index, "clip", 'a');
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    EXPECT_INT(count_files(index), 0);
    EXPECT_INT(akin__index_commit(index, &err), AKIN_OK);
    EXPECT_INT(count_files(index), 1);
    akin_index_close(&index);
    clean();
}

int main(void)
{
    if (!mkdtemp(home))
        return 1;
    RUN(what_is_staged_is_unseen_until_the_commit);
    rmdir(home);
    return tap_done();
}
