/*
 * Fuzz: a tokenizer's files and the text it reads. libFuzzer; built with
 * -Dfuzz=true. The first byte says which: of an even one the rest up to a zero
 * is tokenizer.json and what follows the text; of an odd one vocab.json,
 * merges.txt and the text are parted by zeros. Start it with files of
 * tools/make_tiny.py's vocabulary.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { ROWS = 1000, MOST = 77 };
static char folder[] = "/tmp/akin-fuzz-XXXXXX";

struct rest {
    const uint8_t *at;
    size_t count;
};

/* The bytes up to a zero into a file of the folder; what is left of them. */
static struct rest put(struct rest rest, const char *name)
{
    const uint8_t *zero = rest.count ? memchr(rest.at, 0, rest.count) : NULL;
    const size_t length = zero ? (size_t)(zero - rest.at) : rest.count;
    char *path = akin__join(folder, name);
    struct akin__file file = {.fd = -1};
    if (!path || akin__file_open(&file, path, AKIN__FRESH, NULL) ||
        akin__file_write(&file, rest.at, length, 0, NULL))
        abort();
    akin__file_close(&file);
    akin__free(path);
    rest.at += length + (zero != NULL);
    rest.count -= length + (zero != NULL);
    return rest;
}

static void drop(const char *name)
{
    char *path = akin__join(folder, name);
    if (!path || akin__remove(path, NULL))
        abort();
    akin__free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct akin__weights_place place;
    struct akin__tokenizer *tokenizer;
    int32_t ids[MOST];
    size_t found;
    if (!place.folder) {
        if (!mkdtemp(folder))
            abort();
        put((struct rest){(const uint8_t *)"{}", 2}, "config.json");
        put((struct rest){(const uint8_t *)"", 0}, "model.safetensors");
        if (akin__weights_locate(folder, NULL, &place, NULL))
            abort();
    }
    if (!count)
        return 0;
    struct rest rest = {bytes + 1, count - 1};
    if (bytes[0] % 2) {
        rest = put(rest, "vocab.json");
        rest = put(rest, "merges.txt");
        drop("tokenizer.json");
    } else {
        rest = put(rest, "tokenizer.json");
    }
    if (akin__tokenizer_open(&tokenizer, &place, ROWS, NULL))
        return 0;
    if (akin__tokenize(tokenizer, (const char *)rest.at, rest.count, ids, MOST,
                       &found, NULL) ||
        found < 2 || found > MOST)
        abort();
    for (size_t i = 0; i < found; i++)
        if (ids[i] < 0 || ids[i] >= ROWS)
            abort();
    akin__tokenizer_close(&tokenizer);
    return 0;
}
