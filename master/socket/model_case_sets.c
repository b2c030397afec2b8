/*
 * A PEST case. What is kept of a set is, in this order: a fingerprint of the names in the control
 * file, what its client wishes (enum wish_flag, and which observations, as runs of some to pass
 * over and some to tell), and a value for every parameter, as submitted: native, not rounded. So
 * the task is made the same by every master, and the result can say what became of the values.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "common/json.h"
#include "common/nearest.h"
#include "common/wire.h"
#include "master/socket/model_case_private.h"

/* A tied parameter that is submitted must have what it follows; printed with 7 digits, as single
 * precision is, that is 5e-7 off at most. */
#define TIED_TOLERANCE 1e-6

enum wish_flag {
    WISH_CHOSEN = 1,  /* not all observations */
    WISH_WRITTEN = 2, /* tell the values as written */
};

/* ---- wishes ---- */

/* The nearest place that has one of these members; `b` may be NULL. */
static const cJSON *place_of(model_places places, const char *a, const char *b)
{
    for (size_t i = 0; i < MODEL_PLACES; i++)
        if (json_member(places[i], a) || (b && json_member(places[i], b)))
            return places[i];
    return NULL;
}

static int flag_read(model_places places, const char *name, bool fallback, bool *ret,
                     struct error *ret_error)
{
    const cJSON *item = json_member(place_of(places, name, NULL), name);
    if (item && !cJSON_IsBool(item))
        return error_set(ret_error, ERROR_CONFIG, "\"%s\" must be true or false, not %s", name,
                         json_type_name(item));
    *ret = item ? cJSON_IsTrue(item) : fallback;
    return 0;
}

/* Call `choose` for the place of each name that a list holds. */
static int names_take(struct model *model, const cJSON *list, const char *what,
                      const struct pest_index *index,
                      void (*choose)(struct model *model, int place), struct error *ret_error)
{
    const cJSON *item;
    if (list && !cJSON_IsArray(list))
        return error_set(ret_error, ERROR_CONFIG, "\"%ss\" must be an array of names, not %s",
                         what, json_type_name(list));
    cJSON_ArrayForEach(item, list)
    {
        const char *name = cJSON_GetStringValue(item);
        int place = name ? pest_index_find(index, name, strlen(name)) : -1;
        if (!name)
            return error_set(ret_error, ERROR_CONFIG, "\"%ss\" must have names, not %s", what,
                             json_type_name(item));
        if (place < 0) {
            const char *near = pest_index_nearest(index, name, strlen(name));
            return error_set(ret_error, ERROR_CONFIG, "there is no %s \"%.200s\"%s",
                             strcmp(what, "group") == 0 ? "observation group" : what, name,
                             nearest_hint(near).text);
        }
        choose(model, place);
    }
    return 0;
}

static void choose_observation(struct model *model, int place)
{
    model->chosen[place] = true;
}

static void choose_group(struct model *model, int place)
{
    for (size_t o = 0; o < model->control->observation_count; o++)
        if (model->control->observations[o].obgnme == place)
            model->chosen[o] = true;
}

/* *ret_chosen: whether there is a choice, which then is in model->chosen. */
static int choice_read(struct model *model, model_places places, bool *ret_chosen,
                       struct error *ret_error)
{
    const struct pest_control *control = model->control;
    const cJSON *place = place_of(places, "observations", "groups");
    *ret_chosen = place != NULL;
    memset(model->chosen, 0, control->observation_count * sizeof(bool));
    if (names_take(model, json_member(place, "observations"), "observation",
                   control->observation_index, choose_observation, ret_error) < 0)
        return -1;
    return names_take(model, json_member(place, "groups"), "group",
                      control->observation_group_index, choose_group, ret_error);
}

int set_heed(struct model *model, model_places places, struct error *ret_error)
{
    bool ignored;
    return choice_read(model, places, &ignored, ret_error) < 0 ||
                   flag_read(places, "check", false, &ignored, ret_error) < 0 ||
                   flag_read(places, "written", true, &ignored, ret_error) < 0
               ? -1
               : 0;
}

/* ---- sets ---- */

static int value_read(struct model *model, size_t p, const cJSON *item, struct error *ret_error)
{
    const char *name = model->control->parameters[p].parnme;
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
        return error_set(ret_error, ERROR_CONFIG, "params.%.200s must be a number, not %s",
                         name, json_type_name(item));
    if (model->given[p])
        return error_set(ret_error, ERROR_CONFIG,
                         "the parameter \"%.200s\" is there twice (case does not matter)",
                         name);
    model->given[p] = true;
    model->values[p] = item->valuedouble;
    return 0;
}

static int values_by_name(struct model *model, const cJSON *params, struct error *ret_error)
{
    const struct pest_index *index = model->control->parameter_index;
    const cJSON *item;
    cJSON_ArrayForEach(item, params)
    {
        size_t size = strlen(item->string);
        int p = pest_index_find(index, item->string, size);
        if (p < 0) {
            const char *near = pest_index_nearest(index, item->string, size);
            return error_set(ret_error, ERROR_CONFIG, "there is no parameter \"%.200s\"%s",
                             item->string, nearest_hint(near).text);
        }
        if (value_read(model, (size_t)p, item, ret_error) < 0)
            return -1;
    }
    return 0;
}

static int values_by_order(struct model *model, const cJSON *params, struct error *ret_error)
{
    const cJSON *item;
    size_t c = 0, count = (size_t)cJSON_GetArraySize(params);
    if (count != model->parameters.count)
        return error_set(ret_error, ERROR_CONFIG,
                         "\"params\" has %zu values; there are %zu adjustable parameters",
                         count, model->parameters.count);
    cJSON_ArrayForEach(item, params)
    {
        if (value_read(model, (size_t)model->parameters.index[c++], item, ret_error) < 0)
            return -1;
    }
    return 0;
}

