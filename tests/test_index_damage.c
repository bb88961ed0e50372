/*
 * Index: flipped bytes, cut files, processes killed and calls refused at every
 * point of a small run.
 */
#include "made_index.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "index/vfs.h"

/* ------------------------------------------- what a reader sees -------- */

static void add_failure(void *context, const char *path, const char *reason)
{
    akin__text_addf(context, "%s: %s\n", path, reason);
}

/* Everything that the index at x.akin answers, as text; a line that begins
 * with "!" and a code where it refuses. */
static akin_status tell(akin_index *index, struct akin__text *text)
{
    akin_index_info info;
    akin_status status = akin_index_count(index, &info, &err);
    if (status)
        return status;
    akin__text_addf(text, "%d files, %d failed, %d models, %d roots\n",
                    (int)info.files, (int)info.failed, (int)info.models,
                    (int)info.roots);
    for (size_t i = 0; i < info.roots; i++)
        akin__text_addf(text, "root %s\n", info.root[i]);
    if (!info.models)
        return AKIN_OK;
    akin__text_addf(text, "model %s %s %s %s %d %d\n", info.model[0].name,
                    info.model[0].folder, info.model[0].pool,
                    info.model[0].fingerprint, (int)info.model[0].dim,
                    (int)info.model[0].images);
    status = akin_index_failures(index, add_failure, text, &err);
    for (int number = 0; number < 60 && !status; number += 25) {
        akin_match matches[16];
        float vector[DIM];
        size_t found;
        vector_of(number, vector);
        status =
            akin_index_search(index, "clip", vector, 16, matches, &found, &err);
        for (size_t i = 0; i < found && !status; i++)
            akin__text_addf(text, "%s %.9f\n", matches[i].path,
                            matches[i].cosine);
    }
    return status;
}

static char *state(void)
{
    struct akin__text text = {0};
    akin_index *index = NULL;
    akin_status status =
        akin_index_open(&index, at("x.akin"), AKIN_INDEX_READ, &err);
    if (!status)
        status = tell(index, &text);
    akin_index_close(&index);
    if (status) {
        akin__text_free(&text);
        akin__text_addf(&text, "! %d %s", status, err.message);
    }
    return text.bytes;
}

/* ----------------------------------------------------- a small run ----- */

enum { STEPS = 6, TWIN = 3 };

static akin_status step(akin_index *index, int number)
{
    struct akin__entry entry = entry_of(TWIN);
    bool found;
    char name[32];
    akin_status status = AKIN_OK;
    switch (number) {
    case 1:
        status = add_model(index, "clip");
        break;
    case 2:
    case 3: /* the same files the second time, with other vectors */
        for (int i = 0; i < 4 && !status; i++) {
            snprintf(name, sizeof name, "%d.jpg", i);
            status = put(index, name, 10 * i + number);
        }
        break;
    case 4:
        status = put(index, "twin.jpg", TWIN);
        if (!status)
            status =
                akin__index_find(index, at("twin.jpg"), &entry, &found, &err);
        if (!status)
            status = akin__index_put(index, at("copy.jpg"), &entry, NULL, 0,
                                     entry.id, &err);
        if (!status)
            status = put_failed(index, "bad.jpg", "no picture");
        break;
    default:
        status = akin__index_find(index, at("2.jpg"), &entry, &found, &err);
        if (!status && found)
            status =
                akin__index_move(index, entry.id, at("moved.jpg"), 1, &err);
        if (!status)
            status = akin__index_find(index, at("1.jpg"), &entry, &found, &err);
        if (!status && found)
            status = akin__index_forget(index, entry.id, &err);
        if (!status)
            status = akin__index_add_root(index, home, &err);
        break;
    }
    return status ? status : akin__index_commit(index, &err);
}

