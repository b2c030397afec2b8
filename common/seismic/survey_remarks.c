/*
 * What is no mistake, but hardly meant. Each thing is told in one sentence with its place and
 * numbers.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/seismic/survey_private.h"

#define SLAB ((size_t)4 << 20) /* values looked at at once */
/* Pieces that integrals over a whole spectrum and over a band are summed of. */
#define SPECTRUM_LINES 512
#define BAND_LINES     64
/* Where a Ricker wavelet's power ends: beyond 6 peaks there is 1e-28 of it. */
#define RICKER_TOP 6
/* Bands with less of the wavelet's power are remarked. */
#define POWER_LEAST 1e-4
/* Receivers that are looked at for lying all in one place. */
#define HEAPS_LOOKED ((size_t)4 << 20)
/* With fewer points per wavelength even high orders disperse: their symbol is far from k² there. */
#define POINTS_LEAST 3.0

/* --- delta above epsilon --- */

struct crossing {
    size_t count, at; /* points; the worst one */
    float epsilon, delta;
};

static void crossing_add(struct crossing *crossing, size_t at, float epsilon, float delta)
{
    /* Files hold floats: what is equal in them may differ by a rounding. */
    if (!(delta > epsilon + 1e-6f * (fabsf(delta) + fabsf(epsilon))))
        return;
    if (crossing->count++ && delta - epsilon <= crossing->delta - crossing->epsilon)
        return;
    crossing->at = at;
    crossing->epsilon = epsilon;
    crossing->delta = delta;
}

static int crossing_find(const struct survey *survey, struct crossing *crossing)
{
    const struct grid *grid = &survey->grid;
    size_t plane = grid->n[GRID_Y] * grid->n[GRID_Z];
    size_t thick = plane < SLAB ? SLAB / plane : 1;
    thick = thick < grid->n[GRID_X] ? thick : grid->n[GRID_X];
    float *epsilon = malloc(thick * plane * sizeof(*epsilon));
    float *delta = malloc(thick * plane * sizeof(*delta));
    int rc = epsilon && delta ? 0 : -1;
    for (size_t x = 0; rc == 0 && x < grid->n[GRID_X]; x += thick) {
        struct grid_box box = grid_whole(grid);
        struct error ignored;
        box.first[GRID_X] = x;
        box.n[GRID_X] = thick < grid->n[GRID_X] - x ? thick : grid->n[GRID_X] - x;
        if (survey_field_read(survey, SURVEY_EPSILON, &box, epsilon, &ignored) < 0 ||
            survey_field_read(survey, SURVEY_DELTA, &box, delta, &ignored) < 0)
            rc = -1;
        for (size_t i = 0; rc == 0 && i < box.n[GRID_X] * plane; i++)
            crossing_add(crossing, x * plane + i, epsilon[i], delta[i]);
    }
    free(epsilon);
    free(delta);
    return rc;
}

static double place_of(const struct grid *grid, enum grid_axis axis, size_t index)
{
    return grid->origin[axis] + (double)index * grid->spacing[axis];
}

static void anisotropy_remark(const struct survey *survey,
                              void (*say)(void *context, const char *sentence), void *context)
{
    const struct grid *grid = &survey->grid;
    struct crossing crossing = {0};
    struct error text;
    if ((survey->physics != SURVEY_VTI && survey->physics != SURVEY_TTI) ||
        crossing_find(survey, &crossing) < 0 || crossing.count == 0)
        return;
    size_t row = crossing.at / grid->n[GRID_Z];
    error_set(
        &text, ERROR_NONE,
        "$.model.delta: is above epsilon at %zu of %zu points, most at x %g, y %g, z %g m "
        "(epsilon %g, delta %g), where pseudo-acoustic waves are unstable: epsilon counts "
        "as delta there",
        crossing.count, grid_size(grid), place_of(grid, GRID_X, row / grid->n[GRID_Y]),
        place_of(grid, GRID_Y, row % grid->n[GRID_Y]),
        place_of(grid, GRID_Z, crossing.at % grid->n[GRID_Z]), (double)crossing.epsilon,
        (double)crossing.delta);
    say(context, text.text);
}

/* --- a wavelet too high for the grid --- */

/* What the bands of an inversion let pass. */
static double band_highest(const struct survey *survey)
{
    double most = 0;
    if (survey->operation != SURVEY_FWI || survey->inversion.band_count == 0)
        return INFINITY;
    for (size_t i = 0; i < survey->inversion.band_count; i++)
        most = fmax(most, survey->inversion.bands[i].max_hz);
    return most;
}

static double highest_hz(const struct survey *survey)
{
    return fmin(survey_wavelet_highest(&survey->wavelet), band_highest(survey));
}

