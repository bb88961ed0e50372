/* JSON: jansson behind two rules (json.h). */
#include "base/json.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

akin_status akin__json_parse(const char *what, const char *bytes, size_t count,
                             json_t **document, akin_error *err)
{
    json_error_t error;
    /* jansson itself refuses more than 2,048 levels of nesting. */
    *document = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, &error);
    if (!*document)
        return akin__fail(err, AKIN_EFORMAT, "%s: line %d: %s", what,
                          error.line, error.text);
    return AKIN_OK;
}

akin_status akin__json_read(const char *path, size_t limit, json_t **document,
                            akin_error *err)
{
    uint8_t *bytes;
    size_t count;
    *document = NULL;
    akin_status status =
        akin__read_file(path, limit, &bytes, &count, NULL, err);
    if (status)
        return status;
    status = akin__json_parse(path, (const char *)bytes, count, document, err);
    akin__free(bytes);
    return status;
}

/* `bytes` with U+FFFD in the place of what is no UTF-8. */
static void add_lossy(struct akin__text *text, const char *bytes)
{
    size_t left = strlen(bytes);
    while (left) {
        const size_t length = akin__utf8_length(bytes, left);
        if (length)
            akin__text_add(text, bytes, length);
        else
            akin__text_add(text, "\xef\xbf\xbd", 3);
        bytes += length ? length : 1;
        left -= length ? length : 1;
    }
}

static int set_hex(json_t *object, const char *key, const char *bytes)
{
    const size_t count = strlen(bytes);
    struct akin__text name = {0};
    char *digits = akin__alloc(count + 1, 2);
    int result = -1;
    akin__text_addf(&name, "%s_hex", key);
    if (digits && !name.failed) {
        akin__hex(digits, (const uint8_t *)bytes, count);
        result = json_object_set_new(object, name.bytes, json_string(digits));
    }
    akin__free(digits);
    akin__text_free(&name);
    return result;
}

int akin__json_set_path(json_t *object, const char *key, const char *bytes)
{
    if (akin__utf8_valid(bytes, strlen(bytes)))
        return json_object_set_new(object, key, json_string(bytes));
    struct akin__text lossy = {0};
    add_lossy(&lossy, bytes);
    int result = -1;
    if (!lossy.failed)
        result = json_object_set_new(object, key, json_string(lossy.bytes));
    akin__text_free(&lossy);
    return result ? result : set_hex(object, key, bytes);
}
