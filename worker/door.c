#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/descriptors.h"
#include "common/log.h"
#include "worker/door.h"

#define PROOF_LIMIT_NS   (10 * CLOCK_SECOND_NS)
#define COMERS_MAX       (2 * 1000)
#define DESCRIPTORS_PART 4 /* of all that the worker may have, strangers may have */
#define GRACE_NS         CLOCK_SECOND_NS /* a comer is not sent away for another before */
#define COMPLAIN_NS      (10 * CLOCK_SECOND_NS)
#define PAUSE_NS         (CLOCK_SECOND_NS / 10)
#define BACKLOG          1024

/* A connection that has not proven itself. */
struct comer {
    struct door *door;
    struct comer *next;
    int fd;
    struct sockaddr_storage from;
    struct auth *auth;
    struct loop_watch *watch;
    int64_t until_ns;
};

struct door {
    struct loop *loop;
    struct door_settings settings;
    char *farm;
    struct auth_secret secret;
    int fd, port;
    struct loop_watch *watch;
    struct loop_timer *timer, *pause;
    struct comer *comers; /* the newest first */
    size_t comer_count, comers_max;
    int64_t complain_ns; /* not before; */
    unsigned silent;     /* so often it was to be meanwhile */
};

/* Forget one; its socket is closed unless it was taken (-1). */
static void comer_remove(struct comer *comer)
{
    struct comer **at = &comer->door->comers;
    while (*at != comer)
        at = &(*at)->next;
    *at = comer->next;
    comer->door->comer_count--;
    loop_watch_remove(comer->watch);
    auth_destroy(comer->auth);
    if (comer->fd >= 0)
        close(comer->fd);
    free(comer);
}

/* Scanners must not fill the disk with it. */
static void comer_complain(const struct comer *comer, const struct error *error)
{
    struct door *door = comer->door;
    char text[NETWORK_ADDRESS_MAX], more[64] = "";
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns < door->complain_ns) {
        door->silent++;
        return;
    }
    if (door->silent)
        snprintf(more, sizeof(more), " (and %u more since the last one)", door->silent);
    log_warn("a connection from %s is refused: %s%s",
             network_format((const struct sockaddr *)&comer->from, text), error->text, more);
    door->silent = 0;
    door->complain_ns = now_ns + COMPLAIN_NS;
}

static void comer_accept(struct comer *comer)
{
    const struct door_settings *settings = &comer->door->settings;
    const struct sockaddr_storage from = comer->from;
    int fd = comer->fd;
    comer->fd = -1;
    comer_remove(comer);
    settings->came(settings->context, fd, (const struct sockaddr *)&from);
}

/* True: he is told, and not taken. */
static bool comer_refuse(struct comer *comer)
{
    const struct door_settings *settings = &comer->door->settings;
    const char *why = settings->refuse ? settings->refuse(settings->context,
                                                          (const struct sockaddr *)&comer->from)
                                       : NULL;
    if (why)
        auth_refuse(comer->auth, ERROR_CONFIG, why);
    return why != NULL;
}

static void comer_ready(unsigned events, void *context)
{
    struct comer *comer = context;
    struct error error;
    const struct auth_welcome welcome = {.transport = AUTH_TCP};
    (void)events;
    int state = auth_progress(comer->auth, &error);
    if (state == AUTH_PROVEN && comer_refuse(comer)) {
        comer_remove(comer);
        return;
    }
    if (state == AUTH_PROVEN)
        state = auth_welcome(comer->auth, &welcome, &error) < 0
                    ? -1
                    : auth_progress(comer->auth, &error);
    if (state < 0) {
        comer_complain(comer, &error);
        comer_remove(comer);
    } else if (state == AUTH_DONE) {
        comer_accept(comer);
    } else {
        loop_watch_set(comer->watch,
                       LOOP_READ | (auth_wants_write(comer->auth) ? LOOP_WRITE : 0));
    }
}

/* Whether one more may stand in the door: the oldest goes, if he had his chance. */
static bool door_has_room(struct door *door)
{
    if (door->comer_count < door->comers_max)
        return true;
    struct comer *oldest = door->comers;
    while (oldest->next)
        oldest = oldest->next;
    if (oldest->until_ns - PROOF_LIMIT_NS + GRACE_NS > clock_monotonic_ns())
        return false;
    comer_remove(oldest);
    return true;
}

