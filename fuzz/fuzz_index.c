/*
 * Fuzz: an index that somebody made up, with right checksums. The input is a
 * list of edits, 6 bytes each: which file, an offset of 3 bytes, how, a byte.
 * They are made to a small index; then the checksums of pages and heads are put
 * right, and it is opened, searched, verified, repaired and verified again.
 * libFuzzer; built with -Dfuzz=true.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "index/index.h"
#include "index/store.h"
#include "index/vfs.h"

enum { FILES = 2, PICTURES = 40, DIM = 4, HEAD = 64, EDIT = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static const char *const names[FILES] = {"catalog.db", "rows-0.f32"};
static char home[] = "/dev/shm/akin-fuzz-XXXXXX";
static char *place;           /* the index */
static uint8_t *whole[FILES]; /* its files as akin wrote them */
static size_t size_of[FILES];

static void must(akin_status status)
{
    if (status)
        abort();
}

static void fill(akin_index *index)
{
    for (int i = 0; i < PICTURES; i++) {
        struct akin__entry entry = {
            .bytes = 10, .format = "jpeg", .looked = true};
        const float vector[DIM] = {1, (float)i, 0, 0.5f};
        const float *vectors[] = {vector};
        char *path = akin__format("%s/%d.jpg", home, i);
        memset(entry.content, i / 2, sizeof entry.content);
        entry.failed = i % 9 == 8;
        must(akin__index_put(index, path, &entry, vectors, !entry.failed, 0,
                             NULL));
        akin__free(path);
    }
    must(akin__index_add_root(index, home, NULL));
    must(akin__index_commit(index, NULL));
}

static void make_whole(void)
{
    char fingerprint[65] = "";
    memset(fingerprint, 'a', 64);
    const akin_index_model model = {.name = "clip",
                                    .folder = "/models",
                                    .revision = "",
                                    .family = "clip",
                                    .pool = "cls",
                                    .fingerprint = fingerprint,
                                    .dim = DIM};
    akin_index *index;
    size_t ordinal;
    if (!mkdtemp(home))
        abort();
    place = akin__format("%s/x.akin", home);
    must(akin_index_open(&index, place, AKIN_INDEX_CREATE, NULL));
    must(akin__index_model_as(index, &model, (struct akin__making){0}, &ordinal,
                              NULL));
    fill(index);
    akin_index_close(&index);
    for (int f = 0; f < FILES; f++) {
        char *path = akin__join(place, names[f]);
        must(
            akin__read_file(path, 1 << 22, &whole[f], &size_of[f], NULL, NULL));
        akin__free(path);
    }
}

static void edit(uint8_t *file[FILES], const uint8_t *at)
{
    const int f = at[0] % FILES;
    const size_t offset =
        (at[1] | (size_t)at[2] << 8 | (size_t)at[3] << 16) % size_of[f];
    uint8_t *byte = &file[f][offset];
    *byte = at[4] % 3 == 0   ? at[5]
            : at[4] % 3 == 1 ? (uint8_t)(*byte ^ at[5])
                             : (uint8_t)(*byte + at[5]);
}

static void seal(uint8_t *file[FILES])
{
    for (size_t at = 0; at + AKIN__PAGE_BYTES <= size_of[0];
         at += AKIN__PAGE_BYTES)
        akin__page_seal(file[0] + at, (uint32_t)(at / AKIN__PAGE_BYTES) + 1);
    akin__store_le32(file[1] + HEAD - 4, akin__crc32(file[1], HEAD - 4));
}

/* What a repair left unmended: never. */
static void complain(void *context, const char *text, const char *path)
{
    (void)context;
    fprintf(stderr, "not mended: %s (%s)\n", text, path ? path : "");
}

static void ignore(void *context, const char *path, const char *reason)
{
    (void)context, (void)path, (void)reason;
}

static void use(void)
{
    akin_index *index;
    akin_index_info info;
    akin_match match[16];
    const float query[DIM] = {1, 3, 0, 0};
    size_t found;
    if (akin_index_open(&index, place, AKIN_INDEX_READ, NULL))
        return;
    if (akin_index_count(index, &info, NULL) == AKIN_OK && info.models &&
        info.model[0].dim == DIM &&
        akin_index_search(index, info.model[0].name, query, 16, match, &found,
                          NULL) == AKIN_OK &&
        found > 16)
        abort();
    if (akin_index_failures(index, ignore, NULL, NULL))
        found = 0;
    akin_index_close(&index);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    uint8_t *file[FILES];
    if (!place)
        make_whole();
    for (int f = 0; f < FILES; f++) {
        file[f] = akin__alloc(size_of[f], 1);
        memcpy(file[f], whole[f], size_of[f]);
    }
    for (size_t at = 0; at + EDIT <= count && at < 64 * EDIT; at += EDIT)
        edit(file, bytes + at);
    seal(file);
    for (int f = 0; f < FILES; f++) {
        char *path = akin__join(place, names[f]);
        struct akin__file out;
        must(akin__file_open(&out, path, AKIN__FRESH, NULL));
        must(akin__file_write(&out, file[f], size_of[f], 0, NULL));
        akin__file_close(&out);
        akin__free(path);
        akin__free(file[f]);
    }
    use();
    if (akin_index_verify(place, NULL, NULL, NULL) == AKIN_ECORRUPT &&
        akin_index_repair(place, NULL, NULL, NULL) == AKIN_OK) {
        const akin_check_options loud = {.size = sizeof loud,
                                         .problem = complain};
        must(akin_index_verify(place, &loud, NULL, NULL));
        use();
    }
    return 0;
}
