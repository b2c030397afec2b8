#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "master/shots/source_filter.h"

/* Of the greatest power. Where there is less, this is divided by instead: nothing is made of what
 * the synthetic data hardly have. Above it the filter is what fits best, to the last bit: to add a
 * share to all powers would leave a wavelet wrong that is exactly in reach. */
#define WATER_LEVEL 1e-6

struct spectrum {
    double df_hz;
    int64_t first;
    size_t count;
    double *cross; /* re, im */
    double *power;
};

static int refuse(struct error *ret_error)
{
    return error_set(ret_error, ERROR_TASKS,
                     "the shot program's estimate of the source is not what "
                     "shot_settings.h describes");
}

static int begin(struct spectrum *sum, double df_hz, int64_t first, size_t count,
                 struct error *ret_error)
{
    sum->df_hz = df_hz;
    sum->first = first;
    sum->count = count;
    sum->cross = calloc(2 * count + 1, sizeof(double));
    sum->power = calloc(count + 1, sizeof(double));
    return sum->cross && sum->power
               ? 0
               : error_set(ret_error, ERROR_SYSTEM, "no memory for the source's spectrum");
}

static bool is_finite_number(const cJSON *item)
{
    return cJSON_IsNumber(item) && isfinite(item->valuedouble);
}

static int add_values(struct spectrum *sum, const cJSON *cross, const cJSON *power)
{
    const cJSON *pair = cross->child, *value = power->child;
    for (size_t i = 0; i < sum->count; i++, pair = pair->next, value = value->next) {
        const cJSON *re = cJSON_GetArrayItem(pair, 0), *im = cJSON_GetArrayItem(pair, 1);
        if (!is_finite_number(re) || !is_finite_number(im) || !is_finite_number(value) ||
            value->valuedouble < 0)
            return -1;
        sum->cross[2 * i] += re->valuedouble;
        sum->cross[2 * i + 1] += im->valuedouble;
        sum->power[i] += value->valuedouble;
    }
    return 0;
}

static int add(struct spectrum *sum, const cJSON *estimate, struct error *ret_error)
{
    const cJSON *cross = json_member(estimate, "cross"),
                *power = json_member(estimate, "power");
    const cJSON *first = json_member(estimate, "first"), *df = json_member(estimate, "df_hz");
    int count = cJSON_GetArraySize(cross);
    if (!cJSON_IsArray(cross) || !cJSON_IsArray(power) || count < 1 ||
        cJSON_GetArraySize(power) != count || !json_is_integer(first) ||
        first->valuedouble < 0 || !is_finite_number(df) || df->valuedouble <= 0)
        return refuse(ret_error);
    if (!sum->cross &&
        begin(sum, df->valuedouble, (int64_t)first->valuedouble, (size_t)count, ret_error) < 0)
        return -1;
    if (sum->df_hz != df->valuedouble || sum->first != (int64_t)first->valuedouble ||
        sum->count != (size_t)count)
        return error_set(ret_error, ERROR_TASKS,
                         "shots have estimated the source at different frequencies");
    return add_values(sum, cross, power) < 0 ? refuse(ret_error) : 0;
}

static double most_of(const struct spectrum *sum)
{
    double most = 0;
    for (size_t i = 0; i < sum->count; i++)
        most = fmax(most, sum->power[i]);
    return most;
}

/* Leave out the ends where there is no power, as at frequencies that do not pass: what is made up
 * there would be taken for the filter beyond. */
static void trim(struct spectrum *sum)
{
    double level = WATER_LEVEL * most_of(sum);
    size_t begin = 0, end = sum->count;
    while (end > 1 && sum->power[end - 1] < level)
        end--;
    while (begin + 1 < end && sum->power[begin] < level)
        begin++;
    sum->first += (int64_t)begin;
    sum->count = end - begin;
    memmove(sum->cross, sum->cross + 2 * begin, 2 * sum->count * sizeof(double));
    memmove(sum->power, sum->power + begin, sum->count * sizeof(double));
}

/* By how much observed data are late, in the mean of all frequencies: the phase goes on so where
 * they end. */
static double delay_of(const struct spectrum *sum)
{
    double re = 0, im = 0;
    for (size_t i = 0; i + 1 < sum->count; i++) {
        const double *a = sum->cross + 2 * i, *b = a + 2;
        re += a[0] * b[0] + a[1] * b[1];
        im += a[1] * b[0] - a[0] * b[1];
    }
    return atan2(im, re) / (2 * M_PI * sum->df_hz);
}

static char *print(const struct spectrum *sum)
{
    struct buf text;
    double most = most_of(sum);
    buf_init(&text, JSON_SIZE_MAX);
    buf_append_text(&text, "{\"df_hz\":");
    json_put_real(&text, sum->df_hz);
    buf_append_text(&text, ",\"delay_s\":");
    json_put_real(&text, delay_of(sum));
    buf_printf(&text, ",\"first\":%lld,\"values\":[", (long long)sum->first);
    for (size_t i = 0; i < sum->count; i++) {
        double divisor = fmax(sum->power[i], WATER_LEVEL * most);
        buf_append_text(&text, i ? ",[" : "[");
        json_put_real(&text, divisor > 0 ? sum->cross[2 * i] / divisor : 0);
        buf_append_text(&text, ",");
        json_put_real(&text, divisor > 0 ? sum->cross[2 * i + 1] / divisor : 0);
        buf_append_text(&text, "]");
    }
    buf_append_text(&text, "]}");
    char *copy = buf_failed(&text) ? NULL : strdup(buf_text(&text));
    buf_fini(&text);
    return copy;
}

char *source_filter_make(const char *const *estimates, size_t count, struct error *ret_error)
{
    struct spectrum sum = {0};
    char *text = NULL;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        cJSON *estimate;
        if (!estimates[i])
            continue;
        rc = json_parse(estimates[i], strlen(estimates[i]), "an estimate of the source",
                        JSON_STRICT, &estimate, ret_error);
        if (rc < 0)
            break;
        rc = add(&sum, estimate, ret_error);
        cJSON_Delete(estimate);
    }
    if (rc == 0 && !sum.cross)
        rc = error_set(ret_error, ERROR_TASKS, "no shot has estimated the source");
    if (rc == 0)
        trim(&sum);
    if (rc == 0 && !(text = print(&sum)))
        error_set(ret_error, ERROR_SYSTEM, "no memory for the source's spectrum");
    free(sum.cross);
    free(sum.power);
    return text;
}
