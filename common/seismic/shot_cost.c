/*
 * All sizes are those of worker/seismic/, rounded up: rows are padded to 64 bytes and fields have a
 * halo of half the space order on every side.
 *
 * A gradient runs forwards once, again as often as the method makes it, and backwards once. The
 * weights of physics are measured times of a point update against constant density at order 8;
 * a point of memory traffic, not of arithmetic, decides, so that the order counts for little.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/seismic/shot_cost.h"

#define REAL_BYTES 4
#define HUGE_PAGE  ((uint64_t)2 << 20)

/*
 * What a step on the medium's grid alone takes, backwards or again, of one with its layers: so much
 * of the share of points that are the medium's (measured 0.5 in 2-D with four fifths, 0.25 in 3-D
 * with a third), and being told what is around. Writing that the first time.
 */
#define INNER_SHARE 0.6
#define SHELL_READ  0.03
#define SHELL_WRITE 0.05

/* What plans with shells cost that is not counted in steps: states of the medium's grid are
 * copied. */
#define INNER_COPIES 0.03

/* What running backwards saves besides: it images pairs of steps, whose snapshots stay near a
 * core, or, acoustic waves and those of `vti` in 2-D, makes none. */
#define PAIRS_SAVE 0.15

/* Samples between steps are interpolated, from so many steps further on. */
#define RESAMPLE_REACH 8

/* Fields of a physics: of the model as read; of a wave's medium and what else it keeps, in 3-D; of
 * one time level; with memory variables; recorded for imaging; told on each face of a shell. How
 * far a step reaches, in half orders, less one where `between` points; and the weight. */
struct physics {
    unsigned model, medium, level, layers, record, told, reach, between;
    double weight;
};

static const struct physics physics_table[] = {
    [SURVEY_ACOUSTIC] = {.model = 1,
                         .medium = 1,
                         .level = 1,
                         .layers = 1,
                         .record = 1,
                         .told = 1,
                         .reach = 1,
                         .weight = 1},
    [SURVEY_DENSITY] = {.model = 2,
                        .medium = 4,
                        .level = 1,
                        .layers = 1,
                        .record = 1,
                        .told = 1,
                        .reach = 2,
                        .between = 1,
                        .weight = 1.7},
    [SURVEY_VTI] = {.model = 3,
                    .medium = 4,
                    .level = 2,
                    .layers = 1,
                    .record = 2,
                    .told = 1,
                    .reach = 1,
                    .weight = 2.2},
    [SURVEY_TTI] = {.model = 5,
                    .medium = 11,
                    .level = 2,
                    .layers = 3,
                    .record = 2,
                    .told = 4,
                    .reach = 1,
                    .weight = 10},
};

/* Sizes in bytes that the methods choose among. */
struct sizes {
    uint64_t field; /* one padded field with its halo */
    uint64_t
        state; /* all that a step needs of the one before: two levels and the PML's memory */
    uint64_t record;   /* what is kept of one imaged step */
    uint64_t boundary; /* what is kept of one step for running backwards */
    uint64_t inner;    /* a state of the medium's grid alone */
    uint64_t spectrum; /* of one frequency: real and imaginary part */
    uint64_t fixed;    /* all that is no history */
    uint64_t imaged;   /* steps that are imaged */
};

static unsigned padding_of(const struct shot_shape *shape, int axis)
{
    if (axis == GRID_Y && shape->dims == 2)
        return 0;
    if (axis == GRID_Z && shape->free_surface)
        return shape->absorbing_points;
    return 2 * shape->absorbing_points;
}

uint64_t shot_padded_points(const struct shot_shape *shape)
{
    uint64_t points = 1;
    for (int axis = 0; axis < GRID_AXES; axis++)
        points *= shape->n[axis] + padding_of(shape, axis);
    return points;
}

static uint64_t inner_points(const struct shot_shape *shape)
{
    return (uint64_t)shape->n[GRID_X] * shape->n[GRID_Y] * shape->n[GRID_Z];
}

static uint64_t field_bytes(const struct shot_shape *shape)
{
    uint64_t points = 1, halo = (uint64_t)shape->space_order;
    for (int axis = 0; axis < GRID_AXES; axis++) {
        uint64_t n = shape->n[axis] + padding_of(shape, axis);
        if (axis != GRID_Y || shape->dims == 3)
            n += halo;
        if (axis == GRID_Z)
            n = (n + 31) / 16 * 16;
        points *= n;
    }
    return points * REAL_BYTES;
}

