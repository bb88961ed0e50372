/*
 * What the commands share: exit codes, messages on stderr, and the end of
 * stdout. Results go to stdout and nothing else does.
 */
#ifndef AKIN_CLI_CLI_H
#define AKIN_CLI_CLI_H

#include "akin.h"
#include "base/json.h"

/* The program of an akin_decoder: this one, also when it has been replaced on
 * the disc since it was started. */
#define CLI_DECODER "/proc/self/exe"

enum {
    CLI_DONE = 0,
    CLI_PARTLY = 1,   /* done, but some inputs failed or nothing was found */
    CLI_WRONG = 2,    /* the command line makes no sense */
    CLI_NO_INPUT = 3, /* no input could be read */
    CLI_INDEX = 4,    /* no index, another's, a damaged or locked one */
    CLI_SYSTEM = 5,   /* disc, memory, permission, model, network */
    CLI_STOPPED = 128 /* and the number of the signal, as shells count */
};

/* What an error is about: the same status means different things of each. */
enum cli_about { ABOUT_INPUT, ABOUT_MODEL, ABOUT_INDEX, ABOUT_OUTPUT };

/* The exit code of an error: the one place that knows. */
int cli_exit_code(enum cli_about about, akin_status status);

/* "akin: message" on stderr, one line whatever names hold. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say what *err says; its exit code. */
int cli_fail(enum cli_about about, const akin_error *err);

/* Say that memory is short; the exit code of that. */
int cli_no_memory(void);

/* Print `document`, taken, as a line; NULL: memory is short. An exit code. */
int cli_print_json(json_t *document);

struct akin__text;
/* Print `text`, freed then; failed: memory is short. An exit code. */
int cli_print_text(struct akin__text *text);

/* Write out what stdout holds; cli_finish tells what could not be. */
void cli_flush(void);

/* Write out what is left of stdout: `code`, or CLI_SYSTEM when the results
 * did not all arrive. */
int cli_finish(int code);

#endif
