#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/values.h"
#include "common/whole.h"
#include "launch/pest_model.h"
#include "launch/pest_read.h"

static void observations_print(FILE *stream, const struct pest_control *control,
                               const double *values)
{
    for (size_t i = 0; i < control->observation_count; i++) {
        char text[VALUE_NUMBER_MAX];
        value_format_real(values[i], text);
        fprintf(stream, "%-20s %24s\n", control->observation_names[i], text);
    }
}

static int observations_put(const struct pest_control *control, const double *values,
                            const char *out, struct error *ret_error)
{
    struct whole whole;
    if (!out) {
        observations_print(stdout, control, values);
        return 0;
    }
    if (whole_open(&whole, out, ret_error) < 0)
        return -1;
    observations_print(whole.stream, control, values);
    return whole_commit(&whole, ret_error);
}

static int observations_read(struct pest_control *control, const struct pest_read *given,
                             struct error *ret_error)
{
    int status = -1;
    double *values = calloc(control->observation_count + 1, sizeof(*values));
    struct pest_outputs *outputs = pest_model_outputs(control, given->from, ret_error);
    if (outputs && !values)
        error_set(ret_error, ERROR_SYSTEM, "no memory for %zu observations",
                  control->observation_count);
    else if (outputs)
        status = pest_outputs_collect(outputs, AT_FDCWD, values, ret_error);
    if (status == 0)
        status = observations_put(control, values, given->out, ret_error);
    pest_outputs_destroy(outputs);
    free(values);
    return status;
}

int pest_read_run(const char *path, const struct pest_read *given, struct error *ret_error)
{
    struct pest_control *control = pest_control_read(path, ret_error);
    int status = control ? observations_read(control, given, ret_error) : -1;
    pest_control_free(control);
    return status;
}
