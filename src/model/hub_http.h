/*
 * Hub over HTTP: describe a file, fetch a file; retries, redirects, the token.
 *
 * Who may see the token: the endpoint alone (same scheme, host and port); no
 * redirect takes it elsewhere. What a server declares is a promise that is
 * held against it: never more bytes than declared are written. Called by
 * hub.c; one thread at a time.
 */
#ifndef AKIN_MODEL_HUB_HTTP_H
#define AKIN_MODEL_HUB_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "akin.h"
#include "base/file.h"

/* What the headers of an answer said; text that does not fit is dropped. */
struct akin__http_reply {
    long status;     /* 200, 404, ... */
    char commit[41]; /* X-Repo-Commit, or "" */
    char etag[65];   /* X-Linked-Etag, else ETag, without its quotes; or "" */
    char error[32];  /* X-Error-Code: EntryNotFound, RevisionNotFound, ... */
    bool linked;     /* the etag is X-Linked-Etag */
    bool sized;
    uint64_t size; /* X-Linked-Size, else Content-Length */
    bool ranged;
    uint64_t range_start;  /* Content-Range */
    uint64_t header_bytes; /* of this answer */
};

/* One header line into *reply, as it comes: not ended by a zero. False when
 * the answer has more header than any hub sends. */
bool akin__http_header(struct akin__http_reply *reply, const char *line,
                       size_t length);

struct akin__http;

/*
 * Ready to talk to HF_ENDPOINT with the user's token. `progress` is asked
 * whether to go on, also while waiting; it may be NULL.
 */
akin_status akin__http_open(struct akin__http **http, akin_progress_fn progress,
                            void *context, akin_error *err);
void akin__http_close(struct akin__http **http);
bool akin__http_has_token(const struct akin__http *http);
/* Whether the hub has answered anything yet. */
bool akin__http_reached(const struct akin__http *http);

/* ENDPOINT/ID/resolve/REVISION/FILE, allocated; NULL when memory is short. */
char *akin__http_url(const struct akin__http *http, const char *id,
                     const char *revision, const char *file);

/*
 * What the hub says of the file at `url`: any status but those worth a retry
 * is an answer. `what` is the file's name for progress.
 */
akin_status akin__http_head(struct akin__http *http, const char *url,
                            const char *what, struct akin__http_reply *reply,
                            akin_error *err);

/*
 * Append to `file`, which has `have` of `size` bytes, what is missing of the
 * file at `url`. On failure the bytes that came stay. A server that cannot
 * resume is read from the start.
 */
akin_status akin__http_get(struct akin__http *http, const char *url,
                           const char *what, struct akin__file *file,
                           uint64_t have, uint64_t size,
                           struct akin__http_reply *reply, akin_error *err);

#endif
