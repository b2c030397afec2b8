/*
 * Getting ready goes in steps that wait for the network: fetch the manifest, read it, fetch the
 * common files. Each step begins where the cache says that the one before is over, which may be
 * at once; so the first is begun from a timer, to keep the promise that nothing is called from
 * site_create. Where there is no room for the files, all begins again, with what is there.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/azure/container.h"
#include "common/clock.h"
#include "common/farmfile.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/manifest.h"
#include "common/store.h"
#include "worker/mate.h"
#include "worker/mates.h"
#include "worker/party.h"
#include "worker/shortage.h"
#include "worker/site.h"
#include "worker/topology.h"
#include "worker/workdir.h"

#define PLACES_MAX 10000 /* workers in one directory */
#define MATES_NS   (600 * CLOCK_SECOND_NS)

struct seat {
    struct site *site;
    uint32_t slot;
    struct runner *runner;
    unsigned running;
};

struct site {
    struct loop *loop;
    struct children *children;
    const cJSON *job;
    struct site_events events;
    void *context;
    struct topology *topology;
    struct topology_plan *plan;
    char *base;  /* DIR/beofarm */
    int lock_fd; /* holds base/work-N.lock: nobody else works in base/work-N */
    char *work_root;
    struct cache *cache;
    struct cache_request *request;
    struct loop_timer *begin;
    uint8_t manifest_hash[MESSAGE_HASH_SIZE];
    struct manifest *manifest;
    struct workplace *workplace;
    struct party party;  /* of a worker whose tasks have several nodes */
    struct mates *mates; /* NULL: there are none */
    double disk_wait_s;
    int64_t full_ns; /* since when there is no room for files; 0: there is */
    bool files_here, mates_here, said_ready;
    const struct runner_ops *ops;
    struct seat *seats;
    uint32_t seat_count;
};

static void fail(struct site *site, const struct error *error)
{
    site->events.failed(site->context, error);
}

/* Runners */

static void runner_done(void *context, struct runner *runner, const struct result *result,
                        struct workdir *workdir)
{
    (void)runner;
    struct seat *seat = context;
    seat->running--;
    seat->site->events.done(seat->site->context, seat->slot, result, workdir);
}

static void runner_broken(void *context, const struct error *error)
{
    struct seat *seat = context;
    bool full = shortage_is_in(error->text, strlen(error->text)) || site_is_full(seat->site);
    if (!full || seat->site->disk_wait_s <= 0)
        seat->site->events.broken(seat->site->context, error);
}

static int open_runners(struct site *site, struct error *ret_error)
{
    for (uint32_t i = 0; i < site->seat_count; i++) {
        struct seat *seat = &site->seats[i];
        *seat = (struct seat){.site = site, .slot = i};
        const struct runner_context context = {
            .job = site->job,
            .slot = &site->plan->slots[i],
            .slot_number = i,
            .workplace = site->workplace,
            .children = site->children,
            .loop = site->loop,
            .mates = site->mates,
            .owner = {.done = runner_done, .broken = runner_broken, .context = seat},
        };
        seat->runner = site->ops->open(&context, ret_error);
        if (!seat->runner)
            return -1;
    }
    return 0;
}

static void look_whether_ready(struct site *site)
{
    if (!site->files_here || (site->mates && !site->mates_here) || site->said_ready)
        return;
    site->said_ready = true;
    site->events.ready(site->context);
}

/* Other nodes */

static void mates_here(void *context)
{
    struct site *site = context;
    site->mates_here = true;
    look_whether_ready(site);
}

static void mates_lost(void *context, const struct error *error)
{
    struct site *site = context;
    if (site->said_ready)
        site->events.broken(site->context, error);
    else
        fail(site, error);
}

