/*
 * Power: the plug is pulled at every point of a run, and what the disc then
 * holds, synced or not, opens as one of the states that were committed, with
 * everything that was acknowledged.
 */
#include "made_index.h"

#include <ftw.h>

#include "disc.h"

enum { STEPS = 7, PICTURES = 12 }; /* of the small run */

/* Step `n` of the small run, committed. */
static akin_status step(akin_index *index, int n)
{
    akin_status status = AKIN_OK;
    if (n == 1)
        return add_model(index, "clip");
    for (int i = 0; i < PICTURES / 4 && !status; i++) {
        char name[32];
        struct akin__entry entry;
        snprintf(name, sizeof name, "%d-%d.jpg", n, i);
        status = put(index, name, 20 * n + i);
        if (status || n < 5)
            continue;
        snprintf(name, sizeof name, "%d-%d.jpg", n - 2, i); /* goes */
        entry = find(index, name);
        if (entry.id)
            status = akin__index_forget(index, entry.id, &err);
    }
    if (!status)
        status = akin__index_add_root(index, home, &err);
    return status ? status : akin__index_commit(index, &err);
}

/* What is in the index at `path`, as text; "-" where there is none yet, "!" and
 * the message where it is refused or not whole. */
static char *state_of(const char *path)
{
    akin_index *index = NULL;
    akin_index_info info;
    struct akin__text text = {0};
    akin_status status = akin_index_open(&index, path, AKIN_INDEX_READ, &err);
    if (status == AKIN_ENOTFOUND)
        return akin__strdup("-");
    if (!status)
        status = akin_index_count(index, &info, &err);
    if (!status && info.models)
        akin__text_addf(&text, "%d pictures, nearest %s", (int)info.files,
                        nearest(index, 66, 64));
    else if (!status)
        akin__text_addf(&text, "no model");
    akin_index_close(&index);
    if (!status)
        status = akin_index_verify(path, NULL, NULL, &err);
    if (status)
        akin__text_addf(&text, "! %d %s", status, err.message);
    return text.bytes;
}

/* The text with `folder` cut from its paths. */
static void cut_out(char *text, const char *folder)
{
    char *at;
    while (*folder && (at = strstr(text, folder)))
        memmove(at, at + strlen(folder), strlen(at + strlen(folder)) + 1);
}

static char *state_in(const char *folder)
{
    char *path = akin__format("%s/x.akin", folder);
    char *state = state_of(path), *slash = akin__format("%s/", folder);
    cut_out(state, slash);
    cut_out(state, "cut/");
    akin__free(slash);
    akin__free(path);
    return state;
}

static char *states[STEPS + 1]; /* after each step; [0]: before the first */
static ino_t root;

static ino_t number_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Run with the log on: `work` opens, and says after each commit "acked". */
static void record(akin_status (*work)(void))
{
    disc_forget();
    memcpy(disc_root, home, sizeof home);
    root = number_of(home);
    disc_recording = true;
    EXPECT_INT(work(), AKIN_OK);
    disc_recording = false;
}

