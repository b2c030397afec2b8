/* mpi_world.h and mpi_join.h for a build --without-mpi: everything says so. */
#include "config.h"

#include <unistd.h>

#include "common/mpi_join.h"
#include "common/mpi_world.h"

static int none(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM,
                     "this beofarm was built without MPI; install Open MPI 4 (Debian packages "
                     "libopenmpi-dev and openmpi-bin) and build it again, or use tcp");
}

int mpi_world_works(struct error *ret_error)
{
    return none(ret_error);
}

const char *mpi_world_version(void)
{
    return "none (built --without-mpi)";
}

int mpi_world_serve(const char *instance, const char *directory, const char *network,
                    const char *mca, struct error *ret_error)
{
    (void)instance, (void)directory, (void)network, (void)mca;
    return none(ret_error);
}

int mpi_world_enter(const char *instance, uint64_t number, const char *uri, const char *network,
                    const char *mca, struct error *ret_error)
{
    (void)instance, (void)number, (void)uri, (void)network, (void)mca;
    return none(ret_error);
}

const char *mpi_world_instance(void)
{
    return "";
}

const char *mpi_world_uri(void)
{
    return "";
}

bool mpi_world_joinable(void)
{
    return false;
}

bool mpi_world_usable(void)
{
    return false;
}

void mpi_world_give_up(void)
{
}

void mpi_world_exit(int status)
{
    (void)status;
}

struct mpi_join *mpi_join_start(int fd, enum mpi_join_side side, struct error *ret_error)
{
    (void)side;
    close(fd);
    none(ret_error);
    return NULL;
}

int mpi_join_fd(const struct mpi_join *join)
{
    (void)join;
    return -1;
}

struct link *mpi_join_finish(struct mpi_join *join, struct error *ret_error)
{
    (void)join;
    none(ret_error);
    return NULL;
}

void mpi_join_abandon(struct mpi_join *join)
{
    (void)join;
}

bool mpi_join_peer_gone(const struct mpi_join *join)
{
    (void)join;
    return true;
}
