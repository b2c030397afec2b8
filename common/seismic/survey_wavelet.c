#include "config.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/seismic/survey_private.h"

#define TEXT_MAX ((size_t)64 << 20)

static int values_alloc(struct survey *survey, size_t count, struct error *ret_error)
{
    survey->state->wavelet = calloc(count, sizeof(float));
    if (!survey->state->wavelet)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the wavelet");
    survey->wavelet.values = survey->state->wavelet;
    survey->wavelet.count = count;
    return 0;
}

static int inline_read(struct survey *survey, const cJSON *list, struct error *ret_error)
{
    size_t i = 0;
    if (values_alloc(survey, (size_t)cJSON_GetArraySize(list), ret_error) < 0)
        return -1;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (!(fabs(item->valuedouble) <= (double)FLT_MAX))
            return error_set(ret_error, ERROR_CONFIG, "$.wavelet.values[%zu]: is too large", i);
        survey->state->wavelet[i++] = (float)item->valuedouble;
    }
    return 0;
}

/* A header that says when the first sample comes is obeyed; the survey may say the same, and, where
 * the header says zero, anything. */
static int delay_take(struct survey *survey, const struct segy *segy,
                      const struct segy_trace *trace, struct error *ret_error)
{
    bool told = json_member(json_member(survey->root, "wavelet"), "delay_s");
    double delay_s, said_s = survey->wavelet.delay_s;
    if (segy_delay(segy, trace, &delay_s, ret_error) < 0)
        return -1;
    if (told && delay_s != 0 && fabs(said_s - delay_s) > 1e-9)
        return error_set(
            ret_error, ERROR_CONFIG,
            "$.wavelet.delay_s: is %g, but the header of %s says %g s; leave it out, or "
            "give the samples as a text",
            said_s, segy_path(segy), delay_s);
    survey->wavelet.delay_s = told ? said_s : delay_s;
    return 0;
}

/* The first trace. */
static int segy_read(struct survey *survey, const char *path, struct error *ret_error)
{
    struct segy_options plain = {0};
    struct segy_trace trace;
    struct segy *segy = segy_open(path, &plain, ret_error);
    int status = segy ? segy_next(segy, &trace, ret_error) : -1;
    if (status == 0)
        status = error_set(ret_error, ERROR_CONFIG, "%s: there are no traces in it", path);
    if (status > 0)
        status = values_alloc(survey, trace.samples, ret_error);
    if (status == 0)
        status = segy_samples_read(segy, &trace, 0, trace.samples, survey->state->wavelet,
                                   ret_error);
    if (status == 0)
        status = delay_take(survey, segy, &trace, ret_error);
    if (status == 0 && !(survey->wavelet.interval_s > 0))
        survey->wavelet.interval_s = trace.interval * 1e-6;
    segy_close(segy);
    return status;
}

/* Numbers between blanks and commas; # begins a comment. With `values` NULL they are counted. */
static int numbers_read(const char *text, const char *path, float *values, size_t *ret_count,
                        struct error *ret_error)
{
    size_t count = 0, line = 1;
    for (const char *at = text; *at;) {
        if (*at == '#')
            at += strcspn(at, "\n");
        if (isspace((unsigned char)*at) || *at == ',') {
            line += *at++ == '\n';
            continue;
        }
        char *end;
        double value = strtod(at, &end);
        if (*at && (end == at || !(fabs(value) <= (double)FLT_MAX)))
            return error_set(ret_error, ERROR_CONFIG,
                             "%s:%zu: \"%.*s\" is no number that a float "
                             "holds",
                             path, line, (int)strcspn(at, " ,\t\r\n"), at);
        if (!*at)
            break;
        if (values)
            values[count] = (float)value;
        count++;
        at = end;
    }
    *ret_count = count;
    return 0;
}

