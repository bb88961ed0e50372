/*
 * akin: image similarity with CLIP and DINOv2.
 *
 * Rules that hold for every function here:
 *  - akin_status is 0 on success and negative on failure; the same code and
 *    one line of text are put into *err, which may be NULL. akin_error belongs
 *    to the caller and is never allocated, so it works when memory is short.
 *  - An object is opened by akin_x_open(&object, ...) and closed by
 *    akin_x_close(&object), which sets the pointer to NULL and accepts NULL.
 *    On failure open leaves *object NULL and owns nothing.
 *  - Options are structs that begin with `size_t size`; set it to sizeof the
 *    struct. A NULL pointer to options means the defaults, and so does a
 *    member that is zero unless its comment says otherwise.
 *  - Errors that are listed are those of the function itself. AKIN_ENOMEM, and
 *    AKIN_EUSAGE for a call against these rules, may come from any.
 *  - Nothing here prints, exits, changes the locale or the working directory.
 *    The first search takes SIGBUS, to survive a disc that goes while its files
 *    are mapped; one that has another cause goes to whoever had it before.
 *  - Paths are bytes as the system knows them, ended by a zero.
 */
#ifndef AKIN_H
#define AKIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AKIN_API        __attribute__((visibility("default")))
#define AKIN_MUST_CHECK __attribute__((warn_unused_result))
#else
#define AKIN_API
#define AKIN_MUST_CHECK
#endif

/* ------------------------------------------------------------- errors -- */

typedef enum akin_status {
    AKIN_OK = 0,
    AKIN_EUSAGE = -1,     /* the call itself is wrong */
    AKIN_ENOMEM = -2,     /* memory is short */
    AKIN_EIO = -3,        /* the system refused: disc full, permission, ... */
    AKIN_ENOTFOUND = -4,  /* no such file, folder, model or row */
    AKIN_ENOTIMAGE = -5,  /* the bytes are no image of a known format */
    AKIN_EFORMAT = -6,    /* an image, or weights, that break their format */
    AKIN_ELIMIT = -7,     /* beyond a limit of akin_limits or of the format */
    AKIN_EMODEL = -8,     /* weights or config that do not make a model */
    AKIN_EINDEX = -9,     /* not an index, or one that does not fit */
    AKIN_ECORRUPT = -10,  /* an index whose checksums do not hold */
    AKIN_ELOCKED = -11,   /* another process writes to this index */
    AKIN_ENETWORK = -12,  /* the hub or a database cannot be reached or said
                             no */
    AKIN_ECANCELLED = -13 /* the caller's progress function asked to stop */
} akin_status;

typedef struct akin_error {
    akin_status code;
    char message[1024]; /* one line of UTF-8, what + value + limit; control
                           characters and bytes that are no UTF-8 as \xNN */
} akin_error;

/* The library's version, "major.minor.patch". */
AKIN_API const char *akin_version(void);

/* Versions of the libraries that decode images, one "name version" a line, and
 * last "sandbox seccomp", or "sandbox none" where an akin_decoder's process has
 * no list of system calls. */
AKIN_API const char *akin_decoders(void);

/* ------------------------------------------------------------- images -- */

/* 8-bit RGB pixels, rows from the top. Freed by akin_image_free. */
typedef struct akin_image {
    uint32_t width, height; /* pixels */
    size_t stride;          /* bytes from one row to the next */
    uint8_t *pixels;        /* [height][stride], 3 bytes a pixel */
} akin_image;

/* What an untrusted image may cost; zero means the default. docs/limits.md */
typedef struct akin_limits {
    size_t size;
    uint64_t file_bytes;       /* 1 GiB */
    uint64_t pixels;           /* 256,000,000 */
    uint64_t memory_bytes;     /* 1 GiB while decoding, beside the pixels */
    uint32_t side;             /* 65,535 pixels */
    uint32_t jpeg_scans;       /* 100 */
    uint64_t jpeg_scan_pixels; /* 1,500,000,000 = pixels times scans */
    uint32_t warnings;         /* 100: a JPEG with as many is refused */
    /* Of an akin_decoder's process; nothing holds to them without one: */
    uint64_t process_bytes; /* 2 GiB of address space, beside the file and the
                               pixels */
    uint32_t seconds;       /* 30 of processor time for a picture */
} akin_limits;

typedef enum akin_exif {
    AKIN_EXIF_ON = 0, /* turn the picture upright as its EXIF says */
    AKIN_EXIF_OFF = 1 /* pixels as stored, as the article does */
} akin_exif;

typedef enum akin_decode {
    AKIN_DECODE_EXACT = 0, /* every pixel, as Pillow decodes it */
    AKIN_DECODE_FAST = 1   /* a JPEG at 1/2, 1/4 or 1/8 of its size as long as
                              the shorter side keeps 768 pixels: other vectors,
                              docs/decoding.md */
} akin_decode;

typedef struct akin_decode_options {
    size_t size;
    akin_exif exif;
    int strict; /* refuse what is truncated or draws decoder warnings */
    const akin_limits *limits; /* NULL: the defaults */
    akin_decode decode;
} akin_decode_options;

typedef struct akin_image_info {
    const char *format;                   /* "jpeg", "png", ...: a constant */
    uint32_t stored_width, stored_height; /* before turning */
    uint32_t orientation;             /* EXIF orientation 1 to 8; 1 if none */
    char warning[256];                /* empty, or why the picture is partial */
    uint32_t full_width, full_height; /* upright, before AKIN_DECODE_FAST made
                                         the picture smaller; else its own */
    int64_t taken; /* EXIF DateTimeOriginal, else DateTime, in seconds since
                      1970 as if the camera's clock were UTC; INT64_MIN: not
                      known */
} akin_image_info;

