/*
 * nearest.h - "did you mean …?": the known word nearest to a mistyped one.
 */
#ifndef BEOFARM_COMMON_NEAREST_H
#define BEOFARM_COMMON_NEAREST_H

#include <stddef.h>

/* Single-byte insertions, deletions, replacements and swaps of neighbours that turn a into b;
 * letters of different case count as half as different. Words over 64 bytes compare by their
 * first 64. In half steps: 2 per full edit. */
unsigned nearest_distance(const char *a, const char *b);

/* The one of `count` known words nearest to `word`; NULL if none is near enough to be meant
 * (a third of the longer word's length, at least one edit; of one letter, its case). Of equals,
 * the first. */
const char *nearest_find(const char *word, const char *const *known, size_t count);

/* What is left to say in a sentence of an unknown word: `; did you mean "NEAREST"?`, or "" where
 * nearest is NULL. For use as nearest_hint(nearest).text in the same expression. */
struct nearest_hint {
    char text[240]; /* the longest known words are PEST's names, of 200 bytes */
};
struct nearest_hint nearest_hint(const char *nearest);

#endif
