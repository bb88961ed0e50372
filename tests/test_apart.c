/*
 * Pictures decoded in a process of their own: whatever it does or is done to
 * it costs one picture.
 *
 * This program is its own decoder; called as one, it misbehaves when a picture
 * asks for it. With a number as argument it kills decoders as often, and tests
 * nothing else.
 */
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "image/apart.h"
#include "image/decoder.h"

#define SELF "/proc/self/exe"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* ------------------------------------------------------- as the decoder -- */

static int files_open; /* when it began */
static volatile int *volatile nowhere;

static void spin(double seconds)
{
    const double end = akin__seconds() + seconds;
    while (akin__seconds() < end)
        ;
}

static akin_status eat(akin_error *err)
{
    const size_t piece = 1 << 20;
    char *taken;
    while ((taken = malloc(piece)))
        memset(taken, 1, piece);
    return akin__fail(err, AKIN_ENOMEM, "no memory");
}

static bool is(const void *bytes, size_t count, const char *word)
{
    return count >= strlen(word) && memcmp(bytes, word, strlen(word)) == 0;
}

static akin_status misbehave(akin_image *image, const void *bytes, size_t count,
                             struct akin__room *room,
                             const akin_decode_options *options,
                             akin_image_info *info, akin_error *err)
{
    if (is(bytes, count, "SPIN"))
        for (;;)
            ;
    if (is(bytes, count, "HANG"))
        for (;;)
            akin__sleep(1);
    if (is(bytes, count, "EAT"))
        return eat(err);
    if (is(bytes, count, "SEGV"))
        *nowhere = 1;
    if (is(bytes, count, "ABRT"))
        abort();
    if (is(bytes, count, "EXIT"))
        _exit(3);
    if (is(bytes, count, "OPEN"))
        (void)!open("/etc/passwd", O_RDONLY);
    if (is(bytes, count, "FILES"))
        return akin__fail(err, AKIN_EFORMAT, "%d files", files_open);
    if (is(bytes, count, "CODE"))
        return akin__fail(err, AKIN_ELOCKED, "what is this");
    if (is(bytes, count, "LINES")) {
        strcpy(err->message, "one\ntwo\x1b[2J");
        return AKIN_EFORMAT;
    }
    const akin_status status =
        akin__image_decode(image, bytes, count, room, options, info, err);
    if (getenv("AKIN_TEST_SLOWLY"))
        spin(0.002);
    if (count == PICTURE + 1 && !status) /* an image that lies elsewhere */
        image->pixels += room->count;
    if (count == PICTURE + 2 && !status)
        image->width = 1u << 31;
    if (count == PICTURE + 3 && !status)
        info->format = "gpj";
    return status;
}

/* Its number for those who want to kill it, and what it has open. */
static int be_the_decoder(void)
{
    const int fd = open("decoders", O_WRONLY | O_APPEND | O_CREAT, 0666);
    char line[32];
    const int length = snprintf(line, sizeof line, "%d\n", (int)getpid());
    for (int i = 0; i < 1024; i++)
        files_open += i != fd && fcntl(i, F_GETFD) >= 0;
    if (fd < 0 || write(fd, line, (size_t)length) != length)
        return 9;
    close(fd);
    return akin__serve(misbehave);
}

/* ------------------------------------------------------------- pictures -- */

static akin_decoder *open_decoder(const char *program)
{
    const akin_decode_options options = {.size = sizeof options,
                                         .limits = &limits};
    akin_decoder *opened = NULL;
    EXPECT_INT(akin_decoder_open(&opened, program, &options, &error), AKIN_OK);
    return opened;
}

/* What comes of these words as a picture, then of a real one. */
static void expect_of(const char *word, akin_status status, const char *message)
{
    akin_decoder *asked = open_decoder(SELF);
    akin_image image;
    uint8_t bytes[PICTURE];
    EXPECT_INT(
        akin_decoder_decode(asked, &image, word, strlen(word), NULL, &error),
        status);
    EXPECT_INT(error.code, status);
    EXPECT_STR(error.message, message);
    EXPECT(!image.pixels && !image.width);
    draw(bytes, 1);
    EXPECT_INT(akin_decoder_decode(asked, &image, bytes, PICTURE, NULL, &error),
               AKIN_OK);
    EXPECT_INT(image.width, SIDE);
    akin_decoder_close(&asked);
    EXPECT(!asked);
}