/*
 * Decode the first picture in `bytes` [count] to upright RGB, as Pillow's
 * convert("RGB") gives it to transformers: alpha dropped, palette applied,
 * 16-bit grey clipped to 255, other 16-bit samples' high byte, CMYK as Adobe
 * writes it, no ICC profile applied. The format is read from the bytes.
 * On success the caller owns *image. `info` may be NULL.
 * Errors: AKIN_ENOTIMAGE, AKIN_EFORMAT, AKIN_ELIMIT, AKIN_ENOMEM.
 * Threads: no state is shared; any number of calls at a time.
 */
AKIN_API akin_status akin_image_decode(akin_image *image, const void *bytes,
                                       size_t count,
                                       const akin_decode_options *options,
                                       akin_image_info *info,
                                       akin_error *err) AKIN_MUST_CHECK;

/* The same for a file; the message begins with its path. Errors besides:
 * AKIN_ENOTFOUND, AKIN_EIO. */
AKIN_API akin_status akin_image_read(akin_image *image, const char *path,
                                     const akin_decode_options *options,
                                     akin_image_info *info,
                                     akin_error *err) AKIN_MUST_CHECK;

/* Free the pixels and zero *image. */
AKIN_API void akin_image_free(akin_image *image);

/* ----------------------------------------------------------- decoders -- */

/* A process that decodes pictures: one that crashes its decoder, never ends or
 * takes all memory costs itself alone. It can open no file, reach no network
 * and start no program (docs/decisions/0013). */
typedef struct akin_decoder akin_decoder; /* one thread at a time */

/*
 * Pictures will be decoded with `options` (NULL: the defaults) by a process
 * that is started when the first one comes, and anew when it had to be ended.
 * `program` is the path of the command akin, or of a program that, called with
 * the one argument "decode-worker", answers with akin_decoder_serve; NULL: they
 * are decoded in this process, and the last two members of akin_limits hold
 * nobody. Errors: AKIN_ENOMEM, AKIN_EUSAGE.
 */
AKIN_API akin_status akin_decoder_open(akin_decoder **decoder,
                                       const char *program,
                                       const akin_decode_options *options,
                                       akin_error *err) AKIN_MUST_CHECK;
/* Ends the process. */
AKIN_API void akin_decoder_close(akin_decoder **decoder);

/*
 * akin_image_decode, with the same pixels; but they are the decoder's, live
 * until it is asked again or closed, and are not for akin_image_free.
 * Errors besides: AKIN_ELIMIT for a picture that takes too much time or memory,
 * AKIN_EFORMAT for one that crashes the decoder; AKIN_EIO, which may be another
 * time, when the process was killed by others or cannot be started.
 */
AKIN_API akin_status akin_decoder_decode(akin_decoder *decoder,
                                         akin_image *image, const void *bytes,
                                         size_t count, akin_image_info *info,
                                         akin_error *err) AKIN_MUST_CHECK;

/* The same for a file; the message begins with its path. Errors besides:
 * AKIN_ENOTFOUND. */
AKIN_API akin_status akin_decoder_read(akin_decoder *decoder, akin_image *image,
                                       const char *path, akin_image_info *info,
                                       akin_error *err) AKIN_MUST_CHECK;

/*
 * What `program` does: decode, confined, until nobody asks any more. The answer
 * is for main to return; not 0 where nobody had started it for that. To be
 * called by main before anything else, by a process with one thread.
 */
AKIN_API int akin_decoder_serve(void);

/* ------------------------------------------------------------- models -- */

typedef struct akin_model akin_model;     /* immutable once open: share it */
typedef struct akin_session akin_session; /* one thread at a time */

/* The largest dimension of a vector of any supported model. */
#define AKIN_MAX_DIM 4096

typedef enum akin_pool {
    AKIN_POOL_DEFAULT = 0, /* as recorded, else CLIP: cls, DINOv2: mean */
    AKIN_POOL_MEAN,        /* DINOv2: mean over class and patch tokens */
    AKIN_POOL_CLS,         /* the class token */
    AKIN_POOL_PATCHES      /* DINOv2: mean over the patch tokens */
} akin_pool;

/* What the network computes in. Sums, norms and what lies between the blocks
 * are float32 in each. */
typedef enum akin_precision {
    AKIN_PRECISION_F32 = 0, /* float32: transformers' vectors */
    AKIN_PRECISION_BF16,    /* factors of 8 significant bits */
    AKIN_PRECISION_INT8     /* 8-bit integers with a scale for each token and
                               each row of a weight */
} akin_precision;

/* CLIP has one network for pictures and one for texts, whose vectors compare.
 * What is not opened is not read. */
typedef enum akin_tower {
    AKIN_TOWER_IMAGE = 0, /* pictures */
    AKIN_TOWER_TEXT,      /* texts: CLIP alone */
    AKIN_TOWER_BOTH
} akin_tower;

typedef struct akin_model_options {
    size_t size;
    akin_pool pool;
    akin_exif exif;       /* part of the model's fingerprint */
    const char *revision; /* branch, tag or commit of a hub model, or NULL */
    const char *name;     /* what akin_model_name is to say; NULL: the name or
                             id that it is opened by, of a path the folder's
                             own name. An index knows a model by that name */
    int threads;          /* that load and pack; 0: all processors */
    akin_precision precision; /* part of the model's fingerprint */
    akin_decode decode;       /* the same */
    akin_tower tower;
    /* Where the network for pictures runs: NULL or "cpu"; "cuda:N", card N;
     * "cuda", the first card that serves; "auto", the same where there is one,
     * else the CPU. Texts cost less than a card's start: their network always
     * runs on the CPU. */
    const char *device;
} akin_model_options;

