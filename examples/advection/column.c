#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/advection/column.h"

struct field {
    const char *name;
    size_t offset;
    double min, max; /* both allowed */
};

#define FIELD(name, min, max)                                                                  \
    {                                                                                          \
#name, offsetof(struct column, name), min, max                                         \
    }

/* Bounds are what the numerics can stand, not what is likely in the ground. */
static const struct field fields[] = {
    FIELD(conductivity, 1e-9, 1e6),  FIELD(gradient, 1e-9, 10),  FIELD(porosity, 1e-3, 0.999),
    FIELD(dispersivity, 1e-6, 1e6),  FIELD(diffusion, 0, 1),     FIELD(retardation, 1, 1e6),
    FIELD(half_life, 0, 1e12),       FIELD(source_days, 0, 1e9), FIELD(length, 1e-3, 1e9),
    FIELD(well_distance, 1e-6, 1e9), FIELD(days, 1e-6, 1e9),
};

#define FIELDS    (sizeof fields / sizeof fields[0])
#define CELLS     FIELDS /* the one integer has the index behind the last real */
#define CELLS_MIN 10
#define CELLS_MAX 100000
#define LINE_SIZE 512

__attribute__((format(printf, 3, 4))) static int fail(char *reason, size_t size,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, size, format, args);
    va_end(args);
    return -1;
}

static double *field_in(struct column *column, size_t field)
{
    return (double *)((char *)column + fields[field].offset);
}

static size_t field_find(const char *name)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (!strcmp(fields[i].name, name))
            return i;
    return strcmp(name, "cells") ? FIELDS + 1 : CELLS;
}

/* Cut the comment and the blanks at both ends, in place. */
static char *trim(char *text)
{
    text[strcspn(text, "#\r\n")] = '\0';
    text += strspn(text, " \t");
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        text[--size] = '\0';
    return text;
}

static bool number_parse(const char *text, double *ret_number)
{
    char *end;
    *ret_number = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*ret_number);
}

/* One `name = value`. Sets *ret_field to which it was. -1 with what is wrong, without the
 * place. */
static int line_parse(char *line, struct column *column, size_t *ret_field, char *reason,
                      size_t size)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return fail(reason, size, "expected `name = value`, found `%s`", line);
    *equals = '\0';
    const char *name = trim(line);
    const char *text = trim(equals + 1);
    size_t field = field_find(name);
    if (field > CELLS)
        return fail(reason, size, "there is no parameter `%s`", name);
    double number;
    if (!number_parse(text, &number))
        return fail(reason, size, "%s must be a number, found `%s`", name, text);
    if (field < CELLS)
        *field_in(column, field) = number;
    else if (number != floor(number) || number < CELLS_MIN || number > CELLS_MAX)
        return fail(reason, size, "cells must be a whole number from %d to %d, found `%s`",
                    CELLS_MIN, CELLS_MAX, text);
    else
        column->cells = (int)number;
    *ret_field = field;
    return 0;
}

static int lines_read(FILE *file, const char *path, struct column *column, bool *seen,
                      char *reason, size_t size)
{
    char line[LINE_SIZE];
    char why[256];
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        if (!strchr(line, '\n') && !feof(file))
            return fail(reason, size, "%s:%d: the line is longer than %d bytes", path, number,
                        LINE_SIZE - 2);
        char *text = trim(line);
        if (!*text)
            continue;
        size_t field = 0;
        if (line_parse(text, column, &field, why, sizeof why) < 0)
            return fail(reason, size, "%s:%d: %s", path, number, why);
        if (seen[field])
            return fail(reason, size, "%s:%d: %s is given twice", path, number,
                        field < CELLS ? fields[field].name : "cells");
        seen[field] = true;
    }
    if (ferror(file))
        return fail(reason, size, "cannot read %s: %s", path, strerror(errno));
    return 0;
}

int column_read(const char *path, struct column *ret_column, char *reason, size_t reason_size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return fail(reason, reason_size, "cannot open %s: %s", path, strerror(errno));
    struct column column = {0};
    bool seen[FIELDS + 1] = {false};
    int result = lines_read(file, path, &column, seen, reason, reason_size);
    fclose(file);
    if (result < 0)
        return -1;
    for (size_t i = 0; i <= CELLS; i++)
        if (!seen[i])
            return fail(reason, reason_size, "%s does not give %s", path,
                        i < CELLS ? fields[i].name : "cells");
    char why[256];
    if (column_check(&column, why, sizeof why) < 0)
        return fail(reason, reason_size, "%s: %s", path, why);
    *ret_column = column;
    return 0;
}

int column_check(const struct column *column, char *reason, size_t reason_size)
{
    for (size_t i = 0; i < FIELDS; i++) {
        double value = *(const double *)((const char *)column + fields[i].offset);
        if (!(value >= fields[i].min && value <= fields[i].max))
            return fail(reason, reason_size, "%s must lie between %g and %g, found %g",
                        fields[i].name, fields[i].min, fields[i].max, value);
    }
    if (column->cells < CELLS_MIN || column->cells > CELLS_MAX)
        return fail(reason, reason_size, "cells must lie between %d and %d, found %d",
                    CELLS_MIN, CELLS_MAX, column->cells);
    if (column->well_distance >= column->length)
        return fail(reason, reason_size,
                    "well_distance (%g m) must be less than length (%g m), so that the outlet "
                    "does not disturb the well",
                    column->well_distance, column->length);
    return 0;
}

double column_velocity(const struct column *column)
{
    return column->conductivity * column->gradient / column->porosity;
}

double column_dispersion(const struct column *column)
{
    return column->dispersivity * column_velocity(column) + column->diffusion;
}

double column_decay(const struct column *column)
{
    return column->half_life > 0 ? log(2) / column->half_life : 0;
}
