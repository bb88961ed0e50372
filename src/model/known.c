/*
 * Known models: a table.
 *
 * The commits are pinned because vectors of different weights never compare:
 * `clip` means the same bytes today and in ten years. CLIP's main branch has
 * pytorch_model.bin only; its safetensors came with pull request 15.
 */
#include "model/known.h"

#include <stdbool.h>
#include <string.h>

static const struct akin__known known[] = {
    {"clip", "openai/clip-vit-base-patch32",
     "b33cedfd0df4e43b8238760678fcc89e1a0d38b3", "refs/pr/15"},
    {"dinov2", "facebook/dinov2-base",
     "f9e44c814b77203eaa57a6bdbbd535f21ede1415", "main"},
    {NULL, "facebook/dinov2-small", "ed25f3a31f01632728cabb09d1542f84ab7b0056",
     "main"},
    {"starter", NULL, NULL, NULL}, /* made on this machine: docs/models.md */
};

const struct akin__known *akin__known_at(size_t index)
{
    return index < sizeof known / sizeof *known ? &known[index] : NULL;
}

static bool same(const char *entry, const char *text, size_t length)
{
    return entry && strlen(entry) == length && !memcmp(entry, text, length);
}

const struct akin__known *akin__known_find(const char *text, size_t length)
{
    for (size_t i = 0; akin__known_at(i); i++) {
        if (same(known[i].name, text, length) ||
            same(known[i].id, text, length))
            return &known[i];
    }
    return NULL;
}
