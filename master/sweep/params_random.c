/*
 * params_random.c - {"random": {"count", "seed", "params": {NAME: distribution, …}}}: a sample.
 *
 * The value of a task's parameter depends on the seed, the parameter's place in the list and the
 * task's number alone (random.h).
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "master/sweep/params.h"
#include "master/sweep/portable.h"
#include "master/sweep/random.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF /* see portable.c */
#endif

#define WHERE "$.work.params.random"

enum distribution { UNIFORM, LOG_UNIFORM, NORMAL, CHOICE, DISTRIBUTIONS };

static const char *const distribution_names[DISTRIBUTIONS] = {"uniform", "log_uniform",
                                                              "normal", "choice"};

struct column {
    enum distribution distribution;
    double a, b;      /* the bounds (of log_uniform: their logarithms), or mean and deviation */
    double low, high; /* log_uniform: the bounds themselves */
    struct value *choices;
    uint64_t choice_count;
};

struct random_params {
    struct params base;
    uint64_t seed;
    const char **names;
    struct column *columns;
};

static void random_close(struct params *params)
{
    struct random_params *random = (struct random_params *)params;

    for (size_t i = 0; random->columns && i < random->base.columns; i++)
        free(random->columns[i].choices);
    free(random->columns);
    free(random->names);
    free(random);
}

static int choices_open(struct column *column, const cJSON *list, const char *where,
                        struct error *ret_error)
{
    const cJSON *item;
    size_t i = 0;

    column->choice_count = (uint64_t)cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || column->choice_count == 0)
        return error_set(ret_error, ERROR_CONFIG, "%s: expected a list of one value or more",
                         where);
    column->choices = calloc(column->choice_count, sizeof *column->choices);
    if (!column->choices)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory for the list", where);
    cJSON_ArrayForEach(item, list) if (params_scalar(item, where, &column->choices[i++],
                                                     ret_error) < 0) return -1;
    return 0;
}

static int numbers_open(struct column *column, const cJSON *list, const char *where,
                        struct error *ret_error)
{
    const cJSON *a = cJSON_GetArrayItem(list, 0), *b = cJSON_GetArrayItem(list, 1);

    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != 2 || !cJSON_IsNumber(a) ||
        !cJSON_IsNumber(b))
        return error_set(ret_error, ERROR_CONFIG, "%s: expected two numbers, [%s]", where,
                         column->distribution == NORMAL ? "mean, standard deviation"
                                                        : "low, high");
    column->a = a->valuedouble;
    column->b = b->valuedouble;
    if (column->distribution == NORMAL)
        return column->b >= 0 && isfinite(column->a) && isfinite(column->b)
                   ? 0
                   : error_set(ret_error, ERROR_CONFIG,
                               "%s: the standard deviation is negative, or a number too large",
                               where);
    if (!(column->a < column->b) || !isfinite(column->b - column->a))
        return error_set(ret_error, ERROR_CONFIG, "%s: the low end must be below the high end",
                         where);
    if (column->distribution == LOG_UNIFORM) {
        if (column->a <= 0)
            return error_set(ret_error, ERROR_CONFIG, "%s: both ends must be above 0", where);
        column->low = column->a;
        column->high = column->b;
        column->a = portable_log(column->a);
        column->b = portable_log(column->b);
    }
    return 0;
}

static int column_open(struct column *column, const cJSON *spec, struct error *ret_error)
{
    const cJSON *only = cJSON_IsObject(spec) ? spec->child : NULL;
    char where[1024];
    int kind = 0;

    snprintf(where, sizeof where, WHERE ".params.%.900s", spec->string);
    while (only && kind < DISTRIBUTIONS && strcmp(distribution_names[kind], only->string) != 0)
        kind++;
    if (!only || only->next || kind == DISTRIBUTIONS)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: expected one of {\"uniform\": [low, high]}, {\"log_uniform\": [low, "
            "high]}, {\"normal\": [mean, deviation]}, {\"choice\": [values]}",
            where);
    column->distribution = (enum distribution)kind;
    snprintf(where, sizeof where, WHERE ".params.%.900s.%s", spec->string, only->string);
    return kind == CHOICE ? choices_open(column, only, where, ret_error)
                          : numbers_open(column, only, where, ret_error);
}

static int columns_open(struct random_params *random, const cJSON *list,
                        struct error *ret_error)
{
    const cJSON *item;
    size_t i = 0, columns = cJSON_IsObject(list) ? (size_t)cJSON_GetArraySize(list) : 0;

    if (columns == 0)
        return error_set(ret_error, ERROR_CONFIG, WHERE ".params: names no parameter");
    random->names = calloc(columns, sizeof *random->names);
    random->columns = calloc(columns, sizeof *random->columns);
    if (!random->names || !random->columns)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a sample of parameters");
    random->base.names = random->names;
    random->base.columns = columns;
    cJSON_ArrayForEach(item, list)
    {
        random->names[i] = item->string;
        if (column_open(&random->columns[i++], item, ret_error) < 0)
            return -1;
    }
    return 0;
}

static struct params *random_open(const cJSON *spec, const char *folder,
                                  struct error *ret_error)
{
    struct random_params *random = calloc(1, sizeof *random);
    int64_t seed;

    (void)folder;
    if (!random) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a sample of parameters");
        return NULL;
    }
    if (!json_need(spec, WHERE, "count", ret_error) ||
        json_get_integer(spec, WHERE, "count", 0, &random->base.rows, ret_error) < 0 ||
        json_get_integer(spec, WHERE, "seed", 1, &seed, ret_error) < 0 ||
        columns_open(random, json_member(spec, "params"), ret_error) < 0)
        goto fail;
    random->seed = (uint64_t)seed;
    if (random->base.rows < 1) {
        error_set(ret_error, ERROR_CONFIG, WHERE ".count: expected 1 or more");
        goto fail;
    }
    return &random->base;
fail:
    random_close(&random->base);
    return NULL;
}

static double between(double low, double high, double x)
{
    return x < low ? low : x > high ? high : x;
}

static int random_read(struct params *params, uint64_t row, struct value *values,
                       struct error *ret_error)
{
    const struct random_params *random = (const struct random_params *)params;

    (void)ret_error;
    for (uint32_t i = 0; i < params->columns; i++) {
        const struct column *column = &random->columns[i];
        double u = random_uniform(random->seed, i, row),
               x = column->a + (column->b - column->a) * u;

        values[i] = (struct value){.kind = VALUE_REAL};
        if (column->distribution == UNIFORM)
            values[i].real = between(column->a, column->b, x);
        else if (column->distribution == LOG_UNIFORM)
            values[i].real = between(column->low, column->high, portable_exp(x));
        else if (column->distribution == NORMAL)
            values[i].real = column->a + column->b * random_normal_quantile(u);
        else
            values[i] =
                column->choices[random_index(random->seed, i, row, column->choice_count)];
    }
    return 0;
}

const struct params_ops params_random = {
    .kind = "random",
    .open = random_open,
    .close = random_close,
    .read = random_read,
};
