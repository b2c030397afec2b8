/*
 * kernels_step.h - the step of the acoustic wave equation; a part of kernels_body.h.
 *
 * What a step costs is loading: in 3-D order 8, 25 numbers of u for each one of out. So several
 * rows go together, and a vector that is loaded as one row's own point serves its neighbours as
 * well: 4 rows in 2-D, 2 rows of each of 4 planes in 3-D, which halves what comes from the
 * second-level cache. All that a loop reads over and over is in local variables, for the compiler
 * cannot know that storing a field does not change the job.
 */
#ifndef BEOFARM_WORKER_SEISMIC_KERNELS_STEP_H
#define BEOFARM_WORKER_SEISMIC_KERNELS_STEP_H

#define STEP_FLAT_ROWS   4
#define STEP_CUBE_PLANES (KERNELS_BYTES == 64 ? 4 : 2) /* with 32 registers, or 16 */
#define STEP_CUBE_ROWS   2

struct weights {
    vec centre, down[KERNELS_RADIUS_MAX + 1], aside[KERNELS_RADIUS_MAX + 1],
        deep[KERNELS_RADIUS_MAX + 1];
};

FORCE_INLINE struct weights step_weights(const struct kernel_step *job, const int radius,
                                         const bool flat)
{
    const vec zero = {0};
    struct weights w = {.centre = zero + job->centre};
#pragma GCC unroll 8
    for (int k = 1; k <= radius; k++) {
        w.down[k] = zero + job->down[k];
        w.aside[k] = zero + job->aside[k];
        if (!flat)
            w.deep[k] = zero + job->deepwards[k];
    }
    return w;
}

/* sums[i] += the weighted neighbours of point i of `count`, a stride apart from p on; own[i]:
 * points. */
FORCE_INLINE void sum_across(const wave_real *p, ptrdiff_t stride, const vec *weight,
                             const int radius, const int count, vec *sums,
                             const ptrdiff_t apart, vec *own)
{
    vec line[STEP_FLAT_ROWS + 2 * KERNELS_RADIUS_MAX];
    const wave_real *q = p - radius * stride;
#pragma GCC unroll 24
    for (int i = 0; i < count + 2 * radius; i++, q += stride)
        line[i] = AT(q);
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) {
        own[i] = line[i + radius];
#pragma GCC unroll 8
        for (int k = 1; k <= radius; k++)
            sums[i * apart] += weight[k] * (line[i + radius - k] + line[i + radius + k]);
    }
}

/* What a step makes of the sums. */
enum step_use { STEP_ALONE, STEP_KEEPS, STEP_IMAGES };

FORCE_INLINE void step_flat(const struct kernel_step *job, size_t i, const int radius,
                            const int count, const enum step_use use)
{
    const bool keeps = use == STEP_KEEPS;
    const bool images = use == STEP_IMAGES;
    const ptrdiff_t image_across = job->image_across;
    const wave_real scale = job->image_scale;
    wave_real *image = images ? job->image + (ptrdiff_t)i * image_across : NULL;
    const wave_real *other = images ? job->other + i * (size_t)job->across : NULL;
    const wave_real *ask = job->ask ? job->ask + (ptrdiff_t)i * job->ask_across : NULL;
    const ptrdiff_t ask_across = job->ask_across;
    const size_t first = i * (size_t)job->across;
    const struct weights w = step_weights(job, radius, true);
    const ptrdiff_t across = job->across;
    const wave_real *u = job->u + first, *v = job->v + first;
    wave_real *out = job->out + first;
    wave_real *kept = keeps ? job->sums + (ptrdiff_t)i * job->sums_across : NULL;
    for (const wave_real *end = u + job->length; u < end;
         u += LANES, v += LANES, out += LANES, kept += keeps ? LANES : 0) {
        vec sums[STEP_FLAT_ROWS], own[STEP_FLAT_ROWS];
        if (ask) {
#pragma GCC unroll 4
            for (int j = 0; j < count; j++)
                __builtin_prefetch(ask + j * ask_across, 0, 2);
            ask += LANES;
        }
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            sums[j] = w.centre * AT(u + j * across);
        sum_across(u, across, w.aside, radius, count, sums, 1, own);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            sum_along(u + j * across, w.down, radius, &sums[j]);
            vec *at = (vec *)(out + j * across);
            *at = AT(v + j * across) * sums[j] + (2 * own[j] - *at);
            if (keeps)
                *(vec *)(kept + j * job->sums_across) = sums[j];
            if (images) {
                loose *sum = (loose *)(image + j * image_across);
                *sum += scale * (AT(v + j * across) * sums[j]) * AT(other + j * across);
            }
        }
        image += images ? LANES : 0;
        other += images ? LANES : 0;
    }
}

/* What comes from memory is asked for when the rows before are worked on: the processor does not
 * see so many streams coming. To the second level, for rows may be long. */
FORCE_INLINE void step_prefetch(const wave_real *u, const wave_real *v, const wave_real *out,
                                ptrdiff_t ahead)
{
    __builtin_prefetch(out + ahead, 1, 2);
    __builtin_prefetch(v + ahead, 0, 2);
    __builtin_prefetch(u + ahead, 0, 2);
}

/* The same for the planes before these, and for the rows beside the next ones: a pass of several
 * steps has moved them out of the second level since they were last worked on. Order 4 has too few
 * of them for it to pay. */
