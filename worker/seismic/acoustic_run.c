/*
 * acoustic_run.c - steps in an order that uses each cache line several times.
 *
 * Planes are taken in blocks of at least the stencil's radius. A wavefront goes through the blocks,
 * and behind it, in the same pass over memory, the next step's wavefront, and the one of the step
 * after (time skewing; Wellein et al. 2009, doi:10.1109/COMPSAC.2009.82). Stage s of step t works on
 * block i - S t - s in turn i, S the number of stages that do anything: each stage finds what it reads
 * done, in blocks up to one further, and overwrites only what nobody reads any more. With one step per
 * pass, and one block for all planes, this is the plain order. All threads share each block and wait for
 * each other after it.
 */
#include "config.h"

#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "worker/seismic/acoustic_private.h"
#include "worker/seismic/points.h"

struct rows acoustic_rows(const struct acoustic *a, size_t x0, size_t x1, int id, int threads)
{
    size_t ny = a->layout.n[GRID_Y], of = (size_t)threads, i = (size_t)id, planes = x1 - x0;
    if (a->layout.flat || planes >= 8 * of)
        return (struct rows){x0 + planes * i / of, x0 + planes * (i + 1) / of, 0, ny};
    return (struct rows){x0, x1, ny * i / of, ny * (i + 1) / of};
}

/* A thread's share in a run. Its copy of the wave says which field is newest at the step that it is
 * in. */
struct share {
    struct acoustic a;
    const struct wave_run *run;
    int id, threads;
    int newest;   /* at the first step of the pass */
    int first;    /* stage that is not always empty */
    size_t block; /* planes of a block */
};

static size_t step_of(const struct wave_run *run, size_t done)
{
    return run->mode == WAVE_FORWARD ? done : run->steps - 1 - done;
}

static int stages_of(const struct wave_run *run)
{
    return run->mode == WAVE_TRANSPOSED ? STAGES_TRANSPOSED : STAGES_FORWARD;
}

static void wait_for_all(void)
{
#ifdef _OPENMP
#pragma omp barrier
#endif
}

/* The last stage, with what comes before and after it; `done` steps came before. */
static void field_stage_run(struct share *s, int stage, size_t done, const struct rows *rows)
{
    const struct wave_run *run = s->run;
    size_t k = step_of(run, done);
    acoustic_before(&s->a, run, k, rows);
    s->a.keep = acoustic_keep(&s->a, run, k);
    acoustic_stage_run(&s->a, run->mode, stage, rows);
    s->a.newest = !s->a.newest;
    if (run->mode != WAVE_TRANSPOSED)
        acoustic_inject(&s->a, run, k, rows);
    else if (k > 0)
        acoustic_inject(&s->a, run, k - 1, rows);
    else
        acoustic_mirror(&s->a, s->a.field[s->a.newest], rows);
    if (run->mode == WAVE_TRANSPOSED && k == 0 && s->a.pair)
        acoustic_mirror(&s->a, s->a.pair->p[s->a.newest], rows);
}

static void samples_take(struct share *s, size_t done, size_t x0, size_t x1)
{
    size_t k = step_of(s->run, done);
    if (s->run->mode != WAVE_TRANSPOSED)
        acoustic_sample(&s->a, s->run, k, x0, x1, s->id, s->threads);
    else if (k > 0)
        acoustic_sample(&s->a, s->run, k - 1, x0, x1, s->id, s->threads);
}

/* One stage of one step in one block. */
static void block_run(struct share *s, int stage, size_t t, size_t done, size_t block)
{
    size_t nx = s->a.layout.n[GRID_X], x0 = block * s->block;
    size_t x1 = nx - x0 < s->block ? nx : x0 + s->block;
    bool last = stage == stages_of(s->run) - 1;
    if (!last && !acoustic_stage_needed(&s->a, s->run->mode, x0, x1))
        return;
    struct rows rows = acoustic_rows(&s->a, x0, x1, s->id, s->threads);
    s->a.newest = s->newest ^ (int)(t & 1);
    if (last)
        field_stage_run(s, stage, done, &rows);
    else
        acoustic_stage_run(&s->a, s->run->mode, stage, &rows);
    wait_for_all();
    if (last)
        samples_take(s, done, x0, x1);
}

