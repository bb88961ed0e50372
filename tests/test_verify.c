/*
 * Verify and repair: damage of every kind is named, and what is kept of it is
 * what was there.
 */
#include "made_index.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/hash.h"
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

static void a_damaged_head_hides_no_damaged_row(void)
{
    make_whole();
    flip("x.akin/rows-0.f32", 30);
    flip("x.akin/rows-0.f32", 64 + 3 * DIM * sizeof(float));
    EXPECT_INT(check(akin_index_verify), AKIN_ECORRUPT);
    EXPECT_INT(report.problems, 2);
    EXPECT(has_told("its head is damaged"));
    EXPECT(has_told("/3.jpg)"));
    EXPECT_INT(report.rows, FILES - 1);
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

/* Change the records behind the library's back, checksums and all. */
static void change(const char *sql)
{
    akin_index *index = open_index(AKIN_INDEX_WRITE);
    EXPECT_INT(akin__stage(index, &err), AKIN_OK);
    EXPECT_INT(akin__sql_run(&index->write.catalog, &err, sql, ""), AKIN_OK);
    commit(index);
    akin_index_close(&index);
}

static void more_models_than_there_can_be_are_refused(void)
{
    make_whole();
    change("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "WHERE i < 20) INSERT INTO models SELECT i, 'm' || i, folder, "
           "revision, family, pool, precision, exif, dim, fingerprint, 0 FROM "
           "models, n WHERE ordinal = 0");
    EXPECT_INT(check(akin_index_verify), AKIN_ECORRUPT);
    EXPECT(has_told("catalog.db: has more than 16 models"));
    EXPECT_INT(check(akin_index_repair), AKIN_ECORRUPT);
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

/* ------------------------------------------------- beside a writer ----- */

static akin_index *beside;
static atomic_int commits;

static void *commit_one(void *unused)
{
    akin_error mine;
    if (!akin__index_commit(beside, &mine))
        atomic_fetch_add(&commits, 1);
    return unused;
}

/* In the middle of the pages: a commit begins, and would be done by far. */
static void commit_meanwhile(void *context, const char *text, const char *path)
{
    pthread_t *thread = context;
    (void)path;
    if (!strstr(text, "wrong checksum"))
        return;
    EXPECT_INT(pthread_create(thread, NULL, commit_one, NULL), 0);
    usleep(300000);
    EXPECT_INT(atomic_load(&commits), 0);
}

static void pages_are_looked_at_while_no_commit_can_change_them(void)
{
    pthread_t thread;
    const akin_check_options options = {.size = sizeof options,
                                        .problem = commit_meanwhile,
                                        .context = &thread};
    make_whole();
    EXPECT_INT(akin_index_open(&beside, at("x.akin"), AKIN_INDEX_WRITE, &err),
               AKIN_OK);
    EXPECT_INT(put_looked(beside, "more.jpg", 77), AKIN_OK);
    /* A page of rubbish behind the last one: it stops verify for a moment and
     * is in nobody's way. */
    run("head -c 4096 /dev/urandom >>x.akin/catalog.db");
    EXPECT_INT(akin_index_verify(at("x.akin"), &options, &report, &err),
               AKIN_ECORRUPT);
    EXPECT_INT(report.problems, 1);
    if (report.problems == 1)
        EXPECT_INT(pthread_join(thread, NULL), 0);
    EXPECT_INT(atomic_load(&commits), 1);
    akin_index_close(&beside);
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
    EXPECT(has_told("rows-0.f32: its head is damaged"));
    EXPECT_INT(report.problems, 1);
    EXPECT_INT(report.lost, 0);
    EXPECT_INT(count_kept(), FILES);
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    clean();
}

static void what_is_mended_without_a_loss_is_told(void)
{
    static const struct {
        const char *name;
        size_t at_byte;
        const char *problem;
    } damages[] = {
        {"x.akin/catalog.db", 5 * 4096 + 4000, "page 6 has a wrong checksum"},
        {"x.akin/codes-0.u8", 64, "the codes of row 0 are not right"},
    };
    make_whole();
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        flip(damages[i].name, damages[i].at_byte);
        EXPECT_INT(check(akin_index_repair), AKIN_OK);
        EXPECT(has_told(damages[i].problem));
        EXPECT(report.problems > 0);
        EXPECT_INT(report.lost, 0);
        EXPECT_INT(report.rows, FILES + 1);
        EXPECT_INT(count_kept(), FILES);
        EXPECT_INT(check(akin_index_verify), AKIN_OK);
    }
    clean();
}