static void pause_over(void *context)
{
    const struct door *door = context;
    loop_watch_set(door->watch, LOOP_READ);
}

/* Whoever knocks would have us come again and again while there is no descriptor for him. */
static void door_pause(struct door *door)
{
    loop_watch_set(door->watch, 0);
    loop_timer_arm(door->pause, clock_monotonic_ns() + PAUSE_NS);
}

static bool is_admitted(const struct door *door, const struct sockaddr *from)
{
    return !door->settings.admit || door->settings.admit(door->settings.context, from);
}

static void door_ready(unsigned events, void *context)
{
    struct door *door = context;
    struct sockaddr_storage from = {0};
    socklen_t size = sizeof from;
    struct error error = {0};
    (void)events;
    int fd = accept4(door->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            door_pause(door);
        return;
    }
    struct comer *comer = is_admitted(door, (struct sockaddr *)&from) && door_has_room(door)
                              ? calloc(1, sizeof *comer)
                              : NULL;
    if (!comer) {
        close(fd);
        return;
    }
    *comer = (struct comer){.door = door,
                            .next = door->comers,
                            .fd = fd,
                            .from = from,
                            .until_ns = clock_monotonic_ns() + PROOF_LIMIT_NS};
    door->comers = comer;
    if (door->comer_count++ == 0)
        loop_timer_arm(door->timer, comer->until_ns);
    comer->auth = auth_server_create(fd, &door->secret, door->farm, &error);
    if (comer->auth)
        comer->watch = loop_watch_add(door->loop, fd, LOOP_READ, comer_ready, comer, &error);
    if (!comer->watch) {
        comer_complain(comer, &error);
        comer_remove(comer);
    }
}

static void timer_expired(void *context)
{
    struct door *door = context;
    int64_t now_ns = clock_monotonic_ns(), next_ns = INT64_MAX;
    for (struct comer *comer = door->comers, *next; comer; comer = next) {
        next = comer->next;
        if (comer->until_ns <= now_ns)
            comer_remove(comer);
        else if (comer->until_ns < next_ns)
            next_ns = comer->until_ns;
    }
    if (door->comers)
        loop_timer_arm(door->timer, next_ns);
}

static int listen_at(struct door *door, const struct sockaddr_storage *address)
{
    struct sockaddr_storage got = {0};
    socklen_t size = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                    : sizeof(struct sockaddr_in);
    int yes = 1;
    door->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (door->fd < 0 || setsockopt(door->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        bind(door->fd, (const struct sockaddr *)address, size) < 0 ||
        listen(door->fd, BACKLOG) < 0 ||
        getsockname(door->fd, (struct sockaddr *)&got, &size) < 0)
        return -1;
    door->port = ntohs(got.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&got)->sin6_port
                                                 : ((struct sockaddr_in *)&got)->sin_port);
    return 0;
}

struct door *door_open(struct loop *loop, const struct door_settings *settings,
                       struct error *ret_error)
{
    struct door *door = calloc(1, sizeof *door);
    char text[NETWORK_ADDRESS_MAX];
    if (door)
        door->fd = -1;
    if (!door || !(door->farm = strdup(settings->farm)) ||
        !(door->timer = loop_timer_add(loop, timer_expired, door)) ||
        !(door->pause = loop_timer_add(loop, pause_over, door))) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to listen for others of the farm");
        door_close(door);
        return NULL;
    }
    door->loop = loop;
    door->settings = *settings;
    door->secret = *settings->secret;
    door->comers_max = descriptors_limit() / DESCRIPTORS_PART;
    if (door->comers_max > COMERS_MAX)
        door->comers_max = COMERS_MAX;
    if (listen_at(door, settings->address) < 0)
        error_errno(ret_error, errno, "no port can be had at %s",
                    network_format((const struct sockaddr *)settings->address, text));
    else
        door->watch = loop_watch_add(loop, door->fd, LOOP_READ, door_ready, door, ret_error);
    if (door->watch)
        return door;
    door_close(door);
    return NULL;
}

void door_close(struct door *door)
{
    if (!door)
        return;
    while (door->comers)
        comer_remove(door->comers);
    loop_watch_remove(door->watch);
    loop_timer_remove(door->timer);
    loop_timer_remove(door->pause);
    if (door->fd >= 0)
        close(door->fd);
    auth_secret_wipe(&door->secret);
    free(door->farm);
    free(door);
}

int door_port(const struct door *door)
{
    return door->port;
}
