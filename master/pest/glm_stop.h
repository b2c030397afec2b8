/*
 * glm_stop.h - when an estimation is over (PEST manual I, 4.2.10; control data line 8).
 *
 *   NOPTMAX iterations have been made
 *   PHIREDSTP, NPHISTP    the NPHISTP lowest phis are within PHIREDSTP of the lowest
 *   NPHINORED             so many iterations since the lowest phi
 *   RELPARSTP, NRELPAR    no parameter changed by more than RELPARSTP over NRELPAR iterations
 *   PHISTOPTHRESH         phi fell below it
 *   PHIABANDON            phi is still above it after an iteration
 *   phi is zero
 *
 * In regularisation mode "phi" is the measurement phi while that is above PHIMACCEPT, and the
 * regularisation phi below it (PEST manual I, 9.4); when that changes the counts start anew.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_STOP_H
#define BEOFARM_MASTER_PEST_GLM_STOP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/pest/control.h"

#define GLM_STOP_TEXT 160

struct glm_stop {
    const struct pest_control *control;
    double *phis; /* falling order is made when asked for */
    size_t count, capacity;
    double lowest;
    int since;      /* iterations since the lowest */
    int still;      /* iterations on end with small parameter changes */
    double last[3]; /* of the last iterations, the latest at the end */
    int noted;      /* iterations in it */
    bool regulated; /* the phis are regularisation phis */
    char reason[GLM_STOP_TEXT];
};

void glm_stop_init(struct glm_stop *stop, const struct pest_control *control);
void glm_stop_fini(struct glm_stop *stop);

/* phi after iteration `iteration` (0: at the start), and the largest relative change of a
 * parameter over it. `regulated`: phi is a regularisation phi. Whether it is over; then
 * stop->reason says why. */
bool glm_stop_note(struct glm_stop *stop, int iteration, double phi, bool regulated,
                   double change);

/* Whether PHIREDSTP will be met by iterations that do nothing: the last one gained less than that,
 * and a tenth or less of what the one before it had gained; going on at this rate, all that follow
 * bring less than a 50,000th of PHIREDSTP. */
bool glm_stop_is_vain(const struct glm_stop *stop);

#endif
