#include "config.h"

#include "master/durations.h"

/* Values below 8 have a bucket each; above, the three bits after the leading one choose. */
static uint32_t bucket_of(uint64_t ns)
{
    if (ns < 8)
        return (uint32_t)ns;
    uint32_t octave = 63 - (uint32_t)__builtin_clzll(ns);
    return (octave - 2) * 8 + (uint32_t)(ns >> (octave - 3) & 7);
}

static int64_t bucket_end(uint32_t bucket)
{
    if (bucket < 8)
        return bucket;
    uint32_t octave = bucket / 8 + 2;
    uint64_t end = (UINT64_C(9) + bucket % 8) << (octave - 3);
    return end > INT64_MAX ? INT64_MAX : (int64_t)end;
}

void durations_add(struct durations *durations, int64_t ns)
{
    uint32_t *bucket = &durations->buckets[bucket_of(ns < 0 ? 0 : (uint64_t)ns)];
    if (*bucket < UINT32_MAX)
        ++*bucket;
    durations->count++;
    durations->sum_ns += ns < 0 ? 0 : (double)ns;
}

int64_t durations_mean(const struct durations *durations)
{
    double mean = durations->count ? durations->sum_ns / (double)durations->count : 0;
    return mean < (double)(INT64_MAX / 2) ? (int64_t)mean : INT64_MAX;
}

int64_t durations_quantile(struct durations *durations, double quantile)
{
    if (!durations->count)
        return 0;
    if (durations->cached_count && durations->cached_quantile == quantile &&
        durations->count <= durations->cached_count + durations->cached_count / 64)
        return durations->cached_ns;
    double wanted = quantile * (double)durations->count;
    uint64_t below = 0;
    uint32_t bucket = 0;
    for (uint32_t i = 0; i < DURATIONS_BUCKETS; i++) {
        if (!durations->buckets[i])
            continue;
        bucket = i;
        below += durations->buckets[i];
        if ((double)below >= wanted)
            break;
    }
    durations->cached_count = durations->count;
    durations->cached_quantile = quantile;
    durations->cached_ns = bucket_end(bucket);
    return durations->cached_ns;
}