/*
 * Open a model by a known name ("clip", "dinov2", "starter"), by hub id
 * ("facebook/dinov2-small", "owner/name@revision") found in the Hugging Face
 * cache, or by the path of a folder with config.json and weights. Never
 * downloads: see akin_hub_pull.
 * Errors: AKIN_ENOTFOUND when no weights are at hand (the message names the
 * command that fetches them), AKIN_EMODEL, AKIN_EFORMAT, AKIN_EIO, AKIN_ENOMEM,
 * AKIN_ELIMIT for a config that is too large, AKIN_EUSAGE for a precision, a
 * tower or a device that is none, for a revision of a folder, and for texts
 * where the model cannot read; of a card that was asked for by "cuda": AKIN_EIO
 * (no driver, an old one, no such card, it failed, a model that no card runs),
 * AKIN_ENOMEM (the message says how much it has), AKIN_ENOTFOUND (no plugin is
 * installed, or 8 bits).
 */
AKIN_API akin_status akin_model_open(akin_model **model, const char *name,
                                     const akin_model_options *options,
                                     akin_error *err) AKIN_MUST_CHECK;
AKIN_API void akin_model_close(akin_model **model);

AKIN_API const char *akin_model_name(const akin_model *model);
/* "clip" or "dinov2": the architecture. */
AKIN_API const char *akin_model_family(const akin_model *model);
/* The folder the weights were read from, absolute. */
AKIN_API const char *akin_model_folder(const akin_model *model);
/* How the tokens become one vector, "cls", "mean" or "patches". */
AKIN_API const char *akin_model_pool(const akin_model *model);
AKIN_API akin_exif akin_model_exif(const akin_model *model);
AKIN_API akin_precision akin_model_precision(const akin_model *model);
AKIN_API akin_decode akin_model_decode(const akin_model *model);
/* Numbers in a vector. */
AKIN_API size_t akin_model_dim(const akin_model *model);
/* Where the network for pictures runs: "cpu", or a card, "cuda:0". */
AKIN_API const char *akin_model_device(const akin_model *model);
/* The card's name, or NULL. */
AKIN_API const char *akin_model_device_name(const akin_model *model);
/* Why "auto" came to the CPU, in a line; NULL where it did not. The code is
 * AKIN_ENOTFOUND where no card ever serves: no plugin is installed, or 8 bits.
 */
AKIN_API const akin_error *akin_model_device_note(const akin_model *model);
/* The towers that were opened. */
AKIN_API akin_tower akin_model_tower(const akin_model *model);
/* What CLIP multiplies cosines of pictures and texts by before a softmax,
 * exp(logit_scale): about 100 as published. 0 without the text tower. */
AKIN_API double akin_model_scale(const akin_model *model);
/* 64 hexadecimal digits over all that decides a picture's vector: weights,
 * config, pooling, preprocessing, precision, EXIF choice and decoding. Empty
 * when the model was opened for texts alone. */
AKIN_API const char *akin_model_fingerprint(const akin_model *model);

/* The scratch memory of one stream through a model, allocated here and never
 * again. It must not outlive the model. */
AKIN_API akin_status akin_session_open(akin_session **session,
                                       const akin_model *model,
                                       akin_error *err) AKIN_MUST_CHECK;
AKIN_API void akin_session_close(akin_session **session);

/*
 * `vector` [dim]: the vector transformers gives, not normalised. The same
 * image gives the same bits from any session on the same processor or card.
 * Errors: AKIN_EUSAGE without the pictures' tower, AKIN_ELIMIT for a picture
 * too thin to resize, AKIN_EMODEL when the vector is not finite, AKIN_ENOMEM,
 * AKIN_EIO: the card failed.
 */
AKIN_API akin_status akin_embed_image(akin_session *session,
                                      const akin_image *image, float *vector,
                                      akin_error *err) AKIN_MUST_CHECK;

/*
 * `vectors` [count][dim] of `images` [count]: the same bits as one by one, and
 * faster where the network runs on several at once. The first image that
 * cannot be embedded ends it, and what is in `vectors` then is of no use.
 */
AKIN_API akin_status akin_embed_images(akin_session *session,
                                       const akin_image *images, size_t count,
                                       float *vectors,
                                       akin_error *err) AKIN_MUST_CHECK;

/* The most tokens that a text can have, its start and end among them. */
#define AKIN_MAX_TOKENS 512

/*
 * The numbers that CLIP reads for `text`, UTF-8, as transformers'
 * CLIPTokenizer gives them: ids [AKIN_MAX_TOKENS], *count of them, cut off at
 * the model's limit (77). What is no UTF-8 is read as U+FFFD.
 * Errors: AKIN_EUSAGE without the text tower, AKIN_ENOMEM.
 */
AKIN_API akin_status akin_tokenize(const akin_model *model, const char *text,
                                   int32_t *ids, size_t *count,
                                   akin_error *err) AKIN_MUST_CHECK;

/*
 * `vectors` [count][dim] of `texts` [count]: transformers' get_text_features,
 * not normalised; the same bits alone and among others. Several at once are
 * faster. Errors: AKIN_EUSAGE without the text tower, AKIN_ENOMEM, AKIN_EIO and
 * AKIN_EFORMAT (the weights' file has changed), AKIN_EMODEL as above.
 */
AKIN_API akin_status akin_embed_texts(akin_session *session,
                                      const char *const *texts, size_t count,
                                      float *vectors,
                                      akin_error *err) AKIN_MUST_CHECK;

/* The vector of a file, with a session of its own: for a picture or two. It is
 * decoded in this process, with the default limits, as the model's options for
 * EXIF and decoding say. Errors: those of akin_image_read and akin_embed_image.
 */
AKIN_API akin_status akin_embed_file(const akin_model *model, const char *path,
                                     float *vector,
                                     akin_error *err) AKIN_MUST_CHECK;

