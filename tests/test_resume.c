/*
 * Runs that are stopped, killed or refused by the system: what is committed
 * stays, the next run goes on, and the index ends as if nothing had happened.
 */
#include "scene.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"

static void a_cancelled_run_keeps_what_is_done(void)
{
    begin();
    draw_many(100);
    stop_at = 40;
    EXPECT_INT(update("photos"), AKIN_ECANCELLED);
    EXPECT_INT(files_in_index(), report.added);
    EXPECT(report.added >= 40 && report.added < 50);
    stop_at = 0;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(embedded, 100);
    EXPECT_INT(files_in_index(), 100);
}

/* The rows of model one as npy with their paths behind. */
static void export(uint8_t **bytes, size_t *count)
{
    akin_index *index;
    EXPECT_INT(akin_index_open(&index, "photos.akin", AKIN_INDEX_READ, &error),
               AKIN_OK);
    EXPECT_INT(
        akin_index_export(index, "one", AKIN_EXPORT_NPY, "out.npy", &error),
        AKIN_OK);
    akin_index_close(&index);
    EXPECT_INT(run("cat out.npy out.npy.paths > out", "", ""), 0);
    EXPECT_INT(akin__read_file("out", 1 << 26, bytes, count, NULL, &error),
               AKIN_OK);
}

/* The index as it is holds the same bytes as one made at a stroke. */
static void expect_as_undisturbed(void)
{
    uint8_t *got, *want;
    size_t got_count, want_count;
    export(&got, &got_count);
    EXPECT_INT(run("rm -rf photos.akin", "", ""), 0);
    threads = 1;
    EXPECT_INT(update("photos"), AKIN_OK);
    export(&want, &want_count);
    EXPECT_INT(got_count, want_count);
    EXPECT(got_count == want_count && memcmp(got, want, want_count) == 0);
    akin__free(got);
    akin__free(want);
}

static void a_killed_run_goes_on_where_it_committed(void)
{
    int how;
    begin();
    draw_many(2500);
    const pid_t child = fork();
    if (child == 0) {
        kill_at = 2345;
        _exit(update("photos") ? 1 : 0);
    }
    EXPECT_INT(waitpid(child, &how, 0), child);
    EXPECT(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    EXPECT_INT(files_in_index(), 2000);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.unchanged, 2000);
    EXPECT_INT(report.added, 500);
    EXPECT_INT(embedded, 500);
    expect_as_undisturbed();
}

static void any_number_of_threads_gives_the_same_vectors(void)
{
    for (int t = 2; t <= 4; t += 2) {
        begin();
        draw_many(300);
        threads = t;
        EXPECT_INT(update("photos"), AKIN_OK);
        expect_as_undisturbed();
    }
}

/* ---------------------------------------------------- every system call -- */

enum how { ONCE, FROM_THEN_ON, KILLED };

static atomic_int calls;       /* that match */
static const char *fault_call; /* which of the calls; NULL: any */
static const char *fault_path; /* what its path holds */
static int fault_at;           /* the call that fails, from 1 */
static enum how fault_how;

static int fault(const char *call, const char *path)
{
    if (!strstr(path, fault_path) ||
        (fault_call && strcmp(call, fault_call) != 0))
        return 0;
    const int number = atomic_fetch_add(&calls, 1) + 1;
    if (number < fault_at || (fault_how == ONCE && number > fault_at))
        return 0;
    if (fault_how == KILLED)
        kill(getpid(), SIGKILL);
    return strcmp(call, "write") == 0 ? ENOSPC : EIO;
}

static void set_fault(const char *call, const char *path, int at, enum how how)
{
    fault_call = call;
    fault_path = path;
    fault_at = at;
    fault_how = how;
    atomic_store(&calls, 0);
    akin__fault = fault;
}

/* Three pictures are in the index; since then three came, one went and one was
 * renamed. */
static void begin_with_work(void)
{
    begin_with_three();
    picture("photos/d.bmp", 4);
    picture("photos/e.bmp", 5);
    picture("photos/f.bmp", 6);
    EXPECT_INT(unlink("photos/b.bmp"), 0);
    EXPECT_INT(rename("photos/a.bmp", "photos/z.bmp"), 0);
}

