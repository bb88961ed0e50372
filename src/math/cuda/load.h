/*
 * Load: the CUDA plugin, where it is, and the card that a device names.
 *
 * The plugin is looked for once, and stays: AKIN_CUDA_PLUGIN's file if that is
 * set (empty: none), else libakin-cuda.so beside this library or command, a
 * folder above, in lib or where the build installs libraries from there on,
 * else where the system's loader looks. Threads: any.
 */
#ifndef AKIN_MATH_CUDA_LOAD_H
#define AKIN_MATH_CUDA_LOAD_H

#include <stdbool.h>

#include "akin.h"
#include "math/cuda/plugin.h"

/* Whether it is a device's name: NULL, "auto", "cpu", "cuda" or "cuda:N". */
bool akin__device_known(const char *device);

/* Whether the device may be a card: it is not NULL or "cpu". */
bool akin__device_tries_card(const char *device);

/*
 * The card that serves as `device`, one of akin__device_known: "cuda:N" is card
 * N, "cuda" and "auto" the first that serves.
 * Errors: AKIN_ENOTFOUND when no plugin is installed; AKIN_EIO when there is
 * one that cannot be loaded, no driver, an old one, no such card.
 */
akin_status akin__cuda_choose(const char *device,
                              const struct akin__cuda_plugin **plugin,
                              struct akin__cuda_card *card, akin_error *err);

#endif
