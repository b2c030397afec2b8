/*
 * An RSF header is a history: every program appends its keys, and the last one of each holds.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/json.h"
#include "common/seismic/model_private.h"

#define HEADER_MAX ((size_t)1 << 20)
#define AXES_MAX   9
#define VALUE_MAX  4096

/* The header's text; `size` counts the bytes before what may follow it in the same file. */
struct header {
    const char *path;
    char *text;
    size_t size;
};

/* Whether `key=` stands at `at`, as a word of its own. */
static bool key_stands(const struct header *header, size_t at, const char *key)
{
    size_t size = strlen(key);
    return (at == 0 || isspace((unsigned char)header->text[at - 1])) &&
           header->size - at > size && !memcmp(header->text + at, key, size) &&
           header->text[at + size] == '=';
}

/* The value behind the = at `at`, without its quotes. */
static void value_copy(const struct header *header, size_t at, char value[VALUE_MAX])
{
    const char *text = header->text + at, *end = header->text + header->size;
    char quote = text < end && (*text == '"' || *text == '\'') ? *text++ : '\0';
    size_t size = 0;
    while (text < end && size < VALUE_MAX - 1 &&
           (quote ? *text != quote && *text != '\n' : !isspace((unsigned char)*text)))
        value[size++] = *text++;
    value[size] = '\0';
}

/* The last value of a key; false if there is none. */
static bool header_get(const struct header *header, const char *key, char value[VALUE_MAX])
{
    bool found = false;
    for (size_t at = 0; at < header->size; at++) {
        if (key_stands(header, at, key)) {
            value_copy(header, at + strlen(key) + 1, value);
            found = true;
        }
    }
    return found;
}

static int number_get(const struct header *header, const char *name, int axis, double fallback,
                      double *ret_number, struct error *ret_error)
{
    char key[16], value[VALUE_MAX], *end;
    snprintf(key, sizeof(key), "%s%d", name, axis);
    *ret_number = fallback;
    if (!header_get(header, key, value))
        return 0;
    *ret_number = strtod(value, &end);
    if (end == value || *end || !isfinite(*ret_number))
        return error_set(ret_error, ERROR_CONFIG, "%s: %s=%.40s is no number", header->path,
                         key, value);
    return 0;
}

/* Metres in a unit; 0: not one of length. */
static double unit_m(const char *unit)
{
    if (!*unit || !strcasecmp(unit, "m"))
        return 1;
    return !strcasecmp(unit, "km") ? 1000 : !strcasecmp(unit, "ft") ? 0.3048 : 0;
}

/* The axis that a label names; -1: none. */
static int label_axis(const char *label)
{
    if (!strncasecmp(label, "depth", 5) || !strncasecmp(label, "z", 1))
        return GRID_Z;
    if (!strncasecmp(label, "y", 1) || !strncasecmp(label, "crossline", 9))
        return GRID_Y;
    if (!strncasecmp(label, "x", 1) || !strncasecmp(label, "lateral", 7) ||
        !strncasecmp(label, "distance", 8) || !strncasecmp(label, "inline", 6))
        return GRID_X;
    return -1;
}

struct axis {
    double n, o, d, unit;
    int named; /* enum grid_axis, or -1 */
};

static int axis_read(const struct header *header, int number, struct axis *axis,
                     struct error *ret_error)
{
    char key[16], value[VALUE_MAX];
    if (number_get(header, "n", number, 1, &axis->n, ret_error) < 0 ||
        number_get(header, "o", number, 0, &axis->o, ret_error) < 0 ||
        number_get(header, "d", number, NAN, &axis->d, ret_error) < 0)
        return -1;
    if (!(axis->n >= 1 && axis->n <= 1e9) || axis->n != floor(axis->n))
        return error_set(ret_error, ERROR_CONFIG, "%s: n%d=%g is no number of points",
                         header->path, number, axis->n);
    if (axis->n > 1 && isnan(axis->d))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: d%d=, the spacing of its %g points, is missing", header->path,
                         number, axis->n);
    snprintf(key, sizeof(key), "unit%d", number);
    axis->unit = header_get(header, key, value) ? unit_m(value) : 1;
    if (axis->unit == 0 && axis->n > 1)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: %s=\"%.40s\" is no unit of length (m, km or ft); is it a model?",
                         header->path, key, value);
    snprintf(key, sizeof(key), "label%d", number);
    axis->named = header_get(header, key, value) ? label_axis(value) : -1;
    return 0;
}

