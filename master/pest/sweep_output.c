/*
 * Row r of the scratch file is at r * observation_count doubles. The file is called like those that
 * are being written (common/whole.h), so that nobody takes it home.
 */
#include "config.h"

#include "master/pest/sweep_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/csv.h"
#include "common/whole.h"
#include "master/pest/ensemble.h"
#include "master/pest/matrix_private.h"

#define FAILED_VALUE "-1e+10" /* PEST++'s */

struct sweep_output {
    const struct pest_control *control;
    const struct glm_objective *objective;
    char *path, *scratch_path;
    int scratch;
    size_t runs;
    bool *done;           /* of each run */
    double *row;          /* of observations */
    double *residuals;    /* of all rows of the objective */
    double *groups;       /* phi's */
    struct error trouble; /* the first that putting met */
};

struct sweep_output *sweep_output_open(const char *path, const struct pest_control *control,
                                       const struct glm_objective *objective, size_t runs,
                                       struct error *ret_error)
{
    struct sweep_output *output = calloc(1, sizeof *output);
    if (!output || asprintf(&output->path, "%s", path) < 0 ||
        asprintf(&output->scratch_path, "%s.new.0", path) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the results of a sweep");
        free(output);
        return NULL;
    }
    output->control = control;
    output->objective = objective;
    output->runs = runs;
    output->done = calloc(runs + 1, sizeof *output->done);
    output->row = calloc(control->observation_count + 1, sizeof(double));
    output->residuals = calloc(glm_objective_rows(objective) + 1, sizeof(double));
    output->groups = calloc(control->observation_group_count + 1, sizeof(double));
    output->scratch = open(output->scratch_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (output->done && output->row && output->residuals && output->groups &&
        output->scratch >= 0)
        return output;
    if (output->scratch < 0)
        error_errno(ret_error, errno, "\"%s\" cannot be written", output->scratch_path);
    else
        error_set(ret_error, ERROR_SYSTEM, "no memory for the results of %zu runs", runs);
    sweep_output_close(output);
    return NULL;
}

void sweep_output_close(struct sweep_output *output)
{
    if (!output)
        return;
    if (output->scratch >= 0) {
        close(output->scratch);
        unlink(output->scratch_path);
    }
    free(output->path);
    free(output->scratch_path);
    free(output->done);
    free(output->row);
    free(output->residuals);
    free(output->groups);
    free(output);
}

/* All of a row, to or from the scratch file. */
static int row_move(struct sweep_output *output, size_t run, const double *from,
                    struct error *ret_error)
{
    size_t size = output->control->observation_count * sizeof(double), moved = 0;
    while (moved < size) {
        off_t at = (off_t)(run * size + moved);
        ssize_t count =
            from ? pwrite(output->scratch, (const char *)from + moved, size - moved, at)
                 : pread(output->scratch, (char *)output->row + moved, size - moved, at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return error_errno(ret_error, count < 0 ? errno : EIO, "\"%s\" cannot be %s",
                               output->scratch_path, from ? "written" : "read");
        moved += (size_t)count;
    }
    return 0;
}

void sweep_output_put(struct sweep_output *output, size_t run, const double *observations)
{
    if (!observations || run >= output->runs || output->trouble.code)
        return;
    output->done[run] = row_move(output, run, observations, &output->trouble) == 0;
}

static void header_put(FILE *file, const struct pest_control *control)
{
    fputs("run_id,input_run_id,failed_flag,phi,meas_phi,regul_phi", file);
    for (size_t g = 0; g < control->observation_group_count; g++)
        fprintf(file, ",%s", control->observation_groups[g].obgnme);
    for (size_t o = 0; o < control->observation_count; o++)
        fprintf(file, ",%s", control->observations[o].obsnme);
    fputc('\n', file);
}

static void failed_put(FILE *file, const struct pest_control *control)
{
    fputs(",1,,,", file);
    for (size_t g = 0; g < control->observation_group_count; g++)
        fputc(',', file);
    for (size_t o = 0; o < control->observation_count; o++)
        fputs("," FAILED_VALUE, file);
    fputc('\n', file);
}

static int good_put(struct sweep_output *output, FILE *file, size_t run,
                    const double *parameters, struct error *ret_error)
{
    const struct pest_control *control = output->control;
    struct glm_phi phi = {.groups = output->groups};
    if (row_move(output, run, NULL, ret_error) < 0 ||
        glm_objective_residuals(output->objective, parameters, output->row, output->residuals,
                                ret_error) < 0)
        return -1;
    glm_objective_phi(output->objective, output->residuals, 1.0, &phi);
    const double totals[] = {phi.total, phi.measurement, phi.regularisation};
    fputs(",0", file);
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
        fputc(',', file);
        matrix_put_number(file, totals[i]);
    }
    for (size_t g = 0; g < control->observation_group_count; g++) {
        fputc(',', file);
        matrix_put_number(file, phi.groups[g]);
    }
    for (size_t o = 0; o < control->observation_count; o++) {
        fputc(',', file);
        matrix_put_number(file, output->row[o]);
    }
    fputc('\n', file);
    return 0;
}

static int table_write(struct sweep_output *output, const char *const *names,
                       const double *parameters, struct error *ret_error)
{
    struct whole whole;
    int rc = 0;
    if (whole_open(&whole, output->path, ret_error) < 0)
        return -1;
    header_put(whole.stream, output->control);
    for (size_t run = 0; rc == 0 && run < output->runs; run++) {
        fprintf(whole.stream, "%zu,", run);
        if (csv_print_field(whole.stream, names[run]) < 0)
            rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a name");
        if (rc < 0)
            break;
        if (output->done[run])
            rc = good_put(output, whole.stream, run,
                          parameters + run * output->control->parameter_count, ret_error);
        else
            failed_put(whole.stream, output->control);
    }
    if (rc == 0)
        return whole_commit(&whole, ret_error);
    whole_abandon(&whole);
    return -1;
}

static int ensemble_put(struct sweep_output *output, const char *const *names,
                        struct error *ret_error)
{
    struct ensemble_writer *writer = ensemble_create(
        output->path, ensemble_format_of(output->path), output->control->observation_names,
        output->control->observation_count, ret_error);
    int rc = writer ? 0 : -1;
    for (size_t run = 0; rc == 0 && run < output->runs; run++) {
        if (!output->done[run])
            continue;
        rc = row_move(output, run, NULL, ret_error);
        if (rc == 0)
            rc = ensemble_write(writer, names[run], output->row, ret_error);
    }
    if (rc == 0)
        return ensemble_commit(writer, ret_error);
    ensemble_abandon(writer);
    return -1;
}

int sweep_output_finish(struct sweep_output *output, const char *const *names,
                        const double *parameters, struct error *ret_error)
{
    if (output->trouble.code) {
        *ret_error = output->trouble;
        return -1;
    }
    return ensemble_format_of(output->path) == ENSEMBLE_CSV
               ? table_write(output, names, parameters, ret_error)
               : ensemble_put(output, names, ret_error);
}
