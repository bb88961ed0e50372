/*
 * Walk: depth first with an explicit stack, names in order of their bytes.
 *
 * A folder is not entered again on its own way (a loop of links or of bind
 * mounts), and through links only once in a walk: folders that all link to
 * each other would otherwise be walked in every order there is. A folder that
 * cannot be listed, or a link that leads nowhere, is put on the list as
 * barred, because what lies behind it is out of reach, not gone.
 *
 * Memory: the list, and the names of the folders on the way. Depth is bounded
 * by PATH_MAX, beyond which the system refuses the path.
 */
#include "embed/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "base/text.h"
#include "embed/ignore.h"

/* How many items lie between two questions whether to go on. */
enum { ASK_EVERY = 512 };

struct identity {
    dev_t device;
    ino_t number;
};

/* A folder on the way. */
struct level {
    struct akin__names names;
    size_t next;   /* of the names */
    size_t length; /* of its path, with the slash */
    struct identity identity;
    struct akin__ignore rules; /* its .akinignore */
};

struct walk {
    struct akin__walk *how;
    struct akin__list *list;
    size_t root_length;     /* of the root's path, with the slash */
    int64_t busy_since;     /* a file changed after this is busy */
    struct akin__text path; /* of the folder on top, with a slash */
    struct level *level;    /* [depth of level_room] */
    size_t depth, level_room;
    struct identity
        *linked; /* [linked_count of linked_room]: entered by link */
    size_t linked_count, linked_room;
};

/* Room for one more of `size` bytes; NULL when memory is short. */
static void *grown(void *memory, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return memory;
    const size_t more = *room + *room / 2 + 64;
    void *larger = akin__realloc(memory, more, size);
    if (larger)
        *room = more;
    return larger;
}

static bool add_text(struct akin__list *list, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    while (bytes > list->text_room - list->text_used) {
        char *larger = grown(list->text, list->text_room, &list->text_room, 1);
        if (!larger)
            return false;
        list->text = larger;
    }
    memcpy(list->text + list->text_used, text, bytes);
    list->text_used += bytes;
    return true;
}

static akin_status add_item(struct akin__list *list, const char *path,
                            const struct stat *st, enum akin__what what,
                            uint32_t root, const char *reason, akin_error *err)
{
    const struct akin__item item = {
        .path = list->text_used,
        .bytes = st ? (uint64_t)st->st_size : 0,
        .mtime_ns =
            st ? st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec : 0,
        .root = root,
        .what = (uint8_t)what};
    struct akin__item *larger =
        grown(list->item, list->count, &list->room, sizeof item);
    if (larger)
        list->item = larger;
    if (!larger || !add_text(list, path) || (reason && !add_text(list, reason)))
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory for %zu files", path,
                          list->count);
    list->item[list->count++] = item;
    return AKIN_OK;
}

akin_status akin__list_file(struct akin__list *list, const char *path,
                            const struct stat *st, akin_error *err)
{
    return add_item(list, path, st, AKIN__FILE, 0, NULL, err);
}

void akin__list_free(struct akin__list *list)
{
    akin__free(list->text);
    akin__free(list->item);
    memset(list, 0, sizeof *list);
}

const char *akin__item_path(const struct akin__list *list,
                            const struct akin__item *item)
{
    return list->text + item->path;
}

int akin__path_order(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    const int left = *a == '/' ? 1 : (unsigned char)*a + (*a != 0);
    const int right = *b == '/' ? 1 : (unsigned char)*b + (*b != 0);
    return (left > right) - (left < right);
}

static int by_path(const void *a, const void *b, void *list)
{
    const struct akin__item *left = a, *right = b;
    const int order = akin__path_order(akin__item_path(list, left),
                                       akin__item_path(list, right));
    const int excluded =
        (left->what == AKIN__EXCLUDED) - (right->what == AKIN__EXCLUDED);
    if (order || excluded) /* by one root only: another one wants it */
        return order ? order : excluded;
    return (left->root > right->root) - (left->root < right->root);
}

static bool same_path(const struct akin__list *list, size_t a, size_t b)
{
    return strcmp(akin__item_path(list, &list->item[a]),
                  akin__item_path(list, &list->item[b])) == 0;
}

void akin__list_sort(struct akin__list *list)
{
    size_t kept = 0;
    if (list->count)
        qsort_r(list->item, list->count, sizeof *list->item, by_path, list);
    for (size_t i = 0; i < list->count; i++)
        if (!kept || !same_path(list, i, kept - 1))
            list->item[kept++] = list->item[i];
    list->count = kept;
}

