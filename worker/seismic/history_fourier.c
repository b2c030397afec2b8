/*
 * history_fourier.c - the method "fourier": a few sums over time in place of all snapshots.
 *
 * Both directions are small matrix products over a piece of snapshots: (frequencies x steps) times
 * (steps x points), done in blocks of points that stay in cache, a thread per block.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/seismic/history_private.h"

#define BLOCK 2048 /* points: 16 snapshots and two sums of them stay in a core's cache */

/* cosines and sines of a piece, [frequency][snapshot] */
struct turns {
    wave_real *cosines, *sines;
};

struct spectrum {
    size_t points, count;        /* wave_reals of a snapshot; frequencies */
    wave_real *real, *imaginary; /* [count][points] */
    struct turns turns;
    double weight; /* 2 / N */
};

static void spectrum_close(struct spectrum *spectrum)
{
    free(spectrum->real);
    free(spectrum->turns.cosines);
}

static int spectrum_open(struct spectrum *spectrum, const struct walk *walk,
                         struct error *ret_error)
{
    size_t count = walk->options->frequency_count;
    *spectrum = (struct spectrum){.points = walk->wave->snapshot_size, .count = count};
    spectrum->weight = 2 / (double)walk_snapshots(walk, walk->forward.steps);
    size_t all = spectrum->points * count;
    spectrum->real = calloc(2 * all + 1, sizeof(wave_real));
    spectrum->turns.cosines = calloc(2 * SHOT_PIECE * count + 1, sizeof(wave_real));
    if (!spectrum->real || !spectrum->turns.cosines) {
        spectrum_close(spectrum);
        return error_set(ret_error, ERROR_SYSTEM,
                         "no memory for %zu frequencies of a wavefield", count);
    }
    spectrum->imaginary = spectrum->real + all;
    spectrum->turns.sines = spectrum->turns.cosines + SHOT_PIECE * count;
    return 0;
}

/* A frequency of half weight: zero and Nyquist's, whose conjugates are themselves. */
static double share_of(double cycles)
{
    return cycles < 1e-12 || fabs(cycles - 0.5) < 1e-12 ? 0.5 : 1;
}

/* Of snapshots first, first + 1, ... times `weight` (0: 1, for the sums). */
static void turns_fill(const struct walk *walk, struct spectrum *spectrum, size_t first,
                       double weight)
{
    double step = walk->wave->options.dt * (double)walk->options->every;
    for (size_t f = 0; f < spectrum->count; f++) {
        double cycles = walk->options->frequencies_hz[f] * step; /* per snapshot */
        double factor = weight > 0 ? weight * share_of(cycles) : 1;
        for (size_t i = 0; i < SHOT_PIECE; i++) {
            double angle = 2 * M_PI * fmod(cycles * (double)(first + i), 1);
            spectrum->turns.cosines[f * SHOT_PIECE + i] = (wave_real)(factor * cos(angle));
            spectrum->turns.sines[f * SHOT_PIECE + i] = (wave_real)(factor * sin(angle));
        }
    }
}

static void add_block(struct spectrum *spectrum, const wave_real *snapshots, size_t count,
                      size_t from, size_t size)
{
    for (size_t f = 0; f < spectrum->count; f++) {
        wave_real *real = spectrum->real + f * spectrum->points + from;
        wave_real *imaginary = spectrum->imaginary + f * spectrum->points + from;
        for (size_t i = 0; i < count; i++) {
            const wave_real *values = snapshots + i * spectrum->points + from;
            wave_real c = spectrum->turns.cosines[f * SHOT_PIECE + i];
            wave_real s = spectrum->turns.sines[f * SHOT_PIECE + i];
#pragma omp simd
            for (size_t x = 0; x < size; x++) {
                real[x] += c * values[x];
                imaginary[x] -= s * values[x];
            }
        }
    }
}

static void make_block(const struct spectrum *spectrum, wave_real *snapshots, size_t count,
                       size_t from, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        wave_real *values = snapshots + i * spectrum->points + from;
        memset(values, 0, size * sizeof(*values));
        for (size_t f = 0; f < spectrum->count; f++) {
            const wave_real *real = spectrum->real + f * spectrum->points + from;
            const wave_real *imaginary = spectrum->imaginary + f * spectrum->points + from;
            wave_real c = spectrum->turns.cosines[f * SHOT_PIECE + i];
            wave_real s = spectrum->turns.sines[f * SHOT_PIECE + i];
#pragma omp simd
            for (size_t x = 0; x < size; x++)
                values[x] += c * real[x] - s * imaginary[x];
        }
    }
}

/* Every thread has blocks of its own, so that sums do not depend on how many threads there are. */
static void run_blocks(const struct walk *walk, struct spectrum *spectrum, size_t count,
                       bool make)
{
    size_t blocks = (spectrum->points + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(walk->wave->options.threads)
    for (size_t block = 0; block < blocks; block++) {
        size_t from = block * BLOCK;
        size_t size = spectrum->points - from < BLOCK ? spectrum->points - from : BLOCK;
        if (make)
            make_block(spectrum, walk->piece, count, from, size);
        else
            add_block(spectrum, walk->piece, count, from, size);
    }
}

int walk_fourier(struct walk *walk, struct error *ret_error)
{
    size_t steps = walk->forward.steps, most = SHOT_PIECE * walk->options->every;
    struct spectrum spectrum;
    int rc = 0;
    if (walk_piece_make(walk, SHOT_PIECE, false, ret_error) < 0 ||
        spectrum_open(&spectrum, walk, ret_error) < 0)
        return -1;
    for (size_t first = 0; first < steps; first += most) {
        size_t count = steps - first < most ? steps - first : most;
        walk_forward(walk, first, count, walk->piece, NULL);
        turns_fill(walk, &spectrum, walk_snapshots(walk, first), 0);
        run_blocks(walk, &spectrum, walk_snapshots(walk, count), false);
    }
    for (size_t end = steps; end > 0 && rc == 0;) {
        size_t first = (end - 1) / most * most;
        turns_fill(walk, &spectrum, walk_snapshots(walk, first), spectrum.weight);
        run_blocks(walk, &spectrum, walk_snapshots(walk, end - first), true);
        rc = walk->turn(walk->context, first, end - first, walk->piece, NULL, ret_error);
        end = first;
    }
    spectrum_close(&spectrum);
    return rc;
}
