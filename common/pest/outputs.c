#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/pest/instruction.h"
#include "common/pest/outputs.h"

struct output {
    struct pest_instructions *instructions;
    char *file;
};

struct pest_outputs {
    const struct pest_index *observations;
    struct output *list;
    size_t count;
};

/* Remember who reads each observation (his place + 1), and see that nobody did before. */
static int take_observations(const struct pest_outputs *outputs, size_t place, size_t *readers,
                             struct error *ret_error)
{
    const struct pest_instructions *instructions = outputs->list[place].instructions;
    for (size_t i = 0; i < pest_instructions_count(instructions); i++) {
        int observation = pest_instructions_observation(instructions, i);
        size_t *reader = &readers[observation];
        if (*reader)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: the observation \"%s\" is read by %s, too",
                             pest_instructions_path(instructions),
                             pest_index_name(outputs->observations, (size_t)observation),
                             pest_instructions_path(outputs->list[*reader - 1].instructions));
        *reader = place + 1;
    }
    return 0;
}

static int read_one(struct pest_outputs *outputs, const struct pest_file_pair *pair,
                    const char *folder, const char *delimiters, size_t *readers,
                    struct error *ret_error)
{
    struct output *one = &outputs->list[outputs->count++];
    char *path = pest_pair_path(folder, pair->pest_file);
    one->file = strdup(pair->model_file);
    if (!path || !one->file) {
        free(path);
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", pair->pest_file);
    }
    one->instructions =
        pest_instructions_read(path, outputs->observations, delimiters, ret_error);
    free(path);
    if (!one->instructions)
        return -1;
    return take_observations(outputs, outputs->count - 1, readers, ret_error);
}

static int read_all(struct pest_outputs *outputs, const struct pest_file_pair *list,
                    size_t count, const char *folder, const char *delimiters,
                    struct error *ret_error)
{
    size_t observations = pest_index_count(outputs->observations);
    size_t *readers = calloc(observations + 1, sizeof(*readers));
    outputs->list = calloc(count + 1, sizeof(*outputs->list));
    int status = 0;
    if (!readers || !outputs->list)
        status =
            error_set(ret_error, ERROR_SYSTEM, "no memory for %zu instruction files", count);
    for (size_t i = 0; i < count && status == 0; i++)
        status = read_one(outputs, &list[i], folder, delimiters, readers, ret_error);
    for (size_t i = 0; i < observations && status == 0; i++)
        if (!readers[i])
            status = error_set(ret_error, ERROR_CONFIG,
                               "no instruction file reads the observation \"%s\"",
                               pest_index_name(outputs->observations, i));
    free(readers);
    return status;
}

struct pest_outputs *pest_outputs_read(const struct pest_file_pair *list, size_t count,
                                       const char *folder,
                                       const struct pest_index *observations,
                                       const char *delimiters, struct error *ret_error)
{
    struct pest_outputs *outputs = calloc(1, sizeof(*outputs));
    if (!outputs) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for %zu instruction files", count);
        return NULL;
    }
    outputs->observations = observations;
    if (read_all(outputs, list, count, folder, delimiters, ret_error) < 0) {
        pest_outputs_destroy(outputs);
        return NULL;
    }
    return outputs;
}

void pest_outputs_destroy(struct pest_outputs *outputs)
{
    if (!outputs)
        return;
    for (size_t i = 0; i < outputs->count; i++) {
        pest_instructions_destroy(outputs->list[i].instructions);
        free(outputs->list[i].file);
    }
    free(outputs->list);
    free(outputs);
}

int pest_outputs_remove(const struct pest_outputs *outputs, int dirfd, struct error *ret_error)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (unlinkat(dirfd, outputs->list[i].file, 0) < 0 && errno != ENOENT)
            return error_errno(ret_error, errno, "%s: cannot be removed before a run",
                               outputs->list[i].file);
    return 0;
}

int pest_outputs_collect(const struct pest_outputs *outputs, int dirfd, double *values,
                         struct error *ret_error)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (pest_instructions_run(outputs->list[i].instructions, dirfd, outputs->list[i].file,
                                  values, ret_error) < 0)
            return -1;
    return 0;
}
