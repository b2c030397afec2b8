/*
 * shot_peers.h - this worker among others of its farm that hold partial sums: by what right it asks
 * them for theirs, and the door at which they ask it.
 */
#ifndef BEOFARM_WORKER_SHOT_PEERS_H
#define BEOFARM_WORKER_SHOT_PEERS_H

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/loop.h"
#include "worker/gift.h"

struct shot_peers;

/* `job` says the farm's name; BEOFARM_SECRET and BEOFARM_NETWORK are looked at when they are
 * needed. came(context, fd): another worker is at the door; the socket is taken. NULL with a
 * sentence. */
struct shot_peers *shot_peers_create(struct loop *loop, const cJSON *job,
                                     void (*came)(void *context, int fd), void *context,
                                     struct error *ret_error);
void shot_peers_destroy(struct shot_peers *peers); /* NULL is allowed */

/* What gift.h needs. Borrowed. NULL with a sentence. */
const struct gift_terms *shot_peers_terms(struct shot_peers *peers, struct error *ret_error);

/* Open the door, if it is not open yet, and say where it is. -1 with a sentence. */
int shot_peers_listen(struct shot_peers *peers, char host[SHOT_HOST_MAX + 1], int *ret_port,
                      struct error *ret_error);

/* Whoever waits for another worker gives up: those who began before the next shot_peers_terms. */
void shot_peers_give_up(struct shot_peers *peers);

#endif
