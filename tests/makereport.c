/*
 * makereport: made-up reports in each form, for report_test.py and for looking.
 *
 *   makereport KIND page OUT [PICTURE..]      the page, written to OUT
 *   makereport KIND json                      the document, on stdout
 *   makereport KIND terminal WIDTH [PICTURE..] as a terminal of that width has
 *                                             it; 0: no terminal
 *
 * KIND: made_report.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "made_report.h"
#include "view/json.h"

static struct made_report made;

static int page(const char *kind, int count, char **rest)
{
    akin_decoder *decoder = NULL;
    akin_error err;
    akin_status status = akin_decoder_open(&decoder, NULL, NULL, &err);
    if (!status)
        status = akin__report_page(made_report(&made, kind,
                                               (const char *const *)rest + 1,
                                               (size_t)count - 1),
                                   rest[0], decoder, &err);
    if (status)
        fprintf(stderr, "makereport: %s\n", err.message);
    akin_decoder_close(&decoder);
    return status != AKIN_OK;
}

static int json(const char *kind)
{
    json_t *document = akin__report_json(made_report(&made, kind, NULL, 0));
    char *line = document ? akin__json_line(document) : NULL;
    fputs(line ? line : "", stdout);
    akin__free(line);
    json_decref(document);
    return line == NULL;
}

static int terminal(const char *kind, int count, char **rest)
{
    const size_t width = strtoul(rest[0], NULL, 10);
    const struct akin__look look = {width, width > 0 && !getenv("NO_COLOR")};
    struct akin__text text = {0};
    akin_decoder *decoder = NULL;
    akin_error err;
    if (akin_decoder_open(&decoder, NULL, NULL, &err) != AKIN_OK)
        return 1;
    akin__report_terminal(made_report(&made, kind,
                                      (const char *const *)rest + 1,
                                      (size_t)count - 1),
                          &look, decoder, &text);
    akin_decoder_close(&decoder);
    fwrite(text.bytes, 1, text.length, stdout);
    const int failed = text.failed;
    akin__text_free(&text);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[2], "json") == 0)
        return json(argv[1]);
    if (argc > 3 && strcmp(argv[2], "page") == 0)
        return page(argv[1], argc - 3, argv + 3);
    if (argc > 3 && strcmp(argv[2], "terminal") == 0)
        return terminal(argv[1], argc - 3, argv + 3);
    fprintf(stderr, "usage: makereport KIND page OUT [PICTURE..] | json | "
                    "terminal WIDTH [PICTURE..]\n");
    return 2;
}
