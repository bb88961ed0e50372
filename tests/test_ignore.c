/*
 * What .akinignore and --exclude leave out is what git leaves out: made folders
 * with made rules, walked here and by git ls-files.
 */
#include "tap.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "embed/ignore.h"
#include "embed/walk.h"

enum { CASES = 400, EXCLUDES = 40 }; /* trees of rules; of patterns */

static char scene[] = "/dev/shm/akin-ignore-XXXXXX";
static uint32_t state; /* of the random numbers; printed where a test fails */
static akin_error error;

static uint32_t random_below(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % below;
}

static void put(const char *path, const char *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    EXPECT(file && fwrite(bytes, 1, count, file) == count);
    if (file)
        fclose(file);
}

static int run(const char *line)
{
    return system(line);
}

static void clean(void)
{
    EXPECT_INT(chdir("/"), 0);
    char line[200];
    snprintf(line, sizeof line, "chmod -R u+rwx %s; rm -rf %s/* %s/.akinignore",
             scene, scene, scene);
    EXPECT_INT(run(line), 0);
    EXPECT_INT(chdir(scene), 0);
}

/* ------------------------------------------------------------ made rules -- */

/* Names that rules can meet by accident. */
static const char *some_name(void)
{
    static const char *const names[] = {
        "a",  "b",   "ab",       "abc",  "a.jpg", "b.jpg", "ab.png", "#a",
        "!b", "a b", "b ",       "x[1]", "a*",    "-",     "c\\d",   "A.JPG",
        "]",  "^",   "\xc3\xa4", "aab",  "1",     "9.png"};
    return names[random_below(sizeof names / sizeof *names)];
}

static void add_piece(struct akin__text *line)
{
    static const char *const pieces[] = {
        "a",       "b",     "c",
        "*",       "?",     "*.jpg",
        "[ab]",    "[!a]",  "[a-c]",
        "[^b]*",   "**",    "**/",
        "/**/",    "/",     "/**",
        "\\#",     "\\!",   " ",
        "\\ ",     "[]-]",  "[",
        "\\",      "ab",    "*a*b*",
        "a.jpg",   "[0-9]", "[[:digit:]]*",
        "\\*",     "\\[",   ".",
        "[a\\]]",  "-",     "[--9]",
        "x[[]1]",  "***",   "[[:upper:]]*.[A-Z]*",
        "\xc3\xa4"};
    const char *piece =
        random_below(3) ? pieces[random_below(sizeof pieces / sizeof *pieces)]
                        : some_name();
    akin__text_add(line, piece, strlen(piece));
}

/* Git takes the two stars of "ab**" "/c" for any number of folders, against its
 * manual, because it has cut off "ab" before it looks. */
static bool is_disputed(const char *line)
{
    for (const char *at = line; (at = strstr(at, "**")); at++)
        if (at > line && at[-1] != '/' && at[-1] != '!')
            return true;
    return false;
}

static void add_pattern(struct akin__text *text)
{
    struct akin__text line = {0};
    do {
        line.length = 0;
        if (random_below(4) == 0)
            akin__text_add(&line, "!", 1);
        if (random_below(4) == 0)
            akin__text_add(&line, "/", 1);
        for (uint32_t pieces = 1 + random_below(4); pieces-- > 0;)
            add_piece(&line);
        if (random_below(4) == 0)
            akin__text_add(&line, "/", 1);
    } while (is_disputed(line.bytes));
    akin__text_add(text, line.bytes, line.length);
    akin__text_free(&line);
}

static void make_rules(const char *path)
{
    static const char *const usual[] = {"a*\n",  "*.jpg\n",  "ab*/\n",
                                        "!a*\n", "!*.jpg\n", "!ab\n"};
    static const char *const ends[] = {"\n", "\n", "\n", "\r\n", " \n", "\n\n"};
    struct akin__text text = {0};
    akin__text_add(&text, "", 0);
    if (random_below(8) == 0)
        akin__text_add(&text, "\xef\xbb\xbf", 3);
    if (random_below(2) == 0) { /* so that rules meet each other */
        const char *line = usual[random_below(6)];
        akin__text_add(&text, line, strlen(line));
    }
    for (uint32_t n = 1 + random_below(4); n-- > 0;) {
        const char *end = ends[random_below(6)];
        if (random_below(10) == 0)
            akin__text_add(&text, "# a comment\n", 12);
        add_pattern(&text);
        akin__text_add(&text, end, strlen(end));
    }
    if (random_below(3) == 0) /* the last line may have no end */
        while (text.length && text.bytes[text.length - 1] == '\n')
            text.bytes[--text.length] = 0;
    put(path, text.bytes, text.length);
    akin__text_free(&text);
}

