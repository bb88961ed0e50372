/*
 * akin dups: groups of copies, and what to do with those that are not kept.
 * What is found is the library's; here it is shown, and done when --yes says
 * so.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli.h"
#include "commands.h"
#include "index.h"
#include "models.h"
#include "terminal.h"
#include "view/html.h"
#include "view/json.h"
#include "view/meter.h"
#include "view/table.h"

/* --action's words, in the order of its choices. */
enum action { LIST = 1, TRASH, HARDLINK };

struct dups {
    const struct cli_values *values;
    enum action action;
    char *path, *here; /* of the index; the current folder */
    akin_index *index;
    akin_index_info about;
    akin_dups *found;
    akin_dups_info info;
    akin_certainty *certainty[CLI_MODELS]; /* [info.models]; NULL: not known */
    struct cli_meter meter;
    struct akin__page page;
    akin_decoder *decoder; /* of the page's pictures */
    bool paged;            /* the page is open */
    uint64_t done;         /* files, or would be */
    uint64_t left;         /* alone, with a reason */
    uint64_t freed;        /* bytes, or would be */
};

static int show(void *context, const char *what, uint64_t done, uint64_t whole)
{
    struct dups *d = context;
    cli_meter_show(&d->meter, what, done, whole);
    return cli_stopped();
}

/* ------------------------------------------------------------- doing --- */

/* The file that stays in the place of a copy: for a hard link the first that
 * has its bytes, which may be the copy itself. */
static const akin_copy *kept_for(const struct dups *d,
                                 const akin_dups_group *group, size_t at)
{
    size_t kept = 0;
    while (d->action == HARDLINK && kept < at &&
           memcmp(group->copy[kept].content, group->copy[at].content,
                  sizeof group->copy[at].content) != 0)
        kept++;
    return &group->copy[kept];
}

/* What became of one copy; its texts lie in the deed's own memory. */
static int act(struct dups *d, const akin_dups_group *group, size_t at,
               struct akin__deed *deed)
{
    akin_deed did;
    akin_error err;
    const akin_copy *kept = kept_for(d, group, at);
    const akin_action action =
        d->action == TRASH ? AKIN_ACTION_TRASH : AKIN_ACTION_HARDLINK;
    if (kept == &group->copy[at]) {
        deed->reason = akin__strdup("no file before it has its bytes");
        return deed->reason ? 0 : cli_no_memory();
    }
    const akin_status status = akin_copy_act(kept, &group->copy[at], action,
                                             d->values->yes, &did, &err);
    const char *text = status ? err.message : *did.to ? did.to : NULL;
    char *lasting = text ? akin__strdup(text) : NULL;
    if (text && !lasting)
        return cli_no_memory();
    deed->one_file = did.one_file;
    deed->done = !status && !did.one_file;
    deed->left = status != AKIN_OK;
    *(status ? &deed->reason : &deed->to) = lasting;
    d->done += deed->done;
    d->left += deed->left;
    d->freed += did.freed;
    return 0;
}

static void free_deeds(struct akin__deed *deed, size_t count)
{
    for (size_t i = 0; deed && i < count; i++) {
        akin__free((void *)(uintptr_t)deed[i].to);
        akin__free((void *)(uintptr_t)deed[i].reason);
    }
    akin__free(deed);
}

static int act_on_group(struct dups *d, struct akin__copies *copies,
                        struct akin__deed **deeds)
{
    const size_t count = copies->group.copies;
    int code = 0;
    *deeds = NULL;
    if (d->action == LIST)
        return 0;
    copies->deed = *deeds = akin__calloc(count, sizeof **deeds);
    if (!*deeds)
        return cli_no_memory();
    for (size_t i = 1; i < count && !code; i++)
        code = cli_stopped() ? CLI_STOPPED + cli_stopped()
                             : act(d, &copies->group, i, &(*deeds)[i]);
    return code;
}

/* ----------------------------------------------------------- telling --- */

/* The document up to its groups; they follow one by one, for they may be
 * many. */
