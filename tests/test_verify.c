/*
 * Verify and repair: damage of every kind is named, and what is kept of it is
 * what was there.
 */
#include "made_index.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "index/vfs.h"

enum { FILES = 60, TWIN = 7 }; /* copy.jpg is a copy of 7.jpg */

static akin_check_report report;
static struct akin__text told; /* "text (path)\n" of each problem */

static void tell(void *context, const char *text, const char *path)
{
    (void)context;
    akin__text_addf(&told, "%s (%s)\n", text, path ? path : "");
}

static akin_status check(akin_status (*work)(const char *,
                                             const akin_check_options *,
                                             akin_check_report *, akin_error *))
{
    const akin_check_options options = {.size = sizeof options,
                                        .problem = tell};
    akin__text_free(&told);
    return work(at("x.akin"), &options, &report, &err);
}

static int has_told(const char *text)
{
    return told.bytes && strstr(told.bytes, text) != NULL;
}

static const char *name_of(int number)
{
    static char name[32];
    snprintf(name, sizeof name, "%d.jpg", number);
    return name;
}

static akin_status put_looked(akin_index *index, const char *name, int number)
{
    struct akin__entry entry = entry_of(number);
    float vector[DIM];
    const float *vectors[1] = {vector};
    vector_of(number, vector);
    entry.looked = true;
    entry.taken = 1000 + number;
    memset(entry.hash, number + 1, sizeof entry.hash);
    return akin__index_put(index, at(name), &entry, vectors, 1, 0, &err);
}

/* An index of FILES pictures, a copy of one, a failure and a dead row, kept as
 * "whole" beside it. */
static void make_whole(void)
{
    akin_index *index = make_index();
    for (int i = 0; i < FILES; i++)
        EXPECT_INT(put_looked(index, name_of(i), i), AKIN_OK);
    EXPECT_INT(put_looked(index, "gone.jpg", 99), AKIN_OK);
    commit(index);
    const struct akin__entry twin = find(index, name_of(TWIN));
    EXPECT_INT(
        akin__index_put(index, at("copy.jpg"), &twin, NULL, 0, twin.id, &err),
        AKIN_OK);
    EXPECT_INT(akin__index_forget(index, find(index, "gone.jpg").id, &err),
               AKIN_OK);
    EXPECT_INT(put_failed(index, "bad.jpg", "no picture"), AKIN_OK);
    EXPECT_INT(akin__index_add_root(index, home, &err), AKIN_OK);
    commit(index);
    akin_index_close(&index);
    run("rm -rf whole && cp -r x.akin whole");
}

static uint8_t *bytes_of(const char *name, size_t *count)
{
    uint8_t *bytes = NULL;
    EXPECT_INT(akin__read_file(at(name), 1 << 22, &bytes, count, NULL, &err),
               AKIN_OK);
    return bytes;
}

static void write_bytes(const char *name, const uint8_t *bytes, size_t count)
{
    struct akin__file file;
    EXPECT_INT(akin__file_open(&file, at(name), AKIN__FRESH, &err), AKIN_OK);
    EXPECT_INT(akin__file_write(&file, bytes, count, 0, &err), AKIN_OK);
    akin__file_close(&file);
}

static void flip(const char *name, size_t at_byte)
{
    size_t count;
    uint8_t *bytes = bytes_of(name, &count);
    bytes[at_byte] ^= 0x10;
    write_bytes(name, bytes, count);
    akin__free(bytes);
}

/* ---------------------------------------------------------- verify ----- */

static void a_whole_index_verifies(void)
{
    make_whole();
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    EXPECT_INT(report.problems, 0);
    EXPECT_INT(report.pictures, FILES + 1);
    EXPECT_INT(report.rows, FILES);
    EXPECT_INT(report.dead, 1);
    EXPECT_INT(report.uncommitted, 0);
    clean();
}

static void a_damaged_row_names_the_pictures_that_have_it(void)
{
    make_whole();
    flip("x.akin/rows-0.f32", 64 + TWIN * DIM * sizeof(float));
    EXPECT_INT(check(akin_index_verify), AKIN_ECORRUPT);
    EXPECT_INT(report.problems, 2);
    EXPECT(has_told("row 7 has a wrong checksum"));
    EXPECT(has_told("/7.jpg)"));
    EXPECT(has_told("/copy.jpg)"));
    clean();
}

static void a_damaged_page_is_named(void)
{
    make_whole();
    flip("x.akin/catalog.db", 3 * 4096 + 100);
    EXPECT_INT(check(akin_index_verify), AKIN_ECORRUPT);
    EXPECT(has_told("page 4 has a wrong checksum"));
    clean();
}

static void a_missing_row_file_is_named(void)
{
    make_whole();
    run("rm x.akin/rows-0.f32");
    EXPECT_INT(check(akin_index_verify), AKIN_ECORRUPT);
    EXPECT(has_told("rows-0.f32: is missing"));
    clean();
}

