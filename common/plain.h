/*
 * plain.h - texts of others (names of files, words of a command line) as sentences show them: on
 * one line, and none so long that nothing else is to be seen.
 */
#ifndef BEOFARM_COMMON_PLAIN_H
#define BEOFARM_COMMON_PLAIN_H

#include <stddef.h>

/* Bytes at the beginning of text that are one control character (C1 ones have two); 0: none. */
size_t plain_control_size(const char *text);

#define PLAIN_WORD_MAX 320 /* bytes; a longer word is shown with "..." in its middle */

/*
 * Copy `text` into `to` (size >= 4 bytes) with every control character as an escape (\n, \t, \x1b)
 * and long words cut in their middle, at whole characters; a word is what has no blank, quotation
 * mark or colon in it. What does not fit is cut, with "..." at the end. What is plain already stays
 * as it is. Returns `to`.
 */
char *plain_text(char *to, size_t size, const char *text);

/*
 * Copy `text` into `to` (of `size` bytes) as a shell takes it for one word of a command: in quotes
 * where it needs them, and where a terminal would act on it, with escapes. What does not fit is
 * left out. Returns `to`.
 */
char *plain_argument(char *to, size_t size, const char *text);

#endif
