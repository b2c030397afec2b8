/*
 * params.h - the table of parameters of a sweep: one row per task, one column per name.
 *
 * Where it comes from is told by the one key of "work.params", and each kind is a member of the
 * array in params.c: `csv` (a file), `grid` (every combination), `list` (rows as they stand in
 * farm.json), `random` (a seeded sample). Any row can be had at any time; beyond the farm file
 * itself a table keeps at most 8 bytes per row.
 */
#ifndef BEOFARM_MASTER_SWEEP_PARAMS_H
#define BEOFARM_MASTER_SWEEP_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/values.h"

#define PARAMS_ROWS_MAX (INT64_C(1) << 53) /* beyond it JSON's numbers are not exact */

struct params;

struct params_ops {
    const char *kind; /* the key */

    /* `spec` is what stands under the key (borrowed until close); relative paths start at
     * `folder`. NULL with a sentence (ERROR_CONFIG). */
    struct params *(*open)(const cJSON *spec, const char *folder, struct error *ret_error);
    void (*close)(struct params *params);

    /* Fill `columns` values for row `row`, 0 <= row < rows. Texts are borrowed until the next
     * call. 0 or -1 (a file that cannot be read any more). */
    int (*read)(struct params *params, uint64_t row, struct value *values,
                struct error *ret_error);

    /* The file that it reads, as written in the spec; NULL if none. */
    const char *(*file)(const struct params *params);
};

/* What every member begins with. */
struct params {
    const struct params_ops *ops;
    const char *const *names; /* `columns` of them */
    size_t columns;
    int64_t rows;
};

/* Open what work.params says. Names have been checked: different, usable in places and as
 * environment variables, none of them taken. NULL with a sentence that begins with a JSON path
 * or a file's name. */
struct params *params_open(const cJSON *spec, const char *folder, struct error *ret_error);

/* A table without rows, where the names alone are known beforehand: `names` is a JSON array of
 * texts (borrowed until close). NULL with a sentence that begins with "$.work.params". */
struct params *params_open_names(const cJSON *names, struct error *ret_error);

/* See params_ops. */
int params_read(struct params *params, uint64_t row, struct value *values,
                struct error *ret_error);
const char *params_file(const struct params *params); /* may be NULL */
void params_close(struct params *params);             /* NULL is allowed */

/* For the members: a JSON number, text or boolean as a value (its text borrowed); -1 with a
 * sentence that begins with `where`. */
int params_scalar(const cJSON *item, const char *where, struct value *ret_value,
                  struct error *ret_error);

/* Whether the names can be places and environment variables. 0 or -1. */
int params_check_names(const struct params *params, struct error *ret_error);

/* Round to so many significant digits, so that the points of a range are the decimal numbers that
 * one expects: 0.3, not 0.30000000000000004. */
double params_round(double real, int digits);

extern const struct params_ops params_csv, params_grid, params_list, params_random;

#endif
