/* Building a farm, in the order in which its parts stand on each other, and taking it down. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/hex.h"
#include "common/json.h"
#include "common/mpi_world.h"
#include "master/farm_private.h"

static int make_instance(struct farm *farm, struct error *ret_error)
{
    uint8_t bytes[16];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return error_errno(ret_error, errno, "no random numbers to be had");
    hex_format(bytes, sizeof(bytes), farm->instance);
    return 0;
}

/* With --driver-socket a sweep's table only names the parameters, and a PEST case is not
 * estimated, but run for the clients' parameter sets. */
static const struct driver_ops *find_driver(const struct farm *farm)
{
    const char *kind = farm->file.work_kind;
    bool by_socket = farm->options->driver_socket &&
                     (strcmp(kind, "sweep") == 0 || strcmp(kind, "pest") == 0);
    return driver_find(by_socket ? "socket" : kind);
}

static int choose_driver(struct farm *farm, struct error *ret_error)
{
    farm->driver_ops = find_driver(farm);
    if (!farm->driver_ops)
        return error_set(ret_error, ERROR_CONFIG, "%s: $.work.kind: no driver for \"%s\"",
                         farm->options->farm_path, farm->file.work_kind);
    if (!farm->options->driver_socket || strcmp(farm->driver_ops->kind, "socket") == 0)
        return 0;
    return error_set(ret_error, ERROR_USAGE,
                     "--driver-socket is for work of the kinds \"socket\", \"sweep\" and "
                     "\"pest\"; %s has \"%s\"",
                     farm->options->farm_path, farm->file.work_kind);
}

