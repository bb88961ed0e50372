/*
 * What the tests of the index share: a folder of their own, made models, and
 * files whose content, vector and answers follow from a number.
 */
#ifndef AKIN_TESTS_MADE_INDEX_H
#define AKIN_TESTS_MADE_INDEX_H

#include "tap.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"
#include "index/store.h"

enum { DIM = 4 };

static char home[64]; /* the folder that holds all that is made here */
static akin_error err;

/* A database of another program at `path`, in the place of a catalog. */
static inline void make_other_database(const char *path)
{
    sqlite3 *db;
    EXPECT_INT(sqlite3_open(path, &db), SQLITE_OK);
    EXPECT_INT(sqlite3_exec(db, "CREATE TABLE books(title)", NULL, NULL, NULL),
               SQLITE_OK);
    sqlite3_close(db);
}

/* In memory where there is such a disc: thousands of syncs are quick there, and
 * no test here pulls the plug. */
static inline int make_home(void)
{
    snprintf(home, sizeof home, "%s/akin-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(home) != NULL;
}

/* The path of `name` in home; good for the next 15 calls. */
static inline const char *at(const char *name)
{
    static char paths[16][300];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", home, name);
    return path;
}

static inline void run(const char *command)
{
    char line[600];
    snprintf(line, sizeof line, "cd %s && %s", home, command);
    EXPECT_INT(system(line), 0);
}

static inline void clean(void)
{
    run("rm -rf ..?* .[!.]* *");
}

static inline akin_index *open_at(const char *path, akin_index_mode mode)
{
    akin_index *index = NULL;
    if (akin_index_open(&index, path, mode, &err))
        printf("# %s\n", err.message);
    return index;
}

static inline akin_index *open_index(akin_index_mode mode)
{
    return open_at(at("x.akin"), mode);
}

static inline akin_index_model fake(const char *name, char digit)
{
    static char fingerprints[16][65];
    static int next;
    char *fingerprint = fingerprints[next++ % 16];
    memset(fingerprint, digit, 64);
    return (akin_index_model){.name = name,
                              .folder = "/models/fake",
                              .revision = "",
                              .family = "clip",
                              .pool = "cls",
                              .fingerprint = fingerprint,
                              .dim = DIM};
}

static inline akin_status add_model(akin_index *index, const char *name)
{
    const akin_index_model is = fake(name, 'a');
    size_t ordinal;
    return akin__index_model_as(index, &is, (struct akin__making){0}, &ordinal,
                                &err);
}

/* A new index with the model "clip". */
static inline akin_index *make_index(void)
{
    akin_index *index = open_index(AKIN_INDEX_CREATE);
    EXPECT_INT(add_model(index, "clip"), AKIN_OK);
    return index;
}

/* Vectors turn with their number, so that the nearest to one is itself. */
static inline void vector_of(int number, float vector[DIM])
{
    vector[0] = (float)cos(0.01 * number);
    vector[1] = (float)sin(0.01 * number);
    vector[2] = vector[3] = 0;
}

static inline struct akin__entry entry_of(int number)
{
    struct akin__entry entry = {.bytes = 10, .mtime_ns = 5, .format = "jpeg"};
    memset(entry.content, number, sizeof entry.content);
    return entry;
}

static inline akin_status put_at(akin_index *index, const char *path,
                                 int number)
{
    const struct akin__entry entry = entry_of(number);
    float vector[DIM];
    const float *vectors[1] = {vector};
    vector_of(number, vector);
    return akin__index_put(index, path, &entry, vectors, 1, 0, &err);
}

static inline akin_status put(akin_index *index, const char *name, int number)
{
    return put_at(index, at(name), number);
}

static inline akin_status put_failed(akin_index *index, const char *name,
                                     const char *reason)
{
    struct akin__entry entry = {.failed = true};
    snprintf(entry.reason, sizeof entry.reason, "%s", reason);
    return akin__index_put(index, at(name), &entry, NULL, 0, 0, &err);
}

static inline void commit(akin_index *index)
{
    EXPECT_INT(akin__index_commit(index, &err), AKIN_OK);
}

static inline struct akin__entry find(akin_index *index, const char *name)
{
    struct akin__entry entry = {0};
    bool found;
    EXPECT_INT(akin__index_find(index, at(name), &entry, &found, &err),
               AKIN_OK);
    EXPECT_INT(found, entry.id != 0);
    return entry;
}

static inline uint64_t count_files(akin_index *index)
{
    akin_index_info info;
    EXPECT_INT(akin_index_count(index, &info, &err), AKIN_OK);
    return info.files;
}

/* The names of the k nearest to what `number` is, "a.jpg b.jpg", without the
 * folder when it is home; "!" and the message when the search fails. */
static inline const char *nearest(akin_index *index, int number, size_t k)
{
    static char answer[2048];
    akin_match matches[64];
    float vector[DIM];
    size_t found, used = 0;
    vector_of(number, vector);
    answer[0] = 0;
    if (akin_index_search(index, "clip", vector, k, matches, &found, &err)) {
        snprintf(answer, sizeof answer, "! %s", err.message);
        return answer;
    }
    for (size_t i = 0; i < found; i++) {
        const char *path = matches[i].path;
        if (strncmp(path, home, strlen(home)) == 0)
            path += strlen(home) + 1;
        used += (size_t)snprintf(answer + used, sizeof answer - used, "%s%s",
                                 i ? " " : "", path);
    }
    return answer;
}

#endif
