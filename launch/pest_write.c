#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"
#include "common/pest/parfile.h"
#include "common/plain.h"
#include "common/tree.h"
#include "common/values.h"
#include "launch/disk.h"
#include "launch/pest_model.h"
#include "launch/pest_write.h"

struct writing {
    const struct pest_write *given;
    struct pest_control *control;
    struct pest_inputs *inputs;
    double *values; /* of the parameters */
    double *scales, *offsets;
    double *written; /* what the model gets */
    bool *is_given;  /* by --values */
    struct error *error;
};

static void writing_fini(struct writing *writing)
{
    pest_inputs_destroy(writing->inputs);
    pest_control_free(writing->control);
    free(writing->values);
    free(writing->scales);
    free(writing->offsets);
    free(writing->written);
    free(writing->is_given);
}

static int begin(struct writing *writing)
{
    const struct pest_control *control = writing->control;
    size_t count = control->parameter_count;
    writing->values = calloc(count + 1, sizeof(double));
    writing->scales = calloc(count + 1, sizeof(double));
    writing->offsets = calloc(count + 1, sizeof(double));
    writing->written = calloc(count + 1, sizeof(double));
    writing->is_given = calloc(count + 1, sizeof(bool));
    if (!writing->values || !writing->scales || !writing->offsets || !writing->written ||
        !writing->is_given)
        return error_set(writing->error, ERROR_SYSTEM, "no memory for %zu parameters", count);
    for (size_t i = 0; i < count; i++) {
        writing->values[i] = control->parameters[i].parval1;
        writing->scales[i] = control->parameters[i].scale;
        writing->offsets[i] = control->parameters[i].offset;
    }
    return 0;
}

/* Scale and offset, too, are those of the parameter value file, as TEMPCHEK has it. */
static int take_parfile(struct writing *writing)
{
    struct pest_parfile parfile;
    const char *path = writing->given->par;
    const struct pest_index *index = writing->control->parameter_index;
    if (pest_parfile_read(path, &parfile, writing->error) < 0)
        return -1;
    int status = pest_parfile_take(&parfile, path, index, writing->values, writing->error);
    for (size_t i = 0; i < parfile.count && status == 0; i++) {
        const struct pest_parfile_row *row = &parfile.rows[i];
        int place = pest_index_find(index, row->name, strlen(row->name));
        writing->scales[place] = row->scale;
        writing->offsets[place] = row->offset;
    }
    pest_parfile_fini(&parfile);
    return status;
}

/* One NAME=VALUE. */
static int take_value(struct writing *writing, const char *text, size_t size)
{
    const char *equals = memchr(text, '=', size);
    size_t name_size = equals ? (size_t)(equals - text) : size;
    const struct pest_index *index = writing->control->parameter_index;
    int place = pest_index_find(index, text, name_size);
    if (!equals)
        return error_set(writing->error, ERROR_USAGE, "--values: \"%.*s\" is not NAME=VALUE",
                         (int)size, text);
    if (place < 0) {
        const char *nearest = pest_index_nearest(index, text, name_size);
        return error_set(writing->error, ERROR_USAGE,
                         "--values: there is no parameter \"%.*s\"%s", (int)name_size, text,
                         nearest_hint(nearest).text);
    }
    const char *number = equals + 1;
    size_t number_size = size - name_size - 1;
    enum pest_number kind = pest_number_parse(number, number_size, &writing->values[place]);
    if (kind != PEST_NUMBER_GOOD)
        return error_set(writing->error, ERROR_USAGE, "--values: \"%.*s\" %s", (int)number_size,
                         number, pest_number_fault(kind));
    writing->is_given[place] = true;
    return 0;
}

static int take_values(struct writing *writing)
{
    const struct pest_control *control = writing->control;
    for (const char *at = writing->given->values; *at;) {
        size_t size = strcspn(at, ", ");
        if (size && take_value(writing, at, size) < 0)
            return -1;
        at += size + (at[size] != 0);
    }
    for (size_t i = 0; i < control->parameter_count; i++) {
        const struct pest_parameter *parameter = &control->parameters[i];
        if (parameter->partrans == PEST_TIED && !writing->is_given[i] &&
            writing->is_given[parameter->tied_to])
            writing->values[i] = writing->values[parameter->tied_to] * parameter->tied_ratio;
    }
    return 0;
}

static void list_print(const struct writing *writing)
{
    const struct pest_control *control = writing->control;
    printf("%-20s %6s %24s %24s\n", "parameter", "width", "value", "as written");
    for (size_t i = 0; i < control->parameter_count; i++) {
        char value[VALUE_NUMBER_MAX], text[VALUE_NUMBER_MAX];
        size_t width = pest_inputs_width(writing->inputs, i);
        value_format_real(writing->values[i], value);
        value_format_real(writing->written[i], text);
        printf("%-20s %6zu %24s %24s\n", control->parameter_names[i], width, value,
               width ? text : "in no template");
    }
}

/* Make the folders in which files will be written elsewhere than at home. */
static int make_folders(const struct writing *writing)
{
    const struct pest_control *control = writing->control;
    int status = 0;
    for (size_t i = 0; i < control->input_count && status == 0; i++) {
        char *path = pest_model_path(control, writing->given->into,
                                     control->inputs[i].model_file, writing->error);
        char *slash = path ? strrchr(path, '/') : NULL;
        if (slash && slash > path) {
            *slash = 0;
            status = tree_make(path, writing->error);
        }
        status = path ? status : -1;
        free(path);
    }
    return status;
}

static void written_tell(const char *model_file, const char *pest_file)
{
    char to[ERROR_TEXT_MAX], from[ERROR_TEXT_MAX];
    fprintf(stderr, "%s written from %s\n", plain_text(to, sizeof to, model_file),
            plain_text(from, sizeof from, pest_file));
}

static int write_files(struct writing *writing)
{
    const struct pest_control *control = writing->control;
    for (size_t i = 0; i < control->parameter_count; i++)
        writing->written[i] = writing->values[i] * writing->scales[i] + writing->offsets[i];
    if (pest_inputs_round(writing->inputs, writing->written, writing->written, writing->error) <
            0 ||
        pest_inputs_write(writing->inputs, writing->written, AT_FDCWD, writing->error) < 0)
        return -1;
    if (writing->given->list)
        list_print(writing);
    for (size_t i = 0; i < control->input_count; i++)
        written_tell(control->inputs[i].model_file, control->inputs[i].pest_file);
    return 0;
}

int pest_write_run(const char *path, const struct pest_write *given, struct error *ret_error)
{
    struct writing writing = {.given = given, .error = ret_error};
    int status = -1;
    writing.control = pest_control_read(path, ret_error);
    if (writing.control && begin(&writing) == 0 &&
        (!given->par || take_parfile(&writing) == 0) &&
        (!given->values || take_values(&writing) == 0) &&
        (!given->into || make_folders(&writing) == 0)) {
        writing.inputs = pest_model_inputs(writing.control, given->into, ret_error);
        if (writing.inputs)
            status = write_files(&writing);
    }
    writing_fini(&writing);
    return status;
}