static void a_picture_has_the_same_pixels(void)
{
    akin_image here, there;
    akin_image_info a, b;
    uint8_t bytes[PICTURE];
    begin();
    akin_decoder *asked = open_decoder(SELF);
    for (unsigned seed = 1; seed < 50; seed++) {
        draw(bytes, seed);
        EXPECT_INT(akin_image_decode(&here, bytes, PICTURE, NULL, &a, &error),
                   AKIN_OK);
        EXPECT_INT(
            akin_decoder_decode(asked, &there, bytes, PICTURE, &b, &error),
            AKIN_OK);
        EXPECT(here.width == there.width && here.height == there.height &&
               here.stride == there.stride &&
               memcmp(here.pixels, there.pixels, here.height * here.stride) ==
                   0);
        EXPECT(a.format == b.format && a.full_width == b.full_width &&
               a.orientation == b.orientation);
        akin_image_free(&here);
    }
    akin_decoder_close(&asked);
}

static void what_is_no_picture_is_refused_by_the_same_words(void)
{
    begin();
    expect_of("", AKIN_ENOTIMAGE, "empty file");
    expect_of("text", AKIN_ENOTIMAGE, "no image of a known format");
    limits.file_bytes = 100;
    akin_decoder *asked = open_decoder(SELF);
    akin_image image;
    EXPECT_INT(akin_decoder_decode(asked, &image, scene, 101, NULL, &error),
               AKIN_ELIMIT);
    EXPECT_STR(error.message, "file has 101 bytes (limit 100)");
    akin_decoder_close(&asked);
}

static void a_crash_is_an_error_of_the_picture(void)
{
    begin();
    if (SANITIZED) { /* which reports and exits, or asks for what it may not */
        tap_skip("a sanitizer looks into crashes itself");
        return;
    }
    expect_of("SEGV", AKIN_EFORMAT, "the decoder crashed (SIGSEGV)");
    expect_of("ABRT", AKIN_EFORMAT, "the decoder crashed (SIGABRT)");
    expect_of("EXIT", AKIN_EFORMAT,
              "the decoder ended its process (exit code 3)");
}

static void a_forbidden_call_is_an_error_of_the_picture(void)
{
    begin();
    expect_of("OPEN", AKIN_EFORMAT,
              "the decoder asked the system for what it may not (SIGSYS)");
}

static void a_picture_that_never_ends_is_ended(void)
{
    begin();
    limits.seconds = 1;
    expect_of("SPIN", AKIN_ELIMIT,
              "decoding takes over 1 seconds of processor time (limit "
              "seconds=1)");
}

static void a_decoder_that_hangs_is_ended(void)
{
    begin();
    limits.seconds = 1;
    expect_of("HANG", AKIN_EIO, "the decoder came to no end in 4 s");
}

static void a_picture_that_takes_all_memory_is_ended(void)
{
    begin();
    if (SANITIZED) {
        tap_skip("a sanitizer's shadow is larger than any limit");
        return;
    }
    limits.process_bytes = 300 << 20;
    expect_of("EAT", AKIN_ELIMIT,
              "decoding takes more memory than its process may have (limit "
              "process_bytes=314572800)");
}

static void nonsense_is_not_believed(void)
{
    static const char *const words[] = {"elsewhere", "too wide", "no format"};
    uint8_t bytes[PICTURE + 3] = {0};
    begin();
    akin_decoder *asked = open_decoder(SELF);
    akin_image image;
    draw(bytes, 1);
    for (size_t more = 1; more <= 3; more++) {
        const akin_status status = akin_decoder_decode(
            asked, &image, bytes, PICTURE + more, NULL, &error);
        if (!EXPECT_INT(status, AKIN_EFORMAT))
            printf("# %s\n", words[more - 1]);
        EXPECT_STR(error.message, "the decoder talks nonsense");
    }
    akin_decoder_close(&asked);
    expect_of("CODE", AKIN_EFORMAT, "the decoder talks nonsense");
    expect_of("LINES", AKIN_EFORMAT, "one\\x0atwo\\x1b[2J");
}

static void a_decoder_has_nothing_open_but_what_it_needs(void)
{
    begin();
    const int lock = open("lock", O_RDWR | O_CREAT, 0666); /* not O_CLOEXEC */
    EXPECT(lock >= 0);
    expect_of("FILES", AKIN_EFORMAT, "5 files");
    close(lock);
}

