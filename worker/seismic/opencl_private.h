/* opencl_private.h - a wave on a device, for its own parts. */
#ifndef BEOFARM_WORKER_SEISMIC_OPENCL_PRIVATE_H
#define BEOFARM_WORKER_SEISMIC_OPENCL_PRIVATE_H

#include "worker/seismic/layout.h"
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
    OPENCL_INNER_MOVE,
    OPENCL_FLUXES, /* with density */
    OPENCL_SLOW_MAKE,
    OPENCL_TILT_DRIVE,
    OPENCL_SLOPES,
    OPENCL_PAIR_STEP,
    OPENCL_KERNELS,
};

/* A list of points on the device. Cells of an item lie together; for injection an item is a grid
 * point (its contributions are added by one work item), for sampling a place. */
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

/* What is computed. Anisotropic waves have two fields, q and p, in this order. */
enum opencl_law { OPENCL_ACOUSTIC, OPENCL_DENSITY, OPENCL_VTI, OPENCL_TTI, OPENCL_LAWS };
enum { OPENCL_Q, OPENCL_P, OPENCL_PARTS };
#define OPENCL_TILTED_MEMORIES 3 /* of q, p and f */

/* Fields, v (M's part of q) and the like lie as opencl_shape.h says. Buffers that a law has no use
 * for are NULL. */
struct opencl_buffers {
    cl_mem constants, coefficients;
    cl_mem field[OPENCL_PARTS][2], v, psi, zeta;
    cl_mem half_rho, flux[GRID_AXES];            /* with density */
    cl_mem cross, own;                           /* of a pair: M between q and p, and p's own */
    cl_mem axis[GRID_AXES], slope[OPENCL_PARTS]; /* tilted: n; G of q and p */
    cl_mem slow, stiff; /* tilted: f; g along x, y and z, eta dt likewise, tau / dt */
};

#define OPENCL_HELD 24

struct opencl_wave {
    struct wave wave; /* first: callers hold this */
    struct opencl_device *device;
    enum opencl_law law;
    bool pair, tilted;
    int parts; /* fields */
    struct opencl_shape shape;
    size_t size;   /* numbers of a field with zeros around it */
    size_t memory; /* numbers of psi, and of zeta */
    int march;     /* planes that a work item goes through */
    struct opencl_buffers on;
    struct {
        cl_mem buffer;
        size_t bytes;
    } held[OPENCL_HELD]; /* what of them is there */
    size_t held_count;
    int newest; /* field[part][newest] is u[k], the other u[k-1] */
    cl_kernel kernels[OPENCL_KERNELS];
    struct opencl_points points[OPENCL_POINTS];
    size_t points_next;
    bool made; /* as a whole: it is at work */
    bool failed;
    struct error failure;
};

/* A wave's grid, shape, march and sizes, from its law, grid and options. -1: the grid has more
 * points than an int counts. */
int opencl_grid_init(struct opencl_wave *wave, struct layout *ret_layout);

/* A buffer of the wave, of `bytes`; NULL, and the wave has failed, where the device is full. */
cl_mem opencl_wave_hold(struct opencl_wave *wave, size_t bytes);
void opencl_wave_write(struct opencl_wave *wave, cl_mem buffer, const void *from, size_t bytes);

/* Make and fill the buffers that say what the ground is: all but fields, memory variables and what
 * passes between stages. `physics` is the processor's. -1 and a sentence where that fails. */
int opencl_medium_init(struct opencl_wave *wave, const struct wave_physics *physics,
                       const struct wave_medium *medium, const struct layout *layout,
                       struct error *ret_error);

/* The device's copy of a list; NULL where its memory is short. */
const struct opencl_points *opencl_points_find(struct opencl_wave *wave,
                                               const struct wave_points *points);
void opencl_points_clear(struct opencl_wave *wave);

/* Remember the first failure. Returns whether code is CL_SUCCESS. */
bool opencl_wave_good(struct opencl_wave *wave, cl_int code, const char *what);

/* Numbers that a shell has of a field, and the first of them among those of all boxes
 * (shape.box_at). */
int opencl_shell_part(const struct opencl_wave *wave, int part, int *ret_first);

void opencl_run(struct wave *wave, const struct wave_run *run);

/* All fields on the medium's grid to or from a state, newest first. */
void opencl_inner_move(struct opencl_wave *wave, void *state, bool out);

#endif
