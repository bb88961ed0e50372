/* Messages and exit codes (cli.h). */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "view/json.h"

int cli_exit_code(enum cli_about about, akin_status status)
{
    switch (status) {
    case AKIN_OK:
        return CLI_DONE;
    case AKIN_EUSAGE:
        return CLI_WRONG;
    case AKIN_ENOMEM:
    case AKIN_ENETWORK:
        return CLI_SYSTEM;
    case AKIN_EINDEX:
    case AKIN_ECORRUPT:
    case AKIN_ELOCKED:
        return CLI_INDEX;
    default:
        break;
    }
    if (about == ABOUT_INPUT)
        return CLI_NO_INPUT;
    if (about == ABOUT_INDEX && status != AKIN_EIO)
        return CLI_INDEX;
    return CLI_SYSTEM;
}

void cli_say(const char *format, ...)
{
    char line[4096], printable[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    akin__printable(printable, sizeof printable, line);
    fprintf(stderr, "akin: %s\n", printable);
}

int cli_fail(enum cli_about about, const akin_error *err)
{
    cli_say("%s", err->message);
    return cli_exit_code(about, err->code);
}

int cli_no_memory(void)
{
    cli_say("memory is short");
    return CLI_SYSTEM;
}

int cli_print_json(json_t *document)
{
    char *line = document ? akin__json_line(document) : NULL;
    json_decref(document);
    if (!line)
        return cli_no_memory();
    fputs(line, stdout);
    akin__free(line);
    return 0;
}

int cli_print_text(struct akin__text *text)
{
    const int code = text->failed ? cli_no_memory() : 0;
    if (!code)
        fputs(text->bytes, stdout);
    akin__text_free(text);
    return code;
}

static int unwritten; /* errno of the first flush that failed */

void cli_flush(void)
{
    if (fflush(stdout) != 0 && !unwritten)
        unwritten = errno;
}

int cli_finish(int code)
{
    cli_flush();
    if (!unwritten && !ferror(stdout))
        return code;
    /* Who closed the pipe has read enough and needs no message. */
    if (unwritten != EPIPE)
        cli_say("the results could not be written%s%s", unwritten ? ": " : "",
                unwritten ? strerror(unwritten) : "");
    return CLI_SYSTEM;
}
