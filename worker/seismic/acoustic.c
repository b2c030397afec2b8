/* acoustic.c - acoustic waves made, kept and ended; acoustic_run.c advances them. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "common/seismic/cfl.h"
#include "worker/seismic/acoustic.h"
#include "worker/seismic/acoustic_private.h"

/* Fields lie apart by different numbers of cache lines (layout_alloc). */
enum skew {
    SKEW_FIELD,
    SKEW_OLD,
    SKEW_V,
    SKEW_PSI,
    SKEW_ZETA = SKEW_PSI + GRID_AXES,
    SKEW_RHO = SKEW_ZETA + GRID_AXES,
    SKEW_SCRATCH,
    SKEW_ASIDE,
    SKEW_ODD, /* and one for each axis more */
};

static double velocity_max(const struct wave_medium *medium)
{
    float most = 0;
    for (size_t i = 0; i < grid_size(&medium->grid); i++)
        most = medium->vp[i] > most ? medium->vp[i] : most;
    return most;
}

/* The velocity that tunes the layers; of anisotropic waves as anisotropic.h says. */
static double fastest(const struct wave_medium *medium, enum kind kind)
{
    if (acoustic_parts(kind) == 1)
        return velocity_max(medium);
    return 250 * ceil(pair_velocity_max(medium) / 250);
}

static double acoustic_limit(const struct wave_medium *medium,
                             const struct wave_options *options)
{
    return cfl_limit(CFL_CENTRED, options->order ? options->order : 8, &medium->grid,
                     velocity_max(medium));
}

static double density_limit(const struct wave_medium *medium,
                            const struct wave_options *options)
{
    return cfl_limit(CFL_STAGGERED, options->order ? options->order : 8, &medium->grid,
                     velocity_max(medium));
}

/*
 * First derivatives, which only the layers take, are of a lower order than second ones: (D+)^2 must
 * nowhere be above |D2|, or D2 - (1 - K) D- D+, K = 1/s small deep in a layer, becomes positive at
 * the shortest wavelengths and the wave grows there. Of equal order it is above by a tenth. (The
 * symbols at Nyquist are 4 and 5.44 for orders 2 and 4 staggered; 5.33, 6.5, 7.1 and 7.5 for second
 * derivatives of orders 4, 8, 12 and 16.) Reflections stay below -90 dB, at grazing incidence
 * below -75. Second differences of order 4 in zeta's update would be stable and cheaper, but K does
 * not scale what they differ by from D2: waves that graze the layers came back 15 dB stronger.
 */
static int half_of(int radius, enum kind kind)
{
    return kind == KIND_DENSITY || kind == KIND_TTI ? radius : KERNELS_HALF(radius);
}

static void weights_init(struct acoustic *a)
{
    double centred[CFL_HALF_MAX + 1], staggered[CFL_HALF_MAX], centre = 0;
    int radius = a->layout.radius;
    cfl_centred_weights(2 * radius, centred);
    cfl_staggered_weights(2 * a->layout.half, staggered);
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        if (axis == GRID_Y && a->layout.flat)
            continue;
        double h = a->wave.grid.spacing[axis];
        centre += centred[0] / (h * h);
        a->taps[axis][radius] = (wave_real)(centred[0] / (h * h));
        for (int k = 1; k <= radius; k++) {
            a->second[axis][k] = (wave_real)(centred[k] / (h * h));
            a->taps[axis][radius + k] = a->taps[axis][radius - k] = a->second[axis][k];
        }
        for (int k = 0; k < a->layout.half; k++) {
            a->halves[axis][a->layout.half + k] = (wave_real)(staggered[k] / h);
            a->halves[axis][a->layout.half - 1 - k] = -a->halves[axis][a->layout.half + k];
        }
    }
    a->centre = (wave_real)centre;
}

