/* A PEST case: its runs, and what clients are told of them. What a set is: model_case_sets.c. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/values.h"
#include "master/pest/files.h"
#include "master/pest/job.h"
#include "master/pest/overdue.h"
#include "master/pest/remarks.h"
#include "master/scheduler.h"
#include "master/socket/book.h"
#include "master/socket/model_case_private.h"

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

/* ---- results ---- */
static int case_payload(struct model *model, const void *kept, size_t size, struct buf *payload)
{
    struct error ignored;
    bool tell_written;
    if (set_read(model, kept, size, &tell_written, &ignored) < 0)
        return -1;
    return problem_payload(model->problem, model->written, payload);
}

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
    if (set_read(model, kept, size, &tell_written, ret_error) < 0 ||
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
    .heed = set_heed,
    .take = set_take,
    .payload = case_payload,
    .digest = case_digest,
};
