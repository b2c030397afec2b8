/* localizer.c - the file's matrix, and which row and column of it each name belongs to. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "master/pest/localizer.h"
#include "master/pest/matrix.h"

struct localizer {
    struct matrix *matrix;
    long *rows;    /* of each observation of the control file; -1: none */
    long *columns; /* of each parameter */
    size_t parameter_count;
    size_t uncovered_observations, uncovered_parameters;
};

/* What a list of names needs to find members and groups. */
struct members {
    const struct pest_control *control;
    const char *member; /* for sentences */
    size_t count;
    int (*find)(const struct pest_control *control, const char *name);
    int (*find_group)(const struct pest_control *control, const char *name);
    int (*group_of)(const struct pest_control *control, size_t member);
};

static int parameter_group_find(const struct pest_control *control, const char *name)
{
    for (size_t i = 0; i < control->parameter_group_count; i++) {
        if (strcasecmp(control->parameter_groups[i].pargpnme, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static int parameter_group_of(const struct pest_control *control, size_t parameter)
{
    return control->parameters[parameter].pargp;
}

static int observation_group_of(const struct pest_control *control, size_t observation)
{
    return control->observations[observation].obgnme;
}

/* Members by their own names first; then groups give their place to the members without one. */
static int places_fill(const struct members *members, const char *path, char *const *names,
                       size_t count, long *places, long *groups, struct error *ret_error)
{
    for (size_t i = 0; i < count; i++) {
        int member = members->find(members->control, names[i]);
        int group = member < 0 ? members->find_group(members->control, names[i]) : -1;
        if (member < 0 && group < 0) {
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: \"%s\" is neither %s nor a group of them in the control file",
                             path, names[i], members->member);
        }
        long *place = member >= 0 ? &places[member] : &groups[group];
        if (*place >= 0) {
            return error_set(ret_error, ERROR_CONFIG, "%s: \"%s\" stands there twice", path,
                             names[i]);
        }
        *place = (long)i;
    }
    for (size_t i = 0; i < members->count; i++) {
        int group = members->group_of(members->control, i);
        if (places[i] < 0 && group >= 0) {
            places[i] = groups[group];
        }
    }
    return 0;
}

static long *places_find(const struct members *members, size_t group_count, const char *path,
                         char *const *names, size_t count, struct error *ret_error)
{
    long *places = malloc((members->count + 1) * sizeof(*places));
    long *groups = malloc((group_count + 1) * sizeof(*groups));
    int result = 0;
    if (!places || !groups) {
        result = error_set(ret_error, ERROR_SYSTEM, "there is no memory for a localizer");
    } else {
        memset(places, -1, (members->count + 1) * sizeof(*places));
        memset(groups, -1, (group_count + 1) * sizeof(*groups));
        result = places_fill(members, path, names, count, places, groups, ret_error);
    }
    free(groups);
    if (result != 0) {
        free(places);
        return NULL;
    }
    return places;
}

static int values_check(const struct matrix *matrix, const char *path, struct error *ret_error)
{
    size_t count = matrix->diagonal ? matrix->rows : matrix->rows * matrix->columns;
    for (size_t i = 0; i < count; i++) {
        double value = matrix->values[i];
        if (!(value >= 0 && value <= 1)) {
            return error_set(
                ret_error, ERROR_CONFIG,
                "%s: the factor of row \"%s\" and column \"%s\" is %g; factors are "
                "from 0 to 1",
                path, matrix->row_names[i % matrix->rows],
                matrix->column_names[matrix->diagonal ? i : i / matrix->rows], value);
        }
    }
    return 0;
}

static void uncovered_count(struct localizer *localizer, const struct pest_control *control)
{
    for (size_t i = 0; i < control->observation_count; i++) {
        localizer->uncovered_observations +=
            control->observations[i].weight > 0 && localizer->rows[i] < 0;
    }
    for (size_t i = 0; i < control->parameter_count; i++) {
        enum pest_partrans partrans = control->parameters[i].partrans;
        localizer->uncovered_parameters +=
            (partrans == PEST_NONE || partrans == PEST_LOG) && localizer->columns[i] < 0;
    }
}

static int localizer_fill(struct localizer *localizer, const char *path,
                          const struct pest_control *control, struct error *ret_error)
{
    const struct members observations = {control,
                                         "an observation",
                                         control->observation_count,
                                         pest_control_observation,
                                         pest_control_observation_group,
                                         observation_group_of};
    const struct members parameters = {control,
                                       "a parameter",
                                       control->parameter_count,
                                       pest_control_parameter,
                                       parameter_group_find,
                                       parameter_group_of};
    struct matrix *matrix = matrix_read(path, MATRIX_BYTES_MAX, ret_error);
    localizer->matrix = matrix;
    localizer->parameter_count = control->parameter_count;
    if (!matrix || values_check(matrix, path, ret_error) != 0) {
        return -1;
    }
    localizer->rows = places_find(&observations, control->observation_group_count, path,
                                  matrix->row_names, matrix->rows, ret_error);
    if (!localizer->rows) {
        return -1;
    }
    localizer->columns = places_find(&parameters, control->parameter_group_count, path,
                                     matrix->column_names, matrix->columns, ret_error);
    if (!localizer->columns) {
        return -1;
    }
    uncovered_count(localizer, control);
    return 0;
}

struct localizer *localizer_read(const char *path, const struct pest_control *control,
                                 struct error *ret_error)
{
    struct localizer *localizer = calloc(1, sizeof(*localizer));
    if (!localizer) {
        error_set(ret_error, ERROR_SYSTEM, "there is no memory for a localizer");
    } else if (localizer_fill(localizer, path, control, ret_error) != 0) {
        localizer_free(localizer);
        return NULL;
    }
    return localizer;
}

void localizer_free(struct localizer *localizer)
{
    if (localizer) {
        matrix_free(localizer->matrix);
        free(localizer->rows);
        free(localizer->columns);
        free(localizer);
    }
}

double localizer_value(const struct localizer *localizer, size_t observation, size_t parameter)
{
    const struct matrix *matrix = localizer->matrix;
    long row = localizer->rows[observation], column = localizer->columns[parameter];
    if (row < 0 || column < 0) {
        return 0;
    }
    if (matrix->diagonal) {
        return row == column ? matrix->values[row] : 0;
    }
    return matrix->values[(size_t)row + (size_t)column * matrix->rows];
}

void localizer_column(const struct localizer *localizer, size_t parameter,
                      const size_t *observations, size_t count, double *ret)
{
    for (size_t k = 0; k < count; k++) {
        ret[k] = localizer_value(localizer, observations[k], parameter);
    }
}

void localizer_classes(const struct localizer *localizer, long *ret_class)
{
    memcpy(ret_class, localizer->columns, localizer->parameter_count * sizeof(*ret_class));
}

size_t localizer_class_count(const struct localizer *localizer)
{
    return localizer->matrix->columns;
}

size_t localizer_uncovered_observations(const struct localizer *localizer)
{
    return localizer->uncovered_observations;
}

size_t localizer_uncovered_parameters(const struct localizer *localizer)
{
    return localizer->uncovered_parameters;
}
