/*
 * hex.h - bytes as hex digits: hashes, secrets, ids.
 */
#ifndef BEOFARM_COMMON_HEX_H
#define BEOFARM_COMMON_HEX_H

#include <stddef.h>

/* Write 2 * size lower-case digits and a NUL into text. */
void hex_format(const void *bytes, size_t size, char *text);

/* Read 2 * size digits, of either case, from the beginning of text. 0, or -1 where there are
 * fewer; the bytes are then not to be used. */
int hex_parse(const char *text, void *bytes, size_t size);

#endif