static int print_head(const struct dups *d)
{
    json_t *object = akin__json_dups(d->path, &d->info);
    char *line = object ? akin__json_line(object) : NULL;
    json_decref(object);
    if (!line)
        return cli_no_memory();
    printf("%.*s, \"groups\": [\n", (int)(strlen(line) - 2), line);
    akin__free(line);
    return 0;
}

static void print_tail(const struct dups *d)
{
    static const char *const words[] = {
        [LIST] = "list", [TRASH] = "trash", [HARDLINK] = "hardlink"};
    printf("], \"action\": \"%s\", \"dry_run\": %s, \"done\": %llu, "
           "\"left\": %llu, \"bytes_freed\": %llu}\n",
           words[d->action],
           d->action != LIST && !d->values->yes ? "true" : "false",
           (unsigned long long)d->done, (unsigned long long)d->left,
           (unsigned long long)d->freed);
}

/* The last cell: how alike the copy is, or what became of it. */
static void tell_likeness(struct akin__table *table,
                          const struct akin__copies *copies, size_t at)
{
    const akin_copy *copy = &copies->group.copy[at];
    char line[512] = "";
    size_t used = 0;
    for (size_t m = 0; m < copies->info->models && used < 400; m++) {
        const double sure = akin__stated(copies->certainty[m], copy->cosine[m]);
        if (isnan(copy->cosine[m]))
            continue;
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%.1f %%",
                                 used ? " " : "",
                                 100 * akin_score(copy->cosine[m]));
        if (!isnan(sure))
            used += (size_t)snprintf(line + used, sizeof line - used,
                                     " (%.1f %% certain)",
                                     akin__certain_percent(sure));
    }
    akin__table_cell(table, at == 0           ? ""
                            : copy->identical ? "same bytes"
                                              : line);
}

static void tell_deed(const struct dups *d, struct akin__table *table,
                      const struct akin__copies *copies, size_t at)
{
    static const char *const words[][2] = {
        [TRASH] = {"would go to the trash", "in the trash"},
        [HARDLINK] = {"would become a link", "a link now"}};
    const struct akin__deed *deed = &copies->deed[at];
    if (at == 0)
        akin__table_cell(table, "");
    else if (deed->left)
        akin__table_cell(table, "left alone");
    else if (deed->reason)
        akin__table_cell(table, "its own bytes");
    else if (deed->one_file)
        akin__table_cell(table, "one file already");
    else
        akin__table_cell(table, words[d->action][d->values->yes]);
}

static void fill_table(const struct dups *d, struct akin__table *table,
                       const struct akin__copies *copies)
{
    static const enum akin__column_kind kinds[] = {AKIN__LEFT,  AKIN__PATH,
                                                   AKIN__RIGHT, AKIN__RIGHT,
                                                   AKIN__LEFT,  AKIN__LEFT};
    char size[32];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        akin__table_column(table, "", kinds[i]);
    if (copies->deed)
        akin__table_column(table, "", AKIN__LEFT);
    for (size_t i = 0; i < copies->group.copies; i++) {
        const akin_copy *copy = &copies->group.copy[i];
        akin__table_cell(table, i ? "    " : "keep");
        akin__table_cell(table, cli_nearer(copy->path, d->here));
        akin__table_cellf(table, "%lu x %lu", (unsigned long)copy->width,
                          (unsigned long)copy->height);
        akin__table_cell(table, akin__size(size, copy->bytes));
        akin__table_cell(table, copy->format);
        tell_likeness(table, copies, i);
        if (copies->deed)
            tell_deed(d, table, copies, i);
    }
}

static int print_group(const struct dups *d, const struct akin__copies *copies)
{
    const struct akin__look look = cli_look(stdout);
    struct akin__table table = {0};
    struct akin__text text = {0};
    fill_table(d, &table, copies);
    akin__table_render(&table, &look, &text);
    akin__text_add(&text, "\n", 1);
    const int code = cli_print_text(&text);
    akin__table_free(&table);
    for (size_t i = 1; copies->deed && i < copies->group.copies && !code; i++) {
        if (copies->deed[i].left)
            cli_say("%s", copies->deed[i].reason);
    }
    return code;
}

