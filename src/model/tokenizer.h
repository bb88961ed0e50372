/*
 * Tokenizer: a text as the numbers that CLIP's text tower reads, equal to
 * transformers' CLIPTokenizer.
 *
 * Its files come with the weights and are untrusted. Threads: immutable once
 * open.
 */
#ifndef AKIN_MODEL_TOKENIZER_H
#define AKIN_MODEL_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "model/place.h"

struct akin__tokenizer;

/*
 * From tokenizer.json, which transformers prefers as well, else from vocab.json
 * and merges.txt. Every token is below `tokens`, the rows of the embedding.
 * Errors: AKIN_EMODEL, AKIN_EFORMAT, AKIN_EIO, AKIN_ENOMEM.
 */
akin_status akin__tokenizer_open(struct akin__tokenizer **tokenizer,
                                 const struct akin__weights_place *place,
                                 size_t tokens, akin_error *err);
void akin__tokenizer_close(struct akin__tokenizer **tokenizer);

/*
 * The tokens of `text` [bytes] into ids [most], 2 or more: the start token, at
 * most `most` - 2 of the text's, the end token. *count says how many. What is
 * no UTF-8 is read as U+FFFD. Errors: AKIN_ENOMEM.
 */
akin_status akin__tokenize(const struct akin__tokenizer *tokenizer,
                           const char *text, size_t bytes, int32_t *ids,
                           size_t most, size_t *count, akin_error *err);

#endif
