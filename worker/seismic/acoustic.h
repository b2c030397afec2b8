/* acoustic.h - acoustic waves of constant and of variable density, in 2-D and 3-D (wave.h has it
 * all). */
#ifndef BEOFARM_WORKER_SEISMIC_ACOUSTIC_H
#define BEOFARM_WORKER_SEISMIC_ACOUSTIC_H

#include "worker/seismic/wave.h"

extern const struct wave_physics acoustic_physics, density_physics;

#endif
