/*
 * What a farm would need and cost, and what it has used. Prices are the user's own; without them
 * there are node-hours alone.
 *
 * What was used is reckoned from the tasks, each of which has a node to itself: from its start to
 * its end, or to now. That a node takes minutes to come and to go is not in it, and is said. Ids of
 * spot nodes end in "_p" or "-p" (Batch's own way of naming).
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/json.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/azure_quota.h"
#include "launch/azure/batch_pool.h"
#include "launch/azure/batch_task.h"

/* The price of an hour; -1: the user gave none. */
static double price_find(const struct azure *azure, const char *vm_size, bool spot)
{
    const cJSON *of_size = vm_size ? json_member(azure->settings.prices, vm_size) : NULL;
    const cJSON *price = json_member(of_size, spot ? "spot" : "dedicated");
    return cJSON_IsNumber(price) ? price->valuedouble : -1.0;
}

/* ", 1.40 EUR" for so many node-hours; "" where a price is missing. */
static const char *cost_print(const struct azure *azure, const char *vm_size,
                              double dedicated_h, double spot_h, char *text, size_t size)
{
    double dedicated = price_find(azure, vm_size, false),
           spot = price_find(azure, vm_size, true);
    const char *currency = azure->settings.currency;
    text[0] = '\0';
    if ((dedicated_h > 0 && dedicated < 0) || (spot_h > 0 && spot < 0) ||
        (dedicated < 0 && spot < 0))
        return text;
    double sum =
        (dedicated_h > 0 ? dedicated * dedicated_h : 0) + (spot_h > 0 ? spot * spot_h : 0);
    snprintf(text, size, ", %.2f%s%s by your prices", sum, currency ? " " : "",
             currency ? currency : "");
    return text;
}

static const char *day_print(int64_t ns, char *text, size_t size)
{
    time_t seconds = (time_t)(ns / CLOCK_SECOND_NS);
    struct tm parts;
    text[0] = '\0';
    if (ns > 0 && gmtime_r(&seconds, &parts))
        strftime(text, size, "%Y-%m-%d", &parts);
    return text;
}

static int image_check(struct azure *azure, const struct backend_listener *listener,
                       struct error *ret_error)
{
    const struct azure_settings *settings = &azure->settings;
    const struct azure_image_choice *image = &azure->image;
    char day[32];
    if (settings->pool.reuse)
        return 0;
    if (!image->chosen && azure_image_choose(azure->account, &settings->pool.image,
                                             settings->pool.start.kind == AZURE_START_CONTAINER,
                                             &azure->image, ret_error) != 0)
        return -1;
    if (image->id)
        backend_say(listener, "image: %s (%s)", image->id, image->agent);
    else
        backend_say(listener, "image: %s %s %s (%s), %s%s", image->publisher, image->offer,
                    image->sku, image->agent,
                    image->end_ns ? "supported by Batch until "
                                  : "no end of Batch's support is announced",
                    day_print(image->end_ns, day, sizeof day));
    return 0;
}

/* The reused pool's VM size, into text. */
static int pool_check(struct azure *azure, char *vm_size, size_t size,
                      const struct backend_listener *listener, struct error *ret_error)
{
    struct batch_pool pool = {0};
    if (!azure->settings.pool.reuse) {
        snprintf(vm_size, size, "%s", azure->settings.pool.vm_size);
        return 0;
    }
    int rc = batch_pool_get(azure->account, azure_pool_id(azure), &pool, ret_error);
    if (rc == 0) {
        snprintf(vm_size, size, "%s", pool.vm_size ? pool.vm_size : "?");
        backend_say(listener, "pool: %s is there, with %d dedicated and %d spot nodes of %s",
                    azure_pool_id(azure), pool.dedicated, pool.spot, vm_size);
    }
    batch_pool_fini(&pool);
    return rc == 0 ? 0 : -1;
}

static const char *quota_print(int quota, char *text, size_t size)
{
    if (quota < 0)
        snprintf(text, size, "a quota not told");
    else
        snprintf(text, size, "a quota of %d", quota);
    return text;
}

/* Cores against quotas. */
static int cores_check(const struct azure_quota *quota, int cores, int dedicated, int spot,
                       const struct backend_listener *listener, struct error *ret_error)
{
    char first[32], second[32];
    int limit = quota->by_family && quota->family >= 0 ? quota->family : quota->dedicated;
    backend_say(listener, "cores: %d dedicated of %s%s; %d spot of %s", cores * dedicated,
                quota_print(limit, first, sizeof first),
                quota->by_family && quota->family >= 0 ? " (of the VM's family)" : "",
                cores * spot, quota_print(quota->spot, second, sizeof second));
    if (limit >= 0 && (int64_t)cores * dedicated > limit)
        return error_set(
            ret_error, ERROR_BACKEND,
            "%d dedicated nodes of %d cores are more than the Batch account's quota "
            "of %d cores: ask for more in the portal (Batch account, Quotas), or "
            "want fewer",
            dedicated, cores, limit);
    if (quota->spot >= 0 && (int64_t)cores * spot > quota->spot)
        return error_set(ret_error, ERROR_BACKEND,
                         "%d spot nodes of %d cores are more than the Batch account's quota of "
                         "%d low-priority cores: ask for more in the portal (Batch account, "
                         "Quotas), or want fewer",
                         spot, cores, quota->spot);
    return 0;
}