/* One of the PML's two memory variables of an axis, in its layers. */
static uint64_t memory_bytes(const struct shot_shape *shape, int axis)
{
    unsigned width = padding_of(shape, axis);
    return shot_padded_points(shape) / (shape->n[axis] + width) * width * REAL_BYTES;
}

static uint64_t layer_bytes(const struct shot_shape *shape)
{
    uint64_t bytes = 0;
    for (int axis = 0; axis < GRID_AXES; axis++)
        bytes += 2 * memory_bytes(shape, axis);
    return bytes;
}

/* An array of a wave begins a huge page, if it is larger than one, and so takes whole ones. */
static uint64_t in_pages(uint64_t bytes)
{
    return bytes <= HUGE_PAGE ? bytes : (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static uint64_t wave_bytes(const struct shot_shape *shape, const struct physics *physics)
{
    uint64_t fields = physics->medium + 2 * physics->level;
    uint64_t bytes = fields * in_pages(field_bytes(shape));
    for (int axis = 0; axis < GRID_AXES; axis++)
        bytes += 2 * in_pages(physics->layers * memory_bytes(shape, axis));
    return bytes;
}

static uint64_t sides_of(const struct shot_shape *shape, int axis)
{
    if (axis == GRID_Y && shape->dims == 2)
        return 0;
    return axis == GRID_Z && shape->free_surface ? 1 : 2;
}

/* What a step reaches around the model, on all sides but a free surface, of a field: its faces. */
static uint64_t shell_bytes(const struct shot_shape *shape, const struct physics *physics)
{
    uint64_t points = 0, half = (uint64_t)shape->space_order / 2;
    for (int axis = GRID_X; axis < GRID_AXES; axis++) {
        uint64_t box = sides_of(shape, axis) * (half * physics->reach - physics->between);
        for (int other = GRID_X; other < GRID_AXES; other++)
            if (other != axis)
                box *= shape->n[other];
        points += box;
    }
    return points * REAL_BYTES;
}

static uint64_t record_bytes(uint64_t values, bool compress)
{
    uint64_t blocks = (values + SHOT_PACKED_VALUES - 1) / SHOT_PACKED_VALUES;
    return compress ? blocks * SHOT_PACKED_BYTES : values * REAL_BYTES;
}

/* Boundaries on their way to and from a disk: of the steps that are handled at once. */
static uint64_t boundary_piece(const struct shot_shape *shape, uint64_t boundary)
{
    uint64_t every = shape->subsampling, piece = SHOT_PIECE * every;
    uint64_t together = SHOT_TOGETHER / every * every;
    uint64_t steps = piece > together ? piece : together;
    return (steps < shape->steps ? steps : shape->steps) * boundary;
}

static struct sizes sizes_of(const struct shot_shape *shape, enum survey_operation operation,
                             const struct shot_wish *wish)
{
    const struct physics *physics = &physics_table[shape->physics];
    struct sizes sizes = {.field = field_bytes(shape)};
    uint64_t inner = inner_points(shape) * REAL_BYTES;
    uint64_t waves = operation == SURVEY_MODEL ? 1 : 2;
    sizes.state = 2 * physics->level * sizes.field + physics->layers * layer_bytes(shape);
    sizes.record = physics->record * record_bytes(inner_points(shape), wish->compress);
    sizes.boundary = physics->told * shell_bytes(shape, physics);
    sizes.inner = 2 * physics->level * inner;
    sizes.spectrum = 2 * physics->record * inner;
    sizes.imaged = (shape->steps + shape->subsampling - 1) / shape->subsampling;
    sizes.fixed = waves * wave_bytes(shape, physics);
    sizes.fixed += (physics->model + 1) * inner; /* and an image or perturbation */
    if (waves == 2)
        sizes.fixed +=
            7 * inner; /* image, twice, and illumination; the task's sums in double */
    if (waves == 2 && wish->method != SURVEY_MEMORY_FULL)
        sizes.fixed += SHOT_PIECE * physics->record * inner;
    if (waves == 2 && wish->method == SURVEY_MEMORY_BOUNDARY && wish->spill)
        sizes.fixed += boundary_piece(shape, sizes.boundary);
    /* Traces at the propagator's steps and as recorded, twice each (observed, residual). */
    sizes.fixed += shape->traces * (shape->steps * 2 + shape->samples * 3) * REAL_BYTES;
    sizes.fixed += shape->points * 12;
    return sizes;
}

static bool needs_history(enum survey_operation operation)
{
    return operation == SURVEY_RTM || operation == SURVEY_GRADIENT || operation == SURVEY_FWI;
}

static void set_full(struct shot_cost *cost, const struct sizes *sizes, uint64_t budget)
{
    cost->method = SURVEY_MEMORY_FULL;
    cost->plan = (struct revolve_plan){.segment = sizes->imaged,
                                       .forward = sizes->imaged,
                                       .bytes = sizes->imaged * sizes->record};
    cost->history_bytes = cost->plan.bytes <= budget ? cost->plan.bytes : budget;
    cost->disk_bytes = cost->plan.bytes - cost->history_bytes;
}

/* Steps on the medium's grid alone, in steps. */
static double inner_step(const struct shot_shape *shape)
{
    return INNER_SHARE * (double)inner_points(shape) / (double)shot_padded_points(shape) +
           SHELL_READ;
}

/* What a run backwards from a boundary takes, with what it adds to the one forwards. */
static double boundary_run(const struct shot_shape *shape)
{
    return inner_step(shape) + SHELL_WRITE;
}

/* All steps' boundaries if the budget holds them, or they may be spilled; else those of one segment
 * at a time, and whole states. -1: not even those of one imaged step. */
static int plan_boundary(struct revolve_plan *plan, const struct shot_shape *shape,
                         const struct sizes *sizes, uint64_t budget)
{
    uint64_t bytes = shape->steps * sizes->boundary;
    *plan = (struct revolve_plan){
        .segment = sizes->imaged, .forward = sizes->imaged, .bytes = bytes};
    if (bytes > budget &&
        revolve_plan_make(plan, sizes->imaged, sizes->boundary * shape->subsampling,
                          sizes->state, budget, NULL) < 0)
        return -1;
    if (plan->forward < UINT64_MAX) /* which is less than 2^63, then */
        plan->forward += (uint64_t)(boundary_run(shape) * (double)sizes->imaged);
    return 0;
}

static void set_boundary(struct shot_cost *cost, const struct revolve_plan *plan,
                         uint64_t budget)
{
    cost->method = SURVEY_MEMORY_BOUNDARY;
    cost->plan = *plan;
    cost->history_bytes = plan->bytes <= budget ? plan->bytes : budget;
    cost->disk_bytes = plan->bytes - cost->history_bytes;
}

static int plan_checkpoints(struct revolve_plan *plan, const struct shot_shape *shape,
                            const struct sizes *sizes, uint64_t budget, struct error *ret_error)
{
    if (revolve_plan_make(plan, sizes->imaged, sizes->record, sizes->state, budget, ret_error) <
        0)
        return -1;
    const struct revolve_sizes all = {
        .record_bytes = sizes->record,
        .snapshot_bytes = sizes->state,
        .shell_bytes = sizes->boundary * shape->subsampling,
        .inner_bytes = sizes->inner,
        .again = inner_step(shape) + INNER_COPIES,
    };
    if (plan->segment < sizes->imaged)
        revolve_plan_improve(plan, sizes->imaged, &all, budget);
    return 0;
}

static void set_fourier(struct shot_cost *cost, const struct sizes *sizes, size_t count)
{
    uint64_t bytes = count * sizes->spectrum;
    cost->method = SURVEY_MEMORY_FOURIER;
    cost->plan = (struct revolve_plan){.forward = sizes->imaged, .bytes = bytes};
    cost->history_bytes = bytes;
}

/* What AUTO takes: everything kept if it fits; else what takes less time. */
static int choose(struct shot_cost *cost, const struct shot_shape *shape,
                  const struct sizes *sizes, bool exact, uint64_t budget,
                  struct error *ret_error)
{
    struct revolve_plan plan, boundary;
    bool back = !exact && plan_boundary(&boundary, shape, sizes, budget) == 0;
    if (plan_checkpoints(&plan, shape, sizes, budget, back ? NULL : ret_error) < 0) {
        if (!back)
            return -1;
        plan.forward = UINT64_MAX;
    }
    double save = PAIRS_SAVE * (double)sizes->imaged;
    if (back && (double)plan.forward > (double)boundary.forward - save) {
        set_boundary(cost, &boundary, budget);
        return 0;
    }
    cost->plan = plan;
    cost->method = !plan.part && plan.segment == sizes->imaged ? SURVEY_MEMORY_FULL
                                                               : SURVEY_MEMORY_CHECKPOINTS;
    cost->history_bytes = plan.bytes;
    return 0;
}

/* `use` is what helps this method beside what helps all. */
static int refuse(const char *what, const char *use, uint64_t needed, uint64_t budget,
                  struct error *ret_error)
{
    return error_set(ret_error, ERROR_CONFIG,
                     "memory method %s needs %.3g GB for the wavefield's history but has %.3g "
                     "GB: use %s, a smaller aperture or fewer shots side by side",
                     what, (double)needed * 1e-9, (double)budget * 1e-9, use);
}

static int set_method(struct shot_cost *cost, const struct shot_shape *shape,
                      const struct sizes *sizes, const struct shot_wish *wish, uint64_t budget,
                      struct error *ret_error)
{
    uint64_t held = wish->spill ? UINT64_MAX : budget;
    struct revolve_plan boundary;
    switch (wish->method) {
    case SURVEY_MEMORY_FULL:
        if (sizes->imaged * sizes->record > held)
            return refuse("full", "checkpoints, \"spill\"", sizes->imaged * sizes->record,
                          budget, ret_error);
        set_full(cost, sizes, budget);
        return 0;
    case SURVEY_MEMORY_BOUNDARY:
        if (plan_boundary(&boundary, shape, sizes, held) < 0)
            return refuse("boundary", "\"spill\"", shape->subsampling * sizes->boundary, budget,
                          ret_error);
        set_boundary(cost, &boundary, budget);
        return 0;
    case SURVEY_MEMORY_FOURIER:
        if (wish->frequency_count * sizes->spectrum > budget)
            return refuse("fourier", "fewer frequencies, checkpoints",
                          wish->frequency_count * sizes->spectrum, budget, ret_error);
        set_fourier(cost, sizes, wish->frequency_count);
        return 0;
    case SURVEY_MEMORY_CHECKPOINTS:
        if (plan_checkpoints(&cost->plan, shape, sizes, budget, ret_error) < 0)
            return -1;
        cost->method = SURVEY_MEMORY_CHECKPOINTS;
        cost->history_bytes = cost->plan.bytes;
        return 0;
    default:
        if (wish->spill && sizes->imaged * sizes->record > budget) {
            set_full(cost, sizes, budget);
            return 0;
        }
        return choose(cost, shape, sizes, wish->exact, budget, ret_error);
    }
}

static uint64_t budget_of(const struct shot_wish *wish, const struct sizes *sizes)
{
    uint64_t left = UINT64_MAX;
    if (wish->limit_bytes)
        left = wish->limit_bytes > sizes->fixed ? wish->limit_bytes - sizes->fixed : 0;
    return wish->budget_bytes && wish->budget_bytes < left ? wish->budget_bytes : left;
}

static void add_up(struct shot_cost *cost, const struct shot_shape *shape,
                   const struct sizes *sizes, enum survey_operation operation)
{
    double runs = operation == SURVEY_BORN ? 2 : 1;
    if (needs_history(operation)) /* forwards, and backwards with the imaging */
        runs = (double)cost->plan.forward / (double)sizes->imaged + 1.2;
    cost->bytes = sizes->fixed + cost->history_bytes;
    cost->updates = runs * physics_table[shape->physics].weight *
                    (1 + (double)(shape->space_order - 8) / 40) *
                    (double)shot_padded_points(shape) * (double)shape->steps;
}

int shot_cost_make(struct shot_cost *ret_cost, const struct shot_shape *shape,
                   enum survey_operation operation, const struct shot_wish *wish,
                   struct error *ret_error)
{
    struct shot_cost cost = {.method = SURVEY_MEMORY_FULL};
    struct sizes sizes = sizes_of(shape, operation, wish);
    uint64_t budget = budget_of(wish, &sizes);
    if (wish->limit_bytes && sizes.fixed > wish->limit_bytes)
        return error_set(ret_error, ERROR_CONFIG,
                         "a shot of %" PRIu64 " points needs %.3g GB even without the "
                         "wavefield's history, more than the %.3g GB that its slot has",
                         shot_padded_points(shape), (double)sizes.fixed * 1e-9,
                         (double)wish->limit_bytes * 1e-9);
    if (needs_history(operation) &&
        set_method(&cost, shape, &sizes, wish, budget, ret_error) < 0)
        return -1;
    add_up(&cost, shape, &sizes, operation);
    *ret_cost = cost;
    return 0;
}

uint64_t shot_steps(const struct survey *survey, double dt_s)
{
    const struct survey_record *record = &survey->record;
    double first = 0;
    double last = record->start_s + (double)(record->samples - 1) * record->interval_s;
    if (survey->wavelet.kind == SURVEY_SAMPLED && survey->wavelet.delay_s < 0)
        first = survey->wavelet.delay_s;
    if (last <= first)
        return 1;
    uint64_t steps = (uint64_t)ceil((last - first) / dt_s - 1e-6) + 1;
    double share = record->interval_s / dt_s, begin = (record->start_s - first) / dt_s;
    bool on_steps = fabs(share - round(share)) < 1e-6 && fabs(begin - round(begin)) < 1e-6;
    return on_steps ? steps : steps + RESAMPLE_REACH;
}

struct shot_shape shot_shape_of(const struct survey *survey, const struct grid_box *box,
                                size_t receivers, size_t sources, double dt_s)
{
    struct shot_shape shape = {
        .dims = survey->grid.dims,
        .n = {box->n[0], box->n[1], box->n[2]},
        .physics = survey->physics,
        .space_order = survey->numerics.space_order,
        .absorbing_points = survey->numerics.absorbing_points,
        .free_surface = survey->numerics.free_surface,
        .steps = shot_steps(survey, dt_s),
        .traces = receivers,
        .samples = survey->record.samples,
        .points = (receivers + sources) * (survey->grid.dims == 3 ? 512 : 64),
        .subsampling = survey_subsampling(survey, dt_s),
    };
    return shape;
}

struct shot_wish shot_wish_of(const struct survey *survey, uint64_t limit_bytes)
{
    return (struct shot_wish){
        .method = (int)survey->memory.method,
        .budget_bytes = survey->memory.budget_bytes,
        .limit_bytes = limit_bytes,
        .frequency_count = survey->memory.frequency_count,
        .compress = survey->memory.compress,
        .spill = survey->memory.spill,
        .exact = survey->sum.exact,
    };
}

const char *shot_method_name(int method)
{
    static const char *const names[] = {
        [SURVEY_MEMORY_AUTO] = "auto",
        [SURVEY_MEMORY_FULL] = "full",
        [SURVEY_MEMORY_CHECKPOINTS] = "checkpoints",
        [SURVEY_MEMORY_BOUNDARY] = "boundary",
        [SURVEY_MEMORY_FOURIER] = "fourier",
    };
    return names[method];
}

char *shot_cost_print(const struct shot_cost *cost, const struct shot_shape *shape, char *text,
                      size_t size)
{
    char detail[160] = "", parts[60] = "", every[48] = "";
    if (cost->plan.forward == 0) {
        snprintf(text, size, "none needed");
        return text;
    }
    if (cost->plan.part)
        snprintf(parts, sizeof(parts), " in parts of %" PRIu64,
                 cost->plan.part * shape->subsampling);
    bool segments = cost->plan.segment * shape->subsampling < shape->steps;
    if (cost->method == SURVEY_MEMORY_CHECKPOINTS ||
        (cost->method == SURVEY_MEMORY_BOUNDARY && segments))
        snprintf(
            detail, sizeof(detail),
            " of %" PRIu64 " states and segments of %" PRIu64 " steps%s, %.2f forward runs",
            cost->plan.snapshots + cost->plan.inner, cost->plan.segment * shape->subsampling,
            parts,
            (double)cost->plan.forward * (double)shape->subsampling / (double)shape->steps);
    if (shape->subsampling > 1)
        snprintf(every, sizeof(every), ", 1 step in %" PRIu64 " imaged", shape->subsampling);
    snprintf(text, size, "%s%s%s, %.3g MB in memory, %.3g MB on disk",
             shot_method_name(cost->method), detail, every, (double)cost->history_bytes * 1e-6,
             (double)cost->disk_bytes * 1e-6);
    return text;
}
