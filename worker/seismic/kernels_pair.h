/*
 * kernels_pair.h - the inner loops of anisotropic waves; a part of kernels_body.h.
 *
 * Several planes go together, and a vector that is loaded for one of them serves its neighbours
 * along x. What a number comes to must not depend on how many there are: so sums begin with zero,
 * and a product that could be rounded or not is rounded (apart).
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_PAIR_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_PAIR_H

/* Vectors of planes that go together, and of those around them. */
#define PAIR_LINE (KERNELS_GROUP + 2 * KERNELS_RADIUS_MAX)

/* Where one has come to: the compiler works out the next place from here, and keeps none of them in
 * registers, which the weights need. */
#define WALK(place) __asm__("" : "+r"(place))

/* The product is rounded before it is added to anything. */
FORCE_INLINE void apart(vec *product)
{
#if defined __x86_64__ && KERNELS_BYTES == 64
    __asm__("" : "+v"(*product));
#elif defined __x86_64__
    __asm__("" : "+x"(*product));
#elif defined __aarch64__ && KERNELS_BYTES == 16
    __asm__("" : "+w"(*product));
#else
    __asm__("" : "+m"(*product));
#endif
}

struct tilt_weights {
    vec of[GRID_AXES][KERNELS_RADIUS_MAX + 1];
};

/* Weights [1..radius] of each axis, that of y in 3-D alone. */
FORCE_INLINE struct tilt_weights tilt_weights(const wave_real *const *from, const int radius,
                                              const bool flat)
{
    const vec zero = {0};
    struct tilt_weights w = {0};
#pragma GCC unroll 3
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        if (axis == GRID_Y && flat)
            continue;
#pragma GCC unroll 8
        for (int k = 1; k <= radius; k++)
            w.of[axis][k] = zero + from[axis][k];
    }
    return w;
}

/* Vectors of `count` planes, the first at p, and of those around them. */
FORCE_INLINE void line_load(const wave_real *p, ptrdiff_t deep, const int radius,
                            const int count, vec *line)
{
    p -= radius * deep;
#pragma GCC unroll 20
    for (int i = 0; i < count + 2 * radius; i++, p += deep) {
        line[i] = AT(p);
        WALK(p);
    }
}

/* sum += first differences of what line holds around its middle. */
FORCE_INLINE void first_line(const vec *line, const vec *weight, const int radius, vec *sum)
{
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++)
        *sum += weight[k] * (line[radius + k] - line[radius - k]);
}

#ifdef SPAN
/* sum += that along the row, of vectors side by side. (Shifts in registers: a load that crosses a
 * cache line costs two.) */
FORCE_INLINE void first_three(const vec *three, const vec *weight, const int radius, vec *sum)
{
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++) {
        vec left, right;
        shift(three[0], three[1], LANES - k, &left);
        shift(three[1], three[2], k, &right);
        *sum += weight[k] * (right - left);
    }
}
#endif

/* sums += first differences along the row of n times slope[0], and of n times slope[1]. */
FORCE_INLINE void spread_along(const wave_real *n, const wave_real *const *slope,
                               const vec *weight, const int radius, vec *sums)
{
#ifdef SPAN
    vec of_n[3] = {AT(n - LANES), AT(n), AT(n + LANES)};
#pragma GCC unroll 2
    for (int f = 0; f < 2; f++) {
        vec three[3];
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++)
            three[i] = of_n[i] * AT(slope[f] + (i - 1) * LANES);
        first_three(three, weight, radius, &sums[f]);
    }
#else
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++) {
        vec after = weight[k] * AT_LOOSE(n + k), before = weight[k] * AT_LOOSE(n - k);
        for (int f = 0; f < 2; f++) {
            sums[f] += after * AT_LOOSE(slope[f] + k);
            sums[f] -= before * AT_LOOSE(slope[f] - k);
        }
    }
#endif
}

/* The same across rows. */
FORCE_INLINE void spread_across(const wave_real *n, const wave_real *const *slope,
                                ptrdiff_t stride, const vec *weight, const int radius,
                                vec *sums)
{
    ptrdiff_t aside = 0;
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++) {
        aside += stride;
        WALK(aside);
        vec after = weight[k] * AT(n + aside), before = weight[k] * AT(n - aside);
#pragma GCC unroll 2
        for (int f = 0; f < 2; f++) {
            sums[f] += after * AT(slope[f] + aside);
            sums[f] -= before * AT(slope[f] - aside);
        }
    }
}