/* Row `number` becomes four times `value`, and its checksum with it. */
static void set_row(int number, float value)
{
    const float row[DIM] = {value, value, value, value};
    char sql[100];
    size_t count;
    uint8_t *bytes = bytes_of("x.akin/rows-0.f32", &count);
    memcpy(bytes + 64 + (size_t)number * sizeof row, row, sizeof row);
    write_bytes("x.akin/rows-0.f32", bytes, count);
    akin__free(bytes);
    snprintf(sql, sizeof sql, "UPDATE rows SET crc = %lu WHERE row = %d",
             (unsigned long)akin__crc32(row, sizeof row), number);
    change(sql);
}

static void a_row_of_wrong_length_is_no_vector_whatever_its_checksum(void)
{
    make_whole();
    set_row(5, 1);
    set_row(9, (float)NAN);
    EXPECT_INT(check(akin_index_verify), AKIN_ECORRUPT);
    EXPECT(has_told("row 5 is not of length 1"));
    EXPECT(has_told("row 9 is not of length 1"));
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    EXPECT_INT(report.lost, 2);
    EXPECT_INT(count_kept(), FILES - 2);
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

static void a_missing_row_file_costs_nothing_of_another_model(void)
{
    akin_index *index = make_index();
    EXPECT_INT(add_model(index, "dinov2"), AKIN_OK);
    for (int i = 0; i < FILES; i++) {
        const struct akin__entry entry = entry_of(i);
        float vector[DIM];
        const float *vectors[2] = {vector, vector};
        vector_of(i, vector);
        EXPECT_INT(
            akin__index_put(index, at(name_of(i)), &entry, vectors, 2, 0, &err),
            AKIN_OK);
    }
    commit(index);
    akin_index_close(&index);
    run("rm x.akin/rows-1.f32");
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    EXPECT_INT(report.rows, FILES);
    EXPECT_INT(report.lost, FILES);
    EXPECT_INT(count_kept(), FILES);
    index = open_index(AKIN_INDEX_WRITE);
    EXPECT_INT(find(index, "5.jpg").rows, 1); /* the second model's is gone */
    akin_index_close(&index);
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

/* Not even its name and whose it is. */
static void a_first_page_that_is_damaged_tells_nothing(void)
{
    static const size_t bytes[] = {0, 15, 60, 62, 68, 71};
    make_whole();
    for (size_t i = 0; i <= sizeof bytes / sizeof *bytes; i++) {
        if (i < sizeof bytes / sizeof *bytes)
            flip("x.akin/catalog.db", bytes[i]);
        else
            run("dd if=/dev/zero of=x.akin/catalog.db bs=4096 count=1 "
                "conv=notrunc status=none");
        akin_index *index = NULL;
        EXPECT_INT(akin_index_open(&index, at("x.akin"), AKIN_INDEX_READ, &err),
                   AKIN_ECORRUPT);
        EXPECT(strstr(err.message, "catalog.db: damaged: "));
        EXPECT(strstr(err.message, "; `akin repair` keeps what holds"));
        EXPECT_INT(check(akin_index_verify), AKIN_ECORRUPT);
        EXPECT_INT(check(akin_index_repair), AKIN_OK);
        EXPECT_INT(report.lost, 0);
        EXPECT_INT(count_kept(), FILES);
        EXPECT_INT(check(akin_index_verify), AKIN_OK);
        run("rm -rf x.akin && cp -r whole x.akin");
    }
    clean();
}

/* Of an older layout, and too small for all pages that a new one begins with.
 */
static void the_first_page_of_an_old_index_is_mended(void)
{
    const char *source = getenv("AKIN_SOURCE");
    struct akin__text line = {0};
    if (!source) {
        tap_skip("AKIN_SOURCE is not set");
        return;
    }
    akin__text_addf(&line, "cp -r '%s/tests/golden/v1.akin' x.akin", source);
    run(line.bytes);
    akin__text_free(&line);
    flip("x.akin/catalog.db", 40);
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    EXPECT_INT(report.pictures, 24);
    EXPECT_INT(report.rows, 24);
    EXPECT_INT(report.lost, 0);
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    clean();
}

/* Its later tables begin at other pages than those of a new index. */
static void the_first_page_of_an_index_brought_up_is_mended(void)
{
    sqlite3 *db;
    make_whole();
    EXPECT_INT(sqlite3_open_v2(at("x.akin/catalog.db"), &db,
                               SQLITE_OPEN_READWRITE, akin__vfs()),
               SQLITE_OK);
    EXPECT_INT(sqlite3_exec(db,
                            "BEGIN; DROP INDEX row_files; DROP TABLE details; "
                            "PRAGMA user_version = 1; COMMIT",
                            NULL, NULL, NULL),
               SQLITE_OK);
    sqlite3_close(db);
    akin_index *index = open_index(AKIN_INDEX_WRITE); /* brings it up */
    akin_index_close(&index);
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    flip("x.akin/catalog.db", 40);
    EXPECT_INT(check(akin_index_repair), AKIN_OK);
    EXPECT_INT(report.lost, 0);
    EXPECT_INT(count_kept(), FILES);
    EXPECT_INT(check(akin_index_verify), AKIN_OK);
    clean();
}

static void what_cannot_be_kept_is_said_with_the_way_out(void)
{
    make_whole();
    flip("x.akin/catalog.db", 4096 + 4000);
    EXPECT_INT(check(akin_index_repair), AKIN_ECORRUPT);
    EXPECT(strstr(err.message, "cannot be repaired, its table of models is "
                               "lost; restore the folder from a copy"));
    run("rm -rf x.akin/lock whole/lock && cp whole/catalog.db x.akin && "
        "diff -r x.akin whole");
    clean();
}

static void what_is_no_catalog_is_not_repaired(void)
{
    run("mkdir x.akin");
    make_other_database(at("x.akin/catalog.db"));
    run("cp -r x.akin before");
    EXPECT_INT(check(akin_index_repair), AKIN_EINDEX);
    run("diff -r x.akin before");
    run("touch x.akin/rows-0.f32 before/rows-0.f32"); /* then it was one */
    EXPECT_INT(check(akin_index_repair), AKIN_ECORRUPT);
    EXPECT(strstr(err.message, "its table of models is lost"));
    run("rm x.akin/lock && diff -r x.akin before");
    clean();
}

/* Where a catalog keeps the low byte of its version: a newer one is let alone.
 */
enum { VERSION = 63 };

/* What repair makes of x.akin: 1 whole, 0 wrong, 2 nothing could be kept. */
static int repaired(size_t where)
{
    const akin_status status = check(akin_index_repair);
    if (status == AKIN_ECORRUPT || (status == AKIN_EINDEX && where == VERSION))
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

/* ------------------------------------------------- refused, killed ----- */

static int countdown;

static int refuse_here(const char *call, const char *path)
{
    (void)path;
    if (countdown && --countdown == 0)
        return strcmp(call, "write") == 0 ? ENOSPC : EIO;
    return 0;
}

static void a_repair_that_the_disc_refuses_leaves_the_old_index(void)
{
    akin_status status = AKIN_EIO;
    int n = 0;
    make_whole();
    flip("x.akin/rows-0.f32", 64 + 5 * DIM * sizeof(float) + 2);
    run("rm -rf whole && cp -r x.akin whole");
    do {
        countdown = ++n;
        akin__fault = refuse_here;
        status = check(akin_index_repair);
        akin__fault = NULL;
        if (status) {
            EXPECT_INT(status, AKIN_EIO);
            run("test ! -e x.akin/catalog.db.new");
            EXPECT_INT(check(akin_index_repair), AKIN_OK);
        }
        run("cmp -s x.akin/catalog.db.damaged whole/catalog.db");
        EXPECT_INT(count_kept(), FILES - 1);
        EXPECT_INT(check(akin_index_verify), AKIN_OK);
        run("rm -rf x.akin && cp -r whole x.akin");
    } while (countdown == 0);
    printf("# refused at %d calls\n", n - 1);
    EXPECT(n > 50);
    clean();
}

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
    RUN(a_damaged_head_hides_no_damaged_row);
    RUN(a_damaged_page_is_named);
    RUN(a_missing_row_file_is_named);
    RUN(rows_behind_the_last_commit_are_no_problem);
    RUN(records_that_contradict_each_other_are_named);
    RUN(more_models_than_there_can_be_are_refused);
    RUN(a_check_can_be_stopped);
    RUN(pages_are_looked_at_while_no_commit_can_change_them);
    RUN(what_is_no_index_is_not_verified);
    RUN(a_whole_index_is_left_alone);
    RUN(a_damaged_row_costs_only_its_picture);
    RUN(a_damaged_head_costs_nothing);
    RUN(what_is_mended_without_a_loss_is_told);
    RUN(a_row_of_wrong_length_is_no_vector_whatever_its_checksum);
    RUN(a_short_row_file_costs_what_is_cut_off);
    RUN(a_missing_row_file_costs_all_vectors_and_no_file);
    RUN(a_missing_row_file_costs_nothing_of_another_model);
    RUN(the_damaged_catalog_is_kept);
    RUN(a_first_page_that_is_damaged_tells_nothing);
    RUN(the_first_page_of_an_old_index_is_mended);
    RUN(the_first_page_of_an_index_brought_up_is_mended);
    RUN(what_cannot_be_kept_is_said_with_the_way_out);
    RUN(what_is_no_catalog_is_not_repaired);
    RUN(a_flip_in_the_catalog_is_found_and_mended);
    RUN(a_flip_in_the_rows_is_found_and_mended);
    RUN(a_repair_that_the_disc_refuses_leaves_the_old_index);
    RUN(a_killed_repair_leaves_the_old_index_or_the_new);
    rmdir(home);
    akin__text_free(&told);
    return tap_done();
}
