#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "master/listen.h"

static int bind_to(int fd, const struct sockaddr_storage *address, int port)
{
    struct sockaddr_storage with_port = *address;
    in_port_t wire_port = htons((uint16_t)port);
    socklen_t size = sizeof(struct sockaddr_in);
    if (address->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&with_port)->sin6_port = wire_port;
        size = sizeof(struct sockaddr_in6);
    } else {
        ((struct sockaddr_in *)&with_port)->sin_port = wire_port;
    }
    if (bind(fd, (struct sockaddr *)&with_port, size) < 0)
        return -1;
    /* Thousands may come at once; the system cuts this to net.core.somaxconn. */
    return listen(fd, 65535);
}

static int port_read(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &size);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

/* A socket listening on that port; -1 with errno. */
static int try_port(const struct sockaddr_storage *address, int port)
{
    int yes = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind_to(fd, address, port) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

int listen_open(const char *network, int port, int *ret_port,
                char ret_address[NETWORK_ADDRESS_MAX], struct error *ret_error)
{
    struct sockaddr_storage address;
    if (network_find(network, &address, ret_error) < 0)
        return -1;
    network_format((struct sockaddr *)&address, ret_address);
    if (!network || !*network) /* reachable through every interface, named by the likeliest */
        address = (struct sockaddr_storage){.ss_family = AF_INET};
    int fd = try_port(&address, port);
    if (fd < 0 && port != 0 && (errno == EADDRINUSE || errno == EACCES))
        fd = try_port(&address, 0);
    if (fd < 0)
        return error_errno(ret_error, errno, "cannot listen on %s port %d", ret_address, port);
    *ret_port = port_read(fd);
    return fd;
}