/* `count` steps in one pass; `done` steps came before. */
static void pass_run(struct share *s, size_t count, size_t done)
{
    size_t stages = (size_t)(stages_of(s->run) - s->first);
    size_t blocks = (s->a.layout.n[GRID_X] + s->block - 1) / s->block;
    for (size_t turn = 0; turn < blocks + stages * count - 1; turn++) {
        for (size_t t = 0; t < count && stages * t <= turn; t++) {
            for (size_t stage = 0; stage < stages; stage++) {
                if (turn < stages * t + stage || turn - stages * t - stage >= blocks)
                    continue;
                block_run(s, s->first + (int)stage, t, done + t, turn - stages * t - stage);
            }
        }
    }
    s->newest ^= (int)(count & 1);
    s->a.newest = s->newest;
}

static void shells_handle(struct share *s, size_t done)
{
    if (!s->run->shells || s->run->mode == WAVE_TRANSPOSED)
        return;
    wave_real *shell = s->run->shells + step_of(s->run, done) * s->a.wave.shell_size;
    if (s->run->mode == WAVE_FORWARD)
        acoustic_shell_save(&s->a, shell, s->id, s->threads);
    else
        acoustic_shell_load(&s->a, shell, s->id, s->threads);
    wait_for_all();
}

static void samples_clear(const struct share *s)
{
    const struct wave_run *run = s->run;
    if (!run->sample || !run->sampled)
        return;
    size_t count = run->sample->count;
    size_t first = count * (size_t)s->id / (size_t)s->threads;
    size_t end = count * ((size_t)s->id + 1) / (size_t)s->threads;
    for (size_t k = 0; k < run->steps; k++)
        memset(run->sampled + k * count + first, 0, (end - first) * sizeof *run->sampled);
}

/* Transposed, injecting and sampling come before the step. */
static void begin_transposed(struct share *s)
{
    size_t nx = s->a.layout.n[GRID_X], k = s->run->steps - 1;
    struct rows rows = acoustic_rows(&s->a, 0, nx, s->id, s->threads);
    acoustic_inject(&s->a, s->run, k, &rows);
    wait_for_all();
    acoustic_sample(&s->a, s->run, k, 0, nx, s->id, s->threads);
}

static void share_run(struct share *s)
{
    const struct wave_run *run = s->run;
    size_t pass = (size_t)s->a.wave.options.time_block;
    if (run->shells)
        pass = 1;
    /* With density or a tilt, fluxes stay in cache between the stages. */
    bool fluxes = s->a.half_rho || (s->a.pair && s->a.pair->tilted);
    s->block = pass > 1 || fluxes ? s->a.block : s->a.layout.n[GRID_X];
    /* Without layers, or such fluxes, a step is its last stage alone. */
    s->first = acoustic_stage_needed(&s->a, run->mode, 0, s->a.layout.n[GRID_X])
                   ? 0
                   : stages_of(run) - 1;
    s->newest = s->a.newest;
    samples_clear(s);
    if (run->mode == WAVE_TRANSPOSED)
        begin_transposed(s);
    for (size_t done = 0; done < run->steps;) {
        size_t count = run->steps - done < pass ? run->steps - done : pass;
        shells_handle(s, done);
        pass_run(s, count, done);
        done += count;
    }
}

void acoustic_run(struct wave *wave, const struct wave_run *run)
{
    struct acoustic *a = (struct acoustic *)wave;
    if (run->steps == 0)
        return;
    if (run->mode == WAVE_BACKWARD) /* u[k] becomes the newest, u[k+1] is overwritten */
        a->newest = !a->newest;
#ifdef _OPENMP
#pragma omp parallel num_threads(a->wave.options.threads)
    {
        int id = omp_get_thread_num(), threads = omp_get_num_threads();
#else
    {
        int id = 0, threads = 1;
#endif
        unsigned long before = flush_begin();
        struct share share = {.a = *a, .run = run, .id = id, .threads = threads};
        share.a.id = id;
        share_run(&share);
        flush_restore(before);
    }
    a->newest ^= (int)(run->steps & 1);
    if (run->mode == WAVE_BACKWARD)
        a->newest = !a->newest;
}
