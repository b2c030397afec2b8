/* acoustic_private.h - the acoustic wave, for its own parts. */
#ifndef BEOFARM_WORKER_SEISMIC_ACOUSTIC_PRIVATE_H
#define BEOFARM_WORKER_SEISMIC_ACOUSTIC_PRIVATE_H

#include "worker/seismic/cpml.h"
#include "worker/seismic/kernels.h"
#include "worker/seismic/layout.h"
#include "worker/seismic/wave.h"

#define TAPS (2 * KERNELS_RADIUS_MAX + 1)

/* The kinds of waves that are made here. */
enum kind { KIND_ACOUSTIC, KIND_DENSITY, KIND_VTI, KIND_TTI };

/* What anisotropic waves have besides (anisotropic.h): field and v below are q's. */
enum { PAIR_Q, PAIR_P, PAIR_FIELDS };
/* And, in tilted layers, what has memory variables besides. */
enum { PAIR_SLOW = PAIR_FIELDS, PAIR_PARTS };
struct pair {
    bool tilted;
    wave_real *p[2];       /* as field */
    wave_real *cross, *vp; /* of M: between q and p, and p's own; 0 at a free surface */
    wave_real
        *axis[GRID_AXES]; /* tilted: n, zero around the padded grid, but n_z mirrored above a
                                 * free surface */
    wave_real *slope[PAIR_FIELDS];    /* tilted: G */
    wave_real first[GRID_AXES][TAPS]; /* first difference: 2 radius + 1 weights */
    wave_real *slow;                  /* tilted: f */
    wave_real *stiff[GRID_AXES];      /* g by the padded grid's points of each axis */
    wave_real *ease[GRID_AXES];       /* eta dt by them */
    wave_real lag;                    /* tau / dt */
    double fastest;                   /* of waves with which dt is still stable, m/s */
    wave_real *rows;                  /* PAIR_ROWS rows of scratch for each thread */
    wave_real *ones;                  /* a row of them */
};

/* How many fields have sources, snapshots and shells. */
static inline size_t acoustic_parts(enum kind kind)
{
    return kind == KIND_VTI || kind == KIND_TTI ? PAIR_FIELDS : 1;
}

/* Where the first wavefront of a pass will soon be, from where this step is: numbers of a field; 0:
 * nowhere, or that is not for this step to ask for. */
struct soon {
    ptrdiff_t offset;
    int first;  /* of the planes of all fields, the first that this step asks for */
    int newest; /* at that wavefront's step */
};

struct acoustic {
    struct wave wave; /* first: callers hold this */
    enum kind kind;
    struct layout layout;
    struct kernels kernels;
    wave_real *field[2];
    int newest;   /* field[newest] is u[k], the other u[k-1] */
    wave_real *v; /* dt^2 vp^2 [rho], on the padded grid; zero around it */

    int half;                                            /* radius of first derivatives */
    wave_real centre;                                    /* of the Laplacian, all axes */
    wave_real second[GRID_AXES][KERNELS_RADIUS_MAX + 1]; /* second derivative: [1..radius] */
    wave_real taps[GRID_AXES][TAPS];   /* the same as 2 radius + 1 weights of neighbours */
    wave_real halves[GRID_AXES][TAPS]; /* first derivative half-way: 2 half weights */

    /* Memory variables. Rows of x: [side][j][iy][row], of y: [ix][side][j][row], of z:
     * [ix][iy][side] [windows]. */
    struct cpml *cpml; /* [GRID_AXES] */
    wave_real *psi[GRID_AXES], *zeta[GRID_AXES];
    /* With density, across rows: psi of field[1], that of field[0] being another, for fluxes are
     * made by whoever needs them (density.c). NULL where there is one psi. */
    wave_real *psi_odd[GRID_AXES];
    size_t memory_size[GRID_AXES];
    size_t window; /* numbers of a memory variable at one end of a row */
    /* With density: half of it on the padded grid (1 around), and each thread's fluxes. NULL
     * without. */
    wave_real *half_rho, *scratch;
    struct pair *pair; /* NULL without anisotropy */
    /* The snapshot that this thread's step makes, or NULL; and, of waves without density and
     * anisotropy, a few rows for each thread, for what it has of the Laplacian: of a thread's copy,
     * its own ones. */
    wave_real *keep, *aside;
    size_t aside_rows;    /* of each plane there */
    bool stream;          /* snapshots of this run are too many for the cache */
    const wave_real *due; /* of those, the one that this step is imaged with, or NULL */
    /* Where not NULL, in 2-D, snapshots are not kept, but added to this image, times fields of
     * another wave of the same layout. Its rows are wave.image_row apart. */
    wave_real *image;
    const wave_real *imaged[PAIR_FIELDS]; /* one field but for pairs */
    struct soon soon;
    int plane;     /* pair: of the planes that go together, the one that this thread is at */
    size_t z0, z1; /* the numbers of a row that a bare step computes, in whole vectors */
    int id;        /* of the thread that holds this copy */

