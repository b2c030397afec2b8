/*
 * opencl_kernels.cl - one time step on an OpenCL device; compiled at run time for a space order, 2-D or
 * 3-D, a physics and a free surface, after opencl_shape.h.
 *
 *   RADIUS   half the space order                HALF     radius of first derivatives
 *   FLAT     1: 2-D                              SURFACE  1: the plane iz = 0 is a free surface
 *   DENSITY  1: variable density                 MARCH    planes that a work item goes through in 3-D
 *   PAIR     1: anisotropic                      TILTED   1: with a tilted axis
 *   REAL     float or double
 *
 * The formulas are those of wave.h and acoustic_stage.c (density.c); names are too. What anisotropic
 * waves have besides is in opencl_pair.cl, which follows. Work items go along z, then y, then x, so
 * that neighbours read neighbours. Nothing is added to by two items, and sums have one order: results
 * are the same bits in every run.
 */
#ifdef FP64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif

typedef REAL real;
typedef __constant struct opencl_shape *shape;

#define COLUMN (2 * RADIUS + 1)

int at_of(shape s, int ix, int iy, int iz)
{
    return s->base + ix * s->stride[0] + iy * s->stride[1] + iz;
}

/* Where point `i` of an axis is among the places of its slabs; -1: in none. */
int point_place(shape s, int axis, int i)
{
    int first = s->n[axis] - s->hi[axis], place = -1;
    if (i >= 0 && i < s->lo[axis])
        place = i;
    if (i >= first && i < s->n[axis])
        place = s->lo[axis] + i - first;
    return place;
}

/* The same for half point `i`, between points i and i + 1. */
int half_place(shape s, int axis, int i)
{
    int first = s->n[axis] - 1 - s->hi[axis], place = -1;
    if (i >= 0 && i < s->lo[axis])
        place = i;
    if (i >= first && i < first + s->hi[axis])
        place = s->lo[axis] + i - first;
    return place;
}

/* Whether a slab is so near that a stencil at point i may reach it. */
bool slab_near(shape s, int axis, int i, int reach)
{
    return (s->lo[axis] > 0 && i < s->lo[axis] + reach) ||
           (s->hi[axis] > 0 && i >= s->n[axis] - s->hi[axis] - reach);
}

/* The first memory variable along an axis of the line through a point, and their distance. */
int line_first(shape s, int axis, int ix, int iy, int iz)
{
    if (axis == 0)
        return s->memory[0] + iy * s->n[2] + iz;
    if (axis == 1)
        return s->memory[1] + ix * (s->lo[1] + s->hi[1]) * s->n[2] + iz;
    return s->memory[2] + (ix * s->n[1] + iy) * (s->lo[2] + s->hi[2]);
}

int line_step(shape s, int axis)
{
    return axis == 0 ? s->n[1] * s->n[2] : axis == 1 ? s->n[2] : 1;
}

/* Coefficients of psi and zeta: [psi_a, psi_b, zeta_a, zeta_b][places of all axes]. */
real coefficient(shape s, __global const real *coefficients, int which, int axis, int place)
{
    return coefficients[which * s->coefficient[3] + s->coefficient[axis] + place];
}

#define PSI_A  0
#define PSI_B  1
#define ZETA_A 2
#define ZETA_B 3

/* A number of the field, and its mirror above a free surface. */
void put(__global real *field, int at, int iz, real value)
{
    field[at] = value;
#if SURFACE
    if (iz >= 1 && iz <= RADIUS)
        field[at - 2 * iz] = -value;
#endif
}

/* The index of a point on the medium's grid; -1: it is in the layers. */
int inner_of(shape s, int ix, int iy, int iz)
{
    int x = ix - s->pad[0], y = iy - s->pad[1], z = iz - s->pad[2];
    if (x < 0 || x >= s->inner[0] || y < 0 || y >= s->inner[1] || z < 0 || z >= s->inner[2])
        return -1;
    return (x * s->inner[1] + y) * s->inner[2] + z;
}