/* Cosine of two vectors [dim], summed in double; 0 if either is zero. */
AKIN_API double akin_cosine(const float *a, const float *b, size_t dim);

/* The article's score: (cosine + 1) / 2, between 0 and 1. */
AKIN_API double akin_score(double cosine);

/* ---------------------------------------------------------------- hub -- */

/*
 * Called from time to time during long work with what is done so far and the
 * whole (0: unknown), in the unit that the function names. A non-zero answer
 * asks to stop: the function ends with AKIN_ECANCELLED and keeps what is done.
 */
typedef int (*akin_progress_fn)(void *context, const char *what, uint64_t done,
                                uint64_t whole);

typedef struct akin_hub_options {
    size_t size;
    const char *revision; /* branch, tag or commit; NULL: the pinned commit of
                             a known name, else main */
    int offline;          /* use the cache only, as HF_HUB_OFFLINE=1 does */
    akin_progress_fn progress; /* bytes of the file `what` */
    void *context;
} akin_hub_options;

/*
 * Fetch what akin reads of the hub model `name`, a known one or
 * owner/name[@revision], into the Hugging Face cache, resuming and checking
 * size and hash, and put its folder into `folder` [capacity] if not NULL.
 * Environment: that of docs/models.md. Errors: AKIN_ENETWORK, AKIN_ENOTFOUND,
 * AKIN_EFORMAT (wrong hash or size), AKIN_ELIMIT (a file is too large for what
 * it is), AKIN_EMODEL (no safetensors there), AKIN_EIO, AKIN_ECANCELLED,
 * AKIN_EUSAGE for a revision, token or endpoint that is none, and when `folder`
 * has too little room.
 */
AKIN_API akin_status akin_hub_pull(const char *name,
                                   const akin_hub_options *options,
                                   char *folder, size_t capacity,
                                   akin_error *err) AKIN_MUST_CHECK;

/* The folder whose weights akin_model_open would read for `name`:
 * AKIN_ENOTFOUND when there is none, AKIN_EUSAGE when it needs more room. */
AKIN_API akin_status akin_model_find(const char *name, const char *revision,
                                     char *folder, size_t capacity,
                                     akin_error *err) AKIN_MUST_CHECK;

typedef struct akin_model_entry {
    const char *name;     /* what akin_model_open takes */
    const char *id;       /* owner/name on the hub, or "" */
    const char *revision; /* the commit of a hub model, or "" */
    const char *folder;   /* absolute; "" when the weights are not at hand */
    const char *family;   /* "clip" or "dinov2"; "" when not at hand */
    uint64_t bytes;       /* of the weights */
} akin_model_entry;

/* Calls `visit` for each known name, at hand or not, then for each other model
 * of akin's data folder and of the Hugging Face cache. An entry lives until it
 * returns. */
AKIN_API akin_status
akin_model_list(void (*visit)(void *context, const akin_model_entry *entry),
                void *context, akin_error *err) AKIN_MUST_CHECK;

typedef struct akin_model_file {
    const char *path;
    uint64_t bytes;
    int hashed;          /* the hub's hash of it is known and was compared */
    const char *problem; /* NULL, or what is wrong with it */
} akin_model_file;

typedef struct akin_verify_options {
    size_t size;
    const char *revision;
    akin_progress_fn progress; /* bytes of the file `what` */
    void (*visit)(void *context, const akin_model_file *file);
    void *context;
} akin_verify_options;

/*
 * Read every file of a model and compare it with the hash that the hub declared
 * for it (none for a plain folder's); weights and config are also checked for
 * their form. AKIN_EFORMAT when a file is not as it should be, after all have
 * been looked at; errors of akin_model_open when there is no model.
 */
AKIN_API akin_status akin_model_verify(const char *name,
                                       const akin_verify_options *options,
                                       akin_error *err) AKIN_MUST_CHECK;

/* A number or a vector that was published of a model. */
typedef struct akin_figure {
    const char *name;
    double difference;   /* between what was published and what akin gives */
    double limit;        /* the figure holds up to this */
    const char *skipped; /* NULL, or why it was not recomputed */
} akin_figure;

typedef struct akin_figures_options {
    size_t size;
    const char *revision;
    const char *pictures; /* a folder with what was published (docs/models.md);
                             NULL: only what needs no picture is recomputed */
    int threads;          /* that load and pack; 0: all processors */
    void (*visit)(void *context, const akin_figure *figure);
    void *context;
} akin_figures_options;

/*
 * Recompute in float32 what was published of openai/clip-vit-base-patch32 and
 * facebook/dinov2-base, if `name` has their weights, by their hash: *published.
 * A figure that does not hold is AKIN_EMODEL, after all have been recomputed;
 * errors of akin_model_open.
 */
AKIN_API akin_status akin_model_figures(const char *name,
                                        const akin_figures_options *options,
                                        int *published,
                                        akin_error *err) AKIN_MUST_CHECK;

/* ------------------------------------------------------------ indexes -- */

typedef struct akin_index akin_index; /* one writer, many readers */

typedef enum akin_index_mode {
    AKIN_INDEX_READ = 0,  /* never writes, works on read-only media */
    AKIN_INDEX_WRITE = 1, /* takes the writer's lock */
    AKIN_INDEX_CREATE = 2 /* the same, and makes the index if none is there */
} akin_index_mode;

/*
 * Open the index folder at `path`.
 * Errors: AKIN_ENOTFOUND (none is there, or one that was begun and not
 * finished, which AKIN_INDEX_CREATE makes), AKIN_EINDEX (not an index, or of a
 * newer version), AKIN_ECORRUPT, AKIN_ELOCKED (names the holder's host and
 * pid), AKIN_EIO.
 * What writes is refused by AKIN_EUSAGE where it was opened for reading.
 * Threads: the handle is locked internally; calls may come from any thread.
 */
