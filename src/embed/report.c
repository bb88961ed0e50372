/*
 * What a run tells its caller: progress, notices, and the table of failures
 * that the catalog keeps. Called with the run's lock held, or by one thread.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "embed/run.h"

akin_status akin__progress(struct akin__run *run, const char *what,
                           uint64_t done, uint64_t whole, akin_error *err)
{
    if (!run->options.progress ||
        !run->options.progress(run->options.context, what, done, whole))
        return AKIN_OK;
    return akin__fail(err, AKIN_ECANCELLED, "stopped after %llu %s",
                      (unsigned long long)done, what);
}

void akin__notice(struct akin__run *run, const struct akin__item *item,
                  const char *reason, bool failed)
{
    const struct akin__root *root = &run->root[item->root];
    const char *rest = akin__item_path(&run->list, item) + strlen(root->real);
    const size_t length = strlen(root->given);
    char shown[2 * PATH_MAX];
    if (!run->options.notice)
        return;
    rest += *rest == '/';
    const bool slash = *rest && length && root->given[length - 1] != '/';
    snprintf(shown, sizeof shown, "%s%s%s", root->given, slash ? "/" : "",
             rest);
    run->options.notice(run->options.context, shown, reason, failed);
}

/* Whether a failure may pass by itself: memory, permission, a loose cable. */
static bool may_pass(akin_status why)
{
    return why == AKIN_ENOMEM || why == AKIN_EIO;
}

akin_status akin__fail_item(struct akin__run *run,
                            const struct akin__item *item,
                            const struct akin__entry *known,
                            struct akin__entry *next, akin_status why,
                            const char *reason, akin_error *err)
{
    next->id = known->id;
    next->failed = true;
    next->retryable = may_pass(why);
    akin__printable(next->reason, sizeof next->reason, reason);
    const bool old =
        known->id && known->failed &&
        strcmp(known->reason, next->reason) == 0 &&
        memcmp(known->content, next->content, sizeof next->content) == 0;
    if (!old || run->options.retry) {
        run->report->failed++;
        akin__notice(run, item, next->reason, true);
    }
    const bool keep = known->id && !known->failed && next->retryable;
    const bool same =
        old && known->bytes == next->bytes && known->mtime_ns == next->mtime_ns;
    return keep || same
               ? AKIN_OK
               : akin__index_put(run->index, akin__item_path(&run->list, item),
                                 next, NULL, 0, 0, err);
}