/* sum += differences across rows: second ones, or `first` ones. */
FORCE_INLINE void differences_across(const wave_real *p, ptrdiff_t stride, const vec *weight,
                                     const int radius, const bool first, vec *sum)
{
    ptrdiff_t aside = 0;
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++) {
        aside += stride;
        WALK(aside);
        *sum +=
            weight[k] * (first ? AT(p + aside) - AT(p - aside) : AT(p - aside) + AT(p + aside));
    }
}

/* sum += first differences along the row. */
FORCE_INLINE void first_along(const wave_real *p, const vec *weight, const int radius, vec *sum)
{
#ifdef SPAN
    const vec three[3] = {AT(p - LANES), AT(p), AT(p + LANES)};
    first_three(three, weight, radius, sum);
#else
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++)
        *sum += weight[k] * (AT_LOOSE(p + k) - AT_LOOSE(p - k));
#endif
}

/* out = the slope of u: one vector of each plane. */
FORCE_INLINE void slope_field(const struct kernel_tilt *j, ptrdiff_t at, const wave_real *u,
                              wave_real *out, const struct tilt_weights *w, const int radius,
                              const int count, const bool flat)
{
    vec line[PAIR_LINE];
    line_load(u + at, j->deep, radius, count, line);
#pragma GCC unroll 4
    for (int i = 0; i < count; i++, at += j->deep) {
        vec sum = {0}, part = {0};
        first_line(line + i, w->of[GRID_X], radius, &part);
        sum += AT(j->axis[GRID_X] + at) * part;
        if (!flat) {
            part = (vec){0};
            differences_across(u + at, j->across, w->of[GRID_Y], radius, true, &part);
            sum += AT(j->axis[GRID_Y] + at) * part;
        }
        part = (vec){0};
        first_along(u + at, w->of[GRID_Z], radius, &part);
        *(vec *)(out + at) = sum + AT(j->axis[GRID_Z] + at) * part;
    }
}

/* All of a job is in local variables below: for the compiler, storing a row could change the
 * job. */
FORCE_INLINE void slope_planes(const struct kernel_tilt *job, ptrdiff_t first, const int radius,
                               const int count, const bool flat)
{
    const struct kernel_tilt j = *job;
    const struct tilt_weights w = tilt_weights(j.weights, radius, flat);
    for (ptrdiff_t q = 0; q < (ptrdiff_t)j.length; q += LANES) {
        ptrdiff_t at = first * j.deep + q;
        slope_field(&j, at, j.u[0], j.out[0], &w, radius, count, flat);
        slope_field(&j, at, j.u[1], j.out[1], &w, radius, count, flat);
    }
}

/* Of `count` planes: sums[i] = D n slope along x, for both fields. */
FORCE_INLINE void spread_deep(const struct kernel_spread *j, ptrdiff_t at,
                              const struct tilt_weights *w, const int radius, const int count,
                              vec (*sums)[2])
{
    vec of_n[PAIR_LINE];
    line_load(j->axis[GRID_X] + at, j->deep, radius, count, of_n);
#pragma GCC unroll 2
    for (int f = 0; f < 2; f++) {
        vec line[PAIR_LINE];
        line_load(j->slope[f] + at, j->deep, radius, count, line);
#pragma GCC unroll 20
        for (int i = 0; i < count + 2 * radius; i++) {
            line[i] *= of_n[i];
            apart(&line[i]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < count; i++)
            first_line(line + i, w->of[GRID_X], radius, &sums[i][f]);
    }
}

/* sums[i] = the Laplacian of p. */
FORCE_INLINE void second_planes(const struct kernel_spread *j, ptrdiff_t at,
                                const struct tilt_weights *w, const int radius, const int count,
                                const bool flat, vec *sums)
{
    vec line[PAIR_LINE];
    line_load(j->p + at, j->deep, radius, count, line);
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) {
        const wave_real *p = j->p + at + i * j->deep;
        sums[i] += j->centre * line[i + radius];
#pragma GCC unroll 8
        for (int k = 1; k <= radius; k++)
            sums[i] += w->of[GRID_X][k] * (line[i + radius - k] + line[i + radius + k]);
        if (!flat)
            differences_across(p, j->across, w->of[GRID_Y], radius, false, &sums[i]);
        sum_along(p, w->of[GRID_Z], radius, &sums[i]);
    }
}

