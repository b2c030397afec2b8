/*
 * wave.h - waves on a regular grid, one shot at a time: the seam between what wants to be computed
 * (F, J, their transposes: operators) and what computes it (a physics, in C or on a GPU).
 *
 * A physics is a table of functions, found by name in one array (wave_physics_find). A wave is one
 * simulation: a medium, padded by absorbing layers, and a state that wave_run advances by steps.
 *
 * Discretisation (acoustic; vti and tti, of two fields, are anisotropic.h's; density adds the
 * buoyancy 1/rho inside the derivatives)
 *
 *   The equation is m u_tt = L u + q (with density (m/rho) u_tt = div(1/rho grad u) + q) with m =
 *   1/vp^2 [s^2/m^2], L = the Laplacian. Leap-frog, second order in time (Virieux 1986 in its
 *   second-order form; Dablain 1986, Geophysics 51(1), 54-66):
 *
 *     u[k+1] = 2 u[k] - u[k-1] + V (L u[k] + q[k]),   V = dt^2 vp^2  (density: dt^2 rho vp^2)
 *
 *   L is the sum over axes of central differences of the space order (4, 8, 12, 16), Taylor
 *   coefficients (Fornberg 1988, Math. Comp. 51, 699-706), divided by that axis' spacing squared.
 *   With density: D-(b D+ u), staggered first differences of the same order, b = 1/rho at half
 *   points, rho the arithmetic mean of both sides (Moczo et al. 2002, BSSA 92(8), 3042-3066).
 *   Outside the padded grid u = 0, and with density b, too.
 *
 *   Free surface: the plane iz = 0 is the surface; u = 0 there and u(-iz) = -u(iz) above it, so
 *   that every derivative keeps its order (Levander 1988; Mittet 2002).
 *
 *   Absorbing layers: convolutional PML (Komatitsch & Martin 2007, Geophysics 72(5), SM155-SM167),
 *   in the form for second-order equations of Pasalic & McGarry 2010 (SEG Exp. Abstr. 29,
 *   2925-2929), with psi between the points, and D+ and D- of order 4 (2 with D2 of order 4;
 *   acoustic.c says why). On every axis, in its two slabs only:
 *
 *     psi  = bh psi + ah D+ u        f    = D2 u + D- psi
 *     zeta = bi zeta + ai f          L u += D- psi + zeta
 *
 *     b = exp(-(d + alpha) dt), a = d (b - 1) / (d + alpha), d = d0 (depth/width)^2,
 *     d0 = -3 vmax ln(1e-6) / (2 width), alpha = pi frequency (1 - depth/width); kappa = 1.
 *     vmax is the multiple of 250 m/s (not 0) that is nearest to the medium's largest vp.
 *
 * The transpose
 *
 *   WAVE_TRANSPOSED advances w = V p, where p is the adjoint of u. In w the interior step is the
 *   very same kernel, and injecting and sampling are each other's transposes as they stand: both
 *   runs inject V weight value and sample weight w. So of
 *
 *     forward     for k = 0 .. steps-1:   step;  inject a[k];  sample d[k]
 *     transposed  for k = steps-1 .. 0:   inject d[k];  sample a[k];  transposed step
 *
 *   the second is the transpose of the first to rounding, memory variables, free surface and all.
 *
 * Scattering and imaging
 *
 *   The derivative of a step with respect to m is -(1/m) s[k] with s[k] = u[k+1] - 2 u[k] + u[k-1]
 *   (with what was injected in it): the snapshot of step k. A forward run writes snapshots; a
 *   forward run of the scattered wave reads them with a perturbation dm; a transposed run reads
 *   them and adds to the image:
 *
 *     Born       after inject:   du[k+1] += -(V/dt^2) dm s[k]
 *     imaging    after inject:   image   += -(1/dt^2) s[k] w          (exactly its transpose)
 *
 *   (with density dt^2 rho in place of dt^2)
 *
 *   so that J dm = sum of d F / d m_i dm_i, and image = J^T d, m in s^2/m^2. Perturbations live on
 *   the grid of the medium; in the absorbing layers, which continue the medium's edge, dm is zero.
 *
 * Results do not depend on the number of threads nor on how steps are grouped into runs: to the
 * bit. They may differ in the last bits between kinds of CPUs (with fused multiply-add or without).
 */