    wave_real *zeros; /* a row of them */
    int reach;        /* points around the medium's grid that a step of it reads */
    size_t tile;      /* rows of a plane that are taken through the planes together, in 3-D */
    int asked;        /* steps of a pass, 0 to choose */
    size_t fields;    /* that a step reads or writes */
    /* Steps that acoustic_run_both takes in a pass over both waves (acoustic_both.c); 0: it takes
     * one run after the other. */
    size_t both_depth;
};

/* Rows that one thread works on: planes [x0, x1), rows [y0, y1) of each. */
struct rows {
    size_t x0, x1, y0, y1;
};

/* One pass over memory (acoustic_pass.c). */
struct pass {
    size_t steps;
    size_t block; /* planes that are taken through a stage together */
    size_t lag;   /* blocks from a step's wavefront to the next one's */
    size_t rows;  /* of a tile: all of a plane, or fewer */
    size_t
        own; /* tiles of which each is one thread's; 0: threads share the rows of every one */
    size_t skew; /* rows by which a tile's border goes back from step to step */
    bool wedge;  /* 2-D: each thread has planes of its own, and takes them by blocks */
};
struct pass acoustic_pass(const struct acoustic *a, enum wave_mode mode);
/* What threads of a run need besides the wave: for samples of its steps, and marks of tiles. */
struct gate_mark;
struct pass_room {
    wave_real *caught, *caught_next; /* two halves of one room */
    struct gate_mark *marks;
};
/* The pass of a run, and room for it, which the caller frees: where there is none, plain. */
struct pass acoustic_pass_choose(const struct acoustic *a, const struct wave_run *run,
                                 struct pass_room *ret_room);
void pass_room_free(struct pass_room *room);
/* Chooses a->tile (which is acoustic_tile) and options.time_block. */
void acoustic_passes_init(struct acoustic *a);
size_t acoustic_tile(const struct acoustic *a);
/* In 2-D: planes whose layers are added after all of them have been stepped, which find room in a
 * core's second-level cache. */
size_t acoustic_few_flat(const struct acoustic *a);

/* Whether all stages of a step go through a block together; else each has a wavefront of its
 * own. */
bool acoustic_fused(const struct acoustic *a);

/*
 * Steps of a wedge (acoustic_wedge.c): those of `runs` waves in turn, of `planes` planes in blocks.
 * `step` does step i of planes [x0, x1); `ask` asks for a part, i of `steps`, of what the first
 * step of a run will find in the block at plane `at`, which may be beyond the last one.
 */
struct gate;
struct wedge {
    size_t runs, steps; /* of all runs together */
    size_t planes, block, slope;
    struct gate *gate;
    int id, threads;
    void (*step)(void *context, size_t i, size_t x0, size_t x1);
    void (*ask)(void *context, size_t run, size_t at, size_t i);
    void *context;
};
/* By all threads; when it is done, each has done its part of all that is left at borders. */
void wedge_run(const struct wedge *w);
/* The least planes of a block: transposed, memory variables reach twice as far as fields. */
size_t wedge_block(const struct acoustic *a);
/* Whether each thread's planes are enough for so many steps, and no border's are in a layer. */
bool wedge_fits(const struct acoustic *a, size_t steps);
/* Ask for part `part` of `parts` of a block's fields: memory answers slowly, and the processor does
 * not see so many streams coming. */
void wedge_ask(const struct acoustic *a, int newest, size_t at, size_t block, size_t part,
               size_t parts);

/* The stages of a step, in order; between them, threads wait for each other. A stage of a plane
 * needs the stages before it in planes up to `radius` away. */