/* Of the wavelet's power, what lies between two frequencies; samples have none above `top`. */
static double power_between(const struct survey_wavelet *wavelet, double from, double to,
                            double top, int lines)
{
    double sum = 0, step = (fmin(to, top) - from) / lines;
    for (int i = 0; step > 0 && i < lines; i++) {
        double amplitude = survey_wavelet_amplitude(wavelet, from + (i + 0.5) * step);
        sum += amplitude * amplitude * step;
    }
    return sum;
}

/* What a band's filter passes: half of what is half an octave beyond it. */
static void band_reach(const struct survey_band *band, double *ret_from, double *ret_to)
{
    *ret_from = band->min_hz * M_SQRT1_2;
    *ret_to = band->max_hz * M_SQRT2;
}

/* What is not in the wavelet cannot be in data either, but for noise and the filters' tails. */
static void bands_remark(const struct survey *survey,
                         void (*say)(void *context, const char *sentence), void *context)
{
    const struct survey_wavelet *wavelet = &survey->wavelet;
    double top = wavelet->kind == SURVEY_SAMPLED ? 0.5 / wavelet->interval_s
                                                 : RICKER_TOP * wavelet->peak_hz;
    size_t count = survey->operation == SURVEY_FWI ? survey->inversion.band_count : 0;
    double all = count ? power_between(wavelet, 0, top, top, SPECTRUM_LINES) : 0;
    struct error text;
    for (size_t i = 0; all > 0 && i < count; i++) {
        double from, to;
        band_reach(&survey->inversion.bands[i], &from, &to);
        double share = power_between(wavelet, from, to, top, BAND_LINES) / all;
        if (share >= POWER_LEAST)
            continue;
        error_set(&text, ERROR_NONE,
                  "$.inversion.bands[%zu]: has %.2g of the wavelet's power: what is there to "
                  "be fitted is noise and what filters leak",
                  i, share);
        say(context, text.text);
    }
}

/* Bands of an inversion whose gradients would be sums at other frequencies: filters' tails. */
static void fourier_remark(const struct survey *survey,
                           void (*say)(void *context, const char *sentence), void *context)
{
    const struct survey_memory *memory = &survey->memory;
    bool fourier = survey->operation == SURVEY_FWI && memory->method == SURVEY_MEMORY_FOURIER;
    struct error text;
    for (size_t i = 0; fourier && i < survey->inversion.band_count; i++) {
        double from, to;
        bool inside = false;
        band_reach(&survey->inversion.bands[i], &from, &to);
        for (size_t k = 0; k < memory->frequency_count; k++)
            inside |= memory->frequencies_hz[k] >= from && memory->frequencies_hz[k] <= to;
        if (inside)
            continue;
        error_set(&text, ERROR_NONE,
                  "$.memory.frequencies_hz: none is in $.inversion.bands[%zu], whose gradients "
                  "are of what filters leak then",
                  i);
        say(context, text.text);
    }
}

/* Products of both wavefields are summed, which have twice the frequencies of either. */
static void subsampling_remark(const struct survey *survey,
                               void (*say)(void *context, const char *sentence), void *context)
{
    double highest = highest_hz(survey), step = survey_dt(survey);
    double most = floor(1 / (2 * highest * step));
    bool images = survey->operation == SURVEY_RTM || survey->operation == SURVEY_GRADIENT ||
                  survey->operation == SURVEY_FWI;
    struct error text;
    if (!images || !(highest > 0) || survey->memory.subsampling <= fmax(most, 1))
        return;
    double safe = survey_subsampling_below(survey_product_hz(survey), step);
    error_set(&text, ERROR_NONE,
              "$.memory.subsampling: to image every %u steps of %.3g ms is too seldom for "
              "waves up to "
              "%.3g Hz, which are taken for others; take %g at most, and %g to be safe from "
              "what else is in data",
              survey->memory.subsampling, step * 1e3, highest, fmax(most, 1),
              fmin(safe, fmax(most, 1)));
    say(context, text.text);
}

static void dispersion_remark(const struct survey *survey,
                              void (*say)(void *context, const char *sentence), void *context)
{
    const struct grid *grid = &survey->grid;
    double highest = highest_hz(survey);
    double widest = fmax(grid->spacing[GRID_X], grid->spacing[GRID_Z]);
    struct error text;
    if (grid->dims == 3)
        widest = fmax(widest, grid->spacing[GRID_Y]);
    double slowest = survey->velocity_min_m_s, points = slowest / (highest * widest);
    if (!(highest > 0) || !(slowest > 0) || !(points < POINTS_LEAST))
        return;
    error_set(
        &text, ERROR_NONE,
        "$.wavelet: its spectrum goes up to %.3g Hz (%g %% of its peak), where the shortest "
        "wave of %.3g m (at %g m/s) has %.2g points of the grid's %g m: with fewer than %g "
        "waves disperse or alias; take a lower wavelet, or a spacing of %.3g m",
        highest, 100 * SURVEY_SIGNIFICANT, slowest / highest, slowest, points, widest,
        POINTS_LEAST, slowest / highest / POINTS_LEAST);
    say(context, text.text);
}