/* D+ u at the half point behind `at`. */
real plus(shape s, int axis, __global const real *u, int at)
{
    int stride = s->stride[axis];
    real sum = 0;
#pragma unroll
    for (int k = 0; k < HALF; k++)
        sum += s->halves[axis][k] * (u[at + (k + 1) * stride] - u[at - k * stride]);
    return sum;
}

/* a zeta at point i of a line; 0 outside the slabs. */
real scaled_zeta(shape s, int axis, __global const real *zeta,
                 __global const real *coefficients, int first, int i)
{
    int place = point_place(s, axis, i);
    if (place < 0)
        return 0;
    return coefficient(s, coefficients, ZETA_A, axis, place) *
           zeta[first + place * line_step(s, axis)];
}

/* D+ (a zeta) at half point i of a line. */
real plus_zeta(shape s, int axis, __global const real *zeta, __global const real *coefficients,
               int first, int i)
{
    real sum = 0;
    for (int k = 0; k < HALF; k++)
        sum += s->halves[axis][k] *
               (scaled_zeta(s, axis, zeta, coefficients, first, i + k + 1) -
                scaled_zeta(s, axis, zeta, coefficients, first, i - k));
    return sum;
}

/* psi at half point i of a line, times a if `scaled`; 0 outside the slabs. */
real psi_at(shape s, int axis, __global const real *psi, __global const real *coefficients,
            int first, int i, bool scaled)
{
    int place = half_place(s, axis, i);
    if (place < 0)
        return 0;
    real value = psi[first + place * line_step(s, axis)];
    return scaled ? coefficient(s, coefficients, PSI_A, axis, place) * value : value;
}

/* D- psi at point i of a line. */
real minus_psi(shape s, int axis, __global const real *psi, __global const real *coefficients,
               int first, int i, bool scaled)
{
    real sum = 0;
    for (int k = 0; k < HALF; k++)
        sum += s->halves[axis][k] *
               (psi_at(s, axis, psi, coefficients, first, i + k, scaled) -
                psi_at(s, axis, psi, coefficients, first, i - 1 - k, scaled));
    return sum;
}

/* A memory variable's axis, place, and the point or half point where it is. */
struct spot {
    int axis, place, at[3];
};

struct spot spot_of(shape s, int id, bool halves)
{
    struct spot spot;
    int axis = id >= s->memory[2] ? 2 : id >= s->memory[1] ? 1 : 0;
    int rest = id - s->memory[axis], width = s->lo[axis] + s->hi[axis];
    int place, ix, iy, iz;
    if (axis == 0) {
        iz = rest % s->n[2];
        iy = rest / s->n[2] % s->n[1];
        place = rest / s->n[2] / s->n[1];
        ix = 0;
    } else if (axis == 1) {
        iz = rest % s->n[2];
        place = rest / s->n[2] % width;
        ix = rest / s->n[2] / width;
        iy = 0;
    } else {
        place = rest % width;
        iy = rest / width % s->n[1];
        ix = rest / width / s->n[1];
        iz = 0;
    }
    int i = place;
    if (place >= s->lo[axis])
        i = s->n[axis] - s->hi[axis] - (halves ? 1 : 0) + place - s->lo[axis];
    spot.axis = axis;
    spot.place = place;
    spot.at[0] = axis == 0 ? i : ix;
    spot.at[1] = axis == 1 ? i : iy;
    spot.at[2] = axis == 2 ? i : iz;
    return spot;
}

#if !TILTED

/* The field whose differences along an axis count: u, but of a pair (u, p) across the vertical p. */
#if PAIR
#define DRIVEN(axis, u, p) ((axis) == 2 ? (u) : (p))
#else
#define DRIVEN(axis, u, p) (u)
#endif

