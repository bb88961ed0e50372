/*
 * Serve: the side of apart.h that decodes.
 *
 * All that must be opened is opened first, then the process confines itself,
 * and only then it looks at the first byte of a picture.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "base/shared.h"
#include "image/apart.h"
#include "image/decoder.h"

struct service {
    struct akin__apart_setup setup;
    struct akin__shared shared;
    akin_status (*decode)(akin_image *, const void *, size_t,
                          struct akin__room *, const akin_decode_options *,
                          akin_image_info *, akin_error *);
};

static akin_status make_ready(struct service *service, akin_error *err)
{
    const struct akin__apart_setup *setup = &service->setup;
    const uint64_t shared = setup->file_room + setup->pixel_room;
    if (strcmp(setup->version, akin_version()) != 0)
        return akin__fail(err, AKIN_EUSAGE, "it is of another version, %s",
                          akin_version());
    akin_status status =
        akin__shared_map(&service->shared, setup->memory, shared, err);
    if (!status)
        status = akin__child_bind(err);
    if (status)
        return status;
    akin__decoders_load();
    return akin__sandbox_enter(shared + setup->limits.process_bytes, err);
}

static void answer(const struct service *service, uint64_t bytes,
                   struct akin__apart_answer *answer)
{
    const struct akin__apart_setup *setup = &service->setup;
    const akin_decode_options options = {.size = sizeof options,
                                         .exif = setup->exif,
                                         .strict = setup->strict,
                                         .limits = &setup->limits,
                                         .decode = setup->decode};
    struct akin__room room = {service->shared.bytes + setup->file_room,
                              setup->pixel_room, 0};
    akin_image image;
    akin_error err = {AKIN_OK, ""};
    answer->status = service->decode(&image, service->shared.bytes, bytes,
                                     &room, &options, &answer->info, &err);
    answer->used = room.used;
    memcpy(answer->message, err.message, sizeof answer->message);
    if (answer->status)
        return;
    answer->width = image.width;
    answer->height = image.height;
    answer->offset = (uint64_t)(image.pixels - room.bytes);
    snprintf(answer->format, sizeof answer->format, "%s", answer->info.format);
    answer->info.format = NULL;
}

int akin__serve(akin_status (*decode)(akin_image *, const void *, size_t,
                                      struct akin__room *,
                                      const akin_decode_options *,
                                      akin_image_info *, akin_error *))
{
    struct service service = {.decode = decode};
    struct akin__apart_request request;
    struct akin__apart_answer told;
    akin_error err = {AKIN_OK, ""};
    if (!akin__child_hear(&service.setup, sizeof service.setup))
        return 2; /* nobody's child */
    memset(&told, 0, sizeof told);
    told.status = make_ready(&service, &err);
    memcpy(told.message, err.message, sizeof told.message);
    if (!akin__child_say(&told, sizeof told) || told.status)
        return 1;
    while (akin__child_hear(&request, sizeof request) &&
           request.bytes <= service.setup.file_room) {
        memset(&told, 0, sizeof told);
        answer(&service, request.bytes, &told);
        if (!akin__child_say(&told, sizeof told))
            return 1;
    }
    return 0;
}

int akin_decoder_serve(void)
{
    return akin__serve(akin__image_decode);
}
