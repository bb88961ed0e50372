/*
 * Certainty: what an index keeps of it is there whole or not at all, whatever
 * the disc refuses; and the bound of a share is what binomial sums say.
 */
#include "made_index.h"

#include "akin_eval.h"
#include "base/fault.h"
#include "eval/certain.h"

static akin_certainty old, new;

static void fill(akin_certainty *certainty, float least)
{
    *certainty = (akin_certainty){.answers = 20, .right = 10, .truth = "made"};
    for (size_t i = 0; i < 2001; i++)
        certainty->at[i] = i < 500 ? NAN : i < 1500 ? least : 1 - least;
}

/* 0: nothing, 1: the old one, 2: the new one, -1: anything else. */
static int kept(void)
{
    akin_index *index = open_index(AKIN_INDEX_READ);
    akin_certainty found;
    int known, answer = -1;
    memset(&found, 0, sizeof found); /* what lies between its members, too */
    EXPECT_INT(akin_index_certainty(index, "clip", &found, &known, &err),
               AKIN_OK);
    if (!known)
        answer = 0;
    else if (memcmp(&found, &old, sizeof old) == 0)
        answer = 1;
    else if (memcmp(&found, &new, sizeof new) == 0)
        answer = 2;
    akin_index_close(&index);
    return answer;
}

static void what_is_kept_comes_back(void)
{
    akin_index *index = make_index();
    EXPECT_INT(kept(), 0);
    EXPECT_INT(akin_eval_keep(index, "clip", &old, &err), AKIN_OK);
    akin_index_close(&index);
    EXPECT_INT(kept(), 1);
    EXPECT_INT(akin_index_verify(at("x.akin"), NULL, NULL, &err), AKIN_OK);
    clean();
}

static int calls, refused;

static int refuse(const char *call, const char *path)
{
    (void)path;
    if (strcmp(call, "read") == 0)
        return 0;
    return calls++ == refused ? EIO : 0;
}

static void a_disc_that_refuses_leaves_the_old_one_or_the_new(void)
{
    akin_index *index = make_index();
    EXPECT_INT(akin_eval_keep(index, "clip", &old, &err), AKIN_OK);
    for (refused = 0;; refused++) {
        calls = 0;
        akin__fault = refuse;
        const akin_status status = akin_eval_keep(index, "clip", &new, &err);
        akin__fault = NULL;
        const int now = kept();
        EXPECT(now == 1 || now == 2);
        EXPECT(status || now == 2);
        if (!status)
            break;
        EXPECT_INT(akin_eval_keep(index, "clip", &old, &err), AKIN_OK);
    }
    EXPECT(refused >= 4); /* open, write, sync, rename, sync of the folder */
    EXPECT_INT(kept(), 2);
    akin_index_close(&index);
    clean();
}

static void what_makes_no_sense_is_not_kept(void)
{
    akin_index *index = make_index();
    akin_certainty falls = old;
    falls.at[1600] = 0;
    EXPECT_INT(akin_eval_keep(index, "clip", &falls, &err), AKIN_EUSAGE);
    EXPECT_INT(akin_eval_keep(index, "other", &old, &err), AKIN_ENOTFOUND);
    akin_index_close(&index);
    index = open_index(AKIN_INDEX_READ);
    EXPECT_INT(akin_eval_keep(index, "clip", &old, &err), AKIN_EUSAGE);
    akin_index_close(&index);
    EXPECT_INT(kept(), 0);
    clean();
}

static void a_cosine_of_three_digits_is_at_its_own_step(void)
{
    akin_certainty steps = {.answers = 0};
    for (size_t i = 0; i < 2001; i++)
        steps.at[i] = (float)i / 2001;
    for (int i = -1000; i <= 1000; i++) {
        EXPECT(akin_probability(&steps, i / 1000.0) ==
               (double)steps.at[i + 1000]);
    }
    EXPECT(akin_probability(&steps, 1.0000001) == (double)steps.at[2000]);
    EXPECT(akin_probability(&steps, -1.0000001) == (double)steps.at[0]);
    EXPECT(isnan(akin_probability(&steps, (double)NAN)));
    EXPECT(isnan(akin_certain_from(&steps, 1)));
}

/* Clopper-Pearson 95 % one-sided: the share at which so many right ones or more
 * have a chance of 5 %, sum over i >= right of C(n, i) p^i (1 - p)^(n - i). */
static void the_bound_of_a_share_is_that_of_binomial_sums(void)
{
    static const struct {
        double right, wrong, bound;
    } known[] = {
        {1, 0, 0.05},       {10, 0, 0.7411344}, {20, 0, 0.8608917},
        {9, 1, 0.6058367},  {5, 5, 0.2224411},  {0, 5, 0},
        {299, 0, 0.990031},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        EXPECT(fabs(akin__share_at_least(known[i].right, known[i].wrong) -
                    known[i].bound) < 1e-6);
}

int main(void)
{
    if (!make_home())
        return 1;
    fill(&old, 0.25F);
    fill(&new, 0.125F);
    RUN(what_is_kept_comes_back);
    RUN(a_disc_that_refuses_leaves_the_old_one_or_the_new);
    RUN(what_makes_no_sense_is_not_kept);
    RUN(a_cosine_of_three_digits_is_at_its_own_step);
    RUN(the_bound_of_a_share_is_that_of_binomial_sums);
    rmdir(home);
    return tap_done();
}
