/*
 * Sniff: what the first bytes of a file say it is.
 *
 * Three answers: a format this build decodes; an image that it does not, with
 * the reason; or NULL, which lets the pipeline pass over text, films, PDFs and
 * sidecars in silence. So a mark of two letters is never enough here.
 */
#include <string.h>

#include "base/cursor.h"
#include "image/config.h"
#include "image/decoder.h"

static bool has(const uint8_t *bytes, size_t count, size_t at, const char *mark,
                size_t length)
{
    return count >= at + length && memcmp(bytes + at, mark, length) == 0;
}
#define HAS(at, mark) has(bytes, count, at, mark, sizeof(mark) - 1)

static bool is_jpeg(const uint8_t *bytes, size_t count)
{
    return HAS(0, "\xff\xd8\xff");
}

static bool is_png(const uint8_t *bytes, size_t count)
{
    return HAS(0, "\x89PNG");
}

static bool is_webp(const uint8_t *bytes, size_t count)
{
    return HAS(0, "RIFF") && HAS(8, "WEBP");
}

static bool is_gif(const uint8_t *bytes, size_t count)
{
    return HAS(0, "GIF87a") || HAS(0, "GIF89a");
}

/* "BM" and the size of a header: text may begin with the letters. */
static bool is_bmp(const uint8_t *bytes, size_t count)
{
    return HAS(0, "BM") && HAS(15, "\0\0\0");
}

static bool is_tiff(const uint8_t *bytes, size_t count)
{
    return HAS(0, "II*\0") || HAS(0, "MM\0*") || HAS(0, "II+\0") ||
           HAS(0, "MM\0+");
}

/* Whether an ISO media file (HEIF's family, and MP4's) names this brand as its
 * own, or among those it is compatible with. */
static bool has_brand(const uint8_t *bytes, size_t count, const char *brand,
                      bool compatible)
{
    if (!HAS(4, "ftyp"))
        return false;
    struct akin__cursor c = akin__cursor(bytes, count);
    const uint32_t size = akin__take_uint(&c, 4, true);
    const size_t end = size < count ? size : count;
    if (has(bytes, end, 8, brand, 4))
        return true;
    for (size_t at = 16; compatible && at + 4 <= end; at += 4)
        if (memcmp(bytes + at, brand, 4) == 0)
            return true;
    return false;
}

static bool is_avif(const uint8_t *bytes, size_t count)
{
    const bool heif = has_brand(bytes, count, "mif1", false) ||
                      has_brand(bytes, count, "msf1", false);
    return has_brand(bytes, count, "avif", heif) ||
           has_brand(bytes, count, "avis", heif);
}

static bool is_heif(const uint8_t *bytes, size_t count)
{
    static const char brands[][5] = {"heic", "heix", "heim", "heis", "hevc",
                                     "hevx", "hevm", "hevs", "mif1", "msf1"};
    for (size_t i = 0; i < sizeof brands / sizeof brands[0]; i++)
        if (has_brand(bytes, count, brands[i], false))
            return true;
    return false;
}

static bool is_jxl(const uint8_t *bytes, size_t count)
{
    return HAS(0, "\xff\x0a") ||
           (HAS(0, "\0\0\0\x0cJXL \r\n\x87\n") && HAS(16, "ftypjxl "));
}

/* The first directory of a TIFF says that it is a camera's: DNG's version tag,
 * or a maker's name beside further directories, the first of which is only a
 * reduced picture. */
static bool is_camera_tiff(const uint8_t *bytes, size_t count)
{
    enum { TYPE = 254, MAKE = 271, FURTHER = 330, DNG = 50706 };
    if (!is_tiff(bytes, count) || count < 8)
        return false;
    const bool big = bytes[0] == 'M';
    struct akin__cursor c = akin__cursor(bytes + 4, count - 4);
    const uint32_t offset = akin__take_uint(&c, 4, big);
    if (offset > count)
        return false;
    c = akin__cursor(bytes + offset, count - offset);
    bool make = false, further = false, reduced = false;
    for (uint32_t n = akin__take_uint(&c, 2, big); n && !c.bad; n--) {
        const uint32_t tag = akin__take_uint(&c, 2, big);
        akin__take(&c, 6);
        const uint32_t value = akin__take_uint(&c, 4, big);
        if (tag == DNG)
            return true;
        make |= tag == MAKE;
        further |= tag == FURTHER;
        reduced |= tag == TYPE && (value & 1);
    }
    return make && further && reduced;
}

static bool is_raw(const uint8_t *bytes, size_t count)
{
    return HAS(0, "FUJIFILMCCD-RAW") || HAS(0, "FOVb") || HAS(0, "IIU\0") ||
           HAS(0, "IIRO") || HAS(0, "IIRS") || HAS(0, "MMOR") ||
           (HAS(0, "\0MRM") && HAS(8, "\0PRD")) ||
           (is_tiff(bytes, count) && HAS(8, "CR\2")) ||
           has_brand(bytes, count, "crx ", false) ||
           is_camera_tiff(bytes, count);
}