/* A BMP of one bit a pixel, all of them the same grey. */
static void large_pictures_leave_no_memory_behind(void)
{
    enum {
        WIDE = 8192,
        HIGH = 6144,
        FILE_BYTES = HEADER + 8 + WIDE / 8 * HIGH
    };
    const uint32_t size[2] = {WIDE, HIGH};
    uint8_t *bytes = calloc(FILE_BYTES, 1), small[PICTURE];
    akin_image image;
    begin();
    akin_decoder *asked = open_decoder(SELF);
    memcpy(bytes, "BM", 2);
    bytes[10] = HEADER + 8;
    bytes[14] = 40;
    memcpy(bytes + 18, size, sizeof size);
    bytes[26] = bytes[28] = 1;
    memset(bytes + HEADER, 7, 8);
    EXPECT_INT(
        akin_decoder_decode(asked, &image, bytes, FILE_BYTES, NULL, &error),
        AKIN_OK);
    const uint8_t *last = image.pixels + (size_t)HIGH * image.stride - 1;
    EXPECT_INT(*last, 7);
    draw(small, 1);
    EXPECT_INT(
        akin_decoder_decode(asked, &image, small, sizeof small, NULL, &error),
        AKIN_OK);
    EXPECT_INT(*last, 0);
    akin_decoder_close(&asked);
    free(bytes);
}

/* ------------------------------------------------------------ processes -- */

/* The last process that was started, or the one before; 0: none. */
static pid_t started(int before)
{
    FILE *file = fopen("decoders", "r");
    int pid = 0, last[2] = {0, 0};
    while (file && fscanf(file, "%d", &pid) == 1) {
        last[1] = last[0];
        last[0] = pid;
    }
    if (file)
        fclose(file);
    return last[before];
}

static void expect_no_child(void)
{
    EXPECT_INT(waitpid(-1, NULL, WNOHANG), -1);
    EXPECT_INT(errno, ECHILD);
}

static void closing_leaves_no_process(void)
{
    begin();
    expect_of("text", AKIN_ENOTIMAGE, "no image of a known format");
    EXPECT_INT(kill(started(0), 0), -1);
    expect_no_child();
}

static void a_process_killed_between_pictures_costs_none(void)
{
    uint8_t bytes[PICTURE];
    akin_image image;
    begin();
    akin_decoder *asked = open_decoder(SELF);
    draw(bytes, 1);
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(
            akin_decoder_decode(asked, &image, bytes, PICTURE, NULL, &error),
            AKIN_OK);
        EXPECT_INT(kill(started(0), SIGKILL), 0);
        /* Gone when its socket is, which comes a moment later. */
        siginfo_t info;
        EXPECT_INT(waitid(P_PID, (id_t)started(0), &info, WEXITED | WNOWAIT),
                   0);
    }
    akin_decoder_close(&asked);
    expect_no_child();
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void a_new_process_is_there_in_100_ms(void)
{
    double seconds[11];
    uint8_t bytes[PICTURE];
    akin_image image;
    begin();
    akin_decoder *asked = open_decoder(SELF);
    draw(bytes, 1);
    for (size_t i = 0; i < 11; i++) {
        const double start = akin__seconds();
        EXPECT_INT(
            akin_decoder_decode(asked, &image, bytes, PICTURE, NULL, &error),
            AKIN_OK);
        seconds[i] = akin__seconds() - start;
        EXPECT_INT(kill(started(0), SIGKILL), 0);
        siginfo_t info;
        EXPECT_INT(waitid(P_PID, (id_t)started(0), &info, WEXITED | WNOWAIT),
                   0);
    }
    akin_decoder_close(&asked);
    qsort(seconds, 11, sizeof *seconds, by_size);
    printf("# a new process and a picture: %.1f ms, the slowest of 11 %.1f\n",
           1e3 * seconds[5], 1e3 * seconds[10]);
    EXPECT(SANITIZED || seconds[5] < 0.1);
}

/* It computes for ever when its parent dies; the kernel must end it, and this
 * process is given it as an orphan. */
