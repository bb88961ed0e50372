/* Index: places that are refused, locks, media that cannot be written, many
 * readers beside a writer, and exports that are whole or not there. */
#include "made_index.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/fault.h"
#include "base/hash.h"

/* The code that opening `name` ends with; `err` says the rest. */
static akin_status refusal(const char *name, akin_index_mode mode)
{
    akin_index *index;
    const akin_status status = akin_index_open(&index, at(name), mode, &err);
    akin_index_close(&index);
    return status;
}

/* Whether the message is `name`, as given, and then `text`. */
static int says(const char *name, const char *text)
{
    char want[1024];
    snprintf(want, sizeof want, "%s%s", at(name), text);
    return tap_expect_str(err.message, want, __FILE__, __LINE__);
}

static void an_index_that_is_not_there_names_the_command_that_makes_it(void)
{
    EXPECT_INT(refusal("x.akin", AKIN_INDEX_READ), AKIN_ENOTFOUND);
    EXPECT(says("x.akin", ": no such index; run: akin index FOLDER"));
    EXPECT_INT(refusal("x.akin", AKIN_INDEX_WRITE), AKIN_ENOTFOUND);
    EXPECT(!akin__exists(at("x.akin")));
    clean();
}

static void a_photo_is_no_index(void)
{
    run("echo > photo.jpg");
    EXPECT_INT(refusal("photo.jpg", AKIN_INDEX_READ), AKIN_EINDEX);
    EXPECT(says("photo.jpg", ": is a file, not an index folder"));
    EXPECT_INT(refusal("photo.jpg", AKIN_INDEX_CREATE), AKIN_EINDEX);
    EXPECT_INT(refusal("photo.jpg/x.akin", AKIN_INDEX_READ), AKIN_ENOTFOUND);
    EXPECT_INT(refusal("photo.jpg/x.akin", AKIN_INDEX_CREATE), AKIN_EIO);
    clean();
}

static void a_folder_with_other_things_in_it_is_left_alone(void)
{
    run("mkdir d && echo > d/photo.jpg");
    for (int empty = 0; empty <= 1; empty++) {
        for (int mode = AKIN_INDEX_READ; mode <= AKIN_INDEX_CREATE; mode++) {
            EXPECT_INT(refusal("d", (akin_index_mode)mode), AKIN_EINDEX);
            EXPECT(says("d", ": is not an akin index but a folder with "
                             "photo.jpg in it; name another"));
        }
        run("test \"$(ls -A d | grep -v catalog.db)\" = photo.jpg");
        run("touch d/catalog.db");
    }
    clean();
}

static void what_was_begun_is_said_so_and_becomes_an_index(void)
{
    static const char *const begun[] = {
        "mkdir x.akin", "mkdir x.akin && touch x.akin/lock",
        "mkdir x.akin && touch x.akin/catalog.db",
        "mkdir x.akin && touch x.akin/catalog.db x.akin/catalog.db-journal"};
    for (size_t i = 0; i < sizeof begun / sizeof *begun; i++) {
        run(begun[i]);
        for (int mode = AKIN_INDEX_READ; mode <= AKIN_INDEX_WRITE; mode++) {
            EXPECT_INT(refusal("x.akin", (akin_index_mode)mode),
                       AKIN_ENOTFOUND);
            EXPECT(says("x.akin", ": is an index that was begun and not "
                                  "finished; `akin index FOLDER` makes it, or "
                                  "delete it"));
        }
        EXPECT_INT(refusal("x.akin", AKIN_INDEX_CREATE), AKIN_OK);
        EXPECT_INT(refusal("x.akin", AKIN_INDEX_READ), AKIN_OK);
        clean();
    }
    EXPECT_INT(refusal("new/inner/x.akin", AKIN_INDEX_CREATE), AKIN_OK);
    clean();
}

