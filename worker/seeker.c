#include "config.h"

#include "worker/seeker.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/whereabouts.h"

struct seeker {
    struct container *container;
    struct whereabouts whereabouts;
    bool known;
};

struct seeker *seeker_open(void)
{
    static const struct http_options brief = {
        .tries = 2, .connect_timeout_s = 5, .stall_timeout_s = 5, .patience_ms = 5000};
    struct container_target target = container_target_get();
    struct error error;
    if (!target.store || !target.run)
        return NULL;
    struct seeker *seeker = calloc(1, sizeof(*seeker));
    if (seeker)
        seeker->container = container_open(target.store, target.run, &brief, &error);
    if (seeker && seeker->container)
        return seeker;
    free(seeker);
    return NULL;
}

void seeker_close(struct seeker *seeker)
{
    if (!seeker)
        return;
    container_close(seeker->container);
    free(seeker);
}

enum seeker_news seeker_look(struct seeker *seeker, struct dial_options *options)
{
    struct whereabouts now;
    struct error error;
    if (!seeker || whereabouts_get(seeker->container, &now, &error) != 0)
        return SEEKER_NOTHING;
    if (*now.ended)
        return SEEKER_OVER;
    bool moved = !seeker->known || now.port != seeker->whereabouts.port ||
                 strcmp(now.host, seeker->whereabouts.host) != 0 ||
                 strcmp(now.address, seeker->whereabouts.address) != 0;
    bool elsewhere =
        now.port != options->port || !options->host || strcmp(now.host, options->host) != 0;
    seeker->whereabouts = now;
    seeker->known = true;
    options->host =
        *seeker->whereabouts.host ? seeker->whereabouts.host : seeker->whereabouts.address;
    options->address = seeker->whereabouts.address;
    options->port = seeker->whereabouts.port;
    if (moved && elsewhere)
        log_info("the container says that the master is on %s (%s), port %d", options->host,
                 options->address, options->port);
    return moved ? SEEKER_MOVED : SEEKER_NOTHING;
}
