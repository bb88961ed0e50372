/*
 * Hub file (hub_file.h).
 *
 * The bytes go to blobs/HASH.incomplete under the lock that Python takes as
 * well, are checked against the hash that the hub declared, synced, renamed to
 * blobs/HASH, and linked from the snapshot. A download that breaks goes on
 * where it stopped, in this pull or the next.
 *
 * What comes from the server and becomes part of a path is checked: commit and
 * hash are hexadecimal digits, nothing else.
 */
#include "model/hub_file.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/blob.h"

static const uint64_t SMALL_MAX = 64 << 20; /* bytes of all but the weights */

/* ------------------------------------------------- what the server says -- */

/* The hub's no, in words that say what to do. */
static akin_status refused(const struct akin__pull *pull, const char *file,
                           const struct akin__http_reply *reply,
                           akin_error *err)
{
    const char *id = pull->name.id;
    const char *revision = akin__wanted_revision(&pull->name);
    const bool token = akin__http_has_token(pull->http);
    if (reply->status == 401)
        return akin__fail(err, AKIN_ENETWORK,
                          "%s: the hub answers 401: there is no such "
                          "repository, or %s may not read it; set HF_TOKEN to "
                          "a token that may",
                          id, token ? "your token" : "one without a token");
    if (reply->status == 403)
        return akin__fail(err, AKIN_ENETWORK,
                          "%s: the hub answers 403: accept its terms on "
                          "https://huggingface.co/%s and set HF_TOKEN to a "
                          "token of that account",
                          id, id);
    if (reply->status == 404 && !strcmp(reply->error, "RevisionNotFound"))
        return akin__fail(err, AKIN_ENOTFOUND,
                          "%s: has no revision %s on the hub", id, revision);
    if (reply->status == 404 && !strcmp(reply->error, "EntryNotFound"))
        return akin__fail(err, AKIN_ENOTFOUND, "%s: has no %s at %s on the hub",
                          id, file, revision);
    if (reply->status == 404)
        return akin__fail(err, AKIN_ENOTFOUND,
                          "%s: the hub has no such repository or revision (%s)",
                          id, revision);
    return akin__fail(err, AKIN_ENETWORK, "%s: the hub answers %ld for %s", id,
                      reply->status, file);
}

/* What was promised of a file must be something that can be checked. */
static akin_status check_reply(struct akin__pull *pull, const char *file,
                               const struct akin__http_reply *reply,
                               akin_error *err)
{
    const char *id = pull->name.id;
    const char *dot = strrchr(file, '.');
    if (!akin__is_commit(reply->commit))
        return akin__fail(err, AKIN_ENETWORK,
                          "%s: the answer names no commit, so it is not the "
                          "hub's: look at HF_ENDPOINT and the proxy",
                          id);
    if (!*pull->commit)
        memcpy(pull->commit, reply->commit, sizeof pull->commit);
    if (strcmp(pull->commit, reply->commit))
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: %s is of commit %s, not %s as asked for", id,
                          file, reply->commit, pull->commit);
    if (akin__blob_kind(reply->etag) == AKIN__BLOB_UNKNOWN)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: the hub declares no hash of %s (\"%s\")", id,
                          file, reply->etag);
    if (!reply->sized)
        return akin__fail(err, AKIN_EFORMAT,
                          "%s: the hub declares no size of %s", id, file);
    if (reply->size > SMALL_MAX && !(dot && !strcmp(dot, ".safetensors")))
        return akin__fail(
            err, AKIN_ELIMIT, "%s: %s has %llu bytes (limit %llu)", id, file,
            (unsigned long long)reply->size, (unsigned long long)SMALL_MAX);
    return AKIN_OK;
}

/* ------------------------------------------------------------- one blob -- */

/* Take the lock of a blob, Python's as well, waiting for who has it. */
static akin_status lock_blob(const struct akin__pull *pull, const char *file,
                             const char *hash, struct akin__file *lock,
                             akin_error *err)
{
    const char *base = strrchr(pull->repo, '/');
    char *folder = akin__format("%.*s/.locks%s", (int)(base - pull->repo),
                                pull->repo, base);
    char *path = folder ? akin__format("%s/%s.lock", folder, hash) : NULL;
    bool taken = false;
    akin_status status;
    AKIN_CHECK(path, err, AKIN_ENOMEM, "%s: no memory", file);
    AKIN_TRY(akin__make_folders(folder, err));
    AKIN_TRY(akin__file_open(lock, path, AKIN__CREATE, err));
    for (;;) {
        AKIN_TRY(akin__file_lock(lock, &taken, err));
        if (taken)
            break;
        const akin_hub_options *o = pull->options;
        AKIN_CHECK(!o->progress || !o->progress(o->context, file, 0, 0), err,
                   AKIN_ECANCELLED, "%s: stopped", file);
        akin__sleep(0.1);
    }
out:
    akin__free(folder);
    akin__free(path);
    return status;
}

