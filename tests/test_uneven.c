/*
 * Uneven: a system that reads and writes less than was asked, breaks off calls
 * for a signal, and has no more threads or descriptors. Whatever it does within
 * its rights changes no answer.
 */
#include "scene.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>

static bool uneven;             /* the calls below have their moods */
static atomic_uint moods;       /* of which this is the next */
static atomic_int threads_left; /* that are made before it says EAGAIN */

/* `real`: the system's own function of that name. */
#define REAL(name, result, ...)                                                \
    static result (*real)(__VA_ARGS__);                                        \
    if (!real)                                                                 \
    *(void **)&real = dlsym(RTLD_NEXT, name)

/* The bytes of `count` that are let through; 0: a signal comes first. */
static size_t let_through(size_t count)
{
    const unsigned mood = atomic_fetch_add(&moods, 1) * 2654435761u >> 16;
    if (!uneven || count < 2)
        return count;
    return mood % 4 == 0 ? 0 : 1 + mood % count;
}

#define PREAD(function, symbol)                                                \
    ssize_t function(int fd, void *bytes, size_t count,                        \
                     off_t offset) __asm__(symbol);                            \
    ssize_t function(int fd, void *bytes, size_t count, off_t offset)          \
    {                                                                          \
        REAL(symbol, ssize_t, int, void *, size_t, off_t);                     \
        const size_t part = let_through(count);                                \
        errno = EINTR;                                                         \
        return part || !count ? real(fd, bytes, part, offset) : -1;            \
    }
PREAD(uneven_pread, "pread")
PREAD(uneven_pread64, "pread64")

#define PWRITE(function, symbol)                                               \
    ssize_t function(int fd, const void *bytes, size_t count,                  \
                     off_t offset) __asm__(symbol);                            \
    ssize_t function(int fd, const void *bytes, size_t count, off_t offset)    \
    {                                                                          \
        REAL(symbol, ssize_t, int, const void *, size_t, off_t);               \
        const size_t part = let_through(count);                                \
        errno = EINTR;                                                         \
        return part || !count ? real(fd, bytes, part, offset) : -1;            \
    }
PWRITE(uneven_pwrite, "pwrite")
PWRITE(uneven_pwrite64, "pwrite64")

int uneven_create(pthread_t *thread, const pthread_attr_t *attributes,
                  void *(*work)(void *),
                  void *argument) __asm__("pthread_create");
int uneven_create(pthread_t *thread, const pthread_attr_t *attributes,
                  void *(*work)(void *), void *argument)
{
    REAL("pthread_create", int, pthread_t *, const pthread_attr_t *,
         void *(*)(void *), void *);
    return atomic_fetch_sub(&threads_left, 1) > 0
               ? real(thread, attributes, work, argument)
               : EAGAIN;
}

static void begin_even(void)
{
    begin();
    uneven = false;
    atomic_store(&threads_left, 1000000);
    for (unsigned i = 0; i < 40; i++) {
        char path[32];
        snprintf(path, sizeof path, "photos/%02u.bmp", i);
        picture(path, i);
    }
    threads = 4;
}

static void expect_all_there(void)
{
    if (!EXPECT_INT(report.added, 40))
        return;
    EXPECT_INT(akin_index_verify("photos.akin", NULL, NULL, &error), AKIN_OK);
    EXPECT_STR(where(&one, 7), "photos/07.bmp");
    EXPECT_STR(where(&one, 39), "photos/39.bmp");
}

static void short_and_broken_off_calls_are_gone_on_with(void)
{
    begin_even();
    uneven = true;
    EXPECT_INT(update("photos"), AKIN_OK);
    expect_all_there();
    EXPECT_INT(
        run("cp photos.akin/rows-0.f32 uneven && rm -r photos.akin", "", ""),
        0);
    uneven = false;
    threads = 1;
    EXPECT_INT(update("photos"), AKIN_OK);
    expect_all_there();
    EXPECT_INT(
        run("test $(wc -c <uneven) = $(wc -c <photos.akin/rows-0.f32)", "", ""),
        0);
    EXPECT(atomic_load(&moods) > 500);
}

static void a_repair_goes_on_with_them_as_well(void)
{
    begin_even();
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(run("printf x | dd of=photos.akin/rows-0.f32 bs=1 seek=100 "
                   "conv=notrunc 2>/dev/null",
                   "", ""),
               0);
    uneven = true;
    EXPECT_INT(akin_index_repair("photos.akin", NULL, NULL, &error), AKIN_OK);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(embedded, 41);
    EXPECT_INT(akin_index_verify("photos.akin", NULL, NULL, &error), AKIN_OK);
    uneven = false;
}

static void a_run_without_more_threads_does_the_same(void)
{
    for (int left = 0; left < 5; left++) {
        begin_even();
        atomic_store(&threads_left, left);
        EXPECT_INT(update("photos"), AKIN_OK);
        EXPECT_INT(embedded, 40);
        expect_all_there();
    }
    atomic_store(&threads_left, 1000000);
}

int main(void)
{
    if (!scene_open())
        return 1;
    RUN(short_and_broken_off_calls_are_gone_on_with);
    RUN(a_repair_goes_on_with_them_as_well);
    RUN(a_run_without_more_threads_does_the_same);
    return scene_close();
}
