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
     "b33cedfd0df4e43b8238760678fcc89e1a0d38b3", "refs/pr/15",
     "99d28a652e6ec46629ab7047a0ac82c69b1fe11e0ce672c43af65d3a9a3fc05d",
     605157884},
    {"dinov2", "facebook/dinov2-base",
     "f9e44c814b77203eaa57a6bdbbd535f21ede1415", "main",
     "d73036b56966966d07975d696bde331762f37297e2f095de8cea0040c3aa0841",
     346345912},
    {NULL, "facebook/dinov2-small", "ed25f3a31f01632728cabb09d1542f84ab7b0056",
     "main", NULL, 0},
    {"starter", NULL, NULL, NULL, NULL,
     0}, /* made on this machine: docs/models.md */
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