struct akin__item *akin__list_find(const struct akin__list *list,
                                   const char *path)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        struct akin__item *item = &list->item[middle];
        const int order = akin__path_order(path, akin__item_path(list, item));
        if (order == 0)
            return item;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/*
 * Names that are not pictures of the owner: hidden ones and AppleDouble files,
 * thumbnails and recycle bins that NAS systems, desktops and Lightroom keep
 * beside the photos, what only root can list on an external disc, and indexes.
 */
bool akin__passed_over(const char *name)
{
    static const char *const names[] = {
        "@eaDir",    "@Recycle",     "#recycle",
        "#snapshot", "$RECYCLE.BIN", "$Recycle.Bin",
        "__MACOSX",  "lost+found",   "System Volume Information",
        "Thumbs.db",
    };
    static const char *const endings[] = {".akin", ".lrdata"};
    const size_t length = strlen(name);
    if (name[0] == '.')
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (length >= strlen(endings[i]) &&
            strcmp(name + length - strlen(endings[i]), endings[i]) == 0)
            return true;
    return false;
}

static bool same(struct identity a, struct identity b)
{
    return a.device == b.device && a.number == b.number;
}

/* Whether the folder is on its own way already. */
static bool is_loop(const struct walk *walk, struct identity identity)
{
    for (size_t i = 0; i < walk->depth; i++)
        if (same(walk->level[i].identity, identity))
            return true;
    return false;
}

/* Remember that a folder is entered through a link; *again if it was before. */
static akin_status note_link(struct walk *walk, struct identity identity,
                             bool *again, akin_error *err)
{
    *again = false;
    for (size_t i = 0; i < walk->linked_count && !*again; i++)
        *again = same(walk->linked[i], identity);
    if (*again)
        return AKIN_OK;
    struct identity *larger = grown(walk->linked, walk->linked_count,
                                    &walk->linked_room, sizeof identity);
    if (!larger)
        return akin__fail(err, AKIN_ENOMEM, "no memory for %zu linked folders",
                          walk->linked_count);
    walk->linked = larger;
    walk->linked[walk->linked_count++] = identity;
    return AKIN_OK;
}

/* Put what is at the path aside as barred, unless it is merely gone or memory
 * is short. */
static akin_status bar(struct walk *walk, akin_status why, akin_error *err)
{
    const char *path = walk->path.bytes;
    if (why == AKIN_ENOMEM)
        return why;
    if (why == AKIN_ENOTFOUND && !akin__exists(path))
        return AKIN_OK;
    akin_error reason = *err;
    return add_item(walk->list, path, NULL, AKIN__BARRED, walk->how->number,
                    why == AKIN_ENOTFOUND ? "link leads nowhere"
                                          : akin__reason(&reason, path),
                    err);
}

/* ---------------------------------------------------------------- rules -- */

/* Whether the rules leave out what is at the path. */
static bool left_out(const struct walk *walk, bool folder)
{
    const char *path = walk->path.bytes;
    enum akin__verdict verdict = AKIN__NO_RULE;
    if (walk->how->exclude)
        verdict = akin__ignore_judge(walk->how->exclude,
                                     path + walk->root_length, folder);
    for (size_t i = walk->depth; i-- > 0 && verdict == AKIN__NO_RULE;)
        if (walk->level[i].rules.count)
            verdict = akin__ignore_judge(&walk->level[i].rules,
                                         path + walk->level[i].length, folder);
    return verdict == AKIN__LEFT_OUT;
}

static int by_name(const void *key, const void *name)
{
    return strcmp(key, *(char *const *)name);
}

static bool has_rules(const struct akin__names *names)
{
    return names->count && bsearch(".akinignore", names->name, names->count,
                                   sizeof *names->name, by_name);
}

/* ---------------------------------------------------------------- steps -- */

static void free_level(struct level *level)
{
    akin__names_free(&level->names);
    akin__ignore_free(&level->rules);
}

/* Put the folder at the path on the stack; takes what the level owns. */
static akin_status push(struct walk *walk, struct level *level, akin_error *err)
{
    struct level *larger =
        grown(walk->level, walk->depth, &walk->level_room, sizeof *level);
    if (larger)
        walk->level = larger;
    if (walk->path.bytes[walk->path.length - 1] != '/')
        akin__text_add(&walk->path, "/", 1);
    if (!larger || walk->path.failed) {
        free_level(level);
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory for %zu folders",
                          walk->path.bytes, walk->depth);
    }
    level->length = walk->path.length;
    walk->level[walk->depth++] = *level;
    return AKIN_OK;
}

