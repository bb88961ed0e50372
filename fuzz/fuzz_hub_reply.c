/* Fuzz: the header lines of a hub's answer. libFuzzer; built with -Dfuzz=true.
 */
#include <stdlib.h>
#include <string.h>

#include "model/hub_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct akin__http_reply reply = {0};
    while (count) {
        const uint8_t *end = memchr(bytes, '\n', count);
        const size_t length = end ? (size_t)(end - bytes) + 1 : count;
        char *line = malloc(length); /* so that a byte too far is seen */
        if (!line)
            abort();
        memcpy(line, bytes, length);
        const bool enough = !akin__http_header(&reply, line, length);
        free(line);
        if (enough)
            break;
        bytes += length;
        count -= length;
    }
    if (strlen(reply.commit) >= sizeof reply.commit ||
        strlen(reply.etag) >= sizeof reply.etag ||
        strlen(reply.error) >= sizeof reply.error)
        abort();
    return 0;
}