static int print_sum(const struct dups *d)
{
    char groups[32], pictures[32], size[32], freed[32], done[32], left[32];
    printf("%s group%s of copies, %s pictures in them, %s to free\n",
           akin__thousands(groups, d->info.groups),
           d->info.groups == 1 ? "" : "s",
           akin__thousands(pictures, d->info.pictures),
           akin__size(size, d->info.bytes_to_free));
    if (d->action == LIST)
        return 0;
    printf("%s %s %s, %s left alone, %s %s\n", akin__thousands(done, d->done),
           d->values->yes ? "are" : "would be",
           d->action == TRASH ? "in the trash" : "links",
           akin__thousands(left, d->left), akin__size(freed, d->freed),
           d->values->yes ? "freed" : "freed then");
    return 0;
}

/* What is not in the answer, and what to do next. */
static void remark(const struct dups *d)
{
    char count[32];
    for (size_t m = 0; m < d->info.models; m++) {
        if (!isnan(d->info.certain[m]))
            cli_say("%s: from cosine %.3f on, where a copy is %g %% certain",
                    d->info.model[m], d->info.threshold[m],
                    100 * d->info.certain[m]);
    }
    if (d->info.alike)
        cli_say("%s more pictures look like another but are no copies of it",
                akin__thousands(count, d->info.alike));
    if (d->info.unhashed)
        cli_say(
            "%s pictures have no hash yet (imported, or indexed by an older "
            "akin) and were only compared byte for byte; akin index again "
            "completes them",
            akin__thousands(count, d->info.unhashed));
    if (d->action != LIST && !d->values->yes)
        cli_say("nothing was changed; --yes does it");
    else if (d->action != LIST && d->done)
        cli_say("akin index brings %s up to date", d->path);
}

/* ------------------------------------------------------------ running -- */

static int tell_group(struct dups *d, size_t at)
{
    struct akin__copies copies = {
        .info = &d->info,
        .certainty = (const akin_certainty *const *)d->certainty};
    struct akin__deed *deeds;
    akin_error err;
    akin_dups_get(d->found, at, &copies.group);
    /* First the page: it shows pictures that may be gone then. */
    if (d->paged && akin__page_group(&d->page, &copies, &err) != AKIN_OK)
        return cli_fail(ABOUT_OUTPUT, &err);
    int code = act_on_group(d, &copies, &deeds);
    /* What was done is told, even if then something broke. */
    if (d->values->json) {
        if (at)
            printf(",");
        const int printed = cli_print_json(akin__json_copies(&copies));
        code = code ? code : printed;
    } else {
        const int printed = print_group(d, &copies);
        code = code ? code : printed;
    }
    free_deeds(deeds, copies.group.copies);
    return code;
}

static int tell_all(struct dups *d)
{
    int code = d->values->json ? print_head(d) : 0;
    for (size_t i = 0; i < d->info.groups && !code; i++) {
        if (d->paged)
            show(d, "groups", i, d->info.groups);
        if (cli_stopped())
            code = CLI_STOPPED + cli_stopped();
        else
            code = tell_group(d, i);
    }
    cli_meter_clear(&d->meter);
    if (d->values->json)
        print_tail(d);
    else if (d->info.groups && !code)
        code = print_sum(d);
    return code;
}

static int open_page(struct dups *d)
{
    const akin_decode_options options = {.size = sizeof options,
                                         .limits = &d->values->limits};
    akin_error err;
    const int spared = cli_spare_picture(d->values, d->values->html);
    if (spared || !d->values->html)
        return spared;
    if (akin_decoder_open(&d->decoder, CLI_DECODER, &options, &err) ||
        akin__page_open(&d->page, d->values->html, "Copies of pictures",
                        d->path, d->decoder, &err))
        return cli_fail(ABOUT_OUTPUT, &err);
    d->paged = true;
    return 0;
}