/* Which of the file's axes is which of the model's: by labels, if all have one, else z, x, y. */
static int axes_name(const struct model *model, struct axis *axes, int dims,
                     struct error *ret_error)
{
    static const int usual[] = {GRID_Z, GRID_X, GRID_Y};
    int seen = 0, named = 0;
    for (int i = 0; i < dims; i++)
        named += axes[i].named >= 0;
    for (int i = 0; i < dims; i++) {
        if (named < dims)
            axes[i].named = usual[i];
        seen |= 1 << axes[i].named;
    }
    if (seen != (dims == 3 ? 7 : 1 << GRID_X | 1 << GRID_Z))
        return error_set(ret_error, ERROR_CONFIG, "%s: its labels do not name each of %s once",
                         model->path, dims == 3 ? "x, y and z" : "x and z");
    return 0;
}

static int axes_read(struct model *model, const struct header *header, struct error *ret_error)
{
    struct axis axes[AXES_MAX];
    int dims = 0;
    for (int i = 0; i < AXES_MAX; i++) {
        if (axis_read(header, i + 1, &axes[i], ret_error) < 0)
            return -1;
        if (axes[i].n > 1)
            dims = i + 1;
    }
    if (dims != 2 && dims != 3)
        return error_set(ret_error, ERROR_CONFIG, "%s: has %d axes; a model has 2 or 3",
                         model->path, dims);
    if (axes_name(model, axes, dims, ret_error) < 0)
        return -1;
    struct grid *grid = &model->grid;
    *grid = (struct grid){.dims = dims, .n = {1, 1, 1}};
    model->array.axes[0] = GRID_Y; /* stays so in 2-D */
    for (int i = 0; i < dims; i++) {
        int axis = axes[i].named;
        grid->n[axis] = (size_t)axes[i].n;
        grid->spacing[axis] = axes[i].d * axes[i].unit;
        grid->origin[axis] = axes[i].o * axes[i].unit;
        model->array.axes[GRID_AXES - 1 - i] = (enum grid_axis)axis;
    }
    return model_grid_check(model, ret_error);
}

/* data_format=native_float, as also where there is none (so does Madagascar's sf_input), and so
 * on; `ret_ascii` where values are printed. */
static int format_read(struct model *model, const struct header *header, bool *ret_ascii,
                       struct error *ret_error)
{
    char value[VALUE_MAX];
    if (!header_get(header, "data_format", value))
        snprintf(value, sizeof(value), "native_float");
    const char *under = strchr(value, '_'), *type = under ? under + 1 : "";
    size_t form = under ? (size_t)(under - value) : 0;
    bool native = form == 6 && !strncmp(value, "native", 6);
    bool xdr = form == 3 && !strncmp(value, "xdr", 3);
    *ret_ascii = form == 5 && !strncmp(value, "ascii", 5);
    model->array.code = !strcmp(type, "float")    ? 5
                        : !strcmp(type, "int")    ? 2
                        : !strcmp(type, "double") ? 6
                        : !strcmp(type, "uchar")  ? 16
                        : !strcmp(type, "short")  ? 3
                                                  : 0;
    if (!model->array.code || !(native || xdr || *ret_ascii))
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: data_format=\"%.40s\" is not known (native_, xdr_ or ascii_ float, "
            "double, int, short or uchar)",
            model->path, value);
    uint16_t one = 1;
    bool little = *(const uint8_t *)&one == 1;
    model->array.order = native && little ? SEGY_LITTLE : SEGY_BIG;
    return 0;
}

