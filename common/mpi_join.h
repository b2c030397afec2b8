/*
 * mpi_join.h - two processes of one MPI universe become a link.
 *
 * MPI_Comm_join blocks, and blocks for ever when the peer dies at the wrong moment, so it runs
 * in a thread of its own while the owner watches a descriptor and the clock. Only one join may
 * be under way in a process: simultaneous joins were seen to hang.
 *
 * Before joining, the two ends tell each other on the socket where they stand, one byte each:
 * the worker says JOIN_READY when its MPI is initialised (or JOIN_CANNOT: stay with tcp), and
 * the master says JOIN_GO when the gate is free (or JOIN_TCP). After a failed join the socket's
 * bytes mean nothing any more: close it and dial again without MPI.
 */
#ifndef BEOFARM_COMMON_MPI_JOIN_H
#define BEOFARM_COMMON_MPI_JOIN_H

#include <stdbool.h>

#include "common/error.h"
#include "common/link.h"

#define JOIN_READY  'r'
#define JOIN_CANNOT 'x'
#define JOIN_GO     'g'
#define JOIN_TCP    't'

struct mpi_join;

/* Begin joining the peer at the other end of the connected socket fd, which is taken (also on
 * failure). NULL with a sentence if mpi_world_joinable is false, another join is under way or
 * no thread can be started. */
enum mpi_join_side { MPI_JOIN_MASTER, MPI_JOIN_WORKER };
struct mpi_join *mpi_join_start(int fd, enum mpi_join_side side, struct error *ret_error);

/* Readable when the join has ended. */
int mpi_join_fd(const struct mpi_join *join);

/* After mpi_join_fd became readable: the link, or NULL with a sentence. Frees the join. */
struct link *mpi_join_finish(struct mpi_join *join, struct error *ret_error);

/* Stop waiting. The thread is left behind; until it ends, if it ever does, mpi_world_joinable
 * is false. The join is freed (by whoever is last). NULL is allowed. */
void mpi_join_abandon(struct mpi_join *join);

/* Whether the peer has closed its end; to be asked while a join is under way. */
bool mpi_join_peer_gone(const struct mpi_join *join);

#endif
