/*
 * Trash: the user's, as FreeDesktop.org's trash specification 1.0 has it, from
 * which file managers, `gio trash` and trash-cli bring files back.
 */
#ifndef AKIN_BASE_TRASH_H
#define AKIN_BASE_TRASH_H

#include "akin.h"

/*
 * Move the regular file `path` into the trash of its disc: the home trash
 * ($XDG_DATA_HOME/Trash) where it is on that disc, else .Trash/UID (if .Trash
 * is a sticky folder) or .Trash-UID at the top of the disc. It is renamed and
 * never copied or deleted; what tells where it came from is written and synced
 * before. *to is where it is now, freed by akin__free.
 * AKIN_EIO when no trash can be used; the file is then where it was.
 */
akin_status akin__trash(const char *path, char **to, akin_error *err);

#endif
