/*
 * opencl_pair.cl - the steps of anisotropic waves, behind opencl_kernels.cl; the formulas are those of
 * anisotropic.h and anisotropic_stage.c.
 *
 * Two fields, q and p. With a tilted axis, slopes G of both are stored between the stages, and n G is
 * made of them where it is read: less memory, and less to move, than n G itself. Memory variables psi (z)
 * and zeta (h) are for q first, then, memory[3] on, for p, and after those for f of the layers.
 */
#if PAIR

#if TILTED

#define OF_Q 0
#define OF_P 1
#define OF_F 2

/* The components of n, everywhere. */
struct tilt {
    __global const real *of[3];
};

/* D u along an axis. */
real first_along(shape s, int axis, __global const real *u, int at)
{
    int stride = s->stride[axis];
    real sum = 0;
#pragma unroll
    for (int k = 1; k <= RADIUS; k++)
        sum += s->first[axis][k - 1] * (u[at + k * stride] - u[at - k * stride]);
    return sum;
}

/* Something of q, and the same of p. */
struct both {
    real q, p;
};

/* D n G along an axis. */
struct both first_fluxes(shape s, int axis, __global const real *n,
                         __global const real *slope_q, __global const real *slope_p, int at)
{
    int stride = s->stride[axis];
    struct both sum = {0, 0};
#pragma unroll
    for (int k = 1; k <= RADIUS; k++) {
        int after = at + k * stride, before = at - k * stride;
        real weight = s->first[axis][k - 1], n_after = n[after], n_before = n[before];
        sum.q += weight * (n_after * slope_q[after] - n_before * slope_q[before]);
        sum.p += weight * (n_after * slope_p[after] - n_before * slope_p[before]);
    }
    return sum;
}

/* A memory variable at point i of a line; 0 outside the slabs. */
real memory_at(shape s, int axis, __global const real *memory, int first, int i)
{
    int place = point_place(s, axis, i);
    return place < 0 ? 0 : memory[first + place * line_step(s, axis)];
}

/* D of a memory variable at point i of a line. */
real first_memory(shape s, int axis, __global const real *memory, int first, int i)
{
    real sum = 0;
    for (int k = 1; k <= RADIUS; k++)
        sum += s->first[axis][k - 1] * (memory_at(s, axis, memory, first, i + k) -
                                        memory_at(s, axis, memory, first, i - k));
    return sum;
}

/* D2 of it. */
real second_memory(shape s, int axis, __global const real *memory, int first, int i)
{
    real sum = s->second[axis][0] * memory_at(s, axis, memory, first, i);
    for (int k = 1; k <= RADIUS; k++)
        sum += s->second[axis][k] * (memory_at(s, axis, memory, first, i - k) +
                                     memory_at(s, axis, memory, first, i + k));
    return sum;
}

/* memory = b memory + a t: K t at a place of an axis. */
real recur(shape s, int axis, int place, __global real *memory, int first,
           __global const real *coefficients, real t)
{
    int id = first + place * line_step(s, axis);
    real next = coefficient(s, coefficients, ZETA_B, axis, place) * memory[id] +
                coefficient(s, coefficients, ZETA_A, axis, place) * t;
    memory[id] = next;
    return next;
}

/* At a point, the largest of what the axes have: of g, or what begins `from` later. */
real stiff_at(shape s, __global const real *stiff, int from, int ix, int iy, int iz)
{
    __global const real *along_x = stiff + from;
    __global const real *along_y = along_x + s->n[0], *along_z = along_y + s->n[1];
    return fmax(along_x[ix], fmax(along_y[iy], along_z[iz]));
}