/* What is recorded is sampled as it is, without a filter. */
static void recording_remark(const struct survey *survey,
                             void (*say)(void *context, const char *sentence), void *context)
{
    double highest = highest_hz(survey), interval = survey->record.interval_s;
    struct error text;
    if (!(highest > 0) || !(2 * highest * interval > 1))
        return;
    error_set(&text, ERROR_NONE,
              "$.record: a sample every %.3g ms is too seldom for waves up to %.3g Hz, which "
              "the wavelet has (%g %% of its peak): what is above %.3g Hz is recorded as if it "
              "were below; take %.3g ms at most, or a lower wavelet",
              interval * 1e3, highest, 100 * SURVEY_SIGNIFICANT, 0.5 / interval, 500 / highest);
    say(context, text.text);
}

/* --- what gives zeros, or sums that nobody can take apart --- */

/* When the wavelet is there: its peak, or its first sample that is not zero. INFINITY: never. */
static double wavelet_begin(const struct survey_wavelet *wavelet)
{
    size_t i = 0;
    if (wavelet->amplitude == 0)
        return INFINITY;
    if (wavelet->kind == SURVEY_RICKER)
        return wavelet->delay_s;
    while (i < wavelet->count && wavelet->values[i] == 0)
        i++;
    return i < wavelet->count ? wavelet->delay_s + (double)i * wavelet->interval_s : INFINITY;
}

static void silence_remark(const struct survey *survey,
                           void (*say)(void *context, const char *sentence), void *context)
{
    const struct survey_record *record = &survey->record;
    double begin = wavelet_begin(&survey->wavelet);
    double end = record->start_s + (double)(record->samples - 1) * record->interval_s;
    struct error text;
    if (begin < end)
        return;
    if (isinf(begin))
        error_set(&text, ERROR_NONE,
                  "$.wavelet: is zero throughout, and so is all that is computed");
    else
        error_set(
            &text, ERROR_NONE,
            "$.wavelet: %s at %g s, but recording ends at %g s: what is recorded is zero, or "
            "nearly",
            survey->wavelet.kind == SURVEY_RICKER ? "its peak comes" : "it begins", begin, end);
    say(context, text.text);
}

static void encoding_remark(const struct survey *survey,
                            void (*say)(void *context, const char *sentence), void *context)
{
    if (survey_makes_traces(survey) && survey->batch.encoded > 1)
        say(context, "$.batch.encoded: each gather is the sum of several shots with random "
                     "signs, but its headers can name only one of them; \"shots\" in "
                     "results.csv says which and how");
}

static void sources_remark(const struct survey *survey,
                           void (*say)(void *context, const char *sentence), void *context)
{
    if (survey_makes_traces(survey) && !survey->program && survey->sources_max > 1)
        say(context,
            "$.geometry.sources: fires several at once, but the headers of what is "
            "recorded can name only the first of a shot; a survey that reads it as data "
            "needs this geometry, too");
}

/* --- a shot that came apart --- */

static int count_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The number of traces that most shots have, and how many those are; 0 without memory. */
static uint64_t usual_count(const struct survey_segy *segy, size_t *ret_shots)
{
    uint64_t *counts = malloc((segy->shot_count + 1) * sizeof(*counts)), usual = 0;
    size_t most = 0, same = 0;
    for (size_t i = 0; counts && i < segy->shot_count; i++)
        counts[i] = segy->shots[i].shot->count;
    if (counts)
        qsort(counts, segy->shot_count, sizeof(*counts), count_compare);
    for (size_t i = 0; counts && i < segy->shot_count; i++) {
        same = i && counts[i] == counts[i - 1] ? same + 1 : 1;
        if (same > most) {
            most = same;
            usual = counts[i];
        }
    }
    free(counts);
    *ret_shots = most;
    return usual;
}

/* Whether this shot and the next have one number, and the traces of one shot together. */
static bool is_apart(const struct survey_segy *segy, size_t i, uint64_t usual)
{
    const struct survey_segy_shot *one = &segy->shots[i], *next = &segy->shots[i + 1];
    return one->file == next->file && one->shot->number == next->shot->number &&
           one->shot->count + next->shot->count == usual;
}