/* Forward, first stage: psi = b psi + a D+ u. */
__kernel void psi_forward(shape s, __global const real *u, __global const real *p_field,
                          __global real *psi, __global const real *coefficients)
{
    int id = get_global_id(0);
    if (id >= s->memory[3])
        return;
    struct spot p = spot_of(s, id, true);
    int at = at_of(s, p.at[0], p.at[1], p.at[2]);
    psi[id] = coefficient(s, coefficients, PSI_B, p.axis, p.place) * psi[id] +
              coefficient(s, coefficients, PSI_A, p.axis, p.place) *
                  plus(s, p.axis, DRIVEN(p.axis, u, p_field), at);
}

/* Transposed, first stage: zeta = b zeta + w. */
__kernel void zeta_transposed(shape s, __global const real *w, __global const real *p_field,
                              __global real *zeta, __global const real *coefficients)
{
    int id = get_global_id(0);
    if (id >= s->memory[3])
        return;
    struct spot p = spot_of(s, id, false);
    int at = at_of(s, p.at[0], p.at[1], p.at[2]);
    zeta[id] = coefficient(s, coefficients, ZETA_B, p.axis, p.place) * zeta[id] +
               DRIVEN(p.axis, w, p_field)[at];
}

/* Transposed, second stage: psi = b psi - D+ (w + a zeta). */
__kernel void psi_transposed(shape s, __global const real *w, __global const real *p_field,
                             __global real *psi, __global const real *zeta,
                             __global const real *coefficients)
{
    int id = get_global_id(0);
    if (id >= s->memory[3])
        return;
    struct spot p = spot_of(s, id, true);
    int at = at_of(s, p.at[0], p.at[1], p.at[2]);
    int first = line_first(s, p.axis, p.at[0], p.at[1], p.at[2]);
    real sum = plus(s, p.axis, DRIVEN(p.axis, w, p_field), at) +
               plus_zeta(s, p.axis, zeta, coefficients, first, p.at[p.axis]);
    psi[id] = coefficient(s, coefficients, PSI_B, p.axis, p.place) * psi[id] - sum;
}

#endif

#define FORWARD    0
#define TRANSPOSED 1
#define BACKWARD   2

#if DENSITY

/* The flux along an axis behind a point. */
void flux_make(shape s, int mode, int axis, int ix, int iy, int iz, __global const real *u,
               __global const real *half_rho, __global real *psi, __global const real *zeta,
               __global const real *coefficients, __global real *flux)
{
    int i = axis == 0 ? ix : axis == 1 ? iy : iz;
    int at = at_of(s, ix, iy, iz), first = line_first(s, axis, ix, iy, iz);
    if (i == s->n[axis] - 1) /* beyond the padded grid there is none */
        return;
    real sum = plus(s, axis, u, at), rho = half_rho[at] + half_rho[at + s->stride[axis]];
    int place = mode == BACKWARD ? -1 : half_place(s, axis, i);
    if (mode == TRANSPOSED && slab_near(s, axis, i, RADIUS + 1))
        sum += plus_zeta(s, axis, zeta, coefficients, first, i);
    if (mode == TRANSPOSED)
        sum /= rho;
    if (place >= 0) {
        real a = coefficient(s, coefficients, PSI_A, axis, place);
        real b = coefficient(s, coefficients, PSI_B, axis, place);
        int id = first + place * line_step(s, axis);
        real next = mode == TRANSPOSED ? b * psi[id] - sum : b * psi[id] + a * sum;
        psi[id] = next;
        sum = mode == TRANSPOSED ? sum - a * next : sum + next;
    }
    if (mode != TRANSPOSED)
        sum /= rho;
    flux[at] = sum;
#if SURFACE
    if (axis == 2 && iz < RADIUS)
        flux[at - 1 - 2 * iz] = sum;
#endif
}

__kernel void fluxes(shape s, int mode, __global const real *u, __global const real *half_rho,
                     __global real *psi, __global const real *zeta,
                     __global const real *coefficients, __global real *flux_x,
                     __global real *flux_y, __global real *flux_z)
{
    int iz = get_global_id(0), iy = get_global_id(1), ix = get_global_id(2);
    if (iz >= s->n[2] || iy >= s->n[1] || ix >= s->n[0])
        return;
    flux_make(s, mode, 0, ix, iy, iz, u, half_rho, psi, zeta, coefficients, flux_x);
#if !FLAT
    flux_make(s, mode, 1, ix, iy, iz, u, half_rho, psi, zeta, coefficients, flux_y);
#endif
    flux_make(s, mode, 2, ix, iy, iz, u, half_rho, psi, zeta, coefficients, flux_z);
}

