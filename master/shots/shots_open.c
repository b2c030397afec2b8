/*
 * The driver is built up: its files named, the survey read and checked, what each shot costs
 * reckoned; and taken down.
 */
#include "config.h"

#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/farmfile.h"
#include "common/json.h"
#include "common/seismic/shot_cost.h"
#include "common/tree.h"
#include "master/shots/room.h"
#include "master/shots/shots_private.h"

/* So many zero samples are looked at beforehand, 64 MiB of them; of more it is known when their
 * shots were computed. */
#define ZERO_LOOKED ((uint64_t)16 << 20)

static int paths_make(struct driver *driver, struct error *ret_error)
{
    const struct driver_context *context = &driver->context;
    const char *run_dir = context->run_dir ? context->run_dir : ".", *survey, *slash, *dot;
    if (json_get_text(context->work, "$.work", "survey", "", &survey, ret_error) < 0)
        return -1;
    if (survey[0] == '/')
        return error_set(ret_error, ERROR_CONFIG,
                         "$.work.survey: \"%s\" must lie in the farm file's folder or below",
                         survey);
    slash = strrchr(survey, '/');
    const char *name = slash ? slash + 1 : survey;
    dot = strrchr(name, '.');
    int size = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    driver->survey_file = strdup(survey);
    driver->home = slash ? strndup(survey, (size_t)(slash - survey)) : strdup(".");
    if (asprintf(&driver->survey_path, "%s/%s", context->folder, survey) < 0)
        driver->survey_path = NULL;
    if (asprintf(&driver->output_base, "%s/out/master/%.*s", run_dir, size, name) < 0)
        driver->output_base = NULL;
    if (asprintf(&driver->scratch, "%s/shots", run_dir) < 0)
        driver->scratch = NULL;
    if (!driver->scratch || asprintf(&driver->laying_path, "%s/traces", driver->scratch) < 0)
        driver->laying_path = NULL;
    return driver->survey_file && driver->home && driver->survey_path && driver->output_base &&
                   driver->laying_path
               ? 0
               : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
}

static int folders_make(const struct driver *driver, struct error *ret_error)
{
    char *folder = strdup(driver->output_base);
    int rc = folder ? tree_make(dirname(folder), ret_error)
                    : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    free(folder);
    unlink(driver->laying_path); /* of a master that was killed */
    return rc < 0 ? -1 : tree_make(driver->scratch, ret_error);
}

static int operation_read(struct driver *driver, struct error *ret_error)
{
    static const char *const names[] = {"model", "born", "rtm", "gradient", "fwi"};
    const cJSON *work = driver->context.work;
    const struct survey *survey = &driver->survey;
    const char *said, *sum, *gathers;
    driver->operation = survey->operation;
    if (driver->asked.served) /* what it costs at most; what it is, a wave says */
        driver->operation = survey->observed ? SURVEY_GRADIENT : SURVEY_MODEL;
    if (json_get_text(work, "$.work", "operation", names[driver->operation], &said, ret_error) <
            0 ||
        json_get_text(work, "$.work", "sum", survey->sum.exact ? "exact" : "double", &sum,
                      ret_error) < 0 ||
        json_get_text(work, "$.work", "gathers", "one", &gathers, ret_error) < 0 ||
        json_get_real(work, "$.work", "skip_ratio", survey->sum.skip_ratio, &driver->skip_ratio,
                      ret_error) < 0)
        return -1;
    for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
        if (strcmp(said, names[i]) == 0)
            driver->operation = (enum survey_operation)i;
    driver->operation_name = driver->asked.served ? "asked for" : names[driver->operation];
    if (!driver->asked.served) /* the farm file goes before the survey, whose checks ask */
        driver->survey.operation = driver->operation;
    driver->exact = strcmp(sum, "exact") == 0;
    driver->one_file = strcmp(gathers, "one") == 0;
    bool observes = driver->operation >= SURVEY_RTM; /* the others make traces */
    if (!observes && !driver->asked.served && survey->mute.keep != SURVEY_KEEP_ALL)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: $.mute: has no effect on what \"%s\" makes; leave it out",
                         driver->survey_path, said);
    if (observes && !survey->observed)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: $.data: \"%s\" needs observed data; name their SEG-Y files",
                         driver->survey_path, said);
    if (driver->operation == SURVEY_BORN && !survey->has[SURVEY_PERTURBATION])
        return error_set(ret_error, ERROR_CONFIG, "%s: $.model.perturbation: \"born\" needs it",
                         driver->survey_path);
    return 0;
}

/* A step that the first model allows, but not the fastest that an inversion may come to. */
static int step_check(const struct driver *driver, struct error *ret_error)
{
    const struct survey *survey = &driver->survey;
    double most = survey->inversion.max_m_s, limit = survey_dt_limit(survey);
    if (driver->operation != SURVEY_FWI || !(most > survey->velocity_max_m_s) || isinf(most))
        return 0;
    limit *= survey->velocity_max_m_s / most;
    /* Tasks are told the step in milliseconds: rounding. */
    if (!(survey->numerics.dt_s > limit * (1 + 1e-9)))
        return 0;
    return error_set(ret_error, ERROR_CONFIG,
                     "%s: $.numerics.dt_ms: %g ms is above the stability limit of %.6g ms at "
                     "$.inversion.max_velocity_m_s, %g m/s; leave it out to have it chosen",
                     driver->survey_path, survey->numerics.dt_s * 1e3, limit * 1e3, most);
}