static int open_mates(struct site *site, struct error *ret_error)
{
    struct auth_secret secret;
    const char *farm, *hex = getenv("BEOFARM_SECRET");
    char *stash = NULL;
    if (!site->party.apart || site->party.count < 2)
        return 0;
    if (!hex)
        return error_set(
            ret_error, ERROR_CONFIG,
            "a worker of several nodes needs BEOFARM_SECRET, so that these can join");
    if (auth_secret_parse(hex, &secret, ret_error) < 0 ||
        json_get_text(site->job, "$", "farm", "", &farm, ret_error) < 0)
        return -1;
    if (asprintf(&stash, "%s/mate", site->base) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    struct mates_settings settings = {.hosts = site->party.hosts,
                                      .count = site->party.count,
                                      .farm = farm,
                                      .secret = &secret,
                                      .folder = site->party.folder,
                                      .stash = stash,
                                      .patience_ns = MATES_NS,
                                      .ready = mates_here,
                                      .lost = mates_lost,
                                      .context = site};
    if (mate_port_read(&settings.port, ret_error) == 0)
        site->mates = mates_create(site->loop, &settings, ret_error);
    auth_secret_wipe(&secret);
    free(stash);
    return site->mates ? 0 : -1;
}

/* A task may have several nodes: who they are, and the way to them. */
static int open_party(struct site *site, struct error *ret_error)
{
    const cJSON *work = json_member(site->job, "work");
    double nodes, ranks;
    if (!json_member(work, "nodes"))
        return 0;
    if (json_get_real(work, "$.work", "nodes", 1, &nodes, ret_error) < 0 ||
        json_get_real(work, "$.work", "ranks", 0, &ranks, ret_error) < 0)
        return -1;
    if (!(nodes >= 1 && nodes <= PARTY_NODES_MAX && ranks >= 0 && ranks < 1e9))
        return error_set(ret_error, ERROR_CONFIG,
                         "$.work.nodes or $.work.ranks is out of range");
    struct party_request request = {
        .nodes = (size_t)nodes, .ranks = (size_t)ranks, .cores = site->plan->slots[0].threads};
    if (party_open(&site->party, &request, nodes > 1 ? getenv("AZ_BATCH_HOST_LIST") : NULL,
                   &site->plan->slots[0], ret_error) < 0)
        return -1;
    return open_mates(site, ret_error);
}

/* Files */

/* No room for them: begin once more in a while. False if that is not why, or was waited for. */
static bool begin_again(struct site *site, const struct error *error)
{
    const struct shortage shortage = {.patience_ns = (int64_t)(site->disk_wait_s * 1e9)};
    int64_t now = clock_monotonic_ns();
    bool first = site->full_ns == 0;
    if (first)
        site->full_ns = now;
    if (!shortage_is_in(error->text, strlen(error->text)) ||
        now - site->full_ns >= shortage.patience_ns)
        return false;
    if (first)
        site->events.full(site->context, error);
    loop_timer_arm(site->begin, now + shortage_look_ns(&shortage));
    return true;
}

static void common_files_here(void *context, const struct error *error)
{
    struct site *site = context;
    site->request = NULL;
    site->files_here = !error;
    if (!error && site->full_ns)
        site->events.full(site->context, NULL);
    if (!error)
        look_whether_ready(site);
    else if (!begin_again(site, error))
        fail(site, error);
}

static int read_manifest(struct site *site, struct error *ret_error)
{
    char *text;
    size_t size;
    if (cache_read(site->cache, site->manifest_hash, JSON_SIZE_MAX, &text, &size, ret_error) <
        0)
        return -1;
    site->manifest = manifest_create(text, size, ret_error);
    free(text);
    if (!site->manifest)
        return -1;
    site->workplace = workplace_create(site->work_root, site->cache, site->manifest, ret_error);
    return site->workplace ? open_runners(site, ret_error) : -1;
}

static void manifest_here(void *context, const struct error *error)
{
    struct site *site = context;
    struct error why;
    site->request = NULL;
    if (error) {
        if (!begin_again(site, error))
            fail(site, error);
        return;
    }
    if (!site->manifest && read_manifest(site, &why) < 0) {
        fail(site, &why);
        return;
    }
    const uint8_t(*hashes)[MESSAGE_HASH_SIZE];
    size_t count = workplace_common(site->workplace, &hashes);
    site->request = cache_request(site->cache, hashes, count, common_files_here, site);
}

static void begin(void *context)
{
    struct site *site = context;
    site->request =
        cache_request(site->cache, (const uint8_t(*)[MESSAGE_HASH_SIZE]) & site->manifest_hash,
                      1, manifest_here, site);
}

/* Places */

static int make_base(struct site *site, const char *dir, struct error *ret_error)
{
    char *absolute = realpath(dir, NULL);
    int rc = absolute ? asprintf(&site->base, "%s/beofarm", absolute) : -1;
    free(absolute);
    if (rc < 0)
        return error_errno(ret_error, errno,
                           "the worker's directory \"%s\" ($.worker.dir) is of no use", dir);
    if (mkdir(site->base, 0777) < 0 && errno != EEXIST)
        return error_errno(ret_error, errno, "\"%s\" cannot be made", site->base);
    return 0;
}

/* Several workers may share a directory: each takes the first number that nobody has locked. */
static int lock_place(struct site *site, struct error *ret_error)
{
    for (int number = 0; number < PLACES_MAX; number++) {
        char *lock = NULL;
        if (asprintf(&lock, "%s/work-%d.lock", site->base, number) < 0)
            break;
        site->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        free(lock);
        if (site->lock_fd < 0)
            return error_errno(ret_error, errno, "\"%s\" cannot be written", site->base);
        if (flock(site->lock_fd, LOCK_EX | LOCK_NB) == 0)
            return asprintf(&site->work_root, "%s/work-%d", site->base, number) < 0
                       ? error_set(ret_error, ERROR_SYSTEM, "no memory for a path")
                       : 0;
        close(site->lock_fd);
        site->lock_fd = -1;
    }
    return error_set(ret_error, ERROR_SYSTEM, "no place to work is free under \"%s\"",
                     site->base);
}

static int open_places(struct site *site, struct error *ret_error)
{
    const char *hash, *shared = getenv("AZ_BATCH_NODE_SHARED_DIR");
    const char *here = shared && *shared ? shared : "."; /* outlives a task of Azure Batch */
    char *cache_dir = NULL;
    struct farmfile_worker settings;
    if (farmfile_read_worker(json_member(site->job, "worker"), &settings, ret_error) < 0 ||
        json_get_text(site->job, "$", "manifest", "", &hash, ret_error) < 0 ||
        make_base(site, settings.dir ? settings.dir : here, ret_error) < 0 ||
        lock_place(site, ret_error) < 0)
        return -1;
    site->disk_wait_s = settings.disk_wait_s;
    if (store_hash_parse(hash, site->manifest_hash) < 0)
        return error_set(ret_error, ERROR_NETWORK, "the job names no manifest");
    if (asprintf(&cache_dir, "%s/cache", site->base) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    site->cache = cache_open(cache_dir, ret_error);
    free(cache_dir);
    const char *store = container_target_get().store;
    if (!site->cache || !store)
        return site->cache ? 0 : -1;
    return cache_set_store(site->cache, site->loop, store, ret_error);
}

static int divide(struct site *site, struct error *ret_error)
{
    struct topology_request request;
    struct error unbound;
    if (topology_request_read(&request, json_member(site->job, "worker"), ret_error) < 0)
        return -1;
    site->topology = topology_open(NULL, ret_error);
    if (site->topology && site->ops->request)
        site->ops->request(site->job, site->topology, &request);
    if (site->topology)
        site->plan = topology_plan_create(site->topology, &request, ret_error);
    if (!site->plan)
        return -1;
    for (size_t i = 0; i < site->plan->note_count; i++)
        log_info("%s", site->plan->notes[i]);
    if (slot_try(&site->plan->slots[0], &unbound) < 0)
        log_warn("%s", unbound.text);
    site->seat_count = (uint32_t)site->plan->slot_count;
    size_t files = LIMITS_FILES + LIMITS_FILES_SLOT * (site->plan->slot_count - 1);
    if (limits_check_files(files, ret_error) < 0)
        return error_prefix(ret_error, "a worker with %u slots", site->seat_count);
    site->seats = calloc(site->seat_count, sizeof(*site->seats));
    return site->seats ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for slots");
}

static int find_runner(struct site *site, struct error *ret_error)
{
    const char *name;
    if (json_get_text(site->job, "$", "runner", "process", &name, ret_error) < 0)
        return -1;
    site->ops = runner_find(name);
    if (!site->ops)
        return error_set(ret_error, ERROR_CONFIG,
                         "the job wants the runner \"%s\", which this worker does not have; is "
                         "it older than the master?",
                         name);
    return 0;
}

struct site *site_create(struct loop *loop, struct children *children, const cJSON *job,
                         const struct site_events *events, void *context,
                         struct error *ret_error)
{
    struct site *site = calloc(1, sizeof(*site));
    if (!site) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the worker's slots");
        return NULL;
    }
    *site = (struct site){.loop = loop,
                          .children = children,
                          .job = job,
                          .events = *events,
                          .context = context,
                          .lock_fd = -1,
                          .begin = loop_timer_add(loop, begin, site)};
    if (find_runner(site, ret_error) == 0 && divide(site, ret_error) == 0 &&
        open_places(site, ret_error) == 0 && open_party(site, ret_error) == 0 && site->begin) {
        loop_timer_arm(site->begin, clock_monotonic_ns());
        return site;
    }
    site_destroy(site);
    return NULL;
}

void site_destroy(struct site *site)
{
    if (!site)
        return;
    for (uint32_t i = 0; site->seats && i < site->seat_count; i++)
        if (site->seats[i].runner)
            site->ops->close(site->seats[i].runner);
    mates_destroy(site->mates);
    party_close(&site->party);
    cache_request_cancel(site->request);
    workplace_destroy(site->workplace);
    manifest_destroy(site->manifest);
    cache_close(site->cache);
    topology_plan_destroy(site->plan);
    if (site->topology)
        topology_close(site->topology);
    loop_timer_remove(site->begin);
    if (site->lock_fd >= 0)
        close(site->lock_fd);
    free(site->seats);
    free(site->work_root);
    free(site->base);
    free(site);
}

struct cache *site_cache(struct site *site)
{
    return site->cache;
}

uint32_t site_slots(const struct site *site)
{
    return site->seat_count;
}

/* Tasks */

int site_free_slot(const struct site *site)
{
    int best = -1;
    for (uint32_t i = 0; i < site->seat_count; i++) {
        const struct seat *seat = &site->seats[i];
        if (seat->running >= site->ops->depth(seat->runner))
            continue;
        if (best < 0 || seat->running < site->seats[best].running)
            best = (int)i;
    }
    return best;
}

void site_start(struct site *site, uint32_t slot, struct attempt_id id, const void *payload,
                size_t size)
{
    struct seat *seat = &site->seats[slot];
    seat->running++;
    site->ops->start(seat->runner, id, payload, size);
}

void site_flush(struct site *site)
{
    for (uint32_t i = 0; site->ops->flush && i < site->seat_count; i++)
        if (site->seats[i].runner)
            site->ops->flush(site->seats[i].runner);
}

void site_cancel(struct site *site, uint32_t slot, struct attempt_id id, enum runner_cancel how)
{
    site->ops->cancel(site->seats[slot].runner, id, how);
}

void site_settled(struct site *site, uint32_t slot, struct attempt_id id, bool counts)
{
    /* The attempt may be of an earlier site, which had more slots. */
    if (site->ops->settled && slot < site->seat_count && site->seats[slot].runner)
        site->ops->settled(site->seats[slot].runner, id, counts);
}

const char *site_dir(const struct site *site)
{
    return site->work_root;
}

double site_disk_wait_s(const struct site *site)
{
    return site->disk_wait_s;
}

bool site_is_full(const struct site *site)
{
    return site->workplace && workplace_is_full(site->workplace);
}

bool site_stays(const struct site *site)
{
    return site->ops->stays;
}

void site_leave(struct site *site)
{
    for (uint32_t i = 0; site->ops->leave && i < site->seat_count; i++)
        if (site->seats[i].runner)
            site->ops->leave(site->seats[i].runner);
}

bool site_holds(const struct site *site)
{
    for (uint32_t i = 0; site->ops->holds && i < site->seat_count; i++)
        if (site->seats[i].runner && site->ops->holds(site->seats[i].runner))
            return true;
    return false;
}

bool site_owes(const struct site *site, const void *payload, size_t size)
{
    const struct runner *runner = site->seat_count ? site->seats[0].runner : NULL;
    return site->ops->owes && runner && site->ops->owes(runner, payload, size);
}