#ifndef BEOFARM_WORKER_SEISMIC_WAVE_H
#define BEOFARM_WORKER_SEISMIC_WAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/seismic/grid.h"

/* libseismic.a computes in float; libseismic_double.a, with WAVE_DOUBLE, is for tests. */
#ifdef WAVE_DOUBLE
typedef double wave_real;
#else
typedef float wave_real;
#endif

/* What the ground is made of, on the grid's points, in the order above. Borrowed during create. */
struct wave_medium {
    struct grid grid;
    const float *vp; /* P velocity along the symmetry axis, m/s, > 0 and finite; always there */
    const float *rho;     /* density, any unit (g/cm^3), > 0; for "density" and up */
    const float *epsilon; /* Thomsen's parameters, without unit, > -0.5; NULL is zero; for */
    const float *delta;   /* "vti" and "tti" (where epsilon < delta: see anisotropic.h) */
    const float
        *theta; /* "tti": tilt of the symmetry axis from the vertical, radians, positive from
                           down towards x; NULL is zero */
    const float *phi; /* in 3-D: azimuth of the tilt from x towards y, radians; NULL is zero */
};

struct wave_options {
    int order;         /* in space: 4, 8, 12 or 16; 0 is 8 */
    double dt;         /* s, > 0 and at most wave_dt_limit() */
    int absorb;        /* points of each absorbing layer, 0 (rigid wall) to 200; -1 is 20 */
    bool free_surface; /* the plane iz = 0 is a free surface, with no layer above */
    double
        frequency;  /* Hz, the source's peak frequency, which tunes the layers; 0: 0.02 / dt */
    int threads;    /* at least 1; 0 is what OpenMP would take */
    int time_block; /* steps that one pass over memory may take: 1 is plain, 0 chooses */
    /* What computes (opencl.h), borrowed; NULL: this machine's processors. */
    struct opencl_device *device;
};

/* One simulation. The fields are for reading. */
struct wave {
    const struct wave_physics *physics;
    struct grid grid;            /* the medium's */
    struct wave_options options; /* with defaults filled in */
    size_t points;               /* of the medium's grid: its product of n */
    size_t padded;               /* of the grid with its layers: what a step updates */
    size_t snapshot_size;        /* wave_reals of one snapshot: [fields][nx][ny][nz] */
    /* How rows of an image should lie, for speed, which run->image_row then is: image_row numbers
     * from each to the next, the first at a room's number image_at. */
    size_t image_row, image_at;
    size_t shell_size;   /* wave_reals of one shell (see WAVE_BACKWARD) */
    size_t state_bytes;  /* of wave_save */
    size_t inner_bytes;  /* of wave_inner_save; 0: it cannot run WAVE_AGAIN */
    size_t memory_bytes; /* that the wave has allocated */
    size_t
        both_steps; /* that wave_run_both likes to be given at a time; 0: it does not matter */
};

/* Places where something is injected or sampled: each is a sum of weighted grid points. */
struct wave_points;

struct wave_weight {
    int32_t at[GRID_AXES]; /* ix, iy, iz on the medium's grid; may lie outside it: see below */
    double weight;
};

/*
 * COUNT places; place i is weights[first[i]] to weights[first[i+1] - 1]; first has COUNT + 1
 * entries. Grid points in the absorbing layers count; those beyond are dropped (the wave is zero
 * there), and above a free surface they are mirrored with the opposite sign. Inject and sample with
 * the same weights are each other's transposes. A point source of q [strength x m^3, or m^2 in 2-D]
 * at a grid point has weight 1 / (hx hy hz), or 1 / (hx hz). The list is copied. The result belongs
 * to the caller, may be used with every wave of the same grid, absorb and free_surface, and must be
 * destroyed. -1 in ret_error (returns NULL) where a weight is not finite or memory is short.
 */
