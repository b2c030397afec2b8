/*
 * A PEST case. What is kept of a set is, in this order: a fingerprint of the names in the control
 * file, what its client wishes (enum wish_flag, and which observations, as runs of some to pass over
 * and some to tell), and a value for every parameter, as submitted: native, not rounded. So the task is made the same by
 * every master, and the result can say what became of the values.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/values.h"
#include "common/wire.h"
#include "master/pest/files.h"
#include "master/pest/glm_objective.h"
#include "master/pest/glm_parameters.h"
#include "master/pest/job.h"
#include "master/pest/overdue.h"
#include "master/pest/problem.h"
#include "master/pest/remarks.h"
#include "master/scheduler.h"
#include "master/socket/book.h"
#include "master/socket/model.h"

/* A tied parameter that is submitted must have what it follows; printed with 7 digits, as single
 * precision is, that is 5e-7 off at most. */
#define TIED_TOLERANCE 1e-6

enum wish_flag {
    WISH_CHOSEN = 1,  /* not all observations */
    WISH_WRITTEN = 2, /* tell the values as written */
};

struct model {
    const cJSON *work, *farm;
    const char *folder;
    struct problem *problem;
    struct pest_control *control; /* the problem's */
    struct glm_parameters parameters;
    struct glm_objective *objective;
    uint32_t fingerprint;             /* of the names of all parameters and observations */
    double *values, *written;         /* [parameters] scratch, like all below */
    bool *given;                      /* [parameters] */
    bool *chosen;                     /* [observations] */
    double *observations, *residuals; /* [observations]; [rows of the objective] */
    double *groups;                   /* [observation groups] phi */
};

/* ---- opening ---- */

static void names_join(const char *const *names, size_t count, struct buf *all)
{
    for (size_t i = 0; i < count; i++)
        buf_append(all, names[i], strlen(names[i]) + 1);
}

static int fingerprint_take(struct model *model, struct error *ret_error)
{
    const struct pest_control *control = model->control;
    struct buf all;
    buf_init(&all,
             (control->parameter_count + control->observation_count) * (PEST_NAME_MAX + 1));
    names_join(control->parameter_names, control->parameter_count, &all);
    names_join(control->observation_names, control->observation_count, &all);
    int rc = buf_failed(&all) ? error_set(ret_error, ERROR_SYSTEM, "no memory for names") : 0;
    model->fingerprint = rc == 0 ? (uint32_t)book_hash(0, all.data, all.size) : 0;
    buf_fini(&all);
    return rc;
}

static bool case_fits(const cJSON *work)
{
    return json_member(work, "control") != NULL;
}

static void case_close(struct model *model)
{
    if (!model)
        return;
    glm_objective_destroy(model->objective);
    glm_parameters_fini(&model->parameters);
    problem_close(model->problem);
    free(model->values);
    free(model->written);
    free(model->given);
    free(model->chosen);
    free(model->observations);
    free(model->residuals);
    free(model->groups);
    free(model);
}

static int make_room(struct model *model, struct error *ret_error)
{
    const struct pest_control *control = model->control;
    size_t parameters = control->parameter_count + 1;
    size_t observations = control->observation_count + 1;
    model->values = calloc(parameters, sizeof(double));
    model->written = calloc(parameters, sizeof(double));
    model->given = calloc(parameters, sizeof(bool));
    model->chosen = calloc(observations, sizeof(bool));
    model->observations = calloc(observations, sizeof(double));
    model->residuals = calloc(glm_objective_rows(model->objective) + 1, sizeof(double));
    model->groups = calloc(control->observation_group_count + 1, sizeof(double));
    if (model->values && model->written && model->given && model->chosen &&
        model->observations && model->residuals && model->groups)
        return 0;
    return error_set(ret_error, ERROR_SYSTEM, "no memory for the parameters of a case");
}

static int case_policy(const struct model *model, struct scheduler_policy *policy,
                       struct error *ret_error)
{
    return overdue_apply(model->control, "sweep", policy, ret_error);
}

