/*
 * Ignore: which files a user wants left out, in the grammar of gitignore.
 *
 * Rules come from a folder's .akinignore or from --exclude; a path is judged
 * relative to the folder that they belong to. Who walks asks the rules of the
 * folders on its way, the deepest first, and does not enter a folder that is
 * left out.
 *
 * Matching takes at most the product of the lengths of rule and path, whatever
 * a rule says.
 */
#ifndef AKIN_EMBED_IGNORE_H
#define AKIN_EMBED_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "akin.h"

/* Zero it before the first use. */
struct akin__ignore {
    char *text; /* [used of text_room] patterns, each with a zero */
    size_t used, text_room;
    struct akin__rule *rule; /* [count of room] */
    size_t count, room;
};

enum akin__verdict {
    AKIN__NO_RULE,  /* none matches: ask the folder above */
    AKIN__LEFT_OUT, /* the last that matches leaves it out */
    AKIN__TAKEN_BACK
};

/* Add a pattern of --exclude. AKIN_ENOMEM. */
akin_status akin__ignore_add(struct akin__ignore *ignore, const char *pattern,
                             akin_error *err) AKIN_MUST_CHECK;
/*
 * Add the rules of `folder`/.akinignore; none when it is not there. Other
 * errors: AKIN_ELIMIT above 1 MiB, AKIN_EFORMAT when it is no text, AKIN_EIO,
 * AKIN_ENOMEM.
 */
akin_status akin__ignore_read(struct akin__ignore *ignore, const char *folder,
                              akin_error *err) AKIN_MUST_CHECK;
void akin__ignore_free(struct akin__ignore *ignore);

/* What the rules say of `path`, relative to their folder, "a/b.jpg". */
enum akin__verdict akin__ignore_judge(const struct akin__ignore *ignore,
                                      const char *path, bool folder);

#endif