static void memory_sizes(struct acoustic *a, enum kind kind)
{
    const struct layout *l = &a->layout;
    size_t width[GRID_AXES][2], reach = (size_t)l->radius;
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        for (int side = 0; side < 2; side++)
            width[axis][side] = (size_t)cpml_width(l->pad[axis][side], l->half);
    a->window = (width[GRID_Z][1] + reach + LAYOUT_MARGIN - 1) / LAYOUT_MARGIN * LAYOUT_MARGIN;
    if (kind != KIND_TTI) {
        size_t start, before = cpml_window(l, 0, &start), behind = cpml_window(l, 1, &start);
        a->window = before > behind ? before : behind;
    }
    a->memory_size[GRID_X] = 2 * width[GRID_X][0] * l->n[GRID_Y] * l->row;
    a->memory_size[GRID_Y] = 2 * width[GRID_Y][0] * l->n[GRID_X] * l->row;
    size_t ends = (width[GRID_Z][0] > 0) + (width[GRID_Z][1] > 0);
    a->memory_size[GRID_Z] = ends * l->n[GRID_X] * l->n[GRID_Y] * a->window;
    for (int axis = GRID_X; axis < GRID_AXES && kind == KIND_TTI; axis++)
        a->memory_size[axis] *= PAIR_PARTS;
}

static size_t fields_of(enum kind kind, bool flat)
{
    if (acoustic_parts(kind) > 1)
        return pair_fields(kind, flat);
    return kind == KIND_ACOUSTIC ? 3 : 4;
}

/* Numbers of all threads' rows that are put aside. */
static size_t aside_all(const struct acoustic *a)
{
    return (size_t)a->wave.options.threads * acoustic_aside_size(a);
}

/* Points beyond its own that a step reads; of fluxes at half points, those that these read. A
 * tilt's slopes there are told, and read nothing. */
static int reach_of(int radius, enum kind kind)
{
    return kind == KIND_DENSITY ? 2 * radius - 1 : radius;
}

static struct acoustic *shape(const struct grid *grid, const struct wave_options *options,
                              enum kind kind)
{
    struct acoustic *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->wave.grid = *grid;
    a->wave.options = *options;
    layout_init(&a->layout, grid, options->order / 2, options->absorb, options->free_surface);
    a->layout.half = half_of(a->layout.radius, kind);
    memory_sizes(a, kind);
    a->kind = kind;
    size_t parts = acoustic_parts(kind);
    a->wave.points = grid_size(grid);
    a->wave.padded = a->layout.n[GRID_X] * a->layout.n[GRID_Y] * a->layout.n[GRID_Z];
    a->wave.snapshot_size = parts * a->wave.points;
    a->wave.image_at = (size_t)a->layout.pad[GRID_Z][0] % LAYOUT_ALIGN;
    a->wave.image_row = (a->wave.image_at + a->wave.grid.n[GRID_Z] + LAYOUT_ALIGN - 1) /
                        LAYOUT_ALIGN * LAYOUT_ALIGN;
    a->reach = reach_of(a->layout.radius, kind);
    a->wave.shell_size = acoustic_shell_size(a);
    size_t memories = 0;
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        memories += 2 * a->memory_size[axis];
    a->wave.state_bytes = (2 * parts * a->wave.padded + memories) * sizeof(wave_real);
    a->wave.inner_bytes = 2 * a->wave.snapshot_size * sizeof(wave_real);
    if (kind == KIND_DENSITY) /* psi_odd */
        memories += a->memory_size[GRID_X] + a->memory_size[GRID_Y];
    a->fields = fields_of(kind, a->layout.flat);
    size_t scratch = kind == KIND_DENSITY ? density_scratch(a) : aside_all(a);
    a->wave.memory_bytes =
        (a->fields * a->layout.size + memories + scratch) * sizeof(wave_real) + sizeof *a;
    return a;
}

size_t acoustic_memory(enum kind kind, const struct grid *grid,
                       const struct wave_options *options)
{
    struct acoustic *a = shape(grid, options, kind);
    size_t bytes = a ? a->wave.memory_bytes : SIZE_MAX;
    free(a);
    return bytes;
}

static size_t constant_memory(const struct grid *grid, const struct wave_options *options)
{
    return acoustic_memory(KIND_ACOUSTIC, grid, options);
}

static size_t density_memory(const struct grid *grid, const struct wave_options *options)
{
    return acoustic_memory(KIND_DENSITY, grid, options);
}