/* How much of the file is here from an earlier, broken attempt. */
static akin_status bytes_at_hand(const struct akin__file *part, uint64_t size,
                                 uint64_t *have, akin_error *err)
{
    uint64_t space;
    akin_status status;
    AKIN_TRY(akin__file_size(part, have, err));
    if (*have > size) {
        *have = 0;
        AKIN_TRY(akin__file_truncate(part, 0, err));
    }
    AKIN_TRY(akin__free_space(part->path, &space, err));
    AKIN_CHECK(size - *have <= space, err, AKIN_EIO,
               "%s: needs %llu bytes and the disc has %llu free", part->path,
               (unsigned long long)(size - *have), (unsigned long long)space);
out:
    return status;
}

/* The rest of a file whose first `have` bytes are here. */
static akin_status get_rest(struct akin__pull *pull, const char *file,
                            const struct akin__http_reply *wanted,
                            struct akin__file *part, uint64_t have,
                            akin_error *err)
{
    struct akin__http_reply reply;
    char *url = akin__http_url(pull->http, pull->name.id, pull->commit, file);
    if (!url)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", file);
    akin_status status = akin__http_get(pull->http, url, file, part, have,
                                        wanted->size, &reply, err);
    akin__free(url);
    if (!status && reply.status != 200 && reply.status != 206)
        status = refused(pull, file, &reply, err);
    if (status == AKIN_ENETWORK && err && !akin__file_size(part, &have, NULL)) {
        const akin_error cause = *err;
        akin__fail(err, status,
                   "%s (%llu of %llu bytes of %s are kept: the same command "
                   "goes on from there)",
                   cause.message, (unsigned long long)have,
                   (unsigned long long)wanted->size, file);
    }
    return status;
}

static akin_status check_hash(const struct akin__file *part, const char *file,
                              const struct akin__http_reply *wanted,
                              akin_error *err)
{
    char found[65];
    const akin_status status =
        akin__blob_hash(part, wanted->size, akin__blob_kind(wanted->etag),
                        found, NULL, NULL, file, err);
    if (status || !strcmp(found, wanted->etag))
        return status;
    return akin__fail(err, AKIN_EFORMAT,
                      "%s: the bytes that came have the hash %s, and the hub "
                      "declared %s",
                      file, found, wanted->etag);
}

/*
 * Bring `part` up to its size and check its hash. A wrong hash after a resumed
 * download may be the earlier attempt's fault: once more from the start; after
 * a whole one it is the server's.
 */
static akin_status fill_part(struct akin__pull *pull, const char *file,
                             const struct akin__http_reply *wanted,
                             struct akin__file *part, akin_error *err)
{
    uint64_t have;
    akin_status status = bytes_at_hand(part, wanted->size, &have, err);
    while (!status) {
        if (have < wanted->size)
            status = get_rest(pull, file, wanted, part, have, err);
        if (status)
            break;
        status = check_hash(part, file, wanted, err);
        if (status != AKIN_EFORMAT || akin__file_truncate(part, 0, NULL) ||
            have == 0)
            break;
        have = 0;
        status = AKIN_OK;
    }
    return status;
}

static akin_status download(struct akin__pull *pull, const char *file,
                            const struct akin__http_reply *reply,
                            const char *blob, akin_error *err)
{
    struct akin__file lock = {.fd = -1}, part = {.fd = -1};
    char *blobs = akin__join(pull->repo, "blobs");
    char *path = akin__format("%s.incomplete", blob);
    akin_status status;
    AKIN_CHECK(blobs && path, err, AKIN_ENOMEM, "%s: no memory", file);
    AKIN_TRY(akin__make_folders(blobs, err));
    AKIN_TRY(lock_blob(pull, file, reply->etag, &lock, err));
    if (akin__blob_there(blob, reply->size))
        goto out; /* someone else was faster */
    AKIN_TRY(akin__file_open(&part, path, AKIN__CREATE, err));
    AKIN_TRY(fill_part(pull, file, reply, &part, err));
    AKIN_TRY(akin__file_sync(&part, err));
    AKIN_TRY(akin__rename(path, blob, err));
    AKIN_TRY(akin__sync_folder(blobs, err));
out:
    akin__file_close(&part);
    akin__file_close(&lock);
    akin__free(blobs);
    akin__free(path);
    return status;
}

