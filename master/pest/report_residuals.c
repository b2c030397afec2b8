/*
 * BASE.rei: measured, modelled and residual of every observation and prior information equation
 * at the best parameters so far; BASE.N.rei: at the end of iteration N (0: at the initial ones).
 * Weights are the control file's. REISAVEITN asks for the same under PEST's names, BASE.rei.N.
 */
#include "config.h"

#include <stdlib.h>

#include "common/whole.h"
#include "master/pest/report.h"

static void row_put(FILE *file, const char *name, const char *group, double measured,
                    double modelled, double weight)
{
    fprintf(file, " %-20s %-12s %#20.12g %#20.12g %#20.12g %#20.12g\n", name, group, measured,
            modelled, measured - modelled, weight);
}

static void rows_put(FILE *file, const struct glm_view *view)
{
    const struct pest_control *control = view->control;
    const struct glm_point *point = view->best;
    const struct pest_observation_group *groups = control->observation_groups;
    for (size_t o = 0; o < control->observation_count; o++) {
        const struct pest_observation *observation = &control->observations[o];
        row_put(file, observation->obsnme, groups[observation->obgnme].obgnme,
                observation->obsval, point->observations[o], observation->weight);
    }
    for (size_t i = 0; i < control->prior_count; i++) {
        const struct pest_prior *prior = &control->priors[i];
        row_put(file, prior->pilbl, groups[prior->obgnme].obgnme, prior->pival,
                point->priors[i], prior->weight);
    }
}

static int residuals_write(const struct glm_view *view, const char *path,
                           struct error *ret_error)
{
    struct whole whole;
    if (whole_open(&whole, path, ret_error) < 0)
        return -1;
    fprintf(whole.stream, " MODEL OUTPUTS AT END OF OPTIMISATION ITERATION NO. %d:-\n\n\n",
            view->iteration);
    fprintf(whole.stream, " %-20s %-12s %20s %20s %20s %20s\n", "Name", "Group", "Measured",
            "Modelled", "Residual", "Weight");
    rows_put(whole.stream, view);
    return whole_commit(&whole, ret_error);
}

static int residuals_tell(void *state, enum glm_event event, const struct glm_view *view,
                          struct error *ret_error)
{
    (void)state;
    return report_best(event, view, "rei", view->control->reisaveitn, residuals_write,
                       ret_error);
}

const struct glm_report_member report_residuals = {.name = "residuals",
                                                   .open = report_stateless_open,
                                                   .tell = residuals_tell,
                                                   .close = report_stateless_close};
