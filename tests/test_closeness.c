/* Closeness: akin_closeness_of against figures that were worked out by hand.
 * A row is an angle in degrees, in the last two of eleven numbers. */
#include <math.h>
#include <string.h>

#include "akin_bench.h"
#include "tap.h"

enum { DIM = 11, MOST = 200 };

static double cosine_of(double degrees)
{
    return cos(degrees * acos(-1) / 180);
}

/* Each row is longer than the one before it by `growth` times: how long they
 * are must not matter. */
static void fill(float *rows, const double *degrees, size_t count,
                 double growth)
{
    double size = 1;
    memset(rows, 0, count * DIM * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        rows[i * DIM + 9] = (float)(size * cosine_of(degrees[i]));
        rows[i * DIM + 10] = (float)(size * cosine_of(degrees[i] - 90));
        size *= growth;
    }
}

static akin_closeness closeness(const double *degrees, const double *reference,
                                size_t count)
{
    static float rows[MOST * DIM], reference_rows[MOST * DIM];
    akin_closeness found;
    akin_error err;
    fill(rows, degrees, count, 1.1);
    fill(reference_rows, reference, count, 0.9);
    EXPECT_INT(
        akin_closeness_of(rows, reference_rows, count, DIM, 2, &found, &err),
        AKIN_OK);
    return found;
}

static int near(double got, double want)
{
    return fabs(got - want) < 1e-6;
}

static const double apart[] = {0, 10, 30, 100, 105};

static void the_same_directions_are_as_close_as_can_be(void)
{
    const akin_closeness found = closeness(apart, apart, 5);
    EXPECT_INT(found.images, 5);
    EXPECT(near(found.cosine_min, 1));
    EXPECT(near(found.cosine_mean, 1));
    EXPECT_INT(found.same_nearest, 5);
}

static void one_row_astray_is_seen_in_the_least_and_the_mean(void)
{
    const double astray[] = {0, 10, 94, 100, 105};
    const akin_closeness found = closeness(astray, apart, 5);
    EXPECT(near(found.cosine_min, cosine_of(64)));
    EXPECT(near(found.cosine_mean, (4 + cosine_of(64)) / 5));
}

static void a_neighbour_that_changed_is_not_counted(void)
{
    const double astray[] = {0, 10, 94, 100, 105};
    EXPECT_INT(closeness(astray, apart, 5).same_nearest, 4);
}

static void an_equally_near_neighbour_counts(void)
{
    const double twins[] = {0, 0, 20}, other_first[] = {-1, 0, 20};
    EXPECT_INT(closeness(other_first, twins, 3).same_nearest, 3);
}

static void one_in_a_hundred_may_be_less_close_than_the_percentile(void)
{
    double turned[MOST] = {90, 60, 30}, straight[MOST] = {0};
    EXPECT(near(closeness(turned, straight, MOST).cosine_p01, cosine_of(60)));
}

static void a_single_row_has_no_neighbour(void)
{
    EXPECT_INT(closeness(apart, apart, 1).same_nearest, 0);
}

static void no_rows_are_a_mistake(void)
{
    const float none[1] = {0};
    akin_closeness found;
    akin_error err;
    EXPECT_INT(akin_closeness_of(none, none, 0, 1, 1, &found, &err),
               AKIN_EUSAGE);
}

int main(void)
{
    RUN(the_same_directions_are_as_close_as_can_be);
    RUN(one_row_astray_is_seen_in_the_least_and_the_mean);
    RUN(a_neighbour_that_changed_is_not_counted);
    RUN(an_equally_near_neighbour_counts);
    RUN(one_in_a_hundred_may_be_less_close_than_the_percentile);
    RUN(a_single_row_has_no_neighbour);
    RUN(no_rows_are_a_mistake);
    return tap_done();
}
