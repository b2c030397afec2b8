/*
 * mpi_world.h - this process and Open MPI: what it takes for singletons to join each other.
 *
 * MPI exists once per process, so this module has no handle. The master calls mpi_world_serve:
 * it starts an ompi-server as its child, points Open MPI at it and initialises MPI. A worker
 * calls mpi_world_enter with the server's URI from the master's welcome. A process can do
 * either once, because Open MPI reads the URI when it is initialised: a worker that meets
 * another master (another instance) later must use tcp. Both set environment variables (OMPI_*,
 * PMIX_*): call them before other threads run, from the main thread (the ompi-server dies with
 * the thread that started it). Children must get an environment without these variables, and
 * SIGPIPE as it was: initialising MPI makes the process ignore it.
 *
 * Built without MPI, every function is there and says so in its error.
 */
#ifndef BEOFARM_COMMON_MPI_WORLD_H
#define BEOFARM_COMMON_MPI_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* Whether workers can join a master by MPI here: Open MPI 4 and its ompi-server are there. Does
 * not initialise MPI. 0, or -1 with a sentence that says what is missing. */
int mpi_world_works(struct error *ret_error);

/* "Open MPI 4.1.4", "none (built --without-mpi)". Static. */
const char *mpi_world_version(void);

/* Master: start an ompi-server whose URI file lies in `directory` (an existing directory, best
 * on a local disk), keep to `network` (an interface name or CIDR; "" for all, where loopback is
 * used if there is nothing else), apply the MCA settings `mca` (a JSON object of texts, {"btl":
 * "self,tcp"}; NULL or "" for none) and initialise MPI. `instance` names this master process.
 * Takes 0.2 to 0.5 s. 0 or -1 with a sentence; after a failure the process can still use tcp.
 */
int mpi_world_serve(const char *instance, const char *directory, const char *network,
                    const char *mca, struct error *ret_error);

/* Worker: the same with the master's server. `number`, from 1 to MPI_WORLD_NUMBER_MAX, is one
 * that this instance gave to nobody else (the welcome's id). Entering the same instance again
 * does nothing. */
#define MPI_WORLD_NUMBER_MAX 65000
int mpi_world_enter(const char *instance, uint64_t number, const char *uri, const char *network,
                    const char *mca, struct error *ret_error);

/* The instance served or entered, "" if none. The URI of its server. Static. */
const char *mpi_world_instance(void);
const char *mpi_world_uri(void);

/* Whether MPI is initialised and its gate free: another join can start. */
bool mpi_world_joinable(void);

/* Never join again in this process: something went wrong that MPI cannot be trusted after. */
void mpi_world_give_up(void);

/* Whether a worker's process may still say that it can do MPI: it works here, and was not given
 * up. */
bool mpi_world_usable(void);

/* The last call before the process ends, when everything is flushed and every link closed. Stops
 * the ompi-server and, where MPI was initialised, leaves the process by _exit(status): MPI_Finalize
 * waits for every peer that was ever joined, which may be for ever. Otherwise it returns. */
void mpi_world_exit(int status);

#endif