/* Note that the folder at the path is another disc. */
static akin_status add_disc(struct walk *walk, const struct stat *st,
                            akin_error *err)
{
    const akin_status status =
        add_item(walk->list, walk->path.bytes, NULL, AKIN__DISC,
                 walk->how->number, NULL, err);
    if (!status) {
        struct akin__item *item = &walk->list->item[walk->list->count - 1];
        item->bytes = st->st_ino;
        item->mtime_ns = (int64_t)st->st_dev;
    }
    return status;
}

/* The .akinignore of the folder at the path cannot be used. Whoever wrote it
 * wants something left out, so the folder, or the root below it, is barred. */
static akin_status bar_rules(struct walk *walk, akin_status why,
                             akin_error *err)
{
    const char *path = walk->path.bytes;
    const bool above = walk->path.length + 1 < walk->root_length;
    char reason[sizeof err->message];
    if (why == AKIN_ENOMEM)
        return why;
    snprintf(reason, sizeof reason, "%s",
             above ? err->message : akin__reason(err, path));
    return add_item(walk->list, above ? walk->how->root : path, NULL,
                    AKIN__BARRED, walk->how->number, reason, err);
}

/* List the folder at the path and read its rules. */
static akin_status open_level(struct walk *walk, struct level *level,
                              akin_error *err)
{
    const char *path = walk->path.bytes;
    akin_status status = akin__list_folder(path, &level->names, err);
    if (status)
        return bar(walk, status, err);
    if (has_rules(&level->names))
        status = akin__ignore_read(&level->rules, path, err);
    if (!status)
        return AKIN_OK;
    free_level(level);
    return bar_rules(walk, status, err);
}

/* Begin with the folder at the path. */
static akin_status enter(struct walk *walk, const struct stat *st, bool link,
                         akin_error *err)
{
    struct level level = {.identity = {st->st_dev, st->st_ino}};
    const size_t barred = walk->list->count;
    const bool other =
        walk->depth && walk->path.length > walk->root_length &&
        walk->level[walk->depth - 1].identity.device != st->st_dev;
    bool again = is_loop(walk, level.identity);
    akin_status status = AKIN_OK;
    if (!again && link)
        status = note_link(walk, level.identity, &again, err);
    if (status || again)
        return status;
    walk->how->linked |= link;
    if (other)
        status = add_disc(walk, st, err);
    if (!status && walk->how->folder)
        status =
            walk->how->folder(walk->how->context, walk->path.bytes, other, err);
    if (!status)
        status = open_level(walk, &level, err);
    if (status || walk->list->count > barred + other)
        return status;
    return push(walk, &level, err);
}

/* What is at the path, a name in the folder on top. */
static akin_status look_at(struct walk *walk, bool root, akin_error *err)
{
    const char *path = walk->path.bytes;
    const uint32_t number = walk->how->number;
    struct stat st;
    const akin_status status = akin__stat(path, &st, err);
    if (status)
        return bar(walk, status, err);
    if (!root && left_out(walk, S_ISDIR(st.st_mode)))
        return add_item(walk->list, path, &st, AKIN__EXCLUDED, number, NULL,
                        err);
    if (S_ISDIR(st.st_mode))
        return enter(walk, &st, !root && akin__is_link(path), err);
    if (!S_ISREG(st.st_mode))
        return add_item(walk->list, path, &st, AKIN__OTHER, number, NULL, err);
    const int64_t changed =
        st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
    const bool busy = walk->how->busy_ns && changed > walk->busy_since &&
                      changed <= walk->busy_since + 2 * walk->how->busy_ns;
    return add_item(walk->list, path, &st, busy ? AKIN__BUSY : AKIN__FILE,
                    number, NULL, err);
}

/* The path becomes that of `name` [length] in the folder on top. */
static akin_status go_to(struct walk *walk, const char *name, size_t length,
                         akin_error *err)
{
    walk->path.length = walk->level[walk->depth - 1].length;
    akin__text_add(&walk->path, name, length);
    return walk->path.failed
               ? akin__fail(err, AKIN_ENOMEM, "%s: no memory for a path", name)
               : AKIN_OK;
}

/* The next name of the folder on top, or back to the folder above. */
static akin_status step(struct walk *walk, akin_error *err)
{
    struct level *top = &walk->level[walk->depth - 1];
    if (top->next == top->names.count) {
        free_level(top);
        walk->depth--;
        return AKIN_OK;
    }
    const char *name = top->names.name[top->next++];
    if (akin__passed_over(name))
        return AKIN_OK;
    const akin_status status = go_to(walk, name, strlen(name), err);
    return status ? status : look_at(walk, false, err);
}