FORCE_INLINE void spread_planes(const struct kernel_spread *job, ptrdiff_t first,
                                const int radius, const int count, const bool flat)
{
    const struct kernel_spread j = *job;
    const struct tilt_weights w = tilt_weights(j.first, radius, flat),
                              w2 = tilt_weights(j.second, radius, flat);
    for (ptrdiff_t q = 0; q < (ptrdiff_t)j.length; q += LANES) {
        ptrdiff_t at = first * j.deep + q, to = first * j.apart + q;
        vec sums[KERNELS_GROUP][2] = {{{0}}}, second[KERNELS_GROUP] = {{0}};
        spread_deep(&j, at, &w, radius, count, sums);
        second_planes(&j, at, &w2, radius, count, flat, second);
#pragma GCC unroll 4
        for (int i = 0; i < count; i++, at += j.deep, to += j.apart) {
            const wave_real *const slope[2] = {j.slope[0] + at, j.slope[1] + at};
            if (!flat)
                spread_across(j.axis[GRID_Y] + at, slope, j.across, w.of[GRID_Y], radius,
                              sums[i]);
            spread_along(j.axis[GRID_Z] + at, slope, w.of[GRID_Z], radius, sums[i]);
            *(vec *)(j.out[0] + to) = sums[i][0];
            *(vec *)(j.out[1] + to) = second[i] - sums[i][1];
        }
    }
}

/* What waves with a vertical axis differentiate: q along z, p across. */
FORCE_INLINE void upright_planes(const struct kernel_upright *job, ptrdiff_t first,
                                 const int radius, const int count, const bool flat)
{
    const struct kernel_upright j = *job;
    const struct tilt_weights w = tilt_weights(j.weights, radius, flat);
    for (ptrdiff_t q = 0; q < (ptrdiff_t)j.length; q += LANES) {
        ptrdiff_t at = first * j.deep + q, to = first * j.apart + q;
        vec line[PAIR_LINE];
        line_load(j.p + at, j.deep, radius, count, line);
#pragma GCC unroll 4
        for (int i = 0; i < count; i++, at += j.deep, to += j.apart) {
            vec y_p = {0}, y_q = {0};
            y_p += j.across_centre * line[i + radius];
            y_q += j.along_centre * AT(j.q + at);
#pragma GCC unroll 8
            for (int k = 1; k <= radius; k++)
                y_p += w.of[GRID_X][k] * (line[i + radius - k] + line[i + radius + k]);
            if (!flat)
                differences_across(j.p + at, j.across, w.of[GRID_Y], radius, false, &y_p);
            sum_along(j.q + at, w.of[GRID_Z], radius, &y_q);
            *(vec *)(j.out[0] + to) = y_q;
            *(vec *)(j.out[1] + to) = y_p;
        }
    }
}

/* All of a job's planes, as many together as can be. */
#define PAIR_GROUPS(function, radius)                                                          \
    {                                                                                          \
        ptrdiff_t i = 0, planes = (ptrdiff_t)job->planes;                                      \
        for (; i + KERNELS_GROUP <= planes; i += KERNELS_GROUP)                                \
            job->across ? function(job, i, radius, KERNELS_GROUP, false)                       \
                        : function(job, i, radius, KERNELS_GROUP, true);                       \
        for (; i < planes; i++)                                                                \
            job->across ? function(job, i, radius, 1, false)                                   \
                        : function(job, i, radius, 1, true);                                   \
    }

FORCE_INLINE void products_sum(const struct kernel_products *job, const int radius)
{
    const struct kernel_products r = *job;
    for (ptrdiff_t q = 0; q < (ptrdiff_t)r.length; q += LANES) {
        vec sum = {0};
#pragma GCC unroll 8
        for (int k = 1; k <= radius; k++) {
            ptrdiff_t after = q + k * r.stride, before = q - k * r.stride;
            sum += (r.weights[k] * AT_LOOSE(r.a + after)) * AT_LOOSE(r.b + after);
            sum -= (r.weights[k] * AT_LOOSE(r.a + before)) * AT_LOOSE(r.b + before);
        }
        *(loose *)(r.out + q) = sum;
    }
}

