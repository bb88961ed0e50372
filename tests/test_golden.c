/*
 * Golden indexes: what an akin of any version wrote is opened, answers as it
 * did, and is brought up to today's layout without a change of its answers.
 * tests/golden/make.py says how they were made.
 */
#include "made_index.h"

#include <signal.h>
#include <sys/wait.h>

#include <jansson.h>

#include "base/fault.h"

enum { GOLDEN_DIM = 8, QUERIES = 4, BEST = 10 };

/* x.akin as the golden index `name`; 0 when it is not to be had. */
static void take_golden(const char *name)
{
    char line[600];
    const char *source = getenv("AKIN_SOURCE");
    snprintf(line, sizeof line, "rm -rf %s && cp -r %s/tests/golden/%s.akin %s",
             at("x.akin"), source ? source : ".", name, at("x.akin"));
    EXPECT_INT(system(line), 0);
}

/* How many of the answers to the golden queries are as they shall be. */
static int right_answers(akin_index_mode mode)
{
    const char *source = getenv("AKIN_SOURCE");
    char *where = akin__format("%s/tests/golden", source ? source : ".");
    char *file = akin__format("%s/queries.f32", where);
    char *answers = akin__format("%s/answers.json", where);
    json_t *want = json_load_file(answers, 0, NULL);
    akin_index *index = open_index(mode);
    uint8_t *bytes = NULL;
    size_t count;
    int right = 0;
    EXPECT_INT(akin__read_file(file, 1 << 20, &bytes, &count, NULL, &err),
               AKIN_OK);
    for (size_t q = 0; index && bytes && want && q < QUERIES; q++) {
        float query[GOLDEN_DIM];
        akin_match match[BEST];
        size_t found = 0;
        memcpy(query, bytes + q * sizeof query, sizeof query);
        EXPECT_INT(
            akin_index_search(index, "made", query, BEST, match, &found, &err),
            AKIN_OK);
        for (size_t i = 0; i < found; i++) {
            const json_t *one = json_array_get(json_array_get(want, q), i);
            const char *path = json_string_value(json_array_get(one, 0));
            const char *slash = strrchr(match[i].path, '/');
            right += path && slash && strcmp(slash + 1, path) == 0 &&
                     fabs(match[i].cosine -
                          json_real_value(json_array_get(one, 1))) < 1e-6;
        }
    }
    akin_index_close(&index);
    json_decref(want);
    akin__free(bytes);
    akin__free(answers);
    akin__free(file);
    akin__free(where);
    return right;
}

static int version_of(void)
{
    akin_index_info info = {0};
    akin_index *index = open_index(AKIN_INDEX_READ);
    EXPECT_INT(akin_index_describe(index, &info, &err), AKIN_OK);
    akin_index_close(&index);
    return (int)info.version;
}

static void expect_golden(const char *name, int version)
{
    take_golden(name);
    EXPECT_INT(right_answers(AKIN_INDEX_READ), QUERIES * BEST);
    EXPECT_INT(version_of(), version); /* a reader changes nothing */
    EXPECT_INT(akin_index_verify(at("x.akin"), NULL, NULL, &err), AKIN_OK);
    EXPECT_INT(right_answers(AKIN_INDEX_WRITE), QUERIES * BEST);
    EXPECT_INT(version_of(), AKIN__INDEX_VERSION);
    EXPECT_INT(right_answers(AKIN_INDEX_READ), QUERIES * BEST);
    EXPECT_INT(akin_index_verify(at("x.akin"), NULL, NULL, &err), AKIN_OK);
    clean();
}

static void version_1_answers_as_it_did_and_is_brought_up(void)
{
    expect_golden("v1", 1);
}

static void version_2_answers_as_it_did(void)
{
    expect_golden("v2", 2);
}

static int countdown;

static int kill_here(const char *call, const char *path)
{
    (void)call, (void)path;
    if (--countdown == 0)
        kill(getpid(), SIGKILL);
    return 0;
}

/* Bring x.akin up in a process that is killed before its nth call. */
static int killed_upgrade(int n)
{
    int how;
    const pid_t child = fork();
    if (child == 0) {
        akin_index *index;
        countdown = n;
        akin__fault = kill_here;
        _exit(akin_index_open(&index, at("x.akin"), AKIN_INDEX_WRITE, NULL) !=
              AKIN_OK);
    }
    waitpid(child, &how, 0);
    return WIFSIGNALED(how);
}

static void a_killed_upgrade_leaves_the_old_layout_or_the_new(void)
{
    int n = 0;
    do {
        take_golden("v1");
        n++;
        const int killed = killed_upgrade(n);
        EXPECT_INT(right_answers(AKIN_INDEX_READ), QUERIES * BEST);
        EXPECT_INT(akin_index_verify(at("x.akin"), NULL, NULL, &err), AKIN_OK);
        if (!killed)
            break;
    } while (n < 1000);
    printf("# killed at %d calls\n", n - 1);
    EXPECT(n > 20);
    EXPECT_INT(version_of(), AKIN__INDEX_VERSION);
    clean();
}

int main(void)
{
    if (!make_home())
        return 1;
    RUN(version_1_answers_as_it_did_and_is_brought_up);
    RUN(version_2_answers_as_it_did);
    RUN(a_killed_upgrade_leaves_the_old_layout_or_the_new);
    rmdir(home);
    return tap_done();
}
