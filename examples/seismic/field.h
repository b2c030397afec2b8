/*
 * field.h - fields of a model, written as raw values with a JSON header (docs/shots.md).
 */
#ifndef BEOFARM_EXAMPLES_SEISMIC_FIELD_H
#define BEOFARM_EXAMPLES_SEISMIC_FIELD_H

struct field_grid {
    int dims; /* 2: x and z; 3: x, y and z */
    int points[3];
    double spacing; /* metres, along all axes */
};

/* Write a field's values (z fastest) to NAME.json, the header, and NAME.bin; units are such as
 * "m/s". 0, or -1 when the disk does not take them. */
int field_write(const struct field_grid *grid, const char *name, const char *units,
                const float *values);

#endif
