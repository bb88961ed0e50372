/* Which files a search may answer with: from options to akin_search_options. */
#ifndef AKIN_CLI_FILTER_H
#define AKIN_CLI_FILTER_H

#include "opt.h"

struct cli_filter {
    akin_search_options options; /* points into what follows */
    char *path, *formats;
};

/*
 * Take over what the options say, and let --path mean the paths that are
 * shown: those below the folder `here` (or NULL) without the way to it, where
 * the index at `index` was found above. 0 or an exit code, said.
 * cli_filter_free serves after either.
 */
int cli_filter_make(struct cli_filter *filter, const struct cli_values *values,
                    const char *index, const char *here);
void cli_filter_free(struct cli_filter *filter);

#endif
