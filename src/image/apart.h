/*
 * Apart: decoding in a process of its own (akin_decoder of akin.h), as its two
 * sides agree on it. apart.c asks, serve.c answers.
 *
 * Both have mapped the same memory: the file first, the pixels behind it. What
 * is said over the socket is structs of fixed size, the same build on both
 * sides. The answer comes from where hostile bytes were read and is believed
 * only as far as a picture of some pixels goes.
 */
#ifndef AKIN_IMAGE_APART_H
#define AKIN_IMAGE_APART_H

#include "akin.h"

#define AKIN__SERVE_ARGUMENT "decode-worker"

/* The first thing that is said. */
struct akin__apart_setup {
    char version[16]; /* akin's */
    akin_limits limits;
    akin_exif exif;
    akin_decode decode;
    int strict;
    uint64_t file_room, pixel_room; /* bytes */
    int memory;                     /* id of the shared one */
};

/* A file lies at the beginning of the memory. */
struct akin__apart_request {
    uint64_t bytes;
};

/* The answer to each of them; to the setup a status alone. */
struct akin__apart_answer {
    akin_status status;
    uint32_t width, height;
    uint64_t offset;      /* of the pixels in their room; no gaps in them */
    uint64_t used;        /* bytes of the room */
    akin_image_info info; /* its format is NULL */
    char format[16];
    char message[sizeof((akin_error *)NULL)->message];
};

/* akin_decoder_serve with another akin__image_decode. */
struct akin__room;
int akin__serve(akin_status (*decode)(akin_image *image, const void *bytes,
                                      size_t count, struct akin__room *room,
                                      const akin_decode_options *options,
                                      akin_image_info *info, akin_error *err));

/* Start the process unless it runs: what keeps it from that keeps it from all
 * pictures. */
akin_status akin__decoder_start(akin_decoder *decoder, akin_error *err);

#endif