static int size_check(const struct azure_quota *quota, const char *vm_size,
                      const struct backend_listener *listener, struct error *ret_error)
{
    char day[32];
    if (quota->size_listed && !quota->size_known)
        return error_set(ret_error, ERROR_CONFIG,
                         "$.backend.pool.vm_size: Batch has no \"%s\" in %s", vm_size,
                         quota->location);
    if (quota->end_ns && quota->end_ns < clock_wall_ns())
        return error_set(ret_error, ERROR_CONFIG,
                         "$.backend.pool.vm_size: Batch no longer supports \"%s\" (since %s)",
                         vm_size, day_print(quota->end_ns, day, sizeof day));
    if (quota->end_ns)
        backend_say(listener, "VM size: %s, supported by Batch until %s", vm_size,
                    day_print(quota->end_ns, day, sizeof day));
    return 0;
}

/* That quotas cannot be read is said, and is no failure: Batch itself refuses what is too much. */
static int quota_check(struct azure *azure, const char *vm_size, int dedicated, int spot,
                       const struct backend_listener *listener, struct error *ret_error)
{
    struct azure_quota quota;
    struct error error;
    int rc = azure_quota_get(azure->account, azure->settings.management_url, vm_size, &quota,
                             &error);
    int cores = rc == 0 && quota.cores ? quota.cores : azure_quota_cores(vm_size);
    if (rc != 0 && cores)
        backend_say(listener, "cores: %d dedicated, %d spot (%d a node, by the VM size's name)",
                    cores * dedicated, cores * spot, cores);
    if (rc > 0)
        backend_say(listener,
                    "quota: not asked for; the subscription and the resource group of "
                    "the Batch account are not known (AZURE_SUBSCRIPTION_ID, "
                    "AZURE_RESOURCE_GROUP)");
    if (rc < 0)
        backend_say(listener, "quota: not known; %s", error.text);
    if (rc != 0)
        return 0;
    if (size_check(&quota, vm_size, listener, ret_error) != 0)
        return -1;
    return cores_check(&quota, cores, dedicated, spot, listener, ret_error);
}

int azure_check(struct backend *backend, int workers, const struct backend_listener *listener,
                struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    int spot = azure_settings_spot(&azure->settings, workers), dedicated = 1 + workers - spot;
    char vm_size[128], cost[128];
    struct error error;
    bool known = azure_account(azure, &error);
    snprintf(vm_size, sizeof vm_size, "%s",
             azure->settings.pool.vm_size ? azure->settings.pool.vm_size : "?");
    if (!known) /* whoever goes on to rent is told so as an error */
        backend_say(listener, "account: %s", error.text);
    if (known && (image_check(azure, listener, ret_error) != 0 ||
                  pool_check(azure, vm_size, sizeof vm_size, listener, ret_error) != 0))
        return -1;
    backend_say(listener, "nodes: %d dedicated (one for the master), %d spot, of %s", dedicated,
                spot, vm_size);
    if (known && quota_check(azure, vm_size, dedicated, spot, listener, ret_error) != 0)
        return -1;
    backend_say(listener, "an hour of the farm: %d node-hours%s", dedicated + spot,
                cost_print(azure, vm_size, dedicated, spot, cost, sizeof cost));
    return 0;
}

struct usage {
    int64_t now_ns;
    double dedicated_h, spot_h;
    bool running;
};

static int task_add(void *context, const struct batch_task *task)
{
    struct usage *usage = context;
    size_t size = task->node ? strlen(task->node) : 0;
    int64_t end_ns = task->ended_ns ? task->ended_ns : usage->now_ns;
    if (!task->started_ns || end_ns < task->started_ns)
        return 0;
    bool spot = size > 2 && task->node[size - 1] == 'p' &&
                (task->node[size - 2] == '_' || task->node[size - 2] == '-');
    double hours = (double)(end_ns - task->started_ns) / CLOCK_SECOND_NS / 3600.0;
    const cJSON *several = json_member(task->json, "multiInstanceSettings");
    const cJSON *instances = json_member(several, "numberOfInstances");
    if (cJSON_IsNumber(instances)) /* its other nodes are taken to be as its first */
        hours *= instances->valuedouble;
    *(spot ? &usage->spot_h : &usage->dedicated_h) += hours;
    usage->running |= !task->ended_ns;
    return 0;
}

int azure_usage_say(struct backend *backend, const struct backend_listener *listener,
                    struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    struct azure_note note = azure->note;
    struct usage usage = {.now_ns = clock_wall_ns()};
    struct batch_pool pool = {0};
    struct error ignored;
    char id[BATCH_ID_MAX + 1], cost[128], nodes[96] = "no nodes now";
    if (note.job == 0)
        return 0;
    if (!azure_account(azure, ret_error) || azure_access_renew(azure, ret_error) != 0)
        return -1;
    for (; note.job > 0; note.job--)
        if (batch_task_list(azure->account, azure_note_job(&note, id), NULL, task_add, &usage,
                            ret_error) < 0)
            return -1;
    const char *vm_size = azure->settings.pool.vm_size;
    if (batch_pool_get(azure->account, azure_pool_id(azure), &pool, &ignored) == 0) {
        snprintf(nodes, sizeof nodes, "%d dedicated and %d spot nodes now", pool.dedicated,
                 pool.spot);
        vm_size = pool.vm_size ? pool.vm_size : vm_size;
    }
    backend_say(listener, "%.2f node-hours of tasks (%.2f dedicated, %.2f spot)%s; %s",
                usage.dedicated_h + usage.spot_h, usage.dedicated_h, usage.spot_h,
                cost_print(azure, vm_size, usage.dedicated_h, usage.spot_h, cost, sizeof cost),
                nodes);
    batch_pool_fini(&pool);
    return 0;
}