/* Opening and STEPS - 1 commits; done(context) is called after each. */
static akin_status small_run(void (*done)(void *context), void *context)
{
    akin_index *index;
    akin_status status =
        akin_index_open(&index, at("x.akin"), AKIN_INDEX_CREATE, &err);
    for (int i = 1; i < STEPS && !status; i++) {
        done(context);
        status = step(index, i);
    }
    if (!status)
        done(context);
    akin_index_close(&index);
    return status;
}

struct states {
    char *text[STEPS + 1];
    int count;
};

static void record(void *context)
{
    struct states *states = context;
    states->text[states->count++] = state();
}

static void count_up(void *context)
{
    ++*(int *)context;
}

/* The states that the run goes through, from no index to the last. */
static struct states all_states(void)
{
    struct states states = {0};
    record(&states);
    EXPECT_INT(small_run(record, &states), AKIN_OK);
    EXPECT_INT(states.count, STEPS + 1);
    clean();
    return states;
}

static void free_states(struct states *states)
{
    for (int i = 0; i < states->count; i++)
        akin__free(states->text[i]);
}

/* Whether the index is as after `done` steps or one more; a folder that is not
 * an index yet counts as none. */
static int is_after(const struct states *states, int done)
{
    char *now = state();
    int fits = done == 0 && strncmp(now, "! -4", 4) == 0;
    for (int i = done; i <= done + 1 && i < states->count; i++)
        fits |= strcmp(now, states->text[i]) == 0;
    if (!fits)
        printf("# after %d steps: %s\n", done, now);
    akin__free(now);
    return fits;
}

static void run_to_the_end(const struct states *states)
{
    int done = 0;
    EXPECT_INT(small_run(count_up, &done), AKIN_OK);
    EXPECT(is_after(states, STEPS));
}

/* ----------------------------------------------------------- kill ------ */

static int countdown; /* calls until something happens; 0: nothing will */

static int kill_here(const char *call, const char *path)
{
    (void)call, (void)path;
    if (countdown && --countdown == 0)
        kill(getpid(), SIGKILL);
    return 0;
}

static void tell_parent(void *context)
{
    if (write(*(int *)context, "", 1) != 1)
        _exit(3);
}

/* Run in a process that is killed before its nth call. How many steps it had
 * told of, and whether it came to its end. */
static int killed_run(int n, bool *ended)
{
    int ends[2], code, acknowledged = 0;
    char byte;
    EXPECT_INT(pipe(ends), 0);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        countdown = n;
        akin__fault = kill_here;
        _exit(small_run(tell_parent, &ends[1]) == AKIN_OK ? 0 : 1);
    }
    close(ends[1]);
    while (read(ends[0], &byte, 1) == 1)
        acknowledged++;
    close(ends[0]);
    EXPECT_INT(waitpid(child, &code, 0), child);
    *ended = WIFEXITED(code);
    EXPECT(*ended ? WEXITSTATUS(code) == 0 : WTERMSIG(code) == SIGKILL);
    return acknowledged;
}

static void a_killed_writer_loses_nothing_that_it_had_committed(void)
{
    struct states states = all_states();
    bool ended = false;
    int n = 0;
    while (!ended && !tap_failed_here) {
        const int done = killed_run(++n, &ended);
        EXPECT(is_after(&states, done));
        if (n % 5 == 0) /* what is left serves the next writer */
            run_to_the_end(&states);
        clean();
    }
    printf("# killed at %d calls\n", n - 1);
    free_states(&states);
}

/* -------------------------------------------------------- refused ------ */

static int refused_with, refused_again, refusals;
static const char *refused_call; /* NULL: any */

static int refuse(const char *call, const char *path)
{
    (void)path;
    if (refused_call && strcmp(call, refused_call) != 0)
        return 0;
    if (countdown > 1)
        return countdown--, 0;
    if (countdown == 1 && !refused_again)
        countdown = 0;
    else if (countdown == 0)
        return 0;
    refusals++;
    return refused_with;
}

/* The run with its nth call refused, for every n: it `must_fail`, or may go on
 * where the call did not matter. */
