#include "config.h"

#include <stdbool.h>
#include <stdlib.h>

#include "master/pest/ies_subset.h"
#include "master/sweep/random.h"

#define STREAM_SUBSET ((uint64_t)3 << 32) /* above the 32 bits of the seed; see ies_prior.c */

static size_t rounds(size_t size, size_t count, size_t tests, size_t slots)
{
    return (tests * size + slots - 1) / slots + (count - size + slots - 1) / slots;
}

size_t ies_subset_size(size_t wanted, size_t count, size_t tests, size_t slots)
{
    size_t best = wanted, least = rounds(wanted, count, tests, slots);
    for (size_t size = wanted + 1; size <= count && size <= 2 * wanted; size++)
        if (rounds(size, count, tests, slots) < least) {
            best = size;
            least = rounds(size, count, tests, slots);
        }
    if (wanted > 2 && rounds(wanted - 1, count, tests, slots) < least)
        best = wanted - 1;
    return best;
}

size_t ies_subset_wanted(long size, size_t count)
{
    size_t wanted = size == 0  ? count
                    : size < 0 ? (count * (size_t)-size + 50) / 100
                               : (size_t)size;
    return wanted < 1 ? 1 : wanted > count ? count : wanted;
}

struct ranked {
    double phi;
    size_t index;
};

static int ranked_compare(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->phi != b->phi)
        return a->phi < b->phi ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Shuffle the first `size` places (Fisher and Yates, the modern version: Durstenfeld 1964,
 * doi:10.1145/364520.364540). */
static void shuffle(struct ranked *list, size_t count, size_t size, uint64_t seed,
                    int iteration)
{
    for (size_t i = 0; i < size && i < count; i++) {
        size_t other =
            i + (size_t)random_index(seed | STREAM_SUBSET, (uint32_t)iteration, i, count - i);
        struct ranked swap = list[i];
        list[i] = list[other];
        list[other] = swap;
    }
}

/* Mark `size` of the list. */
static void marks_set(enum ies_subset_how how, struct ranked *list, size_t count, size_t size,
                      uint64_t seed, int iteration, bool *marks)
{
    if (how == IES_RANDOM)
        shuffle(list, count, size, seed, iteration);
    if (how == IES_PHI_BASED)
        qsort(list, count, sizeof *list, ranked_compare);
    for (size_t k = 0; k < size && k < count; k++) {
        size_t place = k;
        if (how == IES_LAST)
            place = count - 1 - k;
        if (how == IES_PHI_BASED)
            place = size > 1 ? k * (count - 1) / (size - 1) : count / 2;
        marks[list[place].index] = true;
    }
}

int ies_subset_choose(enum ies_subset_how how, const double *phi, size_t count, long base,
                      size_t size, uint64_t seed, int iteration, size_t *ret,
                      struct error *ret_error)
{
    struct ranked *list = calloc(count + 1, sizeof *list);
    bool *marks = calloc(count + 1, sizeof *marks);
    bool with_base = base >= 0 && size > 0 && (how == IES_RANDOM || how == IES_PHI_BASED);
    size_t others = 0, put = 0;
    int rc = list && marks ? 0
                           : error_set(ret_error, ERROR_SYSTEM,
                                       "no memory to choose among %zu realisations", count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (!with_base || (long)i != base)
            list[others++] = (struct ranked){phi[i], i};
    if (rc == 0) {
        marks_set(how, list, others, size - with_base, seed, iteration, marks);
        if (with_base)
            marks[base] = true;
        for (size_t i = 0; i < count; i++)
            if (marks[i])
                ret[put++] = i;
    }
    free(list);
    free(marks);
    return rc;
}
