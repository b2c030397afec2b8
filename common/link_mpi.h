/*
 * link_mpi.h - a link that carries messages over an MPI intercommunicator.
 *
 * The TCP socket on which the two ends met stays beside the communicator as doorbell and pulse:
 * a few bytes announce each packet (one or more messages, or a part of one) just after it is sent
 * by MPI_Isend, a byte acknowledges it, a byte is a pulse. So an idle end sleeps on its socket
 * (link_fd) and enters MPI only when a bell rang or a send is outstanding; then link_busy is true,
 * and the owner calls link_progress and link_receive again and again, yielding or napping for some
 * 20 to 50 microseconds when a few rounds brought nothing.
 *
 * Memory of large messages is kept for the next, at most two of them; link_pulse frees it.
 *
 * link_send only queues: call link_progress after the last link_send of a turn (link_busy is
 * true until then). link_unsent_bytes counts bytes until MPI has let go of their buffers, so a
 * worker that wants its last words heard waits until it is zero, and then for the master's
 * answer or end of file; closing waits for nothing.
 *
 * Links are made by mpi_join.h. Without MPI nothing of this is compiled.
 */
#ifndef BEOFARM_COMMON_LINK_MPI_H
#define BEOFARM_COMMON_LINK_MPI_H

#include "common/link.h"

#ifdef HAVE_MPI
#include <mpi.h>

/* A link over an intercommunicator with one process on either side, and the socket beside it;
 * both are taken, also on failure. NULL if memory is short. */
struct link *link_mpi_create(MPI_Comm comm, int fd, struct error *ret_error);
#endif

#endif
