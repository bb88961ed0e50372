/*
 * labels MODEL INDEX: what akin.h says of labels and of rows, for
 * label_test.py. MODEL reads; INDEX has 2,000 rows or more of it.
 */
#include <math.h>
#include <string.h>

#include "akin.h"
#include "tap.h"

static const char *const words[] = {"cat", "dog", "bird"};
static const char *place, *name; /* of the index and its model */
static akin_model *model;
static akin_error err;

static akin_labels *open_labels(void)
{
    akin_labels *labels = NULL;
    EXPECT_INT(akin_labels_open(&labels, model, words, 3, NULL, &err), AKIN_OK);
    return labels;
}

static int stop(void *context, const char *what, uint64_t done, uint64_t whole)
{
    (void)context;
    return strcmp(what, "texts") == 0 && done && whole == 3;
}

static void what_makes_no_label_is_refused(void)
{
    static const char *const plain[] = {"a photo of a {}.", "a photo"};
    const akin_labels_options bad = {
        .size = sizeof bad, .prompt = plain, .prompts = 2};
    const akin_labels_options stopped = {.size = sizeof stopped,
                                         .progress = stop};
    akin_labels *labels = NULL;
    EXPECT_INT(akin_labels_open(&labels, model, words, 0, NULL, &err),
               AKIN_EUSAGE);
    EXPECT_INT(akin_labels_open(&labels, model, words, 3, &bad, &err),
               AKIN_EUSAGE);
    EXPECT_INT(akin_labels_open(&labels, model, words, 3, &stopped, &err),
               AKIN_ECANCELLED);
    EXPECT(!labels);
}

static void a_model_that_was_opened_for_pictures_gives_none(void)
{
    akin_model *blind = NULL;
    akin_labels *labels = NULL;
    EXPECT_INT(akin_model_open(&blind, akin_model_folder(model), NULL, &err),
               AKIN_OK);
    EXPECT_INT(akin_labels_open(&labels, blind, words, 3, NULL, &err),
               AKIN_EUSAGE);
    akin_model_close(&blind);
}

static void as_many_are_ranked_as_there_are(void)
{
    akin_labels *labels = open_labels();
    float vector[AKIN_MAX_DIM] = {1, 2};
    akin_label best[4];
    EXPECT_INT(akin_labels_rank(labels, vector, 1, 0, best, &err), AKIN_EUSAGE);
    EXPECT_INT(akin_labels_rank(labels, vector, 1, 4, best, &err), AKIN_EUSAGE);
    EXPECT_INT(akin_labels_rank(labels, vector, 0, 3, best, &err), AKIN_OK);
    EXPECT_INT(akin_labels_rank(labels, vector, 1, 3, best, &err), AKIN_OK);
    EXPECT(fabs(best[0].probability + best[1].probability +
                best[2].probability - 1) < 1e-12);
    vector[1] = NAN;
    EXPECT_INT(akin_labels_rank(labels, vector, 1, 3, best, &err), AKIN_EUSAGE);
    akin_labels_close(&labels);
    EXPECT(!labels);
}

static void equal_labels_stay_as_they_were_given(void)
{
    akin_labels *labels = open_labels();
    const float nothing[AKIN_MAX_DIM] = {0}; /* has the cosine 0 to all */
    akin_label best[3];
    EXPECT_INT(akin_labels_rank(labels, nothing, 1, 3, best, &err), AKIN_OK);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_INT(best[i].label, i);
        EXPECT(fabs(best[i].probability - 1.0 / 3) < 1e-12);
    }
    akin_labels_close(&labels);
}

static void a_label_outlives_its_model(void)
{
    const akin_model_options texts = {.size = sizeof texts,
                                      .tower = AKIN_TOWER_TEXT};
    akin_model *reader = NULL;
    akin_labels *labels = NULL;
    akin_label best[1];
    const float vector[AKIN_MAX_DIM] = {1};
    EXPECT_INT(akin_model_open(&reader, akin_model_folder(model), &texts, &err),
               AKIN_OK);
    EXPECT_INT(akin_labels_open(&labels, reader, words, 3, NULL, &err),
               AKIN_OK);
    akin_model_close(&reader);
    EXPECT_INT(akin_labels_rank(labels, vector, 1, 1, best, &err), AKIN_OK);
    akin_labels_close(&labels);
}

struct walk {
    akin_index *index;
    size_t seen, most; /* rows; 0: all */
    char last[4096];
    int write; /* forget the last file while the first is visited */
};

static int visit(void *context, const char *path, const float *vector)
{
    struct walk *walk = context;
    akin_index *writer = NULL;
    (void)vector;
    if (walk->write && !walk->seen) {
        EXPECT_INT(akin_index_open(&writer, place, AKIN_INDEX_WRITE, &err),
                   AKIN_OK);
        EXPECT_INT(akin_index_forget(writer, walk->last, NULL, &err), AKIN_OK);
        akin_index_close(&writer);
    }
    strcpy(walk->last, path);
    return ++walk->seen == walk->most;
}

static akin_status go(struct walk *walk)
{
    EXPECT_INT(akin_index_open(&walk->index, place, AKIN_INDEX_READ, &err),
               AKIN_OK);
    const akin_status status =
        akin_index_rows(walk->index, name, NULL, visit, walk, &err);
    akin_index_close(&walk->index);
    return status;
}

static void a_visitor_can_stop(void)
{
    struct walk walk = {.most = 1500};
    EXPECT_INT(go(&walk), AKIN_ECANCELLED);
    EXPECT_INT(walk.seen, 1500);
}

static void a_writer_need_not_wait_for_a_visitor(void)
{
    struct walk all = {0}, walk = {.write = 1};
    EXPECT_INT(go(&all), AKIN_OK);
    strcpy(walk.last, all.last);
    EXPECT_INT(go(&walk), AKIN_OK);
    EXPECT_INT(walk.seen, all.seen - 1);
    EXPECT(strcmp(walk.last, all.last) < 0);
}

static void rows_of_no_model_are_not_found(void)
{
    akin_index *index = NULL;
    struct walk walk = {0};
    EXPECT_INT(akin_index_open(&index, place, AKIN_INDEX_READ, &err), AKIN_OK);
    EXPECT_INT(akin_index_rows(index, "gone", NULL, visit, &walk, &err),
               AKIN_ENOTFOUND);
    akin_index_close(&index);
}

int main(int argc, char **argv)
{
    const akin_model_options both = {.size = sizeof both,
                                     .tower = AKIN_TOWER_BOTH};
    if (argc != 3 || akin_model_open(&model, argv[1], &both, &err)) {
        fprintf(stderr, "labels: %s\n", err.message);
        return 2;
    }
    name = akin_model_name(model);
    place = argv[2];
    RUN(what_makes_no_label_is_refused);
    RUN(a_model_that_was_opened_for_pictures_gives_none);
    RUN(as_many_are_ranked_as_there_are);
    RUN(equal_labels_stay_as_they_were_given);
    RUN(a_label_outlives_its_model);
    RUN(a_visitor_can_stop);
    RUN(a_writer_need_not_wait_for_a_visitor);
    RUN(rows_of_no_model_are_not_found);
    akin_model_close(&model);
    return tap_done();
}
