/* Index: what is staged, committed, found, moved, searched and shown. */
#include "made_index.h"

static void what_is_staged_is_unseen_until_the_commit(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    EXPECT_INT(count_files(index), 0);
    EXPECT_STR(nearest(index, 1, 1), "");
    commit(index);
    EXPECT_INT(count_files(index), 1);
    EXPECT_STR(nearest(index, 1, 1), "a.jpg");
    akin_index_close(&index);
    clean();
}

static void what_was_not_committed_is_gone_after_the_close(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    commit(index);
    EXPECT_INT(put(index, "b.jpg", 2), AKIN_OK);
    akin_index_close(&index);
    index = open_index(AKIN_INDEX_WRITE);
    EXPECT_STR(nearest(index, 2, 9), "a.jpg");
    EXPECT_INT(put(index, "c.jpg", 3), AKIN_OK);
    commit(index);
    EXPECT_STR(nearest(index, 3, 9), "c.jpg a.jpg");
    akin_index_close(&index);
    clean();
}

static void an_entry_comes_back_as_it_was_put(void)
{
    akin_index *index = make_index();
    struct akin__entry entry = {.bytes = 1ull << 40,
                                .mtime_ns = -5,
                                .width = 65535,
                                .height = 3,
                                .format = "webp",
                                .reason = "truncated",
                                .retryable = true};
    float vector[DIM] = {3, 0, 4, 0};
    const float *vectors[] = {vector};
    entry.content[31] = 0xfe;
    EXPECT_INT(akin__index_put(index, at("a.jpg"), &entry, vectors, 1, 0, &err),
               AKIN_OK);
    commit(index);
    akin_index_close(&index);
    index = open_index(AKIN_INDEX_WRITE);
    const struct akin__entry got = find(index, "a.jpg");
    EXPECT_INT(got.bytes, entry.bytes);
    EXPECT_INT(got.mtime_ns, -5);
    EXPECT(memcmp(got.content, entry.content, 32) == 0);
    EXPECT_INT(got.width, 65535);
    EXPECT_INT(got.height, 3);
    EXPECT_STR(got.format, "webp");
    EXPECT_STR(got.reason, "truncated");
    EXPECT(!got.failed && got.retryable);
    EXPECT_INT(got.rows, 1);
    akin_index_close(&index);
    clean();
}

static void a_path_of_any_bytes_comes_back(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "new\nline \xff\xfe.jpg", 1), AKIN_OK);
    commit(index);
    EXPECT(find(index, "new\nline \xff\xfe.jpg").id != 0);
    EXPECT_STR(nearest(index, 1, 1), "new\nline \xff\xfe.jpg");
    akin_index_close(&index);
    clean();
}

static uint64_t bytes_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void copies_share_a_row(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "b.jpg", 1), AKIN_OK);
    const struct akin__entry twin = find(index, "b.jpg");
    const struct akin__entry copy = entry_of(1);
    EXPECT_INT(
        akin__index_put(index, at("a.jpg"), &copy, NULL, 0, twin.id, &err),
        AKIN_OK);
    commit(index);
    EXPECT_INT(bytes_of(at("x.akin/rows-0.f32")), 64 + 4 * DIM);
    EXPECT_STR(nearest(index, 1, 9), "a.jpg b.jpg");
    EXPECT_INT(akin__index_forget(index, twin.id, &err), AKIN_OK);
    commit(index);
    EXPECT_STR(nearest(index, 1, 9), "a.jpg");
    akin_index_close(&index);
    clean();
}

static void a_file_keeps_its_rows_only_when_it_says_so(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    const struct akin__entry same = find(index, "a.jpg");
    EXPECT_INT(
        akin__index_put(index, at("a.jpg"), &same, NULL, 0, same.id, &err),
        AKIN_OK);
    EXPECT_INT(find(index, "a.jpg").rows, 1);
    EXPECT_INT(akin__index_put(index, at("a.jpg"), &same, NULL, 0, 0, &err),
               AKIN_OK);
    EXPECT_INT(find(index, "a.jpg").rows, 0);
    EXPECT_INT(find(index, "a.jpg").id, same.id);
    akin_index_close(&index);
    clean();
}

