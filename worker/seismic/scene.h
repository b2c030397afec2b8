/*
 * scene.h - one shot made ready: from survey and shot to a medium, waves, places and time axes.
 *
 * The model is cut to what the shot needs (its aperture); everything is on that box's grid. The
 * time step is the survey's, for all shots alike; row k of data is at time first + k dt and row k
 * of the source at first + (k - 1) dt, where first is 0, or the wavelet's first sample if that is
 * earlier (wave.h has why). How the wavefield is got at backwards is chosen here (shot_cost.h).
 */
#ifndef BEOFARM_WORKER_SEISMIC_SCENE_H
#define BEOFARM_WORKER_SEISMIC_SCENE_H

#include <stdint.h>

#include "common/error.h"
#include "common/seismic/shot_cost.h"
#include "common/seismic/shot_task.h"
#include "common/seismic/survey.h"
#include "worker/seismic/operators.h"
#include "worker/seismic/resample.h"
#include "worker/seismic/shot_device.h"
#include "worker/seismic/spectrum.h"

/* The model's fields on a box. Those that the physics has not are NULL. */
struct ground {
    struct grid_box box;
    float *values[SURVEY_FIELDS];
};

struct scene_options {
    enum shot_operation operation;    /* not SHOT_COLLECT */
    int threads;                      /* 0: what OpenMP takes */
    uint64_t limit_bytes;             /* memory that the shot may use; 0: not limited */
    const char *spill_dir;            /* for survey->memory.spill */
    const struct spectrum *filter;    /* of the wavelet; NULL: none */
    const struct shot_device *device; /* that computes; NULL: as the survey wants */
};

struct scene {
    const struct survey *survey; /* borrowed */
    const struct shot *shot;     /* borrowed */
    struct ground ground;
    struct grid grid; /* of ground.box */
    double dt_s;
    struct shot_device device;  /* that computes the waves */
    struct wave *wave, *second; /* second: NULL for F alone */
    struct wave_points *sources, *receivers;
    struct resample_axis steps;   /* of data rows */
    struct resample_axis samples; /* as recorded */
    struct resample record;       /* from steps to samples */
    wave_real *source;            /* [steps.count]: one place, the sum of all sources */
    struct shot_shape shape;
    struct shot_cost cost;
    struct operators operators; /* of all these */
};

/* Make it. `shot` and `survey` must outlive it. The model is read; velocities, dt, sources and
 * receivers are checked. -1 with a sentence that names shot, trace and value; nothing to close
 * then. */
int scene_open(struct scene *scene, const struct survey *survey, const struct shot *shot,
               const struct scene_options *options, struct error *ret_error);
void scene_close(struct scene *scene); /* a zeroed one is allowed */

/* Something failed in the scene: whether it was the device that computes its waves, as *ret_error
 * says. */
bool scene_device_failed(const struct scene *scene, struct error *ret_error);

/* The shot that several make when they are fired at once, shot i times weights[i]: all sources, and
 * the receivers, which must be the same for all. Its name is the first one's. Caller closes it with
 * survey_shot_close. */
int scene_encode(const struct shot *shots, const double *weights, size_t count,
                 struct shot *ret_shot, struct error *ret_error);

#endif
