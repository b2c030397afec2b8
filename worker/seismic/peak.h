/*
 * peak.h - the most memory that this process had resident.
 */
#ifndef BEOFARM_WORKER_SEISMIC_PEAK_H
#define BEOFARM_WORKER_SEISMIC_PEAK_H

#include <stdint.h>

/* Begin anew: what is resident now. (Linux 4.0; where it cannot be done the peak is of all
 * time.) */
void peak_reset(void);

/* Bytes since then; 0 where the system does not tell. */
uint64_t peak_bytes(void);

/* Bytes of memory that the machine could give now without swapping; 0 where it does not tell. */
uint64_t peak_available(void);

#endif