static void a_changed_file_has_its_new_vector(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    EXPECT_INT(put(index, "b.jpg", 50), AKIN_OK);
    commit(index);
    EXPECT_INT(put(index, "a.jpg", 90), AKIN_OK);
    commit(index);
    EXPECT_STR(nearest(index, 1, 9), "b.jpg a.jpg");
    akin_index_close(&index);
    clean();
}

static void a_second_model_is_added_to_what_a_file_has(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    EXPECT_INT(add_model(index, "dinov2"), AKIN_OK);
    const struct akin__entry entry = find(index, "a.jpg");
    const float vector[DIM] = {0, 0, 1, 0};
    const float *vectors[] = {NULL, vector};
    EXPECT_INT(
        akin__index_put(index, at("a.jpg"), &entry, vectors, 2, entry.id, &err),
        AKIN_OK);
    EXPECT_INT(find(index, "a.jpg").rows, 3);
    commit(index);
    akin_index_info info;
    EXPECT_INT(akin_index_count(index, &info, &err), AKIN_OK);
    EXPECT_INT(info.models, 2);
    EXPECT_STR(info.model[1].name, "dinov2");
    EXPECT_INT(info.model[0].images, 1);
    EXPECT_INT(info.model[1].images, 1);
    akin_index_close(&index);
    clean();
}

static void a_moved_file_keeps_its_row(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "old.jpg", 1), AKIN_OK);
    EXPECT_INT(put_failed(index, "new.jpg", "was half copied"), AKIN_OK);
    commit(index);
    const int64_t id = find(index, "old.jpg").id;
    EXPECT_INT(akin__index_move(index, id, at("new.jpg"), 77, &err), AKIN_OK);
    commit(index);
    EXPECT_INT(find(index, "old.jpg").id, 0);
    EXPECT_INT(find(index, "new.jpg").id, id);
    EXPECT_INT(find(index, "new.jpg").mtime_ns, 77);
    EXPECT_STR(nearest(index, 1, 9), "new.jpg");
    akin_index_close(&index);
    clean();
}

static const char *twin_of(akin_index *index, int number)
{
    static char name[300];
    struct akin__entry entry = entry_of(number), twin;
    bool found;
    char *path;
    EXPECT_INT(akin__index_find_content(index, entry.content, &twin, &path,
                                        &found, &err),
               AKIN_OK);
    snprintf(name, sizeof name, "%s", found ? path + strlen(home) + 1 : "none");
    akin__free(path);
    return name;
}

static void of_equal_files_the_one_that_is_gone_is_found(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    EXPECT_INT(put(index, "b.jpg", 1), AKIN_OK);
    EXPECT_INT(put(index, "c.jpg", 1), AKIN_OK);
    run("touch a.jpg c.jpg");
    EXPECT_STR(twin_of(index, 1), "b.jpg");
    run("touch b.jpg");
    EXPECT_STR(twin_of(index, 1), "a.jpg");
    EXPECT_STR(twin_of(index, 2), "none");
    akin_index_close(&index);
    clean();
}

/* Between finding a twin and using its rows, the twin may have been read anew.
 */
static void a_twin_that_has_changed_lends_no_rows(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "b.jpg", 2), AKIN_OK);
    const struct akin__entry twin = find(index, "b.jpg");
    const struct akin__entry copy = entry_of(2);
    struct akin__entry changed = entry_of(3);
    float vector[DIM];
    const float *vectors[1] = {vector};
    changed.id = twin.id;
    vector_of(3, vector);
    EXPECT_INT(
        akin__index_put(index, at("b.jpg"), &changed, vectors, 1, 0, &err),
        AKIN_OK);
    EXPECT_INT(
        akin__index_put(index, at("a.jpg"), &copy, NULL, 0, twin.id, &err),
        AKIN_OK);
    EXPECT_INT(find(index, "a.jpg").rows, 0);
    akin_index_close(&index);
    clean();
}

static void a_failed_file_is_no_twin_and_is_listed(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put_failed(index, "bad.jpg", "no JPEG"), AKIN_OK);
    EXPECT_STR(twin_of(index, 0), "none");
    akin_index_close(&index);
    clean();
}

static void list_failure(void *context, const char *path, const char *reason)
{
    char *list = context;
    sprintf(list + strlen(list), "%s: %s; ", path + strlen(home) + 1, reason);
}