/* A tree up to three folders deep, in t/NUMBER. */
static void make_tree(uint32_t number)
{
    char top[64], path[256];
    snprintf(top, sizeof top, "t/%u", (unsigned)number);
    state = number;
    EXPECT_INT(mkdir(top, 0777), 0);
    snprintf(path, sizeof path, "%s/.akinignore", top);
    make_rules(path);
    for (int i = 0; i < 14; i++) {
        const int depth = (int)random_below(4);
        strcpy(path, top);
        for (int d = 0; d < depth; d++) {
            strcat(strcat(path, "/"), some_name());
            mkdir(path, 0777); /* or it is there, or a file is */
        }
        if (random_below(3) == 0 && depth && akin__is_folder(path)) {
            strcat(path, "/.akinignore");
            make_rules(path);
            path[strlen(path) - 12] = 0;
        }
        strcat(strcat(path, "/"), some_name());
        FILE *file = akin__exists(path) ? NULL : fopen(path, "w");
        if (file)
            fclose(file);
    }
}

/* ---------------------------------------------------------------- judges -- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names, sorted, a line each. */
static char *lines_of(struct akin__names *names)
{
    struct akin__text text = {0};
    akin__text_add(&text, "", 0);
    if (names->count)
        qsort(names->name, names->count, sizeof *names->name, by_text);
    for (size_t i = 0; i < names->count; i++)
        akin__text_addf(&text, "%s\n", names->name[i]);
    akin__names_free(names);
    return text.bytes;
}

/* What a walk of each tree finds, by its path in t/. */
static char *ours(uint32_t first, uint32_t count,
                  const struct akin__ignore *exclude)
{
    struct akin__names names = {0};
    for (uint32_t i = first; i < first + count; i++) {
        struct akin__list list = {0};
        char root[200];
        const int top = snprintf(root, sizeof root, "%s/t/", scene);
        snprintf(root + top, sizeof root - (size_t)top, "%u", (unsigned)i);
        struct akin__walk how = {.root = root, .exclude = exclude};
        EXPECT_INT(akin__walk(&list, root, &how, &error), AKIN_OK);
        for (size_t n = 0; n < list.count; n++)
            if (list.item[n].what == AKIN__FILE)
                EXPECT_INT(
                    akin__names_add(&names,
                                    akin__item_path(&list, &list.item[n]) + top,
                                    &error),
                    AKIN_OK);
        akin__list_free(&list);
    }
    return lines_of(&names);
}

/* What git finds in `folder`, by its path in t/. */
static char *gits(const char *folder, char *const *exclude, size_t count)
{
    struct akin__names names = {0};
    char line[4096], name[4096] = "";
    int length = snprintf(line, sizeof line,
                          "cd %s && git --git-dir=%s/git --work-tree=. "
                          "ls-files --others -z "
                          "--exclude-per-directory=.akinignore",
                          folder, scene);
    for (size_t i = 0; i < count; i++)
        length += snprintf(line + length, sizeof line - (size_t)length,
                           " -x '%s'", exclude[i]);
    FILE *pipe = popen(line, "r");
    const size_t before = strlen(folder) > 2 ? strlen(folder) - 1 : 0;
    snprintf(name, sizeof name, "%s/", folder + strlen("t/") * (before > 0));
    EXPECT(pipe);
    for (size_t used = before; pipe;) {
        const int c = fgetc(pipe);
        if (c == EOF)
            break;
        name[used++] = (char)c;
        if (c)
            continue;
        used = before;
        if (!strstr(name, ".akinignore"))
            EXPECT_INT(akin__names_add(&names, name, &error), AKIN_OK);
    }
    EXPECT_INT(pipe ? pclose(pipe) : -1, 0);
    return lines_of(&names);
}

/* Whether both found the same; else what differs first, and the rules. */
static bool agree(char *mine, char *theirs)
{
    size_t at = 0, line = 0;
    const bool same = strcmp(mine, theirs) == 0;
    for (; mine[at] && mine[at] == theirs[at]; at++)
        if (mine[at] == '\n')
            line = at + 1;
    if (!EXPECT(same)) {
        char command[300];
        const unsigned number = (unsigned)atoi(mine + line);
        printf("# akin: %.*s\n# git: %.*s\n", (int)strcspn(mine + line, "\n"),
               mine + line, (int)strcspn(theirs + line, "\n"), theirs + line);
        fflush(stdout);
        snprintf(command, sizeof command,
                 "cd t/%u && find . -name .akinignore -exec sh -c "
                 "'echo \"# $1\"; sed \"s/^/#   /\" \"$1\" | cat -A' sh {} "
                 "\\;",
                 number);
        run(command);
    }
    akin__free(mine);
    akin__free(theirs);
    return same;
}

