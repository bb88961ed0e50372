/* Fuzz: the header of a safetensors file. libFuzzer; built with -Dfuzz=true. */
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static char path[] = "/tmp/akin-fuzz-XXXXXX";
    static struct akin__file file = {.fd = -1};
    struct akin__safetensors *opened = NULL;
    if (file.fd < 0) {
        close(mkstemp(path));
        if (akin__file_open(&file, path, AKIN__CREATE, NULL))
            abort();
    }
    if (akin__file_truncate(&file, 0, NULL) ||
        akin__file_write(&file, bytes, count, 0, NULL))
        abort();
    if (akin__safetensors_open(&opened, path, NULL) == AKIN_OK)
        akin__safetensors_close(&opened);
    return 0;
}