/* Without waiting for whoever writes to a FIFO: what is read of it is nothing. */
static FILE *file_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

/* All numbers of a text. */
static int text_read(struct model *model, const char *path, struct error *ret_error)
{
    size_t count = grid_size(&model->grid);
    FILE *file = file_open(path);
    if (!file)
        return error_errno(ret_error, errno, "%s: its values in %s cannot be read", model->path,
                           path);
    model->array.text = calloc(count, sizeof(*model->array.text));
    size_t done = 0;
    char word[64];
    int c = fgetc(file);
    while (model->array.text) {
        size_t size = 0;
        while (c != EOF && (isspace(c) || c == ','))
            c = fgetc(file);
        for (; c != EOF && !isspace(c) && c != ',' && size < sizeof(word) - 1; c = fgetc(file))
            word[size++] = (char)c;
        if (!size)
            break;
        word[size] = '\0';
        char *end;
        float value = strtof(word, &end);
        if (*end || !isfinite(value) || done == count)
            break;
        model->array.text[done++] = value;
    }
    bool ended = c == EOF && !ferror(file);
    fclose(file);
    if (!model->array.text)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", path);
    if (done < count || !ended)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: %s has not %zu numbers; number %zu is not one, or one too many",
                         model->path, path, count, done + 1);
    return 0;
}

static int data_open(struct model *model, const struct header *header, bool ascii,
                     struct error *ret_error)
{
    char value[VALUE_MAX];
    if (!header_get(header, "in", value))
        return error_set(ret_error, ERROR_CONFIG, "%s: in=, where its values are, is missing",
                         model->path);
    if (!strcmp(value, "stdin") || !strcmp(value, "stdout")) {
        if (ascii)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: values in ascii must be in a file of their own", model->path);
        model->array.offset = header->size + 3; /* form feed twice, end of transmission */
        return model_array_open(model, model->path, ret_error);
    }
    model->data_path = model_beside(model, value);
    if (!model->data_path)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", model->path);
    return ascii ? text_read(model, model->data_path, ret_error)
                 : model_array_open(model, model->data_path, ret_error);
}

/* The header ends at the file's end, or at the mark before values in the same file. */
static int header_open(const char *path, struct header *header, struct error *ret_error)
{
    static const char mark[] = "\014\014\004";
    FILE *file = file_open(path);
    if (!file) {
        error_errno(ret_error, errno, "%s: cannot be read", path);
        return -1;
    }
    header->path = path;
    header->text = malloc(HEADER_MAX + 1);
    header->size = header->text ? fread(header->text, 1, HEADER_MAX + 1, file) : 0;
    bool failed = ferror(file) != 0;
    fclose(file);
    if (!header->text)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", path);
    if (failed)
        return error_set(ret_error, ERROR_SYSTEM, "%s: cannot be read", path);
    const char *end = memmem(header->text, header->size, mark, 3);
    if (end)
        header->size = (size_t)(end - header->text);
    if (header->size > HEADER_MAX || memchr(header->text, '\0', header->size))
        return error_set(ret_error, ERROR_CONFIG, "%s: is not the header of an RSF file", path);
    return 0;
}

int model_open_rsf(struct model *model, struct error *ret_error)
{
    struct header header = {0};
    char units[VALUE_MAX];
    bool ascii = false;
    int status = header_open(model->path, &header, ret_error);
    if (status == 0)
        status = axes_read(model, &header, ret_error);
    if (status == 0)
        status = format_read(model, &header, &ascii, ret_error);
    if (status == 0)
        status = data_open(model, &header, ascii, ret_error);
    if (status == 0 && header_get(&header, "unit", units) && *units)
        model->units = strdup(units);
    free(header.text);
    return status;
}