static void failures_are_told_in_order_of_path(void)
{
    akin_index *index = make_index();
    char list[300] = "";
    EXPECT_INT(put_failed(index, "z.jpg", "no JPEG"), AKIN_OK);
    EXPECT_INT(put_failed(index, "b.jpg", "too large"), AKIN_OK);
    EXPECT_INT(put(index, "c.jpg", 1), AKIN_OK);
    commit(index);
    EXPECT_INT(akin_index_failures(index, list_failure, list, &err), AKIN_OK);
    EXPECT_STR(list, "b.jpg: too large; z.jpg: no JPEG; ");
    EXPECT_INT(put(index, "b.jpg", 2), AKIN_OK); /* it was repaired */
    commit(index);
    list[0] = 0;
    EXPECT_INT(akin_index_failures(index, list_failure, list, &err), AKIN_OK);
    EXPECT_STR(list, "z.jpg: no JPEG; ");
    akin_index_close(&index);
    clean();
}

static akin_status list_entry(void *context, const char *path,
                              const struct akin__entry *entry,
                              akin_error *error)
{
    char *list = context;
    (void)error;
    sprintf(list + strlen(list), "%s %d; ",
            strncmp(path, home, strlen(home)) ? path : path + strlen(home) + 1,
            entry->content[0]);
    return AKIN_OK;
}

static const char *each(akin_index *index, const char *folder)
{
    static char list[600];
    list[0] = 0;
    EXPECT_INT(akin__index_each(index, folder, list_entry, list, &err),
               AKIN_OK);
    return list;
}

static void a_folder_holds_what_lies_below_it_and_no_more(void)
{
    run("mkdir sub");
    akin_index *index = open_at(at("sub/x.akin"), AKIN_INDEX_CREATE);
    EXPECT_INT(add_model(index, "clip"), AKIN_OK);
    EXPECT_INT(put(index, "sub/p/a.jpg", 1), AKIN_OK);
    EXPECT_INT(put(index, "sub/p.jpg", 2), AKIN_OK);
    EXPECT_INT(put(index, "sub/p2/b.jpg", 3), AKIN_OK);
    EXPECT_INT(put(index, "sub/p", 4), AKIN_OK);
    EXPECT_INT(put(index, "sub/!", 5), AKIN_OK);
    EXPECT_INT(put(index, "subway/c.jpg", 6), AKIN_OK);
    EXPECT_INT(put_at(index, "/0/d.jpg", 7), AKIN_OK);
    EXPECT_STR(each(index, at("sub/p")), "sub/p 4; sub/p/a.jpg 1; ");
    EXPECT_STR(
        each(index, at("sub")),
        "sub/! 5; sub/p 4; sub/p.jpg 2; sub/p/a.jpg 1; sub/p2/b.jpg 3; ");
    EXPECT_STR(each(index, home),
               "subway/c.jpg 6; sub/! 5; sub/p 4; sub/p.jpg 2; sub/p/a.jpg 1; "
               "sub/p2/b.jpg 3; ");
    EXPECT_STR(each(index, "/0"), "/0/d.jpg 7; ");
    EXPECT_STR(each(index, "/00"), "");
    EXPECT_STR(each(index, "/"),
               "/0/d.jpg 7; subway/c.jpg 6; sub/! 5; sub/p 4; "
               "sub/p.jpg 2; sub/p/a.jpg 1; sub/p2/b.jpg 3; ");
    akin_index_close(&index);
    clean();
}

static akin_status stop(void *context, const char *path,
                        const struct akin__entry *entry, akin_error *error)
{
    (void)path, (void)entry, (void)error;
    ++*(int *)context;
    return AKIN_ECANCELLED;
}

static void a_visitor_can_stop(void)
{
    akin_index *index = make_index();
    int visits = 0;
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    EXPECT_INT(put(index, "b.jpg", 2), AKIN_OK);
    EXPECT_INT(akin__index_each(index, home, stop, &visits, &err),
               AKIN_ECANCELLED);
    EXPECT_INT(visits, 1);
    akin_index_close(&index);
    clean();
}

/* --------------------------------------------------------- search ------ */