static void a_decoder_does_not_outlive_its_parent(void)
{
    int how = 0;
    begin();
    EXPECT_INT(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const pid_t parent = fork();
    if (parent == 0) {
        akin_decoder *asked = open_decoder(SELF);
        akin_image image;
        (void)!akin_decoder_decode(asked, &image, "SPIN", 4, NULL, &error);
        _exit(0);
    }
    while (!started(0))
        usleep(1000);
    usleep(100000); /* at work, or nearly so: both must end */
    EXPECT_INT(kill(parent, SIGKILL), 0);
    EXPECT_INT(waitpid(parent, &how, 0), parent);
    EXPECT_INT(waitpid(started(0), &how, 0), started(0));
    EXPECT(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

static void interrupts_are_for_the_parent(void)
{
    uint8_t bytes[PICTURE];
    akin_image image;
    begin();
    akin_decoder *asked = open_decoder(SELF);
    draw(bytes, 1);
    EXPECT_INT(akin_decoder_decode(asked, &image, bytes, PICTURE, NULL, &error),
               AKIN_OK);
    const pid_t pid = started(0);
    EXPECT_INT(kill(pid, SIGINT) | kill(pid, SIGTERM) | kill(pid, SIGHUP), 0);
    EXPECT_INT(akin_decoder_decode(asked, &image, bytes, PICTURE, NULL, &error),
               AKIN_OK);
    EXPECT_INT(started(0), pid);
    akin_decoder_close(&asked);
}

/* --------------------------------------------------------------- a run -- */

static void what_cannot_be_started_stops_the_run(void)
{
    static const struct {
        const char *program, *message;
    } cases[] = {
        {"/nowhere/akin",
         "/nowhere/akin: cannot be started: No such file or directory"},
        {"/bin/true", "/bin/true decode-worker: ends at once, so no picture "
                      "can be decoded apart"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        picture("photos/a.bmp", 1);
        decoder = cases[i].program;
        EXPECT_INT(update("photos"), AKIN_EIO);
        EXPECT_STR(error.message, cases[i].message);
        EXPECT_INT(files_in_index(), 0);
        EXPECT_STR(notices.bytes, "");
    }
    expect_no_child();
}

static int no_process(const char *call, const char *path)
{
    (void)path;
    return strcmp(call, "spawn") == 0 ? EAGAIN : 0;
}

static void a_system_without_processes_stops_the_run(void)
{
    begin();
    picture("photos/a.bmp", 1);
    decoder = SELF;
    akin__fault = no_process;
    EXPECT_INT(update("photos"), AKIN_EIO);
    EXPECT_STR(error.message, SELF ": cannot be started: Resource temporarily "
                                   "unavailable");
    akin__fault = NULL;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 1);
}

static void a_picture_that_kills_its_decoder_takes_no_other_with_it(void)
{
    begin();
    draw_many(20);
    put_bytes("photos/00005x.bmp", "OPEN", 4);
    decoder = SELF;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 20);
    EXPECT_STR(notices.bytes,
               "F photos/00005x.bmp: the decoder asked the system for what it "
               "may not (SIGSYS)\n");
    EXPECT_INT(update("photos"), AKIN_OK); /* it stays refused, in silence */
    EXPECT_STR(notices.bytes, "");
    retry = 1;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.failed, 1);
}

static void unchanged_pictures_need_no_process(void)
{
    begin();
    draw_many(3);
    decoder = SELF;
    EXPECT_INT(update("photos"), AKIN_OK);
    decoder = "/nowhere/akin";
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.unchanged, 3);
}

/* ---------------------------------------------------- at random moments -- */

static atomic_int killing, kills;
static int most_kills;
static atomic_uint kill_signals; /* bit 0: SIGKILL, bit 1: SIGSEGV */

static void *kill_decoders(void *context)
{
    unsigned random = 7;
    while (atomic_load(&killing)) {
        random = random * 1103515245 + 12345;
        usleep(1000 + (random >> 16 & 0x7fff));
        const pid_t pid = started(random >> 30 & 1);
        const bool hard = atomic_load(&kill_signals) == 1 ||
                          (atomic_load(&kill_signals) == 3 && random >> 29 & 1);
        if (pid && atomic_load(&kills) < most_kills &&
            kill(pid, hard ? SIGKILL : SIGSEGV) == 0)
            atomic_fetch_add(&kills, 1);
    }
    return context;
}

static size_t notices_with(const char *text)
{
    size_t count = 0;
    for (const char *at = notices.bytes; (at = strstr(at, text)); at++)
        count++;
    return count;
}

