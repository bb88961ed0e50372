/*
 * A scene for tests of akin_index_update: an empty working folder with
 * "photos" in it, small pictures, models without a network, and what a run
 * said. The catalog and the decoders are the real ones.
 */
#ifndef AKIN_TESTS_SCENE_H
#define AKIN_TESTS_SCENE_H

#include "tap.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_model.h"

#include "base/text.h"

static akin_model one = {
    "one",
    "1111111111111111111111111111111111111111111111111111111111111111",
    AKIN_EXIF_ON,
    FAKE_MOST,
    AKIN_PRECISION_F32,
    AKIN_DECODE_EXACT};

static char scene[32]; /* the working directory */
static akin_index_report report;
static akin_error error;
static struct akin__text notices; /* "F path: reason\n" or "W ..." */
static int stop_at;               /* images until progress says stop */
static int stop_walk;             /* before there is an image */
static uint64_t last_done, last_whole;
static int threads, retry, strict;
static const char *decoder; /* program that decodes; NULL: this process */
static akin_limits limits = {.size = sizeof limits};
static const char *exclude; /* one pattern, or NULL */

static inline int run(const char *format, const char *a, const char *b)
{
    char line[1000];
    snprintf(line, sizeof line, format, a, b);
    return system(line);
}

/* Start in an empty folder, with the folder "photos" and no index. */
static inline void begin(void)
{
    EXPECT_INT(run("cd / && chmod -R u+rwx %s && rm -rf %s/*", scene, scene),
               0);
    EXPECT_INT(chdir(scene), 0);
    EXPECT_INT(mkdir("photos", 0777), 0);
    atomic_store(&embedded, 0);
    kill_at = embed_usec = fail_width = give_nan = stop_at = stop_walk = retry =
        strict = 0;
    before_run = NULL;
    decoder = NULL;
    limits = (akin_limits){.size = sizeof limits};
    exclude = NULL;
    one.batch = FAKE_MOST;
    threads = 2;
}

static inline void put_bytes(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    EXPECT(file && fwrite(bytes, 1, count, file) == count);
    if (file)
        fclose(file);
}

enum { SIDE = 4, HEADER = 54, PICTURE = HEADER + SIDE * SIDE * 3 };

/* The bytes of a BMP whose pixels follow from `seed`. */
static inline void draw(uint8_t bytes[PICTURE], unsigned seed)
{
    memset(bytes, 0, PICTURE);
    memcpy(bytes, "BM", 2);
    bytes[2] = PICTURE;
    bytes[10] = HEADER;
    bytes[14] = 40;
    bytes[18] = bytes[22] = SIDE;
    bytes[26] = 1;
    bytes[28] = 24;
    for (size_t i = HEADER; i < PICTURE; i++)
        bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
}

static inline void picture(const char *path, unsigned seed)
{
    uint8_t bytes[PICTURE];
    draw(bytes, seed);
    put_bytes(path, bytes, sizeof bytes);
}

static inline void on_notice(void *context, const char *path,
                             const char *reason, int failed)
{
    (void)context;
    akin__text_addf(&notices, "%s %s: %s\n", failed ? "F" : "W", path, reason);
}

static inline int on_progress(void *context, const char *what, uint64_t done,
                              uint64_t whole)
{
    (void)context;
    if (strcmp(what, "images") != 0)
        return stop_walk;
    last_done = done;
    last_whole = whole;
    return stop_at && done >= (uint64_t)stop_at;
}

static inline akin_status update_roots(const char *const *roots, size_t count,
                                       akin_model *const *models,
                                       size_t model_count)
{
    const akin_index_options options = {.size = sizeof options,
                                        .threads = threads,
                                        .retry = retry,
                                        .strict = strict,
                                        .limits = &limits,
                                        .decoder = decoder,
                                        .progress = on_progress,
                                        .notice = on_notice,
                                        .exclude = &exclude,
                                        .excludes = exclude != NULL};
    akin_index *index;
    akin__text_free(&notices);
    akin__text_add(&notices, "", 0);
    akin_status status =
        akin_index_open(&index, "photos.akin", AKIN_INDEX_CREATE, &error);
    if (status)
        return status;
    status = akin_index_update(index, roots, count, models, model_count,
                               &options, &report, &error);
    akin_index_close(&index);
    return status;
}

static inline akin_status update(const char *root)
{
    return update_roots(&root, 1, (akin_model *[]){&one}, 1);
}

/* The path that the index has for the picture drawn from `seed`; "" when it
 * has none. */
static inline const char *where(const akin_model *model, unsigned seed)
{
    static char path[4096];
    uint8_t bytes[PICTURE];
    akin_image image;
    float vector[FAKE_DIM];
    akin_index *index;
    akin_match match;
    size_t found = 0;
    draw(bytes, seed);
    EXPECT_INT(
        akin_image_decode(&image, bytes, sizeof bytes, NULL, NULL, &error),
        AKIN_OK);
    vector_of(model, &image, vector);
    akin_image_free(&image);
    EXPECT_INT(akin_index_open(&index, "photos.akin", AKIN_INDEX_READ, &error),
               AKIN_OK);
    EXPECT_INT(akin_index_search(index, model->name, vector, 1, &match, &found,
                                 &error),
               AKIN_OK);
    const bool hit = found && match.cosine > 0.9999;
    snprintf(path, sizeof path, "%s", hit ? match.path : "");
    akin_index_close(&index);
    return path;
}

static inline uint64_t files_in_index(void)
{
    akin_index *index;
    akin_index_info info = {0};
    EXPECT_INT(akin_index_open(&index, "photos.akin", AKIN_INDEX_READ, &error),
               AKIN_OK);
    EXPECT_INT(akin_index_count(index, &info, &error), AKIN_OK);
    akin_index_close(&index);
    return info.files;
}

/* Three pictures in the index. */
static inline void begin_with_three(void)
{
    begin();
    picture("photos/a.bmp", 1);
    picture("photos/b.bmp", 2);
    EXPECT_INT(mkdir("photos/sub", 0777), 0);
    picture("photos/sub/c.bmp", 3);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 3);
    atomic_store(&embedded, 0);
}

/* photos/00000.bmp and so on, drawn from 1 and so on. */
static inline void draw_many(int count)
{
    for (int i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "photos/%05d.bmp", i);
        picture(path, (unsigned)i + 1);
    }
}

/* As an ordinary user even when root begins, because root can read what he
 * should not; in memory where there is a place, because a commit syncs. */
static inline bool scene_open(void)
{
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        return false;
    strcpy(scene, "/dev/shm/akin-scene-XXXXXX");
    if (mkdtemp(scene))
        return true;
    strcpy(scene, "/tmp/akin-scene-XXXXXX");
    return mkdtemp(scene);
}

static inline int scene_close(void)
{
    akin__text_free(&notices);
    run("cd / && chmod -R u+rwx %s && rm -rf %s", scene, scene);
    return tap_done();
}

#endif
