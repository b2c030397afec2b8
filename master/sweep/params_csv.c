/* params_csv.c - {"csv": "table.csv"}: a row per task, its fields passed exactly as written. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/csv.h"
#include "master/sweep/files.h"
#include "master/sweep/params.h"

struct csv_params {
    struct params base;
    struct csv_table *table;
    const char *file; /* the farm file's text */
};

static void csv_params_close(struct params *params)
{
    struct csv_params *csv = (struct csv_params *)params;

    csv_table_close(csv->table);
    free(csv);
}

static struct params *csv_params_open(const cJSON *spec, const char *folder,
                                      struct error *ret_error)
{
    struct csv_params *csv = calloc(1, sizeof *csv);
    char *path = NULL;

    if (!csv) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a table of parameters");
        return NULL;
    }
    if (!cJSON_IsString(spec) || !*spec->valuestring) {
        error_set(ret_error, ERROR_CONFIG,
                  "$.work.params.csv: expected the name of a CSV file");
        goto fail;
    }
    csv->file = spec->valuestring;
    if (asprintf(&path, "%s%s%s", *csv->file == '/' ? "" : folder, *csv->file == '/' ? "" : "/",
                 csv->file) < 0) {
        path = NULL;
        error_set(ret_error, ERROR_SYSTEM, "no memory for a table of parameters");
        goto fail;
    }
    csv->table = csv_table_open(path, ret_error);
    if (!csv->table) {
        sweep_file_blame(path, ret_error);
        goto fail;
    }
    csv->base.names = csv_table_names(csv->table);
    csv->base.columns = csv_table_columns(csv->table);
    csv->base.rows = (int64_t)csv_table_rows(csv->table);
    if (csv->base.rows == 0) {
        error_set(ret_error, ERROR_CONFIG,
                  "%s: has a header but no rows, so there are no tasks", path);
        goto fail;
    }
    free(path);
    return &csv->base;
fail:
    free(path);
    csv_params_close(&csv->base);
    return NULL;
}

static int csv_params_read(struct params *params, uint64_t row, struct value *values,
                           struct error *ret_error)
{
    struct csv_params *csv = (struct csv_params *)params;
    struct csv_record record;

    if (csv_table_read(csv->table, row, &record, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < params->columns; i++)
        values[i] = (struct value){.kind = VALUE_TEXT,
                                   .text = record.fields[i].text,
                                   .text_size = record.fields[i].size};
    return 0;
}

static const char *csv_params_file(const struct params *params)
{
    return ((const struct csv_params *)params)->file;
}

const struct params_ops params_csv = {
    .kind = "csv",
    .open = csv_params_open,
    .close = csv_params_close,
    .read = csv_params_read,
    .file = csv_params_file,
};
