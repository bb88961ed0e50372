/* Filter: globs as the user sees paths, and formats by any of their names
 * (filter.h). */
#include "filter.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli.h"

static const char *const formats[] = {"jpeg", "png", "webp", "gif",  "bmp",
                                      "tiff", "raw", "heif", "avif", "jxl"};
static const struct {
    const char *name, *means;
} others[] = {{"jpg", "jpeg"}, {"tif", "tiff"}, {"heic", "heif"}};

/* The format that a word means, or NULL. */
static const char *find_format(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strlen(formats[i]) == length && !memcmp(formats[i], word, length))
            return formats[i];
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strlen(others[i].name) == length &&
            !memcmp(others[i].name, word, length))
            return others[i].means;
    }
    return NULL;
}

static int take_formats(struct cli_filter *filter,
                        const struct cli_values *values)
{
    struct akin__text text = {0};
    const char *word = values->format;
    while (word) {
        const size_t length = strcspn(word, ",");
        const char *format = find_format(word, length);
        if (!format) {
            akin__text_free(&text);
            return cli_wrong(values,
                             "--format %s is no list of jpeg, png, webp, gif, "
                             "bmp, tiff, raw, heif, avif, jxl",
                             values->format);
        }
        akin__text_addf(&text, "%s%s", text.length ? "," : "", format);
        word = word[length] ? word + length + 1 : NULL;
    }
    filter->formats = text.bytes;
    filter->options.formats = text.bytes;
    return text.failed ? cli_no_memory() : 0;
}

/* Whether a glob is about paths from the current folder on. */
static int is_near(const struct cli_values *values, const char *index,
                   const char *here)
{
    const char first = values->search.path[0];
    return here && !values->index && index[0] == '/' && first != '/' &&
           first != '*';
}

static int take_path(struct cli_filter *filter, const struct cli_values *values,
                     const char *index, const char *here)
{
    struct akin__text text = {0};
    if (!values->search.path)
        return 0;
    if (is_near(values, index, here)) {
        for (; *here; here++) {
            if (strchr("\\*?[", *here))
                akin__text_add(&text, "\\", 1);
            akin__text_add(&text, here, 1);
        }
        akin__text_add(&text, "/", 1);
    }
    akin__text_add(&text, values->search.path, strlen(values->search.path));
    filter->path = text.bytes;
    filter->options.path = text.bytes;
    return text.failed ? cli_no_memory() : 0;
}

int cli_filter_make(struct cli_filter *filter, const struct cli_values *values,
                    const char *index, const char *here)
{
    *filter = (struct cli_filter){.options = values->search};
    filter->options.size = sizeof filter->options;
    filter->options.exact = values->exact;
    const int code = take_formats(filter, values);
    return code ? code : take_path(filter, values, index, here);
}

void cli_filter_free(struct cli_filter *filter)
{
    akin__free(filter->path);
    akin__free(filter->formats);
}
