/*
 * Made up: thousands of indexes that somebody edited and gave right checksums.
 * fuzz/fuzz_index.c makes, opens, searches, verifies and repairs each; it ends
 * the process where a repair does not verify.
 */
#include "tap.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void edited_indexes_with_right_checksums_do_no_harm(void)
{
    enum { EDIT = 6, MOST_EDITS = 8 };
    const int rounds = getenv("AKIN_EVERY_BYTE") ? 100000 : 1500;
    uint64_t random = 88172645463325252;
    for (int i = 0; i < rounds; i++) {
        uint8_t input[EDIT * MOST_EDITS];
        for (size_t at = 0; at < sizeof input; at++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            input[at] = (uint8_t)(random >> 32);
        }
        EXPECT_INT(
            LLVMFuzzerTestOneInput(input, EDIT * (1 + (size_t)i % MOST_EDITS)),
            0);
    }
}

int main(void)
{
    RUN(edited_indexes_with_right_checksums_do_no_harm);
    return tap_done();
}
