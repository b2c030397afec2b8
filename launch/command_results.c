/*
 * beofarm results: results.csv, made again first where the master could not finish it.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/csv.h"
#include "common/json.h"
#include "launch/command.h"
#include "launch/results.h"
#include "launch/screen.h"
#include "launch/view.h"

#define FLUSH_SIZE ((size_t)64 << 10)

struct results_options {
    bool json, csv;
};

static const struct command_option options[] = {
    {"csv", 0, NULL, "print results.csv as it is (also without any option)", OPTION_FLAG,
     offsetof(struct results_options, csv), 0},
    {"json", 0, NULL, "print a JSON array of objects, a task on each line", OPTION_FLAG,
     offsetof(struct results_options, json), 0},
};

static int csv_copy(const char *path, struct error *ret_error)
{
    static char block[256 << 10];
    size_t size;
    FILE *file = fopen(path, "r");
    if (!file)
        return error_errno(ret_error, errno, "\"%s\" cannot be opened", path);
    while ((size = fread(block, 1, sizeof block, file)) > 0 &&
           fwrite(block, 1, size, stdout) == size)
        ;
    int rc = ferror(file) ? error_errno(ret_error, errno, "\"%s\" cannot be read", path) : 0;
    fclose(file);
    return rc;
}

/* A number where JSON can say it, null where there is nothing, a text otherwise. */
static void field_print(struct buf *buf, const struct csv_field *field)
{
    char *end;
    bool numeric = field->size > 0 && strchr("-0123456789", field->text[0]) &&
                   !strpbrk(field->text, "xXpPnN");
    double number = numeric ? strtod(field->text, &end) : 0.0;
    if (field->size == 0)
        buf_append_text(buf, "null");
    else if (numeric && !*end && isfinite(number))
        json_put_real(buf, number);
    else
        json_put_text(buf, field->text, field->size);
}

static void row_print(struct buf *buf, const char *const *names,
                      const struct csv_record *record)
{
    buf_append_text(buf, "{");
    for (size_t i = 0; i < record->count; i++) {
        buf_append_text(buf, i ? "," : "");
        json_put_text(buf, names[i], strlen(names[i]));
        buf_append_text(buf, ":");
        field_print(buf, &record->fields[i]);
    }
    buf_append_text(buf, "}");
}

static int rows_print(struct csv_table *table, struct error *ret_error)
{
    struct buf buf;
    uint64_t rows = csv_table_rows(table);
    int rc = 0;
    buf_init(&buf, 2 * CSV_RECORD_MAX + FLUSH_SIZE);
    buf_append_text(&buf, "[");
    for (uint64_t row = 0; rc == 0 && row < rows && !ferror(stdout); row++) {
        struct csv_record record;
        rc = csv_table_read(table, row, &record, ret_error);
        buf_append_text(&buf, row ? ",\n" : "\n");
        if (rc == 0)
            row_print(&buf, csv_table_names(table), &record);
        if (rc == 0 && buf_failed(&buf))
            rc = error_set(ret_error, ERROR_SYSTEM, "no memory for row %llu of the results",
                           (unsigned long long)row + 1);
        if (buf.size >= FLUSH_SIZE) {
            fwrite(buf.data, 1, buf.size, stdout);
            buf_clear(&buf);
        }
    }
    buf_append_text(&buf, "\n]\n");
    if (rc == 0)
        fwrite(buf.data, 1, buf.size, stdout);
    buf_fini(&buf);
    return rc;
}

static int json_print(const char *path, struct error *ret_error)
{
    struct csv_table *table = csv_table_open(path, ret_error);
    if (!table)
        return -1;
    int rc = rows_print(table, ret_error);
    csv_table_close(table);
    return rc;
}

/* Beside the results, which are on stdout. */
static void sentence_print(void *context, const char *sentence)
{
    (void)context;
    screen_put_text(stderr, sentence);
    fputc('\n', stderr);
}

static int results_do(const void *values, char **arguments, size_t count,
                      struct error *ret_error)
{
    const struct results_options *given = values;
    struct view view = {0};
    if (given->json && given->csv)
        return error_set(ret_error, ERROR_USAGE, "choose one of --json and --csv");
    int code = view_open(count > 0 ? arguments[0] : NULL, &view, ret_error);
    if (code == 0 && view.backend->ops->results_bring) {
        struct backend_listener listener = {.say = sentence_print};
        struct error why;
        if (results_revive(&view, &why) != 0) /* what was left before is there all the same */
            sentence_print(NULL, why.text);
        code = view.backend->ops->results_bring(view.backend, &listener, ret_error);
    }
    char *path = code == 0 ? results_prepare(&view, ret_error) : NULL;
    if (path)
        code = given->json ? json_print(path, ret_error) : csv_copy(path, ret_error);
    else
        code = -1;
    free(path);
    if (view.rundir.path)
        view_close(&view);
    return code;
}

const struct command command_results = {
    .name = "results",
    .arguments = "[RUN | FARM.json]",
    .summary = "Print the results, one row per task that ended",
    .details =
        "RUN is a run directory; without it, the newest in ./runs is meant. If the master\n"
        "died, results.csv is first made again from the journal.\n",
    COMMAND_OPTIONS(options),
    .options_size = sizeof(struct results_options),
    .arguments_max = 1,
    .run = results_do,
};
