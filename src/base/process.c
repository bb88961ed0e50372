/*
 * Process (process.h): posix_spawn, which costs the same however much memory
 * this process holds, and a socket that keeps messages apart.
 *
 * Two pipes of the kernel's do the watching. The socket tells us when the
 * process ends. The lifeline, whose other end only we hold, has the kernel
 * send SIGKILL to the process when we end in whatever way; it could not be
 * PR_SET_PDEATHSIG, which tells of the thread that started the process.
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"

/* What the started program finds open, beside nothing at 0, 1 and 2. */
enum { SOCKET = 3, LIFELINE, FILES };

extern char **environ;

static void close_file(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Put `fd` above the numbers that it may get in the program. */
static int move_up(int fd)
{
    const int above = fcntl(fd, F_DUPFD_CLOEXEC, FILES);
    close(fd);
    return above;
}

/* Ours and the program's ends. */
struct ends {
    int socket[2], lifeline[2];
};

static bool open_ends(struct ends *ends)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends->socket))
        return false;
    ends->socket[1] = move_up(ends->socket[1]);
    if (pipe2(ends->lifeline, O_CLOEXEC) != 0)
        return false;
    ends->lifeline[0] = move_up(ends->lifeline[0]);
    return ends->socket[1] >= 0 && ends->lifeline[0] >= 0;
}

/* What the program finds, and what it does not. */
static int arrange(posix_spawn_file_actions_t *files, const struct ends *ends)
{
    int error = posix_spawn_file_actions_init(files);
    if (error)
        return error;
    for (int fd = 0; fd < SOCKET && !error; fd++)
        error =
            posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
    if (!error)
        error =
            posix_spawn_file_actions_adddup2(files, ends->socket[1], SOCKET);
    if (!error)
        error = posix_spawn_file_actions_adddup2(files, ends->lifeline[0],
                                                 LIFELINE);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(files, FILES);
    return error;
}

/* ctrl-C and its like are for us: the program ends when we do. */
static int shield(posix_spawnattr_t *attributes)
{
    sigset_t blocked, usual;
    int error = posix_spawnattr_init(attributes);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGQUIT);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    sigfillset(&usual);
    if (!error)
        error = posix_spawnattr_setsigmask(attributes, &blocked);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &usual);
    if (!error)
        error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                         POSIX_SPAWN_SETSIGDEF);
    return error;
}

static int spawn(pid_t *pid, const char *program, const char *argument,
                 const struct ends *ends)
{
    char *const words[] = {(char *)program, (char *)argument, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int error = arrange(&files, ends);
    if (error)
        return error;
    error = shield(&attributes);
    if (!error)
        error = akin__fails("spawn", program)
                    ? errno
                    : posix_spawn(pid, program, &files, &attributes, words,
                                  environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

akin_status akin__process_start(struct akin__process *process,
                                const char *program, const char *argument,
                                akin_error *err)
{
    struct ends ends = {{-1, -1}, {-1, -1}};
    pid_t pid = 0;
    *process = (struct akin__process){0, -1, -1};
    int error =
        open_ends(&ends) ? spawn(&pid, program, argument, &ends) : errno;
    close_file(&ends.socket[1]);
    close_file(&ends.lifeline[0]);
    if (error) {
        close_file(&ends.socket[0]);
        close_file(&ends.lifeline[1]);
        return akin__fail_errno(err, error, "%s: cannot be started", program);
    }
    *process = (struct akin__process){pid, ends.socket[0], ends.lifeline[1]};
    return AKIN_OK;
}

void akin__process_say(const struct akin__process *process, const void *message,
                       size_t bytes)
{
    while (send(process->socket, message, bytes, MSG_NOSIGNAL) < 0 &&
           errno == EINTR)
        ;
}

enum akin__heard akin__process_hear(const struct akin__process *process,
                                    void *message, size_t bytes, double seconds)
{
    const double until = akin__seconds() + seconds;
    struct pollfd heard = {.fd = process->socket, .events = POLLIN};
    int ready;
    do {
        const double left = until - akin__seconds();
        ready = poll(&heard, 1, left > 0 ? (int)(1e3 * left) + 1 : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return AKIN__SILENT;
    /* Not to wait once more for what poll could not tell of. */
    return recv(process->socket, message, bytes, MSG_TRUNC | MSG_DONTWAIT) ==
                   (ssize_t)bytes
               ? AKIN__HEARD
               : AKIN__GONE;
}

double akin__process_seconds(const struct akin__process *process)
{
    struct timespec used;
    clockid_t clock;
    if (clock_getcpuclockid(process->pid, &clock) != 0 ||
        clock_gettime(clock, &used) != 0)
        return 0;
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

int akin__process_end(struct akin__process *process, int *exit_code)
{
    int how = 0;
    pid_t ended = 0;
    *exit_code = 0;
    if (process->pid <= 0)
        return 0;
    /* Until it is waited for, the number cannot be another's. */
    kill(process->pid, SIGKILL);
    do
        ended = waitpid(process->pid, &how, 0);
    while (ended < 0 && errno == EINTR);
    close_file(&process->socket);
    close_file(&process->lifeline);
    process->pid = 0;
    if (ended < 0) /* the caller ignores SIGCHLD: nobody knows */
        return SIGKILL;
    if (WIFSIGNALED(how))
        return WTERMSIG(how);
    *exit_code = WEXITSTATUS(how);
    return 0;
}

akin_status akin__child_bind(akin_error *err)
{
    if (fcntl(LIFELINE, F_SETOWN, getpid()) != 0 ||
        fcntl(LIFELINE, F_SETSIG, SIGKILL) != 0 ||
        fcntl(LIFELINE, F_SETFL, O_ASYNC) != 0)
        return akin__fail_errno(err, errno, "the lifeline does not hold");
    return AKIN_OK;
}

bool akin__child_hear(void *message, size_t bytes)
{
    ssize_t got;
    do
        got = read(SOCKET, message, bytes);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)bytes;
}

bool akin__child_say(const void *message, size_t bytes)
{
    ssize_t put;
    do
        put = write(SOCKET, message, bytes);
    while (put < 0 && errno == EINTR);
    return put == (ssize_t)bytes;
}