/* In layers, before everything else: f, of both fields. */
__kernel void slow_make(shape s, __global const real *q, __global const real *p,
                        __global const real *old_q, __global const real *old_p,
                        __global const real *v, __global const real *cross,
                        __global const real *stiff, __global real *slow)
{
    int iz = get_global_id(0), iy = get_global_id(1), ix = get_global_id(2);
    if (iz >= s->n[2] || iy >= s->n[1] || ix >= s->n[0] || inner_of(s, ix, iy, iz) >= 0)
        return;
    int at = at_of(s, ix, iy, iz);
    if (!(v[at] > 0))
        return;
    real ratio = cross[at] / v[at], lag = stiff[2 * (s->n[0] + s->n[1] + s->n[2])];
    real now = p[at] - ratio * q[at], before = old_p[at] - ratio * old_q[at];
    put(slow, at, iz, stiff_at(s, stiff, 0, ix, iy, iz) * (now + lag * (now - before)));
}

/* Transposed, first stage: z = K w, of q, of p and of f. */
__kernel void tilt_drive(shape s, __global const real *q, __global const real *p,
                         __global const real *slow, __global real *psi,
                         __global const real *coefficients)
{
    int id = get_global_id(0);
    if (id >= 3 * s->memory[3])
        return;
    int part = id / s->memory[3];
    struct spot spot = spot_of(s, id - part * s->memory[3], false);
    int at = at_of(s, spot.at[0], spot.at[1], spot.at[2]);
    psi[id] = coefficient(s, coefficients, ZETA_B, spot.axis, spot.place) * psi[id] +
              coefficient(s, coefficients, ZETA_A, spot.axis, spot.place) *
                  (part == OF_F ? slow[at] : part == OF_P ? p[at] : q[at]);
}

/* G of one field, and what is remembered of it: psi (forward) or h (transposed). */
void slope_make(shape s, int mode, int part, int ix, int iy, int iz, __global const real *u,
                const struct tilt *n, __global real *psi, __global real *zeta,
                __global const real *coefficients, __global real *slope)
{
    const int points[3] = {ix, iy, iz};
    int at = at_of(s, ix, iy, iz);
    real along[3], sum = 0;
    for (int axis = 0; axis < 3; axis += 1 + FLAT) {
        int first = part * s->memory[3] + line_first(s, axis, ix, iy, iz);
        int place = mode == FORWARD ? point_place(s, axis, points[axis]) : -1;
        along[axis] = first_along(s, axis, u, at);
        if (place >= 0)
            along[axis] += recur(s, axis, place, psi, first, coefficients, along[axis]);
        if (mode == TRANSPOSED && slab_near(s, axis, points[axis], RADIUS))
            along[axis] += first_memory(s, axis, psi, first, points[axis]);
        sum += n->of[axis][at] * along[axis];
    }
    slope[at] = sum;
#if SURFACE
    if (iz >= 1 && iz <= RADIUS)
        slope[at - 2 * iz] = sum;
#endif
    for (int axis = 0; axis < 3; axis += 1 + FLAT) {
        int first = part * s->memory[3] + line_first(s, axis, ix, iy, iz);
        int place = mode == TRANSPOSED ? point_place(s, axis, points[axis]) : -1;
        real flux = n->of[axis][at] * sum;
        if (place >= 0)
            recur(s, axis, place, zeta, first, coefficients,
                  part == OF_P ? along[axis] - flux : flux);
    }
}

/* What is remembered of f, in slabs. */
void slow_remember(shape s, int mode, int ix, int iy, int iz, __global const real *slow,
                   __global real *psi, __global real *zeta, __global const real *coefficients)
{
    const int points[3] = {ix, iy, iz};
    int at = at_of(s, ix, iy, iz);
    for (int axis = 0; axis < 3; axis += 1 + FLAT) {
        int first = OF_F * s->memory[3] + line_first(s, axis, ix, iy, iz);
        int place = mode == BACKWARD ? -1 : point_place(s, axis, points[axis]);
        if (place < 0)
            continue;
        real along = first_along(s, axis, slow, at);
        if (mode == FORWARD)
            recur(s, axis, place, psi, first, coefficients, along);
        else
            recur(s, axis, place, zeta, first, coefficients,
                  along + first_memory(s, axis, psi, first, points[axis]));
    }
}

