/*
 * Apart (apart.h): the side that asks.
 *
 * How a picture fails says whether trying again may help. Too much time or
 * memory and a crash are the picture's own doing and stay with it. A process
 * that somebody else killed, as the kernel does when the machine is out of
 * memory, or that does nothing at all, says nothing of the picture: AKIN_EIO,
 * which the next run tries again.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/shared.h"
#include "image/apart.h"
#include "image/decoder.h"

/* Address space that a limit may reserve: above it one means "no limit". */
#define MOST_ROOM (UINT64_C(64) << 30)

/* What stays in memory for the next picture: 16 megapixels turned upright. */
enum { KEEP = 96 << 20 };

/* How often the processor time is looked at; how long a process may take to
 * start, and how often it may be killed on the way; and how many times its
 * limit may pass on the wall's clock while it uses less: a stuck one uses
 * none. */
#define LOOK_SECONDS  0.1
#define START_SECONDS 60.0
enum { START_TRIES = 10, PATIENCE = 4 };

struct akin_decoder {
    char *program; /* NULL: in this process */
    akin_limits limits;
    akin_decode_options options;
    struct akin__process process;
    struct akin__shared shared; /* [file_room + pixel_room] */
    size_t file_room, pixel_room;
    size_t file, used; /* of the two rooms, by the last picture */
    akin_image image;  /* without a program: the last picture */
};

/* ----------------------------------------------------------- the process -- */

/* The process is gone or must go: what is to be said of the picture that it
 * had, where the process itself says it. */
static akin_status bury(akin_decoder *decoder, akin_error *err)
{
    int code;
    const int by = akin__process_end(&decoder->process, &code);
    switch (by) {
    case 0:
        return akin__fail(err, AKIN_EFORMAT,
                          "the decoder ended its process (exit code %d)", code);
    case SIGSEGV:
    case SIGBUS:
    case SIGABRT:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
        return akin__fail(err, AKIN_EFORMAT, "the decoder crashed (SIG%s)",
                          sigabbrev_np(by));
    case SIGSYS:
        return akin__fail(err, AKIN_EFORMAT,
                          "the decoder asked the system for what it may not "
                          "(SIGSYS)");
    default:
        return akin__fail(err, AKIN_EIO,
                          "the decoder's process was killed by others (SIG%s), "
                          "as when memory is short",
                          sigabbrev_np(by) ? sigabbrev_np(by) : "?");
    }
}

/* It must know the same build, the limits and its memory before it is asked.
 * *killed: a signal ended it first, so it may be tried again. */
static akin_status greet(akin_decoder *decoder, bool *killed, akin_error *err)
{
    struct akin__apart_setup setup;
    struct akin__apart_answer answer;
    int code;
    memset(&setup, 0, sizeof setup);
    snprintf(setup.version, sizeof setup.version, "%s", akin_version());
    setup.limits = decoder->limits;
    setup.exif = decoder->options.exif;
    setup.decode = decoder->options.decode;
    setup.strict = decoder->options.strict;
    setup.file_room = decoder->file_room;
    setup.pixel_room = decoder->pixel_room;
    setup.memory = decoder->shared.id;
    akin__process_say(&decoder->process, &setup, sizeof setup);
    const enum akin__heard heard = akin__process_hear(
        &decoder->process, &answer, sizeof answer, START_SECONDS);
    if (heard == AKIN__HEARD && !answer.status)
        return AKIN_OK;
    *killed =
        akin__process_end(&decoder->process, &code) != 0 && heard == AKIN__GONE;
    if (heard != AKIN__HEARD)
        return akin__fail(err, AKIN_EIO,
                          "%s " AKIN__SERVE_ARGUMENT ": %s, so no picture can "
                          "be decoded apart",
                          decoder->program,
                          heard == AKIN__GONE ? "ends at once" : "is silent");
    answer.message[sizeof answer.message - 1] = 0;
    return akin__fail(err, AKIN_EIO, "%s " AKIN__SERVE_ARGUMENT ": %s",
                      decoder->program, answer.message);
}

static akin_status start(akin_decoder *decoder, bool *killed, akin_error *err)
{
    akin_status status = AKIN_OK;
    *killed = false;
    if (!decoder->shared.bytes)
        status = akin__shared_make(
            &decoder->shared, decoder->file_room + decoder->pixel_room, err);
    if (!status)
        status = akin__process_start(&decoder->process, decoder->program,
                                     AKIN__SERVE_ARGUMENT, err);
    return status ? status : greet(decoder, killed, err);
}

