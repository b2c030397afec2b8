/* Links to the cache are looked at before outputs are read, and before a failure is told, for the
 * run may owe it to another slot's model. */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/values.h"
#include "worker/model_failure.h"
#include "worker/runner_pest_private.h"

#define LARGE_OUTPUTS      (1 << 20) /* bytes: milliseconds to read */
#define LARGE_OBSERVATIONS 100000    /* numbers, likewise */

/* It ran, and something is wrong with what it left, as runner->sentence says. */
static void finish_without_values(struct runner *runner)
{
    runner->result.status = RESULT_NO_VALUE;
    model_failure_explain(&runner->sentence, &runner->tail, runner->folder);
    runner->discard |= model_folder_is_full(runner->folder);
    pest_run_finish(runner);
}

/* --- Reading outputs --- */

static void collect(struct runner *runner)
{
    for (size_t i = 0; i < model_case_observations(runner->model); i++)
        runner->observations[i] = NAN;
    runner->errand_rc = pest_outputs_collect(model_case_read_outputs(runner->model),
                                             model_folder_fd(runner->folder),
                                             runner->observations, &runner->errand_error);
}

static void collect_work(void *context)
{
    collect(context);
}

static int take_observations(struct runner *runner, struct error *ret_error)
{
    size_t count = model_case_observations(runner->model);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(runner->observations[i]))
            return error_set(ret_error, ERROR_TASKS,
                             "the observation \"%s\" is not a finite number",
                             model_case_observation(runner->model, i));
    buf_clear(&runner->values);
    if (values_encode_reals(&runner->values, runner->observations, count) < 0)
        return error_set(ret_error, ERROR_SYSTEM,
                         "%zu observations are more than a result can hold, or memory is short",
                         count);
    return 0;
}

static void collected(void *context)
{
    struct runner *runner = context;
    if (pest_run_is_abandoned(runner))
        return;
    if (runner->errand_rc < 0) {
        model_case_shorten(runner->model, &runner->errand_error);
        runner->sentence = runner->errand_error;
    }
    if (runner->errand_rc < 0 || take_observations(runner, &runner->sentence) < 0)
        finish_without_values(runner);
    else
        pest_run_finish(runner);
}

/* Are all output files there? How large are they? */
static int look_at_outputs(const struct runner *runner, uint64_t *ret_size,
                           struct error *ret_error)
{
    struct stat stat;
    uint64_t size = 0;
    for (size_t i = 0; i < model_case_outputs(runner->model); i++) {
        const char *name = model_case_output(runner->model, i);
        if (fstatat(model_folder_fd(runner->folder), name, &stat, 0) < 0)
            return errno == ENOENT || errno == ENOTDIR
                       ? error_set(ret_error, ERROR_TASKS, "the model wrote no file \"%s\"",
                                   name)
                       : error_errno(ret_error, errno, "cannot look at \"%s\"", name);
        if (!S_ISREG(stat.st_mode))
            return error_set(ret_error, ERROR_TASKS, "the model's \"%s\" is no file", name);
        size += (uint64_t)stat.st_size;
    }
    *ret_size = size;
    return 0;
}

/* With ignore_exit, a missing output is no surprise. */
static void add_ignored_end(struct runner *runner)
{
    size_t used = strlen(runner->sentence.text);
    if (runner->result.code)
        snprintf(runner->sentence.text + used, sizeof(runner->sentence.text) - used,
                 " (it ended with %s %d)",
                 runner->result.status == RESULT_SIGNAL ? "signal" : "exit status",
                 runner->result.code);
}

/* The commands have ended, and as they should. */
static void settle(struct runner *runner)
{
    uint64_t size = 0;
    if (runner->result.status != RESULT_OK && !runner->ignore_exit) {
        model_failure_explain(&runner->sentence, &runner->tail, runner->folder);
        runner->discard |= model_folder_is_full(runner->folder);
        pest_run_finish(runner);
        return;
    }
    if (look_at_outputs(runner, &size, &runner->sentence) < 0) {
        add_ignored_end(runner);
        finish_without_values(runner);
        return;
    }
    runner->result.status = RESULT_OK;
    runner->result.code = 0;
    if (size > LARGE_OUTPUTS || model_case_observations(runner->model) > LARGE_OBSERVATIONS) {
        pest_run_send(runner, collect_work, collected);
        return;
    }
    collect(runner);
    collected(runner);
}

/* --- Links that were written into --- */

static void mend_work(void *context)
{
    struct runner *runner = context;
    runner->errand_rc = model_folder_mend(runner->folder, &runner->errand_error);
}

/* A run that may have read what another slot's model wrote is worth nothing: it is done again. */
static void go_on_mended(struct runner *runner)
{
    if (runner->harmed)
        pest_run_prepare(runner);
    else
        settle(runner);
}

static void mended(void *context)
{
    struct runner *runner = context;
    runner->discard |= runner->errand_rc < 0;
    if (!pest_run_is_abandoned(runner))
        go_on_mended(runner);
}

static void touched_came(void *context, const struct error *error)
{
    struct runner *runner = context;
    runner->request = NULL;
    if (!error) {
        pest_run_send(runner, mend_work, mended);
        return;
    }
    runner->discard =
        true; /* laying it anew will ask for the files again, and say what is wrong */
    go_on_mended(runner);
}

static void look_work(void *context)
{
    struct runner *runner = context;
    runner->harmed = model_folder_is_harmed(runner->folder);
}

static void looked(void *context)
{
    struct runner *runner = context;
    char text[ERROR_TEXT_MAX];
    const uint8_t(*hashes)[MESSAGE_HASH_SIZE];
    if (model_folder_set_copied(runner->folder, text, sizeof(text)) && runner->harmed)
        log_warn("%s", text);
    if (pest_run_is_abandoned(runner))
        return; /* the folder is laid anew */
    size_t count = model_folder_touched(runner->folder, &hashes);
    struct cache_request *request = cache_request(workplace_cache(runner->context.workplace),
                                                  hashes, count, touched_came, runner);
    if (request)
        runner->request = request;
}

/* The commands have ended, well or not: result.status and sentence say how. */
void pest_run_conclude(struct runner *runner)
{
    loop_timer_disarm(runner->timer);
    if (model_folder_check(runner->folder))
        pest_run_send(runner, look_work, looked);
    else
        settle(runner);
}