/* Where half of a shot's traces have another source by mistake, they make two shots. */
static void split_remark(const struct survey_segy *segy, const char *place,
                         void (*say)(void *context, const char *sentence), void *context)
{
    struct error text;
    size_t usual_shots = 0, apart = 0, first = 0;
    if (!segy || segy->geometry.by_word)
        return;
    uint64_t usual = usual_count(segy, &usual_shots);
    for (size_t i = 0; usual && i + 1 < segy->shot_count; i++)
        if (is_apart(segy, i, usual) && apart++ == 0)
            first = i;
    if (!apart)
        return;
    const struct segy_index_shot *one = segy->shots[first].shot;
    const struct segy_index_shot *next = segy->shots[first + 1].shot;
    error_set(
        &text, ERROR_NONE,
        "%s: %zu of the shots' numbers ha%s traces of two sources, which count as two "
        "shots: of number %lld in %s, %llu traces are from (%g, %g, %g) m and %llu from "
        "(%g, %g, %g) m, as many together as each of %zu other shots has; if they are "
        "one, mend these headers, or say \"headers\": {\"shot\": ...}, which names the traces "
        "that disagree",
        place, apart, apart == 1 ? "s" : "ve", (long long)one->number,
        segy->names[segy->shots[first].file], (unsigned long long)one->count, one->source.x,
        one->source.y, one->source.z, (unsigned long long)next->count, next->source.x,
        next->source.y, next->source.z, usual_shots);
    say(context, text.text);
}

/* --- a spread within a cell --- */

static bool is_heap(const struct grid *grid, const struct shot *shot)
{
    const struct point *all = shot->receivers;
    struct point least = all[0], most = all[0];
    for (size_t i = 1; i < shot->receiver_count; i++) {
        least = (struct point){fmin(least.x, all[i].x), fmin(least.y, all[i].y),
                               fmin(least.z, all[i].z)};
        most = (struct point){fmax(most.x, all[i].x), fmax(most.y, all[i].y),
                              fmax(most.z, all[i].z)};
    }
    return shot->receiver_count > 2 && most.x - least.x < grid->spacing[GRID_X] &&
           (grid->dims == 2 || most.y - least.y < grid->spacing[GRID_Y]) &&
           most.z - least.z < grid->spacing[GRID_Z];
}

/* Kilometres taken for metres, or headers that hold no receivers' places: every word a zero. */
static void heap_remark(const struct survey *survey,
                        void (*say)(void *context, const char *sentence), void *context)
{
    size_t looked = 0, shots = survey->state->spread_shared ? 1 : survey->shot_count;
    struct error text;
    for (size_t i = 0; i < shots && looked < HEAPS_LOOKED; i++) {
        struct shot shot;
        if (survey_shot_open(survey, i, &shot, &text) < 0)
            return;
        const struct point at = shot.receivers[0];
        bool heap = is_heap(&survey->grid, &shot);
        looked += shot.receiver_count;
        error_set(
            &text, ERROR_NONE,
            "shot %s: all %zu receivers lie within a cell of the grid, at (%g, %g, %g) m; "
            "are the coordinates' words and units (scalars, feet, km) what they should "
            "be?",
            shot.name, shot.receiver_count, at.x, at.y, at.z);
        survey_shot_close(&shot);
        if (!heap)
            continue;
        say(context, text.text);
        return;
    }
}

/* Disks lose bits seldom alone. */
static void indices_remark(const struct survey_segy *segy,
                           void (*say)(void *context, const char *sentence), void *context)
{
    char text[ERROR_TEXT_MAX];
    for (size_t i = 0; segy && i < segy->file_count; i++) {
        if (!segy_index_is_mended(segy->indices[i]))
            continue;
        snprintf(text, sizeof(text),
                 "%s: its index was damaged, and was made again from the file; look after the "
                 "disk, which may have damaged other files",
                 segy->names[i]);
        say(context, text);
    }
}

void survey_remarks(const struct survey *survey,
                    void (*say)(void *context, const char *sentence), void *context)
{
    indices_remark(survey->state->data, say, context);
    indices_remark(survey->state->geometry, say, context);
    split_remark(survey->state->data, "$.data", say, context);
    split_remark(survey->state->geometry, "$.geometry.segy", say, context);
    survey_twins_remark(survey, say, context);
    heap_remark(survey, say, context);
    silence_remark(survey, say, context);
    recording_remark(survey, say, context);
    bands_remark(survey, say, context);
    fourier_remark(survey, say, context);
    encoding_remark(survey, say, context);
    sources_remark(survey, say, context);
    subsampling_remark(survey, say, context);
    anisotropy_remark(survey, say, context);
    dispersion_remark(survey, say, context);
}
