#include "config.h"

#include <errno.h>

#include "common/values.h"
#include "worker/runner_pest_private.h"

#define FETCH_TRIES 3 /* another worker may mend the cache while we lay */

/* --- Writing inputs --- */

static void write_work(void *context)
{
    struct runner *runner = context;
    int fd = model_folder_fd(runner->folder);
    runner->errand_rc =
        pest_outputs_remove(model_case_read_outputs(runner->model), fd, &runner->errand_error);
    if (runner->errand_rc == 0)
        runner->errand_rc = pest_inputs_write(model_case_read_inputs(runner->model),
                                              runner->parameters, fd, &runner->errand_error);
}

static void written(void *context)
{
    struct runner *runner = context;
    if (pest_run_is_abandoned(runner))
        return;
    if (runner->errand_rc == 0) {
        pest_run_begin(runner);
        return;
    }
    model_case_shorten(runner->model, &runner->errand_error);
    if (runner->errand_error.code != ERROR_SYSTEM || runner->relaid) {
        pest_run_finish_unprepared(runner, &runner->errand_error);
        return;
    }
    /* Models may have removed folders, or filled the disk: that is cured by a folder like new. */
    runner->relaid = runner->discard = true;
    pest_run_prepare(runner);
}

static void write_inputs(struct runner *runner)
{
    if (model_case_is_large(runner->model)) {
        pest_run_send(runner, write_work, written);
        return;
    }
    write_work(runner);
    written(runner);
}

/* --- Preparing --- */

static void request_files(struct runner *runner);

static void lay_work(void *context)
{
    struct runner *runner = context;
    runner->errand_rc = model_folder_lay(runner->folder, &runner->errand_error);
    runner->errand_errno = errno;
    if (runner->errand_rc < 0)
        return;
    runner->errand_errno = 0;
    runner->errand_rc = model_case_load(runner->model, model_folder_path(runner->folder),
                                        &runner->errand_error);
}

static void laid(void *context)
{
    struct runner *runner = context;
    runner->discard |= runner->errand_rc < 0;
    if (pest_run_is_abandoned(runner))
        return;
    if (runner->errand_rc == 0)
        write_inputs(runner);
    else if (runner->errand_errno == ENOENT && runner->fetches < FETCH_TRIES)
        request_files(runner);
    else
        pest_run_finish_unprepared(runner, &runner->errand_error);
}

static void files_came(void *context, const struct error *error)
{
    struct runner *runner = context;
    runner->request = NULL;
    if (error)
        pest_run_finish_unprepared(runner, error);
    else
        pest_run_send(runner, lay_work, laid);
}

/* Nearly always all are here. */
static void request_files(struct runner *runner)
{
    const uint8_t(*hashes)[MESSAGE_HASH_SIZE];
    struct workplace *place = runner->context.workplace;
    size_t count = workplace_common(place, &hashes);
    runner->fetches++;
    runner->discard = false;
    if (!count) {
        files_came(runner, NULL);
        return;
    }
    struct cache_request *request =
        cache_request(workplace_cache(place), hashes, count, files_came, runner);
    if (request)
        runner->request = request;
}

void pest_run_prepare(struct runner *runner)
{
    struct error error = {0};
    if (values_decode_reals(runner->payload.data, runner->payload.size, runner->parameters,
                            model_case_parameters(runner->model), &error) < 0) {
        error_prefix(&error, "the task's parameters");
        pest_run_finish_unstarted(runner, &error);
        return;
    }
    if (runner->fresh || runner->discard || !model_folder_is_ready(runner->folder))
        request_files(runner);
    else
        write_inputs(runner);
}
