#include "config.h"

#include "master/socket/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

#define QUEUE   64
#define REST_NS (100 * CLOCK_MS_NS) /* when there are no descriptors left */

struct door {
    struct sockaddr_un address;
    int fd;
    bool bound;
    dev_t device; /* what we bound, so that we remove nobody else's */
    ino_t inode;
    struct loop_watch *watch;
    struct loop_timer *rest;
    void (*came)(void *context, int fd);
    void *context;
};

int door_check(const char *path, struct error *ret_error)
{
    const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    if (!*path)
        return error_set(ret_error, ERROR_CONFIG, "the socket's path is empty");
    if (strlen(path) > most)
        return error_set(ret_error, ERROR_CONFIG,
                         "the socket's path \"%s\" has %zu bytes, and the system allows %zu; "
                         "name a shorter one, such as \"/tmp/NAME.sock\", in $.work.path",
                         path, strlen(path), most);
    return 0;
}

static int make_socket(struct error *ret_error)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        error_errno(ret_error, errno, "no socket can be made");
    return fd;
}

/* Whether somebody listens at the path: 1, 0, or -1 (no socket can be made). */
static int is_in_use(const struct door *door, struct error *ret_error)
{
    int fd = make_socket(ret_error);
    if (fd < 0)
        return -1;
    int rc = connect(fd, (const struct sockaddr *)&door->address, sizeof(door->address));
    /* A full queue means that somebody listens, too. */
    bool listens = rc == 0 || errno == EAGAIN || errno == EINPROGRESS;
    close(fd);
    return listens;
}

static int make_way(const struct door *door, struct error *ret_error)
{
    struct stat status;
    const char *path = door->address.sun_path;
    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : error_errno(ret_error, errno, "the socket \"%s\"", path);
    if (!S_ISSOCK(status.st_mode))
        return error_set(ret_error, ERROR_SYSTEM,
                         "\"%s\" is there and is no socket; remove it, or name another path",
                         path);
    int used = is_in_use(door, ret_error);
    if (used > 0)
        error_set(ret_error, ERROR_SYSTEM,
                  "another process listens at the socket \"%s\"; is it another farm's master?",
                  path);
    if (used)
        return -1;
    return unlink(path) < 0 && errno != ENOENT
               ? error_errno(ret_error, errno, "the old socket \"%s\" cannot be removed", path)
               : 0;
}

static int listen_there(struct door *door, struct error *ret_error)
{
    struct stat status;
    const char *path = door->address.sun_path;
    door->fd = make_socket(ret_error);
    if (door->fd < 0)
        return -1;
    /* Before it has a name, so that there is no moment in which others may connect. */
    fchmod(door->fd, 0600);
    if (bind(door->fd, (const struct sockaddr *)&door->address, sizeof(door->address)) < 0)
        return error_errno(ret_error, errno, "the socket \"%s\" cannot be made", path);
    door->bound = true;
    if (chmod(path, 0600) < 0 || stat(path, &status) < 0 || listen(door->fd, QUEUE) < 0)
        return error_errno(ret_error, errno, "the socket \"%s\" cannot be listened at", path);
    door->device = status.st_dev;
    door->inode = status.st_ino;
    return 0;
}

static void knocked(unsigned events, void *context)
{
    (void)events;
    struct door *door = context;
    int fd;
    while ((fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        door->came(door->context, fd);
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        loop_watch_set(door->watch, 0);
        loop_timer_arm(door->rest, clock_monotonic_ns() + REST_NS);
    }
}

static void rested(void *context)
{
    struct door *door = context;
    loop_watch_set(door->watch, LOOP_READ);
}

struct door *door_open(const char *path, struct loop *loop, void (*came)(void *context, int fd),
                       void *context, struct error *ret_error)
{
    if (door_check(path, ret_error) < 0)
        return NULL;
    struct door *door = calloc(1, sizeof(*door));
    if (!door) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a socket");
        return NULL;
    }
    *door = (struct door){.fd = -1, .came = came, .context = context};
    door->address.sun_family = AF_UNIX;
    memcpy(door->address.sun_path, path, strlen(path));
    if (make_way(door, ret_error) < 0 || listen_there(door, ret_error) < 0)
        goto fail;
    door->rest = loop_timer_add(loop, rested, door);
    door->watch = loop_watch_add(loop, door->fd, LOOP_READ, knocked, door, ret_error);
    if (door->rest && door->watch)
        return door;
    if (!door->rest)
        error_set(ret_error, ERROR_SYSTEM, "no memory for a socket");
fail:
    door_close(door);
    return NULL;
}

void door_close(struct door *door)
{
    struct stat status;
    if (!door)
        return;
    loop_watch_remove(door->watch);
    loop_timer_remove(door->rest);
    if (door->bound && lstat(door->address.sun_path, &status) == 0 &&
        status.st_dev == door->device && status.st_ino == door->inode)
        unlink(door->address.sun_path);
    if (door->fd >= 0)
        close(door->fd);
    free(door);
}