static void v_fill(struct acoustic *a, const struct wave_medium *medium,
                   const struct rows *rows)
{
    double dt = a->wave.options.dt;
    const size_t *n = a->wave.grid.n;
    for (size_t ix = rows->x0; ix < rows->x1; ix++) {
        for (size_t iy = rows->y0; iy < rows->y1; iy++) {
            size_t at = layout_at(&a->layout, ix, iy);
            const float *vp = medium->vp + (acoustic_clamp(a, GRID_X, ix) * n[GRID_Y] +
                                            acoustic_clamp(a, GRID_Y, iy)) *
                                               n[GRID_Z];
            const float *rho = medium->rho ? medium->rho + (vp - medium->vp) : NULL;
            for (size_t iz = 0; iz < a->layout.n[GRID_Z]; iz++) {
                size_t i = acoustic_clamp(a, GRID_Z, iz);
                double c = vp[i], density = rho ? rho[i] : 1;
                a->v[at + iz] = (wave_real)(dt * dt * density * c * c);
                if (rho)
                    a->half_rho[at + iz] = (wave_real)(density / 2);
            }
        }
    }
}

static void row_clear(wave_real *row, size_t count)
{
    memset(row, 0, count * sizeof *row);
}

/* Zeros where this thread works: which also makes its pages its neighbours. */
static void rows_clear(struct acoustic *a, const struct rows *rows)
{
    for (size_t ix = rows->x0; ix < rows->x1; ix++)
        for (size_t iy = rows->y0; iy < rows->y1; iy++)
            for (int i = 0; i < 2; i++) {
                size_t at = layout_at(&a->layout, ix, iy) - LAYOUT_MARGIN;
                row_clear(a->field[i] + at, a->layout.n[GRID_Z] + 2 * LAYOUT_MARGIN);
                if (a->pair)
                    row_clear(a->pair->p[i] + at, a->layout.n[GRID_Z] + 2 * LAYOUT_MARGIN);
            }
}

/* Let every thread do something to its rows. */
static void rows_each(struct acoustic *a, const struct wave_medium *medium)
{
#ifdef _OPENMP
#pragma omp parallel num_threads(a->wave.options.threads)
    {
        int id = omp_get_thread_num(), threads = omp_get_num_threads();
#else
    {
        int id = 0, threads = 1;
#endif
        struct rows all = acoustic_rows_all(a), rows = acoustic_rows(a, &all, id, threads);
        if (medium && a->half_rho) { /* 1 around the grid, where fluxes are multiplied by 0 */
            size_t first = a->layout.size * (size_t)id / (size_t)threads;
            size_t end = a->layout.size * ((size_t)id + 1) / (size_t)threads;
            for (size_t i = first; i < end; i++)
                a->half_rho[i] = 1;
#ifdef _OPENMP
#pragma omp barrier
#endif
        }
        if (medium)
            a->pair ? pair_fill(a, medium, &rows) : v_fill(a, medium, &rows);
        rows_clear(a, &rows);
        for (int axis = GRID_X; axis < GRID_AXES; axis++) {
            size_t n = a->memory_size[axis], of = (size_t)threads, i = (size_t)id;
            for (int level = 0; level < (a->psi_odd[axis] ? 2 : 1); level++)
                row_clear(acoustic_psi(a, axis, level) + n * i / of,
                          n * (i + 1) / of - n * i / of);
            row_clear(a->zeta[axis] + n * i / of, n * (i + 1) / of - n * i / of);
        }
    }
}

void acoustic_clear(struct wave *wave)
{
    rows_each((struct acoustic *)wave, NULL);
}

void acoustic_destroy(struct wave *wave)
{
    struct acoustic *a = (struct acoustic *)wave;
    if (!a)
        return;
    layout_free(a->field[0], a->layout.size, SKEW_FIELD);
    layout_free(a->field[1], a->layout.size, SKEW_OLD);
    layout_free(a->v, a->layout.size, SKEW_V);
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        layout_free(a->psi[axis], a->memory_size[axis], SKEW_PSI + axis);
        layout_free(a->psi_odd[axis], a->memory_size[axis], SKEW_ODD + axis);
        layout_free(a->zeta[axis], a->memory_size[axis], SKEW_ZETA + axis);
    }
    layout_free(a->half_rho, a->layout.size, SKEW_RHO);
    pair_destroy(a);
    layout_free(a->scratch, density_scratch(a), SKEW_SCRATCH);
    layout_free(a->aside, aside_all(a), SKEW_ASIDE);
    free(a->cpml);
    free(a->zeros);
    free(a);
}