/* The divergence of one axis' flux at a point, with zeta. */
real divergence(shape s, int mode, int axis, int ix, int iy, int iz, __global const real *flux,
                __global real *zeta, __global const real *coefficients)
{
    int stride = s->stride[axis], at = at_of(s, ix, iy, iz);
    real sum = 0;
#pragma unroll
    for (int k = 0; k < RADIUS; k++)
        sum += s->halves[axis][k] * (flux[at + k * stride] - flux[at - (k + 1) * stride]);
    int i = axis == 0 ? ix : axis == 1 ? iy : iz;
    int place = mode == FORWARD ? point_place(s, axis, i) : -1;
    if (place >= 0) {
        int id = line_first(s, axis, ix, iy, iz) + place * line_step(s, axis);
        real next = coefficient(s, coefficients, ZETA_B, axis, place) * zeta[id] +
                    coefficient(s, coefficients, ZETA_A, axis, place) * sum;
        zeta[id] = next;
        sum += next;
    }
    return sum;
}

#elif !TILTED

/* What the layers of an axis add to L u at a point whose second difference along it is `second`. */
real layer_forward(shape s, int axis, int ix, int iy, int iz, real second,
                   __global const real *psi, __global real *zeta,
                   __global const real *coefficients)
{
    int i = axis == 0 ? ix : axis == 1 ? iy : iz;
    if (!slab_near(s, axis, i, HALF + 1))
        return 0;
    int first = line_first(s, axis, ix, iy, iz), place = point_place(s, axis, i);
    real sum = minus_psi(s, axis, psi, coefficients, first, i, false);
    if (place >= 0) {
        int id = first + place * line_step(s, axis);
        real next = coefficient(s, coefficients, ZETA_B, axis, place) * zeta[id] +
                    coefficient(s, coefficients, ZETA_A, axis, place) * (second + sum);
        zeta[id] = next;
        sum += next;
    }
    return sum;
}

/* The same transposed: D2 (a zeta) - D- (a psi). */
real layer_transposed(shape s, int axis, int ix, int iy, int iz, __global const real *psi,
                      __global const real *zeta, __global const real *coefficients)
{
    int i = axis == 0 ? ix : axis == 1 ? iy : iz;
    if (!slab_near(s, axis, i, RADIUS + 1))
        return 0;
    int first = line_first(s, axis, ix, iy, iz);
    real sum =
        s->second[axis][0] * scaled_zeta(s, axis, zeta, coefficients, first, i) -
        minus_psi(s, axis, psi, coefficients, first, i, true);
    for (int k = 1; k <= RADIUS; k++)
        sum += s->second[axis][k] *
               (scaled_zeta(s, axis, zeta, coefficients, first, i - k) +
                scaled_zeta(s, axis, zeta, coefficients, first, i + k));
    return sum;
}

real layer(shape s, int mode, int axis, int ix, int iy, int iz, real second,
           __global const real *psi, __global real *zeta, __global const real *coefficients)
{
    if (mode == FORWARD)
        return layer_forward(s, axis, ix, iy, iz, second, psi, zeta, coefficients);
    if (mode == TRANSPOSED)
        return layer_transposed(s, axis, ix, iy, iz, psi, zeta, coefficients);
    return 0;
}

#endif

#if !DENSITY

real second_along(shape s, int axis, __global const real *u, int at)
{
    int stride = s->stride[axis];
    real sum = s->second[axis][0] * u[at];
#pragma unroll
    for (int k = 1; k <= RADIUS; k++)
        sum += s->second[axis][k] * (u[at - k * stride] + u[at + k * stride]);
    return sum;
}