AKIN_API akin_status akin_index_open(akin_index **index, const char *path,
                                     akin_index_mode mode,
                                     akin_error *err) AKIN_MUST_CHECK;
AKIN_API void akin_index_close(akin_index **index);

typedef struct akin_index_model {
    const char *name;        /* the name it was added by */
    const char *folder;      /* where the weights lay */
    const char *revision;    /* of a hub model, or "" */
    const char *family;      /* "clip" or "dinov2" */
    const char *pool;        /* "cls", "mean" or "patches" */
    const char *precision;   /* "f32", "bf16" or "int8" */
    const char *fingerprint; /* 64 hexadecimal digits */
    uint32_t dim;
    uint64_t images;     /* rows that belong to a file: akin_index_count */
    const char *devices; /* where its vectors were made: "cpu", "cuda" or
                            "cpu, cuda"; "": nobody can tell. What was imported
                            counts as cpu */
} akin_index_model;

typedef struct akin_index_info {
    uint32_t version; /* of the layout on disk */
    /* How every vector of it was made: */
    akin_exif exif;
    akin_precision precision;
    akin_decode decode;
    int empty; /* it knows no picture that could be read */
    /* Only from akin_index_count, else 0: */
    uint64_t files;                /* pictures known, failed ones not counted */
    uint64_t failed;               /* files in the table of failures */
    uint64_t bytes;                /* on disk */
    size_t models;                 /* how many */
    const akin_index_model *model; /* [models] */
    size_t roots;                  /* folders that were indexed */
    const char *const *root;       /* [roots] */
} akin_index_info;

/* What the index is, at once, however large it is; the pointers live until it
 * is closed or written. */
AKIN_API akin_status akin_index_describe(akin_index *index,
                                         akin_index_info *info,
                                         akin_error *err) AKIN_MUST_CHECK;

/* The same, and how much is in it: goes through the whole catalog. */
AKIN_API akin_status akin_index_count(akin_index *index, akin_index_info *info,
                                      akin_error *err) AKIN_MUST_CHECK;

/* Calls `visit` for each file that could not be read, in order of path. The
 * visitor calls nothing of this index. */
AKIN_API akin_status akin_index_failures(
    akin_index *index,
    void (*visit)(void *context, const char *path, const char *reason),
    void *context, akin_error *err) AKIN_MUST_CHECK;

/* What a check found, and what a repair kept. */
typedef struct akin_check_report {
    uint64_t problems;    /* each was given to akin_check_options.problem */
    uint64_t pictures;    /* in the index: checked, or kept by a repair */
    uint64_t rows;        /* vectors whose checksums held */
    uint64_t dead;        /* rows that no file has any more: no problem */
    uint64_t uncommitted; /* rows of a writer that was stopped: no problem */
    uint64_t lost;        /* by a repair: pictures that lack a vector now, or
                             are known no more; akin_index_update embeds them */
} akin_check_report;

typedef struct akin_check_options {
    size_t size;
    akin_progress_fn progress; /* "rows" */
    /* One line for each problem; `path` is the picture that it touches, or NULL
     * when it is none or many. */
    void (*problem)(void *context, const char *text, const char *path);
    void *context;
} akin_check_options;

/*
 * Read all of the index at `path` and compare it with its checksums and with
 * itself. Writes nothing; works while another process writes, of one commit.
 * AKIN_ECORRUPT when there are problems, after all has been looked at; errors
 * of akin_index_open; AKIN_ECANCELLED. `options` and `report` may be NULL.
 */
AKIN_API akin_status akin_index_verify(const char *path,
                                       const akin_check_options *options,
                                       akin_check_report *report,
                                       akin_error *err) AKIN_MUST_CHECK;

/*
 * Make the index at `path` whole again with all that still holds: a new catalog
 * of it takes the old one's place at once, which stays as catalog.db.damaged.
 * What was mended or lost is told to `problem`; what was lost is embedded again
 * by the next akin_index_update. An index that is whole is left as it is.
 * AKIN_ECORRUPT when nothing can be kept, not even the table of models; else
 * errors of akin_index_open for writing.
 */
AKIN_API akin_status akin_index_repair(const char *path,
                                       const akin_check_options *options,
                                       akin_check_report *report,
                                       akin_error *err) AKIN_MUST_CHECK;

typedef struct akin_match {
    const char *path; /* lives until the index is closed or written */
    double cosine;    /* -1 to 1 */
    double score;     /* (cosine + 1) / 2 */
} akin_match;

/*
 * The k rows of `model` nearest to `vector` [dim] by exact cosine, best first,
 * equal ones in order of path, into matches [k]; *found says how many.
 * Everywhere, order of path is that of its bytes as the index keeps it.
 * Errors: AKIN_ENOTFOUND (model), AKIN_EUSAGE (a number that is not finite),
 * AKIN_ECORRUPT, AKIN_EIO, AKIN_ENOMEM.
 */
AKIN_API akin_status akin_index_search(akin_index *index, const char *model,
                                       const float *vector, size_t k,
                                       akin_match *matches, size_t *found,
                                       akin_error *err) AKIN_MUST_CHECK;

