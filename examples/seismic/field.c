#include "examples/seismic/field.h"

#include <stdio.h>

static int values_write(const struct field *field)
{
    char path[64];
    size_t count = 1;
    for (int i = 0; i < field->dims; i++)
        count *= (size_t)field->points[i];
    snprintf(path, sizeof path, "%s.bin", field->name);
    FILE *data = fopen(path, "wb");
    if (!data)
        return -1;
    size_t written = fwrite(field->values, sizeof(float), count, data);
    return fclose(data) == 0 && written == count ? 0 : -1;
}

static void list_put(FILE *header, const char *key, const struct field *field, int spacings)
{
    fprintf(header, "  \"%s\": [", key);
    for (int i = 0; i < field->dims; i++)
        fprintf(header, "%s%g", i ? ", " : "", spacings ? field->spacing : field->points[i]);
    fprintf(header, "],\n");
}

int field_write(const struct field *field)
{
    char path[64];
    snprintf(path, sizeof path, "%s.json", field->name);
    FILE *header = values_write(field) == 0 ? fopen(path, "w") : NULL;
    if (!header)
        return -1;
    fprintf(header, "{ \"data\": \"%s.bin\",\n", field->name);
    list_put(header, "points", field, 0);
    list_put(header, "spacing_m", field, 1);
    fprintf(header,
            "  \"order\": \"%s\", \"dtype\": \"float32\", \"byte_order\": \"little\",\n"
            "  \"units\": \"%s\" }\n",
            field->dims == 3 ? "xyz" : "xz", field->units);
    return fclose(header) == 0 ? 0 : -1;
}
