#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"
#include "common/network.h"
#include "worker/dial.h"
#include "worker/door.h"
#include "worker/instance.h"
#include "worker/shot_peers.h"

_Static_assert(SHOT_HOST_MAX + 1 >= NETWORK_ADDRESS_MAX, "any address fits into a task");

struct shot_peers {
    struct loop *loop;
    void (*came)(void *context, int fd);
    void *context;
    char *farm;
    struct gift_terms terms; /* farm NULL: not read yet */
    struct door *door;
    char host[SHOT_HOST_MAX + 1]; /* of the door */
};

struct shot_peers *shot_peers_create(struct loop *loop, const cJSON *job,
                                     void (*came)(void *context, int fd), void *context,
                                     struct error *ret_error)
{
    const char *farm = cJSON_GetStringValue(json_member(job, "farm"));
    struct shot_peers *peers = calloc(1, sizeof(*peers));
    if (!peers || !(peers->farm = strdup(farm ? farm : ""))) {
        free(peers);
        error_set(ret_error, ERROR_SYSTEM, "no memory for what other workers are to know");
        return NULL;
    }
    peers->loop = loop;
    peers->came = came;
    peers->context = context;
    peers->terms.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (peers->terms.cancel_fd >= 0)
        return peers;
    error_errno(ret_error, errno, "no descriptor for waiting");
    shot_peers_destroy(peers);
    return NULL;
}

void shot_peers_destroy(struct shot_peers *peers)
{
    if (!peers)
        return;
    door_close(peers->door);
    if (peers->terms.cancel_fd >= 0)
        close(peers->terms.cancel_fd);
    auth_secret_wipe(&peers->terms.secret);
    free(peers->farm);
    free(peers);
}

const struct gift_terms *shot_peers_terms(struct shot_peers *peers, struct error *ret_error)
{
    const char *hex = getenv("BEOFARM_SECRET");
    uint64_t told;
    while (read(peers->terms.cancel_fd, &told, sizeof(told)) > 0)
        ; /* who gave up has done so */
    if (peers->terms.farm)
        return &peers->terms;
    if (!hex) {
        error_set(ret_error, ERROR_CONFIG,
                  "sums go from worker to worker only where BEOFARM_SECRET is set");
        return NULL;
    }
    if (auth_secret_parse(hex, &peers->terms.secret, ret_error) < 0)
        return NULL;
    peers->terms.farm = peers->farm;
    return &peers->terms;
}

static void came(void *context, int fd, const struct sockaddr *from)
{
    const struct shot_peers *peers = context;
    (void)from;
    peers->came(peers->context, fd);
}

/* As the farm says; or, where it does not, as the master was reached. */
static int find_address(struct sockaddr_storage *ret_address, struct error *ret_error)
{
    const char *network = getenv("BEOFARM_NETWORK");
    if (!(network && *network) && dial_own_address(ret_address))
        return 0;
    return network_find(network ? network : "", ret_address, ret_error);
}

static int open_door(struct shot_peers *peers, struct error *ret_error)
{
    struct sockaddr_storage address;
    const struct gift_terms *terms = shot_peers_terms(peers, ret_error);
    if (!terms || find_address(&address, ret_error) < 0)
        return -1;
    const struct door_settings settings = {.farm = peers->farm,
                                           .secret = &terms->secret,
                                           .address = &address, /* its port is 0 */
                                           .came = came,
                                           .context = peers};
    network_format((const struct sockaddr *)&address, peers->host);
    peers->door = door_open(peers->loop, &settings, ret_error);
    if (!peers->door)
        return -1;
    log_info("process %s lets other workers take sums at %s, port %d", instance_text(),
             peers->host, door_port(peers->door));
    return 0;
}

int shot_peers_listen(struct shot_peers *peers, char host[SHOT_HOST_MAX + 1], int *ret_port,
                      struct error *ret_error)
{
    if (!peers->door && open_door(peers, ret_error) < 0)
        return -1;
    snprintf(host, SHOT_HOST_MAX + 1, "%s", peers->host);
    *ret_port = door_port(peers->door);
    return 0;
}

void shot_peers_give_up(struct shot_peers *peers)
{
    const uint64_t one = 1;
    if (write(peers->terms.cancel_fd, &one, sizeof(one)) < 0)
        return; /* it was told before */
}
