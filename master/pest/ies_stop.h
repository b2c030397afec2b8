/*
 * ies_stop.h - when a smoother is done.
 *
 * PEST's criteria as pestpp-ies uses them (PEST++ manual, 9.1.8), on the mean of composite phi:
 * NOPTMAX iterations; in NPHISTP iterations phi was within PHIREDSTP, as a part of itself, of the
 * lowest; NPHINORED iterations since the lowest; NPHINORED iterations in a row without an accepted
 * trial; a phi of 0.
 */
#ifndef BEOFARM_MASTER_PEST_IES_STOP_H
#define BEOFARM_MASTER_PEST_IES_STOP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"

struct ies_stop {
    double *means; /* of composite phi: [0] the prior's, then one per iteration */
    size_t count, capacity;
    int rejected; /* iterations in a row without an accepted trial */
};

void ies_stop_fini(struct ies_stop *stop); /* zeroed memory is a new one */
/* An iteration ended (the prior's, too). -1: no memory. */
int ies_stop_add(struct ies_stop *stop, double mean, bool accepted, struct error *ret_error);
/* Whether that was all; `reason` (of `size` bytes) then says why. */
bool ies_stop_is(const struct ies_stop *stop, const struct pest_control *control, char *reason,
                 size_t size);

#endif