static int cost_read(struct driver *driver, size_t shot, double dt_s, struct error *ret_error)
{
    struct survey *survey = &driver->survey;
    struct survey_shot_size size;
    struct shot_cost cost, less;
    if (survey_shot_measure(survey, shot, &size, ret_error) < 0)
        return -1;
    const struct shot_shape shape = shot_shape_of(survey, &size.box, size.receivers, 1, dt_s);
    const struct shot_wish wish = shot_wish_of(survey, 0);
    if (shot_cost_make(&cost, &shape, driver->operation, &wish, ret_error) < 0 ||
        shot_cost_make(&less, &shape, SURVEY_MODEL, &wish, ret_error) < 0)
        return error_prefix(ret_error, "shot %zu", shot + 1);
    /* Two levels of the wavefield and the medium; more of them with other physics, but threads are
     * chosen from the order of magnitude. */
    uint64_t working = 3 * sizeof(float) * shot_padded_points(&shape);
    if (driver->working_bytes < working)
        driver->working_bytes = working;
    driver->bytes[shot] = cost.bytes;
    driver->bytes_less[shot] = less.bytes;
    driver->costs.updates[shot] = cost.updates > 0 ? cost.updates : 1;
    return 0;
}

int shots_zero_say(const struct driver *driver, size_t first, size_t count,
                   enum error_code code, struct error *ret_error)
{
    const struct survey *survey = &driver->survey;
    const struct survey_aperture *aperture = &survey->aperture;
    char others[40] = "";
    struct shot shot = {0};
    struct error ignored;
    if (survey_shot_open(survey, first, &shot, &ignored) < 0)
        snprintf(shot.name, sizeof(shot.name), "%zu", first + 1);
    if (count > 1)
        snprintf(others, sizeof(others), " and %zu more", count - 1);
    error_set(ret_error, code,
              "$.data: of shot %s%s, all observed samples%s%s are zero: there is nothing to "
              "explain",
              shot.name, others,
              aperture->min_offset_m > 0 || aperture->max_offset_m > 0
                  ? " within $.aperture's offsets"
                  : "",
              survey->mute.keep == SURVEY_KEEP_ALL ? "" : " that $.mute keeps");
    survey_shot_close(&shot);
    return -1;
}

int shots_zero_check(const struct driver *driver, struct error *ret_error)
{
    const struct survey *survey = &driver->survey;
    if (survey->program || !survey_data_are_zero(survey, ZERO_LOOKED))
        return 0;
    return shots_zero_say(driver, 0, survey->shot_count, ERROR_CONFIG, ret_error);
}

/* Of operations that are yet to be asked for it is not known whether they need data. */
static int zero_check(const struct driver *driver, struct error *ret_error)
{
    if (driver->operation < SURVEY_RTM || driver->asked.served ||
        shots_zero_check(driver, ret_error) == 0)
        return 0;
    return error_prefix(ret_error, "%s", driver->survey_path);
}

/* The time step that the fastest model allows, as far as it is known. */
static double step_of(const struct driver *driver)
{
    return shots_step(driver) > 0 ? shots_step(driver) : survey_dt(&driver->survey);
}

/* The shot that needs the most memory. */
static size_t largest_of(const struct driver *driver)
{
    size_t largest = 0;
    for (size_t shot = 0; shot < driver->survey.shot_count; shot++)
        if (driver->bytes[shot] > driver->bytes[largest])
            largest = shot;
    return largest;
}

void shots_takes(const struct driver *driver, char *text, size_t size)
{
    size_t largest = largest_of(driver);
    struct survey_shot_size shot;
    double dt_s = step_of(driver), mb = (double)shots_allowance(driver->bytes[largest]) * 1e-6;
    char y[32] = "";
    *text = '\0';
    if (driver->survey.program ||
        survey_shot_measure(&driver->survey, largest, &shot, NULL) < 0)
        return;
    if (driver->survey.grid.dims == 3)
        snprintf(y, sizeof(y), "%zu x ", shot.box.n[GRID_Y]);
    snprintf(text, size,
             "up to %zu x %s%zu points, %" PRIu64 " steps of %.4g ms, %.3g %s of memory",
             shot.box.n[GRID_X], y, shot.box.n[GRID_Z], shot_steps(&driver->survey, dt_s),
             dt_s * 1e3, mb < 1e3 ? mb : mb * 1e-3, mb < 1e3 ? "MB" : "GB");
}