/* ------------------------------------------------------------- one file -- */

/* REPO/FOLDER/COMMIT/FILE, allocated. */
char *akin__pull_path(const struct akin__pull *pull, const char *folder,
                      const char *file)
{
    return akin__format("%s/%s/%s/%s", pull->repo, folder, pull->commit, file);
}

/* Remember, as Python does, that this commit has no such file. */
static akin_status note_absence(const struct akin__pull *pull, const char *file,
                                akin_error *err)
{
    char *folder = akin__format("%s/.no_exist/%s", pull->repo, pull->commit);
    char *path = folder ? akin__join(folder, file) : NULL;
    akin_status status;
    AKIN_CHECK(path, err, AKIN_ENOMEM, "%s: no memory", file);
    AKIN_TRY(akin__make_folders(folder, err));
    status = akin__replace_file(path, "", 0, err);
out:
    akin__free(folder);
    akin__free(path);
    return status;
}

/* Let the snapshot's file be the blob: a link, or, where the disc has no
 * links, the blob itself, as Python does. */
static akin_status link_blob(const struct akin__pull *pull, const char *file,
                             const char *hash, const char *blob,
                             akin_error *err)
{
    char *folder = akin__format("%s/snapshots/%s", pull->repo, pull->commit);
    char *path = akin__pull_path(pull, "snapshots", file);
    char *target = akin__format("../../blobs/%s", hash);
    akin_status status;
    AKIN_CHECK(folder && path && target, err, AKIN_ENOMEM, "%s: no memory",
               file);
    AKIN_TRY(akin__make_folders(folder, err));
    if (akin__symlink(target, path, NULL))
        AKIN_TRY(akin__rename(blob, path, err));
    status = akin__sync_folder(folder, err);
out:
    akin__free(folder);
    akin__free(path);
    akin__free(target);
    return status;
}

/* Whether the cache settles the question without the hub. */
static bool settled(const struct akin__pull *pull, const char *file,
                    bool *there)
{
    *there = false;
    if (!*pull->commit)
        return false;
    char *path = akin__pull_path(pull, "snapshots", file);
    char *absence = akin__pull_path(pull, ".no_exist", file);
    *there = path && akin__is_regular(path);
    const bool known = *there || (absence && akin__is_regular(absence));
    akin__free(path);
    akin__free(absence);
    return known;
}

/* What the hub says of the file; *there is false when it has none. */
static akin_status ask(struct akin__pull *pull, const char *file, bool *there,
                       struct akin__http_reply *reply, akin_error *err)
{
    const char *revision =
        *pull->commit ? pull->commit : akin__wanted_revision(&pull->name);
    char *url = akin__http_url(pull->http, pull->name.id, revision, file);
    if (!url)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", file);
    akin_status status = akin__http_head(pull->http, url, file, reply, err);
    akin__free(url);
    if (status)
        return status;
    const bool said_so = !strcmp(reply->error, "EntryNotFound");
    *there = reply->status != 404;
    if (*there && reply->status < 400)
        return check_reply(pull, file, reply, err);
    if (!*there && said_so && *pull->commit)
        return note_absence(pull, file, err);
    if (!*there && pull->answered && !*reply->error)
        return AKIN_OK; /* a mirror that is short of words */
    return refused(pull, file, reply, err);
}

akin_status akin__pull_file(struct akin__pull *pull, const char *file,
                            bool *there, akin_error *err)
{
    struct akin__http_reply reply;
    if (settled(pull, file, there))
        return AKIN_OK;
    akin_status status = ask(pull, file, there, &reply, err);
    if (status || !*there)
        return status;
    pull->answered = true;
    if (settled(pull, file, there)) /* now that the commit is known */
        return AKIN_OK;
    *there = true;
    char *blob = akin__format("%s/blobs/%s", pull->repo, reply.etag);
    if (!blob)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", file);
    if (!akin__blob_there(blob, reply.size))
        status = download(pull, file, &reply, blob, err);
    if (!status)
        status = link_blob(pull, file, reply.etag, blob, err);
    akin__free(blob);
    return status;
}