static int allocate(struct acoustic *a, bool density)
{
    size_t size = a->layout.size;
    a->field[0] = layout_alloc(size, SKEW_FIELD);
    a->field[1] = layout_alloc(size, SKEW_OLD);
    a->v = layout_alloc(size, SKEW_V);
    a->cpml = calloc(GRID_AXES, sizeof *a->cpml);
    a->zeros = calloc(a->layout.row + LAYOUT_MARGIN, sizeof *a->zeros);
    bool good = a->field[0] && a->field[1] && a->v && a->cpml && a->zeros;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        a->psi[axis] = layout_alloc(a->memory_size[axis], SKEW_PSI + axis);
        a->zeta[axis] = layout_alloc(a->memory_size[axis], SKEW_ZETA + axis);
        good = good && a->psi[axis] && a->zeta[axis];
    }
    if (density) {
        a->half_rho = layout_alloc(size, SKEW_RHO);
        a->scratch = layout_alloc(density_scratch(a), SKEW_SCRATCH);
        good = good && a->half_rho && a->scratch;
        for (int axis = GRID_X; axis < GRID_Z; axis++) {
            a->psi_odd[axis] = layout_alloc(a->memory_size[axis], SKEW_ODD + axis);
            good = good && a->psi_odd[axis];
        }
    }
    if (aside_all(a) > 0) {
        a->aside = layout_alloc(aside_all(a), SKEW_ASIDE);
        good = good && a->aside;
    }
    return good ? 0 : -1;
}

struct wave *acoustic_create(enum kind kind, const struct wave_medium *medium,
                             const struct wave_options *options, struct error *ret_error)
{
    struct acoustic *a = shape(&medium->grid, options, kind);
    if (!a || allocate(a, kind == KIND_DENSITY) < 0 || pair_create(a, kind) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a wave of %zu points",
                  grid_size(&medium->grid));
        if (a)
            acoustic_destroy(&a->wave);
        return NULL;
    }
    a->kernels = kernels_choose(a->layout.radius, a->layout.flat);
    weights_init(a);
    struct cpml_tuning tuning = {
        .dt = options->dt,
        .velocity_max = fastest(medium, kind),
        .frequency = options->frequency,
    };
    for (int axis = GRID_X; axis < GRID_AXES; axis++)
        cpml_init(&a->cpml[axis], &a->layout, (enum grid_axis)axis, medium->grid.spacing[axis],
                  &tuning);
    acoustic_passes_init(a); /* which asks how wide layers are */
    if (a->pair)
        pair_layers(a, medium);
    rows_each(a, medium);
    return &a->wave;
}

static struct wave *constant_create(const struct wave_medium *medium,
                                    const struct wave_options *options, struct error *ret_error)
{
    return acoustic_create(KIND_ACOUSTIC, medium, options, ret_error);
}

static struct wave *density_create(const struct wave_medium *medium,
                                   const struct wave_options *options, struct error *ret_error)
{
    return acoustic_create(KIND_DENSITY, medium, options, ret_error);
}

wave_real *acoustic_level(const struct acoustic *a, int i)
{
    int which = i % 2 ? !a->newest : a->newest;
    return i < 2 ? a->field[which] : a->pair->p[which];
}