static void equal_rows_come_in_order_of_path(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "c.jpg", 1), AKIN_OK);
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    EXPECT_INT(put(index, "d.jpg", 1), AKIN_OK);
    EXPECT_INT(put(index, "b.jpg", 9), AKIN_OK);
    commit(index);
    EXPECT_STR(nearest(index, 1, 1), "a.jpg");
    EXPECT_STR(nearest(index, 1, 2), "a.jpg c.jpg");
    EXPECT_STR(nearest(index, 1, 4), "a.jpg c.jpg d.jpg b.jpg");
    akin_index_close(&index);
    clean();
}

static void a_search_gives_cosine_and_score(void)
{
    akin_index *index = make_index();
    const float vector[DIM] = {0, 5, 0, 0}, zero[DIM] = {0};
    akin_match match;
    size_t found;
    EXPECT_INT(put(index, "a.jpg", 0), AKIN_OK); /* at a right angle */
    commit(index);
    EXPECT_INT(
        akin_index_search(index, "clip", vector, 1, &match, &found, &err),
        AKIN_OK);
    EXPECT_INT(found, 1);
    EXPECT(match.cosine == 0 && match.score == 0.5);
    EXPECT_INT(akin_index_search(index, "clip", zero, 1, &match, &found, &err),
               AKIN_OK);
    EXPECT(found == 1 && match.cosine == 0);
    EXPECT_INT(akin_index_search(index, "clip", zero, 0, NULL, &found, &err),
               AKIN_OK);
    EXPECT_INT(found, 0);
    akin_index_close(&index);
    clean();
}

static void a_vector_of_zeros_is_kept_and_is_like_nothing(void)
{
    akin_index *index = make_index();
    const struct akin__entry entry = entry_of(1);
    const float zero[DIM] = {0};
    const float *vectors[] = {zero};
    EXPECT_INT(
        akin__index_put(index, at("zero.jpg"), &entry, vectors, 1, 0, &err),
        AKIN_OK);
    EXPECT_INT(put(index, "opposite.jpg", 314), AKIN_OK);
    commit(index);
    EXPECT_STR(nearest(index, 0, 9), "zero.jpg opposite.jpg");
    akin_index_close(&index);
    clean();
}

static void a_number_that_is_not_finite_is_refused(void)
{
    akin_index *index = make_index();
    const struct akin__entry entry = entry_of(1);
    const float bad[DIM] = {1, NAN, 0, 0};
    const float *vectors[] = {bad};
    akin_match match;
    size_t found;
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    EXPECT_INT(akin__index_put(index, at("b.jpg"), &entry, vectors, 1, 0, &err),
               AKIN_EMODEL);
    EXPECT_STR(err.message, "model clip: number 1 of a vector is not finite");
    commit(index); /* what was staged before is still there */
    EXPECT_STR(nearest(index, 1, 9), "a.jpg");
    EXPECT_INT(akin_index_search(index, "clip", bad, 1, &match, &found, &err),
               AKIN_EUSAGE);
    akin_index_close(&index);
    clean();
}

static void a_model_that_is_not_there_is_named_with_those_that_are(void)
{
    akin_index *index = make_index();
    akin_match match;
    size_t found;
    const float vector[DIM] = {1, 0, 0, 0};
    EXPECT_INT(add_model(index, "dinov2"), AKIN_OK);
    EXPECT_INT(akin_index_search(index, "vgg", vector, 1, &match, &found, &err),
               AKIN_ENOTFOUND);
    EXPECT(strstr(err.message, "has no model vgg; it has clip, dinov2"));
    akin_index_close(&index);
    clean();
}

static void a_search_follows_what_others_commit(void)
{
    akin_index *writer = make_index();
    akin_index *reader = open_index(AKIN_INDEX_READ);
    EXPECT_INT(put(writer, "a.jpg", 1), AKIN_OK);
    commit(writer);
    EXPECT_STR(nearest(reader, 1, 9), "a.jpg");
    EXPECT_INT(put(writer, "b.jpg", 1), AKIN_OK);
    EXPECT_STR(nearest(reader, 1, 9), "a.jpg");
    commit(writer);
    EXPECT_STR(nearest(reader, 1, 9), "a.jpg b.jpg");
    EXPECT_INT(add_model(writer, "dinov2"), AKIN_OK);
    akin_index_info info;
    EXPECT_INT(akin_index_describe(reader, &info, &err), AKIN_OK);
    EXPECT_INT(info.models, 2);
    akin_index_close(&reader);
    akin_index_close(&writer);
    clean();
}

