/*
 * Connections of mates, from the first byte to the last. What is said over them is in mates_files.c
 * (directories) and mates_remotes.c (processes).
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link_tcp.h"
#include "common/log.h"
#include "common/network.h"
#include "worker/mates_private.h"

static void peer_ready(unsigned events, void *context);

/* --- Sending --- */

void mates_send(struct peer *peer)
{
    struct error error;
    struct buf *message = &peer->mates->message;
    if (!peer->link)
        return;
    if (buf_failed(message))
        error_set(&error, ERROR_SYSTEM, "no memory for a message to node %s", peer->host);
    else if (link_send(peer->link, message, &error) == 0)
        return;
    mates_lose(peer, &error);
}

void mates_flush(struct peer *peer)
{
    struct error error;
    if (!peer->link)
        return;
    if (link_progress(peer->link, &error) < 0)
        mates_lose(peer, &error);
    else
        loop_watch_set(peer->watch,
                       LOOP_READ | (link_wants_write(peer->link) ? LOOP_WRITE : 0));
}

/* --- Peers --- */

static void peer_close(struct peer *peer)
{
    loop_watch_remove(peer->watch);
    link_close(peer->link);
    peer->watch = NULL;
    peer->link = NULL;
    mates_files_forget(peer);
    mates_remotes_orphan(peer);
}

void mates_lose(struct peer *peer, const struct error *error)
{
    struct mates *mates = peer->mates;
    struct error why = *error;
    if (!peer->link)
        return;
    peer_close(peer);
    error_prefix(&why, "node %s is lost", peer->host);
    if (!mates->said_ready) { /* it may come again */
        log_warn("%s", why.text);
        return;
    }
    if (mates->said_lost)
        return;
    mates->said_lost = true;
    if (mates->done) {
        mates->error = why;
        loop_timer_arm(mates->later, 0);
    }
    mates->settings.lost(mates->settings.context, &why);
}

static int message_take(struct peer *peer, struct buf *message)
{
    struct wire_reader reader;
    wire_reader_init(&reader, message->data, message->size);
    enum mate_message type = (enum mate_message)wire_get_u8(&reader);
    if (type == MATE_OUTPUT || type == MATE_ENDED)
        return mates_remotes_pass(peer, type, &reader);
    return mates_files_take(peer, type, &reader);
}

static void peer_ready(unsigned events, void *context)
{
    struct peer *peer = context;
    struct mates *mates = peer->mates;
    struct error error;
    int rc = 0;
    (void)events;
    while (peer->link && (rc = link_receive(peer->link, &mates->piece, &error)) > 0)
        if (message_take(peer, &mates->piece) < 0) {
            error_set(&error, ERROR_NETWORK, "it talks nonsense");
            rc = -1;
            break;
        }
    if (rc < 0)
        mates_lose(peer, &error);
    if (peer->link) {
        mates_files_feed(peer);
        mates_flush(peer);
    }
}

/* --- Those who come --- */

static void complete_check(struct mates *mates)
{
    for (size_t i = 0; i < mates->peer_count; i++)
        if (!mates->peers[i].link)
            return;
    if (mates->said_ready)
        return;
    mates->said_ready = true;
    mates->settings.ready(mates->settings.context);
}

static struct peer *peer_find(struct mates *mates, const struct sockaddr *address)
{
    char text[NETWORK_ADDRESS_MAX];
    network_format(address, text);
    for (size_t i = 0; i < mates->peer_count; i++)
        if (strcmp(mates->peers[i].host, text) == 0)
            return &mates->peers[i];
    log_warn("a connection from %s, which is none of this worker's nodes, is refused", text);
    return NULL;
}

static bool admit(void *context, const struct sockaddr *from)
{
    return peer_find(context, from) != NULL;
}

static const char *refuse(void *context, const struct sockaddr *from)
{
    const struct peer *peer = peer_find(context, from);
    return peer && !peer->link ? NULL : "another mate stands for this node";
}

static void came(void *context, int fd, const struct sockaddr *from)
{
    struct peer *peer = peer_find(context, from);
    struct error error = {0};
    if (!peer || peer->link) { /* another was faster */
        close(fd);
        return;
    }
    peer->link = link_tcp_create(fd, &error);
    if (peer->link)
        peer->watch = loop_watch_add(peer->mates->loop, link_fd(peer->link), LOOP_READ,
                                     peer_ready, peer, &error);
    if (peer->watch) {
        complete_check(peer->mates);
        return;
    }
    link_close(peer->link);
    peer->link = NULL;
    log_warn("node %s: %s", peer->host, error.text);
}

/* --- Time --- */

static void patience_check(struct mates *mates, int64_t now)
{
    struct error error;
    const char *missing = NULL;
    size_t there = 0;
    if (mates->said_ready || mates->said_lost || now < mates->patience_until_ns)
        return;
    for (size_t i = 0; i < mates->peer_count; i++)
        if (mates->peers[i].link)
            there++;
        else
            missing = mates->peers[i].host;
    mates->said_lost = true;
    error_set(
        &error, ERROR_NETWORK,
        "of this worker's %zu other nodes only %zu came within %.0f s; %s for one did not: "
        "see mate.txt in the task's folder there",
        mates->peer_count, there, 1e-9 * (double)mates->settings.patience_ns, missing);
    mates->settings.lost(mates->settings.context, &error);
}