/* The farm's files, where the driver reads them. */
static int lay_files(struct farm *farm, struct error *ret_error)
{
    const char *run_dir = farm->options->run_dir;
    char *out = NULL;
    bool output = farm->driver_ops->folder_is_output;
    if (asprintf(&out, "%s/out", run_dir) < 0 ||
        (output                             ? asprintf(&farm->folder, "%s/master", out)
         : (farm->folder = strdup("files")) ? 0
                                            : -1) < 0) {
        free(out);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    if (output)
        mkdir(out, 0777); /* if that fails, laying the files will say why */
    free(out);
    mkdir(farm->folder, 0777);
    if (content_gather(farm->content, run_dir, ret_error) < 0)
        return -1;
    return content_lay(farm->content, farm->folder, ret_error);
}

static int open_driver(struct farm *farm, struct error *ret_error)
{
    if (choose_driver(farm, ret_error) < 0 || lay_files(farm, ret_error) < 0)
        return -1;
    const struct driver_context context = {
        .work = farm->file.work,
        .farm = farm->file.root,
        .folder = farm->folder,
        .loop = farm->loop,
        .wake = farm_wake,
        .wake_context = farm,
        .cancel = farm_cancel_task,
        .note = farm_note,
        .sequence = farm_sequence,
        .say = farm_take_notice,
        .news = farm_take_news,
        .slots_expected = farm_slots_expected,
        .estimate = farm_tell_estimate,
        .put_file = farm_put_file,
        .get_file = farm_get_file,
        .drop_file = farm_drop_file,
        .file_hash = farm_file_hash,
        .is_here = farm_is_here,
        .socket_path = farm->options->driver_socket,
        .host = rendezvous_host(farm->rendezvous),
        .address = rendezvous_address(farm->rendezvous),
        .run_dir = farm->options->run_dir,
    };
    farm->driver = farm->driver_ops->open(&context, ret_error);
    return farm->driver ? 0 : -1;
}

/* What every worker is told when it joins; the driver may replace what it does not like. */
static cJSON *make_job(struct farm *farm, struct error *ret_error)
{
    cJSON *job = cJSON_CreateObject();
    cJSON_AddStringToObject(job, "farm", farm->file.name);
    cJSON_AddStringToObject(job, "instance", farm->instance);
    cJSON_AddStringToObject(job, "manifest", content_manifest_hash(farm->content));
    if (farm->file.limits.task_timeout_s > 0)
        cJSON_AddNumberToObject(job, "timeout_s", farm->file.limits.task_timeout_s);
    cJSON_AddNumberToObject(job, "heartbeat_timeout_s", farm->file.limits.heartbeat_timeout_s);
    cJSON_AddItemToObject(job, "worker",
                          farm->file.worker ? cJSON_Duplicate(farm->file.worker, true)
                                            : cJSON_CreateObject());
    if (farm->driver_ops->job(farm->driver, job, ret_error) < 0) {
        cJSON_Delete(job);
        return NULL;
    }
    return job;
}

static int print_job(struct farm *farm, const cJSON *job, struct error *ret_error)
{
    buf_init(&farm->job, MESSAGE_MAX);
    message_begin(&farm->job, MESSAGE_JOB);
    if (json_put(&farm->job, job, 0) < 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "the job's description is larger than %d MiB; shorten $.work",
                         MESSAGE_MAX >> 20);
    return 0;
}

static int open_journal(struct farm *farm, const cJSON *job, struct error *ret_error)
{
    char *text = NULL, *path = journal_path(farm->options->run_dir, ret_error);
    char *params = cJSON_PrintUnformatted(json_member(job, "params"));
    char *results = cJSON_PrintUnformatted(json_member(job, "results"));
    size_t size;
    int rc = path ? 0 : -1;
    if (rc == 0)
        rc = json_read_text(farm->options->farm_path, JSON_SIZE_MAX, &text, &size, ret_error);
    if (rc == 0) {
        const struct journal_meta meta = {.farm = farm->file.name,
                                          .farm_file = text,
                                          .params = params ? params : "[]",
                                          .results = results ? results : "[]",
                                          .brief = farm->driver_ops->brief &&
                                                   farm->driver_ops->brief(farm->driver),
                                          .restore = farm->replica ? replica_restore : NULL,
                                          .restore_context = farm->replica};
        farm->journal = journal_open(path, JOURNAL_WRITE, &meta, ret_error);
        rc = farm->journal ? 0 : -1;
    }
    if (rc == 0 && farm->replica)
        rc = replica_begin(farm->replica, farm->journal, ret_error);
    free(path);
    free(text);
    free(params);
    free(results);
    return rc;
}

static int open_folders(struct farm *farm, struct error *ret_error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/outputs.csv", farm->options->run_dir) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    farm->folders = folders_open(path, farm->journal, ret_error);
    free(path);
    return farm->folders ? 0 : -1;
}

static int open_records(struct farm *farm, struct error *ret_error)
{
    char *path = NULL;
    farm->outputs = outputs_open(farm->options->run_dir, ret_error);
    if (!farm->outputs)
        return -1;
    if (asprintf(&path, "%s/results.csv", farm->options->run_dir) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    farm->results = results_open(path, farm->journal, ret_error);
    free(path);
    if (!farm->results)
        return -1;
    if (farm->replica && open_folders(farm, ret_error) < 0)
        return -1;
    const struct journal_hooks hooks = {.prepare = outputs_prepare,
                                        .prepare_context = farm->outputs,
                                        .copy = farm->replica ? farm_container_copy : NULL,
                                        .copy_context = farm,
                                        .committed = farm_container_committed,
                                        .committed_context = farm};
    journal_set_hooks(farm->journal, &hooks);
    farm->journal_watch = loop_watch_add(farm->loop, journal_fd(farm->journal), LOOP_READ,
                                         farm_journal_ready, farm, ret_error);
    return farm->journal_watch ? 0 : -1;
}

static int make_scheduler(struct farm *farm, const cJSON *job, struct error *ret_error)
{
    struct scheduler_policy policy = scheduler_policy_default(FARMFILE_ATTEMPTS);
    if (farm->driver_ops->policy &&
        farm->driver_ops->policy(farm->driver, &policy, ret_error) < 0)
        return -1;
    if (farm->file.limits.attempts) {
        policy.attempts = farm->file.limits.attempts;
        policy.losses = policy.attempts + 2;
    }
    policy.duplicates = farm->file.limits.duplicates;
    if (cJSON_IsFalse(json_member(job, "prefetch"))) {
        policy.prefetch = false;
        policy.duplicates = false; /* services, not tasks: a second one is not the same work */
    }
    farm->scheduler = scheduler_create(&policy, ret_error);
    return farm->scheduler ? 0 : -1;
}

static int open_work(struct farm *farm, struct error *ret_error)
{
    if (open_driver(farm, ret_error) < 0 || farm_container_open(farm, ret_error) < 0)
        return -1;
    cJSON *job = make_job(farm, ret_error);
    int rc = job ? 0 : -1;
    if (rc == 0)
        rc = make_scheduler(farm, job, ret_error);
    if (rc == 0)
        rc = open_journal(farm, job, ret_error);
    if (rc == 0)
        rc = open_records(farm, ret_error);
    if (rc == 0) {
        cJSON_AddStringToObject(job, "run", journal_meta_get(farm->journal, "run"));
        if (farm->replica && farm->driver_ops->outputs_unread)
            cJSON_AddTrueToObject(job, "stored");
        else
            outputs_offer_near(farm->outputs, job);
        rc = print_job(farm, job, ret_error);
    }
    cJSON_Delete(job);
    if (rc == 0)
        rc = farm_container_restored(farm, ret_error);
    return rc < 0 ? -1 : farm_replay(farm, ret_error);
}

static const char *network_of(const struct farm *farm)
{
    const char *network = farm->options->network;
    return network && *network ? network : farm->file.network ? farm->file.network : "";
}

static int open_rendezvous(struct farm *farm, struct error *ret_error)
{
    struct rendezvous_options options = {
        .farm = farm->file.name,
        .instance = farm->instance,
        .network = network_of(farm),
        .port = farm->options->port >= 0 ? farm->options->port : farm->file.port,
        .handshake_limit_ns = (int64_t)(farm->file.limits.join_timeout_s * 1e9),
        .join_limit_ns = (int64_t)(farm->file.limits.join_timeout_s * 1e9),
    };
    if (auth_secret_parse(farm->options->secret, &options.secret, ret_error) < 0)
        return error_prefix(ret_error, "BEOFARM_SECRET");
    const struct rendezvous_events events = {.joined = farm_take_joined,
                                             .notice = farm_take_notice};
    farm->rendezvous = rendezvous_open(farm->loop, &options, &events, farm, ret_error);
    auth_secret_wipe(&options.secret);
    return farm->rendezvous ? 0 : -1;
}

/* Whether this farm is to try MPI: asked for, or "auto" where joining works. */
static int wants_mpi(const struct farm *farm, bool *ret_wants, struct error *ret_error)
{
    struct error why;
    *ret_wants = false;
    if (farm->file.transport == FARMFILE_TCP)
        return 0;
    *ret_wants = mpi_world_works(&why) == 0;
    if (*ret_wants || farm->file.transport == FARMFILE_AUTO)
        return 0;
    *ret_error = why;
    return error_prefix(ret_error, "$.transport is \"mpi\"");
}

/* The first workers may be dialling already; they wait in the socket's queue meanwhile. */
static int serve_mpi(struct farm *farm, struct error *ret_error)
{
    struct error why;
    char *mca = cJSON_PrintUnformatted(farm->file.mpi_mca);
    int rc = mpi_world_serve(farm->instance, ".", network_of(farm), mca, &why);
    if (rc == 0)
        rc = rendezvous_offer_mpi(farm->rendezvous, mca, &why);
    free(mca);
    if (rc < 0 && farm->file.transport == FARMFILE_MPI) {
        *ret_error = why;
        return error_prefix(ret_error, "$.transport is \"mpi\"");
    }
    if (rc < 0) {
        error_prefix(&why, "workers join by TCP, because MPI does not work here");
        farm_take_notice(farm, why.text);
    }
    return 0;
}

static void count(void *context, struct announce_progress *ret)
{
    struct farm *farm = context;
    struct scheduler_counts counts = scheduler_counts(farm->scheduler);
    int64_t total = farm->driver_ops->count(farm->driver);
    uint64_t limit = farm->file.limits.tasks;
    if (limit && total >= 0 && (uint64_t)total > limit)
        total = (int64_t)limit;
    ret->done = counts.done - farm->cancelled + farm->forgone;
    ret->cancelled = farm->cancelled;
    ret->failed = counts.failed - farm->forgone;
    ret->total = total;
    ret->running = counts.running;
    uint64_t past = counts.done + counts.failed + counts.leased;
    ret->waiting = total < 0                ? counts.waiting
                   : (uint64_t)total > past ? (uint64_t)total - past
                                            : 0;
    ret->workers = counts.workers;
    ret->slots = (uint32_t)counts.slots;
}

static int open_crew(struct farm *farm, struct error *ret_error)
{
    const struct crew_events events = {.message = farm_take_message, .lost = farm_take_loss};
    farm->crew = crew_create(farm->loop, (int64_t)(farm->file.limits.heartbeat_timeout_s * 1e9),
                             &events, farm, ret_error);
    farm->pending = pending_create();
    farm->wake = loop_timer_add(farm->loop, farm_wake, farm);
    farm->retry = loop_timer_add(farm->loop, farm_retry_expired, farm);
    farm->idle = loop_timer_add(farm->loop, farm_idle_expired, farm);
    farm->parting = loop_timer_add(farm->loop, farm_parting_expired, farm);
    if (!farm->crew)
        return -1;
    farm->losses = losses_create(farm->loop, farm_take_notice, farm);
    if (!farm->pending || !farm->wake || !farm->retry || !farm->idle || !farm->parting ||
        !farm->losses)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the farm");
    return 0;
}

static int keep_what_is_said(struct farm *farm, struct error *ret_error)
{
    char *path = NULL;
    if (asprintf(&path, "%s/said.txt", farm->options->run_dir) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    announce_keep(path);
    free(path);
    return 0;
}

int farm_open(struct farm *farm, const struct farm_options *options, struct error *ret_error)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, 0};
    farm->options = options;
    buf_init(&farm->scratch, MESSAGE_MAX);
    bool mpi;
    if (make_instance(farm, ret_error) < 0 ||
        farmfile_open(options->farm_path, &farm->file, ret_error) < 0 ||
        wants_mpi(farm, &mpi, ret_error) < 0)
        return -1;
    farm->loop = loop_create(ret_error);
    if (!farm->loop || loop_signals(farm->loop, signals, farm_caught, farm, ret_error) < 0)
        return -1;
    farm->content =
        content_open(options->manifest_path, options->store, options->run_dir, ret_error);
    if (!farm->content || open_crew(farm, ret_error) < 0 ||
        open_rendezvous(farm, ret_error) < 0)
        return -1;
    if (farm_has_container(farm) && keep_what_is_said(farm, ret_error) < 0)
        return -1;
    announce_host(rendezvous_host(farm->rendezvous));
    announce_listening(rendezvous_host(farm->rendezvous), rendezvous_address(farm->rendezvous),
                       rendezvous_port(farm->rendezvous), mpi ? "mpi" : "tcp");
    /* Open MPI wants to be initialised before other threads run: the journal's is one. */
    if ((mpi && serve_mpi(farm, ret_error) < 0) || open_work(farm, ret_error) < 0)
        return -1;
    farm->run_folder =
        run_folder_open(farm->loop, options->run_dir, farm_look_at_folder, farm, ret_error);
    if (!farm->run_folder)
        return -1;
    farm->progress = progress_create(farm->loop, count, farm);
    if (!farm->progress)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the farm");
    loop_set_turn(farm->loop, farm_turn, farm);
    farm->got_on_ns = clock_monotonic_ns();
    farm_idle_expired(farm); /* arms the timer, if there is a limit */
    if (farm->delivery)
        loop_timer_arm(farm->delivery_due, clock_monotonic_ns());
    return 0;
}

void farm_close(struct farm *farm)
{
    rendezvous_close(farm->rendezvous);
    crew_destroy(farm->crew);
    progress_destroy(farm->progress);
    losses_destroy(farm->losses);
    run_folder_close(farm->run_folder);
    if (farm->driver)
        farm->driver_ops->close(farm->driver);
    loop_watch_remove(farm->journal_watch);
    delivery_destroy(farm->delivery);
    journal_close(farm->journal, NULL);
    replica_close(farm->replica);
    container_close(farm->container);
    folders_close(farm->folders);
    results_close(farm->results);
    outputs_close(farm->outputs);
    scheduler_destroy(farm->scheduler);
    pending_destroy(farm->pending);
    content_close(farm->content);
    loop_destroy(farm->loop);
    farmfile_close(&farm->file);
    buf_fini(&farm->job);
    buf_fini(&farm->scratch);
    free(farm->folder);
}