static void rows_without_a_catalog_are_no_beginning(void)
{
    akin_index *index = make_index();
    akin_index_close(&index);
    run("rm x.akin/catalog.db && cp -r x.akin before");
    for (int empty = 0; empty <= 1; empty++) {
        for (int mode = AKIN_INDEX_READ; mode <= AKIN_INDEX_CREATE; mode++) {
            EXPECT_INT(refusal("x.akin", (akin_index_mode)mode), AKIN_ECORRUPT);
            EXPECT(says("x.akin", ": its catalog.db is lost; restore the "
                                  "folder from a copy, or delete it and index "
                                  "again"));
        }
        run("diff -r x.akin before");
        run("touch x.akin/catalog.db before/catalog.db");
    }
    clean();
}

static void another_programs_catalog_is_left_alone(void)
{
    run("mkdir d e");
    make_other_database(at("d/catalog.db"));
    run("cp d/catalog.db before && echo no database > e/catalog.db");
    EXPECT_INT(refusal("d", AKIN_INDEX_READ), AKIN_EINDEX);
    EXPECT_INT(refusal("d", AKIN_INDEX_CREATE), AKIN_EINDEX);
    EXPECT_INT(refusal("e", AKIN_INDEX_CREATE), AKIN_EINDEX);
    run("cmp before d/catalog.db");
    clean();
}

/* Write `number` where the catalog keeps its user_version, checksum and all. */
static void set_version(const char *catalog, uint32_t number)
{
    uint8_t page[4096];
    struct akin__file file;
    EXPECT_INT(akin__file_open(&file, catalog, AKIN__WRITE, &err), AKIN_OK);
    EXPECT_INT(akin__file_read(&file, page, sizeof page, 0, &err), AKIN_OK);
    for (int i = 0; i < 4; i++)
        page[60 + i] = (uint8_t)(number >> 8 * (3 - i));
    akin__store_le32(page + 4092, akin__crc32(page, 4092) ^ 1);
    EXPECT_INT(akin__file_write(&file, page, sizeof page, 0, &err), AKIN_OK);
    akin__file_close(&file);
}

static void an_index_of_a_newer_version_is_told_apart(void)
{
    akin_index *index = make_index();
    akin_index_close(&index);
    set_version(at("x.akin/catalog.db"), 7);
    EXPECT_INT(refusal("x.akin", AKIN_INDEX_READ), AKIN_EINDEX);
    EXPECT(says("x.akin", ": has version 7 of the index, this akin reads "
                          "up to 2; use a newer akin"));
    EXPECT_INT(refusal("x.akin", AKIN_INDEX_CREATE), AKIN_EINDEX);
    clean();
}

static void a_path_too_long_for_sqlite_is_refused(void)
{
    char name[200];
    struct akin__text path = {0};
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    akin__text_addf(&path, "%s/%s/%s/%s", home, name, name, name);
    akin_index *index;
    EXPECT_INT(akin_index_open(&index, path.bytes, AKIN_INDEX_CREATE, &err),
               AKIN_ELIMIT);
    EXPECT(strstr(err.message, "(limit 500)"));
    akin__text_free(&path);
    clean();
}

static void an_index_opened_for_reading_is_not_written(void)
{
    akin_index *index = make_index();
    akin_index_close(&index);
    index = open_index(AKIN_INDEX_READ);
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_EUSAGE);
    EXPECT_INT(akin__index_commit(index, &err), AKIN_EUSAGE);
    EXPECT_INT(add_model(index, "dinov2"), AKIN_EUSAGE);
    akin_index_close(&index);
    clean();
}

/* ---------------------------------------------------------- locks ------ */

static void a_second_writer_is_told_who_writes(void)
{
    akin_index *index = make_index();
    char who[64];
    snprintf(who, sizeof who, ": being written by pid %ld on host ",
             (long)getpid());
    const pid_t child = fork();
    if (child == 0) {
        akin_index *second;
        const double start = akin__seconds();
        const akin_status status =
            akin_index_open(&second, at("x.akin"), AKIN_INDEX_WRITE, &err);
        const double waited = akin__seconds() - start;
        _exit(status != AKIN_ELOCKED || !strstr(err.message, who) ? 1
              : waited > 0.1                                      ? 2
                                                                  : 0);
    }
    int ended;
    EXPECT_INT(waitpid(child, &ended, 0), child);
    EXPECT_INT(ended, 0);
    EXPECT_INT(refusal("x.akin", AKIN_INDEX_CREATE), AKIN_ELOCKED);
    EXPECT_INT(refusal("x.akin", AKIN_INDEX_READ), AKIN_OK);
    akin_index_close(&index);
    EXPECT_INT(refusal("x.akin", AKIN_INDEX_WRITE), AKIN_OK);
    clean();
}