/* How many numbers a line has, and whether a comma with no blank beside it is between them. */
static size_t line_count(const char *line, size_t length, bool *ret_comma)
{
    size_t count = 0, at = 0;
    *ret_comma = false;
    while (at < length) {
        at += strspn(line + at, " ,\t\r");
        if (at >= length)
            break;
        *ret_comma |= at > 1 && line[at - 1] == ',' && isdigit((unsigned char)line[at - 2]);
        count++;
        at += strcspn(line + at, " ,\t\r\n");
    }
    return count;
}

/* What two numbers on a line may be: times and values, or one number with a comma in it. */
static int pairs_check(const char *text, const char *path, struct error *ret_error)
{
    size_t lines = 0, pairs = 0, commas = 0, most = 0;
    for (const char *at = text; *at; at += *at == '\n') {
        bool comma;
        size_t count = line_count(at, strcspn(at, "#\n"), &comma);
        lines += count > 0;
        pairs += count == 2;
        commas += count == 2 && comma;
        most = count > most ? count : most;
        at += strcspn(at, "\n");
    }
    if (lines < 2 || most != 2 || (pairs < lines && commas < pairs))
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        commas < pairs
            ? "%s: has two numbers on each line: if the first are times, leave them "
              "out, and say \"interval_ms\" and \"delay_s\"; else write one on each line"
            : "%s: has lines of two numbers with a comma between them: write one on "
              "each line, with a decimal point",
        path);
}

static int text_read(struct survey *survey, const char *path, struct error *ret_error)
{
    char *text;
    size_t size, count;
    if (!(survey->wavelet.interval_s > 0))
        return error_set(ret_error, ERROR_CONFIG,
                         "$.wavelet.interval_ms: is missing; a text does not say it");
    if (json_read_text(path, TEXT_MAX, &text, &size, ret_error) < 0)
        return -1;
    int status = numbers_read(text, path, NULL, &count, ret_error);
    if (status == 0 && (count < 2 || strlen(text) != size))
        status =
            error_set(ret_error, ERROR_CONFIG, "%s: is no list of two or more numbers", path);
    if (status == 0)
        status = values_alloc(survey, count, ret_error);
    if (status == 0)
        status = numbers_read(text, path, survey->state->wavelet, &count, ret_error);
    if (status == 0)
        status = pairs_check(text, path, ret_error);
    free(text);
    return status;
}

static int file_read(struct survey *survey, const char *said, struct error *ret_error)
{
    char *path = survey_path(survey, said);
    if (!path)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int status = survey_file_add(survey, said, false, ret_error);
    if (status == 0)
        status = model_format_of(said) == MODEL_SEGY ? segy_read(survey, path, ret_error)
                                                     : text_read(survey, path, ret_error);
    free(path);
    return status;
}

int survey_wavelet_read(struct survey *survey, struct error *ret_error)
{
    const cJSON *object = json_member(survey->root, "wavelet");
    const char *kind, *path;
    double interval_ms;
    struct survey_wavelet *wavelet = &survey->wavelet;
    if (json_get_text(object, "$.wavelet", "kind", "ricker", &kind, ret_error) < 0 ||
        json_get_real(object, "$.wavelet", "peak_hz", 0, &wavelet->peak_hz, ret_error) < 0 ||
        json_get_real(object, "$.wavelet", "amplitude", 1, &wavelet->amplitude, ret_error) <
            0 ||
        json_get_real(object, "$.wavelet", "interval_ms", 0, &interval_ms, ret_error) < 0 ||
        json_get_text(object, "$.wavelet", "path", NULL, &path, ret_error) < 0)
        return -1;
    bool ricker = !strcmp(kind, "ricker");
    double usual = ricker ? 1 / wavelet->peak_hz : 0;
    if (json_get_real(object, "$.wavelet", "delay_s", usual, &wavelet->delay_s, ret_error) < 0)
        return -1;
    wavelet->kind = ricker ? SURVEY_RICKER : SURVEY_SAMPLED;
    wavelet->interval_s = interval_ms * 1e-3;
    if (ricker)
        return 0;
    return path ? file_read(survey, path, ret_error)
                : inline_read(survey, json_member(object, "values"), ret_error);
}
