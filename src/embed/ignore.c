/*
 * Ignore (ignore.h): rules are parsed once and matched name by name.
 *
 * A pattern is a row of names with slashes between. "*", "?" and "[a-z]" match
 * within a name, so of several stars in a name only the last is ever tried
 * again; a name "**" stands for any number of folders, and of those, too, only
 * the last is tried again. That is why matching cannot explode.
 */
#include "embed/ignore.h"

#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

enum { MOST_BYTES = 1 << 20 }; /* of an .akinignore */

struct akin__rule {
    size_t pattern; /* where it begins in the text */
    bool back;      /* began with "!" */
    bool folder;    /* ended with "/" */
    bool path;      /* has another "/": from the folder of the rules on */
};

/* ------------------------------------------------------------- matching -- */

/* The pattern's name ends here. */
static bool at_end(const char *p)
{
    return !*p || *p == '/' || (*p == '\\' && p[1] == '/');
}

static bool in_class(const char *name, size_t length, int c)
{
    static const struct {
        const char *name;
        int (*holds)(int c);
    } classes[] = {
        {"alnum", isalnum}, {"alpha", isalpha},   {"blank", isblank},
        {"cntrl", iscntrl}, {"digit", isdigit},   {"graph", isgraph},
        {"lower", islower}, {"print", isprint},   {"punct", ispunct},
        {"space", isspace}, {"xdigit", isxdigit}, {"upper", isupper}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].name) == length &&
            memcmp(classes[i].name, name, length) == 0)
            return classes[i].holds(c);
    return false;
}

/* The character that the pattern means at *p, which moves behind it. */
static unsigned char plain(const char **p)
{
    *p += **p == '\\';
    return (unsigned char)*(*p)++;
}

/* Whether the set that begins behind a '[' has `c` in it. What stands behind
 * the set; NULL when the set does not end. */
static const char *take_set(const char *p, unsigned char c, bool *in)
{
    const bool negated = *p == '!' || *p == '^';
    bool found = false;
    p += negated;
    for (bool first = true; first || *p != ']'; first = false) {
        const char *close = p[0] == '[' && p[1] == ':' ? strchr(p, ']') : NULL;
        if (close && close > p + 2 && close[-1] == ':') {
            found |= in_class(p + 2, (size_t)(close - p - 3), c);
            p = close + 1;
            continue;
        }
        const unsigned char low = plain(&p);
        unsigned char high = low;
        if (!low)
            return NULL;
        if (*p == '-' && p[1] && p[1] != ']') {
            p++;
            high = plain(&p);
            if (!high)
                return NULL;
        }
        found |= low <= c && c <= high;
    }
    *in = found != negated;
    return p + 1;
}

/* Whether the pattern's next character, not a star, is `c`; *p moves on. */
static bool take_one(const char **p, unsigned char c)
{
    bool in = true;
    if (**p == '?')
        ++*p;
    else if (**p == '[')
        *p = take_set(*p + 1, c, &in); /* the set ends: add_rule saw to it */
    else
        in = plain(p) == c;
    return in;
}

/* Whether the pattern's name at `p` is the name from `t` to `end`. */
static bool match_name(const char *p, const char *t, const char *end)
{
    const char *star = NULL, *again = NULL;
    for (;;) {
        if (*p == '*') {
            star = ++p;
            again = t;
        } else if (t == end && at_end(p)) {
            return true;
        } else if (t < end && !at_end(p) && take_one(&p, (unsigned char)*t)) {
            t++;
        } else if (star && again < end) {
            p = star;
            t = ++again;
        } else {
            return false;
        }
    }
}

/* Behind the pattern's name; NULL when a set in it does not end. */
static const char *name_end(const char *p)
{
    bool ignored;
    while (p && !at_end(p)) {
        if (*p == '[')
            p = take_set(p + 1, 0, &ignored);
        else
            p += *p == '\\' && p[1] ? 2 : 1;
    }
    return p;
}

/* Behind a name of two stars or more and nothing else; else NULL. */
static const char *many_folders(const char *p)
{
    const size_t stars = strspn(p, "*");
    return stars > 1 && at_end(p + stars) ? p + stars : NULL;
}

static const char *behind_slash(const char *p)
{
    return p + (*p == '\\' ? 2 : 1);
}

static bool match_path(const char *p, const char *t)
{
    const char *again_p = NULL, *again_t = NULL;
    for (;;) {
        const char *rest = many_folders(p);
        const char *end = strchrnul(t, '/');
        if (rest && !*rest)
            return true;
        if (rest) {
            p = again_p = behind_slash(rest);
            again_t = t;
            continue;
        }
        if (match_name(p, t, end)) {
            rest = name_end(p);
            if (!*rest && !*end)
                return true;
            if (*rest && *end) {
                p = behind_slash(rest);
                t = end + 1;
                continue;
            }
        }
        const char *slash = again_p ? strchr(again_t, '/') : NULL;
        if (!slash)
            return false;
        p = again_p;
        t = again_t = slash + 1;
    }
}

