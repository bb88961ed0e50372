/* Labels: the words of --labels or of --labels-file. */
#ifndef AKIN_CLI_LABELS_H
#define AKIN_CLI_LABELS_H

#include "opt.h"

struct cli_labels {
    const char **name; /* [count], each another, in the order given */
    size_t count;
    char *bytes; /* that the names point into */
};

/* Read them; 0 or an exit code, and then why was said. cli_labels_free serves
 * after either. */
int cli_labels_read(struct cli_labels *labels, const struct cli_values *values);
void cli_labels_free(struct cli_labels *labels);

#endif