#endif

/*
 * The last stage: out = 2 u - out + V L u. In the same pass, on the medium's grid, and where wanted:
 * the snapshot is written (V L u, to which injecting adds), scattering added, the image added to with
 * the field as it is before the step. A work item goes through MARCH planes and keeps the column of
 * numbers along x that the stencil needs.
 */
#define SNAPSHOT 1
#define SCATTER  2
#define IMAGE    4

#if !PAIR

__kernel void field_step(shape s, int mode, int extras, __global const real *u,
                         __global real *out, __global const real *v,
                         __global real *psi, __global real *zeta,
                         __global const real *coefficients, __global const real *half_rho,
                         __global const real *flux_x, __global const real *flux_y,
                         __global const real *flux_z, __global real *snapshot,
                         ulong snapshot_at, __global const real *scattered,
                         ulong scattered_at, __global const real *dm, ulong dm_at,
                         __global real *image, ulong image_at)
{
    int iz = get_global_id(0), iy = get_global_id(1), ix = get_global_id(2) * MARCH;
    if (iz >= s->n[2] || iy >= s->n[1])
        return;
    int at = at_of(s, ix, iy, iz), deep = s->stride[0], end = min(ix + MARCH, s->n[0]);
#if !DENSITY
    real column[COLUMN];
#pragma unroll
    for (int k = 0; k < COLUMN - 1; k++)
        column[k] = u[at + (k - RADIUS) * deep];
#endif
    for (; ix < end; ix++, at += deep) {
        real sum;
#if DENSITY
        real here = u[at];
        sum = divergence(s, mode, 0, ix, iy, iz, flux_x, zeta, coefficients);
#if !FLAT
        sum += divergence(s, mode, 1, ix, iy, iz, flux_y, zeta, coefficients);
#endif
        sum += divergence(s, mode, 2, ix, iy, iz, flux_z, zeta, coefficients);
#else
        column[COLUMN - 1] = u[at + RADIUS * deep];
        real here = column[RADIUS], along[3];
        along[0] = s->second[0][0] * here;
#pragma unroll
        for (int k = 1; k <= RADIUS; k++)
            along[0] += s->second[0][k] * (column[RADIUS - k] + column[RADIUS + k]);
        along[2] = second_along(s, 2, u, at);
        sum = along[0] + along[2];
#if !FLAT
        along[1] = second_along(s, 1, u, at);
        sum += along[1];
#endif
        sum += layer(s, mode, 0, ix, iy, iz, along[0], psi, zeta, coefficients);
#if !FLAT
        sum += layer(s, mode, 1, ix, iy, iz, along[1], psi, zeta, coefficients);
#endif
        sum += layer(s, mode, 2, ix, iy, iz, along[2], psi, zeta, coefficients);
#pragma unroll
        for (int k = 0; k < COLUMN - 1; k++)
            column[k] = column[k + 1];
#endif
        real here_v = v[at], change = here_v * sum;
        if (extras) {
            int inner = inner_of(s, ix, iy, iz);
            if (inner >= 0) {
                real scale = s->scale;
#if DENSITY
                scale /= 2 * half_rho[at];
#endif
                if (extras & SCATTER)
                    change += scale * here_v * dm[dm_at + inner] *
                              scattered[scattered_at + inner];
                if (extras & IMAGE)
                    image[image_at + inner] += scale * scattered[scattered_at + inner] * here;
                if (extras & SNAPSHOT)
                    snapshot[snapshot_at + inner] = change;
            }
        }
        put(out, at, iz, (2 * here - out[at]) + change);
    }
}

#endif

/* Cells of points: cell j of item i is from first[i] on to below first[i + 1]. */

/* field += V weight value, at `count` grid points of several cells each; so does the snapshot. Of a pair,
 * p += cross weight value, and the snapshot is without V. */
