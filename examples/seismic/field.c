#include "examples/seismic/field.h"

#include <stdio.h>

static int values_write(const struct field_grid *grid, const char *name, const float *values)
{
    char path[64];
    size_t count = 1;
    for (int i = 0; i < grid->dims; i++)
        count *= (size_t)grid->points[i];
    snprintf(path, sizeof path, "%s.bin", name);
    FILE *data = fopen(path, "wb");
    if (!data)
        return -1;
    size_t written = fwrite(values, sizeof(float), count, data);
    return fclose(data) == 0 && written == count ? 0 : -1;
}

static void list_put(FILE *header, const char *key, const struct field_grid *grid, int spacings)
{
    fprintf(header, "  \"%s\": [", key);
    for (int i = 0; i < grid->dims; i++)
        fprintf(header, "%s%g", i ? ", " : "", spacings ? grid->spacing : grid->points[i]);
    fprintf(header, "],\n");
}

int field_write(const struct field_grid *grid, const char *name, const char *units,
                const float *values)
{
    char path[64];
    snprintf(path, sizeof path, "%s.json", name);
    FILE *header = values_write(grid, name, values) == 0 ? fopen(path, "w") : NULL;
    if (!header)
        return -1;
    fprintf(header, "{ \"data\": \"%s.bin\",\n", name);
    list_put(header, "points", grid, 0);
    list_put(header, "spacing_m", grid, 1);
    fprintf(header,
            "  \"order\": \"%s\", \"dtype\": \"float32\", \"byte_order\": \"little\",\n"
            "  \"units\": \"%s\" }\n",
            grid->dims == 3 ? "xyz" : "xz", units);
    return fclose(header) == 0 ? 0 : -1;
}
