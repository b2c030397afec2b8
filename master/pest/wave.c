#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/wave.h"

void wave_init(struct wave *wave, size_t parameter_count, size_t observation_count)
{
    *wave = (struct wave){.parameter_count = parameter_count,
                          .observation_count = observation_count,
                          .purpose = "runs"};
}

void wave_clear(struct wave *wave)
{
    free(wave->observations);
    free(wave->failed);
    free(wave->ended);
    wave->observations = NULL;
    wave->failed = wave->ended = NULL;
    wave->run_count = wave->ended_count = 0;
    wave->streamed = false;
    wave->purpose = "runs";
}

void wave_drop_parameters(struct wave *wave)
{
    free(wave->parameters);
    wave->parameters = NULL;
    wave->run_capacity = 0;
}

void wave_fini(struct wave *wave)
{
    wave_clear(wave);
    wave_drop_parameters(wave);
}

static int reserve(struct wave *wave)
{
    if (wave->run_count < wave->run_capacity)
        return 0;
    size_t capacity = wave->run_capacity ? 2 * wave->run_capacity : 16, count, size;
    if (__builtin_mul_overflow(capacity, wave->parameter_count, &count) ||
        __builtin_mul_overflow(count, sizeof(double), &size))
        return -1;
    double *parameters = realloc(wave->parameters, size ? size : 1);
    if (!parameters)
        return -1;
    wave->parameters = parameters;
    wave->run_capacity = capacity;
    return 0;
}

long wave_add(struct wave *wave, const double *parameters)
{
    if (reserve(wave) < 0)
        return -1;
    if (wave->parameter_count)
        memcpy(wave->parameters + wave->run_count * wave->parameter_count, parameters,
               wave->parameter_count * sizeof *parameters);
    return (long)wave->run_count++;
}

int wave_begin(struct wave *wave, struct error *ret_error)
{
    size_t runs = wave->run_count, count, size = 0;
    bool fits = !__builtin_mul_overflow(runs, wave->observation_count, &count) &&
                !__builtin_mul_overflow(count, sizeof(double), &size);
    wave->ended_count = 0;
    wave->failed = calloc(runs + 1, sizeof *wave->failed);
    wave->ended = calloc(runs + 1, sizeof *wave->ended);
    /* Not cleared: pages come when results do. */
    if (fits && !wave->streamed)
        wave->observations = malloc(size ? size : 1);
    if (wave->failed && wave->ended && (wave->streamed || wave->observations))
        return 0;
    return error_set(ret_error, ERROR_SYSTEM,
                     "no memory for the results of %zu runs with %zu observations (%.1f GiB)",
                     runs, wave->observation_count,
                     (double)runs * (double)wave->observation_count * 8 / (1 << 30));
}

double *wave_row(const struct wave *wave, size_t run)
{
    return wave->observations ? wave->observations + run * wave->observation_count : NULL;
}

bool wave_take(struct wave *wave, size_t run)
{
    if (wave->ended[run])
        return false;
    wave->ended[run] = true;
    wave->ended_count++;
    return true;
}

bool wave_fail(struct wave *wave, size_t run)
{
    double *row = wave_row(wave, run);
    if (!wave_take(wave, run))
        return false;
    wave->failed[run] = true;
    for (size_t i = 0; row && i < wave->observation_count; i++)
        row[i] = NAN;
    return true;
}

bool wave_is_over(const struct wave *wave)
{
    return wave->ended_count == wave->run_count;
}

uint64_t wave_fingerprint(const struct wave *wave)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < wave->run_count * wave->parameter_count; i++) {
        uint64_t word;
        memcpy(&word, &wave->parameters[i], sizeof word);
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
        hash ^= hash >> 32; /* words are wide: bring the high bits down, too */
    }
    return hash;
}