/* Tied parameters follow; those that were given must agree. `given` has what was submitted. */
static int ties_apply(struct model *model, struct error *ret_error)
{
    const struct pest_control *control = model->control;
    memcpy(model->written, model->values, control->parameter_count * sizeof(double));
    glm_parameters_follow(&model->parameters, model->values);
    for (size_t p = 0; p < control->parameter_count; p++) {
        const struct pest_parameter *it = &control->parameters[p];
        double said = model->written[p], follows = model->values[p];
        if (it->partrans == PEST_TIED && model->given[p] &&
            !(fabs(said - follows) <= TIED_TOLERANCE * fabs(follows)))
            return error_set(
                ret_error, ERROR_CONFIG,
                "the parameter \"%.200s\" is tied to \"%.200s\" and follows it (to "
                "%.7g, not %.7g); leave it out",
                it->parnme, control->parameters[it->tied_to].parnme, follows, said);
    }
    return 0;
}

static int bounds_check(const struct model *model, struct error *ret_error)
{
    for (size_t c = 0; c < model->parameters.count; c++) {
        int p = model->parameters.index[c];
        const struct pest_parameter *it = &model->control->parameters[p];
        double value = model->values[p];
        bool below = value < it->parlbnd;
        if (below || value > it->parubnd)
            return error_set(ret_error, ERROR_CONFIG,
                             "the parameter \"%.200s\" is %.7g, %s its %s bound %.7g",
                             it->parnme, value, below ? "below" : "above",
                             below ? "lower" : "upper", below ? it->parlbnd : it->parubnd);
    }
    return 0;
}

static int values_take(struct model *model, model_places places, struct error *ret_error)
{
    const struct pest_control *control = model->control;
    const cJSON *params = json_member(places[0], "params");
    bool check;
    memset(model->given, 0, control->parameter_count * sizeof(bool));
    memcpy(model->values, model->parameters.initial, control->parameter_count * sizeof(double));
    int rc = cJSON_IsObject(params)  ? values_by_name(model, params, ret_error)
             : cJSON_IsArray(params) ? values_by_order(model, params, ret_error)
                                     : error_set(ret_error, ERROR_CONFIG,
                                                 "\"params\" must be an object of parameters "
                                                 "and values (or an array of values of the "
                                                 "adjustable parameters, in their order)");
    if (rc < 0 || ties_apply(model, ret_error) < 0 ||
        flag_read(places, "check", false, &check, ret_error) < 0 ||
        (check && bounds_check(model, ret_error) < 0))
        return -1;
    /* What fits into no field is the client's mistake, and told at once. */
    memcpy(model->written, model->values, control->parameter_count * sizeof(double));
    return problem_round(model->problem, model->written, ret_error);
}

/* Runs of observations: so many to pass over, so many to tell; until there are no more. */
static void choice_put(const struct model *model, struct buf *kept)
{
    size_t count = model->control->observation_count, o = 0;
    while (o < count) {
        size_t from = o;
        while (o < count && !model->chosen[o])
            o++;
        wire_put_varint(kept, o - from);
        from = o;
        while (o < count && model->chosen[o])
            o++;
        wire_put_varint(kept, o - from);
    }
}

int set_take(struct model *model, model_places places, struct buf *kept,
             struct error *ret_error)
{
    bool chosen, written;
    if (values_take(model, places, ret_error) < 0 ||
        choice_read(model, places, &chosen, ret_error) < 0 ||
        flag_read(places, "written", true, &written, ret_error) < 0)
        return -1;
    wire_put_u32(kept, model->fingerprint);
    wire_put_u8(kept, (uint8_t)((chosen ? WISH_CHOSEN : 0) | (written ? WISH_WRITTEN : 0)));
    if (chosen)
        choice_put(model, kept);
    for (size_t p = 0; p < model->control->parameter_count; p++)
        wire_put_double(kept, model->values[p]);
    return buf_failed(kept)
               ? error_set(ret_error, ERROR_CONFIG, "the set is too large (%d MiB) to be kept",
                           (int)(kept->max >> 20))
               : 0;
}

/* ---- what was kept ---- */

/* Sets model->chosen. */
static void choice_get(struct model *model, bool is_chosen, struct wire_reader *reader)
{
    size_t count = model->control->observation_count;
    for (size_t o = 0; o < count; o++)
        model->chosen[o] = !is_chosen;
    for (size_t o = 0; is_chosen && o < count && !reader->failed;) {
        uint64_t over = wire_get_varint(reader), told = wire_get_varint(reader);
        if (reader->failed || over > count - o || told > count - o - over)
            reader->failed = true;
        for (o += over; !reader->failed && told > 0; told--)
            model->chosen[o++] = true;
    }
}

int set_read(struct model *model, const void *kept, size_t size, bool *ret_tell_written,
             struct error *ret_error)
{
    const struct pest_control *control = model->control;
    struct wire_reader reader;
    wire_reader_init(&reader, kept, size);
    bool same = wire_get_u32(&reader) == model->fingerprint;
    uint8_t flags = wire_get_u8(&reader);
    choice_get(model, flags & WISH_CHOSEN, &reader);
    for (size_t p = 0; p < control->parameter_count; p++)
        model->values[p] = wire_get_double(&reader);
    if (!same || reader.failed || wire_left(&reader) > 0)
        return error_set(ret_error, ERROR_SYSTEM,
                         "the set was submitted for another control file than %s is now",
                         control->path);
    *ret_tell_written = flags & WISH_WRITTEN;
    memcpy(model->written, model->values, control->parameter_count * sizeof(double));
    return problem_round(model->problem, model->written, ret_error);
}