static int close_page(struct dups *d, int code)
{
    akin_error err;
    if (!d->paged)
        return code;
    if (code) {
        akin__page_drop(&d->page);
        return code;
    }
    if (akin__page_commit(&d->page, &err) != AKIN_OK)
        return cli_fail(ABOUT_OUTPUT, &err);
    cli_say("wrote %s", d->values->html);
    return code;
}

static int find(struct dups *d)
{
    const char *names[CLI_MODELS];
    for (size_t m = 0; m < d->values->models; m++)
        names[m] = cli_models_entry(&d->about, d->values->model[m]);
    const akin_dups_options options = {
        .size = sizeof options,
        .model = names,
        .models = d->values->models,
        .threshold = d->values->threshold,
        .threads = (int)d->values->threads,
        .progress = show,
        .context = d,
    };
    akin_error err;
    cli_catch_stop();
    const akin_status status =
        akin_dups_open(&d->found, d->index, &options, &err);
    cli_meter_clear(&d->meter);
    if (status == AKIN_ECANCELLED)
        return CLI_STOPPED + cli_stopped();
    if (status)
        return cli_fail(ABOUT_INDEX, &err);
    akin_dups_describe(d->found, &d->info);
    int code = 0;
    for (size_t m = 0; !code && m < d->info.models; m++)
        code = cli_certainty(d->index, d->info.model[m], &d->certainty[m]);
    return code;
}

static int dups(struct dups *d)
{
    if (d->values->yes && d->action == LIST)
        return cli_wrong(d->values, "--yes goes with --action trash or "
                                    "hardlink");
    int code = cli_index_open(d->values->index, &d->path, &d->index, &d->about);
    if (!code && !d->about.models) {
        cli_say("%s: holds no pictures yet; `akin index DIR -i %s` adds some",
                d->path, d->path);
        return CLI_PARTLY;
    }
    if (!code)
        code = find(d);
    if (!code)
        code = open_page(d);
    if (code)
        return code;
    code = close_page(d, tell_all(d));
    if (code)
        return code;
    remark(d);
    if (!d->info.groups)
        cli_say("%s: no copies found", d->path);
    return d->info.groups && !d->left ? CLI_DONE : CLI_PARTLY;
}

static int run(const struct cli_values *values)
{
    struct dups d = {.values = values,
                     .action =
                         values->action ? (enum action)values->action : LIST};
    /* Without it paths are shown whole. */
    if (akin__real_path(".", &d.here, NULL) != AKIN_OK)
        d.here = NULL;
    const int code = dups(&d);
    akin_dups_close(&d.found);
    for (size_t m = 0; m < CLI_MODELS; m++)
        akin__free(d.certainty[m]);
    akin_decoder_close(&d.decoder);
    akin_index_close(&d.index);
    akin__free(d.here);
    akin__free(d.path);
    return code;
}

const struct cli_command cli_dups = {
    .name = "dups",
    .arguments = "[options]",
    .summary = "groups of copies, the one to keep first, and their removal",
    .detail =
        "A copy is a file of equal bytes, or a picture that a model finds\n"
        "alike and whose perceptual hash says the same; what is only similar\n"
        "is none. The first of a group has the most pixels, then the most\n"
        "bytes. trash and hardlink change nothing without --yes, and leave\n"
        "alone what is no longer as it was indexed; hardlink takes only files\n"
        "of equal bytes. docs/dups.md has what that finds and misses.",
    .example = "  akin dups --html copies.html\n"
               "  akin dups --action trash\n"
               "  akin dups --action trash --yes",
    .run = run,
    .options = {{"index", "the index to look in"},
                {"model", "only this model of it; again for a second"},
                {"threshold", "least cosine of a copy: docs/dups.md"},
                {"action", "what to do with copies (list)"},
                {"yes", "do it, and do not only say what would be done"},
                {"html", "write a page with the pictures as well"},
                {"limit", "let its pictures cost more: docs/limits.md"},
                {"threads", "processors to use (all)"},
                {"json", "one document: docs/json.md"}},
};
