/*
 * Hub over HTTP (hub_http.h), by libcurl.
 *
 * Redirects are followed here and not by curl, because two things hang on each
 * hop: whether the token goes along, and, for HEAD, whether the answer is the
 * hub's (which carries hash and size) or already the storage's behind it.
 *
 * Every wait is bounded: connecting 15 s, silence 30 s (or
 * HF_HUB_DOWNLOAD_TIMEOUT), TRIES attempts in a row without a new byte, and
 * Retry-After up to a minute.
 */
#include "model/hub_http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/cache.h"

enum {
    TRIES = 5,
    HOPS_MAX = 5,
    JUNK_MAX = 64 << 10, /* bytes of a redirect's or an error's body */
    CONNECT_SECONDS = 15,
    SILENCE_SECONDS = 30,
    RETRY_AFTER_MAX = 60,
    TOKEN_MAX = 4096
};

struct akin__http {
    CURL *curl;
    char *endpoint;           /* without a slash at its end */
    struct curl_slist *token; /* the Authorization header, or NULL */
    akin_progress_fn progress;
    void *context;
    bool reached; /* the hub has answered once */

    /* the transfer that runs */
    const char *what;
    struct akin__http_reply *reply;
    struct akin__file *file; /* NULL: nothing to write */
    uint64_t have, size, junk;
    bool started, cancelled;
    bool misfit;         /* what is here is no beginning of what is there */
    akin_status written; /* what became of writing, with its message */
    akin_error *err;
    char words[CURL_ERROR_SIZE];
};

/* ----------------------------------------------------------- callbacks -- */

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct akin__http *http = context;
    return akin__http_header(http->reply, line, size * count) ? size * count
                                                              : 0;
}

/* Where the body starts: at what is there already, or, when the server sends
 * the whole, at 0. */
static akin_status start_body(struct akin__http *http, long status)
{
    http->started = true;
    if (status == 200 && http->have) {
        http->have = 0;
        return akin__file_truncate(http->file, 0, http->err);
    }
    http->misfit = status == 206 && (!http->reply->ranged ||
                                     http->reply->range_start != http->have);
    return AKIN_OK;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct akin__http *http = context;
    const size_t length = size * count;
    long status = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!http->file || (status != 200 && status != 206)) {
        http->junk += length;
        return http->junk <= JUNK_MAX ? length : 0;
    }
    if (!http->started)
        http->written = start_body(http, status);
    if (http->misfit)
        return 0;
    if (!http->written && length > http->size - http->have)
        http->written = akin__fail(
            http->err, AKIN_EFORMAT,
            "%s: the server sends more than the %llu bytes it declared",
            http->what, (unsigned long long)http->size);
    if (!http->written)
        http->written =
            akin__file_write(http->file, bytes, length, http->have, http->err);
    if (http->written)
        return 0;
    http->have += length;
    return length;
}

/* Whether the caller wants to stop. */
static bool stopped(struct akin__http *http)
{
    if (http->progress &&
        http->progress(http->context, http->what, http->have, http->size))
        http->cancelled = true;
    return http->cancelled;
}

static int on_progress(void *context, curl_off_t down_whole, curl_off_t down,
                       curl_off_t up_whole, curl_off_t up)
{
    (void)down_whole, (void)down, (void)up_whole, (void)up;
    return stopped(context);
}

/* ------------------------------------------------------------- the hops -- */

/* Whether both have the same scheme, host and port. */
static bool same_origin(const char *a, const char *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST,
                                      CURLUPART_PORT};
    CURLU *left = curl_url(), *right = curl_url();
    bool same = left && right && !curl_url_set(left, CURLUPART_URL, a, 0) &&
                !curl_url_set(right, CURLUPART_URL, b, 0);
    for (size_t i = 0; same && i < 3; i++) {
        char *of_a = NULL, *of_b = NULL;
        same = !curl_url_get(left, parts[i], &of_a, CURLU_DEFAULT_PORT) &&
               !curl_url_get(right, parts[i], &of_b, CURLU_DEFAULT_PORT) &&
               !strcasecmp(of_a, of_b);
        curl_free(of_a);
        curl_free(of_b);
    }
    curl_url_cleanup(left);
    curl_url_cleanup(right);
    return same;
}