/* Which files may be answers, and how many; zero or NULL means any, or all. */
typedef struct akin_search_options {
    size_t size;
    int exact;     /* compare with every row in float32; else, in an index that
                      is large, bytes tell first which rows need that */
    size_t offset; /* leave out so many of the best: the next page */
    double min_score; /* answers that score at least so much, 0 to 1 */
    double cut;       /* answers whose cosine is at least so many times that of
                         the best one, the first page's first; 0 to 1. Nothing
                         is cut where the best is 0 or less */
    const char *path; /* a shell glob (fnmatch, * takes slashes too) that the
                         path, as akin_match has it, must match */
    const char *formats; /* "jpeg,png": the names of akin_image_info */
    uint64_t bytes_least, bytes_most;   /* of the file */
    uint64_t pixels_least, pixels_most; /* width * height */
    /* When it was taken, in seconds since 1970 by the camera's clock, both
     * ends included; where not both are 0, files without a date are out. */
    int64_t taken_least, taken_most;
    const char *device; /* NULL, "cpu" or "auto": the processor compares;
                           "cuda" or "cuda:N": a card looks first, where the
                           open index keeps its rows: for many searches */
} akin_search_options;

/*
 * The same for `count` vectors [count][dim], which are answered faster together
 * than one by one, among the files that `options` (NULL: all) let pass: matches
 * [count][k], found [count]. The options choose files before anything is
 * compared, so k answers come back where there are k.
 * The answers are those of exact cosine, a card's too. Codes can miss one, in a
 * thousand million, by chance: docs/decisions/0010. Errors of a card: those of
 * akin_model_open.
 */
AKIN_API akin_status akin_index_search_many(
    akin_index *index, const char *model, const float *vectors, size_t count,
    size_t k, const akin_search_options *options, akin_match *matches,
    size_t *found, akin_error *err) AKIN_MUST_CHECK;

/*
 * Calls `visit` for each file with a row of `model` that the options (NULL: all
 * pass) choose, in order of path; of these count path, formats, bytes, pixels
 * and dates. The path and `vector` [dim], of length 1, live until it returns;
 * an answer other than 0 ends it with AKIN_ECANCELLED. A thousand at a time are
 * of one commit; meanwhile the index is not held.
 */
AKIN_API akin_status akin_index_rows(
    akin_index *index, const char *model, const akin_search_options *options,
    int (*visit)(void *context, const char *path, const float *vector),
    void *context, akin_error *err) AKIN_MUST_CHECK;

/* ------------------------------------------------------------- labels -- */

typedef struct akin_labels akin_labels; /* immutable once open: share it */

/* The usual prompt, from section 3.1.4 of CLIP's paper, arXiv 2103.00020. */
#define AKIN_LABEL_TEMPLATE "a photo of a {}."

typedef struct akin_labels_options {
    size_t size;
    const char *const *prompt; /* [prompts]; a label takes the place of {}
                                    in each. 0: AKIN_LABEL_TEMPLATE */
    size_t prompts;
    int threads;               /* 0: all processors */
    akin_progress_fn progress; /* "texts", from one thread at a time */
    void *context;
} akin_labels_options;

typedef struct akin_label {
    size_t label;       /* its place among the labels, from 0 */
    double cosine;      /* of the picture's vector and the label's */
    double probability; /* softmax of scale * cosine over all labels */
} akin_label;

/*
 * Labels for zero-shot classification with `model`, which reads texts and may
 * be closed then. A label's vector is the mean of its prompts' vectors, of
 * length 1 before and after, as openai/CLIP's notebook for ImageNet has it; the
 * scale is akin_model_scale. Errors: AKIN_EUSAGE (no label, a template without
 * {}, no text tower), AKIN_ECANCELLED and those of akin_embed_texts.
 */
AKIN_API akin_status akin_labels_open(akin_labels **labels,
                                      const akin_model *model,
                                      const char *const *label, size_t count,
                                      const akin_labels_options *options,
                                      akin_error *err) AKIN_MUST_CHECK;
AKIN_API void akin_labels_close(akin_labels **labels);

/*
 * The k likeliest labels, 1 to all, of each of `vectors` [rows][dim] of any
 * length into best [rows][k], the best first, equal ones as they were given.
 * Many rows together are faster. Errors: AKIN_EUSAGE, AKIN_ENOMEM.
 */
AKIN_API akin_status akin_labels_rank(const akin_labels *labels,
                                      const float *vectors, size_t rows,
                                      size_t k, akin_label *best,
                                      akin_error *err) AKIN_MUST_CHECK;

/* ------------------------------------------------------------- copies -- */

typedef struct akin_dups akin_dups; /* immutable after open: may be shared */

typedef struct akin_dups_options {
    size_t size;
    const char *const *model; /* [models] of the index; a pair is a candidate
                                 when any of them finds it alike */
    size_t models;            /* 0: all of the index */
    double threshold; /* the least cosine, above 0 to 1; 0: the index's own or
                         the family's, docs/dups.md */
    int threads;      /* 0: all processors */
    /* "pairs" of one model after the other, then "pictures" put in order */
    akin_progress_fn progress;
    void *context;
} akin_dups_options;

/* A picture of a group; all pointers live as long as the akin_dups. */
typedef struct akin_copy {
    const char *path;
    const char *format; /* "jpeg", ... */
    uint64_t bytes;     /* the file's, when it was indexed */
    int64_t mtime_ns;   /* the same, since 1970 */
    uint32_t width, height;
    uint8_t content[32]; /* SHA-256 of the file's bytes */
    int identical;       /* they are those of the group's first */
    int distance; /* of the perceptual hashes, to the group's first, 0 to 256;
                     -1: unknown */
    const double *cosine; /* [akin_dups_info.models], to the group's first; NAN
                             where a model has no vector */
} akin_copy;

/* Copies of one picture: the one to keep first, the others by the same rule
 * (most pixels, then most bytes, then path). */
typedef struct akin_dups_group {
    size_t copies; /* 2 or more */
    const akin_copy *copy;
    uint64_t bytes_to_free; /* of all but the first */
} akin_dups_group;