static bool git_is_there(void)
{
    return run("git --version >/dev/null 2>&1") == 0 &&
           run("mkdir t && git init -q --bare git") == 0;
}

static void the_rules_of_folders_are_gits(void)
{
    if (!git_is_there()) {
        tap_skip("git is not there");
        return;
    }
    for (uint32_t i = 0; i < CASES; i++)
        make_tree(i);
    agree(ours(0, CASES, NULL), gits("t", NULL, 0));
    clean();
}

static void excludes_are_gits(void)
{
    enum { FIRST = 1000000, PATTERNS = 3 };
    if (!git_is_there()) {
        tap_skip("git is not there");
        return;
    }
    for (uint32_t i = FIRST; i < FIRST + EXCLUDES; i++) {
        struct akin__ignore exclude = {0};
        char *pattern[PATTERNS], folder[64];
        make_tree(i);
        for (size_t p = 0; p < PATTERNS; p++) {
            struct akin__text text = {0};
            add_pattern(&text);
            pattern[p] = text.bytes;
            EXPECT_INT(akin__ignore_add(&exclude, pattern[p], &error), AKIN_OK);
        }
        snprintf(folder, sizeof folder, "t/%u", (unsigned)i);
        if (!agree(ours(i, 1, &exclude), gits(folder, pattern, PATTERNS)))
            printf("# -x %s -x %s -x %s\n", pattern[0], pattern[1], pattern[2]);
        for (size_t p = 0; p < PATTERNS; p++)
            akin__free(pattern[p]);
        akin__ignore_free(&exclude);
    }
    clean();
}

/* ------------------------------------------------------------ by itself -- */

static void matching_a_hostile_rule_takes_no_time(void)
{
    struct akin__ignore exclude = {0};
    char pattern[4000], path[4000];
    for (size_t i = 0; i < sizeof pattern - 1; i += 2)
        memcpy(pattern + i, i % 40 == 38 ? "/*" : "*a", 2);
    pattern[sizeof pattern - 2] = 'b';
    pattern[sizeof pattern - 1] = 0;
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = 0;
    for (size_t i = 200; i < sizeof path - 1; i += 200)
        path[i] = '/';
    EXPECT_INT(akin__ignore_add(&exclude, pattern, &error), AKIN_OK);
    EXPECT_INT(
        akin__ignore_add(&exclude, "**/*a*a*a*a*a*a*a/**/**/**/b", &error),
        AKIN_OK);
    alarm(20); /* instead of years */
    for (int i = 0; i < 100; i++)
        EXPECT_INT(akin__ignore_judge(&exclude, path, false), AKIN__NO_RULE);
    alarm(0);
    akin__ignore_free(&exclude);
}

static akin_status read_rules(struct akin__ignore *rules)
{
    memset(rules, 0, sizeof *rules);
    const akin_status status = akin__ignore_read(rules, ".", &error);
    akin__ignore_free(rules);
    return status;
}

static void a_rule_file_that_is_none_is_told(void)
{
    struct akin__ignore rules;
    EXPECT_INT(read_rules(&rules), AKIN_OK); /* none there */
    put(".akinignore", "a\0b", 3);
    EXPECT_INT(read_rules(&rules), AKIN_EFORMAT);
    EXPECT_STR(error.message, ".: .akinignore: is no text");
    EXPECT_INT(run("rm .akinignore && truncate -s 1048577 .akinignore"), 0);
    EXPECT_INT(read_rules(&rules), AKIN_ELIMIT);
    EXPECT_STR(error.message, ".: .akinignore: file has 1048577 bytes (limit "
                              "1048576)");
    EXPECT_INT(run("rm .akinignore && mkfifo .akinignore"), 0);
    EXPECT_INT(read_rules(&rules), AKIN_EIO);
    EXPECT_INT(run("rm .akinignore && ln -s nowhere .akinignore"), 0);
    EXPECT_INT(read_rules(&rules), AKIN_OK);
    clean();
}

int main(void)
{
    if (!mkdtemp(scene))
        strcpy(scene, "/tmp/akin-ignore-XXXXXX");
    if ((access(scene, F_OK) != 0 && !mkdtemp(scene)) || chdir(scene) != 0)
        return 1;
    RUN(the_rules_of_folders_are_gits);
    RUN(excludes_are_gits);
    RUN(matching_a_hostile_rule_takes_no_time);
    RUN(a_rule_file_that_is_none_is_told);
    EXPECT_INT(chdir("/"), 0);
    rmdir(scene);
    return tap_done();
}
