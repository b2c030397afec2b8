/* opencl_private.h - a wave on a device, for its own parts. */
#ifndef BEOFARM_WORKER_SEISMIC_OPENCL_PRIVATE_H
#define BEOFARM_WORKER_SEISMIC_OPENCL_PRIVATE_H

#include "worker/seismic/opencl_device.h"
#include "worker/seismic/wave.h"

#define REAL wave_real
#include "worker/seismic/opencl_shape.h"
#undef REAL

enum opencl_kernel {
    OPENCL_PSI_FORWARD,
    OPENCL_ZETA_TRANSPOSED,
    OPENCL_PSI_TRANSPOSED,
    OPENCL_FIELD_STEP,
    OPENCL_INJECT,
    OPENCL_SAMPLE,
    OPENCL_ILLUMINATE,
    OPENCL_SHELL_MOVE,
    OPENCL_FLUXES, /* with density */
    OPENCL_KERNELS,
};

/* A list of points on the device. Cells of an item lie together; for injection an item is a grid point
 * (its contributions are added by one work item), for sampling a place. */
struct opencl_cells {
    size_t count; /* items */
    size_t cells;
    cl_mem first, where, place, weight; /* where: of items to inject, of cells to sample */
};

struct opencl_points {
    uint64_t serial; /* of the list that this is a copy of; 0: none */
    struct opencl_cells inject, sample;
};

#define OPENCL_POINTS 6 /* lists that a wave keeps; an old one makes place for a new one */

struct opencl_wave {
    struct wave wave; /* first: callers hold this */
    struct opencl_device *device;
    bool density;
    struct opencl_shape shape;
    size_t size;   /* numbers of a field with zeros around it */
    size_t memory; /* numbers of psi, and of zeta */
    int march;     /* planes that a work item goes through */
    cl_mem constants, field[2], v, psi, zeta, coefficients;
    cl_mem half_rho, flux[3]; /* with density; else the coefficients stand in for them */
    int newest;               /* field[newest] is u[k], the other u[k-1] */
    cl_kernel kernels[OPENCL_KERNELS];
    struct opencl_points points[OPENCL_POINTS];
    size_t points_next;
    bool failed;
    struct error failure;
};

/* The device's copy of a list; NULL where its memory is short. */
const struct opencl_points *opencl_points_find(struct opencl_wave *wave,
                                               const struct wave_points *points);
void opencl_points_clear(struct opencl_wave *wave);

/* Remember the first failure. Returns whether code is CL_SUCCESS. */
bool opencl_wave_good(struct opencl_wave *wave, cl_int code, const char *what);

void opencl_run(struct wave *wave, const struct wave_run *run);

#endif
