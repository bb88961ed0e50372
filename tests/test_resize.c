/*
 * Resize: every instruction set against plain C, bit for bit, over odd sizes.
 * That plain C is Pillow's is shown by pillow_test.py.
 *
 * Pictures begin and end at pages that may not be touched, so that a read or
 * write outside of them is a crash here. What this processor lacks is reported
 * as skipped.
 */
#include "tap.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/cpu.h"
#include "image/resize.h"

static enum akin__cpu level; /* under test */

/* A map that is used again for every picture, between two closed pages. */
struct guarded {
    uint8_t *begin, *end;
};

static struct guarded guard(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t inner = (bytes + page - 1) / page * page;
    uint8_t *map = mmap(NULL, inner + 2 * page, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED ||
        mprotect(map + page, inner, PROT_READ | PROT_WRITE) != 0)
        abort();
    return (struct guarded){map + page, map + page + inner};
}

static unsigned seed;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(seed >> 8) * n >> 24);
}

/* Noise of which a third is 0 and a third 255: sums that must be clipped. */
static void fill(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t kind = below(3);
        bytes[i] = (uint8_t)(kind == 0 ? 0 : kind == 1 ? 255 : below(256));
    }
}

enum {
    SIDE = 300,
    SLACK = 7,
    BYTES = SIDE * (3 * SIDE + SLACK),
    OUT = 64 * 3 * 1024
};
static struct guarded source, ours, plain;
static struct akin__scratch scratch;

static void resize_as(enum akin__cpu use, const akin_image *image,
                      const struct akin__resize *resize, uint8_t *out,
                      size_t stride)
{
    setenv("AKIN_CPU", akin__cpu_name(use), 1);
    akin_error err = {0};
    if (akin__resize(image, resize, &scratch, out, stride, &err) != AKIN_OK)
        EXPECT_STR(err.message, "");
}

/* Both ways, at the end of the map or at its beginning. */
static int agrees(uint32_t width, uint32_t height,
                  const struct akin__resize *resize, size_t slack, bool at_end)
{
    const size_t row = 3 * (size_t)width, stride = row + slack;
    const size_t bytes = stride * (height - 1) + row;
    const size_t out_row = 3 * (size_t)resize->window_width;
    const size_t out_stride = out_row + slack;
    const size_t out_bytes = out_stride * (resize->window_height - 1) + out_row;
    const akin_image image = {width, height, stride,
                              at_end ? source.end - bytes : source.begin};
    uint8_t *a = at_end ? ours.end - out_bytes : ours.begin;
    uint8_t *b = at_end ? plain.end - out_bytes : plain.begin;
    fill(image.pixels, bytes);
    memset(a, 77, out_bytes);
    memset(b, 77, out_bytes);
    resize_as(level, &image, resize, a, out_stride);
    resize_as(AKIN__CPU_C, &image, resize, b, out_stride);
    const int same = memcmp(a, b, out_bytes) == 0;
    if (!same)
        printf("# %u x %u to %u x %u, window %u,%u %u x %u, filter %d\n", width,
               height, resize->width, resize->height, resize->left, resize->top,
               resize->window_width, resize->window_height,
               (int)resize->filter);
    return same;
}

/* A window at random within width x height, of OUT bytes at most. */
static struct akin__resize window_of(uint32_t width, uint32_t height,
                                     enum akin__filter filter)
{
    struct akin__resize r = {.width = width, .height = height};
    const uint32_t w = width < 250 ? width : 250;
    const uint32_t h = height < 250 ? height : 250;
    r.window_width = below(2) ? w : 1 + below(w);
    r.window_height = below(2) ? h : 1 + below(h);
    r.left = below(width - r.window_width + 1);
    r.top = below(height - r.window_height + 1);
    r.filter = filter;
    return r;
}

static void every_width_and_filter_agrees_with_plain_c(void)
{
    int wrong = 0;
    seed = 1;
    for (uint32_t width = 1; width <= SIDE; width++)
        for (int filter = AKIN__LANCZOS; filter <= AKIN__HAMMING; filter++) {
            const uint32_t height = 1 + below(SIDE);
            const struct akin__resize resize = window_of(
                1 + below(SIDE), 1 + below(SIDE), (enum akin__filter)filter);
            wrong += !agrees(width, height, &resize, below(SLACK), below(2));
        }
    EXPECT_INT(wrong, 0);
}

static void thin_pictures_agree_with_plain_c(void)
{
    int wrong = 0;
    seed = 2;
    for (uint32_t thin = 1; thin <= 20; thin++)
        for (uint32_t to = 1; to <= 20; to += 3)
            for (int tall = 0; tall < 2; tall++) {
                const struct akin__resize resize =
                    tall ? window_of(to, 1 + below(900), AKIN__BICUBIC)
                         : window_of(1 + below(900), to, AKIN__BICUBIC);
                wrong += !agrees(tall ? thin : SIDE, tall ? SIDE : thin,
                                 &resize, 0, true);
            }
    EXPECT_INT(wrong, 0);
}

static void a_size_that_stays_agrees_with_plain_c(void)
{
    int wrong = 0;
    seed = 3;
    for (uint32_t side = 1; side <= 40; side++) {
        const struct akin__resize wide = window_of(2 * side, side, 3);
        const struct akin__resize high = window_of(side, 2 * side, 3);
        const struct akin__resize same = window_of(side, side, 3);
        wrong += !agrees(side, side, &wide, 0, true) +
                 !agrees(side, side, &high, 0, true) +
                 !agrees(side, side, &same, 0, true);
    }
    EXPECT_INT(wrong, 0);
}

static void run_level(enum akin__cpu under_test, const char *title,
                      void (*test)(void))
{
    char name[128];
    snprintf(name, sizeof name, "%s: %s", akin__cpu_name(under_test), title);
    level = under_test;
    if (akin__cpu_has(level))
        tap_run(name, test);
    else
        printf("ok %d - %s # SKIP this processor lacks it\n", ++tap_count,
               name);
}

int main(void)
{
    static const enum akin__cpu levels[] = {AKIN__CPU_AVX2, AKIN__CPU_AVX512,
                                            AKIN__CPU_AVX512VNNI};
    source = guard(BYTES);
    ours = guard(OUT);
    plain = guard(OUT);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        run_level(levels[i], "every_width_and_filter_agrees_with_plain_c",
                  every_width_and_filter_agrees_with_plain_c);
        run_level(levels[i], "thin_pictures_agree_with_plain_c",
                  thin_pictures_agree_with_plain_c);
        run_level(levels[i], "a_size_that_stays_agrees_with_plain_c",
                  a_size_that_stays_agrees_with_plain_c);
    }
    akin__scratch_free(&scratch);
    return tap_done();
}