/* out [+]= [times] sum */
FORCE_INLINE void sum_give(wave_real *out, bool add, const wave_real *times, vec sum)
{
    loose *at = (loose *)out;
    if (times) {
        sum *= AT_LOOSE(times);
        apart(&sum);
    }
    if (add)
        sum += *at;
    *at = sum;
}

FORCE_INLINE void difference_sum(const struct kernel_difference *job, const int radius)
{
    const size_t length = job->length;
    const ptrdiff_t stride = job->stride;
    const wave_real *first = job->u - radius * stride, *times = job->times;
    const bool add = job->add;
    wave_real *out = job->out;
    vec weights[2 * KERNELS_RADIUS_MAX + 1];
    weights_load(job->weights, 2 * radius + 1, weights);
    for (size_t q = 0; q < length; q += (size_t)LANES) {
        vec sum = {0};
        const wave_real *u = first + q;
#pragma GCC unroll 17
        for (int j = 0; j <= 2 * radius; j++, u += stride)
            sum += weights[j] * AT_LOOSE(u);
        sum_give(out + q, add, times ? times + q : NULL, sum);
    }
}

FORCE_INLINE void rows_sum(const struct kernel_rows *job, const int count)
{
    const struct kernel_rows r = *job;
    for (size_t q = 0; q < r.length; q += (size_t)LANES) {
        vec sum = {0};
        sum_weighted(r.rows, r.weights, q, count, &sum);
        sum_give(r.out + q, r.add, r.times ? r.times + q : NULL, sum);
    }
}

FORCE_INLINE void laplace_sum(const struct kernel_laplace *job, const int radius,
                              const bool flat)
{
    const struct kernel_laplace r = *job;
    const struct tilt_weights w = tilt_weights(r.weights, radius, flat);
    for (size_t q = 0; q < r.length; q += (size_t)LANES) {
        const wave_real *u = r.u + q;
        vec sum = r.centre * AT_LOOSE(u);
#pragma GCC unroll 8
        for (int k = 1; k <= radius; k++) {
            sum += w.of[GRID_X][k] * (AT_LOOSE(u - k * r.deep) + AT_LOOSE(u + k * r.deep));
            if (!flat)
                sum +=
                    w.of[GRID_Y][k] * (AT_LOOSE(u - k * r.across) + AT_LOOSE(u + k * r.across));
            sum += w.of[GRID_Z][k] * (AT_LOOSE(u - k) + AT_LOOSE(u + k));
        }
        *(loose *)(r.out + q) = sum;
    }
}

static void pair_recur(const struct kernel_recur *job)
{
    const struct kernel_recur r = *job;
    for (size_t i = 0; r.ahead > 0 && i < r.length; i += LAYOUT_ALIGN)
        memory_prefetch(r.memory + i, (ptrdiff_t)r.ahead);
    if (r.along) {
        EACH_NUMBER
        for (size_t i = 0; i < r.length; i++)
            r.memory[i] = r.b[i] * r.memory[i] + r.a[i] * r.t[i];
    } else {
        const wave_real a = *r.a, b = *r.b;
        EACH_NUMBER
        for (size_t i = 0; i < r.length; i++)
            r.memory[i] = b * r.memory[i] + a * r.t[i];
    }
    if (r.out && r.times) {
        EACH_NUMBER
        for (size_t i = 0; i < r.length; i++)
            r.out[i] += r.times[i] * r.memory[i];
    } else if (r.out) {
        EACH_NUMBER
        for (size_t i = 0; i < r.length; i++)
            r.out[i] += r.memory[i];
    }
}

/* s. At a free surface V is zero, and so are cross and both fields. */
FORCE_INLINE wave_real slow_ratio(const struct kernel_slow *r, size_t i)
{
    return r->cross[i] / (r->v[i] > 0 ? r->v[i] : 1);
}