#define STAGES_FORWARD    2 /* memory variables psi; field with zeta */
#define STAGES_TRANSPOSED 3 /* zeta; psi; field */
/* Tilted layers make something of both fields first, forwards as well; with density, psi comes with
 * the field. */
static inline int acoustic_stages(const struct acoustic *a, enum wave_mode mode)
{
    bool first = a->pair && a->pair->tilted && a->wave.options.absorb > 0;
    if (a->half_rho)
        return mode == WAVE_TRANSPOSED ? STAGES_TRANSPOSED - 1 : STAGES_FORWARD - 1;
    bool forward = mode == WAVE_FORWARD;
    return mode == WAVE_TRANSPOSED ? STAGES_TRANSPOSED : STAGES_FORWARD + (forward && first);
}
void acoustic_stage_run(struct acoustic *a, enum wave_mode mode, int stage,
                        const struct rows *rows);

/* Numbers of all threads' scratch. */
size_t density_scratch(const struct acoustic *a);

/* The same with density. */
void density_stage_run(struct acoustic *a, enum wave_mode mode, int stage,
                       const struct rows *rows);

/* The same with anisotropy. */
void pair_stage_run(struct acoustic *a, enum wave_mode mode, int stage,
                    const struct rows *rows);

/* What tilted layers do about the slow wave (anisotropic.h), in one row: f; before a step, second
 * differences of f, to its y, and what eases p; after it, what f's y gives to p. */
void pair_slow_make(struct acoustic *a, size_t ix, size_t iy);
void pair_slow_begin(struct acoustic *a, size_t ix, size_t iy);
void pair_slow_end(struct acoustic *a, size_t ix, size_t iy);

struct wave *acoustic_create(enum kind kind, const struct wave_medium *medium,
                             const struct wave_options *options, struct error *ret_error);
size_t acoustic_memory(enum kind kind, const struct grid *grid,
                       const struct wave_options *options);
void acoustic_destroy(struct wave *wave);
void acoustic_clear(struct wave *wave);
void acoustic_save(const struct wave *wave, void *state);
void acoustic_load(struct wave *wave, const void *state);
void acoustic_field(const struct wave *wave, wave_real *ret_field);
/* Field i of a state: the newest and the older one, those of a pair's p. */
wave_real *acoustic_level(const struct acoustic *a, int i);
double acoustic_energy(const struct wave *wave);

/* A wave's pair: -1 where memory is short; fields of the medium for some rows; how many fields. */
int pair_create(struct acoustic *a, enum kind kind);
void pair_destroy(struct acoustic *a);
void pair_layers(struct acoustic *a, const struct wave_medium *medium);
void pair_fill(struct acoustic *a, const struct wave_medium *medium, const struct rows *rows);
size_t pair_fields(enum kind kind, bool flat);
double pair_velocity_max(const struct wave_medium *medium);

/* The medium's point that padded point i is, or continues. */
static inline size_t acoustic_clamp(const struct acoustic *a, enum grid_axis axis, size_t i)
{
    size_t pad = (size_t)a->layout.pad[axis][0], n = a->wave.grid.n[axis];
    return i < pad ? 0 : i - pad < n ? i - pad : n - 1;
}

/* What one axis differentiates, and where the layers' terms of one row go, times what. */
enum {
    PAIR_SUM =
        PAIR_FIELDS * KERNELS_GROUP, /* rows of scratch; before: y of planes that go together */
    PAIR_MORE,
    PAIR_REST, /* y of f */
    PAIR_ROWS
};
static inline wave_real *pair_row(const struct acoustic *a, int row)
{
    return a->pair->rows +
           ((size_t)a->id * PAIR_ROWS + (size_t)row) * a->layout.stride[GRID_Y] + LAYOUT_MARGIN;
}

/* y of the row that this thread is at. */
static inline wave_real *pair_y(const struct acoustic *a, int f)
{
    return pair_row(a, f == PAIR_SLOW ? PAIR_REST : f + PAIR_FIELDS * a->plane);
}

static inline const wave_real *acoustic_source(const struct acoustic *a, enum grid_axis axis)
{
    return a->pair && axis != GRID_Z ? a->pair->p[a->newest] : a->field[a->newest];
}

struct sink {
    wave_real *out;
    const wave_real *v;
};