static void refuse_each(const char *call, int number, int again, bool must_fail)
{
    struct states states = all_states();
    akin_status status = AKIN_EIO;
    int n = 0;
    refused_with = number;
    refused_again = again;
    refused_call = call;
    for (bool reached = true; reached && !tap_failed_here;) {
        int done = 0;
        countdown = ++n;
        refusals = 0;
        akin__fault = refuse;
        status = small_run(count_up, &done);
        akin__fault = NULL;
        reached = refusals > 0;
        if (reached && (must_fail || status))
            EXPECT_INT(status, AKIN_EIO);
        EXPECT(is_after(&states, done));
        if (n % 5 == 0)
            run_to_the_end(&states);
        clean();
    }
    EXPECT_INT(status, AKIN_OK);
    printf("# refused at %d calls\n", n - 1);
    free_states(&states);
}

static void a_disc_error_at_any_call_loses_nothing(void)
{
    refuse_each(NULL, EIO, 0, false);
}

static void a_disc_that_stays_broken_loses_nothing(void)
{
    refuse_each(NULL, EIO, 1, true);
}

static void a_full_disc_at_any_write_loses_nothing(void)
{
    refuse_each("write", ENOSPC, 1, true);
}

static void a_failed_sync_is_no_commit(void)
{
    refuse_each("sync", EIO, 0, true);
}

static void a_process_without_more_descriptors_loses_nothing(void)
{
    refuse_each("open", EMFILE, 0, false);
    refuse_each("open", EMFILE, 1, true);
}

/* A failure at the next write drops what is staged, b.jpg; the message is of
 * the file `named`, and the writer goes on as if nothing had been. */
static void fail_and_go_on(akin_status (*fail)(akin_index *index),
                           const char *named)
{
    akin_index *index = make_index();
    EXPECT_INT(put(index, "a.jpg", 1), AKIN_OK);
    commit(index);
    EXPECT_INT(put(index, "b.jpg", 2), AKIN_OK);
    refused_with = ENOSPC;
    refused_again = 1;
    refused_call = "write";
    countdown = 1;
    akin__fault = refuse;
    EXPECT_INT(fail(index), AKIN_EIO);
    akin__fault = NULL;
    if (!EXPECT(strstr(err.message, named)))
        printf("# %s\n", err.message);
    EXPECT_STR(nearest(index, 1, 9), "a.jpg");
    EXPECT_INT(put(index, "c.jpg", 3), AKIN_OK);
    commit(index);
    EXPECT_STR(nearest(index, 3, 9), "c.jpg a.jpg");
    akin_index_close(&index);
    run("test $(stat -c %s x.akin/rows-0.f32) = $((64 + 2 * 16))");
    clean();
}

static akin_status put_another(akin_index *index)
{
    return put(index, "d.jpg", 4);
}

static akin_status commit_it(akin_index *index)
{
    return akin__index_commit(index, &err);
}

static void a_failed_put_drops_what_was_staged_and_goes_on(void)
{
    fail_and_go_on(put_another, "x.akin/rows-0.f32: 16 bytes not written: No "
                                "space left on device");
}

static void a_failed_commit_drops_what_was_staged_and_goes_on(void)
{
    fail_and_go_on(commit_it,
                   "x.akin/catalog.db: 4 bytes not written: No space left "
                   "on device");
}

/* --------------------------------------------------------- damage ------ */

/* A whole index, and what it tells. */
static char *make_whole(void)
{
    int done = 0;
    EXPECT_INT(small_run(count_up, &done), AKIN_OK);
    run("rm -rf whole && cp -r x.akin whole");
    return state();
}

static uint8_t *bytes_of(const char *path, size_t *count)
{
    uint8_t *bytes;
    EXPECT_INT(akin__read_file(path, 1 << 20, &bytes, count, NULL, &err),
               AKIN_OK);
    return bytes;
}

