/*
 * Plugin: the table that libakin-cuda.so hands out, which cards there are, and
 * errors in words.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "math/cuda/parts.h"

akin_status akin__cuda_fail(akin_error *err, akin_status status,
                            const char *format, ...)
{
    va_list arguments;
    if (!err)
        return status;
    err->code = status;
    va_start(arguments, format);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    return status;
}

akin_status akin__cuda_check(cudaError_t result, const char *what,
                             akin_error *err)
{
    if (result == cudaSuccess)
        return AKIN_OK;
    cudaGetLastError(); /* else the next call reports it again */
    if (result == cudaErrorMemoryAllocation)
        return akin__cuda_fail(err, AKIN_ENOMEM,
                               "the card has too little free memory");
    const int name = (int)strcspn(what, "(");
    return akin__cuda_fail(err, AKIN_EIO, "the card failed: %s (%.*s)",
                           cudaGetErrorString(result), name, what);
}

akin_status akin__cuda_room(size_t bytes, const char *what, akin_error *err)
{
    akin_status status = AKIN_OK;
    size_t free = 0, all = 0;
    CUDA_TRY(cudaMemGetInfo(&free, &all), err);
    if (free < bytes)
        return akin__cuda_fail(
            err, AKIN_ENOMEM,
            "%s takes %.1f GB of the card's memory, %.1f of %.1f GB are free",
            what, (double)bytes / 1e9, (double)free / 1e9, (double)all / 1e9);
out:
    return status;
}

static akin_status count_cards(int *cards, akin_error *err)
{
    int driver = 0;
    *cards = 0;
    cudaDriverGetVersion(&driver);
    if (!driver)
        return akin__cuda_fail(err, AKIN_EUSAGE,
                               "no NVIDIA driver is installed");
    const cudaError_t result = cudaGetDeviceCount(cards);
    if (result == cudaErrorInsufficientDriver)
        return akin__cuda_fail(
            err, AKIN_EUSAGE,
            "the NVIDIA driver is of CUDA %d.%d, akin's plugin needs one of "
            "CUDA %d.%d: update the driver",
            driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
            CUDART_VERSION % 1000 / 10);
    if (result == cudaErrorNoDevice || (result == cudaSuccess && !*cards))
        return akin__cuda_fail(err, AKIN_EUSAGE, "there is no NVIDIA card");
    return akin__cuda_check(result, "cudaGetDeviceCount", err);
}

akin_status akin__cuda_use(int card, akin_error *err)
{
    int cards;
    const akin_status status = count_cards(&cards, err);
    if (status)
        return status;
    if (card < 0 || card >= cards)
        return akin__cuda_fail(err, AKIN_EUSAGE,
                               "there is no card %d: they are numbered 0 to %d",
                               card, cards - 1);
    return akin__cuda_check(cudaSetDevice(card), "cudaSetDevice", err);
}

enum { LEAST_MAJOR = 8 }; /* bf16 in the tensor cores, cp.async */

static akin_status describe_card(int number, struct akin__cuda_card *card,
                                 akin_error *err)
{
    cudaDeviceProp is;
    size_t free = 0, all = 0;
    akin_status status = AKIN_OK;
    memset(card, 0, sizeof *card);
    card->number = number;
    TRY(akin__cuda_use(number, err));
    CUDA_TRY(cudaGetDeviceProperties(&is, number), err);
    snprintf(card->name, sizeof card->name, "%s", is.name);
    card->major = is.major;
    card->minor = is.minor;
    if (is.major < LEAST_MAJOR)
        return akin__cuda_fail(err, AKIN_EUSAGE,
                               "card %d, %s, has compute capability %d.%d and "
                               "akin needs %d.0",
                               number, card->name, is.major, is.minor,
                               LEAST_MAJOR);
    CUDA_TRY(cudaDriverGetVersion(&card->driver), err);
    CUDA_TRY(cudaRuntimeGetVersion(&card->runtime), err);
    CUDA_TRY(cudaMemGetInfo(&free, &all), err);
    card->memory = all;
    card->free = free;
out:
    return status;
}

static void *pinned_alloc(size_t bytes)
{
    void *memory = NULL;
    if (cudaHostAlloc(&memory, bytes, cudaHostAllocPortable) == cudaSuccess)
        return memory;
    cudaGetLastError();
    return NULL;
}

static void pinned_free(void *memory)
{
    if (memory)
        cudaFreeHost(memory);
}

extern "C" __attribute__((visibility("default")))
const struct akin__cuda_plugin *
akin_cuda_plugin(void)
{
    static const struct akin__cuda_plugin plugin = {
        AKIN__CUDA_ABI,
        count_cards,
        describe_card,
        akin__cuda_network_open,
        akin__cuda_network_close,
        akin__cuda_network_batch,
        akin__cuda_network_run,
        akin__cuda_network_patches,
        pinned_alloc,
        pinned_free,
        akin__cuda_rows_open,
        akin__cuda_rows_close,
        akin__cuda_rows_put,
        akin__cuda_rows_nearest,
    };
    return &plugin;
}
