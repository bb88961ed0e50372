/*
 * BPE: words of bytes into tokens, by a vocabulary and an ordered list of
 * merges, as Hugging Face's tokenizers does it (model "BPE").
 *
 * Both lists are untrusted: every merge is known to make a token of the
 * vocabulary, and every byte to be one, before a word is looked at.
 *
 * Threads: immutable once open.
 */
#ifndef AKIN_MODEL_BPE_H
#define AKIN_MODEL_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "base/json.h"

struct akin__bpe;

/*
 * `vocabulary`: an object token -> number below `tokens`. `merges`: an array of
 * "a b" or ["a", "b"], the first merge first. A token that ends a word ends in
 * "</w>"; bytes are written as GPT-2 does. Messages begin with `path`.
 */
akin_status akin__bpe_open(struct akin__bpe **bpe, const char *path,
                           const json_t *vocabulary, const json_t *merges,
                           size_t tokens, akin_error *err);
void akin__bpe_close(struct akin__bpe **bpe);

/* The tokens of a word, `bytes` [count], 1 or more, into ids [count]; *found
 * says how many. Work is count * log(count). Errors: AKIN_ENOMEM. */
akin_status akin__bpe_word(const struct akin__bpe *bpe, const uint8_t *bytes,
                           size_t count, int32_t *ids, size_t *found,
                           akin_error *err);

#endif
