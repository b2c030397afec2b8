/*
 * text_mark.h - the byte order mark that editors on Windows put before a text in UTF-8.
 *
 * It is no part of the text: whoever reads a file that people write passes over it, and what is
 * made of that file has none.
 */
#ifndef BEOFARM_COMMON_TEXT_MARK_H
#define BEOFARM_COMMON_TEXT_MARK_H

#include <stddef.h>

/* The bytes of it that a text begins with: 3, or 0. */
size_t text_mark_size(const void *text, size_t size);

#endif
