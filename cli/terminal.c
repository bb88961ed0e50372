/* Terminal (terminal.h). */
#include "terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

static const double terminal_first = 1, terminal_next = 0.2; /* seconds */
static const double plain_next = 10;

static size_t width_of(FILE *stream)
{
    enum { USUAL = 80 };
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return USUAL;
}

struct akin__look cli_look(FILE *stream)
{
    const char *kind = getenv("TERM"), *none = getenv("NO_COLOR");
    if (!isatty(fileno(stream)))
        return (struct akin__look){0, false};
    return (struct akin__look){width_of(stream), kind && strcmp(kind, "dumb") &&
                                                     !(none && *none)};
}

/* A line longer than the terminal could not be rewritten. */
static void rewrite(const char *line)
{
    fprintf(stderr, "\r%.*s\x1b[K", (int)width_of(stderr) - 1, line);
    fflush(stderr);
}

void cli_meter_show(struct cli_meter *meter, const char *what, uint64_t done,
                    uint64_t whole)
{
    const bool terminal = isatty(fileno(stderr));
    const double now = akin__seconds();
    char line[256];
    akin__meter_note(&meter->meter, now, done, whole);
    if (meter->began == 0)
        meter->began = now;
    const double since = meter->shown > 0 ? meter->shown : meter->began;
    const double next = !terminal          ? plain_next
                        : meter->shown > 0 ? terminal_next
                                           : terminal_first;
    if (now - since < next)
        return;
    akin__meter_line(&meter->meter, what, line, sizeof line);
    if (terminal)
        rewrite(line);
    else
        fprintf(stderr, "akin: %s\n", line);
    meter->on_screen = terminal;
    meter->shown = now;
}

void cli_meter_clear(struct cli_meter *meter)
{
    if (meter->on_screen)
        fputs("\r\x1b[K", stderr);
    meter->on_screen = false;
}

static volatile sig_atomic_t stop_signal;

static void note_signal(int number)
{
    stop_signal = number;
}

void cli_catch_stop(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note_signal;
    action.sa_flags = (int)SA_RESETHAND | SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int cli_stopped(void)
{
    return stop_signal;
}
