/* Export to PostgreSQL in a build without libpq: it says so. */
#include "akin.h"
#include "base/error.h"

const char *akin_pgvector_library(void)
{
    return "";
}

akin_status akin_index_export_pgvector(akin_index *index, const char *model,
                                       const char *to,
                                       const akin_pgvector_options *options,
                                       akin_pgvector_report *report,
                                       akin_error *err)
{
    (void)index;
    (void)model;
    (void)to;
    (void)options;
    (void)report;
    return akin__fail(err, AKIN_EUSAGE,
                      "this akin was built without libpq and cannot export to "
                      "PostgreSQL; install libpq-dev and build it again");
}