typedef struct akin_dups_info {
    size_t models;
    const char *const *model;          /* [models] */
    const double *threshold, *certain; /* [models]; certain: 0.99 where that is
                                the calibrated one (akin_eval.h), else NAN */
    int distance;                      /* the most that confirms a copy */
    size_t groups;
    uint64_t pictures;      /* in groups */
    uint64_t bytes_to_free; /* of all groups */
    uint64_t alike; /* pictures that are as alike to another as a copy is, but
                       are none */
    uint64_t unhashed; /* pictures that were imported or that an older akin has
                          indexed, without a hash: only equal bytes make a copy
                          of them, until akin_index_update has looked at them */
} akin_dups_info;

/*
 * Find the groups of copies in an index, as docs/dups.md says what a copy is;
 * a group holds what is a copy of its first. They are in order of
 * bytes_to_free, most first, then of path. The answer is of one moment and
 * needs the index no longer. rows * rows / 2 * dim operations of 8 bits a
 * model. Errors: AKIN_EUSAGE, AKIN_ENOTFOUND (model), AKIN_ECORRUPT, AKIN_EIO,
 * AKIN_ENOMEM, AKIN_ECANCELLED.
 */
AKIN_API akin_status akin_dups_open(akin_dups **dups, akin_index *index,
                                    const akin_dups_options *options,
                                    akin_error *err) AKIN_MUST_CHECK;
AKIN_API void akin_dups_close(akin_dups **dups);
AKIN_API void akin_dups_describe(const akin_dups *dups, akin_dups_info *info);
/* Group `at`, below akin_dups_info.groups. */
AKIN_API void akin_dups_get(const akin_dups *dups, size_t at,
                            akin_dups_group *group);

typedef enum akin_action {
    AKIN_ACTION_TRASH = 1,   /* into the user's trash: FreeDesktop.org's trash
                                specification 1.0; nothing is deleted */
    AKIN_ACTION_HARDLINK = 2 /* become a second name of the file that is kept;
                                only if all bytes are equal */
} akin_action;

typedef struct akin_deed {
    int one_file;   /* both are names of one file: nothing is to be done */
    uint64_t freed; /* bytes that no name holds any longer; in the trash, not
                       before it is emptied */
    char to[4096];  /* where the file is in the trash, or "" */
} akin_deed;

/*
 * Do away with `copy`, of which `kept` is a copy that stays: the first of its
 * group, or for a hard link any with the same content. With `really` 0 only say
 * whether that would be done. When either file has another size or time than
 * when it was indexed or is a link, or the kept one cannot be read, nothing is
 * done, and *err says why; nor is a hard link where owner, group or mode
 * differ. The index learns of it from akin_index_update. Errors: AKIN_EUSAGE
 * (it is not what was indexed), AKIN_ENOTFOUND, AKIN_EIO, AKIN_ENOMEM.
 */
AKIN_API akin_status akin_copy_act(const akin_copy *kept, const akin_copy *copy,
                                   akin_action action, int really,
                                   akin_deed *deed,
                                   akin_error *err) AKIN_MUST_CHECK;

typedef enum akin_export_format {
    AKIN_EXPORT_FAISS,          /* IndexFlatL2: IxF2 */
    AKIN_EXPORT_NPY,            /* float32 [rows, dim] */
    AKIN_EXPORT_JSONL,          /* a line of JSON a row, with the path in it */
    AKIN_EXPORT_CSV,            /* a line a row: path, then the numbers */
    AKIN_EXPORT_FAISS_IP,       /* IndexFlatIP: IxFI */
    AKIN_EXPORT_FAISS_IDMAP,    /* IndexIDMap over IndexFlatL2: IxMp */
    AKIN_EXPORT_FAISS_IP_IDMAP, /* IndexIDMap over IndexFlatIP */
} akin_export_format;

/*
 * Write the rows of `model`, L2-normalised and in order of path, to `file`,
 * whole or not at all; for FAISS and npy also `file`.paths, a path a line
 * (AKIN_ELIMIT if a path holds a newline), and for an IDMap `file`.ids.csv,
 * with ids that a file keeps as long as it is in the index. docs/exchange.md
 * Errors besides: AKIN_ENOTFOUND (model, or the file's folder), AKIN_EUSAGE,
 * AKIN_ECORRUPT, AKIN_EIO, AKIN_ENOMEM.
 */
AKIN_API akin_status akin_index_export(akin_index *index, const char *model,
                                       akin_export_format format,
                                       const char *file,
                                       akin_error *err) AKIN_MUST_CHECK;

typedef struct akin_pgvector_options {
    size_t size;
    const char *table;         /* "name" or "schema.name"; NULL: akin_MODEL */
    akin_progress_fn progress; /* rows compared */
    void *context;
} akin_pgvector_options;

typedef struct akin_pgvector_report {
    char server[256]; /* host and database */
    char table[160];  /* as it can be put into SQL */
    uint64_t added, updated, removed, unchanged;
} akin_pgvector_report;

/*
 * Bring a table of PostgreSQL with pgvector, made when it is not there, in line
 * with the rows of `model`, in one transaction; only what changed is sent. `to`
 * is a connection URI as libpq takes it, postgresql://user@host/database;
 * passwords may also come from PGPASSWORD or ~/.pgpass. docs/pgvector.md
 * Errors: AKIN_EUSAGE when this build has no libpq or `to` is no URI,
 * AKIN_ENETWORK when the server cannot be reached or says no, AKIN_EINDEX when
 * the table holds other vectors than this model's or another index's,
 * AKIN_ECANCELLED; the table is as it was then.
 */
AKIN_API akin_status akin_index_export_pgvector(
    akin_index *index, const char *model, const char *to,
    const akin_pgvector_options *options, akin_pgvector_report *report,
    akin_error *err) AKIN_MUST_CHECK;

/* "libpq 15.18", or "" where this build cannot export to PostgreSQL. */
AKIN_API const char *akin_pgvector_library(void);