__kernel void slopes(shape s, int mode, __global const real *q, __global const real *p,
                     __global const real *slow, __global const real *n_x, __global const real *n_y,
                     __global const real *n_z, __global real *psi, __global real *zeta,
                     __global const real *coefficients, __global real *slope_q,
                     __global real *slope_p)
{
    const struct tilt n = {{n_x, n_y, n_z}};
    int iz = get_global_id(0), iy = get_global_id(1), ix = get_global_id(2);
    if (iz >= s->n[2] || iy >= s->n[1] || ix >= s->n[0])
        return;
    slope_make(s, mode, OF_Q, ix, iy, iz, q, &n, psi, zeta, coefficients, slope_q);
    slope_make(s, mode, OF_P, ix, iy, iz, p, &n, psi, zeta, coefficients, slope_p);
    slow_remember(s, mode, ix, iy, iz, slow, psi, zeta, coefficients);
}

/* What an axis gives to y_q, its flux being D n G. */
real axis_q(shape s, int mode, int axis, int ix, int iy, int iz, real flux,
            __global real *zeta, __global const real *coefficients)
{
    int i = axis == 0 ? ix : axis == 1 ? iy : iz;
    int first = line_first(s, axis, ix, iy, iz), place = point_place(s, axis, i);
    real sum = flux;
    if (mode == FORWARD && place >= 0)
        sum += recur(s, axis, place, zeta, first, coefficients, sum);
    if (mode == TRANSPOSED && slab_near(s, axis, i, RADIUS))
        sum += first_memory(s, axis, zeta, first, i);
    return sum;
}

/* What it gives to y_p, and, without a flux, to that of f. */
real axis_p(shape s, int mode, int part, int axis, int ix, int iy, int iz, real flux,
            __global const real *p, __global const real *psi, __global real *zeta,
            __global const real *coefficients)
{
    int i = axis == 0 ? ix : axis == 1 ? iy : iz, at = at_of(s, ix, iy, iz);
    int first = part * s->memory[3] + line_first(s, axis, ix, iy, iz);
    int place = point_place(s, axis, i);
    bool near = slab_near(s, axis, i, RADIUS);
    real sum = second_along(s, axis, p, at) - flux;
    if (mode == FORWARD && near)
        sum += first_memory(s, axis, psi, first, i);
    if (mode == FORWARD && place >= 0)
        sum += recur(s, axis, place, zeta, first, coefficients, sum);
    if (mode == TRANSPOSED && near)
        sum += first_memory(s, axis, zeta, first, i) + second_memory(s, axis, psi, first, i);
    return sum;
}

/* What f gives to p in the layers: g (p's own part of M, less what goes by q) times its y. */
real slow_give(shape s, int mode, int ix, int iy, int iz, real v, real cross, real own,
               __global const real *slow, __global const real *psi, __global real *zeta,
               __global const real *coefficients, __global const real *stiff)
{
    real sum = 0;
    for (int axis = 0; axis < 3; axis += 1 + FLAT)
        sum += axis_p(s, mode, OF_F, axis, ix, iy, iz, 0, slow, psi, zeta, coefficients);
    return v > 0 ? (own - cross / v * cross) * stiff_at(s, stiff, 0, ix, iy, iz) * sum : 0;
}

/* In the layers p comes to change less: what its old value becomes before the step. */
real eased(shape s, __global const real *stiff, int ix, int iy, int iz, real old_q, real old_p,
           real q, real p, real v, real cross)
{
    real ratio = v > 0 ? cross / v : 0;
    real eta = stiff_at(s, stiff, s->n[0] + s->n[1] + s->n[2], ix, iy, iz);
    return old_p + 2 * eta * ((p - ratio * q) - (old_p - ratio * old_q));
}

#endif