static int set_up(struct model *model, const struct driver_context *context,
                  struct error *ret_error)
{
    /* Options that are wrong are told at once, and those of use are no remark. */
    struct scheduler_policy policy = scheduler_policy_default(1);
    model->problem =
        problem_open(context->work, context->folder, context->plan_only, ret_error);
    if (!model->problem)
        return -1;
    model->control = model->problem->control;
    if (glm_parameters_init(&model->parameters, model->control, false, ret_error) < 0)
        return -1;
    model->objective = glm_objective_create(model->control, &model->parameters,
                                            model->control->folder, ret_error);
    if (!model->objective || make_room(model, ret_error) < 0 ||
        fingerprint_take(model, ret_error) < 0 || case_policy(model, &policy, ret_error) < 0)
        return -1;
    if (!context->plan_only && context->say)
        remarks_tell(model->control, context->say, context->wake_context);
    return 0;
}

static struct model *case_open(const struct driver_context *context, struct error *ret_error)
{
    struct model *model = calloc(1, sizeof(*model));
    if (!model) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a case");
        return NULL;
    }
    model->work = context->work;
    model->farm = context->farm;
    model->folder = context->folder;
    if (set_up(model, context, ret_error) == 0)
        return model;
    case_close(model);
    return NULL;
}

/* ---- what the farm asks ---- */

static int case_files(const struct model *model,
                      int (*add)(void *context, const char *path, bool common, bool copy),
                      void *context, struct error *ret_error)
{
    return files_list(model->problem, model->folder, model->farm, add, context, ret_error);
}

static int case_except(const struct model *model,
                       int (*each)(void *context, const char *pattern), void *context,
                       struct error *ret_error)
{
    return files_except(model->problem, model->folder, each, context, ret_error);
}

static int case_job(const struct model *model, cJSON *job, struct error *ret_error)
{
    return job_fill(model->problem, model->work, job, ret_error);
}

static bool case_brief(const struct model *model)
{
    return job_is_wide(model->control);
}

/* ---- what clients are told of the case ---- */

static void name_put(struct buf *out, const char *name)
{
    json_put_text(out, name, strlen(name));
}

static void member_put(struct buf *out, const char *key, double value)
{
    buf_printf(out, ",\"%s\":", key);
    json_put_real(out, value);
}

/* Parameters in arrays are the adjustable ones: what an optimiser varies. */
static void case_greet(const struct model *model, struct buf *out)
{
    const struct pest_control *control = model->control;
    buf_append_text(out, ",\"params\":[");
    for (size_t c = 0; c < model->parameters.count; c++) {
        buf_append_text(out, c ? "," : "");
        name_put(out, control->parameter_names[model->parameters.index[c]]);
    }
    buf_append_text(out, "],\"values\":[");
    for (size_t o = 0; o < control->observation_count; o++) {
        buf_append_text(out, o ? "," : "");
        name_put(out, control->observation_names[o]);
    }
    buf_append_text(out, "],\"control\":");
    name_put(out, json_member(model->work, "control")->valuestring);
}

static void parameter_describe(const struct pest_control *control, size_t p, struct buf *out)
{
    static const char *const kinds[] = {
        [PEST_NONE] = "none", [PEST_LOG] = "log", [PEST_FIXED] = "fixed", [PEST_TIED] = "tied"};
    const struct pest_parameter *it = &control->parameters[p];
    buf_append_text(out, p ? ",{\"name\":" : "{\"name\":");
    name_put(out, it->parnme);
    buf_printf(out, ",\"transform\":\"%s\"", kinds[it->partrans]);
    member_put(out, "value", it->parval1);
    member_put(out, "lower", it->parlbnd);
    member_put(out, "upper", it->parubnd);
    if (it->pargp >= 0) {
        buf_append_text(out, ",\"group\":");
        name_put(out, control->parameter_groups[it->pargp].pargpnme);
    }
    if (it->partrans == PEST_TIED) {
        buf_append_text(out, ",\"tied_to\":");
        name_put(out, control->parameters[it->tied_to].parnme);
    }
    buf_append_text(out, "}");
}

static void observation_describe(const struct pest_control *control, size_t o, struct buf *out)
{
    const struct pest_observation *it = &control->observations[o];
    buf_append_text(out, o ? ",{\"name\":" : "{\"name\":");
    name_put(out, it->obsnme);
    member_put(out, "value", it->obsval);
    member_put(out, "weight", it->weight);
    buf_append_text(out, ",\"group\":");
    name_put(out, control->observation_groups[it->obgnme].obgnme);
    buf_append_text(out, "}");
}