typedef struct akin_index_report {
    uint64_t files;   /* image files seen */
    uint64_t skipped; /* files that are no images */
    uint64_t added, updated, unchanged, renamed, removed;
    uint64_t failed;   /* failures new in this run */
    uint64_t warnings; /* used, but truncated or damaged */
    double seconds;
    struct {
        uint64_t images; /* embedded in this run */
        double seconds;  /* the model's share of the wall time, reading and
                            decoding included: the shares add up */
    } model[16];         /* in the order of the models given */
} akin_index_report;

typedef struct akin_index_options {
    size_t size;
    int threads; /* 0: all processors; one more thread reads ahead */
    int retry;   /* try again what failed before */
    int strict;  /* as in akin_decode_options */
    const akin_limits *limits;
    /* "files" while folders are walked and compared (whole 0: not known yet),
     * then "images" that need work; called from one thread at a time */
    akin_progress_fn progress;
    /* each new failure and each warning, from one thread at a time */
    void (*notice)(void *context, const char *path, const char *reason,
                   int failed);
    void *context;
    /* Patterns of gitignore, from each root on, of what is left out; they count
       above every .akinignore and are not remembered. */
    const char *const *exclude; /* [excludes] */
    size_t excludes;
    const char *decoder; /* the program of an akin_decoder for each thread;
                            NULL: decode in this process */
} akin_index_options;

/*
 * Walk `roots` [root_count] (folders or single files), embed what is new or
 * changed with each of `models` [model_count, at most 16], forget what is gone
 * from a root that can be read or is left out (docs/ignore.md), and commit as
 * it goes: what is committed survives anything. A file that cannot be used is
 * no error: it is given to `notice` and remembered; a root that is not there is
 * given to `notice` where another is. Errors: AKIN_EUSAGE (no root, models
 * opened for texts alone or differently from each other), AKIN_ENOTFOUND,
 * AKIN_EIO and AKIN_EUSAGE of the first root where none can be walked,
 * AKIN_EINDEX (the index has a model of that name, or its vectors, from other
 * weights or choices), AKIN_ELIMIT (more than 16 models), AKIN_ECORRUPT,
 * AKIN_ENOMEM, AKIN_ECANCELLED.
 */
AKIN_API akin_status
akin_index_update(akin_index *index, const char *const *roots,
                  size_t root_count, akin_model *const *models,
                  size_t model_count, const akin_index_options *options,
                  akin_index_report *report, akin_error *err) AKIN_MUST_CHECK;

typedef struct akin_import_options {
    size_t size;
    const char *paths; /* the list of a FAISS or npy file; NULL: FILE.paths */
    const char *root;  /* the folder that relative paths begin at; NULL: the
                          one that holds the list, or the file */
    akin_progress_fn progress; /* "rows", looked over first, then put in */
    void *context;
} akin_import_options;

typedef struct akin_import_report {
    const char *format; /* "faiss", "npy", "jsonl" or "csv"; NULL: unknown */
    uint64_t rows;      /* of the file */
    uint64_t added, updated, unchanged;
    uint64_t missing;  /* rows whose file is not there or cannot be read */
    uint64_t compared; /* pictures embedded again; 0: nothing was checked */
    double cosine_min; /* the smallest of these */
} akin_import_report;

/*
 * Put vectors that were made elsewhere, a FAISS, npy, jsonl or CSV file of
 * docs/exchange.md, into the index as those of `model`, normalised. Of the
 * files that are there a few are embedded and compared. Nothing is changed when
 * the file will not do; then rows are committed as it goes, and what is stopped
 * goes on when it is called again. `index` NULL: the file is looked over and
 * compared, and that is all.
 * Errors: AKIN_EFORMAT (names the row or the line), AKIN_EINDEX when vectors
 * have another length or were made differently, AKIN_ENOTFOUND (the file or its
 * list), AKIN_EUSAGE (a list where rows have their paths), AKIN_ECANCELLED, and
 * those of the index.
 */
AKIN_API akin_status akin_index_import(akin_index *index, const char *file,
                                       const akin_model *model,
                                       const akin_import_options *options,
                                       akin_import_report *report,
                                       akin_error *err) AKIN_MUST_CHECK;

/* Let go of all that the index has at or below `path`, of roots too, whether it
 * is there or not. Absolute, or from the working folder on. *removed (may be
 * NULL): so many pictures. AKIN_ENOTFOUND when there is nothing of it. */
AKIN_API akin_status akin_index_forget(akin_index *index, const char *path,
                                       uint64_t *removed,
                                       akin_error *err) AKIN_MUST_CHECK;

/*
 * Keep the index at `path`, which is there, current: do what akin_index_update
 * does, then watch every folder below the roots (Linux's inotify) and do it
 * again for what has changed (docs/watch.md). `updated` (may be NULL) is called
 * after the first run and after every other one that changed something;
 * `progress` also several times a second with "watched" and the number of
 * folders. The writer's lock is held for a run at a time, and waited for.
 * Returns AKIN_ECANCELLED when `progress` asks to stop, else an error of
 * akin_index_update or akin_index_open.
 */
AKIN_API akin_status akin_index_watch(
    const char *path, const char *const *roots, size_t root_count,
    akin_model *const *models, size_t model_count,
    const akin_index_options *options,
    void (*updated)(void *context, const akin_index_report *report),
    akin_error *err) AKIN_MUST_CHECK;

/* Calls `visit` for each file in `folder` and below that is named as pictures
 * are, in order of path, and that akin_index_update would not leave out. The
 * path lives until it returns; an answer other than 0: AKIN_ECANCELLED. */
AKIN_API akin_status akin_list_pictures(
    const char *folder, int (*visit)(void *context, const char *path),
    void *context, akin_error *err) AKIN_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
