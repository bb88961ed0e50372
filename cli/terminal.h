/* Terminal: its width and colours, progress on stderr, and ctrl-C. */
#ifndef AKIN_CLI_TERMINAL_H
#define AKIN_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "view/meter.h"
#include "view/table.h"

/* Whole width and no colour unless `stream` is a terminal; NO_COLOR counts. */
struct akin__look cli_look(FILE *stream);

/* Progress on stderr: one line that is rewritten on a terminal, a plain line
 * now and then where it is none. Zero it before the first use. */
struct cli_meter {
    struct akin__meter meter;
    double began, shown; /* seconds; 0: not yet */
    bool on_screen;      /* the line stands there now */
};
void cli_meter_show(struct cli_meter *meter, const char *what, uint64_t done,
                    uint64_t whole);
/* Take the line away: before any message, and at the end. */
void cli_meter_clear(struct cli_meter *meter);

/* From now on SIGINT and SIGTERM are noted; the second one ends akin. */
void cli_catch_stop(void);
/* The number of the signal that came, or 0. */
int cli_stopped(void);

#endif