static void many_numbers_are_searched_by_threads(void)
{
    enum { ROWS = 600, WIDE = 4096 }; /* enough that threads are worth it */
    akin_index *index = open_index(AKIN_INDEX_CREATE);
    akin_index_model is = fake("wide", 'a');
    float vector[WIDE] = {0};
    const float *vectors[] = {vector};
    akin_match matches[3];
    size_t found, ordinal;
    is.dim = WIDE;
    EXPECT_INT(akin__index_model_as(index, &is, (struct akin__making){0},
                                    &ordinal, &err),
               AKIN_OK);
    for (int i = 0; i < ROWS; i++) {
        const struct akin__entry entry = entry_of(i);
        char name[32];
        vector_of(i, vector + 2000);
        snprintf(name, sizeof name, "%d", i);
        EXPECT_INT(
            akin__index_put(index, at(name), &entry, vectors, 1, 0, &err),
            AKIN_OK);
    }
    commit(index);
    for (int i = 1; i < ROWS; i += 101) {
        vector_of(i, vector + 2000);
        EXPECT_INT(
            akin_index_search(index, "wide", vector, 3, matches, &found, &err),
            AKIN_OK);
        EXPECT_INT(atoi(matches[0].path + strlen(home) + 1), i);
        EXPECT_INT(found, 3);
    }
    akin_index_close(&index);
    clean();
}

/* --------------------------------------------------------- models ------ */

static akin_status add_like(akin_index *index, akin_index_model is,
                            struct akin__making making)
{
    size_t ordinal = 99;
    return akin__index_model_as(index, &is, making, &ordinal, &err);
}

static const struct akin__making as_usual = {0};

static void a_model_of_other_weights_or_pool_is_refused(void)
{
    akin_index *index = make_index();
    akin_index_model is = fake("clip", 'b');
    EXPECT_INT(add_like(index, fake("clip", 'a'), as_usual), AKIN_OK);
    EXPECT_INT(add_like(index, is, as_usual), AKIN_EINDEX);
    EXPECT(strstr(err.message, "added with other weights or preprocessing "
                               "(fingerprint aaaaaaaaaaaa from /models/fake, "
                               "not bbbbbbbbbbbb"));
    is.pool = "mean";
    EXPECT_INT(add_like(index, is, as_usual), AKIN_EINDEX);
    EXPECT(strstr(err.message, "added with --pool cls, not mean; use --pool "
                               "cls or another index (-i)"));
    akin_index_close(&index);
    clean();
}

static void models_made_in_two_ways_never_share_an_index(void)
{
    static const struct {
        struct akin__making making;
        const char *says;
    } other[] = {
        {{.exif = AKIN_EXIF_OFF}, "made with --exif on, not off"},
        {{.precision = AKIN_PRECISION_BF16},
         "made with --precision f32, not bf16"},
        {{.precision = AKIN_PRECISION_INT8},
         "made with --precision f32, not int8"},
        {{.decode = AKIN_DECODE_FAST}, "made with --decode exact, not fast"},
    };
    akin_index *index = make_index();
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        EXPECT_INT(add_like(index, fake("other", 'b'), other[i].making),
                   AKIN_EINDEX);
        EXPECT(strstr(err.message, other[i].says));
    }
    EXPECT_INT(add_like(index, fake("other", 'b'), as_usual), AKIN_OK);
    akin_index_close(&index);
    clean();
}

static void an_index_remembers_how_it_was_made(void)
{
    const struct akin__making making = {AKIN_EXIF_OFF, AKIN_PRECISION_INT8,
                                        AKIN_DECODE_FAST};
    akin_index *index = open_index(AKIN_INDEX_CREATE);
    akin_index_info info;
    EXPECT_INT(add_like(index, fake("clip", 'a'), making), AKIN_OK);
    akin_index_close(&index);
    index = open_index(AKIN_INDEX_READ);
    EXPECT_INT(akin_index_describe(index, &info, &err), AKIN_OK);
    EXPECT_INT(info.exif, AKIN_EXIF_OFF);
    EXPECT_INT(info.precision, AKIN_PRECISION_INT8);
    EXPECT_INT(info.decode, AKIN_DECODE_FAST);
    EXPECT_STR(info.model[0].precision, "int8");
    akin_index_close(&index);
    clean();
}