static inline struct sink acoustic_sink(const struct acoustic *a, enum grid_axis axis,
                                        size_t at)
{
    if (!a->pair)
        return (struct sink){a->field[!a->newest] + at, a->v + at};
    return (struct sink){pair_y(a, axis == GRID_Z ? PAIR_Q : PAIR_P), a->pair->ones};
}

/* One row: its place, and the axis across it (x or y) in whose slab it may lie. */
struct place {
    enum grid_axis axis;
    size_t ix, iy;
};

static inline size_t place_along(const struct place *p)
{
    return p->axis == GRID_X ? p->ix : p->iy;
}

/* The row of a memory variable, that of the place's axis, at place j of a slab; the window at one
 * end of a row along z. */
wave_real *slab_row(const struct acoustic *a, wave_real *memory, const struct place *p,
                    int side, size_t j);
wave_real *slab_window(const struct acoustic *a, wave_real *memory, int side, size_t ix,
                       size_t iy);
/* From a row's windows to those of the next one, in numbers. */
size_t slab_windows(const struct acoustic *a);

/* Rows of a memory variable around a place: `count` of them from `from` on (along the axis), with
 * weights (NULL: 1) times scale[side][j] where scale is not NULL; zeros outside the slab. */
void slab_rows(const struct acoustic *a, wave_real *memory, const size_t first[2],
               wave_real (*scale)[CPML_WIDTH_MAX], const struct place *p, ptrdiff_t from,
               int count, const wave_real *weights, const wave_real **ret_rows,
               wave_real *ret_weights);

/* The psi that goes with field[level]. */
static inline wave_real *acoustic_psi(const struct acoustic *a, int axis, int level)
{
    return level && a->psi_odd[axis] ? a->psi_odd[axis] : a->psi[axis];
}

/* Whether a slab, or what reaches out of it, is at i. */
bool slab_touched(const struct cpml *cpml, size_t i, int reach);

/* The layers' terms of the rows [y0, y1) of a plane, after the bare step. */
void slabs_add(struct acoustic *a, bool transposed, size_t ix, size_t y0, size_t y1);

/* z of one row, transposed. */
void slab_zeta(struct acoustic *a, const struct place *p);

/*
 * Memory variables of some rows, where stages are fused: those that the fields of these rows will
 * read, and that the rows before did not read. `phase` 0 and, transposed, then 1.
 */
void acoustic_memory_run(struct acoustic *a, enum wave_mode mode, int phase,
                         const struct rows *rows);
static inline bool acoustic_inner_only(enum wave_mode mode)
{
    return mode == WAVE_BACKWARD || mode == WAVE_AGAIN;
}
/* Whether a run computes the medium's grid alone, and is told what is around. */
static inline bool acoustic_inner_run(const struct wave_run *run)
{
    return acoustic_inner_only(run->mode) && run->shells;
}
static inline int acoustic_phases(enum wave_mode mode)
{
    return mode == WAVE_TRANSPOSED ? 2 : mode == WAVE_FORWARD ? 1 : 0;
}
/* Whether memory variables are read on both sides of a border between threads along an axis. */
bool acoustic_memory_cut(const struct acoustic *a, enum wave_mode mode, enum grid_axis axis,
                         size_t border);
/*
 * The few rows of `rows` that are taken together after `few`, so few that they stay near until all
 * has been done with them; the first ones after an empty one at (x1, y0). False: there are no more.
 */
bool acoustic_few_next(const struct acoustic *a, const struct rows *rows, struct rows *few);
/* The fields of a few rows, after their memory variables (`ready`), or with them. */
void acoustic_few_run(struct acoustic *a, enum wave_mode mode, const struct rows *rows,
                      bool ready);

/* The mirror above a free surface, of rows of the field `field`. */
void acoustic_mirror(const struct acoustic *a, wave_real *field, const struct rows *rows);

/* The part of some rows that thread `id` of `threads` works on. */
struct rows acoustic_rows(const struct acoustic *a, const struct rows *all, int id,
                          int threads);
/* Whether memory variables are read on both sides of a border between these parts. */
bool acoustic_rows_cut(const struct acoustic *a, enum wave_mode mode, const struct rows *all,
                       int threads);
/* All rows of the padded grid; and what of `rows` the medium's grid has, with so many around it. */
struct rows acoustic_rows_all(const struct acoustic *a);
void acoustic_rows_clip(const struct acoustic *a, struct rows *rows, size_t around);

