/*
 * field.h - a field of a model, written as raw values with a JSON header (docs/shots.md).
 */
#ifndef BEOFARM_EXAMPLES_SEISMIC_FIELD_H
#define BEOFARM_EXAMPLES_SEISMIC_FIELD_H

struct field {
    const char *name;  /* NAME.json, the header, and NAME.bin are written here */
    const char *units; /* "m/s" */
    int dims;          /* 2: x and z; 3: x, y and z */
    int points[3];
    double spacing;      /* metres, along all axes */
    const float *values; /* z fastest */
};

/* 0, or -1 when the disk does not take them. */
int field_write(const struct field *field);

#endif
