/* What frequencies a survey's wavelet has, and how often wavefields of these are imaged. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "common/seismic/survey_private.h"

/* Of a Ricker wavelet, whose amplitude spectrum is x² exp(1 - x²) with x = f / peak: there it is
 * SURVEY_SIGNIFICANT of its peak, and there 4e-6 of it. */
#define RICKER_FACTOR 2.397
#define RICKER_END    4.0
/* Frequencies at which a sampled wavelet's spectrum is looked at. */
#define SPECTRUM_LINES 512
/* What the schema allows. */
#define SUBSAMPLING_MAX 10000

static double sampled_amplitude(const struct survey_wavelet *wavelet, double hz)
{
    double re = 0, im = 0, turn = 2 * M_PI * hz * wavelet->interval_s;
    for (size_t i = 0; i < wavelet->count; i++) {
        re += (double)wavelet->values[i] * cos(turn * (double)i);
        im += (double)wavelet->values[i] * sin(turn * (double)i);
    }
    return hypot(re, im);
}

double survey_wavelet_amplitude(const struct survey_wavelet *wavelet, double hz)
{
    if (wavelet->kind == SURVEY_SAMPLED)
        return sampled_amplitude(wavelet, hz);
    double x = hz / wavelet->peak_hz;
    return x * x * exp(1 - x * x);
}

static double sampled_highest(const struct survey_wavelet *wavelet)
{
    double step = 0.5 / wavelet->interval_s / SPECTRUM_LINES, most = 0, highest = 0;
    double *lines = malloc((SPECTRUM_LINES + 1) * sizeof(*lines));
    for (int i = 0; lines && i <= SPECTRUM_LINES; i++) {
        lines[i] = sampled_amplitude(wavelet, i * step);
        most = fmax(most, lines[i]);
    }
    for (int i = 0; lines && i <= SPECTRUM_LINES; i++)
        if (lines[i] > SURVEY_SIGNIFICANT * most)
            highest = i * step;
    free(lines);
    return highest;
}

double survey_wavelet_highest(const struct survey_wavelet *wavelet)
{
    return wavelet->kind == SURVEY_RICKER ? RICKER_FACTOR * wavelet->peak_hz
                                          : sampled_highest(wavelet);
}

/* Where the wavelet ends, by the same rule for both kinds; one that is estimated from data can have
 * whatever these have. */
static double wavelet_end(const struct survey *survey)
{
    const struct survey_wavelet *wavelet = &survey->wavelet;
    double end = RICKER_END / RICKER_FACTOR * survey_wavelet_highest(wavelet);
    bool estimated = survey->operation == SURVEY_FWI && survey->inversion.source_estimation;
    if (wavelet->kind == SURVEY_SAMPLED)
        end = fmin(end, 0.5 / wavelet->interval_s);
    return estimated ? fmax(end, 0.5 / survey->record.interval_s) : end;
}

double survey_product_hz(const struct survey *survey)
{
    return wavelet_end(survey) + 0.5 / survey->record.interval_s;
}

unsigned survey_subsampling_below(double product_hz, double dt_s)
{
    double steps = floor(1 / (product_hz * dt_s));
    return steps > 1 ? (unsigned)fmin(steps, SUBSAMPLING_MAX) : 1;
}

unsigned survey_subsampling(const struct survey *survey, double dt_s)
{
    const struct survey_memory *memory = &survey->memory;
    return memory->subsampling ? memory->subsampling
                               : survey_subsampling_below(memory->product_hz, dt_s);
}
