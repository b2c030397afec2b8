/*
 * What a farm does with its container, where it has one (BEOFARM_STORE=blob:...): its journal has a
 * copy there, it says there where it is, and it delivers there what it comes to: the tables every
 * now and then, all of it at the end, before the end is announced.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "master/farm_private.h"
#include "master/ship.h"

#define DELIVERY_NS    (INT64_C(60) * CLOCK_SECOND_NS) /* between deliveries of the tables */
#define DELIVERY_SHARE 20 /* at most one part in so many of the time goes into them */
#define RETRY_NS       (INT64_C(5) * CLOCK_SECOND_NS)
#define PATIENCE_NS                                                                            \
    (INT64_C(900) * CLOCK_SECOND_NS) /* for a container that cannot be reached */

bool farm_has_container(const struct farm *farm)
{
    return container_is(farm->options->store);
}

static void here(const struct farm *farm, struct whereabouts *whereabouts)
{
    memset(whereabouts, 0, sizeof(*whereabouts));
    snprintf(whereabouts->host, sizeof(whereabouts->host), "%s",
             rendezvous_host(farm->rendezvous));
    snprintf(whereabouts->address, sizeof(whereabouts->address), "%s",
             rendezvous_address(farm->rendezvous));
    snprintf(whereabouts->instance, sizeof(whereabouts->instance), "%s", farm->instance);
    whereabouts->port = rendezvous_port(farm->rendezvous);
}

int farm_container_open(struct farm *farm, struct error *ret_error)
{
    if (!farm_has_container(farm))
        return 0;
    const struct replica_options options = {.store = farm->options->store,
                                            .run = farm->options->run};
    if (!options.run || !*options.run)
        return error_set(ret_error, ERROR_USAGE,
                         "BEOFARM_STORE names a container, but neither BEOFARM_RUN nor "
                         "BEOFARM_FARM the run");
    farm->replica = replica_open(&options, ret_error);
    farm->container =
        farm->replica ? container_open(options.store, options.run, NULL, ret_error) : NULL;
    farm->delivery = farm->container ? delivery_create(farm->loop, options.store, options.run,
                                                       farm->options->run_dir, ret_error)
                                     : NULL;
    farm->delivery_due = loop_timer_add(farm->loop, farm_delivery_expired, farm);
    if (farm->delivery && !farm->delivery_due)
        error_set(ret_error, ERROR_SYSTEM, "no memory for deliveries");
    return farm->delivery && farm->delivery_due ? 0 : -1;
}

/* Files that came over the link, and that the driver of an earlier master may not have read yet. */
int farm_container_restored(struct farm *farm, struct error *ret_error)
{
    if (!farm->replica || !journal_resumed(farm->journal) || farm->driver_ops->outputs_unread)
        return 0;
    return ship_outputs_back(farm->container, farm->options->run_dir, ret_error);
}

/* A row is not in the journal before its files are safe. */
int farm_container_copy(void *context, const struct journal_row *rows, size_t count,
                        struct error *ret_error)
{
    struct farm *farm = context;
    char name[32];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "out/%llu", (unsigned long long)rows[i].result.id.task);
        if (rows[i].ship &&
            ship_folder(farm->container, farm->options->run_dir, name, ret_error) != 0)
            return -1;
    }
    return replica_append(farm->replica, rows, count, ret_error);
}

void farm_container_committed(void *context, const struct journal_row *rows, size_t count)
{
    struct farm *farm = context;
    results_append(farm->results, rows, count);
    if (farm->folders)
        folders_append(farm->folders, rows, count);
}

/* --- while it runs ------------------------------------------------------------------------ */

static void delivered(void *context, const struct error *error)
{
    struct farm *farm = context;
    int64_t now = clock_monotonic_ns(), took = now - farm->delivery_begun_ns;
    if (error && !farm->delivery_troubled)
        farm_take_notice(farm, error->text);
    farm->delivery_troubled = error != NULL;
    if (!error)
        farm->whereabouts_said = true;
    int64_t wait = took * DELIVERY_SHARE > DELIVERY_NS ? took * DELIVERY_SHARE : DELIVERY_NS;
    loop_timer_arm(farm->delivery_due, now + (error ? RETRY_NS : wait));
}

/* The first time says where the master is. */
void farm_delivery_expired(void *context)
{
    struct farm *farm = context;
    struct whereabouts whereabouts;
    if (farm->phase > FARM_ENDING || delivery_is_busy(farm->delivery))
        return;
    here(farm, &whereabouts);
    farm->delivery_begun_ns = clock_monotonic_ns();
    delivery_start(farm->delivery, DELIVERY_TABLES,
                   farm->whereabouts_said ? NULL : &whereabouts, delivered, farm);
}

/* --- the end ------------------------------------------------------------------------------ */

static void all_delivered(void *context, const struct error *error)
{
    struct farm *farm = context;
    int64_t now = clock_monotonic_ns();
    if (error && now - farm->ending_ns < PATIENCE_NS) {
        if (!farm->delivery_troubled)
            farm_take_notice(farm, error->text);
        farm->delivery_troubled = true;
        loop_timer_arm(farm->delivery_due, now + RETRY_NS);
        farm->deliver_again_ns = now + RETRY_NS;
        return;
    }
    farm->delivered = true;
    if (!error)
        return;
    if (farm->exit_code == ERROR_NONE || farm->exit_code == ERROR_TASKS)
        farm->exit_code = ERROR_BACKEND;
    error_prefix(&farm->end, "the results could not be put into the container (%.300s)",
                 error->text);
}

bool farm_deliver(struct farm *farm)
{
    if (!farm->delivery || farm->delivered)
        return true;
    if (farm->phase != FARM_DELIVERING) {
        farm->phase = FARM_DELIVERING;
        farm->deliver_again_ns = 0;
    }
    if (!delivery_is_busy(farm->delivery) && clock_monotonic_ns() >= farm->deliver_again_ns) {
        farm->deliver_again_ns = INT64_MAX;
        delivery_start(farm->delivery, DELIVERY_ALL, NULL, all_delivered, farm);
    }
    return false;
}

static void said(void *context, const struct error *error)
{
    (void)context;
    if (error)
        log_warn("%s", error->text);
}

void farm_deliver_end(struct farm *farm, const char *status)
{
    struct whereabouts whereabouts = {0};
    if (!farm->delivery)
        return;
    snprintf(whereabouts.ended, sizeof(whereabouts.ended), "%s", status);
    delivery_start(farm->delivery, DELIVERY_TABLES, &whereabouts, said, farm);
}

bool farm_container_waits(struct farm *farm)
{
    return farm->replica && farm->journal_troubled && !farm->quietly &&
           clock_monotonic_ns() - farm->ending_ns < PATIENCE_NS;
}

/* Told to go by SIGTERM: so does a node that is taken away, and a cancelled job. In the first case
 * there will be another master, so the workers are not told that the farm is over. */
void farm_go_quietly(struct farm *farm)
{
    static const char sentence[] = "the master was told to go; what is done is safe in the "
                                   "container, and the next one goes on";
    log_info("%s", sentence);
    announce_notice(sentence);
    loop_stop(farm->loop);
}

/* Another master has this farm now. Its workers are told nothing: they find it by themselves. */
bool farm_is_superseded(struct farm *farm)
{
    if (!farm->replica || !replica_is_lost(farm->replica))
        return false;
    error_set(&farm->end, ERROR_CHANGED,
              "another master of this farm has taken over; this one ends");
    farm->exit_code = ERROR_CHANGED;
    loop_stop(farm->loop);
    return true;
}
