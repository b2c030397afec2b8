/*
 * The time step follows from accuracy alone, since the scheme is stable for any: the solute
 * moves at most COURANT cells in a step, and decays by at most a few percent. The spill's end
 * falls on the end of a step.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/advection/breakthrough.h"
#include "examples/advection/transport.h"

#define COURANT   1.0
#define STEPS_MIN 50
#define STEPS_MAX 5000000

static struct transport_problem problem_of(const struct column *column)
{
    return (struct transport_problem){
        .velocity = column_velocity(column),
        .dispersion = column_dispersion(column),
        .retardation = column->retardation,
        .decay = column_decay(column),
        .length = column->length,
        .cells = column->cells,
    };
}

static int problem_check(const struct transport_problem *problem, char *reason, size_t size)
{
    double needed = transport_cells_needed(problem);
    if (problem->cells >= needed)
        return 0;
    snprintf(reason, size,
             "%d cells are too coarse for this little dispersion: give at least %.0f "
             "(or a larger dispersivity)",
             problem->cells, needed);
    return -1;
}

/* Steps of equal length for `days`; 0 days need none. */
static double steps_for(const struct transport_problem *problem, double days)
{
    if (days <= 0)
        return 0;
    double dt =
        COURANT * problem->length / problem->cells * problem->retardation / problem->velocity;
    if (problem->decay > 0)
        dt = fmin(dt, 0.05 / problem->decay);
    return fmax(ceil(days / dt), STEPS_MIN);
}

static void record(struct breakthrough *breakthrough, double day, double concentration)
{
    size_t i = breakthrough->count++;
    breakthrough->day[i] = day;
    breakthrough->concentration[i] = concentration;
    if (concentration > breakthrough->peak) {
        breakthrough->peak = concentration;
        breakthrough->peak_day = day;
    }
    if (i == 0 || !isnan(breakthrough->arrival_day) || concentration < BREAKTHROUGH_ARRIVAL)
        return;
    double before = breakthrough->concentration[i - 1];
    double part = (BREAKTHROUGH_ARRIVAL - before) / (concentration - before);
    breakthrough->arrival_day =
        breakthrough->day[i - 1] + part * (day - breakthrough->day[i - 1]);
}

static void phase_run(struct transport *transport, const struct column *column, double days,
                      double steps, double inlet, struct breakthrough *breakthrough)
{
    double start = transport_time(transport);
    for (double step = 1; step <= steps; step++) {
        transport_step(transport, days / steps, inlet);
        record(breakthrough, start + days * step / steps,
               transport_concentration(transport, column->well_distance));
    }
}

static int space_allocate(struct breakthrough *breakthrough, double points)
{
    *breakthrough = (struct breakthrough){.arrival_day = NAN};
    breakthrough->day = calloc((size_t)points * 2, sizeof(double));
    if (!breakthrough->day)
        return -1;
    breakthrough->concentration = breakthrough->day + (size_t)points;
    return 0;
}

static void balance_set(struct breakthrough *breakthrough, const struct transport *transport)
{
    struct transport_balance balance = transport_balance(transport);
    if (balance.entered <= 0)
        return;
    breakthrough->decayed_share = balance.decayed / balance.entered;
    breakthrough->balance_error =
        (balance.entered - balance.left - balance.decayed - transport_mass(transport)) /
        balance.entered;
}

int breakthrough_compute(const struct column *column, struct breakthrough *ret_breakthrough,
                         char *reason, size_t reason_size)
{
    struct transport_problem problem = problem_of(column);
    if (problem_check(&problem, reason, reason_size) < 0)
        return -1;
    double spill = fmin(column->source_days, column->days);
    double rest = column->days - spill;
    double spill_steps = steps_for(&problem, spill);
    double rest_steps = steps_for(&problem, rest);
    if (spill_steps + rest_steps > STEPS_MAX) {
        snprintf(
            reason, reason_size,
            "this needs %.0f time steps, more than %d: simulate fewer days or use fewer cells",
            spill_steps + rest_steps, STEPS_MAX);
        return -1;
    }
    struct transport *transport = transport_create(&problem);
    if (!transport || space_allocate(ret_breakthrough, spill_steps + rest_steps + 1) < 0) {
        transport_destroy(transport);
        snprintf(reason, reason_size, "there is not enough memory");
        return -1;
    }
    record(ret_breakthrough, 0, 0);
    phase_run(transport, column, spill, spill_steps, 1, ret_breakthrough);
    phase_run(transport, column, rest, rest_steps, 0, ret_breakthrough);
    balance_set(ret_breakthrough, transport);
    transport_destroy(transport);
    return 0;
}

void breakthrough_fini(struct breakthrough *breakthrough)
{
    free(breakthrough->day);
    *breakthrough = (struct breakthrough){0};
}

int breakthrough_write(const struct breakthrough *breakthrough, const char *path, size_t rows,
                       char *reason, size_t reason_size)
{
    FILE *file = fopen(path, "we");
    if (!file) {
        snprintf(reason, reason_size, "cannot write %s: %s", path, strerror(errno));
        return -1;
    }
    size_t stride = rows > 0 && breakthrough->count > rows ? breakthrough->count / rows : 1;
    fprintf(file, "day,concentration\n");
    for (size_t i = 0; i < breakthrough->count; i += stride)
        fprintf(file, "%.4f,%.6e\n", breakthrough->day[i], breakthrough->concentration[i]);
    int bad = ferror(file);
    if (fclose(file) != 0 || bad) {
        snprintf(reason, reason_size, "cannot write %s: %s", path, strerror(errno));
        return -1;
    }
    return 0;
}