static void write_bytes(const char *path, const uint8_t *bytes, size_t count)
{
    struct akin__file file;
    EXPECT_INT(akin__file_open(&file, path, AKIN__FRESH, &err), AKIN_OK);
    EXPECT_INT(akin__file_write(&file, bytes, count, 0, &err), AKIN_OK);
    akin__file_close(&file);
}

/* Whether the index tells what it told, or that it is damaged. */
static int same_or_refused(const char *whole, size_t where)
{
    char *now = state();
    /* Byte 63 of a catalog has its version, which may be a newer one's. */
    const int refused = strncmp(now, "! -10", 5) == 0 ||
                        (where == 63 && strncmp(now, "! -9", 4) == 0);
    const int fits = refused || strcmp(now, whole) == 0;
    if (!fits)
        printf("# byte %zu: %s\n", where, now);
    akin__free(now);
    return fits ? 1 + refused : 0;
}

/* Every byte of x.akin/NAME with one of its bits turned over. */
static void flip_each(const char *name)
{
    char *whole = make_whole();
    char path[64];
    size_t count, seen = 0, refused = 0;
    snprintf(path, sizeof path, "x.akin/%s", name);
    uint8_t *bytes = bytes_of(at(path), &count);
    for (size_t i = 0; i < count; i++) {
        bytes[i] ^= (uint8_t)(1 << i % 8);
        write_bytes(at(path), bytes, count);
        bytes[i] ^= (uint8_t)(1 << i % 8);
        const int found = same_or_refused(whole, i);
        EXPECT(found);
        seen++;
        refused += found == 2;
    }
    printf("# %s: %zu of %zu flips seen, the rest without effect\n", name,
           refused, seen);
    EXPECT(refused > seen / 3);
    akin__free(bytes);
    akin__free(whole);
    clean();
}

static void a_flipped_bit_of_the_catalog_is_seen(void)
{
    flip_each("catalog.db");
}

static void a_flipped_bit_of_the_rows_is_seen(void)
{
    flip_each("rows-0.f32");
}

/* A cut into the last `spare` bytes may be without effect. */
static void cut_each(const char *name, size_t stride, size_t spare)
{
    char *whole = make_whole();
    char path[64];
    size_t count;
    snprintf(path, sizeof path, "x.akin/%s", name);
    uint8_t *bytes = bytes_of(at(path), &count);
    if (getenv("AKIN_EVERY_BYTE"))
        stride = 1;
    for (size_t i = 0; i < count; i += stride) {
        write_bytes(at(path), bytes, i);
        EXPECT(same_or_refused(whole, i) >= (i < count - spare ? 2 : 1));
    }
    akin__free(bytes);
    akin__free(whole);
    clean();
}

static void a_catalog_cut_short_is_seen(void)
{
    /* The last page is one of the details, which no answer here needs. */
    cut_each("catalog.db", 509, 4096);
}

static void rows_cut_short_are_seen(void)
{
    cut_each("rows-0.f32", 1, 0);
}

static void damage_of_a_row_file_is_told_with_the_way_out(void)
{
    static const char *const damages[] = {
        "rm x.akin/rows-0.f32", "truncate -s 100 x.akin/rows-0.f32",
        "printf xx | dd of=x.akin/rows-0.f32 conv=notrunc status=none"};
    char *whole = make_whole();
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        run(damages[i]);
        char *now = state();
        EXPECT(strstr(now, "x.akin/rows-0.f32: ") != NULL);
        if (!EXPECT(strstr(now, "; `akin repair` keeps what holds")))
            printf("# %s\n", now);
        akin__free(now);
        run("rm -rf x.akin && cp -r whole x.akin");
    }
    akin__free(whole);
    clean();
}