/* Numbers of each thread's part of a->aside, and the rows of its planes; and, from the thread's
 * part on, the row there for row y of plane x of a few. */
size_t acoustic_aside_size(const struct acoustic *a);
size_t acoustic_aside_rows(const struct acoustic *a);
static inline wave_real *acoustic_aside_at(const struct acoustic *a, size_t x, size_t y)
{
    return a->aside + (x * a->aside_rows + y) * a->layout.stride[GRID_Y];
}
/* After a run's last step: what went past the caches is there. */
void acoustic_streams_end(const struct acoustic *a);
/* What a->keep is in step k, and a->due; v times sums of a row of the medium's grid, to its place
 * in the former. */
wave_real *acoustic_keep(const struct acoustic *a, const struct wave_run *run, size_t k);
const wave_real *acoustic_due(const struct acoustic *a, const struct wave_run *run, size_t k);
void acoustic_keep_row(const struct acoustic *a, wave_real *to, const wave_real *v,
                       const wave_real *sums);
/* By what an image multiplies snapshots. */
static inline wave_real acoustic_image_scale(const struct acoustic *a)
{
    return (wave_real)(-1 / (a->wave.options.dt * a->wave.options.dt));
}
/* The image's numbers in plane ix of the padded grid, one of the medium's, from a->z0 of an inner
 * run on. */
static inline wave_real *acoustic_image_row(const struct acoustic *a, size_t ix)
{
    size_t row = ix - (size_t)a->layout.pad[GRID_X][0];
    return a->image + row * a->wave.image_row - a->wave.image_at;
}
/* Inject, scatter, mirror, image, illuminate, in the newest field; finish snapshots. */
void acoustic_inject(const struct acoustic *a, const struct wave_run *run, size_t k,
                     const struct rows *rows);
/* Add some planes to samples of step k: those places that are thread `id`'s of `threads`. */
void acoustic_sample(const struct acoustic *a, const struct wave_run *run, size_t k,
                     const struct rows *rows, int id, int threads);
/* Keep what each strip of `points` in some rows gives to its place: tiles come in another order
 * than places. */
void acoustic_catch(const struct acoustic *a, const struct wave_points *points,
                    const struct rows *rows, wave_real *caught);
/* Add to samples of step k what has been kept of it. */
void acoustic_sample_caught(const struct wave_run *run, size_t k, const wave_real *caught,
                            int id, int threads);

/* The newest field around the medium's grid, to or from `shell`: what of it lies in some rows. */
size_t acoustic_shell_size(const struct acoustic *a);
void acoustic_shell_save(const struct acoustic *a, wave_real *shell, const struct rows *rows);
/* `around`: with what is beyond these rows where they are at the border of the medium's grid and
 * differenced with it (without a tilt or density). */
void acoustic_shell_load(const struct acoustic *a, const wave_real *shell,
                         const struct rows *rows, bool around);

/* With a tilt the shell has the slopes there, too (no others have any): as a step's last stage
 * reads them, and to where it will. */
void acoustic_slopes_save(const struct acoustic *a, wave_real *shell, const struct rows *rows);
void acoustic_slopes_load(const struct acoustic *a, const wave_real *shell,
                          const struct rows *rows);

/* All fields on the medium's grid. */
void acoustic_inner_save(const struct wave *wave, void *state);
void acoustic_inner_load(struct wave *wave, const void *state);

void acoustic_run(struct wave *wave, const struct wave_run *run);
/* One run, and another wave's that reads its snapshots. */
void acoustic_run_both(struct wave *wave, const struct wave_run *run, struct wave *reader,
                       const struct wave_run *reads);
/* The numbers of rows that a run's steps compute: a->z0 and a->z1. */
void acoustic_span_choose(struct acoustic *a, const struct wave_run *run);
/* Step `done` of a run in which all stages of some rows go together, and what else happens to these
 * rows while they are near; `newest` is what it is before the step. `ready`: memory variables have
 * been advanced. */
void acoustic_rows_step(struct acoustic *a, const struct wave_run *run, size_t done, int newest,
                        const struct rows *rows, bool ready);
/* Chooses both_depth and wave.both_steps. */
void acoustic_both_init(struct acoustic *a);

#endif
