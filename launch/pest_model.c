#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "launch/disk.h"
#include "launch/pest_model.h"

char *pest_model_path(const struct pest_control *control, const char *folder, const char *name,
                      struct error *ret_error)
{
    return disk_join(folder ? folder : control->folder, name, ret_error);
}

/* What templates and instructions have in common: pairs of paths. */
struct paths {
    char **pest_files, **model_files; /* `count` each */
    size_t count;
};

static void paths_fini(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++) {
        free(paths->pest_files ? paths->pest_files[i] : NULL);
        free(paths->model_files ? paths->model_files[i] : NULL);
    }
    free(paths->pest_files);
    free(paths->model_files);
}

static int paths_init(struct paths *paths, const struct pest_control *control,
                      const struct pest_file_pair *pairs, size_t count, const char *folder,
                      struct error *ret_error)
{
    paths->count = count;
    paths->pest_files = calloc(count + 1, sizeof(*paths->pest_files));
    paths->model_files = calloc(count + 1, sizeof(*paths->model_files));
    if (!paths->pest_files || !paths->model_files)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu file names", count);
    for (size_t i = 0; i < count; i++) {
        paths->pest_files[i] = pest_model_path(control, NULL, pairs[i].pest_file, ret_error);
        paths->model_files[i] =
            pest_model_path(control, folder, pairs[i].model_file, ret_error);
        if (!paths->pest_files[i] || !paths->model_files[i])
            return -1;
    }
    return 0;
}

struct pest_inputs *pest_model_inputs(const struct pest_control *control, const char *folder,
                                      struct error *ret_error)
{
    struct paths paths = {0};
    struct pest_inputs *inputs = NULL;
    const struct pest_style style = {.double_precision = control->double_precision,
                                     .point = control->point};
    struct pest_input *list = calloc(control->input_count + 1, sizeof(*list));
    if (!list)
        error_set(ret_error, ERROR_SYSTEM, "no memory for %zu templates", control->input_count);
    else if (paths_init(&paths, control, control->inputs, control->input_count, folder,
                        ret_error) == 0) {
        for (size_t i = 0; i < paths.count; i++)
            list[i] = (struct pest_input){paths.pest_files[i], paths.model_files[i]};
        inputs =
            pest_inputs_read(list, paths.count, control->parameter_index, &style, ret_error);
    }
    paths_fini(&paths);
    free(list);
    return inputs;
}

struct pest_outputs *pest_model_outputs(struct pest_control *control, const char *folder,
                                        struct error *ret_error)
{
    struct paths paths = {0};
    struct pest_outputs *outputs = NULL;
    const char *delimiters = pest_control_option(control, "additional_ins_delimiters");
    struct pest_output *list = calloc(control->output_count + 1, sizeof(*list));
    if (!list)
        error_set(ret_error, ERROR_SYSTEM, "no memory for %zu instruction files",
                  control->output_count);
    else if (paths_init(&paths, control, control->outputs, control->output_count, folder,
                        ret_error) == 0) {
        for (size_t i = 0; i < paths.count; i++)
            list[i] = (struct pest_output){paths.pest_files[i], paths.model_files[i]};
        outputs = pest_outputs_read(list, paths.count, control->observation_index, delimiters,
                                    ret_error);
    }
    paths_fini(&paths);
    free(list);
    return outputs;
}