/* A run beside which decoders are killed. */
static void update_under_fire(unsigned signals)
{
    pthread_t thread;
    atomic_store(&kill_signals, signals);
    atomic_store(&killing, 1);
    setenv("AKIN_TEST_SLOWLY", "1", 1);
    EXPECT_INT(pthread_create(&thread, NULL, kill_decoders, NULL), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    unsetenv("AKIN_TEST_SLOWLY");
    atomic_store(&killing, 0);
    pthread_join(thread, NULL);
}

/* Until `most_kills` of them are dead. What is done is in the index, what
 * failed says why, and in the end all is as if nothing had happened. */
static void decoders_killed_at_random_moments(void)
{
    enum { FILES = 300 };
    int rounds = 0, lost = 0;
    begin();
    draw_many(FILES);
    decoder = SELF;
    retry = 1;
    atomic_store(&kills, 0);
    while (atomic_load(&kills) < most_kills && rounds++ < most_kills) {
        const int before = atomic_load(&kills);
        EXPECT_INT(run("rm -rf photos.akin decoders", "", ""), 0);
        update_under_fire(SANITIZED ? 1 : 3); /* which handles SIGSEGV */
        const size_t failed = notices_with("F photos/");
        EXPECT_INT(report.failed, failed);
        EXPECT_INT(notices_with("killed by others (SIGKILL)") +
                       notices_with("the decoder crashed (SIGSEGV)"),
                   failed);
        EXPECT(failed <= (size_t)(atomic_load(&kills) - before));
        EXPECT_INT(report.added + failed, FILES);
        EXPECT_INT(files_in_index(), report.added);
        lost += (int)failed;
    }
    printf("# %d decoders killed, %d of them with a picture\n",
           atomic_load(&kills), lost);
    EXPECT_INT(atomic_load(&kills), most_kills);
    EXPECT(lost > 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(files_in_index(), FILES);
    for (unsigned seed = 1; seed <= FILES; seed++) {
        char path[32];
        snprintf(path, sizeof path, "photos/%05u.bmp", seed - 1);
        EXPECT_STR(where(&one, seed), path);
    }
    expect_no_child();
}

static void what_was_killed_is_tried_again_and_what_crashed_is_not(void)
{
    for (unsigned signals = 1; signals <= 2; signals++) {
        begin();
        draw_many(100);
        decoder = SELF;
        atomic_store(&kills, 0);
        update_under_fire(signals);
        const uint64_t failed = report.failed;
        EXPECT(failed > 0);
        EXPECT_INT(update("photos"), AKIN_OK);
        EXPECT_INT(report.failed, 0);
        EXPECT_INT(report.added, signals == 1 ? failed : 0);
        retry = 1;
        EXPECT_INT(update("photos"), AKIN_OK);
        EXPECT_INT(report.added, signals == 2 ? failed : 0);
    }
}

/* -------------------------------------------------------------- sandbox -- */

static void try_open(void)
{
    (void)!open("/etc/passwd", O_RDONLY);
}

static void try_create(void)
{
    (void)!creat("new", 0666);
}

static void try_unlink(void)
{
    unlink("old");
}

static void try_mkdir(void)
{
    mkdir("new", 0777);
}

static void try_socket(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
}

static void try_connect(void)
{
    const struct sockaddr address = {.sa_family = AF_UNIX};
    (void)!connect(0, &address, sizeof address);
}

static void try_execve(void)
{
    char *const nothing[] = {NULL};
    execve("/bin/true", nothing, nothing);
}

static void try_fork(void)
{
    if (fork() == 0)
        _exit(0);
}

static void try_vfork(void)
{
    syscall(SYS_vfork);
}

static void try_ptrace(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void try_kill(void)
{
    kill(getppid(), 0);
}

static void try_tgkill(void)
{
    syscall(SYS_tgkill, 1, 1, 0);
}

static void try_mount(void)
{
    mount("none", "/", "tmpfs", 0, NULL);
}

static void try_setuid(void)
{
    (void)!setuid(0);
}

static void try_io_uring(void)
{
    struct io_uring_params params = {0};
    syscall(SYS_io_uring_setup, 1, &params);
}

static void try_code(void)
{
    syscall(SYS_mmap, NULL, 4096, 7, 34, -1, 0); /* to be written and run */
}

static void try_prctl(void)
{
    prctl(PR_SET_SECCOMP, 0);
}

static void try_unshare(void)
{
    unshare(CLONE_NEWUSER);
}

static void try_truncate(void)
{
    (void)!ftruncate(4, 0);
}

static void try_bpf(void)
{
    syscall(SYS_bpf, 0, NULL, 0);
}

static void forbidden_calls_kill(void)
{
    static const struct {
        const char *name;
        void (*call)(void);
    } tries[] = {
        {"open", try_open},          {"creat", try_create},
        {"unlink", try_unlink},      {"mkdir", try_mkdir},
        {"socket", try_socket},      {"connect", try_connect},
        {"execve", try_execve},      {"fork", try_fork},
        {"vfork", try_vfork},        {"ptrace", try_ptrace},
        {"kill", try_kill},          {"tgkill", try_tgkill},
        {"mount", try_mount},        {"setuid", try_setuid},
        {"io_uring", try_io_uring},  {"memory to be run", try_code},
        {"prctl", try_prctl},        {"unshare", try_unshare},
        {"ftruncate", try_truncate}, {"bpf", try_bpf},
    };
    begin();
    if (!strstr(akin_decoders(), "sandbox seccomp")) {
        tap_skip("no list of system calls for this processor");
        return;
    }
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        int how = 0;
        const pid_t child = fork();
        if (child == 0) {
            if (akin__sandbox_enter(UINT64_C(1) << 32, NULL) != AKIN_OK)
                _exit(2);
            tries[i].call();
            _exit(1);
        }
        EXPECT_INT(waitpid(child, &how, 0), child);
        if (!EXPECT(WIFSIGNALED(how) && WTERMSIG(how) == SIGSYS))
            printf("# %s\n", tries[i].name);
    }
}

static void *add_one(void *number)
{
    ++*(int *)number;
    return number;
}

/* What decoders do: memory, threads, clocks, messages that nobody reads. */
static void work_goes_on_in_the_sandbox(void)
{
    int how = 0;
    begin();
    const pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        int number = 0;
        if (!freopen("/dev/null", "w", stderr)) /* a file may not grow */
            _exit(1);
        if (akin__sandbox_enter(UINT64_C(1) << 32, NULL) != AKIN_OK)
            _exit(2);
        char *memory = malloc(64 << 20);
        if (!memory || !(memory = realloc(memory, 128 << 20)))
            _exit(3);
        memset(memory, 1, 128 << 20);
        free(memory);
        if (pthread_create(&thread, NULL, add_one, &number) ||
            pthread_join(thread, NULL) || number != 1)
            _exit(4);
        fprintf(stderr, "said in the sandbox, %ld\n", (long)time(NULL));
        _exit(0);
    }
    EXPECT_INT(waitpid(child, &how, 0), child);
    EXPECT_INT(how, 0);
}

/* It fails in a process that may have no more files. Here nobody ever speaks.
 */
static void a_poll_that_fails_is_no_wait(void)
{
    const struct rlimit none = {0, 0};
    struct akin__process process = {0};
    int ends[2], how = -1;
    char byte;
    EXPECT_INT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    process.socket = ends[0];
    const pid_t child = fork();
    if (child == 0) {
        alarm(5);
        if (setrlimit(RLIMIT_NOFILE, &none))
            _exit(2);
        _exit(akin__process_hear(&process, &byte, 1, 1) != AKIN__GONE);
    }
    EXPECT_INT(waitpid(child, &how, 0), child);
    EXPECT_INT(how, 0);
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], AKIN__SERVE_ARGUMENT) == 0)
        return be_the_decoder();
    if (!scene_open())
        return 1;
    most_kills = argc == 2 ? atoi(argv[1]) : 60;
    if (argc < 2) {
        RUN(a_picture_has_the_same_pixels);
        RUN(what_is_no_picture_is_refused_by_the_same_words);
        RUN(a_crash_is_an_error_of_the_picture);
        RUN(a_forbidden_call_is_an_error_of_the_picture);
        RUN(a_picture_that_never_ends_is_ended);
        RUN(a_decoder_that_hangs_is_ended);
        RUN(a_picture_that_takes_all_memory_is_ended);
        RUN(nonsense_is_not_believed);
        RUN(a_decoder_has_nothing_open_but_what_it_needs);
        RUN(large_pictures_leave_no_memory_behind);
        RUN(closing_leaves_no_process);
        RUN(a_process_killed_between_pictures_costs_none);
        RUN(a_new_process_is_there_in_100_ms);
        RUN(a_decoder_does_not_outlive_its_parent);
        RUN(interrupts_are_for_the_parent);
        RUN(what_cannot_be_started_stops_the_run);
        RUN(a_system_without_processes_stops_the_run);
        RUN(a_picture_that_kills_its_decoder_takes_no_other_with_it);
        RUN(unchanged_pictures_need_no_process);
        RUN(what_was_killed_is_tried_again_and_what_crashed_is_not);
        RUN(forbidden_calls_kill);
        RUN(work_goes_on_in_the_sandbox);
        RUN(a_poll_that_fails_is_no_wait);
    }
    RUN(decoders_killed_at_random_moments);
    return scene_close();
}
