/*
 * Card: a network for pictures on a CUDA card, by the plugin.
 *
 * Threads: any number at a time run one card; it is closed by one.
 */
#ifndef AKIN_MODEL_CARD_H
#define AKIN_MODEL_CARD_H

#include <stddef.h>
#include <stdint.h>

#include "akin.h"
#include "math/cuda/plugin.h"
#include "model/network.h"

struct akin__card;

/*
 * AKIN_ENOMEM, with how much is needed and how much free, unless the weights of
 * such a network would fit the card as it is now; to be asked before they are
 * read.
 */
akin_status akin__card_room(const struct akin__cuda_card *card,
                            const struct akin__config *config,
                            akin_precision precision, akin_error *err);

/*
 * Take `network`, which is plain, to the card. `value` is what a byte of an
 * input becomes in each channel. Neither is needed afterwards, but for config
 * and shapes.
 */
akin_status akin__card_open(struct akin__card **card,
                            const struct akin__cuda_plugin *plugin, int number,
                            const struct akin__network *network,
                            const float (*value)[256], akin_error *err);
void akin__card_close(struct akin__card **card);

/* Pictures that go through it together at most. */
size_t akin__card_batch(const struct akin__card *card);

/* bytes: [count][height][width][3], count up to the batch, best in memory of
 * akin__card_alloc; vectors: [count][dim]. AKIN_EIO: the card failed. */
akin_status akin__card_run(const struct akin__card *card, size_t count,
                           const uint8_t *bytes, float *vectors,
                           akin_error *err);

/* Memory for bytes on their way to a card, which the card may outlive or not;
 * false: there is none. Zero it first. */
struct akin__card_memory {
    uint8_t *bytes;
    void (*give)(void *memory);
};
bool akin__card_alloc(const struct akin__card *card, size_t bytes,
                      struct akin__card_memory *memory);
void akin__card_free(struct akin__card_memory *memory);

#endif
