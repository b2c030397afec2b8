#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "master/pest/ies_stop.h"

void ies_stop_fini(struct ies_stop *stop)
{
    free(stop->means);
    *stop = (struct ies_stop){0};
}

int ies_stop_add(struct ies_stop *stop, double mean, bool accepted, struct error *ret_error)
{
    if (stop->count == stop->capacity) {
        size_t capacity = 2 * stop->capacity + 16;
        double *means = realloc(stop->means, capacity * sizeof *means);
        if (!means)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for phis");
        stop->means = means;
        stop->capacity = capacity;
    }
    stop->means[stop->count++] = mean;
    stop->rejected = accepted ? 0 : stop->rejected + 1;
    return 0;
}

static size_t lowest_of(const struct ies_stop *stop)
{
    size_t lowest = 0;
    for (size_t i = 1; i < stop->count; i++)
        if (stop->means[i] <= stop->means[lowest])
            lowest = i;
    return lowest;
}

/* How many iterations came within PHIREDSTP of the lowest. */
static int near_of(const struct ies_stop *stop, double lowest, double phiredstp)
{
    int count = 0;
    for (size_t i = 0; i < stop->count; i++)
        count += stop->means[i] - lowest <= phiredstp * stop->means[i];
    return count;
}

bool ies_stop_is(const struct ies_stop *stop, const struct pest_control *control, char *reason,
                 size_t size)
{
    size_t lowest = lowest_of(stop);
    double least = stop->means[lowest];
    int near = near_of(stop, least, control->phiredstp);
    int since = (int)(stop->count - 1 - lowest);
    if (stop->count > 0 && (int)(stop->count - 1) >= control->noptmax)
        snprintf(reason, size, "NOPTMAX: %d iterations were made", control->noptmax);
    else if (least == 0)
        snprintf(reason, size, "phi is 0");
    else if (near >= control->nphistp)
        snprintf(reason, size,
                 "NPHISTP: phi was within %g (PHIREDSTP) of the lowest, %.6g, in %d iterations",
                 control->phiredstp, least, near);
    else if (since >= control->nphinored)
        snprintf(reason, size, "NPHINORED: %d iterations since the lowest phi, %.6g", since,
                 least);
    else if (stop->rejected >= control->nphinored)
        snprintf(reason, size, "NPHINORED: no trial was accepted in %d iterations",
                 stop->rejected);
    else
        return false;
    return true;
}
