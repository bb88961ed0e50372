/*
 * Tests: the Test Anything Protocol in a header.
 *
 *   int main(void) { RUN(name_of_a_function); return tap_done(); }
 *
 * A test function reads like a sentence: arrange, act, one reason to fail.
 * EXPECT says what was false and goes on; tap_skip ends a test as skipped with
 * a reason, for what this machine or checkout does not have.
 */
#ifndef AKIN_TESTS_TAP_H
#define AKIN_TESTS_TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failures, tap_failed_here;
static const char *tap_skipped_here;

#define EXPECT(condition)                                                      \
    tap_expect(!!(condition), #condition, __FILE__, __LINE__)
#define EXPECT_STR(got, want) tap_expect_str((got), (want), __FILE__, __LINE__)
#define EXPECT_INT(got, want)                                                  \
    tap_expect_int((long long)(got), (long long)(want), __FILE__, __LINE__)
#define RUN(test) tap_run(#test, test)

static inline int tap_expect(int ok, const char *what, const char *file,
                             int line)
{
    if (!ok) {
        printf("# %s:%d: not so: %s\n", file, line, what);
        tap_failed_here = 1;
    }
    return ok;
}

static inline int tap_expect_str(const char *got, const char *want,
                                 const char *file, int line)
{
    const int ok = got && strcmp(got, want) == 0;
    if (!ok) {
        printf("# %s:%d: got \"%s\", want \"%s\"\n", file, line,
               got ? got : "(null)", want);
        tap_failed_here = 1;
    }
    return ok;
}

static inline int tap_expect_int(long long got, long long want,
                                 const char *file, int line)
{
    if (got != want) {
        printf("# %s:%d: got %lld, want %lld\n", file, line, got, want);
        tap_failed_here = 1;
    }
    return got == want;
}

static inline void tap_skip(const char *reason)
{
    tap_skipped_here = reason;
}

static inline void tap_run(const char *name, void (*test)(void))
{
    tap_failed_here = 0;
    tap_skipped_here = NULL;
    test();
    tap_count++;
    tap_failures += tap_failed_here;
    printf("%sok %d - %s%s%s\n", tap_failed_here ? "not " : "", tap_count, name,
           tap_skipped_here ? " # SKIP " : "",
           tap_skipped_here ? tap_skipped_here : "");
    fflush(stdout);
}

static inline int tap_done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failures != 0;
}

/* Where the shared test data lies: $AKIN_SHARED, else beside the checkout. A
 * test that needs it skips when the folder is not there: NULL then. */
static inline const char *tap_shared(void)
{
    static char folder[4096];
    const char *shared = getenv("AKIN_SHARED");
    const char *source = getenv("AKIN_SOURCE"); /* set by the build */
    char probe[4200];
    if (shared)
        snprintf(folder, sizeof folder, "%s", shared);
    else
        snprintf(folder, sizeof folder, "%s/../shared", source ? source : ".");
    snprintf(probe, sizeof probe, "%s/data/photos", folder);
    FILE *f = fopen(probe, "r");
    if (f) {
        fclose(f);
        return folder;
    }
    tap_skip("shared test data not found");
    return NULL;
}

#endif