static void rows_behind_the_last_commit_are_no_problem(void)
{
    make_whole();
    run("head -c 160 /dev/zero >> x.akin/rows-0.f32");
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    EXPECT_INT(report.uncommitted, 10);
    clean();
}

static void records_that_contradict_each_other_are_named(void)
{
    make_whole();
    akin_index *index = open_index(AKIN_INDEX_WRITE);
    EXPECT_INT(akin__stage(index, &err), AKIN_OK);
    EXPECT_INT(akin__sql_run(&index->write.catalog, &err,
                             "DELETE FROM files WHERE id = 3", ""),
               AKIN_OK);
    EXPECT_INT(akin__sql_run(&index->write.catalog, &err,
                             "UPDATE rows SET row = 4000 WHERE file = 5", ""),
               AKIN_OK);
    commit(index);
    akin_index_close(&index);
    EXPECT_INT(check(akin_index_verify), AKIN_ECORRUPT);
    EXPECT(has_told("file 3: has a row, but no such file is known"));
    EXPECT(has_told("file 5: has a row that does not exist"));
    clean();
}

static int stop(void *context, const char *what, uint64_t done, uint64_t whole)
{
    (void)context, (void)what, (void)done, (void)whole;
    return 1;
}

static void a_check_can_be_stopped(void)
{
    const akin_check_options options = {.size = sizeof options,
                                        .progress = stop};
    make_whole();
    EXPECT_INT(akin_index_verify(at("x.akin"), &options, &report, &err),
               AKIN_ECANCELLED);
    clean();
}

static void what_is_no_index_is_not_verified(void)
{
    run("mkdir x.akin && echo photo > x.akin/a.jpg");
    EXPECT_INT(check(akin_index_verify), AKIN_EINDEX);
    run("rm -r x.akin");
    EXPECT_INT(check(akin_index_verify), AKIN_ENOTFOUND);
    clean();
}

/* ---------------------------------------------------------- repair ----- */

static void a_whole_index_is_left_alone(void)
{
    make_whole();
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    EXPECT_INT(report.problems, 0);
    run("rm -f x.akin/lock whole/lock && diff -r x.akin whole");
    clean();
}

/* How many pictures the repaired index has with their vector, each of which
 * must be as it was. */
static int count_kept(void)
{
    int kept = 0;
    akin_index *index = open_index(AKIN_INDEX_WRITE);
    if (!EXPECT(index))
        return -1;
    for (int i = 0; i < FILES; i++) {
        struct akin__entry entry, was = entry_of(i);
        akin_match match;
        float vector[DIM];
        size_t found;
        bool there;
        EXPECT_INT(
            akin__index_find(index, at(name_of(i)), &entry, &there, &err),
            AKIN_OK);
        if (!there)
            continue;
        EXPECT(memcmp(entry.content, was.content, 32) == 0);
        EXPECT_INT(entry.mtime_ns, was.mtime_ns);
        EXPECT(!entry.looked || entry.taken == 1000 + i);
        EXPECT(!entry.looked || entry.hash[0] == i + 1);
        if (!(entry.rows & 1))
            continue;
        vector_of(i, vector);
        EXPECT_INT(
            akin_index_search(index, "clip", vector, 1, &match, &found, &err),
            AKIN_OK);
        EXPECT(found == 1 && match.cosine > 1 - 1e-7);
        EXPECT(i == TWIN || strstr(match.path, name_of(i)));
        kept++;
    }
    akin_index_close(&index);
    return kept;
}

static void a_damaged_row_costs_only_its_picture(void)
{
    make_whole();
    flip("x.akin/rows-0.f32", 64 + 5 * DIM * sizeof(float) + 2);
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    EXPECT_INT(report.lost, 1);
    EXPECT(has_told("/5.jpg)"));
    EXPECT_INT(count_kept(), FILES - 1);
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    akin_index *index = open_index(AKIN_INDEX_WRITE);
    EXPECT_INT(find(index, "5.jpg").rows, 0); /* to be embedded again */
    akin_index_close(&index);
    clean();
}

static void a_damaged_head_costs_nothing(void)
{
    make_whole();
    flip("x.akin/rows-0.f32", 30);
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    EXPECT_INT(report.lost, 0);
    EXPECT_INT(count_kept(), FILES);
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    clean();
}

static void a_short_row_file_costs_what_is_cut_off(void)
{
    make_whole();
    run("truncate -s 500 x.akin/rows-0.f32"); /* (500 - 64) / 16 = 27 rows */
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    EXPECT_INT(count_kept(), 27);
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    clean();
}

static void a_missing_row_file_costs_all_vectors_and_no_file(void)
{
    make_whole();
    run("rm x.akin/rows-0.f32");
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    EXPECT_INT(count_kept(), 0);
    EXPECT_INT(report.pictures, FILES + 1);
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    clean();
}

