/*
 * mpi_session.h - a directory of this process's own for Open MPI's session files.
 *
 * Open MPI's daemons leave files behind, also long after the process they served was killed. So
 * each process gives them a directory that it holds locked while it lives, and removes what
 * others left: directories of this kind that are ours, that nobody holds, and that have been
 * quiet for a while. A lock tells more than a process number does: it holds across containers
 * that share /tmp.
 */
#ifndef BEOFARM_COMMON_MPI_SESSION_H
#define BEOFARM_COMMON_MPI_SESSION_H

#include "common/error.h"

/* Make it in $TMPDIR or /tmp. Its path, borrowed until mpi_session_remove, and short, because
 * sockets live in it; NULL with a sentence, also where there is too little room for what Open MPI
 * puts there. Once per process. */
const char *mpi_session_make(struct error *ret_error);

/* Remove it and let go. Nothing where none was made. */
void mpi_session_remove(void);

#endif