static akin_status small_run(void)
{
    akin_index *index;
    akin_status status =
        akin_index_open(&index, at("x.akin"), AKIN_INDEX_CREATE, &err);
    for (int n = 1; n < STEPS && !status; n++) {
        disc_recording = false;
        akin__free(states[n - 1]);
        states[n - 1] = state_in(home);
        disc_recording = true;
        status = step(index, n);
        disc_acked = n;
    }
    akin_index_close(&index);
    disc_recording = false;
    akin__free(states[STEPS - 1]);
    states[STEPS - 1] = state_in(home);
    return status;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

/* "cut" for a disc and "nodes" to build it from. */
static void empty_folders(void)
{
    nftw(at("cut"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    nftw(at("nodes"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    EXPECT_INT(mkdir(at("cut"), 0777), 0);
    EXPECT_INT(mkdir(at("nodes"), 0777), 0);
}

/* Whether the disc after `end` calls is as it was after what was acknowledged,
 * or as after the commit that was under way. */
static bool holds_after(size_t end, enum disc_loss loss)
{
    const int acked = end ? disc_log[end - 1].acked : 0;
    empty_folders();
    disc_build(end, loss, at("nodes"), at("cut"), root);
    char *now = state_in(at("cut"));
    const bool begun = acked == 0 && strcmp(now, "-") == 0;
    const bool fits =
        begun || strcmp(now, states[acked]) == 0 ||
        (acked + 1 < STEPS && strcmp(now, states[acked + 1]) == 0);
    if (!fits && !disc_ignored)
        printf("# call %zu of %zu, %d acknowledged, loss %d: %s\n", end,
               disc_calls, acked, (int)loss, now);
    akin__free(now);
    return fits;
}

/* How many of the discs do not hold. */
static int count_broken(int each)
{
    int broken = 0;
    for (size_t end = 0; end <= disc_calls; end++) {
        broken += !holds_after(end, DISC_DROP);
        broken += !holds_after(end, DISC_KEEP);
        for (int i = 0; i < each; i++) {
            disc_seed = (unsigned)(end * 7919 + (size_t)i);
            broken += !holds_after(end, i % 2 ? DISC_TORN : DISC_ANY);
        }
    }
    return broken;
}

static void a_pulled_plug_loses_nothing_that_was_acknowledged(void)
{
    record(small_run);
    printf("# %zu calls\n", disc_calls);
    EXPECT(disc_calls > 150);
    EXPECT_INT(count_broken(getenv("AKIN_EVERY_BYTE") ? 40 : 4), 0);
}

/* Does the test see what it is there for? */
static void without_the_syncs_of_folders_much_is_lost(void)
{
    disc_ignored = DISC_NO_FOLDERS;
    const int broken = count_broken(0);
    disc_ignored = 0;
    printf("# %d discs broken\n", broken);
    EXPECT(broken > 0);
}

static void without_the_syncs_of_files_much_is_lost(void)
{
    disc_ignored = DISC_NO_FILES;
    const int broken = count_broken(0);
    disc_ignored = 0;
    printf("# %d discs broken\n", broken);
    EXPECT(broken > 0);
}

/* A disc that was cut off goes on: the rest of the run is done again. */
static void the_next_writer_goes_on_from_a_pulled_plug(void)
{
    for (size_t end = 0; end <= disc_calls; end += 13) {
        akin_index *index = NULL;
        empty_folders();
        disc_seed = (unsigned)end;
        disc_build(end, DISC_TORN, at("nodes"), at("cut"), root);
        EXPECT_INT(
            akin_index_open(&index, at("cut/x.akin"), AKIN_INDEX_CREATE, &err),
            AKIN_OK);
        if (index) {
            EXPECT_INT(add_model(index, "clip"), AKIN_OK);
            EXPECT_INT(put(index, "cut/new.jpg", 150), AKIN_OK);
            commit(index);
            EXPECT(strstr(nearest(index, 150, 1), "new.jpg") != NULL);
        }
        akin_index_close(&index);
        EXPECT_INT(akin_index_verify(at("cut/x.akin"), NULL, NULL, &err),
                   AKIN_OK);
    }
}

/* ------------------------------------------------------- a repair ------ */

static akin_status flip(const char *name, uint64_t offset)
{
    struct akin__file file;
    uint8_t byte = 0;
    akin_status status = akin__file_open(&file, at(name), AKIN__WRITE, &err);
    if (!status)
        status = akin__file_read(&file, &byte, 1, offset, &err);
    byte ^= 8;
    if (!status)
        status = akin__file_write(&file, &byte, 1, offset, &err);
    if (!status)
        status = akin__file_sync(&file, &err);
    akin__file_close(&file);
    return status;
}

/* An index of PICTURES, one page of its catalog and one row damaged, and its
 * repair. */
static akin_status repair_run(void)
{
    akin_index *index;
    akin_status status =
        akin_index_open(&index, at("x.akin"), AKIN_INDEX_CREATE, &err);
    if (!status)
        status = add_model(index, "clip");
    for (int i = 0; i < PICTURES && !status; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.jpg", i);
        status = put(index, name, i);
    }
    if (!status)
        status = akin__index_commit(index, &err);
    akin_index_close(&index);
    if (!status)
        status = flip("x.akin/rows-0.f32", 64 + 5 * DIM * sizeof(float));
    if (!status)
        status = flip("x.akin/catalog.db", 5 * 4096 + 4000); /* an index */
    disc_acked = 1;
    if (!status)
        status = akin_index_repair(at("x.akin"), NULL, NULL, &err);
    disc_acked = 2;
    return status;
}

/* Whether what the plug left of a repair is the old index, which can be
 * repaired, or the new one. */
static bool repairs_after(size_t end, enum disc_loss loss)
{
    akin_check_report kept = {0};
    akin_status status = AKIN_OK;
    empty_folders();
    disc_build(end, loss, at("nodes"), at("cut"), root);
    if (disc_log[end - 1].acked == 1)
        status = akin_index_repair(at("cut/x.akin"), NULL, NULL, &err);
    if (!status)
        status = akin_index_verify(at("cut/x.akin"), NULL, &kept, &err);
    const bool fits =
        !status && kept.pictures == PICTURES && kept.rows == PICTURES - 1;
    if (!fits && !disc_ignored)
        printf("# call %zu, loss %d: %d pictures, %d rows: %s\n", end,
               (int)loss, (int)kept.pictures, (int)kept.rows, err.message);
    return fits;
}

static int count_unmended(int each)
{
    int broken = 0, discs = 0;
    for (size_t end = 1; end <= disc_calls; end++) {
        if (disc_log[end - 1].acked == 0)
            continue;
        broken += !repairs_after(end, DISC_DROP);
        broken += !repairs_after(end, DISC_KEEP);
        discs += 2 + each;
        for (int i = 0; i < each; i++) {
            disc_seed = (unsigned)(end * 104729 + (size_t)i);
            broken += !repairs_after(end, i % 2 ? DISC_TORN : DISC_ANY);
        }
    }
    printf("# %d of %d discs broken\n", broken, discs);
    return broken;
}

static void a_pulled_plug_leaves_the_old_index_or_the_repaired_one(void)
{
    run("rm -rf cut nodes x.akin");
    record(repair_run);
    disc_log[disc_calls - 1].acked = 2; /* the last call, once it is made */
    EXPECT_INT(count_unmended(getenv("AKIN_EVERY_BYTE") ? 40 : 4), 0);
    disc_ignored = DISC_NO_FILES; /* does this see what it is there for? */
    EXPECT(count_unmended(0) > 0);
    disc_ignored = 0;
    run("rm -rf x.akin");
}

/* --------------------------------------------- a thousand pictures ------ */

enum { MANY = 1000, BATCH = 50 };

static akin_status large_run(void)
{
    akin_index *index;
    akin_status status =
        akin_index_open(&index, at("x.akin"), AKIN_INDEX_CREATE, &err);
    if (!status)
        status = add_model(index, "clip");
    disc_acked = 1;
    for (int i = 0; i < MANY && !status; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.jpg", i);
        status = put(index, name, i % 250);
        if (status || i % BATCH != BATCH - 1)
            continue;
        status = akin__index_commit(index, &err);
        disc_acked++;
    }
    akin_index_close(&index);
    return status;
}

/* Commits that the index holds; -1 when it is not whole. */
static int commits_in(const char *path)
{
    akin_check_report report;
    const akin_status status = akin_index_verify(path, NULL, &report, &err);
    if (status == AKIN_ENOTFOUND)
        return 0;
    if (status || report.pictures % BATCH || report.rows != report.pictures)
        return -1;
    akin_index *index = open_at(path, AKIN_INDEX_READ);
    akin_index_info info = {0};
    EXPECT_INT(akin_index_describe(index, &info, &err), AKIN_OK);
    akin_index_close(&index);
    return info.models ? 1 + (int)report.pictures / BATCH : 0;
}

static void a_thousand_pictures_survive_at_random_moments(void)
{
    const int moments = getenv("AKIN_EVERY_BYTE") ? 3000 : 120;
    run("rm -rf cut nodes x.akin");
    record(large_run);
    for (int i = 0; i < moments; i++) {
        disc_seed = (unsigned)i * 31337;
        const size_t end =
            ((size_t)disc_random(32768) << 15 | disc_random(32768)) %
            (disc_calls + 1);
        const int acked = end ? disc_log[end - 1].acked : 0;
        empty_folders();
        disc_build(end, i % 2 ? DISC_TORN : DISC_ANY, at("nodes"), at("cut"),
                   root);
        const int there = commits_in(at("cut/x.akin"));
        if (!EXPECT(there == acked || there == acked + 1))
            printf("# call %zu: %d commits, %d acknowledged: %s\n", end, there,
                   acked, err.message);
    }
    printf("# %zu calls, cut at %d of them\n", disc_calls, moments);
    clean();
}

int main(void)
{
    if (!make_home())
        return 1;
    if (strncmp(home, "/dev/shm", 8) != 0) {
        printf("1..0 # SKIP no disc in memory\n");
        return 0;
    }
    RUN(a_pulled_plug_loses_nothing_that_was_acknowledged);
    RUN(without_the_syncs_of_folders_much_is_lost);
    RUN(without_the_syncs_of_files_much_is_lost);
    RUN(the_next_writer_goes_on_from_a_pulled_plug);
    RUN(a_pulled_plug_leaves_the_old_index_or_the_repaired_one);
    RUN(a_thousand_pictures_survive_at_random_moments);
    disc_forget();
    rmdir(home);
    for (int i = 0; i <= STEPS; i++)
        akin__free(states[i]);
    return tap_done();
}
