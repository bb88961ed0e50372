/*
 * Decoder: what a format's decoder is given, and what it gives back.
 *
 * A decoder turns the bytes of one picture into RGB pixels as they are stored
 * and says how they are to be turned; decode.c turns them. It holds no state
 * outside its call, prints nothing and leaves nothing allocated but
 * decode->image, which decode.c frees when the decoder fails.
 */
#ifndef AKIN_IMAGE_DECODER_H
#define AKIN_IMAGE_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin.h"

/* Memory for pixels that a caller has; what is taken is not given back. */
struct akin__room {
    uint8_t *bytes; /* [count] */
    size_t count, used;
};

struct akin__decode {
    const uint8_t *bytes; /* [count] */
    size_t count;
    struct akin__room *room; /* NULL: pixels are allocated */
    akin_limits limits;      /* every member set */
    akin_exif exif;
    bool strict;
    bool fast;           /* fewer pixels will do: AKIN_DECODE_FAST */
    akin_image image;    /* as stored; made by akin__image_new */
    uint32_t full_width; /* of the stored picture, set by a decoder that made */
    uint32_t full_height; /* fewer pixels; 0: the image's own */
    uint32_t orientation; /* how to turn it, 1 to 8 as in EXIF */
    int64_t taken;        /* akin_image_info.taken */
    bool always_turn;     /* it is not EXIF's: turn without asking */
    char warning[256];    /* empty, or what is wrong with the picture */
    akin_error *err;
};

struct akin__format {
    const char *name; /* "jpeg", ...: akin_image_info.format */
    bool (*sniff)(const uint8_t *bytes, size_t count);
    akin_status (*decode)(struct akin__decode *decode);
    const char *refusal; /* where decode is NULL: why */
};

/* The format that the bytes begin as, or NULL: no picture akin has heard of. */
const struct akin__format *akin__sniff(const uint8_t *bytes, size_t count);

/* The constant that is the name of a format, or NULL. */
const char *akin__format_name(const char *name);

/* *options (NULL: the defaults) whole, with *limits set and named by it. */
akin_status akin__decode_options(akin_decode_options *all, akin_limits *limits,
                                 const akin_decode_options *options,
                                 akin_error *err);

/* akin_image_decode with pixels from `room`, in which the image then lies and
 * is not to be freed; NULL: as ever. */
akin_status akin__image_decode(akin_image *image, const void *bytes,
                               size_t count, struct akin__room *room,
                               const akin_decode_options *options,
                               akin_image_info *info, akin_error *err);

/* Let libraries do at once what they else do when first needed, and what asks
 * the system for files. */
void akin__decoders_load(void);

/*
 * decode->image with black pixels, after akin__image_check. AKIN_EFORMAT,
 * AKIN_ELIMIT, AKIN_ENOMEM.
 */
akin_status akin__image_new(struct akin__decode *decode, uint64_t width,
                            uint64_t height);

/* The limits on sides and pixels alone, before a decoder does any work. */
akin_status akin__image_check(struct akin__decode *decode, uint64_t width,
                              uint64_t height);

/* AKIN_ELIMIT when the decoder would need `bytes` of working memory. */
akin_status akin__image_memory(struct akin__decode *decode, uint64_t bytes);

/*
 * The picture is truncated or damaged but can be used: note it as the warning
 * if it is the first one. AKIN_EFORMAT in strict mode.
 */
akin_status akin__image_warn(struct akin__decode *decode, const char *format,
                             ...) __attribute__((format(printf, 2, 3)));

akin_status akin__decode_jpeg(struct akin__decode *decode);
akin_status akin__decode_png(struct akin__decode *decode);
akin_status akin__decode_webp(struct akin__decode *decode);
akin_status akin__decode_gif(struct akin__decode *decode);
akin_status akin__decode_bmp(struct akin__decode *decode);
akin_status akin__decode_tiff(struct akin__decode *decode);
akin_status akin__decode_heif(struct akin__decode *decode);
akin_status akin__decode_avif(struct akin__decode *decode);
akin_status akin__decode_jxl(struct akin__decode *decode);
akin_status akin__decode_raw(struct akin__decode *decode);

void akin__load_heif(void);

#endif