__kernel void inject(shape s, int count, __global const int *first, __global const int4 *where,
                     __global const int *place, __global const real *weight,
                     __global const real *values, ulong values_at, __global const real *v,
                     __global real *field, __global const real *cross,
                     __global real *p_field, int extras, __global real *snapshot,
                     ulong snapshot_at)
{
    int i = get_global_id(0);
    if (i >= count)
        return;
    int4 p = where[i];
    int at = at_of(s, p.x, p.y, p.z), inner = inner_of(s, p.x, p.y, p.z);
    real sum = 0;
#if PAIR
    for (int j = first[i]; j < first[i + 1]; j++)
        sum += weight[j] * values[values_at + place[j]];
    put(field, at, p.z, field[at] + v[at] * sum);
    put(p_field, at, p.z, p_field[at] + cross[at] * sum);
#else
    for (int j = first[i]; j < first[i + 1]; j++)
        sum += v[at] * (weight[j] * values[values_at + place[j]]);
    put(field, at, p.z, field[at] + sum);
#endif
    if ((extras & SNAPSHOT) && inner >= 0)
        snapshot[snapshot_at + inner] += sum;
}

/* values = sum of weights times the field: LANES work items for each place. */
#define LANES 32

__kernel __attribute__((reqd_work_group_size(LANES, 1, 1))) void
sample(shape s, int count, __global const int *first, __global const int4 *where,
       __global const real *weight, __global const real *field, __global real *values,
       ulong values_at)
{
    __local real sums[LANES];
    int lane = get_local_id(0), i = get_group_id(0);
    real sum = 0;
    for (int j = first[i] + lane; j < first[i + 1]; j += LANES)
        sum += weight[j] * field[at_of(s, where[j].x, where[j].y, where[j].z)];
    sums[lane] = sum;
    for (int step = LANES / 2; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < step)
            sums[lane] += sums[lane + step];
    }
    if (lane == 0)
        values[values_at + i] = sums[0];
}

__kernel void illuminate(shape s, __global const real *field, __global real *sum, ulong sum_at)
{
    int z = get_global_id(0), y = get_global_id(1), x = get_global_id(2);
    if (z >= s->inner[2] || y >= s->inner[1] || x >= s->inner[0])
        return;
    real value = field[at_of(s, x + s->pad[0], y + s->pad[1], z + s->pad[2])];
    sum[sum_at + (x * s->inner[1] + y) * s->inner[2] + z] += value * value;
}

/* Numbers of the boxes around the medium's grid, `count` from `begin` on, to a shell, or from it. */
__kernel void shell_move(shape s, __global real *field, __global real *shell, ulong shell_at,
                         int begin, int count, int load)
{
    int id = get_global_id(0) + begin, box = 0;
    if (id >= begin + count)
        return;
    shell_at -= begin;
    for (int b = 1; b < OPENCL_BOXES; b++)
        if (id >= s->box_at[b] && s->box_n[b][0] * s->box_n[b][1] * s->box_n[b][2] > 0)
            box = b;
    int rest = id - s->box_at[box];
    int iz = s->box_first[box][2] + rest % s->box_n[box][2];
    rest /= s->box_n[box][2];
    int iy = s->box_first[box][1] + rest % s->box_n[box][1];
    int ix = s->box_first[box][0] + rest / s->box_n[box][1];
    int at = at_of(s, ix, iy, iz);
    if (load)
        put(field, at, iz, shell[shell_at + id]);
    else
        shell[shell_at + id] = field[at];
}

/* A field on the medium's grid to a state, or from it. */
__kernel void inner_move(shape s, __global real *field, __global real *state, ulong state_at,
                         int load)
{
    int z = get_global_id(0), y = get_global_id(1), x = get_global_id(2);
    if (z >= s->inner[2] || y >= s->inner[1] || x >= s->inner[0])
        return;
    int at = at_of(s, x + s->pad[0], y + s->pad[1], z + s->pad[2]);
    state_at += (x * s->inner[1] + y) * s->inner[2] + z;
    if (load)
        put(field, at, z + s->pad[2], state[state_at]);
    else
        state[state_at] = field[at];
}
