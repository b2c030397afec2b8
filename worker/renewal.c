#include "config.h"

#include "worker/renewal.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/azure/container.h"
#include "common/clock.h"
#include "common/errand.h"

#define PAUSE_MAX_S INT64_C(3600) /* clocks are set, and machines sleep */

struct renewal {
    struct container *container;
    struct errand *errand;
    struct loop_timer *timer;
    atomic_bool closing;
};

static bool stop(void *context)
{
    struct renewal *renewal = context;
    return atomic_load(&renewal->closing);
}

/* What is asked for is of no use here; the others of this process find it
 * (common/azure/right.h). */
static void look(void *context)
{
    struct renewal *renewal = context;
    container_service(renewal->container);
}

static void timer_arm(void *context)
{
    struct renewal *renewal = context;
    int64_t wait_s = container_look_s(renewal->container) - clock_wall_ns() / CLOCK_SECOND_NS;
    wait_s = wait_s < 1 ? 1 : wait_s > PAUSE_MAX_S ? PAUSE_MAX_S : wait_s;
    loop_timer_arm(renewal->timer, clock_monotonic_ns() + wait_s * CLOCK_SECOND_NS);
}

static void expired(void *context)
{
    struct renewal *renewal = context;
    errand_start(renewal->errand, look, timer_arm, renewal);
}

struct renewal *renewal_create(struct loop *loop)
{
    struct container_target target = container_target_get();
    struct error error;
    struct renewal *renewal = target.store && target.run ? calloc(1, sizeof(*renewal)) : NULL;
    if (!renewal)
        return NULL;
    const struct http_options http = {.tries = 2, .stop = stop, .stop_context = renewal};
    renewal->container = container_open(target.store, target.run, &http, &error);
    if (renewal->container && container_look_s(renewal->container) != INT64_MAX &&
        (renewal->errand = errand_create(loop, &error)) &&
        (renewal->timer = loop_timer_add(loop, expired, renewal))) {
        timer_arm(renewal);
        return renewal;
    }
    renewal_destroy(renewal);
    return NULL;
}

void renewal_destroy(struct renewal *renewal)
{
    if (!renewal)
        return;
    atomic_store(&renewal->closing, true);
    loop_timer_remove(renewal->timer);
    errand_destroy(renewal->errand);
    container_close(renewal->container);
    free(renewal);
}