akin_status akin__decoder_start(akin_decoder *decoder, akin_error *err)
{
    akin_error unused;
    char word;
    if (!decoder->program)
        return AKIN_OK;
    if (decoder->process.pid) {
        /* It says nothing unless it is asked: this is its end. */
        if (akin__process_hear(&decoder->process, &word, 1, 0) == AKIN__SILENT)
            return AKIN_OK;
        bury(decoder, &unused);
    }
    for (int tries = 0; tries < START_TRIES; tries++) {
        bool killed;
        if (!start(decoder, &killed, err))
            return AKIN_OK;
        if (!killed)
            break;
    }
    if (err)
        err->code = AKIN_EIO; /* of the system, whatever it lacks */
    return AKIN_EIO;
}

/* ------------------------------------------------------------ the picture --
 */

/* Whether the answer is one that akin__image_decode could have given. */
static bool makes_sense(const akin_decoder *decoder,
                        const struct akin__apart_answer *a)
{
    const akin_limits *limits = &decoder->limits;
    const uint64_t pixels = (uint64_t)a->width * a->height;
    return a->width && a->height && a->width <= limits->side &&
           a->height <= limits->side && pixels <= limits->pixels &&
           a->offset <= decoder->pixel_room &&
           3 * pixels <= decoder->pixel_room - a->offset &&
           a->info.orientation >= 1 && a->info.orientation <= 8 &&
           a->info.full_width && a->info.full_width <= limits->side &&
           a->info.full_height && a->info.full_height <= limits->side &&
           akin__format_name(a->format);
}

/* What it says of a picture that it could not decode. */
static akin_status refusal(const akin_decoder *decoder,
                           const struct akin__apart_answer *answer,
                           akin_error *err)
{
    switch (answer->status) {
    case AKIN_ENOTIMAGE:
    case AKIN_EFORMAT:
    case AKIN_ELIMIT:
        return akin__fail(err, answer->status, "%s", answer->message);
    case AKIN_ENOMEM: /* of what it may have, not of the machine's */
        return akin__fail(err, AKIN_ELIMIT,
                          "decoding takes more memory than its process may "
                          "have (limit process_bytes=%llu)",
                          (unsigned long long)decoder->limits.process_bytes);
    default:
        return akin__fail(err, AKIN_EFORMAT, "the decoder talks nonsense");
    }
}

static akin_status take(akin_decoder *decoder,
                        struct akin__apart_answer *answer, akin_image *image,
                        akin_image_info *info, akin_error *err)
{
    answer->message[sizeof answer->message - 1] = 0;
    answer->format[sizeof answer->format - 1] = 0;
    answer->info.warning[sizeof answer->info.warning - 1] = 0;
    decoder->used = answer->used < decoder->pixel_room ? (size_t)answer->used
                                                       : decoder->pixel_room;
    if (answer->status)
        return refusal(decoder, answer, err);
    if (!makes_sense(decoder, answer))
        return akin__fail(err, AKIN_EFORMAT, "the decoder talks nonsense");
    *image = (akin_image){
        answer->width, answer->height, 3 * (size_t)answer->width,
        decoder->shared.bytes + decoder->file_room + answer->offset};
    *info = answer->info;
    info->format = akin__format_name(answer->format);
    akin__printable(info->warning, sizeof info->warning, answer->info.warning);
    return AKIN_OK;
}

/* Ask, and wait for the answer as long as the limits allow. Looks are counted,
 * not the clock read: it goes on while both are stopped by ctrl-Z. */
static akin_status ask(akin_decoder *decoder, uint64_t bytes,
                       struct akin__apart_answer *answer, akin_error *err)
{
    struct akin__process *process = &decoder->process;
    const struct akin__apart_request request = {bytes};
    const unsigned limit = decoder->limits.seconds;
    const double before = akin__process_seconds(process);
    int code;
    akin__process_say(process, &request, sizeof request);
    for (double waited = 0; waited < PATIENCE * (double)limit;
         waited += LOOK_SECONDS) {
        const enum akin__heard heard =
            akin__process_hear(process, answer, sizeof *answer, LOOK_SECONDS);
        if (heard == AKIN__HEARD)
            return AKIN_OK;
        if (heard == AKIN__GONE)
            return bury(decoder, err);
        if (akin__process_seconds(process) - before <= limit)
            continue;
        akin__process_end(process, &code);
        return akin__fail(err, AKIN_ELIMIT,
                          "decoding takes over %u seconds of processor time "
                          "(limit seconds=%u)",
                          limit, limit);
    }
    akin__process_end(process, &code);
    return akin__fail(err, AKIN_EIO, "the decoder came to no end in %.0f s",
                      PATIENCE * (double)limit);
}