/* ------------------------------------------------------------- the way -- */

/*
 * The folder at the path, on the way to where the walk begins: a level without
 * names, for its rules and, from the root on, so that no link leads back to
 * it. *stop: what lies there is left out or cannot be reached, and that was
 * noted where it has to be.
 */
static akin_status pass(struct walk *walk, bool below, bool *stop,
                        akin_error *err)
{
    const bool inside = walk->path.length >= walk->root_length - 1;
    struct level level = {0};
    struct stat st;
    akin_status status = akin__stat(walk->path.bytes, &st, err);
    if (status && inside) {
        *stop = true;
        return bar(walk, status, err);
    }
    if (inside) {
        level.identity = (struct identity){st.st_dev, st.st_ino};
        *stop = !S_ISDIR(st.st_mode) || (below && left_out(walk, true));
    }
    if (*stop)
        return look_at(walk, !below, err);
    /* What strangers write above the root, in /tmp, does not count. */
    const bool read = inside || (!status && !(st.st_mode & S_IWOTH));
    status =
        read ? akin__ignore_read(&level.rules, walk->path.bytes, err) : AKIN_OK;
    if (status) {
        free_level(&level);
        *stop = true;
        return bar_rules(walk, status, err);
    }
    return push(walk, &level, err);
}

/* Go down to `path`, which begins with a slash, and look at it. */
static akin_status begin(struct walk *walk, const char *path, akin_error *err)
{
    const size_t root = walk->root_length - 1;
    bool stop = false;
    akin_status status = AKIN_OK;
    akin__text_add(&walk->path, "/", 1);
    if (walk->path.failed)
        return akin__fail(err, AKIN_ENOMEM, "%s: no memory", path);
    if (!path[1])
        return look_at(walk, true, err);
    status = pass(walk, false, &stop, err);
    for (const char *name = path + 1; !status && !stop;) {
        const size_t length = strcspn(name, "/");
        status = go_to(walk, name, length, err);
        if (status)
            break;
        const bool below = walk->path.length > root;
        if (below && akin__passed_over(walk->path.bytes +
                                       walk->level[walk->depth - 1].length))
            break;
        if (!name[length])
            return look_at(walk, !below, err);
        status = pass(walk, below, &stop, err);
        name += length + 1;
    }
    return status;
}

akin_status akin__walk(struct akin__list *list, const char *path,
                       struct akin__walk *how, akin_error *err)
{
    struct walk walk = {.list = list, .how = how};
    akin_status status = AKIN_OK;
    size_t steps = 0;
    walk.root_length = strlen(how->root) + (how->root[1] != 0);
    if (how->busy_ns)
        walk.busy_since = akin__wall_ns() - how->busy_ns;
    AKIN_TRY(begin(&walk, path, err));
    while (walk.depth) {
        AKIN_TRY(step(&walk, err));
        AKIN_CHECK(++steps % ASK_EVERY || !how->go_on ||
                       how->go_on(how->context, list->count),
                   err, AKIN_ECANCELLED, "%s: stopped after %zu files", path,
                   list->count);
    }
out:
    while (walk.depth)
        free_level(&walk.level[--walk.depth]);
    akin__free(walk.level);
    akin__free(walk.linked);
    akin__text_free(&walk.path);
    return status;
}

akin_status akin_list_pictures(const char *folder,
                               int (*visit)(void *context, const char *path),
                               void *context, akin_error *err)
{
    struct akin__list list = {0};
    struct stat st;
    akin_status status = AKIN_OK;
    char *real = NULL, *shown = NULL;
    AKIN_TRY(akin__stat(folder, &st, err));
    AKIN_TRY(akin__real_path(folder, &real, err));
    struct akin__walk how = {.root = real};
    size_t length = strlen(real); /* less what follows it in a path */
    length += real[1] && S_ISDIR(st.st_mode);
    AKIN_TRY(akin__walk(&list, real, &how, err));
    akin__list_sort(&list);
    for (size_t i = 0; i < list.count; i++) {
        const char *path = akin__item_path(&list, &list.item[i]);
        if (list.item[i].what != AKIN__FILE || !akin__image_suffix(path))
            continue;
        akin__free(shown);
        shown = path[length] ? akin__join(folder, path + length)
                             : akin__strdup(folder);
        AKIN_CHECK(shown, err, AKIN_ENOMEM, "%s: no memory", path);
        AKIN_CHECK(!visit(context, shown), err, AKIN_ECANCELLED,
                   "%s: stopped at %s", folder, shown);
    }
out:
    akin__free(shown);
    akin__free(real);
    akin__list_free(&list);
    return status;
}