static void the_damaged_catalog_is_kept(void)
{
    make_whole();
    flip("x.akin/catalog.db", 3 * 4096 + 100);
    run("cp x.akin/catalog.db damaged");
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    run("cmp damaged x.akin/catalog.db.damaged");
    run("test ! -e x.akin/catalog.db.new");
    clean();
}

/* What repair makes of x.akin: 1 whole, 0 wrong, 2 nothing could be kept. */
static int repaired(size_t where)
{
    const akin_status status = check(akin_index_repair);
    if (status == AKIN_ECORRUPT || status == AKIN_EINDEX)
        return 2;
    const int fits =
        !status && count_kept() >= 0 && check(akin_index_verify) == AKIN_OK;
    if (!fits)
        printf("# byte %zu: %s\n%s", where, err.message,
               told.bytes ? told.bytes : "");
    return fits;
}

/* Every `stride`th byte of x.akin/NAME with one of its bits turned over. */
static void flip_each(const char *name, size_t stride)
{
    char path[64];
    size_t count, seen = 0, noticed = 0, hopeless = 0;
    make_whole();
    snprintf(path, sizeof path, "x.akin/%s", name);
    uint8_t *bytes = bytes_of(path, &count);
    if (getenv("AKIN_EVERY_BYTE"))
        stride = 1;
    for (size_t i = 0; i < count; i += stride, seen++) {
        bytes[i] ^= (uint8_t)(1 << i % 8);
        write_bytes(path, bytes, count);
        bytes[i] ^= (uint8_t)(1 << i % 8);
        const akin_status status = check(akin_index_verify);
        noticed += status != AKIN_OK;
        if (!status) {
            EXPECT_INT(count_kept(), FILES);
        } else {
            const int how = repaired(i);
            EXPECT(how);
            hopeless += how == 2;
        }
        run("rm -rf x.akin && cp -r whole x.akin");
    }
    printf("# %s: %zu of %zu flips found, %zu of them beyond repair\n", name,
           noticed, seen, hopeless);
    akin__free(bytes);
    clean();
}

static void a_flip_in_the_catalog_is_found_and_mended(void)
{
    flip_each("catalog.db", 211);
}

static void a_flip_in_the_rows_is_found_and_mended(void)
{
    flip_each("rows-0.f32", 7);
}

/* ------------------------------------------------------------ kill ----- */

static int countdown;

static int kill_here(const char *call, const char *path)
{
    (void)call, (void)path;
    if (--countdown == 0)
        kill(getpid(), SIGKILL);
    return 0;
}

/* Repair in a process that is killed before its nth call; whether it was. */
static int killed_repair(int n)
{
    int how;
    const pid_t child = fork();
    if (child == 0) {
        countdown = n;
        akin__fault = kill_here;
        _exit(akin_index_repair(at("x.akin"), NULL, NULL, NULL) != AKIN_OK);
    }
    waitpid(child, &how, 0);
    return WIFSIGNALED(how);
}

static void a_killed_repair_leaves_the_old_index_or_the_new(void)
{
    int n = 1;
    make_whole();
    flip("x.akin/rows-0.f32", 64 + 5 * DIM * sizeof(float) + 2);
    run("rm -rf whole && cp -r x.akin whole");
    while (killed_repair(n)) {
        EXPECT_INT(check(akin_index_repair), AKIN_OK);
        EXPECT_INT(count_kept(), FILES - 1);
        EXPECT_INT(check(akin_index_verify), AKIN_OK);
        run("rm -rf x.akin && cp -r whole x.akin");
        n++;
    }
    printf("# killed at %d calls\n", n - 1);
    EXPECT(n > 50);
    clean();
}

int main(void)
{
    if (!make_home())
        return 1;
    RUN(a_whole_index_verifies);
    RUN(a_damaged_row_names_the_pictures_that_have_it);
    RUN(a_damaged_page_is_named);
    RUN(a_missing_row_file_is_named);
    RUN(rows_behind_the_last_commit_are_no_problem);
    RUN(records_that_contradict_each_other_are_named);
    RUN(a_check_can_be_stopped);
    RUN(what_is_no_index_is_not_verified);
    RUN(a_whole_index_is_left_alone);
    RUN(a_damaged_row_costs_only_its_picture);
    RUN(a_damaged_head_costs_nothing);
    RUN(a_short_row_file_costs_what_is_cut_off);
    RUN(a_missing_row_file_costs_all_vectors_and_no_file);
    RUN(the_damaged_catalog_is_kept);
    RUN(a_flip_in_the_catalog_is_found_and_mended);
    RUN(a_flip_in_the_rows_is_found_and_mended);
    RUN(a_killed_repair_leaves_the_old_index_or_the_new);
    rmdir(home);
    akin__text_free(&told);
    return tap_done();
}