/* What the last picture left: its pixels, and memory that most do not need. */
static void tidy(akin_decoder *decoder)
{
    akin_image_free(&decoder->image);
    if (decoder->file > KEEP)
        akin__shared_forget(&decoder->shared, KEEP);
    else if (decoder->used > KEEP)
        akin__shared_forget(&decoder->shared, decoder->file_room + KEEP);
    decoder->file = decoder->used = 0;
}

static akin_status decode_apart(akin_decoder *decoder, akin_image *image,
                                const void *bytes, size_t count,
                                akin_image_info *info, akin_error *err)
{
    struct akin__apart_answer answer;
    akin_status status = akin__decoder_start(decoder, err);
    if (status)
        return status;
    decoder->file = count;
    memcpy(decoder->shared.bytes, bytes, count);
    status = ask(decoder, count, &answer, err);
    return status ? status : take(decoder, &answer, image, info, err);
}

akin_status akin_decoder_decode(akin_decoder *decoder, akin_image *image,
                                const void *bytes, size_t count,
                                akin_image_info *info, akin_error *err)
{
    akin_image_info unused, *about = info ? info : &unused;
    akin_status status;
    tidy(decoder);
    memset(image, 0, sizeof *image);
    memset(about, 0, sizeof *about);
    about->orientation = 1;
    about->taken = INT64_MIN;
    if (decoder->program && count > decoder->file_room &&
        count <= decoder->limits.file_bytes)
        return akin__fail(err, AKIN_ELIMIT,
                          "file has %zu bytes (a decoder's process takes %zu)",
                          count, decoder->file_room);
    /* What needs no decoder is refused by the same words as without one. */
    if (decoder->program && count && count <= decoder->file_room)
        return decode_apart(decoder, image, bytes, count, about, err);
    status = akin_image_decode(&decoder->image, bytes, count, &decoder->options,
                               about, err);
    *image = decoder->image;
    return status;
}

akin_status akin_decoder_read(akin_decoder *decoder, akin_image *image,
                              const char *path, akin_image_info *info,
                              akin_error *err)
{
    uint8_t *bytes;
    size_t count;
    memset(image, 0, sizeof *image);
    akin_status status = akin__read_file(path, decoder->limits.file_bytes,
                                         &bytes, &count, NULL, err);
    if (status)
        return status;
    status = akin_decoder_decode(decoder, image, bytes, count, info, err);
    akin__free(bytes);
    return status ? akin__fail_in(err, status, path) : AKIN_OK;
}

/* ----------------------------------------------------------- open, close -- */

static size_t room_for(uint64_t count, uint64_t bytes_each)
{
    return count > MOST_ROOM / bytes_each ? MOST_ROOM : count * bytes_each;
}

akin_status akin_decoder_open(akin_decoder **out, const char *program,
                              const akin_decode_options *options,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    akin_decoder *decoder = akin__calloc(1, sizeof *decoder);
    *out = NULL;
    AKIN_CHECK(decoder, err, AKIN_ENOMEM, "no memory for a decoder");
    AKIN_TRY(akin__decode_options(&decoder->options, &decoder->limits, options,
                                  err));
    decoder->program = program ? akin__strdup(program) : NULL;
    AKIN_CHECK(!program || decoder->program, err, AKIN_ENOMEM,
               "no memory for a decoder");
    /* The picture as it is stored, and another one turned upright. */
    decoder->file_room = room_for(decoder->limits.file_bytes, 1);
    decoder->pixel_room = room_for(decoder->limits.pixels, 2 * 3) + 4096;
    *out = decoder;
    decoder = NULL;
out:
    akin_decoder_close(&decoder);
    return status;
}

void akin_decoder_close(akin_decoder **decoder)
{
    int code;
    if (!*decoder)
        return;
    akin__process_end(&(*decoder)->process, &code);
    akin__shared_close(&(*decoder)->shared);
    akin_image_free(&(*decoder)->image);
    akin__free((*decoder)->program);
    akin__free(*decoder);
    *decoder = NULL;
}