enum { MOST_PAIRS = 600, READERS = 8, SHARING = 2 };
static int pairs; /* at most MOST_PAIRS */
static atomic_bool done_writing;

/* Each commit adds two files of one content: to see one is to see both. */
static void *write_pairs(void *argument)
{
    akin_index *index = argument;
    akin_error mine;
    for (int i = 0; i < pairs; i++) {
        const struct akin__entry entry = entry_of(i);
        float vector[DIM];
        const float *vectors[] = {vector};
        char path[300];
        vector_of(i, vector);
        for (int twin = 0; twin < 2; twin++) {
            snprintf(path, sizeof path, "%s/%d-%d.jpg", home, i, twin);
            if (akin__index_put(index, path, &entry, vectors, 1, 0, &mine))
                printf("# %s\n", mine.message);
        }
        if (akin__index_commit(index, &mine))
            printf("# %s\n", mine.message);
    }
    atomic_store(&done_writing, true);
    return NULL;
}

static void *read_pairs(void *argument)
{
    akin_index *index = argument;
    akin_error mine;
    size_t wrong = 0, last = 0;
    while (!atomic_load(&done_writing) || last < 2 * (size_t)pairs) {
        akin_match matches[2 * MOST_PAIRS];
        const float query[DIM] = {1, 1, 0, 0};
        size_t found;
        if (akin_index_search(index, "clip", query, 2 * (size_t)pairs, matches,
                              &found, &mine)) {
            printf("# %s\n", mine.message);
            return (void *)1;
        }
        wrong += found % 2 != 0 || found < last;
        for (size_t i = 0; i + 1 < found; i += 2)
            wrong += matches[i].cosine != matches[i + 1].cosine;
        last = found;
    }
    return (void *)wrong;
}

/* Verifies as long as there is a writer. */
static void *verify_pairs(void *argument)
{
    const char *path = argument;
    akin_error mine;
    size_t wrong = 0;
    while (!atomic_load(&done_writing)) {
        akin_check_report report;
        if (akin_index_verify(path, NULL, &report, &mine)) {
            printf("# %s\n", mine.message);
            return (void *)1;
        }
        wrong += report.pictures % 2 != 0 || report.rows != report.pictures;
    }
    return (void *)wrong;
}

/* Readers with handles of their own, two that share the writer's, and one that
 * verifies. */
static void read_while_writing(void)
{
    akin_index *writer = make_index(), *reader[READERS];
    pthread_t threads[READERS + 2];
    char path[300];
    snprintf(path, sizeof path, "%s", at("x.akin"));
    atomic_store(&done_writing, false);
    pairs = getenv("AKIN_EVERY_BYTE") ? MOST_PAIRS : 60;
    for (int i = 0; i < READERS; i++) {
        reader[i] = i < SHARING ? writer : open_index(AKIN_INDEX_READ);
        EXPECT_INT(pthread_create(&threads[i], NULL, read_pairs, reader[i]), 0);
    }
    EXPECT_INT(pthread_create(&threads[READERS], NULL, write_pairs, writer), 0);
    EXPECT_INT(pthread_create(&threads[READERS + 1], NULL, verify_pairs, path),
               0);
    for (int i = 0; i < READERS + 2; i++) {
        void *wrong;
        EXPECT_INT(pthread_join(threads[i], &wrong), 0);
        EXPECT(wrong == NULL);
    }
    for (int i = SHARING; i < READERS; i++)
        akin_index_close(&reader[i]);
    akin_index_close(&writer);
    clean();
}

static void every_search_sees_one_generation(void)
{
    const double least = getenv("AKIN_EVERY_BYTE") ? 60 : 0;
    const double start = akin__seconds();
    do
        read_while_writing();
    while (akin__seconds() - start < least);
}

/* ---------------------------------------------------------- media ------ */

/* Run `work` as a process that ends with 0 when all went well, 77 when this
 * machine does not let it be tried. */