/* The last stage: y, which is the snapshot, and with it both fields; extras as in field_step. */
__kernel void pair_step(shape s, int mode, int extras, __global const real *q,
                        __global const real *p, __global real *out_q, __global real *out_p,
                        __global const real *v, __global const real *cross,
                        __global const real *own, __global real *psi, __global real *zeta,
                        __global const real *coefficients, __global const real *n_x,
                        __global const real *n_y, __global const real *n_z,
                        __global const real *slope_q, __global const real *slope_p,
                        __global const real *slow, __global const real *stiff, __global real *snapshot, ulong snapshot_at,
                        __global const real *scattered, ulong scattered_at,
                        __global const real *dm, ulong dm_at, __global real *image,
                        ulong image_at)
{
    int iz = get_global_id(0), iy = get_global_id(1), ix = get_global_id(2);
    if (iz >= s->n[2] || iy >= s->n[1] || ix >= s->n[0])
        return;
    int at = at_of(s, ix, iy, iz);
    real here_q = q[at], here_p = p[at], old_q = out_q[at], old_p = out_p[at];
    real here_v = v[at], here_cross = cross[at], y_q, y_p;
#if TILTED
    struct both flux = first_fluxes(s, 0, n_x, slope_q, slope_p, at);
    y_q = axis_q(s, mode, 0, ix, iy, iz, flux.q, zeta, coefficients);
    y_p = axis_p(s, mode, OF_P, 0, ix, iy, iz, flux.p, p, psi, zeta, coefficients);
#if !FLAT
    flux = first_fluxes(s, 1, n_y, slope_q, slope_p, at);
    y_q += axis_q(s, mode, 1, ix, iy, iz, flux.q, zeta, coefficients);
    y_p += axis_p(s, mode, OF_P, 1, ix, iy, iz, flux.p, p, psi, zeta, coefficients);
#endif
    flux = first_fluxes(s, 2, n_z, slope_q, slope_p, at);
    y_q += axis_q(s, mode, 2, ix, iy, iz, flux.q, zeta, coefficients);
    y_p += axis_p(s, mode, OF_P, 2, ix, iy, iz, flux.p, p, psi, zeta, coefficients);
    if (mode != BACKWARD && inner_of(s, ix, iy, iz) < 0)
        old_p =
            eased(s, stiff, ix, iy, iz, old_q, old_p, here_q, here_p, here_v, here_cross);
#else
    real along = second_along(s, 2, q, at);
    y_q = along + layer(s, mode, 2, ix, iy, iz, along, psi, zeta, coefficients);
    along = second_along(s, 0, p, at);
    y_p = along + layer(s, mode, 0, ix, iy, iz, along, psi, zeta, coefficients);
#if !FLAT
    along = second_along(s, 1, p, at);
    y_p += along + layer(s, mode, 1, ix, iy, iz, along, psi, zeta, coefficients);
#endif
#endif
    int inner = extras ? inner_of(s, ix, iy, iz) : -1;
    if (inner >= 0) {
        ulong points = (ulong)s->inner[0] * s->inner[1] * s->inner[2];
        __global const real *of_q = scattered + scattered_at + inner, *of_p = of_q + points;
        real scale = s->scale * here_v;
        if (extras & IMAGE)
            image[image_at + inner] += scale * (of_q[0] * here_q + of_p[0] * here_p);
        if (extras & SCATTER) {
            scale *= dm[dm_at + inner];
            y_q += scale * of_q[0];
            y_p += scale * of_p[0];
        }
        if (extras & SNAPSHOT) {
            snapshot[snapshot_at + inner] = y_q;
            snapshot[snapshot_at + points + inner] = y_p;
        }
    }
    put(out_q, at, iz, here_v * y_q + here_cross * y_p + (2 * here_q - old_q));
    real next_p = here_cross * y_q + own[at] * y_p + (2 * here_p - old_p);
#if TILTED
    if (mode != BACKWARD && inner_of(s, ix, iy, iz) < 0)
        next_p += slow_give(s, mode, ix, iy, iz, here_v, here_cross, own[at], slow, psi, zeta,
                            coefficients, stiff);
#endif
    put(out_p, at, iz, next_p);
}

#endif
