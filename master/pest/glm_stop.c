/* glm_stop.c - see glm_stop.h. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/glm_stop.h"

#define QUICK 0.1  /* a gain against the one before: convergence that can be counted on */
#define VAIN  2e-5 /* of PHIREDSTP */

void glm_stop_init(struct glm_stop *stop, const struct pest_control *control)
{
    *stop = (struct glm_stop){.control = control, .lowest = HUGE_VAL};
}

void glm_stop_fini(struct glm_stop *stop)
{
    free(stop->phis);
    *stop = (struct glm_stop){0};
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Keep phis sorted: the list is short. Without memory the criterion just never holds. */
static void keep(struct glm_stop *stop, double phi)
{
    if (stop->count == stop->capacity) {
        size_t capacity = stop->capacity ? 2 * stop->capacity : 64;
        double *phis = realloc(stop->phis, capacity * sizeof *phis);

        if (!phis)
            return;
        stop->phis = phis;
        stop->capacity = capacity;
    }
    stop->phis[stop->count++] = phi;
    qsort(stop->phis, stop->count, sizeof *stop->phis, rising);
}

static bool is_flat(const struct glm_stop *stop)
{
    int wanted = stop->control->nphistp;

    if (wanted < 2 || stop->count < (size_t)wanted || !(stop->control->phiredstp > 0.0))
        return false;
    return stop->phis[wanted - 1] - stop->phis[0] <=
           stop->control->phiredstp * stop->phis[wanted - 1];
}

static bool because(struct glm_stop *stop, const char *text)
{
    snprintf(stop->reason, sizeof stop->reason, "%s", text);
    return true;
}

bool glm_stop_is_vain(const struct glm_stop *stop)
{
    double before = stop->last[0] - stop->last[1], now = stop->last[1] - stop->last[2];
    double ratio = before > 0.0 ? now / before : 1.0;

    double least = stop->control->phiredstp * stop->last[2];

    return stop->noted >= 3 && now > 0.0 && ratio <= QUICK && now <= least &&
           now * ratio / (1.0 - ratio) <= VAIN * least;
}

bool glm_stop_note(struct glm_stop *stop, int iteration, double phi, bool regulated,
                   double change)
{
    const struct pest_control *control = stop->control;

    if (regulated != stop->regulated) {
        stop->regulated = regulated;
        stop->count = 0;
        stop->lowest = HUGE_VAL;
        stop->since = 0;
        stop->noted = 0;
    }
    memmove(stop->last, stop->last + 1, 2 * sizeof *stop->last);
    stop->last[2] = phi;
    stop->noted++;
    stop->since = phi < stop->lowest ? 0 : stop->since + 1;
    stop->lowest = fmin(stop->lowest, phi);
    keep(stop, phi);
    if (iteration > 0)
        stop->still = change < control->relparstp ? stop->still + 1 : 0;
    if (phi <= 0.0 && !regulated)
        return because(stop, "phi is zero");
    if (control->phistopthresh > 0.0 && !regulated && phi <= control->phistopthresh)
        return because(stop, "phi has fallen below PHISTOPTHRESH");
    if (iteration == 0)
        return false;
    if (control->phiabandon > 0.0 && !regulated && phi > control->phiabandon)
        return because(stop, "phi is still above PHIABANDON");
    if (is_flat(stop))
        return because(stop, "phi has settled: PHIREDSTP and NPHISTP are met");
    if (control->nphinored > 0 && stop->since >= control->nphinored)
        return because(stop, "phi has not fallen for NPHINORED iterations");
    if (control->nrelpar > 0 && control->relparstp > 0.0 && stop->still >= control->nrelpar)
        return because(stop, "parameters have settled: RELPARSTP and NRELPAR are met");
    if (iteration >= control->noptmax)
        return because(stop, "NOPTMAX iterations have been made");
    return false;
}