static void apart(int (*work)(void))
{
    int ended = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const int code = work();
        fflush(stdout);
        _exit(code);
    }
    EXPECT_INT(waitpid(child, &ended, 0), child);
    if (WIFEXITED(ended) && WEXITSTATUS(ended) == 77)
        tap_skip("needs to be root in a namespace of its own");
    else
        EXPECT_INT(ended, 0);
}

/* Home becomes a disc of this many bytes that only this process sees. */
static int mount_disc(const char *options)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("akin", home, "tmpfs", 0, options) == 0;
}

/* Copies the index at the moment before its commit. */
static int copy_uncommitted(const char *call, const char *path)
{
    if (strcmp(call, "remove") == 0 && strstr(path, "-journal"))
        run("cp -r x.akin stopped.akin");
    return 0;
}

static int read_only_media(void)
{
    if (!mount_disc("size=4m"))
        return 77;
    akin_index *index = make_index();
    put(index, "a.jpg", 1);
    commit(index);
    put(index, "b.jpg", 1);
    akin__fault = copy_uncommitted;
    commit(index);
    akin__fault = NULL;
    akin_index_close(&index);
    if (mount("akin", home, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        return 77;
    index = open_index(AKIN_INDEX_READ);
    if (!index || strcmp(nearest(index, 1, 9), "a.jpg b.jpg") != 0)
        return 1;
    akin_index_close(&index);
    if (akin_index_verify(at("x.akin"), NULL, NULL, &err))
        return 5;
    if (refusal("x.akin", AKIN_INDEX_WRITE) != AKIN_EIO)
        return 2;
    if (refusal("stopped.akin", AKIN_INDEX_READ) != AKIN_EIO ||
        !strstr(err.message, "open it once where it can be written"))
        return 3;
    if (mount("akin", home, NULL, MS_REMOUNT, NULL) != 0)
        return 77;
    index = open_at(at("stopped.akin"), AKIN_INDEX_READ);
    const int undone = index && !strcmp(nearest(index, 1, 9), "a.jpg");
    akin_index_close(&index);
    return undone ? 0 : 4;
}

static void read_only_media_are_searched(void)
{
    apart(read_only_media);
}

static int without_permission(void)
{
    if (getuid() == 0 && setuid(65534) != 0)
        return 77;
    akin_index *index = open_index(AKIN_INDEX_READ);
    if (!index || strcmp(nearest(index, 1, 9), "a.jpg") != 0)
        return 1;
    akin_index_close(&index);
    if (refusal("x.akin", AKIN_INDEX_WRITE) != AKIN_EIO)
        return 2;
    return strstr(err.message, "/lock: Permission denied") ? 0 : 3;
}

static void a_reader_needs_no_permission_to_write(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    commit(index);
    akin_index_close(&index);
    run("chmod 755 . && chmod 555 x.akin && chmod 444 x.akin/*");
    apart(without_permission);
    run("chmod 755 x.akin");
    clean();
}

/* Whether the index's folder holds anything but its own files. */
static int has_left_overs(void)
{
    struct akin__names names;
    int strange = 0;
    EXPECT_INT(akin__list_folder(at("x.akin"), &names, &err), AKIN_OK);
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.name[i];
        strange += strcmp(name, "catalog.db") && strcmp(name, "lock") &&
                   strncmp(name, "rows-", 5) && strncmp(name, "codes-", 6);
    }
    akin__names_free(&names);
    return strange;
}

/* Fill a disc of `pages` pages: what was committed stays, and room makes it go
 * on. */
static int fill_disc(int pages)
{
    char name[64];
    int committed = 0;
    snprintf(name, sizeof name, "size=%dk", 4 * pages);
    if (mount("akin", home, "tmpfs", 0, name) != 0)
        return 77;
    run("head -c 40000 /dev/zero > ballast");
    akin_index *index = make_index();
    akin_status status = AKIN_OK;
    for (int i = 0; !status && i < 100000; i++) {
        snprintf(name, sizeof name, "%d.jpg", i);
        status = put(index, name, i);
        if (!status && i % 20 == 19)
            status = akin__index_commit(index, &err);
        if (!status && i % 20 == 19)
            committed = i + 1;
    }
    if (pages % 10 == 0)
        printf("# %d pages: %d files, then: %s\n", pages, committed,
               err.message);
    if (status != AKIN_EIO || count_files(index) != (uint64_t)committed)
        return 1;
    if (!strstr(err.message, " bytes not written: No space left on device"))
        return 2;
    run("rm ballast");
    if (put(index, "after.jpg", 1) || akin__index_commit(index, &err))
        return 3;
    akin_index_close(&index);
    index = open_index(AKIN_INDEX_READ);
    if (!index || count_files(index) != (uint64_t)committed + 1)
        return 4;
    akin_index_close(&index);
    if (akin_index_verify(at("x.akin"), NULL, NULL, &err) || has_left_overs())
        return 5;
    return umount(home) ? 6 : 0;
}

/* Each size lets another write be the one that finds the disc full. */
static int full_discs(void)
{
    enum { LEAST = 46, SIZES = 50 };
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return 77;
    for (int i = 0; i < SIZES; i++) {
        const int code = fill_disc(LEAST + i);
        if (code)
            printf("# %d pages: step %d: %s\n", LEAST + i, code, err.message);
        if (code)
            return code;
    }
    return 0;
}

static void a_full_disc_keeps_what_was_committed(void)
{
    apart(full_discs);
}

/* --------------------------------------------------------- export ------ */

static void a_newline_is_refused_where_paths_are_lines(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a\nb.jpg", 1), AKIN_OK);
    commit(index);
    EXPECT_INT(
        akin_index_export(index, "clip", AKIN_EXPORT_NPY, at("out"), &err),
        AKIN_ELIMIT);
    EXPECT(strstr(err.message, "/a\\x0ab.jpg: a path with a newline"));
    EXPECT_INT(
        akin_index_export(index, "clip", AKIN_EXPORT_JSONL, at("out"), &err),
        AKIN_OK);
    run("grep -qF 'a\\nb.jpg\",\"model\":\"clip\",\"dim\":4,\"vector\":[0.99' "
        "out");
    akin_index_close(&index);
    clean();
}

static int failing; /* the call that fails, counted down; 0: none */

static int fail_one(const char *call, const char *path)
{
    (void)call, (void)path;
    return failing && --failing == 0 ? ENOSPC : 0;
}

static void an_export_is_whole_or_not_there(void)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    commit(index);
    run("echo old > out && echo old > out.paths");
    akin__fault = fail_one;
    for (int n = 1;; n++) {
        failing = n;
        const akin_status status = akin_index_export(
            index, "clip", AKIN_EXPORT_FAISS, at("out"), &err);
        if (failing)
            break;
        EXPECT_INT(status, AKIN_EIO);
        run("test ! -e out.*.tmp -a ! -e out.paths.*.tmp");
    }
    akin__fault = NULL;
    failing = 0;
    run("test $(stat -c %s out) = $((45 + 4 * 4))");
    EXPECT_INT(akin_index_export(index, "clip", AKIN_EXPORT_FAISS, home, &err),
               AKIN_EIO);
    akin_index_close(&index);
    clean();
}

int main(void)
{
    if (!make_home())
        return 1;
    RUN(an_index_that_is_not_there_names_the_command_that_makes_it);
    RUN(a_photo_is_no_index);
    RUN(a_folder_with_other_things_in_it_is_left_alone);
    RUN(what_was_begun_is_said_so_and_becomes_an_index);
    RUN(rows_without_a_catalog_are_no_beginning);
    RUN(another_programs_catalog_is_left_alone);
    RUN(an_index_of_a_newer_version_is_told_apart);
    RUN(a_path_too_long_for_sqlite_is_refused);
    RUN(an_index_opened_for_reading_is_not_written);
    RUN(a_second_writer_is_told_who_writes);
    RUN(every_search_sees_one_generation);
    RUN(read_only_media_are_searched);
    RUN(a_reader_needs_no_permission_to_write);
    RUN(a_full_disc_keeps_what_was_committed);
    RUN(a_newline_is_refused_where_paths_are_lines);
    RUN(an_export_is_whole_or_not_there);
    rmdir(home);
    return tap_done();
}