/* What earlier versions wrote: 0, or 1 without EXIF. */
static void bits_of_earlier_versions_mean_exact_decoding(void)
{
    akin_index_info info;
    for (int bit = 0; bit <= 1; bit++) {
        akin_index *index = make_index();
        EXPECT_INT(akin__stage(index, &err), AKIN_OK);
        EXPECT_INT(akin__sql_run(&index->write.catalog, &err,
                                 "UPDATE models SET exif = ?", "i",
                                 (int64_t)bit),
                   AKIN_OK);
        commit(index);
        akin_index_close(&index);
        index = open_index(AKIN_INDEX_READ);
        EXPECT_INT(akin_index_describe(index, &info, &err), AKIN_OK);
        EXPECT_INT(info.exif, bit ? AKIN_EXIF_OFF : AKIN_EXIF_ON);
        EXPECT_INT(info.decode, AKIN_DECODE_EXACT);
        akin_index_close(&index);
        clean();
    }
}

static void a_way_of_a_newer_akin_is_refused(void)
{
    static const char *const changes[] = {
        "UPDATE models SET exif = 4", "UPDATE models SET precision = 'int4'"};
    for (size_t i = 0; i < 2; i++) {
        akin_index *index = make_index();
        EXPECT_INT(akin__stage(index, &err), AKIN_OK);
        EXPECT_INT(akin__sql_run(&index->write.catalog, &err, changes[i], ""),
                   AKIN_OK);
        commit(index);
        akin_index_close(&index);
        EXPECT_INT(akin_index_open(&index, at("x.akin"), AKIN_INDEX_READ, &err),
                   AKIN_EINDEX);
        EXPECT(strstr(err.message, "use a newer akin"));
        akin_index_close(&index);
        clean();
    }
}

static void sixteen_models_fit_and_no_more(void)
{
    akin_index *index = make_index();
    char name[16];
    for (int i = 1; i < AKIN__MAX_MODELS; i++) {
        snprintf(name, sizeof name, "m%d", i);
        EXPECT_INT(add_model(index, name), AKIN_OK);
    }
    EXPECT_INT(add_model(index, "one more"), AKIN_ELIMIT);
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    commit(index);
    akin_index_close(&index);
    index = open_index(AKIN_INDEX_READ);
    akin_index_info info;
    EXPECT_INT(akin_index_describe(index, &info, &err), AKIN_OK);
    EXPECT_INT(info.models, AKIN__MAX_MODELS);
    EXPECT_STR(info.model[15].name, "m15");
    EXPECT_STR(info.model[15].pool, "cls");
    EXPECT_STR(info.model[15].folder, "/models/fake");
    EXPECT_INT(info.model[15].dim, DIM);
    akin_index_close(&index);
    clean();
}

/* ---------------------------------------------------------- paths ------ */

/* The only file's path as an index opened by this name shows it. */
static const char *shown_by(const char *path)
{
    akin_index *index = open_at(path, AKIN_INDEX_READ);
    static char answer[300];
    snprintf(answer, sizeof answer, "%s", nearest(index, 1, 1));
    akin_index_close(&index);
    return answer;
}

static void paths_lead_from_where_the_caller_stands(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "photos/a.jpg", 1), AKIN_OK);
    EXPECT_INT(akin__index_add_root(index, at("photos"), &err), AKIN_OK);
    EXPECT_INT(akin__index_add_root(index, home, &err), AKIN_OK);
    EXPECT_INT(akin__index_add_root(index, "/elsewhere", &err), AKIN_OK);
    commit(index);
    akin_index_close(&index);
    run("mkdir sub && ln -s ../x.akin sub/link.akin");
    EXPECT_INT(chdir(home), 0);
    EXPECT_STR(shown_by("x.akin"), "photos/a.jpg");
    EXPECT_STR(shown_by("./x.akin//"), "photos/a.jpg");
    EXPECT_STR(shown_by("sub/../x.akin"), "sub/../photos/a.jpg");
    EXPECT_STR(shown_by("sub/link.akin"), "photos/a.jpg"); /* less home */
    EXPECT_STR(shown_by(at("x.akin")), "photos/a.jpg");
    EXPECT_INT(chdir("sub"), 0);
    EXPECT_STR(shown_by("../x.akin"), "../photos/a.jpg");
    EXPECT_INT(chdir("../x.akin"), 0);
    EXPECT_STR(shown_by("."), "photos/a.jpg");

    akin_index_info info;
    EXPECT_INT(chdir(home), 0);
    index = open_at("x.akin", AKIN_INDEX_READ);
    EXPECT_INT(akin_index_describe(index, &info, &err), AKIN_OK);
    EXPECT_INT(info.roots, 3);
    EXPECT_STR(info.root[0], ".");
    EXPECT_STR(info.root[1], "/elsewhere");
    EXPECT_STR(info.root[2], "photos");
    akin_index_close(&index);
    EXPECT_INT(chdir("/"), 0);
    clean();
}

