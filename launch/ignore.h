/*
 * ignore.h - which files do not travel: .farmignore, in the syntax and with the meaning of
 * gitignore(5).
 *
 * Each line of a .farmignore is a pattern: '#' begins a comment, '!' takes back an earlier
 * pattern, a '/' at the beginning or in the middle ties a pattern to the folder of its file (else
 * it is looked for at every depth), one at the end asks for a folder; '*' and '?' stop at '/', '**'
 * does not; [a-z], [!a-z], [[:digit:]]; '\' takes the next character as it is; blanks at the end
 * go unless quoted by '\'. The last pattern that matches decides, those of deeper folders after
 * those of higher ones. What lies in a folder that is left out cannot be taken back in.
 */
#ifndef BEOFARM_LAUNCH_IGNORE_H
#define BEOFARM_LAUNCH_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

#define IGNORE_FILE ".farmignore"

struct ignore;

struct ignore *ignore_create(void);         /* NULL: no memory */
void ignore_destroy(struct ignore *ignore); /* NULL is allowed */

/* Add the patterns of a text that stands in folder `base` ("" for the top, else "a/b"). 0, or -1:
 * no memory. Patterns that make no sense match nothing, as in git. */
int ignore_add(struct ignore *ignore, const char *base, const char *text, size_t size,
               struct error *ret_error);

/* Add FOLDER/.farmignore, if there is one. -1 with a sentence if it cannot be read, or is larger
 * than 1 MiB. */
int ignore_add_folder(struct ignore *ignore, const char *folder, const char *base,
                      struct error *ret_error);

/* How many patterns there are, and back to that many: for a walk that leaves a folder. */
size_t ignore_count(const struct ignore *ignore);
void ignore_forget(struct ignore *ignore, size_t count);

/* Is `path` ("a/b", relative to the top) left out by itself? A walk asks from the top down and does
 * not enter folders that are; whoever has a path alone asks ignore_covers. */
bool ignore_matches(const struct ignore *ignore, const char *path, bool is_folder);

/* Is `path`, or one of the folders that it lies in, left out? */
bool ignore_covers(const struct ignore *ignore, const char *path, bool is_folder);

#endif
