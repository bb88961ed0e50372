/* Load (load.h): dlopen, once. */
#include "math/cuda/load.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "math/config.h"

#define PLUGIN "libakin-cuda.so"

/* What was found; written once. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct akin__cuda_plugin *found;
static akin_error why; /* there is none */

/* The plugin in `file`, by a path or a plain name. */
static akin_status open_file(const char *file)
{
    typedef const struct akin__cuda_plugin *entry_fn(void);
    entry_fn *entry = NULL;
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const char *cause = library ? NULL : dlerror();
    const size_t length = strlen(file);
    if (!library && !strchr(file, '/') && !strncmp(cause, file, length) &&
        cause[length] == ':')
        return AKIN_ENOTFOUND; /* itself, not what it needs */
    if (!library)
        return akin__fail(&why, AKIN_EIO, "%s: cannot be loaded: %s", file,
                          cause);
    *(void **)(void *)&entry = dlsym(library, "akin_cuda_plugin");
    const struct akin__cuda_plugin *plugin = entry ? entry() : NULL;
    if (plugin && plugin->abi == AKIN__CUDA_ABI) {
        found = plugin;
        return AKIN_OK;
    }
    akin__fail(&why, AKIN_EIO,
               "%s: belongs to another akin (interface %d, not %d): install "
               "both from one build",
               file, plugin ? plugin->abi : 0, AKIN__CUDA_ABI);
    dlclose(library);
    return why.code;
}

/* The folder of the file that holds this function, or NULL. */
static char *own_folder(void)
{
    Dl_info info;
    struct link_map *map = NULL;
    char *real = NULL, *folder;
    akin_error err;
    void *here = NULL;
    void (*const self)(void) = (void (*)(void))own_folder;
    memcpy(&here, &self, sizeof here);
    if (!dladdr1(here, &info, (void **)(void *)&map, RTLD_DL_LINKMAP) || !map)
        return NULL;
    /* The program itself has no name there. */
    if (akin__real_path(*map->l_name ? map->l_name : "/proc/self/exe", &real,
                        &err))
        return NULL;
    folder = akin__parent(real);
    akin__free(real);
    return folder;
}

/* AKIN_ENOTFOUND where it is not there. */
static akin_status open_in(const char *folder, const char *below)
{
    char *path = folder ? akin__format("%s/%s" PLUGIN, folder, below) : NULL;
    const akin_status status =
        path && akin__exists(path) ? open_file(path) : AKIN_ENOTFOUND;
    akin__free(path);
    return status;
}

static void load(void)
{
    static const char *const below[] = {"", "../", "../lib/",
                                        "../" AKIN_LIBDIR "/"};
    const char *named = getenv("AKIN_CUDA_PLUGIN");
    akin_status status = AKIN_ENOTFOUND;
    if (named && *named) {
        status = open_file(named);
    } else if (!named) {
        char *folder = own_folder();
        for (size_t i = 0; i < 4 && status == AKIN_ENOTFOUND; i++)
            status = open_in(folder, below[i]);
        akin__free(folder);
        if (status == AKIN_ENOTFOUND)
            status = open_file(PLUGIN);
    }
    if (status == AKIN_ENOTFOUND)
        akin__fail(&why, AKIN_ENOTFOUND,
                   "this akin has no CUDA: " PLUGIN " is not installed "
                   "(docs/gpu.md says how to build it)");
}

/* ------------------------------------------------------------- devices -- */

/* N of "cuda:N", -1 of "cuda"; false: neither. */
static bool card_number(const char *device, int *number)
{
    char *end;
    *number = -1;
    if (strncmp(device, "cuda", 4) != 0)
        return false;
    if (!device[4])
        return true;
    if (device[4] != ':' || device[5] < '0' || device[5] > '9')
        return false;
    const unsigned long n = strtoul(device + 5, &end, 10);
    *number = (int)(n < 10000 ? n : 10000);
    return !*end;
}

bool akin__device_known(const char *device)
{
    int number;
    return !device || !strcmp(device, "auto") || !strcmp(device, "cpu") ||
           card_number(device, &number);
}

bool akin__device_tries_card(const char *device)
{
    return device && strcmp(device, "cpu") != 0;
}

/* What the card itself cannot, the system refused. */
static akin_status refuse(akin_error *err, akin_status status)
{
    if (status == AKIN_EUSAGE)
        status = AKIN_EIO;
    if (err)
        err->code = status;
    return status;
}

akin_status akin__cuda_choose(const char *device,
                              const struct akin__cuda_plugin **plugin,
                              struct akin__cuda_card *card, akin_error *err)
{
    int cards = 0, number = -1;
    pthread_once(&once, load);
    if (!found) {
        if (err)
            *err = why;
        return why.code;
    }
    *plugin = found;
    akin_status status = found->count(&cards, err);
    if (status)
        return refuse(err, status);
    if (card_number(device, &number) && number >= cards)
        return akin__fail(err, AKIN_EIO,
                          "there is no card %d: this machine has %d, the first "
                          "is cuda:0",
                          number, cards);
    if (number >= 0)
        return refuse(err, found->card(number, card, err));
    for (int i = 0; i < cards; i++) {
        akin_error cause;
        const akin_status one = found->card(i, card, &cause);
        if (!one)
            return AKIN_OK;
        if (i == 0) {
            status = one;
            if (err)
                *err = cause;
        }
    }
    return refuse(err, status);
}