FORCE_INLINE void step_prefetch_around(const wave_real *u, ptrdiff_t before, ptrdiff_t beside,
                                       ptrdiff_t ahead)
{
    __builtin_prefetch(u - before + ahead, 0, 2);
    __builtin_prefetch(u + beside + ahead, 0, 2);
}

/* Memory behind the caches takes requests slowly, and drops what is too many: so the wavefronts
 * that work within the cache ask for what the first one will find there. */
FORCE_INLINE void step_prefetch_soon(const wave_real *const *soon, ptrdiff_t at,
                                     ptrdiff_t across, const int rows)
{
#pragma GCC unroll 4
    for (int k = 0; k < KERNELS_SOON; k++)
#pragma GCC unroll 2
        for (int y = 0; y < rows; y++)
            __builtin_prefetch(soon[k] + at + y * across, 0, 2);
}

/* `planes` x `rows` rows, the first at plane i, row j. */
FORCE_INLINE void step_cube(const struct kernel_step *job, size_t i, size_t j, const int radius,
                            const int planes, const int rows, const bool keeps)
{
    const size_t first = i * (size_t)job->deep + j * (size_t)job->across;
    const struct weights w = step_weights(job, radius, false);
    const ptrdiff_t across = job->across, deep = job->deep, ahead = rows * across;
    const bool more = job->soon[0] && planes > 1;
    const wave_real *soon[KERNELS_SOON];
    for (int k = 0; k < KERNELS_SOON; k++)
        soon[k] = job->soon[k] ? job->soon[k] + first : job->u + first;
    ptrdiff_t at_soon = 0;
    const wave_real *u = job->u + first, *v = job->v + first;
    wave_real *out = job->out + first;
    wave_real *kept = NULL;
    if (keeps)
        kept = job->sums + (ptrdiff_t)i * job->sums_deep + (ptrdiff_t)j * job->sums_across;
    for (const wave_real *end = u + job->length; u < end;
         u += LANES, v += LANES, out += LANES, kept += keeps ? LANES : 0) {
        vec sums[STEP_CUBE_PLANES * STEP_CUBE_ROWS], own[STEP_CUBE_PLANES];
        if (more)
            step_prefetch_soon(soon, at_soon, across, rows);
        at_soon += LANES;
#pragma GCC unroll 4
        for (int x = 0; x < planes; x++)
#pragma GCC unroll 2
            for (int y = 0; y < rows; y++)
                sums[x * rows + y] = w.centre * AT(u + x * deep + y * across);
#pragma GCC unroll 4
        for (int x = 0; x < planes; x++)
            sum_across(u + x * deep, across, w.aside, radius, rows, sums + x * rows, 1, own);
#pragma GCC unroll 2
        for (int y = 0; y < rows; y++) {
            sum_across(u + y * across, deep, w.deep, radius, planes, sums + y, rows, own);
#pragma GCC unroll 4
            for (int x = 0; x < planes; x++) {
                const ptrdiff_t o = x * deep + y * across;
                sum_along(u + o, w.down, radius, &sums[x * rows + y]);
                vec *at = (vec *)(out + o);
                *at = AT(v + o) * sums[x * rows + y] + (2 * own[x] - *at);
                if (keeps)
                    *(vec *)(kept + x * job->sums_deep + y * job->sums_across) =
                        sums[x * rows + y];
                step_prefetch(u + o + radius * deep, v + o, out + o, ahead);
                if (planes > 1 && radius > STEP_CUBE_ROWS)
                    step_prefetch_around(u + o, radius * deep, radius * across, ahead);
            }
        }
    }
}

FORCE_INLINE void step_flat_all(const struct kernel_step *job, const int radius,
                                const enum step_use use)
{
    size_t i = 0;
    for (; i + STEP_FLAT_ROWS <= job->rows; i += STEP_FLAT_ROWS)
        step_flat(job, i, radius, STEP_FLAT_ROWS, use);
    for (; i < job->rows; i++)
        step_flat(job, i, radius, 1, use);
}

FORCE_INLINE void step_flat_rows(const struct kernel_step *job, const int radius)
{
    if (job->image)
        step_flat_all(job, radius, STEP_IMAGES);
    else if (job->sums)
        step_flat_all(job, radius, STEP_KEEPS);
    else
        step_flat_all(job, radius, STEP_ALONE);
}

FORCE_INLINE void step_cube_all(const struct kernel_step *job, const int radius,
                                const bool keeps)
{
    size_t x = 0;
    for (; x + STEP_CUBE_PLANES <= job->planes; x += STEP_CUBE_PLANES) {
        size_t y = 0;
        for (; y + STEP_CUBE_ROWS <= job->rows; y += STEP_CUBE_ROWS)
            step_cube(job, x, y, radius, STEP_CUBE_PLANES, STEP_CUBE_ROWS, keeps);
        for (; y < job->rows; y++)
            step_cube(job, x, y, radius, STEP_CUBE_PLANES, 1, keeps);
    }
    for (; x < job->planes; x++)
        for (size_t y = 0; y < job->rows; y++)
            step_cube(job, x, y, radius, 1, 1, keeps);
}

FORCE_INLINE void step_cube_rows(const struct kernel_step *job, const int radius)
{
    if (job->sums)
        step_cube_all(job, radius, true);
    else
        step_cube_all(job, radius, false);
}

#endif
