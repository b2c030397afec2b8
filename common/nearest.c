/*
 * The optimal string alignment distance (Damerau 1964, each piece edited once), row by row; three
 * rows are kept because a swap looks two back.
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/nearest.h"

#define WORD_MAX 64
#define EDIT     2 /* the unit is half an edit, so that a wrong case can count as half */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned change_cost(char a, char b)
{
    if (a == b)
        return 0;
    return tolower((unsigned char)a) == tolower((unsigned char)b) ? EDIT / 2 : EDIT;
}

unsigned nearest_distance(const char *a, const char *b)
{
    size_t a_size = strnlen(a, WORD_MAX), b_size = strnlen(b, WORD_MAX);
    unsigned rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = (unsigned)j * EDIT;
    for (size_t i = 1; i <= a_size; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i * EDIT;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = least(above[j], row[j - 1]) + EDIT;
            row[j] = least(row[j], above[j - 1] + change_cost(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + EDIT);
        }
    }
    return rows[a_size % 3][b_size];
}

/* How far off a word may be and still be meant: one edit per three letters, at least one; of a
 * single letter, only its case. */
static unsigned reach(const char *a, const char *b)
{
    size_t a_size = strnlen(a, WORD_MAX), b_size = strnlen(b, WORD_MAX);
    size_t longer = a_size > b_size ? a_size : b_size;
    if (longer == 1)
        return EDIT / 2;
    return (longer < 3 ? 1 : (unsigned)longer / 3) * EDIT;
}

const char *nearest_find(const char *word, const char *const *known, size_t count)
{
    const char *nearest = NULL;
    unsigned best = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = nearest_distance(word, known[i]);
        if (distance > reach(word, known[i]) || (nearest && distance >= best))
            continue;
        nearest = known[i];
        best = distance;
    }
    return nearest;
}

struct nearest_hint nearest_hint(const char *nearest)
{
    struct nearest_hint hint = {""};
    if (nearest)
        snprintf(hint.text, sizeof(hint.text), "; did you mean \"%.200s\"?", nearest);
    return hint;
}