/* d, and by how much it has changed. */
FORCE_INLINE wave_real slow_part(const struct kernel_slow *r, size_t i, wave_real *ret_change)
{
    wave_real s = slow_ratio(r, i), d = r->p[i] - s * r->q[i];
    *ret_change = d - (r->old_p[i] - s * r->old_q[i]);
    return d;
}

FORCE_INLINE wave_real slow_larger(wave_real a, wave_real b)
{
    return a > b ? a : b;
}

static void slow_make(const struct kernel_slow *job)
{
    const struct kernel_slow r = *job;
    EACH_NUMBER
    for (size_t i = 0; i < r.length; i++) {
        wave_real change, d = slow_part(&r, i, &change);
        r.f[i] = slow_larger(r.stiff, r.stiff_along[i]) * (d + r.lag * change);
    }
}

static void slow_ease(const struct kernel_slow *job)
{
    const struct kernel_slow r = *job;
    EACH_NUMBER
    for (size_t i = 0; i < r.length; i++) {
        wave_real change;
        slow_part(&r, i, &change);
        r.old_p[i] += 2 * slow_larger(r.ease, r.ease_along[i]) * change;
    }
}

static void slow_give(const struct kernel_slow *job)
{
    const struct kernel_slow r = *job;
    EACH_NUMBER
    for (size_t i = 0; i < r.length; i++) {
        wave_real own = r.own[i] - slow_ratio(&r, i) * r.cross[i];
        r.old_p[i] += own * slow_larger(r.stiff, r.stiff_along[i]) * r.y[i];
    }
}

FORCE_INLINE void pair_advance(const struct kernel_pair *job, const bool images)
{
    const struct kernel_pair j = *job;
    for (size_t q = 0; q < j.length; q += (size_t)LANES) {
        vec *a = (vec *)(j.out[0] + q), *b = (vec *)(j.out[1] + q);
        vec y = AT(j.y[0] + q), z = AT(j.y[1] + q), cross = AT(j.m[1] + q);
        vec next = AT(j.m[0] + q) * y + cross * z + (2 * AT(j.u[0] + q) - *a);
        *b = cross * y + AT(j.m[2] + q) * z + (2 * AT(j.u[1] + q) - *b);
        *a = next;
        if (images) {
            vec part = y * AT(j.other[0] + q) + z * AT(j.other[1] + q);
            *(loose *)(j.image + q) += j.image_scale * AT(j.m[0] + q) * part;
        }
    }
}

static void pair_step(const struct kernel_pair *job)
{
    job->image ? pair_advance(job, true) : pair_advance(job, false);
}

#define PAIR_TEMPLATES(radius)                                                                 \
    static void tilt_##radius(const struct kernel_tilt *job)                                   \
    {                                                                                          \
        PAIR_GROUPS(slope_planes, radius)                                                      \
    }                                                                                          \
    static void spread_##radius(const struct kernel_spread *job)                               \
    {                                                                                          \
        PAIR_GROUPS(spread_planes, radius)                                                     \
    }                                                                                          \
    static void upright_##radius(const struct kernel_upright *job)                             \
    {                                                                                          \
        PAIR_GROUPS(upright_planes, radius)                                                    \
    }                                                                                          \
    static void products_##radius(const struct kernel_products *job)                           \
    {                                                                                          \
        products_sum(job, radius);                                                             \
    }                                                                                          \
    static void difference_##radius(const struct kernel_difference *job)                       \
    {                                                                                          \
        difference_sum(job, radius);                                                           \
    }                                                                                          \
    static void rows_##radius(const struct kernel_rows *job)                                   \
    {                                                                                          \
        rows_sum(job, 2 * radius + 1);                                                         \
    }                                                                                          \
    static void laplace_##radius(const struct kernel_laplace *job)                             \
    {                                                                                          \
        job->across ? laplace_sum(job, radius, false) : laplace_sum(job, radius, true);        \
    }

PAIR_TEMPLATES(2)
PAIR_TEMPLATES(4)
PAIR_TEMPLATES(6)
PAIR_TEMPLATES(8)

#define PAIR_MEMBER(radius)                                                                    \
    {                                                                                          \
        tilt_##radius, spread_##radius, upright_##radius, products_##radius,                   \
            difference_##radius, rows_##radius, laplace_##radius, pair_recur, slow_make,       \
            slow_ease, slow_give, pair_step                                                    \
    }

#endif
