#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "master/shots/terms.h"

#define GRID_TEXT_MAX 96

static const char *sum_of(const struct terms *terms)
{
    return terms->exact ? "exact" : "double";
}

int terms_note(const struct terms *terms, struct buf *note)
{
    buf_printf(note,
               "{\"terms\":{\"operation\":\"%s\",\"sum\":\"%s\",\"shots\":%zu,"
               "\"points\":[%zu,%zu,%zu]",
               terms->operation, sum_of(terms), terms->shots, terms->n[GRID_X],
               terms->n[GRID_Y], terms->n[GRID_Z]);
    if (*terms->traces)
        buf_printf(note, ",\"traces\":\"%s\"", terms->traces);
    if (*terms->misfits)
        buf_printf(note, ",\"misfits\":\"%s\"", terms->misfits);
    buf_append_text(note, "}}");
    return buf_failed(note) ? -1 : 0;
}

static int changed(struct error *ret_error, const char *what, const char *then, const char *now)
{
    return error_set(ret_error, ERROR_CHANGED,
                     "this run began with %s %s, where now there is %s: what it has computed "
                     "would not fit; put it back and resume with --accept-changes, or begin a "
                     "new run",
                     what, then, now);
}

/* Runs that are older than such a term have none. */
static int text_compare(const char *what, const char *now, const cJSON *then,
                        struct error *ret_error)
{
    const char *text = cJSON_GetStringValue(then);
    if (!text || !*now || strcmp(text, now) == 0)
        return 0;
    return changed(ret_error, what, text, now);
}

static void grid_text(double x, double y, double z, char text[GRID_TEXT_MAX])
{
    snprintf(text, GRID_TEXT_MAX, "%.0f x %.0f x %.0f points", x, y, z);
}

int terms_compare(const struct terms *now, const cJSON *said, struct error *ret_error)
{
    const char *operation = cJSON_GetStringValue(json_member(said, "operation"));
    const char *sum = cJSON_GetStringValue(json_member(said, "sum"));
    const cJSON *shots = json_member(said, "shots"), *points = json_member(said, "points");
    double n[GRID_AXES];
    bool fits = operation && sum && cJSON_IsNumber(shots);
    for (int axis = 0; axis < GRID_AXES; axis++) {
        const cJSON *item = cJSON_GetArrayItem(points, axis);
        fits &= cJSON_IsNumber(item);
        n[axis] = cJSON_IsNumber(item) ? item->valuedouble : 0;
    }
    if (!fits)
        return error_set(ret_error, ERROR_SYSTEM,
                         "the journal has a note of other terms than these; start a new run");
    char then[GRID_TEXT_MAX], here[GRID_TEXT_MAX];
    if (!now->operation)
        return 0;
    if (strcmp(operation, now->operation) != 0)
        return changed(ret_error, "the operation", operation, now->operation);
    if (strcmp(sum, sum_of(now)) != 0)
        return changed(ret_error, "the sum", sum, sum_of(now));
    if (shots->valuedouble != (double)now->shots) {
        snprintf(then, sizeof(then), "%.0f", shots->valuedouble);
        snprintf(here, sizeof(here), "%zu", now->shots);
        return changed(ret_error, "a number of shots of", then, here);
    }
    grid_text(n[GRID_X], n[GRID_Y], n[GRID_Z], then);
    grid_text((double)now->n[GRID_X], (double)now->n[GRID_Y], (double)now->n[GRID_Z], here);
    if (strcmp(then, here) != 0)
        return changed(ret_error, "a model of", then, here);
    if (text_compare("traces of", now->traces, json_member(said, "traces"), ret_error) < 0)
        return -1;
    return text_compare("misfits of", now->misfits, json_member(said, "misfits"), ret_error);
}
