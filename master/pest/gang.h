/*
 * gang.h - threads for linear algebra whose number does not show in the results.
 *
 * OpenBLAS's own threads divide sums by their number, so that the last bits change with it
 * (measured: dpotrf and dsyevd differ between one and two threads, and agree from run to run for
 * the same number). An estimation must come out bit-identical when it is resumed, perhaps with
 * fewer cores. So OpenBLAS is held to a number of threads that depends on the problem alone, and
 * work is divided here into pieces that are the same whoever does them.
 */
#ifndef BEOFARM_MASTER_PEST_GANG_H
#define BEOFARM_MASTER_PEST_GANG_H

#include <stddef.h>

#include "common/error.h"

/* Hold gang_run to as many threads as there is address space for: OpenBLAS maps memory for each
 * that calls it, and tries without end where it gets none. 0, and cheap once it was; or -1 with a
 * sentence (ERROR_SYSTEM) if there is none for one. */
int gang_fit(struct error *ret_error);

/* Hold OpenBLAS to one thread. To be called before its functions are; cheap after the first. */
void gang_blas(void);

/* Let one long LAPACK call on a matrix of order n use OpenBLAS threads: two where n >= 2000
 * (however many processors there are), else one. gang_blas_done ends it. */
void gang_blas_begin(size_t order);
void gang_blas_done(void);

/* Call work(context, i) once for each i < count, on as many threads as the process has processors
 * (at most 16); returns when all are done. Pieces must not depend on each other, and each must
 * write its own memory only. Calls gang_blas. */
void gang_run(size_t count, void (*work)(void *context, size_t index), void *context);

#endif