struct wave_points *wave_points_create(const struct wave *wave, size_t count,
                                       const size_t *first, const struct wave_weight *weights,
                                       struct error *ret_error);
void wave_points_destroy(struct wave_points *points);
size_t wave_points_count(const struct wave_points *points);

enum wave_mode {
    WAVE_FORWARD, /* k = 0 .. steps-1: step, inject, scatter, sample; writes snapshots, shells */
    WAVE_TRANSPOSED, /* k = steps-1 .. 0: inject, sample, image, transposed step */
    /*
     * k = steps-1 .. 0: the forward run again, backwards in time: from u[k+1] and u[k] to u[k] and
     * u[k-1], on the medium's grid alone (layers hold rubbish afterwards). Takes the same injected
     * values and the shells that the forward run wrote, and writes the same snapshots, to rounding.
     */
    WAVE_BACKWARD,
    /*
     * k = 0 .. steps-1: a part of the forward run again, from wave_inner_load on, on the medium's
     * grid alone (layers hold rubbish afterwards). Takes the same injected values and the shells
     * that the forward run wrote, and writes the same snapshots, to the bit but for the sign of
     * zeros. Only waves with inner_bytes do that.
     */
    WAVE_AGAIN,
};

/*
 * What to do in some steps. All pointers may be NULL. Arrays have one row per step, of which row k
 * is for step k in every mode: injected and sampled [steps][places]; snapshots [ceil(steps /
 * every)] [snapshot_size], with one for k = 0, every, 2 every, ...; shells [steps][shell_size].
 */
struct wave_run {
    enum wave_mode mode;
    size_t steps;
    const struct wave_points *inject; /* with injected */
    const wave_real *injected;
    const struct wave_points *sample; /* with sampled */
    wave_real *sampled;               /* overwritten */

    size_t
        every; /* snapshots, image and illumination take part in each every-th step; 0 is 1 */
    wave_real *snapshots; /* all but transposed: written */
    const wave_real
        *scattered;      /* snapshots that are read: forward with dm, transposed with image */
    const wave_real *dm; /* forward: perturbation on the medium's grid, s^2/m^2 */
    /* Transposed: added to, on the medium's grid; times every, if wanted, is left to the caller.
     * image_row: numbers from a row to the next, 0 is grid.n[GRID_Z]; where it is the wave's, what
     * lies between rows, and before the first one, changes as well. */
    wave_real *image;
    size_t image_row;
    wave_real
        *illumination; /* any mode: the newest field squared is added, on the medium's grid */
    wave_real *shells; /* forward: written; backward and again: read */
};

/* Bits of the fields of a medium. */
enum wave_field {
    WAVE_VP = 1,
    WAVE_RHO = 2,
    WAVE_EPSILON = 4,
    WAVE_DELTA = 8,
    WAVE_THETA = 16,
    WAVE_PHI = 32,
};

/* The seam. Callers use the functions below it, which check what can be checked and call these. */
struct wave_physics {
    const char *name;  /* "acoustic", "density", ... */
    const char *about; /* a phrase for lists */
    unsigned needs;    /* enum wave_field: must be there */
    unsigned may_have; /* may be there; any others are refused */
    double (*dt_limit)(const struct wave_medium *medium, const struct wave_options *options);
    struct wave *(*create)(const struct wave_medium *medium, const struct wave_options *options,
                           struct error *ret_error);
    void (*destroy)(struct wave *wave);
    void (*clear)(struct wave *wave);
    void (*run)(struct wave *wave, const struct wave_run *run);
    /* NULL: one after the other. */
    void (*run_both)(struct wave *wave, const struct wave_run *run, struct wave *reader,
                     const struct wave_run *reads);
    void (*save)(const struct wave *wave, void *state);
    void (*load)(struct wave *wave, const void *state);
    void (*inner_save)(const struct wave *wave,
                       void *state); /* NULL, both, without inner_bytes */
    void (*inner_load)(struct wave *wave, const void *state);
    void (*field)(const struct wave *wave, wave_real *ret_field);
    double (*energy)(const struct wave *wave);
    size_t (*memory)(const struct grid *grid, const struct wave_options *options);
    /* NULL, all five, where waves are in the program's own memory. */
    void *(*room_create)(const struct wave *wave, size_t count, size_t bytes);
    void (*room_destroy)(void *room);
    void (*room_read)(const void *room, void *ret_bytes, size_t size);
    void (*room_write)(void *room, const void *bytes, size_t size);
    int (*check)(const struct wave *wave, struct error *ret_error);
};

