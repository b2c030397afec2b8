/*
 * How much may be under way to a peer, so that Open MPI never has to keep any of it (link_mpi.c
 * says why): less than the kernel's send buffer takes while the peer takes nothing.
 *
 * A send buffer counts what its bytes cost the kernel, not the bytes. Linux gives twice the size
 * that was asked for, up to twice net.core.wmem_max; with the peer's receive buffer shut and tiny
 * segments, the worst case, 0.39 of what getsockopt then tells are taken in bytes, for packets of
 * 100 bytes as for those of 256 KiB.
 */
#include "config.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/link_mpi_private.h"

#define PACKET_MAX  ((size_t)128 << 10)
#define WINDOW_MAX  ((size_t)1 << 20)
#define WINDOW_MIN  ((size_t)2 << 10) /* less than any kernel's least; no farm runs on it */
#define EAGER_LIMIT 65536             /* Open MPI's defaults */
#define SNDBUF      0

/* A setting that mpi_world or the user gave to Open MPI. */
static long setting(const char *name, long standard)
{
    const char *text = getenv(name);
    char *end;
    long value = text ? strtol(text, &end, 10) : 0;
    return text && *text && *end == 0 && value >= 0 ? value : standard;
}

/* What a TCP socket's buffer becomes when Open MPI asks for this size. */
static size_t buffer_size(long asked)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int value = asked < 1 << 30 ? (int)asked : 1 << 30, got = 0;
    socklen_t size = sizeof got;
    if (fd < 0)
        return 0;
    if (value > 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof value);
    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &size);
    close(fd);
    return got > 0 ? (size_t)got : 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct link_mpi_room link_mpi_room(void)
{
    struct link_mpi_room room;
    size_t eager = (size_t)setting("OMPI_MCA_btl_tcp_eager_limit", EAGER_LIMIT);
    room.window =
        least(buffer_size(setting("OMPI_MCA_btl_tcp_sndbuf", SNDBUF)) * 3 / 8, WINDOW_MAX);
    if (room.window < WINDOW_MIN)
        room.window = WINDOW_MIN;
    room.packet_max = least(PACKET_MAX, room.window / 2) - LINK_MPI_PACKET_COST;
    if (eager < room.packet_max + LINK_MPI_PACKET_COST)
        room.packet_max = eager > 2 * LINK_MPI_PACKET_COST ? eager - LINK_MPI_PACKET_COST
                                                           : LINK_MPI_PACKET_COST;
    return room;
}