/* What was committed before is there, and the next run makes it whole. */
static void expect_to_go_on(bool done)
{
    akin__fault = NULL;
    atomic_store(&embedded, 0);
    EXPECT(strcmp(where(&one, 1), "") != 0 && strcmp(where(&one, 3), "") != 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT(embedded == 0 || (!done && embedded == 3));
    expect_as_undisturbed();
}

static void expect_failing_calls_to_lose_nothing(enum how how)
{
    bool done = false;
    for (int at = 1; !done; at++) {
        begin_with_work();
        set_fault(NULL, "photos.akin", at, how);
        const akin_status status = update("photos");
        done = atomic_load(&calls) < at;
        EXPECT_INT(status, done ? AKIN_OK : AKIN_EIO);
        EXPECT(done || strstr(error.message, "photos.akin/"));
        expect_to_go_on(done);
    }
}

static void a_disc_that_fails_once_loses_nothing(void)
{
    expect_failing_calls_to_lose_nothing(ONCE);
}

static void a_disc_that_fails_from_then_on_loses_nothing(void)
{
    expect_failing_calls_to_lose_nothing(FROM_THEN_ON);
}

static void a_commit_that_fails_on_the_way_stops_the_run(void)
{
    begin();
    draw_many(1500);
    EXPECT_INT(update("photos/00000.bmp"), AKIN_OK);
    threads = 1;
    set_fault("sync", "rows-0.f32", 1, ONCE);
    EXPECT_INT(update("photos"), AKIN_EIO);
    EXPECT(strstr(error.message, "not synced"));
    akin__fault = NULL;
    EXPECT_INT(files_in_index(), 1);
}

static void a_run_killed_at_any_call_loses_nothing(void)
{
    bool done = false;
    for (int at = 1; !done; at++) {
        int how;
        begin_with_work();
        const pid_t child = fork();
        if (child == 0) {
            set_fault(NULL, "photos.akin", at, KILLED);
            _exit(update("photos") ? 1 : 0);
        }
        EXPECT_INT(waitpid(child, &how, 0), child);
        done = WIFEXITED(how) && WEXITSTATUS(how) == 0;
        EXPECT(done || (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL));
        expect_to_go_on(done);
    }
}

/* A run over 1,500 pictures, which commits on its way, is killed again and
 * again; once it has come to its end it begins anew. */
static void a_run_killed_at_any_moment_loses_nothing(void)
{
    enum { PICTURES = 1500 };
    const int moments = getenv("AKIN_EVERY_BYTE") ? 3000 : 200;
    uint64_t before = 0;
    unsigned random = 3;
    int whole = 0;
    begin();
    draw_many(PICTURES);
    for (int i = 0; i < moments; i++) {
        if (before == PICTURES || before == 0) {
            whole += before != 0;
            EXPECT_INT(run("rm -rf photos.akin", "", ""), 0);
            EXPECT_INT(update("photos/00000.bmp"), AKIN_OK);
            before = 1;
        }
        const pid_t child = fork();
        if (child == 0)
            _exit(update("photos") ? 1 : 0);
        random = random * 1103515245 + 12345;
        usleep(random >> 15 & 0x1ffff);
        kill(child, SIGKILL);
        EXPECT_INT(waitpid(child, NULL, 0), child);
        const double start = akin__seconds();
        const uint64_t there = files_in_index();
        EXPECT(akin__seconds() - start < 1);
        EXPECT(there >= before);
        EXPECT_INT(akin_index_verify("photos.akin", NULL, NULL, &error),
                   AKIN_OK);
        before = there;
    }
    printf("# killed %d times, came to its end %d times\n", moments, whole);
    embedded = 0;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(embedded, PICTURES - before);
    expect_as_undisturbed();
}

static void a_photo_that_the_disc_cannot_read_is_tried_again(void)
{
    begin_with_three();
    picture("photos/d.bmp", 4);
    set_fault(NULL, "d.bmp", 1, FROM_THEN_ON);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_STR(notices.bytes, "F photos/d.bmp: Input/output error\n");
    EXPECT_INT(report.unchanged, 3);
    akin__fault = NULL;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 1);
}

int main(void)
{
    if (!scene_open())
        return 1;
    RUN(a_cancelled_run_keeps_what_is_done);
    RUN(a_killed_run_goes_on_where_it_committed);
    RUN(any_number_of_threads_gives_the_same_vectors);
    RUN(a_disc_that_fails_once_loses_nothing);
    RUN(a_disc_that_fails_from_then_on_loses_nothing);
    RUN(a_commit_that_fails_on_the_way_stops_the_run);
    RUN(a_run_killed_at_any_call_loses_nothing);
    RUN(a_run_killed_at_any_moment_loses_nothing);
    RUN(a_photo_that_the_disc_cannot_read_is_tried_again);
    return scene_close();
}
