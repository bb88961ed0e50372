/* Ids (ids.h): an open hash table, and texts in blocks that never move. */
#include "eval/ids.h"

#include <string.h>

#include "base/memory.h"
#include "eval/chance.h"

enum { BLOCK_BYTES = 64 << 10, FIRST_SLOTS = 64 };

struct akin__texts {
    struct akin__texts *before;
    size_t used, room;
    char bytes[];
};

void akin__ids_free(struct akin__ids *ids)
{
    while (ids->texts) {
        struct akin__texts *before = ids->texts->before;
        akin__free(ids->texts);
        ids->texts = before;
    }
    akin__free(ids->name);
    akin__free(ids->slot);
    memset(ids, 0, sizeof *ids);
}

uint64_t akin__ids_hash(const char *name, uint64_t seed)
{
    uint64_t hash = akin__mix(seed);
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3u; /* FNV-1a's prime */
    return akin__mix(hash);
}

const char *akin__ids_text(struct akin__ids *ids, const char *text)
{
    const size_t length = strlen(text) + 1;
    struct akin__texts *block = ids->texts;
    if (!block || block->room - block->used < length) {
        const size_t room = length < BLOCK_BYTES ? BLOCK_BYTES : length;
        block = akin__alloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        *block = (struct akin__texts){.before = ids->texts, .room = room};
        ids->texts = block;
    }
    char *copy = memcpy(block->bytes + block->used, text, length);
    block->used += length;
    return copy;
}

/* The slot that `name` has or would get. */
static size_t find_slot(const struct akin__ids *ids, const char *name)
{
    size_t at = (size_t)akin__ids_hash(name, 0) & (ids->slots - 1);
    while (ids->slot[at] && strcmp(ids->name[ids->slot[at] - 1], name) != 0)
        at = (at + 1) & (ids->slots - 1);
    return at;
}

uint32_t akin__ids_find(const struct akin__ids *ids, const char *name)
{
    const uint32_t number = ids->slots ? ids->slot[find_slot(ids, name)] : 0;
    return number ? number - 1 : AKIN_EVAL_NONE;
}

/* Twice as many slots, and room for as many names as they may hold. */
static bool grow(struct akin__ids *ids)
{
    const size_t slots = ids->slots ? 2 * ids->slots : FIRST_SLOTS;
    const char **name = akin__realloc(ids->name, slots / 2, sizeof *ids->name);
    if (name)
        ids->name = name;
    uint32_t *slot = name ? akin__calloc(slots, sizeof *slot) : NULL;
    if (!slot)
        return false;
    akin__free(ids->slot);
    ids->slot = slot;
    ids->slots = slots;
    ids->room = (uint32_t)(slots / 2);
    for (uint32_t i = 0; i < ids->count; i++)
        slot[find_slot(ids, ids->name[i])] = i + 1;
    return true;
}

uint32_t akin__ids_add(struct akin__ids *ids, const char *name, bool *fresh)
{
    uint32_t number = akin__ids_find(ids, name);
    if (fresh)
        *fresh = number == AKIN_EVAL_NONE;
    if (number != AKIN_EVAL_NONE)
        return number;
    if (ids->count == ids->room && (ids->count >= UINT32_MAX / 4 || !grow(ids)))
        return AKIN_EVAL_NONE;
    const char *kept = akin__ids_text(ids, name);
    if (!kept)
        return AKIN_EVAL_NONE;
    number = ids->count++;
    ids->name[number] = kept;
    ids->slot[find_slot(ids, kept)] = number + 1;
    return number;
}
