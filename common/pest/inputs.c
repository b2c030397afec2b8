/*
 * For each parameter the narrowest of its fields is known, with the place where it stands (for
 * sentences) and whether JSON will read it; so each value is printed once, however many fields it
 * has.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pest/inputs.h"
#include "common/pest/template.h"

struct input {
    struct pest_template *template;
    char *file;
};

/* A parameter's narrowest field. */
struct narrowest {
    size_t width;   /* 0: none */
    uint32_t input; /* where it stands */
    bool json;      /* some field of it, not only this one */
    uint64_t line;
};

struct pest_inputs {
    const struct pest_index *parameters;
    struct pest_style style;
    struct input *list;
    size_t count;
    struct narrowest *narrowest; /* per parameter */
};

static void take_fields(struct pest_inputs *inputs, size_t input)
{
    const struct pest_template *template = inputs->list[input].template;
    bool json = pest_template_json(template);
    for (size_t i = 0; i < pest_template_fields(template); i++) {
        struct pest_field field = pest_template_field(template, i);
        struct narrowest *narrowest = &inputs->narrowest[field.parameter];
        narrowest->json = narrowest->json || json;
        if (narrowest->width && narrowest->width <= field.width)
            continue;
        narrowest->width = field.width;
        narrowest->input = (uint32_t)input;
        narrowest->line = field.line;
    }
}

static int read_one(struct pest_inputs *inputs, const struct pest_file_pair *pair,
                    const char *folder, struct error *ret_error)
{
    struct input *one = &inputs->list[inputs->count++];
    char *path = pest_pair_path(folder, pair->pest_file);
    one->file = strdup(pair->model_file);
    if (!path || !one->file) {
        free(path);
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", pair->pest_file);
    }
    one->template = pest_template_read(path, inputs->parameters, ret_error);
    free(path);
    if (!one->template)
        return -1;
    for (size_t i = 0; i + 1 < inputs->count; i++)
        if (!strcmp(inputs->list[i].file, one->file))
            return error_set(ret_error, ERROR_CONFIG, "two templates, %s and %s, write %s",
                             pest_template_path(inputs->list[i].template),
                             pest_template_path(one->template), one->file);
    take_fields(inputs, inputs->count - 1);
    return 0;
}

