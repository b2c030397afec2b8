/*
 * limits.h - what the system lets this process have at most, as shells set it (ulimit).
 *
 * With too few descriptors programs fail, or wait, in the midst of things, and with too small a
 * stack they just die, in libraries, too; so whether there is enough is asked before anything else.
 * OpenBLAS never comes back where there is too little address space.
 * That files may not grow (ulimit -f) every write tells (fd_signals_ignore).
 */
#ifndef BEOFARM_COMMON_LIMITS_H
#define BEOFARM_COMMON_LIMITS_H

#include <stddef.h>

#include "common/error.h"

/* A master, or a worker with one slot, has 35 to 50 files and connections open, and leaves as many
 * for whatever comes; each further slot takes three or four. */
#define LIMITS_FILES      ((size_t)128)
#define LIMITS_FILES_SLOT ((size_t)4)

/* Of each thread. Open MPI needs most of it. */
#define LIMITS_STACK_BYTES ((size_t)256 << 10)

/* Address space for each of OpenBLAS's threads, and what a program that is linked with it has
 * besides when it begins (77 MiB, as seen). */
#define LIMITS_BLAS_BYTES  ((size_t)129 << 20)
#define LIMITS_SPACE_BYTES ((size_t)96 << 20)

/* Whether this process may have so many files and connections open at once (descriptors_raise has
 * what it may have, not what it was given). 0, or -1 with a sentence (ERROR_SYSTEM) that says what
 * is needed, and how to have it. */
int limits_check_files(size_t files, struct error *ret_error);

/* The same of files of so many bytes, for others who do not look whether they could write. */
int limits_check_size(size_t bytes, struct error *ret_error);

/* The same of stacks of LIMITS_STACK_BYTES. */
int limits_check_stack(struct error *ret_error);

/* The same of the address space that a program with OpenBLAS needs to begin: memory for all of its
 * threads but one is mapped before main, and without end where that fails. */
int limits_check_blas(struct error *ret_error);

#endif