/* The physics of that name, or NULL. */
const struct wave_physics *wave_physics_find(const char *name);

/*
 * The longest stable time step in seconds, for the fastest velocity of the medium: cfl_limit of
 * common/seismic/cfl.h, which has the formula and its source. Takes the order alone from options.
 * The medium must have passed wave_medium_check.
 */
double wave_dt_limit(const struct wave_physics *physics, const struct wave_medium *medium,
                     const struct wave_options *options);

/* Are grid and fields usable? -1 and a sentence that names field, point and value where not. */
int wave_medium_check(const struct wave_physics *physics, const struct wave_medium *medium,
                      struct error *ret_error);

/* Bytes that wave_create will allocate, and with them what steps cost: for estimates beforehand. */
size_t wave_memory(const struct wave_physics *physics, const struct grid *grid,
                   const struct wave_options *options);

/*
 * A wave at rest. Checks everything; refuses a dt above the limit, saying the limit. NULL and a
 * sentence where that fails. The caller destroys it. A wave is used by one thread at a time;
 * threads of its own work inside wave_run, and first touch its memory here.
 */
struct wave *wave_create(const struct wave_physics *physics, const struct wave_medium *medium,
                         const struct wave_options *options, struct error *ret_error);
void wave_destroy(struct wave *wave);

/* Back to rest: fields and memory variables are zero. */
void wave_clear(struct wave *wave);

/* Advance. See wave_energy for whether the result is finite. A wave on a device may fail there:
 * then all that the run would have written is NAN, the wave stays at that, and wave_check says
 * why. */
void wave_run(struct wave *wave, const struct wave_run *run);
int wave_check(const struct wave *wave, struct error *ret_error);

/* The same as two wave_runs, of `wave` and then of `reader`, a wave of the same medium and options,
 * whose `scattered` are the snapshots of the first run. They may go on together: the image is the
 * same but for rounding then, to the bit for any number of threads, and those snapshots hold
 * anything afterwards. */
void wave_run_both(struct wave *wave, const struct wave_run *run, struct wave *reader,
                   const struct wave_run *reads);

/*
 * Room for COUNT items of BYTES each, near where the wave is: on its device as far as its memory
 * goes, else in the program's. A pointer to an item may stand wherever wave_run, wave_save and
 * wave_load of waves on the same device take memory (a row must lie within an item); then nothing
 * travels. It must not be read or written through but by wave_room_read and wave_room_write, which
 * copy bytes of one item. Zero at first. NULL where memory is short.
 */
void *wave_room_create(const struct wave *wave, size_t count, size_t bytes);
void wave_room_destroy(const struct wave *wave, void *room);
void wave_room_read(const struct wave *wave, const void *room, void *ret_bytes, size_t size);
void wave_room_write(const struct wave *wave, void *room, const void *bytes, size_t size);

/* The whole state to and from state_bytes of memory; a restored run goes on to the same bits. */
void wave_save(const struct wave *wave, void *ret_state);
void wave_load(struct wave *wave, const void *state);

/* What of it WAVE_AGAIN goes on from, to and from inner_bytes of memory: the medium's grid
 * alone. */
void wave_inner_save(const struct wave *wave, void *ret_state);
void wave_inner_load(struct wave *wave, const void *state);

/* The newest field (all fields of a physics, as in a snapshot) on the medium's grid. */
void wave_field_get(const struct wave *wave, wave_real *ret_field);

/* Sum of squares of the newest field over the padded grid; not finite if any value is not. */
double wave_energy(const struct wave *wave);

#endif