static void a_moved_disc_keeps_working(void)
{
    run("mkdir disc");
    akin_index *index = open_at(at("disc/x.akin"), AKIN_INDEX_CREATE);
    EXPECT_INT(add_model(index, "clip"), AKIN_OK);
    EXPECT_INT(put(index, "disc/a.jpg", 1), AKIN_OK);
    commit(index);
    akin_index_close(&index);
    run("mv disc elsewhere");
    index = open_at(at("elsewhere/x.akin"), AKIN_INDEX_WRITE);
    EXPECT_STR(nearest(index, 1, 1), "elsewhere/a.jpg");
    EXPECT(find(index, "elsewhere/a.jpg").id != 0);
    akin_index_close(&index);
    clean();
}

static void an_index_moved_beside_its_photos_knows_them(void)
{
    run("mkdir photos else");
    akin_index *index = open_at(at("else/x.akin"), AKIN_INDEX_CREATE);
    EXPECT_INT(add_model(index, "clip"), AKIN_OK);
    EXPECT_INT(put(index, "photos/a.jpg", 1), AKIN_OK); /* as absolute */
    commit(index);
    akin_index_close(&index);
    run("mv else/x.akin photos");
    index = open_at(at("photos/x.akin"), AKIN_INDEX_WRITE);
    EXPECT(find(index, "photos/a.jpg").id != 0);
    EXPECT_STR(each(index, at("photos")), "photos/a.jpg 1; ");
    EXPECT_INT(put(index, "photos/a.jpg", 2), AKIN_OK); /* now relative */
    commit(index);
    EXPECT_STR(each(index, at("photos")), "photos/a.jpg 2; ");
    akin_index_close(&index);
    clean();
}

int main(void)
{
    if (!make_home())
        return 1;
    RUN(what_is_staged_is_unseen_until_the_commit);
    RUN(what_was_not_committed_is_gone_after_the_close);
    RUN(an_entry_comes_back_as_it_was_put);
    RUN(a_path_of_any_bytes_comes_back);
    RUN(copies_share_a_row);
    RUN(a_file_keeps_its_rows_only_when_it_says_so);
    RUN(a_changed_file_has_its_new_vector);
    RUN(a_second_model_is_added_to_what_a_file_has);
    RUN(a_moved_file_keeps_its_row);
    RUN(of_equal_files_the_one_that_is_gone_is_found);
    RUN(a_twin_that_has_changed_lends_no_rows);
    RUN(a_failed_file_is_no_twin_and_is_listed);
    RUN(failures_are_told_in_order_of_path);
    RUN(a_folder_holds_what_lies_below_it_and_no_more);
    RUN(a_visitor_can_stop);
    RUN(equal_rows_come_in_order_of_path);
    RUN(a_search_gives_cosine_and_score);
    RUN(a_vector_of_zeros_is_kept_and_is_like_nothing);
    RUN(a_number_that_is_not_finite_is_refused);
    RUN(a_model_that_is_not_there_is_named_with_those_that_are);
    RUN(a_search_follows_what_others_commit);
    RUN(many_numbers_are_searched_by_threads);
    RUN(a_model_of_other_weights_or_pool_is_refused);
    RUN(models_made_in_two_ways_never_share_an_index);
    RUN(an_index_remembers_how_it_was_made);
    RUN(bits_of_earlier_versions_mean_exact_decoding);
    RUN(a_way_of_a_newer_akin_is_refused);
    RUN(sixteen_models_fit_and_no_more);
    RUN(paths_lead_from_where_the_caller_stands);
    RUN(a_moved_disc_keeps_working);
    RUN(an_index_moved_beside_its_photos_knows_them);
    rmdir(home);
    return tap_done();
}
