/*
 * tokens FOLDER: the tokens of texts, for tests that compare them with
 * transformers'. Standard input: each text as its length in bytes (4,
 * little-endian) and its bytes; standard output: a line of numbers for each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "base/memory.h"
#include "model/tokenizer.h"

enum { ROWS = 49408, MOST = 77 };

int main(int argc, char **argv)
{
    struct akin__weights_place place;
    struct akin__tokenizer *tokenizer = NULL;
    akin_error err = {AKIN_OK, ""};
    uint8_t front[4];
    if (argc != 2 || akin__weights_locate(argv[1], NULL, &place, &err) ||
        akin__tokenizer_open(&tokenizer, &place, ROWS, &err)) {
        fprintf(stderr, "tokens: %s\n", err.message);
        return 1;
    }
    while (fread(front, 1, 4, stdin) == 4) {
        const size_t bytes = akin__load_le32(front);
        char *text = akin__alloc(bytes + 1, 1);
        int32_t ids[MOST];
        size_t count;
        if (!text || fread(text, 1, bytes, stdin) != bytes ||
            akin__tokenize(tokenizer, text, bytes, ids, MOST, &count, &err))
            return 1;
        for (size_t i = 0; i < count; i++)
            printf("%s%d", i ? " " : "", (int)ids[i]);
        putchar('\n');
        akin__free(text);
    }
    akin__tokenizer_close(&tokenizer);
    akin__weights_place_free(&place);
    return 0;
}
