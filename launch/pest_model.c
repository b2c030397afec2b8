#include "config.h"

#include <stdlib.h>

#include "launch/disk.h"
#include "launch/pest_model.h"

char *pest_model_path(const struct pest_control *control, const char *folder, const char *name,
                      struct error *ret_error)
{
    return disk_join(folder ? folder : control->folder, name, ret_error);
}

static void pairs_free(struct pest_file_pair *pairs, size_t count)
{
    for (size_t i = 0; pairs && i < count; i++) {
        free(pairs[i].pest_file);
        free(pairs[i].model_file);
    }
    free(pairs);
}

/* The same pairs as paths from here; NULL with a sentence. */
static struct pest_file_pair *pairs_place(const struct pest_control *control,
                                          const struct pest_file_pair *pairs, size_t count,
                                          const char *folder, struct error *ret_error)
{
    struct pest_file_pair *placed = calloc(count + 1, sizeof(*placed));
    if (!placed)
        error_set(ret_error, ERROR_SYSTEM, "no memory for %zu file names", count);
    for (size_t i = 0; placed && i < count; i++) {
        placed[i] = (struct pest_file_pair){
            .pest_file = pest_model_path(control, NULL, pairs[i].pest_file, ret_error),
            .model_file = pest_model_path(control, folder, pairs[i].model_file, ret_error)};
        if (!placed[i].pest_file || !placed[i].model_file) {
            pairs_free(placed, count);
            return NULL;
        }
    }
    return placed;
}

struct pest_inputs *pest_model_inputs(const struct pest_control *control, const char *folder,
                                      struct error *ret_error)
{
    const struct pest_style style = {.double_precision = control->double_precision,
                                     .point = control->point};
    size_t count = control->input_count;
    struct pest_file_pair *pairs =
        pairs_place(control, control->inputs, count, folder, ret_error);
    struct pest_inputs *inputs =
        pairs ? pest_inputs_read(pairs, count, "", control->parameter_index, &style, ret_error)
              : NULL;
    pairs_free(pairs, count);
    return inputs;
}

struct pest_outputs *pest_model_outputs(struct pest_control *control, const char *folder,
                                        struct error *ret_error)
{
    const char *delimiters = pest_control_option(control, "additional_ins_delimiters");
    size_t count = control->output_count;
    struct pest_file_pair *pairs =
        pairs_place(control, control->outputs, count, folder, ret_error);
    struct pest_outputs *outputs =
        pairs ? pest_outputs_read(pairs, count, "", control->observation_index, delimiters,
                                  ret_error)
              : NULL;
    pairs_free(pairs, count);
    return outputs;
}