struct pest_inputs *pest_inputs_read(const struct pest_file_pair *list, size_t count,
                                     const char *folder, const struct pest_index *parameters,
                                     const struct pest_style *style, struct error *ret_error)
{
    struct pest_inputs *inputs = calloc(1, sizeof(*inputs));
    if (inputs) {
        inputs->parameters = parameters;
        inputs->style = *style;
        inputs->list = calloc(count + 1, sizeof(*inputs->list));
        inputs->narrowest =
            calloc(pest_index_count(parameters) + 1, sizeof(*inputs->narrowest));
    }
    if (!inputs || !inputs->list || !inputs->narrowest) {
        pest_inputs_destroy(inputs);
        error_set(ret_error, ERROR_SYSTEM, "no memory for %zu templates", count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (read_one(inputs, &list[i], folder, ret_error) < 0) {
            pest_inputs_destroy(inputs);
            return NULL;
        }
    return inputs;
}

void pest_inputs_destroy(struct pest_inputs *inputs)
{
    if (!inputs)
        return;
    for (size_t i = 0; i < inputs->count; i++) {
        pest_template_destroy(inputs->list[i].template);
        free(inputs->list[i].file);
    }
    free(inputs->list);
    free(inputs->narrowest);
    free(inputs);
}

size_t pest_inputs_width(const struct pest_inputs *inputs, size_t parameter)
{
    return inputs->narrowest[parameter].width;
}

static int refuse_value(const struct pest_inputs *inputs, size_t parameter, double value,
                        struct error *ret_error)
{
    const struct narrowest *narrowest = &inputs->narrowest[parameter];
    return error_set(ret_error, ERROR_CONFIG,
                     "%s:%llu: the value %.9g of parameter \"%s\" cannot be written in %zu "
                     "characters%s; make its field wider",
                     pest_template_path(inputs->list[narrowest->input].template),
                     (unsigned long long)narrowest->line, value,
                     pest_index_name(inputs->parameters, parameter), narrowest->width,
                     inputs->style.point ? " with a decimal point" : "");
}

/* Print a parameter's value; 0 characters where it has no field, or the value does not fit. */
static size_t print_value(const struct pest_inputs *inputs, size_t parameter, double value,
                          char *text, double *ret_written)
{
    const struct narrowest *narrowest = &inputs->narrowest[parameter];
    struct pest_style style = inputs->style;
    style.json = style.json || narrowest->json;
    return narrowest->width
               ? pest_number_print(&style, narrowest->width, value, text, ret_written)
               : 0;
}

bool pest_inputs_written(const struct pest_inputs *inputs, size_t parameter, double value,
                         double *ret_written)
{
    char text[PEST_NUMBER_MAX];
    *ret_written = value;
    return !inputs->narrowest[parameter].width ||
           print_value(inputs, parameter, value, text, ret_written);
}

int pest_inputs_round(const struct pest_inputs *inputs, const double *values,
                      double *ret_written, struct error *ret_error)
{
    size_t count = pest_index_count(inputs->parameters);
    for (size_t i = 0; i < count; i++)
        if (!pest_inputs_written(inputs, i, values[i], &ret_written[i]))
            return refuse_value(inputs, i, values[i], ret_error);
    return 0;
}

/* An old file is written over where it lies, which costs a quarter of making one; but not through
 * a link of either kind, which would change what others link to. -1 where there is none. */
static int open_old(const char *file, int dirfd)
{
    struct stat stat;
    int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_nlink == 1)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int open_new(const char *file, int dirfd, struct error *ret_error)
{
    if (unlinkat(dirfd, file, 0) < 0 && errno != ENOENT)
        return error_errno(ret_error, errno, "%s: cannot be replaced", file);
    int fd = openat(dirfd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_errno(ret_error, errno, "%s: cannot be made", file);
    return fd;
}

static int write_file(const struct input *input, const struct pest_text *texts, int dirfd,
                      struct error *ret_error)
{
    int fd = open_old(input->file, dirfd);
    if (fd < 0)
        fd = open_new(input->file, dirfd, ret_error);
    if (fd < 0)
        return -1;
    off_t size = (off_t)pest_template_size(input->template);
    int status = pest_template_write(input->template, texts, fd, input->file, ret_error);
    if (!status && ftruncate(fd, size) < 0)
        status = error_errno(ret_error, errno, "%s: cannot be written", input->file);
    if (close(fd) < 0 && !status)
        status = error_errno(ret_error, errno, "%s: cannot be written", input->file);
    return status;
}

static int write_all(const struct pest_inputs *inputs, const double *values, char *numbers,
                     struct pest_text *texts, int dirfd, struct error *ret_error)
{
    size_t count = pest_index_count(inputs->parameters);
    for (size_t i = 0; i < count; i++) {
        char *number = numbers + i * PEST_NUMBER_MAX;
        texts[i].text = number;
        texts[i].size = print_value(inputs, i, values[i], number, NULL);
        if (!texts[i].size && inputs->narrowest[i].width)
            return refuse_value(inputs, i, values[i], ret_error);
    }
    for (size_t i = 0; i < inputs->count; i++)
        if (write_file(&inputs->list[i], texts, dirfd, ret_error) < 0)
            return -1;
    return 0;
}

int pest_inputs_write(const struct pest_inputs *inputs, const double *values, int dirfd,
                      struct error *ret_error)
{
    size_t count = pest_index_count(inputs->parameters);
    char *numbers = malloc(count * PEST_NUMBER_MAX + 1);
    struct pest_text *texts = malloc(count * sizeof(*texts) + 1);
    int status = -1;
    if (numbers && texts)
        status = write_all(inputs, values, numbers, texts, dirfd, ret_error);
    else
        error_set(ret_error, ERROR_SYSTEM, "no memory for the texts of %zu values", count);
    free(numbers);
    free(texts);
    return status;
}