static void case_describe(const struct model *model, struct buf *out)
{
    const struct pest_control *control = model->control;
    buf_append_text(out, ",\"parameters\":[");
    for (size_t p = 0; p < control->parameter_count && !buf_failed(out); p++)
        parameter_describe(control, p, out);
    buf_append_text(out, "],\"observations\":[");
    for (size_t o = 0; o < control->observation_count && !buf_failed(out); o++)
        observation_describe(control, o, out);
    buf_append_text(out, "]");
}

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
            return error_set(ret_error, ERROR_CONFIG, "there is no %s \"%.200s\"%s%s%s",
                             strcmp(what, "group") == 0 ? "observation group" : what, name,
                             near ? "; did you mean \"" : "", near ? near : "",
                             near ? "\"?" : "");
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

static int case_heed(struct model *model, model_places places, struct error *ret_error)
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
            return error_set(ret_error, ERROR_CONFIG, "there is no parameter \"%.200s\"%s%s%s",
                             item->string, near ? "; did you mean \"" : "", near ? near : "",
                             near ? "\"?" : "");
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

static int case_take(struct model *model, model_places places, struct buf *kept,
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

/* Sets model->values, model->written and model->chosen. */
static int kept_read(struct model *model, const void *kept, size_t size, bool *ret_tell_written,
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

static int case_payload(struct model *model, const void *kept, size_t size, struct buf *payload)
{
    struct error ignored;
    bool tell_written;
    if (kept_read(model, kept, size, &tell_written, &ignored) < 0)
        return -1;
    return problem_payload(model->problem, model->written, payload);
}

/* ---- results ---- */

static void named_put(struct buf *text, bool *any, const char *name, double value)
{
    buf_append_text(text, *any ? "," : "");
    *any = true;
    name_put(text, name);
    buf_append_text(text, ":");
    json_put_real(text, value);
}

static void observations_put(const struct model *model, struct buf *text)
{
    bool any = false;
    buf_append_text(text, ",\"values\":{");
    for (size_t o = 0; o < model->control->observation_count; o++)
        if (model->chosen[o])
            named_put(text, &any, model->control->observation_names[o], model->observations[o]);
    buf_append_text(text, "}");
}

/* As a sweep's table has it: at the values as written, regularisation weights as they are. */
static int phi_put(const struct model *model, struct buf *text, struct error *ret_error)
{
    const struct pest_control *control = model->control;
    struct glm_phi phi = {.groups = model->groups};
    bool any = false;
    if (glm_objective_residuals(model->objective, model->written, model->observations,
                                model->residuals, ret_error) < 0)
        return -1;
    glm_objective_phi(model->objective, model->residuals, 1.0, &phi);
    member_put(text, "phi", phi.total);
    buf_append_text(text, ",\"phi_groups\":{");
    for (size_t g = 0; g < control->observation_group_count; g++)
        named_put(text, &any, control->observation_group_names[g], phi.groups[g]);
    buf_append_text(text, "}");
    return 0;
}

/* Those that are not what was submitted. */
static void written_put(const struct model *model, struct buf *text)
{
    bool any = false;
    for (size_t p = 0; p < model->control->parameter_count; p++) {
        if (model->written[p] == model->values[p])
            continue;
        buf_append_text(text, any ? "" : ",\"written\":{");
        named_put(text, &any, model->control->parameter_names[p], model->written[p]);
    }
    buf_append_text(text, any ? "}" : "");
}

static int case_digest(struct model *model, const void *kept, size_t size,
                       const struct result *result, struct buf *text, struct error *ret_error)
{
    bool tell_written;
    if (kept_read(model, kept, size, &tell_written, ret_error) < 0 ||
        values_decode_reals(result->values, result->values_size, model->observations,
                            model->control->observation_count, ret_error) < 0)
        return -1;
    observations_put(model, text);
    if (phi_put(model, text, ret_error) < 0)
        return -1;
    if (tell_written)
        written_put(model, text);
    return 0;
}

const struct model_ops model_case = {
    .fits = case_fits,
    .open = case_open,
    .close = case_close,
    .files = case_files,
    .except = case_except,
    .policy = case_policy,
    .job = case_job,
    .brief = case_brief,
    .greet = case_greet,
    .describe = case_describe,
    .heed = case_heed,
    .take = case_take,
    .payload = case_payload,
    .digest = case_digest,
};
