/* What may be done with copies: hard links and the trash. Nothing is lost,
 * whatever fails or ends the process on the way. */
#include "tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/link.h"
#include "base/memory.h"
#include "base/trash.h"

static char home[64];
static akin_error err;

static const char *at(const char *name)
{
    static char paths[16][400];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", home, name);
    return path;
}

static void run(const char *command)
{
    char line[600];
    snprintf(line, sizeof line, "cd %s && %s", home, command);
    EXPECT_INT(system(line), 0);
}

/* a.jpg and b.jpg of `bytes` each, equal but for `differ` ones at the end. */
static void make_two(size_t bytes, size_t differ)
{
    char command[400];
    snprintf(command, sizeof command,
             "rm -rf * .[!.]*; head -c %zu /dev/zero > a.jpg; "
             "cp a.jpg b.jpg; printf %%.%zus xx | dd of=b.jpg bs=1 "
             "seek=%zu conv=notrunc status=none",
             bytes, differ, bytes - differ);
    run(command);
}

static ino_t inode(const char *name)
{
    struct stat st;
    return lstat(at(name), &st) == 0 ? st.st_ino : 0;
}

/* ------------------------------------------------------------- links --- */

static void equal_files_become_one(void)
{
    make_two(3000000, 0);
    EXPECT_INT(akin__link_over(at("a.jpg"), at("b.jpg"), &err), AKIN_OK);
    EXPECT_INT(inode("b.jpg"), inode("a.jpg"));
    run("test $(ls | wc -l) = 2 && test $(stat -c %s b.jpg) = 3000000");
}

static void one_file_stays_one(void)
{
    make_two(1000, 0);
    run("ln -f a.jpg b.jpg");
    EXPECT_INT(akin__link_over(at("a.jpg"), at("b.jpg"), &err), AKIN_OK);
    run("test $(ls | wc -l) = 2");
}

static void refuse(const char *why)
{
    const ino_t before = inode("b.jpg");
    EXPECT_INT(akin__link_over(at("a.jpg"), at("b.jpg"), &err), AKIN_EUSAGE);
    if (!EXPECT(strstr(err.message, why)))
        printf("# %s\n", err.message);
    EXPECT_INT(inode("b.jpg"), before);
    run("test $(ls | wc -l) = 2");
}

static void the_last_byte_counts(void)
{
    make_two(2100000, 1);
    refuse("is not byte for byte");
}

static void another_length_is_refused(void)
{
    make_two(1000, 0);
    run("printf x >> b.jpg");
    refuse("has 1001 bytes");
}

static void another_mode_is_refused(void)
{
    make_two(1000, 0);
    run("chmod 600 a.jpg && chmod 644 b.jpg");
    refuse("has mode 644");
}

static void a_link_is_refused(void)
{
    make_two(1000, 0);
    run("cp a.jpg c && mv c .c && ln -sf .c b.jpg");
    refuse("is a link");
}

/* ------------------------------------------------------------ faults --- */

static int countdown;
static int refused; /* errno; 0: end the process */

static int nth_call(const char *call, const char *path)
{
    (void)call;
    (void)path;
    if (countdown-- != 0)
        return 0;
    if (!refused)
        _exit(9);
    return refused;
}

/* Calls act() in a child with the nth call failing or ending it; whether the
 * nth call was reached. */
static bool child(int nth, int number, akin_status (*act)(void))
{
    int how;
    const pid_t pid = fork();
    if (pid == 0) {
        countdown = nth;
        refused = number;
        akin__fault = nth_call;
        const akin_status status = act();
        _exit(countdown >= 0 ? 7 : status ? 1 : 0);
    }
    waitpid(pid, &how, 0);
    return WIFEXITED(how) && WEXITSTATUS(how) != 7;
}

static akin_status link_them(void)
{
    return akin__link_over(at("a.jpg"), at("b.jpg"), NULL);
}

static void both_names_stay_whole_at_every_call(int number)
{
    int nth = 0;
    for (make_two(1500000, 0); child(nth, number, link_them) && nth < 100;
         make_two(1500000, 0), nth++)
        run("test $(stat -c %s a.jpg) = 1500000 && cmp -s a.jpg b.jpg");
    EXPECT(nth > 5 && nth < 100);
}

static void a_killed_link_leaves_both_names_whole(void)
{
    both_names_stay_whole_at_every_call(0);
}

static void a_link_that_fails_leaves_two_whole_files_and_nothing_else(void)
{
    both_names_stay_whole_at_every_call(EIO);
    make_two(1000, 0);
    child(8, EIO, link_them);
    run("test $(ls -A | wc -l) = 2");
}

/* ------------------------------------------------------------- trash --- */

static void use_trash(void)
{
    setenv("XDG_DATA_HOME", at("data"), 1);
}

