/*
 * mpi_private.h - what link_mpi, mpi_join and mpi_world tell each other of this process's MPI.
 * Safe to call from any thread.
 */
#ifndef BEOFARM_COMMON_MPI_PRIVATE_H
#define BEOFARM_COMMON_MPI_PRIVATE_H

#include "common/error.h"

/* Take and give the one place in the gate. begin: 0, or -1 with a sentence. */
int mpi_world_join_begin(struct error *ret_error);
void mpi_world_join_end(void);

/* "WHAT failed: the text of an MPI error code". Returns -1. */
int mpi_world_fail(int mpi_code, const char *what, struct error *ret_error);

#endif