/* A writer must not build on damage either. */
static void a_writer_sees_damage_when_it_comes_to_it(void)
{
    char *whole = make_whole();
    size_t count;
    uint8_t *bytes = bytes_of(at("x.akin/catalog.db"), &count);
    for (size_t i = 100; i < count; i += 1021) {
        akin_index *index;
        bytes[i] ^= 1;
        write_bytes(at("x.akin/catalog.db"), bytes, count);
        bytes[i] ^= 1;
        akin_status status =
            akin_index_open(&index, at("x.akin"), AKIN_INDEX_CREATE, &err);
        for (int n = 1; n < STEPS && !status; n++)
            status = step(index, n);
        akin_index_close(&index);
        if (status) /* or the page was not needed */
            EXPECT_INT(status, AKIN_ECORRUPT);
        run("rm -rf x.akin && cp -r whole x.akin");
    }
    akin__free(bytes);
    akin__free(whole);
    clean();
}

/* A catalog that somebody made up has right checksums and wrong contents. */
static void a_catalog_with_senseless_contents_is_refused(void)
{
    static const char *const changes[] = {
        "UPDATE rows SET row = 1000",
        "UPDATE rows SET row = -1",
        "UPDATE rows SET row = 4294967296",
        "UPDATE rows SET row = 'x'",
        "UPDATE rows SET crc = crc + 1",
        "UPDATE rows SET file = file + 1000",
        "UPDATE models SET rows = 1000000",
        "UPDATE models SET rows = -1",
        "UPDATE models SET dim = 0",
        "UPDATE models SET dim = 8",
        "UPDATE models SET dim = 4294967300",
        "UPDATE models SET dim = 1000000",
        "UPDATE models SET ordinal = 1",
        "UPDATE models SET ordinal = 40",
        "UPDATE models SET fingerprint = 'zz'",
        "UPDATE models SET fingerprint = replace(fingerprint, 'a', 'b')",
        "UPDATE files SET path = x'00' WHERE failed",
        "UPDATE files SET path = x'' WHERE path = x'332e6a7067'",
        "UPDATE files SET path = x'612e00' WHERE path = x'332e6a7067'",
        "UPDATE roots SET path = zeroblob(3)",
        "CREATE TRIGGER t AFTER INSERT ON files BEGIN SELECT 1; END",
        "DROP TABLE roots",
        "CREATE TABLE more(x)",
    };
    char *whole = make_whole();
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        sqlite3 *db;
        EXPECT_INT(sqlite3_open_v2(at("x.akin/catalog.db"), &db,
                                   SQLITE_OPEN_READWRITE, akin__vfs()),
                   SQLITE_OK);
        EXPECT_INT(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
        if (sqlite3_total_changes(db) || i > 19) {
            char *now = state();
            if (!EXPECT(strncmp(now, "! -10", 5) == 0))
                printf("# %s: %s\n", changes[i], now);
            akin__free(now);
        } else {
            EXPECT_STR(changes[i], "a change");
        }
        sqlite3_close(db);
        run("rm -rf x.akin && cp -r whole x.akin");
    }
    akin__free(whole);
    clean();
}

int main(void)
{
    if (!make_home())
        return 1;
    RUN(a_killed_writer_loses_nothing_that_it_had_committed);
    RUN(a_disc_error_at_any_call_loses_nothing);
    RUN(a_disc_that_stays_broken_loses_nothing);
    RUN(a_full_disc_at_any_write_loses_nothing);
    RUN(a_failed_sync_is_no_commit);
    RUN(a_process_without_more_descriptors_loses_nothing);
    RUN(a_failed_put_drops_what_was_staged_and_goes_on);
    RUN(a_failed_commit_drops_what_was_staged_and_goes_on);
    RUN(a_flipped_bit_of_the_catalog_is_seen);
    RUN(a_flipped_bit_of_the_rows_is_seen);
    RUN(a_catalog_cut_short_is_seen);
    RUN(rows_cut_short_are_seen);
    RUN(damage_of_a_row_file_is_told_with_the_way_out);
    RUN(a_writer_sees_damage_when_it_comes_to_it);
    RUN(a_catalog_with_senseless_contents_is_refused);
    rmdir(home);
    return tap_done();
}