static akin_status trash(const char *name)
{
    char *to;
    const akin_status status = akin__trash(at(name), &to, &err);
    if (!status)
        EXPECT(akin__exists(to));
    akin__free(to);
    return status;
}

static void a_file_goes_to_the_home_trash_with_its_origin(void)
{
    make_two(1000, 0);
    use_trash();
    EXPECT_INT(trash("b.jpg"), AKIN_OK);
    run("test ! -e b.jpg && cmp -s a.jpg data/Trash/files/b.jpg && "
        "grep -qx \"Path=$PWD/b.jpg\" data/Trash/info/b.jpg.trashinfo && "
        "test \"$(head -n 1 data/Trash/info/b.jpg.trashinfo)\" = "
        "'[Trash Info]' && grep -Eqx "
        "'DeletionDate=[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}' "
        "data/Trash/info/b.jpg.trashinfo");
}

static void a_second_file_of_that_name_gets_another(void)
{
    make_two(1000, 2);
    use_trash();
    EXPECT_INT(trash("b.jpg"), AKIN_OK);
    run("mv a.jpg b.jpg");
    EXPECT_INT(trash("b.jpg"), AKIN_OK);
    run("tail -c 2 data/Trash/files/b.jpg | grep -q xx && "
        "test $(stat -c %s data/Trash/files/b.jpg.2) = 1000 && "
        "test -e data/Trash/info/b.jpg.2.trashinfo");
}

static void a_file_in_the_trash_without_its_entry_is_not_written_over(void)
{
    make_two(1000, 0);
    use_trash();
    run("mkdir -p data/Trash/files && echo old > data/Trash/files/b.jpg");
    EXPECT_INT(trash("b.jpg"), AKIN_OK);
    run("test \"$(cat data/Trash/files/b.jpg)\" = old && "
        "cmp -s a.jpg data/Trash/files/b.jpg.2");
}

static void odd_names_are_escaped(void)
{
    make_two(1000, 0);
    use_trash();
    run("mv b.jpg \"$(printf 'a %%\\n\\303\\251\\377.jpg')\"");
    EXPECT_INT(trash("a %\n\xc3\xa9\xff.jpg"), AKIN_OK);
    run("grep -qx \"Path=$PWD/a%20%25%0A%C3%A9%FF.jpg\" "
        "data/Trash/info/*.trashinfo");
}

static void the_longest_names_fit(void)
{
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    make_two(1000, 0);
    use_trash();
    run("mv b.jpg $(printf 'n%.0s' $(seq 255))");
    EXPECT_INT(trash(name), AKIN_OK);
    run("test $(ls data/Trash/files | wc -c) = 231");
}

static void links_and_folders_are_refused(void)
{
    make_two(1000, 0);
    use_trash();
    run("mkdir d && ln -sf a.jpg b.jpg");
    EXPECT_INT(trash("b.jpg"), AKIN_EUSAGE);
    EXPECT_INT(trash("d"), AKIN_EUSAGE);
    EXPECT_INT(trash("nothing"), AKIN_ENOTFOUND);
}

static akin_status trash_b(void)
{
    char *to;
    return akin__trash(at("b.jpg"), &to, NULL);
}

static void the_file_is_somewhere_at_every_call(int number)
{
    int nth = 0;
    for (make_two(1000, 1); child(nth, number, trash_b) && nth < 100;
         make_two(1000, 1), nth++)
        run("test $(cat b.jpg data/Trash/files/* 2>/dev/null | wc -c) = 1000");
    EXPECT(nth > 5 && nth < 100);
}

static void a_killed_trash_loses_nothing(void)
{
    use_trash();
    the_file_is_somewhere_at_every_call(0);
}

static void a_trash_that_fails_loses_nothing(void)
{
    use_trash();
    the_file_is_somewhere_at_every_call(ENOSPC);
}

int main(void)
{
    snprintf(home, sizeof home, "/tmp/akin-removal-XXXXXX");
    if (!mkdtemp(home))
        return 1;
    RUN(equal_files_become_one);
    RUN(one_file_stays_one);
    RUN(the_last_byte_counts);
    RUN(another_length_is_refused);
    RUN(another_mode_is_refused);
    RUN(a_link_is_refused);
    RUN(a_killed_link_leaves_both_names_whole);
    RUN(a_link_that_fails_leaves_two_whole_files_and_nothing_else);
    RUN(a_file_goes_to_the_home_trash_with_its_origin);
    RUN(a_second_file_of_that_name_gets_another);
    RUN(a_file_in_the_trash_without_its_entry_is_not_written_over);
    RUN(odd_names_are_escaped);
    RUN(the_longest_names_fit);
    RUN(links_and_folders_are_refused);
    RUN(a_killed_trash_loses_nothing);
    RUN(a_trash_that_fails_loses_nothing);
    run("cd / && rm -rf \"$OLDPWD\"");
    return tap_done();
}
