/* opencl_runner.h - one run of a wave on a device, for opencl_run.c, which asks for steps, and
 * opencl_stage.c, which has them. */
#ifndef BEOFARM_WORKER_SEISMIC_OPENCL_RUNNER_H
#define BEOFARM_WORKER_SEISMIC_OPENCL_RUNNER_H

#include "worker/seismic/opencl_private.h"
#include "worker/seismic/opencl_room.h"

/* What kernels are told: INNER is without layers, backwards in time or again. */
enum opencl_mode { OPENCL_FORWARD, OPENCL_TRANSPOSED, OPENCL_INNER };

/* Arrays that it reads and writes. */
enum opencl_array {
    ROWS_INJECTED,
    ROWS_SAMPLED,
    ROWS_SNAPSHOTS,
    ROWS_SCATTERED,
    ROWS_SHELLS,
    ROWS_DM, /* these have one row */
    ROWS_IMAGE,
    ROWS_ILLUMINATION,
    ROWS_COUNT,
};

struct opencl_runner {
    struct opencl_wave *w;
    const struct wave_run *run;
    enum opencl_mode mode;
    bool ahead; /* steps are done in their order */
    size_t every;
    const struct opencl_points *inject, *sample;
    struct opencl_rows rows[ROWS_COUNT];
};

/* Put step k into the device's queue; what happens between steps. */
void opencl_step(struct opencl_runner *runner, size_t k);
void opencl_events(struct opencl_runner *runner, size_t k);

#endif