/* One request to one place. */
static CURLcode ask(struct akin__http *http, const char *url)
{
    char range[32];
    snprintf(range, sizeof range, "%llu-", (unsigned long long)http->have);
    http->words[0] = 0;
    http->junk = 0;
    http->started = http->misfit = false;
    curl_easy_setopt(http->curl, CURLOPT_URL, url);
    curl_easy_setopt(http->curl, CURLOPT_NOBODY, http->file ? 0L : 1L);
    if (http->file)
        curl_easy_setopt(http->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(http->curl, CURLOPT_RANGE,
                     http->file && http->have ? range : NULL);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER,
                     same_origin(url, http->endpoint) ? http->token : NULL);
    const CURLcode code = curl_easy_perform(http->curl);
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &http->reply->status);
    /* Enough of a body that nobody reads: the answer itself is there. */
    return code == CURLE_WRITE_ERROR && http->junk > JUNK_MAX ? CURLE_OK : code;
}

/* The size that a last answer to HEAD declares when no header told it. */
static void take_length(struct akin__http *http)
{
    curl_off_t length = -1;
    curl_easy_getinfo(http->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (!http->reply->sized && http->reply->status == 200 && length >= 0) {
        http->reply->sized = true;
        http->reply->size = (uint64_t)length;
    }
}

/* The request and where it is sent on to. HEAD ends at the hub's own door. */
static CURLcode follow(struct akin__http *http, const char *url)
{
    char *next = akin__strdup(url);
    CURLcode code = next ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    memset(http->reply, 0, sizeof *http->reply);
    for (int hop = 0; next && hop <= HOPS_MAX; hop++) {
        const char *location = NULL;
        code = ask(http, next);
        if (code)
            break;
        take_length(http);
        curl_easy_getinfo(http->curl, CURLINFO_REDIRECT_URL, &location);
        if (http->reply->status / 100 != 3 || !location ||
            (!http->file && !same_origin(location, http->endpoint)))
            break;
        code = hop == HOPS_MAX ? CURLE_TOO_MANY_REDIRECTS : CURLE_OK;
        char *copy = akin__strdup(location);
        akin__free(next);
        next = copy;
        if (!copy)
            code = CURLE_OUT_OF_MEMORY;
    }
    akin__free(next);
    return code;
}

/* -------------------------------------------------------------- retries -- */

static bool worth_a_retry(const struct akin__http *http, CURLcode code)
{
    const long status = http->reply->status;
    switch (code) {
    case CURLE_OK:
        return (http->started && http->have < http->size) || status == 408 ||
               status == 429 || status == 500 || status == 502 ||
               status == 503 || status == 504;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return http->reached; /* else there is no network: say so at once */
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

static akin_status transport_failed(struct akin__http *http, CURLcode code,
                                    akin_error *err)
{
    if (http->cancelled)
        return akin__fail(err, AKIN_ECANCELLED,
                          "%s: stopped; the same goes on from there later",
                          http->what);
    if (http->written)
        return http->written;
    if (code == CURLE_OUT_OF_MEMORY)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", http->endpoint);
    return akin__fail(err, AKIN_ENETWORK, "%s: %s", http->endpoint,
                      http->words[0] ? http->words : curl_easy_strerror(code));
}

/* Let `seconds` pass, or end early because the caller wants to stop. */
static void pause_for(struct akin__http *http, double seconds)
{
    const double end = akin__seconds() + seconds;
    while (!stopped(http) && akin__seconds() < end)
        akin__sleep(0.05);
}

/* Wait before attempt number `failures` + 1 as the server asks, else longer
 * each time; not at all when the last attempt brought bytes. */
static akin_status back_off(struct akin__http *http, int failures,
                            akin_error *err)
{
    curl_off_t asked = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &asked);
    if (asked > RETRY_AFTER_MAX)
        return akin__fail(err, AKIN_ENETWORK,
                          "%s: answers %ld and asks to come back in %lld "
                          "seconds (limit %d)",
                          http->endpoint, http->reply->status, (long long)asked,
                          RETRY_AFTER_MAX);
    if (asked > 0)
        pause_for(http, (double)asked);
    else if (failures > 0)
        pause_for(http, 0.5 * (1 << failures));
    if (http->cancelled)
        return akin__fail(err, AKIN_ECANCELLED,
                          "%s: stopped; the same goes on from there later",
                          http->what);
    return AKIN_OK;
}

/* Ask until there is an answer that is worth reporting or the whole file. */
static akin_status insist(struct akin__http *http, const char *url,
                          akin_error *err)
{
    uint64_t most = http->have;
    akin_status status = AKIN_OK;
    http->cancelled = false;
    http->written = AKIN_OK;
    http->err = err;
    for (int failures = 0; !status;) {
        const CURLcode code = follow(http, url);
        http->reached = http->reached || code == CURLE_OK;
        const bool misfit =
            http->misfit ||
            (code == CURLE_OK && http->reply->status == 416 && http->have);
        failures = http->have > most ? 0 : failures + 1;
        most = http->have > most ? http->have : most;
        if (failures == TRIES || (!misfit && !worth_a_retry(http, code)))
            return code ? transport_failed(http, code, err) : AKIN_OK;
        if (misfit) {
            http->have = 0;
            status = akin__file_truncate(http->file, 0, err);
        }
        if (!status)
            status = back_off(http, failures, err);
    }
    return status;
}

akin_status akin__http_head(struct akin__http *http, const char *url,
                            const char *what, struct akin__http_reply *reply,
                            akin_error *err)
{
    http->what = what;
    http->reply = reply;
    http->file = NULL;
    http->have = http->size = 0;
    return insist(http, url, err);
}

akin_status akin__http_get(struct akin__http *http, const char *url,
                           const char *what, struct akin__file *file,
                           uint64_t have, uint64_t size,
                           struct akin__http_reply *reply, akin_error *err)
{
    http->what = what;
    http->reply = reply;
    http->file = file;
    http->have = have;
    http->size = size;
    akin_status status = insist(http, url, err);
    const bool answered = reply->status == 200 || reply->status == 206;
    if (!status && answered && http->have != size)
        status = akin__fail(err, AKIN_EFORMAT,
                            "%s: the server sent %llu bytes and declared %llu",
                            what, (unsigned long long)http->have,
                            (unsigned long long)size);
    http->file = NULL;
    return status;
}

/* ------------------------------------------------------ open and close -- */

char *akin__http_url(const struct akin__http *http, const char *id,
                     const char *revision, const char *file)
{
    char *quoted_revision = curl_easy_escape(http->curl, revision, 0);
    char *quoted_file = curl_easy_escape(http->curl, file, 0);
    char *url = quoted_revision && quoted_file
                    ? akin__format("%s/%s/resolve/%s/%s", http->endpoint, id,
                                   quoted_revision, quoted_file)
                    : NULL;
    curl_free(quoted_revision);
    curl_free(quoted_file);
    return url;
}

bool akin__http_has_token(const struct akin__http *http)
{
    return http->token != NULL;
}

bool akin__http_reached(const struct akin__http *http)
{
    return http->reached;
}

/* HF_TOKEN, else the file that `hf auth login` writes; *token NULL: none. */
static akin_status read_token(char **token, akin_error *err)
{
    const char *set = getenv("HF_TOKEN"), *named = getenv("HF_TOKEN_PATH");
    char *home = NULL, *path = NULL;
    uint8_t *bytes = NULL;
    size_t count = 0;
    akin_status status = AKIN_OK;
    *token = NULL;
    if (set && *set) {
        *token = akin__strdup(set);
        return *token ? AKIN_OK : akin__fail(err, AKIN_ENOMEM, "no memory");
    }
    AKIN_TRY(akin__cache_home(&home, err));
    path = named && *named ? akin__strdup(named) : akin__join(home, "token");
    AKIN_CHECK(path, err, AKIN_ENOMEM, "no memory");
    if (!akin__is_regular(path))
        goto out;
    AKIN_TRY(akin__read_file(path, TOKEN_MAX, &bytes, &count, NULL, err));
    *token = akin__format("%.*s", (int)count, (const char *)bytes);
    AKIN_CHECK(*token, err, AKIN_ENOMEM, "no memory");
out:
    akin__free(bytes);
    akin__free(path);
    akin__free(home);
    return status;
}

/* The header with the token, its white space cut off; a token cannot smuggle
 * in a header of its own. */
static akin_status set_token(struct akin__http *http, akin_error *err)
{
    char *token, *header = NULL;
    akin_status status = read_token(&token, err);
    if (status || !token)
        return status;
    const char *start = token + strspn(token, " \t\r\n");
    const size_t length = strcspn(start, " \t\r\n");
    AKIN_CHECK(length == strspn(start, "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-._~+/=") &&
                   !start[length + strspn(start + length, " \t\r\n")],
               err, AKIN_EUSAGE,
               "HF_TOKEN holds a character that no token has");
    if (length) {
        header = akin__format("Authorization: Bearer %.*s", (int)length, start);
        http->token = header ? curl_slist_append(NULL, header) : NULL;
        AKIN_CHECK(http->token, err, AKIN_ENOMEM, "no memory");
    }
out:
    akin__free(token);
    akin__free(header);
    return status;
}

static akin_status set_endpoint(struct akin__http *http, akin_error *err)
{
    const char *set = getenv("HF_ENDPOINT");
    http->endpoint = akin__strdup(set && *set ? set : "https://huggingface.co");
    if (!http->endpoint)
        return akin__fail(err, AKIN_ENOMEM, "no memory");
    size_t length = strlen(http->endpoint);
    while (length && http->endpoint[length - 1] == '/')
        http->endpoint[--length] = 0;
    if (strncmp(http->endpoint, "https://", 8) &&
        strncmp(http->endpoint, "http://", 7))
        return akin__fail(err, AKIN_EUSAGE,
                          "HF_ENDPOINT is \"%s\": it begins with https:// or "
                          "http://",
                          http->endpoint);
    return AKIN_OK;
}

static long silence_seconds(void)
{
    const char *set = getenv("HF_HUB_DOWNLOAD_TIMEOUT");
    const long seconds = set ? strtol(set, NULL, 10) : 0;
    return seconds > 0 && seconds < 3600 ? seconds : SILENCE_SECONDS;
}

/* What holds for every request. Proxies are curl's: http_proxy and the like. */
static void set_options(struct akin__http *http)
{
    CURL *curl = http->curl;
    const bool plain = !strncmp(http->endpoint, "http://", 7);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR,
                     plain ? "http,https" : "https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "akin/" AKIN_VERSION);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, silence_seconds());
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->words);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, http);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
}

akin_status akin__http_open(struct akin__http **out, akin_progress_fn progress,
                            void *context, akin_error *err)
{
    struct akin__http *http = akin__calloc(1, sizeof *http);
    akin_status status = AKIN_OK;
    *out = NULL;
    AKIN_CHECK(http, err, AKIN_ENOMEM, "no memory for a connection");
    http->progress = progress;
    http->context = context;
    AKIN_TRY(set_endpoint(http, err));
    http->curl = curl_easy_init();
    AKIN_CHECK(http->curl, err, AKIN_ENOMEM, "no memory for a connection");
    AKIN_TRY(set_token(http, err));
    set_options(http);
    *out = http;
    http = NULL;
out:
    akin__http_close(&http);
    return status;
}

void akin__http_close(struct akin__http **http)
{
    if (!*http)
        return;
    curl_easy_cleanup((*http)->curl);
    curl_slist_free_all((*http)->token);
    akin__free((*http)->endpoint);
    akin__free(*http);
    *http = NULL;
}