static void pulse_expired(void *context)
{
    struct mates *mates = context;
    int64_t now = clock_monotonic_ns();
    struct error error;
    for (size_t i = 0; i < mates->peer_count; i++) {
        struct peer *peer = &mates->peers[i];
        if (peer->link && now - peer->link->heard_ns > MATE_SILENT_NS) {
            error_set(&error, ERROR_NETWORK, "it was silent for %.0f s", 1e-9 * MATE_SILENT_NS);
            mates_lose(peer, &error);
        } else if (peer->link && link_pulse(peer->link, &error) < 0) {
            mates_lose(peer, &error);
        }
        mates_flush(peer);
    }
    loop_timer_arm(mates->pulse, now + MATE_PULSE_NS);
    patience_check(mates, now);
}

/* --- Opening --- */

static int listen_open(struct mates *mates, struct error *ret_error)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *any = (struct sockaddr_in *)&address;
    *any = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)mates->settings.port),
                                .sin_addr.s_addr = htonl(INADDR_ANY)};
    const struct door_settings settings = {.farm = mates->farm,
                                           .secret = &mates->secret,
                                           .address = &address,
                                           .admit = admit,
                                           .refuse = refuse,
                                           .came = came,
                                           .context = mates};
    mates->door = door_open(mates->loop, &settings, ret_error);
    return mates->door ? 0
                       : error_prefix(ret_error,
                                      "port %d, where this worker's other nodes look for it, "
                                      "cannot be had (BEOFARM_MATE_PORT names another)",
                                      mates->settings.port);
}

static int settings_copy(struct mates *mates, const struct mates_settings *settings)
{
    mates->settings = *settings;
    mates->secret = *settings->secret;
    mates->farm = strdup(settings->farm);
    mates->folder = strdup(settings->folder);
    mates->stash = strdup(settings->stash);
    mates->hosts = calloc(settings->count + 1, sizeof *mates->hosts);
    mates->peers = calloc(settings->count, sizeof *mates->peers);
    if (!mates->farm || !mates->folder || !mates->stash || !mates->hosts || !mates->peers)
        return -1;
    for (size_t i = 0; i < settings->count; i++)
        if (!(mates->hosts[i] = strdup(settings->hosts[i])))
            return -1;
    for (size_t i = 1; i < settings->count; i++)
        mates->peers[mates->peer_count++] = (struct peer){
            .mates = mates, .host = mates->hosts[i], .out_fd = -1, .incoming = {.fd = -1}};
    return 0;
}

static void done_later(void *context)
{
    struct mates *mates = context;
    mates_done done = mates->done;
    struct error error = mates->error;
    mates->done = NULL;
    mates->error.code = ERROR_NONE;
    if (done)
        done(mates->context, error.code ? &error : NULL);
}

struct mates *mates_create(struct loop *loop, const struct mates_settings *settings,
                           struct error *ret_error)
{
    struct mates *mates = calloc(1, sizeof *mates);
    if (!mates) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the worker's other nodes");
        return NULL;
    }
    mates->loop = loop;
    mates->socket_fd = mates->dir_fd = -1;
    buf_init(&mates->message, MESSAGE_MATE_MAX);
    buf_init(&mates->piece, MESSAGE_MATE_MAX);
    mates->pulse = loop_timer_add(loop, pulse_expired, mates);
    mates->later = loop_timer_add(loop, done_later, mates);
    if (!mates->pulse || !mates->later || settings_copy(mates, settings) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the worker's other nodes");
        mates_destroy(mates);
        return NULL;
    }
    mates->patience_until_ns = clock_monotonic_ns() + settings->patience_ns;
    loop_timer_arm(mates->pulse, clock_monotonic_ns() + CLOCK_SECOND_NS);
    if (listen_open(mates, ret_error) == 0 && mates_remotes_open(mates, ret_error) == 0)
        return mates;
    mates_destroy(mates);
    return NULL;
}

void mates_destroy(struct mates *mates)
{
    if (!mates)
        return;
    mates->said_lost = mates->said_ready = true;
    mates->done = NULL;
    mates_remotes_close(mates);
    for (size_t i = 0; i < mates->peer_count; i++)
        peer_close(&mates->peers[i]);
    door_close(mates->door);
    loop_timer_remove(mates->pulse);
    loop_timer_remove(mates->later);
    for (size_t i = 0; mates->hosts && i < mates->settings.count; i++)
        free(mates->hosts[i]);
    snapshot_fini(&mates->snapshot);
    buf_fini(&mates->message);
    buf_fini(&mates->piece);
    auth_secret_wipe(&mates->secret);
    free(mates->hosts);
    free(mates->peers);
    free(mates->farm);
    free(mates->folder);
    free(mates->stash);
    free(mates);
}