static bool is_jpeg2000(const uint8_t *bytes, size_t count)
{
    return HAS(0, "\0\0\0\x0cjP  \r\n\x87\n") || HAS(0, "\xff\x4f\xff\x51");
}

static bool is_jpegxr(const uint8_t *bytes, size_t count)
{
    return HAS(0, "II\xbc\x01");
}

static bool is_psd(const uint8_t *bytes, size_t count)
{
    return HAS(0, "8BPS\0\1") || HAS(0, "8BPS\0\2");
}

static bool is_icon(const uint8_t *bytes, size_t count)
{
    return (HAS(0, "\0\0\1\0") || HAS(0, "\0\0\2\0")) && count >= 22 &&
           bytes[4] && !bytes[5] && !bytes[9];
}

static bool is_exr(const uint8_t *bytes, size_t count)
{
    return HAS(0, "\x76\x2f\x31\x01");
}

static bool is_hdr(const uint8_t *bytes, size_t count)
{
    return HAS(0, "#?RADIANCE\n") || HAS(0, "#?RGBE\n");
}

static bool is_dds(const uint8_t *bytes, size_t count)
{
    return HAS(0, "DDS \x7c\0\0\0");
}

static bool is_qoi(const uint8_t *bytes, size_t count)
{
    return HAS(0, "qoif\0");
}

static bool is_xcf(const uint8_t *bytes, size_t count)
{
    return HAS(0, "gimp xcf ");
}

static bool is_bpg(const uint8_t *bytes, size_t count)
{
    return HAS(0, "BPG\xfb");
}

static bool is_mng(const uint8_t *bytes, size_t count)
{
    return HAS(0, "\x8aMNG\r\n") || HAS(0, "\x8bJNG\r\n");
}

static bool is_netpbm(const uint8_t *bytes, size_t count)
{
    return count >= 4 && bytes[0] == 'P' && bytes[1] >= '1' &&
           bytes[1] <= '7' && bytes[2] == '\n' &&
           (bytes[3] == '#' || (bytes[3] >= '0' && bytes[3] <= '9') ||
            HAS(3, "WIDTH"));
}

#ifdef AKIN_HAVE_TIFF
#define TIFF akin__decode_tiff, NULL
#else
#define TIFF NULL, "TIFF is not read: this build lacks libtiff"
#endif
#ifdef AKIN_HAVE_HEIF
#define HEIF akin__decode_heif, NULL
#else
#define HEIF NULL, "HEIF is not read: this build lacks libheif"
#endif
#ifdef AKIN_HAVE_AVIF
#define AVIF akin__decode_avif, NULL
#else
#define AVIF NULL, "AVIF is not read: this build lacks libavif"
#endif
#ifdef AKIN_HAVE_JXL
#define JXL akin__decode_jxl, NULL
#else
#define JXL NULL, "JPEG XL is not read: this build lacks libjxl"
#endif
#ifdef AKIN_HAVE_RAW
#define RAW akin__decode_raw, NULL
#else
#define RAW NULL, "camera raw is not read: this build lacks libraw"
#endif

/* In order: a camera's raw file may look like a TIFF. */
static const struct akin__format formats[] = {
    {"jpeg", is_jpeg, akin__decode_jpeg, NULL},
    {"png", is_png, akin__decode_png, NULL},
    {"webp", is_webp, akin__decode_webp, NULL},
    {"gif", is_gif, akin__decode_gif, NULL},
    {"bmp", is_bmp, akin__decode_bmp, NULL},
    {"raw", is_raw, RAW},
    {"tiff", is_tiff, TIFF},
    {"avif", is_avif, AVIF},
    {"heif", is_heif, HEIF},
    {"jxl", is_jxl, JXL},
    {"jp2", is_jpeg2000, NULL, "JPEG 2000 is not supported"},
    {"jxr", is_jpegxr, NULL, "JPEG XR is not supported"},
    {"psd", is_psd, NULL, "Photoshop's PSD is not supported"},
    {"ico", is_icon, NULL, "ICO is not supported"},
    {"exr", is_exr, NULL, "OpenEXR is not supported"},
    {"hdr", is_hdr, NULL, "Radiance HDR is not supported"},
    {"dds", is_dds, NULL, "DDS is not supported"},
    {"qoi", is_qoi, NULL, "QOI is not supported"},
    {"xcf", is_xcf, NULL, "GIMP's XCF is not supported"},
    {"bpg", is_bpg, NULL, "BPG is not supported"},
    {"mng", is_mng, NULL, "MNG is not supported"},
    {"pnm", is_netpbm, NULL, "netpbm is not supported"},
};

const struct akin__format *akin__sniff(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i].sniff(bytes, count))
            return &formats[i];
    return NULL;
}

const char *akin__format_name(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].name;
    return NULL;
}
