/*
 * BASE.par: the best parameters so far; BASE.N.par: those at the end of iteration N (0: the
 * initial ones). PARSAVEITN asks for the same under PEST's names, BASE.par.N.
 */
#include "config.h"

#include <stdlib.h>

#include "common/pest/parfile.h"
#include "master/pest/report.h"

static int parameters_write(const struct glm_view *view, const char *path,
                            struct error *ret_error)
{
    const struct pest_control *control = view->control;
    struct pest_parfile parfile = {
        .style = {.double_precision = control->double_precision, .point = control->point},
        .count = control->parameter_count};
    parfile.rows = calloc(parfile.count + 1, sizeof *parfile.rows);
    if (!parfile.rows)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to write \"%s\"", path);
    for (size_t p = 0; p < parfile.count; p++) {
        const struct pest_parameter *parameter = &control->parameters[p];
        parfile.rows[p] = (struct pest_parfile_row){.name = parameter->parnme,
                                                    .value = view->best->parameters[p],
                                                    .scale = parameter->scale,
                                                    .offset = parameter->offset};
    }
    int rc = pest_parfile_write(path, &parfile, ret_error);
    free(parfile.rows);
    return rc;
}

static int parameters_tell(void *state, enum glm_event event, const struct glm_view *view,
                           struct error *ret_error)
{
    (void)state;
    return report_best(event, view, "par", view->control->parsaveitn, parameters_write,
                       ret_error);
}

const struct glm_report_member report_parameters = {.name = "parameters",
                                                    .open = report_stateless_open,
                                                    .tell = parameters_tell,
                                                    .close = report_stateless_close};