/* Rows and memory variables to or from a state, in one order. */
static void state_move(const struct acoustic *a, char *to, const char *from)
{
    size_t bytes = a->layout.n[GRID_Z] * sizeof(wave_real), done = 0;
    for (int i = 0; i < (a->pair ? 2 * PAIR_FIELDS : 2); i++) {
        wave_real *field = acoustic_level(a, i);
        for (size_t ix = 0; ix < a->layout.n[GRID_X]; ix++) {
            for (size_t iy = 0; iy < a->layout.n[GRID_Y]; iy++, done += bytes) {
                wave_real *row = field + layout_at(&a->layout, ix, iy);
                if (to)
                    memcpy(to + done, row, bytes);
                else
                    memcpy(row, from + done, bytes);
            }
        }
    }
    for (int i = 0; i < 2 * GRID_AXES; i++) {
        wave_real *variable =
            i < GRID_AXES ? acoustic_psi(a, i, a->newest) : a->zeta[i - GRID_AXES];
        size_t size = a->memory_size[i % GRID_AXES] * sizeof(wave_real);
        if (to)
            memcpy(to + done, variable, size);
        else
            memcpy(variable, from + done, size);
        done += size;
    }
}

void acoustic_save(const struct wave *wave, void *state)
{
    state_move((const struct acoustic *)wave, state, NULL);
}

void acoustic_load(struct wave *wave, const void *state)
{
    struct acoustic *a = (struct acoustic *)wave;
    struct rows all = acoustic_rows_all(a);
    state_move(a, NULL, state);
    for (int i = 0; i < (a->pair ? 2 * PAIR_FIELDS : 2); i++)
        acoustic_mirror(a, acoustic_level(a, i), &all);
}

static void field_copy(const struct acoustic *a, const wave_real *field, wave_real *ret_field)
{
    const size_t *n = a->wave.grid.n;
    for (size_t ix = 0; ix < n[GRID_X]; ix++)
        for (size_t iy = 0; iy < n[GRID_Y]; iy++, ret_field += n[GRID_Z])
            memcpy(ret_field, field + layout_inner(&a->layout, ix, iy),
                   n[GRID_Z] * sizeof *ret_field);
}

void acoustic_field(const struct wave *wave, wave_real *ret_field)
{
    const struct acoustic *a = (const struct acoustic *)wave;
    field_copy(a, a->field[a->newest], ret_field);
    if (a->pair)
        field_copy(a, a->pair->p[a->newest], ret_field + wave->points);
}

static double squares(const struct acoustic *a, const wave_real *field)
{
    double sum = 0;
    for (size_t ix = 0; ix < a->layout.n[GRID_X]; ix++) {
        for (size_t iy = 0; iy < a->layout.n[GRID_Y]; iy++) {
            const wave_real *row = field + layout_at(&a->layout, ix, iy);
            for (size_t iz = 0; iz < a->layout.n[GRID_Z]; iz++)
                sum += (double)row[iz] * (double)row[iz];
        }
    }
    return sum;
}

double acoustic_energy(const struct wave *wave)
{
    const struct acoustic *a = (const struct acoustic *)wave;
    double sum = squares(a, a->field[a->newest]);
    return a->pair ? sum + squares(a, a->pair->p[a->newest]) : sum;
}

const struct wave_physics acoustic_physics = {
    .name = "acoustic",
    .about = "acoustic waves, constant density",
    .needs = WAVE_VP,
    .dt_limit = acoustic_limit,
    .create = constant_create,
    .destroy = acoustic_destroy,
    .clear = acoustic_clear,
    .run = acoustic_run,
    .run_both = acoustic_run_both,
    .save = acoustic_save,
    .load = acoustic_load,
    .inner_save = acoustic_inner_save,
    .inner_load = acoustic_inner_load,
    .field = acoustic_field,
    .energy = acoustic_energy,
    .memory = constant_memory,
};

const struct wave_physics density_physics = {
    .name = "density",
    .about = "acoustic waves, variable density",
    .needs = WAVE_VP | WAVE_RHO,
    .dt_limit = density_limit,
    .create = density_create,
    .destroy = acoustic_destroy,
    .clear = acoustic_clear,
    .run = acoustic_run,
    .save = acoustic_save,
    .load = acoustic_load,
    .inner_save = acoustic_inner_save,
    .inner_load = acoustic_inner_load,
    .field = acoustic_field,
    .energy = acoustic_energy,
    .memory = density_memory,
};