/* Whether the largest shot finds room, where the nodes are this machine. */
static int largest_check(const struct driver *driver, double dt_s, struct error *ret_error)
{
    size_t largest = largest_of(driver);
    if (!farmfile_nodes_are_here(driver->context.farm) ||
        room_check(&driver->survey, largest, driver->bytes[largest], dt_s, room_here(),
                   ret_error) == 0)
        return 0;
    return error_prefix(ret_error, "%s", driver->survey_path);
}

static int costs_read(struct driver *driver, struct error *ret_error)
{
    size_t count = driver->survey.shot_count;
    double dt_s = step_of(driver);
    driver->bytes = calloc(count + 1, sizeof(*driver->bytes));
    driver->bytes_less = calloc(count + 1, sizeof(*driver->bytes_less));
    if (!driver->bytes || !driver->bytes_less || order_costs_init(&driver->costs, count) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu shots", count);
    /* Another program takes what it takes. */
    for (size_t shot = 0; !driver->survey.program && shot < count; shot++)
        if (cost_read(driver, shot, dt_s, ret_error) < 0)
            return -1;
    return largest_check(driver, dt_s, ret_error);
}

static void remark(void *context, const char *sentence)
{
    shots_say(context, "%s", sentence);
}

/* Before their headers are looked at: what changes meanwhile is seen to have. */
static int outside_read(struct driver *driver, struct error *ret_error)
{
    size_t count;
    const struct survey_file *files = survey_files(&driver->survey, &count);
    /* The first is the survey itself. */
    return driver->context.plan_only
               ? 0
               : outside_look(files + 1, count - 1, &driver->outside, ret_error);
}

static int shots_fill(struct driver *driver, struct error *ret_error)
{
    const struct driver_context *context = &driver->context;
    if (paths_make(driver, ret_error) < 0 ||
        survey_open(driver->survey_path, SURVEY_CHECK_LATER, NULL, &driver->survey, ret_error) <
            0 ||
        outside_read(driver, ret_error) < 0 || operation_read(driver, ret_error) < 0 ||
        survey_check(&driver->survey, ret_error) < 0 || step_check(driver, ret_error) < 0 ||
        zero_check(driver, ret_error) < 0 || shots_extract_choose(driver, ret_error) < 0 ||
        shots_names_check(driver, ret_error) < 0 ||
        shots_overwrites_check(driver, ret_error) < 0 || costs_read(driver, ret_error) < 0)
        return -1;
    roll_init(&driver->roll, driver->survey.shot_count);
    driver->roll.terms = shots_terms(driver);
    driver->digest.estimate =
        (struct driver_estimate){.phi = NAN, .called = "misfit", .lambda = NAN};
    if (context->plan_only)
        return 0;
    survey_remarks(&driver->survey, remark, driver);
    driver->timer = loop_timer_add(context->loop, shots_look_again, driver);
    driver->digest.errand = errand_create(context->loop, ret_error);
    driver->laying.errand = errand_create(context->loop, ret_error);
    if (!driver->timer || !driver->digest.errand || !driver->laying.errand)
        return driver->timer ? -1 : error_set(ret_error, ERROR_SYSTEM, "no memory for shots");
    return folders_make(driver, ret_error);
}

struct driver *shots_create(const struct driver_context *context, bool served,
                            struct error *ret_error)
{
    struct driver *driver = calloc(1, sizeof(*driver));
    if (!driver) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the survey");
        return NULL;
    }
    driver->context = *context;
    driver->asked.served = served;
    buf_init(&driver->digest.answer.members, JSON_SIZE_MAX / 2);
    buf_init(&driver->asked.description, JSON_SIZE_MAX / 2);
    driver->skip_due_ns = INT64_MAX;
    driver->opened_ns = clock_monotonic_ns();
    if (shots_fill(driver, ret_error) == 0)
        return driver;
    shots_close(driver);
    return NULL;
}

/* False: it was abandoned. */
static bool errand_leave(struct errand *errand)
{
    if (!errand || !errand_is_busy(errand) || errand_wait(errand, CLOCK_SECOND_NS))
        return true;
    errand_abandon(errand);
    return false;
}

void shots_close(struct driver *driver)
{
    if (!driver)
        return;
    if (!errand_leave(driver->digest.errand))
        return; /* it has all this until the process ends */
    errand_destroy(driver->digest.errand);
    shots_laying_fini(&driver->laying);
    loop_timer_remove(driver->timer);
    shots_wave_fini(&driver->digest.next);
    fwi_destroy(driver->fwi);
    cJSON_Delete(driver->asked.said);
    buf_fini(&driver->digest.answer.members);
    buf_fini(&driver->asked.description);
    shots_extracts_fini(driver);
    roll_fini(&driver->roll);
    order_costs_fini(&driver->costs);
    devices_fini(&driver->devices);
    survey_close(&driver->survey);
    outside_fini(&driver->outside);
    free(driver->bytes);
    free(driver->bytes_less);
    free(driver->survey_file);
    free(driver->survey_path);
    free(driver->home);
    free(driver->output_base);
    free(driver->scratch);
    free(driver->laying_path);
    free(driver);
}