enum akin__verdict akin__ignore_judge(const struct akin__ignore *ignore,
                                      const char *path, bool folder)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (size_t i = ignore->count; i-- > 0;) {
        const struct akin__rule *rule = &ignore->rule[i];
        const char *pattern = ignore->text + rule->pattern;
        if (rule->folder && !folder)
            continue;
        if (rule->path ? match_path(pattern, path)
                       : match_name(pattern, name, name + strlen(name)))
            return rule->back ? AKIN__TAKEN_BACK : AKIN__LEFT_OUT;
    }
    return AKIN__NO_RULE;
}

/* -------------------------------------------------------------- parsing -- */

static bool make_room(void **memory, size_t needed, size_t *room, size_t size)
{
    if (needed <= *room)
        return true;
    const size_t more = needed + *room / 2 + 16;
    void *larger = akin__realloc(*memory, more, size);
    if (!larger)
        return false;
    *memory = larger;
    *room = more;
    return true;
}

static akin_status add_rule(struct akin__ignore *ignore, const char *pattern,
                            size_t length, akin_error *err)
{
    struct akin__rule rule = {.pattern = ignore->used};
    void *text = ignore->text, *rules = ignore->rule;
    if (length && pattern[0] == '!') {
        rule.back = true;
        pattern++, length--;
    }
    if (length && pattern[length - 1] == '/') {
        rule.folder = true;
        length--;
    }
    rule.path = memchr(pattern, '/', length);
    if (length && pattern[0] == '/')
        pattern++, length--;
    if (!make_room(&text, ignore->used + length + 1, &ignore->text_room, 1))
        return akin__fail(err, AKIN_ENOMEM, "no memory for a pattern");
    ignore->text = text;
    memcpy(ignore->text + ignore->used, pattern, length);
    ignore->text[ignore->used + length] = 0;
    /* A set that does not end matches nothing, as in git. */
    for (const char *p = ignore->text + ignore->used; *p;
         p = *p ? behind_slash(p) : p) {
        p = name_end(p);
        if (!p)
            return AKIN_OK;
    }
    if (!make_room(&rules, ignore->count + 1, &ignore->room, sizeof rule))
        return akin__fail(err, AKIN_ENOMEM, "no memory for a pattern");
    ignore->rule = rules;
    ignore->rule[ignore->count++] = rule;
    ignore->used += length + 1;
    return AKIN_OK;
}

akin_status akin__ignore_add(struct akin__ignore *ignore, const char *pattern,
                             akin_error *err)
{
    return add_rule(ignore, pattern, strlen(pattern), err);
}

/* The length without the spaces at the end that no backslash keeps. */
static size_t trimmed(const char *line, size_t length)
{
    size_t end = 0;
    for (size_t i = 0; i < length; i++) {
        if (line[i] == '\\' && i + 1 < length)
            end = ++i + 1;
        else if (line[i] != ' ')
            end = i + 1;
    }
    return end;
}

static akin_status add_lines(struct akin__ignore *ignore, const char *text,
                             size_t count, akin_error *err)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin so */
    akin_status status = AKIN_OK;
    size_t at = count >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    while (at < count && !status) {
        const char *line = text + at;
        const char *end = memchr(line, '\n', count - at);
        size_t length = end ? (size_t)(end - line) : count - at;
        at += length + 1;
        length -= length && line[length - 1] == '\r';
        length = trimmed(line, length);
        if (length && line[0] != '#')
            status = add_rule(ignore, line, length, err);
    }
    return status;
}

akin_status akin__ignore_read(struct akin__ignore *ignore, const char *folder,
                              akin_error *err)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    char *path = akin__join(folder, ".akinignore");
    if (!path)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", folder);
    akin_status status =
        akin__read_file(path, MOST_BYTES, &bytes, &count, NULL, err);
    if (status == AKIN_ENOTFOUND)
        status = AKIN_OK;
    else if (!status && count && memchr(bytes, 0, count))
        status = akin__fail(err, AKIN_EFORMAT, "%s: is no text", path);
    else if (!status)
        status = add_lines(ignore, (const char *)bytes, count, err);
    if (status && status != AKIN_ENOMEM) {
        const akin_error cause = *err;
        akin__fail(err, status, "%s: .akinignore: %s", folder,
                   akin__reason(&cause, path));
    }
    akin__free(bytes);
    akin__free(path);
    return status;
}

void akin__ignore_free(struct akin__ignore *ignore)
{
    akin__free(ignore->text);
    akin__free(ignore->rule);
    memset(ignore, 0, sizeof *ignore);
}
